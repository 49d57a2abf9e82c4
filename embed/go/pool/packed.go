package pool

import (
	"encoding/binary"
	"time"
)

// The packed forms of the library's pages and operations, as mantisdb.h describes them. Readers check every length, and
// take from the page as from a stranger.

const (
	entryHead  = 40
	changeHead = 56
	entryFound = 1
	expires    = 2
	previous   = 4
)

var errPacked = newError("answer-malformed", "A page of the library cannot be read.")

// reader takes parts from the front of a page.
type reader struct {
	rest     []byte
	isBroken bool
}

func (page *reader) take(count uint32) []byte {
	if uint64(count) > uint64(len(page.rest)) {
		page.isBroken = true
		return nil
	}
	part := page.rest[:count:count]
	page.rest = page.rest[count:]
	return part
}

func (page *reader) uint32() uint32 {
	if part := page.take(4); part != nil {
		return binary.LittleEndian.Uint32(part)
	}
	return 0
}

func (page *reader) uint64() uint64 {
	if part := page.take(8); part != nil {
		return binary.LittleEndian.Uint64(part)
	}
	return 0
}

func (page *reader) ms() time.Time {
	return time.UnixMilli(int64(page.uint64())).UTC()
}

// entry reads an entry record. The value is a part of the page.
func (page *reader) entry() (Entry, bool) {
	flags, key, value, mediaType := page.uint32(), page.uint32(), page.uint32(), page.uint32()
	version, modified, expiry := page.uint64(), page.ms(), page.ms()
	entry := Entry{Key: string(page.take(key)), MediaType: mediaTypeOf(page.take(mediaType)), Version: version}
	entry.Value = page.take(value)
	if flags&entryFound == 0 {
		entry.Value = nil
		return entry, false
	}
	entry.ModifiedAt = modified
	if flags&expires != 0 {
		entry.ExpiresAt = expiry
	}
	return entry, true
}

// mediaTypeOf is a text without memory of its own where it is the usual one.
func mediaTypeOf(text []byte) string {
	if string(text) == octets {
		return octets
	}
	return string(text)
}

// unpackValues reads the values of entry records, and nothing else of them. They are copies, in one piece of memory.
func unpackValues(data []byte, count int) ([][]byte, error) {
	if count > len(data)/entryHead {
		return nil, errPacked
	}
	page, values, size := reader{rest: data}, make([][]byte, count), 0
	for index := range values {
		head := page.take(entryHead)
		if head == nil {
			return nil, errPacked
		}
		flags, key := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
		value, mediaType := binary.LittleEndian.Uint32(head[8:]), binary.LittleEndian.Uint32(head[12:])
		page.take(key)
		page.take(mediaType)
		if part := page.take(value); flags&entryFound != 0 && !page.isBroken {
			values[index] = part
			size += len(part)
		}
		if page.isBroken {
			return nil, errPacked
		}
	}
	memory := make([]byte, 0, size)
	for index, value := range values {
		if value != nil {
			start := len(memory)
			memory = append(memory, value...)
			values[index] = memory[start:len(memory):len(memory)]
		}
	}
	return values, nil
}

// unpackEntries reads entry records to the end of a page.
func unpackEntries(data []byte, isKeysOnly bool) ([]Entry, error) {
	page, entries := reader{rest: data}, []Entry{}
	for len(page.rest) > 0 {
		entry, _ := page.entry()
		if page.isBroken {
			return nil, errPacked
		}
		if isKeysOnly {
			entry = Entry{Key: entry.Key}
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// unpackResults reads the result records of a batch that was done.
func unpackResults(data []byte, count int) ([]Result, error) {
	page, results := reader{rest: data}, make([]Result, count)
	for index := range results {
		kind := page.uint32()
		part := reader{rest: page.take(page.uint32())}
		switch kind {
		case 1:
			results[index].Entry, results[index].Found = part.entry()
		case 3:
			results[index].Deleted = part.uint64()
		case 4:
			results[index].Number = int64(part.uint64())
		}
		if page.isBroken || part.isBroken {
			return nil, errPacked
		}
	}
	return results, nil
}

// unpackRefusals reads the refusal records of a batch that was not done.
func unpackRefusals(data []byte) ([]Refusal, error) {
	page, refusals := reader{rest: data}, []Refusal{}
	for len(page.rest) > 0 {
		page.uint32()
		part := reader{rest: page.take(page.uint32())}
		index, exists, version := part.uint64(), part.uint64(), part.uint64()
		if page.isBroken || part.isBroken {
			return nil, errPacked
		}
		refusals = append(refusals, Refusal{Index: int(index), Exists: exists != 0, Version: version})
	}
	return refusals, nil
}

// unpackChanges reads change records to the end of a page.
func unpackChanges(data []byte) ([]Change, error) {
	page, changes := reader{rest: data}, []Change{}
	for len(page.rest) > 0 {
		flags := page.uint32()
		bucket, key, value := page.uint32(), page.uint32(), page.uint32()
		mediaType, cursor := page.uint32(), page.uint32()
		change := Change{Kind: "delete", Version: page.uint64()}
		before := page.uint64()
		change.Time = page.ms()
		expiry := page.ms()
		change.Bucket, change.Key = string(page.take(bucket)), string(page.take(key))
		change.MediaType, change.Value = mediaTypeOf(page.take(mediaType)), page.take(value)
		change.Cursor = string(page.take(cursor))
		if page.isBroken {
			return nil, errPacked
		}
		if flags&entryFound != 0 {
			change.Kind = "put"
		} else {
			change.Value, change.MediaType = nil, ""
		}
		if flags&expires != 0 {
			change.ExpiresAt = expiry
		}
		if flags&previous != 0 {
			change.PreviousVersion = before
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// packKeys writes keys, each after its length, into memory that may be there.
func packKeys(out []byte, keys []string) []byte {
	size := 0
	for _, key := range keys {
		size += 4 + len(key)
	}
	if out = out[:0]; size > cap(out) {
		out = make([]byte, 0, size)
	}
	for _, key := range keys {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(key)))
		out = append(out, key...)
	}
	return out
}

var packedOperations = map[string]byte{
	"get": 1, "set": 2, "delete": 3, "delete-span": 4, "increment": 5, "check": 6,
}

// packOperations writes operation records.
func packOperations(operations []Operation) ([]byte, error) {
	size := 0
	for _, operation := range operations {
		size += 64 + len(operation.Key) + len(operation.Value)
	}
	out := make([]byte, 0, size)
	for _, operation := range operations {
		kind, isKnown := packedOperations[operation.Op]
		if !isKnown {
			return nil, invalid("there is no operation " + operation.Op)
		}
		ms, err := operation.Options.ttlMS()
		if err != nil {
			return nil, err
		}
		first, second, mediaType := operation.Key, operation.Value, ""
		var given, span byte
		number := uint64(0)
		switch operation.Op {
		case "set":
			mediaType, number = operation.Options.MediaType, uint64(ms)
			if ms != 0 {
				given |= 1
			}
			if mediaType != "" {
				given |= 2
			}
		case "increment":
			number = uint64(operation.By)
		case "delete-span":
			var start, end string
			span, start, end = operation.Span.packed()
			first, second = start, []byte(end)
			if start != "" {
				given |= 4
			}
			if end != "" {
				given |= 8
			}
		}
		condition := operation.Options.If
		out = append(out, kind, byte(condition.kind), span, given)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(first)))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(second)))
		out = binary.LittleEndian.AppendUint32(out, uint32(len(mediaType)))
		out = binary.LittleEndian.AppendUint64(out, condition.version)
		out = binary.LittleEndian.AppendUint64(out, number)
		out = append(append(append(out, first...), mediaType...), second...)
	}
	return out, nil
}

// packed is the span's kind and its bounds.
func (span Span) packed() (kind byte, start, end string) {
	switch {
	case span.Prefix != "":
		return 1, span.Prefix, ""
	case span.Start != "" || span.End != "":
		return 2, span.Start, span.End
	}
	return 0, "", ""
}

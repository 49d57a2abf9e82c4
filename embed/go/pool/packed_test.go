package pool

import (
	"encoding/binary"
	"testing"
)

// packedEntry is an entry record.
func packedEntry(key, mediaType, value string) []byte {
	out := binary.LittleEndian.AppendUint32(nil, entryFound|expires)
	for _, part := range []string{key, value, mediaType} {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(part)))
	}
	for number := uint64(1); number <= 3; number++ {
		out = binary.LittleEndian.AppendUint64(out, number)
	}
	return append(out, key+mediaType+value...)
}

func TestEntryRecordsAreRead(t *testing.T) {
	page := append(packedEntry("k", "text/plain", "v"), packedEntry("", "", "")...)
	entries, err := unpackEntries(page, false)
	check(t, err)
	first := entries[0]
	if len(entries) != 2 || first.Key != "k" || string(first.Value) != "v" || first.MediaType != "text/plain" ||
		first.Version != 1 || first.ModifiedAt.UnixMilli() != 2 || first.ExpiresAt.UnixMilli() != 3 {
		t.Errorf("%+v", entries)
	}
	values, err := unpackValues(page, 2)
	check(t, err)
	if string(values[0]) != "v" || values[1] == nil {
		t.Errorf("%q", values)
	}
	for cut := 1; cut < len(page); cut++ {
		if _, err := unpackValues(page[:cut], 2); err == nil {
			t.Errorf("%d bytes of %d are read", cut, len(page))
		}
	}
}

// FuzzPages: no page makes a reader panic or take more than the page has.
func FuzzPages(f *testing.F) {
	f.Add(packedEntry("k", "text/plain", "v"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, page []byte) {
		_, _ = unpackValues(page, 3)
		entries, err := unpackEntries(page, false)
		size := 0
		for _, entry := range entries {
			size += entryHead + len(entry.Key) + len(entry.Value)
		}
		if err == nil && size > len(page) {
			t.Fatalf("%d bytes from %d", size, len(page))
		}
		_, _ = unpackResults(page, 3)
		_, _ = unpackRefusals(page)
		_, _ = unpackChanges(page)
	})
}

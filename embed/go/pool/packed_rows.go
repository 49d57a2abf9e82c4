package pool

import (
	"encoding/json"
	"math"
	"time"
)

// Packed rows, as mantisdb.h and the reference of tables describe them. As with other pages, every length is checked.

const (
	rowsEnd       = math.MaxUint32
	rowHead       = 12
	columnHead    = 8
	arrayType     = 256
	dimensionMost = 6
)

// Kinds of values.
const (
	isNull = iota
	isFalse
	isTrue
	isInteger
	isReal
	isDouble
	isNumeric
	isText
	isBytes
	isJSON
	isArray
	isTimestamp
	isDate
	isTime
	isUUID
)

var typeNames = [...]string{
	1: "boolean", 2: "smallint", 3: "integer", 4: "bigint", 5: "real", 6: "double precision", 7: "numeric", 8: "text",
	9: "character varying", 10: "character", 11: "bytea", 12: "date", 13: "time without time zone",
	14: "timestamp without time zone", 15: "timestamp with time zone", 16: "uuid", 17: "jsonb",
}

// typeName is a type that this release knows, or "unknown".
func typeName(number uint32) string {
	element := number &^ arrayType
	if element >= uint32(len(typeNames)) || typeNames[element] == "" {
		return "unknown"
	}
	if number&arrayType != 0 {
		return typeNames[element] + "[]"
	}
	return typeNames[element]
}

// unpackRows reads the columns of packed rows.
func unpackRows(data []byte) (*FetchedRows, error) {
	rows := &FetchedRows{page: reader{rest: data}}
	count := rows.page.uint32()
	if uint64(count)*columnHead > uint64(len(data)) {
		return nil, errPacked
	}
	rows.columns = make([]Column, count)
	for index := range rows.columns {
		number := rows.page.uint32()
		name := rows.page.take(rows.page.uint32())
		rows.columns[index] = Column{Name: string(name), Type: typeName(number)}
	}
	if rows.page.isBroken {
		return nil, errPacked
	}
	return rows, nil
}

// nextRow takes the next row off the page.
func (rows *FetchedRows) nextRow() bool {
	length := rows.page.uint32()
	if !rows.page.isBroken && length == rowsEnd && len(rows.page.rest) == 0 {
		rows.isEnd = true
		return false
	}
	rows.version = rows.page.uint64()
	rows.row = reader{rest: rows.page.take(length)}
	if rows.page.isBroken || length == rowsEnd {
		rows.err = errPacked
		return false
	}
	return true
}

// packedValue is a value as it stands in a row. Which of its parts it has follows from its kind.
type packedValue struct {
	kind   byte
	number uint64
	data   []byte
}

func (page *reader) value() packedValue {
	head := page.take(1)
	if head == nil {
		return packedValue{}
	}
	value := packedValue{kind: head[0]}
	switch value.kind {
	case isNull, isFalse, isTrue:
	case isReal, isDate:
		value.number = uint64(page.uint32())
	case isInteger, isDouble, isTimestamp, isTime:
		value.number = page.uint64()
	case isNumeric, isText, isBytes, isJSON, isArray:
		value.data = page.take(page.uint32())
	case isUUID:
		value.data = page.take(16)
	default:
		page.isBroken = true
	}
	return value
}

// read is the value as Values has it.
func (value packedValue) read() (any, error) {
	switch value.kind {
	case isNull:
		return nil, nil
	case isFalse, isTrue:
		return value.kind == isTrue, nil
	case isInteger:
		return int64(value.number), nil
	case isReal:
		return value.real(), nil
	case isDouble:
		return math.Float64frombits(value.number), nil
	case isNumeric:
		return Numeric(value.data), nil
	case isText:
		return string(value.data), nil
	case isBytes:
		return cloned(value.data), nil
	case isJSON:
		return json.RawMessage(cloned(value.data)), nil
	case isTimestamp, isDate:
		if sign := value.infinity(); sign != 0 {
			return sign, nil
		}
		return value.time(), nil
	case isTime:
		return value.duration(), nil
	case isUUID:
		var uuid UUID
		copy(uuid[:], value.data)
		return uuid, nil
	}
	array, err := value.array()
	if err != nil {
		return nil, err
	}
	nested, _, err := array.nested(array.lengths)
	return nested, err
}

func cloned(data []byte) []byte { return append([]byte{}, data...) }

func (value packedValue) real() float32 { return math.Float32frombits(uint32(value.number)) }

// infinity is that of a timestamp or date, or 0.
func (value packedValue) infinity() Infinity {
	least, most := int64(math.MinInt64), int64(math.MaxInt64)
	number := int64(value.number)
	if value.kind == isDate {
		least, most, number = math.MinInt32, math.MaxInt32, int64(int32(value.number))
	}
	switch number {
	case least:
		return -1
	case most:
		return 1
	}
	return 0
}

func (value packedValue) time() time.Time {
	if value.kind == isDate {
		return time.Unix(int64(int32(value.number))*24*60*60, 0).UTC()
	}
	return time.UnixMicro(int64(value.number)).UTC()
}

// duration is a time of day, of which there are 24 hours at most.
func (value packedValue) duration() time.Duration {
	return time.Duration(int64(value.number)) * time.Microsecond
}

// packedArray is an array's elements, the last dimension first.
type packedArray struct {
	lengths  []int
	elements []packedValue
}

// array reads an array. Its elements are none themselves, and as many as its dimensions say.
func (value packedValue) array() (packedArray, error) {
	page := reader{rest: value.data}
	dimensions := page.uint32()
	if value.kind != isArray || dimensions > dimensionMost {
		return packedArray{}, errPacked
	}
	array, count := packedArray{lengths: make([]int, dimensions)}, uint64(0)
	for index := range array.lengths {
		length := uint64(page.uint32())
		page.uint32() // The lower bound, which Go has no place for.
		if index == 0 {
			count = 1
		}
		// Each element takes a byte at least, which keeps the product small too.
		if count *= length; length == 0 || count > uint64(len(value.data)) {
			return packedArray{}, errPacked
		}
		array.lengths[index] = int(length)
	}
	array.elements = make([]packedValue, count)
	for index := range array.elements {
		array.elements[index] = page.value()
		if array.elements[index].kind == isArray {
			return packedArray{}, errPacked
		}
	}
	if page.isBroken || len(page.rest) > 0 {
		return packedArray{}, errPacked
	}
	return array, nil
}

// nested is the elements of these dimensions, one slice in the other, and the rest of the array.
func (array packedArray) nested(lengths []int) ([]any, packedArray, error) {
	if len(lengths) == 0 {
		return []any{}, array, nil
	}
	nested := make([]any, lengths[0])
	for index := range nested {
		var err error
		if len(lengths) > 1 {
			nested[index], array, err = array.nested(lengths[1:])
		} else {
			nested[index], err = array.elements[0].read()
			array.elements = array.elements[1:]
		}
		if err != nil {
			return nil, array, err
		}
	}
	return nested, array, nil
}

package pool

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Numeric is a decimal number with all of its digits, or "NaN".
type Numeric string

// UUID is a uuid's bytes.
type UUID [16]byte

// String returns the usual form, such as 00112233-4455-6677-8899-aabbccddeeff.
func (uuid UUID) String() string {
	digits := hex.EncodeToString(uuid[:])
	return strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
}

// Infinity is a timestamp or date that is later (1) or earlier (-1) than all others.
type Infinity int

// String returns "infinity" or "-infinity".
func (sign Infinity) String() string {
	if sign < 0 {
		return "-infinity"
	}
	return "infinity"
}

// scanner is what database/sql calls by this name.
type scanner interface{ Scan(value any) error }

// scanInto copies the value to where a pointer points.
func (value packedValue) scanInto(destination any) error {
	switch to := destination.(type) {
	case *any:
		read, err := value.read()
		if err == nil {
			*to = read
		}
		return err
	case scanner:
		plain, err := value.plain()
		if err != nil {
			return err
		}
		return to.Scan(plain)
	}
	pointer := reflect.ValueOf(destination)
	if pointer.Kind() != reflect.Pointer || pointer.IsNil() {
		return fmt.Errorf("the destination is no pointer but %T", destination)
	}
	return value.set(pointer.Elem())
}

// plain is the value in the types that Scan methods know from database/sql.
func (value packedValue) plain() (any, error) {
	read, err := value.read()
	switch read := read.(type) {
	case float32:
		return float64(read), nil
	case Numeric:
		return string(read), nil
	case json.RawMessage:
		return []byte(read), nil
	case UUID:
		return read.String(), nil
	case Infinity:
		return read.String(), nil
	case time.Duration:
		return timeOfDay(read), nil
	}
	return read, err
}

// timeOfDay is a time in PostgreSQL's form.
func timeOfDay(since time.Duration) string {
	seconds := int64(since / time.Second)
	text := fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if micros := since % time.Second / time.Microsecond; micros != 0 {
		text += strings.TrimRight(fmt.Sprintf(".%06d", micros), "0")
	}
	return text
}

var (
	errNull     = errors.New("null needs a pointer, a slice, *any or a method Scan")
	errInfinite = errors.New("infinity is no time.Time: it goes into *any")
	timeType    = reflect.TypeOf(time.Time{})
	spanType    = reflect.TypeOf(time.Duration(0))
	numericType = reflect.TypeOf(Numeric(""))
	rawType     = reflect.TypeOf(json.RawMessage{})
	bytesType   = reflect.TypeOf([]byte{})
)

// set gives a place the value.
func (value packedValue) set(place reflect.Value) error {
	kind := place.Kind()
	if place.CanAddr() && kind != reflect.Pointer {
		if to, is := place.Addr().Interface().(scanner); is {
			plain, err := value.plain()
			if err != nil {
				return err
			}
			return to.Scan(plain)
		}
	}
	if value.kind == isNull {
		if kind != reflect.Pointer && kind != reflect.Slice && kind != reflect.Interface {
			return errNull
		}
		place.Set(reflect.Zero(place.Type()))
		return nil
	}
	switch kind {
	case reflect.Pointer:
		made := reflect.New(place.Type().Elem())
		if err := value.set(made.Elem()); err != nil {
			return err
		}
		place.Set(made)
		return nil
	case reflect.Interface:
		if place.NumMethod() > 0 {
			break
		}
		read, err := value.read()
		if err == nil {
			place.Set(reflect.ValueOf(read))
		}
		return err
	}
	isSet, err := value.setKind(place, kind)
	if err == nil && !isSet {
		err = fmt.Errorf("such a value does not go into %s", place.Type())
	}
	return err
}

// setKind gives a place of that kind the value, and tells whether the two go together.
func (value packedValue) setKind(place reflect.Value, kind reflect.Kind) (bool, error) {
	isOwn := place.Type() == spanType || place.Type() == numericType
	switch value.kind {
	case isFalse, isTrue:
		if kind != reflect.Bool {
			return false, nil
		}
		place.SetBool(value.kind == isTrue)
	case isInteger:
		return !isOwn && setInteger(place, kind, int64(value.number)), nil
	case isReal, isDouble:
		number := math.Float64frombits(value.number)
		if value.kind == isReal {
			number = float64(value.real())
		}
		isExact := kind == reflect.Float64 ||
			kind == reflect.Float32 && (math.IsNaN(number) || float64(float32(number)) == number)
		if !isExact {
			return false, nil
		}
		place.SetFloat(number)
	case isNumeric:
		return value.setNumeric(place, kind)
	case isText, isJSON:
		if place.Type() == rawType && value.kind == isText {
			return false, nil
		}
		return !isOwn && setText(place, kind, value.data), nil
	case isBytes:
		if place.Type() == rawType || kind == reflect.String {
			return false, nil
		}
		return setText(place, kind, value.data), nil
	case isTimestamp, isDate:
		if place.Type() != timeType {
			return false, nil
		}
		if value.infinity() != 0 {
			return false, errInfinite
		}
		place.Set(reflect.ValueOf(value.time()))
	case isTime:
		if place.Type() != spanType {
			return false, nil
		}
		place.SetInt(int64(value.duration()))
	case isUUID:
		return !isOwn && value.setUUID(place, kind), nil
	case isArray:
		array, err := value.array()
		if err != nil {
			return false, err
		}
		_, isSet, err := array.set(place, array.lengths)
		return isSet, err
	}
	return true, nil
}

func setInteger(place reflect.Value, kind reflect.Kind, number int64) bool {
	switch kind {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if place.OverflowInt(number) {
			return false
		}
		place.SetInt(number)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if number < 0 || place.OverflowUint(uint64(number)) {
			return false
		}
		place.SetUint(uint64(number))
	case reflect.Float32, reflect.Float64:
		most := int64(1) << 53
		if kind == reflect.Float32 {
			most = 1 << 24
		}
		if number > most || number < -most {
			return false
		}
		place.SetFloat(float64(number))
	default:
		return false
	}
	return true
}

func (value packedValue) setNumeric(place reflect.Value, kind reflect.Kind) (bool, error) {
	switch kind {
	case reflect.String:
		place.SetString(string(value.data))
	case reflect.Float64:
		number, err := strconv.ParseFloat(string(value.data), 64)
		if err != nil {
			return false, err
		}
		place.SetFloat(number)
	default:
		return false, nil
	}
	return true, nil
}

func setText(place reflect.Value, kind reflect.Kind, data []byte) bool {
	switch {
	case kind == reflect.String:
		place.SetString(string(data))
	case kind == reflect.Slice && place.Type().ConvertibleTo(bytesType):
		place.SetBytes(cloned(data))
	default:
		return false
	}
	return true
}

func (value packedValue) setUUID(place reflect.Value, kind reflect.Kind) bool {
	var uuid UUID
	copy(uuid[:], value.data)
	switch {
	case kind == reflect.String:
		place.SetString(uuid.String())
	case kind == reflect.Array && place.Type().ConvertibleTo(reflect.TypeOf(uuid)):
		place.Set(reflect.ValueOf(uuid).Convert(place.Type()))
	default:
		return false
	}
	return true
}

// set gives a slice the elements of these dimensions, and returns the rest of the array.
func (array packedArray) set(place reflect.Value, lengths []int) (packedArray, bool, error) {
	if place.Kind() == reflect.Interface && place.NumMethod() == 0 {
		nested, rest, err := array.nested(lengths)
		if err == nil {
			place.Set(reflect.ValueOf(nested))
		}
		return rest, err == nil, err
	}
	if place.Kind() != reflect.Slice {
		return array, false, nil
	}
	length := 0
	if len(lengths) > 0 {
		length = lengths[0]
	}
	made := reflect.MakeSlice(place.Type(), length, length)
	for index := 0; index < length; index++ {
		element := made.Index(index)
		if len(lengths) > 1 {
			rest, isSet, err := array.set(element, lengths[1:])
			if err != nil || !isSet {
				return array, isSet, err
			}
			array = rest
			continue
		}
		if err := array.elements[0].set(element); err != nil {
			return array, false, err
		}
		array.elements = array.elements[1:]
	}
	place.Set(made)
	return array, true, nil
}

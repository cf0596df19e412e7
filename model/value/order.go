package value

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"strings"
)

// The types in Convex's order (convex-wire.md 8.4), as the first byte of a
// key. Zero ends arrays and objects, so no tag is zero.
const (
	tagUndefined = iota + 1
	tagNull
	tagInt64
	tagFloat64
	tagFalse
	tagTrue
	tagString
	tagBytes
	tagArray
	tagObject
	tagEnd   = 0
	tagField = 1
)

func tag(v Value) byte {
	switch v := v.(type) {
	case nil:
		return tagNull
	case bool:
		if v {
			return tagTrue
		}
		return tagFalse
	case float64:
		return tagFloat64
	case int64:
		return tagInt64
	case string:
		return tagString
	case Bytes:
		return tagBytes
	case Array:
		return tagArray
	case Object:
		return tagObject
	case Undefined:
		return tagUndefined
	}
	panic(notValue(v))
}

// Compare orders two values as Convex does (8.4); Undefined comes first. It is
// a total order: floats compare by IEEE totalOrder, so NaNs have their places
// and -0 comes before 0.
func Compare(a, b Value) int {
	ta, tb := tag(a), tag(b)
	if ta != tb {
		return cmp.Compare(ta, tb)
	}
	switch a := a.(type) {
	case float64:
		return cmp.Compare(floatKey(a), floatKey(b.(float64)))
	case int64:
		return cmp.Compare(a, b.(int64))
	case string:
		return strings.Compare(a, b.(string))
	case Bytes:
		return bytes.Compare(a, b.(Bytes))
	case Array:
		return compareArrays(a, b.(Array))
	case Object:
		return compareObjects(a, b.(Object))
	default:
		return 0
	}
}

func compareArrays(a, b Array) int {
	for i := range min(len(a), len(b)) {
		if c := Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareObjects(a, b Object) int {
	for i := range min(len(a), len(b)) {
		if c := strings.Compare(a[i].Name, b[i].Name); c != 0 {
			return c
		}
		if c := Compare(a[i].Value, b[i].Value); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// Equal reports whether a and b are the same value: NaN equals a NaN of the
// same bits, -0 is not 0, 1 is not 1n.
func Equal(a, b Value) bool { return Compare(a, b) == 0 }

// floatKey maps floats to integers in IEEE totalOrder.
func floatKey(f float64) uint64 {
	bits := math.Float64bits(f)
	if bits>>63 != 0 {
		return ^bits
	}
	return bits | 1<<63
}

// AppendKey appends bytes whose order under bytes.Compare is Compare's order,
// and no key is a prefix of another, so that keys of several fields can be
// joined, and all keys that begin with the same values share a prefix. They
// are Strait's own bytes, not Convex's.
func AppendKey(dst []byte, v Value) []byte {
	dst = append(dst, tag(v))
	switch v := v.(type) {
	case float64:
		return binary.BigEndian.AppendUint64(dst, floatKey(v))
	case int64:
		return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
	case string:
		return appendTerminated(dst, v)
	case Bytes:
		return appendTerminated(dst, v)
	case Array:
		for _, e := range v {
			dst = AppendKey(dst, e)
		}
		return append(dst, tagEnd)
	case Object:
		for _, f := range v {
			dst = appendTerminated(append(dst, tagField), f.Name)
			dst = AppendKey(dst, f.Value)
		}
		return append(dst, tagEnd)
	}
	return dst
}

// appendTerminated writes text closed by 00 01; a zero byte inside is written
// as 00 FF, which sorts after the end.
func appendTerminated[T string | Bytes](dst []byte, text T) []byte {
	from := 0
	for i := range len(text) {
		if text[i] == 0 {
			dst = append(append(dst, text[from:i]...), 0, 0xff)
			from = i + 1
		}
	}
	return append(append(dst, text[from:]...), 0, 1)
}

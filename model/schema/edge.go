package schema

import (
	"math"
	"math/rand/v2"
	"strings"

	"strait/model/value"
)

// IDs gives an id of a document of the table, and whether there is one.
type IDs func(table string) (id string, ok bool)

// Edge makes a value that the validator accepts, choosing what breaks careless
// code first: empty strings, arrays and bytes, NaN, -0, infinities, the ends of
// int64, long and unusual text, absent optional fields, every member of a
// union. It is determined by the random source. ok is false when the validator
// accepts nothing that can be made here: an empty union, or an id of a table
// for which ids has none (nil has ids for all).
func Edge(v *Validator, r *rand.Rand, ids IDs) (val value.Value, ok bool) {
	e := edges{r: r, ids: ids}
	return e.value(v, 0)
}

var (
	edgeNumbers = []float64{0, 1, -1, 0.1, math.NaN(), math.Copysign(0, -1), math.Inf(1), math.Inf(-1),
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1 << 53, 1e21, -1e-7, 1.7e12}
	edgeIntegers = []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 53, 255, -256}
	edgeStrings  = []string{"", " ", "a", "null", "NaN", "0", "é", "e\u0301", "日本語", "𝒜", "👩‍👩‍👧", "a\x00b", "line\nline", "\"quoted\\", "\u202eright to left",
		"\u2028", "\uffff", "<b>&amp;</b>", "__proto__", "$set", strings.Repeat("long ", 100), strings.Repeat("長", 3000)}
	edgeBytes = []value.Bytes{{}, {0}, {0xff, 0xfe}, value.Bytes(strings.Repeat("\x00\x01", 50))}
	edgeNames = []string{"a", "b", "key", "0", " ", "with space", "a.b", "constructor", "A-1", "toString", "\"", strings.Repeat("n", 300)}
)

// longArray is how many elements the long arrays have.
const longArray = 100

// maxEdgeDepth is where any stops to nest; Convex allows 16 levels a document.
const maxEdgeDepth = 3

type edges struct {
	r   *rand.Rand
	ids IDs
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func (e *edges) value(v *Validator, depth int) (value.Value, bool) {
	switch v = orAny(v); v.Kind {
	case Null:
		return nil, true
	case Boolean:
		return e.r.IntN(2) == 1, true
	case Number:
		return pick(e.r, edgeNumbers), true
	case Bigint, CommitTs:
		return pick(e.r, edgeIntegers), true
	case String:
		return pick(e.r, edgeStrings), true
	case Bytes:
		return pick(e.r, edgeBytes), true
	case Literal:
		return v.Literal, true
	case ID:
		return e.id(v.Table)
	case Any:
		return e.any(depth)
	case Array:
		return e.array(v, depth)
	case Record:
		return e.record(v, depth)
	case Object:
		return e.object(v, depth)
	case Union:
		for _, i := range e.r.Perm(len(v.Members)) {
			if val, ok := e.value(v.Members[i], depth); ok {
				return val, true
			}
		}
	}
	return nil, false
}

func (e *edges) id(table string) (value.Value, bool) {
	if e.ids != nil {
		return e.ids(table)
	}
	id := value.ID{Table: firstTable}
	id.Internal[0] = byte(e.r.Uint32())
	return id.String(), true
}

func (e *edges) any(depth int) (value.Value, bool) {
	n := len(kinds)
	if depth >= maxEdgeDepth {
		n -= 2 // the containers
	}
	return e.value(kinds[e.r.IntN(n)], depth)
}

func (e *edges) array(v *Validator, depth int) (value.Value, bool) {
	n := e.r.IntN(3)
	if depth <= 1 && orAny(v.Element).scalar() && e.r.IntN(8) == 0 {
		n = longArray
	}
	out := value.Array{}
	for range n {
		if val, ok := e.value(v.Element, depth+1); ok {
			out = append(out, val)
		}
	}
	return out, true
}

func (e *edges) record(v *Validator, depth int) (value.Value, bool) {
	var fields []value.Field
	for range e.r.IntN(3) {
		name, ok := e.name(v.Key)
		val, ok2 := e.value(v.Element, depth+1)
		if ok && ok2 {
			fields = append(fields, value.Field{Name: name, Value: val})
		}
	}
	return value.NewObject(fields...), true
}

// name makes a field name that the key validator accepts.
func (e *edges) name(key *Validator) (string, bool) {
	if key = orAny(key); key.Kind == String || key.Kind == Any {
		return pick(e.r, edgeNames), true
	}
	if key.Kind == Union {
		for _, i := range e.r.Perm(len(key.Members)) {
			if name, ok := e.name(key.Members[i]); ok {
				return name, true
			}
		}
		return "", false
	}
	val, _ := e.value(key, 0)
	name, ok := val.(string)
	return name, ok
}

func (e *edges) object(v *Validator, depth int) (value.Value, bool) {
	var fields []value.Field
	for _, f := range v.Fields {
		if f.Optional && e.r.IntN(2) == 0 {
			continue
		}
		val, ok := e.value(f.Type, depth+1)
		switch {
		case ok:
			fields = append(fields, value.Field{Name: f.Name, Value: val})
		case !f.Optional:
			return nil, false
		}
	}
	return value.NewObject(fields...), true
}

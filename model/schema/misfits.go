package schema

import (
	"iter"
	"math/rand/v2"
	"slices"

	"strait/model/value"
)

// tries is how often a draw may fit the target before another way is tried.
const tries = 8

// Misfits gives documents that from accepts and target refuses: the old-shaped
// documents of a migration when from is the widened schema's table. First
// comes one document for every single way in which the two can differ: a field
// absent, each member of each union, inside objects, arrays and records too;
// then random ones, without end. All are made of Edge's values and determined
// by the random source. There are none when target accepts from.
//
// ids gives the ids to refer to, and tables knows their tables; with nil, both
// are those of TablesOf(from, target).
func Misfits(from, target *Validator, r *rand.Rand, ids IDs, tables Tables) iter.Seq[value.Object] {
	if numbers := TablesOf(from, target); ids == nil || tables == nil {
		tables = numbers
		ids = func(table string) (string, bool) {
			number := numbers.Number(table)
			return value.NewID(number, [14]byte{byte(r.Uint32())}, 0).String(), number != 0
		}
	}
	m := &misfits{from: documents(from), target: orAny(target), r: r, ids: ids, tables: tables}
	return func(yield func(value.Object) bool) {
		ways := m.ways()
		for _, way := range ways {
			if doc, ok := m.make(way); ok && !yield(doc) {
				return
			}
		}
		// ids may run out of documents to refer to: then this ends.
		for failed := 0; len(ways) > 0 && failed < tries*len(ways); failed++ {
			doc, ok := m.draw(m.from)
			if !ok || r.IntN(2) == 0 { // rare misfits would else hardly come
				doc, ok = m.make(pick(r, ways))
			}
			if ok {
				failed = 0
				if !yield(doc) {
					return
				}
			}
		}
	}
}

type misfits struct {
	from, target *Validator
	r            *rand.Rand
	ids          IDs
	tables       Tables
}

// ways are narrower validators than from, each of which accepts a document
// that target refuses and that can be made.
func (m *misfits) ways() []*Validator {
	var out []*Validator
	for _, way := range append(variants(m.from, 0), m.from) {
		if ok, err := Includes(m.target, way); ok && err == nil {
			continue
		}
		if _, ok := m.make(way); ok {
			out = append(out, way)
		}
	}
	return out
}

// draw makes a document of v that target refuses, by chance.
func (m *misfits) draw(v *Validator) (value.Object, bool) {
	for range tries {
		val, ok := Edge(v, m.r, m.ids)
		if doc, isObject := val.(value.Object); ok && isObject && !m.target.Fits(doc, m.tables) {
			return doc, true
		}
	}
	return nil, false
}

// make is draw, and where chance does not help the witness of the difference.
func (m *misfits) make(way *Validator) (value.Object, bool) {
	if doc, ok := m.draw(way); ok {
		return doc, true
	}
	ok, w, err := AcceptsDocuments(m.target, way)
	if ok || err != nil {
		return nil, false
	}
	doc, ok := m.settle(w, TablesOf(m.target, documents(way))).(value.Object)
	return doc, ok && m.from.Fits(doc, m.tables) && !m.target.Fits(doc, m.tables)
}

// settle replaces the ids of a witness by ids of documents that there are.
func (m *misfits) settle(v value.Value, numbers NumberedTables) value.Value {
	switch v := v.(type) {
	case string:
		if id, err := value.ParseID(v); err == nil {
			if table, ok := numbers.TableName(id.Table); ok {
				if text, ok := m.ids(table); ok {
					return text
				}
			}
		}
	case value.Array:
		out := slices.Clone(v)
		for i := range out {
			out[i] = m.settle(out[i], numbers)
		}
		return out
	case value.Object:
		out := make([]value.Field, len(v))
		for i, f := range v {
			name, _ := m.settle(f.Name, numbers).(string)
			out[i] = value.Field{Name: name, Value: m.settle(f.Value, numbers)}
		}
		return value.NewObject(out...)
	}
	return v
}

// maxVariantDepth is where variants stop to look inside.
const maxVariantDepth = 6

// variants lists validators narrower than v, in each of which one choice that
// v leaves is made: a field is there or not, a member of a union is taken.
// Nothing but v itself is left to choose of scalars.
func variants(v *Validator, depth int) []*Validator {
	v = orAny(v)
	if depth > maxVariantDepth {
		return []*Validator{v}
	}
	var out []*Validator
	switch v.Kind {
	case Any:
		return kinds
	case Union:
		for _, m := range flat(v) {
			out = append(out, variants(m, depth+1)...)
		}
		return out
	case Array:
		for _, e := range variants(v.Element, depth+1) {
			out = append(out, &Validator{Kind: Array, Element: e})
		}
	case Record:
		for _, e := range variants(v.Element, depth+1) {
			out = append(out, &Validator{Kind: Record, Key: v.Key, Element: e})
		}
	case Object:
		return objectVariants(v, depth)
	default:
		return []*Validator{v}
	}
	return out
}

func objectVariants(v *Validator, depth int) []*Validator {
	var out []*Validator
	for i, f := range v.Fields {
		if f.Optional {
			out = append(out, &Validator{Kind: Object, Fields: slices.Delete(slices.Clone(v.Fields), i, i+1)})
		}
		inside := variants(f.Type, depth+1)
		if len(inside) == 1 && inside[0] == f.Type && !f.Optional {
			continue // no choice
		}
		for _, typ := range inside {
			fields := slices.Clone(v.Fields)
			fields[i] = Field{Name: f.Name, Type: typ}
			out = append(out, &Validator{Kind: Object, Fields: fields})
		}
	}
	if out == nil {
		return []*Validator{v}
	}
	return out
}

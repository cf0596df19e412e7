package schema

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"unicode"

	"strait/model/value"
)

// Sampler makes documents that a person could believe: the text, the numbers
// and the booleans follow the names of the fields, the rest the validators.
// The n-th document of a table depends only on the seed, the table, n and the
// ids, not on the clock or on what else was made. A Sampler serves one
// goroutine.
type Sampler struct {
	seed  uint64
	ids   IDs
	made  map[string]uint64
	words map[string][]string
}

// NewSampler returns a sampler. ids gives ids of documents to refer to; a nil
// ids makes up some, of no table in particular.
func NewSampler(seed uint64, ids IDs) *Sampler {
	return &Sampler{seed: seed, ids: ids, made: map[string]uint64{}, words: map[string][]string{}}
}

// Document makes the next document of the table, without system fields. It
// fails when the table's validator accepts no document that can be made: a
// field demands an id of a table for which ids has none, or an empty union.
func (s *Sampler) Document(t *Table) (value.Object, error) {
	h := fnv.New64a()
	h.Write([]byte(t.Name))
	n := s.made[t.Name]
	s.made[t.Name]++
	d := &sample{Sampler: s, r: rand.New(rand.NewPCG(s.seed^h.Sum64(), n)), n: n}
	d.about = s.split(t.Name)
	d.first, d.last = pick(d.r, firstNames), pick(d.r, lastNames)
	for _, x := range t.Indexes {
		if x.Kind == VectorIndex {
			if d.dimensions == nil {
				d.dimensions = map[string]int{}
			}
			d.dimensions[x.VectorField] = x.Dimensions
		}
	}
	doc := t.Document
	if doc == nil || doc.Kind == Any {
		return d.anyObject(), nil
	}
	v, ok := d.value(doc, "", "")
	o, isObject := v.(value.Object)
	switch {
	case !ok && d.missing != "":
		return nil, fmt.Errorf("make a document of table %q: it needs an id of table %q, which has no documents", t.Name, d.missing)
	case !ok:
		return nil, fmt.Errorf("make a document of table %q: its validator accepts nothing: %s", t.Name, brief(doc))
	case !isObject:
		return nil, fmt.Errorf("make a document of table %q: its validator is not of objects: %s", t.Name, brief(doc))
	}
	return o, nil
}

// split cuts a field or table name into lower-case words: "createdAt" is
// created, at.
func (s *Sampler) split(name string) []string {
	if words, ok := s.words[name]; ok {
		return words
	}
	var words []string
	var word strings.Builder
	end := func() {
		if word.Len() > 0 {
			words = append(words, word.String())
			word.Reset()
		}
	}
	runes := []rune(name)
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			end()
			continue
		case unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end()
		}
		word.WriteRune(unicode.ToLower(r))
	}
	end()
	s.words[name] = words
	return words
}

// sample is one document being made.
type sample struct {
	*Sampler
	r           *rand.Rand
	n           uint64
	about       []string // words of the table's name
	first, last string   // whom the document is about
	dimensions  map[string]int
	missing     string // a table without ids that was asked for
}

func (d *sample) chance(percent int) bool { return d.r.IntN(100) < percent }

// value makes a value for the field called name at the dotted path.
func (d *sample) value(v *Validator, name, path string) (value.Value, bool) {
	switch v = orAny(v); v.Kind {
	case Null:
		return nil, true
	case Boolean:
		return d.boolean(name), true
	case Number:
		return d.number(name), true
	case Bigint, CommitTs:
		return int64(d.number(name)), true
	case String:
		return d.text(name), true
	case Bytes:
		b := make(value.Bytes, 16)
		for i := range b {
			b[i] = byte(d.r.Uint32())
		}
		return b, true
	case Literal:
		return v.Literal, true
	case ID:
		return d.id(v.Table)
	case Any:
		return d.any(name), true
	case Array:
		return d.array(v, name, path), true
	case Record:
		return d.record(v, name), true
	case Object:
		return d.object(v, path)
	case Union:
		return d.member(v, name, path)
	}
	return nil, false
}

func (d *sample) id(table string) (value.Value, bool) {
	if d.ids == nil {
		return value.NewID(firstTable, [14]byte{byte(d.r.Uint32()), byte(d.r.Uint32())}, 20000).String(), true
	}
	id, ok := d.ids(table)
	if !ok {
		d.missing = table
		return nil, false
	}
	return id, true
}

// member picks a member of a union, null less often than its share.
func (d *sample) member(v *Validator, name, path string) (value.Value, bool) {
	if len(v.Members) == 0 {
		return nil, false
	}
	start := d.r.IntN(len(v.Members))
	if orAny(v.Members[start]).Kind == Null && d.chance(60) {
		start++
	}
	for i := range v.Members {
		if val, ok := d.value(v.Members[(start+i)%len(v.Members)], name, path); ok {
			return val, true
		}
	}
	return nil, false
}

func (d *sample) object(v *Validator, path string) (value.Value, bool) {
	fields := make([]value.Field, 0, len(v.Fields))
	for _, f := range v.Fields {
		if f.Optional && d.chance(25) {
			continue
		}
		at := f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		val, ok := d.value(f.Type, f.Name, at)
		switch {
		case ok:
			fields = append(fields, value.Field{Name: f.Name, Value: val})
		case !f.Optional:
			return nil, false
		}
	}
	return value.NewObject(fields...), true
}

// array makes up to four elements, or the floats of a vector index's field.
func (d *sample) array(v *Validator, name, path string) value.Array {
	floats := orAny(v.Element).Kind == Number
	if n := d.dimensions[path]; n > 0 && floats {
		return d.embedding(n)
	}
	if floats && hasAny(d.split(name), "embedding", "embeddings", "vector") {
		return d.embedding(16)
	}
	n := d.r.IntN(5)
	out := make(value.Array, 0, n)
next:
	for range n {
		e, ok := d.value(v.Element, singular(name), path)
		if !ok {
			break
		}
		for _, other := range out { // tags and members do not come twice
			if value.Equal(other, e) {
				continue next
			}
		}
		out = append(out, e)
	}
	return out
}

// embedding makes a vector of about unit length, short to print.
func (d *sample) embedding(n int) value.Array {
	out := make(value.Array, n)
	scale := 1 / math.Sqrt(float64(n)/3)
	for i := range out {
		out[i] = math.Round((2*d.r.Float64()-1)*scale*1e5) / 1e5
	}
	return out
}

func (d *sample) record(v *Validator, name string) value.Object {
	var fields []value.Field
	for range d.r.IntN(4) {
		key, ok := d.key(v.Key)
		val, ok2 := d.value(v.Element, singular(name), "")
		if ok && ok2 {
			fields = append(fields, value.Field{Name: key, Value: val})
		}
	}
	return value.NewObject(fields...)
}

func (d *sample) key(v *Validator) (string, bool) {
	if v = orAny(v); v.Kind == String || v.Kind == Any {
		return pick(d.r, keyNames), true
	}
	val, ok := d.value(v, "key", "")
	key, isString := val.(string)
	return key, ok && isString
}

func (d *sample) any(name string) value.Value {
	words := d.split(name)
	switch {
	case hasAny(words, "metadata", "meta", "data", "settings", "config", "options", "payload", "props", "attributes", "json", "preferences"):
		return d.anyObject()
	case numberTopic(words) != nil:
		return d.number(name)
	}
	return d.text(name)
}

func (d *sample) anyObject() value.Object {
	return value.NewObject(
		value.Field{Name: "source", Value: pick(d.r, []string{"web", "import", "api", "mobile"})},
		value.Field{Name: "version", Value: float64(1 + d.r.IntN(4))},
		value.Field{Name: "label", Value: d.text("label")},
	)
}

func hasAny(words []string, wanted ...string) bool {
	for _, w := range words {
		for _, x := range wanted {
			if w == x {
				return true
			}
		}
	}
	return false
}

func singular(name string) string {
	switch {
	case strings.HasSuffix(name, "ies") && len(name) > 4:
		return name[:len(name)-3] + "y"
	case strings.HasSuffix(name, "s") && !strings.HasSuffix(name, "ss") && len(name) > 2:
		return name[:len(name)-1]
	}
	return name
}

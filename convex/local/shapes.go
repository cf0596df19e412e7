package local

import (
	"math"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// Convex's bounds on an inferred shape (convex-wire.md 6.3).
const (
	maxShapeFields  = 64
	maxShapeMembers = 16
)

// shape is what is known of the values of one place: every one of them fits it.
// The zero shape is that of no value. What a shape comes to depends on the
// values alone, not on their order or on which shapes were merged first.
type shape struct {
	null, int64, boolean, bytes bool

	number, special bool // special: infinities, NaN or -0 among the numbers

	text   bool     // strings that are not all ids
	ids    []uint32 // tables of the strings when all are ids; sorted
	list   *shape   // of the elements of arrays; nil without arrays
	object *objectShape
	record *recordShape // takes the place of object
}

// objectShape is the shape of objects: a field that was not in all of them is
// optional.
type objectShape struct {
	count  int
	fields map[string]*fieldShape
}

type fieldShape struct {
	count int
	shape shape
}

// recordShape is the shape of objects with more fields, or other names, than an
// object's shape may have.
type recordShape struct{ key, value shape }

// add widens the shape by a value.
func (s *shape) add(v value.Value) {
	switch v := v.(type) {
	case nil:
		s.null = true
	case bool:
		s.boolean = true
	case int64:
		s.int64 = true
	case float64:
		s.number = true
		s.special = s.special || math.IsNaN(v) || math.IsInf(v, 0) || v == 0 && math.Signbit(v)
	case value.Bytes:
		s.bytes = true
	case string:
		s.addText(v)
	case value.Array:
		for _, e := range v {
			s.elements().add(e)
		}
		s.elements()
	case value.Object:
		s.addObject(v)
	}
}

func (s *shape) addText(text string) {
	if s.text {
		return
	}
	id, err := value.ParseID(text)
	if err != nil {
		s.text, s.ids = true, nil
		return
	}
	s.addID(id.Table)
}

func (s *shape) addID(table uint32) {
	i, known := slices.BinarySearch(s.ids, table)
	switch {
	case s.text || known:
	case len(s.ids) == maxShapeMembers:
		s.text, s.ids = true, nil
	default:
		s.ids = slices.Insert(s.ids, i, table)
	}
}

func (s *shape) elements() *shape {
	if s.list == nil {
		s.list = &shape{}
	}
	return s.list
}

func (s *shape) addObject(o value.Object) {
	if s.record == nil && (len(o) > maxShapeFields || slices.ContainsFunc(o, func(f value.Field) bool { return !isIdentifier(f.Name) })) {
		s.widen()
	}
	if r := s.record; r != nil {
		for _, f := range o {
			r.key.addText(f.Name)
			r.value.add(f.Value)
		}
		return
	}
	own := s.objects()
	own.count++
	for _, f := range o {
		field := own.field(f.Name)
		field.count++
		field.shape.add(f.Value)
	}
	s.bound()
}

func (s *shape) objects() *objectShape {
	if s.object == nil {
		s.object = &objectShape{fields: map[string]*fieldShape{}}
	}
	return s.object
}

func (o *objectShape) field(name string) *fieldShape {
	f := o.fields[name]
	if f == nil {
		f = &fieldShape{}
		o.fields[name] = f
	}
	return f
}

// bound makes a record of an object with too many fields.
func (s *shape) bound() {
	if s.object != nil && len(s.object.fields) > maxShapeFields {
		s.widen()
	}
}

// widen makes a record of the objects so far.
func (s *shape) widen() {
	if s.record == nil {
		s.record = &recordShape{}
	}
	if s.object != nil {
		s.record.take(s.object)
		s.object = nil
	}
}

func (r *recordShape) take(o *objectShape) {
	for name, f := range o.fields {
		r.key.addText(name)
		r.value.merge(&f.shape)
	}
}

// merge widens the shape by all values of another, which stays as it is.
func (s *shape) merge(other *shape) {
	s.null = s.null || other.null
	s.int64 = s.int64 || other.int64
	s.boolean = s.boolean || other.boolean
	s.bytes = s.bytes || other.bytes
	s.number = s.number || other.number
	s.special = s.special || other.special
	if other.text {
		s.text, s.ids = true, nil
	}
	for _, table := range other.ids {
		s.addID(table)
	}
	if other.list != nil {
		s.elements().merge(other.list)
	}
	if r := other.record; r != nil {
		s.widen()
		s.record.key.merge(&r.key)
		s.record.value.merge(&r.value)
	}
	switch o := other.object; {
	case o == nil:
	case s.record != nil:
		s.record.take(o)
	default:
		own := s.objects()
		own.count += o.count
		for name, f := range o.fields {
			field := own.field(name)
			field.count += f.count
			field.shape.merge(&f.shape)
		}
		s.bound()
	}
}

// isIdentifier reports whether a name may be that of a field in an object's
// shape: letters, digits and underscores, no digit first, not all underscores.
func isIdentifier(name string) bool {
	other := false
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_':
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' && i > 0:
			other = true
		default:
			return false
		}
	}
	return other && len(name) <= 64
}

// shapeJSON is a shape as GET /api/shapes2 tells it (6.3).
type shapeJSON struct {
	Type         string            `json:"type"`
	TableName    string            `json:"tableName,omitempty"`
	Float64Range *floatRange       `json:"float64Range,omitempty"`
	Shape        *shapeJSON        `json:"shape,omitempty"`
	Fields       *[]shapeFieldJSON `json:"fields,omitempty"`
	KeyShape     *shapeJSON        `json:"keyShape,omitempty"`
	ValueShape   *shapeFieldJSON   `json:"valueShape,omitempty"`
	Shapes       []shapeJSON       `json:"shapes,omitempty"`
}

type floatRange struct {
	HasSpecialValues bool `json:"hasSpecialValues"`
}

type shapeFieldJSON struct {
	FieldName string    `json:"fieldName,omitempty"`
	Optional  bool      `json:"optional"`
	Shape     shapeJSON `json:"shape"`
}

// json writes the shape, given the tables that there are. Strings that are ids
// of tables that are gone are just strings.
func (s *shape) json(tables schema.Tables) shapeJSON {
	members := s.members(tables)
	switch len(members) {
	case 0:
		return shapeJSON{Type: "Never"}
	case 1:
		return members[0]
	}
	return shapeJSON{Type: "Union", Shapes: members}
}

// members are the kinds of value, in Convex's order.
func (s *shape) members(tables schema.Tables) []shapeJSON {
	var others, out []shapeJSON
	add := func(is bool, m shapeJSON) {
		if is {
			others = append(others, m)
		}
	}
	text := s.text
	for _, number := range s.ids {
		name, known := tables.TableName(number)
		text = text || !known
		out = append(out, shapeJSON{Type: "Id", TableName: name})
	}
	add(s.null, shapeJSON{Type: "Null"})
	add(s.int64, shapeJSON{Type: "Int64"})
	add(s.number, shapeJSON{Type: "Float64", Float64Range: &floatRange{s.special}})
	add(s.boolean, shapeJSON{Type: "Boolean"})
	at := len(others)
	add(s.bytes, shapeJSON{Type: "Bytes"})
	if s.object != nil {
		add(true, s.object.json(tables))
	}
	if s.list != nil {
		element := s.list.json(tables)
		add(true, shapeJSON{Type: "Array", Shape: &element})
	}
	if r := s.record; r != nil {
		key := r.key.json(tables)
		add(true, shapeJSON{Type: "Record", KeyShape: &key, ValueShape: &shapeFieldJSON{Shape: r.value.json(tables)}})
	}
	if text || len(out)+len(others) > maxShapeMembers {
		out = nil
		others = slices.Insert(others, at, shapeJSON{Type: "String"})
	}
	return append(out, others...)
}

func (o *objectShape) json(tables schema.Tables) shapeJSON {
	fields := make([]shapeFieldJSON, 0, len(o.fields))
	for name, f := range o.fields {
		fields = append(fields, shapeFieldJSON{name, f.count < o.count, f.shape.json(tables)})
	}
	slices.SortFunc(fields, func(a, b shapeFieldJSON) int { return strings.Compare(a.FieldName, b.FieldName) })
	return shapeJSON{Type: "Object", Fields: &fields}
}

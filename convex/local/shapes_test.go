package local

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/value"
)

var shapeTables = schema.TablesOf(&schema.Validator{Kind: schema.Union, Members: []*schema.Validator{
	{Kind: schema.ID, Table: "authors"}, {Kind: schema.ID, Table: "books"},
}})

func genID(table uint32) *rapid.Generator[value.Value] {
	return rapid.Custom(func(t *rapid.T) value.Value {
		id := value.ID{Table: table}
		copy(id.Internal[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		return id.String()
	})
}

func genScalar() *rapid.Generator[value.Value] {
	return rapid.OneOf(
		rapid.SampledFrom([]value.Value{nil, true, int64(1), 1.5, math.NaN(), math.Inf(1), math.Copysign(0, -1), "a", "", "é", value.Bytes("x")}),
		genID(shapeTables.Number("authors")), genID(shapeTables.Number("books")), genID(4),
	)
}

func genValue(depth int) *rapid.Generator[value.Value] {
	if depth == 0 {
		return genScalar()
	}
	return rapid.Custom(func(t *rapid.T) value.Value {
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			return value.Array(rapid.SliceOfN(genValue(depth-1), 0, 4).Draw(t, "array"))
		case 1, 2:
			return genObject(t, depth)
		}
		return genScalar().Draw(t, "scalar")
	})
}

func genObject(t *rapid.T, depth int) value.Object {
	var fields []value.Field
	seen := map[string]bool{}
	add := func(name string, v value.Value) {
		if !seen[name] {
			seen[name] = true
			fields = append(fields, value.Field{Name: name, Value: v})
		}
	}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d e", "_x", "__", "9"}), 0, 4).Draw(t, "names") {
		add(name, genValue(depth-1).Draw(t, name))
	}
	if rapid.IntRange(0, 9).Draw(t, "wide") == 0 {
		from := rapid.IntRange(0, 60).Draw(t, "from")
		for i := range 30 {
			add(fmt.Sprint("f", from+i), genScalar().Draw(t, "field"))
		}
	}
	return value.NewObject(fields...)
}

func shapeOf(values ...value.Value) *shape {
	s := &shape{}
	for _, v := range values {
		s.add(v)
	}
	return s
}

func (s *shape) String() string {
	text, _ := json.Marshal(s.json(shapeTables))
	return string(text)
}

// A shape depends on the values, not on the order in which they came or how
// they were put together.
func TestShapeOfAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(genValue(3), 0, 12).Draw(t, "values")
		want := shapeOf(values...).String()
		if got := shapeOf(rapid.Permutation(values).Draw(t, "order")...).String(); got != want {
			t.Fatalf("in another order %s, want %s", got, want)
		}
		cut := rapid.IntRange(0, len(values)).Draw(t, "cut")
		first, second := shapeOf(values[:cut]...), shapeOf(values[cut:]...)
		before := second.String()
		merged := &shape{}
		merged.merge(second)
		merged.merge(first)
		merged.merge(&shape{})
		merged.merge(merged)
		if got := merged.String(); got != want || second.String() != before {
			t.Fatalf("merged %s, want %s", got, want)
		}
	})
}

func TestShapes(t *testing.T) {
	author, book, gone := value.ID{Table: shapeTables.Number("authors")}.String(), value.ID{Table: shapeTables.Number("books")}.String(), value.ID{Table: 4}.String()
	object := func(fields ...any) value.Object {
		var out []value.Field
		for i := 0; i < len(fields); i += 2 {
			out = append(out, value.Field{Name: fields[i].(string), Value: fields[i+1]})
		}
		return value.NewObject(out...)
	}
	var wide []value.Field
	for i := range 65 {
		wide = append(wide, value.Field{Name: fmt.Sprint("f", i), Value: int64(i)})
	}
	var keyed []value.Value // 65 objects with an id for a key each
	var many []value.Value  // ids of 17 tables
	for i := range 65 {
		keyed = append(keyed, object(value.ID{Table: shapeTables.Number("books"), Internal: [16]byte{byte(i)}}.String(), true))
	}
	for i := range 17 {
		many = append(many, value.ID{Table: uint32(20000 + i)}.String())
	}
	tests := map[string]struct {
		values []value.Value
		want   string
	}{
		"nothing":           {nil, `{"type":"Never"}`},
		"plain numbers":     {[]value.Value{1.0, 2.5}, `{"type":"Float64","float64Range":{"hasSpecialValues":false}}`},
		"special numbers":   {[]value.Value{1.0, math.Copysign(0, -1)}, `{"type":"Float64","float64Range":{"hasSpecialValues":true}}`},
		"one table's ids":   {[]value.Value{author, author}, `{"type":"Id","tableName":"authors"}`},
		"two tables' ids":   {[]value.Value{book, author}, `{"type":"Union","shapes":[{"type":"Id","tableName":"authors"},{"type":"Id","tableName":"books"}]}`},
		"ids and text":      {[]value.Value{author, "x"}, `{"type":"String"}`},
		"a gone table's":    {[]value.Value{gone, author}, `{"type":"String"}`},
		"ids of 17 tables":  {many, `{"type":"String"}`},
		"a union":           {[]value.Value{"x", nil, true, int64(1)}, `{"type":"Union","shapes":[{"type":"Null"},{"type":"Int64"},{"type":"Boolean"},{"type":"String"}]}`},
		"empty arrays":      {[]value.Value{value.Array{}}, `{"type":"Array","shape":{"type":"Never"}}`},
		"an empty object":   {[]value.Value{object()}, `{"type":"Object","fields":[]}`},
		"objects merged":    {[]value.Value{object("a", "x"), object("b", nil, "a", nil)}, `{"type":"Object","fields":[{"fieldName":"a","optional":false,"shape":{"type":"Union","shapes":[{"type":"Null"},{"type":"String"}]}},{"fieldName":"b","optional":true,"shape":{"type":"Null"}}]}`},
		"64 fields and one": {[]value.Value{value.NewObject(wide[:64]...), value.NewObject(wide[64:]...)}, `{"type":"Record","keyShape":{"type":"String"},"valueShape":{"optional":false,"shape":{"type":"Int64"}}}`},
		"an odd name":       {[]value.Value{object("a", "x"), object("b c", int64(1))}, `{"type":"Record","keyShape":{"type":"String"},"valueShape":{"optional":false,"shape":{"type":"Union","shapes":[{"type":"Int64"},{"type":"String"}]}}}`},
		"ids for keys":      {keyed, `{"type":"Record","keyShape":{"type":"Id","tableName":"books"},"valueShape":{"optional":false,"shape":{"type":"Boolean"}}}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shapeOf(test.values...).String(); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// exported is what schema.export() of convex 1.48 prints for a schema with
// every validator and every kind of index.
const exported = `{"tables":[{"tableName":"users","indexes":[{"indexDescriptor":"by_email","fields":["email"]}],"stagedDbIndexes":[{"indexDescriptor":"by_n","fields":["nested.b","name"]}],"searchIndexes":[{"indexDescriptor":"s","searchField":"name","filterFields":["email"]}],"stagedSearchIndexes":[],"vectorIndexes":[{"indexDescriptor":"v","vectorField":"emb","dimensions":1536,"filterFields":[]}],"stagedVectorIndexes":[],"documentType":{"type":"object","value":{"name":{"fieldType":{"type":"string"},"optional":false},"email":{"fieldType":{"type":"string"},"optional":true},"age":{"fieldType":{"type":"union","value":[{"type":"number"},{"type":"null"}]},"optional":false},"big":{"fieldType":{"type":"bigint"},"optional":false},"role":{"fieldType":{"type":"union","value":[{"type":"literal","value":"admin"},{"type":"literal","value":1},{"type":"literal","value":{"$integer":"AgAAAAAAAAA="}},{"type":"literal","value":true}]},"optional":false},"tags":{"fieldType":{"type":"array","value":{"type":"string"}},"optional":false},"scores":{"fieldType":{"type":"record","keys":{"type":"string"},"values":{"fieldType":{"type":"number"},"optional":false}},"optional":false},"team":{"fieldType":{"type":"id","tableName":"teams"},"optional":false},"blob":{"fieldType":{"type":"bytes"},"optional":false},"ts":{"fieldType":{"type":"commitTs"},"optional":false},"x":{"fieldType":{"type":"any"},"optional":false},"nested":{"fieldType":{"type":"object","value":{"b":{"fieldType":{"type":"boolean"},"optional":false},"a":{"fieldType":{"type":"null"},"optional":true}}},"optional":false}}}},{"tableName":"teams","indexes":[],"stagedDbIndexes":[],"searchIndexes":[],"stagedSearchIndexes":[],"vectorIndexes":[],"stagedVectorIndexes":[],"documentType":{"type":"union","value":[{"type":"object","value":{"kind":{"fieldType":{"type":"literal","value":"a"},"optional":false}}},{"type":"object","value":{"kind":{"fieldType":{"type":"literal","value":"b"},"optional":false},"n":{"fieldType":{"type":"number"},"optional":false}}}]}},{"tableName":"any","indexes":[],"stagedDbIndexes":[],"searchIndexes":[],"stagedSearchIndexes":[],"vectorIndexes":[],"stagedVectorIndexes":[],"documentType":{"type":"any"}}],"schemaValidation":false}`

func TestExportRoundTripsByteForByte(t *testing.T) {
	if got := string(parse(t, exported).JSON()); got != exported {
		t.Errorf("JSON is\n%s", got)
	}
}

func TestParseIsTolerant(t *testing.T) {
	s := parse(t, ` {"tables":[{"tableName":"a","indexes":[],"documentType":null,"stagedDocumentType":{"type":"any"},"new":[1]},
		{"tableName":"b","indexes":[],"vectorIndexes":[{"indexDescriptor":"v","vectorField":"e","dimensions":null,"dimension":3,"filterFields":[]}],
		 "documentType":{"type":"object","value":{"_id":{"fieldType":{"type":"string"},"optional":false},"m":{"fieldType":{"type":"map","keys":{}},"optional":false}}}}]} `)
	if s.Validation || s.Table("a").Document != nil || len(s.Table("a").Indexes) != 0 {
		t.Errorf("absent things are not absent: %s", s.JSON())
	}
	b := s.Table("b")
	if b.Indexes[0].Dimensions != 3 || b.Document.String() != "v.object({m: v.any()})" {
		t.Errorf("table b is %s", s.JSON())
	}
	if got := string(parse(t, string(s.JSON())).JSON()); got != string(s.JSON()) {
		t.Errorf("JSON is not stable: %s", got)
	}
}

func TestParseErrorsNameThePlace(t *testing.T) {
	field := func(f string) string {
		return `{"tables":[{"tableName":"a"},{"tableName":"b","documentType":{"type":"object","value":{"f":{"fieldType":` + f + `,"optional":false}}}}]}`
	}
	at := `table "b", field "f" (tables[1].documentType.value.f.fieldType`
	for text, want := range map[string]string{
		``:                                   "read schema: not JSON: unexpected end (at byte 0)",
		`[]`:                                 "read schema: expected an object, found an array",
		`{}`:                                 `read schema: "tables" is missing`,
		`{"tables":{}}`:                      "read schema: tables: expected an array, found an object",
		`{"tables":[1,]}`:                    "tables: not JSON: unexpected \"\" (at byte 13)",
		`{"tables":[tru]}`:                   "tables: not JSON: unexpected \"tru\" (at byte 11)",
		`{"tables":[1 2]}`:                   "tables: not JSON: expected , or ] (at byte 13)",
		`{"tables" 1}`:                       "not JSON: expected : (at byte 10)",
		`{tables:1}`:                         "not JSON: expected a name (at byte 1)",
		`{"ta`:                               "not JSON: string is not closed (at byte 4)",
		`{"ta\x":1}`:                         "not JSON: bad string (at byte 1)",
		"{\"t\n\":1}":                        "not JSON: bad string",
		`{"tables":[`:                        "tables: not JSON: unexpected end (at byte 11)",
		`{"tables":[]}x`:                     "read schema: more text after the JSON",
		`{"tables":[1]}`:                     "tables[0]: expected an object, found a number",
		`{"tables":[{}]}`:                    `tables[0]: "tableName" is missing`,
		`{"tables":[],"schemaValidation":1}`: "schemaValidation: expected true or false, found a number",
		`{"tables":[{"tableName":"a"},{"tableName":"a"}]}`:                                                                                  `table "a" (tables[1]): it is declared twice`,
		`{"tables":[{"tableName":"a","indexes":[{}]}]}`:                                                                                     `table "a" (tables[0].indexes[0]): "indexDescriptor" is missing`,
		`{"tables":[{"tableName":"a","indexes":[{"indexDescriptor":"i","fields":[1]}]}]}`:                                                   `table "a", index "i" (tables[0].indexes[0].fields[0]): expected a string, found a number`,
		`{"tables":[{"tableName":"a","vectorIndexes":[{"indexDescriptor":"i","vectorField":"v"}]}]}`:                                        `table "a", vector index "i" (tables[0].vectorIndexes[0]): "dimensions" is missing`,
		`{"tables":[{"tableName":"a","vectorIndexes":[{"indexDescriptor":"i","vectorField":"v","dimensions":1.5}]}]}`:                       `table "a", vector index "i" (tables[0].vectorIndexes[0].dimensions): expected a whole number, found 1.5`,
		field(`{"type":"array","value":{"type":"object","value":{"x":{"fieldType":{"type":"record","keys":{"type":"foo"},"values":{}}}}}}`): `table "b", field "f[].x" (tables[1].documentType.value.f.fieldType.value.value.x.fieldType.keys): unknown validator type "foo"`,
		`{"tables":[{"tableName":"b","documentType":{"type":"union","value":[{"type":"string"},{"type":"foo"}]}}]}`:                         `table "b" (tables[0].documentType.value[1]): unknown validator type "foo"`,
		`{"tables":[{"tableName":"b","stagedSearchIndexes":[{"indexDescriptor":"i"}]}]}`:                                                    `table "b", search index "i" (tables[0].stagedSearchIndexes[0]): "searchField" is missing`,
		field(`{"type":"foo"}`):                              at + `): unknown validator type "foo"`,
		field(`{}`):                                          at + `): "type" is missing`,
		field(`{"type":"array"}`):                            at + `): "value" is missing`,
		field(`{"type":"union","value":[{"type":1}]}`):       at + `.value[0].type): expected a string, found a number`,
		field(`{"type":"literal","value":[]}`):               at + `.value): a literal is`,
		field(`{"type":"literal","value":{"$integer":"x"}}`): at + `.value): bad literal`,
		field(`{"type":"literal","value":{"$bytes":""}}`):    at + `.value): a literal is`,
		field(`{"type":"id"}`):                               at + `): "tableName" is missing`,
		field(`{"type":"record","keys":{"type":"string"},"values":{"fieldType":{"type":"any"},"optional":true}}`): strings.Replace(at, `"f"`, `"f{}"`, 1) + `.values): Records cannot have optional values`,
		field(strings.Repeat(`{"type":"array","value":`, 500)):                                                    "nested more than 400 levels deep",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.90s): %v\nwant %q in it", text, err, want)
		}
	}
}

func TestHashIsOfTheMeaning(t *testing.T) {
	a := parse(t, exported)
	b := parse(t, exported)
	slices.Reverse(b.Tables)
	users := b.Table("users")
	users.Document = &Validator{Kind: Object, Fields: slices.Clone(users.Document.Fields)}
	slices.Reverse(users.Document.Fields)
	slices.Reverse(users.Indexes)
	age := users.Document.Field("age")
	age.Type = union(union(of(Null)), of(Number), of(Null))
	b.Table("any").Document = nil
	if a.Hash() != b.Hash() {
		t.Error("order, nesting and repetition change the hash")
	}
	if len(a.Hash()) != 16 {
		t.Errorf("hash is %q", a.Hash())
	}
	changes := map[string]func(s *Schema){
		"validation": func(s *Schema) { s.Validation = true },
		"table":      func(s *Schema) { s.Tables = s.Tables[1:] },
		"staged":     func(s *Schema) { s.Tables[0].Indexes[0].Staged = true },
		"index":      func(s *Schema) { s.Tables[0].Indexes[0].Fields = []string{"email", "name"} },
		"optional":   func(s *Schema) { s.Tables[0].Document.Fields[0].Optional = true },
		"literal":    func(s *Schema) { s.Tables[0].Document.Field("role").Type.Members[1].Literal = int64(1) },
	}
	for what, change := range changes {
		c := parse(t, exported)
		change(c)
		if c.Hash() == a.Hash() {
			t.Errorf("a changed %s keeps the hash", what)
		}
	}
}

func TestValidatorsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValidator(4).Draw(t, "v")
		back, err := ParseValidator(v.JSON())
		if err != nil || string(back.JSON()) != string(v.JSON()) || back.String() != v.String() {
			t.Fatalf("%v comes back as %v, %v", v, back, err)
		}
	})
}

// FuzzParseTree holds the reader against encoding/json.
func FuzzParseTree(f *testing.F) {
	f.Add([]byte(shopSchema))
	f.Add([]byte(`[1.5e3,-0,"\u00e9\ud83d",{"a":null,"a":[true]},{}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parseTree(text)
		if valid := json.Valid(text); valid != (err == nil) && (err == nil || !strings.Contains(err.Error(), "nested more than")) {
			t.Fatalf("parseTree(%q): %v, but json.Valid is %v", text, err, valid)
		}
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := n.plain(); !reflect.DeepEqual(got, want) {
			t.Fatalf("parseTree(%q) reads %v, encoding/json %v", text, got, want)
		}
	})
}

func (n *node) plain() any {
	switch n.kind {
	case '[':
		out := []any{}
		for _, item := range n.items {
			out = append(out, item.plain())
		}
		return out
	case '{':
		out := map[string]any{}
		for i, item := range n.items {
			out[n.names[i]] = item.plain()
		}
		return out
	}
	return n.scalar
}

// FuzzParse: whatever parses prints, comes back the same, and survives being
// hashed, widened and printed.
func FuzzParse(f *testing.F) {
	f.Add([]byte(exported))
	f.Add([]byte(shopSchema))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		back, err := Parse(s.JSON())
		if err != nil || string(back.JSON()) != string(s.JSON()) || back.Hash() != s.Hash() {
			t.Fatalf("%s comes back as %s, %v", s.JSON(), back.JSON(), err)
		}
		_ = s.TypeScript()
		if w := WidenSchemas(s, back); w.Hash() != s.Hash() {
			t.Fatalf("widened with itself, %s becomes %s", s.JSON(), w.JSON())
		}
		_ = s.Problems()
		for i, table := range s.Tables {
			if ok, w, err := Accepts(table.Document, back.Tables[i].Document); !ok && !errors.Is(err, ErrTooWide) {
				t.Fatalf("%v does not accept itself: %v, %v", table.Document, w, err)
			}
		}
		sampler := NewSampler(1, nil)
		for _, table := range s.Tables {
			if doc, err := sampler.Document(table); err == nil && !table.FitsDocument(doc, nil) {
				t.Fatalf("%v refuses what was made for it", table.Document)
			}
		}
	})
}

package schema

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

const shopSchema = `{"tables":[
{"tableName":"users","indexes":[],"vectorIndexes":[{"indexDescriptor":"v","vectorField":"profile.embedding","dimensions":5,"filterFields":[]}],"documentType":{"type":"object","value":{
 "name":{"fieldType":{"type":"string"},"optional":false},
 "email":{"fieldType":{"type":"string"},"optional":false},
 "createdAt":{"fieldType":{"type":"number"},"optional":false},
 "age":{"fieldType":{"type":"bigint"},"optional":true},
 "role":{"fieldType":{"type":"union","value":[{"type":"literal","value":"admin"},{"type":"literal","value":"member"}]},"optional":false},
 "tags":{"fieldType":{"type":"array","value":{"type":"string"}},"optional":false},
 "friend":{"fieldType":{"type":"union","value":[{"type":"id","tableName":"users"},{"type":"null"}]},"optional":false},
 "scores":{"fieldType":{"type":"record","keys":{"type":"string"},"values":{"fieldType":{"type":"number"},"optional":false}},"optional":false},
 "profile":{"fieldType":{"type":"object","value":{
   "websiteUrl":{"fieldType":{"type":"string"},"optional":false},
   "embedding":{"fieldType":{"type":"array","value":{"type":"number"}},"optional":false}}},"optional":false}}}},
{"tableName":"orders","indexes":[],"documentType":{"type":"object","value":{
 "user":{"fieldType":{"type":"id","tableName":"users"},"optional":false},
 "metadata":{"fieldType":{"type":"any"},"optional":false},
 "price":{"fieldType":{"type":"number"},"optional":false}}}}
],"schemaValidation":true}`

func parse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSamplerMakesBelievableDocuments(t *testing.T) {
	s := parse(t, shopSchema)
	tables := NumberedTables{"users"}
	user := value.NewID(firstTable, [14]byte{7}, 20000).String()
	sampler := NewSampler(1, func(string) (string, bool) { return user, true })
	users := s.Table("users")
	absent := 0
	for range 200 {
		doc, err := sampler.Document(users)
		if err != nil {
			t.Fatal(err)
		}
		if found := users.CheckDocument(doc, tables); len(found) > 0 {
			t.Fatalf("%s: %s", value.Display(doc), found[0].Message)
		}
		name, _ := doc.Get("name")
		email, _ := doc.Get("email")
		first, _, spaced := strings.Cut(name.(string), " ")
		if !spaced || !strings.HasPrefix(email.(string), strings.ToLower(first)+".") || !strings.Contains(email.(string), "@example.") {
			t.Errorf("name %q and email %q do not belong to one person", name, email)
		}
		if at, _ := doc.Get("createdAt"); at.(float64) < 1.6e12 || at.(float64) > 1.8e12 {
			t.Errorf("createdAt is %v", at)
		}
		if n := len(value.Lookup(doc, "profile.embedding").(value.Array)); n != 5 {
			t.Errorf("the embedding has %d dimensions, its index 5", n)
		}
		if url := value.Lookup(doc, "profile.websiteUrl").(string); !strings.HasPrefix(url, "https://example.com/") {
			t.Errorf("url is %q", url)
		}
		if _, ok := doc.Get("age"); !ok {
			absent++
		}
	}
	if absent == 0 || absent > 100 {
		t.Errorf("an optional field is absent in %d of 200 documents", absent)
	}
}

func TestSamplerIsDeterminedBySeedAndPlace(t *testing.T) {
	s := parse(t, shopSchema)
	draw := func(seed uint64, order ...string) []string {
		sampler := NewSampler(seed, nil)
		var out []string
		for _, name := range order {
			doc, err := sampler.Document(s.Table(name))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, name+string(value.Append(nil, doc)))
		}
		slices.Sort(out)
		return out
	}
	a := draw(7, "users", "users", "orders", "orders")
	b := draw(7, "orders", "users", "orders", "users")
	if !slices.Equal(a, b) {
		t.Errorf("the order in which tables are filled changes the documents:\n%v\n%v", a, b)
	}
	if slices.Equal(a, draw(8, "users", "users", "orders", "orders")) {
		t.Error("another seed gives the same documents")
	}
}

func TestSamplerSaysWhichTableIsMissing(t *testing.T) {
	s := parse(t, shopSchema)
	sampler := NewSampler(1, func(string) (string, bool) { return "", false })
	if _, err := sampler.Document(s.Table("orders")); err == nil || !strings.Contains(err.Error(), `an id of table "users"`) {
		t.Errorf("error is %v", err)
	}
	if _, err := sampler.Document(s.Table("users")); err != nil {
		t.Errorf("a nullable id stopped the sampler: %v", err)
	}
}

func TestSamplerFitsEveryValidator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := &Table{Name: "t", Document: genObject(3).Draw(t, "v")}
		doc, err := NewSampler(rapid.Uint64().Draw(t, "seed"), testIDs).Document(table)
		if err == nil && !table.FitsDocument(doc, testTables) {
			t.Fatalf("%v refuses %s, made for it", table.Document, value.Display(doc))
		}
	})
}

func BenchmarkSampler(b *testing.B) {
	users := parse(b, shopSchema).Table("users")
	sampler := NewSampler(1, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sampler.Document(users); err != nil {
			b.Fatal(err)
		}
	}
}

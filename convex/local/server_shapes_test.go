package local_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// genType draws a validator of which the shape of its documents keeps all: no
// literals, no unions of objects.
func genType(depth int) *rapid.Generator[*schema.Validator] {
	scalar := rapid.Custom(func(t *rapid.T) *schema.Validator {
		if rapid.IntRange(0, 4).Draw(t, "id") == 0 {
			return &schema.Validator{Kind: schema.ID, Table: rapid.SampledFrom([]string{"notes", "other"}).Draw(t, "table")}
		}
		return &schema.Validator{Kind: rapid.SampledFrom([]schema.Kind{schema.Null, schema.Number, schema.Bigint, schema.Boolean, schema.String, schema.Bytes}).Draw(t, "kind")}
	})
	if depth == 0 {
		return scalar
	}
	return rapid.Custom(func(t *rapid.T) *schema.Validator {
		switch rapid.IntRange(0, 6).Draw(t, "type") {
		case 0:
			return &schema.Validator{Kind: schema.Array, Element: genType(depth-1).Draw(t, "element")}
		case 1:
			return genObjectType(t, depth)
		case 2:
			return &schema.Validator{Kind: schema.Record, Key: &schema.Validator{Kind: schema.String}, Element: genType(depth-1).Draw(t, "values")}
		case 3:
			return &schema.Validator{Kind: schema.Union, Members: rapid.SliceOfN(scalar, 1, 4).Draw(t, "members")}
		}
		return scalar.Draw(t, "scalar")
	})
}

func genObjectType(t *rapid.T, depth int) *schema.Validator {
	v := &schema.Validator{Kind: schema.Object}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}), 0, 4, rapid.ID).Draw(t, "fields") {
		v.Fields = append(v.Fields, schema.Field{Name: name, Optional: rapid.Bool().Draw(t, "optional"), Type: genType(depth-1).Draw(t, name)})
	}
	return v
}

// Every document fits the shape of its table as our client reads it, and the
// shape of documents of one type is within that type.
func TestShapesHoldEveryDocument(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		table := fmt.Sprint("t", n)
		typ := genObjectType(t, 3)
		ids := func(table string) (string, bool) {
			number, ok := d.View().TableNumber("", table)
			return value.ID{Table: number, Internal: [16]byte{byte(n)}}.String(), ok
		}
		random := rapid.Make[uint64]().Draw(t, "seed")
		var docs []value.Object
		for i := range rapid.IntRange(0, 8).Draw(t, "documents") {
			doc, ok := schema.Edge(typ, rand.New(rand.NewPCG(random, uint64(i))), ids)
			if o, isObject := doc.(value.Object); ok && isObject && value.CheckLimits(o) == nil {
				docs = append(docs, o)
			}
		}
		if err := d.DefineTable("", table, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Insert(t.Context(), "", table, docs); err != nil {
			t.Fatal(err)
		}
		shapes, err := c.Shapes(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		v := shapes[table].Validator()
		for _, doc := range docs {
			if !v.Fits(doc, d.View().IDs("")) {
				t.Fatalf("%s does not fit %s", value.Display(doc), v)
			}
		}
		if ok, err := schema.IncludesDocuments(typ, v); err != nil || !ok {
			t.Fatalf("the shape %s goes beyond %s: %v", v, typ, err)
		}
		if err := d.DeleteTable("", table); err != nil {
			t.Fatal(err)
		}
	})
}

// Shapes follow what is written, whichever documents change.
func TestShapesFollow(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	shape := func() string {
		t.Helper()
		shapes, err := c.Shapes(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		return shapes["notes"].Validator().String()
	}
	if got := shape(); got != "v.union()" {
		t.Errorf("of an empty table: %s", got)
	}
	var docs []value.Object
	for i := range 5000 {
		docs = append(docs, object("text", fmt.Sprint(i)))
	}
	ids, err := d.Insert(t.Context(), "", "notes", docs)
	if err != nil {
		t.Fatal(err)
	}
	const uniform = "v.object({text: v.string()})"
	for range 2 {
		if got := shape(); got != uniform {
			t.Fatal(got)
		}
	}
	for _, i := range []int{0, 1234, 4999} {
		change := func(done value.Value) {
			t.Helper()
			if _, err := d.Update(t.Context(), "", func(w *local.Writer) error { return w.Patch(ids[i], object("done", done)) }); err != nil {
				t.Fatal(err)
			}
		}
		change(true)
		if got := shape(); got != "v.object({done: v.optional(v.boolean()), text: v.string()})" {
			t.Errorf("after the change of %d: %s", i, got)
		}
		change(value.Undefined{})
		if got := shape(); got != uniform {
			t.Errorf("after %d was changed back: %s", i, got)
		}
	}
	// What the schema proves without reading a document.
	target := d.SchemaState("").Active.Table("notes").Document
	shapes, err := c.Shapes(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := schema.IncludesDocuments(target, shapes["notes"].Validator()); !ok || err != nil {
		t.Errorf("the schema does not take its own documents: %v", err)
	}
}

func TestShapesRoute(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "x")}); err != nil {
		t.Fatal(err)
	}
	admin := []string{"Authorization", "Convex " + d.AdminKey()}
	tests := []struct {
		path   string
		header []string
		status int
		want   string
	}{
		{"/api/shapes2", admin, 200, `"notes":{"type":"Object","fields":[{"fieldName":"_creationTime","optional":false,"shape":{"type":"Float64","float64Range":{"hasSpecialValues":false}}},{"fieldName":"_id","optional":false,"shape":{"type":"Id","tableName":"notes"}},{"fieldName":"text","optional":false,"shape":{"type":"String"}}]},"other":{"type":"Never"}`},
		{"/api/shapes2?component=" + componentIDs(t, c)["migrations"], admin, 200, `"migrations":{"type":"Never"}`},
		{"/api/shapes2?component=nope", admin, 400, "ComponentNotFound"},
		{"/api/shapes2", nil, 403, "BadDeployKey"},
		{"/api/shapes2", []string{"Authorization", "Convex fixture|wrong"}, 401, "BadAdminKey"},
	}
	for _, test := range tests {
		if w := ask(d, "GET", test.path, "", test.header...); w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s: %d %s, want %d %s", test.path, w.Code, w.Body, test.status, test.want)
		}
	}
}

// Asking for the shapes of a table of 100,000 documents: the first time, again,
// and after one document was written.
func BenchmarkShapes(b *testing.B) {
	d := deploy(b, nil)
	var docs []value.Object
	for i := range 100_000 {
		docs = append(docs, object("text", fmt.Sprint("note ", i), "done", i%2 == 0, "n", math.Sqrt(float64(i)), "tags", value.Array{"a", "b"}, "at", object("x", int64(i), "y", nil)))
	}
	ids, err := d.Insert(b.Context(), "", "free", docs)
	if err != nil {
		b.Fatal(err)
	}
	ask := func(b *testing.B, c *wire.Client) {
		if _, err := c.Shapes(b.Context(), ""); err != nil {
			b.Fatal(err)
		}
	}
	c := dial(b, d)
	ask(b, c)
	b.Run("again", func(b *testing.B) {
		for b.Loop() {
			ask(b, c)
		}
	})
	b.Run("changed", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			if _, err := d.Update(b.Context(), "", func(w *local.Writer) error { return w.Patch(ids[i%len(ids)], object("done", nil)) }); err != nil {
				b.Fatal(err)
			}
			ask(b, c)
		}
	})
}

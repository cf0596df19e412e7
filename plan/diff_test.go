package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/value"
)

// Validators for tests, short to write.
func str() *schema.Validator  { return &schema.Validator{Kind: schema.String} }
func num() *schema.Validator  { return &schema.Validator{Kind: schema.Number} }
func boo() *schema.Validator  { return &schema.Validator{Kind: schema.Boolean} }
func null() *schema.Validator { return &schema.Validator{Kind: schema.Null} }
func anyV() *schema.Validator { return &schema.Validator{Kind: schema.Any} }
func id(t string) *schema.Validator {
	return &schema.Validator{Kind: schema.ID, Table: t}
}
func lit(v value.Value) *schema.Validator {
	return &schema.Validator{Kind: schema.Literal, Literal: v}
}
func arr(v *schema.Validator) *schema.Validator {
	return &schema.Validator{Kind: schema.Array, Element: v}
}
func rec(v *schema.Validator) *schema.Validator {
	return &schema.Validator{Kind: schema.Record, Key: str(), Element: v}
}
func union(ms ...*schema.Validator) *schema.Validator {
	return &schema.Validator{Kind: schema.Union, Members: ms}
}
func object(fs ...schema.Field) *schema.Validator {
	return &schema.Validator{Kind: schema.Object, Fields: fs}
}
func req(name string, v *schema.Validator) schema.Field { return schema.Field{Name: name, Type: v} }
func opt(name string, v *schema.Validator) schema.Field {
	return schema.Field{Name: name, Type: v, Optional: true}
}
func table(name string, doc *schema.Validator, ix ...schema.Index) *schema.Table {
	return &schema.Table{Name: name, Document: doc, Indexes: ix}
}
func schemaOf(ts ...*schema.Table) *schema.Schema {
	return &schema.Schema{Tables: ts, Validation: true}
}
func users(fs ...schema.Field) *schema.Schema { return schemaOf(table("users", object(fs...))) }
func index(name string, fields ...string) schema.Index {
	return schema.Index{Kind: schema.DatabaseIndex, Name: name, Fields: fields}
}
func staged(x schema.Index) schema.Index { x.Staged = true; return x }

func brief(cs []Change) string {
	var out []string
	for _, c := range cs {
		where := c.Path
		if where == "" {
			where = c.Table
		}
		out = append(out, fmt.Sprintf("%s %s %s", where, c.Kind, c.Class))
	}
	return strings.Join(out, "\n")
}

func TestDiffNamesEveryChange(t *testing.T) {
	name := req("name", str())
	off := users(name)
	off.Validation = false
	for _, c := range []struct {
		title          string
		active, target *schema.Schema
		want           string
	}{
		{"nothing", users(name), users(name), ""},
		{"order of fields, tables and indexes",
			schemaOf(table("a", object(name, req("x", num())), index("i", "x"), index("j", "name")), table("b", anyV())),
			schemaOf(table("b", anyV()), table("a", object(req("x", num()), name), index("j", "name"), index("i", "x"))), ""},
		{"order, nesting and repetition of members",
			users(req("x", union(str(), num()))), users(req("x", union(num(), union(str(), num())))), ""},
		{"a table without validator is one of any", schemaOf(table("a", nil)), schemaOf(table("a", anyV())), ""},
		{"table added", users(name), schemaOf(table("users", object(name)), table("teams", object(name))), "teams table-added safe"},
		{"table removed", schemaOf(table("users", object(name)), table("teams", object(name))), users(name), "teams table-removed destructive"},
		{"never pushed", nil, users(name), "users table-added safe"},
		{"optional field added", users(name), users(name, opt("age", num())), "users.age field-added safe"},
		{"required field added", users(name), users(name, req("age", num())), "users.age required-field-added widen-migrate-narrow"},
		{"field removed", users(name, req("age", num())), users(name), "users.age field-removed destructive"},
		{"optional field removed", users(name, opt("age", num())), users(name), "users.age field-removed destructive"},
		{"made required", users(opt("name", str())), users(name), "users.name optional-to-required widen-migrate-narrow"},
		{"made optional", users(name), users(opt("name", str())), "users.name required-to-optional safe"},
		{"made required of another type", users(opt("age", str())), users(req("age", num())),
			"users.age optional-to-required widen-migrate-narrow\nusers.age type-changed widen-migrate-narrow"},
		{"type changed", users(req("age", str())), users(req("age", num())), "users.age type-changed widen-migrate-narrow"},
		{"to any", users(name), users(req("name", anyV())), "users.name type-widened safe"},
		{"from any", users(req("name", anyV())), users(name), "users.name type-narrowed widen-migrate-narrow"},
		{"literal to string", users(req("p", lit("a"))), users(req("p", str())), "users.p type-widened safe"},
		{"boolean to enum", users(req("admin", boo())), users(req("admin", union(lit("yes"), lit("no")))), "users.admin type-changed widen-migrate-narrow"},
		{"string to enum", users(req("p", str())), users(req("p", union(lit("yes"), lit("no")))), "users.p type-narrowed widen-migrate-narrow"},
		{"boolean spelled out", users(req("p", boo())), users(req("p", union(lit(true), lit(false)))), ""},
		{"enum grown", users(req("p", union(lit("a"), lit("b")))), users(req("p", union(lit("a"), lit("b"), lit("c")))), "users.p literals-grown safe"},
		{"enum shrunk", users(req("p", union(lit("a"), lit("b")))), users(req("p", lit("a"))), "users.p literals-shrunk widen-migrate-narrow"},
		{"enum renamed", users(req("p", union(lit("a"), lit("b")))), users(req("p", union(lit("a"), lit("c")))), "users.p literals-changed widen-migrate-narrow"},
		{"number or string to string", users(req("zip", union(num(), str()))), users(req("zip", str())), "users.zip union-shrunk widen-migrate-narrow"},
		{"nullable", users(name), users(req("name", union(str(), null()))), "users.name union-grown safe"},
		{"not nullable", users(req("name", union(str(), null()))), users(name), "users.name union-shrunk widen-migrate-narrow"},
		{"id of another table", users(req("team", id("teams"))), users(req("team", id("orgs"))), "users.team id-target-changed widen-migrate-narrow"},
		{"nested object", users(req("profile", object(req("zip", str())))), users(req("profile", object(req("zip", num()), opt("city", str())))),
			"users.profile.city field-added safe\nusers.profile.zip type-changed widen-migrate-narrow"},
		{"array elements", users(req("tags", arr(str()))), users(req("tags", arr(object(req("t", str()))))), "users.tags[] type-changed widen-migrate-narrow"},
		{"in array elements", users(req("tags", arr(object(req("t", str()))))), users(req("tags", arr(object(req("t", str()), req("n", num()))))),
			"users.tags[].n required-field-added widen-migrate-narrow"},
		{"record values", users(req("scores", rec(num()))), users(req("scores", rec(str()))), "users.scores{} type-changed widen-migrate-narrow"},
		{"record keys", users(req("scores", &schema.Validator{Kind: schema.Record, Key: id("a"), Element: num()})), users(req("scores", rec(num()))),
			"users.scores.keys() type-widened safe"},
		{"in the object of a nullable", users(req("p", union(object(req("a", str())), null()))), users(req("p", union(null(), object(req("a", num()))))),
			"users.p.a type-changed widen-migrate-narrow"},
		{"in one member of a tagged union",
			schemaOf(table("e", union(object(req("kind", lit("a")), req("x", str())), object(req("kind", lit("b")))))),
			schemaOf(table("e", union(object(req("kind", lit("b"))), object(req("kind", lit("a")), req("x", num()))))),
			"e.x type-changed widen-migrate-narrow"},
		{"member of a tagged union added",
			schemaOf(table("e", union(object(req("kind", lit("a")))))),
			schemaOf(table("e", union(object(req("kind", lit("a"))), object(req("kind", lit("b")))))),
			"e union-grown safe"},
		{"index added", schemaOf(table("a", anyV())), schemaOf(table("a", anyV(), index("i", "x"))), "a.i index-added index"},
		{"index removed", schemaOf(table("a", anyV(), index("i", "x"))), schemaOf(table("a", anyV())), "a.i index-removed index"},
		{"index changed", schemaOf(table("a", anyV(), index("i", "x"))), schemaOf(table("a", anyV(), index("i", "x", "y"))), "a.i index-changed index"},
		{"index staged", schemaOf(table("a", anyV(), index("i", "x"))), schemaOf(table("a", anyV(), staged(index("i", "x")))), "a.i index-staged index"},
		{"index unstaged", schemaOf(table("a", anyV(), staged(index("i", "x")))), schemaOf(table("a", anyV(), index("i", "x"))), "a.i index-unstaged index"},
		{"search index's filters", schemaOf(table("a", anyV(), schema.Index{Kind: schema.SearchIndex, Name: "s", SearchField: "t", FilterFields: []string{"x", "y"}})),
			schemaOf(table("a", anyV(), schema.Index{Kind: schema.SearchIndex, Name: "s", SearchField: "t", FilterFields: []string{"y", "x"}})), ""},
		{"vector index's dimensions", schemaOf(table("a", anyV(), schema.Index{Kind: schema.VectorIndex, Name: "v", VectorField: "e", Dimensions: 3})),
			schemaOf(table("a", anyV(), schema.Index{Kind: schema.VectorIndex, Name: "v", VectorField: "e", Dimensions: 4})), "a.v index-changed index"},
		{"validation off", users(name), off, "schema-validation-off safe"},
		{"validation on", off, users(name), "schema-validation-on widen-migrate-narrow"},
	} {
		got := strings.TrimSpace(brief(Diff(c.active, c.target)))
		if got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.title, got, c.want)
		}
	}
}

func TestDiffWithoutValidationBreaksNothing(t *testing.T) {
	target := users(req("age", num()))
	target.Validation = false
	active := users(req("age", str()))
	active.Validation = false
	cs := Diff(active, target)
	if len(cs) != 1 || cs[0].Class != Safe || cs[0].Kind != TypeChanged {
		t.Fatalf("got %s", brief(cs))
	}
}

func TestWitnessFailsBecauseOfItsChange(t *testing.T) {
	active := users(req("name", str()), opt("age", num()), req("zip", union(num(), str())))
	target := users(req("name", str()), req("age", num()), req("zip", str()), req("plan", lit("free")))
	cs := Diff(active, target)
	if len(cs) != 3 {
		t.Fatalf("got %s", brief(cs))
	}
	for _, c := range cs {
		v := target.Table("users").Document.Check(c.Witness(), nil)
		hit := slices.ContainsFunc(v, func(x schema.Violation) bool { return "users."+x.Field == c.Path || x.Field == "" })
		if !hit {
			t.Errorf("%s: witness %v fails elsewhere: %+v", c.Path, c.Witness(), v)
		}
	}
}

// genValidator draws validators as schemas use them, and some that nobody
// would write: empty unions, unions of one, members that cover each other.
func genValidator(depth int) *rapid.Generator[*schema.Validator] {
	leaf := rapid.SampledFrom([]*schema.Validator{
		str(), num(), boo(), null(), anyV(), id("a"), id("b"), lit("x"), lit("y"), lit(true), lit(1.0), lit(int64(1)),
		{Kind: schema.Bigint}, {Kind: schema.CommitTs}, union(lit("x"), lit("y")), union(lit("x"), lit("z"), null()), union(id("a"), null()),
	})
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) *schema.Validator {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return arr(genValidator(depth-1).Draw(t, "element"))
		case 1:
			key := rapid.SampledFrom([]*schema.Validator{str(), id("a"), id("b"), union(id("a"), id("b"))}).Draw(t, "key")
			return &schema.Validator{Kind: schema.Record, Key: key, Element: genValidator(depth-1).Draw(t, "value")}
		case 2:
			least := 1
			if rapid.IntRange(0, 9).Draw(t, "empty") == 0 {
				least = 0
			}
			return union(rapid.SliceOfN(genValidator(depth-1), least, 3).Draw(t, "members")...)
		case 3, 4:
			return genObject(depth-1).Draw(t, "object")
		case 5, 6:
			return genTagged(depth-1).Draw(t, "tagged")
		}
		return leaf.Draw(t, "leaf")
	})
}

// genTagged draws unions of objects told apart by their kind.
func genTagged(depth int) *rapid.Generator[*schema.Validator] {
	return rapid.Custom(func(t *rapid.T) *schema.Validator {
		u := union()
		for _, tags := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"p", "q", "r", "pq"}), 1, 3, rapid.ID[string]).Draw(t, "tags") {
			var kind []*schema.Validator
			for _, tag := range tags {
				kind = append(kind, lit(string(tag)))
			}
			fields := []schema.Field{req("kind", union(kind...))}
			for _, f := range genObject(depth).Draw(t, "fields").Fields {
				if f.Name != "kind" {
					fields = append(fields, f)
				}
			}
			u.Members = append(u.Members, object(fields...))
		}
		return u
	})
}

// revised is a validator with something changed at some places.
func revised(t *rapid.T, v *schema.Validator) *schema.Validator {
	if rapid.IntRange(0, 5).Draw(t, "change") == 0 {
		return genValidator(1).Draw(t, "other")
	}
	out := *v
	switch v.Kind {
	case schema.Array, schema.Record:
		out.Element = revised(t, v.Element)
	case schema.Union:
		out.Members = nil
		for _, m := range v.Members {
			if rapid.IntRange(0, 7).Draw(t, "drop") > 0 {
				out.Members = append(out.Members, revised(t, m))
			}
		}
	case schema.Object:
		out.Fields = nil
		for _, f := range v.Fields {
			if rapid.IntRange(0, 7).Draw(t, "drop") > 0 {
				f.Type = revised(t, f.Type)
				f.Optional = f.Optional != (rapid.IntRange(0, 7).Draw(t, "flip") == 0)
				out.Fields = append(out.Fields, f)
			}
		}
	}
	return &out
}

func genObject(depth int) *rapid.Generator[*schema.Validator] {
	return rapid.Custom(func(t *rapid.T) *schema.Validator {
		names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"f", "g", "h", "kind"}), 0, 3, rapid.ID[string]).Draw(t, "names")
		var fs []schema.Field
		for _, n := range names {
			fs = append(fs, schema.Field{Name: n, Optional: rapid.Bool().Draw(t, "optional"), Type: genValidator(depth).Draw(t, "type")})
		}
		return object(fs...)
	})
}

func genSchema() *rapid.Generator[*schema.Schema] {
	return rapid.Custom(func(t *rapid.T) *schema.Schema {
		var ts []*schema.Table
		for _, n := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "users"}), 1, 3, rapid.ID[string]).Draw(t, "tables") {
			ts = append(ts, table(n, genObject(2).Draw(t, "document")))
		}
		return schemaOf(ts...)
	})
}

// Diff is empty exactly when both sides accept the same, and breaks exactly
// when the target refuses what active accepts. A revision of a document is
// compared with it as often as two that have nothing to do with each other.
func TestDiffAgreesWithAccepts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genObject(3).Draw(t, "active")
		var b *schema.Validator
		if rapid.Bool().Draw(t, "revised") {
			fields := revised(t, a)
			if b = fields; b.Kind != schema.Object {
				b = object()
			}
		} else {
			b = genObject(3).Draw(t, "target")
		}
		// Both name both tables, so that ids are numbered alike everywhere.
		both := opt("ref", union(id("a"), id("b")))
		a, b = object(append(slices.Clone(a.Fields), both)...), object(append(slices.Clone(b.Fields), both)...)
		if rapid.Bool().Draw(t, "tagged documents") {
			other := object(req("kind", lit("other")), both)
			a = union(object(append(slices.Clone(a.Fields), req("type", lit("this")))...), other)
			b = union(other, object(append(slices.Clone(b.Fields), req("type", lit("this")))...))
		}
		agrees(t, a, b)
	})
}

// agrees checks Diff of two documents against Accepts.
func agrees(t *rapid.T, a, b *schema.Validator) {
	ids := schema.TablesOf(a, b)
	active, target := schemaOf(table("t", a)), schemaOf(table("t", b))
	up, _, err1 := schema.Accepts(b, a)
	down, _, err2 := schema.Accepts(a, b)
	if err1 != nil || err2 != nil {
		t.Skip("beyond the bound of Accepts")
	}
	cs := Diff(active, target)
	if slices.ContainsFunc(cs, func(c Change) bool { return c.Class == UnknownKind }) {
		t.Skip("beyond the bound of Accepts")
	}
	if (len(cs) == 0) != (up && down) {
		t.Fatalf("mutually accepting is %v, changes:\n%s\n%s\n%s", up && down, brief(cs), a, b)
	}
	breaks := slices.ContainsFunc(cs, Change.NeedsMigration)
	if breaks == up {
		t.Fatalf("target accepts active is %v, changes:\n%s\n%s\n%s", up, brief(cs), a, b)
	}
	if v := judge(active, target, "t"); v != compareTables(active, target).verdicts["t"] && v.err == nil {
		t.Fatalf("judged %+v, compared %+v\n%s\n%s", v, compareTables(active, target).verdicts["t"], a, b)
	}
	for _, c := range cs {
		if c.Message == "" || c.Why == "" || c.Push == "" {
			t.Fatalf("%+v says too little", c)
		}
		w := c.Witness()
		if c.NeedsMigration() != (w != nil) {
			t.Fatalf("%s %s is %s, and its witness is %v\n%s\n%s", c.Path, c.Kind, c.Class, w, a, b)
		}
		if w != nil && (!a.Fits(w, ids) || b.Fits(w, ids)) {
			t.Fatalf("%s %s: %s is no witness\n%s\n%s", c.Path, c.Kind, value.Display(w), a, b)
		}
	}
}

func genIndex() *rapid.Generator[schema.Index] {
	fields := rapid.SampledFrom([]string{"f", "g", "h"})
	return rapid.Custom(func(t *rapid.T) schema.Index {
		x := schema.Index{
			Kind: rapid.SampledFrom([]schema.IndexKind{schema.DatabaseIndex, schema.SearchIndex, schema.VectorIndex}).Draw(t, "kind"),
			Name: rapid.SampledFrom([]string{"i", "j", "k"}).Draw(t, "name"), Staged: rapid.Bool().Draw(t, "staged"),
		}
		list := rapid.SliceOfNDistinct(fields, 1, 2, rapid.ID[string]).Draw(t, "fields")
		switch x.Kind {
		case schema.DatabaseIndex:
			x.Fields = list
		case schema.SearchIndex:
			x.SearchField, x.FilterFields = "f", list
		default:
			x.VectorField, x.Dimensions, x.FilterFields = "g", rapid.IntRange(2, 3).Draw(t, "dimensions"), list
		}
		return x
	})
}

// Of indexes, Diff is empty exactly when both sides have the same, whatever
// their order; nothing of them asks for a migration.
func TestDiffSeesEveryIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfNDistinct(genIndex(), 0, 3, func(x schema.Index) string { return x.Name })
		a, b := list.Draw(t, "active"), list.Draw(t, "target")
		if rapid.Bool().Draw(t, "same") {
			b = rapid.Permutation(a).Draw(t, "order")
		}
		active, target := schemaOf(table("t", anyV(), a...)), schemaOf(table("t", anyV(), b...))
		cs := Diff(active, target)
		if equal := active.Hash() == target.Hash(); equal != (len(cs) == 0) {
			t.Fatalf("the indexes are the same is %v, changes:\n%s\n%+v\n%+v", equal, brief(cs), a, b)
		}
		for _, c := range cs {
			if c.Class != IndexOnly || c.Message == "" || c.Why == "" || c.Push == "" || c.Witness() != nil {
				t.Fatalf("%+v", c)
			}
		}
	})
}

// FuzzDiff compares whatever parses as a schema.
func FuzzDiff(f *testing.F) {
	const head, tail = `{"schemaValidation":true,"tables":[{"tableName":"t","indexes":[{"indexDescriptor":"i","fields":["a"]}],"documentType":`, `}]}`
	for _, doc := range []string{
		`null`, `{"type":"any"}`, `{"type":"union","value":[]}`, `{"type":"object","value":{"a":{"fieldType":{"type":"id","tableName":"t"},"optional":true}}}`,
		`{"type":"union","value":[{"type":"object","value":{"k":{"fieldType":{"type":"literal","value":"x"},"optional":false}}},{"type":"object","value":{"k":{"fieldType":{"type":"literal","value":{"$integer":"AQAAAAAAAAA="}},"optional":false}}}]}`,
		`{"type":"record","keys":{"type":"string"},"values":{"fieldType":{"type":"array","value":{"type":"null"}},"optional":false}}`,
	} {
		f.Add(head+doc+tail, head+`{"type":"object","value":{"b":{"fieldType":{"type":"union","value":[{"type":"string"},{"type":"null"}]},"optional":false}}}`+tail)
	}
	f.Fuzz(func(t *testing.T, old, fresh string) {
		a, err1 := schema.Parse([]byte(old))
		b, err2 := schema.Parse([]byte(fresh))
		if err1 != nil || err2 != nil {
			t.Skip()
		}
		for _, pair := range [][2]*schema.Schema{{a, b}, {b, a}, {nil, a}} {
			for _, c := range Diff(pair[0], pair[1]) {
				if c.Kind == "" || c.Class == "" || c.Message == "" || c.Why == "" || c.Push == "" {
					t.Fatalf("%+v says too little", c)
				}
				c.Witness()
			}
		}
		if cs := Diff(a, a); len(cs) > 0 {
			t.Fatalf("a schema differs from itself: %s", brief(cs))
		}
	})
}

func TestDiffIsBlindToOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genSchema().Draw(t, "active"), genSchema().Draw(t, "target")
		want := brief(Diff(a, b))
		shuffled := &schema.Schema{Validation: true}
		for _, i := range rapid.Permutation([]int{0, 1, 2}).Draw(t, "order") {
			if i < len(b.Tables) {
				d := b.Tables[i].Document
				fields := rapid.Permutation(d.Fields).Draw(t, "fields")
				shuffled.Tables = append(shuffled.Tables, table(b.Tables[i].Name, object(fields...)))
			}
		}
		if got := brief(Diff(a, shuffled)); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
		if cs := Diff(b, shuffled); len(cs) > 0 {
			t.Fatalf("reordering changed\n%s", brief(cs))
		}
	})
}

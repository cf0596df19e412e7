package schema

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

func decode(t testing.TB, text string) value.Value {
	t.Helper()
	v, err := value.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Validators for tests, built as schema.ts would.
func object(fields ...Field) *Validator      { return &Validator{Kind: Object, Fields: fields} }
func union(members ...*Validator) *Validator { return &Validator{Kind: Union, Members: members} }
func lit(v value.Value) *Validator           { return &Validator{Kind: Literal, Literal: v} }
func of(kind Kind) *Validator                { return &Validator{Kind: kind} }
func id(table string) *Validator             { return &Validator{Kind: ID, Table: table} }
func array(e *Validator) *Validator          { return &Validator{Kind: Array, Element: e} }
func record(k, v *Validator) *Validator      { return &Validator{Kind: Record, Key: k, Element: v} }
func req(name string, v *Validator) Field    { return Field{name, v, false} }
func opt(name string, v *Validator) Field    { return Field{name, v, true} }

// systemTables maps numbers for ids: 10001 teams, 10002 users, 5 a system table.
type systemTables struct{ NumberedTables }

func (s systemTables) TableName(n uint32) (string, bool) {
	if n == 5 {
		return "_storage", true
	}
	return s.NumberedTables.TableName(n)
}

// The texts follow crates/common/src/schemas/validator.rs of convex-backend.
func TestCheckSpeaksConvexsTexts(t *testing.T) {
	ids := systemTables{NumberedTables{"teams", "users"}}
	user := value.NewID(10002, [14]byte{1}, 20000).String()
	system := value.NewID(5, [14]byte{1}, 20000).String()
	gone := value.NewID(10050, [14]byte{1}, 20000).String()
	role := lit("admin")
	for _, c := range []struct {
		v                      *Validator
		val                    string
		path, field, reason    string
		expected, got, message string
	}{
		{of(String), `1`, "", "", "type", "v.string()", "number",
			"Value does not match validator.\n\nValue: 1.0\nValidator: v.string()"},
		{object(req("a", array(object(req("b", of(Number)))))), `{"a":[{"b":1},{"b":"x"}]}`, ".a[1].b", "a[].b", "type", "v.float64()", "string",
			"Value does not match validator.\nPath: .a[1].b\nValue: \"x\"\nValidator: v.float64()"},
		{object(req("b", of(Null)), req("a", of(Bigint))), `{"b":null}`, ".a", "a", "missing", "v.int64()", "undefined",
			"Object is missing the required field `a`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {b: null}\nValidator: v.object({a: v.int64(), b: v.null()})"},
		{object(req("p", object(opt("zip", of(String))))), `{"p":{"zap":true}}`, ".p.zap", "p.zap", "extra", "", "boolean",
			"Object contains extra field `zap` that is not in the validator.\nPath: .p\nObject: {zap: true}\nValidator: v.object({zip: v.optional(v.string())})"},
		{object(opt("zip", of(String))), `{"zip":null}`, ".zip", "zip", "type", "v.string()", "null",
			"Value does not match validator.\nPath: .zip\nValue: null\nValidator: v.string()"},
		{object(req("r", role)), `{"r":"user"}`, ".r", "r", "literal", `v.literal("admin")`, `"user"`,
			"`\"user\"` does not match literal validator `v.literal(\"admin\")`.Path: .r"},
		{lit(1.0), `{"$integer":"AQAAAAAAAAA="}`, "", "", "literal", "v.literal(1.0)", "1",
			"`1` does not match literal validator `v.literal(1.0)`."},
		{union(role), `"user"`, "", "", "literal", `v.literal("admin")`, `"user"`,
			"`\"user\"` does not match literal validator `v.literal(\"admin\")`."},
		{object(req("r", union(role, lit(2.0)))), `{"r":"user"}`, ".r", "r", "union", `v.union(v.literal("admin"), v.literal(2.0))`, `"user"`,
			"Value does not match validator.\nPath: .r\nValue: \"user\"\nValidator: v.union(v.literal(\"admin\"), v.literal(2.0))"},
		{object(req("t", id("teams"))), `{"t":"` + user + `"}`, ".t", "t", "id", `v.id("teams")`, `"` + user + `"`,
			"Found ID \"" + user + "\" from table `users`, which does not match the table name in validator `v.id(\"teams\")`.Path: .t"},
		{id("teams"), `"` + system + `"`, "", "", "id", `v.id("teams")`, `"` + system + `"`,
			"Found ID \"" + system + "\" from a system table, which does not match the table name in validator `v.id(\"teams\")`."},
		{id("teams"), `"` + gone + `"`, "", "", "id", `v.id("teams")`, `"` + gone + `"`,
			"Value does not match validator.\n\nValue: \"" + gone + "\"\nValidator: v.id(\"teams\")"},
		{id("teams"), `"ada"`, "", "", "id", `v.id("teams")`, `"ada"`,
			"Value does not match validator.\n\nValue: \"ada\"\nValidator: v.id(\"teams\")"},
		{object(req("s", record(of(String), of(Boolean)))), `{"s":{"k":1}}`, ".s.values()", "s{}", "type", "v.boolean()", "number",
			"Value does not match validator.\nPath: .s.values()\nValue: 1.0\nValidator: v.boolean()"},
		{record(id("teams"), of(Boolean)), `{"k":true}`, ".keys()", "{}", "id", `v.id("teams")`, `"k"`,
			"Value does not match validator.\nPath: .keys()\nValue: \"k\"\nValidator: v.id(\"teams\")"},
		{of(CommitTs), `1`, "", "", "type", "v.commitTs()", "number",
			"Value does not match validator.\n\nValue: 1.0\nValidator: v.commitTs()"},
	} {
		found := c.v.Check(decode(t, c.val), ids)
		if len(found) != 1 {
			t.Errorf("%v finds %d violations in %s, want 1", c.v, len(found), c.val)
			continue
		}
		x := found[0]
		if x.Path != c.path || x.Field != c.field || x.Reason != c.reason || x.Expected != c.expected || x.Got != c.got {
			t.Errorf("%v on %s: path %q field %q reason %q expected %q got %q", c.v, c.val, x.Path, x.Field, x.Reason, x.Expected, x.Got)
		}
		if x.Message != c.message {
			t.Errorf("%v on %s says\n%s\nwant\n%s", c.v, c.val, x.Message, c.message)
		}
	}
}

// Convex walks the validator's fields by name, then the extra fields, and
// stops at the first violation; Check goes on.
func TestCheckListsViolationsInConvexsOrder(t *testing.T) {
	v := object(req("z", of(String)), req("m", of(String)), req("a", object(req("y", of(Null)), req("x", of(Null)))))
	var paths []string
	for _, x := range v.Check(decode(t, `{"a":{"x":1,"w":1},"b":1,"z":2}`), nil) {
		paths = append(paths, x.Path+" "+x.Reason)
	}
	want := []string{".a.x type", ".a.y missing", ".a.w extra", ".m missing", ".z type", ".b extra"}
	if len(paths) != len(want) {
		t.Fatalf("violations are %q, want %q", paths, want)
	}
	for i := range want {
		if paths[i] != want[i] {
			t.Fatalf("violations are %q, want %q", paths, want)
		}
	}
}

// A long document that is wrong everywhere costs no more than it is long.
func TestCheckIsBounded(t *testing.T) {
	var fields []value.Field
	for i := range 1024 {
		fields = append(fields, value.Field{Name: fmt.Sprintf("f%d", i), Value: strings.Repeat("x", 900)})
	}
	found := object(req("a", of(String))).Check(value.NewObject(fields...), nil)
	if len(found) != maxViolations {
		t.Errorf("%d violations are listed", len(found))
	}
	if len(found[0].Message) < 900*1024 {
		t.Error("the first text does not show the whole object, as Convex does")
	}
	for _, x := range found[1:] {
		if len(x.Message) > 2*maxShown {
			t.Fatalf("a later text has %d bytes", len(x.Message))
		}
	}
}

// A union says only that it refuses; the member that was meant says why.
func TestCheckNamesTheClosestMember(t *testing.T) {
	events := union(
		object(req("kind", lit("click")), req("x", of(Number))),
		object(req("kind", lit("key")), req("code", of(String)), req("more", of(String))),
		of(Null))
	for text, want := range map[string]string{
		`{"kind":"click","x":"1"}`: ".e.x type",
		`{"kind":"key","x":1}`:     ".e.code missing",
		`{"kind":"drag","x":1}`:    ".e.kind literal",
		`{"x":1}`:                  ".e.kind missing",
		`"click"`:                  "",
		`[]`:                       "",
	} {
		v := object(req("e", events))
		found := v.Check(value.Object{{Name: "e", Value: decode(t, text)}}, nil)
		if len(found) != 1 || found[0].Reason != ReasonUnion || found[0].Path != ".e" {
			t.Fatalf("%s: violations are %v", text, found)
		}
		got := ""
		if x := found[0].Closest; x != nil {
			got = x.Path + " " + x.Reason
		}
		if got != want {
			t.Errorf("%s: closest is %q, want %q", text, got, want)
		}
	}
}

func TestCheckDocumentTakesSystemFieldsOff(t *testing.T) {
	table := &Table{Name: "t", Document: object(opt("Zebra", of(Number)), req("a", of(String)))}
	for _, text := range []string{`{"_creationTime":1,"_id":"x","a":"b"}`, `{"Zebra":1,"_creationTime":1,"_id":"x","a":"b"}`, `{"a":"b"}`} {
		doc := decode(t, text).(value.Object)
		if found := table.CheckDocument(doc, nil); len(found) > 0 {
			t.Errorf("%s: %s", text, found[0].Message)
		}
	}
	found := table.CheckDocument(decode(t, `{"_id":"x","b":1}`).(value.Object), nil)
	if len(found) != 2 || found[0].Message != "Object is missing the required field `a`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {b: 1.0}\nValidator: v.object({Zebra: v.optional(v.float64()), a: v.string()})" {
		t.Errorf("violations are %v", found)
	}
	if found := (&Table{}).CheckDocument(decode(t, `{"b":1}`).(value.Object), nil); found != nil {
		t.Errorf("a table without validator finds %v", found)
	}
}

func TestFits(t *testing.T) {
	nan := `{"$float":"AAAAAAAA+H8="}`
	for _, c := range []struct {
		v    *Validator
		val  string
		fits bool
	}{
		{of(Number), nan, true}, {of(Number), `{"$integer":"AQAAAAAAAAA="}`, false}, {of(Bigint), `1`, false},
		{of(CommitTs), `{"$integer":"AQAAAAAAAAA="}`, true}, {of(Any), `null`, true}, {nil, `{"a":1}`, true},
		{of(String), `"x"`, true}, {of(Bytes), `{"$bytes":""}`, true}, {of(Bytes), `""`, false}, {of(Boolean), `false`, true}, {of(Null), `null`, true}, {of(Null), `false`, false},
		{lit(0.0), `{"$float":"AAAAAAAAAIA="}`, false}, {lit(int64(1)), `{"$integer":"AQAAAAAAAAA="}`, true}, {lit(true), `true`, true},
		{array(of(Number)), `[]`, true}, {array(of(Number)), `[1,null]`, false}, {array(of(Number)), `{}`, false},
		{record(of(String), of(Number)), `{"a":1}`, true}, {record(of(String), of(Number)), `[]`, false},
		{union(), `null`, false}, {union(of(Null), union(of(String))), `"x"`, true},
		{object(opt("a", of(Null))), `{}`, true}, {object(req("a", of(Any))), `{}`, false}, {object(), `{"a":1}`, false},
		{id("teams"), `"j576zjh5g3dkd4fc8yhftp5k1s727ess"`, true}, {id("teams"), `"x"`, false}, {id("teams"), `1`, false},
	} {
		if got := c.v.Fits(decode(t, c.val), nil); got != c.fits {
			t.Errorf("%v fits %s: %v", c.v, c.val, got)
		}
		if got := len(c.v.Check(decode(t, c.val), nil)) == 0; got != c.fits {
			t.Errorf("Check(%v, %s) finds nothing: %v", c.v, c.val, got)
		}
	}
}

func BenchmarkFits(b *testing.B) {
	users := parse(b, shopSchema).Table("users")
	doc, err := NewSampler(1, nil).Document(users)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !users.FitsDocument(doc, nil) {
			b.Fatal("does not fit")
		}
	}
}

// Misfits finds what CheckDocument finds, in the same order.
func TestMisfitsAreThoseOfCheckDocument(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := &Table{Name: "x", Document: genObject(2).Draw(rt, "validator")}
		x, ok := draw(rt, genObject(2).Draw(rt, "of"))
		doc, isObject := x.(value.Object)
		if !ok || !isObject {
			return
		}
		got, want := table.Misfits(doc, testTables), table.CheckDocument(doc, testTables)
		if len(got) != len(want) {
			rt.Fatalf("%v, want %v", got, want)
		}
		for i := range got {
			if g, w := got[i], want[i]; g.Path != w.Path || g.Field != w.Field || g.Reason != w.Reason {
				rt.Errorf("%+v, want %+v", g, w)
			}
		}
	})
}

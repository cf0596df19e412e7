package plan

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"strait/model/schema"
	"strait/model/value"
)

// kinds are all kinds of change, read from the source of diff.go so that a new
// one cannot be forgotten.
func kinds(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "diff.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			for _, v := range spec.(*ast.ValueSpec).Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					kind, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, kind)
				}
			}
		}
	}
	if len(out) < 22 {
		t.Fatalf("only %d kinds were found in diff.go", len(out))
	}
	return out
}

func TestEveryKindHasItsTactic(t *testing.T) {
	for _, kind := range kinds(t) {
		if tactics[kind] == nil {
			t.Errorf("kind %s has no tactic of its own", kind)
			continue
		}
		s := &situation{row: Row{Table: "users", Path: "users.role"}, main: Change{Kind: kind, Table: "users", Path: "users.role"}}
		got := s.tactic()
		if got.strategy == "" || got.because == "" || len(got.deploys) == 0 {
			t.Errorf("%s: %+v says too little", kind, got)
		}
		for _, d := range got.deploys {
			if d.Title == "" || d.Does == "" || d.RollBack == "" || strings.Contains(d.Does+d.RollBack, "%!") {
				t.Errorf("%s: %+v says too little", kind, d)
			}
		}
	}
}

func advised(t *testing.T, in Input) []Advice {
	t.Helper()
	return NewReview(in, Make(in)).Changes
}

func onProd(before, after *schema.Schema, defs ...Definition) Input {
	return Input{Target: after, Definitions: defs, Envs: []Evidence{{Env: "prod", Now: noon, Reachable: true, Active: before, ActiveKnown: true}}}
}

func TestAdviceOfARow(t *testing.T) {
	in := onProd(users(req("name", str())), users(req("name", str()), req("plan", union(lit("free"), lit("studio")))))
	got := advised(t, in)
	if len(got) != 1 {
		t.Fatalf("%d advices, want one", len(got))
	}
	a := got[0]
	if a.Title != "users.plan becomes required" || a.Class != Breaking || a.Strategy != DualWrite || a.Kinds[0] != RequiredFieldAdded || a.Why == "" || a.Push == "" {
		t.Errorf("advice %+v", a)
	}
	if want := "plan: v.optional(v.union(v.literal(\"free\"), v.literal(\"studio\")))"; !strings.Contains(a.Widened, want) {
		t.Errorf("widened table\n%s\nwants %s", a.Widened, want)
	}
	w, err := value.Decode([]byte(a.Witness))
	if err != nil || value.Lookup(w, "plan") != (value.Undefined{}) {
		t.Errorf("witness %q: %v", a.Witness, err)
	}
	if a.Scaffold == nil || a.Scaffold.File != "convex/migrations.ts" || a.Scaffold.Title != "Migration migrations:backfillUsersPlan" || len(a.Scaffold.Todo) != 1 {
		t.Errorf("scaffold %+v", a.Scaffold)
	}
	if len(a.Snippets) != 3 || a.Snippets[0].File != "convex/convex.config.ts" {
		t.Errorf("snippets %+v: want the set-up first", a.Snippets)
	}
	if text, err := json.Marshal(a); err != nil || strings.Contains(string(text), ":null") {
		t.Errorf("JSON %s: %v", text, err)
	}
}

// A definition that covers the change leaves nothing to write; one that does
// not tells where the new one goes.
func TestScaffoldsGoWhereMigrationsAre(t *testing.T) {
	before := users(req("name", str()), opt("role", str()))
	after := users(req("name", str()), req("role", str()))
	covering := Definition{Name: "db/fix:role", Table: "users", Driver: "component", File: "src/convex/db/fix.ts", Source: "({role: 1})"}
	if a := advised(t, onProd(before, after, covering))[0]; a.Scaffold != nil || !slices.Equal(a.Migrations, []string{"db/fix:role"}) {
		t.Errorf("covered by %v, scaffold %+v", a.Migrations, a.Scaffold)
	}
	other := Definition{Name: "db/fix:backfillUsersRole", Table: "users", Driver: "component", File: "src/convex/db/fix.ts", Source: "({name: 1})"}
	most := Definition{Name: "migrations:a", Table: "orders", Driver: "component", File: "src/convex/migrations.ts", Source: "x"}
	more := Definition{Name: "migrations:b", Table: "orders", Driver: "component", File: "src/convex/migrations.ts", Source: "x"}
	a := advised(t, onProd(before, after, most, more, other))[0]
	if a.Scaffold == nil || a.Scaffold.File != "src/convex/db/fix.ts" || a.Scaffold.Title != "Migration db/fix:backfillUsersRole2" {
		t.Errorf("scaffold %+v: want the file of the table's migrations, and a name of its own", a.Scaffold)
	}
	for _, x := range a.Snippets {
		if strings.HasPrefix(x.Title, "Set-up") {
			t.Error("a project with the component is told to set it up")
		}
	}
	byHand := Definition{Name: "migrations:old", Table: "users", Driver: "paged", File: "app/convex/migrations.ts", Source: "({name: 1})"}
	a = advised(t, onProd(before, after, byHand))[0]
	if a.Scaffold.File != "app/convex/migrations.ts" || !strings.HasPrefix(a.Snippets[0].Title, "Set-up") {
		t.Errorf("scaffold in %s, first snippet %s", a.Scaffold.File, a.Snippets[0].Title)
	}
}

func TestBatchSizes(t *testing.T) {
	for _, c := range []struct {
		largest int64
		want    string
	}{
		{0, "batchSize: 100, // the usual size: how large the documents are is not known"},
		{2000, "batchSize: 100, // the usual size: the largest of 50 documents read has 2.0 KiB"},
		{300 << 10, "batchSize: 20, // documents have up to 300.0 KiB (of 50 documents read), and a transaction reads at most 16 MiB"},
		{1 << 20, "batchSize: 8, //"},
		{20 << 20, "batchSize: 1, //"},
	} {
		in := onProd(users(), users(req("x", str())))
		if c.largest > 0 {
			in.Envs[0].Sizes = map[string]Size{"users": {Sampled: 50, Mean: 100, Largest: c.largest}}
		}
		if code := advised(t, in)[0].Scaffold.Code; !strings.Contains(code, c.want) {
			t.Errorf("largest %d: want %s in\n%s", c.largest, c.want, code)
		}
	}
}

// A range needs the schema in the instance, which only a project without
// migrations, or with a range, is known to have.
func TestCustomRange(t *testing.T) {
	indexed := func(f schema.Field) *schema.Schema {
		s := users(f)
		s.Tables[0].Indexes = []schema.Index{{Kind: schema.DatabaseIndex, Name: "by_x", Fields: []string{"x"}}}
		return s
	}
	in := onProd(indexed(opt("x", str())), indexed(req("x", str())))
	const want = `customRange: (q) => q.withIndex("by_x", (q) => q.eq("x", undefined)),`
	has := func() bool { return strings.Contains(advised(t, in)[0].Scaffold.Code, want) }
	if !has() {
		t.Error("the index that finds the documents is not used")
	}
	in.Definitions = []Definition{{Name: "m:a", Table: "orders", Driver: "component", File: "convex/m.ts", Source: "x"}}
	if has() {
		t.Error("a range is written though the instance may lack the schema")
	}
	in.Definitions[0].CustomRange = true
	if !has() {
		t.Error("no range is written though the project has one")
	}
}

func TestRenameIsCopied(t *testing.T) {
	renameIsCopied(t, users(req("userName", str())))
}

// The renaming is not forgotten once the widened schema is deployed.
func TestRenameIsCopiedAfterWidening(t *testing.T) {
	renameIsCopied(t, schema.WidenSchemas(users(req("userName", str())), users(req("name", str()))))
	as := advised(t, onProd(users(opt("notes", str()), opt("title", str())), users(req("title", str()))))
	if strings.Contains(as[1].Scaffold.Code, "notes") {
		t.Errorf("two plain fields are taken for one renamed:\n%s", as[1].Scaffold.Code)
	}
}

func renameIsCopied(t *testing.T, before *schema.Schema) {
	t.Helper()
	as := advised(t, onProd(before, users(req("name", str()))))
	if len(as) != 2 {
		t.Fatalf("%d advices, want two", len(as))
	}
	if a := as[0]; a.Path != "users.name" || !strings.Contains(a.Scaffold.Code, "doc.userName ?? chooseName()") || !strings.Contains(a.Deploys[0].Does, "users.userName and users.name") {
		t.Errorf("advice %+v\n%s", a.Deploys, a.Scaffold.Code)
	}
	if a := as[1]; !strings.Contains(a.Scaffold.Code, `if (doc.name === undefined) throw`) {
		t.Errorf("the old field is unset before it is copied\n%s", a.Scaffold.Code)
	}
}

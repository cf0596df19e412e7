package conformance

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// TestScaffoldsMigrate runs the migrations that the plan writes, with a
// person's choices put in, over documents of the old and of the new shape:
// afterwards all fit the target, those that fitted are as they were, and a
// second run changes nothing.
func TestScaffoldsMigrate(t *testing.T) {
	for _, c := range scaffoldCases {
		t.Run(c.name, func(t *testing.T) {
			s := newScaffolded(t, c)
			s.deploy()
			defer s.d.Close()
			fitting := s.fitting()
			if n := len(s.documents()) - len(fitting); n == 0 {
				t.Fatal("every document fits the target from the start: the case shows nothing")
			}
			s.runAll()
			s.checkAll()
			now := s.documents()
			for id, doc := range fitting {
				if now[id] != doc {
					t.Errorf("a document that fitted was changed\nfrom %s\nto   %s", doc, now[id])
				}
			}
			s.runAll()
			if again := s.documents(); !maps.Equal(again, now) {
				t.Error("a second run changed documents")
			}
			if err := s.d.PushSchema(s.ctx, s.after); err != nil {
				t.Errorf("the target is refused afterwards: %v", err)
			}
		})
	}
}

// TestScaffoldsTypeCheck checks all that the plan writes with TypeScript, in
// strict mode, against the widened schema: as written and with the choices.
func TestScaffoldsTypeCheck(t *testing.T) {
	npm := npmtest.Dir(t)
	root := t.TempDir()
	if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(root, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, c := range scaffoldCases {
		s := newScaffolded(t, c)
		name := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '-'
		}, strings.ToLower(c.name))
		for _, chosen := range []bool{false, true} {
			if !chosen && len(c.todo) < 2 {
				continue // what is written is nearly the same: time is short
			}
			dir := filepath.Join(root, "cases", fmt.Sprintf("%s-%t", name, chosen))
			s.write(dir, chosen)
			for file, text := range generatedTypes {
				writeFile(t, filepath.Join(dir, "convex/_generated", file), text)
			}
		}
	}
	for _, seed := range []uint64{5, 6} {
		dir := filepath.Join(root, "cases", fmt.Sprintf("random-%d", seed))
		randomScaffolded(t, seed, 40).write(dir, false)
		for file, text := range generatedTypes {
			writeFile(t, filepath.Join(dir, "convex/_generated", file), text)
		}
	}
	checkTypes(t, npm, root, `"include": ["cases"], "compilerOptions": {"skipLibCheck": true, "noUncheckedIndexedAccess": true,`)
}

var generatedTypes = map[string]string{
	"api.ts": `import { anyApi, componentsGeneric } from "convex/server";
import type { ComponentApi } from "@convex-dev/migrations/_generated/component.js";
export const internal = anyApi;
export const components = componentsGeneric() as unknown as { migrations: ComponentApi<"migrations"> };
`,
	"dataModel.ts": `import type { DataModelFromSchemaDefinition, DocumentByName, TableNamesInDataModel } from "convex/server";
import type { GenericId } from "convex/values";
import schema from "../schema";
export type DataModel = DataModelFromSchemaDefinition<typeof schema>;
export type Doc<T extends TableNamesInDataModel<DataModel>> = DocumentByName<DataModel, T>;
export type Id<T extends string> = GenericId<T>;
`,
	"server.ts": `import type { GenericMutationCtx, GenericQueryCtx } from "convex/server";
import type { DataModel } from "./dataModel";
export type QueryCtx = GenericQueryCtx<DataModel>;
export type MutationCtx = GenericMutationCtx<DataModel>;
`,
}

// scaffolded is one case: two schemas and what the plan writes for them.
type scaffolded struct {
	t             *testing.T
	ctx           context.Context
	c             scaffoldCase
	before, after *schema.Schema
	review        plan.Review
	d             *local.Deployment
}

func newScaffolded(t *testing.T, c scaffoldCase) *scaffolded {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	dir := t.TempDir()
	s := &scaffolded{t: t, ctx: ctx, c: c}
	load := func(name, tables string) *schema.Schema {
		writeFile(t, filepath.Join(dir, name), `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({`+tables+`});`)
		out, err := project.LoadSchema(ctx, dir, name)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	writeFile(t, filepath.Join(dir, "package.json"), `{"name": "scaffold"}`)
	writeFile(t, filepath.Join(dir, "convex/schema.ts"), "export default 0;")
	s.before, s.after = load("convex/before.ts", c.before), load("convex/schema.ts", c.after)
	counts := map[string]int64{}
	for _, table := range s.after.Tables {
		if s.before.Table(table.Name) != nil || c.undeclared {
			counts[table.Name] = 40
		}
	}
	in := plan.Input{Target: s.after, Envs: []plan.Evidence{{Env: "prod", Reachable: true, Active: s.before, ActiveKnown: true, Tables: counts}}}
	s.review = plan.NewReview(in, plan.Make(in))
	if len(s.scaffolds()) == 0 {
		t.Fatal("the plan wrote no migration")
	}
	return s
}

func (s *scaffolded) scaffolds() []plan.Snippet {
	var out []plan.Snippet
	for _, a := range s.review.Changes {
		if a.Scaffold != nil {
			out = append(out, *a.Scaffold)
		}
	}
	return out
}

var todoThrow = regexp.MustCompile(`throw new Error\("TODO: .*`)

// write writes the project: widened schema, set-up, migrations, snippets. Each
// file gets its snippets in order; chosen puts the case's choices in.
func (s *scaffolded) write(dir string, chosen bool) {
	s.t.Helper()
	files := map[string]string{"package.json": `{"name": "scaffold"}`, "convex/schema.ts": s.deployed().TypeScript()}
	var code []plan.Snippet
	for _, a := range s.review.Changes {
		code = append(code, a.Snippets...)
	}
	todo := 0
	for _, x := range s.scaffolds() {
		if n := len(todoThrow.FindAllString(x.Code, -1)); (n == 0) != (len(x.Todo) == 0) {
			s.t.Errorf("%s lists %d things to choose and throws %d TODO", x.Title, len(x.Todo), n)
		}
		if chosen {
			x.Code = todoThrow.ReplaceAllStringFunc(x.Code, func(string) string {
				todo++
				if todo > len(s.c.todo) {
					s.t.Fatalf("the case has no choice number %d for\n%s", todo, x.Code)
				}
				return s.c.todo[todo-1]
			})
		}
		code = append(code, x)
	}
	if chosen && todo != len(s.c.todo) {
		s.t.Errorf("%d choices were asked for, the case has %d", todo, len(s.c.todo))
	}
	for _, x := range code {
		files[x.File] += x.Code + "\n"
	}
	for name, text := range files {
		writeFile(s.t, filepath.Join(dir, name), text)
	}
}

// deployed is the schema under which the migrations run. A table that nobody
// declared takes anything until its documents fit.
func (s *scaffolded) deployed() *schema.Schema {
	if !s.c.undeclared {
		return s.review.Widened
	}
	out := &schema.Schema{Validation: true}
	for _, table := range s.after.Tables {
		if s.before.Table(table.Name) == nil {
			table = &schema.Table{Name: table.Name, Document: &schema.Validator{Kind: schema.Any}}
		}
		out.Tables = append(out.Tables, table)
	}
	return out
}

func (s *scaffolded) deploy() {
	s.t.Helper()
	dir := s.t.TempDir()
	s.write(dir, true)
	p, err := project.Load(s.ctx, project.Options{Dir: dir, Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, problem := range p.Problems {
		s.t.Errorf("problem: %v", problem)
	}
	s.d = local.New(local.Options{Seed: 3})
	s.fill()
	if err := s.d.Push(s.ctx, local.Push{App: p.App, Schema: s.deployed()}); err != nil {
		s.t.Fatalf("push of the widened schema: %v", err)
	}
}

// fill stores believable documents of the old schema, then edge values of both.
func (s *scaffolded) fill() {
	s.t.Helper()
	counts := map[string]int{}
	for _, table := range s.before.Tables {
		counts[table.Name] = 15
	}
	if err := s.d.Generate(s.ctx, local.GenerateOptions{Schema: s.before, Counts: counts, Seed: 5}); err != nil {
		s.t.Fatal(err)
	}
	for _, table := range s.after.Tables {
		if s.before.Table(table.Name) == nil {
			if err := s.d.DefineTable("", table.Name, 0); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	s.edges(s.before, 30)
	s.edges(s.after, 10)
	for table, docs := range s.c.documents {
		for _, text := range docs {
			doc, err := value.Decode([]byte(text))
			if err != nil {
				s.t.Fatal(err)
			}
			s.insert(table, doc.(value.Object))
		}
	}
}

func (s *scaffolded) insert(table string, doc value.Object) {
	s.t.Helper()
	if _, err := s.d.Insert(s.ctx, "", table, []value.Object{doc}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scaffolded) edges(shape *schema.Schema, n int) {
	s.t.Helper()
	r := rand.New(rand.NewPCG(11, 13))
	ids := func(table string) (string, bool) {
		for doc := range s.d.View().Scan("", table, "", false) {
			return doc.ID, true
		}
		return "", false
	}
	for _, table := range shape.Tables {
		for range n {
			doc, ok := schema.Edge(table.Document, r, ids)
			if o, is := doc.(value.Object); ok && is {
				s.insert(table.Name, o)
			}
		}
	}
}

// documents are all documents of the root by id.
func (s *scaffolded) documents() map[string]string {
	out := map[string]string{}
	v := s.d.View()
	for _, table := range v.Tables("") {
		for doc := range v.Scan("", table.Name, "", false) {
			out[doc.ID] = doc.JSON
		}
	}
	return out
}

// fitting are the documents that fit the target.
func (s *scaffolded) fitting() map[string]string {
	out := map[string]string{}
	s.eachDocument(func(table *schema.Table, id, text string, doc value.Object) {
		if table.FitsDocument(doc, s.tables()) {
			out[id] = text
		}
	})
	return out
}

func (s *scaffolded) checkAll() {
	s.t.Helper()
	n := 0
	s.eachDocument(func(table *schema.Table, _, text string, doc value.Object) {
		if bad := table.CheckDocument(doc, s.tables()); len(bad) > 0 {
			if n++; n <= 3 {
				s.t.Errorf("a document of %s does not fit the target: %s\n%s", table.Name, bad[0].Message, text)
			}
		}
	})
}

func (s *scaffolded) eachDocument(do func(table *schema.Table, id, text string, doc value.Object)) {
	s.t.Helper()
	v := s.d.View()
	for _, table := range s.after.Tables {
		for doc := range v.Scan("", table.Name, "", false) {
			decoded, err := value.Decode([]byte(doc.JSON))
			if err != nil {
				s.t.Fatal(err)
			}
			do(table, doc.ID, doc.JSON, decoded.(value.Object))
		}
	}
}

type tableNames map[uint32]string

func (n tableNames) TableName(number uint32) (string, bool) { name, ok := n[number]; return name, ok }

func (s *scaffolded) tables() schema.Tables {
	out := tableNames{}
	for _, table := range s.d.View().Tables("") {
		out[table.Number] = table.Name
	}
	return out
}

// runAll runs every migration from the beginning. One that must wait for
// another one fails and is started again after the rest.
func (s *scaffolded) runAll() {
	s.t.Helper()
	var names []string
	for _, x := range s.scaffolds() {
		names = append(names, strings.TrimPrefix(x.Title, "Migration "))
	}
	var failed []string
	for range 2 {
		failed = nil
		for _, name := range names {
			r := s.d.Run(s.ctx, local.Request{Path: name, Args: `{"reset":true,"batchSize":20}`, Type: jsrun.Mutation, Admin: true})
			if r.Err != nil {
				s.t.Fatalf("start %s: %v", name, r.Err)
			}
			settle(s.t, s.ctx, s.d)
		}
		state := states(s.t, s.ctx, s.d)
		for _, name := range names {
			if state[name] != "success" {
				failed = append(failed, name)
			}
		}
		if len(failed) == 0 {
			return
		}
		slices.Reverse(names)
	}
	r := s.d.Run(s.ctx, local.Request{Component: "migrations", Path: "lib:getStatus", Args: `{}`, Type: jsrun.Query, Admin: true})
	s.t.Fatalf("failed: %v\n%s", failed, r.Value)
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

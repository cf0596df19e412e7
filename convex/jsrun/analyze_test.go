package jsrun

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/model/schema"
)

// migrating is a project that defines migrations in the ways that real ones do.
var migrating = map[string]string{
	"convex/convex.config.ts": `
import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config.js";
const app = defineApp();
app.use(migrations);
app.use(migrations, { name: "second" });
export default app;
`,
	"convex/schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ users: defineTable({ name: v.string(), team: v.optional(v.id("teams")) }), teams: defineTable({}) });
`,
	"convex/setup.ts": `
import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
export const migrations = new Migrations<DataModel>(components.migrations, { defaultBatchSize: 50, migrationsLocationPrefix: "migrations/" });
export const define = (table: string, by: number) =>
  migrations.define({ table: table as any, migrateOne: () => ({ by }) });
`,
	"convex/migrations.ts": `import { internal } from "./_generated/api";
import { internalMutation, query } from "./_generated/server";
import { v } from "convex/values";
import { migrations, define } from "./setup";
import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";

export const setName = migrations.define({
  table: "users",
  batchSize: 10,
  parallelize: true,
  customRange: (q: any) => q.withIndex("by_creation_time"),
  // Everybody has a name.
  async migrateOne(ctx, user: any): Promise<{ name: string } | undefined> {
    if (!user.name) return { name: "nobody" }; // why not
  },
});
export const helped = define("teams", 1);
const { component: _component } = migrations;
export const bound = migrations.define.bind(migrations)({ table: "teams", migrateOne: (_ctx: any, d: any) => ({ x: d.a ? "}," : ['"', 1] }) });
const other = new Migrations(components.second, { internalMutation });
export const viaOther = other.define({ table: "users", migrateOne: () => undefined });
other.define({ table: "lost", migrateOne: () => undefined });
export const run = migrations.runner();
export const runOne = migrations.runner(internal.migrations.setName);
export const runAll = migrations.runner([internal.migrations.setName, internal.migrations.helped, (internal as any)["migrations/one"].default]);

/** Deletes by hand. */
export const paged = internalMutation({
  args: { cursor: v.union(v.string(), v.null()), n: v.optional(v.number()) },
  returns: v.null(),
  handler: async (ctx, args) => {
    return null;
  },
});
export const list = query(async (ctx) => "list");
export const limit = 7;
`,
	"convex/migrations/one.ts": `import { migrations } from "../setup";
export default migrations.define({
  table: "users", migrateOne: async () => {} });
`,
	"convex/index.ts": `export { setName, runAll } from "./migrations"; export { default as one } from "./migrations/one";` + "\n",
}

func checkMigrating(t *testing.T, a *Analysis) {
	t.Helper()
	type def struct {
		name, table         string
		batch, defaultBatch int
		custom, parallel    bool
		prefix              string
		file                string
		line                int
	}
	var defs []def
	for _, d := range a.Definitions {
		want := "migrations"
		if d.Export == "viaOther" || d.Table == "lost" {
			want = "second"
		}
		if d.Component != want {
			t.Errorf("%s:%s belongs to component %q", d.Module, d.Export, d.Component)
		}
		defs = append(defs, def{d.Module + ":" + d.Export, d.Table, d.BatchSize, d.DefaultBatch, d.CustomRange, d.Parallelize, d.Prefix, d.File, d.Line})
	}
	slices.SortFunc(defs, func(a, b def) int { return strings.Compare(a.name, b.name) })
	m := "convex/migrations.ts"
	want := []def{
		{":", "lost", 0, 0, false, false, "", m, 23},
		{"migrations/one:default", "users", 0, 50, false, false, "migrations/", "convex/migrations/one.ts", 2},
		{"migrations:bound", "teams", 0, 50, false, false, "migrations/", m, 20},
		{"migrations:helped", "teams", 0, 50, false, false, "migrations/", m, 18},
		{"migrations:setName", "users", 10, 50, true, true, "migrations/", m, 8},
		{"migrations:viaOther", "users", 0, 0, false, false, "", m, 22},
	}
	if !slices.Equal(defs, want) {
		t.Errorf("definitions\n got %+v\nwant %+v", defs, want)
	}
	source := func(export string) string {
		i := slices.IndexFunc(a.Definitions, func(d Definition) bool { return d.Export == export })
		if i < 0 {
			return ""
		}
		return a.Definitions[i].Source
	}
	if got := source("setName"); !strings.HasPrefix(got, "async migrateOne(ctx, user: any): Promise<{ name: string } | undefined> {") || !strings.HasSuffix(got, "// why not\n  }") {
		t.Errorf("source of setName: %q", got)
	}
	if got, want := source("bound"), `(_ctx: any, d: any) => ({ x: d.a ? "}," : ['"', 1] })`; got != want {
		t.Errorf("source of bound: %q, want %q", got, want)
	}

	var runners []string
	for _, r := range a.Runners {
		runners = append(runners, r.Module+":"+r.Export+"="+strings.Join(r.Series, "+"))
		if r.File != m || r.Line < 24 {
			t.Errorf("runner %s at %s:%d", r.Export, r.File, r.Line)
		}
	}
	slices.Sort(runners)
	wantRunners := []string{"migrations:run=", "migrations:runAll=migrations:setName+migrations:helped+migrations/one", "migrations:runOne=migrations:setName"}
	if !slices.Equal(runners, wantRunners) {
		t.Errorf("runners\n got %q\nwant %q", runners, wantRunners)
	}

	fn := func(path string) Function {
		i := slices.IndexFunc(a.Functions, func(f Function) bool { return f.Path() == path })
		if i < 0 {
			t.Fatalf("no function %s among %+v", path, a.Functions)
		}
		return a.Functions[i]
	}
	if f := fn("migrations:paged"); f.Type != Mutation || f.Public || f.Line != 29 || f.File != m || f.Args.Field("cursor") == nil || f.Return == nil || f.Return.Kind != schema.Null {
		t.Errorf("paged: %+v", f)
	}
	if f := fn("migrations:list"); f.Type != Query || !f.Public || f.Args.Kind != schema.Any || f.Return != nil {
		t.Errorf("list: %+v", f)
	}
	fn("migrations/one:default")
	fn("index:setName")
	if got := a.Sources["migrations"]["paged"]; !strings.HasPrefix(got, "async (ctx, args) => {") {
		t.Errorf("source of paged: %q", got)
	}
	if a.Exports["migrations"]["limit"] != "number" || a.Exports["setup"]["migrations"] != "object" {
		t.Errorf("exports: %v", a.Exports)
	}
	var s struct{ Tables []struct{ TableName string } }
	if err := json.Unmarshal(a.Schema, &s); err != nil || len(s.Tables) != 2 || a.SchemaFile != "convex/schema.ts" {
		t.Errorf("schema %s of %s, %v", a.Schema, a.SchemaFile, err)
	}
	names := []string{}
	for _, c := range a.Children {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"migrations", "second"}) {
		t.Errorf("children %+v", a.Children)
	}
	for _, p := range a.Problems {
		if !p.Warning {
			t.Errorf("problem: %+v", p)
		}
	}
	wantProblem(t, a.Problems, func(p Problem) bool {
		return p.Warning && p.Line == 23 && strings.Contains(p.Message, "no module exports it")
	})
}

func TestAnalyzeWithPrelude(t *testing.T) {
	root := project(t, migrating)
	p, problems := bundled(t, root)
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	a := analyzed(t, p)
	checkMigrating(t, a)

	// The component can be bundled from what convex.config told.
	dir := a.Children[0].Dir
	if dir != "prelude:migrations/component" {
		t.Fatalf("the component is in %s", dir)
	}
	checkComponent(t, root, dir)
}

func checkComponent(t *testing.T, root, dir string) {
	t.Helper()
	modules, err := ListModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, problems, err := Bundle(context.Background(), Options{Root: root, Dir: dir, Modules: modules, Component: "migrations"})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	a := analyzed(t, p)
	if len(a.Problems) > 0 {
		t.Errorf("problems: %+v", a.Problems)
	}
	got := map[string]FunctionType{}
	for _, f := range a.Functions {
		got[f.Path()] = f.Type
	}
	want := map[string]FunctionType{"lib:migrate": Mutation, "lib:getStatus": Query, "lib:cancel": Mutation, "lib:cancelAll": Mutation, "lib:clearAll": Mutation}
	if !maps.Equal(got, want) {
		t.Errorf("functions %v, want %v", got, want)
	}
	if !strings.Contains(string(a.Schema), `"tableName":"migrations"`) {
		t.Errorf("schema %s", a.Schema)
	}
}

// shorten makes analysis wait less for modules that do not end.
func shorten(t *testing.T, one, all time.Duration) {
	oneBefore, allBefore := moduleLimit, analysisLimit
	moduleLimit, analysisLimit = one, all
	t.Cleanup(func() { moduleLimit, analysisLimit = oneBefore, allBefore })
}

func TestAnalyzeSurvivesModulesThatDoNotEnd(t *testing.T) {
	shorten(t, 1500*time.Millisecond, time.Minute)
	p, _ := bundled(t, project(t, map[string]string{
		"convex/a.ts":        "import { x } from './lib/loop';\nexport const y = x;\n",
		"convex/b.ts":        "export const fine = 1;\n",
		"convex/c.ts":        "import { y } from './a';\nexport const z = y;\n",
		"convex/d.ts":        "const all: any[] = [];\nfor (;;) all.push(new Uint8Array(1e6));\nexport const never = 1;\n",
		"convex/e.ts":        "const f = (): any => f() + 1;\nexport const deep = f();\n",
		"convex/f.ts":        "export const alsoFine = 1;\n",
		"convex/g.ts":        "export const bad = (undefined as any).x;\n",
		"convex/lib/loop.ts": "export const x = 1;\nlet n = 0;\nfor (;;) {\n  n++;\n}\n",
	}))
	a := analyzed(t, p)
	for _, m := range []string{"b", "f"} {
		if len(a.Exports[m]) != 1 {
			t.Errorf("%s.ts did not load: %v", m, a.Exports)
		}
	}
	loop := wantProblem(t, a.Problems, func(p Problem) bool { return p.File == "convex/lib/loop.ts" })
	if loop.Line < 2 || loop.Line > 5 || !strings.Contains(loop.Message, "does not end") || loop.Hint == "" {
		t.Errorf("got %+v", loop)
	}
	for _, file := range []string{"convex/a.ts", "convex/c.ts"} {
		if p := wantProblem(t, a.Problems, func(p Problem) bool { return p.File == file }); !strings.Contains(p.Message, "convex/lib/loop.ts") {
			t.Errorf("got %+v", p)
		}
	}
	if p := wantProblem(t, a.Problems, func(p Problem) bool { return p.File == "convex/d.ts" }); !strings.Contains(p.Message, "ran out of memory") {
		t.Errorf("got %+v", p)
	}
	if p := wantProblem(t, a.Problems, func(p Problem) bool { return p.File == "convex/e.ts" }); !strings.Contains(p.Message, "Maximum call stack") || p.Line != 1 {
		t.Errorf("got %+v", p)
	}
	if p := wantProblem(t, a.Problems, func(p Problem) bool { return p.File == "convex/g.ts" }); p.Line != 1 || !strings.Contains(p.Message, "reading 'x'") {
		t.Errorf("got %+v", p)
	}
	if len(a.Problems) != 6 {
		t.Errorf("%d problems: %+v", len(a.Problems), a.Problems)
	}
}

func TestAnalyzeEndsWhenManyModulesDoNot(t *testing.T) {
	shorten(t, 100*time.Millisecond, 250*time.Millisecond)
	files := map[string]string{}
	for _, name := range strings.Split("abcdefghijkl", "") {
		files["convex/"+name+".ts"] = "export const x = 1;\nfor (;;);\n"
	}
	p, _ := bundled(t, project(t, files))
	a := analyzed(t, p)
	if len(a.Problems) != 12 {
		t.Errorf("%d problems: %+v", len(a.Problems), a.Problems)
	}
	wantProblem(t, a.Problems, func(p Problem) bool { return strings.Contains(p.Message, "time for the whole project") })
}

func TestAnalyzeIsCancelled(t *testing.T) {
	p, _ := bundled(t, project(t, map[string]string{"convex/a.ts": "export const x = 1;\nfor (;;);\n"}))
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := p.Analyze(ctx); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}

func TestAnalyzeWithNpm(t *testing.T) {
	root := project(t, migrating)
	link(t, root)
	p, problems := bundled(t, root)
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	a := analyzed(t, p)
	checkMigrating(t, a)
	dir := a.Children[0].Dir
	if filepath.Base(filepath.Dir(dir)) != "dist" || filepath.Base(dir) != "component" {
		t.Fatalf("the component is in %s", dir)
	}
	checkComponent(t, root, dir)
}

func TestConvexHelpersMigrations(t *testing.T) {
	root := project(t, map[string]string{"convex/m.ts": `import { makeMigration, startMigrationsSerially } from "convex-helpers/server/migrations";
import { internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
const migration = makeMigration(internalMutation as any, { migrationTable: "migrations", defaultBatchSize: 25 });
export const fill = migration({
  table: "users",
  batchSize: 5,
  migrateOne: async (ctx: any, doc: any) => ({ x: 1 }),
});
export const all = internalMutation(async (ctx: any) => { await startMigrationsSerially(ctx, [internal.m.fill] as any); });
`})
	link(t, root)
	p, problems := bundled(t, root)
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	a := analyzed(t, p)
	if len(a.Definitions) != 1 {
		t.Fatalf("definitions %+v, problems %+v", a.Definitions, a.Problems)
	}
	d := a.Definitions[0]
	if !d.Helpers || d.Module != "m" || d.Export != "fill" || d.Table != "users" || d.BatchSize != 5 || d.DefaultBatch != 25 || d.Line != 5 {
		t.Errorf("got %+v", d)
	}
}

// link gives a project the unmodified npm packages.
func link(t *testing.T, root string) {
	t.Helper()
	if err := os.Symlink(filepath.Join(npmtest.Dir(t), "node_modules"), filepath.Join(root, "node_modules")); err != nil {
		t.Fatal(err)
	}
}

func TestSchemaThatIsNone(t *testing.T) {
	for text, want := range map[string]string{
		"export const x = 1;\n": "the default export is not a schema",
		"export default { export() { throw new Error('no tables'); } };\n":                                                                        "no tables",
		"import { defineSchema } from 'convex/server';\nexport default defineSchema({ a: { export() { throw new Error('inner'); } } } as any);\n": "",
	} {
		p, _ := bundled(t, project(t, map[string]string{"convex/schema.ts": text}))
		a := analyzed(t, p)
		if a.Schema != nil || len(a.Problems) != 1 || a.Problems[0].File != "convex/schema.ts" || !strings.Contains(a.Problems[0].Message, want) {
			t.Errorf("%s: schema %s, problems %+v", text, a.Schema, a.Problems)
		}
	}
}

func TestUndefinedValidatorIsReported(t *testing.T) {
	p, _ := bundled(t, project(t, map[string]string{
		"convex/m.ts": "import { query } from './_generated/server';\nlet late: any;\nexport const good = query({ args: {}, handler: () => 1 });\nexport const q = query({ args: { a: late }, handler: () => 1 });\n",
	}))
	a := analyzed(t, p)
	if len(a.Problems) == 0 || a.Problems[0].File != "convex/m.ts" {
		t.Errorf("got %+v, functions %+v", a.Problems, a.Functions)
	}
}

func TestPreludeComponentRunsBesideTheProject(t *testing.T) {
	root := project(t, map[string]string{"convex/x.ts": "export const a = 1"})
	p, _, err := Bundle(context.Background(), Options{Root: root, Dir: "prelude:migrations/component", Modules: []string{"lib.ts", "schema.ts"}})
	if err != nil {
		t.Fatal(err)
	}
	vm := opened(t, p)
	_, err = vm.Call(context.Background(), Call{Module: "lib", Export: "cancel", Type: Mutation, Args: `[{"name":"m:x"}]`, Timeout: time.Minute},
		&host{
			sync: func(string, string) (string, error) { return `{"queryId":1}`, nil },
			async: func(_ context.Context, op, _ string) (string, error) {
				if op == "1.0/queryStreamNext" {
					return `{"value":null,"done":true}`, nil
				}
				return "null", nil
			},
		})
	if err == nil || !strings.Contains(err.Error(), "m:x not found") || !strings.Contains(err.Error(), "(prelude:migrations/component/lib.ts:") {
		t.Errorf("got %v", err)
	}
}

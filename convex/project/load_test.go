package project

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
)

func load(t *testing.T, dir string) *Project {
	t.Helper()
	p, err := Load(context.Background(), Options{Dir: dir, Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fixture(t *testing.T, name string) *Project {
	t.Helper()
	p := load(t, filepath.Join("testdata", filepath.FromSlash(name)))
	if err := noErrors(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func noErrors(p *Project) error {
	for _, problem := range p.Problems {
		if !problem.Warning {
			return fmt.Errorf("%w (%s)", problem, problem.Hint)
		}
	}
	return nil
}

func tables(p *Project) string {
	var names []string
	if p.Schema != nil {
		for _, table := range p.Schema.Tables {
			names = append(names, table.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestLoadFinds(t *testing.T) {
	for dir, want := range map[string]struct{ name, schema, tables string }{
		"plain/convex":         {"plain-app", "convex/schema.ts", "users posts"},
		"monorepo/apps/web":    {"@acme/backend", "convex/schema.ts", "members"},
		"src-convex/src":       {"svelte-like", "src/convex/schema.js", "notes"},
		"functions-folder":     {"functions-folder", "server/db/schema.ts", "rooms"},
		"aliases":              {"aliases", "convex/schema.ts", "shops"},
		"spread":               {"spread", "convex/schema.ts", "people teams infoLogs warnLogs"},
		"nested":               {"nested", "convex/schema.ts", "users"},
		"no-schema":            {"no-schema", "", ""},
		"plain/convex/../././": {"plain-app", "convex/schema.ts", "users posts"},
	} {
		t.Run(dir, func(t *testing.T) {
			p := fixture(t, dir)
			if p.Name != want.name || p.SchemaFile != want.schema || tables(p) != want.tables {
				t.Errorf("got %q %q %q", p.Name, p.SchemaFile, tables(p))
			}
			if !filepath.IsAbs(p.Root) || p.LoadTime <= 0 || p.Packages["convex"] != builtIn {
				t.Errorf("root %q, load time %v, packages %v", p.Root, p.LoadTime, p.Packages)
			}
		})
	}
}

func TestLoadDetails(t *testing.T) {
	plain := fixture(t, "plain")
	rename, ok := plain.App.Component("").Function("users:rename")
	if !ok || rename.Type != jsrun.Mutation || !rename.Public || rename.File != "convex/users.ts" || rename.Line != 6 {
		t.Errorf("users:rename is %+v", rename)
	}
	if len(plain.Migrations) != 0 {
		t.Errorf("ordinary functions are taken for migrations: %+v", plain.Migrations)
	}
	if e := plain.Config.Envs; len(e) != 1 || e[0].Generate["users"] != newcomerDocuments || e[0].Generate["posts"] != newcomerDocuments || len(e[0].Generate) != 2 {
		t.Errorf("the newcomer's environment is %+v", e)
	}
	if v := fixture(t, "src-convex").Schema.Validation; v {
		t.Error("schemaValidation: false is lost")
	}
	shop := fixture(t, "aliases").Schema.Table("shops")
	if len(shop.Indexes) != 1 || shop.Indexes[0].Dimensions != 1536 || shop.Document.Field("street") == nil {
		t.Errorf("what comes through aliases is lost: %+v", shop)
	}
	member := fixture(t, "monorepo").Schema.Table("members").Document.Field("role").Type
	if member.Kind != schema.Union || len(member.Members) != 3 {
		t.Errorf("role is %+v", member)
	}
}

func TestLoadComponents(t *testing.T) {
	p := fixture(t, "nested")
	var paths []string
	for _, c := range p.App.Components {
		paths = append(paths, c.Path)
		for name, child := range c.Children {
			if p.App.Component(child) == nil || p.App.Component(child).Name != name {
				t.Errorf("child %q of %q leads nowhere", child, c.Path)
			}
		}
	}
	if got := strings.Join(paths, " "); got != " first second movers first/inner second/inner" {
		t.Errorf("components are %q", got)
	}
	if _, ok := p.App.Component("second").Function("public:count"); !ok || p.App.Component("second").Schema.Table("counters") == nil {
		t.Error("a component's functions or tables are lost")
	}
	if p.Config.Envs[0].Component != "movers" {
		t.Errorf("the migrations component is thought to be %q", p.Config.Envs[0].Component)
	}
}

// show is one migration on a line.
func show(m Migration) string {
	line := fmt.Sprintf("%s:%d %s %s", m.File, m.Line, m.Driver, m.Name)
	add := func(format string, args ...any) { line += " " + fmt.Sprintf(format, args...) }
	if m.Table != "" {
		add("table=%s", m.Table)
	}
	if m.BatchSize != 0 {
		add("batch=%d", m.BatchSize)
	}
	for _, f := range []struct {
		name string
		on   bool
	}{{"range", m.CustomRange}, {"parallel", m.Parallelize}, {"runner", m.Runner}, {"public", m.Public}, {"continues", m.Continues}, {"action", m.Action}} {
		if f.on {
			add("%s", f.name)
		}
	}
	for _, f := range [][2]string{{"cursor", m.CursorArg}, {"size", m.SizeArg}, {"dryRun", m.DryRunArg}, {"series", strings.Join(m.Series, ",")}, {"in", strings.Join(m.InSeries, ",")}} {
		if f[1] != "" {
			add("%s=%s", f[0], f[1])
		}
	}
	return line
}

func checkMigrations(t *testing.T, p *Project, want string) {
	t.Helper()
	var got []string
	for _, m := range p.Migrations {
		got = append(got, show(m))
		if m.Source == "" || strings.Contains(m.Source, "\nexport ") {
			t.Errorf("%s: its source is\n%s", m.Name, m.Source)
		}
		if m.Series == nil {
			t.Errorf("%s: series is nil, which is null in JSON", m.Name)
		}
	}
	if text := strings.Join(got, "\n"); text != strings.TrimSpace(want) {
		t.Errorf("got\n%s\nwant\n%s", text, strings.TrimSpace(want))
	}
}

func TestMigrationStyles(t *testing.T) {
	checkMigrations(t, fixture(t, "styles"), `
convex/legacy.ts:22 helpers legacy:lowerNames table=teams batch=1000
convex/migrations.ts:5 component migrations:run runner
convex/migrations.ts:10 component migrations:usersPlan table=users batch=10 in=migrations:all
convex/migrations.ts:11 component migrations:teamsPlan table=teams batch=25 parallel in=migrations:all
convex/migrations.ts:13 component migrations:all runner series=migrations:usersPlan,migrations:teamsPlan,migrations/m001:default
convex/migrations/dropOld.ts:3 component migrations/dropOld:migration table=users batch=25
convex/migrations/dropOldTeams.ts:3 component migrations/dropOldTeams:migration table=teams batch=25
convex/migrations/m001.ts:3 component migrations/m001:default table=orders batch=25 range in=migrations:all
`)
}

func TestMigrationsByHand(t *testing.T) {
	checkMigrations(t, fixture(t, "by-hand"), `
convex/migrations/slugs.ts:6 paged migrations/slugs:setSlugs table=users cursor=cursor size=batchSize dryRun=dryRun
convex/migrations/slugs.ts:18 paged migrations/slugs:viaOptions table=users public cursor=paginationOpts
convex/migrations/slugs.ts:23 oneshot migrations/slugs:dropSlugs table=users
convex/migrations/slugs.ts:30 oneshot migrations/slugs:goesOn table=users continues
convex/migrations/slugs.ts:40 oneshot migrations/slugs:drive action
convex/users.ts:4 paged users:backfillNames table=users public cursor=cursor size=limit
`)
}

func problemsOf(p *Project) string {
	var lines []string
	for _, q := range p.Problems {
		line := q.Error()
		if q.Hint != "" {
			line += " | " + q.Hint
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestLoadProblems(t *testing.T) {
	for name, c := range map[string]struct {
		want   []string
		tables string
		count  int
	}{
		"broken": {[]string{
			`convex/syntax.ts:3: Unexpected ";"`,
			"convex/throws.ts:4: TypeError: Cannot read properties of undefined (reading 'name')",
			`convex/wants.ts:4: Error: Missing ACME_API_KEY | code is evaluated without your environment: write variables = { ACME_API_KEY = "x" } into strait.toml`,
		}, "users", 3},
		"only-broken": {[]string{`convex/schema.ts:3: Unexpected "}"`}, "", 1},
		"missing":     {[]string{`convex/schema.ts:2: package "@acme/not-installed" is not installed | pnpm add @acme/not-installed`}, "", 1},
		"endless":     {[]string{"convex/loop.ts:", "evaluating the module does not end", "look for a loop at the top level"}, "users", 1},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "endless" {
				moduleLimit = time.Second
				defer func() { moduleLimit = 0 }()
			}
			p := load(t, filepath.Join("testdata", name))
			text := problemsOf(p)
			for _, part := range c.want {
				if !strings.Contains(text, part) {
					t.Errorf("the problems lack %q:\n%s", part, text)
				}
			}
			if len(p.Problems) != c.count {
				t.Errorf("%d problems, want %d:\n%s", len(p.Problems), c.count, text)
			}
			if tables(p) != c.tables {
				t.Errorf("tables are %q", tables(p))
			}
			if strings.Contains(text, "goroutine") || strings.Contains(text, ".go:") {
				t.Errorf("a Go stack reaches people:\n%s", text)
			}
		})
	}
}

// A component that uses itself, a migrations component that nobody uses, and
// a convex.config that does not load.
func TestLoadComponentProblems(t *testing.T) {
	schemaText := "import { defineSchema } from 'convex/server';\nexport default defineSchema({});\n"
	definition := "import { Migrations } from '@convex-dev/migrations';\nimport { components } from './_generated/api';\nconst m = new Migrations(components.migrations);\nexport const go = m.define({ table: 'users', migrateOne: () => undefined });\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"itself": {map[string]string{
			"convex/convex.config.ts":   "import { defineApp } from 'convex/server';\nimport a from './a/convex.config';\nconst app = defineApp();\napp.use(a);\nexport default app;\n",
			"convex/a/convex.config.ts": "import { defineComponent } from 'convex/server';\nimport b from '../b/convex.config';\nconst c = defineComponent('a');\nc.use(b);\nexport default c;\n",
			"convex/b/convex.config.ts": "import { defineComponent } from 'convex/server';\nimport a from '../a/convex.config';\nconst c = defineComponent('b');\nc.use(a);\nexport default c;\n",
		}, ""},
		"no component": {map[string]string{
			"convex/convex.config.ts": "import { defineApp } from 'convex/server';\nexport default defineApp();\n", "convex/migrations.ts": definition,
		}, "no migrations component is in use"},
		"no config that loads": {map[string]string{
			"convex/convex.config.ts": "import { defineApp } from 'convex/server';\nimport gone from '@acme/gone/convex.config';\nconst app = defineApp();\napp.use(gone);\nexport default app;\n", "convex/migrations.ts": definition,
		}, "the migrations component is taken alone"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, c.files)
			write(t, root, map[string]string{"package.json": "{}", "convex/schema.ts": schemaText})
			p := load(t, root)
			if text := problemsOf(p); !strings.Contains(text, c.want) || len(p.Problems) == 0 {
				t.Errorf("got\n%s\nwant %q", text, c.want)
			}
			if name == "no config that loads" && p.App.Component("migrations") == nil {
				t.Error("the migrations component is not there")
			}
		})
	}
}

func TestLoadChecksConfig(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"package.json":     "{}",
		"convex/schema.ts": "import { defineSchema, defineTable } from 'convex/server';\nexport default defineSchema({ users: defineTable({}), teams: defineTable({}) });\n",
		"next.ts":          "import { defineSchema, defineTable } from 'convex/server';\nexport default defineSchema({ people: defineTable({}) });\n",
		"strait.toml": `target = "next.ts"
[[env]]
name = "dev"
generate = { "*" = 3, people = 5, usres = 1 }
ran = ["migrations:gone@2"]
[[env]]
name = "old"
snapshot = "gone.zip"
`,
	})
	p := load(t, root)
	want := `strait.toml:4: environment "dev" generates documents of "usres", a table that the schema does not have
strait.toml:5: environment "dev" ran "migrations:gone", a migration that the project does not have
strait.toml:8: environment "old": snapshot "gone.zip" does not exist | paths are relative to ` + p.Root
	if got := problemsOf(p); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if tables(p) != "people" || p.SchemaFile != "next.ts" || p.App.Component("").Schema.Table("users") == nil {
		t.Errorf("target has %q of %q", tables(p), p.SchemaFile)
	}
	if g := p.Config.Envs[0].Generate; g["people"] != 5 || len(g) != 2 {
		t.Errorf("generate is %v", g)
	}
	write(t, root, map[string]string{"strait.toml": "[[env]]\nname = 3\n"})
	if _, err := Load(context.Background(), Options{Dir: root}); err == nil || !strings.HasPrefix(err.Error(), "strait.toml:2:1: name must be a text") {
		t.Errorf("got %v", err)
	}
}

func TestLoadEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, Options{Dir: filepath.Join("testdata", "plain")}); err == nil {
		t.Error("a canceled load succeeds")
	}
}

// What Convex would refuse is told before anybody deploys it.
func TestLoadTellsBrokenRules(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"package.json": "{}", "convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ _users: defineTable({ a: v.string() }), posts: defineTable({ a: v.string() }).index("by_b", ["b" as any]) });
`})
	p := load(t, root)
	text := problemsOf(p)
	for _, want := range []string{"convex/schema.ts: ", "_users", "by_b", "Convex refuses to deploy"} {
		if !strings.Contains(text, want) {
			t.Errorf("the problems lack %q:\n%s", want, text)
		}
	}
	if p.Schema == nil || len(p.Problems) != 2 {
		t.Errorf("schema %v, problems\n%s", p.Schema, text)
	}
}

// Where the target that is named cannot be had, no other one stands in for it.
func TestLoadWithoutTheNamedTarget(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"package.json": "{}", "strait.toml": "target = \"nope.ts\"\n",
		"convex/schema.ts": "import { defineSchema } from 'convex/server';\nexport default defineSchema({});\n"})
	p := load(t, root)
	if text := problemsOf(p); p.Schema != nil || p.SchemaFile != "" || !strings.Contains(text, `target "nope.ts"`) {
		t.Errorf("schema %v of %q, problems\n%s", p.Schema, p.SchemaFile, text)
	}
}

func TestAVariableIsHintedOnce(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"package.json": "{}", "convex/schema.ts": "throw new Error('no DB_URL: process.env.DB_URL is missing');\nexport default 1;\n"})
	if text := problemsOf(load(t, root)); !strings.Contains(text, `variables = { DB_URL = "x" }`) {
		t.Error(text)
	}
}

func TestVariables(t *testing.T) {
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "broken"))); err != nil {
		t.Fatal(err)
	}
	write(t, root, map[string]string{"strait.toml": "[variables]\nACME_API_KEY = \"anything\"\n"})
	p := load(t, root)
	if strings.Contains(problemsOf(p), "ACME_API_KEY") {
		t.Errorf("the variable does not reach the code:\n%s", problemsOf(p))
	}
	if !slices.ContainsFunc(p.App.Component("").Functions, func(f jsrun.Function) bool { return f.Path() == "wants:f" }) {
		t.Error("wants:f is not there")
	}
}

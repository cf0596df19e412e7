package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
)

const defineWork = `import { Migrations } from "@convex-dev/migrations";
import { componentsGeneric, makeFunctionReference, internalMutationGeneric as internalMutation } from "convex/server";
const migrations = new Migrations(componentsGeneric().migrations as any, { defaultBatchSize: 20 });
export const pay = migrations.define({ table: "bills", migrateOne: () => ({ paid: true }) });
export const all = migrations.runner([makeFunctionReference("work:pay") as any, makeFunctionReference("work:gone") as any]);
export const backfillNotes = internalMutation({ args: {}, handler: async (ctx) => { await ctx.db.query("bills").collect(); } });
`

func config(name string, uses ...string) string {
	text := "import { defineComponent } from \"convex/server\";\nimport migrations from \"@convex-dev/migrations/convex.config\";\n"
	for _, u := range uses {
		if u != "migrations" {
			text += "import " + u + " from \"../" + u + "/convex.config\";\n"
		}
	}
	text += "const component = defineComponent(\"" + name + "\");\n"
	for _, u := range uses {
		text += "component.use(" + u + ");\n"
	}
	return text + "export default component;\n"
}

// inComponents is a project whose migrations are all in components: one used
// twice, one inside another, one that has nowhere to keep its state.
func inComponents() map[string]string {
	return map[string]string{
		"package.json": `{"name":"in-components"}`,
		"convex/convex.config.ts": `import { defineApp } from "convex/server";
import billing from "./components/billing/convex.config";
import shop from "./components/shop/convex.config";
const app = defineApp();
app.use(billing);
app.use(billing, { name: "archive" });
app.use(shop);
export default app;`,
		"convex/schema.ts":                           "import { defineSchema } from \"convex/server\";\nexport default defineSchema({});",
		"convex/components/billing/convex.config.ts": config("billing", "migrations", "ledger"),
		"convex/components/billing/work.ts":          defineWork,
		"convex/components/ledger/convex.config.ts":  config("ledger", "migrations"),
		"convex/components/ledger/books/moves.ts":    defineWork,
		"convex/components/shop/convex.config.ts":    config("shop"),
		"convex/components/shop/work.ts":             defineWork,
	}
}

func TestMigrationsInComponents(t *testing.T) {
	root := t.TempDir()
	write(t, root, inComponents())
	p := load(t, root)
	var got []string
	for _, m := range p.Migrations {
		got = append(got, strings.Join([]string{m.Name, m.Owner, m.Function(), m.Component, m.Table, string(m.Driver), strings.Join(m.Series, ","), strings.Join(m.InSeries, ",")}, " "))
		if m.Source == "" || !strings.HasPrefix(m.File, "convex/components/") || m.Line == 0 {
			t.Errorf("%s: file %q, line %d, source %q", m.Name, m.File, m.Line, m.Source)
		}
	}
	var want []string
	for _, c := range [][2]string{{"billing", "work"}, {"archive", "work"}, {"shop", "work"}, {"billing/ledger", "books/moves"}, {"archive/ledger", "books/moves"}} {
		at, module := c[0], c[1]
		series, in := at+":work:pay,"+at+":work:gone", ""
		if module == "work" {
			in = at + ":work:all"
		}
		want = append(want,
			at+":"+module+":pay "+at+" "+module+":pay "+at+"/migrations bills component  "+in,
			at+":"+module+":all "+at+" "+module+":all "+at+"/migrations  component "+series+" ",
			at+":"+module+":backfillNotes "+at+" "+module+":backfillNotes  bills oneshot  ")
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
	problems := problemsOf(p)
	for _, want := range []string{
		"component shop defines migrations for shop/migrations, which is no migrations component: they cannot run",
		"runner billing:work:all names billing:work:gone, which is no function",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("no word of %q in\n%s", want, problems)
		}
	}
	for _, never := range []string{"component billing defines", "no migrations component is in use"} {
		if strings.Contains(problems, never) {
			t.Errorf("%q in\n%s", never, problems)
		}
	}
	facts, err := p.Code(t.Context())
	if err != nil || len(facts.Unread) > 0 || len(facts.Migrations) > 0 {
		t.Errorf("what is read of the root's code: %+v %v", facts, err)
	}
}

// Cursors before 0.3.5 do not work inside a component, and it is said where it
// is seen.
func TestOldPackageInComponents(t *testing.T) {
	npm := filepath.Join(npmtest.Dir(t), "node_modules")
	for version, told := range map[string]bool{"0.3.4": true, "0.3.5": false, "0.3.6": false} {
		root := t.TempDir()
		write(t, root, inComponents())
		pkg := filepath.Join(root, "node_modules", "@convex-dev", "migrations")
		if err := os.CopyFS(pkg, os.DirFS(filepath.Join(npm, "@convex-dev", "migrations"))); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"convex", "convex-helpers"} {
			if err := os.Symlink(filepath.Join(npm, name), filepath.Join(root, "node_modules", name)); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(filepath.Join(pkg, "package.json"))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.Replace(string(text), `"version": "0.3.6"`, `"version": "`+version+`"`, 1))
		if err := os.WriteFile(filepath.Join(pkg, "package.json"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		p := load(t, root)
		want := "component billing defines migrations with @convex-dev/migrations 0.3.4, whose cursors do not work inside a component"
		if got := strings.Contains(problemsOf(p), want); got != told || p.Migrations[0].Package != version {
			t.Errorf("%s: %+v\n%s", version, p.Migrations[0], problemsOf(p))
		}
	}
}

func TestPagesInside(t *testing.T) {
	for version, want := range map[string]bool{
		"0.2.9": false, "0.3.0": false, "0.3.4": false, "0.3.4-alpha.1": false, "0.3.5": true, "0.3.10": true, "1.0.0": true, "": true, "odd": true,
	} {
		if PagesInside(version) != want {
			t.Errorf("%q: want %v", version, want)
		}
	}
}

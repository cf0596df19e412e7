package fleet

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// billing is a project whose component billing has a table and migrations of
// its own. The root has a table, a module and a migration that are called alike.
var billing = map[string]string{
	"strait.toml": "[[env]]\nname = \"only\"\ngenerate = { items = 120 }\ndocuments = \"old.ts\"\nschema = \"widened\"\n",
	"old.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ n: v.optional(v.number()) }) });`,
	"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ n: v.optional(v.number()), done: v.boolean() }) });`,
	"convex/convex.config.ts": `import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
import billing from "./components/billing/convex.config";
const app = defineApp();
app.use(migrations);
app.use(billing);
export default app;`,
	"convex/billing/work.ts": `import { Migrations } from "@convex-dev/migrations";
import { componentsGeneric } from "convex/server";
const migrations = new Migrations(componentsGeneric().migrations as any);
export const pay = migrations.define({ table: "items", migrateOne: () => ({ done: true }) });`,
	"convex/components/billing/convex.config.ts": `import { defineComponent } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const billing = defineComponent("billing");
billing.use(migrations);
export default billing;`,
	"convex/components/billing/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  items: defineTable({ n: v.number(), paid: v.optional(v.boolean()), note: v.optional(v.string()) }),
});`,
	"convex/components/billing/work.ts": `import { Migrations } from "@convex-dev/migrations";
import { internalMutationGeneric as internalMutation, componentsGeneric, makeFunctionReference } from "convex/server";
import { v } from "convex/values";
const migrations = new Migrations(componentsGeneric().migrations as any);
const ref = (name: string) => makeFunctionReference<"mutation">(name) as any;
export const fill = internalMutation({ handler: async (ctx) => {
  for (let n = 0; n < 200; n++) await ctx.db.insert("items", { n });
} });
export const pay = migrations.define({ table: "items", batchSize: 50, migrateOne: () => ({ paid: true }) });
export const settle = migrations.define({ table: "items", batchSize: 100, migrateOne: (ctx, doc) => ({ note: "no " + doc.n }) });
export const choke = migrations.define({ table: "items", batchSize: 50, migrateOne: (ctx, doc) => {
  if (doc.n === 120) throw new Error("cannot pay");
  return { paid: false };
} });
export const both = migrations.runner([ref("work:pay"), ref("work:settle")]);
export const backfillNotes = internalMutation({
  args: { cursor: v.union(v.number(), v.null()) },
  handler: async (ctx, { cursor }) => {
    const page = await ctx.db.query("items").withIndex("by_creation_time", (q: any) => q.gt("_creationTime", cursor ?? 0)).take(80);
    for (const doc of page) await ctx.db.patch(doc._id, { note: "filled" });
    return { continueCursor: page.length < 80 ? null : page[79]._creationTime, isDone: page.length < 80, processed: page.length };
  },
});`,
}

// filled opens the project with 200 documents in the component's table.
func filled(t *testing.T, files map[string]string) *Fleet {
	t.Helper()
	f := own(t, files, "")
	ready(t, f, "only")
	if _, err := f.envs[0].client.Mutate(within(t), wire.Call{Component: "billing", Path: "work:fill"}); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMigrationsThatAComponentDefines(t *testing.T) {
	installed := map[string]string{"node_modules": "-> " + filepath.Join(npmtest.Dir(t), "node_modules")}
	for name, more := range map[string]map[string]string{"built in": nil, "npm packages": installed} {
		t.Run(name, func(t *testing.T) {
			if more != nil && testing.Short() {
				t.Skip("the npm packages are slow under the race detector")
			}
			files := map[string]string{}
			for _, part := range []map[string]string{billing, more} {
				for name, text := range part {
					files[name] = text
				}
			}
			f := filled(t, files)
			actInside(t, f)
		})
	}
}

// actInside takes a component's migrations through all that can be done.
func actInside(t *testing.T, f *Fleet) {
	t.Helper()
	client := f.envs[0].client
	pay, settle, choke := "billing:work:pay", "billing:work:settle", "billing:work:choke"
	runs := func() map[string]Run { return f.Now().Envs[0].Runs }

	until(t, f, pay, "its table is counted", func(r Run) bool { return r.Total == 200 })
	if r := runs()["billing/work:pay"]; r.Total != 120 || r.Component != "migrations" {
		t.Errorf("the root's own: %+v", r)
	}
	if out := runIt(t, f, Command{Action: plan.ActCensus}); out.Status != "success" || out.Census == nil || out.Census.Offenders != 120 {
		t.Fatalf("census: %+v", out.Census)
	}

	rows := map[string][]string{}
	for _, r := range f.Now().Plan.Rows {
		rows[r.Component+"|"+r.Title] = r.Migrations
	}
	if len(rows) != 5 || !slices.Equal(rows["|items.done becomes required"], []string{"billing/work:pay"}) || !slices.Equal(rows["billing|pay of component billing"], []string{pay}) {
		t.Errorf("rows: %v", rows)
	}

	dry := runIt(t, f, Command{Action: plan.ActDryRun, Migration: "settle"})
	if dry.Status != "success" || dry.DryRun.Processed != 100 || len(dry.DryRun.Examples) != 10 || !dry.DryRun.More {
		t.Fatalf("dry run: %+v %+v", dry.DryRun, dry.Failure)
	}
	first := dry.DryRun.Examples[0]
	before, _ := first.Before.(value.Object)
	after, _ := first.After.(value.Object)
	if note, _ := textOf(after, "note"); note != "no 0" || get(before, "n") != 0.0 || get(before, "note") != nil || first.ID == "" {
		t.Errorf("example: %+v", first)
	}
	if r := runs()[settle]; r.Processed != 0 || r.State != "" {
		t.Errorf("the dry run left %+v", r)
	}

	// In the background, by its name inside the component.
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: "billing:work:pay"})
	if r := runs()[pay]; out.Status != "success" || r.Processed != 200 || r.Total != 200 || r.Component != "billing/migrations" {
		t.Fatalf("run: %+v %+v %+v", out, out.Failure, r)
	}
	if s := f.Now().Envs[0]; s.Census == nil || s.Census.Stale || s.Runs["billing/work:pay"].State != "" || s.Tables["items"] != 120 {
		t.Errorf("the root: census %+v, run %+v, tables %v", s.Census, s.Runs["billing/work:pay"], s.Tables)
	}
	status, err := client.MigrationStatuses(within(t), "billing/migrations", []string{"work:pay"})
	if err != nil || len(status) != 1 || !status[0].IsDone {
		t.Errorf("the component keeps %+v %v", status, err)
	}

	// A failure names the document, which is read inside the component.
	out = runIt(t, f, Command{Action: plan.ActRun, Migration: choke})
	if out.Status != "failed" || out.Processed != 100 || out.Failure == nil || out.Failure.Summary != "cannot pay" {
		t.Fatalf("choke: %+v %+v", out, out.Failure)
	}
	r := until(t, f, choke, "the document is read", func(r Run) bool { return r.Failure != nil && r.Failure.Body != nil })
	if get(r.Failure.Body, "n") != 120.0 || r.Failure.Table != "items" {
		t.Errorf("failure: %+v", r.Failure)
	}
	if !strings.HasPrefix(r.Failure.Frame, "convex/components/billing/work.ts:") {
		t.Errorf("frame %q", r.Failure.Frame)
	}

	// Two steps, then stop; then on to the end, and once more.
	step := Command{Action: plan.ActRun, Env: "only", Migration: settle, Supervised: true, BatchSize: 30, Steps: 2}
	if err := f.Do(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	until(t, f, settle, "two steps are made", paused(60))
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only", Migration: settle}); err != nil {
		t.Fatal(err)
	}
	if r := until(t, f, settle, "it is canceled", func(r Run) bool { return !r.active() }); r.State != "canceled" || r.Processed != 60 || r.Control != nil {
		t.Errorf("canceled: %+v", r)
	}
	step.Steps = 0
	if out := runIt(t, f, step); out.Status != "success" || out.Processed != 200 {
		t.Errorf("gone on: %+v %+v", out, out.Failure)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: settle, Reset: true}); out.Status != "success" || out.Processed != 200 {
		t.Errorf("again: %+v %+v", out, out.Failure)
	}

	// A series, in the background from its first document, and batch by batch.
	out = runIt(t, f, Command{Action: plan.ActRun, Migration: "billing:work:both", Reset: true})
	if r := runs()["billing:work:both"]; out.Status != "success" || r.Processed != 400 || !slices.Equal(r.Series, []string{pay, settle}) {
		t.Errorf("series: %+v %+v %+v", out, out.Failure, r)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "both", Supervised: true, Reset: true}); out.Status != "success" || out.Processed != 400 {
		t.Errorf("supervised series: %+v %+v", out, out.Failure)
	}

	// Canceled while the component runs it by itself.
	if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: pay, Reset: true, BatchSize: 1}); err != nil {
		t.Fatal(err)
	}
	until(t, f, pay, "it runs", func(r Run) bool { return r.State == "inProgress" && r.Processed > 0 })
	runIt(t, f, Command{Action: plan.ActCancel, Migration: pay})
	if r := until(t, f, pay, "it is canceled", func(r Run) bool { return !r.active() }); r.State != "canceled" {
		t.Errorf("canceled: %+v", r)
	}

	// A hand-written one, driven page by page inside.
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "backfillNotes"}); out.Status != "success" || out.Processed != 200 {
		t.Errorf("by hand: %+v %+v", out, out.Failure)
	}
	if s := f.Now().Envs[0]; s.Census.Stale {
		t.Error("what a component wrote makes the root's census stale")
	}
}

// Short names mean one migration or none.
func TestNamesOfMigrationsInComponents(t *testing.T) {
	f := own(t, billing, "")
	ready(t, f, "only")
	for name, want := range map[string]string{
		"settle": "billing:work:settle", "work:settle": "billing:work:settle", "billing/work:settle": "billing:work:settle",
		"work:pay": "billing:work:pay", "billing/work:pay": "billing/work:pay", "billing:work:pay": "billing:work:pay", "pay": "",
	} {
		m, err := findMigration(f.project, name)
		if m.Name != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q %v, want %q", name, m.Name, err, want)
		}
	}
	m, _ := f.migration("billing:work:pay")
	if m.Owner != "billing" || m.Component != "billing/migrations" || m.Function() != "work:pay" || m.Table != "items" || m.File != "convex/components/billing/work.ts" {
		t.Errorf("got %+v", m)
	}
}

// What cannot page inside a component is refused before anything is sent
// (convex-wire.md 13.5).
func TestOldVersionsInsideComponents(t *testing.T) {
	args := func(names ...string) *schema.Validator {
		v := &schema.Validator{Kind: schema.Object}
		for _, name := range names {
			v.Fields = append(v.Fields, schema.Field{Name: name, Type: &schema.Validator{Kind: schema.Any}, Optional: true})
		}
		return v
	}
	old, some := args("name", "fnHandle", "dryRun", "oneBatchOnly"), args("name", "fnHandle", "dryRun", "oneBatchOnly", "reset")
	for _, c := range []struct {
		pkg  string
		in   installed
		want bool
	}{
		{"0.3.6", installed{path: "billing/migrations", migrate: some}, false},
		{"0.3.4", installed{path: "billing/migrations", migrate: some}, true},
		{"0.3.4", installed{path: "billing/migrations", migrate: some, cursors: true}, false},
		{"0.3.6", installed{path: "billing/migrations", migrate: old}, true},
		{"0.3.6", installed{path: "migrations", migrate: old}, false},
		{"", installed{path: "billing/migrations"}, false},
	} {
		m := project.Migration{Name: "billing:work:pay", Owner: "billing", Component: "billing/migrations", Driver: project.ComponentDriver, Package: c.pkg}
		_, e, _ := still(m)
		e.facts.installed = []installed{c.in}
		for _, refusals := range [][]plan.Refusal{
			e.cannotRun(Command{Action: plan.ActRun, Migration: m.Name}, m), e.busy(Command{Action: plan.ActDryRun, Migration: m.Name}),
		} {
			if got := len(refusals) == 1 && refusals[0].Code == "too-old"; got != c.want {
				t.Errorf("%+v: %+v", c, refusals)
			}
		}
	}
}

// A component that is not deployed, or whose functions cannot be read, is told
// apart: the first is refused, the second left to the call itself.
func TestWhatIsDeployedInsideComponents(t *testing.T) {
	m := project.Migration{Name: "billing:work:pay", Owner: "billing", Table: "bills", Driver: project.ComponentDriver}
	_, e, _ := still(m)
	if e.innerKnown() || e.deployed(m.Name) {
		t.Error("known before anything was told")
	}
	row := []wire.ComponentInfo{{Path: "billing", ID: "c"}}
	for title, c := range map[string]struct {
		rows  []wire.ComponentInfo
		specs [][]wire.FunctionSpec
		want  bool
	}{
		"no list":        {nil, nil, true},
		"not there":      {[]wire.ComponentInfo{{Path: "other"}}, [][]wire.FunctionSpec{{}}, false},
		"unreadable":     {row, [][]wire.FunctionSpec{nil}, true},
		"no function":    {row, [][]wire.FunctionSpec{{{Path: "work:other"}}}, false},
		"deployed":       {row, [][]wire.FunctionSpec{{{Path: "work:pay"}}}, true},
		"no longer used": {[]wire.ComponentInfo{{Path: "billing", State: "unmounted"}}, [][]wire.FunctionSpec{nil}, false},
	} {
		e.gotInner(c.rows, c.specs)
		if !e.innerKnown() || e.deployed(m.Name) != c.want {
			t.Errorf("%s: %v, want %v", title, e.deployed(m.Name), c.want)
		}
	}
	if _, plain, _ := still(project.Migration{Name: "m:x"}); !plain.innerKnown() {
		t.Error("a project without such components waits for them")
	}
}

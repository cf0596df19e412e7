package prove

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// fixture is a loaded project with the schema that its documents follow.
type fixture struct {
	p    *project.Project
	from *schema.Schema
	rows []plan.Row
}

func load(t testing.TB, dir string) fixture {
	t.Helper()
	f, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func open(dir string) (f fixture, err error) {
	f.p, err = project.Load(context.Background(), project.Options{Dir: dir, Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		return f, err
	}
	for _, problem := range f.p.Problems {
		if !problem.Warning {
			return f, problem
		}
	}
	f.from, err = project.LoadSchema(context.Background(), f.p.Root, "schemas/before.ts")
	if err != nil {
		return f, err
	}
	code, err := f.p.Code(context.Background())
	f.rows = Rows(plan.Input{Target: f.p.Schema, Definitions: definitions(f.p), Code: code}, f.from)
	return f, err
}

func definitions(p *project.Project) []plan.Definition {
	var out []plan.Definition
	for _, m := range p.Migrations {
		out = append(out, plan.Definition{Name: m.Name, Table: m.Table, Component: m.Owner, Driver: string(m.Driver), Runner: m.Runner, Series: m.Series, Source: m.Source})
	}
	return out
}

var cases = sync.OnceValues(func() (fixture, error) { return open(filepath.Join("..", "..", "testdata", "proof")) })

func fixtures(t testing.TB) fixture {
	t.Helper()
	f, err := cases()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) options(t testing.TB, path string) Options {
	t.Helper()
	for _, r := range f.rows {
		if r.Path == path {
			return Options{App: f.p.App, Migrations: f.p.Migrations, Rows: []plan.Row{r}, Active: f.from, Target: f.p.Schema}
		}
	}
	t.Fatalf("no row of path %q", path)
	return Options{}
}

func proof(t testing.TB, o Options) plan.Proof {
	t.Helper()
	proofs, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return proofs[0]
}

var idText = regexp.MustCompile(`"[0-9a-z]{31,37}"`)

// shown is a document without the ids, which depend on the seed.
func shown(o value.Object) string {
	if o == nil {
		return ""
	}
	return idText.ReplaceAllString(value.Display(o), "ID")
}

// Every planted mistake is found within the documents of a row, and shrunk to
// the smallest that shows it.
func TestBrokenMigrations(t *testing.T) {
	sixtyFive := "[" + strings.Repeat("0.0, ", 64) + "0.0]"
	for _, c := range []struct{ path, kind, before, after, again, place, violation string }{
		{"forgetsNull.plan", "misfit", `{name: "", plan: null}`, `{name: "", plan: null}`, ``, "plan", "Value does not match validator."},
		{"forgetsAbsent.plan", "misfit", `{name: ""}`, `{name: ""}`, ``, "plan", "Object is missing the required field `plan`."},
		{"forgetsNested.address.work.zip", "misfit", `{address: {home: {zip: 0.0}, work: {zip: 0.0}}}`, `{address: {home: {zip: "0"}, work: {zip: 0.0}}}`, ``, "address.work.zip", "Value does not match"},
		{"wrongLiteral.status", "misfit", `{status: "new"}`, `{status: "done"}`, ``, "status", "Value does not match"},
		{"misspelled.status", "throws", `{status: "new"}`, ``, ``, "", `Failed to insert or update a document in table "misspelled" because it does not match the schema`},
		{"notIdempotent.label", "not-idempotent", `{count: 0.0, label: 0.0}`, `{count: 0.0, label: "#0"}`, `{count: 0.0, label: "##0"}`, "label", "a second run changes it again"},
		{"appends.tags", "not-idempotent", `{tags: ""}`, `{tags: ["", "migrated"]}`, `{tags: ["", "migrated", "migrated"]}`, "tags", "a second run"},
		{"logsEachRun.plan", "not-idempotent", `{}`, `{plan: "free"}`, `{plan: "free"}`, "log", "a second run adds another document to table log"},
		{"touchesFitting.role", "touches-fitting", `{role: ""}`, `{role: "member"}`, ``, "role", "it fits the target and is changed"},
		{"trims.name", "touches-fitting", `{name: " "}`, `{name: ""}`, ``, "name", "it fits"},
		{"throwsOnUnicode.slug", "throws", `{title: "\u{ffff}"}`, ``, ``, "", "InvalidCharacterError: "},
		{"missesEmpty.email", "misfit", `{email: ""}`, `{email: ""}`, ``, "email", "Value does not match"},
		{"offByOne.items[]", "misfit", `{items: [0.0]}`, `{items: [0.0]}`, ``, "items[0]", "Value does not match"},
		{"longArrays.items[]", "misfit", "{items: " + sixtyFive + "}", "{items: " + strings.Replace(strings.ReplaceAll(sixtyFive, "0.0", `"0"`), `"0"]`, "0.0]", 1) + "}", ``, "items[64]", "Value does not match"},
		{"losesPrecision.size", "touches-fitting", `{size: -9223372036854775808}`, `{size: -9000000000000000000}`, ``, "size", "it fits"},
		{"numberOnText.amount", "throws", `{amount: "a"}`, ``, ``, "", "RangeError: cannot convert NaN or Infinity to BigInt"},
		{"dropsMember.content[].alt", "misfit", `{content: [{href: "", kind: "link"}]}`, `{content: [{href: "", kind: "link"}]}`, ``, "content[0]", "Value does not match"},
		{"danglingReference.ownerName", "throws", `{owner: ID}`, ``, ``, "", "TypeError: Cannot read properties of null (reading 'name')"},
		{"wrongTable.owner", "misfit", `{owner: ID}`, `{owner: ID}`, ``, "owner", "Found ID "},
		{"notANumber.level", "misfit", `{level: NaN}`, `{level: NaN}`, ``, "level", "Value does not match"},
		{"minusZero.level", "misfit", `{level: -0.0}`, `{level: -0.0}`, ``, "level", "Value does not match"},
		{"recordKeys.scores{}", "misfit", `{scores: { : ""}}`, `{scores: { : ""}}`, ``, "scores.values()", "Value does not match"},
		{"extraField.plan", "throws", `{}`, ``, ``, "", `Failed to insert or update a document in table "extraField" because it does not match the schema: Object contains extra field`},
		{"deletesFitting.user", "touches-fitting", `{count: 0.0, user: ID}`, ``, ``, "", "it fits the target and is deleted"},
		{"rangePassesOver.state", "misfit", `{state: null}`, `{state: null}`, ``, "state", "Value does not match"},
		{"invalidDates.day", "throws", `{day: NaN}`, ``, ``, "", "RangeError: Date value is NaN"},
		{"endlessLoop.halves", "throws", `{halves: -1.0}`, ``, ``, "", "it does not come to an end"},
		{"otherTable.settings", "other-table", `{about: "", settings: ""}`, `{about: ""}`, ``, "entries.plan", "Object is missing the required field `plan`."},
		{"secondStep.size", "not-idempotent", `{size: null}`, `{size: ""}`, `{size: null}`, "size", "a second run"},
		{"byHand.plan", "throws", `{plan: "` + strings.Repeat("a", 51) + `"}`, ``, ``, "", "the plan aaaaaaaaaa is too long"},
	} {
		t.Run(c.path, func(t *testing.T) {
			t.Parallel()
			p := proof(t, fixtures(t).options(t, c.path))
			x := p.Counter
			if p.Verdict != plan.Refuted || x == nil {
				t.Fatalf("%s: %s after %d documents", p.Verdict, p.Why, p.Documents)
			}
			if p.Documents > Documents {
				t.Errorf("found after %d documents only", p.Documents)
			}
			if got := [...]string{x.Kind, shown(x.Before), shown(x.After), shown(x.Again), x.Place}; got != [...]string{c.kind, c.before, c.after, c.again, c.place} {
				t.Errorf("got  %q\nwant %q", got, [...]string{c.kind, c.before, c.after, c.again, c.place})
			}
			if !strings.HasPrefix(x.Violation, c.violation) {
				t.Errorf("violation %q, want %q", x.Violation, c.violation)
			}
			if !strings.HasPrefix(x.Frame, "convex/broken.ts:") || !strings.HasPrefix(x.Migration, "broken:") {
				t.Errorf("%s at %q", x.Migration, x.Frame)
			}
		})
	}
}

func TestRightMigrations(t *testing.T) {
	for _, path := range []string{
		"nullAndAbsent.plan", "nested.address.home.zip", "nested.address.work.zip", "literals.status", "labels.label", "lists.tags",
		"logsOnce.plan", "slugs.slug", "emails.email", "items.items[]", "sizes.size", "unions.content[].alt", "references.ownerName",
		"retargeted.owner", "levels.level", "records.scores{}", "orphansGo.user", "ranges.state", "tokens.token", "moved.settings",
		"trees.path", "twoSteps.size", "paged.plan", "oneGo.plan", "readsNew.label", "readsOld.label", "oneOfAKind.first",
		"forgetsNested.address.home.zip", // what is wrong there is another row's
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			o := fixtures(t).options(t, path)
			o.Documents = 1000
			if p := proof(t, o); p.Verdict != plan.Held || p.Documents != 1000 {
				t.Errorf("%s after %d documents: %s %+v", p.Verdict, p.Documents, p.Why, p.Counter)
			}
		})
	}
}

// The project's own npm packages are what runs where they are installed.
func TestNPMPackages(t *testing.T) {
	npm := npmtest.Dir(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fixtures(t).p.Root)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	f := load(t, dir)
	if v := f.p.Packages["@convex-dev/migrations"]; v != "0.3.6" {
		t.Fatalf("it runs @convex-dev/migrations %q", v)
	}
	for path, want := range map[string]plan.Verdict{
		"forgetsNull.plan": plan.Refuted, "danglingReference.ownerName": plan.Refuted, "rangePassesOver.state": plan.Refuted, "extraField.plan": plan.Refuted,
		"ranges.state": plan.Held, "labels.label": plan.Held, "twoSteps.size": plan.Held, "trees.path": plan.Held,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			p := proof(t, f.options(t, path))
			if p.Verdict != want {
				t.Errorf("%s: %s %+v", p.Verdict, p.Why, p.Counter)
			}
			if c := p.Counter; c != nil && !strings.HasPrefix(c.Frame, "convex/broken.ts:") {
				t.Errorf("at %s", c.Frame)
			}
		})
	}
}

// written is a project of these files, loaded.
func written(t *testing.T, npm string, files map[string]string) fixture {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if npm != "" {
		if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	return load(t, dir)
}

// Migrations of convex-helpers, with a table of their own for their state and
// without: that they keep it there is no mistake.
func TestHelpers(t *testing.T) {
	f := written(t, npmtest.Dir(t), map[string]string{
		"package.json": `{"name":"old","type":"module"}`,
		"convex/schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { migrationsTable } from "convex-helpers/server/migrations";
const plan = defineTable({ plan: v.string() });
export default defineSchema({ migrations: migrationsTable, good: plan, bad: plan, stateless: plan });`,
		"schemas/before.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { migrationsTable } from "convex-helpers/server/migrations";
const plan = defineTable({ plan: v.optional(v.union(v.string(), v.null())) });
export default defineSchema({ migrations: migrationsTable, good: plan, bad: plan, stateless: plan });`,
		"convex/migrations.ts": `
import { makeMigration } from "convex-helpers/server/migrations";
import { internalMutation } from "./_generated/server";
const migration = makeMigration(internalMutation, { migrationTable: "migrations" });
const stateless = makeMigration(internalMutation, {});
export const good = migration({ table: "good", migrateOne: (_ctx, doc: any) => (doc.plan == null ? { plan: "free" } : undefined) });
export const bad = migration({ table: "bad", migrateOne: (_ctx, doc: any) => (doc.plan === null ? { plan: "free" } : undefined) });
export const alone = stateless({ table: "stateless", migrateOne: (_ctx, doc: any) => (doc.plan == null ? { plan: "free" } : undefined) });`,
	})
	for path, want := range map[string]plan.Verdict{"good.plan": plan.Held, "bad.plan": plan.Refuted, "stateless.plan": plan.Held} {
		o := f.options(t, path)
		o.Documents = 300
		p := proof(t, o)
		if p.Verdict != want {
			t.Errorf("%s: %s %s %+v", path, p.Verdict, p.Why, p.Counter)
		}
		if c := p.Counter; c != nil && (c.Kind != plan.KindMisfit || shown(c.Before) != "{}") {
			t.Errorf("%s: %s %s", path, c.Kind, shown(c.Before))
		}
	}
}

// An action is no transaction as a whole, and is run all the same.
func TestAction(t *testing.T) {
	table := func(plan string) string {
		return `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ good: defineTable({ plan: ` + plan + ` }), bad: defineTable({ plan: ` + plan + ` }) });`
	}
	action := func(table, missing string) string {
		return `
import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalAction, internalMutation, internalQuery } from "./_generated/server";
export const list = internalQuery({ args: {}, handler: async (ctx) => (await ctx.db.query("` + table + `").collect()).filter((doc) => doc.plan ` + missing + `).map((doc) => doc._id) });
export const set = internalMutation({ args: { id: v.id("` + table + `") }, handler: (ctx, { id }) => ctx.db.patch(id, { plan: "free" }) });
export const migrate = internalAction({ args: {}, handler: async (ctx) => {
  for (const id of await ctx.runQuery(internal.` + table + `Migration.list)) await ctx.runMutation(internal.` + table + `Migration.set, { id });
} });`
	}
	f := written(t, "", map[string]string{
		"package.json":            `{"name":"actions","type":"module"}`,
		"convex/schema.ts":        table("v.string()"),
		"schemas/before.ts":       table("v.optional(v.union(v.string(), v.null()))"),
		"convex/goodMigration.ts": action("good", "== null"),
		"convex/badMigration.ts":  action("bad", "=== undefined"),
	})
	for path, want := range map[string]plan.Verdict{"good.plan": plan.Held, "bad.plan": plan.Refuted} {
		o := f.options(t, path)
		o.Documents = 200
		if p := proof(t, o); p.Verdict != want {
			t.Errorf("%s: %s %s %v %+v", path, p.Verdict, p.Why, p.Migrations, p.Counter)
		}
	}
}

func TestDemo(t *testing.T) {
	f := load(t, filepath.Join("..", "..", "testdata", "demo"))
	proofs, err := Run(t.Context(), Options{App: f.p.App, Migrations: f.p.Migrations, Rows: f.rows, Active: f.from, Target: f.p.Schema, Documents: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range proofs {
		if p.Path != "orders.customerName" {
			if p.Verdict != plan.Held {
				t.Errorf("%s: %s %s %+v", p.Title, p.Verdict, p.Why, p.Counter)
			}
			continue
		}
		x := p.Counter
		if p.Verdict != plan.Refuted || x == nil {
			t.Fatalf("%s: %s %s", p.Title, p.Verdict, p.Why)
		}
		const before = `{code: 0.0, customerId: ID, lines: [], placedAt: 0.0, status: "cart", teamId: ID}`
		if x.Kind != "throws" || shown(x.Before) != before || !reflect.DeepEqual(x.Dangling, []string{"customerId"}) || x.Frame != "convex/migrations/orders.ts:28" {
			t.Errorf("%+v\n%s", x, shown(x.Before))
		}
	}
}

// The same seed gives the same proof, and what was shrunk still fails alone.
func TestProofsAreRepeatable(t *testing.T) {
	f := fixtures(t)
	for _, path := range []string{"forgetsNested.address.work.zip", "recordKeys.scores{}", "dropsMember.content[].alt", "danglingReference.ownerName", "wrongTable.owner", "logsEachRun.plan", "otherTable.settings", "trims.name"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 2; seed++ {
				o := f.options(t, path)
				o.Seed = seed
				first, second := proof(t, o), proof(t, o)
				first.At, first.Took = second.At, second.Took
				if !reflect.DeepEqual(first, second) {
					t.Errorf("seed %d: %+v, then %+v", seed, first.Counter, second.Counter)
				}
				if first.Counter == nil {
					t.Fatalf("seed %d: %s", seed, first.Verdict)
				}
				failsAlone(t, o, first.Counter)
			}
		})
	}
}

func failsAlone(t *testing.T, o Options, x *plan.Counterexample) {
	t.Helper()
	o.orDefault()
	s, err := o.search(t.Context(), o.Rows[0])
	if err != nil {
		t.Fatal(err)
	}
	defer s.w.close()
	again, err := s.single(t.Context(), candidate{doc: s.w.stored(x.Before, s.rand("again"))})
	if err != nil {
		t.Fatal(err)
	}
	if again == nil || again.counter.Kind != x.Kind || again.counter.Migration != x.Migration {
		t.Errorf("%s: %s is no counterexample of its own", x.Kind, shown(x.Before))
	}
}

func TestStopsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := fixtures(t).options(t, "items.items[]")
	o.Progress = func(p Progress) {
		if p.Documents > 0 {
			cancel()
		}
	}
	proofs, err := Run(ctx, o)
	if err == nil || len(proofs) != 0 {
		t.Errorf("%v, %v", proofs, err)
	}
}

func TestWhatCannotBeTried(t *testing.T) {
	f := fixtures(t)
	for _, c := range []struct {
		change  func(*Options)
		verdict plan.Verdict
		why     string
	}{
		{func(o *Options) { o.Rows[0].Migrations = nil }, plan.Uncovered, "no migration"},
		{func(o *Options) { o.Rows[0].Table = "" }, plan.Unproven, "whole schema"},
		{func(o *Options) { o.Rows[0].Table = "gone" }, plan.Unproven, "the target has no table gone"},
		{func(o *Options) { o.Rows[0].Migrations = []string{"right:nothing"} }, plan.Unproven, "not defined"},
		{func(o *Options) {
			o.Migrations = []project.Migration{{Name: "m:gone", Driver: project.ComponentDriver}}
			o.Rows[0].Migrations = []string{"m:gone"}
		}, plan.Unproven, "not among the functions that loaded"},
	} {
		o := f.options(t, "literals.status")
		c.change(&o)
		if p := proof(t, o); p.Verdict != c.verdict || !strings.Contains(p.Why, c.why) {
			t.Errorf("%s: %s, want %s: %s", p.Verdict, p.Why, c.verdict, c.why)
		}
	}
}

// Documents a second that one row's migration gets through, twice.
func BenchmarkProve(b *testing.B) {
	for _, path := range []string{"literals.status", "unions.content[].alt", "retargeted.owner"} {
		b.Run(path, func(b *testing.B) {
			o := fixtures(b).options(b, path)
			n := 0
			for b.Loop() {
				n += proof(b, o).Documents
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "docs/s")
		})
	}
}

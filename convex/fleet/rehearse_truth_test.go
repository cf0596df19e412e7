package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/snapshot"
	"strait/model/value"
	"strait/plan"
)

// copied writes an export of what a deployment holds.
func copied(t *testing.T, d *local.Deployment) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prod-2026-11-22.zip")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := snapshot.NewWriter(file)
	view := d.View()
	for _, component := range view.Components() {
		var tables []snapshot.Table
		for _, x := range view.Tables(component) {
			tables = append(tables, snapshot.Table{Component: component, Name: x.Name, Number: x.Number})
		}
		err = errors.Join(err, w.Tables(component, tables))
		for _, x := range tables {
			err = errors.Join(err, w.Begin(component, x.Name))
			for doc, bad := range documentsOf(view, component, x.Name) {
				err = errors.Join(err, bad, w.Write(doc))
			}
		}
	}
	if err := errors.Join(err, w.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// held writes an export of documents of one table.
func held(t *testing.T, table string, docs []value.Object) string {
	t.Helper()
	d := local.New(local.Options{Seed: 7})
	defer d.Close()
	if _, err := d.Insert(t.Context(), "", table, docs); err != nil {
		t.Fatal(err)
	}
	return copied(t, d)
}

// itemsOf is a project of an export: its target wants done, and its migrations
// are those of the text.
func itemsOf(t *testing.T, migrations, wants string) *project.Project {
	t.Helper()
	f := own(t, map[string]string{
		"strait.toml": "", "convex/migrations.ts": migrations,
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  items: defineTable({ n: v.number(), pad: v.optional(v.string()), done: ` + wants + ` }),
  logs: defineTable({ of: v.id("items") }),
});`,
	}, "")
	f.Close() // its environment is not asked for
	p, err := project.Load(t.Context(), project.Options{Dir: f.opt.Dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range p.Problems {
		t.Logf("problem: %v", x)
	}
	return p
}

// numbered are n documents with a number each.
func numbered(n int) []value.Object {
	var docs []value.Object
	for i := range n {
		docs = append(docs, value.NewObject(field("n", float64(i))))
	}
	return docs
}

func field(name string, v value.Value) value.Field { return value.Field{Name: name, Value: v} }

// Every number of a report is known beforehand: documents that fail, that are
// gone, that had nothing to do, and what was written elsewhere.
func TestRehearsalTellsTheTruth(t *testing.T) {
	slow(t)
	p := itemsOf(t, define+`
export const finish = migrations.define({ table: "items", batchSize: 50, migrateOne: async (ctx, doc) => {
  if (doc.n % 10 === 3) throw new Error("no threes: " + doc.n);
  if (doc.n % 100 === 7) return await ctx.db.delete(doc._id);
  if (doc.n % 50 === 1) await ctx.db.insert("logs", { of: doc._id });
  if (doc.n % 4 === 0) return;
  if (doc.n % 4 === 1) return { n: doc.n };
  return { done: true };
} });`, "v.optional(v.boolean())")
	const n = 1000
	var docs []value.Object
	var failed, gone, same, changed, logs int64
	for i := range n {
		docs = append(docs, value.NewObject(field("n", float64(i))))
		switch {
		case i%10 == 3:
			failed++
			continue
		case i%100 == 7:
			gone++
			continue
		case i%4 <= 1:
			same++
		default:
			changed++
		}
		if i%50 == 1 {
			logs++
		}
	}
	r, err := Rehearse(t.Context(), p, RehearseOptions{Export: held(t, "items", docs)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := runOf(t, r, "migrations:finish")
	if m.State != "failed" || m.Documents != n || m.Failed != failed || m.Deleted != gone || m.Changed != changed || m.Unchanged != same+failed || m.Inserted != 0 {
		t.Errorf("want %d failed, %d deleted, %d changed, %d unchanged; got %+v", failed, gone, changed, same+failed, m)
	}
	if len(m.Elsewhere) != 1 || m.Elsewhere[0] != (plan.Written{Table: "logs", Inserted: logs}) {
		t.Errorf("elsewhere %+v, want %d logs", m.Elsewhere, logs)
	}
	if len(m.Failures) != keptFailures {
		t.Fatalf("%d failures are kept", len(m.Failures))
	}
	seen := map[string]bool{}
	for i, x := range m.Failures {
		want := fmt.Sprintf("no threes: %d", 10*i+3)
		if x.Document == "" || seen[x.Document] || x.Body == nil || number(get(x.Body, "n")) != int64(10*i+3) || !strings.HasSuffix(x.Summary, want) || !strings.HasPrefix(x.Frame, "convex/migrations.ts:") {
			t.Fatalf("failure %d: %+v, want %s", i, x, want)
		}
		seen[x.Document] = true
	}
	if r.Narrow != "" || r.Census.Offenders != 0 || r.Accepted() || !r.Whole || r.Documents != n {
		t.Errorf("got %+v", r)
	}
	if r.Source != "export prod-2026-11-22.zip" {
		t.Errorf("source %q", r.Source)
	}
}

// What a batch uses is told against Convex's limits, and the batch size that is
// recommended holds when the migration is run with it.
func TestRehearsalOfALimit(t *testing.T) {
	slow(t)
	code := func(size int) string {
		return define + fmt.Sprintf(`
export const finish = migrations.define({ table: "items", batchSize: %d, migrateOne: () => ({ done: true }) });`, size)
	}
	var docs []value.Object
	for i := range 600 {
		size := 1 << 10
		if i >= 300 && i < 400 { // the large ones lie side by side
			size = 100 << 10
		}
		docs = append(docs, value.NewObject(field("n", float64(i)), field("pad", strings.Repeat("x", size))))
	}
	file := held(t, "items", docs)
	run := func(size int) plan.RehearsedRun {
		r, err := Rehearse(t.Context(), itemsOf(t, code(size), "v.boolean()"), RehearseOptions{Export: file}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Narrow != "" || r.Census.Offenders != 0 {
			t.Errorf("batches of %d: %q", size, r.Narrow)
		}
		return runOf(t, r, "migrations:finish")
	}
	m := run(200)
	if m.State != "failed" || len(m.Failures) != 1 || m.Failures[0].Document != "" || !strings.HasPrefix(m.Failures[0].Summary, "Too many bytes read") {
		t.Errorf("a batch beyond the limit: %+v", m)
	}
	if m.Failed != 0 || m.Changed != 600 || m.Recommended == 0 || m.Recommended >= 200 {
		t.Errorf("got %+v", m)
	}
	again := run(m.Recommended)
	if again.State != "success" || again.Headroom[0].Limit != "bytes read" || again.Headroom[0].Share >= 0.5 || again.Headroom[0].Share < 0.1 {
		t.Errorf("with batches of %d: %+v", m.Recommended, again.Headroom)
	}
	if again.Recommended != m.Recommended {
		t.Errorf("recommended %d, and then %d", m.Recommended, again.Recommended)
	}
}

// A document that breaks a limit on its own is found, though nothing names it.
func TestRehearsalOfADocumentBeyondALimit(t *testing.T) {
	slow(t)
	p := itemsOf(t, define+`
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";
export const nothing = internalMutation({ args: {}, handler: async () => {} });
export const finish = migrations.define({ table: "items", batchSize: 8, migrateOne: async (ctx, doc) => {
  if (doc.n === 21) for (let i = 0; i < 1001; i++) await ctx.scheduler.runAfter(0, internal.migrations.nothing, {});
  return { done: true };
} });`, "v.boolean()")
	docs := numbered(40)
	r, err := Rehearse(t.Context(), p, RehearseOptions{Export: held(t, "items", docs)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := runOf(t, r, "migrations:finish")
	if m.State != "failed" || m.Failed != 1 || m.Changed != 39 || m.Documents != 40 || len(m.Failures) != 2 || m.Failures[0].Document != "" || number(get(m.Failures[1].Body, "n")) != 21 {
		t.Errorf("got %+v", m)
	}
	if r.Census.Offenders != 1 || r.Narrow == "" {
		t.Errorf("narrow %q, %+v", r.Narrow, r.Census)
	}
}

// Migrations of every driver go past a document on which they fail.
func TestRehearsalGoesOnByEveryDriver(t *testing.T) {
	slow(t)
	p := itemsOf(t, `import { internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";
export const paged = internalMutation({
  args: { cursor: v.union(v.string(), v.null()), numItems: v.optional(v.number()) },
  handler: async (ctx, { cursor, numItems }) => {
    const r = await ctx.db.query("items").paginate({ cursor, numItems: numItems ?? 50 });
    for (const d of r.page) {
      if (d.n === 77) { console.error("Document failed: " + d._id); throw new Error("seventy-seven"); }
      await ctx.db.patch(d._id, { done: true });
    }
    return { nextCursor: r.isDone ? null : r.continueCursor, updated: r.page.length };
  },
});
export const itself = internalMutation({
  args: { cursor: v.optional(v.string()), numItems: v.optional(v.number()) },
  handler: async (ctx, { cursor, numItems }) => {
    const r = await ctx.db.query("items").paginate({ cursor: cursor ?? null, numItems: numItems ?? 50 });
    for (const d of r.page) await ctx.db.patch(d._id, { pad: "x" });
    if (!r.isDone) await ctx.scheduler.runAfter(0, internal.migrations.itself, { cursor: r.continueCursor, numItems });
    return { processed: r.page.length };
  },
});
`, "v.boolean()")
	docs := numbered(120)
	r, err := Rehearse(t.Context(), p, RehearseOptions{Export: held(t, "items", docs)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	paged := runOf(t, r, "migrations:paged")
	if paged.State != "failed" || paged.Failed != 1 || paged.Changed != 119 || paged.Documents != 120 || paged.Batches != 3 {
		t.Errorf("paged: %+v", paged)
	}
	itself := runOf(t, r, "migrations:itself")
	if itself.State != "success" || itself.Changed != 120 || itself.Documents != 120 || itself.Batches != 3 || itself.Estimate.Calls != 3 {
		t.Errorf("itself: %+v", itself)
	}
	if r.Census.Offenders != 1 || !strings.Contains(r.Narrow, "done") {
		t.Errorf("narrow %q, census %+v", r.Narrow, r.Census)
	}
}

// Where the export holds the component's own state, what is done stays done.
// The report of an environment rests on it as well, whatever ran there since.
func TestRehearsalKeepsWhatIsDone(t *testing.T) {
	slow(t)
	f := demo(t, "staging")
	ready(t, f, "staging")
	file := copied(t, f.envs[0].embed)
	for _, sample := range []int{0, 100} {
		r, err := Rehearse(t.Context(), f.Project(), RehearseOptions{Export: file, Sample: sample}, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := map[string]bool{}
		for _, s := range r.Skipped {
			done[s.Name] = true
		}
		if !done["migrations:setTeamPlan"] || !done["migrations:listingToEnum"] || done["migrations:movePreferences"] || len(r.Migrations)+len(r.Skipped) != 9 {
			t.Errorf("sample %d: skipped %+v", sample, r.Skipped)
		}
		if r.Whole != (sample == 0) || r.Whole && r.Census.Offenders != 1 {
			t.Errorf("sample %d: %+v", sample, r)
		}
		m := runOf(t, r, "migrations:dropAvatarUrl")
		if m.Estimate.Documents != 400 || !m.Estimate.Bound || m.Estimate.Time <= 0 {
			t.Errorf("sample %d: %+v", sample, m.Estimate)
		}
	}
}

// A sample of a deployment brings what it refers to, and estimates speak of the
// whole table. Nothing is written there, and the journal holds no document.
func TestRehearsalOfASample(t *testing.T) {
	slow(t)
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	before := c.d.View().Timestamp()
	r := rehearsed(t, f, "cloud", RehearseOptions{Sample: 30})
	if r.Whole || !strings.HasPrefix(r.Source, "30 documents a table") || r.Documents < 30*7-20 {
		t.Errorf("got %+v", r)
	}
	if now := c.d.View().Timestamp(); now != before {
		t.Error("something was written there")
	}
	m := runOf(t, r, "migrations:dropAvatarUrl")
	if m.Estimate.Documents != 400 || m.Estimate.Calls != 5 || m.Documents >= 400 || m.Documents < 30 {
		t.Errorf("got %+v", m)
	}
	// Of orders that are sampled, customers are there: only staging's bad order
	// has none, if it was taken at all.
	if m := runOf(t, r, "migrations/orders:addCustomerName"); m.Failed > 1 || m.Documents < 30 {
		t.Errorf("got %+v", m)
	}
	text, err := os.ReadFile(filepath.Join(c.root, ".strait", "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"action":"rehearse"`) || strings.Contains(string(text), "Uncaught") || strings.Contains(string(text), "customerName") {
		t.Errorf("the journal says %s", text)
	}
	whole := rehearsed(t, f, "cloud", RehearseOptions{Sample: 1000})
	if !whole.Whole || whole.Census.Offenders != 1 || !strings.Contains(whole.Narrow, "customerName") {
		t.Errorf("got %+v", whole)
	}
}

// transport is one that refuses everything.
type transport struct{ t *testing.T }

func (x transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x.t.Errorf("a rehearsal of an export asked for %s", r.URL)
	return nil, errors.New("nothing leaves the machine")
}

// A rehearsal of an export connects with nothing, is refused when the export is
// too large for the memory, and can be stopped at any time.
func TestRehearsalBounds(t *testing.T) {
	old := http.DefaultTransport
	http.DefaultTransport = transport{t}
	defer func() { http.DefaultTransport = old }()
	p := itemsOf(t, define+`
export const finish = migrations.define({ table: "items", batchSize: 10, migrateOne: () => ({ done: true }) });`, "v.boolean()")
	docs := numbered(300)
	file := held(t, "items", docs)
	small := newRehearsal(p, RehearseOptions{Export: file}, origin{widened: p.Schema}, nil)
	small.limit = 1 << 10
	if _, err := small.run(t.Context()); err == nil || !strings.Contains(err.Error(), "--sample") {
		t.Errorf("too large: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := Rehearse(ctx, p, RehearseOptions{Export: file}, func(run RehearsalRun) {
		if run.Migration != "" {
			cancel()
		}
	})
	if err != nil || r.Stopped == "" || r.Accepted() || r.Narrow != "" || r.Census != nil {
		t.Errorf("stopped: %+v %v", r, err)
	}
	if _, err := Rehearse(t.Context(), p, RehearseOptions{Sample: 5}, nil); err == nil || !strings.Contains(err.Error(), "export") {
		t.Errorf("without a source: %v", err)
	}
	made, err := Rehearse(t.Context(), p, RehearseOptions{Generate: 50}, nil)
	if err != nil || made.Documents != 100 || !made.Accepted() {
		t.Errorf("made up: %+v %v", made, err)
	}
}

// The time that a rehearsal estimates rests on what was seen there, and says so.
func TestRehearsalRestsOnWhatWasSeen(t *testing.T) {
	slow(t)
	c := newCloud(t)
	f := c.open()
	if out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl", BatchSize: 20}, nil); err != nil || out.Status != "success" {
		t.Fatalf("%+v %v", out, err)
	}
	live := runOf(t, rehearsed(t, f, "cloud", RehearseOptions{Sample: 10}), "migrations/orders:codeToText").Estimate
	if live.Bound || !strings.Contains(live.Why, "batches seen in cloud") || live.Time <= 0 {
		t.Errorf("seen now: %+v", live)
	}
	f.Close() // which waits until the run's end is recorded
	g := c.open()
	past := runOf(t, rehearsed(t, g, "cloud", RehearseOptions{Sample: 10}), "migrations/orders:codeToText").Estimate
	if past.Bound || !strings.Contains(past.Why, "runs in the journal") {
		t.Errorf("seen before: %+v", past)
	}
}

// makeMigration of the real convex-helpers, with and without a table of its own,
// and in a series that the copy runs one by one.
func TestRehearsalOfConvexHelpers(t *testing.T) {
	slow(t)
	npm := npmtest.Dir(t)
	f := own(t, map[string]string{
		"strait.toml": "", "convex/convex.config.ts": "",
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { migrationsTable } from "convex-helpers/server/migrations";
import { v } from "convex/values";
export default defineSchema({ migrations: migrationsTable, items: defineTable({ n: v.number(), a: v.optional(v.boolean()), b: v.optional(v.boolean()) }) });`,
		"convex/migrations.ts": `import { makeMigration } from "convex-helpers/server/migrations";
import { internalMutation } from "./_generated/server";
const kept = makeMigration(internalMutation, { migrationTable: "migrations", defaultBatchSize: 25 });
const loose = makeMigration(internalMutation, { defaultBatchSize: 25 });
export const mark = kept({ table: "items", migrateOne: (ctx, doc) => { if (doc.n === 30) throw new Error("thirty"); return { a: true }; } });
export const unkept = loose({ table: "items", migrateOne: (ctx, doc) => ({ b: true }) });`,
		"node_modules": "-> " + filepath.Join(npm, "node_modules"),
	}, "")
	p, err := project.Load(t.Context(), project.Options{Dir: f.opt.Dir})
	if err != nil {
		t.Fatal(err)
	}
	docs := numbered(120)
	r, err := Rehearse(t.Context(), p, RehearseOptions{Export: held(t, "items", docs)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	mark := runOf(t, r, "migrations:mark")
	if mark.Changed != 119 || mark.Failed != 1 || mark.Documents != 120 || mark.Batches != 5 || mark.Estimate.Calls != 5 {
		t.Errorf("mark: %+v", mark)
	}
	unkept := runOf(t, r, "migrations:unkept")
	if unkept.State != "success" || unkept.Changed != 120 || unkept.Batches != 5 || unkept.Documents != 120 {
		t.Errorf("unkept: %+v", unkept)
	}
}

// A target that checks nothing is taken whatever the documents hold, and the
// report says so beside what does not fit it. Its doubts of the order come from
// what the code writes: a field that it only logs is none.
func TestRehearsalOfATargetThatChecksNothing(t *testing.T) {
	slow(t)
	p := itemsOf(t, `import { internal } from "./_generated/api";
`+define+`
export const pads = migrations.define({ table: "items", migrateOne: async (ctx, doc) => {
  if (doc.n > 5) return { pad: "x" };
} });
export const tell = migrations.define({ table: "items", migrateOne: async (ctx, doc) => {
  const about = { n: doc.n, many: 1 };
  console.log(about);
} });
export const all = migrations.runner([internal.migrations.pads, internal.migrations.tell]);
`, "v.boolean()")
	p.Schema.Validation = false
	r, err := Rehearse(t.Context(), p, RehearseOptions{Export: held(t, "items", numbered(20))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Accepted() || r.Census.Offenders != 20 {
		t.Errorf("narrow %q, census %+v", r.Narrow, r.Census)
	}
	notes := strings.Join(r.Notes, "\n")
	if !strings.Contains(notes, "schemaValidation switched off") {
		t.Errorf("notes: %s", notes)
	}
	if strings.Contains(notes, "order:") {
		t.Errorf("doubts of the order: %s", notes)
	}
}

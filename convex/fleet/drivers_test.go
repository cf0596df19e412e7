package fleet

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/model/value"
	"strait/plan"
)

// own writes a project of a few files with one embedded environment of 120
// items, and opens it.
func own(t *testing.T, files map[string]string, ran string) *Fleet {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{
		"package.json": `{"name":"own","dependencies":{"convex":"*","@convex-dev/migrations":"*"}}`,
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ n: v.optional(v.number()), done: v.optional(v.boolean()) }) });`,
		"convex/convex.config.ts": `import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const app = defineApp();
app.use(migrations);
export default app;`,
		"strait.toml": "[[env]]\nname = \"only\"\ngenerate = { items = 120 }\nschema = \"target\"\n" + ran,
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if text == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			if err := os.Symlink(to, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := Open(t.Context(), Options{Dir: dir})
	t.Cleanup(func() { f.Close() })
	return f
}

const define = `import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
const migrations = new Migrations(components.migrations);
`

func runIt(t *testing.T, f *Fleet, c Command) Outcome {
	t.Helper()
	c.Env = "only"
	out, err := f.Run(within(t), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A batch that dies as a whole leaves no error in the component's row: the
// text is in its jobs (convex-wire.md 13.1).
func TestABatchThatDiesAsAWhole(t *testing.T) {
	slow(t)
	f := own(t, map[string]string{"convex/migrations.ts": define + `
export const greedy = migrations.define({
  table: "items", batchSize: 20,
  migrateOne: async (ctx, doc) => {
    const first = await ctx.db.query("items").order("desc").first();
    if (doc._id === first!._id) for (let i = 0; i < 4200; i++) await ctx.db.query("items").first();
    return { done: true };
  },
});`}, "")
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: "greedy"})
	if out.Status != "failed" || out.Processed != 100 || out.Failure == nil {
		t.Fatalf("got %+v %+v", out, out.Failure)
	}
	// A slow machine meets the limit on time first.
	if text := out.Failure.Summary; !strings.Contains(text, "Too many reads") && !strings.Contains(text, "timed out") {
		t.Errorf("got %q", text)
	}
}

// A first batch that fails, fails in the call that starts it.
func TestTheFirstBatchFails(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": define + `
export const boom = migrations.define({ table: "items", migrateOne: async () => { throw new Error("no way") } });`}, "")
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: "boom"})
	if out.Status != "failed" || out.Failure.Summary != "no way" || out.Failure.Document == "" || out.Failure.Body == nil {
		t.Fatalf("got %+v %+v", out, out.Failure)
	}
	if !strings.HasPrefix(out.Failure.Frame, "convex/migrations.ts:5") {
		t.Errorf("frame %q", out.Failure.Frame)
	}
	dry := runIt(t, f, Command{Action: plan.ActDryRun, Migration: "boom"})
	if dry.Status != "failed" || dry.DryRun.Err == nil || dry.DryRun.Err.Document != out.Failure.Document {
		t.Fatalf("dry run: %+v", dry.DryRun)
	}
}

// A series whose second member fails again exactly as before changes no
// status: it must end all the same.
func TestASeriesThatFailsAgainTheSameWay(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": define + `
import { internal } from "./_generated/api";
export const one = migrations.define({ table: "items", migrateOne: () => ({ done: true }) });
export const two = migrations.define({ table: "items", migrateOne: () => { throw new Error("still no") } });
export const both = migrations.runner([internal.migrations.one, internal.migrations.two]);`}, "")
	for range 2 {
		out := runIt(t, f, Command{Action: plan.ActRun, Migration: "both"})
		if out.Status != "failed" || out.Failure == nil || out.Failure.Summary != "still no" {
			t.Fatalf("got %+v %+v", out, out.Failure)
		}
	}
}

const handWritten = `import { internalMutation } from "./_generated/server";
import { v } from "convex/values";
export const nulls = internalMutation({
  args: { cursor: v.union(v.string(), v.null()), numItems: v.optional(v.number()) },
  handler: async (ctx, { cursor, numItems }) => {
    const r = await ctx.db.query("items").paginate({ cursor, numItems: numItems ?? 50 });
    for (const d of r.page) await ctx.db.patch(d._id, { done: true });
    return { nextCursor: r.isDone ? null : r.continueCursor, updated: r.page.length };
  },
});
export const optionals = internalMutation({
  args: { cursor: v.optional(v.string()), limit: v.number() },
  handler: async (ctx, { cursor, limit }) => {
    const r = await ctx.db.query("items").paginate({ cursor: cursor ?? null, numItems: limit });
    return { cursor: r.continueCursor, hasMore: !r.isDone, page: r.page };
  },
});
export const stuck = internalMutation({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => ({ cursor: "same", isDone: false, processed: 1 }),
});
export const fails = internalMutation({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => {
    const r = await ctx.db.query("items").paginate({ cursor, numItems: 50 });
    if (cursor !== null) {
      console.log("gives up");
      throw new Error("page two: " + r.page[0]._id);
    }
    return r;
  },
});
`

func TestHandWrittenPages(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": handWritten}, "")
	ready(t, f, "only")
	for _, m := range f.project.Migrations {
		t.Logf("%+v", m.Name+" "+string(m.Driver)+" "+m.CursorArg+" "+m.SizeArg)
	}
	for name, size := range map[string]int{"nulls": 0, "optionals": 40} {
		out := runIt(t, f, Command{Action: plan.ActRun, Migration: name, BatchSize: size})
		if out.Status != "success" || out.Processed != 120 {
			t.Errorf("%s: %+v %+v", name, out, out.Failure)
		}
		if r := f.Now().Envs[0].Runs["migrations:"+name]; r.BatchCount < 3 || len(r.Batches) != r.BatchCount {
			t.Errorf("%s: %d batches", name, r.BatchCount)
		}
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "stuck"}); out.Status != "failed" || !strings.Contains(out.Failure.Summary, "round for ever") {
		t.Errorf("stuck: %+v %+v", out, out.Failure)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "fails"}); out.Status != "failed" || out.Processed != 50 || !strings.HasPrefix(out.Failure.Summary, "page two") {
		t.Errorf("fails: %+v %+v", out, out.Failure)
	}
	said := 0
	for _, l := range f.Now().Envs[0].Runs["migrations:fails"].Log {
		if strings.Contains(l.Text, "gives up") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("what the page that failed logged is shown %d times", said)
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActDryRun, Env: "only", Migration: "nulls"})); code != "no-dry-run" {
		t.Errorf("dry run: %s", code)
	}
}

// makeMigration of the real convex-helpers schedules itself.
func TestConvexHelpers(t *testing.T) {
	npm := npmtest.Dir(t)
	f := own(t, map[string]string{
		"convex/convex.config.ts": "",
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { migrationsTable } from "convex-helpers/server/migrations";
import { v } from "convex/values";
export default defineSchema({ migrations: migrationsTable, items: defineTable({ n: v.optional(v.number()), done: v.optional(v.boolean()) }) });`,
		"convex/migrations.ts": `import { makeMigration } from "convex-helpers/server/migrations";
import { internalMutation } from "./_generated/server";
const kept = makeMigration(internalMutation, { migrationTable: "migrations", defaultBatchSize: 25 });
const loose = makeMigration(internalMutation, { defaultBatchSize: 25 });
export const mark = kept({ table: "items", migrateOne: (ctx, doc) => ({ done: true }) });
export const unkept = loose({ table: "items", migrateOne: (ctx, doc) => ({ done: false }) });
export const boom = kept({ table: "items", migrateOne: () => { throw new Error("no way") } });`,
		"node_modules": "-> " + filepath.Join(npm, "node_modules"),
	}, "")
	ready(t, f, "only")
	dry := runIt(t, f, Command{Action: plan.ActDryRun, Migration: "mark"})
	if dry.Status != "success" || len(dry.DryRun.Examples) != 1 {
		t.Errorf("dry run: %+v %+v", dry.DryRun, dry.Failure)
	}
	if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "mark", BatchSize: 1}); err != nil {
		t.Fatal(err)
	}
	until(t, f, "migrations:mark", "it runs", func(r Run) bool { return r.State == "inProgress" })
	if out := runIt(t, f, Command{Action: plan.ActCancel, Migration: "mark"}); out.Status != "success" {
		t.Errorf("cancel: %+v %+v", out, out.Failure)
	}
	if r := f.Now().Envs[0].Runs["migrations:mark"]; r.State != "canceled" {
		t.Errorf("canceled: %+v", r)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "mark"}); out.Status != "success" || out.Processed != 120 {
		t.Errorf("mark: %+v %+v", out, out.Failure)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "unkept"}); out.Status != "success" {
		t.Errorf("unkept: %+v %+v", out, out.Failure)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "boom"}); out.Status != "failed" || !strings.Contains(out.Failure.Summary, "no way") {
		t.Errorf("boom: %+v %+v", out, out.Failure)
	}
}

// A project whose schema does not load still opens, says so, and lets nothing
// be written by guess.
func TestAProjectWithoutATarget(t *testing.T) {
	f := own(t, map[string]string{"convex/schema.ts": `import { gone } from "not-installed"; export default gone;`}, "")
	if err := f.Settled(within(t)); err != nil {
		t.Fatal(err)
	}
	s := f.Now()
	if len(s.Project.Problems) == 0 {
		t.Error("nothing is said of the schema")
	}
	if st := s.Plan.Envs[0].Narrow; st.State != plan.Unknown || st.Why == "" {
		t.Errorf("narrow: %+v", st)
	}
	refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActCensus, Env: "only"}))
}

func TestAStoppedCensusLeavesNothing(t *testing.T) {
	f := own(t, nil, "")
	ready(t, f, "only")
	e := f.envs[0]
	f.mu.Lock()
	a := &action{f: f, e: e, c: Command{Action: plan.ActCensus, Env: "only"}, client: e.client}
	a.ctx, a.cancel = context.WithCancel(t.Context())
	a.mark()
	e.comparison = nil
	e.active, e.activeKnown = nil, false // nothing vouches for the documents
	f.mu.Unlock()
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only"}); err != nil {
		t.Fatal(err)
	}
	if err := a.takeCensus(&entry{}); err != nil {
		t.Fatal(err)
	}
	if s := f.Now().Envs[0]; s.Census != nil || s.CensusRun != nil {
		t.Errorf("left %+v %+v", s.Census, s.CensusRun)
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only"})); code != "not-running" {
		t.Errorf("stop twice: %s", code)
	}
}

// An environment filled from an export keeps ids, creation times and the
// component's state.
// exported is an export ZIP with one item and the state of one migration.
func exported(t *testing.T) string {
	t.Helper()
	parsed, err := value.ParseID(exportedID)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"_tables/documents.jsonl":                                  fmt.Sprintf(`{"name":"items","id":%d}`, parsed.Table),
		"items/documents.jsonl":                                    `{"_id":"` + exportedID + `","_creationTime":1754985600000.0,"n":1.0}`,
		"items/generated_schema.jsonl":                             `"uniform"`,
		"_components/migrations/migrations/documents.jsonl":        `{"cursor":null,"isDone":true,"name":"migrations:one","processed":1.0,"latestStart":1754985600000.0,"latestEnd":1754985600001.0}`,
		"_components/migrations/migrations/generated_schema.jsonl": `"uniform"`,
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(text))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const exportedID = "j5766v3fedjp8bbmcngpt000015wgg36"

func TestFromASnapshot(t *testing.T) {
	f := own(t, map[string]string{
		"dev.zip":     exported(t),
		"strait.toml": "[[env]]\nname = \"only\"\nsnapshot = \"dev.zip\"\n",
		"convex/migrations.ts": define + `
export const one = migrations.define({ table: "items", migrateOne: () => ({ done: true }) });`,
	}, "")
	s := ready(t, f, "only").Envs[0]
	if s.Tables["items"] != 1 {
		t.Errorf("tables %v", s.Tables)
	}
	if r := s.Runs["migrations:one"]; r.State != "success" || r.Processed != 1 {
		t.Errorf("the component's state: %+v", r)
	}
	doc, ok := f.envs[0].embed.View().Get("", exportedID)
	if !ok || !strings.Contains(doc.JSON, `"_creationTime":1754985600000`) {
		t.Errorf("got %+v %v", doc, ok)
	}
}

// The documents of an export are older than the target: that is told without
// showing one, and with the shape that they have they are rehearsed on.
func TestASnapshotOfTheOldShape(t *testing.T) {
	slow(t)
	files := map[string]string{
		"dev.zip":     exported(t),
		"strait.toml": "[[env]]\nname = \"only\"\nsnapshot = \"dev.zip\"\n",
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ done: v.boolean() }) });`,
		"old.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ n: v.number() }) });`,
		"convex/migrations.ts": define + `
export const two = migrations.define({ table: "items", migrateOne: () => ({ n: undefined, done: true }) });`,
	}
	f := own(t, files, "")
	if s := state(t, f, Broken); !strings.Contains(s.Err, exportedID) || !strings.Contains(s.Err, `documents = "git:main"`) || strings.Contains(s.Err, "Object: {") {
		t.Errorf("got %q", s.Err)
	}
	files["strait.toml"] += "documents = \"old.ts\"\n"
	f = own(t, files, "")
	ready(t, f, "only")
	if out := runIt(t, f, Command{Action: plan.ActRun, Env: "only", Migration: "two"}); out.Status != "success" || out.Processed != 1 {
		t.Errorf("got %+v", out)
	}
}

package local

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"strait/model/value"
)

// migrationFiles is a project with the migrations component, as its README
// shows it.
var migrationFiles = files{
	"convex.config.ts": `
import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const app = defineApp();
app.use(migrations);
export default app;
`,
	"schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  users: defineTable({
    name: v.string(),
    age: v.optional(v.union(v.string(), v.number())),
    plan: v.optional(v.string()),
    legacy: v.optional(v.boolean()),
  }).index("by_name", ["name"]),
  notes: defineTable({ text: v.string(), done: v.optional(v.boolean()) }),
});
`,
	"migrations.ts": `
import { Migrations } from "@convex-dev/migrations";
import { components, internal } from "./_generated/api";
import schema from "./schema";
export const migrations = new Migrations(components.migrations, { schema });
export const run = migrations.runner();
export const setPlan = migrations.define({
  table: "users",
  batchSize: 10,
  migrateOne: async (ctx, user) => {
    if (user.plan === undefined) await ctx.db.patch(user._id, { plan: "free" });
  },
});
export const ageToNumber = migrations.define({
  table: "users",
  migrateOne: async (ctx, user) => {
    if (typeof user.age !== "string") return;
    const age = Number(user.age);
    if (Number.isNaN(age)) throw new Error("not a number: " + user.age);
    return { age };
  },
});
export const dropLegacy = migrations.define({
  table: "users",
  customRange: (q) => q.withIndex("by_name", (q) => q.gte("name", "user0050")),
  migrateOne: () => ({ legacy: undefined }),
});
export const finishNotes = migrations.define({
  table: "notes",
  parallelize: true,
  migrateOne: () => ({ done: true }),
});
export const series = migrations.runner([internal.migrations.setPlan, internal.migrations.finishNotes]);
`,
}

func eachPackage(t *testing.T, test func(t *testing.T, npm bool)) {
	t.Run("built in", func(t *testing.T) { test(t, false) })
	t.Run("npm", func(t *testing.T) { test(t, true) })
}

func users(n int) []value.Object {
	docs := make([]value.Object, n)
	for i := range docs {
		docs[i] = value.NewObject(
			value.Field{Name: "name", Value: fmt.Sprintf("user%04d", i)},
			value.Field{Name: "age", Value: fmt.Sprint(20 + i%50)},
			value.Field{Name: "legacy", Value: true},
		)
	}
	return docs
}

func seeded(t *testing.T, npm bool, n int) *Deployment {
	t.Helper()
	d := deploy(t, loadApp(t, npm, migrationFiles), Options{})
	if _, err := d.Insert(context.Background(), "", "users", users(n)); err != nil {
		t.Fatal(err)
	}
	return d
}

// status is getStatus of one migration.
func status(t *testing.T, d *Deployment, name string) value.Object {
	t.Helper()
	v := must(t, d, "migrations!lib:getStatus", fmt.Sprintf(`{"names":[%q]}`, name))
	return v.(value.Array)[0].(value.Object)
}

func waitState(t *testing.T, d *Deployment, name, state string) value.Object {
	t.Helper()
	var st value.Object
	eventually(t, d, name+" to be "+state, func() bool {
		st = status(t, d, name)
		s := field(st, "state")
		if s == "failed" && state != "failed" {
			t.Fatalf("%s failed: %s", name, text(st))
		}
		return s == state
	})
	return st
}

func scanAll(d *Deployment, component, table string) []value.Object {
	var out []value.Object
	for doc := range d.View().Scan(component, table, "", false) {
		v, _ := value.Decode([]byte(doc.JSON))
		out = append(out, v.(value.Object))
	}
	return out
}

func TestMigrationRunsToTheEnd(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 45)
		r := must(t, d, "migrations:setPlan", `{}`)
		if got := field(r, "Status"); got == nil || !strings.Contains(fmt.Sprint(got), "Migration") {
			t.Errorf("interactive result: %s", text(r))
		}
		st := waitState(t, d, "migrations:setPlan", "success")
		if field(st, "processed") != 45.0 || field(st, "isDone") != true {
			t.Errorf("status: %s", text(st))
		}
		for _, u := range scanAll(d, "", "users") {
			if field(u, "plan") != "free" {
				t.Fatalf("not migrated: %s", text(u))
			}
		}
	})
}

func TestMigrationDryRunChangesNothing(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 12)
		before := d.View()
		r := run(t, d, "migrations:setPlan", `{"dryRun":true}`)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if !strings.Contains(r.Value, "DRY RUN") {
			t.Errorf("result: %s", r.Value)
		}
		if all := strings.Join(logLines(r), "\n"); !strings.Contains(all, "DRY RUN: Example change") {
			t.Errorf("no example among the lines:\n%s", all)
		}
		for _, l := range r.Log {
			if strings.Contains(strings.Join(l.Messages, " "), "Example change") && l.UDFPath != "migrations.js:setPlan" {
				t.Errorf("the example's origin is %q %q", l.Component, l.UDFPath)
			}
		}
		if st := status(t, d, "migrations:setPlan"); field(st, "state") != "unknown" {
			t.Errorf("the dry run left a state: %s", text(st))
		}
		if len(before.Tables("")) != len(d.View().Tables("")) || d.View().Jobs("migrations") != nil {
			t.Error("the dry run left tables or jobs")
		}
		for _, u := range scanAll(d, "", "users") {
			if _, has := u.Get("plan"); has {
				t.Fatalf("the dry run patched %s", text(u))
			}
		}
	})
}

func TestMigrationFailsKeepsTheErrorAndResumes(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 30)
		odd, err := d.Insert(context.Background(), "", "users", []value.Object{
			value.NewObject(value.Field{Name: "name", Value: "odd"}, value.Field{Name: "age", Value: "many"}),
		})
		if err != nil {
			t.Fatal(err)
		}
		must(t, d, "migrations:ageToNumber", `{"batchSize":10}`)
		st := waitState(t, d, "migrations:ageToNumber", "failed")
		if e := fmt.Sprint(field(st, "error")); !strings.Contains(e, "Uncaught Error: not a number: many\n    at ") || !strings.Contains(e, "../convex/migrations.ts:") {
			t.Errorf("stored error: %q", e)
		}
		if field(st, "processed") != 30.0 {
			t.Errorf("status: %s", text(st))
		}
		if _, err := d.Update(context.Background(), "", func(w *Writer) error {
			return w.Patch(odd[0], value.NewObject(value.Field{Name: "age", Value: "7"}))
		}); err != nil {
			t.Fatal(err)
		}
		must(t, d, "migrations:ageToNumber", `{}`)
		st = waitState(t, d, "migrations:ageToNumber", "success")
		if _, has := st.Get("error"); has || field(st, "processed") != 31.0 {
			t.Errorf("after resuming: %s", text(st))
		}
		for _, u := range scanAll(d, "", "users") {
			if _, ok := field(u, "age").(float64); !ok {
				t.Fatalf("not migrated: %s", text(u))
			}
		}
	})
}

func TestMigrationSeriesRangeAndReset(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 100)
		notes := make([]value.Object, 25)
		for i := range notes {
			notes[i] = value.NewObject(value.Field{Name: "text", Value: fmt.Sprint("note ", i)})
		}
		if _, err := d.Insert(context.Background(), "", "notes", notes); err != nil {
			t.Fatal(err)
		}
		must(t, d, "migrations:series", `{}`)
		waitState(t, d, "migrations:finishNotes", "success")
		if st := status(t, d, "migrations:setPlan"); field(st, "state") != "success" {
			t.Errorf("first of the series: %s", text(st))
		}
		must(t, d, "migrations:dropLegacy", `{"batchSize":7}`)
		if st := waitState(t, d, "migrations:dropLegacy", "success"); field(st, "processed") != 50.0 {
			t.Errorf("custom range: %s", text(st))
		}
		left := 0
		for _, u := range scanAll(d, "", "users") {
			if _, has := u.Get("legacy"); has {
				left++
			}
		}
		if left != 50 {
			t.Errorf("%d users still have the field, want 50", left)
		}
		again := must(t, d, "migrations:run", `{"fn":"migrations:setPlan"}`)
		if !strings.Contains(text(again), "already done") {
			t.Errorf("a second run: %s", text(again))
		}
		must(t, d, "migrations:run", `{"fn":"migrations:setPlan","reset":true}`)
		eventually(t, d, "the second pass", func() bool {
			st := status(t, d, "migrations:setPlan")
			return field(st, "state") == "success" && field(st, "processed") == 100.0
		})
	})
}

func TestMigrationCancelLeavesWholeBatches(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 2000)
		must(t, d, "migrations:setPlan", `{}`)
		eventually(t, d, "some batches", func() bool {
			n, _ := field(status(t, d, "migrations:setPlan"), "processed").(float64)
			return n >= 30
		})
		must(t, d, "migrations!lib:cancel", `{"name":"migrations:setPlan"}`)
		st := status(t, d, "migrations:setPlan")
		if field(st, "state") != "canceled" {
			t.Fatalf("after cancel: %s", text(st))
		}
		patched := 0.0
		for _, u := range scanAll(d, "", "users") {
			if field(u, "plan") == "free" {
				patched++
			}
		}
		if patched != field(st, "processed") || int(patched)%10 != 0 || patched == 2000 {
			t.Errorf("%v users are patched, the status says %s", patched, text(st))
		}
		must(t, d, "migrations:setPlan", `{"batchSize":1000}`)
		waitState(t, d, "migrations:setPlan", "success")
		must(t, d, "migrations!lib:cancelAll", `{}`)
	})
}

func TestMigrationOneBatchAtATime(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 25)
		handle := must(t, d, "migrations!lib:getStatus", `{"names":["x"]}`)
		_ = handle
		h, err := d.latest.Load().code.handle(functionAddress{"", "migrations:setPlan"})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{10, 20, 25} {
			st := must(t, d, "migrations!lib:migrate", fmt.Sprintf(
				`{"name":"migrations:setPlan","fnHandle":%q,"dryRun":false,"oneBatchOnly":true}`, h))
			if field(st, "processed") != want || field(st, "isDone") != (i == 2) {
				t.Fatalf("batch %d: %s", i+1, text(st))
			}
		}
		if jobs := d.View().Jobs("migrations"); len(jobs) != 0 {
			t.Errorf("oneBatchOnly scheduled %d jobs", len(jobs))
		}
	})
}

// TestMigrationsOnOneTableAtOnce lets three migrations patch the same
// documents side by side: their batches conflict and run again.
func TestMigrationsOnOneTableAtOnce(t *testing.T) {
	eachPackage(t, func(t *testing.T, npm bool) {
		d := seeded(t, npm, 120)
		names := []string{"migrations:setPlan", "migrations:ageToNumber", "migrations:dropLegacy"}
		for _, name := range names {
			must(t, d, name, `{"batchSize":6}`)
		}
		for _, name := range names {
			waitState(t, d, name, "success")
		}
		for i, u := range scanAll(d, "", "users") {
			_, isNumber := field(u, "age").(float64)
			_, hasLegacy := u.Get("legacy")
			if field(u, "plan") != "free" || !isNumber || hasLegacy != (i < 50) {
				t.Fatalf("user %d lost an update: %s", i, text(u))
			}
		}
	})
}

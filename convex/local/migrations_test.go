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

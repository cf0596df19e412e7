package fleet

import (
	"testing"

	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

// A component has migrations of its own, with a migrations component of its
// own: they are watched, and canceled by themselves and with all others.
func TestMigrationsInsideAComponent(t *testing.T) {
	f := own(t, map[string]string{
		"convex/convex.config.ts": `import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
import billing from "./billing/convex.config";
const app = defineApp();
app.use(migrations);
app.use(billing);
export default app;`,
		"convex/billing/convex.config.ts": `import { defineComponent } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const billing = defineComponent("billing");
billing.use(migrations);
export default billing;`,
		"convex/billing/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ bills: defineTable({ paid: v.optional(v.boolean()) }) });`,
		"convex/billing/work.ts": `import { Migrations } from "@convex-dev/migrations";
import { internalMutationGeneric as internalMutation, componentsGeneric } from "convex/server";
const migrations = new Migrations(componentsGeneric().migrations as any);
export const fill = internalMutation({ handler: async (ctx) => {
  for (let i = 0; i < 200; i++) await ctx.db.insert("bills", {});
} });
export const pay = migrations.define({ table: "bills", migrateOne: () => ({ paid: true }) });`,
	}, "")
	ready(t, f, "only")
	key := "billing:work:pay"
	client := f.envs[0].client
	call := func(path string, args value.Object) {
		t.Helper()
		if _, err := client.Mutate(within(t), wire.Call{Component: "billing", Path: path, Args: args}); err != nil {
			t.Fatal(err)
		}
	}
	call("work:fill", nil)
	for _, cancel := range []Command{{Action: plan.ActCancel, Migration: key}, {Action: plan.ActCancelAll}} {
		call("work:pay", value.NewObject(value.Field{Name: "batchSize", Value: 1.0}))
		until(t, f, key, "it is seen to run", func(r Run) bool { return r.State == "inProgress" })
		if out := runIt(t, f, cancel); out.Status != "success" {
			t.Fatalf("%+v: %+v %+v", cancel, out, out.Failure)
		}
		if r := until(t, f, key, "it is canceled", func(r Run) bool { return !r.active() }); r.State != "canceled" || r.Component != "billing/migrations" {
			t.Fatalf("%+v: %+v", cancel, r)
		}
	}
}

package prove

import (
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/plan"
)

// A call of what did not load, for want of a package or a variable, tells
// nothing of the migration that makes it.
func TestCallsOfWhatDidNotLoad(t *testing.T) {
	schema := func(name string) string {
		return `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ posts: defineTable({ slug: ` + name + ` }) });`
	}
	f := written(t, npmtest.Dir(t), map[string]string{
		"package.json":      `{"name":"lost","type":"module"}`,
		"convex/schema.ts":  schema("v.string()"),
		"schemas/before.ts": schema("v.optional(v.string())"),
		"convex/migrations.ts": `
import { makeFunctionReference } from "convex/server";
import { makeMigration } from "convex-helpers/server/migrations";
import { internalMutation } from "./_generated/server";
const migration = makeMigration(internalMutation, {});
export const slugs = migration({ table: "posts", migrateOne: async (ctx, doc: any) =>
  doc.slug ? undefined : { slug: await ctx.runQuery(makeFunctionReference<"query">("lost:slug"), {}) } });`,
	})
	p := proof(t, f.options(t, "posts.slug"))
	if p.Verdict != plan.Unproven || !strings.Contains(p.Why, "'lost:slug'") || p.Counter != nil {
		t.Errorf("%s: %s, %+v", p.Verdict, p.Why, p.Counter)
	}
}

package prove

import (
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/plan"
)

// Migrations that no search may be held up by: each is refuted, with a word of
// why.
func TestHostileMigrations(t *testing.T) {
	for title, c := range map[string]struct{ body, told string }{
		"never ends":    {`for (;;) {}`, "it does not come to an end"},
		"allocates":     {`const a: string[] = []; for (let i = 0; i < 1024; i++) a.push("x".repeat(1 << 20) + i + "\u0100"); return { plan: a[0][0] };`, "ran out of memory"},
		"never settles": {`await new Promise(() => {}); return { plan: "x" };`, "a promise that never settles"},
		"throws text":   {`throw "no error at all";`, "no error at all"},
		"throws null":   {`throw null;`, "null"},
		"recurses":      {`const f = (n: number): number => 1 + f(n + 1); return { plan: "x" + f(0) };`, "stack"},
		"huge patch":    {`return { plan: "x".repeat(3 << 20) };`, "too large"},
	} {
		t.Run(title, func(t *testing.T) {
			f := written(t, npmtest.Dir(t), map[string]string{
				"package.json": `{"name":"hostile","type":"module"}`,
				"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ plan: v.string() }) });`,
				"schemas/before.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ plan: v.optional(v.union(v.string(), v.null())) }) });`,
				"convex/convex.config.ts": `import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const app = defineApp();
app.use(migrations);
export default app;`,
				"convex/migrations.ts": `import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
const migrations = new Migrations(components.migrations);
export const finish = migrations.define({ table: "items", migrateOne: async (_ctx, doc: any) => { if (doc._id) { ` + c.body + ` } return { plan: "x" }; } });`,
			})
			p := proof(t, f.options(t, "items.plan"))
			if p.Verdict != plan.Refuted || p.Counter == nil {
				t.Fatalf("%s: %s", p.Verdict, p.Why)
			}
			if !strings.Contains(p.Counter.Violation, c.told) {
				t.Errorf("%s: %.500q, want %q", p.Counter.Kind, p.Counter.Violation, c.told)
			}
		})
	}
}

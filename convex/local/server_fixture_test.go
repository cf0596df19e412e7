package local_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// app is a small project that the server's tests talk to. It needs no
// node_modules: the built-in prelude stands in.
var app = map[string]string{
	"package.json": `{"name": "fixture"}`,
	"convex/schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  notes: defineTable({ text: v.string(), done: v.optional(v.boolean()) }).index("by_text", ["text"]),
  other: defineTable({ n: v.number() }),
});`,
	"convex/convex.config.ts": `
import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config.js";
const app = defineApp();
app.use(migrations);
export default app;`,
	"convex/migrations.ts": `
import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
export const migrations = new Migrations(components.migrations);
export const run = migrations.runner();
export const finish = migrations.define({
  table: "notes",
  batchSize: 10,
  migrateOne: async (ctx, note: any) => (note.done === undefined ? { done: false } : undefined),
});`,
	"convex/notes.ts": `
import { mutation, query, action, internalQuery, internalMutation } from "./_generated/server";
import { v, ConvexError } from "convex/values";
import { internal } from "./_generated/api";
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).map((n) => n.text) });
export const count = query({ args: {}, handler: async (ctx) => (await ctx.db.query("notes").collect()).length });
export const add = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => { console.log("adding", text); return await ctx.db.insert("notes", { text }); },
});
export const slowAdd = mutation({
  args: { text: v.string() },
  handler: async (ctx, { text }) => { let x = 0; for (let i = 0; i < 300000; i++) x += i % 7; return await ctx.db.insert("notes", { text: text + (x < 0 ? "!" : "") }); },
});
export const page = query({
  args: { paginationOpts: v.any() },
  handler: async (ctx, { paginationOpts }) => await ctx.db.query("notes").paginate(paginationOpts),
});
export const echo = query({ args: { x: v.any() }, handler: async (ctx, { x }) => x });
export const log = query({ args: { x: v.any() }, handler: async (ctx, { x }) => { console.log("marked", x); } });
export const odd = query({ args: {}, handler: async () => ({ big: 5n, bytes: new Uint8Array([1, 2]).buffer, inf: Infinity, s: "é", f: 1 }) });
export const boom = query({ args: {}, handler: async () => { console.warn("careful"); throw new Error("boom"); } });
export const refuse = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("notes", { text: "gone" }); throw new ConvexError({ code: 7 }); } });
export const who = query({ args: {}, handler: async (ctx) => (await ctx.auth.getUserIdentity())?.subject ?? null });
export const twice = action({ args: { text: v.string() }, handler: async (ctx, { text }) => {
  await ctx.runMutation(internal.notes.hidden, { text: text + "1" });
  return await ctx.runQuery(internal.notes.secret, {});
} });
export const secret = internalQuery({ args: {}, handler: async (ctx) => 42 });
export const hidden = internalMutation({ args: { text: v.string() }, handler: async (ctx, { text }) => { await ctx.db.insert("notes", { text }); } });
export const large = query({ args: { n: v.number() }, handler: async (ctx, { n }) => { const notes = await ctx.db.query("notes").collect(); return "é".repeat(n) + notes.length; } });
`,
}

// deploy starts a deployment of the fixture, given files in place of its own.
func deploy(t testing.TB, files map[string]string) *local.Deployment {
	t.Helper()
	d := local.New(local.Options{Name: "fixture", Seed: 1})
	t.Cleanup(func() { d.Close() })
	push(t, d, files)
	return d
}

func push(t testing.TB, d *local.Deployment, files map[string]string) {
	t.Helper()
	if err := d.Push(t.Context(), local.Push{App: load(t, files).App}); err != nil {
		t.Fatal(err)
	}
}

// load loads the fixture, given files in place of its own.
func load(t testing.TB, files map[string]string) *project.Project {
	t.Helper()
	dir := t.TempDir()
	for _, set := range []map[string]string{app, files} {
		for name, text := range set {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	p, err := project.Load(t.Context(), project.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range p.Problems {
		if !problem.Warning {
			t.Fatalf("fixture: %v", problem)
		}
	}
	return p
}

// dial is a client of a deployment, in memory.
func dial(t testing.TB, d *local.Deployment) *wire.Client {
	t.Helper()
	c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: d.HTTPClient()})
	t.Cleanup(func() { c.Close() })
	return c
}

func object(fields ...any) value.Object {
	var out []value.Field
	for i := 0; i < len(fields); i += 2 {
		out = append(out, value.Field{Name: fields[i].(string), Value: fields[i+1]})
	}
	return value.NewObject(out...)
}

// next is the next value of a channel; a test that waits in vain fails.
func next[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}

// until receives until ok holds.
func until[T any](t testing.TB, ch <-chan T, ok func(T) bool) T {
	t.Helper()
	for {
		if v := next(t, ch); ok(v) {
			return v
		}
	}
}

// addNotes inserts notes with the texts n0, n1 and so on.
func addNotes(t testing.TB, d *local.Deployment, count int) {
	t.Helper()
	var docs []value.Object
	for i := range count {
		docs = append(docs, object("text", fmt.Sprint("n", i)))
	}
	if _, err := d.Insert(t.Context(), "", "notes", docs); err != nil {
		t.Fatal(err)
	}
}

package scan

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/model/schema"
	"strait/model/source"
)

// scanText reads one file, convex/m.ts, and those beside it.
func scanText(t *testing.T, text string, more ...File) *source.Facts {
	t.Helper()
	in := Input{Files: append([]File{file("convex/m.ts", text)}, more...), Schema: testSchema}
	facts, err := Scan(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range facts.Unread {
		t.Errorf("unread %s: %s", u.File, u.Why)
	}
	return facts
}

func file(path, text string) File {
	module := strings.TrimPrefix(strings.TrimSuffix(path, filepath.Ext(path)), "convex/")
	if !strings.HasPrefix(path, "convex/") {
		module = ""
	}
	return File{Path: path, Module: module, Text: func() (string, error) { return text, nil }}
}

var testSchema = func() *schema.Schema {
	id := func(table string) *schema.Validator { return &schema.Validator{Kind: schema.ID, Table: table} }
	table := func(name string, fields ...schema.Field) *schema.Table {
		return &schema.Table{Name: name, Document: &schema.Validator{Kind: schema.Object, Fields: fields}}
	}
	return &schema.Schema{Tables: []*schema.Table{
		table("orders", schema.Field{Name: "customerId", Type: id("users")}, schema.Field{Name: "total", Type: aNumber}),
		table("users", schema.Field{Name: "name", Type: aString}),
	}}
}()

const head = `import { mutation, internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
import { v } from "convex/values";
`

// show prints a write in one line.
func show(w source.Write) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", w.Op, w.Table)
	for _, f := range w.Fields {
		fmt.Fprintf(&b, " %s=%s", f.Name, f.Value)
		if f.Unset {
			b.WriteString("!")
		}
		if f.Maybe {
			b.WriteString("?")
		}
		for _, from := range f.From {
			b.WriteString("<" + from)
		}
	}
	for _, flag := range []struct {
		on   bool
		text string
	}{{w.Open, " open"}, {w.Guarded, " guarded"}, {w.Returned, " returned"}} {
		if flag.on {
			b.WriteString(flag.text)
		}
	}
	return b.String()
}

func showAll(list []source.Write) string {
	var lines []string
	for _, w := range list {
		lines = append(lines, show(w))
	}
	return strings.Join(lines, "\n")
}

// What a handler of a mutation with args orderId and n writes.
func TestWrites(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"literals": {`await ctx.db.insert("users", { a: "x", b: 1, c: true, d: 2n, e: null, f: [], g: {}, h: [1, "y"], i: undefined, j: -1 });`,
			`insert users a=v.literal("x") b=v.literal(1.0) c=v.literal(true) d=v.literal(<bigint>) e=v.null() f=v.array(v.any()) g=v.object({}) h=v.array(v.union(v.literal(1.0), v.literal("y"))) i=v.any()! j=v.literal(-1.0)`},
		"computed": {"await ctx.db.insert('users', { a: `x${args.n}`, b: Date.now(), c: args.n * 2, d: args.n > 1, e: f(args), g: String(args.n), h: args.n, o: args.orderId });",
			`insert users a=v.string() b=v.float64() c=v.float64() d=v.boolean() e=v.any() g=v.string() h=v.float64() o=v.id("orders")`},
		"a variable":           {`const doc = { a: 1 } as const; await ctx.db.insert("users", doc);`, `insert users a=v.literal(1.0)`},
		"a built object":       {`const p: any = { a: 1 }; if (args.n) p.b = 2; p.c = 3; p[args.k] = 4; await ctx.db.patch(args.orderId, p);`, `patch orders a=v.literal(1.0) b=v.literal(2.0)? c=v.literal(3.0) open`},
		"spread":               {`await ctx.db.insert("users", { ...f(args), a: 1 });`, `insert users a=v.literal(1.0) open`},
		"spread of arguments":  {`await ctx.db.insert("users", { ...args, a: 1 });`, `insert users orderId=v.id("orders") n=v.float64() note=v.any()? a=v.literal(1.0)`},
		"rest of arguments":    {`const { orderId, ...rest } = args; await ctx.db.patch(orderId, rest);`, `patch orders n=v.float64() note=v.any()?`},
		"conditional fields":   {`await ctx.db.insert("users", { ...(args.n ? { a: 1 } : {}), ...(args.n && { b: 2 }), c: args.n ? "x" : "y" });`, `insert users a=v.literal(1.0)? b=v.literal(2.0)? c=v.union(v.literal("x"), v.literal("y"))`},
		"an optional argument": {`await ctx.db.insert("users", { note: args.note });`, `insert users note=v.any()`},
		"a narrowed variable":  {`let x = "a"; if (args.n) x = 1; await ctx.db.insert("users", { x });`, `insert users x=v.any()`},
		"db taken out":         {`const { db } = ctx; const d = ctx.db; await db.delete(args.orderId); await d.delete(args.orderId);`, "delete orders\ndelete orders"},
		"the table first":      {`await ctx.db.patch("users", args.x, { a: 1 }); await ctx.db.delete("users", args.x);`, "patch users a=v.literal(1.0)\ndelete users"},
		"a document that was read": {`const o = await ctx.db.get(args.orderId); if (!o) throw new Error("x"); await ctx.db.patch(o._id, { a: 1 }); await ctx.db.patch(o.customerId, { b: 1 });`,
			"patch orders a=v.literal(1.0) guarded\npatch users b=v.literal(1.0) guarded"},
		"a loop":      {`for (const o of await ctx.db.query("orders").collect()) await ctx.db.delete(o._id);`, `delete orders`},
		"for await":   {`for await (const o of ctx.db.query("orders")) { if (o.total) continue; await ctx.db.delete(o._id); }`, `delete orders guarded`},
		"a map":       {`const all = await ctx.db.query("orders").take(5); await Promise.all(all.map(async ({ _id }) => { await ctx.db.delete(_id); }));`, `delete orders`},
		"a filter":    {`const all = await ctx.db.query("orders").collect(); for (const o of all.filter((o) => o.total)) await ctx.db.delete(o._id);`, `delete orders guarded`},
		"two at once": {`const [o, u] = await Promise.all([ctx.db.query("orders").first(), ctx.db.query("users").first()]); await ctx.db.delete(o!._id); await ctx.db.delete(u!._id);`, "delete orders\ndelete users"},
		"a cast":      {`await ctx.db.patch(args.x as Id<"users">, {});`, `patch users`},
		"an annotation": {`const fix = async (d: Doc<"users">[], id?: Id<"orders"> | null) => { for (const x of d) await ctx.db.delete(x._id); await ctx.db.delete(id!); }; await fix(args.x, args.y);`,
			"delete users\ndelete orders"},
		"not told":          {`await ctx.db.patch(args.x, args.y);`, `patch  open`},
		"an optional chain": {`const o = await ctx.db.get(args.orderId); await ctx.db.insert("users", { a: o?._id, b: args.note?.trim(), c: o!._id, d: o!.customerId });`, `insert users a=v.any() b=v.any() c=v.id("orders") d=v.any()`},
		"another db":        {`const client = connect(); await client.insert("users", { a: 1 });`, ``},
		"a local helper":    {`const set = async (id: any, data: object) => ctx.db.patch(id, data); await set(args.orderId, { a: 1 });`, `patch orders a=v.literal(1.0)`},
		"ents":              {`await ctx.table("users").insert({ a: 1 }); await ctx.table("users").getX(args.x).patch({ b: 1 }); const u = await ctx.table("users").getX(args.x); await u.delete();`, "insert users a=v.literal(1.0)\npatch users b=v.literal(1.0)\ndelete users"},
		"a while of page":   {`let cursor = null; while (true) { const { page, isDone, continueCursor } = await ctx.db.query("orders").paginate({ cursor, numItems: 9 }); for (const o of page) await ctx.db.patch(o._id, { cursor }); cursor = continueCursor; if (isDone) break; }`, `patch orders cursor=v.any()`},
	} {
		t.Run(name, func(t *testing.T) {
			text := head + `export const go = mutation({ args: { orderId: v.id("orders"), n: v.number(), note: v.optional(v.string()) }, handler: async (ctx, args) => {` + c.body + ` } });`
			facts := scanText(t, text)
			if got := showAll(facts.Writes); got != c.want {
				t.Errorf("%s\ngot\n%s\nwant\n%s", c.body, got, c.want)
			}
			for _, w := range facts.Writes {
				if w.Function != "m:go" || w.File != "convex/m.ts" || w.Line != 4 {
					t.Errorf("%+v", w)
				}
			}
		})
	}
}

// What a component's migration of orders does.
func TestBodies(t *testing.T) {
	for name, c := range map[string]struct {
		one, want string
		check     func(*source.Body) bool
	}{
		"returned":             {`(_ctx, d) => ({ a: d.total * 2 })`, `patch orders a=v.float64()<total returned`, nil},
		"after a condition":    {`async (ctx, d) => { if (d.a !== undefined) return; return { a: d.x?.y ?? 0 }; }`, `patch orders a=v.any()<x guarded returned`, nil},
		"maybe nothing":        {`(ctx, d) => d.a ? undefined : { a: 1 }`, `patch orders a=v.literal(1.0) guarded returned`, nil},
		"patched":              {`async (ctx, { _id, total }) => { await ctx.db.patch(_id, { a: total, b: undefined }); }`, `patch orders a=v.any()<total b=v.any()!`, nil},
		"patched and returned": {`(ctx, d) => ctx.db.patch(d._id, { a: 1 })`, `patch orders a=v.literal(1.0)`, nil},
		"through a helper":     {`(ctx, d) => convert(d)`, `patch orders a=v.string()<total returned`, nil},
		"a helper that writes": {`async (ctx, d) => { await move(ctx, d); }`, `insert users n=v.any()<total`, nil},
		"clock":                {`() => ({ a: Date.now() })`, `patch orders a=v.float64() returned`, func(b *source.Body) bool { return b.Clock && !b.Open }},
		"unread code":          {`async (ctx, d) => { await outside(ctx, d); }`, ``, func(b *source.Body) bool { return b.Open }},
		"schedules":            {`async (ctx) => { await ctx.scheduler.runAfter(0, internal.a.b.c, {}); }`, ``, func(b *source.Body) bool { return b.Schedules }},
		"reads":                {`async (ctx, d) => { const u = await ctx.db.query("users").collect(); return { n: u.length }; }`, `patch orders n=v.float64() returned`, func(b *source.Body) bool { return len(b.Reads) == 1 && b.Reads[0].End == "collect" }},
	} {
		t.Run(name, func(t *testing.T) {
			text := head + `import { migrations } from "./index"; import { outside } from "some-package";
function convert(d: any) { return { a: String(d.total) }; }
async function move(ctx: MutationCtx, d: Doc<"orders">) { await ctx.db.insert("users", { n: d.total }); }
export const one = migrations.define({ table: "orders", customRange: (q) => q.withIndex("by_total"), migrateOne: ` + c.one + ` });`
			in := Input{Files: []File{file("convex/m.ts", text)}, Schema: testSchema, Migrations: []Migration{{Name: "m:one", Table: "orders", File: "convex/m.ts", Line: 7}}}
			facts, err := Scan(t.Context(), in)
			if err != nil || len(facts.Unread) > 0 {
				t.Fatal(err, facts.Unread)
			}
			b := facts.Migrations["m:one"]
			if b == nil {
				t.Fatal("no body")
			}
			if got := showAll(b.Writes); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if b.RangeIndex != "by_total" || c.check != nil && !c.check(b) {
				t.Errorf("%+v", b)
			}
			if name == "a helper that writes" && len(facts.Writes) > 0 {
				t.Errorf("a helper that only migrations call is told as any other's: %+v", facts.Writes)
			}
		})
	}
}

func TestAcrossFiles(t *testing.T) {
	facts := scanText(t, head+`import { current, TABLES } from "../lib/auth"; import * as names from "../lib/names";
import { cronJobs } from "convex/server";
export const go = mutation(async (ctx) => { const u = await current(ctx); await ctx.db.patch(u._id, { s: names.Status.Open }); await ctx.db.insert(TABLES.orders, {}); });
export { helper as renamed } from "../lib/auth";
const crons = cronJobs(); crons.daily("each day", {}, internal.a.b.c); export default crons;`,
		file("lib/auth.ts", `import { current as self } from "./auth"; export const TABLES = { orders: "orders" } as const;
export async function current(ctx: QueryCtx) { const u = await ctx.db.query("users").withIndex("x", (q) => q.eq("a", 1)).unique(); if (!u) throw self; return u; }
export const helper = mutation({ handler: async (ctx) => { await ctx.db.insert("users", {}); } });`),
		file("lib/names.ts", `export enum Status { Open = "open" }`))
	want := "patch users s=v.literal(\"open\")\ninsert orders\ninsert users"
	if got := showAll(facts.Writes); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if len(facts.Jobs) != 1 || facts.Jobs[0].Calls != "a/b:c" || facts.Jobs[0].Cron != "each day" {
		t.Errorf("jobs %+v", facts.Jobs)
	}
	if len(facts.Writes) == 3 && facts.Writes[2].Function != "m:renamed" {
		t.Errorf("%+v", facts.Writes[2])
	}
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Scan(ctx, Input{Files: []File{file("convex/m.ts", "")}}); err == nil {
		t.Error("an ended context reads on")
	}
}

// No text makes the scanner panic or hang.
func FuzzScan(f *testing.F) {
	_ = filepath.WalkDir("../../testdata/demo", func(path string, d fs.DirEntry, err error) error {
		if text, err := os.ReadFile(path); err == nil && filepath.Ext(path) == ".ts" {
			f.Add(string(text))
		}
		return nil
	})
	f.Add(head + "export const a = mutation(async function f({ db }, [x, ...y] = [1]) { await f(f); ((a) => a(a))((a) => a(a)); for (;;) {} });")
	f.Add("const { a = a, ...b } = b; export default a; export * from './m'; enum A { B = A.B } class C extends C {}")
	f.Add("import{cronJobs}from\"convex/server\"\nimport crons=0\ncrons")
	f.Fuzz(func(t *testing.T, text string) {
		in := Input{Files: []File{file("convex/m.ts", text), file("convex/n.tsx", text)}, Schema: testSchema,
			Migrations: []Migration{{Name: "m:a", Table: "orders", File: "convex/m.ts"}, {Name: "m:default", File: "convex/m.ts", HandWritten: true}}}
		facts, err := Scan(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range facts.Unread {
			if strings.Contains(u.Why, "internal error") {
				t.Fatalf("%s: %s", u.File, u.Why)
			}
		}
	})
}

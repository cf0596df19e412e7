package local

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"strait/convex/jsrun"
	"strait/model/value"
)

// coreFiles is a project whose functions reach every syscall, with a component
// of its own.
var coreFiles = files{
	"convex.config.ts": `
import { defineApp } from "convex/server";
import box from "./box/convex.config";
const app = defineApp();
app.use(box);
export default app;
`,
	"box/convex.config.ts": `
import { defineComponent } from "convex/server";
export default defineComponent("box");
`,
	"box/schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ label: v.string() }) });
`,
	"box/lib.ts": `
import { query, mutation, internalQuery } from "./_generated/server";
import { v } from "convex/values";
export const add = mutation({ args: { label: v.string() }, handler: (ctx, { label }) => ctx.db.insert("items", { label }) });
export const list = query({ args: {}, handler: async (ctx) => (await ctx.db.query("items").collect()).map((d) => d.label) });
export const page = query({ args: {}, handler: (ctx) => ctx.db.query("items").paginate({ cursor: null, numItems: 2 }) });
export const hidden = internalQuery({ args: {}, handler: () => 1 });
export const call = mutation({ args: { fn: v.string(), args: v.any() }, handler: (ctx, { fn, args }) => ctx.runMutation(fn as any, args) });
export const boom = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("items", { label: "gone" }); throw new Error("boom in the box"); } });
`,
	"schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  books: defineTable({
    title: v.string(), year: v.optional(v.number()), author: v.optional(v.id("authors")), any: v.optional(v.any()),
  }).index("by_year", ["year"]).index("by_title_year", ["title", "year"])
    .index("by_later", { fields: ["any"], staged: true })
    .searchIndex("search_title", { searchField: "title", filterFields: ["year"] }),
  authors: defineTable({ name: v.string() }),
});
`,
	"core.ts": `
import { query, mutation, internalMutation, action, internalAction } from "./_generated/server";
import { components, internal, api } from "./_generated/api";
import { createFunctionHandle, makeFunctionReference } from "convex/server";
import { v, ConvexError } from "convex/values";
const ref = makeFunctionReference;
const sys = async (op: string, args: any) => JSON.parse(await (globalThis as any).Convex.asyncSyscall(op, JSON.stringify(args)));

// Any syscall, from a query and from a mutation.
export const q = query({ args: { op: v.string(), args: v.any() }, handler: (ctx, a) => sys(a.op, a.args) });
export const m = mutation({ args: { op: v.string(), args: v.any() }, handler: (ctx, a) => sys(a.op, a.args) });
export const both = mutation({ args: { calls: v.array(v.any()) }, handler: async (ctx, a) => {
  const out = [];
  for (const [op, args] of a.calls) {
    try { out.push(await sys(op, args)); } catch (e: any) { out.push("caught " + e.message); }
  }
  return out;
} });
export const collect = query({ args: { query: v.string() }, handler: async (ctx, { query }) => {
  const C = (globalThis as any).Convex;
  const { queryId } = JSON.parse(C.syscall("1.0/queryStream", JSON.stringify({ query: JSON.parse(query), version: "1.48.0" })));
  const out = [];
  for (;;) {
    const { value, done } = await sys("1.0/queryStreamNext", { queryId });
    if (done) return out;
    out.push(value);
  }
} });
export const titles = query({ args: { n: v.optional(v.number()) }, handler: async (ctx, { n }) =>
  (await (n ? ctx.db.query("books").order("desc").take(n) : ctx.db.query("books").collect())).map((b) => b.title) });
export const add = mutation({ args: { title: v.string(), year: v.optional(v.number()) }, handler: (ctx, b) => ctx.db.insert("books", b) });
export const rename = mutation({ args: { id: v.id("books"), title: v.string() }, handler: (ctx, { id, title }) => ctx.db.patch(id, { title }) });
export const get = query({ args: { id: v.string() }, handler: (ctx, { id }) => ctx.db.get(id as any) });
export const paginate = query({ args: { cursor: v.any(), n: v.number(), year: v.optional(v.number()), end: v.optional(v.string()), rows: v.optional(v.number()), desc: v.optional(v.boolean()) }, handler: (ctx, a) => {
  let q: any = ctx.db.query("books");
  if (a.desc) q = q.order("desc");
  if (a.year !== undefined) q = q.filter((f: any) => f.gte(f.field("year"), a.year));
  return q.paginate({ cursor: a.cursor, numItems: a.n, endCursor: a.end, maximumRowsRead: a.rows });
} });
export const twoPages = query({ args: {}, handler: async (ctx) => {
  await ctx.db.query("books").paginate({ cursor: null, numItems: 1 });
  await ctx.db.query("books").paginate({ cursor: null, numItems: 1 });
} });
export const search = query({ args: { text: v.string(), year: v.optional(v.number()) }, handler: async (ctx, a) =>
  (await ctx.db.query("books").withSearchIndex("search_title", (s) => a.year === undefined ? s.search("title", a.text) : s.search("title", a.text).eq("year", a.year)).collect()).map((b) => b.title) });
export const returnsNumber = query({ args: {}, returns: v.number(), handler: () => "no" as any });
export const convexError = mutation({ args: {}, handler: async (ctx) => { await ctx.db.insert("authors", { name: "x" }); throw new ConvexError({ code: 7, big: 5n }); } });
export const boom = mutation({ args: {}, handler: () => { throw new TypeError("bad thing"); } });
export const log = mutation({ args: {}, handler: async (ctx) => {
  console.log("before", { a: 1 });
  await ctx.runMutation(components.box.lib.add, { label: "one" });
  await ctx.runMutation(api.core.inner, {});
  console.warn("after");
} });
export const inner = mutation({ args: {}, handler: () => { console.error("inside"); } });
export const nested = mutation({ args: {}, handler: async (ctx) => {
  await ctx.db.insert("authors", { name: "kept" });
  let message = "", data: any = null;
  try { await ctx.runMutation(api.core.convexError, {}); } catch (e: any) { message = e.message; data = e.data; }
  let boxed = "";
  try { await ctx.runMutation(components.box.lib.boom, {}); } catch (e: any) { boxed = e.message; }
  return { message, data, boxed, authors: (await ctx.db.query("authors").collect()).map((a) => a.name), box: await ctx.runQuery(components.box.lib.list, {}) };
} });
export const recurse = mutation({ args: { n: v.number() }, handler: async (ctx, { n }): Promise<number> => n === 0 ? 0 : 1 + (await ctx.runMutation(api.core.recurse, { n: n - 1 })) });
export const mutationFromQuery = query({ args: {}, handler: (ctx) => (ctx as any).runMutation ? 1 : sys("1.0/runUdf", { udfType: "mutation", name: "core:add", args: {} }) });
export const stale = mutation({ args: {}, handler: async (ctx) => {
  await ctx.db.insert("authors", { name: "new" });
  const seen: any = await sys("1.0/runUdf", { udfType: "snapshotQuery", name: "core:authors", args: {} });
  return { seen, now: await ctx.runQuery(api.core.authors, {}) };
} });
export const authors = query({ args: {}, handler: async (ctx) => (await ctx.db.query("authors").collect()).map((a) => a.name) });
export const meta = mutation({ args: {}, handler: async (ctx) => ({
  fn: await sys("1.0/getFunctionMetadata", {}), metrics: await sys("1.0/getTransactionMetrics", {}),
  deployment: await sys("1.0/getDeploymentMetadata", {}), user: await ctx.auth.getUserIdentity(),
}) });
export const limited = mutation({ args: {}, handler: async (ctx) => {
  try { await sys("1.0/runUdf", { udfType: "mutation", name: "core:fill", args: { n: 5 }, transactionLimits: { documentsWritten: 3 } }); }
  catch (e: any) { return { caught: e.message, left: (await ctx.db.query("authors").collect()).length }; }
} });
export const fill = mutation({ args: { n: v.number() }, handler: async (ctx, { n }) => { for (let i = 0; i < n; i++) await ctx.db.insert("authors", { name: "a" + i }); } });
export const readAll = query({ args: {}, handler: async (ctx) => (await ctx.db.query("authors").collect()).length });
export const readEach = query({ args: { ids: v.array(v.id("authors")) }, handler: async (ctx, { ids }) => { for (const id of ids) await ctx.db.get(id); } });
export const handle = query({ args: {}, handler: () => createFunctionHandle(ref<"mutation">("core:add") as any) });
export const boxHandle = query({ args: {}, handler: () => createFunctionHandle(components.box.lib.add) });
export const hiddenReference = mutation({ args: {}, handler: (ctx) => ctx.runQuery((components as any).box.lib.hidden, {}) });
export const later = mutation({ args: { ms: v.number(), fn: v.string(), args: v.any() }, handler: (ctx, a) => ctx.scheduler.runAfter(a.ms, ref<"mutation">(a.fn), a.args) });
export const laterAndFail = mutation({ args: {}, handler: async (ctx) => { await ctx.scheduler.runAfter(0, api.core.inner, {}); throw new Error("on purpose"); } });
export const fan = mutation({ args: { n: v.number() }, handler: async (ctx, { n }) => { for (let i = 0; i < n; i++) await ctx.scheduler.runAfter(0, api.core.add, { title: "t" + i }); } });
export const long = query({ args: { n: v.number() }, handler: (ctx, { n }) => "x".repeat(n) });
export const chatter = query({ args: { n: v.number(), long: v.number() }, handler: (ctx, a) => { console.log("x".repeat(a.long)); for (let i = 0; i < a.n; i++) console.log(i); } });
export const cancel = mutation({ args: { id: v.id("_scheduled_functions") }, handler: (ctx, { id }) => ctx.scheduler.cancel(id) });
export const job = query({ args: { id: v.id("_scheduled_functions") }, handler: (ctx, { id }) => ctx.db.system.get(id) });
export const hidden = internalMutation({ args: {}, handler: () => 1 });
export const loop = mutation({ args: {}, handler: () => { for (;;) {} } });
export const loopInAction = action({ args: {}, handler: () => { console.log("looping"); for (;;) {} } });
export const act = action({ args: {}, handler: async (ctx): Promise<any> => {
  console.log("acting");
  const id = await ctx.runMutation(api.core.add, { title: "by action" });
  return { titles: await ctx.runQuery(api.core.titles, {}), id, nested: await ctx.runAction(internal.core.inAct, { a: 1 }) };
} });
export const inAct = internalAction({ args: { a: v.number() }, handler: async (ctx, { a }) => a + 1 });
export const actSchedules = action({ args: {}, handler: (ctx) => ctx.scheduler.runAfter(0, api.core.add, { title: "scheduled by action" }) });
export const sameSeed = query({ args: {}, handler: () => [Math.random() < 1, Date.now() === Date.now()] });
`,
}

// coreApp is bundled once for all tests.
var coreApp = struct {
	once sync.Once
	app  *jsrun.App
}{}

func core(t testing.TB, o Options) *Deployment {
	t.Helper()
	coreApp.once.Do(func() { coreApp.app = loadApp(t, false, coreFiles) })
	if coreApp.app == nil {
		t.Fatal("the project of these tests did not load; the first test that wanted it says why")
	}
	return deploy(t, coreApp.app, o)
}

func TestLookupAndArgumentTexts(t *testing.T) {
	d := core(t, Options{})
	ctx := context.Background()
	for _, c := range []struct {
		r    Request
		want string
	}{
		{Request{Path: "core:none", Type: jsrun.Query}, "Could not find public function for 'core:none'."},
		{Request{Path: "core:hidden", Type: jsrun.Mutation}, "Could not find public function for 'core:hidden'."},
		{Request{Path: "nowhere", Type: jsrun.Query, Admin: true}, "Could not find public function for 'nowhere'."},
		{Request{Path: "core.js:none", Admin: true}, "Could not find function for 'core:none'. Did you forget to run `npx convex dev`?"},
		{Request{Component: "box", Path: "lib:none", Admin: true}, "Could not find function for 'lib:none' in 'box'. Did you forget to run `npx convex dev`?"},
		{Request{Component: "crate", Path: "lib:none", Admin: true}, "Component path 'crate' not found"},
		{Request{Path: "core:add", Type: jsrun.Query}, "Trying to execute core.js:add as Query, but it is defined as Mutation."},
		{Request{Path: "core:add", Args: `{}`}, "ArgumentValidationError: Object is missing the required field `title`. Consider wrapping the field validator in `v.optional(...)` if this is expected.\n\nObject: {}\nValidator: v.object({title: v.string(), year: v.optional(v.float64())})"},
		{Request{Path: "core:returnsNumber"}, "ReturnsValidationError: Value does not match validator.\n\nValue: \"no\"\nValidator: v.float64()"},
	} {
		r := d.Run(ctx, c.r)
		if r.Err == nil || strings.TrimSpace(r.Err.Message) != c.want {
			t.Errorf("%+v:\ngot  %v\nwant %v", c.r, r.Err, c.want)
		}
	}
}

// syscallError is the message of the error that a syscall gives in a mutation.
func syscallError(t *testing.T, d *Deployment, op, args string) string {
	t.Helper()
	e := fails(t, d, "core:m", fmt.Sprintf(`{"op":%q,"args":%s}`, op, args))
	first, _, _ := strings.Cut(e.Message, "\n    at ")
	return strings.TrimSuffix(strings.TrimPrefix(first, "Uncaught Error: "), "\n")
}

func TestDocumentOperationTexts(t *testing.T) {
	d := core(t, Options{})
	id := must(t, d, "core:add", `{"title":"Emma"}`).(string)
	gone := must(t, d, "core:add", `{"title":"Gone"}`).(string)
	must(t, d, "core:m", fmt.Sprintf(`{"op":"1.0/remove","args":{"id":%q}}`, gone))
	alien := value.ID{Table: 20000}.String()
	job := must(t, d, "core:later", `{"ms":100000,"fn":"core:inner","args":{}}`).(string)
	deep := strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16)
	for _, c := range []struct{ op, args, want string }{
		{"1.0/shallowMerge", `{"id":"` + gone + `","value":{}}`, "Update on nonexistent document ID " + gone},
		{"1.0/replace", `{"id":"` + gone + `","value":{"title":"x"}}`, "Replace on nonexistent document ID " + gone},
		{"1.0/remove", `{"id":"` + gone + `"}`, "Delete on nonexistent document ID " + gone},
		{"1.0/remove", `{"id":"` + alien + `"}`, "Invalid argument `id` for `db.delete`: Table for ID \"" + alien + "\" not found"},
		{"1.0/remove", `{"id":"` + id + `","table":"authors"}`, "Invalid argument `id` for `db.delete`: expected to be an Id<\"authors\">, got Id<\"books\"> instead."},
		{"1.0/get", `{"id":"` + job + `"}`, "System tables can only be accessed with db.system."},
		{"1.0/get", `{"id":"` + id + `","isSystem":true}`, "User tables cannot be accessed with db.system."},
		{"1.0/remove", `{"id":"` + job + `"}`, "System tables can only be accessed with db.system."},
		{"1.0/insert", `{"table":"_scheduled_functions","value":{}}`, "System tables can only be accessed with db.system."},
		{"1.0/insert", `{"table":"authors","value":{"name":"x","_x":1}}`, "Field '_x' starts with an underscore, which is only allowed for system fields like '_id'"},
		{"1.0/insert", `{"table":"books","value":{"title":"x","any":` + deep + `}}`, "Document is too nested (nested 17 levels deep > maximum nesting 16)"},
		{"1.0/shallowMerge", `{"id":"` + id + `","value":{"title":3}}`, "Failed to insert or update a document in table \"books\" because it does not match the schema: Value does not match validator.\nPath: .title\nValue: 3.0\nValidator: v.string()"},
		{"1.0/shallowMerge", `{"id":"` + id + `","value":{"extra":3}}`, "Failed to insert or update a document in table \"books\" because it does not match the schema: Object contains extra field `extra` that is not in the validator.\n\nObject: {extra: 3.0, title: \"Emma\"}\nValidator: v.object({any: v.optional(v.any()), author: v.optional(v.id(\"authors\")), title: v.string(), year: v.optional(v.float64())})"},
		{"1.0/nothing", `{}`, "Unknown async operation 1.0/nothing"},
		{"1.0/storageGenerateUploadUrl", `{}`, "File storage is not available in the embedded deployment (1.0/storageGenerateUploadUrl). Run this against a real deployment."},
		{"1.0/schedule", `{"name":"core:none","ts":1,"args":{}}`, "Attempted to schedule function, but no exported function none found in the file: core.js. Did you forget to export it?"},
		{"1.0/schedule", `{"name":"gone:none","ts":1,"args":{}}`, "Attempted to schedule function at nonexistent path: gone.js"},
		{"1.0/cancel_job", `{"id":"` + id + `"}`, "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table."},
		{"1.0/createFunctionHandle", `{"name":"core:none"}`, "Function handle not found"},
		{"1.0/runUdf", `{"udfType":"query","functionHandle":"function://nothing","args":{}}`, "Function handle not found"},
		{"1.0/runUdf", `{"udfType":"query","name":"core:add","args":{}}`, "Trying to execute core.js:add as Query, but it is defined as Mutation."},
	} {
		if got := syscallError(t, d, c.op, c.args); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.op, c.args, got, c.want)
		}
	}
	if e := fails(t, d, "core:q", `{"op":"1.0/insert","args":{"table":"authors","value":{"name":"x"}}}`); !strings.Contains(e.Message, "queries only read") {
		t.Error(e.Message)
	}
}

func TestPatchReplaceAndGet(t *testing.T) {
	d := core(t, Options{})
	id := must(t, d, "core:add", `{"title":"Emma","year":1815}`).(string)
	call := func(op, args string) value.Value {
		return must(t, d, "core:m", fmt.Sprintf(`{"op":%q,"args":%s}`, op, fmt.Sprintf(args, id)))
	}
	created := field(call("1.0/get", `{"id":%q}`), "_creationTime").(float64)
	system := fmt.Sprintf(`"_creationTime":%s,"_id":%q,`, text(created), id)
	check := func(want string) {
		t.Helper()
		doc, _ := d.View().Get("", id)
		if doc.JSON != "{"+system+want+"}" {
			t.Fatalf("stored %s, want %s", doc.JSON, want)
		}
	}
	check(`"title":"Emma","year":1815`)
	if _, err := d.Update(context.Background(), "", func(w *Writer) error {
		return w.Patch(id, value.Object{{Name: "any", Value: int64(5)}, {Name: "year", Value: value.Undefined{}}})
	}); err != nil {
		t.Fatal(err)
	}
	check(`"any":{"$integer":"BQAAAAAAAAA="},"title":"Emma"`)
	call("1.0/replace", `{"id":%q,"value":{"title":"Persuasion","`+`_id":"`+id+`"}}`)
	check(`"title":"Persuasion"`)
	if v := call("1.0/get", `{"id":%q,"table":"books"}`); field(v, "title") != "Persuasion" {
		t.Error(text(v))
	}
	if v := must(t, d, "core:q", `{"op":"1.0/get","args":{"id":"`+value.ID{Table: 20000}.String()+`"}}`); v != nil {
		t.Errorf("an id of no table: %s", text(v))
	}
	if v := must(t, d, "core:q", `{"op":"1.0/count","args":{"table":"books"}}`); v != 1.0 {
		t.Errorf("count: %s", text(v))
	}
}

func TestNestedCallsRollBackAlone(t *testing.T) {
	d := core(t, Options{})
	r := must(t, d, "core:nested", `{}`)
	if m := field(r, "message").(string); !strings.HasPrefix(m, "Uncaught ConvexError: ") || !strings.Contains(m, "\n    at ") {
		t.Errorf("message %q", m)
	}
	if got := text(field(r, "data")); got != `{"big":{"$integer":"BQAAAAAAAAA="},"code":7}` {
		t.Errorf("data %s", got)
	}
	if m := field(r, "boxed").(string); !strings.HasPrefix(m, "Uncaught Error: boom in the box\n    at ") {
		t.Errorf("from the component: %q", m)
	}
	if got := text(field(r, "authors")) + text(field(r, "box")); got != `["kept"][]` {
		t.Errorf("left over: %s", got)
	}
	e := fails(t, d, "core:convexError", `{}`)
	if string(e.Data) == "" || !strings.HasPrefix(e.Message, "Uncaught ConvexError: ") {
		t.Errorf("%q %s", e.Message, e.Data)
	}
	if v := must(t, d, "core:recurse", `{"n":8}`); v != 8.0 {
		t.Error(text(v))
	}
	if e := fails(t, d, "core:recurse", `{"n":9}`); !strings.Contains(e.Message, "Cross component call depth limit exceeded. Do you have an infinite loop in your app?") {
		t.Error(e.Message)
	}
	if e := fails(t, d, "core:mutationFromQuery", `{}`); !strings.Contains(e.Message, "Cannot call a mutation function from a query function") {
		t.Error(e.Message)
	}
	if v := text(must(t, d, "core:stale", `{}`)); v != `{"now":["kept","new"],"seen":["kept"]}` {
		t.Error(v)
	}
}

func TestComponentsAreApart(t *testing.T) {
	d := core(t, Options{})
	must(t, d, "box!lib:add", `{"label":"in the box"}`)
	if v := text(must(t, d, "box!lib:list", `{}`)); v != `["in the box"]` {
		t.Error(v)
	}
	if n := len(d.View().Tables("")); n != 2 {
		t.Errorf("the root has %d tables", n)
	}
	h := must(t, d, "core:handle", `{}`).(string)
	if !strings.HasPrefix(h, "function://") || !strings.HasSuffix(h, "#core:add") {
		t.Errorf("handle %q", h)
	}
	id := must(t, d, "box!lib:call", fmt.Sprintf(`{"fn":%q,"args":{"title":"from the box"}}`, h)).(string)
	if doc, ok := d.View().Get("", id); !ok || !strings.Contains(doc.JSON, "from the box") {
		t.Errorf("the handle wrote %+v", doc)
	}
	before := must(t, d, "core:boxHandle", `{}`)
	if err := d.Push(context.Background(), Push{App: d.App()}); err != nil {
		t.Fatal(err)
	}
	if after := must(t, d, "core:boxHandle", `{}`); after != before {
		t.Errorf("the handle changed from %v to %v", before, after)
	}
	if e := fails(t, d, "core:hiddenReference", `{}`); !strings.Contains(e.Message, `Child component "box" does not export ["lib", "hidden"]`) {
		t.Error(e.Message)
	}
	if e := fails(t, d, "box!lib:page", `{}`); !strings.Contains(e.Message, "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination") {
		t.Error(e.Message)
	}
}

func TestLogLinesTellTheirOrigin(t *testing.T) {
	d := core(t, Options{})
	r := run(t, d, "core:log", `{}`)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	want := []string{"LOG 'before' {\n  a: 1\n}", "ERROR 'inside'", "WARN 'after'"}
	if got := logLines(r); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if l := r.Log[1]; l.UDFPath != "core.js:inner" || l.Component != "" {
		t.Errorf("nested origin: %+v", l)
	}
	if l := r.Log[0]; l.UDFPath != "" {
		t.Errorf("own origin: %+v", l)
	}
	entries, err := d.Log(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	last := entries[len(entries)-1]
	if last.Identifier != "core:log" || len(last.Lines) != 3 || last.Usage.DocumentsWritten != 1 || last.RequestID != r.RequestID {
		t.Errorf("%+v", last)
	}
}

func TestMetadata(t *testing.T) {
	d := core(t, Options{Name: "happy-otter-1"})
	r := d.Run(context.Background(), Request{Path: "core:meta", Identity: json.RawMessage(`{"name":"Ann","subject":"s"}`)})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	v := decode(t, r.Value)
	if got := text(field(v, "fn")) + text(field(v, "user")) + text(field(v, "deployment.name")); got != `{"componentPath":"","name":"core:meta"}{"name":"Ann","subject":"s"}"happy-otter-1"` {
		t.Error(got)
	}
	if got := text(field(v, "metrics.documentsRead")); got != `{"remaining":32000,"used":0}` {
		t.Error(got)
	}
}

func TestActions(t *testing.T) {
	d := core(t, Options{})
	r := run(t, d, "core:act", `{}`)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	v := decode(t, r.Value)
	if got := text(field(v, "titles")) + text(field(v, "nested")); got != `["by action"]2` {
		t.Error(got)
	}
	entries, err := d.Log(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range entries {
		kinds = append(kinds, e.Kind+" "+e.Identifier+" "+e.Caller)
		if e.Caller == "Action" && e.ParentExecutionID == "" {
			t.Errorf("%s has no parent", e.Identifier)
		}
	}
	want := "[Progress core:act HttpApi Completion core:add Action Completion core:titles Action Completion core:inAct Action Completion core:act HttpApi]"
	if fmt.Sprint(kinds) != want {
		t.Errorf("log: %v", kinds)
	}
	must(t, d, "core:actSchedules", `{}`)
	eventually(t, d, "the scheduled mutation", func() bool {
		return strings.Contains(text(must(t, d, "core:titles", `{}`)), "scheduled by action")
	})
}

// TestForeignProgram runs a query of code that was never pushed.
func TestForeignProgram(t *testing.T) {
	d := core(t, Options{})
	must(t, d, "core:add", `{"title":"Emma"}`)
	other := loadApp(t, false, files{"probe.ts": `
import { query, mutation } from "./_generated/server";
export default query({ handler: async (ctx, args: any) => ({ args, n: await (ctx.db.query("books") as any).count() }) });
export const write = mutation({ handler: (ctx) => ctx.db.insert("books", { title: "x" }) });
`}).Components[0]
	probe, ok := other.Function("probe")
	if !ok {
		t.Fatal("the probe is not there")
	}
	r := d.Run(context.Background(), Request{Path: "probe", Args: `{"a":1}`, Program: other.Program, Function: &probe, Admin: true, Caller: "Tester"})
	if r.Err != nil || text(decode(t, r.Value)) != `{"args":{"a":1},"n":1}` {
		t.Errorf("%s %v", r.Value, r.Err)
	}
	write, _ := other.Function("probe:write")
	r = d.Run(context.Background(), Request{Path: "probe:write", Program: other.Program, Function: &write, Admin: true})
	if r.Err == nil || r.Err.Code != "UnsupportedTestQuery" {
		t.Errorf("a mutation as a test function: %+v", r.Err)
	}
}

// TestJournalKeepsThePagesEnd runs a paginated query again after documents
// came in before the end of its page.
func TestJournalKeepsThePagesEnd(t *testing.T) {
	d := library(t, 10)
	call := func(journal string) Response {
		r := d.Run(context.Background(), Request{Path: "core:paginate", Args: `{"cursor":null,"n":4,"desc":true}`, Journal: journal})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		return r
	}
	first := call("")
	must(t, d, "core:add", `{"title":"newest"}`)
	again := call(first.Journal)
	v := decode(t, again.Value)
	if n := len(field(v, "page").(value.Array)); n != 5 || again.Journal != first.Journal {
		t.Errorf("the page has %d documents, its end moved: %v", n, again.Journal != first.Journal)
	}
}

// TestHostAndFunctionsWriteAtOnce moves points between two books from several
// goroutines, by functions' transactions and the host's; none may be lost.
func TestHostAndFunctionsWriteAtOnce(t *testing.T) {
	d := library(t, 2)
	docs := scanAll(d, "", "books")
	a, b := field(docs[0], "_id").(string), field(docs[1], "_id").(string)
	total := field(docs[0], "year").(float64) + field(docs[1], "year").(float64)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 20 {
				_, err := d.Update(context.Background(), "", func(w *Writer) error {
					x, _ := w.Get(a)
					y, _ := w.Get(b)
					if err := w.Patch(a, value.Object{{Name: "year", Value: field(x, "year").(float64) - 1}}); err != nil {
						return err
					}
					return w.Patch(b, value.Object{{Name: "year", Value: field(y, "year").(float64) + 1}})
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	docs = scanAll(d, "", "books")
	x, y := field(docs[0], "year").(float64), field(docs[1], "year").(float64)
	if x+y != total || x != 1900-60 {
		t.Errorf("%v and %v, together %v", x, y, total)
	}
}

// Prints what convex/server, convex/values and the migrations package do with
// a few thousand inputs, one line each. The conformance test runs it once on
// the unmodified packages and once on the prelude: the lines must be the same.
import * as util from "node:util";
import * as M from "@convex-dev/migrations";
import config from "@convex-dev/migrations/convex.config";
import * as lib from "component/lib";
import componentSchema from "component/schema";
import * as S from "convex/server";
import * as V from "convex/values";

const all: any = { S, V, M, config, lib, componentSchema };
const outcome = (f: () => unknown) => {
  try {
    return { ok: f() };
  } catch (e: any) {
    return { err: `${e.name}: ${e.message}` };
  }
};
const show = (name: string, f: (all: any) => unknown) =>
  console.log(
    name,
    util.inspect(
      outcome(() => f(all)),
      { depth: 20, breakLength: Infinity },
    ),
  );

for (const k of ["S", "V", "M", "lib"]) show(`exports of ${k}`, (x) => Object.keys(x[k]).sort());
show("config", ({ config }) => config.export());
const schemaText = ({ S, V }) => {
  const { v } = V;
  return S.defineSchema(
    {
      users: S.defineTable({
        name: v.string(),
        age: v.optional(v.number()),
        big: v.int64(),
        b: v.bigint(),
        bytes: v.bytes(),
        any: v.any(),
        nul: v.null(),
        bool: v.boolean(),
        f: v.float64(),
        lit: v.literal("x"),
        lit2: v.literal(3),
        lit3: v.literal(5n),
        lit4: v.literal(true),
        id: v.id("users"),
        arr: v.array(v.object({ a: v.optional(v.nullable(v.string())) })),
        rec: v.record(v.string(), v.union(v.string(), v.number())),
        ts: v.commitTs(),
        o: v.object({ a: v.string(), b: v.string() }).omit("a").extend({ c: v.number() }).partial(),
        p: v.object({ a: v.string(), b: v.string() }).pick("b"),
        un: v.union(),
        opt: v.optional(v.optional(v.id("x"))),
      })
        .index("by_name", ["name"])
        .index("s", { fields: ["name", "age"], staged: true })
        .index("t", { fields: ["age"] })
        .searchIndex("q", { searchField: "name" })
        .searchIndex("q2", { searchField: "name", filterFields: ["age"], staged: true })
        .vectorIndex("v", { vectorField: "arr", dimensions: 3 })
        .vectorIndex("v2", { vectorField: "arr", dimensions: 3, filterFields: ["name"], staged: true }),
      un: S.defineTable(v.union(v.object({ k: v.literal("a") }), v.object({ k: v.literal("b") }))).staged(
        v.any(),
      ),
      st: S.defineTable({ apple: v.string(), legacy: v.optional(v.string()) }).staged({
        apple: v.union(v.string(), v.number()),
        legacy: undefined,
      }),
      any: S.defineTable(v.any()).staged({ a: v.string() }),
    },
    { schemaValidation: false, strictTableNameTypes: true },
  );
};
show("schema export", (x) => schemaText(x).export());
show("component schema", (x) => x.componentSchema.export());
show(" indexes", (x) => schemaText(x).tables.users[" indexes"]());
show("doc", (x) => [
  schemaText(x).doc("users").json,
  schemaText(x).doc("un").json,
  schemaText(x).doc("any").json,
  schemaText(x).id("un").json,
]);
show("doc missing", (x) => schemaText(x).doc("zzz").json);
show("docValidator bad", ({ S, V }) => S.docValidator("t", S.defineTable(V.v.string())));
show("default", ({ S, V }) => S.defineSchema({}).export());
for (const [name, f] of Object.entries({
  idbad: (v) => v.id(3),
  litbad: (v) => v.literal(null),
  objbad: (v) => v.object({ a: 3 }),
  objundef: (v) => v.object({ a: undefined }),
  arrundef: (v) => v.array(undefined),
  recundef: (v) => v.record(undefined, v.string()),
  recundef2: (v) => v.record(v.string(), undefined),
  recopt: (v) => v.record(v.optional(v.string()), v.string()),
  recopt2: (v) => v.record(v.string(), v.optional(v.string())),
  recbad: (v) => v.record({}, v.string()),
  unbad: (v) => v.union(v.string(), {}),
  unundef: (v) => v.union(v.string(), undefined),
  pickmissing: (v) => v.object({ a: v.string() }).pick("b"),
  parts: (v) => {
    const o = v.object({
      a: v.string(),
      b: v.optional(v.array(v.record(v.string(), v.union(v.id("t"), v.literal(1))))),
    });
    return [
      o.kind,
      o.isOptional,
      Object.keys(o.fields),
      o.fields.b.isOptional,
      o.fields.b.element.kind,
      o.fields.b.element.key.kind,
      o.fields.b.element.value.members.map((m) => [m.kind, m.tableName, m.value, m.isConvexValidator]),
      o.optional().isOptional,
      o.asOptional().isOptional,
      o.optional().omit("a").isOptional,
      JSON.stringify(o.json),
    ];
  },
}))
  show(name, ({ V }) => {
    const r = f(V.v);
    return r?.json ?? r;
  });
show("twice staged", ({ S, V }) => S.defineTable({ a: V.v.string() }).staged({}).staged({}));
show("staged union fields", ({ S, V }) => S.defineTable(V.v.union()).staged({}));
// codec
const values = [
  null,
  true,
  1,
  -0,
  0,
  NaN,
  Infinity,
  -Infinity,
  1.5,
  5n,
  -5n,
  2n ** 63n,
  -(2n ** 63n),
  2n ** 63n - 1n,
  "x",
  "",
  new ArrayBuffer(0),
  new Uint8Array([1, 2, 3, 250]).buffer,
  new Uint8Array([1]).buffer,
  new Uint8Array([1, 2]).buffer,
  new Uint8Array(1000).fill(7).buffer,
  [1, [2n, { b: 1, a: undefined }]],
  { b: 1, a: 2 },
  {},
  { $a: 1 },
  { é: 1 },
  { ["x".repeat(1025)]: 1 },
  { a: { b: [undefined] } },
  undefined,
  new Set([1]),
  { a: new Map([[1, 2]]) },
  new Date(0),
  { a: new Date(0) },
  new (class Foo {
    x = 1;
  })(),
  { a: () => 1 },
  () => 1,
  Symbol("q"),
  Object.create(null),
  { a: new Uint8Array(2) },
  { s: "y".repeat(20000), d: new Date(0) },
  { "a\nb": 1 },
  { _id: "x" },
  { a: 1n, b: undefined, c: [{ d: undefined }] },
  { 10: 1, 9: 2, a: 3 },
];
for (const [i, x] of values.entries()) {
  show("convexToJson " + i, ({ V }) => JSON.stringify(V.convexToJson(x)));
  show("size " + i, ({ V }) => V.getConvexSize(x));
}
const jsons = [
  null,
  1,
  "a",
  true,
  [],
  {},
  { $bytes: "AQID" },
  { $bytes: 3 },
  { $bytes: "A" },
  { $integer: "AQAAAAAAAAA=" },
  { $integer: "AQ==" },
  { $integer: 1 },
  { $float: "AAAAAAAA8H8=" },
  { $float: "AAAAAAAA8D8=" },
  { $float: "AA==" },
  { $commitTs: null },
  { $commitTs: 1 },
  { $set: [] },
  { $map: [] },
  { $foo: 1 },
  { $a: 1, b: 2 },
  { a: { $integer: "//////////8=" } },
  { é: 1 },
  [{ $bytes: "" }],
  undefined,
  { a: "x", b: [1, { c: null }] },
  { $bytes: "-_A=" },
];
for (const [i, x] of jsons.entries())
  show("jsonToConvex " + i, ({ V }) => {
    const r = V.jsonToConvex(x);
    return r?.constructor?.name === "CommitTsPlaceholder" ? String(r) : r;
  });
// compare
const cmp = [
  undefined,
  null,
  1n,
  -1n,
  2n ** 63n - 1n,
  -Infinity,
  -1.5,
  -0,
  0,
  1,
  Infinity,
  NaN,
  false,
  true,
  "",
  "a",
  "ab",
  "b",
  "é",
  "z",
  "\u{1F600}",
  "\uFFFD",
  "\uD7FF",
  new ArrayBuffer(0),
  new Uint8Array([1, 2]).buffer,
  new Uint8Array([1, 3]).buffer,
  [],
  [1],
  [1, 2],
  ["a"],
  {},
  { a: 1 },
  { a: 2 },
  { a: 1, b: 1 },
  { b: 0 },
  -NaN,
  3.5,
  "\u{1F600}a",
  "\uE000",
];
for (const [i, a] of cmp.entries())
  for (const [j, b] of cmp.entries()) show(`cmp ${i} ${j}`, ({ V }) => Math.sign(V.compareValues(a, b)) + 0);
show("negnan", ({ V }) => {
  const d = new DataView(new ArrayBuffer(8));
  d.setBigUint64(0, 0xfff8000000000001n);
  const q = d.getFloat64(0);
  return [V.compareValues(q, -Infinity) < 0, V.compareValues(q, NaN) < 0];
});
for (const d of [{}, { _id: "x".repeat(31), _creationTime: 1, a: "é\u{1F600}" }, { a: 1, _id: "q" }]) {
  show("docsize", ({ V }) => V.getDocumentSize(d));
  show("docsize2", ({ V }) => V.getDocumentSize(d, { customIdLength: 10 }));
}
for (const k of [0, 1, 2, 3, 100])
  show("b64", ({ V }) => {
    const u = new Uint8Array(k).map((_, i) => i * 37);
    const t = V.Base64.fromByteArray(u);
    return [
      t,
      V.Base64.fromByteArrayUrlSafeNoPadding(u),
      V.Base64.byteLength(t),
      [...V.Base64.toByteArray(t)],
    ];
  });
show("ConvexError", ({ V }) =>
  [1, "s", { a: 1n }].map((d) => {
    const e = new V.ConvexError(d);
    return [e.message, e.name, e.data, e[Symbol.for("ConvexError")], e instanceof Error, String(e)];
  }),
);
// functions
for (const b of [
  "queryGeneric",
  "mutationGeneric",
  "actionGeneric",
  "internalQueryGeneric",
  "internalMutationGeneric",
  "internalActionGeneric",
  "httpActionGeneric",
]) {
  show(b, ({ S, V }) => {
    const f = S[b](() => 1);
    return [
      Object.entries(f)
        .map(([k, x]) => [k, typeof x === "function" ? "fn" : x])
        .sort(),
      f.exportArgs?.(),
      f.exportReturns?.(),
      f.length,
    ];
  });
  if (b !== "httpActionGeneric")
    show(b + " args", ({ S, V }) => {
      const f = S[b]({
        args: { a: V.v.string(), b: V.v.optional(S.paginationOptsValidator) },
        returns: V.v.nullable(S.paginationResultValidator(V.v.any())),
        handler: () => 1,
      });
      return [f.exportArgs?.(), f.exportReturns?.()];
    });
}
show("args undefined", ({ S, V }) =>
  S.queryGeneric({ args: { a: undefined }, handler: () => 1 }).exportArgs(),
);
show("args validator", ({ S, V }) =>
  S.queryGeneric({ args: V.v.object({}), returns: V.v.any(), handler: () => 1 }).exportArgs(),
);
// refs
show("names", ({ S }) => [
  S.getFunctionName(S.anyApi.a.b.c),
  S.getFunctionName(S.anyApi.a.default),
  S.getFunctionName(S.makeFunctionReference("x:y")),
  S.getFunctionName("q:r"),
  S.getFunctionAddress(S.componentsGeneric().m.lib.x),
  S.getFunctionAddress("function://abc"),
  S.getFunctionAddress(S.currentSystemUdfInComponent("c1")),
  Object.prototype.toString.call(S.anyApi.a),
  S.filterApi(1),
]);
for (const r of ["function://x", {}, 3]) show("name bad " + String(r), ({ S }) => S.getFunctionName(r));
show("name bad ref", ({ S }) => S.getFunctionName(S.componentsGeneric().m.lib.x));
show("short", ({ S }) => S.getFunctionName(S.anyApi.a));
show("short c", ({ S }) => S.getFunctionAddress(S.componentsGeneric()));
// components
show("app", ({ S, V }) => {
  const c = S.defineComponent("kid", { env: { K: V.v.optional(V.v.string()) } });
  c.componentDefinitionPath = "path/kid";
  const a = S.defineApp({ httpPrefix: "/x", env: { A: V.v.string() } });
  const i = a.use(c, { env: { K: a.env.A, L: "l", M: undefined }, httpPrefix: "/p" });
  a.use(c, { name: "two" });
  return JSON.stringify([
    a.export(),
    c.export(),
    S.getFunctionAddress(i),
    S.getFunctionAddress(i.exports.a.b),
  ]);
});
show("app2", ({ S, V }) => JSON.stringify([S.defineApp().export(), S.defineComponent("z").export()]));
show("appbad", ({ S, V }) => S.defineApp().use(S.defineComponent("z")));
show("appbad2", ({ S, V }) => S.defineApp({ httpPrefix: "x" }));
show("appbad3", ({ S, V }) => S.defineApp({ env: { A: 3 } }));
show("appbad4", ({ S, V }) => S.defineApp().env.FOO);
show("appbad5", ({ S, V }) => S.defineComponent("c").env.FOO);
show("appbad6", ({ S, V }) => {
  const c = S.defineComponent("c");
  c.componentDefinitionPath = "c";
  const a = S.defineApp();
  a.use(c, { env: { A: 3 } });
  return a.export();
});
// cron
show("cron", ({ S }) => {
  const c = S.cronJobs(),
    f = S.anyApi.a.b;
  c.interval("i", { minutes: 1 }, f);
  c.interval("i2", { hours: 2 }, f, { a: 1n });
  c.hourly("h", { minuteUTC: 3 }, f);
  c.hourly("h2", f);
  c.hourly("h3", f, { q: 1 });
  c.hourly("h4", {}, f, { q: 1 });
  c.daily("d", { hourUTC: 1, minuteUTC: 2 }, f);
  c.daily("d2", { hourUTC: 1 }, f);
  c.weekly("w", { dayOfWeek: "monday", hourUTC: 1, minuteUTC: 2 }, f);
  c.monthly("m", { day: 1, hourUTC: 1, minuteUTC: 2 }, f);
  c.cron("c", "* * * * *", f);
  return c.export();
});
for (const f of [
  (c) => c.interval("i", {}, "a:b"),
  (c) => c.interval("i", { minutes: 0 }, "a:b"),
  (c) => c.interval("i", { minutes: 1, hours: 2 }, "a:b"),
  (c) => c.daily("i", { hourUTC: 24 }, "a:b"),
  (c) => c.daily("i", { hourUTC: 1, minuteUTC: 60 }, "a:b"),
  (c) => c.weekly("i", { dayOfWeek: "x", hourUTC: 1 }, "a:b"),
  (c) => c.monthly("i", { day: 32, hourUTC: 1 }, "a:b"),
  (c) => c.cron("é", "x", "a:b"),
  (c) => {
    c.cron("e", "x", "a:b");
    c.cron("e", "x", "a:b");
  },
  (c) => c.cron("e", "x", "a:b", 3),
])
  show(String(f), ({ S }) => f(S.cronJobs()));
// router
show("router", ({ S }) => {
  const h = S.httpRouter();
  const a = S.httpActionGeneric(() => 1);
  h.route({ path: "/b", method: "GET", handler: a });
  h.route({ path: "/a", method: "POST", handler: a });
  h.route({ path: "/a", method: "GET", handler: a });
  h.route({ pathPrefix: "/p/", method: "GET", handler: a });
  h.route({ pathPrefix: "/p/q/", method: "GET", handler: a });
  return [
    h.isRouter,
    h.getRoutes().map((r) => r.slice(0, 2)),
    h.lookup("/p/q/r", "HEAD")?.slice(1),
    h.lookup("/a", "GET")?.slice(1),
    h.lookup("/zz", "GET"),
    S.ROUTABLE_HTTP_METHODS,
  ];
});
for (const s of [
  {},
  { handler: 1 },
  { handler: 1, method: "FOO" },
  { handler: 1, method: "GET" },
  { handler: 1, method: "GET", path: "x" },
  { handler: 1, method: "GET", path: "/.files" },
  { handler: 1, method: "GET", path: "/x", pathPrefix: "/x/" },
  { handler: 1, method: "GET", pathPrefix: "/x" },
  { handler: 1, method: "GET", pathPrefix: "x/" },
  { handler: 1, method: "GET", pathPrefix: "/.files/" },
])
  show("route " + JSON.stringify(s), ({ S }) => S.httpRouter().route(s));

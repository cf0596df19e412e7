// Calls everything that a function finds in its ctx, with a host that writes
// down what it is asked and answers from a list. Prints every syscall and
// every outcome. See surface.ts.
import * as util from "node:util";
import * as S from "convex/server";
import { ConvexError, v } from "convex/values";

Date.now = () => 1700000000000;
console.warn = (...args) => console.log("warn", ...args);

const id = "k57abcdefghjkmnpqrstvwxyz0123456";
const document = {
  _creationTime: 1.5,
  _id: id,
  big: { $integer: "AQAAAAAAAAA=" },
  n: 1,
  nested: { list: [{ $float: "AAAAAAAA8H8=" }] },
};
let left = 0; // documents in the open stream

const answers: Record<string, any> = {
  "1.0/queryStream": { queryId: 3 },
  "1.0/queryCleanup": true,
  "1.0/db/normalizeId": { id },
  "1.0/getSnapshotTs": { $integer: "AQAAAAAAAAA=" },
  "1.0/get": document,
  "1.0/queryPage": {
    page: [document],
    isDone: false,
    continueCursor: "c",
    splitCursor: null,
    pageStatus: null,
  },
  "1.0/count": 7,
  "1.0/insert": { _id: id },
  "1.0/shallowMerge": document,
  "1.0/replace": document,
  "1.0/remove": document,
  "1.0/runUdf": document,
  "1.0/actions/query": document,
  "1.0/actions/mutation": document,
  "1.0/actions/action": null,
  "1.0/createFunctionHandle": "function://abc",
  "1.0/schedule": "job",
  "1.0/actions/schedule": "job",
  "1.0/getFunctionMetadata": { name: "m:f", componentPath: "", more: 1 },
  "1.0/getTransactionMetrics": { bytesRead: { used: 1, remaining: 2 } },
  "1.0/getDeploymentMetadata": { name: "d", class: "s16", more: 1 },
  "1.0/getRequestMetadata": {
    ip: null,
    userAgent: "x",
    requestId: "r",
    scheduledFunctionId: null,
    authToken: null,
  },
  "1.0/actions/vectorSearch": { results: [{ _id: id, _score: 0.5 }] },
};

function answer(op: string): string {
  if (op === "1.0/queryStreamNext")
    return JSON.stringify(left-- > 0 ? { value: document, done: false } : { value: null, done: true });
  return JSON.stringify(answers[op] ?? null);
}

let failing: any;
(globalThis as any).Convex = {
  syscall: (op: string, args: string) => (console.log("  sync", op, args), answer(op)),
  asyncSyscall: async (op: string, args: string) => {
    console.log("  async", op, args);
    if (failing) throw failing;
    return answer(op);
  },
  jsSyscall: (op: string, args: any) => (console.log("  js", op, Object.keys(args)), "blob"),
};

const inspect = (x: unknown) => util.inspect(x, { depth: 20, breakLength: Infinity });

async function show(name: string, f: () => unknown) {
  console.log(name);
  try {
    console.log("  =", inspect(await f()));
  } catch (e: any) {
    console.log("  !", e?.name, e?.message, inspect(e?.data), String(e?.ConvexErrorSymbol));
  }
}

type Handler = (ctx: any, args?: any) => any;
const kinds = {
  query: (f: Handler) => (S.internalQueryGeneric(f as any) as any).invokeQuery("[{}]"),
  mutation: (f: Handler) => (S.mutationGeneric(f as any) as any).invokeMutation("[{}]"),
  action: (f: Handler) => (S.actionGeneric(f as any) as any).invokeAction("req", "[{}]"),
  http: (f: Handler) => (S.httpActionGeneric(f as any) as any).invokeHttpAction("request"),
};
async function call(kind: keyof typeof kinds, f: Handler, documents = 2) {
  left = documents;
  await show(`${kind} ${f}`, () => kinds[kind](f));
}

// The ctx of each kind.
const shape = (x: any): any =>
  typeof x === "object" && x !== null
    ? Object.keys(x)
        .sort()
        .map((k) => [k, shape(x[k])])
    : typeof x;
for (const kind of Object.keys(kinds) as (keyof typeof kinds)[]) {
  await show(`ctx of ${kind}`, () => kinds[kind]((ctx) => (console.log(inspect(shape(ctx))), null)));
}

// Reading.
const reads: Handler[] = [
  ({ db }) => db.get(id),
  ({ db }) => db.get("t", id),
  ({ db }) => db.get(undefined),
  ({ db }) => db.get(3),
  ({ db }) => db.get(null),
  ({ db }) => db.get("t", { a: 1 }),
  ({ db }) => db.table("t").get(id),
  ({ db }) => db.table("t").query().collect(),
  ({ db }) => db.table("_x").query(),
  ({ db }) => db.system.get(id),
  ({ db }) => db.system.get("_storage", id),
  ({ db }) => db.system.query("_storage").take(1),
  ({ db }) => db.system.query("users"),
  ({ db }) => db.query("_storage"),
  ({ db }) => db.normalizeId("t", "x"),
  ({ db }) => db.normalizeId("_t", "x"),
  ({ db }) => db.normalizeId("t"),
  ({ db }) => db.normalizeId(),
  ({ db }) => db.system.normalizeId("t", "x"),
  ({ db }) => db.system.normalizeId("_storage", "x"),
  ({ db }) => db.query("t").collect(),
  ({ db }) => db.query("t").count(),
  ({ db }) => db.query("t").first(),
  ({ db }) => db.query("t").unique(),
  ({ db }) => db.query("t").order("desc").unique(),
  ({ db }) => db.query("t").withIndex("i").unique(),
  ({ db }) => db.query("t").take(0),
  ({ db }) => db.query("t").take(-1),
  ({ db }) => db.query("t").take(1.5),
  ({ db }) => db.query("t").take(),
  ({ db }) => db.query("t").limit(),
  ({ db }) => db.query("t").limit(2).collect(),
  ({ db }) => db.query("t").order(),
  ({ db }) => db.query("t").filter(),
  ({ db }) => db.query("t").order("asc").order("desc"),
  ({ db }) => db.query("t").withIndex(),
  ({ db }) => db.query("t").withIndex("i").order("desc").collect(),
  ({ db }) =>
    db
      .query("t")
      .withIndex("i", (q: any) => q.eq("a", 1n).gt("b.c", undefined).lte("b.c", NaN))
      .collect(),
  ({ db }) =>
    db
      .query("t")
      .withIndex("i", (q: any) => q.gte("a", null).lt("a", [new ArrayBuffer(1)]))
      .first(),
  ({ db }) => db.query("t").withIndex("i", (q: any) => (q.eq("a", 1), q.eq("a", 2))),
  ({ db }) => db.query("t").withIndex("i", (q: any) => q.eq("a", new Date(0))),
  ({ db }) =>
    db
      .query("t")
      .withSearchIndex("s", (q: any) => q.search("a", "words").eq("b", 1).eq("c", undefined))
      .take(3),
  ({ db }) =>
    db
      .query("t")
      .withSearchIndex("s", (q: any) => q.search("a", "words"))
      .order("desc"),
  ({ db }) => db.query("t").withSearchIndex("s", (q: any) => q.search("a")),
  ({ db }) => db.query("t").withSearchIndex("s", (q: any) => q.search()),
  ({ db }) => db.query("t").withSearchIndex("s", (q: any) => q.eq("a")),
  ({ db }) => db.query("t").withSearchIndex("s", (q: any) => (q.search("a", "b"), q.search("a", "c"))),
  ({ db }) => db.query("t").withSearchIndex("s"),
  ({ db }) =>
    db
      .query("t")
      .fullTableScan()
      .filter((q: any) => q.and(q.eq(q.field("a.b"), 1n), q.or(), q.not(q.neq(q.field("c"), undefined))))
      .collect(),
  ({ db }) =>
    db
      .query("t")
      .filter((q: any) =>
        q.lt(q.add(q.sub(1, q.field("a")), q.mul(2, q.div(3, q.mod(4, q.neg(5))))), q.field("z")),
      )
      .filter((q: any) => q.gt(1, 2))
      .filter((q: any) => q.gte(1, 2))
      .filter((q: any) => q.lte(1, 2))
      .filter(() => true)
      .first(),
  ({ db }) => db.query("t").filter((q: any) => q.eq(q.field("a"), new Set())),
  ({ db }) => {
    let q = db.query("t").fullTableScan();
    Array.from({ length: 257 }).forEach(() => (q = q.filter(() => true)));
  },
  async ({ db }) => {
    const out = [];
    for await (const d of db.query("t")) {
      out.push(d.n);
      break;
    }
    return out;
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    await q.collect();
    return q.collect();
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    await q.next();
    return q.order("desc");
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    q.filter(() => true);
    return q.next();
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    q.filter(() => true);
    return q.filter(() => true);
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    await q.next();
    q[Symbol.asyncIterator]();
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    const r = [await q.next(), await q.next(), await q.next()];
    return [r, await q.next()];
  },
  async ({ db }) => {
    const q = db.query("t").order("asc");
    await q.return();
    return q.next();
  },
  ({ db }) => db.query("t").paginate({ cursor: null, numItems: 10 }),
  ({ db }) =>
    db
      .query("t")
      .withIndex("i")
      .order("desc")
      .paginate({ cursor: "c", endCursor: "e", numItems: 1, maximumRowsRead: 5, maximumBytesRead: 6, id: 1 }),
  ({ db }) => db.query("t").paginate({ cursor: null, numItems: -1 }),
  ({ db }) => db.query("t").paginate({ cursor: null }),
  ({ db }) => db.query("t").paginate(),
  ({ db }) => db.query("t"),
  ({ db }) => db.query("t").order("asc"),
];
for (const f of reads) await call("query", f);
await call("query", ({ db }) => db.query("t").unique(), 1);
await call("query", ({ db }) => db.query("t").unique(), 0);
await call("query", ({ db }) => db.query("t").first(), 0);

// Writing.
const writes: Handler[] = [
  ({ db }) => db.insert("t", { b: 1n, a: undefined, c: [NaN] }),
  ({ db }) => db.insert("_t", {}),
  ({ db }) => db.insert("t"),
  ({ db }) => db.insert(),
  ({ db }) => db.insert("t", { a: new Map() }),
  ({ db }) => db.patch(id, { z: 1, b: undefined }),
  ({ db }) => db.patch("t", id, { b: undefined, a: { c: undefined } }),
  ({ db }) => db.patch(id),
  ({ db }) => db.patch(),
  ({ db }) => db.patch(id, { a: [undefined] }),
  ({ db }) => db.patch(id, { $a: 1 }),
  ({ db }) => db.replace(id, { z: 1, b: undefined }),
  ({ db }) => db.replace("t", id, { z: 1 }),
  ({ db }) => db.replace(id),
  ({ db }) => db.delete(id),
  ({ db }) => db.delete("t", id),
  ({ db }) => db.delete(),
  ({ db }) => db.table("t").insert({ a: 1 }),
  ({ db }) => db.table("t").patch(id, { a: undefined }),
  ({ db }) => db.table("t").replace(id, {}),
  ({ db }) => db.table("t").delete(id),
  ({ db }) => db.insert("t", { at: db.vars.commitTs }),
  ({ db }) => String(db.vars.commitTs),
  ({ db }) => db.vars.commitTs + 1,
];
for (const f of writes) await call("mutation", f);

// Calls, scheduler, meta, auth, storage.
const handle = "function://abc";
const internal: any = S.anyApi;
const components: any = S.componentsGeneric();
const calls: Handler[] = [
  (ctx) => ctx.runQuery(internal.m.f),
  (ctx) => ctx.runQuery("m:f", { a: 1n, b: undefined }),
  (ctx) => ctx.runQuery(handle, {}),
  (ctx) => ctx.runQuery(components.c.lib.f, {}, { useStaleSnapshot: true }),
  (ctx) => ctx.runQuery(internal.m.f, {}, { transactionLimits: { bytesRead: 1 } }),
  (ctx) => ctx.runQuery(internal.m.f, 3),
  (ctx) => ctx.runQuery({}, {}),
  (ctx) => ctx.runMutation(internal.m.default, {}),
  (ctx) => ctx.runMutation(internal.m.f, {}, { transactionLimits: { bytesRead: 1 } }),
  (ctx) => ctx.runAction(internal.m.f, {}),
  (ctx) => ctx.meta.getFunctionMetadata(),
  (ctx) => ctx.meta.getTransactionMetrics(),
  (ctx) => ctx.meta.getDeploymentMetadata(),
  (ctx) => ctx.meta.getRequestMetadata(),
  (ctx) => ctx.meta.getSnapshotTs(),
  (ctx) => ctx.auth.getUserIdentity(),
  (ctx) => ctx.auth.signJwt({ a: 1 }),
  (ctx) => ctx.scheduler.runAfter(5, internal.m.f, { a: 1n }),
  (ctx) => ctx.scheduler.runAfter(0, handle),
  (ctx) => ctx.scheduler.runAfter(-1, internal.m.f),
  (ctx) => ctx.scheduler.runAfter(NaN, internal.m.f),
  (ctx) => ctx.scheduler.runAfter("1", internal.m.f),
  (ctx) => ctx.scheduler.runAt(1700000001000, components.c.lib.f, {}),
  (ctx) => ctx.scheduler.runAt(new Date(5), internal.m.f, {}),
  (ctx) => ctx.scheduler.runAt("x", internal.m.f, {}),
  (ctx) => ctx.scheduler.cancel("job"),
  (ctx) => ctx.scheduler.cancel(),
  (ctx) => ctx.storage.getUrl("s"),
  (ctx) => ctx.storage.getUrl(),
  (ctx) => ctx.storage.getMetadata("s"),
  (ctx) => ctx.storage.generateUploadUrl(),
  (ctx) => ctx.storage.delete("s"),
  (ctx) => ctx.storage.store("no blob"),
  (ctx) => ctx.storage.store(new Blob(["abc"], { type: "text/plain" }), { sha256: "x" }),
  (ctx) => ctx.storage.get("s"),
  (ctx) =>
    ctx.vectorSearch("t", "i", {
      vector: [1, 2],
      limit: 3,
      filter: (q: any) => q.or(q.eq("a", 1n), q.eq("b", undefined)),
    }),
  (ctx) => ctx.vectorSearch("t", "i", { vector: [1] }),
  (ctx) => ctx.vectorSearch("t", "i", { vector: [] }),
  (ctx) => ctx.vectorSearch("t", "i", { vector: [1], filter: (q: any) => q.eq(1, 2) }),
  (ctx) => ctx.vectorSearch("t", "i"),
  () => S.createFunctionHandle(internal.m.f),
  () => S.createFunctionHandle(handle as any),
  () => S.log.audit({ a: [S.log.vars.ip, { b: S.log.vars.now }] } as any),
  () => S.log.audit({ $a: 1 } as any),
  () => S.log.audit({ a: { $b: 1 } } as any),
  () => S.log.audit({ a: Symbol("x") } as any),
  () => undefined,
  () => ({ a: undefined, b: [1n] }),
  () => [undefined],
  () => {
    throw new ConvexError({ a: 1n });
  },
  () => {
    throw new ConvexError(undefined as any);
  },
  () => {
    throw "text";
  },
  () => {
    throw null;
  },
  () => {
    throw new TypeError("boom");
  },
];
for (const kind of ["query", "mutation", "action", "http"] as const)
  for (const f of calls) await call(kind, f);

// What the host refuses.
for (const refusal of [
  { message: "no" },
  { message: "no", data: { code: { $integer: "AQAAAAAAAAA=" } } },
  { message: "Unknown async operation x" },
]) {
  failing = refusal;
  await call("mutation", ({ db }) => db.get(id));
  await call("mutation", (ctx) => ctx.runMutation("m:f"));
  await call("query", (ctx) => ctx.meta.getTransactionMetrics());
  await call("mutation", async ({ db }) => {
    try {
      await db.insert("t", {});
    } catch (e: any) {
      return [e.constructor.name, e instanceof ConvexError, e.message, e.data ?? null];
    }
  });
}
failing = undefined;

// Calling a registered function directly, and without a host.
await show("direct", () =>
  (S.queryGeneric({ args: { a: v.number() }, handler: (_: any, a: any) => a }) as any)({}, { a: 1 }),
);
for (const builder of [
  "mutationGeneric",
  "actionGeneric",
  "internalQueryGeneric",
  "httpActionGeneric",
] as const)
  await show(`direct ${builder}`, () => (S[builder] as any)(() => 1)({}));
delete (globalThis as any).Convex;
await call("query", ({ db }) => db.get(id));
await call("query", ({ db }) => db.query("t").collect());
await call("action", ({ storage }) => storage.get("x"));

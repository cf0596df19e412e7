// Plays the migrations package through convex-test: starts, dry runs, failures,
// series, cancels, odd arguments. Prints every answer, every log line and the
// documents after it. See surface.ts.
import { convexTest } from "convex-test";
import * as lib from "component/lib";
import componentSchema from "component/schema";
import { Migrations, runToCompletion } from "@convex-dev/migrations";
import {
  defineSchema,
  defineTable,
  anyApi,
  componentsGeneric,
  mutationGeneric,
  queryGeneric,
  actionGeneric,
  internalMutationGeneric,
} from "convex/server";
import { ConvexError, v } from "convex/values";

let clock = 1700000000000;
Date.now = () => clock;
let logs: any[] = [];
for (const level of ["log", "info", "warn", "error", "debug"])
  (console as any)[level] = (...args: any[]) => {
    logs.push([level, ...args.map((a) => (typeof a === "string" ? a : JSON.stringify(a)))]);
  };

const schema = defineSchema({
  users: defineTable({
    name: v.string(),
    age: v.optional(v.number()),
    plan: v.optional(v.string()),
    nested: v.optional(v.any()),
  })
    .index("by_age", ["age"])
    .index("by_name_age", ["name", "age"]),
});
const components: any = componentsGeneric();
const internal: any = anyApi;
const migrations = new Migrations(components.migrations, { schema });
const bare = new Migrations(components.migrations);
const prefixed = new Migrations(components.migrations, {
  schema,
  migrationsLocationPrefix: "migrations:",
  defaultBatchSize: 3,
  internalMutation: internalMutationGeneric,
});
const mod: any = {
  setPlan: migrations.define({
    table: "users",
    migrateOne: (ctx: any, doc: any) => (doc.plan === undefined ? { plan: "free" } : undefined),
    batchSize: 4,
  }),
  boom: migrations.define({
    table: "users",
    migrateOne: async (ctx: any, doc: any) => {
      if (doc.name === "u7") throw new Error("boom " + doc.name);
      await ctx.db.patch(doc._id, { age: 99 });
    },
    batchSize: 4,
  }),
  cerr: migrations.define({
    table: "users",
    migrateOne: async () => {
      throw new ConvexError({ code: 7 });
    },
  }),
  custom: migrations.define({
    table: "users",
    customRange: (q: any) => q.withIndex("by_age", (q: any) => q.gte("age", 3).lt("age", 9)),
    migrateOne: (_: any, d: any) => ({ plan: "r" + d.age }),
    batchSize: 2,
  }),
  customDesc: migrations.define({
    table: "users",
    customRange: (q: any) => q.withIndex("by_name_age", (q: any) => q.eq("name", "same")).order("desc"),
    migrateOne: (_: any, d: any) => ({ plan: "d" }),
    batchSize: 2,
  }),
  customUndef: migrations.define({
    table: "users",
    customRange: (q: any) => q.withIndex("by_age", (q: any) => q.eq("age", undefined)),
    migrateOne: (_: any, d: any) => ({ plan: "undef" }),
    batchSize: 2,
  }),
  customBare: bare.define({ table: "users", customRange: (q: any) => q.order("desc"), migrateOne: () => {} }),
  customFilter: migrations.define({
    table: "users",
    customRange: (q: any) => q.filter((q: any) => true),
    migrateOne: () => {},
  }),
  badIndex: migrations.define({
    table: "users",
    customRange: (q: any) => q.withIndex("nope"),
    migrateOne: () => {},
  }),
  badRange: migrations.define({
    table: "users",
    customRange: (q: any) => q.withIndex("by_age", (q: any) => q.eq("name", 1)),
    migrateOne: () => {},
  }),
  par: prefixed.define({
    table: "users",
    parallelize: true,
    migrateOne: (_: any, d: any) => ({ plan: d.name }),
  }),
  noop: migrations.define({ table: "users", migrateOne: () => {} }),
  del: migrations.define({
    table: "users",
    migrateOne: async (ctx: any, d: any) => {
      if (d.name === "same") await ctx.db.delete(d._id);
    },
    batchSize: 3,
  }),
  run: migrations.runner(),
  runP: prefixed.runner(),
  one: migrations.runner(internal.migrations.setPlan),
  series: migrations.runner([internal.migrations.setPlan, internal.migrations.par, internal.migrations.noop]),
  runOne: mutationGeneric(async (ctx: any, a: any) =>
    migrations.runOne(ctx, internal.migrations[a.fn], a.opts),
  ),
  runSerially: mutationGeneric(async (ctx: any, a: any) =>
    migrations.runSerially(
      ctx,
      a.fns.map((f: string) => internal.migrations[f]),
    ),
  ),
  status: queryGeneric(async (ctx: any, a: any) => prefixed.getStatus(ctx, a)),
  cancel: mutationGeneric(async (ctx: any, a: any) => prefixed.cancel(ctx, a.name)),
  cancelAll: mutationGeneric(async (ctx: any) => prefixed.cancelAll(ctx)),
  toEnd: actionGeneric(async (ctx: any, a: any) =>
    runToCompletion(ctx, components.migrations, internal.migrations[a.fn], a.opts),
  ),
};
const print = process.stdout.write.bind(process.stdout);
async function fresh() {
  const t: any = convexTest(
    schema as any,
    { "./migrations.ts": async () => mod, "./_generated/api.ts": async () => ({}) } as any,
  );
  t.registerComponent("migrations", componentSchema, {
    "./lib.ts": async () => lib,
    "./_generated/api.ts": async () => ({}),
  });
  await t.run(async (ctx: any) => {
    for (let i = 0; i < 10; i++) await ctx.db.insert("users", { name: "u" + i, age: i });
    for (let i = 0; i < 5; i++) await ctx.db.insert("users", { name: "same", ...(i % 2 ? { age: i } : {}) });
  });
  return t;
}
const clean = (x: any) => JSON.parse(JSON.stringify(x ?? null).replace(/\\n +at [^"]*/g, ""));
async function step(t: any, name: string, f: () => Promise<any>) {
  logs = [];
  let r: any;
  try {
    r = { ok: await f() };
  } catch (e: any) {
    r = { err: e.message.split("\n    at")[0], data: e.data };
  }
  print(JSON.stringify([name, clean(r), clean(logs)]) + "\n");
  logs = [];
}
async function settle(t: any, name: string) {
  await step(t, name + " settle", async () => {
    await t.finishAllScheduledFunctions(() => {
      clock += 1;
    });
  });
  await dump(t, name);
}
async function dump(t: any, name: string) {
  await step(t, name + " docs", () =>
    t.run(async (ctx: any) =>
      (await ctx.db.query("users").collect()).map((d: any) => [d._id, d.name, d.age ?? null, d.plan ?? null]),
    ),
  );
  await step(t, name + " status", () => t.query(anyApi.migrations.status, {}));
}
const M = anyApi.migrations as any;
for (const fn of [
  "setPlan",
  "boom",
  "cerr",
  "custom",
  "customDesc",
  "customUndef",
  "customBare",
  "customFilter",
  "badIndex",
  "badRange",
  "par",
  "noop",
  "del",
]) {
  for (const args of [{ dryRun: true }, { dryRun: true, reset: true }, {}]) {
    const t = await fresh();
    await step(t, `${fn} ${JSON.stringify(args)}`, () => t.mutation(M[fn], args));
    if (!(args as any).dryRun) {
      await step(t, fn + " again", () => t.mutation(M[fn], {}));
      await settle(t, fn);
      clock += 1000;
      await step(t, fn + " after", () => t.mutation(M[fn], {}));
      await step(t, fn + " dry after", () => t.mutation(M[fn], { dryRun: true }));
      await step(t, fn + " reset", () => t.mutation(M[fn], { reset: true, batchSize: 5 }));
      await settle(t, fn + " reset");
    }
  }
  const t = await fresh();
  for (const args of [
    { oneBatchOnly: true },
    { oneBatchOnly: true, dryRun: true },
    { oneBatchOnly: true, dryRun: false },
    { oneBatchOnly: true, cursor: null },
    { oneBatchOnly: true, cursor: null, dryRun: false, batchSize: 2 },
    { cursor: "" },
    { batchSize: 0 },
    { batchSize: -1 },
    { fn: "migrations:zzz" },
    { fn: "migrations:" + fn },
    { next: ["migrations:noop"] },
    { next: ["migrations:nonesuch"] },
  ])
    await step(t, `${fn} ${JSON.stringify(args)}`, () => t.mutation(M[fn], args));
}
{
  const t = await fresh();
  for (const [f, a] of [
    ["run", {}],
    ["run", { fn: "migrations:setPlan" }],
    ["run", { fn: "migrations:nonesuch" }],
    ["runP", { fn: "par" }],
    ["runP", { fn: "par", next: ["noop", "del"] }],
    ["one", {}],
    ["one", { fn: "x" }],
    ["series", {}],
    ["series", { reset: true }],
  ] as any)
    await step(t, f + JSON.stringify(a), () => t.mutation(M[f], a));
  await settle(t, "runners");
  await step(t, "series after", () => t.mutation(M.series, {}));
  await step(t, "series next", () => t.mutation(M.series, { next: ["migrations:del"] }));
  await settle(t, "series after");
  await step(t, "names", () => t.query(M.status, { migrations: ["setPlan", "noop", "migrations:x"] }));
  await step(t, "limit", () => t.query(M.status, { limit: 1 }));
}
{
  const t = await fresh();
  await step(t, "runOne", () => t.mutation(M.runOne, { fn: "setPlan" }));
  await step(t, "runOne again", () => t.mutation(M.runOne, { fn: "setPlan", opts: { batchSize: 3 } }));
  await step(t, "cancel", () => t.mutation(M.cancel, { name: "setPlan" }));
  await step(t, "cancel again", () => t.mutation(M.cancel, { name: "migrations:setPlan" }));
  await step(t, "cancel none", () => t.mutation(M.cancel, { name: "zzz" }));
  await dump(t, "canceled");
  await step(t, "resume", () => t.mutation(M.setPlan, {}));
  await step(t, "serial", () => t.mutation(M.runSerially, { fns: ["par", "noop"] }));
  await step(t, "serial empty", () => t.mutation(M.runSerially, { fns: [] }));
  await step(t, "cancelAll", () => t.mutation(M.cancelAll, {}));
  await dump(t, "cancelAll");
  await step(t, "toEnd", () => t.action(M.toEnd, { fn: "del", opts: { batchSize: 4 } }));
  await step(t, "toEnd boom", () => t.action(M.toEnd, { fn: "boom" }));
  await step(t, "toEnd dry", () => t.action(M.toEnd, { fn: "noop", opts: { dryRun: true } }));
  await step(t, "runOne reset", () => t.mutation(M.runOne, { fn: "setPlan", opts: { reset: true } }));
  await settle(t, "end");
  await step(t, "clearAll", () => t.mutation(components.migrations.lib.clearAll, {}));
  await dump(t, "cleared");
  await step(t, "migrate bad handle", () =>
    t.mutation(components.migrations.lib.migrate, { name: "x", fnHandle: "nope", dryRun: false }),
  );
}
process.exit(0);

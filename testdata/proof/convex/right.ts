// The same as in broken.ts, right.
import { internalMutation } from "./_generated/server";
import { v } from "convex/values";
import { migrations } from "./setup";

export const nullAndAbsent = migrations.define({
  table: "nullAndAbsent",
  migrateOne: (_ctx, doc: any) => {
    if (doc.plan == null) return { plan: "free" };
  },
});

export const nested = migrations.define({
  table: "nested",
  migrateOne: (_ctx, { address: { home, work } }: any) => {
    const text = (at: any) => at && { zip: String(at.zip) };
    return { address: { home: text(home), work: text(work) } };
  },
});

export const literals = migrations.define({
  table: "literals",
  migrateOne: (_ctx, { status }: any) => {
    if (status === "new") return { status: "open" as const };
    if (status === "done") return { status: "closed" as const };
  },
});

export const labels = migrations.define({
  table: "labels",
  parallelize: true,
  migrateOne: (_ctx, { label }: any) => {
    if (typeof label === "number") return { label: "#" + label };
  },
});

export const lists = migrations.define({
  table: "lists",
  migrateOne: (_ctx, { tags }: any) => {
    if (typeof tags === "string") return { tags: [tags] };
  },
});

export const logsOnce = migrations.define({
  table: "logsOnce",
  migrateOne: async (ctx, doc) => {
    if (doc.plan !== undefined) return;
    await ctx.db.insert("log", { about: doc._id });
    await ctx.db.patch(doc._id, { plan: "free" });
  },
});

export const slugs = migrations.define({
  table: "slugs",
  migrateOne: (_ctx, doc) => {
    if (doc.slug === undefined) return { slug: encodeURIComponent(doc.title.toWellFormed()) };
  },
});

export const emails = migrations.define({
  table: "emails",
  migrateOne: (_ctx, { email }: any) => {
    if (typeof email === "string") return { email: { address: email } };
  },
});

export const items = migrations.define({
  table: "items",
  migrateOne: (_ctx, { items }: any) => ({ items: items.map(String) }),
});

export const sizes = migrations.define({
  table: "sizes",
  migrateOne: (_ctx, { size }: any) => {
    if (typeof size === "bigint") return;
    const whole = Math.trunc(size) || 0;
    return { size: BigInt(Math.max(-9e18, Math.min(9e18, whole))) };
  },
});

export const unions = migrations.define({
  table: "unions",
  migrateOne: (_ctx, { content }: any) => ({
    content: content.map((p: any) => (p.kind === "text" ? p : { alt: "", ...p })),
  }),
});

export const references = migrations.define({
  table: "references",
  migrateOne: async (ctx, doc) => {
    if (doc.ownerName !== undefined) return;
    const owner: any = await ctx.db.get(doc.owner);
    return { ownerName: owner?.name ?? "somebody" };
  },
});

/** Who has no team gets one of their own. */
export const retargeted = migrations.define({
  table: "retargeted",
  migrateOne: async (ctx, doc: any) => {
    if (ctx.db.normalizeId("teams", doc.owner)) return;
    const owner: any = await ctx.db.get(doc.owner);
    return { owner: owner?.team ?? (await ctx.db.insert("teams", { name: owner?.name ?? "nobody" })) };
  },
});

export const levels = migrations.define({
  table: "levels",
  migrateOne: (_ctx, { level }: any) => ({ level: level > 0 ? (1 as const) : (0 as const) }),
});

export const records = migrations.define({
  table: "records",
  migrateOne: (_ctx, { scores }: any) => ({
    scores: Object.fromEntries(
      Object.entries(scores).map(([key, x]) => [key, typeof x === "string" ? Number(x) || 0 : x]),
    ) as Record<string, number>,
  }),
});

/** Sessions of guests, and of people who are gone. */
export const orphansGo = migrations.define({
  table: "orphansGo",
  migrateOne: async (ctx, doc) => {
    if (doc.user === undefined || (await ctx.db.get(doc.user)) === null) await ctx.db.delete(doc._id);
  },
});

export const ranges = migrations.define({
  table: "ranges",
  customRange: (q) => q.withIndex("by_state", (q) => q.lte("state", null as never)),
  migrateOne: () => ({ state: "open" }),
});

/** The clock and chance are no mistake. */
export const tokens = migrations.define({
  table: "tokens",
  migrateOne: (_ctx, doc) => {
    if (doc.token === undefined) return { token: crypto.randomUUID() + Math.random(), changed: Date.now() };
  },
});

export const moved = migrations.define({
  table: "moved",
  migrateOne: async (ctx, doc: any) => {
    if (doc.settings === undefined) return;
    await ctx.db.insert("entries", { about: doc.settings, plan: "free" });
    await ctx.db.patch(doc._id, { settings: undefined } as any);
  },
});

/** It follows the tree up to its root. */
export const trees = migrations.define({
  table: "trees",
  migrateOne: async (ctx, doc) => {
    if (doc.path !== undefined) return;
    let path = "/";
    const seen = new Set<string>();
    for (let at = doc.parent; at && !seen.has(at); ) {
      seen.add(at);
      path += at + "/";
      const up: any = await ctx.db.get(at);
      at = up?.parent;
    }
    return { path };
  },
});

export const twoStepsNumbers = migrations.define({
  table: "twoSteps",
  migrateOne: (_ctx, { size }: any) => {
    if (typeof size === "number") return { size: String(size) };
  },
});

export const twoStepsNulls = migrations.define({
  table: "twoSteps",
  migrateOne: (_ctx, { size }: any) => {
    if (size === null) return { size: "none" };
  },
});

export const migratePaged = internalMutation({
  args: { cursor: v.union(v.string(), v.null()), batchSize: v.optional(v.number()) },
  handler: async (ctx, { cursor, batchSize = 100 }) => {
    const { page, isDone, continueCursor } = await ctx.db.query("paged").paginate({ cursor, numItems: batchSize });
    for (const doc of page) if (doc.plan === undefined) await ctx.db.patch(doc._id, { plan: "free" });
    return { isDone, continueCursor };
  },
});

export const migrateOneGo = internalMutation({
  args: {},
  handler: async (ctx) => {
    for (const doc of await ctx.db.query("oneGo").collect())
      if (doc.plan === undefined) await ctx.db.patch(doc._id, { plan: "free" });
  },
});

/** The accounts are migrated before. */
export const readsNew = migrations.define({
  table: "readsNew",
  migrateOne: async (ctx, doc) => {
    if (doc.label !== undefined) return;
    const account: any = await ctx.db.get(doc.account);
    return { label: account === null ? "" : account.tier.toUpperCase() };
  },
});

/** The accounts are migrated afterwards. */
export const readsOld = migrations.define({
  table: "readsOld",
  migrateOne: async (ctx, doc) => {
    if (doc.label !== undefined) return;
    const account: any = await ctx.db.get(doc.account);
    return { label: account === null ? "" : account.tier.toFixed(0) };
  },
});

/** No name comes twice in real life. */
export const oneOfAKind = migrations.define({
  table: "oneOfAKind",
  migrateOne: async (ctx, doc) => {
    if (doc.first !== undefined) return;
    const same = await ctx.db
      .query("oneOfAKind")
      .withIndex("by_name", (q) => q.eq("name", doc.name))
      .unique();
    return { first: same?._id === doc._id };
  },
});

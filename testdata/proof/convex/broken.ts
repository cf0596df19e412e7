// Each of these is wrong in the one way that its comment says.
import { internalMutation } from "./_generated/server";
import { v } from "convex/values";
import { migrations } from "./setup";

/** A plan may be null as well. */
export const forgetsNull = migrations.define({
  table: "forgetsNull",
  migrateOne: (_ctx, doc: any) => {
    if (doc.plan === undefined) return { plan: "free" };
  },
});

/** What is absent is not in the document. */
export const forgetsAbsent = migrations.define({
  table: "forgetsAbsent",
  migrateOne: (_ctx, doc: any) => {
    if ("plan" in doc && !doc.plan) return { plan: doc.plan ?? "free" };
  },
});

/** There is a second address. */
export const forgetsNested = migrations.define({
  table: "forgetsNested",
  migrateOne: (_ctx, { address }: any) => {
    if (typeof address.home.zip === "number")
      return { address: { ...address, home: { zip: String(address.home.zip) } } };
  },
});

/** "done" is a status of before. */
export const wrongLiteral = migrations.define({
  table: "wrongLiteral",
  migrateOne: (_ctx, { status }: any) => {
    if (status === "new") return { status: "done" as any };
    if (status === "done") return { status: "closed" as const };
  },
});

/** Nobody knows "opened". */
export const misspelled = migrations.define({
  table: "misspelled",
  migrateOne: (_ctx, { status }: any) => {
    if (status === "new") return { status: "opened" as any };
    if (status === "done") return { status: "closed" as const };
  },
});

/** Each run puts another mark in front. */
export const notIdempotent = migrations.define({
  table: "notIdempotent",
  migrateOne: (_ctx, doc) => ({ label: "#" + doc.label }),
});

/** Each run appends. */
export const appends = migrations.define({
  table: "appends",
  migrateOne: (_ctx, { tags }: any) => ({ tags: (typeof tags === "string" ? [tags] : tags).concat("migrated") }),
});

/** Each run logs what an earlier one did. */
export const logsEachRun = migrations.define({
  table: "logsEachRun",
  migrateOne: async (ctx, doc) => {
    await ctx.db.insert("log", { about: doc._id });
    if (doc.plan === undefined) await ctx.db.patch(doc._id, { plan: "free" });
  },
});

/** Who has a role should keep it. */
export const touchesFitting = migrations.define({
  table: "touchesFitting",
  migrateOne: () => ({ role: "member" }),
});

/** Names that are there are made tidy as well. */
export const trims = migrations.define({
  table: "trims",
  migrateOne: (_ctx, doc) => ({ name: (doc.name ?? "nobody").trim() }),
});

/** btoa takes Latin-1 only. */
export const throwsOnUnicode = migrations.define({
  table: "throwsOnUnicode",
  migrateOne: (_ctx, doc) => {
    if (doc.slug === undefined) return { slug: btoa(doc.title) };
  },
});

/** The empty text is falsy. */
export const missesEmpty = migrations.define({
  table: "missesEmpty",
  migrateOne: (_ctx, { email }: any) => {
    if (email && typeof email === "string") return { email: { address: email } };
  },
});

/** The last element stays. */
export const offByOne = migrations.define({
  table: "offByOne",
  migrateOne: (_ctx, { items }: any) => {
    if (items.every((x: unknown) => typeof x === "string")) return;
    const out = [...items];
    for (let i = 0; i < out.length - 1; i++) out[i] = String(out[i]);
    return { items: out };
  },
});

/** Only the first 64 are converted. */
export const longArrays = migrations.define({
  table: "longArrays",
  migrateOne: (_ctx, { items }: any) => {
    if (items.every((x: unknown) => typeof x === "string")) return;
    return { items: [...items.slice(0, 64).map(String), ...items.slice(64)] };
  },
});

/** Sizes that fit go through a number, which has 53 bits. */
export const losesPrecision = migrations.define({
  table: "losesPrecision",
  migrateOne: (_ctx, { size }) => {
    const n = Math.trunc(Number(size)) || 0;
    return { size: BigInt(Math.max(-9e18, Math.min(9e18, n))) };
  },
});

/** Not every text is a number. */
export const numberOnText = migrations.define({
  table: "numberOnText",
  migrateOne: (_ctx, { amount }: any) => {
    if (typeof amount === "string") return { amount: BigInt(Number(amount)) };
  },
});

/** Links have no alt either. */
export const dropsMember = migrations.define({
  table: "dropsMember",
  migrateOne: (_ctx, { content }: any) => {
    if (content.some((p: any) => p.kind === "image" && p.alt === undefined))
      return { content: content.map((p: any) => (p.kind === "image" ? { alt: "", ...p } : p)) };
  },
});

/** The owner may be gone. */
export const danglingReference = migrations.define({
  table: "danglingReference",
  migrateOne: async (ctx, doc) => {
    if (doc.ownerName !== undefined) return;
    const owner: any = await ctx.db.get(doc.owner);
    return { ownerName: owner.name };
  },
});

/** Not everybody has a team. */
export const wrongTable = migrations.define({
  table: "wrongTable",
  migrateOne: async (ctx, doc: any) => {
    const owner: any = await ctx.db.get(doc.owner);
    if (owner?.team) return { owner: owner.team };
  },
});

/** NaN is neither above nor below. */
export const notANumber = migrations.define({
  table: "notANumber",
  migrateOne: (_ctx, { level }: any) => {
    if (level > 0) return { level: 1 as const };
    if (level <= 0) return { level: 0 as const };
  },
});

/** -0 === 0, but it is another value. */
export const minusZero = migrations.define({
  table: "minusZero",
  migrateOne: (_ctx, { level }: any) => {
    if (level === 0 || level === 1) return;
    return { level: level > 0 ? (1 as const) : (0 as const) };
  },
});

/** Keys may hold more than letters. */
export const recordKeys = migrations.define({
  table: "recordKeys",
  migrateOne: (_ctx, { scores }: any) => {
    const out = { ...scores };
    for (const key of Object.keys(out))
      if (/^\w+$/.test(key) && typeof out[key] === "string") out[key] = Number(out[key]) || 0;
    return { scores: out };
  },
});

/** The schema has no such field. */
export const extraField = migrations.define({
  table: "extraField",
  migrateOne: (_ctx, doc) => {
    if (doc.plan === undefined) return { plan: "free", migrated: true } as any;
  },
});

/** It removes more than guests. */
export const deletesFitting = migrations.define({
  table: "deletesFitting",
  migrateOne: async (ctx, doc) => {
    if (doc.user === undefined || doc.count === 0) await ctx.db.delete(doc._id);
  },
});

/** null is not undefined: the range passes over it. */
export const rangePassesOver = migrations.define({
  table: "rangePassesOver",
  customRange: (q) => q.withIndex("by_state", (q) => q.eq("state", undefined as never)),
  migrateOne: () => ({ state: "open" }),
});

/** Not every number is a date. */
export const invalidDates = migrations.define({
  table: "invalidDates",
  migrateOne: (_ctx, { day }: any) => {
    if (typeof day === "number") return { day: new Date(day).toISOString().slice(0, 10) };
  },
});

/** A fraction never comes to 0. */
export const endlessLoop = migrations.define({
  table: "endlessLoop",
  migrateOne: (_ctx, { halves }: any) => {
    if (typeof halves !== "number" || !Number.isFinite(halves)) return { halves: String(halves) };
    let steps = 0;
    for (let n = halves % 1000; n !== 0; n--) steps++;
    return { halves: String(steps) };
  },
});

/** What it moves is of the old shape there. */
export const otherTable = migrations.define({
  table: "otherTable",
  migrateOne: async (ctx, doc: any) => {
    if (doc.settings === undefined) return;
    await ctx.db.insert("entries", { about: doc.settings } as any);
    await ctx.db.patch(doc._id, { settings: undefined } as any);
  },
});

/** The first of two: right as far as it goes. */
export const secondStepNumbers = migrations.define({
  table: "secondStep",
  migrateOne: (_ctx, { size }: any) => {
    if (typeof size === "number") return { size: String(size) };
  },
});

/** The second gives null instead of taking it away. */
export const secondStepNulls = migrations.define({
  table: "secondStep",
  migrateOne: (_ctx, { size }: any) => {
    if (size === null || size === "") return { size: size === null ? "" : (null as any) };
  },
});

/** It gives up on long texts. */
export const migrateByHand = internalMutation({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => {
    const page = await ctx.db.query("byHand").paginate({ cursor, numItems: 100 });
    for (const doc of page.page) {
      if (!doc.plan && doc.plan !== "") await ctx.db.patch(doc._id, { plan: "free" });
      else if (doc.plan.length > 50) throw new Error("the plan " + doc.plan.slice(0, 10) + " is too long");
    }
    return { isDone: page.isDone, continueCursor: page.continueCursor };
  },
});

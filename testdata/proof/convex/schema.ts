// What documents should look like. schemas/before.ts says what they look like
// before the migrations. The first tables are of broken.ts, the others of right.ts.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const part = v.union(
  v.object({ kind: v.literal("text"), body: v.string() }),
  v.object({ kind: v.literal("image"), url: v.string(), alt: v.string() }),
  v.object({ kind: v.literal("link"), href: v.string(), alt: v.string() }),
);

export const people = defineTable({ name: v.string(), team: v.optional(v.id("teams")) });
export const teams = defineTable({ name: v.string() });

export default defineSchema({
  people,
  teams,
  entries: defineTable({ about: v.string(), plan: v.string() }),
  log: defineTable({ about: v.string() }),
  accounts: defineTable({ tier: v.string() }),

  forgetsNull: defineTable({ name: v.string(), plan: v.string() }),
  forgetsAbsent: defineTable({ name: v.string(), plan: v.string() }),
  forgetsNested: defineTable({
    address: v.object({ home: v.object({ zip: v.string() }), work: v.optional(v.object({ zip: v.string() })) }),
  }),
  wrongLiteral: defineTable({ status: v.union(v.literal("open"), v.literal("closed")) }),
  misspelled: defineTable({ status: v.union(v.literal("open"), v.literal("closed")) }),
  notIdempotent: defineTable({ label: v.string(), count: v.number() }),
  appends: defineTable({ tags: v.array(v.string()) }),
  logsEachRun: defineTable({ plan: v.string() }),
  touchesFitting: defineTable({ role: v.string() }),
  trims: defineTable({ name: v.string(), note: v.optional(v.string()) }),
  throwsOnUnicode: defineTable({ title: v.string(), slug: v.string() }),
  missesEmpty: defineTable({ email: v.object({ address: v.string() }) }),
  offByOne: defineTable({ items: v.array(v.string()) }),
  longArrays: defineTable({ items: v.array(v.string()) }),
  losesPrecision: defineTable({ size: v.int64() }),
  numberOnText: defineTable({ amount: v.int64() }),
  dropsMember: defineTable({ content: v.array(part) }),
  danglingReference: defineTable({ owner: v.id("people"), ownerName: v.string() }),
  wrongTable: defineTable({ owner: v.id("teams") }),
  notANumber: defineTable({ level: v.union(v.literal(0), v.literal(1)) }),
  minusZero: defineTable({ level: v.union(v.literal(0), v.literal(1)) }),
  recordKeys: defineTable({ scores: v.record(v.string(), v.number()) }),
  extraField: defineTable({ plan: v.string() }),
  deletesFitting: defineTable({ user: v.id("people"), count: v.number() }),
  rangePassesOver: defineTable({ state: v.string() }).index("by_state", ["state"]),
  invalidDates: defineTable({ day: v.string() }),
  endlessLoop: defineTable({ halves: v.string() }),
  otherTable: defineTable({ about: v.string() }),
  secondStep: defineTable({ size: v.string() }),
  byHand: defineTable({ plan: v.string() }),

  nullAndAbsent: defineTable({ name: v.string(), plan: v.string() }),
  nested: defineTable({
    address: v.object({ home: v.object({ zip: v.string() }), work: v.optional(v.object({ zip: v.string() })) }),
  }),
  literals: defineTable({ status: v.union(v.literal("open"), v.literal("closed")) }),
  labels: defineTable({ label: v.string(), count: v.number() }),
  lists: defineTable({ tags: v.array(v.string()) }),
  logsOnce: defineTable({ plan: v.string() }),
  slugs: defineTable({ title: v.string(), slug: v.string() }),
  emails: defineTable({ email: v.object({ address: v.string() }) }),
  items: defineTable({ items: v.array(v.string()) }),
  sizes: defineTable({ size: v.int64() }),
  unions: defineTable({ content: v.array(part) }),
  references: defineTable({ owner: v.id("people"), ownerName: v.string() }),
  retargeted: defineTable({ owner: v.id("teams") }),
  levels: defineTable({ level: v.union(v.literal(0), v.literal(1)) }),
  records: defineTable({ scores: v.record(v.string(), v.number()) }),
  orphansGo: defineTable({ user: v.id("people"), count: v.number() }),
  ranges: defineTable({ state: v.string() }).index("by_state", ["state"]),
  tokens: defineTable({ token: v.string(), changed: v.optional(v.number()) }),
  moved: defineTable({ about: v.string() }),
  trees: defineTable({ parent: v.optional(v.id("trees")), path: v.string() }),
  twoSteps: defineTable({ size: v.string() }),
  paged: defineTable({ plan: v.string() }),
  oneGo: defineTable({ plan: v.string() }),
  readsNew: defineTable({ account: v.id("accounts"), label: v.string() }),
  readsOld: defineTable({ account: v.id("accounts"), label: v.string() }),
  oneOfAKind: defineTable({ name: v.string(), first: v.boolean() }).index("by_name", ["name"]),
});

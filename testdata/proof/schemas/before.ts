import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { people, teams } from "../convex/schema";

const text = v.union(v.string(), v.number());
const zip = v.object({ zip: text });
const part = v.union(
  v.object({ kind: v.literal("text"), body: v.string() }),
  v.object({ kind: v.literal("image"), url: v.string() }),
  v.object({ kind: v.literal("link"), href: v.string() }),
);

const plan = defineTable({ plan: v.optional(v.string()) });
const maybePlan = defineTable({ name: v.string(), plan: v.optional(v.union(v.string(), v.null())) });
const address = defineTable({ address: v.object({ home: zip, work: v.optional(zip) }) });
const status = defineTable({ status: v.union(v.literal("new"), v.literal("open"), v.literal("done")) });
const label = defineTable({ label: text, count: v.number() });
const tags = defineTable({ tags: v.union(v.string(), v.array(v.string())) });
const slug = defineTable({ title: v.string(), slug: v.optional(v.string()) });
const email = defineTable({ email: v.string() });
const items = defineTable({ items: v.array(text) });
const size = defineTable({ size: v.union(v.int64(), v.number()) });
const content = defineTable({ content: v.array(part) });
const owner = defineTable({ owner: v.id("people"), ownerName: v.optional(v.string()) });
const personal = defineTable({ owner: v.id("people") });
const level = defineTable({ level: v.number() });
const scores = defineTable({ scores: v.record(v.string(), text) });
const user = defineTable({ user: v.optional(v.id("people")), count: v.number() });
const state = defineTable({ state: v.optional(v.union(v.string(), v.null())) }).index("by_state", ["state"]);
const about = defineTable({ about: v.string(), settings: v.optional(v.string()) });
const sized = defineTable({ size: v.union(v.string(), v.number(), v.null()) });

const labelled = defineTable({ account: v.id("accounts"), label: v.optional(v.string()) });

export default defineSchema({
  people,
  teams,
  entries: defineTable({ about: v.string(), plan: v.optional(v.string()) }),
  log: defineTable({ about: v.string() }),
  accounts: defineTable({ tier: v.number() }),

  forgetsNull: maybePlan,
  forgetsAbsent: maybePlan,
  forgetsNested: address,
  wrongLiteral: status,
  misspelled: status,
  notIdempotent: label,
  appends: tags,
  logsEachRun: plan,
  touchesFitting: defineTable({ role: v.optional(v.string()) }),
  trims: defineTable({ name: v.optional(v.string()), note: v.optional(v.string()) }),
  throwsOnUnicode: slug,
  missesEmpty: email,
  offByOne: items,
  longArrays: items,
  losesPrecision: size,
  numberOnText: defineTable({ amount: v.union(v.string(), v.int64()) }),
  dropsMember: content,
  danglingReference: owner,
  wrongTable: personal,
  notANumber: level,
  minusZero: level,
  recordKeys: scores,
  extraField: plan,
  deletesFitting: user,
  rangePassesOver: state,
  invalidDates: defineTable({ day: text }),
  endlessLoop: defineTable({ halves: text }),
  otherTable: about,
  secondStep: sized,
  byHand: plan,

  nullAndAbsent: maybePlan,
  nested: address,
  literals: status,
  labels: label,
  lists: tags,
  logsOnce: plan,
  slugs: slug,
  emails: email,
  items,
  sizes: size,
  unions: content,
  references: owner,
  retargeted: personal,
  levels: level,
  records: scores,
  orphansGo: user,
  ranges: state,
  tokens: defineTable({ token: v.optional(v.string()), changed: v.optional(v.number()) }),
  moved: about,
  trees: defineTable({ parent: v.optional(v.id("trees")), path: v.optional(v.string()) }),
  twoSteps: sized,
  paged: plan,
  oneGo: plan,
  readsNew: labelled,
  readsOld: labelled,
  oneOfAKind: defineTable({ name: v.string(), first: v.optional(v.boolean()) }).index("by_name", ["name"]),
});

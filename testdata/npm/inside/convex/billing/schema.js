import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  bills: defineTable({ n: v.number(), paid: v.optional(v.boolean()), note: v.optional(v.string()) }),
});

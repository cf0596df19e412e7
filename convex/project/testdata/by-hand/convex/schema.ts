import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  users: defineTable({ name: v.string(), slug: v.optional(v.string()) }),
  migrations: defineTable({ name: v.string(), done: v.boolean() }),
});

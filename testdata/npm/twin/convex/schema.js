import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  users: defineTable({
    name: v.string(),
    email: v.string(),
    city: v.string(),
    visits: v.number(),
    plan: v.optional(v.string()),
    greeting: v.optional(v.string()),
    bio: v.optional(v.string()),
  }).index("by_email", ["email"]),
});

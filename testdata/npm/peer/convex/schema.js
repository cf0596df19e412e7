import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  users: defineTable({
    name: v.string(),
    email: v.string(),
    city: v.string(),
    createdAt: v.number(),
    score: v.number(),
    tags: v.array(v.string()),
    bio: v.string(),
    plan: v.optional(v.string()),
  }).index("by_email", ["email"]),
});

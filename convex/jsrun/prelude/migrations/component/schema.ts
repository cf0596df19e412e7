// The state of every migration that was ever started.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  migrations: defineTable({
    name: v.string(),
    cursor: v.nullable(v.string()),
    isDone: v.boolean(),
    workerId: v.optional(v.id("_scheduled_functions")), // the next batch, while there is one
    error: v.optional(v.string()),
    processed: v.number(), // documents, since the latest start
    latestStart: v.number(),
    latestEnd: v.optional(v.number()),
  })
    .index("name", ["name"])
    .index("isDone", ["isDone"]),
});

import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { roles } from "../../shared/roles";

export default defineSchema({
  members: defineTable({ role: v.union(...roles.map((role) => v.literal(role))) }),
});

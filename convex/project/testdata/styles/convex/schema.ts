import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

const user = defineTable({ name: v.string(), plan: v.optional(v.string()), old: v.optional(v.null()) }).index("by_plan", ["plan"]);
export default defineSchema({ users: user, teams: user, orders: user });

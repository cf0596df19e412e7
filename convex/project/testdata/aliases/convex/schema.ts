import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { address } from "@/fields";
import { dimensions } from "#limits";

export default defineSchema({
  shops: defineTable({ ...address, vector: v.array(v.float64()) }).vectorIndex("by_vector", { vectorField: "vector", dimensions }),
});

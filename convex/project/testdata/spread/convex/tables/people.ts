import { defineTable } from "convex/server";
import { v } from "convex/values";
import { stamped } from "../shared/stamped";

export const people = {
  people: defineTable({ ...stamped, name: v.string() }).index("by_name", ["name"]),
  teams: defineTable({ ...stamped, people: v.array(v.id("people")) }),
};

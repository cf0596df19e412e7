import { defineTable } from "convex/server";
import { v } from "convex/values";

const kinds = ["info", "warn"] as const;
export const logs = Object.fromEntries(
  kinds.map((kind) => [`${kind}Logs`, defineTable({ kind: v.literal(kind), text: v.string() })]),
);

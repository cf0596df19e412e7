import { defineSchema, defineTable } from "convex/server";
import { tables } from "@acme/not-installed/server";

export default defineSchema({ ...tables, own: defineTable({}) });

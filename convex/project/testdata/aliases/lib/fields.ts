import { v } from "convex/values";

export const address = { street: v.string(), zip: v.optional(v.string()) };

import { v } from "convex/values";

export const stamped = { updated: v.number() };

import { v } from "convex/values";
import { internalMutation, mutation } from "./_generated/server";

export const backfillNames = mutation({
  handler: async (ctx, args: { cursor?: string; limit?: number }) => {
    return await ctx.db.query("users").paginate({ cursor: args.cursor ?? null, numItems: args.limit ?? 10 });
  },
});

// Ordinary functions.
export const create = mutation({ args: { name: v.string() }, handler: async (ctx, args) => await ctx.db.insert("users", args) });
export const clearAll = internalMutation({ args: {}, handler: async () => null });
export const list = mutation({ args: { cursor: v.optional(v.string()) }, handler: async () => [] });
export const migrateGuest = mutation({ args: { guest: v.id("users") }, handler: async () => null });
export const migrateMine = mutation({
  args: {},
  handler: async (ctx) => {
    const me = await ctx.auth.getUserIdentity();
    return me;
  },
});

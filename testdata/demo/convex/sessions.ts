import { v } from "convex/values";
import { internalMutation, mutation } from "./_generated/server";

const week = 7 * 24 * 60 * 60 * 1000;

export const start = mutation({
  args: { userId: v.id("users"), userAgent: v.string() },
  handler: async (ctx, session) =>
    await ctx.db.insert("sessions", { ...session, expiresAt: Date.now() + week }),
});

/** A few at a time: the cron comes again. */
export const removeExpired = internalMutation({
  args: {},
  handler: async (ctx) => {
    const expired = await ctx.db
      .query("sessions")
      .withIndex("by_expiry", (q) => q.lt("expiresAt", Date.now()))
      .take(200);
    for (const { _id } of expired) await ctx.db.delete(_id);
  },
});

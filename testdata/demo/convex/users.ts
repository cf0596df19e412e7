import { paginationOptsValidator } from "convex/server";
import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { digest, theme } from "./validators";

export const list = query({
  args: { teamId: v.id("teams"), paginationOpts: paginationOptsValidator },
  handler: async (ctx, { teamId, paginationOpts }) =>
    await ctx.db
      .query("users")
      .withIndex("by_team", (q) => q.eq("teamId", teamId))
      .paginate(paginationOpts),
});

export const withPreferences = query({
  args: { id: v.id("users") },
  handler: async (ctx, { id }) => {
    const user = await ctx.db.get(id);
    if (user === null) return null;
    const preferences = await ctx.db
      .query("preferences")
      .withIndex("by_user", (q) => q.eq("userId", id))
      .unique();
    return { ...user, preferences };
  },
});

export const invite = mutation({
  args: { teamId: v.id("teams"), name: v.string(), email: v.string() },
  handler: async (ctx, user) => await ctx.db.insert("users", { ...user, role: "guest" }),
});

export const setPreferences = mutation({
  args: { userId: v.id("users"), theme, digest },
  handler: async (ctx, { userId, theme, digest }) => {
    const preferences = await ctx.db
      .query("preferences")
      .withIndex("by_user", (q) => q.eq("userId", userId))
      .unique();
    if (preferences) await ctx.db.patch(preferences._id, { theme, digest });
    else await ctx.db.insert("preferences", { userId, theme, digest });
  },
});

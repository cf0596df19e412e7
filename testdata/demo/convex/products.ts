import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { listing } from "./validators";

export const onSale = query({
  args: { teamId: v.id("teams") },
  handler: async (ctx, { teamId }) =>
    await ctx.db
      .query("products")
      .withIndex("by_team_listing", (q) => q.eq("teamId", teamId).eq("listing", "live"))
      .take(100),
});

export const search = query({
  args: { teamId: v.id("teams"), text: v.string() },
  handler: async (ctx, { teamId, text }) =>
    await ctx.db
      .query("products")
      .withSearchIndex("by_text", (q) => q.search("description", text).eq("teamId", teamId))
      .take(20),
});

export const setListing = mutation({
  args: { id: v.id("products"), listing },
  handler: async (ctx, { id, listing }) => {
    await ctx.db.patch(id, { listing });
  },
});

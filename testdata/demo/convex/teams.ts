import { v } from "convex/values";
import { mutation, query } from "./_generated/server";
import { plan } from "./validators";

export const bySlug = query({
  args: { slug: v.string() },
  handler: async (ctx, { slug }) =>
    await ctx.db
      .query("teams")
      .withIndex("by_slug", (q) => q.eq("slug", slug))
      .unique(),
});

export const create = mutation({
  args: { name: v.string(), slug: v.string(), city: v.string() },
  handler: async (ctx, team) => await ctx.db.insert("teams", { ...team, seats: 1, plan: "free" }),
});

export const changePlan = mutation({
  args: { id: v.id("teams"), plan },
  handler: async (ctx, { id, plan }) => {
    await ctx.db.patch(id, { plan });
  },
});

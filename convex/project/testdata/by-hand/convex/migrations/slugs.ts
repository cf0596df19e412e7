import { v } from "convex/values";
import { internalAction, internalMutation, internalQuery, mutation } from "../_generated/server";
import { internal } from "../_generated/api";

/** Walks users page by page; the caller hands the cursor on. */
export const setSlugs = internalMutation({
  args: { cursor: v.union(v.string(), v.null()), batchSize: v.optional(v.number()), dryRun: v.optional(v.boolean()) },
  handler: async (ctx, args) => {
    const page = await ctx.db.query("users").paginate({ cursor: args.cursor, numItems: args.batchSize ?? 50 });
    for (const user of page.page) {
      if (!args.dryRun) await ctx.db.patch(user._id, { slug: user.name.toLowerCase() });
    }
    await ctx.db.query("migrations").first();
    return { continueCursor: page.continueCursor, isDone: page.isDone, processed: page.page.length };
  },
});

export const viaOptions = mutation({
  args: { paginationOpts: v.object({ numItems: v.number(), cursor: v.union(v.string(), v.null()) }) },
  handler: async (ctx, args) => await ctx.db.query("users").paginate(args.paginationOpts),
});

export const dropSlugs = internalMutation({
  args: {},
  handler: async (ctx) => {
    for (const user of await ctx.db.query("users").collect()) await ctx.db.patch(user._id, { slug: undefined });
  },
});

export const goesOn = internalMutation({
  args: { cursor: v.optional(v.string()) },
  handler: async (ctx, { cursor }) => {
    const page = await ctx.db.query("users").paginate({ cursor: cursor ?? null, numItems: 10 });
    if (!page.isDone) {
      await ctx.scheduler.runAfter(0, internal.migrations.slugs.goesOn, { cursor: page.continueCursor });
    }
  },
});

export const drive = internalAction({
  args: {},
  handler: async (ctx) => {
    await ctx.runMutation(internal.migrations.slugs.setSlugs, { cursor: null });
  },
});

// None of these is a migration.
export const setOne = internalMutation({
  args: { id: v.id("users"), slug: v.string() },
  handler: async (ctx, { id, slug }) => await ctx.db.patch(id, { slug }),
});
export const getStatus = internalMutation({ args: {}, handler: async (ctx) => await ctx.db.query("migrations").collect() });
export const recordMigration = internalMutation({ args: {}, handler: async () => null });
export const look = internalQuery({ args: {}, handler: async () => null });

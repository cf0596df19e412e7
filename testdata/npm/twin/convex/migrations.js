import { Migrations } from "@convex-dev/migrations";
import { anyApi, componentsGeneric, internalMutationGeneric, paginationOptsValidator } from "convex/server";
import { v } from "convex/values";

const migrations = new Migrations(componentsGeneric().migrations);
export const run = migrations.runner();

/** One conditional patch a document. */
export const setPlan = migrations.define({
  table: "users",
  batchSize: 50,
  migrateOne: (_ctx, user) => (user.plan === undefined ? { plan: "free" } : undefined),
});

/** Reads what the one before wrote; logs now and then. */
export const greet = migrations.define({
  table: "users",
  batchSize: 40,
  migrateOne: async (ctx, user) => {
    if (user.visits % 100 === 0) console.log("greeting", user.name, { visits: user.visits });
    await ctx.db.patch(user._id, { greeting: `Hello ${user.name}, ${user.plan}` });
  },
});

export const all = migrations.runner([anyApi.migrations.setPlan, anyApi.migrations.greet]);

/** Stops at the first user without a city. */
export const needCity = migrations.define({
  table: "users",
  batchSize: 30,
  migrateOne: (_ctx, user) => {
    if (user.city === "") throw new Error(`${user.name} has no city`);
    return { city: user.city.toUpperCase() };
  },
});

/** Written by hand, page by page. */
export const trimBio = internalMutationGeneric({
  args: { paginationOpts: paginationOptsValidator },
  returns: v.object({ isDone: v.boolean(), continueCursor: v.string(), processed: v.number() }),
  handler: async (ctx, { paginationOpts }) => {
    const { page, isDone, continueCursor } = await ctx.db.query("users").paginate(paginationOpts);
    for (const user of page) {
      if (user.bio !== undefined) await ctx.db.patch(user._id, { bio: user.bio.trim() });
    }
    return { isDone, continueCursor, processed: page.length };
  },
});

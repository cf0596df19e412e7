import { v } from "convex/values";
import { internalMutation } from "./_generated/server";

// What makeMigration of convex-helpers makes, copied into a project as people do.
function migration({ table, migrateOne }: { table: string; batchSize?: number; migrateOne: (ctx: any, doc: any) => Promise<void> }) {
  return internalMutation({
    args: {
      fn: v.optional(v.string()),
      cursor: v.optional(v.union(v.string(), v.null())),
      batchSize: v.optional(v.number()),
      next: v.optional(v.array(v.string())),
      dryRun: v.optional(v.boolean()),
    },
    handler: async (ctx, args) => {
      const page = await ctx.db.query(table).paginate({ cursor: args.cursor ?? null, numItems: args.batchSize ?? 100 });
      for (const doc of page.page) await migrateOne(ctx, doc);
      return page;
    },
  });
}

export const lowerNames = migration({
  table: "teams",
  batchSize: 1_000,
  migrateOne: async (ctx, doc) => {
    await ctx.db.patch(doc._id, { name: doc.name.toLowerCase() });
  },
});

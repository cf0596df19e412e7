import { v } from "convex/values";
import { action, internalMutation, internalQuery } from "./_generated/server";
import { internal } from "./_generated/api";
import type { Doc } from "./_generated/dataModel";

export const similar = action({
  args: { teamId: v.id("teams"), vector: v.array(v.float64()) },
  handler: async (ctx, { teamId, vector }): Promise<Doc<"products">[]> => {
    const hits = await ctx.vectorSearch("embeddings", "by_vector", {
      vector,
      limit: 8,
      filter: (q) => q.eq("teamId", teamId),
    });
    return await ctx.runQuery(internal.embeddings.products, { ids: hits.map((hit) => hit._id) });
  },
});

export const products = internalQuery({
  args: { ids: v.array(v.id("embeddings")) },
  handler: async (ctx, { ids }) => {
    const found: Doc<"products">[] = [];
    for (const id of ids) {
      const embedding = await ctx.db.get(id);
      const product = embedding && (await ctx.db.get(embedding.productId));
      if (product) found.push(product);
    }
    return found;
  },
});

/**
 * Names the model of the embeddings made before there were two. Older than the
 * migrations component here: call it again with the cursor it answers with,
 * until isDone.
 */
export const backfillModel = internalMutation({
  args: {
    cursor: v.union(v.string(), v.null()),
    batchSize: v.optional(v.number()),
    dryRun: v.optional(v.boolean()),
  },
  handler: async (ctx, { cursor, batchSize = 100, dryRun = false }) => {
    const { page, isDone, continueCursor } = await ctx.db
      .query("embeddings")
      .paginate({ cursor, numItems: batchSize });
    const unlabelled = page.filter((embedding) => embedding.model === undefined);
    if (!dryRun) {
      for (const { _id } of unlabelled)
        await ctx.db.patch(_id, { model: "text-embedding-3-small" });
    }
    return { continueCursor, isDone, processed: page.length, changed: unlabelled.length };
  },
});

import { query } from "./_generated/server";

export const count = query({ args: {}, handler: async (ctx) => (await ctx.db.query("counters").collect()).length });

import { define } from "../lib/instance";

export default define({
  table: "orders",
  customRange: (query) => query.withIndex("by_plan", (q) => q.eq("plan", undefined)),
  migrateOne: async (ctx, order) => {
    await ctx.db.patch(order._id, { plan: "paid" });
  },
});

// Release 5, part two: orders.
import { legacy } from "../legacy";
import { migrations } from "../migrations";

/** The codes of orders were counted, before they became random text. */
export const codeToText = migrations.define({
  table: "orders",
  migrateOne: (_ctx, order) => {
    const { code } = legacy("orders", order);
    if (typeof code !== "number") return;
    return { code: String(code).padStart(6, "0") };
  },
});

/** Carts live in the browser now; what is left of them was never paid. */
export const retireCarts = migrations.define({
  table: "orders",
  customRange: (q) => q.withIndex("by_status", (q) => q.eq("status", "cart" as never)),
  migrateOne: () => ({ status: "cancelled" as const }),
});

/** The packing slip shows who ordered, without reading the user again. */
export const addCustomerName = migrations.define({
  table: "orders",
  batchSize: 50,
  migrateOne: async (ctx, order) => {
    if (order.customerName !== undefined) return;
    const customer = await ctx.db.get(order.customerId);
    return { customerName: customer!.name };
  },
});

import { v } from "convex/values";

/** What a team pays for. */
export const plan = v.union(v.literal("free"), v.literal("studio"), v.literal("business"));

export const role = v.union(v.literal("owner"), v.literal("member"), v.literal("guest"));

/** Whether a product is on sale. */
export const listing = v.union(v.literal("draft"), v.literal("live"), v.literal("retired"));

export const orderStatus = v.union(
  v.literal("open"),
  v.literal("paid"),
  v.literal("shipped"),
  v.literal("cancelled"),
);

export const orderLine = v.object({
  productId: v.id("products"),
  quantity: v.number(),
  priceCents: v.number(),
});

export const theme = v.union(v.literal("system"), v.literal("light"), v.literal("dark"));

export const digest = v.union(v.literal("daily"), v.literal("weekly"), v.literal("never"));

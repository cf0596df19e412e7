import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { digest, listing, orderLine, orderStatus, plan, role, theme } from "./validators";

export default defineSchema({
  teams: defineTable({
    name: v.string(),
    slug: v.string(),
    city: v.string(),
    seats: v.number(),
    plan,
  }).index("by_slug", ["slug"]),

  users: defineTable({
    name: v.string(),
    email: v.string(),
    teamId: v.id("teams"),
    role,
    timezone: v.optional(v.string()),
    lastSeenAt: v.optional(v.number()),
  })
    .index("by_email", ["email"])
    .index("by_team", ["teamId"]),

  preferences: defineTable({
    userId: v.id("users"),
    theme,
    digest,
    language: v.optional(v.string()),
  }).index("by_user", ["userId"]),

  products: defineTable({
    teamId: v.id("teams"),
    name: v.string(),
    description: v.string(),
    priceCents: v.number(),
    tags: v.array(v.string()),
    listing,
  })
    .index("by_team_listing", ["teamId", "listing"])
    .searchIndex("by_text", { searchField: "description", filterFields: ["teamId"] }),

  orders: defineTable({
    teamId: v.id("teams"),
    customerId: v.id("users"),
    customerName: v.string(),
    code: v.string(),
    status: orderStatus,
    lines: v.array(orderLine),
    placedAt: v.number(),
    note: v.optional(v.string()),
  })
    .index("by_team", ["teamId", "placedAt"])
    .index("by_status", ["status"]),

  sessions: defineTable({
    userId: v.id("users"),
    userAgent: v.string(),
    expiresAt: v.number(),
  }).index("by_expiry", ["expiresAt"]),

  embeddings: defineTable({
    productId: v.id("products"),
    teamId: v.id("teams"),
    model: v.string(),
    vector: v.array(v.float64()),
  })
    .index("by_product", ["productId"])
    .vectorIndex("by_vector", { vectorField: "vector", dimensions: 8, filterFields: ["teamId"] }),
});

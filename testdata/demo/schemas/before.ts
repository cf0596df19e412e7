// The schema of release 4, as it is still deployed where release 5 has not
// begun: what the documents look like before the migrations.
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import { orderLine, orderStatus, role } from "../convex/validators";

export default defineSchema({
  teams: defineTable({
    name: v.string(),
    slug: v.string(),
    city: v.string(),
    seats: v.number(),
  }).index("by_slug", ["slug"]),

  users: defineTable({
    name: v.string(),
    email: v.string(),
    teamId: v.id("teams"),
    role,
    timezone: v.optional(v.string()),
    lastSeenAt: v.optional(v.number()),
    avatarUrl: v.optional(v.string()),
    settings: v.optional(
      v.object({
        theme: v.union(v.literal("light"), v.literal("dark")),
        emailDigest: v.boolean(),
        language: v.optional(v.string()),
      }),
    ),
  })
    .index("by_email", ["email"])
    .index("by_team", ["teamId"]),

  products: defineTable({
    teamId: v.id("teams"),
    name: v.string(),
    description: v.string(),
    priceCents: v.number(),
    tags: v.array(v.string()),
    listing: v.boolean(), // on sale or not
  })
    .index("by_team_listing", ["teamId", "listing"])
    .searchIndex("by_text", { searchField: "description", filterFields: ["teamId"] }),

  orders: defineTable({
    teamId: v.id("teams"),
    customerId: v.id("users"),
    code: v.union(v.number(), v.string()), // counted first, then random
    status: v.union(v.literal("cart"), ...orderStatus.members),
    lines: v.array(orderLine),
    placedAt: v.number(),
    note: v.optional(v.string()),
  })
    .index("by_team", ["teamId", "placedAt"])
    .index("by_status", ["status"]),

  sessions: defineTable({
    userId: v.optional(v.id("users")), // absent for guests
    userAgent: v.string(),
    expiresAt: v.number(),
  }).index("by_expiry", ["expiresAt"]),

  embeddings: defineTable({
    productId: v.id("products"),
    teamId: v.id("teams"),
    vector: v.array(v.float64()),
  })
    .index("by_product", ["productId"])
    .vectorIndex("by_vector", { vectorField: "vector", dimensions: 8, filterFields: ["teamId"] }),
});

import { internalMutationGeneric, internalQueryGeneric, mutationGeneric, queryGeneric } from "convex/server";
import { ConvexError, v } from "convex/values";

/** Users that are alike on every deployment: nothing but the id and the time differs. */
export const fill = internalMutationGeneric({
  args: { from: v.number(), to: v.number() },
  handler: async (ctx, { from, to }) => {
    for (let i = from; i < to; i++) {
      await ctx.db.insert("users", {
        name: `user ${i}`,
        email: `user${i}@example.com`,
        city: i === 77 ? "" : `city ${i % 7}`,
        visits: i,
        ...(i % 3 === 0 && { plan: "pro" }),
        ...(i % 2 === 0 && { bio: `  likes ${i}  ` }),
      });
    }
  },
});

export const move = mutationGeneric({
  args: { name: v.string(), city: v.string() },
  handler: async (ctx, { name, city }) => {
    const user = (await ctx.db.query("users").collect()).find((u) => u.name === name);
    if (!user) throw new ConvexError({ code: "no-user", name });
    console.log("moving", name);
    await ctx.db.patch(user._id, { city });
    return user.city;
  },
});

export const cities = queryGeneric({
  args: {},
  handler: async (ctx) => [...new Set((await ctx.db.query("users").collect()).map((u) => u.city))].sort(),
});

export const odd = internalQueryGeneric({
  args: { x: v.any() },
  handler: (_ctx, { x }) => ({ x, big: 12345678901234567890n % 2n ** 62n, inf: -Infinity, bytes: new Uint8Array([1, 2, 255]).buffer }),
});

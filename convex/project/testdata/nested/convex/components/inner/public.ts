import { mutation } from "./_generated/server";

export const touch = mutation({ args: {}, handler: async () => null });

import { query } from "./_generated/server";

export const world = query({ handler: async () => "hello" });

import { query } from "./_generated/server";

export const f = query({ handler: async () => 1 });

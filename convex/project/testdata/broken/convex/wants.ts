import { query } from "./_generated/server";

const key = process.env.ACME_API_KEY;
if (!key) throw new Error("Missing ACME_API_KEY");

export const f = query({ handler: async () => key.length });

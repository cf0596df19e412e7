import { query } from "./_generated/server";

const settings: { site?: { name: string } } = {};
export const name = settings.site!.name;

export const f = query({ handler: async () => name });

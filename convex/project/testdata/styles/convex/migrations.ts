import { internal } from "./_generated/api";
import { migrations } from "./lib/instance";

export { migrations } from "./lib/instance"; // handed on, as the docs of the package do
export const run = migrations.runner();

// One function for two tables.
const setPlan = (_ctx: unknown, doc: { plan?: string }) => (doc.plan === undefined ? { plan: "free" } : undefined);

export const usersPlan = migrations.define({ table: "users", migrateOne: setPlan, batchSize: 10 });
export const teamsPlan = migrations.define({ table: "teams", migrateOne: setPlan, parallelize: true });

export const all = migrations.runner([
  internal.migrations.usersPlan,
  internal.migrations.teamsPlan,
  internal.migrations.m001.default,
]);

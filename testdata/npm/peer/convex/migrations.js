import { Migrations } from "@convex-dev/migrations";
import { componentsGeneric } from "convex/server";

const migrations = new Migrations(componentsGeneric().migrations);

/** The work that is measured: one conditional patch a document. */
export const setPlan = migrations.define({
  table: "users",
  batchSize: 100,
  migrateOne: (_ctx, user) => (user.plan === undefined ? { plan: "free" } : undefined),
});

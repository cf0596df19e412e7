import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";

const migrations = new Migrations((components as any).movers);
export const trim = migrations.define({
  table: "users",
  migrateOne: (_ctx, user) => ({ name: user.name.trim() }),
});

import { Migrations } from "@convex-dev/migrations";
import { componentsGeneric, internalMutationGeneric } from "convex/server";

const migrations = new Migrations(componentsGeneric().migrations);

export const fill = internalMutationGeneric({
  args: {},
  handler: async (ctx) => {
    for (let n = 0; n < 150; n++) await ctx.db.insert("bills", { n });
  },
});

export const pay = migrations.define({ table: "bills", batchSize: 40, migrateOne: () => ({ paid: true }) });

export const choke = migrations.define({
  table: "bills",
  batchSize: 40,
  migrateOne: (_ctx, bill) => {
    if (bill.n === 100) throw new Error("cannot pay");
    return { note: `bill ${bill.n}` };
  },
});

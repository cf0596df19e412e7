import { Migrations } from "@convex-dev/migrations";
import { components } from "../_generated/api";

export const migrations = new Migrations(components.migrations, { defaultBatchSize: 25 });
export const define = migrations.define.bind(migrations);

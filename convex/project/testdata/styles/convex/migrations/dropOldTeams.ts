import { define } from "../lib/instance";

export const migration = define({ table: "teams", migrateOne: () => ({ old: undefined }) });

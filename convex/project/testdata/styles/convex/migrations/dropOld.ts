import { define } from "../lib/instance";

export const migration = define({ table: "users", migrateOne: () => ({ old: undefined }) });

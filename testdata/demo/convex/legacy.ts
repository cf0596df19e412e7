import type { DataModelFromSchemaDefinition, DocumentByName } from "convex/server";
import type before from "../schemas/before";

type Before = DataModelFromSchemaDefinition<typeof before>;

/**
 * A document as release 4 wrote it, for migrations: the types of today know
 * only what it becomes. Any field may be gone already.
 */
export function legacy<Table extends keyof Before & string>(
  _table: Table,
  document: object,
): Partial<DocumentByName<Before, Table>> {
  return document;
}

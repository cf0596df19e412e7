// defineSchema and defineTable, and what they export (convex-wire.md 7.1). The
// order of the keys is part of it: deployments keep the text.
import { isValidator, v, type Fields, type ObjectOf, type Union, type Validator } from "../values/validator";

type DbIndex = { indexDescriptor: string; fields: string[] };
type SearchIndex = { indexDescriptor: string; searchField: string; filterFields: string[] };
type VectorIndex = {
  indexDescriptor: string;
  vectorField: string;
  dimensions: number;
  filterFields: string[];
};

function jsonOf(validator: Validator, what: string, where: string): any {
  const { json } = validator;
  if (typeof json === "object") return json;
  throw new Error(
    `Invalid ${what}: please make sure that the parameter of \`${where}\` is valid (see https://docs.convex.dev/database/schemas)`,
  );
}

class TableDefinition {
  indexes: DbIndex[] = [];
  stagedDbIndexes: DbIndex[] = [];
  searchIndexes: SearchIndex[] = [];
  stagedSearchIndexes: SearchIndex[] = [];
  vectorIndexes: VectorIndex[] = [];
  stagedVectorIndexes: VectorIndex[] = [];
  stagedValidator: Validator | undefined;

  constructor(readonly validator: Validator) {}

  " indexes"() {
    return this.indexes;
  }

  index(name: string, config: string[] | { fields: string[]; staged?: boolean }) {
    const { fields, staged } = Array.isArray(config) ? { fields: config, staged: false } : config;
    (staged ? this.stagedDbIndexes : this.indexes).push({ indexDescriptor: name, fields });
    return this;
  }

  searchIndex(name: string, config: { searchField: string; filterFields?: string[]; staged?: boolean }) {
    (config.staged ? this.stagedSearchIndexes : this.searchIndexes).push({
      indexDescriptor: name,
      searchField: config.searchField,
      filterFields: config.filterFields || [],
    });
    return this;
  }

  vectorIndex(
    name: string,
    config: { vectorField: string; dimensions: number; filterFields?: string[]; staged?: boolean },
  ) {
    (config.staged ? this.stagedVectorIndexes : this.vectorIndexes).push({
      indexDescriptor: name,
      vectorField: config.vectorField,
      dimensions: config.dimensions,
      filterFields: config.filterFields || [],
    });
    return this;
  }

  /** The validator that is to come: whole, or as changes to fields. */
  staged(next: Validator | Record<string, Validator | undefined>) {
    if (this.stagedValidator !== undefined)
      throw new Error("Table cannot have more than one staged validator.");
    this.stagedValidator = isValidator(next)
      ? next
      : this._changed(next as Record<string, Validator | undefined>);
    return this;
  }

  private _changed(changes: Record<string, Validator | undefined>): Validator {
    const { kind } = this.validator;
    if (kind !== "object" && kind !== "any") {
      throw new Error(
        "Specifying top-level field changes is only supported for simple table definitions. For a table defined with a union or record validator, you must stage a fully defined object or union validator.",
      );
    }
    const fields: Record<string, Validator | undefined> = {
      ...(kind === "object" ? (this.validator as ObjectOf).fields : {}),
      ...changes,
    };
    for (const name of Object.keys(fields)) if (fields[name] === undefined) delete fields[name];
    return v.object(fields as Fields);
  }

  self() {
    return this;
  }

  export() {
    return {
      indexes: this.indexes,
      stagedDbIndexes: this.stagedDbIndexes,
      searchIndexes: this.searchIndexes,
      stagedSearchIndexes: this.stagedSearchIndexes,
      vectorIndexes: this.vectorIndexes,
      stagedVectorIndexes: this.stagedVectorIndexes,
      documentType: jsonOf(this.validator, "validator", "defineTable"),
      stagedDocumentType:
        this.stagedValidator && jsonOf(this.stagedValidator, "staged validator", ".staged()"),
    };
  }
}

export type { TableDefinition };

export function defineTable(shape: Validator | Fields): TableDefinition {
  return new TableDefinition(isValidator(shape) ? shape : v.object(shape as Fields));
}

function withSystemFields(tableName: string, validator: Validator): Validator {
  switch (validator.kind) {
    case "any":
      return validator;
    case "object":
      return (validator as ObjectOf).extend({ _id: v.id(tableName), _creationTime: v.number() });
    case "union":
      return v.union(...(validator as Union).members.map((member) => withSystemFields(tableName, member)));
  }
  throw new Error(
    `Invalid validator for table "${tableName}": a table's documents must be objects, or a union of objects (see https://docs.convex.dev/database/schemas)`,
  );
}

/** The validator of whole documents of a table, system fields and all. */
export function docValidator(tableName: string, table: TableDefinition): Validator {
  return withSystemFields(tableName, table.validator);
}

class SchemaDefinition {
  readonly schemaValidation: boolean;
  readonly strictTableNameTypes: boolean | undefined;

  constructor(
    readonly tables: Record<string, TableDefinition>,
    options?: { schemaValidation?: boolean },
  ) {
    this.schemaValidation = options?.schemaValidation ?? true;
  }

  private _table(name: string): TableDefinition {
    const table = this.tables[name];
    if (table !== undefined) return table;
    const names = Object.keys(this.tables).join(", ");
    throw new Error(`Table "${name}" is not in this schema. Tables in this schema: ${names}`);
  }

  doc(tableName: string): Validator {
    return docValidator(tableName, this._table(tableName));
  }

  id(tableName: string): Validator {
    this._table(tableName);
    return v.id(tableName);
  }

  export(): string {
    const tables = Object.entries(this.tables).map(([tableName, table]) => {
      const { indexes, stagedDbIndexes, searchIndexes, stagedSearchIndexes, ...rest } = table.export();
      const { vectorIndexes, stagedVectorIndexes, documentType, stagedDocumentType } = rest;
      return {
        tableName,
        indexes,
        stagedDbIndexes,
        searchIndexes,
        stagedSearchIndexes,
        vectorIndexes,
        stagedVectorIndexes,
        documentType,
        stagedDocumentType,
      };
    });
    return JSON.stringify({ tables, schemaValidation: this.schemaValidation });
  }
}

export type { SchemaDefinition };

export function defineSchema(
  tables: Record<string, TableDefinition>,
  options?: { schemaValidation?: boolean; strictTableNameTypes?: boolean },
): SchemaDefinition {
  return new SchemaDefinition(tables, options);
}

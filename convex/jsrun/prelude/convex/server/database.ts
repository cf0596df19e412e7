// ctx.db.
import { commitTsPlaceholder, convexToJson, patchToJson } from "../values/codec";
import { TableQuery } from "./query";
import { asyncSyscall, need, rawSyscall, syscall, version } from "./syscall";

function checkRealm(tableName: string, isSystem: boolean, method: string) {
  const system = tableName.startsWith("_");
  if (system === isSystem) return;
  throw new Error(
    `${system ? "System" : "User"} tables can only be accessed from db.${isSystem ? "" : "system."}${method}().`,
  );
}

async function get(table: string | undefined, id: any, isSystem: boolean) {
  need(id, 1, "get", "id");
  if (typeof id !== "string") {
    throw new Error(`Invalid argument \`id\` for \`db.get\`, expected string but got '${typeof id}': ${id}`);
  }
  return await asyncSyscall("1.0/get", { id, isSystem, version, table });
}

async function insert(table: string, value: any): Promise<string> {
  if (table.startsWith("_")) throw new Error("System tables (prefixed with `_`) are read-only.");
  need(table, 1, "insert", "table");
  need(value, 2, "insert", "value");
  return (await rawSyscall("1.0/insert", { table, value: convexToJson(value) }))._id;
}

// change is patch, replace and delete: the answer of the host, the document,
// is not read.
async function change(op: string, args: object): Promise<void> {
  await rawSyscall(op, args);
}

async function patch(table: string | undefined, id: any, value: any) {
  need(id, 1, "patch", "id");
  need(value, 2, "patch", "value");
  await change("1.0/shallowMerge", { id: convexToJson(id), value: patchToJson(value), table });
}

async function replace(table: string | undefined, id: any, value: any) {
  need(id, 1, "replace", "id");
  need(value, 2, "replace", "value");
  await change("1.0/replace", { id: convexToJson(id), value: convexToJson(value), table });
}

async function remove(table: string | undefined, id: any) {
  need(id, 1, "delete", "id");
  await change("1.0/remove", { id: convexToJson(id), table });
}

function query(tableName: string, isSystem: boolean) {
  checkRealm(tableName, isSystem, "query");
  return new TableQuery(tableName);
}

function readTable(tableName: string, isSystem: boolean) {
  return {
    get: (id: any) => get(tableName, id, isSystem),
    query: () => query(tableName, isSystem),
  };
}

function realm(isSystem: boolean) {
  return {
    // Both get(id) and get(table, id); likewise below.
    get: async (a: any, b?: any) => (b === undefined ? get(undefined, a, isSystem) : get(a, b, isSystem)),
    query: (tableName: string) => query(tableName, isSystem),
    normalizeId: (tableName: string, id: any): string | null => {
      need(tableName, 1, "normalizeId", "tableName");
      need(id, 2, "normalizeId", "id");
      checkRealm(tableName, isSystem, "normalizeId");
      return syscall("1.0/db/normalizeId", { table: tableName, idString: id }).id;
    },
    table: (tableName: string) => readTable(tableName, isSystem),
  };
}

/** ctx.db of a query. */
export function reader() {
  return { ...realm(false), system: realm(true) };
}

/** ctx.db of a mutation. */
export function writer() {
  return {
    ...reader(),
    insert: async (table: string, value: any) => insert(table, value),
    patch: async (a: any, b: any, c?: any) => (c === undefined ? patch(undefined, a, b) : patch(a, b, c)),
    replace: async (a: any, b: any, c?: any) =>
      c === undefined ? replace(undefined, a, b) : replace(a, b, c),
    delete: async (a: any, b?: any) => (b === undefined ? remove(undefined, a) : remove(a, b)),
    table: (tableName: string) => ({
      ...readTable(tableName, false),
      insert: (value: any) => insert(tableName, value),
      patch: (id: any, value: any) => patch(tableName, id, value),
      replace: (id: any, value: any) => replace(tableName, id, value),
      delete: (id: any) => remove(tableName, id),
    }),
    vars: { commitTs: commitTsPlaceholder },
  };
}

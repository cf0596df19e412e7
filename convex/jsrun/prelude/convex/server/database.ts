// ctx.db.
import { commitTsPlaceholder, convexToJson, decode, patchToJson } from "../values/codec";
import { TableQuery } from "./query";
import { call, need, syscall, version } from "./syscall";

function checkRealm(tableName: string, isSystem: boolean, method: string) {
  const system = tableName.startsWith("_");
  if (system === isSystem) return;
  throw new Error(
    `${system ? "System" : "User"} tables can only be accessed from db.${isSystem ? "" : "system."}${method}().`,
  );
}

// How many awaits the npm package has in each of these.
const turns = 3;

// promised makes what a method throws a rejection, as of an async function.
const promised =
  <T>(method: (a: any, b: any, c: any) => Promise<T>) =>
  (a: any, b?: any, c?: any): Promise<T> => {
    try {
      return method(a, b, c);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  };

function get(table: string | undefined, id: any, isSystem: boolean): Promise<any> {
  need(id, 1, "get", "id");
  if (typeof id !== "string") {
    throw new Error(`Invalid argument \`id\` for \`db.get\`, expected string but got '${typeof id}': ${id}`);
  }
  return call("1.0/get", { id, isSystem, version, table }, turns, decode);
}

function insert(table: string, value: any): Promise<string> {
  if (table.startsWith("_")) throw new Error("System tables (prefixed with `_`) are read-only.");
  need(table, 1, "insert", "table");
  need(value, 2, "insert", "value");
  return call("1.0/insert", { table, value: convexToJson(value) }, turns, (text) => JSON.parse(text)._id);
}

// change is patch, replace and delete: the answer of the host, the document,
// is not read.
function change(op: string, args: object): Promise<void> {
  return call(op, args, turns, () => undefined);
}

function patch(table: string | undefined, id: any, value: any) {
  need(id, 1, "patch", "id");
  need(value, 2, "patch", "value");
  return change("1.0/shallowMerge", { id: convexToJson(id), value: patchToJson(value), table });
}

function replace(table: string | undefined, id: any, value: any) {
  need(id, 1, "replace", "id");
  need(value, 2, "replace", "value");
  return change("1.0/replace", { id: convexToJson(id), value: convexToJson(value), table });
}

function remove(table: string | undefined, id: any) {
  need(id, 1, "delete", "id");
  return change("1.0/remove", { id: convexToJson(id), table });
}

function query(tableName: string, isSystem: boolean) {
  checkRealm(tableName, isSystem, "query");
  return new TableQuery(tableName);
}

function readTable(tableName: string, isSystem: boolean) {
  return {
    get: promised((id) => get(tableName, id, isSystem)),
    query: () => query(tableName, isSystem),
  };
}

function realm(isSystem: boolean) {
  return {
    // Both get(id) and get(table, id); likewise below.
    get: promised((a, b) => (b === undefined ? get(undefined, a, isSystem) : get(a, b, isSystem))),
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
    insert: promised(insert),
    patch: promised((a, b, c) => (c === undefined ? patch(undefined, a, b) : patch(a, b, c))),
    replace: promised((a, b, c) => (c === undefined ? replace(undefined, a, b) : replace(a, b, c))),
    delete: promised((a, b) => (b === undefined ? remove(undefined, a) : remove(a, b))),
    table: (tableName: string) => ({
      ...readTable(tableName, false),
      insert: promised((value) => insert(tableName, value)),
      patch: promised((id, value) => patch(tableName, id, value)),
      replace: promised((id, value) => replace(tableName, id, value)),
      delete: promised((id) => remove(tableName, id)),
    }),
    vars: { commitTs: commitTsPlaceholder },
  };
}

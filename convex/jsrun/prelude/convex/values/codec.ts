// Values and their JSON form (convex-wire.md 8.1). Text that holds no `"$` has
// nothing to decode: it is the value as JSON.parse gives it, which is what
// makes reading documents cheap.
import * as Base64 from "./base64";

export type Value =
  null | boolean | number | bigint | string | ArrayBuffer | Value[] | { [field: string]: Value | undefined };

const learnMore = "To learn about Convex's supported types, see https://docs.convex.dev/using/types.";
const minInt64 = -(2n ** 63n);
export const maxInt64 = 2n ** 63n - 1n;

/** Stands for the timestamp that the commit will give (db.vars.commitTs). */
export class CommitTsPlaceholder {
  [Symbol.toPrimitive](hint: string) {
    if (hint === "string") return this.toString();
    return this.valueOf();
  }
  valueOf(): never {
    throw new Error(
      "This commit timestamp is unresolved: its value is assigned when the mutation commits. Read the document after the mutation completes to get its value.",
    );
  }
  toJSON(): never {
    return this.valueOf();
  }
  toString() {
    return "[unresolved commit timestamp]";
  }
}
export const commitTsPlaceholder = new CommitTsPlaceholder();

/** Whether a value is an object literal, of this realm or another. */
export function isSimpleObject(value: unknown): value is Record<string, any> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || prototype.constructor?.name === "Object";
}

function bytesOf(tag: string, text: unknown, length?: number): ArrayBuffer {
  if (typeof text !== "string") throw new Error(`Malformed ${tag} field on [object Object]`);
  const bytes = Base64.toByteArray(text);
  if (length !== undefined && bytes.byteLength !== length) {
    throw new Error(`Received ${bytes.byteLength} bytes, expected ${length} for ${tag}`);
  }
  return bytes.buffer as ArrayBuffer;
}

const isSpecial = (n: number) => !Number.isFinite(n) || Object.is(n, -0);

function decodeTagged(tag: string, inner: any): any {
  switch (tag) {
    case "$bytes":
      return bytesOf(tag, inner);
    case "$integer":
      return new DataView(bytesOf(tag, inner, 8)).getBigInt64(0, true);
    case "$float": {
      const float = new DataView(bytesOf(tag, inner, 8)).getFloat64(0, true);
      if (!isSpecial(float)) throw new Error(`Float ${float} should be encoded as a number`);
      return float;
    }
    case "$commitTs":
      if (inner !== null) throw new Error("Malformed $commitTs field on [object Object]");
      return commitTsPlaceholder;
    case "$set":
      throw new Error("Received a Set which is no longer supported as a Convex type.");
    case "$map":
      throw new Error("Received a Map which is no longer supported as a Convex type.");
  }
  checkField(tag); // throws: every other `$…` is reserved
}

/** The value that a JSON form stands for. */
export function jsonToConvex(json: any): any {
  if (typeof json !== "object" || json === null) {
    if (
      json === undefined ||
      typeof json === "function" ||
      typeof json === "symbol" ||
      typeof json === "bigint"
    ) {
      throw new Error(`Unexpected type of ${String(json)}`);
    }
    return json;
  }
  if (Array.isArray(json)) return json.map(jsonToConvex);
  const keys = Object.keys(json);
  if (keys.length === 1 && keys[0]!.charCodeAt(0) === 36) return decodeTagged(keys[0]!, json[keys[0]!]);
  const out: Record<string, any> = {};
  for (const key of keys) {
    checkField(key);
    out[key] = jsonToConvex(json[key]);
  }
  return out;
}

/** JSON text to a value. The engine puts a space before text that has nothing to decode. */
export function decode(text: string): any {
  const json = JSON.parse(text);
  return text.charCodeAt(0) !== 32 && text.includes('"$') ? jsonToConvex(json) : json;
}

const plainField = /^(?!\$)[ -~]*$/;

function checkField(name: string) {
  if (name.length <= 1024 && plainField.test(name)) return;
  if (name.length > 1024) throw new Error(`Field name ${name} exceeds maximum field name length 1024.`);
  if (name.startsWith("$")) throw new Error(`Field name ${name} starts with a '$', which is reserved.`);
  const bad = name.split("").find((c) => c < " " || c > "~");
  throw new Error(
    `Field name ${name} has invalid character '${bad}': Field names can only contain non-control ASCII characters`,
  );
}

/** A value as error texts show it, cut at 16,384 characters. */
export function textForError(value: unknown): string {
  const text =
    JSON.stringify(value, (_, inner) => {
      switch (typeof inner) {
        case "undefined":
          return "undefined";
        case "function":
          return "[Function]";
        case "symbol":
          return String(inner);
        case "bigint":
          return `${inner}n`;
      }
      return inner;
    }) ?? "undefined";
  const most = 16384;
  if (text.length <= most) return text;
  const rest = "[...truncated]";
  let end = most - rest.length;
  if ((text.codePointAt(end - 1) ?? 0) > 0xffff) end--; // not through a surrogate pair
  return text.slice(0, end) + rest;
}

function present(path: string, root: unknown): string {
  return `(present at path ${path} in original object ${textForError(root)})`;
}

function unsupported(kind: string, shown: unknown, path: string, root: unknown): Error {
  const what = `${kind}${textForError(shown)} is not a supported Convex type`;
  return new Error(path ? `${what} ${present(path, root)}. ${learnMore}` : `${what}.`);
}

function special(n: number) {
  const bytes = new ArrayBuffer(8);
  new DataView(bytes).setFloat64(0, n, true);
  return { $float: Base64.fromByteArray(new Uint8Array(bytes)) };
}

function integer(n: bigint) {
  if (n < minInt64 || maxInt64 < n) throw new Error(`BigInt ${n} does not fit into a 64-bit signed integer.`);
  const bytes = new ArrayBuffer(8);
  new DataView(bytes).setBigInt64(0, n, true);
  return { $integer: Base64.fromByteArray(new Uint8Array(bytes)) };
}

// encode walks a value. keepUndefined holds for the fields of a patch only.
function encode(value: any, root: unknown, path: string, keepUndefined: boolean): any {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return isSpecial(value) ? special(value) : value;
    case "bigint":
      return integer(value);
    case "undefined":
      throw new Error(
        `undefined is not a valid Convex value${path && ` ${present(path, root)}`}. ${learnMore}`,
      );
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map((item, i) => encode(item, root, `${path}[${i}]`, false));
  if (!isSimpleObject(value)) return encodeInstance(value, root, path);
  const out: Record<string, any> = {};
  for (const key of Object.keys(value).sort()) {
    const inner = value[key];
    if (inner === undefined) {
      if (!keepUndefined) continue;
      checkField(key);
      out[key] = { $undefined: null };
      continue;
    }
    checkField(key);
    out[key] = encode(inner, root, `${path}.${key}`, false);
  }
  return out;
}

function encodeInstance(value: any, root: unknown, path: string): any {
  if (value instanceof ArrayBuffer) return { $bytes: Base64.fromByteArray(new Uint8Array(value)) };
  if (value instanceof CommitTsPlaceholder) return { $commitTs: null };
  if (value instanceof Set) throw unsupported("Set", [...value], path, root);
  if (value instanceof Map) throw unsupported("Map", [...value], path, root);
  const name = value?.constructor?.name;
  throw unsupported(name ? `${name} ` : "", value, path, root);
}

/** The JSON form of a value. Fields that are undefined are left out. */
export function convexToJson(value: any): any {
  return encode(value, value, "", false);
}

/** Like convexToJson, for the literals of filters and index ranges. */
export function convexOrUndefinedToJson(value: any): any {
  return value === undefined ? { $undefined: null } : encode(value, value, "", false);
}

/** Like convexToJson, for patches: an undefined field means "remove it". */
export function patchToJson(value: any): any {
  return encode(value, value, "", true);
}

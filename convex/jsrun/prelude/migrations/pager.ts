// Pages through an index without the host's cursors, so that it also works
// inside components and leaves cursors that people can read: a page ends at
// the index key of its last document, as JSON ("[1700000000000,\"k57…\"]");
// "[]" is the end.
import { compareValues, convexToJson, jsonToConvex } from "convex/values";

type Key = any[];
type Order = "asc" | "desc";

/** A place in an index: before or behind all keys that begin with `key`. */
type Place = { key: Key; side: -1 | 1 };

/** Where Place is relative to another: negative when it comes first. */
function comparePlaces(a: Place, b: Place): number {
  const n = Math.min(a.key.length, b.key.length);
  for (let i = 0; i < n; i++) {
    const c = compareValues(a.key[i], b.key[i]);
    if (c !== 0) return c;
  }
  if (a.key.length === b.key.length) return a.side - b.side;
  return a.key.length < b.key.length ? a.side : -b.side;
}

type Bound = ["eq" | "gt" | "gte" | "lt" | "lte", field: string, value: any];

/**
 * The index ranges, ascending, that together lie between two places. A range
 * can bound only one field, the one behind those that are equal, so a key of
 * several fields takes a range for each of its tails.
 */
function between(fields: string[], from: Place, to: Place): Bound[][] {
  let common = 0;
  while (
    common < from.key.length &&
    common < to.key.length &&
    compareValues(from.key[common], to.key[common]) === 0
  ) {
    common++;
  }
  const equal = (key: Key, n: number): Bound[] =>
    key.slice(0, n).map((value, i) => ["eq", fields[i]!, value]);
  // The innermost bound of a key keeps or leaves out the key itself; the
  // others leave it out, for the ranges inside have it.
  const low = (n: number): Bound => {
    const inclusive = from.side < 0 && n === from.key.length;
    return [inclusive ? "gte" : "gt", fields[n - 1]!, from.key[n - 1]];
  };
  const high = (n: number): Bound => {
    const inclusive = to.side > 0 && n === to.key.length;
    return [inclusive ? "lte" : "lt", fields[n - 1]!, to.key[n - 1]];
  };
  const ranges: Bound[][] = [];
  for (let n = from.key.length; n > common + 1; n--) ranges.push([...equal(from.key, n - 1), low(n)]);
  const middle = equal(from.key, common);
  if (from.key.length > common) middle.push(low(common + 1));
  if (to.key.length > common) middle.push(high(common + 1));
  ranges.push(middle);
  for (let n = common + 2; n <= to.key.length; n++) ranges.push([...equal(to.key, n - 1), high(n)]);
  return ranges;
}

// Undefined is a value of an index but none of JSON: it is written as the
// string "undefined", and strings that end so get a "_" in front.
function toCursor(key: Key): string {
  const escaped = key.map((value) => {
    if (value === undefined) return "undefined";
    return typeof value === "string" && value.endsWith("undefined") ? `_${value}` : value;
  });
  return JSON.stringify(convexToJson(escaped));
}

function fromCursor(cursor: string): Key {
  return jsonToConvex(JSON.parse(cursor)).map((value: any) => {
    if (value === "undefined") return undefined;
    return typeof value === "string" && value.endsWith("undefined") ? value.slice(1) : value;
  });
}

function keyOf(document: any, fields: string[]): Key {
  return fields.map((field) => field.split(".").reduce((inner, name) => inner?.[name], document));
}

function indexFields(schema: any, table: string, index: string): string[] {
  if (index === "by_id") return ["_id"];
  if (index === "by_creation_time") return ["_creationTime", "_id"];
  const found = schema.tables[table]?.[" indexes"]().find((i: any) => i.indexDescriptor === index);
  if (!found) throw new Error(`Index ${index} not found in table ${table}`);
  return [...found.fields, "_creationTime", "_id"];
}

/** Takes down what a `q => q.eq(…).gt(…)` says, checking that an index can answer it. */
class RangeReader {
  readonly low: Place = { key: [], side: -1 };
  readonly high: Place = { key: [], side: 1 };
  private _bounded = false; // a field has an inequality: it is the last one

  constructor(private readonly fields: string[]) {}

  private _check(op: string, field: string, side: Place, other: Place) {
    const at = side.key.length;
    const free = at < other.key.length || (at === other.key.length && !this._bounded);
    if (!free || this.fields[at] !== field) throw new Error(`Cannot use ${op} on field '${field}'`);
  }
  eq(field: string, value: any) {
    this._check("eq", field, this.low, this.high);
    this._check("eq", field, this.high, this.low);
    this.low.key.push(value);
    this.high.key.push(value);
    return this;
  }
  private _bound(op: string, field: string, value: any, side: Place, other: Place, inclusive: boolean) {
    this._check(op, field, side, other);
    side.key.push(value);
    if (!inclusive) side.side = -side.side as 1 | -1;
    this._bounded = true;
    return this;
  }
  gt(field: string, value: any) {
    return this._bound("gt", field, value, this.low, this.high, false);
  }
  gte(field: string, value: any) {
    return this._bound("gte", field, value, this.low, this.high, true);
  }
  lt(field: string, value: any) {
    return this._bound("lt", field, value, this.high, this.low, false);
  }
  lte(field: string, value: any) {
    return this._bound("lte", field, value, this.high, this.low, true);
  }
}

/** What pages are cut from. */
type Source = {
  db: any;
  schema: any;
  table: string;
  index: string;
  fields: string[];
  low: Place;
  high: Place;
  order: Order;
};

// At most `most` documents between two places, in the source's order.
async function read(source: Source, low: Place, high: Place, most: number): Promise<any[]> {
  const documents: any[] = [];
  if (comparePlaces(low, high) >= 0) return documents;
  const ranges = between(source.fields, low, high);
  if (source.order === "desc") ranges.reverse();
  for (const range of ranges) {
    const query = source.db
      .query(source.table)
      .withIndex(source.index, (q: any) => range.reduce((q, [op, field, value]) => q[op](field, value), q))
      .order(source.order);
    for await (const document of query) {
      if (documents.push(document) === most) return documents;
    }
  }
  return documents;
}

class Pages {
  constructor(protected readonly source: Source) {}

  async paginate({ cursor, numItems }: { cursor: string | null; numItems: number }) {
    if (numItems === 0) {
      if (cursor !== null) return { page: [], isDone: false, continueCursor: cursor };
      throw new Error(
        ".paginate called with cursor of null and 0 for numItems. This is not supported, as null is not a valid continueCursor. Advice: avoid calling paginate entirely in these cases.",
      );
    }
    const [low, high] = this._behind(cursor);
    const page = await read(this.source, low, high, numItems);
    const isDone = page.length < numItems;
    const continueCursor = isDone ? "[]" : toCursor(keyOf(page[page.length - 1], this.source.fields));
    return { page, isDone, continueCursor };
  }

  // What is left of the range behind a cursor. The end's cursor, "[]", says
  // nothing of where: it begins again.
  private _behind(cursor: string | null): [low: Place, high: Place] {
    const { low, high, order } = this.source;
    const key = cursor === null ? [] : fromCursor(cursor);
    if (key.length === 0) return [low, high];
    if (order === "asc") {
      const start: Place = { key, side: 1 };
      return [comparePlaces(start, low) > 0 ? start : low, high];
    }
    const start: Place = { key, side: -1 };
    return [low, comparePlaces(start, high) < 0 ? start : high];
  }

  filter(_predicate: unknown): never {
    throw new Error(
      "Cannot call .filter() directly on a query stream. Use .filterWith() for filtering or .collect() if you want to convert the stream to an array first.",
    );
  }
}

class Ordered extends Pages {
  order(order: Order) {
    return new Pages({ ...this.source, order });
  }
}

class Table extends Ordered {
  fullTableScan() {
    return new Ordered(this.source);
  }
  withIndex(index: string, range?: (q: RangeReader) => unknown) {
    const fields = indexFields(this.source.schema, this.source.table, index);
    const reader = new RangeReader(fields);
    range?.(reader);
    return new Ordered({ ...this.source, index, fields, low: reader.low, high: reader.high });
  }
  withSearchIndex(): never {
    throw new Error("Cannot paginate withSearchIndex");
  }
}

/** Like db.query(table), with readable cursors. */
export function pages(db: any, schema: any, table: string) {
  const index = "by_creation_time";
  const fields = indexFields(schema, table, index);
  const ends = { low: { key: [], side: -1 }, high: { key: [], side: 1 } } satisfies {
    low: Place;
    high: Place;
  };
  return new Table({ db, schema, table, index, fields, ...ends, order: "asc" });
}

/** Whether a cursor is one of ours, and not one of the host's. */
export const isReadableCursor = (cursor: string | null) => cursor === null || cursor.startsWith("[");

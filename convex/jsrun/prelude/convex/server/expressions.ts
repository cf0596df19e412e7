// The builders that people write filters, index ranges and searches with, and
// the JSON they become (convex-wire.md 12.5).
import { convexOrUndefinedToJson } from "../values/codec";
import { need } from "./syscall";

class Expression {
  constructor(readonly json: unknown) {}
}

export function expressionJson(e: unknown): unknown {
  return e instanceof Expression ? e.json : { $literal: convexOrUndefinedToJson(e) };
}

const pair = (op: string) => (l: unknown, r: unknown) =>
  new Expression({ [op]: [expressionJson(l), expressionJson(r)] });
const one = (op: string) => (x: unknown) => new Expression({ [op]: expressionJson(x) });
const many =
  (op: string) =>
  (...xs: unknown[]) =>
    new Expression({ [op]: xs.map(expressionJson) });

/** The `q` of `.filter(q => …)`. */
export const filters = {
  eq: pair("$eq"),
  neq: pair("$neq"),
  lt: pair("$lt"),
  lte: pair("$lte"),
  gt: pair("$gt"),
  gte: pair("$gte"),
  add: pair("$add"),
  sub: pair("$sub"),
  mul: pair("$mul"),
  div: pair("$div"),
  mod: pair("$mod"),
  neg: one("$neg"),
  not: one("$not"),
  and: many("$and"),
  or: many("$or"),
  field: (path: string) => new Expression({ $field: path }),
};

/** The `q` of a vector search's filter. */
export const vectorFilters = {
  eq(field: string, value: unknown) {
    if (typeof field !== "string") throw new Error("The first argument to `q.eq` must be a field name.");
    return filters.eq(filters.field(field), value);
  },
  or: filters.or,
};

type Clause = { type: string; fieldPath: string; value: unknown };

// A chain is used up by each step, so that two branches of one never mix.
abstract class Chain {
  private _used = false;
  constructor(protected readonly clauses: Clause[]) {}
  protected abstract usedUp(): string;

  protected take(): Clause[] {
    if (this._used) throw new Error(this.usedUp());
    this._used = true;
    return this.clauses;
  }
  export(): Clause[] {
    return this.take();
  }
}

export class IndexRange extends Chain {
  protected usedUp() {
    return "IndexRangeBuilder has already been used! Chain your method calls like `q => q.eq(...).eq(...)`. See https://docs.convex.dev/using/indexes";
  }
  private _and(type: string, fieldPath: string, value: unknown) {
    return new IndexRange([...this.take(), { type, fieldPath, value: convexOrUndefinedToJson(value) }]);
  }
  eq(field: string, value: unknown) {
    return this._and("Eq", field, value);
  }
  gt(field: string, value: unknown) {
    return this._and("Gt", field, value);
  }
  gte(field: string, value: unknown) {
    return this._and("Gte", field, value);
  }
  lt(field: string, value: unknown) {
    return this._and("Lt", field, value);
  }
  lte(field: string, value: unknown) {
    return this._and("Lte", field, value);
  }
}

export class SearchFilter extends Chain {
  protected usedUp() {
    return "SearchFilterBuilder has already been used! Chain your method calls like `q => q.search(...).eq(...)`.";
  }
  search(field: string, query: string) {
    need(field, 1, "search", "fieldName");
    need(query, 2, "search", "query");
    return new SearchFilter([...this.take(), { type: "Search", fieldPath: field, value: query }]);
  }
  eq(...args: [field: string, value: unknown]) {
    need(args[0], 1, "eq", "fieldName");
    if (args.length !== 2) need(args[1], 2, "search", "value");
    const value = convexOrUndefinedToJson(args[1]);
    return new SearchFilter([...this.take(), { type: "Eq", fieldPath: args[0], value }]);
  }
}

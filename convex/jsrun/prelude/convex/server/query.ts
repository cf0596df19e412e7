// db.query(…): a query is built by chaining, used once, and read one document
// at a time from a stream that the host keeps.
import { decode } from "../values/codec";
import { asyncSyscall, call, need, syscall, version } from "./syscall";
import { expressionJson, filters, IndexRange, SearchFilter } from "./expressions";

const maxOperators = 256;

interface QueryJson {
  source: any;
  operators: any[];
}

export interface PageOptions {
  cursor: string | null;
  numItems: number;
  endCursor?: string | null;
  maximumRowsRead?: number;
  maximumBytesRead?: number;
}

/** A table, before it is said which of its documents and in what order. */
export class TableQuery {
  constructor(private readonly tableName: string) {}

  withIndex(name: string, range?: (q: IndexRange) => IndexRange): Query {
    need(name, 1, "withIndex", "indexName");
    const start = new IndexRange([]);
    return new Query({
      source: {
        type: "IndexRange",
        indexName: `${this.tableName}.${name}`,
        range: (range ? range(start) : start).export(),
        order: null,
      },
      operators: [],
    });
  }
  withSearchIndex(name: string, filter: (q: SearchFilter) => SearchFilter): Query {
    need(name, 1, "withSearchIndex", "indexName");
    need(filter, 2, "withSearchIndex", "searchFilter");
    return new Query({
      source: {
        type: "Search",
        indexName: `${this.tableName}.${name}`,
        filters: filter(new SearchFilter([])).export(),
      },
      operators: [],
    });
  }
  fullTableScan(): Query {
    return new Query({
      source: { type: "FullTableScan", tableName: this.tableName, order: null },
      operators: [],
    });
  }
  async count(): Promise<number> {
    return await asyncSyscall("1.0/count", { table: this.tableName });
  }

  order(order: "asc" | "desc") {
    return this.fullTableScan().order(order);
  }
  filter(predicate: (q: typeof filters) => unknown) {
    return this.fullTableScan().filter(predicate);
  }
  limit(n: number) {
    return this.fullTableScan().limit(n);
  }
  collect() {
    return this.fullTableScan().collect();
  }
  take(n: number) {
    return this.fullTableScan().take(n);
  }
  paginate(options: PageOptions) {
    return this.fullTableScan().paginate(options);
  }
  first() {
    return this.fullTableScan().first();
  }
  unique() {
    return this.fullTableScan().unique();
  }
  [Symbol.asyncIterator]() {
    return this.fullTableScan()[Symbol.asyncIterator]();
  }
}

type State =
  | { is: "built"; query: QueryJson }
  | { is: "open"; queryId: number }
  | { is: "chained" } // another query took it over
  | { is: "read" }; // to its end, or given up

export class Query {
  private _state: State;

  constructor(query: QueryJson) {
    this._state = { is: "built", query };
  }

  private _take(): QueryJson {
    if (this._state.is !== "built") {
      throw new Error("A query can only be chained once and can't be chained after iteration begins.");
    }
    const { query } = this._state;
    this._state = { is: "chained" };
    return query;
  }

  private _refuseClosed() {
    if (this._state.is === "read") throw new Error("This query is closed and can't emit any more values.");
    if (this._state.is === "chained") {
      throw new Error("This query has been chained with another operator and can't be reused.");
    }
  }

  private _open(): number {
    if (this._state.is === "open") throw new Error("Iteration can only begin on a query once.");
    this._refuseClosed();
    const { query } = this._state as { query: QueryJson };
    const { queryId } = syscall("1.0/queryStream", { query, version });
    this._state = { is: "open", queryId };
    return queryId;
  }

  private _close() {
    if (this._state.is === "open") syscall("1.0/queryCleanup", { queryId: this._state.queryId });
    this._state = { is: "read" };
  }

  order(order: "asc" | "desc"): Query {
    need(order, 1, "order", "order");
    const query = this._take();
    if (query.source.type === "Search") {
      throw new Error("Search queries must always be in relevance order. Can not set order manually.");
    }
    if (query.source.order !== null) throw new Error("Queries may only specify order at most once");
    query.source.order = order;
    return new Query(query);
  }
  filter(predicate: (q: typeof filters) => unknown): Query {
    need(predicate, 1, "filter", "predicate");
    const query = this._take();
    if (query.operators.length >= maxOperators) {
      throw new Error(`Can't construct query with more than ${maxOperators} operators`);
    }
    query.operators.push({ filter: expressionJson(predicate(filters)) });
    return new Query(query);
  }
  limit(n: number): Query {
    need(n, 1, "limit", "n");
    const query = this._take();
    query.operators.push({ limit: n });
    return new Query(query);
  }

  [Symbol.asyncIterator]() {
    this._open();
    return this;
  }
  next(): Promise<{ value: any; done: boolean }> {
    try {
      this._refuseClosed();
      const queryId = this._state.is === "open" ? this._state.queryId : this._open();
      return call("1.0/queryStreamNext", { queryId }, 2, Query._taken, this);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }
  private static _taken(text: string, query: Query) {
    const { value, done } = decode(text);
    if (done) query._close();
    return { value, done };
  }
  return() {
    this._close();
    return Promise.resolve({ done: true, value: undefined });
  }

  async paginate(options: PageOptions) {
    need(options, 1, "paginate", "options");
    const pageSize = options?.numItems;
    if (typeof pageSize !== "number" || pageSize < 0) {
      throw new Error(`\`options.numItems\` must be a positive number. Received \`${pageSize}\`.`);
    }
    const { page, isDone, continueCursor, splitCursor, pageStatus } = await asyncSyscall("1.0/queryPage", {
      query: this._take(),
      cursor: options.cursor,
      endCursor: options.endCursor ?? null,
      pageSize,
      maximumRowsRead: options.maximumRowsRead ?? null,
      maximumBytesRead: options.maximumBytesRead,
      version,
    });
    return { page, isDone, continueCursor, splitCursor, pageStatus };
  }
  async collect(): Promise<any[]> {
    const documents = [];
    for await (const document of this) documents.push(document);
    return documents;
  }
  async take(n: number): Promise<any[]> {
    need(n, 1, "take", "n");
    if (!Number.isInteger(n) || n < 0) {
      throw new TypeError("Arg 1 `n` to `take` must be a non-negative integer");
    }
    return this.limit(n).collect();
  }
  async first(): Promise<any> {
    return (await this.take(1))[0] ?? null;
  }
  async unique(): Promise<any> {
    const table = this._tableName();
    const [first, second] = await this.take(2);
    if (second !== undefined) {
      throw new Error(
        `unique() query returned more than one result from table ${table}:\n [${first._id}, ${second._id}, ...]`,
      );
    }
    return first ?? null;
  }
  private _tableName(): string {
    if (this._state.is !== "built") return "";
    const { source } = this._state.query;
    return source.tableName ?? source.indexName.split(".")[0];
  }
}

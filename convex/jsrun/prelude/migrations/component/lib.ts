// The migrations component: keeps the state of migrations and runs them, one
// batch a transaction, by scheduling itself (convex-wire.md 13.1).
import { anyApi, mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { ConvexError, v } from "convex/values";
import {
  dryRunKind,
  migrationStatus,
  type MigrationResult,
  type MigrationStatus,
  type Next,
} from "../protocol";

type Row = {
  _id: string;
  name: string;
  cursor: string | null;
  isDone: boolean;
  workerId?: string;
  error?: string;
  processed: number;
  latestStart: number;
  latestEnd?: number;
};

type Start = {
  name: string;
  fnHandle: string;
  cursor?: string | null;
  batchSize?: number;
  oneBatchOnly?: boolean;
  next?: Next[];
  dryRun: boolean;
  reset?: boolean;
};

const { lib } = anyApi;
const page = 100; // rows that cancelAll and clearAll take at once

const rowNamed = (ctx: any, name: string): Promise<Row | null> =>
  ctx.db
    .query("migrations")
    .withIndex("name", (q: any) => q.eq("name", name))
    .unique();

async function workerOf(ctx: any, row: { workerId?: string }): Promise<any> {
  return row.workerId && (await ctx.db.system.get("_scheduled_functions", row.workerId));
}

const isAlive = (worker: any) => ["pending", "inProgress"].includes(worker?.state.kind);

function stateOf(row: Omit<Row, "_id">, worker: any): MigrationStatus["state"] {
  if (row.isDone) return "success";
  if (row.error || worker?.state.kind === "failed") return "failed";
  if (worker?.state.kind === "canceled") return "canceled";
  return isAlive(worker) ? "inProgress" : "unknown";
}

async function statusOf(ctx: any, row: Omit<Row, "_id">): Promise<MigrationStatus> {
  const worker = await workerOf(ctx, row);
  const args = worker?.args[0] as Start | undefined;
  return {
    name: row.name,
    cursor: row.isDone ? null : row.cursor,
    processed: row.processed,
    isDone: row.isDone,
    latestStart: row.latestStart,
    latestEnd: row.latestEnd,
    error: row.error,
    state: stateOf(row, worker),
    batchSize: args?.batchSize,
    next: args?.next?.map(({ name }) => name),
  };
}

function checkStart({ batchSize, fnHandle }: Start) {
  if (batchSize !== undefined && batchSize <= 0) throw new Error("Batch size must be greater than 0");
  if (fnHandle.startsWith("function://")) return;
  throw new Error(
    "Invalid fnHandle.\n" +
      "Do not call this from the CLI or dashboard directly.\n" +
      "Instead use the `migrations.runner` function to run migrations." +
      "See https://www.convex.dev/components/migrations",
  );
}

async function rowFor(ctx: any, { name, cursor }: Start): Promise<Row> {
  const row = await rowNamed(ctx, name);
  if (row) return row;
  const fresh = { name, cursor: cursor ?? null, isDone: false, processed: 0, latestStart: Date.now() };
  return await ctx.db.get("migrations", await ctx.db.insert("migrations", fresh));
}

function restart(row: Row, cursor: string | null) {
  row.cursor = cursor;
  row.isDone = false;
  row.latestStart = Date.now();
  row.latestEnd = undefined;
  row.processed = 0;
}

function advance(row: Row, result: MigrationResult) {
  row.cursor = result.continueCursor;
  row.isDone = result.isDone;
  row.processed += result.processed;
  if (result.isDone) row.latestEnd ??= Date.now();
}

// Starts the first of the series that is not done; all of them, on a reset.
async function startNext(ctx: any, { name, cursor, next = [], batchSize, dryRun, reset }: Start) {
  let i = 0;
  for (; i < next.length; i++) {
    const row = await rowNamed(ctx, next[i]!.name);
    if (!reset && row?.isDone) continue;
    await ctx.scheduler.runAfter(0, lib.migrate, {
      ...next[i]!,
      next: next.slice(i + 1),
      batchSize,
      dryRun,
      ...(reset && { reset: true, cursor: null }),
    });
    break;
  }
  if (cursor !== undefined) {
    console.info(`Migration ${name} is done.${i < next.length ? ` Next: ${next[i]!.name}` : ""}`);
  } else if (next.length > 0 && i === next.length) {
    console.info(`Migration${i > 0 ? "s" : ""} up next already done.`);
  }
}

// One batch, and whatever is to come behind it.
async function step(ctx: any, row: Row, start: Start) {
  const { fnHandle, batchSize, dryRun } = start;
  if (!row.isDone) {
    const batch = { cursor: row.cursor, batchSize, dryRun, oneBatchOnly: true };
    advance(row, await ctx.runMutation(fnHandle, batch));
    row.error = undefined;
  }
  row.workerId = undefined;
  if (start.oneBatchOnly) return;
  if (row.isDone) await startNext(ctx, start);
  else row.workerId = await ctx.scheduler.runAfter(0, lib.migrate, { ...start, cursor: row.cursor });
}

// A batch that threw has written nothing: its transaction was rolled back. The
// row keeps what went wrong, unless it was a dry run, which throws by design.
async function stop(ctx: any, row: Row, { name, batchSize, next, dryRun }: Start, thrown: unknown) {
  row.workerId = undefined;
  if (dryRun && thrown instanceof ConvexError && thrown.data.kind === dryRunKind) {
    advance(row, thrown.data.result);
  } else {
    row.error = thrown instanceof Error ? thrown.message : String(thrown);
    console.error(`Migration ${name} failed: ${row.error}`);
  }
  if (!dryRun) return;
  const status = await statusOf(ctx, row);
  throw new ConvexError({
    kind: dryRunKind,
    status: { ...status, batchSize, next: next?.map(({ name }) => name) },
  });
}

const startArgs = {
  name: v.string(),
  fnHandle: v.string(),
  cursor: v.optional(v.nullable(v.string())),
  batchSize: v.optional(v.number()),
  oneBatchOnly: v.optional(v.boolean()),
  next: v.optional(v.array(v.object({ name: v.string(), fnHandle: v.string() }))),
  dryRun: v.boolean(),
  reset: v.optional(v.boolean()),
};

/** Starts or goes on with a migration: one batch, the rest scheduled. */
export const migrate = mutation({
  args: startArgs,
  returns: migrationStatus,
  handler: async (ctx: any, start: Start) => {
    checkStart(start);
    const row = await rowFor(ctx, start);
    if (row.cursor !== start.cursor) {
      const worker = await workerOf(ctx, row);
      if (isAlive(worker)) {
        console.debug({ state: row, worker });
        return statusOf(ctx, row);
      }
      if (start.cursor !== undefined) restart(row, start.cursor);
    }
    try {
      await step(ctx, row, start);
    } catch (thrown) {
      await stop(ctx, row, start, thrown);
    }
    await ctx.db.patch("migrations", row._id, row);
    if (start.dryRun) {
      // Nothing was left to do, so nothing threw; roll back all the same.
      console.debug({ args: start, state: row });
      throw new Error("Error: Dry run attempted to update state - rolling back transaction.");
    }
    return statusOf(ctx, row);
  },
});

const neverStarted = (name: string) => ({
  name,
  processed: 0,
  cursor: null,
  latestStart: 0,
  isDone: false,
});

/** The newest `limit` migrations, oldest first; or those of the names, last name first. */
export const getStatus = query({
  args: { names: v.optional(v.array(v.string())), limit: v.optional(v.number()) },
  returns: v.array(migrationStatus),
  handler: async (ctx: any, { names, limit }: { names?: string[]; limit?: number }) => {
    const rows = names
      ? await Promise.all(names.map(async (name) => (await rowNamed(ctx, name)) ?? neverStarted(name)))
      : await ctx.db
          .query("migrations")
          .order("desc")
          .take(limit ?? 100);
    return Promise.all(rows.reverse().map((row: Row) => statusOf(ctx, row)));
  },
});

async function cancelRow(ctx: any, row: Row): Promise<MigrationStatus> {
  const status = await statusOf(ctx, row);
  if (status.state !== "inProgress") return status;
  if (row.workerId) await ctx.scheduler.cancel(row.workerId);
  console.log(`Canceled migration ${row.name}`);
  return { ...status, state: "canceled" };
}

export const cancel = mutation({
  args: { name: v.string() },
  returns: migrationStatus,
  handler: async (ctx: any, { name }: { name: string }) => {
    const row = await rowNamed(ctx, name);
    if (!row) throw new Error(`Migration ${name} not found`);
    const status = await cancelRow(ctx, row);
    if (status.state !== "canceled") {
      console.log(`Did not cancel migration ${name}. Status was ${status.state}`);
    }
    return status;
  },
});

/** Cancels what is in progress, and answers with the first hundred not done. */
export const cancelAll = mutation({
  args: { sinceTs: v.optional(v.number()) },
  returns: v.array(migrationStatus),
  handler: async (ctx: any, { sinceTs }: { sinceTs?: number }) => {
    const rows: (Row & { _creationTime: number })[] = await ctx.db
      .query("migrations")
      .withIndex("isDone", (q: any) => {
        const open = q.eq("isDone", false);
        return sinceTs ? open.gte("_creationTime", sinceTs) : open;
      })
      .take(page);
    if (rows.length === page) {
      await ctx.scheduler.runAfter(0, lib.cancelAll, { sinceTs: rows[page - 1]!._creationTime });
    }
    return Promise.all(rows.map((row) => cancelRow(ctx, row)));
  },
});

/** Forgets the state of migrations, newest first; never their work. */
export const clearAll = mutation({
  args: { before: v.optional(v.number()) },
  returns: v.null(),
  handler: async (ctx: any, { before }: { before?: number }) => {
    const rows: (Row & { _creationTime: number })[] = await ctx.db
      .query("migrations")
      .withIndex("by_creation_time", (q: any) => q.lte("_creationTime", before ?? Date.now()))
      .order("desc")
      .take(page);
    for (const row of rows) await ctx.db.delete("migrations", row._id);
    if (rows.length === page) {
      await ctx.scheduler.runAfter(0, lib.clearAll, { before: rows[page - 1]!._creationTime });
    }
  },
});

// The built-in stand-in for the npm package "@convex-dev/migrations" 0.3.6:
// what a project's migrations are defined and started with
// (convex-wire.md 13.2, 13.3).
import {
  createFunctionHandle,
  defineSchema,
  defineTable,
  getFunctionAddress,
  getFunctionName,
  internalMutationGeneric,
  makeFunctionReference,
} from "convex/server";
import { ConvexError } from "convex/values";
import { isReadableCursor, pages } from "./pager";
import {
  dryRunKind,
  migrationArgs,
  type MigrationArgs,
  type MigrationResult,
  type MigrationStatus,
  type Next,
} from "./protocol";
import { report } from "./report";

export type { MigrationArgs, MigrationResult, MigrationStatus };

export const DEFAULT_BATCH_SIZE = 100;

type Options = {
  internalMutation?: any;
  defaultBatchSize?: number;
  migrationsLocationPrefix?: string;
  schema?: any;
};

type Definition = {
  table: string;
  migrateOne: (ctx: any, document: any) => any;
  customRange?: (q: any) => any;
  batchSize?: number;
  parallelize?: boolean;
};

type StartOptions = { cursor?: string | null; batchSize?: number; dryRun?: boolean; reset?: boolean };

async function host(op: string): Promise<any> {
  return JSON.parse(await (globalThis as any).Convex.asyncSyscall(op, "{}"));
}

/** Name and component of the function that runs. */
export const getFunctionMetadata = (): Promise<{ name: string; componentPath: string }> =>
  host("1.0/getFunctionMetadata");

/** How much of its limits the transaction has used. */
export const getTransactionMetrics = (): Promise<Record<string, { used: number; remaining: number }>> =>
  host("1.0/getTransactionMetrics");

export const isNewFormatCursor = isReadableCursor;

async function handleOf(name: string): Promise<string> {
  try {
    return await createFunctionHandle(makeFunctionReference(name));
  } catch {
    throw new Error(
      `Can't find function ${name}\n` +
        "The name should match the folder/file:method\n" +
        "See https://docs.convex.dev/functions/query-functions#query-names",
    );
  }
}

const nextOf = async (ref: any): Promise<Next> => ({
  name: getFunctionName(ref),
  fnHandle: await createFunctionHandle(ref),
});

export class Migrations {
  constructor(
    public component: any,
    public options?: Options,
  ) {}

  /** A mutation that starts one migration, a series, or the one it is asked for. */
  runner(specific?: any) {
    return internalMutationGeneric({
      args: migrationArgs,
      handler: async (ctx: any, args: MigrationArgs) => {
        const [first, ...rest] = Array.isArray(specific) ? specific : [specific];
        const next = Array.isArray(specific) ? await Promise.all(rest.map(nextOf)) : undefined;
        if (args.fn && first) throw new Error("Specify only one of fn or specificMigration");
        if (!args.fn && !first) {
          throw new Error(
            `Specify the migration: '{"fn": "migrations:foo"}'\n` +
              "Or initialize a `runner` runner specific to the migration like\n" +
              "`export const runMyMigration = runner(internal.migrations.myMigration)`",
          );
        }
        return await this._runInteractive(ctx, args, first, next);
      },
    });
  }

  /** A mutation that migrates one batch; called by hand, it starts the migration. */
  define(definition: Definition) {
    const builder = this.options?.internalMutation ?? internalMutationGeneric;
    return builder({
      args: migrationArgs,
      handler: async (ctx: any, args: MigrationArgs) =>
        args.oneBatchOnly ? await this._batch(ctx, args, definition) : await this._called(ctx, args),
    });
  }

  // Called by a person, from the CLI or the dashboard.
  private async _called(ctx: any, args: MigrationArgs) {
    if (args.cursor === "" || args.batchSize === 0) {
      // What the dashboard fills in by itself.
      console.warn("Running this from the CLI or dashboard? Here's some args to use:");
      console.warn({ "Dry run": '{ "dryRun": true, "reset": true }', "For real": "{}" });
      return;
    }
    const { name, componentPath } = await getFunctionMetadata();
    if (args.fn && this._named(args.fn) !== name) {
      const inComponent = componentPath ? ` --component ${componentPath}` : "";
      throw new Error(
        `Function name mismatch: expected ${name}, got ${args.fn}. Hint: you can call it directly with \`npx convex run ${name}${inComponent}\`.`,
      );
    }
    return await this._runInteractive(ctx, args, makeFunctionReference(name));
  }

  private async _batch(
    ctx: any,
    args: MigrationArgs,
    { table, migrateOne, customRange, batchSize, parallelize }: Definition,
  ) {
    const numItems = args.batchSize || (batchSize ?? this.options?.defaultBatchSize ?? DEFAULT_BATCH_SIZE);
    const { cursor, dryRun } = whereToBegin(args);
    const { page, isDone, continueCursor } = await this._page(ctx, table, customRange, { cursor, numItems });

    const migrate = async (document: any) => {
      try {
        const patch = await migrateOne(ctx, document);
        if (patch && Object.keys(patch).length > 0) await ctx.db.patch(table, document._id, patch);
      } catch (error) {
        console.error(`Document failed: ${document._id}`);
        throw error;
      }
    };
    if (parallelize) await Promise.all(page.map(migrate));
    else for (const document of page) await migrate(document);

    const result: MigrationResult = { continueCursor, isDone, processed: page.length };
    if (dryRun) {
      await showChanges(ctx, table, page, continueCursor);
      throw new ConvexError({ kind: dryRunKind, result }); // undoes it
    }
    if (dryRun === undefined) console.debug(`Next cursor: ${continueCursor}`);
    return result;
  }

  private async _page(
    ctx: any,
    table: string,
    customRange: Definition["customRange"],
    options: { cursor: string | null; numItems: number },
  ): Promise<{ page: any[]; isDone: boolean; continueCursor: string }> {
    const readable = isReadableCursor(options.cursor);
    const schema = this.options?.schema;
    if (readable && customRange && !schema) {
      throw new Error("You must provide your schema to use a custom range.");
    }
    const all = readable
      ? pages(ctx.db, schema ?? defineSchema({ [table]: defineTable({}) }), table)
      : ctx.db.query(table); // begun with a host's cursor, by an older version
    const range = customRange ? customRange(all) : all;
    try {
      return await range.paginate(options);
    } catch (e) {
      console.error(
        "Error paginating. This can happen if the migration was initially run on a different table, different custom range, or you upgraded convex-helpers with in-progress migrations. This creates an invalid pagination cursor. Run all migrations to completion on the old cursor, or re-run them explicitly with the cursor set to null. If the problem persists, contact support@convex.dev",
      );
      throw e;
    }
  }

  // Not private: projects are known to call it.
  async _runInteractive(ctx: any, args: MigrationArgs, ref?: any, next?: Next[]) {
    const name = args.fn ? this._named(args.fn) : getFunctionName(ref);
    const fnHandle = args.fn ? await handleOf(name) : await createFunctionHandle(ref);
    if (args.next) {
      const named = args.next.map(async (fn) => ({
        name: this._named(fn),
        fnHandle: await handleOf(this._named(fn)),
      }));
      next = [...(next ?? []), ...(await Promise.all(named))];
    }
    const say = async (status: MigrationStatus, name: string) =>
      report(name, status, args, (await getFunctionMetadata()).componentPath);
    if (!args.reset) {
      const running = await this._inProgress(ctx, [name, ...(next ?? []).map(({ name }) => name)]);
      if (running) return say(running, running.name);
    }
    const start = {
      name,
      fnHandle,
      cursor: args.reset ? null : args.cursor,
      batchSize: args.batchSize,
      next,
      dryRun: args.dryRun ?? false,
      reset: args.reset,
    };
    try {
      return say(await ctx.runMutation(this.component.lib.migrate, start), name);
    } catch (e) {
      if (!args.dryRun || !(e instanceof ConvexError) || e.data.kind !== dryRunKind) throw e;
      return say(e.data.status, name);
    }
  }

  // One of the migrations that runs already: starting it again would only
  // collide with its batches. A mutation asks a snapshot, which reads nothing
  // that could collide.
  private async _inProgress(ctx: any, names: string[]): Promise<MigrationStatus | undefined> {
    const { type } = await ctx.meta.getFunctionMetadata();
    const options = type === "mutation" ? [{ useStaleSnapshot: true }] : [];
    const statuses = await ctx.runQuery(this.component.lib.getStatus, { names }, ...options);
    return statuses.find(({ state }: MigrationStatus) => state === "inProgress");
  }

  /** Starts one migration from a mutation or an action. */
  async runOne(ctx: any, ref: any, options: StartOptions = {}): Promise<MigrationStatus> {
    const { cursor, batchSize, dryRun, reset } = options;
    if (!reset) {
      const running = await this._inProgress(ctx, [getFunctionName(ref)]);
      if (running) return running;
    }
    return ctx.runMutation(this.component.lib.migrate, {
      ...(await nextOf(ref)),
      cursor: reset ? null : cursor,
      batchSize,
      dryRun: dryRun ?? false,
      reset,
    });
  }

  /** Starts a series: each when the one before it is done. */
  async runSerially(ctx: any, refs: any[]): Promise<MigrationStatus | undefined> {
    if (refs.length === 0) return;
    const running = await this._inProgress(ctx, refs.map(getFunctionName));
    if (running) return running;
    const [first, ...next] = await Promise.all(refs.map(nextOf));
    return ctx.runMutation(this.component.lib.migrate, { ...first!, next, dryRun: false });
  }

  async getStatus(
    ctx: any,
    { migrations, limit }: { migrations?: any[]; limit?: number },
  ): Promise<MigrationStatus[]> {
    const names = migrations?.map((migration) => this._nameOf(migration));
    return ctx.runQuery(this.component.lib.getStatus, { names, limit });
  }

  async cancel(ctx: any, migration: any): Promise<MigrationStatus> {
    return ctx.runMutation(this.component.lib.cancel, { name: this._nameOf(migration) });
  }

  async cancelAll(ctx: any): Promise<MigrationStatus[]> {
    return ctx.runMutation(this.component.lib.cancelAll, {});
  }

  private _nameOf(migration: any): string {
    return typeof migration === "string" ? this._named(migration) : getFunctionName(migration);
  }

  // Names without a module are those of the module in the options.
  private _named(name: string): string {
    return name.includes(":") ? name : `${this.options?.migrationsLocationPrefix ?? ""}${name}`;
  }
}

function whereToBegin({ cursor, dryRun }: MigrationArgs): {
  cursor: string | null;
  dryRun: boolean | undefined;
} {
  if (cursor !== undefined && cursor !== "") return { cursor, dryRun };
  if (dryRun === false) {
    throw new Error(`Cursor must be specified for a one-off execution.
              Use null to start from the beginning.
              Use the value in the migrations database to pick up from where it left off.`);
  }
  console.warn(
    dryRun === undefined
      ? "No cursor or dryRun specified - doing a dry run on the next batch."
      : "Setting cursor to null for dry run",
  );
  return { cursor: null, dryRun: true };
}

async function showChanges(ctx: any, table: string, page: any[], continueCursor: string) {
  let changes = 0;
  for (const before of page) {
    const after = await ctx.db.get(table, before._id);
    if (JSON.stringify(after) === JSON.stringify(before)) continue;
    if (++changes > 10) {
      console.debug("DRY RUN: More than 10 changes were found in the first page. Skipping the rest.");
      return;
    }
    console.debug("DRY RUN: Example change", { before, after });
  }
  if (changes === 0) {
    console.debug(
      `DRY RUN: No changes were found in the first page. Try {"dryRun": true, "cursor": "${continueCursor}"}`,
    );
  }
}

/** From an action: runs a migration batch by batch until it is done. */
export async function runToCompletion(
  ctx: any,
  component: any,
  ref: any,
  options: { name?: string; cursor?: string | null; batchSize?: number; dryRun?: boolean } = {},
): Promise<MigrationStatus> {
  const { name = getFunctionName(ref), batchSize, dryRun = false } = options;
  const fnHandle = getFunctionAddress(ref).functionHandle ?? (await createFunctionHandle(ref));
  let { cursor } = options;
  for (;;) {
    const start = { name, fnHandle, cursor, batchSize, dryRun, oneBatchOnly: true };
    const status: MigrationStatus = await ctx.runMutation(component.lib.migrate, start);
    if (status.isDone) return status;
    if (status.error) throw new Error(status.error);
    if (!status.cursor || status.cursor === cursor) {
      throw new Error(
        `Invariant violation: Migration did not make progress.\nStatus: ${JSON.stringify(status)}`,
      );
    }
    cursor = status.cursor;
  }
}

// What a person who started a migration from the CLI or dashboard reads.
import type { MigrationArgs, MigrationStatus } from "./protocol";

function headline(status: MigrationStatus): string {
  const now = Date.now();
  if (status.isDone) {
    if (status.latestEnd! < now) return "Migration already done.";
    if (status.latestStart === status.latestEnd) return "Migration was started and finished in one batch.";
    return "Migration completed with this batch.";
  }
  if (status.state === "failed") return `Migration failed: ${status.error}`;
  if (status.state === "canceled") return "Migration canceled.";
  return status.latestStart >= now ? "Migration started." : "Migration running.";
}

const quoted = (names: string[]) => names.map((name) => `"${name}"`).join(", ");
const date = (ms: number) => new Date(ms).toISOString();

/** The status and the commands that come next. */
export function report(name: string, status: MigrationStatus, args: MigrationArgs, componentPath: string) {
  const next = status.next ?? [];
  const upNext = next.length > 0 ? { [status.isDone ? "nowUp" : "nextUp"]: next } : {};
  const head = headline(status);
  const facts = {
    ...(args.dryRun
      ? { Status: `DRY RUN: ${head}`, DryRun: "No changes were committed." }
      : { Status: head }),
    Name: name,
    lastStarted: date(status.latestStart),
    ...(status.latestEnd ? { lastFinished: date(status.latestEnd) } : {}),
    processed: status.processed,
    ...upNext,
  };
  if (args.dryRun) return facts;

  const run = `npx convex run --component ${componentPath ? `${componentPath}/migrations` : "migrations"}`;
  const command = (cmd: string, args: string) => ({ cmd: `${run} ${cmd}`, args, prod: "--prod" });
  const watch = (names: string[]) => command("--watch lib:getStatus", `{names: [${quoted(names)}]}`);
  if (status.state === "inProgress") {
    return {
      ...facts,
      toCancel: command("lib:cancel", `{name: "${name}"}`),
      toMonitorStatus: watch([name, ...next]),
    };
  }
  const { cursor: _, ...again } = args; // reset says it better
  return {
    ...facts,
    toStartOver: JSON.stringify({ ...again, reset: true }),
    ...(next.length > 0 ? { toMonitorStatus: watch(next) } : {}),
  };
}

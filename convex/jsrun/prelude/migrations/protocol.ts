// What the client and the component of migrations say to each other
// (convex-wire.md 13).
import { v } from "convex/values";

/** Arguments of every defined migration and of every runner. */
export const migrationArgs = {
  fn: v.optional(v.string()),
  cursor: v.optional(v.nullable(v.string())),
  batchSize: v.optional(v.number()),
  dryRun: v.optional(v.boolean()),
  next: v.optional(v.array(v.string())),
  reset: v.optional(v.boolean()),
  oneBatchOnly: v.optional(v.boolean()),
};

export type MigrationArgs = {
  fn?: string;
  cursor?: string | null;
  batchSize?: number;
  dryRun?: boolean;
  next?: string[];
  reset?: boolean;
  oneBatchOnly?: boolean;
};

/** What one batch answers with. */
export type MigrationResult = { continueCursor: string; isDone: boolean; processed: number };

/** A migration to run behind another. */
export type Next = { name: string; fnHandle: string };

const states = ["inProgress", "success", "failed", "canceled", "unknown"] as const;

export const migrationStatus = v.object({
  name: v.string(),
  cursor: v.optional(v.nullable(v.string())),
  processed: v.number(),
  isDone: v.boolean(),
  error: v.optional(v.string()),
  state: v.union(...states.map((state) => v.literal(state))),
  latestStart: v.number(),
  latestEnd: v.optional(v.number()),
  batchSize: v.optional(v.number()),
  next: v.optional(v.array(v.string())),
});

export type MigrationStatus = {
  name: string;
  cursor?: string | null;
  processed: number;
  isDone: boolean;
  error?: string;
  state: (typeof states)[number];
  latestStart: number;
  latestEnd?: number;
  batchSize?: number;
  next?: string[];
};

/** The kind of the ConvexErrors that undo a dry run. */
export const dryRunKind = "DRY RUN";

// Release 5, part one: teams, users, products and sessions. RUNBOOK.md says in
// which order this goes out.
import { Migrations } from "@convex-dev/migrations";
import { components, internal } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import { legacy } from "./legacy";
import schema from "./schema";

export const migrations = new Migrations<DataModel, typeof schema>(components.migrations, {
  schema,
  defaultBatchSize: 100,
});

/** Starts any migration by its name. */
export const run = migrations.runner();

/** Every team has a plan: larger ones were on the studio plan all along. */
export const setTeamPlan = migrations.define({
  table: "teams",
  migrateOne: (_ctx, team) => {
    if (team.plan !== undefined) return;
    return { plan: team.seats > 10 ? ("studio" as const) : ("free" as const) };
  },
});

/** Avatars moved to file storage last year; the old links are dead. */
export const dropAvatarUrl = migrations.define({
  table: "users",
  migrateOne: async (ctx, user) => {
    if (legacy("users", user).avatarUrl === undefined) return;
    await ctx.db.patch(user._id, { avatarUrl: undefined } as object);
  },
});

/** Preferences get a table of their own, so that reading a user stays cheap. */
export const movePreferences = migrations.define({
  table: "users",
  migrateOne: async (ctx, user) => {
    const { settings } = legacy("users", user);
    if (settings === undefined) return;
    const moved = await ctx.db
      .query("preferences")
      .withIndex("by_user", (q) => q.eq("userId", user._id))
      .unique();
    if (moved === null) {
      await ctx.db.insert("preferences", {
        userId: user._id,
        theme: settings.theme,
        digest: settings.emailDigest ? "weekly" : "never",
        language: settings.language,
      });
    }
    await ctx.db.patch(user._id, { settings: undefined } as object);
  },
});

/** On sale or not becomes draft, live or retired. */
export const listingToEnum = migrations.define({
  table: "products",
  parallelize: true,
  migrateOne: (_ctx, product) => {
    const { listing } = legacy("products", product);
    if (typeof listing !== "boolean") return;
    return { listing: listing ? ("live" as const) : ("draft" as const) };
  },
});

/** Sessions belong to a user: those of guests and of deleted users go. */
export const removeOrphanSessions = migrations.define({
  table: "sessions",
  batchSize: 200,
  migrateOne: async (ctx, session) => {
    const { userId } = legacy("sessions", session);
    if (userId !== undefined && (await ctx.db.get(userId)) !== null) return;
    await ctx.db.delete(session._id);
  },
});

/** Part one as a series: each when the one before it is done. */
export const runPartOne = migrations.runner([
  internal.migrations.setTeamPlan,
  internal.migrations.dropAvatarUrl,
  internal.migrations.movePreferences,
  internal.migrations.listingToEnum,
  internal.migrations.removeOrphanSessions,
]);

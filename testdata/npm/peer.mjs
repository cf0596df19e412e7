// Runs the unmodified migrations component in convex-test, over the documents
// of a file (JSON lines), and prints what it took: the peer of
// BenchmarkMigration in convex/conformance.
//
//   node peer.mjs users.jsonl
import { readFileSync } from "node:fs";
import { anyApi, componentsGeneric } from "convex/server";
import { convexTest } from "convex-test";
import * as migrations from "./peer/convex/migrations.js";
import schema from "./peer/convex/schema.js";

const component = async (file) =>
  await import(new URL(`./node_modules/@convex-dev/migrations/dist/component/${file}.js`, import.meta.url));

const users = readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => JSON.parse(line));
let done = false;
console.debug = () => {};
console.info = (line) => (done ||= line === "Migration migrations:setPlan is done.");

const t = convexTest(schema, {
  "./_generated/api.js": async () => ({}),
  "./migrations.js": async () => migrations,
});
t.registerComponent("migrations", (await component("schema")).default, {
  "./_generated/api.js": () => component("_generated/api"),
  "./lib.js": () => component("lib"),
});

const clock = () => performance.now();
const began = clock();
for (let at = 0; at < users.length; at += 1000) {
  await t.run(async (ctx) => {
    for (const user of users.slice(at, at + 1000)) await ctx.db.insert("users", user);
  });
}
const filled = clock();
await t.mutation(anyApi.migrations.setPlan, {});
while (!done) {
  await t.finishInProgressScheduledFunctions();
  await new Promise((resolve) => setTimeout(resolve, 0)); // lets the next batch begin
}
await t.finishInProgressScheduledFunctions();
const ended = clock();

const [status] = await t.query(componentsGeneric().migrations.lib.getStatus, { names: ["migrations:setPlan"] });
if (status.state !== "success" || status.processed !== users.length) {
  throw new Error(`the migration did not end well: ${JSON.stringify(status)}`);
}
const migrateMs = ended - filled;
console.log(
  JSON.stringify({
    node: process.version,
    documents: users.length,
    fillMs: filled - began,
    migrateMs,
    microsPerDocument: (migrateMs * 1000) / users.length,
  }),
);

// Runs migrations that a component defines in convex-test, with the unmodified
// packages, and prints what the component inside it keeps of them, and the
// documents: the peer of TestMigrationsInsideAComponent in convex/conformance.
import { componentsGeneric, createFunctionHandle, defineSchema, makeFunctionReference } from "convex/server";
import { convexTest } from "convex-test";
import schema from "./inside/convex/billing/schema.js";
import * as work from "./inside/convex/billing/work.js";

const component = (file) => import(new URL(`./node_modules/@convex-dev/migrations/dist/component/${file}.js`, import.meta.url));

console.debug = console.info = console.log = console.error = () => {};
const t = convexTest(defineSchema({}), { "./_generated/api.js": async () => ({}) });
t.registerComponent("billing", schema, { "./_generated/api.js": async () => ({}), "./work.js": async () => work });
t.registerComponent("billing/migrations", (await component("schema")).default, {
  "./_generated/api.js": () => component("_generated/api"),
  "./lib.js": () => component("lib"),
});
const kept = "billing/migrations";
const inside = (path, name, args) => t.runInComponent(path, (ctx) => ctx.runMutation(makeFunctionReference(name), args));

await inside("billing", "work:fill", {});

// By its name inside the component, to the end.
await inside("billing", "work:pay", {});
const asked = { names: ["work:pay", "work:choke"] };
const statuses = () => t.runInComponent(kept, (ctx) => ctx.runQuery(makeFunctionReference("lib:getStatus"), asked));
while ((await statuses()).some((s) => s.state === "inProgress")) {
  await t.finishInProgressScheduledFunctions();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

// By a handle made inside it, batch by batch.
const fnHandle = await t.runInComponent("billing", () => createFunctionHandle(makeFunctionReference("work:choke")));
const batches = [];
for (let i = 0; i < 4; i++) {
  const s = await inside(kept, "lib:migrate", { name: "work:choke", fnHandle, dryRun: false, oneBatchOnly: true, batchSize: 30 });
  batches.push([s.processed, s.state]);
}

const told = (await statuses()).map((s) => [s.name, s.state, s.processed, s.error?.includes("cannot pay") ?? false]);
const documents = await t.runInComponent("billing", (ctx) => ctx.db.query("bills").collect());
process.stdout.write(JSON.stringify({ batches, told: told.sort(), documents: documents.map(({ n, paid, note }) => ({ n, paid, note })) }));

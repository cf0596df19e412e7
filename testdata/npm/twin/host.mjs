// Hosts convex-test as a deployment: functions by path, their log lines, and
// the system functions that Strait asks for.
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import inspect from "object-inspect";
import { convexTest } from "convex-test";
import { convexToJson, jsonToConvex } from "convex/values";
import { queryGeneric } from "convex/server";
import { Ids } from "./ids.mjs";

const component = (file) => import(new URL(`../node_modules/@convex-dev/migrations/dist/component/${file}.js`, import.meta.url));

const later = globalThis.setTimeout; // convex-test forbids it where functions run
const outside = new AsyncResource("outside"); // of every function
const running = new AsyncLocalStorage(); // the outermost function of an execution
const asked = new AsyncLocalStorage(); // the request that it answers

for (const [method, level] of Object.entries({ debug: "DEBUG", info: "INFO", log: "LOG", warn: "WARN", error: "ERROR" })) {
  console[method] = ((print) => (...args) => {
    const on = running.getStore();
    if (!on || on.over) return print(...args);
    on.lines.push({
      messages: args.map((a) => inspect(a, { indent: 2, maxStringLength: 32768 })),
      level,
      timestamp: Date.now(),
      isTruncated: false,
      ...on.nested.at(-1),
    });
  })(method === "log" ? console.log.bind(console) : () => {});
}

const kind = (f) => (f?.isQuery ? "Query" : f?.isMutation ? "Mutation" : f?.isAction ? "Action" : undefined);

/** What Convex says of a thrown value. */
function failure(e, requestId, out) {
  const frames = String(e.stack ?? "").split("\n").filter((l) => /^\s+at /.test(l) && l.includes("/twin/convex/"));
  const own = frames.map((l) => l.replace(/\(?file:\/\/.*\/twin\/convex\//, "(../convex/").replace(/\)?$/, ")"));
  return {
    failed: true,
    message: out(`[Request ID: ${requestId}] Server Error\nUncaught ${e.name}: ${e.message}\n${own.join("\n")}`),
    text: out(`Uncaught ${e.name}: ${e.message}`),
    data: e.data === undefined ? undefined : JSON.parse(out(JSON.stringify(convexToJson(e.data)))),
  };
}

export async function host(schema, rootModules) {
  const componentSchema = (await component("schema")).default;
  const schemas = { "": schema, migrations: componentSchema };
  const loaded = { "": {}, migrations: { lib: await component("lib") } };
  for (const [name, load] of Object.entries(rootModules)) loaded[""][name] = await load();

  const numbers = (c) => Object.fromEntries(["_scheduled_functions", ...Object.keys(schemas[c].tables)].map((name, i) => [name, 10000 + i]));
  const ids = new Ids({ ...numbers("migrations"), ...numbers("") });
  const out = (text) => ids.outward(text);
  const encode = (value) => JSON.parse(out(JSON.stringify(convexToJson(value ?? null))));
  const decode = (args) => jsonToConvex(JSON.parse(ids.inward(JSON.stringify(Array.isArray(args) ? args[0] : args))));
  const texts = (lines) => lines.map((l) => `[${l.level}] ${l.messages.map(out).join(" ")}`);

  const listeners = new Set();
  const log = [];
  let stamp = 0;
  let waiting = [];
  let count = 0;

  // Tells of a commit at once, and again when the scheduler has noted it.
  const committed = () => {
    outside.runInAsyncScope(() => {
      for (const after of [0, 5, 25, 100]) later(() => listeners.forEach((fn) => fn()), after);
    });
  };

  function record(on, componentPath, path, type, error) {
    log.push({
      kind: "Completion",
      udfType: type,
      componentPath: componentPath || null,
      identifier: path,
      logLines: on.lines.map((l) => ({ ...l, messages: l.messages.map(out) })),
      timestamp: Date.now() / 1000,
      executionTimestamp: on.began / 1000,
      cachedResult: false,
      executionTime: (performance.now() - on.clock) / 1000,
      success: null,
      error: error ?? null,
      requestId: on.requestId,
      executionId: String(++count),
      parentExecutionId: null,
      caller: on.caller,
      environment: "isolate",
      identityType: "instance_admin",
      usageStats: { databaseReadBytes: 0, databaseWriteBytes: 0, databaseReadDocuments: 0, databaseWriteDocuments: 0 },
      returnBytes: null,
      occInfo: null,
      willRetry: false,
      stamp: ++stamp,
    });
    log.splice(0, log.length - 1000);
    waiting.forEach((wake) => wake());
    waiting = [];
  }

  /** Runs a function's handler; the outermost one gathers the log lines. */
  async function execute(componentPath, path, type, run) {
    const outer = running.getStore();
    if (outer && !outer.over) {
      outer.nested.push({ componentPath, udfPath: path.replace(":", ".js:") });
      try {
        return await run();
      } finally {
        outer.nested.pop();
      }
    }
    const request = asked.getStore();
    const own = request && !request.taken;
    if (own) request.taken = true;
    const on = {
      lines: own ? request.lines : [],
      nested: [],
      over: false,
      began: Date.now(),
      clock: performance.now(),
      requestId: own ? request.id : `scheduled${++count}`,
      caller: own ? request.caller : "Scheduler",
    };
    return await running.run(on, async () => {
      let error;
      try {
        return await run();
      } catch (e) {
        error = failure(e, on.requestId, out).text;
        throw e;
      } finally {
        on.over = true;
        record(on, componentPath, path, type, error);
        if (type !== "Query") committed();
      }
    });
  }

  const wrap = (componentPath, name, module) =>
    Object.fromEntries(
      Object.entries(module).map(([k, f]) => {
        const type = kind(f);
        if (!type) return [k, f];
        const path = k === "default" ? name : `${name}:${k}`;
        const handler = (ctx, args) => execute(componentPath, path, type, () => f._handler(ctx, args));
        return [k, Object.assign((...a) => f(...a), f, { _handler: handler })];
      }),
    );
  const glob = (componentPath) => ({
    "./_generated/api.js": async () => ({}),
    ...Object.fromEntries(
      Object.entries(loaded[componentPath]).map(([name, m]) => [`./${name}.js`, async () => wrap(componentPath, name, m)]),
    ),
  });

  const t = convexTest(schema, glob(""));
  t.registerComponent("migrations", componentSchema, glob("migrations"));

  const documents = (componentPath, table) =>
    t.runInComponent(componentPath, (ctx) => (table.startsWith("_") ? ctx.db.system : ctx.db).query(table).collect());
  const page = (docs, { cursor, numItems }) => {
    const from = Number(cursor ?? 0);
    const rest = docs.slice(from, from + numItems);
    return { page: rest, isDone: from + numItems >= docs.length, continueCursor: String(from + rest.length) };
  };
  const all = async (componentPath) => {
    const out = [];
    for (const table of Object.keys(schemas[componentPath].tables)) out.push(...(await documents(componentPath, table)));
    return out;
  };
  const where = (componentPath, args) => (args.componentId === "component-migrations" ? "migrations" : componentPath);

  /** The system functions (convex-wire.md 6.2), over what convex-test tells. */
  const system = {
    "cli/tables": (c) => ({ page: Object.keys(schemas[c].tables).map((name) => ({ name })), isDone: true, continueCursor: "end" }),
    "cli/tableData": async (c, { table, order, paginationOpts }) => {
      const docs = await documents(c, table);
      return page(order === "desc" ? docs.reverse() : docs, paginationOpts);
    },
    "cli/tableSize": async (c, { tableName }) => (await documents(c, tableName)).length,
    "cli/modules:apiSpec": (c, args) =>
      Object.entries(loaded[where(c, args)]).flatMap(([name, m]) =>
        Object.entries(m)
          .filter(([, f]) => kind(f))
          .map(([k, f]) => ({
            identifier: `${name}.js:${k}`,
            functionType: kind(f),
            visibility: { kind: f.isPublic ? "public" : "internal" },
            args: JSON.parse(f.exportArgs()),
            returns: JSON.parse(f.exportReturns()),
          })),
      ),
    "frontend/getSchemas": (c, args) => ({ active: schemas[where(c, args)].export() }),
    "frontend/getSchemas:schemaValidationProgress": () => null,
    "frontend/components:list": () => [
      { id: "component-root", path: "", args: {}, state: "active" },
      { id: "component-migrations", name: "migrations", path: "migrations", args: {}, state: "active" },
    ],
    "frontend/getTableMapping": (c, args) =>
      Object.fromEntries(Object.entries(numbers(where(c, args))).map(([name, n]) => [String(n), name])),
    "frontend/getById": async (c, args) => (await all(where(c, args))).find((d) => d._id === args.id) ?? null,
    "frontend/listById": async (c, args) => {
      const docs = await all(where(c, args));
      return args.ids.map(({ id }) => docs.find((d) => d._id === id) ?? null);
    },
    "frontend/deploymentEvents:lastPushEvent": () => null,
    "frontend/deploymentState:deploymentState": () => ({ state: "running" }),
    "frontend/getVersion": () => null,
  };

  /** Calls a function for a client; never throws. */
  async function call(componentPath, path, args, caller, id = `request${++count}`) {
    const request = { id, lines: [], caller, taken: false };
    const object = decode(args);
    try {
      let value;
      if (path.startsWith("_system/")) {
        const fn = system[path.slice("_system/".length).replace(/:default$/, "")];
        if (!fn) throw new Error(`Could not find public function for '${path}'.`);
        value = await asked.run({ ...request, taken: true }, () => fn(componentPath, object));
      } else {
        const [name, exported = "default"] = path.split(":");
        if (!kind(loaded[componentPath]?.[name]?.[exported])) throw new Error(`Could not find public function for '${path}'.`);
        value = await asked.run(request, () => t.fun({ componentPath, udfPath: path }, object));
      }
      return { value: encode(value), lines: texts(request.lines) };
    } catch (e) {
      return { ...failure(e, id, out), lines: texts(request.lines) };
    }
  }

  /** run_test_function at the root: the module's default export is a query. */
  async function inline(source, args) {
    const wrappers = "data:text/javascript,export const query=globalThis.twinQuery,internalQuery=globalThis.twinQuery;";
    globalThis.twinQuery = queryGeneric;
    const request = { id: `request${++count}`, lines: [], caller: "Tester", taken: false };
    try {
      const linked = source.replaceAll("convex:/_system/repl/wrappers.js", wrappers);
      const module = await import("data:text/javascript;base64," + Buffer.from(linked).toString("base64"));
      const object = decode(args);
      const run = (ctx, a) => execute("", "testQuery", "Query", () => module.default._handler(ctx, a));
      const value = await asked.run(request, () => t.query(run, object));
      return { value: encode(value), lines: texts(request.lines) };
    } catch (e) {
      return { ...failure(e, request.id, out), lines: texts(request.lines) };
    }
  }

  async function logs(cursor) {
    if (!log.some((e) => e.stamp > cursor)) {
      await Promise.race([new Promise((r) => waiting.push(r)), new Promise((r) => later(r, 60_000).unref())]);
    }
    const entries = log.filter((e) => e.stamp > cursor);
    return { entries: entries.map(({ stamp: _, ...e }) => e), newCursor: entries.at(-1)?.stamp ?? cursor };
  }

  return {
    call,
    inline,
    logs,
    onCommit: (fn) => {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
  };
}

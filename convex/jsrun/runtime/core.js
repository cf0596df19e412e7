// The floor under every program: what the host hands in, the life of one call,
// the registry of modules, and what analysis records. The files of this folder
// are joined into one function scope in the order that runtime.go lists; G is
// the global object.

const RealDate = G.Date;
const take = (name) => {
  const f = G[name];
  delete G[name];
  return f;
};
const host = {
  syscall: take("__host_syscall"), // (op, args) -> text, or null after a failure
  async: take("__host_async"), // (op, args) -> text, or null after a failure
  ask: take("__host_ask"), // the same; the text begins with a space when it is plain JSON
  failure: take("__host_failure"), // () -> {message, data?} of the last failure, as text
  log: take("__host_log"), // (level, texts as JSON)
  digest: take("__host_digest"), // (algorithm, hex, key as hex) -> hex
  intl: take("__host_intl"), // () installs Intl
  env: take("__host_env"), // () -> process.env as JSON
};

const hidden = (object, name, value) =>
  Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: false });

// What a getter makes on first use; most programs never touch most of these.
const lazy = (name, make) =>
  Object.defineProperty(G, name, {
    configurable: true,
    enumerable: false,
    get() {
      const value = make();
      hidden(G, name, value);
      return value;
    },
    set(value) {
      hidden(G, name, value);
    },
  });

// --- One call -------------------------------------------------------------

const call = {
  generation: 0,
  type: "", // Query, Mutation, Action; "" while a module is analysed
  now: 0, // what Date.now() says
  started: 0, // real time at the start
  outcome: null, // {value} or {error} once the function has settled
  queue: [], // async syscalls that wait for the host
  timers: new Map(), // of actions
  nextTimer: 1,
  unhandled: new Map(), // rejected promise -> reason
};
let importing = 0; // depth of modules being evaluated
let modules = {}; // path -> function that evaluates it and returns its exports

const frozen = () => call.type === "Query" || call.type === "Mutation";

function loadModule(path) {
  if (!Object.hasOwn(modules, path)) throw new Error(`Could not find module '${path}'`);
  importing++;
  try {
    return modules[path]();
  } finally {
    importing--;
  }
}

const invokers = { Query: "invokeQuery", Mutation: "invokeMutation", Action: "invokeAction" };

function start(path, name, type, args, requestId, now, s0, s1, s2, s3) {
  const generation = ++call.generation;
  call.type = type;
  call.now = now;
  call.started = RealDate.now();
  call.outcome = null;
  call.queue = [];
  call.timers.clear();
  call.unhandled.clear();
  seedRandom(s0, s1, s2, s3);
  resetConsole();
  const settle = (outcome) => {
    if (generation === call.generation && call.outcome === null) call.outcome = outcome;
  };
  try {
    const exported = loadModule(path)[name];
    const invoker = invokers[type];
    if (exported === null || (typeof exported !== "function" && typeof exported !== "object")) {
      throw new Error(`Couldn't find \`${name}\` in module \`${path}\`. Did you forget to export it?`);
    }
    if (typeof exported[invoker] !== "function") {
      throw new Error(
        `Function ${path}:${name} is neither a query or mutation. Did you forget to wrap it with \`query\` or \`mutation\`?`,
      );
    }
    const promise = type === "Action" ? exported[invoker](requestId, args) : exported[invoker](args);
    promise.then(
      (value) => settle({ value: String(value) }),
      (thrown) => settle({ error: describe(thrown) }),
    );
  } catch (thrown) {
    settle({ error: describe(thrown) });
  }
}

// step is called when no job is left to run. It answers 0 for a deadlock, 1 to
// go on, 2 when the call has its outcome, and 3 + ms to sleep first.
function step() {
  if (call.unhandled.size > 0 && (call.outcome === null || call.outcome.error === undefined)) {
    call.outcome = { error: describe(call.unhandled.values().next().value) };
  }
  if (call.outcome !== null) return 2;
  const batch = call.queue;
  const n = batch.length;
  if (n === 0) return stepTimers();
  call.queue = [];
  for (let i = 0; i < n; i++) {
    const c = batch[i];
    if (c.take !== null) answered(c, n === 1);
    else {
      const answer = host.async(c.op, c.args);
      if (answer === null) c.reject(failure());
      else c.resolve(answer);
    }
  }
  return 1;
}

function stepTimers() {
  let next = null;
  for (const timer of call.timers.values()) {
    if (next === null || timer.due < next.due) next = timer;
  }
  if (next === null) return 0;
  const wait = next.due - (RealDate.now() - call.started);
  if (wait > 0) return 3 + Math.ceil(wait);
  if (next.every === null) call.timers.delete(next.id);
  else next.due += Math.max(1, next.every);
  next.run();
  return 1;
}

// outcome ends the call and frees what it holds.
function outcome() {
  const { value, error } = call.outcome;
  call.outcome = null;
  const unawaited = call.queue.map((c) => c.op);
  call.queue = [];
  call.timers.clear();
  call.unhandled.clear();
  call.type = "";
  return error !== undefined ? "E" + error : unawaited.length > 0 ? "U" + JSON.stringify(unawaited) + "\n" + value : "V" + value;
}

function failure() {
  const { message, data } = JSON.parse(host.failure());
  const error = new Error(message);
  if (data !== undefined) error.data = data;
  return error;
}

function rejected(promise, reason, handled) {
  if (handled) call.unhandled.delete(promise);
  else call.unhandled.set(promise, reason);
}

// describe turns what was thrown into text for the host. It must survive
// hostile getters and proxies.
function describe(thrown) {
  const read = (key) => {
    try {
      const value = thrown[key];
      return value === undefined ? undefined : String(value);
    } catch {
      return undefined;
    }
  };
  const out = { name: "", message: "", stack: "" };
  if ((typeof thrown === "object" && thrown !== null) || typeof thrown === "function") {
    out.name = read("name") ?? "Error";
    out.message = read("message") ?? "";
    out.stack = read("stack") ?? "";
    try {
      if (!(thrown instanceof Error) && !("stack" in thrown)) {
        out.name = typeof thrown === "function" ? "[Function]" : "#<" + (thrown.constructor?.name || "Object") + ">";
      }
      if (Symbol.for("ConvexError") in thrown && typeof thrown.data === "string") out.data = thrown.data;
      if (problems.has(thrown)) out.problem = problems.get(thrown);
    } catch {
      // A proxy that refuses: what was read so far is enough.
    }
  } else {
    try {
      out.name = typeof thrown === "symbol" ? thrown.toString() : String(thrown);
    } catch {
      out.name = "Error";
    }
  }
  return JSON.stringify(out);
}

// V8's own, which packages call to leave their constructors out of a stack.
hidden(Error, "captureStackTrace", function captureStackTrace(object) {
  hidden(object, "stack", new Error().stack);
});
hidden(Error, "stackTraceLimit", 10);

// --- Syscalls of the known npm package -------------------------------------

// ask is asyncSyscall for code that takes the place of async functions of the
// npm package (splices/): one promise instead of one for each of them. take
// makes its value from the answer and self. turns is how many awaits of those
// functions lay between the answer and their promise. When nothing else is
// answered at the same time nobody can tell when they are left out; else they
// are gone through, so that JavaScript goes on in the same order. refuse is
// the npm package's own performAsyncSyscall, which words a failure.
// The answer is null where the original functions must be called.
function ask(op, args, turns, take, self, refuse) {
  if (importing > 0 || call.type === "" || G.Convex?.asyncSyscall !== asyncSyscall) return null;
  const promise = new NativePromise(keepSettlers);
  call.queue.push({ op, args, resolve: settlers.resolve, reject: settlers.reject, take, turns, self, refuse });
  return promise;
}

const NativePromise = Promise;
const settlers = { resolve: null, reject: null }; // of the promise just made
function keepSettlers(resolve, reject) {
  settlers.resolve = resolve;
  settlers.reject = reject;
}

let refused = null; // what the next asyncSyscall is rejected with, unasked

function answered(c, alone) {
  const answer = host.ask(c.op, c.args);
  if (answer !== null) {
    if (alone) settleAsked(c, answer);
    else settleInTurn(c, answer);
    return;
  }
  refused = failure();
  const failed = c.refuse(c.op, null);
  refused = null;
  failed.then(c.resolve, alone ? c.reject : (error) => rejectInTurn(c, error));
}

function settleAsked(c, answer) {
  try {
    c.resolve(c.take(answer, c.self));
  } catch (error) {
    c.reject(error);
  }
}

async function settleInTurn(c, answer) {
  for (let n = c.turns; n > 0; n--) await undefined;
  settleAsked(c, answer);
}

// Two turns have passed in refuse's promise and its handler.
async function rejectInTurn(c, error) {
  for (let n = c.turns - 2; n > 0; n--) await undefined;
  c.reject(error);
}

function asyncSyscall(op, args) {
  if (refused !== null) return Promise.reject(refused);
  if (importing > 0 || call.type === "") return Promise.reject(atImport("database"));
  return new Promise((resolve, reject) => {
    call.queue.push({ op: String(op), args: String(args), resolve, reject, take: null });
  });
}

const atImport = (what) => new Error(`Can't use ${what} at import time`);

hidden(G, "Convex", {
  syscall(op, args) {
    if (importing > 0 || call.type === "") throw atImport("database");
    const answer = host.syscall(String(op), String(args));
    if (answer === null) throw failure();
    return answer;
  },
  asyncSyscall,
  jsSyscall(op) {
    throw new Error(`${op} is not available in the embedded deployment: it stores no files`);
  },
});

// --- What the bundle and analysis use -------------------------------------

const problems = new WeakMap(); // error -> index of the bundle's problem
const records = []; // {kind, fn, info, stack}
let recording = false;

const attempt = (f, otherwise) => {
  try {
    return f();
  } catch {
    return otherwise;
  }
};

const nameOf = (ref) =>
  attempt(() => {
    if (typeof ref === "string") return ref;
    return ref[Symbol.for("functionName")] ?? ref[Symbol.for("toReferencePath")] ?? "";
  }, "");

const number = (n) => (typeof n === "number" && Number.isFinite(n) ? n : 0);

// componentOf is the name of the component that a Migrations instance was given.
const componentOf = (migrations) =>
  attempt(() => {
    const path = String(migrations.component[Symbol.for("toReferencePath")]);
    return path.startsWith("_reference/childComponent/") ? path.slice("_reference/childComponent/".length) : "";
  }, "");

function recordDefinition(fn, given, options, helpers, component = "") {
  records.push({
    fn,
    stack: new Error().stack,
    kind: "definition",
    info: attempt(
      () => ({
        table: String(given?.table ?? ""),
        batchSize: number(given?.batchSize),
        defaultBatch: number(options?.defaultBatchSize),
        customRange: typeof given?.customRange === "function",
        parallelize: given?.parallelize === true,
        prefix: String(options?.migrationsLocationPrefix ?? ""),
        source: typeof given?.migrateOne === "function" ? Function.prototype.toString.call(given.migrateOne) : "",
        line: given?.migrateOne?.lineNumber ?? 0,
        column: given?.migrateOne?.columnNumber ?? 0,
        helpers,
        component,
      }),
      { helpers },
    ),
  });
}

function recordRunner(fn, series, component) {
  const names =
    series === undefined ? null : attempt(() => (Array.isArray(series) ? series : [series]).map(nameOf), null);
  records.push({ fn, stack: new Error().stack, kind: "runner", info: { series: names, component } });
}

function observeMigrations(Base) {
  if (typeof Base !== "function") return Base;
  return class Migrations extends Base {
    define(given) {
      const fn = super.define(given);
      if (recording) recordDefinition(fn, given, this.options, false, componentOf(this));
      return fn;
    }
    runner(...series) {
      const fn = super.runner(...series);
      if (recording) recordRunner(fn, series[0], componentOf(this));
      return fn;
    }
  };
}

function observeMakeMigration(make) {
  if (typeof make !== "function") return make;
  return function makeMigration(builder, options) {
    const define = make(builder, options);
    return function migration(given) {
      const fn = define(given);
      if (recording) recordDefinition(fn, given, options, true);
      return fn;
    };
  };
}

function component(definition, path) {
  if (definition === null || (typeof definition !== "object" && typeof definition !== "function")) return;
  definition.componentDefinitionPath = path;
  const own = definition._name;
  definition.defaultName ??= typeof own === "string" && own !== "" ? own : path.split(/[\\/]/).pop();
}

const kinds = [
  ["isQuery", "Query"],
  ["isMutation", "Mutation"],
  ["isAction", "Action"],
  ["isHttp", "HttpAction"],
];

const examined = new Map(); // path -> exports

// examine evaluates one module and answers what it exports, as JSON.
function examine(path) {
  recording = true;
  const exported = loadModule(path);
  examined.set(path, exported);
  const out = { exports: {}, functions: [], problems: [] };
  for (const name of Object.keys(exported)) {
    const value = attempt(() => exported[name], undefined);
    out.exports[name] = value === null ? "null" : typeof value;
    if (value === null || (typeof value !== "function" && typeof value !== "object")) continue;
    const kind = kinds.find(([flag]) => attempt(() => value[flag] === true, false));
    if (kind === undefined) continue;
    const fn = { name, type: kind[1], public: value.isPublic === true, args: "", returns: "", source: "", line: 0, column: 0 };
    for (const [key, method] of [["args", "exportArgs"], ["returns", "exportReturns"]]) {
      try {
        if (typeof value[method] === "function") fn[key] = String(value[method]());
      } catch (thrown) {
        out.problems.push({ name, thrown: describe(thrown) });
      }
    }
    const handler = attempt(() => value._handler, undefined);
    if (typeof handler === "function") {
      fn.source = attempt(() => Function.prototype.toString.call(handler), "");
      fn.line = handler.lineNumber ?? 0;
      fn.column = handler.columnNumber ?? 0;
    }
    out.functions.push(fn);
  }
  return JSON.stringify(out);
}

// exported answers what the default export's export() gives, as JSON text, or
// "" when it has none.
function exportDefault(path) {
  const value = examined.get(path)?.default;
  if (value === undefined || value === null || typeof value.export !== "function") return "";
  const text = value.export();
  return typeof text === "string" ? text : (JSON.stringify(text) ?? "");
}

// recorded answers the definitions and runners seen, each with the names under
// which modules export them.
function recorded() {
  return JSON.stringify(
    records.map(({ kind, fn, info, stack }) => {
      const names = [];
      for (const [path, exported] of examined) {
        for (const name of Object.keys(exported)) {
          const value = attempt(() => exported[name], undefined);
          if (value === fn || (value?._handler !== undefined && value._handler === fn?._handler)) names.push([path, name]);
        }
      }
      return { kind, names, stack, ...info };
    }),
  );
}

// What the engine calls, and what the bundle finds on the global object.
hidden(G, "__strait", {
  start,
  step,
  outcome,
  rejected,
  ask,
  examine,
  exportDefault,
  recorded,
  program(table) {
    modules = table;
  },
  problem(index, message) {
    const error = new Error(message);
    problems.set(error, index);
    return error;
  },
  observeMigrations,
  observeMakeMigration,
  component,
});

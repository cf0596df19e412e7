// console, with the texts that Convex logs: every argument as object-inspect
// prints it (indent 2, strings quoted).

const maxString = 32768;
let counters = new Map();

function resetConsole() {
  if (counters.size > 0) counters = new Map();
}

const say = (level, args) => host.log(level, JSON.stringify(args.map((a) => inspect(a))));

hidden(G, "console", {
  debug: (...args) => say("DEBUG", args),
  log: (...args) => say("LOG", args),
  info: (...args) => say("INFO", args),
  warn: (...args) => say("WARN", args),
  error: (...args) => say("ERROR", args),
  trace: (...args) => say("LOG", args),
  dir: (value) => say("LOG", [value]),
  table: (value) => say("LOG", [value]),
  assert(ok, ...args) {
    if (!ok) say("ERROR", ["Assertion failed", ...args]);
  },
  group() {},
  groupCollapsed() {},
  groupEnd() {},
  count(label = "default") {
    const n = (counters.get("count " + label) ?? 0) + 1;
    counters.set("count " + label, n);
    host.log("LOG", JSON.stringify([`${label}: ${n}`]));
  },
  time(label = "default") {
    counters.set("time " + label, RealDate.now());
  },
  timeLog: (label = "default", ...args) => timing(label, args),
  timeEnd(label = "default") {
    timing(label, []);
    counters.delete("time " + label);
  },
});

function timing(label, args) {
  const began = counters.get("time " + label);
  if (began === undefined) return say("WARN", [`Timer '${label}' does not exist`]);
  const took = call.type === "Query" ? 0 : RealDate.now() - began;
  host.log("INFO", JSON.stringify([`${label}: ${took}ms`, ...args.map((a) => inspect(a))]));
}

function quote(text) {
  const cut = text.length > maxString ? text.slice(0, maxString) : text;
  const rest = text.length - cut.length;
  const quoted = "'" + cut.replace(/['\\]/g, "\\$&").replace(/[\x00-\x1f]/g, escapeControl) + "'";
  return rest > 0 ? `${quoted}... ${rest} more character${rest > 1 ? "s" : ""}` : quoted;
}

const controls = { 8: "b", 9: "t", 10: "n", 12: "f", 13: "r" };

function escapeControl(c) {
  const n = c.charCodeAt(0);
  return controls[n] !== undefined ? "\\" + controls[n] : "\\x" + (n < 16 ? "0" : "") + n.toString(16).toUpperCase();
}

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);

function inspect(value, depth = 0, seen = []) {
  try {
    return inspectAny(value, depth, seen);
  } catch {
    return "[Unreadable]";
  }
}

function inspectAny(value, depth, seen) {
  switch (typeof value) {
    case "undefined":
      return "undefined";
    case "boolean":
      return String(value);
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "bigint":
      return value + "n";
    case "string":
      return quote(value);
    case "symbol":
      return Symbol.prototype.toString.call(value);
    case "function":
      return inspectFunction(value, depth, seen);
  }
  if (value === null) return "null";
  if (depth >= 5) return Array.isArray(value) ? "[Array]" : "[Object]";
  if (seen.includes(value)) return "[Circular]";
  if (typeof value.inspect === "function") return String(value.inspect());
  return inspectObject(value, depth, [...seen, value]);
}

function inspectFunction(value, depth, seen) {
  const name = value.name ? ": " + value.name : " (anonymous)";
  const inner = properties(value, depth, [...seen, value]);
  return `[Function${name}]` + (inner.length > 0 ? ` { ${inner.join(", ")} }` : "");
}

function inspectObject(value, depth, seen) {
  if (Array.isArray(value)) {
    const items = properties(value, depth, seen);
    return items.length === 0 ? "[]" : block("[", items, "]", depth, !items.every(singleLine));
  }
  const kind = tag(value);
  if (value instanceof Error || kind === "Error") return inspectError(value, depth, seen);
  if (value instanceof Map) {
    const items = [...value].map(([k, v]) => inspect(k, depth + 1, seen) + " => " + inspect(v, depth + 1, seen));
    return collection("Map", value.size, items, depth);
  }
  if (value instanceof Set) return collection("Set", value.size, [...value].map((v) => inspect(v, depth + 1, seen)), depth);
  for (const weak of ["WeakMap", "WeakSet", "WeakRef"]) if (kind === weak) return `${weak} { ? }`;
  if (kind === "Number" || kind === "BigInt" || kind === "Boolean" || kind === "String") {
    return `Object(${inspect(value.valueOf(), depth, seen)})`;
  }
  if (kind === "Symbol") return `Object(${Symbol.prototype.toString.call(value.valueOf())})`;
  if (kind === "Date") return isNaN(value) ? "Invalid Date" : value.toString();
  if (kind === "RegExp") return String(value);
  const items = properties(value, depth, seen);
  const proto = Object.getPrototypeOf(value);
  const plain = proto === Object.prototype;
  const bare = value instanceof Object ? [] : ["null prototype"];
  const label = !plain && Symbol.toStringTag in value ? [kind] : bare.length > 0 ? ["Object"] : [];
  const name = !plain && typeof value.constructor === "function" && value.constructor.name ? value.constructor.name + " " : "";
  const head = name + (label.length > 0 ? `[${[...label, ...bare].join(": ")}] ` : "");
  return items.length === 0 ? head + "{}" : head + block("{", items, "}", depth, true);
}

function inspectError(value, depth, seen) {
  const inner = properties(value, depth, seen).filter((p) => !/^(fileName|lineNumber|columnNumber|stack|message): /.test(p));
  const text = String(value);
  if (Object.hasOwn(value, "cause")) inner.unshift("[cause]: " + inspect(value.cause, depth + 1, seen));
  return inner.length === 0 ? `[${text}]` : `{ [${text}] ${inner.join(", ")} }`;
}

const singleLine = (text) => !text.includes("\n");

function properties(value, depth, seen) {
  const out = [];
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) out.push(i in value ? inspect(value[i], depth + 1, seen) : "");
  }
  const symbols = Object.getOwnPropertySymbols(value).filter((s) => Object.prototype.propertyIsEnumerable.call(value, s));
  for (const key of Object.keys(value)) {
    if (Array.isArray(value) && String(Number(key)) === key && Number(key) < value.length) continue;
    const shown = /[^\w$]/.test(key) ? inspect(key) : key;
    out.push(shown + ": " + inspect(value[key], depth + 1, seen));
  }
  for (const s of symbols) out.push(`[${Symbol.prototype.toString.call(s)}]: ` + inspect(value[s], depth + 1, seen));
  return out;
}

function block(open, items, close, depth, wrap) {
  if (!wrap && open === "[") return `[ ${items.join(", ")} ]`;
  const indent = "\n" + "  ".repeat(depth + 1);
  return open + indent + items.join("," + indent) + "\n" + "  ".repeat(depth) + close;
}

const collection = (name, size, items, depth) => `${name} (${size}) ${items.length === 0 ? "{}" : block("{", items, "}", depth, true)}`;

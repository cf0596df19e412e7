const version = "1.45.0";
const call = (op, args) => JSON.parse(Convex.syscall(op, JSON.stringify({ ...args, version })));
const ask = async (op, args) => JSON.parse(await Convex.asyncSyscall(op, JSON.stringify({ ...args, version })));

// Values as Convex encodes them.
const own = (x, k) => (Object.prototype.hasOwnProperty.call(x, k) ? x[k] : undefined);
const code = (x, k) => (typeof x === "object" && x !== null ? x[k] : undefined);
const coded = (x, k) => typeof code(x, k) === "string";
const isObject = (x) =>
  typeof x === "object" && x !== null && x.$integer === undefined && x.$float === undefined && x.$bytes === undefined && !Array.isArray(x);

const ids = new Map();
const isId = (table, x) => {
  if (typeof x !== "string" || x.length < 31 || x.length > 37) return false;
  const key = table + " " + x;
  let is = ids.get(key);
  if (is === undefined) {
    is = call("1.0/db/normalizeId", { table, idString: x }).id === x;
    if (ids.size < 5000) ids.set(key, is);
  }
  return is;
};

// How much a value weighs, as Convex counts.
const notASCII = /[^\x00-\x7f]/;
const bytesOf = (s) => {
  let n = s.length;
  if (notASCII.test(s))
    for (let i = 0; i < s.length; i++) {
      const c = s.charCodeAt(i);
      if (c > 0x7f) n += c > 0x7ff && (c < 0xd800 || c > 0xdfff) ? 2 : 1;
    }
  return n;
};
const weigh = (x) => {
  if (typeof x === "string") return 2 + bytesOf(x);
  if (typeof x === "number") return 9;
  if (typeof x !== "object" || x === null) return 1;
  if (Array.isArray(x)) {
    let n = 2;
    for (const e of x) n += weigh(e);
    return n;
  }
  if (x.$integer !== undefined || x.$float !== undefined) return 9;
  if (x.$bytes !== undefined) return weighBytes(x.$bytes);
  return weighObject(x);
};
const weighObject = (x) => {
  let n = 2;
  for (const k in x) {
    const v = x[k];
    n += k.length + 1;
    if (typeof v === "string") n += 2 + bytesOf(v);
    else if (typeof v === "number") n += 9;
    else n += weigh(v);
  }
  return n;
};
const weighBytes = (s) => 2 + (s.length / 4) * 3 - (s.endsWith("==") ? 2 : s.endsWith("=") ? 1 : 0);

// What is found in a page. A path is normalized as the plan writes it, without
// the table; a document counts once in a group.
let found, groups, violations, hit;
const add = (path, reason) => {
  if (violations === 1000) return;
  violations++;
  if (path[0] === ".") path = path.slice(1);
  if (path !== "" && path[0] !== "[" && path[0] !== "{" && path[0] !== ".") path = "." + path;
  hit.add(reason + " " + path);
};
const misfit = (d, args) => {
  found.bad++;
  violations = 0;
  hit = new Set();
  check(d);
  let wanted = false;
  for (const key of hit) {
    let g = groups.get(key);
    if (g === undefined) groups.set(key, (g = { n: 0, kept: 0 }));
    g.n++;
    if (g.kept < args.samples && !args.full.has(key)) {
      g.kept++;
      wanted = true;
    }
  }
  if (!wanted) return;
  const sample = { at: found.read, id: d._id, keys: [...hit] };
  const size = JSON.stringify(d).length;
  if (size <= args.room) {
    args.room -= size;
    sample.doc = d;
  }
  found.samples.push(sample);
};

// What the transaction has read by the deployment's own meter, which older
// deployments do not have.
const meter = async () => {
  try {
    const { documentsRead, bytesRead } = await ask("1.0/getTransactionMetrics", {});
    return { documents: documentsRead.used, bytes: bytesRead.used };
  } catch {
    return { documents: 0, bytes: 0 };
  }
};

// Checks the documents of a page, of which weights has those that were weighed
// already. The meter says what they weigh together; of many, one in sixteen is
// weighed for its size, and every one where the meter counts others than these,
// or where the rest is so heavy that one of them must be large.
const take = async (docs, weights, args, isNew) => {
  const metered = await meter();
  const total = metered.documents === docs.length ? metered.bytes : -1;
  const isOld = [];
  let sum = 0;
  let n = 0;
  const put = (i) => {
    if (weights[i] === undefined) weights[i] = weigh(docs[i]);
    n++;
    sum += weights[i];
    if (isOld[i]) return;
    found.weighed++;
    if (weights[i] > found.largest) found.largest = weights[i];
  };
  const all = total < 0 || docs.length < 256 || weights.length > 0;
  for (let i = 0; i < docs.length; i++) {
    const d = docs[i];
    if (isNew !== undefined && !isNew(d)) isOld[i] = true;
    else {
      found.read++;
      if (!fit(d)) misfit(d, args);
    }
    if (all || i % 16 === 0 || isOld[i]) put(i);
  }
  if (n < docs.length && (total - sum) * n > 1.25 * sum * (docs.length - n)) {
    for (let i = 0; i < docs.length; i++) if (i % 16 !== 0 && !isOld[i]) put(i);
  }
  found.bytes = total < 0 ? sum : total;
  for (const i in isOld) found.bytes -= weights[i];
  found.walked = Math.max(docs.length, metered.documents);
  found.weight = Math.max(sum, metered.bytes);
};

// Ways to read: whole tables of the root by pages, those of components, where
// there are none, by creation time, and samples by id.
const readPage = async (args) => {
  const query = { source: { type: "FullTableScan", tableName: T, order: null }, operators: [] };
  const p = await ask("1.0/queryPage", {
    query, cursor: args.cursor, pageSize: args.n, ...(args.bytes ? { maximumBytesRead: args.bytes } : {}),
  });
  await take(p.page, [], args);
  found.done = p.isDone;
  found.cursor = p.continueCursor;
};
const walk = async (index, range, args, isNew) => {
  const query = { source: { type: "IndexRange", indexName: T + "." + index, range, order: "asc" }, operators: [{ limit: args.n }] };
  const { queryId } = call("1.0/queryStream", { query });
  const docs = [];
  const weights = [];
  for (let weight = 0; docs.length < args.n && !(args.bytes && weight > args.bytes); ) {
    const { value, done } = await ask("1.0/queryStreamNext", { queryId });
    if (done) {
      found.done = true;
      break;
    }
    docs.push(value);
    if (args.bytes) weights.push(weigh(value));
    if (args.bytes) weight += weights[weights.length - 1];
  }
  if (!found.done) call("1.0/queryCleanup", { queryId });
  await take(docs, weights, args, isNew);
};
const readByTime = async (args) => {
  const before = new Set(args.seen);
  let { time, seen } = args;
  const range = args.begun ? [{ type: "Gte", fieldPath: "_creationTime", value: time }] : [];
  await walk("by_creation_time", range, args, (d) => {
    if (before.has(d._id)) return false;
    if (d._creationTime !== time) seen = [];
    time = d._creationTime;
    seen.push(d._id);
    return true;
  });
  found.time = time;
  found.seen = seen;
};
const readById = async (args) => {
  const at = (type, value) => ({ type, fieldPath: "_id", value });
  const range = args.id ? [at("Gt", args.id)] : args.round ? [] : [at("Gte", args.start)];
  if (args.round) range.push(at("Lt", args.start));
  found.id = args.id;
  await walk("by_id", range, args, (d) => ((found.id = d._id), true));
};
const read = { page: readPage, time: readByTime, id: readById };

export default query({
  handler: async (_, args) => {
    found = { walked: 0, weight: 0, read: 0, bad: 0, bytes: 0, weighed: 0, largest: 0, done: false, samples: [] };
    groups = new Map();
    ids.clear();
    args.full = new Set(args.full);
    await read[args.way](args);
    found.groups = [...groups].map(([key, g]) => [key, g.n]);
    return JSON.stringify(found);
  },
});

// Time and chance: Date, Math.random, performance and timers. A query and a
// mutation see one instant; an action sees time pass.

const currentTime = () => (frozen() || call.type === "" ? call.now : call.now + (RealDate.now() - call.started));

function FrozenDate(...args) {
  if (new.target === undefined) return new RealDate(currentTime()).toString();
  return Reflect.construct(RealDate, args.length === 0 ? [currentTime()] : args, new.target);
}
Object.defineProperty(FrozenDate, "name", { value: "Date", configurable: true });
Object.defineProperty(FrozenDate, "length", { value: 7, configurable: true });
Object.defineProperty(FrozenDate, "prototype", { value: RealDate.prototype, writable: false });
for (const name of ["parse", "UTC"]) hidden(FrozenDate, name, RealDate[name]);
hidden(FrozenDate, "now", function now() {
  return currentTime();
});
hidden(RealDate.prototype, "constructor", FrozenDate);
for (const name of ["toString", "toTimeString"]) {
  const plain = RealDate.prototype[name];
  hidden(RealDate.prototype, name, function () {
    return isNaN(this) ? plain.call(this) : plain.call(this) + " (Coordinated Universal Time)";
  });
}
hidden(G, "Date", FrozenDate);

// xoshiro128**: small, fast, and good enough for ids and samples.
const random = new Uint32Array([1, 2, 3, 4]);

function seedRandom(s0, s1, s2, s3) {
  random[0] = s0;
  random[1] = s1;
  random[2] = s2;
  random[3] = s3 || 1;
}

function random32() {
  const m = Math.imul(random[1], 5);
  const result = Math.imul((m << 7) | (m >>> 25), 9) >>> 0;
  const t = random[1] << 9;
  random[2] ^= random[0];
  random[3] ^= random[1];
  random[1] ^= random[2];
  random[0] ^= random[3];
  random[2] ^= t;
  random[3] = (random[3] << 11) | (random[3] >>> 21);
  return result;
}

hidden(Math, "random", function random() {
  return ((random32() >>> 5) * 67108864 + (random32() >>> 6)) / 9007199254740992;
});

hidden(G, "performance", {
  timeOrigin: 0,
  now() {
    return call.type === "Query" || call.type === "" ? 0 : RealDate.now() - call.started;
  },
  mark() {},
  measure() {},
});

const notInQueries = (what) =>
  new Error(
    `Can't use ${what} in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`,
  );

function addTimer(name, run, delay, args, repeat) {
  if (importing > 0 || call.type === "") throw new Error(`${name} unsupported at import time`);
  if (frozen()) throw notInQueries(name);
  if (typeof run !== "function") throw new TypeError(`${name} needs a function`);
  const id = call.nextTimer++;
  const wait = Math.max(0, Number(delay) || 0);
  call.timers.set(id, {
    id,
    due: RealDate.now() - call.started + wait,
    every: repeat ? wait : null,
    run: () => run(...args),
  });
  return id;
}

hidden(G, "setTimeout", function setTimeout(run, delay, ...args) {
  return addTimer("setTimeout", run, delay, args, false);
});
hidden(G, "setInterval", function setInterval(run, delay, ...args) {
  return addTimer("setInterval", run, delay, args, true);
});
hidden(G, "setImmediate", undefined);
for (const name of ["clearTimeout", "clearInterval"]) {
  hidden(G, name, (id) => {
    call.timers.delete(id);
  });
}
delete G.setImmediate;
if (typeof G.queueMicrotask !== "function") {
  hidden(G, "queueMicrotask", function queueMicrotask(run) {
    if (typeof run !== "function") throw new TypeError("queueMicrotask needs a function");
    Promise.resolve().then(run);
  });
}

// The web's classes, enough that programs which mention them load and that
// plain uses work. Nothing here reaches a network.

class DOMException extends Error {
  #name;
  constructor(message = "", name = "Error") {
    super(message);
    this.#name = String(name);
  }
  get name() {
    return this.#name;
  }
  get code() {
    return { InvalidCharacterError: 5, NotSupportedError: 9, AbortError: 20, QuotaExceededError: 22, TimeoutError: 23, DataCloneError: 25 }[this.#name] ?? 0;
  }
}
hidden(G, "DOMException", DOMException);

class Event {
  #type;
  #prevented = false;
  #cancelable;
  constructor(type, { cancelable = false } = {}) {
    this.#type = String(type);
    this.#cancelable = cancelable;
    this.target = null;
    this.currentTarget = null;
    this.timeStamp = 0;
  }
  get type() {
    return this.#type;
  }
  get cancelable() {
    return this.#cancelable;
  }
  get defaultPrevented() {
    return this.#prevented;
  }
  preventDefault() {
    if (this.#cancelable) this.#prevented = true;
  }
  stopPropagation() {}
  stopImmediatePropagation() {
    hidden(this, "stopped", true);
  }
}

class CustomEvent extends Event {
  constructor(type, init = {}) {
    super(type, init);
    this.detail = init.detail ?? null;
  }
}

class EventTarget {
  #listeners = new Map();
  addEventListener(type, listener, options) {
    if (listener === null || listener === undefined) return;
    const list = this.#listeners.get(type) ?? [];
    if (list.some((l) => l.listener === listener)) return;
    list.push({ listener, once: typeof options === "object" && options !== null && options.once === true });
    this.#listeners.set(type, list);
  }
  removeEventListener(type, listener) {
    this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((l) => l.listener !== listener));
  }
  dispatchEvent(event) {
    event.target = this;
    event.currentTarget = this;
    for (const l of [...(this.#listeners.get(event.type) ?? [])]) {
      if (l.once) this.removeEventListener(event.type, l.listener);
      if (typeof l.listener === "function") l.listener.call(this, event);
      else l.listener.handleEvent(event);
      if (event.stopped) break;
    }
    return !event.defaultPrevented;
  }
}
hidden(G, "Event", Event);
hidden(G, "CustomEvent", CustomEvent);
hidden(G, "EventTarget", EventTarget);

let abortSignal;

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  onabort = null;
  get aborted() {
    return this.#aborted;
  }
  get reason() {
    return this.#reason;
  }
  throwIfAborted() {
    if (this.#aborted) throw this.#reason;
  }
  static abort(reason) {
    const signal = new AbortSignal();
    abortSignal(signal, reason);
    return signal;
  }
  static timeout(ms) {
    const signal = new AbortSignal();
    G.setTimeout(() => abortSignal(signal, new DOMException("The operation timed out.", "TimeoutError")), ms);
    return signal;
  }
  static any(signals) {
    const signal = new AbortSignal();
    for (const s of signals) {
      if (s.aborted) {
        abortSignal(signal, s.reason);
        break;
      }
      s.addEventListener("abort", () => abortSignal(signal, s.reason), { once: true });
    }
    return signal;
  }
  static {
    abortSignal = (signal, reason) => {
      if (signal.#aborted) return;
      signal.#aborted = true;
      signal.#reason = reason === undefined ? new DOMException("The operation was aborted.", "AbortError") : reason;
      const event = new Event("abort");
      if (typeof signal.onabort === "function") signal.onabort(event);
      signal.dispatchEvent(event);
    };
  }
}

class AbortController {
  #signal = new AbortSignal();
  get signal() {
    return this.#signal;
  }
  abort(reason) {
    abortSignal(this.#signal, reason);
  }
}
hidden(G, "AbortSignal", AbortSignal);
hidden(G, "AbortController", AbortController);

class Headers {
  #list = new Map();
  constructor(init) {
    if (init === undefined || init === null) return;
    const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
    for (const [k, v] of pairs) this.append(k, v);
  }
  static #name(name) {
    const text = String(name).toLowerCase();
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(text)) throw new TypeError(`Invalid header name: ${name}`);
    return text;
  }
  append(name, value) {
    const key = Headers.#name(name);
    const before = this.#list.get(key);
    const text = String(value).trim();
    this.#list.set(key, before === undefined ? [text] : [...before, text]);
  }
  set(name, value) {
    this.#list.set(Headers.#name(name), [String(value).trim()]);
  }
  get(name) {
    return this.#list.get(Headers.#name(name))?.join(", ") ?? null;
  }
  getSetCookie() {
    return this.#list.get("set-cookie") ?? [];
  }
  has(name) {
    return this.#list.has(Headers.#name(name));
  }
  delete(name) {
    this.#list.delete(Headers.#name(name));
  }
  forEach(run, self) {
    for (const [k, v] of this) run.call(self, v, k, this);
  }
  *entries() {
    for (const key of [...this.#list.keys()].sort()) yield [key, this.#list.get(key).join(", ")];
  }
  *keys() {
    for (const [k] of this.entries()) yield k;
  }
  *values() {
    for (const [, v] of this.entries()) yield v;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
}
hidden(G, "Headers", Headers);

class Blob {
  #bytes;
  #type;
  constructor(parts = [], { type = "" } = {}) {
    const chunks = [...parts].map((p) => (p instanceof Blob ? p.#bytes : typeof p === "string" ? utf8(p) : ArrayBuffer.isView(p) || p instanceof ArrayBuffer ? asBytes(p) : utf8(String(p))));
    this.#bytes = new Uint8Array(chunks.reduce((n, c) => n + c.length, 0));
    let at = 0;
    for (const c of chunks) {
      this.#bytes.set(c, at);
      at += c.length;
    }
    this.#type = String(type).toLowerCase();
  }
  get size() {
    return this.#bytes.length;
  }
  get type() {
    return this.#type;
  }
  async arrayBuffer() {
    return this.#bytes.slice().buffer;
  }
  async bytes() {
    return this.#bytes.slice();
  }
  async text() {
    return utf8Decode(this.#bytes, false);
  }
  slice(start, end, type = "") {
    return new Blob([this.#bytes.slice(start, end)], { type });
  }
  stream() {
    throw new TypeError("streams are not available in the embedded deployment");
  }
}

class File extends Blob {
  constructor(parts, name, options = {}) {
    super(parts, options);
    this.name = String(name);
    this.lastModified = options.lastModified ?? currentTime();
  }
}
hidden(G, "Blob", Blob);
hidden(G, "File", File);

class FormData {
  #list = [];
  append(name, value) {
    this.#list.push([String(name), value instanceof Blob ? value : String(value)]);
  }
  set(name, value) {
    this.delete(name);
    this.append(name, value);
  }
  delete(name) {
    this.#list = this.#list.filter(([k]) => k !== String(name));
  }
  get(name) {
    return this.#list.find(([k]) => k === String(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#list.filter(([k]) => k === String(name)).map(([, v]) => v);
  }
  has(name) {
    return this.#list.some(([k]) => k === String(name));
  }
  forEach(run, self) {
    for (const [k, v] of this.#list) run.call(self, v, k, this);
  }
  entries() {
    return this.#list[Symbol.iterator]();
  }
  [Symbol.iterator]() {
    return this.entries();
  }
}
hidden(G, "FormData", FormData);

class Body {
  #bytes;
  #used = false;
  constructor(body, headers) {
    this.headers = headers;
    this.#bytes = null;
    if (body === undefined || body === null) return;
    if (body instanceof URLSearchParams && !headers.has("content-type")) headers.set("content-type", "application/x-www-form-urlencoded;charset=UTF-8");
    else if (typeof body === "string" && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
    this.#bytes = typeof body === "object" && (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) ? asBytes(body).slice() : body instanceof Blob ? body : utf8(String(body));
  }
  get body() {
    return this.#bytes === null ? null : {};
  }
  get bodyUsed() {
    return this.#used;
  }
  async #take() {
    if (this.#used) throw new TypeError("Body is unusable: Body has already been read");
    this.#used = true;
    const b = this.#bytes ?? new Uint8Array(0);
    return b instanceof Blob ? b.bytes() : b;
  }
  async arrayBuffer() {
    return (await this.#take()).slice().buffer;
  }
  async bytes() {
    return (await this.#take()).slice();
  }
  async blob() {
    return new Blob([await this.#take()], { type: this.headers.get("content-type") ?? "" });
  }
  async text() {
    return utf8Decode(await this.#take(), false);
  }
  async json() {
    return JSON.parse(await this.text());
  }
  async formData() {
    const data = new FormData();
    for (const [k, v] of parseForm(await this.text())) data.append(k, v);
    return data;
  }
  copyOf() {
    return this.#bytes;
  }
}

class Request extends Body {
  constructor(input, init = {}) {
    const from = input instanceof Request ? input : null;
    super(init.body ?? from?.copyOf(), new Headers(init.headers ?? from?.headers));
    this.url = from ? from.url : new URL(String(input)).href;
    this.method = String(init.method ?? from?.method ?? "GET").toUpperCase();
    this.signal = init.signal ?? from?.signal ?? new AbortController().signal;
  }
  clone() {
    return new Request(this);
  }
}

class Response extends Body {
  constructor(body, init = {}) {
    super(body, new Headers(init.headers));
    this.status = init.status ?? 200;
    if (this.status < 200 || this.status > 599) throw new RangeError(`The status provided (${this.status}) is outside the range [200, 599]`);
    this.statusText = init.statusText ?? "";
    this.type = "default";
    this.url = "";
    this.redirected = false;
  }
  get ok() {
    return this.status >= 200 && this.status < 300;
  }
  clone() {
    return new Response(this.copyOf(), { status: this.status, statusText: this.statusText, headers: this.headers });
  }
  static json(value, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has("content-type")) headers.set("content-type", "application/json");
    return new Response(JSON.stringify(value), { ...init, headers });
  }
  static redirect(url, status = 302) {
    return new Response(null, { status, headers: { location: new URL(String(url)).href } });
  }
  static error() {
    return new Response(null, { status: 500 });
  }
}
hidden(G, "Request", Request);
hidden(G, "Response", Response);

hidden(G, "fetch", function fetch() {
  if (importing > 0 || call.type === "") return Promise.reject(new Error("fetch unsupported at import time"));
  if (frozen()) return Promise.reject(notInQueries("fetch()"));
  return Promise.reject(new TypeError("fetch() is not available in the embedded deployment: code that is rehearsed reaches no network"));
});

// Values of an AsyncLocalStorage hold while run() is on the stack; the engine
// does not carry them over an await.
class AsyncLocalStorage {
  #store;
  run(store, f, ...args) {
    const before = this.#store;
    this.#store = store;
    try {
      return f(...args);
    } finally {
      this.#store = before;
    }
  }
  exit(f, ...args) {
    return this.run(undefined, f, ...args);
  }
  getStore() {
    return this.#store;
  }
  enterWith(store) {
    this.#store = store;
  }
  disable() {
    this.#store = undefined;
  }
  static bind(f) {
    return f;
  }
  static snapshot() {
    return (f, ...args) => f(...args);
  }
}
hidden(G, "AsyncLocalStorage", AsyncLocalStorage);
hidden(
  G,
  "AsyncResource",
  class AsyncResource {
    runInAsyncScope(f, self, ...args) {
      return f.apply(self, args);
    }
    static bind(f) {
      return f;
    }
  },
);

for (const name of ["ReadableStream", "WritableStream", "TransformStream", "TextEncoderStream", "TextDecoderStream", "CompressionStream", "DecompressionStream"]) {
  hidden(
    G,
    name,
    { [name]: class {
      constructor() {
        throw new TypeError(`${name} is not available in the embedded deployment`);
      }
    } }[name],
  );
}

// Intl, and the methods of Date and Number that need it, come on first use:
// few programs mention them, and setting them up takes a millisecond.
lazy("Intl", () => {
  delete G.Intl;
  host.intl();
  const Intl = G.Intl;
  return Intl;
});
for (const [prototype, names] of [
  [RealDate.prototype, ["toLocaleString", "toLocaleDateString", "toLocaleTimeString"]],
  [Number.prototype, ["toLocaleString"]],
  [BigInt.prototype, ["toLocaleString"]],
]) {
  for (const name of names) {
    hidden(prototype, name, function (...args) {
      void G.Intl;
      return prototype[name].apply(this, args);
    });
  }
}

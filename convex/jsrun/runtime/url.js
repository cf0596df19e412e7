// URL and URLSearchParams after the URL standard: parsing, serialising, the
// setters that programs use. Hosts are lower-cased; international names stay
// as they are given (no punycode).

const specialPorts = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
const special = (protocol) => Object.hasOwn(specialPorts, protocol);

function percent(text, keep) {
  let out = "";
  for (const c of text) out += keep.test(c) ? c : [...utf8(c)].map((b) => "%" + b.toString(16).toUpperCase().padStart(2, "0")).join("");
  return out;
}

const keepPath = /[!$&'()*+,\-./0-9:;=@A-Z[\]_a-z|~%\\]/;
const keepOpaque = /[\x20-\x7e]/;
const keepQuery = /[!$%&()*+,\-./0-9:;=?@A-Z[\\\]^_`a-z{|}~]/;
const keepQueryPlain = /[!$%&'()*+,\-./0-9:;=?@A-Z[\\\]^_`a-z{|}~]/;
const keepHash = /[!#$%&'()*+,\-./0-9:;=?@A-Z[\\\]^_a-z{|}~]/;
const keepUser = /[!$%&'()*+,\-.0-9A-Z_a-z~]/;

const badURL = (text) => Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL", input: text });

function splitURL(text) {
  const clean = text.replace(/^[\x00-\x20]+|[\x00-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
  const at = clean.indexOf("#");
  const hash = at >= 0 ? clean.slice(at) : "";
  const before = at >= 0 ? clean.slice(0, at) : clean;
  const q = before.indexOf("?");
  return { hash, query: q >= 0 ? before.slice(q) : "", hasQuery: q >= 0, rest: q >= 0 ? before.slice(0, q) : before };
}

function parseHost(text, protocol) {
  if (text.startsWith("[")) {
    if (!/^\[[0-9a-fA-F:.]+\]$/.test(text)) throw badURL(text);
    return text.toLowerCase();
  }
  const name = special(protocol) ? attempt(() => decodeURIComponent(text), text).toLowerCase() : percent(text, keepUser);
  if (/[\x00-\x20#/:<>?@[\\\]^|]/.test(name) || (special(protocol) && /[%\x7f]/.test(name))) throw badURL(text);
  const last = name.replace(/\.$/, "").split(".").pop();
  return special(protocol) && /^(\d+|0x[0-9a-f]*)$/.test(last) ? parseIPv4(name) : name;
}

function parseIPv4(name) {
  const parts = name.replace(/\.$/, "").split(".");
  if (parts.length > 4) throw badURL(name);
  const numbers = parts.map((p) => {
    const n = /^0x[0-9a-f]*$/.test(p) ? Number(p === "0x" ? 0 : p) : /^0[0-7]+$/.test(p) ? parseInt(p, 8) : /^\d+$/.test(p) ? Number(p) : NaN;
    if (Number.isNaN(n)) throw badURL(name);
    return n;
  });
  let value = numbers.pop();
  if (value >= 256 ** (4 - numbers.length) || numbers.some((n) => n > 255)) throw badURL(name);
  numbers.forEach((n, i) => (value += n * 256 ** (3 - i)));
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function parseAuthority(u, text) {
  const at = text.lastIndexOf("@");
  if (at >= 0) {
    const [user, ...secret] = text.slice(0, at).split(":");
    u.username = percent(user, keepUser);
    u.password = percent(secret.join(":"), keepUser);
    text = text.slice(at + 1);
  }
  const port = /:(\d*)$/.exec(text);
  if (port && !/\]:?$/.test(text)) {
    text = text.slice(0, port.index);
    if (Number(port[1]) > 65535) throw badURL(text);
    u.port = port[1] === "" || String(Number(port[1])) === specialPorts[u.protocol] ? "" : String(Number(port[1]));
  } else if (port) text = text.replace(/:$/, "");
  if (text === "" && special(u.protocol) && u.protocol !== "file:") throw badURL(text);
  u.hostname = text === "" ? "" : parseHost(text, u.protocol);
  if (u.protocol === "file:" && u.hostname === "localhost") u.hostname = "";
}

function normalPath(path, protocol) {
  const text = special(protocol) ? path.replace(/\\/g, "/") : path;
  const out = [];
  const parts = text.split("/").slice(1);
  parts.forEach((part, i) => {
    const plain = part.replace(/%2e/gi, ".");
    const last = i === parts.length - 1;
    if (plain === "..") {
      out.pop();
      if (last) out.push("");
    } else if (plain === ".") {
      if (last) out.push("");
    } else out.push(percent(part, keepPath));
  });
  return "/" + out.join("/");
}

function parseURL(text, base) {
  const { hash, query, hasQuery, rest } = splitURL(text);
  const u = { protocol: "", username: "", password: "", hostname: null, port: "", pathname: "", search: "", hash: "" };
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(rest);
  let tail = rest;
  if (scheme && !(base && special(base.protocol) && scheme[1].toLowerCase() + ":" === base.protocol && !/^[\\/]{2}/.test(rest.slice(scheme[0].length)) && !/^[\\/]/.test(rest.slice(scheme[0].length)))) {
    u.protocol = scheme[1].toLowerCase() + ":";
    tail = rest.slice(scheme[0].length);
    base = null;
  } else if (scheme && base) tail = rest.slice(scheme[0].length);
  if (u.protocol === "") {
    if (!base) throw badURL(text);
    if (base.hostname === null && !(tail === "" && !hasQuery)) throw badURL(text);
    u.protocol = base.protocol;
  }
  const slashes = special(u.protocol) ? /^[\\/]{2,}/ : /^\/\//;
  const wantsAuthority = base ? slashes.test(tail) : special(u.protocol) || slashes.test(tail);
  if (wantsAuthority && (!base || slashes.test(tail))) {
    const body = special(u.protocol) && u.protocol !== "file:" ? tail.replace(/^[\\/]*/, "") : tail.replace(/^[\\/]{2}/, "");
    const end = body.search(special(u.protocol) ? /[\\/]/ : /\//);
    parseAuthority(u, u.protocol === "file:" && !slashes.test(tail) ? "" : end >= 0 ? body.slice(0, end) : body);
    const path = u.protocol === "file:" && !slashes.test(tail) ? tail : end >= 0 ? body.slice(end) : "";
    u.pathname = path === "" ? (special(u.protocol) ? "/" : "") : normalPath(path, u.protocol);
  } else if (base) {
    Object.assign(u, { username: base.username, password: base.password, hostname: base.hostname, port: base.port });
    if (tail === "") {
      u.pathname = base.pathname;
      u.search = base.search;
    } else if (/^[\\/]/.test(tail) && (special(u.protocol) || tail[0] === "/")) u.pathname = normalPath(tail, u.protocol);
    else u.pathname = normalPath(base.pathname.replace(/[^/]*$/, "") + tail || "/" + tail, u.protocol);
  } else if (tail.startsWith("/")) u.pathname = normalPath(tail, u.protocol);
  else u.pathname = percent(tail, keepOpaque);
  if (hasQuery) u.search = query === "?" ? "" : "?" + percent(query.slice(1), special(u.protocol) ? keepQuery : keepQueryPlain);
  u.hash = hash.length > 1 ? "#" + percent(hash.slice(1), keepHash) : "";
  return u;
}

class URL {
  #u;
  #params;
  constructor(text, base) {
    const from = base === undefined ? null : base instanceof URL ? base.#u : parseURL(String(base), null);
    this.#u = parseURL(String(text), from);
  }
  static canParse(text, base) {
    return URL.parse(text, base) !== null;
  }
  static parse(text, base) {
    return attempt(() => new URL(text, base), null);
  }
  get href() {
    const u = this.#u;
    const login = u.username || u.password ? u.username + (u.password ? ":" + u.password : "") + "@" : "";
    const authority = u.hostname === null ? "" : "//" + login + this.host;
    return u.protocol + authority + u.pathname + u.search + u.hash;
  }
  set href(text) {
    this.#u = parseURL(String(text), null);
    this.#sync();
  }
  get origin() {
    const u = this.#u;
    return special(u.protocol) && u.protocol !== "file:" ? u.protocol + "//" + this.host : "null";
  }
  get host() {
    const u = this.#u;
    return (u.hostname ?? "") + (u.port === "" ? "" : ":" + u.port);
  }
  set host(text) {
    this.#try((u) => parseAuthority(u, String(text).split(/[/?#\\]/)[0]));
  }
  get hostname() {
    return this.#u.hostname ?? "";
  }
  set hostname(text) {
    this.#try((u) => (u.hostname = parseHost(String(text).split(/[/?#:\\]/)[0], u.protocol)));
  }
  get pathname() {
    return this.#u.pathname;
  }
  set pathname(text) {
    const t = String(text);
    this.#try((u) => (u.pathname = normalPath(/^[/\\]/.test(t) ? t : "/" + t, u.protocol).replace(/[?#]/g, (c) => (c === "?" ? "%3F" : "%23"))));
  }
  get search() {
    return this.#u.search;
  }
  set search(text) {
    const t = String(text).replace(/^\?/, "");
    this.#u.search = t === "" ? "" : "?" + percent(t, keepQuery);
    this.#sync();
  }
  get hash() {
    return this.#u.hash;
  }
  set hash(text) {
    const t = String(text).replace(/^#/, "");
    this.#u.hash = t === "" ? "" : "#" + percent(t, keepHash);
  }
  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams(this.#u.search);
      watchParams(this.#params, (text) => (this.#u.search = text === "" ? "" : "?" + text));
    }
    return this.#params;
  }
  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
  #sync() {
    if (this.#params !== undefined) resetParams(this.#params, this.#u.search);
  }
  #try(change) {
    const next = { ...this.#u };
    attempt(() => {
      change(next);
      this.#u = next;
    });
  }
  static {
    for (const name of ["protocol", "username", "password", "port"]) {
      Object.defineProperty(this.prototype, name, {
        configurable: true,
        enumerable: true,
        get() {
          return this.#u[name];
        },
        set(value) {
          const text = String(value);
          if (name === "protocol") this.#u.protocol = text.replace(/:.*$/, "").toLowerCase() + ":";
          else if (name === "port") this.#u.port = text === specialPorts[this.#u.protocol] ? "" : (/^\d+/.exec(text)?.[0] ?? "");
          else this.#u[name] = percent(text, keepUser);
        },
      });
    }
  }
}

let watchParams, resetParams;

const formEncode = (text) => percent(text, /[*\-.0-9A-Z_a-z ]/).replace(/ /g, "+");

function formDecode(text) {
  const bytes = [];
  const s = utf8(text.replace(/\+/g, " "));
  for (let i = 0; i < s.length; i++) {
    const pair = s[i] === 37 ? String.fromCharCode(s[i + 1] ?? 0, s[i + 2] ?? 0) : "";
    if (/^[0-9a-fA-F]{2}$/.test(pair)) {
      bytes.push(parseInt(pair, 16));
      i += 2;
    } else bytes.push(s[i]);
  }
  return utf8Decode(Uint8Array.from(bytes), false);
}

function parseForm(text) {
  return text
    .replace(/^\?/, "")
    .split("&")
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? [formDecode(part), ""] : [formDecode(part.slice(0, at)), formDecode(part.slice(at + 1))];
    });
}

class URLSearchParams {
  #list;
  #changed = () => {};
  constructor(init = "") {
    if (typeof init === "string") this.#list = parseForm(init);
    else if (init !== null && typeof init === "object" && typeof init[Symbol.iterator] === "function") {
      this.#list = [...init].map((pair) => {
        const [k, v, ...more] = [...pair];
        if (v === undefined || more.length > 0) throw new TypeError("Each query pair must be an iterable [name, value] tuple");
        return [String(k), String(v)];
      });
    } else if (init !== null && typeof init === "object") this.#list = Object.entries(init).map(([k, v]) => [k, String(v)]);
    else this.#list = parseForm(String(init));
  }
  static {
    watchParams = (params, changed) => (params.#changed = changed);
    resetParams = (params, text) => (params.#list = parseForm(text));
  }
  get size() {
    return this.#list.length;
  }
  append(name, value) {
    this.#list.push([String(name), String(value)]);
    this.#changed(this.toString());
  }
  delete(name, value) {
    this.#list = this.#list.filter(([k, v]) => k !== String(name) || (value !== undefined && v !== String(value)));
    this.#changed(this.toString());
  }
  get(name) {
    return this.#list.find(([k]) => k === String(name))?.[1] ?? null;
  }
  getAll(name) {
    return this.#list.filter(([k]) => k === String(name)).map(([, v]) => v);
  }
  has(name, value) {
    return this.#list.some(([k, v]) => k === String(name) && (value === undefined || v === String(value)));
  }
  set(name, value) {
    const at = this.#list.findIndex(([k]) => k === String(name));
    if (at < 0) this.#list.push([String(name), String(value)]);
    else {
      this.#list[at] = [String(name), String(value)];
      this.#list = this.#list.filter(([k], i) => i <= at || k !== String(name));
    }
    this.#changed(this.toString());
  }
  sort() {
    this.#list.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    this.#changed(this.toString());
  }
  forEach(run, self) {
    for (const [k, v] of this) run.call(self, v, k, this);
  }
  *entries() {
    for (const [k, v] of this.#list) yield [k, v];
  }
  *keys() {
    for (const [k] of this.#list) yield k;
  }
  *values() {
    for (const [, v] of this.#list) yield v;
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  toString() {
    return this.#list.map(([k, v]) => formEncode(k) + "=" + formEncode(v)).join("&");
  }
}

hidden(G, "URL", URL);
hidden(G, "URLSearchParams", URLSearchParams);

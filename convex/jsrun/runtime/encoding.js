// Text and bytes: TextEncoder, TextDecoder, atob, btoa, structuredClone.

class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return utf8(String(text));
  }
  encodeInto(text, target) {
    const bytes = utf8(String(text));
    let n = Math.min(bytes.length, target.length);
    while (n > 0 && n < bytes.length && (bytes[n] & 0xc0) === 0x80) n--;
    target.set(bytes.subarray(0, n));
    return { read: utf8Decode(bytes.subarray(0, n), false).length, written: n };
  }
}

function utf8(text) {
  const out = new Uint8Array(text.length * 3);
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c >= 0xd800 && c <= 0xdfff) {
      const low = c < 0xdc00 && i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i++;
      } else c = 0xfffd;
    }
    if (c < 0x80) out[n++] = c;
    else if (c < 0x800) {
      out[n++] = 0xc0 | (c >> 6);
      out[n++] = 0x80 | (c & 63);
    } else if (c < 0x10000) {
      out[n++] = 0xe0 | (c >> 12);
      out[n++] = 0x80 | ((c >> 6) & 63);
      out[n++] = 0x80 | (c & 63);
    } else {
      out[n++] = 0xf0 | (c >> 18);
      out[n++] = 0x80 | ((c >> 12) & 63);
      out[n++] = 0x80 | ((c >> 6) & 63);
      out[n++] = 0x80 | (c & 63);
    }
  }
  return out.slice(0, n);
}

// What may follow a lead byte: how many bytes, and the range of the first.
function utf8Lead(b) {
  if (b >= 0xc2 && b <= 0xdf) return [1, 0x80, 0xbf];
  if (b >= 0xe0 && b <= 0xef) return [2, b === 0xe0 ? 0xa0 : 0x80, b === 0xed ? 0x9f : 0xbf];
  if (b >= 0xf0 && b <= 0xf4) return [3, b === 0xf0 ? 0x90 : 0x80, b === 0xf4 ? 0x8f : 0xbf];
  return null;
}

function utf8Decode(bytes, fatal) {
  const parts = [];
  let units = [];
  const put = (c) => {
    if (c > 0xffff) units.push(0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
    else units.push(c);
    if (units.length > 4096) {
      parts.push(String.fromCharCode(...units));
      units = [];
    }
  };
  for (let i = 0; i < bytes.length; ) {
    const b = bytes[i++];
    if (b < 0x80) {
      put(b);
      continue;
    }
    const lead = utf8Lead(b);
    let left = lead === null ? -1 : lead[0];
    let [, low, high] = lead ?? [0, 0x80, 0xbf];
    let c = left === 1 ? b & 31 : left === 2 ? b & 15 : b & 7;
    while (left > 0 && i < bytes.length && bytes[i] >= low && bytes[i] <= high) {
      c = (c << 6) | (bytes[i++] & 63);
      low = 0x80;
      high = 0xbf;
      left--;
    }
    if (left === 0) put(c);
    else if (fatal) throw new TypeError("The encoded data was not valid for encoding utf-8");
    else put(0xfffd);
  }
  parts.push(String.fromCharCode(...units));
  return parts.join("");
}

const asBytes = (source) => {
  if (source === undefined) return new Uint8Array(0);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return new Uint8Array(source);
};

class TextDecoder {
  #encoding;
  #fatal;
  #keepMark;
  #rest = new Uint8Array(0);
  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    const name = String(label).trim().toLowerCase();
    if (["utf-8", "utf8", "unicode-1-1-utf-8"].includes(name)) this.#encoding = "utf-8";
    else if (["utf-16le", "utf-16", "ucs-2"].includes(name)) this.#encoding = "utf-16le";
    else if (["ascii", "us-ascii", "latin1", "iso-8859-1", "windows-1252"].includes(name)) this.#encoding = "windows-1252";
    else throw new RangeError(`The "${label}" encoding is not supported`);
    this.#fatal = fatal;
    this.#keepMark = ignoreBOM;
  }
  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#keepMark;
  }
  decode(source, { stream = false } = {}) {
    let bytes = asBytes(source);
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
      this.#rest = new Uint8Array(0);
    }
    if (stream) {
      const whole = this.#whole(bytes);
      this.#rest = bytes.slice(whole);
      bytes = bytes.subarray(0, whole);
    }
    const text = this.#text(bytes);
    return !this.#keepMark && this.#encoding !== "windows-1252" && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
  #text(bytes) {
    if (this.#encoding === "utf-8") return utf8Decode(bytes, this.#fatal);
    let text = "";
    if (this.#encoding === "utf-16le") {
      for (let i = 0; i + 1 < bytes.length; i += 2) text += String.fromCharCode(bytes[i] | (bytes[i + 1] << 8));
      return text;
    }
    for (const b of bytes) text += String.fromCharCode(b);
    return text;
  }
  // How many bytes end on a whole character.
  #whole(bytes) {
    if (this.#encoding === "utf-16le") return bytes.length & ~1;
    if (this.#encoding !== "utf-8") return bytes.length;
    for (let back = 1; back <= Math.min(3, bytes.length); back++) {
      const b = bytes[bytes.length - back];
      if ((b & 0xc0) === 0x80) continue;
      const lead = utf8Lead(b);
      return lead !== null && lead[0] >= back ? bytes.length - back : bytes.length;
    }
    return bytes.length;
  }
}

hidden(G, "TextEncoder", TextEncoder);
hidden(G, "TextDecoder", TextDecoder);

hidden(G, "btoa", function btoa(text) {
  const s = String(text);
  const bytes = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) {
    const c = s.charCodeAt(i);
    if (c > 255) throw new G.DOMException("The string to be encoded contains characters outside of the Latin1 range.", "InvalidCharacterError");
    bytes[i] = c;
  }
  return bytes.toBase64();
});

hidden(G, "atob", function atob(text) {
  let s = String(text).replace(/[\t\n\f\r ]/g, "");
  if (s.length % 4 === 0) s = s.replace(/==?$/, "");
  if (s.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(s)) {
    throw new G.DOMException("The string to be decoded is not correctly encoded.", "InvalidCharacterError");
  }
  let out = "";
  for (const b of Uint8Array.fromBase64(s, { lastChunkHandling: "loose" })) out += String.fromCharCode(b);
  return out;
});

function clone(value, seen) {
  if (typeof value === "function" || typeof value === "symbol") {
    throw new G.DOMException(`${String(value)} could not be cloned.`, "DataCloneError");
  }
  if (typeof value !== "object" || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const keep = (copy) => {
    seen.set(value, copy);
    return copy;
  };
  const kind = tag(value);
  if (value instanceof RealDate) return keep(new RealDate(value.getTime()));
  if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
  if (value instanceof ArrayBuffer) return keep(value.slice(0));
  if (ArrayBuffer.isView(value)) {
    const buffer = clone(value.buffer, seen);
    return keep(new value.constructor(buffer, value.byteOffset, kind === "DataView" ? value.byteLength : value.length));
  }
  if (value instanceof Map) {
    const copy = keep(new Map());
    for (const [k, v] of value) copy.set(clone(k, seen), clone(v, seen));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const v of value) copy.add(clone(v, seen));
    return copy;
  }
  if (value instanceof Error) {
    const kinds = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
    const copy = keep(new (kinds[value.name] ?? Error)(value.message));
    hidden(copy, "stack", value.stack);
    if (Object.hasOwn(value, "cause")) hidden(copy, "cause", clone(value.cause, seen));
    return copy;
  }
  if (["Number", "String", "Boolean", "BigInt"].includes(kind) && typeof value.valueOf() !== "object") return keep(Object(value.valueOf()));
  if (["WeakMap", "WeakSet", "WeakRef", "Promise"].includes(kind)) {
    throw new G.DOMException(`#<${kind}> could not be cloned.`, "DataCloneError");
  }
  const copy = keep(Array.isArray(value) ? new Array(value.length) : {});
  for (const key of Object.keys(value)) copy[key] = clone(value[key], seen);
  return copy;
}

hidden(G, "structuredClone", function structuredClone(value) {
  return clone(value, new Map());
});

// crypto: seeded numbers, digests and HMAC. What needs true randomness fails
// in queries and mutations, as on Convex.

const hex = (source) => asBytes(source).toHex();
const fromHex = (text) => Uint8Array.fromHex(text);

function digest(name, data, key) {
  const answer = host.digest(name, hex(data), key === undefined ? "" : hex(key), key !== undefined);
  if (answer === null) throw new G.DOMException(`Unrecognized algorithm name ${name}`, "NotSupportedError");
  return fromHex(answer).buffer;
}

const algorithm = (a) => String(typeof a === "string" ? a : a?.name).toUpperCase();
const hashOf = (a) => algorithm(a?.hash ?? "SHA-256");

class CryptoKey {
  constructor(fields) {
    const { raw, ...shown } = fields;
    Object.assign(this, shown);
    hidden(this, "raw", raw);
  }
}

const needsRandomness = (what) => notInQueries(what);

const unsupported = (name) => () => Promise.reject(new G.DOMException(`crypto.subtle.${name} is not available in the embedded deployment`, "NotSupportedError"));

const subtle = {
  async digest(name, data) {
    return digest(algorithm(name), data);
  },
  async importKey(format, data, algo, extractable, usages) {
    if (algorithm(algo) !== "HMAC" && algorithm(algo) !== "PBKDF2" && algorithm(algo) !== "HKDF") return unsupported("importKey of " + algorithm(algo))();
    if (format !== "raw") return unsupported("importKey of format " + format)();
    return new CryptoKey({ type: "secret", extractable, algorithm: { name: algorithm(algo), hash: { name: hashOf(algo) } }, usages, raw: asBytes(data).slice() });
  },
  async exportKey(format, key) {
    if (format !== "raw" || !key.extractable) throw new G.DOMException("the key cannot be exported", "InvalidAccessError");
    return key.raw.slice().buffer;
  },
  async sign(algo, key, data) {
    if (algorithm(algo) !== "HMAC") return unsupported("sign with " + algorithm(algo))();
    return digest(key.algorithm.hash.name, data, key.raw);
  },
  async verify(algo, key, signature, data) {
    if (algorithm(algo) !== "HMAC") return unsupported("verify with " + algorithm(algo))();
    return hex(digest(key.algorithm.hash.name, data, key.raw)) === hex(signature);
  },
  generateKey() {
    return Promise.reject(needsRandomness("crypto.subtle.generateKey()"));
  },
};
for (const name of ["encrypt", "decrypt", "deriveBits", "deriveKey", "wrapKey", "unwrapKey"]) subtle[name] = unsupported(name);

lazy("CryptoKey", () => CryptoKey);
hidden(G, "crypto", {
  subtle,
  getRandomValues(array) {
    if (!ArrayBuffer.isView(array)) throw new TypeError("getRandomValues needs an integer array");
    if (array.byteLength > 65536) {
      throw new G.DOMException(`The ArrayBufferView's byte length (${array.byteLength}) exceeds the number of bytes of entropy available via this API (65536)`, "QuotaExceededError");
    }
    const bytes = asBytes(array);
    for (let i = 0; i < bytes.length; i += 4) {
      let r = random32();
      for (let j = i; j < i + 4 && j < bytes.length; j++) {
        bytes[j] = r & 255;
        r >>>= 8;
      }
    }
    return array;
  },
  randomUUID() {
    const b = G.crypto.getRandomValues(new Uint8Array(16));
    b[6] = (b[6] & 15) | 64;
    b[8] = (b[8] & 63) | 128;
    const h = b.toHex();
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
  },
});

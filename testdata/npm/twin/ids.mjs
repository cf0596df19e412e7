// Ids as Convex writes them (convex-wire.md 8.6) in place of convex-test's,
// which are a counter and the table's name.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

/** The id of a document: varint of the table's number, 16 bytes, their checksum. */
function encode(table, document) {
  const bytes = [];
  for (let n = table; ; n >>>= 7) {
    bytes.push(n > 127 ? (n & 127) | 128 : n);
    if (n <= 127) break;
  }
  for (let i = 15; i >= 0; i--) bytes.push(i > 6 ? 0x5a ^ i : Number((BigInt(document) >> BigInt(8 * i)) & 255n));
  let [a, b] = [0, 0];
  for (const byte of bytes) {
    a = (a + byte) % 256;
    b = (b + a) % 256;
  }
  bytes.push(a, b);
  const bits = bytes.map((x) => x.toString(2).padStart(8, "0")).join("");
  const groups = bits.padEnd(Math.ceil(bits.length / 5) * 5, "0").match(/.{5}/g);
  return groups.map((g) => alphabet[parseInt(g, 2)]).join("");
}

/** Translates texts of one deployment; numbers maps its tables to their numbers. */
export class Ids {
  #inside = new Map();

  constructor(numbers) {
    this.numbers = numbers;
    this.pattern = new RegExp(`\\b(\\d{8,31})(${Object.keys(numbers).join("|")})\\b`, "g");
  }

  outward(text) {
    return text.replace(this.pattern, (id, counter, table) => {
      const real = encode(this.numbers[table], counter);
      this.#inside.set(real, id);
      return real;
    });
  }

  inward(text) {
    return text.replace(/\b[0-9a-z]{31,37}\b/g, (id) => this.#inside.get(id) ?? id);
  }
}

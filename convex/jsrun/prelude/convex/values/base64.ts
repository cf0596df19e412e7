// Base64 as Convex's wire formats use it: standard alphabet with padding on
// the way out, the URL-safe letters understood on the way in.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const sextets: Record<string, number> = { "-": 62, _: 63 };
for (let i = 0; i < alphabet.length; i++) sextets[alphabet[i]!] = i;

function padding(text: string): number {
  if (text.length % 4 !== 0) throw new Error("Invalid string. Length must be a multiple of 4");
  return text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
}

/** How many bytes a text stands for. */
export function byteLength(text: string): number {
  return (text.length / 4) * 3 - padding(text);
}

export function toByteArray(text: string): Uint8Array {
  const bytes = new Uint8Array(byteLength(text));
  let at = 0;
  for (let i = 0; i < text.length; i += 4) {
    let bits = 0;
    for (let k = 0; k < 4; k++) bits = (bits << 6) | (sextets[text[i + k]!] ?? 0);
    for (let shift = 16; shift >= 0 && at < bytes.length; shift -= 8) bytes[at++] = (bits >> shift) & 255;
  }
  return bytes;
}

export function fromByteArray(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const have = Math.min(3, bytes.length - i);
    const bits = (bytes[i]! << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    for (let k = 0; k < 4; k++) text += k > have ? "=" : alphabet[(bits >> (18 - 6 * k)) & 63];
  }
  return text;
}

export function fromByteArrayUrlSafeNoPadding(bytes: Uint8Array): string {
  return fromByteArray(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// Sizes as Convex counts them (convex-wire.md 8.5).
import { CommitTsPlaceholder, isSimpleObject } from "./codec";

function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit <= 0xdbff) {
      bytes += 2; // four bytes for two units
      i++;
    } else bytes += 2;
  }
  return bytes;
}

export function getConvexSize(value: any): number {
  switch (typeof value) {
    case "undefined":
      return 0;
    case "boolean":
      return 1;
    case "bigint":
    case "number":
      return 9;
    case "string":
      return 2 + utf8Length(value);
  }
  if (value === null) return 1;
  if (value instanceof CommitTsPlaceholder) return 9;
  if (value instanceof ArrayBuffer) return 2 + value.byteLength;
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + getConvexSize(item), 2);
  if (!isSimpleObject(value)) throw new Error(`Unsupported value type: ${typeof value}`);
  let size = 2;
  for (const [key, inner] of Object.entries(value)) {
    if (inner !== undefined) size += utf8Length(key) + 1 + getConvexSize(inner);
  }
  return size;
}

/** The size of a document, its system fields counted whether or not they are there. */
export function getDocumentSize(doc: Record<string, any>, options?: { customIdLength?: number }): number {
  let size = getConvexSize(doc);
  if (doc._id === undefined) size += options?.customIdLength ? options.customIdLength + 6 : 38;
  if (doc._creationTime === undefined) size += 23;
  return size;
}

// Convex's order of values (convex-wire.md 8.4).
import { CommitTsPlaceholder, maxInt64 } from "./codec";

function rank(value: any): number {
  if (value === undefined) return 0;
  if (value === null) return 1;
  switch (typeof value) {
    case "bigint":
      return 2;
    case "number":
      return 3;
    case "boolean":
      return 4;
    case "string":
      return 5;
  }
  if (value instanceof CommitTsPlaceholder) return 2;
  if (value instanceof ArrayBuffer) return 6;
  return Array.isArray(value) ? 7 : 9;
}

const less = (a: any, b: any) => (a < b ? -1 : a > b ? 1 : 0);

// By UTF-8 bytes, which is by code points: a unit of a surrogate pair sorts
// behind every other unit.
function compareStrings(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xPair = x >= 0xd800 && x <= 0xdfff;
    const yPair = y >= 0xd800 && y <= 0xdfff;
    return xPair === yPair ? x - y : xPair ? 1 : -1;
  }
  return a.length - b.length;
}

// IEEE total order, by the bits: negative numbers turned round.
function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b && a !== 0) return 0;
  const view = new DataView(new ArrayBuffer(16));
  view.setFloat64(0, a);
  view.setFloat64(8, b);
  const key = (bits: bigint) => (bits < 0n ? -(2n ** 63n) - bits - 1n : bits);
  return less(key(view.getBigInt64(0)), key(view.getBigInt64(8)));
}

function compareLists<T>(a: ArrayLike<T>, b: ArrayLike<T>, compare: (a: T, b: T) => number): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const c = compare(a[i]!, b[i]!);
    if (c !== 0) return c;
  }
  return Math.sign(a.length - b.length);
}

function compareFields(a: [string, any], b: [string, any]): number {
  return Math.sign(compareStrings(a[0], b[0])) || compareValues(a[1], b[1]);
}

/** -1, 0 or 1 as a sorts before, with or behind b. */
export function compareValues(a: any, b: any): number {
  const kind = rank(a);
  const byKind = less(kind, rank(b));
  if (byKind !== 0) return byKind;
  switch (kind) {
    case 0:
    case 1:
      return 0;
    case 2: {
      const int = (x: any) => (typeof x === "bigint" ? x : maxInt64);
      return less(int(a), int(b));
    }
    case 3:
      return compareFloats(a, b);
    case 4:
      return less(a, b);
    case 5:
      return Math.sign(compareStrings(a, b));
    case 6:
      return compareLists(new Uint8Array(a), new Uint8Array(b), less);
    case 7:
      return compareLists(a as any[], b as any[], compareValues);
  }
  const fields = (o: object) => Object.entries(o).sort(([x], [y]) => less(x, y));
  return compareLists(fields(a), fields(b), compareFields);
}

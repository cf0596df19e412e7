// Appended to the npm package's compare module while it is bundled (splice.go).
// Keys are mostly numbers and strings: those need no arrays to be compared.

export function compareValues(k1, k2) {
  if (typeof k1 === "number" && typeof k2 === "number") {
    if (k1 < k2) return -1;
    if (k1 > k2) return 1;
    if (k1 === k2 && k1 !== 0) return 0;
  } else if (typeof k1 === "string" && k1 === k2) return 0;
  return originalCompareValues(k1, k2);
}

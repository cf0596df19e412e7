// Appended to the npm package's value module while it is bundled (splice.go).
// Documents are mostly strings, numbers and plain objects: those need no new
// object, only a look at every key. Whatever is not plain goes to the original
// functions, which also own every error text.

const straitKnown = Object.create(null); // field names that were found valid
let straitKnownCount = 0;
const straitMiss = Symbol("not plain");

function straitField(key) {
  if (straitKnown[key] === true) return true;
  if (key.length > 1024 || key === "__proto__" || !/^(?!\$)[\x20-\x7e]*$/.test(key)) return false;
  if (straitKnownCount < 4096) {
    straitKnownCount++;
    straitKnown[key] = true;
  }
  return true;
}

function straitPlainJson(value) {
  if (typeof value !== "object") return value !== undefined && typeof value !== "function";
  if (value === null) return true;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (!straitPlainJson(value[i])) return false;
    return true;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) {
    if (!straitField(key)) return false;
    const inner = value[key];
    if (typeof inner === "object" ? inner !== null && !straitPlainJson(inner) : inner === undefined) return false;
  }
  return true;
}

export function jsonToConvex(value) {
  return straitPlainJson(value) ? value : originalJsonToConvex(value);
}

// The value itself when it is plain and its fields are in order, a copy in
// order when they are not, straitMiss when it is not plain.
function straitPlainValue(value) {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return value - value === 0 && (value !== 0 || 1 / value > 0) ? value : straitMiss;
    case "object":
      break;
    default:
      return straitMiss;
  }
  if (value === null) return null;
  if (Array.isArray(value)) {
    let out = value;
    for (let i = 0; i < value.length; i++) {
      const inner = straitPlainValue(value[i]);
      if (inner === straitMiss) return straitMiss;
      if (inner !== value[i]) {
        if (out === value) out = value.slice();
        out[i] = inner;
      }
    }
    return out;
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return straitMiss;
  const keys = Object.keys(value);
  let sorted = true;
  for (let i = 0; i < keys.length; i++) {
    if (!straitField(keys[i])) return straitMiss;
    if (i > 0 && keys[i] < keys[i - 1]) sorted = false;
  }
  if (!sorted) keys.sort();
  let out = sorted ? value : {};
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const inner = straitPlainValue(value[key]);
    if (inner === straitMiss) return straitMiss;
    if (!sorted) out[key] = inner;
    else if (inner !== value[key]) {
      if (out === value) out = { ...value };
      out[key] = inner;
    }
  }
  return out;
}

export function convexToJson(value) {
  const plain = straitPlainValue(value);
  return plain === straitMiss ? originalConvexToJson(value) : plain;
}

// undefined, which only a patch may hold, is not plain.
export function patchValueToJson(value) {
  const plain = straitPlainValue(value);
  return plain === straitMiss ? originalPatchValueToJson(value) : plain;
}

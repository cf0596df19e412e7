// Appended to the npm package's database module while it is bundled
// (splice.go): ctx.db with one promise a call. What is not as it should be
// goes to the original functions, which own every error text.

// Arguments as JSON, or null to leave them to the original.
function straitArguments(make, a, b, c) {
  try {
    return make(a, b, c);
  } catch {
    return null;
  }
}

const straitAsk = (op, args, take) =>
  args === null ? null : globalThis.__strait.ask(op, args, 3, take, null, performAsyncSyscall);

const straitNothing = () => undefined;
const straitDocument = (text) => {
  const value = JSON.parse(text);
  return text.charCodeAt(0) === 32 ? value : jsonToConvex(value);
};
const straitInserted = (text) => straitDocument(text)._id;

const straitPatchArguments = (table, id, value) => JSON.stringify({ id, value: patchValueToJson(value), table });
const straitReplaceArguments = (table, id, value) => JSON.stringify({ id, value: convexToJson(value), table });
const straitInsertArguments = (table, value) => JSON.stringify({ table, value: convexToJson(value) });
const straitIdArguments = (table, id) => JSON.stringify({ id, table });
const straitGetArguments = (table, id, isSystem) => JSON.stringify({ id, isSystem, version, table });

function straitReads(reader, isSystem) {
  const original = reader.get;
  reader.get = (arg0, arg1) => {
    const one = arg1 === undefined;
    const id = one ? arg0 : arg1;
    if (typeof id === "string") {
      const args = straitArguments(straitGetArguments, one ? undefined : arg0, id, isSystem);
      const promise = straitAsk("1.0/get", args, straitDocument);
      if (promise !== null) return promise;
    }
    return original(arg0, arg1);
  };
}

export function setupReader() {
  const reader = originalSetupReader();
  straitReads(reader, false);
  straitReads(reader.system, true);
  return reader;
}

export function setupWriter() {
  const writer = originalSetupWriter();
  const { insert, patch, replace, delete: remove } = writer;
  const write = (op, make, original) => (arg0, arg1, arg2) => {
    const two = arg2 === undefined;
    const id = two ? arg0 : arg1;
    const value = two ? arg1 : arg2;
    if (typeof id === "string" && value !== undefined) {
      const args = straitArguments(make, two ? undefined : arg0, id, value);
      const promise = straitAsk(op, args, straitNothing);
      if (promise !== null) return promise;
    }
    return original(arg0, arg1, arg2);
  };
  writer.patch = write("1.0/shallowMerge", straitPatchArguments, patch);
  writer.replace = write("1.0/replace", straitReplaceArguments, replace);
  writer.insert = (table, value) => {
    if (typeof table === "string" && !table.startsWith("_") && value !== undefined) {
      const promise = straitAsk("1.0/insert", straitArguments(straitInsertArguments, table, value), straitInserted);
      if (promise !== null) return promise;
    }
    return insert(table, value);
  };
  writer.delete = (arg0, arg1) => {
    const one = arg1 === undefined;
    const id = one ? arg0 : arg1;
    if (typeof id === "string") {
      const args = straitArguments(straitIdArguments, one ? undefined : arg0, id);
      const promise = straitAsk("1.0/remove", args, straitNothing);
      if (promise !== null) return promise;
    }
    return remove(arg0, arg1);
  };
  return writer;
}

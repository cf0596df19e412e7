// References to functions: api.module.name, names, handles, and paths into
// components (convex-wire.md 12.8).
export const functionName = Symbol.for("functionName");
export const toReferencePath = Symbol.for("toReferencePath");

export type Address = { name?: string; functionHandle?: string; reference?: string };

/** How a syscall names a function. */
export function getFunctionAddress(ref: any): Address {
  if (typeof ref === "string") return ref.startsWith("function://") ? { functionHandle: ref } : { name: ref };
  const name = ref[functionName];
  if (name) return { name };
  const reference = ref[toReferencePath];
  if (!reference) throw new Error(`${ref} is not a functionReference`);
  return { reference };
}

/** "dir/module:name" of a reference within the component. */
export function getFunctionName(ref: any): string {
  const { name, functionHandle, reference } = getFunctionAddress(ref);
  if (name !== undefined) return name;
  if (functionHandle !== undefined) {
    throw new Error(
      `Expected function reference like "api.file.func" or "internal.file.func", but received function handle ${functionHandle}`,
    );
  }
  throw new Error(
    `Expected function reference in the current component like "api.file.func" or "internal.file.func", but received reference ${reference}`,
  );
}

export function makeFunctionReference(name: string): any {
  return { [functionName]: name };
}

function nameOf(path: string[]): string {
  if (path.length < 2) {
    const found = ["api", ...path].join(".");
    throw new Error(
      `API path is expected to be of the form \`api.moduleName.functionName\`. Found: \`${found}\``,
    );
  }
  const module = path.slice(0, -1).join("/");
  const name = path[path.length - 1];
  return name === "default" ? module : `${module}:${name}`;
}

function apiAt(path: string[]): any {
  return new Proxy(
    {},
    {
      get(_, key) {
        if (typeof key === "string") return apiAt([...path, key]);
        if (key === functionName) return nameOf(path);
        return key === Symbol.toStringTag ? "FunctionReference" : undefined;
      },
    },
  );
}

/** The api object that has every function anybody asks it for. */
export const anyApi = apiAt([]);

export const filterApi = (api: any) => api;

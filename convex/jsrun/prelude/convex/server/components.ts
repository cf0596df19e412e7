// Components: how an app installs them, how it reaches into them
// (convex-wire.md 12.8).
import { isValidator, type Validator } from "../values/validator";
import { getFunctionAddress, toReferencePath } from "./references";
import { rawSyscall, version } from "./syscall";

/** A handle of a function: text that may be stored and sent on. */
export async function createFunctionHandle(ref: any): Promise<string> {
  return await rawSyscall("1.0/createFunctionHandle", { ...getFunctionAddress(ref), version });
}

/** A system function seen inside a component, for the dashboard. */
export function currentSystemUdfInComponent(componentId: string): any {
  return { [toReferencePath]: `_reference/currentSystemUdfInComponent/${componentId}` };
}

function childAt(path: string[]): any {
  return new Proxy(
    {},
    {
      get(_, key) {
        if (typeof key === "string") return childAt([...path, key]);
        if (key !== toReferencePath) return undefined;
        if (path.length > 0) return `_reference/childComponent/${path.join("/")}`;
        throw new Error(
          "API path is expected to be of the form `components.childComponent.functionName`. Found: `components`",
        );
      },
    },
  );
}

/** The `components` object of _generated/api. */
export const componentsGeneric = () => childAt([]);

type Env = Record<string, Validator>;

function checkEnv(env: Env | undefined): Env {
  for (const [name, validator] of Object.entries(env ?? {})) {
    if (!isValidator(validator)) {
      throw new Error(`Environment variable "${name}" must be defined with a validator (e.g. v.string()).`);
    }
  }
  return env ?? {};
}

function envRefs(owner: string, defining: string, declared: Env): any {
  return new Proxy(
    {},
    {
      get(_, name) {
        if (typeof name !== "string") return undefined;
        if (!Object.hasOwn(declared, name)) {
          throw new Error(
            `Env var "${name}" is not declared on ${owner}. Add it to the \`env\` option of ${defining}.`,
          );
        }
        return { __envVarRef: name };
      },
    },
  );
}

function envVars(env: Env) {
  return Object.entries(env).map(([name, validator]) => [
    name,
    {
      type: "value",
      value: JSON.stringify(validator.json),
      ...(validator.isOptional === "optional" ? { optional: true } : {}),
    },
  ]);
}

function boundEnv(name: string, value: any) {
  if (typeof value === "string") return [name, { type: "value", value }];
  if (typeof value?.__envVarRef === "string") return [name, { type: "envVar", name: value.__envVarRef }];
  throw new Error(`Env var "${name}" must be a string or an env var reference. Received: ${typeof value}`);
}

type Child = { name: string; definition: any; env: Record<string, any>; httpPrefix: string | undefined };

const closed = (prefix: string) => (prefix.endsWith("/") ? prefix : `${prefix}/`);

function checkPrefix(httpPrefix: string | undefined) {
  if (httpPrefix !== undefined && !httpPrefix.startsWith("/")) {
    throw new Error(`httpPrefix must start with "/". Received: "${httpPrefix}"`);
  }
}

// What defineApp and defineComponent have in common: children. Definitions
// are plain objects, for bundlers that copy them to add their path.
function parent() {
  const children: Child[] = [];
  return {
    use(definition: any, options?: { name?: string; httpPrefix?: string; env?: Record<string, any> }) {
      const path = definition.componentDefinitionPath; // put there by the bundler
      if (typeof path !== "string") {
        throw new Error(
          "Component definition does not have the required componentDefinitionPath property. This code only works in Convex runtime.",
        );
      }
      const name = options?.name ?? definition.defaultName ?? path.split("/").pop();
      if (typeof name !== "string")
        throw new Error(`Component name must be a string. Received: ${typeof name}`);
      if (name.length === 0) throw new Error("Component name cannot be empty.");
      checkPrefix(options?.httpPrefix);
      children.push({ name, definition, env: options?.env ?? {}, httpPrefix: options?.httpPrefix });
      return { exports: childAt([name]), [toReferencePath]: `_reference/childComponent/${name}` };
    },
    exportChildren() {
      const childComponents = children.map(({ name, definition, env }) => ({
        name,
        path: definition.componentDefinitionPath,
        args: [],
        env: Object.entries(env)
          .filter(([, value]) => value !== undefined)
          .map(([key, value]) => boundEnv(key, value)),
      }));
      const httpMounts: Record<string, string> = {};
      for (const { name, httpPrefix } of children) {
        if (httpPrefix !== undefined) httpMounts[closed(httpPrefix)] = `_reference/childComponent/${name}`;
      }
      return { childComponents, httpMounts, exports: { type: "branch", branch: [] } };
    },
  };
}

export function defineApp(options: { httpPrefix?: string; env?: Env } = {}) {
  const { httpPrefix, env } = options;
  const { use, exportChildren } = parent();
  checkPrefix(httpPrefix);
  return {
    _isRoot: true,
    env: envRefs("this app", "defineApp", checkEnv(env)),
    use,
    export: () => ({
      definitionType: { type: "app" },
      ...(httpPrefix !== undefined ? { httpPrefix: closed(httpPrefix) } : {}),
      ...exportChildren(),
      ...(env !== undefined ? { envVars: envVars(env) } : {}),
    }),
  };
}

export function defineComponent(name: string, options: { env?: Env } = {}) {
  const env = checkEnv(options.env);
  const { use, exportChildren } = parent();
  return {
    _isRoot: false,
    _name: name,
    env: envRefs(`component "${name}"`, "defineComponent", env),
    use,
    export: () => ({
      name,
      definitionType: { type: "childComponent", name, args: [] },
      ...exportChildren(),
      ...(Object.keys(env).length > 0 ? { envVars: envVars(env) } : {}),
    }),
  };
}

// httpRouter(): which HTTP action answers which method and path.
import { jsSyscall } from "./syscall";

export const ROUTABLE_HTTP_METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] as const;

type Spec = { method: string; handler: any; path?: string; pathPrefix?: string };
type Route = [path: string, method: string, handler: any];

function checkSpec(spec: Spec) {
  if (!spec.handler) throw new Error("route requires handler");
  if (!spec.method) throw new Error("route requires method");
  if (!(ROUTABLE_HTTP_METHODS as readonly string[]).includes(spec.method)) {
    throw new Error(`'${spec.method}' is not an allowed HTTP method (like GET, POST, PUT etc.)`);
  }
  if ("path" in spec && "pathPrefix" in spec) {
    throw new Error("Invalid httpRouter route: cannot contain both 'path' and 'pathPrefix'");
  }
}

export class HttpRouter {
  readonly isRouter = true;
  exactRoutes = new Map<string, Map<string, any>>(); // path -> method -> handler
  prefixRoutes = new Map<string, Map<string, any>>(); // method -> prefix -> handler

  route = (spec: Spec) => {
    checkSpec(spec);
    if ("path" in spec) this._exact(spec.path!, spec);
    else if ("pathPrefix" in spec) this._prefix(spec.pathPrefix!, spec);
    else {
      throw new Error("Invalid httpRouter route entry: must contain either field 'path' or 'pathPrefix'");
    }
  };

  private _exact(path: string, { method, handler }: Spec) {
    if (!path.startsWith("/")) throw new Error(`path '${path}' does not start with a /`);
    if (path === "/.files" || path.startsWith("/.files/")) throw new Error(`path '${path}' is reserved`);
    const methods = this.exactRoutes.get(path) ?? new Map();
    if (methods.has(method)) throw new Error(`Path '${path}' for method ${method} already in use`);
    this.exactRoutes.set(path, methods.set(method, handler));
  }

  private _prefix(prefix: string, { method, handler }: Spec) {
    if (!prefix.startsWith("/")) throw new Error(`pathPrefix '${prefix}' does not start with a /`);
    if (!prefix.endsWith("/")) throw new Error(`pathPrefix ${prefix} must end with a /`);
    if (prefix.startsWith("/.files/")) throw new Error(`pathPrefix '${prefix}' is reserved`);
    const prefixes = this.prefixRoutes.get(method) ?? new Map();
    if (prefixes.has(prefix)) throw new Error(`${method} pathPrefix ${prefix} is already defined`);
    this.prefixRoutes.set(method, prefixes.set(prefix, handler));
  }

  /** Every route, exact ones first, each group in order. */
  getRoutes = (): Route[] => {
    const sorted = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const exact = sorted(this.exactRoutes).flatMap(([path, methods]) =>
      sorted(methods).map(([method, handler]): Route => [path, method, handler]),
    );
    const prefixed = sorted(this.prefixRoutes).flatMap(([method, prefixes]) =>
      sorted(prefixes).map(([prefix, handler]): Route => [`${prefix}*`, method, handler]),
    );
    return [...exact, ...prefixed];
  };

  /** What answers a request: [handler, method, route], or null. The longest prefix wins. */
  lookup = (path: string, asked: string): [any, string, string] | null => {
    const method = asked === "HEAD" ? "GET" : asked;
    const exact = this.exactRoutes.get(path)?.get(method);
    if (exact) return [exact, method, path];
    const best = [...(this.prefixRoutes.get(method) ?? [])]
      .filter(([prefix]) => path.startsWith(prefix))
      .sort(([a], [b]) => b.length - a.length)[0];
    return best ? [best[1], method, `${best[0]}*`] : null;
  };

  runRequest = async (requestText: string, route?: string): Promise<string> => {
    const request = jsSyscall("requestFromConvexJson", { convexJson: JSON.parse(requestText) });
    const path = typeof route === "string" && route ? route : new URL(request.url).pathname;
    const found = this.lookup(path, request.method);
    const response = found
      ? await found[0].invokeHttpAction(request)
      : new Response(`No HttpAction routed for ${path}`, { status: 404 });
    return JSON.stringify(jsSyscall("convexJsonFromResponse", { response }));
  };
}

export const httpRouter = () => new HttpRouter();

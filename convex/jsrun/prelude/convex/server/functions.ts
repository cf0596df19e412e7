// query, mutation, action: a registered function is a JavaScript function with
// properties that the host looks for (convex-wire.md 12.1).
import { convexToJson, jsonToConvex } from "../values/codec";
import { asObjectValidator, v } from "../values/validator";
import { actionCtx, mutationCtx, queryCtx, type Visibility } from "./context";
import { Query, TableQuery } from "./query";

type Handler = (ctx: any, args?: any) => any;
type Definition = Handler | { args?: any; returns?: any; handler: Handler };

// A ConvexError's data goes out as JSON text, and a property tells the host so.
function sealed(thrown: any): any {
  if (typeof thrown === "object" && thrown !== null && Symbol.for("ConvexError") in thrown) {
    thrown.data = JSON.stringify(convexToJson(thrown.data === undefined ? null : thrown.data));
    thrown.ConvexErrorSymbol = Symbol.for("ConvexError");
  }
  return thrown;
}

async function run(handler: Handler, ctx: any, args: any[]): Promise<any> {
  try {
    return await (handler as (...all: any[]) => any)(ctx, ...args);
  } catch (thrown) {
    throw sealed(thrown);
  }
}

async function invoke(handler: Handler, ctx: any, argsText: string): Promise<string> {
  const result = await run(handler, ctx, jsonToConvex(JSON.parse(argsText)));
  if (result instanceof TableQuery || result instanceof Query) {
    throw new Error(
      "Return value is a Query. Results must be retrieved with `.collect()`, `.take(n), `.unique()`, or `.first()`.",
    );
  }
  return JSON.stringify(convexToJson(result === undefined ? null : result));
}

function validatorText(validator: any): string {
  return JSON.stringify(validator, (key, value) => {
    if (value !== undefined) return value;
    throw new Error(
      `A validator is undefined for field "${key}". This is often caused by circular imports. See https://docs.convex.dev/error#undefined-validator for details.`,
    );
  });
}

// Calling a registered function runs its handler, with a word of warning.
function callable(builder: string, handler: Handler): any {
  return (ctx: any, args: any) => {
    console.warn(
      `Convex functions should not directly call other Convex functions. Consider calling a helper function instead. e.g. \`export const foo = ${builder}(...); await foo(ctx);\` is not supported. See https://docs.convex.dev/production/best-practices/#use-helper-functions-to-write-shared-code`,
    );
    return handler(ctx, args);
  };
}

type Kind = "query" | "mutation" | "action";

function builder(kind: Kind, visibility: Visibility) {
  const title = kind[0]!.toUpperCase() + kind.slice(1);
  const name = visibility === "public" ? kind : `internal${title}`;
  return (definition: Definition): any => {
    const options = typeof definition === "function" ? { handler: definition } : definition;
    const { handler } = options;
    const { args, returns } = options as { args?: any; returns?: any };
    const fn = callable(name, handler);
    fn[`is${title}`] = true;
    fn[visibility === "public" ? "isPublic" : "isInternal"] = true;
    fn[`invoke${title}`] = invokers[kind](handler, visibility);
    fn.exportArgs = () => validatorText((args === undefined ? v.any() : asObjectValidator(args)).json);
    fn.exportReturns = () => validatorText(returns === undefined ? null : asObjectValidator(returns).json);
    fn._handler = handler;
    return fn;
  };
}

const invokers = {
  query: (handler: Handler, visibility: Visibility) => (argsText: string) =>
    invoke(handler, queryCtx(visibility), argsText),
  mutation: (handler: Handler, visibility: Visibility) => (argsText: string) =>
    invoke(handler, mutationCtx(visibility), argsText),
  action: (handler: Handler, visibility: Visibility) => (request: string, argsText: string) =>
    invoke(handler, actionCtx(request, visibility), argsText),
};

export const queryGeneric = builder("query", "public");
export const internalQueryGeneric = builder("query", "internal");
export const mutationGeneric = builder("mutation", "public");
export const internalMutationGeneric = builder("mutation", "internal");
export const actionGeneric = builder("action", "public");
export const internalActionGeneric = builder("action", "internal");

export function httpActionGeneric(handler: Handler): any {
  const fn = callable("httpAction", handler);
  fn.isHttp = true;
  fn.invokeHttpAction = (request: unknown) => run(handler, actionCtx("", "public"), [request]);
  fn._handler = handler;
  return fn;
}

// The built-in stand-in for the npm package "convex", entry "convex/server":
// see values.ts. It speaks to its host through the global `Convex`
// (convex-wire.md 12.2), with the operations and arguments of convex 1.48.
export {
  actionGeneric,
  httpActionGeneric,
  internalActionGeneric,
  internalMutationGeneric,
  internalQueryGeneric,
  mutationGeneric,
  queryGeneric,
} from "./server/functions";
export {
  anyApi,
  filterApi,
  getFunctionAddress,
  getFunctionName,
  makeFunctionReference,
} from "./server/references";
export {
  componentsGeneric,
  createFunctionHandle,
  currentSystemUdfInComponent,
  defineApp,
  defineComponent,
} from "./server/components";
export { defineSchema, defineTable, docValidator } from "./server/schema";
export { paginationOptsValidator, paginationResultValidator } from "./server/pagination";
export { SearchFilter } from "./server/expressions";
export { cronJobs } from "./server/cron";
export { HttpRouter, httpRouter, ROUTABLE_HTTP_METHODS } from "./server/router";
export { log } from "./server/log";
export { getServiceToken, getServiceUrl } from "./server/context";

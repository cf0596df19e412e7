// What a handler finds in its `ctx`.
import { convexToJson, isSimpleObject } from "../values/codec";
import { fromByteArray, toByteArray } from "../values/base64";
import { reader, writer } from "./database";
import { expressionJson, vectorFilters } from "./expressions";
import { getFunctionAddress } from "./references";
import { asyncSyscall, jsSyscall, need, rawSyscall, syscall, version } from "./syscall";

export type Visibility = "public" | "internal";

/** The arguments of a call: an object, or nothing for none. */
export function callArgs(args: unknown): any {
  if (args === undefined) return {};
  if (!isSimpleObject(args)) {
    throw new Error(`The arguments to a Convex function must be an object. Received: ${args}`);
  }
  return args;
}

const argsJson = (args: unknown) => convexToJson(callArgs(args));

type CallOptions = { useStaleSnapshot?: boolean; transactionLimits?: unknown };

async function runUdf(udfType: string, ref: any, args: unknown, options?: CallOptions) {
  const limits = options?.transactionLimits;
  return await asyncSyscall("1.0/runUdf", {
    udfType,
    args: argsJson(args),
    ...getFunctionAddress(ref),
    ...(limits ? { transactionLimits: limits } : {}),
  });
}

function auth(requestId: string) {
  return { getUserIdentity: () => rawSyscall("1.0/getUserIdentity", { requestId }) };
}

function mutationAuth(requestId: string) {
  return {
    ...auth(requestId),
    signJwt: (options: object) => rawSyscall("1.0/signJwt", { requestId, version, ...options }),
  };
}

async function transactionMetrics() {
  try {
    return await asyncSyscall("1.0/getTransactionMetrics", {});
  } catch (e: any) {
    if (!e.message?.includes("Unknown async operation")) throw e;
    throw new Error(
      "getTransactionMetrics() can only be called from a query or mutation. It is not available in actions or outside of a Convex function.",
    );
  }
}

async function deploymentMetadata() {
  const { name, region, class: size } = await asyncSyscall("1.0/getDeploymentMetadata", {});
  return { name, region: region ?? null, class: size };
}

async function requestMetadata() {
  const { ip, userAgent, requestId, scheduledFunctionId, authToken } = await rawSyscall(
    "1.0/getRequestMetadata",
    {},
  );
  return { ip, userAgent, requestId, scheduledFunctionId, authToken };
}

function meta(type: "query" | "mutation" | "action", visibility: Visibility) {
  return {
    getFunctionMetadata: async () => {
      const { name, componentPath } = await rawSyscall("1.0/getFunctionMetadata", {});
      return { name, componentPath, type, visibility };
    },
    getDeploymentMetadata: deploymentMetadata,
    ...(type !== "query" && { getRequestMetadata: requestMetadata }),
    ...(type !== "action" && {
      getTransactionMetrics: transactionMetrics,
      getSnapshotTs: () => syscall("1.0/getSnapshotTs", {}),
    }),
  };
}

// Seconds since the epoch at which a call is due.
function dueAfter(delayMs: unknown): number {
  if (typeof delayMs !== "number") throw new Error("`delayMs` must be a number");
  if (!isFinite(delayMs)) throw new Error("`delayMs` must be a finite number");
  if (delayMs < 0) throw new Error("`delayMs` must be non-negative");
  return (Date.now() + delayMs) / 1000;
}

function dueAt(time: unknown): number {
  if (time instanceof Date) return time.valueOf() / 1000;
  if (typeof time === "number") return time / 1000;
  throw new Error("The invoke time must a Date or a timestamp");
}

// prefix and extra are those of the syscalls of mutations or of actions.
function scheduler(prefix: string, extra: object) {
  const schedule = (ts: number, ref: any, args: unknown) => {
    const address = getFunctionAddress(ref);
    return rawSyscall(`${prefix}schedule`, { ...extra, ...address, ts, args: argsJson(args), version });
  };
  return {
    runAfter: async (delayMs: number, ref: any, args?: unknown) => schedule(dueAfter(delayMs), ref, args),
    runAt: async (time: number | Date, ref: any, args?: unknown) => schedule(dueAt(time), ref, args),
    cancel: async (id: any) => {
      need(id, 1, "cancel", "id");
      return await rawSyscall(`${prefix}cancel_job`, { ...extra, id: convexToJson(id) });
    },
  };
}

function storageReader(requestId: string) {
  return {
    getUrl: async (storageId: any) => {
      need(storageId, 1, "getUrl", "storageId");
      return await rawSyscall("1.0/storageGetUrl", { requestId, version, storageId });
    },
    getMetadata: (storageId: any) => rawSyscall("1.0/storageGetMetadata", { requestId, version, storageId }),
  };
}

function storageWriter(requestId: string) {
  return {
    ...storageReader(requestId),
    generateUploadUrl: () => rawSyscall("1.0/storageGenerateUploadUrl", { requestId, version }),
    delete: async (storageId: any) => {
      await rawSyscall("1.0/storageDelete", { requestId, version, storageId });
    },
    store: async (blob: Blob, options?: { sha256?: string }) => {
      if (!(blob instanceof Blob)) {
        throw new Error(
          "store() expects a Blob. If you are trying to store a Request, `await request.blob()` will give you the correct input.",
        );
      }
      return await rawSyscall("1.0/storageStore", {
        requestId,
        version,
        blob: fromByteArray(new Uint8Array(await blob.arrayBuffer())),
        contentType: blob.type,
        sha256: options?.sha256,
      });
    },
    get: async (storageId: any) => {
      const found = await rawSyscall("1.0/storageGet", { requestId, version, storageId });
      if (found === null) return null;
      return new Blob([toByteArray(found.blob) as BlobPart], { type: found.contentType ?? "" });
    },
  };
}

function actionStorage(requestId: string) {
  return {
    ...storageWriter(requestId),
    store: async (blob: Blob, options?: { sha256?: string }) =>
      await jsSyscall("storage/storeBlob", { requestId, version, blob, options }),
    get: async (storageId: any) => await jsSyscall("storage/getBlob", { requestId, version, storageId }),
  };
}

type VectorQuery = { vector: number[]; limit?: number; filter?: (q: typeof vectorFilters) => unknown };

async function vectorSearch(requestId: string, table: string, index: string, query: VectorQuery) {
  need(table, 1, "vectorSearch", "tableName");
  need(index, 2, "vectorSearch", "indexName");
  need(query, 3, "vectorSearch", "query");
  if (!Array.isArray(query.vector) || query.vector.length === 0) {
    throw Error("`vector` must be a non-empty Array in vectorSearch");
  }
  const { results } = await rawSyscall("1.0/actions/vectorSearch", {
    requestId,
    version,
    query: {
      indexName: `${table}.${index}`,
      limit: query.limit,
      vector: query.vector,
      expressions: query.filter ? expressionJson(query.filter(vectorFilters)) : null,
    },
  });
  return results;
}

// Queries and mutations leave it to the host to know which request it is.
const noRequest = "";

export function queryCtx(visibility: Visibility) {
  return {
    db: reader(),
    auth: auth(noRequest),
    storage: storageReader(noRequest),
    meta: meta("query", visibility),
    runQuery: (ref: any, args?: unknown, options?: CallOptions) => {
      if (options?.useStaleSnapshot) {
        throw new Error("`useStaleSnapshot` is only supported in mutations, not queries.");
      }
      return runUdf("query", ref, args, options);
    },
  };
}

export function mutationCtx(visibility: Visibility) {
  return {
    db: writer(),
    auth: mutationAuth(noRequest),
    storage: storageWriter(noRequest),
    scheduler: scheduler("1.0/", {}),
    meta: meta("mutation", visibility),
    runQuery: (ref: any, args?: unknown, options?: CallOptions) =>
      runUdf(options?.useStaleSnapshot ? "snapshotQuery" : "query", ref, args, options),
    runMutation: (ref: any, args?: unknown, options?: CallOptions) => runUdf("mutation", ref, args, options),
  };
}

/** ctx of an action; requestId is the one that the host called it with. */
export function actionCtx(requestId: string, visibility: Visibility) {
  const call = (kind: string) => async (ref: any, args?: unknown) =>
    await asyncSyscall(`1.0/actions/${kind}`, {
      ...getFunctionAddress(ref),
      args: argsJson(args),
      version,
      requestId,
    });
  return {
    runQuery: call("query"),
    runMutation: call("mutation"),
    runAction: call("action"),
    auth: auth(requestId),
    scheduler: scheduler("1.0/actions/", { requestId }),
    storage: actionStorage(requestId),
    vectorSearch: (table: string, index: string, query: VectorQuery) =>
      vectorSearch(requestId, table, index, query),
    meta: meta("action", visibility),
  };
}

export async function getServiceToken(service: string) {
  need(service, 1, "getServiceToken", "service");
  return await rawSyscall("1.0/createServiceToken", { service, version });
}

export async function getServiceUrl(service: string) {
  need(service, 1, "getServiceUrl", "service");
  return await rawSyscall("1.0/getServiceUrl", { service, version });
}

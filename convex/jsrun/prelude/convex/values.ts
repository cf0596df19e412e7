// The built-in stand-in for the npm package "convex", entry "convex/values".
// It is used for projects whose node_modules folder has no "convex"; what it
// does is what convex 1.48 does, as far as schemas and functions can tell.
export { ConvexError } from "./values/error";
export { CommitTsPlaceholder, convexToJson, jsonToConvex } from "./values/codec";
export { asObjectValidator, v } from "./values/validator";
export { compareValues } from "./values/compare";
export { getConvexSize, getDocumentSize } from "./values/size";
export * as Base64 from "./values/base64";
export type { Value } from "./values/codec";
export type { Validator } from "./values/validator";
/** An id of a document in a table: a string at run time. */
export type GenericId<TableName extends string> = string & { __tableName: TableName };
/** The type that a validator accepts: not worked out here, where nothing is type-checked. */
export type Infer<_V> = any;
export type ObjectType<_V> = any;

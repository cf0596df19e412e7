// Stands in for convex/_generated/api where a project has none: every
// reference that is asked for exists, and the host says if a function does not.
import { anyApi, componentsGeneric } from "convex/server";

export const api = anyApi;
export const internal = anyApi;
export const components = componentsGeneric();

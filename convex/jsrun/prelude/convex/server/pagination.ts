import { v, type Validator } from "../values/validator";

/** What `.paginate()` takes. */
export const paginationOptsValidator = v.object({
  numItems: v.number(),
  cursor: v.nullable(v.string()),
  endCursor: v.optional(v.nullable(v.string())),
  id: v.optional(v.number()),
  maximumRowsRead: v.optional(v.number()),
  maximumBytesRead: v.optional(v.number()),
});

/** What `.paginate()` answers with, for pages of these items. */
export function paginationResultValidator(item: Validator) {
  return v.object({
    page: v.array(item),
    continueCursor: v.string(),
    isDone: v.boolean(),
    splitCursor: v.optional(v.nullable(v.string())),
    pageStatus: v.optional(v.union(v.literal("SplitRecommended"), v.literal("SplitRequired"), v.null())),
  });
}

// Validators: what `v.…` builds, and what a schema and a function's arguments
// are exported as (convex-wire.md 7.3).
import { convexToJson } from "./codec";

export type Presence = "required" | "optional";
export type Fields = Record<string, Validator>;

function missing(where: string, what?: string): never {
  throw new Error(
    `A validator is undefined${what === undefined ? "" : ` for field "${what}"`} in ${where}. This is often caused by circular imports. See https://docs.convex.dev/error#undefined-validator for details.`,
  );
}

/** What all validators share. */
export abstract class Validator {
  readonly isConvexValidator = true;
  abstract readonly kind: string;
  constructor(readonly isOptional: Presence) {}

  /** The JSON form. */
  abstract get json(): any;
  /** The same validator for a field that may be absent. */
  abstract optional(): Validator;
  asOptional(): Validator {
    return this.optional();
  }
}

const wireNames: Record<string, string> = { float64: "number", int64: "bigint" };

class Scalar extends Validator {
  constructor(
    isOptional: Presence,
    readonly kind: string,
  ) {
    super(isOptional);
  }
  get json() {
    return { type: wireNames[this.kind] ?? this.kind };
  }
  optional() {
    return new Scalar("optional", this.kind);
  }
}

class Id extends Validator {
  readonly kind = "id";
  constructor(
    isOptional: Presence,
    readonly tableName: string,
  ) {
    super(isOptional);
    if (typeof tableName !== "string") throw new Error("v.id(tableName) requires a string");
  }
  get json() {
    return { type: "id", tableName: this.tableName };
  }
  optional() {
    return new Id("optional", this.tableName);
  }
}

class Literal extends Validator {
  readonly kind = "literal";
  constructor(
    isOptional: Presence,
    readonly value: string | number | bigint | boolean,
  ) {
    super(isOptional);
    if (!["string", "boolean", "number", "bigint"].includes(typeof value)) {
      throw new Error("v.literal(value) must be a string, number, or boolean");
    }
  }
  get json() {
    return { type: "literal", value: convexToJson(this.value) };
  }
  optional() {
    return new Literal("optional", this.value);
  }
}

class List extends Validator {
  readonly kind = "array";
  constructor(
    isOptional: Presence,
    readonly element: Validator,
  ) {
    super(isOptional);
    if (element === undefined) missing("v.array()");
  }
  get json() {
    return { type: "array", value: this.element.json };
  }
  optional() {
    return new List("optional", this.element);
  }
}

class Dictionary extends Validator {
  readonly kind = "record";
  constructor(
    isOptional: Presence,
    readonly key: Validator,
    readonly value: Validator,
  ) {
    super(isOptional);
    for (const [part, validator] of [
      ["key", key],
      ["value", value],
    ] as const) {
      if (validator === undefined) missing("v.record()", part);
    }
    if (key.isOptional === "optional") throw new Error("Record validator cannot have optional keys");
    if (value.isOptional === "optional") throw new Error("Record validator cannot have optional values");
    if (!isValidator(key) || !isValidator(value)) {
      throw new Error("Key and value of v.record() must be validators");
    }
  }
  get json() {
    return {
      type: "record",
      keys: this.key.json,
      values: { fieldType: this.value.json, optional: false },
    };
  }
  optional() {
    return new Dictionary("optional", this.key, this.value);
  }
}

class Union extends Validator {
  readonly kind = "union";
  constructor(
    isOptional: Presence,
    readonly members: Validator[],
  ) {
    super(isOptional);
    members.forEach((member, i) => {
      if (member === undefined) missing("v.union()", `member at index ${i}`);
      if (!isValidator(member)) throw new Error("All members of v.union() must be validators");
    });
  }
  get json() {
    return { type: "union", value: this.members.map((member) => member.json) };
  }
  optional() {
    return new Union("optional", this.members);
  }
}

class ObjectOf extends Validator {
  readonly kind = "object";
  constructor(
    isOptional: Presence,
    readonly fields: Fields,
  ) {
    super(isOptional);
    for (const [name, field] of Object.entries(fields)) {
      if (field === undefined) missing("v.object()", name);
      if (!isValidator(field)) throw new Error("v.object() entries must be validators");
    }
  }
  get json() {
    const value: Record<string, any> = {};
    for (const [name, field] of Object.entries(this.fields)) {
      value[name] = { fieldType: field.json, optional: field.isOptional === "optional" };
    }
    return { type: "object", value };
  }
  optional() {
    return new ObjectOf("optional", this.fields);
  }

  // The four below keep the presence of the whole and answer a new validator.
  omit(...names: string[]) {
    const fields = { ...this.fields };
    for (const name of names) delete fields[name];
    return new ObjectOf(this.isOptional, fields);
  }
  pick(...names: string[]) {
    return new ObjectOf(this.isOptional, Object.fromEntries(names.map((name) => [name, this.fields[name]!])));
  }
  partial() {
    const fields = Object.entries(this.fields).map(([name, field]) => [name, field.asOptional()]);
    return new ObjectOf(this.isOptional, Object.fromEntries(fields));
  }
  extend(more: Fields) {
    return new ObjectOf(this.isOptional, { ...this.fields, ...more });
  }
}

export type { ObjectOf, Union };

export function isValidator(x: any): x is Validator {
  return x?.isConvexValidator === true;
}

/** A validator as it is; plain fields become an object validator. */
export function asObjectValidator(x: any): any {
  return isValidator(x) ? x : v.object(x);
}

const scalar = (kind: string) => () => new Scalar("required", kind);

export const v = {
  id: (tableName: string) => new Id("required", tableName),
  null: scalar("null"),
  number: scalar("float64"),
  float64: scalar("float64"),
  bigint: scalar("int64"),
  int64: scalar("int64"),
  commitTs: scalar("commitTs"),
  boolean: scalar("boolean"),
  string: scalar("string"),
  bytes: scalar("bytes"),
  any: scalar("any"),
  literal: (value: string | number | bigint | boolean) => new Literal("required", value),
  array: (element: Validator) => new List("required", element),
  object: (fields: Fields) => new ObjectOf("required", fields),
  record: (keys: Validator, values: Validator) => new Dictionary("required", keys, values),
  union: (...members: Validator[]) => new Union("required", members),
  /** A field that may be absent. */
  optional: (value: Validator) => value.asOptional(),
  /** A field that is there, and may be null. */
  nullable: (value: Validator) => v.union(value, v.null()) as Union,
};

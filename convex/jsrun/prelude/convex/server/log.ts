// log.audit(): entries of the audit log, with placeholders the host fills in.
import { rawSyscall, version } from "./syscall";

const names = ["requestId", "ip", "userAgent", "now", "convexActor"] as const;
type Name = (typeof names)[number];

const vars = Object.fromEntries(names.map((name) => [name, Symbol(`var.${name}`)])) as Record<Name, symbol>;

function copy(value: any): any {
  if (typeof value === "symbol") {
    const name = names.find((name) => vars[name] === value);
    if (name === undefined) throw new Error(`Unknown audit var symbol: ${String(value)}.`);
    return { $var: name };
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key.startsWith("$")) throw new Error(`Audit log body keys must not start with "$": "${key}"`);
      return [key, copy(inner)];
    }),
  );
}

export const log = {
  audit: async (body: Record<string, any>) => {
    await rawSyscall("1.0/auditLog", { body: copy(body), version });
  },
  vars,
};

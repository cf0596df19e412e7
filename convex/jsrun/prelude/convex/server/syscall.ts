// The way out to the host, and the checks of arguments on the way.
import { decode, jsonToConvex } from "../values/codec";
import { ConvexError } from "../values/error";

/** The npm version whose protocol this speaks. */
export const version = "1.48.0";

interface Host {
  syscall?(op: string, args: string): string;
  asyncSyscall?(op: string, args: string): Promise<string>;
  jsSyscall?(op: string, args: any): any;
}

function host<K extends keyof Host>(door: K): NonNullable<Host[K]> {
  const way = (globalThis as { Convex?: Host }).Convex?.[door];
  if (way === undefined) {
    throw new Error(
      "The Convex database and auth objects are being used outside of a Convex backend. Did you mean to use `useQuery` or `useMutation` to call a Convex function?",
    );
  }
  return way;
}

export function syscall(op: string, args: unknown): any {
  return decode(host("syscall")(op, JSON.stringify(args)));
}

// What the host rejects with is not an Error of this realm: make it one, here,
// so that the stack shows who asked.
async function ask(op: string, args: unknown): Promise<string> {
  const door = host("asyncSyscall");
  try {
    return await door(op, JSON.stringify(args));
  } catch (e: any) {
    if (e.data === undefined) throw new Error(e.message);
    const thrown = new ConvexError(e.message);
    thrown.data = jsonToConvex(e.data);
    throw thrown;
  }
}

// What the engine offers besides (runtime/core.js): a syscall with one promise.
type Ask = (
  op: string,
  args: string,
  turns: number,
  take: (text: string, self: any) => any,
  self: any,
  refuse: typeof ask,
) => Promise<any> | null;

/**
 * call answers with what take makes of the host's text, by one promise. turns
 * is how many awaits the npm package has between the two; they count only when
 * other calls are answered at the same time.
 */
export function call(op: string, args: unknown, turns: number, take: (text: string, self?: any) => any, self?: any): Promise<any> {
  const way: Ask | undefined = (globalThis as any).__strait?.ask;
  return way?.(op, JSON.stringify(args), turns, take, self, ask) ?? ask(op, args).then((text) => take(text, self));
}

/** asyncSyscall answers with a value. */
export async function asyncSyscall(op: string, args: unknown): Promise<any> {
  return decode(await ask(op, args));
}

/** rawSyscall answers with JSON as the host sent it. */
export async function rawSyscall(op: string, args: unknown): Promise<any> {
  return JSON.parse(await ask(op, args));
}

export function jsSyscall(op: string, args: any): any {
  return host("jsSyscall")(op, args);
}

export function need(arg: unknown, at: number, method: string, name: string) {
  if (arg === undefined) throw new TypeError(`Must provide arg ${at} \`${name}\` to \`${method}\``);
}

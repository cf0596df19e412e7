package syntax

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"strait/convex/internal/npmtest"
)

// accepted is syntax that real code has, one line a case.
var accepted = strings.Split(`const a = b < c, d = e > (f), g = h<i>(j), k = l<m>;
x = a ? (b) : c => d; y = a ? (b): c => d : e; z = a ? (b, c) => d : e; w = a ? async (b): Promise<c> => d : e;
for await (const x of f()) { continue } for (const k in o) break; for (let i = 0, n = ('a' in o) ? 1 : 2; i < n; i++);
async function* g() { yield* h(); yield; await using x = y; const z = yield a }
const re = /[/\]]+/gi.test(s) / 2 / 1; const t = `+"`a${`b${c}`}d`"+`; tag`+"`x`"+`;
class A<T> extends B<T> implements C, D { static #p = 1; static { this.#p++ } get x(): T { return 1 } set x(v) {} async *m?() {} readonly [k: string]: any; declare y: number; constructor(private readonly z?: T) { super() } abstract q(): void }
type F = (a: number, ...b: string[]) => asserts a is string; type M = { readonly [K in keyof T as U]-?: V[K] }; type C = A extends infer B extends string ? B : never;
interface I extends J<K>, L { new (x: number): I; (y: string): void; readonly z?: "a" | 'b'; m<T>(t: T): t is U; [k: string]: unknown; get g(): number }
export default async function <T,>(x: T): Promise<T> { return x satisfies T as const as unknown as T }
export * as ns from "x"; export { type A, b as default, c as "d-e" } from "y"; import type { X } from "z"; import d, { type Y, z as w } from "q" with { type: "json" };
import type from "t"; import { type as as2, type } from "u"; export type { Q } from "v"; import fs = require("fs");
declare module "x" { export const y: number } declare global { interface Window { z: 1 } } namespace N.M { export const o = 1 }
enum E { A = 1, "b-c" = A << 2, C = "x".length } const enum G { H } abstract class K2 {} declare function f(x): void
a ??= b || (c && d) ?? e; f?.(x)?.[y]?.z!.w; new (foo())(bar).baz; new.target; import.meta.url; await import("x");
label: for (;;) { break label } if (a) b; else c
const { a: { b = 1 } = {}, ["c"]: [d, , ...e], ...rest } = f; ({ a: b.c, d = 1 } = g); [a, b] = [b, a];
let async = 1, type = 2, of = 3, get = 4; async(1); type = async; of(get)
var v = a as any as B[], u = <any>x, n = -x ** 2, m = typeof x === "y", big = 1_000n, hex = 0xFF, o = .5e-10;
const o2 = { async, get, set: 1, get y() { return 1 }, async *z() {}, "q-r": 1, 2: 3, [k]: 4, async m() {}, type, new: 1, class: 2 };
function over(a: string): void; function over(a: any) {} export function assertIs(this: Window, x: unknown): asserts x is {}
type T1 = [a: string, b?: number, ...rest: boolean[]]; type T2 = typeof import("x"); type T3 = import("y").Z<1>; type T4 = `+"`a${string}b`"+`; type T5 = unique symbol; type T6 = A["b"]["c"][]; type T7 = abstract new () => void
switch (a) { case 1: case "x": { break } default: f() } try { g() } catch { h() } finally { i() }
let fn = function* named() {}, cls = class { }, arrow = async x => await x, gen = <T extends U = V>(x: T): x is U => !x;
@dec() class Deco { @prop() x = 1; @m y() {} }
if (a < b && c > d) e = f >> g >>> h >= i; j >>>= 1; k = l < m ? n : o;
do x++; while (x < 5) y()
var f2 = (a, b = (c) => d, { e } = {}) => ({ a }), g2 = (((a))), h2 = (a, (b))`, "\n")

var acceptedJSX = []string{
	`const e = <A.B c="d&quot;" {...e} f={g} h-i={<J />}>text {k} {/* c */} <></> <L>{...m}</L> it's "fine"</A.B>;`,
	`const f = <T,>(x: T) => <p>{x < 1 ? <b/> : null}</p>; const g = a < b;`,
}

func TestParseAccepts(t *testing.T) {
	for _, text := range append(accepted, "x = a\n++b", "return\nx", "let\nx = 1") {
		if _, err := Parse(text, false); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
	for _, text := range acceptedJSX {
		if _, err := Parse(text, true); err != nil {
			t.Errorf("%s\n%v", text, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"const = 1":                      "line 1: unexpected =",
		"\n\nf(":                         "line 3: unexpected the end of the file",
		"'abc":                           "line 1: a string that does not end",
		"`a${":                           "line 1: unexpected the end of the file",
		"/* a":                           "line 1: a comment that does not end",
		"a b":                            "line 1: unexpected b",
		strings.Repeat("(", 100_000):     "line 1: nested too deeply",
		strings.Repeat("!", 100_000):     "line 1: nested too deeply",
		strings.Repeat("a=>", 100_000):   "line 1: nested too deeply",
		strings.Repeat("if(a)", 100_000): "line 1: nested too deeply",
		strings.Repeat("`${", 100_000):   "line 1: nested too deeply",
		"type T = " + strings.Repeat("[", 100_000):   "line 1: nested too deeply",
		"type T = " + strings.Repeat("(a:", 100_000): "line 1: unexpected :",
		"x = a" + strings.Repeat("+a", 1_000_000):    "line 1: an expression too long",
		"x = a" + strings.Repeat(".a", 500_000):      "line 1: an expression too long",
	} {
		_, err := Parse(text, false)
		var e *Error
		if !errors.As(err, &e) || err.Error() != want {
			t.Errorf("%.20q: got %v, want %s", text, err, want)
		}
	}
}

func TestPositions(t *testing.T) {
	f, err := Parse("// é\nconst a =\n  b\n    .c();\n", false)
	if err != nil {
		t.Fatal(err)
	}
	call := f.List[0].List[0].B
	if f.Line(call.Pos) != 4 || f.Line(call.A.A.Pos) != 3 || f.Line(call.A.Pos) != 4 || call.A.Name != "c" {
		t.Errorf("call on line %d, name %q on line %d", f.Line(call.Pos), call.A.Name, f.Line(call.A.Pos))
	}
}

// Everything that esbuild parses, this parser does: the sources and the
// declarations of the npm packages, written by others.
func TestParseLikeEsbuild(t *testing.T) {
	root := npmtest.Dir(t)
	files := 0
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		ext := filepath.Ext(path)
		if err != nil || d.IsDir() || ext != ".ts" && ext != ".tsx" && ext != ".mts" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || len(text) > 1<<20 {
			return err
		}
		files++
		if _, err := Parse(string(text), ext == ".tsx"); err != nil && esbuildReads(string(text), ext) {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatal(files, err)
	}
}

func esbuildReads(text, ext string) bool {
	loader := api.LoaderTS
	if ext == ".tsx" {
		loader = api.LoaderTSX
	}
	return len(api.Transform(text, api.TransformOptions{Loader: loader, LogLevel: api.LogLevelSilent}).Errors) == 0
}

// No text makes the parser panic or hang, and what esbuild prints it reads.
func FuzzParse(f *testing.F) {
	for _, text := range append(accepted, acceptedJSX...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, jsx := range []bool{false, true} {
			if file, err := Parse(text, jsx); err == nil {
				for _, n := range file.List {
					Walk(n, func(n *Node) bool {
						if int(n.Pos) > len(text) {
							t.Fatalf("%d at %d of %d", n.Kind, n.Pos, len(text))
						}
						return true
					})
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text, err := os.ReadFile("../../../testdata/demo/convex/migrations.ts")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(string(text), false); err != nil {
			b.Fatal(err)
		}
	}
}

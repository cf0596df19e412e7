package jsrun

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
)

// The fast codec and the npm package's own must agree on every value, errors
// included. The values are made in JavaScript, from a seed.
func TestFastCodecAgreesWithTheOriginal(t *testing.T) {
	root := project(t, map[string]string{
		"convex/lib.ts": libSource,
		"convex/m.ts": `import { mutation } from "./lib";
import { compareValues as fastCompare, convexToJson as fastTo, jsonToConvex as fastFrom } from "convex/values";
import { convexToJson as slowTo, jsonToConvex as slowFrom } from "../original/values/value.js";
import { compareValues as slowCompare } from "../original/values/compare.js";

const pick = (list: any[]) => list[Math.floor(Math.random() * list.length)];
class Point { x = 1; }
const leaves = [() => 1, () => 1.5, () => -0, () => NaN, () => Infinity, () => 0, () => "", () => "text", () => "$x", () => true, () => null, () => undefined,
  () => 5n, () => 2n ** 70n, () => new ArrayBuffer(3), () => new Point(), () => new Map([[1, 2]]), () => new Set([1]), () => Object.create(null), () => new Date(0), () => Symbol("s")];
const jsonLeaves = [() => 1, () => "t", () => null, () => false, () => ({ $integer: "AQAAAAAAAAA=" }), () => ({ $integer: 1 }), () => ({ $float: "AAAAAAAA8H8=" }), () => ({ $bytes: "AQI=" }), () => ({ $set: [] }), () => ({ $other: 1, b: 2 }), () => undefined];
const plainKeys = ["b", "a", "_id", "_creationTime", "c d", "zz", "10", "9", "Z"];
const oddKeys = ["$a", "é", "\n", "x".repeat(1025), "__proto__", ""];
const tree = (leaf: any[], odd: boolean, depth: number): any => {
  const r = Math.random();
  if (depth === 0 || r < 0.5) return odd ? pick(leaf)() : pick(leaf.slice(0, 3))();
  if (r < 0.65) return Array.from({ length: Math.floor(Math.random() * 4) }, () => tree(leaf, odd, depth - 1));
  const o: any = {};
  for (let n = Math.floor(Math.random() * 6); n > 0; n--) {
    o[odd && Math.random() < 0.1 ? pick(oddKeys) : pick(plainKeys)] = tree(leaf, odd, depth - 1);
  }
  return o;
};
const show = (v: any): any => {
  if (typeof v === "bigint") return "big " + v;
  if (typeof v === "number") return Object.is(v, -0) ? "-0" : "n " + v;
  if (v === undefined) return "undefined";
  if (v instanceof ArrayBuffer) return "bytes " + new Uint8Array(v).join();
  if (Array.isArray(v)) return v.map(show);
  if (typeof v === "object" && v !== null) return Object.entries(v).map(([k, x]) => [k, show(x)]);
  return v;
};
const outcome = (f: any, v: any) => { try { return JSON.stringify(show(f(v))); } catch (e: any) { return e.name + ": " + e.message; } };
export const compare = mutation(() => {
  let plain = 0, failed = 0;
  for (let i = 0; i < 300; i++) {
    const odd = i % 2 === 0;
    for (const [fast, slow, leaf] of [[fastTo, slowTo, leaves], [fastFrom, slowFrom, jsonLeaves]]) {
      const v = tree(leaf as any[], odd, 4);
      const a = outcome(fast, v), b = outcome(slow, v);
      if (a !== b) return "differs: " + a + " | " + b;
      if ((fast as any)(1) !== 1) return "broken";
      if (/^\w*Error: /.test(a)) failed++; else plain++;
    }
  }
  return plain > 100 && failed > 20 ? "same" : "too few of a kind: " + plain + " plain, " + failed + " failed";
});
const keys = [0, -0, 1, -1, 1.5, 2 ** 60, NaN, -NaN, Infinity, -Infinity, "", "a", "b", "€", "\u{1f600}", "\uffff", true, false, null, undefined, 3n, [1], [1, "a"], { a: 1 }, new ArrayBuffer(2)];
export const sort = mutation(() => {
  for (const a of keys) for (const b of keys) {
    if (!Object.is(fastCompare(a, b), slowCompare(a as any, b as any))) return "differs: " + String(a) + " and " + String(b);
  }
  return "same";
});
export const same = mutation(() => {
  const doc = { _creationTime: 1, _id: "x", a: [1, { b: null }], n: "t" };
  return [fastFrom(doc) === doc, fastTo(doc) === doc, Object.keys(fastTo({ b: 1, a: 2 }) as any).join()];
});`,
	})
	link(t, root)
	esm := filepath.Join(npmtest.Dir(t), "node_modules/convex/dist/esm")
	for _, dir := range []string{"values", "common"} {
		if err := os.CopyFS(filepath.Join(root, "original", dir), os.DirFS(filepath.Join(esm, dir))); err != nil {
			t.Fatal(err)
		}
	}
	p, problems := bundled(t, root)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for _, splice := range []string{"straitPlainJson", "originalJsonToConvex", "originalCompareValues"} {
		if !strings.Contains(p.text, splice) {
			t.Fatalf("%s is not in the bundle", splice)
		}
	}
	vm := opened(t, p)
	for seed := range uint64(10) {
		c := mutationCall("compare")
		c.Seed, c.Timeout = seed, time.Minute
		if got, err := vm.Call(context.Background(), c, &host{}); err != nil || got != `"same"` {
			t.Fatalf("seed %d: %s, %v", seed, got, err)
		}
	}
	if got, err := vm.Call(context.Background(), mutationCall("sort"), &host{}); err != nil || got != `"same"` {
		t.Errorf("compareValues: %s, %v", got, err)
	}
	if got, err := vm.Call(context.Background(), mutationCall("same"), &host{}); err != nil || got != `[true,true,"a,b"]` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestCodecIsLeftOutOfUnknownVersions(t *testing.T) {
	for _, text := range []string{"", "export function jsonToConvex(v) {}", "export function jsonToConvex(v) {}\nexport function convexToJson(v) {}"} {
		if _, ok := splices["values/value"].into(text); ok {
			t.Errorf("%q was changed", text)
		}
	}
}

// A splice does anew what functions of the package do: it must not be put
// beside others.
func TestSplicesKnowTheFunctionsTheyReplace(t *testing.T) {
	dir := filepath.Join(npmtest.Dir(t), "node_modules/convex/dist/esm/server/impl")
	for module, line := range map[string]string{
		"query_impl":    "if (done) {",
		"database_impl": "value: patchValueToJson(value),",
	} {
		s := splices["server/impl/"+module]
		text, err := os.ReadFile(filepath.Join(dir, module+".js"))
		if err != nil {
			t.Fatal(err)
		}
		if spliced, ok := s.into(string(text)); !ok || !strings.HasPrefix(spliced, string(text)[:100]) {
			t.Errorf("%s of the installed version is not known", module)
		}
		if _, ok := s.into(strings.Replace(string(text), line, "/* new */ "+line, 1)); ok {
			t.Errorf("%s was spliced although its functions had changed", module)
		}
		if !s.knowsBeside(dir) {
			t.Errorf("performAsyncSyscall of the installed version is not known to %s", module)
		}
		other := t.TempDir()
		if s.knowsBeside(other) {
			t.Errorf("%s was spliced without performAsyncSyscall", module)
		}
		changed := "export async function performAsyncSyscall(op, arg) {\n  return await later(op, arg);\n}\n"
		if err := os.WriteFile(filepath.Join(other, "syscall.js"), []byte(changed), 0o644); err != nil {
			t.Fatal(err)
		}
		if s.knowsBeside(other) {
			t.Errorf("%s was spliced beside another performAsyncSyscall", module)
		}
	}
}

// batchHost serves n documents to the migrations' pager and takes patches.
type batchHost struct{ n, at, patched int }

func (h *batchHost) Syscall(op, _ string) (string, error) {
	if op == "1.0/queryStream" {
		h.at = 0
		return `{"queryId":1}`, nil
	}
	return "true", nil
}

func (h *batchHost) AsyncSyscall(_ context.Context, op, _ string) (string, error) {
	switch op {
	case "1.0/queryStreamNext":
		if h.at == h.n {
			return `{"value":null,"done":true}`, nil
		}
		h.at++
		return fmt.Sprintf(`{"value":{"_creationTime":1700000%06d,"_id":"j57%05d","active":true,"address":{"city":"Berlin","street":"Weg 1","zip":"10115"},`+
			`"age":31,"email":"person%d@example.com","name":"Person %d","score":4.5,"tags":["a","b"],"team":"k17ab"},"done":false}`, h.at, h.at, h.at, h.at), nil
	case "1.0/shallowMerge":
		h.patched++
		return `{"_id":"x"}`, nil
	case "1.0/getFunctionMetadata":
		return `{"name":"m:fill","componentPath":""}`, nil
	}
	return "null", nil
}

func (h *batchHost) Log(LogLine) {}

// BenchmarkBatch runs one batch of a migration over 100 documents.
func BenchmarkBatch(b *testing.B) {
	files := map[string]string{"convex/m.ts": `import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
const migrations = new Migrations(components.migrations);
export const fill = migrations.define({ table: "users", migrateOne: async (ctx, doc: any) => { if (doc.plan === undefined) await ctx.db.patch(doc._id, { plan: "free" }); } });
`}
	for _, packages := range []string{"prelude", "npm"} {
		b.Run(packages, func(b *testing.B) {
			root := project(b, files)
			if packages == "npm" {
				if err := os.Symlink(filepath.Join(npmtest.Dir(b), "node_modules"), filepath.Join(root, "node_modules")); err != nil {
					b.Fatal(err)
				}
			}
			p, problems := bundled(b, root)
			if len(problems) > 0 {
				b.Fatal(problems)
			}
			vm := opened(b, p)
			c := Call{Module: "m", Export: "fill", Type: Mutation, Timeout: time.Minute, Now: time.UnixMilli(1e12),
				Args: `[{"cursor":null,"batchSize":100,"dryRun":false,"oneBatchOnly":true}]`}
			for b.Loop() {
				h := &batchHost{n: 100}
				if _, err := vm.Call(context.Background(), c, h); err != nil || h.patched != 100 {
					b.Fatal(h.patched, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/100, "µs/document")
		})
	}
}

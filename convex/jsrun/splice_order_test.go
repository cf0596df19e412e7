package jsrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
)

// orderSource does the same work through the package as it is bundled and
// through a copy of it that no splice touches: tasks side by side that call the
// database, rightly and wrongly, between awaits. Every choice comes from one
// stream of random numbers, so that a task that goes on a turn too early or too
// late changes all that follows.
const orderSource = `
import { mutationGeneric as spliced } from "convex/server";
import { mutationGeneric as plain } from "../original/server/index.js";

const pick = (list: any[]) => list[Math.floor(Math.random() * list.length)];
const show = (v: any): any => JSON.stringify(v, (_k, x) => typeof x === "bigint" ? "big " + x : x === undefined ? "undefined" : x);
const stack = (e: any) => String(e.stack).split("\n").map((l) => l.trim().replace(/ \(<eval>.*/, "").replace(/<eval>.*/, "")).filter((l) => /^at (perform|validate|patch|insert|get|replace|delete_)/.test(l)).join(" ");
const values = [() => ({ b: 1, a: "x" }), () => ({ gone: undefined, n: 5n }), () => ({ deep: [{ k: null }] }), () => ({ odd: new Map() }), () => undefined, () => ({ $bad: 1 }), () => 7, () => ({ inner: { gone: undefined } })];
const ids = [() => "id1", () => "id2", () => "id3", () => undefined, () => 5];

const handler = async (ctx: any) => {
  const trace: string[] = [];
  const open: any[] = [];
  const calls: Record<string, () => any> = {
    get: () => ctx.db.get(pick(ids)()),
    getOf: () => ctx.db.get("users", pick(ids)()),
    system: () => ctx.db.system.get("_jobs", pick(ids)()),
    insert: () => ctx.db.insert(pick(["users", "_jobs"]), pick(values)()),
    patch: () => ctx.db.patch(pick(ids)(), pick(values)()),
    patchOf: () => ctx.db.patch("users", pick(ids)(), pick(values)()),
    replace: () => ctx.db.replace(pick(ids)(), pick(values)()),
    replaceOf: () => ctx.db.replace("users", pick(ids)(), pick(values)()),
    delete: () => ctx.db.delete(pick(ids)()),
    deleteOf: () => ctx.db.delete("users", pick(ids)()),
    table: () => ctx.db.table("users").patch(pick(ids)(), pick(values)()),
    take: () => ctx.db.query("users").take(2),
    next: () => (open.length > 0 && Math.random() < 0.8 ? pick(open) : (open.push(ctx.db.query("users").order("asc")), open[open.length - 1])).next(),
    each: async () => { const seen = []; for await (const d of ctx.db.query("users")) { seen.push(d); if (Math.random() < 0.3) break; } return seen; },
    identity: () => ctx.auth.getUserIdentity(),
    turn: () => null,
  };
  const names = Object.keys(calls);
  const task = async (name: number) => {
    for (let n = 1 + Math.floor(Math.random() * 6); n > 0; n--) {
      const call = pick(names);
      try {
        const promise = calls[call]();
        if (Math.random() < 0.1) await promise.catch(() => 0);
        const v = await promise;
        trace.push(name + " " + call + " " + show(v));
      } catch (e: any) {
        trace.push(name + " " + call + " failed " + e.name + " " + e.message + " " + show(e.data) + " " + stack(e));
      }
    }
    return name;
  };
  const tasks = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, (_, i) => task(i));
  trace.push("first " + (await Promise.race(tasks)));
  await Promise.all(tasks);
  return trace.join("\n");
};
export const fast = spliced(handler);
export const slow = plain(handler);
`

// orderHost answers and refuses by turns.
func orderHost(t *testing.T) *host {
	n := 0
	documents := []string{
		`{"_id":"id1","name":"plain"}`, `{"_id":"id2","n":{"$integer":"BQAAAAAAAAA="}}`, `{"_id":"id3","text":"$x \u0001","deep":[{"a":"b"}]}`, `{"_id":"id4","__proto__":{"a":1}}`, `null`,
	}
	return &host{
		sync: func(op, _ string) (string, error) {
			if op == "1.0/queryStream" {
				n++
				return fmt.Sprintf(`{"queryId":%d}`, n), nil
			}
			return "null", nil
		},
		async: func(_ context.Context, op, args string) (string, error) {
			if !json.Valid([]byte(args)) {
				t.Errorf("%s was asked with %s", op, args)
			}
			n++
			switch {
			case n%7 == 3:
				return "", errors.New("refused")
			case n%11 == 4:
				return "", &SyscallError{Message: "refused with data", Data: json.RawMessage(`{"why":{"$integer":"AQAAAAAAAAA="}}`)}
			}
			d := documents[n%len(documents)]
			switch op {
			case "1.0/queryStreamNext":
				if n%4 == 0 {
					return `{"value":null,"done":true}`, nil
				}
				return `{"value":` + d + `,"done":false}`, nil
			case "1.0/insert":
				return fmt.Sprintf(`{"_id":"new%d"}`, n), nil
			}
			return d, nil
		},
	}
}

// orderProgram bundles orderSource with the npm package and a copy of it.
func orderProgram(t *testing.T) *Program {
	t.Helper()
	root := project(t, map[string]string{"convex/m.ts": orderSource})
	link(t, root)
	esm := filepath.Join(npmtest.Dir(t), "node_modules/convex/dist/esm")
	if err := os.CopyFS(filepath.Join(root, "original"), os.DirFS(esm)); err != nil {
		t.Fatal(err)
	}
	p, problems := bundled(t, root)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// A spliced package must ask the host for the same things in the same order,
// give the same answers and errors, and go on in the same order.
func TestSplicedPackageGoesOnInTheSameOrder(t *testing.T) {
	p := orderProgram(t)
	for _, splice := range []string{"straitTakeNext", "originalSetupWriter", "originalPatchValueToJson"} {
		if !strings.Contains(p.text, splice) {
			t.Fatalf("%s is not in the bundle", splice)
		}
	}
	vm := opened(t, p)
	asked, failed := 0, 0
	for seed := range uint64(150) {
		seen := map[string]string{}
		for _, export := range []string{"fast", "slow"} {
			c, h := mutationCall(export), orderHost(t)
			c.Seed, c.Timeout = seed, time.Minute
			got, err := vm.Call(context.Background(), c, h)
			if err != nil {
				t.Fatalf("%s, seed %d: %v", export, seed, err)
			}
			var trace string
			if err := json.Unmarshal([]byte(got), &trace); err != nil {
				t.Fatal(err)
			}
			seen[export] = strings.Join(h.asked, "\n") + "\n" + trace + "\n" + strings.Join(h.logged(), "\n")
			asked += len(h.asked)
			failed += strings.Count(trace, " failed ")
		}
		if seen["fast"] != seen["slow"] {
			t.Fatalf("seed %d: spliced\n%s\n\nthe package\n%s", seed, seen["fast"], seen["slow"])
		}
	}
	if asked < 1000 || failed < 200 {
		t.Errorf("too little was compared: %d calls, %d failures", asked, failed)
	}
}

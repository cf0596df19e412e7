package jsrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCallReturnsAndKeepsModuleState(t *testing.T) {
	p := program(t, `
let n = 0;
export const count = mutation(async (args: { by: number }) => ({ n: (n += args.by), env: process.env.GIVEN, none: process.env.NONE ?? null }));
export default mutation(() => "by default");
`)
	vm := opened(t, p)
	for i := 1; i <= 2; i++ {
		c := mutationCall("count")
		c.Args = `[{"by":2}]`
		got, err := vm.Call(context.Background(), c, &host{})
		if want := fmt.Sprintf(`{"n":%d,"env":"yes","none":null}`, 2*i); err != nil || got != want {
			t.Fatalf("call %d: got %s, %v, want %s", i, got, err, want)
		}
	}
	if got, err := vm.Call(context.Background(), mutationCall("default"), &host{}); err != nil || got != `"by default"` {
		t.Fatalf("got %s, %v", got, err)
	}
	if vm.JSTime() <= 0 {
		t.Error("no JavaScript time was counted")
	}
}

func TestCallOfWhatIsNoFunction(t *testing.T) {
	p := program(t, `export const plain = () => 1; export const q = query(() => 1);`)
	for export, want := range map[string]string{
		"missing": "Couldn't find `missing` in module `m`",
		"plain":   "is neither a query or mutation",
		"q":       "is neither a query or mutation",
	} {
		if e := failure(t, p, export, &host{}); !strings.Contains(e.Message, want) {
			t.Errorf("%s: got %q, want %q in it", export, e.Message, want)
		}
	}
}

func TestSyscallsAreAnsweredInOrder(t *testing.T) {
	p := program(t, `
export const all = mutation(async () => {
  const first = syscall("1.0/sync", { a: 1 });
  const rest = await Promise.all([ask("1.0/one", 1), ask("1.0/two", "zwei €𝄞"), ask("1.0/three", null)]);
  return { first, rest };
});`)
	h := &host{
		sync:  func(op, args string) (string, error) { return args, nil },
		async: func(_ context.Context, op, args string) (string, error) { return args, nil },
	}
	got, err := runOnce(t, p, "all", h)
	if want := `{"first":{"a":1},"rest":[1,"zwei €𝄞",null]}`; err != nil || got != want {
		t.Fatalf("got %s, %v, want %s", got, err, want)
	}
	want := []string{`1.0/sync {"a":1}`, "1.0/one 1", `1.0/two "zwei €𝄞"`, "1.0/three null"}
	if !slices.Equal(h.asked, want) {
		t.Errorf("the host was asked %q, want %q", h.asked, want)
	}
}

func TestSyscallErrorIsCatchable(t *testing.T) {
	p := program(t, `
export const caught = mutation(async () => {
  try { await ask("1.0/get", {}); } catch (e: any) { return { message: e.message, data: e.data, isError: e instanceof Error }; }
});
export const thrown = mutation(async () => { syscall("1.0/queryStream", {}); });
`)
	h := &host{
		sync: func(string, string) (string, error) { return "", errors.New("bad query") },
		async: func(context.Context, string, string) (string, error) {
			return "", &SyscallError{Message: "no", Data: json.RawMessage(`{"kind":"X"}`)}
		},
	}
	got, err := runOnce(t, p, "caught", h)
	if want := `{"message":"no","data":{"kind":"X"},"isError":true}`; err != nil || got != want {
		t.Fatalf("got %s, %v, want %s", got, err, want)
	}
	if e := failure(t, p, "thrown", h); e.Message != "bad query" || e.Kind != "" {
		t.Errorf("got %+v", e)
	}
}

func TestFatalSyscallErrorEndsTheFunction(t *testing.T) {
	p := program(t, `
export const f = mutation(async () => {
  try { await ask("1.0/get", {}); } catch { await ask("1.0/insert", {}); } finally { await ask("1.0/insert", {}); }
});
export const s = mutation(async () => { try { syscall("1.0/queryStream", {}); } catch {} await ask("1.0/insert", {}); });
`)
	for _, export := range []string{"f", "s"} {
		limit := &SyscallError{Message: "Too many reads", Fatal: true}
		h := &host{
			sync:  func(string, string) (string, error) { return "", limit },
			async: func(context.Context, string, string) (string, error) { return "", limit },
		}
		vm := opened(t, p)
		_, err := vm.Call(context.Background(), mutationCall(export), h)
		var s *SyscallError
		if !errors.As(err, &s) || s != limit {
			t.Errorf("%s: got %v, want the host's own error", export, err)
		}
		if len(h.asked) != 1 {
			t.Errorf("%s: the function went on: %q", export, h.asked)
		}
		if !vm.Dirty() {
			t.Errorf("%s: the VM is not marked as used up", export)
		}
	}
}

func TestConvexErrorDataIsParsedOnce(t *testing.T) {
	p := program(t, `
export const f = mutation(() => {
  const e: any = new Error("shown");
  e.name = "ConvexError";
  e.data = JSON.stringify({ kind: "DRY RUN", n: { $integer: "AQAAAAAAAAA=" } });
  e[Symbol.for("ConvexError")] = true;
  throw e;
});
export const plain = mutation(() => { throw Object.assign(new Error("x"), { data: '{"a":1}' }); });
`)
	e := failure(t, p, "f", &host{})
	if string(e.Data) != `{"kind":"DRY RUN","n":{"$integer":"AQAAAAAAAAA="}}` || e.Name != "ConvexError" {
		t.Errorf("got %s %s", e.Name, e.Data)
	}
	if e := failure(t, p, "plain", &host{}); e.Data != nil {
		t.Errorf("an ordinary error carries data %s", e.Data)
	}
}

func TestErrorsCarrySourcePositions(t *testing.T) {
	p, _ := bundled(t, project(t, map[string]string{
		"convex/lib.ts": libSource,
		"convex/dir/deep.ts": `
interface Wide {
  a: string;
}

export type T = { [K in keyof Wide]: number };
export function check<X extends Wide>(x: X): asserts x is X {
  throw new RangeError("deep " + (x as Wide).a);
}
`,
		"convex/m.ts": `import { mutation } from "./lib";
import { check, type T } from "./dir/deep";
enum Mode { A = 1, B }
export const f = mutation(async (args: { a: string }) => {
  const t: T | null = null;
  await null;
  check(args);
});`,
	}))
	c := mutationCall("f")
	c.Args = `[{"a":"x"}]`
	_, err := opened(t, p).Call(context.Background(), c, &host{})
	want := "Uncaught RangeError: deep x\n    at check (../convex/dir/deep.ts:8:"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("got %v, want it to begin %q", err, want)
	}
	if !strings.Contains(err.Error(), "(../convex/m.ts:7:3)") {
		t.Errorf("the caller's line is not in %v", err)
	}
}

func TestThrownValues(t *testing.T) {
	p := program(t, `
class Mine extends Error { name = "Mine"; }
export const text = mutation(() => { throw "words"; });
export const nothing = mutation(() => { throw undefined; });
export const object = mutation(() => { throw { a: 1 }; });
export const mine = mutation(() => { throw new Mine("m"); });
export const hostile = mutation(() => { throw new Proxy({}, { get() { throw 1; }, has() { throw 2; }, getPrototypeOf() { throw 3; } }); });
export const missing = mutation((o: any) => o.a.b.c);
export const called = mutation((o: any) => o.some.thing());
`)
	for export, want := range map[string]string{
		"text": "words", "nothing": "undefined", "object": "#<Object>", "mine": "Mine: m", "hostile": "Error",
		"missing": "TypeError: Cannot read properties of undefined (reading 'b')",
		"called":  "TypeError: Cannot read properties of undefined (reading 'thing')",
	} {
		if e := failure(t, p, export, &host{}); !strings.HasPrefix(e.Error(), "Uncaught "+want) {
			t.Errorf("%s: got %q, want it to begin with Uncaught %s", export, e.Error(), want)
		}
	}
}

func TestStacksInTextsCarrySourcePositions(t *testing.T) {
	p := program(t, `
export const f = mutation(() => {
  const e = new Error("x");
  console.log(e.stack);
  throw new Error("outer: " + e.stack);
});`)
	h := &host{}
	e := failure(t, p, "f", h)
	for _, text := range []string{e.Message, strings.Join(h.logged(), " ")} {
		if !strings.Contains(text, "../convex/m.ts:4:") || strings.Contains(text, "<eval>") {
			t.Errorf("got %q", text)
		}
	}
}

func TestDeadlock(t *testing.T) {
	p := program(t, `
export const f = mutation(async () => { await new Promise(() => {}); });
export const g = mutation(() => 1);`)
	e := failure(t, p, "f", &host{})
	if e.Kind != "deadlock" || !strings.Contains(e.Error(), "never settles") {
		t.Errorf("got %+v", e)
	}
}

func TestUnhandledRejectionFailsTheFunction(t *testing.T) {
	p := program(t, `
const fail = async () => { throw new TypeError("lost"); };
export const constructed = mutation(async () => { Promise.reject(new TypeError("lost")); return 1; });
export const asyncFunction = mutation(async () => { fail(); await ask("1.0/insert", {}); return 1; });
export const handledLater = mutation(async () => { const p = fail(); await null; try { await p; } catch {} return 1; });
export const handled = mutation(async () => { fail().catch(() => {}); return 1; });
export const syscallRejected = mutation(async () => { ask("1.0/bad", {}); await ask("1.0/insert", {}); await null; return 1; });
`)
	for _, export := range []string{"constructed", "asyncFunction"} {
		if e := failure(t, p, export, &host{}); e.Message != "lost" || e.Name != "TypeError" || e.Kind != "" {
			t.Errorf("%s: got %+v", export, e)
		}
	}
	for _, export := range []string{"handledLater", "handled"} {
		if got := value(t, p, export); got != "1" {
			t.Errorf("%s: got %s", export, got)
		}
	}
	h := &host{async: func(_ context.Context, op, _ string) (string, error) {
		if op == "1.0/bad" {
			return "", errors.New("refused")
		}
		return "null", nil
	}}
	if e := failure(t, p, "syscallRejected", h); e.Message != "refused" {
		t.Errorf("got %+v", e)
	}
}

func TestUnawaitedOperationsAreDroppedWithAWarning(t *testing.T) {
	p := program(t, `export const f = mutation(async () => { ask("1.0/insert", {}); return 1; });`)
	h := &host{}
	if got, err := runOnce(t, p, "f", h); err != nil || got != "1" {
		t.Fatalf("got %s, %v", got, err)
	}
	if len(h.asked) != 0 {
		t.Errorf("the host was asked %q", h.asked)
	}
	if log := strings.Join(h.logged(), " "); !strings.Contains(log, "WARN 1 unawaited operation: [insert]") {
		t.Errorf("logged %q", log)
	}
}

func TestTimeoutCountsJavaScriptOnly(t *testing.T) {
	p := program(t, `
export const loop = mutation(() => { for (;;) {} });
export const promises = mutation(async () => { for (;;) await null; });
export const caught = mutation(async () => { for (;;) try { for (;;) {} } catch {} finally { continue; } });
export const pattern = mutation(() => /(x+x+)+y/.test("x".repeat(60)));
export const slowHost = mutation(async () => { await ask("1.0/get", {}); return "done"; });
`)
	for _, export := range []string{"loop", "promises", "caught", "pattern"} {
		vm := opened(t, p)
		c := mutationCall(export)
		c.Timeout = 30 * time.Millisecond
		_, err := vm.Call(context.Background(), c, &host{})
		var e *Error
		if !errors.As(err, &e) || e.Kind != "timeout" || !strings.HasPrefix(e.Error(), "Function execution timed out (maximum duration: 30ms)") {
			t.Errorf("%s: got %v", export, err)
		}
		if !vm.Dirty() {
			t.Errorf("%s: the VM is not marked as used up", export)
		}
		if _, err := vm.Call(context.Background(), c, &host{}); err == nil {
			t.Errorf("%s: a used up VM ran", export)
		}
	}
	released := make(chan struct{})
	h := &host{async: func(context.Context, string, string) (string, error) {
		<-released
		return "null", nil
	}}
	time.AfterFunc(100*time.Millisecond, func() { close(released) })
	c := mutationCall("slowHost")
	c.Timeout = 50 * time.Millisecond
	if got, err := opened(t, p).Call(context.Background(), c, h); err != nil || got != `"done"` {
		t.Errorf("a slow host counted as JavaScript: %s, %v", got, err)
	}
}

func TestABusyMachineFailsNoFunction(t *testing.T) {
	r := &run{limit: time.Minute, cpu: processTime()}
	for used, want := range map[time.Duration]bool{59 * time.Second: false, 2 * time.Minute: false, 20 * time.Minute: true} {
		if got := r.overdue(used); got != want {
			t.Errorf("after %v without the processor overdue is %v", used, got)
		}
	}
	r.cpu -= time.Minute
	if !r.overdue(time.Minute) || r.overdue(59*time.Second) {
		t.Error("a minute of work is not measured as one")
	}
}

func TestCancel(t *testing.T) {
	p := program(t, `
export const loop = mutation(async () => { await ask("1.0/begin", {}); for (;;) {} });
export const wait = mutation(async () => { await ask("1.0/wait", {}); });`)
	for _, export := range []string{"loop", "wait"} {
		ctx, cancel := context.WithCancel(context.Background())
		h := &host{async: func(ctx context.Context, op, _ string) (string, error) {
			cancel()
			if op == "1.0/wait" {
				<-ctx.Done()
				return "", ctx.Err()
			}
			return "null", nil
		}}
		vm := opened(t, p)
		if _, err := vm.Call(ctx, mutationCall(export), h); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", export, err)
		}
		if !vm.Dirty() {
			t.Errorf("%s: the VM is not marked as used up", export)
		}
	}
}

func TestMemoryAndStack(t *testing.T) {
	p := program(t, `
export const memory = mutation(() => { const all: unknown[] = []; for (;;) all.push(new Array(1000).fill({ a: 1 })); });
export const array = mutation(() => new Array(5e7).fill(0).length);
export const text = mutation(() => { let s = "x"; for (;;) s += s; });
export const stack = mutation(() => { const f = (n: number): number => f(n + 1) + 1; return f(0); });
`)
	for export, kind := range map[string]string{"memory": "memory", "array": "memory", "text": "", "stack": "stack"} {
		vm := opened(t, p)
		c := mutationCall(export)
		c.Timeout = time.Minute
		_, err := vm.Call(context.Background(), c, &host{})
		var e *Error
		if !errors.As(err, &e) || (kind != "" && e.Kind != kind) {
			t.Errorf("%s: got %v, want kind %q", export, err, kind)
			continue
		}
		if kind == "memory" && !strings.HasPrefix(e.Error(), "JavaScript execution ran out of memory (maximum memory usage: 64 MB)") {
			t.Errorf("%s: got %q", export, e.Error())
		}
		if kind == "stack" && !strings.HasPrefix(e.Error(), "Uncaught RangeError: Maximum call stack size exceeded") {
			t.Errorf("%s: got %q", export, e.Error())
		}
	}
}

// A native operation that polls no interrupt must not hold its caller.
func TestWatchdogGivesUpOnNativeCode(t *testing.T) {
	before := patience
	patience = 50 * time.Millisecond
	defer func() { patience = before }()
	p := program(t, `
const big = 3n ** 200000n;
export const f = mutation(async () => { let n = big; for (let i = 0; i < 3; i++) n = n * n; await ask("1.0/after", {}); return String(n).length; });`)
	h := &host{}
	vm := opened(t, p)
	c := mutationCall("f")
	c.Timeout = 10 * time.Millisecond
	_, err := vm.Call(context.Background(), c, h)
	var e *Error
	if !errors.As(err, &e) || e.Kind != "timeout" {
		t.Fatalf("got %v", err)
	}
	vm.Close()
	<-vm.ended // the goroutine ends once the native operation does
	if len(h.asked) != 0 {
		t.Errorf("the host was asked after the call had returned: %q", h.asked)
	}
}

func TestHostPanicReachesTheCaller(t *testing.T) {
	p := program(t, `export const f = mutation(async () => { try { await ask("1.0/get", {}); } catch { return 1; } });`)
	defer func() {
		if r := recover(); r != "host failed" {
			t.Errorf("recovered %v", r)
		}
	}()
	_, err := runOnce(t, p, "f", &host{async: func(context.Context, string, string) (string, error) { panic("host failed") }})
	t.Errorf("the call returned %v", err)
}

func TestActionsSleepAndSeeTimePass(t *testing.T) {
	p := program(t, `
export const f = action(async () => {
  const t0 = Date.now(), order: number[] = [];
  await new Promise<void>((done) => { setTimeout(() => { order.push(2); done(); }, 15); setTimeout(() => order.push(1), 1); clearTimeout(setTimeout(() => order.push(9), 2)); });
  return { order, passed: Date.now() - t0 >= 10 };
});`)
	c := mutationCall("f")
	c.Type = Action
	if got, err := opened(t, p).Call(context.Background(), c, &host{}); err != nil || got != `{"order":[1,2],"passed":true}` {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestManyVMsRunOneProgramAtOnce(t *testing.T) {
	p := program(t, `export const f = mutation(async (n: number) => { await ask("1.0/x", n); return n; });`)
	errs := make(chan error)
	for i := range 4 {
		go func() {
			vm, err := p.Open(context.Background())
			if err != nil {
				errs <- err
				return
			}
			defer vm.Close()
			c := mutationCall("f")
			c.Args = fmt.Sprintf("[%d]", i)
			got, err := vm.Call(context.Background(), c, &host{})
			if err == nil && got != fmt.Sprint(i) {
				err = fmt.Errorf("got %s, want %d", got, i)
			}
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

package jsrun

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// libSource registers functions as the npm package does, in few lines, so that the
// engine's tests depend on nothing else.
const libSource = `
const make = (kind: string, h: any) => Object.assign(() => {}, {
  ["is" + kind]: true, isPublic: true, _handler: h,
  ["invoke" + kind]: async (...a: string[]) => JSON.stringify((await h(...JSON.parse(a[a.length - 1]))) ?? null),
  exportArgs: () => '{"type":"any"}', exportReturns: () => "null",
});
export const query = (h: any) => make("Query", h);
export const mutation = (h: any) => make("Mutation", h);
export const action = (h: any) => make("Action", h);
declare const Convex: any;
export const syscall = (op: string, args: unknown) => JSON.parse(Convex.syscall(op, JSON.stringify(args)));
export const ask = async (op: string, args: unknown) => JSON.parse(await Convex.asyncSyscall(op, JSON.stringify(args)));
`

// project writes files below a new root and returns it.
func project(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// bundled bundles root/convex.
func bundled(t testing.TB, root string) (*Program, []Problem) {
	t.Helper()
	dir := filepath.Join(root, "convex")
	modules, err := ListModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, problems, err := Bundle(context.Background(), Options{Root: root, Dir: dir, Modules: modules, Env: map[string]string{"GIVEN": "yes"}})
	if err != nil {
		t.Fatal(err)
	}
	return p, problems
}

// program bundles one module "m" beside lib.
func program(t testing.TB, text string) *Program {
	t.Helper()
	p, problems := bundled(t, project(t, map[string]string{
		"convex/lib.ts": libSource,
		"convex/m.ts":   `import { query, mutation, action, syscall, ask } from "./lib";` + "\n" + text,
	}))
	for _, p := range problems {
		if !p.Warning {
			t.Fatalf("problem: %v", p)
		}
	}
	return p
}

func opened(t testing.TB, p *Program) *VM {
	t.Helper()
	vm, err := p.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(vm.Close)
	return vm
}

// host is a Host made of functions; it notes what it was asked.
type host struct {
	sync  func(op, args string) (string, error)
	async func(ctx context.Context, op, args string) (string, error)

	mu    sync.Mutex
	asked []string
	lines []LogLine
}

func (h *host) Syscall(op, args string) (string, error) {
	h.asked = append(h.asked, op+" "+args)
	if h.sync == nil {
		return "null", nil
	}
	return h.sync(op, args)
}

func (h *host) AsyncSyscall(ctx context.Context, op, args string) (string, error) {
	h.mu.Lock()
	h.asked = append(h.asked, op+" "+args)
	h.mu.Unlock()
	if h.async == nil {
		return "null", nil
	}
	return h.async(ctx, op, args)
}

func (h *host) Log(l LogLine) { h.lines = append(h.lines, l) }

func (h *host) logged() (out []string) {
	for _, l := range h.lines {
		out = append(out, l.Level)
		out = append(out, l.Messages...)
	}
	return out
}

func mutationCall(export string) Call {
	return Call{Module: "m", Export: export, Type: Mutation, Args: "[{}]", Now: time.UnixMilli(1_700_000_000_123), Seed: 1, Timeout: 5 * time.Second}
}

// run calls one mutation of p in a VM of its own.
func runOnce(t testing.TB, p *Program, export string, h *host) (string, error) {
	t.Helper()
	return opened(t, p).Call(context.Background(), mutationCall(export), h)
}

// failure runs a mutation that must fail, and returns its error.
func failure(t testing.TB, p *Program, export string, h *host) *Error {
	t.Helper()
	result, err := runOnce(t, p, export, h)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: got %q and error %v, want an *Error", export, result, err)
	}
	return e
}

// value runs a mutation that must succeed.
func value(t testing.TB, p *Program, export string) string {
	t.Helper()
	result, err := runOnce(t, p, export, &host{})
	if err != nil {
		t.Fatalf("%s: %v", export, err)
	}
	return result
}

func wantProblem(t testing.TB, problems []Problem, match func(Problem) bool) Problem {
	t.Helper()
	i := slices.IndexFunc(problems, match)
	if i < 0 {
		t.Fatalf("the problem is not among %+v", problems)
	}
	return problems[i]
}

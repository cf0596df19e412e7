package jsrun

import (
	"context"
	"testing"
	"time"
)

func BenchmarkPhases(b *testing.B) {
	ctx := context.Background()
	dir := "/tmp/strait/jsrun/proj"
	o := Options{Root: dir, Dir: dir + "/convex", Modules: []string{"migrations.ts", "schema.ts", "users.ts"}}
	b.Run("esbuild", func(b *testing.B) {
		for b.Loop() {
			newBundler(o).build()
		}
	})
	b.Run("bundle", func(b *testing.B) {
		for b.Loop() {
			Bundle(ctx, o)
		}
	})
	p, _, _ := Bundle(ctx, o)
	b.Logf("text %d code %d", len(p.text), len(p.code))
	b.Run("compile", func(b *testing.B) {
		for b.Loop() {
			compile(ctx, p.text)
		}
	})
	b.Run("analyze", func(b *testing.B) {
		for b.Loop() {
			p.Analyze(ctx)
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			vm, err := p.Open(ctx)
			if err != nil {
				b.Fatal(err)
			}
			vm.Close()
		}
	})
	b.Run("call", func(b *testing.B) {
		vm, _ := p.Open(ctx)
		defer vm.Close()
		for b.Loop() {
			if _, err := vm.Call(ctx, Call{Module: "users", Export: "list", Type: Query, Args: `[{"n":3}]`, Timeout: time.Second}, quietHost{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

type quietHost struct{}

func (quietHost) Syscall(op, args string) (string, error) { return `{"queryId":1}`, nil }
func (quietHost) AsyncSyscall(ctx context.Context, op, args string) (string, error) {
	return `{"value":null,"done":true}`, nil
}
func (quietHost) Log(LogLine) {}

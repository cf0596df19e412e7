package jsrun

import (
	"context"
	"maps"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkPhases measures the way from files to the first call, for a project
// of ten modules on the prelude.
func BenchmarkPhases(b *testing.B) {
	ctx := context.Background()
	files := maps.Clone(migrating)
	for _, name := range []string{"a", "b", "c", "d"} {
		files["convex/"+name+".ts"] = "import { query } from './_generated/server';\nexport const list = query(async (ctx) => ctx.db.query('users').collect());\n"
	}
	root := project(b, files)
	dir := filepath.Join(root, "convex")
	modules, err := ListModules(dir)
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Root: root, Dir: dir, Modules: modules}
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
	b.Logf("%d modules, bundle of %d bytes, bytecode of %d", len(modules), len(p.text), len(p.code))
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
			if _, err := vm.Call(ctx, Call{Module: "a", Export: "list", Type: Query, Args: `[{}]`, Timeout: time.Second}, quietHost{}); err != nil {
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

package project

import (
	"context"
	"path/filepath"
	"testing"
)

// BenchmarkLoad is what strait inspect does, on the demo project: built-in
// packages, thirty functions, one component.
func BenchmarkLoad(b *testing.B) {
	dir := filepath.Join("..", "..", "testdata", "demo")
	for b.Loop() {
		if _, err := Load(context.Background(), Options{Dir: dir}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadSchema evaluates one schema file, as each environment does.
func BenchmarkLoadSchema(b *testing.B) {
	dir := filepath.Join("..", "..", "testdata", "demo")
	for b.Loop() {
		if _, err := LoadSchema(context.Background(), dir, "schemas/before.ts"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCode reads the demo's own functions.
func BenchmarkCode(b *testing.B) {
	p, err := Load(b.Context(), Options{Dir: filepath.Join("..", "..", "testdata", "demo")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.code = codeRead{}
		if _, err := p.Code(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

package jsrun

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"sync"

	"modernc.org/quickjs"
)

// The runtime is the JavaScript that stands under every program: what Convex's
// runtime offers as globals, and the other half of vm.go.
//
//go:embed runtime
var runtimeFiles embed.FS

// runtimeOrder is how the runtime's files are joined; they share one scope.
var runtimeOrder = []string{"core", "clock", "console", "encoding", "crypto", "url", "web", "last"}

// runtimeCode is the compiled runtime.
var runtimeCode = sync.OnceValues(func() ([]byte, error) {
	var s strings.Builder
	s.WriteString("(function (G) {\n\"use strict\";\n")
	for _, name := range runtimeOrder {
		text, err := runtimeFiles.ReadFile("runtime/" + name + ".js")
		if err != nil {
			return nil, err
		}
		s.Write(text)
	}
	s.WriteString("})(globalThis);\n")
	if n := strings.Count(s.String(), "\n"); n >= bundleLine {
		return nil, fmt.Errorf("the runtime has %d lines, more than bundleLine", n)
	}
	return compileText(s.String())
})

// compile compiles a bundle so that its lines lie above bundleLine.
func compile(ctx context.Context, text string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return compileText(strings.Repeat("\n", bundleLine) + text)
}

func compileText(text string) ([]byte, error) {
	vm, err := quickjs.NewVM()
	if err != nil {
		return nil, fmt.Errorf("start the JavaScript engine: %w", err)
	}
	defer vm.Close()
	return vm.Compile(text, quickjs.EvalGlobal)
}

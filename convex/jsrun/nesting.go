package jsrun

import (
	"fmt"
	"strings"

	"modernc.org/quickjs"
)

// The bundler follows what nests by recursion without a bound, and a
// goroutine's stack that is full ends the process. So modules from outside go
// through the engine first, which has a bound and would refuse them in any
// case. It does not recurse along a().b().c(): of those a pushed module may
// hold what it likes, as who pushes owns the deployment; an ad-hoc one, for
// which a read-only key is enough, is short.

const (
	maxAdHocSource = 256 << 10 // the bundler's stack is full from 300 kB of links on
	flatSource     = 16 << 10  // nothing in so short a module nests too deeply
)

// checkNesting refuses a module that nests deeper than the engine can follow.
// Other errors are left to the bundler, which tells where they are.
func checkNesting(path, source string) error {
	if len(source) < flatSource {
		return nil
	}
	vm, err := quickjs.NewVM()
	if err != nil {
		return fmt.Errorf("start the JavaScript engine: %w", err)
	}
	defer vm.Close()
	if _, err := vm.Compile(source, quickjs.EvalModule); err != nil && strings.Contains(err.Error(), "stack overflow") {
		return &PushedError{"Failed to analyze " + path + ": Uncaught SyntaxError: the module nests too deeply"}
	}
	return nil
}

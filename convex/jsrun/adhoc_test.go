package jsrun

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// A module that does not end is interrupted, and one that takes all memory too.
func TestAdHocIsBounded(t *testing.T) {
	defer func(d time.Duration) { moduleLimit = d }(moduleLimit)
	moduleLimit = 200 * time.Millisecond
	for source, want := range map[string]string{
		`for (;;);`: "timed out",
		`const all = []; for (;;) all.push(new Array(100000).fill(0)); `: "",
		`(function f() { f(); })();`:                                     "Maximum call stack size exceeded",
		`Convex.syscall("1.0/queryStream", "{}");`:                       "",
	} {
		_, _, err := AdHoc{PushedModule: PushedModule{Path: "testQuery.js", Source: source}}.Load(t.Context())
		var bad *PushedError
		if !errors.As(err, &bad) || !strings.HasPrefix(bad.Message, "Failed to analyze testQuery.js: ") || !strings.Contains(bad.Message, want) {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func FuzzAdHoc(f *testing.F) {
	defer func(d time.Duration) { moduleLimit = d }(moduleLimit)
	moduleLimit = 200 * time.Millisecond
	f.Add(`import { query } from "convex:/_system/repl/wrappers.js"; export default query(async () => 1);`, ``)
	f.Add(`export default {};`, `{"version":3,"sources":["a"],"mappings":"AAAA"}`)
	f.Fuzz(func(t *testing.T, source, sourceMap string) {
		p, functions, err := AdHoc{PushedModule: PushedModule{Path: "testQuery.js", Source: source, SourceMap: sourceMap}}.Load(t.Context())
		var bad *PushedError
		if err == nil && p == nil || err != nil && !errors.As(err, &bad) {
			t.Fatalf("%v %v", functions, err)
		}
	})
}

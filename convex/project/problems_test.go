package project

import (
	"strings"
	"testing"

	"strait/convex/jsrun"
)

func TestCondense(t *testing.T) {
	all := []jsrun.Problem{
		{File: "node_modules/a/x.js", Line: 3, Message: `package "ai" is not installed`, Hint: "npm i ai"},
		{File: "node_modules/a/y.js", Line: 4, Message: `package "ai" is not installed`, Hint: "npm i ai"},
		{File: "node_modules/a/c/z.js", Line: 4, Message: `component agent: package "ai" is not installed`, Hint: "npm i ai", Warning: true},
		{File: "convex/b.ts", Message: `cannot load: package "ai" is not installed (node_modules/a/x.js:3)`, Hint: "npm i ai"},
		{File: "convex/a.ts", Message: `cannot load: package "ai" is not installed (node_modules/a/x.js:3)`, Hint: "npm i ai"},
		{File: "lib/z.ts", Line: 9, Message: `package "zod" is not installed`},
		{File: "node_modules/q.js", Line: 1, Message: `package "zod" is not installed`},
		{File: "node_modules/w.js", Line: 1, Message: `component w: package "w" is not installed`, Warning: true},
		{File: "convex/env.ts", Line: 2, Message: "Error: no KEY (while loading convex/one.ts)"},
		{File: "convex/env.ts", Line: 2, Message: "Error: no KEY"},
		{File: "convex/env.ts", Line: 2, Message: "Error: no KEY (while loading convex/two.ts)"},
		{File: "convex/c.ts", Message: "not evaluated: it imports convex/loop.ts, which fails", Import: "convex/loop.ts"},
		{File: "convex/d.ts", Message: "not evaluated: it imports convex/loop.ts, which fails", Import: "convex/loop.ts"},
		{File: "convex/e.ts", Message: "cannot load: No matching export in \"x\" for import \"y\" (lib/y.ts:5)"},
		{File: "lib/y.ts", Line: 5, Message: "No matching export in \"x\" for import \"y\""},
		{File: "convex/odd.ts", Line: 1, Message: "odd"},
	}
	want := `node_modules/a/x.js:3: package "ai" is not installed (so convex/a.ts, convex/b.ts cannot load)
lib/z.ts:9: package "zod" is not installed
node_modules/w.js:1: component w: package "w" is not installed
convex/env.ts:2: Error: no KEY (so convex/one.ts, convex/two.ts cannot load)
convex/c.ts: not evaluated, like convex/d.ts: they import convex/loop.ts, which fails
lib/y.ts:5: No matching export in "x" for import "y" (so convex/e.ts cannot load)
convex/odd.ts:1: odd`
	var got []string
	for _, p := range condense(all) {
		got = append(got, p.Error())
		if p.Warning != strings.Contains(p.Message, "component w") {
			t.Errorf("%s: warning is %v", p, p.Warning)
		}
	}
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

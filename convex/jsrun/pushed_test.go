package jsrun

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// minifiedCodec is a module as the CLI makes it of the package's codec, with
// functions that count their calls in place of the real ones.
const minifiedCodec = `
var o = (f, name) => Object.defineProperty(f, "name", { value: name });

// ../node_modules/convex/dist/esm/values/value.js
var calls = 0;
function g(t) {
  calls++;
  return t;
}
o(g, "jsonToConvex");
function x(t) {
  calls++;
  return t;
}
o(x, "convexToJson");
function O(t) {
  calls++;
  return t;
}
o(O, "patchValueToJson");

// convex/m.ts
var f = () => {};
Object.assign(f, { isQuery: true, isPublic: true, exportArgs: () => '{"type":"any"}', exportReturns: () => "null", invokeQuery: async () => {
  for (const codec of [g, x, O]) codec({ a: [1, "b", { c: null }] });
  const plain = calls;
  for (const codec of [g, x, O]) codec({ a: undefined });
  return JSON.stringify([plain, calls]);
} });
export { f };
//# sourceMappingURL=m.js.map
`

func TestPushedCodecIsSpliced(t *testing.T) {
	run := func(text string) string {
		t.Helper()
		p, err := Push(context.Background(), "", []PushedModule{{Path: "m.js", Source: text, Environment: Isolate}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		vm, err := p.Program.Open(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer vm.Close()
		result, err := vm.Call(context.Background(), Call{Module: "m", Export: "f", Type: Query, Args: "[{}]"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	if got := run(minifiedCodec); got != "[0,3]" {
		t.Errorf("plain values and others reached the package's codec %s times", got)
	}
	for name, text := range map[string]string{
		"another package":       strings.Replace(minifiedCodec, "node_modules/convex/", "node_modules/convert/", 1),
		"a function is no more": strings.Replace(minifiedCodec, `"patchValueToJson"`, `"patchToJson"`, 1),
		"a function twice":      strings.Replace(minifiedCodec, `o(x, "convexToJson");`, "o(x, \"convexToJson\");\no(x, \"convexToJson\");", 1),
		"no declaration":        strings.Replace(minifiedCodec, "function g(t) {", "var g = (t) => {", 1),
	} {
		if got := run(text); got != "[3,6]" {
			t.Errorf("%s: the module is not left as it is: %s", name, got)
		}
	}
}

// A "use node" file that cannot be evaluated here is known by its default
// export alone; one that can by all of its actions.
func TestPushNode(t *testing.T) {
	action := `Object.assign(() => {}, { isAction: true, isInternal: true, exportArgs: () => '{"type":"any"}', exportReturns: () => "null" })`
	p, err := Push(context.Background(), "", []PushedModule{
		{Path: "good.js", Environment: Node, Source: `import { createHash } from "crypto"; import x from "pkg"; const h = createHash("md5").update(x.y); export const send = ` + action},
		{Path: "bad.js", Environment: Node, Source: `throw new Error("needs Node"); export const lost = ` + action},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range p.Functions {
		if !f.Node || f.Type != Action || f.Public {
			t.Errorf("%+v", f)
		}
		got = append(got, f.Path())
	}
	if strings.Join(got, " ") != "bad:default good:send" {
		t.Errorf("functions: %v", got)
	}
}

// Nothing of the machine is read, whatever a module or its map names.
func TestPushReadsNoFiles(t *testing.T) {
	for _, source := range []string{`import "/etc/hostname"`, `import "../../../../../../etc/hostname"`, `import "fs"`, `export * from "file:///etc/hostname"`, `await import("/etc/hostname")`} {
		_, err := Push(context.Background(), "", []PushedModule{{Path: "a/m.js", Source: source, Environment: Isolate, SourceMap: `{"version":3,"sources":["/etc/hostname"],"mappings":"AAAA"}`}}, nil)
		var told *PushedError
		if !errors.As(err, &told) || strings.Contains(err.Error(), "hostname:") {
			t.Errorf("%s: %v", source, err)
		}
	}
}

package jsrun

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A module from outside may nest as deeply as it likes: the bundler has no
// bound of its own, and a goroutine's stack that is full ends the process.
func TestModulesThatNestWithoutEnd(t *testing.T) {
	const n = 1 << 20
	repeated := func(s string) string { return strings.Repeat(s, n/len(s)) }
	for name, source := range map[string]string{
		"parentheses": repeated("("),
		"arrays":      "export default " + repeated("["),
		"blocks":      repeated("{"),
		"not":         "export default " + repeated("!") + "1",
		"arrows":      "export default " + repeated("x=>") + "1",
		"conditions":  "export default " + repeated("1?1:") + "1",
		"ifs":         repeated("if(a)") + "1",
		"templates":   "export default " + repeated("`${"),
		"calls":       "export default a" + repeated("()"),
		"members":     "export default a" + repeated(".b"),
		"indexes":     "export default a" + repeated("[b]"),
	} {
		t.Run(name, func(t *testing.T) {
			var told *PushedError
			_, _, err := AdHoc{PushedModule: PushedModule{Path: "q.js", Source: source, Environment: Isolate}}.Load(t.Context())
			if !errors.As(err, &told) || len(told.Message) > 300 {
				t.Errorf("ad hoc: %.300v", err)
			}
			_, _, err = AdHoc{PushedModule: PushedModule{Path: "q.js", Source: source[:maxAdHocSource/8*8], Environment: Isolate}}.Load(t.Context())
			if !errors.As(err, &told) || len(told.Message) > 300 {
				t.Errorf("as long as it may be: %.300v", err)
			}
			if name == "calls" || name == "members" || name == "indexes" {
				return // see nesting.go
			}
			_, err = Push(t.Context(), "", []PushedModule{{Path: "q.js", Source: source, Environment: Isolate}}, nil)
			if !errors.As(err, &told) || len(told.Message) > 300 {
				t.Errorf("pushed: %.300v", err)
			}
		})
	}
}

// No module makes the bundler open a file of this machine, be it a pipe that
// never ends.
func TestModulesNameNoFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "map.json")
	const text = `{"version":3,"sources":["stolen.ts"],"sourcesContent":["x"],"mappings":"AAAA;AACA;AACA;AACA;AACA;AACA;AACA","names":[]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const code = "export const a = 1;\nexport const b = () => { throw new Error(a); };\n"
	comment := "sourceMappingURL=file://" + file
	for name, source := range map[string]string{
		"in front":    "//# " + comment + "\n" + code,
		"at the end":  code + "//# " + comment,
		"with a tail": code + "//# " + comment + "\nexport const more = 1;\n",
		"as a block":  code + "/*# " + comment + " */",
	} {
		t.Run(name, func(t *testing.T) {
			b := pushedBundle{what: "the app", files: map[string]PushedModule{"a.js": {Path: "a.js", Source: source}}, modules: []module{pushedEntry("a", "a.js")}}
			p, err := b.program(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			m, err := p.sources()
			if err != nil || strings.Contains(strings.Join(m.sources, " "), "stolen") {
				t.Errorf("the machine's file was read: %v, %v", m.sources, err)
			}
		})
	}
}

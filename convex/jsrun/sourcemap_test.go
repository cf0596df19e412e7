package jsrun

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// encode writes one number as a source map does.
func encode(n int) string {
	v := n << 1
	if n < 0 {
		v = -n<<1 | 1
	}
	var s strings.Builder
	for {
		digit := v & 31
		if v >>= 5; v > 0 {
			digit |= 32
		}
		s.WriteByte(base64Digits[digit])
		if v == 0 {
			return s.String()
		}
	}
}

func TestSourceMapRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type entry struct{ column, source, line, srcColumn int }
		lines := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []entry {
			list := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) entry {
				return entry{rapid.IntRange(0, 3000).Draw(t, "column"), rapid.IntRange(-1, 2).Draw(t, "source"), rapid.IntRange(0, 90000).Draw(t, "line"), rapid.IntRange(0, 500).Draw(t, "source column")}
			}), 0, 8, func(e entry) int { return e.column }).Draw(t, "entries")
			slices.SortFunc(list, func(a, b entry) int { return a.column - b.column })
			return list
		}), 1, 6).Draw(t, "lines")

		var text []string
		var source, line, srcColumn int
		for _, list := range lines {
			var parts []string
			column := 0
			for _, e := range list {
				part := encode(e.column - column)
				column = e.column
				if e.source >= 0 {
					part += encode(e.source-source) + encode(e.line-line) + encode(e.srcColumn-srcColumn)
					source, line, srcColumn = e.source, e.line, e.srcColumn
				}
				parts = append(parts, part)
			}
			text = append(text, strings.Join(parts, ","))
		}
		raw, err := json.Marshal(map[string]any{"version": 3, "sources": []string{"a", "b", "c"}, "mappings": strings.Join(text, ";")})
		if err != nil {
			t.Fatal(err)
		}
		m, err := parseSourceMap(raw)
		if err != nil {
			t.Fatal(err)
		}
		at, column := rapid.IntRange(0, len(lines)).Draw(t, "at line"), rapid.IntRange(1, 3200).Draw(t, "at column")
		got, ok := m.find(at+1, column)
		var want *entry
		if at < len(lines) {
			for i, e := range lines[at] {
				if e.column < column {
					want = &lines[at][i]
				}
			}
		}
		if ok != (want != nil && want.source >= 0) {
			t.Fatalf("line %d column %d: found %v, want %+v", at, column, ok, want)
		}
		if ok && (got.line != want.line+1 || got.column != want.srcColumn+1 || got.source != string(rune('a'+want.source)) || got.exact != (want.column == column-1)) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func FuzzSourceMap(f *testing.F) {
	for _, mapping := range []string{"", "AAAA", "AAAA;;CACA,E", "gggggggggggggD", "A!", "AAA", "D", ";,;,"} {
		f.Add(fmt.Sprintf(`{"version":3,"sources":["x"],"mappings":%q}`, mapping), 1, 1)
	}
	f.Add(`{"version":2}`, 0, -1)
	f.Add(`nothing`, 1, 1)
	f.Fuzz(func(t *testing.T, text string, line, column int) {
		m, err := parseSourceMap([]byte(text))
		if err != nil {
			return
		}
		if p, ok := m.find(line, column); ok && (p.line < 1 || p.column < 1 || !slices.Contains(m.sources, p.source)) {
			t.Errorf("found %+v", p)
		}
		for i, l := range m.lines {
			for j, s := range l {
				if j > 0 && l[j-1].column > s.column {
					t.Errorf("line %d is not in order", i)
				}
			}
		}
	})
}

func FuzzStack(f *testing.F) {
	f.Add("    at handler (<eval>:20012:7)\n    at push (native)\n    at <anonymous> (<eval>:20044)\n")
	f.Add("    at a (b) (<eval>:1:1)\nError: x\n  at (<eval>:-1:-1)\n at <eval>:3:4")
	f.Add("at  (<eval>:99999999999999999999:1)")
	p := &Program{sources: func() (*sourceMap, error) {
		return parseSourceMap([]byte(`{"version":3,"sources":["../x.ts"],"mappings":"AAAA"}`))
	}}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range parseStack(text) {
			if r.line < 1 || r.column < 0 {
				t.Errorf("frame %+v", r)
			}
		}
		for _, fr := range p.frames(text) {
			if fr.Line < 1 || fr.File == "" {
				t.Errorf("frame %+v", fr)
			}
		}
	})
}

func TestParseStack(t *testing.T) {
	got := parseStack("    at handler (<eval>:20012:7)\n    at push (native)\n    at f (x (<eval>:20044)\n    at <anonymous> (<eval>:3:1)\n")
	want := []rawFrame{{"handler", 20012, 7}, {"f (x", 20044, 0}, {"<anonymous>", 3, 1}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzArrowEnd(f *testing.F) {
	f.Add("(a, b) => ({ x: 1 }), next")
	f.Add("async (x): Promise<Map<string, number>> => { return `}${1}`; } }")
	f.Add("function (a) { }")
	f.Add("=> '")
	f.Fuzz(func(t *testing.T, text string) {
		if n := arrowEnd(text); n < 0 || n > len(text) {
			t.Errorf("%d of %d", n, len(text))
		}
	})
}

func TestArrowEnd(t *testing.T) {
	for text, want := range map[string]string{
		"(a, b) => ({ x: 1 }), next":                               "(a, b) => ({ x: 1 })",
		"async (x): Promise<Map<string, number>> => { f('}'); } }": "async (x): Promise<Map<string, number>> => { f('}'); }",
		"a => a.b // c\n}":                                         "a => a.b // c",
		"function (a) { }":                                         "",
		"(): { a: 1 } => 1":                                        "",
		"x => [1, `,${2}`];":                                       "x => [1, `,${2}`]",
	} {
		if got := text[:arrowEnd(text)]; got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

package value

import (
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestScriptIsTypeScript(t *testing.T) {
	for want, v := range map[string]Value{
		"null": nil, "true": true, "0": 0.0, "-0": math.Copysign(0, -1), "1.5": 1.5, "1e+21": 1e21, "NaN": math.NaN(),
		"-Infinity": math.Inf(-1), "-5n": int64(-5), `"a\"\n"`: "a\"\n", `b"AQ=="`: Bytes{1}, "[]": Array{}, "{}": Object{},
		`{"a-b": [0, 1n], c$: {}}`: NewObject(Field{Name: "a-b", Value: Array{0.0, int64(1)}}, Field{Name: "c$", Value: Object{}}),
	} {
		if got := Script(v, 100); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestScriptIsCut(t *testing.T) {
	for _, v := range []Value{strings.Repeat("ä\x00", 1e5), Bytes(make([]byte, 1e5)), Array(make([]Value, 1e5)),
		NewObject(Field{Name: strings.Repeat("n", 900), Value: 1.0})} {
		got := Script(v, 50)
		if n := utf8.RuneCountInString(got); n != 50 || !strings.HasSuffix(got, "…") || !utf8.ValidString(got) {
			t.Errorf("%d characters: %q", n, got)
		}
	}
}

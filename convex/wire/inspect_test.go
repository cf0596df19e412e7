package wire

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

func TestParseInspect(t *testing.T) {
	for text, want := range map[string]string{
		`{ _id: 'abc', n: 1, nested: { a: [ 1, 2 ] }, big: 5n, u: undefined, "odd-key": true }`:                     `{"_id":"abc","big":{"$integer":"BQAAAAAAAAA="},"n":1,"nested":{"a":[1,2]},"odd-key":true}`,
		"{\n  before: {\n    _creationTime: 1700000000000.5,\n    tags: [],\n    'a b': null\n  },\n  after: {}\n}": `{"after":{},"before":{"_creationTime":1700000000000.5,"a b":null,"tags":[]}}`,
		`'it\'s\n\x07 a \\ naïve 🚢'`: `"it's\n\u0007 a \\ naïve 🚢"`,
		`-0`:                         `{"$float":"AAAAAAAAAIA="}`,
		`Account { name: 'x' }`:      `{"name":"x"}`,
		`{ 1: 'a', b_2: 2.5e-7 }`:    `{"1":"a","b_2":2.5e-7}`,
	} {
		check(t, text, want)
	}
	v, err := ParseInspect(`[ NaN, -Infinity, 1e21, -5n, undefined ]`)
	a, _ := v.(value.Array)
	if err != nil || len(a) != 5 || !math.IsNaN(a[0].(float64)) || !math.IsInf(a[1].(float64), -1) || a[2] != 1e21 || a[3] != int64(-5) {
		t.Errorf("%v, %v", v, err)
	}
}

func check(t *testing.T, text, want string) {
	t.Helper()
	v, err := ParseInspect(text)
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	w, err := value.Decode([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if !value.Equal(v, w) {
		t.Errorf("%s: got %s, want %s", text, value.Append(nil, v), want)
	}
}

// What was cut or left out is an error that says where, never a wrong value.
func TestParseInspectIncomplete(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "was cut",
		`{ a: 1, b: 'tex`:                     "was cut",
		`{ a: 1,`:                             "was cut",
		`{ a`:                                 "was cut",
		`[ 1, 2`:                              "was cut",
		`{ a: [Object] }`:                     "line 1 column 6: [Object] is printed without",
		`{ a: [Circular] }`:                   "without its contents",
		`{ b: ArrayBuffer [ArrayBuffer] {} }`: "ArrayBuffer is printed without",
		`{ m: Map (1) {'a' => 1} }`:           "Map is printed without",
		"{\n  a: 1,\n  b: ?\n}":               `line 3 column 6: unexpected "?"`,
		`'abc'... 5 more characters`:          "string was cut",
		`99999999999999999999n`:               "no 64-bit integer",
		`1-2`:                                 "no number",
		`{ a: 1 } { b: 2 }`:                   "expected the end",
		`'\xZZ'`:                              "escape",
		strings.Repeat("[", 1000):             "too deep",
		`{ a: 1 b: 2 }`:                       `expected "," or "}"`,
	} {
		v, err := ParseInspect(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v; want %q", text, v, err, want)
		}
	}
}

// inspect prints as object-inspect does with indent 2, enough of it for the
// values that a document holds.
func inspect(v value.Value, indent string) string {
	quote := func(s string) string {
		r := strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "\b", `\b`, "\f", `\f`, "\x01", `\x01`)
		return "'" + r.Replace(s) + "'"
	}
	inner := indent + "  "
	switch v := v.(type) {
	case value.Object:
		if len(v) == 0 {
			return "{}"
		}
		var parts []string
		for _, f := range v {
			name := f.Name
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_$0123456789") != "" || name == "" {
				name = quote(name)
			}
			parts = append(parts, inner+name+": "+inspect(f.Value, inner))
		}
		return "{\n" + strings.Join(parts, ",\n") + "\n" + indent + "}"
	case value.Array:
		if len(v) == 0 {
			return "[]"
		}
		var parts []string
		for _, e := range v {
			parts = append(parts, inspect(e, inner))
		}
		return "[ " + strings.Join(parts, ", ") + " ]"
	case string:
		return quote(v)
	case int64:
		return strconv.FormatInt(v, 10) + "n"
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return string(value.Append(nil, v))
}

func values(depth int) *rapid.Generator[value.Value] {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab é🚢'\\\n\t\x01\"`{}[]:,")), 0, 8, -1)
	leaf := rapid.OneOf(
		rapid.Just[value.Value](nil),
		rapid.Map(rapid.Bool(), func(b bool) value.Value { return b }),
		rapid.Map(rapid.Int64Range(-1000, 1000), func(n int64) value.Value { return float64(n) / 4 }),
		rapid.Map(rapid.Int64(), func(n int64) value.Value { return n }),
		rapid.Map(text, func(s string) value.Value { return s }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(values(depth-1), 0, 4), func(a []value.Value) value.Value { return value.Array(a) }),
		rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z_$0-9 -]{1,5}`), values(depth-1), 0, 4), func(m map[string]value.Value) value.Value {
			var fields []value.Field
			for k, v := range m {
				fields = append(fields, value.Field{Name: k, Value: v})
			}
			return value.NewObject(fields...)
		}))
}

func TestParseInspectReadsWhatIsPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := values(3).Draw(t, "value")
		text := inspect(v, "")
		got, err := ParseInspect(text)
		if err != nil || !value.Equal(got, v) {
			t.Fatalf("%s\nread as %s, %v", text, value.Append(nil, got), err)
		}
		// However it is cut, it is never read as another object.
		cut := text[:rapid.IntRange(0, max(0, len(text)-1)).Draw(t, "cut")]
		if _, isObject := v.(value.Object); isObject {
			if got, err := ParseInspect(cut); err == nil {
				t.Fatalf("cut %q read as %v", cut, got)
			}
		}
	})
}

func FuzzParseInspect(f *testing.F) {
	for _, seed := range []string{`{ a: [ 1, 'x\'', 5n, { } ] }`, `[Object]`, `{ "k": undefined }`, `'\u00e9\ud83d\udea2'`, `-Infinity`, "{\n  a: Foo { b: 1 }\n}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseInspect(text)
		if err != nil {
			return
		}
		if _, bare := v.(value.Undefined); bare {
			return
		}
		value.Display(v) // whatever was read is a value
	})
}

package value

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

// inOrder lists values in the order of compareValues of the npm package convex
// 1.48, as its convexToJson prints them, with its getConvexSize.
var inOrder = []struct {
	json string
	size int
}{
	{`null`, 1},
	{`{"$integer":"AAAAAAAAAIA="}`, 9},
	{`{"$integer":"//////////8="}`, 9},
	{`{"$integer":"AAAAAAAAAAA="}`, 9},
	{`{"$integer":"LAEAAAAAAAA="}`, 9},
	{`{"$integer":"/////////38="}`, 9},
	{`{"$float":"AAAAAAAA8P8="}`, 9},
	{`-2`, 9},
	{`{"$float":"AAAAAAAAAIA="}`, 9},
	{`0`, 9},
	{`5e-324`, 9},
	{`1e-7`, 9},
	{`0.1`, 9},
	{`1.5`, 9},
	{`123456789012345680000`, 9},
	{`1e+21`, 9},
	{`1.7976931348623157e+308`, 9},
	{`{"$float":"AAAAAAAA8H8="}`, 9},
	{`{"$float":"AAAAAAAA+H8="}`, 9},
	{`false`, 1},
	{`true`, 1},
	{`""`, 2},
	{`"\u0000"`, 3},
	{`"a"`, 3},
	{`"a\u0000"`, 4},
	{`"ab"`, 4},
	{`"é"`, 4},
	{`"日本"`, 8},
	{"\"\uffee\"", 5}, // by UTF-8; UTF-16 would put it after the next
	{`"😀"`, 6},
	{`{"$bytes":""}`, 2},
	{`{"$bytes":"AA=="}`, 3},
	{`{"$bytes":"AP8B"}`, 5},
	{`[]`, 2},
	{`[null]`, 3},
	{`[1]`, 11},
	{`[1,[{"$integer":"AgAAAAAAAAA="}]]`, 22},
	{`["a"]`, 5},
	{`[[]]`, 4},
	{`[{}]`, 4},
	{`{}`, 2},
	{`{"":1}`, 12},
	{`{"a":1}`, 13},
	{`{"a":1,"b":1}`, 24},
	{`{"a":2}`, 13},
	{`{"a":[null],"b":1}`, 18},
	{`{"a":{}}`, 6},
	{`{"a b":1}`, 15},
	{`{"ab":0}`, 14},
}

func mustDecode(t testing.TB, text string) Value {
	t.Helper()
	v, err := Decode([]byte(text))
	if err != nil {
		t.Fatalf("Decode(%s): %v", text, err)
	}
	return v
}

func TestEncodingOrderAndSizeAreConvexs(t *testing.T) {
	values := []Value{Undefined{}}
	for _, c := range inOrder {
		v := mustDecode(t, c.json)
		if got := string(Append(nil, v)); got != c.json {
			t.Errorf("Decode, then Append of %s: %s", c.json, got)
		}
		if got := Size(v); got != c.size {
			t.Errorf("Size(%s) = %d, want %d", c.json, got, c.size)
		}
		values = append(values, v)
	}
	for i, a := range values {
		for j, b := range values {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%s, %s) = %d, want %d", Display(a), Display(b), got, want)
			}
			if got := bytes.Compare(AppendKey(nil, a), AppendKey(nil, b)); got != want {
				t.Errorf("keys of %s and %s compare %d, want %d", Display(a), Display(b), got, want)
			}
		}
	}
}

func TestOtherEncodings(t *testing.T) {
	for _, c := range []struct{ encoded, clean, export string }{
		{`1`, `1`, `1.0`},
		{`-2.5`, `-2.5`, `-2.5`},
		{`0.00001`, `0.00001`, `0.00001`},
		{`1e-7`, `1e-7`, `1e-7`},
		{`1e16`, `10000000000000000`, `1e16`},
		{`1e300`, `1e+300`, `1e300`},
		{`{"$float":"AAAAAAAAAIA="}`, `-0`, `-0.0`},
		{`{"$float":"AAAAAAAA+H8="}`, `"NaN"`, `{"$float":"AAAAAAAA+H8="}`},
		{`{"$float":"AAAAAAAA8H8="}`, `"Infinity"`, `{"$float":"AAAAAAAA8H8="}`},
		{`{"$float":"AAAAAAAA8P8="}`, `"-Infinity"`, `{"$float":"AAAAAAAA8P8="}`},
		{`{"$integer":"AgAAAAAAAAA="}`, `"2"`, `2`},
		{`{"$integer":"AAAAAAAAAIA="}`, `"-9223372036854775808"`, `-9223372036854775808`},
		{`{"$bytes":"AP8B"}`, `"AP8B"`, `{"$bytes":"AP8B"}`},
		{`{"b":[null,true],"a":"x\n"}`, `{"a":"x\n","b":[null,true]}`, `{"a":"x\n","b":[null,true]}`},
	} {
		v := mustDecode(t, c.encoded)
		if got := string(AppendClean(nil, v)); got != c.clean {
			t.Errorf("clean JSON of %s is %s, want %s", c.encoded, got, c.clean)
		}
		if got := string(AppendExport(nil, v)); got != c.export {
			t.Errorf("export JSON of %s is %s, want %s", c.encoded, got, c.export)
		}
		back, err := DecodeExport([]byte(c.export))
		if err != nil || !Equal(back, v) {
			t.Errorf("DecodeExport(%s) = %s, %v; want %s", c.export, Display(back), err, Display(v))
		}
	}
}

func TestDecodeReadsOddButValidText(t *testing.T) {
	for text, want := range map[string]Value{
		" [ 1 , -0 ] ":                      Array{1.0, math.Copysign(0, -1)},
		`{"a":1,"b":2,"a":3}`:               Object{{"a", 3.0}, {"b", 2.0}},
		`"\ud83d\ude00 \ud83d \ude00 \/"`:   "😀 \uFFFD \uFFFD /",
		`"\ud83d\u0041"`:                    "\uFFFDA",
		`1.0`:                               1.0,
		`12345678901234567890`:              12345678901234567890.0,
		`{"$float":"AAAAAAAAAAA="}`:         0.0,
		`{"a":{"$integer":"AQAAAAAAAAA="}}`: Object{{"a", int64(1)}},
	} {
		if got := mustDecode(t, text); !Equal(got, want) {
			t.Errorf("Decode(%s) = %s, want %s", text, Display(got), Display(want))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 65) + strings.Repeat("]", 65)
	for _, c := range []struct{ text, message string }{
		{``, "unexpected end of JSON (at byte 0)"},
		{`{"a":{"b":[1,x]}}`, "at .a.b[1]: unexpected character 'x' (at byte 13)"},
		{`1 2`, "more text after the value (at byte 2)"},
		{`{"$set":[]}`, "Field name $set starts with '$', which is reserved."},
		{`{"$integer":"AQAAAAAAAAA=","a":1}`, "Field name $integer starts with '$'"},
		{`{"a":1,"$b":1}`, "Field name $b starts with '$'"},
		{`{"$integer":"AQ=="}`, "Received 1 bytes, expected 8 for $integer"},
		{`{"$integer":1}`, "$integer must hold a base64 string"},
		{`{"$bytes":"?"}`, "$bytes is not base64"},
		{`{"$float":"AAAAAAAA8D8="}`, "Float64 1 should be encoded as a number"},
		{`{"a":{"$undefined":null}}`, "undefined is not a valid Convex value"},
		{`{"a":{"$commitTs":null}}`, "unresolved commit timestamp"},
		{`{"é":1}`, `Field name é has invalid character 'é'`},
		{`{"a\n":1}`, `has invalid character '\n'`},
		{"\"\xff\"", "text is not UTF-8"},
		{"\"\\n\xff\"", "text is not UTF-8"},
		{"\"\x01\"", "control character in a string"},
		{`"\x"`, `bad escape \x`},
		{`"\u12g4"`, `bad \u escape`},
		{`"abc`, "string is not closed"},
		{`"abc\`, "string is not closed"},
		{`01`, "bad number"},
		{`-`, "bad number"},
		{`1.`, "bad number"},
		{`1e`, "bad number"},
		{`1e999`, "out of range"},
		{`[1,]`, "at [1]: unexpected character ']'"},
		{`[1`, "array is not closed"},
		{`{"a":1,}`, "expected a field name"},
		{`{"a" 1}`, "expected : after a field name"},
		{`{"a":1`, "object is not closed"},
		{`nul`, "expected null"},
		{deep, "Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{strings.Repeat(`{"$a":`, 100_000), "Value is too nested"},
		{`{"` + strings.Repeat("a", 1025) + `":1}`, "Field name is too long (1025 > maximum 1024)"},
	} {
		v, err := Decode([]byte(c.text))
		if err == nil {
			t.Errorf("Decode(%.60s) = %s, want an error", c.text, Display(v))
		} else if !strings.Contains(err.Error(), c.message) {
			t.Errorf("Decode(%.60s): %v; want %q in it", c.text, err, c.message)
		}
	}
	scalars := strings.Repeat("[", 64) + `{"$integer":"AQAAAAAAAAA="}` + strings.Repeat("]", 64)
	mustDecode(t, scalars) // a packed scalar is no level of nesting
}

func TestDecodePatchAllowsUndefinedWhereConvexDoes(t *testing.T) {
	for text, want := range map[string]Value{
		`{"$undefined":null}`:               Undefined{},
		`{"a":{"$undefined":null},"b":[1]}`: Object{{"a", Undefined{}}, {"b", Array{1.0}}},
	} {
		v, err := DecodePatch([]byte(text))
		if err != nil || !Equal(v, want) {
			t.Errorf("DecodePatch(%s) = %s, %v", text, Display(v), err)
		}
		if got := string(Append(nil, v)); got != text {
			t.Errorf("Append gives %s, want %s", got, text)
		}
	}
	for _, text := range []string{`[{"$undefined":null}]`, `{"a":{"b":{"$undefined":null}}}`, `{"$undefined":1}`} {
		if v, err := DecodePatch([]byte(text)); err == nil {
			t.Errorf("DecodePatch(%s) = %s, want an error", text, Display(v))
		}
	}
}

// Ids made here and read by Convex's own decoder (npm-packages/id-encoding).
var knownIDs = []struct {
	table    uint32
	internal string
	text     string
}{
	{1, "005bb6116cc7227dd8338ee9449f4e20", "0405qdghdk3j4zer6e7ejh4z9rgcgf0"},
	{127, "2580db3691ec47a2fd58b30e69c44e21", "fwjr1pspj7p4f8qxb2sgwte49rgmvn0"},
	{128, "4aa5005bb6116cc7227dd8338ee94e22", "g00mn980bev12v6749yxgcwex5724nng"},
	{10001, "6fca2580db3691ec47a2fd58b30e4e23", "j576zjh5g3dkd4fc8yhftp5k1s727ess"},
	{16383, "94ef4aa5005bb6116cc7227dd8334e24", "zxzs9vtamm05qdghdk3j4zer6d728rbg"},
	{16384, "b9146fca2580db3691ec47a2fd584e25", "g2003e8mdz52b06v6t8yrhx2znc4w9fbvr"},
	{2097151, "de3994ef4aa5005bb6116cc7227d4e26", "zzzqzqhsjkqmn980bev12v6749ymw9ket4"},
	{2097152, "035eb9146fca2580db3691ec47a24e27", "g2080083btwh8vya4p0dpdmhxh3t4kh7f590"},
	{268435455, "2883de3994ef4aa5005bb6116cc74e28", "zzzzyzs8gff3k57f9ajg0pxp25pcekh8fcrg"},
	{268435456, "4da8035eb9146fca2580db3691ec4e29", "g20810019pm06qns2hqwm9c0vcv93v2e543mc"},
	{4294967295, "72cd2883de3994ef4aa5005bb6114e2a", "zzzzzzrfeb6jh0yy76aeyjn501dvc4ae58c20"},
}

func TestIDsAreConvexs(t *testing.T) {
	for i, c := range knownIDs {
		var random [14]byte
		raw, _ := hex.DecodeString(c.internal)
		copy(random[:], raw)
		id := NewID(c.table, random, uint16(20000+i))
		if got := id.String(); got != c.text {
			t.Errorf("id of table %d is %s, want %s", c.table, got, c.text)
		}
		if got, err := ParseID(c.text); err != nil || got != id {
			t.Errorf("ParseID(%s) = %v, %v; want %v", c.text, got, err, id)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	good := knownIDs[3].text
	overlong := []byte{0x81, 0x00} // 1 in two bytes
	for what, text := range map[string]string{
		"empty":                   "",
		"upper case":              strings.ToUpper(good),
		"a letter of no alphabet": "u" + good[1:],
		"wrong checksum":          good[:31] + "t",
		"a character off":         "k" + good[1:],
		"too long":                good + "000000",
		"another length":          good + "0",
		"table zero":              encodeRaw([]byte{0}),
		"overlong number":         encodeRaw(overlong),
		"table too large":         encodeRaw([]byte{0xff, 0xff, 0xff, 0xff, 0x1f}),
		"spare bits":              knownIDs[0].text[:30] + "1",
	} {
		if id, err := ParseID(text); err == nil {
			t.Errorf("%s: ParseID(%s) = %v, want an error", what, text, id)
		}
	}
}

// encodeRaw encodes an id whose table number is written as the bytes given.
func encodeRaw(table []byte) string {
	raw := append(append([]byte{}, table...), make([]byte, 16)...)
	sum := fletcher16(raw)
	raw = append(raw, byte(sum), byte(sum>>8))
	var text []byte
	for bit := 0; bit < len(raw)*8; bit += 5 {
		text = append(text, crockford[bitsAt(raw, bit)])
	}
	return string(text)
}

func TestDisplayIsRusts(t *testing.T) {
	for want, v := range map[string]Value{
		`null`: nil, `true`: true, `1`: int64(1), `1.0`: 1.0, `-0.0`: math.Copysign(0, -1), `NaN`: math.NaN(), `-inf`: math.Inf(-1),
		`1e16`: 1e16, `9999999999999998.0`: 9999999999999998.0, `0.0001`: 1e-4, `1e-5`: 1e-5, `1.5e300`: 1.5e300,
		`"it's \"q\" \\ \n\t\r\0 é 日 \u{200b}\u{301}\u{7f}"`: "it's \"q\" \\ \n\t\r\x00 é 日 \u200b\u0301\x7f",
		`b"AP8="`:                Bytes{0, 0xff},
		`{a: [1.0, 2], b c: {}}`: Object{{"a", Array{1.0, int64(2)}}, {"b c", Object{}}},
		`undefined`:              Undefined{},
		`[]`:                     Array{},
	} {
		if got := Display(v); got != want {
			t.Errorf("Display is %s, want %s", got, want)
		}
	}
}

func TestBrief(t *testing.T) {
	huge := make(Array, 8000)
	for i := range huge {
		huge[i] = strings.Repeat("é", 100)
	}
	for _, c := range []struct {
		v    Value
		most int
		want string
	}{
		{Object{{"a", "é"}}, 8, `{a: "é"}`},
		{Object{{"a", "é"}}, 7, `{a: "é…`},
		{"日本語", 3, `"日…`},
		{strings.Repeat("x", 1<<20), 4, `"xx…`},
		{Bytes(make([]byte, 1<<20)), 5, `b"AA…`},
		{huge, 6, `["éé` + "é…"},
		{huge, 0, "…"},
	} {
		if got := Brief(c.v, c.most); got != c.want {
			t.Errorf("Brief to %d is %s, want %s", c.most, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { Brief(huge, 40) }); n > 20 {
		t.Errorf("a short text of a long value takes %v allocations", n)
	}
}

func TestCheckLimits(t *testing.T) {
	nest := func(levels int) Object {
		v := Value(1.0)
		for range levels {
			v = Object{{"a", v}}
		}
		return v.(Object)
	}
	wide := make(Object, 1025)
	for i := range wide {
		wide[i] = Field{Name: "f" + string(rune('a'+i/26/26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26)), Value: nil}
	}
	for _, c := range []struct {
		doc           Object
		code, message string
	}{
		{Object{{"_creationTime", 1.0}, {"_id", "x"}, {"a", 1.0}}, "", ""},
		{nest(16), "", ""},
		{nest(17), "InvalidDocumentError", "Document is too nested (nested 17 levels deep > maximum nesting 16)"},
		{nest(65), "TooNestedError", "Value is too nested (nested 65 levels deep > maximum nesting 64)"},
		{Object{{"_x", 1.0}}, "InvalidDocumentError", "Field '_x' starts with an underscore, which is only allowed for system fields like '_id'"},
		{Object{{"a", make(Array, 8192)}}, "", ""},
		{Object{{"a", make(Array, 8193)}}, "ArrayTooLong", "Array length is too long (8193 > maximum length 8192)"},
		{wide, "TooManyFieldsError", "Object has too many fields (1025 > maximum number 1024)"},
		{Object{{"$a", 1.0}}, "InvalidFieldName", "Field name $a starts with '$', which is reserved."},
		{Object{{"a", strings.Repeat("x", 1<<20-6)}}, "", ""},
		{Object{{"a", strings.Repeat("x", 1<<20-5)}}, "ValueTooLargeError", "Value is too large (1.00 MiB > maximum size 1 MiB)"},
		{Object{{"a", strings.Repeat("x", 5<<18)}}, "ValueTooLargeError", "Value is too large (1.25 MiB > maximum size 1 MiB)"},
		{Object{{"a", strings.Repeat("x", 1<<25)}}, "ValueTooLargeError", "Value is too large (32.00 MiB > maximum size 32 MiB)"},
	} {
		err := CheckLimits(c.doc)
		if c.message == "" {
			if err != nil {
				t.Errorf("CheckLimits: %v, want nothing", err)
			}
			continue
		}
		if limit, ok := err.(*LimitError); !ok || limit.Code != c.code || limit.Message != c.message {
			t.Errorf("CheckLimits: %v, want %s: %s", err, c.code, c.message)
		}
	}
	if err := CheckValue(nest(64)); err != nil {
		t.Errorf("CheckValue: %v", err)
	}
}

func TestObjectsAndLookup(t *testing.T) {
	o := NewObject(Field{"b", 1.0}, Field{"a", Object{{"c", "x"}}}, Field{"b", 2.0})
	if got := Display(o); got != `{a: {c: "x"}, b: 2.0}` {
		t.Errorf("NewObject gives %s", got)
	}
	for path, want := range map[string]Value{"a.c": "x", "b": 2.0, "a.d": Undefined{}, "b.c": Undefined{}, "": o} {
		if got := Lookup(o, path); !Equal(got, want) {
			t.Errorf("Lookup(%q) = %s, want %s", path, Display(got), Display(want))
		}
	}
	if got := Display(o.With("aa", nil).With("b", Undefined{}).Without("zz")); got != `{a: {c: "x"}, aa: null}` {
		t.Errorf("With and Without give %s", got)
	}
}

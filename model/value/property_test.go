package value

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func genValue(depth int) *rapid.Generator[Value] {
	scalars := []*rapid.Generator[Value]{
		rapid.Just[Value](nil),
		rapid.Map(rapid.Bool(), func(b bool) Value { return b }),
		rapid.Map(rapid.Int64(), func(i int64) Value { return i }),
		rapid.Map(rapid.Float64(), func(f float64) Value { return f }),
		rapid.SampledFrom([]Value{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0.0, int64(0), 1e15, 1e16, 1e21, 9007199254740992.0, ""}),
		rapid.Map(rapid.String(), func(s string) Value { return s }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 12), func(b []byte) Value { return Bytes(b) }),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	inner := genValue(depth - 1)
	return rapid.OneOf(append(scalars,
		rapid.Map(rapid.SliceOfN(inner, 0, 4), func(a []Value) Value { return Array(a) }),
		rapid.Custom(func(t *rapid.T) Value {
			var fields []Field
			for _, name := range rapid.SliceOfN(rapid.StringMatching(`|[a-c]{1,3}|[ !-#%-~][ -~]{0,5}`), 0, 4).Draw(t, "names") {
				fields = append(fields, Field{name, inner.Draw(t, "field")})
			}
			return NewObject(fields...)
		}))...)
}

func TestRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValue(3).Draw(t, "v")
		text := Append(nil, v)
		if !json.Valid(text) {
			t.Fatalf("Append gives no JSON: %s", text)
		}
		back, err := Decode(text)
		if err != nil || !Equal(back, v) || Display(back) != Display(v) {
			t.Fatalf("Decode(%s) = %s, %v; want %s", text, Display(back), err, Display(v))
		}
		export := AppendExport(nil, v)
		if back, err = DecodeExport(export); err != nil || !Equal(back, v) {
			t.Fatalf("DecodeExport(%s) = %s, %v; want %s", export, Display(back), err, Display(v))
		}
		if clean := AppendClean(nil, v); !json.Valid(clean) {
			t.Fatalf("AppendClean gives no JSON: %s", clean)
		}
	})
}

// again is another copy of v.
func again(t *rapid.T, v Value) Value {
	back, err := Decode(Append(nil, v))
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func sign(n int) int { return min(max(n, -1), 1) }

func TestOrderIsTotalAndKeysKeepIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := genValue(2)
		a, b, c := g.Draw(t, "a"), g.Draw(t, "b"), g.Draw(t, "c")
		if rapid.Bool().Draw(t, "same") {
			b = again(t, a)
		}
		ab := Compare(a, b)
		if ab != -Compare(b, a) || Equal(a, b) != (ab == 0) {
			t.Fatalf("Compare(%s, %s) is not antisymmetric", Display(a), Display(b))
		}
		if ab <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
			t.Fatalf("Compare is not transitive on %s, %s, %s", Display(a), Display(b), Display(c))
		}
		ka, kb := AppendKey(nil, a), AppendKey(nil, b)
		if sign(bytes.Compare(ka, kb)) != ab {
			t.Fatalf("keys of %s and %s compare %d, the values %d", Display(a), Display(b), bytes.Compare(ka, kb), ab)
		}
		if ab != 0 && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
			t.Fatalf("one key of %s and %s is a prefix of the other", Display(a), Display(b))
		}
	})
}

func TestIDsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var id ID
		id.Table = rapid.Uint32Min(1).Draw(t, "table")
		copy(id.Internal[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "internal"))
		text := id.String()
		if back, err := ParseID(text); err != nil || back != id {
			t.Fatalf("ParseID(%s) = %v, %v; want %v", text, back, err, id)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		other := text[:at] + rapid.StringMatching(`[0-9a-zA-Z]`).Draw(t, "c") + text[at+1:]
		if back, err := ParseID(other); err == nil && back.String() != other {
			t.Fatalf("ParseID(%s) accepts text that is not canonical", other)
		}
	})
}

// FuzzDecode holds the hand-written scanner against encoding/json: it accepts
// nothing that is not JSON, and what both read plainly is the same.
func FuzzDecode(f *testing.F) {
	for _, c := range inOrder {
		f.Add([]byte(c.json))
	}
	f.Add([]byte(`{"a":[1,{"b":"\ud83d"}],"a":{"$undefined":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Decode(text)
		if err == nil {
			if !json.Valid(text) {
				t.Fatalf("Decode(%q) accepts what is not JSON", text)
			}
			back, err := Decode(Append(nil, v))
			if err != nil || !Equal(back, v) {
				t.Fatalf("Decode(%q) = %s does not round-trip: %v", text, Display(v), err)
			}
			if want, plain := viaJSON(text); plain && !reflect.DeepEqual(want, v) {
				t.Fatalf("Decode(%q) = %s, encoding/json reads %v", text, Display(v), want)
			}
			_, _ = CheckValue(v), Size(v)
		} else if _, plain := viaJSON(text); plain {
			t.Fatalf("Decode(%q): %v, but it is plain JSON", text, err)
		}
		_, _ = DecodePatch(text)
	})
}

// viaJSON reads text with encoding/json; plain is false where Convex's rules
// go beyond JSON's.
func viaJSON(text []byte) (v Value, plain bool) {
	var from any
	if !utf8.Valid(text) || json.Unmarshal(text, &from) != nil {
		return nil, false
	}
	return convert(from, 0)
}

func convert(from any, depth int) (Value, bool) {
	if depth > 60 {
		return nil, false
	}
	switch from := from.(type) {
	case []any:
		out := make(Array, len(from))
		for i, e := range from {
			v, ok := convert(e, depth+1)
			if !ok {
				return nil, false
			}
			out[i] = v
		}
		return out, true
	case map[string]any:
		fields := []Field{}
		for name, e := range from {
			v, ok := convert(e, depth+1)
			if !ok || badName(name) != "" {
				return nil, false
			}
			fields = append(fields, Field{name, v})
		}
		return NewObject(fields...), true
	}
	return from, true
}

func FuzzDecodeExport(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":1.0,"c":-0.0,"d":{"$float":"AAAAAAAA+H8="},"e":99999999999999999999}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := DecodeExport(text)
		if err != nil {
			return
		}
		back, err := DecodeExport(AppendExport(nil, v))
		if err != nil || !Equal(back, v) {
			t.Fatalf("DecodeExport(%q) = %s does not round-trip: %s, %v", text, Display(v), Display(back), err)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, c := range knownIDs {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := ParseID(text); err == nil && id.String() != text {
			t.Fatalf("ParseID(%q) accepts text that is not canonical: %s", text, id)
		}
	})
}

const benchmarkDocument = `{"_creationTime":1732273200000.123,"_id":"j576zjh5g3dkd4fc8yhftp5k1s727ess","active":true,"age":42,"email":"ada.okafor@example.com","name":"Ada Okafor","notes":"The first draft is ready for comments. Please check the numbers on page two.","preferences":{"language":"en","theme":"dark"},"tags":["design","backend"]}`

func BenchmarkDecode(b *testing.B) {
	text := []byte(benchmarkDocument)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeWithEncodingJSON(b *testing.B) {
	text := []byte(benchmarkDocument)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var v any
		if err := json.Unmarshal(text, &v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	v := mustDecode(b, benchmarkDocument)
	b.SetBytes(int64(len(benchmarkDocument)))
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = Append(buf[:0], v)
	}
}

func BenchmarkAppendKey(b *testing.B) {
	v := mustDecode(b, benchmarkDocument)
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = AppendKey(buf[:0], v)
	}
}

package snapshot

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"strait/model/value"
)

// An export of before: the shape says what a string is, and overrides say it
// for one document where the shape leaves it open.
func TestLegacyExport(t *testing.T) {
	id := func(n byte) string { return value.ID{Table: 10001, Internal: [16]byte{n}}.String() }
	nan := base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN())))
	a, err := Open(archive(t, map[string]string{
		"t/generated_schema.jsonl": `"{\"_creationTime\": normalfloat64, \"_id\": id<10001>, \"big\": int64, \"blob\": bytes, \"far\": inf | -inf, \"open\"?: int64 | string, \"list\"?: array<int64 | null>, \"many\": record<string, {\"n\": int64} | {\"m\": string}>, \"any\"?: unknown, \"f\"?: float64}"` + "\n" +
			`{"` + id(1) + `":{"open":"int64","any":["infer","bytes",{"x":"float64inf"}],"f":{"$float64NaN":"` + nan + `"}}}` + "\n",
		"t/documents.jsonl": `{"_id":"` + id(1) + `","_creationTime":1.5,"big":"-9223372036854775808","blob":"AQI=","far":"-Infinity","open":"5","list":["1",null],"many":{"k":{"n":"7"},"l":{"m":"7"}},"any":["5","AQI=",{"x":"Infinity"}],"f":"NaN"}` + "\n" +
			`{"_id":"` + id(2) + `","_creationTime":2,"big":"1","blob":"","far":"Infinity","open":"5","any":"AQI=","f":3,"many":{}}` + "\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := []value.Object{
		value.NewObject(
			value.Field{Name: "_id", Value: id(1)}, value.Field{Name: "_creationTime", Value: 1.5}, value.Field{Name: "big", Value: int64(math.MinInt64)},
			value.Field{Name: "blob", Value: value.Bytes{1, 2}}, value.Field{Name: "far", Value: math.Inf(-1)}, value.Field{Name: "open", Value: int64(5)},
			value.Field{Name: "list", Value: value.Array{int64(1), nil}},
			value.Field{Name: "many", Value: value.NewObject(
				value.Field{Name: "k", Value: value.NewObject(value.Field{Name: "n", Value: int64(7)})},
				value.Field{Name: "l", Value: value.NewObject(value.Field{Name: "m", Value: "7"})})},
			value.Field{Name: "any", Value: value.Array{"5", value.Bytes{1, 2}, value.NewObject(value.Field{Name: "x", Value: math.Inf(1)})}},
			value.Field{Name: "f", Value: math.NaN()}),
		value.NewObject(
			value.Field{Name: "_id", Value: id(2)}, value.Field{Name: "_creationTime", Value: 2.0}, value.Field{Name: "big", Value: int64(1)},
			value.Field{Name: "blob", Value: value.Bytes{}}, value.Field{Name: "far", Value: math.Inf(1)}, value.Field{Name: "open", Value: "5"},
			value.Field{Name: "any", Value: "AQI="}, value.Field{Name: "f", Value: 3.0}, value.Field{Name: "many", Value: value.Object{}}),
	}
	i := 0
	for doc, err := range a.Documents(a.Tables()[0]) {
		if err != nil {
			t.Fatal(err)
		}
		if got, want := value.Display(doc), value.Display(want[i]); got != want {
			t.Errorf("document %d is\n%s, want\n%s", i, got, want)
		}
		i++
	}
	if i != 2 {
		t.Errorf("%d documents", i)
	}
}

// What does not fit its shape or its override is told by line, without the
// document.
func TestBadLegacyExport(t *testing.T) {
	for _, c := range []struct{ shape, override, doc, want string }{
		{"int64", "", `"topsecret"`, "t/documents.jsonl:1: a string stands where its shape says int64"},
		{"inf", "", `"topsecret"`, "says float64inf"},
		{"bytes", "", `"?topsecret"`, "says bytes"},
		{"unknown", `{"id":{"v":["int64"]}}`, `"topsecret"`, "generated_schema.jsonl does not fit"},
		{"unknown", `{"id":{"v":["int64"]}}`, `["topsecret","x"]`, "does not fit"},
		{"unknown", `{"id":{"v":"bytes"}}`, `{"topsecret":1}`, "does not fit"},
		{"unknown", `{"id":{"v":{"$float64NaN":"AAA="}}}`, `"NaN"`, "does not fit"},
		{"unknown", `{"id":{"v":{"$float64NaN":"AAAAAAAAAAA="}}}`, `"NaN"`, "does not fit"},
		{"unknown", `{"id":1,"id2":2}`, `1`, "t/generated_schema.jsonl:2: want one override"},
		{"unknown", `5`, `1`, "want one override"},
	} {
		a, err := Open(archive(t, map[string]string{
			"t/generated_schema.jsonl": `"{\"_id\": string, \"v\": ` + c.shape + `}"` + "\n" + c.override,
			"t/documents.jsonl":        `{"_id":"id","v":` + c.doc + "}\n",
		}))
		if err != nil {
			t.Fatal(err)
		}
		var last error
		for _, last = range a.Documents(a.Tables()[0]) {
		}
		if last == nil || !strings.Contains(last.Error(), c.want) || strings.Contains(last.Error(), "topsecret") {
			t.Errorf("%s of %s: %v, want %q", c.doc, c.shape, last, c.want)
		}
		a.Close()
	}
}

func FuzzShape(f *testing.F) {
	f.Add(`{"a": int64 | {"b"?: array<"x" | null>}, "c": record<field_name, inf>}`, `{"a":"5","c":{"x":"Infinity"}}`, `{"a":"int64"}`)
	f.Add(`unknown`, `{"_id":"x","a":[{"b":"NaN"}]}`, `{"a":[{"b":{"$float64NaN":"AAAAAAAA+H8="}}]}`)
	f.Add(`set<map<id<5>, -0>>`, `{}`, `"infer"`)
	f.Fuzz(func(t *testing.T, text, doc, override string) {
		s, err := parseShape(text)
		if err != nil {
			return
		}
		v, err := decodeLegacy([]byte(doc), s, map[string]json.RawMessage{"x": json.RawMessage(override)})
		if err == nil && value.CheckValue(v) == nil {
			value.AppendExport(nil, v) // every value that comes out can be written
		}
	})
}

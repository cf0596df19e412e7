package snapshot

import (
	"io"
	"iter"
	"strings"
	"testing"

	"strait/model/value"
)

var readers = map[string]func(io.Reader) iter.Seq2[value.Object, error]{"csv": CSV, "jsonLines": JSONLines, "jsonArray": JSONArray}

func TestRows(t *testing.T) {
	for _, c := range []struct{ format, text, want string }{
		{"jsonLines", "{\"a\":1,\"b\":\"5\"}\r\n{\"a\":[-0.5,null,{\"x\":1e3}]}", `{"a":1,"b":"5"}|{"a":[-0.5,null,{"x":1000}]}`},
		{"jsonLines", "", ""},
		{"jsonLines", "{}\n\n{}\n", "{}|Row 2 wasn't valid JSON: decode value: unexpected end of JSON (at byte 0)"},
		{"jsonLines", "{}\n[1]\n", "{}|Row 2 wasn't an object"},
		{"jsonLines", `{"a":{"$integer":"AQAAAAAAAAA="}}`, "Row 1 wasn't a valid Convex value: Field name $integer starts with '$', which is reserved."},
		{"jsonLines", `{"$a":1}`, "Row 1 wasn't a valid Convex value: decode value: Field name $a starts with '$', which is reserved. (at byte 6)"},
		{"jsonLines", "\xef\xbb\xbf{}", "The file begins with a byte order mark, which is not supported: save it as UTF-8 without one"},
		{"jsonLines", "{}\n" + strings.Repeat(" ", maxLine+1), "{}|Row 2 cannot be read: it is longer than 16 MiB, no document is"},
		{"jsonArray", ` [{"a":1}, {}] `, `{"a":1}|{}`},
		{"jsonArray", `[{"a":1},5]`, `{"a":1}|Row 2 wasn't an object`},
		{"jsonArray", `[{"a":{"$bytes":""}}]`, `Row 1 wasn't a valid Convex value: Field name $bytes starts with '$', which is reserved.`},
		{"jsonArray", `{"a":1}`, `Not a JSON array`},
		{"jsonArray", `[{]`, `Not valid JSON: decode value at [0]: expected a field name (at byte 2)`},
		{"jsonArray", strings.Repeat(" ", maxJSONArray+1), "Import is too large for JSON (16777217 bytes > maximum 16 MiB). Consider converting data to JSONLines"},
		{"csv", "name, age ,x\n\"a,\"\"b\"\"\nc\",1.5,\n\n5,+1e2,0x10\n", `{"age":1.5,"name":"a,\"b\"\nc","x":""}|{"age":100,"name":5,"x":"0x10"}`},
		{"csv", "a\nNaN\n-inf\n1e999\n1_0\n.5\n", `{"a":null}|{"a":null}|{"a":null}|{"a":"1_0"}|{"a":0.5}`},
		{"csv", "", ""},
		{"csv", "a,b\n1\n", "CSV row 1 doesn't have all of the fields in the header"},
		{"csv", "a,$b\n1,2\n", "CSV header \"$b\" isn't a valid field name: Field name $b starts with '$', which is reserved."},
		{"csv", "a\n\xff\n", "Failed to parse CSV row 1: invalid UTF-8"},
		{"csv", "\xef\xbb\xbfa\n1\n", "The file begins with a byte order mark, which is not supported: save it as UTF-8 without one"},
	} {
		var got []string
		for doc, err := range readers[c.format](strings.NewReader(c.text)) {
			if err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, string(value.Append(nil, doc)))
			}
		}
		if text := strings.Join(got, "|"); text != c.want {
			t.Errorf("%s %.50q:\n%s\nwant\n%s", c.format, c.text, text, c.want)
		}
	}
}

func FuzzRows(f *testing.F) {
	f.Add("a,b\n1,\"x\ny\"\n")
	f.Add("{\"a\":1}\n{}\n")
	f.Add(`[{"a":[1,2]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		for name, r := range readers {
			failed := false
			for doc, err := range r(strings.NewReader(text)) {
				if failed || (doc == nil) != (err != nil) {
					t.Fatalf("%s: %v, %v after %v", name, doc, err, failed)
				}
				if failed = err != nil; !failed {
					if back, err := value.Decode(value.Append(nil, doc)); err != nil || !value.Equal(back, doc) {
						t.Fatalf("%s: %v", name, err)
					}
				}
			}
		}
	})
}

// endless is a text without an end.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

// A quote that nobody closes does not take the rest of the file into memory.
func TestACSVRowHasABound(t *testing.T) {
	for name, text := range map[string]string{"a row": "a,b\n1,\"", "the header": "\"", "one far down": "a\n" + strings.Repeat(strings.Repeat("x", 1<<20)+"\n", 20) + "\""} {
		var failed error
		for _, err := range CSV(io.MultiReader(strings.NewReader(text), endless('x'))) {
			failed = err
		}
		if failed == nil || !strings.Contains(failed.Error(), "quote") || name == "a row" && !strings.Contains(failed.Error(), "row 1:") {
			t.Errorf("%s: %v", name, failed)
		}
	}
}

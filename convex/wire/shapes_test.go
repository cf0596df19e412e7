package wire

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"strait/model/schema"
	"strait/model/value"
)

const recordedShapes = `{
	"empty": {"type":"Never"},
	"unread": {"type":"Unknown"},
	"notes": {"type":"Object","fields":[
		{"fieldName":"_id","optional":false,"shape":{"type":"Id","tableName":"notes"}},
		{"fieldName":"_creationTime","optional":false,"shape":{"type":"Float64","float64Range":{"hasSpecialValues":false}}},
		{"fieldName":"author","optional":true,"shape":{"type":"Union","shapes":[{"type":"Id","tableName":"users"},{"type":"Null"}]}},
		{"fieldName":"tags","optional":false,"shape":{"type":"Array","shape":{"type":"String"}}},
		{"fieldName":"none","optional":false,"shape":{"type":"Array","shape":{"type":"Never"}}},
		{"fieldName":"score","optional":false,"shape":{"type":"Float64","float64Range":{"hasSpecialValues":true}}},
		{"fieldName":"more","optional":false,"shape":{"type":"Object","fields":[{"fieldName":"_n","optional":false,"shape":{"type":"Int64"}}]}},
		{"fieldName":"by","optional":false,"shape":{"type":"Record","keyShape":{"type":"Id","tableName":"users"},"valueShape":{"optional":true,"shape":{"type":"Boolean"}}}},
		{"fieldName":"new","optional":true,"shape":{"type":"Decimal"}}
	]}
}`

func TestShapes(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/shapes2" || r.URL.Query().Get("component") != "a&b" {
			t.Error(r.URL)
		}
		io.WriteString(w, recordedShapes)
	})
	shapes, err := c.Shapes(t.Context(), "a&b")
	if err != nil {
		t.Fatal(err)
	}
	for table, want := range map[string]string{
		"empty":  "v.union()",
		"unread": "v.any()",
		"notes": `v.object({author: v.optional(v.union(v.id("users"), v.null())), by: v.record(v.id("users"), v.boolean()), ` +
			`more: v.object({_n: v.int64()}), new: v.optional(v.any()), none: v.array(v.union()), score: v.float64(), tags: v.array(v.string())})`,
	} {
		if got := shapes[table].Validator().String(); got != want {
			t.Errorf("%s: %s, want %s", table, got, want)
		}
	}
	if !shapes["notes"].Fields[5].Shape.Float.Special {
		t.Error("special values of floats are lost")
	}
}

func TestNoShapes(t *testing.T) {
	for _, answer := range []string{"", "null", "[]", `{"a":5}`, `{"a":{"type":"Union","shapes":{}}}`} {
		c := serve(t, answerWith(200, "application/json", answer))
		if shapes, err := c.Shapes(t.Context(), ""); err == nil {
			t.Errorf("%s: %v", answer, shapes)
		}
	}
}

// A shape nested beyond all values is any, not a crash.
func TestDeepShape(t *testing.T) {
	text := strings.Repeat(`{"type":"Array","shape":`, 4000) + `{"type":"Never"}` + strings.Repeat("}", 4000)
	var s Shape
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	v := s.Validator()
	for range maxShapeDepth + 1 {
		v = v.Element
	}
	if v.Kind != schema.Any {
		t.Errorf("%s at the bottom", v.Kind)
	}
}

func FuzzShapes(f *testing.F) {
	f.Add([]byte(recordedShapes))
	f.Add([]byte(`{"a":null,"b":{"type":"Array"},"c":{"type":"Record"},"d":{"type":"Union"},"e":{"type":"Id"},"f":{"type":"Object","fields":[{}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var shapes map[string]Shape
		if json.Unmarshal(text, &shapes) != nil {
			return
		}
		for _, s := range shapes {
			v := s.Validator()
			v.Fits(value.NewObject(value.Field{Name: "a", Value: "b"}), nil)
			if _, err := schema.ParseValidator(v.JSON()); err != nil {
				t.Fatalf("%s: %v", v.JSON(), err)
			}
		}
	})
}

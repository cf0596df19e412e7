package census

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// scalars are the texts of a value's scalars as something may print them: of
// strings the text itself. Keys are counted in where they are a record's.
func scalars(out []string, v *schema.Validator, x value.Value) []string {
	switch x := x.(type) {
	case value.Array:
		for _, e := range x {
			out = scalars(out, nil, e)
		}
	case value.Object:
		for _, f := range x {
			if f.Name == "_id" || f.Name == "_creationTime" {
				continue
			}
			if v != nil && v.Kind == schema.Record {
				out = append(out, f.Name)
			}
			var inside *schema.Validator
			if v != nil {
				if field := v.Field(f.Name); field != nil {
					inside = field.Type
				}
			}
			out = scalars(out, inside, f.Value)
		}
	case string:
		out = append(out, x)
	case nil, bool:
	default:
		out = append(out, value.Display(x), string(value.Append(nil, x)))
	}
	return out
}

var anyMask = regexp.MustCompile(`<(string|bytes|key \d+), \d+>|<id, table \d+>|<[a-z]+>`)

// Nothing of a document's content is left in a masked sample but its _id.
func TestNothingIsLeftOfAMaskedSample(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		docs := drawShop(rt)
		got, err := Snapshot(t.Context(), shopOf(t, "", docs), Options{Target: shop})
		if err != nil {
			rt.Fatal(err)
		}
		before := fmt.Sprint(got.Groups)
		masked := Masked(got, shop)
		if fmt.Sprint(got.Groups) != before {
			rt.Fatal("the census itself was changed")
		}
		for i, g := range masked.Groups {
			for j, s := range g.Samples {
				plain := got.Groups[i].Samples[j].Document
				text := strings.Join([]string{s.Place, s.Message, s.Expected, s.Got, value.Display(s.Document.Without("_id").Without("_creationTime"))}, "\x00")
				text = anyMask.ReplaceAllString(text, "")
				known := string(shop.JSON()) + s.Expected + g.Path + strings.Join(valueless, "") + " does not match literal validator It does not fit Path: Found ID from table, which does not match the table name in validator Object: Value: Validator: that is not in the validator. Consider wrapping the field validator in `v.optional(...)` if this is expected." + fmt.Sprint(kinds)
				for _, secret := range scalars(nil, shop.Table(g.Table).Document, plain) {
					if len(secret) > 2 && strings.Contains(text, secret) && !strings.Contains(known, secret) && !named(plain, secret) {
						rt.Fatalf("%s %s: %q is left in %q", g.Path, g.Reason, secret, text)
					}
				}
				if !s.Masked || s.ID != got.Groups[i].Samples[j].ID {
					rt.Fatalf("%+v", s)
				}
				if kind, want := shape(s.Document), shape(plain); kind != want {
					rt.Fatalf("shape %s, want %s", kind, want)
				}
			}
		}
	})
}

// named reports whether a text is part of a field's name.
func named(v value.Value, text string) bool {
	switch v := v.(type) {
	case value.Array:
		for _, e := range v {
			if named(e, text) {
				return true
			}
		}
	case value.Object:
		for _, f := range v {
			if strings.Contains(f.Name, text) && fieldName(f.Name) || named(f.Value, text) {
				return true
			}
		}
	}
	return false
}

// shape is a value without names and scalars.
func shape(v value.Value) string {
	switch v := v.(type) {
	case value.Array:
		out := "["
		for _, e := range v {
			out += shape(e)
		}
		return out + "]"
	case value.Object:
		n := 0
		for _, f := range v {
			n += len(shape(f.Value))
		}
		return fmt.Sprintf("{%d %d}", len(v), n)
	}
	return "."
}

func TestMask(t *testing.T) {
	doc := value.NewObject(
		value.Field{Name: "_id", Value: idOf(10001, 1)}, value.Field{Name: "name", Value: "Ada Lovelace"}, value.Field{Name: "age", Value: 36.0},
		value.Field{Name: "visits", Value: int64(12)}, value.Field{Name: "on", Value: true}, value.Field{Name: "avatar", Value: idOf(10002, 1)},
		value.Field{Name: "role", Value: nil}, value.Field{Name: "key", Value: value.Bytes("abc")},
		value.Field{Name: "scores", Value: value.NewObject(value.Field{Name: "ada", Value: 1.0}, value.Field{Name: "grace", Value: "x"})},
		value.Field{Name: "tags", Value: value.Array{"one", value.NewObject(value.Field{Name: "ada@example.com", Value: 1.0}, value.Field{Name: "plain", Value: 2.0})}})
	want := `{_id: "` + idOf(10001, 1) + `", age: "<number>", avatar: "<id, table 10002>", key: "<bytes, 3>", name: "<string, 12>", on: "<boolean>", role: null, ` +
		`scores: {<key 1, 3>: "<number>", <key 2, 5>: "<string, 1>"}, tags: ["<string, 3>", {<key 1, 15>: "<number>", plain: "<number>"}], visits: "<bigint>"}`
	if got := value.Display(Mask(shop.Table("users"), doc)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMaskedMessages(t *testing.T) {
	doc := value.NewObject(value.Field{Name: "_id", Value: idOf(10001, 1)}, value.Field{Name: "kind", Value: "open"}, value.Field{Name: "user", Value: idOf(10002, 7)})
	for _, target := range []*schema.Validator{object(req("kind", lit("paid")), req("user", ref("users")))} {
		table := &schema.Table{Name: "orders", Document: target}
		var got []string
		for _, v := range table.CheckDocument(doc, numbered{}) {
			s := MaskSample(table, sampleOf(doc, v))
			got = append(got, s.Message+" | "+s.Got)
		}
		want := []string{"`<string>` does not match literal validator `v.literal(\"paid\")`.Path: .kind | string",
			"Found ID \"<id>\" from table `orders`, which does not match the table name in validator `v.id(\"users\")`.Path: .user | string"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// Every line is one JSON object, whose document reads back as it was.
func TestWriteOffenders(t *testing.T) {
	a := shopOf(t, "", many(300))
	c, err := Snapshot(t.Context(), a, Options{Target: shop})
	if err != nil {
		t.Fatal(err)
	}
	for _, masked := range []bool{false, true} {
		if masked {
			c = Masked(c, shop)
		}
		var out bytes.Buffer
		if err := WriteOffenders(&out, c); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 3 {
			t.Fatalf("%d lines", len(lines))
		}
		for i, line := range lines {
			var o Offender
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			sample := c.Groups[0].Samples[i]
			doc, err := value.DecodeExport(o.Document)
			if err != nil || !value.Equal(doc, sample.Document) {
				t.Errorf("document %s: %v", o.Document, err)
			}
			if o.Table != "users" || o.Path != "users.on" || o.Reason != schema.ReasonMissing || o.Count != 3 || o.ID != sample.ID || o.Place != ".on" || o.Masked != masked {
				t.Errorf("%+v", o)
			}
		}
	}
	if err := WriteOffenders(failing{}, &plan.Census{Groups: c.Groups}); err == nil {
		t.Error("a full disk is not told")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("no space left on device") }

// The way to an entry of a record leads to the same entry of the masked
// document, whatever the names do to the order of the fields.
func TestAMaskedWayLeadsToTheSamePlace(t *testing.T) {
	table := &schema.Table{Name: "users", Document: object(req("scores", &schema.Validator{Kind: schema.Record, Key: &schema.Validator{Kind: schema.String}, Element: &schema.Validator{Kind: schema.Number}}))}
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringN(1, 8, -1), 1, 15, rapid.ID[string]).Draw(rt, "names")
		bad := rapid.SampledFrom(names).Draw(rt, "bad")
		var fields []value.Field
		for i, name := range names {
			x := value.Value(float64(i))
			if name == bad {
				x = value.Array{"wrong"} // stays an array when it is masked
			}
			fields = append(fields, value.Field{Name: name, Value: x})
		}
		doc := value.NewObject(value.Field{Name: "scores", Value: value.NewObject(fields...)})
		found := table.CheckDocument(doc, nil)
		if len(found) != 1 {
			rt.Fatalf("%d violations", len(found))
		}
		s := sampleOf(doc, found[0])
		if len(s.Way) != 2 || s.Way[1] != bad {
			rt.Fatalf("the way is %q, want it to end at %q", s.Way, bad)
		}
		s = MaskSample(table, s)
		scores, _ := s.Document.Get("scores")
		at, ok := scores.(value.Object).Get(s.Way[1])
		if _, isBad := at.(value.Array); !ok || !isBad || !strings.HasPrefix(s.Way[1], "<key ") {
			rt.Fatalf("the masked way %q leads to %v of %v", s.Way, at, scores)
		}
	})
}

// What the closest member of a union refuses is told without what is there.
func TestTheClosestMemberIsMasked(t *testing.T) {
	table := &schema.Table{Name: "orders", Document: object(req("state", &schema.Validator{Kind: schema.Union, Members: []*schema.Validator{
		{Kind: schema.Null}, object(req("code", lit("open"))), {Kind: schema.Array, Element: &schema.Validator{Kind: schema.Number}}}}))}
	doc := value.NewObject(value.Field{Name: "state", Value: value.NewObject(value.Field{Name: "code", Value: "secret"})})
	s := sampleOf(doc, table.CheckDocument(doc, nil)[0])
	if n := s.Closest; n == nil || fmt.Sprint(n.Way) != "[code]" || n.Expected != `v.literal("open")` || !strings.Contains(n.Got, "secret") {
		t.Fatalf("%+v", n)
	}
	if n := MaskSample(table, s).Closest; fmt.Sprint(n.Way) != "[code]" || n.Got != "string" {
		t.Fatalf("%+v", n)
	}
}

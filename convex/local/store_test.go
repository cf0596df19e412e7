package local

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sort"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/value"
)

func TestIntervals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(0, 4, 4)
		iv := func(name string) interval {
			return interval{key.Draw(t, name+" lo"), key.Draw(t, name+" hi")}
		}
		a, b, k := iv("a"), iv("b"), key.Draw(t, "k")
		if got, want := a.intersect(b).contains(k), a.contains(k) && b.contains(k); got != want && k != "" {
			t.Fatalf("%q in %q and %q: %v, their intersection %q says %v", k, a, b, want, a.intersect(b), got)
		}
		if p := key.Draw(t, "prefix"); p != "" && prefixed(p).contains(k) != strings.HasPrefix(k, p) {
			t.Fatalf("%q with prefix %q: %q", k, p, prefixed(p))
		}
	})
}

func TestCreationTimesSortLikeFloats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 1.7e12}))
		a, b := f.Draw(t, "a"), f.Draw(t, "b")
		if a < b && sortable(a) >= sortable(b) {
			t.Fatalf("%v < %v but not their keys", a, b)
		}
		if back := unsortable(sortable(a)); math.Float64bits(back) != math.Float64bits(a) {
			t.Fatalf("%v came back as %v", a, back)
		}
	})
}

func TestIDPositionAgreesWithTextOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := rapid.SampledFrom([]uint32{3, 300, 10001, 1 << 30}).Draw(t, "table")
		id := value.ID{Table: table, Internal: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))}
		text := rapid.OneOf(
			rapid.Just(id.String()),
			rapid.StringOfN(rapid.RuneFrom([]rune("0123456789abcdefghjkmnpqrstvwxyz~ A")), 0, 40, -1),
			rapid.Custom(func(t *rapid.T) string {
				other := value.ID{Table: table, Internal: [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "other"))}
				s := other.String()
				return s[:rapid.IntRange(0, len(s)).Draw(t, "cut")]
			}),
		).Draw(t, "text")
		pos, exact, ok := idPosition(table, text)
		less := id.String() < text
		if !ok {
			if !less {
				t.Fatalf("%s is not less than %q, but no id should be at or beyond it", id, text)
			}
			return
		}
		if got := bytes.Compare(id.Internal[:], pos[:]) < 0; got != less {
			t.Fatalf("%s < %q is %v, by position %v", id, text, less, got)
		}
		if exact != (value.ID{Table: table, Internal: pos}.String() == text) {
			t.Fatalf("exact is %v for %q", exact, text)
		}
	})
}

// naive is a table as one would write it without thinking of speed.
type naive map[string]value.Object

func (n naive) copy() naive {
	c := naive{}
	for k, v := range n {
		c[k] = v
	}
	return c
}

var modelSchema = `{"schemaValidation":true,"tables":[{"tableName":"things","indexes":[
	{"indexDescriptor":"by_a","fields":["a"]},{"indexDescriptor":"by_a_b","fields":["a","n.b"]}],
	"documentType":{"type":"any"}}]}`

// drawValue makes values of all types, few different ones, so that they meet.
func drawValue(t *rapid.T, label string) value.Value {
	return rapid.SampledFrom([]value.Value{
		value.Undefined{}, nil, int64(-1), int64(2), math.NaN(), -1.5, 0.0, 3.0, false, true, "", "a", "ab", "b\x00c", "é",
		value.Bytes{}, value.Bytes{1, 0}, value.Array{}, value.Array{1.0}, value.Array{1.0, "x"},
		value.Object{}, value.NewObject(value.Field{Name: "k", Value: 1.0}),
	}).Draw(t, label)
}

func drawThing(t *rapid.T) value.Object {
	doc := value.Object{}
	if a := drawValue(t, "a"); !isUndefined(a) {
		doc = doc.With("a", a)
	}
	if b := drawValue(t, "b"); !isUndefined(b) {
		doc = doc.With("n", value.NewObject(value.Field{Name: "b", Value: b}))
	}
	return doc
}

func isUndefined(v value.Value) bool { _, ok := v.(value.Undefined); return ok }

// TestStoreAgreesWithTheModel drives transactions, subtransactions, roll-backs
// and queries at random, and compares each with a plain map.
func TestStoreAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Seed: rapid.Uint64Range(1, 1000).Draw(t, "seed")})
		defer d.Close()
		s, err := schema.Parse([]byte(modelSchema))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.PushSchema(context.Background(), s); err != nil {
			t.Fatal(err)
		}
		committed := naive{}
		for range rapid.IntRange(1, 4).Draw(t, "transactions") {
			tx := d.begin(d.latest.Load())
			m := committed.copy()
			m = modelSteps(t, tx, m, 0)
			if rapid.Bool().Draw(t, "commit") {
				if _, err := d.commit(tx, "test"); err != nil {
					t.Fatal(err)
				}
				committed = m
			}
			after := d.begin(d.latest.Load())
			compareModel(t, after, committed)
			checkTrees(t, d.latest.Load().space("").table("things"))
		}
	})
}

func modelSteps(t *rapid.T, tx *transaction, m naive, depth int) naive {
	for range rapid.IntRange(1, 8).Draw(t, "steps") {
		ids := make([]string, 0, len(m))
		for id := range m {
			ids = append(ids, id)
		}
		sort.Strings(ids)
		step := rapid.SampledFrom([]string{"insert", "insert", "patch", "replace", "remove", "query", "sub"}).Draw(t, "step")
		if len(ids) == 0 && (step == "patch" || step == "replace" || step == "remove") {
			step = "insert"
		}
		pick := func() (string, value.ID) {
			text := rapid.SampledFrom(ids).Draw(t, "id")
			id, err := value.ParseID(text)
			if err != nil {
				t.Fatal(err)
			}
			return text, id
		}
		switch step {
		case "insert":
			doc := drawThing(t)
			id, err := tx.insert("", "things", doc)
			if err != nil {
				t.Fatal(err)
			}
			m[id.String()] = stored(t, tx, id)
			if got := withoutSystem(m[id.String()]); !value.Equal(got, doc) {
				t.Fatalf("inserted %s, stored %s", text(doc), text(got))
			}
		case "patch":
			key, id := pick()
			a := drawValue(t, "patched")
			if _, err := tx.replace("", id, value.Object{{Name: "a", Value: a}}, true); err != nil {
				t.Fatal(err)
			}
			m[key] = m[key].With("a", a)
		case "replace":
			key, id := pick()
			doc := drawThing(t)
			if _, err := tx.replace("", id, doc, false); err != nil {
				t.Fatal(err)
			}
			created, _ := m[key].Get("_creationTime")
			m[key] = withSystem(doc, id, created.(float64))
		case "remove":
			key, id := pick()
			if _, err := tx.remove("", id); err != nil {
				t.Fatal(err)
			}
			delete(m, key)
		case "query":
			compareModel(t, tx, m)
		case "sub":
			if depth == 2 {
				continue
			}
			saved := tx.save()
			inner := modelSteps(t, tx, m.copy(), depth+1)
			if rapid.Bool().Draw(t, "keep") {
				tx.keep(saved)
				m = inner
			} else {
				tx.undo(saved)
			}
		}
	}
	return m
}

func stored(t *rapid.T, tx *transaction, id value.ID) value.Object {
	doc, err := decodeDocument(tx.find("", id).get(id.Internal))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// compareModel runs a random query on both.
func compareModel(t *rapid.T, tx *transaction, m naive) {
	index := rapid.SampledFrom([]string{"by_creation_time", "by_id", "by_a", "by_a_b"}).Draw(t, "index")
	fields := map[string][]string{
		"by_creation_time": {"_creationTime", "_id"}, "by_id": {"_id"},
		"by_a": {"a", "_creationTime", "_id"}, "by_a_b": {"a", "n.b", "_creationTime", "_id"},
	}[index]
	var bounds []boundJSON
	var tests []func(value.Object) bool
	equal := rapid.IntRange(0, len(fields)).Draw(t, "equalities")
	for i := range min(equal+1, len(fields)) {
		ops := []string{"Eq"}
		if i == equal {
			ops = rapid.SampledFrom([][]string{{}, {"Gt"}, {"Gte"}, {"Lt"}, {"Lte"}, {"Gt", "Lt"}, {"Gte", "Lte"}}).Draw(t, "ops")
		}
		for _, op := range ops {
			v := drawBound(t, m, fields[i])
			raw := `{"$undefined":null}`
			if !isUndefined(v) {
				raw = text(v)
			}
			bounds = append(bounds, boundJSON{op, fields[i], []byte(raw)})
			tests = append(tests, func(doc value.Object) bool {
				c := value.Compare(value.Lookup(doc, fields[i]), v)
				return map[string]bool{"Eq": c == 0, "Gt": c > 0, "Gte": c >= 0, "Lt": c < 0, "Lte": c <= 0}[op]
			})
		}
	}
	desc := rapid.Bool().Draw(t, "desc")
	iv, err := compileRange("things."+index, tx.space("").table("things").number, fields, bounds)
	if err != nil {
		t.Fatal(err)
	}
	p := &plan{ref: tableRef{"", "things"}, index: index, fields: fields, iv: iv, desc: desc}
	var got []string
	st := tx.stream(p)
	for {
		doc, err := st.next()
		if err != nil {
			t.Fatal(err)
		}
		if doc == nil {
			break
		}
		got = append(got, doc.json)
	}
	want := m.query(fields, tests, desc)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("%s desc=%v %v:\ngot  %v\nwant %v", index, desc, bounds, got, want)
	}
}

func drawBound(t *rapid.T, m naive, path string) value.Value {
	if len(m) > 0 && rapid.Bool().Draw(t, "of a document") {
		ids := make([]string, 0, len(m))
		for id := range m {
			ids = append(ids, id)
		}
		sort.Strings(ids)
		return value.Lookup(m[rapid.SampledFrom(ids).Draw(t, "whose")], path)
	}
	return drawValue(t, "bound")
}

func (n naive) query(fields []string, tests []func(value.Object) bool, desc bool) []string {
	var hits []value.Object
	for _, doc := range n {
		ok := true
		for _, test := range tests {
			ok = ok && test(doc)
		}
		if ok {
			hits = append(hits, doc)
		}
	}
	sort.Slice(hits, func(i, j int) bool {
		for _, f := range fields {
			if c := value.Compare(value.Lookup(hits[i], f), value.Lookup(hits[j], f)); c != 0 {
				return c < 0 != desc
			}
		}
		return false
	})
	var out []string
	for _, h := range hits {
		out = append(out, text(h))
	}
	return out
}

// checkTrees compares the trees of a table with each other.
func checkTrees(t *rapid.T, tb *table) {
	n := tb.byID.Len()
	if tb.byTime.Len() != n {
		t.Fatalf("by_id has %d documents, by_creation_time %d", n, tb.byTime.Len())
	}
	size := int64(0)
	tb.byID.Scan(func(d *document) bool { size += int64(len(d.json)); return true })
	if size != tb.bytes {
		t.Fatalf("the documents have %d bytes, counted are %d", size, tb.bytes)
	}
	for _, ix := range tb.indexes {
		if ix.tree.Len() != n {
			t.Fatalf("index %s has %d entries of %d documents", ix.def.Name, ix.tree.Len(), n)
		}
		ix.tree.Scan(func(e entry) bool {
			if tb.get(e.doc.id) != e.doc {
				t.Fatalf("index %s holds an old version", ix.def.Name)
			}
			return true
		})
	}
}

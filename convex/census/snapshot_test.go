package census

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/convex/internal/archived"
	"strait/convex/snapshot"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

func kind(k schema.Kind) *schema.Validator { return &schema.Validator{Kind: k} }
func ref(table string) *schema.Validator   { return &schema.Validator{Kind: schema.ID, Table: table} }
func lit(v value.Value) *schema.Validator  { return &schema.Validator{Kind: schema.Literal, Literal: v} }
func list(v *schema.Validator) *schema.Validator {
	return &schema.Validator{Kind: schema.Array, Element: v}
}
func record(k, v *schema.Validator) *schema.Validator {
	return &schema.Validator{Kind: schema.Record, Key: k, Element: v}
}
func either(m ...*schema.Validator) *schema.Validator {
	return &schema.Validator{Kind: schema.Union, Members: m}
}
func object(f ...schema.Field) *schema.Validator {
	return &schema.Validator{Kind: schema.Object, Fields: f}
}
func req(name string, v *schema.Validator) schema.Field { return schema.Field{Name: name, Type: v} }
func opt(name string, v *schema.Validator) schema.Field {
	return schema.Field{Name: name, Type: v, Optional: true}
}

// shop is a target of every kind of validator.
var shop = &schema.Schema{Validation: true, Tables: []*schema.Table{
	{Name: "users", Document: object(
		req("name", kind(schema.String)), opt("age", kind(schema.Number)), req("visits", kind(schema.Bigint)),
		req("role", either(lit("admin"), lit("guest"), kind(schema.Null))), opt("avatar", ref("_storage")),
		req("scores", record(kind(schema.String), kind(schema.Number))), req("tags", list(kind(schema.String))),
		opt("key", kind(schema.Bytes)), req("on", kind(schema.Boolean)), opt("any", kind(schema.Any)))},
	{Name: "orders", Document: either(
		object(req("kind", lit("open")), req("user", ref("users"))),
		object(req("kind", lit("paid")), req("user", ref("users")), req("lines", list(object(req("sku", kind(schema.String)), req("n", kind(schema.Number)))))))},
	{Name: "loose"},
	{Name: "absent", Document: object()},
}}

var shopNumbers = map[string]uint32{"users": 10001, "orders": 10002, "loose": 10003}

func idOf(table uint32, n int) string {
	id := value.ID{Table: table}
	binary.BigEndian.PutUint64(id.Internal[:], uint64(n)+1)
	return id.String()
}

// refs gives ids of documents, and some of the wrong table.
type refs struct{ t *rapid.T }

func (r refs) ID(table string) (string, bool) {
	number := shopNumbers[table]
	if table == "_storage" {
		number = 515
	}
	if rapid.IntRange(0, 30).Draw(r.t, "wrong") == 0 {
		number = rapid.SampledFrom([]uint32{10001, 10002, 10009, 515}).Draw(r.t, "number")
	}
	return idOf(number, rapid.IntRange(0, 99).Draw(r.t, "id")), true
}

// odd draws any value.
func odd(depth int) *rapid.Generator[value.Value] {
	kinds := []*rapid.Generator[value.Value]{
		rapid.SampledFrom([]value.Value{nil, true, int64(7), 1.5, math.Copysign(0, -1), 1e300, "", "admin", "ünï\u2028\"\\\n", value.Bytes{1, 2}, idOf(10001, 3), idOf(9, 3)}),
		rapid.Map(rapid.String(), func(s string) value.Value { return s }),
		rapid.Map(rapid.Int64(), func(i int64) value.Value { return i }),
		rapid.Map(rapid.Float64(), func(f float64) value.Value { return f }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(odd(depth-1), 0, 3), func(a []value.Value) value.Value { return value.Array(a) }),
			rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z]{1,6}|[!-#%-~][ -~]{0,6}`), odd(depth-1), 0, 3), func(m map[string]value.Value) value.Value {
				var fields []value.Field
				for name, v := range m {
					fields = append(fields, value.Field{Name: name, Value: v})
				}
				return value.NewObject(fields...)
			}))
	}
	return rapid.OneOf(kinds...)
}

// damage changes a document somewhere.
func damage(t *rapid.T, doc value.Object) value.Object {
	if len(doc) == 0 || rapid.IntRange(0, 3).Draw(t, "deep") == 0 {
		return doc.With(rapid.StringMatching(`[a-z]{1,5}`).Draw(t, "extra"), odd(1).Draw(t, "value"))
	}
	f := doc[rapid.IntRange(0, len(doc)-1).Draw(t, "field")]
	if inner, ok := f.Value.(value.Object); ok && rapid.Bool().Draw(t, "inside") {
		return doc.With(f.Name, damage(t, inner))
	}
	if rapid.IntRange(0, 2).Draw(t, "drop") == 0 {
		return doc.Without(f.Name)
	}
	return doc.With(f.Name, odd(2).Draw(t, "value"))
}

// drawShop draws the documents of the tables of shop, some damaged.
func drawShop(t *rapid.T) map[string][]value.Object {
	sampler := schema.NewSampler(rapid.Uint64().Draw(t, "seed"), refs{t}.ID)
	out := map[string][]value.Object{}
	for _, table := range slices.Sorted(maps.Keys(shopNumbers)) {
		number := shopNumbers[table]
		for n := range rapid.IntRange(0, 12).Draw(t, table) {
			doc, err := sampler.Document(shop.Table(table))
			if err != nil {
				t.Fatal(err)
			}
			if rapid.IntRange(0, 2).Draw(t, "damaged") == 0 {
				doc = damage(t, doc)
			}
			out[table] = append(out[table], doc.With("_id", idOf(number, n)).With("_creationTime", float64(n)))
		}
	}
	return out
}

// shopOf is an archive of the shop's tables in a component.
func shopOf(t testing.TB, component string, docs map[string][]value.Object) *snapshot.Archive {
	t.Helper()
	tables := map[snapshot.Table][]value.Object{}
	for name, number := range shopNumbers {
		tables[snapshot.Table{Component: component, Name: name, Number: number}] = docs[name]
	}
	return archived.New(t, tables)
}

// numbered are the tables by number; 515 is _storage.
type numbered struct{}

func (numbered) TableName(n uint32) (string, bool) {
	for name, number := range shopNumbers {
		if n == number {
			return name, true
		}
	}
	return "_storage", n < 10001
}

// The census of a snapshot is CheckDocument over all documents: offenders,
// groups with counts, and as samples the first documents of each group.
func TestSnapshotIsCheckDocumentOfAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		docs := drawShop(rt)
		component := rapid.SampledFrom([]string{"", "billing"}).Draw(rt, "component")
		got, err := Snapshot(t.Context(), shopOf(t, component, docs), Options{Target: shop, Component: component})
		if err != nil {
			rt.Fatal(err)
		}
		offenders, bytes := map[string]int64{}, int64(0)
		counts, samples := map[string]int64{}, map[string][]string{}
		for table, list := range docs {
			for _, doc := range list {
				bytes += int64(value.Size(doc))
				seen := map[string]bool{}
				for _, v := range shop.Table(table).CheckDocument(doc, numbered{}) {
					key := table + " " + PathOf(table, v.Field) + " " + v.Reason
					if seen[key] {
						continue
					}
					seen[key] = true
					counts[key]++
					if id, _ := doc.Get("_id"); len(samples[key]) < maxSamples {
						samples[key] = append(samples[key], id.(string)+v.Path+v.Message)
					}
				}
				if len(seen) > 0 {
					offenders[table]++
				}
			}
		}
		found, total := map[string]int64{}, int64(0)
		for _, g := range got.Groups {
			key := g.Table + " " + g.Path + " " + g.Reason
			found[key] = g.Count
			var list []string
			for _, s := range g.Samples {
				list = append(list, s.ID+s.Place+s.Message)
			}
			if !slices.Equal(list, samples[key]) {
				rt.Errorf("samples of %s: %q, want %q", key, list, samples[key])
			}
		}
		if !maps.Equal(found, counts) {
			rt.Errorf("groups %v, want %v", found, counts)
		}
		for table := range shopNumbers {
			c := got.Counts[table]
			if n := int64(len(docs[table])); c.Read != n || c.Documents != n || c.Offenders != offenders[table] || got.Tables[table] != offenders[table] {
				rt.Errorf("%s: %+v, want %d offenders of %d", table, c, offenders[table], n)
			}
			total += offenders[table]
		}
		if got.Offenders != total || got.Bytes != bytes || !got.Full || got.Counts["absent"].Proved != plan.ByEmpty {
			rt.Errorf("%+v, want %d offenders, %d bytes", got, total, bytes)
		}
	})
}

func many(n int) map[string][]value.Object {
	var users []value.Object
	for i := range n {
		doc := value.NewObject(
			value.Field{Name: "_id", Value: idOf(10001, i)}, value.Field{Name: "_creationTime", Value: float64(i)},
			value.Field{Name: "name", Value: fmt.Sprintf("Ada %d", i)}, value.Field{Name: "visits", Value: int64(i)},
			value.Field{Name: "role", Value: nil}, value.Field{Name: "on", Value: true},
			value.Field{Name: "scores", Value: value.NewObject()}, value.Field{Name: "tags", Value: value.Array{"a", "b"}})
		if i%100 == 99 {
			doc = doc.Without("on")
		}
		users = append(users, doc)
	}
	return map[string][]value.Object{"users": users}
}

// The first of a group are its samples, whoever checks first; progress rises
// to the end.
func TestSnapshotOfManyBlocks(t *testing.T) {
	a := shopOf(t, "", many(20_000))
	var last Progress
	got, err := Snapshot(t.Context(), a, Options{Target: shop, Progress: func(p Progress) {
		if p.Read <= last.Read || p.Bytes > p.Size || p.Bytes <= last.Bytes {
			t.Errorf("progress %+v after %+v", p, last)
		}
		last = p
	}})
	if err != nil {
		t.Fatal(err)
	}
	if last.Read != 20_000 || last.Found != 200 || last.Bytes != last.Size || last.ETA != 0 {
		t.Errorf("at the end %+v", last)
	}
	if got.Offenders != 200 || len(got.Groups) != 1 || len(got.Groups[0].Samples) != maxSamples {
		t.Fatalf("%+v", got)
	}
	for i, s := range got.Groups[0].Samples {
		if s.ID != idOf(10001, 99+100*i) {
			t.Errorf("sample %d is %s", i, s.ID)
		}
	}
}

func TestSnapshotCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Snapshot(ctx, shopOf(t, "", many(20_000)), Options{Target: shop, Progress: func(Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestSnapshotErrors(t *testing.T) {
	a := shopOf(t, "", many(1))
	for want, o := range map[string]Options{
		"no target schema":         {},
		`no component "x"`:         {Target: shop, Component: "x"},
		`has no table "users2"`:    {Target: shop, Tables: []string{"users2"}},
		"it is read whole, withou": {Target: shop, Sample: 1},
	} {
		if _, err := Snapshot(t.Context(), a, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Documents that all bring fields of their own do not make groups without end.
func TestSnapshotBoundsItsGroups(t *testing.T) {
	var docs []value.Object
	for i := range 2 * maxGroups {
		docs = append(docs, value.NewObject(value.Field{Name: "_id", Value: idOf(10002, i)}, value.Field{Name: fmt.Sprintf("x%d", i), Value: true}))
	}
	target := &schema.Schema{Tables: []*schema.Table{{Name: "orders", Document: object()}}}
	got, err := Snapshot(t.Context(), shopOf(t, "", map[string][]value.Object{"orders": docs}), Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, g := range got.Groups {
		n += g.Count
	}
	if len(got.Groups) > maxGroups+1 || n != 2*maxGroups || got.Groups[0].Path != "orders" {
		t.Errorf("%d groups of %d documents, first %s", len(got.Groups), n, got.Groups[0].Path)
	}
}

package schema

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"strait/model/value"
)

// What breaks careless code comes within some hundred documents, the same for
// the same source, and all of it fits.
func TestEdgeReachesTheEdges(t *testing.T) {
	v := object(req("n", of(Number)), req("i", of(Bigint)), req("s", of(String)), req("b", of(Bytes)), opt("o", of(Null)), req("t", id("users")),
		req("a", array(of(Boolean))), req("r", record(of(String), of(Number))), req("u", union(of(Null), union(lit("x"), lit(1.0)), object(req("deep", of(Any))))), req("any", of(Any)))
	seen := map[string]bool{}
	note := func(what string, is bool) { seen[what] = seen[what] || is }
	r, again := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(1, 2))
	for range 400 {
		val, ok := Edge(v, r, testIDs)
		if same, _ := Edge(v, again, testIDs); !ok || !v.Fits(val, testTables) || !value.Equal(val, same) {
			t.Fatalf("Edge makes %s, then %s", value.Brief(val, 200), value.Brief(same, 200))
		}
		doc := val.(value.Object)
		if err := value.CheckLimits(doc); err != nil {
			t.Fatalf("Convex takes no such document: %v", err)
		}
		get := func(name string) value.Value { x, _ := doc.Get(name); return x }
		n, s, a, o := get("n").(float64), get("s").(string), get("a").(value.Array), get("r").(value.Object)
		note("NaN", n != n)
		note("-0", n == 0 && math.Signbit(n))
		note("-infinity", math.IsInf(n, -1))
		note("largest bigint", get("i") == int64(math.MaxInt64))
		note("smallest bigint", get("i") == int64(math.MinInt64))
		note("empty text", s == "")
		note("long text", utf8.RuneCountInString(s) >= 500)
		note("astral", strings.ContainsFunc(s, func(c rune) bool { return c > 0xffff }))
		note("combining", strings.Contains(s, "\u0301"))
		note("no bytes", len(get("b").(value.Bytes)) == 0)
		note("empty array", len(a) == 0)
		note("long array", len(a) >= longArray)
		note("empty record", len(o) == 0)
		note("odd key", slices.ContainsFunc(o, func(f value.Field) bool { return f.Name == " " || f.Name == `"` }))
		_, present := doc.Get("o")
		note("absent", !present)
		note("present", present)
		for _, m := range flatten(nil, v.Field("u").Type) {
			note("member "+m.String(), m.Fits(get("u"), testTables))
		}
		note("any "+string(kindOf(get("any"))), true)
	}
	for what, is := range seen {
		if !is {
			t.Errorf("%s never comes", what)
		}
	}
	if len(seen) != 16+4+len(kinds) {
		t.Errorf("seen are %d sorts: %v", len(seen), seen)
	}
}

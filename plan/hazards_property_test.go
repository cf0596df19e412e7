package plan

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/source"
)

var (
	someTables = rapid.SampledFrom([]string{"", "users", "orders", "gone"})
	someFields = rapid.SampledFrom([]string{"", "a", "b", "_id", "kind"})
	someNames  = rapid.SampledFrom([]string{"m:one", "m:two", "m:all", "app:f", "", "components.migrations.lib.migrate"})
	someStates = rapid.SampledFrom([]string{"", "inProgress", "success", "failed", "canceled", "unknown"})
	someTimes  = rapid.SampledFrom([]time.Time{{}, noon, noon.Add(-time.Hour), noon.AddDate(0, 0, 1)})
	someTexts  = rapid.SampledFrom([]string{"", "a: doc.a * 2", "export const x = mutation({", "const d = await ctx.db.get(id); d!.x", "a:", "`${a", "/* a: a + 1", "a = a +\n1"})
	someWhats  = rapid.SampledFrom([]*schema.Validator{nil, anyV(), str(), num(), lit("x"), lit(1.5), lit(true), id("users"), union(), union(lit("x"), num()),
		arr(str()), rec(str()), object(req("kind", lit("x")), opt("b", num())), {Kind: schema.Array}, {Kind: schema.Record}, {Kind: schema.Literal}, {}})
)

// someSchema may be one that nobody could push, but not one that cannot be
// compared: comparing is schema's own matter, and tested there.
func someSchema(t *rapid.T, label string) *schema.Schema {
	if rapid.Bool().Draw(t, label+" nil") {
		return nil
	}
	s := &schema.Schema{Validation: rapid.Bool().Draw(t, label+" on")}
	for _, name := range []string{"users", "orders", "gone"} {
		if !rapid.Bool().Draw(t, label+name) {
			continue
		}
		doc := rapid.SampledFrom([]*schema.Validator{nil, anyV(), object(), object(req("a", str())), object(req("a", num()), opt("b", id("gone"))), object(req("a", union(str(), num())), req("b", arr(id("users")))),
			union(object(req("kind", lit("x"))), object(req("kind", lit("y")), req("a", str())))}).Draw(t, label+" doc")
		tb := table(name, doc)
		if rapid.Bool().Draw(t, label+" index") {
			tb.Indexes = []schema.Index{{Kind: schema.DatabaseIndex, Name: "by_a", Fields: []string{"a"}, Staged: rapid.Bool().Draw(t, "staged")}}
		}
		s.Tables = append(s.Tables, tb)
	}
	return s
}

func someWrite(t *rapid.T) source.Write {
	w := source.Write{
		Site: source.Site{File: "convex/a.ts", Line: rapid.IntRange(0, 9).Draw(t, "line")}, Function: someNames.Draw(t, "function"),
		Op:    rapid.SampledFrom([]source.Op{"", source.Insert, source.Patch, source.Replace, source.Delete}).Draw(t, "op"),
		Table: someTables.Draw(t, "table"), Open: rapid.Bool().Draw(t, "open"), Guarded: rapid.Bool().Draw(t, "guarded"), Returned: rapid.Bool().Draw(t, "returned"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "fields") {
		w.Fields = append(w.Fields, source.Field{Name: someFields.Draw(t, "name"), Value: someWhats.Draw(t, "value"),
			Unset: rapid.Bool().Draw(t, "unset"), Maybe: rapid.Bool().Draw(t, "maybe"), From: []string{someFields.Draw(t, "from")}})
	}
	return w
}

func someRead(t *rapid.T) source.Read {
	return source.Read{Function: someNames.Draw(t, "reader"), Table: someTables.Draw(t, "read"), Index: rapid.SampledFrom([]string{"", "by_a", "by_id"}).Draw(t, "index"),
		Bounded: rapid.Bool().Draw(t, "bounded"), End: rapid.SampledFrom([]string{"", "collect", "each", "get", "take"}).Draw(t, "end")}
}

func someCode(t *rapid.T) *source.Facts {
	if rapid.IntRange(0, 5).Draw(t, "no code") == 0 {
		return nil
	}
	write, read := rapid.Custom(someWrite), rapid.Custom(someRead)
	f := &source.Facts{Writes: rapid.SliceOfN(write, 0, 4).Draw(t, "writes"), Reads: rapid.SliceOfN(read, 0, 4).Draw(t, "reads"),
		Jobs: []source.Job{{Cron: someFields.Draw(t, "cron"), Function: someNames.Draw(t, "by"), Calls: someNames.Draw(t, "calls")}}}
	if rapid.Bool().Draw(t, "bodies") {
		f.Migrations = map[string]*source.Body{"m:two": nil, "m:one": {
			Table: someTables.Draw(t, "own"), Writes: rapid.SliceOfN(write, 0, 3).Draw(t, "body writes"), Reads: rapid.SliceOfN(read, 0, 3).Draw(t, "body reads"),
			RangeIndex: rapid.SampledFrom([]string{"", "by_a"}).Draw(t, "range"), Schedules: rapid.Bool().Draw(t, "schedules"), Clock: rapid.Bool().Draw(t, "clock"), Open: rapid.Bool().Draw(t, "calls away")}}
	}
	return f
}

func someInput(t *rapid.T) Input {
	in := Input{Target: someSchema(t, "target"), Code: someCode(t)}
	for _, name := range []string{"m:one", "m:two", "m:all"} {
		if !rapid.Bool().Draw(t, "has "+name) {
			continue
		}
		d := Definition{Name: name, Table: someTables.Draw(t, "of"), Source: someTexts.Draw(t, "text"), BatchSize: rapid.SampledFrom([]int{-1, 0, 1, 100, 1 << 40}).Draw(t, "batch"),
			Driver: rapid.SampledFrom([]string{"", "component", "helpers", "paged", "oneshot"}).Draw(t, "driver"), Parallelize: rapid.Bool().Draw(t, "parallel")}
		if d.Runner = name == "m:all"; d.Runner {
			d.Series = []string{"m:two", "m:one", "m:gone"}
		}
		in.Definitions = append(in.Definitions, d)
	}
	for _, env := range []string{"dev", "prod"} {
		if !rapid.Bool().Draw(t, "env "+env) {
			continue
		}
		ev := Evidence{Env: env, Now: someTimes.Draw(t, "now"), Reachable: rapid.Bool().Draw(t, "reachable"), Active: someSchema(t, env), ActiveKnown: rapid.Bool().Draw(t, "known"), Protected: rapid.Bool().Draw(t, "protected")}
		if rapid.Bool().Draw(t, "counted") {
			ev.Tables = map[string]int64{"users": rapid.Int64().Draw(t, "n"), "gone": rapid.Int64Range(0, 1<<20).Draw(t, "m")}
			ev.Sizes = map[string]Size{"users": {Mean: rapid.Int64().Draw(t, "mean")}}
			ev.Progress = map[string]Progress{}
			for range 2 {
				ev.Progress[someNames.Draw(t, "progress")] = Progress{State: someStates.Draw(t, "state"), Deployed: rapid.Bool().Draw(t, "deployed")}
			}
		}
		if in.Target != nil && rapid.Bool().Draw(t, "census") {
			ev.Census = &Census{Schema: in.Target.Hash(), Full: true, At: ev.Now, Tables: map[string]int64{"users": rapid.Int64Range(0, 3).Draw(t, "offenders")}}
		}
		in.Envs = append(in.Envs, ev)
	}
	for range rapid.IntRange(0, 2).Draw(t, "waivers") {
		in.Waivers = append(in.Waivers, Waiver{Code: rapid.SampledFrom([]string{"", "SW101", "SW103", "SW202", "SW301"}).Draw(t, "code"),
			Table: someTables.Draw(t, "waived"), Path: someFields.Draw(t, "path"), Reason: "r", Until: someTimes.Draw(t, "until")})
	}
	return in
}

// Whatever the input, hazards are complete, sorted, the same each time, and a
// waiver neither adds nor takes away any but its own notices.
func TestHazardsOfAnything(t *testing.T) {
	severity := map[string]Severity{}
	for _, r := range Rules() {
		severity[r.Code] = r.Severity
	}
	rapid.Check(t, func(t *rapid.T) {
		in := someInput(t)
		p := Make(in)
		hs := hazards(in, p)
		for i, h := range hs {
			if worst, ok := severity[h.Code]; !ok || h.Severity.rank() < worst.rank() || h.What == "" || h.Why == "" || h.Safe == "" || h.Rule == "" {
				t.Fatalf("incomplete, or worse than its rule says: %+v", h)
			}
			if i > 0 && worstFirst(hs[i-1], h) > 0 {
				t.Fatalf("%+v\nbefore\n%+v", hs[i-1], h)
			}
		}
		in.Waivers = nil
		var bare []Hazard
		for _, h := range hs {
			if h.Waived = ""; h.Code[:3] != "SW9" {
				bare = append(bare, h)
			}
		}
		slices.SortStableFunc(bare, worstFirst)
		again := hazards(in, p)
		if !slices.EqualFunc(bare, again, func(a, b Hazard) bool { return worstFirst(a, b) == 0 && a.Severity == b.Severity && a.Why == b.Why }) {
			t.Fatalf("with waivers\n%+v\nwithout\n%+v", bare, again)
		}
		hazards(in, Plan{}) // rows and evidence need not agree
	})
}

// The text of a migration is anything that somebody typed.
func FuzzSelfUse(f *testing.F) {
	for _, text := range []string{"({ price: doc.price * 100 })", "price = price +\n 1", "`${price}", "/* price: price*2", `price: "\`} {
		f.Add(text, "price")
	}
	f.Add("for await (const x of [1]) { g(); if (x) { break } }", "x")
	f.Add("0", "\xe5")
	f.Fuzz(func(t *testing.T, text, field string) {
		selfUse(text, field)
		assertsGet(text)
		walksAll(text)
	})
}

func TestSelfUse(t *testing.T) {
	for text, want := range map[string]use{
		"({ n: doc.n * 100 })":                                    grows,
		"({ n: 100 * doc.n })":                                    grows,
		"({ n: Math.round(doc.n * 100), m: 1 })":                  grows,
		"({ n: doc.n + 1 })":                                      grows,
		"({ n: doc.n! / 1000 })":                                  grows,
		"({ n: `${doc.n} (old)` })":                               grows,
		"const n = doc.n * 2\nreturn { n }":                       grows,
		"({ n: 'x' + doc.n })":                                    grows,
		"({ n: `${doc.n}` })":                                     converts,
		"({ n: doc.n.map((x) => x.id) })":                         converts,
		"({ n: convert(doc.n) })":                                 converts,
		"({ n: doc.n ?? 0 })":                                     unused,
		"({ n: doc.n > 100 ? doc.n : doc.n * 100 })":              unused,
		"({ n: doc.n.toLowerCase().trim() })":                     unused,
		"({ n: Number(doc.n) })":                                  unused,
		"({ m: doc.n * 2 })":                                      unused,
		"// n: doc.n * 100\n({ m: 1 })":                           unused,
		"const n = 1\nif (x * n > 2) return":                      unused,
		"if (doc.n === doc.n * 1) return":                         unused,
		"(doc: { n: number }) => ({ total: doc.n * 2, n: null })": unused,
	} {
		if got := selfUse(text, "n"); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}

func TestDisjoint(t *testing.T) {
	for _, c := range []struct {
		a, b *schema.Validator
		want bool
	}{
		{str(), num(), true}, {lit("a"), lit("b"), true}, {lit("a"), str(), false}, {lit(1.0), str(), true}, {str(), id("users"), false},
		{null(), union(str(), null()), false}, {boo(), union(str(), null()), true}, {union(str(), num()), num(), false}, {anyV(), num(), false}, {nil, num(), false},
		{object(req("k", lit("a"))), object(req("k", lit("b"))), true}, {object(opt("k", lit("a"))), object(req("k", lit("b"))), false},
		{object(), rec(str()), false}, {arr(str()), arr(num()), false}, {union(), num(), false},
	} {
		if got := disjoint(c.a, c.b); got != c.want || disjoint(c.b, c.a) != c.want {
			t.Errorf("%s, %s: %v", show(c.a), show(c.b), got)
		}
	}
}

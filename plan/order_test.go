package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/source"
)

func told(stages []Stage) string {
	var b strings.Builder
	for _, s := range stages {
		fmt.Fprintf(&b, "%d %s %s: %s", s.Number, s.Env, s.Doing, s.State)
		if len(s.After) > 0 {
			fmt.Fprintf(&b, " after %v", s.After)
		}
		if len(s.Groups) > 0 {
			fmt.Fprintf(&b, " %v", s.Groups)
		}
		if s.Next != "" {
			b.WriteString(" > " + s.Next)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func remote(ev Evidence) Evidence    { ev.Embedded = false; return ev }
func deploys(ev Evidence) Evidence   { ev.Deploys = true; return ev }
func protected(ev Evidence) Evidence { ev.Protected = true; return ev }

func orderOf(in Input) []Stage { return order(in, Make(in)) }

// A fleet half way: dev is finished, staging migrates, prod has not begun.
func TestOrderHalfWay(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	defs := userDefs[:2]
	success := Progress{State: "success", Done: true, Processed: 100, Ended: noon}
	in := Input{Target: target, Definitions: defs, Envs: []Evidence{
		evidence("dev", target).with("migrations:setRole", success).with("migrations:dropAdmin", success),
		remote(evidence("staging", widened)).with("migrations:setRole", success),
		protected(remote(evidence("prod", oldUsers()))),
	}}
	got := told(orderOf(in))
	want := `1 dev deploy-widened: done
2 dev migrate: done after [1] [[migrations:setRole] [migrations:dropAdmin]]
3 dev count: done after [2]
4 staging deploy-widened: done after [1]
5 staging migrate: todo after [3 4] [[migrations:setRole] [migrations:dropAdmin]] > strait run migrations:dropAdmin --env staging
6 staging count: blocked after [5] > strait census --env staging
7 prod deploy-widened: todo after [4] > npx convex deploy
8 prod migrate: blocked after [6 7] [[migrations:setRole] [migrations:dropAdmin]] > strait run migrations:setRole --env prod --dry-run
9 prod count: blocked after [8] > strait census --env prod
10 dev deploy-target: done after [3 6 9]
11 staging deploy-target: blocked after [3 6 9 10] > npx convex deploy
12 prod deploy-target: blocked after [3 6 9 11] > npx convex deploy
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func tables(names ...string) *schema.Schema {
	var ts []*schema.Table
	for _, n := range names {
		ts = append(ts, table(n, object(opt("a", str()), opt("b", str()), opt("c", str()))))
	}
	return schemaOf(ts...)
}

func write(op source.Op, table string, fields ...source.Field) source.Write {
	return source.Write{Op: op, Table: table, Fields: fields}
}

func patched(fields ...source.Field) source.Write {
	return source.Write{Op: source.Patch, Returned: true, Fields: fields}
}

func set(name string, from ...string) source.Field { return source.Field{Name: name, From: from} }
func unset(name string) source.Field               { return source.Field{Name: name, Unset: true} }

func TestSequence(t *testing.T) {
	target := tables("x", "y", "z")
	for _, c := range []struct {
		title  string
		defs   []Definition
		bodies map[string]*source.Body
		want   string
		doubt  string
	}{
		{"different tables together", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "y"}}, map[string]*source.Body{
			"p": {Table: "x", Writes: []source.Write{patched(set("a"))}},
			"q": {Table: "y", Writes: []source.Write{patched(set("a"))}},
		}, "[[p q]]", ""},
		{"one table one by one", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "x"}, {Name: "r", Table: "y"}}, map[string]*source.Body{
			"p": {Table: "x", Writes: []source.Write{patched(set("a"))}},
			"q": {Table: "x", Writes: []source.Write{patched(set("b"))}},
			"r": {Table: "y", Writes: []source.Write{patched(set("b"))}},
		}, "[[p r] [q]]", ""},
		{"writer before reader", []Definition{{Name: "reads", Table: "x"}, {Name: "writes", Table: "x"}}, map[string]*source.Body{
			"reads":  {Table: "x", Writes: []source.Write{patched(set("a", "b"))}},
			"writes": {Table: "x", Writes: []source.Write{patched(set("b"))}},
		}, "[[writes] [reads]]", ""},
		{"move before unset", []Definition{{Name: "drop", Table: "x"}, {Name: "move", Table: "x"}}, map[string]*source.Body{
			"drop": {Table: "x", Writes: []source.Write{patched(unset("a"))}},
			"move": {Table: "x", Writes: []source.Write{write(source.Insert, "y", set("b", "a"))}},
		}, "[[move] [drop]]", ""},
		{"insert before the table's own", []Definition{{Name: "own", Table: "y"}, {Name: "move", Table: "x"}}, map[string]*source.Body{
			"own":  {Table: "y", Writes: []source.Write{patched(set("a"))}},
			"move": {Table: "x", Writes: []source.Write{write(source.Insert, "y", set("b"))}},
		}, "[[move] [own]]", ""},
		{"move out before delete", []Definition{{Name: "sweep", Table: "x"}, {Name: "move", Table: "x"}}, map[string]*source.Body{
			"sweep": {Table: "x", Writes: []source.Write{write(source.Delete, "x")}},
			"move":  {Table: "x", Writes: []source.Write{write(source.Insert, "y", set("b"))}},
		}, "[[move] [sweep]]", ""},
		{"a reader of another table is not beside its writer", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "y"}}, map[string]*source.Body{
			"p": {Table: "x", Reads: []source.Read{{Table: "y"}}, Writes: []source.Write{patched(set("a"))}},
			"q": {Table: "y", Writes: []source.Write{patched(set("c"))}},
		}, "[[p] [q]]", ""},
		{"code that was not read runs alone", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "y"}, {Name: "r", Table: "z"}}, map[string]*source.Body{
			"p": {Table: "x", Open: true, Writes: []source.Write{patched(set("a"))}},
			"q": {Table: "y", Writes: []source.Write{patched(set("c"))}},
			"r": {Table: "z", Writes: []source.Write{patched(set("c"))}},
		}, "[[p] [q r]]", ""},
		{"the project's series", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "y"}, {Name: "all", Runner: true, Series: []string{"q", "p"}}}, map[string]*source.Body{
			"p": {Table: "x", Writes: []source.Write{patched(set("a"))}},
			"q": {Table: "y", Writes: []source.Write{patched(set("a"))}},
		}, "[[q] [p]]", ""},
		{"a series against the data", []Definition{{Name: "reads", Table: "x"}, {Name: "writes", Table: "x"}, {Name: "all", Runner: true, Series: []string{"reads", "writes"}}}, map[string]*source.Body{
			"reads":  {Table: "x", Writes: []source.Write{patched(set("a", "b"))}},
			"writes": {Table: "x", Writes: []source.Write{patched(set("b"))}},
		}, "[[reads] [writes]]", "writes should come before reads"},
		{"a circle", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "x"}}, map[string]*source.Body{
			"p": {Table: "x", Writes: []source.Write{patched(set("a", "b"))}},
			"q": {Table: "x", Writes: []source.Write{patched(set("b", "a"))}},
		}, "[[p] [q]]", "should come before"},
		{"nothing known runs alone", []Definition{{Name: "p", Table: "x"}, {Name: "q", Table: "y"}}, nil, "[[p] [q]]", ""},
		{"by the text alone", []Definition{
			{Name: "drop", Table: "x", Source: "() => ({ a: undefined })"},
			{Name: "fill", Table: "x", Source: "(ctx, d) => ({ b: d.a ?? 'none' })"},
			{Name: "other", Table: "z", Source: "(ctx, d) => ({ b: 'none' })"},
		}, nil, "[[fill other] [drop]]", ""},
		{"fields taken apart", []Definition{
			{Name: "drop", Table: "x", Source: "async (ctx, d) => { await ctx.db.patch(d._id, { a: undefined }); }"},
			{Name: "fill", Table: "x", Source: "(_ctx, d) => { const { a } = old(d); return { b: a }; }"},
			{Name: "join", Table: "x", Source: "(_ctx, { b }) => ({ c: b })"},
		}, nil, "[[fill] [join] [drop]]", ""},
	} {
		var names []string
		for _, d := range c.defs {
			names = append(names, d.Name)
		}
		in := Input{Target: target, Definitions: c.defs}
		if c.bodies != nil {
			in.Code = &source.Facts{Migrations: c.bodies}
		}
		s := sequenceOf(in, names)
		if got := fmt.Sprint(s.groups); got != c.want {
			t.Errorf("%s: got %s, want %s, for %+v", c.title, got, c.want, s.needs)
		}
		if doubts := strings.Join(s.doubts, "; "); (doubts == "") != (c.doubt == "") || !strings.Contains(doubts, c.doubt) {
			t.Errorf("%s: doubts %q, want %q", c.title, doubts, c.doubt)
		}
	}
}

// Whatever the migrations do to each other, each is in exactly one group, those
// of a group do not disturb each other, and every need that was kept holds.
func TestSequenceIsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field, tab := rapid.SampledFrom([]string{"a", "b", "c"}), rapid.SampledFrom([]string{"x", "y", "z"})
		in := Input{Target: tables("x", "y", "z"), Code: &source.Facts{Migrations: map[string]*source.Body{}}}
		var names []string
		for i := range rapid.IntRange(0, 7).Draw(t, "migrations") {
			d := Definition{Name: fmt.Sprint("m", i), Table: tab.Draw(t, "table")}
			b := &source.Body{Table: d.Table, Open: rapid.IntRange(0, 9).Draw(t, "open") == 0}
			for range rapid.IntRange(0, 3).Draw(t, "writes") {
				op := rapid.SampledFrom([]source.Op{source.Insert, source.Patch, source.Delete}).Draw(t, "op")
				f := source.Field{Name: field.Draw(t, "field"), Unset: rapid.Bool().Draw(t, "unset"), From: []string{field.Draw(t, "from")}}
				b.Writes = append(b.Writes, source.Write{Op: op, Table: tab.Draw(t, "written"), Fields: []source.Field{f}})
			}
			if rapid.Bool().Draw(t, "reads") {
				b.Reads = append(b.Reads, source.Read{Table: tab.Draw(t, "read")})
			}
			in.Code.Migrations[d.Name], names = b, append(names, d.Name)
			in.Definitions = append(in.Definitions, d)
		}
		if len(names) > 0 {
			in.Definitions = append(in.Definitions, Definition{Name: "all", Runner: true, Series: rapid.SliceOf(rapid.SampledFrom(names)).Draw(t, "series")})
		}
		s := sequenceOf(in, names)
		at := map[string]int{}
		for g, group := range s.groups {
			for i, n := range group {
				if _, twice := at[n]; twice {
					t.Fatalf("%s stands twice in %v", n, s.groups)
				}
				at[n] = g
				for _, m := range group[:i] {
					x, y := touchOf(in, in.Definitions[slices.Index(names, n)]), touchOf(in, in.Definitions[slices.Index(names, m)])
					if x.disturbs(&y) || x.table == y.table {
						t.Fatalf("%s and %s run together in %v", n, m, s.groups)
					}
				}
			}
		}
		if len(at) != len(names) {
			t.Fatalf("%d of %d in %v", len(at), len(names), s.groups)
		}
		for _, n := range s.needs {
			if at[n.before] >= at[n.after] {
				t.Fatalf("%+v does not hold in %v", n, s.groups)
			}
		}
	})
}

// A large project: a hundred tables of which a third change, a migration for
// each, three environments.
func BenchmarkOrder(b *testing.B) {
	active, target := wide(0), wide(0)
	copy(target.Tables[:33], wide(1).Tables[:33])
	in := Input{Target: target}
	for i := range 33 {
		d := Definition{Name: fmt.Sprintf("migrations:m%d", i), Table: fmt.Sprintf("t%d", i)}
		d.Source = fmt.Sprintf("async (ctx, doc) => { const { f%02d } = doc; if (doc.f%02d === undefined) return; const o = await ctx.db.get(doc.f03); return { f%02d: undefined, f%02d: o.f00 }; }", i%20, (i+3)%20, i%20, (i+5)%20)
		in.Definitions = append(in.Definitions, d)
	}
	for i := range 3 {
		e := evidence(fmt.Sprint("env", i), active)
		e.Compared = Compare(active, target)
		in.Envs = append(in.Envs, e)
	}
	p := Make(in)
	b.Run("order", func(b *testing.B) {
		for b.Loop() {
			order(in, p)
		}
	})
	b.Run("merge", func(b *testing.B) {
		for b.Loop() {
			GateMerge(in)
		}
	})
}

// What single stages say in the odd cases.
func TestStages(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	success := Progress{State: "success", Done: true, Ended: noon}
	ended := func(ev Evidence) Evidence {
		return remote(ev).with("migrations:setRole", success).with("migrations:dropAdmin", success)
	}
	ranged := []Definition{{Name: "m:range", Table: "users", Source: `customRange: (q) => q.withIndex("by_role", (x) => x.eq("role", "x")), migrateOne: () => ({ role: "member", admin: undefined })`}}
	indexed := schemaOf(table("users", target.Tables[0].Document, index("by_role", "role")))
	tried := func(ev Evidence) Evidence { ev.DryRuns["migrations:setRole"] = noon; return ev }
	for _, c := range []struct {
		title  string
		target *schema.Schema
		defs   []Definition
		ev     Evidence
		doing  Doing
		state  State
		text   string // part of why or next
	}{
		{"success is no proof", target, userDefs[:2], ended(evidence("e", widened)), Migrate, Done, "the count is the proof"},
		{"and then it is counted", target, userDefs[:2], ended(evidence("e", widened)), CountAll, Todo, "strait census --env e"},
		{"misfits after all ended", target, userDefs[:2], counted(ended(evidence("e", widened)), census(target, 7)), Migrate, Todo, "strait run migrations:dropAdmin --env e --reset"},
		{"misfits and no definition", target, nil, counted(remote(evidence("e", widened)), census(target, 7)), Migrate, Blocked, "strait plan --markdown"},
		{"no definition, uncounted", target, nil, remote(evidence("e", widened)), Migrate, Todo, "no definition migrates users.admin, users.role"},
		{"running", target, userDefs[:2], remote(evidence("e", widened)).with("migrations:dropAdmin", Progress{State: "inProgress"}), Migrate, Running, "strait status --env e"},
		{"failed", target, userDefs[:2], remote(evidence("e", widened)).with("migrations:dropAdmin", Progress{State: "failed", Error: "boom"}), Migrate, Failed, "boom"},
		{"tried in prod", target, userDefs[:2], protected(tried(remote(evidence("prod", widened)))), Migrate, Todo, "strait run migrations:setRole --env prod --confirm prod"},
		{"with a dry run of its own", target, []Definition{{Name: "m:own", Table: "users", OwnDryRun: true, Source: "role admin"}}, protected(remote(evidence("prod", widened))).with("m:own", Progress{Deployed: true}), Migrate, Todo, "strait run m:own --env prod --dry-run --confirm prod"},
		{"embedded", target, userDefs[:2], evidence("e", widened), Migrate, Todo, "on Strait's screen: run migrations:setRole in e"},
		{"a name for a shell", target, userDefs[:2], remote(evidence("my env", widened)), Migrate, Todo, "--env 'my env'"},
		{"an index for a range", indexed, ranged, remote(evidence("e", widened)).with("m:range", Progress{}), DeployWidened, Todo, "no index users.by_role"},
		{"not deployed", target, userDefs[:2], func() Evidence {
			e := remote(evidence("e", widened))
			e.Progress["migrations:setRole"] = Progress{}
			return e
		}(), Migrate, Todo, "migrations:setRole is not deployed there"},
		{"of no change of shape", target, userDefs[2:3], remote(evidence("e", target)), Migrate, Todo, "no document waits for migrations:sweepOrders"},
		{"by hand", target, nil, attested(remote(evidence("e", widened))), Migrate, ByHand, "kim, 1h ago: done on the console"},
		{"by hand is not counted", target, nil, attested(remote(evidence("e", widened))), CountAll, Todo, "not counted"},
		{"away", target, userDefs[:2], Evidence{Env: "e", Now: noon, Problem: "401"}, CountAll, Unknown, "401"},
		{"only additions", users(req("name", str()), req("admin", boo()), opt("age", num())), nil, remote(evidence("e", oldUsers())), DeployTarget, Todo, "npx convex deploy"},
		{"widened by Strait", target, userDefs[:2], deploys(remote(evidence("e", oldUsers()))), DeployWidened, Todo, "|strait widen --env e"},
		{"narrowed by Strait", target, userDefs[:2], protected(deploys(remote(evidence("prod", widened)))), DeployTarget, Blocked, "|strait narrow --env prod --confirm prod"},
	} {
		stages := orderOf(Input{Target: c.target, Definitions: c.defs, Envs: []Evidence{c.ev}})
		i := slices.IndexFunc(stages, func(s Stage) bool { return s.Doing == c.doing })
		if i < 0 || stages[i].State != c.state || !strings.Contains(stages[i].Why+"|"+stages[i].Next, c.text) {
			t.Errorf("%s: want %s with %q, got %+v\n%s", c.title, c.state, c.text, stages[max(i, 0)], told(stages))
		}
		if c.title == "only additions" && len(stages) != 1 {
			t.Errorf("what needs no migration needs no widening:\n%s", told(stages))
		}
	}
}

// Two definitions of one name are one migration to everybody who runs it.
func TestOrderOfTwoOfOneName(t *testing.T) {
	target := newUsers()
	twice := []Definition{userDefs[0], userDefs[0], {Name: "m:all", Runner: true, Series: []string{userDefs[0].Name, userDefs[0].Name, "m:gone"}}}
	stages := orderOf(Input{Target: target, Definitions: twice, Envs: []Evidence{remote(evidence("e", schema.WidenSchemas(oldUsers(), target)))}})
	i := slices.IndexFunc(stages, func(s Stage) bool { return s.Doing == Migrate })
	if got := fmt.Sprint(stages[i].Groups); got != "[["+userDefs[0].Name+"]]" {
		t.Errorf("groups %s", got)
	}
}

package plan

import (
	"strings"
	"testing"

	"strait/model/schema"
)

// pair is a schema of users and of orders.
func pair(users, orders *schema.Validator, indexes ...schema.Index) *schema.Schema {
	s := schemaOf(table("users", users))
	if orders != nil {
		s.Tables = append(s.Tables, table("orders", orders, indexes...))
	}
	return s
}

// A census vouches for the tables that it read. One that was empty or enforced
// then and is neither now was never looked at.
func TestACensusVouchesForNoTableThatItDidNotRead(t *testing.T) {
	target := pair(object(req("a", str())), object(req("b", str())))
	active := pair(object(opt("a", str())), object(opt("b", str())))
	ev := evidence("dev", active)
	ev.Tables = map[string]int64{"users": 100, "orders": 3}
	ev.Census = &Census{Schema: target.Hash(), At: noon, Full: true, Read: 100, Tables: map[string]int64{"users": 0}}
	p := Make(Input{Target: target, Envs: []Evidence{ev}})
	if st := p.Envs[0].Migrate; st.State == Done || !strings.Contains(st.Evidence, "orders") {
		t.Errorf("migrate: %+v", st)
	}
	refused, _ := Gate(Ask{Action: ActNarrow, Env: ev, Target: target})
	if codes(refused) != "census-stale" {
		t.Errorf("narrow: %v", refused)
	}
	for _, r := range p.Rows {
		if want := map[string]State{"users": Done, "orders": Todo}[r.Table]; r.Cells[0].Migrate.State != want {
			t.Errorf("row %s: %+v", r.Title, r.Cells[0].Migrate)
		}
	}
}

// A row that another environment's change made: where nothing is checked,
// nothing is enforced.
func TestNothingIsEnforcedWhereNothingIsChecked(t *testing.T) {
	target := newUsers()
	off := *target
	off.Validation = false
	missing := &schema.Schema{Validation: true}
	unsized := evidence("unsized", missing)
	unsized.Tables = nil
	p := Make(Input{Target: target, Definitions: userDefs, Envs: []Evidence{evidence("old", oldUsers()), evidence("off", &off), unsized}})
	for _, r := range p.Rows {
		if r.Table != "users" {
			continue
		}
		for _, c := range r.Cells {
			if c.Migrate.State == Done {
				t.Errorf("%s: %+v", r.Title, c.Migrate)
			}
		}
	}
}

// A migration that works on more tables than its own needs them deployed.
func TestRunNeedsEveryTableAndIndexThatItUses(t *testing.T) {
	byUser := index("by_user", "user")
	target := pair(object(opt("a", str())), object(req("user", str()), opt("n", num())), byUser)
	def := Definition{Name: "m:move", Table: "users", Driver: "component", Source: `async (ctx, user) => {
  const old = await ctx.db
    .query("orders")
    .withIndex("by_user", (q) => q.eq("user", user._id)).unique();
  if (old === null) await ctx.db.insert('orders', { user: user._id, n: 1 });
}`}
	for _, c := range []struct {
		title  string
		active *schema.Schema
		want   string // part of the refusal; "" lets it out
	}{
		{"all there", target, ""},
		{"no table", pair(object(opt("a", str())), nil), "no table orders"},
		{"a table that refuses the new shape", pair(object(opt("a", str())), object(req("user", str())), byUser), "orders"},
		{"no index", pair(object(opt("a", str())), object(req("user", str()), opt("n", num()))), "orders.by_user"},
		{"a staged index", pair(object(opt("a", str())), object(req("user", str()), opt("n", num())), staged(byUser)), "orders.by_user"},
	} {
		ev := evidence("dev", c.active)
		ev.Progress["m:move"], ev.DryRuns["m:move"] = Progress{Deployed: true}, noon
		refused, _ := Gate(Ask{Action: ActRun, Migration: "m:move", Env: ev, Target: target, Definitions: []Definition{def}})
		if c.want == "" {
			if len(refused) > 0 {
				t.Errorf("%s: refused for %+v", c.title, refused)
			}
			continue
		}
		if codes(refused) != "not-widened" || !strings.Contains(refused[0].Why, c.want) {
			t.Errorf("%s: %+v, want not-widened naming %q", c.title, refused, c.want)
		}
		// The way out that the hint names must be open.
		if refused, _ := Gate(Ask{Action: ActWiden, Env: ev, Target: target}); len(refused) > 0 {
			t.Errorf("%s: widen is refused: %+v", c.title, refused)
		}
	}
	// The same as a member of a series, and the index of a range on its own table.
	series := []Definition{def, {Name: "m:all", Runner: true, Series: []string{"m:move"}}}
	ev := evidence("dev", pair(object(opt("a", str())), nil))
	ev.Progress["m:all"] = Progress{Deployed: true}
	refused, _ := Gate(Ask{Action: ActRun, Migration: "m:all", Env: ev, Target: target, Definitions: series})
	if !strings.Contains(codes(refused), "not-widened") {
		t.Errorf("series: %+v", refused)
	}
	own := []Definition{{Name: "m:range", Table: "orders", Source: `define({ table: "orders", customRange: (q) => q.withIndex("by_user", (x) => x.gt("user", "")) })`}}
	ev = evidence("dev", pair(object(opt("a", str())), object(req("user", str()), opt("n", num()))))
	ev.Progress["m:range"] = Progress{Deployed: true}
	refused, _ = Gate(Ask{Action: ActRun, Migration: "m:range", Env: ev, Target: target, Definitions: own})
	if codes(refused) != "not-widened" {
		t.Errorf("range: %+v", refused)
	}
}

// Beginning again runs every member again, whatever is done.
func TestAResetSeriesWantsItsDryRuns(t *testing.T) {
	target := newUsers()
	ev := evidence("prod", schema.WidenSchemas(oldUsers(), target))
	ev.Protected, ev.Armed = true, true
	for _, name := range []string{"migrations:setRole", "migrations:dropAdmin"} {
		ev = ev.with(name, Progress{State: "success", Done: true})
	}
	ask := Ask{Action: ActRun, Migration: "migrations:all", Env: ev, Target: target, Definitions: userDefs}
	if refused, _ := Gate(ask); len(refused) > 0 {
		t.Errorf("resumed: %+v", refused)
	}
	ask.Reset = true
	if refused, _ := Gate(ask); codes(refused) != "dry-run-missing dry-run-missing" {
		t.Errorf("reset: %+v", refused)
	}
}

// What an author calls a dry run may write: nothing rolls it back.
func TestADryRunOfOnesOwnIsAWrite(t *testing.T) {
	defs := []Definition{{Name: "m:byHand", Table: "users", OwnDryRun: true}}
	ev := evidence("prod", newUsers())
	ev.Protected = true
	ev.Progress["m:byHand"] = Progress{Deployed: true}
	ask := Ask{Action: ActDryRun, Migration: "m:byHand", Env: ev, Target: newUsers(), Definitions: defs}
	refused, warned := Gate(ask)
	if codes(refused) != "protected" || codes(warned) != "own-dry-run" {
		t.Errorf("refused %+v, warned %+v", refused, warned)
	}
	ask.Typed = "prod"
	if refused, _ := Gate(ask); len(refused) > 0 {
		t.Errorf("typed: %+v", refused)
	}
}

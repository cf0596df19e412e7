package plan

import (
	"slices"
	"testing"

	"strait/model/schema"
)

// A component's migration is of its own tables, whatever they are called: it
// covers no change of the target, is no part of the order, and says nothing of
// what the root's code uses.
func TestMigrationsOfComponents(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	inside := Definition{Name: "billing:migrations:setRole", Table: "users", Component: "billing", Driver: "component",
		Source: "(ctx, user) => { ctx.db.query('orders').withIndex('by_role'); return {role: 'admin', admin: undefined} }"}
	defs := append(slices.Clone(userDefs), inside, Definition{Name: "billing:migrations:all", Component: "billing", Runner: true, Series: []string{inside.Name}})
	at := func(env string, p Progress) Evidence {
		ev := counted(evidence(env, widened), census(target, 0))
		ev.DryRuns[inside.Name] = noon
		return ev.with(inside.Name, p).with("billing:migrations:all", Progress{})
	}

	in := Input{Target: target, Definitions: defs, Envs: []Evidence{at("dev", Progress{State: "success"}), at("prod", Progress{})}}
	without := in
	without.Definitions = userDefs
	p, q := Make(in), Make(without)
	last := p.Rows[len(p.Rows)-1]
	if last.Component != "billing" || last.Title != "setRole of component billing" || !slices.Equal(last.Migrations, []string{inside.Name}) || last.Table != "" {
		t.Errorf("its row: %+v", last)
	}
	if got := states(last.Cells[0]) + " " + states(last.Cells[1]); got != "done/done/done done/todo/done" {
		t.Errorf("its cells: %s", got)
	}
	if len(p.Rows) != len(q.Rows)+1 {
		t.Fatalf("%d rows, and %d without it", len(p.Rows), len(q.Rows))
	}
	for i, r := range q.Rows {
		if !slices.Equal(r.Migrations, p.Rows[i].Migrations) || states(r.Cells[1]) != states(p.Rows[i].Cells[1]) {
			t.Errorf("row %+v became %+v", r, p.Rows[i])
		}
	}
	a, b := NewReview(in, p), NewReview(without, q)
	if len(a.Order) != len(b.Order) || len(a.Hazards) != len(b.Hazards) || a.Merge.Allowed != b.Merge.Allowed {
		t.Errorf("order %v, hazards %v, merge %v; without it %v, %v, %v", a.Order, a.Hazards, a.Merge, b.Order, b.Hazards, b.Merge)
	}
	for i := range a.Order {
		if a.Order[i].State != b.Order[i].State || len(a.Order[i].Groups) != len(b.Order[i].Groups) {
			t.Errorf("stage %+v, without it %+v", a.Order[i], b.Order[i])
		}
	}

	unwidened := evidence("dev", oldUsers()).with(inside.Name, Progress{})
	for _, c := range []struct {
		title, want, warns string
		ask                Ask
	}{
		{"the root need not be widened for it", "", "dry-run-missing", Ask{Action: ActRun, Migration: inside.Name, Env: unwidened}},
		{"tried", "", "", Ask{Action: ActRun, Migration: inside.Name, Env: at("prod", Progress{})}},
		{"not done in the environment ahead", "order", "", Ask{Action: ActRun, Migration: inside.Name, Env: protected(at("prod", Progress{})), Before: []Evidence{at("dev", Progress{})}, Typed: "prod"}},
		{"for a reason", "", "order", Ask{Action: ActRun, Migration: inside.Name, Env: protected(at("prod", Progress{})), Before: []Evidence{at("dev", Progress{})}, Typed: "prod", Override: "it is dead"}},
		{"done in the environment ahead", "", "", Ask{Action: ActRun, Migration: inside.Name, Env: protected(at("prod", Progress{})), Before: []Evidence{at("dev", Progress{State: "success"})}, Typed: "prod"}},
		{"its series", "order", "", Ask{Action: ActRun, Migration: "billing:migrations:all", Env: protected(at("prod", Progress{})), Before: []Evidence{at("dev", Progress{})}, Typed: "prod"}},
		{"protected", "protected", "", Ask{Action: ActRun, Migration: inside.Name, Env: protected(at("prod", Progress{}))}},
		{"a root migration of a table that is called alike", "", "", Ask{Action: ActRun, Migration: "migrations:setRole", Env: func() Evidence {
			ev := at("dev", Progress{State: "inProgress"})
			ev.DryRuns["migrations:setRole"] = noon
			return ev
		}()}},
		{"a push while it runs", "running", "", Ask{Action: ActNarrow, Env: at("dev", Progress{State: "inProgress"})}},
	} {
		c.ask.Target, c.ask.Definitions = target, defs
		refusals, warnings := Gate(c.ask)
		if codes(refusals) != c.want || codes(warnings) != c.warns {
			t.Errorf("%s: refused %v, warned %v", c.title, refusals, warnings)
		}
	}
}

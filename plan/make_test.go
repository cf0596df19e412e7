package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strait/model/schema"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// oldUsers and newUsers are a required field added, with the field removed
// that it replaces.
func oldUsers() *schema.Schema { return users(req("name", str()), req("admin", boo())) }
func newUsers() *schema.Schema {
	return users(req("name", str()), req("role", union(lit("admin"), lit("member"))))
}

var userDefs = []Definition{
	{Name: "migrations:setRole", Table: "users", Driver: "component", Source: "(ctx, user) => ({role: user.admin ? 'admin' : 'member'})"},
	{Name: "migrations:dropAdmin", Table: "users", Driver: "component", Source: "() => ({admin: undefined})"},
	{Name: "migrations:sweepOrders", Table: "orders", Driver: "component", Source: "(ctx, o) => ctx.db.delete(o._id)"},
	{Name: "migrations:all", Runner: true, Series: []string{"migrations:setRole", "migrations:dropAdmin"}},
}

// evidence of a connected environment with 100 users and everything deployed.
func evidence(env string, active *schema.Schema) Evidence {
	ev := Evidence{Env: env, Now: noon, Reachable: true, Active: active, ActiveKnown: true, Embedded: true,
		Tables: map[string]int64{"users": 100}, Progress: map[string]Progress{}, DryRuns: map[string]time.Time{}}
	for _, d := range userDefs {
		ev.Progress[d.Name] = Progress{Deployed: true}
	}
	return ev
}

func (ev Evidence) with(name string, p Progress) Evidence {
	p.Deployed = true
	ev.Progress[name] = p
	return ev
}

func census(target *schema.Schema, offenders int64) *Census {
	c := &Census{Schema: target.Hash(), At: noon.Add(-3 * time.Minute), Full: true, Read: 100, Offenders: offenders, Tables: map[string]int64{"users": offenders}}
	if offenders > 0 {
		c.Groups = []Group{{Table: "users", Path: "users.role", Reason: "missing", Count: offenders}}
	}
	return c
}

func states(c Cell) string {
	return fmt.Sprintf("%s/%s/%s", c.Widen.State, c.Migrate.State, c.Narrow.State)
}

func TestRowsAndCells(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	in := Input{Target: target, Definitions: userDefs, Envs: []Evidence{
		evidence("dev", target),
		evidence("staging", widened).with("migrations:setRole", Progress{State: "inProgress", Processed: 40}),
		evidence("prod", oldUsers()),
	}}
	p := Make(in)
	var got []string
	for _, r := range p.Rows {
		var cells []string
		for _, c := range r.Cells {
			cells = append(cells, states(c))
		}
		got = append(got, fmt.Sprintf("%s %v %s", r.Title, r.Migrations, strings.Join(cells, " ")))
	}
	want := []string{
		"sweepOrders [migrations:sweepOrders] done/todo/done done/todo/done done/todo/done",
		"users.admin is removed [migrations:setRole migrations:dropAdmin] done/done/done done/running/blocked todo/blocked/blocked",
		"users.role becomes required [migrations:setRole] done/done/done done/running/blocked todo/blocked/blocked",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if p.Envs[2].Class != Destructive || p.Envs[2].Widened == nil {
		t.Errorf("prod: class %s", p.Envs[2].Class)
	}
}

func TestMigrateStep(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	both := func(ev Evidence, p Progress) Evidence {
		return ev.with("migrations:setRole", p).with("migrations:dropAdmin", p)
	}
	success := Progress{State: "success", Processed: 100, Done: true, Ended: noon.Add(-time.Minute)}
	other := users(req("x", num()))
	for _, c := range []struct {
		title string
		ev    Evidence
		state State
		text  string // part of why, evidence or next
	}{
		{"never started", evidence("e", widened), Todo, "run migrations:setRole"},
		{"not counted", both(evidence("e", widened), success), Todo, "not proof"},
		{"counted zero", counted(evidence("e", widened), census(target, 0)), Done, "counted 3m ago"},
		{"counted some", counted(both(evidence("e", widened), success), census(target, 7)), Todo, "7 documents misfit"},
		{"counted for another target", counted(evidence("e", widened), census(other, 0)), Todo, "another target"},
		{"stale", counted(evidence("e", widened), stale(census(target, 0))), Todo, "written since"},
		{"old", counted(evidence("e", widened), aged(census(target, 0))), Todo, "older than an hour"},
		{"sampled", counted(evidence("e", widened), sampled(census(target, 0))), Todo, "not full"},
		{"failed", evidence("e", widened).with("migrations:setRole", Progress{State: "failed", Processed: 12, Error: "boom\n  at x"}), Failed, "boom"},
		{"canceled", evidence("e", widened).with("migrations:setRole", Progress{State: "canceled", Processed: 12}), Todo, "12 documents"},
		{"not widened", evidence("e", oldUsers()), Blocked, "widen first"},
		{"enforced", evidence("e", target), Done, "enforces"},
		{"empty", func() Evidence { e := evidence("e", widened); e.Tables["users"] = 0; return e }(), Done, "no documents"},
		{"away", Evidence{Env: "e", Now: noon, Problem: "connection refused"}, Unknown, "connection refused"},
		{"schema unknown", Evidence{Env: "e", Now: noon, Reachable: true}, Unknown, "not known yet"},
	} {
		st := Make(Input{Target: target, Definitions: userDefs, Envs: []Evidence{c.ev}}).Envs[0].Migrate
		if st.State != c.state || !strings.Contains(st.Why+"|"+st.Evidence+"|"+st.Next, c.text) {
			t.Errorf("%s: got %+v, want %s with %q", c.title, st, c.state, c.text)
		}
	}
}

func counted(ev Evidence, c *Census) Evidence { ev.Census = c; return ev }
func stale(c *Census) *Census                 { c.Stale = true; return c }
func aged(c *Census) *Census                  { c.At = noon.Add(-2 * time.Hour); return c }
func sampled(c *Census) *Census               { c.Full = false; return c }

func codes(rs []Refusal) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Code)
	}
	return strings.Join(out, " ")
}

func TestGate(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	protected := func(ev Evidence) Evidence { ev.Protected = true; return ev }
	remote := func(ev Evidence) Evidence { ev.Embedded = false; return ev }
	tried := func(ev Evidence) Evidence { ev.DryRuns["migrations:setRole"] = noon; return ev }
	run := Ask{Action: ActRun, Migration: "migrations:setRole", Target: target, Definitions: userDefs}
	narrow := Ask{Action: ActNarrow, Target: target, Definitions: userDefs}
	ask := func(a Ask, ev Evidence, change ...func(*Ask)) Ask {
		a.Env = ev
		for _, f := range change {
			f(&a)
		}
		return a
	}
	for _, c := range []struct {
		title          string
		ask            Ask
		refused, warns string
	}{
		{"run without a dry run", ask(run, evidence("dev", widened)), "", "dry-run-missing"},
		{"run after a dry run", ask(run, tried(evidence("dev", widened))), "", ""},
		{"run after a dry run before the last push", ask(run, func() Evidence {
			e := tried(evidence("dev", widened))
			e.LastPush = noon.Add(time.Second)
			return e
		}()), "", "dry-run-missing"},
		{"run before widen", ask(run, tried(evidence("dev", oldUsers()))), "not-widened", ""},
		{"run a series before widen", ask(run, tried(evidence("dev", oldUsers())), func(a *Ask) { a.Migration = "migrations:all" }), "not-widened", "dry-run-missing"},
		{"run a series in prod, one member tried, one done", ask(run, protected(tried(evidence("prod", widened))).with("migrations:dropAdmin", Progress{State: "success", Done: true}), func(a *Ask) {
			a.Migration, a.Typed = "migrations:all", "prod"
		}), "", ""},
		{"run in prod what cannot be tried", ask(run, protected(evidence("prod", widened)), func(a *Ask) {
			a.Typed, a.Definitions = "prod", []Definition{{Name: "migrations:setRole", Table: "users", NoDryRun: true}}
		}), "", "no-dry-run"},
		{"run twice", ask(run, tried(evidence("dev", widened)).with("migrations:setRole", Progress{State: "inProgress"})), "running", ""},
		{"run beside another of its table", ask(run, tried(evidence("dev", widened)).with("migrations:dropAdmin", Progress{State: "inProgress"})), "", "table-busy"},
		{"run what is not there", ask(run, evidence("dev", widened), func(a *Ask) { a.Migration = "migrations:no" }), "unknown-migration", ""},
		{"run what is not deployed", ask(run, func() Evidence {
			e := evidence("dev", widened)
			e.Progress["migrations:setRole"] = Progress{}
			return e
		}()), "not-deployed", ""},
		{"run while away", ask(run, Evidence{Env: "dev", Problem: "gone"}), "unreachable", ""},
		{"run in prod", ask(run, protected(evidence("prod", widened))), "protected dry-run-missing", ""},
		{"run in prod, typed", ask(run, protected(tried(evidence("prod", widened))), func(a *Ask) { a.Typed = "prod" }), "", ""},
		{"run in prod, mistyped", ask(run, protected(tried(evidence("prod", widened))), func(a *Ask) { a.Typed = "pord" }), "typed-wrong", ""},
		{"run in prod, armed", ask(run, func() Evidence { e := protected(tried(evidence("prod", widened))); e.Armed = true; return e }()), "", ""},
		{"run in prod before staging is clean", ask(run, protected(tried(evidence("prod", widened))), func(a *Ask) {
			a.Typed, a.Before = "prod", []Evidence{evidence("staging", widened)}
		}), "order", ""},
		{"run in prod with a reason", ask(run, protected(tried(evidence("prod", widened))), func(a *Ask) {
			a.Typed, a.Override, a.Before = "prod", "incident 12", []Evidence{evidence("staging", widened)}
		}), "", "order"},
		{"run in prod after staging", ask(run, protected(tried(evidence("prod", widened))), func(a *Ask) {
			a.Typed, a.Before = "prod", []Evidence{counted(evidence("staging", widened), census(target, 0))}
		}), "", ""},
		{"dry run in prod", ask(run, protected(evidence("prod", oldUsers())), func(a *Ask) { a.Action = ActDryRun }), "", ""},
		{"cancel what does not run", ask(run, evidence("dev", widened), func(a *Ask) { a.Action = ActCancel }), "not-running", ""},
		{"cancel in prod", ask(run, protected(evidence("prod", widened)).with("migrations:setRole", Progress{State: "inProgress"}), func(a *Ask) { a.Action = ActCancel }), "", ""},
		{"narrow uncounted", ask(narrow, evidence("dev", widened)), "census-missing", ""},
		{"narrow stale", ask(narrow, counted(evidence("dev", widened), stale(census(target, 0)))), "census-stale", ""},
		{"narrow with offenders", ask(narrow, counted(evidence("dev", widened), census(target, 1))), "offenders", ""},
		{"narrow with a certificate", ask(narrow, counted(evidence("dev", widened), census(target, 0))), "", ""},
		{"narrow while one runs", ask(narrow, counted(evidence("dev", widened), census(target, 0)).with("migrations:setRole", Progress{State: "inProgress"})), "running", ""},
		{"narrow what is narrow", ask(narrow, evidence("dev", target)), "nothing-to-do", ""},
		{"narrow in the cloud", ask(narrow, remote(evidence("dev", widened))), "no-deploy-command", ""},
		{"narrow in prod", ask(narrow, protected(counted(evidence("prod", widened), census(target, 0)))), "protected", ""},
		{"widen", ask(narrow, evidence("dev", oldUsers()), func(a *Ask) { a.Action = ActWiden }), "", ""},
		{"widen twice", ask(narrow, evidence("dev", widened), func(a *Ask) { a.Action = ActWiden }), "nothing-to-do", ""},
		{"census in prod", ask(narrow, protected(evidence("prod", widened)), func(a *Ask) { a.Action = ActCensus }), "", ""},
		{"census without a target", ask(narrow, evidence("dev", widened), func(a *Ask) { a.Action, a.Target = ActCensus, nil }), "no-target", ""},
	} {
		refused, warned := Gate(c.ask)
		if codes(refused) != c.refused || codes(warned) != c.warns {
			t.Errorf("%s: refused %q, warned %q; want %q, %q", c.title, codes(refused), codes(warned), c.refused, c.warns)
		}
		for _, r := range refused {
			if r.Why == "" {
				t.Errorf("%s: %s gives no reason", c.title, r.Code)
			}
		}
	}
}

// deployment is the tiny reference of the model test: documents that fit or
// not, and which schema is deployed.
type deployment struct {
	stage string // old, widened, target
	docs  []bool // fits the target
	stale bool   // documents changed since the census
	last  *Census
}

// The gate must never let a narrow through that Convex would refuse, and must
// let it through once everything was done; the steps must say what is so.
func TestPassageModel(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	active := map[string]*schema.Schema{"old": oldUsers(), "widened": widened, "target": target}
	rapid.Check(t, func(t *rapid.T) {
		d := &deployment{stage: "old", docs: make([]bool, rapid.IntRange(0, 4).Draw(t, "documents"))}
		offenders := func() (n int64) {
			for _, fits := range d.docs {
				if !fits {
					n++
				}
			}
			return n
		}
		ev := func() Evidence {
			e := evidence("dev", active[d.stage])
			e.Tables["users"] = int64(len(d.docs))
			if d.last != nil {
				c := *d.last
				c.Stale = d.stale
				e.Census = &c
			}
			return e
		}
		t.Repeat(map[string]func(*rapid.T){
			"widen": func(t *rapid.T) {
				refused, _ := Gate(Ask{Action: ActWiden, Env: ev(), Target: target, Definitions: userDefs})
				if (len(refused) == 0) != (d.stage == "old") {
					t.Fatalf("widen at %s: %s", d.stage, codes(refused))
				}
				if len(refused) == 0 {
					d.stage = "widened"
				}
			},
			"migrate": func(t *rapid.T) {
				refused, _ := Gate(Ask{Action: ActRun, Migration: "migrations:setRole", Env: ev(), Target: target, Definitions: userDefs})
				if (len(refused) == 0) != (d.stage != "old") {
					t.Fatalf("run at %s: %s", d.stage, codes(refused))
				}
				if len(refused) == 0 && len(d.docs) > 0 {
					d.docs[rapid.IntRange(0, len(d.docs)-1).Draw(t, "document")] = true
					d.stale = true
				}
			},
			"write": func(t *rapid.T) { // an application that still writes the old shape
				if d.stage != "target" {
					d.docs = append(d.docs, d.stage == "widened" && rapid.Bool().Draw(t, "new shape"))
					d.stale = true
				}
			},
			"count": func(t *rapid.T) {
				d.last, d.stale = census(target, offenders()), false
			},
			"narrow": func(t *rapid.T) {
				refused, _ := Gate(Ask{Action: ActNarrow, Env: ev(), Target: target, Definitions: userDefs})
				if len(refused) > 0 {
					return
				}
				if offenders() > 0 {
					t.Fatalf("narrow was let through with %d offenders", offenders())
				}
				d.stage = "target"
			},
			"": func(t *rapid.T) {
				e := Make(Input{Target: target, Definitions: userDefs, Envs: []Evidence{ev()}}).Envs[0]
				if (e.Widen.State == Done) != (d.stage != "old") {
					t.Fatalf("at %s widen is %+v", d.stage, e.Widen)
				}
				if (e.Narrow.State == Done) != (d.stage == "target") {
					t.Fatalf("at %s narrow is %+v", d.stage, e.Narrow)
				}
				if e.Migrate.State == Done && offenders() > 0 {
					t.Fatalf("migrate is done with %d offenders: %+v", offenders(), e.Migrate)
				}
				proven := d.stage == "target" || len(d.docs) == 0 || d.last != nil && !d.stale && d.last.Offenders == 0
				if (e.Migrate.State == Done) != proven {
					t.Fatalf("proven is %v, migrate is %+v", proven, e.Migrate)
				}
			},
		})
	})
}

func TestRelatedPaths(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"users.profile", "users.profile.zip", true}, {"users.profile.zip", "users.profile", true},
		{"users.tags[]", "users.tags", true}, {"users.a", "users.ab", false}, {"", "users.a", true},
		{"users.a", "users.b", false}, {"users.scores{}", "users.scores{}.x", true},
	} {
		if got := related(c.a, c.b); got != c.want {
			t.Errorf("related(%q, %q) = %v", c.a, c.b, got)
		}
	}
}

func BenchmarkMake(b *testing.B) {
	active, target := wide(0), wide(0)
	copy(target.Tables[:5], wide(1).Tables[:5])
	in := Input{Target: target}
	for i := range 3 {
		e := evidence(fmt.Sprint("env", i), active)
		e.Compared = Compare(active, target)
		in.Envs = append(in.Envs, e)
	}
	for b.Loop() {
		Make(in)
	}
}

func TestALongProblemIsNotSaidOfEveryStep(t *testing.T) {
	long := "environment e: the schema is refused by Convex: " + strings.Repeat("Document with ID … does not match. ", 9)
	for want, ev := range map[string]Evidence{
		"the environment cannot be opened":  {Env: "e", Now: noon, Problem: long, Embedded: true},
		"the environment cannot be reached": {Env: "e", Now: noon, Problem: "it has no key\nhint: export KEY=…"},
	} {
		in := Input{Target: newUsers(), Definitions: userDefs, Envs: []Evidence{ev}}
		p := Make(in)
		e := p.Envs[0]
		steps := []Step{e.Widen, e.Migrate, e.Narrow}
		for _, st := range e.Progress {
			steps = append(steps, st)
		}
		for _, st := range NewReview(in, p).Order {
			steps = append(steps, Step{State: st.State, Why: st.Why})
		}
		if len(steps) < 7 {
			t.Errorf("only %d steps", len(steps))
		}
		for _, st := range steps {
			if st.State != Unknown || st.Why != want {
				t.Errorf("got %+v, want %s", st, want)
			}
		}
		if m := GateMerge(in); len(m.Missing) != 1 || !strings.HasPrefix(ev.Problem, m.Missing[0].Why) {
			t.Errorf("the gate does not say why: %+v", m)
		}
	}
}

// A row of one member of a union names it; one of several does not, and has the
// changes of all.
func TestRowsNameTheMember(t *testing.T) {
	status := func(left, here, away schema.Field) *schema.Schema {
		kind := func(name string, f schema.Field) *schema.Validator { return object(req("kind", lit(name)), f) }
		return users(req("status", union(kind("left", left), kind("here", here), kind("away", away))))
	}
	active := status(opt("ended", num()), opt("since", num()), opt("since", num()))
	target := status(req("ended", num()), req("since", num()), req("since", num()))
	p := Make(Input{Target: target, Envs: []Evidence{evidence("e", active)}})
	var got []string
	for _, r := range p.Rows {
		got = append(got, r.Title)
		for _, c := range r.Changes {
			got = append(got, c.Member)
		}
	}
	want := `users.status.ended (kind="left") becomes required, kind="left", users.status.since becomes required, kind="here", kind="away"`
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

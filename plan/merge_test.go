package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strait/model/schema"
	"strait/model/value"
)

func lackCodes(m Merge) string {
	var out []string
	for _, l := range m.Missing {
		out = append(out, l.Env+":"+l.Code)
	}
	return strings.Join(out, " ")
}

func TestMerge(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	clean := func(env string) Evidence { return counted(evidence(env, widened), census(target, 0)) }
	twice := schemaOf(table("users", object(), index("a", "x"), index("a", "y")))
	empty := func(ev Evidence) Evidence { ev.Tables["users"] = 0; return ev }
	for _, c := range []struct {
		title  string
		target *schema.Schema
		envs   []Evidence
		want   string
	}{
		{"clean everywhere", target, []Evidence{clean("dev"), protected(remote(clean("prod")))}, ""},
		{"narrow everywhere", target, []Evidence{evidence("dev", target)}, ""},
		{"nowhere looked", target, nil, ":no-environments"},
		{"no target", nil, []Evidence{clean("dev")}, ":no-target"},
		{"no target, and away", nil, []Evidence{{Env: "dev"}}, ":no-target dev:unreachable"},
		{"a target that Convex refuses", twice, []Evidence{empty(evidence("dev", nil))}, ":target-invalid"},
		{"never reached", target, []Evidence{clean("dev"), {Env: "prod", Problem: "401"}}, "prod:unreachable"},
		{"schema unknown", target, []Evidence{{Env: "dev", Reachable: true}}, "dev:schema-unknown"},
		{"old", target, []Evidence{evidence("dev", oldUsers())}, "dev:not-widened dev:census-missing"},
		{"old and empty", target, []Evidence{empty(evidence("dev", oldUsers()))}, "dev:not-widened"},
		{"widened and empty", target, []Evidence{empty(evidence("dev", widened))}, ""},
		{"what only adds needs no widening first", users(req("name", str()), req("admin", boo()), opt("age", num())), []Evidence{evidence("dev", oldUsers())}, ""},
		{"uncounted", target, []Evidence{evidence("dev", widened)}, "dev:census-missing"},
		{"stale", target, []Evidence{counted(evidence("dev", widened), stale(census(target, 0)))}, "dev:census-stale"},
		{"old census", target, []Evidence{counted(evidence("dev", widened), aged(census(target, 0)))}, "dev:census-stale"},
		{"sampled", target, []Evidence{counted(evidence("dev", widened), sampled(census(target, 0)))}, "dev:census-stale"},
		{"of another target", target, []Evidence{counted(evidence("dev", widened), census(widened, 0))}, "dev:census-stale"},
		{"offenders", target, []Evidence{clean("dev"), counted(evidence("prod", widened), census(target, 3))}, "prod:offenders"},
		{"running", target, []Evidence{clean("dev").with("migrations:setRole", Progress{State: "inProgress"})}, "dev:running"},
		{"running, and no longer defined", target, []Evidence{clean("dev").with("migrations:deletedSince", Progress{State: "inProgress"})}, "dev:running"},
		{"not known whether it runs", target, []Evidence{func() Evidence { e := clean("dev"); delete(e.Progress, "migrations:setRole"); return e }()}, "dev:status-unknown"},
		{"somebody's word", target, []Evidence{attested(evidence("dev", widened))}, "dev:census-missing"},
	} {
		m := GateMerge(Input{Target: c.target, Definitions: userDefs, Envs: c.envs})
		if got := lackCodes(m); got != c.want || m.Allowed != (c.want == "") {
			t.Errorf("%s: allowed %v, missing %q, want %q", c.title, m.Allowed, got, c.want)
		}
		for _, l := range m.Missing {
			if l.Why == "" || l.Hint == "" {
				t.Errorf("%s: %+v says too little", c.title, l)
			}
		}
	}
}

func attested(ev Evidence) Evidence {
	ev.Attested = map[string]Attestation{}
	for _, step := range []string{StepWiden, StepMigrate, StepNarrow} {
		ev.Attested[step] = Attestation{By: "kim", At: noon.Add(-time.Hour), Text: "done on the console"}
	}
	return ev
}

// world is what is so in one environment, whatever is known of it.
type world struct {
	active *schema.Schema
	docs   map[string][]value.Object
}

var everyID = schema.TablesOf(union(id("a"), id("b"), id("users")))

// anID is an id of a document of the table.
func anID(table string) (string, bool) {
	return value.NewID(everyID.Number(table), [14]byte{1}, 20000).String(), true
}

// accepted reports whether Convex would take a push of the target.
func (w world) accepted(target *schema.Schema) bool {
	for _, t := range target.Tables {
		for _, d := range w.docs[t.Name] {
			if target.Validation && !t.FitsDocument(d, everyID) {
				return false
			}
		}
	}
	return true
}

// genWorld draws a deployment: a schema, and documents that it accepts.
func genWorld(t *rapid.T, target *schema.Schema) world {
	w := world{active: genSchema().Draw(t, "active"), docs: map[string][]value.Object{}}
	switch rapid.IntRange(0, 5).Draw(t, "stage") {
	case 0, 1, 2:
		w.active = schema.WidenSchemas(w.active, target)
	case 3:
		w.active = target
	case 4:
		off := *w.active
		off.Validation = false
		w.active = &off
	}
	if rapid.IntRange(0, 9).Draw(t, "no schema") == 0 {
		w.active = nil
	}
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	for _, name := range []string{"a", "b", "users"} {
		shapes := []*schema.Validator{checked(w.active, name)}
		if shape := checked(target, name); shape != nil {
			shapes = append(shapes, shape)
		}
		for range rapid.IntRange(0, 3).Draw(t, "documents") {
			v, ok := schema.Edge(shapes[r.IntN(len(shapes))], r, anID)
			d, isObject := v.(value.Object)
			if ok && isObject && (shapes[0] == nil || shapes[0].Fits(d, everyID)) {
				w.docs[name] = append(w.docs[name], d)
			}
		}
	}
	return w
}

// evidence is what Strait would know of the world when it had looked well.
func (w world) evidence(env string, target *schema.Schema) Evidence {
	ev := evidence(env, w.active)
	ev.Tables = map[string]int64{}
	for name, docs := range w.docs {
		ev.Tables[name] = int64(len(docs))
	}
	c := &Census{Schema: target.Hash(), At: noon.Add(-time.Minute), Full: true, Tables: map[string]int64{}}
	cmp := Compare(w.active, target)
	for _, t := range target.Tables {
		if cmp.Enforced(t.Name) {
			continue
		}
		c.Tables[t.Name] = 0
		for _, d := range w.docs[t.Name] {
			c.Read++
			if target.Validation && !t.FitsDocument(d, everyID) {
				c.Tables[t.Name]++
				c.Offenders++
			}
		}
	}
	ev.Census = c
	return ev
}

// lossy draws what is left of the evidence when less is known, or when what is
// known speaks of another moment or another target.
func lossy(t *rapid.T, ev Evidence) Evidence {
	whole := ev.Census
	lie := func() *Census {
		return &Census{Schema: whole.Schema, At: whole.At, Full: true, Tables: map[string]int64{"a": 0, "b": 0, "users": 0}}
	}
	for range rapid.IntRange(0, 2).Draw(t, "losses") {
		switch rapid.IntRange(0, 12).Draw(t, "loss") {
		case 0:
			ev.Reachable, ev.Problem = false, "gone"
		case 1:
			ev.Active, ev.ActiveKnown = nil, false
		case 2:
			ev.Tables = nil
		case 3:
			ev.Census = nil
		case 4:
			c := *whole
			c.Tables = map[string]int64{}
			ev.Census = &c
		case 5:
			c := lie()
			c.Stale = true
			ev.Census = c
		case 6:
			c := lie()
			c.Full = false
			ev.Census = c
		case 7:
			c := lie()
			c.Schema = "another"
			ev.Census = c
		case 8:
			c := lie()
			c.At = noon.Add(-FreshFor - time.Second)
			ev.Census = c
		case 9:
			ev.Progress = map[string]Progress{}
		case 10:
			ev = attested(ev)
		case 11:
			ev.Progress = map[string]Progress{"migrations:setRole": {State: "success", Done: true, Deployed: true}}
		case 12:
			ev.DryRuns = nil
		}
	}
	return ev
}

// What the fleet gate lets through, Convex accepts in every environment; and
// what Convex would refuse nowhere is let through once it is all known.
func TestMergeNeverMeetsARefusedPush(t *testing.T) {
	allowed := 0
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Target: genSchema().Draw(t, "target"), Definitions: userDefs}
		if rapid.IntRange(0, 9).Draw(t, "off") == 0 {
			off := *in.Target
			off.Validation = false
			in.Target = &off
		}
		var worlds []world
		known := in
		for i := range rapid.IntRange(1, 3).Draw(t, "environments") {
			w := genWorld(t, in.Target)
			worlds = append(worlds, w)
			ev := w.evidence(fmt.Sprint("e", i), in.Target)
			known.Envs = append(known.Envs, ev)
			in.Envs = append(in.Envs, lossy(t, ev))
		}
		accepted := !slices.ContainsFunc(worlds, func(w world) bool { return !w.accepted(in.Target) })
		full, less := GateMerge(known), GateMerge(in)
		for _, m := range []Merge{full, less} {
			if m.Allowed && !accepted {
				t.Fatalf("allowed, and Convex refuses: %+v", worlds)
			}
			if m.Allowed {
				allowed++
			}
		}
		if accepted && !full.Allowed && strings.Trim(strings.ReplaceAll(lackCodes(full), ":not-widened", ""), " e012") != "" {
			t.Fatalf("all is known and fits, yet missing is %q", lackCodes(full))
		}
		// Less evidence gives no environment leave that it had not.
		for _, ev := range in.Envs {
			has := func(m Merge) bool {
				return slices.ContainsFunc(m.Missing, func(l Lack) bool { return l.Env == ev.Env })
			}
			if has(full) && !has(less) {
				t.Fatalf("%s lost its reasons %q with its evidence: %q", ev.Env, lackCodes(full), lackCodes(less))
			}
		}
		if less.Allowed && !full.Allowed {
			t.Fatalf("allowed with less evidence; with all %q", lackCodes(full))
		}
		// A further environment takes no reason away.
		more := in
		more.Envs = append(slices.Clone(in.Envs), lossy(t, genWorld(t, in.Target).evidence("another", in.Target)))
		if got := GateMerge(more).Missing; len(got) < len(less.Missing) || lackCodes(Merge{Missing: got[:len(less.Missing)]}) != lackCodes(less) {
			t.Fatalf("with one more: %+v, before %+v", got, less.Missing)
		}
	})
	if allowed == 0 {
		t.Error("nothing was ever allowed: the property says nothing")
	}
}

// The same for one environment: what narrow lets out, Convex accepts.
func TestNarrowNeverMeetsARefusedPush(t *testing.T) {
	allowed := 0
	rapid.Check(t, func(t *rapid.T) {
		target := genSchema().Draw(t, "target")
		w := genWorld(t, target)
		known := w.evidence("dev", target)
		if rapid.Bool().Draw(t, "protected") {
			known.Protected, known.Armed = true, true
		}
		ask := Ask{Action: ActNarrow, Env: lossy(t, known), Target: target, Definitions: userDefs}
		less, _ := Gate(ask)
		ask.Env = known
		full, _ := Gate(ask)
		if (len(less) == 0 || len(full) == 0) && !w.accepted(target) {
			t.Fatalf("let out, and Convex refuses: %+v", w)
		}
		if len(less) == 0 {
			allowed++
		}
		if len(less) == 0 && len(full) > 0 {
			t.Fatalf("let out with less evidence; with all: %s", codes(full))
		}
		if w.accepted(target) && len(full) > 0 && codes(full) != "nothing-to-do" {
			t.Fatalf("all is known and fits, yet refused for %s", codes(full))
		}
	})
	if allowed == 0 {
		t.Error("nothing was ever let out: the property says nothing")
	}
}

// One schema for every environment accepts what each has and what is to come.
func TestWidenedEverywhereAcceptsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := Input{Target: genSchema().Draw(t, "target")}
		var worlds []world
		for i := range rapid.IntRange(1, 3).Draw(t, "environments") {
			worlds = append(worlds, genWorld(t, in.Target))
			in.Envs = append(in.Envs, worlds[i].evidence(fmt.Sprint("e", i), in.Target))
		}
		w := widenedEverywhere(in)
		for i, x := range worlds {
			if !x.accepted(w) {
				t.Fatalf("a push of the widened schema is refused in e%d", i)
			}
		}
		for _, s := range append([]*schema.Schema{in.Target}, actives(in)...) {
			for _, table := range s.Tables {
				ok, witness, err := schema.AcceptsDocuments(checked(w, table.Name), table.Document)
				if s.Validation && err == nil && !ok {
					t.Fatalf("%s of %s is refused", value.Display(witness), table.Name)
				}
			}
		}
	})
	if widenedEverywhere(Input{Target: newUsers(), Envs: []Evidence{{Env: "dev"}}}) != nil || widenedEverywhere(Input{}) != nil {
		t.Error("nothing is known, yet there is a widened schema")
	}
}

func actives(in Input) (out []*schema.Schema) {
	for _, ev := range in.Envs {
		if ev.Active != nil {
			out = append(out, ev.Active)
		}
	}
	return out
}

// The way out that a problem tells is the hint, not part of the reason.
func TestUnreachableHint(t *testing.T) {
	m := GateMerge(Input{Target: newUsers(), Envs: []Evidence{{Env: "prod", Problem: "prod has no key\nhint: export KEY=…"}}})
	if len(m.Missing) != 1 || m.Missing[0].Why != "prod has no key" || m.Missing[0].Hint != "export KEY=…" {
		t.Errorf("%+v", m.Missing)
	}
}

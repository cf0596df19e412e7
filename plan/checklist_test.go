package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// genInput draws a fleet of which any part may be known, old or missing.
func genInput(t *rapid.T) Input {
	in := Input{Target: genSchema().Draw(t, "target")}
	tab := rapid.SampledFrom([]string{"", "a", "b", "users"})
	for i := range rapid.IntRange(0, 4).Draw(t, "definitions") {
		in.Definitions = append(in.Definitions, Definition{
			Name: fmt.Sprint("m:d", i), Table: tab.Draw(t, "table"), NoDryRun: rapid.Bool().Draw(t, "no dry run"),
			Source: rapid.SampledFrom([]string{"", "(ctx, d) => ({ f: d.g })", "() => ({ g: undefined })", `(ctx, d) => ctx.db.insert("b", { f: d.f })`}).Draw(t, "source"),
		})
	}
	if n := len(in.Definitions); n > 1 {
		in.Definitions = append(in.Definitions, Definition{Name: "m:all", Runner: true, Series: []string{"m:d1", "m:d0"}})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "environments") {
		ev := lossy(t, genWorld(t, in.Target).evidence(fmt.Sprint("e", i), in.Target))
		ev.Embedded, ev.Protected = rapid.Bool().Draw(t, "embedded"), rapid.Bool().Draw(t, "protected")
		for _, d := range in.Definitions {
			p := Progress{Deployed: rapid.Bool().Draw(t, "deployed"), Processed: rapid.Int64Range(0, 99).Draw(t, "processed")}
			p.State = rapid.SampledFrom([]string{"", "inProgress", "success", "failed", "failed", "canceled", "unknown"}).Draw(t, "state")
			p.Done = p.State == "success"
			if rapid.Bool().Draw(t, "started") {
				p.Started = noon.Add(-time.Hour)
			}
			if rapid.Bool().Draw(t, "ended") {
				p.Ended = noon.Add(-time.Minute)
			}
			ev.Progress[d.Name] = p
		}
		in.Envs = append(in.Envs, ev)
	}
	if rapid.IntRange(0, 19).Draw(t, "no target") == 0 {
		in.Target = nil
	}
	return in
}

// often checks a property of evidence, of which most draws are alike.
func often(t *testing.T, prop func(*rapid.T)) {
	t.Helper()
	for range 10 {
		rapid.Check(t, prop)
	}
}

// Every step says what it rests on and since when, why it is held up, and what
// would move it, whatever is known.
func TestEveryStepSaysWhatItRestsOn(t *testing.T) {
	seen := map[State]bool{}
	often(t, func(t *rapid.T) {
		in := genInput(t)
		p := Make(in)
		check := func(where string, st Step) {
			seen[st.State] = true
			held := st.State == Blocked || st.State == Failed || st.State == Unknown
			switch {
			case st.State == "":
				t.Fatalf("%s has no state", where)
			case st.Evidence != "" && (st.At.IsZero() || st.At.After(noon)):
				t.Fatalf("%s: evidence as of %v: %+v", where, st.At, st)
			case held && st.Why == "":
				t.Fatalf("%s is %s and does not say why: %+v", where, st.State, st)
			case st.State != Done && st.Next == "":
				t.Fatalf("%s is %s and nothing would move it: %+v", where, st.State, st)
			case st.State != Unknown && st.Evidence == "" && st.Why == "":
				t.Fatalf("%s is %s and says nothing: %+v", where, st.State, st)
			case st.State == Done && st.Next != "":
				t.Fatalf("%s is done, and next is %s", where, st.Next)
			}
		}
		for _, e := range p.Envs {
			check(e.Env+" widen", e.Widen)
			check(e.Env+" migrate", e.Migrate)
			check(e.Env+" narrow", e.Narrow)
			for name, st := range e.Progress {
				check(e.Env+" "+name, st)
			}
		}
		for _, r := range p.Rows {
			for i, c := range r.Cells {
				where := fmt.Sprintf("%s in %s: ", r.Title, in.Envs[i].Env)
				check(where+"widen", c.Widen)
				check(where+"migrate", c.Migrate)
				check(where+"narrow", c.Narrow)
			}
		}
		if again := Make(in); !reflect.DeepEqual(p.Envs, again.Envs) {
			t.Fatal("the same evidence gives another checklist")
		}
	})
	for _, s := range []State{Done, Todo, Running, Blocked, Failed, Unknown, ByHand} {
		if !seen[s] {
			t.Errorf("no step was ever %s: the property says nothing of it", s)
		}
	}
}

// Whatever is known, the order can be followed: stages wait for nothing in a
// circle, and while one is open there is one that does not wait.
func TestAnOrderCanBeFollowed(t *testing.T) {
	seen := map[State]bool{}
	often(t, func(t *rapid.T) {
		in := genInput(t)
		p := Make(in)
		stages := order(in, p)
		open, free := false, false
		for i, s := range stages {
			seen[s.State] = true
			if s.Number != i+1 || s.Title == "" || s.Env == "" {
				t.Fatalf("stage %d: %+v", i, s)
			}
			waits := false
			for _, n := range s.After {
				if n >= s.Number {
					t.Fatalf("stage %d waits for %d, which comes later", s.Number, n)
				}
				before := stages[n-1].State
				waits = waits || before != Done && before != ByHand
			}
			switch s.State {
			case Done, ByHand:
				continue
			case Blocked, Failed, Unknown:
				if s.Why == "" {
					t.Fatalf("%s is %s and does not say why", s.Title, s.State)
				}
			case Todo:
				if waits {
					t.Fatalf("%s is to do and waits for %v", s.Title, s.After)
				}
			}
			if s.Next == "" {
				t.Fatalf("%s is %s and has no command", s.Title, s.State)
			}
			open, free = true, free || !waits
		}
		if open && !free {
			t.Fatalf("everything waits:\n%s", told(stages))
		}
		for i, e := range p.Envs {
			j := slices.IndexFunc(stages, func(s Stage) bool { return s.Env == in.Envs[i].Env && s.Doing == DeployTarget })
			if in.Target != nil && stages[j].State == Done != (e.Narrow.State == Done) {
				t.Fatalf("the target of %s is %s, narrow is %s", e.Env, stages[j].State, e.Narrow.State)
			}
		}
		// A target that may be merged has its counts behind it.
		if GateMerge(in).Allowed {
			for _, s := range stages {
				if s.Doing == CountAll && s.State != Done {
					t.Fatalf("the target may be merged, and %s is %s", s.Title, s.State)
				}
			}
		}
	})
	for _, s := range []State{Done, Todo, Running, Blocked, Failed, Unknown} {
		if !seen[s] {
			t.Errorf("no stage was ever %s", s)
		}
	}
}

// An index that the target has under another name is gone with the widening:
// the step says so, and who may miss it.
func TestWidenSaysWhichIndexesGo(t *testing.T) {
	doc := object(opt("user", str()))
	active, target := schemaOf(table("orders", doc, index("by_user", "user"))), schemaOf(table("orders", object(opt("user", str()), opt("n", num())), index("by_owner", "user")))
	defs := []Definition{
		{Name: "m:range", Table: "orders", Source: `customRange: (q) => q.withIndex("by_user", (x) => x.gt("user", ""))`},
		{Name: "m:other", Table: "orders", Source: `(ctx, d) => ctx.db.query("orders").withIndex("by_owner")`},
	}
	st := Make(Input{Target: target, Definitions: defs, Envs: []Evidence{evidence("dev", active)}}).Envs[0].Widen
	if st.State != Todo || !strings.Contains(st.Evidence, `"by_user"`) || !strings.Contains(st.Evidence, "functions, range ask for it") {
		t.Errorf("%+v", st)
	}
	st = Make(Input{Target: target, Definitions: defs, Envs: []Evidence{evidence("dev", target)}}).Envs[0].Widen
	if st.State != Done || strings.Contains(st.Evidence, "by_user") {
		t.Errorf("once it is there: %+v", st)
	}
}

package fleet

import (
	"strings"
	"testing"
	"time"

	"strait/convex/wire"
	"strait/plan"
)

// A protected environment that is read-only again is written to no more than
// before: a run there can be paused and slowed down, and goes on only once the
// name was typed. Every change is in the journal.
func TestTuningAProtectedEnvironment(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "protected = true\n")
	ready(t, f, "only")
	name := "migrations:one"
	runIt(t, f, Command{Action: plan.ActDryRun, Migration: name})
	if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: name, Supervised: true, BatchSize: 10, Steps: 1, Typed: "only"}); err != nil {
		t.Fatal(err)
	}
	until(t, f, name, "a step is made", paused(10))
	tune(t, f, name, Tuning{Steps: set(1)})
	until(t, f, name, "one more is made while it is armed", paused(20))
	f.change(func() { f.envs[0].armedUntil = time.Time{} })
	for _, more := range []Tuning{{Paused: set(false)}, {Steps: set(1)}, {Batch: set(20)}, {Batch: set(0)}} {
		if code := refusedCode(t, f.Tune("only", name, more)); code != "protected" {
			t.Errorf("%+v: %s", more, code)
		}
	}
	if code := refusedCode(t, f.Tune("only", name, Tuning{Steps: set(1), Typed: "onyl"})); code != "typed-wrong" {
		t.Errorf("the wrong name: %s", code)
	}
	tune(t, f, name, Tuning{Batch: set(5)})
	tune(t, f, name, Tuning{Throttle: set(time.Minute), Paused: set(true)})
	if code := refusedCode(t, f.Tune("only", name, Tuning{Throttle: set(time.Second)})); code != "protected" {
		t.Errorf("a shorter rest: %s", code)
	}
	tune(t, f, name, Tuning{Steps: set(1), Throttle: set(time.Duration(0)), Typed: "only", By: "screen"})
	until(t, f, name, "it goes on once the name is typed", paused(25))
	tune(t, f, name, Tuning{Throttle: set(time.Hour), Paused: set(false)})
	if err := f.Disarm("only", "screen"); err != nil {
		t.Fatal(err)
	}
	until(t, f, name, "it pauses where nothing may be written", paused(25))
	if code := refusedCode(t, f.Tune("only", name, Tuning{Paused: set(false)})); code != "protected" {
		t.Errorf("read-only at once: %s", code)
	}
	tuned := 0
	if _, err := f.journal.read(func(x entry) {
		if x.Phase != "tuned" || x.Action == "disarm" {
			return
		}
		if tuned++; tuned == 4 && (x.Migration != name || !x.Typed || x.By != "screen" || x.Steps == nil || *x.Steps != 1 || x.Throttle != "0s" || x.Paused != nil || x.ID == "") {
			t.Errorf("recorded as %+v", x)
		}
	}); err != nil || tuned != 5 {
		t.Errorf("%d changes are in the journal: %v", tuned, err)
	}
}

// What the environment no longer holds a connection for ends, paused or not:
// it could neither go on nor be seen.
func TestARunWhoseConnectionIsGone(t *testing.T) {
	for _, x := range []struct{ file, name string }{{twoMembers, "migrations:both"}, {handWritten, "migrations:optionals"}} {
		f := own(t, map[string]string{"convex/migrations.ts": x.file}, "")
		ready(t, f, "only")
		if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: x.name, Supervised: true, BatchSize: 10, Steps: 1}); err != nil {
			t.Fatal(err)
		}
		until(t, f, x.name, "a step is made", paused(10))
		f.change(func() { f.envs[0].client = nil })
		r := until(t, f, x.name, "it ends", func(r Run) bool { return !r.active() })
		if r.State != "failed" || r.Control != nil || r.Failure == nil || !strings.Contains(r.Failure.Text, "ended for good") {
			t.Errorf("%s: %+v %+v", x.name, r, r.Failure)
		}
	}
}

// A series whose very first batch dies as a whole has failed: it does not stay
// "starting" for ever.
func TestASupervisedSeriesDiesAtOnce(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers + `
export const series = migrations.runner([internal.migrations.greedy, internal.migrations.one]);`}, "")
	ready(t, f, "only")
	a := &action{f: f, e: f.envs[0], c: Command{Action: plan.ActRun, Env: "only", Migration: "migrations:series", Supervised: true}, ctx: t.Context(), client: f.envs[0].client}
	a.migration, _ = f.migration("migrations:series")
	f.change(a.mark)
	err := a.stepFailed(&stepper{name: "migrations:greedy", first: true}, &wire.FunctionError{Message: "Too many reads"})
	if err == nil {
		t.Fatal("no error")
	}
	if r := f.Now().Envs[0].Runs["migrations:series"]; r.active() || r.State != "failed" || r.Control != nil {
		t.Errorf("got %+v", r)
	}
}

// Run ends a supervised run where it would pause: nobody is there to go on.
func TestRunEndsAfterItsSteps(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "")
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: "one", Supervised: true, BatchSize: 10, Steps: 2})
	if out.Status != "stopped" || out.Processed != 20 {
		t.Fatalf("two steps: %+v %+v", out, out.Failure)
	}
	out = runIt(t, f, Command{Action: plan.ActRun, Migration: "one", Supervised: true, BatchSize: 100, Steps: 1})
	if out.Status != "success" && out.Status != "stopped" || out.Processed != 120 {
		t.Fatalf("the last one: %+v %+v", out, out.Failure)
	}
}

// A start that is canceled before it went out is not sent after all.
func TestAStartIsCanceledBeforeItIsSent(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "")
	ready(t, f, "only")
	a, err := f.begin(Command{Action: plan.ActRun, Env: "only", Migration: "migrations:one"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only", Migration: "migrations:one"}); err != nil {
		t.Fatal(err)
	}
	<-a.ctx.Done()
	a.perform()
	if r := f.Now().Envs[0].Runs["migrations:one"]; r.State != "" || r.Processed != 0 {
		t.Errorf("got %+v", r)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: "migrations:one"}); out.Status != "success" {
		t.Errorf("then started: %+v", out)
	}
}

// What a batch took is without the rest before it; what is left counts the
// rests to come, and nothing is left to wait for while it stands.
func TestRestsAndPausesInRateAndEstimate(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tr := &tracker{driver: newDriver(Command{})}
	tr.driver.at = "m:one"
	now := start
	for i := range 4 {
		now = now.Add(time.Minute)
		tr.mark, tr.asked = now, time.Time{}
		now = now.Add(time.Second)
		tr.observe(wire.MigrationStatus{Name: "m:one", State: "unknown", Processed: int64(100 * (i + 1)), LatestStart: start}, now)
	}
	for _, b := range tr.run.Batches {
		if b.Took != time.Second || b.Documents != 100 {
			t.Errorf("a batch of %d took %v", b.Documents, b.Took)
		}
	}
	r := tr.run
	r.Total = 1000
	r.Control = &Control{Steps: -1, Throttle: 3 * time.Second}
	if r.Rate = rate(r.Batches[2:], r.rest(), now.Add(-time.Minute)); r.Rate != 25 {
		t.Errorf("%v a second with its rests", r.Rate)
	}
	if got := estimate(r); got != 24*time.Second {
		t.Errorf("%v left", got)
	}
	for _, c := range []Control{{Paused: true, Steps: 0}, {Paused: true, Steps: -1}, {Steps: 2}} {
		if r.Control = &c; estimate(r) != 0 {
			t.Errorf("%+v: an estimate of what does not come", c)
		}
	}
}

// What is said of an action whose environment is lost promises nothing.
func TestTheFateOfWhatIsLost(t *testing.T) {
	for act, want := range map[plan.Action]string{
		plan.ActCensus: "nothing was written", plan.ActDryRun: "nothing was written",
		plan.ActWiden: "may be deployed", plan.ActNarrow: "may be deployed", plan.ActCancelAll: "may run on",
	} {
		w := &watcher{a: &action{c: Command{Action: act}}}
		if got := w.fate(); !strings.Contains(got, want) {
			t.Errorf("%s: %q", act, got)
		}
	}
}

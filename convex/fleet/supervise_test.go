package fleet

import (
	"strings"
	"testing"
	"time"

	"strait/plan"
)

func tune(t *testing.T, f *Fleet, migration string, x Tuning) {
	t.Helper()
	if err := f.Tune("only", migration, x); err != nil {
		t.Fatal(err)
	}
}

func set[T any](v T) *T { return &v }

// until waits for a run to hold what is asked.
func until(t *testing.T, f *Fleet, name string, what string, cond func(Run) bool) Run {
	t.Helper()
	var r Run
	if err := f.wait(within(t), func() bool { r = f.envs[0].show(name); return cond(r) }); err != nil {
		t.Fatalf("waiting until %s: %v; it is %+v %+v %+v", what, err, r, r.Control, r.Failure)
	}
	return r
}

func paused(processed int64) func(Run) bool {
	return func(r Run) bool {
		return r.Processed == processed && r.Control != nil && r.Control.Paused && !r.Control.InBatch
	}
}

// The same controls for a hand-written migration and for the component's.
func TestPauseStepAndBatchSizeOfPages(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": handWritten}, "")
	ready(t, f, "only")
	controls(t, f, "migrations:optionals")
	if code := refusedCode(t, f.Tune("only", "optionals", Tuning{Paused: set(true)})); code != "not-supervised" {
		t.Errorf("after its end: %s", code)
	}
}

// controls takes a migration of 120 documents through all that can be set.
func controls(t *testing.T, f *Fleet, name string) {
	t.Helper()
	run := Command{Action: plan.ActRun, Env: "only", Migration: name, Supervised: true, BatchSize: 10, Steps: 2}
	if err := f.Do(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	r := until(t, f, name, "two steps are made", paused(20))
	if r.State != "inProgress" || r.BatchCount != 2 || r.Control.Steps != 0 || r.Control.Batch != 10 {
		t.Errorf("after two steps: %+v %+v", r, r.Control)
	}
	if code := refusedCode(t, f.Do(t.Context(), run)); code != "running" {
		t.Errorf("a second start: %s", code)
	}
	tune(t, f, name, Tuning{Steps: set(1), Batch: set(25)})
	r = until(t, f, name, "a larger batch is made", paused(45))
	if last := r.Batches[len(r.Batches)-1]; last.Documents != 25 {
		t.Errorf("the third batch: %+v", last)
	}
	for _, bad := range []Tuning{{Steps: set(0)}, {Batch: set(-1)}, {Throttle: set(-time.Second)}} {
		refusedCode(t, f.Tune("only", name, bad))
	}
	// A throttle that nobody waits for, so that what follows proves that it
	// can be taken away.
	tune(t, f, name, Tuning{Throttle: set(time.Hour), Paused: set(false)})
	r = until(t, f, name, "it rests", func(r Run) bool { return r.Control != nil && !r.Control.Paused && r.Control.Steps == -1 })
	tune(t, f, name, Tuning{Throttle: set(time.Duration(0)), Steps: set(1)})
	until(t, f, name, "it goes on without a rest", paused(70))
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only", Migration: name}); err != nil {
		t.Fatal(err)
	}
	r = until(t, f, name, "it is canceled", func(r Run) bool { return !r.active() })
	if r.State != "canceled" || r.Control != nil || r.Processed != 70 {
		t.Errorf("canceled: %+v %+v", r, r.Control)
	}
	run.Steps, run.BatchSize = 0, 30
	out, err := f.Run(within(t), run, nil)
	if err != nil || out.Status != "success" || out.Processed != 120 {
		t.Fatalf("resumed: %+v %v %+v", out, err, out.Failure)
	}
	if r := f.Now().Envs[0].Runs[name]; r.BatchCount != 6 || r.Control != nil {
		t.Errorf("%d batches, control %+v", r.BatchCount, r.Control)
	}
}

const twoMembers = define + `
import { internal } from "./_generated/api";
export const one = migrations.define({ table: "items", batchSize: 50, migrateOne: () => ({ done: true }) });
export const two = migrations.define({ table: "items", batchSize: 50, migrateOne: () => ({ done: false }) });
export const boom = migrations.define({ table: "items", batchSize: 50, migrateOne: async (ctx, doc) => {
  if (doc.n === -1) throw new Error("not again");
  return { n: -1 };
} });
export const greedy = migrations.define({ table: "items", batchSize: 50, migrateOne: async (ctx, doc) => {
  for (let i = 0; i < 90; i++) await ctx.db.query("items").first();
} });
export const both = migrations.runner([internal.migrations.one, internal.migrations.two]);
export const run = migrations.runner();`

func TestPauseStepAndBatchSizeOfTheComponent(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "")
	ready(t, f, "only")
	controls(t, f, "migrations:one")
}

// A series is driven member by member under one control.
func TestASupervisedSeries(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "")
	ready(t, f, "only")
	name := "migrations:both"
	if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: name, Supervised: true, Steps: 4}); err != nil {
		t.Fatal(err)
	}
	until(t, f, name, "its second member has begun", paused(170))
	s := f.Now().Envs[0].Runs
	if one, two := s["migrations:one"], s["migrations:two"]; one.State != "success" || two.State != "inProgress" || two.Control == nil || two.Processed != 50 {
		t.Errorf("one %+v, two %+v", one, two)
	}
	tune(t, f, name, Tuning{Batch: set(10), Steps: set(1)})
	until(t, f, name, "a smaller batch is made", paused(180))
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only", Migration: name}); err != nil {
		t.Fatal(err)
	}
	r := until(t, f, name, "it is canceled", func(r Run) bool { return !r.active() })
	if r.State != "canceled" || r.Control != nil {
		t.Errorf("%+v", r)
	}
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: name, Supervised: true})
	if out.Status != "success" || out.Processed != 240 {
		t.Errorf("gone on: %+v %+v", out, out.Failure)
	}
	if out := runIt(t, f, Command{Action: plan.ActRun, Migration: name, Supervised: true, Reset: true}); out.Status != "success" || out.Processed != 240 {
		t.Errorf("again: %+v %+v", out, out.Failure)
	}
	if r := f.Now().Envs[0].Runs["migrations:two"]; r.BatchCount != 3 {
		t.Errorf("again, the second member took %d batches", r.BatchCount)
	}
}

func TestASupervisedRunThatFails(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of reads to meet Convex's limit take the race detector too long")
	}
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "")
	ready(t, f, "only")
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: "greedy", Supervised: true, BatchSize: 10})
	if out.Status != "success" || out.Processed != 120 {
		t.Fatalf("got %+v %+v", out, out.Failure)
	}
	out = runIt(t, f, Command{Action: plan.ActRun, Migration: "greedy", Supervised: true, Reset: true})
	if out.Status != "failed" || out.Failure == nil || !strings.Contains(out.Failure.Text, "Too many") {
		t.Fatalf("a batch that dies as a whole: %+v %+v", out, out.Failure)
	}
	out = runIt(t, f, Command{Action: plan.ActRun, Migration: "boom", Supervised: true})
	if out.Status != "success" {
		t.Fatalf("got %+v %+v", out, out.Failure)
	}
	out = runIt(t, f, Command{Action: plan.ActRun, Migration: "boom", Supervised: true, Reset: true})
	if out.Status != "failed" || out.Failure.Summary != "not again" || out.Failure.Document == "" || out.Failure.Body == nil {
		t.Fatalf("got %+v %+v", out, out.Failure)
	}
	if r := f.Now().Envs[0].Runs["migrations:boom"]; r.Control != nil || r.State != "failed" {
		t.Errorf("%+v", r)
	}
}

package fleet

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"strait/convex/local"
	"strait/model/value"
	"strait/plan"
)

// demo opens the demo project's fleet on a copy, so that its journal stays out
// of the repository.
func demo(t *testing.T, envs ...string) *Fleet {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "testdata", "demo"))); err != nil {
		t.Fatal(err)
	}
	f := Open(t.Context(), Options{Dir: dir, Envs: envs})
	t.Cleanup(func() { f.Close() })
	return f
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ready waits until the environments are open and gives the snapshot.
func ready(t *testing.T, f *Fleet, envs ...string) *Snapshot {
	t.Helper()
	for _, e := range envs {
		if err := f.Ready(within(t), e); err != nil {
			t.Fatal(err)
		}
	}
	return f.Now()
}

func refusedCode(t *testing.T, err error) string {
	t.Helper()
	var r *Refused
	if !errors.As(err, &r) {
		t.Fatalf("want a refusal, got %v", err)
	}
	return r.Reasons[0].Code
}

func TestDemoOpens(t *testing.T) {
	f := demo(t)
	if s := f.Snapshot(); !s.Loading {
		t.Error("the first snapshot must not wait for the project")
	}
	start := time.Now()
	s := ready(t, f, "dev", "staging", "prod")
	t.Logf("opened in %v, loaded in %v", time.Since(start), s.Project.LoadTime)
	for _, e := range s.Envs {
		t.Logf("%s: %s %d documents", e.Name, e.State, e.Documents)
		for name, r := range e.Runs {
			if r.State != "" {
				t.Logf("  %s %s %d/%d", name, r.State, r.Processed, r.Total)
			}
		}
	}
	for _, r := range s.Plan.Rows {
		t.Logf("%-45s %v", r.Title, r.Migrations)
		for _, c := range r.Cells {
			t.Logf("    %s/%s/%s   %s | %s | %s", c.Widen.State, c.Migrate.State, c.Narrow.State, c.Migrate.Why, c.Migrate.Evidence, c.Migrate.Next)
		}
	}
	for _, e := range s.Plan.Envs {
		t.Logf("%s: %+v\n%+v\n%+v", e.Env, e.Widen, e.Migrate, e.Narrow)
	}

}

func TestRunToTheEnd(t *testing.T) {
	f := demo(t, "staging")
	var batches []Event
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: "dropAvatarUrl", By: "cli"}, func(e Event) {
		if e.Kind == "batch" {
			batches = append(batches, e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != "success" || out.Processed != 2000 {
		t.Fatalf("got %+v", out)
	}
	var docs int64
	for i, b := range batches {
		docs += b.Batch.Documents
		if b.Migration != "migrations:dropAvatarUrl" || b.Processed != docs || b.Total != 2000 {
			t.Errorf("batch %d: %+v", i, b)
		}
	}
	if docs != 2000 {
		t.Errorf("%d batches tell of %d documents", len(batches), docs)
	}
	s := f.Now()
	if r := s.Envs[0].Runs["migrations:dropAvatarUrl"]; r.State != "success" || !r.Mine || r.Processed != 2000 {
		t.Errorf("snapshot: %+v", r)
	}
	again, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: "dropAvatarUrl"}, nil)
	if err != nil || again.Status != "success" {
		t.Errorf("again: %+v %v", again, err)
	}
}

func TestDryRunShowsExamplesAndCommitsNothing(t *testing.T) {
	f := demo(t, "staging")
	out, err := f.Run(within(t), Command{Action: plan.ActDryRun, Env: "staging", Migration: "migrations/orders:codeToText"}, nil)
	if err != nil || out.Status != "success" {
		t.Fatalf("%+v %v", out, err)
	}
	d := out.DryRun
	if len(d.Examples) == 0 || d.Processed != 100 {
		t.Fatalf("got %+v", d)
	}
	for _, x := range d.Examples {
		if x.Text != "" || x.ID == "" {
			t.Fatalf("example could not be read: %q", x.Text)
		}
		before, _ := x.Before.(value.Object).Get("code")
		after, _ := x.After.(value.Object).Get("code")
		if _, ok := before.(float64); !ok {
			t.Errorf("before: %v", before)
		}
		if _, ok := after.(string); !ok {
			t.Errorf("after: %v", after)
		}
	}
	if r := f.Now().Envs[0].Runs["migrations/orders:codeToText"]; r.State != "" || r.Processed != 0 {
		t.Errorf("the dry run left %+v", r)
	}
	if _, warnings := f.Check(Command{Action: plan.ActRun, Env: "staging", Migration: "migrations/orders:codeToText"}); len(warnings) > 0 {
		t.Errorf("after the dry run: %+v", warnings)
	}
}

func TestCancelThenResume(t *testing.T) {
	f := demo(t, "staging")
	ready(t, f, "staging")
	run := Command{Action: plan.ActRun, Env: "staging", Migration: "migrations:dropAvatarUrl", BatchSize: 5}
	if err := f.Do(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	if code := refusedCode(t, f.Do(t.Context(), run)); code != "running" {
		t.Errorf("second start: %s", code)
	}
	name := "migrations:dropAvatarUrl"
	of := func() Run { return f.Now().Envs[0].Runs[name] }
	if err := f.wait(within(t), func() bool { return f.envs[0].runs[name].run.Processed >= 20 }); err != nil {
		t.Fatal(err)
	}
	out, err := f.Run(within(t), Command{Action: plan.ActCancel, Env: "staging", Migration: name}, nil)
	if err != nil || out.Status != "success" {
		t.Fatalf("%+v %v", out, err)
	}
	r := of()
	if r.State != "canceled" || r.Processed < 20 || r.Processed >= 2000 || r.Processed%5 != 0 {
		t.Fatalf("got %+v", r)
	}
	resumed, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: name, BatchSize: 500}, nil)
	if err != nil || resumed.Status != "success" || resumed.Processed != 2000 {
		t.Fatalf("resumed: %+v %v", resumed, err)
	}
}

func TestFailureNamesTheDocument(t *testing.T) {
	f := demo(t, "staging")
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: "addCustomerName"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != "failed" || out.Failure == nil {
		t.Fatalf("got %+v", out)
	}
	x := out.Failure
	if x.Document == "" || x.Table != "orders" || x.Body == nil || x.Frame == "" || x.Summary == "" {
		t.Fatalf("got %+v", x)
	}
	if code, _ := x.Body.Get("code"); code != "K7QM2X9A" {
		t.Errorf("the wrong document: %v", code)
	}
	cell := f.Now().Plan
	i := slices.IndexFunc(cell.Rows, func(r plan.Row) bool { return r.Path == "orders.customerName" })
	if st := cell.Rows[i].Cells[0].Migrate; st.State != plan.Failed {
		t.Errorf("its step is %+v", st)
	}
}

func TestSeries(t *testing.T) {
	f := demo(t, "staging")
	seen := map[string]int64{}
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: "migrations:runPartOne", BatchSize: 500}, func(e Event) {
		if e.Kind == "batch" {
			seen[e.Migration] += e.Batch.Documents
		}
	})
	if err != nil || out.Status != "success" {
		t.Fatalf("%+v %v", out, err)
	}
	want := map[string]int64{"migrations:dropAvatarUrl": 2000, "migrations:movePreferences": 1600, "migrations:removeOrphanSessions": 500}
	if !maps.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestPagedByHand(t *testing.T) {
	f := demo(t, "staging")
	cmd := Command{Action: plan.ActDryRun, Env: "staging", Migration: "embeddings:backfillModel"}
	if out, err := f.Run(within(t), cmd, nil); err != nil || out.Status != "success" || out.DryRun.Processed != 100 {
		t.Fatalf("dry run: %+v %v", out, err)
	}
	cmd.Action = plan.ActRun
	n := 0
	out, err := f.Run(within(t), cmd, func(e Event) {
		if e.Kind == "batch" {
			n++
		}
	})
	if err != nil || out.Status != "success" || out.Processed != 300 || n < 3 {
		t.Fatalf("%d batches, %+v %v", n, out, err)
	}
}

func TestCensusWidenNarrow(t *testing.T) {
	f := demo(t, "staging")
	ready(t, f, "staging")
	do := func(a plan.Action, migration string) Outcome {
		t.Helper()
		out, err := f.Run(within(t), Command{Action: a, Env: "staging", Migration: migration, BatchSize: 500}, nil)
		if err != nil {
			t.Fatalf("%s %s: %v", a, migration, err)
		}
		return out
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActNarrow, Env: "staging"})); code != "census-missing" {
		t.Errorf("narrow uncounted: %s", code)
	}
	first := do(plan.ActCensus, "").Census
	if first == nil || first.Offenders == 0 || !first.Full || first.Stale {
		t.Fatalf("census: %+v", first)
	}
	for _, g := range first.Groups {
		if g.Count == 0 || len(g.Samples) == 0 || len(g.Samples) > 5 || g.Samples[0].Document == nil {
			t.Errorf("group %+v", g)
		}
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActNarrow, Env: "staging"})); code != "offenders" {
		t.Errorf("narrow with offenders: %s", code)
	}
	do(plan.ActRun, "migrations:runPartOne")
	if c := f.Now().Envs[0].Census; c == nil || !c.Stale {
		t.Error("a run must make the census stale")
	}
	do(plan.ActRun, "codeToText")
	do(plan.ActRun, "retireCarts")
	do(plan.ActRun, "embeddings:backfillModel")
	if out := do(plan.ActRun, "addCustomerName"); out.Status != "failed" {
		t.Fatalf("addCustomerName: %+v", out)
	}
	second := do(plan.ActCensus, "").Census
	if second.Offenders == 0 || len(second.Groups) != 1 || second.Groups[0].Path != "orders.customerName" {
		t.Fatalf("census after the migrations: %+v", second)
	}
	// Convex itself says the same when it is asked without the gate.
	e := f.envs[0]
	var push *local.PushError
	if err := e.embed.PushSchema(t.Context(), f.project.Schema); !errors.As(err, &push) || push.Table != "orders" {
		t.Fatalf("the push of the target: %v", err)
	}
}

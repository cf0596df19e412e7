package fleet

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
	"strait/model/value"
	"strait/plan"
)

// small are the demo's environments with few documents.
const small = `target = "convex/schema.ts"
[[env]]
name = "dev"
generate = { teams = 3, users = 20, products = 6, orders = 15, sessions = 8, embeddings = 6 }
documents = "schemas/before.ts"
ran = ["*"]
schema = "target"
[[env]]
name = "staging"
generate = { teams = 10, users = 400, products = 50, orders = 240, sessions = 90, embeddings = 60 }
documents = "schemas/before.ts"
overlay = "fixtures/staging.jsonl"
schema = "widened"
ran = ["migrations:setTeamPlan", "listingToEnum", "migrations:movePreferences@2"]
[[env]]
name = "prod"
generate = { teams = 40, users = 300, products = 50, orders = 200, sessions = 50, embeddings = 40 }
documents = "schemas/before.ts"
schema = "schemas/before.ts"
protected = true
`

// project copies the demo project, so that its journal stays out of the
// repository; config takes the place of its strait.toml unless it is empty.
func copyDemo(t *testing.T, config string) string {
	t.Helper()
	dir, from := t.TempDir(), filepath.Join("..", "..", "testdata", "demo")
	for _, part := range []string{"convex", "schemas", "fixtures"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(from, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"package.json", "strait.toml"} {
		text, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			t.Fatal(err)
		}
		if file == "strait.toml" && config != "" {
			text = []byte(config)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// demo opens the demo project's fleet, with few documents.
func demo(t *testing.T, envs ...string) *Fleet {
	t.Helper()
	f := Open(t.Context(), Options{Dir: copyDemo(t, small), Envs: envs})
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

// The demo as it ships, but for the documents of its largest tables: dev is finished, staging
// is half way, prod has not begun.
func TestDemoShowsEveryState(t *testing.T) {
	slow(t)
	config, err := os.ReadFile(filepath.Join("..", "..", "testdata", "demo", "strait.toml"))
	if err != nil {
		t.Fatal(err)
	}
	f := Open(t.Context(), Options{Dir: copyDemo(t, thousand.ReplaceAllString(string(config), "${1}0"))})
	defer f.Close()
	if s := f.Snapshot(); !s.Loading {
		t.Error("the first snapshot must not wait for the project")
	}
	s := ready(t, f, "dev", "staging", "prod")
	dev, staging, prod := s.Plan.Envs[0], s.Plan.Envs[1], s.Plan.Envs[2]
	if dev.Narrow.State != plan.Done || dev.Class != plan.Safe || len(dev.Changes) > 0 {
		t.Errorf("dev: %+v", dev)
	}
	if staging.Widen.State != plan.Done || staging.Migrate.State == plan.Done || staging.Narrow.State != plan.Blocked {
		t.Errorf("staging: %+v %+v %+v", staging.Widen, staging.Migrate, staging.Narrow)
	}
	if prod.Widen.State != plan.Todo || prod.Migrate.State != plan.Blocked || prod.Class != plan.Destructive {
		t.Errorf("prod: %+v %+v", prod.Widen, prod.Migrate)
	}
	for _, r := range s.Plan.Rows {
		if len(r.Migrations) == 0 || len(r.Cells) != 3 {
			t.Errorf("row %s: migrations %v, %d cells", r.Title, r.Migrations, len(r.Cells))
		}
	}
	if r := s.Envs[1].Runs["migrations:movePreferences"]; r.State != "canceled" || r.Processed == 0 || r.Processed >= r.Total {
		t.Errorf("staging's half run: %+v", r)
	}
}

var thousand = regexp.MustCompile(`(\d\d)000\b`)

func TestRunToTheEnd(t *testing.T) {
	f := demo(t, "staging")
	var batches []Event
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: "dropAvatarUrl", BatchSize: 50, By: "cli"}, func(e Event) {
		if e.Kind == "batch" {
			batches = append(batches, e)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != "success" || out.Processed != 400 {
		t.Fatalf("got %+v", out)
	}
	var docs int64
	for i, b := range batches {
		docs += b.Batch.Documents
		if b.Migration != "migrations:dropAvatarUrl" || b.Processed != docs || b.Total != 400 {
			t.Errorf("batch %d: %+v", i, b)
		}
	}
	if docs != 400 {
		t.Errorf("%d batches tell of %d documents", len(batches), docs)
	}
	s := f.Now()
	if r := s.Envs[0].Runs["migrations:dropAvatarUrl"]; r.State != "success" || !r.Mine || r.Processed != 400 {
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
	if r.State != "canceled" || r.Processed < 20 || r.Processed >= 400 || r.Processed%5 != 0 {
		t.Fatalf("got %+v", r)
	}
	resumed, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "staging", Migration: name, BatchSize: 500}, nil)
	if err != nil || resumed.Status != "success" || resumed.Processed != 400 {
		t.Fatalf("resumed: %+v %v", resumed, err)
	}
}

func TestFailureNamesTheDocument(t *testing.T) {
	slow(t)
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
	want := map[string]int64{"migrations:dropAvatarUrl": 400, "migrations:movePreferences": 200, "migrations:removeOrphanSessions": 90}
	if !maps.Equal(seen, want) {
		t.Errorf("got %v, want %v", seen, want)
	}
}

func TestPagedByHand(t *testing.T) {
	f := demo(t, "staging")
	cmd := Command{Action: plan.ActDryRun, Env: "staging", Migration: "embeddings:backfillModel"}
	if out, err := f.Run(within(t), cmd, nil); err != nil || out.Status != "success" || out.DryRun.Processed != 60 {
		t.Fatalf("dry run: %+v %v", out, err)
	}
	cmd.Action, cmd.BatchSize = plan.ActRun, 20
	n := 0
	out, err := f.Run(within(t), cmd, func(e Event) {
		if e.Kind == "batch" {
			n++
		}
	})
	if err != nil || out.Status != "success" || out.Processed != 60 || n < 3 {
		t.Fatalf("%d batches, %+v %v", n, out, err)
	}
}

func TestCensusWidenNarrow(t *testing.T) {
	slow(t)
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

func TestNarrowWithCertificate(t *testing.T) {
	f := demo(t, "staging")
	ready(t, f, "staging")
	e := f.envs[0]
	do := func(a plan.Action, migration string) Outcome {
		t.Helper()
		out, err := f.Run(within(t), Command{Action: a, Env: "staging", Migration: migration, BatchSize: 500}, nil)
		if err != nil {
			t.Fatalf("%s %s: %v", a, migration, err)
		}
		return out
	}
	for _, name := range []string{"runPartOne", "codeToText", "retireCarts", "embeddings:backfillModel"} {
		if out := do(plan.ActRun, name); out.Status != "success" {
			t.Fatalf("%s: %+v", name, out)
		}
	}
	odd := do(plan.ActRun, "addCustomerName").Failure.Document
	if _, err := e.embed.Update(t.Context(), "", func(w *local.Writer) error { return w.Delete(odd) }); err != nil {
		t.Fatal(err)
	}
	if out := do(plan.ActRun, "addCustomerName"); out.Status != "success" {
		t.Fatalf("resumed: %+v", out)
	}
	if c := do(plan.ActCensus, "").Census; c.Offenders != 0 || c.Read == 0 {
		t.Fatalf("census: %+v", c)
	}
	if st := f.Now().Plan.Envs[0].Migrate; st.State != plan.Done {
		t.Errorf("migrate: %+v", st)
	}
	if out := do(plan.ActNarrow, ""); out.Status != "success" {
		t.Fatalf("narrow: %+v", out)
	}
	if st := f.Now().Plan.Envs[0].Narrow; st.State != plan.Done {
		t.Errorf("narrow: %+v", st)
	}
}

func TestACensusIsStaleAfterAWrite(t *testing.T) {
	f := demo(t, "staging")
	if _, err := f.Run(within(t), Command{Action: plan.ActCensus, Env: "staging"}, nil); err != nil {
		t.Fatal(err)
	}
	e := f.envs[0]
	var id string
	for d := range e.embed.View().Scan("", "teams", "", false) {
		id = d.ID
		break
	}
	patch := func(w *local.Writer) error {
		return w.Patch(id, value.NewObject(value.Field{Name: "name", Value: "another"}))
	}
	if _, err := e.embed.Update(t.Context(), "", patch); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { return e.census.Stale }); err != nil {
		t.Fatal("a patch that keeps the sizes went unnoticed")
	}
}

func TestProtected(t *testing.T) {
	f := demo(t, "prod")
	ready(t, f, "dev", "staging", "prod")
	run := Command{Action: plan.ActRun, Env: "prod", Migration: "setTeamPlan"}
	refusals, _ := f.Check(run)
	var got []string
	for _, r := range refusals {
		got = append(got, r.Code)
	}
	if want := []string{"protected", "not-widened", "dry-run-missing", "order"}; !slices.Equal(got, want) {
		t.Errorf("refused for %v, want %v", got, want)
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActWiden, Env: "prod", Typed: "dev"})); code != "typed-wrong" {
		t.Errorf("mistyped: %s", code)
	}
	if out, err := f.Run(within(t), Command{Action: plan.ActWiden, Env: "prod", Typed: "prod"}, nil); err != nil || out.Status != "success" {
		t.Fatalf("widen: %+v %v", out, err)
	}
	if s := f.Now().Envs[2]; s.ArmedUntil.IsZero() {
		t.Error("typing the name arms the environment")
	}
	if out, err := f.Run(within(t), Command{Action: plan.ActDryRun, Env: "prod", Migration: "setTeamPlan"}, nil); err != nil || out.Status != "success" {
		t.Fatalf("dry run: %+v %v", out, err)
	}
	if code := refusedCode(t, f.Do(t.Context(), run)); code != "order" {
		t.Errorf("before staging: %s", code)
	}
	run.Override = "rehearsed on a copy"
	if out, err := f.Run(within(t), run, nil); err != nil || out.Status != "success" || out.Processed != 40 {
		t.Fatalf("run: %+v %v", out, err)
	}
	if err := f.Disarm("prod", "test"); err != nil {
		t.Fatal(err)
	}
	run.Migration = "listingToEnum"
	if code := refusedCode(t, f.Do(t.Context(), run)); code != "protected" {
		t.Errorf("disarmed: %s", code)
	}
}

// A widened schema that documents do not fit is refused in Convex's words.
func TestDeployRefusedByConvex(t *testing.T) {
	f := demo(t, "prod")
	ready(t, f, "prod")
	e := f.envs[2]
	off := *e.active
	off.Validation = false
	if err := e.embed.PushSchema(t.Context(), &off); err != nil {
		t.Fatal(err)
	}
	if _, err := e.embed.Insert(t.Context(), "", "teams", []value.Object{value.NewObject(value.Field{Name: "odd", Value: true})}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { return e.active != nil && !e.active.Validation }); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	a := &action{f: f, e: e, c: Command{Action: plan.ActWiden, Env: "prod"}, client: e.client, embed: e.embed, ctx: t.Context(), schema: f.project.Schema}
	f.mu.Unlock()
	if err := a.deploy(); err == nil || !strings.Contains(err.Error(), `does not match the schema`) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("got %v", err)
	}
}

func TestJournal(t *testing.T) {
	f := demo(t, "staging")
	for _, a := range []plan.Action{plan.ActDryRun, plan.ActRun} {
		if _, err := f.Run(within(t), Command{Action: a, Env: "staging", Migration: "addCustomerName", By: "cli"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	root, key := f.project.Root, f.envs[0].embed.AdminKey()
	f.Close()
	text, err := os.ReadFile(filepath.Join(root, ".strait", "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), key) || strings.Contains(string(text), "K7QM2X9A") {
		t.Error("the journal holds a key or a document")
	}
	var got []string
	newJournal(root).read(func(e entry) { got = append(got, e.Action+" "+e.Phase+" "+e.Outcome) })
	want := []string{"dry-run asked ", "dry-run answered ok", "run asked ", "run answered ok", "run ended failed"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// The next process knows of the dry run.
	g := Open(t.Context(), Options{Dir: root, Envs: []string{"staging"}})
	defer g.Close()
	ready(t, g, "staging")
	if _, warnings := g.Check(Command{Action: plan.ActRun, Env: "staging", Migration: "addCustomerName"}); len(warnings) > 0 {
		t.Errorf("warned of %+v", warnings)
	}
}

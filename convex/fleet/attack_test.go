package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

// touch rewrites one document of a table, so that no size changes.
func touch(t *testing.T, d *local.Deployment, table string) {
	t.Helper()
	var id string
	for doc := range d.View().Scan("", table, "", false) {
		id = doc.ID
		break
	}
	patch := func(w *local.Writer) error {
		return w.Patch(id, value.NewObject(value.Field{Name: "name", Value: "another"}))
	}
	if _, err := d.Update(t.Context(), "", patch); err != nil {
		t.Fatal(err)
	}
}

// A census that was stopped must not take the watch of the one before along.
func TestAStoppedCensusKeepsTheOldOneWatched(t *testing.T) {
	f := demo(t, "staging")
	if _, err := f.Run(within(t), Command{Action: plan.ActCensus, Env: "staging"}, nil); err != nil {
		t.Fatal(err)
	}
	e := f.envs[0]
	f.mu.Lock()
	a := &action{f: f, e: e, c: Command{Action: plan.ActCensus, Env: "staging"}, client: e.client}
	a.ctx, a.cancel = context.WithCancel(t.Context())
	a.mark()
	f.mu.Unlock()
	a.cancel()
	if err := a.takeCensus(&entry{}); err != nil {
		t.Fatal(err)
	}
	touch(t, e.embed, "teams")
	if err := f.wait(within(t), func() bool { return e.census.Stale }); err != nil {
		t.Fatal("a write after the stopped census went unnoticed")
	}
}

// The watch stands before the first page is read.
func TestTheWatchStandsBeforeTheFirstPage(t *testing.T) {
	f := demo(t, "staging")
	ready(t, f, "staging")
	e := f.envs[0]
	a := &action{f: f, e: e, c: Command{Action: plan.ActCensus, Env: "staging"}, client: e.client, ctx: t.Context(), schema: f.project.Schema}
	w, err := a.watchWrites(f.project.Schema.Tables)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	touch(t, e.embed, "teams")
	written, err := w.barrier(within(t))
	if err != nil || !written {
		t.Fatalf("written %v, %v", written, err)
	}
}

// An environment that comes back as another deployment brings nothing along
// that was known of the one before.
func TestAnotherDeploymentAtTheSameAddress(t *testing.T) {
	c := newCloud(t)
	p, err := os.ReadFile(filepath.Join(c.root, "strait.toml"))
	if err != nil {
		t.Fatal(err)
	}
	config := string(p) + "protected = true\n"
	if err := os.WriteFile(filepath.Join(c.root, "strait.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	f := c.open()
	ready(t, f, "cloud")
	e := f.envs[0]
	for _, a := range []plan.Action{plan.ActDryRun, plan.ActRun, plan.ActCensus} {
		if _, err := f.Run(within(t), Command{Action: a, Env: "cloud", Migration: map[bool]string{false: "migrations:dropAvatarUrl"}[a == plan.ActCensus], Typed: "cloud", Override: "no backup of a test"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.stop()
	state(t, f, Lost)
	other := local.New(local.Options{Name: "somebody-else", Seed: 7})
	t.Cleanup(func() { other.Close() })
	if err := other.Push(t.Context(), local.Push{App: c.d.App(), Schema: f.project.Schema}); err != nil {
		t.Fatal(err)
	}
	c.d = other
	c.serve(c.addr)
	state(t, f, Broken) // its key is refused
	f.mu.Lock()
	fresh := e.census != nil && !e.census.Stale
	f.mu.Unlock()
	if fresh {
		t.Error("nobody watched for writes, yet the census counts as fresh")
	}
	t.Setenv("STRAIT_TEST_KEY", other.AdminKey())
	if err := f.Retry("cloud"); err != nil {
		t.Fatal(err)
	}
	state(t, f, Ready)
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.census != nil || len(e.evidence().DryRuns) > 0 || e.show("migrations:dropAvatarUrl").State != "" || !e.armedUntil.IsZero() {
		t.Errorf("of the deployment before: census %v, dry runs %v, run %+v, armed until %v", e.census, e.evidence().DryRuns, e.show("migrations:dropAvatarUrl"), e.armedUntil)
	}
}

const once = `import { internalMutation } from "./_generated/server";
import { v } from "convex/values";
export const once = internalMutation({
  args: {},
  handler: async (ctx) => {
    const all = await ctx.db.query("items").collect();
    for (const d of all) await ctx.db.patch(d._id, { done: true });
    return { updated: all.length };
  },
});
export const backfillDone = internalMutation({
  handler: async (ctx, args: { dryRun?: boolean }) => {
    const all = await ctx.db.query("items").collect();
    if (!args.dryRun) for (const d of all) await ctx.db.patch(d._id, { done: true });
  },
});
`

// Closing lets the call in flight end and records how.
func TestCloseWaitsForTheCallInFlight(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": once}, "")
	ready(t, f, "only")
	if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "once"}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { return f.envs[0].inFlight > 0 }); err != nil {
		t.Fatal(err)
	}
	root := f.project.Root
	f.Close()
	var last entry
	newJournal(root).read(func(x entry) { last = x })
	if last.Phase != "answered" || last.Outcome != "ok" || last.Processed != 120 {
		t.Errorf("the journal ends with %+v", last)
	}
}

// A call whose answer was lost is not repeated unless somebody says so.
func TestALostAnswerIsNotRepeated(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": once}, "")
	ready(t, f, "only")
	run := Command{Action: plan.ActRun, Env: "only", Migration: "once"}
	a, err := f.begin(run)
	if err != nil {
		t.Fatal(err)
	}
	a.client = wire.New(wire.Options{URL: "http://127.0.0.1:1"})
	a.call = func(context.Context, wire.Call) (wire.Result, error) {
		return wire.Result{}, &wire.UnknownOutcomeError{Path: "migrations:once", Err: errors.New("the line is dead")}
	}
	a.perform()
	if code := refusedCode(t, f.Do(t.Context(), run)); code != "outcome-unknown" {
		t.Errorf("again: %s", code)
	}
	var last entry
	f.journal.read(func(x entry) { last = x })
	if last.Outcome != "unknown" {
		t.Errorf("the journal says %q", last.Outcome)
	}
	run.Reset = true
	if out, err := f.Run(within(t), run, nil); err != nil || out.Status != "success" {
		t.Fatalf("reset: %+v %v", out, err)
	}
	run.Reset = false
	if refusals, _ := f.Check(run); len(refusals) > 0 {
		t.Errorf("after an answer: %+v", refusals)
	}
}

func handProject() *project.Project {
	return &project.Project{
		Config: project.Config{Envs: []project.Env{{Name: "prod", KeyEnv: "KEY", URL: "https://x"}}},
		Migrations: []project.Migration{
			{Name: "m:once", Driver: project.OneshotDriver, Source: "once", DryRunArg: "dryRun"},
			{Name: "m:other", Driver: project.OneshotDriver, Source: "other"},
		},
	}
}

// What an earlier process asked for and never heard of counts as well; what it
// asked of another deployment does not.
func TestWhatTheJournalLeavesOpen(t *testing.T) {
	f := &Fleet{now: time.Now, journal: newJournal(t.TempDir())}
	f.changed.init()
	f.project = handProject()
	e := newEnv(f, f.project.Config.Envs[0])
	f.envs = []*env{e}
	at := time.Now()
	for i, x := range []entry{
		{ID: "a", Phase: "asked", Action: "run", Migration: "m:once", Deployment: "here"},
		{ID: "b", Phase: "asked", Action: "run", Migration: "m:other", Deployment: "here"},
		{ID: "b", Phase: "answered", Action: "run", Migration: "m:other", Deployment: "here", Outcome: "ok"},
		{ID: "c", Phase: "asked", Action: "dry-run", Migration: "m:once", Deployment: "elsewhere", Code: hashOf("once")},
		{ID: "c", Phase: "answered", Action: "dry-run", Migration: "m:once", Deployment: "elsewhere", Outcome: "ok", Code: hashOf("once")},
	} {
		x.At, x.Env = at.Add(time.Duration(i)*time.Second), "prod"
		if err := f.journal.write(x); err != nil {
			t.Fatal(err)
		}
	}
	f.readJournal()
	f.mu.Lock()
	defer f.mu.Unlock()
	e.place = "here"
	if p := e.progress("m:once"); p.Doubt == "" {
		t.Error("a run without an answer is forgotten")
	}
	if p := e.progress("m:other"); p.Doubt != "" {
		t.Errorf("doubt of an answered one: %s", p.Doubt)
	}
	if got := e.evidence().DryRuns; len(got) > 0 {
		t.Errorf("a dry run elsewhere counts here: %v", got)
	}
	e.place = "elsewhere"
	if got := e.evidence().DryRuns["m:once"]; !got.Equal(at.Add(3 * time.Second)) {
		t.Errorf("the dry run is of %v, want the moment when it began", got)
	}
	if p := e.progress("m:once"); p.Doubt != "" {
		t.Errorf("doubt elsewhere: %s", p.Doubt)
	}
}

// A dry run by an argument that the deployed function does not declare would
// be a run.
func TestADryRunThatTheDeployedCodeDoesNotKnow(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": once}, "")
	ready(t, f, "only")
	e := f.envs[0]
	dry := Command{Action: plan.ActDryRun, Env: "only", Migration: "backfillDone"}
	if refusals, _ := f.Check(dry); len(refusals) > 0 {
		t.Errorf("embedded, the code is the project's own: %+v", refusals)
	}
	f.mu.Lock()
	e.embedded = false
	f.mu.Unlock()
	if code := refusedCode(t, f.Do(t.Context(), dry)); code != "no-dry-run" {
		t.Errorf("got %s", code)
	}
}

// Arming is by the clock on the wall: a night in which the machine slept is
// longer than a quarter of an hour.
func TestArming(t *testing.T) {
	f := demo(t, "prod")
	ready(t, f, "dev", "staging", "prod")
	if _, err := f.Run(within(t), Command{Action: plan.ActCensus, Env: "prod", Typed: "prod"}, nil); err != nil {
		t.Fatal(err)
	}
	e := f.envs[2]
	if !e.armedUntil.IsZero() {
		t.Error("a census arms nothing")
	}
	if _, err := f.Run(within(t), Command{Action: plan.ActWiden, Env: "prod", Typed: "prod"}, nil); err != nil {
		t.Fatal(err)
	}
	if e.armedUntil.IsZero() || e.armedUntil != e.armedUntil.Round(0) {
		t.Errorf("armed until %v", e.armedUntil)
	}
}

// A push is seen when it happens, whatever the deployment's clock says.
func TestAPushIsSeen(t *testing.T) {
	f := &Fleet{now: func() time.Time { return time.UnixMilli(5000) }}
	f.changed.init()
	e := &env{f: f}
	push := func(ms float64) {
		e.gotPush(wire.Update{Value: value.NewObject(value.Field{Name: "_creationTime", Value: ms})})
	}
	push(1000)
	if !e.lastPush.Equal(time.UnixMilli(1000)) {
		t.Errorf("first: %v", e.lastPush)
	}
	push(1000)
	push(1100)
	if !e.lastPush.Equal(time.UnixMilli(5000)) {
		t.Errorf("a push while watching: %v", e.lastPush)
	}
}

func TestTheJournalKeepsNoContents(t *testing.T) {
	secret := "jane@example.org"
	texts := []error{
		&wire.FunctionError{Message: "[Request ID: x] Server Error\nUncaught Error: cannot read " + secret + "\n    at handler (../convex/m.ts:3:9)\n"},
		&wire.FunctionError{Message: `Uncaught ConvexError: {"mail":"` + secret + `"}`},
		&wire.FunctionError{Message: `Uncaught Error: Failed to insert or update a document in table "users" because it does not match the schema: ` + "`" + `"` + secret + `"` + "` does not match literal validator `v.literal(\"a\")`.Path: .mail"},
		&toldError{"Error: " + secret},
		errors.New(`the schema is refused by Convex: Document with ID "abc" in table "users" does not match the schema: Value "` + secret + `"`),
		errors.New(`tableData on https://x: unexpected answer {mail: "` + secret + `"}: its backend is newer`),
	}
	for _, err := range texts {
		if got := recorded(err); strings.Contains(got, "jane") || got == "" {
			t.Errorf("%v is recorded as %q", err, got)
		}
	}
	if got := recorded(texts[0]); !strings.Contains(got, "convex/m.ts:3") {
		t.Errorf("where it failed is lost: %q", got)
	}
	if got := recorded(texts[2]); !strings.Contains(got, `in table "users" because it does not match the schema`) {
		t.Errorf("Convex's own words are lost: %q", got)
	}
	root := t.TempDir()
	j := newJournal(root)
	if err := j.write(entry{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	defer j.close()
	for path, want := range map[string]os.FileMode{j.path: 0o600, filepath.Dir(j.path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

// A panic is a failure, and holds nothing up.
func TestAPanicIsAFailure(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": once}, "")
	ready(t, f, "only")
	a, err := f.begin(Command{Action: plan.ActRun, Env: "only", Migration: "once"})
	if err != nil {
		t.Fatal(err)
	}
	a.call = func(context.Context, wire.Call) (wire.Result, error) {
		f.change(func() { panic("a bug") })
		return wire.Result{}, nil
	}
	w := newWatcher(a, func(Event) {})
	f.spawn(a.perform)
	out, err := w.follow(within(t))
	if err != nil || out.Status != "failed" || out.Failure == nil {
		t.Errorf("got %+v %v", out, err)
	}
}

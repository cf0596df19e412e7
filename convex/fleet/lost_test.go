package fleet

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

const counting = define + `
export const count = migrations.define({ table: "items", batchSize: 50, migrateOne: (ctx, doc) => ({ n: (doc.n ?? 0) + 1 }) });
`

// far is a deployment behind a proxy, and a fleet that knows it by URL.
type far struct {
	t *testing.T
	d *local.Deployment
	p *proxy
	f *Fleet
}

func newFar(t *testing.T, patience time.Duration) *far {
	t.Helper()
	home := own(t, map[string]string{
		"convex/migrations.ts": counting,
		"items.jsonl":          strings.Repeat(`{"table":"items","document":{"n":0}}`+"\n", 120),
		"strait.toml":          "[[env]]\nname = \"only\"\nschema = \"target\"\ngenerate = { items = 0 }\noverlay = \"items.jsonl\"\n",
	}, "")
	ready(t, home, "only")
	root := home.project.Root
	home.Close()
	loaded, err := project.Load(t.Context(), project.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenEmbedded(t.Context(), loaded, "only", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	c := &cloud{t: t, d: d}
	c.serve("127.0.0.1:0")
	p := newProxy(t, c.addr)
	config := "[[env]]\nname = \"only\"\nurl = \"http://" + p.addr() + "\"\nkey_env = \"STRAIT_TEST_KEY\"\n"
	if err := os.WriteFile(filepath.Join(root, "strait.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	key := func(name string) (string, bool) { return d.AdminKey(), name == "STRAIT_TEST_KEY" }
	if loaded, err = project.Load(t.Context(), project.Options{Dir: root, Lookup: key}); err != nil {
		t.Fatal(err)
	}
	f := Open(t.Context(), Options{Project: loaded, patience: patience})
	t.Cleanup(func() { f.Close() })
	ready(t, f, "only")
	return &far{t, d, p, f}
}

var seen = regexp.MustCompile(`"n":(\d+)`)

// once fails unless exactly so many documents were migrated, each once.
func (x *far) once(migrated int) {
	x.t.Helper()
	n := 0
	for doc := range x.d.View().Scan("", "items", "", false) {
		switch found := seen.FindStringSubmatch(doc.JSON); {
		case found == nil || found[1] != "0" && found[1] != "1":
			x.t.Fatalf("a document was migrated more than once: %s", doc.JSON)
		case found[1] == "1":
			n++
		}
	}
	if n != migrated {
		x.t.Fatalf("%d documents were migrated, want %d", n, migrated)
	}
}

// wasLost waits until the proxy has lost what it was to lose.
func (x *far) wasLost() {
	x.t.Helper()
	select {
	case <-x.p.lost:
	case <-within(x.t).Done():
		x.t.Fatal("no mutation came that could be lost")
	}
}

// A start, a step and a cancel whose answer or request is lost are neither
// repeated nor forgotten: the deployment counts.
func TestNothingRunsTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("six deployments behind a proxy take the race detector too long")
	}
	for _, mode := range []string{"before", "after"} {
		t.Run("start "+mode, func(t *testing.T) {
			t.Parallel()
			x := newFar(t, 0)
			x.p.arm(mode, false)
			out := runIt(t, x.f, Command{Action: plan.ActRun, Migration: "count"})
			x.wasLost()
			if out.Status != "success" || out.Processed != 120 {
				t.Fatalf("got %+v %+v", out, out.Failure)
			}
			x.once(120)
		})
		t.Run("step "+mode, func(t *testing.T) {
			t.Parallel()
			x := newFar(t, 0)
			if err := x.f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "count", Supervised: true, BatchSize: 20, Steps: 1}); err != nil {
				t.Fatal(err)
			}
			until(t, x.f, "migrations:count", "a step is made", paused(20))
			x.p.arm(mode, false)
			tune(t, x.f, "count", Tuning{Steps: set(1)})
			until(t, x.f, "migrations:count", "the lost step is made", paused(40))
			x.wasLost()
			x.once(40)
			tune(t, x.f, "count", Tuning{Paused: set(false)})
			until(t, x.f, "migrations:count", "it is done", func(r Run) bool { return r.State == "success" })
			x.once(120)
		})
		t.Run("cancel "+mode, func(t *testing.T) {
			t.Parallel()
			x := newFar(t, 0)
			if err := x.f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "count", BatchSize: 1}); err != nil {
				t.Fatal(err)
			}
			until(t, x.f, "migrations:count", "it runs", func(r Run) bool { return r.State == "inProgress" && r.Processed > 1 })
			x.p.arm(mode, false)
			out := runIt(t, x.f, Command{Action: plan.ActCancel, Migration: "count"})
			r := x.f.Now().Envs[0].Runs["migrations:count"]
			if r.State != "success" { // else it ended before there was anything to cancel
				x.wasLost()
			}
			if out.Status != "success" || r.State != "canceled" && r.State != "success" {
				t.Fatalf("got %+v, run %+v", out, r)
			}
			x.once(int(r.Processed))
		})
	}
}

// A step whose answer never comes is settled by what the component stores, and
// the run goes on only where that is certain.
func TestALostStepIsSettledByItsStatus(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for an answer that never comes, for less time than the race detector may need for one that does")
	}
	for _, mode := range []string{"before", "after"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // it waits
			x := newFar(t, 3*time.Second)
			x.p.arm(mode, true)
			if err := x.f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "count", Supervised: true, BatchSize: 20, Steps: 1}); err != nil {
				t.Fatal(err)
			}
			if mode == "before" {
				r := until(t, x.f, "migrations:count", "it stops", func(r Run) bool { return !r.active() })
				if r.State != "failed" || r.Failure == nil || !strings.Contains(r.Failure.Text, "may run yet") {
					t.Fatalf("got %+v %+v", r, r.Failure)
				}
				x.once(0)
			} else {
				until(t, x.f, "migrations:count", "the status tells", paused(20))
				x.once(20)
				if err := x.f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only", Migration: "count"}); err != nil {
					t.Fatal(err)
				}
				until(t, x.f, "migrations:count", "it is stopped", func(r Run) bool { return r.State == "canceled" })
			}
			x.p.mend()
			state(t, x.f, Ready)
			if out := runIt(t, x.f, Command{Action: plan.ActRun, Migration: "count", Supervised: true}); out.Status != "success" || out.Processed != 120 {
				t.Fatalf("gone on: %+v %+v", out, out.Failure)
			}
			x.once(120)
		})
	}
}

// Somebody starts the background worker while Strait drives: the run is left to
// it, and no batch is made twice.
func TestASupervisedRunYields(t *testing.T) {
	x := newFar(t, 0)
	name := "migrations:count"
	if err := x.f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: name, Supervised: true, BatchSize: 20, Steps: 1}); err != nil {
		t.Fatal(err)
	}
	until(t, x.f, name, "a step is made", paused(20))
	other := wire.New(wire.Options{URL: "http://" + x.p.to, AdminKey: x.d.AdminKey()})
	defer other.Close()
	if _, err := other.Mutate(within(t), wire.Call{Path: name, Args: value.NewObject(value.Field{Name: "batchSize", Value: 1.0})}); err != nil {
		t.Fatal(err)
	}
	tune(t, x.f, name, Tuning{Steps: set(1)})
	r := until(t, x.f, name, "it is left to the worker", func(r Run) bool { return r.Control == nil && r.State == "success" })
	if r.Processed != 120 || r.Mine {
		t.Errorf("got %+v", r)
	}
	x.once(120)
	if !slices.ContainsFunc(x.f.Now().Messages, func(m Message) bool { return strings.Contains(m.Text, "no longer drives it") }) {
		t.Errorf("nobody was told: %+v", x.f.Now().Messages)
	}
}

// Everything that runs is canceled at once: what the component runs, what
// Strait drives, and what somebody else started.
func TestCancelAll(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": twoMembers}, "")
	ready(t, f, "only")
	all := Command{Action: plan.ActCancelAll, Env: "only"}
	if code := refusedCode(t, f.Do(t.Context(), all)); code != "not-running" {
		t.Errorf("nothing runs: %s", code)
	}
	for _, c := range []Command{
		{Action: plan.ActRun, Env: "only", Migration: "migrations:two", BatchSize: 10, Supervised: true, Steps: 1},
		{Action: plan.ActRun, Env: "only", Migration: "migrations:one", BatchSize: 1},
	} {
		if err := f.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		until(t, f, c.Migration, "it runs", func(r Run) bool { return r.State == "inProgress" && r.Processed > 0 })
	}
	if out, err := f.Run(within(t), all, nil); err != nil || out.Status != "success" {
		t.Fatalf("%+v %v %+v", out, err, out.Failure)
	}
	for _, name := range []string{"migrations:one", "migrations:two"} {
		r := until(t, f, name, "it is canceled", func(r Run) bool { return !r.active() })
		if r.State != "canceled" || r.Processed >= 120 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// What a key may not do is said before anything is sent.
func TestAKeyThatMayNot(t *testing.T) {
	ops := `"ViewData","RunInternalQueries","RunInternalMutations"`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/check_admin_key" {
			t.Errorf("%s was called", r.URL.Path)
		}
		fmt.Fprintf(w, `{"success":true,"allowedOps":[%s],"isReadOnly":false}`, ops)
	}))
	defer server.Close()
	f := &Fleet{now: time.Now, project: handProject()}
	e := newEnv(f, f.project.Config.Envs[0])
	a := &action{f: f, e: e, ctx: t.Context(), client: wire.New(wire.Options{URL: server.URL, AdminKey: "x|y"}),
		migration: project.Migration{Name: "m:one", Driver: project.ComponentDriver}}
	defer a.client.Close()
	for _, x := range []struct {
		c     Command
		lacks string
	}{
		{Command{Action: plan.ActRun}, ""},
		{Command{Action: plan.ActDryRun}, ""},
		{Command{Action: plan.ActRun, Supervised: true}, "RunTestQuery and WriteData"},
		{Command{Action: plan.ActCancel}, "WriteData"},
		{Command{Action: plan.ActCancelAll}, "WriteData"},
	} {
		x.c.Env, x.c.Migration = "prod", "m:one"
		a.c = x.c
		err := a.permitted()
		if x.lacks == "" && err != nil || x.lacks != "" && (err == nil || !strings.Contains(err.Error(), "it lacks "+x.lacks+":")) {
			t.Errorf("%+v: %v, want it to lack %q", x.c, err, x.lacks)
		}
	}
	ops = `"ViewData","RunInternalQueries","RunTestQuery"`
	a.c.Action = plan.ActRun
	if err := a.permitted(); err == nil || !strings.Contains(err.Error(), "RunInternalMutations") {
		t.Errorf("a key that only reads: %v", err)
	}
}

// Two Straits of one project: whoever comes second to a hand-written migration,
// which keeps no status, sees the other's entry.
func TestTwoStraitsAtAHandWrittenMigration(t *testing.T) {
	f := &Fleet{now: time.Now, journal: newJournal(t.TempDir()), project: handProject()}
	f.changed.init()
	e := newEnv(f, f.project.Config.Envs[0])
	f.envs = []*env{e}
	f.readJournal()
	a := &action{f: f, e: e, id: "mine", place: "here", migration: f.project.Migrations[0], c: Command{Action: plan.ActRun, Env: "prod", Migration: "m:once"}}
	write := func(x entry) {
		t.Helper()
		x.At, x.Action, x.Env, x.Migration = f.now(), "run", "prod", "m:once"
		if err := f.journal.write(x); err != nil {
			t.Fatal(err)
		}
	}
	write(entry{ID: "mine", Phase: "asked", Deployment: "here"})
	write(entry{ID: "b", Phase: "asked", Deployment: "elsewhere"})
	if err := a.alone(); err != nil {
		t.Errorf("alone there: %v", err)
	}
	write(entry{ID: "c", Phase: "asked", Deployment: "here"})
	if err := a.alone(); err == nil {
		t.Error("the other one is not seen")
	}
	write(entry{ID: "c", Phase: "answered", Outcome: "ok", Deployment: "here"})
	if err := a.alone(); err != nil {
		t.Errorf("the other one has ended: %v", err)
	}
}

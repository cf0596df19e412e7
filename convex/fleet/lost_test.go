package fleet

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
	"strait/convex/project"
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() { defer close(over); d.Serve(ctx, ln) }()
	t.Cleanup(func() { cancel(); <-over })
	p := newProxy(t, ln.Addr().String())
	config := "[[env]]\nname = \"only\"\nurl = \"http://" + p.addr() + "\"\nkey_env = \"STRAIT_TEST_KEY\"\n"
	if err := os.WriteFile(filepath.Join(root, "strait.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STRAIT_TEST_KEY", d.AdminKey())
	f := Open(t.Context(), Options{Dir: root, patience: patience})
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

// A start, a step and a cancel whose answer or request is lost are neither
// repeated nor forgotten: the deployment counts.
func TestNothingRunsTwice(t *testing.T) {
	for _, mode := range []string{"before", "after"} {
		t.Run("start "+mode, func(t *testing.T) {
			x := newFar(t, 0)
			x.p.arm(mode, false)
			out := runIt(t, x.f, Command{Action: plan.ActRun, Migration: "count"})
			<-x.p.lost
			if out.Status != "success" || out.Processed != 120 {
				t.Fatalf("got %+v %+v", out, out.Failure)
			}
			x.once(120)
		})
		t.Run("step "+mode, func(t *testing.T) {
			x := newFar(t, 0)
			if err := x.f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "count", Supervised: true, BatchSize: 20, Steps: 1}); err != nil {
				t.Fatal(err)
			}
			until(t, x.f, "migrations:count", "a step is made", paused(20))
			x.p.arm(mode, false)
			tune(t, x.f, "count", Tuning{Steps: set(1)})
			until(t, x.f, "migrations:count", "the lost step is made", paused(40))
			<-x.p.lost
			x.once(40)
			tune(t, x.f, "count", Tuning{Paused: set(false)})
			until(t, x.f, "migrations:count", "it is done", func(r Run) bool { return r.State == "success" })
			x.once(120)
		})
		t.Run("cancel "+mode, func(t *testing.T) {
			x := newFar(t, 0)
			if err := x.f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "count", BatchSize: 1}); err != nil {
				t.Fatal(err)
			}
			until(t, x.f, "migrations:count", "it runs", func(r Run) bool { return r.State == "inProgress" && r.Processed > 1 })
			x.p.arm(mode, false)
			out := runIt(t, x.f, Command{Action: plan.ActCancel, Migration: "count"})
			<-x.p.lost
			r := x.f.Now().Envs[0].Runs["migrations:count"]
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
	for _, mode := range []string{"before", "after"} {
		t.Run(mode, func(t *testing.T) {
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

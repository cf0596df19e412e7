package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/fleet"
	"strait/convex/internal/npmtest"
	"strait/plan"
)

// versions are the published @convex-dev/migrations whose behaviour differs
// (convex-wire.md 13.5), with what Strait can do with each.
var versions = []struct {
	name, dir string
	steps     bool // one batch at a time
	reset     bool // of a series
}{
	{"0.2.9", "migrations-0.2.9", false, false},
	{"0.3.0", "migrations-0.3.0", false, false},
	{"0.3.1", "migrations-0.3.1", true, false},
	{"0.3.3", "migrations-0.3.3", true, true},
	{"0.3.4", "migrations-0.3.4", true, true},
	{"0.3.5", "migrations-0.3.5", true, true},
	{"0.3.6", filepath.Join("@convex-dev", "migrations"), true, true},
}

const versionedMigrations = `import { Migrations } from "@convex-dev/migrations";
import { components, internal } from "./_generated/api";
const migrations = new Migrations(components.migrations);
export const one = migrations.define({ table: "items", batchSize: 50, migrateOne: () => ({ done: true }) });
export const two = migrations.define({ table: "items", batchSize: 50, migrateOne: () => ({ done: false }) });
export const boom = migrations.define({ table: "items", batchSize: 50, migrateOne: () => { throw new Error("no way") } });
export const both = migrations.runner([internal.migrations.one, internal.migrations.two]);
`

// TestComponentVersions tells one story on every version of the component that
// people have: with a general runner in the project, and without.
func TestComponentVersions(t *testing.T) {
	if testing.Short() {
		t.Skip("seven versions of the component take longer than the race detector's runs may")
	}
	npm := npmtest.Dir(t)
	for i, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			code := versionedMigrations
			if i%2 == 0 {
				code += "export const run = migrations.runner();\n"
			}
			s := openVersion(t, filepath.Join(npm, "node_modules"), v.dir, code)
			s.dryRun()
			s.cancelAndResume()
			s.again()
			s.fails()
			s.steps(v.steps)
			s.series(v.reset)
		})
	}
}

type versioned struct {
	t   *testing.T
	f   *fleet.Fleet
	ctx context.Context
}

func openVersion(t *testing.T, modules, version, code string) *versioned {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"package.json": `{"name":"versioned","dependencies":{"convex":"*","@convex-dev/migrations":"*"}}`,
		"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ items: defineTable({ n: v.optional(v.number()), done: v.optional(v.boolean()) }) });`,
		"convex/convex.config.ts": `import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const app = defineApp();
app.use(migrations);
export default app;`,
		"convex/migrations.ts": code,
		"strait.toml":          "[[env]]\nname = \"only\"\ngenerate = { items = 1200 }\nschema = \"target\"\n",
	} {
		writeFile(t, filepath.Join(dir, name), text)
	}
	for name, to := range map[string]string{"convex": "convex", "convex-helpers": "convex-helpers", "@convex-dev/migrations": version} {
		link := filepath.Join(dir, "node_modules", name)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(modules, to), link); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	f := fleet.Open(t.Context(), fleet.Options{Dir: dir})
	t.Cleanup(func() { f.Close() })
	if err := f.Ready(ctx, "only"); err != nil {
		t.Fatal(err)
	}
	return &versioned{t, f, ctx}
}

func (s *versioned) run(c fleet.Command) fleet.Outcome {
	s.t.Helper()
	c.Env = "only"
	out, err := s.f.Run(s.ctx, c, nil)
	if err != nil {
		s.t.Fatalf("%s %s: %v", c.Action, c.Migration, err)
	}
	return out
}

func (s *versioned) succeeds(processed int64, c fleet.Command) fleet.Run {
	s.t.Helper()
	if out := s.run(c); out.Status != "success" || out.Processed != processed {
		s.t.Fatalf("%+v: got %+v %+v", c, out, out.Failure)
	}
	return s.of(c.Migration)
}

func (s *versioned) of(name string) fleet.Run { return s.f.Now().Envs[0].Runs["migrations:"+name] }

// until waits until a run is as it should be.
func (s *versioned) until(name, what string, cond func(fleet.Run) bool) fleet.Run {
	s.t.Helper()
	for seq := uint64(0); ; {
		snap, ok := s.f.Next(s.ctx, seq)
		if !ok {
			r := s.of(name)
			s.t.Fatalf("waiting until %s: it is %+v, control %+v", what, r, r.Control)
		}
		if r := snap.Envs[0].Runs["migrations:"+name]; cond(r) {
			return r
		}
		seq = snap.Seq
	}
}

func (s *versioned) dryRun() {
	s.t.Helper()
	out := s.run(fleet.Command{Action: plan.ActDryRun, Migration: "one", BatchSize: 20})
	d := out.DryRun
	if out.Status != "success" || d.Processed != 20 || len(d.Examples) == 0 || !d.More || d.Cursor == "" {
		s.t.Fatalf("dry run: %+v %+v", d, out.Failure)
	}
	for _, x := range d.Examples {
		if x.ID == "" || x.Before == nil || x.After == nil {
			s.t.Errorf("example %+v", x)
		}
	}
	next := s.run(fleet.Command{Action: plan.ActDryRun, Migration: "one", BatchSize: 100, Cursor: &d.Cursor})
	if next.Status != "success" || next.DryRun.Processed != 100 || next.DryRun.Examples[0].ID == d.Examples[0].ID {
		s.t.Errorf("dry run of the next page: %+v %+v", next.DryRun, next.Failure)
	}
	if r := s.of("one"); r.State != "" {
		s.t.Errorf("a dry run left %+v", r)
	}
}

func (s *versioned) cancelAndResume() {
	s.t.Helper()
	if err := s.f.Do(s.ctx, fleet.Command{Action: plan.ActRun, Env: "only", Migration: "one", BatchSize: 1}); err != nil {
		s.t.Fatal(err)
	}
	s.until("one", "it makes progress", func(r fleet.Run) bool { return r.State == "inProgress" && r.BatchCount > 2 })
	if out := s.run(fleet.Command{Action: plan.ActCancel, Migration: "one"}); out.Status != "success" {
		s.t.Fatalf("cancel: %+v %+v", out, out.Failure)
	}
	r := s.of("one")
	if r.State != "canceled" || r.Processed < 3 || r.Processed >= 1200 {
		s.t.Fatalf("canceled: %+v", r)
	}
	before := r.Processed
	s.succeeds(1200, fleet.Command{Action: plan.ActRun, Migration: "one", BatchSize: 50})
	if r = s.of("one"); r.Before != before {
		s.t.Errorf("resumed after %d of %d documents", r.Before, before)
	}
}

func (s *versioned) again() {
	s.t.Helper()
	started := s.of("one").Started
	r := s.succeeds(1200, fleet.Command{Action: plan.ActRun, Migration: "one", Reset: true})
	if !r.Started.After(started) {
		s.t.Errorf("reset: begun at %v, as before", started)
	}
}

func (s *versioned) fails() {
	s.t.Helper()
	for _, action := range []plan.Action{plan.ActDryRun, plan.ActRun} {
		out := s.run(fleet.Command{Action: action, Migration: "boom"})
		if out.Status != "failed" || out.Failure.Summary != "no way" || out.Failure.Document == "" {
			s.t.Errorf("%s: %+v %+v", action, out, out.Failure)
		}
	}
}

func (s *versioned) steps(can bool) {
	s.t.Helper()
	step := fleet.Command{Action: plan.ActRun, Env: "only", Migration: "two", BatchSize: 10, Supervised: true, Steps: 2}
	if !can {
		var refused *fleet.Refused
		if out, err := s.f.Run(s.ctx, step, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "older than 0.3.1") {
			s.t.Errorf("stepping: %+v %v", out, err)
		}
		if r := s.of("two"); r.Processed != 0 || !r.Started.Before(r.Heard.Add(-time.Hour)) && r.BatchCount != 0 {
			s.t.Errorf("something was sent: %+v", r)
		}
		return
	}
	if err := s.f.Do(s.ctx, step); err != nil {
		s.t.Fatal(err)
	}
	s.until("two", "two steps are made", func(r fleet.Run) bool {
		return r.Control != nil && r.Control.Paused && !r.Control.InBatch && r.Processed == 20 && r.BatchCount == 2
	})
	if out := s.run(fleet.Command{Action: plan.ActCancel, Migration: "two"}); out.Status != "success" {
		s.t.Fatalf("cancel: %+v", out)
	}
	if r := s.of("two"); r.State != "canceled" || r.Control != nil {
		s.t.Fatalf("stopped: %+v", r)
	}
	step.Steps, step.BatchSize = 0, 590
	if r := s.succeeds(1200, step); r.BatchCount != 4 {
		s.t.Errorf("driven to the end in %d batches", r.BatchCount)
	}
}

func (s *versioned) series(reset bool) {
	s.t.Helper()
	s.succeeds(2400, fleet.Command{Action: plan.ActRun, Migration: "both"})
	again := fleet.Command{Action: plan.ActRun, Env: "only", Migration: "both", Reset: true}
	if reset {
		started := s.of("two").Started
		s.succeeds(2400, again)
		if r := s.of("two"); !r.Started.After(started) {
			s.t.Errorf("the series is over, and its second member has not begun again: %+v", r)
		}
		return
	}
	out, err := s.f.Run(s.ctx, again, nil)
	if err == nil && (out.Status != "failed" || !strings.Contains(out.Failure.Text, "older than 0.3.3")) || err != nil && !strings.Contains(err.Error(), "0.3.3") {
		s.t.Errorf("reset of a series: %+v %+v %v", out, out.Failure, err)
	}
}

// A script asks at once, before all is known of the deployment: what its
// component cannot is refused all the same, and nothing failed.
func TestAnOldComponentRefusesAScriptsSteps(t *testing.T) {
	npm := npmtest.Dir(t)
	openVersion(t, filepath.Join(npm, "node_modules"), "migrations-0.2.9", versionedMigrations).steps(false)
}

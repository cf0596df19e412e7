package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"strait/convex/local"
	"strait/plan"
)

// The passage of a whole fleet by nothing but the order: each time the first
// stage that waits for nothing is done, as a person would, until none is left.
// Until every environment is counted the target may not be merged; then every
// environment takes it.
func TestTheOrderLeadsThroughThePassage(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: takes minutes under the race detector")
	}
	f := demo(t)
	s := ready(t, f, "dev", "staging", "prod")
	m, looked := f.Merge()
	if want := []string{"staging census-missing", "prod not-widened", "prod census-missing"}; m.Allowed || !slices.Equal(lacks(m), want) {
		t.Fatalf("at the start: allowed %v, missing %q, want %q", m.Allowed, lacks(m), want)
	}
	if !slices.Equal(looked, []string{"dev", "staging", "prod"}) {
		t.Errorf("looked at %q", looked)
	}
	if m, _ := f.Merge("dev"); !m.Allowed {
		t.Errorf("dev has the target: %+v", m)
	}
	for _, e := range f.envs[1:] {
		var push *local.PushError
		if err := e.embed.PushSchema(t.Context(), f.project.Schema); !errors.As(err, &push) {
			t.Fatalf("%s took the target before its migrations: %v", e.cfg.Name, err)
		}
	}
	_, review, err := f.Review(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	staging, hash := f.envs[1], review.Widened.Hash() // prod gets its own from the order
	if err := staging.embed.PushSchema(t.Context(), review.Widened); err != nil {
		t.Fatalf("the schema that is widened for all is refused: %v", err)
	}
	if err := f.wait(within(t), func() bool { return staging.hash == hash }); err != nil {
		t.Fatal(err)
	}
	w := &walk{t: t, f: f}
	for range 60 {
		_, review, err := f.Review(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		counted := !slices.ContainsFunc(review.Order, func(s plan.Stage) bool { return s.Doing == plan.CountAll && s.State != plan.Done })
		if review.Merge.Allowed != counted {
			t.Fatalf("all counted is %v, the merge's allowed %v: %q", counted, review.Merge.Allowed, lacks(review.Merge))
		}
		i := slices.IndexFunc(review.Order, func(s plan.Stage) bool {
			return s.State != plan.Done && s.State != plan.Blocked
		})
		if i < 0 {
			break
		}
		w.do(review.Order[i])
	}
	_, review, err = f.Review(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range review.Order {
		if st.State != plan.Done {
			t.Errorf("%d %s is %s: %s", st.Number, st.Title, st.State, st.Why)
		}
	}
	if len(review.Order) == 0 || !review.Merge.Allowed {
		t.Errorf("at the end: %d stages, %+v", len(review.Order), review.Merge)
	}
	target := f.project.Schema.Hash()
	for _, e := range f.Now().Envs {
		if e.SchemaHash != target {
			t.Errorf("%s has not the target", e.Name)
		}
	}
	for i, name := range []string{"staging", "prod"} {
		if want := map[int]int{0: 6, 1: 9}[i]; len(w.ran[name]) < want {
			t.Errorf("%s ran %q, want at least %d migrations", name, w.ran[name], want)
		}
		w.keeps(name, "migrations:movePreferences", "migrations:removeOrphanSessions") // the project's series
	}
	if w.repaired != 1 {
		t.Errorf("%d documents were repaired", w.repaired)
	}
	if r := s.Envs[1].Runs["migrations:setTeamPlan"]; r.State != "success" || slices.Contains(w.ran["staging"], "migrations:setTeamPlan") {
		t.Errorf("what was done in staging ran again: %q", w.ran["staging"])
	}
}

func lacks(m plan.Merge) (out []string) {
	for _, l := range m.Missing {
		out = append(out, l.Env+" "+l.Code)
	}
	return out
}

// walk does what an order says.
type walk struct {
	t        *testing.T
	f        *Fleet
	ran      map[string][]string // that ended well, by environment
	repaired int
}

func (w *walk) run(a plan.Action, env, migration string) Outcome {
	w.t.Helper()
	out, err := w.f.Run(within(w.t), Command{Action: a, Env: env, Migration: migration, Typed: env, BatchSize: 200}, nil)
	if err != nil {
		w.t.Fatalf("%s %s in %s: %v", a, migration, env, err)
	}
	return out
}

func (w *walk) do(st plan.Stage) {
	w.t.Helper()
	switch st.Doing {
	case plan.DeployWidened:
		w.run(plan.ActWiden, st.Env, "")
	case plan.Migrate:
		_, rest, ok := strings.Cut(st.Next, ": run ")
		name, _, _ := strings.Cut(rest, " in ")
		if !ok {
			w.t.Fatalf("%s: the next command is %q", st.Title, st.Next)
		}
		w.migrate(st.Env, name)
	case plan.CountAll:
		w.run(plan.ActCensus, st.Env, "")
	case plan.DeployTarget:
		if out := w.run(plan.ActNarrow, st.Env, ""); out.Status != "success" {
			w.t.Fatalf("the target is refused in %s: %+v", st.Env, out.Failure)
		}
	}
}

// migrate tries, runs, and mends the document that a migration fails on.
func (w *walk) migrate(env, name string) {
	w.t.Helper()
	w.run(plan.ActDryRun, env, name)
	out := w.run(plan.ActRun, env, name)
	switch {
	case out.Status == "failed" && out.Failure.Document != "" && w.repaired < 3:
		w.repaired++
		w.f.mu.Lock()
		embed := w.f.env(env).embed
		w.f.mu.Unlock()
		if _, err := embed.Update(w.t.Context(), "", func(tx *local.Writer) error { return tx.Delete(out.Failure.Document) }); err != nil {
			w.t.Fatal(err)
		}
	case out.Status != "success":
		w.t.Fatalf("%s in %s: %+v", name, env, out)
	default:
		if w.ran == nil {
			w.ran = map[string][]string{}
		}
		w.ran[env] = append(w.ran[env], name)
	}
}

// keeps fails unless one migration ran before the other.
func (w *walk) keeps(env, first, then string) {
	w.t.Helper()
	ran := w.ran[env]
	if i, j := slices.Index(ran, first), slices.Index(ran, then); i < 0 || j < i {
		w.t.Errorf("in %s: %s must come before %s: %q", env, first, then, ran)
	}
}

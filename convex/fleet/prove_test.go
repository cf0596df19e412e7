package fleet

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strait/convex/project"
	"strait/plan"
)

func TestProveWithoutEnvironments(t *testing.T) {
	p, err := project.Load(t.Context(), project.Options{Dir: copyDemo(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	var last ProofRun
	proofs, err := Prove(t.Context(), p, ProveOptions{Rows: []string{"orders", "teams"}}, func(r ProofRun) { last = r })
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]plan.Verdict{}
	for _, x := range proofs {
		verdicts[x.Path] = x.Verdict
	}
	for path, want := range map[string]plan.Verdict{"orders.customerName": plan.Refuted, "orders.code": plan.Held, "orders.status": plan.Held, "teams.plan": plan.Held} {
		if verdicts[path] != want {
			t.Errorf("%s: %s, want %s", path, verdicts[path], want)
		}
	}
	if last.Rows != len(proofs) || last.Of != len(proofs) || last.Documents < 6000 {
		t.Errorf("progress at the end: %+v", last)
	}
	journal, err := os.ReadFile(filepath.Join(p.Root, ".strait", "journal.jsonl"))
	if err != nil || !strings.Contains(string(journal), `"verdicts":{`) || strings.Contains(string(journal), "customerId") {
		t.Errorf("journal: %v\n%s", err, journal)
	}
}

// With an environment, its own documents are tried first; what it has is left
// as it is.
func TestProveAnEnvironment(t *testing.T) {
	f := demo(t, "staging")
	ready(t, f, "staging")
	out, err := f.Run(within(t), Command{Action: plan.ActProve, Env: "staging", Prove: &ProveOptions{Documents: 400}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != "failed" {
		t.Errorf("status %q", out.Status)
	}
	for _, p := range out.Proofs {
		if p.Path != "orders.customerName" {
			continue
		}
		if c := p.Counter; p.Verdict != plan.Refuted || c == nil || !c.Real || c.Kind != "throws" || len(c.Dangling) != 1 || c.Dangling[0] != "customerId" {
			t.Errorf("%+v", p)
		}
	}
	s := f.Now()
	if len(s.Proofs) != len(out.Proofs) || s.ProofRun != nil {
		t.Errorf("the snapshot holds %d proofs of %d, and %+v", len(s.Proofs), len(out.Proofs), s.ProofRun)
	}
}

// What a protected environment's documents hold is masked, in the snapshot and
// in the answer, until somebody asks; and the gate warns of what was found.
func TestProveAProtectedEnvironment(t *testing.T) {
	config := strings.Replace(small, `name = "staging"`, "name = \"staging\"\nprotected = true", 1)
	f := Open(t.Context(), Options{Dir: copyDemo(t, config), Envs: []string{"staging"}})
	t.Cleanup(func() { f.Close() })
	ready(t, f, "staging")
	counter := func(proofs []plan.Proof) *plan.Counterexample {
		for _, p := range proofs {
			if p.Path == "orders.customerName" && p.Counter != nil {
				return p.Counter
			}
		}
		t.Fatal("no counterexample of addCustomerName")
		return nil
	}
	c := Command{Action: plan.ActProve, Env: "staging", Prove: &ProveOptions{Documents: 600, Rows: []string{"orders"}}}
	out, err := f.Run(within(t), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*plan.Counterexample{"answer": counter(out.Proofs), "snapshot": counter(f.Now().Proofs)} {
		if placed, _ := x.Before.Get("status"); !x.Masked || placed == "cart" || strings.Contains(x.Violation, "Cannot read") {
			t.Errorf("%s: %+v", name, x)
		}
	}
	c.Reveal = true
	if out, err = f.Run(within(t), c, nil); err != nil {
		t.Fatal(err)
	}
	if x := counter(out.Proofs); x.Masked || !strings.Contains(x.Violation, "Cannot read properties of null") {
		t.Errorf("asked for: %+v", x)
	}
	_, warnings := f.Check(Command{Action: plan.ActRun, Env: "staging", Migration: "migrations/orders:addCustomerName", Typed: "staging"})
	if !slices.ContainsFunc(warnings, func(r plan.Refusal) bool { return r.Code == "refuted" }) {
		t.Errorf("the gate warns of %+v", warnings)
	}
}

func TestStopProof(t *testing.T) {
	f := demo(t, "staging")
	ready(t, f, "staging")
	if err := f.Do(t.Context(), Command{Action: plan.ActProve, Env: "staging", Prove: &ProveOptions{Documents: 1_000_000}}); err != nil {
		t.Fatal(err)
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActProve, Env: "staging"})); code != "running" {
		t.Errorf("a second one: %s", code)
	}
	if err := f.wait(within(t), func() bool { return f.proving != nil && f.proving.run.Documents > 0 }); err != nil {
		t.Fatal(err)
	}
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { return f.proving == nil }); err != nil {
		t.Fatal(err)
	}
	if s := f.Now(); s.Proofs != nil || s.ProofRun != nil {
		t.Errorf("%+v", s.ProofRun)
	}
}

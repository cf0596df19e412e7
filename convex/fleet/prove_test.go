package fleet

import (
	"os"
	"path/filepath"
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

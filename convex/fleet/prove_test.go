package fleet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strait/convex/project"
	"strait/convex/snapshot"
	"strait/model/value"
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

// The documents of an export are tried, with those that they refer to; an id
// that leads out of it is one of a document that is gone.
func TestProveAnExport(t *testing.T) {
	p, err := project.Load(t.Context(), project.Options{Dir: copyDemo(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	id := func(table uint32, n byte) string { return value.NewID(table, [14]byte{n}, 20000).String() }
	object := func(json string) value.Object {
		v, err := value.Decode([]byte(json))
		if err != nil {
			t.Fatal(err)
		}
		return v.(value.Object)
	}
	order := func(n byte, customer string) value.Object {
		return object(fmt.Sprintf(`{"_id":%q,"_creationTime":1,"teamId":%q,"customerId":%q,"code":"secret-%d","status":"paid","lines":[],"placedAt":1}`, id(20002, n), id(20003, 1), customer, n))
	}
	file := filepath.Join(t.TempDir(), "prod.zip")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w, err := snapshot.NewWriter(out)
	if err != nil {
		t.Fatal(err)
	}
	tables := []snapshot.Table{{Name: "users", Number: 20001}, {Name: "orders", Number: 20002}, {Name: "teams", Number: 20003}}
	if err := w.Tables("", tables); err != nil {
		t.Fatal(err)
	}
	for _, table := range []struct {
		name string
		docs []value.Object
	}{
		{"users", []value.Object{object(fmt.Sprintf(`{"_id":%q,"_creationTime":1,"name":"Ada","email":"","teamId":%q,"role":"owner"}`, id(20001, 1), id(20003, 1)))}},
		{"orders", []value.Object{order(1, id(20001, 1)), order(2, id(20001, 99)), order(3, id(20001, 1))}},
		{"teams", []value.Object{object(fmt.Sprintf(`{"_id":%q,"_creationTime":1,"name":"","slug":"","city":"","seats":1}`, id(20003, 1)))}},
	} {
		if err := w.Begin("", table.name); err != nil {
			t.Fatal(err)
		}
		for _, doc := range table.docs {
			if err := w.Write(doc); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, reveal := range []bool{false, true} {
		proofs, err := Prove(t.Context(), p, ProveOptions{Export: file, Documents: 12, Rows: []string{"orders.customerName"}, Reveal: reveal}, nil)
		if err != nil {
			t.Fatal(err)
		}
		x := proofs[0].Counter
		if proofs[0].Verdict != plan.Refuted || x == nil || !x.Real || x.Masked == reveal || proofs[0].Sampled != 3 {
			t.Fatalf("%+v %+v", proofs[0], x)
		}
		customer, _ := x.Before.Get("customerId")
		if reveal != (customer == id(20001, 99)) {
			t.Errorf("the customer of the order is %v", customer)
		}
	}
}

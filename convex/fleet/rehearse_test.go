package fleet

import (
	"slices"
	"strings"
	"testing"

	"strait/model/value"
	"strait/plan"
)

func rehearsed(t *testing.T, f *Fleet, env string, o RehearseOptions) *plan.Rehearsal {
	t.Helper()
	out, err := f.Run(within(t), Command{Action: plan.ActRehearse, Env: env, Rehearse: &o}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Rehearsal == nil {
		t.Fatalf("no report: %+v", out.Failure)
	}
	return out.Rehearsal
}

func runOf(t *testing.T, r *plan.Rehearsal, name string) plan.RehearsedRun {
	t.Helper()
	for _, m := range r.Migrations {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("%s was not rehearsed: %+v", name, r.Skipped)
	return plan.RehearsedRun{}
}

// The demo's environments: dev has nothing left to do, staging's bad order is
// found with its document, and prod goes through.
func TestRehearseDemo(t *testing.T) {
	slow(t)
	f := demo(t)
	dev := rehearsed(t, f, "dev", RehearseOptions{})
	if !dev.Accepted() || !dev.Whole || dev.Census.Offenders != 0 {
		t.Errorf("dev: %+v", dev)
	}
	staging := rehearsed(t, f, "staging", RehearseOptions{})
	if staging.Accepted() || !strings.Contains(staging.Narrow, "customerName") || staging.Census.Offenders != 1 {
		t.Errorf("staging: %q, %+v", staging.Narrow, staging.Census)
	}
	bad := runOf(t, staging, "migrations/orders:addCustomerName")
	if bad.State != "failed" || bad.Failed != 1 || len(bad.Failures) != 1 || bad.Documents != 241 || bad.Changed != 240 || bad.Unchanged != 1 {
		t.Fatalf("addCustomerName: %+v", bad)
	}
	if x := bad.Failures[0]; x.Document != staging.Census.Groups[0].Samples[0].ID || x.Body == nil || x.Frame != "convex/migrations/orders.ts:28" {
		t.Errorf("the failing document: %+v", x)
	}
	prod := rehearsed(t, f, "prod", RehearseOptions{})
	if !prod.Accepted() || prod.Census.Offenders != 0 || len(prod.Migrations) != 9 {
		t.Errorf("prod: %+v", prod)
	}
	if s := f.Now().Envs[2]; s.Rehearsal == nil || s.Rehearsal.Documents != prod.Documents || s.Rehearsing != nil {
		t.Error("the snapshot does not hold the report")
	}
}

// The keys of a record may be ids as well as its values.
func TestReferencesOfASample(t *testing.T) {
	id := func(table uint32, n byte) string { return value.NewID(table, [14]byte{n}, 20000).String() }
	taken := id(10001, 1)
	s := &sampling{
		numbers: map[string]map[uint32]string{"": {10001: "users"}},
		docs:    map[string]map[string]value.Object{"": {taken: nil}},
	}
	doc := value.NewObject(
		value.Field{Name: "_id", Value: taken},
		value.Field{Name: "votes", Value: value.NewObject(value.Field{Name: id(10001, 2), Value: true})},
		value.Field{Name: "likes", Value: value.Array{id(10001, 3), id(10002, 4), "nobody"}},
	)
	want := []string{id(10001, 2), id(10001, 3)}
	slices.Sort(want)
	if got := s.refers("", []value.Object{doc}); !slices.Equal(got, want) {
		t.Errorf("it refers to %v, want %v", got, want)
	}
}

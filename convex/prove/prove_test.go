package prove

import (
	"context"
	"testing"
	"time"

	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

func loaded(t testing.TB, dir string) *project.Project {
	t.Helper()
	p, err := project.Load(context.Background(), project.Options{Dir: dir, Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range p.Problems {
		if !problem.Warning {
			t.Fatalf("%v (%s)", problem, problem.Hint)
		}
	}
	return p
}

func definitions(p *project.Project) []plan.Definition {
	var out []plan.Definition
	for _, m := range p.Migrations {
		out = append(out, plan.Definition{Name: m.Name, Table: m.Table, Component: m.Owner, Driver: string(m.Driver), Runner: m.Runner, Series: m.Series, Source: m.Source})
	}
	return out
}

func TestDemo(t *testing.T) {
	p := loaded(t, "../../testdata/demo")
	from, err := project.LoadSchema(context.Background(), p.Root, "schemas/before.ts")
	if err != nil {
		t.Fatal(err)
	}
	rows := Rows(definitions(p), from, p.Schema)
	proofs, err := Run(context.Background(), Options{App: p.App, Migrations: p.Migrations, Rows: rows, Active: from, Target: p.Schema})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range proofs {
		t.Logf("%s: %s %s: %v %d documents in %v", x.Title, x.Verdict, x.Why, x.Migrations, x.Documents, x.Took.Round(time.Millisecond))
		if c := x.Counter; c != nil {
			t.Logf("  %s by %s at %s\n before %s\n after %s\n again %s\n %s: %s", c.Kind, c.Migration, c.Frame, value.Display(c.Before), value.Display(c.After), value.Display(c.Again), c.Place, c.Violation)
		}
	}
}

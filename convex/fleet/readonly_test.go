package fleet

import (
	"testing"

	"strait/convex/jsrun"
	"strait/plan"
)

// What only reads commits nothing there: by the deployment's own clock of
// commits, and by its own function log.
func TestWhatReadsWritesNothing(t *testing.T) {
	slow(t)
	c := newCloud(t)
	seeded, err := c.d.Log(within(t), 0) // its migrations ran half way
	if err != nil {
		t.Fatal(err)
	}
	mark := seeded[len(seeded)-1].Cursor
	f := c.open()
	ready(t, f, "cloud")
	before := c.d.View()
	run := func(c Command) Outcome {
		t.Helper()
		c.Env = "cloud"
		out, err := f.Run(within(t), c, nil)
		if err != nil {
			t.Fatalf("%s: %+v %v", c.Action, out, err)
		}
		return out
	}
	still := func(what string) {
		t.Helper()
		if after := c.d.View(); after.Timestamp() != before.Timestamp() {
			t.Errorf("%s committed: %d, and %d before; %+v", what, after.Timestamp(), before.Timestamp(), after.Since(before))
		}
	}
	cost, err := f.CensusEstimate(within(t), "cloud", CensusOptions{})
	if err != nil || cost.Documents == 0 {
		t.Fatalf("%+v %v", cost, err)
	}
	still("the estimate")
	if out := run(Command{Action: plan.ActCensus, Census: &CensusOptions{Rate: -1}}); out.Census == nil || out.Census.Read == 0 || out.Census.Offenders == 0 {
		t.Errorf("census %+v", out.Census)
	}
	still("the census")
	if out := run(Command{Action: plan.ActProve, Prove: &ProveOptions{Documents: 200, Rows: []string{"orders"}}}); len(out.Proofs) == 0 {
		t.Error("nothing was proved")
	}
	still("prove")
	if r := rehearsed(t, f, "cloud", RehearseOptions{Sample: 20}); len(r.Migrations) == 0 || r.Migrations[0].Documents == 0 {
		t.Errorf("rehearsal %+v", r)
	}
	still("the rehearsal")
	f.Close() // nor do the watches that end

	log, err := c.d.Log(within(t), 0)
	if err != nil {
		t.Fatal(err)
	}
	queries := 0
	for _, e := range log {
		if e.Cursor <= mark {
			continue
		}
		if queries++; e.Type != jsrun.Query || e.Usage.DocumentsWritten > 0 || e.Usage.FunctionsScheduled > 0 {
			t.Errorf("%s %s ran there: %+v", e.Type, e.Identifier, e.Usage)
		}
	}
	t.Logf("%d entries in the log, of queries alone", queries)
}

package fleet

import (
	"testing"

	"strait/plan"
)

// A review weighs a page of every migrated table; a census weighs more of them.
func TestDocumentsAreWeighed(t *testing.T) {
	slow(t)
	f := demo(t, "staging")
	ready(t, f, "staging")
	sizes := func() map[string]plan.Size {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.envs[0].evidence().Sizes
	}
	if got := sizes(); len(got) > 0 {
		t.Errorf("weighed before anybody asked: %v", got)
	}
	if _, _, err := f.Review(within(t)); err != nil {
		t.Fatal(err)
	}
	orders := sizes()["orders"]
	if orders.Sampled != sizeSample || orders.Mean < 50 || orders.Largest < orders.Mean {
		t.Errorf("orders: %+v", orders)
	}
	if _, weighed := sizes()["preferences"]; weighed {
		t.Error("weighed a table that no migration works on")
	}
	out, err := f.Run(within(t), Command{Action: plan.ActCensus, Env: "staging"}, nil)
	if err != nil || out.Census == nil {
		t.Fatalf("census: %v %+v", err, out)
	}
	// One document in sixteen is weighed for the largest; the mean is of all.
	if users := sizes()["users"]; users.Sampled < 400/16 || users.Mean < 50 || users.Largest < users.Mean {
		t.Errorf("of 400 users the census weighed %+v", users)
	}
}

package fleet

import (
	"strings"
	"testing"

	"strait/convex/wire"
	"strait/plan"
)

// What the component still runs though the project no longer defines it keeps
// the target from being merged.
func TestARunThatNobodyDefines(t *testing.T) {
	f := demo(t, "dev")
	ready(t, f, "dev")
	e := f.envs[0]
	e.gotStatuses(e.client, []wire.MigrationStatus{{Name: "migrations:deletedSince", State: "inProgress", Processed: 100}}, nil)
	_, review, err := f.Review(within(t))
	if err != nil {
		t.Fatal(err)
	}
	told := ""
	for _, l := range review.Merge.Missing {
		if l.Code == "running" {
			told = l.Why
		}
	}
	if !strings.Contains(told, "migrations:deletedSince is running in dev, and the project no longer defines it") {
		t.Errorf("missing: %+v", review.Merge.Missing)
	}
	found := false
	for _, h := range review.Hazards {
		found = found || h.Code == "SW404" && h.Severity != plan.Notice
	}
	if !found {
		t.Errorf("hazards: %+v", review.Hazards)
	}
}

package plan

import (
	"strings"
	"testing"
	"time"
)

// The refusal says how many, where, since when and how to find who writes.
func TestOldShapeWriterIsTold(t *testing.T) {
	now := time.Date(2026, 11, 22, 14, 10, 0, 0, time.UTC)
	s := &stand{Evidence: Evidence{Now: now, Env: "prod"}}
	if s.oldWriters() != "" {
		t.Error("nobody watches, and somebody writes")
	}
	s.Writers = &Writers{Offenders: map[string]int64{"orders": 2, "users": 1, "teams": 0}, First: now.Add(-8 * time.Minute)}
	if got, want := s.oldWriters(), "some code still writes the old shape: 3 documents in orders, users, the first "+ago(now, s.Writers.First); got != want {
		t.Errorf("%q", got)
	}
	for _, x := range []struct {
		likely []string
		first  time.Time
		want   string
	}{
		{[]string{"orders:importCounted"}, now, "mend orders:importCounted, which ran when they were written"},
		{nil, now, "ran at 14:10:00 UTC in the function log"},
		{nil, time.Time{}, "find the mutation that writes there"},
	} {
		s.Writers.Likely, s.Writers.First = x.likely, x.first
		if got := s.writersHint(); !strings.Contains(got, x.want) || !strings.Contains(got, "migrate again") {
			t.Errorf("%q", got)
		}
	}
}

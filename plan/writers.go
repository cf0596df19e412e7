package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// oldWriters says which tables get documents of the old shape; "" none.
func (s *stand) oldWriters() string {
	if s.Writers == nil {
		return ""
	}
	var n int64
	var where []string
	for _, t := range slices.Sorted(maps.Keys(s.Writers.Offenders)) {
		if k := s.Writers.Offenders[t]; k > 0 {
			n += k
			where = append(where, t)
		}
	}
	if n == 0 {
		return ""
	}
	text := fmt.Sprintf("some code still writes the old shape: %s in %s", documents(n), strings.Join(where, ", "))
	if first := s.Writers.First; !first.IsZero() {
		text += ", the first " + ago(s.Now, first)
	}
	return text
}

// writersHint is how to find that code, and what to do then.
func (s *stand) writersHint() string {
	var find string
	switch w := s.Writers; {
	case len(w.Likely) > 0:
		find = "mend " + strings.Join(w.Likely, " or ") + ", which ran when they were written"
	case w.First.IsZero():
		find = "find the mutation that writes there in the function log (npx convex logs)"
	default:
		find = "find the mutation that ran at " + w.First.UTC().Format("15:04:05 UTC") + " in the function log (npx convex logs), or who edited documents by hand"
	}
	return find + "; deploy code that writes the new shape, migrate again, and then " + s.way(ActCensus)
}

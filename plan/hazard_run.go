package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

var runRules = []Rule{
	{Code: "SW401", Name: "two-on-one-table", Severity: Warning, find: twoOnOneTable,
		Why:  "Both read and write the same documents, so that their batches conflict: Convex runs them again and again, and both slow down.",
		Safe: "Let one end before the other starts, or put them into one series."},
	{Code: "SW402", Name: "cron-driven", Severity: Warning, find: cronDriven,
		Why:  "A cron starts whether the last run has ended or not, whether the schema is widened or narrowed, and with nobody watching: no gate, no pace, and it goes on after the migration is done.",
		Safe: "Start the migration by hand or from Strait, and remove the cron."},
	{Code: "SW403", Name: "batch-too-large", Severity: Warning, find: batchTooLarge,
		Why:  "A batch is one transaction. One that passes a limit of Convex fails at the same place every time, and from 80 % on Convex warns: documents that are larger than most decide.",
		Safe: "Lower the batch size."},
	{Code: "SW404", Name: "definition-missing", Severity: Danger, find: definitionMissing,
		Why:  "A deploy of this code takes the function away from the migration that is running: its next batch fails, and the documents behind its cursor stay in the old shape.",
		Safe: "Keep the definition until the migration is done and counted in every environment."},
	{Code: "SW405", Name: "running-unwidened", Severity: Warning, find: runningUnwidened,
		Why:  "The active schema refuses documents of the new shape: a batch that writes one fails.",
		Safe: "Cancel it, deploy the widened schema, then start it again: it goes on where it stopped."},
}

// twoOnOneTable looks at what runs now; the order of the plan lets no two of one
// table run together.
func twoOnOneTable(s *scene) []Hazard {
	var out []Hazard
	for _, table := range s.workedTables() {
		where := map[string]concern{}
		for _, st := range s.known() {
			var names []string
			for _, w := range s.defs {
				if w.table == table && st.Progress[w.Name].State == "inProgress" {
					names = append(names, w.label)
				}
			}
			if len(names) > 1 {
				where[conjoin(names)] = append(where[conjoin(names)], st)
			}
		}
		for _, names := range slices.Sorted(maps.Keys(where)) {
			c := where[names]
			out = append(out, Hazard{Table: table, Env: c.env(), What: fmt.Sprintf("%s are running on %s at once in %s", names, table, c.names())})
		}
	}
	return out
}

// workedTables are the tables of the definitions, sorted.
func (s *scene) workedTables() []string {
	var out []string
	for _, w := range s.defs {
		if w.table != "" {
			out = append(out, w.table)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cronDriven looks for crons that start a migration, and for functions that
// schedule one. A migration may schedule itself and the next.
func cronDriven(s *scene) []Hazard {
	var out []Hazard
	for _, j := range s.code.Jobs {
		name := s.drives(j.Calls)
		if name == "" || j.Cron == "" && (j.Function == "" || s.isDefinition(j.Function)) {
			continue
		}
		h := Hazard{Migration: name, Site: &j.Site, What: fmt.Sprintf("cron %q calls %s", j.Cron, name)}
		for _, w := range s.defs {
			if w.Name == name {
				h.Table, h.Env = w.table, w.pending.env()
			}
		}
		if j.Cron == "" {
			h.Severity = Notice
			h.What = fmt.Sprintf("%s schedules %s", j.Function, name)
			h.Why = "The migration starts whenever that function is called: no gate asks whether the schema is widened, and it may start twice."
			h.Safe = "Start the migration by hand or from Strait; where code must start it, look at its status first."
		}
		out = append(out, h)
	}
	return out
}

// drives is the migration that a call starts; "" none.
func (s *scene) drives(calls string) string {
	if s.isDefinition(calls) {
		return calls
	}
	if strings.HasPrefix(calls, "components.") && strings.HasSuffix(calls, "lib.migrate") {
		return calls
	}
	return ""
}

func (s *scene) isDefinition(name string) bool {
	return slices.ContainsFunc(s.in.Definitions, func(d Definition) bool { return d.Name == name })
}

// definitionMissing looks for migrations that run somewhere and are not in the
// project any more.
func definitionMissing(s *scene) []Hazard {
	running := map[string]concern{}
	for _, st := range s.stands {
		for name, p := range st.Progress {
			if p.State == "inProgress" && !s.isDefinition(name) {
				running[name] = append(running[name], st)
			}
		}
	}
	var out []Hazard
	for _, name := range slices.Sorted(maps.Keys(running)) {
		c := running[name]
		out = append(out, Hazard{Severity: c.severity(Warning, Danger), Migration: name, Env: c.env(),
			What: fmt.Sprintf("%s is running in %s, and the project has no such migration", name, c.names())})
	}
	return out
}

func runningUnwidened(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.defs {
		c := s.where(func(st *stand) bool {
			return w.table != "" && s.in.Target.Table(w.table) != nil && st.Progress[w.Name].State == "inProgress" && st.widen([]string{w.table}).State == Todo
		})
		if len(c) > 0 {
			h := w.hazard(fmt.Sprintf("%s is running in %s, where the active schema does not accept the new shape of %s", w.label, c.names(), w.table))
			h.Env = c.env()
			out = append(out, h)
		}
	}
	return out
}

package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// wayOut is a key that leads to what the policy misses.
type wayOut struct {
	key, label string
	act        plan.Action
	mig        string // "" none is meant
}

// wayOut finds the way out of the open question: a dry run, a census, the
// widening. A series is tried member by member. Where a word is typed, a letter
// is text, and there is none.
func (m Root) wayOut() wayOut {
	a := m.ask
	if a.kind != askAction || a.reasoning || len(a.refused) == 0 && a.word != "" {
		return wayOut{}
	}
	for _, r := range append(slices.Clone(a.refused), a.warned...) {
		switch r.Code {
		case "dry-run-missing", "no-dry-run":
			if next := m.untried(a.cmd); next != "" {
				return wayOut{"d", "dry run " + short(next), plan.ActDryRun, next}
			}
		case "census-missing", "census-stale":
			return wayOut{"v", "count now", plan.ActCensus, ""}
		case "backup-missing":
			return wayOut{"b", "back up first", plan.ActBackup, ""}
		case "not-widened":
			return wayOut{"w", "widen first", plan.ActWiden, ""}
		}
	}
	return wayOut{}
}

// untried is the migration that a dry run is missing of: the command's own, or
// the first member of its series that is not done and was not tried; "" when
// another dry run would not help.
func (m Root) untried(cmd fleet.Command) string {
	d, i := m.definition(cmd.Migration), envIndex(m.snap, cmd.Env)
	if i < 0 || d == nil || len(d.Series) == 0 {
		if cmd.Action == plan.ActDryRun {
			return ""
		}
		return cmd.Migration
	}
	e := &m.snap.Envs[i]
	for _, name := range d.Series {
		if dry := e.DryRun[name]; e.Runs[name].State != "success" && (dry == nil || dry.Err != nil) {
			return name
		}
	}
	return ""
}

// takeWayOut leaves the question for what it misses, in the same environment.
func (m Root) takeWayOut(out wayOut) (Root, tea.Cmd) {
	m.env = m.ask.cmd.Env
	m.ask = ask{}
	if out.act == plan.ActCensus {
		if why := blockedCensus(m); why != "" {
			return m.tell(toastWarn, why)
		}
		return m.census()
	}
	if out.mig != "" {
		m = m.goTo(out.mig)
	}
	return askFor(out.act)(m)
}

// goTo puts the cursor on a migration, which may be of another row.
func (m Root) goTo(mig string) Root {
	rows := m.snap.Plan.Rows
	if f := m.focus(); f.row == nil || !slices.Contains(m.choices(f.row), mig) {
		for i := range rows {
			if slices.Contains(rows[i].Migrations, mig) {
				m.entry, m.cur = entry{}, rowID(&rows[i])
				break
			}
		}
	}
	m.mig = mig
	return m.sift()
}

package ui

import (
	"slices"
	"strings"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// follow finds the cursor's row among new ones: itself, else the one that has
// its migrations now. When a schema becomes known, a migration's own row
// becomes that of the change it covers.
func follow(rows []plan.Row, cur rowKey, was []string) rowKey {
	next := cur
	for i := range rows {
		if rowID(&rows[i]) == cur {
			return cur
		}
		if next == cur && len(was) > 0 && slices.Contains(rows[i].Migrations, was[0]) {
			next = rowID(&rows[i])
		}
	}
	return next
}

// rowKey names a row across snapshots: the cursor follows it, not a place.
type rowKey struct{ table, path, title string }

func rowID(r *plan.Row) rowKey { return rowKey{r.Table, r.Path, r.Title} }

// sift applies the filter and puts the cursor on a row that is left.
func (m Root) sift() Root {
	rows := m.snap.Plan.Rows
	out := make([]int, 0, len(rows))
	words := m.entry.words()
	found := false
	for i := range rows {
		if !rowMatches(&rows[i], words) {
			continue
		}
		out = append(out, i)
		found = found || rowID(&rows[i]) == m.cur
	}
	m.rows = out
	if !found && len(out) > 0 {
		m.cur, m.mig = rowID(&rows[out[min(m.top, len(out)-1)]]), ""
		if m.top == 0 {
			m.cur = rowID(&rows[out[0]])
		}
	}
	return m.reveal()
}

func rowMatches(r *plan.Row, words []string) bool {
	for _, w := range words {
		hit := strings.Contains(strings.ToLower(r.Title), w) || strings.Contains(strings.ToLower(r.Table+"."+r.Path), w)
		for _, name := range r.Migrations {
			hit = hit || strings.Contains(strings.ToLower(name), w)
		}
		if !hit {
			return false
		}
	}
	return true
}

// at is the cursor's place among the rows shown; -1 without any.
func (m Root) at() int {
	for i, r := range m.rows {
		if rowID(&m.snap.Plan.Rows[r]) == m.cur {
			return i
		}
	}
	return -1
}

// focus is what the cursor is on: a row, an environment, a migration.
type focus struct {
	row     *plan.Row
	rowAt   int
	env     *fleet.EnvSnapshot
	envPlan *plan.EnvPlan
	cell    *plan.Cell
	mig     string
	def     *project.Migration
	run     fleet.Run
	dry     *fleet.DryRun
}

func (m Root) focus() focus {
	var f focus
	if i := envIndex(m.snap, m.env); i >= 0 {
		f.env = &m.snap.Envs[i]
		if i < len(m.snap.Plan.Envs) {
			f.envPlan = &m.snap.Plan.Envs[i]
		}
		f.rowAt = m.at()
		if f.rowAt >= 0 {
			f.row = &m.snap.Plan.Rows[m.rows[f.rowAt]]
			if i < len(f.row.Cells) {
				f.cell = &f.row.Cells[i]
			}
		}
	}
	if f.row == nil {
		return f
	}
	f.mig = m.picked(f)
	f.def = m.definition(f.mig)
	f.run = f.env.Runs[f.mig]
	f.dry = f.env.DryRun[f.mig]
	return f
}

// definition is a migration as the working tree defines it; nil when it does not.
func (m Root) definition(name string) *project.Migration {
	for i := range m.snap.Project.Migrations {
		if m.snap.Project.Migrations[i].Name == name {
			return &m.snap.Project.Migrations[i]
		}
	}
	return nil
}

// picked is the row's migration that keys act on: the one picked, else one
// that runs, else one that failed, else the first that has not succeeded.
func (m Root) picked(f focus) string {
	names := m.choices(f.row)
	if len(names) == 0 {
		return ""
	}
	best, score := names[0], -1
	for i, n := range names {
		if n == m.mig {
			return n
		}
		s := 1
		if i >= len(f.row.Migrations) {
			s = -1 // a series, only when nothing else asks
		}
		switch st := f.env.Runs[n].State; {
		case active(st):
			s = 3
		case st == "failed":
			s = 2
		case st == "success":
			s = 0
		}
		if s > score {
			best, score = n, s
		}
	}
	return best
}

// choices are the migrations of a row: its own, then the series that hold them.
func (m Root) choices(r *plan.Row) []string {
	names := r.Migrations
	own := len(names)
	for i := range m.snap.Project.Migrations {
		d := &m.snap.Project.Migrations[i]
		if !slices.Contains(names[:own], d.Name) {
			continue
		}
		for _, s := range d.InSeries {
			if !slices.Contains(names, s) {
				names = append(names[:len(names):len(names)], s)
			}
		}
	}
	return names
}

// short is a migration's name without its module; that of a component stays
// whole, since the root may have one called alike.
func short(mig string) string {
	if strings.Count(mig, ":") > 1 {
		return mig
	}
	return mig[strings.LastIndex(mig, ":")+1:]
}

// shorts are the short names of migrations, in a line.
func shorts(migs []string) string {
	names := make([]string, len(migs))
	for i, n := range migs {
		names[i] = short(n)
	}
	return strings.Join(names, ", ")
}

// tableName is a migration's table, with the component that has it.
func tableName(m *project.Migration) string {
	if m.Owner == "" || m.Table == "" {
		return m.Table
	}
	return m.Table + " in " + m.Owner
}

// stored is how many documents a migration's table holds. Of a component's, the
// run alone tells.
func stored(e *fleet.EnvSnapshot, m *project.Migration) (n int64, known bool) {
	if m.Owner != "" {
		r, ok := e.Runs[m.Name]
		return r.Total, ok && r.Total >= 0
	}
	n, known = e.Tables[m.Table]
	return n, known
}

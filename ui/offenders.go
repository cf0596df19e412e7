package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// offending is where one is on the page of offenders.
type offending struct {
	key    offenderKey // of the entry that is selected; zero: the first
	sample int
	inside bool // the keys move the document
	whole  bool // nothing of the document is folded
	find   entry
}

// offenderKey names an entry of the page: a group of offenders, or the document
// that stopped a migration.
type offenderKey struct {
	table, path, reason, mig string
	since                    bool // written after the census, as the watch for old-shape writers saw
}

// offenderEntry is one line of the page's list.
type offenderEntry struct {
	offenderKey
	name  string // its path, its table in front
	group *plan.Group
	fail  *fleet.Failure
}

// groupEntry is the line of a group of offenders.
func groupEntry(g *plan.Group, since bool) offenderEntry {
	return offenderEntry{offenderKey: offenderKey{g.Table, g.Path, g.Reason, "", since}, name: groupName(*g), group: g}
}

// samples are the documents that the entry shows.
func (x *offenderEntry) samples() int {
	if x.group == nil {
		return max(1, len(x.fail.Misfits))
	}
	return len(x.group.Samples)
}

// offenders are the page's entries that the filter leaves.
func (m Root) offenders() []offenderEntry {
	words := m.off.find.words()
	if len(words) == 0 {
		return m.unsieved()
	}
	return slices.DeleteFunc(m.unsieved(), func(x offenderEntry) bool {
		return !holds(x.name+" "+x.mig+" "+reasonShort(x.reason)+" "+reasonWord(x.reason), words)
	})
}

func (m Root) allOffenders() int { return len(m.unsieved()) }

// unsieved are the page's entries: what stopped a run, what was written in the
// old shape since, then the groups of the census, the largest first.
func (m Root) unsieved() []offenderEntry {
	e := m.focus().env
	if e == nil {
		return nil
	}
	var out []offenderEntry
	for i := range m.snap.Project.Migrations {
		name := m.snap.Project.Migrations[i].Name
		if r, ok := e.Runs[name]; ok && r.State == "failed" && r.Failure != nil && len(r.Failure.Body) > 0 {
			out = append(out, offenderEntry{offenderKey: offenderKey{table: r.Failure.Table, mig: name}, name: cmp.Or(r.Failure.Table, "a document"), fail: r.Failure})
		}
	}
	if e.Writers != nil {
		for i := range e.Writers.Samples {
			out = append(out, groupEntry(&e.Writers.Samples[i], true))
		}
	}
	first := len(out)
	if e.Census != nil {
		for i := range e.Census.Groups {
			out = append(out, groupEntry(&e.Census.Groups[i], false))
		}
	}
	slices.SortStableFunc(out[first:], func(a, b offenderEntry) int {
		return cmp.Or(cmp.Compare(b.group.Count, a.group.Count), cmp.Compare(a.name, b.name), cmp.Compare(a.reason, b.reason))
	})
	return out
}

// offender is the selected entry and its place in the list; -1 without any.
func (m Root) offender(all []offenderEntry) (*offenderEntry, int) {
	if len(all) == 0 {
		return nil, -1
	}
	i := slices.IndexFunc(all, func(x offenderEntry) bool { return x.offenderKey == m.off.key })
	if i < 0 { // the first that the census counted
		i = max(0, slices.IndexFunc(all, func(x offenderEntry) bool { return x.group != nil }))
	}
	return &all[i], i
}

// shownSample is the place of the sample that is shown.
func (m Root) shownSample(x *offenderEntry) int {
	return min(max(0, m.off.sample), max(0, x.samples()-1))
}

// openOffenders opens the page of offenders, or leaves it.
func (m Root) openOffenders() (Root, tea.Cmd) {
	if m.page == offendersPage {
		return m.goBack()
	}
	m = m.visit(offendersPage)
	m.off = offending{}
	if f := m.focus(); f.row != nil {
		m.off.key = m.groupOf(f.row)
	}
	return m, nil
}

// groupOf is the largest group of a row's path, else of its table.
func (m Root) groupOf(r *plan.Row) offenderKey {
	var near offenderKey
	for _, x := range m.offenders() {
		switch {
		case x.group == nil || x.table != r.Table:
		case related(x.name, r.Path):
			return x.offenderKey
		case near == offenderKey{}:
			near = x.offenderKey
		}
	}
	return near
}

// openFailing shows the document that stopped the selected run.
func (m Root) openFailing() (Root, tea.Cmd) {
	f := m.focus()
	m = m.visit(offendersPage)
	m.off = offending{inside: true, key: offenderKey{table: f.run.Failure.Table, mig: f.mig}}
	return m, nil
}

// noFailing is why there is no document to open of the run that is shown.
func noFailing(m Root) string {
	f := m.focus()
	switch {
	case f.run.State != "failed" || f.run.Failure == nil:
		return "no document stopped this run"
	case len(f.run.Failure.Body) == 0:
		return "the run's error names no document that can be read"
	}
	return ""
}

// related reports whether one path holds the other.
func related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return a != "" && strings.HasPrefix(b, a) && (len(a) == len(b) || strings.ContainsRune(".[{", rune(b[len(a)])))
}

// covering is the row whose change a group is about: that of its path, else
// the one nearest to it; nil when none is.
func (m Root) covering(x *offenderEntry) *plan.Row {
	var best *plan.Row
	score := -1
	for i := range m.snap.Plan.Rows {
		r := &m.snap.Plan.Rows[i]
		s := -1
		switch {
		case x.mig != "" && slices.Contains(r.Migrations, x.mig):
			s = 1000
		case x.group == nil || r.Table != x.table || r.Component != "":
		case r.Path == x.name:
			s = 900
		case related(x.name, r.Path) && r.Path != "":
			s = min(len(r.Path), len(x.name))
		}
		if s > score {
			best, score = r, s
		}
	}
	return best
}

// toChange leaves the page for the row of the grid that the entry is about.
func (m Root) toChange() (Root, tea.Cmd) {
	x, _ := m.offender(m.offenders())
	r := m.covering(x)
	m.page, m.roll, m.entry, m.cur, m.mig = fleetPage, 0, entry{}, rowID(r), x.mig
	return m.sift(), nil
}

func noChange(m Root) string {
	x, _ := m.offender(m.offenders())
	switch {
	case x == nil:
		return noSample(m)
	case m.covering(x) == nil:
		return "no change or migration of the plan is about " + x.name
	}
	return ""
}

func noSample(m Root) string {
	e := m.focus().env
	switch x, _ := m.offender(m.offenders()); {
	case e == nil:
		return noEnv(m)
	case x != nil && x.samples() > 0:
		return ""
	case x != nil:
		return "no sample was kept of this group"
	case m.off.find.text != "":
		return "no group holds these words; esc clears the filter"
	case e.Census == nil:
		return "nothing is counted in " + e.Name + " yet: v counts"
	}
	return "the census of " + e.Name + " found no offender"
}

// nextSample shows another document of the group, from the last one the first.
func (m Root) nextSample(n int) Root {
	if x, _ := m.offender(m.offenders()); x != nil && x.samples() > 0 {
		k := x.samples()
		m.off.sample, m.roll = (m.shownSample(x)+n+k)%k, 0
	}
	return m
}

// moveOffender moves the cursor of the list, or rolls the document.
func (m Root) moveOffender(n int) Root {
	all := m.offenders()
	x, i := m.offender(all)
	switch {
	case x == nil:
	case m.off.inside:
		w, h := m.samplePane(all)
		lines, start := m.sampleLines(x, w, h)
		m.roll = min(max(n+m.roll, -start), max(0, len(lines)-h-start))
	default:
		m.off.key = all[min(max(0, i+n), len(all)-1)].offenderKey
		m.off.sample, m.roll = 0, 0
	}
	return m
}

// sideOffender goes into the document and from sample to sample, and back.
func (m Root) sideOffender(n int) Root {
	x, _ := m.offender(m.offenders())
	switch {
	case x == nil || x.samples() == 0:
	case !m.off.inside && n > 0:
		m.off.inside, m.roll = true, 0
	case m.off.inside && n < 0 && m.shownSample(x) == 0:
		m.off.inside, m.roll = false, 0
	case m.off.inside && m.shownSample(x)+n < x.samples():
		m = m.nextSample(n)
	}
	return m
}

func (m Root) enterOffender() (Root, tea.Cmd) {
	if !m.off.inside {
		return m.sideOffender(1), nil
	}
	m.off.whole, m.roll = !m.off.whole, 0
	return m, nil
}

// sampleOf is a document of an entry, as the page shows it.
type sampleOf struct {
	id, expected, got, message string
	closest                    string   // what the union there came nearest to
	way                        []string // to the place that offends; nil: not known
	masked                     bool
	doc                        value.Object
}

// ways are the places to mark in the document.
func (s sampleOf) ways() [][]string {
	if s.way == nil {
		return nil
	}
	return [][]string{s.way}
}

// nearWord says what the closest member of a union refuses.
func nearWord(n *plan.Near) string {
	if n == nil {
		return ""
	}
	where := "it"
	if len(n.Way) > 0 {
		where = strings.Join(n.Way, ".")
	}
	switch {
	case n.Reason == schema.ReasonMissing:
		return where + " is missing: " + n.Expected
	case n.Reason == schema.ReasonExtra:
		return where + " is no field of it"
	}
	return where + " is " + n.Got + ", not " + n.Expected
}

// sample is the n-th document of an entry. Of the document that stopped a run
// the place is where it does not fit the target, else the field of the run's
// change.
func (m Root) sample(x *offenderEntry, n int) sampleOf {
	if x.group == nil {
		return m.failing(x, n)
	}
	s := x.group.Samples[n]
	out := sampleOf{id: s.ID, way: s.Way, expected: s.Expected, got: s.Got, closest: nearWord(s.Closest), message: s.Message, masked: s.Masked, doc: s.Document}
	if out.way == nil {
		out.way = wayOf(s.Document, cmp.Or(s.Place, placeOf(*x.group)))
	}
	return out.worded(x.reason)
}

// worded takes away what the mark says already, and says what an extra field
// lacks.
func (s sampleOf) worded(reason string) sampleOf {
	switch reason {
	case "missing":
		s.got = ""
	case "extra":
		s.expected = "no field of this name"
	}
	return s
}

// failing is the document that stopped a run, at the n-th place where it
// offends.
func (m Root) failing(x *offenderEntry, n int) sampleOf {
	out := sampleOf{id: x.fail.Document, doc: x.fail.Body, message: x.fail.Summary, masked: m.veiled(m.focus().env)}
	if n < len(x.fail.Misfits) {
		s := x.fail.Misfits[n]
		out.way, out.expected, out.got, out.closest = s.Way, s.Expected, s.Got, nearWord(s.Closest)
		if out.way == nil {
			out.way = wayOf(out.doc, s.Place)
		}
	} else if r := m.covering(x); r != nil && r.Table == x.table {
		out.way = wayOf(out.doc, placeOf(plan.Group{Table: r.Table, Path: r.Path}))
	}
	reason := ""
	if out.got == "undefined" {
		reason = "missing"
	}
	return out.worded(reason)
}

// placeOf is the place in a document that a path leads to, as far as it is one
// place in every document.
func placeOf(g plan.Group) string {
	path, ok := strings.CutPrefix(groupName(g), g.Table)
	if i := strings.IndexAny(path, "[{"); i >= 0 {
		path = path[:i]
	}
	if !ok {
		return ""
	}
	return path
}

// groupName is the path of a census group, its table in front.
func groupName(g plan.Group) string {
	if g.Path == "" || g.Path == g.Table || strings.HasPrefix(g.Path, g.Table+".") || strings.HasPrefix(g.Path, g.Table+"[") || strings.HasPrefix(g.Path, g.Table+"{") {
		return cmp.Or(g.Path, g.Table)
	}
	return g.Table + "." + g.Path
}

// reasonShort is a reason of a violation in a word or two.
func reasonShort(reason string) string {
	switch reason {
	case "missing":
		return "missing"
	case "extra":
		return "extra field"
	case "type":
		return "wrong type"
	case "literal":
		return "bad literal"
	case "id":
		return "wrong id table"
	case "union":
		return "no member fits"
	}
	return reason
}

// reasonWord says what a reason of a violation means.
func reasonWord(reason string) string {
	switch reason {
	case "missing":
		return "the field is missing"
	case "extra":
		return "the field is not in the target"
	case "type":
		return "the type differs"
	case "literal":
		return "none of the literals"
	case "id":
		return "an id of another table"
	case "union":
		return "fits no member of the union"
	}
	return reason
}

// shareOf is part of all in percent, never 0 of something and never 100 of less.
func shareOf(part, all int64) string {
	switch {
	case all <= 0 || part <= 0:
		return ""
	case part >= all:
		return "100 %"
	case part*100 < all:
		return "<1 %"
	}
	return fmt.Sprintf("%d %%", min(99, part*100/all))
}

package ui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// untroubled is how many documents a census reads without asking.
const untroubled = 10_000

// The ladders of a census's budget and of the documents that it samples of a
// table.
var (
	budgetLadder = []int64{0, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000}
	sampleLadder = []int64{100, 200, 500, 1000, 2000, 5000, 10_000, 20_000}
)

// usualSample is how many documents of a table are sampled at first.
const usualSample = 1000

// reading is what a census would read.
type reading struct {
	tables    []tableReading // the largest first
	passed    [][2]string    // tables that need no reading, and why
	documents int64
	bytes     int64         // 0 unknown
	takes     time.Duration // at least; 0 unknown
	rate      float64       // documents a second; 0 no limit
	budget    fleet.CensusBudget
	partial   bool // the size of some table is not known
}

type tableReading struct {
	name      string
	documents int64 // -1 unknown
}

// readingOf is what a census of an environment would read: the tables that have
// a breaking change before them, by what the snapshot knows.
func readingOf(snap *fleet.Snapshot, e *fleet.EnvSnapshot, o fleet.CensusOptions) reading {
	var r reading
	if o.Component != "" { // what it holds is not in the snapshot
		r.partial = true
		return r.sum(o)
	}
	i := envIndex(snap, e.Name)
	var seen []string
	if i < len(snap.Plan.Envs) {
		for _, c := range snap.Plan.Envs[i].Changes {
			if c.Table == "" || c.Class == plan.Safe || c.Class == plan.IndexOnly || slices.Contains(seen, c.Table) {
				continue
			}
			seen = append(seen, c.Table)
			n, known := e.Tables[c.Table]
			if !known {
				continue
			}
			if n == 0 {
				r.passed = append(r.passed, [2]string{c.Table, provedWord(plan.ByEmpty)})
				continue
			}
			r.tables = append(r.tables, tableReading{c.Table, n})
		}
	}
	for _, name := range sortedTables(e.Tables) {
		if !slices.Contains(seen, name) {
			r.passed = append(r.passed, [2]string{name, provedWord(plan.BySchema)})
		}
	}
	return r.sum(o)
}

// priced is what a census would read, as the deployment tells.
type priced struct {
	req  int
	cost *fleet.CensusCost
}

// price asks what the census of the open question would read.
func (m Root) price() tea.Cmd {
	cmd, req, e, ctx := m.ask.cmd, m.req, m.d.engine, m.d.ctx
	if m.ask.kind != askAction || cmd.Action != plan.ActCensus || cmd.Census == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		cost, err := e.CensusEstimate(ctx, cmd.Env, *cmd.Census)
		if err != nil {
			return nil // what the snapshot knows stays; the census itself says why
		}
		return priced{req, cost}
	}
}

// priced takes what a census would read to the question that asked for it.
func (m Root) priced(msg priced) Root {
	if msg.req != m.req || m.ask.kind != askAction || m.ask.cmd.Census == nil {
		return m
	}
	was := m.ask
	m.ask = m.question(was.cmd, msg.cost)
	m.ask.refused, m.ask.warned = was.refused, was.warned
	return m
}

// readingAt is what a census reads, as its price says.
func readingAt(c *fleet.CensusCost, o fleet.CensusOptions) reading {
	r := reading{documents: c.Documents, bytes: max(0, c.Bytes), takes: c.Least, rate: c.Rate, budget: c.Budget}
	for _, t := range c.Tables {
		switch {
		case t.Proved != "":
			r.passed = append(r.passed, [2]string{t.Table, provedWord(t.Proved)})
		case t.Read > 0:
			r.tables = append(r.tables, tableReading{t.Table, t.Read})
		}
	}
	if b := c.Budget.Documents; b > 0 {
		r.documents = min(r.documents, b)
	}
	if b := c.Budget.Bytes; b > 0 {
		r.bytes = min(r.bytes, b)
	}
	slices.SortStableFunc(r.tables, func(a, b tableReading) int { return cmp.Compare(b.documents, a.documents) })
	return r
}

// sum adds up what is read of the tables under the options.
func (r reading) sum(o fleet.CensusOptions) reading {
	r.documents = 0
	for _, t := range r.tables {
		n := t.documents
		if n < 0 {
			r.partial = true
			continue
		}
		if o.Sample > 0 {
			n = min(n, o.Sample)
		}
		r.documents += n
	}
	if b := o.Budget.Documents; b > 0 {
		r.documents = min(r.documents, b)
	}
	slices.SortStableFunc(r.tables, func(a, b tableReading) int { return cmp.Compare(b.documents, a.documents) })
	return r
}

// pace says how long it takes at least, and at which rate.
func (r reading) pace() string {
	return "at least " + clock(r.takes) + " at " + count(int64(r.rate)) + " documents a second"
}

// words says in a line what is read.
func (r reading) words(o fleet.CensusOptions) string {
	if len(r.tables) == 0 && r.partial {
		return "its tables; how many documents they hold is being asked"
	}
	if len(r.tables) == 0 {
		return "no document: nothing has to be read"
	}
	what := documents(r.documents)
	if r.bytes > 0 {
		what += ", ~" + bytesWord(r.bytes)
	}
	if o.Sample > 0 || o.Budget.Documents > 0 || r.budget != (fleet.CensusBudget{}) {
		what = "at most " + what
	}
	var names []string
	for i, t := range r.tables {
		if i == 6 {
			names = append(names, plural(int64(len(r.tables)-i), "more table"))
			break
		}
		n := "size not known"
		if t.documents >= 0 {
			n = count(t.documents)
		}
		names = append(names, t.name+" "+n)
	}
	return what + ": " + strings.Join(names, ", ")
}

// provedWord says why a table needs no reading.
func provedWord(proved string) string {
	switch proved {
	case plan.ByEmpty:
		return "empty"
	case plan.BySchema:
		return "its deployed schema lets nothing in that the target refuses"
	case plan.ByShapes:
		return "the deployment's inferred shapes fit the target"
	}
	return proved
}

// census counts at once where that is little; else it asks first.
func (m Root) census() (Root, tea.Cmd) {
	e := m.focus().env
	o := fleet.CensusOptions{}
	stopped := e.Census != nil && e.Census.Stopped != ""
	if r := readingOf(m.snap, e, o); !stopped && (e.Embedded || !r.partial && r.documents <= untroubled) {
		return m.startCensus(fleet.Command{Action: plan.ActCensus, Env: e.Name, By: "screen"})
	}
	o.Resume = stopped
	return m.openAsk(fleet.Command{Action: plan.ActCensus, Env: e.Name, By: "screen", Census: &o})
}

// countComponent counts the tables of a component, as census does the app's.
func (m Root) countComponent(path string) (Root, tea.Cmd) {
	e := m.focus().env
	cmd := fleet.Command{Action: plan.ActCensus, Env: e.Name, By: "screen", Census: &fleet.CensusOptions{Component: path}}
	if e.Embedded {
		return m.startCensus(cmd)
	}
	return m.openAsk(cmd)
}

// startCensus sends a census, and shows it.
func (m Root) startCensus(cmd fleet.Command) (Root, tea.Cmd) {
	if m.page != offendersPage {
		m, _ = m.openOffenders()
	}
	m, hush := m.tell(toastInfo, "counting what does not fit the target in "+cmd.Env)
	return m, tea.Batch(hush, m.send(cmd))
}

// askCensus fills the question before a census: what it reads, and how.
func (m Root) askCensus(a *ask, f focus, add func(k, v string)) {
	e, o := f.env, *a.cmd.Census
	a.title, a.yes = "Count what does not fit the target in "+e.Name+"?", "count"
	if o.Component != "" {
		add("component", o.Component)
	}
	r := readingOf(m.snap, e, o)
	if a.cost != nil {
		r = readingAt(a.cost, o)
	}
	add("reads", r.words(o))
	add("passes by", passedBy(r.passed))
	if r.takes > 0 {
		add("takes", r.pace())
	}
	add("writes", "nothing")
	if o.Resume && e.Census != nil {
		add("so far", fmt.Sprintf("%s read, %s %s", documents(e.Census.Read), count(e.Census.Offenders), notFit(e.Census.Offenders)))
	}
	if o.Sample > 0 {
		add("sample", count(o.Sample)+" documents a table, spread over it")
	} else {
		add("budget", cmp.Or(budgetWord(o.Budget), after("strait.toml's ", budgetWord(r.budget)), "none: it reads to the end"))
	}
}

// passedBy names the tables that need no reading, by reason.
func passedBy(passed [][2]string) string {
	by := map[string][]string{}
	for _, p := range passed {
		by[p[1]] = append(by[p[1]], p[0])
	}
	var out []string
	for _, why := range sortedTables(by) {
		names := by[why]
		text := strings.Join(names[:min(len(names), 4)], ", ")
		if n := len(names) - 4; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
		out = append(out, text+" ("+why+")")
	}
	return strings.Join(out, "; ")
}

// censusWays are the ways to count that the question offers.
func (m Root) censusWays(e *fleet.EnvSnapshot) []string {
	if e.Census != nil && e.Census.Stopped != "" {
		return []string{"go on", "full", "sampled"}
	}
	return []string{"full", "sampled"}
}

// censusWay is the one that the options mean.
func censusWay(o *fleet.CensusOptions) string {
	switch {
	case o.Resume:
		return "go on"
	case o.Sample > 0:
		return "sampled"
	}
	return "full"
}

var censusMeans = map[string]string{
	"go on":   "from the page where the last one stopped",
	"full":    "every document that may misfit; zero gives a certificate",
	"sampled": "a few of each table; bounds with 95 % how many misfit, gives no certificate",
}

// drawCensusWays offers the ways to count.
func (m Root) drawCensusWays(p *pen, labelW int) {
	l, a := m.l, m.ask
	f, ok := m.focusOf(a.cmd)
	if a.cmd.Action != plan.ActCensus || a.cmd.Census == nil || !ok {
		return
	}
	chosen := censusWay(a.cmd.Census)
	for i, way := range m.censusWays(f.env) {
		if m.h < 20 && way != chosen {
			continue
		}
		label, mark, k := "", "  ", l.dim
		if i == 0 || m.h < 20 {
			label = "how"
		}
		if way == chosen {
			mark, k = l.g.cursor+" ", l.strong
		}
		p.col(l.dim, label, labelW).put(l.cursor, mark).col(k, way, 9)
		at := p.used
		for _, line := range wrap(censusMeans[way], max(1, p.w-at)) {
			p.to(at).put(l.dim, line).end()
		}
	}
}

// pressCensus takes a key for the question before a census: it only reads, so
// enter says yes.
func (m Root) pressCensus(key string) (root Root, cmd tea.Cmd, taken bool) {
	a := m.ask
	f, ok := m.focusOf(a.cmd)
	if a.kind != askAction || a.cmd.Action != plan.ActCensus || a.cmd.Census == nil || !ok || len(a.refused) > 0 {
		return m, nil, false
	}
	o := *a.cmd.Census
	switch key {
	case "enter":
		m, cmd = m.yes()
		return m, cmd, true
	case "tab":
		ways := m.censusWays(f.env)
		way := ways[(slices.Index(ways, censusWay(&o))+1)%len(ways)]
		o.Resume, o.Sample = way == "go on", 0
		if way == "sampled" {
			o.Sample, o.Budget = usualSample, fleet.CensusBudget{}
		}
	case "up", "down":
		if o.Sample > 0 {
			o.Sample = climb(sampleLadder, o.Sample, key == "up")
		} else {
			o.Budget.Documents = climb(budgetLadder, o.Budget.Documents, key == "up")
		}
	default:
		return m, nil, false
	}
	m, cmd = m.reask(func(c *fleet.Command) { c.Census = &o })
	return m, cmd, true
}

// censusFlags are the flags of strait census that mean the options.
func censusFlags(o *fleet.CensusOptions) (flags []string) {
	number := func(flag string, n int64) {
		if n > 0 {
			flags = append(flags, flag, strconv.FormatInt(n, 10))
		}
	}
	number("--sample", o.Sample)
	number("--budget-documents", o.Budget.Documents)
	number("--budget-bytes", o.Budget.Bytes)
	if o.Rate != 0 {
		flags = append(flags, "--rate", strconv.FormatFloat(o.Rate, 'f', -1, 64))
	}
	if o.Resume {
		flags = append(flags, "--resume")
	}
	if o.Component != "" {
		flags = append(flags, "--component", o.Component)
	}
	for _, t := range o.Tables {
		flags = append(flags, "--table", t)
	}
	return flags
}

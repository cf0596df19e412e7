package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
)

// envHead is the number of lines above the environment page's body.
const envHead = 2

// openEnv opens the page of the environment, or leaves it.
func (m Root) openEnv() (Root, tea.Cmd) {
	if m.page == envPage {
		return m.goBack()
	}
	return m.visit(envPage), nil
}

func noEnv(m Root) string {
	if m.focus().env == nil {
		return "there is no environment: strait.toml lists them"
	}
	return ""
}

// envBody is the environment page: all that is known of one environment.
func (m Root) envBody(w, h int) []string {
	p, l := newPen(m.l, w, envHead), m.l
	if e := m.focus().env; e != nil {
		p.put(l.strong, " "+e.Name).put(l.dim, "  "+kindOf(e))
		m.drawTabs(p)
		p.end()
	}
	p.repeat(l.rule, l.g.rule, w)
	return append(p.fill(), m.rolled(w, h-envHead, m.drawEnvPage)...)
}

// drawTabs names the other environments at the right, where there is room.
func (m Root) drawTabs(p *pen) {
	l, all := m.l, 0
	for i := range m.snap.Envs {
		all += width(clean(m.snap.Envs[i].Name)) + 3
	}
	if len(m.snap.Envs) < 2 || all+2 > p.room() {
		return
	}
	p.to(p.w - all - 1)
	for i := range m.snap.Envs {
		k, mark := l.dim, " "
		if m.snap.Envs[i].Name == m.env {
			k, mark = l.tab, l.g.cursor
		}
		p.put(l.cursor, mark).put(k, m.snap.Envs[i].Name).put(l.text, "  ")
	}
}

// kindOf says in a word what sort of environment it is.
func kindOf(e *fleet.EnvSnapshot) string {
	s := "a deployment reached with a key"
	if e.Embedded {
		s = "embedded: a rehearsal in memory"
	}
	if e.Protected {
		s += ", protected"
	}
	return s
}

func (m Root) drawEnvPage(p *pen) {
	f := m.focus()
	if f.env == nil {
		p.put(m.l.dim, " no environment").end()
		return
	}
	left := []func(*pen, focus){m.drawConnection, m.drawDeployment, m.drawKey, m.drawComponents}
	right := []func(*pen, focus){m.drawDeploy, m.drawValidation, m.drawBackupRun, m.drawEnvSteps, m.drawEnvEvidence, m.drawBackup, m.drawTables}
	if p.w < 100 {
		for _, draw := range slices.Concat(right[:3], left[:3], right[3:], left[3:]) {
			draw(p, f)
		}
		return
	}
	a, b := newPen(m.l, (p.w-1)/2, p.h), newPen(m.l, p.w-(p.w-1)/2-1, p.h)
	for _, draw := range left {
		draw(a, f)
	}
	for _, draw := range right {
		draw(b, f)
	}
	for len(a.lines) < max(len(b.lines), m.bodyHeight()-envHead) {
		a.blank()
	}
	for len(b.lines) < len(a.lines) {
		b.blank()
	}
	p.lines = append(p.lines, beside(m.l, a.lines, b.lines)...)
}

// labelled is the column where a fact's value begins.
const labelled = 13

// fact writes a label, a value on as many lines as it needs, and at the right
// how long ago it was told.
func (m Root) fact(p *pen, label string, k ink, value string, told time.Time) {
	l, a := m.l, ""
	if !told.IsZero() {
		a = age(m.now, told)
	}
	if value == "" {
		k, value = l.faint, "not known"
	}
	for i, line := range wrap(clean(value), max(8, p.w-labelled-width(a)-3)) {
		if i == 0 {
			p.to(2).put(l.dim, label)
		}
		p.to(labelled).put(k, line)
		if i == 0 && a != "" {
			p.to(p.w-width(a)-1).put(l.faint, a)
		}
		p.end()
	}
}

// momentWord is when something was: the time of day, and the day where it was not
// within the last one.
func momentWord(now, at time.Time) string {
	if now.Sub(at) < 24*time.Hour {
		return at.Local().Format("15:04")
	}
	return at.Local().Format("2 Jan 15:04")
}

func (m Root) section(p *pen, title, note string) {
	p.to(1).put(m.l.head, title).put(m.l.faint, after("  ", note)).end()
}

func (m Root) drawConnection(p *pen, f focus) {
	l, e := m.l, f.env
	x := e.Facts
	m.section(p, "CONNECTION", "")
	switch e.State {
	case fleet.Ready:
		word := "connected"
		if !x.Connected.IsZero() {
			word += " since " + momentWord(m.now, x.Connected)
		}
		if n := x.Connects; n > 1 {
			word += ", " + plural(int64(n-1), "reconnect")
		}
		m.fact(p, "live", l.ok, word, e.Heard)
	case fleet.Opening:
		m.fact(p, "live", l.run, m.spinner()+" opening"+after(": ", e.Opening), e.Heard)
		m.trouble(p, e)
	case fleet.Lost:
		m.fact(p, "live", l.warn, l.g.blocked+" lost"+after(", ", m.retryWord(e)), e.Heard)
		m.trouble(p, e)
	default:
		m.fact(p, "live", l.bad, l.g.failed+" unreachable"+after(", ", m.retryWord(e)), e.Heard)
		m.trouble(p, e)
	}
	switch state := x.Logs.State; {
	case e.State != fleet.Ready && state != "" && state != "refused":
		m.fact(p, "log", l.dim, "waits for the connection", x.Ages.Logs)
	case state == "":
		m.fact(p, "log", l.faint, "not followed yet", time.Time{})
	case state == "following":
		word, k := "followed", l.text
		if n := x.Logs.Gaps; n > 0 {
			word, k = "followed, "+plural(int64(n), "gap")+": lines may be missing", l.warn
		}
		m.fact(p, "log", k, word, x.Ages.Logs)
	default:
		m.fact(p, "log", l.warn, x.Logs.State+after(": ", firstLine(x.Logs.Err)), x.Ages.Logs)
	}
	if t := x.Traffic; t != (fleet.Traffic{}) {
		m.fact(p, "traffic", l.text, fmt.Sprintf("%s read, %s written a minute", bytesWord(t.ReadPerMinute), bytesWord(t.WritePerMinute)), time.Time{})
		m.fact(p, "", l.dim, fmt.Sprintf("%s read, %s written in all", bytesWord(t.Read), bytesWord(t.Written)), time.Time{})
	}
	p.blank()
}

// trouble is what an environment's error says, and how to try again.
func (m Root) trouble(p *pen, e *fleet.EnvSnapshot) {
	for _, line := range cleanLines(e.Err) {
		p.para(m.l.text, labelled, line)
	}
	if e.State != fleet.Opening {
		p.to(labelled).put(m.l.key, "ctrl+r").put(m.l.dim, " tries again now").end()
	}
}

// retryWord says how often it was tried to connect, and when it is tried next.
func (m Root) retryWord(e *fleet.EnvSnapshot) string {
	if n := e.Facts.Retries; n > 0 {
		return plural(int64(n), "attempt") + " failed" + after(", ", m.nextTry(e))
	}
	return m.nextTry(e)
}

// nextTry says when the next attempt to connect is made.
func (m Root) nextTry(e *fleet.EnvSnapshot) string {
	switch at := e.Facts.RetryAt; {
	case at.IsZero():
		return ""
	case at.After(m.now):
		return "next try in " + clock(at.Sub(m.now)+time.Second-1)
	}
	return "trying now"
}

func (m Root) drawDeployment(p *pen, f focus) {
	l, e := m.l, f.env
	x := e.Facts
	m.section(p, "DEPLOYMENT", "")
	m.fact(p, "name", l.text, e.Deployment, time.Time{})
	if e.URL != "" || !e.Embedded {
		m.fact(p, "url", l.text, e.URL, time.Time{})
	}
	m.fact(p, "backend", l.text, x.Version, time.Time{})
	functions := ""
	if !x.Ages.Functions.IsZero() && x.Functions >= 0 {
		functions = count(int64(x.Functions)) + " at the root"
	}
	m.fact(p, "functions", l.text, functions, x.Ages.Functions)
	push := ""
	switch {
	case !x.LastPush.IsZero():
		push = x.LastPush.Local().Format("2 Jan 15:04:05") + ", " + age(m.now, x.LastPush)
	case e.Embedded:
		push = "when it was opened"
	}
	m.fact(p, "last push", l.text, push, x.Ages.Push)
	m.fact(p, "schema", l.text, e.SchemaHash, x.Ages.Schema)
	m.fact(p, "statuses", l.text, m.statusesWord(e), x.Ages.Statuses)
	p.blank()
}

// statusesWord counts the migrations that ran, by how they stand.
func (m Root) statusesWord(e *fleet.EnvSnapshot) string {
	counts := map[string]int{}
	for i := range m.snap.Project.Migrations {
		if d := &m.snap.Project.Migrations[i]; !d.Runner {
			_, word, _ := m.runGlyph(stateOf(e.Runs[d.Name]))
			counts[word]++
		}
	}
	var out []string
	for _, word := range []string{"running", "starting", "cancelling", "failed", "canceled", "stopped", "success", "never run", "unknown"} {
		if n := counts[word]; n > 0 {
			out = append(out, count(int64(n))+" "+word)
		}
	}
	return strings.Join(out, ", ")
}

func (m Root) drawKey(p *pen, f focus) {
	l, a := m.l, f.env.Facts.Access
	if a == nil {
		m.section(p, "KEY", "")
		p.to(2).put(l.faint, "what it may is not known").end()
		p.blank()
		return
	}
	lacks := 0
	for _, x := range abilities {
		if !a.Allows(x.op) {
			lacks++
		}
	}
	note := "may do all that Strait does"
	switch {
	case a.ReadOnly:
		note = "read-only"
	case lacks > 0:
		note = "limited"
	}
	m.section(p, "KEY", note)
	if lacks > 0 {
		for _, x := range abilities {
			sign, k, t := l.g.done, l.ok, l.text
			yes := a.Allows(x.op)
			if !yes {
				sign, k, t = l.g.failed, l.warn, l.dim
			}
			p.to(2).put(k, sign+" ").put(t, x.what)
			if !yes {
				p.put(l.faint, "  needs "+x.op)
			}
			p.end()
		}
	}
	if e := f.env; e.Protected {
		lock, k := m.lock(e)
		what := ": its name is typed before anything is written"
		if e.ArmedUntil.After(m.now) {
			what = ": its name was typed, so it can be written to"
		}
		p.to(2).put(k, lock).put(l.dim, what).end()
	}
	p.blank()
}

func (m Root) drawComponents(p *pen, f focus) {
	l, x := m.l, f.env.Facts
	if x.Components == nil && len(x.Migrations) == 0 {
		return
	}
	m.section(p, "COMPONENTS", "")
	paths := componentsOf(x)
	if len(paths) == 0 {
		p.to(2).put(l.dim, "none").end()
	}
	for _, path := range paths {
		p.to(2).put(l.text, path)
		p.put(l.dim, after("  @convex-dev/migrations ", migrationsIn(x, path)))
		p.end()
	}
	p.blank()
}

// componentsOf are the paths of all components of a deployment.
func componentsOf(x fleet.Facts) []string {
	paths := slices.Clone(x.Components)
	for _, c := range x.Migrations {
		if !slices.Contains(paths, c.Path) {
			paths = append(paths, c.Path)
		}
	}
	return paths
}

// migrationsIn is the version of the migrations component at a path; "" when
// that is another one.
func migrationsIn(x fleet.Facts, path string) string {
	for _, c := range x.Migrations {
		if c.Path == path {
			return cmp.Or(c.Version, "of unknown version")
		}
	}
	return ""
}

// drawTables lists the tables with their sizes, the biggest first.
func (m Root) drawTables(p *pen, f focus) {
	l, e := m.l, f.env
	note := ""
	if len(e.Tables) > 0 {
		note = plural(int64(len(e.Tables)), "table") + ", " + documents(e.Documents)
		if at := e.Facts.Ages.Tables; !at.IsZero() {
			note += ", told " + age(m.now, at)
		}
	}
	m.section(p, "TABLES", note)
	if len(e.Tables) == 0 {
		p.to(2).put(l.faint, "not known").end()
	}
	names := make([]string, 0, len(e.Tables))
	wide := 8
	var most int64 = 1
	for name, n := range e.Tables {
		names = append(names, name)
		wide = max(wide, width(clean(name))+2)
		most = max(most, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(e.Tables[b], e.Tables[a]), cmp.Compare(a, b))
	})
	wide = min(wide, max(12, p.w/3))
	for _, name := range names {
		n := e.Tables[name]
		p.to(2).col(l.text, name, wide).colRight(l.text, count(n), 12).put(l.text, "  ")
		room := min(30, p.room()-2)
		p.repeat(l.accent, l.g.bar, int(float64(n)/float64(most)*float64(room)+0.5)).end()
	}
	p.blank()
}

func (m Root) drawEnvEvidence(p *pen, f focus) {
	m.section(p, "EVIDENCE", "")
	m.drawEvidence(p, f.env)
	p.blank()
}

func (m Root) drawEnvSteps(p *pen, f focus) {
	if f.envPlan == nil {
		return
	}
	m.section(p, "CHECKLIST", "")
	q := newPen(m.l, p.w-2, p.h)
	m.drawSteps(q, f.envPlan)
	for _, line := range q.lines {
		p.to(1).styled(line)
	}
	p.blank()
}

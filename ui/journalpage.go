package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// journalLength is how many lines of the journal the page holds.
const journalLength = 1000

// record is what the Journal page shows.
type record struct {
	entry entry // its filter
	have  fleet.Journal
	deeds []deed // of have, newest first
	err   string
	read  bool
}

// recalled is the end of the journal, as it was read.
type recalled struct {
	have fleet.Journal
	err  error
}

// deed is an action with what became of it: the journal has a line for each.
type deed struct {
	fleet.Entry           // as it was asked for
	ended       time.Time // zero: no answer is recorded
	outcome     string    // ok, failed, unknown, revoked …; "" not recorded
	why         string
	processed   int64
	offenders   *int64
}

// deedsOf joins the lines of a journal that belong together, newest first.
func deedsOf(entries []fleet.Entry) []deed {
	var out []deed
	open := map[string]int{}
	for _, e := range entries {
		at, known := open[e.ID]
		switch {
		case (e.Phase == "answered" || e.Phase == "ended") && known:
			d := &out[at]
			d.ended, d.outcome, d.why = e.At, cmp.Or(e.Outcome, d.outcome), cmp.Or(e.Error, d.why)
			d.processed = max(d.processed, e.Processed)
			d.offenders = cmp.Or(e.Offenders, d.offenders)
			d.Backup, d.Seed = cmp.Or(e.Backup, d.Backup), cmp.Or(e.Seed, d.Seed)
			if e.Verdicts != nil {
				d.Verdicts = e.Verdicts
			}
			continue
		case e.Phase == "asked" && e.ID != "":
			open[e.ID] = len(out)
		}
		d := deed{Entry: e, outcome: e.Outcome, why: e.Error, processed: e.Processed, offenders: e.Offenders}
		if e.Phase != "asked" {
			d.ended = e.At
		}
		out = append(out, d)
	}
	slices.Reverse(out)
	slices.SortStableFunc(out, func(a, b deed) int { return b.At.Compare(a.At) })
	return out
}

func (m Root) openJournal() (Root, tea.Cmd) {
	if m.page == journalPage {
		return m.goBack()
	}
	m = m.visit(journalPage)
	return m, m.recall()
}

// recall reads the journal while its page is open.
func (m Root) recall() tea.Cmd {
	if m.page != journalPage {
		return nil
	}
	e, have := m.d.engine, m.record.have
	return func() tea.Msg {
		got, err := e.Journal(journalLength, have)
		return recalled{got, err}
	}
}

func (m Root) recalled(msg recalled) Root {
	r := &m.record
	r.err = ""
	if msg.err != nil {
		r.err = msg.err.Error()
	}
	if !r.read || msg.have.Size != r.have.Size {
		r.have, r.deeds = msg.have, deedsOf(msg.have.Entries)
	}
	r.read = true
	return m
}

// deeds are those that the filter leaves.
func (m Root) deeds() []deed {
	words := m.record.entry.words()
	if len(words) == 0 {
		return m.record.deeds
	}
	var out []deed
	for _, d := range m.record.deeds {
		if holds(strings.Join([]string{d.Env, d.what(), d.By, d.word(), d.why, d.Override, d.Deployment, d.At.Local().Format("2 Jan 2006 15:04")}, " "), words) {
			out = append(out, d)
		}
	}
	return out
}

// what was done, in words.
func (d *deed) what() string {
	name := short(d.Migration)
	switch {
	case d.Phase == "tuned":
		return "steer " + name
	case d.Phase == "certified":
		return "certificate issued"
	case d.Phase == "revoked":
		return "certificate revoked"
	}
	switch plan.Action(d.Action) {
	case plan.ActDryRun:
		return "dry run " + name
	case plan.ActCancelAll:
		return "cancel all"
	case plan.ActReveal:
		return "values revealed"
	case plan.ActRun:
		if d.Reset {
			return "run " + name + " again"
		}
		return "run " + name
	}
	return strings.TrimSpace(d.Action + " " + name)
}

// word is the outcome in words.
func (d *deed) word() string {
	switch {
	case d.outcome == "unknown":
		return "may have run"
	case d.outcome != "":
		return d.outcome
	case d.Phase == "asked":
		return "no answer yet"
	}
	return ""
}

// figures are how long it took, and how many documents it was about.
func (d *deed) figures() string {
	s := ""
	if took := d.ended.Sub(d.At); d.Phase == "asked" && !d.ended.IsZero() && took >= time.Second {
		s = " after " + span(took)
	}
	if d.offenders != nil {
		s += ", " + count(*d.offenders) + " " + notFit(*d.offenders)
	}
	if d.processed > 0 {
		s += ", " + documents(d.processed)
	}
	return s
}

// by says where it was asked for.
func (d *deed) by() string {
	if d.Typed && d.By != "" {
		return d.By + ", name typed"
	}
	return d.By
}

// notes are what more there is to say, a line each.
func (d *deed) notes() (out []string) {
	if d.Phase == "tuned" {
		out = append(out, d.tuning())
	}
	if c := d.Certificate; c != nil {
		text := fmt.Sprintf("schema %s, %s, by %s", c.Schema, plural(int64(len(c.Tables)+len(c.Proved)), "table"), c.Tool)
		if c.Why != "" {
			text = c.Why
		}
		out = append(out, text)
	}
	if d.Verdicts != nil {
		out = append(out, d.proved())
	}
	if d.Backup != nil {
		out = append(out, d.Backup.File+", "+bytesWord(d.Backup.Bytes))
	}
	if d.Override != "" {
		out = append(out, "override: "+d.Override)
	}
	if d.why != "" {
		out = append(out, d.why)
	}
	return out
}

// proved counts what a proof came to.
func (d *deed) proved() string {
	var proofs []plan.Proof
	for _, v := range d.Verdicts {
		proofs = append(proofs, plan.Proof{Verdict: v})
	}
	return fmt.Sprintf("%s, with seed %d", cmp.Or(tally(proofs), "nothing to prove"), d.Seed)
}

// tuning is what a change of a supervised run set.
func (d *deed) tuning() string {
	var out []string
	if d.Paused != nil {
		out = append(out, map[bool]string{true: "paused", false: "goes on"}[*d.Paused])
	}
	if d.Steps != nil && *d.Steps > 0 {
		out = append(out, batches(*d.Steps))
	}
	if d.Batch != nil {
		out = append(out, documents(int64(*d.Batch))+" a batch")
	}
	if d.Throttle != "" {
		out = append(out, "rests "+d.Throttle)
	}
	return strings.Join(out, ", ")
}

// journalBody is the Journal page.
func (m Root) journalBody(w, h int) []string {
	p, l := newPen(m.l, w, envHead), m.l
	p.put(l.strong, " Journal").put(l.dim, "  newest first")
	if n := len(m.record.deeds); n > 0 {
		p.put(l.faint, "  "+l.g.dot+" "+plural(int64(n), "action"))
		if m.record.have.More {
			p.put(l.faint, ", the newest")
		}
	}
	p.end()
	p.repeat(l.rule, l.g.rule, w)
	return append(p.fill(), m.rolled(w, h-envHead, m.drawJournal)...)
}

func (m Root) drawJournal(p *pen) {
	l, r := m.l, m.record
	if r.err != "" {
		p.para(l.bad, 1, r.err)
		p.blank()
	}
	switch {
	case !r.read:
		p.put(l.run, " "+m.spinner()+" reading the journal").end()
		return
	case len(r.deeds) == 0:
		p.blank()
		p.put(l.dim, " "+l.g.todo+" nothing was done in this project yet").end()
		p.blank()
		p.para(l.dim, 3, "Every action is written down here before it goes out, and again with its answer: dry runs, runs, censuses, certificates, backups, deploys, and the reasons of those who stepped over the order. It is .strait/journal.jsonl; no key and no document is in it.")
		return
	}
	deeds := m.deeds()
	if len(deeds) == 0 {
		p.put(l.dim, " no action holds these words; / changes the filter").end()
		return
	}
	envW, whatW := 8, 16
	for i := range deeds {
		envW = max(envW, width(clean(deeds[i].Env))+2)
		whatW = max(whatW, width(clean(deeds[i].what()))+2)
	}
	envW, whatW = min(envW, 16), min(whatW, max(16, p.w*35/100))
	day := ""
	for i := range deeds {
		if p.left() < 3 {
			p.put(l.faint, " …").end()
			return
		}
		d := &deeds[i]
		if at := dayWord(m.now, d.At); at != day {
			if day != "" {
				p.blank()
			}
			day = at
			p.to(1).put(l.head, strings.ToUpper(day)).end()
		}
		m.drawDeed(p, d, envW, whatW)
	}
	if r.have.More {
		p.blank()
		p.put(l.faint, " older actions are in .strait/journal.jsonl").end()
	}
}

// dayWord names a day.
func dayWord(now, at time.Time) string {
	now, at = now.Local(), at.Local()
	switch y, mo, d := now.Date(); {
	case at.Year() == y && at.Month() == mo && at.Day() == d:
		return "today"
	case at.Year() == y:
		return at.Format("Mon 2 Jan")
	}
	return at.Format("2 Jan 2006")
}

func (m Root) drawDeed(p *pen, d *deed, envW, whatW int) {
	l := m.l
	k, sign := l.ok, l.g.done
	switch word := d.word(); {
	case d.Phase == "revoked", d.outcome == "failed":
		k, sign = l.bad, l.g.failed
	case d.outcome == "unknown", d.Phase == "asked" && d.outcome == "":
		k, sign = l.warn, l.g.blocked
	case word == "":
		k, sign = l.dim, l.g.dot
	}
	p.to(1).put(l.faint, d.At.Local().Format("15:04:05")+" ").put(k, sign+" ")
	p.col(l.accent, d.Env, envW).col(l.text, d.what(), whatW).put(k, d.word()).put(l.dim, d.figures())
	at, by := 12+envW, d.by()
	if w := width(clean(by)); by != "" && p.room() > w+3 {
		p.to(p.w-w-1).put(l.faint, by)
	}
	p.end()
	for _, note := range d.notes() {
		p.para(l.dim, at, note)
	}
}

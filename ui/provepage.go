package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// openProof opens the Proof page.
func (m Root) openProof() (Root, tea.Cmd) {
	m.proof.whole = false
	return m.visit(provePage), nil
}

func blockedProve(m Root) string {
	switch {
	case m.snap.Loading:
		return "the project is still being loaded"
	case m.snap.Err != "":
		return "the project did not load"
	case m.page == provePage && m.snap.ProofRun != nil:
		return "a search is under way; c stops it"
	}
	return ""
}

// verdict is the sign, the word and the ink of a verdict.
func (l *look) verdict(v plan.Verdict) (glyph string, k ink) {
	switch v {
	case plan.Held:
		return l.g.done, l.ok
	case plan.Refuted:
		return l.g.failed, l.bad
	case plan.Uncovered:
		return l.g.blocked, l.warn
	}
	return l.g.unknown, l.dim
}

// proofKey names the row of a proof.
func proofKey(p *plan.Proof) string { return p.Table + "\x00" + p.Path + "\x00" + p.Title }

func (m Root) proofReport() report {
	r := report{head: m.drawProofHead, empty: m.drawNoProof}
	proofs := m.snap.Proofs
	nameW := 24
	for i := range proofs {
		nameW = max(nameW, width(clean(proofs[i].Title))+2)
	}
	nameW = min(nameW, max(24, m.w*4/10))
	asks := -1
	for i := range proofs {
		x := &proofs[i]
		if asks < 0 && x.Verdict == plan.Refuted {
			asks = i
		}
		r.lines = append(r.lines, reportLine{proofKey(x), func(p *pen) { m.proofLine(p, x, nameW) }})
	}
	r.settle(m.proof, asks)
	if r.at >= 0 && r.at < len(proofs) {
		r.detail = func(p *pen) { m.drawProof(p, &proofs[r.at]) }
	}
	return r
}

// tally counts the verdicts in words, the worst first.
func tally(proofs []plan.Proof) string {
	var out []string
	for _, v := range []plan.Verdict{plan.Refuted, plan.Uncovered, plan.Unproven, plan.Held} {
		n := 0
		for i := range proofs {
			if proofs[i].Verdict == v {
				n++
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(out, ", ")
}

func (m Root) drawProofHead(p *pen) {
	l, run, proofs := m.l, m.snap.ProofRun, m.snap.Proofs
	p.put(l.strong, " Proof").put(l.dim, "  ")
	switch {
	case run != nil:
		p.put(l.run, m.spinner()+" searching").put(l.dim, " for a document that is not brought to the target").end()
		p.to(1).put(l.strong, fmt.Sprintf("row %d of %d", min(run.Rows+1, max(1, run.Of)), run.Of)).put(l.text, after("  ", run.Row))
		p.put(l.dim, fmt.Sprintf("  %s %s %s %s", l.g.dot, documents(int64(run.Documents)), l.g.dot, clock(m.now.Sub(run.Started))))
		p.put(l.text, "   ").put(l.key, "c").put(l.dim, " stops").end()
		m.bar(p, l.run, int64(run.Rows), int64(max(1, run.Of)), percent(int64(run.Rows), int64(run.Of)))
	case len(proofs) == 0:
		p.put(l.dim, "do the migrations bring every document to the target?").end()
	default:
		k := l.ok
		if slices.ContainsFunc(proofs, func(x plan.Proof) bool { return x.Verdict == plan.Refuted }) {
			k = l.bad
		} else if slices.ContainsFunc(proofs, func(x plan.Proof) bool { return x.Verdict != plan.Held }) {
			k = l.warn
		}
		p.put(k, tally(proofs)).put(l.dim, fmt.Sprintf("  %s seed %d %s %s", l.g.dot, proofs[0].Seed, l.g.dot, age(m.now, newestProof(proofs).At))).end()
	}
}

func newestProof(proofs []plan.Proof) *plan.Proof {
	newest := &proofs[0]
	for i := range proofs {
		if proofs[i].At.After(newest.At) {
			newest = &proofs[i]
		}
	}
	return newest
}

func (m Root) drawNoProof(p *pen) {
	l := m.l
	if m.snap.ProofRun != nil {
		p.blank()
		p.para(l.dim, 3, "Every row's verdict is shown here as soon as the search has ended.")
		return
	}
	p.blank()
	p.put(l.dim, " "+l.g.todo+" nothing was searched yet").end()
	p.blank()
	p.to(3).put(l.key, "V")
	for _, line := range wrap("puts documents that the widened schema accepts and the target refuses through the migrations of every change, and looks for one that does not come out right: that does not fit the target, makes it throw, or changes again at a second run.", max(1, p.w-6)) {
		p.to(5).put(l.text, line).end()
	}
	p.blank()
	p.para(l.dim, 5, "Your own code is run, on this machine only; no deployment is written to.")
}

// proofLine is one row's verdict.
func (m Root) proofLine(p *pen, x *plan.Proof, nameW int) {
	l := m.l
	glyph, k := l.verdict(x.Verdict)
	p.put(k, glyph+" ").col(k, string(x.Verdict), 11)
	p.col(l.text, x.Title, min(nameW, max(12, p.room()-22))-1).put(l.text, " ")
	p.put(l.dim, proofWord(x))
}

// kindWord says what a counterexample shows.
func kindWord(x *plan.Counterexample) string {
	switch x.Kind {
	case plan.KindMisfit:
		return "what comes out does not fit the target"
	case plan.KindThrows:
		if !x.Thrown {
			return "the migration is stopped at a limit"
		}
		return "the migration throws"
	case plan.KindNotIdempotent:
		return "a second run changes the document again"
	case plan.KindTouchesFitting:
		return "a document that fits already is changed"
	case plan.KindOtherTable:
		return "what it writes to another table does not fit there"
	}
	return x.Kind
}

// drawProof is all that is known of one row's proof.
func (m Root) drawProof(p *pen, x *plan.Proof) {
	l := m.l
	p.to(1).put(l.strong, x.Title)
	p.put(l.dim, after("  ", shorts(x.Migrations))).end()
	glyph, k := l.verdict(x.Verdict)
	p.to(1)
	switch {
	case x.Counter != nil:
		p.put(k, glyph+" "+kindWord(x.Counter)).end()
		p.blank()
		m.drawCounter(p, x.Counter)
	case x.Verdict == plan.Held:
		p.put(k, glyph+" held").put(l.text, ": no counterexample among "+documents(int64(x.Documents))).end()
		p.para(l.dim, 3, "What came out fits the target, a second run changed nothing, and documents that fitted already stayed as they were.")
	case x.Verdict == plan.Uncovered:
		p.put(k, glyph+" uncovered").put(l.text, ": "+proofWord(x)).end()
		p.blank()
		p.to(3).put(l.key, "P").put(l.dim, " the plan has a draft of a migration where it can make one").end()
	default:
		p.put(k, glyph+" "+string(x.Verdict)).end()
		p.para(l.text, 3, x.Why)
	}
	p.blank()
	figures := documents(int64(x.Documents)) + " tried"
	if x.Sampled > 0 {
		figures += ", " + count(int64(x.Sampled)) + " of them real ones"
	}
	if x.Documents > 0 {
		p.para(l.dim, 1, figures+", in "+span(x.Took)+", with seed "+strconv.FormatUint(x.Seed, 10))
	}
	if x.Verdict == plan.Refuted || x.Verdict == plan.Held {
		p.to(1).put(l.dim, "again   ").put(l.accent, m.shell(m.proofAgain(x))).end()
	}
}

// proofAgain is the command that finds the same again.
func (m Root) proofAgain(x *plan.Proof) fleet.Command {
	o := m.proved
	o.Seed, o.Rows = x.Seed, []string{x.Title}
	return fleet.Command{Action: plan.ActProve, Env: o.Env, Prove: &o}
}

// leastColumn is the least width of a document beside another one.
const leastColumn = 34

// drawCounter is a counterexample: before, after, what is wrong, and where.
func (m Root) drawCounter(p *pen, x *plan.Counterexample) {
	l := m.l
	const indent, limit = 1, 60
	n := 2
	if x.Again != nil {
		n++
	}
	if x.Other != nil {
		n++
	}
	cols := counterColumns(l, x, columnRoom(p.w-1, indent, n, leastColumn), limit)
	q := newPen(l, p.w-1, p.h)
	m.columns(q, indent, cols, leastColumn)
	for _, line := range q.lines {
		p.styled(line)
	}
	p.blank()
	if x.Violation != "" {
		p.to(1).put(l.head, violationTitle(x)).end()
		for _, line := range cleanLines(x.Violation) {
			p.para(l.text, 3, line)
		}
	}
	if text := danglingText(x); text != "" {
		p.to(3).put(l.text, text).end()
	}
	p.to(3).put(l.dim, "in ").put(l.accent, short(x.Migration)+after(" at ", x.Frame)).end()
	if x.Masked {
		p.to(3).put(l.faint, "values are masked: "+cmp.Or(m.proved.Env, "the environment")+" is protected").end()
	}
}

// danglingText says which fields of a document lead nowhere; "" none does.
func danglingText(x *plan.Counterexample) string {
	switch len(x.Dangling) {
	case 0:
		return ""
	case 1:
		return "its " + clean(x.Dangling[0]) + " leads to a document that is gone"
	}
	return "its " + clean(strings.Join(x.Dangling, ", ")) + " lead to documents that are gone"
}

// violationTitle says whose words a violation is in.
func violationTitle(x *plan.Counterexample) string {
	switch x.Kind {
	case plan.KindThrows:
		if !x.Thrown {
			return "WHY IT WAS STOPPED"
		}
		return "WHAT WAS THROWN"
	case plan.KindNotIdempotent, plan.KindTouchesFitting:
		return "WHY"
	}
	return "WHAT CONVEX WOULD SAY"
}

// counterColumns are the documents of a counterexample: before, after, and after
// a second run; each in lines of w cells.
func counterColumns(l *look, x *plan.Counterexample, w, limit int) []column {
	show := func(doc, beside value.Object, k ink, sign string, ways ...[]string) []markedLine {
		g := marking{l: l, k: k, sign: sign, ways: ways, masks: x.Masked, w: w - 2, limit: limit}
		if beside != nil {
			g.other = beside
		}
		lines, _ := g.lines(doc)
		return lines
	}
	var gone [][]string // the references that lead nowhere
	for _, name := range x.Dangling {
		gone = append(gone, []string{name})
	}
	before := column{title: "BEFORE", lines: show(x.Before, x.After, l.del, "-", gone...)}
	if x.Real {
		before.note = "shrunk from a real document"
	}
	place := func(doc value.Object) [][]string {
		switch {
		case x.Way != nil:
			return [][]string{x.Way}
		case x.Place != "" && x.Other == nil:
			return [][]string{wayOf(doc, x.Place)}
		}
		return nil
	}
	after := column{title: "AFTER"}
	switch {
	case x.After != nil && x.Again != nil:
		after.title, after.lines = "AFTER ONE RUN", show(x.After, x.Before, l.add, "+")
	case x.After != nil && x.Other != nil:
		after.lines = show(x.After, x.Before, l.add, "+")
	case x.After != nil:
		after.lines = show(x.After, x.Before, l.add, "+", place(x.After)...)
	case x.Kind == plan.KindThrows && x.Thrown:
		after.text = []string{"nothing: it threw"}
	case x.Kind == plan.KindThrows:
		after.text = []string{"nothing: it was stopped"}
	default:
		after.text = []string{"deleted"}
	}
	cols := []column{before, after}
	if x.Again != nil {
		again := column{title: "AFTER A SECOND RUN"}
		if x.Other != nil {
			again.lines = show(x.Again, x.After, l.bad, l.g.failed)
		} else {
			again.lines = show(x.Again, x.After, l.bad, l.g.failed, place(x.Again)...)
		}
		cols = append(cols, again)
	}
	if x.Other != nil {
		table, _, _ := strings.Cut(x.Place, ".")
		cols = append(cols, column{title: "WRITTEN TO " + clean(table), lines: show(x.Other, nil, l.text, " ", place(x.Other)...)})
	}
	return cols
}

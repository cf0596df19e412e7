package ui

import (
	"fmt"
	"slices"

	"strait/convex/fleet"
)

// drawSpark shows the rates of the batches, as many as fit. Its top is twice
// the median, so that one odd batch does not flatten the rest.
func (m Root) drawSpark(p *pen, r fleet.Run) {
	l := m.l
	rates := batchRates(r, min(60, p.w-30))
	if len(rates) < 3 {
		return
	}
	sorted := slices.Sorted(slices.Values(rates))
	median := sorted[len(sorted)/2]
	if median <= 0 {
		return
	}
	p.to(1).put(l.dim, "rate ")
	for _, x := range rates {
		i := int(x / (2 * median) * float64(len(l.g.spark)))
		p.put(l.accent, l.g.spark[min(max(0, i), len(l.g.spark)-1)])
	}
	p.put(l.dim, "  median "+rate(median)).end()
}

// batchRates are the rates of the last n batches, in documents a second.
func batchRates(r fleet.Run, n int) (rates []float64) {
	batches := r.Batches[max(0, len(r.Batches)-max(0, n)):]
	for i, b := range batches {
		d := b.Took
		if d <= 0 && i > 0 {
			d = b.At.Sub(batches[i-1].At)
		}
		if d > 0 && b.Documents >= 0 {
			rates = append(rates, float64(b.Documents)/d.Seconds())
		}
	}
	return rates
}

// drawBatchesAndLog puts the two lists side by side where there is room.
func (m Root) drawBatchesAndLog(p *pen, r fleet.Run) {
	h := m.bodyHeight() - runHead - len(p.lines)
	if r.Failure != nil {
		h = max(h, 12)
	}
	bw := 44
	if known := slices.ContainsFunc(r.Batches, func(b fleet.Batch) bool { return b.Usage != nil }); known {
		bw = min(allColumns, max(bw, p.w-50))
	}
	if len(r.Batches) == 0 && !active(r.State) { // it ran before, or elsewhere
		q := newPen(m.l, p.w, h)
		m.drawLog(q, r.Log)
		p.lines = append(p.lines, q.lines...)
		return
	}
	if p.w >= 100 {
		a, b := newPen(m.l, bw, h), newPen(m.l, p.w-bw-1, h)
		m.drawBatches(a, r)
		m.drawLog(b, r.Log)
		p.lines = append(p.lines, beside(m.l, a.fill(), b.fill())...)
		return
	}
	if h < 9 { // the log has a view of its own
		a := newPen(m.l, p.w, max(4, h))
		m.drawBatches(a, r)
		p.lines = append(p.lines, a.lines...)
		return
	}
	a := newPen(m.l, p.w, max(4, h/2))
	m.drawBatches(a, r)
	p.lines = append(p.lines, a.lines...)
	p.blank()
	b := newPen(m.l, p.w, max(4, h-len(a.lines)-1))
	m.drawLog(b, r.Log)
	p.lines = append(p.lines, b.lines...)
}

// allColumns is the width of a list of batches with all that is known of them.
const allColumns = 70

// drawBatches lists the newest batches first, with what each cost where the
// function log told it and there is room.
func (m Root) drawBatches(p *pen, r fleet.Run) {
	l := m.l
	costs := 0 // columns of costs
	if slices.ContainsFunc(r.Batches, func(b fleet.Batch) bool { return b.Usage != nil }) {
		costs = min(max(0, (p.w-42)/9), 3)
	}
	p.to(1).put(l.head, "BATCHES").put(l.faint, "  newest first")
	if costs > 0 {
		p.to(29).colRight(l.faint, "took", 9)
		for _, name := range []string{"exec", "read", "written"}[:costs] {
			p.colRight(l.faint, name, 10)
		}
	}
	p.end()
	if len(r.Batches) == 0 {
		p.put(l.dim, "   none seen yet").end()
	}
	no := max(r.BatchCount, len(r.Batches))
	for i := len(r.Batches) - 1; i >= 0 && p.left() > 0; i-- {
		b := r.Batches[i]
		p.to(1).put(l.faint, b.At.Format("15:04:05"))
		p.colRight(l.dim, "#"+count(int64(no)), 7)
		no--
		if b.Failed {
			p.put(l.bad, "   "+l.g.failed+" failed").end()
			continue
		}
		p.colRight(l.text, count(b.Documents), 8).put(l.dim, docsWord(b.Documents))
		took := ""
		if b.Took > 0 {
			took = span(b.Took)
		}
		p.colRight(l.dim, took, 9)
		if u := b.Usage; u != nil {
			for _, text := range []string{span(u.Execution), bytesWord(u.ReadBytes), bytesWord(u.WrittenBytes)}[:costs] {
				p.colRight(l.dim, text, 10)
			}
			if u.Conflicts > 0 && p.room() > 3 {
				p.putMax(l.warn, " "+conflicts(u.Conflicts), p.room())
			}
		}
		p.end()
	}
}

// docsWord is the short word behind a count of documents.
func docsWord(n int64) string {
	if n == 1 {
		return " doc "
	}
	return " docs"
}

func conflicts(n int) string { return plural(int64(n), "conflict") }

func batches(n int) string { return plural(int64(n), "batch", "batches") }

// bytesWord writes a size in the units of Convex's limits.
func bytesWord(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", max(0, n))
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// limit is one of Convex's limits of a transaction (convex-wire.md 9.1) and
// how much of it a batch took.
type limit struct {
	what     string
	used, of int64
	bytes    bool
}

func (x limit) share() float64 { return float64(x.used) / float64(x.of) }

func (x limit) String() string {
	if x.bytes {
		return bytesWord(x.used) + " of " + fmt.Sprintf("%d MiB", x.of>>20) + " " + x.what
	}
	return count(x.used) + " of " + count(x.of) + " documents " + x.what
}

// limitsOf are the limits that a batch nears with its size.
func limitsOf(u fleet.Usage) [4]limit {
	return [4]limit{
		{"read", u.ReadBytes, 16 << 20, true}, {"written", u.WrittenBytes, 16 << 20, true},
		{"read", u.ReadDocuments, 32000, false}, {"written", u.WrittenDocuments, 16000, false},
	}
}

// headroom is the limit that the last batches came nearest to, and how often
// conflicts were retried in all that is kept; known is false without a word of
// the function log.
func headroom(all []fleet.Batch) (tightest limit, retried int, known bool) {
	for i, b := range all {
		if b.Usage == nil {
			continue
		}
		retried += b.Usage.Conflicts
		if i < len(all)-lastBatches {
			continue
		}
		for _, x := range limitsOf(*b.Usage) {
			if !known || x.share() > tightest.share() {
				tightest, known = x, true
			}
		}
	}
	return tightest, retried, known
}

// lastBatches is how many batches tell the headroom: the size may have changed.
const lastBatches = 10

// drawLimits says how near batches come to the limit that binds first.
func (m Root) drawLimits(p *pen, r fleet.Run) {
	l := m.l
	x, retried, known := headroom(r.Batches)
	if !known {
		return
	}
	k, note := l.ok, ""
	switch s := x.share(); {
	case s > 0.8:
		k, note = l.bad, "; - makes the batches smaller"
	case s > 0.5:
		k = l.warn
	}
	if note != "" && !steered(r) {
		note = ": a smaller batch size is safer"
	}
	n := 20
	used := min(n, int(x.share()*float64(n)+0.999))
	p.to(1).put(l.dim, "limit ").repeat(k, l.g.bar, used).repeat(l.rule, l.g.barEmpty, n-used)
	p.put(k, "  "+percentOf(x)).put(l.dim, " of what a batch may: ").put(l.text, x.String()).put(k, note)
	if retried > 0 {
		text := conflicts(retried) + " retried"
		if width(text)+5 > p.room() {
			p.end().to(7).put(l.warn, text)
		} else {
			p.put(l.faint, "  "+l.g.dot+"  ").put(l.warn, text)
		}
	}
	p.end()
}

func percentOf(x limit) string {
	if s := x.share() * 100; s < 1 {
		return "< 1 %"
	}
	return fmt.Sprintf("%.0f %%", x.share()*100)
}

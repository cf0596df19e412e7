package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/plan"
)

// pace is how fast batches are on a deployment.
type pace struct {
	batch time.Duration // of a batch, the median of those seen; 0 none was
	seen  int
	what  string // "batches seen in staging"
}

const (
	// leastBatch is the least that a batch takes on a deployment: a scheduled
	// mutation is picked up, executed and committed before the next one is
	// scheduled. It is a bound for planning, not a measurement.
	leastBatch = 50 * time.Millisecond
	// mostWritten is the write throughput of a deployment in bytes a second
	// (convex-wire.md 9.1), which no migration goes beyond.
	mostWritten = 4 << 20
	// seenBatches is how many batches must have been seen before their pace
	// counts.
	seenBatches = 3
)

// pace is what the batches of this environment took that were seen. The
// embedded deployment's tell nothing of another. f.mu is held.
func (e *env) pace() pace {
	p := pace{what: "batches seen in " + e.cfg.Name}
	if e.embedded {
		return p
	}
	var took []time.Duration
	for _, t := range e.runs {
		for _, b := range t.run.Batches {
			if !b.Failed && b.Took > 0 {
				took = append(took, b.Took)
			}
		}
	}
	if len(took) >= seenBatches {
		slices.Sort(took)
		p.batch, p.seen = took[len(took)/2], len(took)
	}
	return p
}

// pastPace is what the batches of runs took that the journal tells of. Of a run
// it knows documents and time: those that went on where another one had
// stopped, or were changed under way, tell nothing of their batches.
func (a *action) pastPace() pace {
	p := pace{what: "runs in the journal of " + a.c.Env}
	type run struct {
		entry
		took   time.Duration
		spoilt bool
	}
	runs, before := map[string]*run{}, map[string]bool{}
	_, err := a.f.journal.read(func(x entry) {
		switch r := runs[x.ID]; {
		case x.Deployment != a.place || x.Action != string(plan.ActRun) && x.Phase != "tuned":
		case x.Phase == "asked":
			runs[x.ID] = &run{entry: x, spoilt: before[x.Migration] && !x.Reset || x.FromCursor}
			before[x.Migration] = true
		case r == nil:
		case x.Phase == "tuned":
			r.spoilt = true
		case x.Processed > 0 && (x.Phase == "ended" && x.Outcome == "success" || x.Phase == "answered" && x.Outcome == "ok"):
			r.took, r.Processed = x.At.Sub(r.At), x.Processed
		}
	})
	if err != nil {
		return p // the entries that were read may not be all
	}
	var took []time.Duration
	for _, r := range runs {
		a.f.mu.Lock()
		m, known := a.f.migration(r.Migration)
		a.f.mu.Unlock()
		size := int64(cmp.Or(r.BatchSize, m.BatchSize, defaultPage))
		if batches := (r.Processed + size - 1) / size; known && !m.Runner && !r.spoilt && r.took > 0 && batches >= seenBatches {
			took = append(took, r.took/time.Duration(batches))
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		p.batch, p.seen = took[len(took)/2], len(took)
	}
	return p
}

// reckon works out what the batches mean for the real deployment.
func (c *course) reckon() {
	r, m := c.r, &c.measure
	limits := limitsOf(local.DefaultLimits())
	switch {
	case c.m.Driver != project.OneshotDriver:
		c.run.BatchSize = cmp.Or(c.m.BatchSize, defaultPage)
	case c.m.Continues:
		c.run.BatchSize = cmp.Or(c.m.BatchSize, int(m.Most()))
	}
	c.run.Batches = m.Batches
	scale := c.scale()
	c.run.Headroom = m.Headroom(limits, scale)
	note := func(format string, args ...any) { c.run.Notes = append(c.run.Notes, fmt.Sprintf(format, args...)) }
	if c.driver != nil && c.driver.sized() && c.run.Documents > 0 {
		c.run.Recommended = m.Recommend(limits, scale, c.sizes)
		if c.run.Recommended == 0 && m.Most() > 0 {
			note("even a batch of one document takes half of a limit: let it read or write less for each document")
		}
	}
	if !r.report.Whole && c.m.Table != "" && scale.Size == 0 && r.from.tables[c.m.Table] > int64(len(c.sizes)) && len(c.sizes) > 0 {
		note("how large the other documents there are is not known: a census tells it")
	}
	if len(c.run.Headroom) > 0 && c.run.Headroom[0].Share > 1 {
		note("a full batch there would break the limit on %s", c.run.Headroom[0].Limit)
	}
	c.run.Estimate = m.Estimate(c.run.Documents, scale, cmp.Or(r.from.pace.batch, leastBatch))
	c.timing()
	if strings.Contains(c.m.Source, "process.env") {
		note("it reads process.env, whose values on the deployment are not known here: it ran with the variables of strait.toml")
	}
}

// scale is how the real table differs from the copy's.
func (c *course) scale() plan.Scale {
	s := plan.Scale{Batch: c.run.BatchSize}
	if c.m.Owner != "" || c.m.Table == "" || c.r.report.Whole {
		return s
	}
	if c.r.from.tables != nil {
		s.Documents = c.r.from.tables[c.m.Table]
	}
	var here int64
	for _, t := range c.before.Tables("") {
		if t.Name == c.m.Table {
			here = t.Count
		}
	}
	// Where not every document was taken in hand, as with a customRange, the
	// same share is there.
	if s.Documents > 0 && here > 0 && c.m.CustomRange && c.run.Documents < here {
		s.Documents = max(1, s.Documents*c.run.Documents/here)
	}
	if size := c.r.from.sizes[c.m.Table]; size.Mean > 0 && len(c.sizes) > 0 {
		var sum int64
		for _, n := range c.sizes {
			sum += int64(n)
		}
		s.Size = float64(size.Mean) * float64(len(c.sizes)) / float64(max(1, sum))
	}
	return s
}

// timing says what the estimated time rests on.
func (c *course) timing() {
	e, p := &c.run.Estimate, c.r.from.pace
	if p.batch > 0 {
		e.Why = fmt.Sprintf("batch after batch at %s each, the median of %d %s", p.batch.Round(time.Millisecond), p.seen, p.what)
		return
	}
	e.Bound = true
	e.Why = fmt.Sprintf("a lower bound: batch after batch at %s each, no batch of that deployment was seen", leastBatch)
	if writing := time.Duration(float64(e.WrittenBytes) / mostWritten * float64(time.Second)); writing > e.Time {
		e.Time = writing
		e.Why = "a lower bound: Convex takes 4 MiB of writes a second"
	}
}

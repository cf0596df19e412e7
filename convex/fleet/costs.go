package fleet

import (
	"slices"
	"time"
)

// costsWithin is how far a batch and what the log tells of it may be apart.
const costsWithin = 5 * time.Second

// cost is what the log told of a batch that is not matched yet.
type cost struct {
	usage Usage
	at    time.Time // when it was logged, by this machine's clock
	seen  time.Time
}

// costs matches what the log tells with the batches that were observed. Both
// come in the order of the batches, each on its own way; one observation may
// be of several batches when the connection is slow.
type costs struct {
	waiting []cost
	paid    int // batches ever observed that are done with
	parts   int // that the next one has taken
}

// cost takes what a batch cost.
func (t *tracker) cost(u Usage, at, now time.Time) {
	t.costs.waiting = append(t.costs.waiting, cost{u, at, now})
	t.match(now)
}

// match gives the costs that wait to the batches they belong to.
func (t *tracker) match(now time.Time) {
	c := &t.costs
	first := t.batches - len(t.run.Batches) // number of the batch before the oldest that is kept
	c.paid = max(c.paid, first)
	var own []Batch // ours to change: the slice is shared with snapshots
	for len(c.waiting) > 0 && c.paid < t.batches {
		i := c.paid - first
		b, w := t.run.Batches[i], c.waiting[0]
		switch apart := w.at.Sub(b.At); {
		case apart > costsWithin: // the log missed this one
			c.paid, c.parts = c.paid+1, 0
			continue
		case apart < -costsWithin:
			c.waiting = c.waiting[1:]
			continue
		}
		if own == nil {
			own = slices.Clone(t.run.Batches)
		}
		u := w.usage
		if old := own[i].Usage; old != nil {
			u.Execution, u.Conflicts = u.Execution+old.Execution, u.Conflicts+old.Conflicts
			u.ReadDocuments, u.WrittenDocuments = u.ReadDocuments+old.ReadDocuments, u.WrittenDocuments+old.WrittenDocuments
			u.ReadBytes, u.WrittenBytes = u.ReadBytes+old.ReadBytes, u.WrittenBytes+old.WrittenBytes
		}
		own[i].Usage = &u
		t.run.Batches = own
		c.waiting = c.waiting[1:]
		if c.parts++; c.parts >= t.partsOf(b) {
			c.paid, c.parts = c.paid+1, 0
		}
	}
	c.waiting = slices.DeleteFunc(c.waiting, func(w cost) bool { return now.Sub(w.seen) > costsWithin })
}

// forget drops costs of a run that is over; one that has just come may be of
// the next, whose status is still on its way.
func (c *costs) forget(now time.Time) {
	c.parts = 0
	c.waiting = slices.DeleteFunc(c.waiting, func(w cost) bool { return now.Sub(w.seen) > time.Second })
}

// partsOf is of how many batches an observation is.
func (t *tracker) partsOf(b Batch) int {
	size := int64(t.run.BatchSize)
	if size <= 0 || b.Documents <= size {
		return 1
	}
	return int((b.Documents + size - 1) / size)
}

// echoes knows lines that came from one side, the answer of a call or the log,
// so that they are not shown again when they come from the other.
type echoes map[string]echo

type echo struct {
	n  int
	at time.Time
}

const echoWithin = 10 * time.Second

func (x *echoes) add(text string, now time.Time) {
	if *x == nil || len(*x) > keptLog {
		*x = echoes{}
	}
	old := (*x)[text]
	if now.Sub(old.at) > echoWithin {
		old.n = 0
	}
	(*x)[text] = echo{old.n + 1, now}
}

// take reports whether a line was there, and takes it away.
func (x *echoes) take(text string, now time.Time) bool {
	old, ok := (*x)[text]
	if !ok || old.n == 0 || now.Sub(old.at) > echoWithin {
		return false
	}
	(*x)[text] = echo{old.n - 1, old.at}
	return true
}

// log adds lines of an answer, or Strait's own.
func (t *tracker) log(entries ...LogEntry) {
	for _, l := range entries {
		if !t.streamed.take(l.Text, l.At) {
			t.answered.add(l.Text, l.At)
			t.append(l)
		}
	}
}

// stream adds a line of the function log; answers: the call that logged it may
// have been Strait's, whose answer holds it too.
func (t *tracker) stream(l LogEntry, answers bool, now time.Time) {
	if !answers {
		t.append(l)
		return
	}
	if !t.answered.take(l.Text, now) {
		t.streamed.add(l.Text, now)
		t.append(l)
	}
}

func (t *tracker) append(l LogEntry) {
	t.run.Log = keepLast(append(t.run.Log, l), keptLog)
	t.veiled = keepLast(append(t.veiled, l.masked()), keptLog)
	t.logged++
}

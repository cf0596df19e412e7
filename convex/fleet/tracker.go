package fleet

import (
	"cmp"
	"slices"
	"time"

	"strait/convex/wire"
)

// tracker follows one migration in one environment. All of it is guarded by
// the fleet's mutex.
//
// What the component tells (told) and what is shown (run.State) differ while a
// start or a cancel is on its way: the statuses that arrive meanwhile may be of
// before.
type tracker struct {
	run        Run
	name       string // in the component that keeps it, run.Component; "" none told of it
	seen       bool   // a status was seen, so the next growth is a batch
	last       wire.MigrationStatus
	told       string     // state of last, in the words of Run
	updates    uint64     // statuses taken, so that a read can tell whether it was overtaken
	mark       time.Time  // when the last batch ended; when this one went out where Strait drives
	asked      time.Time  // a start was sent at this time and is not answered; zero else
	since      time.Time  // of a runner: when its series was started
	chasing    bool       // of a runner: its series may still go on
	afresh     bool       // of a runner: every member begins again
	unfinished *loop      // of a run that Strait drives: where it stopped
	doubt      string     // why a call of its last run may have run unseen; "" when it was answered
	settled    bool       // a call was made, so what the journal says is old
	peak       int64      // most documents its table held during the run
	cancel     func()     // stops a loop that Strait drives; nil for the component's
	driver     *driver    // of a run that Strait drives batch by batch; nil else
	stood      string     // how the last such run ended here, while the component knows no more than "unknown"
	failures   int        // so that a late look-up does not land on another failure
	batches    int        // ever observed
	logged     int        // lines ever logged
	veiled     []LogEntry // run.Log, masked

	explaining int // look-ups of a failure under way

	costs              costs
	death              *death // newest failure that the log told; nil none
	answered, streamed echoes // lines of its log, by where they came from
}

const (
	keptBatches = 240
	keptLog     = 500
	rateBatches = 20 // the rate is over so many batches at most
	rateAge     = 30 * time.Second
)

// observe takes a status of the component and reports whether the migration
// failed just now, so that the caller has it explained.
func (t *tracker) observe(s wire.MigrationStatus, now time.Time) (failed bool) {
	r := &t.run
	r.Migration = s.Name
	invented := s.LatestStart.IsZero() && s.Processed == 0 && s.State == "unknown" // a name it never saw (13.1)
	if t.seen && !invented && (s.LatestStart.Before(r.Started) || s.LatestStart.Equal(r.Started) && s.Processed < r.Processed) {
		return false // overtaken by a newer one
	}
	if t.seen && (invented || s.LatestStart.After(r.Started)) {
		if !invented && t.asked.IsZero() && t.driver == nil {
			r.Mine = false // somebody else began it again
		}
		t.restart(now)
	}
	if grown := s.Processed - r.Processed; grown > 0 && t.seen {
		t.batch(Batch{At: now, Documents: grown}, now)
	}
	told := t.reading(s)
	if invented {
		told = ""
	}
	if told != t.told || s.Processed != r.Processed || !t.seen {
		r.Heard = now
	}
	if told == "inProgress" && t.told != "inProgress" && t.asked.IsZero() && t.driver == nil {
		t.mark = now
	}
	if t.stopped() && (told == "inProgress" || s.Processed > r.Processed) {
		r.Resumed, r.Before = now, r.Processed
		if !t.asked.IsZero() {
			r.Resumed = t.asked
		}
	}
	r.Processed, r.Started, r.Ended = s.Processed, s.LatestStart, s.LatestEnd
	r.BatchSize = cmp.Or(s.BatchSize, r.BatchSize)
	r.Series = s.Next
	t.last, t.told, t.seen = s, told, true
	t.updates++
	if !t.asked.IsZero() {
		return false
	}
	return t.conclude(now)
}

// stopped reports whether the last status was of a run that stopped part way.
func (t *tracker) stopped() bool {
	switch t.told {
	case "canceled", "failed", "unknown":
		return t.run.Processed > 0
	}
	return false
}

// settle ends the wait for the answer of a start.
func (t *tracker) settle(now time.Time) (failed bool) {
	t.asked = time.Time{}
	return t.conclude(now)
}

// conclude shows what the component told last.
func (t *tracker) conclude(now time.Time) (failed bool) {
	r := &t.run
	switch {
	case !t.seen, t.told == "" && r.State == "failed" && r.Mine:
		return false // it failed before the component could keep anything
	case r.State == "canceling" && t.told == "inProgress":
		return false
	}
	r.State = t.told
	if r.State != "failed" {
		r.Failure = nil
		return false
	}
	if r.Failure != nil && (t.last.Error == "" || r.Failure.Text == newFailure(t.last.Error).Text) {
		return false
	}
	t.failures++
	t.explaining++ // until explain has answered
	r.Failure = newFailure(t.last.Error)
	if r.Ended.IsZero() {
		r.Ended = now
	}
	t.failedBatch(now)
	return true
}

func (t *tracker) sinceMark(now time.Time) time.Duration {
	if t.mark.IsZero() {
		return 0
	}
	return max(0, now.Sub(t.mark))
}

// restart forgets the batches of the run before.
func (t *tracker) restart(now time.Time) {
	t.run.Batches, t.run.BatchCount, t.run.Processed = nil, 0, 0
	t.run.Failure, t.peak = nil, 0
	t.run.Resumed, t.run.Before = time.Time{}, 0
	t.costs.forget(now)
	if t.asked.IsZero() && t.driver == nil {
		t.mark = now
	}
}

func (t *tracker) batch(b Batch, now time.Time) {
	b.Took, t.mark = t.sinceMark(now), now
	t.run.Batches = keepLast(append(t.run.Batches, b), keptBatches)
	t.run.BatchCount++
	t.batches++
	t.match(now)
}

// failedBatch notes a batch that was rolled back.
func (t *tracker) failedBatch(now time.Time) {
	t.run.Batches = keepLast(append(t.run.Batches, Batch{At: now, Failed: true, Took: t.sinceMark(now)}), keptBatches)
	t.batches++
	t.match(now)
}

// active reports whether it runs, as far as is known.
func (r *Run) active() bool {
	return r.State == "inProgress" || r.State == "starting" || r.State == "canceling"
}

// show is the run of a migration with its total, rate and estimate as of now;
// of a runner, that of its series. f.mu is held.
func (e *env) show(name string) Run {
	m, _ := e.f.migration(name)
	if m.Runner {
		return e.showSeries(m)
	}
	t := e.runs[name]
	if t == nil {
		return Run{Migration: name, Total: -1}
	}
	r := t.run
	r.Total, r.Range, r.Control = -1, m.CustomRange, t.shown(&t.run)
	r.BatchSize = cmp.Or(r.BatchSize, m.BatchSize)
	if n, ok := e.stored(m); ok {
		// A migration that deletes makes its table smaller as it goes.
		r.Total = max(n, t.peak, r.Processed)
	}
	if r.State == "success" && !r.Range {
		r.Total = max(r.Total, r.Processed)
	}
	if r.active() {
		r.Rate = rate(r.Batches, r.rest(), e.f.now())
		r.ETA = estimate(r)
	}
	return r
}

// rest is how long it rests between two batches.
func (r *Run) rest() time.Duration {
	if r.Control == nil {
		return 0
	}
	return r.Control.Throttle
}

// rate is documents a second over the last batches, each with a rest; 0 when
// too little is known.
func rate(batches []Batch, rest time.Duration, now time.Time) float64 {
	var docs int64
	var took time.Duration
	for _, b := range slices.Backward(batches[max(0, len(batches)-rateBatches):]) {
		if b.Failed || now.Sub(b.At) > rateAge+rest {
			break
		}
		docs, took = docs+b.Documents, took+b.Took+rest
	}
	if took <= 0 {
		return 0
	}
	return float64(docs) / took.Seconds()
}

// estimate is what is left over the rate. It is withheld until three batches
// and a hundredth of the way are done, for a range, whose end is not known, and
// for a run that stands still or is going to before its end.
func estimate(r Run) time.Duration {
	if c := r.Control; c != nil && (c.Paused || c.Steps >= 0) {
		return 0
	}
	if r.Rate <= 0 || r.Total <= 0 || r.Range || len(r.Batches) < 3 || r.Processed*100 < r.Total || r.Processed >= r.Total {
		return 0
	}
	return time.Duration(float64(r.Total-r.Processed) / r.Rate * float64(time.Second))
}

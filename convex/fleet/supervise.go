package fleet

import (
	"fmt"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/plan"
)

// driver is a run that Strait drives batch by batch. Between two batches it can
// be paused, let go so many steps, slowed down and given another batch size; it
// ends with its environment, so nothing goes on when the terminal goes away.
// The members of a series share one. The fleet's mutex guards it.
type driver struct {
	Control
	at   string    // the member of a series whose batches it makes
	last time.Time // when the last batch ended
	id   string    // of the action that it carries out, for the journal
}

func newDriver(c Command) *driver {
	d := &driver{Control: Control{Steps: -1, Batch: c.BatchSize, Throttle: c.Throttle}}
	if c.Steps > 0 {
		d.Steps = c.Steps
	}
	return d
}

// rest says how long the next batch must wait; negative while it is paused.
func (d *driver) rest(now time.Time) time.Duration {
	if d.Paused {
		return -1
	}
	if d.last.IsZero() {
		return 0
	}
	return min(d.Throttle, max(0, d.last.Add(d.Throttle).Sub(now))) // a clock set back adds nothing
}

// batchOver counts a batch that was made.
func (d *driver) batchOver(now time.Time) {
	d.InBatch, d.last = false, now
	if d.Steps > 0 {
		if d.Steps--; d.Steps == 0 {
			d.Paused = true
		}
	}
}

// shown is what a Run tells of its driver while it runs.
func (t *tracker) shown(r *Run) *Control {
	if t == nil || t.driver == nil || !r.active() {
		return nil
	}
	c := t.driver.Control
	return &c
}

// reading is a status in the words of Run. The component tells "unknown" of a
// migration that no worker of its own runs (convex-wire.md 13.1): here it is
// known whether Strait drives it, or did so until it stopped part way.
func (t *tracker) reading(s wire.MigrationStatus) string {
	switch {
	case s.State != "unknown":
		return s.State
	case t.driver != nil && t.driver.at == s.Name:
		return "inProgress"
	case t.stood != "" && s.Processed == t.run.Processed:
		return t.stood
	}
	t.stood = "" // somebody else went on
	return s.State
}

// drives reports whether Strait itself drives what the command starts, batch by
// batch.
func (a *action) drives() bool {
	return a.c.Supervised && a.byComponent() || a.migration.Driver == project.PagedDriver && !a.migration.Runner
}

// cannotRun refuses what a migration's driver cannot. f.mu is held.
func (e *env) cannotRun(c Command, m project.Migration) []plan.Refusal {
	one := func(code, why, hint string) []plan.Refusal { return []plan.Refusal{{Code: code, Why: why, Hint: hint}} }
	paged := m.Driver == project.PagedDriver && !m.Runner
	inside := e.tooOldInside(m)
	switch {
	case inside != "":
		return one("too-old", inside, "install 0.3.5 or newer, and deploy it")
	case c.BatchSize < 0:
		return one("bad-batch", fmt.Sprintf("a batch of %d documents", c.BatchSize), "give a size above 0, or none for the definition's")
	case c.Cursor != nil && m.Runner:
		return one("cursor-of-series", "a cursor belongs to one migration, and "+c.Migration+" runs several", "start the member by itself, or the series with reset")
	case c.Cursor != nil && !paged && m.Driver != project.ComponentDriver:
		return one("no-cursor", c.Migration+" takes no cursor from Strait", "start it with reset to begin again")
	case c.Supervised && m.Runner && len(m.Series) == 0:
		return one("cannot-supervise", c.Migration+" runs whatever it is told to", "start the migration itself supervised")
	case c.Supervised && component(m) && e.lacks(m.Name, "oneBatchOnly"):
		return one("too-old", "the @convex-dev/migrations deployed in "+e.cfg.Name+" is older than 0.3.1 and cannot run one batch at a time", "start it without supervision, or deploy a newer one")
	case c.Reset && m.Runner && len(m.Series) > 1 && e.lacks(m.Name, "reset") && !c.Supervised:
		return one("too-old", "the @convex-dev/migrations deployed in "+e.cfg.Name+" is older than 0.3.3 and cannot reset a series", "reset its members one by one, or deploy a newer one")
	case c.Supervised && !paged && !component(m):
		return one("cannot-supervise", c.Migration+" cannot be driven batch by batch: "+oneGo(m), "start it without supervision")
	case (c.Steps > 0 || c.Throttle > 0) && !paged && !c.Supervised:
		return one("not-supervised", "the component runs "+c.Migration+" by itself: it takes neither steps nor rests from Strait", "start it supervised")
	}
	return nil
}

// oneGo says why a migration has no batches that Strait could make.
func oneGo(m project.Migration) string {
	switch {
	case m.Driver == project.HelpersDriver:
		return "convex-helpers schedules its batches"
	case m.Continues:
		return "it schedules its own batches"
	}
	return "it is done in one call"
}

// takeWheel makes Strait the driver of what the command starts. f.mu is held.
func (a *action) takeWheel() {
	if !a.drives() {
		return
	}
	a.driver = newDriver(a.c)
	a.driver.id = a.id
	for _, name := range a.members() {
		t := a.e.tracker(name)
		t.driver, t.cancel, t.stood = a.driver, a.cancel, ""
	}
}

// letGo ends what takeWheel and mark began. f.mu is held.
func (a *action) letGo() {
	for _, name := range a.members() {
		if t := a.e.tracker(name); t.driver == a.driver {
			t.driver, t.cancel, t.chasing = nil, nil, false
		}
	}
}

// size is the size of the next batch; 0 the definition's. f.mu is held.
func (a *action) size() int {
	if a.driver == nil {
		return a.c.BatchSize
	}
	return a.driver.Batch
}

// batchOver notes that a batch has been answered. f.mu is held.
func (a *action) batchOver() {
	if a.driver != nil {
		a.driver.batchOver(a.f.now())
	}
}

// mayGo waits until the next batch may go out, and marks it as begun; false
// when the run is stopped before, or its connection is gone for good.
func (a *action) mayGo() bool {
	for a.ctx.Err() == nil {
		tick, rest := a.f.changed.next(), time.Duration(0)
		a.f.mu.Lock()
		if a.driver != nil && a.e.client != a.client {
			a.f.mu.Unlock()
			return false
		}
		if a.driver != nil {
			rest = a.driver.rest(a.f.now())
			a.driver.InBatch = rest == 0
		}
		a.f.mu.Unlock()
		if rest == 0 {
			return true
		}
		a.sleep(tick, rest)
	}
	return false
}

// adrift says that the environment let go of the client that the run began
// with, to open it anew; nil while it has not, or when the run was stopped.
func (a *action) adrift() error {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.ctx.Err() != nil || a.e.client == a.client {
		return nil
	}
	return fmt.Errorf("the connection with %s ended for good, and the run with it: no batch is in flight; started again, it goes on after what is processed", a.c.Env)
}

// sleep waits for a change, for the end of a rest that is not negative, or for
// the end of the action.
func (a *action) sleep(tick <-chan struct{}, rest time.Duration) {
	var over <-chan time.Time
	if rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-tick:
	case <-over:
	case <-a.ctx.Done():
	}
}

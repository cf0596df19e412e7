package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// begin shows a start that was asked for. The fleet's mutex is held.
func (t *tracker) begin(now time.Time, batchSize int) {
	t.run.State, t.run.Mine, t.run.Heard, t.run.Failure = "starting", true, now, nil
	t.run.Ended = time.Time{}
	t.run.BatchSize = cmp.Or(batchSize, t.run.BatchSize)
	t.asked, t.mark, t.since = now, now, now
	t.log(LogEntry{At: now, Level: "INFO", Text: "start asked for"})
}

// fail ends a run that Strait drives, or a start that went wrong. The fleet's
// mutex is held.
func (t *tracker) fail(f *Failure, now time.Time) {
	t.failures++
	t.asked = time.Time{}
	t.run.State, t.run.Failure, t.run.Ended, t.run.Heard = "failed", f, now, now
	t.log(LogEntry{At: now, Level: "ERROR", Text: f.Summary, Printed: true})
}

// run starts a migration, and drives it when its driver asks for that.
func (a *action) run(answer *entry) error {
	switch {
	case a.byComponent() && a.c.Supervised:
		return a.supervise(answer)
	case a.byComponent():
		return a.start(answer)
	case a.migration.Driver == project.HelpersDriver:
		return a.follow(answer)
	}
	return a.drive(answer)
}

// startTimeout is how long a start or a cancel may wait for the connection and
// its answer. What waits for a connection must not go out hours later, when
// nobody thinks of it any more.
const startTimeout = 2 * time.Minute

// start starts a migration of the component over the WebSocket, which runs it
// once however often the connection breaks. The status is read before, so that
// one that somebody else runs is not started again, and after.
func (a *action) start(answer *entry) error {
	call, err := a.startCall()
	if err == nil {
		err = a.notRunning()
	}
	if !a.sending() {
		answer.Error = "canceled before it was sent"
		return nil
	}
	if err != nil {
		a.failStart(callFailure(err))
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	res, err := a.client.Mutate(ctx, call)
	now := a.f.now()
	a.f.change(func() { a.e.tracker(a.c.Migration).log(logEntries(now, res.LogLines)...) })
	if f := functionError(err); f != nil {
		failure := callFailure(err)
		a.e.fetchBody(a.ctx, a.client, a.c.Migration, failure)
		a.failStart(failure)
		return err
	}
	if err != nil {
		// It may have run: what the status says counts.
		if statusErr := a.settle(nil); statusErr != nil {
			a.failStart(newFailure(err.Error()))
		}
		return err
	}
	text := ""
	if o, ok := res.Value.(value.Object); ok {
		text, _ = textOf(o, "Status") // lib:migrate itself answers none
	}
	if err := a.settle(res.LogLines); err != nil {
		return fmt.Errorf("it was started, but its status cannot be read: %w", err)
	}
	done := text == "Migration already done."
	if a.migration.Runner && done && len(a.migration.Series) > 0 {
		text, done = a.migration.Series[0]+" is already done: passed over", false // told of its first member only
	}
	if text != "" {
		a.f.change(func() {
			a.e.tracker(a.c.Migration).log(LogEntry{At: now, Level: "INFO", Text: text, Printed: !done})
			if done {
				a.f.say("info", a.c.Env, a.c.Migration+" is already done: nothing ran; start it with reset to run it again")
			}
		})
	}
	answer.Processed = a.processed()
	a.goesOn = true
	return nil
}

// sending hands a start over to the component: from here on only lib:cancel
// stops it. False when it was canceled before, and nothing is sent.
func (a *action) sending() (ok bool) {
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		t.cancel = nil
		if ok = a.ctx.Err() == nil; !ok {
			t.asked, t.run.State = time.Time{}, t.told
			a.f.say("warn", a.c.Env, a.c.Migration+" was canceled before it was started: nothing was sent")
		}
	})
	return ok
}

// notRunning reads the status first: starting what somebody else started is
// not wanted.
func (a *action) notRunning() error {
	statuses, err := a.statuses()
	if err != nil {
		if errors.Is(err, wire.ErrMissing) {
			return err
		}
		return nil // the start itself will tell
	}
	for _, s := range statuses {
		if s.State == "inProgress" {
			return fmt.Errorf("%s is already running there, after %s documents", s.Name, thousands(s.Processed))
		}
	}
	return nil
}

// statuses are those of the action's migrations, under the names that they
// have here.
func (a *action) statuses() ([]wire.MigrationStatus, error) {
	keys := []string{a.c.Migration}
	if a.migration.Runner {
		keys = a.migration.Series
	}
	if len(keys) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, 30*time.Second)
	defer cancel()
	component, _ := a.e.homeOf(keys[0])
	known, names := map[string]string{}, make([]string, len(keys))
	for i, key := range keys {
		_, names[i] = a.e.homeOf(key)
		known[names[i]] = key
	}
	statuses, err := a.client.MigrationStatuses(ctx, component, names)
	for i, s := range statuses {
		statuses[i].Name = known[s.Name]
	}
	return statuses, err
}

// settle takes the status after the start was answered. The subscription may
// tell newer ones meanwhile: then the read is repeated, and in the end those
// count.
func (a *action) settle(lines []string) error {
	var err error
	for range 5 {
		before := a.updates()
		var statuses []wire.MigrationStatus
		if statuses, err = a.statuses(); err != nil {
			break
		}
		if a.updates() == before {
			a.e.gotStatuses(a.client, statuses, nil)
			break
		}
	}
	id := failedIn(lines, "")
	body := &Failure{Document: id}
	a.e.fetchBody(a.ctx, a.client, a.c.Migration, body)
	var failed *failedRun
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		if a.migration.Runner {
			t.asked, t.run.State, t.chasing = time.Time{}, "", err == nil
			return
		}
		if t.settle(a.f.now()) {
			failed = &failedRun{t.last, true, t.failures}
			if id != "" {
				t.explaining-- // it is explained by the answer's own log
			}
		}
		a.e.announce(t.run)
		if id != "" && t.run.Failure != nil {
			shown := *t.run.Failure
			shown.failedOn(body)
			t.run.Failure = &shown
		}
	})
	if failed != nil && id == "" {
		a.e.explain(a.client, *failed)
	}
	if a.migration.Runner && err == nil {
		a.f.spawn(func() { a.e.chase(a.client, a.migration) })
	}
	return err
}

// updates counts the statuses that arrived of the action's migrations.
func (a *action) updates() (n uint64) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	for _, name := range a.members() {
		n += a.e.tracker(name).updates
	}
	return n
}

func (a *action) failStart(f *Failure) {
	a.f.change(func() {
		a.e.tracker(a.c.Migration).fail(f, a.f.now())
		a.e.announce(a.e.tracker(a.c.Migration).run)
	})
}

func (a *action) processed() int64 {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.e.show(a.c.Migration).Processed
}

func functionError(err error) *wire.FunctionError {
	var f *wire.FunctionError
	if errors.As(err, &f) {
		return f
	}
	return nil
}

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"strait/convex/wire"
	"strait/model/value"
)

// batchTimeout is how long a batch that Strait drives may wait for the
// connection and its answer.
const batchTimeout = 5 * time.Minute

// stepper drives one migration of the component, a batch at a time, with
// oneBatchOnly of lib:migrate (convex-wire.md 13.1, 13.4). The cursor is left
// out: the component goes on at the one it stores, in the transaction of the
// batch itself, so that two drivers never run the same batch.
type stepper struct {
	name, handle string
	component    string               // that keeps it
	known        string               // its name there
	first        bool                 // no batch went out yet
	last         wire.MigrationStatus // before the next batch
}

// supervise drives a migration of the component, or a series one member after
// the other, until it is done, fails or is stopped.
func (a *action) supervise(answer *entry) error {
	err := a.superviseAll()
	a.f.change(func() {
		a.letGo()
		answer.Processed = a.e.show(a.c.Migration).Processed
	})
	return err
}

func (a *action) superviseAll() error {
	steppers, err := a.steppers()
	if err != nil {
		a.failStart(callFailure(err))
		return err
	}
	for _, s := range steppers {
		if over, err := a.stepThrough(s); over || err != nil {
			return err
		}
	}
	if len(steppers) == 0 {
		a.f.change(func() {
			a.stand("success")
			a.f.say("info", a.c.Env, a.c.Migration+" is already done: nothing ran; start it with reset to run it again")
		})
	}
	return nil
}

// steppers are the migrations to drive, in order: of a series those that are
// not done. Everything that can be found out without a write is found out here.
func (a *action) steppers() ([]*stepper, error) {
	if err := a.canStep(); err != nil {
		return nil, err
	}
	statuses, err := a.statuses()
	if err != nil {
		return nil, fmt.Errorf("read the status before the first batch: %w", err)
	}
	again := a.c.Reset || a.c.Cursor != nil
	var out []*stepper
	for _, s := range statuses {
		if s.State == "inProgress" {
			return nil, fmt.Errorf("%s is already running there, after %s documents", s.Name, thousands(s.Processed))
		}
		if s.IsDone && !again {
			continue
		}
		handle, err := a.handle(a.ctx, s.Name)
		if err != nil {
			return nil, err
		}
		component, known := a.e.homeOf(s.Name)
		out = append(out, &stepper{name: s.Name, handle: handle, component: component, known: known, first: true, last: s})
	}
	return out, nil
}

// handle is the handle by which the component calls the migration, made where
// the migration is defined.
func (a *action) handle(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	owner, path := a.e.functionOf(key)
	id, err := ownerID(ctx, a.client, owner)
	if err != nil {
		return "", err
	}
	return a.client.FunctionHandle(ctx, id, path)
}

// stepThrough drives one migration; over says that the whole run is.
func (a *action) stepThrough(s *stepper) (over bool, err error) {
	for a.mayGo() {
		status, err := a.step(s)
		a.f.change(a.batchOver)
		if err != nil {
			return true, a.stepFailed(s, err)
		}
		switch {
		case status.State == "inProgress":
			return true, a.yield(s, status)
		case status.State == "failed":
			return true, &toldError{cmp.Or(status.Error, "the batch failed")}
		case status.IsDone:
			return false, nil
		case !s.first && status.Cursor == s.last.Cursor && status.Processed == s.last.Processed:
			return true, a.stepFailed(s, errStuck)
		}
		s.first, s.last = false, status
	}
	if err := a.adrift(); err != nil {
		a.endedAt(s.name, newFailure(err.Error()))
		return true, err
	}
	a.f.change(func() {
		a.e.tracker(s.name).stood = "canceled"
		a.stand("canceled")
	})
	return true, nil
}

var errStuck = errors.New("the batch did not move its cursor: it would go round for ever")

// stand shows how a run that Strait drove has ended, where the component's
// status does not tell it. f.mu is held.
func (a *action) stand(state string) {
	a.letGo()
	now := a.f.now()
	for _, name := range a.members() {
		t := a.e.tracker(name)
		t.asked = time.Time{}
		if t.run.active() {
			t.told, t.run.State, t.run.Ended, t.run.Heard = state, state, now, now
			a.e.announce(t.run)
		}
	}
}

// stepArgs are the arguments of the next batch.
func (a *action) stepArgs(s *stepper) value.Object {
	args := value.NewObject(
		value.Field{Name: "name", Value: s.known}, value.Field{Name: "fnHandle", Value: s.handle},
		value.Field{Name: "dryRun", Value: false}, value.Field{Name: "oneBatchOnly", Value: true})
	if size := a.size(); size > 0 {
		args = args.With("batchSize", float64(size))
	}
	if s.first {
		args = a.beginning(args)
	}
	return args
}

// beginning adds where the first batch begins.
func (a *action) beginning(args value.Object) value.Object {
	switch {
	case a.c.Cursor != nil && *a.c.Cursor != "":
		return args.With("cursor", *a.c.Cursor)
	case a.c.Cursor != nil || a.c.Reset:
		return args.With("cursor", nil)
	}
	return args
}

// step makes one batch. It is not ended by a cancel, nor by the end of the
// fleet: it is one transaction, whose answer is waited for.
func (a *action) step(s *stepper) (wire.MigrationStatus, error) {
	var args value.Object
	a.f.change(func() {
		a.e.inFlight++
		args = a.stepArgs(s)
		a.stepping(s.name)
		if size := a.size(); size > 0 {
			a.e.tracker(s.name).run.BatchSize = size
		}
	})
	defer a.f.change(func() { a.e.inFlight-- })
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.f.ctx), a.f.patience(batchTimeout))
	defer cancel()
	res, err := a.call(ctx, wire.Call{Component: s.component, Path: "lib:migrate", Args: args})
	if mayHaveRun(err) {
		return a.lostStep(s, err)
	}
	now := a.f.now()
	a.f.change(func() { a.e.tracker(s.name).log(logEntries(now, res.LogLines)...) })
	if err != nil {
		return wire.MigrationStatus{}, err
	}
	status, err := wire.ReadMigrationStatus(res.Value)
	if err != nil {
		return a.lostStep(s, err)
	}
	status.Name = s.name
	a.told(s, status, res.LogLines)
	return status, nil
}

// stepping notes that a batch of a migration goes out. f.mu is held.
func (a *action) stepping(name string) {
	a.driver.at = name
	t, now := a.e.tracker(name), a.f.now()
	if !t.run.active() {
		t.begin(now, a.size())
	}
	t.asked, t.mark = now, now // what the status tells meanwhile may be of before
}

// told takes the status that a batch answered.
func (a *action) told(s *stepper, status wire.MigrationStatus, lines []string) {
	name := s.name
	a.f.change(func() {
		a.e.tracker(name).asked = time.Time{}
		if a.migration.Runner {
			t := a.e.tracker(a.c.Migration)
			t.asked, t.run.State, t.chasing = time.Time{}, "", true
		}
	})
	id := failedIn(lines, "")
	if status.State != "failed" || id == "" {
		status.Name = s.known
		a.e.gotFrom(a.client, s.component, []wire.MigrationStatus{status}, nil)
		return
	}
	// The batch's own log names the document: nobody has to look for it.
	body := &Failure{Document: id}
	a.e.fetchBody(context.WithoutCancel(a.ctx), a.client, name, body)
	a.f.change(func() {
		t := a.e.tracker(name)
		if t.observe(status, a.f.now()) {
			t.explaining--
		}
		if t.run.Failure != nil {
			shown := *t.run.Failure
			shown.failedOn(body)
			t.run.Failure = &shown
		}
		a.e.announce(t.run)
	})
}

// lostStep settles a batch whose answer was lost: what the component stores
// tells whether it ran. It is never sent again.
func (a *action) lostStep(s *stepper, lost error) (wire.MigrationStatus, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.f.ctx), grace)
	defer cancel()
	statuses, err := a.client.MigrationStatuses(ctx, s.component, []string{s.known})
	if err != nil || len(statuses) == 0 {
		return wire.MigrationStatus{}, lost
	}
	now := statuses[0]
	now.Name = s.name
	if !moved(s.last, now) {
		return wire.MigrationStatus{}, lost
	}
	at := a.f.now()
	a.f.change(func() {
		a.e.tracker(s.name).log(LogEntry{At: at, Level: "WARN", Text: "the answer of a batch was lost; its status says that it ran"})
	})
	a.told(s, now, nil)
	return now, nil
}

// moved reports whether a batch ran between two statuses.
func moved(before, after wire.MigrationStatus) bool {
	return after.Processed != before.Processed || after.Cursor != before.Cursor || after.IsDone != before.IsDone ||
		after.Error != before.Error || !after.LatestStart.Equal(before.LatestStart)
}

// stepFailed ends a run whose batch failed as a whole, so that the component
// stores nothing of it, or whose answer is lost.
func (a *action) stepFailed(s *stepper, err error) error {
	failure := callFailure(err)
	if mayHaveRun(err) {
		failure = newFailure("the answer of the last batch was lost, and the status does not tell that it ran: it may run yet. " +
			"Look at the status; started again, the run goes on after what is processed")
	}
	a.e.fetchBody(context.WithoutCancel(a.ctx), a.client, s.name, failure)
	a.f.change(func() {
		t := a.e.tracker(s.name)
		if mayHaveRun(err) && s.first && (a.c.Reset || a.c.Cursor != nil) {
			// When it runs yet, it begins again: nothing may be built on it.
			t.doubt, t.settled = "the answer of the last start of "+s.name+" was lost: it may have begun again, or do so yet", true
		}
		t.failedBatch(a.f.now())
	})
	a.endedAt(s.name, failure)
	return err
}

// endedAt ends a run that Strait drives at one of its migrations, for a reason
// that the component's status does not tell.
func (a *action) endedAt(name string, failure *Failure) {
	a.f.change(func() {
		t, now := a.e.tracker(name), a.f.now()
		a.letGo()
		t.stood, t.told = "failed", "failed"
		t.fail(failure, now)
		if a.migration.Runner { // its state is that of its members
			x := a.e.tracker(a.c.Migration)
			x.asked, x.run.State = time.Time{}, ""
		}
		a.e.announce(t.run)
	})
}

// yield leaves a migration to the component's own worker, which somebody
// started meanwhile: the batch asked for was not made.
func (a *action) yield(s *stepper, status wire.MigrationStatus) error {
	text := fmt.Sprintf("somebody started %s in the background: this Strait no longer drives it, and it goes on there after %s documents", s.name, thousands(status.Processed))
	now := a.f.now()
	a.f.change(func() {
		t := a.e.tracker(s.name)
		t.run.Mine = false
		t.log(LogEntry{At: now, Level: "WARN", Text: text})
		a.f.say("warn", a.c.Env, text)
	})
	return nil
}

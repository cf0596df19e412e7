package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// begin shows a start that was asked for. The fleet's mutex is held.
func (t *tracker) begin(now time.Time, batchSize int) {
	t.run.State, t.run.Mine, t.run.Heard, t.run.Failure = "starting", true, now, nil
	t.run.Ended = time.Time{}
	t.run.BatchSize = cmpOr(batchSize, t.run.BatchSize)
	t.asked, t.mark, t.since = now, now, now
	t.log(LogEntry{At: now, Level: "INFO", Text: "start asked for"})
}

// fail ends a run that Strait drives, or a start that went wrong. The fleet's
// mutex is held.
func (t *tracker) fail(f *Failure, now time.Time) {
	t.failures++
	t.asked = time.Time{}
	t.run.State, t.run.Failure, t.run.Ended, t.run.Heard = "failed", f, now, now
	t.log(LogEntry{At: now, Level: "ERROR", Text: f.Summary})
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
		a.e.fetchBody(a.ctx, a.client, failure)
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
		text, _ = textOf(o, "Status")
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
			a.e.tracker(a.c.Migration).log(LogEntry{At: now, Level: "INFO", Text: text})
			if done {
				a.f.say("info", a.c.Env, a.c.Migration+" is already done: nothing ran; start it with reset to run it again")
			}
		})
	}
	answer.Processed = a.processed()
	return nil
}

// startCall is the call that starts the migration in its environment's version
// of the component (convex-wire.md 13.4, 13.5).
func (a *action) startCall() (wire.Call, error) {
	args := value.Object{}
	if a.c.BatchSize > 0 {
		args = args.With("batchSize", float64(a.c.BatchSize))
	}
	if a.c.Reset {
		args = args.With("reset", true)
	}
	call := wire.Call{Path: a.c.Migration}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if !a.migration.Runner && a.e.indirect(a.c.Migration) {
		runner := a.e.generalRunner()
		if runner == "" {
			return call, fmt.Errorf("the @convex-dev/migrations deployed in %s is older than 0.3.4: it starts migrations through a runner only, and the project has no general one; add `export const run = migrations.runner()` and deploy", a.c.Env)
		}
		call.Path, args = runner, args.With("fn", a.c.Migration)
	}
	if a.c.Reset && !a.e.takes(call.Path, "reset") {
		return call, fmt.Errorf("the @convex-dev/migrations deployed in %s is older than 0.3.3: it cannot reset", a.c.Env)
	}
	call.Args = args
	return call, nil
}

// indirect reports whether the deployed migration cannot be called to start
// itself: its arguments are those of an older component. f.mu is held.
func (e *env) indirect(name string) bool {
	return e.argsOf[name] != nil && !(e.takes(name, "oneBatchOnly") && e.takes(name, "reset"))
}

// takes reports whether a deployed function takes an argument, as far as that
// is known. f.mu is held.
func (e *env) takes(name, arg string) bool {
	v := e.argsOf[name]
	return v == nil || v.Field(arg) != nil
}

// generalRunner is a deployed runner of any migration. f.mu is held.
func (e *env) generalRunner() string {
	for _, m := range e.f.project.Migrations {
		if m.Runner && len(m.Series) == 0 && e.functions[m.Name] {
			return m.Name
		}
	}
	return ""
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

func (a *action) statuses() ([]wire.MigrationStatus, error) {
	names := []string{a.c.Migration}
	if a.migration.Runner {
		names = a.migration.Series
	}
	if len(names) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, 30*time.Second)
	defer cancel()
	component, _ := a.home(names[0])
	return a.client.MigrationStatuses(ctx, component, names)
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
	a.e.fetchBody(a.ctx, a.client, body)
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
			shown.Document, shown.Body, shown.Table = id, body.Body, body.Table
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

// cancelRun stops a run: the component's through lib:cancel, Strait's own after
// the batch in flight.
func (a *action) cancelRun() error {
	a.f.mu.Lock()
	stop := a.e.tracker(a.c.Migration).cancel
	a.f.mu.Unlock()
	if stop != nil {
		stop()
	}
	if stop != nil || !a.byComponent() {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	for {
		var failed error
		for _, name := range a.members() {
			if a.memberRuns(name) {
				failed = errors.Join(failed, a.cancelOne(name))
			}
		}
		if failed != nil || !a.migration.Runner {
			return failed
		}
		// A member may have ended by itself meanwhile, and the next one has not
		// begun: there is nothing to cancel until it has.
		if over, err := a.nextMember(ctx); over || err != nil {
			return err
		}
	}
}

// memberRuns reports whether a migration that the action is about runs; the
// runner itself does not.
func (a *action) memberRuns(name string) bool {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	t := a.e.runs[name]
	return t != nil && t.run.active() && !(name == a.c.Migration && a.migration.Runner)
}

// nextMember waits until a member of the series runs, or the series is over.
func (a *action) nextMember(ctx context.Context) (over bool, err error) {
	err = a.f.wait(ctx, func() bool {
		r := a.e.showSeries(a.migration)
		over = !r.active()
		return over || slices.ContainsFunc(a.migration.Series, func(n string) bool { x := a.e.show(n); return x.active() })
	})
	if err != nil {
		return false, fmt.Errorf("cancel %s: its next member did not begin, so there is nothing to cancel yet: %w", a.c.Migration, err)
	}
	return over, nil
}

func (a *action) cancelOne(name string) error {
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	component, known := a.home(name)
	res, err := a.client.Mutate(ctx, wire.Call{
		Component: component, Path: "lib:cancel", Args: value.NewObject(value.Field{Name: "name", Value: known}),
	})
	now := a.f.now()
	lines := res.LogLines
	if f := functionError(err); f != nil {
		lines = f.LogLines
	}
	a.f.change(func() {
		t := a.e.tracker(name)
		t.log(logEntries(now, lines)...)
		if t.run.State == "canceling" {
			t.run.State = t.told
		}
	})
	if err != nil {
		return fmt.Errorf("cancel %s: %w", name, err)
	}
	if s, err := wire.ReadMigrationStatus(res.Value); err == nil {
		a.e.gotFrom(a.client, component, []wire.MigrationStatus{s}, nil)
	}
	return nil
}

func functionError(err error) *wire.FunctionError {
	var f *wire.FunctionError
	if errors.As(err, &f) {
		return f
	}
	return nil
}

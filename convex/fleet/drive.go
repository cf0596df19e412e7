package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// loop drives a hand-written migration page by page: it holds the cursor and
// reads the answers, whatever names the author gave to things.
type loop struct {
	m      project.Migration
	spec   *schema.Validator // its arguments; nil unknown
	size   int
	cursor value.Value // nil before the first page
	pages  int
	done   bool
	note   string // what a person should know of the last answer
}

func newLoop(m project.Migration, spec *schema.Validator, size int) *loop {
	return &loop{m: m, spec: spec, size: size}
}

// defaultPage is the page size of a paged migration that says none.
const defaultPage = 100

// args are the arguments of the next page.
func (l *loop) args() value.Object {
	var o value.Object
	if l.m.Driver != project.PagedDriver {
		return o
	}
	size := float64(cmp.Or(l.size, l.m.BatchSize, defaultPage))
	if l.m.CursorArg == "paginationOpts" {
		return o.With("paginationOpts", value.NewObject(
			value.Field{Name: "cursor", Value: l.cursor}, value.Field{Name: "numItems", Value: size}))
	}
	if l.m.CursorArg != "" && (l.cursor != nil || l.takesNull()) {
		o = o.With(l.m.CursorArg, l.cursor)
	}
	if l.m.SizeArg != "" && (l.size > 0 || l.required(l.m.SizeArg)) {
		o = o.With(l.m.SizeArg, size)
	}
	return o
}

// takesNull reports whether the first page may be asked for with a null
// cursor; else the argument is left out.
func (l *loop) takesNull() bool {
	if l.spec == nil {
		return true
	}
	f := l.spec.Field(l.m.CursorArg)
	return f != nil && f.Type.Fits(nil, nil)
}

func (l *loop) required(arg string) bool {
	if l.spec == nil {
		return false
	}
	f := l.spec.Field(arg)
	return f != nil && !f.Optional
}

// take reads the answer of a page: where the next one begins.
func (l *loop) take(v value.Value) error {
	l.pages++
	if l.m.Driver != project.PagedDriver {
		l.done = true
		return nil
	}
	next, known := l.m.NextCursor(v)
	switch {
	case project.Finished(v):
		l.done = true
	case !known:
		l.done = true
		l.note = "its answer names no further cursor; if it schedules its own next page it goes on there, where Strait does not see it"
	case next == nil:
		l.done = true
	case value.Equal(next, l.cursor):
		return errors.New("it answered the cursor that it was given: it would go round for ever")
	}
	l.cursor = next
	return nil
}

// handled finds how many documents an answer tells of; -1 unknown.
func handled(v value.Value) int64 {
	o, ok := v.(value.Object)
	if !ok {
		return number(v)
	}
	for _, name := range []string{"processed", "migrated", "updated", "patched", "deleted", "moved", "count", "total"} {
		if n := number(get(o, name)); n >= 0 {
			return n
		}
	}
	if page, ok := get(o, "page").(value.Array); ok {
		return int64(len(page))
	}
	return -1
}

func number(v value.Value) int64 {
	switch n := v.(type) {
	case float64:
		return int64(n)
	case int64:
		return n
	}
	return -1
}

func get(o value.Object, name string) value.Value {
	v, _ := o.Get(name)
	return v
}

func (b *builder) argsOf(m project.Migration) *schema.Validator {
	if c := b.p.App.Component(m.Owner); c != nil {
		if f, ok := c.Function(m.Function()); ok && f.Args != nil && f.Args.Kind == schema.Object {
			return f.Args
		}
	}
	return nil
}

// drive runs a hand-written migration: page after page, each one transaction,
// until it ends, fails or is canceled; started again it goes on from there, as
// long as this Strait lives. Nothing is repeated that may have run:
// when an answer is lost, the run stops and says so.
func (a *action) drive(answer *entry) error {
	var l *loop
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		if l = t.unfinished; l == nil || a.c.Reset || a.c.Cursor != nil {
			l = newLoop(a.migration, a.e.arguments(a.c.Migration), a.c.BatchSize)
			if a.c.Cursor != nil && *a.c.Cursor != "" {
				l.cursor = *a.c.Cursor
			}
			t.restart(a.f.now())
		}
		t.unfinished = l
		t.doubt, t.settled = "", true
		t.driven(a.f.now())
	})
	var err error
	if a.migration.Continues {
		a.oldJob = a.newestJobID()
	}
	for !l.done && err == nil && a.mayGo() {
		err = a.page(l)
	}
	if err == nil && !l.done {
		err = a.adrift()
	}
	if a.migration.Continues && l.done && err == nil {
		a.f.change(func() {
			t := a.e.tracker(a.c.Migration)
			t.unfinished = nil
			a.letGo()
		})
		return a.trail(nil, answer, "it schedules its own next batches; none of them is waiting, and the last one ended without an error")
	}
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		now := a.f.now()
		a.letGo()
		answer.Processed = t.run.Processed
		switch {
		case mayHaveRun(err):
			t.doubt = "the answer of the last call of " + a.c.Migration + " was lost: it may have run"
			t.fail(callFailure(err), now)
		case err != nil && a.ctx.Err() == nil:
			t.fail(callFailure(err), now)
		case !l.done:
			t.run.State, t.run.Ended, t.run.Heard = "canceled", now, now
			if err != nil {
				t.log(LogEntry{At: now, Level: "WARN", Text: err.Error(), Printed: functionError(err) != nil})
			}
		default:
			t.run.State, t.run.Ended, t.run.Heard, t.unfinished = "success", now, now, nil
			if l.note != "" {
				t.log(LogEntry{At: now, Level: "WARN", Text: l.note})
				a.f.say("warn", a.c.Env, a.c.Migration+": "+l.note)
			}
		}
		a.e.announce(t.run)
		a.e.wroteBy(a.c.Migration)
	})
	if f := a.failure(); f != nil && f.Document != "" {
		body := *f
		a.e.fetchBody(a.f.ctx, a.client, a.c.Migration, &body)
		a.f.change(func() { a.e.tracker(a.c.Migration).run.Failure = &body })
	}
	if a.ctx.Err() != nil && !mayHaveRun(err) {
		return nil
	}
	return err
}

func (a *action) failure() *Failure {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.e.tracker(a.c.Migration).run.Failure
}

// driven begins a run that Strait drives. The fleet's mutex is held.
func (t *tracker) driven(now time.Time) {
	t.asked = time.Time{}
	t.run.State, t.run.Started, t.mark = "inProgress", now, now
}

// page runs one page. The call itself is not ended by a cancel, nor by the end
// of the fleet: it is one transaction, whose answer is waited for.
func (a *action) page(l *loop) error {
	a.f.change(func() {
		a.e.inFlight++
		l.size = a.size()
		a.e.tracker(a.c.Migration).mark = a.f.now()
	})
	defer a.f.change(func() { a.e.inFlight-- })
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.f.ctx), 5*time.Minute)
	defer cancel()
	call := a.called()
	call.Args = l.args()
	res, err := a.call(ctx, call)
	now := a.f.now()
	if err == nil {
		err = l.take(res.Value)
	}
	n := handled(res.Value)
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		a.batchOver()
		t.log(logEntries(now, res.LogLines)...)
		if functionError(err) != nil {
			t.failedBatch(now)
			return
		}
		t.run.Processed += max(0, n)
		t.run.Heard = now
		t.batch(Batch{At: now, Documents: max(0, n)}, now)
		a.e.wroteBy(a.c.Migration)
	})
	return err
}

// send calls a function by its type: mutations over the WebSocket,
// which runs them once, actions over HTTP.
func (a *action) send(ctx context.Context, call wire.Call) (wire.Result, error) {
	if f, ok := a.function(call); ok && f.Type == jsrun.Action {
		return a.client.Function(ctx, call)
	}
	return a.client.Mutate(ctx, call)
}

func (a *action) function(call wire.Call) (jsrun.Function, bool) {
	p := a.f.Project()
	if p == nil || p.App == nil || p.App.Component(call.Component) == nil {
		return jsrun.Function{}, false
	}
	return p.App.Component(call.Component).Function(call.Path)
}

// follow starts a migration of convex-helpers, which schedules its own
// batches, and follows what it does: its row, where the project keeps one, and
// its jobs.
func (a *action) follow(answer *entry) error {
	call := a.called()
	args := value.NewObject(value.Field{Name: "fn", Value: call.Path})
	if a.c.BatchSize > 0 {
		args = args.With("batchSize", float64(a.c.BatchSize))
	}
	if a.c.Reset {
		args = args.With("cursor", nil)
	}
	a.oldJob = a.newestJobID()
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	call.Args = args
	res, err := a.client.Mutate(ctx, call)
	now := a.f.now()
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		t.doubt, t.settled = "", true
		if mayHaveRun(err) {
			t.doubt = "the answer of the last start of " + a.c.Migration + " was lost: it may be running"
		}
	})
	if err != nil {
		a.f.change(func() { a.e.tracker(a.c.Migration).log(logEntries(now, res.LogLines)...) })
		failure := callFailure(err)
		a.e.fetchBody(a.ctx, a.client, a.c.Migration, failure)
		a.failStart(failure)
		return err
	}
	state, _ := res.Value.(value.Object)
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		t.restart(now)
		t.driven(now)
		t.cancel = nil
		t.log(logEntries(now, res.LogLines)...)
		t.helper(state, now)
	})
	return a.trail(state, answer, "the project keeps no table for convex-helpers migrations; its last job ended without an error")
}

// trail follows a migration that schedules itself by its row, if it has one,
// and its jobs. unsure is what a person should know when only the jobs tell.
func (a *action) trail(state value.Object, answer *entry, unsure string) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for quiet := 0; ; {
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			return nil // it goes on there
		}
		over, err := a.look(state, &quiet, unsure)
		if err != nil || over {
			answer.Processed = a.processed()
			return err
		}
	}
}

// helper takes the state that convex-helpers returns and stores. The fleet's
// mutex is held.
func (t *tracker) helper(state value.Object, now time.Time) {
	if n := number(get(state, "processed")); n > t.run.Processed {
		t.batch(Batch{At: now, Documents: n - t.run.Processed}, now)
		t.run.Processed, t.run.Heard = n, now
	}
	if done, _ := get(state, "isDone").(bool); done {
		t.run.State, t.run.Ended, t.run.Heard = "success", now, now
	}
}

// look reads once how a migration of convex-helpers is doing.
func (a *action) look(state value.Object, quiet *int, unsure string) (over bool, err error) {
	if id, ok := textOf(state, "_id"); ok {
		if docs, err := a.documents(a.ctx, []string{id}); err == nil && len(docs) > 0 {
			state = docs[0]
		}
	}
	id, kind, text, err := a.newestJob()
	if err != nil {
		return false, nil // asked again
	}
	if id == a.oldJob {
		kind = "" // of a run before this one
	}
	a.f.change(func() {
		t := a.e.tracker(a.c.Migration)
		now := a.f.now()
		t.helper(state, now)
		switch {
		case t.run.State == "success":
			over = true
		case kind == "failed":
			over = true
			t.fail(newFailure(text), now)
		case kind == "canceled":
			over = true
			t.run.State, t.run.Ended = "canceled", now
		case kind == "pending" || kind == "inProgress":
			*quiet = 0
		default:
			if *quiet++; *quiet > 3 {
				over = true
				t.run.State, t.run.Ended = "success", now
				t.log(LogEntry{At: now, Level: "WARN", Text: unsure})
			}
		}
		a.e.wroteBy(a.c.Migration)
		if over {
			a.e.announce(t.run)
		}
	})
	return over, nil
}

// newestJob is the newest job of the migration in its component's scheduler.
func (a *action) newestJob() (id, kind, text string, err error) {
	page, err := a.client.TableData(a.ctx, a.migration.Owner, "_scheduled_functions", "desc", "", 100)
	if err != nil {
		return "", "", "", err
	}
	for _, job := range page.Documents {
		name, _ := textOf(job, "name")
		if strings.Replace(name, ".js:", ":", 1) != a.migration.Function() {
			continue
		}
		_, kind, text := jobOf(job)
		id, _ := textOf(job, "_id")
		return id, kind, text, nil
	}
	return "", "", "", nil
}

// newestJobID is the id of the newest job of before; "" without one.
func (a *action) newestJobID() string {
	id, _, _, _ := a.newestJob() // unread, an old job counts as a new one
	return id
}

// noDryRun says why a migration cannot be tried; "" when it can.
func noDryRun(m project.Migration) string {
	switch {
	case m.Runner:
		return "runs several migrations: dry run them one by one"
	case m.Driver == project.PagedDriver || m.Driver == project.OneshotDriver:
		if m.DryRunArg == "" {
			return fmt.Sprintf("is a hand-written %s function without a dry run of its own: a call of it writes at once", m.Driver)
		}
	}
	return ""
}

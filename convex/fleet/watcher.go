package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strait/plan"
)

// watcher turns the state of an action into events.
type watcher struct {
	a       *action
	emit    func(Event)
	batches map[string]int // told already, by migration
	logs    map[string]int
	counted int64
	stage   RehearsalRun // told last
	backup  *BackupRun   // told already
	lines   int          // of a deploy's output, told already
	lost    bool         // told that the environment is lost
	stepped bool         // it was ended after the steps asked for
}

// lostFor is how long a run is followed while its environment is lost.
const lostFor = 5 * time.Minute

func newWatcher(a *action, emit func(Event)) *watcher {
	w := &watcher{a: a, emit: emit, batches: map[string]int{}, logs: map[string]int{}}
	a.f.mu.Lock()
	r := a.e.show(a.c.Migration)
	for _, name := range a.members() {
		t := a.e.tracker(name)
		w.batches[name], w.logs[name] = t.batches, t.logged
	}
	a.f.mu.Unlock()
	emit(Event{Kind: "start", At: a.f.now(), Env: a.c.Env, Migration: a.c.Migration, State: r.State, Processed: r.Processed, Total: r.Total})
	return w
}

// follow tells events until the action has ended.
func (w *watcher) follow(ctx context.Context) (Outcome, error) {
	f, e := w.a.f, w.a.e
	var gone <-chan time.Time // fires when it was lost for too long
	for {
		tick := f.changed.next()
		f.mu.Lock()
		events := w.news()
		for i := range events {
			events[i] = w.a.veilEvent(events[i])
		}
		w.stopAfterSteps()
		out, over := w.outcome()
		if over {
			out = w.a.veilOutcome(out)
		}
		lost, problem := e.client != w.a.client && !over, e.problem
		away := e.state == Lost
		f.mu.Unlock()
		if !over && away != w.lost {
			w.lost, gone = away, nil
			if away {
				gone = time.After(f.patience(lostFor))
				events = append(events, w.tellLost(problem))
			}
		}
		for _, ev := range events {
			w.emit(ev)
		}
		switch {
		case over:
			return out, nil
		case lost:
			return Outcome{}, fmt.Errorf("environment %s was lost meanwhile: %s; %s", w.a.c.Env, problem, w.fate())
		}
		select {
		case <-tick:
		case <-gone:
			return Outcome{}, fmt.Errorf("environment %s did not come back: %s; %s", w.a.c.Env, problem, w.fate())
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		case <-f.ctx.Done():
			return Outcome{}, errors.New("the fleet was closed")
		}
	}
}

// stopAfterSteps ends a run that pauses because its steps are made: nobody is
// there to let it go on. f.mu is held.
func (w *watcher) stopAfterSteps() {
	if d := w.a.driver; d != nil && w.a.c.Steps > 0 && d.Paused && d.Steps == 0 && !d.InBatch {
		w.stepped = true
		w.a.cancel()
	}
}

// tellLost is the log line that says why nothing more is heard.
func (w *watcher) tellLost(problem string) Event {
	at := w.a.f.now()
	return Event{Kind: "log", At: at, Env: w.a.c.Env, Migration: w.a.c.Migration,
		Log: LogEntry{At: at, Level: "WARN", Text: problem + "; " + w.fate()}}
}

// fate is what becomes of an action whose environment is lost.
func (w *watcher) fate() string {
	switch act := w.a.c.Action; {
	case act == plan.ActWiden || act == plan.ActNarrow:
		return "the schema may be deployed by now"
	case act == plan.ActCancelAll:
		return "what was to be canceled may run on"
	case act != plan.ActRun && act != plan.ActCancel:
		return "nothing was written"
	case w.a.migration.GoesOn() && !w.a.drives():
		return "what runs there goes on"
	}
	return "the batch in flight may have run, and no other one follows it"
}

// news are the events since the last call. f.mu is held.
func (w *watcher) news() []Event {
	var out []Event
	e := w.a.e
	base := Event{Env: w.a.c.Env, Migration: w.a.c.Migration, At: w.a.f.now()}
	if w.a.c.Action == plan.ActCensus {
		if r := e.counting; r != nil && r.Read != w.counted {
			w.counted = r.Read
			ev := base
			ev.Kind, ev.Processed, ev.Total, ev.Census = "progress", r.Read, r.Total, *r
			out = append(out, ev)
		}
		return out
	}
	if w.a.c.Action == plan.ActBackup {
		return w.backupNews(base)
	}
	if w.a.c.Action == plan.ActRehearse {
		if r := e.rehearsing; r != nil && *r != w.stage {
			w.stage = *r
			ev := base
			ev.Kind, ev.Migration, ev.Processed, ev.Total, ev.Rehearsal = "progress", r.Migration, r.Done, r.Of, *r
			out = append(out, ev)
		}
		return out
	}
	if w.a.c.Action == plan.ActWiden || w.a.c.Action == plan.ActNarrow {
		return w.deployNews(base)
	}
	if w.a.c.Action != plan.ActRun {
		return nil
	}
	for _, name := range w.a.members() {
		t := e.tracker(name)
		for _, l := range lastOf(t.run.Log, t.logged-w.logs[name]) {
			ev := base
			ev.Kind, ev.Migration, ev.At, ev.Log = "log", name, l.At, l
			out = append(out, ev)
		}
		r := e.show(name)
		for _, b := range lastOf(t.run.Batches, t.batches-w.batches[name]) {
			ev := base
			ev.Kind, ev.Migration, ev.At, ev.Batch, ev.State, ev.Processed, ev.Total = "batch", name, b.At, b, r.State, r.Processed, r.Total
			out = append(out, ev)
		}
		w.logs[name], w.batches[name] = t.logged, t.batches
	}
	// Of several batches at once, each tells the count after it.
	for i := len(out) - 2; i >= 0; i-- {
		if next := out[i+1]; out[i].Kind == "batch" && next.Kind == "batch" && next.Migration == out[i].Migration {
			out[i].Processed = next.Processed - next.Batch.Documents
		}
	}
	return out
}

func lastOf[T any](s []T, n int) []T {
	return s[max(0, len(s)-max(0, n)):]
}

// outcome is how the action ended, once it has. f.mu is held.
func (w *watcher) outcome() (Outcome, bool) {
	a, e := w.a, w.a.e
	if !a.answered {
		return Outcome{}, false
	}
	out := Outcome{Status: "success"}
	if a.err != nil {
		out.Status, out.Failure = "failed", callFailure(a.err)
	}
	switch a.c.Action {
	case plan.ActDryRun:
		d := *e.dryRuns[a.c.Migration]
		out.DryRun, out.Processed = &d, d.Processed
		if d.Err != nil {
			out.Status, out.Failure = "failed", d.Err
		}
	case plan.ActCensus:
		switch {
		case a.err == nil && (a.counted == nil || a.halted):
			out.Status = "canceled"
		case a.counted != nil && a.counted.Stopped != "":
			out.Status = "stopped"
		}
		switch {
		case a.counted != nil:
			c := *a.counted
			out.Census, out.Processed = &c, c.Read
		}
	case plan.ActRehearse:
		out.Rehearsal = a.report
	case plan.ActBackup:
		out.Backup = a.saved
		switch {
		case a.saved != nil:
			out.Processed = a.saved.Documents
		case a.err == nil:
			out.Status = "canceled"
		}
	case plan.ActRun:
		return w.runOutcome()
	case plan.ActCancel:
		if r := e.show(a.c.Migration); r.active() && a.err == nil {
			return Outcome{}, false
		}
		out.Processed = e.show(a.c.Migration).Processed
	}
	return out, true
}

func (w *watcher) runOutcome() (Outcome, bool) {
	a, e := w.a, w.a.e
	r := e.show(a.c.Migration)
	if r.active() {
		return Outcome{}, false
	}
	for _, name := range a.members() {
		if e.tracker(name).explaining > 0 {
			return Outcome{}, false // the failing document is being looked for
		}
	}
	out := Outcome{Status: r.State, Processed: r.Processed, Failure: r.Failure}
	switch r.State {
	case "canceled":
		if w.stepped {
			out.Status = "stopped"
		}
	case "success":
	case "failed":
		if out.Failure == nil {
			out.Failure = newFailure("it failed and left no text")
		}
	default:
		out.Status, out.Failure = "failed", newFailure("the component does not know how it ended")
		if a.err != nil {
			out.Failure = callFailure(a.err)
		}
	}
	return out, true
}

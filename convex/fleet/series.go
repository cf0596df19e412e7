package fleet

import (
	"context"
	"slices"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// showSeries is the run of a runner: what its members tell together. f.mu is
// held.
func (e *env) showSeries(m project.Migration) Run {
	r := Run{Migration: m.Name, Total: -1, Series: m.Series}
	t := e.runs[m.Name]
	if t != nil {
		r.Mine, r.Log, r.Started, r.Heard = t.run.Mine, t.run.Log, t.since, t.run.Heard
		// A start that failed here says nothing of what others started since.
		since := slices.ContainsFunc(m.Series, func(n string) bool { return e.show(n).Heard.After(t.run.Heard) })
		if t.run.State == "starting" || t.run.State == "failed" && !since {
			r.State, r.Failure, r.Ended = t.run.State, t.run.Failure, t.run.Ended
			r.Control = t.shown(&r)
			return r
		}
	}
	states := map[string]int{}
	for _, name := range m.Series {
		x := e.show(name)
		state := x.State
		if t != nil && t.chasing && (state != "success" || t.afresh) && !x.Heard.After(t.since) {
			state = "waiting"
			if t.afresh {
				x.Processed = 0
			}
		}
		states[state]++
		r.Processed += x.Processed
		if x.Total >= 0 && (r.Total >= 0 || name == m.Series[0]) {
			r.Total = max(r.Total, 0) + x.Total
		} else {
			r.Total = -1
		}
		r.Range = r.Range || x.Range
		if state == "failed" && r.Failure == nil {
			r.Failure = x.Failure
		}
		if x.active() {
			r.Rate, r.Batches, r.BatchSize = x.Rate, x.Batches, x.BatchSize
		}
		if x.Heard.After(r.Heard) {
			r.Heard = x.Heard
		}
		if x.Ended.After(r.Ended) {
			r.Ended = x.Ended
		}
	}
	r.State = seriesState(states, len(m.Series), t != nil && t.chasing)
	r.Control = t.shown(&r)
	if r.State != "failed" {
		r.Failure = nil
	}
	return r
}

// seriesState is the state of a series of n migrations by the number of its
// members in each state. chasing: Strait started it and it may go on.
func seriesState(states map[string]int, n int, chasing bool) string {
	switch {
	case states["canceling"] > 0:
		return "canceling"
	case states["inProgress"]+states["starting"] > 0:
		return "inProgress"
	case states["failed"] > 0:
		return "failed"
	case states["success"] == n:
		return "success"
	case states["canceled"] > 0:
		return "canceled"
	case chasing:
		return "inProgress"
	case states["unknown"]+states["success"] > 0:
		return "unknown"
	}
	return ""
}

// chase watches a series until it ended. Between two members, and when one
// fails again exactly as before, no status changes: only the component's jobs
// tell whether it goes on.
func (e *env) chase(client *wire.Client, m project.Migration) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for quiet := 0; quiet < 2; {
		select {
		case <-tick.C:
		case <-e.f.ctx.Done():
			return
		}
		e.f.mu.Lock()
		r := e.showSeries(m)
		gone := e.client != client
		running := slices.ContainsFunc(m.Series, func(n string) bool { x := e.show(n); return x.active() })
		e.f.mu.Unlock()
		if gone || r.State != "inProgress" && r.State != "canceling" {
			break
		}
		if running || e.hasJob(client, m.Series) {
			quiet = 0
		} else {
			quiet++
		}
	}
	e.f.change(func() {
		if t := e.runs[m.Name]; t != nil {
			t.chasing = false
		}
	})
}

// hasJob reports whether the component has a job of one of these migrations
// that has not ended. When that cannot be read, it is taken to have one.
func (e *env) hasJob(client *wire.Client, names []string) bool {
	ctx, cancel := context.WithTimeout(e.f.ctx, 20*time.Second)
	defer cancel()
	component, _ := e.homeOf(names[0])
	known := map[string]bool{}
	for _, key := range names {
		_, name := e.homeOf(key)
		known[name] = true
	}
	page, err := client.TableData(ctx, component, "_scheduled_functions", "desc", "", 200)
	if err != nil {
		return e.f.ctx.Err() == nil
	}
	return slices.ContainsFunc(page.Documents, func(job value.Object) bool {
		name, kind, _ := jobOf(job)
		return known[name] && (kind == "pending" || kind == "inProgress")
	})
}

// jobOf reads a row of _scheduled_functions (12.6): the migration that
// lib:migrate was scheduled for, its state, its error.
func jobOf(job value.Object) (migration, kind, errText string) {
	args, _ := job.Get("args")
	if list, _ := args.(value.Array); len(list) > 0 {
		arg, _ := list[0].(value.Object)
		migration, _ = textOf(arg, "name")
	}
	state, _ := job.Get("state")
	s, _ := state.(value.Object)
	kind, _ = textOf(s, "kind")
	errText, _ = textOf(s, "error")
	return migration, kind, errText
}

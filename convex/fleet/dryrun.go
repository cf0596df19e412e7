package fleet

import (
	"context"
	"strings"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// dryRun asks for the first page without committing it, and reads the examples
// out of the log (convex-wire.md 13.3).
func (a *action) dryRun(answer *entry) error {
	ctx, cancel := context.WithTimeout(a.ctx, 5*time.Minute)
	defer cancel()
	began := a.f.now()
	before, reset := a.dryRunStart()
	res, err := a.client.Function(ctx, wire.Call{Path: a.c.Migration, Args: a.dryRunArgs(reset)})
	now := a.f.now()
	d := &DryRun{Migration: a.c.Migration, At: now, Took: now.Sub(began)}
	lines := res.LogLines
	rolledBack := false
	if f := functionError(err); f != nil {
		lines = f.LogLines
		// convex-helpers ends its dry run with an error, to roll back.
		rolledBack = strings.Contains(f.Message, "Dry run - rolling back transaction.")
	}
	d.Log = logEntries(now, lines)
	d.Examples, d.More = examples(lines)
	var failed error
	switch {
	case err != nil && !rolledBack:
		d.Err, failed = callFailure(err), err
	default:
		d.Processed, d.Err = dryRunAnswer(res.Value, before)
		if rolledBack {
			d.Processed = max(d.Processed, int64(len(d.Examples)))
		}
	}
	if d.Err != nil {
		if id := failedIn(lines, d.Err.Text); id != "" {
			d.Err.Document = id
		}
		a.e.fetchBody(ctx, a.client, d.Err)
		if failed == nil {
			failed = &toldError{d.Err.Text}
		}
	}
	answer.Processed = d.Processed
	a.f.change(func() {
		a.e.dryRuns[a.c.Migration] = d
		if d.Err == nil {
			a.f.say("info", a.c.Env, "dry run of "+a.c.Migration+": nothing was committed")
		}
	})
	return failed
}

// dryRunStart says where the dry run will begin: after what is processed, or
// from the beginning when the migration is done or a reset is asked for.
func (a *action) dryRunStart() (before int64, reset bool) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	r := a.e.show(a.c.Migration)
	if a.c.Reset || r.State == "success" {
		return 0, true
	}
	return r.Processed, false
}

func (a *action) dryRunArgs(reset bool) value.Object {
	var o value.Object
	size := float64(a.c.BatchSize)
	switch a.migration.Driver {
	case project.PagedDriver, project.OneshotDriver:
		a.f.mu.Lock()
		l := newLoop(a.migration, a.e.argsOf[a.c.Migration], a.c.BatchSize)
		a.f.mu.Unlock()
		return l.args().With(a.migration.DryRunArg, true)
	case project.HelpersDriver:
		o = value.NewObject(value.Field{Name: "dryRun", Value: true}, value.Field{Name: "cursor", Value: nil})
	default:
		o = value.NewObject(value.Field{Name: "dryRun", Value: true})
		if reset {
			o = o.With("reset", true)
		}
	}
	if a.c.BatchSize > 0 {
		o = o.With("batchSize", size)
	}
	return o
}

// dryRunAnswer reads the component's interactive answer (13.2).
func dryRunAnswer(v value.Value, before int64) (processed int64, failure *Failure) {
	if n := handled(v); n >= 0 {
		processed = max(0, n-before)
	}
	o, _ := v.(value.Object)
	status, _ := textOf(o, "Status")
	if _, text, ok := strings.Cut(status, "Migration failed: "); ok {
		failure = newFailure(text)
	}
	return processed, failure
}

const exampleMark = "DRY RUN: Example change"

// examples reads the changed documents out of the log lines. What cannot be
// read keeps its text.
func examples(lines []string) (out []Example, more bool) {
	for _, line := range lines {
		text := logEntry(time.Time{}, line).Text
		if strings.Contains(text, "DRY RUN: More than") {
			more = true
		}
		rest, ok := afterMark(text)
		if !ok {
			continue
		}
		out = append(out, example(rest))
	}
	return out, more
}

// afterMark is the inspected object behind an example's heading, which is
// itself inspected and so may be quoted. convex-helpers prints no heading.
func afterMark(text string) (string, bool) {
	if _, rest, ok := strings.Cut(text, exampleMark); ok {
		return strings.TrimLeft(rest, `'"`+" "), true
	}
	if strings.HasPrefix(text, "{") && strings.Contains(text, "before:") && strings.Contains(text, "after:") {
		return text, true
	}
	return "", false
}

func example(text string) Example {
	v, err := wire.ParseInspect(text)
	o, ok := v.(value.Object)
	if err != nil || !ok {
		return Example{Text: text}
	}
	x := Example{Before: get(o, "before"), After: get(o, "after")}
	before, ok := x.Before.(value.Object)
	if !ok {
		return Example{Text: text}
	}
	x.ID, _ = textOf(before, "_id")
	return x
}

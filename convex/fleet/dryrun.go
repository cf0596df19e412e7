package fleet

import (
	"cmp"
	"context"
	"regexp"
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
	res, err := a.client.Function(ctx, a.dryRunCall(ctx, reset))
	now := a.f.now()
	d := &DryRun{Migration: a.c.Migration, At: now, Took: now.Sub(began)}
	lines := res.LogLines
	rolledBack := false
	var told *wire.MigrationStatus
	if f := functionError(err); f != nil {
		told = rolledBackStatus(f)
		// convex-helpers ends its dry run with an error, to roll back.
		rolledBack = strings.Contains(f.Message, "Dry run - rolling back transaction.")
	}
	d.Log = logEntries(now, lines)
	d.Examples, d.More = examples(lines)
	var failed error
	switch {
	case err != nil && !rolledBack && told == nil:
		d.Err, failed = callFailure(err), err
	case told != nil:
		d.Processed, d.Cursor = max(0, told.Processed-before), told.Cursor
		d.More = d.More || !told.IsDone
		if told.State == "failed" || told.Error != "" {
			d.Err = newFailure(cmp.Or(told.Error, "the batch failed"))
		}
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
		a.e.fetchBody(ctx, a.client, a.c.Migration, d.Err)
		if failed == nil {
			failed = &toldError{d.Err.Text}
		}
	}
	a.exact(ctx, d.Examples)
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
	switch {
	case a.c.Cursor != nil:
		return 0, *a.c.Cursor == ""
	case a.c.Reset || r.State == "success":
		return 0, true
	}
	return r.Processed, false
}

// dryRunCall is the call that tries the migration. A migration of the component
// is tried through lib:migrate, which answers its status whatever the version;
// without its handle through itself, or before 0.3.4 through a runner.
func (a *action) dryRunCall(ctx context.Context, reset bool) wire.Call {
	args := a.dryRunArgs(reset)
	call := a.called()
	call.Args = args
	if a.migration.Driver != project.ComponentDriver {
		return call
	}
	if handle, err := a.handle(ctx, a.c.Migration); err == nil {
		component, name := a.e.homeOf(a.c.Migration)
		return wire.Call{Component: component, Path: "lib:migrate", Args: args.With("name", name).With("fnHandle", handle)}
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if runner := a.e.generalRunner(call.Component); runner != "" && a.e.indirect(a.c.Migration) {
		return wire.Call{Component: call.Component, Path: runner, Args: args.With("fn", call.Path)}
	}
	return call
}

// rolledBackStatus is the status that lib:migrate answers of a dry run, inside
// the error that rolls it back (13.3); nil in any other error.
func rolledBackStatus(f *wire.FunctionError) *wire.MigrationStatus {
	data, _ := f.Data.(value.Object)
	if kind, _ := textOf(data, "kind"); kind != "DRY RUN" {
		return nil
	}
	s, err := wire.ReadMigrationStatus(get(data, "status"))
	if err != nil {
		return nil
	}
	return &s
}

var idInText = regexp.MustCompile(`\b_id: '([0-9a-z]{31,37})'`)

// exact takes the documents as they are stored in place of those that were read
// out of a log, which may have been cut short there.
func (a *action) exact(ctx context.Context, examples []Example) {
	var ids []string
	for i := range examples {
		if found := idInText.FindStringSubmatch(examples[i].Text); examples[i].ID == "" && found != nil {
			examples[i].ID = found[1]
		}
		if examples[i].ID != "" {
			ids = append(ids, examples[i].ID)
		}
	}
	docs, err := a.documents(ctx, ids)
	if err != nil {
		return // the log's own text stands
	}
	for _, doc := range docs {
		id, _ := textOf(doc, "_id")
		for i := range examples {
			if examples[i].ID == id {
				examples[i].Before = doc
			}
		}
	}
}

func (a *action) dryRunArgs(reset bool) value.Object {
	var o value.Object
	size := float64(a.c.BatchSize)
	switch a.migration.Driver {
	case project.PagedDriver, project.OneshotDriver:
		a.f.mu.Lock()
		l := newLoop(a.migration, a.e.arguments(a.c.Migration), a.c.BatchSize)
		a.f.mu.Unlock()
		return l.args().With(a.migration.DryRunArg, true)
	case project.HelpersDriver:
		o = value.NewObject(value.Field{Name: "dryRun", Value: true}, value.Field{Name: "cursor", Value: nil})
	default:
		o = value.NewObject(value.Field{Name: "dryRun", Value: true})
		switch {
		case reset:
			o = o.With("cursor", nil)
		case a.c.Cursor != nil:
			o = o.With("cursor", *a.c.Cursor)
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

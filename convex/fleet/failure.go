package fleet

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"strait/convex/wire"
	"strait/model/value"
)

// failedRun is a failure that the component told.
type failedRun struct {
	status wire.MigrationStatus
	live   bool // it happened while Strait watched
	number int  // of the tracker's failures, so that a late answer does not land on another
}

// explain finds out what the component does not tell: the error of a batch
// that died as a whole, and the document on which it failed.
func (e *env) explain(client *wire.Client, r failedRun) {
	defer e.f.change(func() { e.tracker(r.status.Name).explaining-- })
	ctx, cancel := context.WithTimeout(e.f.ctx, time.Minute)
	defer cancel()
	text := r.status.Error
	if text == "" {
		text = e.jobError(ctx, client, r.status.Name)
	}
	failure := newFailure(text)
	if text == "" {
		failure.Summary, failure.Text = keptNothing, keptNothing
	}
	failure.Document = failedIn(nil, text)
	if told := e.toldByLog(ctx, r); told != nil && told.better(failure) {
		*failure = told.mend(failure)
	}
	publish := func() {
		shown := *failure
		e.f.change(func() {
			if t := e.runs[r.status.Name]; t != nil && t.failures == r.number && t.run.State == "failed" {
				if old := t.run.Failure; old != nil && shown.Document == "" {
					shown.failedOn(old)
				}
				t.run.Failure = &shown
			}
		})
	}
	publish()
	// An old failure elsewhere is not looked into unasked.
	if failure.Document == "" && (r.live || e.embedded) {
		failure.Document = e.probeFailure(ctx, client, r)
	}
	e.fetchBody(ctx, client, r.status.Name, failure)
	publish()
}

// logPatience is how long a failure that is explained waits for the log's word.
const logPatience = 2 * time.Second

// toldByLog is what the function log tells of a failure that happened just
// now; nil when it is not followed, or tells nothing in time.
func (e *env) toldByLog(ctx context.Context, r failedRun) (told *death) {
	if !r.live {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, logPatience)
	defer cancel()
	_ = e.f.wait(ctx, func() bool { // that it did not come is no error
		if t := e.runs[r.status.Name]; t != nil && t.death != nil && e.f.now().Sub(t.death.at) < logLinger {
			told = t.death
		}
		return told != nil || e.logs.feed.State != "following"
	})
	return told
}

// jobError is the error text of the component's newest failed job of this
// migration (convex-wire.md 12.6, 13.1).
func (e *env) jobError(ctx context.Context, client *wire.Client, name string) string {
	component, known := e.homeOf(name)
	page, err := client.TableData(ctx, component, "_scheduled_functions", "desc", "", 200)
	if err != nil {
		return ""
	}
	for _, job := range page.Documents {
		if of, kind, text := jobOf(job); of == known && kind == "failed" {
			return text
		}
	}
	return ""
}

// probeFailure repeats the batch that failed as a dry run: the component
// stores no document id, but the batch logs it, and a dry run's answer holds
// its log. Nothing is committed. The batch's size is not stored either: when a
// batch of the known size does not fail, larger ones are tried.
func (e *env) probeFailure(ctx context.Context, client *wire.Client, r failedRun) string {
	e.f.mu.Lock()
	size := cmp.Or(r.status.BatchSize, e.show(r.status.Name).BatchSize)
	e.f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, probeFor)
	defer cancel()
	for size = max(size, 1); size <= maxProbe && ctx.Err() == nil; size *= 4 {
		e.f.change(func() {
			e.tracker(r.status.Name).log(LogEntry{At: e.f.now(), Level: "INFO", Text: fmt.Sprintf("looking for the document that failed: a dry run of the batch, %s documents", thousands(int64(size)))})
		})
		args := value.NewObject(value.Field{Name: "dryRun", Value: true}, value.Field{Name: "batchSize", Value: float64(size)})
		component, path := e.functionOf(r.status.Name)
		res, err := client.Function(ctx, wire.Call{Component: component, Path: path, Args: args})
		id := failedIn(res.LogLines, "")
		if id != "" {
			e.f.change(func() {
				e.tracker(r.status.Name).log(LogEntry{At: e.f.now(), Level: "INFO", Text: "a dry run of the failed batch names the document: " + id})
			})
		}
		if _, failure := dryRunAnswer(res.Value, 0); id != "" || err != nil || failure != nil {
			return id
		}
	}
	return ""
}

// maxProbe is the largest batch of a dry run that looks for a failing
// document: it reads every document twice, unasked, so it stays well within
// Convex's limits. Together they read no more than twice as many.
const maxProbe = 512

// probeFor is how long a failing document is looked for.
const probeFor = 20 * time.Second

// fetchBody reads the document that a failure of a migration names, and says
// where it does not fit the target.
func (e *env) fetchBody(ctx context.Context, client *wire.Client, key string, failure *Failure) {
	if failure.Document == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, grace) // also where an action outlives its cancel
	defer cancel()
	owner, _ := e.functionOf(key)
	component, err := ownerID(ctx, client, owner)
	if err != nil {
		return // the id alone is shown
	}
	tables, unmapped := client.TableMapping(ctx, component)
	if id, err := value.ParseID(failure.Document); err == nil && unmapped == nil {
		failure.Table = tables[id.Table]
	}
	if docs, err := client.Documents(ctx, component, []string{failure.Document}); err == nil && len(docs) > 0 {
		failure.Body = docs[0]
		if unmapped == nil {
			failure.Misfits = misfits(e.f.schemaOf(owner), failure.Table, failure.Body, mapping(tables))
		}
	}
}

// failedOn gives a failure the document of another one, and what is known of it.
func (f *Failure) failedOn(o *Failure) {
	f.Document, f.Body, f.Table, f.Misfits = o.Document, o.Body, o.Table, o.Misfits
}

// callFailure is the failure of a call that a driver made.
func callFailure(err error) *Failure {
	failure := newFailure(err.Error())
	if f := functionError(err); f != nil {
		failure.Document = failedIn(f.LogLines, f.Message)
		if f.Missing() {
			failure.Summary = "the function is not deployed there"
		}
	}
	return failure
}

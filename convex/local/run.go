package local

import (
	"context"
	"errors"
	"time"

	"strait/convex/jsrun"
	"strait/model/value"
)

// maxRunning bounds the queries and mutations that run at once: each has an
// engine of its own.
const maxRunning = 16

// maxRetries is how often a client's mutation is run again after a conflict.
const maxRetries = 4

// pausedText is Convex's answer while a deployment is paused.
const pausedText = "Cannot run functions while this deployment is paused. Resume the deployment in the dashboard settings to allow functions to run."

// call is a Request with what only the deployment itself says.
type call struct {
	Request
	depth int
	job   *jobRun // the scheduled function that this is
	view  *View   // where a query runs, however old; nil: Request.At says
}

// Run runs a function: queries, mutations (retried on conflicts) and actions.
func (d *Deployment) Run(ctx context.Context, r Request) Response {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return Response{Err: failure(err.Error()), RequestID: r.RequestID}
	}
	defer leave()
	return d.run(ctx, call{Request: r})
}

// runOn is Run for a query at the time of a view, which is there however many
// commits have come since.
func (d *Deployment) runOn(ctx context.Context, view *View, r Request) Response {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return Response{Err: failure(err.Error()), RequestID: r.RequestID}
	}
	defer leave()
	return d.run(ctx, call{Request: r, view: view})
}

func (d *Deployment) run(ctx context.Context, c call) Response {
	started := d.now()
	if c.RequestID == "" {
		c.RequestID = d.random.hex(8)
	}
	c.Path = canonicalPath(c.Path)
	snap, err := d.startOf(c)
	if err != nil {
		return Response{Err: &FunctionError{Message: err.Error(), Code: "OutOfRetention"}, RequestID: c.RequestID}
	}
	component, fn, fail := d.resolve(snap.code, c)
	if fail != nil {
		return Response{Err: fail, RequestID: c.RequestID, Timestamp: snap.ts, Reads: codeReads()}
	}
	if fn.Type != jsrun.Action { // an action waits for others while it runs
		select {
		case d.slots <- struct{}{}:
			defer func() { <-d.slots }()
		case <-ctx.Done():
			return Response{Err: failure("The function was stopped: " + ctx.Err().Error()), RequestID: c.RequestID}
		}
	}
	var r Response
	switch fn.Type {
	case jsrun.Query:
		r = d.runQuery(ctx, c, snap, component, fn)
	case jsrun.Mutation:
		r = d.runMutation(ctx, c)
	case jsrun.Action:
		r = d.runAction(ctx, c, snap, component, fn)
	default:
		r.Err = failure("HTTP actions cannot be called here; they are reached by their path")
	}
	r.Type, r.RequestID, r.Took = fn.Type, c.RequestID, d.now().Sub(started)
	return r
}

// startOf is the snapshot that a call begins at.
func (d *Deployment) startOf(c call) (*snapshot, error) {
	if c.view != nil {
		return c.view.snapshot, nil
	}
	return d.at(c.At)
}

// codeReads is what an answer rests on that only looked at the code.
func codeReads() *ReadSet { return &ReadSet{anyCode: true} }

// resolve finds the function and checks whether the caller may have it
// (convex-wire.md 2.5).
func (d *Deployment) resolve(code *code, c call) (*jsrun.Component, jsrun.Function, *FunctionError) {
	var none jsrun.Function
	if d.paused.Load() && c.Program == nil {
		return nil, none, failure(pausedText)
	}
	component := code.component(c.Component)
	if component == nil && (c.Program == nil || c.Component != "") {
		if c.Component != "" {
			return nil, none, &FunctionError{Message: "Component path '" + c.Component + "' not found", Code: "ComponentPathNotFound"}
		}
		return nil, none, d.notFound(c)
	}
	if c.Program != nil {
		if component == nil {
			component = &jsrun.Component{}
		}
		if c.Function == nil || c.Function.Type != jsrun.Query {
			return nil, none, &FunctionError{Message: "Only queries can be run as a test function", Code: "UnsupportedTestQuery"}
		}
		return component, *c.Function, nil
	}
	fn, ok := component.Function(c.Path)
	if !ok || !c.Admin && (!fn.Public || c.Component != "") {
		return nil, none, d.notFound(c)
	}
	if c.Type != "" && c.Type != fn.Type {
		return nil, none, failure(wrongType(functionAddress{c.Component, fn.Path()}, c.Type, fn.Type))
	}
	return component, fn, nil
}

func (d *Deployment) notFound(c call) *FunctionError {
	a := functionAddress{c.Component, c.Path}
	if c.Type == "" || c.job != nil {
		return failure(missingFunction(a))
	}
	return failure("Could not find public function for '" + shortPath(a.path) + "'" + inComponent(a.component) + ".")
}

// execution begins one execution of a call.
func (d *Deployment) execution(c call, code *code) *execution {
	x := &execution{
		d: d, code: code, now: d.now(), requestID: c.RequestID, id: d.random.hex(8),
		identity: c.Identity,
	}
	if c.job != nil {
		x.job, x.jobOf = c.job.id.String(), c.job.component
	}
	return x
}

func (x *execution) root(c call, tx *transaction, component *jsrun.Component, fn jsrun.Function) *function {
	f := &function{
		run: x, tx: tx, component: component, program: component.Program, fn: fn,
		depth: c.depth, seed: x.d.random.uint64(), journal: c.Journal,
	}
	if c.Program != nil {
		f.program = c.Program
	}
	if c.Seed != 0 {
		f.seed = c.Seed
	}
	return f
}

func arguments(c call) string {
	if c.Args == "" {
		return "{}"
	}
	return c.Args
}

func (d *Deployment) runQuery(ctx context.Context, c call, snap *snapshot, component *jsrun.Component, fn jsrun.Function) Response {
	x := d.execution(c, snap.code)
	tx := d.begin(snap)
	f := x.root(c, tx, component, fn)
	text, fail := f.call(ctx, arguments(c))
	tx.usage.IndexRanges = tx.reads.count
	tx.reads.anyCode = true
	r := Response{
		Value: text, Err: fail, Log: f.lines, Timestamp: snap.ts, Reads: &tx.reads,
		JSTime: x.jsTime, Usage: tx.usage.Usage, Journal: f.cursor,
	}
	d.record(c, x, f, r, nil)
	return r
}

func (d *Deployment) runMutation(ctx context.Context, c call) Response {
	for n := 0; ; n++ {
		r, again := d.takeTurn(ctx, c, n)
		if !again {
			return r
		}
		if ctx.Err() != nil {
			r.Err = failure("The mutation was stopped: " + ctx.Err().Error())
			return r
		}
		if n > 0 { // it ran alone and still lost: something of the host's own writes
			pause(ctx, backoff(n-1, c.patience()))
		}
	}
}

// patience is the longest pause between attempts (convex-wire.md 9.3).
func (c call) patience() time.Duration {
	if c.job != nil {
		return time.Minute
	}
	return 2 * time.Second
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// takeTurn runs attempt n: the first beside others, later ones alone.
func (d *Deployment) takeTurn(ctx context.Context, c call, n int) (r Response, again bool) {
	if n == 0 {
		d.turns.RLock()
		defer d.turns.RUnlock()
	} else {
		d.turns.Lock()
		defer d.turns.Unlock()
	}
	snap := d.latest.Load()
	component, fn, fail := d.resolve(snap.code, c) // the code may have changed meanwhile
	if fail != nil {
		return Response{Err: fail, Timestamp: snap.ts}, false
	}
	x := d.execution(c, snap.code)
	r, lost := d.attempt(ctx, x, c, d.begin(snap), component, fn, n)
	return r, lost != nil
}

// attempt runs a mutation once. It returns the conflict when it must be run
// again.
func (d *Deployment) attempt(ctx context.Context, x *execution, c call, tx *transaction, component *jsrun.Component, fn jsrun.Function, n int) (Response, *conflict) {
	tx.announce = announcer(ctx)
	if c.job != nil {
		if !c.job.claim(tx) {
			return Response{Err: &FunctionError{Message: "The scheduled function is no longer pending", Code: jobGone}, Timestamp: tx.base.ts}, nil
		}
	}
	f := x.root(c, tx, component, fn)
	text, fail := f.call(ctx, arguments(c))
	tx.usage.IndexRanges = tx.reads.count
	r := Response{
		Value: text, Err: fail, Log: f.lines, Timestamp: tx.base.ts,
		JSTime: x.jsTime, Usage: tx.usage.Usage,
	}
	if fail != nil {
		d.record(c, x, f, r, nil)
		return r, nil
	}
	if c.job != nil {
		c.job.succeed(tx)
	}
	ts, err := d.commit(tx, fn.Path())
	var lost *conflict
	switch {
	case err == nil:
		r.Timestamp = ts
		d.record(c, x, f, r, nil)
		return r, nil
	case !errors.As(err, &lost):
		r.Value, r.Err = "", failure(err.Error())
	default:
		r.Value = ""
		r.Err = &FunctionError{Message: lost.Error(), Code: "OptimisticConcurrencyControlFailure"}
	}
	info := &retry{lost, n, lost != nil && (n < maxRetries || c.job != nil)}
	d.record(c, x, f, r, info)
	if info.again {
		return r, lost
	}
	return r, nil
}

func (d *Deployment) runAction(ctx context.Context, c call, snap *snapshot, component *jsrun.Component, fn jsrun.Function) Response {
	x := d.execution(c, snap.code)
	f := x.root(c, nil, component, fn)
	x.progress = func(l FunctionLogLine) { d.recordProgress(c, x, f, l) }
	f.depth = c.depth
	text, fail := f.call(ctx, arguments(c))
	r := Response{Value: text, Err: fail, Log: f.lines, Timestamp: d.latest.Load().ts, JSTime: x.jsTime}
	d.record(c, x, f, r, nil)
	return r
}

// jobRun ties an execution to its scheduled function.
type jobRun struct {
	component string
	id        value.ID
}

// claim moves the job to inProgress within the transaction; false when it is
// no longer there or no longer pending.
func (j *jobRun) claim(tx *transaction) bool {
	old, doc, err := tx.job(j.component, j.id)
	if err != nil || old == nil || stateOf(doc) != jobPending {
		return false
	}
	tx.setJob(j.component, old, doc, jobInProgress, "")
	return true
}

// succeed completes the job in the transaction of its mutation.
func (j *jobRun) succeed(tx *transaction) {
	if old, doc, err := tx.job(j.component, j.id); err == nil && old != nil {
		tx.setJob(j.component, old, doc, jobSuccess, "")
	}
}

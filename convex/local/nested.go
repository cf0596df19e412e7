package local

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"strait/convex/jsrun"
	"strait/model/value"
)

// runUDF answers 1.0/runUdf: a nested function in the same transaction. A
// mutation that fails takes back what it wrote; what it read stays
// (convex-wire.md 12.7).
func (f *function) runUDF(ctx context.Context, args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("runUdf", err)
	}
	kind, _ := o.text("udfType")
	want := jsrun.Query
	switch kind {
	case "query", "snapshotQuery":
	case "mutation":
		want = jsrun.Mutation
	default:
		return "", userErrorf("InvalidArgument", "Invalid argument `udfType` for `runUdf`: %q", kind)
	}
	address, err := f.run.code.address(f.component, o, "runUdf")
	if err != nil {
		return "", err
	}
	if f.fn.Type == jsrun.Query && kind != "query" {
		if kind == "snapshotQuery" {
			kind = "snapshot query"
		}
		return "", userErrorf("InvalidFunctionCall", "Cannot call a %s function from a query function", kind)
	}
	g, err := f.nested(address, want)
	if err != nil {
		return "", err
	}
	input := o.raw("args")
	if input == nil {
		input = []byte("{}")
	}
	limits := f.tx.limits
	if raw := o.raw("transactionLimits"); raw != nil {
		if err := f.tx.lowerLimits(raw); err != nil {
			return "", err
		}
	}
	defer func() { f.tx.limits = limits }()
	if kind == "snapshotQuery" {
		g.tx = f.run.d.begin(f.tx.base)
		return f.finish(g, g.invoke(ctx, string(input)))
	}
	saved := f.tx.save()
	result := g.invoke(ctx, string(input))
	if result.err != nil && want == jsrun.Mutation {
		f.tx.undo(saved)
	} else {
		f.tx.keep(saved)
	}
	return f.finish(g, result)
}

// outcome is what a nested call gave.
type outcome struct {
	value string
	err   *FunctionError
}

func (f *function) invoke(ctx context.Context, args string) outcome {
	v, err := f.call(ctx, args)
	return outcome{v, err}
}

// finish takes over a nested function's lines and makes its failure what the
// caller catches.
func (f *function) finish(g *function, o outcome) (string, error) {
	f.adopt(g)
	if o.err != nil {
		if g.thrown != nil {
			f.thrown = &userError{code: o.err.Code, message: o.err.Message}
		}
		return "", &jsrun.SyscallError{Message: o.err.Message, Data: o.err.Data}
	}
	return o.value, nil
}

// nested makes the frame of a function that f calls.
func (f *function) nested(a functionAddress, want jsrun.FunctionType) (*function, error) {
	component, fn, ok := f.run.lookup(a)
	if !ok {
		return nil, userErrorf("InvalidArgs", "%s", missingFunction(a))
	}
	if fn.Type != want {
		return nil, userErrorf("InvalidArgs", "%s", wrongType(a, want, fn.Type))
	}
	if f.depth+1 > f.run.d.limits.CallDepth {
		return nil, userErrorf("MaximumCallDepthExceeded", "Cross component call depth limit exceeded. Do you have an infinite loop in your app?")
	}
	f.seed = nextSeed(f.seed)
	return &function{
		run: f.run, tx: f.tx, component: component, program: component.Program, fn: fn,
		depth: f.depth + 1, seed: f.seed ^ 0x9e3779b97f4a7c15,
	}, nil
}

// nextSeed derives the seed of a nested function from its parent's.
func nextSeed(s uint64) uint64 {
	s += 0x9e3779b97f4a7c15
	s = (s ^ s>>30) * 0xbf58476d1ce4e5b9
	s = (s ^ s>>27) * 0x94d049bb133111eb
	return s ^ s>>31
}

func wrongType(a functionAddress, want, is jsrun.FunctionType) string {
	return fmt.Sprintf("Trying to execute %s%s as %s, but it is defined as %s.", filePath(a.path), inComponent(a.component), want, is)
}

// lowerLimits sets the ceilings of a nested call: a budget on top of what is
// used, never above the caller's (convex-wire.md 9.1).
func (tx *transaction) lowerLimits(raw []byte) error {
	var b struct {
		BytesRead, DocumentsRead, DatabaseQueries, DocumentsWritten, BytesWritten, FunctionsScheduled, ScheduledFunctionArgsBytes *int
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return invalidArgument("transactionLimits", "runUdf", err)
	}
	lower := func(limit *int, used int, budget *int) {
		if budget != nil && *budget >= 0 {
			*limit = min(*limit, used+*budget)
		}
	}
	u, l := &tx.usage, &tx.limits
	lower(&l.BytesRead, u.BytesRead, b.BytesRead)
	lower(&l.DocumentsRead, u.DocumentsRead, b.DocumentsRead)
	lower(&l.IndexRanges, tx.reads.count, b.DatabaseQueries)
	lower(&l.DocumentsWritten, u.DocumentsWritten, b.DocumentsWritten)
	lower(&l.BytesWritten, u.BytesWritten, b.BytesWritten)
	lower(&l.FunctionsScheduled, u.FunctionsScheduled, b.FunctionsScheduled)
	lower(&l.ScheduledArgsBytes, u.scheduledArgsBytes, b.ScheduledFunctionArgsBytes)
	return nil
}

// Convex schedules at most five years ahead or back.
const scheduleRange = 5 * 365 * 24 * time.Hour

// scheduleArgs reads what 1.0/schedule and 1.0/actions/schedule are told.
func (f *function) scheduleArgs(args string) (functionAddress, value.Object, time.Time, error) {
	var at time.Time
	o, err := parseObject(args)
	if err != nil {
		return functionAddress{}, nil, at, badArguments("scheduler", err)
	}
	a, err := f.run.code.address(f.component, o, "scheduler")
	if err != nil {
		return a, nil, at, err
	}
	if _, _, ok := f.run.lookup(a); !ok {
		return a, nil, at, f.unschedulable(a)
	}
	ts, ok := o.number("ts")
	if !ok {
		return a, nil, at, userErrorf("InvalidArgument", "Invalid argument `ts` for `scheduler`: a number is expected")
	}
	at = time.UnixMicro(int64(ts * 1e6))
	switch d := at.Sub(f.run.now); {
	case ts > 1e12 || d > scheduleRange:
		return a, nil, at, userErrorf("InvalidScheduledFunctionDelay", "%v is more than 5 years in the future", at)
	case ts < -1e12 || d < -scheduleRange:
		return a, nil, at, userErrorf("InvalidScheduledFunctionDelay", "%v is more than 5 years in the past", at)
	}
	raw := o.raw("args")
	if raw == nil {
		raw = []byte("{}")
	}
	v, err := value.Decode(raw)
	if err != nil {
		return a, nil, at, invalidArgument("args", "scheduler", err)
	}
	if list, ok := v.(value.Array); ok && len(list) == 1 {
		v = list[0]
	}
	input, ok := v.(value.Object)
	if !ok {
		return a, nil, at, userErrorf("InvalidArgument", "Invalid argument `args` for `scheduler`: the arguments must be an object")
	}
	return a, input, at, nil
}

// unschedulable says why a function cannot be scheduled.
func (f *function) unschedulable(a functionAddress) error {
	module, export := a.path, "default"
	for i := range a.path {
		if a.path[i] == ':' {
			module, export = a.path[:i], a.path[i+1:]
		}
	}
	where := ""
	if a.component != "" {
		where = a.component + " "
	}
	if c := f.run.code.component(a.component); c != nil {
		for _, fn := range c.Functions {
			if fn.Module == module {
				return userErrorf("InvalidScheduledFunction", "Attempted to schedule function, but no exported function %s found in the file: %s%s.js. Did you forget to export it?", export, where, module)
			}
		}
	}
	return userErrorf("InvalidScheduledFunction", "Attempted to schedule function at nonexistent path: %s%s.js", where, module)
}

func (f *function) schedule(args string) (string, error) {
	a, input, at, err := f.scheduleArgs(args)
	if err != nil {
		return "", err
	}
	id, err := f.tx.schedule(f.component.Path, a, input, at)
	if err != nil {
		return "", err
	}
	return marshal(id)
}

func (f *function) cancelJob(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("db.cancel_job", err)
	}
	id, _ := o.text("id")
	if id != "" && id == f.run.job && f.component.Path == f.run.jobOf {
		return "", userErrorf("ScheduledFunctionCancelingItself", "A mutation cannot cancel itself")
	}
	return "null", f.tx.cancel(f.component.Path, id)
}

// actionSyscall answers what actions may ask (convex-wire.md 12.4).
func (f *function) actionSyscall(ctx context.Context, op, args string) (string, error) {
	switch op {
	case "1.0/actions/query":
		return f.fromAction(ctx, args, jsrun.Query)
	case "1.0/actions/mutation":
		return f.fromAction(ctx, args, jsrun.Mutation)
	case "1.0/actions/action":
		return f.fromAction(ctx, args, jsrun.Action)
	case "1.0/actions/schedule":
		a, input, at, err := f.scheduleArgs(args)
		if err != nil {
			return "", err
		}
		var id string
		err = f.run.d.host(f.component.Path, f.fn.Path(), func(tx *transaction) (err error) {
			id, err = tx.schedule(f.component.Path, a, input, at)
			return err
		})
		if err != nil {
			return "", err
		}
		return marshal(id)
	case "1.0/actions/cancel_job":
		o, err := parseObject(args)
		if err != nil {
			return "", badArguments("db.cancel_job", err)
		}
		id, _ := o.text("id")
		return "null", f.run.d.CancelJob(f.component.Path, id)
	case "1.0/actions/vectorSearch":
		tx := f.run.d.begin(f.run.d.latest.Load())
		return tx.vectorSearch(f.component.Path, args)
	}
	return "", userErrorf("UnknownAsyncOperation", "Unknown async operation %s", op)
}

// fromAction runs a function of its own transaction for an action.
func (f *function) fromAction(ctx context.Context, args string, want jsrun.FunctionType) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("runUdf", err)
	}
	a, err := f.run.code.address(f.component, o, "runUdf")
	if err != nil {
		return "", err
	}
	if f.depth+1 > f.run.d.limits.CallDepth {
		return "", userErrorf("MaximumCallDepthExceeded", "Cross component call depth limit exceeded. Do you have an infinite loop in your app?")
	}
	input := o.raw("args")
	if input == nil {
		input = []byte("{}")
	}
	r := f.run.d.run(ctx, call{
		Request: Request{
			Component: a.component, Path: a.path, Args: string(input), Type: want, Admin: true,
			Identity: f.run.identity, Caller: "Action", RequestID: f.run.requestID, Parent: f.run.id,
		},
		depth: f.depth + 1,
	})
	if r.Err != nil {
		return "", &jsrun.SyscallError{Message: r.Err.Message, Data: r.Err.Data}
	}
	return r.Value, nil
}

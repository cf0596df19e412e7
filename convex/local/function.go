package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

// Convex's limits on a function's log (convex-wire.md 5.3).
const (
	maxLogLines = 256
	maxLogLine  = 32768
)

// execution is one call from outside with all that it calls within its
// transaction.
type execution struct {
	d         *Deployment
	code      *code
	now       time.Time
	requestID string
	id        string // execution id
	identity  json.RawMessage
	jsTime    time.Duration // of all frames
	job       string        // id of the scheduled function that runs
	jobOf     string        // component whose job it is
	progress  func(FunctionLogLine)
}

// function is one function frame: the host of one VM.
type function struct {
	run       *execution
	tx        *transaction // nil in actions
	component *jsrun.Component
	program   *jsrun.Program
	fn        jsrun.Function
	depth     int
	seed      uint64
	ctx       context.Context

	lines    []FunctionLogLine
	streams  map[int]*stream
	streamID int
	paged    bool
	journal  string // end cursor of the first execution
	cursor   string // end cursor of this one

	thrown   *userError // the last error that a syscall gave
	argsSize int
	jsTime   time.Duration
}

// call runs the function: arguments checked, result checked, warnings
// appended.
func (f *function) call(ctx context.Context, args string) (string, *FunctionError) {
	f.ctx = ctx
	if f.fn.Node {
		return "", failure("The function " + filePath(f.fn.Path()) + " is in a \"use node\" file, and the embedded deployment does not run Node.js: call it on a real deployment.")
	}
	if e := f.checkArgs(args); e != nil {
		return "", e
	}
	vm, err := f.run.d.pool.get(ctx, f.program)
	if err != nil {
		return "", failure(fmt.Sprintf("Cannot start the JavaScript engine: %v", err))
	}
	limit := f.run.d.limits.FunctionTime
	if f.fn.Type == jsrun.Action {
		limit = f.run.d.limits.ActionTime
	}
	result, err := vm.Call(ctx, jsrun.Call{
		Module: f.fn.Module, Export: f.fn.Export, Type: f.fn.Type,
		Args: "[" + args + "]", Now: f.run.now, Seed: f.seed,
		Timeout: limit * engineFactor, RequestID: f.run.requestID,
	}, f)
	f.jsTime = vm.JSTime()
	f.run.jsTime += f.jsTime
	f.run.d.pool.put(f.program, vm)
	if err != nil {
		e := f.explain(err, limit)
		f.warn(0)
		return "", e
	}
	size, e := f.checkResult(result)
	f.warn(size)
	if e != nil {
		return "", e
	}
	return result, nil
}

func (f *function) warn(resultSize int) {
	for _, w := range f.warnings(resultSize) {
		f.Log(jsrun.LogLine{Level: "WARN", Messages: []string{w}, Time: f.run.d.now()})
	}
}

// ids tells the tables of the component in which the function runs.
func (f *function) ids() schema.Tables {
	if f.tx != nil {
		return f.tx.space(f.component.Path)
	}
	return f.run.d.latest.Load().space(f.component.Path)
}

func (f *function) checkArgs(args string) *FunctionError {
	v, err := value.Decode([]byte(args))
	if err == nil {
		if _, ok := v.(value.Object); !ok {
			err = errors.New("the arguments must be an object")
		}
	}
	if err != nil {
		return failure(fmt.Sprintf("Invalid arguments for %s: %v", filePath(f.fn.Path()), err))
	}
	f.argsSize = value.Size(v)
	if n := f.run.d.limits.ArgsBytes; f.argsSize > n {
		return failure(fmt.Sprintf("Arguments for %s are too large (actual: %s, limit: %s)", filePath(f.fn.Path()), formatBytes(f.argsSize), formatBytes(n)))
	}
	if f.fn.Args == nil || f.fn.Args.Kind == schema.Any || f.fn.Args.Fits(v, f.ids()) {
		return nil
	}
	if bad := f.fn.Args.Check(v, f.ids()); len(bad) > 0 {
		return failure("ArgumentValidationError: " + bad[0].Message)
	}
	return nil
}

// checkResult validates what the function returned and returns its size when
// that matters: most results are too short to come near the limit.
func (f *function) checkResult(result string) (int, *FunctionError) {
	limit := f.run.d.limits.ResultBytes
	unchecked := f.fn.Return == nil || f.fn.Return.Kind == schema.Any
	// "1," takes 9 bytes by Convex's count; and no list or object is too long.
	if unchecked && len(result)*5 < limit*8/10 && strings.Count(result, ",") < value.MaxFields {
		return 0, nil
	}
	v, err := value.Decode([]byte(result))
	if err == nil {
		err = value.CheckValue(v)
	}
	if err != nil {
		return 0, failure(fmt.Sprintf("Function %s return value invalid: %v", filePath(f.fn.Path()), err))
	}
	size := value.Size(v)
	if size > limit {
		return size, failure(fmt.Sprintf("Function %s return value is too large (actual: %s, limit: %s)", filePath(f.fn.Path()), formatBytes(size), formatBytes(limit)))
	}
	if unchecked || f.fn.Return.Fits(v, f.ids()) {
		return size, nil
	}
	if bad := f.fn.Return.Check(v, f.ids()); len(bad) > 0 {
		return size, failure("ReturnsValidationError: " + bad[0].Message)
	}
	return size, nil
}

// duration prints a duration as Convex does: 1s, 1800s, 50ms.
func duration(d time.Duration) string {
	if d >= time.Second && d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return d.String()
}

func failure(message string) *FunctionError { return &FunctionError{Message: message} }

// explain turns what ended a VM's call into Convex's text (convex-wire.md 9.6).
func (f *function) explain(err error, limit time.Duration) *FunctionError {
	var js *jsrun.Error
	var fatal *jsrun.SyscallError
	switch {
	case errors.As(err, &fatal):
		e := &FunctionError{Message: "Uncaught Error: " + fatal.Message + "\n", Data: fatal.Data}
		if f.thrown != nil {
			e.Code = f.thrown.code
		}
		return e
	case !errors.As(err, &js):
		return failure("Your request couldn't be completed: " + err.Error())
	}
	e := &FunctionError{Message: js.Error(), Data: js.Data, Frames: js.Frames}
	switch js.Kind {
	case "timeout":
		e.Message = fmt.Sprintf("Function execution timed out (maximum duration: %s)", duration(limit))
		e.Code = "UserTimeout"
	case "memory":
		e.Message = "JavaScript execution ran out of memory (maximum memory usage: 64 MB)"
		e.Code = "OutOfMemory"
	case "":
		if f.thrown != nil && strings.Contains(js.Message, f.thrown.message) {
			e.Code = f.thrown.code
		}
	}
	return e
}

// Log takes one console line, within Convex's bounds.
func (f *function) Log(line jsrun.LogLine) {
	n := 0
	for i, m := range line.Messages {
		if n+len(m) > maxLogLine {
			cut := append([]string(nil), line.Messages[:i]...)
			line.Messages = append(cut, strings.ToValidUTF8(m[:maxLogLine-n], "")+" (truncated due to length)")
			break
		}
		n += len(m)
	}
	f.addLine(FunctionLogLine{LogLine: line})
}

func (f *function) addLine(l FunctionLogLine) {
	switch n := len(f.lines); {
	case n >= maxLogLines:
		return
	case n == maxLogLines-1 && l.Level != "WARN":
		l = FunctionLogLine{LogLine: jsrun.LogLine{
			Level: "ERROR", Time: l.Time,
			Messages: []string{fmt.Sprintf("Log overflow (maximum %d). Remaining log lines omitted.", maxLogLines)},
		}}
	}
	f.lines = append(f.lines, l)
	if f.run.progress != nil {
		f.run.progress(l)
	}
}

// adopt takes the lines of a nested function.
func (f *function) adopt(g *function) {
	for _, l := range g.lines {
		if l.UDFPath == "" {
			l.Component, l.UDFPath = g.component.Path, filePath(g.fn.Path())
		}
		f.addLine(l)
	}
}

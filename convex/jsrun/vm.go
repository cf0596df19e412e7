package jsrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/quickjs"
)

// memoryLimit is the heap of a function, as on Convex. What the loaded program
// takes comes on top, and something for evaluating its modules: this engine has
// no lazy compilation, and a large project's packages alone can take as much.
const memoryLimit = 64 << 20

// heap is how much the engine may allocate once the program is loaded: for a
// call, or for analysis, which evaluates every module in one heap.
func (p *Program) heap(analysis bool) uintptr {
	if analysis {
		return 4*memoryLimit + 12*uintptr(len(p.code))
	}
	return memoryLimit + 6*uintptr(len(p.code))
}

// VM is one engine with the program loaded. Not safe for concurrent use.
//
// The engine runs on a goroutine of the VM's own, so that a caller can give
// up on a native operation that polls no interrupt; the goroutine ends with
// Close, or, once given up on, when that operation does.
type VM struct {
	program *Program
	js      *quickjs.VM
	work    chan func()
	ended   chan struct{} // closed when the engine is freed

	start, step, outcome, examine, exportDefault, recorded quickjs.Value

	run    *run // the call in progress
	last   time.Duration
	dirty  bool
	closed bool
	given  bool // up on
}

// Open opens a VM: a fresh global scope with the program loaded, its modules
// not yet evaluated.
func (p *Program) Open(ctx context.Context) (*VM, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	vm := &VM{program: p, work: make(chan func()), ended: make(chan struct{})}
	opened := make(chan error, 1)
	go vm.serve(opened)
	if err := <-opened; err != nil {
		return nil, fmt.Errorf("open %s: %w", p.options.Dir, err)
	}
	return vm, nil
}

// serve is the VM's goroutine.
func (vm *VM) serve(opened chan<- error) {
	defer close(vm.ended)
	err := vm.load()
	opened <- err
	if err == nil {
		for f := range vm.work {
			f()
		}
	}
	vm.free()
}

// load starts the engine, the runtime and the program.
func (vm *VM) load() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the JavaScript engine failed: %v", p)
		}
	}()
	prelude, err := runtimeCode()
	if err != nil {
		return err
	}
	utcOnce()
	if vm.js, err = quickjs.NewVM(); err != nil {
		return err
	}
	if err := vm.bind(); err != nil {
		return err
	}
	if err := vm.eval(prelude); err != nil {
		return err
	}
	if err := vm.functions(); err != nil {
		return err
	}
	if err := vm.watchRejections(); err != nil {
		return err
	}
	if err := vm.eval(vm.program.code); err != nil {
		return err
	}
	return vm.limitMemory(vm.program.heap(false))
}

// limitMemory lets the heap grow by n bytes from now on.
func (vm *VM) limitMemory(n uintptr) error {
	e, err := inside(vm.js)
	if err != nil {
		return err
	}
	vm.js.SetMemoryLimit(e.used() + n)
	return nil
}

func (vm *VM) eval(code []byte) error {
	v, err := vm.js.EvalBytecodeValue(code)
	if err != nil {
		return vm.jsError(err)
	}
	v.Free()
	return nil
}

// functions looks up what the runtime offers to this side.
func (vm *VM) functions() error {
	global := vm.js.GlobalObject()
	defer global.Free()
	get := func(of quickjs.Value, name string) (quickjs.Value, error) {
		atom, err := vm.js.NewAtom(name)
		if err != nil {
			return quickjs.Value{}, err
		}
		return of.GetPropertyValue(atom)
	}
	strait, err := get(global, "__strait")
	if err != nil {
		return err
	}
	defer strait.Free()
	for name, to := range vm.values() {
		if *to, err = get(strait, name); err != nil {
			return err
		}
	}
	return nil
}

func (vm *VM) values() map[string]*quickjs.Value {
	return map[string]*quickjs.Value{
		"start": &vm.start, "step": &vm.step, "outcome": &vm.outcome,
		"examine": &vm.examine, "exportDefault": &vm.exportDefault, "recorded": &vm.recorded,
	}
}

// free ends the engine.
func (vm *VM) free() {
	defer func() { _ = recover() }() // an engine that failed is left to the collector
	if vm.js == nil {
		return
	}
	vm.unwatchRejections()
	for _, v := range vm.values() {
		if v.VM() != nil {
			v.Free()
		}
	}
	vm.js.Close()
}

// JSTime is how long JavaScript ran in the last Call, syscalls not counted.
func (vm *VM) JSTime() time.Duration { return vm.last }

// Dirty reports whether the VM must be discarded (after an interrupt).
func (vm *VM) Dirty() bool { return vm.dirty }

// Close frees the engine's memory. Always call it.
func (vm *VM) Close() {
	if vm.closed {
		return
	}
	vm.closed = true
	close(vm.work)
	if !vm.given {
		<-vm.ended
	}
}

// Call runs a function to its end and returns the JSON text of its result.
// The error is an *Error for everything JavaScript did, the host's own
// *SyscallError when that was Fatal, and ctx's error when it ended. After an
// error whose Kind is not "" and after the latter two the VM must not be used
// again; Dirty says so.
func (vm *VM) Call(ctx context.Context, c Call, h Host) (result string, err error) {
	r := newRun(ctx, vm, h, c.Timeout)
	return vm.do(r, func() (string, error) { return vm.call(r, c) })
}

// answer is what a stretch of JavaScript came to.
type answer struct {
	text     string
	err      error
	panicked any // what the host panicked with
}

// do runs f on the VM's goroutine under the limits of r. After giving up on
// the goroutine nothing that it still holds is touched here.
func (vm *VM) do(r *run, f func() (string, error)) (string, error) {
	if vm.dirty || vm.closed {
		return "", errors.New("this JavaScript VM is used up: open another")
	}
	vm.run = r
	r.begin()
	done := make(chan answer, 1)
	vm.work <- func() { done <- r.guard(f) }
	var a answer
	select {
	case a = <-done:
		r.end()
		vm.run = nil
	case <-r.stuck:
		vm.given = true
		a.err = r.stopError()
	}
	vm.last = r.used()
	if a.panicked != nil {
		vm.dirty = true
		panic(a.panicked)
	}
	if a.err == nil {
		return a.text, nil
	}
	var e *Error
	if !errors.As(a.err, &e) || e.Kind != "" {
		vm.dirty = true
	}
	return "", a.err
}

// call starts the function and turns the engine until it has its outcome. It
// runs on the VM's goroutine.
func (vm *VM) call(r *run, c Call) (string, error) {
	now := float64(c.Now.UnixMilli()) // whole, as on Convex
	lo, hi := c.Seed*0x9e3779b97f4a7c15+1, c.Seed^0xd1b54a32d192ed03
	if _, err := vm.start.Call(quickjs.UndefinedValue, c.Module, c.Export, string(c.Type), c.Args, c.RequestID, now,
		float64(uint32(lo)), float64(uint32(lo>>32)), float64(uint32(hi)), float64(uint32(hi>>32))); err != nil {
		return "", r.failed(err)
	}
	for {
		if _, err := vm.js.ExecutePendingJobs(); err != nil || r.stopped() {
			return "", r.failed(err)
		}
		state, err := vm.step.Call(quickjs.UndefinedValue)
		if err != nil || r.stopped() {
			return "", r.failed(err)
		}
		switch n, _ := state.(int); {
		case n == 0:
			return "", &Error{Kind: "deadlock", Message: deadlockText}
		case n == 2:
			return vm.result(r)
		case n >= 3:
			r.sleep(time.Duration(n-3) * time.Millisecond)
			if r.stopped() {
				return "", r.failed(nil)
			}
		}
	}
}

const deadlockText = "The function waits for a promise that never settles: nothing is left that could resolve it"

// result takes the outcome of the call that has ended.
func (vm *VM) result(r *run) (string, error) {
	v, err := vm.outcome.Call(quickjs.UndefinedValue)
	if err != nil {
		return "", r.failed(err)
	}
	text, _ := v.(string)
	if text == "" {
		return "", errors.New("the JavaScript engine gave no result")
	}
	switch kind, rest := text[0], text[1:]; kind {
	case 'V':
		return rest, nil
	case 'U':
		ops, value, _ := strings.Cut(rest, "\n")
		r.warnUnawaited(ops)
		return value, nil
	default:
		return "", vm.thrown(rest)
	}
}

// thrown is the error that describe (core.js) put into text.
func (vm *VM) thrown(text string) *Error {
	var t struct {
		Name, Message, Stack string
		Data                 *string
		Problem              *int
	}
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return &Error{Name: "Error", Message: "an error that could not be read"}
	}
	e := &Error{Name: t.Name, Message: vm.program.mapText(t.Message), Frames: vm.program.frames(t.Stack)}
	vm.program.reword(e, t.Stack)
	if t.Data != nil && json.Valid([]byte(*t.Data)) {
		e.Data = json.RawMessage(*t.Data)
	}
	if t.Problem != nil && *t.Problem < len(vm.program.problems) {
		e.problem = &vm.program.problems[*t.Problem]
		e.Frames = []Frame{{File: "../" + e.problem.File, Line: e.problem.Line, Column: e.problem.Column}}
	}
	return classify(e)
}

// jsError is the error of a call into the engine.
func (vm *VM) jsError(err error) error {
	var q *quickjs.Error
	if !errors.As(err, &q) {
		return err
	}
	name := q.Name
	if name == "" {
		name = "Error"
	}
	e := &Error{Name: name, Message: q.Message, Frames: vm.program.frames(q.Stack)}
	vm.program.reword(e, q.Stack)
	for i := range vm.program.problems { // the error itself is not at hand, only its text
		if p := &vm.program.problems[i]; q.Message == p.Error() {
			e.problem = p
			e.Frames = []Frame{{File: "../" + p.File, Line: p.Line, Column: p.Column}}
			break
		}
	}
	return classify(e)
}

// classify gives the engine's own failures the words of Convex's engine.
func classify(e *Error) *Error {
	switch {
	case e.Name != "InternalError":
	case strings.Contains(e.Message, "out of memory"):
		e.Kind = "memory"
		e.Name, e.Message = "", "JavaScript execution ran out of memory (maximum memory usage: 64 MB)"
	case strings.Contains(e.Message, "stack overflow"):
		e.Kind = "stack"
		e.Name, e.Message = "RangeError", "Maximum call stack size exceeded"
	}
	return e
}

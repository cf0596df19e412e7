package jsrun

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// run is the limits of one stretch of JavaScript: a clock that stands still
// while the host answers, a watchdog, and the gate to the host.
type run struct {
	ctx   context.Context
	vm    *VM
	host  Host
	limit time.Duration // of JavaScript time; 0 none

	gate   sync.Mutex // held while the host answers, and to give up
	given  bool       // up on: the host is not called any more
	spent  atomic.Int64
	since  atomic.Int64  // start of the JavaScript stretch in progress; 0 in the host
	reason atomic.Int32  // why it was stopped
	stopAt atomic.Int64  // when it was first interrupted
	cpu    time.Duration // of the process when the run began

	fatal error  // the host's fatal error
	last  string // failure text of the last syscall

	timer    *time.Timer
	timerMu  sync.Mutex
	unwatch  func() bool
	finished atomic.Bool
	stuck    chan struct{}
}

// Why a run was stopped.
const (
	running int32 = iota
	timedOut
	cancelled
	fatal
)

// patience is how long an interrupted engine may take to notice before its
// goroutine is given up on, and nudge how often it is interrupted again: the
// engine forgets an interrupt that comes between two calls into it.
var (
	patience = 3 * time.Second
	nudge    = 5 * time.Millisecond
)

var clockBase = time.Now()

func clock() int64 { return int64(time.Since(clockBase)) + 1 }

func newRun(ctx context.Context, vm *VM, h Host, limit time.Duration) *run {
	return &run{ctx: ctx, vm: vm, host: h, limit: limit, stuck: make(chan struct{})}
}

func (r *run) begin() {
	r.cpu = processTime()
	r.since.Store(clock())
	r.timerMu.Lock()
	defer r.timerMu.Unlock()
	wait := time.Hour
	if r.limit > 0 {
		wait = r.limit
	}
	r.timer = time.AfterFunc(wait, r.watch)
	r.unwatch = context.AfterFunc(r.ctx, func() { r.stop(cancelled) })
}

// end stops the watchdog.
func (r *run) end() {
	r.finished.Store(true)
	r.unwatch()
	r.timerMu.Lock()
	defer r.timerMu.Unlock()
	r.timer.Stop()
}

// watch is the watchdog: it looks at the JavaScript time used so far, sleeps
// for what is left, interrupts the engine when nothing is, and gives up on it
// when it does not hear.
func (r *run) watch() {
	if r.finished.Load() {
		return
	}
	next := nudge
	switch used := r.used(); {
	case r.reason.Load() == running && !r.overdue(used):
		next = time.Hour
		if r.limit > 0 {
			next = max(r.limit-used, time.Millisecond)
		}
	case r.reason.Load() == running:
		r.stop(timedOut)
	case r.since.Load() == 0: // in the host, whose context has ended: it will return
	case time.Duration(clock()-r.stopAt.Load()) > patience:
		r.giveUp()
		return
	default:
		r.vm.js.Interrupt()
	}
	r.timerMu.Lock()
	defer r.timerMu.Unlock()
	if !r.finished.Load() {
		r.timer.Reset(next)
	}
}

// starved is how many times its limit a run may take on a machine that is busy
// with something else.
const starved = 20

// overdue reports whether a run that has used so much time by the wall clock is
// past its limit. Time in which the whole process did not get to run does not
// count: a busy machine must not fail a function.
func (r *run) overdue(used time.Duration) bool {
	if r.limit <= 0 || used < r.limit {
		return false
	}
	return processTime()-r.cpu >= r.limit || used >= starved*r.limit
}

// stop interrupts the engine, for the first reason given.
func (r *run) stop(why int32) {
	if r.finished.Load() || !r.reason.CompareAndSwap(running, why) {
		return
	}
	r.stopAt.Store(clock())
	r.vm.js.Interrupt()
	r.timerMu.Lock()
	defer r.timerMu.Unlock()
	if r.timer != nil && !r.finished.Load() {
		r.timer.Reset(nudge)
	}
}

func (r *run) giveUp() {
	r.gate.Lock()
	r.given = true
	r.gate.Unlock()
	r.finished.Store(true)
	r.unwatch()
	close(r.stuck)
}

func (r *run) stopped() bool { return r.reason.Load() != running }

// used is the JavaScript time so far.
func (r *run) used() time.Duration {
	d := r.spent.Load()
	if since := r.since.Load(); since != 0 {
		d += clock() - since
	}
	return time.Duration(d)
}

// outside calls f, the host, with the clock stopped. It reports false when the
// run was given up on.
func (r *run) outside(f func()) bool {
	r.gate.Lock()
	defer r.gate.Unlock()
	if r.given {
		return false
	}
	if since := r.since.Swap(0); since != 0 {
		r.spent.Add(clock() - since)
	}
	defer func() { r.since.Store(clock()) }()
	f()
	return true
}

// guard runs f on the VM's goroutine and catches what the host panics with.
func (r *run) guard(f func() (string, error)) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a.panicked = p
		}
		if since := r.since.Swap(0); since != 0 {
			r.spent.Add(clock() - since)
		}
	}()
	a.text, a.err = f()
	return a
}

// failed is the error of the run after the engine returned err.
func (r *run) failed(err error) error {
	if r.stopped() {
		stop := r.stopError()
		if e, ok := stop.(*Error); ok && err != nil {
			if js, ok := r.vm.jsError(err).(*Error); ok {
				e.Frames = js.Frames
			}
		}
		return stop
	}
	return r.vm.jsError(err)
}

func (r *run) stopError() error {
	switch r.reason.Load() {
	case timedOut:
		return &Error{Kind: "timeout", Message: fmt.Sprintf("Function execution timed out (maximum duration: %s)", r.limit)}
	case fatal:
		return r.fatal
	}
	return fmt.Errorf("the function was stopped: %w", context.Cause(r.ctx))
}

func (r *run) sleep(d time.Duration) {
	r.outside(func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.ctx.Done():
		}
	})
}

// warnUnawaited tells of syscalls that the function began and did not wait
// for: Convex may not run them.
func (r *run) warnUnawaited(ops string) {
	var names []string
	if json.Unmarshal([]byte(ops), &names) != nil || r.host == nil {
		return
	}
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = operationName(n)
	}
	plural := ""
	if len(names) > 1 {
		plural = "s"
	}
	text := fmt.Sprintf("%d unawaited operation%s: [%s]. Async operations should be awaited or they might not run. "+
		"See https://docs.convex.dev/functions/actions#dangling-promises for more information.", len(names), plural, join(short))
	r.outside(func() {
		r.host.Log(LogLine{Level: "WARN", Messages: []string{text}, Time: time.Now()})
	})
}

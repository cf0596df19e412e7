package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"strait/convex/project"
	"strait/model/source"
	"strait/plan"
)

// Options of Open.
type Options struct {
	// Dir is where to look for the project; "" is the working folder.
	Dir string
	// Project, when not nil, is already loaded and takes the place of Dir.
	Project *project.Project
	// Load, when not nil, loads the project in the background in place of
	// project.Load.
	Load func(context.Context) (*project.Project, error)
	// Envs names the environments to open; nil opens all. Those that come
	// before a protected one are opened with it, since its gate asks for them.
	Envs []string
	// Now is the clock; time.Now when nil.
	Now func() time.Time

	patience time.Duration // of tests, in place of every longer one
	http     *http.Client  // of tests, in place of one that reaches the network
	// writersPace, of tests, takes the place of every rest of the watch for
	// old-shape writers.
	writersPace time.Duration
}

// snapshotsPerSecond bounds how often a new snapshot is published.
const snapshotsPerSecond = 15

// patience is how long to wait for what may never come.
func (f *Fleet) patience(usual time.Duration) time.Duration {
	if f.opt.patience > 0 {
		return f.opt.patience
	}
	return usual
}

// Fleet is the environments of one project. Its methods are safe for
// concurrent use and none but Close, Next and Run waits for anything; Tune and
// Disarm write the journal.
//
// One mutex guards all that changes; it is held for short moments, never
// during I/O. Callbacks of the wire client change the state and nudge the
// publisher, which builds a new Snapshot at most snapshotsPerSecond times a
// second.
type Fleet struct {
	opt    Options
	ctx    context.Context
	cancel context.CancelFunc
	now    func() time.Time
	wg     sync.WaitGroup

	snap      atomic.Pointer[Snapshot]
	published signal // a new snapshot is in snap
	changed   signal // the state changed; not rate-limited

	mu       sync.Mutex
	shown    map[string]bool // environments that somebody looks at; nil: Show was never called
	indexed  *project.Project
	byName   map[string]int      // of indexed: places of the migrations
	inside   map[string][]string // of indexed: those of components, by path there
	planned  planned
	loading  bool
	err      string
	project  *project.Project
	defs     []plan.Definition
	envs     []*env
	messages []Message
	lastID   uint64
	journal  *journal
	recalled time.Time // when the journal of earlier processes was read

	certificates map[string]*plan.Certificate // of earlier processes, for the target, by deployment
	code         *source.Facts                // of the project's own functions; nil not read yet, or not needed
	codeRead     bool                         // or given up
	backups      map[string]*plan.Backup      // of earlier processes, by deployment
	proving      *proving                     // the search for counterexamples; nil none
	proofs       proofs                       // of the newest that came to its end
	closed       bool
}

// Open returns at once; the project is loaded and the environments are opened
// in the background, and what becomes of them is told by snapshots. It ends
// with ctx or Close.
func Open(ctx context.Context, o Options) *Fleet {
	f := &Fleet{opt: o, now: o.Now, loading: true, certificates: map[string]*plan.Certificate{}, backups: map[string]*plan.Backup{}}
	if f.now == nil {
		f.now = time.Now
	}
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.published.init()
	f.changed.init()
	f.snap.Store(&Snapshot{Seq: 1, At: f.now(), Loading: true})
	f.spawn(f.publish)
	f.spawn(f.load)
	f.spawn(f.weigh)
	return f
}

// Close ends everything that the fleet started and waits for it. Migrations
// that their component drives go on where they run; paged ones that Strait
// drives stop after the batch in flight.
func (f *Fleet) Close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel()
	f.wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.journal != nil {
		return f.journal.close()
	}
	return nil
}

// spawn runs fn until it returns; Close waits for it. A panic becomes a
// message, never the end of the program.
func (f *Fleet) spawn(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.wg.Add(1)
	go func() {
		defer f.wg.Done()
		f.guarded(fn)
	}()
}

// guarded runs fn; a panic becomes a message.
func (f *Fleet) guarded(fn func()) {
	defer func() {
		if r := recover(); r != nil {
			f.change(func() { f.say("error", "", fmt.Sprintf("internal error: %v", r)) })
		}
	}()
	fn()
}

func (f *Fleet) load() {
	start := f.now()
	p, err := f.opt.Project, error(nil)
	switch {
	case p != nil:
	case f.opt.Load != nil:
		p, err = f.opt.Load(f.ctx)
	default:
		p, err = project.Load(f.ctx, project.Options{Dir: f.opt.Dir})
	}
	if err == nil && p == nil {
		err = errors.New("no project")
	}
	if err != nil {
		f.change(func() { f.loading, f.err = false, err.Error() })
		return
	}
	if p.LoadTime == 0 {
		p.LoadTime = f.now().Sub(start)
	}
	wanted, err := chosen(p.Config.Envs, f.opt.Envs)
	f.change(func() {
		f.loading, f.project = false, p
		f.defs = Definitions(p.Migrations)
		f.journal = newJournal(p.Root)
		if err != nil {
			f.err = err.Error()
		}
		for _, c := range wanted {
			f.envs = append(f.envs, newEnv(f, c))
		}
	})
	to := f.readJournal()
	f.spawn(func() { f.heedOthers(to) })
	f.spawn(f.readCode)
	f.mu.Lock()
	envs := slices.Clone(f.envs)
	f.mu.Unlock()
	for _, e := range envs {
		f.spawn(e.live)
	}
}

// chosen are the environments to open, in promotion order.
func chosen(all []project.Env, names []string) ([]project.Env, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, e := range all {
		known = append(known, e.Name)
	}
	last := -1
	for _, n := range names {
		i := slices.Index(known, n)
		if i < 0 {
			return nil, fmt.Errorf("no environment %q: this project has %v", n, known)
		}
		if all[i].Protected {
			last = max(last, i)
		}
	}
	var out []project.Env
	for i, e := range all {
		if i <= last || slices.Contains(names, e.Name) {
			out = append(out, e)
		}
	}
	return out, nil
}

// Definitions are a project's migrations as the plan knows them.
func Definitions(ms []project.Migration) []plan.Definition {
	out := make([]plan.Definition, 0, len(ms))
	for _, m := range ms {
		out = append(out, plan.Definition{
			Name: m.Name, Table: m.Table, Component: m.Owner, Driver: string(m.Driver), Runner: m.Runner, Series: m.Series, Source: m.Source,
			File: m.File, Line: m.Line, BatchSize: m.BatchSize, Parallelize: m.Parallelize, CustomRange: m.CustomRange,
			Public: m.Public, Action: m.Action,
			NoDryRun: !m.Runner && noDryRun(m) != "", OwnDryRun: byHand(m) && m.DryRunArg != "",
		})
	}
	return out
}

// Project is the loaded project; nil while it is being loaded.
func (f *Fleet) Project() *project.Project {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.project
}

// change changes the state and lets everybody know.
func (f *Fleet) change(fn func()) {
	defer f.changed.fire()
	f.mu.Lock()
	defer f.mu.Unlock() // a panic must not leave it locked
	fn()
}

// change changes the state of this environment alone, so that what is kept of
// the others for the next snapshot stays good. Whatever changes more than
// counts also sets planned.stale.
func (e *env) change(fn func()) {
	defer e.f.changed.wake()
	e.set(fn)
}

// aside is change for what only accompanies the rest, as the log does: it takes
// no turn of its own from what is watched, when that comes within a moment.
func (e *env) aside(fn func()) {
	defer e.f.changed.whisper()
	e.set(fn)
}

func (e *env) set(fn func()) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	e.cache.stale = true
	e.f.planned.behind = true
	fn()
}

// wait blocks until cond, called with the state locked, holds.
func (f *Fleet) wait(ctx context.Context, cond func() bool) error {
	for {
		tick := f.changed.next()
		f.mu.Lock()
		ok := cond()
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return ctx.Err()
		case <-f.ctx.Done():
			return errors.New("the fleet was closed")
		}
	}
}

// say adds a message. f.mu is held.
func (f *Fleet) say(level, env, text string) {
	f.lastID++
	f.messages = keepLast(append(f.messages, Message{ID: f.lastID, At: f.now(), Level: level, Env: env, Text: text}), 200)
}

// env finds an environment. f.mu is held.
func (f *Fleet) env(name string) *env {
	for _, e := range f.envs {
		if e.cfg.Name == name {
			return e
		}
	}
	return nil
}

// keepLast drops the oldest elements. The rest keeps its place in memory, so
// snapshots that share it are not disturbed.
func keepLast[T any](s []T, n int) []T {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}

// signal wakes everybody who waits for the next change.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
	n  atomic.Uint64 // times that it was fired

	urgent atomic.Bool // more than a whisper came since it was last cleared
}

func (s *signal) init() { s.ch = make(chan struct{}) }

func (s *signal) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

// fire wakes, and says that anything may have changed.
func (s *signal) fire() {
	s.n.Add(1)
	s.wake()
}

func (s *signal) wake() {
	s.urgent.Store(true)
	s.whisper()
}

// whisper wakes for what need not be shown at once.
func (s *signal) whisper() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}

package local

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"strait/convex/jsrun"
)

// Deployment is one embedded deployment. It is safe for concurrent use.
//
// Reads work on snapshots and never wait. Mutations run side by side on
// snapshots of their own; only publishing a commit holds mu, and a commit
// whose reads have been overtaken is run again (convex-wire.md 9.3).
type Deployment struct {
	name     string
	adminKey string
	keys     atomic.Pointer[[]Key] // further ones, never changed in place
	now      func() time.Time
	limits   Limits
	cursors  cursorKey
	random   *source
	pool     pool
	log      functionLog
	jobs     *scheduler

	latest atomic.Pointer[snapshot]
	frames atomic.Uint64
	newest atomic.Uint64 // newest creation time given out, sortable
	paused atomic.Bool
	held   atomic.Bool // scheduled functions wait, others run

	mu          sync.Mutex // guards what follows and publishing
	closed      bool
	commits     []*commit
	logged      int    // commits and their writes
	logFrom     uint64 // what changed after this timestamp is known
	history     history
	recent      []pastSnapshot
	recentBytes int
	news        chan struct{}          // closed by the next commit
	pending     map[string]*submission // pending and validated schemas, by component
	submitted   []*submission          // the last ones, whatever became of them
	started     []*startedPush         // by the official CLI, the newest last

	front front // the server's half
	// turns are taken for reading by mutations that run side by side, and for
	// writing by one that has lost a race: it then runs alone, so that a client
	// that cancels a migration is not overtaken by its batches for ever.
	turns   sync.RWMutex
	slots   chan struct{} // taken by queries and mutations that run
	pushing sync.Mutex    // one push at a time is put in force
	// evaluating is taken while pushed code is evaluated; it guards known.
	evaluating chan struct{}
	known      evaluated
	ctx        context.Context
	stop       context.CancelFunc
	work       sync.WaitGroup // runs and the scheduler
}

// source makes random bytes; with a seed always the same.
type source struct {
	mu  sync.Mutex
	rng *rand.ChaCha8
}

func newSource(seed uint64) *source {
	var key [32]byte
	if seed == 0 {
		_, _ = crand.Read(key[:]) // never fails
	} else {
		binary.LittleEndian.PutUint64(key[:], seed)
	}
	return &source{rng: rand.NewChaCha8(key)}
}

func (s *source) fill(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.rng.Read(b)
}

func (s *source) uint64() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Uint64()
}

func (s *source) hex(n int) string {
	b := make([]byte, n)
	s.fill(b)
	return hex.EncodeToString(b)
}

// New starts an empty deployment; Close ends it.
func New(o Options) *Deployment {
	if o.Name == "" {
		o.Name = "embedded"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	limits := DefaultLimits()
	if o.Limits != nil {
		limits = o.Limits.orDefault()
	}
	d := &Deployment{
		name: o.Name, adminKey: o.AdminKey, now: o.Now, limits: limits,
		random: newSource(o.Seed), news: make(chan struct{}), slots: make(chan struct{}, maxRunning), pending: map[string]*submission{},
		evaluating: make(chan struct{}, 1),
	}
	if d.adminKey == "" {
		// The key never comes from the seed: it must not be guessable.
		d.adminKey = o.Name + "|" + newSource(0).hex(32)
	}
	secret := make([]byte, 32)
	d.random.fill(secret)
	d.cursors = newCursorKey(o.Name, secret)
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.frames.Store(1)
	first := &snapshot{
		ts: uint64(o.Now().UnixNano()), code: newCode(0, nil),
		spaces: map[string]*space{"": newSpace("")},
	}
	d.latest.Store(first)
	d.logFrom = first.ts
	d.log.init()
	d.jobs = newScheduler(d)
	d.work.Go(d.jobs.loop)
	return d
}

// Close ends the scheduler, every waiter and every engine, and waits for
// them.
func (d *Deployment) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	close(d.news)
	d.news = make(chan struct{})
	d.mu.Unlock()
	d.stop()
	d.log.close()
	d.stopServing()
	d.work.Wait()
	d.pool.close()
	return nil
}

// Name is the deployment's name, "/instance_name".
func (d *Deployment) Name() string { return d.name }

// AdminKey is "name|token".
func (d *Deployment) AdminKey() string { return d.adminKey }

// App is the code deployed last; nil before the first push.
func (d *Deployment) App() *jsrun.App { return d.latest.Load().code.app }

// Pause stops functions from running, or lets them run again.
func (d *Deployment) Pause(on bool) {
	d.paused.Store(on)
	d.jobs.poke()
}

// Paused reports whether functions are stopped.
func (d *Deployment) Paused() bool { return d.paused.Load() }

// Hold keeps scheduled functions from starting, or lets them start again;
// functions called from outside run. A history is replayed batch by batch so.
func (d *Deployment) Hold(on bool) {
	d.held.Store(on)
	d.jobs.poke()
}

// enter counts a piece of work that Close waits for; leave ends it. The
// context ends with the caller's and with the deployment.
func (d *Deployment) enter(ctx context.Context) (context.Context, func(), error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, nil, errClosed
	}
	d.work.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	return ctx, func() { stop(); cancel(); d.work.Done() }, nil
}

// host runs fn in a transaction of the deployment's own until it commits.
func (d *Deployment) host(component, source string, fn func(*transaction) error) error {
	_, err := d.hostAt(d.ctx, component, source, fn)
	return err
}

func (d *Deployment) hostAt(ctx context.Context, component, source string, fn func(*transaction) error) (uint64, error) {
	for n := 0; ; n++ {
		tx := d.begin(d.latest.Load())
		tx.announce = announcer(ctx)
		if tx.space(component) == nil {
			return 0, userErrorf("ComponentPathNotFound", "Component path '%s' not found", component)
		}
		if err := fn(tx); err != nil {
			return 0, err
		}
		ts, err := d.commit(tx, source)
		var lost *conflict
		if err == nil || !errors.As(err, &lost) {
			return ts, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(backoff(n, 2*time.Second) / 20):
		}
	}
}

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/plan"
)

// env is one environment. Everything below f is guarded by f.mu; what an
// action needs of it, it copies when it begins.
type env struct {
	f         *Fleet
	cfg       project.Env
	component string // path of the migrations component

	client     *wire.Client      // nil until connected
	key        string            // that client was made with; "" embedded
	deployment string            // its name
	embed      *local.Deployment // nil for a remote one
	url        string
	embedded   bool
	state      EnvState
	stage      string // what it does while Opening
	problem    string
	heard      time.Time
	retry      chan struct{} // asks live to try again at once
	outage     outage
	facts      facts

	active         *schema.Schema
	activeKnown    bool
	schemaSeen     bool   // hash is of this deployment
	hash           string // of active
	comparison     *plan.Comparison
	comparedActive *schema.Schema
	functions      map[string]bool // deployed at the root, by path
	functionsKnown bool
	argsOf         map[string]*schema.Validator // their arguments, where they are objects
	inner          inner
	missing        string // why the component does not answer
	statusesKnown  bool
	tables         map[string]int64
	tablesKnown    bool
	tablesProblem  string          // why they are not and will not be known
	listed         map[string]bool // the tables there are; nil unknown
	reading        reading
	lastPush       time.Time
	pushedAt       float64   // what the deployment says of the last push; 0 nothing
	armedUntil     time.Time // by the wall clock: a machine that sleeps goes on
	place          string    // the deployment that answered last: its name, else its URL
	inFlight       int       // calls that Strait drives and whose answers are awaited

	runs           map[string]*tracker
	dryRuns        map[string]*DryRun
	past           map[pastKey]past        // of earlier processes, from the journal
	census         *plan.Census            // the newest of the root that came to its end
	shown          *plan.Census            // the newest of any kind, also one that was stopped
	stopped        map[string]*savedCensus // those on their way or stopped, by component
	sizes          map[string]plan.Size    // of documents, by table, as far as some were read
	counting       *CensusRun
	stopCount      context.CancelFunc
	rehearsal      *plan.Rehearsal
	rehearsing     *RehearsalRun
	stopRehearse   context.CancelFunc
	writes         uint64 // grows with every sign that documents changed
	deploying      bool
	deploy         *DeployRun         // the newest; nil none
	deployLines    int                // of its output, those that were dropped as well
	stopDeploy     context.CancelFunc // of the command that runs; nil none
	validation     *Validation
	pendingHash    string // of the root's schema that is being checked; "" none
	traffic        traffic
	logs           logFeed
	cache          snapshotCache
	watchingWrites *writeWatch

	certificate *plan.Certificate // the newest for the target, revoked ones as well; never changed in place
	doubt       string            // why the certificate does not count yet, as plan.Evidence.Doubt
	rechecked   bool              // on this connection
	pushTold    bool              // whether and when code was pushed last is known, or never will be
	staleAt     time.Time         // newest sign that the census may not hold any more
	written     time.Time         // newest sign that a counted table changed
	looker      *wire.Client      // the connection on which the watch for old-shape writers has looked once
	writers     *plan.Writers     // the watch for old-shape writers; nil nobody watches; never changed in place
	revealed    time.Time         // until when values of its documents are shown, by the wall clock; zero masked
	veils       veils
	backup      *plan.Backup // the newest verified one
	backing     *BackupRun   // while one is taken; never changed in place
	stopBackup  context.CancelFunc
	exporting   bool   // a backup asked for an export, which it cancels when it is stopped
	guard       *guard // of the watch for old-shape writers; nil it never began
}

func newEnv(f *Fleet, c project.Env) *env {
	e := &env{
		f: f, cfg: c, component: c.Component, deployment: c.Deployment, url: c.URL,
		embedded: c.Embedded(),
		state:    Opening, stage: "waiting", retry: make(chan struct{}, 1),
		functions: map[string]bool{}, tables: map[string]int64{},
		sizes: map[string]plan.Size{}, runs: map[string]*tracker{}, dryRuns: map[string]*DryRun{}, past: map[pastKey]past{},
	}
	e.reading.wake = make(chan struct{}, 1)
	if e.component == "" {
		e.component = "migrations"
	}
	return e
}

// live opens the environment, watches it, and opens it again when it is lost
// for good, until the fleet ends.
func (e *env) live() {
	for delay := firstRetry; e.f.ctx.Err() == nil; delay = min(2*delay, slowestRetry) {
		e.f.change(func() { e.stage, e.facts.retryAt = "connecting", time.Time{} })
		began := e.f.now()
		err := e.once(e.f.ctx)
		if e.f.ctx.Err() != nil {
			break
		}
		if e.f.now().Sub(began) > time.Minute {
			delay = firstRetry
		}
		var fatal *fatalError
		wait := time.After(delay)
		if errors.As(err, &fatal) {
			wait = nil // only a person can mend it
		}
		e.f.change(func() {
			e.state, e.problem = Broken, err.Error()
			e.failed(firstLine(e.problem))
			e.facts.retries++
			if wait != nil {
				e.facts.retryAt = e.f.now().Add(delay)
			}
		})
		select {
		case <-wait:
		case <-e.retry:
			delay = firstRetry
		case <-e.f.ctx.Done():
		}
	}
}

const (
	firstRetry   = 2 * time.Second
	slowestRetry = time.Minute
)

// outage is the time during which an environment that should be there is not.
// It is told once when it begins, and once when it is over.
type outage struct {
	since time.Time // zero: none
	told  bool      // that the environment does not open
}

// failed notes that the environment could not be opened. f.mu is held.
func (e *env) failed(why string) {
	e.lost()
	if !e.outage.told {
		e.outage.told = true
		e.f.say("error", e.cfg.Name, why)
	}
}

// lost notes that the environment is not there. f.mu is held.
func (e *env) lost() {
	if e.outage.since.IsZero() {
		e.outage.since = e.f.now()
	}
}

// back notes that the environment is there. f.mu is held.
func (e *env) back() {
	if e.outage.since.IsZero() {
		return
	}
	e.f.say("info", e.cfg.Name, "connected again after "+e.f.now().Sub(e.outage.since).Round(time.Second).String())
	e.outage = outage{}
}

// fatalError is a failure that trying again does not mend.
type fatalError struct{ error }

func (e *fatalError) Unwrap() error { return e.error }

// once opens the environment and watches it until that fails for good. Its
// clients and its embedded deployment end with it.
func (e *env) once(ctx context.Context) error {
	client, end, err := e.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	defer e.landed()
	e.f.change(func() { e.state, e.problem = Opening, "" })
	return e.watch(ctx, client)
}

// grace is how long the end of an environment waits for the answers of calls
// that are on their way, and for an export to be canceled.
const grace = 20 * time.Second

// landed waits for the calls in flight, so that quitting does not leave it
// unknown whether they ran.
func (e *env) landed() {
	late := time.After(grace)
	for {
		tick := e.f.changed.next()
		e.f.mu.Lock()
		over := e.inFlight == 0 && !e.exporting
		e.f.mu.Unlock()
		if over {
			return
		}
		select {
		case <-tick:
		case <-late:
			return
		}
	}
}

// connect makes the wire client of the environment; end closes all that came
// with it.
func (e *env) connect(ctx context.Context) (client *wire.Client, end func(), err error) {
	if e.embedded {
		return e.openEmbedded(ctx)
	}
	e.at("resolving its key")
	key, err := e.cfg.ResolveKey(ctx)
	if err != nil {
		return nil, nil, err
	}
	e.doubtKey(key)
	url, err := e.cfg.ResolveURL(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	e.at("connecting to " + url)
	client = wire.New(wire.Options{URL: url, AdminKey: key, HTTP: e.f.opt.http, Now: e.f.opt.Now})
	if err := e.probe(ctx, client); err != nil {
		client.Close()
		return nil, nil, err
	}
	e.f.change(func() { e.url, e.key = client.URL(), key })
	return client, func() { client.Close() }, nil
}

// doubtKey tells, once, what about the key may not be meant.
func (e *env) doubtKey(key string) {
	k, err := project.ParseKey(key)
	if err != nil {
		return // ResolveKey refused it
	}
	warnings, _ := e.cfg.Check(k)
	e.f.change(func() {
		for _, w := range warnings {
			if e.heard.IsZero() {
				e.f.say("warn", e.cfg.Name, w)
			}
		}
	})
}

// probe proves that the deployment answers and takes the key.
func (e *env) probe(ctx context.Context, client *wire.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	access, err := client.CheckAdminKey(ctx)
	if err != nil {
		return err
	}
	name, err := client.InstanceName(ctx)
	if err != nil {
		return err
	}
	version, err := client.Version(ctx)
	if err != nil {
		version = "" // it is only shown
	}
	e.f.change(func() {
		e.heard = e.f.now()
		if name != "" {
			e.deployment = name
		}
		place := cmp.Or(name, client.URL())
		if e.place != "" && (e.place != place || e.embedded) {
			e.forget()
		}
		e.place = place
		e.restore(client.URL())
		e.restoreBackup()
		e.facts.version = version
		e.gotAccess(Access{ReadOnly: access.ReadOnly, Ops: access.AllowedOps})
	})
	if !access.Allows("ViewData") {
		return &fatalError{fmt.Errorf("environment %s: the key may not read data (it lacks ViewData), so neither schema nor tables nor migrations can be seen; use a key that may", e.cfg.Name)}
	}
	return nil
}

// forget drops what was known of another deployment under this name; an
// embedded one is built anew each time. f.mu is held.
func (e *env) forget() {
	e.runs, e.dryRuns = map[string]*tracker{}, map[string]*DryRun{}
	e.rehearsal = nil
	e.backup = nil
	e.census, e.shown, e.stopped, e.sizes, e.armedUntil = nil, nil, nil, map[string]plan.Size{}, time.Time{}
	e.certificate, e.doubt, e.writers, e.written = nil, "", nil, time.Time{}
	e.schemaSeen, e.lastPush, e.pushedAt = false, time.Time{}, 0
	e.facts, e.validation, e.guard = facts{}, nil, nil
	e.f.say("warn", e.cfg.Name, "another deployment answers there: what was known of the one before is dropped")
}

// at tells what the environment is doing while it opens.
func (e *env) at(stage string) { e.f.change(func() { e.stage = stage }) }

// Retry opens a broken environment again at once.
func (f *Fleet) Retry(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.env(name)
	if e == nil {
		return fmt.Errorf("no environment %q", name)
	}
	select {
	case e.retry <- struct{}{}:
	default:
	}
	return nil
}

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
)

// reading is what is read of an environment only while somebody wants it.
type reading struct {
	wake  chan struct{} // something may be wanted that was not, or no longer
	sizes bool          // the sizes of the tables are kept live
	busy  bool          // something was under way when it was looked at last
}

// Show says which environments somebody looks at; none when nothing is given.
// What is only for the eye is read of those alone: the live sizes of tables
// and the function log. An environment in which a migration runs, a census is
// taken or a schema is deployed is read whether it is looked at or not. Before
// the first call all are read, but for the log. A screen calls it with what it
// shows whenever that changes; it costs nothing to call it with the same again.
func (f *Fleet) Show(envs ...string) {
	f.change(func() {
		f.shown = make(map[string]bool, len(envs))
		for _, name := range envs {
			f.shown[name] = true
		}
		for _, e := range f.envs {
			e.wake()
		}
	})
}

// wake lets the environment's watch look again at what is wanted.
func (e *env) wake() {
	select {
	case e.reading.wake <- struct{}{}:
	default:
	}
}

// busyHere reports whether something is under way for which the environment
// is read whoever looks. f.mu is held.
func (e *env) busyHere() bool {
	if e.counting != nil || e.deploying || e.inFlight > 0 || e.validation != nil && e.validation.Err == "" {
		return true
	}
	return e.running()
}

// attend wakes the watch when something has begun or ended. f.mu is held.
func (e *env) attend() {
	if busy := e.busyHere(); busy != e.reading.busy {
		e.reading.busy = busy
		e.wake()
	}
}

// running reports whether a migration runs. f.mu is held.
func (e *env) running() bool {
	for _, t := range e.runs {
		if t.run.active() {
			return true
		}
	}
	return false
}

// wanted says what is to be read now. f.mu is held.
func (e *env) wanted() (sizes, logs bool) {
	busy := e.busyHere()
	return busy || e.f.shown == nil || e.f.shown[e.cfg.Name], e.running() || e.f.shown[e.cfg.Name]
}

// watch keeps the environment's live queries until the connection is lost for
// good. What arrives goes into the state; the connection's own breaks and
// reconnects are the wire client's affair.
func (e *env) watch(ctx context.Context, client *wire.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	w := &watched{e: e, client: client, ctx: ctx, final: make(chan error, 1)}
	w.tables = newTables(w)
	w.statuses = newStatuses(w)
	e.at("reading schema, tables and statuses")
	e.f.change(func() { e.client = client })
	w.writers.Go(func() { e.f.guarded(func() { e.watchWriters(ctx, client) }) })
	defer func() {
		cancel()
		w.writers.Wait()
		w.stop()
		e.f.change(e.unwatched)
	}()
	w.begin()
	e.f.spawn(func() { e.recheck(ctx, client) })
	silence := time.NewTimer(e.f.patience(answersWithin))
	defer silence.Stop()
	for {
		w.follow()
		select {
		case err := <-w.final:
			return err
		case <-silence.C:
			if err := e.silent(client); err != nil {
				return err
			}
		case <-e.reading.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// watched is one connection's watch of an environment. Its fields belong to
// the goroutine of watch.
type watched struct {
	e        *env
	client   *wire.Client
	ctx      context.Context // ends with the watch
	final    chan error
	stops    []func()
	tables   *tables
	statuses *statuses
	writers  sync.WaitGroup // the watch for old-shape writers
	log      *logFollower   // nil while the log is not followed
	lingers  time.Time      // until when the log is followed though nobody wants it; zero: wanted
}

func (w *watched) keep(stop func()) { w.stops = append(w.stops, stop) }

// begin asks for what is always read: it costs nothing while nothing happens.
func (w *watched) begin() {
	e := w.e
	w.keep(w.client.SubscribeSchemas("", e.gotSchemas))
	w.keep(w.client.SubscribeSchemaProgress("", func(p wire.SchemaProgress, err error) { e.gotProgress("", p, err) }))
	w.keep(w.client.Subscribe(wire.Call{Path: "_system/cli/modules:apiSpec"}, func(u wire.Update) {
		e.gotFunctions(u)
		w.statuses.discover()
	}))
	w.keep(w.tables.list())
	if e.embedded {
		e.f.change(func() { e.pushTold = true })
	} else { // its push is part of its making: the same code every time
		w.keep(w.client.Subscribe(wire.Call{Path: "_system/frontend/deploymentEvents:lastPushEvent"}, func(u wire.Update) {
			if e.gotPush(u) {
				w.statuses.discover()
			}
		}))
	}
	w.statuses.begin()
	w.keep(w.client.OnState(func(s wire.ConnectionState) {
		if s.Final {
			select {
			case w.final <- errors.New(s.Err):
			default:
			}
			return
		}
		e.gotState(s)
	}))
}

// follow begins and ends what is read only while it is wanted.
func (w *watched) follow() {
	w.e.f.mu.Lock()
	sizes, logs := w.e.wanted()
	w.e.f.mu.Unlock()
	w.tables.want(sizes)
	switch {
	case logs && w.log == nil:
		w.log = followLog(w)
	case logs:
		w.lingers = time.Time{}
	case w.log != nil && w.lingers.IsZero():
		w.lingers = time.Now().Add(logLinger)
		time.AfterFunc(logLinger, w.e.wake)
	case w.log != nil && !time.Now().Before(w.lingers):
		w.log.stop()
		w.log, w.lingers = nil, time.Time{}
	}
}

func (w *watched) stop() {
	for _, stop := range w.stops {
		stop()
	}
	w.tables.stop()
	w.statuses.stop()
	if w.log != nil {
		w.log.stop()
	}
}

// unwatched forgets what holds only while the environment is watched. f.mu is
// held.
func (e *env) unwatched() {
	e.client, e.tablesKnown, e.statusesKnown, e.functionsKnown = nil, false, false, false
	e.active, e.activeKnown, e.tablesProblem = nil, false, ""
	e.reading.sizes, e.inner = false, inner{}
	e.validation, e.pendingHash = nil, ""
	e.stale("") // nobody watches for writes any more
	e.rechecked, e.pushTold = false, false
	if c := e.certificate; c != nil && c.Revoked.IsZero() {
		e.doubt = recheckDoubt
	}
	e.watchingWrites = nil
}

// answersWithin is how long a deployment whose key was proved may take to tell
// what a plan needs.
const answersWithin = 30 * time.Second

// silent says what the environment has not told; nil when it told all.
func (e *env) silent(client *wire.Client) error {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	if e.all() && e.activeKnown {
		return nil
	}
	if s := client.State(); !s.Connected {
		return fmt.Errorf("%s answers, but no live connection stands: %s; live queries need a WebSocket: does a proxy or a firewall stop it?", client.URL(), cmp.Or(s.Err, "nothing comes"))
	}
	var missing []string
	for _, x := range []struct {
		known bool
		what  string
	}{{e.activeKnown, "its schema"}, {e.functionsKnown && e.innerKnown(), "its functions"}, {e.statusesKnown, "the status of its migrations"}, {e.tablesKnown || e.tablesProblem != "", "the size of its tables"}} {
		if !x.known {
			missing = append(missing, x.what)
		}
	}
	text := fmt.Sprintf("%s is connected, but does not tell %s", client.URL(), strings.Join(missing, ", "))
	if e.problem != "" {
		text += ": " + e.problem
	}
	return errors.New(text)
}

func (e *env) gotState(s wire.ConnectionState) {
	e.change(func() {
		if s.Heard.After(e.heard) {
			e.heard = s.Heard
		}
		e.facts.connection(s)
		before := e.state
		defer func() { e.f.planned.stale = e.f.planned.stale || e.state != before }()
		switch {
		case s.Connected:
			if e.state == Lost {
				e.state, e.problem = Ready, ""
				e.back()
			}
			e.maybeReady()
		case e.state == Ready:
			e.state, e.problem = Lost, "connection lost: "+cmp.Or(s.Err, "reconnecting")
			e.lost()
			e.f.say("warn", e.cfg.Name, e.problem)
		case s.Err != "":
			e.problem = s.Err
		}
	})
}

// maybeReady makes an environment ready once its connection stands and its
// schema is known. f.mu is held.
func (e *env) maybeReady() {
	if e.state == Opening && e.activeKnown && e.client != nil && e.client.State().Connected {
		e.state, e.stage, e.problem = Ready, "", ""
		e.facts.retries = 0
		e.back()
	}
}

// wrote notes that documents changed: a census of before is stale. table ""
// is any. f.mu is held.
func (e *env) wrote(table string) {
	if table == "" || e.targetHas(table) {
		e.written = e.f.now().Round(0)
		e.f.planned.stale = true
	}
	e.stale(table)
}

// stale notes that a table, "" any, may have changed since the census. f.mu is
// held.
func (e *env) stale(table string) {
	e.writes++
	e.staleAt = e.f.now().Round(0)
	if e.census == nil || e.census.Stale {
		return
	}
	if _, counted := e.census.Counts[table]; counted || table == "" {
		c := *e.census
		c.Stale = true
		e.census = &c
		e.f.planned.stale = true
	}
}

// migration finds a definition. f.mu is held.
func (f *Fleet) migration(name string) (project.Migration, bool) {
	if f.project == nil {
		return project.Migration{}, false
	}
	if f.indexed != f.project {
		f.indexed, f.byName, f.inside = f.project, make(map[string]int, len(f.project.Migrations)), map[string][]string{}
		for i, m := range f.project.Migrations {
			f.byName[m.Name] = i
			if m.Owner != "" {
				f.inside[m.Function()] = append(f.inside[m.Function()], m.Name)
			}
		}
	}
	i, ok := f.byName[name]
	if !ok {
		return project.Migration{}, false
	}
	return f.project.Migrations[i], true
}

// mapping tells tables by their number, for the check of ids.
type mapping map[uint32]string

func (m mapping) TableName(number uint32) (string, bool) {
	name, ok := m[number]
	return name, ok
}

var _ schema.Tables = mapping(nil)

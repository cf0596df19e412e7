package fleet

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// statusChunk is how many migrations one live query asks for: every batch of
// one sends the statuses of all of its query again, and every query is a call
// of a function each time the connection is made.
const statusChunk = 8

// statuses keeps the statuses of an environment's migrations live: those that
// the project defines from the start, and all that any migrations component
// there keeps as soon as it is found.
type statuses struct {
	w    *watched
	look chan struct{} // the components may have changed
	over chan struct{} // closed when discovery has ended; nil before it began

	mu      sync.Mutex // never taken while the fleet's is held
	ended   bool
	waiting int // first answers about the project's own migrations
	rows    []wire.ComponentInfo
	asked   map[string]*askedOf // by component
	pushes  map[string]func()   // stops of the validation progress, by component

	submitted map[string]string // hash of the pending schema by component; "" unknown
}

// askedOf is what is asked of one component.
type askedOf struct {
	names map[string]bool
	stops []func()
	count func() // stops the count of its rows; nil not counted
}

func newStatuses(w *watched) *statuses {
	return &statuses{w: w, look: make(chan struct{}, 1), asked: map[string]*askedOf{}, pushes: map[string]func(){}, submitted: map[string]string{}}
}

// begin asks for the project's migrations where they should be, and for the
// components.
func (s *statuses) begin() {
	s.askOwn()
	s.mu.Lock()
	none := s.waiting == 0
	s.mu.Unlock()
	if none {
		s.w.e.f.change(func() { s.w.e.statusesKnown = true })
	}
	over := make(chan struct{})
	s.over = over
	go func() {
		defer close(over)
		s.discovery()
	}()
	s.w.keep(s.w.client.Subscribe(wire.Call{Path: "_system/frontend/components:list"}, func(u wire.Update) {
		rows, ok := componentRows(u)
		if !ok { // an older backend: the component is where the project says
			s.w.e.change(func() { s.w.e.gotInner(nil, nil) })
			return
		}
		s.mu.Lock()
		s.rows = rows
		s.mu.Unlock()
		s.discover()
	}))
}

// discover looks again which components keep migrations.
func (s *statuses) discover() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

func (s *statuses) discovery() {
	for {
		select {
		case <-s.look:
			s.round()
		case <-s.w.ctx.Done():
			return
		}
	}
}

// round reads the functions of every component.
func (s *statuses) round() {
	s.mu.Lock()
	rows := s.rows
	s.mu.Unlock()
	if rows == nil {
		return
	}
	e := s.w.e
	found, specs := make([]*installed, len(rows)), make([][]wire.FunctionSpec, len(rows))
	var g errgroup.Group
	g.SetLimit(4)
	for i, c := range rows {
		if c.Path == "" || c.State == "unmounted" {
			continue
		}
		g.Go(func() error {
			functions, err := s.w.client.APISpec(s.w.ctx, c.ID)
			specs[i] = functions
			if err != nil {
				found[i] = e.installedAt(c.Path) // as it was
			} else if in, ok := migrationsComponent(c, functions); ok {
				found[i] = &in
			}
			return nil
		})
	}
	_ = g.Wait() // its functions return nil
	if s.w.ctx.Err() != nil {
		return
	}
	var all []installed
	for _, in := range found {
		if in != nil {
			all = append(all, *in)
		}
	}
	var tables map[string]bool
	e.f.change(func() {
		e.gotComponents(rows, all)
		e.gotInner(rows, specs)
		tables = e.innerTables()
	})
	s.w.tables.inside(tables)
	s.askOwn()
	for _, c := range all {
		s.countRows(c.path)
	}
	s.watchPushes(rows)
}

// installedAt is the migrations component that was found at a path.
func (e *env) installedAt(path string) *installed {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	for _, c := range e.facts.installed {
		if c.path == path {
			return &c
		}
	}
	return nil
}

// ownNames are the project's migrations by the component that keeps them. f.mu
// is held.
func (e *env) ownNames() map[string][]string {
	names := map[string][]string{}
	for _, m := range e.f.project.Migrations {
		if m.Driver == project.ComponentDriver && !m.Runner {
			c := e.componentOf(m.Name)
			names[c] = append(names[c], m.Function())
		}
	}
	return names
}

// askOwn asks for the project's migrations, and no longer where they are not.
func (s *statuses) askOwn() {
	e := s.w.e
	e.f.mu.Lock()
	own, known := e.ownNames(), e.facts.componentsKnown
	there := map[string]bool{}
	for _, c := range e.facts.installed {
		there[c.path] = true
	}
	e.f.mu.Unlock()
	var gone []func()
	s.mu.Lock()
	for path, a := range s.asked {
		if _, wanted := own[path]; !wanted && known && !there[path] {
			gone = append(gone, a.stops...)
			if a.count != nil {
				gone = append(gone, a.count)
			}
			delete(s.asked, path)
		}
	}
	s.mu.Unlock()
	stopAll(gone)
	for path, names := range own {
		s.ask(path, names, true)
	}
}

// ask keeps the statuses of migrations of a component live that are not yet.
func (s *statuses) ask(component string, names []string, own bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	a := s.asked[component]
	if a == nil {
		a = &askedOf{names: map[string]bool{}}
		s.asked[component] = a
	}
	var fresh []string
	for _, name := range names {
		if !a.names[name] {
			a.names[name] = true
			fresh = append(fresh, name)
		}
	}
	for chunk := range slices.Chunk(fresh, statusChunk) {
		if own {
			s.waiting++
		}
		var once sync.Once
		a.stops = append(a.stops, s.w.client.SubscribeMigrations(component, chunk, func(got []wire.MigrationStatus, err error) {
			if err == nil || own {
				s.w.e.gotFrom(s.w.client, component, got, err)
			}
			if own {
				once.Do(s.answered)
			}
		}))
	}
}

// answered counts the first answers about the project's own migrations.
func (s *statuses) answered() {
	s.mu.Lock()
	s.waiting--
	all := s.waiting == 0
	s.mu.Unlock()
	if all {
		s.w.e.f.change(func() { s.w.e.statusesKnown = true })
	}
}

// countRows keeps the number of a component's states live, a few bytes that
// change with every migration it has not seen before, and then reads which
// those are.
func (s *statuses) countRows(component string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asked[component]
	if a == nil {
		a = &askedOf{names: map[string]bool{}}
		s.asked[component] = a
	}
	if s.ended || a.count != nil {
		return
	}
	a.count = s.w.client.SubscribeTableSize(component, "migrations", func(n int64, err error) {
		if err == nil && n > 0 {
			s.readAll(component)
		}
	})
}

// readAll reads every status that a component keeps, and keeps those live that
// were not asked for by name.
func (s *statuses) readAll(component string) {
	ctx, cancel := context.WithTimeout(s.w.ctx, answersWithin)
	defer cancel()
	got, err := s.w.client.MigrationStatuses(ctx, component, nil)
	if err != nil {
		return // the next change asks again
	}
	s.mu.Lock()
	var names []string
	a := s.asked[component]
	for _, m := range got {
		if a != nil && !a.names[m.Name] {
			names = append(names, m.Name)
		}
	}
	s.mu.Unlock()
	s.ask(component, names, false)
}

// watchPushes keeps the validation of the components' schemas live.
func (s *statuses) watchPushes(rows []wire.ComponentInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range rows {
		if s.ended || c.Path == "" || s.pushes[c.Path] != nil {
			continue
		}
		s.pushes[c.Path] = s.w.client.SubscribeSchemaProgress(c.ID, func(p wire.SchemaProgress, err error) {
			s.gotPushOf(c, p, err)
		})
	}
}

func (s *statuses) stop() {
	if s.over != nil {
		<-s.over
	}
	s.mu.Lock()
	s.ended = true
	var gone []func()
	for _, a := range s.asked {
		gone = append(gone, a.stops...)
		if a.count != nil {
			gone = append(gone, a.count)
		}
	}
	for _, stop := range s.pushes {
		gone = append(gone, stop)
	}
	s.mu.Unlock()
	stopAll(gone)
}

// componentRows reads the rows of components:list (6.2).
func componentRows(u wire.Update) ([]wire.ComponentInfo, bool) {
	list, ok := u.Value.(value.Array)
	if u.Err != nil || !ok {
		return nil, false
	}
	rows := make([]wire.ComponentInfo, 0, len(list))
	for _, row := range list {
		o, _ := row.(value.Object)
		var c wire.ComponentInfo
		c.ID, _ = textOf(o, "id")
		c.Name, _ = textOf(o, "name")
		c.Path, _ = textOf(o, "path")
		c.State, _ = textOf(o, "state")
		rows = append(rows, c)
	}
	return rows, true
}

func (e *env) gotStatuses(client *wire.Client, statuses []wire.MigrationStatus, err error) {
	var failed []failedRun
	e.change(func() {
		now := e.f.now()
		e.heard, e.facts.ages.Statuses = now, now
		if (err != nil) != (e.missing != "") {
			e.f.planned.stale = true
		}
		if err != nil {
			if e.missing == "" {
				e.missing = "the migrations component does not answer: " + err.Error()
				e.f.say("warn", e.cfg.Name, e.missing)
			}
			return
		}
		e.missing = ""
		for _, s := range statuses {
			t := e.tracker(s.Name)
			before, known := t.run, t.seen
			if t.observe(s, now) {
				failed = append(failed, failedRun{s, known, t.failures})
			}
			if m, ok := e.f.migration(s.Name); ok && t.run.active() {
				n, _ := e.stored(m)
				t.peak = max(t.peak, n)
			}
			if known && t.run.Processed != before.Processed {
				e.wroteBy(s.Name)
			}
			if !known || t.run.State != before.State {
				e.f.planned.stale = true
			}
			if known && t.run.State != before.State {
				e.announce(t.run)
			}
		}
		e.attend()
	})
	for _, r := range failed {
		e.f.spawn(func() { e.explain(client, r) })
	}
}

// announce tells how a run ended. f.mu is held.
func (e *env) announce(r Run) {
	switch r.State {
	case "success":
		e.f.say("info", e.cfg.Name, r.Migration+" ended with success after "+thousands(r.Processed)+" documents")
	case "failed":
		text := r.Migration + " failed"
		if r.Failure != nil && r.Failure.Summary != "" {
			text += ": " + cut(e.hushed(r.Failure.Summary), 120)
		}
		e.f.say("error", e.cfg.Name, text)
	case "canceled":
		e.f.say("warn", e.cfg.Name, r.Migration+" was canceled after "+thousands(r.Processed)+" documents")
	}
}

// tracker finds or makes the tracker of a migration. f.mu is held.
func (e *env) tracker(name string) *tracker {
	t := e.runs[name]
	if t == nil {
		t = &tracker{run: Run{Migration: name, Total: -1}}
		e.runs[name] = t
	}
	return t
}

package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// watch keeps the environment's live queries until the connection is lost for
// good. What arrives goes into the state; the connection's own breaks and
// reconnects are the wire client's affair.
func (e *env) watch(ctx context.Context, client *wire.Client) error {
	final := make(chan error, 1)
	var stops []func()
	keep := func(stop func()) { stops = append(stops, stop) }
	defer func() {
		for _, stop := range stops {
			stop()
		}
		e.f.change(func() {
			e.client, e.tablesKnown, e.statusesKnown, e.functionsKnown = nil, false, false, false
			e.active, e.activeKnown, e.tablesProblem = nil, false, ""
			e.wrote("") // nobody watches for writes any more
			e.watchingWrites = nil
		})
	}()
	e.at("reading schema, tables and statuses")
	e.f.change(func() { e.client = client })
	keep(client.SubscribeSchemas("", e.gotSchemas))
	keep(client.Subscribe(wire.Call{Path: "_system/cli/modules:apiSpec"}, e.gotFunctions))
	keep(e.watchTables(client))
	if !e.embedded { // its push is part of its making: the same code every time
		keep(client.Subscribe(wire.Call{Path: "_system/frontend/deploymentEvents:lastPushEvent"}, e.gotPush))
	}
	if names := e.componentNames(); len(names) > 0 {
		keep(client.SubscribeMigrations(e.component, names, func(s []wire.MigrationStatus, err error) { e.gotFrom(client, e.component, s, err) }))
	} else {
		e.f.change(func() { e.statusesKnown = true })
	}
	keep(client.OnState(func(s wire.ConnectionState) {
		if s.Final {
			select {
			case final <- errors.New(s.Err):
			default:
			}
			return
		}
		e.gotState(s)
	}))
	silence := time.NewTimer(e.f.patience(answersWithin))
	defer silence.Stop()
	for {
		select {
		case err := <-final:
			return err
		case <-silence.C:
			if err := e.silent(client); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// answersWithin is how long a deployment whose key was proved may take to tell
// what a plan needs.
const answersWithin = 30 * time.Second

// silent says what the environment has not told; nil when it told all.
func (e *env) silent(client *wire.Client) error {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	if e.known() && e.activeKnown {
		return nil
	}
	if s := client.State(); !s.Connected {
		return fmt.Errorf("%s answers, but no live connection stands: %s; live queries need a WebSocket: does a proxy or a firewall stop it?", client.URL(), cmpText(s.Err, "nothing comes"))
	}
	var missing []string
	for _, x := range []struct {
		known bool
		what  string
	}{{e.activeKnown, "its schema"}, {e.functionsKnown, "its functions"}, {e.statusesKnown, "the status of its migrations"}, {e.tablesKnown || e.tablesProblem != "", "the size of its tables"}} {
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

func (e *env) componentNames() []string {
	var names []string
	for _, m := range e.f.Project().Migrations {
		if m.Driver == project.ComponentDriver && !m.Runner {
			names = append(names, m.Name)
		}
	}
	return names
}

func (e *env) gotState(s wire.ConnectionState) {
	e.f.change(func() {
		if s.Heard.After(e.heard) {
			e.heard = s.Heard
		}
		switch {
		case s.Connected:
			if e.state == Lost {
				e.state, e.problem = Ready, ""
				e.f.say("info", e.cfg.Name, "connected again")
			}
			e.maybeReady()
		case e.state == Ready:
			e.state, e.problem = Lost, "connection lost: "+cmpText(s.Err, "reconnecting")
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
	}
}

func (e *env) gotSchemas(s wire.Schemas, err error) {
	e.f.change(func() {
		e.heard = e.f.now()
		if err != nil {
			e.problem = "its active schema cannot be read: " + err.Error()
			e.activeKnown, e.active = false, nil
			return
		}
		hash := ""
		if s.Active != nil {
			hash = s.Active.Hash()
		}
		if e.activeKnown && hash == e.hash {
			return
		}
		if e.schemaSeen && hash != e.hash {
			e.lastPush = e.f.now()
			e.f.say("info", e.cfg.Name, "the active schema changed")
		}
		e.active, e.activeKnown, e.schemaSeen, e.hash = s.Active, true, true, hash
		e.maybeReady()
	})
}

func (e *env) gotFunctions(u wire.Update) {
	rows, ok := u.Value.(value.Array)
	e.f.change(func() {
		e.functionsKnown = true
		if u.Err != nil || !ok {
			// Without the list a start is not refused here: the deployment
			// says itself whether it knows the function.
			for _, m := range e.f.project.Migrations {
				e.functions[m.Name] = true
			}
			return
		}
		functions, args := map[string]bool{}, map[string]*schema.Validator{}
		for _, row := range rows {
			o, _ := row.(value.Object)
			id, ok := textOf(o, "identifier")
			if !ok {
				continue
			}
			name := strings.Replace(id, ".js:", ":", 1)
			functions[name] = true
			if v := validatorOf(o); v != nil && v.Kind == schema.Object {
				args[name] = v
			}
		}
		e.argsOf = args
		e.functions = functions
	})
}

// validatorOf reads the arguments' validator of a function's row, which came as
// an object or as JSON text; nil when it cannot be read.
func validatorOf(row value.Object) *schema.Validator {
	v, _ := row.Get("args")
	raw, ok := v.(string)
	if !ok {
		raw = string(value.Append(nil, v))
	}
	args, err := schema.ParseValidator([]byte(raw))
	if err != nil {
		return nil
	}
	return args
}

func textOf(o value.Object, name string) (string, bool) {
	v, _ := o.Get(name)
	s, ok := v.(string)
	return s, ok
}

// watchTables keeps the list of tables live, and the size of each.
func (e *env) watchTables(client *wire.Client) (stop func()) {
	sizes := map[string]func(){}
	e.f.change(func() { e.tables, e.listed = map[string]int64{}, nil })
	all := wire.Call{Path: "_system/cli/tables", Args: value.NewObject(value.Field{Name: "paginationOpts", Value: value.NewObject(
		value.Field{Name: "cursor", Value: nil}, value.Field{Name: "numItems", Value: float64(10000)})})}
	stopList := client.Subscribe(all, func(u wire.Update) {
		names, ok := tableNames(u)
		if !ok {
			e.f.change(func() { e.tablesKnown, e.tablesProblem = false, "its tables cannot be listed" })
			return
		}
		for name, stop := range sizes {
			if !names[name] {
				stop()
				delete(sizes, name)
				e.f.change(func() { delete(e.tables, name) })
			}
		}
		e.f.change(func() {
			e.listed, e.tablesProblem = names, ""
			e.tablesKnown = e.haveSizes()
		})
		for name := range names {
			if sizes[name] == nil {
				sizes[name] = client.SubscribeTableSize("", name, func(n int64, err error) { e.gotSize(name, n, err) })
			}
		}
	})
	return func() {
		stopList()
		for _, stop := range sizes {
			stop()
		}
	}
}

func tableNames(u wire.Update) (map[string]bool, bool) {
	o, _ := u.Value.(value.Object)
	page, _ := o.Get("page")
	rows, ok := page.(value.Array)
	if u.Err != nil || !ok {
		return nil, false
	}
	names := map[string]bool{}
	for _, row := range rows {
		r, _ := row.(value.Object)
		if name, ok := textOf(r, "name"); ok && !strings.HasPrefix(name, "_") {
			names[name] = true
		}
	}
	return names, true
}

// haveSizes reports whether every listed table's size arrived. f.mu is held.
func (e *env) haveSizes() bool {
	for name := range e.listed {
		if _, ok := e.tables[name]; !ok {
			return false
		}
	}
	return e.listed != nil
}

func (e *env) gotSize(table string, n int64, err error) {
	e.f.change(func() {
		if err != nil {
			delete(e.tables, table)
			e.tablesKnown, e.tablesProblem = false, "the size of table "+table+" cannot be read"
			return
		}
		e.heard = e.f.now()
		old, had := e.tables[table]
		e.tables[table] = n
		if had && old != n {
			e.wrote(table)
		}
		for name, t := range e.runs {
			if m, ok := e.f.migration(name); ok && m.Table == table && t.run.active() {
				t.peak = max(t.peak, old, n)
			}
		}
		if e.tablesKnown = e.haveSizes(); e.tablesKnown {
			e.tablesProblem = ""
		}
	})
}

// wrote notes that documents changed: a census of before is stale. table ""
// is any. f.mu is held.
func (e *env) wrote(table string) {
	e.writes++
	if e.census == nil || e.census.Stale {
		return
	}
	if _, counted := e.census.Tables[table]; counted || table == "" {
		c := *e.census
		c.Stale = true
		e.census = &c
	}
}

func (e *env) gotStatuses(client *wire.Client, statuses []wire.MigrationStatus, err error) {
	var failed []failedRun
	e.f.change(func() {
		e.statusesKnown = true
		now := e.f.now()
		e.heard = now
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
				t.peak = max(t.peak, e.tables[m.Table])
			}
			if known && t.run.Processed != before.Processed {
				e.wrote("")
			}
			if known && t.run.State != before.State {
				e.announce(t.run)
			}
		}
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
			text += ": " + cut(r.Failure.Summary, 120)
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

// gotPush takes the deployment's last push event. The first tells when that
// was by the deployment's clock; a later one is a push that happened now, by
// the clock that dry runs are dated with. Without an answer it is not known.
func (e *env) gotPush(u wire.Update) {
	o, ok := u.Value.(value.Object)
	ms, isTime := get(o, "_creationTime").(float64)
	if u.Err != nil || !ok || !isTime {
		return
	}
	e.f.change(func() {
		switch {
		case e.pushedAt == 0:
			e.lastPush = time.UnixMilli(int64(ms))
		case e.pushedAt != ms:
			e.lastPush = e.f.now()
			e.f.say("info", e.cfg.Name, "code was pushed")
		}
		e.pushedAt = ms
	})
}

func cmpText(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// migration finds a definition. f.mu is held.
func (f *Fleet) migration(name string) (project.Migration, bool) {
	if f.project == nil {
		return project.Migration{}, false
	}
	for _, m := range f.project.Migrations {
		if m.Name == name {
			return m, true
		}
	}
	return project.Migration{}, false
}

// mapping tells tables by their number, for the check of ids.
type mapping map[uint32]string

func (m mapping) TableName(number uint32) (string, bool) {
	name, ok := m[number]
	return name, ok
}

var _ schema.Tables = mapping(nil)

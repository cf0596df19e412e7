package fleet

import (
	"slices"
	"strings"
	"time"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// facts is what Facts is made from. It is guarded by the fleet's mutex; what
// its slices hold is never changed.
type facts struct {
	version         string
	access          *Access
	components      []string
	componentsKnown bool
	installed       []installed
	functions       int       // deployed at the root, with the age that tells whether it is known
	connects        int       // of the client that is in use
	connectsBefore  int       // of the clients before it
	connected       time.Time // since when the live connection stands; zero: it does not
	retries         int
	retryAt         time.Time
	ages            Ages
}

// has reports whether a migrations component is installed at a path.
func (x *facts) has(path string) bool {
	return slices.ContainsFunc(x.installed, func(c installed) bool { return c.path == path })
}

// newCursors notes that a component's cursors are those of 0.3.5 and newer.
func (x *facts) newCursors(path string) {
	for i, c := range x.installed {
		if c.path == path && !c.cursors {
			x.installed = slices.Clone(x.installed)
			x.installed[i].cursors = true
		}
	}
}

// connection takes the state of the live connection.
func (x *facts) connection(s wire.ConnectionState) {
	if s.Connects < x.connects { // a client of its own counts anew
		x.connectsBefore += x.connects
	}
	x.connects, x.retries, x.retryAt, x.connected = s.Connects, s.Retries, s.RetryAt, time.Time{}
	if s.Connected {
		x.connected = s.Since
	}
}

// tell is what a snapshot shows of the facts. f.mu is held.
func (e *env) tell() Facts {
	x := &e.facts
	f := Facts{
		Version: x.version, Access: x.access, Functions: -1, LastPush: e.lastPush, Connects: x.connectsBefore + x.connects,
		Retries: x.retries, RetryAt: x.retryAt, Logs: e.logs.feed, Traffic: e.traffic.shown, Ages: x.ages,
	}
	if e.state == Ready {
		f.Connected = x.connected
	}
	if x.componentsKnown {
		f.Components = x.components
	}
	if !x.ages.Functions.IsZero() {
		f.Functions = x.functions
	}
	for _, c := range x.installed {
		f.Migrations = append(f.Migrations, ComponentFact{Path: c.path, Version: c.version()})
	}
	// What is kept live holds as of the last word of the connection.
	for _, live := range []struct {
		age *time.Time
		on  bool
	}{
		{&f.Ages.Schema, e.activeKnown},
		{&f.Ages.Tables, e.tablesKnown && e.reading.sizes},
		{&f.Ages.Statuses, e.statusesKnown && e.missing == ""},
		{&f.Ages.Functions, e.functionsKnown && !x.ages.Functions.IsZero()},
		{&f.Ages.Push, e.client != nil && !x.ages.Push.IsZero()},
	} {
		if live.on && e.heard.After(*live.age) {
			*live.age = e.heard
		}
	}
	return f
}

// gotAccess takes what the key may do, and says so once when that is not
// everything that Strait offers. f.mu is held.
func (e *env) gotAccess(a Access) {
	old := e.facts.access
	e.facts.access = &a
	if old != nil && old.ReadOnly == a.ReadOnly && slices.Equal(old.Ops, a.Ops) {
		return
	}
	if cannot := a.Cannot(); len(cannot) > 0 {
		what := "the key lacks operations"
		if a.ReadOnly {
			what = "the key is read-only"
		}
		e.f.say("warn", e.cfg.Name, what+": "+strings.Join(cannot, "; "))
	}
}

// needs are the operations that a key needs for what Strait offers
// (convex-wire.md 1.2, 2.5), in the order in which they are told.
var needs = []struct {
	what string
	ops  []string
}{
	{"schema, tables and census cannot be read", []string{"ViewData"}},
	{"the status of migrations cannot be read", []string{"RunInternalQueries", "ViewData"}},
	{"migrations cannot be started, stepped or canceled", []string{"RunInternalMutations", "WriteData"}},
	{"migrations that are actions cannot be started", []string{"RunInternalActions"}},
	{"documents cannot be counted next to the data", []string{"RunTestQuery"}},
	{"what batches cost and log is not told", []string{"ViewLogs"}},
	{"nothing can be deployed", []string{"Deploy"}},
}

// Allows reports whether the key may do an operation, a DeploymentOp name.
func (a Access) Allows(op string) bool {
	return wire.Access{AllowedOps: a.Ops, ReadOnly: a.ReadOnly}.Allows(op)
}

// lacks are those of some operations that the key may not do.
func (a Access) lacks(ops []string) []string {
	return slices.DeleteFunc(slices.Clone(ops), a.Allows)
}

// Cannot says what does not work with the key and which operation it lacks for
// it, one line each: "migrations cannot be started, stepped or canceled: needs
// RunInternalMutations". Empty: everything works.
func (a Access) Cannot() (out []string) {
	for _, n := range needs {
		if lacks := a.lacks(n.ops); len(lacks) > 0 {
			out = append(out, n.what+": needs "+strings.Join(lacks, " and "))
		}
	}
	return out
}

// gotFunctions takes the functions that are deployed at the root.
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
		e.facts.functions, e.facts.ages.Functions = len(rows), e.f.now()
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

// gotPush takes the deployment's last push event. The first tells when that
// was by the deployment's clock; a later one is a push that happened now, by
// the clock that dry runs are dated with. Without an answer it is not known.
func (e *env) gotPush(u wire.Update) (pushed bool) {
	o, ok := u.Value.(value.Object)
	ms, isTime := get(o, "_creationTime").(float64)
	if u.Err != nil || !ok || !isTime {
		e.f.change(func() { e.pushTold = true })
		return false
	}
	record := func() {}
	defer func() { record() }()
	e.f.change(func() {
		e.pushTold = true
		now := e.f.now()
		e.facts.ages.Push = now
		switch {
		case e.pushedAt == 0:
			e.lastPush = time.UnixMilli(int64(ms))
		case e.pushedAt != ms:
			e.lastPush, pushed = now, true
			e.f.say("info", e.cfg.Name, "code was pushed")
		}
		e.pushedAt = ms
		record = e.pushSeen()
	})
	return pushed
}

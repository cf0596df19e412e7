package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/plan"
)

// A rehearsal takes the whole passage on a copy in this machine's memory:
// documents in, widened, every pending migration batch by batch, census,
// target. It works on the embedded deployment itself rather than through a
// fleet of its own: so every batch's use of Convex's limits is known exactly,
// and the documents of before and after can be compared, all of them.
//
// What it reads of an environment is its schema, the statuses of its
// migrations, sizes of tables and, for a sample, documents. Nothing is written
// there, and nothing of the copy leaves this process.

const (
	// Where nothing is asked for, so many documents are read of a table, and of a
	// small deployment, or one in this process, every one.
	rehearsedSample = 1000
	smallDeployment = 20_000
	keptFailures    = 50 // of a migration
	// A document on which the migration computes without end takes the copy some
	// seconds: after so many of them it is said, and the migration is left.
	endlessDocuments = 5
	longestChain     = 10_000
)

// origin is what a rehearsal knows of the environment that it stands for.
type origin struct {
	env, deployment string
	client          *wire.Client // nil: of an export alone
	component       string       // path of the migrations component
	active          *schema.Schema
	widened         *schema.Schema
	progress        map[string]plan.Progress
	tables          map[string]int64 // nil unknown
	sizes           map[string]plan.Size
	pace            pace
	embedded        bool
	suspects        []string // documents that are known to make trouble
}

// Rehearse is a rehearsal without an environment: of an export, or of made-up
// documents of the target's shape. All migrations run that the export does not
// say are done. tell may be nil.
func Rehearse(ctx context.Context, p *project.Project, o RehearseOptions, tell func(RehearsalRun)) (*plan.Rehearsal, error) {
	if p.Schema == nil {
		return nil, errors.New("rehearse: the target schema could not be loaded; strait inspect says what is wrong with the project")
	}
	if o.Export == "" && o.Generate <= 0 {
		return nil, errors.New("rehearse: without an environment there is nothing to copy: name an export, or how many documents to make up")
	}
	// Nobody tells which shape is deployed, so nothing is enforced until narrow.
	open := *p.Schema
	open.Validation = false
	return newRehearsal(p, o, origin{widened: &open}, tell).run(ctx)
}

// cannotRehearse refuses a second rehearsal beside one. f.mu is held.
func (e *env) cannotRehearse() []plan.Refusal {
	switch {
	case e.rehearsing != nil:
		return []plan.Refusal{{Code: "running", Why: "a rehearsal of " + e.cfg.Name + " is under way", Hint: "wait until it ends, or stop it"}}
	case e.f.project.App == nil:
		return []plan.Refusal{{Code: "no-code", Why: "the project's code did not load, so there is nothing to rehearse", Hint: "strait inspect lists the problems"}}
	}
	return nil
}

// rehearse is the action.
func (a *action) rehearse(answer *entry) error {
	defer a.f.change(func() { a.e.rehearsing, a.e.stopRehearse = nil, nil })
	var o RehearseOptions
	if a.c.Rehearse != nil {
		o = *a.c.Rehearse
	}
	from := a.origin()
	if from.pace.batch == 0 && !a.e.embedded {
		from.pace = a.pastPace()
	}
	r := newRehearsal(a.f.Project(), o, from, func(run RehearsalRun) {
		a.e.change(func() { a.e.rehearsing = &run })
	})
	r.now = a.f.now
	report, err := r.run(a.ctx)
	if err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	answer.Processed, answer.Schema = report.Documents, r.p.Schema.Hash()
	if report.Census != nil {
		answer.Offenders = &report.Census.Offenders
	}
	a.f.change(func() {
		a.e.rehearsal, a.report = report, report
		level, text := "info", "rehearsal: the whole passage goes through"
		switch {
		case report.Stopped != "":
			level, text = "warn", "rehearsal: "+report.Stopped
		case !report.Accepted():
			level, text = "warn", "rehearsal: it would not go through; the report says where"
		}
		a.f.say(level, a.c.Env, text)
	})
	return nil
}

// origin copies what is known of the environment.
func (a *action) origin() origin {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	e := a.e
	o := origin{
		env: e.cfg.Name, deployment: e.deployment, embedded: e.embedded, client: a.client, component: e.component, active: e.active,
		progress: map[string]plan.Progress{}, sizes: maps.Clone(e.sizes), pace: e.pace(),
	}
	for name := range e.runs {
		if r := e.show(name); r.Failure != nil && r.Failure.Document != "" && e.ownerOf(name) == "" {
			o.suspects = append(o.suspects, r.Failure.Document)
		}
	}
	if e.census != nil && e.census.Component == "" {
		for _, g := range e.census.Groups {
			for _, s := range g.Samples {
				o.suspects = append(o.suspects, s.ID)
			}
		}
		for table, count := range e.census.Counts {
			if count.Size.Sampled > o.sizes[table].Sampled {
				o.sizes[table] = count.Size
			}
		}
	}
	if e.tablesKnown {
		o.tables = maps.Clone(e.tables)
	}
	if c := e.compared(); c != nil {
		o.widened = c.WidenedFor(e.tables)
	}
	if e.active == nil { // nothing is enforced there
		open := *a.f.project.Schema
		open.Validation = false
		o.widened = &open
	}
	for _, m := range a.f.project.Migrations {
		o.progress[m.Name] = e.progress(m.Name)
	}
	return o
}

// rehearsal is one under way. It is used by one goroutine.
type rehearsal struct {
	p      *project.Project
	o      RehearseOptions
	from   origin
	tell   func(RehearsalRun)
	now    func() time.Time
	d      *local.Deployment
	client *wire.Client // of the copy, in memory
	state  RehearsalRun
	told   time.Time
	report *plan.Rehearsal
	limit  int64           // of the documents' text
	limits local.Limits    // of the copy; zeros are Convex's
	chain  int             // commits of what a migration schedules, beyond those that wait
	kept   map[string]bool // whether the copied state of the component says that a migration is done
	begun  []string        // those that it says are half done
}

func newRehearsal(p *project.Project, o RehearseOptions, from origin, tell func(RehearsalRun)) *rehearsal {
	if tell == nil {
		tell = func(RehearsalRun) {}
	}
	from.component = cmp.Or(from.component, "migrations")
	return &rehearsal{p: p, o: o, from: from, tell: tell, now: time.Now, limit: copyLimit, chain: longestChain}
}

// run makes the whole passage. An error is of the copy: that a step is refused
// there is what the report tells. Canceled, it reports as far as it came.
func (r *rehearsal) run(ctx context.Context) (*plan.Rehearsal, error) {
	if r.p.App == nil {
		return nil, errors.New("the project's code did not load, so there is nothing to run: see the problems that strait inspect lists")
	}
	began := r.now()
	r.state = RehearsalRun{Started: began, Of: -1}
	r.report = &plan.Rehearsal{Env: r.from.env, Deployment: r.from.deployment, At: began.Round(0), Migrations: []plan.RehearsedRun{}}
	r.d = local.New(local.Options{Name: "rehearsal", Seed: max(1, r.o.Seed), Limits: &r.limits})
	defer r.d.Close()
	r.client = wire.New(wire.Options{URL: "http://rehearsal.embedded", AdminKey: r.d.AdminKey(), HTTP: r.d.HTTPClient()})
	defer r.client.Close()
	err := r.passage(ctx)
	r.report.Took = r.now().Sub(began)
	if ctx.Err() != nil && r.report.Source != "" {
		r.report.Stopped = "it was stopped at " + r.state.Stage
		return r.report, nil
	}
	if err != nil {
		return nil, err
	}
	return r.report, nil
}

func (r *rehearsal) passage(ctx context.Context) error {
	if err := r.fill(ctx); err != nil {
		return err
	}
	r.at("widen", "", 0, -1)
	if err := r.d.Push(ctx, local.Push{App: r.p.App, Schema: r.from.widened}); err != nil {
		var refused *local.PushError
		if !errors.As(err, &refused) {
			return fmt.Errorf("deploy the widened schema to the copy: %w", err)
		}
		r.report.Widen = refused.Message
		if r.from.env != "" && r.o.Export != "" {
			r.note("the export holds documents that %s refuses by now: rehearse it without an environment", r.from.env)
		}
		r.report.Stopped = "widen is refused, so no migration could run"
		return nil
	}
	if err := r.migrate(ctx); err != nil {
		return err
	}
	if err := r.census(ctx); err != nil {
		return err
	}
	r.at("narrow", "", 0, -1)
	err := r.d.PushSchema(ctx, r.p.Schema)
	var refused *local.PushError
	if errors.As(err, &refused) {
		r.report.Narrow, err = refused.Message, nil
	}
	return err
}

// at tells what the rehearsal does; not more often than is worth showing while
// only the count grows.
func (r *rehearsal) at(stage, migration string, done, of int64) {
	now := r.now()
	same := r.state.Stage == stage && r.state.Migration == migration
	r.state.Stage, r.state.Migration, r.state.Done, r.state.Of = stage, migration, done, of
	if same && now.Sub(r.told) < 100*time.Millisecond {
		return
	}
	r.told = now
	r.tell(r.state)
}

func (r *rehearsal) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

// titleOf is how a report calls an export.
func titleOf(file string) string { return "export " + filepath.Base(file) }

package fleet

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/plan"
)

// armFor is how long a protected environment stays writable once its name was
// typed.
const armFor = 15 * time.Minute

// Refused is an action that the policy did not let out. Nothing was sent.
type Refused struct {
	Env     string
	Action  plan.Action
	Reasons []plan.Refusal // the first is the one to show when there is room for one
}

func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s in %s is refused", r.Action, r.Env)
	for i, x := range r.Reasons {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + x.Why)
	}
	for _, x := range r.Reasons {
		if x.Hint != "" {
			b.WriteString("\nhint: " + x.Hint)
		}
	}
	return b.String()
}

// Do starts an action and returns at once: a *Refused when the policy does not
// let it out, else the rest shows in the snapshots. A cancel that names no
// migration stops the command that deploys, the backup, the rehearsal, or the
// census; one that names no environment either stops the search for
// counterexamples.
func (f *Fleet) Do(ctx context.Context, c Command) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Action == plan.ActProve {
		s, err := f.beginProof(c)
		if err == nil {
			f.spawn(func() { f.performProof(s) })
		}
		return err
	}
	if c.Action == plan.ActCancel && c.Migration == "" {
		return f.stop(c.Env)
	}
	a, err := f.begin(c)
	if err != nil {
		return err
	}
	f.spawn(a.perform)
	return nil
}

// Check says what Do would refuse, and what it would warn of, without doing
// anything.
func (f *Fleet) Check(c Command) (refusals, warnings []plan.Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, refusals, warnings, err := f.judge(&c)
	if err != nil {
		return []plan.Refusal{{Code: "unknown", Why: err.Error()}}, nil
	}
	return refusals, warnings
}

// action is an action on its way. It keeps the client and the deployment that
// its environment had when it began: nothing retargets it.
type action struct {
	f         *Fleet
	e         *env
	c         Command
	id        string
	migration project.Migration
	client    *wire.Client
	embed     *local.Deployment
	ctx       context.Context
	cancel    context.CancelFunc
	schema    *schema.Schema                                        // of widen and narrow
	code      string                                                // hash of the migration's source
	place     string                                                // the deployment it goes to
	call      func(context.Context, wire.Call) (wire.Result, error) // of a function by hand; send but in tests

	driver *driver // of a run that Strait drives batch by batch; nil else
	goesOn bool    // the component runs it on, and its end is still to be recorded
	oldJob string  // newest job of the migration before it was called; "" none

	// Guarded by f.mu.
	answered bool // perform is over
	err      error
	counted  *plan.Census // what a census found
	report   *plan.Rehearsal
	saved    *plan.Backup // that was taken
	halted   bool         // it was canceled before its end
}

// judge asks the gate. f.mu is held.
func (f *Fleet) judge(c *Command) (*env, []plan.Refusal, []plan.Refusal, error) {
	switch {
	case f.loading:
		return nil, nil, nil, errors.New("the project is still being loaded")
	case f.project == nil:
		return nil, nil, nil, fmt.Errorf("no project: %s", f.err)
	}
	e := f.env(c.Env)
	if e == nil {
		return nil, nil, nil, fmt.Errorf("no environment %q", c.Env)
	}
	if c.Migration != "" {
		m, err := findMigration(f.project, c.Migration)
		if t := e.runs[c.Migration]; err != nil && c.Action == plan.ActCancel && t != nil && t.name != "" {
			return e, e.cannotStop(*c, t), nil, nil // of another component, or defined no more
		}
		if err != nil {
			return e, []plan.Refusal{{Code: "unknown-migration", Why: err.Error(), Hint: "strait inspect lists them"}}, nil, nil
		}
		c.Migration = m.Name
	}
	if t := e.runs[c.Migration]; c.Action == plan.ActCancel && t != nil && t.cancel != nil && t.run.State != "canceling" {
		return e, nil, nil, nil // Strait drives it: stopping asks nothing of the deployment, connected or not
	}
	ask := plan.Ask{
		Action: c.Action, Migration: c.Migration, Typed: c.Typed, Override: c.Override, Reset: c.Reset,
		Env: e.evidence(), Target: f.project.Schema, Definitions: f.defs, Code: f.code, Proofs: f.proofs.all,
	}
	for _, before := range f.envs {
		if before == e {
			break
		}
		ask.Before = append(ask.Before, before.evidence())
	}
	refusals, warnings := plan.Gate(ask)
	if c.Action == plan.ActCancelAll && e.anyRuns() { // also what the plan does not know of
		refusals = slices.DeleteFunc(refusals, func(r plan.Refusal) bool { return r.Code == "not-running" })
	}
	refusals = append(refusals, e.busy(*c)...)
	refusals = append(refusals, e.beyondKey(*c)...)
	return e, refusals, warnings, nil
}

// busy refuses what this Strait is already doing, and what a driver cannot.
// f.mu is held.
func (e *env) busy(c Command) []plan.Refusal {
	one := func(code, why, hint string) []plan.Refusal { return []plan.Refusal{{Code: code, Why: why, Hint: hint}} }
	m, _ := e.f.migration(c.Migration)
	switch c.Action {
	case plan.ActDryRun:
		if d := e.dryRuns[c.Migration]; d != nil && d.Running {
			return one("running", "a dry run of "+c.Migration+" is under way", "wait for its answer")
		}
		if why := e.tooOldInside(m); why != "" {
			return one("too-old", why, "install 0.3.5 or newer, and deploy it")
		}
		if why := noDryRun(m); why != "" {
			return one("no-dry-run", c.Migration+" "+why, "rehearse it in an embedded environment first")
		}
		if arg := m.DryRunArg; byHand(m) && !e.embedded && (e.arguments(c.Migration) == nil || e.arguments(c.Migration).Field(arg) == nil) {
			return one("no-dry-run", fmt.Sprintf("the %s that is deployed in %s declares no argument %s: a dry run would be a run", c.Migration, e.cfg.Name, arg), "declare it in args and deploy")
		}
	case plan.ActCensus:
		if e.counting != nil {
			return one("running", "a census of "+e.cfg.Name+" is being taken", "wait until it ends")
		}
	case plan.ActRehearse:
		return e.cannotRehearse()
	case plan.ActBackup:
		if e.backing != nil {
			return one("running", "a backup of "+e.cfg.Name+" is being taken", "wait until it ends")
		}
	case plan.ActWiden, plan.ActNarrow:
		if e.deploying {
			return one("running", "a schema is being deployed to "+e.cfg.Name, "wait until it ends")
		}
		if e.counting != nil {
			return one("running", "a census of "+e.cfg.Name+" is being taken", "wait until it ends")
		}
	case plan.ActRun:
		if e.deploying {
			return one("running", "a schema is being deployed to "+e.cfg.Name, "wait until it ends")
		}
		return e.cannotRun(c, m)
	case plan.ActCancel:
		if t := e.runs[c.Migration]; t != nil && t.run.State == "canceling" {
			return one("running", c.Migration+" is already being canceled", "it stops after the batch in flight")
		}
		if t := e.runs[c.Migration]; !component(m) && !m.GoesOn() && (t == nil || t.cancel == nil) {
			return one("cannot-cancel", c.Migration+" was not started by this Strait", "")
		}
	}
	return nil
}

// begin checks the policy and marks the action as begun in the same moment, so
// that a second press of the key finds it under way.
func (f *Fleet) begin(c Command) (*action, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e, refusals, warnings, err := f.judge(&c)
	if err != nil {
		return nil, err
	}
	if len(refusals) > 0 {
		return nil, &Refused{Env: c.Env, Action: c.Action, Reasons: refusals}
	}
	for _, w := range warnings {
		f.say("warn", c.Env, w.Why)
	}
	if e.cfg.Protected && c.Typed == c.Env && (c.Action == plan.ActRun || c.Action == plan.ActWiden || c.Action == plan.ActNarrow) {
		e.armedUntil = f.now().Round(0).Add(armFor)
	}
	a := &action{f: f, e: e, c: c, id: rand.Text()[:12], client: e.client, embed: e.embed, place: e.place}
	a.call = a.send
	a.migration = e.definition(c.Migration)
	a.ctx, a.cancel = context.WithCancel(f.ctx)
	if a.migration.Source != "" {
		a.code = hashOf(a.migration.Source)
	}
	a.mark()
	f.changed.fire()
	return a, nil
}

// mark shows the action as begun. f.mu is held.
func (a *action) mark() {
	now := a.f.now()
	switch a.c.Action {
	case plan.ActDryRun:
		a.e.dryRuns[a.c.Migration] = &DryRun{Migration: a.c.Migration, At: now, Running: true}
	case plan.ActRun:
		t := a.e.tracker(a.c.Migration)
		t.begin(now, a.c.BatchSize)
		t.afresh = a.c.Reset
		t.cancel = a.cancel // of one that the component drives, until it is sent
		a.takeWheel()
	case plan.ActCancel:
		for _, name := range a.members() {
			if a.migration.Runner && name == a.c.Migration && a.e.tracker(name).driver == nil {
				continue // its state is that of its members
			}
			if t := a.e.runs[name]; t != nil && t.run.active() {
				t.run.State = "canceling"
			}
		}
	case plan.ActCancelAll:
		for _, t := range a.e.runs {
			if t.run.State == "inProgress" {
				t.run.State = "canceling"
			}
		}
	case plan.ActCensus:
		a.e.counting = &CensusRun{Started: now}
		a.e.stopCount = a.cancel
	case plan.ActRehearse:
		a.e.rehearsing, a.e.stopRehearse = &RehearsalRun{Started: now, Of: -1}, a.cancel
	case plan.ActBackup:
		a.e.backing, a.e.stopBackup = &BackupRun{Started: now, Stage: backupRequested}, a.cancel
	case plan.ActWiden:
		a.e.deploying, a.schema = true, a.e.compared().WidenedFor(a.e.tables)
	case plan.ActNarrow:
		a.e.deploying, a.schema = true, a.f.project.Schema
	}
}

// byComponent reports whether the component drives the migration, so that it
// goes on without Strait.
func (a *action) byComponent() bool {
	return a.migration.Driver == project.ComponentDriver || a.migration.Runner
}

// members are the migrations that an action is about: those of a series for
// its runner, none for a census.
func (a *action) members() []string {
	switch {
	case a.c.Migration == "":
		return nil
	case a.migration.Runner:
		return append(slices.Clone(a.migration.Series), a.c.Migration)
	}
	return []string{a.c.Migration}
}

// perform carries the action out, between two entries of the journal.
func (a *action) perform() {
	defer a.cancel()
	whole := false
	defer func() {
		if !whole { // a panic, which goes on to be told
			a.undo(errors.New("internal error"))
		}
		a.f.change(func() { a.answered = true })
	}()
	a.carry()
	whole = true
	if a.goesOn { // behind the answer, so that the journal tells things in their order
		a.f.spawn(a.recordEnd)
	}
}

func (a *action) carry() {
	if err := a.permitted(); err != nil {
		a.undo(err)
		return
	}
	asked := a.entry("asked")
	if err := a.f.journal.write(asked); err != nil {
		only := a.c.Action == plan.ActCensus || a.c.Action == plan.ActRehearse // reads
		if !a.e.embedded && !only || a.c.Action == plan.ActReveal {
			a.undo(fmt.Errorf("%s was not started, because it could not be recorded: %w", a.c.Action, err))
			return
		}
		a.f.change(func() { a.f.say("warn", a.c.Env, err.Error()) })
	}
	answer := a.entry("answered")
	err := a.alone()
	if err != nil {
		a.undo(err)
	} else {
		err = a.act(&answer)
	}
	a.f.change(func() { a.err = err })
	answer.At, answer.Outcome = a.f.now(), "ok"
	if err != nil {
		answer.Outcome, answer.Error = "failed", recorded(err)
		if mayHaveRun(err) {
			answer.Outcome = "unknown"
		}
		a.f.change(func() {
			a.f.say("error", a.c.Env, fmt.Sprintf("%s %s: %s", a.c.Action, a.c.Migration, a.e.told(err)))
		})
	}
	if err := a.f.journal.write(answer); err != nil {
		a.f.change(func() { a.f.say("warn", a.c.Env, err.Error()) })
	}
}

func (a *action) entry(phase string) entry {
	return entry{
		At: a.f.now(), ID: a.id, Phase: phase, Action: string(a.c.Action), Env: a.c.Env, Deployment: a.place, URL: a.client.URL(),
		Migration: a.c.Migration, BatchSize: a.c.BatchSize, Reset: a.c.Reset, FromCursor: a.c.Cursor != nil, Supervised: a.c.Supervised, By: a.c.By, Typed: a.c.Typed != "", Override: a.c.Override, Code: a.code, Reveal: a.c.Reveal && a.e.cfg.Protected,
	}
}

func (a *action) act(answer *entry) error {
	switch a.c.Action {
	case plan.ActDryRun:
		return a.dryRun(answer)
	case plan.ActRun:
		return a.run(answer)
	case plan.ActCancel:
		return a.cancelRun()
	case plan.ActCancelAll:
		return a.cancelAll()
	case plan.ActCensus:
		return a.takeCensus(answer)
	case plan.ActReveal:
		return a.reveal()
	case plan.ActRehearse:
		return a.rehearse(answer)
	case plan.ActBackup:
		return a.backUp(answer)
	case plan.ActWiden, plan.ActNarrow:
		answer.Schema = a.schema.Hash()
		return a.deploy()
	}
	return fmt.Errorf("there is no action %q", a.c.Action)
}

// undo takes back what mark showed.
func (a *action) undo(err error) {
	a.f.change(func() {
		a.err = err
		a.f.say("error", a.c.Env, err.Error())
		switch a.c.Action {
		case plan.ActDryRun:
			a.e.dryRuns[a.c.Migration] = &DryRun{Migration: a.c.Migration, At: a.f.now(), Err: newFailure(err.Error())}
		case plan.ActRun:
			a.letGo()
			a.e.tracker(a.c.Migration).fail(newFailure(err.Error()), a.f.now())
		case plan.ActCancel:
			for _, name := range a.members() {
				if t := a.e.runs[name]; t != nil && t.run.State == "canceling" {
					t.run.State = "inProgress"
				}
			}
		case plan.ActCancelAll:
			for _, t := range a.e.runs {
				if t.run.State == "canceling" {
					t.run.State = "inProgress"
				}
			}
		case plan.ActCensus:
			a.e.counting, a.e.stopCount = nil, nil
		case plan.ActRehearse:
			a.e.rehearsing, a.e.stopRehearse = nil, nil
		case plan.ActBackup:
			a.e.backing, a.e.stopBackup = nil, nil
		case plan.ActWiden, plan.ActNarrow:
			a.e.deploying = false
		}
	})
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:6])
}

// stop ends what is under way without being a migration: what Do says.
func (f *Fleet) stop(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == "" {
		if f.proving != nil {
			f.proving.cancel()
		}
		return nil
	}
	if e := f.env(name); e != nil {
		for _, stop := range []context.CancelFunc{e.stopDeploy, e.stopBackup, e.stopRehearse, e.stopCount} {
			if stop != nil {
				stop()
				return nil
			}
		}
	}
	return &Refused{Env: name, Action: plan.ActCancel, Reasons: []plan.Refusal{{Code: "not-running", Why: "no census is being taken in " + name}}}
}

// StopCensus ends the census that is being taken, if there is one.
func (f *Fleet) StopCensus(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.env(name); e != nil && e.stopCount != nil {
		e.stopCount()
	}
}

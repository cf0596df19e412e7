package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/plan"
)

// Snapshot is the newest snapshot; never nil.
func (f *Fleet) Snapshot() *Snapshot { return f.snap.Load() }

// Next waits for a snapshot newer than seq; false when ctx or the fleet ended.
// Whoever is late gets the newest and misses those between.
func (f *Fleet) Next(ctx context.Context, seq uint64) (*Snapshot, bool) {
	for {
		tick := f.published.next()
		if s := f.snap.Load(); s.Seq > seq {
			return s, true
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return nil, false
		case <-f.ctx.Done():
			return nil, false
		}
	}
}

// settling is how long a change waits for those that come with it: one answer
// of a deployment tells several things.
const settling = 2 * time.Millisecond

// publish makes snapshots until the fleet ends. Nothing changes, nothing is
// made: an idle fleet costs nothing. What changes after a quiet moment goes out
// at once; only in a row of changes each waits its turn.
func (f *Fleet) publish() {
	var turns turns
	pause := time.NewTimer(0)
	defer pause.Stop()
	wait := func(d time.Duration) bool {
		pause.Reset(d)
		select {
		case <-pause.C:
			return true
		case <-f.ctx.Done():
			return false
		}
	}
	tick := f.changed.next()
	for {
		select {
		case <-tick:
		case <-f.ctx.Done():
			return
		}
		f.unhurried()
		if !wait(max(settling, turns.take(time.Now()))) {
			return
		}
		tick = f.changed.next() // before the state is read, so that no change is missed
		f.changed.urgent.Store(false)
		f.snap.Store(f.build(f.snap.Load().Seq+1, planFor))
		f.published.fire()
	}
}

// accompany is how long what the log and the traffic tell waits for a change
// that it comes with.
const accompany = 150 * time.Millisecond

// unhurried waits until there is more to show than what only accompanies it, or
// for a moment.
func (f *Fleet) unhurried() {
	late := time.NewTimer(accompany)
	defer late.Stop()
	for {
		tick := f.changed.next()
		if f.changed.urgent.Load() {
			return
		}
		select {
		case <-tick:
		case <-late.C:
			return
		case <-f.ctx.Done():
			return
		}
	}
}

// planFor is how old the plan of a published snapshot may be while nothing but
// counts have changed: making it is most of what a snapshot costs.
const planFor = 400 * time.Millisecond

// planned is the plan of the newest snapshot.
type planned struct {
	plan   plan.Plan
	at     time.Time
	fired  uint64 // changes of anything when it was made
	stale  bool   // more than counts have changed in an environment
	behind bool   // counts have changed
	again  bool   // a snapshot is due that catches up
}

// plan is the plan as of now, or one of a moment ago, no older than age, when
// nothing but counts changed since. f.mu is held.
func (f *Fleet) plan(age time.Duration) plan.Plan {
	p, fired, now := &f.planned, f.changed.n.Load(), time.Now()
	if left := age - now.Sub(p.at); left > 0 && !p.stale && p.fired == fired && p.plan.Envs != nil {
		if p.behind && !p.again {
			p.again = true
			time.AfterFunc(left, f.changed.wake)
		}
		return p.plan
	}
	*p = planned{plan: plan.Make(f.input()), at: now, fired: fired}
	return p.plan
}

// turns lets snapshotsPerSecond go out, a few of them in a row.
type turns struct{ next time.Time }

// atOnce is how many may follow each other after a quiet moment, so that a
// sign of life does not hold up the change that comes after it.
const atOnce = 3

// take takes a turn at now and says how long to wait for it.
func (t *turns) take(now time.Time) time.Duration {
	const beat = time.Second / snapshotsPerSecond
	if t.next.Before(now) {
		t.next = now
	}
	wait := t.next.Add(-(atOnce - 1) * beat).Sub(now)
	t.next = t.next.Add(beat)
	return max(0, wait)
}

// ownComponents are the paths of the components below the root that the project
// itself defines, with a schema; not those of packages.
func ownComponents(p *project.Project) (paths []string) {
	if p.App == nil {
		return nil
	}
	for _, c := range p.App.Components {
		packaged := slices.ContainsFunc(c.Functions, func(fn jsrun.Function) bool { return strings.Contains(fn.File, "node_modules") })
		if c.Path != "" && c.Schema != nil && len(c.Schema.Tables) > 0 && !packaged {
			paths = append(paths, c.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

// build makes a snapshot of the state as it is now, with a plan no older than
// age.
func (f *Fleet) build(seq uint64, age time.Duration) *Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &Snapshot{Seq: seq, At: f.now(), Loading: f.loading, Err: f.err, Messages: f.messages}
	if p := f.project; p != nil {
		s.Project = ProjectInfo{
			Name: p.Name, Root: p.Root, Target: p.SchemaFile, Migrations: p.Migrations, Problems: p.Problems,
			Packages: p.Packages, LoadTime: p.LoadTime, Components: ownComponents(p),
		}
		if p.Config.Target != "" {
			s.Project.Target = p.Config.Target
		}
		for _, e := range f.envs {
			e.attend()
			s.Envs = append(s.Envs, e.cached())
		}
		s.Plan = f.plan(age)
		s.Proofs = f.shownProofs()
		if f.proving != nil {
			run := f.proving.run
			s.ProofRun = &run
		}
	}
	return s
}

// input is what a plan is made from. f.mu is held.
func (f *Fleet) input() plan.Input {
	in := plan.Input{Target: f.project.Schema, Definitions: f.defs}
	for _, e := range f.envs {
		in.Envs = append(in.Envs, e.evidence())
	}
	return in
}

// snapshotCache is the newest snapshot of an environment, good until
// something of the environment changed.
type snapshotCache struct {
	stale bool   // the environment changed
	fired uint64 // changes of anything when it was made
	made  bool
	snap  EnvSnapshot
}

// cached is the environment's snapshot, made anew only when it may differ.
// f.mu is held.
func (e *env) cached() EnvSnapshot {
	c, fired := &e.cache, e.f.changed.n.Load()
	if !c.made || c.stale || c.fired != fired || !e.armedUntil.IsZero() || !e.revealed.IsZero() || e.running() {
		*c = snapshotCache{fired: fired, made: true, snap: e.snapshot()}
	}
	return c.snap
}

// snapshot copies what the environment shows. f.mu is held.
func (e *env) snapshot() EnvSnapshot {
	s := EnvSnapshot{
		Name: e.cfg.Name, Deployment: e.deployment, URL: e.url, Embedded: e.embedded, Command: e.cfg.Deploy, Protected: e.cfg.Protected,
		ArmedUntil: e.armedUntil, State: e.state, Err: e.problem, Opening: e.stage, Heard: e.heard,
		Tables: maps.Clone(e.tables), Runs: make(map[string]Run, len(e.runs)), DryRun: map[string]*DryRun{}, SchemaHash: e.hash,
		Facts: e.tell(), Validation: e.validation,
	}
	if e.state != Ready || s.ArmedUntil.Before(e.f.now()) {
		s.ArmedUntil = time.Time{}
	}
	for _, n := range e.tables {
		s.Documents += n
	}
	for name := range e.runs {
		s.Runs[name] = e.show(name)
	}
	for _, m := range e.f.project.Migrations {
		if m.Runner && len(m.Series) > 0 {
			s.Runs[m.Name] = e.showSeries(m)
		}
	}
	for name, d := range e.dryRuns {
		c := *d
		s.DryRun[name] = &c
	}
	s.Census = e.shown
	if e.shown == nil || e.census != nil && e.shown.At.Equal(e.census.At) {
		s.Census = e.current()
	}
	if e.counting != nil {
		c := *e.counting
		s.CensusRun = &c
	}
	s.FreshFor, s.Revealed = e.f.freshFor(), e.revealed
	if !e.revealed.After(e.f.now()) {
		s.Revealed = time.Time{}
	}
	s.Certificate, s.Writers, s.Backup, s.BackupRun = e.certificate, e.writers, e.backup, e.backing
	s.Rehearsal = e.rehearsal // never changed once it is there
	if e.rehearsing != nil {
		r := *e.rehearsing
		s.Rehearsing = &r
	}
	if e.deploy != nil {
		d := *e.deploy
		s.Deploy = &d
	}
	if e.veiled() {
		e.veil(&s)
	}
	return s
}

// evidence is what the plan may rest on. f.mu is held.
func (e *env) evidence() plan.Evidence {
	now := e.f.now()
	ev := plan.Evidence{
		Env: e.cfg.Name, Now: now, Reachable: e.state == Ready, Problem: e.problem,
		Active: e.active, ActiveKnown: e.activeKnown, Tables: maps.Clone(e.tables), Progress: map[string]plan.Progress{},
		DryRuns: map[string]time.Time{}, Protected: e.cfg.Protected, Embedded: e.embedded, Deploys: e.cfg.Deploy != "",
		MadeUp: e.cfg.Embedded() && e.cfg.Found != "", Partial: !e.known(),
		Armed: now.Before(e.armedUntil), LastPush: e.lastPush, Compared: e.compared(),
		Sizes: maps.Clone(e.sizes), Certificate: e.certificate, FreshFor: e.f.freshFor(), Doubt: e.doubt, Writers: e.writers,
		Written: e.written, Backup: e.backup,
	}
	if e.state == Opening && ev.Problem == "" {
		ev.Problem = "still opening: " + e.stage
	}
	if !e.tablesKnown {
		ev.Tables = nil
	}
	ev.Census = e.current()
	for _, m := range e.f.project.Migrations {
		// It shows the code as it was when it began.
		switch d := e.dryRuns[m.Name]; {
		case d == nil || d.Running:
			if at := e.before(m.Name).dryRun; !at.IsZero() {
				ev.DryRuns[m.Name] = at
			}
		case d.Err == nil:
			ev.DryRuns[m.Name] = d.At.Add(-d.Took)
		}
	}
	for _, m := range e.f.project.Migrations {
		ev.Progress[m.Name] = e.progress(m.Name)
	}
	for name, t := range e.runs { // what the component knows and the project no longer defines
		if strings.Contains(t.run.Component, "/") {
			continue // another component's own, which writes its own tables
		}
		if _, known := ev.Progress[name]; !known {
			ev.Progress[name] = e.progress(name)
		}
	}
	return ev
}

// progress is a migration's state in the plan's words. f.mu is held.
func (e *env) progress(name string) plan.Progress {
	p := plan.Progress{Deployed: e.deployed(name)}
	r := e.show(name)
	p.State, p.Processed, p.Started, p.Ended = r.State, r.Processed, r.Started, r.Ended
	p.Done = r.State == "success"
	switch r.State {
	case "starting", "canceling":
		p.State = "inProgress"
	}
	if r.Failure != nil {
		p.Error = r.Failure.Summary
		if e.veiled() {
			p.Error = withoutContents(p.Error, maskedText)
		}
	}
	p.Doubt = e.before(name).doubt
	if t := e.runs[name]; t != nil && (t.doubt != "" || t.settled) {
		p.Doubt = t.doubt
	}
	return p
}

// compared is the comparison of the active schema with the target, kept until
// one of them changes. f.mu is held.
func (e *env) compared() *plan.Comparison {
	target := e.f.project.Schema
	if !e.activeKnown && e.active == nil || target == nil {
		return nil
	}
	if e.comparison == nil || e.comparedActive != e.active {
		e.comparison, e.comparedActive = plan.Compare(e.active, target), e.active
	}
	return e.comparison
}

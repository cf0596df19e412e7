package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"strait/convex/wire"
	"strait/model/value"
)

// cancelRun stops a run: the component's through lib:cancel, Strait's own after
// the batch in flight.
func (a *action) cancelRun() error {
	a.f.mu.Lock()
	stop := a.e.tracker(a.c.Migration).cancel
	if stop != nil {
		stop() // before the mutex is free, so that nothing is sent in between
	}
	a.f.mu.Unlock()
	switch {
	case stop != nil:
		return nil
	case !a.byComponent():
		return a.cancelOwnJob()
	}
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	for {
		var failed error
		for _, name := range a.members() {
			if a.memberRuns(name) {
				failed = errors.Join(failed, a.cancelOne(name))
			}
		}
		if failed != nil || !a.migration.Runner {
			return failed
		}
		// A member may have ended by itself meanwhile, and the next one has not
		// begun: there is nothing to cancel until it has.
		if over, err := a.nextMember(ctx); over || err != nil {
			return err
		}
	}
}

// memberRuns reports whether a migration that the action is about runs; the
// runner itself does not.
func (a *action) memberRuns(name string) bool {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	t := a.e.runs[name]
	return t != nil && t.run.active() && !(name == a.c.Migration && a.migration.Runner)
}

// nextMember waits until a member of the series runs, or the series is over.
func (a *action) nextMember(ctx context.Context) (over bool, err error) {
	err = a.f.wait(ctx, func() bool {
		r := a.e.showSeries(a.migration)
		over = !r.active()
		return over || slices.ContainsFunc(a.migration.Series, func(n string) bool { x := a.e.show(n); return x.active() })
	})
	if err != nil {
		return false, fmt.Errorf("cancel %s: its next member did not begin, so there is nothing to cancel yet: %w", a.c.Migration, err)
	}
	return over, nil
}

// cancelOne cancels a migration of the component, until its status says that it
// no longer runs.
func (a *action) cancelOne(name string) error {
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	component, known := a.e.homeOf(name)
	res, err := a.client.Mutate(ctx, wire.Call{
		Component: component, Path: "lib:cancel", Args: value.NewObject(value.Field{Name: "name", Value: known}),
	})
	now := a.f.now()
	a.f.change(func() { a.e.tracker(name).log(logEntries(now, res.LogLines)...) })
	// A second cancel does no harm, so that a lost answer is settled by the
	// status alone.
	if err == nil || mayHaveRun(err) {
		err = a.confirm(component, known)
	}
	a.f.change(func() {
		if t := a.e.tracker(name); t.run.State == "canceling" {
			t.run.State = t.told
		}
	})
	if err != nil {
		return fmt.Errorf("cancel %s: %w", name, err)
	}
	return nil
}

// confirm waits until a migration no longer runs. The lib:cancel of 0.3.1
// answers "canceled" and cancels nothing (convex-wire.md 13.5), so what runs on
// is stopped by its scheduled job.
func (a *action) confirm(component, name string) error {
	for attempt := range 40 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), grace)
		statuses, err := a.client.MigrationStatuses(ctx, component, []string{name})
		cancel()
		if err != nil {
			return fmt.Errorf("it was asked for, but its status cannot be read: %w", err)
		}
		if len(statuses) == 0 || statuses[0].State != "inProgress" {
			a.e.gotFrom(a.client, component, statuses, nil)
			return nil
		}
		if err := a.cancelJobOf(component, name, attempt > 2); err != nil {
			return fmt.Errorf("the component says that it is canceled, yet it goes on (0.3.1 does not cancel), and its job cannot be canceled: %w", err)
		}
	}
	return errors.New("the component says that it is canceled, yet it goes on, and its job ends before it can be canceled: pause the deployment, or deploy @convex-dev/migrations 0.3.2 or newer")
}

// cancelJobOf cancels the job by which the component goes on with a migration.
// Batches of a few milliseconds outrun a cancel by id: fast cancels whatever
// batch is next, where nothing else runs in the component.
func (a *action) cancelJobOf(component, name string, fast bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), grace)
	defer cancel()
	id, found, err := componentID(ctx, a.client, component)
	if err != nil || !found {
		return cmp.Or(err, fmt.Errorf("no component %q", component))
	}
	if fast {
		alone, err := a.runsAlone(ctx, component, name)
		if err != nil {
			return err
		}
		if alone {
			return a.client.CancelJobs(ctx, id, component, "lib:migrate")
		}
	}
	page, err := a.client.TableData(ctx, component, "_scheduled_functions", "desc", "", 200)
	if err != nil {
		return err
	}
	for _, job := range page.Documents {
		of, kind, _ := jobOf(job)
		if of != name || kind != "pending" && kind != "inProgress" {
			continue
		}
		jobID, _ := textOf(job, "_id")
		return a.client.CancelJob(ctx, id, jobID)
	}
	return nil // it is between two jobs: the status tells
}

// runsAlone reports whether no other migration of the component runs.
func (a *action) runsAlone(ctx context.Context, component, name string) (bool, error) {
	statuses, err := a.client.MigrationStatuses(ctx, component, nil)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(statuses, func(s wire.MigrationStatus) bool { return s.State == "inProgress" && s.Name != name }), nil
}

// cancelOwnJob cancels a migration that schedules itself: one of
// convex-helpers, or a hand-written one. The batch in flight ends or is not
// committed (12.6).
func (a *action) cancelOwnJob() error {
	for range 40 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), grace)
		id, kind, _, err := a.newestJob()
		if err == nil && (kind == "pending" || kind == "inProgress") {
			var component string
			if component, err = ownerID(ctx, a.client, a.migration.Owner); err == nil {
				err = a.client.CancelJob(ctx, component, id)
			}
		}
		cancel()
		if err != nil {
			a.f.change(func() {
				if t := a.e.tracker(a.c.Migration); t.run.State == "canceling" {
					t.run.State = "inProgress"
				}
			})
			return fmt.Errorf("cancel %s: %w", a.c.Migration, err)
		}
		if _, now, _, err := a.newestJob(); err == nil && now != "pending" && now != "inProgress" {
			a.f.change(func() {
				t := a.e.tracker(a.c.Migration)
				if at := a.f.now(); now == "canceled" && t.run.active() {
					t.run.State, t.run.Ended, t.run.Heard = "canceled", at, at
					a.e.announce(t.run)
				} else if t.run.State == "canceling" {
					t.run.State = "inProgress" // whoever follows it tells how it ended
				}
			})
			return nil
		}
	}
	return fmt.Errorf("cancel %s: its next job is there as soon as one is canceled", a.c.Migration)
}

// anyRuns reports whether any migration runs, of whatever component. f.mu is
// held.
func (e *env) anyRuns() bool {
	for _, t := range e.runs {
		if t.run.State == "inProgress" {
			return true
		}
	}
	return false
}

// cancelAll cancels whatever runs: what this Strait drives, what the migrations
// components run, and what schedules itself.
func (a *action) cancelAll() error {
	var failed error
	a.f.mu.Lock()
	components, own := map[string]bool{}, []*action{}
	for name, t := range a.e.runs {
		m, _ := a.f.migration(name)
		switch {
		case t.cancel != nil:
			t.cancel()
		case m.Name != "" && !component(m):
			if t.run.active() {
				one := *a
				one.c.Migration, one.migration = name, m
				own = append(own, &one)
			}
		case !m.Runner:
			path, _ := a.e.home(name)
			components[path] = true
		}
	}
	a.f.mu.Unlock()
	for path := range components {
		failed = errors.Join(failed, a.cancelAllOf(path))
	}
	for _, one := range own {
		failed = errors.Join(failed, one.cancelOwnJob())
	}
	return failed
}

// cancelAllOf cancels every migration of a component, also those that the
// project does not define.
func (a *action) cancelAllOf(path string) error {
	ctx, cancel := context.WithTimeout(a.ctx, startTimeout)
	defer cancel()
	if _, err := a.client.Mutate(ctx, wire.Call{Component: path, Path: "lib:cancelAll"}); err != nil && !mayHaveRun(err) {
		return fmt.Errorf("cancel all migrations of component %q: %w", path, err)
	}
	statuses, err := a.client.MigrationStatuses(ctx, path, nil)
	if err != nil {
		return fmt.Errorf("cancel all migrations of component %q: it was asked for, but their status cannot be read: %w", path, err)
	}
	a.e.gotFrom(a.client, path, statuses, nil)
	for _, s := range statuses {
		if s.State == "inProgress" {
			err = errors.Join(err, a.confirm(path, s.Name))
		}
	}
	a.f.change(func() {
		for name, t := range a.e.runs {
			if where, _ := a.e.home(name); where == path && t.run.State == "canceling" && t.cancel == nil {
				t.run.State = t.told
			}
		}
	})
	return err
}

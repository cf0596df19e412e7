package fleet

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"strait/convex/project"
	"strait/plan"
)

// permitted asks the deployment whether the key may do what the action is about
// to do (convex-wire.md 1.2, 2.5), so that nothing fails half way. When that
// cannot be read, the calls themselves tell.
func (a *action) permitted() error {
	a.f.mu.Lock()
	needs := a.e.needs(a.c, a.migration)
	a.f.mu.Unlock()
	if len(needs) == 0 || a.embed != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, 20*time.Second)
	defer cancel()
	got, err := a.client.CheckAdminKey(ctx)
	if err != nil {
		return nil
	}
	access := Access{ReadOnly: got.ReadOnly, Ops: got.AllowedOps}
	if lacks := access.lacks(needs); len(lacks) > 0 {
		return fmt.Errorf("%s %s: the key of %s may not do it, it lacks %s: nothing was sent; use a key that may", a.c.Action, a.c.Migration, a.c.Env, strings.Join(lacks, " and "))
	}
	return nil
}

// beyondKey refuses what the key is known not to do. f.mu is held.
func (e *env) beyondKey(c Command) []plan.Refusal {
	if e.facts.access == nil || e.embedded {
		return nil
	}
	lacks := e.facts.access.lacks(e.needs(c, e.definition(c.Migration)))
	if len(lacks) == 0 {
		return nil
	}
	return []plan.Refusal{{Code: "key-may-not", Why: fmt.Sprintf("the key of %s lacks %s", c.Env, strings.Join(lacks, " and ")), Hint: "use a key that may do it"}}
}

// definition is a migration by name; one that the project does not define, but
// a component there keeps, is the component's. f.mu is held.
func (e *env) definition(name string) project.Migration {
	if m, ok := e.f.migration(name); ok || name == "" {
		return m
	}
	return project.Migration{Name: name, Driver: project.ComponentDriver}
}

// cannotStop refuses to cancel what a component keeps and the project does not
// define. f.mu is held.
func (e *env) cannotStop(c Command, t *tracker) []plan.Refusal {
	switch {
	case e.state != Ready:
		return []plan.Refusal{{Code: "unreachable", Why: cmp.Or(e.problem, c.Env+" is not connected"), Hint: "wait until it is connected"}}
	case t.run.State != "inProgress":
		return []plan.Refusal{{Code: "not-running", Why: fmt.Sprintf("%s is not running in %s", c.Migration, c.Env)}}
	}
	return e.beyondKey(c)
}

// needs are the operations that an action takes (DeploymentOp, 1.2). f.mu is
// held.
func (e *env) needs(c Command, m project.Migration) []string {
	call := "RunInternalMutations"
	if m.Action {
		call = "RunInternalActions"
	}
	switch c.Action {
	case plan.ActRun:
		if c.Supervised && component(m) {
			return []string{"RunTestQuery", call, "WriteData"}
		}
	case plan.ActDryRun:
	case plan.ActBackup:
		return []string{"CreateBackups", "ViewBackups", "DownloadBackups"}
	case plan.ActCancel, plan.ActCancelAll:
		switch t := e.runs[c.Migration]; {
		case t != nil && t.cancel != nil:
			return nil // it is only told to stop
		case c.Action == plan.ActCancel && !component(m):
			return []string{"ViewData", "WriteData"}
		}
		return []string{call, "WriteData"}
	default:
		return nil
	}
	if m.Public {
		return nil
	}
	return []string{call}
}

// recordEnd writes into the journal how a run in the background ended, when
// this Strait lives to see it.
func (a *action) recordEnd() {
	_ = a.f.wait(a.f.ctx, func() bool { // an end at the last moment counts as well
		r := a.e.show(a.c.Migration)
		return !r.active() || a.e.client != a.client
	})
	a.f.mu.Lock()
	r := a.e.show(a.c.Migration)
	a.f.mu.Unlock()
	if r.active() {
		return
	}
	x := a.entry("ended")
	x.Outcome, x.Processed = r.State, r.Processed
	if r.Failure != nil {
		x.Error = recorded(&toldError{r.Failure.Text})
	}
	if err := a.f.journal.write(x); err != nil {
		a.f.change(func() { a.f.say("warn", a.c.Env, err.Error()) })
	}
}

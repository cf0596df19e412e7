package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"strait/convex/wire"
	"strait/plan"
)

// permitted asks the deployment whether the key may do what the action is about
// to do (convex-wire.md 1.2, 2.5), so that nothing fails half way. When that
// cannot be read, the calls themselves tell.
func (a *action) permitted() error {
	needs := a.needs()
	if len(needs) == 0 || a.embed != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, 20*time.Second)
	defer cancel()
	access, err := a.client.CheckAdminKey(ctx)
	if err != nil {
		return nil
	}
	if lacks := lacking(access, needs); len(lacks) > 0 {
		return fmt.Errorf("%s %s: the key of %s may not do it, it lacks %s: nothing was sent; use a key that may", a.c.Action, a.c.Migration, a.c.Env, strings.Join(lacks, " and "))
	}
	return nil
}

// lacking are the operations that a key may not do.
func lacking(access wire.Access, needs []string) []string {
	return slices.DeleteFunc(slices.Clone(needs), func(op string) bool {
		if access.ReadOnly {
			return op == "RunInternalQueries" || op == "RunTestQuery" || op == "DownloadBackups" || strings.HasPrefix(op, "View")
		}
		return access.Allows(op)
	})
}

// needs are the operations that an action takes (DeploymentOp, 1.2).
func (a *action) needs() []string {
	call := "RunInternalMutations"
	if a.migration.Action {
		call = "RunInternalActions"
	}
	switch a.c.Action {
	case plan.ActRun:
		if a.c.Supervised && a.byComponent() {
			return []string{"RunTestQuery", call, "WriteData"}
		}
	case plan.ActDryRun:
	case plan.ActCancel, plan.ActCancelAll:
		a.f.mu.Lock()
		defer a.f.mu.Unlock()
		switch t := a.e.runs[a.c.Migration]; {
		case t != nil && t.cancel != nil:
			return nil // it is only told to stop
		case a.c.Action == plan.ActCancel && !a.byComponent():
			return []string{"ViewData", "WriteData"}
		}
		return []string{call, "WriteData"}
	default:
		return nil
	}
	if a.migration.Public {
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

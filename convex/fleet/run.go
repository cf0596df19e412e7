package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"strait/plan"
)

// Event is one thing that happened during Run, for the headless verbs.
type Event struct {
	Kind      string // start, batch, log, progress (of a census, a proof, a rehearsal, a backup)
	At        time.Time
	Env       string
	Migration string
	State     string
	Processed int64
	Total     int64 // -1 unknown
	Batch     Batch
	Log       LogEntry
	Census    CensusRun
	Backup    BackupRun
	Proof     ProofRun
	Rehearsal RehearsalRun
}

// Outcome is how an action ended.
type Outcome struct {
	Status    string // success, failed, canceled, stopped (the steps asked for are made, or a census's budget is spent); for a census, a rehearsal, a dry run and a deploy: success or failed
	Processed int64
	Failure   *Failure
	DryRun    *DryRun
	Census    *plan.Census
	Backup    *plan.Backup
	Proofs    []plan.Proof // failed: a row is refuted
	Rehearsal *plan.Rehearsal
	Warnings  []plan.Refusal // what the gate let pass, but wants known
}

// Ready waits until an environment is open and what is needed to plan is
// known of it: schema, functions, statuses, table sizes.
func (f *Fleet) Ready(ctx context.Context, name string) error {
	var failed error
	err := f.wait(ctx, func() bool {
		failed = nil
		if f.loading {
			return false
		}
		if f.project == nil {
			failed = errors.New(f.err)
			return true
		}
		e := f.env(name)
		if e == nil {
			failed = fmt.Errorf("no environment %q", name)
			if f.err != "" {
				failed = errors.New(f.err)
			}
			return true
		}
		if e.state == Broken || e.state == Lost && e.known() {
			failed = errors.New(e.problem)
			if !strings.HasPrefix(e.problem, "environment "+name) {
				failed = fmt.Errorf("environment %s: %s", name, e.problem)
			}
			return true
		}
		return e.informed()
	})
	if err != nil {
		return fmt.Errorf("environment %s did not open: %w", name, err)
	}
	return failed
}

// informed reports whether what is needed to plan is known. f.mu is held.
func (e *env) informed() bool { return e.state == Ready && e.known() }

// known reports whether all that is watched was told once,
// and a certificate of before was looked at again. f.mu is held.
func (e *env) known() bool {
	c := e.certificate
	return e.all() && (e.doubt == "" || e.rechecked || c == nil || !c.Revoked.IsZero())
}

// all reports whether all that is watched was told once. f.mu is held.
func (e *env) all() bool {
	return e.functionsKnown && e.innerKnown() && e.statusesKnown && (e.tablesKnown || e.tablesProblem != "")
}

// Settled waits until every environment is open and known, or broken.
func (f *Fleet) Settled(ctx context.Context) error {
	return f.wait(ctx, func() bool {
		if f.loading {
			return false
		}
		for _, e := range f.envs {
			if e.state != Broken && !e.informed() && !(e.state == Lost && e.known()) {
				return false
			}
		}
		return true
	})
}

// Now makes a snapshot of this very moment, for a reader that cannot wait for
// the next one.
func (f *Fleet) Now() *Snapshot { return f.build(f.snap.Load().Seq, 0) }

// Run does an action and waits until it ended, telling each batch as it comes;
// emit may be nil and is called from the goroutine that called Run. When ctx
// ends first, a run of the component goes on where it runs, and a run that
// Strait drives stops after the batch in flight when the fleet is closed. A
// supervised run ends where it would pause, after the steps asked for.
func (f *Fleet) Run(ctx context.Context, c Command, emit func(Event)) (Outcome, error) {
	if emit == nil {
		emit = func(Event) {}
	}
	if c.Action == plan.ActProve {
		return f.runProof(ctx, c, emit)
	}
	if err := f.Ready(ctx, c.Env); err != nil {
		return Outcome{}, err
	}
	if err := f.readyBefore(ctx, c.Env); err != nil {
		return Outcome{}, err
	}
	if err := f.wait(ctx, func() bool { return f.codeRead || c.Action != plan.ActRun }); err != nil {
		return Outcome{}, err
	}
	if c.Supervised || c.Reset {
		if err := f.readyComponents(ctx, c.Env); err != nil {
			return Outcome{}, err
		}
	}
	_, warnings := f.Check(c)
	a, err := f.begin(c)
	if err != nil {
		return Outcome{}, err
	}
	w := newWatcher(a, emit)
	f.spawn(a.perform)
	out, err := w.follow(ctx)
	out.Warnings = warnings
	var refused *Refused
	if err == nil && errors.As(a.ended(), &refused) {
		return out, refused // what only a look at the work tree tells
	}
	return out, err
}

// componentsWait is how long a run waits to know the installed components: a
// limited key may not ask for them.
const componentsWait = 5 * time.Second

// readyComponents waits until it is known what the installed components
// understand, so that the gate can refuse what they do not; while it is not
// known, the run itself finds out.
func (f *Fleet) readyComponents(ctx context.Context, name string) error {
	bounded, cancel := context.WithTimeout(ctx, f.patience(componentsWait))
	defer cancel()
	err := f.wait(bounded, func() bool {
		e := f.env(name)
		return e == nil || e.state != Ready || e.facts.componentsKnown
	})
	if errors.Is(bounded.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

// readyBefore waits for the environments ahead of a protected one: its gate
// asks for them.
func (f *Fleet) readyBefore(ctx context.Context, name string) error {
	return f.wait(ctx, func() bool {
		e := f.env(name)
		if e == nil || !e.cfg.Protected {
			return true
		}
		for _, before := range f.envs {
			if before == e {
				return true
			}
			if before.state != Broken && !before.informed() {
				return false
			}
		}
		return true
	})
}

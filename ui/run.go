package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/plan"
)

// resolveEnv checks the name of an environment against the project's.
func resolveEnv(p *project.Project, name string) (project.Env, error) {
	var known []string
	for _, e := range p.Config.Envs {
		if e.Name == name {
			return e, nil
		}
		known = append(known, e.Name)
	}
	return project.Env{}, unknownEnv(name, known)
}

// resolveMigration finds a migration by its whole name, or by a shorter one when
// only one is called so.
func resolveMigration(p *project.Project, name string) (project.Migration, error) {
	var hits, near []string
	var hit project.Migration
	for _, m := range p.Migrations {
		if m.Name == name {
			return m, nil
		}
		if m.Called(name) {
			hits, hit = append(hits, m.Name), m
		}
		if strings.Contains(strings.ToLower(m.Name), strings.ToLower(short(name))) {
			near = append(near, m.Name)
		}
	}
	switch {
	case len(hits) == 1:
		return hit, nil
	case len(hits) > 1:
		return project.Migration{}, usage(hint(fmt.Errorf("several migrations are called %q", name), "name one of "+strings.Join(hits, ", ")))
	case len(near) > 0 && name != "":
		return project.Migration{}, usage(hint(fmt.Errorf("there is no migration %q", name), "did you mean "+strings.Join(near, ", ")))
	case len(p.Migrations) == 0:
		return project.Migration{}, usage(hint(fmt.Errorf("there is no migration %q: the project defines none", name), "strait inspect shows what was loaded, and what was not"))
	}
	var all []string
	for _, m := range p.Migrations {
		all = append(all, m.Name)
	}
	hints := []string{"name one of " + strings.Join(all, ", ")}
	if n := failures(p.Problems); n > 0 {
		hints = append(hints, plural(int64(n), "problem")+" may hide others: strait inspect shows what was not loaded")
	}
	return project.Migration{}, usage(hint(fmt.Errorf("there is no migration %q", name), hints...))
}

// failures counts the problems that are no warnings.
func failures(problems []jsrun.Problem) (n int) {
	for _, p := range problems {
		if !p.Warning {
			n++
		}
	}
	return n
}

// runFlags are the flags of strait run.
type runFlags struct {
	env, confirm, override string
	dryRun, reset          bool
	batch, steps           int
	supervised             bool
	throttle               time.Duration
	cursor                 string
	fromCursor             bool // cursor was given
}

func (c *cli) runVerb() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run NAME --env ENV [--supervised]",
		Short: "Run a migration, or make a dry run of it, and wait until it ends",
		Long: `Run starts a migration, or resumes it where it stopped, and follows it until it
ends: one line a batch, or one JSON object a line with --json. The last object is
  {"event":"end","migration","environment","status":"success|failed|canceled|stopped","processed","error"?,"document"?}

A migration of the component goes on in the deployment when Strait ends. With
--supervised Strait makes its batches one by one: they can be slowed down and
counted, and ctrl+c stops after the batch in flight. A later run goes on there.
With --steps it ends by itself after so many batches: "stopped", which is no error.

A protected environment must be named a second time with --confirm.`,
		Example: "  strait run setDefaultPlan --env staging --dry-run\n  strait run setDefaultPlan --env prod --confirm prod --json\n  strait run setDefaultPlan --env prod --confirm prod --supervised --steps 1",
		Args:    oneArg("the name of a migration"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.fromCursor = cmd.Flags().Changed("cursor")
			return c.run(args[0], f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.env, "env", "", "environment to run in")
	fl.BoolVar(&f.dryRun, "dry-run", false, "run one batch, roll it back, show what would change")
	fl.IntVar(&f.batch, "batch-size", 0, "documents a batch (default: the migration's own)")
	fl.BoolVar(&f.supervised, "supervised", false, "make the batches one by one from here, and stop when strait stops")
	fl.IntVar(&f.steps, "steps", 0, "with --supervised: stop after so many batches")
	fl.DurationVar(&f.throttle, "throttle", 0, "with --supervised: rest so long between two batches, as 250ms")
	fl.StringVar(&f.cursor, "cursor", "", "begin at this cursor")
	fl.BoolVar(&f.reset, "reset", false, "begin again at the first document")
	fl.StringVar(&f.confirm, "confirm", "", "the environment's name once more, for a protected one")
	fl.StringVar(&f.override, "override", "", "reason for acting before the environment ahead is clean; it is recorded")
	cmd.ValidArgsFunction = c.completeMigration
	c.completeEnv(cmd, "env", "confirm")
	return cmd
}

// completeMigration offers the project's migrations to the shell.
func (c *cli) completeMigration(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, stop := interruptible()
	defer stop()
	p, err := c.load(ctx)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, m := range p.Migrations {
		out = append(out, m.Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeEnv offers the project's environments to the shell.
func (c *cli) completeEnv(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		err := cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			ctx, stop := interruptible()
			defer stop()
			p, err := c.load(ctx)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var out []cobra.Completion
			for _, e := range p.Config.Envs {
				out = append(out, e.Name)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // the flag was not declared just before
		}
	}
}

// misused says what is wrong with the flags; nil nothing.
func (f runFlags) misused() error {
	steered := f.supervised
	switch {
	case f.batch < 0:
		return fmt.Errorf("--batch-size %d is not a number of documents", f.batch)
	case f.steps < 0:
		return fmt.Errorf("--steps %d is not a number of batches", f.steps)
	case f.throttle < 0:
		return fmt.Errorf("--throttle %s is no rest", f.throttle)
	case f.steps > 0 && !steered:
		return hint(errors.New("--steps counts the batches of a supervised run"), "add --supervised")
	case f.throttle > 0 && !steered:
		return hint(errors.New("--throttle slows a supervised run down"), "add --supervised")
	case f.fromCursor && f.reset:
		return errors.New("--cursor and --reset both say where to begin: give one")
	case f.dryRun && (steered || f.fromCursor):
		return errors.New("a dry run is one batch from where the run would begin: --supervised and --cursor are for runs")
	}
	return nil
}

func (c *cli) run(name string, fl runFlags) error {
	if err := fl.misused(); err != nil {
		return usage(err)
	}
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, fl.env)
	if err != nil {
		return err
	}
	m, err := resolveMigration(p, name)
	if err != nil {
		return err
	}
	if fl.confirm != "" && fl.confirm != e.Name {
		return &coded{hint(fmt.Errorf("--confirm %s does not name the environment", fl.confirm), "to run in "+e.Name+": --confirm "+e.Name), exitRefused}
	}
	cmd := fleet.Command{Action: plan.ActRun, Env: e.Name, Migration: m.Name, BatchSize: fl.batch, Reset: fl.reset, Supervised: fl.supervised, Steps: fl.steps, Throttle: fl.throttle,
		Typed: fl.confirm, Override: fl.override, By: "cli"}
	if fl.fromCursor {
		cmd.Cursor = &fl.cursor
	}
	if fl.dryRun {
		cmd.Action = plan.ActDryRun
	}
	if e.Embedded() && !fl.dryRun {
		fmt.Fprintf(c.err, "note: %s is an embedded rehearsal, built for this run: what is written is gone when it ends\n", clean(e.Name))
	}
	// An interrupt ends the waiting, not the fleet: what Strait drives is then
	// stopped in order.
	f := fleet.Open(context.WithoutCancel(ctx), fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	t := &teller{jsonLines: jsonLines{cli: c}, cmd: cmd, driver: m.Driver}
	out, err := f.Run(ctx, cmd, t.tell)
	if err != nil {
		if ctx.Err() != nil && cmd.Supervised {
			return c.stopped(f, t)
		}
		return c.notRun(ctx, cmd, fateOf(e, m, cmd.Action), err)
	}
	for _, w := range out.Warnings {
		fmt.Fprintln(c.err, "warning: "+clean(w.Why))
	}
	if err := t.end(out); err != nil {
		return err
	}
	switch out.Status {
	case "success", "stopped":
		return nil
	case "canceled":
		return &coded{errSaid, exitCanceled}
	}
	return &coded{errSaid, exitFailed}
}

// inFlight is how long an interrupted run waits for the answer of its batch.
const inFlight = time.Minute

// stopped ends an interrupted supervised run after its batch, and says where
// it stands.
func (c *cli) stopped(f *fleet.Fleet, t *teller) error {
	fmt.Fprintln(c.err, "strait: stopping after the batch in flight; once more ends at once")
	ctx, cancel := context.WithTimeout(context.Background(), inFlight)
	defer cancel()
	cmd := t.cmd
	resume := "strait run " + shellWord(cmd.Migration) + " --env " + shellWord(cmd.Env) + " goes on there"
	out, err := f.Run(ctx, fleet.Command{Action: plan.ActCancel, Env: cmd.Env, Migration: cmd.Migration, By: cmd.By}, nil)
	var refused *fleet.Refused
	switch {
	case errors.As(err, &refused): // it had not begun, or has ended
		return &coded{hint(errors.New("interrupted"), "no batch is in flight; strait status --env "+shellWord(cmd.Env)+" shows how far it is"), exitInterrupted}
	case err != nil:
		return &coded{hint(fmt.Errorf("interrupted: the batch in flight was not answered: %w", err), "it may have been committed: strait status --env "+shellWord(cmd.Env)+" shows it"), exitInterrupted}
	}
	out.Status = "stopped"
	if err := t.end(out); err != nil {
		return err
	}
	return &coded{hint(errors.New("interrupted: stopped after the batch in flight"), resume), exitInterrupted}
}

// notRun says why an action did not come to its end.
func (c *cli) notRun(ctx context.Context, cmd fleet.Command, fate string, err error) error {
	var refused *fleet.Refused
	if errors.As(err, &refused) {
		if c.json {
			if err := c.line(map[string]any{"event": "refused", "migration": cmd.Migration, "environment": cmd.Env, "action": cmd.Action, "reasons": refused.Reasons}); err != nil {
				return err
			}
		}
		return &coded{hint(refused, onCommandLine(cmd, refused)...), exitRefused}
	}
	if ctx.Err() == nil {
		return err
	}
	return &coded{hint(errors.New("interrupted"), fate), exitInterrupted}
}

// fateOf says what becomes of an action that is interrupted.
func fateOf(e project.Env, m project.Migration, a plan.Action) string {
	status := "strait status --env " + shellWord(e.Name) + " shows it"
	switch {
	case e.Embedded():
		return "an embedded environment ends with strait, so nothing is left of it"
	case a == plan.ActCensus || a == plan.ActDryRun:
		return "nothing was written"
	case a == plan.ActBackup:
		return "nothing of it is kept, and the export that it had asked for is canceled there, if the key may do that"
	case a == plan.ActCancel:
		return "the cancel may have arrived: " + status
	case a == plan.ActWiden || a == plan.ActNarrow:
		return "the deploy command was stopped; strait status --env " + shellWord(e.Name) + " shows what is deployed there"
	case m.GoesOn():
		return "it goes on in " + e.Name + " without Strait: " + status + ", strait cancel " + shellWord(m.Name) + " --env " + shellWord(e.Name) + " stops it"
	}
	return "Strait drove it, so it stopped after its batch; what is written stays in " + e.Name
}

// onCommandLine says what a refusal's ways out are called here.
func onCommandLine(cmd fleet.Command, refused *fleet.Refused) (hints []string) {
	for _, r := range refused.Reasons {
		switch r.Code {
		case "protected":
			hints = append(hints, "with the name on the command line: --confirm "+cmd.Env)
		case "dry-run-missing":
			hints = append(hints, fmt.Sprintf("the dry run: strait run %s --env %s --dry-run", shellWord(cmd.Migration), shellWord(cmd.Env)))
		case "backup-missing":
			hints = append(hints, "the backup: strait backup --env "+shellWord(cmd.Env), `or the reason: --override "why it may go without"`)
		case "order":
			hints = append(hints, `the reason: --override "why it cannot wait"`)
		}
	}
	return hints
}

package ui

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// deployFlags are the flags of strait widen and strait narrow.
type deployFlags struct{ env, confirm, override string }

func (c *cli) widenVerb() *cobra.Command {
	return c.deployVerb(plan.ActWiden, "Deploy the widened schema to an environment, and wait until it is active", `Widen deploys a schema that accepts old and new documents: into an embedded
environment in place, to a real one by the project's own command, which
strait.toml names: deploy = "npx convex deploy". The command runs in the project's
folder and gets the environment's key by the variables that the Convex CLI reads.
It runs only when the work tree's schema accepts what the environment accepts now
and what the target accepts: strait plan --widened --env ENV writes such a one.`)
}

func (c *cli) narrowVerb() *cobra.Command {
	return c.deployVerb(plan.ActNarrow, "Deploy the target schema to an environment, and wait until it is active", `Narrow deploys the target schema, which refuses documents of the old shape from
then on: into an embedded environment in place, to a real one by the project's own
command, which strait.toml names: deploy = "npx convex deploy". It is allowed only
with a full, fresh census of zero, which it takes itself (reading only), and when
the work tree's schema is the target.`)
}

func (c *cli) deployVerb(act plan.Action, short, long string) *cobra.Command {
	var f deployFlags
	cmd := &cobra.Command{
		Use: string(act) + " --env ENV", Short: short,
		Long:    long + "\n\nA protected environment must be named a second time with --confirm.",
		Example: fmt.Sprintf("  strait %s --env staging\n  strait %s --env prod --confirm prod --json", act, act),
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.deploy(act, f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.env, "env", "", "environment to deploy to")
	fl.StringVar(&f.confirm, "confirm", "", "the environment's name once more, for a protected one")
	if act == plan.ActNarrow {
		fl.StringVar(&f.override, "override", "", "reason for acting before the environment ahead is clean; it is recorded")
	}
	c.completeEnv(cmd, "env", "confirm")
	return cmd
}

// deployEnd is the last line of strait widen --json and strait narrow --json.
type deployEnd struct {
	Event       string `json:"event"`
	Action      string `json:"action"`
	Environment string `json:"environment"`
	Status      string `json:"status"` // success, failed
	Error       string `json:"error,omitempty"`
}

func (c *cli) deploy(act plan.Action, fl deployFlags) error {
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, fl.env)
	if err != nil {
		return err
	}
	if fl.confirm != "" && fl.confirm != e.Name {
		return &coded{hint(fmt.Errorf("--confirm %s does not name the environment", fl.confirm), "to deploy to "+e.Name+": --confirm "+e.Name), exitRefused}
	}
	if e.Embedded() {
		fmt.Fprintf(c.err, "note: %s is an embedded rehearsal, built for this run: what is deployed is gone when it ends\n", clean(e.Name))
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	cmd := fleet.Command{Action: act, Env: e.Name, Typed: fl.confirm, Override: fl.override, By: "cli"}
	if err := c.prove(ctx, f, cmd); err != nil {
		return err
	}
	var failed error
	began := time.Now()
	out, err := f.Run(ctx, cmd, func(ev fleet.Event) {
		if err := c.tellDeploy(cmd, e.Deploy, ev); err != nil && failed == nil {
			failed = err
		}
	})
	if err != nil {
		return c.notRun(ctx, cmd, fateOf(e, project.Migration{}, act), err)
	}
	for _, w := range out.Warnings {
		fmt.Fprintln(c.err, "warning: "+clean(w.Why))
	}
	if err := c.deployEnded(cmd, out, began); err != nil {
		return err
	}
	if out.Status != "success" {
		return &coded{errSaid, exitFailed}
	}
	return failed
}

// prove counts the documents where a count is all that a narrow lacks: none
// outlives the process that took it, so an earlier one cannot be had.
func (c *cli) prove(ctx context.Context, f *fleet.Fleet, cmd fleet.Command) error {
	if cmd.Action != plan.ActNarrow || f.Ready(ctx, cmd.Env) != nil {
		return nil // Run tells why it is not ready
	}
	refusals, _ := f.Check(cmd)
	unprovable := func(r plan.Refusal) bool { return !uncounted(r) && r.Code != "order" }
	if len(refusals) == 0 || slices.ContainsFunc(refusals, unprovable) {
		return nil
	}
	g := gateRun{cli: c, gateOptions: gateOptions{count: true, wait: silence}}
	_, _, err := g.look(ctx, f)
	return err
}

func (c *cli) tellDeploy(cmd fleet.Command, command string, ev fleet.Event) error {
	switch {
	case c.json:
		l := eventLine{Event: ev.Kind, At: ev.At.UTC().Format(time.RFC3339Nano), Environment: ev.Env}
		if ev.Kind == "log" {
			l.Level, l.Text = ev.Log.Level, ev.Log.Text
		}
		return c.line(l)
	case ev.Kind == "start":
		by := ""
		if command != "" {
			by = ": " + command
		}
		c.say("%s %s%s", cmd.Action, ev.Env, by)
	case ev.Kind == "log":
		c.say("  %s", ev.Log.Text)
	}
	return nil
}

func (c *cli) deployEnded(cmd fleet.Command, out fleet.Outcome, began time.Time) error {
	end := deployEnd{Event: "end", Action: string(cmd.Action), Environment: cmd.Env, Status: out.Status}
	if out.Failure != nil {
		end.Error = out.Failure.Summary
	}
	if c.json {
		return c.line(end)
	}
	if end.Error != "" {
		c.complain(fmt.Errorf("%s %s failed: %s", cmd.Action, cmd.Env, out.Failure.Text))
		return nil
	}
	c.say("success: the schema is active in %s, after %s", cmd.Env, span(time.Since(began)))
	return nil
}

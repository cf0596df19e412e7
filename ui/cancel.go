package ui

import (
	"errors"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// cancelVerb stops a migration that goes on in a deployment, after its batch.
func (c *cli) cancelVerb() *cobra.Command {
	var env, confirm string
	var all bool
	cmd := &cobra.Command{
		Use:   "cancel NAME --env ENV",
		Short: "Stop a migration that runs in an environment, or all, after their batch",
		Long: `Cancel stops a migration, or every member of a series, that runs in an
environment, whoever started it; with --all every migration that its component
runs. What is written stays; strait run goes on from there.`,
		Example: "  strait cancel setDefaultPlan --env staging\n  strait cancel --all --env prod --confirm prod",
		Args: func(cmd *cobra.Command, args []string) error {
			if all {
				return noArgs(cmd, args)
			}
			return oneArg("the name of a migration, or --all")(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if all {
				return c.cancelAll(env, confirm)
			}
			return c.cancel(args[0], env)
		},
	}
	cmd.Flags().StringVar(&env, "env", "", "environment it runs in")
	cmd.Flags().BoolVar(&all, "all", false, "every migration that runs there")
	cmd.Flags().StringVar(&confirm, "confirm", "", "with --all: the environment's name once more, for a protected one")
	cmd.ValidArgsFunction = c.completeMigration
	c.completeEnv(cmd, "env", "confirm")
	return cmd
}

// cancelAll stops all that runs in an environment.
func (c *cli) cancelAll(env, confirm string) error {
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, env)
	if err != nil {
		return err
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	cmd := fleet.Command{Action: plan.ActCancelAll, Env: e.Name, Typed: confirm, By: "cli"}
	out, err := f.Run(ctx, cmd, nil)
	if err != nil {
		return c.notRun(ctx, cmd, fateOf(e, project.Migration{}, plan.ActCancel), err)
	}
	if out.Failure != nil {
		return hint(errors.New(out.Failure.Summary), "strait status --env "+shellWord(e.Name)+" shows what runs now")
	}
	if c.json {
		return c.line(endLine{Event: "end", Environment: e.Name, Status: "canceled"})
	}
	c.say("canceled: nothing runs in %s any more", e.Name)
	return nil
}

func (c *cli) cancel(name, env string) error {
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, env)
	if err != nil {
		return err
	}
	m, err := resolveMigration(p, name)
	if err != nil {
		return err
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	cmd := fleet.Command{Action: plan.ActCancel, Env: e.Name, Migration: m.Name, By: "cli"}
	out, err := f.Run(ctx, cmd, nil)
	if err != nil {
		return c.notRun(ctx, cmd, fateOf(e, m, cmd.Action), err)
	}
	if out.Failure != nil {
		return hint(errors.New(out.Failure.Summary), "strait status --env "+shellWord(e.Name)+" shows what it does now")
	}
	if c.json {
		return c.line(endLine{Event: "end", Migration: m.Name, Environment: e.Name, Status: "canceled", Processed: out.Processed})
	}
	c.say("canceled: %s in %s stands after %s", m.Name, e.Name, documents(out.Processed))
	return nil
}

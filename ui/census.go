package ui

import (
	"errors"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

func (c *cli) censusVerb() *cobra.Command {
	var env, file string
	cmd := &cobra.Command{
		Use:   "census --env ENV | --snapshot FILE",
		Short: "Count the documents of an environment, or of an export, that do not fit the target",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case file != "" && env != "":
				return usage(errors.New("--env and --snapshot both say where to count: give one"))
			case file != "":
				return c.censusOfSnapshot(file, "")
			}
			return c.census(env)
		},
	}
	cmd.Flags().StringVar(&env, "env", "", "environment to count in")
	cmd.Flags().StringVar(&file, "snapshot", "", "export to count in instead: the ZIP of npx convex export, or of strait backup")
	c.completeEnv(cmd, "env")
	return cmd
}

func (c *cli) census(env string) error {
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, env)
	if err != nil {
		return err
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	cmd := fleet.Command{Action: plan.ActCensus, Env: e.Name, By: "cli"}
	out, err := f.Run(ctx, cmd, nil)
	if err != nil {
		return c.notRun(ctx, cmd, fateOf(e, project.Migration{}, cmd.Action), err)
	}
	if out.Census == nil {
		cause := errors.New("the census did not come to its end")
		if out.Failure != nil {
			cause = errors.New(out.Failure.Summary)
		}
		return cause
	}
	if c.json {
		return c.block(out.Census)
	}
	c.sayFound(out.Census, e.Name)
	return nil
}

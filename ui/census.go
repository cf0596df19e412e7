package ui

import (
	"errors"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

func (c *cli) censusVerb() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "census --env ENV",
		Short: "Count the documents of an environment that do not fit the target",
		Args:  noArgs,
		RunE:  func(*cobra.Command, []string) error { return c.census(env) },
	}
	cmd.Flags().StringVar(&env, "env", "", "environment to count in")
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
	if out.Census.Offenders == 0 {
		c.say("all %s of %s fit the target", documents(out.Census.Read), e.Name)
		return nil
	}
	c.say("%s of %s in %s do not fit the target", documents(out.Census.Offenders), count(out.Census.Read), e.Name)
	rows := [][]string{}
	for _, g := range out.Census.Groups {
		sample := ""
		if len(g.Samples) > 0 {
			sample = g.Samples[0].ID
		}
		rows = append(rows, []string{"  " + count(g.Count), groupName(g), reasonWord(g.Reason), sample})
	}
	c.table(rows, 0)
	return nil
}

package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/plan"
)

// settled opens the fleet, waits until every environment is known or broken,
// and gives the snapshot of that moment.
func (c *cli) settled(ctx context.Context) (*fleet.Snapshot, error) {
	f := fleet.Open(ctx, fleet.Options{Dir: c.project})
	defer f.Close()
	err := f.Settled(ctx)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, err
	}
	s := f.Now()
	if s.Err != "" {
		return nil, errors.New(s.Err)
	}
	for _, pr := range s.Project.Problems {
		if !pr.Warning {
			var hints []string
			if pr.Hint != "" {
				hints = append(hints, pr.Hint)
			}
			c.complain(hint(pr, hints...))
		}
	}
	return s, nil
}

// planReport is the JSON of strait plan, version 1.
type planReport struct {
	Version int    `json:"version"`
	Project string `json:"project"`
	Target  string `json:"target"`
	plan.Plan
}

func (c *cli) planVerb() *cobra.Command {
	var env string
	var widened bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Write what must be widened, migrated and narrowed, in every environment",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := interruptible()
			defer stop()
			s, err := c.settled(ctx)
			if err != nil {
				return err
			}
			if env != "" || widened {
				if err := keepEnv(s, env); err != nil {
					return err
				}
			}
			switch {
			case widened:
				w := s.Plan.Envs[0].Widened
				if w == nil {
					return fmt.Errorf("the widened schema of %s is not known: %s", env, s.Envs[0].Err)
				}
				_, err = fmt.Fprint(c.out, w.TypeScript())
				return err
			case c.json:
				return c.block(planReport{1, s.Project.Name, s.Project.Target, s.Plan})
			}
			c.tellPlan(s)
			return nil
		},
	}
	cmd.Flags().StringVar(&env, "env", "", "only this environment")
	cmd.Flags().BoolVar(&widened, "widened", false, "write the widened schema of --env as TypeScript")
	c.completeEnv(cmd, "env")
	return cmd
}

// keepEnv leaves one environment in the snapshot.
func keepEnv(s *fleet.Snapshot, name string) error {
	i := envIndex(s, name)
	if i < 0 {
		return unknownEnv(name, envNames(s))
	}
	s.Envs, s.Plan.Envs = s.Envs[i:i+1], s.Plan.Envs[i:i+1]
	for r := range s.Plan.Rows {
		s.Plan.Rows[r].Cells = s.Plan.Rows[r].Cells[i : i+1]
	}
	return nil
}

func envNames(s *fleet.Snapshot) []string {
	var out []string
	for _, e := range s.Envs {
		out = append(out, e.Name)
	}
	return out
}

// unknownEnv lists what there is.
func unknownEnv(name string, known []string) error {
	cause := fmt.Errorf("there is no environment %q", name)
	if name == "" {
		cause = errors.New("no environment was named")
	}
	if len(known) == 0 {
		return usage(hint(cause, "strait.toml lists environments; this project has none"))
	}
	return usage(hint(cause, "--env takes one of "+strings.Join(known, ", ")))
}

// nothingToDo says what a plan without a change means.
func nothingToDo(s *fleet.Snapshot) string {
	for _, e := range s.Plan.Envs {
		if e.Narrow.State == plan.Unknown {
			return "no change is known: what could not be read is named below"
		}
	}
	return "nothing to migrate: every environment fits the target"
}

func stateWord(s plan.Step) string {
	if s.State == plan.Todo {
		return "to do"
	}
	return string(s.State)
}

func (c *cli) tellPlan(s *fleet.Snapshot) {
	c.say("%s, target %s", s.Project.Name, s.Project.Target)
	fmt.Fprintln(c.out)
	rows := [][]string{{"CHANGE OR MIGRATION", "MIGRATION"}}
	for _, e := range s.Envs {
		rows[0] = append(rows[0], strings.ToUpper(e.Name))
	}
	for _, r := range s.Plan.Rows {
		var names []string
		for _, n := range r.Migrations {
			names = append(names, short(n))
		}
		line := []string{r.Title, strings.Join(names, ", ")}
		for i := range r.Cells {
			line = append(line, stand(&r, &r.Cells[i], s.Envs[i].Runs).text())
		}
		rows = append(rows, line)
	}
	if len(rows) == 1 {
		c.say("%s", nothingToDo(s))
	} else {
		c.table(rows)
	}
	for i, e := range s.Plan.Envs {
		fmt.Fprintln(c.out)
		head := e.Env
		if i < len(s.Envs) && s.Envs[i].Err != "" {
			head += ": " + s.Envs[i].Err
		}
		c.say("%s", head)
		steps := [][]string{}
		for j, st := range []plan.Step{e.Widen, e.Migrate, e.Narrow} {
			text := st.Why
			if text == "" {
				text = st.Evidence
			}
			steps = append(steps, []string{"  " + stepNames[j], stateWord(st), text})
		}
		c.table(steps)
		for _, ch := range e.Changes {
			c.say("  %s  %s", ch.Class, ch.Message)
		}
	}
}

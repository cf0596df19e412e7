package ui

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/plan"
)

// doctorReport is the JSON of strait doctor, version 1.
type doctorReport struct {
	Version      int             `json:"version"`
	Well         bool            `json:"well"` // no problem anywhere; warnings may be
	Project      string          `json:"project"`
	Environments []fleet.Checkup `json:"environments"`
	Problems     []jsrun.Problem `json:"problems"` // of the project and its strait.toml, warnings too
}

func (c *cli) doctorVerb() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Tell of every environment whether it can be reached, and what works there",
		Long: `Doctor looks at every environment and says how it was found, whether it can be
reached, what its key may do, what is deployed there, and what is missing, each
with the way out. It only reads. It ends with 0 when there is no problem, else
with 1; a warning is no problem.`,
		Example: "  strait doctor\n  strait doctor --env prod --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.doctor(env) },
	}
	cmd.Flags().StringVar(&env, "env", "", "only this environment")
	c.completeEnv(cmd, "env")
	return cmd
}

func (c *cli) doctor(env string) error {
	ctx, stop := interruptible()
	defer stop()
	p, names, err := c.loadOnly(ctx, env)
	if err != nil {
		return err
	}
	checkups := fleet.Examine(ctx, p, names)
	if err := ctx.Err(); err != nil {
		return err
	}
	report := doctorReport{Version: 1, Well: true, Project: p.Name, Environments: checkups, Problems: list(p.Problems)}
	for _, x := range checkups {
		report.Well = report.Well && x.State() != fleet.Trouble
	}
	for _, pr := range p.Problems {
		report.Well = report.Well && pr.Warning
	}
	if c.json {
		err = c.block(report)
	} else {
		c.tellDoctor(report)
	}
	if err == nil && !report.Well {
		return &coded{errSaid, exitError}
	}
	return err
}

func (c *cli) tellDoctor(r doctorReport) {
	g := newLook(true, c.ascii || needsASCII()).g
	signs := map[fleet.Verdict]string{fleet.Fine: g.state(plan.Done), fleet.Doubt: g.state(plan.Blocked), fleet.Trouble: g.state(plan.Failed)}
	problems, warnings := 0, 0
	for i, x := range r.Environments {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		kind := strings.TrimSpace(x.Deployment + "  " + x.URL)
		if x.Embedded {
			kind = "embedded"
		}
		if x.Protected {
			kind += ", protected"
		}
		c.say("%s  %s", x.Name, kind)
		for _, f := range x.Findings {
			c.say("  %s %-8s %-11s %s", signs[f.State], f.State, f.Check, f.Text)
			if f.Hint != "" {
				c.say("  %s %-8s %-11s hint: %s", strings.Repeat(" ", width(signs[f.State])), "", "", f.Hint)
			}
			switch f.State {
			case fleet.Trouble:
				problems++
			case fleet.Doubt:
				warnings++
			}
		}
	}
	for _, pr := range r.Problems {
		state := fleet.Trouble
		if pr.Warning {
			state = fleet.Doubt
			warnings++
		} else {
			problems++
		}
		fmt.Fprintln(c.out)
		c.say("%s %s  %s", signs[state], state, pr.Error())
		if pr.Hint != "" {
			c.say("  hint: %s", pr.Hint)
		}
	}
	fmt.Fprintln(c.out)
	switch {
	case problems+warnings == 0:
		c.say("all is well in %s", plural(int64(len(r.Environments)), "environment"))
	default:
		c.say("%s, %s", plural(int64(problems), "problem"), plural(int64(warnings), "warning"))
	}
}

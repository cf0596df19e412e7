package ui

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"strait/plan"
)

// hazardsVerb explains the rules behind a plan's hazards.
func (c *cli) hazardsVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "hazards [CODE]",
		Short: "Explain the hazards that a plan warns of",
		Long: `List the rules behind a plan's hazards, or explain one: why it matters, and the
safe way. A rule's severity is the worst that it gives: a plan may rate a case
milder. A hazard that the team accepts is waived in strait.toml:

  [[waive]]
  code = "SW103"
  path = "users.avatarUrl"            # or table, migration, env, file; narrower is better
  reason = "the pictures moved to storage in March"
  until = 2026-12-31`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(fmt.Errorf("%s explains one hazard at a time, got %q as well", cmd.CommandPath(), args[1]))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var out []string
			for _, r := range plan.Rules() {
				out = append(out, r.Code+"\t"+r.Name)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			rules := plan.Rules()
			if len(args) == 0 {
				return c.tellRules(rules)
			}
			for _, r := range rules {
				if strings.EqualFold(r.Code, args[0]) || r.Name == args[0] {
					return c.tellRule(r)
				}
			}
			return usage(hint(fmt.Errorf("there is no hazard %q", args[0]), "strait hazards lists them"))
		},
	}
}

func (c *cli) tellRules(rules []plan.Rule) error {
	if c.json {
		return c.block(rules)
	}
	rows := [][]string{}
	for _, r := range rules {
		rows = append(rows, []string{r.Code, string(r.Severity), r.Name})
	}
	c.table(rows)
	return nil
}

func (c *cli) tellRule(r plan.Rule) error {
	if c.json {
		return c.block(r)
	}
	c.say("%s %s (%s at worst)", r.Code, r.Name, r.Severity)
	fmt.Fprintln(c.out)
	c.wrapped("", "", r.Why)
	fmt.Fprintln(c.out)
	c.wrapped("safe way: ", "", r.Safe)
	return nil
}

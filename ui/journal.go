package ui

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
)

// journalLine is one action in the JSON of strait journal, one a line.
type journalLine struct {
	At          time.Time  `json:"at"`
	Environment string     `json:"environment,omitempty"`
	Deployment  string     `json:"deployment,omitempty"`
	Action      string     `json:"action"`
	What        string     `json:"what"` // in words
	Migration   string     `json:"migration,omitempty"`
	By          string     `json:"by,omitempty"`
	Outcome     string     `json:"outcome,omitempty"` // ok, failed, unknown; none: no answer is recorded
	Ended       *time.Time `json:"ended,omitempty"`
	Processed   int64      `json:"processed,omitempty"`
	Offenders   *int64     `json:"offenders,omitempty"`
	Override    string     `json:"override,omitempty"`
	Error       string     `json:"error,omitempty"`
	Notes       []string   `json:"notes,omitempty"`
}

func (c *cli) journalVerb() *cobra.Command {
	var env string
	var n int
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Write what was done in this project: every action and its answer",
		Long: `Journal writes the newest actions of .strait/journal.jsonl, the newest last: when,
where, what, by the screen or the command line, and what became of it, with the
reasons of those who stepped over the order. No key and no document is in it.`,
		Example: "  strait journal\n  strait journal --env prod --last 500 --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.journal(env, n) },
	}
	cmd.Flags().StringVar(&env, "env", "", "only this environment")
	cmd.Flags().IntVar(&n, "last", 100, "how many actions to write")
	c.completeEnv(cmd, "env")
	return cmd
}

// journalRead is how many lines are read for one action that is asked for:
// asked, answered, ended, and those of other environments.
const journalRead = 20

func (c *cli) journal(env string, n int) error {
	if n < 1 {
		return usage(fmt.Errorf("--last %d is not a number of actions", n))
	}
	at, err := project.Find(project.Options{Dir: c.project})
	if err != nil {
		return err
	}
	have, err := fleet.ReadJournal(at.Root, max(1000, n*journalRead))
	if err != nil {
		return err
	}
	deeds := deedsOf(have.Entries)
	if env != "" {
		if !slices.ContainsFunc(deeds, func(d deed) bool { return d.Env == env }) {
			if _, _, err := c.loadOnly(context.Background(), env); err != nil {
				return err // there is none of that name
			}
		}
		deeds = slices.DeleteFunc(deeds, func(d deed) bool { return d.Env != env })
	}
	deeds = deeds[:min(n, len(deeds))]
	slices.Reverse(deeds)
	if c.json {
		for i := range deeds {
			if err := c.line(journalLineOf(&deeds[i])); err != nil {
				return err
			}
		}
		return nil
	}
	if len(deeds) == 0 {
		c.say("nothing was done%s yet", after(" in ", env))
	}
	c.tellJournal(deeds)
	return nil
}

func journalLineOf(d *deed) journalLine {
	l := journalLine{At: d.At, Environment: d.Env, Deployment: d.Deployment, Action: d.Action, What: d.what(), Migration: d.Migration, By: d.By, Outcome: d.outcome,
		Processed: d.processed, Offenders: d.offenders, Override: d.Override, Error: d.why, Ended: moment(d.ended)}
	for _, n := range d.notes() {
		if n != d.why && n != "override: "+d.Override {
			l.Notes = append(l.Notes, n)
		}
	}
	return l
}

func (c *cli) tellJournal(deeds []deed) {
	rows := [][]string{}
	for i := range deeds {
		d := &deeds[i]
		first := d.At.Local().Format("2006-01-02 15:04:05")
		rows = append(rows, []string{first, d.Env, d.what(), d.word() + d.figures() + after("  ", d.by())})
		for _, n := range d.notes() {
			rows = append(rows, []string{"", "", "  " + n})
		}
	}
	c.table(rows)
}

package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"strait/convex/fleet"
	"strait/plan"
)

// gateReport is the JSON of strait gate, version 1.
type gateReport struct {
	Version      int         `json:"version"`
	Allowed      bool        `json:"allowed"`
	Project      string      `json:"project"`
	Target       string      `json:"target"`
	Environments []string    `json:"environments"` // that were looked at
	Missing      []plan.Lack `json:"missing"`
}

// silence is how long an environment that says nothing is waited for.
const silence = 2 * time.Minute

type gateOptions struct {
	env   string
	count bool
	wait  time.Duration
}

func (c *cli) gateVerb() *cobra.Command {
	var o gateOptions
	cmd := &cobra.Command{
		Use:   "gate",
		Short: "Tell whether the target may be merged: whether every environment would take it",
		Long: `Gate ends with 0 when the target schema may go into the branch that every
environment is deployed from, else with 3, and says what is missing, where, and
how to get it. Every environment must be reachable; where the target refuses
what is deployed, a widened schema must be deployed, nothing may be running, and
it must be proven that every document fits. What is not known is no yes.

A proof is a full count of zero: a certificate, which the journal keeps, and
which holds for a day unless something ends it. In CI, where no journal is, say
strait gate --count: it only reads.`,
		Example: "  strait gate --count\n  strait gate --count --env prod --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.gate(o) },
	}
	fl := cmd.Flags()
	fl.StringVar(&o.env, "env", "", "only this environment")
	fl.BoolVar(&o.count, "count", false, "first count the documents wherever a proof is missing; nothing is written")
	fl.DurationVar(&o.wait, "wait", silence, "how long to wait for an environment that is silent")
	c.completeEnv(cmd, "env")
	return cmd
}

func (c *cli) gate(o gateOptions) error {
	if o.wait <= 0 {
		return usage(fmt.Errorf("--wait %s is no time to wait", o.wait))
	}
	ctx, stop := interruptible()
	defer stop()
	g := gateRun{cli: c, gateOptions: o}
	p, only, err := c.loadOnly(ctx, o.env)
	if err != nil {
		return err
	}
	g.only = only
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: g.only})
	defer f.Close()
	s, m, err := g.look(ctx, f)
	if err != nil {
		return err
	}
	report := gateReport{1, m.Allowed, s.Project.Name, s.Project.Target, list(g.looked), g.onCommandLine(m.Missing)}
	if c.json {
		if err := c.block(report); err != nil {
			return err
		}
	}
	if !report.Allowed {
		g.tellLacks(report)
		return &coded{errSaid, exitRefused}
	}
	if !c.json {
		g.tellProofs(s, report)
	}
	return nil
}

// gateRun is one call of strait gate.
type gateRun struct {
	*cli
	gateOptions
	only   []string          // the environments to look at; nil all
	looked []string          // those that were looked at
	failed map[string]string // why no count came to its end, by environment
}

// look waits for the environments, counts where that was asked for, and asks
// the fleet gate. An environment that stays silent is a lack, not an error.
func (g *gateRun) look(ctx context.Context, f *fleet.Fleet) (*fleet.Snapshot, plan.Merge, error) {
	patience, stop := context.WithTimeout(ctx, g.wait)
	err := f.Settled(patience)
	late := patience.Err() != nil
	stop()
	switch {
	case ctx.Err() != nil:
		return nil, plan.Merge{}, errInterrupted
	case err != nil && !late:
		return nil, plan.Merge{}, err
	}
	s := f.Now()
	if s.Err != "" {
		return nil, plan.Merge{}, errors.New(s.Err)
	}
	g.tellProblems(s)
	m, looked := f.Merge(g.only...)
	g.looked = looked
	if g.count && !m.Allowed {
		if err := g.countAll(ctx, f, m.Missing); err != nil {
			return nil, plan.Merge{}, err
		}
		s = f.Now()
		m, _ = f.Merge(g.only...)
	}
	for i := range m.Missing {
		l := &m.Missing[i]
		if e := envIndex(s, l.Env); e >= 0 && l.Code == "unreachable" && s.Envs[e].State == fleet.Opening {
			l.Why = fmt.Sprintf("no answer within %s: %s", g.wait, l.Why)
		}
	}
	return s, m, nil
}

// countAll takes a census where one is missing, in all environments at once.
func (g *gateRun) countAll(ctx context.Context, f *fleet.Fleet, missing []plan.Lack) error {
	var envs []string
	for _, l := range missing {
		if uncounted(l.Refusal) && !slices.Contains(envs, l.Env) {
			envs = append(envs, l.Env)
		}
	}
	errs := make([]error, len(envs))
	var group errgroup.Group
	for i, env := range envs {
		fmt.Fprintln(g.err, "counting the documents of "+clean(env))
		group.Go(func() error {
			errs[i] = g.countOne(ctx, f, env)
			return nil
		})
	}
	_ = group.Wait() // each keeps its own error
	if ctx.Err() != nil {
		return errInterrupted
	}
	g.failed = map[string]string{}
	for i, env := range envs {
		if errs[i] != nil {
			g.failed[env] = errs[i].Error()
		}
	}
	return nil
}

// countOne takes the census of one environment. It gives up when nothing more
// is read for as long as --wait.
func (g *gateRun) countOne(ctx context.Context, f *fleet.Fleet, env string) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	silent := time.AfterFunc(g.wait, stop)
	defer silent.Stop()
	out, err := f.Run(ctx, fleet.Command{Action: plan.ActCensus, Env: env, By: "cli"}, func(fleet.Event) { silent.Reset(g.wait) })
	var refused *fleet.Refused
	switch {
	case ctx.Err() != nil:
		f.StopCensus(env)
		return fmt.Errorf("nothing more was read for %s", g.wait)
	case errors.As(err, &refused):
		return errors.New(refused.Reasons[0].Why)
	case err != nil:
		return err
	case out.Census == nil && out.Failure != nil:
		return errors.New(out.Failure.Summary)
	case out.Census == nil:
		return errors.New("it was stopped")
	}
	return nil
}

func uncounted(r plan.Refusal) bool { return r.Code == "census-missing" || r.Code == "census-stale" }

// onCommandLine says what the ways out are called here.
func (g *gateRun) onCommandLine(missing []plan.Lack) []plan.Lack {
	out := slices.Clone(missing)
	for i := range out {
		l := &out[i]
		why, failed := g.failed[l.Env]
		switch {
		case uncounted(l.Refusal) && failed:
			l.Why = "the count did not come to its end: " + why
		case uncounted(l.Refusal) && !g.count:
			l.Hint = g.again() + " counts it"
		case l.Code == "census-stale":
			l.Hint = "count again when less is written"
		case l.Code == "offenders":
			l.Hint = "migrate them, then count again: " + g.again()
		}
	}
	return out
}

// tellLacks says on stderr what is missing, by environment.
func (g *gateRun) tellLacks(r gateReport) {
	c, what := g.cli, g.goal()
	c.complain(fmt.Errorf("%s may not be %s: %s missing", targetName(r.Target), what, plural(int64(len(r.Missing)), "thing")+isAre(len(r.Missing))))
	rows := [][]string{}
	for i, l := range r.Missing {
		name := l.Env
		if i > 0 && r.Missing[i-1].Env == l.Env {
			name = ""
		}
		rows = append(rows, []string{"  " + name, l.Code, l.Why}, []string{"", "", "hint: " + l.Hint})
	}
	onErr := *c
	onErr.out = c.err
	onErr.table(rows)
}

func isAre(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}

// goal is what the gate was asked for.
func (g *gateRun) goal() string {
	if g.env != "" {
		return "deployed to " + g.env
	}
	return "merged"
}

// again is the command that counts.
func (g *gateRun) again() string {
	if g.env != "" {
		return "strait gate --count --env " + g.env
	}
	return "strait gate --count"
}

// tellProofs says by what each environment would take the target.
func (g *gateRun) tellProofs(s *fleet.Snapshot, r gateReport) {
	where := ""
	if g.env == "" {
		where = " of " + strings.Join(r.Environments, ", ")
	}
	g.say("%s may be %s: it fits every document%s", r.Target, g.goal(), where)
	rows := [][]string{}
	made := 0
	for i, e := range s.Plan.Envs {
		if slices.Contains(r.Environments, e.Env) {
			rows = append(rows, []string{"  " + e.Env, e.Migrate.Evidence})
			if s.Envs[i].Embedded {
				made++
			}
		}
	}
	g.table(rows)
	if made == len(rows) {
		fmt.Fprintln(g.err, "note: these are rehearsals in Strait's memory: no deployment was asked")
	}
}

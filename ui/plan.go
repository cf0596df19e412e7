package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/plan"
)

// settled opens the fleet, waits until every environment is known or broken,
// and gives the snapshot of that moment.
func (c *cli) settled(ctx context.Context) (*fleet.Snapshot, error) {
	f, s, err := c.reviewable(ctx)
	if err != nil {
		return nil, err
	}
	return s, f.Close()
}

// reviewable is settled with the fleet left open; who gets it closes it.
func (c *cli) reviewable(ctx context.Context) (*fleet.Fleet, *fleet.Snapshot, error) {
	f := fleet.Open(ctx, fleet.Options{Dir: c.project})
	s, err := c.known(ctx, f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, s, nil
}

// known waits until every environment is known or broken.
func (c *cli) known(ctx context.Context, f *fleet.Fleet) (*fleet.Snapshot, error) {
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
	c.tellProblems(s)
	return s, nil
}

// tellProblems says what of the project did not load.
func (c *cli) tellProblems(s *fleet.Snapshot) {
	for _, pr := range s.Project.Problems {
		if !pr.Warning {
			var hints []string
			if pr.Hint != "" {
				hints = append(hints, pr.Hint)
			}
			c.complain(hint(pr, hints...))
		}
	}
}

// planReport is the JSON of strait plan, version 1; README lists its parts. A
// part is added without notice; one that goes or changes its meaning makes a
// new version.
type planReport struct {
	Version int    `json:"version"`
	Project string `json:"project"`
	Target  string `json:"target"`
	plan.Plan
	plan.Review
}

// newPlanReport is a plan as JSON: a list without members is [], never null.
func newPlanReport(d *planDoc) planReport {
	r := planReport{1, d.project, d.target, d.plan, d.review}
	r.Rows, r.Envs = list(r.Rows), list(r.Envs)
	for i := range r.Rows {
		r.Rows[i].Migrations, r.Rows[i].Cells = list(r.Rows[i].Migrations), list(r.Rows[i].Cells)
	}
	for i := range r.Envs {
		r.Envs[i].Changes = list(r.Envs[i].Changes)
		if r.Envs[i].Progress == nil {
			r.Envs[i].Progress = map[string]plan.Step{}
		}
	}
	r.Changes, r.Hazards, r.Order, r.Merge.Missing = list(r.Changes), list(r.Hazards), list(r.Order), list(r.Merge.Missing)
	for i := range r.Changes {
		a := &r.Changes[i]
		a.Kinds, a.Migrations, a.Deploys = list(a.Kinds), list(a.Migrations), list(a.Deploys)
	}
	return r
}

// list is a copy that is not nil.
func list[T any](s []T) []T { return append([]T{}, s...) }

func (c *cli) planVerb() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Write what must be widened, migrated and narrowed, in every environment",
		Long: `Write the plan: where every environment stands, what can go wrong, what to do in
which order, and what is missing before the target may be merged.

--markdown writes all of it for a pull request, with the widened tables, the
drafts of the migrations that are missing, and the code for both shapes.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return c.plan(o) },
	}
	cmd.Flags().StringVar(&o.env, "env", "", "only this environment")
	cmd.Flags().BoolVar(&o.widened, "widened", false, "write the widened schema as TypeScript: for every environment, or for --env")
	cmd.Flags().BoolVar(&o.markdown, "markdown", false, "write the whole plan as Markdown")
	c.completeEnv(cmd, "env")
	return cmd
}

type planOptions struct {
	env               string
	widened, markdown bool
}

func (c *cli) plan(o planOptions) error {
	if o.widened && o.markdown || c.json && (o.widened || o.markdown) {
		return usage(errors.New("strait plan writes one thing at a time: --json, --markdown or --widened"))
	}
	ctx, stop := interruptible()
	defer stop()
	f, s, err := c.reviewable(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	made, review, err := f.Review(ctx)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(review.Merge.Missing, func(l plan.Lack) bool { return l.Code == "no-target" }) {
		return hint(errors.New("plan: the target schema could not be loaded, so there is nothing to plan"), "strait inspect says what is wrong with the project")
	}
	if o.env != "" {
		if err := keepEnv(s, o.env); err != nil {
			return err
		}
		only(o.env, &made, &review)
	}
	d := &planDoc{project: s.Project.Name, target: s.Project.Target, plan: made, review: review, verb: "strait", runs: runsIn(s)}
	switch {
	case o.widened && review.Widened == nil:
		return hint(errors.New("write the widened schema: no environment's schema is known, or the target did not load"), "strait status says why")
	case o.widened:
		_, err = fmt.Fprint(c.out, review.Widened.TypeScript())
	case o.markdown:
		_, err = fmt.Fprint(c.out, d.markdown())
	case c.json:
		err = c.block(newPlanReport(d))
	default:
		c.tellPlan(s, d)
	}
	if err != nil {
		return err
	}
	if o.env != "" && s.Envs[0].State == fleet.Broken {
		return fmt.Errorf("plan %s: %s", o.env, s.Envs[0].Err)
	}
	return nil
}

// only leaves what concerns one environment in a plan and its review. The
// widened schema becomes that environment's own; whether the target may be
// merged stays a question to all of them.
func only(env string, p *plan.Plan, r *plan.Review) {
	i := slices.IndexFunc(p.Envs, func(e plan.EnvPlan) bool { return e.Env == env })
	if i < 0 {
		return
	}
	p.Envs = p.Envs[i : i+1]
	p.Rows = slices.Clone(p.Rows)
	for j := range p.Rows {
		p.Rows[j].Cells = p.Rows[j].Cells[i : i+1]
	}
	r.Widened = p.Envs[0].Widened
	r.Hazards = slices.DeleteFunc(r.Hazards, func(h plan.Hazard) bool { return h.Env != "" && h.Env != env })
	r.Order = slices.DeleteFunc(r.Order, func(s plan.Stage) bool { return s.Env != env })
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

func (c *cli) tellPlan(s *fleet.Snapshot, d *planDoc) {
	c.say("%s, target %s", d.project, cmp.Or(d.target, "not found"))
	fmt.Fprintln(c.out)
	c.tellGrid(s, d)
	c.tellChecklists(s, d)
	c.tellHazards(d)
	c.tellOrder(d)
	c.tellMerge(d)
}

func (c *cli) tellGrid(s *fleet.Snapshot, d *planDoc) {
	rows := [][]string{{"CHANGE OR MIGRATION", "MIGRATION"}}
	for _, e := range d.plan.Envs {
		rows[0] = append(rows[0], strings.ToUpper(e.Env))
	}
	for _, r := range d.plan.Rows {
		line := []string{r.Title, shorts(r.Migrations)}
		for i := range r.Cells {
			line = append(line, stand(&r, &r.Cells[i], d.runsOf(i)).text())
		}
		rows = append(rows, line)
	}
	if len(rows) == 1 {
		c.say("%s", nothingToDo(s))
		return
	}
	c.table(rows)
}

func (c *cli) tellChecklists(s *fleet.Snapshot, d *planDoc) {
	for i, e := range d.plan.Envs {
		fmt.Fprintln(c.out)
		head := e.Env
		if i < len(s.Envs) && s.Envs[i].Err != "" {
			head += ": " + s.Envs[i].Err
		}
		c.say("%s", head)
		steps := [][]string{}
		for j, st := range []plan.Step{e.Widen, e.Migrate, e.Narrow} {
			steps = append(steps, []string{"  " + stepNames[j], st.State.Word(), cmp.Or(st.Why, st.Evidence)})
		}
		c.table(steps)
	}
}

func (c *cli) tellHazards(d *planDoc) {
	if len(d.review.Hazards) == 0 {
		return
	}
	fmt.Fprintln(c.out)
	c.say("HAZARDS")
	for _, g := range hazardGroups(d.review.Hazards) {
		for i, h := range g {
			where := ""
			if h.Site != nil {
				where = fmt.Sprintf(" (%s:%d)", h.Site.File, h.Site.Line)
			}
			first := fmt.Sprintf("  %s %s: ", h.Code, h.Severity)
			if i > 0 {
				first = strings.Repeat(" ", len(first))
			}
			if len(g) > 1 {
				first += "- "
			}
			rest := strings.Repeat(" ", len(first))
			c.wrapped(first, rest, h.What+where)
		}
		if g[0].Waived != "" {
			c.wrapped(hazardIndent, hazardIndent, "waived: "+g[0].Waived)
		} else {
			c.wrapped(hazardIndent, hazardIndent, "safe way: "+g[0].Safe)
		}
	}
}

const hazardIndent = "        "

func (c *cli) tellOrder(d *planDoc) {
	if len(d.review.Order) == 0 {
		return
	}
	fmt.Fprintln(c.out)
	c.say("ORDER")
	for _, s := range d.review.Order {
		number, word := fmt.Sprintf("%3d  ", s.Number), s.State.Word()
		if s.State == plan.Done {
			c.wrapped(number, "     ", s.Title+": "+word)
			continue
		}
		c.wrapped(number, "     ", s.Title+": "+word+after(", ", s.Why))
		for i, g := range s.Groups {
			lead := "then "
			if i == 0 {
				lead = ""
			}
			if len(g) > 1 {
				lead += "together "
			}
			names := make([]string, len(g))
			for j, n := range g {
				if names[j] = n; d.ended(s.Env, n) {
					names[j] += " (done)"
				}
			}
			c.wrapped("     ", "       ", lead+strings.Join(names, ", "))
		}
		if s.Next != "" {
			c.wrapped("     next: ", "       ", s.Next)
		}
	}
}

func (c *cli) tellMerge(d *planDoc) {
	fmt.Fprintln(c.out)
	if d.review.Merge.Allowed {
		c.say("%s may be merged: every environment is clean", targetName(d.target))
		return
	}
	c.say("%s may not be merged yet: %s (strait gate tells)", targetName(d.target), missing(len(d.review.Merge.Missing)))
}

// targetName is what a sentence calls the target.
func targetName(target string) string { return cmp.Or(target, "the target") }

// textWidth is where lines for people break: they are read in terminals, logs
// and mails.
const textWidth = 110

// wrapped writes a text over as many lines as it needs.
func (c *cli) wrapped(first, rest, text string) {
	lead := first
	for _, line := range wrap(clean(text), textWidth-max(len(first), len(rest))) {
		fmt.Fprintln(c.out, lead+line)
		lead = rest
	}
}

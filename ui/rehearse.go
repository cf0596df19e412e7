package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// rehearseWords are the words of strait rehearse that do the same.
func rehearseWords(env string, o *fleet.RehearseOptions) []string {
	out := []string{"rehearse"}
	if env != "" {
		out = append(out, "--env", env)
	}
	switch {
	case o == nil:
	case o.Export != "":
		out = append(out, "--export", o.Export)
	case o.Sample > 0:
		out = append(out, "--sample", strconv.Itoa(o.Sample))
	case o.Generate > 0:
		out = append(out, "--generate", strconv.Itoa(o.Generate))
	}
	if o != nil && o.Seed > 1 {
		out = append(out, "--seed", strconv.FormatUint(o.Seed, 10))
	}
	return out
}

// rehearseReport is the JSON of strait rehearse, version 1.
type rehearseReport struct {
	Version  int  `json:"version"`
	Accepted bool `json:"accepted"` // no migration failed, and narrow would be accepted
	*plan.Rehearsal
}

type rehearseFlags struct {
	fleet.RehearseOptions
	env              string
	markdown, reveal bool
}

func (c *cli) rehearseVerb() *cobra.Command {
	var f rehearseFlags
	cmd := &cobra.Command{
		Use:   "rehearse --env ENV [--export FILE | --sample N | --generate N]",
		Short: "Rehearse the whole passage on a copy in memory",
		Long: `Rehearse fills a deployment in memory with a copy, deploys the widened schema to it,
runs every migration that is still to run, counts what does not fit, and deploys
the target. The copy is an export (npx convex export, strait backup), a sample of
each table, or made-up documents; without any of these flags, a sample.

It tells of every migration what it changed and failed on, how near its fullest
batch came to Convex's limits, which batch size is safe, and what it will take on
the deployment; and whether narrow would be accepted. The environment is read,
never written to, and nothing of the copy leaves this machine.

Without --env it takes an export, or makes documents up, and runs all migrations.
It ends with 1 when a migration failed or narrow would be refused, else with 0.`,
		Example: "  strait rehearse --env prod --sample 500\n  strait rehearse --env prod --export prod.zip --markdown > rehearsal.md\n  strait rehearse --export prod.zip --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.rehearse(f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.env, "env", "", "environment whose passage is rehearsed")
	fl.StringVar(&f.Export, "export", "", "export to rehearse on: a ZIP file")
	fl.IntVar(&f.Sample, "sample", 0, "documents of each table to read from the environment")
	fl.IntVar(&f.Generate, "generate", 0, "documents of each table to make up")
	fl.Uint64Var(&f.Seed, "seed", 1, "another one makes up other documents")
	fl.BoolVar(&f.markdown, "markdown", false, "write the report as Markdown, for a pull request")
	fl.BoolVar(&f.reveal, "reveal", false, "show values of a protected environment's documents; it is recorded")
	c.completeEnv(cmd, "env")
	return cmd
}

func (f *rehearseFlags) misused(asJSON bool) error {
	given := 0
	for _, yes := range []bool{f.Export != "", f.Sample != 0, f.Generate != 0} {
		if yes {
			given++
		}
	}
	switch {
	case f.Sample < 0 || f.Generate < 0:
		return errors.New("a table has no fewer than 0 documents")
	case given > 1:
		return errors.New("--export, --sample and --generate each say which copy to take: give one")
	case f.env == "" && f.Export == "" && f.Generate == 0:
		return hint(errors.New("there is nothing to rehearse on"), "--env ENV takes a sample of an environment, --export FILE an export")
	case f.markdown && asJSON:
		return errors.New("strait rehearse writes one thing at a time: --json or --markdown")
	}
	return nil
}

func (c *cli) rehearse(fl rehearseFlags) error {
	if err := fl.misused(c.json); err != nil {
		return usage(err)
	}
	ctx, stop := interruptible()
	defer stop()
	p, _, err := c.loadOnly(ctx, fl.env)
	if err != nil {
		return err
	}
	x, real, err := c.rehearsed(ctx, p, fl)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	switch {
	case c.json:
		err = c.block(rehearseReport{1, x.Accepted(), x})
	case fl.markdown:
		_, err = fmt.Fprint(c.out, rehearsalMarkdown(p.Name, x, real))
	default:
		c.tellRehearsal(x, real)
	}
	if err == nil && !x.Accepted() {
		return &coded{errSaid, exitError}
	}
	return err
}

// rehearsed makes the rehearsal, and tells how many documents the environment
// has, 0 unknown.
func (c *cli) rehearsed(ctx context.Context, p *project.Project, fl rehearseFlags) (*plan.Rehearsal, int64, error) {
	told := c.tellStages()
	if fl.env == "" {
		x, err := fleet.Rehearse(ctx, p, fl.RehearseOptions, told)
		return x, 0, err
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{fl.env}})
	defer f.Close()
	cmd := fleet.Command{Action: plan.ActRehearse, Env: fl.env, Rehearse: &fl.RehearseOptions, By: "cli", Reveal: fl.reveal}
	out, err := f.Run(ctx, cmd, func(ev fleet.Event) { told(ev.Rehearsal) })
	switch {
	case err != nil:
		return nil, 0, c.notRun(ctx, cmd, "nothing was written", err)
	case out.Rehearsal == nil && out.Failure != nil:
		return nil, 0, errors.New(out.Failure.Summary)
	case out.Rehearsal == nil:
		return nil, 0, errors.New("the rehearsal did not come to its end")
	}
	var real int64
	if s := f.Now(); envIndex(s, fl.env) >= 0 {
		real = s.Envs[envIndex(s, fl.env)].Documents
	}
	return out.Rehearsal, real, nil
}

// tellStages says on stderr what a rehearsal does, one line a stage.
func (c *cli) tellStages() func(fleet.RehearsalRun) {
	stage := ""
	return func(r fleet.RehearsalRun) {
		if r.Stage != "" && r.Stage != stage {
			stage = r.Stage
			fmt.Fprintln(c.err, clean(stage))
		}
	}
}

// tellRehearsal writes a rehearsal for people.
func (c *cli) tellRehearsal(x *plan.Rehearsal, real int64) {
	g := newLook(true, c.ascii || needsASCII()).g
	sign := func(bad bool) string {
		if bad {
			return g.failed
		}
		return g.done
	}
	c.say("%s, in %s", rehearsedOn(x, real), span(x.Took))
	fmt.Fprintln(c.out)
	if x.Widen != "" {
		c.say("%s widen  refused: %s", g.failed, x.Widen)
	}
	rows := [][]string{}
	for i := range x.Migrations {
		r := &x.Migrations[i]
		rows = append(rows, []string{sign(r.State != "success" || r.Failed > 0), short(r.Name), r.Table, count(r.Documents) + docsWord(r.Documents), count(r.Changed) + " changed", outcomeWord(r)})
	}
	c.table(rows, 3, 4)
	rows = [][]string{}
	for i := range x.Migrations {
		r := &x.Migrations[i]
		rows = append(rows, []string{"  " + short(r.Name), batchWord(r), bindingWord(r), spendWord(r.Estimate)})
	}
	if len(rows) > 0 {
		fmt.Fprintln(c.out)
		c.say("  a run%s would take, and the limit its fullest batch comes nearest to:", after(" in ", x.Env))
		c.table(rows)
		fmt.Fprintln(c.out)
	}
	for i := range x.Migrations {
		c.tellRehearsedFailures(&x.Migrations[i])
	}
	for _, s := range x.Skipped {
		c.wrapped(g.dot+" "+short(s.Name)+" did not run: ", "    ", s.Why)
	}
	for _, n := range x.Notes {
		c.wrapped(g.blocked+" ", "  ", n)
	}
	fmt.Fprintln(c.out)
	if n := x.Census; n != nil {
		c.say("%s census  %s", sign(n.Offenders > 0), censusWords(n))
		for _, gr := range n.Groups {
			c.say("    %s  %s  %s", count(gr.Count), groupName(gr), reasonWord(gr.Reason))
		}
	}
	switch {
	case x.Narrow != "":
		c.say("%s narrow  would be refused:", g.failed)
		for _, line := range cleanLines(x.Narrow) {
			c.wrapped("    ", "    ", line)
		}
	case x.Stopped != "":
		c.say("%s narrow  not tried: %s", g.blocked, x.Stopped)
	default:
		c.say("%s narrow  would be accepted", g.done)
	}
}

func (c *cli) tellRehearsedFailures(r *plan.RehearsedRun) {
	const most = 5
	for i, f := range r.Failures {
		if i == most {
			c.say("    and %s more", plural(int64(max(len(r.Failures), int(r.Failed))-most), "document"))
			return
		}
		c.wrapped("    ", "      ", short(r.Name)+" fails on "+cmp.Or(f.Document, "a batch")+": "+cmp.Or(f.Summary, firstLine(f.Text))+after(" at ", f.Frame))
	}
	if len(r.Failures) == 0 && r.Error != "" {
		c.wrapped("    ", "      ", short(r.Name)+": "+r.Error)
	}
}

func censusWords(n *plan.Census) string {
	if n.Offenders == 0 {
		return "all " + documents(n.Read) + " fit the target"
	}
	return documents(n.Offenders) + " of " + count(n.Read) + " " + notFit(n.Offenders) + " the target"
}

// outcomeWord is what a rehearsed migration did besides changing documents.
func outcomeWord(r *plan.RehearsedRun) string {
	out := counted(figure{r.Unchanged, "as they were"}, figure{r.Deleted, "deleted"}, figure{r.Inserted, "inserted"}, figure{r.Failed, "failed"})
	if r.Failed == 0 && r.State != "success" {
		out = append(out, r.State)
	}
	return strings.Join(out, ", ")
}

// figure is how many documents something was done to.
type figure struct {
	n    int64
	word string
}

// counted are the figures that are not zero, in words.
func counted(all ...figure) (out []string) {
	for _, x := range all {
		if x.n > 0 {
			out = append(out, count(x.n)+" "+x.word)
		}
	}
	return out
}

// bindingWord is the limit that the fullest batch came nearest to.
func bindingWord(r *plan.RehearsedRun) string {
	if len(r.Headroom) == 0 {
		return ""
	}
	return share(int64(r.Headroom[0].Share*100000), 100000) + " of " + r.Headroom[0].Limit
}

// batchWord is the batch size, and the one that is recommended.
func batchWord(r *plan.RehearsedRun) string {
	switch {
	case r.BatchSize == 0:
		return ""
	case r.Recommended == 0 || r.Recommended == r.BatchSize:
		return "batches of " + count(int64(r.BatchSize))
	}
	return "batches of " + count(int64(r.BatchSize)) + ", up to " + count(int64(r.Recommended)) + " is safe"
}

// spendWord is what a run is estimated to take on the deployment.
func spendWord(s plan.Spend) string {
	if s.Calls == 0 {
		return ""
	}
	out := plural(s.Calls, "call") + ", " + bytesWord(s.ReadBytes) + " read, " + bytesWord(s.WrittenBytes) + " written"
	if s.Time > 0 {
		out += ", " + timeWord(s)
	}
	return out
}

// rehearsalMarkdown is a rehearsal for a pull request.
func rehearsalMarkdown(name string, x *plan.Rehearsal, real int64) string {
	var w mdWriter
	of := cmp.Or(x.Env, name)
	w.head(1, "Rehearsal of "+mdText(of))
	verdict := "**✓ " + mdText(rehearsalWord(x)) + "**"
	if !x.Accepted() {
		verdict = "**✗ " + mdText(rehearsalWord(x)) + "**"
	}
	w.para("%s", verdict)
	w.para("On a copy in memory: %s; %s, took %s.", mdText(rehearsedOn(x, real)), x.At.UTC().Format("2006-01-02 15:04 UTC"), span(x.Took))
	if x.Widen != "" {
		w.para("Widen would be refused, in Convex's words:")
		w.block("text", x.Widen)
	}
	rows := [][]string{{"", "migration", "documents", "changed", "besides", "nearest limit", "batch", "on the deployment"}}
	for i := range x.Migrations {
		r := &x.Migrations[i]
		sign := "✓"
		if r.State != "success" || r.Failed > 0 {
			sign = "✗"
		}
		rows = append(rows, []string{sign, mdCode(short(r.Name)), count(r.Documents), count(r.Changed), mdText(outcomeWord(r)), mdText(bindingWord(r)), mdText(batchWord(r)), mdText(spendWord(r.Estimate))})
	}
	if len(rows) > 1 {
		w.table(rows)
	}
	w.failures(x)
	if n := x.Census; n != nil {
		w.para("**Census:** %s.", mdText(censusWords(n)))
		for _, g := range n.Groups {
			w.item("%s %s: %s", count(g.Count), mdCode(groupName(g)), mdText(reasonWord(g.Reason)))
		}
		if len(n.Groups) > 0 {
			w.gap()
		}
	}
	if x.Narrow != "" {
		w.para("**Narrow** would be refused, in Convex's words:")
		w.block("text", x.Narrow)
	}
	if x.Stopped != "" {
		w.para("**Stopped:** %s.", mdText(x.Stopped))
	}
	for _, s := range x.Skipped {
		w.item("%s did not run: %s", mdCode(short(s.Name)), mdText(s.Why))
	}
	for _, n := range x.Notes {
		w.item("%s", mdText(n))
	}
	return strings.TrimRight(w.String(), "\n") + "\n"
}

// failures lists what the migrations of a rehearsal failed on; documents by
// their ids only, since a pull request is read by many.
func (w *mdWriter) failures(x *plan.Rehearsal) {
	any := false
	for i := range x.Migrations {
		r := &x.Migrations[i]
		for j, f := range r.Failures {
			if j == 5 {
				w.item("and %s more", plural(max(r.Failed, int64(len(r.Failures)))-5, "document"))
				break
			}
			if !any {
				w.para("**Failures**")
			}
			any = true
			w.item("%s on %s: %s%s", mdCode(short(r.Name)), mdCode(cmp.Or(f.Document, "a batch")), mdText(cmp.Or(f.Summary, firstLine(f.Text))), mdAfter(" at ", f.Frame))
		}
	}
	if any {
		w.gap()
	}
}

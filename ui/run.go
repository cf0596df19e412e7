package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// resolveEnv checks the name of an environment against the project's.
func resolveEnv(p *project.Project, name string) (project.Env, error) {
	var known []string
	for _, e := range p.Config.Envs {
		if e.Name == name {
			return e, nil
		}
		known = append(known, e.Name)
	}
	return project.Env{}, unknownEnv(name, known)
}

// resolveMigration finds a migration by its whole name, or by its export when
// only one is called so.
func resolveMigration(p *project.Project, name string) (project.Migration, error) {
	var hits, near []string
	var hit project.Migration
	for _, m := range p.Migrations {
		if m.Name == name {
			return m, nil
		}
		if short(m.Name) == name {
			hits, hit = append(hits, m.Name), m
		}
		if strings.Contains(strings.ToLower(m.Name), strings.ToLower(short(name))) {
			near = append(near, m.Name)
		}
	}
	switch {
	case len(hits) == 1:
		return hit, nil
	case len(hits) > 1:
		return project.Migration{}, usage(hint(fmt.Errorf("several migrations are called %q", name), "name one of "+strings.Join(hits, ", ")))
	case len(near) > 0 && name != "":
		return project.Migration{}, usage(hint(fmt.Errorf("there is no migration %q", name), "did you mean "+strings.Join(near, ", ")))
	case len(p.Migrations) == 0:
		return project.Migration{}, usage(hint(fmt.Errorf("there is no migration %q: the project defines none", name), "strait inspect shows what was loaded, and what was not"))
	}
	var all []string
	for _, m := range p.Migrations {
		all = append(all, m.Name)
	}
	hints := []string{"name one of " + strings.Join(all, ", ")}
	if n := failures(p.Problems); n > 0 {
		hints = append(hints, plural(int64(n), "problem")+" may hide others: strait inspect shows what was not loaded")
	}
	return project.Migration{}, usage(hint(fmt.Errorf("there is no migration %q", name), hints...))
}

// failures counts the problems that are no warnings.
func failures(problems []jsrun.Problem) (n int) {
	for _, p := range problems {
		if !p.Warning {
			n++
		}
	}
	return n
}

// runFlags are the flags of strait run.
type runFlags struct {
	env, confirm, override string
	dryRun, reset          bool
	batch                  int
}

func (c *cli) runVerb() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run NAME --env ENV",
		Short: "Run a migration, or make a dry run of it, and wait until it ends",
		Long: `Run starts a migration, or resumes it where it stopped, and follows it until it
ends: one line a batch, or one JSON object a line with --json. The last object is
  {"event":"end","migration","environment","status":"success|failed|canceled","processed","error"?,"document"?}

A protected environment must be named a second time with --confirm.`,
		Example: "  strait run setDefaultPlan --env staging --dry-run\n  strait run setDefaultPlan --env prod --confirm prod --json",
		Args:    oneArg("the name of a migration"),
		RunE:    func(_ *cobra.Command, args []string) error { return c.run(args[0], f) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.env, "env", "", "environment to run in")
	fl.BoolVar(&f.dryRun, "dry-run", false, "run one batch, roll it back, show what would change")
	fl.IntVar(&f.batch, "batch-size", 0, "documents a batch (default: the migration's own)")
	fl.BoolVar(&f.reset, "reset", false, "begin again at the first document")
	fl.StringVar(&f.confirm, "confirm", "", "the environment's name once more, for a protected one")
	fl.StringVar(&f.override, "override", "", "reason for acting before the environment ahead is clean; it is recorded")
	cmd.ValidArgsFunction = c.completeMigration
	c.completeEnv(cmd, "env", "confirm")
	return cmd
}

// completeMigration offers the project's migrations to the shell.
func (c *cli) completeMigration(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, stop := interruptible()
	defer stop()
	p, err := c.load(ctx)
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, m := range p.Migrations {
		out = append(out, m.Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeEnv offers the project's environments to the shell.
func (c *cli) completeEnv(cmd *cobra.Command, flags ...string) {
	for _, name := range flags {
		err := cmd.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			ctx, stop := interruptible()
			defer stop()
			p, err := c.load(ctx)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var out []cobra.Completion
			for _, e := range p.Config.Envs {
				out = append(out, e.Name)
			}
			return out, cobra.ShellCompDirectiveNoFileComp
		})
		if err != nil {
			panic(err) // the flag was not declared just before
		}
	}
}

func (c *cli) run(name string, fl runFlags) error {
	if fl.batch < 0 {
		return usage(fmt.Errorf("--batch-size %d is not a number of documents", fl.batch))
	}
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, fl.env)
	if err != nil {
		return err
	}
	m, err := resolveMigration(p, name)
	if err != nil {
		return err
	}
	if fl.confirm != "" && fl.confirm != e.Name {
		return &coded{hint(fmt.Errorf("--confirm %s does not name the environment", fl.confirm), "to run in "+e.Name+": --confirm "+e.Name), exitRefused}
	}
	cmd := fleet.Command{Action: plan.ActRun, Env: e.Name, Migration: m.Name, BatchSize: fl.batch, Reset: fl.reset, Typed: fl.confirm, Override: fl.override, By: "cli"}
	if fl.dryRun {
		cmd.Action = plan.ActDryRun
	}
	if e.Embedded() && !fl.dryRun {
		fmt.Fprintf(c.err, "note: %s is an embedded rehearsal, built for this run: what is written is gone when it ends\n", clean(e.Name))
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	t := &teller{cli: c, cmd: cmd, driver: m.Driver}
	out, err := f.Run(ctx, cmd, t.tell)
	if err != nil {
		return c.notRun(ctx, cmd, fateOf(e, m, cmd.Action), err)
	}
	for _, w := range out.Warnings {
		fmt.Fprintln(c.err, "warning: "+clean(w.Why))
	}
	if err := t.end(out); err != nil {
		return err
	}
	switch out.Status {
	case "success":
		return nil
	case "canceled":
		return &coded{errSaid, exitCanceled}
	}
	return &coded{errSaid, exitFailed}
}

// notRun says why an action did not come to its end.
func (c *cli) notRun(ctx context.Context, cmd fleet.Command, fate string, err error) error {
	var refused *fleet.Refused
	if errors.As(err, &refused) {
		if c.json {
			if err := c.line(map[string]any{"event": "refused", "migration": cmd.Migration, "environment": cmd.Env, "action": cmd.Action, "reasons": refused.Reasons}); err != nil {
				return err
			}
		}
		return &coded{hint(refused, onCommandLine(cmd, refused)...), exitRefused}
	}
	if ctx.Err() == nil {
		return err
	}
	return &coded{hint(errors.New("interrupted"), fate), exitInterrupted}
}

// fateOf says what becomes of an action that is interrupted.
func fateOf(e project.Env, m project.Migration, a plan.Action) string {
	status := "strait status --env " + shellWord(e.Name) + " shows it"
	switch {
	case e.Embedded():
		return "an embedded environment ends with strait, so nothing is left of it"
	case a == plan.ActCensus || a == plan.ActDryRun:
		return "nothing was written"
	case a == plan.ActCancel:
		return "the cancel may have arrived: " + status
	case m.GoesOn():
		return "it goes on in " + e.Name + " without Strait: " + status + ", strait cancel " + shellWord(m.Name) + " --env " + shellWord(e.Name) + " stops it"
	}
	return "Strait drove it, so it stopped after its batch; what is written stays in " + e.Name
}

// onCommandLine says what a refusal's ways out are called here.
func onCommandLine(cmd fleet.Command, refused *fleet.Refused) (hints []string) {
	for _, r := range refused.Reasons {
		switch r.Code {
		case "protected":
			hints = append(hints, "with the name on the command line: --confirm "+cmd.Env)
		case "dry-run-missing":
			hints = append(hints, fmt.Sprintf("the dry run: strait run %s --env %s --dry-run", shellWord(cmd.Migration), shellWord(cmd.Env)))
		case "order":
			hints = append(hints, `the reason: --override "why it cannot wait"`)
		}
	}
	return hints
}

// teller writes the events of a run, as lines of text or of JSON.
type teller struct {
	*cli
	cmd    fleet.Command
	driver project.Driver
	began  time.Time
	failed error // of the output
}

type eventLine struct {
	Event       string   `json:"event"`
	At          string   `json:"at,omitempty"`
	Migration   string   `json:"migration,omitempty"`
	Environment string   `json:"environment"`
	State       string   `json:"state,omitempty"`
	Documents   *int64   `json:"documents,omitempty"`
	Processed   *int64   `json:"processed,omitempty"`
	Total       *int64   `json:"total,omitempty"`
	TookMS      *float64 `json:"tookMs,omitempty"`
	Level       string   `json:"level,omitempty"`
	Text        string   `json:"text,omitempty"`
	Table       string   `json:"table,omitempty"`
	Found       *int64   `json:"found,omitempty"`
}

func (t *teller) tell(ev fleet.Event) {
	if ev.Kind == "start" {
		t.began = ev.At
	}
	if t.json {
		t.note(t.line(eventOf(ev)))
		return
	}
	switch ev.Kind {
	case "start":
		word := "run"
		if t.cmd.Action == plan.ActDryRun {
			word = "dry run of"
		}
		if t.cmd.Action == plan.ActCensus {
			t.say("counting what does not fit the target in %s", ev.Env)
			return
		}
		t.say("%s %s in %s%s", word, ev.Migration, ev.Env, after(", ", totalOf(ev)))
	case "batch":
		t.say("%s", batchText(t.cmd, ev))
	case "log":
		t.say("  %s %s: %s", ev.At.Format("15:04:05"), strings.ToLower(ev.Log.Level), ev.Log.Text)
	case "progress":
		t.say("  %s of %s read, %s do not fit so far", count(ev.Census.Read), count(ev.Census.Total), count(ev.Census.Found))
	}
}

// note keeps the first error of the output.
func (t *teller) note(err error) {
	if t.failed == nil {
		t.failed = err
	}
}

func totalOf(ev fleet.Event) string {
	if ev.Total <= 0 {
		return ""
	}
	return documents(ev.Total) + " in the table"
}

func batchText(cmd fleet.Command, ev fleet.Event) string {
	var b strings.Builder
	if ev.Migration != cmd.Migration {
		b.WriteString("  " + short(ev.Migration))
	}
	if ev.Batch.Failed {
		b.WriteString("  batch failed")
		return b.String()
	}
	fmt.Fprintf(&b, "  %10s", count(ev.Processed))
	if ev.Total > 0 {
		fmt.Fprintf(&b, " of %s  %5s", count(ev.Total), percent(ev.Processed, ev.Total))
	}
	fmt.Fprintf(&b, "  +%s", count(ev.Batch.Documents))
	if ev.Batch.Took > 0 {
		fmt.Fprintf(&b, " in %s", span(ev.Batch.Took))
	}
	return b.String()
}

func eventOf(ev fleet.Event) eventLine {
	l := eventLine{Event: ev.Kind, At: ev.At.UTC().Format(time.RFC3339Nano), Migration: ev.Migration, Environment: ev.Env, State: ev.State}
	switch ev.Kind {
	case "log":
		l.Level, l.Text, l.State = ev.Log.Level, ev.Log.Text, ""
		return l
	case "progress":
		l.Table, l.Found = ev.Census.Table, &ev.Census.Found
	case "batch":
		took := float64(ev.Batch.Took.Microseconds()) / 1000
		l.Documents, l.TookMS = &ev.Batch.Documents, &took
	}
	l.Processed = &ev.Processed
	if ev.Total >= 0 {
		l.Total = &ev.Total
	}
	return l
}

// endLine is the last line of strait run --json.
type endLine struct {
	Event       string        `json:"event"`
	Migration   string        `json:"migration"`
	Environment string        `json:"environment"`
	Status      string        `json:"status"`
	Processed   int64         `json:"processed"`
	DryRun      bool          `json:"dryRun,omitempty"`
	Error       string        `json:"error,omitempty"`
	Frame       string        `json:"frame,omitempty"`
	Table       string        `json:"table,omitempty"`
	Document    string        `json:"document,omitempty"`
	Examples    []exampleLine `json:"examples,omitempty"`
}

type exampleLine struct {
	ID     string          `json:"id"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after"` // null: deleted
	Text   string          `json:"text,omitempty"`
}

func (t *teller) end(out fleet.Outcome) error {
	if t.json {
		t.note(t.line(t.endOf(out)))
		return t.failed
	}
	if out.DryRun != nil && out.DryRun.Err == nil {
		t.tellDryRun(out.DryRun)
		return t.failed
	}
	if out.Status == "success" && out.Processed == 0 && t.driver == project.OneshotDriver {
		t.say("success%s: it does not tell how many documents it wrote", after(" in ", spanSince(t.began)))
	} else {
		t.say("%s: %s%s", out.Status, documents(out.Processed), after(" in ", spanSince(t.began)))
	}
	if out.Failure != nil {
		t.tellFailure(out.Failure)
	}
	return t.failed
}

func spanSince(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return span(time.Since(at))
}

func (t *teller) endOf(out fleet.Outcome) endLine {
	l := endLine{Event: "end", Migration: t.cmd.Migration, Environment: t.cmd.Env, Status: out.Status, Processed: out.Processed, DryRun: t.cmd.Action == plan.ActDryRun}
	if f := out.Failure; f != nil {
		l.Error, l.Frame, l.Table, l.Document = f.Summary, f.Frame, f.Table, f.Document
	}
	if out.DryRun != nil {
		for _, ex := range out.DryRun.Examples {
			e := exampleLine{ID: ex.ID, After: json.RawMessage("null"), Text: ex.Text}
			if ex.Before != nil {
				e.Before = value.Append(nil, ex.Before)
			}
			if ex.After != nil {
				e.After = value.Append(nil, ex.After)
			}
			l.Examples = append(l.Examples, e)
		}
	}
	return l
}

func (t *teller) tellFailure(f *fleet.Failure) {
	t.say("error: %s", f.Summary)
	if f.Frame != "" {
		t.say("at %s", f.Frame)
	}
	if f.Document != "" {
		t.say("document %s %s", f.Table, f.Document)
	}
	if len(f.Body) > 0 {
		for _, line := range pretty(newLook(true, true), f.Body, 100, 80) {
			t.say("  %s", textOf(line))
		}
	}
}

// textOf is a line without its inks.
func textOf(line bits) string {
	var b strings.Builder
	for _, x := range line {
		b.WriteString(x.text)
	}
	return b.String()
}

// tellDryRun writes the changed documents as a field-level diff.
func (t *teller) tellDryRun(d *fleet.DryRun) {
	l := newLook(true, true)
	for _, ex := range d.Examples {
		switch {
		case ex.Before == nil && ex.After == nil:
			t.say("  %s", ex.Text)
		case ex.After == nil:
			t.say("  %s  deleted", ex.ID)
		case ex.Before == nil:
			t.say("  %s  new", ex.ID)
		default:
			changes, same := diffDocuments(ex.Before, ex.After)
			t.say("  %s  %s changed, %d as before", ex.ID, plural(int64(len(changes)), "field"), same)
			for _, ch := range changes {
				if _, gone := ch.before.(value.Undefined); !gone {
					t.say("    - %s: %s", ch.path, textOf(inline(l, ch.before, 200)))
				}
				if _, gone := ch.after.(value.Undefined); !gone {
					t.say("    + %s: %s", ch.path, textOf(inline(l, ch.after, 200)))
				}
			}
		}
	}
	more := ""
	if d.More {
		more = "; more change than are shown"
	}
	t.say("success: %s read, %s shown%s, nothing was written", documents(d.Processed), plural(int64(len(d.Examples)), "changed document"), more)
}

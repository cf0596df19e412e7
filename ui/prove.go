package ui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// proveWords are the words of strait prove that search the same.
func proveWords(o *fleet.ProveOptions) []string {
	out := []string{"prove"}
	if o == nil {
		return out
	}
	if o.Env != "" {
		out = append(out, "--env", o.Env)
	}
	if o.From != "" {
		out = append(out, "--from", o.From)
	}
	if o.Export != "" {
		out = append(out, "--export", o.Export)
	}
	for _, row := range o.Rows {
		out = append(out, "--row", row)
	}
	if o.Documents > 0 && o.Documents != 2000 {
		out = append(out, "--documents", strconv.Itoa(o.Documents))
	}
	if o.Seed > 1 {
		out = append(out, "--seed", strconv.FormatUint(o.Seed, 10))
	}
	return out
}

// proveReport is the JSON of strait prove, version 1.
type proveReport struct {
	Version int           `json:"version"`
	Held    bool          `json:"held"` // nothing was refuted
	Seed    uint64        `json:"seed"`
	Proofs  []proofReport `json:"proofs"`
}

// proofReport is one row's proof. Documents are in Convex's JSON encoding
// (convex-wire.md 8.1).
type proofReport struct {
	plan.Proof
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Again  json.RawMessage `json:"again,omitempty"`
	Repeat string          `json:"repeat"` // the command that finds the same
}

func (c *cli) proveVerb() *cobra.Command {
	var o fleet.ProveOptions
	var reveal bool
	cmd := &cobra.Command{
		Use:   "prove [--env ENV | --from SCHEMA]",
		Short: "Search for a document that the migrations do not bring to the target",
		Long: `Prove puts documents that the widened schema accepts and the target refuses through
the project's own migrations, and checks that what comes out fits the target, that
a second run changes nothing, and that documents which fit already stay as they are.
What it finds it makes as small as it can. The same seed tries the same documents.

It needs no deployment: the old shape is --from (a file, or git:REF), or what
strait.toml says of its environments. With --env it is the schema that is deployed
there, and some of the documents there are read and tried as well; with --export
some of an export's. Nothing is written anywhere.

It ends with 0 when nothing was refuted, and with 1 when something was.`,
		Example: "  strait prove\n  strait prove --from git:main --row orders\n  strait prove --env staging --documents 20000 --seed 7 --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.proveAll(o, reveal) },
	}
	fl := cmd.Flags()
	fl.StringVar(&o.Env, "env", "", "environment whose schema and documents are taken")
	fl.StringVar(&o.From, "from", "", "schema that the old documents follow: a file, or git:REF")
	fl.StringVar(&o.Export, "export", "", "export ZIP whose documents are tried as well")
	fl.IntVar(&o.Documents, "documents", 2000, "documents to try for each change")
	fl.Uint64Var(&o.Seed, "seed", 1, "another one makes up other documents")
	fl.StringArrayVar(&o.Rows, "row", nil, "only this change, by its title, path or table; may be repeated")
	fl.BoolVar(&reveal, "reveal", false, "show values of an export's or a protected environment's documents; it is recorded")
	c.completeEnv(cmd, "env")
	return cmd
}

func (c *cli) proveAll(o fleet.ProveOptions, reveal bool) error {
	switch {
	case o.Env != "" && o.From != "":
		return usage(errors.New("--env and --from both say which shape the old documents have: give one"))
	case o.Documents < 1:
		return usage(fmt.Errorf("--documents %d is not a number of documents", o.Documents))
	case o.Seed < 1:
		return usage(errors.New("--seed 0 is no seed: they begin at 1"))
	}
	ctx, stop := interruptible()
	defer stop()
	p, _, err := c.loadOnly(ctx, o.Env)
	if err != nil {
		return err
	}
	if n := failures(p.Problems); n > 0 {
		fmt.Fprintf(c.err, "note: %s while loading: strait inspect lists what is not tried\n", plural(int64(n), "problem"))
	}
	proofs, err := c.searchProofs(ctx, p, o, reveal)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	report := proveReport{Version: 1, Held: true, Seed: o.Seed, Proofs: []proofReport{}}
	for _, x := range proofs {
		report.Held = report.Held && x.Verdict != plan.Refuted
		report.Proofs = append(report.Proofs, c.proofReportOf(x, o))
	}
	if c.json {
		err = c.block(report)
	} else {
		c.tellProve(report)
	}
	if err == nil && !report.Held {
		return &coded{errSaid, exitError}
	}
	return err
}

// searchProofs searches with the documents of an environment, or without any.
func (c *cli) searchProofs(ctx context.Context, p *project.Project, o fleet.ProveOptions, reveal bool) ([]plan.Proof, error) {
	told := c.tellSearch()
	o.Reveal = reveal
	if o.Env == "" {
		return fleet.Prove(ctx, p, o, told)
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{o.Env}})
	defer f.Close()
	cmd := fleet.Command{Action: plan.ActProve, Env: o.Env, Prove: &o, By: "cli", Reveal: reveal}
	out, err := f.Run(ctx, cmd, func(ev fleet.Event) { told(ev.Proof) })
	if err != nil {
		return nil, c.notRun(ctx, cmd, "nothing was written", err)
	}
	return out.Proofs, nil
}

// tellSearch says on stderr which change is tried, one line each.
func (c *cli) tellSearch() func(fleet.ProofRun) {
	row := ""
	return func(r fleet.ProofRun) {
		if r.Row != "" && r.Row != row {
			row = r.Row
			fmt.Fprintf(c.err, "%d of %d  %s\n", r.Rows+1, r.Of, clean(r.Row))
		}
	}
}

func (c *cli) proofReportOf(x plan.Proof, o fleet.ProveOptions) proofReport {
	o.Rows = []string{x.Title}
	words := append([]string{"strait"}, proveWords(&o)...)
	if c.project != "" {
		words = append(words, "--project", c.project)
	}
	for i := range words {
		words[i] = shellWord(words[i])
	}
	r := proofReport{Proof: x, Repeat: strings.Join(words, " ")}
	if k := x.Counter; k != nil {
		r.Before, r.After, r.Again = encoded(k.Before), encoded(k.After), encoded(k.Again)
	}
	return r
}

// encoded is a document in Convex's JSON encoding; nil without one.
func encoded(doc value.Object) json.RawMessage {
	if doc == nil {
		return nil
	}
	return value.Append(nil, doc)
}

func (c *cli) tellProve(r proveReport) {
	l := newLook(true, c.ascii || needsASCII())
	rows := [][]string{}
	var proofs []plan.Proof
	for i := range r.Proofs {
		x := &r.Proofs[i].Proof
		proofs = append(proofs, *x)
		glyph, _ := l.verdict(x.Verdict)
		rows = append(rows, []string{glyph, string(x.Verdict), x.Title, shorts(x.Migrations), proofWord(x)})
	}
	c.table(rows)
	for i := range r.Proofs {
		if r.Proofs[i].Counter != nil {
			fmt.Fprintln(c.out)
			c.tellCounter(l, &r.Proofs[i])
		}
	}
	if len(proofs) > 0 {
		fmt.Fprintln(c.out)
		c.say("%s, with seed %d, after %s", tally(proofs), r.Seed, span(searchTook(proofs)))
		return
	}
	c.say("no change of the schema needs a migration: there is nothing to prove")
}

// proofWord says in a few words what a proof rests on.
func proofWord(x *plan.Proof) string {
	switch {
	case x.Counter != nil:
		return kindWord(x.Counter)
	case x.Verdict == plan.Held:
		what := documents(int64(x.Documents))
		if x.Sampled > 0 {
			what += ", " + count(int64(x.Sampled)) + " of them real"
		}
		return what
	}
	return cmp.Or(x.Why, "no migration is said to cover it")
}

// tellCounter writes a counterexample so that it is understood in a log.
func (c *cli) tellCounter(l *look, r *proofReport) {
	x := r.Counter
	c.say("%s: %s", r.Title, kindWord(x))
	for _, col := range counterColumns(l, x, textWidth-6, 200) {
		c.say("  %s%s", strings.ToLower(col.title), after(", ", col.note))
		for _, line := range col.lines {
			c.say("  %s %s", line.sign, textOf(line.line))
		}
		for _, line := range col.text {
			c.say("    %s", line)
		}
	}
	if x.Violation != "" {
		c.say("  %s", strings.ToLower(violationTitle(x)))
		for _, line := range cleanLines(x.Violation) {
			c.wrapped("    ", "    ", line)
		}
	}
	if text := danglingText(x); text != "" {
		c.say("  %s", text)
	}
	c.say("  in %s%s", short(x.Migration), after(" at ", x.Frame))
	if x.Masked {
		c.say("  values are masked: --reveal shows them, and the journal keeps that it was asked for")
	}
	c.say("  again: %s", r.Repeat)
}

// searchTook is how long a search took in all.
func searchTook(proofs []plan.Proof) (sum time.Duration) {
	for i := range proofs {
		sum += proofs[i].Took
	}
	return sum
}

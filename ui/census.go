package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/census"
	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// censusFlagSet are the flags of strait census.
type censusFlagSet struct {
	env, snapshot, bytes, offenders string
	reveal                          bool
	o                               fleet.CensusOptions
	embedded                        bool // what is counted in ends with Strait
}

func (c *cli) censusVerb() *cobra.Command {
	var f censusFlagSet
	cmd := &cobra.Command{
		Use:   "census --env ENV | --snapshot FILE",
		Short: "Count the documents of an environment, or of an export, that do not fit the target",
		Long: `Census counts the documents that do not fit the target schema, by table, path and
reason, with samples. It only reads: tables that the deployed schema, the
deployment's inferred shapes or their emptiness prove clean it passes by, the
others page by page. A full census of zero gives a certificate, without which
Strait does not narrow. --sample reads so many documents of each table and bounds
with 95 % how many misfit; it gives no certificate.

A census that its budget or ctrl+c ended goes on with --resume. What it holds of
the documents of a protected environment is masked, unless --reveal asks for
values, which the journal keeps.

It ends with 0 when every document fits, with 1 when some do not or not all were
read.`,
		Example: "  strait census --env prod\n  strait census --env prod --budget-documents 200000 --rate 2000\n  strait census --env prod --resume\n  strait census --env staging --offenders - | jq -r .id",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.census(f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.env, "env", "", "environment to count in")
	flags.StringVar(&f.snapshot, "snapshot", "", "export to count in instead: the ZIP of npx convex export, or of strait backup")
	flags.Int64Var(&f.o.Sample, "sample", 0, "read so many documents of each table; 0 all")
	flags.Int64Var(&f.o.Budget.Documents, "budget-documents", 0, "read no more documents than that in all; 0 no bound")
	flags.StringVar(&f.bytes, "budget-bytes", "", "read no more than that in all: 500MB, 2GiB")
	flags.Float64Var(&f.o.Rate, "rate", 0, "documents a second at most; 0 the usual rate, below 0 no limit")
	flags.BoolVar(&f.o.Resume, "resume", false, "go on where the last census there stopped")
	flags.StringVar(&f.o.Component, "component", "", "path of a component that the project defines, in place of the app itself")
	flags.StringArrayVar(&f.o.Tables, "table", nil, "table to count; again for more (default: all of the target)")
	flags.BoolVar(&f.reveal, "reveal", false, "show values of a protected environment's documents; the journal keeps that")
	flags.StringVar(&f.offenders, "offenders", "", "write the samples there, as JSON Lines; - is stdout")
	c.completeEnv(cmd, "env")
	return cmd
}

// check refuses flags that contradict each other, and reads the others.
func (f *censusFlagSet) check() error {
	switch {
	case f.snapshot != "" && f.env != "":
		return usage(errors.New("--env and --snapshot both say where to count: give one"))
	case f.snapshot != "" && (f.o.Resume || f.o.Sample > 0 || f.o.Budget.Documents > 0 || f.bytes != "" || f.o.Rate != 0 || len(f.o.Tables) > 0 || f.reveal):
		return usage(errors.New("--snapshot takes --component, --offenders and --json only: an export is read as a whole"))
	case f.o.Sample < 0 || f.o.Budget.Documents < 0:
		return usage(errors.New("--sample and --budget-documents count from 0 on"))
	case math.IsNaN(f.o.Rate) || math.IsInf(f.o.Rate, 0):
		return usage(hint(errors.New("--rate is a number of documents a second"), "below 0 is no limit"))
	case f.o.Resume && f.o.Sample > 0:
		return usage(hint(errors.New("--resume goes on with a census of every document, --sample takes another"), "leave one of them out"))
	}
	var err error
	if f.o.Budget.Bytes, err = parseBytes(f.bytes); err != nil {
		return usage(fmt.Errorf("--budget-bytes: %w", err))
	}
	return nil
}

// byteUnits are the units of sizes on the command line.
var byteUnits = map[string]float64{"": 1, "b": 1, "k": 1e3, "kb": 1e3, "kib": 1 << 10, "m": 1e6, "mb": 1e6, "mib": 1 << 20, "g": 1e9, "gb": 1e9, "gib": 1 << 30}

// parseBytes reads a size: 500MB, 2GiB, 1000000; "" is 0.
func parseBytes(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimRight(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	unit, known := byteUnits[strings.ToLower(strings.TrimSpace(s[len(digits):]))]
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !known || n < 0 || n*unit >= 1<<62 || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is no size such as 500MB or 2GiB", s)
	}
	return int64(n * unit), nil
}

func (c *cli) census(f censusFlagSet) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.snapshot != "" {
		return c.censusOfSnapshot(f)
	}
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, f.env)
	if err != nil {
		return err
	}
	fl := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer fl.Close()
	cmd := fleet.Command{Action: plan.ActCensus, Env: e.Name, By: "cli", Census: &f.o, Reveal: f.reveal}
	f.embedded = e.Embedded()
	if err := c.foretell(ctx, fl, cmd, f); err != nil {
		return c.notRun(ctx, cmd, fateOf(e, project.Migration{}, cmd.Action), err)
	}
	last := time.Now()
	out, err := fl.Run(ctx, cmd, func(ev fleet.Event) {
		if now := time.Now(); ev.Kind == "progress" && now.Sub(last) >= tellEvery {
			last = now
			c.progress(&ev.Census)
		}
	})
	if err != nil {
		return c.notRun(ctx, cmd, censusFate(e), err)
	}
	if out.Census == nil {
		cause := errors.New("the census did not come to its end")
		if out.Failure != nil {
			cause = errors.New(out.Failure.Summary)
		}
		return cause
	}
	var (
		proof *plan.Certificate
		fresh time.Duration
	)
	if s := fl.Now(); envIndex(s, e.Name) >= 0 {
		e := &s.Envs[envIndex(s, e.Name)]
		proof, fresh = newest(e.Certificate, out.Census), e.FreshFor
	}
	return c.told(out.Census, proof, fresh, e.Name, f)
}

// newest is the certificate that a census gave; nil it gave none.
func newest(c *plan.Certificate, by *plan.Census) *plan.Certificate {
	if c == nil || by.Component != "" || !by.Full || by.Offenders > 0 || c.Ended.Before(by.Started) {
		return nil
	}
	return c
}

// censusFate says what becomes of a census that is interrupted.
func censusFate(e project.Env) string {
	if e.Embedded() {
		return fateOf(e, project.Migration{}, plan.ActCensus)
	}
	return "nothing was written; strait census --env " + shellWord(e.Name) + " --resume goes on from there"
}

// progress says on stderr how far a census is.
func (c *cli) progress(r *fleet.CensusRun) {
	line := count(r.Read)
	if r.Total > 0 {
		line += " of " + documents(max(r.Total, r.Read)) + " read (" + percent(r.Read, r.Total) + ")"
	} else {
		line += " documents read"
	}
	line += after(" in ", r.Table) + ", " + count(r.Found) + " " + notFit(r.Found) + " so far"
	if r.ETA > 0 {
		line += ", about " + span(r.ETA) + " left"
	}
	fmt.Fprintln(c.err, "strait: "+clean(line))
}

// censusAnswer is what strait census --json writes.
type censusAnswer struct {
	Environment string `json:"environment,omitempty"`
	*plan.Census
	Certificate *plan.Certificate `json:"certificate,omitempty"` // that it gave
}

// told writes the census, the offenders and the certificate, which is fresh for
// so long, and gives the exit code.
func (c *cli) told(found *plan.Census, proof *plan.Certificate, fresh time.Duration, of string, f censusFlagSet) error {
	switch {
	case f.offenders == "-":
		if err := census.WriteOffenders(c.out, found); err != nil {
			return err
		}
	case c.json:
		if err := c.block(censusAnswer{f.env, found, proof}); err != nil {
			return err
		}
	default:
		c.sayFound(found, of)
		if proof != nil {
			c.say("certificate: %s, schema %s, fresh until %s", cmp.Or(proof.Deployment, of), shortHash(proof.Schema), untilWord(time.Now(), freshUntil(proof, fresh)))
		}
	}
	if f.offenders != "" && f.offenders != "-" {
		path, err := saveOffenders(f.offenders, found, false)
		switch {
		case errors.Is(err, fs.ErrExist):
			return hint(err, "remove it, or name another file")
		case err != nil:
			return err
		}
		fmt.Fprintf(c.err, "strait: %s written to %s\n", plural(int64(samplesOf(found)), "offender"), clean(path))
	}
	switch {
	case found.Stopped != "":
		err := fmt.Errorf("the census did not read all: %s", found.Stopped)
		if f.env != "" && !f.embedded {
			return hint(err, "strait census --env "+shellWord(f.env)+" --resume goes on from there")
		}
		return err
	case found.Offenders > 0:
		return &coded{errSaid, exitError}
	}
	return nil
}

// foretell says what will be read.
func (c *cli) foretell(ctx context.Context, fl *fleet.Fleet, cmd fleet.Command, f censusFlagSet) error {
	if err := fl.Ready(ctx, cmd.Env); err != nil {
		return err
	}
	if c.json || f.offenders == "-" {
		return nil
	}
	cost, err := fl.CensusEstimate(ctx, cmd.Env, f.o)
	if err != nil {
		return err
	}
	r := readingAt(cost, f.o)
	line := "reads " + r.words(f.o)
	if r.takes > time.Second {
		line += "; " + r.pace()
	}
	if b := budgetWord(r.budget); b != "" {
		line += "; budget " + b
	}
	if f.o.Resume && !cost.Resume {
		line += "; there is no stopped census to go on with, so it begins anew"
	}
	c.say("%s: %s", cmd.Env, line)
	if passed := passedBy(r.passed); passed != "" {
		c.say("  not read: %s", passed)
	}
	return nil
}

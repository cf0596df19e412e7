package fleet

import (
	"slices"
	"strings"

	"strait/convex/census"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// proofs are those of a search that came to its end.
type proofs struct {
	all, masked []plan.Proof
	env         *env // whose documents were taken; nil none
	export      bool // documents of an export were taken
}

// shownProofs are the proofs as a snapshot has them. f.mu is held.
func (f *Fleet) shownProofs() []plan.Proof {
	if p := &f.proofs; p.export || p.env != nil && p.env.veiled() {
		return p.masked
	}
	return f.proofs.all
}

// maskProofs masks the counterexamples that were shrunk from real documents.
func maskProofs(target *schema.Schema, all []plan.Proof) []plan.Proof {
	out := slices.Clone(all)
	for i, p := range out {
		if p.Counter != nil && p.Counter.Real {
			out[i].Counter = maskCounter(target, p.Table, p.Counter)
		}
	}
	return out
}

func maskCounter(target *schema.Schema, table string, c *plan.Counterexample) *plan.Counterexample {
	x := *c
	x.Masked = true
	for _, doc := range []*value.Object{&x.Before, &x.After, &x.Again} {
		*doc = maskDocument(target, table, *doc)
	}
	other, _, _ := strings.Cut(c.Place, ".")
	in, of := c.After, table
	switch {
	case c.Other != nil:
		in, of = c.Other, other
	case c.Again != nil:
		in = c.Again
	}
	x.Way = census.MaskSample(target.Table(of), plan.Sample{Way: c.Way, Document: in}).Way
	x.Other = maskDocument(target, other, c.Other)
	switch {
	case c.Expected != "" || c.Got != "": // Convex's words
		s := census.MaskSample(target.Table(table), plan.Sample{Place: c.Place, Message: c.Violation, Expected: c.Expected, Got: c.Got})
		x.Violation, x.Got = s.Message, s.Got
	case c.Thrown:
		x.Violation = withoutContents(c.Violation, maskedText)
	}
	return &x
}

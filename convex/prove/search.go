package prove

import (
	"context"
	"iter"
	"math/rand/v2"
	"slices"

	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Sizes of the batches in which documents are tried: small ones first, since
// most mistakes show at once.
const (
	firstBatch = 16
	fullBatch  = 128
)

// search looks for a counterexample of one row.
type search struct {
	o               *Options
	row             plan.Row
	seed            uint64
	told            func(documents int)
	migrations      []project.Migration
	functions       []jsrun.Function // of migrations
	widened, target *schema.Table
	w               *world
}

// candidate is a document to try.
type candidate struct {
	doc  value.Object // with its system fields
	real bool
}

func (s *search) rand(what string) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, hash(what)))
}

func (s *search) run(ctx context.Context, p *plan.Proof) error {
	next, stop := iter.Pull(s.candidates())
	defer stop()
	misfits := 0
	for size := firstBatch; p.Documents < s.o.Documents; size = min(2*size, fullBatch) {
		var batch []candidate
		for len(batch) < min(size, s.o.Documents-p.Documents) {
			c, ok := next()
			if !ok {
				break
			}
			batch = append(batch, c)
			if c.real {
				p.Sampled++
			}
			if s.offends(c.doc) {
				misfits++
			}
		}
		if len(batch) == 0 {
			break
		}
		p.Documents += len(batch)
		found, err := s.batch(ctx, batch)
		if err != nil {
			return err
		}
		s.told(p.Documents)
		if found != nil {
			if p.Counter, err = s.shrink(ctx, found); err != nil {
				return err
			}
			p.Verdict = plan.Refuted
			return nil
		}
	}
	if misfits == 0 {
		return cannot("no document could be made that the widened schema accepts and the target refuses here")
	}
	p.Verdict = plan.Held
	return nil
}

// offends reports whether the row's change is about the document.
func (s *search) offends(doc value.Object) bool {
	for _, v := range s.target.CheckDocument(doc, s.w.tables()) {
		if s.concerns(v) {
			return true
		}
	}
	return false
}

func (w *world) tables() schema.Tables { return w.bases[0].IDs("") }

// found is a document that fails, and how.
type found struct {
	candidate
	counter *plan.Counterexample
	code    string
}

// same reports whether two failures are one: a shrunk document must fail as
// the whole one did.
func (f *found) same(g *found) bool {
	a, b := f.counter, g.counter
	return a.Kind == b.Kind && a.Migration == b.Migration && f.code == g.code && (a.Kind != plan.KindThrows || a.Frame == b.Frame)
}

// maxVain is how many documents of a batch may fail without being a
// counterexample. Then what is beside them is the reason: the rest of the batch
// is tried one by one, and later ones beside the other base.
const maxVain = 4

// batch tries documents together and answers the first that fails alone.
func (s *search) batch(ctx context.Context, batch []candidate) (*found, error) {
	for vain := 0; len(batch) > 0; vain++ {
		if vain == maxVain {
			slices.Reverse(s.w.bases)
			return s.eachAlone(ctx, batch)
		}
		t, err := s.put(ctx, s.w.bases[0], documents(batch))
		if err != nil {
			return nil, err
		}
		if t.thrown != nil && t.thrown.slow {
			return s.eachAlone(ctx, batch)
		}
		if t.thrown != nil {
			at := slices.Index(t.ids, t.thrown.document)
			if at < 0 || len(batch) == 1 {
				return s.halves(ctx, batch)
			}
			if f, err := s.single(ctx, batch[at]); f != nil || err != nil {
				return f, err
			}
			batch = append(batch[:at:at], batch[at+1:]...) // it fails only beside others, or for want of them
			continue
		}
		for i, c := range batch {
			if s.judge(t, i) == nil {
				continue
			}
			if f, err := s.single(ctx, c); f != nil || err != nil {
				return f, err
			}
		}
		if s.elsewhere(t) != nil {
			return s.halves(ctx, batch)
		}
		return nil, nil
	}
	return nil, nil
}

// halves looks for the document to blame where the batch does not tell.
func (s *search) halves(ctx context.Context, batch []candidate) (*found, error) {
	if len(batch) == 1 {
		return s.single(ctx, batch[0])
	}
	for _, half := range [][]candidate{batch[:len(batch)/2], batch[len(batch)/2:]} {
		if f, err := s.batch(ctx, half); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// eachAlone tries every document of a batch by itself.
func (s *search) eachAlone(ctx context.Context, batch []candidate) (*found, error) {
	for _, c := range batch {
		if f, err := s.single(ctx, c); f != nil || err != nil {
			return f, err
		}
	}
	return nil, nil
}

// single tries a document alone, beside each base: it is a counterexample when
// it fails beside all of them.
func (s *search) single(ctx context.Context, c candidate) (*found, error) {
	var out *found
	for _, base := range s.w.bases {
		f, err := s.one(ctx, base, c)
		if err != nil {
			return nil, err
		}
		if f == nil {
			return nil, nil
		}
		if out == nil {
			out = f
		}
	}
	return out, nil
}

func (s *search) one(ctx context.Context, base *local.View, c candidate) (*found, error) {
	t, err := s.put(ctx, base, []value.Object{c.doc})
	if err != nil {
		return nil, err
	}
	if t.thrown != nil {
		return &found{candidate: c, code: t.thrown.code, counter: &plan.Counterexample{
			Kind: plan.KindThrows, Migration: t.thrown.migration, Before: fields(c.doc), Violation: t.thrown.text, Frame: t.thrown.frame,
			Thrown: !t.thrown.slow, Dangling: dangling(t.before(), fields(c.doc)),
		}}, nil
	}
	counter := s.judge(t, 0)
	if counter == nil {
		if counter = s.elsewhere(t); counter != nil {
			counter.Before, counter.After = fields(c.doc), body(t.after(), t.ids[0])
			if counter.Kind == plan.KindNotIdempotent {
				counter.Again = body(t.again(), t.ids[0])
			}
		}
	}
	if counter == nil {
		return nil, nil
	}
	for _, m := range s.migrations {
		if m.Name == counter.Migration {
			counter.Frame = definedAt(m)
		}
	}
	return &found{candidate: c, counter: counter}, nil
}

func documents(batch []candidate) []value.Object {
	out := make([]value.Object, len(batch))
	for i, c := range batch {
		out[i] = c.doc
	}
	return out
}

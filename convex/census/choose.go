package census

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/plan"
)

// prepare finds out what is to be read.
func prepare(ctx context.Context, client *wire.Client, o Options) (*run, error) {
	if o.Target == nil {
		return nil, errors.New("no target schema to count against")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	r := &run{client: client, o: o, hash: o.Target.Hash(), started: o.Now().Round(0), pages: pacer{size: firstPage}}
	r.random = rand.New(rand.NewPCG(o.Seed, 0))
	if o.Brought {
		r.bringAll, r.brought = true, "that was asked for"
	}
	if o.Rate > 0 {
		r.limit = rate.NewLimiter(rate.Limit(o.Rate), max(1, min(largestPage, int(o.Rate))))
	}
	if o.Resume != nil {
		err := r.resume(o.Resume)
		if err == nil {
			err = r.proveAgain(ctx)
		}
		if err != nil {
			return nil, err
		}
	} else if err := r.choose(ctx); err != nil {
		return nil, err
	}
	return r, r.number(ctx)
}

// choose lists the tables, with what proves them without reading.
func (r *run) choose(ctx context.Context) error {
	names, shapes, err := r.listed(ctx)
	if err != nil {
		return err
	}
	tables, err := r.o.tables()
	if err != nil {
		return err
	}
	for _, table := range tables {
		t := &tableRun{table: table}
		if err := r.prove(ctx, t, names, shapes); err != nil {
			return err
		}
		r.tables = append(r.tables, t)
	}
	slices.SortFunc(r.tables, func(a, b *tableRun) int {
		return cmp.Or(cmp.Compare(a.count.Documents, b.count.Documents), cmp.Compare(a.table.Name, b.table.Name))
	})
	return nil
}

// listed is which tables there are, and their shapes, as far as they are told.
func (r *run) listed(ctx context.Context) (names []string, shapes map[string]wire.Shape, err error) {
	names, err = r.client.Tables(ctx, r.o.Component)
	if err != nil {
		return nil, nil, fmt.Errorf("the tables cannot be listed: %w", err)
	}
	shapes, err = r.client.Shapes(ctx, r.o.ComponentID)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		shapes = nil // they are a short cut, no more
	}
	return names, shapes, nil
}

// prove counts a table, and says what proves it without reading; "" nothing.
func (r *run) prove(ctx context.Context, t *tableRun, names []string, shapes map[string]wire.Shape) (err error) {
	name := t.table.Name
	if t.count.Documents, err = r.size(ctx, name, slices.Contains(names, name)); err != nil {
		return err
	}
	shape, shaped := shapes[name]
	t.count.Proved = ""
	switch {
	case r.o.Proved[name] != "":
		t.count.Proved = r.o.Proved[name]
	case t.count.Documents == 0:
		t.count.Proved = plan.ByEmpty
	case acceptsAll(t.table.Document):
		t.count.Proved = plan.BySchema
	case shaped && fits(t.table, shape):
		t.count.Proved = plan.ByShapes
	}
	t.done = t.count.Proved != ""
	return nil
}

// proveAgain proves anew what was proved without reading when a census that is
// resumed began: an empty table may have been filled since, and another schema
// pushed. What nothing proves any more is read.
func (r *run) proveAgain(ctx context.Context) error {
	if !slices.ContainsFunc(r.tables, func(t *tableRun) bool { return t.count.Proved != "" }) {
		return nil
	}
	names, shapes, err := r.listed(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.tables {
		if t.count.Proved != "" {
			if err := r.prove(ctx, t, names, shapes); err != nil {
				return err
			}
		}
	}
	return nil
}

// size counts the documents of a table. Zero is asked for again, for it is a
// proof, and so is what a sample is taken of.
func (r *run) size(ctx context.Context, table string, exists bool) (int64, error) {
	if !exists {
		return 0, nil
	}
	if n := r.o.Counts[table]; n > 0 && r.o.Sample == 0 {
		return n, nil
	}
	n, err := r.client.TableSize(ctx, r.o.Component, table)
	if err != nil {
		return 0, fmt.Errorf("table %s cannot be counted: %w", table, err)
	}
	return n, nil
}

// acceptsAll reports whether a validator accepts every document.
func acceptsAll(v *schema.Validator) bool {
	ok, err := schema.IncludesDocuments(v, nil)
	return ok && err == nil
}

// fits reports whether every document of an inferred shape fits a table.
func fits(table *schema.Table, shape wire.Shape) bool {
	ok, err := schema.IncludesDocuments(table.Document, shape.Validator())
	return ok && err == nil
}

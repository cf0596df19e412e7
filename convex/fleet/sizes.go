package fleet

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

const (
	sizeSample   = 32 // documents that a review reads of a table whose sizes are not known
	sizePatience = 10 * time.Second
)

// sizes gathers how large the documents of a table are.
type sizes struct{ sampled, total, largest int64 }

func (s *sizes) take(doc value.Object) {
	n := int64(value.Size(doc))
	s.sampled++
	s.total += n
	s.largest = max(s.largest, n)
}

func (s *sizes) size() plan.Size {
	if s.sampled == 0 {
		return plan.Size{}
	}
	return plan.Size{Sampled: s.sampled, Mean: s.total / s.sampled, Largest: s.largest}
}

// sampleSizes reads the newest documents of the tables that migrations work
// on, a page each, where nothing is known of their size yet. What cannot be
// read stays unknown: the plan says so where it matters.
func (f *Fleet) sampleSizes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sizePatience)
	defer cancel()
	var g errgroup.Group
	for _, w := range f.unweighed() {
		g.Go(func() error {
			for _, table := range w.tables {
				page, err := w.client.TableData(ctx, "", table, "desc", "", sizeSample)
				if err != nil {
					continue
				}
				var s sizes
				for _, doc := range page.Documents {
					s.take(doc)
				}
				f.change(func() {
					if _, known := w.env.sizes[table]; !known && w.env.client == w.client {
						w.env.sizes[table] = s.size()
					}
				})
			}
			return nil
		})
	}
	_ = g.Wait() // its functions return nil
}

// unweighed are the tables of an environment whose documents' sizes are not
// known.
type unweighed struct {
	env    *env
	client *wire.Client
	tables []string
}

func (f *Fleet) unweighed() (out []unweighed) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.envs {
		if e.state != Ready || e.client == nil {
			continue
		}
		w := unweighed{env: e, client: e.client}
		for _, table := range e.migrated() {
			if _, known := e.sizes[table]; !known && e.tables[table] > 0 {
				w.tables = append(w.tables, table)
			}
		}
		if len(w.tables) > 0 {
			out = append(out, w)
		}
	}
	return out
}

// migrated are the root's tables that migrations work on, or will have to. f.mu is
// held.
func (e *env) migrated() (out []string) {
	add := func(table string) {
		if table != "" && !slices.Contains(out, table) {
			out = append(out, table)
		}
	}
	for _, d := range e.f.defs {
		if d.Component == "" {
			add(d.Table)
		}
	}
	if c := e.compared(); c != nil {
		for _, ch := range c.Changes {
			if ch.NeedsMigration() {
				add(ch.Table)
			}
		}
	}
	return out
}

package local

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"sync"
	"weak"
)

// GET /api/shapes2 (convex-wire.md 6.3). The shape of a table that has not
// changed is at hand. Of one that has, the documents are read in stretches, and
// only those stretches are looked into that differ from the last time: a batch
// of a migration costs what it has written.

// inferredShapes are the shapes asked for last.
type inferredShapes struct {
	mu     sync.Mutex
	seed   maphash.Seed
	tables map[tableRef]*tableShape
}

// tableShape is the shape of one version of a table.
type tableShape struct {
	version   weak.Pointer[table]
	stretches map[uint64]*shape // by the hash of their documents
	all       shape
}

// maxStretch bounds a stretch: documents beyond it begin another one.
const maxStretch = 4096

// endsStretch says after which documents a stretch ends, one in a thousand or
// so, whatever was inserted and deleted before them.
func endsStretch(d *document) bool { return d.id[0] == 0 && d.id[1]&3 == 0 }

// of is the shape of a table.
func (c *inferredShapes) of(ctx context.Context, ref tableRef, t *table) (*shape, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tables == nil {
		c.seed, c.tables = maphash.MakeSeed(), map[tableRef]*tableShape{}
	}
	last, version := c.tables[ref], weak.Make(t)
	if last != nil && last.version == version {
		return &last.all, nil
	}
	now := &tableShape{version: version, stretches: map[uint64]*shape{}}
	var docs []*document
	var failed error
	take := func() bool {
		s, hash, err := c.stretch(last, docs)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			failed = fmt.Errorf("infer the shape of table %q: %w", t.name, err)
			return false
		}
		now.stretches[hash] = s
		now.all.merge(s)
		docs = docs[:0]
		return true
	}
	t.byTime.Scan(func(d *document) bool {
		docs = append(docs, d)
		return !endsStretch(d) && len(docs) < maxStretch || take()
	})
	if failed == nil && len(docs) > 0 {
		take()
	}
	if failed != nil {
		return nil, failed
	}
	c.tables[ref] = now
	return &now.all, nil
}

// stretch is the shape of a stretch of documents: the one from last time where
// they are the same.
func (c *inferredShapes) stretch(last *tableShape, docs []*document) (*shape, uint64, error) {
	var h maphash.Hash
	h.SetSeed(c.seed)
	for _, d := range docs {
		h.WriteString(d.json)
		h.WriteByte('\n')
	}
	hash := h.Sum64()
	if last != nil && last.stretches[hash] != nil {
		return last.stretches[hash], hash, nil
	}
	s := &shape{}
	for _, d := range docs {
		o, err := decodeDocument(d)
		if err != nil {
			return nil, 0, fmt.Errorf("document %x: %w", d.id, err)
		}
		s.add(o)
	}
	return s, hash, nil
}

// forget drops the shapes of a component's tables that are gone.
func (c *inferredShapes) forget(component string, s *space) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref := range c.tables {
		if ref.component == component && s.table(ref.table) == nil {
			delete(c.tables, ref)
		}
	}
}

// shapes2 are the shapes of the user tables of a component, by name.
func (d *Deployment) shapes2(r *http.Request) (map[string]shapeJSON, error) {
	if _, err := d.requireOp(r, "ViewData"); err != nil {
		return nil, err
	}
	id := r.URL.Query().Get("component")
	component, err := d.componentOf(&id)
	if err != nil {
		return nil, err
	}
	out := map[string]shapeJSON{}
	sp := d.View().snapshot.space(component)
	if sp == nil {
		return out, nil
	}
	cache := &d.serving().shapes
	for _, t := range sp.userTables() {
		s, err := cache.of(r.Context(), tableRef{component, t.name}, t)
		if err != nil {
			return nil, err
		}
		out[t.name] = s.json(sp)
	}
	cache.forget(component, sp)
	return out, nil
}

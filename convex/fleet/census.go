package fleet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

const (
	censusPage    = 2000 // documents a page; the deployment may give fewer
	sampledGroup  = 5    // samples kept of a group
	censusRetries = 3
)

// takeCensus reads every document that may not fit the target, page by page,
// and checks it. Tables whose active schema lets nothing in that the target
// refuses are not read (design.md section 4).
func (a *action) takeCensus(answer *entry) error {
	defer a.f.change(func() { a.e.counting, a.e.stopCount = nil, nil })
	open, counts, total, writes := a.censusTables()
	a.f.change(func() { a.e.counting = &CensusRun{Started: a.f.now(), Total: total} })
	watch := a.watchWrites(open)
	c := newCounter()
	if len(open) > 0 {
		ids, err := a.client.TableMapping(a.ctx, "")
		if a.ctx.Err() != nil {
			return a.censusStopped()
		}
		if err != nil {
			return fmt.Errorf("census: the tables' numbers cannot be read, so ids cannot be checked: %w", err)
		}
		c.ids = mapping(ids)
	}
	for _, t := range open {
		if err := a.countTable(c, t, counts[t.Name]); err != nil {
			if a.ctx.Err() != nil {
				return a.censusStopped()
			}
			return err
		}
	}
	census := c.census(a.schema.Hash(), a.f.now())
	a.f.change(func() {
		census.Stale = a.e.writes != writes || watch.dirty
		a.e.census, a.counted, watch.over = census, census, true
		text := "census: every document fits the target"
		if census.Offenders > 0 {
			text = fmt.Sprintf("census: %s documents do not fit the target", thousands(census.Offenders))
		}
		if census.Stale {
			text += "; documents were written meanwhile"
		}
		a.f.say("info", a.c.Env, text)
	})
	answer.Offenders, answer.Schema, answer.Processed = &census.Offenders, census.Schema, census.Read
	return nil
}

func (a *action) censusStopped() error {
	if a.f.ctx.Err() == nil {
		a.f.change(func() { a.f.say("info", a.c.Env, "the census was stopped; what it had read is dropped") })
	}
	return nil
}

// censusTables are the tables to read, their sizes, and the mark of writes as
// of now.
func (a *action) censusTables() (open []*schema.Table, counts map[string]int64, total int64, writes uint64) {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	counts = map[string]int64{}
	cmp := a.e.compared()
	for _, t := range a.schema.Tables {
		n, known := a.e.tables[t.Name]
		if cmp != nil && cmp.Enforced(t.Name) || a.e.tablesKnown && !known {
			continue
		}
		open = append(open, t)
		counts[t.Name] = n
		total += n
	}
	return open, counts, total, a.e.writes
}

// countTable reads one table.
func (a *action) countTable(c *counter, t *schema.Table, size int64) error {
	c.tables[t.Name] = 0
	n := censusPage
	for cursor := ""; ; {
		page, err := a.readPage(t.Name, cursor, &n)
		if err != nil {
			return fmt.Errorf("census: table %s: %w", t.Name, err)
		}
		for _, doc := range page.Documents {
			c.take(t, doc)
		}
		a.f.change(func() {
			run := *a.e.counting
			run.Read, run.Found, run.Table = c.read, c.offenders, t.Name
			run.Total = max(run.Total, run.Read)
			a.e.counting = &run
			a.e.heard = a.f.now()
		})
		if page.IsDone {
			return nil
		}
		if page.Cursor == cursor {
			return fmt.Errorf("census: table %s: the deployment gives the same page again", t.Name)
		}
		cursor = page.Cursor
	}
}

// readPage reads a page, smaller ones when the deployment finds it too large.
func (a *action) readPage(table, cursor string, n *int) (wire.Page, error) {
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(a.ctx, 2*time.Minute)
		page, err := a.client.TableData(ctx, "", table, "asc", cursor, *n)
		cancel()
		if err == nil || a.ctx.Err() != nil {
			return page, err
		}
		if functionError(err) == nil || *n <= 16 {
			if try >= censusRetries {
				return page, err
			}
			continue
		}
		*n /= 2
	}
}

// writeWatch notices writes to the tables of a census, during it and after.
// All but stop is guarded by the fleet's mutex.
type writeWatch struct {
	dirty bool // written to since the first page
	over  bool // the census is done
	stop  func()
}

// watchWrites watches the tables of a census through queryTable, whose value
// changes with the table (convex-wire.md 6.2). Where a deployment has no such
// function, the sizes and statuses that are watched anyway must do. The watch
// lasts until the next census.
func (a *action) watchWrites(open []*schema.Table) *writeWatch {
	w := &writeWatch{}
	var stops []func()
	for _, t := range open {
		first := true
		call := wire.Call{Path: "_system/cli/queryTable", Args: value.NewObject(value.Field{Name: "tableName", Value: t.Name})}
		stops = append(stops, a.client.Subscribe(call, func(u wire.Update) {
			if u.Err != nil {
				return
			}
			if first {
				first = false
				return
			}
			a.f.change(func() {
				w.dirty = true
				if w.over && a.e.watchingWrites == w {
					a.e.wrote(t.Name)
				}
			})
		}))
	}
	w.stop = func() {
		for _, stop := range stops {
			stop()
		}
	}
	var old *writeWatch
	a.f.change(func() { old, a.e.watchingWrites = a.e.watchingWrites, w })
	if old != nil {
		old.stop()
	}
	return w
}

// counter checks documents against the target and groups what does not fit.
type counter struct {
	ids       mapping
	read      int64
	offenders int64
	tables    map[string]int64
	groups    map[groupKey]*plan.Group
}

type groupKey struct{ table, path, reason string }

func newCounter() *counter {
	return &counter{tables: map[string]int64{}, groups: map[groupKey]*plan.Group{}}
}

func (c *counter) take(t *schema.Table, doc value.Object) {
	c.read++
	if t.FitsDocument(doc, c.ids) {
		return
	}
	violations := t.CheckDocument(doc, c.ids)
	if len(violations) == 0 {
		return
	}
	c.offenders++
	c.tables[t.Name]++
	seen := map[groupKey]bool{}
	for _, v := range violations {
		key := groupKey{t.Name, fieldPath(t.Name, v.Field), v.Reason}
		if seen[key] {
			continue // a document counts once in a group
		}
		seen[key] = true
		g := c.groups[key]
		if g == nil {
			g = &plan.Group{Table: key.table, Path: key.path, Reason: key.reason}
			c.groups[key] = g
		}
		g.Count++
		if len(g.Samples) < sampledGroup {
			id, _ := textOf(doc, "_id")
			g.Samples = append(g.Samples, plan.Sample{ID: id, Message: v.Message, Expected: v.Expected, Got: v.Got, Document: doc})
		}
	}
}

// fieldPath is a violation's field as the plan writes paths.
func fieldPath(table, field string) string {
	switch {
	case field == "":
		return ""
	case field[0] == '[' || field[0] == '{' || field[0] == '.':
		return table + field
	}
	return table + "." + field
}

func (c *counter) census(hash string, now time.Time) *plan.Census {
	out := &plan.Census{Schema: hash, At: now, Full: true, Read: c.read, Offenders: c.offenders, Tables: c.tables}
	for _, g := range c.groups {
		out.Groups = append(out.Groups, *g)
	}
	slices.SortFunc(out.Groups, func(a, b plan.Group) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

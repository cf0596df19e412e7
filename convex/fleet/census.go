package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
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
	sizeEvery     = 8 // a census weighs one document of so many
)

// takeCensus reads every document that may not fit the target, page by page,
// and checks it. Tables whose active schema lets nothing in that the target
// refuses are not read (design.md section 4). Pages are snapshots of their own,
// so the tables are watched from before the first page until after the last.
func (a *action) takeCensus(answer *entry) error {
	defer a.f.change(func() { a.e.counting, a.e.stopCount = nil, nil })
	open, counts, total, writes := a.censusTables()
	var began censusBegin
	a.f.change(func() {
		began = censusBegin{at: a.f.now().Round(0), pushed: a.e.pushedAt, active: a.e.hash, writes: writes}
		a.e.counting = &CensusRun{Started: began.at, Total: total}
	})
	watch, err := a.watchWrites(open)
	if err == nil {
		var census *plan.Census
		if census, err = a.countAll(open, counts); err == nil {
			// A write may be known there and not announced yet.
			var written bool
			if written, err = watch.barrier(a.ctx); err == nil {
				a.found(census, watch, written, began, answer)
				return nil
			}
		}
		watch.stop()
	}
	if a.ctx.Err() != nil {
		return a.censusStopped()
	}
	return fmt.Errorf("census: %w", err)
}

func (a *action) countAll(open []*schema.Table, counts map[string]int64) (*plan.Census, error) {
	c := newCounter()
	if len(open) > 0 {
		ids, err := a.client.TableMapping(a.ctx, "")
		if err != nil {
			return nil, fmt.Errorf("the tables' numbers cannot be read, so ids cannot be checked: %w", err)
		}
		c.ids = mapping(ids)
	}
	for _, t := range open {
		if err := a.countTable(c, t, counts[t.Name]); err != nil {
			return nil, err
		}
	}
	a.f.change(func() {
		for table, s := range c.sizes {
			if s.sampled > 0 {
				a.e.sizes[table] = s.size()
			}
		}
	})
	return c.census(a.schema.Hash(), a.f.now().Round(0)), nil
}

// found publishes a census, and from then on watches for it instead of for the
// one before.
func (a *action) found(census *plan.Census, watch *writeWatch, written bool, began censusBegin, answer *entry) {
	var old *writeWatch
	var record []entry
	a.f.change(func() {
		census.Started, census.Deployment = began.at, a.place
		a.fillCounts(census)
		census.Stale = written || watch.dirty || a.e.writes != began.writes || a.e.client != a.client
		if census.Stale {
			a.e.written = a.f.now().Round(0)
		}
		old, a.e.watchingWrites = a.e.watchingWrites, watch
		a.e.census, a.counted, watch.over = census, census, true
		text := "census: every document fits the target"
		if census.Offenders > 0 {
			text = fmt.Sprintf("census: %s documents do not fit the target", thousands(census.Offenders))
		}
		if census.Stale {
			text += "; documents were written meanwhile"
		}
		a.f.say("info", a.c.Env, text)
		record = a.judgeCensus(census, began)
	})
	if old != nil {
		old.stop()
	}
	for _, x := range record {
		a.f.recordOf(a.e, x)
	}
	answer.Offenders, answer.Schema, answer.Processed = &census.Offenders, census.Schema, census.Read
}

// censusBegin is how things stood when a census began.
type censusBegin struct {
	at     time.Time
	pushed float64 // as env.pushedAt
	active string  // hash of the active schema
	writes uint64
}

// fillCounts says of every table what the census knows of it. f.mu is held.
func (a *action) fillCounts(c *plan.Census) {
	c.Counts = map[string]plan.TableCount{}
	cmp := a.e.compared()
	for _, t := range a.schema.Tables {
		n, known := a.e.tables[t.Name]
		bad, read := c.Tables[t.Name]
		k := plan.TableCount{Documents: n, Offenders: bad, Most: bad}
		switch {
		case read:
			k.Read = n
		case cmp != nil && cmp.Enforced(t.Name):
			k.Proved = plan.BySchema
		case a.e.tablesKnown && !known:
			k.Proved = plan.ByEmpty
		}
		c.Counts[t.Name] = k
	}
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
	c.tables[t.Name], c.sizes[t.Name] = 0, &sizes{}
	n := censusPage
	for cursor := ""; ; {
		page, err := a.readPage(t.Name, cursor, &n)
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
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
			return fmt.Errorf("table %s: the deployment gives the same page again", t.Name)
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

// writeWatch notices writes to the tables of a census, during it and after,
// through queryTable, whose value changes with the table (convex-wire.md 6.2).
// Where a deployment has no such function, the sizes and statuses that are
// watched anyway must do.
type writeWatch struct {
	client *wire.Client
	calls  []wire.Call
	stop   func()

	// Guarded by the fleet's mutex.
	first []string // values before the first page; "" without the function
	heard []bool
	dirty bool // written to since the first page
	over  bool // the census is done
}

// watchTimeout bounds the wait for the live queries of a watch.
const watchTimeout = 30 * time.Second

// watchWrites begins to watch tables, and returns when the watch of every one
// stands. The watch lasts until a later census has been taken.
func (a *action) watchWrites(open []*schema.Table) (*writeWatch, error) {
	w := &writeWatch{client: a.client, first: make([]string, len(open)), heard: make([]bool, len(open))}
	var stops []func()
	w.stop = func() {
		for _, stop := range stops {
			stop()
		}
	}
	for i, t := range open {
		call := wire.Call{Path: "_system/cli/queryTable", Args: value.NewObject(value.Field{Name: "tableName", Value: t.Name})}
		w.calls = append(w.calls, call)
		stops = append(stops, a.client.Subscribe(call, func(u wire.Update) {
			spent := false
			a.f.change(func() {
				now := stampOf(u)
				switch {
				case !w.heard[i]:
					w.heard[i], w.first[i] = true, now
				case now != w.first[i]:
					w.dirty = true
					if w.over && a.e.watchingWrites == w {
						a.e.wrote(t.Name)
						spent = a.e.census != nil && a.e.census.Stale
					}
				}
			})
			if spent { // one write is enough; those that follow need not be told
				a.f.spawn(w.stop)
			}
		}))
	}
	ctx, cancel := context.WithTimeout(a.ctx, watchTimeout)
	defer cancel()
	err := a.f.wait(ctx, func() bool { return !slices.Contains(w.heard, false) })
	if err != nil {
		w.stop()
		return nil, fmt.Errorf("the tables cannot be watched for writes: %w", err)
	}
	return w, nil
}

// stampOf is the value by which writes are noticed. A deployment without the
// function has none; any other failure may hide a write, so it is a value of
// its own.
func stampOf(u wire.Update) string {
	if f := functionError(u.Err); f != nil && f.Missing() {
		return ""
	}
	if u.Err != nil {
		return "unknown: " + u.At.String()
	}
	return string(value.Append(nil, u.Value))
}

// barrier reports whether a table was written to until now. A query that was
// never asked before is answered at a moment after the call, and every other
// query of the connection is brought to that same moment with it (4.3).
func (w *writeWatch) barrier(ctx context.Context) (written bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	if len(w.calls) == 0 {
		return false, nil
	}
	moment := wire.Call{Path: "_system/cli/queryTable", Args: value.NewObject(value.Field{Name: "tableName", Value: "strait" + rand.Text()[:10]})}
	if _, err := w.client.Once(ctx, moment); err != nil && functionError(err) == nil {
		return false, err
	}
	for i, call := range w.calls {
		r, err := w.client.Once(ctx, call) // the live query's newest value
		if err != nil && functionError(err) == nil {
			return false, err
		}
		if now := stampOf(wire.Update{Value: r.Value, Err: err}); now != w.first[i] {
			written = true
		}
	}
	return written, nil
}

// counter checks documents against the target and groups what does not fit.
type counter struct {
	ids       mapping
	read      int64
	offenders int64
	tables    map[string]int64
	sizes     map[string]*sizes
	groups    map[groupKey]*plan.Group
}

type groupKey struct{ table, path, reason string }

func newCounter() *counter {
	return &counter{tables: map[string]int64{}, sizes: map[string]*sizes{}, groups: map[groupKey]*plan.Group{}}
}

func (c *counter) take(t *schema.Table, doc value.Object) {
	if c.read%sizeEvery == 0 {
		c.sizes[t.Name].take(doc)
	}
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

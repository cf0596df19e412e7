package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strait/convex/census"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// censusRate is how many documents a second a census of a real deployment reads
// unless something else is set: a page a second, which a production app does
// not feel. An embedded one is read as fast as it answers.
const censusRate = 2000

// pushToldWithin is how long a census waits for word of the last push.
const pushToldWithin = 10 * time.Second

// takeCensus counts the documents that do not fit the target. Tables whose
// active schema lets nothing in that the target refuses are not read (design.md
// section 4), nor those of which shapes or emptiness tell. Pages are snapshots
// of their own, so at the root the tables are watched from before the first
// page until after the last.
func (a *action) takeCensus(answer *entry) error {
	defer a.f.change(func() { a.e.counting, a.e.stopCount = nil, nil })
	told, cancel := context.WithTimeout(a.ctx, a.f.patience(pushToldWithin))
	_ = a.f.wait(told, func() bool { return a.e.pushTold || a.e.client != a.client }) // later it would look like a push
	cancel()
	o, began, err := a.censusOptions(a.ctx)
	if err != nil {
		return a.censusStopped(err)
	}
	watch := &writeWatch{stop: func() {}}
	if began.component == "" {
		if watch, err = a.watchWrites(began.open); err != nil {
			return a.censusStopped(fmt.Errorf("census: %w", err))
		}
	}
	c, err := census.Deployment(a.ctx, a.client, o)
	a.f.progressSaved(a.e, began, c)
	written := false
	if err == nil && c.Stopped == "" {
		// A write may be known there and not announced yet.
		written, err = watch.barrier(a.ctx)
	}
	if err != nil {
		watch.stop()
		a.foundBefore(c, began)
		return a.censusStopped(err)
	}
	c.Deployment = a.place
	a.found(c, watch, written, began, answer)
	return nil
}

func (a *action) censusStopped(err error) error {
	if a.ctx.Err() == nil {
		return err
	}
	if a.f.ctx.Err() == nil {
		a.f.change(func() { a.f.say("info", a.c.Env, "the census was stopped before it had read anything") })
	}
	return nil
}

// censusBegin is how things stood when a census began; of one that goes on
// where another stopped, when that one began.
type censusBegin struct {
	component string
	at        time.Time
	pushed    float64 // as env.pushedAt
	active    string  // hash of the active schema
	resumed   bool
	writes    uint64
	open      []*schema.Table // tables of the target that the active schema does not vouch for
	schema    string          // hash of the target
}

// options are those of the command; the zero ones without.
func (a *action) options() CensusOptions {
	if a.c.Census == nil {
		return CensusOptions{}
	}
	return *a.c.Census
}

// censusOptions are what the command asks for, as the census takes it.
func (a *action) censusOptions(ctx context.Context) (census.Options, censusBegin, error) {
	asked := a.options()
	o, began, err := a.e.censusOptions(ctx, a.client, asked)
	if err != nil {
		return o, began, err
	}
	run := CensusRun{Started: a.f.now(), Since: began.at, Total: -1, Budget: CensusBudget(o.Budget)}
	if asked.Resume {
		if saved := a.f.savedCensus(a.e, began); saved != nil {
			o.Resume, run.Resumed = &saved.State, true
			began.at, began.pushed, began.active, began.resumed = saved.State.Started, saved.Pushed, saved.Active, true
			run.Since = began.at
		} else {
			a.f.change(func() {
				a.f.say("info", a.c.Env, "there is no stopped census of this deployment and this target to go on with: it begins anew")
			})
		}
	}
	a.f.change(func() { a.e.counting = &run })
	o.Saved = a.f.keeper(a.e, began)
	first := readBefore(o.Resume)
	o.Progress = func(p census.Progress) {
		a.f.change(func() {
			now := a.f.now()
			r := run
			r.Read, r.Total, r.Bytes, r.Table, r.Found, r.Page, r.ETA = p.Read, p.Total, p.Bytes, p.Table, p.Found, p.Page, p.ETA
			if took, done := now.Sub(r.Started), p.Read-first; r.ETA == 0 && done > 0 && p.Total > p.Read {
				r.ETA = time.Duration(float64(took) / float64(done) * float64(p.Total-p.Read))
			}
			a.e.counting, a.e.heard = &r, now
		})
	}
	return o, began, nil
}

// readBefore is how many documents a census read before it was stopped.
func readBefore(s *census.State) (n int64) {
	if s == nil {
		return 0
	}
	for _, t := range s.Tables {
		n += t.Read
	}
	return n
}

// censusOptions are the options of a census of the environment, without what
// follows its course. f.mu is not held.
func (e *env) censusOptions(ctx context.Context, client *wire.Client, asked CensusOptions) (census.Options, censusBegin, error) {
	f := e.f
	f.mu.Lock()
	began := censusBegin{component: asked.Component, at: f.now().Round(0), pushed: e.pushedAt, active: e.hash, writes: e.writes}
	o := census.Options{
		Target: f.schemaOf(asked.Component), Tables: asked.Tables, Proved: map[string]string{}, Component: asked.Component, Sample: asked.Sample,
		Budget: census.Budget(f.budgetOf(asked)), Rate: e.rateOf(asked), Now: f.opt.Now,
	}
	if o.Target != nil {
		began.schema = o.Target.Hash()
	}
	if asked.Component == "" && o.Target != nil {
		cmp := e.compared()
		for _, t := range o.Target.Tables {
			if cmp != nil && cmp.Enforced(t.Name) {
				o.Proved[t.Name] = plan.BySchema
			} else {
				began.open = append(began.open, t)
			}
		}
		o.Sizes = maps.Clone(e.sizes)
	}
	f.mu.Unlock()
	if asked.Component == "" {
		return o, began, nil
	}
	if o.Target == nil {
		return o, began, fmt.Errorf("census: the project has no component %q with a schema: strait inspect lists its components", asked.Component)
	}
	id, found, err := componentID(ctx, client, asked.Component)
	switch {
	case err != nil:
		return o, began, fmt.Errorf("census: the components of %s cannot be listed: %w", e.cfg.Name, err)
	case !found:
		return o, began, fmt.Errorf("census: %s has no component %q deployed", e.cfg.Name, asked.Component)
	}
	o.ComponentID = id
	return o, began, nil
}

// rateOf is the rate of a census, in documents a second; 0 no limit.
func (e *env) rateOf(asked CensusOptions) float64 {
	switch set := e.f.project.Config.Census.Rate; {
	case asked.Rate < 0 || e.embedded && asked.Rate == 0:
		return 0
	case asked.Rate > 0:
		return asked.Rate
	case set > 0:
		return set
	}
	return censusRate
}

// budgetOf is the budget of a census: the one asked for, else strait.toml's.
func (f *Fleet) budgetOf(asked CensusOptions) CensusBudget {
	set := f.project.Config.Census
	return CensusBudget{Documents: cmp.Or(asked.Budget.Documents, set.BudgetDocuments), Bytes: cmp.Or(asked.Budget.Bytes, set.BudgetBytes)}
}

// CensusCost is what a census would read at most.
type CensusCost struct {
	census.Cost
	Budget CensusBudget // 0 no bound
	Rate   float64      // documents a second; 0 no limit
	Least  time.Duration
	Resume bool // a stopped one is there to go on with, which is what is priced
}

// CensusEstimate says what a census with these options would read, before it
// is begun. It asks for counts and inferred shapes, and reads no document.
func (f *Fleet) CensusEstimate(ctx context.Context, name string, asked CensusOptions) (*CensusCost, error) {
	if err := f.Ready(ctx, name); err != nil {
		return nil, err
	}
	f.mu.Lock()
	e := f.env(name)
	client := e.client
	f.mu.Unlock()
	if client == nil {
		return nil, fmt.Errorf("%s is not connected", name)
	}
	o, began, err := e.censusOptions(ctx, client, asked)
	if err != nil {
		return nil, err
	}
	out := &CensusCost{Budget: CensusBudget(o.Budget), Rate: o.Rate}
	if asked.Resume {
		if saved := f.savedCensus(e, began); saved != nil {
			o.Resume, out.Resume = &saved.State, true
		}
	}
	cost, err := census.Estimate(ctx, client, o)
	if err != nil {
		return nil, err
	}
	out.Cost = *cost
	read := cost.Documents
	if b := o.Budget.Documents; b > 0 {
		read = min(read, b)
	}
	if o.Rate > 0 {
		out.Least = time.Duration(float64(read) / o.Rate * float64(time.Second))
	}
	return out, nil
}

// foundBefore draws what follows from the offenders that a census found before
// it failed.
func (a *action) foundBefore(c *plan.Census, began censusBegin) {
	if c == nil || c.Component != "" || c.Offenders == 0 {
		return
	}
	record := func() {}
	a.f.change(func() {
		if a.e.place == a.place {
			record = a.judgeCensus(c, began)
		}
	})
	record()
}

// found publishes a census. A full one of the root is from then on watched for
// writes, instead of the one before.
func (a *action) found(c *plan.Census, watch *writeWatch, written bool, began censusBegin, answer *entry) {
	old := watch
	record := func() {}
	a.f.change(func() {
		e := a.e
		a.counted, a.halted = c, a.ctx.Err() != nil
		if e.place == a.place {
			e.shown = c
		}
		if e.client == a.client && c.Component == "" {
			if began.resumed || written || watch.dirty || e.writes != began.writes {
				e.written = a.f.now().Round(0)
				e.staleAt, c.Stale = e.written, c.Stopped == ""
			}
			for table, k := range c.Counts {
				if k.Size.Sampled > 0 {
					e.sizes[table] = k.Size
				}
			}
			if c.Stopped == "" && !saysLess(c, e.current()) {
				old, e.watchingWrites = e.watchingWrites, watch
				e.census, watch.over = c, true
			}
			record = a.judgeCensus(c, began)
		} else if e.place == a.place && c.Component == "" && c.Offenders > 0 {
			record = a.judgeCensus(c, began)
		}
		a.f.say("info", a.c.Env, censusText(c))
	})
	if old != nil {
		old.stop()
	}
	record()
	answer.Offenders, answer.Schema, answer.Processed = &c.Offenders, c.Schema, c.Read
}

// saysLess reports whether a census of some documents found nothing, so that it
// must not take the place of one of all of them.
func saysLess(c, old *plan.Census) bool {
	return old != nil && old.Full && !old.Stale && old.Schema == c.Schema && c.Offenders == 0 && (!c.Full || len(c.Counts) < len(old.Counts))
}

// censusText is a census in a line. It claims no more than was read.
func censusText(c *plan.Census) string {
	where := "census"
	if c.Component != "" {
		where += " of " + c.Component
	}
	var text string
	switch {
	case c.Stopped != "":
		text = fmt.Sprintf("%s: stopped, %s: %s read so far, %s; it can go on there", where, c.Stopped, thousands(c.Read), misfitting(c.Offenders))
	case c.Full && c.Offenders == 0 && len(c.Counts) > 0 && c.Read == 0:
		text = where + ": every document fits the target; none had to be read"
	case c.Full && c.Offenders == 0:
		text = where + ": every document fits the target"
	case c.Full:
		text = fmt.Sprintf("%s: %s the target", where, misfitting(c.Offenders))
	case c.Offenders == 0:
		text = fmt.Sprintf("%s: none of %s that were read misfits; not all were read, so it proves nothing", where, thousands(c.Read))
	default:
		text = fmt.Sprintf("%s: of %s that were read, %s the target; not all were read", where, thousands(c.Read), misfitting(c.Offenders))
	}
	var failed []string
	for table, k := range c.Counts {
		if k.Failed != "" {
			failed = append(failed, table)
		}
	}
	if slices.Sort(failed); len(failed) > 0 {
		text += "; not to its end: " + strings.Join(failed, ", ")
	}
	if c.Stale {
		text += "; documents were written meanwhile"
	}
	return text
}

// misfitting says that so many documents do not fit.
func misfitting(n int64) string {
	if n == 1 {
		return "1 document does not fit"
	}
	return thousands(n) + " documents do not fit"
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
		call := stampCall(t.Name)
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

// stampCall asks for the value that changes whenever a table is written to.
func stampCall(table string) wire.Call {
	return wire.Call{Path: "_system/cli/queryTable", Args: value.NewObject(value.Field{Name: "tableName", Value: table})}
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
	if _, err := w.client.Once(ctx, stampCall("strait"+rand.Text()[:10])); err != nil && functionError(err) == nil {
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

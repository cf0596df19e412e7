package fleet

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// The watch for old-shape writers: code that goes on writing what the target
// refuses after a table has been brought to it. It looks at the tables that a
// migration has finished, or in which a count has found nothing, and which the
// active schema does not keep clean by itself. While a migration of a table
// runs, the table is not watched: what it writes in between is its own.
//
// A table's live queryTable tells that it was written to (convex-wire.md 6.2).
// What was written is then found by the best of three means (6.3, 6.4):
//
//   - changes: the stream of changes since the last look, every revision
//     checked; it needs Pro on the cloud, and a key that may read data
//   - shapes: the inferred shapes; where they fit the target no document can
//     misfit. Where they do not, that proves nothing: the documents are read
//   - recount: new documents by their creation time, changed ones by reading
//     the table again, slowly
//
// plan.Writers says what was looked at, never more: a table with a write that
// no means has covered yet holds Checked back, and a connection that was lost
// begins Since anew, unless the stream of changes goes on where it was.

// Paces of the watch.
const (
	writersSettle = 300 * time.Millisecond // what is written together is looked at together
	writersPace   = 2 * time.Second        // between two looks at the changes
	writersSlow   = 10 * time.Second       // between two looks by another means
	writersRetry  = 5 * time.Second        // after a look that failed, doubling
	writersLapse  = time.Minute            // the longest of these, and where nothing tells of writes
	recountRate   = 100.0                  // documents a second that a recount reads
	recountBound  = 250_000                // documents that recounts read in a day
)

// guard is what the watch for old-shape writers knows of a deployment; it
// outlives connections. It belongs to the goroutine of the environment's watch.
type guard struct {
	place    string
	tables   map[string]*guarded
	cursor   int64     // of the stream of changes; 0 none
	census   time.Time // beginning of the newest count of zero that was heeded
	how      string
	found    offenders
	suspects []string
	read     []spent // by recounts, in the last day
}

// spent is what a recount read.
type spent struct {
	at        time.Time
	documents int
}

// guarded is one table that is watched.
type guarded struct {
	of       *schema.Table
	since    time.Time // watched without a gap
	until    time.Time // what was written before was looked at
	began    time.Time // what was made since then is new
	baseline bool      // it held no offender when the watch began, as far as is known
	open     bool      // something may have been written since until
	gap      bool      // of that, some is not in the stream of changes that is read
	fits     bool      // its shape fits the target

	signal *writeSignal

	// Of the stream of changes.
	placed   bool                 // from is known
	from     int64                // revisions up to this timestamp are of before
	catchUp  bool                 // it is being read from began on
	withheld bool                 // a count is under way: what it finds comes first
	pending  map[string]*offender // while catching up or withheld, as documents stand

	// Of the recount.
	mark  float64         // newest creation time that was looked at; 0 none
	pass  *pass           // under way; nil none
	again bool            // written to since the pass began
	left  map[string]bool // documents that the migration has left as they were
}

// reasonToGuard says why a table is watched.
type reasonToGuard struct {
	from     time.Time // of the count of zero, or the end of the migration
	counted  bool      // a count has found nothing in it
	counting bool      // a count is under way
	ran      bool      // a migration wrote to it after the count
}

// guardable are the tables to watch, and those that the active schema keeps
// clean by itself; ok is false while it cannot be told. caught are the tables in
// which offenders were found. f.mu is held.
func (e *env) guardable(hash string, caught map[string]int64) (out map[string]reasonToGuard, enforced map[string]bool, ok bool) {
	target := e.f.project.Schema
	if target == nil || e.state != Ready || !e.activeKnown || !e.statusesKnown {
		return nil, nil, false
	}
	compared := e.compared()
	if compared == nil {
		return nil, nil, false
	}
	out, enforced = map[string]reasonToGuard{}, map[string]bool{}
	for _, t := range target.Tables {
		if compared.Enforced(t.Name) {
			enforced[t.Name] = true
			continue
		}
		ended, running := e.migratedAt(t.Name)
		if running {
			continue
		}
		r := reasonToGuard{from: ended}
		if began, counted := e.countedClean(t.Name, hash); counted {
			r = reasonToGuard{from: began, counted: true, ran: ended.After(began)}
		} else if e.counting != nil {
			r = reasonToGuard{from: cmp.Or(e.counting.Since, e.counting.Started), counting: true}
		}
		if r.from.IsZero() && caught[t.Name] > 0 {
			r.from = e.f.now() // until a count says that it is over
		}
		if !r.from.IsZero() {
			out[t.Name] = r
		}
	}
	return out, enforced, true
}

// migratedAt is when the last migration of a table ended; zero when one of them
// is not done. f.mu is held.
func (e *env) migratedAt(table string) (ended time.Time, running bool) {
	unfinished := false
	for _, d := range e.f.defs {
		if d.Table != table || d.Component != "" || d.Runner {
			continue
		}
		r := e.show(d.Name)
		switch {
		case r.active():
			return time.Time{}, true
		case r.State != "success":
			unfinished = true
		case r.Ended.After(ended):
			ended = r.Ended
		case ended.IsZero():
			ended = e.f.now()
		}
	}
	if unfinished {
		return time.Time{}, false
	}
	return ended, false
}

// countedClean is when a count began that has found no offender in a table.
// f.mu is held.
func (e *env) countedClean(table, hash string) (began time.Time, ok bool) {
	if c := e.census; c != nil && (e.certificate == nil || !e.certificate.Ended.After(c.At)) && c.Schema == hash && c.Component == "" && c.Full && c.Stopped == "" {
		n, read := c.Tables[table]
		if k, known := c.Counts[table]; n == 0 && k.Offenders == 0 && (read || known) {
			return cmp.Or(c.Started, c.At), true
		}
		return time.Time{}, false
	}
	if c := e.certificate; c != nil && c.Schema == hash && c.Revoked.IsZero() {
		if _, read := c.Tables[table]; read || slices.Contains(c.Proved, table) {
			return c.Started, true
		}
	}
	return time.Time{}, false
}

// oldWriters is the watch of one connection.
type oldWriters struct {
	e      *env
	g      *guard
	client *wire.Client
	hash   string        // of the target
	wake   chan struct{} // a table was written to

	connects int  // connections so far at the last look
	looked   bool // once
	failures int
	next     time.Time // the next look is not before
	noDeltas bool      // as this connection found
	noShapes bool
	ids      mapping
}

// watchWriters watches until ctx ends.
func (e *env) watchWriters(ctx context.Context, client *wire.Client) {
	target := e.f.Project().Schema
	if target == nil {
		return // nothing says what would be of the old shape
	}
	var g *guard
	e.f.change(func() {
		if e.guard == nil || e.guard.place != e.place {
			e.guard = &guard{place: e.place, tables: map[string]*guarded{}}
		}
		g = e.guard
	})
	w := &oldWriters{e: e, g: g, client: client, hash: target.Hash(), wake: make(chan struct{}, 1), connects: -1, next: time.Now()}
	defer w.letGo()
	for ctx.Err() == nil {
		tick := e.f.changed.next()
		w.follow()
		if due := w.due(); !due.IsZero() && !due.After(time.Now()) {
			w.look(ctx)
			continue
		}
		if !w.rest(ctx, tick) {
			return
		}
	}
}

// followEvery is how often a busy fleet is asked what is to be watched.
const followEvery = 100 * time.Millisecond

// rest waits until something may be due.
func (w *oldWriters) rest(ctx context.Context, tick <-chan struct{}) bool {
	var due <-chan time.Time
	if at := w.due(); !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-due:
		return true
	case <-w.wake:
		return true
	case <-ctx.Done():
		return false
	case <-tick:
	}
	pause := time.NewTimer(followEvery)
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// follow begins and ends the watch of tables as the fleet's state asks for it.
func (w *oldWriters) follow() {
	e, g := w.e, w.g
	e.f.mu.Lock()
	want, enforced, known := e.guardable(w.hash, g.found.tables)
	connects := e.facts.connectsBefore + e.facts.connects
	zero := e.zeroCensus(w.hash)
	e.f.mu.Unlock()
	if !known {
		return
	}
	changed := false
	for name, t := range g.tables {
		if _, still := want[name]; !still {
			t.signal.end()
			delete(g.tables, name)
			changed = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		r := want[name]
		t := g.tables[name]
		if t == nil {
			t = w.begin(name, r)
			changed = true
		}
		if t.withheld && !r.counting {
			t.withheld, t.baseline, changed = false, r.counted, true
			w.release(t)
		}
		if t.signal == nil {
			t.signal = w.listen(name)
		}
	}
	if w.connects >= 0 && connects != w.connects {
		w.gap()
		changed = true
	}
	w.connects = connects
	if zero != nil && cmp.Or(zero.Started, zero.At).After(g.census) {
		w.anew(zero)
		changed = true
	}
	if g.found.forget(func(o *offender) bool { return enforced[o.table] }) {
		changed = true
	}
	if changed {
		w.soon()
	}
	w.show(shownEvery)
}

// zeroCensus is the newest full count of zero, which may be of some tables only;
// nil none. f.mu is held.
func (e *env) zeroCensus(hash string) *plan.Census {
	c := e.census
	if c == nil || c.Component != "" || !c.Full || c.Stopped != "" || c.Offenders > 0 || c.Schema != hash {
		return nil
	}
	return c
}

// begin takes up the watch of a table.
func (w *oldWriters) begin(name string, r reasonToGuard) *guarded {
	now := w.e.f.now()
	t := &guarded{
		of: w.e.f.Project().Schema.Table(name), since: now, until: now, began: now, baseline: r.counted, open: true, withheld: r.counting,
	}
	switch {
	case r.ran: // what it has written nobody has looked at
		t.gap, t.until = true, r.from
	case r.counted || r.counting: // nor at what was written since the count began
		t.catchUp, t.began, t.until = true, r.from, r.from
		t.mark = float64(r.from.UnixMilli())
	}
	w.g.tables[name] = t
	return t
}

// gap notes that the connection was lost: what tells of writes may have missed
// some.
func (w *oldWriters) gap() {
	for _, t := range w.g.tables {
		t.open = true
		if w.g.how != byChanges {
			t.since = w.e.f.now()
		}
	}
}

// anew begins anew after a count of zero: what was found before in the tables
// that it looked at is settled. What was found while it was taken is not: it may
// have been written behind its back.
func (w *oldWriters) anew(c *plan.Census) {
	g, began := w.g, cmp.Or(c.Started, c.At)
	counted := func(table string) bool { _, ok := c.Counts[table]; return ok }
	g.census = began
	g.found.forget(func(o *offender) bool { return counted(o.table) && (o.gone || o.last.Before(began)) })
	g.found.told = 0
	for name, t := range g.tables {
		if !counted(name) {
			continue
		}
		if t.began.After(began) { // nobody looked at what was written between the two
			signal := t.signal
			t = w.begin(name, reasonToGuard{from: began, counted: true})
			t.signal = signal
		}
		t.baseline, t.left = true, nil
		t.since, t.until = laterOf(t.since, began), laterOf(t.until, began)
	}
	if g.found.total() == 0 {
		g.suspects = nil
		return
	}
	w.tell(slices.Collect(maps.Values(g.found.byID)))
}

func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// due is when the next look is due; zero: when something happens.
func (w *oldWriters) due() time.Time {
	var due time.Time
	for _, t := range w.g.tables {
		at := time.Time{}
		switch written, when := t.signal.written(); {
		case t.open:
			at = w.next
		case written:
			at = when.Add(writersSettle)
		case t.signal.mute():
			at = w.next.Add(writersLapse)
		default:
			continue
		}
		if at.Before(w.next) {
			at = w.next
		}
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return due
}

// soon lets the next look come at once, unless the last one failed.
func (w *oldWriters) soon() {
	if w.failures == 0 {
		w.next = time.Now()
	}
}

// letGo ends the signals of this connection.
func (w *oldWriters) letGo() {
	for _, t := range w.g.tables {
		t.signal.end()
		t.signal, t.pass = nil, nil // a cursor is the connection's own
	}
}

// writeSignal tells whether a table was written to since it was last asked
// anew. Once it was, its live query is let go: who writes without pause costs
// no more than who writes once.
type writeSignal struct {
	client *wire.Client
	call   wire.Call
	wake   func()
	stop   func() // nil while nothing is asked

	mu    sync.Mutex
	turn  int // of the live query that counts
	heard chan struct{}
	first string
	at    time.Time // when it was written to; zero not
	blind bool      // the deployment has no such function, or it fails
}

// listen makes the signal of a table; it is asked with the first look.
func (w *oldWriters) listen(table string) *writeSignal {
	return &writeSignal{
		client: w.client, call: stampCall(table),
		wake: func() {
			select {
			case w.wake <- struct{}{}:
			default:
			}
		},
	}
}

// ask begins anew, and returns when it is known of which moment on writes are
// told.
func (s *writeSignal) ask(ctx context.Context) error {
	s.end()
	s.mu.Lock()
	s.turn++
	turn, heard := s.turn, make(chan struct{})
	s.heard, s.first, s.at, s.blind = heard, "", time.Time{}, false
	s.mu.Unlock()
	s.stop = s.client.Subscribe(s.call, func(u wire.Update) { s.got(turn, u) })
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return errors.New("no word of the table's changes")
	}
}

func (s *writeSignal) got(turn int, u wire.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if turn != s.turn {
		return
	}
	now := string(value.Append(nil, u.Value))
	if s.heard != nil {
		close(s.heard)
		s.heard, s.first, s.blind = nil, now, u.Err != nil
		return
	}
	if s.at.IsZero() && (now != s.first || u.Err != nil) {
		s.at = time.Now()
		s.wake()
	}
}

func (s *writeSignal) written() (bool, time.Time) {
	if s == nil {
		return false, time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.at.IsZero(), s.at
}

// mute reports whether nothing tells of writes.
func (s *writeSignal) mute() bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blind
}

// listening reports whether a write since the last ask would be told.
func (s *writeSignal) listening() bool {
	written, _ := s.written()
	return s != nil && s.stop != nil && !written && !s.mute()
}

// end lets the live query go.
func (s *writeSignal) end() {
	if s == nil || s.stop == nil {
		return
	}
	s.mu.Lock()
	s.turn++
	s.mu.Unlock()
	s.stop()
	s.stop = nil
}

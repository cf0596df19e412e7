package fleet

import (
	"maps"
	"strings"
	"sync"

	"strait/convex/wire"
	"strait/model/value"
)

// tables keeps the list of an environment's tables live, which changes with
// code only, and the size of each while that is wanted.
type tables struct {
	w *watched

	mu    sync.Mutex // never taken while the fleet's is held
	ended bool
	names map[string]bool   // listed now; nil unknown
	inner map[string]bool   // of components, "billing:bills"
	live  bool              // sizes are wanted
	sizes map[string]func() // stops of the sizes that are live
}

func newTables(w *watched) *tables { return &tables{w: w, live: true, sizes: map[string]func(){}} }

// list keeps the names of the tables live.
func (t *tables) list() (stop func()) {
	e := t.w.e
	e.f.change(func() { e.tables, e.listed, e.reading.sizes = map[string]int64{}, nil, true })
	all := wire.Call{Path: "_system/cli/tables", Args: value.NewObject(value.Field{Name: "paginationOpts", Value: value.NewObject(
		value.Field{Name: "cursor", Value: nil}, value.Field{Name: "numItems", Value: float64(10000)})})}
	return t.w.client.Subscribe(all, func(u wire.Update) {
		names, ok := tableNames(u)
		if !ok {
			e.f.change(func() { e.tablesKnown, e.tablesProblem = false, "its tables cannot be listed" })
			return
		}
		t.mu.Lock()
		t.names = names
		gone := t.subscribe()
		t.mu.Unlock()
		stopAll(gone)
		e.f.change(func() {
			maps.DeleteFunc(e.tables, func(name string, _ int64) bool { return !names[name] })
			e.listed, e.tablesProblem = names, ""
			e.tablesKnown = e.haveSizes()
		})
	})
}

// want says whether the sizes are to be live. Those of tables that are not
// known yet are read in any case.
func (t *tables) want(live bool) {
	t.mu.Lock()
	if t.live == live {
		t.mu.Unlock()
		return
	}
	t.live = live
	gone := t.subscribe()
	t.mu.Unlock()
	stopAll(gone)
	e := t.w.e
	e.f.change(func() {
		if e.reading.sizes && !live && e.tablesKnown {
			e.facts.ages.Tables = e.heard // until now they were live
		}
		e.reading.sizes = live
	})
}

// subscribe asks for the sizes that are wanted, and gives the stops of the
// others. t.mu is held.
func (t *tables) subscribe() (gone []func()) {
	if t.ended {
		return nil
	}
	known := t.known()
	for name, stop := range t.sizes {
		if !t.names[name] && !t.inner[name] || !t.live && known[name] {
			gone = append(gone, stop)
			delete(t.sizes, name)
		}
	}
	for _, names := range []map[string]bool{t.names, t.inner} {
		for name := range names {
			if t.sizes[name] == nil && (t.live || !known[name]) {
				t.sizes[name] = t.size(name)
			}
		}
	}
	return gone
}

// size keeps the size of a table live.
func (t *tables) size(name string) (stop func()) {
	component, table, inner := strings.Cut(name, ":")
	if !inner {
		component, table = "", name
	}
	return t.w.client.SubscribeTableSize(component, table, func(n int64, err error) { t.got(name, n, err) })
}

// inside says which tables of components are to be sized, "billing:bills".
func (t *tables) inside(names map[string]bool) {
	t.mu.Lock()
	t.inner = names
	gone := t.subscribe()
	t.mu.Unlock()
	stopAll(gone)
}

// known are the tables whose size was told to this environment and may grow old.
// That a table is empty may not: the plan takes it for a proof.
func (t *tables) known() map[string]bool {
	e := t.w.e
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	known := make(map[string]bool, len(e.tables)+len(e.inner.sizes))
	for name, n := range e.tables {
		known[name] = n > 0
	}
	for name, n := range e.inner.sizes {
		known[name] = n > 0
	}
	return known
}

// got takes a size. One that was read only to be known is let go: not from
// here, since a stop waits for this very call.
func (t *tables) got(name string, n int64, err error) {
	if strings.Contains(name, ":") {
		t.w.e.gotInnerSize(name, n, err)
	} else {
		t.w.e.gotSize(name, n, err)
	}
	t.mu.Lock()
	stop := t.sizes[name]
	once := !t.live && err == nil && n > 0 && stop != nil
	if once {
		delete(t.sizes, name)
	}
	t.mu.Unlock()
	if once {
		t.w.e.f.spawn(stop)
	}
}

func (t *tables) stop() {
	t.mu.Lock()
	t.ended = true
	var gone []func()
	for name, stop := range t.sizes {
		gone = append(gone, stop)
		delete(t.sizes, name)
	}
	t.mu.Unlock()
	stopAll(gone)
}

func stopAll(stops []func()) {
	for _, stop := range stops {
		stop()
	}
}

func tableNames(u wire.Update) (map[string]bool, bool) {
	o, _ := u.Value.(value.Object)
	page, _ := o.Get("page")
	rows, ok := page.(value.Array)
	if u.Err != nil || !ok {
		return nil, false
	}
	names := map[string]bool{}
	for _, row := range rows {
		r, _ := row.(value.Object)
		if name, ok := textOf(r, "name"); ok && !strings.HasPrefix(name, "_") {
			names[name] = true
		}
	}
	return names, true
}

// haveSizes reports whether every listed table's size arrived. f.mu is held.
func (e *env) haveSizes() bool {
	for name := range e.listed {
		if _, ok := e.tables[name]; !ok {
			return false
		}
	}
	return e.listed != nil
}

func (e *env) gotSize(table string, n int64, err error) {
	e.change(func() {
		knew := e.tablesKnown
		defer func() {
			if e.tablesKnown != knew {
				e.f.planned.stale = true
			}
		}()
		if err != nil {
			e.f.planned.stale = true
			delete(e.tables, table)
			e.tablesKnown, e.tablesProblem = false, "the size of table "+table+" cannot be read"
			return
		}
		now := e.f.now()
		e.heard, e.facts.ages.Tables = now, now
		old, had := e.tables[table]
		e.tables[table] = n
		if !had || (old == 0) != (n == 0) {
			e.f.planned.stale = true
		}
		if had && old != n {
			e.wrote(table)
		}
		e.peak(table, max(old, n))
		if e.tablesKnown = e.haveSizes(); e.tablesKnown {
			e.tablesProblem = ""
		}
	})
}

package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strait/convex/census"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

const (
	maxFound   = 10_000 // offenders that are kept one by one
	maxSampled = 200    // of them with their documents

	sampledGroup = 5 // samples kept of a group
)

// groupKey names a group of offenders.
type groupKey struct{ table, path, reason string }

// offender is a document that was written in the old shape.
type offender struct {
	table, id string
	at        time.Time // when it was written; zero: between two readings of its table
	seen      time.Time
	last      time.Time // when it was seen last
	gone      bool      // it was mended or deleted since
	parts     []offence
}

// offence is one thing that is wrong with an offender.
type offence struct {
	key    groupKey
	sample plan.Sample
}

func (w *oldWriters) offender(t *guarded, id string, at time.Time, doc value.Object, violations []schema.Violation) *offender {
	now := w.e.f.now()
	o := &offender{table: t.of.Name, id: id, at: at, seen: now, last: now}
	seen := map[groupKey]bool{}
	for _, v := range violations {
		key := groupKey{t.of.Name, census.PathOf(t.of.Name, v.Field), v.Reason}
		if seen[key] || len(o.parts) == sampledGroup {
			continue
		}
		seen[key] = true
		v.Message = cut(v.Message, 1000)
		o.parts = append(o.parts, offence{key, plan.SampleOf(id, doc, v)})
	}
	return o
}

// offenders are those found since the watch began, or since a count of zero.
type offenders struct {
	byID   map[string]*offender
	tables map[string]int64 // their number, those that are not kept as well
	told   int64            // how many of them the last message told of
	toldAt time.Time
}

// add takes those that are new; it reports whether there are any.
func (f *offenders) add(seen map[string]*offender) (fresh []*offender) {
	if f.byID == nil {
		f.byID, f.tables = map[string]*offender{}, map[string]int64{}
	}
	for _, o := range seen {
		if old := f.byID[o.id]; old != nil {
			old.gone, old.last = o.gone, o.last
			if o.at.After(old.at) {
				old.at = o.at
			}
			continue
		}
		fresh = append(fresh, o)
	}
	slices.SortFunc(fresh, func(a, b *offender) int { return cmp.Or(a.when().Compare(b.when()), cmp.Compare(a.id, b.id)) })
	for _, o := range fresh {
		f.tables[o.table]++
		if len(f.byID) >= maxFound {
			continue
		}
		if len(f.byID) >= maxSampled {
			o.parts = slices.Clone(o.parts)
			for i := range o.parts {
				o.parts[i].sample = plan.Sample{}
			}
		}
		f.byID[o.id] = o
	}
	return fresh
}

// settle notes that a document fits again, or is gone.
func (f *offenders) settle(id string) {
	if o := f.byID[id]; o != nil {
		o.gone = true
	}
}

// forget drops offenders; it reports whether there were any. Of more than are
// kept, nobody knows which they were.
func (f *offenders) forget(drop func(*offender) bool) (any bool) {
	for id, o := range f.byID {
		if drop(o) {
			delete(f.byID, id)
			any = true
		}
	}
	if any {
		f.tables = map[string]int64{}
		for _, o := range f.byID {
			f.tables[o.table]++
		}
	}
	return any
}

func (f *offenders) total() (n int64) {
	for _, k := range f.tables {
		n += k
	}
	return n
}

// when is when it was written, as far as is known.
func (o *offender) when() time.Time {
	if o.at.IsZero() {
		return o.seen
	}
	return o.at
}

// first is when the first was written; zero without any.
func (f *offenders) first() (at time.Time) {
	for _, o := range f.byID {
		if at.IsZero() || o.when().Before(at) {
			at = o.when()
		}
	}
	return at
}

// groups are what is wrong with them, as a census tells it.
func (f *offenders) groups() []plan.Group {
	groups := map[groupKey]*plan.Group{}
	all := slices.SortedFunc(maps.Values(f.byID), func(a, b *offender) int { return cmp.Or(a.when().Compare(b.when()), cmp.Compare(a.id, b.id)) })
	for _, o := range all {
		for _, p := range o.parts {
			g := groups[p.key]
			if g == nil {
				g = &plan.Group{Table: p.key.table, Path: p.key.path, Reason: p.key.reason}
				groups[p.key] = g
			}
			g.Count++
			if p.sample.ID != "" && len(g.Samples) < sampledGroup {
				g.Samples = append(g.Samples, p.sample)
			}
		}
	}
	out := make([]plan.Group, 0, len(groups))
	for _, g := range groups {
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b plan.Group) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

// text says what was found, a table at a time: "orders: 3 documents of the old
// shape written since 14:02, newest 14:07".
func (f *offenders) text() string {
	const clock = "15:04"
	var out []string
	for _, table := range slices.Sorted(maps.Keys(f.tables)) {
		n, gone := f.tables[table], int64(0)
		var first, last time.Time
		for _, o := range f.byID {
			if o.table != table {
				continue
			}
			if at := o.when(); first.IsZero() || at.Before(first) {
				first = at
			}
			if at := o.when(); at.After(last) {
				last = at
			}
			if o.gone {
				gone++
			}
		}
		text := fmt.Sprintf("%s: %s documents of the old shape written since %s, newest %s", table, thousands(n), first.Format(clock), last.Format(clock))
		if n == 1 {
			text = fmt.Sprintf("%s: 1 document of the old shape written at %s", table, first.Format(clock))
		}
		if gone > 0 {
			text += fmt.Sprintf(" (%s mended or gone since)", thousands(gone))
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// tellEvery is how long a growing number of offenders waits for its next
// message.
const tellEvery = time.Minute

// add takes what was found, and tells it.
func (w *oldWriters) add(seen map[string]*offender) {
	g := w.g
	fresh := g.found.add(seen)
	if len(fresh) == 0 {
		return
	}
	now, total := w.e.f.now(), g.found.total()
	first := g.found.told == 0
	if !first && (total < 2*g.found.told || now.Sub(g.found.toldAt) < tellEvery) {
		w.show(0)
		return
	}
	w.tell(fresh)
}

// tell tells of what was found, fresh being what is new of it, and revokes the
// certificate for it.
func (w *oldWriters) tell(fresh []*offender) {
	g, f := w.g, w.e.f
	g.found.told, g.found.toldAt = g.found.total(), f.now()
	g.suspects = w.likely(fresh)
	why := g.found.text() + ": some code still writes them"
	if len(g.suspects) > 0 {
		why += ", likely " + strings.Join(g.suspects, " or ")
	}
	w.show(0)
	standing := false
	f.change(func() {
		c := w.e.certificate
		if standing = c != nil && c.Revoked.IsZero(); !standing {
			f.say("warn", w.e.cfg.Name, why)
		}
	})
	if standing {
		f.revoke(w.e, why) // which tells it
	}
}

// shownEvery is how often it is shown that nothing was written.
const shownEvery = 30 * time.Second

// tellsWithin is how long a deployment may take to tell of a write.
const tellsWithin = 2 * time.Second

// show publishes what the watch knows: what has changed, and that time has
// passed when it is longer than every.
func (w *oldWriters) show(every time.Duration) {
	g, e := w.g, w.e
	var out *plan.Writers
	if len(g.tables) > 0 || g.found.total() > 0 {
		out = &plan.Writers{How: g.how, First: g.found.first(), Likely: g.suspects}
		if g.found.total() > 0 {
			out.Offenders = maps.Clone(g.found.tables)
		}
	}
	heard := w.client.State().Heard // of the connection that tells of writes, and no other sign of life
	e.f.mu.Lock()
	old := e.writers
	e.f.mu.Unlock()
	for _, t := range g.tables {
		if quiet := heard.Add(-tellsWithin); !t.open && t.signal.listening() && quiet.After(t.until) {
			t.until = quiet // nothing was written until then: that would have been told
		}
		if out.Checked.IsZero() || t.until.Before(out.Checked) {
			out.Checked = t.until.Round(0)
		}
		if t.since.After(out.Since) {
			out.Since = t.since.Round(0)
		}
	}
	looked := w.looked || len(g.tables) == 0
	if (e.looker == w.client || !looked) && sameWriters(old, out, every) {
		return
	}
	if out != nil && out.Offenders != nil {
		out.Samples = g.found.groups() // of thousands, too much for every time that nothing is new
	}
	e.change(func() {
		if looked {
			e.looker = w.client
		}
		e.writers = out
		e.f.planned.stale = true
	})
}

func sameWriters(a, b *plan.Writers, every time.Duration) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Since.Equal(b.Since) && a.How == b.How && maps.Equal(a.Offenders, b.Offenders) && a.First.Equal(b.First) &&
		slices.Equal(a.Likely, b.Likely) && !b.Checked.Before(a.Checked) && b.Checked.Sub(a.Checked) <= every
}

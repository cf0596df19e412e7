package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// The means by which documents are looked at, plan.Writers.How.
const (
	byChanges = plan.WatchChanges
	byShapes  = plan.WatchShapes
	byRecount = plan.WatchRecount
)

const (
	lookTimeout   = 2 * time.Minute
	maxPages      = 1000             // of changes in one look: whoever is that far behind begins anew
	maxTail       = 2000             // new documents of one look, beyond which the recount has to find them
	tailPage      = 100              // documents
	creationSlack = 10 * time.Second // commits come in another order than creation times
	clockSlack    = time.Minute      // between this machine's clock and a deployment's
)

// look looks at what was written since the last time, by the best means there
// is.
func (w *oldWriters) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err := w.lookOnce(ctx)
	now := time.Now()
	switch {
	case err != nil:
		w.next = now.Add(min(writersRetry<<min(w.failures, 5), writersLapse))
		w.failures++
	default:
		w.failures = 0
		w.looked = true
		w.next = now.Add(w.pace())
	}
	w.show(0)
}

// pace is how long to rest before the next look.
func (w *oldWriters) pace() time.Duration {
	if p := w.e.f.opt.writersPace; p > 0 {
		return p
	}
	passing := false
	for _, t := range w.g.tables {
		passing = passing || t.pass != nil
	}
	switch {
	case passing && w.spent() >= recountBound:
		return writersLapse
	case passing: // its pages come at the pace of their documents
		return time.Duration(tailPage / recountRate * float64(time.Second))
	case w.g.how == byChanges:
		return writersPace
	}
	return writersSlow
}

func (w *oldWriters) lookOnce(ctx context.Context) error {
	began := w.e.f.now()
	written := map[string]bool{} // since they were last looked at
	var open []string
	for name, t := range w.g.tables {
		if !t.signal.listening() || t.open && t.pass == nil {
			written[name], t.open = true, true
		}
		if t.open {
			open = append(open, name)
		}
	}
	slices.Sort(open)
	for _, name := range open {
		t := w.g.tables[name]
		if !written[name] {
			continue
		}
		t.again = t.pass != nil
		asked, cancel := context.WithTimeout(ctx, watchTimeout)
		err := t.signal.ask(asked)
		cancel()
		if err != nil {
			return fmt.Errorf("table %s: %w", name, err)
		}
		began = w.e.f.now()
	}
	if len(open) == 0 {
		return nil
	}
	if w.ids == nil {
		if err := w.readIDs(ctx); err != nil {
			return err
		}
	}
	if !w.noDeltas {
		switch err := w.lookAtChanges(ctx, began); {
		case err == nil:
		case errors.Is(err, wire.ErrNoDeltas):
			w.noDeltas, w.g.cursor = true, 0
		default:
			return err
		}
	}
	open = slices.DeleteFunc(open, func(name string) bool { return !w.g.tables[name].open || w.g.tables[name].withheld })
	err := w.lookElsewhere(ctx, open, written, began)
	for _, t := range w.g.tables {
		// What was asked brought every live query to that moment (4.3).
		if len(written) > 0 && !t.open && t.signal.listening() && began.After(t.until) {
			t.until = began
		}
	}
	return err
}

func (w *oldWriters) readIDs(ctx context.Context) error {
	ids, err := w.client.TableMapping(ctx, "")
	if err == nil {
		w.ids = mapping(ids)
	}
	return err
}

// check is what of a document the target refuses. A table that was made since
// the numbers of the tables were read has its numbers read again first.
func (w *oldWriters) check(ctx context.Context, t *guarded, doc value.Object) ([]schema.Violation, error) {
	if t.of.FitsDocument(doc, w.ids) {
		return nil, nil
	}
	if err := w.readIDs(ctx); err != nil {
		return nil, err
	}
	return t.of.CheckDocument(doc, w.ids), nil
}

// lookAtChanges reads the stream of changes to its end. What it cannot cover
// stays open, for another means.
func (w *oldWriters) lookAtChanges(ctx context.Context, began time.Time) error {
	g := w.g
	newest, err := w.client.LatestTimestamp(ctx)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(g.tables))
	w.place(newest, began, true)
	seen := map[string]*offender{}
	for pages, tries := 0, 0; ; pages++ {
		page, err := w.client.Deltas(ctx, g.cursor, "", names)
		switch {
		case errors.Is(err, wire.ErrDeltasGone) && tries == 0:
			// A history that is as young as this began after what a clock that goes
			// wrong would make of it.
			tries++
			w.place(newest, began, false)
			continue
		case errors.Is(err, wire.ErrDeltasGone), err == nil && pages == maxPages:
			w.jump(newest)
			return nil
		case err != nil:
			return err
		}
		for _, x := range page.Changes {
			if err := w.revision(ctx, x, seen); err != nil {
				return err
			}
		}
		if g.cursor = page.Cursor; !page.More {
			break
		}
	}
	for _, t := range g.tables {
		if t.catchUp {
			t.catchUp, t.since = false, t.began
		}
		if !t.gap {
			t.open, t.again, t.pass, t.until = false, false, nil, began
		}
	}
	g.how = byChanges
	for _, t := range g.tables {
		w.release(t)
	}
	w.add(seen)
	return nil
}

// place says of tables that are new to the stream from where on their changes
// count, and puts the cursor there. wide allows for a deployment whose clock is
// not this machine's.
func (w *oldWriters) place(newest int64, began time.Time, wide bool) {
	g := w.g
	read := g.cursor // what is before was looked at, in tables that were placed
	defer func() {
		for _, t := range g.tables {
			if t.placed && !t.catchUp && g.cursor < read {
				t.from = max(t.from, read)
			}
		}
	}()
	if g.cursor == 0 {
		g.cursor = newest
		for _, t := range g.tables { // the stream was not read for a while
			if t.placed && !t.catchUp {
				t.placed, t.gap = false, true
			}
		}
	}
	for _, t := range g.tables {
		switch {
		case t.catchUp && (!t.placed || !wide):
			from := t.began.UnixNano()
			if wide && !w.e.embedded {
				from += min(0, newest-began.UnixNano()) - int64(clockSlack)
			}
			t.from = max(0, min(newest, from))
			g.cursor = min(g.cursor, t.from)
			if !wide {
				g.cursor = t.from
			}
		case !t.placed:
			t.from = newest
		}
		t.placed = true
	}
	if !wide {
		for _, t := range g.tables {
			if t.catchUp {
				g.cursor = min(g.cursor, t.from)
			}
		}
	}
}

// jump goes on from now where the changes since the cursor are not to be had.
func (w *oldWriters) jump(newest int64) {
	w.g.cursor = newest
	for _, t := range w.g.tables {
		t.from, t.open, t.gap, t.catchUp, t.since, t.pending = newest, true, true, false, w.e.f.now(), nil
	}
}

// revision takes one revision of the stream. While a table is being caught up
// with or counted, only how its documents end matters: some of it is of before.
func (w *oldWriters) revision(ctx context.Context, x wire.Change, seen map[string]*offender) error {
	t := w.g.tables[x.Table]
	if t == nil || x.TS <= t.from {
		return nil
	}
	var violations []schema.Violation
	if !x.Deleted {
		var err error
		if violations, err = w.check(ctx, t, x.Document); err != nil {
			return err
		}
	}
	into, later := seen, t.catchUp || t.withheld
	if later {
		if t.pending == nil {
			t.pending = map[string]*offender{}
		}
		into = t.pending
	}
	switch {
	case len(violations) > 0:
		if len(into) < maxFound || into[x.ID] != nil {
			into[x.ID] = w.offender(t, x.ID, time.Unix(0, x.TS), x.Document, violations)
		}
	case later:
		delete(into, x.ID)
	default:
		w.g.found.settle(x.ID)
		if o := seen[x.ID]; o != nil {
			o.gone = true
		}
	}
	return nil
}

// release tells what was held back of a table, once that is over.
func (w *oldWriters) release(t *guarded) {
	if t.catchUp || t.withheld || len(t.pending) == 0 {
		return
	}
	pending := t.pending
	t.pending = nil
	w.add(pending)
}

// lookElsewhere covers what the changes have not: by the shapes, or by reading.
func (w *oldWriters) lookElsewhere(ctx context.Context, open []string, written map[string]bool, began time.Time) error {
	if !w.noShapes && slices.ContainsFunc(open, func(name string) bool { return written[name] }) {
		if err := w.lookAtShapes(ctx, open, began); err != nil {
			return err
		}
	}
	seen := map[string]*offender{}
	for _, name := range open {
		t := w.g.tables[name]
		if !t.open {
			continue
		}
		if written[name] {
			if err := w.tail(ctx, t, seen); err != nil {
				return err
			}
		}
		if t.pass == nil {
			t.pass, t.again = &pass{began: began}, false
		}
		if err := w.recount(ctx, t, seen); err != nil {
			return err
		}
	}
	w.add(seen)
	if w.noDeltas {
		w.g.how = byShapes
		for _, t := range w.g.tables {
			if !t.fits {
				w.g.how = byRecount
			}
		}
	}
	return nil
}

// lookAtShapes closes the tables whose shapes fit the target: no document of
// theirs can misfit.
func (w *oldWriters) lookAtShapes(ctx context.Context, dirty []string, began time.Time) error {
	shapes, err := w.client.Shapes(ctx, "")
	if err != nil {
		var refused *wire.HTTPError
		if errors.As(err, &refused) && !refused.Temporary() && refused.Status/100 == 4 {
			w.noShapes = true
			return nil
		}
		return err
	}
	for _, name := range dirty {
		t := w.g.tables[name]
		s, there := shapes[name]
		if !there {
			s = wire.Shape{Type: "Never"}
		}
		ok, err := schema.IncludesDocuments(t.of.Document, s.Validator())
		t.fits = ok && err == nil
		if t.fits {
			t.open, t.gap, t.again, t.pass, t.until, t.baseline = false, false, false, nil, began, true
			t.catchUp = t.catchUp && !w.noDeltas
		}
	}
	return nil
}

// tail looks at the documents that were made since the last look, newest first.
func (w *oldWriters) tail(ctx context.Context, t *guarded, seen map[string]*offender) error {
	back := t.mark - float64(creationSlack.Milliseconds())
	first := t.mark == 0 // nothing is known of before: only where it ends now
	newest := t.mark
	for cursor, n := "", 0; n < maxTail; {
		page, err := w.page(ctx, t, "desc", cursor)
		if err != nil {
			return err
		}
		for _, doc := range page.Documents {
			made, _ := get(doc, "_creationTime").(float64)
			newest = max(newest, made)
			if first || made <= back {
				t.mark = newest
				return nil
			}
			if made < float64(t.began.UnixMilli()) && !t.baseline {
				continue
			}
			if err := w.document(ctx, t, doc, made, seen); err != nil {
				return err
			}
		}
		n += len(page.Documents)
		if page.IsDone || page.Cursor == cursor {
			break
		}
		cursor = page.Cursor
	}
	t.mark = max(newest, 1)
	return nil
}

// document checks a document that was read, made at a time in milliseconds.
func (w *oldWriters) document(ctx context.Context, t *guarded, doc value.Object, made float64, seen map[string]*offender) error {
	violations, err := w.check(ctx, t, doc)
	if err != nil || len(violations) == 0 {
		return err
	}
	id, _ := textOf(doc, "_id")
	at := time.Time{} // it was changed, nobody knows when
	if made >= float64(t.began.UnixMilli()) {
		at = time.UnixMicro(int64(made * 1000))
	}
	seen[id] = w.offender(t, id, at, doc, violations)
	return nil
}

// page is a page of a table, smaller where the deployment finds it too large.
func (w *oldWriters) page(ctx context.Context, t *guarded, order, cursor string) (wire.Page, error) {
	for n := tailPage; ; n /= 2 {
		page, err := w.client.TableData(ctx, "", t.of.Name, order, cursor, n)
		if err == nil || functionError(err) == nil || n <= 4 {
			return page, err
		}
	}
}

// pass is one reading of a whole table.
type pass struct {
	began  time.Time
	cursor string
}

// maxLeft bounds the documents of before the watch that are remembered.
const maxLeft = 10_000

// recount reads the next page of a table that is read again.
func (w *oldWriters) recount(ctx context.Context, t *guarded, seen map[string]*offender) error {
	g, now := w.g, w.e.f.now()
	if w.spent() >= recountBound {
		return nil // it waits for its day to pass
	}
	page, err := w.page(ctx, t, "asc", t.pass.cursor)
	if functionError(err) != nil && strings.Contains(err.Error(), "InvalidCursor") {
		t.pass.cursor = ""
	}
	if err != nil {
		return err
	}
	if n := len(g.read); n > 0 && now.Sub(g.read[n-1].at) < time.Minute {
		g.read[n-1].documents += len(page.Documents)
	} else {
		g.read = append(g.read, spent{now, len(page.Documents)})
	}
	for _, doc := range page.Documents {
		made, _ := get(doc, "_creationTime").(float64)
		if !t.baseline && made < float64(t.began.UnixMilli()) {
			if err := w.leave(ctx, t, doc); err != nil {
				return err
			}
			continue
		}
		if id, _ := textOf(doc, "_id"); t.left[id] {
			continue
		}
		if err := w.document(ctx, t, doc, made, seen); err != nil {
			return err
		}
	}
	if !page.IsDone && page.Cursor != t.pass.cursor {
		t.pass.cursor = page.Cursor
		return nil
	}
	t.until, t.pass, t.gap, t.baseline = t.pass.began, nil, false, len(t.left) < maxLeft
	t.open = t.again || !w.noDeltas // the changes since the pass began come next
	return nil
}

// spent is how many documents recounts have read in the last day.
func (w *oldWriters) spent() (total int) {
	g, now := w.g, w.e.f.now()
	g.read = slices.DeleteFunc(g.read, func(s spent) bool { return now.Sub(s.at) > 24*time.Hour })
	for _, s := range g.read {
		total += s.documents
	}
	return total
}

// leave remembers a document that the migration has left as it was: nobody
// wrote it since.
func (w *oldWriters) leave(ctx context.Context, t *guarded, doc value.Object) error {
	violations, err := w.check(ctx, t, doc)
	if err != nil || len(violations) == 0 || len(t.left) >= maxLeft {
		return err
	}
	if t.left == nil {
		t.left = map[string]bool{}
	}
	id, _ := textOf(doc, "_id")
	t.left[id] = true
	return nil
}

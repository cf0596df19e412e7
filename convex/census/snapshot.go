package census

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"strait/convex/snapshot"
	"strait/model/schema"
	"strait/plan"
)

const (
	blockBytes = 256 << 10 // of the lines that go from a reader to a checker at once
	blockKept  = 1 << 20   // the largest buffer that is used again
)

// Snapshot counts the documents of an export that do not fit o.Target, in one
// component. Every document is read, so the census is full; nothing is held of
// them but the samples of the groups, so that memory does not grow with the
// archive. Tables are read in parallel, the largest first, and the lines of one
// table are checked by several goroutines. It answers the same for the same
// archive, times aside. An error names file and line; ctx ends it.
//
// An id is of the table that the archive says it is of. Where the archive does
// not tell the number of a system table, for it lists no stored file, an
// unknown number below those of user tables counts as the only system table
// that the target names and the archive does not.
//
// Of Options it takes Target, Tables, Proved, Component, Progress and Now: the
// others are about a deployment.
func Snapshot(ctx context.Context, archive *snapshot.Archive, o Options) (*plan.Census, error) {
	switch {
	case o.Target == nil:
		return nil, errors.New("census of a snapshot: no target schema to count against")
	case o.Sample != 0 || o.Budget != (Budget{}) || o.Rate != 0 || o.Resume != nil:
		return nil, errors.New("census of a snapshot: it is read whole, without sample, budget, rate or resuming")
	}
	r, err := newReading(archive, o)
	if err != nil {
		return nil, fmt.Errorf("census of snapshot %s: %w", archive.Name(), err)
	}
	if err := r.run(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("census: %w", err)
	}
	return r.census(), nil
}

// reading is the census of an archive under way.
type reading struct {
	archive *snapshot.Archive
	o       Options
	ids     schema.Tables
	tables  []*tableRead // those to read, largest first
	counts  map[string]plan.TableCount
	started time.Time

	blocks chan *block // to be checked
	free   chan *block // as many as there ever are

	mu       sync.Mutex // guards what follows, and the order of Progress
	progress Progress
}

// tableRead is one table and what was found of it.
type tableRead struct {
	index int
	table *schema.Table
	lines *snapshot.Lines
	size  int64 // bytes of text
	found share
}

// block is a number of lines of one table.
type block struct {
	of   *tableRead
	text []byte
	ends []int // of each line in text
	ns   []int // its number in the file
}

func (b *block) reset(of *tableRead) {
	if cap(b.text) > blockKept {
		b.text = nil
	}
	b.of, b.text, b.ends, b.ns = of, b.text[:0], b.ends[:0], b.ns[:0]
}

func (b *block) add(line snapshot.Line) {
	b.text = append(b.text, line.Text...)
	b.ends = append(b.ends, len(b.text))
	b.ns = append(b.ns, line.N)
}

func newReading(archive *snapshot.Archive, o Options) (*reading, error) {
	r := &reading{archive: archive, o: o, counts: map[string]plan.TableCount{}}
	if r.o.Now == nil {
		r.o.Now = time.Now
	}
	r.started = r.o.Now().Round(0)
	held := map[string]snapshot.Table{}
	inside := o.Component == ""
	for _, t := range archive.Tables() {
		if t.Component == o.Component {
			held[t.Name], inside = t, true
		}
	}
	if !inside {
		return nil, fmt.Errorf("it holds no component %q", o.Component)
	}
	r.ids = idsOf(archive.Numbers(o.Component), o.Target)
	tables, err := o.tables()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		at, ok := held[t.Name]
		if why := o.Proved[t.Name]; why != "" || !ok {
			documents := int64(-1)
			if !ok {
				why, documents = plan.ByEmpty, 0
			}
			r.counts[t.Name] = plan.TableCount{Documents: documents, Proved: why}
			continue
		}
		lines, err := archive.Lines(at)
		if err != nil {
			return nil, err
		}
		r.tables = append(r.tables, &tableRead{table: t, lines: lines, size: archive.Size(at)})
	}
	slices.SortFunc(r.tables, func(a, b *tableRead) int {
		return cmp.Or(-cmp.Compare(a.size, b.size), cmp.Compare(a.table.Name, b.table.Name))
	})
	r.progress.Total = -1
	for i, t := range r.tables {
		t.index = i
		r.progress.Size += t.size
	}
	return r, nil
}

// run reads with as many readers and checkers as there are processors: a
// reader unpacks one table after the other, a checker takes what comes. Blocks
// are handed over in the order of their lines.
func (r *reading) run(ctx context.Context) error {
	procs := runtime.GOMAXPROCS(0)
	r.blocks, r.free = make(chan *block, 4*procs), make(chan *block, 4*procs)
	for range cap(r.free) {
		r.free <- &block{}
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		defer close(r.blocks)
		readers, ctx := errgroup.WithContext(ctx)
		readers.SetLimit(procs)
		for _, t := range r.tables {
			readers.Go(func() error { return r.readTable(ctx, t) })
		}
		return readers.Wait()
	})
	for range procs {
		work.Go(func() error { return r.check(ctx) })
	}
	return work.Wait()
}

// readTable hands the lines of a table on.
func (r *reading) readTable(ctx context.Context, t *tableRead) error {
	b, err := r.empty(ctx, t)
	if err != nil {
		return err
	}
	for line, err := range t.lines.All() {
		if err != nil {
			return err
		}
		if len(b.ends) > 0 && len(b.text)+len(line.Text) > blockBytes {
			if b, err = r.hand(ctx, b); err != nil {
				return err
			}
		}
		b.add(line)
	}
	if len(b.ends) == 0 {
		r.free <- b
		return nil
	}
	select {
	case r.blocks <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// empty waits for a block that is free.
func (r *reading) empty(ctx context.Context, t *tableRead) (*block, error) {
	select {
	case b := <-r.free:
		b.reset(t)
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hand gives a block to the checkers and takes an empty one.
func (r *reading) hand(ctx context.Context, b *block) (*block, error) {
	of := b.of // whoever has the block next may change it
	select {
	case r.blocks <- b:
		return r.empty(ctx, of)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// check checks blocks until there are no more.
func (r *reading) check(ctx context.Context) error {
	found := make([]share, len(r.tables))
	texts := make([]*schema.TextCheck, len(r.tables))
	for i, t := range r.tables {
		if t.lines.Uniform() {
			texts[i] = schema.NewTextCheck(t.table, r.ids)
		}
	}
	for b := range r.blocks {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t := &found[b.of.index]
		before := *t
		if err := r.checkBlock(b, t, texts[b.of.index]); err != nil {
			return err
		}
		r.tell(b, t.read-before.read, t.offenders-before.offenders)
		r.free <- b // has room for all
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range found {
		r.tables[i].found.merge(r.tables[i].table.Name, &found[i])
	}
	return nil
}

// checkBlock counts a block. Documents whose text tells that they fit are not
// decoded; texts is nil where they are not written in a way that tells.
func (r *reading) checkBlock(b *block, t *share, texts *schema.TextCheck) error {
	from := 0
	for i, end := range b.ends {
		text := b.text[from:end]
		from = end
		if texts != nil {
			if size, ok := texts.Fits(text); ok {
				t.weigh(int64(size))
				continue
			}
		}
		doc, err := b.of.lines.Decode(b.ns[i], text)
		if err != nil {
			return err
		}
		t.judge(b.of.table, b.ns[i], doc, r.ids)
	}
	return nil
}

// tell reports progress after a block.
func (r *reading) tell(b *block, read, found int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.progress
	p.Table, p.Page = b.of.table.Name, len(b.ends)
	p.Read += read
	p.Found += found
	p.Bytes += int64(len(b.text) + len(b.ends)) // with the ends of the lines
	if r.o.Progress == nil {
		return
	}
	if took := r.o.Now().Sub(r.started); p.Bytes > 0 && p.Size > p.Bytes {
		p.ETA = time.Duration(float64(took) / float64(p.Bytes) * float64(p.Size-p.Bytes))
	} else {
		p.ETA = 0
	}
	r.o.Progress(*p)
}

func (r *reading) census() *plan.Census {
	out := &plan.Census{
		Deployment: r.archive.Name(), Component: r.o.Component, Schema: r.o.Target.Hash(), Started: r.started, At: r.o.Now().Round(0),
		Full: true, Tables: map[string]int64{}, Counts: r.counts,
	}
	for _, t := range r.tables {
		f := &t.found
		f.addTo(out, t.table.Name, plan.TableCount{Documents: f.read, Most: f.offenders})
	}
	return out
}

// archiveIDs tells tables by the numbers of an archive.
type archiveIDs struct {
	names  map[uint32]string
	system string // the table of an unknown system number; "" none
}

const firstUserNumber = 10001 // convex-wire.md 8.6

func (a archiveIDs) TableName(number uint32) (string, bool) {
	name, ok := a.names[number]
	if !ok && number < firstUserNumber && a.system != "" {
		return a.system, true
	}
	return name, ok
}

func idsOf(names map[uint32]string, target *schema.Schema) archiveIDs {
	told := map[string]bool{}
	for _, name := range names {
		told[name] = true
	}
	open := map[string]bool{}
	for _, t := range target.Tables {
		systemTables(t.Document, told, open)
	}
	out := archiveIDs{names: names}
	if len(open) == 1 {
		out.system = slices.Collect(maps.Keys(open))[0]
	}
	return out
}

// systemTables gathers the system tables that a validator's ids are of.
func systemTables(v *schema.Validator, told, open map[string]bool) {
	if v == nil {
		return
	}
	if v.Kind == schema.ID && v.Table != "" && v.Table[0] == '_' && !told[v.Table] {
		open[v.Table] = true
	}
	for i := range v.Fields {
		systemTables(v.Fields[i].Type, told, open)
	}
	for _, m := range v.Members {
		systemTables(m, told, open)
	}
	systemTables(v.Element, told, open)
	systemTables(v.Key, told, open)
}

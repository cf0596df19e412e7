package prove

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"strait/convex/local"
	"strait/model/schema"
	"strait/model/value"
)

// The clock of every trial stands here: 2026-01-01, before which all documents
// were made.
const now = 1_767_225_600_000

// othersEach is how many documents each other table holds.
const othersEach = 6

// world is the deployment in which a row's documents are tried. The tables
// beside the row's are filled in up to two ways, the bases: with documents as
// the target wants them, and with old ones. Which is the case when the
// migration runs depends on the order in which people run theirs, so a
// counterexample is one in either.
type world struct {
	d       *local.Deployment
	table   string
	widened *schema.Schema
	ids     map[string][]string // of the documents beside the row's, by table
	numbers map[string]uint32
	bases   []*local.View
	made    uint64 // documents so far
	day     uint16
}

func newWorld(ctx context.Context, o *Options, s *search) (w *world, err error) {
	still := time.UnixMilli(now)
	d := local.New(local.Options{
		Name: "proof", Seed: s.seed | 1, Now: func() time.Time { return still },
		// A batch of a trial is none of a real run: only one document's share counts.
		Limits: &local.Limits{
			DocumentsRead: 1 << 30, BytesRead: 1 << 40, IndexRanges: 1 << 30, DocumentsWritten: 1 << 30, BytesWritten: 1 << 40,
			FunctionsScheduled: 1 << 30, ScheduledArgsBytes: 1 << 40, FunctionTime: documentTime, ActionTime: time.Second,
		},
	})
	d.Hold(true)
	w = &world{d: d, table: s.row.Table, widened: o.Widened, ids: map[string][]string{}, numbers: map[string]uint32{}, day: uint16(now / 86_400_000)}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if o.Sample != nil {
		for name, n := range o.Sample.Numbers {
			if err := d.DefineTable("", name, n); err != nil {
				return nil, cannot("the tables of the deployment cannot be laid out here: %v", err)
			}
		}
	}
	if err := d.Push(ctx, local.Push{App: o.App, Schema: o.Widened}); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, cannot("the widened schema and the code cannot be deployed: %v", err)
	}
	return w, w.fill(ctx, o, s)
}

func (w *world) close() { _ = w.d.Close() } // nothing of it is kept

// fill puts documents into the tables beside the row's, and takes the bases.
func (w *world) fill(ctx context.Context, o *Options, s *search) error {
	r := s.rand("others")
	view := w.d.View()
	for _, t := range o.Widened.Tables {
		number, ok := view.TableNumber("", t.Name)
		if !ok {
			if err := w.d.DefineTable("", t.Name, 0); err != nil {
				return err
			}
			number, _ = w.d.View().TableNumber("", t.Name)
		}
		w.numbers[t.Name] = number
		if t.Name == w.table && !pointsTo(t.Document, t.Name) {
			continue
		}
		n := othersEach
		if t.Name == w.table {
			n = 1
		}
		for range n {
			w.ids[t.Name] = append(w.ids[t.Name], w.newID(number, r))
		}
	}
	w.standIns(o)
	empty := w.d.View()
	for _, from := range []*schema.Schema{o.Target, o.Active} {
		if from == nil || from == o.Active && !s.othersDiffer() {
			continue
		}
		if err := w.d.Reset(empty); err != nil {
			return err
		}
		if err := w.fillFrom(ctx, o, s, from); err != nil {
			return err
		}
		w.bases = append(w.bases, w.d.View())
	}
	return nil
}

func (w *world) fillFrom(ctx context.Context, o *Options, s *search, from *schema.Schema) error {
	turn := map[string]int{}
	sampler := schema.NewSampler(s.seed, func(table string) (string, bool) {
		ids := w.ids[table]
		if len(ids) == 0 {
			return w.gone(table, s.rand(table))
		}
		turn[table]++
		return ids[turn[table]%len(ids)], true
	})
	for _, t := range o.Widened.Tables {
		shape := from.Table(t.Name)
		if shape == nil {
			shape = t
		}
		if t.Name == w.table {
			shape = o.Target.Table(t.Name) // a document to refer to, with which nothing is wrong
		}
		var docs []value.Object
		for i, id := range w.ids[t.Name] {
			doc, err := sampler.Document(shape)
			if err != nil {
				w.ids[t.Name] = w.ids[t.Name][:i]
				break // nothing can refer to it, then
			}
			docs = append(docs, doc.With("_id", id).With("_creationTime", float64(now-3_600_000+i)))
		}
		if o.Sample != nil && t.Name != w.table {
			docs = append(docs, o.Sample.Tables[t.Name]...)
		}
		if len(docs) == 0 {
			continue
		}
		if _, err := w.d.Insert(ctx, "", t.Name, docs); err != nil {
			return fmt.Errorf("make up documents: %w", err)
		}
	}
	return nil
}

// standIns gives ids in the sampled documents that lead out of the sample
// documents in their place.
func (w *world) standIns(o *Options) {
	if o.Sample == nil {
		return
	}
	tables := w.d.View().IDs("")
	there := map[string]bool{}
	for _, docs := range o.Sample.Tables {
		for _, doc := range docs {
			there[idOf(doc)] = true
		}
	}
	for _, doc := range o.Sample.Tables[w.table] {
		References(fields(doc), func(text string, id value.ID) {
			if there[text] || o.Sample.Gone[text] {
				return
			}
			there[text] = true
			if table, ok := tables.TableName(id.Table); ok && table != w.table && o.Widened.Table(table) != nil {
				w.ids[table] = append(w.ids[table], text)
			}
		})
	}
}

// gone is an id of a document that there is not.
func (w *world) gone(table string, r *rand.Rand) (string, bool) {
	number, ok := w.numbers[table]
	if !ok {
		if number, ok = w.d.View().TableNumber("", table); !ok {
			return "", false
		}
	}
	return w.newID(number, r), true
}

func (w *world) newID(number uint32, r *rand.Rand) string {
	var raw [14]byte
	binary.BigEndian.PutUint64(raw[:], r.Uint64())
	binary.BigEndian.PutUint32(raw[8:], r.Uint32())
	return value.NewID(number, raw, w.day).String()
}

// othersDiffer reports whether the other tables look different before and
// after their own migrations.
func (s *search) othersDiffer() bool {
	for _, t := range s.o.Widened.Tables {
		if t.Name == s.row.Table {
			continue
		}
		a, b := s.o.Active.Table(t.Name), s.o.Target.Table(t.Name)
		if a == nil || b == nil {
			continue
		}
		if ok, err := schema.Includes(a.Document, b.Document); !ok || err != nil {
			return true
		}
		if ok, err := schema.Includes(b.Document, a.Document); !ok || err != nil {
			return true
		}
	}
	return false
}

// pointsTo reports whether a document can hold an id of the table.
func pointsTo(v *schema.Validator, table string) bool {
	if v == nil {
		return false
	}
	if v.Kind == schema.ID {
		return v.Table == table
	}
	for _, f := range v.Fields {
		if pointsTo(f.Type, table) {
			return true
		}
	}
	for _, m := range v.Members {
		if pointsTo(m, table) {
			return true
		}
	}
	return pointsTo(v.Element, table) || pointsTo(v.Key, table)
}

func fields(doc value.Object) value.Object {
	out := make(value.Object, 0, len(doc))
	for _, f := range doc {
		if !strings.HasPrefix(f.Name, "_") {
			out = append(out, f)
		}
	}
	return out
}

// References calls fn for every id that a value holds, with what it says.
func References(v value.Value, fn func(text string, id value.ID)) {
	switch v := v.(type) {
	case string:
		if id, err := value.ParseID(v); err == nil {
			fn(v, id)
		}
	case value.Array:
		for _, e := range v {
			References(e, fn)
		}
	case value.Object:
		for _, f := range v {
			References(f.Name, fn)
			References(f.Value, fn)
		}
	}
}

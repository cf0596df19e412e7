package prove

import (
	"iter"
	"math/rand/v2"

	"strait/model/schema"
	"strait/model/value"
)

// candidates are the documents to try: real ones first, then made-up ones
// without end, unless there are none to make. Of these, most do not fit the
// target because of the row's change; others not because of something else as
// well, or fit it.
func (s *search) candidates() iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		r := s.rand("documents")
		s.w.made = 0
		if s.o.Sample != nil {
			docs := s.o.Sample.Tables[s.row.Table]
			for _, doc := range docs[:min(len(docs), s.o.Documents/2)] {
				doc = s.w.alone(doc)
				if s.widened.FitsDocument(doc, s.w.tables()) && !yield(candidate{doc, true}) {
					return
				}
			}
		}
		ids := s.references(r)
		kinds := []kind{
			newKind(s.about(schema.Misfits(s.focused(), s.target.Document, r, ids, s.w.tables()))),
			newKind(s.about(schema.Misfits(s.widened.Document, s.target.Document, r, ids, s.w.tables()))),
			newKind(s.fitting(r, ids)),
			newKind(s.believable()),
		}
		defer func() {
			for _, k := range kinds {
				k.stop()
			}
		}()
		for left := true; left; {
			left = false
			for _, i := range []int{0, 0, 2, 1, 0, 3, 2, 1} {
				doc, ok := kinds[i].next()
				if !ok {
					continue
				}
				left = true
				if !yield(candidate{doc: s.w.stored(doc, r)}) {
					return
				}
			}
		}
	}
}

// alone points what a real document refers to within its own table to the one
// document that is there.
func (w *world) alone(doc value.Object) value.Object {
	number := w.numbers[w.table]
	own := idOf(doc)
	out := replaceIDs(fields(doc), func(id string) string {
		if parsed, err := value.ParseID(id); err == nil && parsed.Table == number && len(w.ids[w.table]) > 0 {
			return w.ids[w.table][0]
		}
		return id
	}).(value.Object)
	created, _ := doc.Get("_creationTime")
	return out.With("_id", own).With("_creationTime", created)
}

// replaceIDs replaces every id in a value.
func replaceIDs(v value.Value, by func(string) string) value.Value {
	switch v := v.(type) {
	case string:
		return by(v)
	case value.Array:
		out := make(value.Array, len(v))
		for i := range v {
			out[i] = replaceIDs(v[i], by)
		}
		return out
	case value.Object:
		out := make([]value.Field, len(v))
		for i, f := range v {
			out[i] = value.Field{Name: by(f.Name), Value: replaceIDs(f.Value, by)}
		}
		return value.NewObject(out...)
	}
	return v
}

type kind struct {
	next func() (value.Object, bool)
	stop func()
}

func newKind(seq iter.Seq[value.Object]) kind {
	next, stop := iter.Pull(seq)
	return kind{next, stop}
}

// stored gives a made-up document its system fields.
func (w *world) stored(doc value.Object, r *rand.Rand) value.Object {
	w.made++
	return fields(doc).With("_id", w.newID(w.numbers[w.table], r)).With("_creationTime", float64(now-1_800_000+w.made))
}

// references gives ids of the documents beside the row's, and once the first
// documents are through, now and then one of a document that is gone.
func (s *search) references(r *rand.Rand) schema.IDs {
	return func(table string) (string, bool) {
		list := s.w.ids[table]
		if len(list) == 0 || s.w.made > uint64(s.o.Documents/4) && r.IntN(8) == 0 {
			return s.w.gone(table, r)
		}
		return list[r.IntN(len(list))], true
	}
}

// about passes on the documents that the row's change is about. A source that
// gives none for long is given up.
func (s *search) about(docs iter.Seq[value.Object]) iter.Seq[value.Object] {
	return func(yield func(value.Object) bool) {
		vain := 0
		for doc := range docs {
			if vain++; vain > 5000 {
				return
			}
			if !s.offends(doc) {
				continue
			}
			vain = 0
			if !yield(doc) {
				return
			}
		}
	}
}

// fitting are documents that the target accepts, with odd values.
func (s *search) fitting(r *rand.Rand, ids schema.IDs) iter.Seq[value.Object] {
	return func(yield func(value.Object) bool) {
		for range 20 * s.o.Documents {
			v, ok := schema.Edge(s.target.Document, r, ids)
			doc, isObject := v.(value.Object)
			if ok && isObject && s.target.FitsDocument(doc, s.w.tables()) && !yield(doc) {
				return
			}
		}
	}
}

// believable are documents as people write them.
func (s *search) believable() iter.Seq[value.Object] {
	return func(yield func(value.Object) bool) {
		r := s.rand("believable")
		sampler := schema.NewSampler(s.seed, s.references(r))
		shape := s.o.Active.Table(s.row.Table)
		if shape == nil {
			shape = s.widened
		}
		for range s.o.Documents {
			doc, err := sampler.Document(shape)
			if err != nil {
				return
			}
			if s.widened.FitsDocument(doc, s.w.tables()) && !yield(doc) {
				return
			}
		}
	}
}

// focused is what widened accepts, as far as the row's top-level field; in the
// other fields what target accepts.
func (s *search) focused() *schema.Validator {
	from, to := s.widened.Document, s.target.Document
	if from == nil || to == nil || from.Kind != schema.Object || to.Kind != schema.Object {
		return from
	}
	own := topField(fieldPath(s.row))
	if own == "" {
		return from
	}
	out := &schema.Validator{Kind: schema.Object}
	for _, f := range from.Fields {
		if f.Name == own {
			out.Fields = append(out.Fields, f)
		} else if t := to.Field(f.Name); t != nil {
			out.Fields = append(out.Fields, *t)
		}
	}
	return out
}

func topField(path string) string {
	for i := range path {
		if path[i] == '.' || path[i] == '[' || path[i] == '{' {
			return path[:i]
		}
	}
	return path
}

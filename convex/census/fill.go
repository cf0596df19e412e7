package census

import (
	"context"

	"strait/convex/wire"
	"strait/model/value"
)

// fetchedAtOnce is how many samples are fetched with one call: as many as the
// deployment can answer (convex-wire.md 6.2), however large they are.
const fetchedAtOnce = 16

// fill fetches the samples of which only the ids are known, as far as the
// budget goes: those of a census that was resumed, and those that had no room
// in the checker's answer. A document that is gone or fits by now is no longer
// a sample; where documents cannot be fetched, the ids stay.
func (r *run) fill(ctx context.Context) error {
	for _, t := range r.tables {
		docs, known := map[string]value.Object{}, map[string]bool{}
		ids := t.found.bare()
		for len(ids) > 0 {
			n := min(len(ids), fetchedAtOnce, r.affordable())
			if n == 0 {
				break
			}
			batch, err := r.fetch(ctx, t.table.Name, ids[:n])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				break
			}
			for i, id := range ids[:n] {
				known[id] = true
				if doc, ok := batch[i].(value.Object); ok {
					docs[id] = doc
				}
			}
			ids = ids[n:]
		}
		for key, g := range t.found.groups {
			kept := g.samples[:0]
			for _, s := range g.samples {
				if s.Document == nil && known[s.ID] {
					doc := docs[s.ID]
					if s = s.in(key, t.table.Name, doc, t.table.CheckDocument(doc, r.ids)); s.Document == nil {
						continue
					}
				}
				kept = append(kept, s)
			}
			g.samples = kept
		}
	}
	return nil
}

// bare are the ids of samples without their documents.
func (t *share) bare() (ids []string) {
	seen := map[string]bool{}
	for _, key := range t.keys() {
		for _, s := range t.groups[key].samples {
			if s.Document == nil && s.ID != "" && !seen[s.ID] {
				seen[s.ID] = true
				ids = append(ids, s.ID)
			}
		}
	}
	return ids
}

// affordable is how many documents more the budget allows.
func (r *run) affordable() int {
	n := int64(fetchedAtOnce)
	if b := r.o.Budget.Documents; b > 0 {
		n = min(n, b-r.read)
	}
	if b := r.o.Budget.Bytes; b > 0 {
		n = min(n, (b-r.bytes)/value.MaxDocumentSize)
	}
	return int(max(0, n))
}

// fetch reads documents by id; one that is gone is null.
func (r *run) fetch(ctx context.Context, table string, ids []string) (value.Array, error) {
	const path = "_system/frontend/listById"
	var asked value.Array
	for _, id := range ids {
		asked = append(asked, value.NewObject(value.Field{Name: "id", Value: id}, value.Field{Name: "tableName", Value: table}))
	}
	args := value.NewObject(value.Field{Name: "ids", Value: asked})
	if r.o.ComponentID != "" {
		args = args.With("componentId", r.o.ComponentID)
	}
	result, err := r.client.Query(r.counted(ctx), wire.Call{Path: path, Args: args})
	docs, ok := result.Value.(value.Array)
	if err == nil && (!ok || len(docs) != len(ids)) {
		err = errAnswer
	}
	if err != nil {
		return nil, r.failed(err, int64(len(ids)), mostRead)
	}
	r.read += int64(len(docs))
	for _, doc := range docs {
		r.bytes += int64(value.Size(doc))
	}
	return docs, nil
}

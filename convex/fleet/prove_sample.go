package fleet

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"strait/convex/prove"
	"strait/convex/snapshot"
	"strait/model/value"
	"strait/plan"
)

// How many documents a proof reads: of each table that changes, and of those
// that they refer to in a deployment.
const (
	proofSample   = 500
	proofReferred = 2000
)

// sample reads the documents that a proof begins with: of an environment, or of
// an export; nil without either.
func (f *Fleet) sample(s *proving, rows []plan.Row) (*prove.Sample, error) {
	tables := changing(chosenRows(rows, s.o.Rows))
	switch {
	case s.o.Export != "":
		return sampleExport(s.ctx, s.o.Export, tables)
	case s.env == nil:
		return nil, nil
	}
	f.mu.Lock()
	client := s.env.client
	f.mu.Unlock()
	if client == nil {
		return nil, fmt.Errorf("prove: %s is not connected any more", s.o.Env)
	}
	return sampleShelf(s.ctx, &remoteShelf{client: client, owners: []string{""}}, tables, proofReferred)
}

// changing are the tables of the rows that migrations cover.
func changing(rows []plan.Row) (out []string) {
	for _, r := range rows {
		if len(r.Migrations) > 0 && r.Table != "" && !slices.Contains(out, r.Table) {
			out = append(out, r.Table)
		}
	}
	return out
}

// sampleExport takes documents of an export, spread over each table; of the
// other tables only those that they refer to.
func sampleExport(ctx context.Context, file string, tables []string) (*prove.Sample, error) {
	a, err := snapshot.Open(file)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	root := func(component string) bool { return component == "" }
	none := func(string) bool { return false }
	return sampleShelf(ctx, &archiveShelf{a, root, none}, tables, math.MaxInt)
}

// sampleShelf takes documents of the tables of the root, and at most so many of
// those that they refer to.
func sampleShelf(ctx context.Context, from shelf, tables []string, referred int) (*prove.Sample, error) {
	there, err := from.tables(ctx)
	if err != nil {
		return nil, fmt.Errorf("prove: read the tables: %w", err)
	}
	out := &prove.Sample{Tables: map[string][]value.Object{}, Numbers: map[string]uint32{}, Gone: map[string]bool{}}
	names, taken := map[uint32]string{}, map[string]bool{}
	for _, t := range there {
		if t.number == 0 {
			continue // nothing can refer to it
		}
		names[t.number], out.Numbers[t.name] = t.name, t.number
		if !slices.Contains(tables, t.name) {
			continue
		}
		for doc, err := range from.some(ctx, t, proofSample) {
			if err != nil {
				return nil, fmt.Errorf("prove: read documents of table %s: %w", t.name, err)
			}
			id, _ := textOf(doc, "_id")
			taken[id] = true
			out.Tables[t.name] = append(out.Tables[t.name], doc)
		}
	}
	wanted := map[string]bool{}
	for _, docs := range out.Tables {
		for _, doc := range docs {
			prove.References(doc, func(text string, id value.ID) {
				if !taken[text] && names[id.Table] != "" {
					wanted[text] = true
				}
			})
		}
	}
	ids := slices.Sorted(maps.Keys(wanted))
	ids = ids[:min(len(ids), referred)]
	docs, err := from.byID(ctx, "", ids)
	if err != nil {
		return nil, fmt.Errorf("prove: read the documents that others refer to: %w", err)
	}
	for _, id := range ids {
		out.Gone[id] = true
	}
	for _, doc := range docs {
		text, _ := textOf(doc, "_id")
		id, err := value.ParseID(text)
		if err != nil {
			continue
		}
		delete(out.Gone, text)
		out.Tables[names[id.Table]] = append(out.Tables[names[id.Table]], doc)
	}
	return out, nil
}

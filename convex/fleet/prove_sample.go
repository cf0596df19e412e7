package fleet

import (
	"context"
	"fmt"
	"slices"

	"strait/convex/prove"
	"strait/convex/snapshot"
	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

// How many documents a proof reads: of each table that changes, and of those
// that they refer to.
const (
	proofSample   = 500
	proofPage     = 100
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
	return sampleClient(s.ctx, client, tables)
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

// sampleClient reads the oldest and the newest documents of the tables, and
// those that they refer to.
func sampleClient(ctx context.Context, client *wire.Client, tables []string) (*prove.Sample, error) {
	mapping, err := client.TableMapping(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("prove: read the tables: %w", err)
	}
	out := &prove.Sample{Tables: map[string][]value.Object{}, Numbers: map[string]uint32{}, Gone: map[string]bool{}}
	for n, name := range mapping {
		if n >= firstUserTable {
			out.Numbers[name] = n
		}
	}
	wanted := map[string]bool{}
	for _, table := range tables {
		if _, there := out.Numbers[table]; !there {
			continue
		}
		if out.Tables[table], err = ends(ctx, client, table); err != nil {
			return nil, fmt.Errorf("prove: read documents of table %s: %w", table, err)
		}
		for _, doc := range out.Tables[table] {
			prove.References(doc, func(id string) { wanted[id] = true })
		}
	}
	return out, lookUp(ctx, client, out, wanted, mapping)
}

// ends are the oldest documents of a table and the newest.
func ends(ctx context.Context, client *wire.Client, table string) ([]value.Object, error) {
	var out []value.Object
	seen := map[string]bool{}
	for _, order := range []string{"asc", "desc"} {
		cursor := ""
		for n := 0; n < proofSample/2; {
			page, err := client.TableData(ctx, "", table, order, cursor, proofPage)
			if err != nil {
				return nil, err
			}
			for _, doc := range page.Documents {
				if id, ok := textOf(doc, "_id"); ok && !seen[id] {
					seen[id] = true
					out = append(out, doc)
				}
			}
			n += len(page.Documents)
			if cursor = page.Cursor; page.IsDone || len(page.Documents) == 0 {
				break
			}
		}
	}
	return out, nil
}

// firstUserTable is the least number of a table that is not the deployment's
// own (convex-wire.md 8.6).
const firstUserTable = 10001

// lookUp reads the documents that the sample refers to.
func lookUp(ctx context.Context, client *wire.Client, s *prove.Sample, wanted map[string]bool, mapping map[uint32]string) error {
	for _, docs := range s.Tables {
		for _, doc := range docs {
			if id, ok := textOf(doc, "_id"); ok {
				delete(wanted, id)
			}
		}
	}
	var ids []string
	for id := range wanted {
		if parsed, err := value.ParseID(id); err == nil && parsed.Table >= firstUserTable && mapping[parsed.Table] != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	ids = ids[:min(len(ids), proofReferred)]
	for chunk := range slices.Chunk(ids, proofPage) {
		docs, err := client.Documents(ctx, "", chunk)
		if err != nil {
			return fmt.Errorf("prove: read the documents that others refer to: %w", err)
		}
		for _, id := range chunk {
			s.Gone[id] = true
		}
		for _, doc := range docs {
			id, _ := textOf(doc, "_id")
			parsed, err := value.ParseID(id)
			if err != nil {
				continue
			}
			delete(s.Gone, id)
			s.Tables[mapping[parsed.Table]] = append(s.Tables[mapping[parsed.Table]], doc)
		}
	}
	return nil
}

// sampleExport takes documents of an export, spread over each table; of the
// other tables only those that they refer to.
func sampleExport(ctx context.Context, file string, tables []string) (*prove.Sample, error) {
	a, err := snapshot.Open(file)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	out := &prove.Sample{Tables: map[string][]value.Object{}, Numbers: map[string]uint32{}, Gone: map[string]bool{}}
	wanted := map[string]bool{}
	for _, t := range a.Tables() {
		if t.Component != "" || t.Number == 0 {
			continue
		}
		out.Numbers[t.Name] = t.Number
		if !slices.Contains(tables, t.Name) {
			continue
		}
		n, err := a.Count(t)
		if err != nil {
			return nil, err
		}
		every, i := max(1, n/proofSample), int64(0)
		for doc, err := range a.Documents(t) {
			if err != nil {
				return nil, err
			}
			if i%every == 0 && len(out.Tables[t.Name]) < proofSample {
				out.Tables[t.Name] = append(out.Tables[t.Name], doc)
				prove.References(doc, func(id string) { wanted[id], out.Gone[id] = true, true })
			}
			if i++; i%1024 == 0 && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
	for _, t := range a.Tables() {
		if t.Component != "" || t.Number == 0 {
			continue
		}
		own := slices.Contains(tables, t.Name)
		i := 0
		for doc, err := range a.Documents(t) {
			if err != nil {
				return nil, err
			}
			if id, _ := textOf(doc, "_id"); wanted[id] {
				delete(out.Gone, id)
				if !own {
					out.Tables[t.Name] = append(out.Tables[t.Name], doc)
				}
			}
			if i++; i%1024 == 0 && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
		}
	}
	return out, nil
}

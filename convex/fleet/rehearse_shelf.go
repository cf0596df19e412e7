package fleet

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"strait/convex/snapshot"
	"strait/convex/wire"
	"strait/model/value"
)

const shelfPage = 2000 // documents that are asked for at once

// shelf is where samples are taken from.
type shelf interface {
	// tables are those of the root and of the components that define migrations.
	tables(ctx context.Context) ([]shelfTable, error)
	// some yields documents of a table, at most n that are worth taking.
	some(ctx context.Context, t shelfTable, n int) iter.Seq2[value.Object, error]
	// byID finds documents by id, as many as there are.
	byID(ctx context.Context, component string, ids []string) ([]value.Object, error)
}

type shelfTable struct {
	component, name string
	number          uint32 // 0 not told
}

// owners are the components that define migrations, the root first.
func (r *rehearsal) owners() []string {
	out := []string{""}
	for _, m := range r.p.Migrations {
		if m.Owner != "" && !slices.Contains(out, m.Owner) && r.p.App.Component(m.Owner) != nil {
			out = append(out, m.Owner)
		}
	}
	return out
}

// remoteShelf takes documents from an environment's deployment.
type remoteShelf struct {
	client *wire.Client
	owners []string // components
	note   func(format string, args ...any)
}

func (s *remoteShelf) tables(ctx context.Context) ([]shelfTable, error) {
	var out []shelfTable
	for _, owner := range s.owners {
		id, err := ownerID(ctx, s.client, owner)
		if err != nil {
			s.note("component %s: its documents cannot be read, so its migrations find none: %v", owner, err)
			continue
		}
		numbers, err := s.client.TableMapping(ctx, id)
		if err != nil {
			return nil, err
		}
		for number, name := range numbers {
			if !strings.HasPrefix(name, "_") {
				out = append(out, shelfTable{owner, name, number})
			}
		}
	}
	slices.SortFunc(out, func(a, b shelfTable) int { return strings.Compare(a.component+":"+a.name, b.component+":"+b.name) })
	return out, nil
}

// some takes the oldest documents and the newest, which are the likeliest to
// be of different shapes.
func (s *remoteShelf) some(ctx context.Context, t shelfTable, n int) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		seen, last := 0, 0.0
		for _, part := range []struct {
			order string
			n     int
		}{{"asc", n - n/2}, {"desc", n / 2}} {
			cursor := ""
			for left := part.n; left > 0; {
				page, err := s.page(ctx, t, part.order, cursor, min(left, shelfPage))
				if err != nil {
					yield(nil, err)
					return
				}
				for _, doc := range page.Documents {
					created, _ := get(doc, "_creationTime").(float64)
					if part.order == "asc" {
						seen, last = seen+1, created
					} else if created <= last && seen > 0 {
						return // the oldest were taken already
					}
					if !yield(doc, nil) {
						return
					}
				}
				left -= len(page.Documents)
				if page.IsDone {
					if part.order == "asc" {
						return // that was every one
					}
					break
				}
				if page.Cursor == cursor {
					yield(nil, fmt.Errorf("the deployment gives the same page again"))
					return
				}
				cursor = page.Cursor
			}
		}
	}
}

// page reads a page, smaller ones when the deployment finds it too large.
func (s *remoteShelf) page(ctx context.Context, t shelfTable, order, cursor string, n int) (wire.Page, error) {
	for {
		page, err := s.client.TableData(ctx, t.component, t.name, order, cursor, n)
		if functionError(err) == nil || n <= 1 {
			return page, err
		}
		n /= 2
	}
}

func (s *remoteShelf) byID(ctx context.Context, component string, ids []string) ([]value.Object, error) {
	id, err := ownerID(ctx, s.client, component)
	if err != nil {
		return nil, err
	}
	var out []value.Object
	for chunk := range slices.Chunk(ids, 200) {
		docs, err := s.client.Documents(ctx, id, chunk)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	return out, nil
}

// archiveShelf takes documents from an export.
type archiveShelf struct {
	a     *snapshot.Archive
	ours  func(component string) bool
	whole func(component string) bool // of what n does not count
}

func (s *archiveShelf) tables(context.Context) ([]shelfTable, error) {
	var out []shelfTable
	for _, t := range s.a.Tables() {
		if s.ours(t.Component) {
			out = append(out, shelfTable{t.Component, t.Name, t.Number})
		}
	}
	return out, nil
}

// some takes documents evenly from all of a table.
func (s *archiveShelf) some(ctx context.Context, t shelfTable, n int) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		table := snapshot.Table{Component: t.component, Name: t.name, Number: t.number}
		count, err := s.a.Count(table)
		if err != nil {
			yield(nil, err)
			return
		}
		at := int64(0)
		for doc, err := range s.a.Documents(table) {
			if err == nil && ctx.Err() != nil {
				err = ctx.Err()
			}
			// Of count documents, the one at which the share taken grows by one.
			chosen := count <= int64(n) || s.whole(t.component) || (at+1)*int64(n)/count > at*int64(n)/count
			at++
			if (chosen || err != nil) && !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// byID reads through the tables that hold the ids.
func (s *archiveShelf) byID(ctx context.Context, component string, ids []string) ([]value.Object, error) {
	want, numbers := map[string]bool{}, map[uint32]bool{}
	for _, id := range ids {
		if parsed, err := value.ParseID(id); err == nil {
			want[id], numbers[parsed.Table] = true, true
		}
	}
	var out []value.Object
	for _, t := range s.a.Tables() {
		if t.Component != component || !numbers[t.Number] {
			continue
		}
		for doc, err := range s.a.Documents(t) {
			if err != nil {
				return nil, err
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if id, _ := textOf(doc, "_id"); want[id] {
				out = append(out, doc)
			}
		}
	}
	return out, nil
}

// sampleExport fills the copy with a part of each table of an export. What the
// migrations component keeps is taken whole: it is small.
func (r *rehearsal) sampleExport(ctx context.Context, a *snapshot.Archive, ours func(string) bool) error {
	r.report.Source = fmt.Sprintf("%s documents a table of %s", thousands(int64(r.o.Sample)), r.report.Source)
	r.from.tables = map[string]int64{}
	for _, t := range a.Tables() {
		if t.Component == "" {
			n, err := a.Count(t)
			if err != nil {
				return err
			}
			r.from.tables[t.Name] = n
		}
	}
	return r.sampleFrom(ctx, &archiveShelf{a, ours, r.keeps}, r.o.Sample)
}

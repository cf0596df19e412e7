package census

import (
	"context"

	"strait/model/value"
)

// broughtLimit is the most documents that the deployment gives at once
// (convex-wire.md 6.2).
const broughtLimit = 10_000

// bring reads a page of a table's documents and checks them here.
func (r *run) bring(ctx context.Context, t *tableRun, n int) error {
	if r.o.Budget.Bytes > 0 { // a page cannot be bounded there
		n = int(min(int64(n), max(1, (r.o.Budget.Bytes-r.bytes)/value.MaxDocumentSize/2)))
	}
	n = min(n, broughtLimit)
	page, err := r.client.TableData(ctx, r.o.Component, t.table.Name, "asc", t.at.Cursor, n)
	if err != nil {
		return r.failed(err, int64(n), mostRead)
	}
	if !page.IsDone && page.Cursor == t.at.Cursor {
		return errStuck
	}
	bytes := t.found.bytes
	for _, doc := range page.Documents {
		t.found.judge(t.table, int(t.found.read)+1, doc, r.ids)
	}
	r.bytes += t.found.bytes - bytes
	r.read += int64(len(page.Documents))
	r.pages.took(len(page.Documents))
	t.at = position{Begun: true, Brought: true, Cursor: page.Cursor}
	t.done = page.IsDone || r.sampled(t) && t.found.read >= r.o.Sample
	return nil
}

package census

import (
	"context"
	"fmt"

	"strait/convex/wire"
	"strait/model/value"
)

// Cost is what a census would read.
type Cost struct {
	Tables    []TableCost // in the order in which they are read
	Documents int64
	Bytes     int64 // -1 unknown
	// Enough says that the budget suffices, as far as can be told.
	Enough bool
}

// TableCost is what a census would read of one table.
type TableCost struct {
	Table     string
	Documents int64  // in the table
	Read      int64  // to be read
	Bytes     int64  // of those; -1 unknown
	Proved    string // why none has to be read; "" they do
}

// Estimate says what Deployment would read with the same options, from counts,
// inferred shapes and the sizes of documents in o.Sizes. It reads no document.
func Estimate(ctx context.Context, client *wire.Client, o Options) (*Cost, error) {
	r, err := prepare(ctx, client, o)
	if err != nil {
		return nil, fmt.Errorf("estimate a census: %w", err)
	}
	out := &Cost{}
	for _, t := range r.tables {
		c := TableCost{Table: t.table.Name, Documents: t.count.Documents, Proved: t.count.Proved}
		if !t.done {
			c.Read = max(0, r.toRead(t)-t.found.read)
		}
		if size := o.Sizes[c.Table]; c.Read > 0 && size.Sampled == 0 {
			c.Bytes = -1
		} else {
			c.Bytes = c.Read * size.Mean
		}
		out.Documents += c.Read
		if c.Bytes < 0 || out.Bytes < 0 {
			out.Bytes = -1
		} else {
			out.Bytes += c.Bytes
		}
		out.Tables = append(out.Tables, c)
	}
	out.Enough = (o.Budget.Documents == 0 || out.Documents <= o.Budget.Documents) &&
		(o.Budget.Bytes == 0 || out.Documents == 0 || out.Bytes <= o.Budget.Bytes-value.MaxDocumentSize)
	return out, nil
}

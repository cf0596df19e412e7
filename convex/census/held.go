package census

import (
	"context"
	"iter"
	"time"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Held counts the documents at hand that do not fit o.Target, every one, such
// as those of a deployment in this process. documents yields those of a table;
// ids tell the tables of ids apart. Of Options it takes Target, Counts,
// Component, Progress and Now.
func Held(ctx context.Context, documents func(table string) iter.Seq2[value.Object, error], ids schema.Tables, o Options) (*plan.Census, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	out := &plan.Census{
		Component: o.Component, Schema: o.Target.Hash(), Started: o.Now().Round(0), Full: true,
		Tables: map[string]int64{}, Counts: map[string]plan.TableCount{},
	}
	p := Progress{}
	for _, t := range o.Target.Tables {
		p.Total += o.Counts[t.Name]
	}
	for _, table := range o.Target.Tables {
		var found share
		p.Table = table.Name
		for doc, err := range documents(table.Name) {
			if err != nil {
				return nil, err
			}
			found.judge(table, int(found.read)+1, doc, ids)
			if p.Read++; p.Read%1024 == 0 {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if o.Progress != nil {
					o.Progress(p)
				}
			}
		}
		found.addTo(out, table.Name, plan.TableCount{Documents: o.Counts[table.Name], Most: found.offenders})
		p.Found, p.Bytes = p.Found+found.offenders, p.Bytes+found.bytes
	}
	out.At = o.Now().Round(0)
	return out, nil
}

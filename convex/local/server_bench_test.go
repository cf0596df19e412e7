package local_test

import (
	"fmt"
	"testing"

	"strait/convex/wire"
	"strait/model/value"
)

// One mutation until our client has its answer and its live queries have
// caught up: what a batch costs besides its own work.
func BenchmarkMutateAndSee(b *testing.B) {
	for _, queries := range []int{1, 20} {
		b.Run(fmt.Sprintf("queries=%d", queries), func(b *testing.B) {
			d := deploy(b, nil)
			c := dial(b, d)
			first := make(chan struct{}, queries)
			for i := range queries {
				once := false
				c.SubscribeTableSize("", []string{"notes", "other"}[i%2], func(int64, error) {
					if !once {
						once = true
						first <- struct{}{}
					}
				})
				if i > 1 { // the same query is shared: these are others
					c.Subscribe(wire.Call{Path: "notes:echo", Args: object("x", float64(i))}, func(wire.Update) {})
				}
			}
			for range queries {
				<-first
			}
			b.ResetTimer()
			for i := range b.N {
				if _, err := c.Mutate(b.Context(), wire.Call{Path: "notes:add", Args: object("text", fmt.Sprint(i))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A census: one module sent again and again, a page of 2000 documents checked
// each time.
func BenchmarkTestQuery(b *testing.B) {
	d := deploy(b, nil)
	var docs []value.Object
	for i := range 2000 {
		docs = append(docs, object("text", fmt.Sprint("note ", i), "done", i%2 == 0))
	}
	if _, err := d.Insert(b.Context(), "", "notes", docs); err != nil {
		b.Fatal(err)
	}
	c := dial(b, d)
	for _, items := range []int{1, 2000} {
		source := testSource(fmt.Sprintf(`const p = await ctx.db.query("notes").paginate({ cursor: null, numItems: %d });
			let bad = 0;
			for (const n of p.page) if (typeof n.text !== "string" || typeof n.done !== "boolean") bad++;
			return { seen: p.page.length, bad };`, items))
		b.Run(fmt.Sprint(items), func(b *testing.B) {
			for b.Loop() {
				r, err := c.RunTestQuery(b.Context(), wire.TestQuery{Source: source})
				if err != nil || value.Display(r.Value) != fmt.Sprintf("{bad: 0.0, seen: %d.0}", items) {
					b.Fatal(r.Value, err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pages/s")
		})
	}
}

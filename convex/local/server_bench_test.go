package local_test

import (
	"fmt"
	"testing"

	"strait/convex/wire"
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

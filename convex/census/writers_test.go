package census

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"strait/convex/local"
	"strait/model/schema"
	"strait/model/value"
)

// Writers run freely while a census goes on. Of the offenders that are there
// throughout, each with a field of its own and some of one creation time,
// however often they are written, none is missed and none counted twice.
func TestFreeWriters(t *testing.T) {
	table := &schema.Table{Name: "things", Document: object(opt("n", kind(schema.Number)))}
	stayers := 300
	if testing.Short() { // and with the race detector, which slows the checker twentyfold
		stayers = 90
	}
	for _, component := range []string{"", "billing"} {
		for _, brought := range []bool{false, true} {
			t.Run(fmt.Sprint(component, brought), func(t *testing.T) {
				d, c := embedded(t, &local.Limits{DocumentsRead: 64})
				created := func(i int) value.Field { return value.Field{Name: "_creationTime", Value: float64(1000 + i/3)} }
				var kept, passing []value.Object
				for i := range stayers {
					kept = append(kept, value.NewObject(value.Field{Name: fmt.Sprint("stays", i), Value: "x"}, created(i)))
					passing = append(passing, value.NewObject(value.Field{Name: "goes", Value: "x"}, created(i)))
				}
				staying, err := d.Insert(t.Context(), component, "things", kept)
				if err != nil {
					t.Fatal(err)
				}
				going, err := d.Insert(t.Context(), component, "things", passing)
				if err != nil {
					t.Fatal(err)
				}
				w := writers{n: stayers, d: d, component: component, staying: staying, going: going}
				stop := w.start(t)
				o := Options{Target: &schema.Schema{Tables: []*schema.Table{table}}, Component: component, ComponentID: componentID(t, c, component), Brought: brought}
				got, err := Deployment(t.Context(), c, o)
				if n := stop(); n < 20 {
					t.Errorf("only %d writes while the census went on", n)
				}
				if err != nil {
					t.Fatal(err)
				}
				seen := 0
				for _, g := range got.Groups {
					if strings.HasPrefix(g.Path, "things.stays") {
						seen++
						if g.Count != 1 {
							t.Errorf("%s is counted %d times", g.Path, g.Count)
						}
					}
				}
				if seen != stayers || !got.Full || (got.Brought != "") != brought {
					t.Errorf("%d of %d documents that stay were seen; full %v, brought %q", seen, stayers, got.Full, got.Brought)
				}
			})
		}
	}
}

// writers change documents all the time: those that stay are patched and
// replaced but offend all the same, others come and go.
type writers struct {
	n              int
	d              *local.Deployment
	component      string
	staying, going []string
}

// start has them write until stop is called, which tells how often they did.
func (w *writers) start(t *testing.T) (stop func() int) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	counts := make([]int, 3)
	for i := range counts {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		// One touches what stays, two share what goes.
		share := w.going[i%2*w.n/2 : (i%2+1)*w.n/2]
		all.Go(func() {
			for ctx.Err() == nil {
				var err error
				if i == 2 {
					err = w.touch(ctx, r.IntN(w.n), r.IntN(2) == 0)
				} else {
					err = w.turnOver(ctx, share, r, counts[i] > w.n)
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
					return
				}
				counts[i]++
			}
		})
	}
	return func() (n int) {
		cancel()
		all.Wait()
		for _, c := range counts {
			n += c
		}
		return n
	}
}

// touch writes a document that stays.
func (w *writers) touch(ctx context.Context, i int, patch bool) error {
	_, err := w.d.Update(ctx, w.component, func(tx *local.Writer) error {
		if patch {
			return tx.Patch(w.staying[i], value.NewObject(value.Field{Name: "n", Value: float64(i)}))
		}
		return tx.Replace(w.staying[i], value.NewObject(value.Field{Name: fmt.Sprint("stays", i), Value: "y"}))
	})
	return err
}

// turnOver deletes a document and inserts another one, at the end of the table,
// which a census could otherwise chase for ever, or among those of before.
func (w *writers) turnOver(ctx context.Context, share []string, r *rand.Rand, old bool) error {
	i, old := r.IntN(len(share)), old || r.IntN(2) == 0
	doc := value.NewObject(value.Field{Name: "goes", Value: "x"})
	_, err := w.d.Update(ctx, w.component, func(tx *local.Writer) (err error) {
		if err = tx.Delete(share[i]); err == nil && !old {
			share[i], err = tx.Insert("things", doc)
		}
		return err
	})
	if err != nil || !old {
		return err
	}
	ids, err := w.d.Insert(ctx, w.component, "things", []value.Object{doc.With("_creationTime", float64(1000+r.IntN(w.n)/3))})
	if err == nil {
		share[i] = ids[0]
	}
	return err
}

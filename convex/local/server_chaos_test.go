package local_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// flaky is a connection that breaks after a number of bytes either way.
type flaky struct {
	net.Conn
	left atomic.Int64
}

func (f *flaky) spend(n int, err error) (int, error) {
	if f.left.Add(-int64(n)) < 0 {
		f.Conn.Close()
	}
	return n, err
}

func (f *flaky) Read(b []byte) (int, error)  { return f.spend(f.Conn.Read(b)) }
func (f *flaky) Write(b []byte) (int, error) { return f.spend(f.Conn.Write(b)) }

// However often the connection breaks, every mutation runs once, in order,
// and the live query ends at the truth. The clock is synctest's, so that the
// pauses between attempts take no time.
func TestMutationsOverABreakingConnection(t *testing.T) {
	loaded := load(t, nil)
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { breakConnections(t, loaded, seed) })
		})
	}
}

func breakConnections(t *testing.T, p *project.Project, seed uint64) {
	d := local.New(local.Options{Name: "fixture", Seed: 1})
	defer d.Close()
	if err := d.Push(t.Context(), local.Push{App: p.App}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	var mu sync.Mutex
	calm, dials := false, 0
	base := d.HTTPClient().Transport.(*http.Transport)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := base.DialContext(ctx, network, addr)
		mu.Lock()
		defer mu.Unlock()
		dials++
		if err != nil || calm {
			return conn, err
		}
		f := &flaky{Conn: conn}
		f.left.Store(1000 + rng.Int64N(14000))
		return f, nil
	}}
	c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: &http.Client{Transport: transport}})
	defer c.Close()
	lists := make(chan value.Value, 1000)
	c.Subscribe(wire.Call{Path: "notes:list"}, func(u wire.Update) {
		if u.Err != nil {
			t.Errorf("live query: %v", u.Err)
		}
		lists <- u.Value
	})
	const mutations = 60
	var want value.Array
	answers := make(chan error, mutations)
	for i := range mutations {
		want = append(want, fmt.Sprint(i))
		started := make(chan struct{})
		go func() {
			close(started)
			_, err := c.Mutate(t.Context(), wire.Call{Path: "notes:add", Args: object("text", fmt.Sprint(i))})
			answers <- err
		}()
		<-started
		synctest.Wait() // the calls are made in their order
	}
	// A bubble whose clients only ping each other would turn for ever.
	tooLong := time.After(time.Hour)
	for range mutations {
		if err := within(t, tooLong, answers); err != nil {
			t.Errorf("mutation: %v", err)
		}
	}
	mu.Lock()
	calm = true
	broke := dials
	mu.Unlock()
	if broke < 2 {
		t.Errorf("dialled %d times only: nothing broke", broke)
	}
	for {
		if got := within(t, tooLong, lists); value.Equal(got, want) {
			break
		} else if list, _ := got.(value.Array); len(list) >= len(want) {
			t.Fatalf("written twice or out of order: %v", got)
		}
	}
	if n := d.View().Tables("")[0].Count; n != mutations {
		t.Errorf("%d documents for %d mutations", n, mutations)
	}
}

// within receives unless the time is up.
func within[T any](t *testing.T, tooLong <-chan time.Time, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-tooLong:
		t.Fatal("waited for an hour")
	}
	return v
}

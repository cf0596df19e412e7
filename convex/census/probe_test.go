package census

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Whatever a deployment answers, an answer that is taken makes sense, and
// takes no more documents than were asked for.
func FuzzDecodeAnswer(f *testing.F) {
	f.Add(`{"walked":3,"weight":90,"read":3,"bad":1,"bytes":90,"weighed":3,"largest":40,"done":true,"cursor":"c","groups":[["type .a",1]],"samples":[{"at":2,"id":"x","keys":["type .a"],"doc":{"a":1,"_id":"x"}}]}`)
	f.Add(`{"walked":0,"weight":0,"read":0,"bad":0,"bytes":0,"largest":0,"done":false,"time":1.5,"seen":["a"],"groups":[],"samples":[]}`)
	f.Add(`{"groups":[[]],"samples":[{}]}`)
	f.Add(`{"groups":[["type","x"]]}`)
	f.Add(`null`)
	table := &schema.Table{Name: "t", Document: object(opt("a", kind(schema.String)))}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := decodeAnswer(text, 10)
		if err != nil {
			return
		}
		if a.Read > 10 || a.Bad > a.Read || len(a.Samples) > a.Bad {
			t.Fatalf("%+v", a)
		}
		r := &run{o: Options{Target: &schema.Schema{}}, ids: mapping{}}
		tr := &tableRun{table: table}
		at, _ := r.next(tr, a)
		if err := r.takeAnswer(tr, a); err == nil && (tr.found.read != int64(a.Read) || !at.Begun) {
			t.Fatalf("%+v", tr.found)
		}
	})
}

func heavy(n, bytes int) (docs []value.Object) {
	for i := range n {
		docs = append(docs, value.NewObject(value.Field{Name: "text", Value: strings.Repeat("x", bytes)}, value.Field{Name: "n", Value: float64(i)}))
	}
	return docs
}

var heavyTarget = &schema.Schema{Tables: []*schema.Table{{Name: "heavy", Document: object(req("text", kind(schema.String)), req("n", kind(schema.String)))}}}

// usage is what the deployment says that the checker has read.
func usage(t *testing.T, d *local.Deployment) (documents, bytes int) {
	t.Helper()
	entries, err := d.Log(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Caller == "Tester" {
			documents += e.Usage.DocumentsRead
			bytes += e.Usage.BytesRead
		}
	}
	return documents, bytes
}

// The deployment's own word: no more is read than the budget says, of large
// documents and small ones, in the root and inside a component.
func TestBudgetIsNeverPassed(t *testing.T) {
	slow(t)
	for _, component := range []string{"", "billing"} {
		for _, budget := range []Budget{{Documents: 7}, {Documents: 100}, {Bytes: 3 << 20}, {Bytes: 5<<20 + 17}, {Bytes: 1 << 20}, {Bytes: 1000}, {Documents: 9, Bytes: 4 << 20}} {
			t.Run(fmt.Sprint(component, budget), func(t *testing.T) {
				d, c := embedded(t, nil)
				insert(t, d, component, "heavy", heavy(20, 400<<10))
				o := Options{Target: heavyTarget, Component: component, ComponentID: componentID(t, c, component), Budget: budget}
				got, err := Deployment(t.Context(), c, o)
				if err != nil {
					t.Fatal(err)
				}
				documents, bytes := 0, 0
				if got.Read > 0 {
					documents, bytes = usage(t, d)
				}
				if got.Read > 0 && int64(documents) < got.Read {
					t.Errorf("the deployment knows of %d documents only, the census of %d", documents, got.Read)
				}
				if budget.Documents > 0 && int64(documents) > budget.Documents || budget.Bytes > 0 && int64(bytes) > budget.Bytes {
					t.Errorf("%d documents, %d bytes were read within %+v", documents, bytes, budget)
				}
				if whole := budget.Documents == 100; whole == (got.Stopped != "") || got.Full != whole || got.Counts["heavy"].Most != 20 {
					t.Errorf("%+v", got)
				}
				if budget.Bytes > 2<<20 && got.Read == 0 {
					t.Error("nothing was read")
				}
			})
		}
	}
}

// deaf loses the answers of some requests that were served.
type deaf struct {
	http.RoundTripper
	served *int
}

func (f deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != "/api/run_test_function" {
		return resp, err
	}
	if *f.served++; *f.served%2 == 1 {
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, nil
}

// What pages have read that fail, or whose answer is lost, counts as well: by
// the deployment's log no more is read than the budget says, and what it was
// spent on is told.
func TestBudgetWithFailedPages(t *testing.T) {
	slow(t)
	t.Parallel() // it waits before it asks again
	for name, limits := range map[string]*local.Limits{"bytes": {BytesRead: 1 << 20}, "result": {ResultBytes: 1200}, "lost": nil} {
		for _, component := range []string{"", "billing"} {
			for _, budget := range []Budget{{Documents: 30}, {Documents: 700}, {Bytes: 4<<20 + 5}} {
				d, c := embedded(t, limits)
				if name == "lost" {
					client := *d.HTTPClient()
					client.Transport = deaf{client.Transport, new(int)}
					c = wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: &client})
					t.Cleanup(func() { c.Close() })
				}
				docs := heavy(600, 100)
				if budget.Documents == 0 {
					docs = heavy(40, 120<<10)
				}
				insert(t, d, component, "heavy", docs)
				o := Options{Target: heavyTarget, Component: component, ComponentID: componentID(t, c, component), Budget: budget}
				got, err := Deployment(t.Context(), c, o)
				if err != nil {
					t.Fatal(err)
				}
				documents, bytes := usage(t, d)
				if budget.Documents > 0 && int64(documents) > budget.Documents || budget.Bytes > 0 && int64(bytes) > budget.Bytes {
					t.Errorf("%s %q: %d documents, %d bytes were read within %+v", name, component, documents, bytes, budget)
				}
				told := strings.Contains(got.Stopped, "pages that failed")
				if got.Full != (got.Stopped == "") || documents == 0 || name == "lost" && !told || name == "result" && got.Stopped != "" && !told {
					t.Errorf("%s %q, %+v: %d documents of %d read, full %v, stopped %q", name, component, budget, got.Read, documents, got.Full, got.Stopped)
				}
			}
		}
	}
}

// unmetered is a deployment from before there was a meter of a transaction.
type unmetered struct{ http.RoundTripper }

func (u unmetered) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/api/run_test_function" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = bytes.Replace(body, []byte("1.0/getTransactionMetrics"), []byte("1.0/getSomethingOfLater"), 1)
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return u.RoundTripper.RoundTrip(r)
}

// Of many documents some are weighed, and all together by the deployment's
// meter; one that is large among small ones is not overlooked. Without a meter
// all are weighed.
func TestSizes(t *testing.T) {
	slow(t)
	for _, component := range []string{"", "billing"} {
		d, c := embedded(t, nil)
		docs := heavy(1000, 40)
		insert(t, d, component, "alike", docs)
		docs[777] = heavy(1, 300<<10)[0]
		insert(t, d, component, "heavy", docs)
		target := &schema.Schema{Tables: []*schema.Table{{Name: "alike", Document: heavyTarget.Tables[0].Document}, heavyTarget.Tables[0]}}
		old := *d.HTTPClient()
		old.Transport = unmetered{old.Transport}
		without := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: &old})
		t.Cleanup(func() { without.Close() })
		for _, client := range []*wire.Client{c, without} {
			o := Options{Target: target, Component: component, ComponentID: componentID(t, c, component)}
			got, err := Deployment(t.Context(), client, o)
			if err != nil {
				t.Fatal(err)
			}
			if problem := equal(t, d, o, got); problem != "" {
				t.Error(problem)
			}
			alike, mixed := got.Counts["alike"].Size, got.Counts["heavy"].Size
			if mixed.Sampled != 1000 || mixed.Largest < 300<<10 || (client == c) != (alike.Sampled == 63) || client == without && alike.Sampled != 1000 {
				t.Errorf("%+v, %+v", alike, mixed)
			}
		}
	}
}

// Where a page is more than the deployment can answer or read, pages get
// smaller, and the census is whole.
func TestPagesShrink(t *testing.T) {
	slow(t)
	for name, limits := range map[string]*local.Limits{
		"documents": {DocumentsRead: 10}, "bytes": {BytesRead: 1 << 20}, "result": {ResultBytes: 2000},
	} {
		for _, component := range []string{"", "billing"} {
			t.Run(name+component, func(t *testing.T) {
				d, c := embedded(t, limits)
				docs := heavy(60, 10)
				if name == "bytes" {
					docs = heavy(60, 200<<10)
				}
				insert(t, d, component, "heavy", docs)
				o := Options{Target: heavyTarget, Component: component, ComponentID: componentID(t, c, component)}
				got, err := Deployment(t.Context(), c, o)
				if err != nil {
					t.Fatal(err)
				}
				if problem := equal(t, d, o, got); problem != "" || got.Brought != "" {
					t.Error(problem, got.Brought)
				}
			})
		}
	}
}

// Documents are written between any two pages. Those that are there throughout
// are counted once each, and none that does not fit is missed.
func TestConcurrentWriters(t *testing.T) {
	slow(t)
	table := &schema.Table{Name: "things", Document: object(opt("n", kind(schema.Number)))}
	for _, component := range []string{"", "billing"} {
		for _, ties := range []bool{false, true} {
			t.Run(fmt.Sprint(component, ties), func(t *testing.T) {
				d, c := embedded(t, &local.Limits{DocumentsRead: 40})
				r := rand.New(rand.NewPCG(3, 4))
				created := func(i int) float64 {
					if ties {
						return float64(1000 + i/9)
					}
					return float64(1000 + i)
				}
				var kept, passing []value.Object
				for i := range 300 {
					kept = append(kept, value.NewObject(value.Field{Name: "stays", Value: "x"}, value.Field{Name: "_creationTime", Value: created(i)}))
					passing = append(passing, value.NewObject(value.Field{Name: "goes", Value: "x"}, value.Field{Name: "_creationTime", Value: created(i)}))
				}
				insert(t, d, component, "things", kept)
				ids, err := d.Insert(t.Context(), component, "things", passing)
				if err != nil {
					t.Fatal(err)
				}
				o := Options{Target: &schema.Schema{Tables: []*schema.Table{table}}, Component: component, ComponentID: componentID(t, c, component)}
				pages := 0
				o.Progress = func(Progress) {
					pages++
					_, err := d.Update(t.Context(), component, func(w *local.Writer) error {
						for range 4 {
							i := r.IntN(len(ids))
							if _, there := w.Get(ids[i]); there {
								if err := w.Delete(ids[i]); err != nil {
									return err
								}
							}
							if _, err := w.Insert("things", value.NewObject(value.Field{Name: "new", Value: "x"})); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					insert(t, d, component, "things", []value.Object{value.NewObject(value.Field{Name: "old", Value: 1.5}, value.Field{Name: "_creationTime", Value: created(r.IntN(300))})})
				}
				got, err := Deployment(t.Context(), c, o)
				if err != nil {
					t.Fatal(err)
				}
				counts := map[string]int64{}
				for _, g := range got.Groups {
					counts[g.Path] = g.Count
				}
				if counts["things.stays"] != 300 || counts["things.goes"] > 300 || !got.Full || got.Brought != "" || pages < 10 {
					t.Errorf("%v after %d pages: %+v", counts, pages, got)
				}
			})
		}
	}
}

// A table whose shape fits is not read, one whose shape does not is.
func TestShapesProve(t *testing.T) {
	d, c := embedded(t, nil)
	insert(t, d, "", "heavy", heavy(50, 10))
	target := func(n schema.Kind) *schema.Schema {
		return &schema.Schema{Tables: []*schema.Table{{Name: "heavy", Document: object(req("text", kind(schema.String)), opt("n", kind(n)))}, {Name: "absent", Document: object()}}}
	}
	got, err := Deployment(t.Context(), c, Options{Target: target(schema.Number)})
	if err != nil {
		t.Fatal(err)
	}
	if got.Read != 0 || !got.Full || got.Offenders != 0 || got.Counts["heavy"].Proved != plan.ByShapes || got.Counts["heavy"].Documents != 50 || got.Counts["absent"].Proved != plan.ByEmpty {
		t.Errorf("%+v", got)
	}
	if got, err = Deployment(t.Context(), c, Options{Target: target(schema.String)}); err != nil || got.Offenders != 50 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A key that may not run the checker has the documents brought, in the root
// and in a component, to the same result.
func TestKeyWithoutTestQueries(t *testing.T) {
	for _, component := range []string{"", "billing"} {
		d, _ := embedded(t, nil)
		d.AddKey(local.Key{Key: "fixture|looking-only", ReadOnly: true, Ops: []string{"ViewData"}})
		c := wire.New(wire.Options{URL: "http://embedded", AdminKey: "fixture|looking-only", HTTP: d.HTTPClient()})
		t.Cleanup(func() { c.Close() })
		fill(t, d, component, many(2500))
		o := Options{Target: shop, Component: component, ComponentID: componentID(t, c, component)}
		got, err := Deployment(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		if problem := equal(t, d, o, got); problem != "" || !strings.Contains(got.Brought, "does not let the checker run") {
			t.Error(problem, got.Brought)
		}
		o.Sample = 100
		if got, err = Deployment(t.Context(), c, o); err != nil {
			t.Fatal(err)
		}
		if users := got.Counts["users"]; users.Read != 100 || users.Most != 2400+users.Offenders {
			t.Errorf("what was not chosen at random is bounded: %+v", users)
		}
	}
}

// liar changes what the deployment answers for its checker.
type liar struct {
	http.RoundTripper
	old, new string
}

func (l liar) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Path != "/api/run_test_function" {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	body = bytes.ReplaceAll(body, []byte(l.old), []byte(l.new))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, err
}

// Where the checker judges otherwise than this program, this program wins.
func TestCheckerThatDisagrees(t *testing.T) {
	for _, lie := range [][2]string{{"missing .on", "type .on"}, {`\"walked\"`, `\"strolled\"`}} {
		d, _ := embedded(t, nil)
		fill(t, d, "", many(2500))
		client := *d.HTTPClient()
		client.Transport = liar{client.Transport, lie[0], lie[1]}
		c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: &client})
		t.Cleanup(func() { c.Close() })
		o := Options{Target: shop}
		got, err := Deployment(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		if problem := equal(t, d, o, got); problem != "" || !strings.Contains(got.Brought, "table users: ") {
			t.Error(problem, got.Brought)
		}
	}
}

// A document that cannot be read ends its table, with its place, and no other.
func TestDocumentThatCannotBeRead(t *testing.T) {
	for _, component := range []string{"", "billing"} {
		d, c := embedded(t, &local.Limits{BytesRead: 300 << 10})
		docs := heavy(30, 10)
		docs[20] = heavy(1, 400<<10)[0]
		insert(t, d, component, "heavy", docs)
		insert(t, d, component, "wide", heavy(31, 10))
		target := &schema.Schema{Tables: []*schema.Table{heavyTarget.Tables[0], {Name: "wide", Document: heavyTarget.Tables[0].Document}}}
		got, err := Deployment(t.Context(), c, Options{Target: target, Component: component, ComponentID: componentID(t, c, component)})
		if err != nil {
			t.Fatal(err)
		}
		h := got.Counts["heavy"]
		if h.Read != 20 || !strings.Contains(h.Failed, "cannot be read on after") || h.Most != 30 || got.Full || got.Counts["wide"].Offenders != 31 {
			t.Errorf("%+v", got)
		}
	}
}

// Of a table whose cursor is refused, another deployment's say, the census
// begins anew.
func TestForeignCursor(t *testing.T) {
	var kept State
	for _, name := range []string{"first", "second"} {
		d, c := embeddedAs(t, name, nil)
		fill(t, d, "", many(2500))
		o := Options{Target: shop, Budget: Budget{Documents: 2000}, Saved: func(s State) { kept = s }}
		if name == "second" {
			o.Resume, o.Budget = &kept, Budget{}
		}
		got, err := Deployment(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		if name == "first" {
			continue
		}
		if problem := equal(t, d, o, got); problem != "" || got.Brought != "" {
			t.Error(problem, got.Brought)
		}
	}
}

// What proved a table without reading when a census began is looked at again
// when it goes on: a table that was empty may hold offenders by now.
func TestAResumedCensusProvesAnew(t *testing.T) {
	var kept State
	d, c := embedded(t, nil)
	orders := []value.Object{value.NewObject(value.Field{Name: "kind", Value: "lost"})}
	fill(t, d, "", many(2500))
	o := Options{Target: shop, Budget: Budget{Documents: 2000}, Saved: func(s State) { kept = s }}
	got, err := Deployment(t.Context(), c, o)
	if err != nil || got.Stopped == "" || got.Counts["orders"].Proved != plan.ByEmpty {
		t.Fatalf("%+v %v", got, err)
	}
	insert(t, d, "", "orders", orders)
	o.Resume, o.Budget = &kept, Budget{}
	if got, err = Deployment(t.Context(), c, o); err != nil {
		t.Fatal(err)
	}
	if n := got.Counts["orders"]; n.Proved != "" || n.Read != int64(len(orders)) {
		t.Errorf("orders: %+v", n)
	}
	if problem := equal(t, d, o, got); problem != "" {
		t.Error(problem)
	}
}

// flaky breaks the connection of the first requests.
type flaky struct {
	http.RoundTripper
	left *atomic.Int32
}

func (f flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/api/run_test_function" && f.left.Add(-1) >= 0 {
		return nil, errors.New("the connection broke")
	}
	return f.RoundTripper.RoundTrip(r)
}

// A connection that breaks is tried again, and given up when it stays broken.
func TestBrokenConnection(t *testing.T) {
	t.Parallel() // it waits
	for _, broken := range []int32{3, 1000} {
		d, _ := embedded(t, nil)
		fill(t, d, "", many(300))
		client := *d.HTTPClient()
		left := &atomic.Int32{}
		left.Store(broken)
		client.Transport = flaky{client.Transport, left}
		c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: &client})
		t.Cleanup(func() { c.Close() })
		o := Options{Target: shop}
		got, err := Deployment(t.Context(), c, o)
		if broken == 1000 {
			if err == nil || got == nil || got.Full || got.Stopped == "" {
				t.Errorf("%+v, %v", got, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if problem := equal(t, d, o, got); problem != "" {
			t.Error(problem)
		}
	}
}

func TestEstimate(t *testing.T) {
	d, c := embedded(t, nil)
	fill(t, d, "", many(500))
	insert(t, d, "", "orders", []value.Object{value.NewObject()})
	o := Options{Target: shop, Sizes: map[string]Size{"users": {Sampled: 10, Mean: 200, Largest: 300}, "orders": {Sampled: 1, Mean: 50}}, Budget: Budget{Documents: 501}}
	cost, err := Estimate(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	if cost.Documents != 501 || cost.Bytes != 500*200+50 || !cost.Enough || len(cost.Tables) != 4 {
		t.Errorf("%+v", cost)
	}
	o.Budget.Documents, o.Sample, o.Sizes = 50, 100, nil
	if cost, err = Estimate(t.Context(), c, o); err != nil || cost.Documents != 101 || cost.Bytes != -1 || cost.Enough {
		t.Errorf("%+v, %v", cost, err)
	}
}

// Documents a second, checked where they lie and brought here.
func BenchmarkDeployment(b *testing.B) {
	d, c := embedded(b, nil)
	docs := many(20_000)
	if _, err := d.Insert(b.Context(), "", "users", docs["users"]); err != nil {
		b.Fatal(err)
	}
	for _, brought := range []bool{false, true} {
		b.Run(map[bool]string{false: "checker", true: "brought"}[brought], func(b *testing.B) {
			before := c.Traffic()
			for b.Loop() {
				got, err := Deployment(b.Context(), c, Options{Target: shop, Tables: []string{"users"}, Brought: brought})
				if err != nil || got.Read != 20_000 || got.Offenders != 200 {
					b.Fatalf("%+v, %v", got, err)
				}
			}
			b.ReportMetric(float64(b.N)*20_000/b.Elapsed().Seconds(), "documents/s")
			after := c.Traffic()
			b.ReportMetric(float64(after.Read+after.Written-before.Read-before.Written)/float64(b.N)/20_000, "wire-B/document")
			b.ReportMetric(0, "ns/op")
		})
	}
}

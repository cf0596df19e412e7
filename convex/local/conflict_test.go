package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"strait/model/schema"
	"strait/model/value"
)

func id(t testing.TB, text string) value.ID {
	t.Helper()
	id, err := value.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func title(s string) value.Object { return value.NewObject(value.Field{Name: "title", Value: s}) }

// readYears reads an index range in a transaction, to the end or n documents.
func readYears(t *testing.T, tx *transaction, from, to float64, n int) {
	t.Helper()
	p, err := tx.parsePlan("", []byte(fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":"books.by_year","range":[{"type":"Gte","fieldPath":"year","value":%v},{"type":"Lt","fieldPath":"year","value":%v}],"order":null},"operators":[]}`, from, to)), "q")
	if err != nil {
		t.Fatal(err)
	}
	s := tx.stream(p)
	for range n {
		doc, err := s.next()
		if err != nil {
			t.Fatal(err)
		}
		if doc == nil {
			return
		}
	}
}

// TestCommitConflicts writes beside a transaction that has read, and asks
// whether its commit is refused.
func TestCommitConflicts(t *testing.T) {
	book := func(s string, year float64) value.Object { return title(s).With("year", year) }
	for _, c := range []struct {
		name     string
		read     func(t *testing.T, tx *transaction, ids []string)
		write    func(tx *transaction, ids []string) error
		conflict bool
	}{
		{"insert into the range read", func(t *testing.T, tx *transaction, _ []string) { readYears(t, tx, 1900, 1905, 99) },
			func(tx *transaction, _ []string) error { _, err := tx.insert("", "books", book("x", 1903)); return err }, true},
		{"insert beyond the range read", func(t *testing.T, tx *transaction, _ []string) { readYears(t, tx, 1900, 1905, 99) },
			func(tx *transaction, _ []string) error { _, err := tx.insert("", "books", book("x", 1905)); return err }, false},
		{"insert beyond where the stream stopped", func(t *testing.T, tx *transaction, _ []string) { readYears(t, tx, 1900, 1905, 2) },
			func(tx *transaction, _ []string) error { _, err := tx.insert("", "books", book("x", 1904)); return err }, false},
		{"a document moves into the range", func(t *testing.T, tx *transaction, _ []string) { readYears(t, tx, 1900, 1902, 99) },
			func(tx *transaction, ids []string) error {
				_, err := tx.replace("", mustID(ids[9]), value.Object{{Name: "year", Value: 1901.0}}, true)
				return err
			}, true},
		{"a document moves out of the range", func(t *testing.T, tx *transaction, _ []string) { readYears(t, tx, 1900, 1902, 99) },
			func(tx *transaction, ids []string) error {
				_, err := tx.replace("", mustID(ids[0]), value.Object{{Name: "year", Value: 1950.0}}, true)
				return err
			}, true},
		{"a document read by id is removed", func(t *testing.T, tx *transaction, ids []string) {
			if _, err := tx.get("", tx.space("").table("books"), id(t, ids[3])); err != nil {
				t.Fatal(err)
			}
		}, func(tx *transaction, ids []string) error { _, err := tx.remove("", mustID(ids[3])); return err }, true},
		{"another document is removed", func(t *testing.T, tx *transaction, ids []string) {
			if _, err := tx.get("", tx.space("").table("books"), id(t, ids[3])); err != nil {
				t.Fatal(err)
			}
		}, func(tx *transaction, ids []string) error { _, err := tx.remove("", mustID(ids[4])); return err }, false},
		{"both write one document", func(t *testing.T, tx *transaction, ids []string) {
			if _, err := tx.replace("", id(t, ids[5]), title("mine"), true); err != nil {
				t.Fatal(err)
			}
		}, func(tx *transaction, ids []string) error {
			_, err := tx.replace("", mustID(ids[5]), title("theirs"), true)
			return err
		}, true},
		{"a table that was looked for comes to be", func(t *testing.T, tx *transaction, _ []string) {
			p, err := tx.parsePlan("", []byte(`{"source":{"type":"FullTableScan","tableName":"later","order":null},"operators":[]}`), "q")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.stream(p).next(); err != nil {
				t.Fatal(err)
			}
		}, func(tx *transaction, _ []string) error { _, err := tx.insert("", "later", title("x")); return err }, true},
		{"both make the same table", func(t *testing.T, tx *transaction, _ []string) {
			if _, err := tx.insert("", "later", title("y")); err != nil {
				t.Fatal(err)
			}
		}, func(tx *transaction, _ []string) error { _, err := tx.insert("", "later", title("x")); return err }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := core(t, Options{})
			docs := make([]value.Object, 10)
			for i := range docs {
				docs[i] = book(fmt.Sprint(i), float64(1900+i))
			}
			ids, err := d.Insert(context.Background(), "", "books", docs)
			if err != nil {
				t.Fatal(err)
			}
			mine := d.begin(d.latest.Load())
			c.read(t, mine, ids)
			if _, err := mine.insert("", "authors", value.NewObject(value.Field{Name: "name", Value: "me"})); err != nil {
				t.Fatal(err)
			}
			theirs := d.begin(d.latest.Load())
			if err := c.write(theirs, ids); err != nil {
				t.Fatal(err)
			}
			since := d.View().Timestamp()
			if _, err := d.commit(theirs, "core:rename"); err != nil {
				t.Fatal(err)
			}
			if got := d.Changed(&mine.reads, since); got != c.conflict && c.name != "both make the same table" {
				t.Errorf("a live query on the same reads: changed is %v", got)
			}
			_, err = d.commit(mine, "core:add")
			var lost *conflict
			if errors.As(err, &lost) != c.conflict {
				t.Fatalf("commit: %v", err)
			}
			if !c.conflict {
				rapidlessCheck(t, d)
				return
			}
			if !strings.HasPrefix(err.Error(), "Documents read from or written to the \"") || !strings.HasSuffix(err.Error(), "See https://docs.convex.dev/error#1") {
				t.Errorf("text: %s", err)
			}
		})
	}
}

// rapidlessCheck finds both writers' documents after a rebased commit.
func rapidlessCheck(t *testing.T, d *Deployment) {
	t.Helper()
	if n := len(scanAll(d, "", "authors")); n != 1 {
		t.Errorf("%d authors after the commit", n)
	}
	tb := d.latest.Load().space("").table("books")
	for _, ix := range tb.indexes {
		if ix.tree.Len() != tb.byID.Len() {
			t.Errorf("index %s has %d entries of %d documents", ix.def.Name, ix.tree.Len(), tb.byID.Len())
		}
	}
}

func mustID(text string) value.ID {
	id, err := value.ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

func TestMutationsThatConflictRunAgain(t *testing.T) {
	f := files{"schema.ts": coreFiles["schema.ts"], "counter.ts": `
import { mutation, query } from "./_generated/server";
export const up = mutation({ args: {}, handler: async (ctx) => {
  const c: any = await ctx.db.query("counters" as any).first();
  if (c) await ctx.db.patch(c._id, { n: c.n + 1 } as any); else await ctx.db.insert("counters" as any, { n: 1 });
} });
export const get = query({ args: {}, handler: async (ctx) => (await ctx.db.query("counters" as any).first() as any)?.n });
`}
	d := deploy(t, loadApp(t, false, f), Options{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	ok := 0.0
	for range 4 {
		wg.Go(func() {
			for range 10 {
				r := d.Run(context.Background(), Request{Path: "counter:up", Caller: "HttpApi"})
				mu.Lock()
				if r.Err == nil {
					ok++
				} else if r.Err.Code != "OptimisticConcurrencyControlFailure" {
					t.Error(r.Err)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if v := must(t, d, "counter:get", `{}`); v != ok {
		t.Errorf("counted %s, %v mutations succeeded", text(v), ok)
	}
	entries, err := d.Log(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.WillRetry && (e.OCC == nil || e.OCC.Table != "counters" || e.Error == "") {
			t.Errorf("an attempt that ran again is logged as %+v", e)
		}
	}
}

// TestQueriesDoNotWait runs a query while a commit is held up.
func TestQueriesDoNotWait(t *testing.T) {
	d := library(t, 5)
	v := d.View()
	d.mu.Lock()
	n := 0
	for range v.Scan("", "books", "", false) {
		n++
	}
	f := bare(d, "")
	_, err := f.queryPage(`{"query":{"source":{"type":"FullTableScan","tableName":"books","order":null},"operators":[]},"cursor":null,"pageSize":100}`)
	d.mu.Unlock()
	if n != 5 || err != nil {
		t.Errorf("%d documents, %v", n, err)
	}
}

func TestViewsAndPastTimestamps(t *testing.T) {
	d := library(t, 3)
	old := d.View()
	must(t, d, "core:add", `{"title":"new"}`)
	r := d.Run(context.Background(), Request{Path: "core:titles", At: old.Timestamp()})
	if r.Err != nil || strings.Contains(r.Value, "new") || r.Timestamp != old.Timestamp() {
		t.Errorf("at %d: %s %v", old.Timestamp(), r.Value, r.Err)
	}
	r = d.Run(context.Background(), Request{Path: "core:titles"})
	if r.Err != nil || !strings.Contains(r.Value, "new") {
		t.Errorf("now: %s %v", r.Value, r.Err)
	}
	if r := d.Run(context.Background(), Request{Path: "core:titles", At: 1}); r.Err == nil || r.Err.Code != "OutOfRetention" {
		t.Errorf("long ago: %+v", r)
	}
	// What a query rests on changes with its documents and with the code, not with other tables.
	since := d.View().Timestamp()
	r = d.Run(context.Background(), Request{Path: "core:titles"})
	must(t, d, "core:fill", `{"n":1}`)
	if d.Changed(r.Reads, since) {
		t.Error("another table's insert counts as a change")
	}
	must(t, d, "core:add", `{"title":"newer"}`)
	if !d.Changed(r.Reads, since) {
		t.Error("an insert does not count as a change")
	}
	since = d.View().Timestamp()
	if err := d.Push(context.Background(), Push{App: d.App()}); err != nil {
		t.Fatal(err)
	}
	if !d.Changed(r.Reads, since) || !d.Changed(ReadSchema(""), since) {
		t.Error("a push does not count as a change")
	}
	first := old
	var seen []string
	for doc := range first.Scan("", "books", "", true) {
		seen = append(seen, doc.ID)
	}
	n := 0
	for range first.Scan("", "books", seen[0], true) {
		n++
	}
	if n != len(seen)-1 {
		t.Errorf("after the first of %d come %d", len(seen), n)
	}
}

func TestCloseEndsWhatWaits(t *testing.T) {
	d := core(t, Options{})
	done := make(chan error, 3)
	go func() { _, err := d.Wait(context.Background(), d.View().Timestamp()); done <- err }()
	looping := make(chan struct{})
	go func() {
		last := 0.0
		for {
			entries, err := d.Log(context.Background(), last)
			if err != nil {
				done <- err
				return
			}
			if last == 0 {
				close(looping) // the action has logged its first line
			}
			last = entries[len(entries)-1].Cursor
		}
	}()
	go func() {
		r := d.Run(context.Background(), Request{Path: "core:loopInAction", Caller: "HttpApi"})
		done <- r.Err
	}()
	<-looping
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		select {
		case err := <-done:
			if err == nil {
				t.Error("a waiter ended without an error")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a waiter did not end")
		}
	}
	if r := d.Run(context.Background(), Request{Path: "core:titles"}); r.Err == nil {
		t.Error("a closed deployment runs functions")
	}
	if _, err := d.Insert(context.Background(), "", "books", []value.Object{title("x")}); err == nil {
		t.Error("a closed deployment takes documents")
	}
}

// TestValidationProgressLeavesQueriesAlone: what only watches a schema is
// woken by the progress of a push, a user's query is not.
func TestValidationProgressLeavesQueriesAlone(t *testing.T) {
	d := library(t, 3)
	r := run(t, d, "core:titles", `{}`)
	since := d.View().Timestamp()
	subs := d.submit(map[string]*schema.Schema{"": d.SchemaState("").Active}, false)
	if d.Changed(r.Reads, since) || !d.Changed(ReadSchema(""), since) {
		t.Errorf("a submitted schema: query %v, schema %v", d.Changed(r.Reads, since), d.Changed(ReadSchema(""), since))
	}
	d.withdraw(subs)
	if err := d.PushSchema(context.Background(), d.SchemaState("").Active); err != nil {
		t.Fatal(err)
	}
	if !d.Changed(r.Reads, since) {
		t.Error("new indexes do not touch the query")
	}
}

package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"strait/convex/internal/archived"
	archive "strait/convex/snapshot"
	"strait/model/value"
)

// all are the documents of all tables by component/table, sorted.
func all(d *Deployment) map[string][]string {
	v, out := d.View(), map[string][]string{}
	for _, component := range v.Components() {
		for _, info := range v.Tables(component) {
			docs := []string{}
			for doc := range v.Scan(component, info.Name, "", false) {
				docs = append(docs, doc.JSON)
			}
			slices.Sort(docs)
			out[component+"/"+info.Name] = docs
		}
	}
	return out
}

// checkNumbers holds a deployment to its rules: every id has its table's
// number, no number is given twice, every index has every document.
func checkNumbers(t interface{ Fatalf(string, ...any) }, d *Deployment) {
	for _, s := range d.latest.Load().spaces {
		if len(s.names) != len(s.tables) || len(s.numbers) != len(s.tables) {
			t.Fatalf("%d tables, %d names, %d numbers", len(s.tables), len(s.names), len(s.numbers))
		}
		for _, tb := range s.tables {
			if s.table(tb.name) != tb || s.tableByNumber(tb.number) != tb {
				t.Fatalf("table %s is not found by its name or its number", tb.name)
			}
			for _, ix := range tb.indexes {
				if ix.tree.Len() != tb.byID.Len() {
					t.Fatalf("index %s.%s has %d entries of %d", tb.name, ix.def.Name, ix.tree.Len(), tb.byID.Len())
				}
			}
			if tb.byID.Len() != tb.byTime.Len() {
				t.Fatalf("table %s has %d documents by id, %d by time", tb.name, tb.byID.Len(), tb.byTime.Len())
			}
			tb.byID.Scan(func(doc *document) bool {
				if id := tb.idOf(doc); !strings.Contains(doc.json, `"_id":"`+id+`"`) {
					t.Fatalf("a document of table %s with number %d is %s", tb.name, tb.number, doc.json)
				}
				return true
			})
		}
	}
}

func drawTables(t *rapid.T, label string) map[archive.Table][]value.Object {
	out := map[archive.Table][]value.Object{}
	for _, component := range []string{"", "c"} {
		numbers := rapid.Permutation([]uint32{10001, 10002, 10003, 10004}).Draw(t, label+" numbers")
		for i, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, label) {
			at := archive.Table{Component: component, Name: name, Number: numbers[i]}
			out[at] = nil
			for j := range rapid.IntRange(0, 3).Draw(t, "docs") {
				doc := value.NewObject(value.Field{Name: "from", Value: label}, value.Field{Name: "n", Value: int64(j)})
				if rapid.Bool().Draw(t, "with id") {
					id := value.ID{Table: at.Number, Internal: [16]byte{byte(rapid.IntRange(0, 9).Draw(t, "id"))}}
					doc = doc.With("_id", id.String()).With("_creationTime", float64(1000+j))
				}
				out[at] = append(out[at], doc)
			}
		}
	}
	return out
}

// Whatever is imported into whatever, in any mode: a refused import changes
// nothing, and one that succeeds leaves what its mode promises.
func TestImportKeepsItsPromises(t *testing.T) {
	modes := []ImportMode{RequireEmpty, Append, Replace, ReplaceAll}
	succeeded := map[ImportMode]int{}
	ctx := t.Context()
	promised := func(t rapid.TB, there, coming map[archive.Table][]value.Object, mode ImportMode) {
		d := New(Options{Seed: 1})
		defer d.Close()
		if _, err := d.Import(ctx, archived.New(t, there), ImportOptions{Mode: RequireEmpty}); err != nil {
			if !strings.Contains(err.Error(), "duplicate _id") {
				t.Fatal(err)
			}
			return
		}
		before := all(d)
		wrote, err := d.Import(ctx, archived.New(t, coming), ImportOptions{Mode: mode})
		after := all(d)
		checkNumbers(t, d)
		if err != nil {
			if !maps.EqualFunc(before, after, slices.Equal[[]string]) {
				t.Fatalf("%v, yet it changed\n%v into\n%v", err, before, after)
			}
			var shown *importError
			if !errors.As(err, &shown) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		succeeded[mode]++
		want := map[string]int{}
		for name, docs := range before {
			if mode != ReplaceAll {
				want[name] = len(docs)
			}
		}
		total := int64(0)
		for at, docs := range coming {
			name := at.Component + "/" + at.Name
			if mode != Append {
				want[name] = 0
			}
			want[name] += len(docs)
			total += int64(len(docs))
			if number, ok := d.View().TableNumber(at.Component, at.Name); !ok || number != at.Number {
				t.Fatalf("table %s has number %d, want %d", name, number, at.Number)
			}
			for _, doc := range docs {
				if id, ok := doc.Get("_id"); ok {
					if _, there := d.View().Get(at.Component, id.(string)); !there {
						t.Fatalf("document %s is missing", id)
					}
				}
			}
		}
		got := map[string]int{}
		for name, docs := range after {
			got[name] = len(docs)
		}
		if !maps.Equal(got, want) || wrote != total {
			t.Fatalf("%s wrote %d: %v, want %v", mode, wrote, got, want)
		}
	}
	for _, mode := range modes { // of what is drawn, few may succeed
		one := []value.Object{value.NewObject(value.Field{Name: "n", Value: 1.0})}
		there := map[archive.Table][]value.Object{{Name: "a", Number: 10001}: one}
		if mode == RequireEmpty {
			there = nil
		}
		promised(t, there, map[archive.Table][]value.Object{{Name: "a", Number: 10001}: one}, mode)
	}
	if len(succeeded) != len(modes) {
		t.Errorf("not every mode succeeded: %v", succeeded)
	}
	rapid.Check(t, func(t *rapid.T) {
		there, coming := drawTables(t, "there"), drawTables(t, "coming")
		promised(t, there, coming, rapid.SampledFrom(modes).Draw(t, "mode"))
	})
}

const linked = `{"tables":[
 {"tableName":"a","indexes":[{"indexDescriptor":"by_n","fields":["n"]}],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}},
 {"tableName":"b","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"object","value":{"a":{"fieldType":{"type":"id","tableName":"a"},"optional":false}}}}],"schemaValidation":true}`

func withSchema(t *testing.T) *Deployment {
	t.Helper()
	d := New(Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	if err := d.PushSchema(t.Context(), parseSchema(t, linked)); err != nil {
		t.Fatal(err)
	}
	return d
}

func number(n float64) value.Object { return value.NewObject(value.Field{Name: "n", Value: n}) }

// The schema is enforced with the tables as they will be: ids into a table
// whose number the import changes are judged by the new number.
func TestImportEnforcesTheSchema(t *testing.T) {
	d := withSchema(t)
	ids, err := d.Insert(t.Context(), "", "a", []value.Object{number(1)})
	if err != nil {
		t.Fatal(err)
	}
	link := func(id string) value.Object { return value.NewObject(value.Field{Name: "a", Value: id}) }
	moved := value.ID{Table: 20001, Internal: [16]byte{1}}.String()
	a, b := archive.Table{Name: "a", Number: 20001}, archive.Table{Name: "b", Number: 20002}
	for _, c := range []struct {
		name   string
		tables map[archive.Table][]value.Object
		mode   ImportMode
		want   string // of the error; "" none
	}{
		{"a wrong type", map[archive.Table][]value.Object{a: {value.NewObject(value.Field{Name: "n", Value: "x"})}}, Replace, "Path: .n"},
		{"a link to the old number", map[archive.Table][]value.Object{a: {}, b: {link(ids[0])}}, Replace, "Path: .a"},
		{"a link to the new number", map[archive.Table][]value.Object{a: {number(2).With("_id", moved)}, b: {link(moved)}}, Replace, ""},
		{"a number that others point to", map[archive.Table][]value.Object{{Name: "a", Number: 30001}: {}}, Replace, "Import changes table 'a' which is referenced by 'b' in the schema"},
		{"the same, and the others go", map[archive.Table][]value.Object{{Name: "a", Number: 30001}: {}}, ReplaceAll, ""},
		{"an id of another table", map[archive.Table][]value.Object{a: {number(1).With("_id", ids[0])}}, ReplaceAll, "belongs to table number 10001, the table has 20001"},
		{"a field of the system's", map[archive.Table][]value.Object{{Name: "c", Number: 20001}: {value.NewObject(value.Field{Name: "_x", Value: 1.0})}}, Replace, "starts with an underscore"},
		{"a system table's number", map[archive.Table][]value.Object{{Name: "c", Number: storageNumber}: {}}, Replace, "New table `c` has IDs that conflict with existing table `_storage`"},
	} {
		before := all(d)
		_, err := d.Import(t.Context(), archived.New(t, c.tables), ImportOptions{Mode: c.mode})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && !maps.EqualFunc(before, all(d), slices.Equal[[]string]) {
			t.Errorf("%s: refused, yet it changed something", c.name)
		}
		checkNumbers(t, d)
	}
	for _, name := range []string{"a", "b"} {
		if _, ok := d.View().TableNumber("", name); !ok {
			t.Errorf("replaceAll dropped %s, which the schema names", name)
		}
	}
}

// A schema that changes while an import runs ends it.
func TestImportEndsWhenTheSchemaChanges(t *testing.T) {
	d := withSchema(t)
	a := archived.New(t, map[archive.Table][]value.Object{{Name: "a", Number: 10001}: {number(1)}})
	before := all(d)
	pushed := false
	_, err := d.Import(t.Context(), a, ImportOptions{Mode: Replace, Progress: func(string) {
		if !pushed {
			pushed = true
			if err := d.PushSchema(context.Background(), parseSchema(t, linked)); err != nil {
				t.Error(err)
			}
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "schema changed") || !maps.EqualFunc(before, all(d), slices.Equal[[]string]) {
		t.Errorf("%v", err)
	}
}

// Writers go on while an import runs: their documents are in the table before
// or after, under the right number, and no appended document is lost.
func TestImportBesideWriters(t *testing.T) {
	for _, mode := range []ImportMode{Append, Replace} {
		t.Run(string(mode), func(t *testing.T) {
			d := withSchema(t)
			if _, err := d.Insert(t.Context(), "", "a", []value.Object{number(-1)}); err != nil {
				t.Fatal(err)
			}
			to := uint32(10001)
			if mode == Replace {
				to = 20001
			}
			var docs []value.Object
			for i := range 1000 {
				docs = append(docs, number(float64(i)))
			}
			a := archived.New(t, map[archive.Table][]value.Object{{Name: "a", Number: to}: docs})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var mu sync.Mutex
			written := 0
			for range 2 {
				wg.Go(func() {
					for ctx.Err() == nil {
						_, err := d.Update(ctx, "", func(w *Writer) error { _, err := w.Insert("a", number(0.5)); return err })
						if err != nil && ctx.Err() == nil {
							t.Error(err)
							return
						}
						if err == nil {
							mu.Lock()
							written++
							mu.Unlock()
						}
					}
				})
			}
			for range 3 {
				if _, err := d.Import(t.Context(), a, ImportOptions{Mode: mode}); err != nil {
					t.Error(err)
				}
			}
			cancel()
			wg.Wait()
			checkNumbers(t, d)
			got := len(all(d)["/a"])
			if mode == Append && got < 1+3*1000+written || mode == Replace && (got < 1000 || got > 1000+written) {
				t.Errorf("%d documents, %d written beside", got, written)
			}
		})
	}
}

// An import that is cancelled leaves nothing.
func TestImportCancelled(t *testing.T) {
	d := withSchema(t)
	var docs []value.Object
	for i := range 5000 {
		docs = append(docs, number(float64(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := d.Import(ctx, archived.New(t, map[archive.Table][]value.Object{{Name: "a", Number: 10001}: docs}), ImportOptions{Mode: Replace, Progress: func(string) { cancel() }})
	if !errors.Is(err, context.Canceled) || len(all(d)["/a"]) != 0 {
		t.Errorf("%v, %d documents", err, len(all(d)["/a"]))
	}
}

// BenchmarkImport fills a deployment from an archive of 20,000 documents.
func BenchmarkImport(b *testing.B) {
	var docs []value.Object
	for i := range 20_000 {
		docs = append(docs, value.NewObject(value.Field{Name: "n", Value: float64(i)}, value.Field{Name: "text", Value: fmt.Sprintf("document number %d", i)}))
	}
	a := archived.New(b, map[archive.Table][]value.Object{{Name: "a", Number: 10001}: docs})
	for b.Loop() {
		d := New(Options{Seed: 1})
		if _, err := d.Import(context.Background(), a, ImportOptions{Mode: RequireEmpty}); err != nil {
			b.Fatal(err)
		}
		d.Close()
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// A transaction that began before an import runs again after it: its new
// documents would carry the old number of their table.
func TestImportOvertakesTransactions(t *testing.T) {
	d := withSchema(t)
	tx := d.begin(d.latest.Load())
	if _, err := tx.insert("", "a", number(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Import(t.Context(), archived.New(t, map[archive.Table][]value.Object{{Name: "a", Number: 20001}: {number(2)}}), ImportOptions{Mode: Replace}); err != nil {
		t.Fatal(err)
	}
	var lost *conflict
	if _, err := d.commit(tx, "test"); !errors.As(err, &lost) {
		t.Errorf("committed: %v", err)
	}
	checkNumbers(t, d)
}

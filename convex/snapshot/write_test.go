package snapshot

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
	"strait/model/value"
)

// values are any values that a document may hold.
func values(depth int) *rapid.Generator[value.Value] {
	kinds := []*rapid.Generator[value.Value]{
		rapid.SampledFrom([]value.Value{nil, true, int64(0), int64(1), 1.0, -1.5, int64(math.MaxInt64), math.NaN(), math.Inf(1), math.Inf(-1),
			math.Copysign(0, -1), 1e300, 5e-324, 9007199254740993.0, "", "é🚢\u2028\x00\"\\", "NaN", "5", value.Bytes{}, value.Bytes{0, 255}}),
		rapid.Map(rapid.Int64(), func(i int64) value.Value { return i }),
		rapid.Map(rapid.Float64(), func(f float64) value.Value { return f }),
		rapid.Map(rapid.String(), func(s string) value.Value { return s }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 9), func(b []byte) value.Value { return value.Bytes(b) }),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(values(depth-1), 0, 3), func(a []value.Value) value.Value { return value.Array(a) }),
			rapid.Map(objects(depth-1), func(o value.Object) value.Value { return o }))
	}
	return rapid.OneOf(kinds...)
}

func objects(depth int) *rapid.Generator[value.Object] {
	return rapid.Custom(func(t *rapid.T) value.Object {
		var fields []value.Field
		for _, name := range rapid.SliceOfN(rapid.StringMatching(`[a-zA-Z][ -~]{0,4}`), 0, 4).Draw(t, "names") {
			fields = append(fields, value.Field{Name: name, Value: values(depth).Draw(t, name)})
		}
		return value.NewObject(fields...)
	})
}

func read(t testing.TB, text []byte) *Archive {
	t.Helper()
	a, err := New(bytes.NewReader(text), int64(len(text)), "test.zip")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// What is written is read again: names, numbers, and every value with its type.
func TestWriteRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		want := map[Table][]value.Object{}
		byComponent := map[string][]Table{}
		for i, component := range []string{"", "migrations", "outer/inner"} {
			for j, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z0-9_]{0,5}`), 0, 3, rapid.ID).Draw(rt, "tables") {
				table := Table{component, name, uint32(10001 + 100*i + 2*j)}
				byComponent[component] = append(byComponent[component], table)
				want[table] = rapid.SliceOfN(objects(2), 0, 4).Draw(rt, "docs")
			}
		}
		var out bytes.Buffer
		w, err := NewWriter(&out)
		check := func(err error) {
			if err != nil {
				rt.Fatal(err)
			}
		}
		check(err)
		if len(byComponent) == 0 {
			check(w.Tables("", nil))
		}
		for component, tables := range byComponent {
			check(w.Tables(component, tables))
			for _, table := range tables {
				if len(want[table]) == 0 {
					continue // Close writes the empty ones
				}
				check(w.Begin(component, table.Name))
				for _, doc := range want[table] {
					check(w.Write(doc))
				}
			}
		}
		check(w.Close())
		a := read(t, out.Bytes())
		if len(a.Tables()) != len(want) {
			rt.Fatalf("tables %v, want %v", a.Tables(), want)
		}
		for _, table := range a.Tables() {
			docs, known := want[table]
			if !known {
				rt.Fatalf("read a table %+v, want %v", table, want)
			}
			i := 0
			for doc, err := range a.Documents(table) {
				check(err)
				if i >= len(docs) || !bytes.Equal(value.Append(nil, doc), value.Append(nil, docs[i])) {
					rt.Fatalf("document %d of %s is %s", i, table.Name, value.Display(doc))
				}
				i++
			}
			if n, err := a.Count(table); err != nil || i != len(docs) || n != int64(i) {
				rt.Fatalf("%s has %d documents, counted %d, %v; want %d", table.Name, i, n, err, len(docs))
			}
		}
	})
}

// The writer makes nothing that the reader would refuse.
func TestWriterRefuses(t *testing.T) {
	for name, write := range map[string]func(*Writer) error{
		"a document without a table": func(w *Writer) error { return w.Write(nil) },
		"a table that nobody named":  func(w *Writer) error { return w.Begin("", "t") },
		"a table twice": func(w *Writer) error {
			w.Tables("", []Table{{"", "t", 1}})
			w.Begin("", "t")
			return w.Begin("", "t")
		},
		"a table named twice":       func(w *Writer) error { return w.Tables("", []Table{{"", "t", 1}, {"", "t", 2}}) },
		"a bad name":                func(w *Writer) error { return w.Tables("", []Table{{"", "../t", 1}}) },
		"a system table":            func(w *Writer) error { return w.Tables("", []Table{{"", "_t", 1}}) },
		"a bad component":           func(w *Writer) error { return w.Tables("a/../b", []Table{{"a/../b", "t", 1}}) },
		"another component's table": func(w *Writer) error { return w.Tables("a", []Table{{"b", "t", 1}}) },
	} {
		w, err := NewWriter(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(w); err == nil || !strings.HasPrefix(err.Error(), "write snapshot: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err := NewWriter(&full{n: 100})
	if err == nil {
		err = w.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("a full disk: %v", err)
	}
}

// full is a disk that has no more room than n bytes.
type full struct{ n int }

func (f *full) Write(b []byte) (int, error) {
	if f.n -= len(b); f.n < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

// large is an archive of two tables with n documents each.
func large(t testing.TB, w io.Writer, n int) {
	t.Helper()
	out, err := NewWriter(w)
	if err == nil {
		err = out.Tables("", []Table{{"", "a", 10001}, {"", "b", 10002}})
	}
	for _, table := range []string{"a", "b"} {
		if err == nil {
			err = out.Begin("", table)
		}
		for i := 0; i < n && err == nil; i++ {
			err = out.Write(sample(i))
		}
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func sample(i int) value.Object {
	return value.NewObject(
		value.Field{Name: "_id", Value: value.ID{Table: 10001, Internal: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}}.String()},
		value.Field{Name: "_creationTime", Value: 1.7e12 + float64(i)},
		value.Field{Name: "name", Value: "Ada Lovelace"}, value.Field{Name: "email", Value: "ada@example.com"},
		value.Field{Name: "visits", Value: int64(i)}, value.Field{Name: "score", Value: float64(i) / 7},
		value.Field{Name: "tags", Value: value.Array{"admin", "early", nil}},
		value.Field{Name: "address", Value: value.NewObject(value.Field{Name: "city", Value: "London"}, value.Field{Name: "zip", Value: "W1"})},
	)
}

// Several goroutines read tables of one archive at once, the same one too.
func TestReadAtOnce(t *testing.T) {
	var out bytes.Buffer
	large(t, &out, 2000)
	a := read(t, out.Bytes())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			n := 0
			for doc, err := range a.Documents(a.Tables()[i%2]) {
				if err != nil || !slices.Equal(value.Append(nil, doc), value.Append(nil, sample(n))) {
					t.Errorf("document %d: %v", n, err)
					return
				}
				n++
			}
			if n != 2000 {
				t.Errorf("%d documents", n)
			}
		})
	}
	wg.Wait()
}

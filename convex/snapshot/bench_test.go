package snapshot

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime"
	"testing"

	"strait/model/value"
)

// Memory stays flat from 10,000 to 200,000 documents: what is alive at the
// end of a table, and in its middle, does not grow with it.
func TestMemoryIsFlat(t *testing.T) {
	sizes := []int{5000, 100_000} // of each of two tables
	if testing.Short() {
		t.Skip("writes and reads 200,000 documents: too slow for the race detector")
	}
	var alive []int64
	for _, n := range sizes {
		var out bytes.Buffer
		large(t, &out, n)
		text := out.Bytes()
		base := heap()
		a := read(t, text)
		most, i := int64(0), 0
		for _, err := range a.Documents(a.Tables()[0]) {
			if err != nil {
				t.Fatal(err)
			}
			if i++; i == n/2 || i == n {
				most = max(most, heap()-base)
			}
		}
		runtime.KeepAlive(text)
		w, err := NewWriter(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		large(t, io.Discard, 1) // the pools are full
		base = heap()
		if err := w.Tables("", []Table{{"", "a", 1}}); err != nil {
			t.Fatal(err)
		}
		if err := w.Begin("", "a"); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := w.Write(sample(i)); err != nil {
				t.Fatal(err)
			}
		}
		most = max(most, heap()-base)
		runtime.KeepAlive(w)
		alive = append(alive, most)
	}
	t.Logf("alive while %v documents pass: %v bytes", sizes, alive)
	if alive[1] > alive[0]+1<<20 {
		t.Errorf("memory grows with the documents: %v bytes alive for %v documents", alive, sizes)
	}
}

// heap is what is alive; what a pool keeps dies in the second collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

const benchDocuments = 20_000

func rate(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

func BenchmarkRead(b *testing.B) {
	var out bytes.Buffer
	large(b, &out, benchDocuments/2)
	a := read(b, out.Bytes())
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, table := range a.Tables() {
			for _, err := range a.Documents(table) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		}
		if n != benchDocuments {
			b.Fatal(n)
		}
	}
	rate(b, benchDocuments)
}

// The same lines, unpacked, through encoding/json.
func BenchmarkReadWithEncodingJSON(b *testing.B) {
	var text []byte
	for i := range benchDocuments {
		text = append(value.AppendExport(text, sample(i)), '\n')
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for line, err := range textLines(bytes.NewReader(text)) {
			var doc map[string]any
			if err != nil || json.Unmarshal(line.text, &doc) != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchDocuments {
			b.Fatal(n)
		}
	}
	rate(b, benchDocuments)
}

func BenchmarkWrite(b *testing.B) {
	docs := make([]value.Object, benchDocuments)
	for i := range docs {
		docs[i] = sample(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		w, err := NewWriter(io.Discard)
		if err == nil {
			err = w.Tables("", []Table{{"", "a", 1}})
		}
		if err == nil {
			err = w.Begin("", "a")
		}
		for i := 0; i < len(docs) && err == nil; i++ {
			err = w.Write(docs[i])
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	rate(b, benchDocuments)
}

// The same documents as maps through encoding/json, without packing.
func BenchmarkWriteWithEncodingJSON(b *testing.B) {
	docs := make([]map[string]any, benchDocuments)
	for i := range docs {
		if err := json.Unmarshal(value.AppendExport(nil, sample(i)), &docs[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		out := json.NewEncoder(io.Discard)
		for _, doc := range docs {
			if err := out.Encode(doc); err != nil {
				b.Fatal(err)
			}
		}
	}
	rate(b, benchDocuments)
}

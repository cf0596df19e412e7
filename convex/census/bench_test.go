package census

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"strait/convex/snapshot"
	"strait/model/value"
)

const benchDocuments = 100_000

// benchDocument is an order or so: 12 fields, 400 bytes of text.
func benchDocument(i int) value.Object {
	fields := []value.Field{
		{Name: "_id", Value: idOf(10001, i)}, {Name: "_creationTime", Value: 1.7e12 + float64(i)/4},
		{Name: "name", Value: "Ada Lovelace of Marylebone"}, {Name: "age", Value: 36.5}, {Name: "visits", Value: int64(i)},
		{Name: "role", Value: "guest"}, {Name: "avatar", Value: idOf(515, i)},
		{Name: "scores", Value: value.NewObject(value.Field{Name: "chess", Value: 1200.0}, value.Field{Name: "go", Value: float64(i) / 7})},
		{Name: "tags", Value: value.Array{"admin", "early", "a longer tag than the others"}},
		{Name: "on", Value: i%2 == 0},
		{Name: "any", Value: value.NewObject(value.Field{Name: "city", Value: "London"}, value.Field{Name: "zip", Value: "W1U 2BL"}, value.Field{Name: "lines", Value: value.Array{"12 St James's Square", "second floor"}})},
	}
	if i%1000 == 999 {
		fields = append(fields, value.Field{Name: "old", Value: true})
	}
	return value.NewObject(fields...)
}

// large writes an export of users.
func large(b testing.TB, n int) string {
	b.Helper()
	file := filepath.Join(b.TempDir(), "large.zip")
	f, err := os.Create(file)
	if err != nil {
		b.Fatal(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	w, err := snapshot.NewWriter(out)
	if err == nil {
		err = w.Tables("", []snapshot.Table{{Name: "users", Number: 10001}, {Name: "orders", Number: 10002}, {Name: "loose", Number: 10003}})
	}
	if err == nil {
		err = w.Begin("", "users")
	}
	for i := 0; i < n && err == nil; i++ {
		err = w.Write(benchDocument(i))
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return file
}

func perSecond(b *testing.B) {
	b.ReportMetric(benchDocuments*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// A census of an export, unpacking and all.
func BenchmarkSnapshot(b *testing.B) {
	archive, err := snapshot.Open(large(b, benchDocuments))
	if err != nil {
		b.Fatal(err)
	}
	defer archive.Close()
	b.ReportAllocs()
	for b.Loop() {
		c, err := Snapshot(b.Context(), archive, Options{Target: shop})
		if err != nil || c.Read != benchDocuments || c.Offenders != benchDocuments/1000 {
			b.Fatalf("%+v %v", c, err)
		}
	}
	perSecond(b)
}

// The same on one processor, to set beside BenchmarkEncodingJSON.
func BenchmarkSnapshotAlone(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	BenchmarkSnapshot(b)
}

// The lines of the same documents, unpacked already, through encoding/json and
// nothing else: what a census is measured by.
func BenchmarkEncodingJSON(b *testing.B) {
	var text []byte
	for i := range benchDocuments {
		text = append(value.AppendExport(text, benchDocument(i)), '\n')
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); n++ {
			var doc map[string]any
			if err := json.Unmarshal(lines.Bytes(), &doc); err != nil {
				b.Fatal(err)
			}
		}
		if n != benchDocuments {
			b.Fatal(n)
		}
	}
	perSecond(b)
}

// Memory stays flat from 10,000 to 1,000,000 documents. Run it with -benchtime
// 1x: it reports the most that the heap held while a census went on, garbage
// included, and what of it was alive in the middle.
func BenchmarkSnapshotMemory(b *testing.B) {
	for name, n := range map[string]int{"10k": 10_000, "100k": 100_000, "1M": 1_000_000} {
		b.Run(name, func(b *testing.B) {
			archive, err := snapshot.Open(large(b, n))
			if err != nil {
				b.Fatal(err)
			}
			defer archive.Close()
			heap := func(collect bool) uint64 {
				if collect {
					runtime.GC()
				}
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			for b.Loop() {
				base := heap(true)
				var peak atomic.Uint64
				over, done := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(done)
					tick := time.NewTicker(5 * time.Millisecond)
					defer tick.Stop()
					for {
						select {
						case <-tick.C:
							peak.Store(max(peak.Load(), heap(false)))
						case <-over:
							return
						}
					}
				}()
				var alive uint64
				looked := false
				c, err := Snapshot(b.Context(), archive, Options{Target: shop, Progress: func(p Progress) {
					if !looked && p.Read >= int64(n)/2 {
						looked, alive = true, heap(true)
					}
				}})
				close(over)
				<-done
				if err != nil || c.Read != int64(n) {
					b.Fatalf("%+v %v", c, err)
				}
				b.ReportMetric(float64(alive-min(alive, base))/(1<<20), "alive-MiB")
				b.ReportMetric(float64(peak.Load()-min(peak.Load(), base))/(1<<20), "peak-MiB")
			}
		})
	}
}

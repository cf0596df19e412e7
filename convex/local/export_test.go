package local

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strait/model/value"
)

// post asks the deployment as an admin and answers status and body.
func post(d *Deployment, path string) string {
	r := httptest.NewRequest("POST", path, nil)
	r.Header.Set("Authorization", "Convex "+d.AdminKey())
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	return fmt.Sprint(w.Code, " ", w.Body)
}

// exportState is the newest export's.
func exportState(d *Deployment) string {
	x := &d.front.exports
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rows[len(x.rows)-1].state
}

// One export at a time; one that was cancelled before it began never runs, and
// the next may come.
func TestOneExportAtATime(t *testing.T) {
	d := New(Options{})
	t.Cleanup(func() { d.Close() })
	e := &export{state: exportRequested}
	start, err := d.addExport(e)
	if err != nil {
		t.Fatal(err)
	}
	const request = "/api/export/request/zip?includeStorage=false"
	if got := post(d, request); !strings.HasPrefix(got, `400 {"code":"ExportInProgress","message":"There is already an export requested or in progress."}`) {
		t.Errorf("a second one: %s", got)
	}
	if got := post(d, "/api/export/cancel/"+e.id); got != "200 " {
		t.Errorf("cancel: %s", got)
	}
	start()
	if got := post(d, request); got != "200 " {
		t.Errorf("after the cancelled one: %s", got)
	}
	eventually(t, d, "the export", func() bool { return exportState(d) == exportCompleted })
	if e.state != exportCanceled {
		t.Errorf("the cancelled one is %s", e.state)
	}
}

// Of many exports the newest stay, and none beyond its time.
func TestExportsAreForgotten(t *testing.T) {
	var later atomic.Int64
	d := New(Options{Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	t.Cleanup(func() { d.Close() })
	add := func() {
		t.Helper()
		if got := post(d, "/api/export/request/zip"); got != "200 " {
			t.Fatal(got)
		}
		eventually(t, d, "the export", func() bool { return exportState(d) == exportCompleted })
	}
	for range maxExports + 3 {
		add()
	}
	if n := len(d.front.exports.rows); n != maxExports {
		t.Errorf("%d exports are kept, want %d", n, maxExports)
	}
	later.Store(int64(exportRetention + time.Hour))
	add()
	if n := len(d.front.exports.rows); n != 1 {
		t.Errorf("%d exports are kept after their time", n)
	}
	last := d.front.exports.rows[0].file
	d.Close()
	if _, err := last.Stat(); err == nil {
		t.Error("Close left a file open")
	}
}

// A deployment that is closed while it exports or imports ends both.
func TestCloseEndsExports(t *testing.T) {
	d := New(Options{})
	e := &export{state: exportRequested}
	start, err := d.addExport(e)
	if err != nil {
		t.Fatal(err)
	}
	start()
	d.Close() // returns when nothing runs any more
	if _, err := d.addExport(&export{}); err != errShuttingDown {
		t.Errorf("a closed deployment takes exports: %v", err)
	}
}

// BenchmarkExport writes 20,000 documents into a ZIP that nobody keeps.
func BenchmarkExport(b *testing.B) {
	d := New(Options{Seed: 1})
	defer d.Close()
	var docs []value.Object
	for i := range 20_000 {
		docs = append(docs, value.NewObject(value.Field{Name: "n", Value: float64(i)}, value.Field{Name: "text", Value: fmt.Sprintf("document number %d", i)}))
	}
	if _, err := d.Insert(b.Context(), "", "a", docs); err != nil {
		b.Fatal(err)
	}
	e := &export{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.writeExport(b.Context(), e, d.View(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(20_000*float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"strait/model/value"
)

func TestRequestExport(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.String() != "/api/export/request/zip?component=abc&includeStorage=true" || r.Header.Get("Authorization") != "Convex "+testKey {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	})
	if err := c.RequestExport(t.Context(), ExportOptions{Files: true, ComponentID: "abc"}); err != nil {
		t.Error(err)
	}
	c = serve(t, answerWith(400, "application/json", `{"code":"ExportInProgress","message":"There is already an export requested or in progress."}`))
	var refused *HTTPError
	if err := c.RequestExport(t.Context(), ExportOptions{}); !errors.As(err, &refused) || refused.Code != "ExportInProgress" {
		t.Errorf("while another runs: %v", err)
	}
	c = serve(t, answerWith(200, "text/html", "<html>Sign in</html>"))
	if err := c.RequestExport(t.Context(), ExportOptions{}); err == nil || !strings.Contains(err.Error(), "web page") {
		t.Errorf("a web page: %v", err)
	}
}

func TestCancelExport(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.EscapedPath() != "/api/export/cancel/a%2Fb" || r.Header.Get("Authorization") != "Convex "+testKey {
			t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		}
	})
	if err := c.CancelExport(t.Context(), "a/b"); err != nil {
		t.Error(err)
	}
	c = serve(t, answerWith(404, "application/json", `{"code":"ExportNotFound","message":"gone"}`))
	var refused *HTTPError
	if err := c.CancelExport(t.Context(), "e"); !errors.As(err, &refused) || refused.Code != "ExportNotFound" {
		t.Errorf("of none: %v", err)
	}
	c = serve(t, answerWith(200, "text/html", "<html>Sign in</html>"))
	if err := c.CancelExport(t.Context(), "e"); err == nil || !strings.Contains(err.Error(), "web page") {
		t.Errorf("a web page: %v", err)
	}
}

func TestReadExport(t *testing.T) {
	c := New(Options{URL: "http://x.test"})
	v, err := value.Decode([]byte(`{"_id":"e","state":"completed","start_ts":{"$integer":"AAAAAAAAAAE="},"complete_ts":{"$integer":"AQAAAAAAAAE="},"expiration_ts":{"$integer":"AAAAAAAAAAI="},"size":{"$integer":"BQAAAAAAAAA="},"progress_message":"a\u001b[31mb"}`))
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.readExport(v)
	want := Export{ID: "e", State: "completed", Progress: CleanText("a\x1b[31mb"), Timestamp: 1 << 56, Completed: time.Unix(0, 1<<56+1), Expires: time.Unix(0, 2<<56), Size: 5}
	if err != nil || *e != want || e.Running() {
		t.Errorf("%+v, %v; want %+v", e, err, want)
	}
	if e, err := c.readExport(nil); e != nil || err != nil {
		t.Errorf("none: %v, %v", e, err)
	}
	for _, bad := range []value.Value{1.0, value.Object{}, value.Array{}} {
		if _, err := c.readExport(bad); err == nil || !strings.Contains(err.Error(), "unexpected answer") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}

func FuzzReadExport(f *testing.F) {
	f.Add([]byte(`{"_id":"e","state":"requested","size":1}`))
	c := New(Options{URL: "http://x.test"})
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := decode(json.RawMessage(text))
		if err != nil {
			return
		}
		if e, err := c.readExport(v); err == nil && e != nil && e.State == "" {
			t.Fatalf("%s is %+v", text, e)
		}
	})
}

// The ZIP arrives whole and piece by piece, whatever its size.
func TestDownloadExport(t *testing.T) {
	zip := bytes.Repeat([]byte("PK\x03\x04 and so on"), 100_000)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/export/zip/123" || r.Header.Get("Authorization") != "Convex "+testKey {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.Header().Set("Content-Type", "application/zip")
		w.Write(zip)
	})
	var got pieces
	n, err := c.DownloadExport(t.Context(), "123", &got)
	if err != nil || n != int64(len(zip)) || !bytes.Equal(got.all, zip) {
		t.Errorf("%d of %d bytes, %v", n, len(zip), err)
	}
	if got.largest > 1<<20 {
		t.Errorf("a piece of %d bytes", got.largest)
	}
	if c.Traffic().Read != n {
		t.Errorf("counted %d bytes", c.Traffic().Read)
	}
}

type pieces struct {
	all     []byte
	largest int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.all, p.largest = append(p.all, b...), max(p.largest, len(b))
	return len(b), nil
}

func TestDownloadExportFails(t *testing.T) {
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		w      io.Writer
		want   []string
	}{
		"none":       {answerWith(404, "application/json", `{"code":"ExportNotFound","message":"gone"}`), io.Discard, []string{"GET /api/export/zip", "404 ExportNotFound: gone"}},
		"a web page": {answerWith(200, "text/html; charset=utf-8", "<html>"), io.Discard, []string{"web page"}},
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte("PK"))
		}, io.Discard, []string{"cut off after 2 bytes: unexpected EOF", "download it again"}},
		"a full disk": {answerWith(200, "application/zip", "PK"), fullDisk{}, []string{"save export 5", "disk full"}},
		"silence": {func(w http.ResponseWriter, r *http.Request) {
			w.Write([]byte("PK"))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, io.Discard, []string{"cut off after 2 bytes: no more bytes came", "download it again"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := serve(t, test.answer)
			if name == "silence" {
				c.patience.inactivity = 50 * time.Millisecond
			}
			_, err := c.DownloadExport(t.Context(), "5", test.w)
			for _, part := range test.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%v lacks %q", err, part)
				}
			}
		})
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("PK"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	n, err := c.DownloadExport(ctx, "5", writerFunc(func() { cancel() }))
	if n != 2 || !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "again") {
		t.Errorf("cancelled: %d, %v", n, err)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

type writerFunc func()

func (f writerFunc) Write(b []byte) (int, error) { f(); return len(b), nil }

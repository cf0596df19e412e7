package fleet

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/plan"
)

// A deployment behind something that lets no WebSocket through answers every
// request, and yet nothing live ever comes: that ends, and says why.
func TestNoWebSocketOnTheWay(t *testing.T) {
	c := newCloud(t)
	target, err := url.Parse("http://" + c.addr)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			http.Error(w, "no upgrade here", http.StatusForbidden)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	config := "[[env]]\nname = \"cloud\"\nurl = \"" + proxy.URL + "\"\nkey_env = \"STRAIT_TEST_KEY\"\n"
	if err := os.WriteFile(filepath.Join(c.root, "strait.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	f := Open(t.Context(), Options{Dir: c.root, patience: 200 * time.Millisecond})
	t.Cleanup(func() { f.Close() })
	if err := f.Settled(within(t)); err != nil {
		t.Fatal(err)
	}
	s := f.Now().Envs[0]
	if s.State != Broken || !strings.Contains(s.Err, "WebSocket") || !strings.Contains(s.Err, "403") {
		t.Errorf("%s: %q", s.State, s.Err)
	}
}

// Whoever follows a run is told when its environment is lost, and is not kept
// for ever when it does not come back.
func TestAFollowedRunIsLost(t *testing.T) {
	c := newCloud(t)
	f := Open(t.Context(), Options{Dir: c.root, patience: 500 * time.Millisecond})
	t.Cleanup(func() { f.Close() })
	ready(t, f, "cloud")
	var told []string
	batches := 0
	_, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl", BatchSize: 1}, func(ev Event) {
		if ev.Kind == "batch" {
			if batches++; batches == 3 {
				c.stop()
			}
		}
		if ev.Kind == "log" && ev.Log.Level == "WARN" {
			told = append(told, ev.Log.Text)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "goes on") {
		t.Errorf("it ended with %v", err)
	}
	if len(told) != 1 || !strings.Contains(told[0], "lost") {
		t.Errorf("told %q", told)
	}
}

func TestFrameIsOfTheProject(t *testing.T) {
	text := "Uncaught Error: no\n    at patch (prelude:convex/server/syscall.ts:35:3)\n    at migrateOne (../convex/migrations.ts:7:1)\n"
	if f := newFailure(text); f.Frame != "convex/migrations.ts:7" {
		t.Errorf("the frame is %q", f.Frame)
	}
	if f := newFailure("Error: no\n    at patch (prelude:convex/server/syscall.ts:35:3)\n"); f.Frame != "" {
		t.Errorf("the frame is %q", f.Frame)
	}
}

// A rehearsal without a schema says that, not that a table is missing.
func TestGenerateWithoutASchema(t *testing.T) {
	f := own(t, map[string]string{"convex/schema.ts": "import x from './nope';\nexport default x;\n"}, "")
	if s := state(t, f, Broken); !strings.Contains(s.Err, "did not load") {
		t.Errorf("got %q", s.Err)
	}
}

package fleet

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/project"
)

// examined looks at the only environment of a project.
func examined(t *testing.T, root string) Checkup {
	t.Helper()
	p, err := project.Load(t.Context(), project.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	all := Examine(t.Context(), p, nil)
	if len(all) != 1 {
		t.Fatalf("%+v", all)
	}
	return all[0]
}

// finding is the worst finding of a check.
func (c Checkup) finding(check string) Finding {
	var worst Finding
	for _, f := range c.Findings {
		if f.Check == check && (worst.Check == "" || f.State != Fine) {
			worst = f
		}
	}
	return worst
}

func wants(t *testing.T, c Checkup, check string, state Verdict, text string) {
	t.Helper()
	if f := c.finding(check); f.State != state || !strings.Contains(f.Text+"\nhint: "+f.Hint, text) {
		t.Errorf("%s: %+v, want %s with %q", check, f, state, text)
	}
}

func TestDoctor(t *testing.T) {
	slow(t)
	c := newCloud(t)
	well := examined(t, c.root)
	if well.State() != Fine || well.Deployment != c.d.Name() {
		t.Errorf("%+v", well)
	}
	for check, text := range map[string]string{
		"found": "strait.toml, key in STRAIT_TEST_KEY", "key": "admin key of " + c.d.Name(), "access": "it may watch, census, dry run, run, step, cancel, deploy, logs, backup",
		"live": "the WebSocket works", "schema": "differs from the target", "components": "migrations", "migrations": "version 0.3.3 or newer", "functions": "with all",
		"logs": "can be followed", "deploy": "by hand", "push": "last ", "clock": "within",
	} {
		wants(t, well, check, Fine, text)
	}
	if text, err := json.Marshal(well); err != nil || strings.Contains(string(text), strings.SplitN(c.d.AdminKey(), "|", 2)[1]) {
		t.Errorf("the report holds the key: %v", err)
	}

	config := filepath.Join(c.root, "strait.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	with := func(old, new string) Checkup {
		t.Helper()
		if err := os.WriteFile(config, []byte(strings.Replace(string(text), old, new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		return examined(t, c.root)
	}
	wants(t, with(`key_env`, "deployment = \"calm-cat-9\"\nkey_env"), "key", Trouble, "is of deployment "+c.d.Name()+", but the environment is calm-cat-9")
	wants(t, with(`key_env`, "deploy = \"npx convex deploy --prod\"\nkey_env"), "deploy", Trouble, "chooses a deployment itself: --prod")
	wants(t, with(c.addr, "127.0.0.1:1"), "reachable", Trouble, "connection refused")
	wants(t, with("http://", "https://"), "reachable", Trouble, "does not speak TLS")
	with("", "") // as it was
	t.Setenv("STRAIT_TEST_KEY", c.d.Name()+"|wrong")
	wants(t, examined(t, c.root), "access", Trouble, "refuses the key")
	t.Setenv("STRAIT_TEST_KEY", "project:t:p|x")
	wants(t, examined(t, c.root), "key", Trouble, "make a deploy key of this one deployment")
}

// A proxy on the way lets no WebSocket through, the key may only read, and the
// clock is of another day: each is told, with what still works.
func TestDoctorBehindProxy(t *testing.T) {
	slow(t)
	c := newCloud(t)
	back, err := url.Parse("http://" + c.addr)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(back)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", "Mon, 01 Jan 2024 00:00:00 GMT")
		switch {
		case r.Header.Get("Upgrade") != "":
			http.Error(w, "<html>no</html>", http.StatusForbidden)
		case r.URL.Path == "/api/check_admin_key":
			w.Write([]byte(`{"success":true,"allowedOps":["ViewData","ViewBackups","DownloadBackups","RunInternalQueries","RunTestQuery"],"isReadOnly":true}`))
		case r.URL.Path == "/version":
			w.Write([]byte("1.45.0\n"))
		default:
			through.ServeHTTP(w, r)
		}
	}))
	defer front.Close()
	config := filepath.Join(c.root, "strait.toml")
	text, err := os.ReadFile(config)
	if err == nil {
		err = os.WriteFile(config, []byte(strings.Replace(string(text), "http://"+c.addr, front.URL, 1)), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	x := examined(t, c.root)
	wants(t, x, "backend", Fine, "version 1.45.0")
	wants(t, x, "clock", Doubt, "set this machine's clock")
	wants(t, x, "access", Doubt, "read-only; it may watch, census; it may not dry run (needs RunInternalMutations)")
	wants(t, x, "live", Trouble, "does a proxy or a firewall stop it?")
	wants(t, x, "schema", Fine, "active")
	if x.State() != Trouble {
		t.Errorf("%+v", x)
	}
}

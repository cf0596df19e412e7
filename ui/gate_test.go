package ui

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gateProject is the demo project with these environments.
func gateProject(t *testing.T, envs string) string {
	t.Helper()
	dir := lab(t, 0)
	if err := os.WriteFile(filepath.Join(dir, "strait.toml"), []byte("target = \"convex/schema.ts\"\n"+envs), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The environments of the tests: one that is migrated and was not counted, one
// that was never widened, one that holds the target.
const (
	ripe   = "[[env]]\nname = \"ripe\"\ngenerate = { teams = 4, users = 30, orders = 20 }\ndocuments = \"schemas/before.ts\"\nran = [\"*\"]\nschema = \"widened\"\n"
	raw    = "[[env]]\nname = \"raw\"\ngenerate = { teams = 4, users = 30 }\ndocuments = \"schemas/before.ts\"\nschema = \"schemas/before.ts\"\nprotected = true\n"
	narrow = "[[env]]\nname = \"narrow\"\ngenerate = { teams = 4, users = 30 }\n"
	gone   = "[[env]]\nname = \"gone\"\nurl = \"http://127.0.0.1:1\"\nkey_env = \"STRAIT_GATE_KEY\"\n"
)

func TestGateVerb(t *testing.T) {
	t.Parallel()
	mixed := gateProject(t, narrow+ripe+raw)
	silent := gateProject(t, strings.Replace(gone, "127.0.0.1:1", silentServer(t), 1))
	if err := os.WriteFile(filepath.Join(silent, ".env.local"), []byte("STRAIT_GATE_KEY=prod:happy-otter-123|eyJ2MiI6IjAwMDAifQ==\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []verbCase{
		{"uncounted", mixed, "gate", 3, nil, []string{
			"convex/schema.ts may not be merged: 3 things are missing", "ripe  census-missing  ", "raw   not-widened     ", "hint: strait gate --count",
		}},
		{"counted", mixed, "gate --count", 3, nil, []string{"counting the documents of ripe", "may not be merged: 2 things", "raw  not-widened  ", "offenders    ", "documents do not fit the target in teams, users"}},
		{"of one", mixed, "gate --env raw", 3, nil, []string{"may not be deployed to raw: 2 things", "hint: strait gate --count --env raw counts it"}},
		{"of one, counted", mixed, "gate --env ripe --count", 0, []string{"may be deployed to ripe", "no document misfits; "}, nil},
		{"of all, counted", gateProject(t, narrow+ripe), "gate --count", 0, []string{"may be merged: it fits every document of narrow, ripe", "  narrow  ", "  ripe    certified: no document misfits"}, []string{"note: these are rehearsals"}},
		{"of none", gateProject(t, ""), "gate", 3, nil, []string{"no-environments", "hint: list the environments in strait.toml"}},
		{"unknown environment", mixed, "gate --env moon", 2, nil, []string{`no environment "moon"`}},
		{"no time", mixed, "gate --wait 0s", 2, nil, []string{"--wait 0s"}},
		{"no project", t.TempDir(), "gate", 1, nil, []string{"strait: ", "hint: "}},
		{"a project that does not load", brokenProject(t), "gate", 3, nil, []string{"no-target", "strait inspect"}},
		{"away", gateProject(t, gone), "gate --count", 3, nil, []string{"1 thing is missing", "gone  unreachable  ", "STRAIT_GATE_KEY"}},
		{"silent", silent, "gate --count --wait 300ms", 3, nil, []string{"gone  unreachable  "}},
	}
	for _, c := range cases {
		t.Run(c.name, c.check)
	}
}

// A count lives no longer than its process, so narrow takes the one it needs.
func TestNarrowCountsFirst(t *testing.T) {
	t.Parallel()
	dir := gateProject(t, narrow+ripe+raw)
	for _, c := range []verbCase{
		{"ripe", dir, "narrow --env ripe", 0, []string{"narrow ripe", "success: the schema is active in ripe"}, []string{"counting the documents of ripe"}},
		{"not widened", dir, "narrow --env raw --confirm raw", 3, nil, []string{"refused"}},
	} {
		t.Run(c.name, c.check)
	}
}

// silentServer is the address of a server that takes calls and answers none.
func silentServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func TestGateInJSON(t *testing.T) {
	t.Parallel()
	dir := gateProject(t, narrow+ripe)
	for _, c := range []struct {
		args    string
		code    int
		allowed bool
		missing string
	}{
		{"gate --json", 3, false, "ripe census-missing"},
		{"gate --json --env narrow", 0, true, ""},
	} {
		stdout, _, code := strait(t, dir, strings.Fields(c.args)...)
		var r struct {
			Version      int
			Allowed      *bool
			Target       string
			Environments []string
			Missing      []struct{ Env, Code, Why, Hint string }
		}
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Fatalf("%s: %v\n%s", c.args, err, stdout)
		}
		var missing []string
		for _, l := range r.Missing {
			missing = append(missing, l.Env+" "+l.Code)
			if l.Why == "" || l.Hint == "" {
				t.Errorf("%s: %+v says too little", c.args, l)
			}
		}
		if code != c.code || r.Version != 1 || r.Allowed == nil || *r.Allowed != c.allowed || r.Target != "convex/schema.ts" || len(r.Environments) == 0 ||
			strings.Join(missing, ", ") != c.missing || r.Missing == nil {
			t.Errorf("%s: exit %d, %s", c.args, code, stdout)
		}
	}
}

// A deployment is counted over the wire; one that falls silent while it is
// counted is a reason, with no end of waiting. The key is in nothing written.
func TestGateOfADeployment(t *testing.T) {
	t.Parallel()
	dir, key := served(t, 40)
	stdout, stderr, code := strait(t, dir, "gate", "--count")
	if code != exitRefused || stdout != "" || !strings.Contains(stderr, "far  offenders  ") || strings.Contains(stderr, "rehearsal") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	config, err := os.ReadFile(filepath.Join(dir, "strait.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(config), "url = \"")
	far, _, _ := strings.Cut(rest, "\"")
	mute := muteProxy(t, far, "bundle")
	if err := os.WriteFile(filepath.Join(dir, "strait.toml"), []byte(strings.Replace(string(config), far, mute, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout2, stderr2, code := strait(t, dir, "gate", "--count", "--wait", "6s")
	if code != exitRefused || !strings.Contains(stderr2, "far  census-missing  the count did not come to its end: nothing more was read for 6s") {
		t.Errorf("exit %d: %s%s", code, stdout2, stderr2)
	}
	if strings.Contains(stdout+stderr+stdout2+stderr2, key) {
		t.Error("the key was written")
	}
}

// muteProxy is the address of a proxy that never answers a call of some name.
func muteProxy(t *testing.T, to, name string) string {
	t.Helper()
	far, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	pass, over := httputil.NewSingleHostReverseProxy(far), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(body, []byte(name)) {
				select {
				case <-r.Context().Done():
				case <-over:
				}
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { close(over); srv.CloseClientConnections(); srv.Close() })
	return srv.URL
}

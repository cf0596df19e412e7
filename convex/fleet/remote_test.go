package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/local"
	"strait/convex/project"
	"strait/plan"
)

// cloud serves the small demo's staging over TCP and writes a project whose
// only environment is that, by URL and key.
type cloud struct {
	t    *testing.T
	d    *local.Deployment
	addr string
	stop func()
	root string
}

func newCloud(t *testing.T) *cloud { return newCloudOf(t, "staging") }

// newCloudOf serves another environment of the small demo.
func newCloudOf(t *testing.T, name string) *cloud {
	t.Helper()
	c := &cloud{t: t, root: copyDemo(t, small)}
	p, err := project.Load(t.Context(), project.Options{Dir: c.root})
	if err != nil {
		t.Fatal(err)
	}
	if c.d, err = OpenEmbedded(t.Context(), p, name, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.d.Close() })
	c.serve("127.0.0.1:0")
	config := fmt.Sprintf("target = \"convex/schema.ts\"\n[[env]]\nname = \"cloud\"\nurl = \"http://%s\"\nkey_env = \"STRAIT_TEST_KEY\"\n", c.addr)
	if err := os.WriteFile(filepath.Join(c.root, "strait.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STRAIT_TEST_KEY", c.d.AdminKey())
	return c
}

func (c *cloud) serve(addr string) {
	c.t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(c.t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.d.Serve(ctx, ln)
	}()
	c.stop = func() { cancel(); <-over }
	c.t.Cleanup(c.stop)
}

func (c *cloud) open() *Fleet {
	f := Open(c.t.Context(), Options{Dir: c.root})
	c.t.Cleanup(func() { f.Close() })
	return f
}

// state waits until the only environment is in a state, and gives it.
func state(t *testing.T, f *Fleet, want EnvState) EnvSnapshot {
	t.Helper()
	if err := f.wait(within(t), func() bool { return len(f.envs) > 0 && f.envs[0].state == want }); err != nil {
		t.Fatalf("waiting for %s: %v; it is %+v", want, err, f.Now().Envs)
	}
	return f.Now().Envs[0]
}

// The same code supervises a deployment elsewhere: only a schema is not
// deployed to it.
func TestRemoteDeployment(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	s := ready(t, f, "cloud").Envs[0]
	if s.Embedded || s.Deployment != c.d.Name() || s.URL != "http://"+c.addr {
		t.Errorf("got %+v", s)
	}
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl"}, nil)
	if err != nil || out.Status != "success" || out.Processed != 400 {
		t.Fatalf("%+v %v", out, err)
	}
	out, err = f.Run(within(t), Command{Action: plan.ActCensus, Env: "cloud"}, nil)
	if err != nil || out.Census == nil || out.Census.Offenders == 0 {
		t.Fatalf("%+v %v", out, err)
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActNarrow, Env: "cloud"})); code != "no-deploy-command" {
		t.Errorf("narrow: %s", code)
	}
}

// Somebody else starts and cancels: it shows all the same, and Strait does not
// start a second one.
func TestOthersRunsAreSeen(t *testing.T) {
	c := newCloud(t)
	f, g := c.open(), c.open()
	ready(t, f, "cloud")
	ready(t, g, "cloud")
	name := "migrations:dropAvatarUrl"
	cmd := Command{Action: plan.ActRun, Env: "cloud", Migration: name, BatchSize: 2}
	if err := f.Do(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	if err := g.wait(within(t), func() bool { r := g.envs[0].show(name); return r.State == "inProgress" && len(r.Batches) > 0 }); err != nil {
		t.Fatal("the run of another Strait is not seen")
	}
	if r := g.Now().Envs[0].Runs[name]; r.Mine {
		t.Error("it is not ours")
	}
	if code := refusedCode(t, g.Do(t.Context(), cmd)); code != "running" {
		t.Errorf("second start: %s", code)
	}
	if err := g.Do(t.Context(), Command{Action: plan.ActCancel, Env: "cloud", Migration: name}); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*Fleet{f, g} {
		if err := x.wait(within(t), func() bool { return x.envs[0].show(name).State == "canceled" }); err != nil {
			t.Fatal("the cancel is not seen")
		}
	}
}

func TestBadKeyIsBrokenAndSaysSo(t *testing.T) {
	c := newCloud(t)
	key := "embedded-staging|0000secret0000"
	t.Setenv("STRAIT_TEST_KEY", key)
	f := c.open()
	s := state(t, f, Broken)
	if !strings.Contains(s.Err, "key") {
		t.Errorf("got %q", s.Err)
	}
	for _, m := range f.Now().Messages {
		if strings.Contains(m.Text, "0000secret0000") {
			t.Errorf("the key is told: %q", m.Text)
		}
	}
	if st := f.Now().Plan.Envs[0].Widen; st.State != plan.Unknown || st.Why == "" {
		t.Errorf("its checklist: %+v", st)
	}
	if code := refusedCode(t, f.Do(t.Context(), Command{Action: plan.ActCensus, Env: "cloud"})); code != "unreachable" {
		t.Errorf("census: %s", code)
	}
	t.Setenv("STRAIT_TEST_KEY", c.d.AdminKey())
	if err := f.Retry("cloud"); err != nil {
		t.Fatal(err)
	}
	state(t, f, Ready)
}

func TestNoKeyAndNobodyThere(t *testing.T) {
	c := newCloud(t)
	os.Unsetenv("STRAIT_TEST_KEY")
	f := c.open()
	if s := state(t, f, Broken); !strings.Contains(s.Err, "STRAIT_TEST_KEY") {
		t.Errorf("got %q", s.Err)
	}
	t.Setenv("STRAIT_TEST_KEY", c.d.AdminKey())
	c.stop()
	g := c.open()
	if s := state(t, g, Broken); !strings.Contains(s.Err, "refused") {
		t.Errorf("got %q", s.Err)
	}
	c.serve(c.addr)
	state(t, g, Ready) // it tries again by itself
}

func TestLostAndFoundAgain(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	c.stop()
	if s := state(t, f, Lost); s.Err == "" {
		t.Error("a lost connection must say why")
	}
	c.serve(c.addr)
	state(t, f, Ready)
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl"}, nil)
	if err != nil || out.Status != "success" {
		t.Fatalf("%+v %v", out, err)
	}
}

package fleet

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// soon waits until a condition on the first environment holds.
func soon(t *testing.T, f *Fleet, what string, cond func(e *env) bool) EnvSnapshot {
	t.Helper()
	if err := f.wait(within(t), func() bool { return len(f.envs) > 0 && cond(f.envs[0]) }); err != nil {
		s := f.Now()
		t.Fatalf("waiting for %s: %v; it is %+v\n%+v", what, err, s.Envs, s.Messages)
	}
	return f.Now().Envs[0]
}

func told(f *Fleet, text string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if strings.Contains(m.Text, text) {
			n++
		}
	}
	return n
}

func TestFactsOfADeployment(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	s := soon(t, f, "its components", func(e *env) bool { return len(e.facts.installed) > 0 })
	if x := s.Facts; x.Version == "" || x.Access == nil || len(x.Access.Cannot()) > 0 || x.Functions <= 0 || x.Connects != 1 ||
		!slices.Equal(x.Components, []string{"migrations"}) || len(x.Migrations) != 1 || x.Migrations[0].Path != "migrations" || !strings.Contains(x.Migrations[0].Version, "or newer") {
		t.Errorf("facts: %+v", x)
	}
	for name, at := range map[string]time.Time{"schema": s.Facts.Ages.Schema, "tables": s.Facts.Ages.Tables, "statuses": s.Facts.Ages.Statuses, "functions": s.Facts.Ages.Functions} {
		if at.IsZero() {
			t.Errorf("no age of %s", name)
		}
	}
	// Nobody looks: what a run cost and logged is told all the same.
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl", BatchSize: 100}, nil)
	if err != nil || out.Status != "success" {
		t.Fatalf("%+v %v", out, err)
	}
	s = soon(t, f, "what the last batch cost", func(e *env) bool {
		r := e.runs["migrations:dropAvatarUrl"].run
		told := slices.ContainsFunc(r.Log, func(l LogEntry) bool { return strings.Contains(l.Text, "is done") })
		return told && len(r.Batches) > 0 && r.Batches[len(r.Batches)-1].Usage != nil
	})
	r := s.Runs["migrations:dropAvatarUrl"]
	if r.Component != "migrations" {
		t.Errorf("it is kept by %q", r.Component)
	}
	for i, b := range r.Batches {
		if b.Usage != nil && (b.Usage.ReadDocuments < b.Documents || b.Usage.WrittenDocuments == 0 || b.Usage.ReadBytes == 0) {
			t.Errorf("batch %d of %d documents: %+v", i, b.Documents, b.Usage)
		}
	}
	done := 0
	for _, l := range r.Log {
		if strings.Contains(l.Text, "is done") {
			done++
		}
	}
	if done != 1 {
		t.Errorf("its end is logged %d times: %+v", done, r.Log)
	}
}

// An outage is told once when it begins and once when it is over, however
// often it is tried meanwhile.
func TestAnOutageIsToldOnce(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	c.stop()
	soon(t, f, "a retry", func(e *env) bool { return e.state == Lost && e.facts.retries > 1 && !e.facts.retryAt.IsZero() })
	c.serve(c.addr)
	s := soon(t, f, "the connection", func(e *env) bool { return e.state == Ready })
	if lost, back := told(f, "connection lost"), told(f, "connected again after"); lost != 1 || back != 1 {
		t.Errorf("lost was told %d times, back %d times: %+v", lost, back, f.Now().Messages)
	}
	if s.Facts.Connects != 2 || s.Facts.Retries > 1 || !s.Facts.RetryAt.IsZero() {
		t.Errorf("facts: %+v", s.Facts)
	}
}

func TestAReadOnlyKeySaysWhatItCannot(t *testing.T) {
	c := newCloud(t)
	c.d.AddKey(local.Key{Key: c.d.Name() + "|looker", ReadOnly: true})
	t.Setenv("STRAIT_TEST_KEY", c.d.Name()+"|looker")
	f := c.open()
	s := ready(t, f, "cloud").Envs[0]
	cannot := strings.Join(s.Facts.Access.Cannot(), "\n")
	if !s.Facts.Access.ReadOnly || !strings.Contains(cannot, "RunInternalMutations") || !strings.Contains(cannot, "Deploy") || strings.Contains(cannot, "ViewData") {
		t.Errorf("it cannot %q", cannot)
	}
	if told(f, "the key is read-only: migrations cannot be started") != 1 {
		t.Errorf("told %+v", f.Now().Messages)
	}
	if len(s.Runs) == 0 || !s.Facts.Ages.Statuses.After(time.Time{}) {
		t.Errorf("statuses are not read: %+v", s.Runs)
	}
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl"}, nil)
	if err == nil && out.Status != "failed" {
		t.Errorf("a run ended with %+v", out)
	}
	if n, err := c.d.AdminKey(), c.d.Paused(); n == "" || err {
		t.Error("the deployment is not as it was")
	}
}

// Without the log everything else works.
func TestALogThatIsRefused(t *testing.T) {
	c := newCloud(t)
	c.d.AddKey(local.Key{Key: c.d.Name() + "|deaf", Ops: []string{"ViewData", "WriteData", "RunInternalQueries", "RunInternalMutations", "RunTestQuery"}})
	t.Setenv("STRAIT_TEST_KEY", c.d.Name()+"|deaf")
	f := c.open()
	ready(t, f, "cloud")
	f.Show("cloud")
	soon(t, f, "the refusal", func(e *env) bool { return e.logs.feed.State == "refused" && e.logs.feed.Err != "" })
	out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: "dropAvatarUrl"}, nil)
	if err != nil || out.Status != "success" {
		t.Errorf("%+v %v", out, err)
	}
}

func TestAKeyThatMayNotReadIsBroken(t *testing.T) {
	c := newCloud(t)
	c.d.AddKey(local.Key{Key: c.d.Name() + "|blind", Ops: []string{"Deploy"}})
	t.Setenv("STRAIT_TEST_KEY", c.d.Name()+"|blind")
	if s := state(t, c.open(), Broken); !strings.Contains(s.Err, "ViewData") {
		t.Errorf("got %q", s.Err)
	}
}

func TestMigrationsOfANestedComponent(t *testing.T) {
	f := filled(t, billing)
	s := soon(t, f, "both components", func(e *env) bool { return len(e.facts.installed) == 2 })
	if !slices.Equal(s.Facts.Components, []string{"billing", "billing/migrations", "migrations"}) {
		t.Errorf("components: %v", s.Facts.Components)
	}
	f.mu.Lock()
	client := f.envs[0].client
	f.mu.Unlock()
	if _, err := client.Function(within(t), wire.Call{Component: "billing", Path: "work:pay", Args: value.Object{}}); err != nil {
		t.Fatal(err)
	}
	key := "billing:work:pay"
	soon(t, f, "its run", func(e *env) bool { return e.runs[key] != nil && e.runs[key].run.State == "success" })
	if r := f.Now().Envs[0].Runs[key]; r.Component != "billing/migrations" {
		t.Errorf("got %+v", r)
	}
	if component, name := f.envs[0].homeOf(key); component != "billing/migrations" || name != "work:pay" {
		t.Errorf("it is at %q under %q", component, name)
	}
	// The root's own is not mixed up with it.
	if out, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "only", Migration: "billing/work:pay"}, nil); err != nil || out.Status != "success" {
		t.Errorf("%+v %v", out, err)
	}
	if r := f.Now().Envs[0].Runs["billing/work:pay"]; r.Component != "migrations" || r.Processed != 120 {
		t.Errorf("got %+v", r)
	}
}

func TestVersionsByValidators(t *testing.T) {
	field := func(name string) schema.Field {
		return schema.Field{Name: name, Type: &schema.Validator{Kind: schema.Any}, Optional: true}
	}
	base := []schema.Field{field("name"), field("fnHandle"), field("dryRun")}
	for want, more := range map[string][]schema.Field{
		"0.3.0 or older": nil, "0.3.1-0.3.2": {field("oneBatchOnly")}, "0.3.3 or newer": {field("oneBatchOnly"), field("reset")},
	} {
		args := &schema.Validator{Kind: schema.Object, Fields: append(slices.Clone(base), more...)}
		c, ok := migrationsComponent(wire.ComponentInfo{Path: "m"}, []wire.FunctionSpec{{Path: "lib:migrate", Type: "Mutation", Args: args}, {Path: "lib:getStatus", Type: "Query"}})
		if !ok || c.version() != want {
			t.Errorf("want %s, got %q %v", want, c.version(), ok)
		}
	}
	if _, ok := migrationsComponent(wire.ComponentInfo{}, []wire.FunctionSpec{{Path: "lib:migrate", Type: "Mutation", Args: &schema.Validator{Kind: schema.Object}}, {Path: "lib:getStatus", Type: "Query"}}); ok {
		t.Error("another component's lib:migrate is taken for the package's")
	}
}

func TestASchemaThatVanishes(t *testing.T) {
	f, e, _ := still()
	one, two := &schema.Schema{Validation: true}, &schema.Schema{Validation: true, Tables: []*schema.Table{{Name: "t", Document: &schema.Validator{Kind: schema.Any}}}}
	e.gotSchemas(wire.Schemas{Active: one, InProgress: two}, nil)
	e.gotProgress("", wire.SchemaProgress{Pending: true, Validated: 3, Total: 10}, nil)
	if v := e.snapshot().Validation; v == nil || v.Checked != 3 || v.Total != 10 || v.Err != "" {
		t.Errorf("while it is checked: %+v", v)
	}
	e.gotSchemas(wire.Schemas{Active: one}, nil)
	if v := e.snapshot().Validation; v == nil || !strings.Contains(v.Err, "refused") || told(f, "did not become active") != 1 {
		t.Errorf("refused: %+v", v)
	}
	e.gotSchemas(wire.Schemas{Active: one, InProgress: two}, nil)
	e.gotSchemas(wire.Schemas{Active: two}, nil)
	if v := e.snapshot().Validation; v != nil {
		t.Errorf("deployed: %+v", v)
	}
}

// counted counts the bytes that go over a connection, whatever they are.
type counted struct {
	net.Conn
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// forward passes connections on to an address and counts their bytes.
func forward(t *testing.T, to string) (addr string, bytes *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bytes = &atomic.Int64{}
	go func() {
		for {
			here, err := ln.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				here.Close()
				continue
			}
			conn := counted{here, bytes}
			go func() { io.Copy(there, conn); there.Close() }()
			go func() { io.Copy(conn, there); here.Close() }()
		}
	}()
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String(), bytes
}

// What nobody looks at costs next to nothing: documents that come and go there
// are not told.
func TestAHiddenEnvironmentIsQuiet(t *testing.T) {
	c := newCloud(t)
	addr, bytes := forward(t, c.addr)
	config := fmt.Sprintf("[[env]]\nname = \"cloud\"\nurl = \"http://%s\"\nkey_env = \"STRAIT_TEST_KEY\"\n", addr)
	if err := os.WriteFile(filepath.Join(c.root, "strait.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	f := c.open()
	f.Show()
	ready(t, f, "cloud")
	soon(t, f, "rest", func(e *env) bool { return len(e.facts.installed) > 0 && !e.reading.sizes && e.logs.feed.State == "" })
	insert := func(n int) {
		for range n {
			if _, err := c.d.Insert(t.Context(), "", "products", []value.Object{value.NewObject()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	quiet := func() {
		// Two answers after each other: what was under way before has arrived.
		for range 2 {
			if _, err := f.envs[0].client.Once(within(t), wire.Call{Path: "_system/cli/tableSize", Args: value.NewObject(value.Field{Name: "tableName", Value: fmt.Sprintf("none%d", bytes.Load())})}); err != nil {
				t.Fatal(err)
			}
		}
	}
	quiet()
	before := bytes.Load()
	quiet()
	own := bytes.Load() - before
	before = bytes.Load()
	insert(200)
	quiet()
	if cost := bytes.Load() - before - own; cost > 5000 {
		t.Errorf("200 writes to a hidden environment cost %d bytes", cost)
	}
	old := f.Now().Envs[0]
	if old.Facts.Ages.Tables.IsZero() {
		t.Error("the age of its sizes is not known")
	}
	f.Show("cloud")
	soon(t, f, "the sizes", func(e *env) bool { return e.tables["products"] == old.Tables["products"]+200 })
}

// Twenty environments open at once; one that does not answer delays none.
func TestTwentyEnvironments(t *testing.T) {
	before := runtime.NumGoroutine()
	c := newCloud(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	var config strings.Builder
	for i := range 20 {
		addr := c.addr
		if i == 3 {
			addr = silent.Addr().String()
		}
		fmt.Fprintf(&config, "[[env]]\nname = \"env%d\"\nurl = \"http://%s\"\nkey_env = \"STRAIT_TEST_KEY\"\n", i, addr)
	}
	if err := os.WriteFile(filepath.Join(c.root, "strait.toml"), []byte(config.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f := Open(ctx, Options{Dir: c.root})
	defer f.Close()
	f.Show("env0")
	for i := range 20 {
		if i != 3 {
			if err := f.Ready(within(t), fmt.Sprintf("env%d", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s := f.Now().Envs[3]; s.State != Opening {
		t.Errorf("the silent one is %s", s.State)
	}
	if _, err := c.d.Insert(t.Context(), "", "products", []value.Object{value.NewObject()}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	c.stop()
	c.d.Close()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before+4; runtime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines were there, now %d:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	}
}

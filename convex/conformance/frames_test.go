package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"strait/convex/internal/awkward"
	"strait/convex/internal/npmtest"
	"strait/convex/wire"
	"strait/model/value"
)

// TestTwinFrames holds the frames of one session, step by step, to a golden
// file: those of the embedded deployment and those of the twin are the same.
// What a server may cut into more Transitions or fewer is joined.
func TestTwinFrames(t *testing.T) {
	npm := npmtest.Dir(t)
	root := twinProject(t, npm)
	for _, server := range []struct {
		name  string
		serve func() (url, key string)
	}{
		{"embedded", func() (string, string) { return serveLocal(t, root) }},
		{"twin", func() (string, string) { return serveTwin(t, npm) }},
	} {
		url, key := server.serve()
		text := session(t, url, key)
		t.Log(server.name)
		golden.RequireEqual(t, []byte(text))
	}
}

// recorded is a session through a recording proxy.
type recorded struct {
	t     *testing.T
	ctx   context.Context
	proxy *awkward.Proxy
	told  int // frames that were told
	out   strings.Builder
}

func session(t *testing.T, url, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	proxy, err := awkward.New(url, awkward.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	c := wire.New(wire.Options{URL: proxy.URL(), AdminKey: key})
	defer c.Close()
	fill := value.NewObject(value.Field{Name: "from", Value: 0.0}, value.Field{Name: "to", Value: 20.0})
	if _, err := c.Function(ctx, wire.Call{Path: "users:fill", Args: fill}); err != nil {
		t.Fatal(err)
	}
	handle, err := c.FunctionHandle(ctx, "", "migrations:setPlan")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{t: t, ctx: ctx, proxy: proxy}
	names := value.NewObject(value.Field{Name: "names", Value: value.Array{"migrations:setPlan"}})
	cities, statuses := make(chan wire.Update, 16), make(chan wire.Update, 16)
	stop := c.Subscribe(wire.Call{Path: "users:cities"}, func(u wire.Update) { cities <- u })
	r.await(cities)
	r.step("a live query")
	stopStatuses := c.Subscribe(wire.Call{Component: "migrations", Path: "lib:getStatus", Args: names}, func(u wire.Update) { statuses <- u })
	r.await(statuses)
	r.step("one of a component")
	move := func(name string) {
		args := value.NewObject(value.Field{Name: "name", Value: name}, value.Field{Name: "city", Value: "Lisbon"})
		c.Mutate(ctx, wire.Call{Path: "users:move", Args: args}) // what it answers is in the frames
	}
	move("user 3")
	r.await(cities)
	r.step("a mutation and what it changes")
	move("nobody")
	r.step("a mutation that fails with data")
	for range 2 {
		args := value.NewObject(
			value.Field{Name: "name", Value: "migrations:setPlan"}, value.Field{Name: "fnHandle", Value: handle},
			value.Field{Name: "batchSize", Value: 12.0}, value.Field{Name: "oneBatchOnly", Value: true}, value.Field{Name: "dryRun", Value: false},
		)
		if _, err := c.Mutate(ctx, wire.Call{Component: "migrations", Path: "lib:migrate", Args: args}); err != nil {
			t.Fatal(err)
		}
		r.await(statuses)
		r.step("one batch of a migration")
	}
	stopStatuses()
	stop()
	if _, err := c.Mutate(ctx, wire.Call{Path: "users:move", Args: value.Object{}}); err == nil {
		t.Error("a mutation without its arguments ran")
	}
	move("user 4") // answered once the rest is
	r.step("nothing is live, and a call is wrong")
	return r.out.String()
}

func (r *recorded) await(updates <-chan wire.Update) {
	r.t.Helper()
	select {
	case <-updates:
	case <-r.ctx.Done():
		r.t.Fatalf("no update; so far:\n%s", r.out.String())
	}
}

// step tells the frames since the step before: what the client sent as it is,
// what the server sent by what it says.
func (r *recorded) step(what string) {
	frames := r.proxy.Frames()
	news := frames[r.told:]
	r.told = len(frames)
	fmt.Fprintf(&r.out, "# %s\n", what)
	changes := map[uint32]string{}
	var said []string
	for _, f := range news {
		if f.ToServer {
			fmt.Fprintf(&r.out, "> %s\n", steadyFrame(f.Text))
			continue
		}
		var m struct {
			Type          string
			Modifications []struct {
				Type         string
				QueryID      uint32
				Value        json.RawMessage
				ErrorMessage string
			}
			RequestID uint32
			Success   bool
			Result    json.RawMessage
			ErrorData json.RawMessage
			LogLines  []string
		}
		if err := json.Unmarshal([]byte(f.Text), &m); err != nil {
			r.t.Fatal(err)
		}
		for _, q := range m.Modifications {
			changes[q.QueryID] = fmt.Sprintf("%s %d %s%s", q.Type, q.QueryID, q.Value, q.ErrorMessage)
		}
		if m.Type == "MutationResponse" {
			text := string(m.Result)
			if !m.Success { // its words are the engine's
				text = string(m.ErrorData)
			}
			said = append(said, fmt.Sprintf("%s %d success %v %s %q", m.Type, m.RequestID, m.Success, text, m.LogLines))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(changes)) {
		said = append(said, changes[id])
	}
	for _, line := range said {
		fmt.Fprintf(&r.out, "< %s\n", steadyFrame(line))
	}
}

var unsteady = []struct {
	text *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"sessionId":"[^"]*"`), `"sessionId":"…"`},
	{regexp.MustCompile(`"clientTs":\d+`), `"clientTs":0`},
	{regexp.MustCompile(`"value":"(embedded-)?twin\|[^"]*"`), `"value":"KEY"`},
	{regexp.MustCompile(`function://[^"]*`), `function://…`},
	{regexp.MustCompile(`"latest(Start|End)":[0-9.]+`), `"latest$1":0`},
	{regexp.MustCompile(`"cursor":"(?:[^"\\]|\\.)*"`), `"cursor":"…"`},
}

// steadyFrame is a frame without what differs from run to run.
func steadyFrame(text string) string {
	for _, u := range unsteady {
		text = u.text.ReplaceAllString(text, u.with)
	}
	return text
}

// twinProject is a copy of the twin's project with its packages.
func twinProject(t *testing.T, npm string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(npm, "twin"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(root, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return root
}

package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
)

// served serves a deployment over TCP for the official clients.
func served(t *testing.T, d *local.Deployment) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// officialClients is a program for Node that uses the official JavaScript
// clients and says "done" when all came out as on Convex.
const officialClients = `
import assert from "node:assert/strict";
import { ConvexClient, ConvexHttpClient } from "convex/browser";
import { ConvexError } from "convex/values";
const { URL: url, KEY: key } = process.env;
const quiet = { logger: false };

const http = new ConvexHttpClient(url, quiet);
const odd = await http.query("notes:odd", {});
assert.equal(odd.big, 5n);
assert.deepEqual(new Uint8Array(odd.bytes), new Uint8Array([1, 2]));
assert.equal(odd.inf, Infinity);
assert.deepEqual(await http.query("notes:echo", { x: { a: [1n, NaN, null, "é🚢"], b: -0 } }), { a: [1n, NaN, null, "é🚢"], b: -0 });
const before = await http.consistentQuery("notes:count", {});
assert.match(await http.mutation("notes:add", { text: "http" }), /^[0-9a-z]{31,37}$/);
assert.equal(await http.query("notes:count", {}), before + 1);
assert.equal(await http.consistentQuery("notes:count", {}), before, "one timestamp for the client's life");
assert.equal(await http.action("notes:twice", { text: "http" }), 42);
await assert.rejects(http.query("notes:secret", {}), /Could not find public function for 'notes:secret'/);
await assert.rejects(http.query("notes:boom", {}), /Server Error\nUncaught Error: boom\n    at handler \(\.\.\/convex\/notes\.ts:/);
await assert.rejects(http.mutation("notes:refuse", {}), (e) => e instanceof ConvexError && e.data.code === 7);
http.setAdminAuth(key);
assert.equal(await http.query("notes:secret", {}), 42);
assert.deepEqual(await http.function("lib:getStatus", "migrations", {}), []);
http.setAdminAuth(key, { subject: "me", issuer: "x", tokenIdentifier: "x|me" });
assert.equal(await http.query("notes:who", {}), "me");

const live = new ConvexClient(url, quiet);
const first = await live.query("notes:count", {});
const seen = [];
await new Promise((resolve, reject) => {
  live.onUpdate("notes:count", {}, (n) => { seen.push(n); if (n === first + 5) resolve(); }, reject);
  live.onUpdate("notes:list", {}, () => {}, reject);
  for (let i = 0; i < 5; i++) live.mutation("notes:add", { text: "ws" + i }).catch(reject);
});
assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
assert.deepEqual((await live.query("notes:list", {})).slice(-5), ["ws0", "ws1", "ws2", "ws3", "ws4"]);
assert.equal(await live.action("notes:twice", { text: "ws" }), 42);
await assert.rejects(live.mutation("notes:refuse", {}), (e) => e instanceof ConvexError && e.data.code === 7);
await assert.rejects(live.mutation("notes:add", { text: 5 }), /ArgumentValidationError/);
await assert.rejects(live.query("notes:boom", {}), /Uncaught Error: boom/);
const large = await live.query("notes:large", { n: 3_000_000 });
assert.equal(large.length, 3_000_000 + String(await live.query("notes:count", {})).length, "in pieces");
await assert.rejects(live.query("_system/cli/tables", { paginationOpts: { cursor: null, numItems: 1 } }), /Could not find public function/);
live.client.setAdminAuth(key);
assert.equal(await live.query("notes:secret", {}), 42);
assert.deepEqual((await live.query("_system/cli/tables", { paginationOpts: { cursor: null, numItems: 1 } })).page, [{ name: "notes" }, { name: "other" }]);
await live.close();
console.log("done");
`

func TestOfficialClients(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", officialClients)
	cmd.Dir = npm
	cmd.Env = append(os.Environ(), "URL="+served(t, d), "KEY="+d.AdminKey())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "done\n") {
		t.Fatalf("official clients: %v\n%s", err, out)
	}
}

// convex is the official CLI, about to run in a directory with the npm packages
// against a deployment.
func convex(ctx context.Context, dir, url, key string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "node", slices.Concat([]string{filepath.Join(dir, "node_modules/convex/bin/main.js")}, args, []string{"--url", url, "--admin-key", key})...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CI=1", "NO_COLOR=1", "FORCE_COLOR=0")
	return cmd
}

// cli runs the official CLI and returns what it printed to each stream. Under
// -short, as with the race detector, it ends the test: it asks one thing after
// another, and each start costs a second of a core.
func cli(t *testing.T, dir, url, key string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: runs the official CLI many times")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := convex(ctx, dir, url, key, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestOfficialCLI(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	addNotes(t, d, 25)
	url := served(t, d)
	stdout, stderr, code := cli(t, npm, url, d.AdminKey(), "run", "migrations:finish", `{"dryRun":true}`)
	if code != 0 || !strings.Contains(stdout, `"DryRun": "No changes were committed."`) || !strings.Contains(stderr, "DRY RUN: Example change") {
		t.Errorf("a dry run: exit %d\nstdout: %s\nstderr: %s", code, stdout, stderr)
	}
	if w := admin(d, "POST", "/api/function", `{"path":"migrations:run","args":{"fn":"migrations:finish"}}`); !strings.Contains(w.Body.String(), "Migration started.") {
		t.Fatal(w.Body)
	}
	settle(t, d)
	steps := []struct {
		args   []string
		stdout string // a part
		stderr string // a part
		code   int
	}{
		{[]string{"run", "notes:boom"}, "", "Uncaught Error: boom", 1},
		{[]string{"run", "notes:nope"}, "", "• migrations:finish\n• migrations:run\n• notes:add", 1},
		{[]string{"run", "--component", "migrations", "lib:getStatus"}, `"name": "migrations:finish"`, "", 0},
		{[]string{"data"}, "notes\nother\n", "", 0},
		{[]string{"data", "notes", "--limit", "1"}, `"n24"`, "Showing the 1 most recently", 0},
		{[]string{"data", "migrations", "--component", "migrations"}, `"migrations:finish"`, "", 0},
		{[]string{"function-spec"}, `"url": "` + url + `"`, "", 0},
	}
	for _, s := range steps {
		stdout, stderr, code := cli(t, npm, url, d.AdminKey(), s.args...)
		if code != s.code || !strings.Contains(stdout, s.stdout) || !strings.Contains(stdout+stderr, s.stderr) {
			t.Errorf("convex %s: exit %d\nstdout: %s\nstderr: %s\nwant exit %d, %q and %q", strings.Join(s.args, " "), code, stdout, stderr, s.code, s.stdout, s.stderr)
		}
	}
	if _, stderr, code := cli(t, npm, url, "fixture|wrong", "run", "notes:list"); code == 0 || !strings.Contains(stderr, "BadAdminKey") {
		t.Errorf("wrong key: exit %d, %s", code, stderr)
	}
}

// convex logs follows the function log: history first, then what comes.
func TestOfficialLogs(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	url := served(t, d)
	ask(d, "POST", "/api/mutation", `{"path":"notes:add","args":{"text":"before"}}`)
	lines := follow(t, npm, url, d.AdminKey(), "logs", "--history", "10", "--success")
	has := func(part string) func(string) bool {
		return func(line string) bool { return strings.Contains(line, part) }
	}
	until(t, lines, has("[CONVEX M(notes:add)] [LOG] 'adding' 'before'"))
	until(t, lines, has("[CONVEX M(notes:add)] Function executed in"))
	ask(d, "POST", "/api/query", `{"path":"notes:boom","args":{}}`)
	until(t, lines, has("[CONVEX Q(notes:boom)] [WARN] 'careful'"))
	until(t, lines, has("[CONVEX Q(notes:boom)] Uncaught Error: boom"))

	// As JSON the entries come whole.
	entries := follow(t, npm, url, d.AdminKey(), "logs", "--history", "10", "--jsonl")
	until(t, entries, func(line string) bool {
		var e struct {
			Kind, UDFType, Identifier, Error string
			LogLines                         []struct {
				Level    string
				Messages []string
			}
			UsageStats map[string]float64
		}
		err := json.Unmarshal([]byte(line), &e)
		return err == nil && e.Kind == "Completion" && e.UDFType == "Query" && e.Identifier == "notes:boom" && strings.HasPrefix(e.Error, "Uncaught Error: boom") &&
			len(e.LogLines) == 1 && e.LogLines[0].Level == "WARN" && e.LogLines[0].Messages[0] == "'careful'" && len(e.UsageStats) > 10
	})
}

// convex run --watch is a live query.
func TestOfficialWatch(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	lines := follow(t, npm, served(t, d), d.AdminKey(), "run", "--watch", "notes:list")
	has := func(part string) func(string) bool {
		return func(line string) bool { return strings.Contains(line, part) }
	}
	until(t, lines, has("[]"))
	for _, text := range []string{"first", "second"} {
		ask(d, "POST", "/api/mutation", `{"path":"notes:add","args":{"text":"`+text+`"}}`)
		until(t, lines, has(`"`+text+`"`))
	}
}

// follow runs the official CLI until the test ends and hands on what it prints.
func follow(t *testing.T, npm, url, key string, args ...string) <-chan string {
	t.Helper()
	cmd := convex(t.Context(), npm, url, key, args...)
	out := &waited{lines: make(chan string, 1000)}
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return out.lines
}

// waited hands on a program's output by the line.
type waited struct {
	lines chan string
	rest  string
}

func (w *waited) Write(b []byte) (int, error) {
	w.rest += string(b)
	for {
		line, rest, ok := strings.Cut(w.rest, "\n")
		if !ok {
			return len(b), nil
		}
		w.rest = rest
		w.lines <- line
	}
}

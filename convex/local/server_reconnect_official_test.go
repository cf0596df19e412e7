package local_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"strait/convex/internal/awkward"
	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/wire"
)

// reconnecting is a program for Node: the official reactive client keeps its
// subscriptions and runs its mutations once while its connection breaks.
const reconnecting = `
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { ConvexClient } from "convex/browser";
const { URL: url, KEY: key } = process.env;
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async (what) => { console.log(what); assert.equal((await answers.next()).value, "ok"); };

const live = new ConvexClient(url, { logger: false });
live.client.setAdminAuth(key);
let count, secret, wake = () => {};
live.onUpdate("notes:count", {}, (n) => { count = n; wake(); });
live.onUpdate("notes:secret", {}, (x) => { secret = x; wake(); });
const until = async (ok) => { while (!ok()) await new Promise((r) => (wake = r)); };
await until(() => count !== undefined && secret === 42);
const before = count;

await ask("drop"); // idle
await live.mutation("notes:add", { text: "after the break" });
await until(() => count === before + 1);

await ask("mute");
const lost = live.mutation("notes:add", { text: "its answer is lost" });
await ask("drop when committed");
assert.match(await lost, /^[0-9a-z]{31,37}$/);
await until(() => count === before + 2);

secret = undefined; // an admin still, after three connections
live.onUpdate("notes:list", {}, () => {});
assert.equal(await live.query("notes:secret", {}), 42);
assert.equal(await live.query("notes:count", {}), before + 2, "nothing ran twice");
assert.equal(live.client.connectionState().connectionCount, 3);
await live.close();
console.log("done");
process.exit(0);
`

// committed waits until a note is there.
func committed(t *testing.T, d *local.Deployment, text string) {
	t.Helper()
	there := make(chan struct{}, 100)
	stop := dial(t, d).Subscribe(wire.Call{Path: "notes:list"}, func(u wire.Update) {
		if strings.Contains(string(u.JSON), text) {
			there <- struct{}{}
		}
	})
	defer stop()
	select {
	case <-there:
	case <-t.Context().Done():
	}
}

func TestOfficialClientReconnects(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mute atomic.Bool // what the server says is thrown away
	proxy, err := awkward.New(served(t, d), awkward.Options{Frame: func(f awkward.Frame) []string {
		if mute.Load() && !f.ToServer {
			return nil
		}
		return []string{f.Text}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	conn := 0
	drop := func() {
		proxy.Conn(ctx, conn).Drop()
		conn++
		mute.Store(false)
	}
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-e", reconnecting)
	cmd.Dir = npm
	cmd.Env = append(os.Environ(), "URL="+proxy.URL(), "KEY="+d.AdminKey())
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		switch lines.Text() {
		case "drop":
			drop()
		case "mute":
			mute.Store(true)
		case "drop when committed":
			committed(t, d, "its answer is lost")
			drop()
		case "done":
			done = true
			continue
		}
		fmt.Fprintln(stdin, "ok")
	}
	if err := cmd.Wait(); err != nil || !done {
		t.Fatalf("the official client: %v\n%s", err, said.String())
	}
}

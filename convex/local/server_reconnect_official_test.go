package local_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/wire"
)

// cut is a TCP proxy whose connections a test can break, with or without
// losing what the server still had to say.
type cut struct {
	ln     net.Listener
	target string

	mu    sync.Mutex
	conns map[net.Conn]bool
	mute  bool // what the server says is thrown away
	made  int
}

func newCut(t *testing.T, target string) *cut {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	c := &cut{ln: ln, target: u.Host, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { ln.Close(); c.drop() })
	go func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			go c.join(in)
		}
	}()
	return c
}

func (c *cut) join(in net.Conn) {
	out, err := net.Dial("tcp", c.target)
	if err != nil {
		in.Close()
		return
	}
	c.mu.Lock()
	c.conns[in], c.conns[out] = true, true
	c.made++
	c.mu.Unlock()
	go func() {
		io.Copy(out, in)
		out.Close()
	}()
	io.Copy(silencer{c, in}, out)
	in.Close()
}

// silencer writes to a client what the server says, unless it is muted.
type silencer struct {
	c  *cut
	to net.Conn
}

func (s silencer) Write(b []byte) (int, error) {
	s.c.mu.Lock()
	mute := s.c.mute
	s.c.mu.Unlock()
	if mute {
		return len(b), nil
	}
	return s.to.Write(b)
}

func (c *cut) setMute(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mute = on
}

func (c *cut) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
		delete(c.conns, conn)
	}
	c.mute = false
}

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
	proxy := newCut(t, served(t, d))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--input-type=module", "-e", reconnecting)
	cmd.Dir = npm
	cmd.Env = append(os.Environ(), "URL=http://"+proxy.ln.Addr().String(), "KEY="+d.AdminKey())
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
			proxy.drop()
		case "mute":
			proxy.setMute(true)
		case "drop when committed":
			committed(t, d, "its answer is lost")
			proxy.drop()
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

package wire_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strait/convex/internal/awkward"
	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// notes is the project of the deployment behind the proxy.
var notes = map[string]string{
	"package.json": `{"name": "notes"}`,
	"convex/schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({ notes: defineTable({ tag: v.string() }).index("by_tag", ["tag"]) });`,
	"convex/notes.ts": `
import { mutation, query, action, internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
export const count = query({ handler: async (ctx, { tag }: any) => (await ctx.db.query("notes").withIndex("by_tag", (q: any) => q.eq("tag", tag)).collect()).length });
export const add = mutation({ handler: async (ctx, { tag }: any) => { console.log("adding", tag); await ctx.db.insert("notes", { tag }); return tag; } });
export const hidden = internalMutation({ handler: async (ctx, { tag }: any) => { await ctx.db.insert("notes", { tag }); } });
export const act = action({ handler: async (ctx, { tag }: any) => { await ctx.runMutation(internal.notes.hidden, { tag }); return "acted"; } });`,
}

// deployment is one embedded deployment for all tests of the process, served
// over TCP.
var deployment = sync.OnceValues(func() (*local.Deployment, error) {
	dir, err := os.MkdirTemp("", "awkward")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for name, text := range notes {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			return nil, err
		}
	}
	p, err := project.Load(context.Background(), project.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	d := local.New(local.Options{Name: "awkward", Seed: 1})
	return d, d.Push(context.Background(), local.Push{App: p.App})
})

var served = sync.OnceValues(func() (string, error) {
	d, err := deployment()
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go d.Serve(context.Background(), ln)
	return "http://" + ln.Addr().String(), nil
})

// stage is one client before the deployment, with the proxy between them.
type stage struct {
	t      *testing.T
	ctx    context.Context
	tag    string
	proxy  *awkward.Proxy
	client *wire.Client
	counts chan wire.Update // of a live query that counts the notes of tag
}

var tags atomic.Int64

// setup puts the stage up; what it started is gone when the test ends, or the
// test fails. After live() the client has one live query.
func setup(t *testing.T, opt awkward.Options) *stage {
	t.Helper()
	url, err := served()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := deployment()
	proxy, err := awkward.New(url, opt)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	s := &stage{t: t, ctx: ctx, proxy: proxy, tag: fmt.Sprint("tag", tags.Add(1)), counts: make(chan wire.Update, 1000)}
	s.client = wire.New(wire.Options{URL: proxy.URL(), AdminKey: d.AdminKey()})
	s.client.Hurry(5*time.Millisecond, 30*time.Second, 30*time.Second)
	t.Cleanup(func() {
		s.client.Close()
		proxy.Close()
		cancel()
		nothingRuns(t)
	})
	return s
}

// nothingRuns waits until no goroutine of the client is left.
func nothingRuns(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		buf := make([]byte, 1<<20)
		var left []string
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if strings.Contains(g, "strait/convex/wire.") || strings.Contains(g, "strait/convex/internal/awkward.") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
			return
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond) // between two looks
	}
}

func (s *stage) call(path string) wire.Call {
	return wire.Call{Path: path, Args: value.NewObject(value.Field{Name: "tag", Value: s.tag})}
}

func (s *stage) live() *stage {
	s.client.Subscribe(s.call("notes:count"), func(u wire.Update) { s.counts <- u })
	return s
}

// update is the next state of the live query.
func (s *stage) update() wire.Update {
	s.t.Helper()
	select {
	case u := <-s.counts:
		return u
	case <-s.ctx.Done():
		s.t.Fatalf("no update; state %+v", s.client.State())
		return wire.Update{}
	}
}

// until waits for a count.
func (s *stage) until(n float64) {
	s.t.Helper()
	for {
		u := s.update()
		if u.Err != nil {
			s.t.Fatal(u.Err)
		}
		if u.Value == n {
			return
		}
	}
}

func (s *stage) add() {
	s.t.Helper()
	if r, err := s.client.Mutate(s.ctx, s.call("notes:add")); err != nil || r.Value != s.tag {
		s.t.Fatalf("mutation: %+v, %v; state %+v", r, err, s.client.State())
	}
}

// well adds n notes and waits until the live query has them all, and no more.
func (s *stage) well(n int) {
	s.t.Helper()
	for range n {
		s.add()
	}
	s.until(float64(n))
	r, err := s.client.Query(s.ctx, s.call("notes:count"))
	if err != nil || r.Value != float64(n) {
		s.t.Errorf("%v notes, %v; want %d", r.Value, err, n)
	}
}

// conn waits for the nth connection.
func (s *stage) conn(n int) *awkward.Conn {
	s.t.Helper()
	c := s.proxy.Conn(s.ctx, n)
	if c == nil {
		s.t.Fatalf("no connection %d; state %+v", n, s.client.State())
	}
	return c
}

func (s *stage) attempts(least, most int) {
	s.t.Helper()
	if n := s.proxy.Attempts(); n < least || n > most {
		s.t.Errorf("%d attempts, want %d to %d", n, least, most)
	}
}

func message(f awkward.Frame) map[string]any {
	var m map[string]any
	json.Unmarshal([]byte(f.Text), &m)
	return m
}

func typeOf(f awkward.Frame) string { typ, _ := message(f)["type"].(string); return typ }

func encode(m any) string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// sent are the messages of a type that the client sent.
func (s *stage) sent(typ string) (out []map[string]any) {
	for _, f := range s.proxy.Frames() {
		if f.ToServer && typeOf(f) == typ {
			out = append(out, message(f))
		}
	}
	return out
}

package fleet

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// shop is a project whose tables were brought to a stricter schema: items,
// of which inferred shapes tell all, and kinds, whose literals they do not know.
var shop = map[string]string{
	"package.json": `{"name":"shop","dependencies":{"convex":"*","@convex-dev/migrations":"*"}}`,
	"convex/schema.ts": `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  items: defineTable({ n: v.number(), done: v.boolean() }),
  kinds: defineTable({ kind: v.union(v.literal("a"), v.literal("b")) }),
});`,
	"convex/convex.config.ts": `import { defineApp } from "convex/server";
import migrations from "@convex-dev/migrations/convex.config";
const app = defineApp();
app.use(migrations);
export default app;`,
	"convex/migrations.ts": define + `
export const run = migrations.runner();
export const setDone = migrations.define({ table: "items", batchSize: 50, migrateOne: (ctx, doc) => doc.done === undefined ? { done: false } : undefined });
`,
	"convex/items.ts": `import { mutation } from "./_generated/server";
import { v } from "convex/values";
export const add = mutation({ args: {}, handler: (ctx) => ctx.db.insert("items", { n: 1, done: true }) });
export const legacyAdd = mutation({ args: {}, handler: (ctx) => ctx.db.insert("items", { n: 1 } as any) });
export const legacyAddAndRemove = mutation({ args: { keep: v.boolean() }, handler: async (ctx, { keep }) => {
  const id = await ctx.db.insert("items", { n: 1 } as any);
  if (!keep) await ctx.db.delete(id);
} });
export const legacyReplace = mutation({ args: { id: v.id("items") }, handler: (ctx, { id }) => ctx.db.replace(id, { n: 2 } as any) });
export const addKind = mutation({ args: { kind: v.string() }, handler: (ctx, { kind }) => ctx.db.insert("kinds", { kind } as any) });
`,
}

// shopped is a deployment of the shop, widened, and a fleet that watches it
// through a transport which refuses some routes.
type shopped struct {
	t *testing.T
	d *local.Deployment
	f *Fleet
	c *wire.Client // of somebody else
	l *line
	o Options // of the fleet, to open it again
}

// line is the network between the fleet and the deployment.
type line struct {
	dial  func(ctx context.Context, network, addr string) (net.Conn, error)
	bytes atomic.Int64

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (l *line) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errors.New("the line is cut")
	}
	c, err := l.dial(ctx, network, addr)
	if err == nil {
		l.conns = append(l.conns, c)
		c = counted{c, &l.bytes}
	}
	return c, err
}

// down cuts the line, or mends it.
func (l *line) down(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

// refusing answers some routes as a deployment that has them not.
type refusing struct {
	http.RoundTripper
	routes []string
}

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if !slices.Contains(r.routes, req.URL.Path) {
		return r.RoundTripper.RoundTrip(req)
	}
	return &http.Response{
		StatusCode: http.StatusForbidden, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(`{"code":"StreamingExportNotEnabled","message":"Streaming export is not available on your current subscription. See https://www.convex.dev/plans to upgrade."}`)),
	}, nil
}

var (
	noStream = []string{"/api/list_snapshot", "/api/document_deltas"}
	noShapes = append([]string{"/api/shapes2"}, noStream...)
)

// shopKey names the variable of the key that every shop has: set once, for
// tests that run beside each other.
const shopKey = "STRAIT_TEST_SHOP_KEY"

func init() { os.Setenv(shopKey, "shop|secret") }

// openShop opens it with documents of the new shape, and old ones.
func openShop(t *testing.T, refuse []string, fitting, old int) *shopped {
	t.Helper()
	return openShopOf(t, loadShop(t), refuse, fitting, old)
}

func loadShop(t *testing.T) *project.Project {
	t.Helper()
	root := t.TempDir()
	for name, text := range shop {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := project.Load(t.Context(), project.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	p.Config.Envs = []project.Env{{Name: "only", URL: "http://shop.test", KeyEnv: shopKey}}
	return p
}

func openShopOf(t *testing.T, p *project.Project, refuse []string, fitting, old int) *shopped {
	t.Helper()
	d := local.New(local.Options{Name: "shop", AdminKey: "shop|secret"})
	t.Cleanup(func() { d.Close() })
	widened := &schema.Schema{Validation: true}
	for _, table := range p.Schema.Tables {
		c := *table
		c.Document = &schema.Validator{Kind: schema.Object, Fields: slices.Clone(table.Document.Fields)}
		for i, field := range c.Document.Fields {
			switch field.Name {
			case "done":
				c.Document.Fields[i].Optional = true
			case "kind":
				c.Document.Fields[i].Type = &schema.Validator{Kind: schema.String}
			}
		}
		widened.Tables = append(widened.Tables, &c)
	}
	if err := d.Push(t.Context(), local.Push{App: p.App, Schema: widened}); err != nil {
		t.Fatal(err)
	}
	var items []value.Object
	for i := range fitting + old {
		item := value.NewObject(value.Field{Name: "n", Value: float64(i)})
		if i < fitting {
			item = item.With("done", true)
		}
		items = append(items, item)
	}
	if _, err := d.Insert(t.Context(), "", "items", items); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Insert(t.Context(), "", "kinds", []value.Object{value.NewObject(value.Field{Name: "kind", Value: "a"})}); err != nil {
		t.Fatal(err)
	}
	transport := d.HTTPClient().Transport.(*http.Transport).Clone()
	l := &line{dial: transport.DialContext}
	transport.DialContext = l.connect
	o := Options{Project: p, http: &http.Client{Transport: refusing{transport, refuse}}, writersPace: 5 * time.Millisecond}
	f := Open(t.Context(), o)
	t.Cleanup(func() { f.Close() })
	t.Cleanup(transport.CloseIdleConnections)
	ready(t, f, "only")
	c := wire.New(wire.Options{URL: "http://shop.test", AdminKey: "shop|secret", HTTP: d.HTTPClient()})
	t.Cleanup(func() { c.Close() })
	return &shopped{t, d, f, c, l, o}
}

func args(fields ...any) value.Object {
	var out []value.Field
	for i := 0; i < len(fields); i += 2 {
		out = append(out, value.Field{Name: fields[i].(string), Value: fields[i+1]})
	}
	return value.NewObject(out...)
}

// write runs a mutation as the application does, or the dashboard.
func (s *shopped) write(path string, fields ...any) value.Value {
	s.t.Helper()
	r, err := s.c.Mutate(s.t.Context(), wire.Call{Path: path, Args: args(fields...)})
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Value
}

// count takes a census, of which nothing may be left.
func (s *shopped) count() {
	s.t.Helper()
	if out := runIt(s.t, s.f, Command{Action: plan.ActCensus}); out.Census == nil || out.Census.Offenders != 0 {
		s.t.Fatalf("the census: %+v %+v", out.Census, out.Failure)
	}
}

// writers waits for the watch to know something.
func (s *shopped) writers(what string, cond func(plan.Writers) bool) plan.Writers {
	s.t.Helper()
	var w plan.Writers
	e := s.f.envs[0]
	err := s.f.wait(within(s.t), func() bool {
		w = plan.Writers{}
		if e.writers != nil {
			w = *e.writers
		}
		return cond(w)
	})
	if err != nil {
		s.t.Fatalf("waiting until %s: %v; it is %+v, the certificate %+v", what, err, w, s.certificate())
	}
	return w
}

// looked waits until there was a look at what was written until then.
func (s *shopped) looked(how string, until time.Time) plan.Writers {
	s.t.Helper()
	return s.writers("what was written is looked at", func(w plan.Writers) bool { return w.How == how && w.Checked.After(until) })
}

func (s *shopped) certificate() *plan.Certificate { return s.f.Now().Envs[0].Certificate }

// refusals are why narrow may not go out.
func (s *shopped) refusals() (codes []string) {
	s.f.mu.Lock()
	ev := s.f.envs[0].evidence()
	s.f.mu.Unlock()
	ev.Deploys = true
	refusals, _ := plan.Gate(plan.Ask{Action: plan.ActNarrow, Env: ev, Target: s.f.Project().Schema, Definitions: s.f.defs})
	for _, r := range refusals {
		codes = append(codes, r.Code)
	}
	return codes
}

func (s *shopped) item(which int) string {
	n := 0
	for doc := range s.d.View().Scan("", "items", "", false) {
		if n == which {
			return doc.ID
		}
		n++
	}
	s.t.Fatal("no such item")
	return ""
}

// Whatever the means: documents that fit raise no alarm; one of the old shape,
// however it was written, is found, with its table and its time, ends the
// certificate and blocks narrow, until a later count finds nothing.
func TestOldShapeWriters(t *testing.T) {
	t.Parallel() // it waits
	for how, refuse := range map[string][]string{byChanges: nil, byShapes: noStream, byRecount: noShapes} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, refuse, 250, 0)
			if how == byShapes {
				// Where the target has literals, the shapes never fit it.
				s.write("_system/frontend/deleteDocuments", "toDelete", value.Array{args("id", s.kind(), "tableName", "kinds")})
			}
			s.count()
			s.looked(how, time.Time{})
			before := time.Now()
			s.write("items:add")
			s.write("_system/frontend/patchDocumentsFields", "table", "items", "fields", args("n", 7.0), "ids", value.Array{s.item(3)})
			if w := s.looked(how, before); len(w.Offenders) > 0 {
				t.Fatalf("fitting writes are offenders: %+v", w)
			}
			s.count() // documents were written since the first, all of them looked at
			if c := s.certificate(); c == nil || !c.Revoked.IsZero() {
				t.Fatalf("after fitting writes the certificate is %+v", c)
			}
			// On a busy machine, a write from before the count may be told of after it.
			s.writers("all that was told of is looked at", func(w plan.Writers) bool { return !w.Checked.Before(s.f.envs[0].written) })
			if got := s.refusals(); len(got) > 0 {
				t.Fatalf("narrow is refused: %v", got)
			}
			for _, x := range []struct {
				name  string
				write func()
				by    string
				fresh bool
			}{
				{"insert", func() { s.write("items:legacyAdd") }, "items:legacyAdd", true},
				{"replace", func() { s.write("items:legacyReplace", "id", s.item(5)) }, "items:legacyReplace", false},
				{"patch by the dashboard", func() {
					s.write("_system/frontend/patchDocumentsFields", "table", "items", "fields", args("done", absent), "ids", value.Array{s.item(240)})
				}, "", false},
				{"insert by the dashboard", func() {
					s.write("_system/frontend/addDocument", "table", "items", "documents", value.Array{args("n", 1.0)})
				}, "", true},
			} {
				before := time.Now().Truncate(time.Millisecond)
				x.write()
				w := s.writers(x.name+" is found", func(w plan.Writers) bool { return w.Offenders["items"] == 1 })
				if how == byChanges || x.fresh {
					if w.First.Before(before) || w.First.After(time.Now()) {
						t.Errorf("%s: written at %v, after %v", x.name, w.First, before)
					}
					if x.by != "" && !slices.Equal(w.Likely, []string{x.by}) {
						t.Errorf("%s: likely by %v", x.name, w.Likely)
					}
				}
				if len(w.Samples) != 1 || w.Samples[0].Table != "items" || w.Samples[0].Path != "items.done" || len(w.Samples[0].Samples) != 1 || w.Samples[0].Count != 1 {
					t.Errorf("%s: samples %+v", x.name, w.Samples)
				}
				if err := s.f.wait(within(t), func() bool { return !s.f.envs[0].certificate.Revoked.IsZero() }); err != nil {
					t.Fatal("the certificate stands")
				}
				if c := s.certificate(); !strings.HasPrefix(c.Why, "items: 1 document of the old shape written at ") || !strings.Contains(c.Why, "some code still writes them") {
					t.Errorf("%s: %q", x.name, c.Why)
				}
				if got := s.refusals(); !slices.Contains(got, "old-shape-writer") {
					t.Errorf("%s: narrow is refused for %v", x.name, got)
				}
				s.write("_system/frontend/patchDocumentsFields", "table", "items", "fields", args("done", true))
				s.count()
				s.writers("the watch begins anew", func(w plan.Writers) bool { return len(w.Offenders) == 0 && w.First.IsZero() })
				if c := s.certificate(); !c.Revoked.IsZero() {
					t.Errorf("%s: after a count of zero the certificate is revoked: %s", x.name, c.Why)
				}
			}
		})
	}
}

// absent is how the dashboard writes a field that goes (convex-wire.md 6.2.1).
const absent = "__CONVEX_PLACEHOLDER_undefined_777fd6c9a1a1b4a5d84ef1bd6d08ed5ee4b5ad0f"

func (s *shopped) kind() string {
	for doc := range s.d.View().Scan("", "kinds", "", false) {
		return doc.ID
	}
	s.t.Fatal("no kind")
	return ""
}

// From the end of a migration on its table is watched, without any count; what
// the migration itself wrote, and what it met, is nobody's offence.
func TestWatchFromTheEndOfAMigration(t *testing.T) {
	t.Parallel() // it waits
	for how, refuse := range map[string][]string{byChanges: nil, byRecount: noShapes} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, refuse, 0, 120)
			if w := s.f.Now().Envs[0].Writers; w != nil {
				t.Fatalf("before anything is clean it watches: %+v", w)
			}
			before := time.Now()
			if out := runIt(t, s.f, Command{Action: plan.ActRun, Migration: "setDone", Override: "no dry run needed"}); out.Status != "success" {
				t.Fatalf("%+v %+v", out, out.Failure)
			}
			w := s.looked(how, before)
			if len(w.Offenders) > 0 || w.Since.Before(before) {
				t.Fatalf("after the migration: %+v", w)
			}
			s.write("items:legacyReplace", "id", s.item(100))
			s.write("items:legacyAdd")
			w = s.writers("both are found", func(w plan.Writers) bool { return w.Offenders["items"] == 2 })
			if w.First.Before(before) || len(w.Samples) != 1 || w.Samples[0].Count != 2 {
				t.Errorf("%+v", w)
			}
			if !slices.ContainsFunc(s.f.Now().Messages, func(m Message) bool {
				return m.Level == "warn" && m.Env == "only" && strings.Contains(m.Text, "items: ") && strings.Contains(m.Text, "of the old shape written")
			}) {
				t.Errorf("no message tells: %+v", s.f.Now().Messages)
			}
			if got := s.refusals(); !slices.Contains(got, "old-shape-writer") {
				t.Errorf("narrow is refused for %v", got)
			}
		})
	}
}

// Every revision is looked at where the changes are told: a document of the old
// shape that was removed again was written all the same, and nothing is left
// of one that came and went within a transaction.
func TestADocumentThatIsGoneAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil, 10, 0)
	s.count()
	s.looked(byChanges, time.Time{})
	s.write("items:legacyAddAndRemove", "keep", false)
	id, _ := s.write("items:legacyAdd").(string)
	s.write("_system/frontend/deleteDocuments", "toDelete", value.Array{args("id", id, "tableName", "items")})
	w := s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["items"] > 0 })
	if w.Offenders["items"] != 1 || len(w.Samples) != 1 || w.Samples[0].Samples[0].ID != id {
		t.Fatalf("%+v", w)
	}
	s.count()
	s.writers("the watch begins anew", func(w plan.Writers) bool { return len(w.Offenders) == 0 })
}

// Literals, which shapes do not know, are watched by the recount; where the
// shapes do not fit and no document misfits, nothing is revoked.
func TestShapesThatProveNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t, noStream, 10, 0)
	s.count()
	before := time.Now()
	s.write("items:addKind", "kind", "b")
	if w := s.looked(byRecount, before); len(w.Offenders) > 0 {
		t.Fatalf("%+v", w)
	}
	if c := s.certificate(); !c.Revoked.IsZero() {
		t.Fatalf("it is revoked: %s", c.Why)
	}
	s.write("items:addKind", "kind", "c")
	w := s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["kinds"] == 1 })
	if !slices.Equal(w.Likely, []string{"items:addKind"}) {
		t.Errorf("likely by %v", w.Likely)
	}
	if c := s.certificate(); !strings.HasPrefix(c.Why, "kinds: 1 document") {
		t.Errorf("%q", c.Why)
	}
}

// What is written while the connection is lost is looked at when it is back:
// by the stream of changes from where it was, without a gap, else anew.
func TestWritesWhileTheConnectionIsLost(t *testing.T) {
	t.Parallel() // it waits
	for how, refuse := range map[string][]string{byChanges: nil, byRecount: noShapes} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, refuse, 120, 0)
			s.count()
			s.looked(how, time.Time{})
			s.l.down(true)
			state(t, s.f, Lost)
			lost := time.Now()
			s.write("items:legacyReplace", "id", s.item(60))
			s.l.down(false)
			w := s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["items"] == 1 })
			if how == byChanges && w.Since.After(lost) || how == byRecount && w.Since.Before(lost) {
				t.Errorf("since %v, the connection was lost at %v", w.Since, lost)
			}
			if how == byChanges && w.First.Before(lost) {
				t.Errorf("written at %v, after %v", w.First, lost)
			}
		})
	}
}

// A certificate of an earlier process is guarded from its count on: what was
// written while nobody watched is found.
func TestWritesWhileNobodyWatched(t *testing.T) {
	t.Parallel()
	for how, refuse := range map[string][]string{byChanges: nil, byRecount: noShapes} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, refuse, 120, 0)
			s.count()
			certified := s.certificate()
			s.f.Close()
			s.write("items:legacyReplace", "id", s.item(60))
			s.f = Open(t.Context(), s.o)
			defer s.f.Close()
			ready(t, s.f, "only")
			w := s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["items"] == 1 })
			if how == byChanges && w.Since.After(certified.Started) || how == byRecount && w.Since.Before(certified.Ended) {
				t.Errorf("by %s since %v, the certificate is of %v", w.How, w.Since, certified.Started)
			}
			if err := s.f.wait(within(t), func() bool { c := s.f.envs[0].certificate; return c != nil && !c.Revoked.IsZero() }); err != nil {
				t.Errorf("the certificate stands: %+v", s.certificate())
			}
		})
	}
}

// A watched environment in which nothing is written stays as cheap as any.
func TestIdleTrafficOfTheWatch(t *testing.T) {
	p := loadShop(t)
	for how, refuse := range map[string][]string{byChanges: nil, byRecount: noShapes} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openShopOf(t, p, refuse, 250, 0)
				s.f.Show("only")
				s.count()
				s.looked(how, time.Time{})
				s.c.Close()
				time.Sleep(2 * time.Minute) // simulated
				const minutes = 10
				before := s.l.bytes.Load()
				time.Sleep(minutes * time.Minute)
				rate := (s.l.bytes.Load() - before) / minutes
				t.Logf("%d bytes a minute", rate)
				w := s.f.Now().Envs[0].Writers
				if rate > 5000 || rate == 0 || w == nil || time.Since(w.Checked) > time.Minute {
					t.Errorf("%d bytes a minute; %+v", rate, w)
				}
			})
		})
	}
}

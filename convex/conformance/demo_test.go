package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/plan"
)

// TestDemoReachesItsTarget runs every migration of the demo project on the
// built-in prelude: from documents of the old schema, through the one that
// fails on an odd document, to a deployment that takes the target.
func TestDemoReachesItsTarget(t *testing.T) {
	dir, err := filepath.Abs("../../testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	s := play(t, dir)
	if t.Failed() {
		t.Log(strings.Join(s, "\n"))
	}
}

// TestDemoIsTheSameOnThePackages runs the same story on the unmodified npm
// packages and compares everything that can be seen of it.
func TestDemoIsTheSameOnThePackages(t *testing.T) {
	npm := npmtest.Dir(t)
	dir, err := filepath.Abs("../../testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	compareLines(t, play(t, demo(t, npm)), play(t, dir))
}

// story is one run of the demo and what was seen of it, a line each.
type story struct {
	t    *testing.T
	ctx  context.Context
	p    *project.Project
	d    *local.Deployment
	seen []string
}

func (s *story) say(format string, args ...any) {
	s.seen = append(s.seen, fmt.Sprintf(format, args...))
}

// play tells the whole story of the demo's migrations.
func play(t *testing.T, dir string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	p, err := project.Load(ctx, project.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range p.Problems {
		t.Errorf("problem: %v", problem)
	}
	s := &story{t: t, ctx: ctx, p: p}
	s.say("schema %s", p.SchemaJSON)
	for _, m := range p.Migrations {
		m.Source = ""
		s.say("definition %s", encode(t, m))
	}
	before, err := project.LoadSchema(ctx, p.Root, "schemas/before.ts")
	if err != nil {
		t.Fatal(err)
	}
	s.say("before %s", before.JSON())
	s.open(before)
	defer s.d.Close()
	s.migrate()
	return s.seen
}

func (s *story) open(before *schema.Schema) {
	s.t.Helper()
	s.d = local.New(local.Options{Seed: 7})
	counts := map[string]int{"teams": 5, "users": 120, "products": 30, "orders": 130, "sessions": 40, "embeddings": 25}
	if err := s.d.Generate(s.ctx, local.GenerateOptions{Schema: before, Counts: counts, Seed: 7}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.d.Push(s.ctx, local.Push{App: s.p.App, Schema: plan.Compare(before, s.p.Schema).Widened}); err != nil {
		s.t.Fatal(err)
	}
}

// migrate goes through the environments' life: dry runs, the series, a
// migration that fails and is started again, the hand-written one, narrowing.
func (s *story) migrate() {
	odd := s.orphanOrder()
	for _, m := range s.p.Migrations {
		if m.Driver == project.ComponentDriver && !m.Runner {
			s.call(m.Name, `{"dryRun":true}`)
		}
	}
	s.documents("after the dry runs")
	s.call("migrations:runPartOne", `{}`)
	s.settle()
	s.call("migrations:run", `{"fn":"migrations/orders:codeToText","next":["migrations/orders:retireCarts"],"batchSize":40}`)
	s.settle()
	s.call("migrations/orders:addCustomerName", `{}`)
	s.settle()
	s.status()
	if err := s.d.PushSchema(s.ctx, s.p.Schema); err == nil {
		s.t.Error("the target was accepted although a migration failed")
	} else {
		s.say("narrow refused: %v", err)
	}
	s.delete(odd)
	s.call("migrations/orders:addCustomerName", `{}`)
	s.settle()
	s.backfill()
	s.call("migrations:runPartOne", `{}`)
	s.call("migrations/orders:addCustomerName", `{"reset":true}`)
	s.settle()
	s.status()
	s.documents("at the end")
	if err := s.d.PushSchema(s.ctx, s.p.Schema); err != nil {
		s.t.Errorf("the target is refused after all migrations: %v", err)
	}
}

// orphanOrder deletes the customer of the newest order whose customer has no
// other, and returns the order.
func (s *story) orphanOrder() string {
	s.t.Helper()
	type order struct{ id, customer string }
	var orders []order
	count := map[string]int{}
	for doc := range s.d.View().Scan("", "orders", "", true) {
		var o struct {
			CustomerID string `json:"customerId"`
		}
		if err := json.Unmarshal([]byte(doc.JSON), &o); err != nil {
			s.t.Fatal(err)
		}
		orders = append(orders, order{doc.ID, o.CustomerID})
		count[o.CustomerID]++
	}
	for _, o := range orders {
		if count[o.customer] == 1 {
			s.delete(o.customer)
			return o.id
		}
	}
	s.t.Fatal("every customer has several orders")
	return ""
}

func (s *story) delete(id string) {
	s.t.Helper()
	if _, err := s.d.Update(s.ctx, "", func(w *local.Writer) error { return w.Delete(id) }); err != nil {
		s.t.Fatal(err)
	}
}

// call runs a mutation and notes its answer and its log.
func (s *story) call(path, args string) local.Response {
	r := s.d.Run(s.ctx, local.Request{Path: path, Args: args, Type: jsrun.Mutation, Admin: true})
	if r.Err != nil {
		s.say("%s %s failed: %s", path, args, firstLine(r.Err.Message))
	} else {
		s.say("%s %s: %s", path, args, timeless(s.t, r.Value))
	}
	s.lines(r.Log)
	return r
}

func (s *story) lines(log []local.FunctionLogLine) {
	for _, l := range log {
		for _, m := range l.Messages {
			s.say("  %s %s %s %s", l.Level, l.Component, l.UDFPath, steady(m))
		}
	}
}

func (s *story) settle() { settle(s.t, s.ctx, s.d) }

// settle waits until no migration is scheduled any more.
func settle(t testing.TB, ctx context.Context, d *local.Deployment) {
	t.Helper()
	for v := d.View(); len(v.Jobs("migrations")) > 0; v = d.View() {
		if _, err := d.Wait(ctx, v.Timestamp()); err != nil {
			t.Fatalf("wait for the migrations: %v", err)
		}
	}
}

func (s *story) status() {
	s.t.Helper()
	r := s.d.Run(s.ctx, local.Request{Component: "migrations", Path: "lib:getStatus", Args: `{}`, Type: jsrun.Query, Admin: true})
	if r.Err != nil {
		s.t.Fatal(r.Err)
	}
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(r.Value), &all); err != nil {
		s.t.Fatal(err)
	}
	for _, one := range all {
		s.say("status %s", timeless(s.t, string(one)))
	}
}

// backfill drives the hand-written migration page by page.
func (s *story) backfill() {
	s.t.Helper()
	cursor, processed := "null", 0
	for {
		r := s.d.Run(s.ctx, local.Request{Path: "embeddings:backfillModel", Args: `{"cursor":` + cursor + `,"batchSize":10}`, Type: jsrun.Mutation, Admin: true})
		if r.Err != nil {
			s.t.Fatal(r.Err)
		}
		var page struct {
			ContinueCursor     string
			IsDone             bool
			Processed, Changed int
		}
		if err := json.Unmarshal([]byte(r.Value), &page); err != nil {
			s.t.Fatal(err)
		}
		processed += page.Processed
		s.say("backfill %d %d %t", page.Processed, page.Changed, page.IsDone)
		if page.IsDone {
			break
		}
		cursor = encode(s.t, page.ContinueCursor)
	}
	if processed != 25 {
		s.t.Errorf("the hand-written migration went over %d of 25 documents", processed)
	}
}

// documents notes all documents of the root component. Those that migrations
// made have ids of their own.
func (s *story) documents(when string) {
	v := s.d.View()
	for _, table := range v.Tables("") {
		var docs []string
		for doc := range v.Scan("", table.Name, "", false) {
			docs = append(docs, timeless(s.t, doc.JSON))
		}
		slices.Sort(docs)
		s.say("%s: %d %s", when, table.Count, table.Name)
		s.seen = append(s.seen, docs...)
	}
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// timeless is JSON without what depends on the clock, and errors without
// their stacks, which name the files of either side.
func timeless(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return encode(t, prune(v))
}

func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		made := v["digest"] != nil && v["theme"] != nil // by movePreferences
		for name, inner := range v {
			switch name {
			case "_creationTime", "latestStart", "latestEnd", "lastStarted", "lastFinished":
				delete(v, name)
			case "cursor":
				v[name] = inner != nil
			case "_id":
				if made {
					delete(v, name)
				}
			default:
				v[name] = prune(inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	case string:
		return firstLine(v)
	}
	return v
}

var clock = regexp.MustCompile(`_creationTime: [0-9.]+`)

// steady is a log message without what depends on the clock.
func steady(text string) string { return clock.ReplaceAllString(text, "_creationTime: …") }

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

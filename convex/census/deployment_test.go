package census

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// slow skips a test of the race detector's -short run that runs the checker so
// often that it would take minutes there. TestFreeWriters is left to that run.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short, which is the race detector's run: it runs the checker thousands of times, one after the other")
	}
}

func dial(t testing.TB, d *local.Deployment) *wire.Client {
	t.Helper()
	c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: d.HTTPClient()})
	t.Cleanup(func() { c.Close() })
	return c
}

// billing is an app with a component, which may be pushed to any deployment.
var billing = sync.OnceValues(func() (*jsrun.App, error) {
	dir, err := os.MkdirTemp("", "census")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"package.json": `{"name": "shop"}`,
		"convex/convex.config.ts": `import { defineApp } from "convex/server";
import billing from "./billing/convex.config";
const app = defineApp();
app.use(billing);
export default app;`,
		"convex/billing/convex.config.ts": `import { defineComponent } from "convex/server";
export default defineComponent("billing");`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	p, err := project.Load(context.Background(), project.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return p.App, nil
})

// embedded is a deployment with an empty component "billing".
func embedded(t testing.TB, limits *local.Limits) (*local.Deployment, *wire.Client) {
	t.Helper()
	return embeddedAs(t, "embedded", limits)
}

func embeddedAs(t testing.TB, name string, limits *local.Limits) (*local.Deployment, *wire.Client) {
	t.Helper()
	app, err := billing()
	if err != nil {
		t.Fatal(err)
	}
	d := local.New(local.Options{Name: name, Seed: 1, Limits: limits})
	t.Cleanup(func() { d.Close() })
	if err := d.Push(t.Context(), local.Push{App: app}); err != nil {
		t.Fatal(err)
	}
	return d, dial(t, d)
}

func insert(t testing.TB, d *local.Deployment, component, table string, docs []value.Object) {
	t.Helper()
	if _, err := d.Insert(t.Context(), component, table, docs); err != nil {
		t.Fatal(err)
	}
}

func componentID(t testing.TB, c *wire.Client, path string) string {
	t.Helper()
	if path == "" {
		return ""
	}
	list, err := c.Components(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range list {
		if info.Path == path {
			return info.ID
		}
	}
	t.Fatalf("no component %q", path)
	return ""
}

// stored are the documents of a table by creation time.
func stored(t testing.TB, d *local.Deployment, component, table string) (docs []value.Object) {
	t.Helper()
	for doc := range d.View().Scan(component, table, "", false) {
		v, err := value.Decode([]byte(doc.JSON))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, v.(value.Object))
	}
	return docs
}

// checked is what CheckDocument over documents comes to.
func checked(table *schema.Table, ids schema.Tables, docs []value.Object) *share {
	var s share
	for i, doc := range docs {
		s.weigh(int64(value.Size(doc)))
		if v := table.CheckDocument(doc, ids); len(v) > 0 {
			s.take(table.Name, i+1, doc, v)
		}
	}
	return &s
}

// described is all that must be equal of the groups of a census.
func described(groups []plan.Group) string {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "%s %s: %d\n", g.Path, g.Reason, g.Count)
		for _, s := range g.Samples {
			fmt.Fprintf(&b, "  %s %s %s %s %q %d\n", s.ID, s.Place, s.Expected, s.Got, s.Message, len(s.Document))
		}
	}
	return b.String()
}

// equal compares a full census with CheckDocument over what is stored.
func equal(t testing.TB, d *local.Deployment, o Options, got *plan.Census) (problem string) {
	t.Helper()
	var groups []plan.Group
	var offenders int64
	tables := slices.SortedFunc(slices.Values(o.Target.Tables), func(a, b *schema.Table) int { return strings.Compare(a.Name, b.Name) })
	for _, table := range tables {
		want := checked(table, d.View().IDs(o.Component), stored(t, d, o.Component, table.Name))
		c := got.Counts[table.Name]
		if c.Proved == "" && (c.Read != want.read || !sizes(c.Size, want.size())) || c.Offenders != want.offenders || c.Most != want.offenders || c.Failed != "" {
			return fmt.Sprintf("table %s: %+v, want %d read, %d offenders, %+v", table.Name, c, want.read, want.offenders, want.size())
		}
		offenders += want.offenders
		groups = append(groups, want.groupsOf(table.Name)...)
	}
	if got.Offenders != offenders || !got.Full || got.Stopped != "" {
		return fmt.Sprintf("%d offenders (full %v, stopped %q), want %d", got.Offenders, got.Full, got.Stopped, offenders)
	}
	if g, w := described(got.Groups), described(groups); g != w {
		return fmt.Sprintf("groups:\n%s\nwant:\n%s", g, w)
	}
	return ""
}

// sizes reports whether got is what is known when some documents are weighed
// one by one and all of them together.
func sizes(got, want plan.Size) bool {
	return got.Mean == want.Mean && got.Largest <= want.Largest && got.Sampled <= want.Sampled && (got.Sampled > 0) == (want.Sampled > 0) &&
		(got.Sampled < want.Sampled || got.Largest == want.Largest)
}

// fieldNames are names that careless JavaScript stumbles over.
var fieldNames = []string{"a", "b", "constructor", "__proto__", "toString", "_c", "length"}

func drawValidator(t *rapid.T, depth int) *schema.Validator {
	most := 11
	if depth == 0 {
		most = 7
	}
	switch n := rapid.IntRange(0, most).Draw(t, "kind"); n {
	case 0, 1:
		return kind(rapid.SampledFrom([]schema.Kind{schema.String, schema.Number, schema.Bigint, schema.Boolean, schema.Null, schema.Bytes, schema.CommitTs}).Draw(t, "scalar"))
	case 2:
		if rapid.IntRange(0, 3).Draw(t, "any") == 0 {
			return rapid.SampledFrom([]*schema.Validator{nil, kind(schema.Any)}).Draw(t, "loose")
		}
		return kind(schema.String)
	case 3, 4, 5:
		return lit(rapid.SampledFrom([]value.Value{"admin", "", "ünï\u2028\"\\\n", true, false, 1.5, 0.0, math.Copysign(0, -1), math.NaN(), math.Inf(1), 1e300, int64(7), int64(math.MinInt64), 7.0}).Draw(t, "literal"))
	case 6, 7:
		return ref(rapid.SampledFrom([]string{"users", "orders", "_storage", "absent"}).Draw(t, "table"))
	case 8:
		return list(drawValidator(t, depth-1))
	case 9:
		keys := []*schema.Validator{kind(schema.String), ref("users"), either(ref("users"), ref("orders"))}
		return record(rapid.SampledFrom(keys).Draw(t, "key"), drawValidator(t, depth-1))
	case 10:
		return drawObject(t, depth-1)
	}
	u := either()
	for range rapid.IntRange(0, 3).Draw(t, "members") {
		u.Members = append(u.Members, drawValidator(t, depth-1))
	}
	return u
}

func drawObject(t *rapid.T, depth int) *schema.Validator {
	v := object()
	for _, name := range fieldNames {
		switch rapid.IntRange(0, 4).Draw(t, name) {
		case 0:
			v.Fields = append(v.Fields, req(name, drawValidator(t, depth)))
		case 1, 2:
			v.Fields = append(v.Fields, opt(name, drawValidator(t, depth)))
		}
	}
	return v
}

// drawRoot draws the validator of a document.
func drawRoot(t *rapid.T) *schema.Validator {
	switch rapid.IntRange(0, 5).Draw(t, "root") {
	case 0:
		return either(drawObject(t, 2), drawObject(t, 1))
	case 1:
		return either(drawObject(t, 2))
	case 2:
		return record(kind(schema.String), drawValidator(t, 2))
	}
	return drawObject(t, 2)
}

// drawDocument draws a document for a validator, often not one that fits.
func drawDocument(t *rapid.T, v *schema.Validator) value.Object {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "edge"), 1))
	made, _ := schema.Edge(v, r, refs{t}.ID)
	doc, ok := made.(value.Object)
	if !ok {
		doc = value.NewObject()
	}
	for range rapid.IntRange(0, 2).Draw(t, "damages") {
		doc = damage(t, doc)
	}
	if rapid.IntRange(0, 5).Draw(t, "named") == 0 {
		inner := value.NewObject(value.Field{Name: rapid.SampledFrom(fieldNames).Draw(t, "name"), Value: odd(1).Draw(t, "inner")})
		doc = doc.With(rapid.SampledFrom(fieldNames[:3]).Draw(t, "outer"), inner)
	}
	var out []value.Field
	for _, f := range doc {
		if !strings.HasPrefix(f.Name, "_") {
			out = append(out, f)
		}
	}
	return value.NewObject(out...)
}

// storable are the documents that a deployment would take.
func storable(docs []value.Object) []value.Object {
	return slices.DeleteFunc(docs, func(doc value.Object) bool { return value.CheckLimits(doc) != nil })
}

// The checker says of every document what CheckDocument says, in the root and
// in a component, of all that a document may hold.
func TestCheckerIsCheckDocument(t *testing.T) {
	slow(t)
	rapid.Check(t, func(rt *rapid.T) {
		d, c := embedded(t, nil)
		component := rapid.SampledFrom([]string{"", "billing"}).Draw(rt, "component")
		for _, name := range []string{"users", "orders"} {
			if err := d.DefineTable(component, name, shopNumbers[name]); err != nil {
				rt.Fatal(err)
			}
		}
		table := &schema.Table{Name: "things", Document: drawRoot(rt)}
		var docs []value.Object
		for range rapid.IntRange(1, 30).Draw(rt, "documents") {
			docs = append(docs, drawDocument(rt, table.Document))
		}
		insert(t, d, component, "things", storable(docs))
		o := Options{Target: &schema.Schema{Tables: []*schema.Table{table}}, Component: component, ComponentID: componentID(t, c, component)}
		got, err := Deployment(t.Context(), c, o)
		if err != nil {
			rt.Fatal(err)
		}
		if got.Brought != "" {
			rt.Fatalf("%s\nvalidator %s", got.Brought, table.Document)
		}
		if problem := equal(t, d, o, got); problem != "" {
			rt.Fatalf("%s\nvalidator %s", problem, table.Document)
		}
	})
}

// fill puts the documents of shop into a component.
func fill(t testing.TB, d *local.Deployment, component string, docs map[string][]value.Object) {
	t.Helper()
	for _, name := range []string{"users", "orders", "loose"} {
		if err := d.DefineTable(component, name, shopNumbers[name]); err != nil {
			t.Fatal(err)
		}
		insert(t, d, component, name, docs[name])
	}
}

// A census in pages of any size, stopped and resumed after any of them by a
// process that knows only the state's JSON, within small limits, is
// CheckDocument over all documents.
func TestDeploymentIsCheckDocumentOfAll(t *testing.T) {
	slow(t)
	rapid.Check(t, func(rt *rapid.T) {
		d, c := embedded(t, &local.Limits{DocumentsRead: rapid.IntRange(2, 40).Draw(rt, "limit")})
		component := rapid.SampledFrom([]string{"", "billing"}).Draw(rt, "component")
		docs := drawShop(rt)
		if rapid.Bool().Draw(rt, "ties") {
			for _, list := range docs {
				for i := range list {
					list[i] = list[i].With("_creationTime", float64(i/5))
				}
			}
		}
		for name := range docs {
			docs[name] = storable(docs[name])
		}
		fill(t, d, component, docs)
		o := Options{Target: shop, Component: component, ComponentID: componentID(t, c, component), Brought: rapid.IntRange(0, 3).Draw(rt, "brought") == 0}
		most := 0
		if component == "" { // a page that is read again has ties to read again
			most = rapid.IntRange(0, 9).Draw(rt, "budget")
		}
		for range 200 {
			var kept []byte
			o.Saved = func(s State) { kept, _ = json.Marshal(s) }
			o.Budget.Documents = int64(most)
			got, err := Deployment(t.Context(), c, o)
			if err != nil {
				rt.Fatal(err)
			}
			if got.Stopped == "" && most == 0 {
				if problem := equal(t, d, o, got); problem != "" {
					rt.Fatal(problem)
				}
				return
			}
			if got.Stopped == "" {
				most = 0 // samples that the budget had no room for are fetched now
			}
			if kept != nil {
				o.Resume = &State{}
				if err := json.Unmarshal(kept, o.Resume); err != nil {
					rt.Fatal(err)
				}
			}
		}
		rt.Fatal("the census does not come to an end")
	})
}

func TestCanceled(t *testing.T) {
	d, c := embedded(t, nil)
	fill(t, d, "", many(3000))
	ctx, cancel := context.WithCancel(t.Context())
	got, err := Deployment(ctx, c, Options{Target: shop, Tables: []string{"users"}, Progress: func(Progress) { cancel() }})
	if err != nil {
		t.Fatal(err)
	}
	users := got.Counts["users"]
	if got.Full || got.Stopped == "" || users.Read != firstPage || users.Offenders != firstPage/100 || users.Most != users.Offenders+1000 {
		t.Errorf("%+v", got)
	}
}

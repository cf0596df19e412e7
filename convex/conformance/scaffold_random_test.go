package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// randomShapes makes schemas of many tables, each changed at random in a place
// or two: shapes that nobody thought of.
type randomShapes struct{ *rand.Rand }

func (r randomShapes) validator(depth int) *schema.Validator {
	scalars := []*schema.Validator{
		{Kind: schema.String}, {Kind: schema.Number}, {Kind: schema.Boolean}, {Kind: schema.Bigint}, {Kind: schema.Null}, {Kind: schema.Bytes},
		{Kind: schema.ID, Table: "t0"}, {Kind: schema.ID, Table: "t1"}, {Kind: schema.Any},
		{Kind: schema.Literal, Literal: "a"}, {Kind: schema.Literal, Literal: "b"}, {Kind: schema.Literal, Literal: 1.0}, {Kind: schema.Literal, Literal: true},
	}
	n := r.IntN(10)
	switch {
	case depth == 0 || n < 4:
		return scalars[r.IntN(len(scalars))]
	case n < 5:
		return &schema.Validator{Kind: schema.Array, Element: r.validator(depth - 1)}
	case n < 6:
		return &schema.Validator{Kind: schema.Record, Key: &schema.Validator{Kind: schema.String}, Element: r.validator(depth - 1)}
	case n < 8:
		u := &schema.Validator{Kind: schema.Union}
		for range 2 + r.IntN(2) {
			u.Members = append(u.Members, r.validator(depth-1))
		}
		return u
	}
	return r.object(depth - 1)
}

func (r randomShapes) object(depth int) *schema.Validator {
	o := &schema.Validator{Kind: schema.Object}
	if r.IntN(3) == 0 {
		o.Fields = append(o.Fields, schema.Field{Name: "kind", Type: &schema.Validator{Kind: schema.Literal, Literal: []string{"x", "y", "z"}[r.IntN(3)]}})
	}
	for _, name := range []string{"a", "b", "c"} {
		if r.IntN(3) > 0 {
			o.Fields = append(o.Fields, schema.Field{Name: name, Type: r.validator(depth), Optional: r.IntN(3) == 0})
		}
	}
	return o
}

// changed is v with something else in one place.
func (r randomShapes) changed(v *schema.Validator, depth int) *schema.Validator {
	out := *v
	if depth > 0 && r.IntN(4) > 0 {
		switch v.Kind {
		case schema.Array, schema.Record:
			out.Element = r.changed(v.Element, depth-1)
			return &out
		case schema.Union:
			out.Members = append([]*schema.Validator(nil), v.Members...)
			i := r.IntN(len(out.Members))
			out.Members[i] = r.changed(out.Members[i], depth-1)
			return &out
		case schema.Object:
			if len(v.Fields) == 0 {
				return r.object(1)
			}
			out.Fields = append([]schema.Field(nil), v.Fields...)
			i := r.IntN(len(out.Fields))
			switch r.IntN(4) {
			case 0:
				out.Fields[i].Optional = !out.Fields[i].Optional
			case 1:
				out.Fields = append(out.Fields[:i], out.Fields[i+1:]...)
			default:
				out.Fields[i].Type = r.changed(out.Fields[i].Type, depth-1)
			}
			return &out
		}
	}
	if v.Kind == schema.Object && depth > 2 {
		return r.object(depth - 1)
	}
	return r.validator(2)
}

// schemas are two schemas of n tables.
func (r randomShapes) schemas(n int) (before, after *schema.Schema) {
	before, after = &schema.Schema{Validation: true}, &schema.Schema{Validation: true}
	for i := range n {
		name := fmt.Sprintf("t%d", i)
		a := r.object(2)
		t := r.changed(a, 3)
		if t.Kind != schema.Object {
			t = r.object(2)
		}
		before.Tables = append(before.Tables, &schema.Table{Name: name, Document: a})
		after.Tables = append(after.Tables, &schema.Table{Name: name, Document: t})
	}
	return before, after
}

func randomScaffolded(t *testing.T, seed uint64, tables int) *scaffolded {
	t.Helper()
	s := &scaffolded{t: t, ctx: t.Context(), c: scaffoldCase{name: "random"}}
	s.before, s.after = randomShapes{rand.New(rand.NewPCG(seed, 17))}.schemas(tables)
	in := plan.Input{Target: s.after, Envs: []plan.Evidence{{Env: "prod", Reachable: true, Active: s.before, ActiveKnown: true}}}
	s.review = plan.NewReview(in, plan.Make(in))
	return s
}

// TestScaffoldsOfAnyShape runs the migrations of random changes as they are
// written, without anybody's choices: over documents that fit, which must stay
// as they are, then over old ones, of which each table's fit in the end unless
// a migration waits for a choice.
func TestScaffoldsOfAnyShape(t *testing.T) {
	s := randomScaffolded(t, 2, 60)
	s.push(s.review.Widened)
	defer s.d.Close()
	for _, name := range []string{"t0", "t1"} {
		s.edgesOf(s.after.Table(name), 3)
	}
	for _, table := range s.after.Tables {
		s.edgesOf(table, 8)
	}
	fitting := s.documents()
	for _, x := range s.scaffolds() {
		if failed := s.try(x); failed != "" {
			t.Errorf("%s\n%s", failed, x.Code)
		}
	}
	if !maps.Equal(s.documents(), fitting) {
		t.Error("documents that fitted were changed")
	}

	for _, table := range s.before.Tables {
		s.edgesOf(table, 8)
	}
	waits := map[string]bool{}
	for _, a := range s.review.Changes {
		if a.Scaffold == nil {
			t.Errorf("%s has no migration", a.Title)
			continue
		}
		failed := s.try(*a.Scaffold)
		waits[a.Table] = waits[a.Table] || failed != ""
		if failed != "" && !strings.Contains(failed, "Error: TODO: ") && !strings.Contains(failed, " first\n") {
			t.Errorf("%s\n%s", failed, a.Scaffold.Code)
		}
	}
	done := 0
	s.eachDocument(func(table *schema.Table, id, text string, doc value.Object) {
		if waits[table.Name] {
			return
		}
		if bad := table.CheckDocument(doc, s.tables()); len(bad) > 0 {
			t.Errorf("a document of %s does not fit: %s\n%s", table.Name, bad[0].Message, text)
		} else if fitting[id] == "" {
			done++
		}
	})
	if len(fitting) < 100 || done < 50 {
		t.Errorf("%d documents fitted and %d were made to: the test shows too little", len(fitting), done)
	}
}

// push starts a deployment with the migrations as they are written and empty
// tables.
func (s *scaffolded) push(active *schema.Schema) {
	s.t.Helper()
	dir := s.t.TempDir()
	s.write(dir, false)
	p, err := project.Load(s.ctx, project.Options{Dir: dir, Lookup: func(string) (string, bool) { return "", false }})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, problem := range p.Problems {
		s.t.Errorf("problem: %v", problem)
	}
	s.d = local.New(local.Options{Seed: 3})
	if err := s.d.Push(s.ctx, local.Push{App: p.App, Schema: active}); err != nil {
		s.t.Fatal(err)
	}
}

// try runs one migration to its end and gives its error, if any.
func (s *scaffolded) try(x plan.Snippet) (failed string) {
	s.t.Helper()
	name := strings.TrimPrefix(x.Title, "Migration ")
	if r := s.d.Run(s.ctx, local.Request{Path: name, Args: `{"reset":true}`, Type: jsrun.Mutation, Admin: true}); r.Err != nil {
		s.t.Fatalf("start %s: %v", name, r.Err)
	}
	settle(s.t, s.ctx, s.d)
	r := s.d.Run(s.ctx, local.Request{Component: "migrations", Path: "lib:getStatus", Args: `{"names":["` + name + `"]}`, Type: jsrun.Query, Admin: true})
	if r.Err != nil {
		s.t.Fatal(r.Err)
	}
	var all []struct{ State, Error string }
	if err := json.Unmarshal([]byte(r.Value), &all); err != nil {
		s.t.Fatal(err)
	}
	if all[0].State == "success" {
		return ""
	}
	return all[0].State + ": " + all[0].Error + "\n"
}

func (s *scaffolded) edgesOf(table *schema.Table, n int) {
	r := rand.New(rand.NewPCG(11, uint64(len(table.Name))))
	for range n {
		doc, ok := schema.Edge(table.Document, r, func(name string) (string, bool) {
			for doc := range s.d.View().Scan("", name, "", false) {
				return doc.ID, true
			}
			return "", false
		})
		if o, is := doc.(value.Object); ok && is {
			s.insert(table.Name, o)
		}
	}
}

package prove

import (
	"context"
	"slices"
	"strings"

	"strait/convex/local"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// trial is some documents put through the row's migrations twice, in a
// deployment that holds nothing else in their table but what can be referred to.
type trial struct {
	w      *world
	ids    []string
	views  []*local.View // before, after each migration, after each of the second run
	thrown *thrown       // what ended it; then views are those until there
	first  int           // views of the first run, that of before included
}

// put runs the documents through the migrations, twice.
func (s *search) put(ctx context.Context, base *local.View, docs []value.Object) (*trial, error) {
	w := s.w
	if err := w.d.Reset(base); err != nil {
		return nil, err
	}
	if _, err := w.d.Insert(ctx, "", w.table, docs); err != nil {
		return nil, err
	}
	t := &trial{w: w, ids: make([]string, len(docs)), views: []*local.View{w.d.View()}, first: 1 + len(s.migrations)}
	for i, doc := range docs {
		t.ids[i] = idOf(doc)
	}
	for range 2 {
		for i, m := range s.migrations {
			bad, err := w.migrate(ctx, m, s.functions[i], len(docs)+othersEach+1)
			if err != nil {
				return nil, err
			}
			if bad != nil {
				t.thrown = bad
				return t, nil
			}
			t.views = append(t.views, w.d.View())
		}
	}
	return t, nil
}

func idOf(doc value.Object) string {
	v, _ := doc.Get("_id")
	id, _ := v.(string)
	return id
}

func (t *trial) before() *local.View { return t.views[0] }
func (t *trial) after() *local.View  { return t.views[min(t.first, len(t.views))-1] }
func (t *trial) again() *local.View  { return t.views[len(t.views)-1] }

func body(v *local.View, id string) value.Object {
	d, ok := v.Get("", id)
	if !ok {
		return nil
	}
	decoded, err := value.Decode([]byte(d.JSON))
	if err != nil {
		return nil
	}
	doc, _ := decoded.(value.Object)
	return fields(doc)
}

func text(v *local.View, id string) string {
	d, _ := v.Get("", id)
	return d.JSON
}

// judge is what is wrong with the outcome of one document; nil nothing is.
func (s *search) judge(t *trial, i int) *plan.Counterexample {
	id := t.ids[i]
	before, after, again := text(t.before(), id), text(t.after(), id), text(t.again(), id)
	ids := t.before().IDs("")
	old := body(t.before(), id)
	violations := s.target.CheckDocument(old, ids)
	c := &plan.Counterexample{Before: old, After: body(t.after(), id)}
	switch {
	case len(violations) == 0 && after != before && len(dangling(t.before(), old)) == 0:
		c.Kind, c.Migration = plan.KindTouchesFitting, s.changer(t, id, 1, before)
		c.Violation = "it fits the target and is changed"
		if after == "" {
			c.Violation = "it fits the target and is deleted"
		} else {
			c.Place, c.Way = difference(c.Before, c.After)
		}
		return c
	case after != "":
		if v := s.counts(violations, s.target.CheckDocument(c.After, ids)); v != nil {
			c.Kind, c.Migration = plan.KindMisfit, s.changer(t, id, 1, before)
			c.Place, c.Way, c.Violation, c.Expected, c.Got = strings.TrimPrefix(v.Path, "."), v.Way, v.Message, v.Expected, v.Got
			return c
		}
	}
	if again != after {
		c.Kind, c.Migration, c.Again = plan.KindNotIdempotent, s.changer(t, id, t.first, after), body(t.again(), id)
		c.Violation = "a second run changes it again"
		if again == "" {
			c.Violation = "a second run deletes it"
		}
		c.Place, c.Way = difference(c.After, c.Again)
		return c
	}
	return nil
}

// dangling are the places of ids that lead to no document. Nothing keeps such
// a document from fitting a schema; but to remove it is no mistake.
func dangling(v *local.View, doc value.Object) []string {
	var out []string
	for _, f := range doc {
		References(f.Value, func(id string, _ value.ID) {
			if _, ok := v.Get("", id); !ok && !slices.Contains(out, f.Name) {
				out = append(out, f.Name)
			}
		})
	}
	return out
}

// changer is the first migration, of those that made the views from there on,
// after which the document is not as it was; when none changed it the last one
// of its table.
func (s *search) changer(t *trial, id string, from int, was string) string {
	for i := from; i < len(t.views); i++ {
		if text(t.views[i], id) != was {
			return s.migrations[(i-1)%len(s.migrations)].Name
		}
	}
	for _, m := range slices.Backward(s.migrations) {
		if m.Table == s.row.Table {
			return m.Name
		}
	}
	return s.migrations[len(s.migrations)-1].Name
}

// counts is the first violation that counts against the row's migrations.
func (s *search) counts(before, after []schema.Violation) *schema.Violation {
	known := map[string]bool{}
	for _, v := range before {
		known[v.Field] = true
	}
	for i, v := range after {
		if s.concerns(v) || !known[v.Field] {
			return &after[i]
		}
	}
	return nil
}

// concerns reports whether a violation is the row's: at or below its path, or
// in a union above it of which the closest member is wrong there.
func (s *search) concerns(v schema.Violation) bool {
	path := fieldPath(s.row)
	if within(path, v.Field) {
		return true
	}
	if !within(v.Field, path) {
		return false
	}
	for v.Closest != nil {
		v = *v.Closest
	}
	return within(path, v.Field) || within(v.Field, path)
}

// within reports whether path inner is outer or lies in it; "" is the whole
// document.
func within(outer, inner string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[' || rest[0] == '{')
}

// difference is the first field in which two documents differ.
func difference(a, b value.Object) (place string, way []string) {
	for _, f := range a {
		if v, ok := b.Get(f.Name); !ok || !value.Equal(f.Value, v) {
			return f.Name, []string{f.Name}
		}
	}
	for _, f := range b {
		if _, ok := a.Get(f.Name); !ok {
			return f.Name, []string{f.Name}
		}
	}
	return "", nil
}

// elsewhere is what the trial wrote into other documents and should not have;
// nil nothing. Which document of the trial is to blame it cannot tell.
func (s *search) elsewhere(t *trial) *plan.Counterexample {
	own := make(map[string]bool, len(t.ids))
	for _, id := range t.ids {
		own[id] = true
	}
	stored, is := others(t.before(), t.after(), own), others(t.after(), t.before(), own)
	then, twice := others(t.after(), t.again(), own), others(t.again(), t.after(), own)
	ids := t.after().IDs("")
	for _, d := range is.list {
		shape := s.o.Target.Table(d.table)
		old, known := stored.text(d.ID)
		if shape == nil || known && old == d.JSON || bookkeeping(d.JSON) {
			continue
		}
		if known && len(shape.CheckDocument(object(old), ids)) > 0 {
			continue
		}
		if bad := shape.CheckDocument(object(d.JSON), ids); len(bad) > 0 {
			return &plan.Counterexample{
				Kind: plan.KindOtherTable, Migration: s.writer(t, d.ID, 1), Other: fields(object(d.JSON)),
				Place: d.table + bad[0].Path, Way: bad[0].Way, Violation: bad[0].Message, Expected: bad[0].Expected, Got: bad[0].Got,
			}
		}
	}
	for _, d := range twice.list {
		old, known := then.text(d.ID)
		if known && old == d.JSON || bookkeeping(d.JSON) {
			continue
		}
		c := &plan.Counterexample{Kind: plan.KindNotIdempotent, Migration: s.writer(t, d.ID, t.first), Place: d.table}
		c.Other = fields(object(d.JSON))
		c.Violation = "a second run adds another document to table " + d.table
		if known {
			c.Violation = "a second run changes a document of table " + d.table + " again"
		}
		return c
	}
	return nil
}

// writer is the migration that wrote a document that is not of the trial.
func (s *search) writer(t *trial, id string, from int) string {
	return s.changer(t, id, from, text(t.views[from-1], id))
}

type other struct {
	local.Document
	table string
}

type documentsBeside struct {
	list []other
	byID map[string]string // their text
}

func (d documentsBeside) text(id string) (string, bool) {
	text, ok := d.byID[id]
	return text, ok
}

// others are the documents beside those of the trial in the tables that are
// not as they are in the other view, by table and time.
func others(v, unlike *local.View, own map[string]bool) documentsBeside {
	out := documentsBeside{byID: map[string]string{}}
	for _, t := range v.Tables("") {
		if v.SameTable(unlike, "", t.Name) {
			continue
		}
		for d := range v.Scan("", t.Name, "", false) {
			if !own[d.ID] {
				out.list, out.byID[d.ID] = append(out.list, other{d, t.Name}), d.JSON
			}
		}
	}
	return out
}

// bookkeeping reports whether a document is the state that convex-helpers keeps
// of its migrations.
func bookkeeping(json string) bool {
	o := object(json)
	for _, name := range []string{"name", "cursor", "isDone", "processed", "latestStart"} {
		if _, ok := o.Get(name); !ok {
			return false
		}
	}
	return true
}

func object(json string) value.Object {
	v, err := value.Decode([]byte(json))
	if err != nil {
		return nil
	}
	o, _ := v.(value.Object)
	return o
}

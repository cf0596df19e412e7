package census

import (
	"cmp"
	"slices"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

const (
	sharedSamples = 5   // of a group
	sharedGroups  = 500 // of a table; documents may bring any number of extra fields
	sharedText    = 16 << 10
)

// share counts what one goroutine finds of one table, so that goroutines can
// count a table together: merged in any order, the groups hold the samples that
// come first in the table.
type share struct {
	read, bytes, offenders int64
	groups                 map[shareKey]*shared
}

type shareKey struct{ path, reason string }

type shared struct {
	count   int64
	samples []placed // by line
	last    int      // line of the document counted last
}

// placed is a sample and the line of its document.
type placed struct {
	plan.Sample
	line int
}

// take counts the violations of the document of a line. Lines ascend.
func (t *share) take(table string, line int, doc value.Object, violations []schema.Violation) {
	t.offenders++
	if t.groups == nil {
		t.groups = map[shareKey]*shared{}
	}
	for _, v := range violations {
		g := t.group(shareKey{pathOf(table, v.Field), v.Reason}, table)
		if g.last == line {
			continue // a document counts once in a group
		}
		g.count++
		g.last = line
		if len(g.samples) < sharedSamples {
			g.samples = append(g.samples, placed{placedOf(doc, v), line})
		}
	}
}

// group is the group of a key; that of the whole document for one more than a
// table may have.
func (t *share) group(key shareKey, table string) *shared {
	g := t.groups[key]
	if g == nil && len(t.groups) >= sharedGroups {
		key.path = table
		g = t.groups[key]
	}
	if g == nil {
		g = &shared{}
		t.groups[key] = g
	}
	return g
}

func placedOf(doc value.Object, v schema.Violation) plan.Sample {
	id, _ := doc.Get("_id")
	text, _ := id.(string)
	message := v.Message
	if len(message) > sharedText {
		message = message[:sharedText] + "…"
	}
	return plan.Sample{ID: text, Place: v.Path, Message: message, Expected: v.Expected, Got: v.Got, Document: doc}
}

// pathOf is a violation's field as the plan writes paths.
func pathOf(table, field string) string {
	switch {
	case field == "":
		return ""
	case field[0] == '[' || field[0] == '{' || field[0] == '.':
		return table + field
	}
	return table + "." + field
}

// merge adds what another goroutine has found of the same table.
func (t *share) merge(o *share) {
	t.read += o.read
	t.bytes += o.bytes
	t.offenders += o.offenders
	if t.groups == nil {
		t.groups = map[shareKey]*shared{}
	}
	for key, from := range o.groups {
		g := t.groups[key]
		if g == nil {
			g = &shared{}
			t.groups[key] = g
		}
		g.count += from.count
		g.samples = append(g.samples, from.samples...)
		slices.SortStableFunc(g.samples, func(a, b placed) int { return cmp.Compare(a.line, b.line) })
		g.samples = g.samples[:min(len(g.samples), sharedSamples)]
	}
}

// groupsOf are the groups as a census tells them.
func (t *share) groupsOf(table string) []plan.Group {
	var out []plan.Group
	for key, g := range t.groups {
		group := plan.Group{Table: table, Path: key.path, Reason: key.reason, Count: g.count}
		for _, s := range g.samples {
			group.Samples = append(group.Samples, s.Sample)
		}
		out = append(out, group)
	}
	slices.SortFunc(out, func(a, b plan.Group) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
	return out
}

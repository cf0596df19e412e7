package census

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

const (
	maxSamples = 5   // of a group
	maxGroups  = 500 // of a table; documents may bring any number of extra fields
	maxText    = 16 << 10
)

// share counts what one reader finds of one table, so that several can count a
// table together: merged in any order, the groups hold the samples that come
// first in the table. It is not safe for concurrent use.
type share struct {
	read, bytes, offenders int64
	weighed, largest       int64 // documents whose size is known, and that of the largest
	groups                 map[groupKey]*group
}

type groupKey struct{ path, reason string }

// keyOf is the group of a violation in a document of a table.
func keyOf(table string, v schema.Violation) groupKey {
	return groupKey{PathOf(table, v.Field), v.Reason}
}

type group struct {
	count   int64
	samples []placed // by line
	last    int      // line of the document counted last
}

// placed is a sample and the line of its document: its place in the table.
type placed struct {
	plan.Sample
	line int
}

// weigh counts a document that was read, by its size.
func (t *share) weigh(size int64) {
	t.read++
	t.bytes += size
	t.weighed++
	t.largest = max(t.largest, size)
}

// judge counts the document of a line, which is at hand. Lines ascend.
func (t *share) judge(table *schema.Table, line int, doc value.Object, ids schema.Tables) {
	t.weigh(int64(value.Size(doc)))
	if table.FitsDocument(doc, ids) {
		return
	}
	found := table.Misfits(doc, ids)
	if t.wants(table.Name, found) {
		found = table.CheckDocument(doc, ids)
	}
	if len(found) > 0 {
		t.take(table.Name, line, doc, found)
	}
}

// take counts the violations of the document of a line, from 1. Lines ascend.
func (t *share) take(table string, line int, doc value.Object, violations []schema.Violation) {
	t.offenders++
	for _, v := range violations {
		g := t.group(keyOf(table, v), table)
		if g.last == line {
			continue // a document counts once in a group
		}
		g.count++
		g.last = line
		g.keep(line, doc, v)
	}
}

func (g *group) keep(line int, doc value.Object, v schema.Violation) {
	if len(g.samples) < maxSamples {
		g.samples = append(g.samples, placed{sampleOf(doc, v), line})
	}
}

// wants reports whether a document with these violations becomes a sample, so
// that their texts are needed.
func (t *share) wants(table string, violations []schema.Violation) bool {
	for _, v := range violations {
		key := keyOf(table, v)
		if t.groups[key] == nil && len(t.groups) >= maxGroups {
			key.path = table
		}
		if g := t.groups[key]; g == nil || len(g.samples) < maxSamples {
			return true
		}
	}
	return false
}

// group is the group of a key; that of the whole document for one more than a
// table may have.
func (t *share) group(key groupKey, table string) *group {
	g := t.groups[key]
	if g == nil && len(t.groups) >= maxGroups {
		key.path = table
		g = t.groups[key]
	}
	if g == nil {
		if t.groups == nil {
			t.groups = map[groupKey]*group{}
		}
		g = &group{}
		t.groups[key] = g
	}
	return g
}

// sampleOf is a document with the place at which it does not fit.
func sampleOf(doc value.Object, v schema.Violation) plan.Sample {
	id, _ := doc.Get("_id")
	text, _ := id.(string)
	if len(v.Message) > maxText {
		v.Message = strings.ToValidUTF8(v.Message[:maxText], "") + "…"
	}
	return plan.SampleOf(text, doc, v)
}

// PathOf is a violation's field as the plan writes paths: "orders.total", and ""
// for a document as a whole.
func PathOf(table, field string) string {
	switch {
	case field == "":
		return ""
	case field[0] == '[' || field[0] == '{' || field[0] == '.':
		return table + field
	}
	return table + "." + field
}

// merge adds what another reader has found of the same table.
func (t *share) merge(table string, o *share) {
	t.read += o.read
	t.bytes += o.bytes
	t.offenders += o.offenders
	t.weighed += o.weighed
	t.largest = max(t.largest, o.largest)
	for key, from := range o.groups {
		g := t.group(key, table)
		g.count += from.count
		g.samples = append(g.samples, from.samples...)
		slices.SortStableFunc(g.samples, func(a, b placed) int { return cmp.Compare(a.line, b.line) })
		g.samples = g.samples[:min(len(g.samples), maxSamples)]
	}
}

// groupsOf are the groups as a census tells them.
func (t *share) groupsOf(table string) []plan.Group {
	var out []plan.Group
	for _, key := range t.keys() {
		g := t.groups[key]
		group := plan.Group{Table: table, Path: key.path, Reason: key.reason, Count: g.count}
		for _, s := range g.samples {
			group.Samples = append(group.Samples, s.Sample)
		}
		out = append(out, group)
	}
	return out
}

// size is how large the documents are.
func (t *share) size() plan.Size {
	if t.read == 0 || t.weighed == 0 {
		return plan.Size{}
	}
	return plan.Size{Sampled: t.weighed, Mean: t.bytes / t.read, Largest: t.largest}
}

// addTo adds the table to a census: what count says of it, and what was found.
func (t *share) addTo(out *plan.Census, table string, count plan.TableCount) {
	out.Read += t.read
	out.Bytes += t.bytes
	out.Offenders += t.offenders
	count.Read, count.Offenders, count.Size = t.read, t.offenders, t.size()
	out.Counts[table] = count
	if count.Proved == "" {
		out.Tables[table] = t.offenders
	}
	out.Groups = append(out.Groups, t.groupsOf(table)...)
	slices.SortStableFunc(out.Groups, func(a, b plan.Group) int { return cmp.Compare(a.Table, b.Table) })
}

// keys are the groups' keys in order.
func (t *share) keys() []groupKey {
	return slices.SortedFunc(maps.Keys(t.groups), func(a, b groupKey) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.reason, b.reason))
	})
}

package census

import (
	"cmp"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// samplesKept is how many documents of a group are kept.
const samplesKept = 5

// tally counts one table: what was read of it, and the groups of offenders. It
// is not safe for concurrent use; tallies of parts of a table are added up.
type tally struct {
	table *schema.Table
	ids   schema.Tables
	// count is what is known of the table; take and add keep Read and
	// Offenders, the owner the rest.
	count   plan.TableCount
	bytes   int64
	largest int64
	groups  map[groupKey]*plan.Group
}

type groupKey struct{ path, reason string }

// newTally counts a table of which no document was read yet. ids tell the
// tables of ids apart; nil accepts every id.
func newTally(table *schema.Table, ids schema.Tables) *tally {
	return &tally{table: table, ids: ids, groups: map[groupKey]*plan.Group{}}
}

// take counts one document. It keeps the document if it becomes a sample.
func (t *tally) take(doc value.Object) {
	t.weigh(int64(value.Size(doc)))
	if t.table.FitsDocument(doc, t.ids) {
		return
	}
	t.count.Offenders++
	for key, v := range grouped(t.table, doc, t.ids) {
		g := t.group(key)
		g.Count++
		g.keep(doc, v)
	}
}

// weigh counts one document that was read, by its size.
func (t *tally) weigh(size int64) {
	t.count.Read++
	t.bytes += size
	t.largest = max(t.largest, size)
}

func (t *tally) group(key groupKey) *group {
	g := t.groups[key]
	if g == nil {
		g = &plan.Group{Table: t.table.Name, Path: key.path, Reason: key.reason}
		t.groups[key] = g
	}
	return (*group)(g)
}

// group is a group that is being gathered.
type group plan.Group

// keep makes the document a sample of the group, as long as there is room.
func (g *group) keep(doc value.Object, v schema.Violation) {
	if len(g.Samples) < samplesKept {
		g.Samples = append(g.Samples, sampleOf(doc, v))
	}
}

// sampleOf is a document with the place at which it does not fit.
func sampleOf(doc value.Object, v schema.Violation) plan.Sample {
	id, _ := doc.Get("_id")
	text, _ := id.(string)
	return plan.Sample{ID: text, Place: v.Path, Message: v.Message, Expected: v.Expected, Got: v.Got, Document: doc}
}

// grouped are the groups that a document is an offender of, each with the
// first violation that makes it one: a document counts once in a group.
func grouped(table *schema.Table, doc value.Object, ids schema.Tables) map[groupKey]schema.Violation {
	violations := table.CheckDocument(doc, ids)
	out := make(map[groupKey]schema.Violation, len(violations))
	for _, v := range violations {
		key := groupKey{fieldPath(table.Name, v.Field), v.Reason}
		if _, seen := out[key]; !seen {
			out[key] = v
		}
	}
	return out
}

// fieldPath is a violation's field as the plan writes paths.
func fieldPath(table, field string) string {
	switch {
	case field == "":
		return ""
	case strings.IndexByte("[{.", field[0]) >= 0:
		return table + field
	}
	return table + "." + field
}

// add adds what was counted of another part of the same table.
func (t *tally) add(other *tally) {
	t.count.Read += other.count.Read
	t.count.Offenders += other.count.Offenders
	t.bytes += other.bytes
	t.largest = max(t.largest, other.largest)
	for key, from := range other.groups {
		g := t.group(key)
		g.Count += from.Count
		for _, s := range from.Samples {
			if len(g.Samples) < samplesKept {
				g.Samples = append(g.Samples, s)
			}
		}
	}
}

// size is how large the documents are that were read.
func (t *tally) size() plan.Size {
	if t.count.Read == 0 {
		return plan.Size{}
	}
	return plan.Size{Sampled: t.count.Read, Mean: t.bytes / t.count.Read, Largest: t.largest}
}

// sum fills in what the tallies of a census's tables, one a table, come to:
// read, bytes, offenders, tables, counts and groups.
func sum(out *plan.Census, tables []*tally) {
	out.Read, out.Bytes, out.Offenders, out.Groups = 0, 0, 0, nil
	out.Tables, out.Counts = map[string]int64{}, map[string]plan.TableCount{}
	for _, t := range tables {
		out.Read += t.count.Read
		out.Bytes += t.bytes
		out.Offenders += t.count.Offenders
		count := t.count
		count.Size = t.size()
		out.Counts[t.table.Name] = count
		if count.Proved == "" {
			out.Tables[t.table.Name] = count.Offenders
		}
		for _, g := range t.groups {
			out.Groups = append(out.Groups, *g)
		}
	}
	slices.SortFunc(out.Groups, func(a, b plan.Group) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Reason, b.Reason))
	})
}

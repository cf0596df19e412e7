package plan

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"strait/model/source"
)

// Convex's limits of one transaction (convex-wire.md 9.1).
const (
	maxDocumentsRead    = 32_000
	maxDocumentsWritten = 16_000
	maxBytes            = 16 << 20 // read; written alike
	maxQueries          = 4096
	assumedBatch        = 100 // of the component, when none is set
)

// collectInMigration looks for reads of whole tables.
func collectInMigration(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		told := map[string]bool{}
		for _, r := range w.body.Reads {
			if r.Table == "" || r.Bounded || !w.whole(r.End) || told[r.Table] {
				continue
			}
			told[r.Table] = true
			out = append(out, w.collects(r))
		}
	}
	return out
}

// whole reports whether a query's end reads everything that it walks: a loop
// does that may not be left early.
func (w work) whole(end string) bool {
	return end == "collect" || end == "count" || end == "each" && walksAll(w.Source)
}

func (w work) collects(r source.Read) Hazard {
	n, env, sure := w.pending.most(r.Table)
	h := w.hazard("")
	h.Site, h.Severity = &r.Site, Notice
	limit, times := int64(maxDocumentsRead), int64(1)
	what := "read"
	if w.perDocument() {
		times = int64(w.batch())
	} else if slices.ContainsFunc(w.body.Writes, func(x source.Write) bool { return x.Table == r.Table && x.Op != source.Insert && !x.Guarded }) {
		limit, what = maxDocumentsWritten, "written"
	}
	mean := w.pending.size(r.Table)
	head := fmt.Sprintf("%s reads all of %s at once", w.label, r.Table)
	if w.perDocument() {
		head = fmt.Sprintf("%s reads all of %s for every document", w.label, r.Table)
	}
	switch {
	case n > limit:
		h.Severity = Danger
		h.What = fmt.Sprintf("%s: %s in %s, where one transaction may have %s %s", head, documents(n), env, count(limit), what)
	case mean > 0 && n > maxBytes/mean:
		h.Severity = Danger
		h.What = fmt.Sprintf("%s: about %s in %s, where one transaction may read 16 MiB", head, mebibytes(n*mean), env)
	case times > 1 && n > limit/times:
		h.Severity = Warning
		h.What = fmt.Sprintf("%s: %s × a batch of %s in %s may pass the limit of %s %s", head, documents(n), count(times), env, count(limit), what)
	case sure && n <= limit/20/times:
		return Hazard{}
	case sure:
		h.What = fmt.Sprintf("%s: %s in %s; the limit is %s %s", head, documents(n), env, count(limit), what)
	default:
		h.What = fmt.Sprintf("%s; a transaction's limit is %s %s", head, count(limit), what)
	}
	return h
}

// batch is the size of a batch when nothing else is said at the start.
func (w work) batch() int {
	if w.BatchSize > 0 {
		return w.BatchSize
	}
	return assumedBatch
}

// size is the largest mean of a table's documents, in bytes; 0 unknown.
func (c concern) size(table string) int64 {
	var n int64
	for _, s := range c {
		n = max(n, s.Sizes[table].Mean)
	}
	return n
}

// load is what one batch takes of one limit.
type load struct {
	what  string
	each  float64 // for one document
	limit float64
	text  func(float64) string
}

// batchTooLarge weighs a batch of documents of the mean size.
func batchTooLarge(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		if w.BatchSize <= 0 || w.table == "" || w.Driver == "oneshot" {
			continue
		}
		out = append(out, w.weigh())
	}
	return out
}

func (w work) weigh() Hazard {
	var tight load
	var where *stand
	for _, st := range w.pending {
		if n, ok := st.Tables[w.table]; ok && n == 0 {
			continue
		}
		for _, l := range w.loads(st) {
			if where == nil || l.each/l.limit > tight.each/tight.limit {
				tight, where = l, st
			}
		}
	}
	if where == nil {
		return Hazard{}
	}
	used := tight.each * float64(w.BatchSize)
	if n, ok := where.Tables[w.table]; ok {
		used = tight.each * float64(min(int64(w.BatchSize), n))
	}
	share := used / tight.limit
	if share <= 0.8 {
		return Hazard{}
	}
	h := w.hazard(fmt.Sprintf("a batch of %s documents of %s %s about %s in %s, and the limit is %s",
		count(int64(w.BatchSize)), w.table, tight.what, tight.text(used), where.Env, tight.text(tight.limit)))
	h.Env = where.Env
	h.Severity = Notice
	if share > 1 {
		h.Severity = Warning
	}
	h.Safe = fmt.Sprintf("Set batchSize: %d in the definition, or give it at the start.", recommended(tight.limit/tight.each/2))
	return h
}

// loads are what one document of the migration's table takes of each limit. A
// patch reads its document once more (convex-wire.md 9.1).
func (w work) loads(st *stand) []load {
	bytes := func(n float64) string { return mebibytes(int64(n)) }
	number := func(n float64) string { return count(int64(n)) }
	own := float64(st.Sizes[w.table].Mean)
	reads, read, written, wrote := 1.0, own, 0.0, 0.0
	for _, x := range w.body.Writes {
		if x.Guarded {
			continue
		}
		size := float64(st.Sizes[x.Table].Mean)
		if w.own(x) || x.Table == w.table {
			size = own
		}
		written++
		if x.Op != source.Delete {
			wrote += size
		}
		if x.Op != source.Insert {
			reads++
			read += size
		}
	}
	queries := 0.0
	for _, r := range w.body.Reads {
		if single(r.End) && w.perDocument() {
			queries++
			reads++
			read += float64(st.Sizes[r.Table].Mean)
		}
	}
	return []load{
		{"reads", read, maxBytes, bytes}, {"writes", wrote, maxBytes, bytes},
		{"reads", reads, maxDocumentsRead, func(n float64) string { return number(n) + " documents" }},
		{"writes", written, maxDocumentsWritten, func(n float64) string { return number(n) + " documents" }},
		{"makes", queries, maxQueries, func(n float64) string { return number(n) + " queries" }},
	}
}

// single reports whether a query's end gives at most one document.
func single(end string) bool { return end == "get" || end == "unique" || end == "first" }

// recommended rounds a batch size down to one or two leading digits.
func recommended(n float64) int {
	if n < 1 {
		return 1
	}
	n = math.Min(n, 4000)
	step := math.Pow(10, math.Floor(math.Log10(n)))
	if n/step < 5 && step >= 10 {
		step /= 2
	}
	return int(max(1, math.Floor(n/step)*step))
}

func mebibytes(n int64) string {
	s := fmt.Sprintf("%.1f", float64(n)/(1<<20))
	return strings.TrimSuffix(s, ".0") + " MiB"
}

package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/source"
)

var bodyRules = []Rule{
	{Code: "SW201", Name: "collect-in-migration", Severity: Danger, find: collectInMigration,
		Why:  "One transaction may read 32,000 documents and 16 MiB and write 16,000 documents. What reads a whole table works until the table has grown, then fails every time, and meanwhile conflicts with every write to it.",
		Safe: "Read through an index with a condition, or page through the table with a cursor; @convex-dev/migrations does that for you."},
	{Code: "SW202", Name: "not-idempotent", Severity: Danger, find: notIdempotent,
		Why:  "A migration runs more than once: after a failure, from the first document with reset, in the next environment's rehearsal. Each document must come out the same the second time.",
		Safe: "Return early when the document has the new shape already, or look whether the row to insert is there."},
	{Code: "SW203", Name: "overwrites-live-values", Severity: Warning, find: overwritesLiveValues,
		Why:  "While the migration runs, the application writes the new field as well. Without a condition the migration replaces what people have chosen since the deploy.",
		Safe: "Leave documents alone that have the field already: if (doc.field !== undefined) return."},
	{Code: "SW204", Name: "deletes-every-document", Severity: Danger, find: deletesEveryDocument,
		Why:  "It deletes whatever document it is given, and without a range it is given all of them, those that were written a moment ago too.",
		Safe: "Back up, and delete below a condition or within a customRange; when the whole table is meant, remove it from the target."},
	{Code: "SW205", Name: "parallelize-shared", Severity: Warning, find: parallelizeShared,
		Why:  "With parallelize the documents of one batch are migrated at the same time in one transaction: between the read and the write of one, another may write the same document, and one of the two changes is lost without a conflict.",
		Safe: "Leave parallelize off, or write no document that another one of the batch may write."},
	{Code: "SW206", Name: "series-order", Severity: Danger, find: seriesOrder,
		Why:  "A series runs its migrations in the order of the list, each over the whole table before the next begins.",
		Safe: "Put the one that reads before the one that removes, and the one that fills before the one that reads."},
	{Code: "SW207", Name: "index-not-usable", Severity: Warning, find: indexNotUsable,
		Why:  "A query through an index that is not deployed, staged or gone fails: Index … not found.",
		Safe: "Keep the index in the schema, not staged, until the migration is done everywhere."},
	{Code: "SW208", Name: "clock-or-random", Severity: Notice, find: clockOrRandom,
		Why:  "What it writes depends on when it runs: a dry run shows other values than the run, a second run gives others again.",
		Safe: "Take times from the document (_creationTime) where that is what is meant, and write only where the field is absent."},
	{Code: "SW209", Name: "schedules-functions", Severity: Notice, find: schedulesFunctions,
		Why:  "A dry run rolls the scheduling back, so that it never shows what the scheduled function does; a second run schedules it again.",
		Safe: "Make the scheduled function safe to run twice, and schedule only where the document changes."},
	{Code: "SW210", Name: "unchecked-get", Severity: Warning, find: uncheckedGet,
		Why:  "Convex has no foreign keys: an id may lead to a document that is gone. Then the batch fails, and the migration stops at that document.",
		Safe: "Handle the missing document: skip it, write a default, or delete the document that leads nowhere."},
	{Code: "SW211", Name: "public-migration", Severity: Warning, find: publicMigration,
		Why:  "A public function can be called by anybody who knows the deployment's address.",
		Safe: "Make it an internalMutation."},
	{Code: "SW212", Name: "action-driven", Severity: Notice, find: actionDriven,
		Why:  "An action is no transaction: when it fails half way, what its mutations wrote stays, and Convex does not try it again.",
		Safe: "Make every step of it safe to repeat, or let the migrations component drive it."},
	{Code: "SW213", Name: "migration-misfits-target", Severity: Warning, find: migrationMisfits,
		Why:  "What a migration writes must fit the target: the active schema refuses it, or it is one more offender when the documents are counted.",
		Safe: "Make it write what the target asks for; delete the definition when it belongs to an earlier change."},
}

// notIdempotent looks at what a second run would do to a document.
func notIdempotent(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		for _, x := range w.body.Writes {
			if x.Guarded {
				continue
			}
			switch {
			case x.Op == source.Insert:
				out = append(out, w.insertsAgain(x)...)
			case w.own(x):
				out = append(out, w.convertsAgain(x)...)
			}
		}
	}
	return out
}

// keptByHand are tables that get one document a run: logs and the like.
var keptByHand = regexp.MustCompile(`(?i)log|audit|histor|event|metric|run|migration|job|report|snapshot|backup|archive`)

func (w work) insertsAgain(x source.Write) []Hazard {
	moves := slices.ContainsFunc(w.body.Writes, func(y source.Write) bool { return y.Op == source.Delete && (y.Table == w.table || y.Table == "") })
	if x.Table == "" || moves || w.rangeExcludes() || !w.perDocument() && (keptByHand.MatchString(x.Table) || w.Driver == "") {
		return nil
	}
	h := w.hazard(fmt.Sprintf("%s inserts into %s for every document, without a look whether it is there", w.label, x.Table))
	h.Severity, h.Site = Danger, &x.Site
	if !w.perDocument() {
		h.Severity = Warning
		h.What = fmt.Sprintf("%s inserts into %s at every call, without a look whether it is there", w.label, x.Table)
	}
	h.Why = "A second run inserts everything again: duplicates, which no schema refuses."
	h.Safe = fmt.Sprintf("Look for the row first, through an index of %s, and insert only when there is none.", x.Table)
	return []Hazard{h}
}

// rangeExcludes reports whether the migration walks an index by a field that it
// writes, so that what is done leaves its range.
func (w work) rangeExcludes() bool { return w.body.RangeIndex != "" || w.CustomRange }

func (w work) convertsAgain(x source.Write) []Hazard {
	if w.rangeExcludes() {
		return nil
	}
	var out []Hazard
	for _, f := range x.Fields {
		if f.Unset || !slices.Contains(f.From, f.Name) {
			continue
		}
		path := w.table + "." + f.Name
		switch selfUse(w.Source, f.Name) {
		case grows:
			h := w.hazard(fmt.Sprintf("%s computes %s from itself without a condition", w.label, path))
			h.Path, h.Site, h.Severity = path, &x.Site, Danger
			if !w.perDocument() {
				h.Severity = Warning
			}
			h.Why = "A second run computes it again from its own result: the value changes each time, and nothing shows which documents were done."
			h.Safe = "Write the result into a new field, or return early by a mark that tells a converted document from one that is not."
			out = append(out, h)
		case converts:
			if !w.perDocument() {
				continue
			}
			h := w.hazard(fmt.Sprintf("%s converts %s in place without a condition", w.label, path))
			h.Path, h.Site, h.Severity = path, &x.Site, Notice
			h.Why = "A second run gets the converted value: it must give the same again, and code that expects the old form may fail on it."
			h.Safe = fmt.Sprintf("Return early when %s has the new form already.", f.Name)
			out = append(out, h)
		}
	}
	if len(out) == 0 && w.perDocument() && constant(x) {
		h := w.hazard(fmt.Sprintf("%s patches every document of %s, also those that fit", w.label, cmp.Or(w.table, "its table")))
		h.Site, h.Severity = &x.Site, Notice
		h.Why = "A second run leaves the same values, yet writes every document again: it takes as long as the first, wakes every query on the table, and replaces what was set since."
		h.Safe = "Return early when the document holds the value already."
		out = append(out, h)
	}
	return out
}

// constant reports whether a write sets fixed values, and at least one that is
// not the removal of a field.
func constant(x source.Write) bool {
	set := 0
	for _, f := range x.Fields {
		switch {
		case f.Unset:
		case f.Value != nil && f.Value.Kind == schema.Literal:
			set++
		default:
			return false
		}
	}
	return set > 0 && !x.Open
}

// overwritesLiveValues wants a migration that sets a field whatever it holds,
// and application code that sets the same field to something else.
func overwritesLiveValues(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		if !w.perDocument() || w.rangeExcludes() || w.table == "" {
			continue
		}
		for _, x := range w.body.Writes {
			if x.Guarded || !w.own(x) || x.Op != source.Patch {
				continue
			}
			for _, f := range x.Fields {
				if f.Unset || f.Maybe || len(f.From) > 0 && slices.Contains(f.From, f.Name) {
					continue
				}
				if live := s.writer(w.table, f); live != nil {
					h := w.hazard(fmt.Sprintf("%s sets %s.%s whatever it holds, and %s sets it too (%s:%d)",
						w.label, w.table, f.Name, who(live), live.File, live.Line))
					h.Path, h.Site = w.table+"."+f.Name, &x.Site
					h.Safe = fmt.Sprintf("Leave documents alone that have it already: if (doc.%s !== undefined) return.", f.Name)
					out = append(out, h)
				}
			}
		}
	}
	return out
}

// writer is the first place where application code sets a field to something
// that a migration's value may replace.
func (s *scene) writer(table string, f source.Field) *source.Write {
	for i := range s.code.Writes {
		x := &s.code.Writes[i]
		if x.Table != table || x.Op == source.Delete {
			continue
		}
		for _, g := range x.Fields {
			if g.Name == f.Name && !g.Unset && !sameLiteral(f.Value, g.Value) {
				return x
			}
		}
	}
	return nil
}

func sameLiteral(a, b *schema.Validator) bool {
	return a != nil && b != nil && a.Kind == schema.Literal && b.Kind == schema.Literal && a.Literal == b.Literal
}

// who names the function of a write as a sentence begins with it.
func who(x *source.Write) string { return cmp.Or(x.Function, "a helper") }

func deletesEveryDocument(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		inserts := slices.ContainsFunc(w.body.Writes, func(x source.Write) bool { return x.Op == source.Insert })
		if !w.perDocument() || w.rangeExcludes() || inserts || w.table == "" || s.in.Target.Table(w.table) == nil {
			continue
		}
		for _, x := range w.body.Writes {
			if x.Op != source.Delete || x.Guarded || x.Table != w.table {
				continue
			}
			holding := ""
			if len(w.pending) > 0 {
				holding = ": " + w.pending.holding(w.table)
			}
			h := w.hazard(fmt.Sprintf("%s deletes every document of %s, a table that the target keeps%s", w.label, w.table, holding))
			h.Severity, h.Site = w.pending.severity(Warning, Danger), &x.Site
			out = append(out, h)
			break
		}
	}
	return out
}

// parallelizeShared looks for documents of other tables that two calls of one
// batch may both change.
func parallelizeShared(s *scene) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		if !w.Parallelize {
			continue
		}
		told := map[string]bool{}
		for _, x := range w.body.Writes {
			if x.Returned || x.Table == "" || x.Table == w.table || told[x.Table] {
				continue
			}
			reads := slices.ContainsFunc(w.body.Reads, func(r source.Read) bool { return r.Table == x.Table })
			h := w.hazard("")
			h.Site = &x.Site
			switch {
			case (x.Op == source.Patch || x.Op == source.Replace) && reads && !constant(x):
				h.What = fmt.Sprintf("%s runs in parallel and changes documents of %s that it reads first", w.label, x.Table)
			case x.Op == source.Insert && reads:
				h.Severity = Notice
				h.What = fmt.Sprintf("%s runs in parallel and inserts into %s after a look whether it is there", w.label, x.Table)
				h.Why = "Two documents of one batch that share the key may both find nothing, and both insert."
				h.Safe = "Leave parallelize off unless each document has a key of its own."
			default:
				continue
			}
			told[x.Table] = true
			out = append(out, h)
		}
	}
	return out
}

// clockOrRandom wants a write that a second run makes again: below a condition
// the first value stays.
func clockOrRandom(s *scene) []Hazard {
	return s.each(func(w work) bool {
		return w.body.Clock && w.perDocument() && !w.rangeExcludes() && slices.ContainsFunc(w.body.Writes, func(x source.Write) bool { return !x.Guarded && x.Op != source.Delete })
	}, func(w work) string {
		return w.label + " reads the clock or random numbers, and writes whatever the document holds"
	})
}

// migrationMisfits holds a migration's own writes against the target.
func migrationMisfits(s *scene) []Hazard {
	if s.in.Target == nil || !s.in.Target.Validation {
		return nil
	}
	var out []Hazard
	for _, w := range s.wanted() {
		for _, x := range w.body.Writes {
			table := x.Table
			if x.Returned {
				table = w.table
			}
			t := s.in.Target.Table(table)
			if t == nil || t.Document == nil || x.Op == source.Delete {
				continue
			}
			if field, what := (&misfits{}).write(x, t.Document); what != "" {
				h := w.hazard(fmt.Sprintf("%s %s %s%s", w.label, does[x.Op], table, what))
				h.Table, h.Site = table, &x.Site
				if field != "" {
					h.Path = table + "." + field
				}
				out = append(out, h)
				break
			}
		}
	}
	return out
}

// schedulesFunctions leaves hand-written ones alone: they schedule their own
// next batch.
func schedulesFunctions(s *scene) []Hazard {
	return s.each(func(w work) bool { return w.body.Schedules && w.perDocument() }, func(w work) string {
		return w.label + " schedules functions for its documents"
	})
}

var (
	gotten      = regexp.MustCompile(`(?:const|let|var)\s+(\w+)\s*(?::[^=\n]+)?=\s*await\s+ctx\s*\.\s*db\s*\.\s*get\s*\(([^()]*)\)`)
	gottenHere  = regexp.MustCompile(`\(\s*await\s+ctx\s*\.\s*db\s*\.\s*get\s*\(([^()]*)\)\s*\)\s*!(?:[^=]|$)`)
	inserted    = regexp.MustCompile(`(\w+)\s*=\s*await\s+ctx\s*\.\s*db\s*\.\s*insert\s*\(`)
	nonNullName = "!\\s*[.;,)\\[]"
)

// uncheckedGet finds documents that the author asserts to be there.
func uncheckedGet(s *scene) []Hazard {
	return s.each(func(w work) bool { return assertsGet(w.Source) }, func(w work) string {
		return w.label + " takes a document that it gets by id to be there (!)"
	})
}

func assertsGet(text string) bool {
	text = bare(text)
	fresh := map[string]bool{} // ids of documents that it has just inserted
	for _, m := range inserted.FindAllStringSubmatch(text, -1) {
		fresh[m[1]] = true
	}
	for _, m := range gottenHere.FindAllStringSubmatch(text, -1) {
		if !fresh[idOf(m[1])] {
			return true
		}
	}
	for _, m := range gotten.FindAllStringSubmatch(text, -1) {
		if !fresh[idOf(m[2])] && regexp.MustCompile(`\b`+m[1]+nonNullName).MatchString(text) {
			return true
		}
	}
	return false
}

// idOf is the id among the arguments of a get, which may name the table first.
func idOf(arguments string) string {
	return strings.TrimSpace(arguments[strings.LastIndexByte(arguments, ',')+1:])
}

func publicMigration(s *scene) []Hazard {
	return s.each(func(w work) bool { return !w.perDocument() && w.Public }, func(w work) string {
		return w.label + " is a public mutation"
	})
}

func actionDriven(s *scene) []Hazard {
	return s.each(func(w work) bool { return w.Action }, func(w work) string {
		return w.label + " is an action that calls mutations"
	})
}

// each makes a finding of every wanted definition that is.
func (s *scene) each(is func(work) bool, what func(work) string) []Hazard {
	var out []Hazard
	for _, w := range s.wanted() {
		if is(w) {
			out = append(out, w.hazard(what(w)))
		}
	}
	return out
}

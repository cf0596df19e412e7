package fleet

import (
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"strait/convex/census"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Of a protected environment the fleet publishes no value of a document: raw
// values stay inside, and snapshots, events, outcomes and messages have masks in
// their place. plan.ActReveal shows them for revealFor, Command.Reveal in the
// answer to one command; both are recorded before anything is shown. Messages
// stay masked in any case, since they outlive the time.

// revealFor is how long values stay shown once somebody asked for it.
const revealFor = 10 * time.Minute

// veiled reports whether values of the environment's documents are masked now.
// f.mu is held.
func (e *env) veiled() bool { return e.cfg.Protected && !e.f.now().Before(e.revealed) }

// reveal shows the values for a while, or hides them again before that is over.
func (a *action) reveal() error {
	until := time.Time{}
	a.f.change(func() {
		if a.e.veiled() {
			until = a.f.now().Round(0).Add(revealFor)
		}
		a.e.revealed = until
		text := "values of documents are masked again"
		if !until.IsZero() {
			text = fmt.Sprintf("values of documents are shown for %.0f minutes; who asked is in the journal", revealFor.Minutes())
		}
		a.f.planned.stale = true
		a.f.say("info", a.c.Env, text)
	})
	if until.IsZero() {
		return nil
	}
	a.f.spawn(func() {
		over := time.NewTimer(revealFor)
		defer over.Stop()
		select {
		case <-over.C:
			a.f.change(func() {
				if a.e.revealed.Equal(until) {
					a.e.revealed, a.f.planned.stale = time.Time{}, true
				}
			})
		case <-a.f.ctx.Done():
		}
	})
	return nil
}

// hushed is a text of a failure as messages of the environment have it.
func (e *env) hushed(text string) string {
	if !e.cfg.Protected {
		return text
	}
	return withoutContents(text, maskedText)
}

// told is what may be said of an error in a message of the environment: what
// Strait itself says stays as it is.
func (e *env) told(err error) string {
	if !e.cfg.Protected {
		return firstLine(err.Error())
	}
	return withoutDocuments(err, maskedText)
}

const maskedText = "its text is masked"

// schemaOf is the target of the component at a path; nil when it is not known.
func (f *Fleet) schemaOf(component string) *schema.Schema {
	if component == "" {
		return f.project.Schema
	}
	if f.project.App == nil {
		return nil
	}
	if c := f.project.App.Component(component); c != nil {
		return c.Schema
	}
	return nil
}

// veils keeps what was masked, so that a snapshot masks nothing twice. The
// originals are never changed in place.
type veils struct {
	census   veil[plan.Census]
	writers  veil[plan.Writers]
	rehearse veil[plan.Rehearsal]
	failures map[*Failure]*Failure
	dryRuns  map[*DryRun]*DryRun
}

type veil[T any] struct{ of, masked *T }

func (v *veil[T]) get(x *T, mask func(*T) *T) *T {
	if x == nil {
		return nil
	}
	if v.of != x {
		v.of, v.masked = x, mask(x)
	}
	return v.masked
}

// veil masks what a snapshot of the environment would show. f.mu is held.
func (e *env) veil(s *EnvSnapshot) {
	v := &e.veils
	s.Census = v.census.get(s.Census, e.maskCensus)
	s.Writers = v.writers.get(s.Writers, e.maskWriters)
	s.Rehearsal = v.rehearse.get(s.Rehearsal, e.maskRehearsal)
	failures, dryRuns := map[*Failure]*Failure{}, map[*DryRun]*DryRun{}
	for name, r := range s.Runs {
		if r.Failure != nil {
			masked := v.failures[r.Failure]
			if masked == nil {
				masked = e.maskFailure(r.Failure, e.ownerOf(name))
			}
			failures[r.Failure] = masked
			r.Failure = masked
		}
		if t := e.runs[name]; t != nil {
			r.Log = t.veiled
		}
		s.Runs[name] = r
	}
	for name, d := range e.dryRuns {
		masked := v.dryRuns[d]
		if masked == nil {
			masked = e.maskDryRun(d, name)
		}
		dryRuns[d] = masked
		s.DryRun[name] = masked
	}
	v.failures, v.dryRuns = failures, dryRuns // what nothing shows any more is let go
}

// ownerOf is the component whose tables a migration works on. f.mu is held.
func (e *env) ownerOf(name string) string { return e.definition(name).Owner }

func (e *env) maskCensus(c *plan.Census) *plan.Census {
	return census.Masked(c, e.f.schemaOf(c.Component))
}

func (e *env) maskWriters(w *plan.Writers) *plan.Writers {
	out := *w
	out.Samples = census.Masked(&plan.Census{Groups: w.Samples}, e.f.project.Schema).Groups
	return &out
}

func (e *env) maskRehearsal(r *plan.Rehearsal) *plan.Rehearsal {
	out := *r
	if r.Census != nil {
		out.Census = census.Masked(r.Census, e.f.project.Schema)
	}
	out.Widen, out.Narrow = hushedOr(r.Widen), hushedOr(r.Narrow)
	out.Migrations = slices.Clone(r.Migrations)
	for i := range out.Migrations {
		run := &out.Migrations[i]
		run.Error = hushedOr(run.Error)
		run.Failures = slices.Clone(run.Failures)
		for j := range run.Failures {
			x := &run.Failures[j]
			x.Masked, x.Text, x.Summary = true, withoutContents(x.Text, maskedText), withoutContents(x.Summary, maskedText)
			x.Body = maskDocument(e.f.schemaOf(e.ownerOf(run.Name)), run.Table, x.Body)
		}
	}
	return &out
}

func hushedOr(text string) string {
	if text == "" {
		return ""
	}
	return withoutContents(text, maskedText)
}

func (e *env) maskFailure(f *Failure, owner string) *Failure {
	if f == nil {
		return nil
	}
	out := *f
	target := e.f.schemaOf(owner)
	out.Text = withoutContents(f.Text, maskedText)
	out.Summary = withoutContents(f.Summary, maskedText)
	out.Body = maskDocument(target, f.Table, f.Body)
	out.Misfits = slices.Clone(f.Misfits)
	for i := range out.Misfits {
		out.Misfits[i] = census.MaskSample(target.Table(f.Table), f.Misfits[i])
	}
	return &out
}

func (e *env) maskDryRun(d *DryRun, name string) *DryRun {
	out, owner := *d, e.ownerOf(name)
	target, table := e.f.schemaOf(owner), e.definition(name).Table
	out.Err, out.Log = e.maskFailure(d.Err, owner), masked(d.Log)
	out.Cursor = "" // it may hold values of documents
	out.Examples = slices.Clone(d.Examples)
	for i := range out.Examples {
		x := &out.Examples[i]
		x.Before, x.After = maskValue(target, table, x.Before), maskValue(target, table, x.After)
		if x.Text != "" {
			x.Text = lengthOf("text", x.Text)
		}
	}
	return &out
}

func maskDocument(s *schema.Schema, table string, doc value.Object) value.Object {
	if doc == nil {
		return nil
	}
	return census.Mask(s.Table(table), doc)
}

// maskValue masks what a dry run shows of a document, which may be anything
// when its log could not be read.
func maskValue(s *schema.Schema, table string, v value.Value) value.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case value.Object:
		return maskDocument(s, table, v)
	}
	whole := census.Mask(nil, value.NewObject(value.Field{Name: "v", Value: v}))
	return get(whole, "v")
}

// masked is a log of which the lines that a function printed are masked: what
// its author put into them nobody knows.
func masked(log []LogEntry) []LogEntry {
	out := slices.Clone(log)
	for i := range out {
		out[i] = out[i].masked()
	}
	return out
}

func (l LogEntry) masked() LogEntry {
	if l.Printed {
		l.Text = lengthOf("line", l.Text)
	}
	return l
}

func lengthOf(what, text string) string {
	return fmt.Sprintf("<%s of the function, %d>", what, utf8.RuneCountInString(text))
}

// shows reports whether the answer to the command shows values. f.mu is held.
func (a *action) shows() bool { return a.c.Reveal || !a.e.veiled() }

// veilEvent and veilOutcome mask what an action tells of itself. f.mu is held.
func (a *action) veilEvent(ev Event) Event {
	if !a.shows() {
		ev.Log = ev.Log.masked()
	}
	return ev
}

func (a *action) veilOutcome(out Outcome) Outcome {
	if a.shows() {
		return out
	}
	if a.c.Action != plan.ActBackup || functionError(a.err) != nil { // a backup's own words hold no values
		out.Failure = a.e.maskFailure(out.Failure, a.migration.Owner)
	}
	if out.DryRun != nil {
		out.DryRun = a.e.maskDryRun(out.DryRun, a.c.Migration)
	}
	if out.Census != nil {
		out.Census = a.e.maskCensus(out.Census)
	}
	if out.Rehearsal != nil {
		out.Rehearsal = a.e.maskRehearsal(out.Rehearsal)
	}
	return out
}

// misfits says where a document does not fit the target of its component.
func misfits(s *schema.Schema, table string, doc value.Object, ids schema.Tables) (out []plan.Sample) {
	t := s.Table(table)
	if t == nil || doc == nil {
		return nil
	}
	id, _ := textOf(doc, "_id")
	for _, v := range t.CheckDocument(doc, ids) {
		out = append(out, plan.SampleOf(id, doc, v))
	}
	return out
}

package fleet

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/plan"
)

// pastKey names a migration in a deployment, whatever environment it is.
type pastKey struct{ migration, place string }

// past is what earlier processes recorded of a migration.
type past struct {
	dryRun time.Time // when the newest one of the code as it is began; zero without
	doubt  string    // why its newest run may have run unseen; "" when that is settled
}

// before is what earlier processes recorded of a migration in the deployment
// that answers now. f.mu is held.
func (e *env) before(migration string) past { return e.past[pastKey{migration, e.place}] }

// readJournal takes what earlier processes found out: dry runs that still hold
// for the code as it is, and calls that went out and whose answers were never
// recorded. It gives the place up to which it read.
func (f *Fleet) readJournal() (to int64) {
	began := map[string]time.Time{}
	f.change(func() { f.recalled = f.now() })
	to, err := f.journal.read(func(x entry) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if x.Phase == tornLine { // it may have taken them back
			clear(f.certificates)
			return
		}
		f.recallCertificate(x)
		f.recallBackup(x)
		m, ok := f.migration(x.Migration)
		e := f.env(x.Env)
		if !ok || e == nil || x.Deployment == "" {
			return
		}
		key := pastKey{x.Migration, x.Deployment}
		p := e.past[key]
		if x.Phase == "asked" {
			began[x.ID] = x.At
		} else {
			defer delete(began, x.ID)
		}
		switch plan.Action(x.Action) {
		case plan.ActDryRun:
			if x.Phase == "answered" && x.Outcome == "ok" && x.Code != "" && x.Code == hashOf(m.Source) {
				p.dryRun = x.At
				if at, ok := began[x.ID]; ok {
					p.dryRun = at
				}
			}
		case plan.ActRun:
			if x.Phase == "ended" {
				return // how a background run ended, which its component tells as well
			}
			p.doubt = ""
			open := x.Phase == "asked" || x.Outcome == "unknown"
			if open && !e.embedded && !component(m) { // a component tells by its status; an embedded one is built anew
				p.doubt = fmt.Sprintf("a run of %s in %s was asked for at %s and its answer was never recorded: it may have run, or still be running in another Strait",
					x.Migration, x.Env, x.At.UTC().Format("2006-01-02 15:04 UTC"))
			}
		}
		e.past[key] = p
	})
	if err != nil {
		f.change(func() {
			clear(f.certificates)
			f.say("warn", "", err.Error())
		})
	}
	return to
}

// alone reports whether no other Strait of this project may be running the same
// hand-written migration, which keeps no status of its own: whoever starts one
// writes so into the journal before it reads the others' entries, so that of two
// at once at least one sees the other. A Strait on another machine, and whoever
// else calls the function, is not seen.
func (a *action) alone() error {
	if a.c.Action != plan.ActRun || a.e.embedded || !byHand(a.migration) || a.c.Reset || a.c.Override != "" {
		return nil
	}
	open := map[string]time.Time{}
	_, err := a.f.journal.read(func(x entry) {
		if x.ID == a.id || plan.Action(x.Action) != plan.ActRun || x.Migration != a.c.Migration || x.Deployment != a.place {
			return
		}
		switch {
		case x.Phase == "asked" && x.At.After(a.f.recalled):
			open[x.ID] = x.At
		case x.Phase == "answered" && x.Outcome != "unknown":
			delete(open, x.ID)
		}
	})
	if err != nil {
		return nil // that it cannot be read was told where it could not be written
	}
	for _, at := range open {
		return fmt.Errorf("another Strait began %s in %s at %s and has not recorded its end: it may be running, and no status would tell; nothing was sent. Wait until it ends, or begin again (--reset), or go on with a reason (--override)",
			a.c.Migration, a.c.Env, at.UTC().Format("15:04:05 UTC"))
	}
	return nil
}

// component reports whether the migrations component drives it.
func component(m project.Migration) bool { return m.Driver == project.ComponentDriver || m.Runner }

// byHand reports whether a migration is a function without a package.
func byHand(m project.Migration) bool {
	return !m.Runner && (m.Driver == project.PagedDriver || m.Driver == project.OneshotDriver)
}

// mayHaveRun reports whether a call went out and nobody knows whether it ran.
func mayHaveRun(err error) bool {
	var unknown *wire.UnknownOutcomeError
	var transport *wire.TransportError
	var status *wire.HTTPError
	switch {
	case errors.As(err, &unknown):
		return true
	case errors.As(err, &status):
		return status.Code == "" || status.Status >= 500 // an answer of a proxy, or of a deployment in trouble
	}
	return errors.As(err, &transport)
}

// toldError is a failure that a function told in its answer, so its text is the
// author's.
type toldError struct{ text string }

func (e *toldError) Error() string { return e.text }

var (
	// convexWords are the beginnings of Convex's own texts (convex-wire.md 9),
	// which hold data only where a document or a value is printed.
	convexWords = regexp.MustCompile(`(?:Failed to insert or update a document|Document with ID|New document in table|Too many|Too much|Could not find|Function execution timed out|Documents read from or written to|Update on nonexistent|Replace on nonexistent|Delete on nonexistent|Value is too large|Array length|Object has too many|InvalidCursor|IndexNotFoundError|ArgumentValidationError|Maximum|The function|Index )`)
	printed     = regexp.MustCompile("(table |field |ID |index |function |host )?(\"[^\"]*\"?|`[^`]*`?)")
	errorName   = regexp.MustCompile(`Uncaught (\w+):`)
)

// recorded is an error as the journal keeps it. Convex prints whole documents
// in its texts and authors print what they like in theirs; neither belongs
// into a file that is kept and shared.
func recorded(err error) string { return withoutDocuments(err, "its text is not recorded") }

// withoutDocuments is an error in a line without what a function told; instead
// is said of a text that cannot be told apart from values.
func withoutDocuments(err error, instead string) string {
	var told *toldError
	text := firstLine(err.Error())
	var command *commandError
	if errors.As(err, &command) {
		text = firstLine(command.error.Error()) // without what it printed
	}
	if f := functionError(err); f != nil || errors.As(err, &told) {
		whole := err.Error()
		if f != nil {
			whole = f.Message
		}
		return withoutContents(whole, instead)
	}
	return cut(withoutValues(text), 240)
}

// withoutContents is a text of a function in a line, with nothing in it that
// may be of a document.
func withoutContents(whole, instead string) string {
	failure := newFailure(whole)
	text := failure.Summary
	if at := convexWords.FindStringIndex(text); at == nil || at[0] > 0 {
		text = "Error"
		if name := errorName.FindStringSubmatch(whole); name != nil {
			text = name[1]
		}
		text += " of the function; " + instead
	}
	if failure.Frame != "" {
		text = cut(withoutValues(text), 160) + " at " + failure.Frame
	}
	return cut(withoutValues(text), 240)
}

// withoutValues leaves out what is quoted, but for names, and everything from
// the first object or list on.
func withoutValues(text string) string {
	if i := strings.IndexAny(text, "{["); i >= 0 {
		text = text[:i] + "…"
	}
	return printed.ReplaceAllStringFunc(text, func(m string) string {
		if parts := printed.FindStringSubmatch(m); parts[1] != "" {
			return m
		}
		return "…"
	})
}

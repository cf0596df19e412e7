package prove

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
)

// documentTime is how long a migration may compute for one document, before the
// stretch of the embedded deployment. On Convex a whole batch has one second.
// Where a batch does not come to an end in that time, its documents are tried
// one by one.
const documentTime = 60 * time.Millisecond

// maxPages bounds the calls of one migration over a trial's few documents.
const maxPages = 64

// thrown is a migration that did not get through.
type thrown struct {
	migration string
	document  string // id; "" not known
	text      string // Convex's, or what was thrown
	code      string
	frame     string
	slow      bool // a limit of time or memory was hit
}

// migrate runs one migration over all documents of its table as they are now.
// err is for the end of ctx and for what cannot be run at all.
func (w *world) migrate(ctx context.Context, m project.Migration, fn jsrun.Function, size int) (*thrown, error) {
	pages := newPages(m, fn.Args, size)
	for n := 0; ; n++ {
		res := w.d.Run(ctx, local.Request{Path: m.Function(), Args: string(value.Append(nil, pages.args())), Admin: true, Caller: "Tester", Seed: 1})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if res.Err != nil {
			if missing := missingFunction.FindString(res.Err.Message); missing != "" {
				return nil, cannot("%s calls what did not load: %s; strait inspect says why", m.Name, missing)
			}
			return failed(m, res), nil
		}
		v, err := value.Decode([]byte(res.Value))
		if err != nil {
			return nil, fmt.Errorf("the answer of %s: %w", m.Name, err)
		}
		over, err := pages.take(v)
		if err == nil && !over && n == maxPages {
			err = errors.New("it does not come to an end: it answers one cursor after another")
		}
		if err != nil {
			return &thrown{migration: m.Name, text: err.Error(), frame: definedAt(m)}, nil
		}
		if over {
			return nil, nil
		}
	}
}

func definedAt(m project.Migration) string {
	if m.File == "" || m.Line == 0 {
		return m.File
	}
	return fmt.Sprintf("%s:%d", m.File, m.Line)
}

// missingFunction is Convex's answer to a call of a function that is not there.
// TypeScript finds such calls before a push, so here its file or its component
// did not load, which tells nothing of the migration.
var missingFunction = regexp.MustCompile(`Child component "[^"]*" (?:not found|does not export \[[^\]]*\])|Could not find (?:public |internal )?function for '[^']*'`)

var failedDocument = regexp.MustCompile(`Document failed: ([0-9a-z]{31,37})`)

// Convex's short names of the limits that take their time.
const (
	codeTimeout = "UserTimeout"
	codeMemory  = "OutOfMemory"
)

// told is what was thrown, without the stack.
func told(message string) string {
	text, _, _ := strings.Cut(message, "\n    at ")
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(text, "Uncaught "), "Error: "))
}

func failed(m project.Migration, res local.Response) *thrown {
	t := &thrown{migration: m.Name, text: told(res.Err.Message), code: res.Err.Code, frame: definedAt(m)}
	switch t.code {
	case codeTimeout:
		t.slow, t.text = true, fmt.Sprintf("it does not come to an end: stopped when it had computed %s for this one document, and on Convex a whole batch has 1s", documentTime)
	case codeMemory:
		t.slow = true
	}
	for _, f := range res.Err.Frames {
		if file := strings.TrimPrefix(f.File, "../"); f.Line > 0 && !strings.Contains(file, "node_modules/") && !strings.HasPrefix(file, "prelude:") && !strings.Contains(file, "<") {
			t.frame = fmt.Sprintf("%s:%d", file, f.Line)
			break
		}
	}
	for _, line := range res.Log {
		if found := failedDocument.FindStringSubmatch(strings.Join(line.Messages, " ")); found != nil {
			t.document = found[1]
			break
		}
	}
	return t
}

// runnable finds the function of a migration, or why it cannot be run here.
func (o *Options) runnable(m project.Migration) (jsrun.Function, error) {
	fn, ok := o.App.Components[0].Function(m.Function())
	switch {
	case m.Owner != "":
		return fn, cannot("%s is of component %s, whose tables the target says nothing of", m.Name, m.Owner)
	case !ok:
		return fn, cannot("%s is not among the functions that loaded; strait inspect says why", m.Name)
	case fn.Node:
		return fn, cannot("%s is in a \"use node\" file, which the embedded engine does not run", m.Name)
	case m.Continues:
		return fn, cannot("%s schedules its own next batches: rehearse it instead", m.Name)
	}
	return fn, nil
}

// pages drives a migration over all its documents, whatever its driver.
type pages struct {
	m      project.Migration
	spec   *schema.Validator // its arguments; nil not declared
	size   float64
	cursor value.Value
}

func newPages(m project.Migration, spec *schema.Validator, size int) *pages {
	if spec != nil && spec.Kind != schema.Object {
		spec = nil
	}
	return &pages{m: m, spec: spec, size: float64(size)}
}

func (p *pages) declares(arg string) bool { return p.spec != nil && p.spec.Field(arg) != nil }

// args are those of the next call (convex-wire.md 13.1 for the component's).
func (p *pages) args() value.Object {
	var o value.Object
	switch p.m.Driver {
	case project.ComponentDriver:
		o = o.With("cursor", p.cursor).With("batchSize", p.size).With("dryRun", false)
		if p.declares("oneBatchOnly") {
			o = o.With("oneBatchOnly", true)
		}
	case project.HelpersDriver:
		o = o.With("fn", p.m.Function()).With("cursor", p.cursor).With("batchSize", p.size).With("dryRun", false)
	case project.PagedDriver:
		if p.m.CursorArg == "paginationOpts" {
			return o.With("paginationOpts", value.NewObject(value.Field{Name: "cursor", Value: p.cursor}, value.Field{Name: "numItems", Value: p.size}))
		}
		if f := p.field(p.m.CursorArg); p.cursor != nil || f == nil || f.Type.Fits(nil, nil) {
			o = o.With(p.m.CursorArg, p.cursor)
		}
		if f := p.field(p.m.SizeArg); f != nil && f.Type.Fits(p.size, nil) {
			o = o.With(p.m.SizeArg, p.size)
		}
	}
	return o
}

func (p *pages) field(name string) *schema.Field {
	if p.spec == nil || name == "" {
		return nil
	}
	return p.spec.Field(name)
}

// take reads an answer and reports whether it was the last.
func (p *pages) take(v value.Value) (over bool, err error) {
	if p.m.Driver == project.OneshotDriver {
		return true, nil
	}
	next, _ := p.m.NextCursor(v)
	switch {
	case project.Finished(v), next == nil && p.m.Driver != project.HelpersDriver:
		return true, nil
	case next != nil && value.Equal(next, p.cursor):
		return false, errors.New("it answered the cursor that it was given: it would go round for ever")
	}
	p.cursor = next
	return false, nil
}

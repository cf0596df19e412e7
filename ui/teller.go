package ui

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// jsonLines writes lines of JSON, and keeps the first error of the output.
type jsonLines struct {
	*cli
	failed error
}

func (w *jsonLines) write(v any) {
	if err := w.line(v); err != nil && w.failed == nil {
		w.failed = err
	}
}

// teller writes the events of a run, as lines of text or of JSON.
type teller struct {
	jsonLines
	cmd    fleet.Command
	driver project.Driver
	began  time.Time
}

type eventLine struct {
	Event       string     `json:"event"`
	At          string     `json:"at,omitempty"`
	Migration   string     `json:"migration,omitempty"`
	Environment string     `json:"environment"`
	State       string     `json:"state,omitempty"`
	Documents   *int64     `json:"documents,omitempty"`
	Processed   *int64     `json:"processed,omitempty"`
	Total       *int64     `json:"total,omitempty"`
	TookMS      *float64   `json:"tookMs,omitempty"`
	Level       string     `json:"level,omitempty"`
	Text        string     `json:"text,omitempty"`
	Usage       *usageLine `json:"usage,omitempty"` // of a batch, where the function log told it
}

// usageLine is what a batch cost its deployment.
type usageLine struct {
	ExecutionMS      float64 `json:"executionMs"`
	ReadDocuments    int64   `json:"readDocuments"`
	WrittenDocuments int64   `json:"writtenDocuments"`
	ReadBytes        int64   `json:"readBytes"`
	WrittenBytes     int64   `json:"writtenBytes"`
	Conflicts        int     `json:"conflicts"`
}

func usageOf(u *fleet.Usage) *usageLine {
	if u == nil {
		return nil
	}
	return &usageLine{float64(u.Execution.Microseconds()) / 1000, u.ReadDocuments, u.WrittenDocuments, u.ReadBytes, u.WrittenBytes, u.Conflicts}
}

func (t *teller) tell(ev fleet.Event) {
	if ev.Kind == "start" {
		t.began = ev.At
	}
	if t.json {
		t.write(eventOf(ev))
		return
	}
	switch ev.Kind {
	case "start":
		word := "run"
		if t.cmd.Action == plan.ActDryRun {
			word = "dry run of"
		}
		t.say("%s %s in %s%s", word, ev.Migration, ev.Env, after(", ", totalOf(ev)))
	case "batch":
		t.say("%s", batchText(t.cmd, ev))
	case "log":
		t.say("  %s %s: %s", ev.At.Format("15:04:05"), strings.ToLower(ev.Log.Level), ev.Log.Text)
	}
}

func totalOf(ev fleet.Event) string {
	if ev.Total <= 0 {
		return ""
	}
	return documents(ev.Total) + " in the table"
}

func batchText(cmd fleet.Command, ev fleet.Event) string {
	var b strings.Builder
	if ev.Migration != cmd.Migration {
		b.WriteString("  " + short(ev.Migration))
	}
	if ev.Batch.Failed {
		b.WriteString("  batch failed")
		return b.String()
	}
	fmt.Fprintf(&b, "  %10s", count(ev.Processed))
	if ev.Total > 0 {
		fmt.Fprintf(&b, " of %s  %5s", count(ev.Total), percent(ev.Processed, ev.Total))
	}
	fmt.Fprintf(&b, "  +%s", count(ev.Batch.Documents))
	if ev.Batch.Took > 0 {
		fmt.Fprintf(&b, " in %s", span(ev.Batch.Took))
	}
	if u := ev.Batch.Usage; u != nil && u.Conflicts > 0 {
		b.WriteString(", " + conflicts(u.Conflicts) + " retried")
	}
	return b.String()
}

func eventOf(ev fleet.Event) eventLine {
	l := eventLine{Event: ev.Kind, At: ev.At.UTC().Format(time.RFC3339Nano), Migration: ev.Migration, Environment: ev.Env, State: ev.State}
	switch ev.Kind {
	case "log":
		l.Level, l.Text, l.State = ev.Log.Level, ev.Log.Text, ""
		return l
	case "batch":
		took := float64(ev.Batch.Took.Microseconds()) / 1000
		l.Documents, l.TookMS, l.Usage = &ev.Batch.Documents, &took, usageOf(ev.Batch.Usage)
	}
	l.Processed = &ev.Processed
	if ev.Total >= 0 {
		l.Total = &ev.Total
	}
	return l
}

// endLine is the last line of strait run --json.
type endLine struct {
	Event       string        `json:"event"`
	Migration   string        `json:"migration,omitempty"`
	Environment string        `json:"environment"`
	Status      string        `json:"status"`
	Processed   int64         `json:"processed"`
	DryRun      bool          `json:"dryRun,omitempty"`
	Error       string        `json:"error,omitempty"`
	Frame       string        `json:"frame,omitempty"`
	Table       string        `json:"table,omitempty"`
	Document    string        `json:"document,omitempty"`
	Examples    []exampleLine `json:"examples,omitempty"`
}

type exampleLine struct {
	ID     string          `json:"id"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after"` // null: deleted
	Text   string          `json:"text,omitempty"`
}

func (t *teller) end(out fleet.Outcome) error {
	if t.json {
		t.write(t.endOf(out))
		return t.failed
	}
	if out.DryRun != nil && out.DryRun.Err == nil {
		t.tellDryRun(out.DryRun)
		return t.failed
	}
	if out.Status == "success" && out.Processed == 0 && t.driver == project.OneshotDriver {
		t.say("success%s: it does not tell how many documents it wrote", after(" in ", spanSince(t.began)))
	} else {
		t.say("%s: %s%s", out.Status, documents(out.Processed), after(" in ", spanSince(t.began)))
	}
	if out.Failure != nil {
		t.tellFailure(out.Failure)
	}
	return t.failed
}

func spanSince(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return span(time.Since(at))
}

func (t *teller) endOf(out fleet.Outcome) endLine {
	l := endLine{Event: "end", Migration: t.cmd.Migration, Environment: t.cmd.Env, Status: out.Status, Processed: out.Processed, DryRun: t.cmd.Action == plan.ActDryRun}
	if f := out.Failure; f != nil {
		l.Error, l.Frame, l.Table, l.Document = f.Summary, f.Frame, f.Table, f.Document
	}
	if out.DryRun != nil {
		for _, ex := range out.DryRun.Examples {
			e := exampleLine{ID: ex.ID, After: json.RawMessage("null"), Text: ex.Text}
			if ex.Before != nil {
				e.Before = value.Append(nil, ex.Before)
			}
			if ex.After != nil {
				e.After = value.Append(nil, ex.After)
			}
			l.Examples = append(l.Examples, e)
		}
	}
	return l
}

func (t *teller) tellFailure(f *fleet.Failure) {
	t.say("error: %s", f.Summary)
	if f.Frame != "" {
		t.say("at %s", f.Frame)
	}
	if f.Document != "" {
		t.say("document %s %s", f.Table, f.Document)
	}
	if len(f.Body) > 0 {
		for _, line := range pretty(newLook(true, true), f.Body, 100, 80) {
			t.say("  %s", textOf(line))
		}
	}
}

// textOf is a line without its inks.
func textOf(line bits) string {
	var b strings.Builder
	for _, x := range line {
		b.WriteString(x.text)
	}
	return b.String()
}

// tellDryRun writes the changed documents as a field-level diff.
func (t *teller) tellDryRun(d *fleet.DryRun) {
	l := newLook(true, true)
	for _, ex := range d.Examples {
		switch {
		case ex.Before == nil && ex.After == nil:
			t.say("  %s", ex.Text)
		case ex.After == nil:
			t.say("  %s  deleted", ex.ID)
		case ex.Before == nil:
			t.say("  %s  new", ex.ID)
		default:
			changes, same := diffDocuments(ex.Before, ex.After)
			t.say("  %s  %s changed, %d as before", ex.ID, plural(int64(len(changes)), "field"), same)
			for _, ch := range changes {
				if _, gone := ch.before.(value.Undefined); !gone {
					t.say("    - %s: %s", ch.path, textOf(inline(l, ch.before, 200)))
				}
				if _, gone := ch.after.(value.Undefined); !gone {
					t.say("    + %s: %s", ch.path, textOf(inline(l, ch.after, 200)))
				}
			}
		}
	}
	n := int64(len(d.Examples))
	shown := plural(n, "changed document") + " shown"
	switch {
	case n == 0 && d.More:
		shown = "it shows none that changes; there are more to read"
	case n == 0:
		shown = "it shows none that changes"
	case d.More:
		shown += "; there may be more"
	}
	t.say("success: %s read, %s; nothing was written", documents(d.Processed), shown)
}

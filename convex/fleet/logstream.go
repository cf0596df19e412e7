package fleet

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"strait/convex/wire"
)

// The function log tells what nothing else does: what a batch cost, what it
// logged, and the whole text of an error (convex-wire.md 5, 14.3). It holds
// every function of the deployment, so it is read only of an environment that
// somebody looks at or in which a migration runs.

// logLinger is how long the log is followed on after the last run ended: what
// the last batch logged may come after its status.
const logLinger = 5 * time.Second

// logFeed is what an environment's log has told. It is guarded by the fleet's
// mutex.
type logFeed struct {
	feed      LogFeed
	cursor    float64
	place     string         // the deployment that cursor is of
	skew      time.Duration  // of the deployment's clock, as the log tells it
	skewed    bool           // skew was measured
	conflicts map[string]int // attempts lost to a write conflict, by request
	later     []func()       // what is to be read because of a page, once the mutex is free
}

// logFollower reads the function log until it is stopped.
type logFollower struct {
	cancel context.CancelFunc
	over   chan struct{}
}

func (l *logFollower) stop() {
	l.cancel()
	<-l.over
}

func followLog(w *watched) *logFollower {
	e := w.e
	ctx, cancel := context.WithCancel(w.ctx)
	l := &logFollower{cancel: cancel, over: make(chan struct{})}
	var cursor float64
	e.change(func() {
		if e.logs.place != e.place {
			e.logs = logFeed{place: e.place}
		}
		if e.logs.conflicts == nil {
			e.logs.conflicts = map[string]int{}
		}
		cursor = e.logs.cursor
	})
	go func() {
		defer close(l.over)
		err := w.client.FollowLogs(ctx, cursor, e.gotLog, e.logFailed)
		if ctx.Err() == nil {
			e.logEnded(err)
			return
		}
		e.change(func() {
			if e.logs.feed.State == "following" {
				e.logs.feed.State = ""
			}
		})
	}()
	return l
}

func (e *env) logFailed(err error) {
	e.change(func() { e.logs.feed.State, e.logs.feed.Err = "failing", firstLine(err.Error()) })
}

// logEnded notes that the deployment will not tell its log: nothing else
// breaks by that.
func (e *env) logEnded(err error) {
	e.change(func() {
		e.logs.feed.State, e.logs.feed.Err = "failing", firstLine(err.Error())
		var refused *wire.HTTPError
		if errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusUnauthorized) {
			e.logs.feed.State = "refused"
		}
	})
}

// gotLog takes a page of the log.
func (e *env) gotLog(p wire.LogPage) {
	now := e.f.now()
	var later []func()
	e.aside(func() {
		l := &e.logs
		defer func() { later, l.later = l.later, nil }()
		history := l.cursor == 0
		l.feed.State, l.feed.Err, l.cursor = "following", "", p.Cursor
		e.facts.ages.Logs = now
		if p.Gap {
			l.feed.Gaps++
		}
		if n := len(p.Entries); n > 0 && !history {
			if skew := now.Sub(p.Entries[n-1].At); !l.skewed || skew < l.skew {
				l.skew, l.skewed = skew, true
			}
		}
		for _, x := range p.Entries {
			e.logged(x, now)
		}
	})
	for _, fn := range later {
		e.f.spawn(fn)
	}
}

// logged takes an entry of the log. f.mu is held.
func (e *env) logged(x wire.Execution, now time.Time) {
	t := e.ranBy(x, now)
	if t == nil || slices.ContainsFunc(x.Lines, func(l wire.LogLine) bool { return strings.Contains(l.Text(), "DRY RUN: ") }) {
		return // what a dry run logs is its answer
	}
	if x.WillRetry {
		if len(e.logs.conflicts) >= 1000 {
			clear(e.logs.conflicts)
		}
		e.logs.conflicts[x.RequestID]++
		return
	}
	lines := make([]string, 0, len(x.Lines))
	for _, l := range x.Lines {
		t.stream(LogEntry{At: l.At, Level: l.Level, Text: l.Text(), Printed: true}, x.Caller != "Scheduler", now)
		lines = append(lines, l.Text())
	}
	if x.Kind != "Completion" {
		return
	}
	usage := Usage{
		Execution: x.Took, ReadDocuments: x.Usage.ReadDocuments, WrittenDocuments: x.Usage.WrittenDocuments,
		ReadBytes: x.Usage.ReadBytes, WrittenBytes: x.Usage.WrittenBytes, Conflicts: e.logs.conflicts[x.RequestID],
	}
	delete(e.logs.conflicts, x.RequestID)
	text := x.Error
	if text == "" {
		text = failedText(lines)
	}
	if text != "" || usage.WrittenDocuments > 0 { // else it began nothing
		t.cost(usage, x.At.Add(e.logs.skew), now)
	}
	if text != "" {
		e.died(t, text, failedIn(lines, text), now)
	}
}

var (
	aboutMigration  = regexp.MustCompile(`^['"]?Migration (\S+) (?:is done|failed)`)
	migrationFailed = regexp.MustCompile(`(?s)^['"]?Migration \S+ failed: (.*?)['"]?$`)
)

// failedText is the error of a batch that the component caught, from its log.
func failedText(lines []string) string {
	for _, l := range lines {
		if m := migrationFailed.FindStringSubmatch(l); m != nil {
			return strings.NewReplacer(`\n`, "\n", `\'`, `'`, `\"`, `"`).Replace(m[1])
		}
	}
	return ""
}

// ranBy is the run that an execution belongs to; nil when it is of none, or
// when it cannot be told of which. f.mu is held.
func (e *env) ranBy(x wire.Execution, now time.Time) *tracker {
	key := x.Function
	if x.Component != "" {
		key = x.Component + ":" + x.Function
	}
	m, defined := e.f.migration(key)
	switch {
	case defined && !m.Runner:
		return e.runs[key] // called by its name, or by hand
	case defined && m.Owner != "":
		return e.batchOf(x, e.componentOf(key), now)
	case defined:
		return e.batchOf(x, "", now)
	case x.Function == "lib:migrate":
		return e.batchOf(x, x.Component, now)
	}
	return nil
}

// batchOf is the run that a batch of the component belongs to: its lines name
// it, or else only one can be meant. component "" is any. f.mu is held.
func (e *env) batchOf(x wire.Execution, component string, now time.Time) *tracker {
	for _, l := range x.Lines {
		name := l.Function
		if m := aboutMigration.FindStringSubmatch(l.Text()); m != nil {
			name = m[1]
		}
		if name == "" || name == "lib:migrate" {
			continue
		}
		in := component
		if in == "" {
			in = e.componentOf(name)
		}
		if t := e.runs[e.keyOf(in, name)]; t != nil {
			return t
		}
	}
	var running, ended []*tracker
	for _, t := range e.runs {
		switch {
		case t.name == "" || component != "" && t.run.Component != component:
		case t.run.active():
			running = append(running, t)
		case len(t.run.Batches) > 0 && now.Sub(t.run.Heard) < logLinger:
			ended = append(ended, t)
		}
	}
	if len(running) == 0 {
		running = ended
	}
	if len(running) == 1 {
		return running[0]
	}
	return nil // several run at once, and nothing tells which
}

// died notes the whole text of a failure, and mends what is shown of it where
// the component kept less. f.mu is held.
func (e *env) died(t *tracker, text, document string, now time.Time) {
	t.death = &death{text: text, document: document, at: now}
	if t.run.State != "failed" || t.run.Failure == nil || !t.death.better(t.run.Failure) {
		return
	}
	shown := t.death.mend(t.run.Failure)
	t.run.Failure = &shown
	if client := e.client; client != nil && shown.Document != "" && shown.Body == nil {
		key, number := t.run.Migration, t.failures
		e.logs.later = append(e.logs.later, func() { e.showBody(client, key, number, shown) })
	}
}

// showBody reads the document that a failure names and shows it.
func (e *env) showBody(client *wire.Client, key string, number int, shown Failure) {
	ctx, cancel := context.WithTimeout(e.f.ctx, time.Minute)
	defer cancel()
	e.fetchBody(ctx, client, key, &shown)
	e.f.change(func() {
		if t := e.runs[key]; t != nil && t.failures == number && t.run.Failure != nil && t.run.Failure.Document == shown.Document {
			t.run.Failure = &shown
		}
	})
}

// death is a failure as the log tells it.
type death struct {
	text, document string
	at             time.Time
}

// keptNothing is what is shown of a batch that died as a whole when nothing
// tells why.
const keptNothing = "the component kept no error: the batch died as a whole (a limit, a timeout or a refused write)"

var redacted = regexp.MustCompile(`^(?:\[Request ID: [^\]]*\] )?Server Error\s*$`)

// poor reports whether a failure's text says less than the log does.
func poor(text string) bool { return text == "" || text == keptNothing || redacted.MatchString(text) }

func (d *death) better(f *Failure) bool {
	return poor(f.Text) || f.Document == "" && d.document != ""
}

// mend is a failure with what the log tells of it.
func (d *death) mend(f *Failure) Failure {
	shown := *f
	if poor(shown.Text) {
		shown = *newFailure(d.text)
		shown.failedOn(f)
	}
	if shown.Document == "" {
		shown.Document = d.document
	}
	return shown
}

package local

import (
	"context"
	"sync"
	"time"

	"strait/convex/jsrun"
)

// keptEntries is how much of the function log stays in memory (5.1).
const keptEntries = 1000

// LogEntry is one Completion or Progress of the function log
// (convex-wire.md 5.2).
type LogEntry struct {
	Cursor            float64 // strictly increasing milliseconds
	Kind              string  // Completion, Progress
	Component         string  // path; "" root
	Identifier        string  // "lib:migrate"
	Type              jsrun.FunctionType
	Lines             []FunctionLogLine
	Started           time.Time
	Timestamp         time.Time
	Took, JSTime      time.Duration
	Error             string // whole text; "" succeeded
	RequestID         string
	ExecutionID       string
	ParentExecutionID string
	Caller            string
	Admin             bool
	Usage             Usage
	ReturnBytes       int
	OCC               *OCCInfo
	WillRetry         bool
}

// OCCInfo says on what a mutation conflicted.
type OCCInfo struct {
	Table, Document, WriteSource, Component string
	Retry                                   int
}

// functionLog is a ring of entries with a bell.
type functionLog struct {
	mu      sync.Mutex
	entries []LogEntry
	last    float64
	bell    chan struct{} // closed by the next entry
	closed  bool
}

func (l *functionLog) init() { l.bell = make(chan struct{}) }

func (l *functionLog) add(e LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	e.Cursor = max(float64(e.Timestamp.UnixMicro())/1000, l.last+0.001)
	l.last = e.Cursor
	l.entries = append(l.entries, e)
	if over := len(l.entries) - keptEntries; over >= keptEntries/4 {
		l.entries = append([]LogEntry(nil), l.entries[over:]...)
	}
	close(l.bell)
	l.bell = make(chan struct{})
}

func (l *functionLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.bell)
	}
}

// Log returns the entries after cursor, at most the last 1000; without any it
// waits for the next until ctx or the deployment ends.
func (d *Deployment) Log(ctx context.Context, after float64) ([]LogEntry, error) {
	l := &d.log
	for {
		l.mu.Lock()
		var out []LogEntry
		for _, e := range l.entries[max(0, len(l.entries)-keptEntries):] {
			if e.Cursor > after {
				out = append(out, e)
			}
		}
		bell, closed := l.bell, l.closed
		l.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		if closed {
			return nil, errClosed
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-bell:
		}
	}
}

// retry says what became of an attempt that lost a race.
type retry struct {
	lost  *conflict
	n     int
	again bool
}

// record adds the Completion of an execution.
func (d *Deployment) record(c call, x *execution, f *function, r Response, lost *retry) {
	now := d.now()
	e := LogEntry{
		Kind: "Completion", Component: f.component.Path, Identifier: shortPath(f.fn.Path()), Type: f.fn.Type,
		Lines: f.lines, Started: x.now, Timestamp: now, Took: now.Sub(x.now), JSTime: r.JSTime,
		RequestID: x.requestID, ExecutionID: x.id, ParentExecutionID: c.Parent,
		Caller: c.Caller, Admin: c.Admin, Usage: r.Usage, ReturnBytes: len(r.Value),
	}
	if f.fn.Type == jsrun.Action {
		e.Lines = nil // they came as Progress
	}
	if r.Err != nil {
		e.Error, e.ReturnBytes = r.Err.Message, 0
	}
	if lost != nil && lost.lost != nil {
		e.WillRetry = lost.again
		e.OCC = &OCCInfo{lost.lost.table, lost.lost.document, lost.lost.source, lost.lost.component, lost.n}
	}
	d.log.add(e)
}

// recordProgress adds a line of a running action.
func (d *Deployment) recordProgress(c call, x *execution, f *function, line FunctionLogLine) {
	d.log.add(LogEntry{
		Kind: "Progress", Component: f.component.Path, Identifier: shortPath(f.fn.Path()), Type: f.fn.Type,
		Lines: []FunctionLogLine{line}, Started: x.now, Timestamp: d.now(), RequestID: x.requestID,
		ExecutionID: x.id, ParentExecutionID: c.Parent, Caller: c.Caller, Admin: c.Admin,
	})
}

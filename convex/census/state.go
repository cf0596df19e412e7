package census

import (
	"errors"
	"fmt"
	"time"

	"strait/plan"
)

// State is what a census of a deployment keeps of itself to be resumed, by
// another process too: it can be written as JSON, and holds ids of documents
// but none of their contents.
type State struct {
	Schema    string       `json:"schema"` // hash of the target
	Component string       `json:"component,omitempty"`
	Sample    int64        `json:"sample,omitempty"`
	Started   time.Time    `json:"started"`
	Brought   string       `json:"brought,omitempty"` // as plan.Census.Brought
	BringAll  bool         `json:"bringAll,omitempty"`
	Tables    []TableState `json:"tables"` // in the order in which they are read
}

// TableState is one table of a State.
type TableState struct {
	Table     string       `json:"table"`
	Documents int64        `json:"documents"` // when it was begun
	Proved    string       `json:"proved,omitempty"`
	Failed    string       `json:"failed,omitempty"`
	Done      bool         `json:"done,omitempty"`
	At        position     `json:"at,omitzero"`
	Read      int64        `json:"read,omitempty"`
	Bytes     int64        `json:"bytes,omitempty"`
	Offenders int64        `json:"offenders,omitempty"`
	Weighed   int64        `json:"weighed,omitempty"`
	Largest   int64        `json:"largest,omitempty"`
	Groups    []groupState `json:"groups,omitempty"`
}

type groupState struct {
	Path    string        `json:"path"`
	Reason  string        `json:"reason"`
	Count   int64         `json:"count"`
	Samples []sampleState `json:"samples,omitempty"`
}

type sampleState struct {
	ID   string `json:"id"`
	Line int    `json:"line"`
}

// position is where the reading of a table goes on: after a cursor, after a
// creation time, or in a sample after an id.
type position struct {
	Begun   bool   `json:"begun,omitempty"`
	Brought bool   `json:"brought,omitempty"` // Cursor is one of TableData
	Cursor  string `json:"cursor,omitempty"`
	// Time is the creation time of the last document, Seen are the documents
	// of that very time that were read.
	Time float64  `json:"time,omitempty"`
	Seen []string `json:"seen,omitempty"`
	// Start is the id from which a sample is taken, ID the last one read; Round
	// says that the end of the table was passed and the beginning came next.
	Start string `json:"start,omitempty"`
	ID    string `json:"id,omitempty"`
	Round bool   `json:"round,omitempty"`
}

// state is the census as it is now.
func (r *run) state() State {
	s := State{Schema: r.hash, Component: r.o.Component, Sample: r.o.Sample, Started: r.started, Brought: r.brought, BringAll: r.bringAll}
	for _, t := range r.tables {
		ts := TableState{
			Table: t.table.Name, Documents: t.count.Documents, Proved: t.count.Proved, Failed: t.count.Failed, Done: t.done, At: t.at,
			Read: t.found.read, Bytes: t.found.bytes, Offenders: t.found.offenders, Weighed: t.found.weighed, Largest: t.found.largest,
		}
		for _, key := range t.found.keys() {
			g := t.found.groups[key]
			gs := groupState{Path: key.path, Reason: key.reason, Count: g.count}
			for _, s := range g.samples {
				gs.Samples = append(gs.Samples, sampleState{s.ID, s.line})
			}
			ts.Groups = append(ts.Groups, gs)
		}
		s.Tables = append(s.Tables, ts)
	}
	return s
}

// resume takes up the state of an earlier census. Its samples are ids until
// they are fetched again.
func (r *run) resume(s *State) error {
	switch {
	case s.Schema != r.hash:
		return errors.New("the census to go on with was taken against another target; begin a new one")
	case s.Component != r.o.Component:
		return fmt.Errorf("the census to go on with is of component %q; begin a new one", s.Component)
	case s.Sample != r.o.Sample:
		return fmt.Errorf("the census to go on with has another size of sample (%d); begin a new one", s.Sample)
	}
	r.started, r.brought, r.bringAll = s.Started, s.Brought, s.BringAll || r.bringAll
	for _, ts := range s.Tables {
		table := r.o.Target.Table(ts.Table)
		if table == nil {
			return fmt.Errorf("the census to go on with names a table %q, which the target has not; begin a new one", ts.Table)
		}
		t := &tableRun{table: table, done: ts.Done, at: ts.At, count: plan.TableCount{Documents: ts.Documents, Proved: ts.Proved, Failed: ts.Failed}}
		t.found = share{read: ts.Read, bytes: ts.Bytes, offenders: ts.Offenders, weighed: ts.Weighed, largest: ts.Largest}
		for _, gs := range ts.Groups {
			g := t.found.group(groupKey{gs.Path, gs.Reason}, ts.Table)
			g.count = gs.Count
			for _, ss := range gs.Samples {
				g.samples = append(g.samples, placed{plan.Sample{ID: ss.ID}, ss.Line})
			}
		}
		r.tables = append(r.tables, t)
	}
	return nil
}

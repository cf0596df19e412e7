package fleet

import (
	"testing"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
)

func TestCostsFindTheirBatches(t *testing.T) {
	_, e, now := still(project.Migration{Name: "m:x", Driver: project.ComponentDriver})
	tr := e.tracker("m:x")
	tr.run.BatchSize = 100
	at := func(s float64) time.Time { return now.Add(time.Duration(s * float64(time.Second))) }
	cost := func(read int64, s float64) { tr.cost(Usage{ReadDocuments: read, WrittenDocuments: 1}, at(s), at(s)) }
	cost(101, 0.9) // before its status
	tr.batch(Batch{At: at(1), Documents: 100}, at(1))
	published := tr.run.Batches
	tr.batch(Batch{At: at(2), Documents: 250}, at(2)) // three batches seen as one
	for i := range 3 {
		cost(int64(200+i), 1.5+float64(i)/10)
	}
	tr.batch(Batch{At: at(3), Documents: 100}, at(3)) // the log misses it
	tr.batch(Batch{At: at(30), Documents: 100}, at(30))
	cost(500, 30.1)
	want := []int64{101, 200 + 201 + 202, 0, 500}
	for i, b := range tr.run.Batches {
		got := int64(0)
		if b.Usage != nil {
			got = b.Usage.ReadDocuments
		}
		if got != want[i] {
			t.Errorf("batch %d read %d documents, want %d", i, got, want[i])
		}
	}
	if len(published) != 1 || published[0].Usage.ReadDocuments != 101 {
		t.Errorf("what was published changed: %+v", published)
	}
}

// The log tells the whole error where the answer or the component does not,
// and the document; a conflict is counted to the attempt that got through.
func TestTheLogMendsAFailure(t *testing.T) {
	_, e, now := still(project.Migration{Name: "m:x", Driver: project.PagedDriver})
	e.logs.conflicts = map[string]int{}
	tr := e.tracker("m:x")
	id := "jd71w8z2m5c4h9x3q6v0k1n7p8s2t4r5"
	for _, text := range []string{"[Request ID: abc] Server Error", ""} {
		tr.fail(newFailure(text), now)
		if text == "" {
			tr.run.Failure = &Failure{Text: keptNothing, Summary: keptNothing}
		}
		e.logged(wire.Execution{Kind: "Completion", Function: "m:x", Type: "Mutation", Caller: "HttpApi", At: now,
			Error: "Uncaught Error: no zip\n    at handler (../convex/m.ts:7:3)\n",
			Lines: []wire.LogLine{{Level: "ERROR", Messages: []string{"'Document failed: " + id + "'"}}}}, now)
		if f := tr.run.Failure; f.Summary != "no zip" || f.Document != id || f.Frame != "convex/m.ts:7" {
			t.Errorf("%q: %+v", text, f)
		}
	}
	tr.run.State = "inProgress"
	tr.costs = costs{}
	tr.batch(Batch{At: now, Documents: 5}, now)
	tr.costs.paid = tr.batches - 1
	for _, again := range []bool{true, true, false} {
		e.logged(wire.Execution{Kind: "Completion", Function: "m:x", RequestID: "r", At: now, WillRetry: again, Usage: wire.ExecutionUsage{WrittenDocuments: 5}}, now)
	}
	if b := tr.run.Batches[len(tr.run.Batches)-1]; b.Usage == nil || b.Usage.Conflicts != 2 {
		t.Errorf("got %+v", b.Usage)
	}
}

func TestALineIsShownOnce(t *testing.T) {
	_, e, now := still(project.Migration{Name: "m:x", Driver: project.ComponentDriver})
	tr := e.tracker("m:x")
	line := LogEntry{At: now, Level: "INFO", Text: "'hello'"}
	tr.log(line)
	tr.stream(line, true, now) // the answer came first
	tr.stream(line, true, now)
	tr.log(line)                // the log came first
	tr.stream(line, false, now) // the scheduler's own: nobody gets an answer
	if n := len(tr.run.Log); n != 3 {
		t.Errorf("%d lines", n)
	}
}

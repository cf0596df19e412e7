package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// Whatever statuses come, late or twice, in any run of the migration: the
// batches add up to what was processed since it was first seen.
func TestBatchesAddUp(t *testing.T) {
	base := time.UnixMilli(1_700_000_000_000)
	rapid.Check(t, func(t *rapid.T) {
		var history []wire.MigrationStatus
		start, processed := base, int64(0)
		for range rapid.IntRange(1, 20).Draw(t, "statuses") {
			if rapid.IntRange(0, 9).Draw(t, "reset") == 0 {
				start, processed = start.Add(time.Second), 0
			}
			processed += rapid.Int64Range(0, 300).Draw(t, "grown")
			state := rapid.SampledFrom([]string{"inProgress", "inProgress", "failed", "canceled", "success"}).Draw(t, "state")
			history = append(history, wire.MigrationStatus{Name: "m:x", State: state, IsDone: state == "success", Processed: processed, LatestStart: start, Error: "boom"})
		}
		tr := &tracker{}
		now := base
		var first wire.MigrationStatus
		last := history[0]
		for i, s := range history {
			now = now.Add(time.Second)
			tr.observe(s, now)
			if i == 0 {
				first = s
			}
			last = s
			if old := rapid.IntRange(0, i).Draw(t, "late"); history[old].Processed < s.Processed || history[old].LatestStart.Before(s.LatestStart) {
				tr.observe(history[old], now) // overtaken: must change nothing
			}
		}
		if tr.run.Processed != last.Processed || !tr.run.Started.Equal(last.LatestStart) {
			t.Fatalf("got %+v, last told %+v", tr.run, last)
		}
		want := last.Processed
		if last.LatestStart.Equal(first.LatestStart) {
			want -= first.Processed
		}
		var got int64
		for _, b := range tr.run.Batches {
			got += b.Documents
			if b.Took < 0 {
				t.Fatalf("batch took %v", b.Took)
			}
		}
		if got != want {
			t.Fatalf("batches tell of %d documents, want %d\n%+v", got, want, tr.run.Batches)
		}
		if tr.run.State != last.State {
			t.Fatalf("state %q, want %q", tr.run.State, last.State)
		}
	})
}

// While a start is on its way, statuses of before do not end it.
func TestAStartIsNotEndedByOldNews(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	old := wire.MigrationStatus{Name: "m:x", State: "failed", Error: "boom", Processed: 20, LatestStart: now}
	tr := &tracker{}
	if !tr.observe(old, now) {
		t.Fatal("the failure was not noticed")
	}
	tr.begin(now.Add(time.Second), 0)
	tr.observe(old, now.Add(2*time.Second))
	if tr.run.State != "starting" || tr.run.Failure != nil {
		t.Fatalf("got %q %v", tr.run.State, tr.run.Failure)
	}
	done := old
	done.State, done.Error, done.IsDone, done.Processed = "success", "", true, 40
	tr.observe(done, now.Add(3*time.Second))
	if tr.settle(now.Add(4 * time.Second)); tr.run.State != "success" || tr.run.Batches[len(tr.run.Batches)-1].Documents != 20 {
		t.Fatalf("got %+v", tr.run)
	}
}

// A run that Strait drives stays its own when the component tells of its start
// after the answer; one that nobody here drives is somebody else's.
func TestARunThatStraitDrivesStaysItsOwn(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for _, driven := range []bool{true, false} {
		tr := &tracker{}
		tr.observe(wire.MigrationStatus{Name: "m:x", State: "success", IsDone: true, Processed: 20, LatestStart: now}, now)
		if tr.begin(now.Add(time.Second), 0); driven {
			tr.driver = newDriver(Command{Supervised: true})
			tr.driver.at = "m:x"
		}
		tr.settle(now.Add(2 * time.Second))
		tr.observe(wire.MigrationStatus{Name: "m:x", State: "unknown", Processed: 10, LatestStart: now.Add(time.Second)}, now.Add(3*time.Second))
		if tr.run.Mine != driven {
			t.Errorf("driven here %v: mine %v", driven, tr.run.Mine)
		}
	}
}

func TestEstimateIsWithheldEarly(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	r := Run{Total: 1000, Processed: 300}
	for i := range 3 {
		if e := estimate(r); e != 0 {
			t.Errorf("after %d batches: %v", i, e)
		}
		r.Batches = append(r.Batches, Batch{At: now, Documents: 100, Took: time.Second})
		r.Rate = rate(r.Batches, 0, now)
	}
	if e := estimate(r); e != 7*time.Second {
		t.Errorf("got %v, want 7s", e)
	}
	r.Range = true
	if e := estimate(r); e != 0 {
		t.Errorf("a range has no known end: %v", e)
	}
	r.Range, r.Processed = false, 1200
	if e := estimate(r); e != 0 {
		t.Errorf("past the total: %v", e)
	}
	if got := rate(r.Batches, 0, now.Add(time.Hour)); got != 0 {
		t.Errorf("an hour later the rate is %v", got)
	}
}

func TestSeriesState(t *testing.T) {
	for _, c := range []struct {
		states  map[string]int
		chasing bool
		want    string
	}{
		{map[string]int{"": 3}, false, ""},
		{map[string]int{"success": 3}, false, "success"},
		{map[string]int{"success": 1, "inProgress": 1, "": 1}, false, "inProgress"},
		{map[string]int{"success": 1, "": 2}, true, "inProgress"},
		{map[string]int{"success": 1, "": 2}, false, "unknown"},
		{map[string]int{"success": 1, "failed": 1, "": 1}, true, "failed"},
		{map[string]int{"success": 1, "waiting": 2}, true, "inProgress"},
		{map[string]int{"inProgress": 1, "failed": 2}, true, "inProgress"},
		{map[string]int{"success": 2, "canceled": 1}, false, "canceled"},
		{map[string]int{"success": 2, "canceling": 1}, false, "canceling"},
	} {
		if got := seriesState(c.states, 3, c.chasing); got != c.want {
			t.Errorf("%v chasing %v: %q, want %q", c.states, c.chasing, got, c.want)
		}
	}
}

func TestNewFailure(t *testing.T) {
	for _, c := range []struct{ text, summary, frame string }{
		{"[Request ID: abc] Server Error\nUncaught Error: boom\n    at handler (../convex/m.ts:3:9)\n", "boom", "convex/m.ts:3"},
		{"Uncaught Error: Uncaught TypeError: x is null\n    at migrateOne (../convex/a/m.ts:41:7)\n    at doOne (../node_modules/x/index.ts:1:1)\n", "TypeError: x is null", "convex/a/m.ts:41"},
		{"Uncaught Error: late\n    at a (../node_modules/x/index.js:1:1)\n    at ../convex/m.ts:7:1\n", "late", "convex/m.ts:7"},
		{"", "", ""},
		{"plain", "plain", ""},
	} {
		f := newFailure(c.text)
		if f.Summary != c.summary || f.Frame != c.frame {
			t.Errorf("%q: %q at %q, want %q at %q", c.text, f.Summary, f.Frame, c.summary, c.frame)
		}
	}
}

func TestFailedDocument(t *testing.T) {
	id := "j5766v3fedjp8bbmcngpt000015wgg36"
	for _, c := range []struct {
		lines []string
		text  string
	}{
		{[]string{"[LOG] 'hello'", "[ERROR] 'Document failed: " + id + "'"}, ""},
		{nil, `Update on nonexistent document ID "` + id + `"`},
		{nil, `Document with ID "` + id + `" in table "t" does not match the schema: …`},
	} {
		if got := failedIn(c.lines, c.text); got != id {
			t.Errorf("%v %q: %q", c.lines, c.text, got)
		}
	}
	if got := failedIn([]string{"[LOG] 'Document failed: no'"}, "nothing here"); got != "" {
		t.Errorf("found %q", got)
	}
}

func TestExamples(t *testing.T) {
	got, more := examples([]string{
		"[DEBUG] 'DRY RUN: Example change' {\n  before: { _id: 'a', n: 1 },\n  after: { _id: 'a', n: '1' }\n}",
		"[DEBUG] 'DRY RUN: Example change' { before: { _id: 'b' }, after: null }",
		"[DEBUG] 'DRY RUN: Example change' { before: { _id: 'c', deep: [Object] }, after: {} }",
		"[LOG] 'something else'",
		"[DEBUG] 'DRY RUN: More than 10 changes were found in the first page. Skipping the rest.'",
	})
	if len(got) != 3 || !more {
		t.Fatalf("got %+v, more %v", got, more)
	}
	if got[0].ID != "a" || got[0].Text != "" || !value.Equal(got[0].After, value.NewObject(value.Field{Name: "_id", Value: "a"}, value.Field{Name: "n", Value: "1"})) {
		t.Errorf("first: %+v", got[0])
	}
	if got[1].ID != "b" || got[1].After != nil {
		t.Errorf("a deletion: %+v", got[1])
	}
	if got[2].Text == "" || got[2].Before != nil {
		t.Errorf("what cannot be read keeps its text: %+v", got[2])
	}
}

func FuzzExamples(f *testing.F) {
	f.Add("[DEBUG] 'DRY RUN: Example change' { before: { _id: 'a' }, after: null }")
	f.Add("[ERROR] 'Document failed: x'")
	f.Fuzz(func(t *testing.T, line string) {
		out, _ := examples([]string{line})
		for _, x := range out {
			if x.Text == "" && x.Before == nil {
				t.Fatalf("an example without content from %q", line)
			}
		}
		newFailure(line)
		failedIn([]string{line}, line)
	})
}

// Any answers of a hand-written page: the loop ends, fails, or moves on.
func TestLoopNeverStandsStill(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLoop(project.Migration{Driver: project.PagedDriver, CursorArg: "cursor"}, nil, 0)
		var cursors []value.Value
		for range 20 {
			at := l.cursor
			fields := []value.Field{}
			if rapid.Bool().Draw(t, "has cursor") {
				fields = append(fields, value.Field{
					Name:  rapid.SampledFrom([]string{"cursor", "continueCursor", "nextCursor", "other"}).Draw(t, "name"),
					Value: rapid.SampledFrom([]value.Value{nil, "a", "b", "c", 1.0}).Draw(t, "cursor"),
				})
			}
			if rapid.Bool().Draw(t, "has done") {
				fields = append(fields, value.Field{Name: "isDone", Value: rapid.Bool().Draw(t, "done")})
			}
			err := l.take(value.NewObject(fields...))
			if err != nil || l.done {
				return
			}
			if value.Equal(l.cursor, at) {
				t.Fatalf("went on from %v to %v", at, l.cursor)
			}
			cursors = append(cursors, l.cursor)
		}
		_ = cursors
	})
}

func TestJournalOutlivesATornLine(t *testing.T) {
	root := t.TempDir()
	j := newJournal(root)
	for _, id := range []string{"a", "b"} {
		if err := j.write(entry{ID: id, Action: "run"}); err != nil {
			t.Fatal(err)
		}
	}
	j.close()
	path := filepath.Join(root, ".strait", "journal.jsonl")
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(text, `{"id":"c","act`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := j.write(entry{ID: "d"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if _, err := newJournal(root).read(func(e entry) { got = append(got, e.ID) }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "") != "abd" {
		t.Errorf("read %v", got)
	}
}

// However often the state changes, few snapshots are made, and the last one
// shows the last state.
func TestSnapshotsAreFewAndNewestWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := Open(t.Context(), Options{Load: func(ctx context.Context) (*project.Project, error) { return nil, errors.New("no project here") }})
		defer f.Close()
		synctest.Wait()
		first := f.Snapshot().Seq
		for i := range 1000 {
			f.change(func() { f.say("info", "", string(rune('a'+i%26))) })
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		time.Sleep(time.Second)
		if n := f.Snapshot().Seq - first; n < 10 || n > snapshotsPerSecond+atOnce {
			t.Errorf("%d snapshots in a second", n)
		}
		s, ok := f.Next(t.Context(), first)
		if !ok || len(s.Messages) != 200 || s.Messages[199].ID != 1000 {
			t.Errorf("the newest snapshot is not the last state")
		}
		if s.Err != "no project here" || s.Loading {
			t.Errorf("got %q", s.Err)
		}
		seq := s.Seq
		time.Sleep(time.Hour)
		if f.Snapshot().Seq != seq {
			t.Error("an idle fleet made snapshots")
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	before := runtime.NumGoroutine()
	f := demo(t)
	ready(t, f, "dev", "staging", "prod")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Next(t.Context(), 1<<60); ok {
		t.Error("Next after Close")
	}
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

func BenchmarkSnapshot(b *testing.B) {
	dir := b.TempDir()
	for _, part := range []string{"convex", "schemas", "fixtures"} {
		os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join("..", "..", "testdata", "demo", part)))
	}
	os.WriteFile(filepath.Join(dir, "strait.toml"), []byte(small), 0o644)
	os.WriteFile(filepath.Join(dir, "package.json"), []byte("{}"), 0o644)
	f := Open(b.Context(), Options{Dir: dir})
	defer f.Close()
	for _, e := range []string{"dev", "staging", "prod"} {
		if err := f.Ready(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		f.Now()
	}
}

// slow leaves a test out of the race detector's run, where the engine is ten
// times slower, when others take the same paths.
func slow(t *testing.T) {
	if testing.Short() {
		t.Skip("too slow for the race detector's run: others take the same paths")
	}
}

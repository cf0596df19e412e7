package local

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"strait/model/value"
)

// clock is a clock that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_780_000_000_000)} }

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func job(t testing.TB, d *Deployment, id string) value.Object {
	t.Helper()
	doc, ok := d.View().Get("", id)
	if !ok {
		t.Fatalf("there is no job %s", id)
	}
	return decode(t, doc.JSON)
}

func later(t testing.TB, d *Deployment, ms int, fn, args string) string {
	t.Helper()
	return must(t, d, "core:later", fmt.Sprintf(`{"ms":%d,"fn":%q,"args":%s}`, ms, fn, args)).(string)
}

func waitJob(t testing.TB, d *Deployment, id, state string) value.Object {
	t.Helper()
	var j value.Object
	eventually(t, d, "job to be "+state, func() bool {
		j = job(t, d, id)
		return stateOf(j) == state
	})
	return j
}

func TestScheduledMutationRunsAndIsSeen(t *testing.T) {
	d := core(t, Options{})
	id := later(t, d, 0, "core:add", `{"title":"scheduled"}`)
	j := waitJob(t, d, id, "success")
	if field(j, "name") != "core.js:add" || text(field(j, "args")) != `[{"title":"scheduled"}]` {
		t.Errorf("job %s", text(j))
	}
	if _, ok := field(j, "completedTime").(float64); !ok {
		t.Errorf("no completedTime: %s", text(j))
	}
	for _, f := range j {
		if strings.HasPrefix(f.Name, "__") {
			t.Errorf("the job shows %s", f.Name)
		}
	}
	if v := must(t, d, "core:job", fmt.Sprintf(`{"id":%q}`, id)); !value.Equal(v, j) {
		t.Errorf("db.system.get gives %s, the view %s", text(v), text(j))
	}
	if got := text(must(t, d, "core:titles", `{}`)); got != `["scheduled"]` {
		t.Error(got)
	}
	all := must(t, d, "core:collect", `{"query":`+text(`{"source":{"type":"FullTableScan","tableName":"_scheduled_functions","order":null},"operators":[]}`)+`}`)
	if !value.Equal(all, value.Array{j}) {
		t.Errorf("db.system.query gives %s", text(all))
	}
}

func TestScheduledFunctionsWaitForTheirTime(t *testing.T) {
	c := newClock()
	d := core(t, Options{Now: c.read})
	id := later(t, d, 60_000, "core:add", `{"title":"in a minute"}`)
	if jobs := d.View().Jobs(""); len(jobs) != 1 || jobs[0].Path != "core:add" || jobs[0].State != "pending" || jobs[0].At.Sub(c.read()) != time.Minute {
		t.Fatalf("jobs %+v", jobs)
	}
	c.move(59 * time.Second)
	d.jobs.poke()
	must(t, d, "core:titles", `{}`)
	if s := stateOf(job(t, d, id)); s != "pending" {
		t.Fatalf("it is %s a second early", s)
	}
	c.move(2 * time.Second)
	d.jobs.poke()
	waitJob(t, d, id, "success")
	c.move(8 * 24 * time.Hour)
	d.jobs.poke()
	eventually(t, d, "the job to be swept", func() bool { _, ok := d.View().Get("", id); return !ok })
}

func TestScheduledFailuresKeepTheirError(t *testing.T) {
	limits := DefaultLimits()
	limits.FunctionTime = 50 * time.Millisecond
	d := core(t, Options{Limits: &limits})
	for _, c := range []struct{ fn, args, want string }{
		{"core:boom", `{}`, "Uncaught TypeError: bad thing\n    at handler (../convex/core.ts:"},
		{"core:add", `{"name":1}`, "ArgumentValidationError: "},
		{"core:loop", `{}`, "Function execution timed out (maximum duration: 50ms)"},
		{"core:titles", `{}`, `Unsupported function type. "titles" in module "core.js" is defined as a Query. Only Mutation and Action can be scheduled.`},
	} {
		id := later(t, d, 0, c.fn, c.args)
		j := waitJob(t, d, id, "failed")
		if got := fmt.Sprint(field(j, "state.error")); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q", c.fn, got)
		}
	}
	if got := text(must(t, d, "core:titles", `{}`)); got != `[]` {
		t.Errorf("a failed job wrote %s", got)
	}
}

func TestScheduledActionRunsOnce(t *testing.T) {
	d := core(t, Options{})
	id := later(t, d, 0, "core:inAct", `{"a":1}`)
	waitJob(t, d, id, "success")
	bad := later(t, d, 0, "core:inAct", `{"a":"x"}`)
	j := waitJob(t, d, bad, "failed")
	if got := fmt.Sprint(field(j, "state.error")); !strings.HasPrefix(got, "ArgumentValidationError: ") {
		t.Error(got)
	}
}

func TestPausedDeploymentRunsNothing(t *testing.T) {
	d := core(t, Options{})
	d.Pause(true)
	if e := fails(t, d, "core:titles", `{}`); e.Message != pausedText {
		t.Error(e.Message)
	}
	var id string
	_, err := d.load(context.Background(), "", func(tx *transaction) (err error) {
		id, err = tx.schedule("", functionAddress{"", "core:add"}, title("after the pause"), d.now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	d.jobs.poke()
	if s := stateOf(job(t, d, id)); s != "pending" {
		t.Errorf("while paused the job is %s", s)
	}
	d.Pause(false)
	waitJob(t, d, id, "success")
}

func TestCancel(t *testing.T) {
	d := core(t, Options{})
	id := later(t, d, 100_000, "core:add", `{"title":"never"}`)
	must(t, d, "core:cancel", fmt.Sprintf(`{"id":%q}`, id))
	if s := stateOf(job(t, d, id)); s != "canceled" {
		t.Fatalf("it is %s", s)
	}
	must(t, d, "core:cancel", fmt.Sprintf(`{"id":%q}`, id)) // once more is nothing
	done := later(t, d, 0, "core:inner", `{}`)
	waitJob(t, d, done, "success")
	if err := d.CancelJob("", done); err != nil || stateOf(job(t, d, done)) != "success" {
		t.Errorf("canceling what is finished: %v, it is %s", err, stateOf(job(t, d, done)))
	}
	if len(d.View().Jobs("")) != 0 {
		t.Error("unfinished jobs are left")
	}
}

// TestCancelWhileItRuns cancels a job after its mutation has run and before it
// commits: the mutation must neither commit nor run again.
func TestCancelWhileItRuns(t *testing.T) {
	d := core(t, Options{})
	d.Pause(true) // the scheduler stays out of it
	var text string
	if _, err := d.load(context.Background(), "", func(tx *transaction) (err error) {
		text, err = tx.schedule("", functionAddress{"", "core:add"}, title("too late"), d.now())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	j := &jobRun{"", id(t, text)}
	tx := d.begin(d.latest.Load())
	if !j.claim(tx) {
		t.Fatal("the job cannot be claimed")
	}
	if old, doc, _ := tx.job("", j.id); old == nil || stateOf(doc) != "inProgress" {
		t.Error("the running mutation does not see its job as inProgress")
	}
	if s := stateOf(job(t, d, text)); s != "pending" {
		t.Errorf("others see it as %s", s)
	}
	if _, err := tx.insert("", "books", title("too late")); err != nil {
		t.Fatal(err)
	}
	if err := d.CancelJob("", text); err != nil {
		t.Fatal(err)
	}
	j.succeed(tx)
	if _, err := d.commit(tx, "core:add"); err == nil {
		t.Fatal("the canceled job committed")
	}
	if j.claim(d.begin(d.latest.Load())) {
		t.Error("the canceled job can be claimed again")
	}
	if s := stateOf(job(t, d, text)); s != "canceled" || len(scanAll(d, "", "books")) != 0 {
		t.Errorf("it is %s, %d books", s, len(scanAll(d, "", "books")))
	}
}

func TestSchedulingRollsBackWithItsTransaction(t *testing.T) {
	d := core(t, Options{})
	r := must(t, d, "core:both", `{"calls":[["1.0/runUdf",{"udfType":"mutation","name":"core:laterAndFail","args":{}}]]}`)
	if !strings.Contains(text(r), "caught Uncaught Error: on purpose") {
		t.Fatal(text(r))
	}
	if jobs := d.View().Jobs(""); len(jobs) != 0 {
		t.Errorf("jobs are left: %+v", jobs)
	}
}

func TestManyJobsRunEightAtATime(t *testing.T) {
	d := core(t, Options{})
	must(t, d, "core:fan", `{"n":40}`)
	eventually(t, d, "all jobs", func() bool { return len(d.View().Jobs("")) == 0 })
	if n := len(scanAll(d, "", "books")); n != 40 {
		t.Errorf("%d of 40 ran", n)
	}
}

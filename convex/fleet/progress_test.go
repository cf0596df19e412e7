package fleet

import (
	"strings"
	"testing"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/plan"
)

// still is an environment without a connection, whose clock stands.
func still(ms ...project.Migration) (*Fleet, *env, time.Time) {
	now := time.UnixMilli(1_700_000_000_000)
	f := &Fleet{now: func() time.Time { return now }}
	f.changed.init()
	f.project = &project.Project{Migrations: ms, Config: project.Config{Envs: []project.Env{{Name: "e", KeyEnv: "K", URL: "https://x"}}}}
	e := newEnv(f, f.project.Config.Envs[0])
	e.tablesKnown, e.listed = true, map[string]bool{"t": true}
	f.envs = []*env{e}
	return f, e, now
}

// A migration that deletes what it passes makes its table smaller: what is done
// is a part of what was there.
func TestTheTotalOfAMigrationThatDeletes(t *testing.T) {
	_, e, now := still(project.Migration{Name: "m:x", Table: "t", Driver: project.ComponentDriver})
	e.gotSize("t", 200, nil)
	status := wire.MigrationStatus{Name: "m:x", State: "inProgress", LatestStart: now}
	for done := int64(0); done <= 200; done += 50 {
		status.Processed = done
		e.gotStatuses(nil, []wire.MigrationStatus{status}, nil)
		e.gotSize("t", 200-done, nil)
		if r := e.show("m:x"); r.Total != 200 || r.Processed > r.Total {
			t.Errorf("%d of %d, want of 200", r.Processed, r.Total)
		}
	}
	// Somebody begins again: the table is what it is now.
	status.LatestStart, status.Processed = now.Add(time.Minute), 0
	e.gotSize("t", 80, nil)
	e.gotStatuses(nil, []wire.MigrationStatus{status}, nil)
	if r := e.show("m:x"); r.Total != 80 {
		t.Errorf("begun again: of %d", r.Total)
	}
	// Seen only when half of it was gone: what is done counts along.
	status.Processed = 90
	e.gotStatuses(nil, []wire.MigrationStatus{status}, nil)
	if r := e.show("m:x"); r.Total < r.Processed {
		t.Errorf("%d of %d", r.Processed, r.Total)
	}
}

func TestARunBegunAgainByOthersIsNotOurs(t *testing.T) {
	_, e, now := still(project.Migration{Name: "m:x", Table: "t", Driver: project.ComponentDriver})
	tr := e.tracker("m:x")
	tr.begin(now, 0)
	status := wire.MigrationStatus{Name: "m:x", State: "inProgress", LatestStart: now, Processed: 10}
	tr.observe(status, now)
	tr.settle(now)
	if !tr.run.Mine {
		t.Error("ours")
	}
	status.LatestStart, status.Processed = now.Add(time.Minute), 5
	tr.observe(status, now)
	if tr.run.Mine {
		t.Error("somebody else began it again")
	}
}

// A start that failed here says nothing of what others started since.
func TestASeriesThatOthersFinished(t *testing.T) {
	_, e, now := still(
		project.Migration{Name: "m:all", Runner: true, Series: []string{"m:x"}, Driver: project.ComponentDriver},
		project.Migration{Name: "m:x", Table: "t", Driver: project.ComponentDriver},
	)
	e.gotStatuses(nil, []wire.MigrationStatus{{Name: "m:x", State: "unknown"}}, nil)
	e.tracker("m:all").begin(now, 0)
	e.tracker("m:all").fail(newFailure("the line is dead"), now)
	if r := e.show("m:all"); r.State != "failed" {
		t.Errorf("got %+v", r)
	}
	e.f.now = func() time.Time { return now.Add(time.Minute) }
	e.gotStatuses(nil, []wire.MigrationStatus{{Name: "m:x", State: "success", IsDone: true, Processed: 9, LatestStart: now.Add(time.Second)}}, nil)
	if r := e.show("m:all"); r.State != "success" || r.Failure != nil {
		t.Errorf("got %+v", r)
	}
}

// A cancel that comes between two members stops the series all the same.
func TestCancelBetweenTwoMembers(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": define + `
import { internal } from "./_generated/api";
export const one = migrations.define({ table: "items", batchSize: 500, migrateOne: () => ({ done: true }) });
export const two = migrations.define({ table: "items", batchSize: 2, migrateOne: () => ({ n: 1 }) });
export const both = migrations.runner([internal.migrations.one, internal.migrations.two]);`}, "")
	ready(t, f, "only")
	e := f.envs[0]
	e.embed.Hold(true)
	if err := f.Do(t.Context(), Command{Action: plan.ActRun, Env: "only", Migration: "both"}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { r := e.show("migrations:one"); return r.State == "success" }); err != nil {
		t.Fatal(err)
	}
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "only", Migration: "both"}); err != nil {
		t.Fatal(err)
	}
	e.embed.Hold(false)
	if err := f.wait(within(t), func() bool { r := e.show("migrations:both"); return !r.active() }); err != nil {
		t.Fatal(err)
	}
	snap := f.Now().Envs[0]
	if both, two := snap.Runs["migrations:both"], snap.Runs["migrations:two"]; both.State != "canceled" || two.State != "canceled" || two.Processed >= 120 {
		t.Errorf("the series is %q, its second member %q after %d", both.State, two.State, two.Processed)
	}
}

// A function that schedules its own next batches has not ended when its first
// call has.
func TestAFunctionThatGoesOnByItself(t *testing.T) {
	f := own(t, map[string]string{"convex/migrations.ts": `import { internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
export const drip = internalMutation({
  args: {},
  handler: async (ctx) => {
    const some = await ctx.db.query("items").filter((q) => q.neq(q.field("n"), -7)).take(3);
    for (const d of some) await ctx.db.patch(d._id, { n: -7 });
    if (some.length > 0) await ctx.scheduler.runAfter(0, internal.migrations.drip, {});
  },
});`}, "")
	out := runIt(t, f, Command{Action: plan.ActRun, Migration: "drip"})
	if out.Status != "success" {
		t.Fatalf("got %+v %+v", out, out.Failure)
	}
	left := 0
	for d := range f.envs[0].embed.View().Scan("", "items", "", false) {
		if !strings.Contains(d.JSON, `"n":-7`) {
			left++
		}
	}
	if left > 0 {
		t.Errorf("success is told with %d documents to go", left)
	}
}

// A run that goes on after it stopped is timed from then: it may have begun
// weeks ago.
func TestAResumedRunIsTimedFromItsResumption(t *testing.T) {
	_, e, now := still(project.Migration{Name: "m:x", Table: "t", Driver: project.ComponentDriver})
	tr := e.tracker("m:x")
	began := now.Add(-1000 * time.Hour)
	status := wire.MigrationStatus{Name: "m:x", State: "canceled", LatestStart: began, Processed: 800}
	tr.observe(status, now)
	if !tr.run.Since().Equal(began) {
		t.Errorf("stopped: since %v, want %v", tr.run.Since(), began)
	}
	status.State, status.Processed = "inProgress", 900
	tr.observe(status, now)
	status.Processed = 1000
	tr.observe(status, now.Add(time.Second))
	if r := tr.run; !r.Since().Equal(now) || r.Before != 800 {
		t.Errorf("resumed: since %v with %d before, want %v with 800", r.Since(), r.Before, now)
	}
	status.LatestStart, status.Processed = now.Add(time.Minute), 50
	tr.observe(status, now.Add(time.Minute))
	if r := tr.run; !r.Since().Equal(status.LatestStart) || r.Before != 0 {
		t.Errorf("begun again: since %v with %d before", r.Since(), r.Before)
	}
}

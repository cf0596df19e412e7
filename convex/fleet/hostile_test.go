package fleet

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"strait/convex/project"
)

// hostile are the bodies of migrateOne that no rehearsal may be held up by,
// with a word of what is told of each.
var hostile = map[string]struct{ body, told string }{
	"never ends":    {`for (;;) {}`, "it does not come to an end on 5 documents"},
	"allocates":     {`const a: string[] = []; for (let i = 0; i < 1024; i++) a.push("x".repeat(1 << 20) + i + "\u0100"); return { done: a.length > 0 };`, "ran out of memory"},
	"never settles": {`await new Promise(() => {});`, "a promise that never settles"},
	"throws text":   {`throw "no error at all";`, "no error at all"},
	"throws null":   {`throw null;`, "null"},
	"recurses":      {`const f = (n: number): number => 1 + f(n + 1); return { done: f(0) > 0 };`, "Maximum call stack"},
	"huge patch":    {`return { done: true, pad: "x".repeat(3 << 20) };`, "too large"},
}

func hostileProject(t *testing.T, body string) *project.Project {
	return itemsOf(t, define+`
export const finish = migrations.define({ table: "items", batchSize: 10, migrateOne: async (_ctx, doc: any) => { if (doc._id) { `+body+` } return { done: true }; } });`, "v.boolean()")
}

// hasty is a rehearsal of an export on a copy whose functions have little time.
func hasty(p *project.Project, file string, tell func(RehearsalRun)) *rehearsal {
	open := *p.Schema
	open.Validation = false
	r := newRehearsal(p, RehearseOptions{Export: file}, origin{widened: &open}, tell)
	r.limits.FunctionTime = 40 * time.Millisecond
	return r
}

// settled waits until no more goroutines are left than there were.
func settled(t *testing.T, before int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for runtime.NumGoroutine() > before {
		if ctx.Err() != nil {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
		runtime.Gosched()
	}
}

// Each is reported as what it is, with its documents, in a time and a memory
// that have bounds.
func TestHostileRehearsal(t *testing.T) {
	slow(t)
	for title, c := range hostile {
		t.Run(title, func(t *testing.T) {
			p := hostileProject(t, c.body)
			file := held(t, "items", numbered(12))
			before := runtime.NumGoroutine()
			r := hasty(p, file, nil)
			if title != "never ends" {
				r.limits.FunctionTime = 0
			}
			report, err := r.run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			settled(t, before)
			m := runOf(t, report, "migrations:finish")
			told := m.Error
			for _, x := range m.Failures {
				told += "\n" + x.Summary
			}
			if m.State != "failed" || m.Changed != 0 || m.Failed < endlessDocuments || report.Accepted() || report.Narrow == "" || !strings.Contains(told, c.told) {
				t.Errorf("told %.500q, want %q; got %+v", told, c.told, m)
			}
			if title == "never ends" && m.Failed != endlessDocuments {
				t.Errorf("%d documents were tried, each until its time was over", m.Failed)
			}
			if notes := strings.Join(m.Notes, "; "); strings.Contains(notes, "batch of one document") {
				t.Errorf("no batch went through, and yet: %s", notes)
			}
		})
	}
}

// A document or two that take for ever keep no other from its turn.
func TestRehearsalGoesPastADocumentThatNeverEnds(t *testing.T) {
	slow(t)
	p := hostileProject(t, `if (doc.n % 10 === 3) for (;;) {}`)
	report, err := hasty(p, held(t, "items", numbered(30)), nil).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := runOf(t, report, "migrations:finish"); m.Failed != 3 || m.Changed != 27 || m.Error != "" {
		t.Errorf("%+v", m)
	}
}

// A rehearsal that is stopped within a loop without end is over at once, and
// leaves nothing behind.
func TestStopAHostileRehearsal(t *testing.T) {
	slow(t)
	p := hostileProject(t, `for (;;) {}`)
	file := held(t, "items", numbered(12))
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := hasty(p, file, func(run RehearsalRun) {
		if run.Migration != "" {
			go cancel()
		}
	})
	r.limits.FunctionTime = time.Hour
	report, err := r.run(ctx)
	if err != nil || report.Stopped == "" {
		t.Errorf("%+v %v", report, err)
	}
	settled(t, before)
}

// What a migration schedules may go on for ever; its rehearsal does not.
func TestRehearsalOfAnEndlessChain(t *testing.T) {
	slow(t)
	p := itemsOf(t, define+`
import { internal } from "./_generated/api";
import { internalMutation } from "./_generated/server";
export const again = internalMutation({ args: {}, handler: async (ctx): Promise<void> => { await ctx.scheduler.runAfter(0, internal.migrations.again, {}); } });
export const finish = migrations.define({ table: "items", migrateOne: async (ctx, doc: any) => {
  if (doc.n === 3) await ctx.scheduler.runAfter(0, internal.migrations.again, {});
  return { done: true };
} });`, "v.boolean()")
	r := hasty(p, held(t, "items", numbered(12)), nil)
	r.limits.FunctionTime, r.chain = 0, 100
	report, err := r.run(within(t))
	if err != nil {
		t.Fatal(err)
	}
	m := runOf(t, report, "migrations:finish")
	if notes := strings.Join(m.Notes, "; "); !strings.Contains(notes, "goes on scheduling: the rehearsal left it, with migrations:again waiting") {
		t.Errorf("notes %q", notes)
	}
	if m.State != "success" || report.Narrow != "" || report.Census == nil || report.Census.Offenders != 0 {
		t.Errorf("%+v %q", m, report.Narrow)
	}
}

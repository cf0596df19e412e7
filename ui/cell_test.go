package ui

import (
	"strings"
	"testing"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/plan"
)

func TestACellSaysWhatIsNext(t *testing.T) {
	ok := plan.Step{State: plan.Done}
	open := func(next string) plan.Cell {
		return plan.Cell{Widen: ok, Migrate: plan.Step{State: plan.Todo, Next: next}, Narrow: plan.Step{State: plan.Blocked, Next: "census"}}
	}
	row := &plan.Row{Migrations: []string{"m:a", "m:b"}}
	cases := []struct {
		name string
		cell plan.Cell
		run  fleet.Run // of m:a
		want string
	}{
		{"not widened", plan.Cell{Widen: plan.Step{State: plan.Todo, Next: "widen"}, Migrate: plan.Step{State: plan.Blocked, Next: "widen"}}, fleet.Run{}, "widen"},
		{"never run", open("run m:a"), fleet.Run{}, "migrate"},
		{"stopped", open("run m:a"), fleet.Run{State: "canceled", Processed: 800}, "resume"},
		{"stopped, told by count only", open("run m:a"), fleet.Run{State: "unknown", Processed: 3}, "resume"},
		{"the other one is next", open("run m:b"), fleet.Run{State: "success"}, "migrate"},
		{"ran, nothing proven", open("census"), fleet.Run{State: "success"}, "count"},
		{"ran, documents are left", open("run m:a again"), fleet.Run{State: "success"}, "rerun"},
		{"nothing covers it", open("write a migration"), fleet.Run{}, "write"},
		{"code is missing", plan.Cell{Widen: ok, Migrate: plan.Step{State: plan.Blocked, Next: "deploy"}}, fleet.Run{}, "deploy"},
		{"failed", plan.Cell{Widen: ok, Migrate: plan.Step{State: plan.Failed, Next: "run m:a"}}, fleet.Run{State: "failed"}, "failed"},
		{"running", open("run m:a"), fleet.Run{State: "inProgress", Processed: 43, Total: 100}, "running 43 %"},
		{"running, size unknown", open("run m:a"), fleet.Run{State: "inProgress", Processed: 1200, Total: -1}, "running 1,200"},
		{"starting", open("run m:a"), fleet.Run{State: "starting"}, "starts"},
		{"to narrow", plan.Cell{Widen: ok, Migrate: ok, Narrow: plan.Step{State: plan.Todo, Next: "narrow"}}, fleet.Run{State: "success"}, "narrow"},
		{"by hand", plan.Cell{Widen: ok, Migrate: plan.Step{State: plan.ByHand}, Narrow: ok}, fleet.Run{}, "done"},
		{"out of reach", plan.Cell{Widen: plan.Step{State: plan.Unknown}}, fleet.Run{}, "unknown"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := stand(row, &c.cell, map[string]fleet.Run{"m:a": c.run}).text(); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Progress that no worker of the component goes on with is a run that stopped
// part way, not a state nobody knows.
func TestARunWithoutAWorkerIsSaidToHaveStopped(t *testing.T) {
	for _, c := range []struct {
		run                 fleet.Run
		state, word, screen string
	}{
		{fleet.Run{State: "unknown", Processed: 200}, "unknown", "stopped part way", "stopped"},
		{fleet.Run{State: "unknown"}, "unknown", "no record", "unknown"},
		{fleet.Run{State: "canceled", Processed: 200}, "canceled", "canceled", "canceled"},
		{fleet.Run{State: "inProgress", Processed: 200}, "inProgress", "running", "inProgress"},
	} {
		ms := statusOfRun(&project.Migration{Name: "m:a"}, c.run)
		word, note := ms.words()
		if ms.State != c.state || word != c.word || strings.Contains(note, "goes on from there") != (c.word == "stopped part way") || stateOf(c.run) != c.screen {
			t.Errorf("%+v: %s %q %q, on the screen %s", c.run, ms.State, word, note, stateOf(c.run))
		}
	}
}

func TestAnEnvironmentIsNamedOnce(t *testing.T) {
	for _, c := range [][3]string{{"prod", "environment prod has no key", "has no key"}, {"", "environment prod has no key", "environment prod has no key"}, {"prod", "environment production is away", "environment production is away"}} {
		if got := unnamed(fleet.Message{Env: c[0], Text: c[1]}); got != c[2] {
			t.Errorf("%q, want %q", got, c[2])
		}
	}
}

// The columns of the grid stand still whatever the figures are.
func TestProgressMovesNoColumn(t *testing.T) {
	for _, w := range []int{60, 80, 100, 120, 160, 200} {
		columns := func(processed int64) (at []int) {
			s := scene("running")
			run := s.Envs[1].Runs["migrations:setDefaultPlan"]
			run.Processed = processed
			s.Envs[1].Runs["migrations:setDefaultPlan"] = run
			m, _ := screen(t, s, w, 40)
			line := lineWith(t, plainScreen(onRow(m, "users.profile")), "users.plan")
			for i, r := range []rune(line) {
				if strings.ContainsRune("✓●▲○", r) {
					at = append(at, i)
				}
			}
			return at[:min(len(at), 9)]
		}
		first := columns(0)
		for _, n := range []int64{1, 1999, 8437, 19_999} {
			if got := columns(n); len(got) != len(first) || got[len(got)-1] != first[len(first)-1] {
				t.Errorf("%d columns wide: %v after %d documents, %v before", w, got, n, first)
			}
		}
	}
}

func lineWith(t *testing.T, screen, word string) string {
	t.Helper()
	for line := range strings.SplitSeq(screen, "\n") {
		if strings.Contains(line, word) {
			return line
		}
	}
	t.Fatalf("no %q on\n%s", word, screen)
	return ""
}

func TestTheScreenOpensOnWhatFailed(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	if got := m.focus().row.Path; got != "orders.price" {
		t.Errorf("it opens on %s", got)
	}
	m = press(m, "down")
	m, _ = m.Update(snapped{scene("idle")})
	if got := m.focus().row.Path; got != "orders.paid" {
		t.Errorf("a snapshot took the cursor to %s", got)
	}
}

func TestARefusalOffersItsWayOut(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = onRow(m, "users.plan")
	e.refusals = []plan.Refusal{{Code: "dry-run-missing", Why: "no dry run yet", Hint: "make a dry run first"}, {Code: "order", Why: "dev comes first", Hint: "override with a reason"}}
	m = press(m, "r")
	if got := plainScreen(m); !strings.Contains(got, "d dry run setDefaultPlan") || strings.Contains(got, "o override") {
		t.Fatalf("the wrong ways out:\n%s", got)
	}
	for _, key := range []string{"o", "n", "q", "y", "enter", "r", "space"} { // as one types a reason that is not asked for
		if m = press(m, key); m.ask.kind != askAction || m.ask.cmd.Action != plan.ActRun {
			t.Fatalf("%s closed the question", key)
		}
	}
	e.refusals = nil
	if m = press(m, "d"); m.ask.cmd.Action != plan.ActDryRun || m.ask.cmd.Migration != "migrations:setDefaultPlan" || m.ask.cmd.Env != "staging" {
		t.Fatalf("d asked for %+v", m.ask.cmd)
	}
	e.refusals = []plan.Refusal{{Code: "census-missing", Why: "not counted"}}
	m = press(press(m, "esc"), "n", "v")
	if got := e.asked(); m.ask.kind != askNothing || m.page != offendersPage || len(got) != 1 || got[0].Action != plan.ActCensus || got[0].Env != "staging" {
		t.Fatalf("v did %+v", got)
	}
}

func TestAProjectThatDidNotLoadWholeIsNotCalledClean(t *testing.T) {
	s := scene("idle")
	s.Plan.Rows = nil
	for i := range s.Plan.Envs {
		s.Plan.Envs[i].Narrow.State = plan.Done
	}
	m, _ := screen(t, s, 120, 40)
	if got := plainScreen(m); !strings.Contains(got, "nothing to migrate") {
		t.Fatalf("a clean project is not called so:\n%s", got)
	}
	s.Project.Problems = []jsrun.Problem{{File: "convex/schema.ts", Line: 1, Message: `package "zod" is not installed`, Hint: "npm i zod"}}
	m, _ = screen(t, s, 120, 40)
	got := plainScreen(m)
	for _, want := range []string{"is not known", "convex/schema.ts:1", "npm i zod"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q on\n%s", want, got)
		}
	}
	s.Project.Problems = nil
	s.Plan.Envs[2].Narrow.State = plan.Unknown
	m, _ = screen(t, s, 120, 40)
	if got := plainScreen(m); !strings.Contains(got, "nothing is known to migrate") {
		t.Errorf("an environment that tells nothing is called clean:\n%s", got)
	}
}

func TestTheCensusBeginsWithTheRowsTable(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	got := plainScreen(press(onRow(m, "orders.price"), "v"))
	if line := lineWith(t, got, "4,204  "); !strings.Contains(line, "▸") || !strings.Contains(line, "orders.price") {
		t.Errorf("the cursor is on another group:\n%s", got)
	}
}

func TestAFunctionByHandHasNoRecord(t *testing.T) {
	s := scene("idle")
	for i := range s.Project.Migrations {
		s.Project.Migrations[i].Driver = "paged"
	}
	m, _ := screen(t, s, 120, 40)
	m = onRow(m, "users.plan")
	if got := plainScreen(m); !strings.Contains(got, "? no record") {
		t.Errorf("it says that it never ran, which nobody knows:\n%s", got)
	}
	if got := statusOfRun(m.focus().def, fleet.Run{}).State; got != "unknown" {
		t.Errorf("status says %q", got)
	}
}

func TestASeriesIsTriedMemberByMember(t *testing.T) {
	s := scene("idle")
	m, e := screen(t, s, 120, 40)
	m = onRow(m, "users.plan")
	m.mig = "migrations:runAll" // of setDefaultPlan and splitProfile
	s.Envs[1].Runs["migrations:setDefaultPlan"] = fleet.Run{State: "success"}
	e.warnings = []plan.Refusal{{Code: "dry-run-missing", Why: "no dry run of a member"}}
	m = press(m, "r")
	if got := plainScreen(m); !strings.Contains(got, "d dry run splitProfile") {
		t.Fatalf("the member that is open is not named:\n%s", got)
	}
	m = press(m, "d")
	if f := m.focus(); m.ask.cmd.Action != plan.ActDryRun || m.ask.cmd.Migration != "migrations:splitProfile" || f.row.Path != "users.profile" || f.mig != "migrations:splitProfile" {
		t.Fatalf("d asked for %+v on %s", m.ask.cmd, f.row.Title)
	}
}

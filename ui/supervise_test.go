package ui

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// What a key asks of a supervised run.
func TestKeysSteerASupervisedRun(t *testing.T) {
	for _, c := range []struct {
		scene string
		keys  []string
		want  []fleet.Tuning
	}{
		{"supervised", []string{"s"}, []fleet.Tuning{{Steps: new(1)}}},
		{"supervised", []string{"p"}, []fleet.Tuning{{Paused: new(true)}}},
		{"paused", []string{"s"}, []fleet.Tuning{{Steps: new(1)}}},
		{"paused", []string{"p"}, []fleet.Tuning{{Paused: new(false)}}},
		{"supervised", []string{"+", "+", "-"}, []fleet.Tuning{{Batch: new(500)}, {Batch: new(1000)}, {Batch: new(500)}}},
		{"supervised", []string{">", ">", "<"}, []fleet.Tuning{{Throttle: new(500 * time.Millisecond)}, {Throttle: new(time.Second)}, {Throttle: new(500 * time.Millisecond)}}},
	} {
		m, e := screen(t, scene(c.scene), 120, 40)
		press(onRow(m, "users.plan"), c.keys...)
		for i := range c.want {
			c.want[i].By = "screen"
		}
		if got := e.tuned; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s, %v: asked for %v, want %v", c.scene, c.keys, show(got), show(c.want))
		}
		if len(e.asked()) > 0 {
			t.Errorf("%s, %v: sent %+v", c.scene, c.keys, e.asked())
		}
	}
}

func show(all []fleet.Tuning) (out []string) {
	for _, t := range all {
		v := reflect.ValueOf(t)
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
				out = append(out, fmt.Sprintf("%s %v", v.Type().Field(i).Name, f.Elem()))
			}
		}
	}
	return out
}

// What lets more be written to an environment that is read-only again is asked
// for with its name, and sent with it.
func TestTuningAReadOnlyEnvironmentAsksForItsName(t *testing.T) {
	s := scene("paused")
	s.Envs[1].Protected = true
	m, e := screen(t, s, 120, 40)
	e.readOnly = true
	m = press(onRow(m, "users.plan"), "s")
	if m.ask.kind != askTune || m.ask.word != "staging" {
		t.Fatalf("nothing was asked: %+v", m.ask)
	}
	m = press(m, "y", "enter")
	if len(e.tuned) != 1 {
		t.Fatal("it went on without the name")
	}
	m = press(m, "backspace", "s", "t", "a", "g", "i", "n", "g")
	if got := plainScreen(m); !strings.Contains(got, "one batch of setDefaultPlan") || !strings.Contains(got, "enter to change it") {
		t.Errorf("the question:\n%s", got)
	}
	m = press(m, "enter")
	if got := e.tuned[len(e.tuned)-1]; len(e.tuned) != 2 || got.Typed != "staging" || got.Steps == nil || *got.Steps != 1 || m.ask.kind != askNothing {
		t.Fatalf("sent %v %+v", show(e.tuned), got)
	}
}

// What was armed is made read-only again by its name in the palette.
func TestMadeReadOnlyAgain(t *testing.T) {
	s := scene("idle")
	s.Envs[1].Protected, s.Envs[1].ArmedUntil = true, noon.Add(time.Minute)
	m, e := screen(t, s, 120, 40)
	keys := append([]string{":"}, strings.Split("read-only again", "")...)
	for i, k := range keys {
		if k == " " {
			keys[i] = "space"
		}
	}
	press(m, append(keys, "enter")...)
	if len(e.disarmed) != 1 || e.disarmed[0] != "staging" {
		t.Fatalf("disarmed %v", e.disarmed)
	}
}

// The page after the one that a dry run has tried is offered as the beginning.
func TestTheDryRunsCursorIsOffered(t *testing.T) {
	s := scene("dryrun")
	s.Envs[1].DryRun["migrations:setDefaultPlan"].Cursor = `["k57"]`
	m, e := screen(t, s, 120, 40)
	m = press(onRow(m, "users.plan"), ":", "c", "u", "r", "s", "o", "r", "enter")
	if got := plainScreen(m); !strings.Contains(got, `cursor: ["k57"]`) || !strings.Contains(got, "the page of the dry run") {
		t.Errorf("the question:\n%s", got)
	}
	press(m, "enter", "y")
	if got := e.asked(); len(got) != 1 || got[0].Cursor == nil || *got[0].Cursor != `["k57"]` {
		t.Fatalf("sent %+v", got)
	}
}

// p pauses what goes, also what goes only so many steps.
func TestPauseAmongSteps(t *testing.T) {
	s := scene("supervised")
	s.Envs[1].Runs["migrations:setDefaultPlan"].Control.Steps = 5
	m, e := screen(t, s, 120, 40)
	press(onRow(m, "users.plan"), "p")
	if len(e.tuned) != 1 || e.tuned[0].Paused == nil || !*e.tuned[0].Paused {
		t.Fatalf("asked for %v", show(e.tuned))
	}
}

// A wish is forgotten when it is old: what the run says counts again.
func TestAnOldWishDoesNotCount(t *testing.T) {
	m, e := screen(t, scene("supervised"), 120, 40)
	m = press(onRow(m, "users.plan"), "+")
	later := noon.Add(2 * wishTime)
	m.d.now = func() time.Time { return later }
	press(m, "+")
	if got := *e.tuned[1].Batch; got != 500 {
		t.Fatalf("went on from the old wish to %d; the run has 200", got)
	}
}

func TestABackgroundRunIsNotSteered(t *testing.T) {
	m, e := screen(t, scene("running"), 120, 40)
	m = onRow(m, "users.plan")
	for _, k := range []string{"s", "p", "+", "-", "<", ">"} {
		if got := press(m, k); !strings.Contains(got.toast.text, "background") {
			t.Errorf("%s said %q", k, got.toast.text)
		}
	}
	if len(e.tuned)+len(e.asked()) > 0 {
		t.Fatal("a run in the background was tuned")
	}
}

func TestStepStartsASupervisedRun(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	press(onRow(m, "users.plan"), "s", "y")
	want := fleet.Command{Action: plan.ActRun, Env: "staging", Migration: "migrations:setDefaultPlan", Supervised: true, Steps: 1, By: "screen"}
	if got := e.asked(); len(got) != 1 || got[0] != want {
		t.Fatalf("sent %+v", got)
	}
}

func TestRunIsAskedHow(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = press(onRow(m, "users.plan"), "r", "tab", "up", "up", "down", "y")
	want := fleet.Command{Action: plan.ActRun, Env: "staging", Migration: "migrations:setDefaultPlan", Supervised: true, BatchSize: 200, By: "screen"}
	if got := e.asked(); len(got) != 1 || got[0] != want {
		t.Fatalf("sent %+v", got)
	}
	m = press(m, "r") // how it was asked for last is offered first
	if !m.ask.cmd.Supervised {
		t.Error("the choice was forgotten")
	}
}

func TestRunFromACursorAndFromTheStart(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = press(onRow(m, "users.plan"), ":", "c", "u", "r", "s", "o", "r", "enter")
	m, _ = m.paste(`["k57",1]` + "\nnothing else")
	m = press(m, "enter")
	if !strings.Contains(m.ask.shell, `--cursor '["k57",1]'`) {
		t.Errorf("the command has no cursor: %s", m.ask.shell)
	}
	m = press(m, "y")
	if got := e.asked(); len(got) != 1 || got[0].Cursor == nil || *got[0].Cursor != `["k57",1]` || got[0].Reset {
		t.Fatalf("sent %+v", got)
	}
	press(m, ":", "f", "i", "r", "s", "t", " ", "d", "o", "c", "enter", "y")
	if got := e.asked(); len(got) != 2 || !got[1].Reset || got[1].Cursor != nil {
		t.Fatalf("sent %+v", got)
	}
}

func TestCancelAllAsksWithTheName(t *testing.T) {
	m, e := screen(t, scene("running"), 120, 40)
	m = press(onRow(m, "users.plan"), "C", "y")
	if got := e.asked(); len(got) != 1 || got[0].Action != plan.ActCancelAll || got[0].Env != "staging" || got[0].Migration != "" {
		t.Fatalf("sent %+v", got)
	}
	m = press(m, "tab", "i", "C", "y", "enter")
	if len(e.asked()) != 1 {
		t.Fatal("cancelled in prod without its name")
	}
	press(m, "backspace", "p", "r", "o", "d", "enter")
	if got := e.asked(); len(got) != 2 || got[1].Env != "prod" || got[1].Typed != "prod" {
		t.Fatalf("sent %+v", got)
	}
}

// Quitting says what becomes of a run: the one stops, the other goes on.
func TestQuittingASupervisedRunStopsIt(t *testing.T) {
	m, _ := screen(t, scene("supervised"), 120, 40)
	if got := plainScreen(press(m, "q")); !strings.Contains(got, "stops after its batch: Strait drives it") {
		t.Errorf("the question does not say that it stops:\n%s", got)
	}
	if bye := m.farewell(); !strings.Contains(bye, "stops in staging after its batch") {
		t.Errorf("the farewell: %q", bye)
	}
}

// Nothing turns on the screen while all that runs is paused.
func TestAPausedRunIsCalm(t *testing.T) {
	m, _ := screen(t, scene("paused"), 120, 40)
	if m.lively() {
		t.Error("the spinner's clock ticks for a paused run")
	}
	before := m.busy.runs
	m, _ = m.Update(snapped{scene("supervised")})
	if ended(before, m.busy.runs) {
		t.Error("a run that goes on again rings as one that ended")
	}
}

func TestAReadOnlyKeyBlocksWhatWrites(t *testing.T) {
	for _, ops := range [][]string{nil, {"ViewData", "RunTestQuery", "RunInternalMutations", "Deploy"}} {
		aReadOnlyKeyBlocks(t, ops)
	}
}

// aReadOnlyKeyBlocks takes the operations that the deployment lists for the key.
func aReadOnlyKeyBlocks(t *testing.T, ops []string) {
	s := scene("facts")
	s.Envs[1].Facts.Access = &fleet.Access{ReadOnly: true, Ops: ops}
	m, e := screen(t, s, 120, 40)
	m = onRow(m, "users.plan")
	for _, k := range []string{"r", "s", "d", "w", "n", "C"} {
		if got := press(m, k); !strings.Contains(got.toast.text, "key of staging is read-only") || got.ask.kind != askNothing {
			t.Errorf("%s said %q", k, got.toast.text)
		}
	}
	if press(m, "v", "enter"); len(e.asked()) != 1 {
		t.Error("a census was blocked, which a read-only key may take")
	}
	if got := plainScreen(m); strings.Contains(got, "writable") || !strings.Contains(got, "read-only key") {
		t.Errorf("the header does not tell the key:\n%s", got)
	}
}

func TestNothingUnreachableIsWritable(t *testing.T) {
	for _, st := range []fleet.EnvState{fleet.Opening, fleet.Lost, fleet.Broken} {
		s := scene("idle")
		s.Envs[1].State = st
		m, _ := screen(t, s, 120, 40)
		if head := strings.SplitN(plainScreen(m), "\n", 2)[0]; strings.Contains(head, "writable") {
			t.Errorf("%s: %s", st, head)
		}
	}
}

// The log view stays at its place while lines come, and follows at its end.
func TestTheLogStaysWhereOneReads(t *testing.T) {
	s := scene("supervised")
	m, _ := screen(t, s, 80, 24)
	m = press(onRow(m, "users.plan"), "enter", "right", "pgup")
	line := strings.Split(plainScreen(m), "\n")[7]
	for range 3 {
		next := scene("supervised")
		r := next.Envs[1].Runs["migrations:setDefaultPlan"]
		r.Log = append(r.Log[10:len(r.Log):len(r.Log)], fleet.LogEntry{At: noon.Add(time.Second), Level: "LOG", Text: "new line"})
		next.Envs[1].Runs["migrations:setDefaultPlan"] = r
		m, _ = m.Update(snapped{next})
	}
	if got := strings.Split(plainScreen(m), "\n")[7]; got != line {
		t.Errorf("the window moved from %q to %q", line, got)
	}
	if strings.Contains(plainScreen(m), "new line") {
		t.Error("it follows although one has scrolled up")
	}
	if m = press(m, "G"); !strings.Contains(plainScreen(m), "new line") || !m.mark.follows() {
		t.Error("G does not follow")
	}
}

func TestHeadroomNamesTheLimitThatBinds(t *testing.T) {
	batch := func(u fleet.Usage) fleet.Batch { return fleet.Batch{Usage: &u} }
	x, retried, known := headroom([]fleet.Batch{
		batch(fleet.Usage{ReadBytes: 1 << 20, WrittenDocuments: 12000, Conflicts: 1}), batch(fleet.Usage{ReadBytes: 4 << 20, Conflicts: 2}), {}})
	if !known || retried != 3 || x.String() != "12,000 of 16,000 documents written" || percentOf(x) != "75 %" {
		t.Errorf("%v %s, %d retried", x, percentOf(x), retried)
	}
	if _, _, known := headroom([]fleet.Batch{{}}); known {
		t.Error("headroom without a word of the log")
	}
}

func TestDeployStep(t *testing.T) {
	open := &plan.Cell{Widen: plan.Step{State: plan.Todo}}
	wide := &plan.Cell{Widen: plan.Step{State: plan.Done}}
	run := &fleet.DeployRun{Action: plan.ActNarrow, Started: noon}
	for _, c := range []struct {
		e    fleet.EnvSnapshot
		cell *plan.Cell
		want int
	}{
		{fleet.EnvSnapshot{}, open, -1},
		{fleet.EnvSnapshot{Validation: &fleet.Validation{}}, open, 0},
		{fleet.EnvSnapshot{Validation: &fleet.Validation{}}, wide, 2},
		{fleet.EnvSnapshot{Validation: &fleet.Validation{Err: "refused"}}, wide, -1},
		{fleet.EnvSnapshot{Deploy: run}, open, 2},
		{fleet.EnvSnapshot{Deploy: &fleet.DeployRun{Action: plan.ActWiden, Started: noon, Ended: noon}}, open, -1},
	} {
		if got := deployStep(&c.e, c.cell); got != c.want {
			t.Errorf("%+v: step %d, want %d", c.e, got, c.want)
		}
	}
}

// The engine is told once what is looked at, and again when that changes.
func TestOnlyWhatIsLookedAtIsRead(t *testing.T) {
	m, e := screen(t, scene("facts"), 120, 40)
	m, _ = m.Update(snapped{scene("facts")})
	m = press(m, "i")
	m = press(m, "down", "tab")
	m = press(m, "esc")
	want := [][]string{{"dev", "staging", "prod"}, {"staging"}, {"prod"}, {"dev", "staging", "prod"}}
	if !reflect.DeepEqual(e.shown, want) {
		t.Errorf("told %v, want %v", e.shown, want)
	}
	m.Update(tea.WindowSizeMsg{Width: 40, Height: 10})
	if last := e.shown[len(e.shown)-1]; len(last) == 3 {
		t.Errorf("a window of one column reads %v", last)
	}
}

package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"strait/convex/fleet"
	"strait/plan"
)

// screen is a Root on a fake engine, at a size.
func screen(t testing.TB, snap *fleet.Snapshot, w, h int) (Root, *fake) {
	t.Helper()
	e := newFake(snap)
	m := newRoot(deps{ctx: context.Background(), engine: e, now: func() time.Time { return noon }, later: noTimer, dark: true, verb: "strait"})
	m, _ = m.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return m, e
}

var named = map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "left": tea.KeyLeft, "right": tea.KeyRight,
	"tab": tea.KeyTab, "backspace": tea.KeyBackspace, "space": tea.KeySpace, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "home": tea.KeyHome, "end": tea.KeyEnd}

func keyMsg(name string) tea.KeyPressMsg {
	if c, ok := named[name]; ok {
		k := tea.Key{Code: c}
		if name == "space" {
			k.Text = " "
		}
		return tea.KeyPressMsg(k)
	}
	if letter, ok := strings.CutPrefix(name, "ctrl+"); ok {
		return tea.KeyPressMsg(tea.Key{Code: []rune(letter)[0], Mod: tea.ModCtrl})
	}
	return tea.KeyPressMsg(tea.Key{Code: []rune(name)[0], Text: name})
}

// press presses keys and carries out what the engine is asked for.
func press(m Root, keys ...string) Root {
	for _, k := range keys {
		var cmd tea.Cmd
		m, cmd = m.Update(keyMsg(k))
		m = settle(m, cmd)
	}
	return m
}

// noTimer stands for a timer that never fires.
func noTimer(time.Duration, tea.Msg) tea.Cmd { return nil }

// settle carries out a command and gives the engine's answers to the screen.
func settle(m Root, cmd tea.Cmd) Root {
	if cmd == nil {
		return m
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			m = settle(m, c)
		}
	case did, checked, priced, tuned, recalled:
		m, _ = m.Update(msg)
	case reviewed, copiesFound, exportTyped:
		m, cmd = m.Update(msg)
		return settle(m, cmd)
	}
	return m
}

func onRow(m Root, path string) Root {
	for _, r := range m.rows {
		if m.snap.Plan.Rows[r].Path == path {
			m.cur = rowID(&m.snap.Plan.Rows[r])
		}
	}
	return m
}

func plainScreen(m Root) string { return ansi.Strip(m.View().Content) }

func TestGolden(t *testing.T) {
	sizes := []struct{ w, h int }{{120, 40}, {80, 24}, {60, 16}, {30, 5}}
	type view struct {
		name, scene string
		row         string
		keys        []string
	}
	views := []view{
		{"fleet", "running", "users.plan", nil},
		{"loading", "loading", "", nil},
		{"opening", "opening", "users.plan", nil},
		{"run", "running", "users.plan", []string{"enter", "enter"}},
		{"supervised", "supervised", "users.plan", []string{"enter", "enter"}},
		{"paused", "paused", "users.plan", []string{"enter", "enter"}},
		{"paused-grid", "paused", "users.plan", nil},
		{"elsewhere", "elsewhere", "users.plan", nil},
		{"elsewhere-run", "elsewhere", "users.plan", []string{"enter", "enter"}},
		{"log", "supervised", "users.plan", []string{"enter", "enter", "right"}},
		{"log-up", "supervised", "users.plan", []string{"enter", "enter", "right", "pgup"}},
		{"environment", "facts", "users.plan", []string{"i"}},
		{"environment-lost", "lost", "users.plan", []string{"i"}},
		{"environment-key", "elsewhere", "users.plan", []string{"i"}},
		{"lost", "lost", "users.plan", nil},
		{"checking", "checking", "users.plan", nil},
		{"deploying", "checking", "users.plan", []string{"i"}},
		{"refused", "refused", "users.plan", []string{"i"}},
		{"ask-step", "idle", "users.plan", []string{"s"}},
		{"ask-supervised", "facts", "users.plan", []string{"r", "tab", "up"}},
		{"ask-cancel-all", "running", "users.plan", []string{"C"}},
		{"ask-cursor", "idle", "users.plan", []string{":", "c", "u", "r", "s", "o", "r", "enter", "[", "7", "]"}},
		{"ask-quit", "supervised", "users.plan", []string{"q"}},
		{"failure", "idle", "orders.price", []string{"enter", "enter"}},
		{"dry-run", "dryrun", "users.plan", []string{"enter", "enter"}},
		{"census", "idle", "users.plan", []string{"v"}},
		{"counting", "census", "users.plan", []string{"o"}},
		{"offenders", "offenders", "users.plan", []string{"o"}},
		{"offenders-sample", "offenders", "users.plan", []string{"o", "end", "up", "enter"}},
		{"offenders-union", "offenders", "users.plan", []string{"o", "end", "enter"}},
		{"offenders-filter", "offenders", "users.plan", []string{"o", "/", "p", "r", "i"}},
		{"offenders-sampled", "sampled", "users.plan", []string{"o"}},
		{"offenders-none", "certified", "users.plan", []string{"o"}},
		{"offenders-failing", "offenders", "orders.price", []string{"enter", "enter", "enter"}},
		{"certified", "certified", "users.plan", nil},
		{"certified-environment", "certified", "users.plan", []string{"i"}},
		{"old-writers", "old-writers", "users.plan", nil},
		{"old-writers-offenders", "old-writers", "users.plan", []string{"o"}},
		{"revealed", "revealed", "users.plan", []string{"o", "enter"}},
		{"ask-census", "stopped", "users.plan", []string{"v"}},
		{"ask-census-sampled", "offenders", "users.plan", []string{"tab", "v", "tab", "up"}},
		{"ask-reveal", "offenders", "users.plan", []string{"tab", "o", "u"}},
		{"offenders-stopped", "stopped", "users.plan", []string{"o"}},
		{"help", "idle", "users.plan", []string{"?"}},
		{"ask-run", "idle", "users.plan", []string{"r"}},
		{"ask-narrow", "idle", "users.plan", []string{"n", "s", "t"}},
		{"how-to", "idle", "users.plan", []string{"tab", "w"}},
		{"messages", "idle", "users.plan", []string{"c", "m"}},
		{"broken", "broken", "", nil},
		{"plan", "idle", "users.plan", []string{"P"}},
		{"plan-change", "idle", "users.plan", []string{"P", "right"}},
		{"plan-hazards", "idle", "users.plan", []string{"P", "right", "right"}},
		{"proof", "proof", "users.plan", []string{"V"}},
		{"proof-misfit", "proof", "users.plan", []string{"V", "down", "enter"}},
		{"proof-again", "proof", "users.plan", []string{"V", "end", "enter"}},
		{"proof-none", "idle", "users.plan", []string{"V"}},
		{"proving", "proving", "users.plan", []string{"V"}},
		{"ask-prove", "proof", "users.plan", []string{"V", "V", "down", "right"}},
		{"rehearsal", "rehearsal", "users.plan", []string{"R"}},
		{"rehearsal-failures", "rehearsal", "users.plan", []string{"R", "enter"}},
		{"rehearsal-narrow", "rehearsal", "users.plan", []string{"R", "end"}},
		{"rehearsal-well", "rehearsal-well", "users.plan", []string{"R"}},
		{"rehearsal-none", "facts", "users.plan", []string{"R"}},
		{"rehearsing", "rehearsing", "users.plan", []string{"R"}},
		{"ask-rehearse", "idle", "users.plan", []string{"R", "R"}},
		{"ask-run-rehearsed", "rehearsal", "users.plan", []string{"R", "r"}},
		{"backup", "backup", "users.plan", []string{"i"}},
		{"backing", "backing", "users.plan", []string{"i"}},
		{"ask-backup", "backup", "users.plan", []string{"b"}},
		{"journal", "idle", "users.plan", []string{"J"}},
		{"journal-filter", "idle", "users.plan", []string{"J", "/", "p", "r", "o", "d"}},
		{"plan-order", "idle", "users.plan", []string{"P", "right", "right", "right"}},
	}
	for _, v := range views {
		for _, s := range sizes {
			name := fmt.Sprintf("%s_%dx%d", v.name, s.w, s.h)
			t.Run(name, func(t *testing.T) {
				m, _ := screen(t, scene(v.scene), s.w, s.h)
				m = press(onRow(m, v.row), v.keys...)
				got := plainScreen(m)
				fits(t, got, s.w, s.h)
				golden.RequireEqual(t, got+"\n")
			})
		}
	}
	styled := []view{{"fleet", "running", "users.plan", nil}, {"offenders", "offenders", "users.plan", []string{"o", "enter"}}, {"proof", "proof", "users.plan", []string{"V"}},
		{"rehearsal", "rehearsal", "users.plan", []string{"R"}}, {"journal", "idle", "users.plan", []string{"J"}}, {"ask-rehearse", "idle", "users.plan", []string{"R", "R"}}}
	for _, v := range styled {
		for name, profile := range map[string]colorprofile.Profile{"dark": colorprofile.TrueColor, "light": colorprofile.TrueColor, "nocolor": colorprofile.Ascii} {
			t.Run(v.name+"_styled_"+name, func(t *testing.T) {
				m, _ := screen(t, scene(v.scene), 80, 24)
				m = press(onRow(m, v.row), v.keys...)
				m.l = newLook(name != "light", false)
				var out strings.Builder
				w := colorprofile.Writer{Forward: &out, Profile: profile} // as the renderer degrades it
				if _, err := w.WriteString(m.View().Content + "\n"); err != nil {
					t.Fatal(err)
				}
				golden.RequireEqual(t, out.String())
			})
		}
	}
	for _, v := range []view{{"fleet_ascii", "running", "users.plan", nil}, {"supervised_ascii", "paused", "users.plan", []string{"enter", "enter"}}, {"environment_ascii", "checking", "users.plan", []string{"i"}},
		{"offenders_ascii", "offenders", "users.plan", []string{"o", "enter"}}, {"proof_ascii", "proof", "users.plan", []string{"V"}}, {"rehearsal_ascii", "rehearsal", "users.plan", []string{"R"}}, {"journal_ascii", "idle", "users.plan", []string{"J"}}} {
		t.Run(v.name, func(t *testing.T) {
			s := scene(v.scene)
			if d := s.Envs[1].Deploy; d != nil {
				d.Output = d.Output[:2] // what a command writes is its own
			}
			m, _ := screen(t, s, 120, 30)
			m = press(onRow(m, v.row), v.keys...)
			m.l = newLook(true, true)
			got := plainScreen(m)
			for _, r := range got {
				if r > 126 && r != '€' { // what a document holds is its own
					t.Fatalf("%q is not ASCII", r)
				}
			}
			golden.RequireEqual(t, got+"\n")
		})
	}
}

// fits checks that a screen has h lines of w cells.
func fits(t interface {
	Helper()
	Fatalf(string, ...any)
}, screen string, w, h int) {
	t.Helper()
	lines := strings.Split(screen, "\n")
	if len(lines) != h {
		t.Fatalf("%d lines in a window of %dx%d:\n%s", len(lines), w, h, screen)
	}
	for _, line := range lines {
		if n := ansi.StringWidth(line); n > w {
			t.Fatalf("a line of %d cells in a window of %dx%d:\n%s", n, w, h, line)
		}
	}
}

func TestRunAsksAndThenSends(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = onRow(m, "users.plan")
	m = press(m, "r")
	if got := plainScreen(m); !strings.Contains(got, "Run setDefaultPlan in staging?") || !strings.Contains(got, "strait run migrations:setDefaultPlan --env staging") || !strings.Contains(got, "up to 20,000 documents of users") {
		t.Fatalf("the question does not say what, where and how much:\n%s", got)
	}
	for _, k := range []string{"enter", "space", "x"} {
		if m = press(m, k); len(e.asked()) > 0 || m.ask.kind == askNothing {
			t.Fatalf("%s answered the question", k)
		}
	}
	m, _ = m.Update(tea.PasteMsg{Content: "y"})
	if len(e.asked()) > 0 {
		t.Fatal("a paste answered the question")
	}
	m = press(m, "y")
	want := fleet.Command{Action: plan.ActRun, Env: "staging", Migration: "migrations:setDefaultPlan", By: "screen"}
	if got := e.asked(); len(got) != 1 || got[0] != want {
		t.Fatalf("sent %+v, want %+v", got, want)
	}
	if m.page != runPage || m.view != progressView {
		t.Fatal("the run page is not shown after the start")
	}
}

func TestProtectedEnvironmentWantsItsName(t *testing.T) {
	s := scene("idle")
	for i := range s.Plan.Rows {
		s.Plan.Rows[i].Cells[2].Widen.State = plan.Done
	}
	m, e := screen(t, s, 120, 40)
	m = press(onRow(m, "users.plan"), "tab", "r")
	if got := plainScreen(m); !strings.Contains(got, "type prod to run") || !strings.Contains(got, "--confirm prod") {
		t.Fatalf("no question for the name:\n%s", got)
	}
	m = press(m, "y", "enter", "backspace", "p", "r", "enter")
	if len(e.asked()) != 0 {
		t.Fatalf("sent before the name was typed: %+v", e.asked())
	}
	m, _ = m.Update(tea.PasteMsg{Content: "prod"})
	if m.ask.typed != "pr" {
		t.Fatalf("a paste typed the name: %q", m.ask.typed)
	}
	press(m, "o", "d", "enter")
	if got := e.asked(); len(got) != 1 || got[0].Typed != "prod" || got[0].Env != "prod" {
		t.Fatalf("sent %+v", got)
	}
}

func TestNarrowWantsTheNameEverywhere(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = press(onRow(m, "users.plan"), "n", "y", "enter")
	if len(e.asked()) != 0 {
		t.Fatal("narrowed without the name")
	}
	press(m, "backspace", "s", "t", "a", "g", "i", "n", "g", "enter")
	if got := e.asked(); len(got) != 1 || got[0].Action != plan.ActNarrow || got[0].Typed != "staging" {
		t.Fatalf("sent %+v", got)
	}
}

func TestTheQuestionShowsWhatThePolicySays(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	e.refusals = []plan.Refusal{{Code: "order", Why: "dev comes first and is not clean", Hint: "finish dev"}}
	m = press(onRow(m, "users.plan"), "r")
	if got := plainScreen(m); !strings.Contains(got, "dev comes first and is not clean") || !strings.Contains(got, "finish dev") {
		t.Fatalf("the refusal is not shown:\n%s", got)
	}
	if press(m, "y"); len(e.asked()) != 0 {
		t.Fatal("a refused action was sent")
	}
}

func TestARefusalOfTheEngineIsShown(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	e.err = &fleet.Refused{Env: "staging", Action: plan.ActDryRun, Reasons: []plan.Refusal{{Why: "it is not deployed there", Hint: "deploy it"}}}
	m = press(onRow(m, "users.plan"), "d", "y")
	if m.toast.level != toastBad || !strings.Contains(plainScreen(m), "it is not deployed there; deploy it") {
		t.Fatalf("the refusal is not shown:\n%s", plainScreen(m))
	}
	m, _ = m.Update(faded{m.toast.id})
	e.err = errors.New("boom")
	if m = press(m, "d", "y"); !strings.Contains(plainScreen(m), "boom") {
		t.Fatal("the error is not shown")
	}
}

func TestBlockedKeysSayWhy(t *testing.T) {
	m, e := screen(t, scene("running"), 120, 40)
	m = onRow(m, "users.plan")
	for key, why := range map[string]string{"r": "already running in staging; c cancels it", "n": "is running in staging"} {
		if got := plainScreen(press(m, key)); !strings.Contains(got, why) {
			t.Errorf("%s: no %q in\n%s", key, why, got)
		}
	}
	if got := plainScreen(press(m, "tab", "r")); !strings.Contains(got, "widen prod first (w)") {
		t.Errorf("no reason for r in prod:\n%s", got)
	}
	if len(e.asked()) > 0 {
		t.Fatal("a blocked key sent something")
	}
}

func TestCancelStopsTheCensusThatIsShown(t *testing.T) {
	m, e := screen(t, scene("census"), 120, 40)
	m = press(onRow(m, "users.plan"), "o", "c")
	if got := e.asked(); len(got) != 1 || got[0].Action != plan.ActCancel || got[0].Env != "staging" || got[0].Migration != "" || m.ask.kind != askNothing {
		t.Fatalf("sent %+v", got)
	}
}

func TestRetryABrokenEnvironment(t *testing.T) {
	m, _ := screen(t, scene("opening"), 120, 40)
	m.env = "staging"
	if m = press(m, "ctrl+r"); !strings.Contains(m.toast.text, "nothing to try again") {
		t.Fatalf("said %q", m.toast.text)
	}
	m.env = "prod"
	if m = press(m, "ctrl+r"); !strings.Contains(m.toast.text, "prod was asked to open again") {
		t.Fatalf("said %q", m.toast.text)
	}
}

func TestAReasonOverridesTheOrder(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	e.refusals = []plan.Refusal{{Code: "order", Why: "dev comes first and is not clean", Hint: "finish dev, or override with a reason"}}
	m = press(onRow(m, "users.plan"), "r", "o", "enter")
	if !m.ask.reasoning {
		t.Fatal("an empty reason was taken")
	}
	e.refusals = nil
	m = press(m, "h", "o", "t", "f", "i", "x", "enter")
	if !strings.HasSuffix(m.ask.shell, "--override hotfix") {
		t.Fatalf("the command does not say why: %s", m.ask.shell)
	}
	press(m, "y")
	if got := e.asked(); len(got) != 1 || got[0].Override != "hotfix" {
		t.Fatalf("sent %+v", got)
	}
}

func TestTheCursorFollowsItsRow(t *testing.T) {
	s := scene("idle")
	m, _ := screen(t, s, 120, 40)
	m = onRow(m, "orders.price")
	next := scene("idle")
	next.Seq++
	next.Plan.Rows = append(next.Plan.Rows[4:5:5], next.Plan.Rows...)
	m, _ = m.Update(snapped{next})
	if f := m.focus(); f.row.Path != "orders.price" {
		t.Fatalf("the cursor went to %s", f.row.Path)
	}
}

func TestTheCursorFollowsItsMigration(t *testing.T) {
	s := scene("idle")
	for i := range s.Plan.Rows {
		r := &s.Plan.Rows[i]
		r.Title, r.Path, r.Changes = short(r.Migrations[0]), "", nil
	}
	m, _ := screen(t, s, 120, 40)
	m = press(m, "home", "down", "down")
	if f := m.focus(); f.row.Title != "priceToString" {
		t.Fatalf("on %s", f.row.Title)
	}
	if m, _ = m.Update(snapped{scene("idle")}); m.focus().row.Path != "orders.price" {
		t.Fatalf("the cursor went to %s", m.focus().row.Title)
	}
}

func TestQuitAsksOnlyWhenSomethingRuns(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	if _, cmd := m.Update(keyMsg("q")); cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Fatal("q did not quit an idle screen")
	}
	s := scene("running")
	s.Envs[1].Embedded = false
	m, _ = screen(t, s, 120, 40)
	m = press(m, "q")
	if m.ask.kind != askQuit || !strings.Contains(plainScreen(m), "goes on without Strait") {
		t.Fatalf("q did not ask:\n%s", plainScreen(m))
	}
	m, cmd := m.Update(keyMsg("y"))
	if cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Fatal("y did not quit")
	}
	if bye := m.farewell(); !strings.Contains(bye, "migrations:setDefaultPlan goes on in staging") || !strings.Contains(bye, "watch again with: strait") {
		t.Fatalf("the way back is not told: %q", bye)
	}
}

// What this Strait does itself ends with it, so that it is asked before.
func TestQuitAsksForWhatItStops(t *testing.T) {
	for name, want := range map[string]string{"backing": "backup stops: nothing of it is kept", "rehearsing": "rehearsal stops", "proving": "prove stops"} {
		m, _ := screen(t, scene(name), 120, 40)
		m.busy.runs = nil
		m, cmd := m.Update(keyMsg("q"))
		if cmd != nil || m.ask.kind != askQuit || !strings.Contains(plainScreen(m), want) {
			t.Errorf("%s: no %q in\n%s", name, want, plainScreen(m))
		}
		if _, cmd := m.Update(keyMsg("y")); cmd == nil || cmd() != (tea.QuitMsg{}) {
			t.Errorf("%s: y did not quit", name)
		}
		if !strings.Contains(m.farewell(), want) {
			t.Errorf("%s: farewell %q", name, m.farewell())
		}
	}
	s := scene("census")
	for i := range s.Envs {
		s.Envs[i].Embedded = false
	}
	m, _ := screen(t, s, 120, 40)
	if m = press(m, "q"); m.ask.kind != askQuit || !strings.Contains(plainScreen(m), "census stops") {
		t.Errorf("a census of a deployment elsewhere:\n%s", plainScreen(m))
	}
}

func TestASignalsQuestionWaitsForAQuietKeyboard(t *testing.T) {
	m, _ := screen(t, scene("running"), 120, 40)
	clock := noon
	m.d.now = func() time.Time { return clock }
	m, _ = m.Update(stopAsked{})
	for range 5 {
		clock = clock.Add(300 * time.Millisecond)
		var cmd tea.Cmd
		if m, cmd = m.Update(keyMsg("y")); cmd != nil {
			t.Fatal("a key that was on its way answered")
		}
	}
	clock = clock.Add(quietTime)
	if _, cmd := m.Update(keyMsg("y")); cmd == nil || cmd() != (tea.QuitMsg{}) {
		t.Fatal("y did not quit once the keyboard was quiet")
	}
}

func TestToastsFadeButErrorsStay(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	m, _ = m.tell(toastInfo, "first")
	first := m.toast.id
	m, _ = m.tell(toastInfo, "second")
	if m, _ = m.Update(faded{first}); m.toast.text != "second" {
		t.Fatal("an old timer cleared a new toast")
	}
	if m, _ = m.Update(faded{m.toast.id}); m.toast.text != "" {
		t.Fatal("the toast did not fade")
	}
	m.d.later = func(time.Duration, tea.Msg) tea.Cmd { t.Fatal("an error got a timer"); return nil }
	m, _ = m.tell(toastBad, "bad")
	m.d.later = noTimer
	if m = press(m, "down"); m.toast.text != "" {
		t.Fatal("a key did not clear the error")
	}
	if m = press(m, "m"); !strings.Contains(plainScreen(m), "first") || !strings.Contains(plainScreen(m), "bad") {
		t.Fatal("the messages page forgot a toast")
	}
}

func TestFilter(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	m = press(m, "/", "p", "r", "i", "c", "e", "enter")
	if len(m.rows) != 1 || m.focus().row.Path != "orders.price" {
		t.Fatalf("the filter leaves %d rows", len(m.rows))
	}
	if m = press(m, "esc"); len(m.rows) != len(m.snap.Plan.Rows) {
		t.Fatal("esc did not clear the filter")
	}
}

func TestPaletteGoesToARow(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	m = press(m, ":", "m", "o", "v", "e", "p", "r", "e", "f", "enter")
	if m.focus().row.Title != "movePreferences" {
		t.Fatalf("the palette went to %q", m.focus().row.Title)
	}
}

func TestTickersStopWhenNothingRuns(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	m, _ = m.Update(ticked{m.gen})
	if m.fast {
		t.Fatal("the spinner's clock ticks while nothing runs")
	}
	m, _ = m.Update(snapped{scene("running")})
	if !m.fast {
		t.Fatal("the spinner stands still while something runs")
	}
	if _, cmd := m.Update(ticked{m.gen - 1}); cmd != nil {
		t.Fatal("an old tick went on: two clocks run")
	}
}

func TestCommandsForTheShell(t *testing.T) {
	m, _ := screen(t, scene("idle"), 120, 40)
	m.d.dir = "/tmp/my project"
	m = onRow(m, "users.plan")
	if got, want := m.shell(fleet.Command{Action: plan.ActDryRun, Env: "staging", Migration: "migrations:a"}), "strait run migrations:a --env staging --dry-run --project '/tmp/my project'"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestActionsHaveNoClashingKeys(t *testing.T) {
	acts := actionTable()
	for p := fleetPage; p <= messagesPage; p++ {
		seen := map[string]string{}
		for i := range acts {
			if !acts[i].on(p) {
				continue
			}
			for _, k := range acts[i].keys {
				if seen[k] != "" {
					t.Errorf("page %d: %s is both %s and %s", p, k, seen[k], acts[i].id)
				}
				seen[k] = acts[i].id
			}
		}
	}
}

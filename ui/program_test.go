package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// panicky is an engine with a bug.
type panicky struct{ *fake }

func (panicky) Check(fleet.Command) (refusals, warnings []plan.Refusal) { panic("a bug in a command") }

// TestNoPanicReachesAPerson breaks a command, Update and View: the screen ends
// in order, says what to do, and keeps the stack in a file.
func TestNoPanicReachesAPerson(t *testing.T) {
	broken := func(t *testing.T, e engine, now func() time.Time) {
		state := t.TempDir()
		t.Setenv("XDG_STATE_HOME", state)
		in, keys := io.Pipe()
		defer keys.Close()
		go func() {
			for _, k := range []string{"j", "j", "j", "r"} {
				if _, err := io.WriteString(keys, k); err != nil {
					return
				}
			}
		}()
		var out bytes.Buffer
		err := runScreen(deps{ctx: t.Context(), engine: e, now: now, verb: "strait"}, tea.WithInput(in), tea.WithOutput(&out), tea.WithWindowSize(100, 30))
		var h *hinted
		if !errors.As(err, &h) || len(h.hints) == 0 || strings.Contains(err.Error(), "goroutine") {
			t.Fatalf("ended with %v", err)
		}
		logs, _ := filepath.Glob(filepath.Join(state, "strait", "crash-*.log"))
		if len(logs) != 1 || !strings.Contains(strings.Join(h.hints, " "), logs[0]) {
			t.Fatalf("crash logs %v are not named in %q", logs, h.hints)
		}
		text, err := os.ReadFile(logs[0])
		if err != nil || !strings.Contains(string(text), "goroutine") {
			t.Fatalf("%v: no stack in the crash log", err)
		}
	}
	t.Run("command", func(t *testing.T) { broken(t, panicky{newFake(scene("idle"))}, func() time.Time { return noon }) })
	t.Run("update", func(t *testing.T) {
		calls := 0
		broken(t, newFake(scene("idle")), func() time.Time {
			if calls++; calls > 2 {
				panic("a bug in Update")
			}
			return noon
		})
	})
	t.Run("view", func(t *testing.T) {
		d := deps{ctx: t.Context(), engine: newFake(scene("idle")), now: func() time.Time { return noon }}
		m := program{newRoot(d), &crash{quit: func() {}}}
		m.root.w, m.root.h, m.root.l = 80, 24, nil // a look that is missing
		m.View()
		if m.crash.what == nil {
			t.Fatal("the panic was not noted")
		}
	})
}

func TestTheScreenEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, keys := io.Pipe()
	defer keys.Close()
	err := runScreen(deps{ctx: ctx, engine: newFake(scene("idle")), now: time.Now, verb: "strait"}, tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithWindowSize(80, 24))
	if exitCode(err) != exitInterrupted {
		t.Fatalf("ended with %v", err)
	}
}

// busy is an engine that always has a newer snapshot, as a running migration
// of many environments would.
type busy struct{ *fake }

func (b busy) Next(ctx context.Context, seq uint64) (*fleet.Snapshot, bool) {
	select {
	case <-time.After(time.Second / 50):
		s := *b.Snapshot()
		s.Seq = seq + 1
		return &s, true
	case <-ctx.Done():
		return nil, false
	}
}

// TestNoKeyIsDropped types while fifty snapshots a second arrive.
func TestNoKeyIsDropped(t *testing.T) {
	in, keys := io.Pipe()
	defer keys.Close()
	text := strings.Repeat("every key counts ", 10)
	go func() {
		for _, r := range "/" + text {
			time.Sleep(2 * time.Millisecond) // the rate of a fast key repeat, not a wait
			if _, err := io.WriteString(keys, string(r)); err != nil {
				return
			}
		}
		io.WriteString(keys, "\rqy") // keeps the filter; quits, and says yes since something runs
	}()
	d := deps{ctx: t.Context(), engine: busy{newFake(many(200))}, now: time.Now, verb: "strait", dark: true}
	p := tea.NewProgram(program{newRoot(d), &crash{quit: func() {}}}, tea.WithInput(in), tea.WithOutput(io.Discard), tea.WithWindowSize(120, 40), tea.WithoutSignalHandler())
	model, err := p.Run()
	if err != nil {
		t.Fatal(err)
	}
	if got := model.(program).root.entry.text; got != text {
		t.Fatalf("typed %q, arrived %q", text, got)
	}
}

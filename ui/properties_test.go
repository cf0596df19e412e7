package ui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// hostile draws text that a server or a file might hold.
func hostile() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom([]string{"", "\x1b[2J\x1b[31mred", "\x1b]0;title\x07x", "a\tb\nc\r\nd", "\xff\xfe", "\u202eevil\u202c", "👩‍👩‍👧‍👦 family", "漢字漢字漢字", "e\u0301\u0302\u0303", "\x1b[", "\x9b31m", "ﷺ", "\u3164\u3164", "🏳️‍🌈", "𒐫", "x\u0000y"}),
		rapid.StringN(0, 300, -1),
	)
}

// hostileSnapshot changes a scene's names and numbers at random.
func hostileSnapshot(t *rapid.T) *fleet.Snapshot {
	s := scene(rapid.SampledFrom([]string{"idle", "running", "dryrun", "opening", "census", "loading", "broken", "supervised", "paused", "elsewhere", "facts", "lost", "refused", "proof", "proving", "rehearsal", "rehearsing", "backup", "backing", "offenders", "sampled", "certified", "old-writers", "stopped", "revealed"}).Draw(t, "scene"))
	text := func(name string) string { return hostile().Draw(t, name) }
	s.Project.Name = text("project")
	for i := range s.Envs {
		if rapid.Bool().Draw(t, "rename") {
			s.Envs[i].Name, s.Envs[i].Deployment, s.Envs[i].Err, s.Envs[i].Opening = text("env"), text("deployment"), text("err"), text("opening")
			s.Envs[i].URL, s.Envs[i].SchemaHash = text("url"), text("hash")
			s.Envs[i].Facts = fleet.Facts{Version: text("version"), Components: []string{text("component")}, Migrations: []fleet.ComponentFact{{Path: text("path"), Version: text("of")}}, Retries: rapid.Int().Draw(t, "retries"),
				Logs: fleet.LogFeed{State: text("feed"), Err: text("why")}, Access: &fleet.Access{ReadOnly: rapid.Bool().Draw(t, "read-only")}}
			s.Envs[i].Deploy = &fleet.DeployRun{Command: text("command"), Output: []fleet.LogEntry{{Level: text("level"), Text: text("line")}}, Err: text("deploy")}
			s.Envs[i].Validation = &fleet.Validation{Checked: rapid.Int64().Draw(t, "checked"), Total: rapid.Int64().Draw(t, "of all"), Err: text("refusal"), Component: text("in")}
		}
		s.Envs[i].State = rapid.SampledFrom([]fleet.EnvState{fleet.Opening, fleet.Ready, fleet.Lost, fleet.Broken, ""}).Draw(t, "state")
		s.Envs[i].Documents = rapid.Int64().Draw(t, "documents")
		for _, m := range s.Project.Migrations {
			if rapid.IntRange(0, 3).Draw(t, "run") == 0 {
				s.Envs[i].Runs[m.Name] = hostileRun(t, m.Name)
			}
		}
	}
	for i := range s.Plan.Rows {
		r := &s.Plan.Rows[i]
		if rapid.IntRange(0, 2).Draw(t, "row") == 0 {
			r.Title, r.Path = text("title"), text("path")
			r.Cells = r.Cells[:rapid.IntRange(0, len(r.Cells)).Draw(t, "cells")]
			r.Migrations = r.Migrations[:rapid.IntRange(0, len(r.Migrations)).Draw(t, "migrations")]
		}
		for j := range r.Cells {
			r.Cells[j].Migrate = plan.Step{State: plan.State(rapid.SampledFrom([]string{"done", "todo", "failed", "unknown", "by hand", "odd"}).Draw(t, "step")), Why: text("why"), Evidence: text("evidence"), Next: text("next")}
		}
	}
	s.Envs = s.Envs[:rapid.IntRange(0, len(s.Envs)).Draw(t, "envs")]
	s.Messages = append(s.Messages, fleet.Message{ID: rapid.Uint64().Draw(t, "id"), Level: text("level"), Text: text("message")})
	return s
}

func hostileRun(t *rapid.T, name string) fleet.Run {
	text := func(name string) string { return hostile().Draw(t, name) }
	r := fleet.Run{Migration: name, State: rapid.SampledFrom([]string{"inProgress", "failed", "success", "canceling", "odd"}).Draw(t, "state"),
		Processed: rapid.Int64().Draw(t, "processed"), Total: rapid.Int64Range(-1, 1<<40).Draw(t, "total"), Rate: rapid.Float64().Draw(t, "rate"),
		ETA: time.Duration(rapid.Int64().Draw(t, "eta")), Started: noon.Add(-time.Hour), Log: []fleet.LogEntry{{Text: text("log"), Level: text("level")}}}
	for range rapid.IntRange(0, 5).Draw(t, "batches") {
		u := &fleet.Usage{Execution: time.Duration(rapid.Int64().Draw(t, "execution")), ReadBytes: rapid.Int64().Draw(t, "read"), WrittenDocuments: rapid.Int64().Draw(t, "written"), Conflicts: rapid.Int().Draw(t, "conflicts")}
		r.Batches = append(r.Batches, fleet.Batch{Usage: u, At: noon, Documents: rapid.Int64().Draw(t, "documents"), Took: time.Duration(rapid.Int64().Draw(t, "took"))})
	}
	if rapid.Bool().Draw(t, "steered") {
		r.Control = &fleet.Control{Paused: rapid.Bool().Draw(t, "paused"), Steps: rapid.Int().Draw(t, "left"), Batch: rapid.Int().Draw(t, "size"), Throttle: time.Duration(rapid.Int64().Draw(t, "rest"))}
	}
	r.Failure = &fleet.Failure{Text: text("failure"), Summary: text("summary"), Document: text("document"), Body: value.NewObject(value.Field{Name: text("field"), Value: text("value")}, value.Field{Name: "nested", Value: value.Array{value.NewObject(value.Field{Name: text("inner"), Value: value.Bytes("x")})}})}
	return r
}

// TestWhateverHappens presses random keys in windows of random sizes on
// hostile snapshots: nothing panics, the screen always fits, and nothing is
// written to a protected environment without its name typed.
func TestWhateverHappens(t *testing.T) {
	keys := []string{"up", "down", "left", "right", "tab", "enter", "esc", "d", "r", "c", "v", "w", "n", "y", "?", ":", "/", "m", "[", "]", "g", "G", "pgdown", "pgup", "backspace", "space", "p", "o", "s", "t", "+", "-", "<", ">", "i", "C", "V", "R", "b", "J", "u", "o", "u", "f", "N", "漢", "ctrl+c", "q"}
	rapid.Check(t, func(t *rapid.T) {
		e := newFake(hostileSnapshot(t))
		m := newRoot(deps{engine: e, ctx: t.Context(), now: func() time.Time { return noon }, later: noTimer, ascii: rapid.Bool().Draw(t, "ascii"), verb: "strait"})
		w, h := 80, 24
		m, _ = m.Update(tea.WindowSizeMsg{Width: w, Height: h})
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			typed, open := m.ask, m.ask.kind == askAction
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				w, h = rapid.IntRange(0, 200).Draw(t, "w"), rapid.IntRange(0, 60).Draw(t, "h")
				m, _ = m.Update(tea.WindowSizeMsg{Width: w, Height: h})
			case 1:
				m, _ = m.Update(snapped{hostileSnapshot(t)})
			case 2:
				before := len(e.asked())
				m, _ = m.Update(tea.PasteMsg{Content: rapid.OneOf(hostile(), rapid.SampledFrom([]string{"y", "prod", "prod\n", "staging"})).Draw(t, "paste")})
				if open && m.ask.typed != typed.typed || len(e.asked()) != before {
					t.Fatalf("a paste answered a question")
				}
			case 3:
				m, _ = m.Update(ticked{m.gen})
			default:
				before := len(e.asked())
				name, was := rapid.SampledFrom(keys).Draw(t, "key"), m
				var cmd tea.Cmd
				m, cmd = m.Update(keyMsg(name))
				m = settle(m, cmd)
				for _, c := range e.asked()[before:] {
					asked := typed.cmd
					writes := c.Action == plan.ActRun || c.Action == plan.ActWiden || c.Action == plan.ActNarrow || c.Action == plan.ActCancelAll
					switch {
					case c.Action == plan.ActReveal && name == "u" && !was.veiled(was.focus().env): // masks them again
					case c.Action == plan.ActCensus, c.Action == plan.ActCancel && c.Migration == "":
					case !open || c.Action != asked.Action || c.Env != asked.Env || c.Migration != asked.Migration:
						t.Fatalf("%+v was sent without its question", c)
					case name == "enter" && typed.word == "" || name == "space":
						t.Fatalf("%s said yes", name)
					case writes && typed.word != "" && (name != "enter" || c.Typed != typed.word):
						t.Fatalf("%+v was sent without the typed word", c)
					case writes && typed.prod && c.Typed != c.Env:
						t.Fatalf("%+v was written to a protected environment", c)
					}
				}
			}
			if w > 0 && h > 0 {
				fits(t, m.draw(), w, h)
			}
			_ = m.View()
		}
	})
}

func TestCleanTextHasNoControls(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := hostile().Draw(t, "text")
		got := clean(s)
		for _, r := range got {
			if r < 0x20 || r >= 0x7f && r < 0xa0 || hidden(r) {
				t.Fatalf("%U is left in %q", r, got)
			}
		}
		if clean(got) != got {
			t.Fatalf("cleaning twice differs: %q %q", got, clean(got))
		}
	})
}

func TestWrapFits(t *testing.T) {
	if got := wrap(" 〆", 2); len(got) != 1 || got[0] != "〆" { // was found by chance
		t.Errorf("a wide sign behind an indent: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		s, w := clean(hostile().Draw(t, "text")), rapid.IntRange(2, 60).Draw(t, "w")
		for _, line := range wrap(s, w) {
			if width(line) > w {
				t.Fatalf("%q is wider than %d", line, w)
			}
		}
	})
}

func BenchmarkFleetFrame(b *testing.B) {
	m, _ := screen(b, many(1000), 120, 40)
	m = m.move(500)
	b.ReportAllocs()
	for b.Loop() {
		_ = m.View()
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := many(1000)
	m, _ := screen(b, s, 120, 40)
	b.ReportAllocs()
	for b.Loop() {
		m, _ = m.Update(snapped{s})
	}
}

// wide is a fleet of so many environments, each with n migrations of which
// some run.
func wide(envs, n int) *fleet.Snapshot {
	s := many(n)
	one := s.Envs[1]
	s.Envs, s.Plan.Envs = nil, nil
	for e := range envs {
		env := one
		env.Name, env.Runs, env.Embedded = fmt.Sprintf("region-%02d", e), map[string]fleet.Run{}, false
		env.Facts = sceneFacts(noon)
		for i := range s.Project.Migrations {
			env.Runs[s.Project.Migrations[i].Name] = fleet.Run{State: []string{"inProgress", "success", "canceled", "failed"}[(e+i)%4], Mine: e%2 == 0, Processed: int64(100 * i), Total: 20000, Batches: costly(batchesUntil(noon, 60))}
		}
		s.Envs = append(s.Envs, env)
		s.Plan.Envs = append(s.Plan.Envs, plan.EnvPlan{Env: env.Name})
	}
	for i := range s.Plan.Rows {
		r := &s.Plan.Rows[i]
		cell := r.Cells[1]
		r.Cells = nil
		for range envs {
			r.Cells = append(r.Cells, cell)
		}
	}
	return s
}

// BenchmarkTwentyEnvironments is what the screen pays for one snapshot of 20
// environments with 100 migrations each: taking it and drawing the frame. The
// fleet publishes at most 15 a second, however much changes.
func BenchmarkTwentyEnvironments(b *testing.B) {
	for _, page := range []struct {
		name string
		keys []string
	}{{"fleet", nil}, {"run", []string{"enter"}}, {"log", []string{"enter", "right"}}, {"environment", []string{"i"}}} {
		b.Run(page.name, func(b *testing.B) {
			s := wide(20, 100)
			for name, r := range s.Envs[3].Runs {
				r.Log = sceneLog(noon, 480)
				s.Envs[3].Runs[name] = r
			}
			m, _ := screen(b, s, 200, 60)
			m.env = "region-03"
			m = press(m, page.keys...)
			b.ReportAllocs()
			for b.Loop() {
				m, _ = m.Update(snapped{s})
				_ = m.View()
			}
		})
	}
}

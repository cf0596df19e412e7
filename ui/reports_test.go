package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

func TestASearchSendsWhatWasChosen(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = press(onRow(m, "users.plan"), "V")
	if m.page != provePage || len(e.asked()) > 0 {
		t.Fatal("V did more than open the page")
	}
	m = press(m, "V", "enter", "space")
	if len(e.asked()) > 0 {
		t.Fatal("enter or space said yes")
	}
	m = press(m, "right", "down", "right", "down", "right", "right", "down", "right", "y") // this row, 10,000, seed 3, prod
	got := e.asked()
	want := fleet.ProveOptions{Documents: 10000, Seed: 3, Rows: []string{"users.plan becomes required"}, Env: "prod"}
	if len(got) != 1 || got[0].Action != plan.ActProve || fmt.Sprint(*got[0].Prove) != fmt.Sprint(want) {
		t.Fatalf("sent %+v", got)
	}
	if text := strings.Join(proveWords(got[0].Prove), " "); text != "prove --env prod --row users.plan becomes required --documents 10000 --seed 3" {
		t.Fatalf("offers %q", text)
	}
}

// After a search that found nothing the next seed is offered; after one that
// found something the same, to see whether it is mended.
func TestTheNextSearchOffersAnotherSeed(t *testing.T) {
	s := scene("proof")
	m, _ := screen(t, s, 120, 40)
	if m = press(m, "V", "V"); m.ask.cmd.Prove.Seed != 1 {
		t.Fatalf("offers seed %d after a refutation", m.ask.cmd.Prove.Seed)
	}
	s.Proofs = s.Proofs[4:5]
	m, _ = screen(t, s, 120, 40)
	if m = press(m, "V", "V"); m.ask.cmd.Prove.Seed != 2 {
		t.Fatalf("offers seed %d after none", m.ask.cmd.Prove.Seed)
	}
}

func TestStopEndsWhatThePageShows(t *testing.T) {
	for name, x := range map[string]struct{ key, env string }{"proving": {"V", ""}, "rehearsing": {"R", "staging"}, "backing": {"i", "staging"}} {
		m, e := screen(t, scene(name), 120, 40)
		press(m, x.key, "c")
		if got := e.asked(); len(got) != 1 || got[0].Action != plan.ActCancel || got[0].Env != x.env || got[0].Migration != "" {
			t.Errorf("%s: sent %+v", name, got)
		}
	}
	m, e := screen(t, scene("proof"), 120, 40)
	if m = press(m, "V", "c"); len(e.asked()) > 0 || !strings.Contains(plainScreen(m), "nothing under way") {
		t.Error("c stopped what does not run")
	}
}

func TestARehearsalOffersItsExports(t *testing.T) {
	s := scene("idle")
	s.Project.Root = t.TempDir()
	dir := filepath.Join(s.Project.Root, ".strait", "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"old.zip", "new.zip", "half.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), noon, noon.Add(time.Duration(i)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	m, e := screen(t, s, 120, 40)
	m = press(m, "R", "R")
	if got := m.ask.cmd.Rehearse.Export; got != filepath.Join(dir, "new.zip") {
		t.Fatalf("begins with %q", got)
	}
	if got := plainScreen(m); !strings.Contains(got, "Nothing leaves this machine") || strings.Contains(got, "half.part") {
		t.Fatalf("the question:\n%s", got)
	}
	m = press(m, "right", "right", "down", "right", "y") // a sample, of 2,000
	if got := e.asked(); len(got) != 1 || got[0].Env != "staging" || *got[0].Rehearse != (fleet.RehearseOptions{Sample: 2000}) || m.page != rehearsalPage {
		t.Fatalf("sent %+v", got)
	}
}

func TestARunTakesTheRecommendedBatchSize(t *testing.T) {
	m, e := screen(t, scene("rehearsal"), 120, 40)
	m = press(m, "R") // on what failed
	if press(m, "r", "y"); len(e.asked()) != 1 {
		t.Fatalf("sent %+v", e.asked())
	}
	if got := e.asked()[0]; got.Action != plan.ActRun || got.Migration != "migrations:priceToString" || got.BatchSize != 75 {
		t.Fatalf("sent %+v", got)
	}
}

func TestTheWayOutOfAMissingBackup(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	e.refusals = []plan.Refusal{{Code: "backup-missing", Why: "no backup of staging", Hint: "take one"}}
	m = press(onRow(m, "users.plan"), "n")
	if !strings.Contains(plainScreen(m), "b back up first") {
		t.Fatalf("no way out:\n%s", plainScreen(m))
	}
	if m = press(m, "b"); m.ask.cmd.Action != plan.ActBackup || m.ask.cmd.Env != "staging" {
		t.Fatalf("b led to %+v", m.ask.cmd)
	}
}

func TestTheJournalIsReadAgainAsItGrows(t *testing.T) {
	m, e := screen(t, scene("idle"), 120, 40)
	m = press(m, "J")
	before := len(m.record.deeds)
	e.journal.Entries = append(e.journal.Entries, fleet.Entry{ID: "z", Phase: "asked", Action: "census", Env: "prod", At: noon})
	e.journal.Size++
	m, cmd := m.Update(ticked{m.gen})
	if m = settle(m, cmd); len(m.record.deeds) != before+1 || m.record.deeds[0].Env != "prod" {
		t.Fatalf("%d actions after %d", len(m.record.deeds), before)
	}
	m = press(m, "/", "s", "t", "a", "g", "i", "n", "g", "enter")
	if got := m.deeds(); len(got) == 0 || len(got) == before+1 {
		t.Fatalf("the filter leaves %d", len(got))
	}
	if m = press(m, "esc"); m.page != fleetPage {
		t.Fatal("esc did not go back")
	}
}

// An action and its answers are one line, whatever came between them.
func TestDeedsJoinWhatBelongsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 12).Draw(t, "actions")
		var entries []fleet.Entry
		answered := map[string]bool{}
		for i := range n {
			entries = append(entries, fleet.Entry{ID: fmt.Sprint(i), Phase: "asked", Action: "run", At: noon.Add(time.Duration(i) * time.Second)})
		}
		for i := range n {
			if rapid.Bool().Draw(t, "answer") {
				answered[fmt.Sprint(i)] = true
				entries = append(entries, fleet.Entry{ID: fmt.Sprint(i), Phase: "answered", Outcome: "ok", At: noon.Add(time.Hour)})
			}
		}
		deeds := deedsOf(entries)
		if len(deeds) != n {
			t.Fatalf("%d lines for %d actions", len(deeds), n)
		}
		for i, d := range deeds {
			if want := fmt.Sprint(n - 1 - i); d.ID != want || (d.outcome == "ok") != answered[want] {
				t.Fatalf("line %d is %s, %q", i, d.ID, d.outcome)
			}
		}
	})
}

func someValue(depth int) *rapid.Generator[value.Value] {
	return rapid.Custom(func(t *rapid.T) value.Value {
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case depth > 0 && kind == 0:
			return value.Array(rapid.SliceOfN(someValue(depth-1), 0, 3).Draw(t, "list"))
		case depth > 0 && kind <= 2:
			return someObject(depth-1).Draw(t, "object")
		case kind == 3:
			return rapid.Float64Range(0, 9).Draw(t, "number")
		case kind == 4:
			return nil
		}
		return hostile().Draw(t, "text")
	})
}

func someObject(depth int) *rapid.Generator[value.Object] {
	return rapid.Custom(func(t *rapid.T) value.Object {
		var fields []value.Field
		for i := range rapid.IntRange(0, 4).Draw(t, "fields") {
			fields = append(fields, value.Field{Name: fmt.Sprintf("f%d", i), Value: someValue(depth).Draw(t, "value")})
		}
		return value.NewObject(fields...)
	})
}

// What differs has a sign and what is equal has none, whatever the documents.
func TestMarksTellWhatDiffers(t *testing.T) {
	l := newLook(true, false)
	rapid.Check(t, func(t *rapid.T) {
		a, b := someObject(3).Draw(t, "a"), someObject(3).Draw(t, "b")
		if rapid.Bool().Draw(t, "same") {
			b = a
		}
		signs := func(doc, beside value.Object) (n int) {
			g := marking{l: l, k: l.add, sign: "+", other: beside, w: rapid.IntRange(10, 80).Draw(t, "w")}
			lines, _ := g.lines(doc)
			for _, line := range lines {
				if line.sign != " " {
					n++
				}
			}
			return n
		}
		marks := signs(a, b) + signs(b, a)
		if value.Equal(a, b) != (marks == 0) {
			t.Fatalf("%d marks between %v and %v", marks, a, b)
		}
	})
}

func TestThePlaceIsMarked(t *testing.T) {
	l := newLook(true, false)
	d := object("tags", value.Array{"a", 2.0}, "profile", object("zip", 1.0), "scores", object("math", "x"))
	for place, want := range map[string]string{".tags[1]": "2,", ".profile.zip": "zip: 1,", ".plan": "plan: missing", ".profile.city": "city: missing"} {
		var got []string
		lines, _ := marking{l: l, ways: [][]string{wayOf(d, place)}, w: 60, limit: 50}.lines(d)
		for _, line := range lines {
			if line.sign == l.g.failed {
				got = append(got, strings.TrimSpace(textOf(line.line)))
			}
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s marks %q, want %q", place, got, want)
		}
	}
}

// Whatever a project's texts, documents and errors hold, the pages fit.
func TestReportsTakeAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return hostile().Draw(t, name) }
		s := scene(rapid.SampledFrom([]string{"proof", "proving", "rehearsal", "rehearsing", "backup", "backing"}).Draw(t, "scene"))
		for i := range s.Proofs {
			p := &s.Proofs[i]
			p.Title, p.Why = text("title"), text("why")
			if p.Counter = nil; rapid.Bool().Draw(t, "counter") {
				p.Verdict = plan.Refuted
				p.Counter = &plan.Counterexample{Kind: text("kind"), Migration: text("migration"), Masked: rapid.Bool().Draw(t, "masked"), Violation: text("violation"), Frame: text("frame"), Thrown: rapid.Bool().Draw(t, "thrown"), Dangling: rapid.SliceOfN(hostile(), 0, 2).Draw(t, "gone"), Way: rapid.SampledFrom([][]string{nil, {"f0"}, {"f1", "0"}, {"f0", "x"}}).Draw(t, "way"), Place: rapid.OneOf(hostile(), rapid.SampledFrom([]string{".f0", ".f1[0]", ".f0.values()"})).Draw(t, "place"),
					Before: someObject(2).Draw(t, "before"), After: rapid.Just(value.Object(nil)).Draw(t, "after")}
				if rapid.Bool().Draw(t, "ended") {
					p.Counter.After, p.Counter.Again = someObject(2).Draw(t, "after"), someObject(2).Draw(t, "again")
				}
			}
		}
		for i := range s.Envs {
			if r := s.Envs[i].Rehearsal; r != nil {
				r.Source, r.Widen, r.Narrow, r.Stopped, r.Notes = text("source"), text("widen"), text("narrow"), text("stopped"), []string{text("note")}
				for j := range r.Migrations {
					x := &r.Migrations[j]
					x.Name, x.Table, x.Error, x.Changed = text("name"), text("table"), text("error"), rapid.Int64().Draw(t, "changed")
					x.Headroom = []plan.Headroom{{Limit: text("limit"), Used: rapid.Int64().Draw(t, "used"), Share: rapid.Float64().Draw(t, "share")}}
					x.Failures = []plan.RehearsedFailure{{Document: text("document"), Summary: text("summary"), Body: someObject(2).Draw(t, "body")}}
				}
			}
		}
		e := newFake(s)
		for i := range e.journal.Entries {
			x := &e.journal.Entries[i]
			x.Env, x.Migration, x.Error, x.Override, x.Action = text("env"), text("of"), text("went wrong"), text("reason"), text("action")
		}
		m := newRoot(deps{engine: e, ctx: t.Context(), now: func() time.Time { return noon }, later: noTimer, verb: "strait"})
		w, h := rapid.IntRange(1, 160).Draw(t, "w"), rapid.IntRange(1, 50).Draw(t, "h")
		m, _ = m.Update(tea.WindowSizeMsg{Width: w, Height: h})
		for _, key := range rapid.SliceOfN(rapid.SampledFrom([]string{"V", "R", "J", "i", "b", "enter", "esc", "down", "up", "left", "right", "tab", "pgdown", "end", "home", "y", "/", "x", "r"}), 1, 12).Draw(t, "keys") {
			m = press(m, key)
			fits(t, m.draw(), w, h)
		}
	})
}

func TestARehearsalForAPullRequest(t *testing.T) {
	text := rehearsalMarkdown("harbor", sceneRehearsal(noon), 40000)
	for _, want := range []string{"# Rehearsal of staging", "**✗ narrow would be refused, 1 migration failed**", "| ✗ | `priceToString` |", "`j97c3t5e1r8q2w4`", "```text\nDocument with ID", "30 % of the real ones"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "customer") {
		t.Errorf("a document is in what many read:\n%s", text)
	}
}

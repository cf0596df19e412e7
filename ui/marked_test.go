package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"strait/model/value"
	"strait/plan"
)

// marks are the lines of a document that have a sign.
func marksOf(g marking, d value.Object) (out []string) {
	lines, _ := g.lines(d)
	for _, line := range lines {
		if line.sign != " " {
			out = append(out, line.sign+" "+strings.TrimSpace(textOf(line.line)))
		}
	}
	return out
}

func TestTheEntryOfARecordIsMarked(t *testing.T) {
	l := newLook(true, false)
	d := object("scores", object("anna", 1.0, "ben.x", "2", "carl", 3.0))
	if got := marksOf(marking{l: l, w: 60, limit: 50, ways: [][]string{{"scores", "ben.x"}}}, d); len(got) != 1 || got[0] != `✗ "ben.x": "2",` {
		t.Errorf("marked: %q", got)
	}
}

// A document is folded around every place that is marked, and around what
// differs.
func TestFoldingKeepsWhatIsMarked(t *testing.T) {
	l := newLook(true, false)
	var many, other value.Array
	for i := range 200 {
		many, other = append(many, float64(i)), append(other, float64(i))
	}
	many[150] = "x"
	d := object("list", many, "who", "gone", "why", "gone too")
	g := marking{l: l, w: 60, limit: 20, k: l.add, sign: "+", other: object("list", other, "who", "gone", "why", "gone too"), ways: [][]string{{"who"}, {"why"}}}
	if got := marksOf(g, d); strings.Join(got, "|") != `+ "x",|✗ who: "gone",|✗ why: "gone too",` {
		t.Errorf("marked: %q", got)
	}
	if lines, _ := g.lines(d); len(lines) > 20 {
		t.Errorf("%d lines where 20 fit", len(lines))
	}
}

func TestTheReferenceThatLeadsNowhereIsMarked(t *testing.T) {
	m, _ := screen(t, scene("proof"), 120, 40)
	if got := plainScreen(press(m, "V")); !strings.Contains(got, `✗   customer: "k57a2m9d0f3h6j8"`) || !strings.Contains(got, "its customer leads to a document that is gone") {
		t.Fatalf("the reference is not marked:\n%s", got)
	}
}

// A search that stopped the migration at a limit does not say that it threw.
func TestWhatDidNotEndHasThrownNothing(t *testing.T) {
	s := scene("proof")
	for i := range s.Proofs {
		if c := s.Proofs[i].Counter; c != nil && c.Kind == "throws" {
			c.Thrown, c.Violation = false, "it does not come to an end"
		}
	}
	m, _ := screen(t, s, 120, 40)
	got := plainScreen(press(m, "V"))
	if strings.Contains(got, "threw") || strings.Contains(got, "THROWN") || !strings.Contains(got, "WHY IT WAS STOPPED") {
		t.Fatalf("it is said to have thrown:\n%s", got)
	}
}

// What a migration wrote to another table is beside what became of its own
// document, the place in it marked.
func TestTheDocumentOfTheOtherTableIsShown(t *testing.T) {
	s := scene("proof")
	for i := range s.Proofs {
		if c := s.Proofs[i].Counter; c != nil && c.Kind == "misfit" {
			*c = plan.Counterexample{Kind: "other-table", Migration: c.Migration, Before: object("paid", true), After: object("paid", "paid"), Other: object("zip", 1.0),
				Place: "preferences.zip", Way: []string{"zip"}, Violation: "Value does not match validator."}
		}
	}
	m, _ := screen(t, s, 120, 40)
	got := plainScreen(press(m, "V", "down"))
	if !strings.Contains(got, "WRITTEN TO preferences") || !strings.Contains(got, "✗   zip: 1,") {
		t.Fatalf("the document is not shown:\n%s", got)
	}
}

// esc leads back the way that was come, and a page on it is not come by twice.
func TestEscGoesBackTheWay(t *testing.T) {
	m, _ := screen(t, scene("offenders"), 120, 40)
	m = press(onRow(m, "users.plan"), "o", "P")
	if m = press(m, "esc"); m.page != offendersPage {
		t.Fatalf("esc of the plan leads to page %d, want the offenders", m.page)
	}
	m = press(m, "V", "R", "V", "J")
	for _, want := range []pageKind{provePage, offendersPage, fleetPage} {
		if m = press(m, "esc"); m.page != want {
			t.Fatalf("esc leads to page %d, want %d", m.page, want)
		}
	}
}

// The tables of a component can be counted from the palette.
func TestAComponentIsCountedFromThePalette(t *testing.T) {
	s := scene("idle")
	s.Project.Components = []string{"billing/ledger"}
	m, e := screen(t, s, 120, 40)
	m = press(onRow(m, "users.plan"), ":", "l", "e", "d", "g", "e", "r")
	if got := plainScreen(m); !strings.Contains(got, "count what does not fit in the component billing/ledger") {
		t.Fatalf("the palette does not offer it:\n%s", got)
	}
	m = press(m, "enter")
	if sent := e.asked(); len(sent) != 1 || sent[0].Action != plan.ActCensus || sent[0].Census == nil || sent[0].Census.Component != "billing/ledger" {
		t.Fatalf("sent %+v", sent)
	}
	if m.page != offendersPage {
		t.Fatal("the page of offenders is not shown")
	}
}

// An export that lies elsewhere is typed, and what is no file is said to be none.
func TestAnExportElsewhereIsRehearsed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "far.zip")
	if err := os.WriteFile(file, []byte("zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{dir, filepath.Join(dir, "gone.zip")} {
		if _, err := exportAt(wrong); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	m, e := screen(t, scene("idle"), 120, 40)
	m = press(onRow(m, "users.plan"), "R", "R", "f")
	if got := plainScreen(m); !strings.Contains(got, "Rehearse with which export?") {
		t.Fatalf("no path is asked for:\n%s", got)
	}
	m, _ = m.Update(tea.PasteMsg{Content: file})
	m = press(m, "enter")
	if got := plainScreen(m); !strings.Contains(got, "far.zip") || !strings.Contains(got, "Rehearse the passage of staging?") {
		t.Fatalf("the question does not offer the export:\n%s", got)
	}
	press(m, "y")
	if sent := e.asked(); len(sent) != 1 || sent[0].Rehearse == nil || sent[0].Rehearse.Export != file {
		t.Fatalf("sent %+v", sent)
	}
}

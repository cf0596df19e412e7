package ui

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"

	"strait/convex/census"
	"strait/convex/fleet"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// anyValue draws a value with hostile names and texts.
func anyValue(depth int) *rapid.Generator[value.Value] {
	leaf := rapid.OneOf(rapid.Just(value.Value(nil)), rapid.Map(hostile(), func(s string) value.Value { return s }),
		rapid.Map(rapid.Float64(), func(f float64) value.Value { return f }), rapid.Map(rapid.Int64(), func(n int64) value.Value { return n }), rapid.Map(rapid.Bool(), func(b bool) value.Value { return b }))
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(anyValue(depth-1), 0, 30), func(vs []value.Value) value.Value { return value.Array(vs) }),
		rapid.Map(rapid.MapOfN(hostile(), anyValue(depth-1), 0, 12), func(m map[string]value.Value) value.Value {
			var fields []value.Field
			for _, name := range sortedTables(m) {
				fields = append(fields, value.Field{Name: name, Value: m[name]})
			}
			return value.NewObject(fields...)
		}))
}

// hostileCensus is a census of documents that anybody may have written.
func hostileCensus(t *rapid.T) *plan.Census {
	text := func(name string) string { return hostile().Draw(t, name) }
	number := func(name string) int64 { return rapid.Int64().Draw(t, name) }
	c := &plan.Census{Deployment: text("deployment"), Component: text("component"), Schema: text("hash"), At: noon, Full: rapid.Bool().Draw(t, "full"), Stopped: rapid.SampledFrom([]string{"", "its budget\nis spent"}).Draw(t, "stopped"),
		Read: number("read"), Offenders: number("offenders"), Counts: map[string]plan.TableCount{text("table"): {Documents: number("of"), Read: number("some"), Offenders: number("bad"), Most: number("most"), Proved: text("proved"), Failed: rapid.SampledFrom([]string{"", "no"}).Draw(t, "failed")}}}
	for range rapid.IntRange(0, 8).Draw(t, "groups") {
		g := plan.Group{Table: text("table"), Path: text("path"), Reason: rapid.SampledFrom([]string{"missing", "extra", "type", "literal", "id", "union", "odd"}).Draw(t, "reason"), Count: number("count")}
		for range rapid.IntRange(0, 3).Draw(t, "samples") {
			doc, _ := anyValue(3).Draw(t, "document").(value.Object)
			g.Samples = append(g.Samples, plan.Sample{ID: text("id"), Place: rapid.OneOf(hostile(), rapid.Just(".a[0].b"), rapid.Map(rapid.IntRange(0, 9), func(i int) string { return placeIn(doc, i) })).Draw(t, "place"),
				Way:     rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(hostile(), 0, 3), rapid.Map(rapid.IntRange(0, 9), func(i int) []string { return wayOf(doc, placeIn(doc, i)) })).Draw(t, "way"),
				Closest: rapid.SampledFrom([]*plan.Near{nil, {Reason: "missing", Way: []string{"a\x1b", "b"}, Expected: "v.string()"}, {Reason: "type", Got: "x\ny"}}).Draw(t, "closest"),
				Message: text("message"), Expected: text("expected"), Got: text("got"), Masked: rapid.Bool().Draw(t, "masked"), Document: doc})
		}
		c.Groups = append(c.Groups, g)
	}
	return c
}

// placeIn is a place that leads into a document.
func placeIn(doc value.Object, i int) string {
	if len(doc) == 0 {
		return ""
	}
	return "." + doc[i%len(doc)].Name
}

// TestOffendersWhateverTheyHold moves about on the page of a hostile census, in
// windows of any size: nothing panics, and every frame fits.
func TestOffendersWhateverTheyHold(t *testing.T) {
	keys := []string{"up", "down", "left", "right", "tab", "enter", "esc", "n", "N", "f", "o", "u", "v", "c", "/", "x", "backspace", "g", "G", "pgdown", "pgup", "i"}
	rapid.Check(t, func(t *rapid.T) {
		s := scene(rapid.SampledFrom([]string{"idle", "census", "offenders", "old-writers", "revealed"}).Draw(t, "scene"))
		for i := range s.Envs {
			s.Envs[i].Census = hostileCensus(t)
			if rapid.Bool().Draw(t, "written") {
				s.Envs[i].Writers = &plan.Writers{How: hostile().Draw(t, "how"), Offenders: map[string]int64{hostile().Draw(t, "table"): rapid.Int64().Draw(t, "n")}, Samples: hostileCensus(t).Groups, First: noon}
			}
			if rapid.Bool().Draw(t, "certified") {
				s.Envs[i].Certificate = &plan.Certificate{Env: hostile().Draw(t, "env"), Schema: hostile().Draw(t, "schema"), Ended: noon, Why: hostile().Draw(t, "why"), Revoked: rapid.SampledFrom([]time.Time{{}, noon}).Draw(t, "revoked")}
			}
		}
		e := newFake(s)
		m := newRoot(deps{engine: e, ctx: t.Context(), now: func() time.Time { return noon }, later: noTimer, ascii: rapid.Bool().Draw(t, "ascii"), verb: "strait"})
		w, h := rapid.IntRange(40, 160).Draw(t, "w"), rapid.IntRange(10, 50).Draw(t, "h")
		m, _ = m.Update(tea.WindowSizeMsg{Width: w, Height: h})
		m = press(m, "o")
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			m = press(m, rapid.SampledFrom(keys).Draw(t, "key"))
			fits(t, m.draw(), w, h)
		}
	})
}

// TestTheMarkIsWhereTheDocumentOffends damages documents and looks for the mark
// at the place that the check names, however little room there is.
func TestTheMarkIsWhereTheDocumentOffends(t *testing.T) {
	l := newLook(true, true)
	table := &schema.Table{Name: "orders", Document: mustValidator(t, `{"type":"object","value":{
		"note":{"fieldType":{"type":"string"},"optional":true},
		"paid":{"fieldType":{"type":"boolean"},"optional":false},
		"items":{"fieldType":{"type":"array","value":{"type":"object","value":{"sku":{"fieldType":{"type":"string"},"optional":false},"price":{"fieldType":{"type":"number"},"optional":false}}}},"optional":false}}}`)}
	rapid.Check(t, func(t *rapid.T) {
		var items value.Array
		n := rapid.IntRange(1, 60).Draw(t, "items")
		for range n {
			items = append(items, object("sku", rapid.StringN(0, 90, -1).Draw(t, "sku"), "price", 1.5))
		}
		bad := rapid.IntRange(0, n-1).Draw(t, "bad")
		doc := object("_id", "x", "paid", true, "items", items)
		want := ""
		switch rapid.IntRange(0, 3).Draw(t, "damage") {
		case 0:
			items[bad], want = items[bad].(value.Object).With("price", "12"), `price: "12"`
		case 1:
			items[bad], want = items[bad].(value.Object).Without("sku"), "sku: missing"
		case 2:
			doc, want = doc.Without("paid"), "paid: missing"
		case 3:
			doc, want = doc.With("odd", true), "odd: true"
		}
		found := table.CheckDocument(doc, nil)
		if len(found) == 0 {
			t.Fatal("the damage was not found")
		}
		limit := rapid.IntRange(6, 40).Draw(t, "limit")
		lines, end := marking{l: l, w: rapid.IntRange(30, 120).Draw(t, "w"), limit: limit, ways: [][]string{found[0].Way}}.lines(doc)
		marks := slices.IndexFunc(lines, func(x markedLine) bool { return x.bad })
		if marks < 0 || marks != end || !strings.Contains(textOf(lines[marks].line), want) {
			t.Fatalf("place %q: line %d of %d is marked, want %q", found[0].Path, marks, len(lines), want)
		}
		if len(lines) > max(limit, 13) { // what leads to the place is never folded
			t.Fatalf("%d lines where %d fit", len(lines), limit)
		}
	})
}

func mustValidator(t *testing.T, text string) *schema.Validator {
	t.Helper()
	v, err := schema.ParseValidator([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAShortDocumentIsNotFolded(t *testing.T) {
	l := newLook(true, true)
	lines, _ := marking{l: l, w: 100, limit: 40, ways: [][]string{{"plan"}}}.lines(sceneUser(1))
	for _, x := range lines {
		if strings.Contains(textOf(x.line), l.g.ellipsis) {
			t.Fatalf("folded: %s", textOf(x.line))
		}
	}
	m, _ := screen(t, scene("offenders"), 120, 40)
	m = press(onRow(m, "users.plan"), "o", "down", "down", "enter")
	if got := plainScreen(m); !strings.Contains(got, "✗       price: 12.5") || !strings.Contains(got, "more elements") {
		t.Fatalf("the long document is not folded around its mark:\n%s", got)
	}
	if got := plainScreen(press(m, "enter")); strings.Contains(got, "more elements") || !strings.Contains(got, "✗       price: 12.5") {
		t.Fatalf("enter does not unfold it around the mark:\n%s", got)
	}
}

func TestOffendersAreWalkedThrough(t *testing.T) {
	m, _ := screen(t, scene("offenders"), 80, 24)
	m = press(onRow(m, "users.plan"), "o")
	for _, want := range []string{"sample 2 of 3", "sample 3 of 3", "sample 1 of 3"} {
		if m = press(m, "n"); !strings.Contains(plainScreen(m), want) {
			t.Fatalf("n does not show %s:\n%s", want, plainScreen(m))
		}
	}
	if m = press(m, "N"); !strings.Contains(plainScreen(m), "sample 3 of 3") {
		t.Fatal("N does not go back")
	}
	m = press(m, "n", "right", "right", "left", "left", "down")
	if m.off.inside || m.off.key.path != "users.profile" {
		t.Fatalf("left does not lead back to the list: %+v", m.off)
	}
	if m = press(m, "f"); m.page != fleetPage || m.focus().row.Path != "users.profile" {
		t.Fatalf("f went to %+v", m.focus().row)
	}
}

func TestEscLeavesTheOffendersStepByStep(t *testing.T) {
	m, _ := screen(t, scene("offenders"), 60, 16)
	m = press(onRow(m, "users.plan"), "o", "/", "i", "t", "e", "m", "enter", "enter")
	if !m.off.inside || !strings.Contains(plainScreen(m), "orders.items[].price") {
		t.Fatalf("not in the document:\n%s", plainScreen(m))
	}
	if m = press(m, "esc"); m.off.inside || m.page != offendersPage {
		t.Fatal("esc did not leave the document")
	}
	if m = press(m, "esc"); m.off.find.text != "" || m.page != offendersPage {
		t.Fatal("esc did not clear the filter")
	}
	if m = press(m, "esc"); m.page == offendersPage {
		t.Fatal("esc did not leave the page")
	}
}

func TestTheDocumentThatStoppedARunOpens(t *testing.T) {
	s := scene("idle")
	r := s.Envs[1].Runs["migrations:priceToString"]
	r.Failure.Misfits = []plan.Sample{{ID: r.Failure.Document, Place: ".price", Expected: "v.number()", Got: "string"}}
	s.Envs[1].Runs["migrations:priceToString"] = r
	m, _ := screen(t, s, 120, 40)
	m = press(onRow(m, "orders.price"), "enter", "enter")
	got := plainScreen(m)
	for _, want := range []string{"priceToString stopped at this document", `✗   price: "12,50 €"`, "expected v.number()", "convex/migrations.ts:71"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q on\n%s", want, got)
		}
	}
	if m = press(m, "esc", "esc"); m.page != runPage {
		t.Error("esc does not lead back to the run")
	}
}

func TestALongCensusAsksAndASmallOneDoesNot(t *testing.T) {
	s := scene("idle")
	s.Envs[1].Embedded = false
	m, e := screen(t, s, 120, 40)
	m = press(onRow(m, "users.plan"), "v")
	if got := plainScreen(m); len(e.asked()) > 0 || !strings.Contains(got, "35,000 documents: users 20,000, orders 10,000") {
		t.Fatalf("35,000 documents are read without a word:\n%s", got)
	}
	m = press(m, "tab", "up", "up")
	if got := plainScreen(m); !strings.Contains(got, "strait census --env staging --sample 5000") {
		t.Fatalf("the command is another:\n%s", got)
	}
	press(m, "enter")
	if got := e.asked(); len(got) != 1 || got[0].Census == nil || got[0].Census.Sample != 5000 || got[0].Env != "staging" {
		t.Fatalf("sent %+v", got)
	}
	s = scene("idle")
	s.Envs[1].Embedded, s.Envs[1].Tables = false, map[string]int64{"users": 1000, "orders": 900, "embeddings": 100}
	m, e = screen(t, s, 120, 40)
	if press(onRow(m, "users.plan"), "v"); len(e.asked()) != 1 {
		t.Fatal("a census of 2,000 documents asks")
	}
}

func TestTheQuestionSaysWhatTheDeploymentTells(t *testing.T) {
	s := scene("idle")
	s.Envs[1].Embedded = false
	m, e := screen(t, s, 120, 40)
	e.cost = &fleet.CensusCost{Budget: fleet.CensusBudget{Documents: 15_000}, Rate: 500, Least: 30 * time.Second, Cost: census.Cost{Documents: 20_000, Bytes: 9 << 20,
		Tables: []census.TableCost{{Table: "users", Documents: 20_000, Read: 20_000}, {Table: "orders", Documents: 900, Proved: plan.ByShapes}, {Table: "flags", Proved: plan.ByEmpty}}}}
	got := plainScreen(press(onRow(m, "users.plan"), "v"))
	for _, want := range []string{"at most 15,000 documents, ~9.0 MiB: users 20,000", "orders (the deployment's inferred shapes fit", "flags (empty)", "at least 30s at 500 documents a second", "strait.toml's 15,000 documents"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q on\n%s", want, got)
		}
	}
}

func TestAStoppedCensusGoesOn(t *testing.T) {
	m, e := screen(t, scene("stopped"), 120, 40)
	m = press(onRow(m, "users.plan"), "o")
	if got := plainScreen(m); !strings.Contains(got, "v goes on") {
		t.Fatalf("the way on is not told:\n%s", got)
	}
	if press(m, "v", "enter"); len(e.asked()) != 1 || !e.asked()[0].Census.Resume {
		t.Fatalf("sent %+v", e.asked())
	}
}

func TestValuesAreShownOnlyWhenAskedFor(t *testing.T) {
	m, e := screen(t, scene("offenders"), 120, 40)
	m = press(onRow(m, "users.plan"), "tab", "o", "u")
	if len(e.asked()) > 0 || m.ask.kind != askAction {
		t.Fatal("values are shown without a question")
	}
	for _, k := range []string{"enter", "space", "u"} {
		if m = press(m, k); len(e.asked()) > 0 {
			t.Fatalf("%s said yes", k)
		}
	}
	m = press(m, "y")
	if got := e.asked(); len(got) != 1 || got[0].Action != plan.ActReveal || got[0].Env != "prod" {
		t.Fatalf("sent %+v", got)
	}
	s := scene("offenders")
	s.Envs[2].Revealed = noon.Add(3 * time.Minute)
	m, _ = m.Update(snapped{s})
	if got := plainScreen(m); !strings.Contains(got, "values shown for 3m 00s, u masks") {
		t.Fatalf("the time left is not told:\n%s", got)
	}
	if press(m, "u"); len(e.asked()) != 2 || e.asked()[1].Action != plan.ActReveal {
		t.Fatal("u did not mask them again at once")
	}
	m, _ = screen(t, scene("offenders"), 120, 40)
	if m = press(onRow(m, "users.plan"), "o", "u"); !strings.Contains(m.toast.text, "not protected") {
		t.Fatalf("said %q", m.toast.text)
	}
}

func TestOffendersAreWrittenToAFile(t *testing.T) {
	t.Chdir(t.TempDir())
	m, _ := screen(t, scene("offenders"), 120, 40)
	m = press(onRow(m, "users.plan"), "o", "e")
	name := m.ask.typed
	write := func(m Root, key string) Root {
		m, cmd := m.Update(keyMsg(key))
		if cmd == nil {
			t.Fatal("nothing is written")
		}
		m, _ = m.Update(cmd())
		return m
	}
	m = write(m, "enter")
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(m.toast.text, "7 offenders written to ") {
		t.Fatalf("%v %v, said %q", info, err, m.toast.text)
	}
	lines, _ := os.ReadFile(name)
	if n := strings.Count(string(lines), "\n"); n != 7 || !strings.Contains(string(lines), "Ada Lovelace") {
		t.Fatalf("%d lines", n)
	}
	if err := os.WriteFile(name, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = write(press(m, "e"), "enter")
	if held, _ := os.ReadFile(name); string(held) != "mine" || m.ask.kind != askReplace {
		t.Fatalf("the file was replaced without a question: %q", held)
	}
	m = write(m, "y")
	if held, _ := os.ReadFile(name); len(held) != len(lines) {
		t.Fatalf("it was not replaced: %q", held)
	}
	m = press(m, "e", "ctrl+u")
	for _, r := range filepath.Join("no", "such", "folder.jsonl") {
		m = press(m, string(r))
	}
	if m = write(m, "enter"); m.toast.level != toastBad {
		t.Fatalf("said %q", m.toast.text)
	}
	if left, _ := filepath.Glob(".offenders-*"); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}

func TestOldShapeWritersAreSeenOnTheGrid(t *testing.T) {
	m, _ := screen(t, scene("old-writers"), 120, 40)
	got := plainScreen(onRow(m, "users.plan"))
	for _, want := range []string{"old docs", "14 old-shape writes", "certificate revoked"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q on\n%s", want, got)
		}
	}
	if line := lineWith(t, got, "orders.price"); strings.Contains(line, "old docs") {
		t.Error("the alarm is on a table that nobody wrote to")
	}
}

func TestCertificateWords(t *testing.T) {
	m, _ := screen(t, scene("certified"), 120, 40)
	e := m.snap.Envs[1]
	cert := *e.Certificate
	e.Certificate, e.FreshFor = &cert, 24*time.Hour
	word := func() string { _, text, _ := m.certificateWord(&e); return text }
	if got := word(); !strings.Contains(got, "schema 9be1f0aa") || !strings.Contains(got, "34,000 documents counted") || !strings.Contains(got, "fresh until tomorrow ") {
		t.Errorf("a fresh one: %s", got)
	}
	e.FreshFor = time.Minute
	if got := word(); !strings.Contains(got, "no longer fresh since ") {
		t.Errorf("an old one: %s", got)
	}
	cert.Revoked, cert.Why = noon, "code was pushed"
	if got := word(); !strings.HasPrefix(got, "revoked ") || !strings.HasSuffix(got, ": code was pushed") {
		t.Errorf("a revoked one: %s", got)
	}
	e.Certificate, e.Census = nil, &plan.Census{Counts: map[string]plan.TableCount{"users": {Documents: 900, Read: 100, Most: 12}}}
	if _, text, _ := m.countedWord(&e); text != "sampled: at most 12 of 900 misfit, 95 %" {
		t.Errorf("a sampled census: %s", text)
	}
}

func TestSizesOnTheCommandLine(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "500MB": 500_000_000, "2GiB": 2 << 30, "1.5 kb": 1500, "77": 77} {
		if n, err := parseBytes(text); err != nil || n != want {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for _, text := range []string{"MB", "-3", "5 parsecs", "1e999", "NaN"} {
		if _, err := parseBytes(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	for _, f := range []censusFlagSet{{env: "a", snapshot: "b"}, {snapshot: "b", reveal: true}, {o: fleet.CensusOptions{Resume: true, Sample: 3}}, {o: fleet.CensusOptions{Rate: math.NaN()}}, {snapshot: "b", o: fleet.CensusOptions{Rate: -1}}} {
		if err := f.check(); exitCode(err) != exitUsage {
			t.Errorf("%+v: %v", f, err)
		}
	}
	unbounded := censusFlagSet{env: "a", o: fleet.CensusOptions{Rate: -1}} // Fleet's word for no limit
	if err := unbounded.check(); err != nil {
		t.Errorf("no limit of the rate: %v", err)
	}
}

// What a census says on the command line: how long its certificate holds here,
// and one document in the singular.
func TestWhatACensusSays(t *testing.T) {
	var out bytes.Buffer
	c := &cli{out: &out, err: io.Discard}
	found := &plan.Census{Full: true, Counts: map[string]plan.TableCount{"users": {Documents: 7, Read: 7}}}
	proof := &plan.Certificate{Deployment: "otter", Ended: time.Now()}
	if err := c.told(found, proof, time.Minute, "prod", censusFlagSet{env: "prod"}); err != nil {
		t.Fatal(err)
	}
	if until := "fresh until " + untilWord(time.Now(), proof.Ended.Add(time.Minute)); !strings.Contains(out.String(), until) {
		t.Errorf("no %q in %s", until, out.String())
	}
	out.Reset()
	found.Offenders = 1
	if err := c.told(found, nil, 0, "prod", censusFlagSet{env: "prod"}); exitCode(err) != exitError || !strings.Contains(out.String(), "1 document of 7 in prod does not fit the target") {
		t.Errorf("%v: %s", err, out.String())
	}
	if text := censusWords(&plan.Census{Offenders: 1, Read: 13_256}); text != "1 document of 13,256 does not fit the target" {
		t.Error(text)
	}
}

// BenchmarkOffenders draws the page with many groups, and with a document of
// many fields.
func BenchmarkOffenders(b *testing.B) {
	many, large := scene("offenders"), scene("offenders")
	c := many.Envs[1].Census
	for i := range 300 {
		g := c.Groups[i%5]
		g.Table = fmt.Sprintf("%s%d", g.Table, i)
		c.Groups = append(c.Groups, g)
	}
	var list value.Array
	for range 50 {
		list = append(list, "value")
	}
	var fields []any
	for i := range 1000 {
		fields = append(fields, fmt.Sprintf("field%04d", i), list)
	}
	g := &large.Envs[1].Census.Groups[0]
	g.Samples[0].Document = object(fields...)
	for name, s := range map[string]*fleet.Snapshot{"groups": many, "document": large} {
		b.Run(name, func(b *testing.B) {
			m, _ := screen(b, s, 160, 50)
			m = press(m, "o")
			m.off.key = offenderKey{table: g.Table, path: g.Path, reason: g.Reason}
			b.ReportAllocs()
			for b.Loop() {
				_ = m.View()
			}
		})
	}
}

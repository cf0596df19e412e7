package fleet

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
	"strait/model/value"
	"strait/plan"
)

// later ends the fleet and opens another on the same project and deployment,
// as a later process does.
func (s *shopped) later(refuse []string, shift time.Duration) {
	s.t.Helper()
	p := s.f.Project()
	if err := s.f.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.f = Open(s.t.Context(), Options{
		Project: p, http: &http.Client{Transport: refusing{s.d.HTTPClient().Transport, refuse}}, writersPace: 5 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(shift) },
	})
	f := s.f
	s.t.Cleanup(func() { f.Close() })
	ready(s.t, s.f, "only")
}

func (s *shopped) journal() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.f.Project().Root, ".strait", "journal.jsonl"))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// insert puts documents in as the application would.
func (s *shopped) insert(table string, docs ...value.Object) {
	s.t.Helper()
	if _, err := s.d.Insert(s.t.Context(), "", table, docs); err != nil {
		s.t.Fatal(err)
	}
}

// holds fails unless narrow and the merge may rest on the certificate, in a
// process that has counted nothing itself.
func (s *shopped) holds() {
	s.t.Helper()
	e := s.f.Now().Envs[0]
	if e.Census != nil || e.Certificate == nil || !e.Certificate.Revoked.IsZero() {
		s.t.Fatalf("census %+v, certificate %+v", e.Census, e.Certificate)
	}
	if codes := s.refusals(); len(codes) > 0 {
		s.t.Errorf("narrow: %v", codes)
	}
	if m, _ := s.f.Merge(); !m.Allowed {
		s.t.Errorf("merge: %+v", m.Missing)
	}
	if st := s.f.Now().Plan.Envs[0].Migrate; st.State != plan.Done || !strings.Contains(st.Evidence, "certified: no document misfits") {
		s.t.Errorf("migrate: %+v", st)
	}
}

// revoked fails unless the certificate is, for a reason, here and in the
// journal, and narrow is refused.
func (s *shopped) revoked(why string) {
	s.t.Helper()
	c := s.certificate()
	if c == nil || c.Revoked.IsZero() || !strings.Contains(c.Why, why) {
		s.t.Fatalf("want it revoked for %q: %+v", why, c)
	}
	if codes := s.refusals(); !slices.ContainsFunc([]string{"census-stale", "old-shape-writer", "old-shape-writers", "offenders"}, func(c string) bool { return slices.Contains(codes, c) }) {
		s.t.Errorf("narrow: %v", codes)
	}
	if m, _ := s.f.Merge(); m.Allowed {
		s.t.Error("the merge is allowed")
	}
	if text := s.journal(); !strings.Contains(text, `"phase":"revoked"`) || !strings.Contains(text, why) {
		s.t.Errorf("the journal does not tell:\n%s", text)
	}
}

func TestACertificateOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	s := openShop(t, nil, 60, 0)
	s.count()
	first := s.certificate()
	if first == nil || first.Deployment != "shop" || first.Started.IsZero() || first.Pushed == 0 || len(first.Tables)+len(first.Proved) != 2 {
		t.Fatalf("certificate: %+v", first)
	}
	for name, refuse := range map[string][]string{"as it is": nil, "nothing but documents is told": noShapes} {
		t.Run(name, func(t *testing.T) {
			s.later(refuse, time.Hour)
			s.holds()
		})
	}
	s.later(nil, 25*time.Hour)
	if codes := s.refusals(); !slices.Contains(codes, "census-stale") {
		t.Errorf("after its time: %v", codes)
	}
	if st := s.f.Now().Plan.Envs[0].Migrate; st.State == plan.Done {
		t.Errorf("after its time: %+v", st)
	}
}

func TestWhatRevokesACertificate(t *testing.T) {
	t.Parallel()
	old := args("n", 1.0)
	for name, c := range map[string]struct {
		why string
		do  func(s *shopped)
	}{
		"a push while nobody looked": {"code was pushed", func(s *shopped) {
			if err := s.d.Push(t.Context(), local.Push{App: s.d.App(), Schema: s.d.View().Schema("")}); err != nil {
				t.Fatal(err)
			}
			s.later(nil, 0)
		}},
		"an old document while nobody looked": {"of the old shape", func(s *shopped) {
			s.insert("items", old)
			s.later(nil, 0)
		}},
		"an old document while nothing else is told": {"of the old shape", func(s *shopped) {
			s.insert("items", old)
			s.later(noShapes, 0)
		}},
		"a push": {"code was pushed", func(s *shopped) {
			if err := s.d.Push(t.Context(), local.Push{App: s.d.App(), Schema: s.d.View().Schema("")}); err != nil {
				t.Fatal(err)
			}
			if err := s.f.wait(within(t), func() bool { return !s.f.envs[0].certificate.Revoked.IsZero() }); err != nil {
				t.Fatal("the push went unnoticed")
			}
		}},
		"a census that finds one": {"", func(s *shopped) {
			s.insert("items", old)
			if out := runIt(t, s.f, Command{Action: plan.ActCensus}); out.Census == nil || out.Census.Offenders != 1 {
				t.Fatalf("census: %+v", out.Census)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, nil, 20, 0)
			s.count()
			c.do(s)
			if err := s.f.wait(within(t), func() bool {
				x := s.f.envs[0].certificate
				return x != nil && !x.Revoked.IsZero()
			}); err != nil {
				t.Fatalf("it stands: %+v", s.certificate())
			}
			if err := s.f.Close(); err != nil { // what revoked it is recorded by now
				t.Fatal(err)
			}
			s.revoked(c.why)
			s.later(nil, 0)
			if x := s.certificate(); x == nil || x.Revoked.IsZero() {
				t.Errorf("a later process takes it for whole: %+v", x)
			}
		})
	}
}

// A census whose process died goes on where it was, and what was written
// meanwhile is looked at before its certificate counts.
func TestACensusGoesOnInALaterProcess(t *testing.T) {
	t.Parallel()
	s := openShop(t, noShapes, 250, 0)
	out := runIt(t, s.f, Command{Action: plan.ActCensus, Census: &CensusOptions{Budget: CensusBudget{Documents: 100}, Rate: -1}})
	if out.Status != "stopped" || out.Census.Read != 100 || out.Census.Full || s.certificate() != nil {
		t.Fatalf("%s %+v", out.Status, out.Census)
	}
	files, _ := filepath.Glob(filepath.Join(s.f.Project().Root, ".strait", "census", "*"))
	if len(files) != 1 {
		t.Fatalf("kept: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	s.later(noShapes, 0)
	cost, err := s.f.CensusEstimate(within(t), "only", CensusOptions{Resume: true})
	if err != nil || !cost.Resume || cost.Documents != 151 {
		t.Errorf("%+v %v", cost, err)
	}
	out = runIt(t, s.f, Command{Action: plan.ActCensus, Census: &CensusOptions{Resume: true, Rate: -1}})
	if out.Status != "success" || out.Census.Read != 251 || !out.Census.Full || out.Census.Offenders != 0 {
		t.Fatalf("%s %+v", out.Status, out.Census)
	}
	if s.certificate() == nil {
		t.Fatal("no certificate")
	}
	if left, _ := filepath.Glob(filepath.Join(s.f.Project().Root, ".strait", "census", "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	s.looked(byRecount, s.certificate().Ended)
	if codes := s.refusals(); len(codes) > 0 {
		t.Errorf("narrow: %v", codes)
	}
}

// planted is in the documents of a protected environment, in a message that a
// migration throws, and in what it logs.
const planted = "PLANTED-7f3a"

// texts are all the strings in what v reaches.
func texts(v any) string {
	var out strings.Builder
	seen := map[uintptr]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() || seen[v.Pointer()] {
				return
			}
			seen[v.Pointer()] = true
			walk(v.Elem())
		case reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for _, k := range v.MapKeys() {
				walk(k)
				walk(v.MapIndex(k))
			}
		case reflect.String:
			out.WriteString(v.String() + "\n")
		}
	}
	walk(reflect.ValueOf(v))
	return out.String()
}

func TestNothingOfAProtectedDocumentGetsOut(t *testing.T) {
	whole := maps.Clone(shop)
	t.Cleanup(func() { shop = whole })
	shop = maps.Clone(shop)
	shop["convex/migrations.ts"] += "export const boom = migrations.define({ table: \"kinds\", batchSize: 5, migrateOne: (ctx, doc) => { console.log(`kind ${doc.kind}`); if (doc.kind !== \"a\") throw new Error(`cannot take ${doc.kind}`); } });\n"
	s := openShop(t, noShapes, 30, 0)
	s.insert("kinds", args("kind", planted), args("kind", "b"))
	s.f.Project().Config.Envs[0].Protected = true
	s.later(noShapes, 0)
	var events []Event
	run := func(c Command) Outcome {
		t.Helper()
		c.Env, c.Typed = "only", "only"
		out, err := s.f.Run(within(t), c, func(ev Event) { events = append(events, ev) })
		if err != nil {
			t.Fatalf("%s: %v", c.Action, err)
		}
		return out
	}
	clean := func(what string, v any) {
		t.Helper()
		for _, line := range strings.Split(texts(v), "\n") {
			if strings.Contains(line, planted) {
				t.Errorf("%s tells %q", what, line)
			}
		}
	}
	stopped := run(Command{Action: plan.ActCensus, Census: &CensusOptions{Budget: CensusBudget{Documents: 4}, Rate: -1}})
	files, _ := filepath.Glob(filepath.Join(s.f.Project().Root, ".strait", "census", "*"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		clean(file, string(text))
	}
	if stopped.Status != "stopped" || len(files) != 1 {
		t.Errorf("%+v, kept %v", stopped.Census, files)
	}
	found := run(Command{Action: plan.ActCensus, Census: &CensusOptions{Resume: true, Rate: -1}})
	if found.Census.Offenders != 1 || len(found.Census.Groups[0].Samples) == 0 || !found.Census.Groups[0].Samples[0].Masked {
		t.Fatalf("census: %+v", found.Census)
	}
	tried := run(Command{Action: plan.ActDryRun, Migration: "boom"})
	clean("the snapshot", s.f.Now())
	if out := run(Command{Action: plan.ActDryRun, Migration: "boom", BatchSize: 1}); out.Status != "success" { // the first one fits
		t.Fatalf("dry run: %+v", out.Failure)
	}
	failed := run(Command{Action: plan.ActRun, Migration: "boom", Override: "a test"})
	if tried.Status != "failed" || failed.Status != "failed" {
		t.Fatalf("%s %s", tried.Status, failed.Status)
	}
	for i, out := range []Outcome{stopped, found, tried, failed} {
		clean("outcome "+string(rune('1'+i)), out)
	}
	clean("an event", events)
	clean("the journal", s.journal())
	clean("the snapshot", s.f.Now())
	if r := s.f.Now().Envs[0].Runs["migrations:boom"]; r.Failure == nil || r.Failure.Document == "" || len(r.Failure.Body) == 0 || len(r.Failure.Misfits) != 1 || !r.Failure.Misfits[0].Masked {
		t.Errorf("failure: %+v", r.Failure)
	}

	run(Command{Action: plan.ActReveal, By: "screen"})
	if s := s.f.Now(); !strings.Contains(texts(s.Envs), planted) || !s.Envs[0].Revealed.After(s.At) {
		t.Error("nothing is shown after it was asked for")
	} else {
		clean("a message", s.Messages)
	}
	if !strings.Contains(s.journal(), `"action":"reveal"`) {
		t.Error("the journal does not tell who asked")
	}
	run(Command{Action: plan.ActReveal, By: "screen"})
	clean("the snapshot", s.f.Now())
	if shown := run(Command{Action: plan.ActCensus, Reveal: true}); !strings.Contains(texts(shown), planted) || !strings.Contains(s.journal(), `"reveal":true`) {
		t.Error("--reveal shows nothing, or is not recorded")
	}
	clean("the snapshot", s.f.Now())
}

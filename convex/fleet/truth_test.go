package fleet

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
	"strait/model/value"
	"strait/plan"
)

// patch changes a document as the dashboard does.
func (s *shopped) patch(table, id string, fields ...any) {
	s.t.Helper()
	s.write("_system/frontend/patchDocumentsFields", "table", table, "fields", args(fields...), "ids", value.Array{id})
}

// shut fails unless narrow and the merge are refused.
func (s *shopped) shut(when string) {
	s.t.Helper()
	if codes := s.refusals(); len(codes) == 0 {
		s.t.Errorf("%s: narrow is allowed; certificate %+v, writers %+v", when, s.certificate(), s.f.Now().Envs[0].Writers)
	}
	if m, _ := s.f.Merge(); m.Allowed {
		s.t.Errorf("%s: the merge is allowed", when)
	}
}

// holding keeps requests of a route until it is let go.
type holding struct {
	http.RoundTripper
	route string
	let   chan struct{}
	asked chan struct{} // gets one when there is room
}

func (h holding) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == h.route {
		select {
		case h.asked <- struct{}{}:
		default:
		}
		select {
		case <-h.let:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return h.RoundTripper.RoundTrip(req)
}

// A document that was changed while nobody watched, in a table of which shapes
// tell nothing, is in the stream of changes: a later process reads that before
// the certificate counts, however long it takes.
func TestAChangeWhileNobodyWatchedShutsTheGate(t *testing.T) {
	s := openShop(t, nil, 20, 0)
	s.later(nil, time.Hour) // the documents are of long before the count
	s.count()
	s.patch("kinds", s.kind(), "kind", "old")
	p := s.f.Project()
	if err := s.f.Close(); err != nil {
		t.Fatal(err)
	}
	held := holding{s.d.HTTPClient().Transport, "/api/document_deltas", make(chan struct{}), nil}
	s.f = Open(t.Context(), Options{Project: p, http: &http.Client{Transport: held}, writersPace: 5 * time.Millisecond, patience: 300 * time.Millisecond,
		Now: func() time.Time { return time.Now().Add(time.Hour) }})
	f := s.f
	t.Cleanup(func() { f.Close() })
	ready(t, s.f, "only")
	if err := s.f.wait(within(t), s.f.envs[0].informed); err != nil {
		t.Fatal(err)
	}
	s.shut("before the stream is read")
	close(held.let)
	s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["kinds"] == 1 })
	s.shut("then")
}

// What was written between a census that stopped and the process that takes it
// to its end is looked at as well.
func TestWritesBetweenTwoPartsOfACensus(t *testing.T) {
	for how, refuse := range map[string][]string{byChanges: nil, byRecount: noShapes} {
		t.Run(how, func(t *testing.T) {
			s := openShop(t, refuse, 250, 0)
			for range 30 {
				s.write("items:addKind", "kind", "b")
			}
			out := runIt(t, s.f, Command{Action: plan.ActCensus, Census: &CensusOptions{Budget: CensusBudget{Documents: 20}, Rate: -1}})
			if out.Status != "stopped" {
				t.Fatalf("%s %+v", out.Status, out.Census)
			}
			if err := s.f.Close(); err != nil {
				t.Fatal(err)
			}
			s.patch("kinds", s.kind(), "kind", "old") // it was read
			s.later(refuse, 0)
			out = runIt(t, s.f, Command{Action: plan.ActCensus, Census: &CensusOptions{Resume: true, Rate: -1}})
			if out.Status != "success" || out.Census.Offenders != 0 {
				t.Fatalf("%s %+v", out.Status, out.Census)
			}
			s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["kinds"] == 1 })
			s.shut("then")
		})
	}
}

// A count of one table settles nothing that was found in another.
func TestACountOfOneTableSettlesNoOther(t *testing.T) {
	s := openShop(t, nil, 20, 0)
	s.count()
	s.write("items:addKind", "kind", "old")
	s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["kinds"] == 1 })
	began := time.Now()
	out := runIt(t, s.f, Command{Action: plan.ActCensus, Census: &CensusOptions{Tables: []string{"items"}, Rate: -1}})
	if out.Status != "success" || out.Census.Offenders != 0 {
		t.Fatalf("%s %+v", out.Status, out.Census)
	}
	s.write("items:add")
	if w := s.writers("what was written is looked at", func(w plan.Writers) bool { return w.Checked.After(began) }); w.Offenders["kinds"] != 1 {
		t.Errorf("forgotten: %+v", w)
	}
}

// A document that was found, mended, and written again behind the back of a
// count is not settled by that count.
func TestACountDoesNotSettleWhatWasSeenWhileItRan(t *testing.T) {
	var f offenders
	at := time.Now()
	f.add(map[string]*offender{"x": {table: "items", id: "x", seen: at, last: at}})
	f.settle("x")
	began := at.Add(time.Second)
	f.add(map[string]*offender{"x": {table: "items", id: "x", at: began.Add(time.Second), seen: began.Add(time.Second), last: began.Add(time.Second)}})
	f.forget(func(o *offender) bool { return o.gone || o.last.Before(began) })
	if f.total() != 1 {
		t.Error("it is forgotten")
	}
}

// Lines of the journal that are doubled, torn or too long bring back no
// certificate that was revoked.
func TestNoDamagedJournalBringsACertificateBack(t *testing.T) {
	s := openShop(t, nil, 20, 0)
	s.count()
	s.write("items:addKind", "kind", "old")
	s.writers("it is found", func(w plan.Writers) bool { return w.Offenders["kinds"] == 1 })
	if err := s.f.Close(); err != nil {
		t.Fatal(err)
	}
	whole := s.journal()
	lines := strings.Split(strings.TrimSpace(whole), "\n")
	phase := func(p string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, `"phase":"`+p+`"`) })
	}
	issued, revoked := phase("certified"), phase("revoked")
	if issued < 0 || revoked < issued {
		t.Fatal(whole)
	}
	before := strings.Join(lines[:revoked], "\n") + "\n"
	long := `{"phase":"asked","override":"` + strings.Repeat("x", 2<<20) + `"}` + "\n"
	for name, text := range map[string]string{
		"doubled":   whole + lines[issued] + "\n",
		"torn":      before + lines[revoked][:40] + "\n",
		"torn end":  before + lines[revoked][:40],
		"long line": before + long + lines[revoked] + "\n",
	} {
		p := s.f.Project()
		if err := os.WriteFile(filepath.Join(p.Root, ".strait", "journal.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f := &Fleet{project: p, journal: newJournal(p.Root), certificates: map[string]*plan.Certificate{}, backups: map[string]*plan.Backup{}, now: time.Now}
		f.published.init()
		f.changed.init()
		f.readJournal()
		for _, c := range f.certificates {
			if c.Revoked.IsZero() {
				t.Errorf("%s: it stands", name)
			}
		}
	}
}

// However a refused push prints a document of a protected environment, nothing
// of it is told; what follows it is.
func TestADeployTellsNoDocumentOfAProtectedEnvironment(t *testing.T) {
	refused := "✖ Schema validation failed.\nDocument with ID \"k17\" in table \"users\" does not match the schema: Object is missing the required field `n`.\n\n"
	for name, printed := range map[string]string{
		"a line":        "Object: {name: \"" + planted + "\"}\n",
		"with a mark":   "  ✖ Object: {name: \"" + planted + "\"}\n",
		"several lines": "Object: {\n  \"name\": \"" + planted + "\",\n\n  other: 1\n}\n",
		"a value":       "error: Value: \"" + planted + "\"\n",
		"value below":   "Value:\n\"" + planted + "\"\n",
	} {
		var told []string
		l := &lines{protect: true, emit: func(text string) { told = append(told, text) }}
		l.Write([]byte(refused + printed + "Validator: v.object({n: v.float64()})\n\nDone.\n"))
		l.flush()
		text := strings.Join(told, "\n")
		if strings.Contains(text, planted) || strings.Contains(l.last(8), planted) {
			t.Errorf("%s: %s", name, text)
		}
		if !strings.Contains(text, "Validator: v.object") || !strings.HasSuffix(text, "Done.") || !strings.Contains(text, "does not match the schema") {
			t.Errorf("%s: it does not tell the rest: %s", name, text)
		}
	}
}

// Of two deployments of one name, as those hosted by oneself have it, neither
// vouches for the other.
func TestACertificateIsOfOneDeploymentOfThatName(t *testing.T) {
	s := openShop(t, nil, 20, 0)
	s.count()
	p := s.f.Project()
	if err := s.f.Close(); err != nil {
		t.Fatal(err)
	}
	p.Config.Envs[0].URL = "http://other.test"
	s.later(nil, 0)
	if c := s.certificate(); c != nil {
		t.Errorf("taken over from another URL: %+v", c)
	}
}

// That a table is empty is a proof, so it is watched although nobody looks.
func TestAnEmptyTableThatIsFilledUnseen(t *testing.T) {
	s := openShop(t, nil, 0, 0)
	e := s.f.envs[0]
	s.f.Show()
	if err := s.f.wait(within(t), func() bool { return !e.reading.sizes && e.tablesKnown }); err != nil {
		t.Fatal(err)
	}
	s.write("items:legacyAdd")
	if err := s.f.wait(within(t), func() bool { return e.tables["items"] == 1 }); err != nil {
		t.Fatalf("%d documents are known", e.tables["items"])
	}
}

// Code that is pushed while a count runs ends what the count would vouch for,
// with and without a certificate.
func TestAPushWhileItIsCounted(t *testing.T) {
	s := openShop(t, nil, 20, 0)
	p := s.f.Project()
	if err := s.f.Close(); err != nil {
		t.Fatal(err)
	}
	held := holding{s.d.HTTPClient().Transport, "/api/run_test_function", make(chan struct{}), make(chan struct{}, 1)}
	s.f = Open(t.Context(), Options{Project: p, http: &http.Client{Transport: held}, writersPace: 5 * time.Millisecond})
	f := s.f
	t.Cleanup(func() { f.Close() })
	ready(t, s.f, "only")
	e := s.f.envs[0]
	done := make(chan Outcome, 1)
	go func() {
		out, _ := f.Run(t.Context(), Command{Env: "only", Action: plan.ActCensus}, func(Event) {})
		done <- out
	}()
	select {
	case <-held.asked:
	case <-within(t).Done():
		t.Fatal("nothing is counted")
	}
	f.mu.Lock()
	before := e.pushedAt
	f.mu.Unlock()
	if err := s.d.Push(t.Context(), local.Push{App: s.d.App(), Schema: s.d.View().Schema("")}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { return e.pushedAt != before }); err != nil {
		t.Fatal(err)
	}
	close(held.let)
	if out := <-done; out.Census == nil || !out.Census.Full || out.Census.Offenders != 0 {
		t.Fatalf("%+v", out)
	}
	if c := s.certificate(); c == nil || c.Revoked.IsZero() {
		t.Errorf("certified: %+v", c)
	}
	s.shut("after it")
	s.count()
	if codes := s.refusals(); len(codes) > 0 {
		t.Errorf("counted anew: %v", codes)
	}
}

// What a census found counts, although it failed later.
func TestOffendersOfACensusThatFailed(t *testing.T) {
	s := openShop(t, nil, 20, 0)
	s.count()
	a := &action{f: s.f, e: s.f.envs[0], c: Command{Env: "only"}}
	s.f.mu.Lock()
	a.place = a.e.place
	s.f.mu.Unlock()
	c := &plan.Census{Schema: s.certificate().Schema, Offenders: 1, At: time.Now(), Stopped: "it failed"}
	a.foundBefore(c, censusBegin{})
	s.revoked("a census found")
}

package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"strait/convex/internal/awkward"
	"strait/convex/wire"
)

func TestAwkwardNothing(t *testing.T) {
	s := setup(t, awkward.Options{}).live()
	s.well(3)
	s.attempts(1, 1)
	acted, err := s.client.Act(s.ctx, s.call("notes:act"))
	if err != nil || acted.Value != "acted" {
		t.Errorf("action: %+v, %v", acted, err)
	}
	s.until(4)
	page, err := s.client.Logs(s.ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(page.Entries, func(e wire.Execution) bool {
		return e.Function == "notes:add" && len(e.Lines) == 1 && e.Lines[0].Text() == "'adding' '"+s.tag+"'" && e.Usage.WrittenDocuments == 1 && e.Caller == "SyncWorker"
	})
	if i < 0 {
		t.Errorf("the log lacks the mutation: %+v", page)
	}
	i = slices.IndexFunc(page.Entries, func(e wire.Execution) bool { return e.RequestID == acted.RequestID && e.Type == "Action" })
	if i < 0 {
		t.Errorf("the log lacks the action's request %s: %+v", acted.RequestID, page)
	}
	if tr := s.client.Traffic(); tr.Read == 0 || tr.Written == 0 {
		t.Errorf("traffic: %+v", tr)
	}
}

func TestAwkwardChunks(t *testing.T) {
	n := 0
	s := setup(t, awkward.Options{Frame: func(f awkward.Frame) []string {
		if f.ToServer || typeOf(f) != "Transition" {
			return []string{f.Text}
		}
		n++
		pieces := slices.Collect(slices.Chunk([]rune(f.Text), 40))
		var out []string
		for i, piece := range pieces {
			out = append(out, encode(map[string]any{"type": "TransitionChunk", "chunk": string(piece), "partNumber": i, "totalParts": len(pieces), "transitionId": fmt.Sprint(n)}), `{"type":"Ping"}`)
		}
		return out
	}}).live()
	s.well(3)
	s.attempts(1, 1)
}

// Every second frame comes twice on the first connections: what is doubled is
// noticed or harmless, and every mutation runs once.
func TestAwkwardDuplicates(t *testing.T) {
	n := 0
	s := setup(t, awkward.Options{Frame: func(f awkward.Frame) []string {
		if f.ToServer || f.Conn > 3 {
			return []string{f.Text}
		}
		if n++; n%2 == 0 {
			return []string{f.Text}
		}
		return []string{f.Text, f.Text}
	}}).live()
	s.well(6)
	s.attempts(2, 5)
}

// Of two neighbours the second comes first: the answer of a mutation after the
// Transition that it belongs to, which is harmless, and one Transition after
// the next, which is noticed.
func TestAwkwardOrder(t *testing.T) {
	for typ, attempts := range map[string]int{"MutationResponse": 1, "Transition": 2} {
		t.Run(typ, func(t *testing.T) {
			var first string // the first that comes after the beginning
			holds := make(chan struct{})
			began := false
			s := setup(t, awkward.Options{Frame: func(f awkward.Frame) []string {
				switch {
				case f.ToServer || f.Conn > 0:
				case first == "" && began && typeOf(f) == typ:
					first = f.Text
					close(holds)
					return nil
				case first != "" && first != "given":
					out := []string{f.Text, first}
					first = "given"
					return out
				}
				began = began || !f.ToServer && strings.Contains(f.Text, "QueryUpdated")
				return []string{f.Text}
			}}).live()
			s.until(0)
			if typ == "MutationResponse" {
				s.add()
			} else {
				for range 2 {
					if _, err := s.client.Function(s.ctx, s.call("notes:add")); err != nil {
						t.Fatal(err)
					}
					<-holds // the first Transition is there when the second is made
				}
				s.until(2)
			}
			s.attempts(attempts, attempts)
		})
	}
}

// The deployment closes with every reason of the backoff table: the client
// tells the next connection, and comes back once for each.
func TestAwkwardCloses(t *testing.T) {
	reasons := []string{
		"InternalServerError", "SubscriptionsWorkerFullError", "TooManyConcurrentRequests", "CommitterFullError", "AwsTooManyRequestsException",
		"ExecuteFullError", "SystemTimeoutError", "ExpiredInQueue", "VectorIndexesUnavailable", "SearchIndexesUnavailable",
		"TableSummariesUnavailable", "VectorIndexTooLarge", "SearchIndexTooLarge", "TooManyWritesInTimePeriod", "NoReasonOfTheTable",
	}
	s := setup(t, awkward.Options{}).live()
	for i, reason := range reasons {
		c := s.conn(i)
		s.until(0)
		c.CloseWith(websocket.StatusTryAgainLater, reason)
	}
	s.conn(len(reasons))
	s.until(0)
	s.well(1)
	s.attempts(len(reasons)+1, len(reasons)+1)
	for i, m := range s.sent("Connect") {
		want := append([]string{"InitialConnect"}, reasons...)[i]
		if m["lastCloseReason"] != want || m["connectionCount"] != float64(i) {
			t.Errorf("connection %d: %v, want %s", i, m, want)
		}
	}
	if st := s.client.State(); st.Connects != len(reasons)+1 {
		t.Errorf("state: %+v", st)
	}
}

// A connection that stays open and carries nothing any more is given up, and
// what was sent into it is sent again, and runs once.
func TestAwkwardSilence(t *testing.T) {
	s := setup(t, awkward.Options{})
	s.client.Hurry(5*time.Millisecond, 400*time.Millisecond, 30*time.Second)
	s.live()
	c := s.conn(0)
	s.until(0)
	c.Silence()
	s.add()
	s.until(1)
	if connects := s.sent("Connect"); len(connects) < 2 || connects[1]["lastCloseReason"] != "InactiveServer" {
		t.Errorf("connects: %v", connects)
	}
	if sent := s.sent("Mutation"); len(sent) < 2 || sent[0]["requestId"] != sent[1]["requestId"] {
		t.Errorf("mutations: %v", sent)
	}
}

// The connection breaks in the moment in which a mutation or an action was
// passed on. The mutation is sent again and ran once; the action is told as
// unknown and never sent again.
func TestAwkwardBreak(t *testing.T) {
	broken := map[string]bool{}
	var s *stage
	s = setup(t, awkward.Options{Frame: func(f awkward.Frame) []string {
		typ := typeOf(f)
		if strings.HasSuffix(typ, "Response") && !broken[typ] {
			broken[typ] = true
			s.proxy.Conn(s.ctx, f.Conn).Drop()
			return nil
		}
		return []string{f.Text}
	}}).live()
	s.well(1)
	_, err := s.client.Act(s.ctx, s.call("notes:act"))
	var unknown *wire.UnknownOutcomeError
	if !errors.As(err, &unknown) || !unknown.Action {
		t.Errorf("action: %v", err)
	}
	s.until(2) // it had run
	if n := len(s.sent("Action")); n != 1 {
		t.Errorf("the action was sent %d times", n)
	}
	s.conn(2)
	s.attempts(3, 3)
}

func TestAwkwardSlowBytes(t *testing.T) {
	s := setup(t, awkward.Options{Slow: 64, Pause: 100 * time.Microsecond}).live()
	s.well(3)
	s.attempts(1, 1)
	if _, err := s.client.Logs(s.ctx, 0); err != nil {
		t.Error(err)
	}
}

// An answer that stops in the middle is given up in time.
func TestAwkwardHalfAnAnswer(t *testing.T) {
	s := setup(t, awkward.Options{HTTP: func(w http.ResponseWriter, r *http.Request) bool {
		fmt.Fprint(w, `{"status":"succ`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	}})
	s.client.Hurry(5*time.Millisecond, time.Second, 100*time.Millisecond)
	for name, ask := range map[string]func() error{
		"function": func() error { _, err := s.client.Function(s.ctx, s.call("notes:add")); return err },
		"query":    func() error { _, err := s.client.Query(s.ctx, s.call("notes:count")); return err },
		"logs":     func() error { _, err := s.client.Logs(s.ctx, 0); return err },
		"probe":    func() error { _, err := s.client.Version(s.ctx); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "no answer in time; check the network") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func page(status int, contentType, body string) func(w http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// Web pages and storms in place of the deployment: one-off calls tell of them,
// what is live comes through.
func TestAwkwardStorms(t *testing.T) {
	for name, storm := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string
	}{
		"page with 200": {page(200, "text/html", "<html>Sign in</html>"), "answered with a web page"},
		"page with 502": {page(502, "text/html; charset=utf-8", "<html>Bad gateway</html>"), "status 502: answered with a web page"},
		"503":           {page(503, "application/json", `{"code":"ExecuteFullError","message":"Too many"}`), "503 ExecuteFullError: Too many; try again"},
		"429":           {page(429, "application/json", `{"code":"TooManyConcurrentRequests","message":"Too many"}`), "429 TooManyConcurrentRequests"},
		"captive":       {page(403, "text/plain", "pay first"), "403"},
		"empty":         {page(500, "", ""), "empty answer"},
	} {
		t.Run(name, func(t *testing.T) {
			var over atomic.Bool
			s := setup(t, awkward.Options{HTTP: func(w http.ResponseWriter, r *http.Request) bool {
				if !over.Load() {
					storm.answer(w)
				}
				return !over.Load()
			}})
			_, err := s.client.Function(s.ctx, s.call("notes:add"))
			if err == nil || !strings.Contains(err.Error(), storm.want) || !strings.Contains(err.Error(), "[Request ID: ") {
				t.Errorf("function: %v", err)
			}
			if n := len(s.proxy.Requests()); n != 1 {
				t.Errorf("a function was sent %d times", n)
			}
			if _, err := s.client.Query(s.ctx, s.call("notes:count")); err == nil || !strings.Contains(err.Error(), storm.want) {
				t.Errorf("query: %v", err)
			}
			if n := len(s.proxy.Requests()); n > 4 {
				t.Errorf("a query was sent %d times", n-1)
			}
			ctx, cancel := context.WithCancel(s.ctx)
			pages, followed := make(chan wire.LogPage, 100), make(chan error, 1)
			failures := make(chan error, 1000)
			go func() {
				followed <- s.client.FollowLogs(ctx, 0, func(p wire.LogPage) { pages <- p }, func(err error) { failures <- err })
			}()
			if err := <-failures; !strings.Contains(err.Error(), storm.want) {
				t.Errorf("logs: %v", err)
			}
			told := make(chan wire.ConnectionState, 1000)
			defer s.client.OnState(func(st wire.ConnectionState) { told <- st })()
			s.live()
			for st := range told {
				if st.Retries >= 3 {
					if !strings.Contains(st.Err, "WebSocket /api/") || st.Final {
						t.Errorf("state: %+v", st)
					}
					break
				}
			}
			over.Store(true)
			s.well(2)
			<-pages
			cancel()
			if err := <-followed; !errors.Is(err, context.Canceled) {
				t.Errorf("following ended with %v", err)
			}
		})
	}
}

// A key that has expired: every way in says so, and none goes on asking.
func TestAwkwardExpiredKey(t *testing.T) {
	for code, status := range map[string]int{"BadAdminKey": 401, "BadDeployKey": 403} {
		t.Run(code, func(t *testing.T) { expireKey(t, code, status) })
	}
}

func expireKey(t *testing.T, code string, status int) {
	var expired atomic.Bool
	s := setup(t, awkward.Options{
		HTTP: func(w http.ResponseWriter, r *http.Request) bool {
			if !expired.Load() || strings.HasSuffix(r.URL.Path, "/sync") {
				return false
			}
			page(status, "application/json", fmt.Sprintf(`{"code":%q,"message":"The provided admin key was invalid for this instance"}`, code))(w)
			return true
		},
		Frame: func(f awkward.Frame) []string {
			if typeOf(f) == "Authenticate" && expired.Load() {
				m := message(f)
				m["value"] = "awkward|expired"
				return []string{encode(m)}
			}
			return []string{f.Text}
		},
	}).live()
	s.until(0)
	expired.Store(true)
	asked := len(s.proxy.Requests())
	for name, err := range map[string]error{
		"probe": func() error { _, err := s.client.CheckAdminKey(s.ctx); return err }(),
		"query": func() error { _, err := s.client.Query(s.ctx, s.call("notes:count")); return err }(),
		"logs":  s.client.FollowLogs(s.ctx, 0, func(wire.LogPage) {}, func(err error) { t.Errorf("goes on after %v", err) }),
	} {
		var h *wire.HTTPError
		if !errors.As(err, &h) || !h.Refused() || !strings.Contains(err.Error(), "check that the key belongs to this deployment") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.proxy.Requests()) - asked; n != 3 {
		t.Errorf("%d requests for three calls", n)
	}
	s.conn(0).Drop()
	var refused *wire.SessionError
	if u := s.update(); !errors.As(u.Err, &refused) || !refused.Auth {
		t.Errorf("live query: %+v", u)
	}
	if _, err := s.client.Mutate(s.ctx, s.call("notes:add")); !errors.As(err, &refused) {
		t.Errorf("mutation: %v", err)
	}
	if st := s.client.State(); !st.Final || !strings.Contains(st.Err, "check that the key") {
		t.Errorf("state: %+v", st)
	}
	s.attempts(2, 2)
}

// A hitch of the deployment's sign-in is survived once.
func TestAwkwardAuthErrorOnce(t *testing.T) {
	s := setup(t, awkward.Options{}).live()
	s.until(0)
	if err := s.conn(0).Send(s.ctx, `{"type":"AuthError","error":"Could not check","baseVersion":1,"authUpdateAttempted":false}`); err != nil {
		t.Fatal(err)
	}
	s.conn(1)
	s.well(1)
	if err := s.conn(1).Send(s.ctx, `{"type":"FatalError","error":"Too old"}`); err != nil {
		t.Fatal(err)
	}
	for {
		var final *wire.SessionError
		if u := s.update(); errors.As(u.Err, &final) {
			if final.Auth || !strings.Contains(u.Err.Error(), "Too old; open the environment again") {
				t.Error(u.Err)
			}
			break
		}
	}
	s.attempts(2, 2)
}

// A backend of another version: types and fields that nobody knows, a query
// that nobody asked for, optional fields missing.
func TestAwkwardVersionSkew(t *testing.T) {
	s := setup(t, awkward.Options{Frame: func(f awkward.Frame) []string {
		if f.ToServer {
			return []string{f.Text}
		}
		m := message(f)
		m["novelty"] = map[string]any{"type": "Transition"}
		for _, optional := range []string{"logLines", "serverTs", "clientClockSkew"} {
			delete(m, optional)
		}
		if m["type"] == "MutationResponse" {
			delete(m, "ts")
		}
		if changes, ok := m["modifications"].([]any); ok {
			for _, c := range changes {
				delete(c.(map[string]any), "journal")
				delete(c.(map[string]any), "logLines")
			}
			m["modifications"] = append(changes, map[string]any{"type": "QueryUpdated", "queryId": 999, "value": nil}, map[string]any{"type": "QueryRemoved", "queryId": 998})
		}
		return []string{`{"type":"Horoscope","modifications":{"lucky":7}}`, encode(m)}
	}}).live()
	s.well(3)
	s.attempts(1, 1)
}

// The deployment came back with an earlier time, from a backup: it refuses the
// timestamp that the client has seen, and the client starts afresh.
func TestAwkwardTimeWentBack(t *testing.T) {
	s := setup(t, awkward.Options{Frame: func(f awkward.Frame) []string {
		m := message(f)
		if m["maxObservedTimestamp"] != nil {
			m["maxObservedTimestamp"] = "/////////38="
			return []string{encode(m)}
		}
		return []string{f.Text}
	}}).live()
	s.well(1)
	s.conn(0).Drop()
	s.conn(4)
	s.add()
	s.until(2)
	s.attempts(5, 8) // a close frame may be lost with the connection
}

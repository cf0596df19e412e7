package wire

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
)

func act(ctx context.Context, c *Client, path string) chan answer {
	return begin(func() (Result, error) { return c.Act(ctx, Call{Component: "billing", Path: path}) })
}

// An action in flight when the connection breaks is never sent again; one that
// was not sent waits for the next connection.
func TestActionsAreSentOnce(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		done := act(t.Context(), c, "m:done")
		conn := <-f.conns
		conn.hello()
		m := conn.expect("Action")
		if m["componentPath"] != "billing" || m["udfPath"] != "m:done" || fmt.Sprint(m["args"]) != "[map[]]" {
			t.Errorf("action: %v", m)
		}
		conn.send(`{"type":"MutationResponse","requestId":0,"success":true,"result":"not for it"}`)
		conn.send(`{"type":"ActionResponse","requestId":0,"success":true,"result":7,"logLines":["[LOG] 'a'"]}`)
		conn.send(`{"type":"ActionResponse","requestId":0,"success":true,"result":8,"logLines":[]}`)
		if got := <-done; got.err != nil || got.result.Value != 7.0 || len(got.result.LogLines) != 1 || len(got.result.RequestID) != 16 {
			t.Errorf("action: %+v", got)
		}
		failed := act(t.Context(), c, "m:failed")
		conn.expect("Action")
		conn.send(`{"type":"ActionResponse","requestId":1,"success":false,"result":"Uncaught Error: no","errorData":"why","logLines":[]}`)
		var fe *FunctionError
		if got := <-failed; !errors.As(got.err, &fe) || fe.Data != "why" || !strings.Contains(got.err.Error(), "[Request ID: "+got.result.RequestID+"]") {
			t.Errorf("action: %+v", got)
		}

		lost := act(t.Context(), c, "m:lost")
		conn.expect("Action")
		conn.drop()
		var unknown *UnknownOutcomeError
		if got := <-lost; !errors.As(got.err, &unknown) || !strings.Contains(got.err.Error(), "action m:lost: sent") || !strings.Contains(got.err.Error(), "connection lost") {
			t.Errorf("action: %v", got.err)
		}
		waiting := act(t.Context(), c, "m:waiting") // while nothing is connected
		conn = <-f.conns
		conn.hello()
		if m := conn.expect("Action"); m["udfPath"] != "m:waiting" || m["requestId"] != 3.0 {
			t.Errorf("action: %v", m)
		}
		pending(t, conn.in, "the lost action")
		conn.send(`{"type":"ActionResponse","requestId":3,"success":true,"result":null}`)
		if got := <-waiting; got.err != nil {
			t.Errorf("action: %+v", got)
		}
	})
}

// The id is the one that the backend derives, so that the log can be searched
// for it: hex of SHA-256 over session and counter, 16 digits.
func TestRequestIDOfSession(t *testing.T) {
	if got := requestID("3c0a1b9e-7f54-4b5e-9c1e-0d6a4a0f2b11", 7); got != sha16(t, "3c0a1b9e-7f54-4b5e-9c1e-0d6a4a0f2b11|7") {
		t.Error(got)
	}
}

func TestStateTellsOfAttempts(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		c.Subscribe(Call{Path: "m:q"}, func(Update) {})
		conn := <-f.conns
		conn.hello()
		if st := c.State(); st.Connects != 0 || !st.RetryAt.IsZero() {
			t.Errorf("before anything came: %+v", st)
		}
		conn.send(transition(stateVersion{}, version(1, 10), updated(0, "1")))
		synctest.Wait()
		if st := c.State(); st.Connects != 1 || !st.RetryAt.IsZero() {
			t.Errorf("connected: %+v", st)
		}
		conn.ws.Close(websocket.StatusTryAgainLater, "ExecuteFullError")
		synctest.Wait()
		st := c.State()
		if wait := time.Until(st.RetryAt); wait < 1500*time.Millisecond || wait > 4500*time.Millisecond || st.Connects != 1 {
			t.Errorf("waiting: %+v", st)
		}
		conn = <-f.conns
		if st := c.State(); !st.RetryAt.IsZero() {
			t.Errorf("trying: %+v", st)
		}
		conn.hello()
		conn.send(transition(stateVersion{}, version(1, 20), updated(0, "1")))
		synctest.Wait()
		if st := c.State(); st.Connects != 2 || !st.Connected {
			t.Errorf("connected again: %+v", st)
		}
	})
}

// A deployment whose time went back closes every connection that names a later
// timestamp. After three the client starts afresh: with what waits, without
// the timestamp and the journals.
func TestTimestampAheadOfDeployment(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		ranAlready := mutate(t.Context(), c, "m:ran")
		waits := mutate(t.Context(), c, "m:waits")
		conn := <-f.conns
		first, _ := conn.hello()
		conn.send(transition(stateVersion{}, version(1, 1000), updated(0, "1")))
		<-updates
		conn.send(ran(0, "5", 2000))
		synctest.Wait()
		conn.drop()
		for range deniedOften {
			conn = <-f.conns
			if connect, _ := conn.hello(); connect["maxObservedTimestamp"] != tsText(2000) {
				t.Fatalf("connect: %v", connect)
			}
			conn.ws.Close(websocket.StatusInternalError, "InternalServerError")
		}
		if got := <-ranAlready; got.err != nil || got.result.Value != 5.0 {
			t.Errorf("the mutation that ran: %+v", got)
		}
		conn = <-f.conns
		connect, modify := conn.hello()
		if connect["maxObservedTimestamp"] != nil || connect["sessionId"] != first["sessionId"] {
			t.Errorf("connect: %v", connect)
		}
		if add := modify["modifications"].([]any)[0].(map[string]any); add["journal"] != nil {
			t.Errorf("add: %v", add)
		}
		m := conn.expect("Mutation")
		if m["udfPath"] != "m:waits" || m["requestId"] != 1.0 {
			t.Errorf("sent again: %v", m)
		}
		conn.send(ran(1, "6", 30))
		conn.send(transition(stateVersion{}, version(1, 30), updated(0, "2")))
		if got := <-waits; got.err != nil || got.result.Value != 6.0 {
			t.Errorf("the mutation that waited: %+v", got)
		}
		if u := <-updates; u.Value != 2.0 {
			t.Errorf("update: %+v", u)
		}
	})
}

// One that does not mind is noticed by its first Transition.
func TestTimeWentBackUnnoticed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		c.Subscribe(Call{Path: "m:q"}, func(Update) {})
		a := mutate(t.Context(), c, "m:a")
		conn := <-f.conns
		conn.hello()
		conn.send(transition(stateVersion{}, version(1, 1000), updated(0, "1")))
		conn.send(ran(0, "5", 2000))
		synctest.Wait()
		conn.drop()
		conn = <-f.conns
		conn.hello()
		conn.send(transition(stateVersion{}, version(1, 10), updated(0, "1")))
		if got := <-a; got.err != nil || got.result.Value != 5.0 {
			t.Errorf("mutation: %+v", got)
		}
		conn.drop()
		conn = <-f.conns
		if connect, _ := conn.hello(); connect["maxObservedTimestamp"] != tsText(10) {
			t.Errorf("connect: %v", connect)
		}
	})
}

// A key that was accepted and is then refused is offered once more: it may
// have been a hitch. Then it is final.
func TestAcceptedKeyRefused(t *testing.T) {
	for name, refusal := range map[string]string{
		"later":         `{"type":"AuthError","error":"expired","baseVersion":0,"authUpdateAttempted":true}`,
		"not the key":   `{"type":"AuthError","error":"expired","baseVersion":1,"authUpdateAttempted":false}`,
		"older backend": `{"type":"AuthError","error":"expired","baseVersion":1}`,
		"no version":    `{"type":"AuthError","error":"expired","baseVersion":null,"authUpdateAttempted":false}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake, c *Client) {
				updates := watch(c)
				conn := <-f.conns
				conn.hello()
				conn.send(transition(stateVersion{}, version(1, 10), updated(0, "1")))
				<-updates
				conn.send(refusal)
				conn = <-f.conns
				if connect, _ := conn.hello(); connect["lastCloseReason"] != "AuthError" {
					t.Errorf("connect: %v", connect)
				}
				conn.send(transition(stateVersion{}, version(1, 20), updated(0, "2")))
				if u := <-updates; u.Value != 2.0 {
					t.Errorf("update: %+v", u)
				}
				conn.send(refusal)
				var final *SessionError
				if u := <-updates; !errors.As(u.Err, &final) || !final.Auth {
					t.Errorf("update: %+v", u)
				}
				time.Sleep(time.Hour)
				pending(t, f.conns, "another attempt")
			})
		})
	}
}

// Whatever a deployment does wrong for an hour, it is asked again some hundred
// times, not as fast as the network goes.
func TestNoBusyLoop(t *testing.T) {
	inStep := func(c *fakeConn) { c.send(transition(stateVersion{}, version(1, 10), updated(0, "1"))) }
	for name, wrong := range map[string]func(c *fakeConn){
		"closes":                func(c *fakeConn) { c.ws.Close(websocket.StatusNormalClosure, "") },
		"drops":                 func(c *fakeConn) { c.drop() },
		"nonsense":              func(c *fakeConn) { c.send("nonsense") },
		"nonsense after a good": func(c *fakeConn) { inStep(c); c.send("nonsense") },
		"duplicates":            func(c *fakeConn) { inStep(c); inStep(c) },
		"closes after a good":   func(c *fakeConn) { inStep(c); c.ws.Close(websocket.StatusTryAgainLater, "ExecuteFullError") },
		"silence":               func(c *fakeConn) {},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake, c *Client) {
				c.Subscribe(Call{Path: "m:q"}, func(Update) {})
				began := time.Now()
				attempts := 0
				for time.Since(began) < time.Hour {
					conn := <-f.conns
					attempts++
					wrong(conn)
					<-conn.gone
				}
				most := 500
				if strings.HasSuffix(name, "closes after a good") {
					most = 2500 // three seconds each: it works in between
				}
				if attempts > most || attempts < 40 {
					t.Errorf("%d attempts in an hour", attempts)
				}
				if st := c.State(); st.Err == "" && !st.Connected || st.Final {
					t.Errorf("state: %+v", st)
				}
			})
		})
	}
}

// A message may take long as long as its bytes keep coming; what stops in the
// middle is given up.
func TestSlowMessage(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		conn := <-f.conns
		conn.hello()
		text := transition(stateVersion{}, version(1, 10), updated(0, `"`+strings.Repeat("x", 40_000)+`"`))
		w, err := conn.ws.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for len(text) > 0 { // a piece every 20 seconds; less would wait in a buffer
			n := min(8<<10, len(text))
			if _, err := w.Write([]byte(text[:n])); err != nil {
				t.Fatal(err)
			}
			text = text[n:]
			time.Sleep(20 * time.Second)
		}
		w.Close()
		if u := <-updates; len(u.JSON) != 40_002 {
			t.Errorf("update: %+v", u)
		}
		w, err = conn.ws.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(`{"type":"Trans` + strings.Repeat("x", 8<<10)))
		conn = <-f.conns
		if connect, _ := conn.hello(); connect["lastCloseReason"] != "InactiveServer" {
			t.Errorf("connect: %v", connect)
		}
	})
}

// A Ping, or an answer, may come between the pieces of a Transition.
func TestPiecesWithOthersBetween(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		a := act(t.Context(), c, "m:a")
		conn := <-f.conns
		conn.hello()
		whole := transition(stateVersion{}, version(1, 10))
		piece := func(i int, text string) string {
			return fmt.Sprintf(`{"type":"TransitionChunk","chunk":%q,"partNumber":%d,"totalParts":2,"transitionId":"t"}`, text, i)
		}
		conn.send(piece(0, whole[:50]))
		conn.send(`{"type":"Ping"}`)
		conn.send(`{"type":"ActionResponse","requestId":0,"success":true,"result":1}`)
		if got := <-a; got.err != nil {
			t.Errorf("action: %v", got.err)
		}
		if c.State().Connected {
			t.Error("connected before the Transition was whole")
		}
		conn.send(piece(1, whole[50:]))
		synctest.Wait()
		if st := c.State(); !st.Connected {
			t.Errorf("state: %+v", st)
		}
	})
}

// Every error of a request names it, and the deployment learns the same name.
func TestRequestIDs(t *testing.T) {
	sent := make(chan string, 1)
	for name, h := range map[string]http.HandlerFunc{
		"refused":     answerWith(403, "application/json", `{"code":"OperationNotPermitted","message":"no"}`),
		"proxy":       answerWith(502, "text/html", "<html>"),
		"not Convex":  answerWith(200, "application/json", "{}"),
		"fails":       answerWith(200, "application/json", `{"status":"error","errorMessage":"boom"}`),
		"breaks off":  func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"names other": answerWith(200, "application/json", `{"status":"error","errorMessage":"[Request ID: 0123] Server Error\nboom"}`),
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { sent <- r.Header.Get("Convex-Request-Id"); h(w, r) })
		_, err := c.Function(t.Context(), Call{Path: "m:f"})
		id := <-sent
		want := id
		if name == "names other" {
			want = "0123"
		}
		if err == nil || len(id) != 16 || strings.Count(err.Error(), "[Request ID: ") != 1 || !strings.Contains(err.Error(), "[Request ID: "+want+"]") {
			t.Errorf("%s: sent %q, error %v", name, id, err)
		}
	}
}

func TestDeprecation(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-convex-deprecation-state", "UpgradeSoon")
		w.Header().Set("x-convex-deprecation-message", "update now")
		answerWith(200, "text/plain", "1")(w, r)
	})
	if got := c.Deprecation(); got != (Deprecation{}) {
		t.Errorf("before: %+v", got)
	}
	if _, err := c.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Deprecation(); got.State != "UpgradeSoon" || got.Message != "update now" {
		t.Errorf("after: %+v", got)
	}
}

func sha16(t *testing.T, text string) string {
	t.Helper()
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:16]
}

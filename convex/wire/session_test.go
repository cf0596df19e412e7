package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"strait/model/value"
)

// bubble runs a test against a fake deployment with a clock of its own.
func bubble(t *testing.T, body func(t *testing.T, f *fake, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		defer f.stop()
		defer c.Close()
		body(t, f, c)
	})
}

type answer struct {
	result Result
	err    error
}

func mutate(ctx context.Context, c *Client, path string) chan answer {
	return begin(func() (Result, error) { return c.Mutate(ctx, Call{Path: path}) })
}

// begin begins a request, and returns when it waits for its answer.
func begin(request func() (Result, error)) chan answer {
	out := make(chan answer, 1)
	go func() {
		r, err := request()
		out <- answer{r, err}
	}()
	synctest.Wait()
	return out
}

// watch is the live query m:q.
func watch(c *Client) <-chan Update {
	updates := make(chan Update, 10)
	c.Subscribe(Call{Path: "m:q"}, func(u Update) { updates <- u })
	return updates
}

func pending[T any](t *testing.T, ch <-chan T, what string) {
	t.Helper()
	synctest.Wait()
	select {
	case v := <-ch:
		t.Fatalf("%s came too early: %v", what, v)
	default:
	}
}

func TestSubscribe(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := make(chan Update, 10)
		stop := c.Subscribe(Call{Component: "migrations", Path: "lib:getStatus"}, func(u Update) { updates <- u })
		conn := <-f.conns
		connect, modify := conn.hello()
		if connect["connectionCount"] != 0.0 || connect["lastCloseReason"] != "InitialConnect" || connect["maxObservedTimestamp"] != nil {
			t.Errorf("connect: %v", connect)
		}
		add := modify["modifications"].([]any)[0].(map[string]any)
		if add["componentPath"] != "migrations" || add["udfPath"] != "lib:getStatus" || fmt.Sprint(add["args"]) != "[map[]]" {
			t.Errorf("add: %v", add)
		}
		conn.send(transition(stateVersion{}, version(1, 10), updated(0, `{"n":1}`)))
		u := <-updates
		if n, _ := u.Value.(value.Object).Get("n"); n != 1.0 || u.Err != nil {
			t.Errorf("update: %+v", u)
		}
		synctest.Wait() // the state follows the update
		if st := c.State(); !st.Connected || st.Err != "" {
			t.Errorf("state: %+v", st)
		}

		// The same query is shared, and its state is there at once.
		second := make(chan Update, 10)
		stopSecond := c.Subscribe(Call{Component: "migrations", Path: "lib:getStatus"}, func(u Update) { second <- u })
		if u := <-second; string(u.JSON) != `{"n":1}` {
			t.Errorf("second subscriber: %s", u.JSON)
		}
		// The root's function of that name is another query.
		stopRoot := c.Subscribe(Call{Path: "lib:getStatus"}, func(Update) {})
		if m := conn.expect("ModifyQuerySet"); m["baseVersion"] != 1.0 || m["newVersion"] != 2.0 {
			t.Errorf("modify: %v", m)
		}
		stop()
		pending(t, conn.in, "a message")
		stopSecond()
		if m := conn.expect("ModifyQuerySet"); m["modifications"].([]any)[0].(map[string]any)["type"] != "Remove" {
			t.Errorf("modify: %v", m)
		}
		stopRoot()
		conn.expect("ModifyQuerySet")
		// A late answer about a query that is gone changes nothing.
		conn.send(transition(version(1, 10), version(4, 20), updated(0, `{"n":2}`)))
		pending(t, updates, "an update after stop")
	})
}

func TestFailedQueryGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		conn := <-f.conns
		conn.hello()
		conn.send(transition(stateVersion{}, version(1, 10),
			`{"type":"QueryFailed","queryId":0,"errorMessage":"[Request ID: x] Server Error\nUncaught ConvexError: no","errorData":{"kind":"no"},"logLines":[],"journal":null}`))
		var fe *FunctionError
		if u := <-updates; !errors.As(u.Err, &fe) || !fe.HasData || !strings.Contains(fe.Message, "Uncaught ConvexError") {
			t.Errorf("update: %+v", u)
		}
		conn.send(transition(version(1, 10), version(1, 20), updated(0, "7")))
		if u := <-updates; u.Err != nil || u.Value != 7.0 {
			t.Errorf("update: %+v", u)
		}
	})
}

// A mutation in flight when the connection drops is sent again under the same
// id, after the query set, with the journals and the newest timestamp.
func TestMutationSurvivesReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		conn := <-f.conns
		first, _ := conn.hello()
		conn.send(transition(stateVersion{}, version(1, 10), updated(0, "1")))
		<-updates
		a := mutate(t.Context(), c, "m:a")
		b := mutate(t.Context(), c, "m:b")
		sentA := conn.expect("Mutation")
		sentB := conn.expect("Mutation")
		conn.drop()

		conn = <-f.conns
		connect, modify := conn.hello()
		if connect["sessionId"] != first["sessionId"] || connect["connectionCount"] != 1.0 || connect["maxObservedTimestamp"] != tsText(10) {
			t.Errorf("connect: %v", connect)
		}
		if add := modify["modifications"].([]any)[0].(map[string]any); add["journal"] != "j0" || add["queryId"] != 0.0 {
			t.Errorf("add: %v", add)
		}
		for _, want := range []map[string]any{sentA, sentB} {
			if got := conn.expect("Mutation"); got["requestId"] != want["requestId"] || got["udfPath"] != want["udfPath"] {
				t.Errorf("sent again: %v, want %v", got, want)
			}
		}
		if st := c.State(); st.Connected || st.Err == "" || st.Retries == 0 {
			t.Errorf("state while behind: %+v", st)
		}
		conn.send(ran(sentA["requestId"], `"A"`, 30))
		conn.send(transition(stateVersion{}, version(1, 20), updated(0, "1")))
		pending(t, a, "the answer before the queries caught up")
		conn.send(ran(sentB["requestId"], `"B"`, 40))
		conn.send(transition(version(1, 20), version(1, 30), updated(0, "2")))
		if got := <-a; got.err != nil || got.result.Value != "A" || got.result.LogLines[0] != "[LOG] 'hi'" {
			t.Errorf("a: %+v", got)
		}
		pending(t, b, "b")
		conn.send(transition(version(1, 30), version(1, 40)))
		if got := <-b; got.err != nil || got.result.Value != "B" {
			t.Errorf("b: %+v", got)
		}
		synctest.Wait()
		if st := c.State(); !st.Connected || st.Retries != 0 {
			t.Errorf("state: %+v", st)
		}
	})
}

func TestMutationFails(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		a := mutate(t.Context(), c, "m:a")
		conn := <-f.conns
		conn.hello()
		m := conn.expect("Mutation")
		conn.send(fmt.Sprintf(`{"type":"MutationResponse","requestId":%v,"success":false,"result":"Uncaught Error: no","ts":null,"logLines":[],"errorData":{"kind":"DRY RUN"}}`, m["requestId"]))
		var fe *FunctionError
		if got := <-a; !errors.As(got.err, &fe) || !fe.HasData || fe.Message != "Uncaught Error: no" {
			t.Errorf("a: %+v", got)
		}
	})
}

// Giving up waiting tells whether the mutation may have run, and it is never
// sent again.
func TestAbandonedMutation(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		a := mutate(ctx, c, "m:a")
		conn := <-f.conns
		conn.hello()
		conn.expect("Mutation")
		cancel()
		var unknown *UnknownOutcomeError
		if got := <-a; !errors.As(got.err, &unknown) || !errors.Is(got.err, context.Canceled) {
			t.Errorf("a: %v", got.err)
		}
		conn.drop()
		conn = <-f.conns
		conn.hello()
		pending(t, conn.in, "the abandoned mutation")
	})
}

// Wrong messages throw the state away and build it up again.
func TestNonsense(t *testing.T) {
	for name, bad := range map[string]string{
		"version gap":      transition(version(1, 9), version(1, 11)),
		"not JSON":         `<html>`,
		"piece of nothing": `{"type":"TransitionChunk","chunk":"","partNumber":0,"totalParts":0,"transitionId":"x"}`,
		"piece too late":   `{"type":"TransitionChunk","chunk":"","partNumber":1,"totalParts":2,"transitionId":"x"}`,
		"pieces of a ping": `{"type":"TransitionChunk","chunk":"{\"type\":\"Ping\"}","partNumber":0,"totalParts":1,"transitionId":"x"}`,
		"time goes back":   transition(version(1, 10), version(1, 9)),
		"nobody's version": transition(version(1, 10), version(7, 11)),
		"bad timestamp":    `{"type":"Transition","startVersion":{"querySet":1,"identity":1,"ts":"AA=="},"endVersion":{"querySet":1,"identity":1,"ts":"AA=="},"modifications":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, f *fake, c *Client) {
				updates := watch(c)
				a := mutate(t.Context(), c, "m:a")
				conn := <-f.conns
				conn.hello()
				conn.send(transition(stateVersion{}, version(1, 10), updated(0, "1")))
				<-updates
				conn.send(bad)
				<-conn.gone
				conn = <-f.conns
				if connect, _ := conn.hello(); connect["lastCloseReason"] != "InvalidServerMessage" {
					t.Errorf("connect: %v", connect)
				}
				m := conn.expect("Mutation")
				conn.send(ran(m["requestId"], "null", 20))
				conn.send(transition(stateVersion{}, version(1, 20), updated(0, "2")))
				if u := <-updates; u.Value != 2.0 {
					t.Errorf("update: %+v", u)
				}
				if got := <-a; got.err != nil {
					t.Errorf("mutation: %v", got.err)
				}
			})
		})
	}
}

// What a newer backend may send beyond what is known is told or passed over,
// and the connection stays.
func TestNewerBackend(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		a := mutate(t.Context(), c, "m:a")
		conn := <-f.conns
		conn.hello()
		conn.send(`{"type":"Weather","modifications":"sunny","requestId":{}}`)
		conn.send(`{"type":"Transition","startVersion":{"ts":"AAAAAAAAAAA=","zone":1},"endVersion":{"querySet":1,"identity":1,"ts":"` + tsText(10) + `"},
			"modifications":[{"type":"QueryUpdated","queryId":0,"value":1,"mood":"good"}],"serverTs":1.5}`)
		if u := <-updates; u.Value != 1.0 || u.Err != nil {
			t.Errorf("update: %+v", u)
		}
		conn.send(transition(version(1, 10), version(1, 11), `{"type":"QueryMelted","queryId":0}`))
		if u := <-updates; u.Err == nil || !strings.Contains(u.Err.Error(), `"QueryMelted": its backend is newer`) {
			t.Errorf("update: %+v", u)
		}
		conn.send(transition(version(1, 11), version(1, 12), updated(0, "2")))
		if u := <-updates; u.Value != 2.0 {
			t.Errorf("update: %+v", u)
		}
		m := conn.expect("Mutation")
		conn.send(fmt.Sprintf(`{"type":"MutationResponse","requestId":%v,"success":false,"result":{"code":5}}`, m["requestId"]))
		if got := <-a; got.err == nil || !strings.HasPrefix(got.err.Error(), `{"code":5}`) {
			t.Errorf("mutation: %v", got.err)
		}
		pending(t, f.conns, "another connection")
	})
}

func TestChunkedTransition(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		conn := <-f.conns
		conn.hello()
		whole := transition(stateVersion{}, version(1, 10), updated(0, `"naïve 🚢 `+strings.Repeat("x", 3000)+`"`))
		parts := []string{whole[:100], whole[100:200], whole[200:]}
		for i, part := range parts {
			text, _ := json.Marshal(part)
			conn.send(fmt.Sprintf(`{"type":"TransitionChunk","chunk":%s,"partNumber":%d,"totalParts":3,"transitionId":"t1"}`, text, i))
		}
		if u := <-updates; !strings.HasPrefix(u.Value.(string), "naïve 🚢 x") {
			t.Errorf("update: %.80s", u.JSON)
		}
	})
}

// A subscriber that does not keep up holds nobody up, and finds the newest
// state when it comes back.
func TestSlowSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		entered, release := make(chan struct{}), make(chan struct{})
		var seen []value.Value
		done := make(chan struct{})
		c.Subscribe(Call{Path: "m:q"}, func(u Update) {
			seen = append(seen, u.Value)
			if len(seen) == 1 {
				close(entered)
				<-release
			}
			if u.Value == 100.0 {
				close(done)
			}
		})
		fast := make(chan Update, 200)
		c.Subscribe(Call{Path: "m:fast"}, func(u Update) { fast <- u })
		conn := <-f.conns
		conn.hello()
		for i := range 100 {
			from := version(1, uint64(i))
			if i == 0 {
				from = stateVersion{}
			}
			conn.send(transition(from, version(1, uint64(i+1)), updated(0, fmt.Sprint(i+1)), updated(1, fmt.Sprint(i+1))))
			if i == 0 {
				<-entered
			}
			if u := <-fast; u.Value != float64(i+1) {
				t.Fatalf("the fast one got %v at %d", u.Value, i+1)
			}
		}
		close(release)
		<-done
		if len(seen) != 2 || seen[0] != 1.0 {
			t.Errorf("the slow one saw %v", seen)
		}
	})
}

// Pings keep a quiet connection; without them it is given up after a minute.
func TestInactivity(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		c.Subscribe(Call{Path: "m:q"}, func(Update) {})
		conn := <-f.conns
		conn.hello()
		conn.send(transition(stateVersion{}, version(1, 10), updated(0, "1")))
		for range 20 {
			time.Sleep(50 * time.Second)
			conn.send(`{"type":"Ping"}`)
			synctest.Wait()
		}
		if st := c.State(); !st.Connected || time.Since(st.Heard) > time.Second {
			t.Fatalf("state: %+v", st)
		}
		began := time.Now()
		conn = <-f.conns
		if waited := time.Since(began); waited < 60*time.Second || waited > 61*time.Second {
			t.Errorf("gave up after %v", waited)
		}
		if connect, _ := conn.hello(); connect["lastCloseReason"] != "InactiveServer" {
			t.Errorf("connect: %v", connect)
		}
	})
}

func TestRefusedKeyIsFinal(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		a := mutate(t.Context(), c, "m:a")
		conn := <-f.conns
		conn.hello()
		conn.send(`{"type":"AuthError","error":"The provided admin key was invalid for this instance ` + testKey + `","baseVersion":0,"authUpdateAttempted":true}`)
		var final *SessionError
		if u := <-updates; !errors.As(u.Err, &final) || !final.Auth || strings.Contains(u.Err.Error(), "0123456789abcdef") {
			t.Errorf("update: %v", u.Err)
		}
		if got := <-a; !errors.As(got.err, &final) {
			t.Errorf("mutation: %v", got.err)
		}
		time.Sleep(time.Hour)
		pending(t, f.conns, "another attempt")
		if st := c.State(); !st.Final || st.Connected || st.Err == "" {
			t.Errorf("state: %+v", st)
		}
		late := make(chan Update, 1)
		c.Subscribe(Call{Path: "m:late"}, func(u Update) { late <- u })
		if u := <-late; !errors.As(u.Err, &final) {
			t.Errorf("late: %v", u.Err)
		}
		if _, err := c.Mutate(t.Context(), Call{Path: "m:late"}); !errors.As(err, &final) {
			t.Errorf("late mutation: %v", err)
		}
	})
}

func TestBackoffByCloseReason(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		c.Subscribe(Call{Path: "m:q"}, func(Update) {})
		for retry, reason := range []string{"ExecuteFullError: busy", "ExecuteFullError: busy", "ExecuteFullError: busy"} {
			conn := <-f.conns
			conn.hello()
			conn.ws.Close(websocket.StatusTryAgainLater, reason)
			<-conn.gone
			began := time.Now()
			synctest.Wait()
			base := min(3*time.Second<<retry, 16*time.Second)
			next := <-f.conns
			if waited := time.Since(began); waited < base/2 || waited > base*3/2 {
				t.Errorf("retry %d after %v, want %v ±50 %%", retry, waited, base)
			}
			f.conns <- next
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		updates := watch(c)
		stopState := c.OnState(func(ConnectionState) {})
		a := mutate(t.Context(), c, "m:a")
		conn := <-f.conns
		conn.hello()
		c.Close()
		var unknown *UnknownOutcomeError
		if got := <-a; !errors.As(got.err, &unknown) || !errors.Is(got.err, ErrClosed) {
			t.Errorf("mutation: %v", got.err)
		}
		if _, err := c.Mutate(t.Context(), Call{Path: "m:a"}); !errors.Is(err, ErrClosed) {
			t.Errorf("later: %v", err)
		}
		if _, err := c.Version(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("later: %v", err)
		}
		late := make(chan Update, 1)
		stop := c.Subscribe(Call{Path: "m:q"}, func(u Update) { late <- u })
		if u := <-late; !errors.Is(u.Err, ErrClosed) {
			t.Errorf("late: %v", u.Err)
		}
		stop()
		stopState()
		c.Close() // twice is fine
		pending(t, updates, "an update")
	})
}

func TestOnceTellsWhyItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c := f.client()
		defer c.Close()
		f.stop() // nothing listens
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := c.Once(ctx, Call{Component: "migrations", Path: "_system/cli/tables"})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "fake.test") {
			t.Errorf("error: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = c.Mutate(ctx, Call{Path: "m:a"})
		var unknown *UnknownOutcomeError
		if err == nil || errors.As(err, &unknown) || !strings.Contains(err.Error(), "not sent") {
			t.Errorf("error: %v", err)
		}
	})
}

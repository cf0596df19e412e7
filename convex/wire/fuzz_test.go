package wire

import (
	"encoding/json"
	"testing"
)

// FuzzServerMessages feeds a session what a server may send: it never panics,
// and what it does not understand ends the connection with an error.
func FuzzServerMessages(f *testing.F) {
	f.Add([]byte(transition(stateVersion{}, version(1, 10), updated(0, `{"n":1}`))), []byte(ran(0, `"x"`, 10)))
	f.Add([]byte(`{"type":"TransitionChunk","chunk":"{\"type\":","partNumber":0,"totalParts":2,"transitionId":"a"}`),
		[]byte(`{"type":"TransitionChunk","chunk":"\"Transition\"}","partNumber":1,"totalParts":2,"transitionId":"a"}`))
	f.Add([]byte(`{"type":"MutationResponse","requestId":0,"success":false,"result":"no","errorData":{"$integer":"x"},"logLines":[{"messages":["a"],"level":"LOG"}]}`), []byte(`{"type":"Ping"}`))
	f.Add([]byte(`{"type":"AuthError","error":"no"}`), []byte(`{"type":"FatalError","error":""}`))
	f.Add([]byte(transition(stateVersion{}, version(1, 10), `{"type":"QueryFailed","queryId":0,"errorMessage":"x","logLines":null}`)), []byte(`{}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := New(Options{URL: "http://fake.test", AdminKey: testKey})
		s := newSession(c)
		box := newMailbox(func(o *outcome) { o.update() })
		defer box.stop()
		s.subscribe(queryKey{path: "m:q", args: "{}"}, box)
		if err := s.enqueue(&pendingRequest{message: requestMessage{Type: "Mutation", UDFPath: "m:a"}, done: make(chan struct{})}); err != nil {
			t.Fatal(err)
		}
		conn := s.open(nil)
		for _, text := range [][]byte{first, second} {
			m := &serverMessage{}
			if json.Unmarshal(text, m) != nil {
				return
			}
			if end := s.handle(conn, m); end != nil {
				if end.err == nil || end.err.Error() == "" || end.reason == "" {
					t.Fatalf("ended without a reason: %+v", end)
				}
				return
			}
		}
	})
}

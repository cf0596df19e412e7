package wire

import (
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// counter is a deployment with one counter: every mutation adds one, every
// query answers with it. It holds the client to the protocol (4.4).
type counter struct {
	n       int
	ts      uint64
	ran     map[float64]uint64 // when each request ran: of the one session, whatever the connection
	made    map[float64]int    // what it made of n
	told    map[uint32]int     // what each query was last told on the connection
	version stateVersion       // of the connection
	queries map[uint32]bool
	out     []string // frames on their way to the client
}

// take takes a message of the client; an error is one that the client must
// not have sent.
func (d *counter) take(text []byte) error {
	var m struct {
		Type                 string
		BaseVersion          uint32
		NewVersion           uint32
		MaxObservedTimestamp *timestamp
		RequestID            float64
		Modifications        []modification
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	switch m.Type {
	case "Connect":
		d.version, d.queries, d.told, d.out = stateVersion{}, map[uint32]bool{}, map[uint32]int{}, nil
		if m.MaxObservedTimestamp != nil && uint64(*m.MaxObservedTimestamp) > d.ts {
			return fmt.Errorf("the client saw %d, it is %d", *m.MaxObservedTimestamp, d.ts)
		}
	case "Authenticate":
		if m.BaseVersion != d.version.Identity {
			return fmt.Errorf("identity %d, not %d", m.BaseVersion, d.version.Identity)
		}
		d.transition(stateVersion{d.version.QuerySet, d.version.Identity + 1, timestamp(d.ts)})
	case "ModifyQuerySet":
		if m.BaseVersion != d.version.QuerySet || m.NewVersion != m.BaseVersion+1 {
			return fmt.Errorf("query set %d to %d, not from %d", m.BaseVersion, m.NewVersion, d.version.QuerySet)
		}
		for _, change := range m.Modifications {
			if had := d.queries[change.QueryID]; had == (change.Type == "Add") {
				return fmt.Errorf("%s of query %d, which is there: %v", change.Type, change.QueryID, had)
			}
			if change.Type == "Add" {
				d.queries[change.QueryID] = true
			} else {
				delete(d.queries, change.QueryID)
				delete(d.told, change.QueryID)
			}
		}
		d.transition(stateVersion{m.NewVersion, d.version.Identity, timestamp(d.ts)})
	case "Mutation":
		if _, again := d.ran[m.RequestID]; !again {
			d.n++
			d.ts++
			d.ran[m.RequestID], d.made[m.RequestID] = d.ts, d.n
		}
		d.out = append(d.out, ran(m.RequestID, "null", d.ran[m.RequestID]))
		d.transition(stateVersion{d.version.QuerySet, d.version.Identity, timestamp(d.ts)})
	}
	return nil
}

func (d *counter) transition(to stateVersion) {
	var changes []string
	for id := range d.queries {
		if n, ok := d.told[id]; !ok || n != d.n { // what did not change is left out
			changes = append(changes, updated(int(id), fmt.Sprint(d.n)))
			d.told[id] = d.n
		}
	}
	d.out = append(d.out, transition(d.version, to, changes...))
	d.version = to
}

// However frames are doubled, swapped, cut and lost with their connection,
// the client keeps the protocol, every mutation runs once and is told so, and
// when the line is good again the live queries show the truth.
func TestSessionOverABadLine(t *testing.T) {
	for range 5 { // some faults show once in two hundred
		rapid.Check(t, badLine)
	}
}

func badLine(t *rapid.T) {
	d := &counter{ts: 1, ran: map[float64]uint64{}, made: map[float64]int{}}
	s := newSession(New(Options{URL: "http://fake.test", AdminKey: testKey}))
	box := newMailbox(func(*outcome) {})
	defer box.stop()
	keys := []queryKey{{path: "m:a", args: "{}"}, {component: "billing", path: "m:a", args: "{}"}}
	var subscribed [2]bool
	var requests []*pendingRequest
	conn := s.open(nil)
	pump := func() { // what the client has sent arrives
		conn.mu.Lock()
		out := conn.out
		conn.out = nil
		conn.mu.Unlock()
		for _, text := range out {
			if err := d.take(text); err != nil {
				t.Fatalf("the client sent %s: %v", text, err)
			}
		}
	}
	again := func(end *connectionEnd) {
		if end.final != nil {
			t.Fatalf("gave up: %v", end.final)
		}
		s.afterwards(end, 0)
		conn = s.open(nil)
		pump()
	}
	deliver := func(text string) {
		m, err := parseMessage([]byte(text))
		if err != nil {
			again(s.ended(t.Context(), err))
		} else if end := s.handle(conn, m); end != nil {
			again(end)
		}
	}
	next := func() (string, bool) {
		if len(d.out) == 0 {
			return "", false
		}
		text := d.out[0]
		d.out = d.out[1:]
		return text, true
	}
	pump()
	seen := map[*pendingRequest]bool{}
	t.Repeat(map[string]func(*rapid.T){
		// A mutation that is complete shows in the live queries.
		"": func(t *rapid.T) {
			for _, p := range requests {
				select {
				case <-p.done:
				default:
					continue
				}
				for i, key := range keys {
					q := s.queries[key]
					if seen[p] || !subscribed[i] || q.last == nil {
						continue
					}
					n := -1
					json.Unmarshal(q.last.text, &n)
					if least := d.made[float64(p.message.RequestID)]; n < least {
						t.Fatalf("a mutation is complete that made it %d, query %d shows %d", least, i, n)
					}
				}
				seen[p] = true
			}
		},
		"mutate": func(t *rapid.T) {
			p := &pendingRequest{message: requestMessage{Type: "Mutation", UDFPath: "m:add"}, done: make(chan struct{})}
			if err := s.enqueue(p); err != nil {
				t.Fatal(err)
			}
			requests = append(requests, p)
		},
		"subscribe": func(t *rapid.T) {
			if i := rapid.IntRange(0, 1).Draw(t, "query"); subscribed[i] {
				s.unsubscribe(keys[i], box)
				subscribed[i] = false
			} else {
				s.subscribe(keys[i], box)
				subscribed[i] = true
			}
		},
		"arrive": func(*rapid.T) { pump() },
		"deliver": func(*rapid.T) {
			if text, ok := next(); ok {
				deliver(text)
			}
		},
		"double": func(*rapid.T) {
			if text, ok := next(); ok {
				deliver(text)
				deliver(text)
			}
		},
		"mix": func(t *rapid.T) { d.out = rapid.Permutation(d.out).Draw(t, "frames") },
		"cut": func(t *rapid.T) {
			if text, ok := next(); ok {
				deliver(text[:rapid.IntRange(0, len(text)-1).Draw(t, "length")])
			}
		},
		"pieces": func(t *rapid.T) {
			text, ok := next()
			if m, _ := parseMessage([]byte(text)); !ok || m.Type != "Transition" {
				d.out = append([]string{text}[:min(1, len(text))], d.out...)
				return
			}
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			for i, piece := range []string{text[:at], text[at:]} {
				quoted, _ := json.Marshal(piece)
				deliver(fmt.Sprintf(`{"type":"TransitionChunk","chunk":%s,"partNumber":%d,"totalParts":2,"transitionId":"t"}`, quoted, i))
			}
		},
		"break": func(t *rapid.T) {
			if rapid.Bool().Draw(t, "arrived") {
				pump() // what was sent arrived, its answers are lost
			}
			again(&connectionEnd{reason: "ConnectionLost", err: errInactive})
		},
		"foreign write": func(*rapid.T) {
			d.n++
			d.ts++
			d.transition(stateVersion{d.version.QuerySet, d.version.Identity, timestamp(d.ts)})
		},
	})
	for pump(); ; pump() {
		text, ok := next()
		if !ok {
			break
		}
		deliver(text)
	}
	for i, p := range requests {
		select {
		case <-p.done:
			if p.err != nil {
				t.Fatalf("mutation %d: %v", i, p.err)
			}
		default:
			t.Fatalf("mutation %d of %d is not answered", i, len(requests))
		}
	}
	if len(d.ran) != len(requests) {
		t.Fatalf("%d mutations ran, %d were asked for", len(d.ran), len(requests))
	}
	for i, key := range keys {
		if q := s.queries[key]; subscribed[i] && string(q.last.text) != fmt.Sprint(d.n) {
			t.Fatalf("query %d shows %s, it is %d", i, q.last.text, d.n)
		}
	}
	if st := s.c.State(); !st.Connected || s.retries != 0 {
		t.Fatalf("state %+v, %d retries", st, s.retries)
	}
}

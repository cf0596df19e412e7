package local_test

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"strait/convex/local"
	"strait/model/value"
)

// peer speaks the sync protocol by hand.
type peer struct {
	t  testing.TB
	ws *websocket.Conn
}

func connect(t testing.TB, d *local.Deployment, version string) *peer {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "ws://embedded/api/"+version+"/sync", &websocket.DialOptions{HTTPClient: d.HTTPClient()})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	t.Cleanup(func() { ws.CloseNow() })
	return &peer{t, ws}
}

// hello connects under a session, as an admin when key is not empty.
func hello(t testing.TB, d *local.Deployment, session, key string) *peer {
	t.Helper()
	p := connect(t, d, "1.45.0")
	p.send(`{"type":"Connect","sessionId":%q,"connectionCount":0,"lastCloseReason":"InitialConnect","clientTs":0}`, session)
	if key != "" {
		p.send(`{"type":"Authenticate","tokenType":"Admin","value":%q,"baseVersion":0}`, key)
	}
	return p
}

func (p *peer) send(format string, args ...any) {
	p.t.Helper()
	if err := p.ws.Write(p.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatalf("send: %v", err)
	}
}

// query sends ModifyQuerySet from a version with queries Added by id.
func (p *peer) query(base int, adds ...string) {
	p.t.Helper()
	p.send(`{"type":"ModifyQuerySet","baseVersion":%d,"newVersion":%d,"modifications":[%s]}`, base, base+1, strings.Join(adds, ","))
}

func add(id int, path, args string) string {
	return fmt.Sprintf(`{"type":"Add","queryId":%d,"udfPath":%q,"args":[%s]}`, id, path, args)
}

type message struct {
	Type          string
	StartVersion  map[string]any
	EndVersion    map[string]any
	Modifications []struct {
		Type         string
		QueryID      int
		Value        json.RawMessage
		ErrorMessage string
		LogLines     []string
		Journal      *string
	}
	RequestID  int
	Success    bool
	Result     json.RawMessage
	TS         *string
	Error      string
	Chunk      string
	PartNumber int
	TotalParts int
}

func (p *peer) read() (message, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	_, text, err := p.ws.Read(ctx)
	var m message
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	return m, err
}

// expect reads the next message that is no Ping, which must be of a type.
func (p *peer) expect(typ string) message {
	p.t.Helper()
	for pings := 0; ; {
		m, err := p.read()
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", typ, err)
		}
		if m.Type == "Ping" {
			if pings++; pings == 2 {
				p.t.Fatalf("waiting for %s: nothing but pings", typ)
			}
			continue
		}
		if m.Type != typ {
			p.t.Fatalf("got %+v, want a %s", m, typ)
		}
		return m
	}
}

// expectClose reads to the end and returns the reason.
func (p *peer) expectClose() websocket.CloseError {
	p.t.Helper()
	for {
		m, err := p.read()
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			return closed
		}
		if err != nil {
			p.t.Fatalf("want a Close, got %v", err)
		}
		if m.Type != "Ping" {
			p.t.Fatalf("want a Close, got %+v", m)
		}
	}
}

// reached reads transitions up to a version of the query set and returns the
// one that brought it; signing in may make one of its own.
func (p *peer) reached(querySet int) message {
	p.t.Helper()
	for {
		if m := p.expect("Transition"); m.EndVersion["querySet"] == float64(querySet) {
			return m
		}
	}
}

func stamp(ts uint64) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, ts))
}

func TestSyncVersions(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", "")
	p.query(0, add(0, "notes:count", "{}"), add(1, "notes.js:list", "{}"))
	m := p.expect("Transition")
	if fmt.Sprint(m.StartVersion) != "map[identity:0 querySet:0 ts:AAAAAAAAAAA=]" || m.EndVersion["querySet"] != 1.0 || len(m.Modifications) != 2 {
		t.Fatalf("first: %+v", m)
	}
	if q := m.Modifications[0]; q.Type != "QueryUpdated" || q.QueryID != 0 || string(q.Value) != "0" && string(q.Value) != "0.0" || q.Journal != nil || q.LogLines == nil {
		t.Errorf("count: %+v", q)
	}
	p.send(`{"type":"Mutation","requestId":0,"udfPath":"notes:add","args":[{"text":"a"}]}`)
	ran := p.expect("MutationResponse")
	if !ran.Success || ran.TS == nil {
		t.Fatalf("mutation: %+v", ran)
	}
	next := p.expect("Transition")
	if fmt.Sprint(next.StartVersion) != fmt.Sprint(m.EndVersion) || next.EndVersion["ts"] != *ran.TS || len(next.Modifications) != 2 {
		t.Errorf("after the mutation: %+v", next)
	}
	// A mutation that writes nothing still moves the client on.
	p.send(`{"type":"Mutation","requestId":1,"udfPath":"notes:refuse","args":[{}]}`)
	if m := p.expect("MutationResponse"); m.Success || m.TS != nil {
		t.Errorf("refuse: %+v", m)
	}
	// Removing, and adding one that is wrong.
	p.query(1, `{"type":"Remove","queryId":0}`, add(2, "notes:list:x", "{}"), add(3, "notes:list", `{"extra":1}`), add(4, "notes:secret", "{}"))
	m = p.expect("Transition")
	got := map[int]string{}
	for _, q := range m.Modifications {
		got[q.QueryID] = q.Type + " " + q.ErrorMessage
	}
	for id, want := range map[int]string{0: "QueryRemoved", 2: "not a valid path", 3: "ArgumentValidationError", 4: "Could not find public function for 'notes:secret'"} {
		if !strings.Contains(got[id], want) {
			t.Errorf("query %d: %q, want %q", id, got[id], want)
		}
	}
}

// The answer to a mutation comes before the Transition that shows it, however
// soon other watchers hear of the commit.
func TestSyncAnswersBeforeItShows(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", "")
	p.query(0, add(0, "notes:count", "{}"))
	shown := p.expect("Transition").EndVersion["ts"]
	const mutations = 300
	for i := range mutations { // many wait in the queue while others run
		p.send(`{"type":"Mutation","requestId":%d,"udfPath":"notes:add","args":[{"text":"a"}]}`, i)
	}
	for answered := 0; answered < mutations || compareTS(t, shown, stamp(d.View().Timestamp())) < 0; {
		m, err := p.read()
		if err != nil {
			t.Fatalf("after %d answers: %v", answered, err)
		}
		switch m.Type {
		case "Transition":
			shown = m.EndVersion["ts"]
		case "MutationResponse":
			if m.RequestID != answered || m.TS == nil {
				t.Fatalf("answer %d: %+v", answered, m)
			}
			if compareTS(t, shown, *m.TS) >= 0 {
				t.Fatalf("answer %d comes after a Transition past it", answered)
			}
			answered++
		}
	}
}

// compareTS compares two timestamps as they are sent.
func compareTS(t testing.TB, a, b any) int {
	t.Helper()
	n := func(ts any) uint64 {
		raw, err := base64.StdEncoding.DecodeString(fmt.Sprint(ts))
		if err != nil || len(raw) != 8 {
			t.Fatalf("timestamp %v: %v", ts, err)
		}
		return binary.LittleEndian.Uint64(raw)
	}
	return cmp.Compare(n(a), n(b))
}

func TestSyncRefusals(t *testing.T) {
	d := deploy(t, nil)
	tests := map[string]struct {
		send string
		want string // of the final message; "" none
	}{
		"query set version":  {`{"type":"ModifyQuerySet","baseVersion":5,"newVersion":6,"modifications":[]}`, "FatalError Base version 5 passed up doesn't match the current version 0"},
		"identity version":   {`{"type":"Authenticate","tokenType":"None","baseVersion":3}`, "FatalError Identity base version 3"},
		"wrong key":          {`{"type":"Authenticate","tokenType":"Admin","value":"fixture|no","baseVersion":0}`, "AuthError The provided admin key was invalid for this instance"},
		"user token":         {`{"type":"Authenticate","tokenType":"User","value":"x.y.z","baseVersion":0}`, "AuthError No auth provider found"},
		"component":          {`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"lib:getStatus","args":[{}],"componentPath":"migrations"}]}`, "FatalError Only admin"},
		"component mutation": {`{"type":"Mutation","requestId":0,"udfPath":"lib:cancelAll","args":[{}],"componentPath":"migrations"}`, "FatalError Only admin"},
		"no JSON":            {`nonsense`, "FatalError Received Invalid JSON on websocket"},
		"unknown message":    {`{"type":"Dance"}`, "FatalError Unknown message type"},
		"from the future":    {`{"type":"Connect","sessionId":"s","maxObservedTimestamp":"` + stamp(1<<63) + `"}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := hello(t, d, "s", "")
			p.send("%s", test.send)
			if test.want == "" {
				if c := p.expectClose(); c.Code != websocket.StatusInternalError || c.Reason != "InternalServerError" {
					t.Errorf("close: %+v", c)
				}
				return
			}
			typ, text, _ := strings.Cut(test.want, " ")
			if m := p.expect(typ); !strings.HasPrefix(m.Error, text) {
				t.Errorf("got %q", m.Error)
			}
			p.expectClose()
		})
	}
	p := connect(t, d, "1.45.0")
	p.send(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[]}`)
	if m := p.expect("FatalError"); !strings.Contains(m.Error, "must be Connect") {
		t.Errorf("got %q", m.Error)
	}
}

// Only queries whose data changed run again, and equal results are left out.
func TestSyncRunsWhatChanged(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", d.AdminKey())
	p.query(0, add(0, "notes:list", "{}"), add(1, "_system/cli/tableSize", `{"tableName":"other"}`), add(2, "notes:count", "{}"))
	p.reached(1)
	runs := func() map[string]int {
		entries, err := d.Log(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]int{}
		for _, e := range entries {
			out[e.Identifier]++
		}
		return out
	}
	before := runs()
	if _, err := d.Insert(t.Context(), "", "other", []value.Object{object("n", 1.0)}); err != nil {
		t.Fatal(err)
	}
	m := p.expect("Transition")
	if len(m.Modifications) != 1 || m.Modifications[0].QueryID != 1 {
		t.Errorf("after a write to the other table: %+v", m)
	}
	if after := runs(); after["notes:list"] != before["notes:list"] {
		t.Errorf("notes:list ran %d times, before %d", after["notes:list"], before["notes:list"])
	}
	// One write changes the list, and leaves the count.
	ids, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "a")})
	if err != nil {
		t.Fatal(err)
	}
	if m := p.expect("Transition"); len(m.Modifications) != 2 {
		t.Errorf("after an insert: %+v", m)
	}
	if _, err := d.Update(t.Context(), "", func(w *local.Writer) error { return w.Patch(ids[0], object("text", "b")) }); err != nil {
		t.Fatal(err)
	}
	if m := p.expect("Transition"); len(m.Modifications) != 1 || string(m.Modifications[0].Value) != `["b"]` {
		t.Errorf("after a patch: %+v", m)
	}
	// New code runs every query again; only what answers otherwise is sent.
	push(t, d, map[string]string{"convex/notes.ts": strings.Replace(app["convex/notes.ts"], "map((n) => n.text)", `map((n) => n.text + "!")`, 1)})
	if m := p.expect("Transition"); len(m.Modifications) != 1 || string(m.Modifications[0].Value) != `["b!"]` {
		t.Errorf("after a push: %+v", m)
	}
}

// Signing in runs the queries again under the new identity.
func TestSyncIdentity(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", "")
	p.query(0, add(0, "notes:secret", "{}"), add(1, "notes:who", "{}"))
	if m := p.expect("Transition"); m.Modifications[0].Type != "QueryFailed" {
		t.Errorf("anonymous: %+v", m)
	}
	p.send(`{"type":"Authenticate","tokenType":"Admin","value":%q,"baseVersion":0}`, d.AdminKey())
	if m := p.expect("Transition"); len(m.Modifications) != 1 || m.Modifications[0].Type != "QueryUpdated" || m.EndVersion["identity"] != 1.0 {
		t.Errorf("admin: %+v", m)
	}
	p.send(`{"type":"Authenticate","tokenType":"Admin","value":%q,"baseVersion":1,"impersonating":{"subject":"me","issuer":"x","tokenIdentifier":"x|me"}}`, d.AdminKey())
	m := p.expect("Transition")
	if len(m.Modifications) != 2 || m.Modifications[0].Type != "QueryFailed" || string(m.Modifications[1].Value) != `"me"` {
		t.Errorf("acting as a user: %+v", m)
	}
}

// A session's mutations are remembered: sent again after a reconnect, they do
// not run again.
func TestSyncRemembersMutations(t *testing.T) {
	d := deploy(t, nil)
	first := hello(t, d, "session-1", "")
	first.send(`{"type":"Mutation","requestId":7,"udfPath":"notes:add","args":[{"text":"once"}]}`)
	one := first.expect("MutationResponse")
	first.ws.CloseNow()
	again := hello(t, d, "session-1", "")
	again.send(`{"type":"Mutation","requestId":7,"udfPath":"notes:add","args":[{"text":"once"}]}`)
	two := again.expect("MutationResponse")
	if string(one.Result) != string(two.Result) || *one.TS != *two.TS {
		t.Errorf("answers: %s at %s, then %s at %s", one.Result, *one.TS, two.Result, *two.TS)
	}
	other := hello(t, d, "session-2", "")
	other.send(`{"type":"Mutation","requestId":7,"udfPath":"notes:add","args":[{"text":"another session"}]}`)
	if three := other.expect("MutationResponse"); string(three.Result) == string(one.Result) {
		t.Error("another session got the first one's answer")
	}
	if n := d.View().Tables("")[0].Count; n != 2 {
		t.Errorf("%d documents, want 2", n)
	}
}

// An answer that was lost is given again, and a Transition after it, although
// the client saw the write before: only that one completes its mutation.
func TestSyncCompletesAnAnswerGivenAgain(t *testing.T) {
	d := deploy(t, nil)
	const add = `{"type":"Mutation","requestId":0,"udfPath":"notes:add","args":[{"text":"once"}]}`
	p := hello(t, d, "s", "")
	p.send(add)
	first := p.expect("MutationResponse")
	q := hello(t, d, "s", "")
	q.query(0)
	if seen := q.reached(1); compareTS(t, seen.EndVersion["ts"], *first.TS) < 0 {
		t.Fatalf("the new connection is at %v, before the write at %v", seen.EndVersion["ts"], *first.TS)
	}
	q.send(add)
	if again := q.expect("MutationResponse"); *again.TS != *first.TS {
		t.Errorf("first %v, again %v", *first.TS, *again.TS)
	}
	if m := q.expect("Transition"); compareTS(t, m.EndVersion["ts"], *first.TS) < 0 {
		t.Errorf("the transition is at %v, before %v", m.EndVersion["ts"], *first.TS)
	}
}

// Mutations of a connection run in their order, actions beside them.
func TestSyncOrder(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", "")
	for i := range 30 {
		path := "notes:add"
		if i%3 == 0 {
			path = "notes:slowAdd"
		}
		p.send(`{"type":"Mutation","requestId":%d,"udfPath":%q,"args":[{"text":"%d"}]}`, i, path, i)
	}
	p.send(`{"type":"Action","requestId":100,"udfPath":"notes:twice","args":[{"text":"action"}]}`)
	next, acted := 0, false
	for next < 30 || !acted {
		m, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		switch m.Type {
		case "MutationResponse":
			if m.RequestID != next || !m.Success {
				t.Fatalf("answer %d: %+v", next, m)
			}
			next++
		case "ActionResponse":
			if !m.Success || string(m.Result) != "42" && string(m.Result) != "42.0" {
				t.Errorf("action: %+v", m)
			}
			acted = true
		}
	}
}

// A page keeps its end when a document comes in before it, by its journal,
// also over a reconnect.
func TestSyncJournal(t *testing.T) {
	d := deploy(t, nil)
	insert := func(text string, created float64) {
		if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", text, "_creationTime", created)}); err != nil {
			t.Fatal(err)
		}
	}
	for i, text := range []string{"a", "c", "e", "g"} {
		insert(text, float64(1000*(i+1)))
	}
	page := `{"paginationOpts":{"cursor":null,"numItems":2}}`
	p := hello(t, d, "s", "")
	p.query(0, add(0, "notes:page", page))
	m := p.expect("Transition")
	if m.Modifications[0].Journal == nil || !strings.Contains(string(m.Modifications[0].Value), `"text":"c"`) {
		t.Fatalf("page: %+v", m)
	}
	insert("b", 1500)
	m = p.expect("Transition")
	if v := string(m.Modifications[0].Value); !strings.Contains(v, `"text":"b"`) || !strings.Contains(v, `"text":"c"`) || strings.Contains(v, `"text":"e"`) {
		t.Errorf("page after an insert: %s", v)
	}
	p = hello(t, d, "s", "")
	p.query(0, fmt.Sprintf(`{"type":"Add","queryId":0,"udfPath":"notes:page","args":[%s],"journal":%q}`, page, *m.Modifications[0].Journal))
	if v := string(p.expect("Transition").Modifications[0].Value); !strings.Contains(v, `"text":"c"`) || strings.Contains(v, `"text":"e"`) {
		t.Errorf("page after a reconnect: %s", v)
	}
}

// Large transitions go out in pieces to clients that take them.
func TestSyncChunks(t *testing.T) {
	d := deploy(t, nil)
	for version, chunked := range map[string]bool{"1.45.0": true, "1.27.9": false} {
		p := connect(t, d, version)
		p.send(`{"type":"Connect","sessionId":"s","connectionCount":0,"lastCloseReason":null,"clientTs":0}`)
		p.query(0, add(0, "notes:large", `{"n":3000001}`)) // 6 MB of two-byte characters
		var text strings.Builder
		first, err := p.read()
		if err != nil {
			t.Fatal(err)
		}
		if !chunked {
			if first.Type != "Transition" {
				t.Errorf("%s: got a %s", version, first.Type)
			}
			continue
		}
		for m := first; ; m = p.expect("TransitionChunk") {
			if m.Type != "TransitionChunk" || m.TotalParts != 2 {
				t.Fatalf("%s: %s of %d parts", version, m.Type, m.TotalParts)
			}
			text.WriteString(m.Chunk)
			if m.PartNumber == m.TotalParts-1 {
				break
			}
		}
		var whole message
		if err := json.Unmarshal([]byte(text.String()), &whole); err != nil {
			t.Fatal(err)
		}
		if got := string(whole.Modifications[0].Value); got != `"`+strings.Repeat("é", 3000001)+`0"` {
			t.Errorf("the value came through as %.20s… of %d bytes", got, len(got))
		}
	}
}

// A client that does not read gets the newest state, not every state.
func TestSyncSlowClient(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", "")
	p.query(0, add(0, "notes:count", "{}"))
	p.expect("Transition")
	const writes = 200
	for i := range writes {
		if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	transitions := 0
	for {
		m := p.expect("Transition")
		transitions++
		if v := string(m.Modifications[0].Value); strings.TrimSuffix(v, ".0") == fmt.Sprint(writes) {
			break
		}
	}
	// One was being written, two waited, one more follows; the bound leaves
	// room for what goes out while the writes are going on.
	if transitions > 8 {
		t.Errorf("%d transitions for %d writes nobody read", transitions, writes)
	}
}

// Closing the deployment ends every connection and every waiting request.
func TestCloseEndsConnections(t *testing.T) {
	d := deploy(t, nil)
	p := hello(t, d, "s", "")
	p.query(0, add(0, "notes:count", "{}"))
	p.expect("Transition")
	c := dial(t, d)
	polled := make(chan error, 1)
	go func() {
		_, err := d.Log(t.Context(), 1e18)
		polled <- err
	}()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := next(t, polled); err == nil {
		t.Error("the log poll ended without an error")
	}
	for {
		if _, err := p.read(); err != nil {
			break
		}
	}
	if _, err := c.Version(t.Context()); err == nil {
		t.Error("a closed deployment answered")
	}
}

// dialTCP connects to a served deployment.
func dialTCP(t testing.TB, addr string) *peer {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/api/sync", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return &peer{t, ws}
}

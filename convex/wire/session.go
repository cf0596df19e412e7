package wire

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	dialTimeout  = 20 * time.Second
	writeTimeout = 30 * time.Second
	inactivity   = 60 * time.Second // no message, not even a Ping (4.5 rule 5)
	closeTimeout = time.Second
	maxMessage   = 128 << 20
)

// session is the live half of a Client: it keeps one connection open and
// brings every new one to the same query set and the same mutations.
//
// Lock order: session.mu, then Client.mu, then a mailbox's.
type session struct {
	c      *Client
	id     string
	cancel context.CancelFunc
	done   chan struct{}

	mu          sync.Mutex
	queries     map[queryKey]*liveQuery
	byID        map[uint32]*liveQuery
	nextQuery   uint32
	nextRequest uint32
	mutations   []*pendingMutation // by request id
	maxTS       timestamp          // newest that any answer named
	conn        *connection        // nil while none is open
	final       error              // why the session is over
	retries     int
	connects    int
	lastClose   string
}

// connection is one open WebSocket.
type connection struct {
	ws             *websocket.Conn
	version        stateVersion // where its transitions have brought us
	querySet       uint32       // newest version sent
	chunks         assembler
	behind         map[uint32]struct{} // queries not heard of since it opened
	behindRequests map[uint32]struct{} // mutations not answered since it opened

	mu   sync.Mutex
	out  [][]byte
	wake chan struct{}
}

// connectionEnd says how a connection ended.
type connectionEnd struct {
	reason   string // for lastCloseReason and the backoff table
	byClient bool   // we closed it
	err      error  // for people
	final    error  // not nil: no other connection
}

// session returns the live session and starts it when it is the first time.
func (c *Client) session() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	if c.urlErr != nil {
		return nil, c.urlErr
	}
	if c.sess == nil {
		ctx, cancel := context.WithCancel(context.Background())
		c.sess = &session{
			c: c, id: newUUID(), cancel: cancel, done: make(chan struct{}),
			queries: map[queryKey]*liveQuery{}, byID: map[uint32]*liveQuery{}, lastClose: "InitialConnect",
		}
		go c.sess.run(ctx)
	}
	return c.sess, nil
}

// newUUID is a random UUID (version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// close ends the session and returns when nothing of it runs any more.
func (s *session) close() {
	s.mu.Lock()
	conn := s.conn
	if s.final == nil {
		s.end(ErrClosed)
	}
	var boxes []*mailbox[*outcome]
	for _, q := range s.queries {
		for box := range q.subs {
			boxes = append(boxes, box)
		}
	}
	s.mu.Unlock()
	if conn != nil {
		polite := make(chan struct{})
		go func() {
			defer close(polite)
			conn.ws.Close(websocket.StatusNormalClosure, "")
		}()
		select {
		case <-polite:
		case <-time.After(closeTimeout):
		}
	}
	s.cancel()
	<-s.done
	for _, box := range boxes {
		box.stop()
	}
	s.c.setState(func(st *ConnectionState) { *st = ConnectionState{Err: ErrClosed.Error(), Final: true} })
}

// run connects again and again until the session is over.
func (s *session) run(ctx context.Context) {
	defer close(s.done)
	for {
		end := s.connect(ctx)
		s.mu.Lock()
		s.conn = nil
		s.lastClose = end.reason
		if end.final != nil && s.final == nil {
			s.end(end.final)
		}
		over := s.final != nil || ctx.Err() != nil
		delay := backoff(end, s.retries, mathrand.Float64())
		s.retries++
		retries := s.retries
		s.mu.Unlock()
		s.c.setState(func(st *ConnectionState) {
			*st = ConnectionState{Retries: retries, Err: end.err.Error(), Heard: st.Heard, Final: over}
		})
		if over {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
	}
}

// end tells everybody that the session is over. s.mu is held.
func (s *session) end(err error) {
	s.final = err
	for len(s.mutations) > 0 {
		m := s.mutations[0]
		switch {
		case m.answered:
			s.finish(m, nil)
		case m.sent:
			s.finish(m, &UnknownOutcomeError{Path: m.message.UDFPath, Err: err})
		default:
			s.finish(m, fmt.Errorf("mutation %s: not sent: %w", m.message.UDFPath, err))
		}
	}
	if errors.Is(err, ErrClosed) {
		return // the one who closed needs no telling
	}
	for _, q := range s.queries {
		q.publish(&outcome{err: err, at: s.c.now()})
	}
}

// connect opens one connection and reads it to its end.
func (s *session) connect(ctx context.Context) *connectionEnd {
	ws, err := s.dial(ctx)
	if err != nil {
		return &connectionEnd{reason: "FailedToConnect", err: err}
	}
	defer ws.CloseNow()
	ws.SetReadLimit(maxMessage)
	conn := s.open(ws)
	ctx, cancel := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		conn.write(ctx)
	}()
	defer func() { cancel(); <-written }()
	for {
		m, err := read(ctx, ws)
		if err != nil {
			return s.ended(ctx, err)
		}
		if end := s.handle(conn, m); end != nil {
			return end
		}
	}
}

const syncPath = "/api/" + clientVersion + "/sync"

func (s *session) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	op := "WebSocket " + syncPath
	// No Convex-Client header: a deployment serves sync to npm clients only,
	// and reads which version from the path.
	ws, resp, err := websocket.Dial(ctx, s.c.base+syncPath, &websocket.DialOptions{HTTPClient: s.c.http})
	if err == nil {
		return ws, nil
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // what could be read explains
		ct, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
		return nil, s.c.refused(op, response{resp.StatusCode, ct, body})
	}
	return nil, s.c.transport(op, err)
}

// open sends what every connection begins with (4.5 rule 1).
func (s *session) open(ws *websocket.Conn) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := &connection{
		ws: ws, wake: make(chan struct{}, 1),
		behind: map[uint32]struct{}{}, behindRequests: map[uint32]struct{}{},
	}
	hello := connectMessage{
		Type: "Connect", SessionID: s.id, ConnectionCount: s.connects,
		LastCloseReason: s.lastClose, ClientTS: s.c.now().UnixMilli(),
	}
	if s.maxTS > 0 {
		ts := s.maxTS
		hello.MaxObservedTimestamp = &ts
	}
	s.connects++
	conn.send(hello)
	if s.c.key != "" {
		conn.send(authenticateMessage{Type: "Authenticate", TokenType: "Admin", Value: s.c.key})
	}
	adds := make([]modification, 0, len(s.queries))
	for id := range s.nextQuery { // in the order in which they were asked for
		if q := s.byID[id]; q != nil {
			adds = append(adds, q.add())
			conn.behind[id] = struct{}{}
		}
	}
	conn.querySet = 1
	conn.send(modifyMessage{Type: "ModifyQuerySet", BaseVersion: 0, NewVersion: 1, Modifications: adds})
	for _, m := range s.mutations {
		conn.behindRequests[m.message.RequestID] = struct{}{}
		m.sent = true
		conn.send(m.message)
	}
	s.conn = conn
	return conn
}

func read(ctx context.Context, ws *websocket.Conn) (*serverMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, inactivity)
	defer cancel()
	_, text, err := ws.Read(ctx)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			return nil, context.DeadlineExceeded
		}
		return nil, err
	}
	m := &serverMessage{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, &protocolError{fmt.Errorf("message cannot be read: %w", err)}
	}
	return m, nil
}

// protocolError is something the deployment sent and must not have.
type protocolError struct{ err error }

func (e *protocolError) Error() string { return e.err.Error() }

// ended classifies the error of a read.
func (s *session) ended(ctx context.Context, err error) *connectionEnd {
	op := "WebSocket " + syncPath
	var closed websocket.CloseError
	var bad *protocolError
	switch {
	case ctx.Err() != nil:
		return &connectionEnd{reason: "ClientClosed", byClient: true, err: ErrClosed}
	case errors.Is(err, context.DeadlineExceeded):
		return &connectionEnd{reason: "InactiveServer", byClient: true, err: &TransportError{
			Operation: op, URL: s.c.base, Reason: fmt.Sprintf("nothing heard for %s", inactivity), Hint: "connecting again", Err: err,
		}}
	case errors.As(err, &bad):
		return s.broken(bad.err)
	case errors.As(err, &closed):
		reason := s.c.clean(closed.Reason)
		if reason == "" {
			reason = fmt.Sprintf("closed with code %d", closed.Code)
		}
		return &connectionEnd{reason: reason, err: &TransportError{
			Operation: op, URL: s.c.base, Reason: "the deployment closed the connection: " + reason, Hint: "connecting again", Err: err,
		}}
	}
	return &connectionEnd{reason: "ConnectionLost", err: &TransportError{
		Operation: op, URL: s.c.base, Reason: "connection lost: " + s.c.clean(err.Error()), Hint: "connecting again", Err: err,
	}}
}

// broken ends a connection whose messages make no sense: state is thrown
// away and built up again (4.5 rule 2).
func (s *session) broken(err error) *connectionEnd {
	return &connectionEnd{reason: "InvalidServerMessage", byClient: true, err: &TransportError{
		Operation: "WebSocket " + syncPath, URL: s.c.base, Reason: err.Error(), Hint: "connecting again", Err: err,
	}}
}

// handle takes one message; a non-nil end gives the connection up.
func (s *session) handle(conn *connection, m *serverMessage) *connectionEnd {
	now := s.c.now()
	m, err := conn.chunks.add(m)
	if err != nil {
		return s.broken(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.heard(conn, now)
	if m == nil {
		return nil
	}
	switch m.Type {
	case "Transition":
		err = s.transition(conn, m, now)
	case "MutationResponse":
		err = s.answer(m)
	case "AuthError", "FatalError":
		final := &SessionError{URL: s.c.base, Auth: m.Type == "AuthError", Text: s.c.clean(m.Error)}
		return &connectionEnd{reason: m.Type, byClient: true, err: final, final: final}
	}
	// Anything else is a Ping, or a message of a newer backend.
	if err != nil {
		return s.broken(err)
	}
	return nil
}

// transition applies a Transition. s.mu is held.
func (s *session) transition(conn *connection, t *serverMessage, now time.Time) error {
	if t.StartVersion != conn.version {
		return fmt.Errorf("transition starts at version %v, not at %v", t.StartVersion, conn.version)
	}
	for i := range t.Modifications {
		change := &t.Modifications[i]
		delete(conn.behind, change.QueryID)
		q := s.byID[change.QueryID]
		if q == nil {
			continue // unsubscribed meanwhile
		}
		switch change.Type {
		case "QueryUpdated":
			q.journal = change.Journal
			q.publish(&outcome{text: change.Value, lines: change.LogLines, at: now})
		case "QueryFailed":
			q.journal = change.Journal
			q.publish(&outcome{err: s.c.functionError(change.ErrorMessage, change.ErrorData, change.LogLines), lines: change.LogLines, at: now})
		case "QueryRemoved":
		default:
			return fmt.Errorf("transition holds a %q", change.Type)
		}
	}
	conn.version = t.EndVersion
	s.maxTS = max(s.maxTS, t.EndVersion.TS)
	s.complete()
	return nil
}

// heard notes that a message came. s.mu is held.
func (s *session) heard(conn *connection, now time.Time) {
	inStep := conn.version.QuerySet > 0
	if inStep && len(conn.behind) == 0 && len(conn.behindRequests) == 0 {
		s.retries = 0
	}
	retries := s.retries
	s.c.setState(func(st *ConnectionState) {
		st.Heard, st.Retries = now, retries
		if inStep && !st.Connected {
			st.Connected, st.Since, st.Err = true, now, ""
		}
	})
}

// send queues a message for the writer.
func (conn *connection) send(m any) {
	text, err := json.Marshal(m)
	if err != nil {
		panic("wire: message does not marshal: " + err.Error()) // our own structs of strings and numbers
	}
	conn.mu.Lock()
	conn.out = append(conn.out, text)
	conn.mu.Unlock()
	select {
	case conn.wake <- struct{}{}:
	default:
	}
}

// write writes queued messages until ctx ends or the connection breaks.
func (conn *connection) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-conn.wake:
		}
		conn.mu.Lock()
		out := conn.out
		conn.out = nil
		conn.mu.Unlock()
		for _, text := range out {
			wctx, cancel := context.WithTimeout(ctx, writeTimeout)
			err := conn.ws.Write(wctx, websocket.MessageText, text)
			cancel()
			if err != nil {
				conn.ws.CloseNow() // the reader tells
				return
			}
		}
	}
}

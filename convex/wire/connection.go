package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	syncPath      = "/api/" + clientVersion + "/sync"
	syncOperation = "WebSocket " + syncPath
	maxMessage    = 128 << 20
)

// connection is one open WebSocket.
type connection struct {
	ws             *websocket.Conn
	traffic        func(read, written int)
	opened         timestamp    // the maxObservedTimestamp it began with; 0 none
	heard          bool         // a message came
	version        stateVersion // where its transitions have brought us
	querySet       uint32       // newest version sent
	identity       uint32       // number of Authenticate messages sent
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
	byServer bool   // it was closed with a close frame
	nonsense bool   // for what came over it
	doubt    bool   // for an AuthError after the key had been accepted
	err      error  // for people
	final    error  // not nil: no other connection
}

// connect opens one connection and reads it to its end.
func (s *session) connect(ctx context.Context) *connectionEnd {
	ws, err := s.dial(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = ErrClosed
		}
		reason := errorCode(err)
		if reason == "" {
			reason = "FailedToConnect"
		}
		return &connectionEnd{reason: reason, err: err}
	}
	defer ws.CloseNow()
	ws.SetReadLimit(maxMessage)
	conn := s.open(ws)
	ctx, cancel := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		conn.write(ctx, s.c.patience.write, s.c.patience.close)
	}()
	defer func() { cancel(); <-written }()
	for {
		m, err := conn.read(ctx, s.c.patience.inactivity)
		if err != nil {
			return s.ended(ctx, err)
		}
		if end := s.handle(conn, m); end != nil {
			return end
		}
	}
}

func (s *session) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.c.patience.dial)
	defer cancel()
	// No Convex-Client header: a deployment serves sync to npm clients only,
	// and reads which version from the path.
	ws, resp, err := websocket.Dial(ctx, s.c.base+syncPath, &websocket.DialOptions{HTTPClient: s.c.http})
	if err == nil {
		return ws, nil
	}
	if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // what could be read explains
		return nil, s.c.refused(syncOperation, response{status: resp.StatusCode, contentType: contentType(resp), body: body})
	}
	return nil, s.c.transport(syncOperation, err)
}

// open sends what every connection begins with (4.5 rule 1).
func (s *session) open(ws *websocket.Conn) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	conn := newConnection(ws, s.c)
	hello := connectMessage{
		Type: "Connect", SessionID: s.id, ConnectionCount: s.connects,
		LastCloseReason: s.lastClose, ClientTS: s.c.now().UnixMilli(),
	}
	if s.maxTS > 0 {
		conn.opened = s.maxTS
		hello.MaxObservedTimestamp = &conn.opened
	}
	s.connects++
	conn.send(hello)
	if s.c.key != "" {
		conn.send(authenticateMessage{Type: "Authenticate", TokenType: "Admin", Value: s.c.key, BaseVersion: conn.identity})
		conn.identity++
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
	for _, p := range s.requests { // of actions only the unsent are left
		if !p.action() {
			conn.behindRequests[p.message.RequestID] = struct{}{}
		}
		p.sent = true
		conn.send(p.message)
	}
	s.conn = conn
	return conn
}

func newConnection(ws *websocket.Conn, c *Client) *connection {
	return &connection{
		ws: ws, wake: make(chan struct{}, 1), behind: map[uint32]struct{}{}, behindRequests: map[uint32]struct{}{},
		traffic: func(read, written int) {
			c.traffic.read.Add(int64(read))
			c.traffic.written.Add(int64(written))
		},
	}
}

var errInactive = errors.New("nothing heard")

// slowest is how many times the inactivity one message may take to come, as
// long as its bytes keep coming.
const slowest = 10

// read reads one message. The connection is given up when nothing comes for as
// long as inactivity: neither a message nor more of the one that has begun.
func (conn *connection) read(ctx context.Context, inactivity time.Duration) (*serverMessage, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(inactivity, func() { cancel(errInactive) })
	defer quiet.Stop()
	text, err := conn.readText(ctx, quiet, inactivity)
	if err != nil {
		if errors.Is(context.Cause(ctx), errInactive) {
			return nil, errInactive
		}
		return nil, err
	}
	return parseMessage(text)
}

func (conn *connection) readText(ctx context.Context, quiet *time.Timer, inactivity time.Duration) ([]byte, error) {
	_, r, err := conn.ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, 4096)
	began := time.Now()
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := r.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		conn.traffic(n, 0)
		if errors.Is(err, io.EOF) {
			return text, nil
		}
		if err != nil {
			return nil, err
		}
		if n > 0 && time.Since(began) < slowest*inactivity {
			quiet.Reset(inactivity)
		}
	}
}

// ended classifies the error of a read.
func (s *session) ended(ctx context.Context, err error) *connectionEnd {
	lost := func(reason string) *TransportError {
		return &TransportError{Operation: syncOperation, URL: s.c.base, Reason: reason, Hint: "connecting again", Err: err}
	}
	var closed websocket.CloseError
	var bad *protocolError
	switch {
	case ctx.Err() != nil:
		return &connectionEnd{reason: "ClientClosed", byClient: true, err: ErrClosed}
	case errors.Is(err, errInactive):
		return &connectionEnd{reason: "InactiveServer", byClient: true, err: lost(fmt.Sprintf("nothing heard for %s", s.c.patience.inactivity))}
	case errors.As(err, &bad):
		return s.broken(bad.err)
	case errors.Is(err, websocket.ErrMessageTooBig):
		return s.broken(fmt.Errorf("a message is larger than %d MiB: ask for fewer documents at a time", maxMessage>>20))
	case errors.As(err, &closed):
		reason := s.c.clean(closed.Reason)
		if reason == "" {
			reason = fmt.Sprintf("closed with code %d", closed.Code)
		}
		return &connectionEnd{reason: reason, byServer: true, err: lost("the deployment closed the connection: " + reason)}
	}
	return &connectionEnd{reason: "ConnectionLost", err: lost("connection lost: " + s.c.clean(err.Error()))}
}

// broken ends a connection whose messages make no sense: state is thrown
// away and built up again (4.5 rule 2).
func (s *session) broken(err error) *connectionEnd {
	return &connectionEnd{reason: "InvalidServerMessage", byClient: true, nonsense: true, err: &TransportError{
		Operation: syncOperation, URL: s.c.base, Reason: s.c.clean(err.Error()), Hint: "connecting again", Err: err,
	}}
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
func (conn *connection) write(ctx context.Context, timeout, grace time.Duration) {
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
			wctx, cancel := context.WithTimeout(ctx, timeout)
			err := conn.ws.Write(wctx, websocket.MessageText, text)
			cancel()
			if err != nil {
				// The reader tells; a close frame that says why may be on its way to it.
				select {
				case <-ctx.Done():
				case <-time.After(grace):
					conn.ws.CloseNow()
				}
				return
			}
			conn.traffic(0, len(text))
		}
	}
}

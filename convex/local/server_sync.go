package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

const (
	heartbeat     = 15 * time.Second  // a Ping message when nothing else was sent (4.4)
	clientTimeout = 120 * time.Second // without an answer to a protocol ping
	pingInterval  = 30 * time.Second
	writeDeadline = 60 * time.Second
	maxMessage    = 2 * maxBody
	chunkSize     = 5_000_000 // of a Transition, for clients that take pieces (4.1)
)

// clientMessage is any message of 4.2.
type clientMessage struct {
	Type string `json:"type"`

	SessionID            string  `json:"sessionId"`
	MaxObservedTimestamp *string `json:"maxObservedTimestamp"`

	BaseVersion   uint32          `json:"baseVersion"`
	TokenType     string          `json:"tokenType"`
	Value         string          `json:"value"`
	Impersonating json.RawMessage `json:"impersonating"`
	ActingAs      json.RawMessage `json:"acting_as"`

	NewVersion    uint32           `json:"newVersion"`
	Modifications []querySetChange `json:"modifications"`
	RequestID     uint32           `json:"requestId"`
	UDFPath       string           `json:"udfPath"`
	Args          json.RawMessage  `json:"args"`
	ComponentPath *string          `json:"componentPath"`
}

type querySetChange struct {
	Type          string          `json:"type"`
	QueryID       uint32          `json:"queryId"`
	UDFPath       string          `json:"udfPath"`
	Args          json.RawMessage `json:"args"`
	Journal       *string         `json:"journal"`
	ComponentPath *string         `json:"componentPath"`
}

// syncError ends a connection. A client that was told so with a message does
// not come back.
type syncError struct {
	message string // "FatalError", "AuthError", "" none
	code    websocket.StatusCode
	reason  string // short error name, of the Close
	text    string
}

func (e *syncError) Error() string { return e.reason + ": " + e.text }

func fatal(reason, format string, args ...any) *syncError {
	return &syncError{"FatalError", websocket.StatusNormalClosure, reason, fmt.Sprintf(format, args...)}
}

// internalError lets the client come back and start afresh.
func internalError(format string, args ...any) *syncError {
	return &syncError{"", websocket.StatusInternalError, "InternalServerError", fmt.Sprintf(format, args...)}
}

// sync serves /api/sync and /api/{version}/sync.
func (d *Deployment) sync(w http.ResponseWriter, r *http.Request) {
	f := d.serving()
	if !f.enter() {
		writeError(w, &httpError{http.StatusServiceUnavailable, "ShuttingDown", "The deployment is being closed"})
		return
	}
	defer f.conns.Done()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // any origin, as cors says
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow()
	ws.SetReadLimit(maxMessage)
	// The connection outlives the wish to stop it by its Close.
	ctx, cancel := context.WithCancel(withOrigin(context.Background(), r))
	defer cancel()
	stop, cancelStop := f.stopping(r)
	defer cancelStop()
	c := newSyncConn(ctx, stop, d, takesChunks(r.PathValue("version")))
	c.serve(ws, cancel)
}

// stopping is a context that ends when the deployment is closed or the server
// of a request shuts down; it does not end with the request.
func (f *front) stopping(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(f.ctx)
	serving, ok := r.Context().Value(servingKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	release := context.AfterFunc(serving, cancel)
	return ctx, func() { release(); cancel() }
}

// enter counts a connection in, unless the deployment is being closed.
func (f *front) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
		return false
	}
	f.conns.Add(1)
	return true
}

// takesChunks reports whether an npm client of a version takes a Transition in
// pieces: from 1.28.0 on.
func takesChunks(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	return err1 == nil && err2 == nil && (a > 1 || a == 1 && b >= 28)
}

// serve runs a connection: a reader, a writer, a pinger, one goroutine that
// watches commits, one for mutations, and the worker, which alone touches the
// state of the connection.
func (c *syncConn) serve(ws *websocket.Conn, cancel context.CancelFunc) {
	var wg sync.WaitGroup
	failed := make(chan error, 3)
	for _, part := range []func() error{
		func() error { return c.read(ws) },
		func() error { return c.out.write(c.ctx, ws) },
		func() error { return c.ping(ws) },
		c.watchCommits,
		c.runMutations,
	} {
		wg.Go(func() {
			if err := part(); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	err := c.work(failed)
	var bad *syncError
	if !errors.As(err, &bad) {
		bad = internalError("%v", err)
	}
	if bad.message != "" {
		c.out.add(finalMessage{bad.message, bad.text, c.receivedIdentity, bad.message == "AuthError"}, false)
		c.out.drain(closeGrace)
	}
	closed := make(chan struct{})
	wg.Go(func() { // Close waits for the client's half; the reader takes it
		defer close(closed)
		ws.Close(bad.code, cutReason(bad.reason))
	})
	select {
	case <-closed:
	case <-time.After(closeGrace):
	}
	cancel()
	ws.CloseNow()
	wg.Wait()
	c.running.Wait()
}

const closeGrace = time.Second

type finalMessage struct {
	Type        string `json:"type"`
	Error       string `json:"error"`
	BaseVersion uint32 `json:"baseVersion"`
	Attempted   bool   `json:"authUpdateAttempted"`
}

// cutReason keeps the reason of a Close within the 123 bytes that it may have.
func cutReason(s string) string {
	if len(s) > 123 {
		s = strings.ToValidUTF8(s[:123], "")
	}
	return s
}

// errGone is a client that closed the connection.
var errGone = errors.New("the client closed the connection")

func (c *syncConn) read(ws *websocket.Conn) error {
	for {
		typ, text, err := ws.Read(c.ctx)
		if err != nil {
			return errGone
		}
		if typ != websocket.MessageText {
			return internalError("unexpected binary message")
		}
		m := &clientMessage{}
		if err := json.Unmarshal(text, m); err != nil {
			return fatal("WSMessageInvalidJson", "Received Invalid JSON on websocket: %v", err)
		}
		select {
		case c.in <- m:
		case <-c.ctx.Done():
			return nil
		}
	}
}

// ping notices a client that is gone without a word.
func (c *syncConn) ping(ws *websocket.Conn) error {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return nil
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(c.ctx, clientTimeout)
		err := ws.Ping(ctx)
		cancel()
		if err != nil {
			return errGone
		}
	}
}

// watchCommits tells the worker the newest timestamp.
func (c *syncConn) watchCommits() error {
	for ts := c.started; ; {
		newest, err := c.d.Wait(c.ctx, ts)
		if err != nil {
			return errGone // the connection or the deployment ends
		}
		ts = newest
		select {
		case c.commits <- ts:
		case <-c.commits: // the worker has not looked: a newer one takes its place
			c.commits <- ts
		}
	}
}

// outbox queues messages for the writer. Transitions in it are counted: the
// worker makes no new one while two wait.
type outbox struct {
	mu          sync.Mutex
	queue       []outgoing
	transitions int
	wake        chan struct{}
	room        chan struct{} // a transition has gone out
	idle        chan struct{} // the queue ran empty
	chunked     bool
	nextChunk   int
}

type outgoing struct {
	text       []byte
	transition bool
}

func newOutbox(chunked bool) *outbox {
	return &outbox{wake: make(chan struct{}, 1), room: make(chan struct{}, 1), idle: make(chan struct{}, 1), chunked: chunked}
}

func (o *outbox) add(m any, transition bool) {
	text, err := json.Marshal(m)
	if err != nil {
		text, _ = json.Marshal(finalMessage{Type: "FatalError", Error: "the answer cannot be written: " + err.Error()})
	}
	o.mu.Lock()
	o.queue = append(o.queue, outgoing{text, transition})
	if transition {
		o.transitions++
	}
	o.mu.Unlock()
	notify(o.wake)
}

func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.transitions
}

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// drain waits until everything was written, or for a moment.
func (o *outbox) drain(most time.Duration) {
	deadline := time.After(most)
	for {
		o.mu.Lock()
		empty := len(o.queue) == 0
		o.mu.Unlock()
		if empty {
			return
		}
		select {
		case <-o.idle:
		case <-deadline:
			return
		}
	}
}

func (o *outbox) write(ctx context.Context, ws *websocket.Conn) error {
	silence := time.NewTimer(heartbeat)
	defer silence.Stop()
	for {
		next, queued := o.first()
		if !queued {
			notify(o.idle)
			select {
			case <-ctx.Done():
				return nil
			case <-o.wake:
				continue
			case <-silence.C:
				next.text = []byte(`{"type":"Ping"}`)
			}
		}
		for _, part := range o.parts(next) {
			wctx, cancel := context.WithTimeout(ctx, writeDeadline)
			err := ws.Write(wctx, websocket.MessageText, part)
			cancel()
			if err != nil {
				return errGone
			}
		}
		silence.Reset(heartbeat)
		if queued {
			o.pop()
		}
	}
}

func (o *outbox) first() (outgoing, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		return outgoing{}, false
	}
	return o.queue[0], true
}

// pop takes off the first message, which was written.
func (o *outbox) pop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.queue[0].transition {
		o.transitions--
		notify(o.room)
	}
	o.queue[0] = outgoing{}
	o.queue = o.queue[1:]
}

// parts cuts a large Transition into TransitionChunks.
func (o *outbox) parts(m outgoing) [][]byte {
	if !m.transition || !o.chunked || len(m.text) <= chunkSize {
		return [][]byte{m.text}
	}
	var chunks []string
	for rest := string(m.text); rest != ""; {
		n := min(chunkSize, len(rest))
		for n < len(rest) && rest[n]&0xC0 == 0x80 { // not within a character
			n--
		}
		chunks = append(chunks, rest[:n])
		rest = rest[n:]
	}
	o.nextChunk++
	parts := make([][]byte, len(chunks))
	for i, chunk := range chunks {
		parts[i], _ = json.Marshal(struct { // strings and numbers always marshal
			Type         string `json:"type"`
			Chunk        string `json:"chunk"`
			PartNumber   int    `json:"partNumber"`
			TotalParts   int    `json:"totalParts"`
			TransitionID string `json:"transitionId"`
		}{"TransitionChunk", chunk, i, len(chunks), strconv.Itoa(o.nextChunk)})
	}
	return parts
}

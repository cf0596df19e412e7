package wire

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// session is the live half of a Client: it keeps one connection open and
// brings every new one to the same query set and the same mutations.
//
// Lock order: session.mu, then Client.mu, then a mailbox's.
type session struct {
	c      *Client
	id     string
	cancel context.CancelFunc
	start  func() // connects, the first time: called when what it was opened for is queued, so that the first message holds it
	done   chan struct{}

	mu          sync.Mutex
	queries     map[queryKey]*liveQuery
	byID        map[uint32]*liveQuery
	nextQuery   uint32
	nextRequest uint32
	requests    []*pendingRequest // by request id
	maxTS       timestamp         // newest that any answer named
	conn        *connection       // nil while none is open
	final       error             // why the session is over
	retries     int               // attempts in a row that did not bring everything up to date
	nonsense    int               // connections in a row given up for what came over them
	denials     int               // connections in a row closed before anything came, which named maxTS
	doubts      int               // connections on which an accepted key was refused, none of which lasted
	connects    int
	lastClose   string
}

// session returns the live session; whoever asks for it calls start.
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
		s := newSession(c)
		s.cancel = cancel
		s.start = sync.OnceFunc(func() { go s.run(ctx) })
		c.sess = s
	}
	return c.sess, nil
}

func newSession(c *Client) *session {
	return &session{
		c: c, id: newUUID(), done: make(chan struct{}),
		queries: map[queryKey]*liveQuery{}, byID: map[uint32]*liveQuery{}, lastClose: "InitialConnect",
	}
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
		case <-time.After(s.c.patience.close):
		}
		defer func() { <-polite }() // which the next line hurries
	}
	s.cancel()
	<-s.done
	for _, box := range boxes {
		box.stop()
	}
	s.c.setState(func(st *ConnectionState) {
		*st = ConnectionState{Err: ErrClosed.Error(), Final: true, Connects: st.Connects}
	})
}

// run connects again and again until the session is over.
func (s *session) run(ctx context.Context) {
	defer close(s.done)
	for {
		began := time.Now()
		end := s.connect(ctx)
		delay, over := s.afterwards(end, time.Since(began))
		if over || ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(delay):
		}
		s.c.setState(func(st *ConnectionState) { st.RetryAt = time.Time{} })
	}
}

// afterwards takes note of the end of a connection that lasted so long, and
// says when the next one is tried, or that none is.
func (s *session) afterwards(end *connectionEnd, lasted time.Duration) (delay time.Duration, over bool) {
	s.mu.Lock()
	heard := s.conn != nil && s.conn.heard
	named := s.conn != nil && s.conn.opened > 0
	s.conn = nil
	s.lastClose = end.reason
	s.dropActions(end.err)
	if end.final != nil && s.final == nil {
		s.end(end.final)
	}
	if named && !heard && end.byServer {
		s.denials++
	} else if heard {
		s.denials = 0
	}
	if s.denials >= deniedOften {
		s.startAfresh()
	}
	p := s.c.patience
	delay = p.backoff(end.reason, end.byClient, s.retries)
	switch {
	case end.nonsense:
		// retries begins anew whenever everything is up to date, so a deployment
		// that talks nonsense after a good beginning has a count of its own.
		if s.nonsense > 0 {
			delay = max(delay, p.backoff("", false, s.nonsense-1))
		}
		s.nonsense++
	case lasted > maxBackoff*p.unit:
		s.nonsense = 0
	}
	if !end.doubt && lasted > maxBackoff*p.unit {
		s.doubts = 0
	}
	s.retries++
	retries, over := s.retries, s.final != nil
	s.mu.Unlock()
	s.c.setState(func(st *ConnectionState) {
		*st = ConnectionState{Retries: retries, Err: end.err.Error(), Heard: st.Heard, Final: over, Connects: st.Connects}
		if !over {
			st.RetryAt = s.c.now().Add(delay)
		}
	})
	return delay, over
}

// deniedOften is after how many connections, closed in answer to their first
// message, the deployment is taken for one whose time went back: a backup was
// restored, or another one answers at the address.
const deniedOften = 3

// startAfresh forgets what was seen of a deployment that does not know it any
// more. Mutations that wait for an answer are sent again under their ids: if
// the deployment forgot them, it forgot what they wrote. s.mu is held.
func (s *session) startAfresh() {
	s.denials, s.maxTS = 0, 0
	for _, q := range s.queries {
		q.journal = nil
	}
	s.finishAnswered()
}

// finishAnswered completes the mutations that ran, without waiting for live
// queries to catch up. s.mu is held.
func (s *session) finishAnswered() {
	for _, p := range slices.Clone(s.requests) {
		if p.answered {
			s.finish(p, nil)
		}
	}
}

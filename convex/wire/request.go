package wire

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// pendingRequest is a mutation or an action whose caller still waits. Its
// request id and its message never change, so that the deployment recognises a
// mutation when it is sent again after a reconnect.
type pendingRequest struct {
	message requestMessage
	sent    bool

	answered bool // a mutation that ran; complete once a Transition reaches ts
	ts       timestamp
	result   Result
	err      error

	done chan struct{}
}

func (p *pendingRequest) action() bool { return p.message.Type == "Action" }

// what names the request in an error.
func (p *pendingRequest) what() string {
	if p.action() {
		return "action " + p.message.UDFPath
	}
	return "mutation " + p.message.UDFPath
}

// Mutate runs a mutation over the WebSocket: in the order of the calls, and
// once, however often the connection breaks. It returns when the live queries
// have caught up with what the mutation wrote. When ctx ends after the
// mutation was sent, the error is an *UnknownOutcomeError.
func (c *Client) Mutate(ctx context.Context, call Call) (Result, error) {
	return c.request(ctx, "Mutation", call)
}

// Act runs an action over the WebSocket, beside whatever else runs. An action
// is sent once: when the connection breaks while it is under way, or ctx ends,
// the error is an *UnknownOutcomeError.
func (c *Client) Act(ctx context.Context, call Call) (Result, error) {
	return c.request(ctx, "Action", call)
}

func (c *Client) request(ctx context.Context, typ string, call Call) (Result, error) {
	p := &pendingRequest{
		message: requestMessage{Type: typ, UDFPath: call.Path, Args: wireArgs(call.Args), ComponentPath: call.Component},
		done:    make(chan struct{}),
	}
	err := ctx.Err()
	var s *session
	if err == nil {
		s, err = c.session()
	}
	if err == nil {
		err = s.enqueue(p)
		s.start()
	}
	if err != nil {
		return Result{}, fmt.Errorf("%s: not sent: %w", p.what(), err)
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		return s.abandon(p, ctx.Err())
	}
}

func (s *session) enqueue(p *pendingRequest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil {
		return s.final
	}
	p.message.RequestID = s.nextRequest
	p.result.RequestID = requestID(s.id, s.nextRequest)
	s.nextRequest++
	s.requests = append(s.requests, p)
	if s.conn != nil {
		p.sent = true
		s.conn.send(p.message)
	}
	return nil
}

// requestID is the id under which the deployment logs a request of a session.
func requestID(session string, counter uint32) string {
	sum := sha256.Sum256([]byte(session + "|" + strconv.FormatUint(uint64(counter), 10)))
	return hex.EncodeToString(sum[:8])
}

// abandon gives up waiting for p: it is never sent again.
func (s *session) abandon(p *pendingRequest, why error) (Result, error) {
	state := s.c.State()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-p.done: // it was completed meanwhile
		return p.result, p.err
	default:
	}
	if !p.sent && state.Err != "" {
		why = fmt.Errorf("%w: %s", why, state.Err)
	}
	s.drop(p, why)
	return p.result, p.err
}

// drop completes p, which will not be sent again, with what is known of it.
// s.mu is held.
func (s *session) drop(p *pendingRequest, why error) {
	switch {
	case p.answered:
		s.finish(p, nil)
	case p.sent:
		s.finish(p, &UnknownOutcomeError{Action: p.action(), Path: p.message.UDFPath, Err: why})
	default:
		s.finish(p, fmt.Errorf("%s: not sent: %w", p.what(), why))
	}
}

// dropActions completes the actions that were under way on a connection which
// is gone: nobody will answer them (4.5 rule 1). s.mu is held.
func (s *session) dropActions(why error) {
	for _, p := range slices.Clone(s.requests) {
		if p.action() && p.sent {
			s.drop(p, why)
		}
	}
}

// finish completes p. s.mu is held.
func (s *session) finish(p *pendingRequest, err error) {
	if i := slices.Index(s.requests, p); i >= 0 {
		s.requests = slices.Delete(s.requests, i, i+1)
	}
	if s.conn != nil {
		delete(s.conn.behindRequests, p.message.RequestID)
	}
	p.err = err
	close(p.done)
}

// answer takes a MutationResponse or an ActionResponse. s.mu is held.
func (s *session) answer(m *serverMessage) {
	i := slices.IndexFunc(s.requests, func(p *pendingRequest) bool { return p.message.RequestID == m.RequestID })
	if i < 0 {
		return // abandoned, or answered twice
	}
	p := s.requests[i]
	if p.answered { // sent again only to be brought past its timestamp
		s.complete()
		return
	}
	if !p.sent || p.action() != (m.Type == "ActionResponse") {
		return // of nobody's request
	}
	p.result.LogLines = m.LogLines
	if !m.Success {
		s.finish(p, s.c.functionError(p.result.RequestID, failureText(m.Result), m.ErrorData, m.LogLines))
		return
	}
	v, err := decode(m.Result)
	if err != nil {
		// It ran: the value is lost, not the outcome.
		s.finish(p, fmt.Errorf("%s ran, but its value cannot be read: %w", p.what(), err))
		return
	}
	p.result.Value = v
	if p.action() {
		s.finish(p, nil)
		return
	}
	p.answered = true
	if m.TS != nil {
		p.ts = *m.TS
		s.maxTS = max(s.maxTS, p.ts)
	}
	s.complete()
}

// failureText is why a request failed, as text of a newer backend too.
func failureText(result json.RawMessage) string {
	var text string
	if json.Unmarshal(result, &text) == nil {
		return text
	}
	if len(result) == 0 {
		return "the function failed, and the deployment does not say why"
	}
	return string(result)
}

// complete finishes the mutations that the live queries have caught up with:
// not before a new connection has brought them anew, although the Transition
// that signs in may name a late enough time. s.mu is held.
func (s *session) complete() {
	if s.conn.version.QuerySet == 0 {
		return
	}
	for _, p := range slices.Clone(s.requests) {
		if p.answered && p.ts <= s.conn.version.TS {
			s.finish(p, nil)
		}
	}
}

// end tells everybody that the session is over. s.mu is held.
func (s *session) end(err error) {
	s.final = err
	for len(s.requests) > 0 {
		s.drop(s.requests[0], err)
	}
	if errors.Is(err, ErrClosed) {
		return // the one who closed needs no telling
	}
	for _, q := range s.queries {
		q.publish(&outcome{err: err, at: s.c.now()})
	}
}

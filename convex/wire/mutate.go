package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// pendingMutation is a mutation whose caller still waits. Its request id and
// its message never change, so that the deployment recognises it when it is
// sent again after a reconnect.
type pendingMutation struct {
	message mutationMessage
	sent    bool

	answered bool // it ran; complete once a Transition reaches ts
	ts       timestamp
	result   Result
	err      error

	done chan struct{}
}

// Mutate runs a mutation over the WebSocket: in the order of the calls, and
// once, however often the connection breaks. It returns when the live queries
// have caught up with what the mutation wrote. When ctx ends after the
// mutation was sent, the error is an *UnknownOutcomeError.
func (c *Client) Mutate(ctx context.Context, call Call) (Result, error) {
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("mutation %s: not sent: %w", call.Path, err)
	}
	s, err := c.session()
	if err != nil {
		return Result{}, fmt.Errorf("mutation %s: not sent: %w", call.Path, err)
	}
	m, err := s.enqueue(call)
	if err != nil {
		return Result{}, err
	}
	select {
	case <-m.done:
		return m.result, m.err
	case <-ctx.Done():
		return s.abandon(m, ctx.Err())
	}
}

func (s *session) enqueue(call Call) (*pendingMutation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil {
		return nil, fmt.Errorf("mutation %s: not sent: %w", call.Path, s.final)
	}
	m := &pendingMutation{
		message: mutationMessage{
			Type: "Mutation", RequestID: s.nextRequest, UDFPath: call.Path,
			Args: wireArgs(call.Args), ComponentPath: call.Component,
		},
		done: make(chan struct{}),
	}
	s.nextRequest++
	s.mutations = append(s.mutations, m)
	if s.conn != nil {
		m.sent = true
		s.conn.send(m.message)
	}
	return m, nil
}

// abandon gives up waiting for m: it is never sent again.
func (s *session) abandon(m *pendingMutation, why error) (Result, error) {
	state := s.c.State()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-m.done: // it was completed meanwhile
		return m.result, m.err
	default:
	}
	if m.answered {
		s.finish(m, nil)
		return m.result, nil
	}
	if m.sent {
		s.finish(m, &UnknownOutcomeError{Path: m.message.UDFPath, Err: why})
	} else if state.Err != "" {
		s.finish(m, fmt.Errorf("mutation %s: not sent: %w: %s", m.message.UDFPath, why, state.Err))
	} else {
		s.finish(m, fmt.Errorf("mutation %s: not sent: %w", m.message.UDFPath, why))
	}
	return m.result, m.err
}

// finish completes m. s.mu is held.
func (s *session) finish(m *pendingMutation, err error) {
	if i := slices.Index(s.mutations, m); i >= 0 {
		s.mutations = slices.Delete(s.mutations, i, i+1)
	}
	if s.conn != nil {
		delete(s.conn.behindRequests, m.message.RequestID)
	}
	m.err = err
	close(m.done)
}

// answer takes a MutationResponse. s.mu is held.
func (s *session) answer(r *serverMessage) error {
	i := slices.IndexFunc(s.mutations, func(m *pendingMutation) bool { return m.message.RequestID == r.RequestID })
	if i < 0 {
		return nil // abandoned
	}
	m := s.mutations[i]
	if m.answered { // sent again only to be brought past its timestamp
		s.complete()
		return nil
	}
	m.result.LogLines = r.LogLines
	if !r.Success {
		var text string
		if err := json.Unmarshal(r.Result, &text); err != nil {
			return fmt.Errorf("answer of mutation %s: %w", m.message.UDFPath, err)
		}
		s.finish(m, s.c.functionError(text, r.ErrorData, r.LogLines))
		return nil
	}
	v, err := decode(r.Result)
	if err != nil {
		// It ran: the value is lost, not the outcome.
		s.finish(m, fmt.Errorf("mutation %s ran, but its value cannot be read: %w", m.message.UDFPath, err))
		return nil
	}
	m.answered, m.result.Value = true, v
	if r.TS != nil {
		m.ts = *r.TS
		s.maxTS = max(s.maxTS, m.ts)
	}
	s.complete()
	return nil
}

// complete finishes the mutations that the live queries have caught up with.
// s.mu is held.
func (s *session) complete() {
	for _, m := range slices.Clone(s.mutations) {
		if m.answered && m.ts <= s.conn.version.TS {
			s.finish(m, nil)
		}
	}
}

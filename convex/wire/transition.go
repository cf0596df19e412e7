package wire

import (
	"fmt"
	"time"
)

// handle takes one message; a non-nil end gives the connection up.
func (s *session) handle(conn *connection, m *serverMessage) *connectionEnd {
	now := s.c.now()
	m, err := conn.chunks.add(m)
	if err != nil {
		return s.broken(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	conn.heard = true
	defer s.heard(conn, now)
	if m == nil {
		return nil
	}
	switch m.Type {
	case "Transition":
		if err := s.transition(conn, m, now); err != nil {
			return s.broken(err)
		}
	case "MutationResponse", "ActionResponse":
		s.answer(m)
	case "AuthError":
		return s.refused(conn, m)
	case "FatalError":
		final := &SessionError{URL: s.c.base, Text: s.c.clean(m.Error)}
		return &connectionEnd{reason: m.Type, byClient: true, err: final, final: final}
	}
	// Anything else is a Ping, or a message of a newer backend.
	return nil
}

// refused takes an AuthError (4.5 rule 7). The key is all there is to sign in
// with: refused when it is offered, it is final. Once it was accepted, or when
// the error is not about offering it, it is offered once more. s.mu is held.
func (s *session) refused(conn *connection, m *serverMessage) *connectionEnd {
	refusal := &SessionError{URL: s.c.base, Auth: true, Text: s.c.clean(m.Error)}
	end := &connectionEnd{reason: "AuthError", byClient: true, err: refusal}
	identity := conn.version.Identity
	if m.BaseVersion != nil {
		identity = max(identity, *m.BaseVersion)
	}
	accepted := identity > 0 && identity >= conn.identity
	offered := m.AuthUpdateAttempted == nil || *m.AuthUpdateAttempted
	if offered && !accepted || s.doubts > 0 {
		end.final = refusal
		return end
	}
	end.doubt = true
	s.doubts++
	return end
}

// transition applies a Transition. s.mu is held.
func (s *session) transition(conn *connection, t *serverMessage, now time.Time) error {
	if t.StartVersion != conn.version {
		return fmt.Errorf("transition starts at version %v, not at %v", t.StartVersion, conn.version)
	}
	if t.EndVersion.TS < conn.version.TS || t.EndVersion.QuerySet > conn.querySet {
		return fmt.Errorf("transition leads from version %v to %v", conn.version, t.EndVersion)
	}
	for i := range t.Modifications {
		s.change(conn, &t.Modifications[i], now)
	}
	if t.StartVersion.TS == 0 && t.EndVersion.TS < conn.opened {
		// Its time went back, and it did not say so when it was told.
		s.maxTS, conn.opened = 0, 0
		s.finishAnswered()
	}
	conn.version = t.EndVersion
	s.maxTS = max(s.maxTS, t.EndVersion.TS)
	s.complete()
	return nil
}

// change applies one modification of a Transition. s.mu is held.
func (s *session) change(conn *connection, change *queryChange, now time.Time) {
	delete(conn.behind, change.QueryID)
	q := s.byID[change.QueryID]
	if q == nil {
		return // unsubscribed meanwhile
	}
	switch change.Type {
	case "QueryUpdated":
		q.journal = change.Journal
		q.publish(&outcome{text: change.Value, lines: change.LogLines, at: now})
	case "QueryFailed":
		q.journal = change.Journal
		q.publish(&outcome{err: s.c.functionError("", change.ErrorMessage, change.ErrorData, change.LogLines), lines: change.LogLines, at: now})
	case "QueryRemoved":
	default:
		q.publish(&outcome{err: fmt.Errorf("live query %s on %s: the deployment sent a %q: its backend is newer than the ones Strait knows",
			q.key.path, s.c.base, s.c.clean(change.Type)), at: now})
	}
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
			st.Connects++
		}
	})
}

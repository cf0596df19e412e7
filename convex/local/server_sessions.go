package local

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxSessions     = 256  // remembered; the one used longest ago goes first
	maxSessionRuns  = 1000 // remembered of one session; more cannot be pending
	mutationTimeout = 60 * time.Second
)

// sessions remember which mutations a WebSocket session has run, so that a
// client that sends one again after a reconnect gets the first answer (4.4).
type sessions struct {
	mu   sync.Mutex
	byID map[string]*wsSession
}

type wsSession struct {
	runs  map[uint32]*sessionRun
	order []uint32
	used  time.Time
}

// sessionRun is one mutation, running or done.
type sessionRun struct {
	committed atomic.Uint64 // its timestamp, before anybody can see what it wrote
	done      chan struct{}
	resp      Response
}

// get returns the run of a request, and whether it is a new one.
func (s *sessions) get(session string, request uint32, now time.Time) (*sessionRun, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = map[string]*wsSession{}
	}
	ws := s.byID[session]
	if ws == nil {
		if len(s.byID) >= maxSessions {
			s.forgetOldest()
		}
		ws = &wsSession{runs: map[uint32]*sessionRun{}}
		s.byID[session] = ws
	}
	ws.used = now
	if run := ws.runs[request]; run != nil {
		return run, false
	}
	run := &sessionRun{done: make(chan struct{})}
	ws.runs[request] = run
	ws.order = append(ws.order, request)
	if len(ws.order) > maxSessionRuns {
		delete(ws.runs, ws.order[0])
		ws.order = ws.order[1:]
	}
	return run, true
}

func (s *sessions) forgetOldest() {
	oldest := ""
	for id, ws := range s.byID {
		if oldest == "" || ws.used.Before(s.byID[oldest].used) {
			oldest = id
		}
	}
	delete(s.byID, oldest)
}

// forget drops a mutation that failed: it left nothing behind, so it may run
// again.
func (s *sessions) forget(session string, request uint32, run *sessionRun) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ws := s.byID[session]; ws != nil && ws.runs[request] == run {
		delete(ws.runs, request)
	}
}

// start runs a mutation of a session that has not run yet. It goes on when the
// connection ends before it; only a front that is being closed refuses.
func (f *front) start(session string, request uint32, r *sessionRun, run func(context.Context) Response) bool {
	if !f.enter() {
		return false
	}
	go func() {
		defer f.conns.Done()
		ctx, cancel := context.WithTimeout(f.ctx, mutationTimeout)
		defer cancel()
		r.resp = run(announced(ctx, r.committed.Store))
		if r.resp.Err != nil {
			f.sessions.forget(session, request, r)
		}
		close(r.done)
	}()
	return true
}

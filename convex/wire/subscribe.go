package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"strait/model/value"
)

// queryKey names a live query. Unlike convex-js it holds the component (4.5
// rule 8).
type queryKey struct{ component, path, args string }

// liveQuery is one query of the query set, shared by its subscribers.
type liveQuery struct {
	id      uint32
	key     queryKey
	journal *string
	last    *outcome
	subs    map[*mailbox[*outcome]]struct{}
}

// outcome is one result of a query. Its value is decoded when the first
// subscriber looks at it, not in the reader of the connection.
type outcome struct {
	text  json.RawMessage
	err   error
	lines []string
	at    time.Time

	once  sync.Once
	value value.Value
}

func (o *outcome) update() Update {
	o.once.Do(func() {
		if o.err != nil {
			return
		}
		v, err := decode(o.text)
		if err != nil {
			o.err = fmt.Errorf("read the value of a live query: %w", err)
			return
		}
		o.value = v
	})
	return Update{Value: o.value, JSON: o.text, Err: o.err, LogLines: o.lines, At: o.at}
}

func (q *liveQuery) publish(o *outcome) {
	q.last = o
	for sub := range q.subs {
		sub.put(o)
	}
}

func (q *liveQuery) add() modification {
	return modification{
		Type: "Add", QueryID: q.id, UDFPath: q.key.path, Args: []json.RawMessage{json.RawMessage(q.key.args)},
		Journal: q.journal, ComponentPath: q.key.component,
	}
}

// Subscribe keeps a query live: fn gets its state now and whenever it
// changes, one call at a time, the newest state when several came meanwhile.
// The same query of several subscribers is asked for once.
//
// After stop has returned fn is never called again; stop waits for a call
// that is running, so it must not be called from inside fn.
func (c *Client) Subscribe(call Call, fn func(Update)) (stop func()) {
	box := newMailbox(func(o *outcome) { fn(o.update()) })
	s, err := c.session()
	if err != nil {
		box.put(&outcome{err: fmt.Errorf("subscribe to %s: %w", call.Path, err), at: c.now()})
		return box.stop
	}
	key := queryKey{call.Component, call.Path, string(appendArgs(nil, call.Args))}
	s.subscribe(key, box)
	s.start()
	var once sync.Once
	return func() {
		once.Do(func() { s.unsubscribe(key, box) })
		box.stop()
	}
}

func (s *session) subscribe(key queryKey, box *mailbox[*outcome]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final != nil {
		box.put(&outcome{err: s.final, at: s.c.now()})
	}
	if q := s.queries[key]; q != nil {
		q.subs[box] = struct{}{}
		if q.last != nil && s.final == nil {
			box.put(q.last)
		}
		return
	}
	q := &liveQuery{id: s.nextQuery, key: key, subs: map[*mailbox[*outcome]]struct{}{box: {}}}
	s.nextQuery++
	s.queries[key], s.byID[q.id] = q, q
	s.modify(q.add())
}

func (s *session) unsubscribe(key queryKey, box *mailbox[*outcome]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queries[key]
	if q == nil {
		return
	}
	delete(q.subs, box)
	if len(q.subs) > 0 {
		return
	}
	delete(s.queries, key)
	delete(s.byID, q.id)
	if s.conn != nil {
		delete(s.conn.behind, q.id)
	}
	s.modify(modification{Type: "Remove", QueryID: q.id})
}

// modify sends one change of the query set, if there is a connection; a later
// one begins with the whole set. s.mu is held.
func (s *session) modify(m modification) {
	if s.conn == nil {
		return
	}
	base := s.conn.querySet
	s.conn.querySet++
	s.conn.send(modifyMessage{Type: "ModifyQuerySet", BaseVersion: base, NewVersion: base + 1, Modifications: []modification{m}})
}

// Once waits for the first state of a live query and drops it again: the way
// to a query of a component, which POST /api/query does not reach.
func (c *Client) Once(ctx context.Context, call Call) (Result, error) {
	first := make(chan Update, 1)
	stop := c.Subscribe(call, func(u Update) {
		select {
		case first <- u:
		default:
		}
	})
	defer stop()
	select {
	case u := <-first:
		return Result{Value: u.Value, LogLines: u.LogLines}, u.Err
	case <-ctx.Done():
		if why := c.State().Err; why != "" {
			return Result{}, fmt.Errorf("query %s: %w: %s", call.Path, ctx.Err(), why)
		}
		return Result{}, fmt.Errorf("query %s: no answer from %s: %w", call.Path, c.base, ctx.Err())
	}
}

type stateWatch struct{ box *mailbox[ConnectionState] }

// OnState calls fn with the state of the WebSocket, now and on every change;
// the rules of Subscribe hold.
func (c *Client) OnState(fn func(ConnectionState)) (stop func()) {
	w := &stateWatch{newMailbox(fn)}
	c.mu.Lock()
	defer c.mu.Unlock()
	w.box.put(c.state)
	if !c.closed {
		c.watches[w] = struct{}{}
	}
	return func() {
		c.mu.Lock()
		delete(c.watches, w)
		c.mu.Unlock()
		w.box.stop()
	}
}

// State is the state of the WebSocket; the zero state before anything live
// was asked for.
func (c *Client) State() ConnectionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *Client) setState(change func(*ConnectionState)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.state)
	for w := range c.watches {
		w.box.put(c.state)
	}
}

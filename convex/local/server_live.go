package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"strait/convex/jsrun"
)

const (
	maxPending     = 1000 // mutations, and actions, of one connection (4.4)
	maxTransitions = 2    // waiting for a slow client
)

// stateVersion is a state version of 4.3.
type stateVersion struct {
	QuerySet uint32 `json:"querySet"`
	Identity uint32 `json:"identity"`
	TS       string `json:"ts"`
}

// liveQuery is one query of a connection's set.
type liveQuery struct {
	id        uint32
	component string
	path      string
	args      string
	admin     bool // a component was named, which only admins may

	ran     bool
	sent    [sha256.Size]byte // of the last result that the client has
	had     bool              // sent holds something
	reads   *ReadSet
	since   uint64 // reads are known unchanged up to here
	journal string // of the first execution, so that a page keeps its end
}

// syncConn is one WebSocket connection. Only work touches its fields, except
// for the channels and out.
type syncConn struct {
	d    *Deployment
	ctx  context.Context // of everything the connection does
	stop context.Context // ends when the connection should close in good order
	out  *outbox

	in        chan *clientMessage
	commits   chan uint64 // newest timestamp, one slot
	mutations chan mutation
	answers   chan answerMessage // of mutations and actions
	updates   chan update
	running   sync.WaitGroup             // queries and actions that run
	mutating  atomic.Pointer[sessionRun] // the mutation begun last

	started uint64 // timestamp before any query ran
	session string // "" before Connect
	id      identity

	receivedQuerySet uint32
	receivedIdentity uint32
	pending          []querySetChange
	reauthenticated  bool

	current  stateVersion
	ts       uint64 // of current
	queries  map[uint32]*liveQuery
	updating bool
	finished *update     // ran, and is not sent yet
	answered *sessionRun // the mutation answered last
	wantTS   uint64      // the client waits for a Transition up to here
	owed     bool        // and none was sent since it was told so
	newest   uint64      // commit heard of
	checked  uint64      // commit for which no query had changed
	actions  int
}

type mutation struct {
	request uint32
	req     Request
	id      identity
}

type answerMessage struct {
	Type      string          `json:"type"`
	RequestID uint32          `json:"requestId"`
	Success   bool            `json:"success"`
	Result    json.RawMessage `json:"result"`
	TS        *string         `json:"ts,omitempty"`
	LogLines  []string        `json:"logLines"`
	ErrorData json.RawMessage `json:"errorData,omitempty"`

	ts  uint64
	run *sessionRun // of a mutation that was begun
}

// update is the outcome of running queries at one timestamp.
type update struct {
	ts       uint64
	querySet uint32
	identity uint32
	removed  []uint32
	results  map[uint32]Response
}

func newSyncConn(ctx, stop context.Context, d *Deployment, chunked bool) *syncConn {
	return &syncConn{
		d: d, ctx: ctx, stop: stop, started: d.View().Timestamp(), out: newOutbox(chunked),
		in: make(chan *clientMessage, 16), commits: make(chan uint64, 1),
		mutations: make(chan mutation, maxPending), answers: make(chan answerMessage, 16), updates: make(chan update, 1),
		current: stateVersion{TS: encodeTS(0)}, queries: map[uint32]*liveQuery{},
	}
}

// work is the worker. It returns why the connection ends.
func (c *syncConn) work(failed <-chan error) error {
	for {
		c.finishUpdate()
		c.startUpdate()
		select {
		case m := <-c.in:
			if err := c.handle(m); err != nil {
				return err
			}
		case ts := <-c.commits:
			c.newest = max(c.newest, ts)
		case a := <-c.answers:
			c.answer(a)
		case u := <-c.updates:
			c.finished = &u
		case <-c.out.room:
		case err := <-failed:
			return err
		case <-c.stop.Done():
			return &syncError{code: websocket.StatusGoingAway, reason: "ServerClosing", text: "the server stops"}
		}
	}
}

func (c *syncConn) answer(a answerMessage) {
	if a.Type == "ActionResponse" {
		c.actions--
	}
	if a.Success && a.Type == "MutationResponse" {
		ts := encodeTS(a.ts)
		a.TS = &ts
		c.wantTS, c.owed = max(c.wantTS, a.ts), true
	}
	if a.run != nil {
		c.answered = a.run
	}
	c.out.add(a, false)
}

// handle takes one message of the client (4.2, 4.4).
func (c *syncConn) handle(m *clientMessage) error {
	if c.session == "" && m.Type != "Connect" {
		return fatal("ConnectMessageExpected", "The first message must be Connect, not %s", m.Type)
	}
	switch m.Type {
	case "Connect":
		return c.connect(m)
	case "Authenticate":
		return c.authenticate(m)
	case "ModifyQuerySet":
		if m.BaseVersion != c.receivedQuerySet {
			return fatal("BaseVersionMismatch", "Base version %d passed up doesn't match the current version %d", m.BaseVersion, c.receivedQuerySet)
		}
		if m.NewVersion <= m.BaseVersion {
			return fatal("BaseVersionMismatch", "New version %d is not above the base version %d", m.NewVersion, m.BaseVersion)
		}
		for _, mod := range m.Modifications {
			if mod.Type != "Add" && mod.Type != "Remove" {
				return fatal("WSMessageInvalidJson", "Unknown query set modification %q", mod.Type)
			}
			if mod.ComponentPath != nil && *mod.ComponentPath != "" && !c.id.admin {
				return errComponent
			}
		}
		c.pending = append(c.pending, m.Modifications...)
		c.receivedQuerySet = m.NewVersion
	case "Mutation", "Action":
		return c.request(m)
	case "Event": // telemetry: never answered
	default:
		return fatal("WSMessageInvalidJson", "Unknown message type %q", m.Type)
	}
	return nil
}

var errComponent = fatal("ComponentForbidden", "Only admin or system users can call functions on non-root components directly")

func (c *syncConn) connect(m *clientMessage) error {
	if m.SessionID == "" || len(m.SessionID) > 100 {
		return fatal("WSMessageInvalidJson", "Connect has no sessionId")
	}
	if m.MaxObservedTimestamp != nil {
		seen, err := decodeTS(*m.MaxObservedTimestamp)
		if err != nil {
			return fatal("WSMessageInvalidJson", "maxObservedTimestamp: %v", err)
		}
		if latest := c.d.View().Timestamp(); seen > latest {
			return internalError("Client has observed a timestamp %d ahead of the backend latest known timestamp %d", seen, latest)
		}
	}
	c.session = m.SessionID
	return nil
}

func (c *syncConn) authenticate(m *clientMessage) error {
	if m.BaseVersion != c.receivedIdentity {
		return fatal("BaseVersionMismatch", "Identity base version %d passed up doesn't match the current version %d", m.BaseVersion, c.receivedIdentity)
	}
	var id identity
	var err error
	switch m.TokenType {
	case "Admin":
		id, err = c.d.checkKey(m.Value)
		for _, acting := range []json.RawMessage{m.Impersonating, m.ActingAs} {
			if err != nil || len(acting) == 0 || string(acting) == "null" {
				continue
			}
			if id.admin && !id.may("ActAsUser") {
				err = notPermitted("ActAsUser")
			}
			id = identity{user: acting}
		}
	case "User":
		err = errNoProvider
	case "None":
	default:
		return fatal("WSMessageInvalidJson", "Unknown tokenType %q", m.TokenType)
	}
	var refused *httpError
	if errors.As(err, &refused) {
		return &syncError{message: "AuthError", code: websocket.StatusNormalClosure, reason: refused.code, text: refused.message}
	}
	c.id = id
	c.receivedIdentity++
	c.reauthenticated = true
	return nil
}

// request queues a mutation, or starts an action.
func (c *syncConn) request(m *clientMessage) error {
	req := Request{Caller: "SyncWorker", Type: jsrun.FunctionType(m.Type), RequestID: sessionRequestID(c.session, m.RequestID)}
	if m.ComponentPath != nil {
		req.Component = *m.ComponentPath
		if req.Component != "" && !c.id.admin {
			return errComponent
		}
	}
	typ := m.Type + "Response"
	var err error
	if req.Path, err = functionPath(m.UDFPath); err == nil {
		req.Args, err = argsObject(m.Args)
	}
	if err != nil {
		var bad *httpError
		errors.As(err, &bad)
		c.out.add(answerMessage{Type: typ, RequestID: m.RequestID, Result: jsonString(bad.message), LogLines: []string{}}, false)
		return nil
	}
	if m.Type == "Mutation" {
		select {
		case c.mutations <- mutation{m.RequestID, req, c.id}:
			return nil
		default:
			return &syncError{code: websocket.StatusTryAgainLater, reason: "TooManyConcurrentMutations", text: "Too many concurrent mutations. Only up to 1000 pending mutations allowed on a single websocket."}
		}
	}
	if c.actions >= maxPending {
		return &syncError{code: websocket.StatusTryAgainLater, reason: "TooManyConcurrentRequests", text: "Too many concurrent actions on a single websocket."}
	}
	c.actions++
	id := c.id
	c.running.Go(func() { c.give(answerTo(typ, m.RequestID, c.d.call(c.ctx, id, nil, req))) })
	return nil
}

// sessionRequestID is the id under which a session's request is logged; the
// client can work it out and find its entries.
func sessionRequestID(session string, counter uint32) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%d", session, counter))
	return hex.EncodeToString(sum[:8])
}

func jsonString(s string) json.RawMessage {
	text, _ := json.Marshal(s) // a string always marshals
	return text
}

func answerTo(typ string, request uint32, resp Response) answerMessage {
	a := answerMessage{Type: typ, RequestID: request, LogLines: lineTexts(resp.Log)}
	if resp.Err != nil {
		a.Result, a.ErrorData = jsonString(clientError(resp)), resp.Err.Data
		return a
	}
	a.Success, a.Result, a.ts = true, json.RawMessage(resp.Value), resp.Timestamp
	return a
}

func (c *syncConn) give(a answerMessage) {
	select {
	case c.answers <- a:
	case <-c.ctx.Done():
	}
}

// runMutations runs this connection's mutations one after another.
func (c *syncConn) runMutations() error {
	for {
		select {
		case <-c.ctx.Done():
			return nil
		case m := <-c.mutations:
			f := c.d.serving()
			run, first := f.sessions.get(c.session, m.request, time.Now())
			c.mutating.Store(run)
			if first && !f.start(c.session, m.request, run, func(ctx context.Context) Response {
				return c.d.call(ctx, m.id, nil, m.req)
			}) {
				return nil
			}
			select {
			case <-run.done:
			case <-c.ctx.Done():
				// The connection ended first. The mutation goes on: another one
				// begun here would overtake it.
				return nil
			}
			a := answerTo("MutationResponse", m.request, run.resp)
			a.run = run
			c.give(a)
		}
	}
}

// startUpdate begins to bring the client to the newest timestamp when there
// is a reason to.
func (c *syncConn) startUpdate() {
	if c.updating || c.session == "" || c.out.waiting() >= maxTransitions || !c.behind() {
		return
	}
	c.updating = true
	view := c.d.View()
	u := update{
		ts: view.Timestamp(), querySet: c.receivedQuerySet, identity: c.receivedIdentity,
		results: map[uint32]Response{},
	}
	for _, mod := range c.pending {
		if mod.Type == "Remove" {
			if _, there := c.queries[mod.QueryID]; there {
				delete(c.queries, mod.QueryID)
				u.removed = append(u.removed, mod.QueryID)
			}
			continue
		}
		q := &liveQuery{id: mod.QueryID, path: mod.UDFPath, args: string(mod.Args)}
		if mod.Journal != nil {
			q.journal = *mod.Journal
		}
		if mod.ComponentPath != nil {
			q.component, q.admin = *mod.ComponentPath, *mod.ComponentPath != ""
		}
		c.queries[q.id] = q
	}
	c.pending = nil
	var stale []*liveQuery
	for _, q := range c.queries {
		if c.reauthenticated || c.changed(q) {
			stale = append(stale, q)
		} else {
			q.since = u.ts
		}
	}
	c.reauthenticated = false
	c.checked = u.ts
	id := c.id
	c.running.Go(func() { c.runQueries(view, id, stale, u) })
}

// behind reports whether the client's state is not the newest.
func (c *syncConn) behind() bool {
	if c.receivedQuerySet != c.current.QuerySet || c.receivedIdentity != c.current.Identity || c.owed {
		return true
	}
	if c.newest <= c.checked {
		return false
	}
	for _, q := range c.queries {
		if c.changed(q) {
			return true
		}
	}
	c.checked = c.newest
	return false
}

func (c *syncConn) changed(q *liveQuery) bool {
	return !q.ran || c.d.Changed(q.reads, q.since)
}

// runQueries runs queries at one timestamp and hands the outcome to the
// worker.
func (c *syncConn) runQueries(view *View, id identity, queries []*liveQuery, u update) {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, q := range queries {
		g.Go(func() error {
			resp := c.d.liveRun(c.ctx, view, id, q)
			mu.Lock()
			u.results[q.id] = resp
			mu.Unlock()
			return nil
		})
	}
	g.Wait() // no function returns an error
	select {
	case c.updates <- u:
	case <-c.ctx.Done():
	}
}

// liveRun runs one query of a query set at the time of a view.
func (d *Deployment) liveRun(ctx context.Context, view *View, id identity, q *liveQuery) Response {
	req := Request{
		Component: q.component, Type: jsrun.Query, Admin: id.admin, Identity: id.user,
		Caller: "SyncWorker", RequestID: newRequestID(), Journal: q.journal,
	}
	failed := func(text string) Response {
		return Response{RequestID: req.RequestID, Err: &FunctionError{Message: text}, Timestamp: view.Timestamp()}
	}
	if q.admin && !id.admin {
		return failed(errComponent.text)
	}
	var err error
	if req.Path, err = functionPath(q.path); err == nil {
		req.Args, err = argsObject(json.RawMessage(q.args))
	}
	var bad *httpError
	if errors.As(err, &bad) {
		return failed(bad.message)
	}
	system := strings.HasPrefix(req.Path, systemPrefix)
	if op := d.lacks(id, req, system); op != "" {
		return failed(notPermitted(op).message)
	}
	if system {
		return d.callSystem(ctx, view, req)
	}
	return d.runOn(ctx, view, req)
}

type transitionMessage struct {
	Type          string       `json:"type"`
	StartVersion  stateVersion `json:"startVersion"`
	EndVersion    stateVersion `json:"endVersion"`
	Modifications []any        `json:"modifications"`
}

type queryModified struct {
	Type         string          `json:"type"`
	QueryID      uint32          `json:"queryId"`
	Value        json.RawMessage `json:"value,omitempty"`
	ErrorMessage string          `json:"errorMessage,omitempty"`
	ErrorData    json.RawMessage `json:"errorData,omitempty"`
	LogLines     []string        `json:"logLines"`
	Journal      *string         `json:"journal"`
}

type queryRemoved struct {
	Type    string `json:"type"`
	QueryID uint32 `json:"queryId"`
}

// owesAnswer reports whether a mutation of this connection that has committed
// up to ts is still without its answer.
func (c *syncConn) owesAnswer(ts uint64) bool {
	run := c.mutating.Load() // first: the answer to the one before it then waits below
	for {
		select {
		case a := <-c.answers:
			c.answer(a)
			continue
		default:
		}
		break
	}
	if run == nil || run == c.answered {
		return false
	}
	at := run.committed.Load()
	return at != 0 && at <= ts
}

// finishUpdate sends the Transition of an update that has run, after the
// answers to the mutations that it shows: a client drops the optimistic update
// of a mutation with the first Transition past its answer. Results that the
// client already has are left out.
func (c *syncConn) finishUpdate() {
	if c.finished == nil || c.owesAnswer(c.finished.ts) {
		return
	}
	u := *c.finished
	c.finished, c.updating = nil, false
	end := stateVersion{u.querySet, u.identity, encodeTS(u.ts)}
	t := transitionMessage{Type: "Transition", StartVersion: c.current, EndVersion: end, Modifications: []any{}}
	for _, id := range u.removed {
		t.Modifications = append(t.Modifications, queryRemoved{"QueryRemoved", id})
	}
	for _, id := range slices.Sorted(maps.Keys(u.results)) {
		q, resp := c.queries[id], u.results[id]
		q.ran, q.reads, q.since, q.journal = true, resp.Reads, u.ts, resp.Journal
		if m, news := q.result(resp); news {
			t.Modifications = append(t.Modifications, m)
		}
	}
	c.current, c.ts = end, u.ts
	c.owed = c.owed && u.ts < c.wantTS
	c.out.add(t, true)
}

// result is the message about a query's result, and whether it is news.
func (q *liveQuery) result(resp Response) (queryModified, bool) {
	m := queryModified{Type: "QueryUpdated", QueryID: q.id, LogLines: lineTexts(resp.Log), Journal: orNull(resp.Journal)}
	h := sha256.New()
	if resp.Err != nil {
		// The request id differs with every run; it is no news.
		m.Type, m.ErrorMessage, m.ErrorData = "QueryFailed", clientError(resp), resp.Err.Data
		h.Write([]byte("failed\x00" + resp.Err.Message + "\x00" + string(resp.Err.Data)))
	} else {
		m.Value = json.RawMessage(resp.Value)
		h.Write([]byte("ok\x00" + resp.Value))
	}
	for _, line := range m.LogLines {
		h.Write([]byte("\x00" + line))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	if q.had && sum == q.sent {
		return m, false
	}
	q.had, q.sent = true, sum
	return m, true
}

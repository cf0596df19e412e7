// Package wire is the admin client of a Convex deployment: HTTP for one-off
// calls, one WebSocket for live queries and mutations, following the client
// rules of convex-wire.md 4.5.
//
// Rules of the package:
//   - A Client is safe for concurrent use and does nothing until it is asked:
//     the WebSocket opens with the first subscription or mutation.
//   - It never prints, logs or returns its key, not even inside an error that
//     a server or a proxy sent back.
//   - The reader of the WebSocket never waits for a subscriber: every
//     subscription has one slot, in which the newest state takes the place of
//     an older one that was not yet picked up.
//   - A mutation is sent under one request id for its whole life, so that the
//     deployment runs it once however often the connection breaks. An action
//     is sent once: when the connection breaks under it, its outcome is unknown.
//   - A key that is refused when it is offered ends the session; so does a
//     FatalError. Everything else is tried again, at the pace of the backoff
//     table, never as fast as the network goes (patience.go).
//   - Types of message and fields that are not known are passed over: a newer
//     backend can still be watched.
//   - Text of the log, and foreign text inside errors, is cleaned of what a
//     terminal obeys. Values and the messages of failed functions are as sent.
//   - Errors say the operation, the object, the cause and what to do next.
package wire

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"strait/model/value"
)

// Options of New.
type Options struct {
	URL      string // https://happy-otter-123.convex.cloud
	AdminKey string
	HTTP     *http.Client // also dials the WebSocket; default: a client with sane timeouts
	Now      func() time.Time
}

// Call names a function and its arguments.
type Call struct {
	Component string // component path, "" root
	Path      string // "migrations:run", "_system/cli/tables"
	Args      value.Object
}

// Result is a function's answer.
type Result struct {
	Value     value.Value
	LogLines  []string // "[LEVEL] text", 2.3; of a function that failed as well
	RequestID string   // under which the function log has it; "" unknown
}

// Update is one state of a live query.
type Update struct {
	Value    value.Value
	JSON     json.RawMessage // the same, undecoded
	Err      error           // *FunctionError: the query failed, the subscription goes on; *SessionError: the client is done
	LogLines []string
	At       time.Time
}

// ConnectionState is the state of the WebSocket.
type ConnectionState struct {
	Connected bool
	Since     time.Time // of Connected
	Connects  int       // connections that stood so far
	Retries   int       // attempts in a row that did not bring everything up to date
	RetryAt   time.Time // when the next attempt is made; zero: none waits
	Err       string    // why it is not connected; "" connected, or not yet asked for
	Heard     time.Time // last message from the deployment, pings included
	Final     bool      // it will not try again: the key was refused, or the deployment said so
}

// Access is what an admin key may do (1.2).
type Access struct {
	AllowedOps []string // empty: everything
	ReadOnly   bool
}

// Allows reports whether the key may do op, a DeploymentOp name such as
// "RunInternalMutations". A read-only key may not write where no operations are
// listed either.
func (a Access) Allows(op string) bool {
	if a.ReadOnly && op != "RunInternalQueries" && op != "RunTestQuery" && op != "DownloadBackups" && !strings.HasPrefix(op, "View") {
		return false
	}
	return len(a.AllowedOps) == 0 || slices.Contains(a.AllowedOps, op)
}

// Package wire is the admin client of a Convex deployment: HTTP for one-off
// calls, one WebSocket for live queries and mutations, following the client
// rules of convex-wire.md 4.5.
//
// A Client is safe for concurrent use. It never prints, logs or returns its key.
package wire

import (
	"encoding/json"
	"net/http"
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
	Value    value.Value
	LogLines []string // "[LEVEL] text", 2.3
}

// Update is one state of a live query.
type Update struct {
	Value    value.Value
	JSON     json.RawMessage // the same, undecoded
	Err      error           // *FunctionError: the query failed; the subscription goes on
	LogLines []string
	At       time.Time
}

// FunctionError is a function that failed on the deployment.
type FunctionError struct {
	Message  string // whole text, request id line included
	Data     value.Value
	HasData  bool
	LogLines []string
}

func (e *FunctionError) Error() string { return e.Message }

// HTTPError is an answer outside of function execution (2.4).
type HTTPError struct {
	Operation string // "POST /api/function"
	Status    int
	Code      string
	Message   string
}

// Access is what an admin key may do (1.2).
type Access struct {
	AllowedOps []string // empty: everything
	ReadOnly   bool
}

// ConnectionState is the state of the WebSocket.
type ConnectionState struct {
	Connected bool
	Since     time.Time
	Retries   int
	Err       string // why it is not connected
	Heard     time.Time
}

// To be built here:
//
//	New(Options) *Client                          no I/O
//	(c) Close() error
//	(c) Version(ctx) (string, error)              GET /version
//	(c) InstanceName(ctx) (string, error)
//	(c) CheckAdminKey(ctx) (Access, error)
//	(c) Query(ctx, Call) (Result, error)          POST /api/query (root; reaches _system)
//	(c) Function(ctx, Call) (Result, error)       POST /api/function (any component)
//	(c) Mutate(ctx, Call) (Result, error)         over the WebSocket: ordered, deduped across reconnects
//	(c) Subscribe(Call, func(Update)) (stop func())   callbacks in order, one at a time per subscription, never after stop returns
//	(c) OnState(func(ConnectionState)) (stop func())
//	(c) State() ConnectionState
//
// and typed helpers over them (system.go), each with a fallback error that
// says so when the backend lacks the system function:
//
//	(c) Components(ctx) ([]ComponentInfo, error)
//	(c) Schemas(ctx, componentID) (Schemas, error);  (c) SubscribeSchemas(componentID, func(Schemas, error)) stop
//	(c) Tables(ctx, component) ([]string, error);    (c) TableSize(ctx, component, table) (int64, error)
//	(c) SubscribeTableSize(component, table, func(int64, error)) stop
//	(c) TableData(ctx, component, table, order, cursor, n) (Page, error)
//	(c) TableMapping(ctx, componentID) (map[uint32]string, error)
//	(c) APISpec(ctx, componentID) ([]FunctionSpec, error)
//	(c) Documents(ctx, componentID, ids []string) ([]value.Object, error)   listById
//	(c) MigrationStatuses(ctx, component, names) ([]MigrationStatus, error); (c) SubscribeMigrations(component, names, func([]MigrationStatus, error)) stop
//	ParseInspect(text) (value.Value, error)       reads object-inspect output (5.3) back into a value

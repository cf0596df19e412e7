package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"strait/model/value"
)

// TestQuery is a query that is sent along with its call and runs next to the
// data: nothing is deployed, nothing is written (convex-wire.md 3).
type TestQuery struct {
	// Source is an ES module whose default export is a query. All it may import
	// is { query, internalQuery } from "convex:/_system/repl/wrappers.js".
	Source string
	Args   value.Object
	// ComponentID is the id of the component in which it runs, as
	// ComponentInfo has it; "" the root.
	ComponentID string
}

// RunTestQuery runs a query that the deployment does not have, within the
// limits of any query, POST /api/run_test_function. It only reads, so it may be
// tried up to three times. The error is a *FunctionError when the query failed,
// an *HTTPError when the deployment did not take it: the code is InvalidModules
// where its source does not load.
func (c *Client) RunTestQuery(ctx context.Context, q TestQuery) (Result, error) {
	const path = "/api/run_test_function"
	r, err := c.ask(ctx, c.patience.function, http.MethodPost, path, c.testQueryBody(q))
	if err != nil {
		return Result{}, err
	}
	return c.result("POST "+path, r)
}

// testQueryBody is the body of 3; this route reads the key there.
func (c *Client) testQueryBody(q TestQuery) []byte {
	b := []byte(`{"adminKey":`)
	b = appendJSON(b, c.key)
	b = append(b, `,"args":`...)
	b = appendArgs(b, q.Args)
	b = append(b, `,"bundle":{"path":"testQuery.js","source":`...)
	b = appendJSON(b, q.Source)
	b = append(b, `},"format":"convex_encoded_json"`...)
	if q.ComponentID != "" {
		b = append(b, `,"componentId":`...)
		b = appendJSON(b, q.ComponentID)
	}
	return append(b, '}')
}

// handleSource asks for the handle of a function. Queries may: handles are made
// when functions are pushed, and only looked up (12.8).
const handleSource = `import { query } from "convex:/_system/repl/wrappers.js";
export default query({
  handler: async (ctx, { name }) =>
    JSON.parse(await Convex.asyncSyscall("1.0/createFunctionHandle", JSON.stringify({ name, version: "` + clientVersion + `" }))),
});
`

// FunctionHandle is the handle of a deployed function, "dir/mod:export" of the
// component with an id ("" the root), internal ones included, by which another
// component can call it (13.4). The error wraps ErrMissing when there is no such
// function.
func (c *Client) FunctionHandle(ctx context.Context, componentID, path string) (string, error) {
	r, err := c.RunTestQuery(ctx, TestQuery{Source: handleSource, ComponentID: componentID, Args: value.NewObject(value.Field{Name: "name", Value: path})})
	var failed *FunctionError
	switch {
	case errors.As(err, &failed) && strings.Contains(failed.Message, "Function handle not found"):
		return "", fmt.Errorf("handle of %s on %s: %w: deploy the code that has it", path, c.base, ErrMissing)
	case err != nil:
		return "", fmt.Errorf("handle of %s: %w", path, err)
	}
	handle, _ := r.Value.(string)
	if !strings.HasPrefix(handle, "function://") {
		return "", c.odd("createFunctionHandle", r.Value)
	}
	return handle, nil
}

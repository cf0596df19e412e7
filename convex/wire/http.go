package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strings"
	"time"

	"strait/model/value"
)

const (
	maxResponse   = 64 << 20 // a system result is at most 24 MiB before encoding
	queryAttempts = 3
)

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", maxResponse>>20)

// Version is the backend's version text, GET /version.
func (c *Client) Version(ctx context.Context) (string, error) { return c.text(ctx, "/version") }

// InstanceName is the deployment's name, GET /instance_name.
func (c *Client) InstanceName(ctx context.Context) (string, error) {
	return c.text(ctx, "/instance_name")
}

func (c *Client) text(ctx context.Context, path string) (string, error) {
	r, err := c.ask(ctx, c.patience.probe, http.MethodGet, path, nil)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(r.body))
	if r.html() || len(text) > 200 || strings.ContainsAny(text, "<>\n") {
		return "", c.notConvex("GET "+path, r)
	}
	return text, nil
}

// CheckAdminKey proves the key and says what it may do, GET /api/check_admin_key.
func (c *Client) CheckAdminKey(ctx context.Context) (Access, error) {
	const path = "/api/check_admin_key"
	r, err := c.ask(ctx, c.patience.probe, http.MethodGet, path, nil)
	if err != nil {
		return Access{}, err
	}
	var body struct {
		Success    bool     `json:"success"`
		AllowedOps []string `json:"allowedOps"`
		ReadOnly   bool     `json:"isReadOnly"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil || r.html() {
		return Access{}, c.notConvex("GET "+path, r)
	}
	return Access{AllowedOps: body.AllowedOps, ReadOnly: body.ReadOnly}, nil
}

// Query runs a query of the root component, POST /api/query; it reaches
// _system functions. It may be tried up to three times.
func (c *Client) Query(ctx context.Context, call Call) (Result, error) {
	if call.Component != "" {
		return Result{}, fmt.Errorf("query %s: POST /api/query reaches the root component only, not %q; use Function or Subscribe", call.Path, call.Component)
	}
	const path = "/api/query"
	r, err := c.ask(ctx, c.patience.function, http.MethodPost, path, functionBody(call))
	if err != nil {
		return Result{}, err
	}
	return c.result("POST "+path, r)
}

// Function runs any function of any component, POST /api/function. It is sent
// once: over HTTP a mutation may have run although its answer was lost.
func (c *Client) Function(ctx context.Context, call Call) (Result, error) {
	const path = "/api/function"
	ctx, cancel := context.WithTimeout(ctx, c.patience.function)
	defer cancel()
	r, err := c.send(ctx, http.MethodPost, path, functionBody(call))
	if err != nil {
		return Result{}, err
	}
	return c.result("POST "+path, r)
}

// functionBody is the body of 2.1.
func functionBody(call Call) []byte {
	b := []byte(`{"path":`)
	b = appendJSON(b, call.Path)
	if call.Component != "" {
		b = append(b, `,"componentPath":`...)
		b = appendJSON(b, call.Component)
	}
	b = append(b, `,"args":`...)
	b = appendArgs(b, call.Args)
	return append(b, `,"format":"convex_encoded_json"}`...)
}

func appendArgs(b []byte, args value.Object) []byte {
	if args == nil {
		return append(b, "{}"...)
	}
	return value.Append(b, args)
}

func appendJSON(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return append(b, `""`...)
	}
	return append(b, text...)
}

// response is an answer with status 2xx, or 560 (2.3).
type response struct {
	status      int
	contentType string
	body        []byte
	requestID   string // that it was sent with
}

func (r response) html() bool { return r.contentType == "text/html" }

// send sends one request and reads its whole answer.
func (c *Client) send(ctx context.Context, method, path string, body []byte) (response, error) {
	route, _, _ := strings.Cut(path, "?")
	op := method + " " + route
	resp, id, err := c.begin(ctx, op, method, path, body)
	if err != nil {
		return response{}, err
	}
	defer resp.Body.Close()
	return c.readResponse(resp, op, id)
}

// begin sends one request. The caller reads the answer and closes its body.
func (c *Client) begin(ctx context.Context, op, method, path string, body []byte) (resp *http.Response, id string, err error) {
	if err := c.usable(); err != nil {
		return nil, "", fmt.Errorf("%s: %w", op, err)
	}
	id = newRequestID()
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Convex-Client", clientHeader)
		req.Header.Set("Convex-Request-Id", id)
		if c.key != "" {
			req.Header.Set("Authorization", "Convex "+c.key)
		}
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		c.traffic.written.Add(int64(len(body)))
		resp, err = c.http.Do(req)
	}
	if err != nil {
		return nil, id, c.lost(op, id, err)
	}
	c.noteDeprecation(resp.Header)
	return resp, id, nil
}

// lost is transport for a request of which the id is known.
func (c *Client) lost(op, id string, err error) *TransportError {
	t := c.transport(op, err)
	t.RequestID = id
	return t
}

func contentType(resp *http.Response) string {
	ct, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return ct
}

// readResponse reads a whole answer; one that is no success is an error.
func (c *Client) readResponse(resp *http.Response, op, id string) (response, error) {
	text, err := io.ReadAll(io.LimitReader(&countedReader{resp.Body, &c.traffic.read}, maxResponse+1))
	if err == nil && len(text) > maxResponse {
		err = errTooLarge
	}
	if err != nil {
		return response{}, c.lost(op, id, err)
	}
	r := response{resp.StatusCode, contentType(resp), text, id}
	const udfFailed = 560 // older backends: the function failed, the body says how
	if r.status/100 != 2 && r.status != udfFailed {
		return response{}, c.refused(op, r)
	}
	return r, nil
}

// newRequestID is an id of the form that deployments make themselves (1.7).
func newRequestID() string { return fmt.Sprintf("%016x", rand.Uint64()) }

func (c *Client) usable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	return c.urlErr
}

// refused reads an error body of 2.4, or says that it is none.
func (c *Client) refused(op string, r response) error {
	e := &HTTPError{Operation: op, URL: c.base, Status: r.status, RequestID: r.requestID}
	var body struct{ Code, Message string }
	if json.Unmarshal(r.body, &body) == nil && (body.Code != "" || body.Message != "") {
		e.Code, e.Message = c.clean(body.Code), c.clean(body.Message)
		return e
	}
	e.Message = c.describe(r)
	return e
}

func (c *Client) notConvex(op string, r response) error {
	return &HTTPError{Operation: op, URL: c.base, Status: r.status, Message: c.describe(r), RequestID: r.requestID}
}

// describe says what an answer is that is not Convex's.
func (c *Client) describe(r response) string {
	if r.html() {
		return "answered with a web page, not with Convex's JSON"
	}
	if len(r.body) == 0 {
		return "empty answer"
	}
	text := r.body
	if len(text) > 200 {
		text = text[:200]
	}
	return fmt.Sprintf("not Convex's answer: %q", c.clean(strings.ToValidUTF8(string(text), "")))
}

type onceKey struct{}

// Once is ctx for calls that are to be sent no more than once, as by one who
// has to count what every attempt reads.
func Once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

// ask sends an idempotent request, and again while its failure is a passing one
// and the limit, of all attempts together, allows.
func (c *Client) ask(ctx context.Context, limit time.Duration, method, path string, body []byte) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		r, err := c.send(ctx, method, path, body)
		if err == nil || attempt == queryAttempts || !passing(err) || ctx.Value(onceKey{}) != nil {
			return r, err
		}
		base := c.patience.retry << (attempt - 1)
		select {
		case <-ctx.Done():
			return response{}, c.transport(method+" "+path, errors.Join(ctx.Err(), err))
		case <-time.After(base/2 + rand.N(base)):
		}
	}
}

// passing reports whether the same request may succeed in a moment: an
// overloaded deployment, or a connection that broke while it was in use. A
// refused connection or an unknown host is told at once.
func passing(err error) bool {
	var h *HTTPError
	if errors.As(err, &h) {
		return h.Status == http.StatusTooManyRequests || h.Status == http.StatusBadGateway ||
			h.Status == http.StatusServiceUnavailable || h.Status == http.StatusGatewayTimeout
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err)
}

// result reads the body of 2.3.
func (c *Client) result(op string, r response) (Result, error) {
	var body struct {
		Status       string          `json:"status"`
		Value        json.RawMessage `json:"value"`
		ErrorMessage string          `json:"errorMessage"`
		ErrorData    json.RawMessage `json:"errorData"`
		LogLines     logLines        `json:"logLines"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil || r.html() {
		return Result{}, c.notConvex(op, r)
	}
	switch body.Status {
	case "success":
		v, err := decode(body.Value)
		if err != nil {
			return Result{}, fmt.Errorf("%s on %s: read the value: %w", op, c.base, err)
		}
		return Result{Value: v, LogLines: body.LogLines, RequestID: r.requestID}, nil
	case "error":
		return Result{LogLines: body.LogLines, RequestID: r.requestID},
			c.functionError(r.requestID, body.ErrorMessage, body.ErrorData, body.LogLines)
	}
	return Result{}, c.notConvex(op, r)
}

// decode reads a value; an absent one is null, as in JavaScript.
func decode(text json.RawMessage) (value.Value, error) {
	if len(text) == 0 {
		return nil, nil
	}
	return value.Decode(text)
}

// functionError is a failure that the deployment told of; requestID is the one
// that the request was sent with, "" unknown.
func (c *Client) functionError(requestID, message string, data json.RawMessage, lines []string) *FunctionError {
	e := &FunctionError{Message: message, LogLines: lines, RequestID: requestID}
	if rest, ok := strings.CutPrefix(message, "[Request ID: "); ok {
		if told, _, ok := strings.Cut(rest, "]"); ok {
			e.RequestID = told
		}
	}
	if len(data) > 0 && string(data) != "null" {
		if v, err := value.Decode(data); err == nil {
			e.Data, e.HasData = v, true
		}
	}
	return e
}

// logLines reads log lines as strings; some answers hold the structured form
// of 5.3. A line of another form is its JSON: nothing depends on it.
type logLines []string

func (l *logLines) UnmarshalJSON(text []byte) error {
	var raw []json.RawMessage
	if json.Unmarshal(text, &raw) != nil {
		return nil
	}
	for _, line := range raw {
		var s string
		var o struct {
			Messages []string `json:"messages"`
			Level    string   `json:"level"`
		}
		switch {
		case json.Unmarshal(line, &s) == nil:
		case json.Unmarshal(line, &o) == nil && o.Level != "":
			s = "[" + o.Level + "] " + strings.Join(o.Messages, " ")
		default:
			s = string(line)
		}
		*l = append(*l, s)
	}
	return nil
}

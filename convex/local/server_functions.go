package local

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"strait/convex/jsrun"
	"strait/model/value"
)

// functionBody is the body of a function call (2.1).
type functionBody struct {
	ComponentPath string          `json:"componentPath"`
	Path          string          `json:"path"`
	Args          json.RawMessage `json:"args"`
	Format        *string         `json:"format"`
	TS            string          `json:"ts"`
}

// valueFormat is a format of 2.2.
type valueFormat string

const (
	formatEncoded valueFormat = "convex_encoded_json"
	formatClean   valueFormat = "json"
	formatExport  valueFormat = "export_json"
)

func parseFormat(format *string) (valueFormat, error) {
	if format == nil {
		return formatClean, nil
	}
	switch *format {
	case "convex_encoded_json", "convex_json":
		return formatEncoded, nil
	case "json", "convex_clean_json":
		return formatClean, nil
	case "export_json":
		return formatExport, nil
	}
	return "", badRequest("BadFormat", "Format %q is none of convex_encoded_json, json, export_json", *format)
}

// recode writes a value, given as convex_encoded_json, in a format.
func (f valueFormat) recode(text []byte) (json.RawMessage, error) {
	if f == formatEncoded {
		return text, nil
	}
	v, err := value.Decode(text)
	if err != nil {
		return nil, err
	}
	if f == formatExport {
		return value.AppendExport(nil, v), nil
	}
	return value.AppendClean(nil, v), nil
}

// functionAnswer is the answer of 2.3.
type functionAnswer struct {
	Status       string          `json:"status"`
	Value        json.RawMessage `json:"value,omitempty"`
	ErrorMessage string          `json:"errorMessage,omitempty"`
	ErrorData    json.RawMessage `json:"errorData,omitempty"`
	LogLines     []string        `json:"logLines,omitempty"`
}

func (f valueFormat) answer(resp Response) (functionAnswer, error) {
	a := functionAnswer{Status: "success", LogLines: lineTexts(resp.Log)}
	var err error
	if resp.Err == nil {
		a.Value, err = f.recode([]byte(resp.Value))
		return a, err
	}
	a.Status, a.ErrorMessage = "error", clientError(resp)
	if resp.Err.Data != nil {
		a.ErrorData, err = f.recode(resp.Err.Data)
	}
	return a, err
}

// clientError is a failure as clients see it, request id line first (2.3).
func clientError(resp Response) string {
	return "[Request ID: " + resp.RequestID + "] Server Error\n" + resp.Err.Message
}

// lineTexts are log lines as most clients get them (5.3).
func lineTexts(lines []FunctionLogLine) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "[" + l.Level + "] " + strings.Join(l.Messages, " ")
	}
	return out
}

// argsObject takes the arguments out of the list of one that some clients send.
func argsObject(args json.RawMessage) (string, error) {
	text := strings.TrimSpace(string(args))
	switch {
	case strings.HasPrefix(text, "{"):
		return text, nil
	case strings.HasPrefix(text, "["):
		var list []json.RawMessage
		if err := json.Unmarshal(args, &list); err != nil {
			return "", badRequest("InvalidArgs", "The arguments cannot be read: %v", err)
		}
		if len(list) == 1 && strings.HasPrefix(strings.TrimSpace(string(list[0])), "{") {
			return string(list[0]), nil
		}
		return "", badRequest("InvalidArgs", "The arguments are a list of %d values: want one object", len(list))
	}
	return "", badRequest("InvalidArgs", "The arguments are no object")
}

// functionPath brings a path into the form "dir/mod:export".
func functionPath(path string) (string, error) {
	mod, name, has := strings.Cut(path, ":")
	mod = strings.TrimSuffix(mod, ".js")
	if !has {
		name = "default"
	}
	if mod == "" || name == "" || strings.ContainsAny(path, " \t\r\n\\") || strings.HasPrefix(mod, "/") || strings.Contains(name, ":") {
		return "", badRequest("BadConvexFunctionIdentifier", "%s is not a valid path to a Convex function. It looks like dir/module:export.", path)
	}
	return mod + ":" + name, nil
}

// requestID is the caller's own, or a new one.
func requestID(r *http.Request) string {
	if id := r.Header.Get("Convex-Request-Id"); id != "" && len(id) <= 64 {
		return id
	}
	return newRequestID()
}

func newRequestID() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// call runs one function of a client, a system function included; a query on a
// view when one is given.
func (d *Deployment) call(ctx context.Context, id identity, view *View, req Request) Response {
	req.Admin, req.Identity = id.admin, id.user
	// POST /api/function, which asks for no type, does not find them (2.1).
	isSystem := strings.HasPrefix(req.Path, systemPrefix) && req.Type != ""
	if op := d.lacks(id, req, isSystem); op != "" {
		return forbidden(req, op)
	}
	switch {
	case isSystem && view == nil:
		return d.callSystem(ctx, d.View(), req)
	case isSystem:
		return d.callSystem(ctx, view, req)
	case view != nil:
		return d.runOn(ctx, view, req)
	}
	return d.Run(ctx, req)
}

// serveCall runs a call and writes its answer.
func (d *Deployment) serveCall(w http.ResponseWriter, r *http.Request, id identity, body functionBody, typ jsrun.FunctionType, at uint64) {
	f, err := parseFormat(body.Format)
	if err != nil {
		writeError(w, err)
		return
	}
	resp, err := d.prepared(r, id, body, typ, at, nil)
	if err != nil {
		writeError(w, err)
		return
	}
	a, err := f.answer(resp)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, a)
}

func (d *Deployment) prepared(r *http.Request, id identity, body functionBody, typ jsrun.FunctionType, at uint64, view *View) (Response, error) {
	path, err := functionPath(body.Path)
	if err != nil {
		return Response{}, err
	}
	args, err := argsObject(body.Args)
	if err != nil {
		return Response{}, err
	}
	resp := d.call(withOrigin(r.Context(), r), id, view, Request{
		Component: body.ComponentPath, Path: path, Args: args, Type: typ, Caller: "HttpApi", RequestID: requestID(r), At: at,
	})
	if resp.Err != nil && resp.Err.Code == codeNotPermitted {
		return Response{}, &httpError{http.StatusForbidden, codeNotPermitted, resp.Err.Message}
	}
	return resp, nil
}

// functionHandler serves query, mutation and action, at the root only.
func (d *Deployment) functionHandler(typ jsrun.FunctionType) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, body, err := d.readCall(r)
		if err != nil {
			writeError(w, err)
			return
		}
		body.ComponentPath = ""
		d.serveCall(w, r, id, body, typ, 0)
	}
}

func (d *Deployment) readCall(r *http.Request) (identity, functionBody, error) {
	var body functionBody
	id, err := d.authenticate(r)
	if err == nil {
		err = readJSON(r, &body)
	}
	return id, body, err
}

func (d *Deployment) queryGet(w http.ResponseWriter, r *http.Request) {
	id, err := d.authenticate(r)
	if err != nil {
		writeError(w, err)
		return
	}
	q := r.URL.Query()
	body := functionBody{Path: q.Get("path"), Args: json.RawMessage(q.Get("args"))}
	if q.Has("format") {
		f := q.Get("format")
		body.Format = &f
	}
	if !json.Valid(body.Args) {
		writeError(w, badRequest("InvalidArgs", "args is not JSON"))
		return
	}
	d.serveCall(w, r, id, body, jsrun.Query, 0)
}

// anyFunction serves POST /api/function: admins only, any component, any type,
// but no system functions.
func (d *Deployment) anyFunction(w http.ResponseWriter, r *http.Request) {
	id, err := d.requireAdmin(r)
	var body functionBody
	if err == nil {
		err = readJSON(r, &body)
	}
	if err == nil {
		err = d.knownComponent(body.ComponentPath)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	d.serveCall(w, r, id, body, "", 0)
}

func (d *Deployment) knownComponent(path string) error {
	if path == "" {
		return nil
	}
	if app := d.App(); app == nil || app.Component(path) == nil {
		return badRequest("ComponentPathNotFound", "Component path '%s' not found", path)
	}
	return nil
}

// runByPath serves POST /api/run/dir/module/export.
func (d *Deployment) runByPath(w http.ResponseWriter, r *http.Request) {
	id, body, err := d.readCall(r)
	if err != nil {
		writeError(w, err)
		return
	}
	escaped := strings.TrimPrefix(r.URL.EscapedPath(), "/api/run/")
	parts := strings.Split(escaped, "/")
	for i, p := range parts {
		if parts[i], err = url.PathUnescape(p); err != nil {
			break
		}
	}
	if err != nil || len(parts) < 2 {
		writeError(w, badRequest("MissingIdentifier", "Path or function name not provided in path, e.g. /api/run/messages/list"))
		return
	}
	last := len(parts) - 1
	body.ComponentPath, body.Path = "", strings.Join(parts[:last], "/")+":"+parts[last]
	d.serveCall(w, r, id, body, "", 0)
}

// queryBatch runs queries at one timestamp.
func (d *Deployment) queryBatch(w http.ResponseWriter, r *http.Request) {
	id, err := d.authenticate(r)
	var body struct{ Queries []functionBody }
	if err == nil {
		err = readJSON(r, &body)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	view := d.View()
	results := []functionAnswer{}
	for _, q := range body.Queries {
		q.ComponentPath = ""
		f, err := parseFormat(q.Format)
		var resp Response
		if err == nil {
			resp, err = d.prepared(r, id, q, jsrun.Query, 0, view)
		}
		var a functionAnswer
		if err == nil {
			a, err = f.answer(resp)
		}
		if err != nil {
			writeError(w, err)
			return
		}
		results = append(results, a)
	}
	writeJSON(w, http.StatusOK, struct {
		Results []functionAnswer `json:"results"`
	}{results})
}

func (d *Deployment) queryTS(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		TS string `json:"ts"`
	}{encodeTS(d.View().Timestamp())})
}

func (d *Deployment) queryAtTS(w http.ResponseWriter, r *http.Request) {
	id, body, err := d.readCall(r)
	var at uint64
	if err == nil {
		at, err = decodeTS(body.TS)
	}
	if err != nil {
		writeError(w, err)
		return
	}
	body.ComponentPath = ""
	d.serveCall(w, r, id, body, jsrun.Query, at)
}

// encodeTS writes a timestamp as 4.3 does.
func encodeTS(ts uint64) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, ts))
}

func decodeTS(text string) (uint64, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != 8 {
		return 0, badRequest("InvalidTimestamp", "Timestamp %q is not base64 of 8 bytes", text)
	}
	return binary.LittleEndian.Uint64(b), nil
}

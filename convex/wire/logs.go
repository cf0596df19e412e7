package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LogPage is one answer of the function log (5.1).
type LogPage struct {
	Entries []Execution // oldest first
	Cursor  float64     // continues after the page
	Gap     bool        // entries before or among these may have been missed
}

// Execution is one entry of the function log (5.2). Its texts are cleaned of
// terminal escapes and control characters, line breaks and tabs excepted.
type Execution struct {
	Kind        string    // "Completion"; "Progress": lines of an action that still runs
	Type        string    // Query, Mutation, Action, HttpAction
	Component   string    // component path, "" root
	Function    string    // "lib:migrate"; of an HTTP action "GET /path"
	Lines       []LogLine // of an action: in its Progress entries only
	At          time.Time
	Took        time.Duration
	Error       string // whole text with its stack, never redacted; "" it succeeded
	RequestID   string // the same for every attempt
	ExecutionID string // of this attempt
	ParentID    string // execution of the action that called it; "" none
	Caller      string // SyncWorker, HttpApi, Tester, HttpEndpoint, Cron, Scheduler, Action
	Cached      bool   // answered without running
	Usage       ExecutionUsage
	OCC         *Conflict // the attempt failed on a write conflict; nil else
	WillRetry   bool      // another attempt follows by itself
}

// ExecutionUsage is what one execution read and wrote.
type ExecutionUsage struct {
	ReadDocuments, WrittenDocuments int64
	ReadBytes, WrittenBytes         int64
}

// Conflict is the write conflict of one attempt (9.3). What the deployment
// does not tell is "".
type Conflict struct {
	Table, Document string
	WriteSource     string // function that wrote in between
	Component       string
	Retry           int // attempts before this one
}

// LogLine is one line that a function logged (5.3).
type LogLine struct {
	At        time.Time
	Level     string   // DEBUG INFO LOG WARN ERROR
	Messages  []string // one per console argument, as printed by inspect; ParseInspect reads them
	Truncated bool
	Nested    bool   // logged by a function that the execution called, named by the next two
	Component string // component path, "" root
	Function  string // "migrations:addField"
}

// Text is the line without its level.
func (l LogLine) Text() string { return strings.Join(l.Messages, " ") }

const (
	logsPath = "/api/stream_function_logs"
	logKeeps = 1000 // entries that a deployment keeps (5.1): a page of as many has lost some
)

// Logs is one long poll of the function log: what came after cursor, at once,
// or the next entry, or an empty page after a minute. Cursor 0 is the whole
// history that the deployment still has.
func (c *Client) Logs(ctx context.Context, cursor float64) (LogPage, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience.poll)
	defer cancel()
	r, err := c.send(ctx, http.MethodGet, logsPath+"?cursor="+strconv.FormatFloat(cursor, 'f', -1, 64), nil)
	if err != nil {
		return LogPage{}, err
	}
	page, ok := c.readLogs(r.body, cursor)
	if !ok || r.html() {
		return LogPage{}, c.notConvex("GET "+logsPath, r)
	}
	return page, nil
}

// FollowLogs polls the function log from cursor on until ctx ends or the
// deployment refuses the key, and returns why it ended. fn gets every answer,
// empty ones too; fail gets every failure after which it tries again. Both are
// called from this goroutine.
func (c *Client) FollowLogs(ctx context.Context, cursor float64, fn func(LogPage), fail func(error)) error {
	for failures := 0; ; {
		began := time.Now()
		page, err := c.Logs(ctx, cursor)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := c.patience.logPace
		switch {
		case final(err):
			return err
		case err == nil && page.Cursor == cursor && time.Since(began) < c.patience.logPace:
			// Whoever answers at once and with nothing new would be asked again and
			// again as fast as the network goes.
			err = fmt.Errorf("GET %s on %s: it answers at once without going on; is a cache on the way?", logsPath, c.base)
			fallthrough
		case err != nil:
			fail(err)
			wait = c.patience.backoff(errorCode(err), false, failures)
			failures++
		default:
			cursor, failures = page.Cursor, 0
			fn(page)
			if len(page.Entries) == 0 {
				continue // it waited by itself
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// final reports whether a request that failed with err need not be repeated.
func final(err error) bool {
	var h *HTTPError
	if errors.As(err, &h) {
		return h.Refused()
	}
	var t *TransportError
	return err != nil && !errors.As(err, &t) // closed, or a URL that cannot be used
}

func errorCode(err error) string {
	var h *HTTPError
	if errors.As(err, &h) {
		return h.Code
	}
	return ""
}

// readLogs reads a page. Fields of a kind that is not known are left out, so
// that a newer backend's log can still be followed.
func (c *Client) readLogs(text []byte, cursor float64) (LogPage, bool) {
	var body struct {
		Entries   []json.RawMessage `json:"entries"`
		NewCursor *float64          `json:"newCursor"`
	}
	if json.Unmarshal(text, &body) != nil || body.NewCursor == nil {
		return LogPage{}, false
	}
	page := LogPage{Cursor: *body.NewCursor, Entries: make([]Execution, 0, len(body.Entries))}
	page.Gap = cursor > 0 && (len(body.Entries) >= logKeeps || page.Cursor < cursor)
	for _, raw := range body.Entries {
		e, ok := c.readExecution(raw)
		if !ok {
			page.Gap = true
			continue
		}
		page.Entries = append(page.Entries, e)
	}
	return page, true
}

// readExecution reads an entry of 5.2.
func (c *Client) readExecution(text []byte) (Execution, bool) {
	var e struct {
		Kind              string            `json:"kind"`
		UDFType           string            `json:"udfType"`
		ComponentPath     string            `json:"componentPath"`
		Identifier        string            `json:"identifier"`
		LogLines          []json.RawMessage `json:"logLines"`
		Timestamp         float64           `json:"timestamp"`
		ExecutionTime     float64           `json:"executionTime"`
		Error             string            `json:"error"`
		RequestID         string            `json:"requestId"`
		ExecutionID       string            `json:"executionId"`
		ParentExecutionID string            `json:"parentExecutionId"`
		Caller            string            `json:"caller"`
		CachedResult      bool              `json:"cachedResult"`
		WillRetry         bool              `json:"willRetry"`
		UsageStats        struct {
			ReadBytes      float64 `json:"databaseReadBytes"`
			WriteBytes     float64 `json:"databaseWriteBytes"`
			ReadDocuments  float64 `json:"databaseReadDocuments"`
			WriteDocuments float64 `json:"databaseWriteDocuments"`
		} `json:"usageStats"`
		OCC *struct {
			TableName     string  `json:"tableName"`
			DocumentID    string  `json:"documentId"`
			WriteSource   string  `json:"writeSource"`
			ComponentPath string  `json:"componentPath"`
			RetryCount    float64 `json:"retryCount"`
		} `json:"occInfo"`
	}
	if !lenient(text, &e) || e.Kind == "" {
		return Execution{}, false
	}
	out := Execution{
		Kind: c.logText(e.Kind), Type: c.logText(e.UDFType), Component: c.logText(e.ComponentPath),
		Function: c.logText(e.Identifier), At: unixSeconds(e.Timestamp), Took: seconds(e.ExecutionTime),
		Error: c.logText(e.Error), RequestID: c.logText(e.RequestID), ExecutionID: c.logText(e.ExecutionID),
		ParentID: c.logText(e.ParentExecutionID), Caller: c.logText(e.Caller), Cached: e.CachedResult, WillRetry: e.WillRetry,
		Usage: ExecutionUsage{
			ReadDocuments: whole(e.UsageStats.ReadDocuments), WrittenDocuments: whole(e.UsageStats.WriteDocuments),
			ReadBytes: whole(e.UsageStats.ReadBytes), WrittenBytes: whole(e.UsageStats.WriteBytes),
		},
	}
	if o := e.OCC; o != nil {
		out.OCC = &Conflict{
			Table: c.logText(o.TableName), Document: c.logText(o.DocumentID), WriteSource: c.logText(o.WriteSource),
			Component: c.logText(o.ComponentPath), Retry: int(whole(o.RetryCount)),
		}
	}
	for _, raw := range e.LogLines {
		if line, ok := c.readLogLine(raw, out.At); ok {
			out.Lines = append(out.Lines, line)
		}
	}
	return out, true
}

// readLogLine reads a line of 5.3, structured or as a string; at is when the
// execution was logged, for a line that has no time of its own.
func (c *Client) readLogLine(text []byte, at time.Time) (LogLine, bool) {
	var s string
	if json.Unmarshal(text, &s) == nil {
		level, message := splitLevel(s)
		return LogLine{At: at, Level: level, Messages: []string{c.logText(message)}}, true
	}
	var l struct {
		Messages      []string `json:"messages"`
		Level         string   `json:"level"`
		Timestamp     float64  `json:"timestamp"`
		IsTruncated   bool     `json:"isTruncated"`
		ComponentPath string   `json:"componentPath"`
		UDFPath       string   `json:"udfPath"`
	}
	if !lenient(text, &l) || l.Messages == nil && l.Level == "" {
		return LogLine{}, false
	}
	out := LogLine{
		At: at, Level: c.logText(l.Level), Messages: make([]string, 0, len(l.Messages)), Truncated: l.IsTruncated,
		Nested: l.UDFPath != "", Component: c.logText(l.ComponentPath),
		Function: c.logText(strings.Replace(l.UDFPath, ".js:", ":", 1)),
	}
	if l.Timestamp > 0 {
		out.At = unixSeconds(l.Timestamp / 1000)
	}
	for _, m := range l.Messages {
		out.Messages = append(out.Messages, c.logText(m))
	}
	return out, true
}

var logLevels = []string{"DEBUG", "INFO", "LOG", "WARN", "ERROR"}

// splitLevel takes "[LEVEL] " off a line.
func splitLevel(line string) (level, message string) {
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if name, message, ok := strings.Cut(rest, "] "); ok && slices.Contains(logLevels, name) {
			return name, message
		}
	}
	return "LOG", line
}

// lenient reads a JSON object and leaves out the fields whose type is not the
// expected one.
func lenient(text []byte, into any) bool {
	err := json.Unmarshal(text, into)
	var other *json.UnmarshalTypeError
	if errors.As(err, &other) {
		return other.Field != "" // "": the whole is no object
	}
	return err == nil && string(text) != "null"
}

// logText makes text of the log safe to show: without the key and without
// what a terminal would obey.
func (c *Client) logText(text string) string { return CleanText(c.redact(text)) }

// whole is the nearest count to a number of the log; what is none is 0.
func whole(f float64) int64 {
	if !(f > 0) {
		return 0
	}
	return int64(min(f, 1<<62))
}

const maxSeconds = 1 << 33 // some 270 years

func seconds(s float64) time.Duration {
	if !(s > 0) {
		return 0
	}
	return time.Duration(min(s, maxSeconds) * float64(time.Second))
}

// unixSeconds is a moment of the log; 0 is the zero time.
func unixSeconds(s float64) time.Time {
	if !(s > 0) {
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(min(s, maxSeconds) * 1e6)))
}

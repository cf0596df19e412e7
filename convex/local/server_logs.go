package local

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strait/convex/jsrun"
)

// logPoll is how long a log request waits for the next entry (5.1).
const logPoll = 60 * time.Second

// logEntry is an entry of 5.2.
type logEntry struct {
	Kind           string  `json:"kind"`
	UDFType        string  `json:"udfType"`
	ComponentPath  *string `json:"componentPath"`
	Identifier     string  `json:"identifier"`
	LogLines       []any   `json:"logLines"`
	Timestamp      float64 `json:"timestamp"`
	RequestID      string  `json:"requestId"`
	ExecutionID    string  `json:"executionId"`
	*logCompletion `json:",omitempty"`
}

// logCompletion are the fields of a Completion only.
type logCompletion struct {
	ExecutionTimestamp float64         `json:"executionTimestamp"`
	CachedResult       bool            `json:"cachedResult"`
	ExecutionTime      float64         `json:"executionTime"`
	UserExecutionTime  float64         `json:"userExecutionTime"`
	Success            json.RawMessage `json:"success"`
	Error              *string         `json:"error"`
	ParentExecutionID  *string         `json:"parentExecutionId"`
	Caller             string          `json:"caller"`
	Environment        string          `json:"environment"`
	IdentityType       string          `json:"identityType"`
	UsageStats         map[string]int  `json:"usageStats"`
	ReturnBytes        *int            `json:"returnBytes"`
	OCCInfo            *logOCC         `json:"occInfo"`
	WillRetry          bool            `json:"willRetry"`
}

type logOCC struct {
	TableName     *string `json:"tableName"`
	DocumentID    *string `json:"documentId"`
	WriteSource   *string `json:"writeSource"`
	ComponentPath *string `json:"componentPath"`
	RetryCount    int     `json:"retryCount"`
}

type logLine struct {
	Messages      []string `json:"messages"`
	Level         string   `json:"level"`
	Timestamp     float64  `json:"timestamp"`
	IsTruncated   bool     `json:"isTruncated"`
	ComponentPath *string  `json:"componentPath,omitempty"`
	UDFPath       *string  `json:"udfPath,omitempty"`
}

func (d *Deployment) streamFunctionLogs(w http.ResponseWriter, r *http.Request) {
	d.streamLogs(w, r, func(e LogEntry) bool { return true })
}

func (d *Deployment) streamExecutions(w http.ResponseWriter, r *http.Request) {
	d.streamLogs(w, r, func(e LogEntry) bool { return e.Kind == "Completion" })
}

// streamLogs answers with the entries after a cursor, or waits for the next.
func (d *Deployment) streamLogs(w http.ResponseWriter, r *http.Request, want func(LogEntry) bool) {
	if _, err := d.requireOp(r, "ViewLogs"); err != nil {
		writeError(w, err)
		return
	}
	cursor, err := strconv.ParseFloat(r.URL.Query().Get("cursor"), 64)
	if err != nil {
		writeError(w, badRequest("InvalidCursor", "cursor is not a number of milliseconds"))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), logPoll)
	defer cancel()
	stop, cancelStop := d.serving().stopping(r)
	defer cancelStop()
	defer context.AfterFunc(stop, cancel)()
	entries, err := d.Log(ctx, cursor)
	timedOut := errors.Is(ctx.Err(), context.DeadlineExceeded)
	if err != nil && !timedOut {
		writeError(w, err) // the deployment ends: 500, and the client comes back (5.1)
		return
	}
	structured := strings.HasPrefix(r.Header.Get("Convex-Client"), "npm-cli-") || strings.HasPrefix(r.Header.Get("Convex-Client"), "dashboard-")
	out := []logEntry{}
	for _, e := range entries {
		cursor = max(cursor, e.Cursor)
		if want(e) {
			out = append(out, entryJSON(e, structured))
		}
	}
	writeJSON(w, http.StatusOK, struct {
		Entries   []logEntry `json:"entries"`
		NewCursor float64    `json:"newCursor"`
	}{out, cursor})
}

func entryJSON(e LogEntry, structured bool) logEntry {
	out := logEntry{
		Kind: e.Kind, UDFType: string(e.Type), ComponentPath: orNull(e.Component), Identifier: e.Identifier,
		LogLines: []any{}, Timestamp: unixSeconds(e.Timestamp), RequestID: e.RequestID, ExecutionID: e.ExecutionID,
	}
	lines := lineTexts(e.Lines)
	for i, l := range e.Lines {
		if structured {
			out.LogLines = append(out.LogLines, structuredLine(l))
		} else {
			out.LogLines = append(out.LogLines, lines[i])
		}
	}
	if e.Kind != "Completion" {
		return out
	}
	c := &logCompletion{
		ExecutionTimestamp: unixSeconds(e.Started), ExecutionTime: e.Took.Seconds(), UserExecutionTime: e.JSTime.Seconds(),
		Error: orNull(e.Error), ParentExecutionID: orNull(e.ParentExecutionID), Caller: e.Caller, Environment: "isolate",
		IdentityType: "unknown", WillRetry: e.WillRetry, UsageStats: usageStats(e.Usage), Success: json.RawMessage("null"),
	}
	if e.Admin {
		c.IdentityType = "instance_admin"
	}
	if e.Caller == "Scheduler" {
		c.IdentityType = "system"
	}
	if e.Error == "" {
		c.ReturnBytes = &e.ReturnBytes
	}
	if e.OCC != nil {
		c.OCCInfo = &logOCC{orNull(e.OCC.Table), orNull(e.OCC.Document), orNull(e.OCC.WriteSource), orNull(e.OCC.Component), e.OCC.Retry}
	}
	if e.Type == jsrun.Action { // its lines came as Progress
		out.LogLines = []any{}
	}
	out.logCompletion = c
	return out
}

func structuredLine(l FunctionLogLine) logLine {
	out := logLine{Messages: l.Messages, Level: l.Level, Timestamp: float64(l.Time.UnixMicro()) / 1000}
	if l.UDFPath != "" {
		out.ComponentPath, out.UDFPath = &l.Component, &l.UDFPath
	}
	return out
}

// usageStats has every key of 5.2; what the embedded deployment does not have
// stays 0.
func usageStats(u Usage) map[string]int {
	return map[string]int{
		"databaseReadBytes": u.BytesRead, "databaseWriteBytes": u.BytesWritten,
		"databaseIoReadBytes": u.BytesRead, "databaseIoWriteBytes": u.BytesWritten,
		"databaseReadDocuments": u.DocumentsRead, "databaseWriteDocuments": u.DocumentsWritten,
		"storageReadBytes": 0, "storageWriteBytes": 0, "vectorIndexReadBytes": 0, "vectorIndexWriteBytes": 0,
		"textIndexQueryBytes": 0, "textIndexWriteQueryBytes": 0, "vectorIndexReadQueryBytes": 0, "vectorIndexWriteQueryBytes": 0,
		"networkEgressBytes": 0, "memoryUsedMb": 0,
	}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const completion = `{"kind":"Completion","udfType":"Mutation","componentPath":"migrations","identifier":"lib:migrate",
 "logLines":["[WARN] plain",{"messages":["'a'","{ n: 1 }"],"level":"LOG","timestamp":1700000001500,"isTruncated":true,"componentPath":"","udfPath":"migrations.js:addField"},{"messages":["\u001b[31mred\u001b[0m\u0007"],"level":"INFO","timestamp":1,"isTruncated":false}],
 "timestamp":1700000002.25,"executionTimestamp":1700000002,"cachedResult":false,"executionTime":0.25,"userExecutionTime":null,
 "success":null,"error":"Uncaught Error: no","requestId":"r","executionId":"e","parentExecutionId":"p","caller":"Action","environment":"isolate",
 "identityType":"instance_admin","usageStats":{"databaseReadBytes":10,"databaseWriteBytes":20.0,"databaseReadDocuments":3,"databaseWriteDocuments":4,"memoryUsedMb":64},
 "returnBytes":null,"occInfo":{"tableName":"t","documentId":"d","writeSource":"m:f","componentPath":null,"retryCount":2},"willRetry":true}`

func TestLogs(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != logsPath || r.URL.Query().Get("cursor") != "1700000000000.25" || r.Header.Get("Convex-Client") != "npm-cli-1.45.0" {
			t.Errorf("asked %s %v", r.URL, r.Header)
		}
		fmt.Fprintf(w, `{"entries":[%s,{"kind":"Progress","udfType":"Action","componentPath":null,"identifier":"m:act","timestamp":"soon","logLines":[7],"requestId":"r","executionId":"e"},5],"newCursor":1700000002250.5}`, completion)
	})
	got, err := c.Logs(t.Context(), 1700000000000.25)
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1700000002250)
	want := LogPage{Cursor: 1700000002250.5, Gap: true, Entries: []Execution{{
		Kind: "Completion", Type: "Mutation", Component: "migrations", Function: "lib:migrate", At: at, Took: 250 * time.Millisecond,
		Lines: []LogLine{
			{At: at, Level: "WARN", Messages: []string{"plain"}},
			{At: time.UnixMilli(1700000001500), Level: "LOG", Messages: []string{"'a'", "{ n: 1 }"}, Truncated: true, Nested: true, Function: "migrations:addField"},
			{At: time.UnixMilli(1), Level: "INFO", Messages: []string{"red\uFFFD"}},
		},
		Error: "Uncaught Error: no", RequestID: "r", ExecutionID: "e", ParentID: "p", Caller: "Action",
		Usage:     ExecutionUsage{ReadDocuments: 3, WrittenDocuments: 4, ReadBytes: 10, WrittenBytes: 20},
		OCC:       &Conflict{Table: "t", Document: "d", WriteSource: "m:f", Retry: 2},
		WillRetry: true,
	}, {Kind: "Progress", Type: "Action", Function: "m:act", RequestID: "r", ExecutionID: "e"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if tr := c.Traffic(); tr.Read < 900 {
		t.Errorf("traffic: %+v", tr)
	}
}

func TestLogsGap(t *testing.T) {
	for name, test := range map[string]struct {
		cursor  float64
		entries int
		next    float64
		gap     bool
	}{
		"nothing":        {5, 0, 5, false},
		"some":           {5, 999, 6, false},
		"full":           {5, 1000, 6, true},
		"full history":   {0, 1000, 6, false},
		"time went back": {5, 1, 4, true},
	} {
		entries := strings.TrimSuffix(strings.Repeat(`{"kind":"Completion"},`, test.entries), ",")
		c := serve(t, answerWith(200, "application/json", fmt.Sprintf(`{"entries":[%s],"newCursor":%v}`, entries, test.next)))
		if page, err := c.Logs(t.Context(), test.cursor); err != nil || page.Gap != test.gap || len(page.Entries) != test.entries || page.Cursor != test.next {
			t.Errorf("%s: gap %v, %d entries, cursor %v, %v", name, page.Gap, len(page.Entries), page.Cursor, err)
		}
	}
}

// A poll that waits ends with its context, at once.
func TestLogsEndWithContext(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		asked := make(chan struct{})
		f.mux.HandleFunc(logsPath, func(w http.ResponseWriter, r *http.Request) { close(asked); <-r.Context().Done() })
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		began := time.Now()
		if _, err := c.Logs(ctx, 0); !errors.Is(err, context.Canceled) || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Following goes on from the newest cursor through failures, more slowly the
// more there are, and ends when the key is refused.
func TestFollowLogs(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake, c *Client) {
		var polls atomic.Int64
		var cursors []string
		f.mux.HandleFunc(logsPath, func(w http.ResponseWriter, r *http.Request) {
			cursors = append(cursors, r.URL.Query().Get("cursor"))
			switch n := polls.Add(1); {
			case n == 1:
				io.WriteString(w, `{"entries":[{"kind":"Completion"}],"newCursor":7}`)
			case n == 2: // a quiet minute
				time.Sleep(time.Minute)
				io.WriteString(w, `{"entries":[],"newCursor":7}`)
			case n < 9:
				answerWith(503, "text/html", "<html>")(w, r)
			case n == 9: // time went back
				io.WriteString(w, `{"entries":[],"newCursor":3}`)
			case n < 12: // a cache on the way
				io.WriteString(w, `{"entries":[],"newCursor":3}`)
			default:
				answerWith(403, "application/json", `{"code":"BadDeployKey","message":"no"}`)(w, r)
			}
		})
		var pages []LogPage
		var failures []error
		began := time.Now()
		err := c.FollowLogs(t.Context(), 0, func(p LogPage) { pages = append(pages, p) }, func(err error) { failures = append(failures, err) })
		var h *HTTPError
		if !errors.As(err, &h) || !h.Refused() {
			t.Errorf("ended with %v", err)
		}
		if got := strings.Join(cursors, " "); got != "0 7 7 7 7 7 7 7 7 3 3 3" {
			t.Errorf("cursors: %s", got)
		}
		if len(pages) != 3 || len(pages[0].Entries) != 1 || pages[1].Gap || !pages[2].Gap {
			t.Errorf("pages: %+v", pages)
		}
		if len(failures) != 8 || !strings.Contains(failures[0].Error(), "web page") || !strings.Contains(failures[7].Error(), "is a cache on the way?") {
			t.Errorf("failures: %v", failures)
		}
		// 1 + 2 + 4 + 8 + 16 + 16 and 1 + 2 seconds, ±50 %, and the quiet minute.
		if took := time.Since(began); took < 85*time.Second || took > 138*time.Second {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
	})
}

func TestCleanText(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                                "plain",
		"two\nlines\tand é 🚢":                  "two\nlines\tand é 🚢",
		"\x1b[1;31mred\x1b[0m":                 "red",
		"\u009b31mred":                         "red",
		"\x1b]0;title\a after":                 " after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\a": "link",
		"\x1b]52;c;never ended\nnext":          "\nnext",
		"\x1bPq#0\x1b\\x":                      "x",
		"\x1b(0qq\x1b(B":                       "qq",
		"\x1bc":                                "",
		"end\x1b":                              "end",
		"end\x1b[":                             "end",
		"a\r\nb\x00\x7f\b":                     "a\nb\uFFFD\uFFFD\uFFFD",
		"bad \xff utf8":                        "bad \uFFFD utf8",
		"\x1b\nx":                              "\nx",
		"\x1b\u00e9":                           "é",
	} {
		if got := CleanText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := CleanText(want); got != want {
			t.Errorf("%q is not left as it is: %q", want, got)
		}
	}
}

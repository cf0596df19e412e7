package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"strait/model/value"
)

// safe fails when text holds the key or what a terminal would obey.
func safe(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "0123456789abcdef") {
		t.Fatalf("%q holds the key", text)
	}
	if CleanText(text) != text {
		t.Fatalf("%q is not clean", text)
	}
}

// FuzzSession feeds a session what a deployment may send, one message a line:
// it never panics, what it does not understand ends the connection with an
// error, the next connection goes on from there, and when the session ends
// everybody has an answer.
func FuzzSession(f *testing.F) {
	first := transition(stateVersion{}, version(1, 10), updated(0, `{"n":1}`))
	for _, lines := range [][]string{
		{first, ran(0, `"x"`, 10)},
		{first, ran(0, `"x"`, 20), transition(version(1, 10), version(1, 20), updated(0, `{"$integer":"BQAAAAAAAAA="}`))},
		{first, ran(0, `"x"`, 20), first, first, first, first},
		{`{"type":"TransitionChunk","chunk":"{\"type\":","partNumber":0,"totalParts":2,"transitionId":"a"}`, `{"type":"Ping"}`,
			`{"type":"TransitionChunk","chunk":"\"Transition\"}","partNumber":1,"totalParts":2,"transitionId":"a"}`},
		{`{"type":"MutationResponse","requestId":0,"success":false,"result":"no","errorData":{"$integer":"x"},"logLines":[{"messages":["a"],"level":"LOG"}]}`, `{"type":"Ping"}`},
		{`{"type":"ActionResponse","requestId":1,"success":true,"result":{"$bytes":"AA=="},"logLines":["[LOG] 'a'",5]}`, `{"type":"ActionResponse","requestId":0,"success":true}`},
		{first, `{"type":"AuthError","error":"test-deployment|0123456789abcdef no","baseVersion":1,"authUpdateAttempted":false}`, first, `{"type":"FatalError","error":""}`},
		{`{"type":"AuthError","error":"no","baseVersion":null}`},
		{transition(stateVersion{}, version(1, 10), `{"type":"QueryFailed","queryId":0,"errorMessage":"x","logLines":null}`, `{"type":"QueryRemoved","queryId":1}`), `{}`},
		{first, transition(version(1, 10), version(1, 11), `{"type":"QueryMelted","queryId":0}`, updated(1, "2"), updated(99, "3"))},
		{`{"type":"Weather","modifications":7}`, `5`, `null`, `[]`, `"`},
	} {
		f.Add([]byte(strings.Join(lines, "\n")))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		c := New(Options{URL: "http://fake.test", AdminKey: testKey})
		s := newSession(c)
		for _, path := range []string{"m:q", "m:r"} {
			box := newMailbox(func(o *outcome) { o.update() })
			defer box.stop()
			s.subscribe(queryKey{path: path, args: "{}"}, box)
		}
		var requests []*pendingRequest
		for _, typ := range []string{"Mutation", "Action", "Mutation"} {
			p := &pendingRequest{message: requestMessage{Type: typ, UDFPath: "m:f"}, done: make(chan struct{})}
			requests = append(requests, p)
			if err := s.enqueue(p); err != nil {
				t.Fatal(err)
			}
		}
		conn := s.open(nil)
		for text := range bytes.SplitSeq(stream, []byte("\n")) {
			var end *connectionEnd
			m, err := parseMessage(text)
			if err != nil {
				end = s.ended(t.Context(), err)
			} else {
				end = s.handle(conn, m)
			}
			if end == nil {
				continue
			}
			if end.err == nil || end.err.Error() == "" || end.reason == "" {
				t.Fatalf("ended without a reason: %+v", end)
			}
			safe(t, end.err.Error())
			delay, over := s.afterwards(end, 0)
			if over {
				break
			}
			if delay <= 0 || delay > 24*time.Second {
				t.Fatalf("the next attempt comes after %v", delay)
			}
			conn = s.open(nil)
		}
		s.mu.Lock()
		s.end(ErrClosed)
		s.mu.Unlock()
		for _, p := range requests {
			<-p.done
			if p.err != nil && p.err.Error() == "" {
				t.Fatal("a request failed without a reason")
			}
		}
	})
}

// FuzzLogs reads what may come as a page of the log: the texts are safe to
// show and the moments are moments.
func FuzzLogs(f *testing.F) {
	f.Add([]byte(`{"entries":[`+completion+`],"newCursor":1700000002250.5}`), 1700000000000.0)
	f.Add([]byte(`{"entries":[{"kind":"Progress","logLines":["[ERROR] a\u001b[2J","[NO] b",{"messages":["x","0123456789abcdef"],"level":"LOG","timestamp":-1e300}]}],"newCursor":-5}`), 0.0)
	f.Add([]byte(`{"entries":[{"kind":"Completion","timestamp":1e308,"executionTime":-1,"usageStats":{"databaseReadBytes":1e99},"occInfo":{"retryCount":1e30}}],"newCursor":1}`), 1.0)
	f.Add([]byte(`{"entries":null,"newCursor":null}`), 1.0)
	f.Fuzz(func(t *testing.T, text []byte, cursor float64) {
		c := New(Options{URL: "http://fake.test", AdminKey: testKey})
		page, ok := c.readLogs(text, cursor)
		if !ok {
			return
		}
		for _, e := range page.Entries {
			for _, s := range []string{e.Kind, e.Type, e.Component, e.Function, e.Error, e.RequestID, e.ExecutionID, e.ParentID, e.Caller} {
				safe(t, s)
			}
			if e.OCC != nil {
				safe(t, e.OCC.Table+e.OCC.Document+e.OCC.WriteSource+e.OCC.Component)
				if e.OCC.Retry < 0 {
					t.Fatalf("%+v", e.OCC)
				}
			}
			if e.Kind == "" || e.Took < 0 || e.At.Year() > 2400 || min(e.Usage.ReadBytes, e.Usage.WrittenBytes, e.Usage.ReadDocuments, e.Usage.WrittenDocuments) < 0 {
				t.Fatalf("%+v", e)
			}
			for _, l := range e.Lines {
				safe(t, l.Level)
				safe(t, l.Component)
				safe(t, l.Function)
				for _, m := range l.Messages {
					safe(t, m)
				}
				if l.At.Year() > 2400 {
					t.Fatalf("%+v", l)
				}
			}
		}
	})
}

// FuzzAnswer reads what may come in answer to a call over HTTP: a result, or
// an error that says something and is safe to show.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"status":"success","value":{"$integer":"BQAAAAAAAAA="},"logLines":["[LOG] 'a'",{"messages":["b"],"level":"WARN"},7]}`))
	f.Add(200, "application/json", []byte(`{"status":"error","errorMessage":"[Request ID: x] Server Error","errorData":{"$bytes":"!"}}`))
	f.Add(560, "", []byte(`{"status":"error"}`))
	f.Add(401, "application/json", []byte(`{"code":"BadAdminKey","message":"test-deployment|0123456789abcdef\u001b[2J"}`))
	f.Add(502, "text/html", []byte("<html>\x1b]0;x\a"))
	f.Add(503, "text/plain", []byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		c := New(Options{URL: "http://fake.test", AdminKey: testKey})
		r := response{status: status, contentType: contentType, body: body, requestID: "id"}
		var function *FunctionError
		result, err := c.result("POST /api/function", r)
		if errors.As(err, &function) {
			if !strings.Contains(err.Error(), "[Request ID: ") {
				t.Fatalf("%v names no request", err)
			}
		} else if err != nil {
			safe(t, err.Error())
		} else if result.RequestID == "" {
			t.Fatalf("%+v", result)
		}
		for _, err := range []error{c.refused("POST /api/function", r), c.notConvex("GET /", r)} {
			if err.Error() == "" {
				t.Fatal("no error text")
			}
			safe(t, err.Error())
		}
	})
}

// answering is an HTTP client that gets one value in answer to everything.
type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"status":"success","value":` + string(a) + `}`))}, nil
}

// FuzzSystemValues gives every typed helper a value of any shape: what it does
// not understand is an error that says so.
func FuzzSystemValues(f *testing.F) {
	for _, text := range []string{
		`[{"id":"x","name":"n","path":"a/b","state":"active"}]`,
		`{"active":"{\"tables\":[],\"schemaValidation\":true}","inProgress":null}`,
		`{"active":"{"}`,
		`{"numDocsValidated":5,"totalDocs":null}`,
		`{"page":[{"name":"t"}],"isDone":false,"continueCursor":"c"}`,
		`{"10001":"t","x":"y"}`,
		`{"$integer":"BQAAAAAAAAA="}`,
		`[{"functionType":"Query","identifier":"m.js:f","visibility":{"kind":"public"},"args":"{\"type\":\"any\"}","returns":{"type":"null"}},{"functionType":"HttpAction","method":"GET","path":"/x"},5]`,
		`[{"name":"m:a","processed":1e300,"isDone":true,"state":"success","latestStart":1700000000000,"next":["m:b",5]}]`,
		`[{"name":""}]`, `null`, `[null]`, `"0123456789abcdef"`, `{"page":5}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decode([]byte(text))
		if err != nil {
			return
		}
		c := New(Options{URL: "http://fake.test", AdminKey: testKey, HTTP: &http.Client{Transport: answering(text)}})
		ctx := t.Context()
		check := func(err error) {
			if err != nil && (err.Error() == "" || strings.Contains(err.Error(), "0123456789abcdef")) {
				t.Fatalf("error %q", err)
			}
		}
		_, err = c.Components(ctx)
		check(err)
		_, err = c.Schemas(ctx, "")
		check(err)
		_, err = c.Tables(ctx, "")
		check(err)
		_, err = c.TableSize(ctx, "", "t")
		check(err)
		_, err = c.TableMapping(ctx, "")
		check(err)
		_, err = c.APISpec(ctx, "")
		check(err)
		_, err = c.MigrationStatuses(ctx, "", nil)
		check(err)
		page, err := c.TableData(ctx, "", "t", "asc", "", 5)
		check(err)
		for _, doc := range page.Documents {
			value.Append(nil, doc)
		}
		_, _ = ReadMigrationStatus(v)
	})
}

func FuzzCleanText(f *testing.F) {
	for _, text := range []string{"plain", "\x1b[31mred\x1b[0m", "\u009b1m", "\x1b]0;x\x1b\\y", "\x1b(B", "a\x1b", "\xff\x1b[", "\x1b\x1b[[31mm", "\u0090x\u009c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := CleanText(text)
		if !utf8.ValidString(got) || CleanText(got) != got || len(got) > 3*len(text) {
			t.Fatalf("%q becomes %q", text, got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && (r < 0x20 || r >= 0x7f && r < 0xa0) {
				t.Fatalf("%q becomes %q", text, got)
			}
		}
	})
}

package local_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"strait/convex/local"
	"strait/model/value"
)

// ask sends one request to a deployment's handler.
func ask(d *local.Deployment, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	return w
}

func TestHTTPAnswers(t *testing.T) {
	d := deploy(t, nil)
	admin := []string{"Authorization", "Convex " + d.AdminKey()}
	prod := []string{"Authorization", "convex prod:" + d.AdminKey()}
	acting := []string{"Authorization", "Convex " + d.AdminKey() + ":" + base64.StdEncoding.EncodeToString([]byte(`{"subject":"me","issuer":"x","tokenIdentifier":"x|me"}`))}
	if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "a")}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name         string
		method, path string
		body         string
		header       []string
		status       int
		want         string // the whole body, or a part when it starts with …
	}{
		{"version", "GET", "/version", "", nil, 200, "strait-embedded"},
		{"instance name", "GET", "/instance_name", "", nil, 200, "fixture"},
		{"banner", "GET", "/", "", nil, 200, "…for rehearsal, demos and tests"},
		{"echo", "POST", "/echo", "abc", nil, 200, "abc"},
		{"unknown route", "GET", "/api/nothing", "", nil, 404, `…{"code":"NotFound","message":"No such route`},
		{"route of Convex", "GET", "/api/v1/list_usage_limits", "", nil, 400, `…{"code":"NotSupported","message":"Strait's embedded deployment`},
		{"two parts", "POST", "/api/storage/upload", "", nil, 400, `…"code":"NotSupported"`},
		{"metrics", "GET", "/api/app_metrics/udf_rate", "", nil, 400, `…"code":"NotSupported"`},
		{"like a route of Convex", "GET", "/api/v1/list_usage_limits_of", "", nil, 404, `…"code":"NotFound"`},

		{"query", "POST", "/api/query", `{"path":"notes:list","args":{},"format":"json"}`, nil, 200, `{"status":"success","value":["a"]}`},
		{"query with a list of arguments", "POST", "/api/query", `{"path":"notes:list","args":[{}]}`, nil, 200, `{"status":"success","value":["a"]}`},
		{"query by GET", "GET", "/api/query?path=notes:echo&format=json&args=" + url.QueryEscape(`{"x":{"$integer":"BQAAAAAAAAA="}}`), "", nil, 200, `{"status":"success","value":"5"}`},
		{"clean", "POST", "/api/query", `{"path":"notes:odd","args":{},"format":"json"}`, nil, 200, `{"status":"success","value":{"big":"5","bytes":"AQI=","f":1,"inf":"Infinity","s":"é"}}`},
		{"encoded", "POST", "/api/query", `{"path":"notes:odd","args":{},"format":"convex_encoded_json"}`, nil, 200, `…"big":{"$integer":"BQAAAAAAAAA="},"bytes":{"$bytes":"AQI="}`},
		{"export", "POST", "/api/query", `{"path":"notes:odd","args":{},"format":"export_json"}`, nil, 200, `{"status":"success","value":{"big":5,"bytes":{"$bytes":"AQI="},"f":1.0,"inf":{"$float":"AAAAAAAA8H8="},"s":"é"}}`},
		{"bad format", "POST", "/api/query", `{"path":"notes:odd","args":{},"format":"xml"}`, nil, 400, `…"code":"BadFormat"`},
		{"bad path", "POST", "/api/query", `{"path":"a b","args":{}}`, nil, 400, `…"code":"BadConvexFunctionIdentifier","message":"a b is not a valid path`},
		{"two arguments", "POST", "/api/query", `{"path":"notes:list","args":[{},{}]}`, nil, 400, `…"code":"InvalidArgs"`},
		{"no JSON", "POST", "/api/query", `{`, nil, 400, `…"code":"BadJsonBody"`},
		{"thrown", "POST", "/api/query", `{"path":"notes:boom","args":{}}`, nil, 200, `…{"status":"error","errorMessage":"[Request ID: `},
		{"thrown text", "POST", "/api/query", `{"path":"notes:boom","args":{}}`, []string{"Convex-Request-Id", "mine"}, 200, `…"[Request ID: mine] Server Error\nUncaught Error: boom\n    at handler (../convex/notes.ts:`},
		{"thrown log", "POST", "/api/query", `{"path":"notes:boom","args":{}}`, nil, 200, `…"logLines":["[WARN] 'careful'"]`},
		{"data of an error", "POST", "/api/mutation", `{"path":"notes:refuse","args":{},"format":"convex_encoded_json"}`, nil, 200, `…"errorData":{"code":7`},
		{"wrong type", "POST", "/api/query", `{"path":"notes:add","args":{"text":"b"}}`, nil, 200, `…Trying to execute notes.js:add as Query, but it is defined as Mutation.`},
		{"wrong arguments", "POST", "/api/mutation", `{"path":"notes:add","args":{"text":5}}`, nil, 200, `…ArgumentValidationError: Value does not match validator.`},
		{"internal", "POST", "/api/query", `{"path":"notes:secret","args":{}}`, nil, 200, `…Could not find public function for 'notes:secret'.`},
		{"internal by admin", "POST", "/api/query", `{"path":"notes:secret","args":{}}`, admin, 200, `{"status":"success","value":42}`},
		{"typed key", "POST", "/api/query", `{"path":"notes:secret","args":{}}`, prod, 200, `{"status":"success","value":42}`},
		{"acting", "POST", "/api/query", `{"path":"notes:who","args":{}}`, acting, 200, `{"status":"success","value":"me"}`},
		{"acting is no admin", "POST", "/api/query", `{"path":"notes:secret","args":{}}`, acting, 200, `…Could not find public function`},
		{"system by nobody", "POST", "/api/query", `{"path":"_system/cli/tables","args":{"paginationOpts":{"cursor":null,"numItems":10}}}`, nil, 200, `…Could not find public function`},
		{"system", "POST", "/api/query", `{"path":"_system/cli/tables:default","args":{"paginationOpts":{"cursor":null,"numItems":10}}}`, admin, 200, `{"status":"success","value":{"continueCursor":"end","isDone":true,"page":[{"name":"notes"},{"name":"other"}]}}`},
		{"system without an argument", "POST", "/api/query", `{"path":"_system/cli/tableSize","args":{}}`, admin, 200, "…ArgumentValidationError: Object is missing the required field `tableName`"},
		{"action", "POST", "/api/action", `{"path":"notes:twice","args":{"text":"z"}}`, nil, 200, `{"status":"success","value":42}`},

		{"function", "POST", "/api/function", `{"path":"notes:secret","args":{}}`, admin, 200, `{"status":"success","value":42}`},
		{"function of a component", "POST", "/api/function", `{"componentPath":"migrations","path":"lib:getStatus","args":{}}`, admin, 200, `{"status":"success","value":[]}`},
		{"function of no component", "POST", "/api/function", `{"componentPath":"nowhere","path":"lib:getStatus","args":{}}`, admin, 400, `{"code":"ComponentPathNotFound","message":"Component path 'nowhere' not found"}`},
		{"missing function", "POST", "/api/function", `{"path":"notes:nope","args":{}}`, admin, 200, "…Could not find function for 'notes:nope'. Did you forget to run `npx convex dev`?"},
		{"function by nobody", "POST", "/api/function", `{"path":"notes:secret","args":{}}`, nil, 403, `…{"code":"BadDeployKey","message":"The provided deploy key was invalid for deployment 'fixture'.`},
		{"run", "POST", "/api/run/notes/list", `{"args":{}}`, nil, 200, `…"status":"success"`},
		{"run nothing", "POST", "/api/run/notes", `{"args":{}}`, nil, 400, `…"code":"MissingIdentifier"`},

		{"key", "GET", "/api/check_admin_key", "", admin, 200, `…{"success":true,"allowedOps":["Deploy",`},
		{"wrong key", "GET", "/api/check_admin_key", "", []string{"Authorization", "Convex fixture|wrong"}, 401, `{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}`},
		{"no key", "GET", "/api/check_admin_key", "", nil, 403, `…"code":"BadDeployKey"`},
		{"token", "POST", "/api/query", `{"path":"notes:list","args":{}}`, []string{"Authorization", "Bearer a.b.c"}, 401, `…"code":"NoAuthProvider"`},
		{"bad scheme", "POST", "/api/query", `{"path":"notes:list","args":{}}`, []string{"Authorization", "Basic abc"}, 400, `…"code":"InvalidHeaderFailure"`},
		{"bad client", "GET", "/version", "", []string{"Convex-Client", "nonsense"}, 400, `…"code":"InvalidClientVersion"`},
		{"too large", "POST", "/api/query", strings.Repeat("x", 17<<20), nil, 413, `…"code":"RequestTooLarge"`},
		{"logs by nobody", "GET", "/api/stream_function_logs?cursor=0", "", nil, 403, `…BadDeployKey`},
		{"logs without a cursor", "GET", "/api/stream_function_logs", "", admin, 400, `…InvalidCursor`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := ask(d, test.method, test.path, test.body, test.header...)
			got := w.Body.String()
			part, isPart := strings.CutPrefix(test.want, "…")
			if w.Code != test.status || isPart && !strings.Contains(got, part) || !isPart && got != test.want {
				t.Errorf("status %d: %s\nwant %d: %s", w.Code, got, test.status, test.want)
			}
		})
	}
}

func TestHTTPBatchIsOneMoment(t *testing.T) {
	d := deploy(t, nil)
	w := ask(d, "POST", "/api/query_ts", "")
	var then struct{ TS string }
	if err := json.Unmarshal(w.Body.Bytes(), &then); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "a")}); err != nil {
		t.Fatal(err)
	}
	w = ask(d, "POST", "/api/query_batch", `{"queries":[{"path":"notes:list","args":{}},{"path":"notes:boom","args":{}},{"path":"notes:echo","args":[{"x":"y"}]}]}`)
	var batch struct {
		Results []struct {
			Status string
			Value  any
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &batch); err != nil || len(batch.Results) != 3 {
		t.Fatalf("%s, %v", w.Body, err)
	}
	if fmt.Sprint(batch.Results) != "[{success [a]} {error <nil>} {success y}]" {
		t.Errorf("batch: %v", batch.Results)
	}
	w = ask(d, "POST", "/api/query_at_ts", fmt.Sprintf(`{"path":"notes:list","args":{},"ts":%q}`, then.TS))
	if got := w.Body.String(); got != `{"status":"success","value":[]}` {
		t.Errorf("at the time before: %s", got)
	}
	w = ask(d, "POST", "/api/query_at_ts", `{"path":"notes:list","args":{},"ts":"x"}`)
	if w.Code != 400 {
		t.Errorf("bad timestamp: %d %s", w.Code, w.Body)
	}
}

func TestHTTPBrowsers(t *testing.T) {
	d := deploy(t, nil)
	w := ask(d, "OPTIONS", "/api/query", "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,convex-client")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" ||
		w.Header().Get("Access-Control-Allow-Headers") != "content-type,convex-client" || !strings.Contains(w.Header().Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	w = ask(d, "POST", "/api/query", `{"path":"notes:list","args":{}}`, "Origin", "https://app.example")
	if w.Header().Get("Access-Control-Allow-Origin") != "https://app.example" {
		t.Errorf("answer: %v", w.Header())
	}
	if w.Header().Get("Access-Control-Allow-Credentials") != "" {
		t.Error("credentials are allowed: nothing here needs a cookie")
	}
}

func TestHTTPCompression(t *testing.T) {
	d := deploy(t, nil)
	var body bytes.Buffer
	zw := gzip.NewWriter(&body)
	io.WriteString(zw, `{"path":"notes:large","args":{"n":10000}}`)
	zw.Close()
	w := ask(d, "POST", "/api/query", body.String(), "Content-Encoding", "gzip", "Accept-Encoding", "gzip")
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("answer: %v", w.Header())
	}
	zr, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zr)
	if want := `{"status":"success","value":"` + strings.Repeat("é", 10000) + `0"}`; err != nil || string(text) != want {
		t.Errorf("answer of %d bytes, %v", len(text), err)
	}
	// A small body that unpacks to a huge one.
	body.Reset()
	zw = gzip.NewWriter(&body)
	io.CopyN(zw, zeros{}, 64<<20)
	zw.Close()
	if w := ask(d, "POST", "/api/query", body.String(), "Content-Encoding", "gzip"); w.Code != 413 {
		t.Errorf("bomb: %d %.100s", w.Code, w.Body)
	}
	body.Reset()
	bw := brotli.NewWriter(&body)
	io.WriteString(bw, `{"path":"notes:count","args":{}}`)
	bw.Close()
	if w := ask(d, "POST", "/api/query", body.String(), "Content-Encoding", "br"); w.Code != 200 || !strings.Contains(w.Body.String(), "success") {
		t.Errorf("brotli: %d %s", w.Code, w.Body)
	}
	body.Reset()
	bw = brotli.NewWriter(&body)
	io.CopyN(bw, zeros{}, 64<<20)
	bw.Close()
	if w := ask(d, "POST", "/api/query", body.String(), "Content-Encoding", "br"); w.Code != 413 {
		t.Errorf("brotli bomb: %d %.100s", w.Code, w.Body)
	}
	if w := ask(d, "POST", "/api/query", "{}", "Content-Encoding", "zstd"); w.Code != 415 {
		t.Errorf("zstd: %d", w.Code)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// Log entries have the shape of 5.2, lines structured for the CLI only.
func TestHTTPLogs(t *testing.T) {
	d := deploy(t, nil)
	ask(d, "POST", "/api/mutation", `{"path":"notes:add","args":{"text":"it's"}}`, "Convex-Request-Id", "mine")
	ask(d, "POST", "/api/query", `{"path":"notes:boom","args":{}}`)
	read := func(client string) []map[string]any {
		w := ask(d, "GET", "/api/stream_function_logs?cursor=0", "", "Authorization", "Convex "+d.AdminKey(), "Convex-Client", client)
		var body struct {
			Entries   []map[string]any
			NewCursor float64
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.NewCursor <= 0 || len(body.Entries) != 2 {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return body.Entries
	}
	cli := read("npm-cli-1.45.0")
	e := cli[0]
	if e["kind"] != "Completion" || e["udfType"] != "Mutation" || e["identifier"] != "notes:add" || e["componentPath"] != nil ||
		e["requestId"] != "mine" || e["caller"] != "HttpApi" || e["error"] != nil || e["willRetry"] != false {
		t.Errorf("entry: %v", e)
	}
	if usage := e["usageStats"].(map[string]any); usage["databaseWriteDocuments"] != 1.0 || len(usage) != 16 {
		t.Errorf("usage: %v", usage)
	}
	line := e["logLines"].([]any)[0].(map[string]any)
	if line["level"] != "LOG" || fmt.Sprint(line["messages"]) != `['adding' 'it\'s']` || line["isTruncated"] != false {
		t.Errorf("line: %v", line)
	}
	if text := cli[1]["error"].(string); !strings.HasPrefix(text, "Uncaught Error: boom\n    at ") {
		t.Errorf("error: %q", text)
	}
	if line := read("npm-1.45.0")[0]["logLines"].([]any)[0]; line != `[LOG] 'adding' 'it\'s'` {
		t.Errorf("line: %v", line)
	}
}

// Serve ends with its context, and with it what is connected.
func TestServe(t *testing.T) {
	d := deploy(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx, ln) }()
	resp, err := http.Get("http://" + ln.Addr().String() + "/instance_name")
	if err != nil {
		t.Fatal(err)
	}
	name, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(name) != "fixture" {
		t.Errorf("name: %q", name)
	}
	inMemory := hello(t, d, "s", "")
	overTCP := dialTCP(t, ln.Addr().String())
	cancel()
	if err := next(t, served); err != nil {
		t.Errorf("serve: %v", err)
	}
	if c := overTCP.expectClose(); c.Reason != "ServerClosing" {
		t.Errorf("close: %+v", c)
	}
	inMemory.query(0, add(0, "notes:count", "{}")) // the deployment itself goes on
	inMemory.expect("Transition")
}

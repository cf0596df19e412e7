package local_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/local"
)

// guarded is every admin's route with the operation that Convex's backend asks
// of its key (convex-wire.md 2.6; its local_backend crate).
var guarded = []struct{ method, path, op string }{
	{"GET", "/api/shapes2", "ViewData"},
	{"GET", "/api/get_indexes", "ViewData"},
	{"POST", "/api/cancel_job", "WriteData"},
	{"POST", "/api/cancel_all_jobs", "WriteData"},
	{"POST", "/api/run_test_function", "RunTestQuery"},
	{"GET", "/api/stream_function_logs?cursor=0", "ViewLogs"},
	{"GET", "/api/stream_udf_execution?cursor=0", "ViewLogs"},
	{"POST", "/api/prepare_schema", "Deploy"},
	{"GET", "/api/schema_state/x", "Deploy"},
	{"POST", "/api/get_config", "Deploy"},
	{"POST", "/api/get_config_hashes", "Deploy"},
	{"POST", "/api/deploy2/evaluate_schema", "Deploy"},
	{"POST", "/api/deploy2/evaluate_push", "Deploy"},
	{"POST", "/api/deploy2/start_push", "Deploy"},
	{"POST", "/api/deploy2/wait_for_schema", "Deploy"},
	{"POST", "/api/deploy2/finish_push", "Deploy"},
	{"POST", "/api/deploy2/report_push_completed", "Deploy"},
	{"POST", "/api/export/request/zip", "CreateBackups"},
	{"GET", "/api/export/zip/1", "DownloadBackups"},
	{"POST", "/api/export/set_expiration/1", "DeleteBackups"},
	{"POST", "/api/export/cancel/1", "ImportBackups"},
	{"POST", "/api/import/start_upload", "ImportBackups"},
	{"POST", "/api/import/upload_part", "ImportBackups"},
	{"POST", "/api/import/finish_upload", "ImportBackups"},
	{"POST", "/api/perform_import", "ImportBackups"},
	{"POST", "/api/cancel_import", "ImportBackups"},
}

// every operation, so that a key may lack one of them.
func operations(t testing.TB, d *local.Deployment) []string {
	t.Helper()
	access, err := dial(t, d).CheckAdminKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return access.AllowedOps
}

// keyWithout is a key that may do everything but one operation.
func keyWithout(t testing.TB, d *local.Deployment, op string) string {
	t.Helper()
	key := d.Name() + "|without-" + op
	ops := slices.DeleteFunc(operations(t, d), func(o string) bool { return o == op })
	d.AddKey(local.Key{Key: key, Ops: ops})
	return key
}

// A route is closed without a key, with a wrong one, and with one that may do
// everything but what the route is for; and no answer repeats a key.
func TestEveryAdminRouteAsksForItsOperation(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	call := func(method, path, key string) *httptest.ResponseRecorder {
		body := `{"adminKey":"` + key + `","args":{},"bundle":{"path":"testQuery.js","source":""}}`
		if key == "" {
			return ask(d, method, path, body)
		}
		return ask(d, method, path, body, "Authorization", "Convex "+key)
	}
	for _, g := range guarded {
		t.Run(g.method+" "+g.path, func(t *testing.T) {
			if w := call(g.method, g.path, ""); w.Code != http.StatusForbidden && w.Code != http.StatusUnauthorized {
				t.Errorf("without a key: %d %s", w.Code, w.Body)
			}
			wrong := d.Name() + "|wrong"
			if w := call(g.method, g.path, wrong); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "wrong") {
				t.Errorf("with a wrong key: %d %s", w.Code, w.Body)
			}
			limited := keyWithout(t, d, g.op)
			w := call(g.method, g.path, limited)
			if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "OperationNotPermitted") || !strings.Contains(w.Body.String(), "deployment:"+g.op) {
				t.Errorf("with a key that lacks %s: %d %s", g.op, w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), limited) {
				t.Errorf("the answer repeats the key: %s", w.Body)
			}
		})
	}
}

// System functions ask for the operation of what they tell (6.2).
func TestSystemFunctionsAskForTheirOperation(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	for path, op := range map[string]string{
		"_system/cli/tables":                               "ViewData",
		"_system/cli/exports:getLatest":                    "ViewBackups",
		"_system/frontend/latestExport":                    "ViewBackups",
		"_system/cli/queryImport:list":                     "ViewBackups",
		"_system/cli/queryEnvironmentVariables":            "ViewEnvironmentVariables",
		"_system/cli/queryEnvironmentVariables:get":        "ViewEnvironmentVariables",
		"_system/frontend/deploymentState:deploymentState": "",
		"_system/frontend/getVersion":                      "",
	} {
		key := keyWithout(t, d, op)
		if op == "" {
			key = d.Name() + "|nothing"
			d.AddKey(local.Key{Key: key, Ops: []string{"ViewUsage"}})
		}
		w := ask(d, "POST", "/api/query", `{"path":"`+path+`","args":{}}`, "Authorization", "Convex "+key)
		refused := strings.Contains(w.Body.String(), "deployment:"+op+")")
		if op == "" && !strings.Contains(w.Body.String(), `"status":"success"`) || op != "" && !refused {
			t.Errorf("%s with a key that lacks %q: %d %s", path, op, w.Code, w.Body)
		}
	}
}

// Only a key that may act as a user acts as one: else a read-only key would
// write by its users' functions.
func TestActingAsAUserNeedsItsOperation(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	key := keyWithout(t, d, "ActAsUser") + ":eyJzdWJqZWN0IjoibWUifQ=="
	w := ask(d, "GET", "/api/check_admin_key", "", "Authorization", "Convex "+key)
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "deployment:ActAsUser") {
		t.Errorf("over HTTP: %d %s", w.Code, w.Body)
	}
	p := hello(t, d, "acting", "")
	p.send(`{"type":"Authenticate","tokenType":"Admin","value":%q,"impersonating":{"subject":"me"},"baseVersion":0}`, keyWithout(t, d, "ActAsUser"))
	if m := p.expect("AuthError"); !strings.Contains(m.Error, "deployment:ActAsUser") {
		t.Errorf("over the WebSocket: %+v", m)
	}
}

// What a definition's export() gives may be anything: it is refused, not
// dereferenced, and nothing stays pending.
func TestDefinitionsThatExportNoObject(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"null", "5", "[]", `"x"`, "{ childComponents: 5 }", "{ envVars: [null, 5] }"} {
		d := local.New(local.Options{})
		t.Cleanup(func() { d.Close() })
		p := newPush(d, nil, esModule("a.js", "export const a = 1;"))
		p["appDefinition"].(map[string]any)["definition"] = esModule("convex.config.js", "export default { export: () => ("+text+") };")
		w := send(d, "deploy2/start_push", p)
		if refused := w.Code == http.StatusBadRequest && strings.Contains(w.Body.String(), "convex.config"); !refused && text != "{ envVars: [null, 5] }" {
			t.Errorf("%s: %d %s", text, w.Code, w.Body)
		}
	}
}

// A client that stalls in the middle of a part holds up no other upload, and
// not the end of the deployment.
func TestAStalledUploadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	d := local.New(local.Options{})
	t.Cleanup(func() { d.Close() })
	begin := func() (token string) {
		var start struct{ UploadToken string }
		if w := admin(d, "POST", "/api/import/start_upload", ""); json.Unmarshal(w.Body.Bytes(), &start) != nil || w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return start.UploadToken
	}
	body, client := io.Pipe()
	r := httptest.NewRequest("POST", "/api/import/upload_part?partNumber=1&uploadToken="+begin(), body)
	r.Header.Set("Authorization", "Convex "+d.AdminKey())
	w := httptest.NewRecorder()
	answered := make(chan struct{})
	go func() { d.Handler().ServeHTTP(w, r); close(answered) }()
	if _, err := client.Write([]byte("half")); err != nil { // it is being read now
		t.Fatal(err)
	}
	others := make(chan struct{})
	go func() {
		defer close(others)
		for range 20 { // more than are kept
			begin()
		}
	}()
	select {
	case <-others:
	case <-time.After(20 * time.Second):
		client.Close()
		t.Fatal("other uploads wait for the stalled one")
	}
	client.Close()
	<-answered
	if !strings.Contains(w.Body.String(), "InvalidUploadToken") {
		t.Errorf("a part of an upload that was dropped: %d %s", w.Code, w.Body)
	}
}

// A part counts once: else a short body would name terabytes.
func TestAPartIsNamedOnce(t *testing.T) {
	t.Parallel()
	d := local.New(local.Options{})
	t.Cleanup(func() { d.Close() })
	var start struct{ UploadToken string }
	if err := json.Unmarshal(admin(d, "POST", "/api/import/start_upload", "").Body.Bytes(), &start); err != nil {
		t.Fatal(err)
	}
	part := admin(d, "POST", "/api/import/upload_part?partNumber=1&uploadToken="+start.UploadToken, "{}").Body.String()
	w := admin(d, "POST", "/api/import/finish_upload", `{"import":{"mode":"append","format":"jsonLines","tableName":"t"},"uploadToken":"`+start.UploadToken+`","partTokens":[`+part+`,`+part+`]}`)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "Part 2") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// What the machine cannot do is told to who holds the key: to try again later
// is no way out of a full disk.
func TestAnUploadThatCannotBeKeptSaysWhy(t *testing.T) {
	d := local.New(local.Options{})
	t.Cleanup(func() { d.Close() })
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	w := admin(d, "POST", "/api/import/start_upload", "")
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "make a file for the data on its way") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

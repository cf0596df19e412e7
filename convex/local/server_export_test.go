package local_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"strait/convex/local"
	"strait/convex/snapshot"
	"strait/convex/wire"
	"strait/model/value"
)

// admin asks as an admin.
func admin(d *local.Deployment, method, path, body string) *httptest.ResponseRecorder {
	return ask(d, method, path, body, "Authorization", "Convex "+d.AdminKey())
}

// exported asks for an export, waits for its end and downloads it, all with
// our own client.
func exported(t testing.TB, c *wire.Client, o wire.ExportOptions) (wire.Export, *snapshot.Archive) {
	t.Helper()
	if err := c.RequestExport(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	states := make(chan wire.Export, 1000)
	stop := c.SubscribeExport(func(e *wire.Export, err error) {
		if err != nil || e == nil {
			t.Errorf("export: %v, %v", e, err)
			return
		}
		states <- *e
	})
	defer stop()
	e := until(t, states, func(e wire.Export) bool { return !e.Running() })
	if e.State != "completed" {
		t.Fatalf("export: %+v", e)
	}
	var file bytes.Buffer
	n, err := c.DownloadExport(t.Context(), e.ID, &file)
	if err != nil || n != e.Size || n != int64(file.Len()) {
		t.Fatalf("download: %d of %d bytes, %v", n, e.Size, err)
	}
	a, err := snapshot.New(bytes.NewReader(file.Bytes()), n, "export.zip")
	if err != nil {
		t.Fatal(err)
	}
	return e, a
}

// An export shows one moment while writers go on: money that they move
// between two accounts is never lost or doubled.
func TestExportIsOneMoment(t *testing.T) {
	d := local.New(local.Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	ids, err := d.Insert(t.Context(), "", "accounts", []value.Object{object("sum", 1000.0), object("sum", 1000.0)})
	if err != nil {
		t.Fatal(err)
	}
	var ballast []value.Object
	for i := range 3000 {
		ballast = append(ballast, object("n", float64(i)))
	}
	if _, err := d.Insert(t.Context(), "", "ballast", ballast); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, err := d.Update(ctx, "", func(w *local.Writer) error {
				for i, id := range ids {
					doc, _ := w.Get(id)
					sum, _ := doc.Get("sum")
					if err := w.Patch(id, object("sum", sum.(float64)+float64(2*i-1))); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	c := dial(t, d)
	for range 5 {
		e, a := exported(t, c, wire.ExportOptions{})
		sum, n := 0.0, 0
		for _, table := range a.Tables() {
			for doc, err := range a.Documents(table) {
				if err != nil {
					t.Fatal(err)
				}
				if v, ok := doc.Get("sum"); ok {
					sum += v.(float64)
				}
				n++
			}
		}
		if sum != 2000 || n != 3002 || e.Timestamp == 0 || e.Completed.IsZero() || e.Expires.Before(time.Now().Add(13*24*time.Hour)) {
			t.Errorf("%d documents, sum %v of %+v", n, sum, e)
		}
	}
	cancel()
	wg.Wait()
}

// Only the component that was asked for.
func TestExportOfAComponent(t *testing.T) {
	d := stocked(t)
	c := dial(t, d)
	components, err := c.Components(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range components {
		_, a := exported(t, c, wire.ExportOptions{ComponentID: info.ID})
		for _, table := range a.Tables() {
			if table.Component != info.Path {
				t.Errorf("the export of %q has %+v", info.Path, table)
			}
		}
		if len(a.Tables()) == 0 {
			t.Errorf("the export of %q is empty", info.Path)
		}
	}
}

// Every route of export and import wants the admin key.
func TestExportImportNeedTheKey(t *testing.T) {
	d := local.New(local.Options{Name: "fixture", Seed: 1})
	t.Cleanup(func() { d.Close() })
	for _, route := range []string{
		"POST /api/export/request/zip", "GET /api/export/zip/1", "POST /api/export/set_expiration/1", "POST /api/export/cancel/1",
		"POST /api/import/start_upload", "POST /api/import/upload_part?uploadToken=x&partNumber=1", "POST /api/import/finish_upload",
		"POST /api/perform_import", "POST /api/cancel_import",
	} {
		method, path, _ := strings.Cut(route, " ")
		if w := ask(d, method, path, "{}"); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "BadDeployKey") {
			t.Errorf("%s without a key: %d %s", route, w.Code, w.Body)
		}
		if w := ask(d, method, path, "{}", "Authorization", "Convex fixture|wrong"); w.Code != http.StatusUnauthorized {
			t.Errorf("%s with a wrong key: %d %s", route, w.Code, w.Body)
		}
	}
	for _, path := range []string{"_system/cli/exports:getLatest", "_system/frontend/latestExport", "_system/cli/queryImport:list"} {
		body := fmt.Sprintf(`{"path":%q,"args":{}}`, path)
		if w := ask(d, "POST", "/api/query", body); !strings.Contains(w.Body.String(), "Could not find public function") {
			t.Errorf("%s without a key: %s", path, w.Body)
		}
		if w := admin(d, "POST", "/api/query", body); !strings.Contains(w.Body.String(), `"status":"success"`) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

func TestExportAnswers(t *testing.T) {
	d := local.New(local.Options{Name: "a \"b\"", Seed: 1})
	t.Cleanup(func() { d.Close() })
	c := dial(t, d)
	e, _ := exported(t, c, wire.ExportOptions{Files: true})
	if !strings.Contains(e.Progress, "keeps none") {
		t.Errorf("files were asked for, and nothing says that there are none: %+v", e)
	}
	far := time.Now().Add(61 * 24 * time.Hour).UnixNano()
	near := time.Now().Add(time.Hour).UnixNano()
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/api/export/zip/x!", "", 400, "BadSnapshotId"},
		{"GET", "/api/export/zip/12345", "", 404, "ExportNotFound"},
		{"GET", fmt.Sprintf("/api/export/zip/%d", e.Timestamp), "", 200, "PK"},
		{"POST", "/api/export/request/zip?includeStorage=maybe", "", 400, "InvalidQuery"},
		{"POST", "/api/export/request/zip?component=nope", "", 400, "ComponentNotFound"},
		{"POST", "/api/export/cancel/" + e.ID, "", 400, "only one that runs"},
		{"POST", "/api/export/set_expiration/" + e.ID, fmt.Sprintf(`{"expirationTsNs":%d}`, far), 400, "at most 60 days"},
		{"POST", "/api/export/set_expiration/" + e.ID, `{"expirationTsNs":-1}`, 400, "InvalidExpiration"},
		{"POST", "/api/export/set_expiration/" + e.ID, fmt.Sprintf(`{"expirationTsNs":%d}`, near), 200, ""},
	} {
		w := admin(d, test.method, test.path, test.body)
		if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %s: %d %.200s, want %d %s", test.method, test.path, w.Code, w.Body, test.status, test.want)
		}
	}
	latest, err := c.LatestExport(t.Context())
	if err != nil || latest.Expires.UnixNano() != near {
		t.Errorf("%+v, %v", latest, err)
	}
	w := ask(d, "GET", "/api/export/zip/"+e.ID, "", "Authorization", "Convex "+d.AdminKey(), "Accept-Encoding", "gzip")
	if h := w.Header(); h.Get("Content-Encoding") != "" || h.Get("Content-Length") != fmt.Sprint(w.Body.Len()) ||
		h.Get("Content-Disposition") != fmt.Sprintf("attachment; filename=snapshot_a--b-_%d.zip", e.Timestamp) {
		t.Errorf("headers %v of %d bytes", h, w.Body.Len())
	}
}

// uploaded sends a file in parts, which are sent in the order of numbers, and
// answers the import's id.
func uploaded(t testing.TB, d *local.Deployment, args string, parts [][]byte, order []int) string {
	t.Helper()
	var start struct{ UploadToken string }
	read := func(w *httptest.ResponseRecorder, v any) {
		t.Helper()
		if err := json.Unmarshal(w.Body.Bytes(), v); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	read(admin(d, "POST", "/api/import/start_upload", ""), &start)
	tokens := make([]string, len(parts))
	for _, i := range order {
		read(admin(d, "POST", fmt.Sprintf("/api/import/upload_part?uploadToken=%s&partNumber=%d", start.UploadToken, i+1), string(parts[i])), &tokens[i])
	}
	text, err := json.Marshal(tokens)
	if err != nil {
		t.Fatal(err)
	}
	var finish struct{ ImportID string }
	read(admin(d, "POST", "/api/import/finish_upload", fmt.Sprintf(`{"import":%s,"uploadToken":%q,"partTokens":%s}`, args, start.UploadToken, text)), &finish)
	return finish.ImportID
}

// importState follows an import until it is in a state.
func importState(t testing.TB, d *local.Deployment, id string, want ...string) value.Object {
	t.Helper()
	for {
		ts := d.View().Timestamp()
		w := admin(d, "POST", "/api/query", fmt.Sprintf(`{"path":"_system/cli/queryImport","args":{"importId":%q},"format":"convex_encoded_json"}`, id))
		v, err := value.Decode(w.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		state, _ := value.Lookup(v, "value.state").(value.Object)
		name := value.Lookup(state, "state")
		for _, s := range want {
			if name == s {
				return state
			}
		}
		if name == "failed" || name == "completed" || state == nil {
			t.Fatalf("the import is %s", w.Body)
		}
		if _, err := d.Wait(t.Context(), ts); err != nil {
			t.Fatal(err)
		}
	}
}

// An import goes through its states, whatever the order of the parts, and
// says beforehand what it would change.
func TestImportStates(t *testing.T) {
	d := stocked(t)
	_, a := exported(t, dial(t, d), wire.ExportOptions{})
	if len(a.Tables()) == 0 {
		t.Fatal("nothing exported")
	}
	w := admin(d, "GET", fmt.Sprintf("/api/export/zip/%s", latestID(t, d)), "")
	file := w.Body.Bytes()
	half, third := len(file)/2, len(file)/3
	parts := [][]byte{file[:third], file[third:half], file[half:]}
	id := uploaded(t, d, `{"mode":"replace","format":"zip"}`, parts, []int{2, 0, 1})
	state := importState(t, d, id, "waiting_for_confirmation")
	if ask := value.Lookup(state, "require_manual_confirmation"); ask != true {
		t.Errorf("30 notes go, and nobody is asked: %v", state)
	}
	message := value.Lookup(state, "message_to_confirm").(string)
	want := `Import change summary:
table | create | delete   |
---------------------------
links | 7      | 7 of 7   |
notes | 30     | 30 of 30 |
odd   | 9      | 9 of 9   |
other | 0      | 0 of 0   |
Component migrations
table      | create | delete |
------------------------------
migrations | 1      | 1 of 1 |
Once the import has started, it will run in the background.
Interrupting ` + "`npx convex import`" + ` will not cancel it.`
	if message != want {
		t.Errorf("the message is\n%s\nwant\n%s", message, want)
	}
	before := contents(t, d)
	seen := make(chan string, 100)
	stop := dial(t, d).Subscribe(wire.Call{Path: "notes:count"}, func(u wire.Update) { seen <- value.Display(u.Value) })
	defer stop()
	until(t, seen, func(s string) bool { return s == "30.0" })
	ask(d, "POST", "/api/mutation", `{"path":"notes:add","args":{"text":"goes"}}`)
	until(t, seen, func(s string) bool { return s == "31.0" })
	perform := fmt.Sprintf(`{"importId":%q}`, id)
	if w := admin(d, "POST", "/api/perform_import", perform); w.Code != 200 {
		t.Fatalf("perform: %d %s", w.Code, w.Body)
	}
	if got := until(t, seen, func(s string) bool { return s != "31.0" }); got != "30.0" {
		t.Errorf("a live query saw %s notes while the import ran", got)
	}
	state = importState(t, d, id, "completed")
	if n := value.Lookup(state, "num_rows_written"); n != int64(47) {
		t.Errorf("state %s", value.Display(state))
	}
	same(t, "after the import", contents(t, d), before)
	for path, want := range map[string]string{"/api/perform_import": "only one that waits", "/api/cancel_import": "cannot be canceled any more"} {
		if w := admin(d, "POST", path, perform); w.Code != 400 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s again: %d %s", path, w.Code, w.Body)
		}
	}
}

func latestID(t testing.TB, d *local.Deployment) string {
	t.Helper()
	e, err := dial(t, d).LatestExport(t.Context())
	if err != nil || e == nil {
		t.Fatalf("%v, %v", e, err)
	}
	return e.ID
}

func TestImportCanceledOverHTTP(t *testing.T) {
	d := local.New(local.Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	id := uploaded(t, d, `{"mode":"append","format":"jsonLines","tableName":"notes"}`, [][]byte{[]byte(`{"text":"x"}`)}, []int{0})
	if ask := value.Lookup(importState(t, d, id, "waiting_for_confirmation"), "require_manual_confirmation"); ask != false {
		t.Error("nothing goes, yet somebody is asked")
	}
	if w := admin(d, "POST", "/api/cancel_import", fmt.Sprintf(`{"importId":%q}`, id)); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if state := importState(t, d, id, "failed"); value.Lookup(state, "error_message") != "Import was canceled" {
		t.Errorf("state %s", value.Display(state))
	}
	if w := admin(d, "POST", "/api/perform_import", fmt.Sprintf(`{"importId":%q}`, id)); w.Code != 400 {
		t.Errorf("performed after all: %d %s", w.Code, w.Body)
	}
}

// An archive with stored files says that they are left out.
func TestImportLeavesFilesOut(t *testing.T) {
	d := local.New(local.Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	id := uploaded(t, d, `{"mode":"append","format":"zip"}`, [][]byte{packed(t, map[string]string{
		"_tables/documents.jsonl": `{"name":"notes","id":10001}`, "_storage/documents.jsonl": "{}\n{}\n", "_storage/kg1.png": "x", "_storage/kg2": "y",
	})}, []int{0})
	message := value.Lookup(importState(t, d, id, "waiting_for_confirmation"), "message_to_confirm").(string)
	if !strings.Contains(message, "2 stored files are left out: the embedded deployment keeps no files.") {
		t.Errorf("the message is %s", message)
	}
}

func TestImportAnswers(t *testing.T) {
	d := local.New(local.Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	var start struct{ UploadToken string }
	if err := json.Unmarshal(admin(d, "POST", "/api/import/start_upload", "").Body.Bytes(), &start); err != nil {
		t.Fatal(err)
	}
	finish := func(args string) string {
		return fmt.Sprintf(`{"import":%s,"uploadToken":%q,"partTokens":["x"]}`, args, start.UploadToken)
	}
	missing := value.NewID(531, [14]byte{1}, 1).String()
	for _, test := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"import/upload_part?uploadToken=x&partNumber=1", "", 400, "InvalidUploadToken"},
		{"import/upload_part?uploadToken=" + start.UploadToken + "&partNumber=0", "", 400, "InvalidPartNumber"},
		{"import/upload_part?uploadToken=" + start.UploadToken + "&partNumber=10000", "", 400, "InvalidPartNumber"},
		{"import/upload_part?uploadToken=" + start.UploadToken + "&partNumber=1", strings.Repeat("x", 17<<20), 413, "CONVEX_IMPORT_CHUNK_SIZE"},
		{"import/finish_upload", "{", 400, "BadJsonBody"},
		{"import/finish_upload", finish(`{"format":"zip","mode":"sometimes"}`), 400, "none of requireEmpty"},
		{"import/finish_upload", finish(`{"format":"xml"}`), 400, "none of csv"},
		{"import/finish_upload", finish(`{"format":"zip","tableName":"t"}`), 400, "ZIP import cannot have table name"},
		{"import/finish_upload", finish(`{"format":"csv"}`), 400, "CSV import requires table name"},
		{"import/finish_upload", finish(`{"format":"csv","tableName":"_t"}`), 400, "ImportInvalidName"},
		{"import/finish_upload", finish(`{"format":"zip","componentPath":"a/../b"}`), 400, "InvalidComponentName"},
		{"import/finish_upload", finish(`{"format":"zip"}`), 400, "InvalidPartToken"},
		{"import/finish_upload", finish(`{"format":"zip"}`), 400, "InvalidUploadToken"},
		{"perform_import", `{"importId":"x"}`, 400, "InvalidImport"},
		{"perform_import", fmt.Sprintf(`{"importId":%q}`, missing), 404, "ImportNotFound"},
		{"cancel_import", fmt.Sprintf(`{"importId":%q}`, missing), 404, "ImportNotFound"},
	} {
		if w := admin(d, "POST", "/api/"+test.path, test.body); w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s %.60s: %d %s, want %d %s", test.path, test.body, w.Code, w.Body, test.status, test.want)
		}
	}
	for file, want := range map[string]string{
		"no zip": "it is no ZIP", "": "it is no ZIP", string(packed(t, map[string]string{"x": "y"})): "is it an export of Convex?",
		string(packed(t, map[string]string{"t/documents.jsonl": "{"})): "t/documents.jsonl:1",
	} {
		id := uploaded(t, d, `{"format":"zip"}`, [][]byte{[]byte(file)}, []int{0})
		message, _ := value.Lookup(importState(t, d, id, "failed"), "error_message").(string)
		if !strings.HasPrefix(message, "Hit an error while importing:\n") || !strings.Contains(message, want) {
			t.Errorf("%.20q: %s, want %s", file, message, want)
		}
	}
	for i := range 30 {
		id := uploaded(t, d, fmt.Sprintf(`{"format":"jsonArray","tableName":"t%d"}`, i), [][]byte{[]byte(`[]`)}, []int{0})
		importState(t, d, id, "waiting_for_confirmation")
	}
	w := admin(d, "POST", "/api/query", `{"path":"_system/cli/queryImport:list","args":{}}`)
	if n := strings.Count(w.Body.String(), `"member_id"`); n != 20 || strings.Index(w.Body.String(), `"t29"`) > strings.Index(w.Body.String(), `"t28"`) {
		t.Errorf("%d imports: %s", n, w.Body)
	}
}

// packed makes a ZIP of some files.
func packed(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, text := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

package local_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"strait/convex/local"
	"strait/model/value"
)

// pushed is a push as the CLI would send it, of small modules written by hand.
type pushed map[string]any

func esModule(path, source string) map[string]any {
	return map[string]any{"path": path, "source": source, "environment": "isolate"}
}

// schemaModule is a schema.js whose export() answers the table's fields.
func schemaModule(table, fields string) map[string]any {
	text, _ := json.Marshal(`{"tables":[{"tableName":"` + table + `","indexes":[{"indexDescriptor":"by_a","fields":["a"]}],"documentType":{"type":"object","value":` + fields + `}}],"schemaValidation":true}`)
	return esModule("schema.js", "export default { export: () => "+string(text)+" };")
}

const (
	numberField = `{"a":{"fieldType":{"type":"number"},"optional":false}}`
	anyField    = `{"a":{"fieldType":{"type":"any"},"optional":false}}`
)

// registered is a module that exports a public query of that name, which
// answers the JSON text.
func registered(name, answer string) string {
	return fmt.Sprintf(`const f = () => {};
Object.assign(f, { isQuery: true, isPublic: true, invokeQuery: async () => %q, exportArgs: () => '{"type":"any"}', exportReturns: () => "null", _handler: () => {} });
export { f as %s };
`, answer, name)
}

func newPush(d *local.Deployment, schema any, modules ...any) pushed {
	return pushed{
		"adminKey": d.AdminKey(), "dryRun": false, "functions": "convex/", "componentDefinitions": []any{}, "nodeDependencies": []any{},
		"appDefinition": map[string]any{
			"definition": nil, "dependencies": []any{}, "schema": schema, "changedModules": append([]any{}, modules...),
			"unchangedModuleHashes": []any{}, "udfServerVersion": "1.48.0",
		},
	}
}

// send posts a body with the key in the header too, as the CLI does.
func send(d *local.Deployment, route string, body any) *httptest.ResponseRecorder {
	text, _ := json.Marshal(body)
	return admin(d, "POST", "/api/"+route, string(text))
}

// start starts a push that must start, and answers its StartPushResponse.
func (p pushed) start(t *testing.T, d *local.Deployment) map[string]any {
	t.Helper()
	w := send(d, "deploy2/start_push", p)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
		t.Fatalf("start_push: %d %s", w.Code, w.Body)
	}
	return out
}

// waitedFor is what wait_for_schema says in the end.
func waitedFor(t *testing.T, d *local.Deployment, started map[string]any) (status struct{ Type, Error, TableName string }) {
	t.Helper()
	for {
		w := send(d, "deploy2/wait_for_schema", map[string]any{"adminKey": d.AdminKey(), "schemaChange": started["schemaChange"], "timeoutMs": 10000})
		if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || w.Code != 200 {
			t.Fatalf("wait_for_schema: %d %s", w.Code, w.Body)
		}
		if status.Type != "inProgress" {
			return status
		}
	}
}

func finish(d *local.Deployment, started map[string]any) *httptest.ResponseRecorder {
	return send(d, "deploy2/finish_push", map[string]any{"adminKey": d.AdminKey(), "startPush": started, "dryRun": false, "message": nil})
}

// deployed pushes all the way.
func (p pushed) deployed(t *testing.T, d *local.Deployment) {
	t.Helper()
	started := p.start(t, d)
	if s := waitedFor(t, d, started); s.Type != "complete" {
		t.Fatalf("the schema: %+v", s)
	}
	if w := finish(d, started); w.Code != 200 {
		t.Fatalf("finish_push: %d %s", w.Code, w.Body)
	}
}

func empty(t testing.TB) *local.Deployment {
	t.Helper()
	d := local.New(local.Options{Name: "fixture", Seed: 1})
	t.Cleanup(func() { d.Close() })
	return d
}

func called(d *local.Deployment, path string) string {
	return send(d, "query", map[string]any{"path": path, "args": map[string]any{}}).Body.String()
}

// A push puts code and schema in force at once, and the next one knows its
// modules by their hashes.
func TestDeployPutsCodeAndSchemaInForce(t *testing.T) {
	d := empty(t)
	newPush(d, schemaModule("t", numberField), esModule("m.js", registered("f", `"one"`))).deployed(t, d)
	if got := called(d, "m:f"); got != `{"status":"success","value":"one"}` {
		t.Fatalf("m:f: %s", got)
	}
	var hashes struct {
		ModuleHashes []struct{ Path, Hash, Environment string }
	}
	w := send(d, "get_config_hashes", map[string]any{"adminKey": d.AdminKey()})
	if err := json.Unmarshal(w.Body.Bytes(), &hashes); err != nil || len(hashes.ModuleHashes) != 1 || hashes.ModuleHashes[0].Path != "m.js" {
		t.Fatalf("hashes: %v %s", err, w.Body)
	}
	if w := send(d, "get_config", map[string]any{"adminKey": d.AdminKey()}); !strings.Contains(w.Body.String(), `"modules":[{"path":"m.js","source":"const f`) {
		t.Errorf("get_config: %s", w.Body)
	}
	again := newPush(d, schemaModule("t", numberField), esModule("n.js", registered("g", `"two"`)))
	again["appDefinition"].(map[string]any)["unchangedModuleHashes"] = []any{
		map[string]any{"path": "m.js", "environment": "isolate", "sha256": hashes.ModuleHashes[0].Hash},
	}
	again.deployed(t, d)
	if f, g := called(d, "m:f"), called(d, "n:g"); !strings.Contains(f, "one") || !strings.Contains(g, "two") {
		t.Errorf("after the second push: %s %s", f, g)
	}
	again["appDefinition"].(map[string]any)["unchangedModuleHashes"] = []any{map[string]any{"path": "m.js", "environment": "isolate", "sha256": "no"}}
	if w := send(d, "deploy2/start_push", again); w.Code != 400 || !strings.Contains(w.Body.String(), "RaceDetected") {
		t.Errorf("an unknown hash: %d %s", w.Code, w.Body)
	}
	newPush(d, nil).deployed(t, d)
	if got := called(d, "m:f"); !strings.Contains(got, "Could not find public function") {
		t.Errorf("a function that is gone: %s", got)
	}
}

// Every way in which a push ends badly leaves the deployment as it was.
func TestDeployRefused(t *testing.T) {
	d := empty(t)
	newPush(d, schemaModule("t", anyField), esModule("m.js", registered("f", `"one"`))).deployed(t, d)
	if _, err := d.Insert(t.Context(), "", "t", []value.Object{object("a", "old shape")}); err != nil {
		t.Fatal(err)
	}
	good := esModule("m.js", registered("f", `"two"`))
	refused := map[string]struct {
		push pushed
		says string
	}{
		"a module that throws":         {newPush(d, nil, good, esModule("bad.js", `throw new Error("boom");`)), "Failed to analyze bad.js: Uncaught Error: boom"},
		"a module that does not end":   {newPush(d, nil, good, esModule("bad.js", `export const x = (() => { throw { toString() { throw 1 } } })();`)), "Failed to analyze bad.js"},
		"a module that does not parse": {newPush(d, nil, good, esModule("bad.js", `export const = ;`)), "bad.js:1:14"},
		"an import of nothing":         {newPush(d, nil, good, esModule("bad.js", `import "./gone.js";`)), `the push has no module \"./gone.js\"`},
		"a file of the machine":        {newPush(d, nil, good, esModule("bad.js", `import "/etc/passwd";`)), `the push has no module \"/etc/passwd\"`},
		"a path that leaves":           {newPush(d, nil, good, esModule("../bad.js", "")), "is not the path of a module"},
		"a module twice":               {newPush(d, nil, good, good), "pushed twice"},
		"a schema that throws":         {newPush(d, esModule("schema.js", `throw new Error("no schema")`), good), `Hit an error while evaluating your schema:\nUncaught Error: no schema`},
		"a schema that is none":        {newPush(d, esModule("schema.js", `export default 5`), good), "evaluating your schema"},
		"a schema against the rules":   {newPush(d, schemaModule("_t", numberField), good), "evaluating your schema"},
	}
	for name, r := range refused {
		if w := send(d, "deploy2/start_push", r.push); w.Code != 400 || !strings.Contains(w.Body.String(), r.says) || !strings.Contains(w.Body.String(), "Hit an error while pushing") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	started := newPush(d, schemaModule("t", numberField), good).start(t, d)
	s := waitedFor(t, d, started)
	if s.Type != "failed" || s.TableName != "t" || !strings.HasPrefix(s.Error, `Document with ID "`) || !strings.Contains(s.Error, `in table "t" does not match the schema: Value does not match validator.`) {
		t.Errorf("a document that does not fit: %+v", s)
	}
	if w := finish(d, started); w.Code != 400 || !strings.Contains(w.Body.String(), "does not match the schema") {
		t.Errorf("finished all the same: %d %s", w.Code, w.Body)
	}
	if w := finish(d, map[string]any{}); w.Code != 400 || !strings.Contains(w.Body.String(), "PushNotFound") {
		t.Errorf("a push that never was: %d %s", w.Code, w.Body)
	}
	if st := d.SchemaState(""); st.InProgress != nil || !strings.Contains(string(st.Active.JSON()), `"any"`) {
		t.Errorf("schemas: %+v", st)
	}
	if got := called(d, "m:f"); !strings.Contains(got, "one") {
		t.Errorf("code: %s", got)
	}
}

// A pushed schema is pending from start_push on: a write of the old shape
// fails it, whether it comes before the wait or after it.
func TestDeployLosesToAWrite(t *testing.T) {
	d := empty(t)
	newPush(d, schemaModule("t", anyField)).deployed(t, d)
	started := newPush(d, schemaModule("t", numberField)).start(t, d)
	if s := waitedFor(t, d, started); s.Type != "complete" {
		t.Fatalf("nothing to check: %+v", s)
	}
	if st := d.SchemaState(""); st.InProgress == nil {
		t.Error("a validated schema is still in progress")
	}
	if _, err := d.Update(t.Context(), "", func(w *local.Writer) error {
		_, err := w.Insert("t", object("a", "old shape"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if s := waitedFor(t, d, started); s.Type != "failed" || !strings.HasPrefix(s.Error, `New document in table "t" does not match the schema`) {
		t.Errorf("after the write: %+v", s)
	}
	if w := finish(d, started); w.Code != 400 || !strings.Contains(w.Body.String(), "New document in table") {
		t.Errorf("finish_push: %d %s", w.Code, w.Body)
	}
}

// Of two pushes at once the later wins.
func TestDeployRace(t *testing.T) {
	d := empty(t)
	first := newPush(d, schemaModule("t", numberField), esModule("m.js", registered("f", `"one"`))).start(t, d)
	second := newPush(d, schemaModule("t", anyField), esModule("m.js", registered("f", `"two"`))).start(t, d)
	if s := waitedFor(t, d, first); s.Type != "raceDetected" {
		t.Errorf("the first: %+v", s)
	}
	if w := finish(d, first); w.Code != 400 || !strings.Contains(w.Body.String(), "RaceDetected") {
		t.Errorf("finish the first: %d %s", w.Code, w.Body)
	}
	if s := waitedFor(t, d, second); s.Type != "complete" {
		t.Errorf("the second: %+v", s)
	}
	var answers [2]string
	var both sync.WaitGroup
	for i := range answers { // an answer that was lost is asked for again
		both.Go(func() { answers[i] = finish(d, second).Body.String() })
	}
	both.Wait()
	if answers[0] != answers[1] || !strings.Contains(answers[0], "componentDiffs") {
		t.Errorf("finished twice:\n%s\n%s", answers[0], answers[1])
	}
	if got := called(d, "m:f"); !strings.Contains(got, "two") {
		t.Errorf("code: %s", got)
	}
	// Strait's own push counts as any other.
	third := newPush(d, schemaModule("t", numberField)).start(t, d)
	push(t, d, nil)
	if s := waitedFor(t, d, third); s.Type != "raceDetected" {
		t.Errorf("beside a push by Strait: %+v", s)
	}
}

// The embedded deployment runs no Node.js: it knows such functions and says so.
func TestDeployUseNode(t *testing.T) {
	d := empty(t)
	node := esModule("n.js", `import os from "node:os";
import { Client } from "some-package";
const client = new Client(os.hostname());
const f = () => client;
Object.assign(f, { isAction: true, isPublic: true, invokeAction: async () => "1", exportArgs: () => '{"type":"any"}', exportReturns: () => "null", _handler: () => {} });
export { f as send };
`)
	node["environment"] = "node"
	newPush(d, nil, node, esModule("m.js", registered("f", `"one"`))).deployed(t, d)
	w := send(d, "action", map[string]any{"path": "n:send", "args": map[string]any{}})
	if !strings.Contains(w.Body.String(), "does not run Node.js") {
		t.Errorf("n:send: %s", w.Body)
	}
	if got := called(d, "m:f"); !strings.Contains(got, "one") {
		t.Errorf("m:f: %s", got)
	}
}

// Positions lead through the maps that came with the modules.
func TestDeployPositions(t *testing.T) {
	d := empty(t)
	m := esModule("m.js", `const f = () => {};
Object.assign(f, { isQuery: true, isPublic: true, invokeQuery: async () => { throw new Error("boom"); }, exportArgs: () => '{"type":"any"}', exportReturns: () => "null" });
export { f };
`)
	// Every line of the module is line 40 of the source.
	m["sourceMap"] = `{"version":3,"sources":["../convex/m.ts"],"mappings":"AAuCA;AAAA;AAAA;","names":[]}`
	newPush(d, nil, m).deployed(t, d)
	if got := called(d, "m:f"); !strings.Contains(got, "../convex/m.ts:40:") {
		t.Errorf("m:f: %s", got)
	}
}

// The key is looked for in the body, on every route.
func TestDeployNeedsTheKey(t *testing.T) {
	d := empty(t)
	for _, route := range []string{"get_config_hashes", "get_config", "deploy2/evaluate_schema", "deploy2/evaluate_push", "deploy2/start_push", "deploy2/wait_for_schema", "deploy2/finish_push", "deploy2/report_push_completed"} {
		for key, want := range map[string]int{"": 401, "fixture|wrong": 401, d.AdminKey() + ":e30=": 403} {
			p := newPush(d, nil, esModule("m.js", registered("f", "1")))
			p["adminKey"] = key
			if w := send(d, route, p); w.Code != want {
				t.Errorf("%s with the key %q: %d %s", route, key, w.Code, w.Body)
			}
		}
	}
	if w := ask(d, "GET", "/api/v1/get_canonical_urls", ""); w.Code != 403 {
		t.Errorf("get_canonical_urls: %d", w.Code)
	}
	if d.App() != nil {
		t.Error("something was deployed")
	}
}

// A body larger than a function call's is for those who hold the key.
func TestDeployLargeBody(t *testing.T) {
	d := empty(t)
	p := newPush(d, nil, esModule("m.js", registered("f", "1")+"//"+strings.Repeat("x", 20<<20)))
	text, _ := json.Marshal(p)
	if w := ask(d, "POST", "/api/deploy2/start_push", string(text)); w.Code != 413 {
		t.Errorf("without the key: %d", w.Code)
	}
	if w := send(d, "deploy2/start_push", p); w.Code != 200 {
		t.Errorf("with the key: %d %.200s", w.Code, w.Body)
	}
}

// Required variables that are not set refuse the push at its end.
func TestDeployMissingVariables(t *testing.T) {
	d := empty(t)
	p := newPush(d, nil)
	p["appDefinition"].(map[string]any)["definition"] = esModule("convex.config.js", `export default { export: () => ({ definitionType: { type: "app" }, childComponents: [], httpMounts: {}, exports: { type: "branch", branch: [] },
  envVars: [["API_KEY", { type: "value", value: '{"type":"string"}' }], ["MAYBE", { type: "value", value: '{"type":"string"}', optional: true }]] }) };`)
	if w := finish(d, p.start(t, d)); w.Code != 400 || !strings.Contains(w.Body.String(), "Required environment variables are not set: API_KEY. ") {
		t.Errorf("finish_push: %d %s", w.Code, w.Body)
	}
}

// Components are used as often as one likes, and not without end.
func TestDeployComponents(t *testing.T) {
	d := empty(t)
	config := func(source string) map[string]any { return esModule("convex.config.js", source) }
	define := func(name, children string, imports ...string) string {
		return strings.Join(imports, "\n") + fmt.Sprintf(`
export default { export: () => ({ name: %q, definitionType: { type: "app" }, childComponents: %s, httpMounts: {}, exports: { type: "branch", branch: [] } }) };`, name, children)
	}
	child := func(name, path string) string {
		return fmt.Sprintf(`{ name: %s, path: %s, args: [], env: [["TOKEN", { type: "value", value: "of " + %s }]] }`, name, path, name)
	}
	const box = "Ym94" // base64url of "box"
	p := newPush(d, nil)
	app := p["appDefinition"].(map[string]any)
	app["definition"] = config(define("", "["+child("x.defaultName", "x.componentDefinitionPath")+","+child(`"other"`, "x.componentDefinitionPath")+"]", `import x from "./_componentDeps/`+box+`";`))
	app["dependencies"] = []any{"box"}
	env := strings.Replace(registered("token", ""), `async () => ""`, `async () => JSON.stringify(process.env.TOKEN)`, 1)
	p["componentDefinitions"] = []any{map[string]any{
		"definitionPath": "box", "definition": config(define("parcel", "[]")), "dependencies": []any{},
		"schema": schemaModule("t", numberField), "functions": []any{esModule("lib/a.js", env)}, "udfServerVersion": "1.48.0",
	}}
	started := p.start(t, d)
	if text, _ := json.Marshal(started["analysis"].(map[string]any)["box"].(map[string]any)["definition"].(map[string]any)["exports"]); string(text) !=
		`{"branch":[["lib",{"branch":[["a",{"branch":[["token",{"leaf":"_reference/function/lib/a.js:token","type":"leaf"}]],"type":"branch"}]],"type":"branch"}]],"type":"branch"}` {
		t.Errorf("exports: %s", text)
	}
	if s := waitedFor(t, d, started); s.Type != "complete" {
		t.Fatalf("%+v", s)
	}
	if w := finish(d, started); !strings.Contains(w.Body.String(), `"parcel":{"diffType":{"type":"create"}`) {
		t.Fatalf("finish_push: %d %s", w.Code, w.Body)
	}
	for _, name := range []string{"parcel", "other"} {
		w := send(d, "function", map[string]any{"path": "lib/a:token", "componentPath": name, "args": map[string]any{}})
		if !strings.Contains(w.Body.String(), `"value":"of `+name+`"`) {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
	// A definition that uses itself.
	p["componentDefinitions"].([]any)[0].(map[string]any)["definition"] = config(define("parcel", `[{ name: "inner", path: "box", args: [], env: [] }]`))
	if w := send(d, "deploy2/start_push", p); w.Code != 400 || !strings.Contains(w.Body.String(), "Components nest deeper") {
		t.Errorf("without end: %d %s", w.Code, w.Body)
	}
	// Gone from the app: unmounted, its data kept.
	newPush(d, nil).deployed(t, d)
	if w := send(d, "query", map[string]any{"path": "_system/frontend/components:list", "args": map[string]any{}}); !strings.Contains(w.Body.String(), "unmounted") {
		t.Errorf("components: %s", w.Body)
	}
}

// No body of a push makes the server panic or hang.
func FuzzDeployBody(f *testing.F) {
	d := local.New(local.Options{Name: "fixture", AdminKey: "fixture|k", Seed: 1})
	f.Cleanup(func() { d.Close() })
	text, _ := json.Marshal(newPush(d, schemaModule("t", numberField), esModule("m.js", registered("f", "1"))))
	f.Add(uint8(2), text)
	f.Add(uint8(4), []byte(`{"adminKey":"fixture|k","schemaChange":{"schemaIds":{"":"x"}},"timeoutMs":1}`))
	f.Add(uint8(5), []byte(`{"adminKey":"fixture|k","startPush":{"componentDefinitionPackages":{"":{"storageKey":"x"}}}}`))
	f.Add(uint8(2), []byte(`{"adminKey":"fixture|k","appDefinition":{"definition":{"source":"export default 5"},"changedModules":[{"path":"a.js","environment":"isolate","source":"//# sourceMappingURL=x","sourceMap":"{\"version\":3,\"sources\":[null],\"mappings\":\"A;;;AAAAA\"}"}]},"componentDefinitions":[{}]}`))
	routes := []string{"deploy2/evaluate_schema", "deploy2/evaluate_push", "deploy2/start_push", "get_config", "deploy2/wait_for_schema", "deploy2/finish_push"}
	f.Fuzz(func(t *testing.T, route uint8, body []byte) {
		if bytes.Contains(body, []byte("timeoutMs")) && len(body) > 200 {
			t.Skip("may ask for a long poll, which is no hang")
		}
		w := ask(d, "POST", "/api/"+routes[int(route)%len(routes)], string(body), "Authorization", "Convex fixture|k")
		if w.Code >= 500 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("no JSON: %s", w.Body)
		}
	})
}

// evaluate_schema predicts what the push will do, and does nothing.
func TestDeployPrediction(t *testing.T) {
	d := empty(t)
	newPush(d, schemaModule("t", anyField)).deployed(t, d)
	if _, err := d.Insert(t.Context(), "", "t", []value.Object{object("a", 1.0), object("a", 2.0)}); err != nil {
		t.Fatal(err)
	}
	next := schemaModule("t", numberField)
	next["source"] = strings.ReplaceAll(next["source"].(string), "by_a", "by_other")
	w := send(d, "deploy2/evaluate_schema", newPush(d, next))
	type index struct {
		Name, Change string
		Backfill     bool `json:"needsBackfill"`
		Docs         int  `json:"numDocs"`
	}
	var got struct {
		Components map[string]struct {
			Tables []struct {
				Name, Outcome string
				Docs          int `json:"numDocs"`
			}
			Indexes []index
		} `json:"componentSchemaEvaluations"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	root := got.Components[""]
	if len(root.Tables) != 1 || root.Tables[0].Outcome != "mustWalk" || root.Tables[0].Docs != 2 {
		t.Errorf("tables: %+v", root.Tables)
	}
	if want := []index{{"t.by_a", "dropped", false, 2}, {"t.by_other", "added", true, 2}}; !slices.Equal(root.Indexes, want) {
		t.Errorf("indexes: %+v", root.Indexes)
	}
	w = send(d, "deploy2/evaluate_push", newPush(d, next))
	if !strings.Contains(w.Body.String(), `"removed_indexes":[{"name":"t.by_a","type":"database","staged":false,"fields":["a"]}]`) {
		t.Errorf("evaluate_push: %s", w.Body)
	}
	if st := d.SchemaState(""); st.InProgress != nil {
		t.Error("an evaluation submitted a schema")
	}
}

// While documents are checked the pending schema and its progress can be
// watched, and a second push overwrites it.
func TestDeployProgress(t *testing.T) {
	d := empty(t)
	newPush(d, schemaModule("t", anyField)).deployed(t, d)
	docs := make([]value.Object, 60_000)
	for i := range docs {
		docs[i] = object("a", float64(i))
	}
	if _, err := d.Insert(t.Context(), "", "t", docs); err != nil {
		t.Fatal(err)
	}
	before := d.View().Timestamp()
	first := newPush(d, schemaModule("t", numberField)).start(t, d)
	seen := map[int64]bool{}
	for at := before; ; {
		st := d.SchemaState("")
		if st.InProgress == nil || st.Total != int64(len(docs)) {
			t.Fatalf("in progress: %+v", st)
		}
		seen[st.Validated] = true
		if st.Validated == st.Total {
			break
		}
		var err error
		if at, err = d.Wait(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) < 3 {
		t.Errorf("progress was seen %d times", len(seen))
	}
	if s := waitedFor(t, d, first); s.Type != "complete" {
		t.Errorf("the first: %+v", s)
	}
	again := newPush(d, schemaModule("t", numberField)).start(t, d)
	if a, b := fmt.Sprint(first["schemaChange"]), fmt.Sprint(again["schemaChange"]); !strings.Contains(a, "schemaIds") || a != b {
		t.Errorf("a schema equal to the validated one is that one:\n%s\n%s", a, b)
	}
	newPush(d, schemaModule("t", anyField)).start(t, d)
	if s := waitedFor(t, d, first); s.Type != "raceDetected" {
		t.Errorf("overwritten: %+v", s)
	}
}

// convex 1.17 and 1.25 push a project without convex.config by push_config, and
// try a 404 again for minutes.
func TestAnOldPushIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	w := send(empty(t), "push_config", map[string]any{})
	if w.Code != 400 || !strings.Contains(w.Body.String(), "convex@latest") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A package may import() what only Node has: that fails where it is run, as on
// Convex, and does not keep the rest from being deployed.
func TestADynamicImportOfNothing(t *testing.T) {
	t.Parallel()
	d := empty(t)
	newPush(d, nil, esModule("m.js", registered("f", `"one"`)+`export const later = async () => (await import("path")).join("a");
const g = () => {};
Object.assign(g, { isQuery: true, isPublic: true, invokeQuery: later, exportArgs: () => '{"type":"any"}', exportReturns: () => "null", _handler: () => {} });
export { g as asks };
`)).deployed(t, d)
	if got := called(d, "m:f"); !strings.Contains(got, `"value":"one"`) {
		t.Errorf("the function beside it: %s", got)
	}
	if got := called(d, "m:asks"); !strings.Contains(got, `no module \"path\"`) {
		t.Errorf("the function that imports it: %s", got)
	}
}

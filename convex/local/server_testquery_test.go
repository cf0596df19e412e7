package local_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/value"
)

const wrappers = `import { query, internalQuery } from "convex:/_system/repl/wrappers.js";
`

// testSource is a module whose query has the given body.
func testSource(body string) string {
	return wrappers + "export default query({ handler: async (ctx, args) => {\n" + body + "\n} });"
}

// slowUnderRace leaves out a test that compiles many modules one after the
// other, which the race detector slows down and has nothing to find in.
func slowUnderRace(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles many modules, one after the other: not with -short")
	}
}

func componentIDs(t testing.TB, c *wire.Client) map[string]string {
	t.Helper()
	list, err := c.Components(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, info := range list {
		out[info.Path] = info.ID
	}
	return out
}

func TestTestQuery(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	addNotes(t, d, 5)
	ids := componentIDs(t, c)
	before := d.View().Timestamp()
	tests := map[string]struct {
		body, component string
		want            string
	}{
		"documents":         {`return (await ctx.db.query("notes").take(2)).map((n) => n.text);`, "", `["n0", "n1"]`},
		"arguments":         {`return args.a + 1n;`, "", `42`},
		"count":             {`return await ctx.db.query("notes").count();`, "", `5.0`},
		"page":              {`const p = await ctx.db.query("notes").paginate({ cursor: null, numItems: 3 }); return [p.page.length, p.isDone, typeof p.continueCursor];`, "", `[3.0, false, "string"]`},
		"index":             {`return (await ctx.db.query("notes").withIndex("by_text", (q) => q.gte("text", "n3")).collect()).length;`, "", `2.0`},
		"system tables":     {`return (await ctx.db.system.query("_scheduled_functions").collect()).length;`, "", `0.0`},
		"ids":               {`const n = await ctx.db.query("notes").first(); return [ctx.db.normalizeId("notes", n._id) === n._id, ctx.db.normalizeId("other", n._id)];`, "", `[true, null]`},
		"deployed query":    {`return await ctx.runQuery("notes:secret", {});`, "", `42.0`},
		"component's query": {`return await ctx.runQuery({ [Symbol.for("toReferencePath")]: "_reference/childComponent/migrations/lib/getStatus" }, {});`, "", `[]`},
		"inside":            {`return [await ctx.db.query("notes").collect(), await ctx.db.query("migrations").collect()];`, "migrations", `[[], []]`},
		"handle": {`const h = JSON.parse(await Convex.asyncSyscall("1.0/createFunctionHandle", JSON.stringify({ name: "notes:secret", version: "1" })));
			return [h.startsWith("function://"), await ctx.runQuery(h, {})];`, "", `[true, 42.0]`},
		"clock": {`return Date.now() > 1e12;`, "", `true`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := c.RunTestQuery(t.Context(), wire.TestQuery{Source: testSource(test.body), ComponentID: ids[test.component], Args: object("a", int64(41))})
			if err != nil {
				t.Fatal(err)
			}
			if got := value.Display(r.Value); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
	if d.View().Timestamp() != before {
		t.Error("a test query has committed something")
	}
}

func TestTestQueryFails(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	ids := componentIDs(t, c)
	tests := map[string]struct {
		body, component string
		want            string
	}{
		"thrown":             {`throw new Error("boom");`, "", "Server Error\nUncaught Error: boom"},
		"a write":            {`await Convex.asyncSyscall("1.0/insert", JSON.stringify({ table: "notes", value: { text: "x" } }));`, "", "Cannot call 1.0/insert in a query"},
		"a mutation":         {`await Convex.asyncSyscall("1.0/runUdf", JSON.stringify({ udfType: "mutation", name: "notes:add", args: { text: "x" } }));`, "", "Cannot call a mutation function from a query function"},
		"pages in component": {`return await ctx.db.query("migrations").paginate({ cursor: null, numItems: 3 });`, "migrations", "paginate() is only supported in the app"},
		"two pages":          {`for (let i = 0; i < 2; i++) await ctx.db.query("notes").paginate({ cursor: null, numItems: 3 });`, "", "ran multiple paginated queries"},
		"a long array":       {`return Array(9000).fill(0);`, "", "Array length is too long (9000 > maximum length 8192)"},
		"network":            {`await fetch("https://example.com");`, "", "Can't use fetch() in queries and mutations"},
		"dynamic import":     {`await import("./notes.js");`, "", `Can't dynamically import "./notes.js" in a query or mutation`},
		"undeployed":         {`return await ctx.runQuery("notes:nope", {});`, "", "Could not find function for 'notes:nope'"},
		"bad cursor":         {`return await ctx.db.query("notes").paginate({ cursor: "00", numItems: 1 });`, "", "Failed to parse cursor"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.RunTestQuery(t.Context(), wire.TestQuery{Source: testSource(test.body), ComponentID: ids[test.component]})
			var failed *wire.FunctionError
			if !errors.As(err, &failed) || !strings.Contains(failed.Message, test.want) || !strings.HasPrefix(failed.Message, "[Request ID: ") {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// What is no query at all is refused before it runs.
func TestTestQueryRefused(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := deploy(t, nil)
	key, _ := json.Marshal(d.AdminKey())
	tests := map[string]struct {
		source string
		code   string
		want   string
	}{
		"syntax":        {wrappers + "export default query({", "InvalidModules", "Could not analyze the given module:\nFailed to analyze testQuery.js: Uncaught SyntaxError: "},
		"throws":        {wrappers + `throw new Error("at load"); export default query(async () => 1);`, "InvalidModules", "Failed to analyze testQuery.js: Uncaught Error: at load"},
		"database":      {wrappers + `await 0; export default query(async () => 1);`, "InvalidModules", "testQuery.js"},
		"a module":      {`import { x } from "./notes.js"; export default x;`, "InvalidModules", "Couldn't find JavaScript module 'notes.js'. Did you forget to run `npx convex dev`?"},
		"a package":     {`import { query } from "convex/server"; export default query;`, "InvalidModules", `Relative import path "convex/server" not prefixed with / or ./ or ../`},
		"a file":        {`import x from "/etc/passwd"; export default x;`, "InvalidModules", "Couldn't find JavaScript module 'etc/passwd'"},
		"our own files": {`import x from "prelude:convex/server.ts"; export default x;`, "InvalidModules", "Couldn't find JavaScript module"},
		"named exports": {wrappers + `export const q = query(async () => 1); export default query(async () => 1);`, "InvalidTestQuery", "Only `export default` is supported."},
		"no function":   {`export default 5;`, "InvalidTestQuery", "Default export is not a Convex function."},
		"nothing":       {``, "InvalidTestQuery", "Default export is not a Convex function."},
		"a mutation":    {`const f = () => {}; f.isMutation = true; f.isPublic = true; f.invokeMutation = () => {}; export default f;`, "UnsupportedTestQuery", "Mutations are not supported in the REPL yet."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, _ := json.Marshal(test.source)
			w := ask(d, "POST", "/api/run_test_function", fmt.Sprintf(`{"adminKey":%s,"args":{},"bundle":{"path":"testQuery.js","source":%s},"format":"json"}`, key, source))
			var e struct{ Code, Message string }
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
				t.Fatal(err)
			}
			if w.Code != 400 || e.Code != test.code || !strings.Contains(e.Message, test.want) {
				t.Errorf("%d %s: %s\nwant %s: %s", w.Code, e.Code, e.Message, test.code, test.want)
			}
		})
	}
}

func TestTestQueryKeys(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	bundle := `"bundle":{"path":"testQuery.js","source":"import { query } from \"convex:/_system/repl/wrappers.js\"; export default query(async (ctx) => (await ctx.auth.getUserIdentity()) ?? 7);"}`
	tests := map[string]struct {
		body   string
		header []string
		status int
		want   string
	}{
		"key in body":     {`{"adminKey":"` + d.AdminKey() + `","args":[{}],"format":"json",` + bundle + `}`, nil, 200, `"value":7`},
		"key in header":   {`{"args":{},"format":"json",` + bundle + `}`, []string{"Authorization", "Convex " + d.AdminKey()}, 200, `"value":7`},
		"wrong key":       {`{"adminKey":"fixture|wrong","args":{},"format":"json",` + bundle + `}`, nil, 401, "BadAdminKey"},
		"no key":          {`{"args":{},"format":"json",` + bundle + `}`, nil, 403, "BadDeployKey"},
		"a user's key":    {`{"adminKey":"` + d.AdminKey() + `:e30=","args":{},"format":"json",` + bundle + `}`, nil, 403, "BadDeployKey"},
		"wrong component": {`{"adminKey":"` + d.AdminKey() + `","args":{},"componentId":"nope","format":"json",` + bundle + `}`, nil, 400, "ComponentNotFound"},
		"wrong format":    {`{"adminKey":"` + d.AdminKey() + `","args":{},"format":"xml",` + bundle + `}`, nil, 400, "BadFormat"},
		"wrong arguments": {`{"adminKey":"` + d.AdminKey() + `","args":[1],"format":"json",` + bundle + `}`, nil, 400, "InvalidArgs"},
		"wrong path":      {`{"adminKey":"` + d.AdminKey() + `","args":{},"format":"json","bundle":{"path":"../x.js","source":""}}`, nil, 400, "InvalidModulePath"},
		"node":            {`{"adminKey":"` + d.AdminKey() + `","args":{},"format":"json","bundle":{"path":"x.js","source":"","environment":"node"}}`, nil, 400, "InvalidModules"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := ask(d, "POST", "/api/run_test_function", test.body, test.header...)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, test.status, test.want)
			}
		})
	}
}

// Errors of a module that came with a source map have its places.
func TestTestQuerySourceMap(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := deploy(t, nil)
	source := testSource(`  throw new Error("boom");`)
	// Every line of the module is the line of the same number of census.ts.
	sourceMap := `{"version":3,"sources":["../convex/census.ts"],"names":[],"mappings":"AAAA;AACA;AACA;AACA;AACA"}`
	text := func(m map[string]any) string {
		b, _ := json.Marshal(map[string]any{"adminKey": d.AdminKey(), "args": map[string]any{}, "format": "json", "bundle": m})
		return ask(d, "POST", "/api/run_test_function", string(b)).Body.String()
	}
	if got := text(map[string]any{"path": "testQuery.js", "source": source, "sourceMap": sourceMap}); !strings.Contains(got, `boom\n    at handler (../convex/census.ts:3:1)`) {
		t.Errorf("with a map: %s", got)
	}
	if got := text(map[string]any{"path": "testQuery.js", "source": source}); strings.Contains(got, "   at ") || !strings.Contains(got, "Uncaught Error: boom") {
		t.Errorf("without a map: %s", got)
	}
}

// It runs before anything was pushed, and while the deployment is paused, and
// the log says who called.
func TestTestQueryAnywhere(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := local.New(local.Options{Name: "fixture", Seed: 1})
	t.Cleanup(func() { d.Close() })
	c := dial(t, d)
	d.Pause(true)
	r, err := c.RunTestQuery(t.Context(), wire.TestQuery{Source: testSource(`console.log("hi"); return await ctx.db.query("nothing").collect();`)})
	if err != nil || value.Display(r.Value) != "[]" || strings.Join(r.LogLines, "") != "[LOG] 'hi'" {
		t.Fatalf("%v %v", r, err)
	}
	w := ask(d, "GET", "/api/stream_function_logs?cursor=0", "", "Authorization", "Convex "+d.AdminKey(), "Convex-Client", "npm-cli-1.45.0")
	var log struct {
		Entries []struct{ Identifier, Caller, UdfType string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &log); err != nil || len(log.Entries) == 0 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for _, e := range log.Entries {
		if e.Identifier != "testQuery" || e.Caller != "Tester" || e.UdfType != "Query" {
			t.Errorf("log entry %+v", e)
		}
	}
	if _, err := c.FunctionHandle(t.Context(), "", "migrations:finish"); !errors.Is(err, wire.ErrMissing) {
		t.Errorf("handle of a function that is not there: %v", err)
	}
	push(t, d, nil)
	handle, err := c.FunctionHandle(t.Context(), "", "migrations:finish")
	if err != nil || !strings.HasSuffix(handle, "#migrations:finish") {
		t.Errorf("%s, %v", handle, err)
	}
}

// Many at once with the same and with different modules.
func TestTestQueriesAtOnce(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			r, err := c.RunTestQuery(t.Context(), wire.TestQuery{Source: testSource(fmt.Sprintf("return args.n * %d;", i%3)), Args: object("n", float64(i))})
			if err != nil || r.Value != float64(i*(i%3)) {
				t.Errorf("%d: %v %v", i, r.Value, err)
			}
		})
	}
	wg.Wait()
}

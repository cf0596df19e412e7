package local_test

import (
	"strings"
	"testing"

	"strait/convex/local"
)

// readsVariable is a module with a query that answers process.env.NAME.
func readsVariable(name string) map[string]any {
	return esModule("vars.js", `const f = () => {};
Object.assign(f, { isQuery: true, isPublic: true, invokeQuery: async () => JSON.stringify(process.env.`+name+` ?? "none"), exportArgs: () => '{"type":"any"}', exportReturns: () => "null", _handler: () => {} });
export { f as get };
`)
}

func setVariables(d *local.Deployment, changes ...any) string {
	return send(d, "update_environment_variables", map[string]any{"changes": changes}).Body.String()
}

func variable(name, value string) map[string]any {
	return map[string]any{"name": name, "value": value}
}

func listed(d *local.Deployment) string {
	return send(d, "query", map[string]any{"path": "_system/cli/queryEnvironmentVariables", "args": map[string]any{}}).Body.String()
}

// What `convex env set` says holds before the first push, at once, over the
// next push, and until it is removed.
func TestVariablesAreSet(t *testing.T) {
	t.Parallel()
	d := empty(t)
	if got := setVariables(d, variable("GREETING", "hello"), variable("OTHER", "x")); got != "" {
		t.Fatalf("before the first push: %s", got)
	}
	push := func(more ...any) {
		t.Helper()
		newPush(d, nil, append([]any{readsVariable("GREETING")}, more...)...).deployed(t, d)
	}
	answers := func(when, want string) {
		t.Helper()
		if got := called(d, "vars:get"); !strings.Contains(got, `"value":"`+want+`"`) {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	push()
	answers("after a push", "hello")
	setVariables(d, variable("GREETING", "good day"))
	answers("set after a push", "good day")
	if got := listed(d); !strings.Contains(got, `{"name":"GREETING","value":"good day"},{"name":"OTHER","value":"x"}]`) {
		t.Errorf("listed: %s", got)
	}

	// Set between the start and the end of a push.
	started := newPush(d, nil, readsVariable("GREETING"), esModule("more.js", registered("more", "1"))).start(t, d)
	setVariables(d, variable("GREETING", "in between"))
	if w := finish(d, started); w.Code != 200 {
		t.Fatalf("finish_push: %s", w.Body)
	}
	answers("set during a push", "in between")

	setVariables(d, map[string]any{"name": "GREETING"})
	answers("removed", "none")
	push(esModule("evenmore.js", registered("evenmore", "2")))
	answers("removed, and pushed again", "none")
	if got := listed(d); strings.Contains(got, "GREETING") {
		t.Errorf("removed, and listed: %s", got)
	}
}

// Code sees the address that the deployment is served at, over every push.
func TestCodeSeesTheServedAddress(t *testing.T) {
	t.Parallel()
	d := empty(t)
	for _, at := range []string{"http://127.0.0.1:4001", "http://127.0.0.1:4002"} {
		if err := d.ServedAt(at); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"CONVEX_CLOUD_URL", "CONVEX_SITE_URL"} {
			newPush(d, nil, readsVariable(name)).deployed(t, d)
			if got := called(d, "vars:get"); !strings.Contains(got, `"value":"`+at+`"`) {
				t.Errorf("%s at %s: %s", name, at, got)
			}
		}
	}
	if err := d.ServedAt("http://127.0.0.1:4003"); err != nil {
		t.Fatal(err)
	}
	if got := called(d, "vars:get"); !strings.Contains(got, ":4003") {
		t.Errorf("served elsewhere after a push: %s", got)
	}
	if got := listed(d); strings.Contains(got, "CONVEX_") {
		t.Errorf("listed: %s", got)
	}
}

func TestVariablesRefused(t *testing.T) {
	t.Parallel()
	d := empty(t)
	for name, want := range map[string]string{
		"1ST": "EnvironmentVariableNameInvalid", "A B": "EnvironmentVariableNameInvalid", "": "EnvironmentVariableNameInvalid",
		strings.Repeat("A", 257): "EnvironmentVariableNameTooLong", "CONVEX_SITE_URL": "EnvVarNameForbidden",
	} {
		if got := setVariables(d, variable("FINE", "1"), variable(name, "x")); !strings.Contains(got, want) {
			t.Errorf("%.20q: %s, want %s", name, got, want)
		}
	}
	if got := setVariables(d, variable("LONG", strings.Repeat("x", 8193))); !strings.Contains(got, "EnvironmentVariableValueTooLarge") {
		t.Errorf("a long value: %s", got)
	}
	if got := listed(d); strings.Contains(got, "FINE") {
		t.Errorf("part of a refused change is in force: %s", got)
	}
	if w := ask(d, "POST", "/api/update_environment_variables", `{"changes":[{"name":"A","value":"b"}]}`); w.Code < 400 {
		t.Errorf("without a key: %d", w.Code)
	}
}

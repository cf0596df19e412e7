package local

import (
	"maps"
	"testing"

	"strait/convex/jsrun"
)

// A component has the served address where its parent gave it the built-in
// variables, and nothing else of what is set at the root.
func TestComponentsSeeTheServedAddress(t *testing.T) {
	at, other := "http://127.0.0.1:4001", "x"
	app := &jsrun.App{Components: []*jsrun.Component{
		{Path: "", Env: map[string]string{"CONVEX_SITE_URL": "old", "A": "a"}},
		{Path: "given", Env: map[string]string{"CONVEX_SITE_URL": "old", "A": "its own"}},
		{Path: "bare", Env: map[string]string{"A": "its own"}},
	}}
	got := withVariables(app, map[string]*string{"CONVEX_SITE_URL": &at, "A": &other})
	for i, want := range []map[string]string{{"CONVEX_SITE_URL": at, "A": "x"}, {"CONVEX_SITE_URL": at, "A": "its own"}, {"A": "its own"}} {
		if c := got.Components[i]; !maps.Equal(c.Env, want) {
			t.Errorf("%q: %v, want %v", c.Path, c.Env, want)
		}
	}
	if got.Components[2] != app.Components[2] || app.Components[0].Env["A"] != "a" {
		t.Error("what does not change is not kept")
	}
}

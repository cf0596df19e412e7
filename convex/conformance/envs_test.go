package conformance

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
)

// TestDemoEnvironments holds what the demo's strait.toml promises: dev is
// finished, staging is half way and one migration failed there on an odd order,
// prod has not begun.
func TestDemoEnvironments(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir, err := filepath.Abs("../../testdata/demo")
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Load(ctx, project.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	open := func(t *testing.T, name string) *local.Deployment {
		d, err := fleet.OpenEmbedded(ctx, p, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}

	t.Run("dev", func(t *testing.T) {
		d := open(t, "dev")
		if got := d.View().Schema("").Hash(); got != p.Schema.Hash() {
			t.Errorf("the active schema is %s, want the target %s", got, p.Schema.Hash())
		}
		if n := offenders(t, d, p.Schema); n != 0 {
			t.Errorf("%d documents do not fit the target", n)
		}
		if state := states(t, ctx, d); len(state) != 8 {
			t.Errorf("states %v, want those of all eight definitions", state)
		}
	})
	t.Run("staging", func(t *testing.T) {
		d := open(t, "staging")
		want := map[string]string{"migrations:setTeamPlan": "success", "migrations:listingToEnum": "success", "migrations:movePreferences": "canceled",
			"migrations/orders:addCustomerName": "failed"}
		state := states(t, ctx, d)
		for name, s := range want {
			if state[name] != s {
				t.Errorf("%s is %q, want %s", name, state[name], s)
			}
		}
		if len(state) != len(want) {
			t.Errorf("states %v", state)
		}
		run(t, ctx, d, "migrations/orders:codeToText", "success")
		run(t, ctx, d, "migrations/orders:addCustomerName", "failed")
		if n := offenders(t, d, p.Schema); n == 0 {
			t.Error("no document is left that does not fit the target")
		}
		var failed []string
		for _, e := range log(t, ctx, d) {
			for _, l := range e.Lines {
				if _, id, ok := strings.Cut(l.Messages[0], "Document failed: "); ok {
					failed = append(failed, strings.Trim(id, "'"))
				}
			}
		}
		if len(failed) != 2 || failed[0] != failed[1] { // when it was filled, and again now
			t.Fatalf("failing documents %v, want the odd order twice", failed)
		}
		if doc, ok := d.View().Get("", failed[0]); !ok || !strings.Contains(doc.JSON, "Imported from the old shop.") {
			t.Errorf("the failing document is %s", doc.JSON)
		}
	})
	t.Run("prod", func(t *testing.T) {
		d := open(t, "prod")
		before, err := project.LoadSchema(ctx, p.Root, "schemas/before.ts")
		if err != nil {
			t.Fatal(err)
		}
		if d.View().Schema("").Hash() != before.Hash() {
			t.Error("another schema than that of release 4 is deployed")
		}
		if state := states(t, ctx, d); len(state) != 0 {
			t.Errorf("migrations have run: %v", state)
		}
		if n := offenders(t, d, before); n != 0 {
			t.Errorf("%d documents do not fit the schema that is deployed", n)
		}
	})
}

// offenders counts the documents that do not fit a schema.
func offenders(t *testing.T, d *local.Deployment, s *schema.Schema) (n int) {
	t.Helper()
	v := d.View()
	for _, table := range s.Tables {
		for doc := range v.Scan("", table.Name, "", false) {
			decoded, err := value.Decode([]byte(doc.JSON))
			if err != nil {
				t.Fatal(err)
			}
			if len(table.CheckDocument(decoded.(value.Object), v.IDs(""))) > 0 {
				n++
			}
		}
	}
	return n
}

// states asks the component for the state of every migration.
func states(t *testing.T, ctx context.Context, d *local.Deployment) map[string]string {
	t.Helper()
	r := d.Run(ctx, local.Request{Component: "migrations", Path: "lib:getStatus", Args: `{}`, Type: jsrun.Query, Admin: true})
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	var all []struct{ Name, State string }
	if err := json.Unmarshal([]byte(r.Value), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, one := range all {
		out[one.Name] = one.State
	}
	return out
}

func run(t *testing.T, ctx context.Context, d *local.Deployment, name, want string) {
	t.Helper()
	if r := d.Run(ctx, local.Request{Path: name, Args: `{}`, Type: jsrun.Mutation, Admin: true}); r.Err != nil {
		t.Fatal(r.Err)
	}
	settle(t, ctx, d)
	if got := states(t, ctx, d)[name]; got != want {
		t.Errorf("%s ended as %s, want %s", name, got, want)
	}
}

func log(t *testing.T, ctx context.Context, d *local.Deployment) []local.LogEntry {
	t.Helper()
	entries, err := d.Log(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

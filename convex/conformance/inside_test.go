package conformance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
)

// insideOutcome is what migrations that a component defines leave: the statuses
// after each batch that was asked for, those at the end, and the documents.
type insideOutcome struct {
	Batches   [][]any          `json:"batches"`
	Told      [][]any          `json:"told"`
	Documents []map[string]any `json:"documents"`
}

// A component's own migrations do the same in convex-test and in the embedded
// deployment, called by their names inside the component and by a handle that
// was made there (convex-wire.md 12.8, 13.4).
func TestMigrationsInsideAComponent(t *testing.T) {
	npm := npmtest.Dir(t)
	node := exec.CommandContext(t.Context(), "node", filepath.Join(npm, "inside.mjs"))
	node.Stderr = os.Stderr
	text, err := node.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want insideOutcome
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if len(want.Documents) != 150 || len(want.Batches) != 4 {
		t.Fatalf("convex-test did nothing: %s", text)
	}
	got := insideLocal(t, filepath.Join(npm, "inside"))
	a, b := tell(t, got), tell(t, want)
	if a != b {
		t.Errorf("embedded\n%s\nconvex-test\n%s", a, b)
	}
}

func tell(t *testing.T, o insideOutcome) string {
	t.Helper()
	text, err := json.MarshalIndent(o, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// insideLocal does what inside.mjs does, over the wire.
func insideLocal(t *testing.T, dir string) (out insideOutcome) {
	t.Helper()
	p, err := project.Load(t.Context(), project.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range p.Migrations {
		names = append(names, m.Name+" "+m.Component+" "+m.Package)
	}
	if !slices.Equal(names, []string{"billing:work:pay billing/migrations 0.3.6", "billing:work:choke billing/migrations 0.3.6"}) {
		t.Fatalf("the project has %v %v", names, p.Problems)
	}
	d := local.New(local.Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	if err := d.Push(t.Context(), local.Push{App: p.App}); err != nil {
		t.Fatal(err)
	}
	c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: d.HTTPClient()})
	t.Cleanup(func() { c.Close() })
	call := func(component, path string, fields ...value.Field) value.Value {
		t.Helper()
		r, err := c.Mutate(t.Context(), wire.Call{Component: component, Path: path, Args: value.NewObject(fields...)})
		if err != nil {
			t.Fatalf("%s %s: %v", component, path, err)
		}
		return r.Value
	}
	const kept = "billing/migrations"
	asked := []string{"work:choke", "work:pay"}
	statuses := func() []wire.MigrationStatus {
		t.Helper()
		s, err := c.MigrationStatuses(t.Context(), kept, asked)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	call("billing", "work:fill")
	call("billing", "work:pay")
	for v := d.View(); len(v.Jobs(kept)) > 0; v = d.View() {
		if _, err := d.Wait(t.Context(), v.Timestamp()); err != nil {
			t.Fatal(err)
		}
	}
	handle, err := c.FunctionHandle(t.Context(), componentNamed(t, c, "billing"), "work:choke")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.FunctionHandle(t.Context(), "", "work:choke"); err == nil {
		t.Error("the root has a handle of a function that only the component has")
	}
	for range 4 {
		s, err := wire.ReadMigrationStatus(call(kept, "lib:migrate",
			value.Field{Name: "name", Value: "work:choke"}, value.Field{Name: "fnHandle", Value: handle},
			value.Field{Name: "dryRun", Value: false}, value.Field{Name: "oneBatchOnly", Value: true}, value.Field{Name: "batchSize", Value: 30.0}))
		if err != nil {
			t.Fatal(err)
		}
		out.Batches = append(out.Batches, []any{s.Processed, s.State})
	}
	for _, s := range statuses() {
		out.Told = append(out.Told, []any{s.Name, s.State, s.Processed, strings.Contains(s.Error, "cannot pay")})
	}
	page, err := c.TableData(t.Context(), "billing", "bills", "asc", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range page.Documents {
		shown := map[string]any{}
		for _, f := range doc {
			if !strings.HasPrefix(f.Name, "_") {
				shown[f.Name] = f.Value
			}
		}
		out.Documents = append(out.Documents, shown)
	}
	return out
}

func componentNamed(t *testing.T, c *wire.Client, path string) string {
	t.Helper()
	all, err := c.Components(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if x.Path == path {
			return x.ID
		}
	}
	t.Fatalf("no component %q", path)
	return ""
}

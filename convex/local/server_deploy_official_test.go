package local_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
)

// demoProject is a copy of the demo project with the npm packages in place.
func demoProject(t *testing.T) string {
	t.Helper()
	npm := npmtest.Dir(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(npm, "..", "demo"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// official runs the official CLI in a project.
type official struct {
	t        *testing.T
	dir, url string
	d        *local.Deployment
}

type outcome struct {
	out  string // both streams
	err  string // the second one
	code int
}

func (o official) run(args ...string) outcome {
	o.t.Helper()
	out, errs, code := cli(o.t, o.dir, o.url, o.d.AdminKey(), args...)
	return outcome{out + errs, errs, code}
}

// must runs a command that must succeed and say something.
func (o official) must(says string, args ...string) string {
	o.t.Helper()
	got := o.run(args...)
	if got.code != 0 || !strings.Contains(got.out, says) {
		o.t.Fatalf("convex %s: exit %d\n%s\nwant %q", strings.Join(args, " "), got.code, got.out, says)
	}
	return got.out
}

func newOfficial(t *testing.T, d *local.Deployment) official {
	return official{t: t, dir: demoProject(t), url: served(t, d), d: d}
}

// system asks a system query and reads what it answers.
func (o official) system(path, args string, into any) {
	o.t.Helper()
	w := admin(o.d, "POST", "/api/query", `{"path":"`+path+`","args":`+args+`,"format":"convex_encoded_json"}`)
	var answer struct {
		Status, ErrorMessage string
		Value                json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Status != "success" {
		o.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(answer.Value, into); err != nil {
		o.t.Fatal(err)
	}
}

// TestOfficialDeploy is the whole story of a migration told by the official
// CLI alone: an empty deployment, old documents, a target schema that they do
// not fit, the widened one, the migrations, the target again.
func TestOfficialDeploy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs the official CLI a dozen times, far too long under the race detector")
	}
	d := local.New(local.Options{Name: "fixture", Seed: 1})
	t.Cleanup(func() { d.Close() })
	o := newOfficial(t, d)

	target := o.read("convex/schema.ts")
	old := strings.ReplaceAll(o.read("schemas/before.ts"), "../convex/", "./")

	// Release 4 onto an empty deployment: code generation on, the type check off,
	// which would hold today's code against yesterday's schema.
	o.write("convex/schema.ts", old)
	says := o.must("Deployed Convex functions", "deploy", "--typecheck", "disable")
	for _, part := range []string{"Added table indexes", "orders.by_team", "Installed component migrations."} {
		if !strings.Contains(says, part) {
			t.Errorf("the first deploy does not say %q:\n%s", part, says)
		}
	}
	if !strings.Contains(o.read("convex/_generated/api.d.ts"), "migrations: import(") && !strings.Contains(o.read("convex/_generated/api.d.ts"), "migrations: {") {
		t.Errorf("the generated api knows no component:\n%s", o.read("convex/_generated/api.d.ts"))
	}
	var version string
	if o.system("_system/frontend/getVersion", "{}", &version); version != "1.48.0" {
		t.Errorf("version %s", version)
	}
	before := o.state()
	if before.Event.Action != "push_config_with_components" || len(before.Event.Metadata.Components) != 2 {
		t.Errorf("last push: %+v", before.Event)
	}
	shape, err := project.LoadSchema(t.Context(), o.dir, "target") // what convex/schema.ts says now
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Generate(t.Context(), local.GenerateOptions{
		Schema: shape, Seed: 7, Counts: map[string]int{"teams": 12, "users": 60, "products": 30, "sessions": 20},
	}); err != nil {
		t.Fatal(err)
	}

	// The target does not fit them: Convex's words, exit 1, nothing changed.
	o.write("convex/schema.ts", target)
	got := o.run("deploy", "--typecheck", "disable", "--codegen", "disable")
	if got.code != 1 || !strings.Contains(got.err, "Schema validation failed.") ||
		!regexp.MustCompile(`Document with ID "\w{31,37}" in table "\w+" does not match the schema: `).MatchString(got.err) {
		t.Fatalf("a target that documents do not fit: exit %d\n%s", got.code, got.out)
	}
	if after := o.state(); !reflect.DeepEqual(after, before) {
		t.Errorf("the refused deploy changed the deployment: %+v, was %+v", after, before)
	}

	// A dry run of the widened schema, which fits: as its name says.
	wanted, err := project.LoadSchema(t.Context(), o.dir, "target")
	if err != nil {
		t.Fatal(err)
	}
	o.write("convex/schema.ts", schema.WidenSchemas(shape, wanted).TypeScript())
	o.must("Would have deployed Convex functions", "deploy", "--dry-run", "--typecheck", "disable", "--codegen", "disable")
	if after := o.state(); after.Active != before.Active || after.Event.ID != before.Event.ID {
		t.Errorf("the dry run changed the deployment: %+v", after)
	}

	// Widened for real; the migrations run through the component; the target fits.
	o.must("Deployed Convex functions", "deploy", "--typecheck", "disable", "--codegen", "disable")
	o.must("Migration", "run", "migrations:runPartOne")
	o.migrated("migrations:setTeamPlan", "migrations:dropAvatarUrl", "migrations:movePreferences", "migrations:listingToEnum", "migrations:removeOrphanSessions")
	o.write("convex/schema.ts", target)
	o.must("Deployed Convex functions", "deploy", "--typecheck", "disable", "--codegen", "disable")
	if state := o.state(); !strings.Contains(state.Active, `"plan":{"fieldType":{"type":"union"`) || state.InProgress != "" {
		t.Errorf("the target is not in force: %+v", state)
	}
	w := admin(d, "POST", "/api/mutation", `{"path":"_system/frontend/addDocument","args":{"table":"teams","documents":[{"name":"x","slug":"x","city":"x","seats":1}]}}`)
	if !strings.Contains(w.Body.String(), "missing the required field `plan`") {
		t.Errorf("the target is not enforced: %s", w.Body)
	}

	// Nothing has changed since: no module is sent again.
	before = o.state()
	o.must("Deployed Convex functions", "deploy", "--typecheck", "disable", "--codegen", "disable")
	after := o.state()
	if after.Event.ID == before.Event.ID || after.Active != before.Active {
		t.Errorf("the second deploy: %+v", after)
	}
	for _, c := range after.Event.Metadata.Components {
		if len(c.Diff.Modules.Added)+len(c.Diff.Modules.Removed) > 0 {
			t.Errorf("a deploy without changes changed modules: %+v", c.Diff)
		}
	}
}

func (o official) read(name string) string {
	o.t.Helper()
	text, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	return string(text)
}

func (o official) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o644); err != nil {
		o.t.Fatal(err)
	}
}

// deploymentState is what a deployment tells of its schema and of its last push.
type deploymentState struct {
	Active, InProgress string
	Event              struct {
		ID       string `json:"_id"`
		Action   string
		Metadata struct {
			Components []struct {
				Path *string `json:"component_path"`
				Diff struct {
					Modules struct{ Added, Removed []string } `json:"moduleDiff"`
				} `json:"component_diff"`
			} `json:"component_diffs"`
		}
	}
}

func (o official) state() (s deploymentState) {
	o.t.Helper()
	o.system("_system/frontend/getSchemas", "{}", &s)
	o.system("_system/frontend/deploymentEvents:lastPushEvent", "{}", &s.Event)
	return s
}

// migrated waits until the component says that all have succeeded.
func (o official) migrated(names ...string) {
	o.t.Helper()
	at := uint64(0)
	for {
		w := admin(o.d, "POST", "/api/function", `{"path":"lib:getStatus","componentPath":"migrations","args":{}}`)
		var answer struct {
			Value []struct{ Name, State, Error string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			o.t.Fatalf("%v: %s", err, w.Body)
		}
		done := map[string]bool{}
		for _, m := range answer.Value {
			if m.State == "failed" || m.Error != "" {
				o.t.Fatalf("migration %s: %s", m.Name, m.Error)
			}
			done[m.Name] = m.State == "success"
		}
		if !slices.ContainsFunc(names, func(name string) bool { return !done[name] }) {
			return
		}
		ctx, cancel := context.WithTimeout(o.t.Context(), 30*time.Second)
		var err error
		at, err = o.d.Wait(ctx, at)
		cancel()
		if err != nil {
			o.t.Fatalf("the migrations do not end: %s", w.Body)
		}
	}
}

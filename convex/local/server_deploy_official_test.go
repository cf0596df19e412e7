package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
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
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append(append([]string{filepath.Join(o.dir, "node_modules/convex/bin/main.js")}, args...), "--url", o.url, "--admin-key", o.d.AdminKey())...)
	cmd.Dir = o.dir
	cmd.Env = append(os.Environ(), "CI=1", "NO_COLOR=1", "FORCE_COLOR=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		o.t.Fatal(err)
	}
	return outcome{out.String() + errs.String(), errs.String(), cmd.ProcessState.ExitCode()}
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
	w := ask(o.d, "POST", "/api/query", `{"path":"`+path+`","args":`+args+`,"format":"convex_encoded_json"}`, "Authorization", "Convex "+o.d.AdminKey())
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

	// An empty deployment, everything at its default but the type check, which
	// needs packages of the demo's that are not installed.
	o.must("Deployed Convex functions", "deploy", "--typecheck", "disable")
	if _, err := os.Stat(filepath.Join(o.dir, "convex/_generated/api.d.ts")); err != nil {
		t.Errorf("codegen: %v", err)
	}
	var version string
	if o.system("_system/frontend/getVersion", "{}", &version); version != "1.48.0" {
		t.Errorf("version %s", version)
	}
}

package local

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strait/convex/internal/npmtest"
	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

// files are the modules of a test's project, by path under convex/.
type files map[string]string

// loadApp bundles a project as convex/project does, without its reports: any
// problem fails the test. npm says whether the packages come from
// testdata/npm or from the prelude.
func loadApp(t testing.TB, npm bool, f files) *jsrun.App {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range f {
		path := filepath.Join(root, "convex", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if npm {
		if err := os.Symlink(filepath.Join(npmtest.Dir(t), "node_modules"), filepath.Join(root, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	app := &jsrun.App{}
	loadComponent(t, app, root, filepath.Join(root, "convex"), "")
	return app
}

func loadComponent(t testing.TB, app *jsrun.App, root, dir, path string) {
	t.Helper()
	ctx := context.Background()
	modules, err := jsrun.ListModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, problems, err := jsrun.Bundle(ctx, jsrun.Options{Root: root, Dir: dir, Modules: modules, Component: path})
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Analyze(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range append(problems, a.Problems...) {
		if !bad.Warning {
			t.Fatalf("%s: %v", path, bad)
		}
	}
	c := &jsrun.Component{
		Path: path, Name: path[strings.LastIndex(path, "/")+1:], Program: p,
		Functions: a.Functions, Children: map[string]string{},
	}
	if a.Schema != nil {
		if c.Schema, err = schema.Parse(a.Schema); err != nil {
			t.Fatal(err)
		}
	}
	app.Components = append(app.Components, c)
	for _, child := range a.Children {
		at := strings.TrimPrefix(path+"/"+child.Name, "/")
		c.Children[child.Name] = at
		loadComponent(t, app, root, child.Dir, at)
	}
}

// deploy starts a deployment with the app pushed.
func deploy(t testing.TB, app *jsrun.App, o Options) *Deployment {
	t.Helper()
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Limits == nil { // a busy machine must not fail a test by its time
		limits := DefaultLimits()
		limits.FunctionTime = time.Minute
		o.Limits = &limits
	}
	d := New(o)
	t.Cleanup(func() { d.Close() })
	if app != nil {
		if err := d.Push(context.Background(), Push{App: app}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// run calls a function as an admin; component "c" is written "c!mod:fn".
func run(t testing.TB, d *Deployment, path, args string) Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := Request{Path: path, Args: args, Admin: true, Caller: "HttpApi"}
	if c, p, ok := strings.Cut(path, "!"); ok {
		r.Component, r.Path = c, p
	}
	return d.Run(ctx, r)
}

// must is run that must succeed; it returns the decoded result.
func must(t testing.TB, d *Deployment, path, args string) value.Value {
	t.Helper()
	r := run(t, d, path, args)
	if r.Err != nil {
		t.Fatalf("%s(%s): %s", path, args, r.Err.Message)
	}
	v, err := value.Decode([]byte(r.Value))
	if err != nil {
		t.Fatalf("%s: %v in %s", path, err, r.Value)
	}
	return v
}

// fails is run that must fail; it returns the error.
func fails(t testing.TB, d *Deployment, path, args string) *FunctionError {
	t.Helper()
	r := run(t, d, path, args)
	if r.Err == nil {
		t.Fatalf("%s(%s) succeeded with %s", path, args, r.Value)
	}
	return r.Err
}

// field reads a field of a result by its dotted path.
func field(v value.Value, path string) value.Value { return value.Lookup(v, path) }

// text is a value as JSON.
func text(v value.Value) string { return string(value.Append(nil, v)) }

// decode reads JSON of a test.
func decode(t testing.TB, s string) value.Object {
	t.Helper()
	v, err := value.Decode([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return v.(value.Object)
}

// parseSchema reads a schema as schema.export() writes it.
func parseSchema(t testing.TB, s string) *schema.Schema {
	t.Helper()
	parsed, err := schema.Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// eventually waits for a commit after which ok holds.
func eventually(t testing.TB, d *Deployment, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		ts := d.View().Timestamp()
		if ok() {
			return
		}
		_, err := d.Wait(ctx, ts)
		if err = errors.Join(err, ctx.Err()); err != nil {
			t.Fatalf("waited for %s: %v", what, err)
		}
	}
}

// lines are a response's log lines as "LEVEL text".
func logLines(r Response) []string {
	var out []string
	for _, l := range r.Log {
		out = append(out, l.Level+" "+strings.Join(l.Messages, " "))
	}
	return out
}

package local

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"strait/convex/jsrun"
)

// POST /api/run_test_function: a query that comes along with its call
// (convex-wire.md 3).

// testQueryBody is the body of 3.
type testQueryBody struct {
	AdminKey    string          `json:"adminKey"`
	Args        json.RawMessage `json:"args"`
	Bundle      moduleBody      `json:"bundle"`
	Format      *string         `json:"format"`
	ComponentID *string         `json:"componentId"`
}

// moduleBody is one ES module that came along with a call.
type moduleBody struct {
	Path        string  `json:"path"`
	Source      string  `json:"source"`
	SourceMap   string  `json:"sourceMap"`
	Environment *string `json:"environment"`
}

var adHocPath = regexp.MustCompile(`^[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*\.js$`)

// module checks what can be known of the module without running it.
func (b moduleBody) module() (jsrun.AdHoc, error) {
	if len(b.Path) > 500 || !adHocPath.MatchString(b.Path) {
		return jsrun.AdHoc{}, badRequest("InvalidModulePath", "%q is not a valid path of a module. It looks like testQuery.js.", b.Path)
	}
	if b.Environment != nil && *b.Environment != jsrun.Isolate {
		return jsrun.AdHoc{}, badRequest("InvalidModules", "Could not analyze the given module:\n%s: the embedded deployment has no environment %q", b.Path, *b.Environment)
	}
	return jsrun.AdHoc{PushedModule: jsrun.PushedModule{Path: b.Path, Source: b.Source, SourceMap: b.SourceMap, Environment: jsrun.Isolate}}, nil
}

// opByBody is requireOp for routes whose body may hold the key.
func (d *Deployment) opByBody(r *http.Request, key, op string) (identity, error) {
	if key == "" {
		return d.requireOp(r, op)
	}
	return d.allow(op)(d.checkKey(key))
}

// componentOf is the path of the component with an id; none is the root.
func (d *Deployment) componentOf(id *string) (string, error) {
	if id == nil || *id == "" {
		return "", nil
	}
	path, ok := d.componentByID(*id)
	if !ok {
		return "", badRequest("ComponentNotFound", "Component with ID %q not found", *id)
	}
	return path, nil
}

func (d *Deployment) runTestFunction(r *http.Request) (functionAnswer, error) {
	var body testQueryBody
	var none functionAnswer
	if err := readJSON(r, &body); err != nil {
		return none, err
	}
	id, err := d.opByBody(r, body.AdminKey, "RunTestQuery")
	if err != nil {
		return none, err
	}
	format, err := parseFormat(body.Format)
	if err != nil {
		return none, err
	}
	args, err := argsObject(body.Args)
	if err != nil {
		return none, err
	}
	component, err := d.componentOf(body.ComponentID)
	if err != nil {
		return none, err
	}
	module, err := body.Bundle.module()
	if err != nil {
		return none, err
	}
	if app := d.App(); component == "" && app != nil && app.Component("") != nil {
		module.Env = app.Component("").Env
	}
	q, err := d.serving().tests.load(r.Context(), module)
	if err != nil {
		return none, err
	}
	return format.answer(d.Run(withOrigin(r.Context(), r), Request{
		Component: component, Path: q.function.Path(), Args: args, Type: jsrun.Query, Admin: true, Identity: id.user,
		Caller: "Tester", RequestID: requestID(r), Program: q.program, Function: &q.function,
	}))
}

// testQuery is a module that was sent for a query, ready to run.
type testQuery struct {
	program  *jsrun.Program
	function jsrun.Function
}

// loadTestQuery compiles a module and finds its query.
func loadTestQuery(ctx context.Context, m jsrun.AdHoc) (testQuery, error) {
	program, functions, err := m.Load(ctx)
	var bad *jsrun.PushedError
	switch {
	case errors.As(err, &bad):
		return testQuery{}, badRequest("InvalidModules", "Could not analyze the given module:\n%s", bad.Message)
	case err != nil:
		return testQuery{}, err
	}
	functions = slices.DeleteFunc(functions, func(f jsrun.Function) bool { return f.Type == jsrun.HTTPAction })
	if slices.ContainsFunc(functions, func(f jsrun.Function) bool { return f.Export != "default" }) {
		return testQuery{}, badRequest("InvalidTestQuery", "Only `export default` is supported.")
	}
	if len(functions) == 0 {
		return testQuery{}, badRequest("InvalidTestQuery", "Default export is not a Convex function.")
	}
	if f := functions[0]; f.Type != jsrun.Query {
		return testQuery{}, badRequest("UnsupportedTestQuery", "%ss are not supported in the REPL yet.", f.Type)
	}
	return testQuery{program, functions[0]}, nil
}

// maxTestQueries bounds the modules kept compiled: a census sends the same one
// hundreds of times.
const maxTestQueries = 24

// testQueries are the modules sent last, the newest at the end.
type testQueries struct {
	mu   sync.Mutex
	kept []*loadedTest
}

// loadedTest is one module, which the first who asks for it compiles.
type loadedTest struct {
	module jsrun.AdHoc
	env    string
	ready  chan struct{} // closed once query or err is there
	query  testQuery
	err    error
}

// load gives the module compiled. A failure is not kept: it is told again, or
// was the caller's who went away.
func (t *testQueries) load(ctx context.Context, m jsrun.AdHoc) (testQuery, error) {
	for {
		l, mine := t.find(m)
		if mine {
			return t.fill(ctx, l)
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return testQuery{}, ctx.Err()
		}
		if l.err == nil || !errors.Is(l.err, context.Canceled) {
			return l.query, l.err
		}
	}
}

// fill compiles a module for all who wait for it, who must not wait for ever
// should the bundler panic.
func (t *testQueries) fill(ctx context.Context, l *loadedTest) (testQuery, error) {
	l.err = errors.New("compile the module: it did not come to an end")
	defer func() {
		if l.err != nil {
			t.forget(l)
		}
		close(l.ready)
	}()
	l.query, l.err = loadTestQuery(ctx, l.module)
	return l.query, l.err
}

// find finds a module that was sent before, or makes room for it; mine says
// that the caller is to compile it.
func (t *testQueries) find(m jsrun.AdHoc) (l *loadedTest, mine bool) {
	env, _ := json.Marshal(m.Env) // sorted; a map of strings always marshals
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.kept, func(l *loadedTest) bool {
		return l.module.PushedModule == m.PushedModule && l.env == string(env)
	})
	if i >= 0 {
		l = t.kept[i]
		t.kept = append(slices.Delete(t.kept, i, i+1), l)
		return l, false
	}
	l = &loadedTest{module: m, env: string(env), ready: make(chan struct{})}
	if len(t.kept) == maxTestQueries {
		t.kept = slices.Delete(t.kept, 0, 1)
	}
	t.kept = append(t.kept, l)
	return l, true
}

func (t *testQueries) forget(l *loadedTest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = slices.DeleteFunc(t.kept, func(k *loadedTest) bool { return k == l })
}

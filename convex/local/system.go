package local

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

// System functions (convex-wire.md 6): Convex's backend has them built in, and
// so has this one. They read a View, say on what their answer rests, and are
// live like any query. Only admins reach them.

const systemPrefix = "_system/"

// systemCall is one call of a system function.
type systemCall struct {
	d         *Deployment
	ctx       context.Context
	view      *View
	component string // the one whose data it reads: componentId, else componentPath
	args      value.Object
	reads     *ReadSet
	ts        uint64 // of a mutation's commit
}

// systemFunction answers with something that marshals to convex_encoded_json.
type systemFunction struct {
	typ jsrun.FunctionType
	run func(*systemCall) (any, error)
}

// systemFunctions by canonical path.
var systemFunctions map[string]systemFunction

func init() { // the table refers to functions that refer to it
	systemFunctions = map[string]systemFunction{
		"_system/cli/tables:default":                           {jsrun.Query, listTables},
		"_system/cli/tableData:default":                        {jsrun.Query, tableData},
		"_system/cli/tableSize:default":                        {jsrun.Query, tableSize},
		"_system/cli/queryTable:default":                       {jsrun.Query, queryTable},
		"_system/cli/modules:apiSpec":                          {jsrun.Query, apiSpec},
		"_system/cli/convexUrl:cloudUrl":                       {jsrun.Query, cloudURL},
		"_system/cli/queryEnvironmentVariables:default":        {jsrun.Query, environment},
		"_system/cli/queryEnvironmentVariables:get":            {jsrun.Query, environmentVariable},
		"_system/cli/exports:getLatest":                        {jsrun.Query, latestExport},
		"_system/cli/queryImport:default":                      {jsrun.Query, oneImport},
		"_system/cli/queryImport:list":                         {jsrun.Query, listImports},
		"_system/frontend/latestExport:default":                {jsrun.Query, latestExport},
		"_system/frontend/tableSize:default":                   {jsrun.Query, tableSize},
		"_system/frontend/tableSize:sizeOfAllTables":           {jsrun.Query, sizeOfAllTables},
		"_system/frontend/paginatedTableDocuments:default":     {jsrun.Query, tableDocuments},
		"_system/frontend/getSchemas:default":                  {jsrun.Query, getSchemas},
		"_system/frontend/getSchemas:schemaValidationProgress": {jsrun.Query, validationProgress},
		"_system/frontend/indexes:default":                     {jsrun.Query, listIndexes},
		"_system/frontend/components:list":                     {jsrun.Query, listComponents},
		"_system/frontend/getTableMapping:default":             {jsrun.Query, tableMapping},
		"_system/frontend/getById:default":                     {jsrun.Query, getByID},
		"_system/frontend/listById:default":                    {jsrun.Query, listByID},
		"_system/frontend/paginatedScheduledJobs:default":      {jsrun.Query, scheduledJobs},
		"_system/frontend/deploymentState:deploymentState":     {jsrun.Query, deploymentState},
		"_system/frontend/backendState:backendState":           {jsrun.Query, backendState},
		"_system/frontend/getVersion:default":                  {jsrun.Query, pushedVersion},
		"_system/frontend/deploymentEvents:lastPushEvent":      {jsrun.Query, lastPushEvent},
		"_system/frontend/addDocument:default":                 {jsrun.Mutation, addDocuments},
		"_system/frontend/patchDocumentsFields:default":        {jsrun.Mutation, patchDocuments},
		"_system/frontend/replaceDocument:default":             {jsrun.Mutation, replaceDocument},
		"_system/frontend/deleteDocuments:default":             {jsrun.Mutation, deleteDocuments},
	}
}

// argumentError is an argument of a system function that is missing or wrong.
type argumentError struct{ text string }

func (e *argumentError) Error() string { return e.text }

// callSystem runs a system function on a view.
func (d *Deployment) callSystem(ctx context.Context, view *View, req Request) Response {
	started := time.Now()
	resp := Response{RequestID: req.RequestID, Timestamp: view.Timestamp(), Type: req.Type}
	fn, known := systemFunctions[req.Path]
	if !known || !req.Admin {
		resp.Err = &FunctionError{Message: "Could not find public function for '" + strings.TrimSuffix(req.Path, ":default") + "'" + inComponent(req.Component) + "."}
		return resp
	}
	if fn.typ != req.Type {
		resp.Err = &FunctionError{Message: "Trying to execute " + strings.Replace(req.Path, ":", ".js:", 1) + " as " + string(req.Type) + ", but it is defined as " + string(fn.typ) + "."}
		return resp
	}
	c := &systemCall{d: d, ctx: ctx, view: view, component: req.Component, reads: codeReads(), ts: resp.Timestamp}
	answer, err := c.prepare(req, fn)
	resp.Reads = c.reads
	resp.Timestamp, resp.Took = c.ts, time.Since(started)
	if err == nil {
		var text []byte
		if text, err = json.Marshal(answer); err == nil {
			resp.Value = string(text)
		}
	}
	if err != nil {
		resp.Err = systemError(err)
	}
	return resp
}

func systemError(err error) *FunctionError {
	var bad *argumentError
	var shown *FunctionError
	switch {
	case errors.As(err, &shown):
		return shown
	case errors.As(err, &bad):
		return &FunctionError{Message: "ArgumentValidationError: " + bad.text}
	}
	return &FunctionError{Message: "Uncaught Error: " + err.Error()}
}

func (c *systemCall) prepare(req Request, fn systemFunction) (any, error) {
	v, err := value.Decode([]byte(req.Args))
	if err != nil {
		return nil, &argumentError{err.Error()}
	}
	args, ok := v.(value.Object)
	if !ok {
		return nil, &argumentError{"Value does not match validator: want an object"}
	}
	c.args = args
	if id, given := args.Get("componentId"); given && id != nil {
		path, ok := c.d.componentByID(id)
		if !ok {
			return nil, &FunctionError{Message: "Component ID " + value.Display(id) + " not found", Code: "ComponentNotFound"}
		}
		c.component = path
	}
	if !c.hasComponent() {
		return nil, &FunctionError{Message: "Component path '" + c.component + "' not found", Code: "ComponentPathNotFound"}
	}
	return fn.run(c)
}

func (c *systemCall) hasComponent() bool {
	return c.component == "" || slices.Contains(c.view.Components(), c.component)
}

// component finds the deployed code of the call's component; nil without.
func (c *systemCall) code() *jsrun.Component {
	app := c.d.App()
	if app == nil {
		return nil
	}
	return app.Component(c.component)
}

// text is a string argument that must be there.
func (c *systemCall) text(name string) (string, error) {
	v, ok := c.args.Get(name)
	s, isText := v.(string)
	switch {
	case !ok:
		return "", &argumentError{"Object is missing the required field `" + name + "`. Consider wrapping the field validator in `v.optional(...)` if this is expected."}
	case !isText:
		return "", &argumentError{"Value does not match validator.\nPath: ." + name + "\nValue: " + value.Display(v) + "\nValidator: v.string()"}
	}
	return s, nil
}

// componentsTable is the number of the system table whose ids name components.
const componentsTable = 523

// componentID is the id of a component: the same for the same path.
func componentID(path string) string {
	sum := sha256.Sum256([]byte("component\x00" + path))
	id := value.ID{Table: componentsTable}
	copy(id.Internal[:], sum[:])
	return id.String()
}

func (d *Deployment) componentByID(id value.Value) (string, bool) {
	for _, path := range d.View().Components() {
		if id == componentID(path) {
			return path, true
		}
	}
	return "", id == componentID("")
}

func listComponents(c *systemCall) (any, error) {
	type row struct {
		ID         string                     `json:"id"`
		Name       string                     `json:"name,omitempty"`
		Path       string                     `json:"path"`
		Args       map[string]json.RawMessage `json:"args"`
		State      string                     `json:"state"`
		HTTPPrefix *string                    `json:"httpPrefix"`
	}
	c.reads.Add(ReadSchema("")) // data of a component begins with its first table
	paths := c.view.Components()
	slices.Sort(paths)
	rows := []row{}
	for _, path := range paths {
		r := row{ID: componentID(path), Path: path, Name: path[strings.LastIndexByte(path, '/')+1:], Args: map[string]json.RawMessage{}, State: "unmounted"}
		if app := c.d.App(); path == "" || app != nil && app.Component(path) != nil {
			r.State = "active"
			if app != nil && app.Component(path) != nil && app.Component(path).Args != nil {
				r.Args = app.Component(path).Args
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func apiSpec(c *systemCall) (any, error) {
	type visibility struct {
		Kind string `json:"kind"`
	}
	type row struct {
		Identifier   string             `json:"identifier"`
		FunctionType jsrun.FunctionType `json:"functionType"`
		Visibility   visibility         `json:"visibility"`
		Args         json.RawMessage    `json:"args"`
		Returns      json.RawMessage    `json:"returns"`
	}
	rows := []row{}
	if code := c.code(); code != nil {
		for _, f := range code.Functions {
			if f.Type == jsrun.HTTPAction {
				continue // its routes are not known here
			}
			r := row{Identifier: f.Module + ".js:" + f.Export, FunctionType: f.Type, Visibility: visibility{"internal"}, Args: validatorJSON(f.Args), Returns: validatorJSON(f.Return)}
			if f.Public {
				r.Visibility.Kind = "public"
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func validatorJSON(v *schema.Validator) json.RawMessage {
	if v == nil {
		return json.RawMessage(`{"type":"any"}`)
	}
	return v.JSON()
}

// originKey finds the URL under which a request reached the deployment.
type originKey struct{}

func withOrigin(ctx context.Context, r *http.Request) context.Context {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return context.WithValue(ctx, originKey{}, scheme+r.Host)
}

func cloudURL(c *systemCall) (any, error) {
	url, _ := c.ctx.Value(originKey{}).(string)
	return url, nil
}

func deploymentState(c *systemCall) (any, error) {
	if c.d.Paused() {
		return map[string]string{"state": "paused"}, nil
	}
	return map[string]string{"state": "running"}, nil
}

func backendState(c *systemCall) (any, error) {
	user := "none"
	if c.d.Paused() {
		user = "paused"
	}
	return map[string]string{"system": "none", "usage_limit": "none", "user": user}, nil
}

// pushedVersion is the npm version that pushed the code; null for Strait.
func pushedVersion(c *systemCall) (any, error) {
	if s := c.view.snapshot.code.source; s != nil {
		return s.version, nil
	}
	return nil, nil
}

// lastPushEvent is the audit log's entry of the last push of code.
func lastPushEvent(c *systemCall) (any, error) {
	if e := c.view.snapshot.code.event; e != nil {
		return e, nil
	}
	return nil, nil
}

// variables are those that were set: the built-in ones are not listed.
func variables(c *systemCall) map[string]string {
	var env map[string]string
	if code := c.code(); code != nil {
		env = code.Env
	}
	var set map[string]*string
	if c.component == "" {
		set = c.view.snapshot.code.variables
	}
	out := changed(env, set)
	for _, name := range builtIn {
		delete(out, name)
	}
	return out
}

func environment(c *systemCall) (any, error) {
	rows, all := []map[string]string{}, variables(c)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		rows = append(rows, map[string]string{"name": name, "value": all[name]})
	}
	return rows, nil
}

func environmentVariable(c *systemCall) (any, error) {
	name, err := c.text("name")
	if err != nil {
		return nil, err
	}
	if v, ok := variables(c)[name]; ok {
		return map[string]string{"name": name, "value": v}, nil
	}
	return nil, nil
}

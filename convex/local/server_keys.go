package local

import (
	"net/http"
	"slices"
	"strings"

	"strait/convex/jsrun"
)

// Key is a further key of a deployment that may not do everything
// (convex-wire.md 1.2).
type Key struct {
	Key      string   // "name|token"
	ReadOnly bool     // as shown by check_admin_key
	Ops      []string // DeploymentOp names; none given: what a read-only key may do, or everything
}

// AddKey lets the deployment take a further key.
func (d *Deployment) AddKey(k Key) {
	for {
		old := d.keys.Load()
		keys := append(slices.Clone(d.furtherKeys()), k)
		if d.keys.CompareAndSwap(old, &keys) {
			return
		}
	}
}

func (d *Deployment) furtherKeys() []Key {
	if keys := d.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// readOps are the operations of a read-only key (1.2).
var readOps = slices.DeleteFunc(slices.Clone(allOps), func(op string) bool {
	return !strings.HasPrefix(op, "View") && op != "DownloadBackups" && op != "RunInternalQueries" && op != "RunTestQuery"
})

func (k Key) ops() []string {
	switch {
	case len(k.Ops) > 0:
		return k.Ops
	case k.ReadOnly:
		return readOps
	}
	return allOps
}

// may reports whether the caller may do an operation.
func (id identity) may(op string) bool {
	return id.admin && (id.key == nil || slices.Contains(id.key.ops(), op))
}

const codeNotPermitted = "OperationNotPermitted"

func notPermitted(op string) *httpError {
	return &httpError{http.StatusForbidden, codeNotPermitted, "You do not have permission to perform this operation (deployment:" + op + ")."}
}

// requireOp is requireAdmin for routes that need an operation.
func (d *Deployment) requireOp(r *http.Request, op string) (identity, error) {
	return d.allow(op)(d.authenticate(r))
}

// allow lets those pass who may do an operation.
func (d *Deployment) allow(op string) func(identity, error) (identity, error) {
	return func(id identity, err error) (identity, error) {
		switch {
		case err != nil:
		case !id.admin:
			err = d.noAdmin()
		case !id.may(op):
			err = notPermitted(op)
		}
		return id, err
	}
}

// forbidden is the answer to a call that the key may not make.
func forbidden(req Request, op string) Response {
	refused := notPermitted(op)
	return Response{RequestID: req.RequestID, Type: req.Type, Err: &FunctionError{Message: refused.message, Code: refused.code}}
}

// lacks reports which operation a limited key lacks for a call; "" none
// (2.5). Public functions of the root need none.
func (d *Deployment) lacks(id identity, req Request, system bool) string {
	if !id.admin || id.key == nil {
		return ""
	}
	if system {
		if op := systemOp(req); op != "" && !id.may(op) {
			return op
		}
		return ""
	}
	run, data := "RunInternalMutations", "WriteData"
	typ := req.Type
	if app := d.App(); app != nil {
		if c := app.Component(req.Component); c != nil {
			if f, ok := c.Function(req.Path); ok {
				if typ = f.Type; req.Component == "" && f.Public {
					return ""
				}
			}
		}
	}
	switch typ {
	case jsrun.Query:
		run, data = "RunInternalQueries", "ViewData"
	case jsrun.Action:
		run = "RunInternalActions"
	}
	switch {
	case !id.may(run):
		return run
	case req.Component != "" && !id.may(data):
		return data
	}
	return ""
}

// systemOps are the operations that system functions ask for beside ViewData
// and WriteData (6.2); "" none.
var systemOps = map[string]string{
	"_system/cli/exports:getLatest":                    "ViewBackups",
	"_system/frontend/latestExport:default":            "ViewBackups",
	"_system/cli/queryImport:default":                  "ViewBackups",
	"_system/cli/queryImport:list":                     "ViewBackups",
	"_system/cli/queryEnvironmentVariables:default":    "ViewEnvironmentVariables",
	"_system/cli/queryEnvironmentVariables:get":        "ViewEnvironmentVariables",
	"_system/frontend/deploymentState:deploymentState": "",
	"_system/frontend/backendState:backendState":       "",
	"_system/frontend/getVersion:default":              "",
}

func systemOp(req Request) string {
	if op, listed := systemOps[req.Path]; listed {
		return op
	}
	if req.Type == jsrun.Query {
		return "ViewData"
	}
	return "WriteData"
}

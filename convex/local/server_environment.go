package local

import (
	"maps"
	"net/http"
	"regexp"
	"slices"

	"strait/convex/jsrun"
)

// Environment variables of the deployment (convex-wire.md 2.6): what
// `npx convex env set` changes holds at once in the root, and over every later
// push. A variable that app.use binds for a component is bound when code is
// pushed, so a component sees a change with the next push.

// Limits and names of Convex.
const (
	maxVariableName  = 256
	maxVariableValue = 8 << 10
	maxVariables     = 1000
)

var (
	variableName = regexp.MustCompile(`^[a-zA-Z_]+[a-zA-Z0-9_]*$`)
	builtIn      = []string{"CONVEX_CLOUD_URL", "CONVEX_SITE_URL"}
)

// variableChange sets a variable; a nil value removes it.
type variableChange struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

func (c variableChange) check() error {
	switch {
	case !variableName.MatchString(c.Name):
		return badRequest("EnvironmentVariableNameInvalid",
			"The environment variable name %s is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.", c.Name)
	case len(c.Name) > maxVariableName:
		return badRequest("EnvironmentVariableNameTooLong",
			"The environment variable name %s is too long. Environment variable names must be less than %d.", c.Name, maxVariableName)
	case slices.Contains(builtIn, c.Name):
		return badRequest("EnvVarNameForbidden", "Environment variable with name %q is built-in and cannot be overridden", c.Name)
	case c.Value != nil && len(*c.Value) > maxVariableValue:
		return badRequest("EnvironmentVariableValueTooLarge",
			"The environment variable value is %d bytes, which is too large. (max size: %d)", len(*c.Value), maxVariableValue)
	}
	return nil
}

func (d *Deployment) updateVariables(_ http.ResponseWriter, r *http.Request) error {
	var body struct {
		Changes []variableChange `json:"changes"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	for _, c := range body.Changes {
		if err := c.check(); err != nil {
			return err
		}
	}
	_, leave, err := d.enter(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	d.pushing.Lock() // a push takes the variables that it finds
	defer d.pushing.Unlock()
	return d.setVariables(body.Changes)
}

// ServedAt puts the address that the deployment is served at into the built-in
// variables, such as "http://127.0.0.1:4000". It has no second address: HTTP
// actions are not served.
func (d *Deployment) ServedAt(url string) error {
	var changes []variableChange
	for _, name := range builtIn {
		changes = append(changes, variableChange{name, &url})
	}
	d.pushing.Lock()
	defer d.pushing.Unlock()
	return d.setVariables(changes)
}

// setVariables puts changed variables in force; d.pushing is held.
func (d *Deployment) setVariables(changes []variableChange) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	latest := d.latest.Load()
	variables := map[string]*string{}
	maps.Copy(variables, latest.code.variables)
	for _, c := range changes {
		variables[c.Name] = c.Value
	}
	own := len(variables)
	for _, name := range builtIn {
		if _, set := variables[name]; set {
			own--
		}
	}
	if own > maxVariables {
		return badRequest("EnvVarLimitMet", "The environment variable limit (%d) has been met.", maxVariables)
	}
	next := *latest.code
	next.epoch++
	next.variables = variables
	next.app = withVariables(next.app, variables)
	d.publish(&snapshot{code: &next, spaces: latest.spaces}, &commit{source: "_environment_variables", epoch: true}, 0)
	return nil
}

// changed is env with the changed variables in it.
func changed(env map[string]string, variables map[string]*string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, env)
	for name, value := range variables {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = *value
		}
	}
	return out
}

// withVariables is app with changed variables in its root, and with changed
// built-in ones in its components: the same app when that changes nothing, so
// that its engines stay warm.
func withVariables(app *jsrun.App, variables map[string]*string) *jsrun.App {
	if app == nil || app.Component("") == nil {
		return app
	}
	env := changed(app.Component("").Env, variables)
	if maps.Equal(env, app.Component("").Env) {
		return app
	}
	own := &jsrun.App{Components: slices.Clone(app.Components)}
	for i, c := range own.Components {
		its := env
		if c.Path != "" {
			its = withBuiltIn(c.Env, variables)
		}
		if maps.Equal(its, c.Env) {
			continue
		}
		mended := *c
		mended.Env = its
		if c.Program != nil {
			mended.Program = c.Program.WithEnv(its)
		}
		own.Components[i] = &mended
	}
	return own
}

// withBuiltIn is a component's env with the changed built-in variables that it
// has.
func withBuiltIn(env map[string]string, variables map[string]*string) map[string]string {
	out := maps.Clone(env)
	for _, name := range builtIn {
		if value := variables[name]; value != nil && out[name] != "" {
			out[name] = *value
		}
	}
	return out
}

package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// pushRequest is what start_push, evaluate_push and evaluate_schema get.
type pushRequest struct {
	keyed
	DryRun               bool                  `json:"dryRun"`
	ForCodegen           bool                  `json:"forCodegen"`
	Functions            string                `json:"functions"`
	AppDefinition        pushedApp             `json:"appDefinition"`
	ComponentDefinitions []componentDefinition `json:"componentDefinitions"`
	NodeVersion          *string               `json:"nodeVersion"`
}

type pushedApp struct {
	Definition     *jsrun.PushedModule  `json:"definition"`
	Schema         *jsrun.PushedModule  `json:"schema"`
	ChangedModules []jsrun.PushedModule `json:"changedModules"`
	AllModules     []jsrun.PushedModule `json:"functions"` // of older versions of the CLI
	Unchanged      []struct {
		Path        string `json:"path"`
		Environment string `json:"environment"`
		SHA256      string `json:"sha256"`
	} `json:"unchangedModuleHashes"`
	Version string `json:"udfServerVersion"`
}

type componentDefinition struct {
	Path       string               `json:"definitionPath"`
	Definition *jsrun.PushedModule  `json:"definition"`
	Schema     *jsrun.PushedModule  `json:"schema"`
	Functions  []jsrun.PushedModule `json:"functions"`
	Version    string               `json:"udfServerVersion"`
}

// evaluation is a push whose code has been evaluated; nothing has changed yet.
type evaluation struct {
	release     *release
	definitions map[string]*definition // by path
	root        *checkedComponent
	env         map[string]string
	declared    []jsrun.DeclaredEnv
}

// definition is one component definition, evaluated.
type definition struct {
	jsrun.EvaluatedDefinition
	code    *jsrun.Pushed
	digests map[string]string // of modules
	schema  *schema.Schema
	version string
}

// Bounds of a tree of components, against definitions that use one another
// without end.
const (
	maxComponents     = 256
	maxComponentDepth = 16
)

// evaluated remembers what was evaluated last: the CLI sends the same code
// several times in one deploy.
type evaluated struct {
	code        map[string]*jsrun.Pushed    // by digest
	definitions []jsrun.EvaluatedDefinition // of digest
	digest      string
}

// evaluate evaluates the definitions and schemas of a request, with code its
// modules too, and builds the app of it. d.evaluating is held.
func (d *Deployment) evaluate(ctx context.Context, req *pushRequest, code bool) (*evaluation, error) {
	latest := d.latest.Load()
	modules, err := rootModules(latest.code.source, req.AppDefinition)
	if err != nil {
		return nil, err
	}
	e := &evaluation{definitions: map[string]*definition{}, env: map[string]string{}}
	if root := latest.code.component(""); root != nil { // the deployment's variables stay
		e.env = root.Env
	}
	e.env = changed(e.env, latest.code.variables)
	source := &pushedSource{
		functions: req.Functions, version: req.AppDefinition.Version, nodeVersion: req.NodeVersion, modules: modules,
		digests: map[string]map[string]string{}, crons: map[string][]string{}, evaluated: map[string]*jsrun.Pushed{},
	}
	for _, m := range modules {
		source.hashes = append(source.hashes, moduleHash{m.Path, moduleDigest(m), m.Environment})
	}
	all := append([]componentDefinition{{
		Definition: req.AppDefinition.Definition, Schema: req.AppDefinition.Schema, Functions: modules, Version: req.AppDefinition.Version,
	}}, req.ComponentDefinitions...)
	var configs []jsrun.PushedDefinition
	for i, c := range all {
		if _, twice := e.definitions[c.Path]; twice || i > 0 && c.Path == "" {
			return nil, badRequest("InvalidConfig", "Component definition %q is pushed twice", c.Path)
		}
		env := map[string]string{} // a component's variables are bound where it is used
		if i == 0 {
			env = e.env
		}
		def := &definition{digests: map[string]string{}, version: c.Version}
		def.code = &jsrun.Pushed{}
		if code {
			if def.code, err = d.pushedCode(ctx, source, c, env); err != nil {
				return nil, err
			}
		}
		for _, m := range c.Functions {
			def.digests[m.Path] = moduleDigest(m)
		}
		e.definitions[c.Path] = def
		configs = append(configs, jsrun.PushedDefinition{Path: c.Path, Config: c.Definition, Schema: c.Schema})
	}
	if code {
		d.known.code = source.evaluated
	}
	found, err := d.pushedDefinitions(ctx, configs, e.env)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		def := e.definitions[f.Path]
		def.EvaluatedDefinition = f
		if def.schema, err = parsePushedSchema(f); err != nil {
			return nil, err
		}
	}
	e.declared = e.definitions[""].Declare
	return e, e.build(source)
}

// rootModules are all modules of the root: those sent, and those that the
// client knows to be here.
func rootModules(deployed *pushedSource, app pushedApp) ([]jsrun.PushedModule, error) {
	out := slices.Concat(app.ChangedModules, app.AllModules)
	for _, known := range app.Unchanged {
		i := -1
		if deployed != nil {
			i = slices.IndexFunc(deployed.hashes, func(h moduleHash) bool {
				return h.Path == known.Path && h.Hash == known.SHA256 && h.Environment == known.Environment
			})
		}
		if i < 0 {
			return nil, badRequest("RaceDetected", "Hit an error while pushing:\nModule %s has changed since the push began: another push came in between.", known.Path)
		}
		out = append(out, deployed.modules[i])
	}
	slices.SortFunc(out, func(a, b jsrun.PushedModule) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// moduleDigest is the CLI's hash of a module.
func moduleDigest(m jsrun.PushedModule) string {
	sum := sha256.New()
	sum.Write([]byte(m.Source))
	sum.Write([]byte(m.SourceMap))
	return hex.EncodeToString(sum.Sum(nil))
}

// pushedCode is the code of a definition: as deployed when it is the same, so
// that its engines stay warm.
func (d *Deployment) pushedCode(ctx context.Context, into *pushedSource, c componentDefinition, env map[string]string) (*jsrun.Pushed, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q\n", c.Path, env)
	for _, m := range c.Functions {
		fmt.Fprintf(sum, "%q %q %s\n", m.Path, m.Environment, moduleDigest(m))
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	var same *jsrun.Pushed
	if deployed := d.latest.Load().code.source; deployed != nil {
		same = deployed.evaluated[digest]
	}
	if same == nil {
		same = d.known.code[digest]
	}
	if same == nil {
		var err error
		if same, err = jsrun.Push(ctx, c.Path, c.Functions, env); err != nil {
			return nil, err
		}
	}
	into.evaluated[digest] = same
	return same, nil
}

func (d *Deployment) pushedDefinitions(ctx context.Context, definitions []jsrun.PushedDefinition, env map[string]string) ([]jsrun.EvaluatedDefinition, error) {
	text, err := json.Marshal(struct {
		Definitions []jsrun.PushedDefinition
		Env         map[string]string
	}{definitions, env})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	if d.known.digest != digest {
		found, err := jsrun.EvaluateDefinitions(ctx, definitions, env)
		if err != nil {
			return nil, err
		}
		d.known.definitions, d.known.digest = found, digest
	}
	return d.known.definitions, nil
}

func parsePushedSchema(f jsrun.EvaluatedDefinition) (*schema.Schema, error) {
	if f.Schema == nil {
		return nil, nil
	}
	s, err := schema.Parse(f.Schema)
	if err != nil {
		return nil, &jsrun.SchemaError{Definition: f.Path, Message: err.Error()}
	}
	return s, checkDefinition(f.Path, s)
}

// build makes the app of the definitions: one component for every use.
func (e *evaluation) build(source *pushedSource) error {
	app := &jsrun.App{}
	targets := map[string]*schema.Schema{}
	root, err := e.instantiate(app, targets, source, use{env: e.env}, 0)
	if err != nil {
		return err
	}
	e.root = root
	e.release = &release{app: app, targets: targets, source: source}
	return nil
}

// use is one use of a definition.
type use struct {
	definition, name, path string
	env                    map[string]string
	bound                  map[string]envBinding
	args                   jsrun.Child
}

func (e *evaluation) instantiate(app *jsrun.App, targets map[string]*schema.Schema, source *pushedSource, u use, depth int) (*checkedComponent, error) {
	def := e.definitions[u.definition]
	switch {
	case def == nil:
		return nil, badRequest("TypecheckError", "Hit an error while pushing:\nComponent definition %q is used and was not pushed", u.definition)
	case depth > maxComponentDepth || len(app.Components) >= maxComponents:
		return nil, badRequest("TypecheckError", "Hit an error while pushing:\nComponents nest deeper than %d or are more than %d", maxComponentDepth, maxComponents)
	case app.Component(u.path) != nil:
		return nil, badRequest("TypecheckError", "Hit an error while pushing:\nThere are two components at %q: give one another name", u.path)
	}
	program := def.code.Program
	if u.path != "" && len(u.env) > 0 {
		program = program.WithEnv(u.env)
	}
	c := &jsrun.Component{
		Path: u.path, Name: u.name, Program: program, Schema: def.schema, Functions: def.code.Functions,
		Children: map[string]string{}, Args: u.args.Args, Env: u.env,
	}
	app.Components = append(app.Components, c)
	targets[u.path] = def.schema
	source.digests[u.path] = def.digests
	source.crons[u.path] = def.code.Crons
	out := &checkedComponent{
		DefinitionPath: u.definition, ComponentPath: u.path, Args: struct{}{}, Env: u.bound,
		ChildComponents: map[string]*checkedComponent{}, HTTPRoutes: checkedRoutes{Mounts: []string{}}, Exports: struct{}{},
	}
	if out.Env == nil {
		out.Env = map[string]envBinding{}
	}
	for _, child := range def.Childs {
		next := use{
			definition: child.Dir, name: child.Name, path: strings.TrimPrefix(u.path+"/"+child.Name, "/"),
			env: map[string]string{}, bound: map[string]envBinding{}, args: child,
		}
		if child.Name == "" || strings.Contains(child.Name, "/") {
			return nil, badRequest("TypecheckError", "Hit an error while pushing:\n%q is not the name of a component", child.Name)
		}
		for name, value := range child.Env {
			next.env[name], next.bound[name] = value, envBinding{Type: "value", Value: &value}
		}
		for name, ref := range child.EnvRefs {
			next.bound[name] = envBinding{Type: "envVar", Name: &ref}
			if value, ok := u.env[ref]; ok {
				next.env[name] = value
			}
		}
		inner, err := e.instantiate(app, targets, source, next, depth+1)
		if err != nil {
			return nil, err
		}
		c.Children[child.Name] = next.path
		out.ChildComponents[child.Name] = inner
	}
	return out, nil
}

// missingVariables refuses a push whose app declares variables that are not
// set.
func missingVariables(declared []jsrun.DeclaredEnv, env map[string]string) error {
	var missing []string
	for _, v := range declared {
		if _, set := env[v.Name]; !set && !v.Optional {
			missing = append(missing, v.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return badRequest("MissingEnvironmentVariables",
		"Hit an error while pushing:\nRequired environment variables are not set: %s. Set them in the Convex dashboard or CLI before pushing.", strings.Join(missing, ", "))
}

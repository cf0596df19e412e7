package jsrun

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"strait/model/schema"
)

// Code that `npx convex deploy` pushes: ES modules that the official CLI has
// bundled, each with its source map, their shared parts below "_deps"; a
// schema; and the definitions of the app and of its components
// (convex-wire.md 10.2, 12.8). Here they become the same programs as a
// project's own files.

// Environments of a pushed module.
const (
	Isolate = "isolate"
	Node    = "node"
)

// PushedModule is one module as it is pushed.
type PushedModule struct {
	Path        string `json:"path"` // relative to the functions folder: "a/b.js"
	Source      string `json:"source"`
	SourceMap   string `json:"sourceMap,omitempty"`
	Environment string `json:"environment"`
}

// shared reports whether the module is only there for others to import.
func (m PushedModule) shared() bool { return strings.HasPrefix(m.Path, "_deps/") }

// PushedError is something wrong with pushed code, for the person who pushes.
type PushedError struct{ Message string }

func (e *PushedError) Error() string { return e.Message }

// Pushed is the code of one component definition, evaluated.
type Pushed struct {
	Program   *Program
	Functions []Function // sorted by path; those of "use node" files among them
	Modules   []string   // "a/b.js", sorted, shared ones left out
	Crons     []string   // names
}

// Push evaluates the modules of one component definition. env is process.env.
// What a module throws is a *PushedError, in Convex's words.
func Push(ctx context.Context, definition string, modules []PushedModule, env map[string]string) (*Pushed, error) {
	isolate := pushedBundle{what: pushedWhat(definition), files: map[string]PushedModule{}, env: env}
	node := pushedBundle{what: isolate.what, files: map[string]PushedModule{}, env: env, stub: true}
	out := &Pushed{}
	for _, m := range sortedModules(modules) {
		b := &isolate
		switch m.Environment {
		case Isolate:
		case Node:
			b = &node
		default:
			return nil, &PushedError{fmt.Sprintf("module %s: there is no environment %q", m.Path, m.Environment)}
		}
		if path.Clean(m.Path) != m.Path || path.Ext(m.Path) != ".js" || strings.HasPrefix(m.Path, "..") || path.IsAbs(m.Path) {
			return nil, &PushedError{fmt.Sprintf("%q is not the path of a module", m.Path)}
		}
		if _, twice := b.files[m.Path]; twice {
			return nil, &PushedError{fmt.Sprintf("module %s is pushed twice", m.Path)}
		}
		b.files[m.Path] = m
		if m.shared() {
			continue
		}
		out.Modules = append(out.Modules, m.Path)
		if m.Path != "auth.config.js" { // tells of identity providers: the embedded deployment has none
			b.modules = append(b.modules, pushedEntry(modulePath(m.Path), m.Path))
		}
	}
	var err error
	if out.Program, err = isolate.program(ctx); err != nil {
		return nil, err
	}
	if err := out.examine(ctx); err != nil {
		return nil, err
	}
	if len(node.modules) > 0 {
		if err := out.examineNode(ctx, &node); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out.Functions, func(a, b Function) int { return strings.Compare(a.Path(), b.Path()) })
	return out, nil
}

// WithEnv is the same code with another process.env.
func (p *Program) WithEnv(env map[string]string) *Program {
	own := *p
	own.options.Env = env
	return &own
}

func pushedWhat(definition string) string {
	if definition == "" {
		return "the app"
	}
	return "the component " + definition
}

// examine evaluates every module and takes its functions.
func (o *Pushed) examine(ctx context.Context) error {
	p := o.Program
	return p.inspect(ctx, func(a *analyzer, vm *VM) error {
		for _, m := range p.modules {
			functions, err := a.pushedFunctions(ctx, vm, m)
			if err != nil {
				return failedToAnalyze(ctx, m, err)
			}
			o.Functions = append(o.Functions, functions...)
			if m.path != "crons" {
				continue
			}
			var crons map[string]json.RawMessage
			text, err := a.ask(ctx, vm, vm.exportDefault, m.path)
			if err != nil {
				return failedToAnalyze(ctx, m, err)
			}
			if json.Unmarshal([]byte(text), &crons) == nil {
				for name := range crons {
					o.Crons = append(o.Crons, name)
				}
				slices.Sort(o.Crons)
			}
		}
		return nil
	})
}

// examineNode takes the functions of "use node" files, which cannot run here:
// what they import stands for nothing, and a file that does not load without it
// keeps its exports unknown.
func (o *Pushed) examineNode(ctx context.Context, b *pushedBundle) error {
	p, err := b.program(ctx)
	if err != nil {
		return err
	}
	for _, m := range p.modules { // a VM each: one that hangs must not hide the others
		one := *p
		one.modules = []module{m}
		err := one.inspect(ctx, func(a *analyzer, vm *VM) error {
			functions, err := a.pushedFunctions(ctx, vm, m)
			for _, f := range functions {
				if f.Type == Action {
					f.Node = true
					o.Functions = append(o.Functions, f)
				}
			}
			return err
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			o.Functions = append(o.Functions, Function{
				Module: m.path, Export: "default", Type: Action, Node: true, Args: &schema.Validator{Kind: schema.Any},
			})
		}
	}
	return nil
}

// inspect runs f in a VM of its own under the limits of analysis.
func (p *Program) inspect(ctx context.Context, f func(*analyzer, *VM) error) error {
	vm, err := p.Open(ctx)
	if err != nil {
		return err
	}
	defer vm.Close()
	if err := vm.limitMemory(p.heap(true)); err != nil {
		return err
	}
	return f(&analyzer{p: p, until: time.Now().Add(analysisLimit)}, vm)
}

// failedToAnalyze is what Convex says of a module that throws.
func failedToAnalyze(ctx context.Context, m module, err error) error {
	var thrown *Error
	var told *PushedError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &told):
		return err
	case errors.As(err, &thrown):
		return &PushedError{fmt.Sprintf("Failed to analyze %s.js: %s", m.path, strings.TrimSuffix(thrown.Error(), "\n"))}
	}
	return fmt.Errorf("analyse %s.js: %w", m.path, err)
}

// pushedFunctions evaluates one module and takes the functions it exports.
func (a *analyzer) pushedFunctions(ctx context.Context, vm *VM, m module) ([]Function, error) {
	found, err := a.examine(ctx, vm, m)
	if err != nil {
		return nil, err
	}
	if len(found.Problems) > 0 {
		return nil, vm.thrown(found.Problems[0].Thrown)
	}
	var out []Function
	for _, f := range found.Functions {
		fn := Function{Module: m.path, Export: f.Name, Type: FunctionType(f.Type), Public: f.Public}
		if pos, ok := a.p.locate(f.Line, f.Column); ok {
			fn.File, fn.Line = pushedSource(pos.source), pos.line
		}
		if fn.Args, err = parseValidator(f.Args); err == nil {
			fn.Return, err = parseValidator(f.Returns)
		}
		if err != nil {
			return nil, &PushedError{fmt.Sprintf("Failed to analyze %s.js: %s: %v", m.path, f.Name, err)}
		}
		if fn.Args == nil {
			fn.Args = &schema.Validator{Kind: schema.Any}
		}
		out = append(out, fn)
	}
	return out, nil
}

// PushedDefinition is the convex.config and the schema of one component
// definition; Path "" is the app's.
type PushedDefinition struct {
	Path   string
	Config *PushedModule // nil: an app without components
	Schema *PushedModule // nil without one
}

// EvaluatedDefinition is what a PushedDefinition came to.
type EvaluatedDefinition struct {
	Path    string
	Config  json.RawMessage // what its export() answers (convex-wire.md 12.8); nil without
	Schema  json.RawMessage // what its export() answers (7.1); nil without
	Name    string          // default name of a component
	Childs  []Child         // Child.Dir is the definition's path
	Declare []DeclaredEnv
}

// DeclaredEnv is an environment variable that a definition declares.
type DeclaredEnv struct {
	Name     string
	Optional bool
}

// SchemaError is what a schema module threw.
type SchemaError struct {
	Definition string
	Message    string
}

func (e *SchemaError) Error() string { return e.Message }

// EvaluateDefinitions evaluates the definitions of an app, each after those
// that it imports, and their schemas. The errors are *PushedError and
// *SchemaError.
func EvaluateDefinitions(ctx context.Context, definitions []PushedDefinition, env map[string]string) ([]EvaluatedDefinition, error) {
	b := pushedBundle{what: "the definitions", files: map[string]PushedModule{}, env: env}
	out := make([]EvaluatedDefinition, len(definitions))
	for i, d := range definitions {
		out[i].Path = d.Path
		if d.Config != nil {
			file := fmt.Sprintf("config%d.js", i)
			b.files[file] = *d.Config
			b.modules = append(b.modules, pushedEntry(fmt.Sprint("config", i), file))
			b.files[dependency(d.Path)] = PushedModule{Path: dependency(d.Path), Source: importedDefinition(file, d.Path)}
		}
		if d.Schema != nil {
			file := fmt.Sprintf("schema%d.js", i)
			b.files[file] = *d.Schema
			b.modules = append(b.modules, pushedEntry(fmt.Sprint("schema", i), file))
		}
	}
	p, err := b.program(ctx)
	if err != nil {
		return nil, err
	}
	err = p.inspect(ctx, func(a *analyzer, vm *VM) error {
		for i := range out {
			d := &out[i]
			if definitions[i].Schema != nil {
				text, err := a.exported(ctx, vm, fmt.Sprint("schema", i))
				var thrown *Error
				switch {
				case errors.As(err, &thrown):
					return &SchemaError{d.Path, strings.TrimSuffix(thrown.Error(), "\n")}
				case err != nil:
					return err
				case text == "":
					return &SchemaError{d.Path, "The schema's default export has no export() function: export default defineSchema({ … })"}
				}
				d.Schema = json.RawMessage(text)
			}
			if definitions[i].Config == nil {
				continue
			}
			text, err := a.exported(ctx, vm, fmt.Sprint("config", i))
			var thrown *Error
			switch {
			case errors.As(err, &thrown):
				return &PushedError{strings.TrimSuffix(thrown.Error(), "\n")}
			case err != nil:
				return err
			}
			if err := d.read(text); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (a *analyzer) exported(ctx context.Context, vm *VM, path string) (string, error) {
	if _, err := a.ask(ctx, vm, vm.examine, path); err != nil {
		return "", err
	}
	return a.ask(ctx, vm, vm.exportDefault, path)
}

// dependency is what the CLI makes of an import of a component's definition.
func dependency(definition string) string {
	return "_componentDeps/" + base64.RawURLEncoding.EncodeToString([]byte(definition))
}

// importedDefinition is the module that stands for a definition in those that
// import it.
func importedDefinition(file, definition string) string {
	spec, _ := json.Marshal("../" + file)
	where, _ := json.Marshal(definition)
	return fmt.Sprintf("import definition from %s;\nexport default { componentDefinitionPath: %s, defaultName: definition.export().name };\n", spec, where)
}

// read takes a definition's export() apart.
func (d *EvaluatedDefinition) read(text string) error {
	var config struct {
		Name            string
		ChildComponents []struct {
			Name, Path string
			Args, Env  json.RawMessage
		}
		EnvVars []json.RawMessage
	}
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &config) != nil {
		return &PushedError{fmt.Sprintf("%s: the default export of convex.config is not what defineApp or defineComponent gives", pushedWhat(d.Path))}
	}
	d.Config, d.Name = json.RawMessage(text), config.Name
	for _, c := range config.ChildComponents {
		d.Childs = append(d.Childs, readChild(c.Name, c.Path, c.Args, c.Env))
	}
	for _, declared := range config.EnvVars {
		var pair [2]json.RawMessage
		var name string
		var how struct{ Optional bool }
		if json.Unmarshal(declared, &pair) == nil && json.Unmarshal(pair[0], &name) == nil && json.Unmarshal(pair[1], &how) == nil {
			d.Declare = append(d.Declare, DeclaredEnv{name, how.Optional})
		}
	}
	return nil
}

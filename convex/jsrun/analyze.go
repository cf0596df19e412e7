package jsrun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"modernc.org/quickjs"

	"strait/model/schema"
)

// Definition is one observed migrations.define(...).
type Definition struct {
	Module, Export string // Export is "" when no module exports it
	Table          string
	BatchSize      int // 0: not given there
	DefaultBatch   int // of the Migrations instance; 0: not given
	CustomRange    bool
	Parallelize    bool
	Prefix         string // migrationsLocationPrefix of the instance
	File           string
	Line           int
	Source         string // text of migrateOne, for people
	Helpers        bool   // made by convex-helpers' makeMigration, not by the component
	Component      string // path of the component that its Migrations instance was given; "" unknown
}

// Runner is one observed runner(): Series is nil for a general one.
type Runner struct {
	Module, Export string
	Series         []string // function names in order
	Component      string   // as Definition's
	File           string
	Line           int
}

// Child is one component that convex.config uses.
type Child struct {
	Name string
	Dir  string // where its modules are: absolute, or "prelude:…"; for Options.Dir
	Args map[string]json.RawMessage
	Env  map[string]string // variables bound by app.use(c, {env}) to a constant
	// EnvRefs are variables bound to one of the app's own: name inside -> name of the app's.
	EnvRefs map[string]string
}

// Analysis is what evaluating a program's modules showed.
type Analysis struct {
	Schema      json.RawMessage // schema.export() of the module "schema", nil without
	SchemaFile  string
	Functions   []Function
	Definitions []Definition
	Runners     []Runner
	Exports     map[string]map[string]string // module -> export -> typeof
	Sources     map[string]map[string]string // module -> export -> text of a registered function's handler
	AppConfig   json.RawMessage              // export() of convex.config, nil without
	Children    []Child                      // what AppConfig uses, in order
	Problems    []Problem
}

// Limits of analysis. Convex gives a module 4 s of a faster engine on a
// machine of its own; mathjs, prismjs and react-email take more than that here
// when the machine is busy. A project full of modules that do not end is left
// after analysisLimit.
var (
	moduleLimit   = 8 * time.Second
	analysisLimit = 30 * time.Second
)

func (p *Program) moduleLimit() time.Duration {
	return cmp.Or(p.options.ModuleLimit, moduleLimit)
}

// Analyze evaluates every module once, each on its own, within the limits of
// analysis (8 s each, 30 s together; 256 MiB), in a VM of its own. A module that fails
// is reported in Problems and hides no other.
func (p *Program) Analyze(ctx context.Context) (*Analysis, error) {
	a := &analyzer{p: p, skip: map[string]string{}, until: time.Now().Add(analysisLimit)}
	for {
		again, err := a.pass(ctx)
		if err != nil {
			return nil, fmt.Errorf("analyse %s: %w", p.options.Dir, err)
		}
		if !again {
			a.finish()
			return &a.out, nil
		}
	}
}

// analyzer is one analysis. A module that has to be interrupted ruins its VM:
// the analysis starts again without that module and what imports it.
type analyzer struct {
	p     *Program
	skip  map[string]string // module path -> why it is not evaluated
	until time.Time
	fatal []Problem // of the modules in skip
	out   Analysis
}

func (a *analyzer) pass(ctx context.Context) (again bool, err error) {
	a.out = Analysis{Exports: map[string]map[string]string{}, Sources: map[string]map[string]string{}}
	vm, err := a.p.Open(ctx)
	if err != nil {
		return false, err
	}
	defer vm.Close()
	if err := vm.limitMemory(a.p.heap(true)); err != nil {
		return false, err
	}
	for _, m := range a.p.modules {
		if _, skipped := a.skip[m.path]; skipped {
			continue
		}
		if err := a.module(ctx, vm, m); err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if !vm.Dirty() {
				a.out.Problems = append(a.out.Problems, a.problem(m, err)...)
				continue
			}
			a.ruined(m, err)
			return true, nil
		}
	}
	return a.collect(ctx, vm)
}

// ask runs one of the runtime's functions under the limits of analysis and
// returns its text.
func (a *analyzer) ask(ctx context.Context, vm *VM, f quickjs.Value, args ...any) (text string, err error) {
	r := newRun(ctx, vm, nil, min(a.p.moduleLimit(), max(time.Until(a.until), 10*time.Millisecond)))
	return vm.do(r, func() (string, error) {
		v, err := f.Call(quickjs.UndefinedValue, args...)
		if err != nil || r.stopped() {
			return "", r.failed(err)
		}
		text, _ := v.(string)
		return text, nil
	})
}

// examined is what the runtime tells of a module that it has evaluated.
type examined struct {
	Exports   map[string]string
	Functions []struct {
		Name, Type, Args, Returns, Source string
		Public                            bool
		Line, Column                      int
	}
	Problems []struct{ Name, Thrown string }
}

// examine evaluates one module.
func (a *analyzer) examine(ctx context.Context, vm *VM, m module) (found examined, err error) {
	text, err := a.ask(ctx, vm, vm.examine, m.path)
	if err != nil {
		return examined{}, err
	}
	err = json.Unmarshal([]byte(text), &found)
	return found, err
}

// module evaluates one module and takes what it exports.
func (a *analyzer) module(ctx context.Context, vm *VM, m module) error {
	found, err := a.examine(ctx, vm, m)
	if err != nil {
		return err
	}
	if isConfig(m.path + ".ts") {
		return nil
	}
	a.out.Exports[m.path] = found.Exports
	lines := sourceLines(m.file)
	for _, f := range found.Functions {
		fn := Function{
			Module: m.path, Export: f.Name, Type: FunctionType(f.Type), Public: f.Public,
			File: relativeTo(a.p.options.Root, m.file), Line: lines.export(f.Name),
		}
		if pos, ok := a.p.locate(f.Line, f.Column); ok && fn.Line == 0 && a.file(pos.source) == fn.File {
			fn.Line = pos.line
		}
		var err error
		if fn.Args, err = parseValidator(f.Args); err != nil || fn.Args == nil {
			fn.Args = &schema.Validator{Kind: schema.Any}
		}
		if err == nil {
			fn.Return, err = parseValidator(f.Returns)
		}
		if err != nil {
			a.report(Problem{File: fn.File, Line: fn.Line, Message: fmt.Sprintf("%s: %v", fn.Path(), err)})
		}
		a.out.Functions = append(a.out.Functions, fn)
		if at, ok := a.p.locate(f.Line, f.Column); ok && !foreign(at.source) {
			if a.out.Sources[m.path] == nil {
				a.out.Sources[m.path] = map[string]string{}
			}
			a.out.Sources[m.path][f.Name] = a.p.original(f.Source, f.Line, f.Column)
		}
	}
	for _, bad := range found.Problems {
		e := vm.thrown(bad.Thrown)
		a.report(Problem{File: relativeTo(a.p.options.Root, m.file), Line: lines.export(bad.Name), Message: bad.Name + ": " + e.short()})
	}
	return nil
}

// foreign reports whether a source is not the project's own.
func foreign(source string) bool {
	return strings.Contains(source, "node_modules/") || strings.HasPrefix(source, preludePrefix)
}

// parseValidator reads what exportArgs or exportReturns gave; nil for none.
func parseValidator(text string) (v *schema.Validator, err error) {
	if text == "" || text == "null" {
		return nil, nil
	}
	return schema.ParseValidator([]byte(text))
}

func (a *analyzer) report(p Problem) { a.out.Problems = append(a.out.Problems, p) }

// collect takes what the modules that were evaluated recorded.
func (a *analyzer) collect(ctx context.Context, vm *VM) (again bool, err error) {
	for _, m := range a.p.modules {
		if m.path != "schema" && m.path != "convex.config" {
			continue
		}
		if _, skipped := a.skip[m.path]; skipped {
			continue
		}
		text, err := a.ask(ctx, vm, vm.exportDefault, m.path)
		switch {
		case err != nil && ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil && vm.Dirty():
			a.ruined(m, err)
			return true, nil
		case err != nil:
			a.out.Problems = append(a.out.Problems, a.problem(m, err)...)
		case m.path == "schema":
			a.out.SchemaFile = relativeTo(a.p.options.Root, m.file)
			if text != "" {
				a.out.Schema = json.RawMessage(text)
			} else if a.out.Exports["schema"] != nil {
				a.report(Problem{File: a.out.SchemaFile, Message: "the default export is not a schema", Hint: "export default defineSchema({ … })"})
			}
		case text != "":
			a.out.AppConfig = json.RawMessage(text)
			a.children(text)
		}
	}
	text, err := a.ask(ctx, vm, vm.recorded)
	if err != nil {
		return false, err
	}
	return false, a.records(text)
}

// children reads the components that a convex.config uses.
func (a *analyzer) children(text string) {
	var config struct {
		ChildComponents []struct {
			Name, Path string
			Args       json.RawMessage
			Env        json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		a.report(Problem{File: "convex.config", Message: "its export cannot be read: " + err.Error()})
		return
	}
	for _, c := range config.ChildComponents {
		a.out.Children = append(a.out.Children, readChild(c.Name, c.Path, c.Args, c.Env))
	}
}

// readChild reads one of the childComponents of a convex.config.
func readChild(name, dir string, args, env json.RawMessage) Child {
	child := Child{Name: name, Dir: dir, Args: map[string]json.RawMessage{}, Env: map[string]string{}, EnvRefs: map[string]string{}}
	for name, value := range pairs(args) {
		var arg struct {
			Type  string
			Value string
		}
		if json.Unmarshal(value, &arg) == nil && arg.Type == "value" && json.Valid([]byte(arg.Value)) {
			child.Args[name] = json.RawMessage(arg.Value)
		}
	}
	for name, value := range pairs(env) {
		var v struct{ Type, Value, Name string }
		switch err := json.Unmarshal(value, &v); {
		case err == nil && v.Type == "value":
			child.Env[name] = v.Value
		case err == nil && v.Type == "envVar":
			child.EnvRefs[name] = v.Name
		}
	}
	return child
}

// pairs reads [[name, value], …].
func pairs(text json.RawMessage) map[string]json.RawMessage {
	var list [][2]json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	out := map[string]json.RawMessage{}
	for _, p := range list {
		var name string
		if json.Unmarshal(p[0], &name) == nil {
			out[name] = p[1]
		}
	}
	return out
}

// finish puts the outcome in order.
func (a *analyzer) finish() {
	a.out.Problems = append(a.out.Problems, a.fatal...)
	slices.SortFunc(a.out.Functions, func(x, y Function) int { return strings.Compare(x.Path(), y.Path()) })
}

// ruined takes a module out after it had to be interrupted, and with it every
// module that imports the file at fault.
func (a *analyzer) ruined(m module, err error) {
	problem := a.problem(m, err)[0]
	var e *Error
	culprit := m.file
	if errors.As(err, &e) {
		for _, f := range e.Frames {
			if file := a.p.sourceFile(f.File); a.p.imports[m.file] != nil && a.p.reaches(m.file, file) {
				culprit = file
				break
			}
		}
		if e.Kind == "timeout" {
			problem.Message = fmt.Sprintf("evaluating the module does not end within %s", a.p.moduleLimit())
			problem.Hint = "look for a loop at the top level of the file"
		}
	}
	a.fatal = append(a.fatal, problem)
	for _, other := range a.p.modules {
		if _, known := a.skip[other.path]; known {
			continue
		}
		if other.path == m.path || a.p.reaches(other.file, culprit) {
			a.skip[other.path] = problem.Message
			if other.file != culprit && relativeTo(a.p.options.Root, other.file) != problem.File {
				a.fatal = append(a.fatal, Problem{
					File: relativeTo(a.p.options.Root, other.file), Import: relativeTo(a.p.options.Root, culprit),
					Message: "not evaluated: it imports " + relativeTo(a.p.options.Root, culprit) + ", which fails",
				})
			}
		}
	}
	if !time.Now().Before(a.until) {
		for _, other := range a.p.modules {
			if _, known := a.skip[other.path]; !known {
				a.skip[other.path] = "time"
				a.fatal = append(a.fatal, Problem{
					File: relativeTo(a.p.options.Root, other.file), Message: "not evaluated: the time for the whole project is used up",
				})
			}
		}
	}
}

// problem tells why a module did not load.
func (a *analyzer) problem(m module, err error) []Problem {
	file := relativeTo(a.p.options.Root, m.file)
	var e *Error
	if !errors.As(err, &e) {
		return []Problem{{File: file, Message: err.Error()}}
	}
	if at := e.problem; at != nil {
		if at.File == file {
			return nil // the bundle has reported it
		}
		return []Problem{{File: file, Import: at.Import, Hint: at.Hint, Message: fmt.Sprintf("cannot load: %s (%s:%d)", at.Message, at.File, at.Line)}}
	}
	p := Problem{File: file, Message: e.short()}
	for _, f := range e.Frames {
		at := a.file(f.File)
		if foreign(at) {
			continue
		}
		p.File, p.Line, p.Column = at, f.Line, f.Column
		if at != file {
			p.Message += " (while loading " + file + ")"
		}
		break
	}
	return []Problem{p}
}

// short is the error without its frames.
func (e *Error) short() string {
	switch {
	case e.Name == "":
		return e.Message
	case e.Message == "":
		return e.Name
	}
	return e.Name + ": " + e.Message
}

package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// Load finds and loads the project at or above o.Dir. It never panics, ends
// within the limits of analysis and reports what failed in Problems; err is
// for "no project here", for a strait.toml that cannot be used and for the
// end of ctx.
func Load(ctx context.Context, o Options) (p *Project, err error) {
	defer recovered("load the project", &err)
	began := time.Now()
	loc, err := Find(o)
	if err != nil {
		return nil, err
	}
	l := &loader{ctx: ctx, src: newSources(loc.Root)}
	l.p = &Project{Root: loc.Root, FunctionsDir: loc.Functions, Name: nameOf(loc.Root), App: &jsrun.App{}, Packages: map[string]string{}}
	if err := l.config(o); err != nil {
		return nil, err
	}
	if err := l.code(); err != nil {
		return nil, err
	}
	l.target()
	l.rules()
	l.environments()
	l.packages()
	l.hintVariables()
	l.tidy()
	l.p.LoadTime = time.Since(began)
	return l.p, ctx.Err()
}

// recovered turns a panic into an error, so that none reaches a person.
func recovered(what string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: internal error: %v\nhint: please report this with the project that shows it", what, r)
	}
}

// nameOf is the project's name: its package's, else its folder's.
func nameOf(root string) string {
	var m struct {
		Name string `json:"name"`
	}
	if text, err := os.ReadFile(filepath.Join(root, "package.json")); err == nil && json.Unmarshal(text, &m) == nil && m.Name != "" {
		return m.Name
	}
	return filepath.Base(root)
}

// loader holds what one Load has in hand.
type loader struct {
	ctx    context.Context
	p      *Project
	src    *sources
	places *places // of strait.toml; nil without one
	root   *jsrun.Analysis
}

func (l *loader) problem(p jsrun.Problem) { l.p.Problems = append(l.p.Problems, p) }

// config reads strait.toml, or finds what the Convex CLI would find.
func (l *loader) config(o Options) error {
	path := filepath.Join(l.p.Root, configName)
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return fmt.Errorf("read %s: %w", path, err)
	default:
		if l.p.Config, l.places, err = parseConfig(path, text); err != nil {
			return err
		}
	}
	var problems []jsrun.Problem
	l.p.Config.Envs, problems = resolveEnvs(l.p.Config.Envs, l.p.Root, l.p.FunctionsDir, o.Lookup)
	l.p.Problems = append(l.p.Problems, problems...)
	return nil
}

// code bundles and evaluates the app: the root component, then its children.
func (l *loader) code() error {
	out := l.component(componentSpec{dir: l.p.FunctionsDir, env: l.rootEnv()})
	l.p.Problems = append(l.p.Problems, out.problems...)
	if out.err != nil {
		if l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		l.problem(jsrun.Problem{File: l.p.relative(l.p.FunctionsDir), Message: out.err.Error()})
		return nil
	}
	root, analysis := out.at(""), out.analysis
	l.root = analysis
	l.p.App.Components = []*jsrun.Component{root}
	l.p.SchemaFile, l.p.SchemaJSON, l.p.Schema = analysis.SchemaFile, analysis.Schema, root.Schema
	if root.Schema == nil {
		l.p.SchemaFile = ""
	}
	l.p.Migrations = findMigrations(analysis, l.src)
	l.children(root, analysis)
	l.checkMigrations()
	return l.ctx.Err()
}

// rootEnv is what process.env holds while code is evaluated: what strait.toml
// says, and nothing of the machine's environment.
func (l *loader) rootEnv() map[string]string { return evaluationEnv(l.p.Config) }

func evaluationEnv(c Config) map[string]string {
	env := map[string]string{"CONVEX_CLOUD_URL": "http://127.0.0.1:3210", "CONVEX_SITE_URL": "http://127.0.0.1:3211"}
	maps.Copy(env, c.Variables)
	return env
}

var missingVariable = regexp.MustCompile(`(?i)(env|missing|not set|not defined|required|undefined|must be)`)
var variableInText = regexp.MustCompile(`\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b`)

// errorCode is what looks like a variable and is the code of an error.
var errorCode = regexp.MustCompile(`MISSING|INVALID|ERROR|REQUIRED|NOT_SET|UNDEFINED`)

// hintVariables says what to do about modules that fail for want of an
// environment variable.
func (l *loader) hintVariables() {
	for i := range l.p.Problems {
		p := &l.p.Problems[i]
		if p.Hint != "" || p.Import != "" || !missingVariable.MatchString(p.Message) {
			continue
		}
		var missing []string
		for _, name := range variableInText.FindAllString(p.Message, -1) {
			line := name + ` = "x"`
			if _, known := l.p.Config.Variables[name]; !known && !errorCode.MatchString(name) && !slices.Contains(missing, line) {
				missing = append(missing, line)
			}
		}
		if len(missing) > 0 {
			p.Hint = fmt.Sprintf("code is evaluated without your environment: write variables = { %s } into %s", strings.Join(missing, ", "), configName)
		}
	}
}

// target takes the schema that strait.toml names, when it is not the
// project's own.
func (l *loader) target() {
	spec := l.p.Config.Target
	if spec == "" || spec == "target" || filepath.ToSlash(filepath.Clean(spec)) == l.p.SchemaFile && l.p.SchemaFile != "" {
		if l.p.Schema == nil && !l.hasErrors() {
			l.problem(jsrun.Problem{File: l.p.relative(l.p.FunctionsDir), Warning: true, Message: "the project has no schema: there is nothing to plan towards",
				Hint: "add " + l.p.relative(filepath.Join(l.p.FunctionsDir, "schema.ts")) + ", or name a target in " + configName})
		}
		return
	}
	s, err := LoadSchema(l.ctx, l.p.Root, spec)
	if err != nil || s == nil {
		if err == nil {
			err = errors.New("there is no schema")
		}
		// Nothing may be planned towards another schema than the one named.
		l.p.Schema, l.p.SchemaJSON, l.p.SchemaFile = nil, nil, ""
		at := l.places.mistake("target", "", "")
		l.problem(jsrun.Problem{File: configName, Line: at.Line, Column: at.Column, Message: fmt.Sprintf("target %q: %v", spec, err)})
		return
	}
	l.p.Schema, l.p.SchemaJSON, l.p.SchemaFile = s, s.JSON(), spec
}

// rules tells what Convex would refuse the target for.
func (l *loader) rules() {
	if l.p.Schema == nil {
		return
	}
	for _, broken := range l.p.Schema.Problems() {
		l.problem(jsrun.Problem{File: l.p.SchemaFile, Message: broken.Message, Hint: "Convex refuses to deploy a schema that breaks this rule"})
	}
}

func (l *loader) hasErrors() bool {
	return slices.ContainsFunc(l.p.Problems, func(p jsrun.Problem) bool { return !p.Warning })
}

// environments checks what strait.toml says against what was loaded.
func (l *loader) environments() {
	var tables []string
	if l.p.Schema != nil {
		for _, t := range l.p.Schema.Tables {
			tables = append(tables, t.Name)
		}
	}
	for i := range l.p.Config.Envs {
		e := &l.p.Config.Envs[i]
		path := fmt.Sprintf("env[%d]", i)
		if e.Documents == "" && e.Schema != "" && e.Schema != "target" && e.Schema != "widened" {
			e.Documents = e.Schema // who names what is deployed means documents of that shape
		}
		if e.Documents == "" && l.p.Schema != nil {
			for _, t := range sortedKeys(e.Generate) {
				if t != "*" && !slices.Contains(tables, t) {
					l.misfit(path+".generate."+t, fmt.Sprintf("environment %q generates documents of %q, a table that the schema does not have", e.Name, t), "")
				}
			}
		}
		if e.Documents == "" {
			e.Generate = expandGenerate(e.Generate, tables)
		}
		for _, f := range [][2]string{{"snapshot", e.Snapshot}, {"overlay", e.Overlay}, {"documents", e.Documents}, {"schema", e.Schema}} {
			if key, file := f[0], f[1]; file != "" && isFileSpec(file) && !exists(l.absolute(file)) {
				l.misfit(path+"."+key, fmt.Sprintf("environment %q: %s %q does not exist", e.Name, key, file), "paths are relative to "+l.p.Root)
			}
		}
		for j, entry := range e.Ran {
			name, _, _ := strings.Cut(entry, "@")
			if l.root != nil && !slices.ContainsFunc(l.p.Migrations, func(m Migration) bool { return m.Called(name) }) {
				l.misfit(fmt.Sprintf("%s.ran[%d]", path, j), fmt.Sprintf("environment %q ran %q, a migration that the project does not have", e.Name, name), "")
			}
		}
	}
}

// isFileSpec reports whether a schema's or file's name is a path.
func isFileSpec(spec string) bool {
	return spec != "target" && spec != "widened" && !strings.HasPrefix(spec, gitPrefix)
}

func (l *loader) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(l.p.Root, filepath.FromSlash(path))
}

func (l *loader) misfit(path, message, hint string) {
	p := jsrun.Problem{File: configName, Message: message, Hint: hint, Warning: true}
	if l.places != nil {
		at := l.places.mistake(path, "", "")
		p.Line, p.Column = at.Line, at.Column
	}
	l.problem(p)
}

// packages notes the versions of what the project is built on.
func (l *loader) packages() {
	for _, name := range []string{"convex", migrationsPackage, "convex-helpers"} {
		if v := installedVersion(l.p.FunctionsDir, name); v != "" {
			l.p.Packages[name] = v
		} else if name != "convex-helpers" {
			l.p.Packages[name] = builtIn
		}
	}
}

// builtIn stands for the prelude's own version of a package.
const builtIn = "built-in"

// installedVersion is the version of a package that code in dir would
// import; "" when there is none.
func installedVersion(dir, name string) string {
	for ; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "node_modules", filepath.FromSlash(name), "package.json"))
		if err == nil {
			var m struct {
				Version string `json:"version"`
			}
			if json.Unmarshal(text, &m) != nil || m.Version == "" {
				return "unknown"
			}
			return m.Version
		}
		if filepath.Dir(dir) == dir {
			return ""
		}
	}
}

// parseSchema decodes an exported schema; a schema that this Strait cannot
// read is a problem of its file.
func parseSchema(file string, text json.RawMessage) (*schema.Schema, *jsrun.Problem) {
	if len(text) == 0 {
		return nil, nil
	}
	s, err := schema.Parse(text)
	if err != nil {
		return nil, &jsrun.Problem{File: file, Message: fmt.Sprintf("read the schema: %v", err)}
	}
	return s, nil
}

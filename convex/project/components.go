package project

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"strait/convex/jsrun"
)

// Bounds on the tree of components.
const (
	maxDepth      = 8
	maxComponents = 100
)

// migrationsName is the usual name of the migrations component, and
// builtInMigrations the folder of the one that stands in for the package.
const (
	migrationsName    = "migrations"
	builtInMigrations = "prelude:migrations/component"
)

// componentSpec says which component to load.
type componentSpec struct {
	path string // "" the root
	dir  string // absolute, or of the prelude
	env  map[string]string
}

// loaded is one component, or why there is none.
type loaded struct {
	component *jsrun.Component
	analysis  *jsrun.Analysis
	problems  []jsrun.Problem
	err       error
}

// moduleLimit is jsrun's own limit where 0; tests of what does not end lower it.
var moduleLimit time.Duration

// component bundles and evaluates one component. It changes nothing of l, so
// that several can be loaded at once.
func (l *loader) component(s componentSpec) (out loaded) {
	defer recovered("load the component in "+s.dir, &out.err)
	modules, err := jsrun.ListModules(s.dir)
	if err != nil {
		return loaded{err: err}
	}
	program, problems, err := jsrun.Bundle(l.ctx, jsrun.Options{Root: l.p.Root, Dir: s.dir, Modules: modules, Env: s.env, Component: s.path, ModuleLimit: moduleLimit})
	out.problems = l.within(s, problems)
	if err != nil {
		out.err = err
		return out
	}
	out.analysis, out.err = program.Analyze(l.ctx)
	if out.err != nil {
		return out
	}
	a := out.analysis
	out.problems = append(out.problems, l.within(s, a.Problems)...)
	parsed, problem := parseSchema(a.SchemaFile, a.Schema)
	if problem != nil {
		out.problems = append(out.problems, *problem)
	}
	out.component = &jsrun.Component{Program: program, Schema: parsed, Functions: a.Functions, Env: s.env}
	return out
}

// at is the component under a path of its own: one definition may be used
// under several names.
func (o loaded) at(path string) *jsrun.Component {
	c := *o.component
	c.Path, c.Name, c.Children = path, path[strings.LastIndex(path, "/")+1:], map[string]string{}
	return &c
}

// within marks a child component's problems: it is not the project's own
// code, and what is wrong with it is a warning unless it is in the project.
func (l *loader) within(s componentSpec, problems []jsrun.Problem) []jsrun.Problem {
	if s.path == "" {
		return problems
	}
	out := slices.Clone(problems)
	for i := range out {
		out[i].Message = fmt.Sprintf("component %s: %s", s.path, out[i].Message)
		if !l.ofProject(s.dir) {
			out[i].Warning = true
		}
	}
	return out
}

// use is one app.use(...) of a convex.config.
type use struct {
	parent *jsrun.Component
	child  jsrun.Child
	path   string
	chain  []string
	env    map[string]string
}

// children loads what the root's convex.config uses, level by level, so that
// each component comes after its parent.
func (l *loader) children(root *jsrun.Component, analysis *jsrun.Analysis) {
	known := map[string]loaded{}
	level := l.uses(root, analysis, []string{l.p.FunctionsDir})
	if len(analysis.Children) == 0 && analysis.AppConfig == nil && usesComponent(l.p.Migrations) {
		lost := jsrun.Analysis{Children: []jsrun.Child{l.lostMigrations()}}
		level = l.uses(root, &lost, []string{l.p.FunctionsDir})
	}
	for len(level) > 0 && l.ctx.Err() == nil {
		l.loadAll(level, known)
		var next []use
		for _, u := range level {
			out := known[u.key()]
			if out.err != nil {
				l.problem(jsrun.Problem{File: l.p.relative(u.child.Dir), Message: fmt.Sprintf("component %s is left out: %v", u.path, out.err)})
				continue
			}
			c := out.at(u.path)
			c.Args = u.child.Args
			u.parent.Children[u.child.Name] = u.path
			l.p.App.Components = append(l.p.App.Components, c)
			l.p.Migrations = append(l.p.Migrations, l.inside(c, out.analysis, u.child.Dir)...)
			next = append(next, l.uses(c, out.analysis, append(slices.Clone(u.chain), u.child.Dir))...)
		}
		level = next
	}
}

// uses are the children of a component that may be loaded: no cycles, and
// within the bounds.
func (l *loader) uses(parent *jsrun.Component, a *jsrun.Analysis, chain []string) []use {
	var out []use
	for _, child := range a.Children {
		path := strings.TrimPrefix(parent.Path+"/"+child.Name, "/")
		switch {
		case slices.Contains(chain, child.Dir):
			l.problem(jsrun.Problem{File: l.p.relative(child.Dir), Message: fmt.Sprintf("component %s uses itself", path), Hint: "take it out of its own convex.config"})
		case len(chain) > maxDepth || len(l.p.App.Components)+len(out) >= maxComponents:
			l.problem(jsrun.Problem{File: l.p.relative(child.Dir), Message: fmt.Sprintf("component %s is left out: components nest deeper than %d or are more than %d", path, maxDepth, maxComponents)})
		default:
			out = append(out, use{parent, child, path, chain, childEnv(parent.Env, child)})
		}
	}
	return out
}

// key is what makes two uses the same code: one program serves both.
func (u use) key() string {
	text := u.child.Dir
	for _, name := range sortedKeys(u.env) {
		text += "\x00" + name + "=" + u.env[name]
	}
	return text
}

// loadAll loads the components of one level that are not known yet, as many
// at once as there are processors.
func (l *loader) loadAll(level []use, known map[string]loaded) {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	for _, u := range level {
		mu.Lock()
		_, begun := known[u.key()]
		if !begun {
			known[u.key()] = loaded{}
		}
		mu.Unlock()
		if begun {
			continue
		}
		group.Go(func() error {
			out := l.component(componentSpec{path: u.path, dir: u.child.Dir, env: u.env})
			mu.Lock()
			defer mu.Unlock()
			known[u.key()] = out
			return nil
		})
	}
	_ = group.Wait() // each failure is in its loaded
	for _, u := range level {
		l.p.Problems = append(l.p.Problems, known[u.key()].problems...) // tidy drops what comes twice
	}
}

// childEnv are a child's variables: those that the parent binds.
func childEnv(parent map[string]string, child jsrun.Child) map[string]string {
	env := map[string]string{}
	for name, value := range child.Env {
		env[name] = value
	}
	for name, ref := range child.EnvRefs {
		if value, ok := parent[ref]; ok {
			env[name] = value
		}
	}
	for _, name := range []string{"CONVEX_CLOUD_URL", "CONVEX_SITE_URL"} {
		if value, ok := parent[name]; ok {
			env[name] = value
		}
	}
	return env
}

// usesComponent reports whether the root defines migrations of the component.
func usesComponent(all []Migration) bool {
	return slices.ContainsFunc(all, func(m Migration) bool { return m.Driver == ComponentDriver && m.Owner == "" })
}

// lostMigrations is the migrations component of a project whose
// convex.config did not load: without it no migration could be rehearsed.
func (l *loader) lostMigrations() jsrun.Child {
	child := jsrun.Child{Name: migrationsName, Dir: builtInMigrations}
	for dir := l.p.FunctionsDir; ; dir = filepath.Dir(dir) {
		installed := filepath.Join(dir, "node_modules", "@convex-dev", "migrations", "dist", "component")
		if isDir(installed) {
			child.Dir = installed
			break
		}
		if filepath.Dir(dir) == dir {
			break
		}
	}
	l.problem(jsrun.Problem{File: l.p.relative(filepath.Join(l.p.FunctionsDir, "convex.config.ts")), Warning: true,
		Message: "no components are known, so the migrations component is taken alone",
		Hint:    "convex.config.ts must load and say app.use(migrations)"})
	return child
}

// checkSeries finds runners that name what does not exist.
func (l *loader) checkSeries() {
	known := map[string]bool{}
	for _, c := range l.p.App.Components {
		for _, f := range c.Functions {
			known[strings.TrimPrefix(c.Path+":"+f.Path(), ":")] = true
		}
	}
	for _, m := range l.p.Migrations {
		for _, name := range m.Series {
			if known[name] {
				continue
			}
			p := jsrun.Problem{File: m.File, Line: m.Line, Warning: true, Message: fmt.Sprintf("runner %s names %s, which is no function", m.Name, name)}
			if like := sameExport(l.p.Migrations, name); like != "" {
				p.Hint = "did you mean " + like + "?"
			}
			l.problem(p)
		}
	}
}

// sameExport finds the migration that a wrong name may mean: "a:b" for the
// default export of a/b, or the same export of another module.
func sameExport(all []Migration, name string) string {
	module, export, _ := strings.Cut(name, ":")
	for _, wanted := range []string{module + "/" + export + ":default", module + "/index:" + export} {
		if slices.ContainsFunc(all, func(m Migration) bool { return m.Name == wanted }) {
			return wanted
		}
	}
	for _, m := range all {
		if strings.HasSuffix(m.Name, ":"+export) && export != "default" {
			return m.Name
		}
	}
	return ""
}

// checkMigrations says which migrations cannot run as things stand, and where
// the migrations component is when it has another name.
func (l *loader) checkMigrations() {
	l.checkSeries()
	var at []string
	for _, c := range l.p.App.Components {
		if _, ok := c.Function("lib:migrate"); ok {
			if _, ok := c.Function("lib:getStatus"); ok {
				at = append(at, c.Path)
			}
		}
	}
	sort.Slice(at, func(i, j int) bool { // the root's own first, under its usual name
		di, dj := strings.Count(at[i], "/"), strings.Count(at[j], "/")
		if di != dj {
			return di < dj
		}
		return at[i] == migrationsName && at[j] != migrationsName
	})
	l.checkInside(at)
	if !usesComponent(l.p.Migrations) {
		return
	}
	if len(at) == 0 {
		l.problem(jsrun.Problem{File: l.p.relative(filepath.Join(l.p.FunctionsDir, "convex.config.ts")),
			Message: "migrations are defined, but no migrations component is in use: they cannot run",
			Hint:    `import migrations from "@convex-dev/migrations/convex.config.js" and app.use(migrations)`})
		return
	}
	for i := range l.p.Config.Envs {
		if l.p.Config.Envs[i].Component == "" {
			l.p.Config.Envs[i].Component = at[0]
		}
	}
}

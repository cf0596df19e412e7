package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

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
	path  string   // "" the root
	dir   string   // absolute, or of the prelude
	chain []string // folders of the components around it, to find cycles
	env   map[string]string
}

// component bundles and evaluates one component.
func (l *loader) component(s componentSpec) (*jsrun.Component, *jsrun.Analysis, error) {
	modules, err := jsrun.ListModules(s.dir)
	if err != nil {
		return nil, nil, err
	}
	program, problems, err := jsrun.Bundle(l.ctx, jsrun.Options{Root: l.p.Root, Dir: s.dir, Modules: modules, Env: s.env, Component: s.path})
	l.p.Problems = append(l.p.Problems, l.within(s, problems)...)
	if err != nil {
		return nil, nil, err
	}
	analysis, err := program.Analyze(l.ctx)
	if err != nil {
		return nil, nil, err
	}
	l.p.Problems = append(l.p.Problems, l.within(s, analysis.Problems)...)
	c := &jsrun.Component{Path: s.path, Name: s.path[strings.LastIndex(s.path, "/")+1:], Program: program, Functions: analysis.Functions, Children: map[string]string{}, Env: s.env}
	parsed, problem := parseSchema(analysis.SchemaFile, analysis.Schema)
	if problem != nil {
		l.problem(*problem)
	}
	c.Schema = parsed
	return c, analysis, nil
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
		if !filepath.IsAbs(s.dir) || strings.Contains(filepath.ToSlash(s.dir), "/node_modules/") {
			out[i].Warning = true
		}
	}
	return out
}

// children loads what the root's convex.config uses, level by level, so that
// each component comes after its parent.
func (l *loader) children(root *jsrun.Component, analysis *jsrun.Analysis) {
	type job struct {
		parent *jsrun.Component
		child  jsrun.Child
		chain  []string
	}
	var queue []job
	add := func(parent *jsrun.Component, a *jsrun.Analysis, chain []string) {
		for _, child := range a.Children {
			queue = append(queue, job{parent, child, chain})
		}
	}
	add(root, analysis, []string{l.p.FunctionsDir})
	if len(analysis.Children) == 0 && analysis.AppConfig == nil && usesComponent(l.p.Migrations) {
		queue = append(queue, job{root, l.lostMigrations(), []string{l.p.FunctionsDir}})
	}
	for len(queue) > 0 && l.ctx.Err() == nil {
		j := queue[0]
		queue = queue[1:]
		path := strings.TrimPrefix(j.parent.Path+"/"+j.child.Name, "/")
		switch {
		case slices.Contains(j.chain, j.child.Dir):
			l.problem(jsrun.Problem{File: l.relative(j.child.Dir), Message: fmt.Sprintf("component %s uses itself", path), Hint: "take it out of its own convex.config"})
			continue
		case len(j.chain) > maxDepth || len(l.p.App.Components) > maxComponents:
			l.problem(jsrun.Problem{File: l.relative(j.child.Dir), Message: fmt.Sprintf("component %s is left out: components nest deeper than %d or are more than %d", path, maxDepth, maxComponents)})
			continue
		}
		c, a, err := l.component(componentSpec{path: path, dir: j.child.Dir, chain: j.chain, env: childEnv(j.parent.Env, j.child)})
		if err != nil {
			l.problem(jsrun.Problem{File: l.relative(j.child.Dir), Message: fmt.Sprintf("component %s is left out: %v", path, err)})
			continue
		}
		c.Args = j.child.Args
		j.parent.Children[j.child.Name] = path
		l.p.App.Components = append(l.p.App.Components, c)
		add(c, a, append(slices.Clone(j.chain), j.child.Dir))
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

func usesComponent(all []Migration) bool {
	return slices.ContainsFunc(all, func(m Migration) bool { return m.Driver == ComponentDriver })
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
	l.problem(jsrun.Problem{File: l.relative(filepath.Join(l.p.FunctionsDir, "convex.config.ts")), Warning: true,
		Message: "no components are known, so the migrations component is taken alone",
		Hint:    "convex.config.ts must load and say app.use(migrations)"})
	return child
}

// checkMigrations says which migrations cannot run as things stand, and where
// the migrations component is when it has another name.
func (l *loader) checkMigrations() {
	if !usesComponent(l.p.Migrations) {
		return
	}
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
	if len(at) == 0 {
		l.problem(jsrun.Problem{File: l.relative(filepath.Join(l.p.FunctionsDir, "convex.config.ts")),
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

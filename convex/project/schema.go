package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// gitPrefix begins the name of a schema at a git revision.
const gitPrefix = "git:"

// LoadPushed evaluates the schema that a push of the work tree at root would
// deploy: that of the functions folder, whatever the target is. It is nil
// without one.
func LoadPushed(ctx context.Context, root string) (s *schema.Schema, err error) {
	defer recovered("load the project's schema", &err)
	loc, config, err := locate(root)
	if err != nil {
		return nil, err
	}
	return evaluator{ctx: ctx, env: evaluationEnv(config)}.folder(loc)
}

func locate(root string) (loc Location, config Config, err error) {
	if loc, err = Find(Options{Dir: root}); err != nil {
		return loc, config, err
	}
	if path := filepath.Join(loc.Root, configName); exists(path) {
		config, err = readConfig(path)
	}
	return loc, config, err
}

// LoadSchema evaluates a schema of the project at root: "target" (what
// strait.toml names, else the project's schema), "git:REF" (the schema as it
// was at that revision), or a file, relative to root. It is nil when the
// project had no schema there. The work tree is never touched.
func LoadSchema(ctx context.Context, root, spec string) (s *schema.Schema, err error) {
	defer recovered("load the schema "+spec, &err)
	loc, config, err := locate(root)
	if err != nil {
		return nil, err
	}
	if spec == "target" || spec == "" {
		spec = config.Target
	}
	e := evaluator{ctx: ctx, env: evaluationEnv(config)}
	switch {
	case spec == "" || spec == "target":
		return e.folder(loc)
	case strings.HasPrefix(spec, gitPrefix):
		return e.revision(loc, strings.TrimPrefix(spec, gitPrefix))
	case spec == "widened":
		return nil, errors.New(`schema "widened" is made from two schemas; it cannot be loaded`)
	}
	return e.file(loc, spec)
}

// schemaModules are the names that a schema file may have.
var schemaModules = []string{"schema.ts", "schema.js", "schema.tsx", "schema.mts", "schema.mjs", "schema.jsx"}

// evaluator evaluates schemas under one set of variables.
type evaluator struct {
	ctx context.Context
	env map[string]string
}

// folder evaluates the schema of a functions folder.
func (e evaluator) folder(loc Location) (*schema.Schema, error) {
	for _, name := range schemaModules {
		if isFile(filepath.Join(loc.Functions, name)) {
			return e.module(loc.Root, loc.Functions, name)
		}
	}
	return nil, nil
}

// file evaluates a schema in a file of any name, through a file called
// schema that hands on its default export.
func (e evaluator) file(loc Location, spec string) (*schema.Schema, error) {
	file := spec
	if !filepath.IsAbs(file) {
		file = filepath.Join(loc.Root, filepath.FromSlash(spec))
	}
	if !isFile(file) {
		return nil, fmt.Errorf("schema %q: no such file\nhint: the path is relative to %s; git:REF names a revision", spec, loc.Root)
	}
	if name := filepath.Base(file); name == "schema"+filepath.Ext(file) {
		return e.module(loc.Root, filepath.Dir(file), name)
	}
	dir, err := os.MkdirTemp("", "strait-schema-")
	if err != nil {
		return nil, fmt.Errorf("schema %q: %w", spec, err)
	}
	defer os.RemoveAll(dir)
	text := fmt.Sprintf("export { default } from %q;\n", filepath.ToSlash(file))
	if err := os.WriteFile(filepath.Join(dir, "schema.ts"), []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("schema %q: %w", spec, err)
	}
	return e.module(loc.Root, dir, "schema.ts")
}

// module bundles one schema module of dir and reads its export.
func (e evaluator) module(root, dir, name string) (*schema.Schema, error) {
	program, problems, err := jsrun.Bundle(e.ctx, jsrun.Options{Root: root, Dir: dir, Modules: []string{name}, Env: e.env})
	if err != nil {
		return nil, schemaError(problems, err)
	}
	analysis, err := program.Analyze(e.ctx)
	if err != nil {
		return nil, schemaError(problems, err)
	}
	if len(analysis.Schema) == 0 {
		return nil, schemaError(append(problems, analysis.Problems...), fmt.Errorf("%s exports no schema", name))
	}
	return schema.Parse(analysis.Schema)
}

// schemaError says the first problem that hides a schema, else err.
func schemaError(problems []jsrun.Problem, err error) error {
	for _, p := range problems {
		if p.Warning || strings.HasSuffix(moduleOf(p.File), "convex.config") {
			continue
		}
		if p.Hint != "" {
			return fmt.Errorf("%w\nhint: %s", p, p.Hint)
		}
		return p
	}
	return err
}

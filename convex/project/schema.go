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

// LoadSchema evaluates a schema of the project at root: "target" (what
// strait.toml names, else the project's schema), "git:REF" (the schema as it
// was at that revision), or a file, relative to root. It is nil when the
// project had no schema there. The work tree is never touched.
func LoadSchema(ctx context.Context, root, spec string) (s *schema.Schema, err error) {
	defer recovered("load the schema "+spec, &err)
	loc, err := Find(Options{Dir: root})
	if err != nil {
		return nil, err
	}
	if spec == "target" || spec == "" {
		spec = ""
		if path := filepath.Join(loc.Root, configName); exists(path) {
			c, err := readConfig(path)
			if err != nil {
				return nil, err
			}
			spec = c.Target
		}
	}
	switch {
	case spec == "" || spec == "target":
		return loadFolder(ctx, loc)
	case strings.HasPrefix(spec, gitPrefix):
		return loadRevision(ctx, loc, strings.TrimPrefix(spec, gitPrefix))
	case spec == "widened":
		return nil, errors.New(`schema "widened" is made from two schemas; it cannot be loaded`)
	}
	return loadFile(ctx, loc, spec)
}

// schemaModules are the names that a schema file may have.
var schemaModules = []string{"schema.ts", "schema.js", "schema.tsx", "schema.mts", "schema.mjs", "schema.jsx"}

// loadFolder evaluates the schema of a functions folder.
func loadFolder(ctx context.Context, loc Location) (*schema.Schema, error) {
	for _, name := range schemaModules {
		if isFile(filepath.Join(loc.Functions, name)) {
			return evaluate(ctx, loc.Root, loc.Functions, name)
		}
	}
	return nil, nil
}

// loadFile evaluates a schema in a file of any name, through a file called
// schema that hands on its default export.
func loadFile(ctx context.Context, loc Location, spec string) (*schema.Schema, error) {
	file := spec
	if !filepath.IsAbs(file) {
		file = filepath.Join(loc.Root, filepath.FromSlash(spec))
	}
	if !isFile(file) {
		return nil, fmt.Errorf("schema %q: no such file\nhint: the path is relative to %s; git:REF names a revision", spec, loc.Root)
	}
	if name := filepath.Base(file); name == "schema"+filepath.Ext(file) {
		return evaluate(ctx, loc.Root, filepath.Dir(file), name)
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
	return evaluate(ctx, loc.Root, dir, "schema.ts")
}

// evaluate bundles one schema module of dir and reads its export.
func evaluate(ctx context.Context, root, dir, name string) (*schema.Schema, error) {
	program, problems, err := jsrun.Bundle(ctx, jsrun.Options{Root: root, Dir: dir, Modules: []string{name}, Env: rootEnv()})
	if err != nil {
		return nil, schemaError(problems, err)
	}
	analysis, err := program.Analyze(ctx)
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

package project

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"strait/model/schema"
)

// LoadSide evaluates one side of a comparison. Where LoadSchema knows one
// project, the two sides of a comparison may lie anywhere, and need no project
// around them:
//   - a folder: the schema.ts in it, or that of the project there or below. It
//     is the project's own schema, as "git:REF" is, whatever its target. dir
//     itself may also lie below the project, as everywhere;
//   - a file: TypeScript or JavaScript with the schema as default export, or
//     the JSON of schema.export();
//   - "git:REF": the schema of the project at dir as it was at that revision;
//   - "git:REF:PATH": a file or a project folder of that revision; PATH counts
//     from dir, else from the top of the repository, as git has it.
//
// Paths are relative to dir. A side without a schema is an error.
func LoadSide(ctx context.Context, dir, spec string) (s *schema.Schema, err error) {
	defer recovered("load the schema "+spec, &err)
	dir, err = startFolder(dir)
	if err != nil {
		return nil, err
	}
	if rest, ok := strings.CutPrefix(spec, gitPrefix); ok {
		s, err = gitSide(ctx, dir, rest)
	} else {
		s, err = pathSide(ctx, dir, spec)
	}
	if err == nil && s == nil {
		return nil, fmt.Errorf("schema %q: the project has no schema there\nhint: convex/schema.ts is where it is looked for; name the file itself if it is called otherwise", spec)
	}
	return s, err
}

func gitSide(ctx context.Context, dir, rest string) (*schema.Schema, error) {
	ref, inside, named := strings.Cut(rest, ":") // no name of a revision holds a colon
	if !named || inside == "" {
		return LoadSchema(ctx, dir, gitPrefix+ref)
	}
	clean := path.Clean(inside)
	if path.IsAbs(clean) {
		return nil, fmt.Errorf("schema git:%s: the path after the revision is relative, to the folder or to the top of the repository", rest)
	}
	loc := Location{Root: dir}
	e := evaluator{ctx: ctx, env: variablesAround(dir)}
	return e.revisionOf(loc, ref, clean)
}

func pathSide(ctx context.Context, dir, spec string) (*schema.Schema, error) {
	file := spec
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, filepath.FromSlash(spec))
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("schema %q: no such file or folder\nhint: paths are relative to %s; git:REF names a revision", spec, dir)
	case err != nil:
		return nil, fmt.Errorf("schema %q: %w", spec, err)
	case info.IsDir():
		return folderSide(ctx, dir, file, spec)
	case filepath.Ext(file) == ".json":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("schema %q: %w", spec, err)
		}
		s, err := schema.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w\nhint: a .json file must hold what schema.export() gives", spec, err)
		}
		return s, nil
	}
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	e := evaluator{ctx: ctx, env: variablesAround(filepath.Dir(file))}
	return e.file(Location{Root: packageAround(filepath.Dir(file), "")}, file)
}

func folderSide(ctx context.Context, dir, folder, spec string) (*schema.Schema, error) {
	folder, err := startFolder(folder)
	if err != nil {
		return nil, err
	}
	e := evaluator{ctx: ctx, env: variablesAround(folder)}
	if functions := functionsIn(folder); functions != "" {
		return e.folder(Location{Root: packageAround(folder, ""), Functions: functions})
	}
	loc, err := Find(Options{Dir: folder})
	if err != nil {
		return nil, err
	}
	// A folder without a project may lie in one: comparing that instead would
	// say that nothing changed.
	if rel, err := filepath.Rel(folder, loc.Functions); folder != dir && (err != nil || !filepath.IsLocal(rel)) {
		return nil, fmt.Errorf("schema %q: there is no project in that folder\nhint: it lies in the project %s; name that, or the schema's file", spec, loc.Root)
	}
	return e.folder(loc)
}

// functionsIn is the functions folder of the project at a folder, which may be
// one itself; "" without.
func functionsIn(folder string) string {
	for _, name := range schemaModules {
		if isFile(filepath.Join(folder, name)) {
			return folder
		}
	}
	return look(folder).functions
}

// at evaluates a file, or the schema of the project at a folder, of a
// revision's copy: found from the folder that rel names, else from the top.
func (e evaluator) at(copied, rel, inside string) (*schema.Schema, error) {
	for _, base := range []string{filepath.Join(copied, rel), copied} {
		file := filepath.Join(base, filepath.FromSlash(inside))
		within, err := filepath.Rel(copied, file)
		if err != nil || !filepath.IsLocal(within) {
			continue
		}
		switch {
		case isFile(file):
			return e.file(Location{Root: packageAround(filepath.Dir(file), copied)}, file)
		case isDir(file):
			if functions := functionsIn(file); functions != "" {
				return e.folder(Location{Root: packageAround(file, copied), Functions: functions})
			}
			return nil, fmt.Errorf("there is no project in %s in that revision\nhint: git ls-tree -r --name-only REF lists its files", inside)
		}
	}
	return nil, fmt.Errorf("there is no %s in that revision\nhint: git ls-tree -r --name-only REF lists its files", inside)
}

// packageAround is the nearest folder at or above dir that holds a
// package.json, not above top; dir itself without one.
func packageAround(dir, top string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if isFile(filepath.Join(d, "package.json")) {
			return d
		}
		if d == top || filepath.Dir(d) == d {
			return dir
		}
	}
}

// variablesAround is what process.env holds for code at dir: what the
// strait.toml of its project says, if there is one that can be read.
func variablesAround(dir string) map[string]string {
	var c Config
	if loc, err := Find(Options{Dir: dir}); err == nil {
		if read, err := readConfig(filepath.Join(loc.Root, configName)); err == nil {
			c = read
		}
	}
	return evaluationEnv(c)
}

package jsrun

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// ListModules lists the modules of a functions folder by the rules of the
// official CLI, relative to dir with slashes and sorted: script files that are
// not in _generated, have one dot in their name (so no declaration, test and
// config files) and no space in their path, are no links, do not begin with
// "use node", and, when they are TypeScript, import or export something. A
// folder with a convex.config.ts of its own is a component and not listed.
// Unlike the CLI it lists the schema too, whatever it holds, and skips
// node_modules. dir may be a
// folder of the prelude.
func ListModules(dir string) ([]string, error) {
	if name, ok := strings.CutPrefix(dir, preludePrefix); ok {
		return listPrelude(name)
	}
	var out []string
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case e.IsDir() && rel != "." && skipFolder(file, rel):
			return filepath.SkipDir
		case e.Type().IsRegular() && moduleName(rel) && (rel == "schema.ts" || isModule(file)):
			out = append(out, rel)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the modules of %s: %w", dir, err)
	}
	slices.Sort(out)
	return out, nil
}

func skipFolder(dir, rel string) bool {
	name := path.Base(rel)
	if rel == "_generated" || name == "node_modules" || strings.HasPrefix(name, ".") {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "convex.config.ts"))
	return err == nil
}

func listPrelude(dir string) ([]string, error) {
	entries, err := fs.ReadDir(preludeFiles, path.Join("prelude", dir))
	if err != nil {
		return nil, fmt.Errorf("list the modules of %s%s: %w", preludePrefix, dir, err)
	}
	var out []string
	for _, e := range entries {
		if moduleName(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

var moduleExtensions = []string{".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs", ".cts", ".cjs"}

// moduleName reports whether a file of that path is a module, by its name.
func moduleName(rel string) bool {
	name := path.Base(rel)
	return slices.Contains(moduleExtensions, path.Ext(name)) && strings.Count(name, ".") == 1 &&
		!strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "#") && !strings.Contains(rel, " ")
}

var (
	importsOrExports = regexp.MustCompile(`(?m)^\s{0,100}(import|export)`)
	typeScript       = regexp.MustCompile(`\.tsx?$`)
)

// isModule reports whether a file is a module of Convex's runtime, by its text.
func isModule(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return true // bundling it says why it cannot be read
	}
	return !usesNode(text) && (!typeScript.MatchString(file) || importsOrExports.Match(text))
}

var useNode = regexp.MustCompile(`^(?:\s+|//[^\n]*\n|/\*(?s:.*?)\*/|#![^\n]*\n|(?:"use [a-mo-z]\w*"|'use [a-mo-z]\w*')\s*;?)*(?:"use node"|'use node')`)

// usesNode reports whether a file begins with the directive "use node".
func usesNode(text []byte) bool {
	return bytes.Contains(text, []byte("use node")) && useNode.Match(text)
}

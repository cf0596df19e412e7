package jsrun

import (
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
// official CLI, relative to dir with slashes and sorted: no _generated, no
// declaration or test files, no names with several dots, no dot files, no
// convex.config, no folders of local components, no "use node" files, only ts, tsx, js, jsx, mts and mjs.
// dir may be a folder of the prelude.
func ListModules(dir string) ([]string, error) {
	if name, ok := strings.CutPrefix(dir, preludePrefix); ok {
		return listPrelude(name)
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("list the modules of %s: %w", dir, err)
	}
	l := lister{seen: map[string]bool{root: true}}
	if err := l.folder(dir, ""); err != nil {
		return nil, fmt.Errorf("list the modules of %s: %w", dir, err)
	}
	slices.Sort(l.out)
	return l.out, nil
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

type lister struct {
	out  []string
	seen map[string]bool // real folders, so that a loop of links ends
}

func (l *lister) folder(dir, under string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, full := e.Name(), filepath.Join(dir, e.Name())
		info, err := os.Stat(full) // follows links
		if err != nil {
			continue // a link that leads nowhere
		}
		if info.IsDir() {
			if name == "_generated" || name == "node_modules" || strings.HasPrefix(name, ".") || definesComponent(full) {
				continue
			}
			real, err := filepath.EvalSymlinks(full)
			if err != nil || l.seen[real] {
				continue
			}
			l.seen[real] = true
			if err := l.folder(full, path.Join(under, name)); err != nil {
				return err
			}
			continue
		}
		if moduleName(name) && !(under == "" && isConfig(name)) && !usesNode(full) {
			l.out = append(l.out, path.Join(under, name))
		}
	}
	return nil
}

// definesComponent reports whether a folder below the functions folder is a
// component of its own, whose modules are not the app's.
func definesComponent(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "convex.config.ts"))
	return err == nil
}

var moduleExtensions = []string{".ts", ".tsx", ".js", ".jsx", ".mts", ".mjs"}

// moduleName reports whether a file of that name is a module.
func moduleName(name string) bool {
	ext := path.Ext(name)
	switch {
	case !slices.Contains(moduleExtensions, ext), strings.HasPrefix(name, "."), strings.HasPrefix(name, "#"), strings.ContainsAny(name, " "):
		return false
	case strings.Contains(strings.TrimSuffix(name, ext), "."):
		return name == "convex.config.ts" || name == "convex.config.js"
	}
	return true
}

var useNode = regexp.MustCompile(`^(?:\s+|//[^\n]*\n|/\*(?s:.*?)\*/|#![^\n]*\n|(?:"use [a-mo-z]\w*"|'use [a-mo-z]\w*')\s*;?)*(?:"use node"|'use node')`)

// usesNode reports whether a file begins with the directive "use node".
func usesNode(file string) bool {
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "use node") {
		return false
	}
	return useNode.Match(text)
}

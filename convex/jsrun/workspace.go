package jsrun

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// Packages of the repository itself, which package managers link into
// node_modules. What is wrong with one is never mended by a registry.

// linked is the folder that node_modules above file link a package to; "" when
// the package comes from a registry.
func linked(file, pkg string) string {
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, "node_modules", filepath.FromSlash(pkg))); err == nil {
			if strings.Contains(filepath.ToSlash(real)+"/", "/node_modules/") {
				return ""
			}
			return real
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

var notFound = regexp.MustCompile(`^The module "(.+)" was not found on the file system`)

// linkedProblem says of a package of the repository why the import of spec
// leads nowhere: it was not built, or has no such path.
func (b *bundler) linkedProblem(p Problem, dir, spec string, notes []api.Note) Problem {
	pkg := packageName(spec)
	about := "package " + strconv.Quote(pkg)
	where := b.fromRoot(dir)
	manifest := readManifest(dir)
	absent := ""
	for _, n := range notes {
		if m := notFound.FindStringSubmatch(n.Text); m != nil {
			absent = m[1]
		}
	}
	if absent == "" && spec == pkg && len(manifest.Exports) == 0 {
		absent = manifest.Main
	}
	absent = strings.TrimPrefix(absent, "./")
	p.Hint = `check "main" and "exports" in ` + where + "/package.json"
	switch {
	case absent == "" && spec == pkg:
		p.Message = about + " has no entry"
	case absent == "":
		p.Message = about + " offers no " + strconv.Quote(strings.TrimPrefix(spec, pkg+"/"))
	case slices.Contains([]string{".ts", ".tsx", ".mts", ".cts"}, filepath.Ext(absent)): // nothing builds these
		p.Message = about + " has no " + absent + " in " + where
	default:
		p.Message = about + " is not built: " + where + " has no " + absent
		p.Hint = "build " + where + " as its repository says"
		if manifest.Scripts.Build != "" {
			p.Hint = "build it: (cd " + where + " && " + b.manager() + " run build)"
		}
	}
	p.Message = "cannot resolve " + strconv.Quote(spec) + ": " + p.Message
	return p
}

// manager is the package manager's command.
func (b *bundler) manager() string {
	name, _, _ := strings.Cut(b.install(), " ")
	return name
}

// fromRoot is a folder as seen from the project's root, with slashes.
func (b *bundler) fromRoot(dir string) string {
	root := b.o.Root
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real // dir has no links in it either
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return filepath.ToSlash(dir)
	}
	return filepath.ToSlash(rel)
}

// unlinked looks for a package among those that the repository's workspace
// lists: its folder and the top of the workspace, both as seen from the root.
func (b *bundler) unlinked(pkg string) (dir, top string, ok bool) {
	at := b.o.Root
	if real, err := filepath.EvalSymlinks(at); err == nil {
		at = real
	}
	for ; ; at = filepath.Dir(at) {
		for _, pattern := range workspaces(at) {
			pattern = strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/"), "**", "*")
			found, err := filepath.Glob(filepath.Join(at, filepath.FromSlash(pattern), "package.json"))
			if err != nil || strings.HasPrefix(pattern, "!") || !filepath.IsLocal(filepath.FromSlash(pattern)) {
				continue
			}
			for _, file := range found {
				if readManifest(filepath.Dir(file)).Name == pkg {
					return b.fromRoot(filepath.Dir(file)), b.fromRoot(at), true
				}
			}
		}
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil || at == filepath.Dir(at) {
			return "", "", false
		}
	}
}

// workspaces are the patterns of the packages that a folder is the top of.
func workspaces(dir string) []string {
	if text, err := os.ReadFile(filepath.Join(dir, "pnpm-workspace.yaml")); err == nil {
		return packagesOf(string(text))
	}
	raw := readManifest(dir).Workspaces
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var object struct{ Packages []string }
	if json.Unmarshal(raw, &object) == nil {
		return object.Packages
	}
	return nil
}

var listItem = regexp.MustCompile(`^\s*-\s*["']?([^"'#\s]+)`)

// packagesOf reads the list "packages" of a pnpm-workspace.yaml, which is
// written one pattern a line.
func packagesOf(text string) (out []string) {
	inside := false
	for line := range strings.Lines(text) {
		if m := listItem.FindStringSubmatch(line); m != nil {
			if inside {
				out = append(out, m[1])
			}
			continue
		}
		if t := strings.TrimSpace(line); t != "" && !strings.HasPrefix(t, "#") {
			inside = strings.HasPrefix(t, "packages:")
		}
	}
	return out
}

// manifest is what is read of a package.json.
type manifest struct {
	Name, Main          string
	Exports, Workspaces json.RawMessage
	Scripts             struct{ Build string }
}

// readManifest is empty of a file that cannot be read: it only serves hints.
func readManifest(dir string) (m manifest) {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil || json.Unmarshal(text, &m) != nil {
		return manifest{}
	}
	return m
}

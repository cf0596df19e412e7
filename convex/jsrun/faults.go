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

var unresolved = regexp.MustCompile(`^Could not resolve ("(?:[^"\\]|\\.)*")`)

var staleGenerated = regexp.MustCompile(`^No matching export in "(?:[^"]*/)?_generated/(?:api|server)\.[jt]s" `)

// learn takes esbuild's errors: an import that leads nowhere will throw where
// it stands, any other error replaces its file by one that throws. It reports
// whether another pass can get further.
func (b *bundler) learn(messages []api.Message) bool {
	before := len(b.broken) + len(b.missing)
	for _, m := range messages {
		for _, at := range culprits(m) {
			file := b.absolute(at)
			if found := unresolved.FindStringSubmatch(m.Text); found != nil {
				if spec, err := strconv.Unquote(found[1]); err == nil {
					b.learnMissing(file, spec, at, m.Notes)
					continue
				}
			}
			b.learnBroken(file, m, at)
		}
	}
	return len(b.broken)+len(b.missing) > before
}

// culprits says where an error is: at its own location, or, when that is the
// program's entry, at the files that its notes name.
func culprits(m api.Message) []*api.Location {
	if m.Location == nil {
		return nil
	}
	if !isEntry(m.Location.File) || unresolved.MatchString(m.Text) {
		return []*api.Location{m.Location}
	}
	var out []*api.Location
	for _, n := range m.Notes {
		if n.Location != nil && !isEntry(n.Location.File) {
			out = append(out, n.Location)
		}
	}
	if len(out) > 1 {
		out = out[len(out)-1:] // the last note names the root of the matter
	}
	return out
}

func (b *bundler) learnMissing(file, spec string, at *api.Location, notes []api.Note) {
	site := importSite{file, spec}
	if _, known := b.missing[site]; known {
		return
	}
	p := b.missingProblem(file, spec, at, notes)
	// A package that imports another in many files is told once.
	if foreign(filepath.ToSlash(file)) {
		for i, known := range b.problems {
			if foreign(known.File) && known.Import != "" && packageName(known.Import) == packageName(spec) {
				b.missing[site] = i
				return
			}
		}
	}
	b.missing[site] = len(b.problems)
	b.problems = append(b.problems, p)
}

func (b *bundler) missingProblem(file, spec string, at *api.Location, notes []api.Note) Problem {
	p := Problem{File: b.relative(file), Line: at.Line, Column: at.Column + 1, Import: spec}
	pkg := packageName(spec)
	switch {
	case isEntry(at.File):
		return Problem{File: b.relative(filepath.FromSlash(spec)), Message: "the file does not exist"}
	case strings.HasPrefix(spec, ".") || filepath.IsAbs(spec):
		p.Message = "cannot find " + strconv.Quote(spec)
		p.Hint = "check the path of the import; generated files are made by: npx convex codegen"
	case nodeBuiltin(spec):
		p.Message = strconv.Quote(spec) + " is part of Node and not available in Convex's runtime"
		p.Hint = `put "use node" at the top of an actions file that needs it, and import it from nowhere else`
	case strings.HasPrefix(spec, "#") || strings.HasPrefix(spec, "@/") || strings.HasPrefix(spec, "~") || strings.HasPrefix(spec, "$"):
		p.Message = "cannot resolve " + strconv.Quote(spec)
		p.Hint = `check "paths" in tsconfig.json and "imports" in package.json; a tsconfig that extends a generated file needs that file (npx svelte-kit sync, npx nuxi prepare)`
	case linked(file, pkg) != "":
		return b.linkedProblem(p, linked(file, pkg), spec, notes)
	case b.installed(file, pkg):
		p.Message = "cannot resolve " + strconv.Quote(spec) + ": package " + strconv.Quote(pkg) + " is installed but offers no such path"
		p.Hint = "check the version of " + pkg + ": " + b.install() + " " + pkg + "@latest"
	default:
		p.Message = "package " + strconv.Quote(pkg) + " is not installed"
		p.Hint = b.install() + " " + pkg
		if dir, top, ok := b.unlinked(pkg); ok {
			p.Hint = "it is " + dir + " in this repository: (cd " + top + " && " + b.manager() + " install)"
		}
	}
	return p
}

func (b *bundler) learnBroken(file string, m api.Message, at *api.Location) {
	if _, known := b.broken[file]; known || isEntry(at.File) {
		return
	}
	p := Problem{File: b.relative(file), Line: at.Line, Column: at.Column + 1, Message: m.Text}
	switch {
	case strings.Contains(m.Text, "op-level await"):
		p.Message = "top-level await is not supported in Convex's runtime"
		p.Hint = "move the await into a function"
	case staleGenerated.MatchString(m.Text):
		p.Hint = "the generated code in the repository is older than what imports it: npx convex codegen"
	case len(m.Notes) > 0 && m.Notes[0].Text != "" && m.Notes[0].Location == nil:
		p.Hint = m.Notes[0].Text
	}
	b.broken[file] = len(b.problems)
	b.problems = append(b.problems, p)
}

// absolute is the file that esbuild names in a message: relative to the root,
// or in a namespace.
func (b *bundler) absolute(at *api.Location) string {
	if isEntry(at.File) {
		return entryFile
	}
	if at.Namespace != "" && at.Namespace != "file" {
		return at.File
	}
	if filepath.IsAbs(at.File) {
		return filepath.Clean(at.File)
	}
	return filepath.Join(b.o.Root, filepath.FromSlash(at.File))
}

// relative is how people are told of a file.
func (b *bundler) relative(file string) string { return relativeTo(b.o.Root, file) }

func relativeTo(root, file string) string {
	if !filepath.IsAbs(file) {
		return filepath.ToSlash(file)
	}
	if rel, err := filepath.Rel(root, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(file)
}

// packageName is the package that a bare specifier names.
func packageName(spec string) string {
	parts := strings.SplitN(spec, "/", 3)
	if strings.HasPrefix(spec, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}

// installed reports whether a node_modules folder above file holds the package.
func (b *bundler) installed(file, pkg string) bool {
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", filepath.FromSlash(pkg), "package.json")); err == nil {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// installCommand is the install command of the package manager whose lock
// file is nearest above the project.
func installCommand(root string) string {
	locks := []struct{ file, command string }{
		{"bun.lock", "bun add"}, {"bun.lockb", "bun add"}, {"pnpm-lock.yaml", "pnpm add"},
		{"yarn.lock", "yarn add"}, {"package-lock.json", "npm i"}, {"npm-shrinkwrap.json", "npm i"},
	}
	for dir := root; ; dir = filepath.Dir(dir) {
		for _, l := range locks {
			if _, err := os.Stat(filepath.Join(dir, l.file)); err == nil {
				return l.command
			}
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil || dir == filepath.Dir(dir) {
			return "npm i"
		}
	}
}

var nodeModules = map[string]bool{}

func init() {
	for _, name := range strings.Fields(`assert async_hooks buffer child_process cluster console constants crypto dgram
		diagnostics_channel dns domain events fs http http2 https inspector module net os path perf_hooks process punycode
		querystring readline repl stream string_decoder timers tls trace_events tty url util v8 vm wasi worker_threads zlib`) {
		nodeModules[name] = true
	}
}

func nodeBuiltin(spec string) bool {
	if strings.HasPrefix(spec, "node:") {
		return true
	}
	return nodeModules[strings.SplitN(spec, "/", 2)[0]]
}

// metafile is the part of esbuild's report that is read.
type metafile struct {
	Inputs map[string]struct {
		Imports []struct {
			Path, Kind, Original string
			External             bool
		}
	}
}

func parseMetafile(text string) metafile {
	var m metafile
	if json.Unmarshal([]byte(text), &m) != nil {
		return metafile{} // esbuild's own report; without it only hints are lost
	}
	return m
}

// imports is the graph of the project's files, absolute.
func (b *bundler) imports(m metafile) map[string][]string {
	out := map[string][]string{}
	for file, in := range m.Inputs {
		from := b.input(file)
		for _, i := range in.Imports {
			out[from] = append(out[from], b.input(i.Path))
		}
	}
	return out
}

func (b *bundler) input(file string) string {
	if strings.HasPrefix(file, namespaceWrap+":") {
		return file
	}
	if strings.HasPrefix(file, preludePrefix) || filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(b.o.Root, filepath.FromSlash(file))
}

// warnings finds what works here and not on Convex.
func (b *bundler) warnings(m metafile) []Problem {
	var out []Problem
	for file, in := range m.Inputs {
		if strings.Contains(file, "node_modules/") || strings.Contains(file, ":") {
			continue
		}
		for _, i := range in.Imports {
			if i.Kind != "dynamic-import" {
				continue
			}
			spec := i.Original
			if spec == "" {
				spec = i.Path
			}
			line, column := findImport(filepath.Join(b.o.Root, filepath.FromSlash(file)), spec)
			out = append(out, Problem{
				File: file, Line: line, Column: column, Import: spec, Warning: true,
				Message: "import(" + strconv.Quote(spec) + ") works in this rehearsal, but Convex refuses dynamic imports in queries and mutations",
				Hint:    "use an import statement at the top of the file",
			})
		}
	}
	slices.SortFunc(out, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	return out
}

// findImport finds the dynamic import of spec in a file; 0 when it cannot.
func findImport(file, spec string) (line, column int) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0
	}
	at := regexp.MustCompile(`import\s*\(\s*["'` + "`]" + regexp.QuoteMeta(spec)).FindIndex(text)
	if at == nil {
		return 0, 0
	}
	before := string(text[:at[0]])
	return strings.Count(before, "\n") + 1, at[0] - strings.LastIndex(before, "\n")
}

package project

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// configName is the file that makes a folder a Strait project.
const configName = "strait.toml"

// Location is where a project is.
type Location struct {
	Root      string // absolute; holds package.json, convex.json or strait.toml
	Functions string // absolute functions folder
}

// NotFound says that there is no Convex project, where it was looked for and
// what to do. Projects is not empty when several were found below.
type NotFound struct {
	From     string
	Looked   []string
	Projects []string // relative to From
	Detail   string
}

func (e *NotFound) Error() string {
	if len(e.Projects) > 0 {
		return fmt.Sprintf("%s holds %d Convex projects:\n  %s\nhint: name one with --project DIR, for example --project %s",
			e.From, len(e.Projects), strings.Join(e.Projects, "\n  "), e.Projects[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "no Convex project at or above %s", e.From)
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	fmt.Fprintf(&b, "\nlooked in %s for strait.toml, convex.json, convex/ and src/convex/ with a schema or functions",
		strings.Join(e.Looked, ", "))
	b.WriteString("\nhint: go to the project's folder or name it with --project DIR; strait demo shows a project of its own")
	return b.String()
}

// candidate is what one folder has to offer as a project's root.
type candidate struct {
	root      string
	functions string // "" when none was found
	manifest  bool   // package.json is there
	named     bool   // strait.toml or convex.json is there
	convexDep bool   // package.json names convex
	missing   string // the functions folder that was named but is not there
	broken    error  // of a convex.json that cannot be read
}

// Find looks for the project at or above o.Dir, then, when there is none,
// below it.
func Find(o Options) (Location, error) {
	start, err := startFolder(o.Dir)
	if err != nil {
		return Location{}, err
	}
	if o.Functions != "" {
		functions := o.Functions
		if !filepath.IsAbs(functions) {
			functions = filepath.Join(start, functions)
		}
		if !isDir(functions) {
			return Location{}, fmt.Errorf("functions folder %s: no such folder", functions)
		}
		return Location{Root: rootOf(functions), Functions: functions}, nil
	}
	looked, weak, workspace := []string{}, "", ""
	for d := start; ; d = filepath.Dir(d) {
		looked = append(looked, d)
		c := look(d)
		if c.broken != nil {
			return Location{}, fmt.Errorf("%s cannot be read: %w\nhint: it looks like { \"functions\": \"convex/\" }", filepath.Join(d, "convex.json"), c.broken)
		}
		if c.missing != "" {
			return Location{}, fmt.Errorf("the functions folder %s that %s names: no such folder\nhint: mend `functions` there, or run npx convex dev once", c.missing, namedBy(d))
		}
		if c.functions != "" {
			return settle(c), nil
		}
		if c.named { // strait.toml without a folder beside it: the code is below
			workspace = d
			break
		}
		if c.convexDep && weak == "" {
			weak = d
		}
		if isWorkspace(d) && workspace == "" {
			workspace = d
		}
		if exists(filepath.Join(d, ".git")) || filepath.Dir(d) == d {
			break
		}
	}
	return below(start, workspace, weak, looked)
}

// below searches the workspace, or else the start folder, for projects.
func below(start, workspace, weak string, looked []string) (Location, error) {
	from := start
	if workspace != "" {
		from = workspace
	}
	found := projectsBelow(from)
	switch len(found) {
	case 0:
		e := &NotFound{From: start, Looked: looked}
		if weak != "" {
			e.Detail = fmt.Sprintf("%s names convex, but there is no functions folder beside it (npx convex dev makes one)", filepath.Join(weak, "package.json"))
		}
		return Location{}, e
	case 1:
		loc := settle(found[0])
		if exists(filepath.Join(from, configName)) {
			loc.Root = from
		}
		return loc, nil
	}
	e := &NotFound{From: from, Looked: looked}
	for _, c := range found {
		rel, err := filepath.Rel(from, c.root)
		if err != nil {
			rel = c.root
		}
		e.Projects = append(e.Projects, filepath.ToSlash(rel))
	}
	return Location{}, e
}

func startFolder(dir string) (string, error) {
	if dir == "" {
		dir = "."
	}
	start, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("project folder %q: %w", dir, err)
	}
	info, err := os.Stat(start)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("project folder %s: no such folder", start)
	}
	if err != nil {
		return "", fmt.Errorf("project folder %s: %w", start, err)
	}
	if !info.IsDir() {
		start = filepath.Dir(start)
	}
	// Engine and bundler see real paths; so must the comparison with them.
	if real, err := filepath.EvalSymlinks(start); err == nil {
		start = real
	}
	return start, nil
}

// settle turns a candidate into a location: a folder src with convex inside
// belongs to the package above it, and a strait.toml further up that means
// the same functions folder is the project's.
func settle(c candidate) Location {
	loc := Location{Root: c.root, Functions: c.functions}
	if !c.manifest && !c.named && filepath.Base(c.root) == "src" {
		if up := look(filepath.Dir(c.root)); up.functions == c.functions {
			loc.Root = up.root
		}
	}
	if exists(filepath.Join(loc.Root, configName)) {
		return loc
	}
	for d := loc.Root; !exists(filepath.Join(d, ".git")) && filepath.Dir(d) != d; {
		d = filepath.Dir(d)
		if !exists(filepath.Join(d, configName)) {
			continue
		}
		up := look(d)
		if up.functions == c.functions {
			loc.Root = d
		} else if up.functions == "" && up.missing == "" {
			if all := projectsBelow(d); len(all) == 1 && all[0].functions == c.functions {
				loc.Root = d
			}
		}
		break
	}
	return loc
}

// look says what folder d has to offer.
func look(d string) candidate {
	c := candidate{root: d}
	if text, err := os.ReadFile(filepath.Join(d, "package.json")); err == nil {
		c.manifest = true
		c.convexDep = namesConvex(text)
	}
	named := ""
	if text, err := os.ReadFile(filepath.Join(d, "convex.json")); err == nil {
		c.named = true
		named, c.broken = functionsOf(text)
	}
	if text, err := os.ReadFile(filepath.Join(d, configName)); err == nil {
		c.named = true
		if f := peekFunctions(text); f != "" {
			named = f
		}
	}
	if named != "" {
		dir := filepath.Join(d, filepath.FromSlash(named))
		if isDir(dir) {
			c.functions = dir
		} else {
			c.missing = dir
		}
		return c
	}
	for _, name := range []string{"convex", filepath.Join("src", "convex")} {
		dir := filepath.Join(d, name)
		if !isFunctionsDir(dir, c.named) {
			continue
		}
		// A package called convex may be project and functions folder in one.
		if isFile(filepath.Join(dir, "convex.json")) || isFile(filepath.Join(dir, configName)) {
			if own := look(dir); own.functions == dir {
				return own
			}
		}
		c.functions = dir
		return c
	}
	return c
}

// namedBy is the file of d that names the functions folder.
func namedBy(d string) string {
	if text, err := os.ReadFile(filepath.Join(d, configName)); err == nil && peekFunctions(text) != "" {
		return filepath.Join(d, configName)
	}
	return filepath.Join(d, "convex.json")
}

// functionsOf reads the functions folder of a convex.json, which may hold
// comments; "" when it does not say.
func functionsOf(text []byte) (string, error) {
	var c struct {
		Functions string `json:"functions"`
	}
	err := json.Unmarshal(withoutComments(text), &c)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return "", fmt.Errorf("%s has a %s where a text belongs", cmp.Or(wrong.Field, "it"), wrong.Value)
	}
	return c.Functions, err
}

// withoutComments blanks // and /* */ comments and trailing commas, which the
// JSON files of TypeScript projects hold.
func withoutComments(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			j := i + 1
			for j < len(text) && text[j] != '"' {
				if text[j] == '\\' {
					j++
				}
				j++
			}
			out = append(out, text[i:min(j+1, len(text))]...)
			i = j
		case text[i] == '/' && i+1 < len(text) && text[i+1] == '/':
			for i < len(text) && text[i] != '\n' {
				i++
			}
			out = append(out, '\n')
		case text[i] == '/' && i+1 < len(text) && text[i+1] == '*':
			end := strings.Index(string(text[i+2:]), "*/")
			if end < 0 {
				return out
			}
			i += end + 3
		case text[i] == '}' || text[i] == ']':
			trimmed := strings.TrimRight(string(out), " \t\r\n")
			out = append(out[:len(strings.TrimSuffix(trimmed, ","))], text[i])
		default:
			out = append(out, text[i])
		}
	}
	return out
}

func namesConvex(manifest []byte) bool {
	var m struct {
		Dependencies     map[string]string `json:"dependencies"`
		DevDependencies  map[string]string `json:"devDependencies"`
		PeerDependencies map[string]string `json:"peerDependencies"`
	}
	if json.Unmarshal(manifest, &m) != nil {
		return false
	}
	for _, deps := range []map[string]string{m.Dependencies, m.DevDependencies, m.PeerDependencies} {
		if _, ok := deps["convex"]; ok {
			return true
		}
	}
	return false
}

var (
	moduleName   = regexp.MustCompile(`^[^.].*\.(ts|tsx|js|jsx|mjs|mts|cjs|cts)$`)
	convexImport = regexp.MustCompile(`_generated/(server|api|dataModel)|["']convex/(server|values)["']`)
)

// isFunctionsDir reports whether dir is a functions folder: it has a schema,
// generated code, or a module that imports Convex's server side. A client
// library may also have a folder called convex, so names alone do not count,
// except where a file says that this is a Convex project.
func isFunctionsDir(dir string, named bool) bool {
	if !isDir(dir) {
		return false
	}
	for _, name := range []string{"schema.ts", "schema.js", "schema.tsx", "schema.mts", "schema.mjs", "convex.config.ts", "convex.config.js"} {
		if isFile(filepath.Join(dir, name)) {
			return true
		}
	}
	return isDir(filepath.Join(dir, "_generated")) || holdsModule(dir, named, 2, new(200))
}

// holdsModule looks for a function module in dir and depth folders below,
// reading at most *budget files; sure takes any module for one.
func holdsModule(dir string, sure bool, depth int, budget *int) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasSuffix(name, ".d.ts") || !moduleName.MatchString(name) {
			continue
		}
		if sure {
			return true
		}
		if *budget--; *budget < 0 {
			return false
		}
		if convexImport.Match(head(filepath.Join(dir, name))) {
			return true
		}
	}
	if depth == 0 {
		return false
	}
	for _, e := range entries {
		if e.IsDir() && !skipFolder(e.Name()) && holdsModule(filepath.Join(dir, e.Name()), sure, depth-1, budget) {
			return true
		}
	}
	return false
}

// head is the beginning of a file, where its imports are.
func head(path string) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 8<<10))
	return text
}

func skipFolder(name string) bool {
	switch name {
	case "node_modules", "dist", "build", "out", "vendor", "coverage", "target":
		return true
	}
	return strings.HasPrefix(name, ".")
}

// isWorkspace reports whether d is the root of a monorepo.
func isWorkspace(d string) bool {
	for _, name := range []string{"pnpm-workspace.yaml", "turbo.json", "lerna.json", "nx.json", "rush.json"} {
		if isFile(filepath.Join(d, name)) {
			return true
		}
	}
	var m struct {
		Workspaces json.RawMessage `json:"workspaces"`
	}
	text, err := os.ReadFile(filepath.Join(d, "package.json"))
	return err == nil && json.Unmarshal(text, &m) == nil && len(m.Workspaces) > 0
}

// projectsBelow lists the projects in folders below d, sorted by path: at
// most three folders deep, and not below one that is a project itself.
func projectsBelow(d string) []candidate {
	var found []candidate
	budget := 2000
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return
		}
		for _, e := range entries {
			if !e.IsDir() || skipFolder(e.Name()) {
				continue
			}
			if budget--; budget < 0 {
				return
			}
			sub := filepath.Join(dir, e.Name())
			if c := look(sub); c.functions != "" {
				found = append(found, c)
			} else if depth > 1 {
				walk(sub, depth-1)
			}
		}
	}
	walk(d, 3)
	sort.Slice(found, func(i, j int) bool { return found[i].root < found[j].root })
	return found
}

// rootOf is the nearest folder at or above functions, itself excluded, that
// can be a project's root.
func rootOf(functions string) string {
	for d := filepath.Dir(functions); ; d = filepath.Dir(d) {
		for _, name := range []string{configName, "convex.json", "package.json"} {
			if isFile(filepath.Join(d, name)) {
				return d
			}
		}
		if filepath.Dir(d) == d || exists(filepath.Join(d, ".git")) {
			return filepath.Dir(functions)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

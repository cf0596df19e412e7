package jsrun

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The splices are appended to modules of the npm package "convex" while they
// are bundled; the package's files stay as they are. Each answers what most
// programs ask at less cost, and leaves the rest to the original functions.
//
//go:embed splices
var spliceFiles embed.FS

// splice is what is done to one module. A version of the package that is not
// as expected here is bundled unchanged.
type splice struct {
	file string // of splices
	// moved are declarations that the splice takes the place of; the original
	// of each goes on under another name.
	moved map[string]string
	needs []string // other declarations that the splice uses
	// known are functions whose work the splice does anew, by their first line,
	// with the digests of the texts that do what it does.
	known map[string][]string
	// beside are known functions of other modules, by path relative to this one.
	beside map[string]map[string][]string
}

// splices are by the module's path below each build of the package.
var splices = map[string]*splice{
	"values/value": {
		file: "codec.js",
		moved: map[string]string{
			"export function jsonToConvex(":     "function originalJsonToConvex(",
			"export function convexToJson(":     "function originalConvexToJson(",
			"export function patchValueToJson(": "function originalPatchValueToJson(",
		},
		needs: []string{"const MIN_INT64"},
	},
	"values/compare": {
		file:  "compare.js",
		moved: map[string]string{"export function compareValues(": "function originalCompareValues("},
	},
	"server/impl/query_impl": {
		file:   "query.js",
		needs:  []string{"import { jsonToConvex } from", "import { performAsyncSyscall, performSyscall } from", "export class QueryImpl {"},
		known:  map[string][]string{"  async next() {": {"b23586572977dbea"}},
		beside: performAsync,
	},
	"server/impl/database_impl": {
		file: "database.js",
		moved: map[string]string{
			"export function setupReader() {": "function originalSetupReader() {",
			"export function setupWriter() {": "function originalSetupWriter() {",
		},
		needs: []string{"  convexToJson,\n  jsonToConvex\n", "import { performAsyncSyscall, performSyscall } from", "import { version } from", "patchValueToJson } from"},
		known: map[string][]string{
			"async function get(table, id, isSystem) {":  {"6972fd4eb4aeab81"},
			"async function insert(tableName, value) {":  {"7d5d6405cf74a2d0"},
			"async function patch(table, id, value) {":   {"2dc4d6d491811b5f"},
			"async function replace(table, id, value) {": {"a35d8bc5e677f408"},
			"async function delete_(table, id) {":        {"29df8dd935845b29"},
			"export function setupReader() {":            {"638fcf7f72de1b5a"},
			"export function setupWriter() {":            {"b933cb00a476957b", "807a174462a5a833"},
		},
		beside: performAsync,
	},
}

// performAsync is what one await of a syscall is in the package.
var performAsync = map[string]map[string][]string{
	"syscall.js": {"export async function performAsyncSyscall(op, arg) {": {"87ca3768c8d6441b"}},
}

var splicedFile = regexp.MustCompile(`[/\\]convex[/\\](?:dist[/\\](?:esm|cjs)|src)[/\\]((?:values|server[/\\]impl)[/\\]\w+)\.(?:js|ts)$`)

// loadSpliced puts the splices in place.
func loadSpliced(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: splicedFile.String()}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		s := splices[filepath.ToSlash(splicedFile.FindStringSubmatch(a.Path)[1])]
		if s == nil {
			return api.OnLoadResult{}, nil
		}
		text, err := readSource(a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		text, ok := s.into(text)
		if !ok || !s.knowsBeside(filepath.Dir(a.Path)) {
			return api.OnLoadResult{}, nil
		}
		loader := api.LoaderJS
		if filepath.Ext(a.Path) == ".ts" {
			loader = api.LoaderTS
		}
		return api.OnLoadResult{Contents: &text, Loader: loader, ResolveDir: filepath.Dir(a.Path)}, nil
	})
}

// into is the module's text with the splice in it; false when it does not fit.
func (s *splice) into(text string) (string, bool) {
	if !knows(s.known, text) {
		return "", false
	}
	for _, need := range s.needs {
		if !strings.Contains(text, need) {
			return "", false
		}
	}
	for from, to := range s.moved {
		if strings.Count(text, from) != 1 {
			return "", false
		}
		text = strings.Replace(text, from, to, 1)
	}
	more, err := spliceFiles.ReadFile("splices/" + s.file)
	if err != nil {
		return "", false
	}
	return text + "\n" + string(more), true
}

func (s *splice) knowsBeside(dir string) bool {
	for name, known := range s.beside {
		text, err := readSource(filepath.Join(dir, name))
		if err != nil || !knows(known, text) {
			return false
		}
	}
	return true
}

func knows(known map[string][]string, text string) bool {
	for first, digests := range known {
		if !slices.Contains(digests, functionDigest(text, first)) {
			return false
		}
	}
	return true
}

// functionDigest digests a function's text from its first line to the closing
// brace at the same depth.
func functionDigest(text, first string) string {
	_, rest, ok := strings.Cut("\n"+text, "\n"+first+"\n")
	indent := first[:len(first)-len(strings.TrimLeft(first, " "))]
	body, _, closed := strings.Cut(rest, "\n"+indent+"}")
	if !ok || !closed {
		return ""
	}
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:8])
}

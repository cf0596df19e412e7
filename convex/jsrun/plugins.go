package jsrun

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// The prelude stands in for packages that a project has not installed.
//
//go:embed all:prelude
var preludeFiles embed.FS

// Namespaces of files that are on no disk.
const (
	namespacePrelude = "prelude"      // a file of the prelude
	namespaceWrap    = "strait"       // an observer around a real module
	namespaceBroken  = "strait-fault" // throws a problem of the bundle
	preludePrefix    = namespacePrelude + ":"
)

// preludeSpecifiers are the imports that the prelude can answer.
var preludeSpecifiers = map[string]string{
	"convex/server":                           "convex/server.ts",
	"convex/values":                           "convex/values.ts",
	"convex/browser":                          "convex/browser.ts",
	"convex/react":                            "convex/react.ts",
	"@convex-dev/migrations":                  "migrations/client.ts",
	"@convex-dev/migrations/convex.config":    "migrations/convex.config.ts",
	"@convex-dev/migrations/convex.config.js": "migrations/convex.config.ts",
}

func preludeHas(name string) bool {
	_, err := fs.Stat(preludeFiles, path.Join("prelude", name))
	return err == nil
}

// ours marks an inner resolution, so that the plugin does not call itself.
type ours struct{}

// plugin resolves and loads what esbuild cannot by itself.
func (b *bundler) plugin() api.Plugin {
	return api.Plugin{Name: "strait", Setup: func(build api.PluginBuild) {
		b.resolvePrelude(build)
		b.resolveShims(build)
		b.resolveGenerated(build)
		b.resolveObserved(build)
		b.resolveMissing(build)
		b.loadVirtual(build)
		b.loadBroken(build)
		loadSpliced(build)
	}}
}

// really resolves as esbuild alone would.
func really(build api.PluginBuild, a api.OnResolveArgs) (api.OnResolveResult, bool) {
	r := build.Resolve(a.Path, api.ResolveOptions{
		Importer: a.Importer, ResolveDir: a.ResolveDir, Kind: a.Kind, With: a.With,
		PluginData: ours{},
	})
	if len(r.Errors) > 0 || r.External {
		return api.OnResolveResult{}, false
	}
	side := api.SideEffectsTrue
	if !r.SideEffects {
		side = api.SideEffectsFalse
	}
	return api.OnResolveResult{Path: r.Path, Namespace: r.Namespace, Suffix: r.Suffix, SideEffects: side, PluginData: r.PluginData}, true
}

// resolvePrelude answers packages that are not installed, and the prelude's
// own files.
func (b *bundler) resolvePrelude(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: `^(convex/|@convex-dev/migrations)`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, inner := a.PluginData.(ours); inner {
			return api.OnResolveResult{}, nil
		}
		name, known := preludeSpecifiers[a.Path]
		if !known {
			return api.OnResolveResult{}, nil
		}
		r, ok := really(build, a)
		if !ok {
			if !preludeHas(name) {
				return api.OnResolveResult{}, nil
			}
			r = api.OnResolveResult{Path: name, Namespace: namespacePrelude, SideEffects: api.SideEffectsFalse}
		}
		switch {
		case a.Namespace == namespaceWrap:
			return r, nil
		case a.Path == "@convex-dev/migrations":
			return wrapped("Migrations", a.Path, r), nil
		case isConfigSpecifier(a.Path):
			return wrapped("component", a.Path, r), nil
		}
		return r, nil
	})
	build.OnResolve(api.OnResolveOptions{Filter: `^prelude:`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: strings.TrimPrefix(a.Path, preludePrefix), Namespace: namespacePrelude}, nil
	})
	build.OnResolve(api.OnResolveOptions{Filter: `^\.`, Namespace: namespacePrelude}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		name := path.Join(path.Dir(a.Importer), a.Path)
		for _, candidate := range []string{name, strings.TrimSuffix(name, ".js") + ".ts", name + ".ts"} {
			if preludeHas(candidate) && path.Ext(candidate) == ".ts" {
				return api.OnResolveResult{Path: candidate, Namespace: namespacePrelude}, nil
			}
		}
		if generatedName.MatchString(a.Path) {
			return b.generated(a.Path), nil
		}
		return api.OnResolveResult{}, fmt.Errorf("the prelude has no file %s", name)
	})
}

// resolveShims answers the few modules that mean something only to a bundler
// or to Node.
func (b *bundler) resolveShims(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: `^(server-only|(node:)?async_hooks)$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		return api.OnResolveResult{Path: a.Path, Namespace: namespaceWrap, PluginData: wrapper{kind: "shim"}}, nil
	})
}

var generatedName = regexp.MustCompile(`(^|/)_generated/(api|server|dataModel)(\.js|\.ts)?$`)

// resolveGenerated answers _generated files that do not exist.
func (b *bundler) resolveGenerated(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: `_generated/(api|server|dataModel)(\.js|\.ts)?$`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, inner := a.PluginData.(ours); inner || a.Namespace == namespacePrelude {
			return api.OnResolveResult{}, nil
		}
		if r, ok := really(build, a); ok {
			return r, nil
		}
		return b.generated(a.Path), nil
	})
}

func (b *bundler) generated(spec string) api.OnResolveResult {
	name := generatedName.FindStringSubmatch(spec)[2]
	if file := "generated/" + name + ".ts"; preludeHas(file) {
		return api.OnResolveResult{Path: file, Namespace: namespacePrelude, SideEffects: api.SideEffectsFalse}
	}
	return api.OnResolveResult{Path: "generated/" + name, Namespace: namespaceWrap, PluginData: wrapper{kind: "generated"}}
}

func isConfigSpecifier(spec string) bool {
	return strings.HasSuffix(modulePath2(spec), "convex.config")
}

func modulePath2(spec string) string {
	for _, ext := range []string{".js", ".ts", ".mjs", ".mts"} {
		if s, ok := strings.CutSuffix(spec, ext); ok {
			return s
		}
	}
	return spec
}

// resolveObserved puts an observer around component definitions and the older
// migrations helper. (The migrations package itself: resolvePrelude.)
func (b *bundler) resolveObserved(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: `(^convex-helpers/server/migrations$|convex\.config(\.m?[jt]s)?$)`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, inner := a.PluginData.(ours); inner || a.Importer == "" || isEntry(a.Importer) {
			return api.OnResolveResult{}, nil
		}
		if a.Namespace == namespaceWrap {
			return api.OnResolveResult{}, nil
		}
		r, ok := really(build, a)
		if !ok {
			return api.OnResolveResult{}, nil
		}
		if isConfigSpecifier(a.Path) {
			return wrapped("component", a.Path, r), nil
		}
		return wrapped("makeMigration", a.Path, r), nil
	})
	// Inside an observer the import of what it observes.
	build.OnResolve(api.OnResolveOptions{Filter: `^observed:`, Namespace: namespaceWrap}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		name := strings.TrimPrefix(a.Path, "observed:")
		if file, ok := strings.CutPrefix(name, preludePrefix); ok {
			return api.OnResolveResult{Path: file, Namespace: namespacePrelude}, nil
		}
		return api.OnResolveResult{Path: name, Namespace: "file"}, nil
	})
}

// wrapper is what a file of namespaceWrap is made of.
type wrapper struct {
	kind string // Migrations, makeMigration, component, generated, shim
	real string // file that it wraps, "prelude:…" or absolute
}

func wrapped(kind, spec string, r api.OnResolveResult) api.OnResolveResult {
	real := r.Path
	if r.Namespace == namespacePrelude {
		real = preludePrefix + r.Path
	}
	return api.OnResolveResult{
		Path: kind + " of " + real, Namespace: namespaceWrap, PluginData: wrapper{kind: kind, real: real},
	}
}

// text is the wrapper's source.
func (w wrapper) text(name string) string {
	real, _ := json.Marshal("observed:" + w.real)
	switch w.kind {
	case "Migrations":
		return fmt.Sprintf(`export * from %[1]s;
import { Migrations as Real } from %[1]s;
export const Migrations = /* @__PURE__ */ globalThis.__strait.observeMigrations(Real);
`, real)
	case "makeMigration":
		return fmt.Sprintf(`export * from %[1]s;
import { makeMigration as real } from %[1]s;
export const makeMigration = /* @__PURE__ */ globalThis.__strait.observeMakeMigration(real);
`, real)
	case "component":
		dir, _ := json.Marshal(componentDir(w.real))
		return fmt.Sprintf(`import definition from %[1]s;
export * from %[1]s;
globalThis.__strait.component(definition, %[2]s);
export default definition;
`, real, dir)
	case "shim":
		if name == "server-only" {
			return "export {};"
		}
		return "export const AsyncLocalStorage = globalThis.AsyncLocalStorage;\nexport const AsyncResource = globalThis.AsyncResource;\nexport default { AsyncLocalStorage, AsyncResource };\n"
	default: // a generated file without a prelude
		return "export {};"
	}
}

// componentDir is the folder of a component, by its convex.config: absolute,
// or a folder of the prelude.
func componentDir(config string) string {
	if file, ok := strings.CutPrefix(config, preludePrefix); ok {
		return preludePrefix + path.Join(path.Dir(file), "component")
	}
	return filepath.Dir(config)
}

// resolveMissing catches the imports of which an earlier pass learned that
// they lead nowhere.
func (b *bundler) resolveMissing(build api.PluginBuild) {
	if len(b.missing) == 0 {
		return
	}
	specs := map[string]bool{}
	for site := range b.missing {
		specs[site.specifier] = true
	}
	build.OnResolve(api.OnResolveOptions{Filter: exactly(slices.Sorted(maps.Keys(specs)))}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if _, inner := a.PluginData.(ours); inner {
			return api.OnResolveResult{}, nil
		}
		file := a.Importer
		if isEntry(file) {
			file = entryFile
		}
		index, ok := b.missing[importSite{file, a.Path}]
		if !ok {
			return api.OnResolveResult{}, nil
		}
		return api.OnResolveResult{Path: fmt.Sprint(index), Namespace: namespaceBroken, PluginData: index}, nil
	})
}

func exactly(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = regexp.QuoteMeta(t)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// loadVirtual loads the files that are on no disk.
func (b *bundler) loadVirtual(build api.PluginBuild) {
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespacePrelude}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		text, err := preludeFiles.ReadFile(path.Join("prelude", a.Path))
		if err != nil {
			return api.OnLoadResult{}, fmt.Errorf("the prelude has no file %s", a.Path)
		}
		contents := string(text)
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderTS, ResolveDir: b.resolveDir()}, nil
	})
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespaceWrap}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		w, _ := a.PluginData.(wrapper)
		contents := w.text(a.Path)
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS, ResolveDir: b.resolveDir()}, nil
	})
	build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespaceBroken}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		index, _ := a.PluginData.(int)
		return b.fault(index), nil
	})
}

// loadBroken replaces the files that do not parse by ones that throw.
func (b *bundler) loadBroken(build api.PluginBuild) {
	if len(b.broken) == 0 {
		return
	}
	build.OnLoad(api.OnLoadOptions{Filter: exactly(slices.Sorted(maps.Keys(b.broken)))}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		if index, ok := b.broken[a.Path]; ok {
			return b.fault(index), nil
		}
		return api.OnLoadResult{}, nil
	})
}

// fault is a module that throws a problem. It is CommonJS, so that esbuild
// does not ask which names it exports.
func (b *bundler) fault(index int) api.OnLoadResult {
	message, _ := json.Marshal(b.problems[index].Error())
	contents := fmt.Sprintf("throw globalThis.__strait.problem(%d, %s);\nmodule.exports = {};\n", index, message)
	return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}
}

// readSource reads a file for a loader that changes it.
func readSource(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return string(text), nil
}

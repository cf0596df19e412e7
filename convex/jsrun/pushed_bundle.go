package jsrun

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// namespacePushed holds the modules of a push, which are on no disk.
const namespacePushed = "pushed"

// namespaceMissing is of modules that only a dynamic import asks for, and that
// nobody pushed.
const namespaceMissing = "missing"

// pushedRoot stands for the project's root on the machine that pushed: the
// source maps of a push are relative to a folder "out" in it. Nothing of it is
// ever read.
const pushedRoot = "/pushed"

// pushedBundle is a set of ES modules that a program is made of.
type pushedBundle struct {
	what    string // in errors
	files   map[string]PushedModule
	modules []module // that the program loads on its own; pushedEntry makes one
	env     map[string]string
	// stub puts something callable in the place of imports that are not in the
	// set: Node's own modules and packages.
	stub bool
}

// pushedEntry is a file of the set that the program loads on its own.
func pushedEntry(path, file string) module {
	return module{path: path, file: namespacePushed + ":" + file}
}

// program compiles the set. Modules are evaluated when they are first asked
// for, as in Bundle; positions go through the maps that came with them.
func (b *pushedBundle) program(ctx context.Context) (*Program, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, m := range b.files {
		if err := checkNesting(m.Path, m.Source); err != nil {
			return nil, err
		}
	}
	o := buildOptions(b.modules, pushedRoot, b.plugin())
	o.AbsWorkingDir, o.Outdir = pushedRoot, pushedRoot+"/out"
	result := api.Build(o)
	if len(result.Errors) > 0 {
		return nil, &PushedError{b.what + ": " + pushedMessage(result.Errors[0])}
	}
	text, mapping, err := outputs(result)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", b.what, err)
	}
	code, err := compile(ctx, text)
	if err != nil {
		return nil, &PushedError{fmt.Sprintf("%s: %v", b.what, err)}
	}
	return &Program{
		options: Options{Root: pushedRoot, Dir: b.what, Env: b.env},
		modules: b.modules, code: code, text: text, folder: o.Outdir,
		sources: sync.OnceValues(func() (*sourceMap, error) {
			m, err := parseSourceMap(mapping)
			if err == nil {
				m.unprefix(namespacePushed + ":")
			}
			return m, err
		}),
	}, nil
}

func pushedMessage(m api.Message) string {
	if m.Location == nil {
		return m.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", strings.TrimPrefix(m.Location.File, namespacePushed+":"), m.Location.Line, m.Location.Column+1, m.Text)
}

// plugin answers every import from the set; esbuild never looks at a disk.
func (b *pushedBundle) plugin() api.Plugin {
	return api.Plugin{Name: "pushed", Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: `.*`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			file, ok := strings.CutPrefix(a.Path, namespacePushed+":")
			if !isEntry(a.Importer) || !ok {
				file = path.Join(path.Dir(a.Importer), a.Path)
			}
			if _, ok := b.files[file]; ok && (isEntry(a.Importer) || strings.HasPrefix(a.Path, ".")) {
				return api.OnResolveResult{Path: file, Namespace: namespacePushed}, nil
			}
			if b.stub {
				return api.OnResolveResult{Path: a.Path, Namespace: namespaceWrap}, nil
			}
			if a.Kind == api.ResolveJSDynamicImport { // fails where it is run, if it ever is
				return api.OnResolveResult{Path: a.Path, Namespace: namespaceMissing}, nil
			}
			return api.OnResolveResult{}, fmt.Errorf("the push has no module %q", a.Path)
		})
		build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespacePushed}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			contents := b.files[a.Path].contents()
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
		build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespaceMissing}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			text, _ := json.Marshal(fmt.Sprintf("the push has no module %q", a.Path)) // a string always marshals
			contents := "throw new TypeError(" + string(text) + ");\nexport {};\n"
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
		build.OnLoad(api.OnLoadOptions{Filter: `.*`, Namespace: namespaceWrap}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
			contents := stubModule
			return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
		})
	}}
}

// stubModule is whatever is asked of it: a class, a function, an object.
const stubModule = `const stub = new Proxy(function () {}, {
  get: (_, name) => (name === Symbol.toPrimitive ? () => "" : name === "then" || name === "__esModule" ? undefined : stub),
  apply: () => stub,
  construct: () => stub,
  getPrototypeOf: () => stub, // named imports are looked up through it
});
module.exports = stub;
`

// noSourceMap stands for a map that did not come: the last comment counts, and
// one in the module could name a file of this machine, which esbuild would open.
const noSourceMap = `{"version":3,"sources":[],"mappings":""}`

// contents is the module with its source map in it, where esbuild finds it.
func (m PushedModule) contents() string {
	text := m.Source
	if i := strings.LastIndex(text, "\n//# sourceMappingURL="); i >= 0 && !strings.Contains(strings.TrimSpace(text[i+1:]), "\n") {
		text = text[:i+1]
	}
	if splice := splicedCodec(text); splice != "" {
		text += "\n" + splice
	}
	mapping := m.SourceMap
	if mapping == "" || !json.Valid([]byte(mapping)) {
		mapping = noSourceMap
	}
	return text + "\n//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(mapping)) + "\n"
}

// unprefix takes the name of a namespace off the sources.
func (m *sourceMap) unprefix(prefix string) {
	for i, s := range m.sources {
		m.sources[i] = strings.TrimPrefix(s, prefix)
	}
}

// pushedSource is the file of a source of a pushed map, relative to the
// project's root: the map of "a/b.js" says "../../convex/a/b.ts".
func pushedSource(source string) string {
	for {
		rest, ok := strings.CutPrefix(source, "../")
		if !ok {
			return source
		}
		source = rest
	}
}

// sortedModules are the modules in the order of their paths.
func sortedModules(modules []PushedModule) []PushedModule {
	out := slices.Clone(modules)
	slices.SortFunc(out, func(a, b PushedModule) int { return strings.Compare(a.Path, b.Path) })
	return out
}

package jsrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// AdHoc is one ES module that came along with a call (convex-wire.md 3): it has
// all it needs in itself, but for the wrappers. Without a source map its errors
// have no stack, as on Convex.
type AdHoc struct {
	PushedModule
	Env map[string]string
}

// wrappersModule is what an ad-hoc module may import: the builders of queries.
const (
	wrappersModule = "convex:/_system/repl/wrappers.js"
	wrappersSource = `export { queryGeneric as query, internalQueryGeneric as internalQuery } from "prelude:convex/server.ts";`
)

// Load compiles the module and evaluates it once, within the limits of
// analysis, to see which functions it exports. The error is a *PushedError when
// the module is at fault.
func (m AdHoc) Load(ctx context.Context) (p *Program, functions []Function, err error) {
	if p, err = m.program(ctx); err != nil {
		return nil, nil, err
	}
	err = p.inspect(ctx, func(a *analyzer, vm *VM) (err error) {
		if functions, err = a.pushedFunctions(ctx, vm, p.modules[0]); err != nil {
			return failedToAnalyze(ctx, p.modules[0], err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return p, functions, nil
}

// program compiles the module with the wrappers.
func (m AdHoc) program(ctx context.Context) (*Program, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(m.Source) > maxAdHocSource {
		return nil, &PushedError{fmt.Sprintf("%s has %d bytes, an ad-hoc module may have %d: deploy what it imports, or send less of it", m.Path, len(m.Source), maxAdHocSource)}
	}
	if err := checkNesting(m.Path, m.Source); err != nil {
		return nil, err
	}
	b := &bundler{}
	modules := []module{{path: modulePath(m.Path), file: namespaceAdHoc + ":" + m.Path}}
	o := buildOptions(modules, "", api.Plugin{Name: "ad-hoc", Setup: func(build api.PluginBuild) {
		m.resolve(build)
		b.resolvePrelude(build)
		b.loadVirtual(build)
	}})
	o.Outdir, o.MinifySyntax, o.KeepNames = "out", true, true
	result := api.Build(o)
	if len(result.Errors) > 0 {
		return nil, m.refused(result.Errors[0])
	}
	text, mapping, err := outputs(result)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", m.Path, err)
	}
	code, err := compile(ctx, text)
	if err != nil {
		return nil, m.syntax(err.Error())
	}
	p := &Program{
		options: Options{Dir: m.Path, Env: m.Env}, modules: modules, code: code, text: text,
		sources: func() (*sourceMap, error) { return nil, errNoSourceMap },
	}
	if m.SourceMap != "" {
		p.sources = sync.OnceValues(func() (*sourceMap, error) { return parseSourceMap(mapping) })
	}
	return p, nil
}

// namespaceAdHoc holds the module and the wrappers.
const namespaceAdHoc = "ad-hoc"

// errNoSourceMap drops the frames of a module that came without a map, as
// Convex does.
var errNoSourceMap = errors.New("the module came without a source map")

// resolve answers the module's imports: the wrappers and nothing else.
func (m AdHoc) resolve(build api.PluginBuild) {
	build.OnResolve(api.OnResolveOptions{Filter: "^" + namespaceAdHoc + ":"}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		if !isEntry(a.Importer) {
			return api.OnResolveResult{}, m.noModule(a.Path)
		}
		return api.OnResolveResult{Path: strings.TrimPrefix(a.Path, namespaceAdHoc+":"), Namespace: namespaceAdHoc}, nil
	})
	build.OnResolve(api.OnResolveOptions{Filter: ".*", Namespace: namespaceAdHoc}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
		switch {
		case a.Importer == wrappersModule:
			return api.OnResolveResult{}, nil
		case a.Kind == api.ResolveJSDynamicImport:
			return api.OnResolveResult{Path: a.Path, Namespace: namespaceAdHoc, PluginData: dynamicImport{}}, nil
		case a.Path == wrappersModule:
			return api.OnResolveResult{Path: a.Path, Namespace: namespaceAdHoc}, nil
		}
		return api.OnResolveResult{}, m.noModule(a.Path)
	})
	build.OnLoad(api.OnLoadOptions{Filter: ".*", Namespace: namespaceAdHoc}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		contents := m.contents()
		if _, dynamic := a.PluginData.(dynamicImport); dynamic {
			message, _ := json.Marshal(fmt.Sprintf("Can't dynamically import %q in a query or mutation", a.Path))
			contents = fmt.Sprintf("throw new Error(%s);\nmodule.exports = {};\n", message)
		} else if a.Path == wrappersModule {
			contents = wrappersSource
		}
		return api.OnLoadResult{Contents: &contents, Loader: api.LoaderJS}, nil
	})
}

// dynamicImport marks what an import() asks for, which fails when it runs.
type dynamicImport struct{}

// noModule is what Convex says of an import that leads nowhere.
func (m AdHoc) noModule(specifier string) error {
	if !strings.HasPrefix(specifier, ".") && !strings.HasPrefix(specifier, "/") && !strings.Contains(specifier, ":") {
		//lint:ignore ST1005 the server's own text
		return fmt.Errorf("Relative import path %q not prefixed with / or ./ or ../ from \"convex:/%s\"", specifier, m.Path)
	}
	name := strings.TrimPrefix(path.Clean("/"+strings.TrimPrefix(specifier, "convex:")), "/")
	//lint:ignore ST1005 the server's own text
	return fmt.Errorf("Couldn't find JavaScript module '%s'. Did you forget to run `npx convex dev`?", name)
}

// refused is an error of the bundler: an import, or syntax.
func (m AdHoc) refused(e api.Message) error {
	if e.PluginName != "" {
		return &PushedError{e.Text}
	}
	text := e.Text
	if e.Location != nil {
		text += fmt.Sprintf(" (%s:%d:%d)", m.Path, e.Location.Line, e.Location.Column+1)
	}
	return m.syntax(text)
}

func (m AdHoc) syntax(text string) error {
	return &PushedError{"Failed to analyze " + m.Path + ": Uncaught SyntaxError: " + text}
}

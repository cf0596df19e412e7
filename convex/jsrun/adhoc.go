package jsrun

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// AdHoc is one ES module that came along with a call (convex-wire.md 3): it has
// all it needs in itself, but for the wrappers.
type AdHoc struct {
	Path      string // "testQuery.js"
	Source    string
	SourceMap string // "" none: errors then have no stack
	Env       map[string]string
}

// wrappersModule is what an ad-hoc module may import: the builders of queries.
const (
	wrappersModule = "convex:/_system/repl/wrappers.js"
	wrappersSource = `export { queryGeneric as query, internalQueryGeneric as internalQuery } from "prelude:convex/server.ts";`
)

// AdHocError says why an ad-hoc module was not accepted, in Convex's words.
type AdHocError struct{ Message string }

func (e *AdHocError) Error() string { return e.Message }

// Module is the name under which the program loads the module.
func (m AdHoc) Module() string { return strings.TrimSuffix(m.Path, ".js") }

// Load compiles the module and evaluates it once, within the limits of
// analysis, to see which functions it exports. The error is an *AdHocError when
// the module is at fault.
func (m AdHoc) Load(ctx context.Context) (*Program, []Function, error) {
	p, err := m.program(ctx)
	if err != nil {
		return nil, nil, err
	}
	vm, err := p.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer vm.Close()
	a := &analyzer{p: p, until: time.Now().Add(moduleLimit), out: Analysis{Exports: map[string]map[string]string{}, Sources: map[string]map[string]string{}}}
	err = a.module(ctx, vm, p.modules[0])
	var thrown *Error
	switch {
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case errors.As(err, &thrown):
		return nil, nil, m.failed(thrown.Error())
	case err != nil:
		return nil, nil, err
	case len(a.out.Problems) > 0:
		return nil, nil, m.failed(a.out.Problems[0].Message)
	}
	return p, a.out.Functions, nil
}

func (m AdHoc) failed(why string) error {
	return &AdHocError{"Failed to analyze " + m.Path + ": " + strings.TrimSuffix(why, "\n")}
}

// program compiles the module with the wrappers.
func (m AdHoc) program(ctx context.Context) (*Program, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &bundler{}
	specifier, _ := json.Marshal(namespaceAdHoc + ":" + m.Path)
	module1, _ := json.Marshal(m.Module())
	result := api.Build(api.BuildOptions{
		Stdin: &api.StdinOptions{
			Contents:   fmt.Sprintf("globalThis.__strait.program({ %s: () => require(%s) });\n", module1, specifier),
			Sourcefile: entryFile, Loader: api.LoaderJS,
		},
		Outdir: "out", Bundle: true, Platform: api.PlatformNeutral, Format: api.FormatIIFE, Target: api.ES2023,
		Supported:   map[string]bool{"using": false, "regexp-set-notation": true},
		TreeShaking: api.TreeShakingTrue, MinifySyntax: true, KeepNames: true,
		Sourcemap: api.SourceMapExternal, SourcesContent: api.SourcesContentExclude,
		Banner:        map[string]string{"js": `"use strict";`},
		LegalComments: api.LegalCommentsNone, Charset: api.CharsetUTF8, LogLevel: api.LogLevelSilent, LogLimit: 10,
		Plugins: []api.Plugin{{Name: "ad-hoc", Setup: func(build api.PluginBuild) {
			m.resolve(build)
			b.resolvePrelude(build)
			b.loadVirtual(build)
		}}},
	})
	if len(result.Errors) > 0 {
		return nil, m.refused(result.Errors[0])
	}
	text, mapping, err := outputs(result)
	if err != nil {
		return nil, fmt.Errorf("bundle %s: %w", m.Path, err)
	}
	code, err := compile(ctx, text)
	if err != nil {
		return nil, m.failed("Uncaught SyntaxError: " + err.Error())
	}
	p := &Program{
		options: Options{Dir: m.Path, Env: m.Env}, code: code, text: text,
		modules: []module{{path: m.Module(), file: namespaceAdHoc + ":" + m.Path}},
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

// contents is the module with its source map in it, where esbuild finds it.
func (m AdHoc) contents() string {
	if m.SourceMap == "" || !json.Valid([]byte(m.SourceMap)) {
		return m.Source
	}
	return m.Source + "\n//# sourceMappingURL=data:application/json;base64," + base64.StdEncoding.EncodeToString([]byte(m.SourceMap)) + "\n"
}

// noModule is what Convex says of an import that leads nowhere.
func (m AdHoc) noModule(specifier string) error {
	if !strings.HasPrefix(specifier, ".") && !strings.HasPrefix(specifier, "/") && !strings.Contains(specifier, ":") {
		return fmt.Errorf("Relative import path %q not prefixed with / or ./ or ../ from \"convex:/%s\"", specifier, m.Path) //nolint:staticcheck // the server's own text
	}
	name := strings.TrimPrefix(path.Clean("/"+strings.TrimPrefix(specifier, "convex:")), "/")
	return fmt.Errorf("Couldn't find JavaScript module '%s'. Did you forget to run `npx convex dev`?", name) //nolint:staticcheck // the server's own text
}

// refused is an error of the bundler: an import, or syntax.
func (m AdHoc) refused(e api.Message) error {
	if e.PluginName != "" {
		return &AdHocError{e.Text}
	}
	text := e.Text
	if e.Location != nil {
		text += fmt.Sprintf(" (%s:%d:%d)", m.Path, e.Location.Line, e.Location.Column+1)
	}
	return m.failed("Uncaught SyntaxError: " + text)
}

package jsrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evanw/esbuild/pkg/api"
)

// Options says what to bundle: one component's code.
type Options struct {
	Root string // project root, absolute; paths in problems are relative to it
	// Dir is the functions folder of the component, absolute; or, for a
	// component of the prelude, what Child.Dir said ("prelude:migrations/component").
	Dir     string
	Modules []string          // files relative to Dir with slashes: "schema.ts", "a/b.ts" (see ListModules)
	Env     map[string]string // process.env at run time
	// Component is the component's path, "" for the root.
	Component string
	// ModuleLimit is how long Analyze evaluates one module; 0 is 8 s.
	ModuleLimit time.Duration
}

// Program is bundled, compiled code. It is immutable and safe for use by many
// goroutines.
type Program struct {
	options  Options
	modules  []module
	code     []byte // bytecode of the bundle
	text     string // the bundle, as the source map knows it
	sources  func() (*sourceMap, error)
	problems []Problem                    // of the bundle, by the index that the bundle throws
	imports  map[string][]string          // module file -> files it imports, absolute
	links    map[string]map[string]string // file -> specifier -> file, absolute
	folder   string                       // folder of the bundle that sources are relative to
}

// module is one file that the program loads on its own.
type module struct {
	path string // "a/b"
	file string // absolute, or "prelude:…"
}

// maxPasses bounds the bundling of a project whose errors come to light one
// after the other.
const maxPasses = 8

// Bundle bundles and compiles. A module that cannot be bundled is reported in
// problems and throws when it is loaded, so that the others still load; a
// package that is not installed throws where it is imported. err is for what
// stops everything.
func Bundle(ctx context.Context, o Options) (p *Program, problems []Problem, err error) {
	b := newBundler(o)
	var result api.BuildResult
	for pass := 0; ; pass++ {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		result = b.build()
		if len(result.Errors) == 0 {
			break
		}
		if pass == maxPasses || !b.learn(result.Errors) {
			return nil, b.problems, fmt.Errorf("bundle %s: %w", o.Dir, b.buildError(result.Errors))
		}
	}
	text, mapping, err := outputs(result)
	if err != nil {
		return nil, b.problems, fmt.Errorf("bundle %s: %w", o.Dir, err)
	}
	code, err := compile(ctx, text)
	if err != nil {
		return nil, b.problems, fmt.Errorf("compile %s: %w", o.Dir, err)
	}
	p = &Program{
		options:  o,
		modules:  b.modules,
		code:     code,
		text:     text,
		sources:  sync.OnceValues(func() (*sourceMap, error) { return parseSourceMap(mapping) }),
		problems: b.problems,
		folder:   b.folder(),
	}
	meta := parseMetafile(result.Metafile)
	p.imports, p.links = b.imports(meta), b.links(meta)
	return p, append(slices.Clone(b.problems), b.warnings(meta)...), nil
}

func outputs(result api.BuildResult) (text string, mapping []byte, err error) {
	for _, f := range result.OutputFiles {
		if strings.HasSuffix(f.Path, ".map") {
			mapping = f.Contents
		} else {
			text = string(f.Contents)
		}
	}
	if text == "" {
		return "", nil, errors.New("esbuild gave no output")
	}
	return text, mapping, nil
}

// bundler holds what one Bundle has learned between the passes of esbuild.
type bundler struct {
	o        Options
	modules  []module
	problems []Problem
	broken   map[string]int     // absolute file -> index of its problem
	missing  map[importSite]int // import that leads nowhere -> index of its problem
	install  func() string      // the project's install command
}

// importSite is one import: the importing file and the specifier.
type importSite struct{ file, specifier string }

func newBundler(o Options) *bundler {
	b := &bundler{
		o:       o,
		broken:  map[string]int{},
		missing: map[importSite]int{},
		install: sync.OnceValue(func() string { return installCommand(o.Root) }),
	}
	files := slices.Clone(o.Modules)
	if !slices.ContainsFunc(files, isConfig) {
		for _, name := range []string{"convex.config.ts", "convex.config.js"} {
			if b.exists(name) {
				files = append(files, name)
				break
			}
		}
	}
	seen := map[string]bool{}
	for _, f := range files {
		m := module{path: modulePath(f), file: b.file(f)}
		if !seen[m.path] {
			seen[m.path] = true
			b.modules = append(b.modules, m)
		}
	}
	return b
}

// modulePath is a module's path without its extension.
func modulePath(file string) string { return strings.TrimSuffix(file, path.Ext(file)) }

func isConfig(file string) bool { return modulePath(file) == "convex.config" }

func (b *bundler) exists(name string) bool {
	if dir, ok := strings.CutPrefix(b.o.Dir, preludePrefix); ok {
		return preludeHas(path.Join(dir, name))
	}
	_, err := os.Stat(filepath.Join(b.o.Dir, name))
	return err == nil
}

func (b *bundler) file(name string) string {
	if strings.HasPrefix(b.o.Dir, preludePrefix) {
		return b.o.Dir + "/" + name
	}
	return filepath.Join(b.o.Dir, filepath.FromSlash(name))
}

// resolveDir is where imports of files that are on no disk are resolved from.
func (b *bundler) resolveDir() string {
	if strings.HasPrefix(b.o.Dir, preludePrefix) {
		return b.o.Root
	}
	return b.o.Dir
}

// folder is the folder of the bundle, were it written: sources in the source
// map are relative to it, so that they read "../convex/x.ts" as on Convex.
func (b *bundler) folder() string { return filepath.Join(b.o.Root, "out") }

// entry is a program's first file: a table of functions, each of which
// evaluates one module when it is first called.
func entry(modules []module) string {
	var s strings.Builder
	s.WriteString("globalThis.__strait.program({\n")
	for _, m := range modules {
		key, _ := json.Marshal(m.path)
		spec, _ := json.Marshal(filepath.ToSlash(m.file))
		fmt.Fprintf(&s, "  %s: () => require(%s),\n", key, spec)
	}
	s.WriteString("});\n")
	return s.String()
}

func (b *bundler) build() api.BuildResult {
	o := buildOptions(b.modules, b.resolveDir(), b.plugin())
	o.AbsWorkingDir, o.Outdir, o.Metafile = b.o.Root, b.folder(), true
	o.Platform, o.Conditions, o.JSX = api.PlatformBrowser, []string{"convex", "module"}, api.JSXAutomatic
	o.MinifySyntax, o.KeepNames = true, true
	o.Define = map[string]string{"process.env.NODE_ENV": `"production"`}
	o.LogLimit = 1000
	o.Loader = map[string]api.Loader{
		".css": api.LoaderEmpty, ".svg": api.LoaderText, ".md": api.LoaderText, ".txt": api.LoaderText,
		".wasm": api.LoaderBinary,
	}
	return api.Build(o)
}

// buildOptions are what every program is built with: one script for the engine,
// with a map beside it. Code that was bundled before needs no more.
func buildOptions(modules []module, resolveDir string, plugin api.Plugin) api.BuildOptions {
	return api.BuildOptions{
		Stdin:          &api.StdinOptions{Contents: entry(modules), Sourcefile: entryFile, Loader: api.LoaderJS, ResolveDir: resolveDir},
		Bundle:         true,
		Platform:       api.PlatformNeutral,
		Format:         api.FormatIIFE,
		Target:         api.ES2023,
		Supported:      map[string]bool{"using": false, "regexp-set-notation": true},
		TreeShaking:    api.TreeShakingTrue,
		Sourcemap:      api.SourceMapExternal,
		SourcesContent: api.SourcesContentExclude,
		// On Convex every module is strict; in this format esbuild leaves that out.
		Banner:        map[string]string{"js": `"use strict";`},
		LegalComments: api.LegalCommentsNone,
		Charset:       api.CharsetUTF8,
		LogLevel:      api.LogLevelSilent,
		LogLimit:      10,
		Plugins:       []api.Plugin{plugin},
	}
}

// entryFile is the name of the program's first file in esbuild's messages.
const entryFile = "strait-entry.js"

// isEntry reports whether esbuild means the program's first file.
func isEntry(file string) bool { return path.Base(filepath.ToSlash(file)) == entryFile }

// buildError is what esbuild said, for the case that nothing can be done.
func (b *bundler) buildError(messages []api.Message) error {
	m := messages[0]
	if m.Location == nil {
		return errors.New(m.Text)
	}
	return fmt.Errorf("%s:%d:%d: %s", m.Location.File, m.Location.Line, m.Location.Column+1, m.Text)
}

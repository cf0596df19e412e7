package project

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"strait/convex/scan"
	"strait/model/source"
)

// codeRead is what Code has read, or who is reading.
type codeRead struct {
	mu      sync.Mutex
	facts   *source.Facts
	running chan struct{} // closed when the reader is done
}

// Code reads the project's own functions, once: later calls get the same
// facts, which nobody may change. Callers may come at the same time; each ends
// with its own context. What could not be read is in Unread; the error is that
// of ctx.
func (p *Project) Code(ctx context.Context) (*source.Facts, error) {
	for {
		p.code.mu.Lock()
		facts, running := p.code.facts, p.code.running
		if facts == nil && running == nil {
			break
		}
		p.code.mu.Unlock()
		if facts != nil {
			return facts, nil
		}
		select {
		case <-running: // ready, or given up
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	done := make(chan struct{})
	p.code.running = done
	p.code.mu.Unlock()
	facts, err := scan.Scan(ctx, p.scanInput())
	p.code.mu.Lock()
	defer p.code.mu.Unlock()
	p.code.running = nil
	close(done)
	if err != nil {
		return nil, err
	}
	p.code.facts = facts
	return facts, nil
}

// scanInput lists what is to be read: the files of the functions folder and
// those that they import, without packages, generated code and tests.
func (p *Project) scanInput() scan.Input {
	in := scan.Input{Schema: p.Schema}
	seen := map[string]bool{}
	add := func(file, module string) {
		if rel := p.relative(file); !seen[rel] {
			seen[rel] = true
			in.Files = append(in.Files, scan.File{Path: rel, Module: module, Text: func() (string, error) {
				return readSource(file)
			}})
		}
	}
	p.walkFunctions(add)
	if root := p.App.Component(""); root != nil {
		for _, f := range root.Functions {
			in.Functions = append(in.Functions, scan.Function{Name: f.Path(), Args: f.Args})
		}
		if program := root.Program; program != nil {
			files := program.Files()
			slices.Sort(files)
			for _, file := range files {
				if readable(file) && !p.inComponent(file) {
					add(file, "")
				}
			}
			in.Import = func(file, specifier string) string {
				if to := program.Import(filepath.Join(p.Root, filepath.FromSlash(file)), specifier); to != "" {
					return p.relative(to)
				}
				return ""
			}
		}
	}
	for _, m := range p.Migrations {
		if !m.Runner && m.Owner == "" {
			in.Migrations = append(in.Migrations, scan.Migration{
				Name: m.Name, Table: m.Table, File: m.File, Line: m.Line, HandWritten: m.Driver == PagedDriver || m.Driver == OneshotDriver,
			})
		}
	}
	return in
}

// relative is a file as seen from the project's root, with slashes.
func (p *Project) relative(file string) string {
	if rel, err := filepath.Rel(p.Root, file); err == nil {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(file)
}

// maxSource is more than any file that is read; a larger one is told of
// without taking it in whole.
const maxSource = 4 << 20

func readSource(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSource {
		return string(make([]byte, maxSource)), nil // told to be too large
	}
	text, err := os.ReadFile(file)
	return string(text), err
}

// walkFunctions calls add for every source of the functions folder that
// belongs to the root component.
func (p *Project) walkFunctions(add func(file, module string)) {
	_ = filepath.WalkDir(p.FunctionsDir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be listed, the loader has told
		}
		if d.IsDir() {
			name := d.Name()
			if file != p.FunctionsDir && (name == "_generated" || name == "node_modules" || strings.HasPrefix(name, ".") || exists(filepath.Join(file, "convex.config.ts"))) {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() && readable(file) {
			rel, err := filepath.Rel(p.FunctionsDir, file)
			if err == nil {
				add(file, moduleOf(filepath.ToSlash(rel)))
			}
		}
		return nil
	})
}

// inComponent reports whether a file belongs to a component of its own, whose
// tables are others.
func (p *Project) inComponent(file string) bool {
	for dir := filepath.Dir(file); len(dir) > len(p.Root); dir = filepath.Dir(dir) {
		if dir != p.FunctionsDir && exists(filepath.Join(dir, "convex.config.ts")) {
			return true
		}
	}
	return false
}

var sourceExtensions = []string{".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs"}

// readable reports whether a file holds code of the project: no declarations,
// no tests, nothing generated.
func readable(file string) bool {
	name := filepath.Base(file)
	if !slices.Contains(sourceExtensions, filepath.Ext(name)) || strings.Contains(filepath.ToSlash(file), "/_generated/") {
		return false
	}
	for _, part := range []string{".d.ts", ".d.mts", ".test.", ".spec.", ".stories."} {
		if strings.Contains(name, part) {
			return false
		}
	}
	return true
}

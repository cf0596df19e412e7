package jsrun

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// record is one definition or runner as the runtime recorded it.
type record struct {
	Kind      string
	Names     [][2]string // module, export
	Stack     string
	Table     string
	BatchSize float64

	DefaultBatch             float64
	CustomRange, Parallelize bool
	Prefix, Source           string
	Line, Column             int
	Helpers                  bool
	Series                   []string
}

// records sorts what was recorded into definitions and runners.
func (a *analyzer) records(text string) error {
	var all []record
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return err
	}
	for _, r := range all {
		frames := a.p.frames(r.Stack)
		module, export := a.name(r.Names, frames)
		file, line := a.place(module, frames)
		if r.Kind == "runner" {
			if export != "" {
				a.out.Runners = append(a.out.Runners, Runner{Module: module, Export: export, Series: r.Series, File: file, Line: line})
			}
			continue
		}
		a.out.Definitions = append(a.out.Definitions, Definition{
			Module: module, Export: export, Table: r.Table, BatchSize: int(r.BatchSize), DefaultBatch: int(r.DefaultBatch),
			CustomRange: r.CustomRange, Parallelize: r.Parallelize, Prefix: r.Prefix, File: file, Line: line,
			Source: a.p.original(r.Source, r.Line, r.Column), Helpers: r.Helpers,
		})
		if export == "" {
			a.report(Problem{
				File: file, Line: line, Warning: true,
				Message: "this migration is defined but no module exports it, so it cannot be run",
				Hint:    "export const name = migrations.define({ … })",
			})
		}
	}
	return nil
}

// name chooses the module and export that a definition is known by: of the
// modules that export it, the one whose code made it, else the first.
func (a *analyzer) name(names [][2]string, frames []Frame) (module, export string) {
	if len(names) == 0 {
		return "", ""
	}
	for _, f := range frames {
		for _, n := range names {
			if m := a.p.module(n[0]); m != nil && a.file(f.File) == relativeTo(a.p.options.Root, m.file) {
				return n[0], n[1]
			}
		}
	}
	return names[0][0], names[0][1]
}

// place finds where a definition stands: the outermost frame of the module
// that exports it, which is its own statement even when a helper made it.
func (a *analyzer) place(module string, frames []Frame) (file string, line int) {
	if m := a.p.module(module); m != nil {
		file = relativeTo(a.p.options.Root, m.file)
		for _, f := range frames {
			if a.file(f.File) == file {
				line = f.Line
			}
		}
		if line > 0 {
			return file, line
		}
	}
	if len(frames) > 0 {
		return a.file(frames[0].File), frames[0].Line
	}
	return file, 0
}

// file is a frame's file relative to the root.
func (a *analyzer) file(source string) string {
	return relativeTo(a.p.options.Root, a.p.sourceFile(source))
}

func (p *Program) module(path string) *module {
	for i := range p.modules {
		if p.modules[i].path == path {
			return &p.modules[i]
		}
	}
	return nil
}

// sourceFile is the absolute file of a source of the map ("../convex/x.ts").
func (p *Program) sourceFile(source string) string {
	if strings.HasPrefix(source, preludePrefix) || filepath.IsAbs(source) {
		return source
	}
	return filepath.Join(p.folder, filepath.FromSlash(source))
}

// reaches reports whether file from imports file to, itself or through others.
func (p *Program) reaches(from, to string) bool {
	seen := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if next == to {
			return true
		}
		for _, i := range p.imports[next] {
			if !seen[i] {
				seen[i] = true
				todo = append(todo, i)
			}
		}
	}
	return false
}

// original finds the source text of a function of the bundle, given its text
// there and where it begins: from the source map's place for its first
// character to the one for its closing brace. When that cannot be told it is
// the bundle's text, which is the same code without types and comments.
func (p *Program) original(text string, line, column int) string {
	begin, ok := p.locate(line, column)
	if !ok {
		return text
	}
	lines := strings.Split(text, "\n")
	last := len(lines) - 1
	endColumn := len(lines[last])
	if last == 0 {
		endColumn += column - 1
	}
	end, ok := p.locate(line+last, endColumn)
	if !ok || end.source != begin.source || !strings.HasSuffix(text, "}") {
		return text
	}
	source, err := os.ReadFile(p.sourceFile(begin.source))
	if err != nil {
		return text
	}
	from, to := offset(source, begin), offset(source, end)
	if from < 0 || to <= from || source[to] != '}' {
		return text
	}
	return string(source[from : to+1])
}

// offset is the byte offset of a position; columns count UTF-16 units, as
// source maps do. -1 when the text has no such place.
func offset(text []byte, at position) int {
	start := 0
	for range at.line - 1 {
		i := strings.IndexByte(string(text[start:]), '\n')
		if i < 0 {
			return -1
		}
		start += i + 1
	}
	units := 0
	for i, r := range string(text[start:]) {
		if units >= at.column-1 {
			return start + i
		}
		if r == '\n' {
			return -1
		}
		units++
		if r > 0xffff {
			units++
		}
	}
	return -1
}

// sourceText is a source file, to find the lines of its exports in.
type sourceText string

func sourceLines(file string) sourceText {
	if strings.HasPrefix(file, preludePrefix) {
		return ""
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "" // the line stays unknown
	}
	return sourceText(text)
}

// export is the line on which an export is declared, 0 when it is not plain
// to see.
func (s sourceText) export(name string) int {
	pattern := `(?m)^[ \t]*export\s+(?:const|let|var|async\s+function|function|class)\s+` + regexp.QuoteMeta(name) + `\b`
	if name == "default" {
		pattern = `(?m)^[ \t]*export\s+default\b`
	}
	at := regexp.MustCompile(pattern).FindStringIndex(string(s))
	if at == nil {
		return 0
	}
	return strings.Count(string(s[:at[0]]), "\n") + 1
}

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
	Component                string
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
				a.out.Runners = append(a.out.Runners, Runner{Module: module, Export: export, Series: r.Series, Component: r.Component, File: file, Line: line})
			}
			continue
		}
		a.out.Definitions = append(a.out.Definitions, Definition{
			Module: module, Export: export, Table: r.Table, BatchSize: int(r.BatchSize), DefaultBatch: int(r.DefaultBatch),
			CustomRange: r.CustomRange, Parallelize: r.Parallelize, Prefix: r.Prefix, File: file, Line: line,
			Source: a.p.original(r.Source, r.Line, r.Column), Helpers: r.Helpers, Component: r.Component,
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
// character to the one for its closing brace, or to where an arrow function's
// expression ends. When neither can be told it is the bundle's text, which is
// the same code without types and comments.
func (p *Program) original(text string, line, column int) string {
	begin, ok := p.locate(line, column)
	if !ok {
		return text
	}
	source, ok := p.read(begin.source)
	if !ok {
		return text
	}
	from := offset(source, begin)
	if from < 0 {
		return text
	}
	last := strings.Count(text, "\n")
	endColumn := len(text) - strings.LastIndexByte(text, '\n') - 1
	if last == 0 {
		endColumn += column - 1
	}
	if end, ok := p.locate(line+last, endColumn); ok && end.exact && end.source == begin.source && strings.HasSuffix(text, "}") {
		if to := offset(source, end); to > from && source[to] == '}' {
			return source[from : to+1]
		}
	}
	if to := arrowEnd(source[from:]); to > 0 {
		return source[from : from+to]
	}
	return text
}

// read reads a source of the map.
func (p *Program) read(source string) (string, bool) {
	if name, ok := strings.CutPrefix(source, preludePrefix); ok {
		text, err := preludeFiles.ReadFile("prelude/" + name)
		return string(text), err == nil
	}
	text, err := os.ReadFile(p.sourceFile(source))
	return string(text), err == nil
}

// arrowEnd is the length of the arrow function that text begins with: to the
// end of its block, or of its expression. 0 when text begins otherwise.
func arrowEnd(text string) int {
	arrow, depth := false, 0
	for i := 0; i < len(text); {
		if n := skipLiteral(text[i:]); n > 0 {
			i += n
			continue
		}
		switch c := text[i]; {
		case depth == 0 && !arrow && strings.HasPrefix(text[i:], "=>"):
			arrow = true
			i += 2
			rest := strings.TrimLeft(text[i:], " \t\r\n")
			if strings.HasPrefix(rest, "{") {
				i = len(text) - len(rest)
				return blockEnd(text, i)
			}
			continue
		case depth == 0 && !arrow && (c == '{' || c == ';'):
			return 0 // a function or method: its return type may hold braces
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			if depth == 0 {
				return trimmed(text, i, arrow)
			}
			depth--
		case depth == 0 && arrow && (c == ',' || c == ';'):
			return trimmed(text, i, arrow)
		}
		i++
	}
	return trimmed(text, len(text), arrow)
}

func trimmed(text string, end int, arrow bool) int {
	if !arrow {
		return 0
	}
	return len(strings.TrimRight(text[:end], " \t\r\n"))
}

// blockEnd is the end of the block that begins at open; 0 when it has none.
func blockEnd(text string, open int) int {
	depth := 0
	for i := open; i < len(text); {
		if n := skipLiteral(text[i:]); n > 0 {
			i += n
			continue
		}
		switch text[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return 0
}

var literals = regexp.MustCompile("^(?:\"(?:[^\"\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\n]|\\\\.)*'|`(?:[^`\\\\]|\\\\(?s:.))*`|//[^\n]*|/\\*(?s:.*?)\\*/)")

// skipLiteral is the length of the string or comment that text begins with.
func skipLiteral(text string) int {
	switch text[0] {
	case '"', '\'', '`', '/':
		return len(literals.FindString(text))
	}
	return 0
}

// offset is the byte offset of a position; columns count UTF-16 units, as
// source maps do. -1 when the text has no such place.
func offset(text string, at position) int {
	start := 0
	for range at.line - 1 {
		i := strings.IndexByte(text[start:], '\n')
		if i < 0 {
			return -1
		}
		start += i + 1
	}
	units := 0
	for i, r := range text[start:] {
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

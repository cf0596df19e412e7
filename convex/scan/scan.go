// Package scan reads a project's own functions into source.Facts: what they
// write and read, what crons and schedulers call, and what each migration does
// to a document. It reads text and runs nothing.
//
// It follows values as far as the text tells them, without types: constants
// and variables, documents from the query that found them, ids from argument
// validators, from the schema and from annotations, helpers across files.
// What it cannot follow is unknown, and says nothing. Two rules keep it honest
// and quick: a variable that is assigned again tells no value, and every
// function is read within a budget of steps; what that cuts short is Unread.
//
//   - scan.go, module.go: files, imports, exports, and which functions there are
//   - value.go, object.go, types.go: what is known of a value
//   - eval.go, flow.go, calls.go, database.go: expressions, statements, calls
//   - migrate.go: what a migration does
package scan

import (
	"context"
	"fmt"
	"path"
	"runtime"
	"slices"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"strait/convex/scan/syntax"
	"strait/model/schema"
	"strait/model/source"
)

// maxFile is the largest file that is read, in bytes: code is smaller.
const maxFile = 2 << 20

// File is one file of the project.
type File struct {
	Path   string // relative to the root, with slashes
	Module string // "dir/mod" in the functions folder; "" elsewhere
	Text   func() (string, error)
}

// Function is one registered function.
type Function struct {
	Name string // "dir/mod:export"
	Args *schema.Validator
}

// Migration is one definition to read.
type Migration struct {
	Name, Table string
	File        string // where its export is
	Line        int
	// HandWritten says that the function itself walks the table; else an object
	// with migrateOne stands in its definition.
	HandWritten bool
}

// Input is a project to read.
type Input struct {
	Files      []File
	Functions  []Function // what else a module registers, where none is of it, the text tells
	Migrations []Migration
	Schema     *schema.Schema // tells which table a document's id fields name; may be nil
	// Import resolves an import; "" when it leads out of the files. Nil: relative
	// ones only.
	Import func(file, specifier string) string
}

// Scan reads a project. The error is that of ctx.
func Scan(ctx context.Context, in Input) (*source.Facts, error) {
	s := &scanner{in: in, ctx: ctx, files: map[string]*module{}, facts: &source.Facts{Migrations: map[string]*source.Body{}}}
	if err := s.parse(); err != nil {
		return nil, err
	}
	s.link()
	s.migrations()
	s.functions()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.sort()
	return s.facts, nil
}

// scanner holds one Scan.
type scanner struct {
	in    Input
	ctx   context.Context
	files map[string]*module
	order []*module
	facts *source.Facts
	// handled are the functions that belong to a migration; used tells what
	// kinds of code call a helper.
	handled map[*syntax.Node]bool
	used    map[*syntax.Node]*usage
	names   map[*syntax.Node]string // functions of a registered export -> its name
	args    map[string]*schema.Validator
	helpers map[string]*value // what calls answer with, by signature
}

func (s *scanner) unread(file, why string) {
	for _, u := range s.facts.Unread {
		if u.File == file && u.Why == why {
			return
		}
	}
	s.facts.Unread = append(s.facts.Unread, source.Unread{File: file, Why: why})
}

// parse reads and parses all files, some at a time.
func (s *scanner) parse() error {
	parsed := make([]*module, len(s.in.Files))
	failed := make([]error, len(s.in.Files))
	g, ctx := errgroup.WithContext(s.ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range s.in.Files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			parsed[i], failed[i] = parseFile(f)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, m := range parsed {
		if failed[i] != nil {
			s.unread(s.in.Files[i].Path, failed[i].Error())
			continue
		}
		s.files[m.path] = m
		s.order = append(s.order, m)
	}
	return nil
}

func parseFile(f File) (m *module, err error) {
	defer func() { // the last resort: no project may end the program
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("internal error while parsing: %v", r)
		}
	}()
	text, err := f.Text()
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, fmt.Errorf("larger than %d MB", maxFile>>20)
	}
	ext := path.Ext(f.Path)
	tree, err := syntax.Parse(text, ext == ".tsx" || ext == ".jsx" || ext == ".js" || ext == ".mjs")
	switch {
	case err != nil && strings.IndexByte(text, 0) >= 0:
		return nil, fmt.Errorf("not a text")
	case err != nil:
		return nil, err
	}
	return newModule(f, tree), nil
}

// sort puts the facts in the order of the code. A query that a helper builds
// and its caller ends was ended.
func (s *scanner) sort() {
	ended := map[source.Site]bool{}
	for _, r := range s.facts.Reads {
		if r.End != "" {
			ended[r.Site] = true
		}
	}
	s.facts.Reads = slices.DeleteFunc(s.facts.Reads, func(r source.Read) bool { return r.End == "" && ended[r.Site] })
	before := func(a, b source.Site) bool { return a.File < b.File || a.File == b.File && a.Line < b.Line }
	sort.SliceStable(s.facts.Writes, func(i, j int) bool { return before(s.facts.Writes[i].Site, s.facts.Writes[j].Site) })
	sort.SliceStable(s.facts.Reads, func(i, j int) bool { return before(s.facts.Reads[i].Site, s.facts.Reads[j].Site) })
	sort.SliceStable(s.facts.Jobs, func(i, j int) bool { return before(s.facts.Jobs[i].Site, s.facts.Jobs[j].Site) })
	slices.SortFunc(s.facts.Unread, func(a, b source.Unread) int { return strings.Compare(a.File+a.Why, b.File+b.Why) })
}

// usage tells from where a helper is called.
type usage struct {
	migrations, others bool
}

// functions reads every function that is not a migration: the registered ones
// by name, then the helpers.
func (s *scanner) functions() {
	for _, m := range s.order {
		if s.ctx.Err() != nil {
			return
		}
		for _, unit := range m.units {
			if s.handled[unit.fn] || s.names[unit.fn] == "" {
				continue
			}
			s.read(m, unit, s.names[unit.fn])
		}
		s.crons(m)
	}
	// A helper that only migrations call does what they do, and is told there.
	// Helpers call helpers: who is called from a read one is read as well.
	waiting := []*module{}
	waiting = append(waiting, s.order...)
	for round := 0; round < 8; round++ {
		read := false
		for _, m := range waiting {
			for i := range m.units {
				unit := &m.units[i]
				u := s.used[unit.fn]
				if unit.read || s.handled[unit.fn] || s.names[unit.fn] != "" || u != nil && u.migrations && !u.others {
					continue
				}
				if s.ctx.Err() != nil {
					return
				}
				unit.read, read = true, true
				s.read(m, *unit, "")
			}
		}
		if !read {
			return
		}
	}
}

// read reads one function into the facts.
func (s *scanner) read(m *module, unit unit, name string) {
	e := s.eval(m)
	e.name = name
	e.sink = &sink{writes: &s.facts.Writes, reads: &s.facts.Reads, jobs: &s.facts.Jobs}
	s.guarded(m, func() { e.unit(unit) })
	if e.budget <= 0 {
		s.unread(m.path, fmt.Sprintf("line %d: too involved to follow to its end", m.tree.Line(unit.fn.Pos)))
	}
}

// guarded is the last resort against a panic.
func (s *scanner) guarded(m *module, f func()) {
	defer func() {
		if r := recover(); r != nil {
			s.unread(m.path, fmt.Sprintf("internal error: %v", r))
		}
	}()
	f()
}

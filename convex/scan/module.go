package scan

import (
	"maps"
	"path"
	"slices"
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/schema"
	"strait/model/source"
)

// module is one parsed file.
type module struct {
	path, name string
	tree       *syntax.File
	scope      *scope
	bindings   map[string]binding // names declared at the top
	exports    map[string]export
	stars      []string // modules of export *
	types      map[string]*syntax.Type
	assigned   map[string]bool // names assigned to anywhere after their declaration
	units      []unit
	values     map[string]*value // of bindings, as they are asked for
	busy       map[string]bool
}

// binding is how a name at the top gets its value.
type binding struct {
	node    *syntax.Node // Declarator, Func, Class, Enum
	from    string       // import: the specifier
	name    string       // import: the name there, * for all
	pattern bool
}

// export is what a module exports under a name.
type export struct {
	local string
	node  *syntax.Node // of export default
	from  string       // re-exported from there, as local
}

// unit is one function at the top of a module, with the export that it is a
// part of.
type unit struct {
	fn     *syntax.Node
	export string // "" when no exported value holds it
	key    string // property under which it stands: handler
	direct bool   // the handler itself, of a builder without a wrapper
	plain  bool   // the builder is one of _generated/server
	class  string
	read   bool
}

func newModule(f File, tree *syntax.File) *module {
	m := &module{
		path: f.Path, name: f.Module, tree: tree, bindings: map[string]binding{}, exports: map[string]export{}, types: map[string]*syntax.Type{},
		assigned: map[string]bool{}, values: map[string]*value{}, busy: map[string]bool{},
	}
	m.scope = &scope{mod: m}
	for _, n := range tree.List {
		m.declare(n, false)
	}
	for _, n := range tree.List {
		syntax.Walk(n, func(n *syntax.Node) bool {
			switch {
			case n.Kind == syntax.Assign || n.Kind == syntax.Update:
				m.assigns(n.A)
			case n.Kind == syntax.ForIn && n.A.Kind != syntax.Var:
				m.assigns(n.A)
			}
			return true
		})
	}
	return m
}

// assigns notes the names that an assignment to target changes.
func (m *module) assigns(target *syntax.Node) {
	switch target.Kind {
	case syntax.Ident:
		m.assigned[target.Name] = true
	case syntax.Object, syntax.Array:
		syntax.Walk(target, func(n *syntax.Node) bool {
			if n.Kind == syntax.Ident {
				m.assigned[n.Name] = true
			}
			return true
		})
	}
}

// declare notes what a statement at the top declares, imports and exports.
func (m *module) declare(n *syntax.Node, exported bool) {
	bind := func(name string, b binding) {
		m.bindings[name] = b
		if exported {
			m.exports[name] = export{local: name}
		}
	}
	switch n.Kind {
	case syntax.Import:
		for _, s := range n.List {
			m.bindings[s.Name] = binding{from: n.Name, name: s.As}
		}
	case syntax.Var:
		for _, d := range n.List {
			if d.A.Kind == syntax.Ident {
				bind(d.A.Name, binding{node: d})
			} else {
				for _, name := range names(d.A) {
					bind(name, binding{node: d, pattern: true})
				}
			}
			m.collect(d.B, nameOf(d.A))
		}
	case syntax.FuncDecl:
		if n.A.Body != nil {
			bind(n.A.Name, binding{node: n.A})
			m.collect(n.A, n.A.Name)
		}
	case syntax.ClassDecl:
		bind(n.A.Name, binding{node: n.A})
		m.collect(n.A, n.A.Name)
	case syntax.Enum:
		bind(n.Name, binding{node: n})
	case syntax.TypeDecl:
		m.types[n.Name] = n.Type
	case syntax.Export:
		if n.A != nil {
			m.declare(n.A, true)
		}
		for _, s := range n.List {
			switch {
			case s.Name == "*" && s.As == "*":
				m.stars = append(m.stars, n.Name)
			default:
				m.exports[s.As] = export{local: s.Name, from: n.Name}
			}
		}
	case syntax.ExportDefault:
		e := export{node: n.A}
		switch n.A.Kind {
		case syntax.Ident:
			e = export{local: n.A.Name}
		case syntax.Func, syntax.Class:
			if n.A.Name != "" {
				m.bindings[n.A.Name] = binding{node: n.A}
				e = export{local: n.A.Name}
			}
		case syntax.TypeDecl:
			m.declare(n.A, false)
			return
		}
		m.exports["default"] = e
		m.collect(n.A, "default")
	case syntax.Block, syntax.If, syntax.Try, syntax.For, syntax.ForIn:
		syntax.Walk(n, func(n *syntax.Node) bool {
			if n.Kind == syntax.Func {
				m.collect(n, "")
				return false
			}
			return true
		})
	case syntax.Expr:
		m.collect(n.A, "")
	}
}

func nameOf(pattern *syntax.Node) string {
	if pattern.Kind == syntax.Ident {
		return pattern.Name
	}
	return ""
}

// names are those that a pattern binds.
func names(pattern *syntax.Node) (list []string) {
	if pattern == nil {
		return nil
	}
	switch pattern.Kind {
	case syntax.Ident:
		list = append(list, pattern.Name)
	case syntax.Default, syntax.Spread:
		list = names(pattern.A)
	case syntax.Object:
		for _, p := range pattern.List {
			if p.Kind == syntax.Property {
				list = append(list, names(p.B)...)
			} else {
				list = append(list, names(p)...)
			}
		}
	case syntax.Array:
		for _, p := range pattern.List {
			list = append(list, names(p)...)
		}
	}
	return list
}

// collect notes the functions in an initial value that stand in no other.
func (m *module) collect(n *syntax.Node, name string) {
	if n == nil {
		return
	}
	var find func(n *syntax.Node, key string, depth int, class string)
	find = func(n *syntax.Node, key string, depth int, class string) {
		if n == nil {
			return
		}
		switch n.Kind {
		case syntax.Func:
			if n.Body != nil || n.A != nil {
				m.units = append(m.units, unit{fn: n, export: name, key: key, direct: depth <= 1, class: class})
			}
		case syntax.Property:
			find(n.A, "", depth, class)
			find(n.B, n.Name, depth, class)
		case syntax.Call:
			find(n.A, "", depth, class)
			for _, a := range n.List {
				find(a, key, depth+1, class)
			}
		case syntax.Class:
			find(n.A, "", depth, class)
			for _, p := range n.List {
				find(p, "", depth+1, "class "+n.Name)
			}
		default:
			find(n.A, "", depth, class)
			find(n.B, "", depth, class)
			find(n.C, "", depth, class)
			for _, c := range n.List {
				find(c, "", depth, class)
			}
			if n.Body != nil {
				for _, c := range n.Body.List {
					find(c, "", depth, class)
				}
			}
		}
	}
	find(n, "", 0, "")
}

// site is the place of an offset.
func (m *module) site(pos int32) source.Site {
	return source.Site{File: m.path, Line: m.tree.Line(pos)}
}

var extensions = []string{"", ".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", "/index.ts", "/index.tsx", "/index.js"}

// resolve finds the module that an import leads to; nil outside the files.
func (s *scanner) resolve(m *module, specifier string) *module {
	if s.in.Import != nil {
		if to := s.files[s.in.Import(m.path, specifier)]; to != nil {
			return to
		}
	}
	if !strings.HasPrefix(specifier, ".") {
		return nil
	}
	base := path.Join(path.Dir(m.path), specifier)
	for _, ext := range extensions {
		if to := s.files[base+ext]; to != nil {
			return to
		}
	}
	for _, ext := range [][2]string{{".js", ".ts"}, {".js", ".tsx"}, {".mjs", ".mts"}, {".jsx", ".tsx"}} {
		if cut, ok := strings.CutSuffix(base, ext[0]); ok {
			if to := s.files[cut+ext[1]]; to != nil {
				return to
			}
		}
	}
	return nil
}

// exported follows an export to the module and binding that make it.
func (s *scanner) exported(m *module, name string, depth int) (*module, export, bool) {
	if depth > 20 {
		return nil, export{}, false
	}
	if x, ok := m.exports[name]; ok {
		if x.from == "" {
			if b, ok := m.bindings[x.local]; ok && b.from != "" && b.name != "*" {
				if to := s.resolve(m, b.from); to != nil {
					return s.exported(to, b.name, depth+1)
				}
			}
			return m, x, true
		}
		if x.local == "*" {
			return nil, export{}, false
		}
		if to := s.resolve(m, x.from); to != nil {
			return s.exported(to, x.local, depth+1)
		}
		return nil, export{}, false
	}
	for _, star := range m.stars {
		if to := s.resolve(m, star); to != nil && name != "default" {
			if in, x, ok := s.exported(to, name, depth+1); ok {
				return in, x, true
			}
		}
	}
	return nil, export{}, false
}

// initial is the expression that an export is made by.
func (m *module) initial(x export) *syntax.Node {
	if x.node != nil {
		return x.node
	}
	for name, i := x.local, 0; i < 10; i++ {
		b := m.bindings[name]
		if b.node == nil || b.pattern {
			return nil
		}
		if b.node.Kind != syntax.Declarator {
			return b.node
		}
		if b.node.B == nil || b.node.B.Kind != syntax.Ident {
			return b.node.B
		}
		name = b.node.B.Name // export const a = b
	}
	return nil
}

// link gives the functions of registered exports their names.
func (s *scanner) link() {
	s.handled, s.used, s.names = map[*syntax.Node]bool{}, map[*syntax.Node]*usage{}, map[*syntax.Node]string{}
	s.helpers = map[string]*value{}
	s.args = map[string]*schema.Validator{}
	byName := map[string]*module{}
	for _, m := range s.order {
		if m.name != "" {
			byName[m.name] = m
		}
		for i := range m.units {
			m.units[i].plain = m.plainBuilder(m.units[i])
		}
	}
	loaded := map[string]bool{}
	for _, f := range s.in.Functions {
		s.args[f.Name] = f.Args
		module, name, _ := strings.Cut(f.Name, ":")
		loaded[module] = true
		if m := byName[module]; m != nil {
			if in, x, ok := s.exported(m, name, 0); ok {
				s.register(in, x, f.Name)
			}
		}
	}
	// Of a module that was not loaded the text tells.
	for _, m := range s.order {
		if m.name == "" || loaded[m.name] {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(m.exports)) {
			if in, x, ok := s.exported(m, name, 0); ok && registers(in.initial(x)) {
				s.register(in, x, m.name+":"+name)
			}
		}
	}
}

// registers reports whether an initial value looks like a registered function
// when nothing else tells: a builder is called with a handler.
func registers(n *syntax.Node) bool {
	if n == nil || n.Kind != syntax.Call || len(n.List) != 1 {
		return false
	}
	a := n.List[0]
	if a.Kind == syntax.Object {
		for _, p := range a.List {
			if p.Kind == syntax.Property && p.Name == "handler" {
				return true
			}
		}
	}
	return a.Kind == syntax.Func
}

func (s *scanner) register(m *module, x export, name string) {
	initial := m.initial(x)
	if initial == nil {
		return
	}
	syntax.Walk(initial, func(n *syntax.Node) bool {
		if n.Kind == syntax.Func && s.names[n] == "" {
			s.names[n] = name
		}
		return n.Kind != syntax.Func
	})
}

func within(fn, n *syntax.Node) (found bool) {
	syntax.Walk(n, func(n *syntax.Node) bool {
		found = found || n == fn
		return !found
	})
	return found
}

// plainBuilder reports whether a unit is the handler of query, mutation and
// the like of _generated/server, which hand on the arguments as they are.
func (m *module) plainBuilder(u unit) bool {
	x, ok := m.exports[u.export]
	if !ok && u.export != "default" {
		return false
	}
	n := m.initial(x)
	if n == nil || n.Kind != syntax.Call || n.A.Kind != syntax.Ident || !u.direct || u.key != "handler" && u.key != "" {
		return false
	}
	return strings.HasSuffix(strings.TrimSuffix(m.bindings[n.A.Name].from, ".js"), "_generated/server")
}

package scan

import (
	"fmt"
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/source"
)

// migrations reads what each migration does.
func (s *scanner) migrations() {
	for _, m := range s.order {
		for _, u := range m.units { // also of definitions that nothing exports
			if u.key == "migrateOne" || u.key == "customRange" {
				s.handled[u.fn] = true
			}
		}
	}
	for _, d := range s.in.Migrations {
		if s.ctx.Err() != nil {
			return
		}
		in := s.files[d.File]
		if in == nil {
			s.unread(d.File, fmt.Sprintf("migration %s: the file was not read", d.Name))
			continue
		}
		body, why := s.migration(in, d)
		if body == nil {
			s.unread(d.File, fmt.Sprintf("migration %s: %s", d.Name, why))
			continue
		}
		s.facts.Migrations[d.Name] = body
	}
}

// migration reads one; why says what was not found.
func (s *scanner) migration(m *module, d Migration) (body *source.Body, why string) {
	_, name, _ := strings.Cut(d.Name, ":")
	in, x, ok := s.exported(s.moduleNamed(d, m), name, 0)
	if !ok {
		return nil, "its export was not found"
	}
	initial := in.initial(x)
	if initial == nil {
		return nil, "its definition was not found"
	}
	b := &source.Body{Site: source.Site{File: d.File, Line: d.Line}, Table: d.Table}
	if d.Line == 0 {
		b.Site = in.site(initial.Pos)
	}
	e := s.eval(in)
	e.name = d.Name
	e.sink = &sink{body: b, jobs: &s.facts.Jobs}
	s.guarded(in, func() {
		if d.HandWritten {
			why = e.handWritten(initial, d.Table)
		} else {
			why = e.definition(initial, b)
		}
	})
	if e.budget <= 0 {
		why = "too involved to follow to its end"
	}
	if why != "" {
		return nil, why
	}
	return b, ""
}

// moduleNamed is the module that exports a definition: that of its name, or
// the file that holds it.
func (s *scanner) moduleNamed(d Migration, m *module) *module {
	module, _, _ := strings.Cut(d.Name, ":")
	for _, other := range s.order {
		if other.name == module && other.name != "" {
			return other
		}
	}
	return m
}

// definition reads the object with migrateOne in a definition, also where a
// function of the project makes it.
func (e *eval) definition(initial *syntax.Node, b *source.Body) (why string) {
	options := e.options(initial, e.mod.scope, 0)
	if options == nil {
		return "no migrateOne in its definition"
	}
	if t, ok := options.obj.get("table"); ok && b.Table == "" {
		b.Table = tableOf(t.val)
	}
	if r, ok := options.obj.get("customRange"); ok && r.val.kind == function {
		e.quietly(func() {
			q := &query{table: b.Table, mod: e.mod, ended: new(bool)}
			out := e.apply(r.val.fn, []*value{{kind: querying, q: q}})
			if out.kind == querying {
				b.RangeIndex = out.q.index
			}
		})
	}
	one, _ := options.obj.get("migrateOne")
	if one.val.kind != function {
		return "its migrateOne is not a function of the project"
	}
	e.migrateOne(one.val.fn, b)
	return ""
}

// migrateOne follows a migration's function with the document at hand.
func (e *eval) migrateOne(c *closure, b *source.Body) {
	doc := &value{kind: document, s: b.Table, shape: e.documentShape(b.Table), hand: true}
	saved := e.mod
	depth := e.calls + 1
	e.later = nil
	// returned is set where the function's own body begins, and apply takes it
	// away from what that body calls.
	e.mod = c.scope.mod
	e.active[c.node]++
	e.calls = depth
	e.returned = func(n *syntax.Node, v *value) { e.patch(n, v, b) }
	e.run(c, []*value{{kind: contextual}, doc})
	e.returned = nil
	e.calls--
	e.active[c.node]--
	e.rest()
	e.mod = saved
}

// patch tells of the patch that a migration returns.
func (e *eval) patch(n *syntax.Node, v *value, b *source.Body) {
	switch v.kind {
	case void, identity, list, page, function, database, contextual:
		return
	case object:
		if len(v.obj.fields) == 0 && !v.obj.open {
			return
		}
	}
	if v.typ != nil && v.kind != object || !e.first(n.Pos, "returned", "") {
		return
	}
	w := source.Write{Site: e.mod.site(n.Pos), Function: e.name, Op: source.Patch, Table: b.Table, Returned: true, Guarded: e.guard > 0 || v.maybe}
	whole := *v
	whole.maybe = false // then nothing is returned
	w.Fields, w.Open = written(&whole)
	if v.kind == document { // returned whole
		w.Fields, w.Open = nil, true
	}
	b.Writes = append(b.Writes, w)
}

// options is the object with migrateOne that an expression hands on; nil when
// there is none.
func (e *eval) options(n *syntax.Node, sc *scope, depth int) *value {
	for n != nil && (n.Kind == syntax.Cast || n.Kind == syntax.Await) {
		n = n.A
	}
	if n == nil || n.Kind != syntax.Call || depth > 4 {
		return nil
	}
	for _, a := range n.List {
		if v := e.expr(a, sc); v.kind == object {
			if _, ok := v.obj.get("migrateOne"); ok {
				return v
			}
		}
	}
	f := e.expr(n.A, sc)
	if f.kind != function {
		return nil
	}
	// A factory: the call with migrateOne is what it returns.
	inner := f.fn.scope.inner()
	mod := e.mod
	args := e.all(n.List, sc)
	e.mod = f.fn.scope.mod
	defer func() { e.mod = mod }()
	for i, p := range f.fn.node.List {
		v := nothing
		if i < len(args) {
			v = args[i]
		}
		e.parameter(p, v, inner)
	}
	if f.fn.node.A != nil {
		return e.options(f.fn.node.A, inner, depth+1)
	}
	if f.fn.node.Body == nil {
		return nil
	}
	for _, st := range f.fn.node.Body.List {
		if st.Kind == syntax.Return {
			return e.options(st.A, inner, depth+1)
		}
		e.quietly(func() { e.statement(st, inner) })
	}
	return nil
}

// handWritten follows a registered function that walks a table itself.
func (e *eval) handWritten(initial *syntax.Node, table string) (why string) {
	e.table = table
	found := false
	for _, u := range e.mod.units {
		if !within(u.fn, initial) {
			continue
		}
		e.s.handled[u.fn] = true
		if u.key == "args" || u.key == "returns" {
			continue
		}
		found = true
		e.unit(u)
	}
	if !found {
		return "no function in its definition"
	}
	return ""
}

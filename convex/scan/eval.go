package scan

import (
	"slices"
	"strconv"
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/schema"
	"strait/model/source"
)

// Bounds of following one function: steps, how deeply expressions nest, and
// how deeply calls do.
const (
	maxSteps = 300_000
	maxNest  = 3_000
	maxCalls = 12
	// What a helper returns is found out within less.
	maxHelper = 20_000
	maxQuiet  = 6
)

// sink takes what is found; nil parts are not wanted.
type sink struct {
	writes *[]source.Write
	reads  *[]source.Read
	jobs   *[]source.Job
	body   *source.Body
}

// eval follows the code of one function.
type eval struct {
	s      *scanner
	mod    *module // of the code at hand
	name   string  // of the registered function
	table  string  // of the migration, hand-written ones
	sink   *sink   // nil: quiet
	budget int
	nest   int
	calls  int
	quiet  int // helpers around that only their result is asked of
	guard  int // conditions above

	returns  []*value // of the function at hand
	returned func(n *syntax.Node, v *value)
	later    []*closure // not called yet
	active   map[*syntax.Node]int
	seen     map[mark]bool
	open     []*query
}

// mark is a fact that is told once.
type mark struct {
	pos        int32
	mod        *module
	what, more string
}

func (s *scanner) eval(m *module) *eval {
	return &eval{s: s, mod: m, budget: maxSteps, active: map[*syntax.Node]int{}, seen: map[mark]bool{}}
}

// quietly runs f without telling what it finds.
func (e *eval) quietly(f func()) {
	sink, later, returned, guard := e.sink, e.later, e.returned, e.guard
	e.sink, e.returned = nil, nil
	f()
	e.sink, e.later, e.returned, e.guard = sink, later, returned, guard
}

// first reports whether a fact is new.
func (e *eval) first(pos int32, what, more string) bool {
	k := mark{pos, e.mod, what, more}
	if e.seen[k] {
		return false
	}
	e.seen[k] = true
	return true
}

// expr evaluates an expression.
func (e *eval) expr(n *syntax.Node, sc *scope) *value {
	if n == nil {
		return nothing
	}
	e.budget--
	if e.budget <= 0 || e.nest > maxNest || e.budget&1023 == 0 && e.s.ctx.Err() != nil {
		e.budget = min(e.budget, 0)
		return nothing
	}
	e.nest++
	defer func() { e.nest-- }()
	switch n.Kind {
	case syntax.Ident:
		return e.ident(n.Name, sc)
	case syntax.String:
		return &value{kind: text, s: n.Name, typ: literal(n.Name)}
	case syntax.Template:
		if len(n.List) == 0 {
			return &value{kind: text, s: n.Name, typ: literal(n.Name)}
		}
		return derive(aString, e.all(n.List, sc)...)
	case syntax.Number:
		return numberOf(n.Name)
	case syntax.BigInt:
		if i, err := strconv.ParseInt(n.Name, 0, 64); err == nil {
			return known(literal(i))
		}
		return known(aBigint)
	case syntax.Null:
		return &value{kind: void, typ: aNull}
	case syntax.Bool:
		return known(literal(n.Name == "true"))
	case syntax.Array:
		return e.array(n, sc)
	case syntax.Object:
		return e.object(n, sc)
	case syntax.Func:
		return e.closure(n, sc)
	case syntax.Class:
		return &value{kind: class, node: n}
	case syntax.Member:
		return chained(n, e.memberOf(n, e.expr(n.A, sc)))
	case syntax.Index:
		return chained(n, e.index(n, sc))
	case syntax.Call:
		return chained(n, e.call(n, sc))
	case syntax.New:
		return e.newObject(n, sc)
	case syntax.Tagged:
		return derive(nil, e.all(n.B.List, sc)...)
	case syntax.Unary:
		return e.unary(n, sc)
	case syntax.Update:
		return derive(aNumber, e.expr(n.A, sc))
	case syntax.Binary:
		return e.binary(n, sc)
	case syntax.Assign:
		return e.assign(n, sc)
	case syntax.Cond:
		return e.conditional(n, sc)
	case syntax.Sequence:
		list := e.all(n.List, sc)
		return list[len(list)-1]
	case syntax.Await, syntax.Yield:
		return e.await(e.expr(n.A, sc))
	case syntax.Cast:
		return e.cast(n, sc)
	case syntax.JSX:
		e.all(n.List, sc)
	case syntax.Spread, syntax.Default:
		return e.expr(n.A, sc)
	}
	return nothing
}

// chained is the value of a?.b.c(): it may be undefined.
func chained(n *syntax.Node, v *value) *value {
	if v.typ == nil && v.kind != identity {
		return v
	}
	for ; n != nil && (n.Kind == syntax.Member || n.Kind == syntax.Index || n.Kind == syntax.Call || n.Kind == syntax.Cast); n = n.A {
		if n.Is(syntax.Optional) && n.Kind != syntax.Cast {
			w := *v
			w.typ, w.maybe = nil, true
			return &w
		}
	}
	return v
}

func (e *eval) all(list []*syntax.Node, sc *scope) []*value {
	out := make([]*value, 0, len(list))
	for _, n := range list {
		out = append(out, e.expr(n, sc))
	}
	return out
}

func numberOf(text string) *value {
	if f, err := strconv.ParseFloat(text, 64); err == nil {
		return known(literal(f))
	}
	if i, err := strconv.ParseInt(text, 0, 64); err == nil {
		return known(literal(float64(i)))
	}
	return known(aNumber)
}

func (e *eval) ident(name string, sc *scope) *value {
	if name == "undefined" {
		return &value{kind: void}
	}
	if v, _ := sc.find(name); v != nil {
		return v
	}
	if v := e.s.global(sc.mod, name); v != nil {
		return v
	}
	switch name {
	case "this", "super":
		return nothing
	case "NaN", "Infinity":
		return known(aNumber)
	}
	if strings.EqualFold(name, "ctx") {
		return &value{kind: contextual}
	}
	return &value{kind: external, s: ":" + name}
}

// global evaluates a name at the top of a module, once; nil when the module
// has none.
func (s *scanner) global(m *module, name string) *value {
	if v, ok := m.values[name]; ok {
		return v
	}
	b, ok := m.bindings[name]
	if !ok {
		return nil
	}
	if m.busy[name] {
		return nothing // of a cycle
	}
	m.busy[name] = true
	defer delete(m.busy, name)
	v := s.bound(m, name, b)
	m.values[name] = v
	return v
}

func (s *scanner) bound(m *module, name string, b binding) *value {
	if b.from != "" {
		return s.imported(m, b.from, b.name)
	}
	if b.node == nil {
		return nothing
	}
	switch b.node.Kind {
	case syntax.Func:
		return &value{kind: function, fn: &closure{node: b.node, scope: m.scope}, node: b.node}
	case syntax.Class:
		return &value{kind: class, node: b.node}
	case syntax.Enum:
		r := &record{}
		for i, p := range b.node.List {
			v := known(literal(float64(i)))
			if p.B != nil {
				v = s.top(m, p.B)
			}
			r.set(member{name: p.Name, val: v})
		}
		return &value{kind: object, obj: r}
	}
	v := s.top(m, b.node.B)
	if b.node.Type != nil && v.kind == unknown {
		v = s.eval(m).annotated(b.node.Type, m, 0)
	}
	if b.pattern {
		sc := m.scope.inner()
		e := s.eval(m)
		e.bind(b.node.A, v, sc, false)
		v, _ = sc.find(name)
	}
	if v == nil {
		v = nothing
	}
	if m.assigned[name] {
		v = weak(v)
	}
	return v
}

// top evaluates an expression at the top of a module. It tells no facts: the
// functions in it are read for themselves.
func (s *scanner) top(m *module, n *syntax.Node) *value {
	e := s.eval(m)
	e.budget = 20_000
	return e.expr(n, m.scope)
}

// imported is the value of what a module imports.
func (s *scanner) imported(m *module, from, name string) *value {
	if strings.Contains(from, "_generated/api") && (name == "internal" || name == "api" || name == "components") {
		return &value{kind: reference, s: name}
	}
	if strings.Contains(from, "_generated/api") && name == "*" {
		r := &record{}
		for _, name := range []string{"internal", "api", "components"} {
			r.set(member{name: name, val: &value{kind: reference, s: name}})
		}
		return &value{kind: object, obj: r}
	}
	to := s.resolve(m, from)
	if to == nil {
		return &value{kind: external, s: from + ":" + name}
	}
	if name == "*" {
		return &value{kind: namespace, mod: to}
	}
	return s.exportValue(to, name)
}

func (s *scanner) exportValue(m *module, name string) *value {
	in, x, ok := s.exported(m, name, 0)
	switch {
	case !ok:
		if x, ok := m.exports[name]; ok && x.from != "" {
			return &value{kind: external, s: x.from + ":" + x.local}
		}
		return nothing
	case x.node != nil:
		if x.node.Kind == syntax.Func {
			return &value{kind: function, fn: &closure{node: x.node, scope: in.scope}, node: x.node}
		}
		key := "default export"
		if v, ok := in.values[key]; ok {
			return v
		}
		in.values[key] = nothing
		in.values[key] = s.top(in, x.node)
		return in.values[key]
	}
	if v := s.global(in, x.local); v != nil {
		return v
	}
	return nothing
}

func (e *eval) unary(n *syntax.Node, sc *scope) *value {
	v := e.expr(n.A, sc)
	switch n.Name {
	case "!", "delete":
		if n.Name == "delete" && n.A.Kind == syntax.Member {
			if of := e.expr(n.A.A, sc); of.kind == object {
				of.obj.open = true
			}
		}
		return derive(aBoolean, v)
	case "typeof":
		return derive(aString, v)
	case "void":
		return &value{kind: void}
	case "-", "~", "+":
		if v.typ != nil && v.typ.Kind == schema.Literal && n.Name == "-" {
			if f, ok := v.typ.Literal.(float64); ok {
				return known(literal(-f))
			}
		}
		if base(v.typ) == schema.Bigint {
			return derive(aBigint, v)
		}
		if n.Name != "+" && v.typ == nil {
			return derive(nil, v)
		}
		return derive(aNumber, v)
	}
	return nothing
}

func (e *eval) conditional(n *syntax.Node, sc *scope) *value {
	test := e.expr(n.A, sc)
	e.guard++
	yes := e.expr(n.B, sc)
	no := e.expr(n.C, sc)
	e.guard--
	out := join(yes, no)
	return with(out, fields(test))
}

func (e *eval) binary(n *syntax.Node, sc *scope) *value {
	switch n.Name {
	case "&&", "||", "??":
		a := e.expr(n.A, sc)
		e.guard++
		b := e.expr(n.B, sc)
		e.guard--
		switch {
		case n.Name == "&&":
			out := join(b, &value{kind: void})
			if b.typ != nil && base(a.typ) == schema.Boolean && base(b.typ) == schema.Boolean {
				out = derive(aBoolean, b)
			} else if out.typ != nil {
				w := *out
				w.typ = nil // false, 0 and "" come through
				out = &w
			}
			return with(out, fields(a))
		case a.kind == void:
			return b
		}
		left := *a
		left.maybe = false
		out := join(&left, b)
		if a.kind == unknown && a.typ == nil && b.kind == void {
			out = &left
		}
		return with(out, fields(b))
	}
	a, b := e.expr(n.A, sc), e.expr(n.B, sc)
	switch n.Name {
	case "==", "!=", "===", "!==", "<", ">", "<=", ">=", "in", "instanceof":
		return derive(aBoolean, a, b)
	}
	return derive(arithmetic(n.Name, a, b), a, b)
}

func (e *eval) cast(n *syntax.Node, sc *scope) *value {
	v := e.expr(n.A, sc)
	if n.Type == nil {
		return v
	}
	if n.Type.Kind == syntax.Ref && n.Type.Name == "const" || n.Is(syntax.Satisfies) {
		return v
	}
	if t := e.annotated(n.Type, e.mod, 0); t.kind == identity || t.kind == document || t.kind == contextual || t.kind == database || t.kind == list && v.kind == unknown {
		w := *t
		w.from, w.hand, w.sieve = v.from, v.hand, v.sieve
		return &w
	}
	return v
}

func (e *eval) await(v *value) *value {
	if v.kind == querying && v.q.ent {
		if v.q.single {
			return e.end(v.q, "first")
		}
		return e.end(v.q, "collect")
	}
	return v
}

// mostMembers bounds the union of an array's elements: data tells nothing.
const mostMembers = 12

func (e *eval) array(n *syntax.Node, sc *scope) *value {
	out := &value{kind: list}
	var elem *value
	var typ = anything
	var items []*value
	whole, first := true, true
	for _, x := range n.List {
		if x == nil {
			whole = false
			items = append(items, nothing)
			continue
		}
		v := e.expr(x, sc)
		items = append(items, e.await(v))
		if x.Kind == syntax.Spread {
			whole = false
			out.sieve = out.sieve || v.sieve
			if v.kind == list {
				v = v.elem
			} else {
				v = derive(nil, v)
			}
		}
		elem = join(elem, v)
		if v == nil {
			continue
		}
		if first {
			typ, first = typeOf(v), false
		} else if typ.Kind != schema.Any {
			typ = either(typ, typeOf(v))
		}
		if len(typ.Members) > mostMembers {
			typ = anything
		}
	}
	if !whole {
		typ = anything
	}
	if whole || len(n.List) > 0 && len(n.List) < 100 && !hasSpread(n.List) {
		out.items = items
	}
	out.elem = elem
	if elem == nil {
		out.elem = nothing
	}
	out.typ = &schema.Validator{Kind: schema.Array, Element: typ}
	return out
}

func hasSpread(list []*syntax.Node) bool {
	return slices.ContainsFunc(list, func(n *syntax.Node) bool { return n != nil && n.Kind == syntax.Spread })
}

func (e *eval) index(n *syntax.Node, sc *scope) *value {
	of, at := e.expr(n.A, sc), e.expr(n.B, sc)
	switch {
	case at.kind == text:
		return e.field(of, at.s, n)
	case of.kind == list:
		w := *of.elem
		w.maybe = true
		return &w
	case of.kind == object:
		var out *value
		for _, f := range of.obj.fields {
			out = join(out, f.val)
		}
		if out == nil || of.obj.open {
			return nothing
		}
		return out
	}
	return derive(nil, of, at)
}

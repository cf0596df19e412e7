package scan

import (
	"strait/convex/scan/syntax"
	"strait/model/schema"
)

// flow is how a statement may end.
type flow uint8

const (
	ends   flow = 1 << iota // never goes on behind it
	leaves                  // may leave the function
	breaks                  // may leave the loop
)

// block carries out statements. What stands behind one that may leave is
// under a condition.
func (e *eval) block(list []*syntax.Node, sc *scope) flow {
	for _, n := range list {
		if n.Kind == syntax.FuncDecl && n.A.Body != nil {
			sc.names[n.A.Name] = e.closure(n.A, sc)
		}
	}
	var all flow
	guard := e.guard
	for _, n := range list {
		if e.budget <= 0 {
			break
		}
		f := e.statement(n, sc)
		if f&(leaves|breaks) != 0 && all&(leaves|breaks) == 0 {
			e.guard++
		}
		all |= f
	}
	e.guard = guard
	return all
}

func (e *eval) statement(n *syntax.Node, sc *scope) flow {
	if n == nil {
		return 0
	}
	e.budget--
	switch n.Kind {
	case syntax.Expr:
		e.await(e.expr(n.A, sc))
	case syntax.Var:
		for _, d := range n.List {
			e.declare(d, sc)
		}
	case syntax.Block:
		return e.block(n.List, sc.inner())
	case syntax.If:
		e.expr(n.A, sc)
		e.guard++
		a := e.statement(n.B, sc.inner())
		b := e.statement(n.C, sc.inner())
		e.guard--
		return (a|b)&(leaves|breaks) | a&b&ends
	case syntax.For:
		inner := sc.inner()
		if n.List[0] != nil {
			e.start(n.List[0], inner)
		}
		e.expr(n.A, inner)
		f := e.statement(n.B, inner)
		e.expr(n.List[1], inner)
		return f & leaves
	case syntax.ForIn:
		return e.forIn(n, sc)
	case syntax.While:
		e.expr(n.A, sc)
		return e.statement(n.B, sc.inner()) & leaves
	case syntax.Return:
		v := e.await(e.expr(n.A, sc))
		if n.A == nil {
			v = &value{kind: void}
		}
		e.returns = append(e.returns, v)
		if e.returned != nil {
			e.returned(n, v)
		}
		return ends | leaves
	case syntax.Throw:
		e.expr(n.A, sc)
		return ends | leaves
	case syntax.Break, syntax.Continue:
		return ends | breaks
	case syntax.Try:
		f := e.block(n.A.List, sc.inner())
		if n.B != nil {
			inner := sc.inner()
			if len(n.List) > 0 {
				e.bind(n.List[0], nothing, inner, false)
			}
			e.guard++
			f = f&^ends | e.block(n.B.List, inner)&(leaves|breaks) | f&ends
			e.guard--
		}
		if n.C != nil {
			f |= e.block(n.C.List, sc.inner())
		}
		return f
	case syntax.Switch:
		e.expr(n.A, sc)
		inner := sc.inner()
		var all flow
		e.guard++
		for _, c := range n.List {
			e.expr(c.A, inner)
			all |= e.block(c.List, inner)
		}
		e.guard--
		return all & leaves
	case syntax.Label:
		return e.statement(n.A, sc)
	case syntax.FuncDecl: // hoisted
	case syntax.ClassDecl:
		sc.names[n.A.Name] = &value{kind: class, node: n.A}
	}
	return 0
}

// start carries out the first part of a for.
func (e *eval) start(n *syntax.Node, sc *scope) {
	if n.Kind == syntax.Var {
		e.statement(n, sc)
	} else {
		e.expr(n, sc)
	}
}

func (e *eval) declare(d *syntax.Node, sc *scope) {
	v := &value{kind: void}
	if d.B != nil {
		v = e.await(e.expr(d.B, sc))
	}
	if d.Type != nil {
		v = e.refine(v, d.Type)
	}
	e.bind(d.A, v, sc, false)
}

// refine adds what an annotation tells to what the value tells.
func (e *eval) refine(v *value, t *syntax.Type) *value {
	a := e.annotated(t, e.mod, 0)
	switch {
	case v.kind == unknown && v.shape == nil, v.kind == void && a.kind != unknown:
		if a.kind == object && v.typ != nil {
			return v
		}
		w := *a
		w.from, w.hand, w.maybe = v.from, v.hand, v.maybe
		if v.typ != nil && w.kind == unknown {
			w.typ = v.typ
		}
		return &w
	case v.kind == list && v.elem.kind == unknown && a.kind == list:
		w := *v
		w.elem = a.elem
		return &w
	}
	return v
}

func (e *eval) forIn(n *syntax.Node, sc *scope) flow {
	of := e.expr(n.B, sc)
	elem := nothing
	guard := e.guard
	if n.Is(syntax.Of) {
		switch {
		case of.kind == querying && (n.Is(syntax.Awaits) || of.q.ent):
			rows := e.end(of.q, "each")
			elem = rows.elem
			if rows.sieve {
				e.guard++
			}
		case of.kind == list:
			elem = of.elem
			if of.sieve {
				e.guard++
			}
		default:
			elem = derive(nil, of)
		}
	}
	inner := sc.inner()
	if n.A.Kind == syntax.Var {
		if len(n.A.List) > 0 {
			e.bind(n.A.List[0].A, elem, inner, false)
		}
	} else {
		e.rebind(n.A, elem, inner)
	}
	f := e.statement(n.C, inner)
	e.guard = guard
	return f & leaves
}

// closure makes a function's value; unless it is called, it is read at the
// end of the function around it.
func (e *eval) closure(n *syntax.Node, sc *scope) *value {
	c := &closure{node: n, scope: sc, guard: e.guard}
	if e.sink != nil {
		e.later = append(e.later, c)
	}
	return &value{kind: function, fn: c, node: n}
}

// apply calls a function with what is known of its arguments.
func (e *eval) apply(c *closure, args []*value) *value {
	if c.node.Body == nil && c.node.A == nil || e.calls >= maxCalls || e.active[c.node] > 0 || e.budget <= 0 {
		return e.promised(c, nothing)
	}
	c.applied++
	e.active[c.node]++
	e.calls++
	mod, returns, returned, guard := e.mod, e.returns, e.returned, e.guard
	e.mod, e.returns, e.returned = c.scope.mod, nil, nil
	out := e.run(c, args)
	e.mod, e.returns, e.returned, e.guard = mod, returns, returned, guard
	e.calls--
	e.active[c.node]--
	return e.promised(c, out)
}

// promised adds what the annotation of the result tells.
func (e *eval) promised(c *closure, v *value) *value {
	if c.node.Type == nil || v.kind != unknown || v.shape != nil {
		return v
	}
	a := e.annotated(c.node.Type, c.scope.mod, 0)
	if a.kind == unknown {
		return v
	}
	w := *a
	w.from = v.from
	return &w
}

// run carries out a function's body in place of what is at hand.
func (e *eval) run(c *closure, args []*value) *value {
	sc := c.scope.inner()
	for i, p := range c.node.List {
		v := nothing
		switch {
		case p.A.Kind == syntax.Spread && i < len(args):
			v = &value{kind: list, elem: nothing}
		case i < len(args) && args[i] != nil:
			v = args[i]
		}
		e.parameter(p, v, sc)
	}
	if c.node.A != nil {
		v := e.await(e.expr(c.node.A, sc))
		if e.returned != nil {
			e.returned(c.node.A, v)
		}
		return v
	}
	f := e.block(c.node.Body.List, sc)
	if f&ends == 0 {
		e.returns = append(e.returns, &value{kind: void})
	}
	if c.node.Is(syntax.Generator) || e.budget <= 0 {
		return nothing
	}
	var out *value
	for _, r := range e.returns {
		out = join(out, r)
	}
	if out == nil {
		return nothing // it always throws
	}
	return out
}

func (e *eval) parameter(p *syntax.Node, v *value, sc *scope) {
	if p.Type != nil {
		v = e.refine(v, p.Type)
	}
	if v.kind == unknown && v.shape == nil && p.A.Kind == syntax.Ident {
		switch name := p.A.Name; {
		case name == "ctx" || name == "_ctx" || isContext(name):
			v = &value{kind: contextual}
		case name == "db":
			v = &value{kind: database}
		}
	}
	if p.B != nil {
		v = defaulted(v, e.expr(p.B, sc))
	}
	e.bind(p.A, v, sc, true)
}

// unit reads a function at the top, and the functions in it that nothing in
// it calls.
func (e *eval) unit(u unit) {
	c := &closure{node: u.fn, scope: e.mod.scope}
	e.apply(c, e.handlerArgs(u))
	e.rest()
}

// rest reads the functions that were not called, and tells of the queries
// that nothing ended.
func (e *eval) rest() {
	for i := 0; i < len(e.later) && e.budget > 0; i++ {
		c := e.later[i]
		if c.applied > 0 {
			continue
		}
		guard := e.guard
		e.guard = c.guard
		e.apply(c, nil)
		e.guard = guard
	}
	for _, q := range e.open {
		if !*q.ended {
			e.mod = q.mod
			e.read(q, "")
		}
	}
	e.open = nil
}

// handlerArgs are ctx and the arguments of a registered function.
func (e *eval) handlerArgs(u unit) []*value {
	if e.name == "" {
		return nil
	}
	if !u.direct || u.key != "handler" && u.key != "" {
		return []*value{nil, nil}
	}
	args := nothing
	t, ok := e.s.args[e.name]
	if !ok {
		t = e.declaredArgs(u)
	}
	if t != nil && t.Kind == schema.Object {
		args = &value{shape: t, exact: u.plain}
	}
	return []*value{{kind: contextual}, args}
}

// declaredArgs reads the args beside a handler.
func (e *eval) declaredArgs(u unit) *schema.Validator {
	x, ok := e.mod.exports[u.export]
	if !ok {
		return nil
	}
	n := e.mod.initial(x)
	if n == nil || n.Kind != syntax.Call || len(n.List) == 0 {
		return nil
	}
	options := e.s.top(e.mod, n.List[0])
	if options.kind != object {
		return nil
	}
	m, ok := options.obj.get("args")
	if !ok {
		return nil
	}
	return validatorOf(m.val)
}

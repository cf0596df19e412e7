package scan

import (
	"fmt"
	"slices"
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/schema"
	"strait/model/source"
)

// call evaluates a call by what is called.
func (e *eval) call(n *syntax.Node, sc *scope) *value {
	callee := n.A
	for callee.Kind == syntax.Cast {
		callee = callee.A
	}
	if callee.Kind != syntax.Member {
		return e.called(n, e.expr(callee, sc), sc)
	}
	of := e.expr(callee.A, sc)
	switch of.kind {
	case database:
		return e.databaseCall(n, callee, e.all(n.List, sc))
	case querying:
		return e.queryCall(of.q, callee, n, sc)
	case document:
		if op := source.Op(callee.Name); op == source.Patch || op == source.Replace || op == source.Delete {
			return e.entWrite(op, of.s, callee.Pos, e.all(n.List, sc))
		}
	case scheduler:
		return e.schedule(n, callee, e.all(n.List, sc))
	case contextual:
		if v := e.contextCall(n, callee, sc); v != nil {
			return v
		}
	case list:
		if v := e.listCall(of, callee, n, sc); v != nil {
			return v
		}
	case crons:
		return e.cron(n, callee, e.all(n.List, sc))
	case external:
		if of.s == "convex/values:v" {
			return builder(callee.Name, e.all(n.List, sc))
		}
	}
	f := e.memberOf(callee, of)
	if f.kind == function || f.kind == external {
		return e.called(n, f, sc)
	}
	args := e.all(n.List, sc)
	e.hands(of, args)
	e.callbacks(args)
	return derive(resultOf(callee.Name), append(args, of)...)
}

// Methods that only strings, numbers or dates have, or that answer alike on
// all that have them.
var results = map[string]*schema.Validator{
	"toString": aString, "toUpperCase": aString, "toLowerCase": aString, "trim": aString, "trimStart": aString, "trimEnd": aString,
	"padStart": aString, "padEnd": aString, "toFixed": aString, "toISOString": aString, "toLocaleString": aString, "toLocaleDateString": aString,
	"replaceAll": aString, "charAt": aString, "substring": aString, "localeCompare": aNumber, "normalize": aString, "repeat": aString,
	"startsWith": aBoolean, "endsWith": aBoolean, "includes": aBoolean, "getTime": aNumber, "indexOf": aNumber, "charCodeAt": aNumber,
	"getUTCFullYear": aNumber, "getFullYear": aNumber,
}

func resultOf(name string) *schema.Validator { return results[name] }

// called evaluates the call of a function's value.
func (e *eval) called(n *syntax.Node, f *value, sc *scope) *value {
	switch f.kind {
	case external:
		return e.externalCall(n, f.s, sc)
	case function:
		args := e.all(n.List, sc)
		if slices.ContainsFunc(n.List, func(a *syntax.Node) bool { return a.Kind == syntax.Spread }) {
			args = nil
		}
		if f.fn.scope.parent == nil {
			return e.helper(f.fn, args)
		}
		return e.apply(f.fn, args)
	}
	args := e.all(n.List, sc)
	e.hands(f, args)
	e.callbacks(args)
	return derive(nil, append(args, f)...)
}

// helper calls a function of the top of a module: what it does is told where
// it stands, or in the migration that calls it; here counts what it returns.
func (e *eval) helper(c *closure, args []*value) *value {
	u := e.s.used[c.node]
	if u == nil {
		u = &usage{}
		e.s.used[c.node] = u
	}
	if e.sink != nil && e.sink.body != nil {
		u.migrations = true
		if e.calls >= maxCalls && given(args) {
			e.sink.body.Open = true
		}
		return e.apply(c, args)
	}
	u.others = true
	if e.quiet >= maxQuiet {
		return e.promised(c, nothing)
	}
	blurred := make([]*value, len(args))
	var key strings.Builder
	fmt.Fprintf(&key, "%p", c.node)
	for i, a := range args {
		blurred[i] = e.blur(a, &key, 0)
	}
	out, ok := e.s.helpers[key.String()]
	if !ok {
		e.quietly(func() {
			budget, calls := e.budget, e.calls
			e.budget, e.calls = min(budget, maxHelper), 0
			spare := e.budget
			e.quiet++
			out = e.apply(c, blurred)
			e.quiet--
			ended := e.budget > 0
			e.budget, e.calls = budget-(spare-e.budget), calls
			if ended {
				e.s.helpers[key.String()] = out
			}
		})
	}
	e.callbacks(args)
	return out
}

// blur is an argument as a helper's result is remembered by: without what is
// certain of it, and written to key.
func (e *eval) blur(v *value, key *strings.Builder, depth int) *value {
	if v == nil || depth > 3 {
		return nothing
	}
	w := &value{kind: v.kind, s: v.s, shape: v.shape, maybe: v.maybe, ent: v.ent, mod: v.mod, node: v.node, fn: v.fn}
	fmt.Fprintf(key, "|%d", v.kind)
	switch v.kind {
	case text:
		if len(v.s) > 40 || strings.ContainsAny(v.s, " \n/:") { // a message, no table
			return nothing
		}
	case void, unknown, validator, querying, crons, class:
		w = &value{shape: v.shape, maybe: v.maybe}
	case list, page:
		w.elem = e.blur(v.elem, key, depth+1)
		for _, x := range v.items {
			w.items = append(w.items, e.blur(x, key, depth+1))
		}
	case object:
		w.obj = &record{open: true}
		for _, f := range v.obj.fields {
			key.WriteString(f.name)
			w.obj.fields = append(w.obj.fields, member{f.name, e.blur(f.val, key, depth+1), f.maybe})
		}
	case function:
		fmt.Fprintf(key, "%p", v.fn.scope)
	}
	fmt.Fprintf(key, "%s %p %p %v", w.s, w.shape, w.node, w.maybe)
	return w
}

// given reports whether a function gets hold of ctx or ctx.db.
func given(args []*value) bool {
	return slices.ContainsFunc(args, func(a *value) bool {
		switch a.kind {
		case contextual, database, querying:
			return true
		case object:
			return slices.ContainsFunc(a.obj.fields, func(f member) bool { return given([]*value{f.val}) })
		}
		return false
	})
}

// hands notes that code which was not read gets hold of ctx, or of an object
// that it may change.
func (e *eval) hands(f *value, args []*value) {
	if e.sink != nil && e.sink.body != nil && given(args) {
		e.sink.body.Open = true
	}
	if f.kind == external && (strings.HasPrefix(f.s, ":console") || strings.HasPrefix(f.s, ":Object.keys") || strings.HasPrefix(f.s, ":JSON")) {
		return
	}
	for _, a := range args {
		if a.kind == object && f.kind != database {
			a.obj.open = true
		}
	}
}

// callbacks reads the functions that are handed to code which was not read.
func (e *eval) callbacks(args []*value) {
	if e.sink == nil {
		return
	}
	for _, a := range args {
		if a.kind == function && a.fn.scope.parent != nil && a.fn.applied == 0 {
			e.apply(a.fn, nil)
		}
	}
}

// externalCall evaluates calls of JavaScript's own functions and of packages.
func (e *eval) externalCall(n *syntax.Node, name string, sc *scope) *value {
	if name == "convex/server:cronJobs" {
		return &value{kind: crons}
	}
	args := e.all(n.List, sc)
	arg := func(i int) *value {
		if i < len(args) {
			return args[i]
		}
		return nothing
	}
	switch name {
	case ":Date.now", ":performance.now":
		e.clock()
		return known(aNumber)
	case ":Math.random":
		e.clock()
		return known(aNumber)
	case ":Date":
		e.clock()
		return known(aString)
	case ":String":
		return derive(aString, args...)
	case ":Number", ":parseInt", ":parseFloat", ":Number.parseInt", ":Number.parseFloat", ":Date.parse", ":Date.UTC":
		return derive(aNumber, args...)
	case ":Boolean", ":Array.isArray", ":Number.isFinite", ":Number.isInteger", ":isNaN", ":Number.isNaN":
		return derive(aBoolean, args...)
	case ":BigInt":
		return derive(aBigint, args...)
	case ":JSON.stringify", ":crypto.randomUUID":
		if name == ":crypto.randomUUID" {
			e.clock()
		}
		return derive(aString, args...)
	case ":Promise.all", ":Promise.resolve", ":Array.from", ":structuredClone", ":Object.freeze":
		out := arg(0)
		if len(args) > 1 && args[1].kind == function {
			out = &value{kind: list, elem: e.callback(args[1], element(out))}
		}
		return out
	case ":Promise.allSettled", ":Promise.race":
		return nothing
	case ":Object.assign":
		if a := arg(0); a.kind == object {
			for _, b := range args[1:] {
				e.spread(a.obj, b)
			}
			return a
		}
		return derive(nil, args...)
	}
	switch {
	case strings.HasPrefix(name, ":Math."):
		return derive(aNumber, args...)
	case strings.HasPrefix(name, ":crypto."):
		e.clock()
	case strings.HasPrefix(name, ":console."):
		return &value{kind: void}
	}
	if name == "@convex-dev/auth/server:getAuthUserId" { // by its type
		return &value{kind: identity, s: "users", maybe: true}
	}
	if v := e.helperPackage(n, name, args); v != nil {
		return v
	}
	e.hands(&value{kind: external, s: name}, args)
	e.callbacks(args)
	return derive(nil, args...)
}

// helperPackage knows some functions of convex-helpers; nil for others.
func (e *eval) helperPackage(n *syntax.Node, name string, args []*value) *value {
	if !strings.HasPrefix(name, "convex-helpers") {
		return nil
	}
	_, f, _ := strings.Cut(name, ":")
	switch f {
	case "asyncMap":
		if len(args) == 2 && args[1].kind == function {
			return &value{kind: list, elem: e.callback(args[1], element(args[0]))}
		}
	case "nullThrows":
		if len(args) > 0 {
			w := *args[0]
			w.maybe = false
			return &w
		}
	case "filter":
		if len(args) == 2 && args[0].kind == querying {
			q := *args[0].q
			q.sieve = true
			e.callback(args[1], e.row(&q))
			return &value{kind: querying, q: &q}
		}
	case "stream", "paginator":
		if len(args) > 0 && args[0].kind == database {
			return args[0]
		}
	case "getManyFrom", "getOneFrom", "getOneFromOrThrow":
		if len(args) >= 3 && args[1].kind == text {
			q := &query{table: args[1].s, index: args[2].s, bounded: true, pos: n.Pos, mod: e.mod, ended: new(bool)}
			if f == "getManyFrom" {
				return e.end(q, "collect")
			}
			return e.end(q, "unique")
		}
	}
	return nil
}

func element(v *value) *value {
	if v.kind == list {
		return v.elem
	}
	return nothing
}

// clock notes that a migration does not do the same each time.
func (e *eval) clock() {
	if e.sink != nil && e.sink.body != nil {
		e.sink.body.Clock = true
	}
}

func (e *eval) newObject(n *syntax.Node, sc *scope) *value {
	args := e.all(n.List, sc)
	switch n.A.Name {
	case "Date":
		if len(args) == 0 {
			e.clock()
		}
		return derive(nil, args...)
	case "Set":
		if len(args) == 1 && args[0].kind == list {
			w := *args[0]
			w.typ = nil
			return &w
		}
	}
	e.hands(nothing, args)
	e.callbacks(args)
	return derive(nil, args...)
}

// callback calls what a list is mapped by.
func (e *eval) callback(f *value, args ...*value) *value {
	if f.kind != function {
		return nothing
	}
	if f.fn.scope.parent == nil && f.fn.node.Kind == syntax.Func && !f.fn.node.Is(syntax.Arrow) {
		return e.helper(f.fn, args)
	}
	return e.apply(f.fn, args)
}

// listCall evaluates the methods of arrays; nil for others.
func (e *eval) listCall(of *value, callee, n *syntax.Node, sc *scope) *value {
	args := e.all(n.List, sc)
	f := nothing
	if len(args) > 0 {
		f = args[0]
	}
	guard := e.guard
	defer func() { e.guard = guard }()
	if of.sieve {
		e.guard++
	}
	same := func(sieve bool) *value {
		return &value{kind: list, elem: of.elem, sieve: of.sieve || sieve, maybe: of.maybe}
	}
	switch callee.Name {
	case "map", "flatMap":
		out := e.callback(f, of.elem, known(aNumber))
		if callee.Name == "flatMap" {
			out = element(out)
		}
		return &value{kind: list, elem: out, sieve: of.sieve}
	case "forEach":
		e.callback(f, of.elem, known(aNumber))
		return &value{kind: void}
	case "some", "every":
		e.callback(f, of.elem)
		return derive(aBoolean, of)
	case "filter":
		e.callback(f, of.elem)
		return same(true)
	case "find", "findLast":
		e.callback(f, of.elem)
		w := *of.elem
		w.maybe, w.typ = true, nil
		return &w
	case "at", "pop", "shift":
		w := *of.elem
		w.maybe, w.typ = true, nil
		return &w
	case "slice", "sort", "toSorted", "reverse", "toReversed", "splice", "values":
		e.callback(f, of.elem, of.elem)
		return same(false)
	case "concat":
		out := same(false)
		for _, a := range args {
			out.elem = join(out.elem, element(a))
		}
		return out
	case "flat":
		return &value{kind: list, elem: element(of.elem), sieve: of.sieve}
	case "reduce":
		var start *value = nothing
		if len(args) > 1 {
			start = weak(args[1])
		}
		out := e.callback(f, start, of.elem)
		return derive(sameKind(start, out), of, out)
	case "join":
		return derive(aString, of)
	case "push", "add", "unshift":
		e.grow(callee.A, of, args, sc)
		return derive(aNumber, of)
	case "includes", "has":
		return derive(aBoolean, of)
	}
	e.callbacks(args)
	return derive(resultOf(callee.Name), append(args, of)...)
}

// sameKind is the type of a sum that begins with start.
func sameKind(start, out *value) *schema.Validator {
	if start.typ != nil && out.typ != nil && base(start.typ) == base(out.typ) {
		return kindOf(base(out.typ))
	}
	return nil
}

// grow puts elements into a list that a variable holds.
func (e *eval) grow(n *syntax.Node, of *value, args []*value, sc *scope) {
	if n.Kind != syntax.Ident {
		return
	}
	_, in := sc.find(n.Name)
	if in == nil {
		return
	}
	w := *of
	w.items = nil
	w.typ = &schema.Validator{Kind: schema.Array, Element: anything}
	empty := of.elem == nothing
	for _, a := range args {
		if empty {
			w.elem, empty = a, false
		} else {
			w.elem = join(w.elem, a)
		}
	}
	w.sieve = w.sieve || e.guard > 0
	in.names[n.Name] = &w
}

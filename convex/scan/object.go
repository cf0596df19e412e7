package scan

import (
	"slices"
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/schema"
	"strait/model/source"
)

// arithmetic is the type of a computation; nil when the text does not tell
// numbers from strings or from bigints.
func arithmetic(op string, a, b *value) *schema.Validator {
	x, y := certain(a), certain(b)
	switch {
	case x == schema.Bigint || y == schema.Bigint:
		return aBigint
	case op == "+" && (x == schema.String || y == schema.String || x == schema.ID || y == schema.ID):
		return aString
	case x == schema.Number && y == schema.Number:
		return aNumber
	case op != "+" && (x == schema.Number || y == schema.Number):
		return aNumber // a bigint would throw
	}
	return nil
}

// certain is the kind of a value in a computation.
func certain(v *value) schema.Kind {
	if v.typ != nil {
		return base(v.typ)
	}
	return schema.Any
}

// typeOf is what is known of a value as a field's; anything else is any.
func typeOf(v *value) *schema.Validator {
	if v == nil {
		return anything
	}
	switch {
	case v.kind == object && !v.obj.open && !v.maybe:
		t := &schema.Validator{Kind: schema.Object}
		for _, f := range v.obj.fields {
			if f.val.kind == void && f.val.typ == nil {
				continue // undefined is left out
			}
			t.Fields = append(t.Fields, schema.Field{Name: f.name, Type: typeOf(f.val), Optional: f.maybe || f.val.maybe})
		}
		return t
	case v.typ == nil:
		return anything
	}
	return v.typ
}

// object evaluates an object literal.
func (e *eval) object(n *syntax.Node, sc *scope) *value {
	r := &record{guard: e.guard}
	var from []string
	for _, p := range n.List {
		if p.Kind == syntax.Spread {
			v := e.expr(p.A, sc)
			from = union(from, v.from)
			e.spread(r, v)
			continue
		}
		if p.A != nil {
			key := e.expr(p.A, sc)
			v := e.expr(p.B, sc)
			if key.kind == text {
				r.set(member{name: key.s, val: v})
			} else {
				r.open = true
			}
			from = union(from, v.from)
			continue
		}
		if p.Is(syntax.Accessor) {
			e.expr(p.B, sc)
			r.open = true
			continue
		}
		r.set(member{name: p.Name, val: e.expr(p.B, sc)})
	}
	return &value{kind: object, obj: r, from: from}
}

// spread puts the fields of v into r.
func (e *eval) spread(r *record, v *value) {
	switch {
	case v.kind == void:
	case v.kind == object:
		for _, f := range v.obj.fields {
			r.set(member{f.name, f.val, f.maybe || v.maybe})
		}
		r.open = r.open || v.obj.open
	case v.exact && v.shape != nil && v.shape.Kind == schema.Object:
		for _, f := range v.shape.Fields {
			r.set(member{f.Name, argument(f), f.Optional || v.maybe})
		}
	default:
		r.open = true
	}
}

// argument is the value of one argument of a function.
func argument(f schema.Field) *value {
	w := *shaped(f.Type)
	if !f.Optional {
		w.typ = plain(f.Type)
	}
	w.maybe = w.maybe || f.Optional
	return &w
}

// memberOf is what a.b is.
func (e *eval) memberOf(n *syntax.Node, of *value) *value { return e.field(of, n.Name, n) }

// field is a property of a value. n, when not nil, is the expression.
func (e *eval) field(of *value, name string, n *syntax.Node) *value {
	switch of.kind {
	case contextual:
		switch name {
		case "db":
			return &value{kind: database}
		case "scheduler":
			return &value{kind: scheduler}
		case "ctx":
			return of
		}
		return nothing
	case document:
		return e.documentField(of, name)
	case page:
		if name == "page" {
			return &value{kind: list, elem: of.elem, sieve: of.sieve}
		}
		return nothing
	case object:
		if m, ok := of.obj.get(name); ok {
			if m.maybe || of.maybe {
				return join(m.val, &value{kind: void})
			}
			return m.val
		}
		if !of.obj.open {
			return &value{from: of.from}
		}
	case reference:
		return &value{kind: reference, s: of.s + "." + name}
	case namespace:
		return e.s.exportValue(of.mod, name)
	case external:
		return &value{kind: external, s: of.s + "." + name}
	case list:
		if name == "length" || name == "size" {
			return derive(aNumber, of)
		}
	case validator:
		if name == "fields" && of.shape != nil && of.shape.Kind == schema.Object {
			r := &record{}
			for _, f := range of.shape.Fields {
				r.set(member{name: f.Name, val: &value{kind: validator, shape: f.Type, maybe: f.Optional}})
			}
			return &value{kind: object, obj: r}
		}
		if name == "members" || name == "element" {
			return nothing
		}
	}
	if of.shape != nil && of.shape.Kind == schema.Object {
		if f := of.shape.Field(name); f != nil {
			if of.exact {
				return with(argument(*f), of.from)
			}
			return with(optional(shaped(f.Type), f.Optional), of.from)
		}
	}
	if named := e.byName(name, n); named != nil && of.kind == unknown {
		return named
	}
	return &value{from: of.from}
}

// byName takes what is called ctx, or is the db of something called ctx, for
// what it is called.
func (e *eval) byName(name string, n *syntax.Node) *value {
	if strings.EqualFold(name, "ctx") {
		return &value{kind: contextual}
	}
	if n == nil || n.A == nil || name != "db" && name != "scheduler" {
		return nil
	}
	of := n.A
	for of.Kind == syntax.Cast {
		of = of.A
	}
	if (of.Kind == syntax.Ident || of.Kind == syntax.Member) && strings.HasSuffix(strings.ToLower(of.Name), "ctx") {
		if name == "db" {
			return &value{kind: database}
		}
		return &value{kind: scheduler}
	}
	return nil
}

// idOf is an id that is certain to be one of a table.
func idOf(table string, hand bool) *value {
	v := &value{kind: identity, s: table, hand: hand}
	if table != "" {
		v.typ = &schema.Validator{Kind: schema.ID, Table: table}
	}
	return v
}

func (e *eval) documentField(of *value, name string) *value {
	if name == "_id" {
		return idOf(of.s, of.hand)
	}
	out := nothing
	if of.shape != nil {
		out = shapeField(of.shape, name)
	}
	if name == "_creationTime" {
		out = known(aNumber)
	}
	if of.hand {
		return with(out, []string{name})
	}
	return with(out, of.from)
}

// optional is v, which may be absent when may says so.
func optional(v *value, may bool) *value {
	if !may || v.maybe {
		return v
	}
	w := *v
	w.maybe = true
	return &w
}

// shapeField is a field of a document, of a union of objects too.
func shapeField(t *schema.Validator, name string) *value {
	switch t.Kind {
	case schema.Object:
		if f := t.Field(name); f != nil {
			return optional(shaped(f.Type), f.Optional)
		}
	case schema.Union:
		var out *value
		for _, m := range t.Members {
			if v := shapeField(m, name); v != nothing {
				out = join(out, v)
			}
		}
		if out != nil {
			return out
		}
	}
	return nothing
}

// assign carries out an assignment.
func (e *eval) assign(n *syntax.Node, sc *scope) *value {
	v := e.expr(n.B, sc)
	if n.Name != "=" {
		old := e.expr(n.A, sc)
		switch n.Name {
		case "??=", "||=", "&&=":
			v = join(old, v)
		default:
			v = derive(arithmetic(strings.TrimSuffix(n.Name, "="), old, v), old, v)
		}
	}
	target := n.A
	for target.Kind == syntax.Cast {
		target = target.A
	}
	switch target.Kind {
	case syntax.Ident:
		if old, in := sc.find(target.Name); in != nil {
			if e.guard > 0 && v.kind != void || e.calls > 0 {
				in.names[target.Name] = weak(join(old, v))
			} else {
				in.names[target.Name] = weak(v)
			}
		}
	case syntax.Member:
		if of := e.expr(target.A, sc); of.kind == object {
			of.obj.set(member{target.Name, v, e.guard > of.obj.guard})
		}
	case syntax.Index:
		of, at := e.expr(target.A, sc), e.expr(target.B, sc)
		if of.kind == object {
			if at.kind == text {
				of.obj.set(member{at.s, v, e.guard > of.obj.guard})
			} else {
				of.obj.open = true
			}
		}
	case syntax.Object, syntax.Array:
		e.rebind(target, v, sc)
	}
	return v
}

// rebind assigns to the names of a pattern.
func (e *eval) rebind(target *syntax.Node, v *value, sc *scope) {
	inner := sc.inner()
	e.bind(target, v, inner, false)
	for name, to := range inner.names {
		if _, in := sc.find(name); in != nil {
			in.names[name] = weak(to)
		}
	}
}

// bind gives the names of a pattern their values. parameter says that what is
// called db in an unknown object is ctx.db.
func (e *eval) bind(p *syntax.Node, v *value, sc *scope, parameter bool) {
	if p == nil {
		return
	}
	switch p.Kind {
	case syntax.Ident:
		if e.mod.assigned[p.Name] {
			v = weak(v)
		}
		sc.names[p.Name] = v
	case syntax.Default:
		d := e.expr(p.B, sc)
		e.bind(p.A, defaulted(v, d), sc, parameter)
	case syntax.Cast:
		e.bind(p.A, v, sc, parameter)
	case syntax.Assign: // of a pattern that was read as an expression
		e.bind(p.A, defaulted(v, e.expr(p.B, sc)), sc, parameter)
	case syntax.Spread:
		e.bind(p.A, v, sc, false)
	case syntax.Array:
		for i, x := range p.List {
			var elem *value
			if v.kind == list && i < len(v.items) {
				elem = v.items[i]
			} else if v.kind == list {
				elem = v.elem
			} else {
				elem = derive(nil, v)
			}
			if x != nil && x.Kind == syntax.Spread {
				elem = v
			}
			e.bind(x, elem, sc, false)
		}
	case syntax.Object:
		e.bindObject(p, v, sc, parameter)
	}
}

// defaulted is v, or d where v is absent. What it is then is not certain.
func defaulted(v, d *value) *value {
	if v.kind == unknown && v.shape == nil {
		return with(&value{from: v.from}, d.from)
	}
	w := *v
	w.typ = nil
	return &w
}

func (e *eval) bindObject(p *syntax.Node, v *value, sc *scope, parameter bool) {
	var taken []string
	for _, f := range p.List {
		if f.Kind == syntax.Spread {
			e.bind(f.A, rest(v, taken), sc, false)
			continue
		}
		name := f.Name
		if f.A != nil {
			if key := e.expr(f.A, sc); key.kind == text {
				name = key.s
			}
		}
		taken = append(taken, name)
		inner := e.field(v, name, nil)
		if parameter && v.kind == unknown && inner.kind == unknown && inner.shape == nil {
			switch name {
			case "db":
				inner = &value{kind: database}
			case "scheduler":
				inner = &value{kind: scheduler}
			}
		}
		if f.C != nil {
			inner = defaulted(inner, e.expr(f.C, sc))
		}
		e.bind(f.B, inner, sc, false)
	}
}

// rest is what { a, ...rest } leaves.
func rest(v *value, taken []string) *value {
	switch {
	case v.kind == object:
		r := &record{open: v.obj.open, guard: v.obj.guard}
		for _, f := range v.obj.fields {
			if !slices.Contains(taken, f.name) {
				r.fields = append(r.fields, f)
			}
		}
		return &value{kind: object, obj: r, from: v.from}
	case v.exact && v.shape != nil && v.shape.Kind == schema.Object:
		t := &schema.Validator{Kind: schema.Object}
		for _, f := range v.shape.Fields {
			if !slices.Contains(taken, f.Name) {
				t.Fields = append(t.Fields, f)
			}
		}
		return &value{shape: t, exact: true}
	}
	return &value{from: v.from}
}

// written are the fields that a write of v sets.
func written(v *value) (list []source.Field, open bool) {
	switch {
	case v.kind == object:
		for _, f := range v.obj.fields {
			list = append(list, fieldOf(f.name, f.val, f.maybe || v.maybe))
		}
		return list, v.obj.open
	case v.exact && v.shape != nil && v.shape.Kind == schema.Object:
		for _, f := range v.shape.Fields {
			list = append(list, fieldOf(f.Name, argument(f), f.Optional))
		}
		return list, false
	}
	return nil, true
}

func fieldOf(name string, v *value, maybe bool) source.Field {
	f := source.Field{Name: name, Value: typeOf(v), Maybe: maybe, From: fields(v)}
	if v.kind == void && v.typ == nil {
		f.Unset, f.Value = true, anything
	} else if v.maybe && v.kind != object {
		f.Value = anything
	}
	return f
}

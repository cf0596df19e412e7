package scan

import (
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/schema"
)

// annotated is what an annotation tells: Id<"orders">, Doc<"orders">[],
// MutationCtx, { orderId: Id<"orders"> }, also by a name declared elsewhere.
func (e *eval) annotated(t *syntax.Type, m *module, depth int) *value {
	if t == nil || depth > 12 {
		return nothing
	}
	switch t.Kind {
	case syntax.List:
		return &value{kind: list, elem: e.annotated(t.Args[0], m, depth+1)}
	case syntax.Union:
		var only *value
		for _, a := range t.Args {
			if a.Kind == syntax.Ref && (a.Name == "null" || a.Name == "undefined" || a.Name == "void") {
				continue
			}
			v := e.annotated(a, m, depth+1)
			if only != nil && (only.kind != v.kind || only.s != v.s || only.kind == object) {
				return nothing
			}
			only = v
		}
		if only == nil {
			return nothing
		}
		return only
	case syntax.Shape:
		return e.annotatedShape(t, m, depth)
	case syntax.Ref:
		return e.annotatedRef(t, m, depth)
	}
	return nothing
}

// annotatedShape is an object type: its fields tell of tables; it may have
// more, and what they are for certain it does not tell.
func (e *eval) annotatedShape(t *syntax.Type, m *module, depth int) *value {
	r := &record{open: true}
	for _, base := range t.Args {
		if v := e.annotated(base, m, depth+1); v.kind == object {
			r.fields = append(r.fields, v.obj.fields...)
		} else if v.kind == document {
			return v
		}
	}
	for _, f := range t.Fields {
		r.set(member{f.Name, e.annotated(f.Type, m, depth+1), f.Optional})
	}
	return &value{kind: object, obj: r}
}

func (e *eval) annotatedRef(t *syntax.Type, m *module, depth int) *value {
	last := t.Name[strings.LastIndexByte(t.Name, '.')+1:]
	arg := func(i int) *syntax.Type {
		if i < len(t.Args) {
			return t.Args[i]
		}
		return &syntax.Type{}
	}
	switch last {
	case "Id", "GenericId":
		if a := arg(0); a.Kind == syntax.Literal {
			return &value{kind: identity, s: a.Name}
		}
		return nothing
	case "Doc", "WithoutSystemFields", "Ent", "EntWriter":
		if a := arg(0); a.Kind == syntax.Literal {
			return &value{kind: document, s: a.Name, shape: e.documentShape(a.Name), ent: strings.HasPrefix(last, "Ent")}
		} else if last == "WithoutSystemFields" {
			return e.annotated(a, m, depth+1)
		}
		return nothing
	case "Promise", "Awaited", "NonNullable", "Readonly", "Partial", "Required", "Pick", "Omit", "Exclude", "Extract":
		return e.annotated(arg(0), m, depth+1)
	case "Array", "ReadonlyArray", "Set", "ReadonlySet":
		return &value{kind: list, elem: e.annotated(arg(0), m, depth+1)}
	case "Map", "Record":
		return nothing
	case "DatabaseReader", "DatabaseWriter", "GenericDatabaseReader", "GenericDatabaseWriter":
		return &value{kind: database}
	case "Scheduler":
		return &value{kind: scheduler}
	case "[]": // T["field"]
		of := e.annotated(t.Args[0], m, depth+1)
		return e.field(of, t.Args[1].Name, nil)
	}
	if isContext(last) {
		return &value{kind: contextual}
	}
	if in, found := e.s.typeNamed(m, t.Name, 0); found != nil {
		return e.annotated(found, in, depth+1)
	}
	return nothing
}

// isContext reports whether a type's name is that of a function's context.
func isContext(name string) bool {
	return strings.HasSuffix(name, "Ctx") || strings.HasSuffix(name, "CTX")
}

// typeNamed follows a type's name to its declaration.
func (s *scanner) typeNamed(m *module, name string, depth int) (*module, *syntax.Type) {
	if t := m.types[name]; t != nil {
		return m, t
	}
	b, ok := m.bindings[name]
	if !ok || b.from == "" || depth > 10 {
		return nil, nil
	}
	to := s.resolve(m, b.from)
	if to == nil {
		return nil, nil
	}
	if to.types[b.name] != nil {
		return to, to.types[b.name]
	}
	if x, ok := to.exports[b.name]; ok && x.from != "" {
		if next := s.resolve(to, x.from); next != nil {
			return s.typeNamed(next, x.local, depth+1)
		}
	}
	for _, star := range to.stars {
		if next := s.resolve(to, star); next != nil {
			if in, t := s.typeNamed(next, b.name, depth+1); t != nil {
				return in, t
			}
		}
	}
	return nil, nil
}

// documentShape is what the schema says of a table's documents.
func (e *eval) documentShape(table string) *schema.Validator {
	if t := e.s.in.Schema.Table(table); t != nil {
		return t.Document
	}
	return nil
}

// builder evaluates a call of v: v.id("orders"), v.object({...}).
func builder(name string, args []*value) *value {
	out := func(t *schema.Validator) *value { return &value{kind: validator, shape: t} }
	inner := func() *schema.Validator {
		if len(args) > 0 && args[0].kind == validator && args[0].shape != nil {
			return args[0].shape
		}
		return anything
	}
	switch name {
	case "string", "number", "boolean", "bytes", "null", "any", "bigint":
		return out(kindOf(schema.Kind(name)))
	case "float64":
		return out(aNumber)
	case "int64":
		return out(aBigint)
	case "id":
		if len(args) > 0 && args[0].kind == text {
			return out(&schema.Validator{Kind: schema.ID, Table: args[0].s})
		}
	case "array":
		return out(&schema.Validator{Kind: schema.Array, Element: inner()})
	case "optional":
		v := out(inner())
		v.maybe = true
		return v
	case "nullable":
		return out(&schema.Validator{Kind: schema.Union, Members: []*schema.Validator{inner(), aNull}})
	case "object":
		if len(args) > 0 && args[0].kind == object {
			return out(validatorOf(args[0]))
		}
	case "union":
		u := &schema.Validator{Kind: schema.Union}
		for _, a := range args {
			if a.kind != validator || a.shape == nil {
				return out(anything)
			}
			u.Members = append(u.Members, a.shape)
		}
		return out(u)
	case "literal":
		if len(args) > 0 && args[0].typ != nil && args[0].typ.Kind == schema.Literal {
			return out(args[0].typ)
		}
	}
	return out(anything)
}

// validatorOf reads { a: v.string() } or v.object({...}); nil when it is
// neither, or not told whole.
func validatorOf(v *value) *schema.Validator {
	if v == nil {
		return nil
	}
	if v.kind == validator && v.shape != nil && v.shape.Kind == schema.Object {
		return v.shape
	}
	if v.kind != object || v.obj.open {
		return nil
	}
	t := &schema.Validator{Kind: schema.Object}
	for _, f := range v.obj.fields {
		field := schema.Field{Name: f.name, Type: anything, Optional: f.maybe || f.val.maybe}
		if f.val.kind == validator && f.val.shape != nil {
			field.Type = f.val.shape
		}
		t.Fields = append(t.Fields, field)
	}
	return t
}

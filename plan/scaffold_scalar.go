package plan

import (
	"fmt"
	"strings"

	"strait/model/schema"
)

// scalar converts between types where one way is right, with the odd cases in
// sight; else it is a person's choice.
func (c *coder) scalar(e string, m, to *schema.Validator, at string) string {
	if lit := soleLiteral(to); lit != nil {
		return literalCode(lit) + " as const"
	}
	var ts []*schema.Validator
	for _, t := range members(to) {
		if t.Kind != schema.Null {
			ts = append(ts, t)
		}
	}
	if len(ts) != 1 {
		return c.choose(e, m, to, at)
	}
	kind := m.Kind
	if kind == schema.Literal {
		kind = sort(m)
	}
	switch t := ts[0]; t.Kind {
	case schema.String:
		switch kind {
		case schema.Number, schema.Bigint, schema.Boolean:
			return "String(" + e + ")"
		}
	case schema.Number:
		return c.toNumber(e, m, kind, to, at)
	case schema.Bigint:
		return c.toBigint(e, m, kind, to, at)
	case schema.Array:
		if accepts(t.Element, m) {
			return "[" + e + "]"
		}
	case schema.ID:
		return c.toID(e, m, t, to, at)
	}
	return c.choose(e, m, to, at)
}

func (c *coder) toNumber(e string, m *schema.Validator, kind schema.Kind, to *schema.Validator, at string) string {
	switch kind {
	case schema.String:
		return c.parse("toNumber", "text: string", "number", "Number(text)", `text.trim() === "" || Number.isNaN(value)`,
			"a text that is no number", at) + "(" + e + ")"
	case schema.Bigint:
		return c.parse("toNumber", "exact: bigint", "number", "Number(exact)", "BigInt(value) !== exact",
			"an integer too large for v.number()", at) + "(" + e + ")"
	case schema.Boolean:
		return e + " ? 1 : 0"
	}
	return c.choose(e, m, to, at)
}

func (c *coder) toBigint(e string, m *schema.Validator, kind schema.Kind, to *schema.Validator, at string) string {
	switch kind {
	case schema.Number:
		return c.whole("number: number", "number", "BigInt(number)", at) + "(" + e + ")"
	case schema.Boolean:
		return e + " ? 1n : 0n"
	}
	return c.choose(e, m, to, at)
}

// parse is a function that converts, and throws TODO in the odd case.
func (c *coder) parse(name, takes, gives, value, odd, what, at string) string {
	return c.helper(name, name+takes+at, func(name string) string {
		what := "say what becomes of " + what + " in " + at
		c.todo = append(c.todo, what)
		return fmt.Sprintf("const %s = (%s): %s => {\n  const value = %s;\n  // TODO: %s.\n  if (%s) {\n    throw new Error(%s);\n  }\n  return value;\n};\n",
			name, takes, gives, value, comment(what), odd, quoted("TODO: "+what))
	})
}

// whole is a function that makes an integer of a number that is one.
func (c *coder) whole(takes, arg, value, at string) string {
	return c.helper("toBigint", "whole "+at, func(name string) string {
		what := "say what becomes of a fraction or NaN in " + at
		c.todo = append(c.todo, what)
		return fmt.Sprintf("const %s = (%s): bigint => {\n  // TODO: %s.\n  if (!Number.isSafeInteger(%s)) {\n    throw new Error(%s);\n  }\n  return %s;\n};\n",
			name, takes, comment(what), arg, quoted("TODO: "+what), value)
	})
}

// toID looks up the document that an id, or a text, stands for.
func (c *coder) toID(e string, m, t, to *schema.Validator, at string) string {
	if m.Kind == schema.String {
		return fmt.Sprintf("ctx.db.normalizeId(%s, %s) ?? %s", quoted(t.Table), e, c.choose(e, m, to, at))
	}
	if m.Kind != schema.ID {
		return c.choose(e, m, to, at)
	}
	name := c.helper("lookUp"+pascal(lastName(at)), "look up "+at+show(m)+show(t), func(name string) string {
		what := fmt.Sprintf("find the document of %s that stands for the one of %s", t.Table, m.Table)
		var b strings.Builder
		fmt.Fprintf(&b, "const %s = async (_old: %s): Promise<%s> => {\n", name, c.of(m), c.of(t))
		if index, field := c.linkOf(t.Table, m.Table); index != "" {
			fmt.Fprintf(&b, "  const found = await ctx.db\n    .query(%s)\n    .withIndex(%s, (q) => q.eq(%s, _old))\n    .first();\n", quoted(t.Table), quoted(index), quoted(field))
			b.WriteString("  if (found !== null) return found._id;\n")
		}
		fmt.Fprintf(&b, "  // TODO: %s.\n  throw new Error(%s);\n};\n", comment(what), quoted("TODO: "+what))
		c.todo = append(c.todo, what)
		return b.String()
	})
	return "await " + name + "(" + e + ")"
}

// linkOf is an index of a table by ids of another one.
func (c *coder) linkOf(table, other string) (index, field string) {
	t := c.widened.Table(table)
	if t == nil {
		return "", ""
	}
	doc := orAny(t.Document)
	return indexBy(t, func(field string) bool {
		f := doc.Field(field)
		return f != nil && f.Type.Kind == schema.ID && f.Type.Table == other
	})
}

// fits is the name of a function of the body that checks a whole value: for
// types that no short condition tells apart.
func (c *coder) fits(to *schema.Validator) string {
	return c.helper("fits", "fits "+show(to), func(name string) string {
		return fitsFunction(name, "value is "+c.of(to), c.check("value", to, false))
	})
}

// fitsFunction is a function that checks a value.
func fitsFunction(name, gives string, check cond) string {
	body := check.layout(lineWidth - 10)
	if len(body) > lineWidth/2 {
		body = "\n  " + nested(body)
	} else {
		body = " " + body
	}
	return "const " + name + " = (value: any): " + gives + " =>" + body + ";\n"
}

// check is true for a value of any type that fits t. The document itself has
// system fields beside those of its validator.
func (c *coder) check(e string, t *schema.Validator, document bool) cond {
	typed := func(name string) cond { return isEqual("typeof "+e, quoted(name)) }
	switch t.Kind {
	case schema.Null:
		return isEqual(e, "null")
	case schema.Number:
		return typed("number")
	case schema.Bigint, schema.CommitTs:
		return typed("bigint")
	case schema.Boolean:
		return typed("boolean")
	case schema.String:
		return typed("string")
	case schema.Bytes:
		return isTrue(e + " instanceof ArrayBuffer")
	case schema.Literal:
		return isEqual(e, literalCode(t))
	case schema.ID:
		return all(typed("string"), isUnequal("ctx.db.normalizeId("+quoted(t.Table)+", "+e+")", "null"))
	case schema.Array:
		item, done := c.local("item")
		defer done()
		return all(isTrue("Array.isArray("+e+")"), isTrue(e+".every(("+item+": any) => "+c.check(item, t.Element, false).String()+")"))
	case schema.Record:
		key, done := c.local("key")
		defer done()
		item, done2 := c.local("item")
		defer done2()
		inner := all(c.check(key, t.Key, false), c.check(item, t.Element, false))
		return all(c.someObject(e), isTrue("Object.entries("+e+").every((["+key+", "+item+"]: [string, any]) => "+inner.String()+")"))
	case schema.Object:
		return c.checkObject(e, t, document)
	case schema.Union:
		parts := []cond{{}}
		for _, m := range members(t) {
			parts = append(parts, c.check(e, m, document))
		}
		return some(parts...)
	}
	return cond{kind: always}
}

func (c *coder) someObject(e string) cond {
	return all(isEqual("typeof "+e, `"object"`), isUnequal(e, "null"),
		isTrue("Array.isArray("+e+")").not(), isTrue(e+" instanceof ArrayBuffer").not())
}

func (c *coder) checkObject(e string, t *schema.Validator, document bool) cond {
	var names []string
	var parts []cond
	if !document {
		parts = append(parts, c.someObject(e))
	}
	for _, f := range t.Fields {
		names = append(names, quoted(f.Name))
		inner := c.check(access(e, f.Name), f.Type, false)
		if f.Optional {
			inner = some(isEqual(access(e, f.Name), "undefined"), inner)
		} else if f.Type.Kind == schema.Any {
			inner = isUnequal(access(e, f.Name), "undefined")
		}
		parts = append(parts, inner)
	}
	key, done := c.local("key")
	defer done()
	known := isTrue("[" + strings.Join(names, ", ") + "].includes(" + key + ")")
	if document {
		known = some(isTrue(key+".startsWith(\"_\")"), known)
	}
	if len(names) == 0 && !document {
		return all(append(parts, isEqual("Object.keys("+e+").length", "0"))...)
	}
	return all(append(parts, isTrue("Object.keys("+e+").every(("+key+") => "+known.String()+")"))...)
}

package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strait/model/schema"
)

// coder writes the code of one migration: conditions, conversions and the
// functions in its body that they call. What only a person can choose becomes
// a function that throws TODO, typed by what it takes and must give.
type coder struct {
	typer
	place   string            // of the row, for messages
	from    map[string]string // what fields of the row's object are copied from, by name
	checks  []string          // functions of the body that the guard calls
	given   map[string]given  // sources of fields of the document
	helpers []string          // those that what follows calls, in order
	named   map[string]string // helpers by what they do
	used    map[string]int    // local names
	known   map[string]bool   // conditions that hold after the guard
	exact   bool              // the result must have the type of the target, not just the widened one
	todo    []string
	widened *schema.Schema
}

func newCoder(ids, place string) *coder {
	return &coder{typer: typer{ids}, place: place, from: map[string]string{}, named: map[string]string{}, used: map[string]int{}, known: map[string]bool{}}
}

// know takes note of what holds after a guard that returns unless is.
func (c *coder) know(is cond) {
	c.known[is.String()] = true
	if is.kind == allOf {
		for _, p := range is.parts {
			c.known[p.String()] = true
		}
	}
}

// holds reports whether a condition is known to hold.
func (c *coder) holds(is cond) bool {
	if is.kind == allOf && !c.known[is.String()] {
		return !slices.ContainsFunc(is.parts, func(p cond) bool { return !c.holds(p) })
	}
	return is.kind == always || c.known[is.String()]
}

// either is a ? b where a does not go without saying, else b.
func (c *coder) either(is cond, yes, no string) string {
	switch {
	case c.holds(is):
		return yes
	case c.holds(is.not()):
		return no
	}
	if strings.Contains(yes, " ? ") && !strings.HasPrefix(yes, "{") {
		yes = wrapped(yes)
	}
	return is.String() + " ? " + yes + " : " + no
}

// local is a name that hides none of the scopes around it; done ends its own.
func (c *coder) local(name string) (unique string, done func()) {
	c.used[name]++
	if n := c.used[name]; n > 1 {
		return name + strconv.Itoa(n), func() { c.used[name]-- }
	}
	return name, func() { c.used[name]-- }
}

// helper adds a function to the body, once for each thing it does, and
// returns its name.
func (c *coder) helper(name, does string, code func(name string) string) string {
	if n, ok := c.named[does]; ok {
		return n
	}
	unique := name
	for i := 2; c.has(unique); i++ {
		unique = name + strconv.Itoa(i)
	}
	c.named[does] = unique
	if text := code(unique); strings.HasPrefix(does, "fits ") {
		c.checks = append(c.checks, text)
	} else {
		c.helpers = append(c.helpers, text)
	}
	return unique
}

func (c *coder) has(name string) bool {
	for _, n := range c.named {
		if n == name {
			return true
		}
	}
	return false
}

// choose is a call of a function that a person must fill in: it takes value
// (none for a field that is absent) and gives what fits to.
func (c *coder) choose(e string, from, to *schema.Validator, at string) string {
	does := "choose " + at + " " + show(from) + " " + show(to)
	takes, gives, async := "", c.of(to), ""
	if holdsID(to) { // to be looked up
		async, gives = "async ", "Promise<"+gives+">"
	}
	if from != nil {
		takes = "_value: " + c.of(from)
	}
	what := "choose " + at + " where it is absent"
	if from != nil {
		what = "say what becomes of " + at + " where it is " + phrase(from)
	}
	name := c.helper("choose"+pascal(lastName(at)), does, func(name string) string {
		c.todo = append(c.todo, what)
		var b strings.Builder
		fmt.Fprintf(&b, "// TODO: %s: %s.\n", comment(what), comment(phrase(to)))
		fmt.Fprintf(&b, "const %s = %s(%s): %s => {\n", name, async, takes, gives)
		writeCases(&b, from, at)
		b.WriteString("};\n")
		return b.String()
	})
	if async != "" {
		name = "await " + name
	}
	if from == nil {
		return name + "()"
	}
	return name + "(" + e + ")"
}

// holdsID reports whether a value of v may hold ids.
func holdsID(v *schema.Validator) (holds bool) {
	eachID(v, "", func(string, string) { holds = true })
	return holds
}

// writeCases writes the body of a choice: a case for each literal, so that
// none is forgotten, or one throw.
func writeCases(b *strings.Builder, from *schema.Validator, at string) {
	if from == nil || from.Kind != schema.Boolean && (!onlyLiterals(members(from)) || from.Kind != schema.Union) {
		fmt.Fprintf(b, "  throw new Error(%s);\n", quoted("TODO: choose "+at))
		return
	}
	cases := []string{"true", "false"}
	if from.Kind != schema.Boolean {
		cases = nil
		for _, m := range members(from) {
			cases = append(cases, literalCode(m))
		}
	}
	b.WriteString("  switch (_value) {\n")
	for _, x := range cases {
		fmt.Fprintf(b, "    case %s:\n      throw new Error(%s);\n", x, quoted("TODO: choose "+at+" for "+x))
	}
	b.WriteString("  }\n")
}

func lastName(path string) string {
	names := strings.FieldsFunc(path, func(r rune) bool { return strings.ContainsRune(".[]{}()", r) })
	if len(names) == 0 {
		return "value"
	}
	return names[len(names)-1]
}

// convert is an expression for e made to fit to, for any value of from; it
// holds await where it must. at is the path for messages.
func (c *coder) convert(e string, from, to *schema.Validator, at string) string {
	if accepts(to, from) {
		return e
	}
	ms := kindsOf(from)
	var literals []*schema.Validator // that a person must map, together
	type branch struct {
		when cond
		then string
	}
	var branches []branch
	rest, kept := 0, e // members that fit as they are, and their code
	if blurred(ms) {
		kept = c.cast(e, to)
	}
	for _, m := range ms {
		if accepts(to, m) {
			rest++
			continue
		}
		if m.Kind == schema.Literal && len(ms) > 1 && soleLiteral(to) == nil {
			literals = append(literals, m)
			continue
		}
		is, ok := c.is(e, m, ms)
		misfit, ok2 := c.memberMisfit(e, m, to)
		if !ok || !ok2 {
			return c.either(isTrue(c.fits(to)+"("+e+")"), e, c.choose(e, from, to, at))
		}
		value := e
		if strings.Contains(is.String(), "normalizeId(") { // which TypeScript does not narrow by
			value = e + " as " + c.of(m)
		}
		if m.Kind == schema.Literal && hasKind(ms, schema.ID) { // nor by === beside ids
			value = e + " as " + c.of(m)
		}
		then := c.convertMember(value, m, to, at)
		if isScalar(m) && !strings.HasPrefix(then, "ctx.db.normalizeId(") {
			fits := e
			if strings.Contains(misfit.String(), "normalizeId(") {
				fits = c.cast(e, to)
			}
			then = c.either(misfit, then, fits)
		}
		branches = append(branches, branch{is, then})
	}
	if len(literals) > 0 {
		var parts []cond
		for _, m := range literals {
			parts = append(parts, isEqual(e, literalCode(m)))
		}
		u, value := unionOf(literals), e
		if hasKind(ms, schema.ID) {
			value = e + " as " + c.of(u)
		}
		branches = append(branches, branch{some(parts...), c.choose(value, u, to, at)})
	}
	out := kept
	if rest == 0 { // the last needs no condition
		out = branches[len(branches)-1].then
		branches = branches[:len(branches)-1]
	}
	for _, b := range slices.Backward(branches) {
		out = c.either(b.when, b.then, out)
	}
	return out
}

// blurred reports whether TypeScript loses track of what is left of a union
// after some of it is ruled out: ids are strings to it, arrays are objects.
func blurred(ms []*schema.Validator) bool {
	n := 0
	for _, m := range ms {
		switch m.Kind {
		case schema.ID:
			return len(ms) > 1
		case schema.Object, schema.Record, schema.Array, schema.Bytes:
			n++
		}
	}
	return n > 1
}

// cast gives a value that fits the type that TypeScript cannot know it has.
func (c *coder) cast(e string, to *schema.Validator) string {
	if !c.exact {
		return e
	}
	return "(" + e + " as " + c.of(to) + ")"
}

func unionOf(vs []*schema.Validator) *schema.Validator {
	if len(vs) == 1 {
		return vs[0]
	}
	return &schema.Validator{Kind: schema.Union, Members: vs}
}

// isScalar reports whether some values of the type may fit where others do not.
func isScalar(v *schema.Validator) bool {
	switch v.Kind {
	case schema.String, schema.Number, schema.Bigint, schema.Boolean:
		return true
	}
	return false
}

// soleLiteral is the only value that v has, if it is a literal.
func soleLiteral(v *schema.Validator) *schema.Validator {
	if ms := members(v); len(ms) == 1 && ms[0].Kind == schema.Literal {
		return ms[0]
	}
	return nil
}

// convertMember is convert for a value that is known to be of the member m.
func (c *coder) convertMember(e string, m, to *schema.Validator, at string) string {
	ts := members(to)
	switch m.Kind {
	case schema.Object:
		if t, _ := counterpart(m, ts); t != nil {
			return c.objectLiteral(e, m, t, at)
		}
	case schema.Array:
		if same := ofKind(ts, schema.Array); len(same) == 1 {
			return c.mapElements(e, m, same[0], at)
		}
	case schema.Record:
		if same := ofKind(ts, schema.Record); len(same) == 1 {
			return c.mapRecord(e, m, same[0], at)
		}
	case schema.Null:
		return c.absent(to, at, m)
	}
	return c.scalar(e, m, to, at)
}

// objectLiteral is the object with what changes put in its place: a field
// written as undefined is dropped by Convex.
func (c *coder) objectLiteral(e string, m, t *schema.Validator, at string) string {
	parts := append([]string{"..." + e}, c.assignments(e, m, t, at)...)
	return block(parts, 60)
}

// block is an object literal, over several lines when it is wider than most.
func block(parts []string, most int) string {
	line := "{ " + strings.Join(parts, ", ") + " }"
	if len(parts) == 0 {
		return "{}"
	}
	if len(line) <= most && !strings.Contains(line, "\n") {
		return line
	}
	return "{\n  " + nested(strings.Join(parts, ",\n")) + ",\n}"
}

// assignments are the fields of an object that change, as an object literal
// or a patch has them.
func (c *coder) assignments(e string, m, t *schema.Validator, at string) []string {
	var out []string
	for _, f := range m.Fields {
		g := t.Field(f.Name)
		ref, place := access(e, f.Name), at+"."+f.Name
		switch {
		case g == nil:
			out = append(out, property(f.Name)+": undefined")
		case f.Optional && !g.Optional:
			out = append(out, property(f.Name)+": "+c.required(e, ref, m, f, g.Type, place))
		case !accepts(g.Type, f.Type):
			v := c.optional(ref, f.Type, g, place)
			if f.Optional && !c.misfit(ref, f.Type, g.Type).tests(ref) {
				v = c.either(isEqual(ref, "undefined"), "undefined", v)
			}
			out = append(out, property(f.Name)+": "+v)
		}
	}
	for _, g := range t.Fields {
		if m.Field(g.Name) == nil && !g.Optional {
			out = append(out, property(g.Name)+": "+c.absent(g.Type, at+"."+g.Name, nil))
		}
	}
	return out
}

// optional converts a field that may be absent afterwards: null becomes that
// where it may no longer stand.
func (c *coder) optional(ref string, from *schema.Validator, g *schema.Field, place string) string {
	ms := members(from)
	i := slices.IndexFunc(ms, func(m *schema.Validator) bool { return m.Kind == schema.Null })
	if !g.Optional || i < 0 || accepts(g.Type, nullValidator) || len(ms) == 1 {
		return c.convert(ref, from, g.Type, place)
	}
	return c.either(isEqual(ref, "null"), "undefined", c.convert(ref, unionOf(slices.Delete(slices.Clone(ms), i, i+1)), g.Type, place))
}

// required is a field that may have been absent.
func (c *coder) required(e, ref string, m *schema.Validator, f schema.Field, to *schema.Validator, place string) string {
	absent := isEqual(ref, "undefined")
	if c.holds(absent.not()) {
		return c.convert(ref, f.Type, to, place)
	}
	var instead string
	if old := m.Field(c.from[f.Name]); old != nil {
		instead = c.copied(access(e, old.Name), *old, to, place)
	} else if g, ok := c.given[f.Name]; ok && e == "doc" {
		instead = c.value(e, g, m, to, place)
	} else {
		instead = c.absent(to, place, nil)
	}
	if c.holds(absent) {
		return instead
	}
	return orInstead(ref, f.Type, c.convert(ref, f.Type, to, place), instead)
}

// copied is the value of another field, made to fit.
func (c *coder) copied(ref string, old schema.Field, to *schema.Validator, place string) string {
	value := c.convert(ref, old.Type, to, place)
	if !old.Optional {
		return value
	}
	return orInstead(ref, old.Type, value, c.absent(to, place, nil))
}

// orInstead is value, or instead where ref, which it is made of, is absent.
func orInstead(ref string, from *schema.Validator, value, instead string) string {
	if value == ref && !accepts(from, nullValidator) {
		return ref + " ?? " + wrapped(instead)
	}
	return ref + " === undefined ? " + wrapped(instead) + " : " + value
}

var nullValidator = &schema.Validator{Kind: schema.Null}

// wrapped sets parentheses around what would mix with the operators before it.
func wrapped(e string) string {
	if strings.Contains(e, " ? ") || strings.Contains(e, " ?? ") {
		return "(" + e + ")"
	}
	return e
}

func (c *coder) mapElements(e string, m, t *schema.Validator, at string) string {
	item, done := c.local("item")
	defer done()
	inner := c.convert(item, m.Element, t.Element, at+"[]")
	if strings.HasPrefix(inner, "{") {
		inner = "(" + inner + ")"
	}
	if awaits.MatchString(inner) {
		return invoke("await Promise.all", e+".map(async ("+item+") => "+inner+")")
	}
	return e + ".map((" + item + ") => " + inner + ")"
}

func (c *coder) mapRecord(e string, m, t *schema.Validator, at string) string {
	key, done := c.local("key")
	defer done()
	item, done2 := c.local("item")
	defer done2()
	pair := "[" + c.convert(key, m.Key, t.Key, at+".keys()") + ", " + c.convert(item, m.Element, t.Element, at+"{}") + "]"
	entries := "Object.entries(" + e + ")"
	if awaits.MatchString(pair) {
		return invoke("Object.fromEntries", invoke("await Promise.all", entries+".map(async (["+key+", "+item+"]) => "+pair+" as const)"))
	}
	return invoke("Object.fromEntries", entries+".map((["+key+", "+item+"]) => "+pair+")")
}

// invoke is f(argument), on lines of its own where that is long.
func invoke(f, argument string) string {
	if line := f + "(" + argument + ")"; len(line) <= 70 && !strings.Contains(line, "\n") {
		return line
	}
	return f + "(\n  " + nested(argument) + ",\n)"
}

// absent is a value for a field that has none, or null: one that says nothing,
// or a person's choice.
func (c *coder) absent(to *schema.Validator, at string, was *schema.Validator) string {
	if e, ok := c.neutral(to); ok {
		return e
	}
	if was != nil {
		return c.choose("null", was, to, at)
	}
	return c.choose("", nil, to, at)
}

// neutral is the value of a type that claims nothing: an empty list, null, the
// only literal. Texts, numbers and booleans have none.
func (c *coder) neutral(v *schema.Validator) (string, bool) {
	if accepts(v, nullValidator) {
		return "null", true
	}
	ms := members(v)
	if len(ms) != 1 {
		return "", false
	}
	switch m := ms[0]; m.Kind {
	case schema.Array:
		return "[]", true
	case schema.Record:
		return "{}", true
	case schema.Literal:
		return literalCode(m) + " as const", true
	case schema.Object:
		var parts []string
		for _, f := range m.Fields {
			if f.Optional {
				continue
			}
			e, ok := c.neutral(f.Type)
			if !ok {
				return "", false
			}
			parts = append(parts, property(f.Name)+": "+e)
		}
		return block(parts, 60), true
	}
	return "", false
}

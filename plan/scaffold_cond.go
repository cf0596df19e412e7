package plan

import "strings"

// cond is a condition of TypeScript. The zero cond is never true.
type cond struct {
	kind  condKind
	left  string // of a comparison; the whole text of a call
	right string // of a comparison
	parts []cond // of all and any
}

type condKind int

const (
	never condKind = iota
	always
	equal
	unequal
	call    // left
	notCall // !left
	allOf
	anyOf
)

func isEqual(l, r string) cond   { return cond{kind: equal, left: l, right: r} }
func isUnequal(l, r string) cond { return cond{kind: unequal, left: l, right: r} }
func isTrue(text string) cond    { return cond{kind: call, left: text} }

// all is true when every part is.
func all(parts ...cond) cond { return combine(allOf, always, never, parts) }

// some is true when one part is.
func some(parts ...cond) cond { return combine(anyOf, never, always, parts) }

// combine joins parts, leaving out those of no effect; one of the kind end
// decides all.
func combine(kind, neutral, end condKind, parts []cond) cond {
	var kept []cond
	for _, p := range parts {
		switch p.kind {
		case neutral:
		case end:
			return p
		case kind:
			kept = append(kept, p.parts...)
		default:
			kept = append(kept, p)
		}
	}
	switch len(kept) {
	case 0:
		return cond{kind: neutral}
	case 1:
		return kept[0]
	}
	return cond{kind: kind, parts: kept}
}

func (c cond) not() cond {
	opposite := map[condKind]condKind{
		never: always, always: never, equal: unequal, unequal: equal, call: notCall, notCall: call, allOf: anyOf, anyOf: allOf,
	}
	out := cond{kind: opposite[c.kind], left: c.left, right: c.right}
	for _, p := range c.parts {
		out.parts = append(out.parts, p.not())
	}
	return out
}

func (c cond) String() string {
	switch c.kind {
	case never:
		return "false"
	case always:
		return "true"
	case equal:
		return c.left + " === " + c.right
	case unequal:
		return c.left + " !== " + c.right
	case call:
		return c.left
	case notCall:
		if strings.Contains(c.left, " instanceof ") || strings.Contains(c.left, " in ") {
			return "!(" + c.left + ")"
		}
		return "!" + c.left
	}
	return strings.Join(c.terms(), c.operator())
}

func (c cond) operator() string {
	if c.kind == allOf {
		return " && "
	}
	return " || "
}

// terms are the printed parts, in parentheses where they need them.
func (c cond) terms() []string {
	var out []string
	for _, p := range c.parts {
		text := p.String()
		if p.kind == allOf || p.kind == anyOf {
			text = "(" + text + ")"
		}
		out = append(out, text)
	}
	return out
}

// statement is `if (c) rest`, over several lines where one would be too long.
func (c cond) statement(rest string) string {
	if line := "if (" + c.String() + ") " + rest; len(line) <= lineWidth-4 {
		return line + "\n"
	}
	if rest != "{" {
		rest = "{\n  " + rest + "\n}"
	}
	if text := c.String(); len(text) <= lineWidth-12 {
		return "if (" + text + ") " + rest + "\n"
	}
	return "if (\n  " + nested(c.layout(lineWidth-6)) + "\n) " + rest + "\n"
}

// layout is the condition, a term a line where it is wider than most.
func (c cond) layout(most int) string {
	text := c.String()
	if len(text) <= most || c.kind != allOf && c.kind != anyOf {
		return text
	}
	var lines []string
	for _, p := range c.parts {
		line := p.layout(most - 2)
		if p.kind == allOf || p.kind == anyOf {
			if strings.Contains(line, "\n") {
				line = "(\n  " + nested(line) + "\n)"
			} else {
				line = "(" + line + ")"
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, strings.TrimRight(c.operator(), " ")+"\n")
}

// nested indents all lines but the first.
func nested(code string) string { return strings.ReplaceAll(code, "\n", "\n  ") }

// lineWidth is where code is wrapped.
const lineWidth = 100

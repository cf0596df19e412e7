package syntax

import "slices"

// parser is a recursive descent with one token in hand. Where the grammar
// needs to look further (arrow functions, type arguments) it tries, and comes
// back on failure; noArrow and budget keep that from taking long.
type parser struct {
	lexer
	jsx     bool
	depth   int
	budget  int
	noIn    bool         // "in" ends the expression: the head of a for
	inCond  bool         // between ? and : of a conditional
	noCond  bool         // in the extends clause of a conditional type
	noArrow map[int]bool // offsets of ( and < at which no arrow function begins
}

// run runs f and catches its syntax error.
func (p *parser) run(f func()) (err *syntaxError) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	f()
	return nil
}

// try runs f; when f says no or meets an error, nothing has happened.
func (p *parser) try(f func() bool) bool {
	saved, depth, noIn, inCond, noCond := p.lexer, p.depth, p.noIn, p.inCond, p.noCond
	ok := false
	err := p.run(func() { ok = f() })
	if err != nil && p.budget <= 0 {
		panic(err)
	}
	if ok && err == nil {
		return true
	}
	p.lexer, p.depth, p.noIn, p.inCond, p.noCond = saved, depth, noIn, inCond, noCond
	return false
}

// down goes one level deeper; call what it returns to come up.
func (p *parser) down() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.tok.start, "nested too deeply")
	}
}

func (p *parser) up() { p.depth-- }

// chain bounds expressions that are long without nesting: a + b + c + …
const chain = 2000

func (p *parser) long(n int) {
	if n > chain {
		p.fail(p.tok.start, "an expression too long")
	}
}

func (p *parser) next() {
	if p.budget--; p.budget <= 0 {
		p.fail(p.tok.start, "too ambiguous to read")
	}
	p.advance(p.tok.end)
}

func (p *parser) is(punct string) bool { return p.tok.kind == tPunct && p.tok.text == punct }

// word reports whether the current token is this keyword.
func (p *parser) word(name string) bool {
	return p.tok.kind == tName && p.tok.text == name && !p.tok.escaped
}

func (p *parser) eat(punct string) bool {
	if p.is(punct) {
		p.next()
		return true
	}
	return false
}

func (p *parser) eatWord(name string) bool {
	if p.word(name) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(punct string) {
	if !p.eat(punct) {
		p.unexpected()
	}
}

func (p *parser) expectWord(name string) {
	if !p.eatWord(name) {
		p.unexpected()
	}
}

// listed reads elements with commas between them, in brackets.
func (p *parser) listed(open, end string, element func()) {
	p.expect(open)
	for !p.is(end) {
		element()
		if !p.eat(",") {
			break
		}
	}
	p.expect(end)
}

func (p *parser) unexpected() {
	what := "the end of the file"
	if p.tok.kind != tEOF {
		what = p.text[p.tok.start:min(p.tok.end, p.tok.start+20)]
	}
	p.fail(p.tok.start, "unexpected "+what)
}

// peek is the token after the current one.
func (p *parser) peek() token {
	saved := p.lexer
	defer func() { p.lexer = saved }()
	var tok token
	if p.run(func() { p.next(); tok = p.tok }) != nil {
		return token{start: len(p.text), end: len(p.text)}
	}
	return tok
}

func (t token) is(puncts ...string) bool { return t.kind == tPunct && slices.Contains(puncts, t.text) }

func (p *parser) node(k Kind) *Node { return &Node{Kind: k, Pos: int32(p.tok.start)} }

// ended is the offset after the last token.
func (p *parser) ended(n *Node) *Node {
	n.End = int32(p.tok.start)
	return n
}

// reserved words are no names of variables.
var reserved = map[string]bool{
	"break": true, "case": true, "catch": true, "class": true, "const": true, "continue": true, "debugger": true, "default": true, "delete": true,
	"do": true, "else": true, "enum": true, "export": true, "extends": true, "false": true, "finally": true, "for": true, "function": true, "if": true,
	"import": true, "in": true, "instanceof": true, "new": true, "null": true, "return": true, "super": true, "switch": true, "this": true, "throw": true,
	"true": true, "try": true, "typeof": true, "var": true, "void": true, "while": true, "with": true,
}

// named reports whether the current token may name a variable.
func (p *parser) named() bool {
	return p.tok.kind == tName && (!reserved[p.tok.text] || p.tok.escaped)
}

func (p *parser) identifier() string {
	if !p.named() {
		p.unexpected()
	}
	name := p.tok.text
	p.next()
	return name
}

// semicolon ends a statement, also where it is left out.
func (p *parser) semicolon() {
	if !p.eat(";") && !p.is("}") && p.tok.kind != tEOF && !p.tok.newline {
		p.unexpected()
	}
}

package syntax

import "strings"

// precedence of the binary operators; 0 is none.
var precedence = map[string]int{
	"??": 1, "||": 2, "&&": 3, "|": 4, "^": 5, "&": 6, "==": 7, "!=": 7, "===": 7, "!==": 7,
	"<": 8, ">": 8, "<=": 8, ">=": 8, "instanceof": 8, "in": 8, "as": 8, "satisfies": 8,
	"<<": 9, ">>": 9, ">>>": 9, "+": 10, "-": 10, "*": 11, "/": 11, "%": 11, "**": 12,
}

var assignments = map[string]bool{
	"=": true, "+=": true, "-=": true, "*=": true, "/=": true, "%=": true, "**=": true, "<<=": true, ">>=": true, ">>>=": true,
	"&=": true, "|=": true, "^=": true, "&&=": true, "||=": true, "??=": true,
}

// joined is the operator at hand: a > joins with what follows it.
func (p *parser) joined() (op string, end int) {
	op, end = p.tok.text, p.tok.end
	if p.is(">") {
		for _, long := range []string{">>>=", ">>>", ">>=", ">>", ">="} {
			if strings.HasPrefix(p.text[p.tok.start:], long) {
				return long, p.tok.start + len(long)
			}
		}
	}
	return op, end
}

// expression reads one with commas.
func (p *parser) expression() *Node {
	first := p.assign()
	if !p.is(",") {
		return first
	}
	n := &Node{Kind: Sequence, Pos: first.Pos, List: []*Node{first}}
	for p.eat(",") {
		n.List = append(n.List, p.assign())
	}
	return n
}

// within reads an expression in brackets, where "in" is an operator again.
func (p *parser) within(f func() *Node) *Node {
	noIn, inCond := p.noIn, p.inCond
	p.noIn, p.inCond = false, false
	n := f()
	p.noIn, p.inCond = noIn, inCond
	return n
}

// assign reads an AssignmentExpression.
func (p *parser) assign() *Node {
	p.down()
	defer p.up()
	if n := p.arrow(); n != nil {
		return n
	}
	if p.word("yield") && !p.peek().is("=>", ")", ",", ":", ".", "=") {
		return p.yield()
	}
	left := p.conditional()
	if p.tok.kind != tPunct {
		return left
	}
	op, end := p.joined()
	if !assignments[op] {
		return left
	}
	p.tok.end = end
	p.next()
	return &Node{Kind: Assign, Pos: left.Pos, Name: op, A: left, B: p.assign()}
}

func (p *parser) yield() *Node {
	n := p.node(Yield)
	p.next()
	if p.tok.newline || p.is(")") || p.is("]") || p.is("}") || p.is(",") || p.is(";") || p.is(":") || p.tok.kind == tEOF {
		return n
	}
	p.eat("*")
	n.A = p.assign()
	return n
}

func (p *parser) conditional() *Node {
	test := p.binary(1)
	if !p.is("?") {
		return test
	}
	p.next()
	noIn, inCond := p.noIn, p.inCond
	p.noIn, p.inCond = false, true
	yes := p.assign()
	p.noIn, p.inCond = noIn, inCond
	p.expect(":")
	return &Node{Kind: Cond, Pos: test.Pos, A: test, B: yes, C: p.assign()}
}

func (p *parser) binary(least int) *Node {
	left := p.unary()
	for i := 0; ; i++ {
		p.long(i)
		op, end := p.joined()
		if p.tok.kind != tPunct && (p.tok.kind != tName || p.tok.escaped) {
			return left
		}
		level := precedence[op]
		if level < least || level == 0 || op == "in" && p.noIn {
			return left
		}
		if op == "as" || op == "satisfies" {
			if p.tok.newline {
				return left
			}
			p.next()
			left = &Node{Kind: Cast, Pos: left.Pos, A: left, Type: p.typ()}
			if op == "satisfies" {
				left.Flags |= Satisfies
			}
			continue
		}
		p.tok.end = end
		p.next()
		p.down()
		right := (*Node)(nil)
		if op == "**" {
			right = p.binary(level)
		} else {
			right = p.binary(level + 1)
		}
		p.up()
		left = &Node{Kind: Binary, Pos: left.Pos, Name: op, A: left, B: right}
	}
}

func (p *parser) unary() *Node {
	p.down()
	defer p.up()
	n := p.node(Unary)
	switch {
	case p.is("!"), p.is("~"), p.is("+"), p.is("-"), p.word("typeof"), p.word("void"), p.word("delete"):
		n.Name = p.tok.text
		p.next()
		n.A = p.unary()
		return n
	case p.is("++"), p.is("--"):
		n.Kind, n.Name = Update, p.tok.text
		p.next()
		n.A = p.unary()
		return n
	case p.word("await"):
		if after := p.peek(); after.is("=>", ")", ",", ".", "=", ";", "]", "}", ":", "?") || after.kind == tEOF {
			break // a name
		}
		n.Kind = Await
		p.next()
		n.A = p.unary()
		return n
	case p.is("<") && !p.jsx:
		n.Kind = Cast
		p.next()
		n.Type = p.typ()
		p.expect(">")
		n.A = p.unary()
		return n
	}
	a := p.postfix()
	if (p.is("++") || p.is("--")) && !p.tok.newline {
		a = &Node{Kind: Update, Pos: a.Pos, Name: p.tok.text, A: a}
		p.next()
	}
	return a
}

// postfix reads a primary expression and the members and calls after it.
func (p *parser) postfix() *Node {
	n := p.primary()
	for i := 0; ; i++ {
		p.long(i)
		switch {
		case p.is("."), p.is("?."):
			var flags Flags
			if p.is("?.") {
				flags = Optional
			}
			p.next()
			switch {
			case flags != 0 && p.is("("):
				n = &Node{Kind: Call, Pos: n.Pos, Flags: flags, A: n, List: p.arguments()}
				n.End = int32(p.tok.start)
			case flags != 0 && p.is("["):
				n = p.index(n, flags)
			case flags != 0 && p.is("<"):
				types := p.typeArguments()
				n = &Node{Kind: Call, Pos: n.Pos, Flags: flags, A: n, Types: types, List: p.arguments()}
			default:
				n = p.member(n, flags)
			}
		case p.is("["):
			n = p.index(n, 0)
		case p.is("("):
			n = &Node{Kind: Call, Pos: n.Pos, A: n, List: p.arguments()}
			n.End = int32(p.tok.start)
		case p.tok.kind == tTemplate:
			n = &Node{Kind: Tagged, Pos: n.Pos, A: n, B: p.template()}
		case p.is("!") && !p.tok.newline:
			p.next()
			n = &Node{Kind: Cast, Flags: NonNull, Pos: n.Pos, A: n}
		case p.is("<") || p.is("<<"):
			called := p.instantiated(n)
			if called == nil {
				return n
			}
			n = called
		default:
			return n
		}
	}
}

func (p *parser) member(of *Node, flags Flags) *Node {
	if p.tok.kind != tName && p.tok.kind != tPrivate {
		p.unexpected()
	}
	n := &Node{Kind: Member, Pos: int32(p.tok.start), Flags: flags, A: of, Name: p.tok.text}
	p.next()
	return n
}

func (p *parser) index(of *Node, flags Flags) *Node {
	p.expect("[")
	n := &Node{Kind: Index, Pos: of.Pos, Flags: flags, A: of, B: p.within(p.expression)}
	p.expect("]")
	return n
}

// instantiated reads f<T>(x), f<T>`x` and f<T>; nil when the < compares.
func (p *parser) instantiated(callee *Node) (out *Node) {
	p.try(func() bool {
		types := p.typeArguments()
		switch {
		case p.is("("):
			out = &Node{Kind: Call, Pos: callee.Pos, A: callee, Types: types, List: p.arguments()}
			out.End = int32(p.tok.start)
		case p.tok.kind == tTemplate:
			out = &Node{Kind: Tagged, Pos: callee.Pos, A: callee, B: p.template()}
		case p.tok.newline, p.tok.kind == tEOF, p.tok.kind == tPunct && !p.is("<") && !p.is("{") && !p.is("[") && !p.is("+") && !p.is("-") && !p.is("!") && !p.is("~") && !p.is("/"):
			out = &Node{Kind: Cast, Pos: callee.Pos, A: callee}
		default:
			return false
		}
		return true
	})
	return out
}

// arguments reads those of a call, with the parentheses.
func (p *parser) arguments() (list []*Node) {
	p.listed("(", ")", func() {
		list = append(list, p.within(p.spreadOr))
	})
	return list
}

// spreadOr reads an element: ...x or x.
func (p *parser) spreadOr() *Node {
	if !p.is("...") {
		return p.assign()
	}
	n := p.node(Spread)
	p.next()
	n.A = p.assign()
	return n
}

// literals are the nodes of the tokens that are values.
var literals = [...]Kind{tString: String, tNumber: Number, tBigInt: BigInt}

func (p *parser) primary() *Node {
	p.down()
	defer p.up()
	n := p.node(Bad)
	switch p.tok.kind {
	case tString, tNumber, tBigInt:
		n.Kind = literals[p.tok.kind]
		n.Name = p.tok.text
		p.next()
		return n
	case tTemplate:
		return p.template()
	case tPrivate: // #x in object
		n.Kind, n.Name = Ident, p.tok.text
		p.next()
		return n
	case tName:
		return p.nameExpression()
	case tPunct:
		switch p.tok.text {
		case "(":
			p.next()
			inner := p.within(p.expression)
			p.expect(")")
			inner.Flags |= Paren
			return inner
		case "[":
			return p.array(p.spreadOr)
		case "{":
			return p.object()
		case "/", "/=":
			n.Kind = Regex
			p.tok.end = p.regex(p.tok.start)
			p.next()
			return n
		case "<":
			return p.element()
		case "@":
			p.decorators()
			return p.class()
		}
	}
	p.unexpected()
	return nil
}

// nameExpression reads an expression that begins with a word.
func (p *parser) nameExpression() *Node {
	n := p.node(Ident)
	n.Name = p.tok.text
	if p.tok.escaped {
		p.next()
		return n
	}
	switch n.Name {
	case "null":
		n.Kind = Null
	case "true", "false":
		n.Kind = Bool
	case "function":
		return p.function(0)
	case "async":
		if after := p.peek(); after.kind == tName && after.text == "function" && !after.newline {
			p.next()
			return p.function(Async)
		}
	case "class":
		return p.class()
	case "new":
		return p.newExpression()
	case "import":
		p.next()
		if p.eat(".") {
			n.Name = "import." + p.tok.text
			p.next()
		}
		return n
	case "this", "super":
	default:
		if reserved[n.Name] {
			p.unexpected()
		}
	}
	p.next()
	return n
}

func (p *parser) newExpression() *Node {
	n := p.node(New)
	p.next()
	if p.eat(".") { // new.target
		n.Kind, n.Name = Ident, "new.target"
		p.next()
		return n
	}
	p.down()
	defer p.up()
	n.A = p.primary()
	for i := 0; ; i++ {
		p.long(i)
		switch {
		case p.eat("."):
			n.A = p.member(n.A, 0)
		case p.is("["):
			n.A = p.index(n.A, 0)
		case p.is("!") && !p.tok.newline:
			p.next()
		case p.is("<"):
			var types []*Type
			if !p.try(func() bool { types = p.typeArguments(); return true }) {
				return n
			}
			n.Types = types
		case p.is("("):
			n.List = p.arguments()
			return n
		default:
			return n
		}
	}
}

// template reads one from the ` in hand.
func (p *parser) template() *Node {
	n := p.node(Template)
	at := p.tok.end
	for {
		text, next, done := p.templateChunk(at)
		if done {
			if len(n.List) == 0 {
				n.Name = text
			}
			p.tok.end = next
			p.next()
			return n
		}
		p.tok.end = next
		p.next()
		n.List = append(n.List, p.within(p.expression))
		if !p.is("}") {
			p.unexpected()
		}
		at = p.tok.end
	}
}

// array reads one, or an array pattern, whose elements element reads.
func (p *parser) array(element func() *Node) *Node {
	n := p.node(Array)
	p.expect("[")
	for !p.is("]") {
		if p.is(",") {
			p.next()
			n.List = append(n.List, nil)
			continue
		}
		n.List = append(n.List, p.within(element))
		if !p.eat(",") {
			break
		}
	}
	p.expect("]")
	return n
}

// object reads one, which may turn out to be a pattern.
func (p *parser) object() *Node {
	n := p.node(Object)
	p.listed("{", "}", func() {
		n.List = append(n.List, p.within(p.property))
	})
	return p.ended(n)
}

func (p *parser) property() *Node {
	if p.is("...") {
		return p.spreadOr()
	}
	n := p.node(Property)
	flags := p.modifiers(n)
	shorthand := p.named()
	p.key(n)
	switch {
	case p.is("("), p.is("<"):
		n.Flags |= Method
		n.B = p.functionRest(&Node{Kind: Func, Pos: n.Pos, Flags: flags, Name: n.Name})
	case n.Flags&Accessor != 0:
		p.unexpected()
	case p.eat(":"):
		n.B = p.assign()
	case shorthand && n.A == nil:
		n.Flags |= Shorthand
		n.B = &Node{Kind: Ident, Pos: n.Pos, Name: n.Name}
		if p.eat("=") { // a pattern's default
			n.C = p.assign()
		}
	default:
		p.unexpected()
	}
	return n
}

// modifiers reads async, *, get and set before a key.
func (p *parser) modifiers(n *Node) (flags Flags) {
	keyFollows := func() bool {
		after := p.peek()
		return !after.is("(", ",", ":", "}", "=", "<", "?", "!", ";") && after.kind != tEOF
	}
	if p.word("async") && keyFollows() && !p.peek().newline {
		p.next()
		flags |= Async
	}
	if p.eat("*") {
		return flags | Generator
	}
	if (p.word("get") || p.word("set")) && keyFollows() {
		p.next()
		n.Flags |= Accessor
	}
	return flags
}

// key reads a property's name.
func (p *parser) key(n *Node) {
	switch {
	case p.tok.kind == tName, p.tok.kind == tString, p.tok.kind == tNumber, p.tok.kind == tPrivate, p.tok.kind == tBigInt:
		n.Name = p.tok.text
		p.next()
	case p.eat("["):
		n.A = p.within(p.assign)
		p.expect("]")
		if n.A.Kind == String {
			n.Name, n.A = n.A.Name, nil
		}
	default:
		p.unexpected()
	}
}

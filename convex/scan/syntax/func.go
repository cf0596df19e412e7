package syntax

// arrow reads an arrow function; nil when none begins here.
func (p *parser) arrow() *Node {
	switch {
	case p.word("async"):
		after := p.peek()
		if after.newline || !(after.is("(", "<") || after.kind == tName && !reserved[after.text]) {
			if after.is("=>") {
				break
			}
			return nil
		}
		if after.kind == tName {
			return p.tryArrow(Async, func() bool { p.next(); return p.named() && p.peek().is("=>") })
		}
		return p.tryArrow(Async, func() bool { p.next(); return p.parametersLikely() })
	case p.is("("), p.is("<"):
		return p.tryArrow(0, p.parametersLikely)
	}
	if !p.named() || !p.peek().is("=>") {
		return nil
	}
	n := &Node{Kind: Func, Flags: Arrow, Pos: int32(p.tok.start)}
	param := &Node{Kind: Param, Pos: n.Pos, A: &Node{Kind: Ident, Pos: n.Pos, Name: p.tok.text}}
	n.List = []*Node{param}
	p.next()
	return p.arrowBody(n)
}

// parametersLikely looks one token further, to try less often.
func (p *parser) parametersLikely() bool {
	if p.is("<") {
		after := p.peek()
		return after.kind == tName
	}
	if !p.is("(") {
		return false
	}
	after := p.peek()
	return after.kind == tName && (!reserved[after.text] || after.text == "this") || after.is(")", "...", "{", "[", "@")
}

func (p *parser) tryArrow(flags Flags, likely func() bool) (n *Node) {
	at := p.tok.start
	if p.noArrow[at] {
		return nil
	}
	ok := p.try(func() bool {
		if !likely() {
			return false
		}
		n = &Node{Kind: Func, Flags: flags | Arrow, Pos: int32(at)}
		if p.named() {
			param := &Node{Kind: Param, Pos: int32(p.tok.start), A: &Node{Kind: Ident, Pos: int32(p.tok.start), Name: p.tok.text}}
			n.List = []*Node{param}
			p.next()
		} else {
			generic := p.is("<")
			p.typeParameters()
			n.List = p.parameters()
			if p.eat(":") {
				n.Type = p.resultType()
				if p.inCond && !generic && p.is("=>") { // a ? (b) : c => d
					n = p.arrowBody(n)
					return p.is(":")
				}
			}
		}
		return p.is("=>") && !p.tok.newline
	})
	if !ok {
		if !p.inCond { // elsewhere it may be one
			p.noArrow[at] = true
		}
		return nil
	}
	if n.Body == nil && n.A == nil { // what follows => is a body: its errors count
		return p.arrowBody(n)
	}
	return n
}

func (p *parser) arrowBody(n *Node) *Node {
	p.expect("=>")
	if p.is("{") {
		n.Body = p.functionBody()
	} else {
		n.A = p.assign()
	}
	return p.ended(n)
}

func (p *parser) functionBody() *Node {
	return p.within(func() *Node { return p.block() })
}

// function reads a function expression or declaration from its keyword.
func (p *parser) function(flags Flags) *Node {
	n := p.node(Func)
	n.Flags = flags
	p.expectWord("function")
	if p.eat("*") {
		n.Flags |= Generator
	}
	if p.named() {
		n.Name = p.identifier()
	}
	return p.functionRest(n)
}

// functionRest reads parameters, result type and body. Overloads and abstract
// methods have no body.
func (p *parser) functionRest(n *Node) *Node {
	p.down()
	defer p.up()
	p.typeParameters()
	n.List = p.parameters()
	if p.eat(":") {
		n.Type = p.resultType()
	}
	if p.is("{") {
		n.Body = p.functionBody()
	}
	return p.ended(n)
}

func (p *parser) parameters() (list []*Node) {
	p.listed("(", ")", func() {
		list = append(list, p.within(p.parameter))
	})
	return list
}

var parameterModifiers = []string{"public", "private", "protected", "readonly", "override"}

func (p *parser) parameter() *Node {
	p.decorators()
	for again := true; again; {
		again = false
		for _, m := range parameterModifiers {
			if p.word(m) {
				if after := p.peek(); after.kind == tName || after.is("{", "[") {
					p.next()
					again = true
				}
			}
		}
	}
	n := p.node(Param)
	if p.is("...") {
		n.A = p.node(Spread)
		p.next()
		n.A.A = p.pattern()
	} else if p.word("this") {
		n.A = p.node(Ident)
		n.A.Name = "this"
		p.next()
	} else {
		n.A = p.pattern()
	}
	p.eat("?")
	if p.eat(":") {
		n.Type = p.typ()
	}
	if p.eat("=") {
		n.B = p.assign()
	}
	return n
}

// pattern reads what binds names.
func (p *parser) pattern() *Node {
	p.down()
	defer p.up()
	switch {
	case p.is("["):
		return p.array(p.patternElement)
	case p.is("{"):
		n := p.node(Object)
		p.listed("{", "}", func() { n.List = append(n.List, p.patternProperty()) })
		return n
	}
	n := p.node(Ident)
	n.Name = p.identifier()
	return n
}

func (p *parser) patternElement() *Node {
	if p.is("...") {
		n := p.node(Spread)
		p.next()
		n.A = p.pattern()
		return n
	}
	return p.withDefault(p.pattern())
}

func (p *parser) withDefault(pattern *Node) *Node {
	if !p.eat("=") {
		return pattern
	}
	return &Node{Kind: Default, Pos: pattern.Pos, A: pattern, B: p.assign()}
}

func (p *parser) patternProperty() *Node {
	if p.is("...") {
		return p.patternElement()
	}
	n := p.node(Property)
	shorthand := p.named()
	p.key(n)
	switch {
	case p.eat(":"):
		n.B = p.patternElement()
	case shorthand && n.A == nil:
		n.Flags |= Shorthand
		n.B = &Node{Kind: Ident, Pos: n.Pos, Name: n.Name}
		if p.eat("=") {
			n.C = p.assign()
		}
	default:
		p.unexpected()
	}
	return n
}

// decorators skips them.
func (p *parser) decorators() {
	for p.eat("@") {
		p.postfix()
	}
}

func (p *parser) class() *Node {
	p.down()
	defer p.up()
	n := p.node(Class)
	p.expectWord("class")
	if p.named() && !p.word("implements") {
		n.Name = p.identifier()
	}
	p.typeParameters()
	if p.eatWord("extends") {
		n.A = p.postfix()
		if p.is("<") {
			p.typeArguments()
		}
	}
	if p.eatWord("implements") {
		p.typ()
		for p.eat(",") {
			p.typ()
		}
	}
	p.expect("{")
	for !p.is("}") {
		if p.eat(";") {
			continue
		}
		n.List = append(n.List, p.within(p.classMember))
	}
	p.expect("}")
	return n
}

var memberModifiers = map[string]bool{
	"static": true, "public": true, "private": true, "protected": true, "readonly": true, "override": true, "abstract": true, "declare": true, "accessor": true,
}

func (p *parser) classMember() *Node {
	p.decorators()
	n := p.node(Property)
	for p.tok.kind == tName && memberModifiers[p.tok.text] && !p.tok.escaped {
		after := p.peek()
		if after.is("(", "=", ";", ":", "?", "!", "}", "<", ",") || after.kind == tEOF || after.newline && p.tok.text != "static" && !after.is("{") {
			break
		}
		if p.tok.text == "static" {
			n.Flags |= Static
			if after.is("{") {
				p.next()
				return p.functionBody()
			}
		}
		p.next()
	}
	flags := p.modifiers(n)
	if p.is("[") {
		if p.indexSignature() {
			p.semicolon()
			return n
		}
	}
	p.key(n)
	if !p.eat("?") && p.is("!") {
		p.next()
	}
	if p.is("(") || p.is("<") {
		n.Flags |= Method
		n.B = p.functionRest(&Node{Kind: Func, Pos: n.Pos, Flags: flags, Name: n.Name})
		if n.B.Body == nil {
			p.semicolon()
		}
		return n
	}
	if p.eat(":") {
		n.Type = p.typ()
	}
	if p.eat("=") {
		n.B = p.assign()
	}
	p.semicolon()
	return n
}

// indexSignature reads [key: string]: T of a class.
func (p *parser) indexSignature() bool {
	return p.try(func() bool {
		p.next()
		if p.tok.kind != tName {
			return false
		}
		p.next()
		if !p.eat(":") {
			return false
		}
		p.typ()
		p.expect("]")
		if p.eat(":") {
			p.typ()
		}
		return true
	})
}

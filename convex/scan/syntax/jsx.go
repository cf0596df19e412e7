package syntax

// element reads a JSX element or fragment from its <. Only the expressions in
// it are kept.
func (p *parser) element() *Node {
	n := p.node(JSX)
	p.jsxElement(n)
	// Behind the last > the text is code again.
	p.next()
	return n
}

// jsxElement reads from < up to the token > that ends the element, which
// stays in hand.
func (p *parser) jsxElement(n *Node) {
	p.down()
	defer p.up()
	p.expect("<")
	if !p.is(">") {
		p.jsxName()
		if p.is("<") {
			p.typeArguments()
		}
		for !p.is(">") && !p.is("/") {
			p.attribute(n)
		}
		if p.eat("/") {
			if !p.is(">") {
				p.unexpected()
			}
			return
		}
	}
	p.children(n)
}

// jsxName reads a-b, a.b or a:b.
func (p *parser) jsxName() {
	for {
		if p.tok.kind != tName {
			p.unexpected()
		}
		p.next()
		for p.is("-") || p.is("--") {
			p.next()
			if p.tok.kind == tName || p.tok.kind == tNumber {
				p.next()
			}
		}
		if !p.eat(".") && !p.eat(":") {
			return
		}
	}
}

func (p *parser) attribute(n *Node) {
	if p.eat("{") {
		n.List = append(n.List, p.within(p.spreadOr))
		p.expect("}")
		return
	}
	p.jsxName()
	if !p.is("=") {
		return
	}
	at, _ := p.space(p.tok.end)
	if at < len(p.text) && (p.text[at] == '"' || p.text[at] == '\'') { // no escapes, lines may end
		for end := at + 1; end < len(p.text); end++ {
			if p.text[end] == p.text[at] {
				p.tok.end = end + 1
				p.next()
				return
			}
		}
		p.fail(at, "a string that does not end")
	}
	p.next()
	switch {
	case p.eat("{"):
		n.List = append(n.List, p.within(p.expression))
		p.expect("}")
	case p.is("<"):
		n.List = append(n.List, p.element())
	default:
		p.unexpected()
	}
}

// children reads what stands between > in hand and the closing tag.
func (p *parser) children(n *Node) {
	for at := p.tok.end; ; {
		for at < len(p.text) && p.text[at] != '<' && p.text[at] != '{' {
			at++
		}
		p.tok.end = at
		p.next()
		switch {
		case p.is("{"):
			p.next()
			if !p.is("}") {
				n.List = append(n.List, p.within(p.spreadOr))
			}
			if !p.is("}") {
				p.unexpected()
			}
			at = p.tok.end
		case p.is("<") && p.peek().is("/", "/="):
			p.next()
			p.next()
			if !p.is(">") {
				p.jsxName()
			}
			if !p.is(">") {
				p.unexpected()
			}
			return
		case p.is("<"):
			p.jsxElement(n)
			at = p.tok.end
		default:
			p.unexpected()
		}
	}
}

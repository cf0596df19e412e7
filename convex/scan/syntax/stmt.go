package syntax

// file reads statements up to the end.
func (p *parser) file() (list []*Node) {
	p.advance(0)
	for p.tok.kind != tEOF {
		list = append(list, p.statement())
	}
	return list
}

func (p *parser) block() *Node {
	n := p.node(Block)
	p.expect("{")
	for !p.is("}") {
		if p.tok.kind == tEOF {
			p.unexpected()
		}
		n.List = append(n.List, p.statement())
	}
	p.expect("}")
	return p.ended(n)
}

func (p *parser) statement() *Node {
	p.down()
	defer p.up()
	n := p.node(Empty)
	switch {
	case p.eat(";"):
		return n
	case p.is("{"):
		return p.block()
	case p.is("@"):
		p.decorators()
		return p.statement()
	case p.tok.kind == tName && !p.tok.escaped:
		if s := p.wordStatement(n); s != nil {
			return p.ended(s)
		}
	}
	n.Kind, n.A = Expr, p.expression()
	p.semicolon()
	return p.ended(n)
}

// wordStatement reads a statement that begins with a keyword; nil when the
// word begins an expression.
func (p *parser) wordStatement(n *Node) *Node {
	switch p.tok.text {
	case "const", "var", "let", "using", "await":
		return p.variables(n)
	case "function":
		n.Kind, n.A = FuncDecl, p.function(0)
		if n.A.Body == nil {
			p.semicolon()
		}
		return n
	case "async":
		if after := p.peek(); after.kind != tName || after.text != "function" || after.newline {
			return nil
		}
		p.next()
		n.Kind, n.A = FuncDecl, p.function(Async)
		if n.A.Body == nil {
			p.semicolon()
		}
		return n
	case "class":
		n.Kind, n.A = ClassDecl, p.class()
		return n
	case "import":
		if p.peek().is("(", ".") {
			return nil
		}
		return p.imports(n)
	case "export":
		return p.export(n)
	case "if", "for", "while", "do", "switch", "try", "with":
		return p.control(n)
	case "return", "throw", "break", "continue", "debugger":
		return p.jump(n)
	}
	if s := p.typeStatement(n); s != nil {
		return s
	}
	if p.named() && p.peek().is(":") {
		n.Kind, n.Name = Label, p.identifier()
		p.next()
		n.A = p.statement()
		return n
	}
	return nil
}

// variables reads a declaration; nil when let or using is a name here.
func (p *parser) variables(n *Node) *Node {
	if !p.declares() {
		return nil
	}
	if p.word("const") && p.peek().text == "enum" {
		p.next()
		return p.enum(n)
	}
	p.declarators(n)
	p.semicolon()
	return n
}

// declares reports whether a declaration begins here.
func (p *parser) declares() bool {
	switch {
	case p.word("const"), p.word("var"):
		return true
	case p.word("let"):
		after := p.peek()
		return after.kind == tName && after.text != "in" && after.text != "instanceof" && after.text != "of" || after.is("[", "{") || after.kind == tName && after.text == "of"
	case p.word("using"):
		after := p.peek()
		return after.kind == tName && !after.newline && !reserved[after.text] && after.text != "of"
	case p.word("await"):
		saved := p.lexer
		defer func() { p.lexer = saved }()
		if p.peek().text != "using" {
			return false
		}
		p.next()
		return p.declares()
	}
	return false
}

func (p *parser) declarators(n *Node) {
	n.Kind = Var
	p.eatWord("await")
	n.Name = p.tok.text
	p.next()
	for {
		d := p.node(Declarator)
		d.A = p.pattern()
		p.eat("!")
		if p.eat(":") {
			d.Type = p.typ()
		}
		if p.eat("=") {
			d.B = p.assign()
		}
		n.List = append(n.List, p.ended(d))
		if !p.eat(",") {
			return
		}
	}
}

func (p *parser) parenthesized() *Node {
	p.expect("(")
	n := p.within(p.expression)
	p.expect(")")
	return n
}

func (p *parser) control(n *Node) *Node {
	switch word := p.tok.text; word {
	case "if":
		n.Kind = If
		p.next()
		n.A = p.parenthesized()
		n.B = p.statement()
		if p.eatWord("else") {
			n.C = p.statement()
		}
	case "for":
		p.loop(n)
	case "while", "with":
		n.Kind = While
		p.next()
		n.A = p.parenthesized()
		n.B = p.statement()
	case "do":
		n.Kind, n.Flags = While, Do
		p.next()
		n.B = p.statement()
		p.expectWord("while")
		n.A = p.parenthesized()
		p.eat(";")
	case "switch":
		n.Kind = Switch
		p.next()
		n.A = p.parenthesized()
		p.cases(n)
	case "try":
		n.Kind = Try
		p.next()
		n.A = p.block()
		if p.eatWord("catch") {
			if p.eat("(") {
				n.List = []*Node{p.pattern()}
				if p.eat(":") {
					p.typ()
				}
				p.expect(")")
			}
			n.B = p.block()
		}
		if p.eatWord("finally") {
			n.C = p.block()
		}
	}
	return n
}

func (p *parser) cases(n *Node) {
	p.expect("{")
	for !p.is("}") {
		c := p.node(Case)
		if !p.eatWord("default") {
			p.expectWord("case")
			c.A = p.within(p.expression)
		}
		p.expect(":")
		for !p.is("}") && !p.word("case") && !p.word("default") {
			if p.tok.kind == tEOF {
				p.unexpected()
			}
			c.List = append(c.List, p.statement())
		}
		n.List = append(n.List, c)
	}
	p.expect("}")
}

// loop reads the three kinds of for.
func (p *parser) loop(n *Node) {
	n.Kind = For
	p.next()
	if p.eatWord("await") {
		n.Flags |= Awaits
	}
	p.expect("(")
	var first *Node
	noIn := p.noIn
	p.noIn = true
	switch {
	case p.is(";"):
	case p.declares():
		first = p.node(Var)
		p.declarators(first)
	default:
		first = p.expression()
	}
	p.noIn = noIn
	if p.word("of") || p.word("in") {
		n.Kind = ForIn
		if p.word("of") {
			n.Flags |= Of
		}
		p.next()
		n.A, n.B = first, p.within(p.expression)
		p.expect(")")
		n.C = p.statement()
		return
	}
	n.List = []*Node{first, nil}
	p.expect(";")
	if !p.is(";") {
		n.A = p.within(p.expression)
	}
	p.expect(";")
	if !p.is(")") {
		n.List[1] = p.within(p.expression)
	}
	p.expect(")")
	n.B = p.statement()
}

func (p *parser) jump(n *Node) *Node {
	word := p.tok.text
	p.next()
	ends := p.tok.newline || p.is(";") || p.is("}") || p.tok.kind == tEOF
	switch word {
	case "return", "throw":
		n.Kind = Return
		if word == "throw" {
			n.Kind = Throw
		}
		if !ends {
			n.A = p.expression()
		}
	case "break", "continue":
		n.Kind = Break
		if word == "continue" {
			n.Kind = Continue
		}
		if !ends {
			n.Name = p.identifier()
		}
	}
	p.semicolon()
	return n
}

// imports reads an import declaration.
func (p *parser) imports(n *Node) *Node {
	n.Kind = Import
	p.next()
	if p.tok.kind == tString {
		p.from(n)
		return n
	}
	if p.word("type") || p.word("defer") {
		if after := p.peek(); after.is("{", "*") || after.kind == tName && after.text != "from" || after.text == "from" && p.followedByFrom() {
			if p.word("type") {
				n.Flags |= TypeOnly
			}
			p.next()
		}
	}
	if p.named() {
		s := p.node(Specifier)
		s.Name, s.As = p.identifier(), "default"
		n.List = append(n.List, s)
		if p.eat("=") { // import x = require("y")
			p.assign()
			p.semicolon()
			n.Kind, n.List = Empty, nil
			return n
		}
		p.eat(",")
	}
	switch {
	case p.eat("*"):
		p.expectWord("as")
		s := p.node(Specifier)
		s.Name, s.As = p.identifier(), "*"
		n.List = append(n.List, s)
	case p.is("{"):
		p.specifiers(n, true)
	}
	p.expectWord("from")
	p.from(n)
	return n
}

// followedByFrom tells import type from "x" from import type from from "x".
func (p *parser) followedByFrom() bool {
	saved := p.lexer
	defer func() { p.lexer = saved }()
	p.next()
	return p.peek().text == "from"
}

// from reads the module's name and what may follow it.
func (p *parser) from(n *Node) {
	if p.tok.kind != tString {
		p.unexpected()
	}
	n.Name = p.tok.text
	p.next()
	if (p.word("with") || p.word("assert")) && !p.tok.newline {
		p.next()
		p.object()
	}
	p.semicolon()
}

// specifiers reads { a, b as c }. Name is the local name of an import, As the
// name in the module; of an export, Name is local and As what it is exported as.
func (p *parser) specifiers(n *Node, imported bool) {
	p.listed("{", "}", func() {
		s := p.node(Specifier)
		if p.word("type") {
			if after := p.peek(); after.kind == tString || after.kind == tName && after.text != "as" || after.text == "as" && p.typeAs() {
				p.next()
				s.Flags |= TypeOnly
			}
		}
		first := p.exportName()
		second := first
		if p.eatWord("as") {
			second = p.exportName()
		}
		s.Name, s.As = first, second
		if imported {
			s.Name, s.As = second, first
		}
		n.List = append(n.List, s)
	})
}

// typeAs tells { type as } and { type as x } (as is the type, or x is what
// "type" is called) from { type as as x }.
func (p *parser) typeAs() bool {
	saved := p.lexer
	defer func() { p.lexer = saved }()
	p.next()
	after := p.peek()
	return after.is(",", "}") || after.text == "as"
}

func (p *parser) exportName() string {
	if p.tok.kind != tName && p.tok.kind != tString {
		p.unexpected()
	}
	name := p.tok.text
	p.next()
	return name
}

func (p *parser) export(n *Node) *Node {
	n.Kind = Export
	p.next()
	if p.word("type") && p.peek().is("{", "*") {
		p.next()
		n.Flags |= TypeOnly
	}
	switch {
	case p.eatWord("default"):
		n.Kind = ExportDefault
		return p.exportDefault(n)
	case p.eat("*"):
		s := &Node{Kind: Specifier, Pos: n.Pos, Name: "*", As: "*"}
		if p.eatWord("as") {
			s.As = p.exportName()
		}
		n.List = append(n.List, s)
		p.expectWord("from")
		p.from(n)
	case p.is("{"):
		p.specifiers(n, false)
		if p.eatWord("from") {
			p.from(n)
		} else {
			p.semicolon()
		}
	case p.eat("="): // export = x
		n.Kind, n.A = ExportDefault, p.expression()
		p.semicolon()
	case p.eatWord("as"): // export as namespace X
		p.expectWord("namespace")
		p.identifier()
		p.semicolon()
	case p.word("import"): // export import a = b.c
		p.imports(&Node{})
	default:
		n.A = p.statement()
		switch n.A.Kind {
		case Var, FuncDecl, ClassDecl, TypeDecl, Enum, Empty, Block:
		default:
			p.fail(int(n.Pos), "an export of no declaration")
		}
	}
	return n
}

func (p *parser) exportDefault(n *Node) *Node {
	p.decorators()
	switch {
	case p.word("function"):
		n.A = p.function(0)
	case p.word("async") && p.peek().text == "function":
		p.next()
		n.A = p.function(Async)
	case p.word("class"):
		n.A = p.class()
	case p.word("abstract") && p.peek().text == "class":
		p.next()
		n.A = p.class()
	case p.word("interface") && p.peek().kind == tName:
		n.A = p.statement()
	default:
		n.A = p.assign()
		p.semicolon()
	}
	return n
}

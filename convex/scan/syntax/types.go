package syntax

import "strings"

// typeStatement reads declarations of types, and others that only TypeScript
// has; nil when the word begins an expression.
func (p *parser) typeStatement(n *Node) *Node {
	after := p.peek()
	sameLine := after.kind == tName && !after.newline
	switch p.tok.text {
	case "type":
		if !sameLine {
			return nil
		}
		n.Kind = TypeDecl
		p.next()
		n.Name = p.identifier()
		p.typeParameters()
		p.expect("=")
		n.Type = p.typ()
		p.semicolon()
	case "interface":
		if !sameLine {
			return nil
		}
		n.Kind = TypeDecl
		p.next()
		n.Name = p.identifier()
		p.typeParameters()
		var bases []*Type
		if p.eatWord("extends") {
			for again := true; again; again = p.eat(",") {
				bases = append(bases, p.typ())
			}
		}
		n.Type = p.shape()
		if len(bases) > 0 {
			n.Type.Args = bases
		}
	case "enum":
		if !sameLine {
			return nil
		}
		return p.enum(n)
	case "abstract":
		if after.text != "class" || after.newline {
			return nil
		}
		p.next()
		n.Kind, n.A = ClassDecl, p.class()
	case "declare":
		if !sameLine {
			return nil
		}
		p.next()
		if p.word("global") || p.word("module") || p.word("namespace") {
			return p.namespace(n)
		}
		p.statement() // of no effect
		n.Kind = Empty
	case "namespace", "module", "global":
		if p.tok.text == "global" && !after.is("{") || p.tok.text != "global" && (after.newline || after.kind != tName && (after.kind != tString || p.tok.text != "module")) {
			return nil
		}
		return p.namespace(n)
	default:
		return nil
	}
	return n
}

// namespace reads the statements of one as a block.
func (p *parser) namespace(n *Node) *Node {
	global := p.word("global")
	p.next()
	if !global {
		if p.tok.kind == tString {
			p.next()
		} else {
			for p.identifier(); p.eat("."); p.identifier() {
			}
		}
	}
	n.Kind = Empty
	if p.is("{") {
		b := p.block()
		n.Kind, n.List = Block, b.List
	} else {
		p.semicolon()
	}
	return n
}

func (p *parser) enum(n *Node) *Node {
	n.Kind = Enum
	p.expectWord("enum")
	n.Name = p.identifier()
	p.listed("{", "}", func() {
		m := p.node(Property)
		p.key(m)
		if p.eat("=") {
			m.B = p.assign()
		}
		n.List = append(n.List, m)
	})
	return n
}

// typeParameters skips <T extends U = V>, when it is there.
func (p *parser) typeParameters() {
	if !p.is("<") {
		return
	}
	p.listed("<", ">", func() {
		for p.tok.kind == tName && (p.tok.text == "const" || p.tok.text == "in" || p.tok.text == "out") && p.peek().kind == tName && p.peek().text != "extends" {
			p.next()
		}
		p.identifier()
		if p.eatWord("extends") {
			p.typ()
		}
		if p.eat("=") {
			p.typ()
		}
	})
}

// typeArguments reads <A, B>.
func (p *parser) typeArguments() (list []*Type) {
	if p.is("<<") { // f<<T>(x: T) => void>
		p.tok.end = p.tok.start + 1
		p.tok.text = "<"
	}
	p.listed("<", ">", func() {
		list = append(list, p.typ())
	})
	return list
}

// resultType reads what a function returns, a predicate too.
func (p *parser) resultType() *Type {
	if p.word("asserts") {
		if after := p.peek(); after.kind == tName && !after.newline {
			p.next()
			p.next()
			if p.eatWord("is") {
				p.typ()
			}
			return &Type{}
		}
	}
	t := p.typ()
	if p.word("is") && !p.tok.newline {
		p.next()
		p.typ()
		return &Type{}
	}
	return t
}

// typ reads a type.
func (p *parser) typ() *Type {
	p.down()
	defer p.up()
	noCond := p.noCond
	p.noCond = false
	defer func() { p.noCond = noCond }()
	if t := p.functionType(); t != nil {
		return t
	}
	t := p.unionType()
	if p.word("extends") && !p.tok.newline {
		return p.conditionalType(t)
	}
	return t
}

func (p *parser) conditionalType(t *Type) *Type {
	fits := p.try(func() bool {
		p.next()
		p.noCond = true
		if p.functionType() == nil {
			p.unionType()
		}
		p.noCond = false
		if !p.eat("?") {
			return false
		}
		p.typ()
		p.expect(":")
		p.typ()
		return true
	})
	if fits {
		return &Type{}
	}
	return t
}

// functionType reads (a: T) => R, <T>(a) => R and new () => R; nil when none
// begins here.
func (p *parser) functionType() *Type {
	constructs := p.word("new") || p.word("abstract") && p.peek().text == "new"
	if !constructs && !p.is("<") && !(p.is("(") && p.parametersLikely()) {
		return nil
	}
	ok := p.try(func() bool {
		p.eatWord("abstract")
		p.eatWord("new")
		p.typeParameters()
		p.parameters()
		if !p.eat("=>") {
			return false
		}
		p.resultType()
		return true
	})
	if ok {
		return &Type{}
	}
	return nil
}

// unionType reads unions and intersections; of an intersection the first
// member that says something counts.
func (p *parser) unionType() *Type {
	p.eat("|")
	first := p.intersectionType()
	if !p.is("|") {
		return first
	}
	t := &Type{Kind: Union, Args: []*Type{first}}
	for p.eat("|") {
		t.Args = append(t.Args, p.intersectionType())
	}
	return t
}

func (p *parser) intersectionType() *Type {
	p.eat("&")
	t := p.operatorType()
	for p.eat("&") {
		other := p.operatorType()
		switch {
		case t.Kind == Shape && other.Kind == Shape:
			t = &Type{Kind: Shape, Fields: append(t.Fields[:len(t.Fields):len(t.Fields)], other.Fields...), Args: t.Args}
		case t.Kind == Shape:
			t = &Type{Kind: Shape, Fields: t.Fields, Args: append(t.Args[:len(t.Args):len(t.Args)], other)}
		case other.Kind == Shape:
			t = &Type{Kind: Shape, Fields: other.Fields, Args: append([]*Type{t}, other.Args...)}
		case t.Kind == Other:
			t = other
		}
	}
	return t
}

func (p *parser) operatorType() *Type {
	p.down()
	defer p.up()
	if p.tok.kind == tName {
		after := p.peek()
		operand := after.kind == tName && after.text != "extends" && after.text != "is" && after.text != "as" || after.is("(", "[", "{", "<") || after.kind == tString || after.kind == tTemplate
		switch p.tok.text {
		case "keyof", "unique":
			if operand {
				p.next()
				p.operatorType()
				return &Type{}
			}
		case "readonly":
			if operand {
				p.next()
				return p.operatorType()
			}
		case "infer":
			if after.kind == tName {
				p.next()
				p.identifier()
				p.try(func() bool { // infer T extends U
					if !p.eatWord("extends") {
						return false
					}
					p.operatorType()
					return p.noCond || !p.is("?")
				})
				return &Type{}
			}
		}
	}
	t := p.primaryType()
	for i := 0; p.is("[") && !p.tok.newline; i++ {
		p.long(i)
		p.next()
		if p.eat("]") {
			t = &Type{Kind: List, Args: []*Type{t}}
			continue
		}
		index := p.typ()
		p.expect("]")
		t = indexed(t, index)
	}
	return t
}

// indexed is T["name"].
func indexed(t, index *Type) *Type {
	if t.Kind == Ref && index.Kind == Literal {
		return &Type{Kind: Ref, Name: "[]", Args: []*Type{t, index}}
	}
	if t.Kind == Shape && index.Kind == Literal {
		for _, f := range t.Fields {
			if f.Name == index.Name {
				return f.Type
			}
		}
	}
	return &Type{}
}

func (p *parser) primaryType() *Type {
	switch p.tok.kind {
	case tString:
		t := &Type{Kind: Literal, Name: p.tok.text}
		p.next()
		return t
	case tNumber, tBigInt:
		p.next()
		return &Type{}
	case tTemplate:
		return p.templateType()
	case tName:
		return p.namedType()
	}
	switch {
	case p.eat("("):
		t := p.typ()
		p.expect(")")
		return t
	case p.is("["):
		return p.tuple()
	case p.is("{"):
		return p.shape()
	case p.eat("-"):
		p.next()
		return &Type{}
	case p.eat("*"), p.eat("?"): // JSDoc
		return &Type{}
	}
	p.unexpected()
	return nil
}

func (p *parser) templateType() *Type {
	at := p.tok.end
	for plain := true; ; plain = false {
		text, next, done := p.templateChunk(at)
		p.tok.end = next
		p.next()
		if done {
			if plain {
				return &Type{Kind: Literal, Name: text}
			}
			return &Type{}
		}
		p.typ()
		if !p.is("}") {
			p.unexpected()
		}
		at = p.tok.end
	}
}

// namedType reads a reference, typeof x or import("x").T.
func (p *parser) namedType() *Type {
	t := &Type{Kind: Ref}
	if p.word("typeof") && p.peek().kind == tName {
		t.Kind = Typeof
		p.next()
	}
	var name strings.Builder
	if p.word("import") {
		p.next()
		p.expect("(")
		p.typ()
		for p.eat(",") {
			if !p.is(")") {
				p.object()
			}
		}
		p.expect(")")
		if !p.eat(".") {
			return &Type{}
		}
	} else if reserved[p.tok.text] && !p.word("const") && !p.word("this") && !p.word("null") && !p.word("void") && !p.word("true") && !p.word("false") {
		p.unexpected()
	}
	for {
		if p.tok.kind != tName && p.tok.kind != tPrivate {
			p.unexpected()
		}
		name.WriteString(p.tok.text)
		p.next()
		if !p.is(".") {
			break
		}
		p.next()
		name.WriteByte('.')
	}
	t.Name = name.String()
	if (p.is("<") || p.is("<<")) && !p.tok.newline {
		t.Args = p.typeArguments()
	}
	return t
}

func (p *parser) tuple() *Type {
	p.listed("[", "]", func() {
		p.eat("...")
		if p.tok.kind == tName {
			p.try(func() bool { // a label
				p.next()
				p.eat("?")
				return p.eat(":")
			})
		}
		p.typ()
		p.eat("?")
	})
	return &Type{}
}

// shape reads an object type or the body of an interface.
func (p *parser) shape() *Type {
	t := &Type{Kind: Shape}
	p.expect("{")
	if p.mapped() {
		return &Type{}
	}
	for !p.is("}") {
		if f, ok := p.shapeMember(); ok {
			t.Fields = append(t.Fields, f)
		}
		if !p.eat(";") && !p.eat(",") && !p.is("}") && !p.tok.newline {
			p.unexpected()
		}
	}
	p.expect("}")
	return t
}

// mapped reads { [K in T as U]?: V }, after its brace.
func (p *parser) mapped() bool {
	return p.try(func() bool {
		if p.eat("+") || p.eat("-") {
			p.expectWord("readonly")
		} else if p.word("readonly") && p.peek().is("[") {
			p.next()
		}
		if !p.eat("[") || p.tok.kind != tName {
			return false
		}
		p.next()
		if !p.eatWord("in") {
			return false
		}
		p.typ()
		if p.eatWord("as") {
			p.typ()
		}
		p.expect("]")
		if p.eat("+") || p.eat("-") {
			p.expect("?")
		} else {
			p.eat("?")
		}
		if p.eat(":") {
			p.typ()
		}
		p.eat(";")
		p.eat(",")
		p.expect("}")
		return true
	})
}

func (p *parser) shapeMember() (f TypeField, ok bool) {
	signature := func() {
		p.typeParameters()
		p.parameters()
		if p.eat(":") {
			p.resultType()
		}
	}
	if p.is("(") || p.is("<") {
		signature()
		return f, false
	}
	if p.word("new") && p.peek().is("(", "<") {
		p.next()
		signature()
		return f, false
	}
	for p.word("readonly") || p.word("get") || p.word("set") {
		if after := p.peek(); after.is(":", "?", "(", "<", ";", ",", "}") || after.newline {
			break
		}
		p.next()
	}
	if p.is("[") && p.indexSignature() {
		return f, false
	}
	n := &Node{}
	p.key(n)
	f.Name, f.Optional = n.Name, p.eat("?")
	if p.is("(") || p.is("<") {
		signature()
		return f, false
	}
	if p.eat(":") {
		f.Type = p.typ()
	} else {
		f.Type = &Type{}
	}
	return f, n.A == nil
}

// Package syntax parses TypeScript and JavaScript (ES2025, JSX, decorators)
// into a small uniform tree, as far as reading a project's facts needs it:
// every expression and statement with its offset, type annotations in outline.
// It checks no rule beyond the grammar and evaluates nothing.
//
// It is our own because no importable Go package parses TypeScript: esbuild's
// and TypeScript's parsers are internal packages, and what esbuild prints has
// lost the annotations (Id<"orders">) that tell which table an id belongs to.
// That it reads what real projects write is held by a test against esbuild.
//
// Parsing is bounded: nesting by maxDepth, time by a budget of tokens that
// grows with the text, so that no text makes it panic, hang or overflow.
package syntax

import "fmt"

// Kind is the kind of a Node.
type Kind uint8

// The kinds, with what Name, A, B, C, List and Body hold. What is absent is nil.
const (
	Bad Kind = iota
	// Expressions.
	Ident    // Name; also this, super, import, new.target, import.meta
	String   // Name: the value
	Number   // Name: as written
	BigInt   // Name: as written, without n
	Regex    //
	Null     //
	Bool     // Name: true or false
	Template // List: expressions; Name: the text when there is none
	Tagged   // A: tag, B: Template
	Array    // List: elements, nil for holes
	Object   // List: Property and Spread
	Property // Name: key, or A: computed key; B: value, or Func; C: default of a shorthand pattern
	Spread   // A; also a rest element or parameter
	Func     // Name, List: Param, Body: statements, or A: expression of an arrow; Type: of the result
	Param    // A: pattern, B: default, Type
	Class    // Name, A: superclass, List: Property, Func in B; Block for static blocks
	Member   // A, Name
	Index    // A, B
	Call     // A: callee, List: arguments, Types
	New      // A: callee, List: arguments, Types
	Unary    // Name: operator, A
	Update   // Name: operator, A
	Binary   // Name: operator, A, B; logical ones too
	Assign   // Name: operator, A: target, B
	Cond     // A ? B : C
	Sequence // List
	Await    // A
	Yield    // A
	Cast     // A, Type: as, satisfies, <T>x
	JSX      // List: expressions in attributes and children
	Default  // A: pattern, B: default; only within patterns
	// Statements.
	Var           // Name: const, let, var, using; List: Declarator
	Declarator    // A: pattern, B: initial value, Type
	FuncDecl      // A: Func
	ClassDecl     // A: Class
	Expr          // A
	Block         // List
	If            // A: test, B, C
	For           // A: test; B: body; List: start, step
	ForIn         // A: Var or pattern, B: object, C: body; for in, and for of when Of; Await
	While         // A: test, B: body; Do when the body runs first
	Return        // A
	Throw         // A
	Break         // Name: label
	Continue      // Name: label
	Try           // A: Block, B: handler Block, C: finally Block; List: the caught pattern
	Switch        // A, List: Case
	Case          // A: nil for default; List: statements
	Label         // Name, A
	Import        // Name: module, List: Specifier
	Export        // Name: module or "", List: Specifier; or A: declaration; "export *" is a Specifier *
	ExportDefault // A: expression or declaration
	Specifier     // Name: local (or imported, exported from a module) name; As: the other name
	TypeDecl      // Name, Type: type alias or interface
	Enum          // Name, List: Property
	Empty         //
)

// Flags of a Node.
type Flags uint16

// The flags.
const (
	Optional  Flags = 1 << iota // Member, Index, Call: ?.
	Async                       // Func
	Generator                   // Func
	Arrow                       // Func
	Shorthand                   // Property
	Method                      // Property: method
	Accessor                    // Property: get or set
	Static                      // Property of a class
	Of                          // ForIn
	Awaits                      // ForIn: for await
	Do                          // While
	TypeOnly                    // Import, Export, Specifier
	Paren                       // the expression stands in parentheses
	NonNull                     // Cast: x!
	Satisfies                   // Cast
)

// Node is one piece of the tree.
type Node struct {
	Kind    Kind
	Flags   Flags
	Pos     int32 // offset of its beginning; of the name for Member and a call of one
	End     int32 // offset after it, for Func, Call and statements
	Name    string
	As      string
	A, B, C *Node
	List    []*Node
	Body    *Node // of Func: a Block
	Type    *Type
	Types   []*Type
}

// Is reports whether a flag is set.
func (n *Node) Is(f Flags) bool { return n != nil && n.Flags&f != 0 }

// TypeKind is the kind of a Type.
type TypeKind uint8

// The kinds of types.
const (
	Other   TypeKind = iota
	Ref              // Name: dotted; Args
	Literal          // Name: the text of a string
	Shape            // Fields
	List             // Args[0]: the element
	Union            // Args
	Typeof           // Name: dotted
)

// Type is an annotation in outline.
type Type struct {
	Kind   TypeKind
	Name   string
	Args   []*Type
	Fields []TypeField
}

// TypeField is one property of a Shape.
type TypeField struct {
	Name     string
	Type     *Type
	Optional bool
}

// File is a parsed file.
type File struct {
	List  []*Node // statements
	lines []int32 // offsets at which lines begin
}

// Line is the 1-based line of an offset.
func (f *File) Line(pos int32) int {
	lo, hi := 0, len(f.lines)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; f.lines[mid] <= pos {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo + 1
}

// Error is why a file could not be parsed.
type Error struct {
	Line    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Message) }

// maxDepth bounds how deeply the text may nest. Real code, generated code
// too, stays below a tenth of it.
const maxDepth = 400

// Parse parses a file. jsx says that < begins an element rather than a cast.
// The error is an *Error.
func Parse(text string, jsx bool) (*File, error) {
	f := &File{lines: []int32{0}}
	for i := 0; i < len(text); i++ {
		if text[i] == '\n' {
			f.lines = append(f.lines, int32(i+1))
		}
	}
	p := &parser{lexer: lexer{text: text}, jsx: jsx, budget: 20_000 + 12*len(text), noArrow: map[int]bool{}}
	err := p.run(func() { f.List = p.file() })
	if err != nil {
		return nil, &Error{Line: f.Line(int32(err.at)), Message: err.text}
	}
	return f, nil
}

// Walk calls f for n and what is below it, parents first, as long as f says
// to go down.
func Walk(n *Node, f func(*Node) bool) {
	if n == nil || !f(n) {
		return
	}
	Walk(n.A, f)
	Walk(n.B, f)
	Walk(n.C, f)
	for _, m := range n.List {
		Walk(m, f)
	}
	Walk(n.Body, f)
}

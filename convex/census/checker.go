package census

import (
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// runtime is the part of every checker that does not depend on a validator.
//
//go:embed checker.js
var checkerRuntime string

// checkerOf compiles the validator of a table into a module for
// wire.TestQuery, which reads a page of the table and checks it where it lies:
// by Convex's encoding of documents, in which integers, bytes and odd floats
// are told apart, and a field called __proto__ is one like any other. Its text
// is the same for the same table and validator.
//
// fit decides like schema.Validator.Fits, check walks like Validator.Check, in
// the same order, for a document with more than a thousand violations has only
// the first of them; a property holds both equal to Go's.
func checkerOf(t *schema.Table) string {
	c := compiler{fits: map[compiledKey]string{}, checks: map[compiledKey]string{}}
	fit, check := c.fit(t.Document, "d", true), c.check(t.Document, "d", `""`, true)
	var b strings.Builder
	b.WriteString("import { query } from \"convex:/_system/repl/wrappers.js\";\n")
	fmt.Fprintf(&b, "const T=%s;\n", text(t.Name))
	b.WriteString(checkerRuntime)
	b.WriteString(c.out.String())
	fmt.Fprintf(&b, "const fit=(d)=>%s;\nconst check=(d)=>{%s};\n", fit, check)
	return b.String()
}

type compiledKey struct {
	v    *schema.Validator
	root bool
}

// compiler writes one function for each validator that has parts; root says
// that the fields whose names begin with an underscore do not count.
type compiler struct {
	out    strings.Builder
	n      int
	fits   map[compiledKey]string
	checks map[compiledKey]string
}

func (c *compiler) name(prefix string) string {
	c.n++
	return fmt.Sprint(prefix, c.n)
}

// function is the name of the function for v, which body writes if there is
// none yet.
func (c *compiler) function(of map[compiledKey]string, prefix, args string, v *schema.Validator, root bool, body func() string) string {
	key := compiledKey{v, root}
	name, ok := of[key]
	if !ok {
		name = c.name(prefix)
		of[key] = name
		text := body()
		fmt.Fprintf(&c.out, "const %s=(%s)=>{%s};\n", name, args, text)
	}
	return name
}

// fit is an expression that tells whether the variable x fits.
func (c *compiler) fit(v *schema.Validator, x string, root bool) string {
	if v == nil {
		return "true"
	}
	call := func(body func() string) string {
		return c.function(c.fits, "f", "x", v, root, body) + "(" + x + ")"
	}
	switch v.Kind {
	case schema.Any:
		return "true"
	case schema.Null:
		return x + "===null"
	case schema.Boolean:
		return "typeof " + x + `==="boolean"`
	case schema.String:
		return "typeof " + x + `==="string"`
	case schema.Number:
		return "(typeof " + x + `==="number"||coded(` + x + `,"$float"))`
	case schema.Bigint, schema.CommitTs:
		return "coded(" + x + `,"$integer")`
	case schema.Bytes:
		return "coded(" + x + `,"$bytes")`
	case schema.ID:
		return "isId(" + text(v.Table) + "," + x + ")"
	case schema.Literal:
		return fitLiteral(v.Literal, x)
	case schema.Array:
		return call(func() string {
			return "if(!Array.isArray(x))return false;for(const e of x)if(!(" + c.fit(v.Element, "e", false) + "))return false;return true"
		})
	case schema.Record:
		return call(func() string {
			return "if(!isObject(x))return false;for(const k in x){" + skipSystem(root) + "if(!(" + c.fit(v.Key, "k", false) + "))return false;const e=x[k];if(!(" + c.fit(v.Element, "e", false) + "))return false}return true"
		})
	case schema.Object:
		return call(func() string { return c.fitObject(v, root) })
	case schema.Union:
		return call(func() string { return c.fitUnion(v, root) })
	}
	return "false"
}

func skipSystem(root bool) string {
	if root {
		return "if(k.charCodeAt(0)===95)continue;"
	}
	return ""
}

func (c *compiler) fitObject(v *schema.Validator, root bool) string {
	var b strings.Builder
	if !root { // a document is one; what stands for a value has a field that no object has
		b.WriteString("if(typeof x!==\"object\"||x===null||Array.isArray(x))return false;")
	}
	required := 0
	b.WriteString("let n=0,a;")
	for _, f := range v.Fields {
		test := "if(a!==undefined){if(!(%s))return false;n++}"
		if !f.Optional {
			test = "if(a===undefined||!(%s))return false;"
			required++
		}
		fmt.Fprintf(&b, "a=%s;"+test, field(f.Name, root), c.fit(f.Type, "a", false))
	}
	if !root {
		fmt.Fprintf(&b, "return Object.keys(x).length===n+%d", required)
		return b.String()
	}
	// _id and _creationTime are there, and as a rule nothing else of that kind.
	fmt.Fprintf(&b, "n+=%d;if(x._id!==undefined&&x._creationTime!==undefined&&Object.keys(x).length===n+2)return true;", required)
	b.WriteString("for(const k in x){" + skipSystem(root) + "n--}return n===0")
	return b.String()
}

// inherited are names of fields by which an object without that field has
// something all the same.
var inherited = map[string]bool{
	"constructor": true, "hasOwnProperty": true, "isPrototypeOf": true, "propertyIsEnumerable": true,
	"toLocaleString": true, "toString": true, "valueOf": true,
}

// field is the expression for a field of x, undefined when it is absent.
func field(name string, root bool) string {
	switch {
	case root && strings.HasPrefix(name, "_"):
		return "undefined"
	case inherited[name] || strings.HasPrefix(name, "__"):
		return "own(x," + text(name) + ")"
	}
	return "x[" + text(name) + "]"
}

func (c *compiler) fitUnion(v *schema.Validator, root bool) string {
	var literals, others []string
	for _, m := range v.Members {
		if m != nil && m.Kind == schema.Literal {
			if s, ok := m.Literal.(string); ok {
				literals = append(literals, text(s))
				continue
			}
		}
		others = append(others, c.fit(m, "x", root))
	}
	if len(literals) > 0 {
		set := c.name("s")
		fmt.Fprintf(&c.out, "const %s=new Set([%s]);\n", set, strings.Join(literals, ","))
		others = append([]string{set + ".has(x)"}, others...)
	}
	if len(others) == 0 {
		return "return false"
	}
	return "return " + strings.Join(others, "||")
}

func fitLiteral(literal value.Value, x string) string {
	switch l := literal.(type) {
	case nil:
		return x + "===null"
	case bool:
		return fmt.Sprint(x, "===", l)
	case string:
		return x + "===" + text(l)
	case int64:
		return "code(" + x + `,"$integer")===` + text(eight(uint64(l)))
	case float64:
		odd := "code(" + x + `,"$float")===` + text(eight(math.Float64bits(l)))
		if math.IsNaN(l) || math.IsInf(l, 0) {
			return odd
		}
		return "(Object.is(" + x + "," + string(number(l)) + ")||" + odd + ")"
	}
	return "false"
}

// number is a finite float as JavaScript writes it, -0 included.
func number(f float64) []byte {
	if f == 0 && math.Signbit(f) {
		return []byte("-0")
	}
	b, _ := json.Marshal(f) // finite
	return b
}

// eight is how eight bytes of an integer or a float are encoded
// (convex-wire.md 8.1).
func eight(bits uint64) string {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], bits)
	return base64.StdEncoding.EncodeToString(b[:])
}

// text is a string in JavaScript.
func text(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

// check is the statements that report where the variable x, at the path of an
// expression, does not fit.
func (c *compiler) check(v *schema.Validator, x, path string, root bool) string {
	if v == nil {
		return ""
	}
	otherwise := func(reason string) string {
		return "(" + c.fit(v, x, root) + ")||add(" + path + "," + text(reason) + ");"
	}
	call := func(body func() string) string {
		return c.function(c.checks, "c", "x,p", v, root, body) + "(" + x + "," + path + ");"
	}
	switch v.Kind {
	case schema.Any:
		return ""
	case schema.ID:
		return `typeof ` + x + `==="string"?` + c.fit(v, x, root) + `||add(` + path + `,` + text(schema.ReasonID) + `):add(` + path + `,` + text(schema.ReasonType) + `);`
	case schema.Literal:
		return otherwise(schema.ReasonLiteral)
	case schema.Union:
		if len(v.Members) == 1 {
			return c.check(v.Members[0], x, path, root)
		}
		return otherwise(schema.ReasonUnion)
	case schema.Array:
		return call(func() string {
			return notA("Array.isArray(x)") + `for(const e of x){` + c.check(v.Element, "e", `p+"[]"`, false) + `}`
		})
	case schema.Record:
		return call(func() string {
			return notA("isObject(x)") + `for(const k of Object.keys(x).sort()){` + skipSystem(root) +
				c.check(v.Key, "k", `p+"{}"`, false) + `const e=x[k];` + c.check(v.Element, "e", `p+"{}"`, false) + `}`
		})
	case schema.Object:
		return call(func() string { return c.checkObject(v, root) })
	}
	return otherwise(schema.ReasonType)
}

func notA(test string) string {
	return "if(!" + test + ")return add(p," + text(schema.ReasonType) + ");"
}

func (c *compiler) checkObject(v *schema.Validator, root bool) string {
	var b strings.Builder
	var names []string
	b.WriteString(notA("isObject(x)") + "let a;")
	for _, f := range v.SortedFields() {
		names = append(names, text(f.Name))
		path := "p+" + text("."+f.Name)
		fmt.Fprintf(&b, "a=%s;if(a!==undefined){%s}", field(f.Name, root), c.check(f.Type, "a", path, false))
		if !f.Optional {
			fmt.Fprintf(&b, "else add(%s,%s);", path, text(schema.ReasonMissing))
		}
	}
	set := c.name("n")
	fmt.Fprintf(&c.out, "const %s=new Set([%s]);\n", set, strings.Join(names, ","))
	fmt.Fprintf(&b, `for(const k of Object.keys(x).sort()){%sif(!%s.has(k))add(p+"."+k,%s)}`, skipSystem(root), set, text(schema.ReasonExtra))
	return b.String()
}

package plan

import (
	"regexp"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// Names of tables and fields come from a schema that anybody may have written:
// they go into code through quoted, property, access and identifier only, and
// into comments through comment.

var plainName = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

func quoted(s string) string { return string(value.Append(nil, s)) }

// property is a key of an object literal.
func property(name string) string {
	switch {
	case name == "__proto__":
		return `["__proto__"]` // a plain key would set the prototype
	case plainName.MatchString(name):
		return name
	}
	return quoted(name)
}

// access is a field of an expression.
func access(e, name string) string {
	if plainName.MatchString(name) {
		return e + "." + name
	}
	return e + "[" + quoted(name) + "]"
}

// pascal makes a part of an identifier out of any text: avatar_url is
// AvatarUrl.
func pascal(text string) string {
	var b strings.Builder
	up := true
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' && up:
			b.WriteRune(r - 'a' + 'A')
			up = false
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			b.WriteRune(r)
			up = false
		default:
			up = true
		}
	}
	return b.String()
}

// comment makes text safe inside a comment of either form.
func comment(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "*/", "* /")
}

// typer prints TypeScript types. ids is the module that declares Id.
type typer struct{ ids string }

func (t typer) of(v *schema.Validator) string {
	switch v.Kind {
	case schema.Null:
		return "null"
	case schema.Number:
		return "number"
	case schema.Bigint, schema.CommitTs:
		return "bigint"
	case schema.Boolean:
		return "boolean"
	case schema.String:
		return "string"
	case schema.Bytes:
		return "ArrayBuffer"
	case schema.Literal:
		return literalType(v)
	case schema.ID:
		return "import(" + quoted(t.ids) + ").Id<" + quoted(v.Table) + ">"
	case schema.Array:
		inner := t.of(v.Element)
		if v.Element.Kind == schema.Union {
			return "(" + inner + ")[]"
		}
		return inner + "[]"
	case schema.Record:
		return "Record<" + t.of(v.Key) + ", " + t.of(v.Element) + ">"
	case schema.Object:
		return t.object(v)
	case schema.Union:
		if len(v.Members) == 0 {
			return "never"
		}
		var out []string
		for _, m := range members(v) {
			if s := t.of(m); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
		return strings.Join(out, " | ")
	}
	return "any"
}

func (t typer) object(v *schema.Validator) string {
	if len(v.Fields) == 0 {
		return "{}"
	}
	var out []string
	for _, f := range v.Fields {
		mark := ""
		if f.Optional {
			mark = "?"
		}
		out = append(out, property(f.Name)+mark+": "+t.of(f.Type))
	}
	return "{ " + strings.Join(out, "; ") + " }"
}

// literalType is a literal as a type, which knows no NaN or Infinity.
func literalType(v *schema.Validator) string {
	if _, ok := v.Literal.(float64); ok {
		if s := literalCode(v); s != "NaN" && !strings.Contains(s, "Infinity") {
			return s
		}
		return "number"
	}
	return literalCode(v)
}

// literalCode is a literal as an expression.
func literalCode(v *schema.Validator) string {
	s := v.TypeScript() // v.literal(…)
	return strings.TrimSuffix(strings.TrimPrefix(s, "v.literal("), ")")
}

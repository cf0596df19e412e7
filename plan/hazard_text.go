package plan

import (
	"regexp"
	"strings"
)

// use is how an expression uses the field that its value goes into.
type use int

const (
	unused   use = iota // not found in the text, or harmless however often
	grows               // arithmetic or concatenation: another value each time
	converts            // something else
)

var (
	wordName = regexp.MustCompile(`^\w+$`)
	// chooses are expressions that look before they compute.
	chooses = regexp.MustCompile(`\?|\|\||&&`)
	// normal are forms that give the same when they get their own result.
	normal = regexp.MustCompile(`\.(?:toLowerCase|toUpperCase|trim|trimEnd|trimStart|normalize|filter|sort|toSorted|flat|toLocaleLowerCase|replaceAll|replace|toFixed)\s*\(|\b(?:String|Number|Boolean|BigInt|Set|Array\.from|Math\.\w+|Date|parseInt|parseFloat)\s*\(`)
)

// selfUse reads in a migration's text how the new value of a field is computed
// from the old: its expression is what follows field: or field =.
func selfUse(text, field string) use {
	if !wordName.MatchString(field) {
		return unused
	}
	text = bare(text)
	found := unused
	for _, at := range regexp.MustCompile(`(?:^|[^.\w$])`+field+`\s*(?::|=)`).FindAllStringIndex(text, -1) {
		if rest := text[at[1]:]; rest == "" || rest[0] == '=' || rest[0] == '>' {
			continue
		}
		expr := expression(text[at[1]:])
		if !regexp.MustCompile(`\b` + field + `\b`).MatchString(expr) {
			continue
		}
		switch {
		case chooses.MatchString(expr):
		case arithmetic(expr, field):
			return grows
		case normal.MatchString(expr):
		default:
			found = max(found, converts)
		}
	}
	return found
}

// arithmetic reports whether an expression is a sum, product or text around
// the field itself.
func arithmetic(expr, name string) bool {
	self := `(?:\w+!?\.)?` + name + `!?`
	op := `\s*(?:\*\*|[*/+-])\s*`
	return regexp.MustCompile(`\b`+self+`\)?`+op+`[\w("'`+"`"+`]`).MatchString(expr) ||
		regexp.MustCompile(`[\w)"'`+"`"+`]`+op+`\(?`+self+`(?:$|[^.\w(\[])`).MatchString(expr) ||
		regexp.MustCompile("(?s)^\\s*`.*\\$\\{\\s*"+self+"\\s*\\}.*`").MatchString(expr) && !regexp.MustCompile("^\\s*`\\$\\{\\s*"+self+"\\s*\\}`").MatchString(expr)
}

var (
	forAwait = regexp.MustCompile(`\bfor\s+await\s*\(`)
	leaves   = regexp.MustCompile(`\b(?:break|return|throw)\b`)
)

// walksAll reports whether a text has loops over queries, and none of them can
// end before its query does.
func walksAll(text string) bool {
	text = bare(text)
	loops := forAwait.FindAllStringIndex(text, -1)
	for _, at := range loops {
		rest := text[at[1]:]
		_, body, block := strings.Cut(rest[len(bracketed(rest)):], "{")
		if !block || leaves.MatchString(bracketed(body)) {
			return false
		}
	}
	return len(loops) > 0
}

// bracketed is text up to the bracket that closes what was opened before it.
func bracketed(text string) string {
	for from := 0; from < len(text); from++ {
		from += len(expression(text[from:]))
		if from >= len(text) || strings.IndexByte(")]}", text[from]) >= 0 {
			return text[:min(from, len(text))]
		}
	}
	return text
}

// expression is text up to the comma, semicolon or bracket that ends it.
func expression(text string) string {
	depth := 0
	var quote byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			if depth--; depth < 0 {
				return text[:i]
			}
		case depth == 0 && (c == ',' || c == ';' || c == '\n' && ends(text[:i], text[i:])):
			return text[:i]
		}
	}
	return text
}

// ends reports whether a new line ends an expression: something stands before
// it, and what comes next does not go on.
func ends(before, after string) bool {
	after = strings.TrimSpace(after)
	before = strings.TrimSpace(before)
	return before != "" && !strings.ContainsRune("=+-*/?:|&(", rune(before[len(before)-1])) && (after == "" || !strings.ContainsRune(".?:+-*/|&", rune(after[0])))
}

// bare is a program's text without its comments. Texts in quotes stay.
func bare(text string) string {
	var out strings.Builder
	var quote byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == '\\' && i+1 < len(text) {
				out.WriteByte(c)
				i++
				c = text[i]
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'' || c == '`':
			quote = c
		case strings.HasPrefix(text[i:], "//"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return out.String()
			}
			i += end - 1
			continue
		case strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i:], "*/")
			if end < 0 {
				return out.String()
			}
			i += end + 1
			out.WriteByte(' ')
			continue
		}
		out.WriteByte(c)
	}
	return out.String()
}

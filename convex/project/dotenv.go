package project

import (
	"regexp"
	"strings"
)

// parseDotenv reads the variables of an env file by the rules of the dotenv
// package that the Convex CLI uses (16.6): NAME=value or NAME: value, an export
// in front, values bare or in one of three quotes, which may span lines, and
// comments. Only \n and \r inside double quotes are escapes; nothing is
// expanded. What fits no rule is passed over; the last of two assignments counts.
func parseDotenv(text string) map[string]string {
	vars := map[string]string{}
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.ToValidUTF8(text, "\uFFFD"))
	for _, m := range assignment.FindAllStringSubmatch(text, -1) {
		vars[m[1]] = unquoteDotenv(strings.Trim(m[2], scriptSpace))
	}
	return vars
}

// scriptSpace is what JavaScript takes for white space.
const scriptSpace = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

// assignment finds one assignment after another. A quoted value is tried
// before a bare one, so an unbalanced quote belongs to a bare value.
var assignment = func() *regexp.Regexp {
	space := "[" + scriptSpace + "]"
	quoted := func(q string) string { return space + `*` + q + `(?:\\` + q + `|[^` + q + `])*` + q }
	name := `([0-9A-Za-z_.-]+)`
	between := `(?:` + space + `*=` + space + `*?|:` + space + `+?)`
	value := `(` + quoted(`'`) + `|` + quoted(`"`) + `|` + quoted("`") + `|[^#\n]+)?`
	return regexp.MustCompile(`(?m)^` + space + `*(?:export` + space + `+)?` + name + between + value + space + `*(?:#.*)?$`)
}()

// unquoteDotenv takes the quotes off a trimmed value.
func unquoteDotenv(v string) string {
	if v == "" || !strings.ContainsRune("'\"`", rune(v[0])) {
		return v
	}
	double := v[0] == '"'
	if len(v) > 1 && v[len(v)-1] == v[0] {
		v = v[1 : len(v)-1]
	}
	if double { // even where the quote was not closed
		v = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(v)
	}
	return v
}

package project

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// sources reads the project's files once each, to show a function's text and
// to guess what only the text tells: which table a migration reads.
type sources struct {
	root  string
	files map[string]string
}

func newSources(root string) *sources { return &sources{root: root, files: map[string]string{}} }

// text of a file, relative to the root; "" when it cannot be read.
func (s *sources) text(file string) string {
	text, ok := s.files[file]
	if !ok {
		raw, _ := os.ReadFile(filepath.Join(s.root, filepath.FromSlash(file))) // no text: nothing is guessed
		text = string(raw)
		s.files[file] = text
	}
	return text
}

// function returns the text of an exported function and its line. line is
// where it is known to be, 0 unknown.
func (s *sources) function(file, export string, line int) (string, int) {
	text := s.text(file)
	if text == "" {
		return "", line
	}
	name := regexp.QuoteMeta(export)
	for _, pattern := range []string{
		`(?m)^[ \t]*export\s+(?:const|let|var|function|async function)\s+` + name + `\b`,
		`(?m)^[ \t]*(?:const|let|var)\s+` + name + `\b`,
	} {
		if export == "default" {
			pattern = `(?m)^[ \t]*export\s+default\b`
		}
		if at := regexp.MustCompile(pattern).FindStringIndex(text); at != nil {
			body := statement(text[at[0]:])
			if line == 0 {
				line = 1 + strings.Count(text[:at[0]], "\n")
			}
			return strings.TrimSpace(body), line
		}
	}
	if line > 0 { // exported under another name than it has
		if start := lineStart(text, line); start >= 0 {
			return strings.TrimSpace(statement(text[start:])), line
		}
	}
	return "", line
}

// lineStart is the offset at which a 1-based line begins; -1 past the end.
func lineStart(text string, line int) int {
	at := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(text[at:], '\n')
		if next < 0 {
			return -1
		}
		at += next + 1
	}
	return at
}

// statement is the first statement of text: up to a semicolon or an empty
// line outside of brackets, strings and comments, or the bracket that ends it.
func statement(text string) string {
	depth, opened := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"', '\'', '`':
			i = skipString(text, i)
		case '/':
			i = skipComment(text, i)
		case '(', '[', '{':
			depth++
			opened = true
		case ')', ']', '}':
			if depth--; depth < 0 {
				return text[:i]
			}
		case ';':
			if depth == 0 {
				return text[:i+1]
			}
		case '\n':
			if depth == 0 && opened && ends(text[i+1:]) {
				return text[:i]
			}
		}
	}
	return text
}

// ends reports whether what follows a line's end is not its continuation.
func ends(rest string) bool {
	rest = strings.TrimLeft(rest, " \t\r")
	return rest == "" || !strings.ContainsRune(".,?:&|)=+", rune(rest[0])) // a chain of calls goes on
}

// skipString returns the index of the closing quote of the string at i.
func skipString(text string, i int) int {
	quote := text[i]
	for j := i + 1; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case quote:
			return j
		case '\n':
			if quote != '`' { // not a string after all: a quote in a regular expression
				return i
			}
		}
	}
	return i
}

// skipComment returns the last index of the comment at i, or i.
func skipComment(text string, i int) int {
	rest := text[i:]
	switch {
	case strings.HasPrefix(rest, "//"):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return i + end - 1
		}
		return len(text) - 1
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest[2:], "*/"); end >= 0 {
			return i + 2 + end + 1
		}
		return len(text) - 1
	}
	return i
}

var (
	tableQuery = regexp.MustCompile("\\.query\\(\\s*[\"'`]([A-Za-z][A-Za-z0-9_]*)[\"'`]\\s*\\)")
	tableField = regexp.MustCompile("\\btable\\s*:\\s*[\"'`]([A-Za-z][A-Za-z0-9_]*)[\"'`]")
	pageCall   = regexp.MustCompile(`\.paginate\(`)
	batchField = regexp.MustCompile(`\bbatchSize\s*:\s*([0-9][0-9_]*)`)
)

// queriedTable is the table that a function walks when its text makes that
// evident: the one it paginates, or the only one it queries.
func queriedTable(source string) string {
	queries := tableQuery.FindAllStringSubmatchIndex(source, -1)
	name := func(at []int) string { return source[at[2]:at[3]] }
	if page := pageCall.FindStringIndex(source); page != nil {
		for i := len(queries) - 1; i >= 0; i-- {
			if queries[i][1] <= page[0] {
				return name(queries[i])
			}
		}
		return ""
	}
	table := ""
	for _, at := range queries {
		if table != "" && name(at) != table {
			return ""
		}
		table = name(at)
	}
	return table
}

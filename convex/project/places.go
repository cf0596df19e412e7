package project

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// places knows where each key of a strait.toml stands, by paths like
// "env[1].generate.users".
type places struct {
	file string
	at   map[string][2]int
}

func (p *places) has(path string) bool { _, ok := p.at[path]; return ok }

func (p *places) before(a, b string) bool {
	x, y := p.at[a], p.at[b]
	return x[0] < y[0] || x[0] == y[0] && x[1] < y[1]
}

// mistake is a mistake at path, or at the nearest thing around it.
func (p *places) mistake(path, message, hint string) *ConfigError {
	for path != "" && !p.has(path) {
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	at, ok := p.at[path]
	if !ok {
		at = [2]int{1, 1}
	}
	return &ConfigError{File: p.file, Line: at[0], Column: at[1], Message: message, Hint: hint}
}

// keyTypes are the keys of strait.toml and the types of their values.
var keyTypes = map[string]string{
	"target": "text", "functions": "text", "env": "list of tables", "variables": "table of texts", "variables.*": "text",
	"env.name": "text", "env.url": "text", "env.deployment": "text", "env.deploy": "text", "env.key_env": "text", "env.key_command": "text", "env.env_file": "text",
	"env.snapshot": "text", "env.generate": "table", "env.generate.*": "number", "env.seed": "number",
	"env.documents": "text", "env.schema": "text", "env.ran": "list of texts", "env.ran.*": "text",
	"env.overlay": "text", "env.protected": "true or false", "env.component": "text",
	"waive": "list of tables", "waive.code": "text", "waive.reason": "text", "waive.table": "text", "waive.path": "text",
	"waive.migration": "text", "waive.env": "text", "waive.file": "text", "waive.until": "date",
}

// listed are the lists of tables, and what one entry is called.
var listed = map[string]string{"env": "an environment", "waive": "a waiver"}

// examples show how each type is written.
var examples = map[string]string{
	"text": `%s = "…"`, "number": `%s = 100`, "true or false": `%s = true`, "list of texts": `%s = ["…"]`,
	"table": `%s = { users = 100 }`, "table of texts": `%s = { SITE_NAME = "x" }`, "list of tables": "[[%s]]",
	"date": "%s = 2027-01-31",
}

// secretKeys are names under which people would put a key.
var secretKeys = map[string]bool{
	"key": true, "admin_key": true, "adminkey": true, "deploy_key": true, "deploykey": true, "token": true,
	"secret": true, "password": true, "access_token": true, "api_key": true, "apikey": true, "auth": true,
}

// walker reads the places of a file, and what is wrong with its keys.
type walker struct {
	places
	parser   unstable.Parser
	text     []byte
	mistakes []*ConfigError
	list     string // "env" or "waive": the list whose entry is open; "" none
	entry    int    // its index
	prefix   []string
}

// placesOf reads where the keys of a strait.toml stand and finds unknown keys
// and values of a wrong type.
func placesOf(file string, text []byte) (*places, []*ConfigError) {
	w := &walker{places: places{file: file, at: map[string][2]int{}}, text: text}
	// The decoder finds what the parser alone lets pass, such as a key that
	// is there twice.
	var all map[string]any
	err := toml.Unmarshal(text, &all)
	var syntax *toml.DecodeError
	if errors.As(err, &syntax) {
		row, column := syntax.Position()
		return &w.places, []*ConfigError{{File: file, Line: row, Column: column, Message: strings.TrimPrefix(syntax.Error(), "toml: ")}}
	} else if err != nil {
		// The decoder names neither place nor value here: a table opened twice, say.
		w.mistakes = append(w.mistakes, &ConfigError{File: file, Line: 1, Column: 1, Message: strings.TrimPrefix(err.Error(), "toml: ")})
		return &w.places, w.mistakes
	}
	w.parser.Reset(text)
	for w.parser.NextExpression() {
		w.expression(w.parser.Expression())
	}
	return &w.places, w.mistakes
}

// parts are the names of a dotted key with the place of its first.
func (w *walker) parts(it unstable.Iterator) (names []string, at [2]int) {
	for it.Next() {
		n := it.Node()
		if len(names) == 0 {
			start := w.parser.Shape(n.Raw).Start
			at = [2]int{start.Line, start.Column}
		}
		names = append(names, string(n.Data))
	}
	return names, at
}

func (w *walker) expression(e *unstable.Node) {
	switch e.Kind {
	case unstable.ArrayTable:
		names, at := w.parts(e.Key())
		if len(names) == 1 && listed[names[0]] != "" {
			w.open(names[0], at)
			return
		}
		w.list = ""
		w.wrong(at, fmt.Sprintf("unknown table [[%s]]", strings.Join(names, ".")), suggestion(names[0], ""))
	case unstable.Table:
		names, at := w.parts(e.Key())
		switch {
		case len(names) == 1 && listed[names[0]] != "":
			w.open(names[0], at)
			w.wrong(at, map[string]string{"env": "environments", "waive": "waivers"}[names[0]]+" are a list", "write [["+names[0]+"]] with two brackets")
		case len(names) == 2 && names[0] == "env" && names[1] == "generate" && w.list == "env":
			w.prefix = []string{"generate"}
			w.at[fmt.Sprintf("env[%d].generate", w.entry)] = at
		case len(names) == 1 && names[0] == "variables":
			w.list, w.prefix = "", []string{"variables"}
			w.at["variables"] = at
		default:
			w.wrong(at, fmt.Sprintf("unknown table [%s]", strings.Join(names, ".")), suggestion(names[0], ""))
		}
	case unstable.KeyValue:
		w.keyValue(e, w.prefix)
	}
}

// open opens the next entry of a list of tables.
func (w *walker) open(list string, at [2]int) {
	w.list, w.entry = list, 0
	for w.has(fmt.Sprintf("%s[%d]", list, w.entry)) {
		w.entry++
	}
	w.at[fmt.Sprintf("%s[%d]", list, w.entry)] = at
	w.prefix = nil
}

// keyValue notes one key and checks it; prefix is what stands around it
// inside the entry of a list or the file.
func (w *walker) keyValue(e *unstable.Node, prefix []string) {
	names, at := w.parts(e.Key())
	names = append(append([]string{}, prefix...), names...)
	kind, place := strings.Join(names, "."), strings.Join(names, ".")
	scope := ""
	if w.list != "" {
		scope = w.list + "."
		place = fmt.Sprintf("%s[%d].%s", w.list, w.entry, place)
	}
	last := names[len(names)-1]
	// a.b = 1 also gives a.
	for cut := strings.LastIndex(place, "."); cut > 0; cut = strings.LastIndex(place[:cut], ".") {
		if !w.has(place[:cut]) {
			w.at[place[:cut]] = at
		}
	}
	w.at[place] = at
	if w.list == "" && listed[place] != "" {
		w.inline(place, e.Value(), at)
		return
	}
	if len(names) == 2 && (names[0] == "generate" || names[0] == "variables") {
		kind = names[0] + ".*"
	}
	want, known := keyTypes[scope+kind]
	switch {
	case secretKeys[strings.ToLower(last)] && !known:
		w.wrong(at, "a key must not stand in this file", `put it into an environment variable and write key_env = "STRAIT_PROD_KEY", or key_command = "a command that prints it"`)
		return
	case !known && w.list != "env" && keyTypes["env."+kind] != "":
		w.wrong(at, fmt.Sprintf("%s belongs to an environment", last), "put it below a line [[env]]")
		return
	case !known && w.list != "waive" && keyTypes["waive."+kind] != "":
		w.wrong(at, fmt.Sprintf("%s belongs to a waiver", last), "put it below a line [[waive]]")
		return
	case !known && w.list != "" && keyTypes[kind] != "":
		w.wrong(at, fmt.Sprintf("%s belongs to the whole file", last), "put it above the first [["+w.list+"]]")
		return
	case !known:
		w.wrong(at, fmt.Sprintf("unknown key %s", strings.Join(names, ".")), suggestion(last, scope))
		return
	}
	w.value(e.Value(), names, place, at, scope+kind, want)
}

func (w *walker) value(v *unstable.Node, names []string, place string, at [2]int, key, want string) {
	ok := false
	switch want {
	case "text":
		ok = v.Kind == unstable.String
	case "number":
		ok = v.Kind == unstable.Integer
	case "true or false":
		ok = v.Kind == unstable.Bool
	case "date":
		ok = v.Kind == unstable.LocalDate
	case "list of texts":
		ok = v.Kind == unstable.Array
		if ok {
			i := 0
			for it := v.Children(); it.Next(); {
				n := it.Node()
				if n.Kind == unstable.Comment {
					continue
				}
				w.at[fmt.Sprintf("%s[%d]", place, i)] = at
				ok = ok && n.Kind == unstable.String
				i++
			}
		}
	case "table", "table of texts":
		ok = v.Kind == unstable.InlineTable
		if ok {
			for it := v.Children(); it.Next(); {
				if it.Node().Kind == unstable.KeyValue {
					w.keyValue(it.Node(), names)
				}
			}
		}
	}
	if !ok {
		last := names[len(names)-1]
		w.wrong(at, fmt.Sprintf("%s must be a %s", last, want), fmt.Sprintf("write "+examples[want], last))
	}
}

// inline reads env = [ { … }, { … } ].
func (w *walker) inline(list string, v *unstable.Node, at [2]int) {
	hint := map[string]string{"env": "write [[env]] once for each environment", "waive": "write [[waive]] once for each waiver"}[list]
	if v.Kind != unstable.Array {
		w.wrong(at, list+" must be a list of tables", hint)
		return
	}
	for it := v.Children(); it.Next(); {
		table := it.Node()
		if table.Kind == unstable.Comment {
			continue
		}
		w.open(list, at)
		if table.Kind != unstable.InlineTable {
			w.wrong(at, list+" must be a list of tables", hint)
			continue
		}
		for kv := table.Children(); kv.Next(); {
			if kv.Node().Kind == unstable.KeyValue {
				w.keyValue(kv.Node(), nil)
			}
		}
	}
	w.list = ""
}

func (w *walker) wrong(at [2]int, message, hint string) {
	w.mistakes = append(w.mistakes, &ConfigError{File: w.file, Line: at[0], Column: at[1], Message: message, Hint: hint})
}

// suggestion names the known key that looks like name, else all of the scope:
// "env.", "waive." or "" for the file.
func suggestion(name, scope string) string {
	var known []string
	for key := range keyTypes {
		if short, inside := strings.CutPrefix(key, scope); inside && !strings.Contains(short, ".") {
			known = append(known, short)
		}
	}
	sort.Strings(known)
	best, distance := "", 3
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	where := "the file"
	if scope != "" {
		where = listed[strings.TrimSuffix(scope, ".")]
	}
	return where + " may have " + strings.Join(known, ", ")
}

// editDistance is the Levenshtein distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		corner := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := corner
			if a[i-1] != b[j-1] {
				cost++
			}
			corner = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

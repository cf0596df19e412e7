package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"strait/model/schema"
)

// componentDriver is how Definition.Driver calls definitions of
// @convex-dev/migrations.
const componentDriver = "component"

// home is where a table's migrations live.
type home struct {
	file   string // relative to the project's root
	module string // as in the names of functions: "migrations", "migrations/orders"
	root   string // the folder of Convex functions
	ids    string // module of the generated types, as file imports it
}

// components are the definitions made with @convex-dev/migrations.
func (a *adviser) components() []Definition {
	var out []Definition
	for _, d := range a.in.Definitions {
		if d.Driver == componentDriver && d.File != "" && !d.Runner && d.Component == "" {
			out = append(out, d)
		}
	}
	return out
}

// homeOf is the file of the table's other migrations, else that of most
// migrations, else migrations.ts.
func (a *adviser) homeOf(table string) home {
	h := home{root: cmp.Or(a.in.Functions, "convex"), module: "migrations"}
	for _, d := range a.in.Definitions {
		if root, ok := rootOf(d); ok && d.Component == "" {
			h.root = root
			break
		}
	}
	h.file = path.Join(h.root, "migrations.ts")
	votes, most := map[string]int{}, 0
	for _, d := range a.components() {
		root, ok := rootOf(d)
		if !ok {
			continue
		}
		votes[d.File]++
		if d.Table == table {
			votes[d.File] += 1000
		}
		if votes[d.File] > most {
			most = votes[d.File]
			h.file, h.root = d.File, root
			h.module, _, _ = strings.Cut(d.Name, ":")
		}
	}
	h.ids = h.to("_generated/dataModel")
	return h
}

// rootOf is the folder of functions: a definition's file less its module.
func rootOf(d Definition) (string, bool) {
	module, _, _ := strings.Cut(d.Name, ":")
	root, ok := strings.CutSuffix(strings.TrimSuffix(d.File, path.Ext(d.File)), "/"+module)
	return root, ok && module != "" && root != ""
}

// to is an import of a module in the folder of functions.
func (h home) to(module string) string {
	if n := strings.Count(h.module, "/"); n > 0 {
		return strings.Repeat("../", n) + module
	}
	return "./" + module
}

// name makes a name for a new migration that no other one has.
func (a *adviser) name(verb, table, place string) string {
	name := verb + pascal(table) + pascal(strings.TrimPrefix(place, table))
	if name == verb { // all of it is in letters that no name here has
		name += "Field"
	}
	name = name[:min(len(name), 58)] // Convex takes 64 bytes
	unique := name
	for i := 2; a.taken[unique]; i++ {
		unique = name + strconv.Itoa(i)
	}
	a.taken[unique] = true
	return unique
}

// batch is a batch size and why: half of what a transaction may read, by the
// largest document that was seen.
func (a *adviser) batch(table string) (size int64, why string) {
	const usual, half = 100, 8 << 20
	var largest, sampled int64
	for _, ev := range a.in.Envs {
		if s, ok := ev.Sizes[table]; ok && s.Sampled > 0 {
			largest, sampled = max(largest, s.Largest), sampled+s.Sampled
		}
	}
	switch {
	case largest == 0:
		return usual, "the usual size: how large the documents are is not known"
	case largest*usual <= half:
		return usual, fmt.Sprintf("the usual size: the largest of %s read has %s", documents(sampled), bytesText(largest))
	}
	size = max(1, half/largest)
	if size > 10 {
		size -= size % 10
	}
	return size, fmt.Sprintf("documents have up to %s (of %s read), and a transaction reads at most 16 MiB", bytesText(largest), documents(sampled))
}

func bytesText(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return count(n) + " bytes"
}

// customRange is a range of an index that holds all documents that need the
// migration, as code; "" when there is none. It needs an instance that was
// given the schema.
func (a *adviser) customRange(s *situation) string {
	defs := a.components()
	if len(defs) > 0 && !slices.ContainsFunc(defs, func(d Definition) bool { return d.CustomRange }) {
		return ""
	}
	field := topField(s.row.Table, s.row.Path)
	if s.row.Path != s.row.Table+"."+field || s.from.Kind != schema.Object || s.to.Kind != schema.Object {
		return ""
	}
	f, g := s.from.Field(field), s.to.Field(field)
	if f == nil || g == nil {
		return ""
	}
	only := "undefined"
	if f.Optional == g.Optional {
		only = goneLiteral(f.Type, g.Type)
	} else if !accepts(g.Type, f.Type) {
		return ""
	}
	index, _ := indexBy(s.wide, func(first string) bool { return first == field })
	if only == "" || index == "" {
		return ""
	}
	return fmt.Sprintf("(q) => q.withIndex(%s, (q) => q.eq(%s, %s))", quoted(index), quoted(field), only)
}

// indexBy is the first index that queries may use whose first field is one.
func indexBy(t *schema.Table, is func(field string) bool) (index, field string) {
	for _, x := range t.Indexes {
		if x.Kind == schema.DatabaseIndex && !x.Staged && len(x.Fields) > 0 && is(x.Fields[0]) {
			return x.Name, x.Fields[0]
		}
	}
	return "", ""
}

// goneLiteral is the one value that goes, when only one does.
func goneLiteral(f, g *schema.Validator) string {
	var gone []*schema.Validator
	for _, m := range members(f) {
		if !accepts(g, m) {
			gone = append(gone, m)
		}
	}
	if len(gone) != 1 {
		return ""
	}
	switch gone[0].Kind {
	case schema.Literal:
		return literalCode(gone[0])
	case schema.Null:
		return "null"
	}
	return ""
}

// addSetUp adds to the first scaffold what a project without the component
// needs once.
func (a *adviser) addSetUp(advices []Advice) {
	if len(a.components()) > 0 {
		return
	}
	for i := range advices {
		if advices[i].Scaffold == nil {
			continue
		}
		h := a.homeOf("")
		advices[i].Snippets = append([]Snippet{
			{
				Title: "Set-up, once: install the component (npm install @convex-dev/migrations) and use it in the app",
				File:  path.Join(h.root, "convex.config.ts"),
				Code: `import migrations from "@convex-dev/migrations/convex.config";
import { defineApp } from "convex/server";

const app = defineApp();
app.use(migrations);

export default app;
`,
			},
			{
				Title: "Set-up, once: the head of the file with the migrations",
				File:  h.file,
				Code: `import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
import type { DataModel } from "./_generated/dataModel";
import schema from "./schema";

export const migrations = new Migrations<DataModel, typeof schema>(components.migrations, { schema });

/** Starts any migration: npx convex run migrations:run '{"fn": "migrations:name"}' */
export const run = migrations.runner();
`,
			},
		}, advices[i].Snippets...)
		return
	}
}

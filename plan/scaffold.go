package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"strait/model/schema"
)

// scaffold is a migration for the row, or nil when no document needs one or
// none can be written before the documents are known.
func (a *adviser) scaffold(s *situation) *Snippet {
	if s.main.Kind == TableRemoved && s.row.Table != "" {
		return a.migration(s, newCoder("", s.row.Table), "empty", "Deletes every document of the table: back up first.",
			"    await ctx.db.delete(doc._id);\n")
	}
	if s.from == nil || s.main.Class == Safe || s.main.Class == IndexOnly {
		return nil
	}
	c := newCoder(a.homeOf(s.row.Table).ids, s.place())
	c.widened = a.widened
	verb, does := s.verb()
	var body string
	switch {
	case s.move != nil:
		body = c.moveBody(s)
	case s.unwidened():
		body = c.unknownBody(s)
	case accepts(s.to, s.from):
		return nil
	default:
		body = a.documentBody(c, s)
	}
	return a.migration(s, c, verb, does, body)
}

// verb begins the migration's name; does says what it does.
func (s *situation) verb() (verb, does string) {
	f := s.place()
	switch s.main.Kind {
	case RequiredFieldAdded, OptionalToRequired:
		if from := s.renamedFrom(); from != "" {
			return "copy", fmt.Sprintf("Copies %s to %s where that is absent.", from, f)
		}
		return "backfill", fmt.Sprintf("Fills in %s where it is absent.", f)
	case FieldRemoved:
		if s.move != nil {
			return "move", fmt.Sprintf("Moves %s to documents of %s, one for each that has none yet.", f, s.move.table.Name)
		}
		return "unset", fmt.Sprintf("Removes %s from the documents that hold it.", f)
	case IDTargetChanged:
		return "retarget", fmt.Sprintf("Makes %s point to the new table.", f)
	case TypeNarrowed, UnionShrunk, LiteralsShrunk:
		return "map", fmt.Sprintf("Maps what %s may no longer hold.", f)
	case TableAdded:
		return "fit", fmt.Sprintf("Makes documents of %s fit the schema.", f)
	}
	return "convert", fmt.Sprintf("Converts %s to its new type.", f)
}

// renamedFrom is the path of the field that this one likely renames; "" when
// there is none.
func (s *situation) renamedFrom() string {
	if s.main.Rename == "" || s.main.Kind != RequiredFieldAdded && s.main.Kind != OptionalToRequired {
		return ""
	}
	return s.sibling(s.main.Rename)
}

// sibling is the path of another field of the row's object.
func (s *situation) sibling(name string) string {
	parent := s.row.Path
	if s.from != nil {
		if i := strings.LastIndexByte(parent, '.'); i >= 0 {
			parent = parent[:i]
		}
	}
	return parent + "." + name
}

// awaits finds the keyword, not a field of that name.
var awaits = regexp.MustCompile(`(?m)(^|[^.\w])await [\w(]`)

// migration is the definition with its comment, batch size and range.
func (a *adviser) migration(s *situation, c *coder, verb, does, body string) *Snippet {
	h := a.homeOf(s.row.Table)
	name := a.name(verb, s.row.Table, s.place())
	size, why := a.batch(s.row.Table)
	var b strings.Builder
	fmt.Fprintf(&b, "/**\n * %s\n * Documents that fit already are passed over, so it can run again.\n */\n", comment(does))
	fmt.Fprintf(&b, "export const %s = migrations.define({\n  table: %s,\n  batchSize: %d, // %s\n", name, quoted(s.row.Table), size, comment(why))
	if s.wide != nil && s.from != nil && s.move == nil {
		if r := a.customRange(s); r != "" {
			b.WriteString("  customRange: " + r + ",\n")
		}
	}
	ctx, async := "_ctx", ""
	if strings.Contains(body, "ctx.") || len(c.todo) > 0 {
		ctx = "ctx"
	}
	if awaits.MatchString(body) {
		async = "async "
	}
	args := "(" + ctx + ", doc)"
	if ctx == "_ctx" && !strings.Contains(body, "doc") {
		args = "()"
	}
	b.WriteString("  migrateOne: " + async + args + " => {\n" + body + "  },\n});\n")
	return &Snippet{Title: "Migration " + h.module + ":" + name, File: h.file, Code: b.String(), Todo: c.todo}
}

// documentBody is the body of a migration whose documents' types are known.
func (a *adviser) documentBody(c *coder, s *situation) string {
	if s.from.Kind != schema.Object || s.to.Kind != schema.Object {
		return c.unionBody(s)
	}
	a.sources(c, s)
	misfit := c.objectMisfit("doc", s.from, s.to)
	c.know(misfit)
	sets := c.assignments("doc", s.from, s.to, s.row.Table)
	guard := indented("    ", misfit.not().statement("return;")+a.copiedFirst(s))
	return c.body(guard, "return "+block(sets, 85)+";\n")
}

// body puts the functions of the body where they are needed: checks before
// the guard, conversions after it.
func (c *coder) body(guard, rest string) string {
	return indented("    ", strings.Join(c.checks, "")) + guard + indented("    ", strings.Join(c.helpers, "")) + indented("    ", rest)
}

func indented(by, code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(by + line)
	}
	return b.String()
}

// unionBody is for documents of which there are several kinds.
func (c *coder) unionBody(s *situation) string {
	ms, ts := members(s.from), members(s.to)
	var rest strings.Builder
	for _, m := range ms {
		if accepts(s.to, m) {
			continue
		}
		is, ok := c.is("doc", m, ms)
		inner, ok2 := c.memberMisfit("doc", m, s.to)
		if !ok || !ok2 {
			c.helpers, c.checks, c.todo = nil, nil, nil
			clear(c.named)
			return c.unknownBody(s)
		}
		if t, _ := counterpart(m, ts); t != nil {
			clear(c.known)
			c.know(all(is, inner))
			sets := c.assignments("doc", m, t, s.row.Table)
			rest.WriteString(all(is, inner).statement("{") + "  return " + nested(block(sets, 80)) + ";\n}\n")
			continue
		}
		what := "say what becomes of documents of " + s.row.Table + " that are " + phrase(m)
		c.todo = append(c.todo, what)
		fmt.Fprintf(&rest, "%s  // TODO: %s. Replace it with ctx.db.replace, or delete it with ctx.db.delete.\n  throw new Error(%s);\n}\n",
			is.statement("{"), comment(what), quoted("TODO: "+what))
	}
	return c.body("", rest.String())
}

// unknownBody is for documents of which nothing is known, or whose kinds no
// short condition tells apart: the check is exact, the rest is for a person.
func (c *coder) unknownBody(s *situation) string {
	var to *schema.Validator
	if s.unwidened() || s.to == nil {
		to = orAny(s.target.Document)
	} else {
		to = s.to
	}
	check := c.check("value", to, true)
	what := "say what becomes of documents of " + s.row.Table + " that do not fit"
	c.todo = append(c.todo, what)
	return c.body(fmt.Sprintf("    // The schema's types promise what was never checked.\n%s    if (fits(doc)) return;\n",
		indented("    ", fitsFunction("fits", "boolean", check))),
		fmt.Sprintf("// TODO: %s. Rewrite it with ctx.db.replace, or delete it with ctx.db.delete.\nthrow new Error(%s);\n",
			comment(what), quoted("TODO: "+what)))
}

// sources says where new fields of the row may come from: from the field that
// is renamed, as the comparison offers it, else from objects that go or come.
func (a *adviser) sources(c *coder, s *situation) {
	for _, ch := range s.row.Changes {
		if ch.Rename != "" && (ch.Kind == RequiredFieldAdded || ch.Kind == OptionalToRequired) {
			c.from[lastName(s.row.Path)] = ch.Rename
			return
		}
	}
	c.given = a.given(s)
}

// move is where a removed object goes: the new table that holds its fields.
type move struct {
	table *schema.Table
	link  string // the field that refers to the document
	index string // by that field; "" without one
}

// find is the part of a query that finds the document of an id.
func (m *move) find(indent, id string) string {
	if m.index == "" {
		return fmt.Sprintf("// Slow without an index by %s: add one.\n%s.filter((q) => q.eq(q.field(%s), %s))", comment(m.link), indent, quoted(m.link), id)
	}
	return fmt.Sprintf(".withIndex(%s, (q) => q.eq(%s, %s))", quoted(m.index), quoted(m.link), id)
}

// moveOf finds the table that a removed object likely moves to: one that some
// environment lacks, with ids of the row's table and half of the object's
// fields.
func (a *adviser) moveOf(s *situation) *move {
	field := topField(s.row.Table, s.row.Path)
	if s.main.Kind != FieldRemoved || s.from == nil || s.from.Kind != schema.Object || s.row.Path != s.row.Table+"."+field {
		return nil
	}
	f := s.from.Field(field)
	if f == nil || f.Type.Kind != schema.Object || len(f.Type.Fields) == 0 {
		return nil
	}
	for _, t := range a.in.Target.Tables {
		doc := orAny(t.Document)
		if doc.Kind != schema.Object || t.Name == s.row.Table || !a.missing(t.Name) {
			continue
		}
		link, shared := "", 0
		for _, g := range doc.Fields {
			if g.Type.Kind == schema.ID && g.Type.Table == s.row.Table && link == "" {
				link = g.Name
			} else if f.Type.Field(g.Name) != nil {
				shared++
			}
		}
		if link == "" || 2*shared < len(f.Type.Fields) {
			continue
		}
		index, _ := indexBy(t, func(field string) bool { return field == link })
		return &move{table: t, link: link, index: index}
	}
	return nil
}

// missing reports whether some environment does not have a table yet.
func (a *adviser) missing(table string) bool {
	return slices.ContainsFunc(a.in.Envs, func(ev Evidence) bool { return ev.Active != nil && ev.Active.Table(table) == nil })
}

// moveBody inserts the document that takes the object's place, unless it is
// there, and unsets the object.
func (c *coder) moveBody(s *situation) string {
	field := topField(s.row.Table, s.row.Path)
	object, target := s.from.Field(field).Type, orAny(s.move.table.Document)
	sets := []string{property(s.move.link) + ": doc._id"}
	for _, g := range target.Fields {
		if g.Name == s.move.link {
			continue
		}
		f, place := object.Field(g.Name), s.move.table.Name+"."+g.Name
		switch {
		case f == nil && g.Optional:
		case f == nil:
			sets = append(sets, property(g.Name)+": "+c.absent(g.Type, place, nil))
		case f.Optional && !g.Optional:
			sets = append(sets, property(g.Name)+": "+c.required("object", access("object", g.Name), object, *f, g.Type, place))
		default:
			sets = append(sets, property(g.Name)+": "+c.convert(access("object", g.Name), f.Type, g.Type, place))
		}
	}
	table := quoted(s.move.table.Name)
	return c.body(fmt.Sprintf("    const object = %s;\n    if (object === undefined) return;\n", access("doc", field)),
		fmt.Sprintf("const moved = await ctx.db\n  .query(%s)\n  %s\n  .first();\nif (moved === null) {\n  await ctx.db.insert(%s, %s);\n}\nreturn { %s: undefined };\n",
			table, s.move.find("  ", "doc._id"), table, nested(block(sets, 60)), property(field)))
}

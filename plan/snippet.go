package plan

import (
	"fmt"
	"path"
	"strings"

	"strait/model/schema"
)

// snippets are functions for the time in which documents of both shapes are
// about: all that reads or writes the place goes through them, and they are
// deleted when the target is deployed.
func (a *adviser) snippets(s *situation) []Snippet {
	out := []Snippet{}
	if s.from == nil || s.unwidened() || s.main.Class == Safe || s.main.Class == IndexOnly {
		return out
	}
	h := a.homeOf(s.row.Table)
	w := &writer{a: a, s: s, name: a.name("", s.row.Table, s.place()),
		file: path.Join(h.root, "transition.ts"), ids: "./_generated/dataModel"}
	rest := strings.TrimPrefix(s.row.Path, s.row.Table)
	switch {
	case s.move != nil:
		out = append(out, w.readMoved(), w.writeMoved())
	case s.main.Kind == FieldRemoved:
		name := lastName(s.row.Path)
		if above, ok := strings.CutSuffix(rest, "."+name); ok {
			if holder := leafAt(s.from, above); holder != nil && holder.Kind == schema.Object && holder.Field(name) != nil {
				out = append(out, w.without())
			}
		}
	case s.main.Kind == RequiredFieldAdded || s.main.Kind == OptionalToRequired:
		if holder, f, g := fieldAt(s.from, s.to, rest); holder != nil {
			if old := holder.Field(s.main.Rename); old != nil {
				return append(out, w.readRenamed(*old, f, g), w.writeRenamed(*old, g))
			}
			out = append(out, w.readFilled(f, g))
		}
	default:
		from, to := leafAt(s.from, rest), leafAt(s.to, rest)
		if from == nil || to == nil || s.row.Path == "" {
			return out
		}
		out = append(out, w.readBoth(from, to))
		if x, ok := w.beside(from, to); ok && s.main.Kind != LiteralsShrunk {
			out = append(out, x)
		}
	}
	return out
}

// writer writes the snippets of one row.
type writer struct {
	a         *adviser
	s         *situation
	name      string // of the place, as part of names of functions
	file, ids string
}

func (w *writer) coder() *coder {
	c := newCoder(w.ids, w.s.place())
	c.widened, c.exact = w.a.widened, true
	return c
}

func (w *writer) snippet(title, code string, todo []string) Snippet {
	return Snippet{Title: title, File: w.file, Code: code, Todo: todo}
}

// readFilled reads a field that documents may lack.
func (w *writer) readFilled(f, g schema.Field) Snippet {
	c := w.coder()
	ref := access("doc", f.Name)
	instead, extra, doc := "instead", ", instead: "+c.of(g.Type), "the caller says what stands for it"
	if neutral, ok := c.neutral(g.Type); ok {
		instead, extra, doc = neutral, "", "that counts as "+strings.TrimSuffix(neutral, " as const")
	}
	value := c.convert(ref, f.Type, g.Type, w.s.place())
	value = orInstead(ref, f.Type, value, instead)
	return w.snippet("Read "+w.s.place()+" where it may be absent", w.function("read"+w.name,
		comment(w.s.place())+" where a document may lack it: "+comment(doc)+".",
		"doc: "+c.object(optionalField(f))+extra, c.of(g.Type), c, "return "+value+";\n"), c.todo)
}

func optionalField(fs ...schema.Field) *schema.Validator {
	out := &schema.Validator{Kind: schema.Object}
	for _, f := range fs {
		f.Optional = true
		out.Fields = append(out.Fields, f)
	}
	return out
}

// readRenamed reads a field under its new name, else under its old one.
func (w *writer) readRenamed(old, f, g schema.Field) Snippet {
	c := w.coder()
	value := c.convert(access("doc", old.Name), old.Type, g.Type, w.s.place())
	if !c.misfit(access("doc", old.Name), old.Type, g.Type).tests(access("doc", old.Name)) {
		value = access("doc", old.Name) + " === undefined ? undefined : " + value
	}
	return w.snippet("Dual read of "+w.s.place(), w.function("read"+w.name,
		comment(w.s.place())+", or what "+comment(old.Name)+" holds where it is not copied yet.",
		"doc: "+c.object(optionalField(schema.Field{Name: g.Name, Type: g.Type}, old)), c.of(g.Type)+" | undefined", c,
		"if ("+access("doc", g.Name)+" !== undefined) return "+access("doc", g.Name)+";\nreturn "+value+";\n"), c.todo)
}

// writeRenamed gives both fields the same value.
func (w *writer) writeRenamed(old, g schema.Field) Snippet {
	c := w.coder()
	back := c.convert("value", g.Type, old.Type, w.s.sibling(old.Name))
	both := block([]string{property(g.Name) + ": value", property(old.Name) + ": " + back}, 80)
	return w.snippet("Dual write of "+w.s.place(), w.function("write"+w.name,
		"What a write of "+comment(w.s.place())+" sets: both names, until nothing reads "+comment(old.Name)+".",
		"value: "+c.of(g.Type), c.object(&schema.Validator{Kind: schema.Object, Fields: []schema.Field{{Name: g.Name, Type: g.Type}, {Name: old.Name, Type: old.Type}}}), c,
		"return "+both+";\n"), c.todo)
}

// without drops a field from what is about to be written.
func (w *writer) without() Snippet {
	name := lastName(w.s.row.Path)
	code := fmt.Sprintf("/** What is written, without %s: callers loaded earlier may still send it. */\nexport function without%s<T extends { %s?: unknown }>(value: T): Omit<T, %s> {\n  const { %s: _dropped, ...rest } = value;\n  return rest;\n}\n",
		comment(w.s.place()), w.name, property(name), quoted(name), property(name))
	return w.snippet("Stop writing "+w.s.place(), code, nil)
}

// readBoth gives the new shape of either.
func (w *writer) readBoth(from, to *schema.Validator) Snippet {
	c := w.coder()
	value := c.convert("value", from, to, w.s.place())
	return w.snippet("Dual read of "+w.s.place(), w.function("read"+w.name,
		comment(w.s.place())+" in its new shape, whichever is stored.", "value: "+c.of(from), c.of(to), c, "return "+value+";\n"), c.todo)
}

// beside is the other way: a new field that holds the new shape, written
// together with the old one.
func (w *writer) beside(from, to *schema.Validator) (Snippet, bool) {
	var old []*schema.Validator
	for _, m := range members(from) {
		if !accepts(to, m) {
			old = append(old, m)
		}
	}
	name := lastName(w.s.row.Path)
	if len(old) == 0 || topField(w.s.row.Table, w.s.row.Path) != name || w.s.main.Kind != TypeChanged && w.s.main.Kind != IDTargetChanged {
		return Snippet{}, false
	}
	c, was := w.coder(), unionOf(old)
	fresh := schema.Field{Name: name + "Next", Type: to}
	back := c.convert("value", to, was, w.s.place())
	both := block([]string{property(name) + ": " + back, property(fresh.Name) + ": value"}, 80)
	return w.snippet("The other way, dual write: keep "+w.s.place()+" as it is and add "+fresh.Name+": "+schemaField(fresh),
		w.function("write"+w.name,
			fmt.Sprintf("What a write sets while %s is still read: the old shape, and the new one in %s.", comment(w.s.place()), comment(fresh.Name)),
			"value: "+c.of(to), c.object(&schema.Validator{Kind: schema.Object, Fields: []schema.Field{{Name: name, Type: was}, fresh}}), c,
			"return "+both+";\n"), c.todo), true
}

func schemaField(f schema.Field) string { return "v.optional(" + f.Type.TypeScript() + ")" }

// function is a function with its comment; it takes ctx where it looks
// something up.
func (w *writer) function(name, doc, args, gives string, c *coder, body string) string {
	inner := c.body("", body)
	async, ctx := "", ""
	if awaits.MatchString(inner) {
		async, gives = "async ", "Promise<"+gives+">"
	}
	if strings.Contains(inner, "ctx.") || async != "" {
		ctx = "ctx: import(\"./_generated/server\").QueryCtx, "
	}
	head := async + "function " + name + "(" + ctx + args + "): " + gives + " {\n"
	if len(head) > lineWidth {
		head = async + "function " + name + "(\n  " + ctx + args + ",\n): " + gives + " {\n"
	}
	return "/** " + doc + " */\nexport " + head + strings.ReplaceAll("\n"+inner, "\n  ", "\n")[1:] + "}\n"
}

// readMoved reads a moved object from its new table first.
func (w *writer) readMoved() Snippet {
	m, field := w.s.move, topField(w.s.row.Table, w.s.row.Path)
	code := fmt.Sprintf(`/** %s: the document of %s, or null; then look at the old field. */
export async function find%s(ctx: import("./_generated/server").QueryCtx, id: import(%s).Id<%s>) {
  return await ctx.db
    .query(%s)
    %s
    .first();
}
`, comment(w.s.place()), comment(m.table.Name), w.name, quoted(w.ids), quoted(w.s.row.Table), quoted(m.table.Name), m.find("    ", "id"))
	return w.snippet("Dual read of "+w.s.place()+": the table first, "+field+" where it has none", code, nil)
}

// writeMoved writes the document that takes the object's place.
func (w *writer) writeMoved() Snippet {
	m, c := w.s.move, w.coder()
	value := &schema.Validator{Kind: schema.Object}
	for _, f := range orAny(m.table.Document).Fields {
		if f.Name != m.link {
			value.Fields = append(value.Fields, f)
		}
	}
	code := fmt.Sprintf(`/** Writes %s; write the old field in the same mutation until nothing reads it. */
export async function write%s(
  ctx: import("./_generated/server").MutationCtx,
  id: import(%s).Id<%s>,
  value: %s,
) {
  const found = await find%s(ctx, id);
  if (found === null) {
    await ctx.db.insert(%s, { %s: id, ...value });
  } else {
    await ctx.db.patch(found._id, value);
  }
}
`, comment(m.table.Name), w.name, quoted(w.ids), quoted(w.s.row.Table), c.of(value), w.name, quoted(m.table.Name), property(m.link))
	return w.snippet("Dual write of "+w.s.place()+": the new table, beside the old field", code, nil)
}

// fieldAt is the object at a path's end and its field, before and after; nil
// where unions do not tell which one is meant.
func fieldAt(from, to *schema.Validator, rest string) (holder *schema.Validator, f, g schema.Field) {
	i := strings.LastIndexByte(rest, '.')
	if i < 0 {
		return nil, f, g
	}
	a, b := leafAt(from, rest[:i]), leafAt(to, rest[:i])
	if a == nil || b == nil {
		return nil, f, g
	}
	for _, x := range ofKind(members(a), schema.Object) {
		for _, y := range ofKind(members(b), schema.Object) {
			ff, gg := x.Field(rest[i+1:]), y.Field(rest[i+1:])
			if ff != nil && gg != nil && ff.Optional && !gg.Optional {
				return x, *ff, *gg
			}
		}
	}
	return nil, f, g
}

// leafAt is the validator at a change's path; nil where several could be meant.
func leafAt(v *schema.Validator, rest string) *schema.Validator {
	if rest == "" {
		return v
	}
	var in []*schema.Validator
	for _, m := range members(v) {
		if (m.Kind == schema.Object || m.Kind == schema.Array || m.Kind == schema.Record) && reaches(m, rest) {
			in = append(in, m)
		}
	}
	if len(in) != 1 {
		return nil
	}
	m := in[0]
	switch m.Kind {
	case schema.Array:
		return leafAt(m.Element, rest[len("[]"):])
	case schema.Record:
		if below, ok := strings.CutPrefix(rest, "{}"); ok {
			return leafAt(m.Element, below)
		}
		return leafAt(m.Key, strings.TrimPrefix(rest, ".keys()"))
	}
	for _, f := range m.Fields {
		if below, ok := cutField(rest, f.Name); ok {
			return leafAt(f.Type, below)
		}
	}
	return nil
}

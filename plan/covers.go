package plan

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"strait/model/source"
)

// attach puts a definition into the rows whose change it covers, and reports
// whether there was one. What it does is read from its code where that was
// read; else its text is searched for the names of the table and the field.
func attach(rows []Row, d Definition, all []Definition, code *source.Facts) bool {
	if d.Table == "" && d.Source == "" {
		return false
	}
	var body *source.Body
	if code != nil {
		body = code.Migrations[d.Name]
	}
	if body != nil && body.Open && body.Table == "" && d.drives(all) {
		own := *body
		own.Open = false
		body = &own
	}
	found := false
	for i := range rows {
		r := &rows[i]
		if len(r.Changes) == 0 {
			continue
		}
		if body != nil && !d.covers(body, r) || body == nil && !d.names(r) {
			continue
		}
		r.Migrations = append(r.Migrations, d.Name)
		found = true
	}
	return found
}

// covers reports whether a migration writes what a row needs: the row's field
// in documents of its table, or whole documents there. Code that was not read
// may write anything in the migration's own table, or anywhere when it has none.
func (d Definition) covers(b *source.Body, r *Row) bool {
	own := cmp.Or(b.Table, d.Table)
	if r.Table == "" { // a change of the whole schema
		return true
	}
	if b.Open && (own == "" || own == r.Table) {
		return true
	}
	field := topField(r.Table, r.Path)
	for _, w := range b.Writes {
		table := w.Table
		if table == "" {
			table = own // ctx.db.patch(doc._id, …) names no table
		}
		if table != r.Table {
			continue
		}
		switch w.Op {
		case source.Delete:
			return true
		case source.Replace:
			if w.Open || field == "" || !removes(r) == sets(w, field) {
				return true
			}
		case source.Patch:
			if field == "" || w.Open || sets(w, field) && !removes(r) || unsets(w, field) {
				return true
			}
		}
	}
	return false
}

// removes reports whether the row wants a top-level field to be gone.
func removes(r *Row) bool {
	return r.Path == r.Table+"."+topField(r.Table, r.Path) &&
		slices.ContainsFunc(r.Changes, func(c Change) bool { return c.Kind == FieldRemoved })
}

func sets(w source.Write, field string) bool {
	return slices.ContainsFunc(w.Fields, func(f source.Field) bool { return f.Name == field && !f.Unset })
}

func unsets(w source.Write, field string) bool {
	return slices.ContainsFunc(w.Fields, func(f source.Field) bool { return f.Name == field && f.Unset })
}

// drives reports whether a definition without a table calls another one that
// has one, batch after batch: then that one is what covers a row.
func (d Definition) drives(all []Definition) bool {
	return d.Table == "" && slices.ContainsFunc(all, func(o Definition) bool {
		_, export, _ := strings.Cut(o.Name[strings.LastIndex(o.Name, "/")+1:], ":")
		return o.Table != "" && o.Name != d.Name && export != "default" && holdsWord(d.Source, export)
	})
}

// names is what the text alone tells: it names the row's field, and is of
// the row's table or names that too. Without a text it is the table alone.
func (d Definition) names(r *Row) bool {
	switch {
	case d.Table != "" && r.Table != "" && r.Table != d.Table:
		return false
	case d.Source != "" && r.Path != "" && !mentions(d.Source, r.Table, r.Path):
		return false
	case d.Table == "" && !holdsWord(d.Source, r.Table):
		return false
	}
	return true
}

// mentions reports whether source names the first field of the path below the
// table: a migration writes whole top-level fields.
func mentions(source, table, path string) bool {
	field := topField(table, path)
	return field == "" || holdsWord(source, field)
}

// topField is the first field of a change's path: profile of
// users.profile.tags[]; "" for the whole document.
func topField(table, path string) string {
	rest, ok := strings.CutPrefix(path, table+".")
	if !ok {
		return ""
	}
	if i := strings.IndexAny(rest, ".[{"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// holdsWord reports whether text holds w as a whole identifier.
func holdsWord(text, w string) bool {
	for from := 0; w != ""; {
		i := strings.Index(text[from:], w)
		if i < 0 {
			break
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(w):])
		if !inIdentifier(before) && !inIdentifier(after) {
			return true
		}
		from = i + len(w)
	}
	return false
}

func inIdentifier(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

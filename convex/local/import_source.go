package local

import (
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"

	archive "strait/convex/snapshot"
	"strait/model/schema"
	"strait/model/value"
)

// ImportMode is what an import does with the tables that are there
// (convex-wire.md 11.3).
type ImportMode string

// The modes.
const (
	RequireEmpty ImportMode = "requireEmpty" // a table that has documents is refused
	Append       ImportMode = "append"
	Replace      ImportMode = "replace"
	ReplaceAll   ImportMode = "replaceAll" // replace, and empty all other tables
)

// importError is a failed import as the person sees it, in Convex's words
// where Convex has some.
type importError struct{ text string }

func (e *importError) Error() string { return e.text }

func importErrorf(format string, args ...any) error {
	return &importError{fmt.Sprintf(format, args...)}
}

// importSource is the tables that an import brings. Their documents can be
// read more than once.
type importSource struct {
	tables []sourceTable
	stored int // files, which are not kept
}

type sourceTable struct {
	component, name string
	number          uint32 // 0 not told
	documents       iter.Seq2[value.Object, error]
}

func (t *sourceTable) ref() tableRef { return tableRef{t.component, t.name} }

// title names a table in the messages of an import.
func (r tableRef) title() string { return fmt.Sprintf("%q%s", r.table, inComponent(r.component)) }

// archiveSource takes the tables of an archive; base is the component that
// stands for the archive's root.
func archiveSource(a *archive.Archive, base string) *importSource {
	s := &importSource{stored: a.Stored}
	for _, t := range a.Tables() {
		component := strings.Trim(path.Join(base, t.Component), "/")
		s.tables = append(s.tables, sourceTable{component, t.Name, t.Number, a.Documents(t)})
	}
	return s
}

// fileSource takes one table from a file of rows.
func fileSource(component, table string, rows iter.Seq2[value.Object, error]) *importSource {
	t := sourceTable{component: component, name: table, documents: rows}
	for doc, err := range rows {
		if err == nil {
			t.number = numberOf([]value.Object{doc})
		}
		break
	}
	return &importSource{tables: []sourceTable{t}}
}

// rowReaders read the formats of one table.
var rowReaders = map[string]func(io.Reader) iter.Seq2[value.Object, error]{
	"csv": archive.CSV, "jsonLines": archive.JSONLines, "jsonArray": archive.JSONArray,
}

// openSource reads what was uploaded.
func openSource(file io.ReaderAt, size int64, format, component, table string, active *schema.Schema) (*importSource, error) {
	if format == "zip" {
		a, err := archive.New(file, size, "upload.zip")
		if err != nil {
			return nil, err
		}
		return archiveSource(a, component), nil
	}
	read := rowReaders[format]
	rows := func(yield func(value.Object, error) bool) {
		read(io.NewSectionReader(file, 0, size))(yield)
	}
	if format == "csv" {
		return fileSource(component, table, withoutEmpty(rows, active.Table(table))), nil
	}
	return fileSource(component, table, rows), nil
}

// withoutEmpty leaves out the empty cells of fields that may be absent.
func withoutEmpty(rows iter.Seq2[value.Object, error], def *schema.Table) iter.Seq2[value.Object, error] {
	if def == nil || def.Document == nil || def.Document.Kind != schema.Object {
		return rows
	}
	optional := map[string]bool{}
	for _, f := range def.Document.Fields {
		optional[f.Name] = f.Optional
	}
	return func(yield func(value.Object, error) bool) {
		for doc, err := range rows {
			doc = slices.DeleteFunc(doc, func(f value.Field) bool { return f.Value == "" && optional[f.Name] })
			if !yield(doc, err) {
				return
			}
		}
	}
}

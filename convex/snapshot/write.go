package snapshot

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"strait/model/value"
)

const readme = `# Snapshot of a Convex deployment

Every folder is a table; its documents.jsonl has one document a line. Folders
below _components hold the same of the components.

Import it with: npx convex import --replace-all snapshot.zip
`

// Writer writes an export ZIP, document by document: for every component
// Tables, then every one of its tables with Begin and Write, and Close at the
// end. Components and tables may alternate. It belongs to one goroutine.
type Writer struct {
	zip    *zip.Writer
	told   map[tableName]bool // tables of Tables; true once begun
	table  *tableName         // the one that Write writes to
	w      io.Writer
	buf    []byte
	failed error
}

// NewWriter begins an archive. The caller closes w, after Close.
func NewWriter(w io.Writer) (*Writer, error) {
	out := &Writer{zip: zip.NewWriter(w), told: map[tableName]bool{}}
	return out, out.file("README.md", readme)
}

func (w *Writer) create(name string) (io.Writer, error) {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate}
	h.SetMode(0o644)
	return w.zip.CreateHeader(h)
}

func (w *Writer) file(name, text string) error {
	if w.failed != nil {
		return w.failed
	}
	f, err := w.create(name)
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	return w.fail(name, err)
}

func (w *Writer) fail(name string, err error) error {
	if err != nil {
		w.failed = fmt.Errorf("write snapshot: %s: %w", name, err)
	}
	return w.failed
}

// prefix is the folder of a component.
func prefix(component string) string {
	if component == "" {
		return ""
	}
	return "_components/" + strings.ReplaceAll(component, "/", "/_components/") + "/"
}

// Tables writes the names and numbers of a component's tables. It ends the
// table that was begun.
func (w *Writer) Tables(component string, tables []Table) error {
	if err := w.end(); err != nil {
		return err
	}
	sorted := slices.Clone(tables)
	slices.SortFunc(sorted, func(a, b Table) int { return cmp.Compare(a.Number, b.Number) })
	var text []byte
	for _, t := range sorted {
		at := tableName{component, t.Name}
		if err := checkNames(component, t.Name); err != nil || t.Name == "" || strings.HasPrefix(t.Name, "_") {
			return w.fail(prefix(component)+tablesTable, fmt.Errorf("%q is no name of a user table", t.Name))
		}
		if _, twice := w.told[at]; twice || t.Component != component {
			return w.fail(prefix(component)+tablesTable, fmt.Errorf("table %q comes twice, or is not of this component", t.Name))
		}
		w.told[at] = false
		text = append(text, `{"id":`...)
		text = strconv.AppendUint(text, uint64(t.Number), 10)
		text = append(text, `,"name":"`+t.Name+"\"}\n"...)
	}
	return w.file(prefix(component)+tablesTable+"/"+documentsFile, string(text))
}

// Begin begins the documents of a table that Tables has named.
func (w *Writer) Begin(component, table string) error {
	if err := w.end(); err != nil {
		return err
	}
	at := tableName{component, table}
	name := prefix(component) + table + "/" + documentsFile
	if begun, told := w.told[at]; begun || !told {
		return w.fail(name, errors.New("the table comes twice, or without being named before"))
	}
	w.told[at] = true
	f, err := w.create(name)
	w.table, w.w = &at, f
	return w.fail(name, err)
}

// Write adds a document, system fields included, to the table begun last.
func (w *Writer) Write(doc value.Object) error {
	if w.failed != nil {
		return w.failed
	}
	if w.table == nil {
		return errors.New("write snapshot: a document comes before its table")
	}
	w.buf = append(value.AppendExport(w.buf[:0], doc), '\n')
	_, err := w.w.Write(w.buf)
	return w.fail(w.table.name, err)
}

// end ends a table with the mark that its values carry their own types.
func (w *Writer) end() error {
	if w.table == nil {
		return w.failed
	}
	at := *w.table
	w.table = nil
	return w.file(prefix(at.component)+at.name+"/"+markerFile, "\"uniform\"\n")
}

// NoFiles writes that a component has no stored files.
func (w *Writer) NoFiles(component string) error {
	if err := w.end(); err != nil {
		return err
	}
	return w.file(prefix(component)+storageTable+"/"+documentsFile, "")
}

// Close ends the archive.
func (w *Writer) Close() error {
	if err := w.end(); err != nil {
		return err
	}
	for at, begun := range w.told {
		if !begun {
			if err := w.Begin(at.component, at.name); err != nil {
				return err
			}
			if err := w.end(); err != nil {
				return err
			}
		}
	}
	return w.fail("its table of contents", w.zip.Close())
}

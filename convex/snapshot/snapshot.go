// Package snapshot reads and writes export ZIPs (convex-wire.md 11.2), and
// reads the other files that an import takes (11.3).
//
// Documents pass one by one, so that an archive of many gigabytes needs no
// memory; only the overrides of an export of before (shape.go) are held, table
// by table. Several goroutines may read tables of one Archive at once. What is
// wrong in a file is told with file and line; no document's content is repeated
// in an error.
package snapshot

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"strait/model/value"
)

// Table is one table of an archive.
type Table struct {
	Component string // path; "" the root
	Name      string
	Number    uint32 // which its ids carry; 0 not told, and no document to tell
}

// Archive is an open export ZIP.
type Archive struct {
	close   func() error
	path    string
	tables  []Table
	entries map[tableName]*entry
	stored  map[string]*zip.File // _storage/documents.jsonl by component
	// Skipped names what the archive holds beyond documents of user tables.
	Skipped []string
	// Stored is how many stored files the archive holds.
	Stored int
}

// tableName names a table across components.
type tableName struct{ component, name string }

// entry is what an archive holds of one table.
type entry struct {
	documents *zip.File // nil: _tables alone names it, it is empty
	marker    *zip.File // generated_schema.jsonl
	encoding  encoding
	shape     *shape // of a legacy export
}

// encoding is how the numbers and bytes of a table are written.
type encoding int

const (
	plain   encoding = iota // no marker: plain JSON, every number a float64
	uniform                 // values carry their own types
	legacy                  // clean JSON, whose types are the shape's
)

// Open opens an archive and reads its table of contents.
func Open(file string) (*Archive, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open snapshot: %w", err), f.Close())
	}
	a, err := New(f, info.Size(), file)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	a.close = f.Close
	return a, nil
}

// New reads the table of contents of an archive that lies in r, which the
// caller keeps open; name is what errors call it.
func New(r io.ReaderAt, size int64, name string) (*Archive, error) {
	z, err := zip.NewReader(r, size)
	if errors.Is(err, zip.ErrFormat) {
		return nil, fmt.Errorf("open snapshot %s: it is no ZIP; make one with npx convex export --path %s", name, path.Base(name))
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", name, err)
	}
	a := &Archive{path: name, entries: map[tableName]*entry{}, stored: map[string]*zip.File{}, close: func() error { return nil }}
	if err := a.index(z.File); err != nil {
		return nil, fmt.Errorf("open snapshot %s: %w", name, err)
	}
	return a, nil
}

// Close closes the file that Open opened.
func (a *Archive) Close() error { return a.close() }

// Tables lists the user tables, those of the root first.
func (a *Archive) Tables() []Table { return a.tables }

// place is where a file of the archive belongs: the component's path, the
// table's folder, the file's name. Folders around the export are left out of
// account, as the official import does: people unpack an export and pack the
// folder again.
func place(name string) (component, table, file string, ok bool) {
	parts := strings.Split(name, "/")
	if len(parts) < 2 {
		return "", "", "", false
	}
	rest, table, file := parts[:len(parts)-2], parts[len(parts)-2], parts[len(parts)-1]
	var components []string
	for i := 0; i+1 < len(rest); i++ {
		if rest[i] == "_components" {
			components = append(components, rest[i+1])
			i++
		}
	}
	return strings.Join(components, "/"), table, file, table != "" && file != ""
}

// identifier reports whether a name may be a table's or a component's (8.5).
func identifier(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(name) <= 64 && strings.Trim(name, "_") != ""
}

func checkNames(component, table string) error {
	for _, name := range append(strings.Split(component, "/"), table) {
		if !identifier(name) && (name != "" || component != "") {
			return fmt.Errorf("%q is no name of a table or a component", name)
		}
	}
	return nil
}

// names of the folders that are no user tables.
const (
	tablesTable  = "_tables"
	storageTable = "_storage"
)

func (a *Archive) index(files []*zip.File) error {
	numbers := map[string]map[string]uint32{}
	for _, f := range files {
		component, table, file, ok := place(f.Name)
		switch {
		case !ok:
		case table == storageTable && file != documentsFile:
			a.Stored++
		case file != documentsFile:
		case table == tablesTable:
			n, err := readNumbers(component, f)
			if err != nil {
				return err
			}
			numbers[component] = n
		case strings.HasPrefix(table, "_"):
			if table == storageTable {
				a.stored[component] = f
			}
			a.Skipped = append(a.Skipped, f.Name)
		default:
			if err := checkNames(component, table); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			at := tableName{component, table}
			if first := a.entries[at]; first != nil {
				return fmt.Errorf("it holds table %q twice, in %s and %s", table, first.documents.Name, f.Name)
			}
			a.entries[at] = &entry{documents: f}
		}
	}
	if len(a.entries) == 0 && len(numbers) == 0 {
		return errors.New("it holds no tables; is it an export of Convex?")
	}
	for component, names := range numbers {
		for name := range names {
			if at := (tableName{component, name}); a.entries[at] == nil {
				a.entries[at] = &entry{}
			}
		}
	}
	if err := a.markers(files); err != nil {
		return err
	}
	for at, e := range a.entries {
		t := Table{at.component, at.name, numbers[at.component][at.name]}
		if t.Number == 0 {
			t.Number = peekNumber(e.documents)
		}
		a.tables = append(a.tables, t)
	}
	slices.SortFunc(a.tables, func(x, y Table) int {
		return cmp.Or(cmp.Compare(x.Component, y.Component), cmp.Compare(x.Name, y.Name))
	})
	return nil
}

// peekNumber reads a table's number off its first document's id; 0 when that
// cannot be told.
func peekNumber(f *zip.File) uint32 {
	for line, err := range lines(f) {
		var doc struct {
			ID string `json:"_id"`
		}
		if err != nil || json.Unmarshal(line.text, &doc) != nil {
			break // told when the documents are read
		}
		if id, err := value.ParseID(doc.ID); err == nil {
			return id.Table
		}
		break
	}
	return 0
}

// readNumbers reads a component's _tables/documents.jsonl: lines {"name":…,"id":…}.
func readNumbers(component string, f *zip.File) (map[string]uint32, error) {
	out := map[string]uint32{}
	for line, err := range lines(f) {
		if err != nil {
			return nil, err
		}
		var row struct {
			Name string      `json:"name"`
			ID   json.Number `json:"id"`
		}
		if err := json.Unmarshal(line.text, &row); err != nil {
			return nil, fmt.Errorf("%s:%d: want {\"name\":…,\"id\":…}", f.Name, line.n)
		}
		if strings.HasPrefix(row.Name, "_") {
			return nil, fmt.Errorf("%s:%d: %q is no name of a user table", f.Name, line.n, row.Name)
		}
		if err := checkNames(component, row.Name); err != nil || row.Name == "" {
			return nil, fmt.Errorf("%s:%d: %q is no name of a table", f.Name, line.n, row.Name)
		}
		id, err := row.ID.Float64()
		if err != nil || id < 1 || id > 1<<32-1 || id != math.Trunc(id) {
			return nil, fmt.Errorf("%s:%d: the id of table %q is no table number", f.Name, line.n, row.Name)
		}
		if _, twice := out[row.Name]; twice {
			return nil, fmt.Errorf("%s:%d: table %q comes twice", f.Name, line.n, row.Name)
		}
		out[row.Name] = uint32(id)
	}
	return out, nil
}

// markers reads the first line of every generated_schema.jsonl.
func (a *Archive) markers(files []*zip.File) error {
	for _, f := range files {
		component, table, file, ok := place(f.Name)
		e := a.entries[tableName{component, table}]
		if !ok || file != markerFile || e == nil {
			continue
		}
		for line, err := range lines(f) {
			if err != nil {
				return err
			}
			var text string
			if json.Unmarshal(line.text, &text) != nil {
				return fmt.Errorf("%s:%d: want a string, the shape of the documents", f.Name, line.n)
			}
			if text == "uniform" {
				e.encoding = uniform
				break
			}
			if e.shape, err = parseShape(text); err != nil {
				return fmt.Errorf("%s:%d: %w", f.Name, line.n, err)
			}
			e.encoding, e.marker = legacy, f
			break
		}
	}
	return nil
}

// Package snapshot reads export ZIPs (convex-wire.md 11.2).
//
// An archive is read as a stream, document by document, so that one of many
// gigabytes needs no memory. What is wrong in it is told with file and line;
// no document's content is repeated in an error.
package snapshot

import (
	"archive/zip"
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
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
	zip    *zip.ReadCloser
	path   string
	tables []Table
	files  map[Table]*zip.File
	floats map[Table]bool // an old export without int64: every number is a float64
	// Skipped names what the archive holds beyond documents of user tables.
	Skipped []string
}

// maxLine bounds a line: a document has at most 1 MiB, its text some more.
const maxLine = 16 << 20

// Open opens an archive and reads its table of contents.
func Open(file string) (*Archive, error) {
	z, err := zip.OpenReader(file)
	if errors.Is(err, zip.ErrFormat) {
		return nil, fmt.Errorf("open snapshot %s: it is no ZIP; make one with npx convex export --path %s", file, path.Base(file))
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshot: %w", err)
	}
	a := &Archive{zip: z, path: file, files: map[Table]*zip.File{}, floats: map[Table]bool{}}
	if err := a.index(); err != nil {
		return nil, errors.Join(fmt.Errorf("open snapshot %s: %w", file, err), z.Close())
	}
	return a, nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.zip.Close() }

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

func checkNames(file, component, table string) error {
	for _, name := range append(strings.Split(component, "/"), table) {
		if !identifier(name) && (name != "" || component != "") {
			return fmt.Errorf("%s: %q is no name of a table or a component", file, name)
		}
	}
	return nil
}

func (a *Archive) index() error {
	numbers := map[string]map[string]uint32{}
	seen := map[string]bool{}
	for _, f := range a.zip.File {
		component, table, file, ok := place(f.Name)
		switch {
		case !ok || file != "documents.jsonl":
		case table == "_tables":
			n, err := readNumbers(f)
			if err != nil {
				return err
			}
			numbers[component], seen[component] = n, true
		case strings.HasPrefix(table, "_"):
			a.Skipped = append(a.Skipped, f.Name)
		default:
			if err := checkNames(f.Name, component, table); err != nil {
				return err
			}
			t := Table{Component: component, Name: table}
			if first := a.files[t]; first != nil {
				return fmt.Errorf("it holds table %q twice, in %s and %s", table, first.Name, f.Name)
			}
			a.files[t] = f
		}
	}
	if len(a.files) == 0 && len(seen) == 0 {
		return errors.New("it holds no tables; is it an export of Convex?")
	}
	files := map[Table]*zip.File{}
	for t, f := range a.files {
		t.Number = numbers[t.Component][t.Name]
		if t.Number == 0 {
			t.Number = peekNumber(f)
		}
		files[t] = f
		a.tables = append(a.tables, t)
	}
	a.files = files
	slices.SortFunc(a.tables, func(x, y Table) int {
		return cmp.Or(cmp.Compare(x.Component, y.Component), cmp.Compare(x.Name, y.Name))
	})
	return a.markers()
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

// readNumbers reads _tables/documents.jsonl: lines {"name":…,"id":…}.
func readNumbers(f *zip.File) (map[string]uint32, error) {
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
		id, err := row.ID.Float64()
		if err != nil || id < 1 || id > 1<<32-1 || id != math.Trunc(id) {
			return nil, fmt.Errorf("%s:%d: the id of table %q is no table number", f.Name, line.n, row.Name)
		}
		out[row.Name] = uint32(id)
	}
	return out, nil
}

// markers reads generated_schema.jsonl of every table: "uniform" means that
// values carry their own types. Exports of before have a shape there, which
// says what kind of number is meant.
func (a *Archive) markers() error {
	for _, f := range a.zip.File {
		component, table, file, ok := place(f.Name)
		if !ok || file != "generated_schema.jsonl" {
			continue
		}
		for line, err := range lines(f) {
			if err != nil {
				return err
			}
			i := slices.IndexFunc(a.tables, func(t Table) bool { return t.Component == component && t.Name == table })
			switch text := string(line.text); {
			case i < 0 || text == `"uniform"`:
			case strings.Contains(text, "int64"):
				return fmt.Errorf("%s: an old export with int64 values, whose numbers cannot be told apart; export again with a newer Convex", f.Name)
			default:
				a.floats[a.tables[i]] = true
			}
			break
		}
	}
	return nil
}

// Documents yields a table's documents in the order of the archive, system
// fields included. It ends after the first error.
func (a *Archive) Documents(t Table) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		f := a.files[t]
		if f == nil {
			yield(nil, fmt.Errorf("snapshot %s has no table %q", a.path, t.Name))
			return
		}
		for line, err := range lines(f) {
			if err != nil {
				yield(nil, fmt.Errorf("snapshot %s: %w", a.path, err))
				return
			}
			v, err := value.DecodeExport(line.text)
			doc, ok := v.(value.Object)
			if err == nil && !ok {
				err = errors.New("want an object")
			}
			if err != nil {
				yield(nil, fmt.Errorf("snapshot %s: %s:%d: %w", a.path, f.Name, line.n, err))
				return
			}
			if a.floats[t] {
				doc = toFloats(doc).(value.Object)
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// toFloats makes every integer a float64.
func toFloats(v value.Value) value.Value {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case value.Array:
		out := make(value.Array, len(v))
		for i, x := range v {
			out[i] = toFloats(x)
		}
		return out
	case value.Object:
		out := make(value.Object, len(v))
		for i, x := range v {
			out[i] = value.Field{Name: x.Name, Value: toFloats(x.Value)}
		}
		return out
	}
	return v
}

type line struct {
	n    int
	text []byte // valid until the next line
}

// lines yields the lines of a file that are not empty.
func lines(f *zip.File) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		r, err := f.Open()
		if err != nil {
			yield(line{}, fmt.Errorf("%s: %w", f.Name, err))
			return
		}
		defer r.Close()
		s := bufio.NewScanner(io.Reader(r))
		s.Buffer(nil, maxLine)
		n := 0
		for s.Scan() {
			n++
			if len(strings.TrimSpace(s.Text())) == 0 {
				continue
			}
			if !yield(line{n, s.Bytes()}, nil) {
				return
			}
		}
		switch err := s.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(line{}, fmt.Errorf("%s:%d: the line is longer than %d MiB, no document is", f.Name, n+1, maxLine>>20))
		case err != nil:
			yield(line{}, fmt.Errorf("%s:%d: the archive is damaged: %w", f.Name, n+1, err))
		}
	}
}

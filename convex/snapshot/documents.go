package snapshot

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"strait/model/value"
)

const (
	documentsFile = "documents.jsonl"
	markerFile    = "generated_schema.jsonl"
)

// maxLine bounds a line: a document has at most 1 MiB, its text some more.
const maxLine = 16 << 20

// Documents yields a table's documents in the order of the archive, system
// fields included. It ends after the first error.
func (a *Archive) Documents(t Table) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		l, err := a.Lines(t)
		if err != nil {
			yield(nil, err)
			return
		}
		for line, err := range l.All() {
			var doc value.Object
			if err == nil {
				doc, err = l.Decode(line.N, line.Text)
			}
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// Count counts a table's documents without decoding them.
func (a *Archive) Count(t Table) (int64, error) {
	e := a.entries[tableName{t.Component, t.Name}]
	if e == nil {
		return 0, fmt.Errorf("snapshot %s has no table %q", a.path, t.Name)
	}
	var n int64
	for _, err := range lines(e.documents) {
		if err != nil {
			return n, fmt.Errorf("snapshot %s: %w", a.path, err)
		}
		n++
	}
	return n, nil
}

var errNoObject = errors.New("want an object")

func object(v value.Value, err error) (value.Object, error) {
	doc, ok := v.(value.Object)
	if err == nil && !ok {
		err = errNoObject
	}
	return doc, err
}

func decodeUniform(text []byte) (value.Value, error) { return value.DecodeExport(text) }

// decodePlain reads plain JSON, in which every number is a float64 and a name
// that begins with $ has no meaning of its own.
func decodePlain(text []byte) (value.Value, error) {
	v, err := value.Decode(text)
	if err == nil {
		err = checkPlain(v)
	}
	return v, err
}

// checkPlain finds what only a {"$…":…} can have brought.
func checkPlain(v value.Value) error {
	name := ""
	switch v := v.(type) {
	case int64:
		name = "$integer"
	case value.Bytes:
		name = "$bytes"
	case float64:
		if v-v != 0 {
			name = "$float"
		}
	case value.Array:
		for _, x := range v {
			if err := checkPlain(x); err != nil {
				return err
			}
		}
	case value.Object:
		for _, f := range v {
			if err := checkPlain(f.Value); err != nil {
				return err
			}
		}
	}
	if name != "" {
		return bad("Field name %s starts with '$', which is reserved.", name)
	}
	return nil
}

type line struct {
	n    int
	text []byte // valid until the next line
}

// lines yields the lines of a file that are not empty; no file has none.
func lines(f *zip.File) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		if f == nil {
			return
		}
		r, err := f.Open()
		if err != nil {
			yield(line{}, fmt.Errorf("%s: %w", f.Name, err))
			return
		}
		defer r.Close()
		for l, err := range textLines(r) {
			switch {
			case errors.Is(err, bufio.ErrTooLong):
				err = fmt.Errorf("%s:%d: the line is longer than %d MiB, no document is", f.Name, l.n, maxLine>>20)
			case err != nil:
				err = fmt.Errorf("%s:%d: the archive is damaged: %w", f.Name, l.n, err)
			case len(bytes.TrimSpace(l.text)) == 0:
				continue
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// textLines yields the lines of a text. It ends after the first error.
func textLines(r io.Reader) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		s := bufio.NewScanner(r)
		s.Buffer(make([]byte, 64<<10), maxLine)
		n := 0
		for s.Scan() {
			n++
			if !yield(line{n, s.Bytes()}, nil) {
				return
			}
		}
		if err := s.Err(); err != nil {
			yield(line{n: n + 1}, err)
		}
	}
}

package snapshot

import (
	"fmt"
	"iter"

	"strait/model/value"
)

// Lines are the documents of one table as text, so that one goroutine can read
// lines while others decode them.
type Lines struct {
	archive *Archive
	entry   *entry
	decode  func(text []byte) (value.Value, error)
}

// Line is the text of one document.
type Line struct {
	N    int    // in its file, from 1
	Text []byte // valid until the next line
}

// Lines gives a table's documents as text.
func (a *Archive) Lines(t Table) (*Lines, error) {
	e := a.entries[tableName{t.Component, t.Name}]
	if e == nil {
		return nil, fmt.Errorf("snapshot %s has no table %q", a.path, t.Name)
	}
	l := &Lines{archive: a, entry: e, decode: decodeUniform}
	switch e.encoding {
	case plain:
		l.decode = decodePlain
	case legacy:
		overrides, err := readOverrides(e.marker)
		if err != nil {
			return nil, fmt.Errorf("snapshot %s: %w", a.path, err)
		}
		l.decode = func(text []byte) (value.Value, error) { return decodeLegacy(text, e.shape, overrides) }
	}
	return l, nil
}

// Uniform reports whether value.DecodeExport reads the lines.
func (l *Lines) Uniform() bool { return l.entry.encoding == uniform }

// All yields the lines that are not empty, in the order of the archive. It
// ends after the first error; the end of the file is where the archive's
// checksum is looked at.
func (l *Lines) All() iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		for line, err := range lines(l.entry.documents) {
			if err != nil {
				yield(Line{}, fmt.Errorf("snapshot %s: %w", l.archive.path, err))
				return
			}
			if !yield(Line{line.n, line.text}, nil) {
				return
			}
		}
	}
}

// Decode reads the document of a line. Several goroutines may.
func (l *Lines) Decode(n int, text []byte) (value.Object, error) {
	doc, err := object(l.decode(text))
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %s:%d: %w", l.archive.path, l.entry.documents.Name, n, err)
	}
	return doc, nil
}

// Name is the archive's file, or what New was told to call it.
func (a *Archive) Name() string { return a.path }

// Size is how many bytes of text the archive says that a table has.
func (a *Archive) Size(t Table) int64 {
	e := a.entries[tableName{t.Component, t.Name}]
	if e == nil || e.documents == nil {
		return 0
	}
	return int64(e.documents.UncompressedSize64)
}

// Numbers tells the tables of a component by the number that their ids carry:
// the user tables, and _storage where the archive lists a stored file.
func (a *Archive) Numbers(component string) map[uint32]string {
	out := map[uint32]string{}
	for _, t := range a.tables {
		if t.Component == component && t.Number != 0 {
			out[t.Number] = t.Name
		}
	}
	if f := a.stored[component]; f != nil {
		if n := peekNumber(f); n != 0 && out[n] == "" {
			out[n] = storageTable
		}
	}
	return out
}

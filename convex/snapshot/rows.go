package snapshot

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"strait/model/value"
)

// The files of one table that an import takes beside a ZIP (11.3): every
// number in them is a float64. Errors are in Convex's words, with the row; an
// iterator ends after the first.

// FileError says what is wrong in a file of one table, in Convex's words.
type FileError struct{ Message string }

func (e *FileError) Error() string { return e.Message }

func bad(format string, args ...any) error { return &FileError{fmt.Sprintf(format, args...)} }

// maxJSONArray is the size of a JSON array that Convex takes.
const maxJSONArray = 16 << 20

var errLongRow = fmt.Errorf("it is longer than %d MiB, no document is", maxLine>>20)

var errMark = bad("The file begins with a byte order mark, which is not supported: save it as UTF-8 without one")

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

// JSONLines reads a document a line.
func JSONLines(r io.Reader) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		for line, err := range textLines(r) {
			var doc value.Object
			switch {
			case errors.Is(err, bufio.ErrTooLong):
				err = bad("Row %d cannot be read: %v", line.n, errLongRow)
			case err != nil:
				err = bad("Row %d cannot be read: %v", line.n, err)
			case line.n == 1 && bytes.HasPrefix(line.text, byteOrderMark):
				err = errMark
			default:
				doc, err = row(line.n, line.text)
			}
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// row reads row n, in Convex's words when it cannot be read.
func row(n int, text []byte) (value.Object, error) {
	doc, err := object(decodePlain(text))
	var no *value.DecodeError
	switch {
	case errors.Is(err, errNoObject):
		return nil, bad("Row %d wasn't an object", n)
	case errors.As(err, &no) && !strings.HasPrefix(no.Reason, "Field name"):
		return nil, bad("Row %d wasn't valid JSON: %v", n, err)
	case err != nil:
		return nil, bad("Row %d wasn't a valid Convex value: %v", n, err)
	}
	return doc, nil
}

// JSONArray reads one array of documents, of 16 MiB at most.
func JSONArray(r io.Reader) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		docs, err := readArray(r)
		if err != nil {
			yield(nil, err)
			return
		}
		for i, v := range docs {
			doc, ok := v.(value.Object)
			if !ok {
				yield(nil, bad("Row %d wasn't an object", i+1))
				return
			}
			if err := checkPlain(doc); err != nil {
				yield(nil, bad("Row %d wasn't a valid Convex value: %v", i+1, err))
				return
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

func readArray(r io.Reader) (value.Array, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxJSONArray+1))
	switch {
	case err != nil:
		return nil, bad("The file cannot be read: %v", err)
	case len(text) > maxJSONArray:
		return nil, bad("Import is too large for JSON (%d bytes > maximum 16 MiB). Consider converting data to JSONLines", len(text))
	case bytes.HasPrefix(text, byteOrderMark):
		return nil, errMark
	}
	v, err := value.Decode(text)
	if err != nil {
		return nil, bad("Not valid JSON: %v", err)
	}
	docs, ok := v.(value.Array)
	if !ok {
		return nil, bad("Not a JSON array")
	}
	return docs, nil
}

// CSV reads a document a row; the first row has the names of the fields. A
// cell that is a number is a float64, every other one a string.
func CSV(r io.Reader) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		bound := &rowReader{r: r}
		in := csv.NewReader(bound)
		in.FieldsPerRecord, in.LazyQuotes, in.ReuseRecord = -1, true, true
		names, err := header(in)
		if err != nil {
			yield(nil, err)
			return
		}
		if names == nil {
			return
		}
		for n := 1; ; n++ {
			bound.n = 0
			cells, err := in.Read()
			if err == io.EOF {
				return
			}
			var doc value.Object
			if err != nil {
				err = bad("Failed to parse CSV row %d: %v", n, err)
			} else {
				doc, err = csvRow(n, names, cells)
			}
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// rowReader bounds a row: within quotes it goes on over line breaks.
type rowReader struct {
	r io.Reader
	n int // read since the row began
}

func (r *rowReader) Read(b []byte) (int, error) {
	if r.n > maxLine {
		return 0, fmt.Errorf("%w: is there a quote that is not closed?", errLongRow)
	}
	n, err := r.r.Read(b)
	r.n += n
	return n, err
}

// header reads the names of the fields; nil of an empty file.
func header(in *csv.Reader) ([]string, error) {
	cells, err := in.Read()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, bad("Failed to parse CSV row 0: %v", err)
	}
	names := make([]string, len(cells))
	for i, cell := range cells {
		if i == 0 && strings.HasPrefix(cell, string(byteOrderMark)) {
			return nil, errMark
		}
		names[i] = strings.Trim(cell, " ")
		if err := value.CheckValue(value.NewObject(value.Field{Name: names[i]})); err != nil {
			return nil, bad("CSV header %q isn't a valid field name: %v", names[i], err)
		}
	}
	return names, nil
}

func csvRow(n int, names, cells []string) (value.Object, error) {
	if len(cells) != len(names) {
		return nil, bad("CSV row %d doesn't have all of the fields in the header", n)
	}
	fields := make([]value.Field, len(cells))
	for i, cell := range cells {
		if !utf8.ValidString(cell) {
			return nil, bad("Failed to parse CSV row %d: invalid UTF-8", n)
		}
		fields[i] = value.Field{Name: names[i], Value: csvCell(strings.Clone(cell))}
	}
	return value.NewObject(fields...), nil
}

// csvCell is what a cell means: a number by Rust's grammar, which knows no
// digits but decimal ones. What is too large or no number becomes null, as
// JSON has no word for it.
func csvCell(cell string) value.Value {
	if strings.ContainsAny(cell, "xXpP_") {
		return cell
	}
	f, err := strconv.ParseFloat(cell, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return cell
	case f-f != 0:
		return nil
	}
	return f
}

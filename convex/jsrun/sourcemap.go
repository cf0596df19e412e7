package jsrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// sourceMap is a decoded source map, version 3.
type sourceMap struct {
	sources []string
	lines   [][]segment // by generated line, each sorted by generated column
}

// segment maps a generated column to a source position; all are 0-based.
type segment struct {
	column       int
	source       int // -1: no source
	line, srcCol int
}

// position is a place in a source; line and column are 1-based. exact tells
// that the map has an entry for that very character.
type position struct {
	source       string
	line, column int
	exact        bool
}

var errSourceMap = errors.New("malformed source map")

// parseSourceMap decodes a source map. It never panics, whatever it is given.
func parseSourceMap(text []byte) (*sourceMap, error) {
	var raw struct {
		Version  int
		Sources  []string
		Mappings string
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", errSourceMap, err)
	}
	if raw.Version != 3 {
		return nil, fmt.Errorf("%w: version %d", errSourceMap, raw.Version)
	}
	m := &sourceMap{sources: raw.Sources}
	d := mappings{text: raw.Mappings}
	for {
		line, more, err := d.next(len(m.sources))
		if err != nil {
			return nil, err
		}
		m.lines = append(m.lines, line)
		if !more {
			return m, nil
		}
	}
}

// mappings reads the "mappings" text of a source map.
type mappings struct {
	text                 string
	at                   int
	source, line, column int
}

// next reads one generated line; more tells whether another follows.
func (d *mappings) next(sources int) (out []segment, more bool, err error) {
	column := 0
	for d.at < len(d.text) {
		switch d.text[d.at] {
		case ';':
			d.at++
			return sorted(out), true, nil
		case ',':
			d.at++
			continue
		}
		s := segment{source: -1}
		if err := d.read(&column); err != nil {
			return nil, false, err
		}
		s.column = column
		if d.inSegment() {
			for _, field := range []*int{&d.source, &d.line, &d.column} {
				if err := d.read(field); err != nil {
					return nil, false, err
				}
			}
			if d.source < 0 || d.source >= sources || d.line < 0 || d.column < 0 {
				return nil, false, fmt.Errorf("%w: source position out of range", errSourceMap)
			}
			s.source, s.line, s.srcCol = d.source, d.line, d.column
			if d.inSegment() {
				var name int
				if err := d.read(&name); err != nil {
					return nil, false, err
				}
			}
		}
		if column < 0 {
			return nil, false, fmt.Errorf("%w: column out of range", errSourceMap)
		}
		out = append(out, s)
	}
	return sorted(out), false, nil
}

func sorted(line []segment) []segment {
	if !sort.SliceIsSorted(line, func(i, j int) bool { return line[i].column < line[j].column }) {
		sort.SliceStable(line, func(i, j int) bool { return line[i].column < line[j].column })
	}
	return line
}

func (d *mappings) inSegment() bool {
	return d.at < len(d.text) && d.text[d.at] != ',' && d.text[d.at] != ';'
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// read adds one variable-length number to n.
func (d *mappings) read(n *int) error {
	value, shift := 0, 0
	for {
		if d.at >= len(d.text) {
			return fmt.Errorf("%w: cut short", errSourceMap)
		}
		digit := strings.IndexByte(base64Digits, d.text[d.at])
		if digit < 0 || shift > 30 {
			return fmt.Errorf("%w: bad number", errSourceMap)
		}
		d.at++
		value |= (digit & 31) << shift
		shift += 5
		if digit&32 == 0 {
			break
		}
	}
	if value&1 != 0 {
		*n -= value >> 1
	} else {
		*n += value >> 1
	}
	return nil
}

// find maps a generated position, 1-based, to its source.
func (m *sourceMap) find(line, column int) (position, bool) {
	if line < 1 || line > len(m.lines) {
		return position{}, false
	}
	segments := m.lines[line-1]
	i := sort.Search(len(segments), func(i int) bool { return segments[i].column >= column }) - 1
	if i < 0 || segments[i].source < 0 {
		return position{}, false
	}
	s := segments[i]
	return position{source: m.sources[s.source], line: s.line + 1, column: s.srcCol + 1, exact: s.column == column-1}, true
}

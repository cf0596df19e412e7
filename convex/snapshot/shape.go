package snapshot

import (
	"archive/zip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"strait/model/value"
)

// Exports of before 2025 hold clean JSON, in which an int64, bytes and an
// infinite number are strings. generated_schema.jsonl says what is meant: its
// first line is the shape of all documents, and every other line overrides it
// for one document where the shape alone leaves it open.

type shapeKind int

const (
	shapeOther   shapeKind = iota // never written as a string: null, boolean, normal numbers
	shapeUnknown                  // anything
	shapeInt64
	shapeInfinite // inf, -inf
	shapeFloat64  // any number, NaN included
	shapeString
	shapeBytes
	shapeArray
	shapeObject
	shapeRecord
	shapeUnion
)

type shape struct {
	kind    shapeKind
	fields  map[string]*shape // of an object
	element *shape            // of an array; a record's values
	options []*shape          // of a union
}

var shapeUnits = []struct {
	text string
	kind shapeKind
}{
	{"never", shapeOther}, {"null", shapeOther}, {"int64", shapeInt64}, {"float64", shapeFloat64},
	{"-inf", shapeInfinite}, {"inf", shapeInfinite}, {"-0", shapeOther}, {"NaN", shapeFloat64},
	{"normalfloat64", shapeOther}, {"boolean", shapeOther}, {"field_name", shapeString}, {"string", shapeString},
	{"bytes", shapeBytes}, {"unknown", shapeUnknown},
}

const maxShapeDepth = 200

// shapeParser reads a shape's text.
type shapeParser struct {
	text  string
	pos   int
	depth int
}

func parseShape(text string) (*shape, error) {
	p := &shapeParser{text: text}
	s, err := p.union()
	if err == nil && p.pos < len(text) {
		err = p.fail()
	}
	return s, err
}

func (p *shapeParser) fail() error {
	return fmt.Errorf("the shape of the documents cannot be read from character %d on", p.pos+1)
}

func (p *shapeParser) take(text string) bool {
	if !strings.HasPrefix(p.text[p.pos:], text) {
		return false
	}
	p.pos += len(text)
	return true
}

// until takes what comes before an end, and the end.
func (p *shapeParser) until(end string) (string, error) {
	before, _, ok := strings.Cut(p.text[p.pos:], end)
	if !ok {
		return "", p.fail()
	}
	p.pos += len(before) + len(end)
	return before, nil
}

func (p *shapeParser) union() (*shape, error) {
	if p.depth++; p.depth > maxShapeDepth {
		return nil, errors.New("the shape of the documents is nested too deeply")
	}
	defer func() { p.depth-- }()
	var options []*shape
	for {
		s, err := p.one()
		if err != nil {
			return nil, err
		}
		if options = append(options, s); !p.take(" | ") {
			break
		}
	}
	if len(options) == 1 {
		return options[0], nil
	}
	return &shape{kind: shapeUnion, options: options}, nil
}

func (p *shapeParser) one() (*shape, error) {
	for _, u := range shapeUnits {
		if p.take(u.text) {
			return &shape{kind: u.kind}, nil
		}
	}
	switch {
	case p.take("{"):
		return p.object()
	case p.take("id<"):
		_, err := p.until(">")
		return &shape{kind: shapeString}, err
	case p.take(`"`):
		_, err := p.until(`"`)
		return &shape{kind: shapeString}, err
	case p.take("array<"), p.take("set<"):
		element, err := p.closed()
		return &shape{kind: shapeArray, element: element}, err
	case p.take("record<"), p.take("map<"):
		if _, err := p.union(); err != nil {
			return nil, err
		}
		if !p.take(", ") {
			return nil, p.fail()
		}
		element, err := p.closed()
		return &shape{kind: shapeRecord, element: element}, err
	}
	return nil, p.fail()
}

// closed reads a shape and the > after it.
func (p *shapeParser) closed() (*shape, error) {
	s, err := p.union()
	if err == nil && !p.take(">") {
		err = p.fail()
	}
	return s, err
}

func (p *shapeParser) object() (*shape, error) {
	s := &shape{kind: shapeObject, fields: map[string]*shape{}}
	for !p.take("}") {
		if !p.take(`"`) {
			return nil, p.fail()
		}
		name, err := p.until(`"`)
		if err != nil {
			return nil, err
		}
		p.take("?")
		if !p.take(": ") {
			return nil, p.fail()
		}
		if s.fields[name], err = p.union(); err != nil {
			return nil, err
		}
		if !p.take(", ") && !strings.HasPrefix(p.text[p.pos:], "}") {
			return nil, p.fail()
		}
	}
	return s, nil
}

// each calls f with every shape that is no union.
func each(shapes []*shape, f func(*shape)) {
	for _, s := range shapes {
		if s.kind == shapeUnion {
			each(s.options, f)
		} else {
			f(s)
		}
	}
}

// elements are the shapes of an array's elements.
func elements(shapes []*shape) (out []*shape) {
	each(shapes, func(s *shape) {
		switch s.kind {
		case shapeArray:
			out = append(out, s.element)
		case shapeUnknown:
			out = append(out, s)
		}
	})
	return out
}

// fieldsOf are the shapes of an object's field.
func fieldsOf(shapes []*shape, name string) (out []*shape) {
	each(shapes, func(s *shape) {
		switch s.kind {
		case shapeObject:
			if f := s.fields[name]; f != nil {
				out = append(out, f)
			}
		case shapeRecord:
			out = append(out, s.element)
		case shapeUnknown:
			out = append(out, s)
		}
	})
	return out
}

// Meanings of a string, as overrides name them.
const (
	meansString   = "infer"
	meansInt64    = "int64"
	meansInfinite = "float64inf"
	meansBytes    = "bytes"
)

// meaning is what the shapes say about a string: one meaning, or it stays one.
func meaning(shapes []*shape) string {
	found, open := "", false
	add := func(m string) {
		open = open || found != "" && found != m
		found = m
	}
	each(shapes, func(s *shape) {
		switch s.kind {
		case shapeInt64:
			add(meansInt64)
		case shapeInfinite:
			add(meansInfinite)
		case shapeString:
			add(meansString)
		case shapeBytes:
			add(meansBytes)
		case shapeFloat64, shapeUnknown:
			found, open = meansString, true
		}
	})
	if open || found == "" {
		return meansString
	}
	return found
}

// maxOverrides bounds what is held in memory of one table.
const maxOverrides = 256 << 20

// readOverrides reads the lines {"ID":override} after the shape.
func readOverrides(f *zip.File) (map[string]json.RawMessage, error) {
	out := map[string]json.RawMessage{}
	first, size := true, 0
	for line, err := range lines(f) {
		if err != nil {
			return nil, err
		}
		if first {
			first = false
			continue
		}
		var one map[string]json.RawMessage
		if json.Unmarshal(line.text, &one) != nil || len(one) != 1 {
			return nil, fmt.Errorf("%s:%d: want one override, {\"ID\":…}", f.Name, line.n)
		}
		if size += len(line.text); size > maxOverrides {
			return nil, fmt.Errorf("%s: it is larger than %d MiB: export anew, exports of today need no such file", f.Name, maxOverrides>>20)
		}
		for id, override := range one {
			out[id] = override
		}
	}
	return out, nil
}

func decodeLegacy(text []byte, s *shape, overrides map[string]json.RawMessage) (value.Value, error) {
	v, err := decodePlain(text)
	if err != nil {
		return nil, err
	}
	var override any
	if o, ok := v.(value.Object); ok {
		if id, _ := o.Get("_id"); id != nil {
			name, _ := id.(string)
			if raw, ok := overrides[name]; ok && json.Unmarshal(raw, &override) != nil {
				return nil, errBadOverride
			}
		}
	}
	return restore(v, []*shape{s}, override)
}

var errBadOverride = errors.New("its line in " + markerFile + " does not fit it")

// restore gives a value of clean JSON the types of its shapes. The override is
// nil, one of the meanings, a list, or an object, as in JSON.
func restore(v value.Value, shapes []*shape, override any) (value.Value, error) {
	if override == meansString {
		override = nil
	}
	switch v := v.(type) {
	case string:
		return restoreString(v, shapes, override)
	case value.Array:
		return restoreArray(v, elements(shapes), override)
	case value.Object:
		return restoreObject(v, shapes, override)
	}
	return v, nil
}

func restoreArray(v value.Array, shapes []*shape, override any) (value.Value, error) {
	list, ok := override.([]any)
	if override != nil && (!ok || len(list) != len(v)) {
		return nil, errBadOverride
	}
	for i, x := range v {
		var one any
		if ok {
			one = list[i]
		}
		var err error
		if v[i], err = restore(x, shapes, one); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func restoreObject(v value.Object, shapes []*shape, override any) (value.Value, error) {
	fields, ok := override.(map[string]any)
	if override != nil && !ok {
		return nil, errBadOverride
	}
	for i, f := range v {
		var err error
		if v[i].Value, err = restore(f.Value, fieldsOf(shapes, f.Name), fields[f.Name]); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func restoreString(text string, shapes []*shape, override any) (value.Value, error) {
	if nan, ok := override.(map[string]any); ok {
		bits, _ := nan["$float64NaN"].(string)
		raw, err := base64.StdEncoding.DecodeString(bits)
		if err != nil || len(raw) != 8 || text != "NaN" {
			return nil, errBadOverride
		}
		f := math.Float64frombits(binary.LittleEndian.Uint64(raw))
		if !math.IsNaN(f) {
			return nil, errBadOverride
		}
		return f, nil
	}
	if override == nil {
		override = meaning(shapes)
	}
	switch override {
	case meansString:
		return text, nil
	case meansInt64:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	case meansInfinite:
		switch text {
		case "Infinity":
			return math.Inf(1), nil
		case "-Infinity":
			return math.Inf(-1), nil
		}
	case meansBytes:
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			return value.Bytes(raw), nil
		}
	default:
		return nil, errBadOverride
	}
	return nil, fmt.Errorf("a string stands where its shape says %s", override)
}

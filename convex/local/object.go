package local

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

// object reads the top level of a JSON object without decoding its values:
// the arguments of syscalls, of which most hold one large value that is
// decoded once, by whom it concerns.
type object []member

type member struct{ name, text string }

// view is the bytes of a string without a copy, for decoders that only read.
func view(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// parseObject splits text, which must be an object.
func parseObject(text string) (object, error) {
	s := splitter{text: text}
	out := make(object, 0, 4)
	s.space()
	if !s.eat('{') {
		return nil, s.fail("an object is expected")
	}
	s.space()
	for !s.eat('}') {
		name, err := s.name()
		if err != nil {
			return nil, err
		}
		s.space()
		if !s.eat(':') {
			return nil, s.fail("':' is expected")
		}
		s.space()
		start := s.pos
		if err := s.skip(); err != nil {
			return nil, err
		}
		out = append(out, member{name, text[start:s.pos]})
		s.space()
		if s.eat(',') {
			s.space()
		} else if s.pos >= len(text) || text[s.pos] != '}' {
			return nil, s.fail("',' or '}' is expected")
		}
	}
	return out, nil
}

// raw is the JSON text of a member; nil without it and for null.
func (o object) raw(name string) []byte {
	for _, m := range o {
		if m.name == name {
			if m.text == "null" {
				return nil
			}
			return view(m.text)
		}
	}
	return nil
}

// text is a member that is a string.
func (o object) text(name string) (string, bool) {
	raw := o.raw(name)
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	for _, c := range raw[1 : len(raw)-1] {
		if c == '\\' || c >= 0x80 {
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return "", false
			}
			return s, true
		}
	}
	return string(raw[1 : len(raw)-1]), true
}

// number is a member that is a number.
func (o object) number(name string) (float64, bool) {
	raw := o.raw(name)
	if raw == nil {
		return 0, false
	}
	if len(raw) < 10 { // small integers: query ids, page sizes
		n := 0
		for _, c := range raw {
			if c < '0' || c > '9' {
				n = -1
				break
			}
			n = n*10 + int(c-'0')
		}
		if n >= 0 {
			return float64(n), true
		}
	}
	var f float64
	err := json.Unmarshal(raw, &f)
	return f, err == nil
}

// is reports whether a member is true.
func (o object) is(name string) bool { return string(o.raw(name)) == "true" }

// splitter walks JSON text by its structure. The text comes from
// JSON.stringify; anything else is an error, never a panic.
type splitter struct {
	text string
	pos  int
}

func (s *splitter) fail(why string) error {
	return fmt.Errorf("read JSON at offset %d: %s", s.pos, why)
}

func (s *splitter) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

func (s *splitter) eat(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *splitter) name() (string, error) {
	start := s.pos
	if err := s.str(); err != nil {
		return "", err
	}
	raw := s.text[start:s.pos]
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' {
			var name string
			err := json.Unmarshal([]byte(raw), &name)
			return name, err
		}
	}
	return raw[1 : len(raw)-1], nil
}

func (s *splitter) str() error {
	if !s.eat('"') {
		return s.fail("a string is expected")
	}
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case '\\':
			s.pos += 2
		case '"':
			s.pos++
			return nil
		default:
			s.pos++
		}
	}
	s.pos = len(s.text)
	return s.fail("the string does not end")
}

// skip passes one value.
func (s *splitter) skip() error {
	open := 0
	for s.pos < len(s.text) {
		switch c := s.text[s.pos]; c {
		case '"':
			if err := s.str(); err != nil {
				return err
			}
		case '{', '[':
			open++
			s.pos++
			continue
		case '}', ']':
			if open == 0 {
				return s.fail("a value is expected")
			}
			open--
			s.pos++
		case ',', ':', ' ', '\t', '\n', '\r':
			if open == 0 {
				return s.fail("a value is expected")
			}
			s.pos++
			continue
		default:
			s.scalar()
		}
		if open == 0 {
			return nil
		}
	}
	return s.fail("the value does not end")
}

func (s *splitter) scalar() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ',', ':', '}', ']', ' ', '\t', '\n', '\r':
			return
		}
		s.pos++
	}
}

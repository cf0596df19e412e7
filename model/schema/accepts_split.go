package schema

import (
	"slices"

	"strait/model/value"
)

// escapeSplit is escapeObject for an object that many others share: b is taken
// apart at the field that tells most of them from each other, so that each part
// meets fewer of them. Choosing fields instead would try the same combinations
// again and again.
func (s *search) escapeSplit(b *Validator, as []*Validator) (w value.Value, found bool) {
	if b.Kind != Object {
		return s.escapeWhole(b, as)
	}
	best, most, parts := -1, 0, []Field(nil)
	for i, f := range b.Fields {
		if p := s.parts(f); len(p) > 1 {
			if n := s.told(p, as); n > most {
				best, most, parts = i, n, p
			}
		}
	}
	if best < 0 {
		return s.escapeWhole(b, as)
	}
	for _, part := range parts {
		narrow := &Validator{Kind: Object, Fields: slices.Clone(b.Fields)}
		narrow.Fields[best] = part
		if part.Optional { // stands for its absence
			narrow.Fields = slices.Delete(narrow.Fields, best, best+1)
		}
		if w, found := s.escape(narrow, as); found || s.steps > maxSteps {
			return w, found
		}
	}
	return nil, false
}

// escapeWhole searches to the end, for nothing can be taken apart.
func (s *search) escapeWhole(b *Validator, as []*Validator) (value.Value, bool) {
	before := s.patience
	s.patience = maxSteps
	defer func() { s.patience = before }()
	return s.escapeObject(b, as)
}

// parts are the ways in which a field can be there, each required, and last its
// absence if it is optional.
func (s *search) parts(f Field) []Field {
	var out []Field
	for _, m := range flatten(nil, f.Type) {
		switch m.Kind {
		case Boolean:
			out = append(out, Field{Name: f.Name, Type: &Validator{Kind: Literal, Literal: true}}, Field{Name: f.Name, Type: &Validator{Kind: Literal, Literal: false}})
		case Any:
			for _, k := range kinds {
				out = append(out, Field{Name: f.Name, Type: k})
			}
		default:
			out = append(out, Field{Name: f.Name, Type: m})
		}
	}
	if f.Optional {
		out = append(out, Field{Name: f.Name, Type: nothing, Optional: true})
	}
	return out
}

// told counts the pairs of a part and an object that have nothing in common.
func (s *search) told(parts []Field, as []*Validator) (n int) {
	for _, p := range parts {
		for _, a := range as {
			if s.apart(slot{p.Optional, p.Type}, s.slot(a, p.Name)) {
				n++
			}
		}
	}
	return n
}

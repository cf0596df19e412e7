package plan

import (
	"strings"
	"sync"

	"strait/model/schema"
	"strait/model/value"
)

// Witness is a document that the active schema accepts and the target refuses
// because of this change, or, when the change alone is refused by no document
// that can be had, because of others beside it; nil where nothing breaks. It
// is looked for when it is first asked for.
func (c Change) Witness() value.Value {
	if c.proof == nil {
		return nil
	}
	return c.proof.document()
}

// proof is how a witness is found: active's validator with only one change
// made, the validator put at a spot.
type proof struct {
	table *tablePair
	at    *spot
	put   substitute

	once  sync.Once
	found value.Value
}

// substitute is a validator that is only made when it is needed: whole, or
// object with its field number field put in place, added or, when with is nil,
// taken away. It holds no function, so that plans can be compared.
type substitute struct {
	whole, object *schema.Validator
	field         int
	with          *schema.Field
}

func as(v *schema.Validator) substitute { return substitute{whole: v} }

func (s substitute) none() bool { return s.whole == nil && s.object == nil }

func (s substitute) validator() *schema.Validator {
	switch {
	case s.whole != nil:
		return s.whole
	case s.with == nil:
		return withoutField(s.object, s.field)
	}
	return withField(s.object, s.field, *s.with)
}

// tablePair are the validators of a table, and a witness for it as a whole.
type tablePair struct {
	active, target *schema.Validator // never nil
	once           sync.Once
	whole          value.Value
}

func (p *proof) document() value.Value {
	p.once.Do(func() {
		t := p.table
		if p.at != nil {
			hybrid := p.at.graft(p.put.validator())
			ok, w, err := schema.AcceptsDocuments(hybrid, t.active)
			if err == nil && !ok && !t.target.Fits(w, schema.TablesOf(hybrid, t.active)) {
				p.found = w
				return
			}
		}
		t.once.Do(func() {
			if ok, w, err := schema.AcceptsDocuments(t.target, t.active); err == nil && !ok {
				t.whole = w
			}
		})
		p.found = t.whole
	})
	return p.found
}

// part is what of a validator a spot is.
type part int

const (
	fieldPart part = iota
	elementPart
	keyPart
	valuePart
	memberPart
)

// spot is a place in the documents of a table.
type spot struct {
	up    *spot             // nil at the document itself
	in    *schema.Validator // the active validator around
	part  part
	field int               // fieldPart: its number in in
	old   *schema.Validator // memberPart: the member
	// path is where the spot is, without the table, as a census writes it;
	// name also tells the member of a union: .payload(kind="paid").amount.
	path, name string
	// member names the members of unions on the way, outermost first:
	// type="planning", kind="left".
	member string
	// vague is set inside a union, where Convex does not say what is wrong.
	vague bool
}

func (s *spot) inField(o *schema.Validator, i int) *spot {
	f := "." + o.Fields[i].Name
	return &spot{up: s, in: o, part: fieldPart, field: i, path: s.path + f, name: s.name + f, member: s.member, vague: s.vague}
}

// inside is the spot of the elements of an array, the keys or values of a record.
func (s *spot) inside(v *schema.Validator, p part) *spot {
	text := map[part]string{elementPart: "[]", keyPart: ".keys()", valuePart: "{}"}[p]
	return &spot{up: s, in: v, part: p, path: s.path + text, name: s.name + text, member: s.member, vague: s.vague}
}

// inMember is the spot of a member of a union; note tells which, "" when there
// is no need to. several says that the target has other members beside it.
func (s *spot) inMember(u, member *schema.Validator, note string, several bool) *spot {
	in := &spot{up: s, in: u, part: memberPart, old: member, path: s.path, name: s.name, member: s.member, vague: s.vague || several}
	if note != "" {
		in.name += "(" + note + ")"
		in.member = strings.TrimPrefix(s.member+", "+note, ", ")
	}
	return in
}

// graft is the active document's validator with v in this place.
func (s *spot) graft(v *schema.Validator) *schema.Validator {
	for ; s.up != nil; s = s.up {
		switch s.part {
		case fieldPart:
			f := s.in.Fields[s.field]
			v = withField(s.in, s.field, schema.Field{Name: f.Name, Type: v, Optional: f.Optional})
		case elementPart:
			v = &schema.Validator{Kind: schema.Array, Element: v}
		case keyPart:
			v = &schema.Validator{Kind: schema.Record, Key: v, Element: s.in.Element}
		case valuePart:
			v = &schema.Validator{Kind: schema.Record, Key: s.in.Key, Element: v}
		case memberPart:
			v = replaceMember(s.in, s.old, v)
		}
	}
	return v
}

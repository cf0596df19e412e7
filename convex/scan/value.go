package scan

import (
	"slices"
	"sort"

	"strait/convex/scan/syntax"
	"strait/model/schema"
)

// kind is what a value is known to be.
type kind uint8

const (
	unknown    kind = iota
	void            // undefined or null
	text            // the string s
	object          // obj
	function        // fn
	document        // of table s
	identity        // an id of table s
	list            // of elem; also sets and promises of lists
	page            // what paginate answers with: its page is elem
	querying        // a query that has not ended: q
	contextual      // ctx
	database        // ctx.db
	scheduler       // ctx.scheduler
	reference       // of a function: s is its path as written
	crons           // what cronJobs() answers with
	namespace       // all of mod's exports
	external        // from a package: s is "package:name"
	validator       // v.string(): shape; optional
	class           // node
)

// value is what the text tells of one value. It does not change, but for obj.
type value struct {
	kind  kind
	s     string
	elem  *value
	items []*value // of a list that is written out: each element's own
	obj   *record
	fn    *closure
	q     *query
	mod   *module
	shape *schema.Validator // as validators declare it: tells which table an id names, no more
	typ   *schema.Validator // what it is for certain; nil when the text does not tell
	from  []string          // sorted fields of the document at hand that it is computed from
	hand  bool              // the document at hand, or its id
	maybe bool              // may be undefined or null; of a validator: optional
	exact bool              // the arguments of a function: exactly what shape says
	sieve bool              // a list that a condition went over
	ent   bool              // a query or document of convex-ents
	node  *syntax.Node
}

// record is an object that the text builds.
type record struct {
	fields []member
	open   bool // may have more fields
	guard  int  // how many conditions it stands under
}

type member struct {
	name  string
	val   *value
	maybe bool
}

func (r *record) get(name string) (member, bool) {
	for i := len(r.fields) - 1; i >= 0; i-- {
		if r.fields[i].name == name {
			return r.fields[i], true
		}
	}
	return member{}, false
}

// set puts a field in place; one that is there keeps its place.
func (r *record) set(m member) {
	for i, f := range r.fields {
		if f.name == m.name {
			if m.maybe && !f.maybe { // either of two values
				m.val, m.maybe = join(f.val, m.val), false
			} else if m.maybe {
				m.val = join(f.val, m.val)
			}
			r.fields[i] = m
			return
		}
	}
	r.fields = append(r.fields, m)
}

// closure is a function and the names it sees.
type closure struct {
	node    *syntax.Node
	scope   *scope
	applied int
	guard   int
}

// query is one that is being built.
type query struct {
	table, index   string
	bounded, sieve bool
	ent            bool
	pos            int32
	mod            *module
	ended          *bool
	single         bool // ents: getX(id)
	hand           bool
	alts           []*query // others that it may be instead
}

var nothing = &value{}

// known makes a value of a certain type.
func known(t *schema.Validator) *value { return &value{typ: t} }

func kindOf(k schema.Kind) *schema.Validator { return &schema.Validator{Kind: k} }

var (
	aNumber  = kindOf(schema.Number)
	aString  = kindOf(schema.String)
	aBoolean = kindOf(schema.Boolean)
	aBigint  = kindOf(schema.Bigint)
	aNull    = kindOf(schema.Null)
	anything = kindOf(schema.Any)
)

func literal(v any) *schema.Validator { return &schema.Validator{Kind: schema.Literal, Literal: v} }

// base is the kind of a type, a literal's own.
func base(t *schema.Validator) schema.Kind {
	if t == nil {
		return schema.Any
	}
	if t.Kind == schema.Literal {
		switch t.Literal.(type) {
		case string:
			return schema.String
		case float64:
			return schema.Number
		case bool:
			return schema.Boolean
		case int64:
			return schema.Bigint
		}
	}
	return t.Kind
}

// derive is a value of type t that is computed from others.
func derive(t *schema.Validator, parts ...*value) *value {
	v := &value{typ: t}
	for _, p := range parts {
		v.from = union(v.from, fields(p))
	}
	return v
}

// fields are those of the document at hand that a value is computed from.
func fields(v *value) []string {
	if v == nil {
		return nil
	}
	out := v.from
	if v.kind == object {
		for _, f := range v.obj.fields {
			out = union(out, f.val.from)
		}
	}
	if v.elem != nil && !v.elem.hand {
		out = union(out, v.elem.from)
	}
	return out
}

// union of two sorted sets of names. Neither changes.
func union(a, b []string) []string {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	out := append(slices.Clone(a), b...)
	sort.Strings(out)
	return slices.Compact(out)
}

// with is v, computed from more fields.
func with(v *value, from []string) *value {
	if len(from) == 0 {
		return v
	}
	w := *v
	w.from = union(v.from, from)
	return &w
}

// weak is v without what may change once a variable is assigned again.
func weak(v *value) *value {
	switch v.kind {
	case void, text:
		return &value{from: v.from, shape: v.shape, maybe: v.kind == void}
	}
	w := *v
	w.typ = nil
	return &w
}

// join is a value that is either of two.
func join(a, b *value) *value {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a == b:
		return a
	}
	from := union(a.from, b.from)
	if a.kind == void && b.kind != void {
		a, b = b, a
	}
	if b.kind == void {
		w := *a
		w.maybe, w.from = true, from
		if w.typ != nil {
			w.typ = either(w.typ, b.typ)
		}
		return &w
	}
	w := value{from: from, maybe: a.maybe || b.maybe, hand: a.hand && b.hand, sieve: a.sieve || b.sieve, ent: a.ent && b.ent}
	if a.typ != nil && b.typ != nil {
		w.typ = either(a.typ, b.typ)
	}
	if a.kind == b.kind && a.s == b.s && a.node == b.node {
		switch a.kind {
		case document, identity, contextual, database, scheduler, reference, crons, text:
			w.kind, w.s, w.shape, w.node = a.kind, a.s, a.shape, a.node
		case list, page:
			w.kind, w.elem = a.kind, join(a.elem, b.elem)
		case object:
			w.kind, w.obj = object, merge(a.obj, b.obj)
		case querying:
			if a.q.table == b.q.table {
				q := *a.q
				q.alts = append(append(slices.Clone(a.q.alts), b.q), b.q.alts...)
				q.bounded = a.q.bounded && b.q.bounded
				if a.q.index != b.q.index {
					q.index = ""
				}
				w.kind, w.q = querying, &q
			}
		}
	}
	if w.shape == nil && a.shape == b.shape {
		w.shape = a.shape
	}
	return &w
}

// merge is an object that is either of two.
func merge(a, b *record) *record {
	out := &record{open: a.open || b.open, guard: min(a.guard, b.guard)}
	for _, f := range a.fields {
		g, both := b.get(f.name)
		if both {
			out.fields = append(out.fields, member{f.name, join(f.val, g.val), f.maybe || g.maybe})
		} else {
			out.fields = append(out.fields, member{f.name, f.val, true})
		}
	}
	for _, g := range b.fields {
		if _, ok := a.get(g.name); !ok {
			out.fields = append(out.fields, member{g.name, g.val, true})
		}
	}
	return out
}

// either is a union of two types, nil when one is not known.
func either(a, b *schema.Validator) *schema.Validator {
	if a == nil || b == nil {
		return nil
	}
	members := flat(flat(nil, a), b)
	if len(members) == 1 {
		return members[0]
	}
	return &schema.Validator{Kind: schema.Union, Members: members}
}

func flat(dst []*schema.Validator, t *schema.Validator) []*schema.Validator {
	if t.Kind == schema.Union {
		for _, m := range t.Members {
			dst = flat(dst, m)
		}
		return dst
	}
	text := t.String()
	if slices.ContainsFunc(dst, func(m *schema.Validator) bool { return m.String() == text }) {
		return dst
	}
	return append(dst, t)
}

// shaped is a value of which a validator tells the outline.
func shaped(t *schema.Validator) *value {
	v := &value{shape: t}
	if t == nil {
		return nothing
	}
	switch t.Kind {
	case schema.ID:
		v.kind, v.s = identity, t.Table
	case schema.Array:
		v.kind, v.elem = list, shaped(t.Element)
	case schema.Union: // T | null
		var only *schema.Validator
		for _, m := range t.Members {
			if m.Kind == schema.Null {
				continue
			}
			if only != nil {
				return v
			}
			only = m
		}
		if only != nil {
			w := *shaped(only)
			w.maybe = true
			return &w
		}
	}
	return v
}

// plain is the type of an argument, when nothing in the code can narrow it:
// no union, nothing optional, nothing open.
func plain(t *schema.Validator) *schema.Validator {
	switch t.Kind {
	case schema.Number, schema.Bigint, schema.Boolean, schema.String, schema.Bytes, schema.ID, schema.Literal, schema.Null:
		return t
	case schema.Array:
		if plain(t.Element) != nil {
			return t
		}
	case schema.Object:
		for _, f := range t.Fields {
			if f.Optional || plain(f.Type) == nil {
				return nil
			}
		}
		return t
	}
	return nil
}

// scope is a block's names; mod is set in the outermost.
type scope struct {
	names  map[string]*value
	parent *scope
	mod    *module
}

func (s *scope) inner() *scope { return &scope{names: map[string]*value{}, parent: s, mod: s.mod} }

func (s *scope) find(name string) (*value, *scope) {
	for ; s != nil; s = s.parent {
		if v, ok := s.names[name]; ok {
			return v, s
		}
	}
	return nil, nil
}

package schema

import (
	"strconv"
	"strings"

	"strait/model/value"
)

// Tables tells the name of a table by its number; nil accepts every id.
type Tables interface {
	// TableName returns the table with that number and whether there is one.
	TableName(number uint32) (string, bool)
}

// The bounds of Check.
const (
	maxViolations = 1000
	maxShown      = 400 // characters of a value in the later texts
	maxGot        = 40  // characters of Violation.Got
)

// The reasons of a Violation.
const (
	ReasonMissing = "missing"
	ReasonExtra   = "extra"
	ReasonType    = "type"
	ReasonLiteral = "literal"
	ReasonID      = "id"
	ReasonUnion   = "union"
)

// Violation is one place at which a value does not fit a validator.
type Violation struct {
	Path     string      // ".profile.zip", ".tags[0]", ".scores.values()"; "" is the document
	Field    string      // the same without indexes, as design.md writes paths: "profile.zip", "tags[]", "scores{}"
	Way      []string    // the same step by step, the names of a record's entries in it: "scores", "anna"; "tags", "3"
	Reason   string      // one of the Reason constants
	Expected string      // the validator there, printed; for an extra field ""
	Got      string      // what is there: its type, or a short scalar where the type would not tell; "undefined" for a missing field
	Value    value.Value // what is there; Undefined for a missing field
	Message  string      // Convex's text of this violation (convex-wire.md 7.4), path included
	// Closest says more than Convex does about a union that refuses an object
	// or an array: the first violation of the member that comes closest. Nil
	// when no member is of the value's kind.
	Closest *Violation
}

// Check lists the violations of val against the validator, first the one that
// Convex would name. A nil validator accepts everything. A union is one
// violation, as for Convex: which member was meant is not known. A document of
// a megabyte can be wrong in thousands of places, and Convex prints all of it in
// its text: so the list ends after maxViolations, and from the second on texts
// show long values only in part.
func (v *Validator) Check(val value.Value, ids Tables) []Violation {
	if v.Fits(val, ids) {
		return nil
	}
	c := checker{ids: ids}
	c.check(v, val, nil)
	return c.found
}

// CheckDocument checks a stored document: system fields (names beginning with
// an underscore) are taken off first.
func (t *Table) CheckDocument(doc value.Object, ids Tables) []Violation {
	return t.Document.Check(withoutSystem(doc), ids)
}

// FitsDocument reports whether CheckDocument would find nothing.
func (t *Table) FitsDocument(doc value.Object, ids Tables) bool {
	return t.Document.Fits(withoutSystem(doc), ids)
}

// Misfits is CheckDocument without the texts, which cost more than all else:
// Message, Expected, Got, Way and Closest are left out.
func (t *Table) Misfits(doc value.Object, ids Tables) []Violation {
	c := checker{ids: ids, quiet: true}
	c.check(t.Document, withoutSystem(doc), nil)
	return c.found
}

// withoutSystem returns the document without its system fields. They are
// neighbours: fields are sorted by name.
func withoutSystem(doc value.Object) value.Object {
	from, to := len(doc), len(doc)
	for i, f := range doc {
		if system := strings.HasPrefix(f.Name, "_"); system && from == len(doc) {
			from = i
		} else if !system && from < len(doc) {
			to = i
			break
		}
	}
	if from == len(doc) {
		return doc
	}
	out := make(value.Object, 0, len(doc))
	return append(append(out, doc[:from]...), doc[to:]...)
}

// Fits reports whether Check would find nothing, without building messages.
func (v *Validator) Fits(val value.Value, ids Tables) bool {
	if v == nil {
		return true
	}
	switch v.Kind {
	case Any:
		return true
	case ID:
		s, ok := val.(string)
		return ok && idFits(v.Table, s, ids)
	case Literal:
		return value.Equal(v.Literal, val)
	case Array:
		a, ok := val.(value.Array)
		for i := 0; ok && i < len(a); i++ {
			ok = v.Element.Fits(a[i], ids)
		}
		return ok
	case Record:
		o, ok := val.(value.Object)
		for i := 0; ok && i < len(o); i++ {
			ok = v.Key.Fits(o[i].Name, ids) && v.Element.Fits(o[i].Value, ids)
		}
		return ok
	case Object:
		o, ok := val.(value.Object)
		return ok && v.fitsObject(o, ids)
	case Union:
		for _, m := range v.Members {
			if m.Fits(val, ids) {
				return true
			}
		}
		return false
	}
	return v.Kind == kindOf(val) || v.Kind == CommitTs && kindOf(val) == Bigint
}

func (v *Validator) fitsObject(o value.Object, ids Tables) bool {
	present := 0
	for i := range v.Fields {
		f := &v.Fields[i]
		val, ok := o.Get(f.Name)
		switch {
		case ok && f.Type.Fits(val, ids):
			present++
		case ok || !f.Optional:
			return false
		}
	}
	return present == len(o)
}

func idFits(table, text string, ids Tables) bool {
	id, err := value.ParseID(text)
	if err != nil {
		return false
	}
	if ids == nil {
		return true
	}
	name, ok := ids.TableName(id.Table)
	return ok && name == table
}

// kindOf is the kind of the plainest validator of a value; "" for Undefined.
func kindOf(val value.Value) Kind {
	switch val.(type) {
	case nil:
		return Null
	case bool:
		return Boolean
	case float64:
		return Number
	case int64:
		return Bigint
	case string:
		return String
	case value.Bytes:
		return Bytes
	case value.Array:
		return Array
	case value.Object:
		return Object
	}
	return ""
}

// checker gathers violations in Convex's order: the validator's fields by
// name, then the extra fields.
type checker struct {
	ids   Tables
	quiet bool // no texts
	found []Violation
}

// place is the way from the document to the value under check.
type place struct {
	up    *place
	step  string // in Convex's words: .field, [i], .keys(), .values()
	field string // in design.md's words: .field, [], {}
	name  string // of the field, of the record's entry; the index of an element
}

func (p *place) paths() (path, field string) {
	if p == nil {
		return "", ""
	}
	path, field = p.up.paths()
	return path + p.step, field + p.field
}

// way is the names of the steps; nil is the document.
func (p *place) way() []string {
	if p == nil {
		return nil
	}
	return append(p.up.way(), p.name)
}

func (c *checker) check(v *Validator, val value.Value, at *place) {
	if len(c.found) == maxViolations {
		return
	}
	switch v = orAny(v); v.Kind {
	case ID:
		if s, ok := val.(string); ok {
			c.checkID(v, s, at)
			return
		}
	case Literal:
		if !value.Equal(v.Literal, val) {
			c.add(ReasonLiteral, v, val, at, "`"+c.show(val)+"` does not match literal validator `"+v.String()+"`."+gluedPath(at))
		}
		return
	case Array:
		if a, ok := val.(value.Array); ok {
			for i, e := range a {
				c.check(v.Element, e, &place{at, "[" + strconv.Itoa(i) + "]", "[]", strconv.Itoa(i)})
			}
			return
		}
	case Record:
		if o, ok := val.(value.Object); ok {
			for _, f := range o {
				c.check(v.Key, f.Name, &place{at, ".keys()", "{}", f.Name})
				c.check(v.Element, f.Value, &place{at, ".values()", "{}", f.Name})
			}
			return
		}
	case Object:
		if o, ok := val.(value.Object); ok {
			c.checkObject(v, o, at)
			return
		}
	case Union:
		if len(v.Members) == 1 {
			c.check(v.Members[0], val, at)
			return
		}
	}
	if !v.Fits(val, c.ids) {
		c.mismatch(v, val, at)
	}
}

func (c *checker) mismatch(v *Validator, val value.Value, at *place) {
	reason := ReasonType
	switch {
	case v.Kind == Union:
		reason = ReasonUnion
	case v.Kind == ID && kindOf(val) == String:
		reason = ReasonID
	}
	if len(c.found) == maxViolations {
		return
	}
	c.add(reason, v, val, at, c.detailed("Value does not match validator.", at, "Value", val, v))
	if v.Kind == Union && !c.quiet {
		c.found[len(c.found)-1].Closest = c.closest(v, val, at)
	}
}

// closest picks the member of a union which was probably meant: of those of
// the value's kind the one with the fewest wrong literals directly inside, for
// these tell members apart, then with the fewest violations.
func (c *checker) closest(v *Validator, val value.Value, at *place) *Violation {
	kind := kindOf(val)
	if kind != Object && kind != Array {
		return nil
	}
	var best []Violation
	least := 0
	for _, m := range flatten(nil, v) {
		if family(m) != kind {
			continue
		}
		inside := checker{ids: c.ids}
		inside.check(m, val, at)
		if score := strangeness(m, val)<<16 + len(inside.found); best == nil || score < least {
			best, least = inside.found, score
		}
	}
	if len(best) == 0 {
		return nil
	}
	return &best[0]
}

// strangeness counts the literal fields of an object that differ.
func strangeness(m *Validator, val value.Value) (n int) {
	o, _ := val.(value.Object)
	for _, f := range m.Fields {
		if got, ok := o.Get(f.Name); f.Type != nil && f.Type.Kind == Literal && ok && !value.Equal(got, f.Type.Literal) {
			n++
		}
	}
	return n
}

func (c *checker) checkID(v *Validator, text string, at *place) {
	if idFits(v.Table, text, c.ids) {
		return
	}
	name, known := "", false
	if id, err := value.ParseID(text); err == nil && c.ids != nil {
		name, known = c.ids.TableName(id.Table)
	}
	switch {
	case !known:
		c.mismatch(v, text, at)
	case strings.HasPrefix(name, "_"):
		c.add(ReasonID, v, text, at, `Found ID "`+text+`" from a system table, which does not match the table name in validator `+"`"+v.String()+"`."+gluedPath(at))
	default:
		c.add(ReasonID, v, text, at, `Found ID "`+text+"\" from table `"+name+"`, which does not match the table name in validator `"+v.String()+"`."+gluedPath(at))
	}
}

func (c *checker) checkObject(v *Validator, o value.Object, at *place) {
	for _, f := range v.SortedFields() {
		inside := &place{at, "." + f.Name, "." + f.Name, f.Name}
		val, ok := o.Get(f.Name)
		switch {
		case ok:
			c.check(f.Type, val, inside)
		case !f.Optional:
			c.add(ReasonMissing, f.Type, value.Undefined{}, inside,
				c.detailed("Object is missing the required field `"+f.Name+"`. Consider wrapping the field validator in `v.optional(...)` if this is expected.", at, "Object", o, v))
		}
	}
	for _, f := range o {
		if v.Field(f.Name) == nil {
			c.add(ReasonExtra, nil, f.Value, &place{at, "." + f.Name, "." + f.Name, f.Name},
				c.detailed("Object contains extra field `"+f.Name+"` that is not in the validator.", at, "Object", o, v))
		}
	}
}

// show prints a value: whole in the text that Convex would write.
func (c *checker) show(val value.Value) string {
	switch {
	case c.quiet:
		return ""
	case len(c.found) == 0:
		return value.Display(val)
	}
	return value.Brief(val, maxShown)
}

func (c *checker) add(reason string, v *Validator, val value.Value, at *place, message string) {
	if len(c.found) == maxViolations {
		return
	}
	path, field := at.paths()
	if c.quiet {
		c.found = append(c.found, Violation{Path: path, Field: strings.TrimPrefix(field, "."), Reason: reason, Value: val})
		return
	}
	x := Violation{Path: path, Field: strings.TrimPrefix(field, "."), Way: at.way(), Reason: reason, Value: val, Message: message, Got: describe(v, val)}
	if v != nil {
		x.Expected = v.String()
	}
	c.found = append(c.found, x)
}

// gluedPath follows the short messages without a space or a new line.
func gluedPath(at *place) string {
	if path, _ := at.paths(); path != "" {
		return "Path: " + path
	}
	return ""
}

func (c *checker) detailed(first string, at *place, label string, val value.Value, v *Validator) string {
	if c.quiet {
		return ""
	}
	return first + "\n" + gluedPath(at) + "\n" + label + ": " + c.show(val) + "\nValidator: " + v.String()
}

// describe says what stands where v was expected: the type, or the scalar
// itself where literals or ids are expected and the type says too little.
func describe(v *Validator, val value.Value) string {
	kind := kindOf(val)
	switch {
	case kind == "":
		return "undefined"
	case kind == Array || kind == Object || v == nil:
		return string(kind)
	case v.Kind == Literal || v.Kind == ID || v.Kind == Union && kind == String:
		return value.Brief(val, maxGot)
	}
	return string(kind)
}

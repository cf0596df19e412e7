package plan

import (
	"fmt"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// differ walks the validators of one table side by side.
type differ struct {
	table          string
	active, target *schema.Validator // never nil
	enforced       bool              // target is checked by Convex
	changes        []Change
	whole          value.Value // a witness for the whole table, made once
	wholeTried     bool
}

// spot is a place in the table's documents. graft gives the active document's
// validator with another validator in this place, so that a witness can be
// looked for that fails because of this one change.
type spot struct {
	path  string
	graft func(*schema.Validator) *schema.Validator
}

func newDiffer(a, t *schema.Table, enforced bool) *differ {
	return &differ{table: t.Name, active: orAny(a.Document), target: orAny(t.Document), enforced: enforced}
}

func (d *differ) root() spot {
	return spot{path: "", graft: func(v *schema.Validator) *schema.Validator { return v }}
}

// pathOf is a path inside the table as Change.Path writes it.
func (d *differ) pathOf(at spot) string {
	if at.path == "" {
		return ""
	}
	return d.table + at.path
}

// name is a path as a sentence begins with it.
func (d *differ) name(at spot) string { return d.table + at.path }

// finish adds the change that says all when two validators differ in meaning
// and no single place could be named.
func (d *differ) finish() []Change {
	if len(d.changes) == 0 && !same(d.active, d.target) {
		up, _, err1 := schema.Accepts(d.target, d.active)
		down, _, err2 := schema.Accepts(d.active, d.target)
		if err1 == nil && err2 == nil && !(up && down) {
			d.typeChange(d.root(), d.active, d.target, up, down)
		}
	}
	return d.changes
}

// compare lists what differs between a and t at one place.
func (d *differ) compare(at spot, a, t *schema.Validator) {
	if same(a, t) {
		return
	}
	up, _, err1 := schema.Accepts(t, a)
	down, _, err2 := schema.Accepts(a, t)
	unsure := err1
	if unsure == nil {
		unsure = err2
	}
	if unsure == nil && up && down {
		return
	}
	switch {
	case a.Kind == schema.Object && t.Kind == schema.Object:
		d.objects(at, a, t)
	case a.Kind == schema.Array && t.Kind == schema.Array:
		d.compare(spot{at.path + "[]", func(v *schema.Validator) *schema.Validator {
			return at.graft(&schema.Validator{Kind: schema.Array, Element: v})
		}}, a.Element, t.Element)
	case a.Kind == schema.Record && t.Kind == schema.Record:
		d.records(at, a, t)
	case unsure != nil:
		d.add(at, Change{
			Kind: TypeChanged, Class: UnknownKind, Before: show(a), After: show(t),
			Message: d.name(at) + " changes in a way that could not be decided",
			Why:     unsure.Error(),
			Push:    "count the documents that do not fit before you push",
		}, nil)
	case a.Kind == schema.ID && t.Kind == schema.ID:
		d.add(at, Change{
			Kind: IDTargetChanged, Class: Breaking, Before: show(a), After: show(t),
			Message: fmt.Sprintf("%s points to %s instead of %s", d.name(at), t.Table, a.Table),
			Why:     "every id names its table: stored ids of " + a.Table + " do not fit",
			Push:    fmt.Sprintf("Convex refuses it while a document holds such an id: Found ID … from table `%s`, which does not match the table name in validator `%s`", a.Table, show(t)),
		}, at.graft(t))
	case a.Kind == schema.Union || t.Kind == schema.Union:
		d.unions(at, a, t, up, down)
	default:
		d.typeChange(at, a, t, up, down)
	}
}

func (d *differ) objects(at spot, a, t *schema.Validator) {
	for i, f := range a.Fields {
		here := spot{at.path + "." + f.Name, func(v *schema.Validator) *schema.Validator {
			return at.graft(withField(a, i, schema.Field{Name: f.Name, Type: v, Optional: f.Optional}))
		}}
		tf := t.Field(f.Name)
		if tf == nil {
			d.add(here, Change{
				Kind: FieldRemoved, Class: Destructive, Before: showField(f),
				Message: fmt.Sprintf("%s is gone", d.name(here)),
				Why:     "documents that still hold the field do not fit; what is stored in it will be lost",
				Push:    fmt.Sprintf("Convex refuses it while a document holds the field: Object contains extra field `%s` that is not in the validator.", f.Name),
			}, at.graft(withoutField(a, i)))
			continue
		}
		if f.Optional != tf.Optional {
			d.optionality(at, here, a, i, *tf)
		}
		d.compare(here, f.Type, tf.Type)
	}
	for _, f := range t.Fields {
		if a.Field(f.Name) != nil {
			continue
		}
		here := spot{at.path + "." + f.Name, nil}
		if f.Optional {
			d.add(here, Change{
				Kind: FieldAdded, Class: Safe, After: showField(f),
				Message: fmt.Sprintf("%s is new and optional", d.name(here)),
				Why:     "documents without it still fit",
				Push:    "Convex accepts it",
			}, nil)
			continue
		}
		d.add(here, Change{
			Kind: RequiredFieldAdded, Class: Breaking, After: showField(f),
			Message: fmt.Sprintf("%s is new and required", d.name(here)),
			Why:     "documents that were stored without it do not fit",
			Push:    fmt.Sprintf("Convex refuses it while a document lacks the field: Object is missing the required field `%s`.", f.Name),
		}, at.graft(withField(a, len(a.Fields), f)))
	}
}

func (d *differ) optionality(at, here spot, a *schema.Validator, i int, tf schema.Field) {
	f := a.Fields[i]
	c := Change{Kind: RequiredToOptional, Class: Safe, Before: showField(f), After: showField(tf),
		Message: d.name(here) + " becomes optional",
		Why:     "documents that hold it still fit; code must expect it to be absent",
		Push:    "Convex accepts it"}
	var hybrid *schema.Validator
	if f.Optional {
		c.Kind, c.Class = OptionalToRequired, Breaking
		c.Message = d.name(here) + " becomes required"
		c.Why = "documents that lack it do not fit"
		c.Push = fmt.Sprintf("Convex refuses it while a document lacks the field: Object is missing the required field `%s`.", f.Name)
		hybrid = at.graft(withField(a, i, schema.Field{Name: f.Name, Type: f.Type}))
	}
	d.add(here, c, hybrid)
}

func (d *differ) records(at spot, a, t *schema.Validator) {
	n := len(d.changes)
	up, _, err1 := schema.Accepts(t.Key, a.Key)
	down, _, err2 := schema.Accepts(a.Key, t.Key)
	if err1 == nil && err2 == nil && !(up && down) {
		keyAt := spot{at.path + ".keys()", func(v *schema.Validator) *schema.Validator {
			return at.graft(&schema.Validator{Kind: schema.Record, Key: v, Element: a.Element})
		}}
		d.typeChange(keyAt, a.Key, t.Key, up, down)
	}
	d.compare(spot{at.path + "{}", func(v *schema.Validator) *schema.Validator {
		return at.graft(&schema.Validator{Kind: schema.Record, Key: a.Key, Element: v})
	}}, a.Element, t.Element)
	if len(d.changes) == n {
		// Both sides mean something else as a whole, though neither part does.
		up, _, _ := schema.Accepts(t, a)
		down, _, _ := schema.Accepts(a, t)
		d.typeChange(at, a, t, up, down)
	}
}

// unions compares two validators of which one at least is a union: members of
// the same meaning are set aside, members that are the same thing grown or
// shrunk are compared in depth, and what is left over came or went.
func (d *differ) unions(at spot, a, t *schema.Validator, up, down bool) {
	am, tm := members(a), members(t)
	am, tm = setAside(am, tm)
	n := len(d.changes)
	for _, p := range pairs(&am, &tm) {
		d.compare(spot{at.path, func(v *schema.Validator) *schema.Validator {
			return at.graft(replaceMember(a, p[0], v))
		}}, p[0], p[1])
	}
	gone := slices.DeleteFunc(am, func(m *schema.Validator) bool { return accepts(t, m) })
	came := slices.DeleteFunc(tm, func(m *schema.Validator) bool { return accepts(a, m) })
	if len(gone) == 0 && len(came) == 0 {
		if len(d.changes) == n && !(up && down) {
			d.typeChange(at, a, t, up, down)
		}
		return
	}
	c := Change{Before: show(a), After: show(t)}
	literals := onlyLiterals(a) && onlyLiterals(t)
	switch {
	case len(gone) == 0 && t.Kind != schema.Union && !literals, len(came) == 0 && a.Kind != schema.Union && !literals:
		d.typeChange(at, a, t, len(gone) == 0, len(came) == 0)
		return
	case len(gone) == 0:
		c.Kind, c.Class = UnionGrown, Safe
		if literals {
			c.Kind = LiteralsGrown
		}
		c.Message = fmt.Sprintf("%s also takes %s", d.name(at), list(came))
		c.Why = "documents as they are still fit; code must expect the new values"
		c.Push = "Convex accepts it"
		d.add(at, c, nil)
		return
	case len(came) == 0:
		c.Kind, c.Class = UnionShrunk, Breaking
		if literals {
			c.Kind = LiteralsShrunk
		}
		c.Message = fmt.Sprintf("%s no longer takes %s", d.name(at), list(gone))
	default:
		c.Kind, c.Class = TypeChanged, Breaking
		c.Message = fmt.Sprintf("%s takes %s instead of %s", d.name(at), list(came), list(gone))
	}
	c.Why = "documents that hold " + list(gone) + " there do not fit"
	c.Push = "Convex refuses it while such a document is stored: Value does not match validator."
	d.add(at, c, at.graft(t))
}

// typeChange is the change of one whole validator to another.
func (d *differ) typeChange(at spot, a, t *schema.Validator, up, down bool) {
	c := Change{Before: show(a), After: show(t)}
	switch {
	case up:
		c.Kind, c.Class = TypeWidened, Safe
		c.Message = fmt.Sprintf("%s widens from %s to %s", d.name(at), short(a), short(t))
		c.Why = "everything that fitted still fits; code must expect the new values"
		c.Push = "Convex accepts it"
		d.add(at, c, nil)
		return
	case down:
		c.Kind = TypeNarrowed
		c.Message = fmt.Sprintf("%s narrows from %s to %s", d.name(at), short(a), short(t))
	default:
		c.Kind = TypeChanged
		c.Message = fmt.Sprintf("%s changes from %s to %s", d.name(at), short(a), short(t))
	}
	c.Class = Breaking
	c.Why = "documents that hold another value there do not fit"
	c.Push = "Convex refuses it while such a document is stored: " + refusalText(t)
	d.add(at, c, at.graft(t))
}

func refusalText(t *schema.Validator) string {
	if t.Kind == schema.Literal {
		return fmt.Sprintf("`…` does not match literal validator `%s`.", show(t))
	}
	return "Value does not match validator."
}

// add files a change. hybrid is the active document's validator with only this
// change made, for the witness; nil when nothing can stop fitting.
func (d *differ) add(at spot, c Change, hybrid *schema.Validator) {
	c.Table, c.Path = d.table, d.pathOf(at)
	if !d.enforced && c.Class != Safe {
		c.Class = Safe
		c.Push = "Convex accepts it: schemaValidation is off, nothing is checked"
		hybrid = nil
	}
	if hybrid != nil {
		c.Witness = d.witness(hybrid)
	}
	d.changes = append(d.changes, c)
}

// witness is a document that active accepts and target refuses, because of the
// one change in hybrid when that can be had.
func (d *differ) witness(hybrid *schema.Validator) value.Value {
	if ok, w, err := schema.AcceptsDocuments(hybrid, d.active); err == nil && !ok && !d.target.Fits(w, schema.TablesOf(hybrid, d.active)) {
		return w
	}
	if !d.wholeTried {
		d.wholeTried = true
		if ok, w, err := schema.AcceptsDocuments(d.target, d.active); err == nil && !ok {
			d.whole = w
		}
	}
	return d.whole
}

func accepts(a, b *schema.Validator) bool {
	ok, _, err := schema.Accepts(a, b)
	return err == nil && ok
}

func list(vs []*schema.Validator) string {
	s := make([]string, 0, len(vs))
	for i, v := range vs {
		if i == 4 && len(vs) > 5 {
			return strings.Join(s, ", ") + fmt.Sprintf(" and %d more", len(vs)-i)
		}
		s = append(s, short(v))
	}
	return strings.Join(s, ", ")
}

package plan

import (
	"fmt"
	"sync"

	"strait/model/schema"
)

// differ walks the validators of one table side by side. Objects, arrays and
// records are taken apart without comparing them as a whole: each accepts what
// the other does exactly when its parts do, as long as every part accepts
// something at all.
type differ struct {
	table    string
	pair     *tablePair
	enforced bool              // target is checked by Convex
	tables   map[string]string // likely new names of tables that are gone
	// moves are those of fields, as the indexes tell them: rarely asked for.
	moves   func() map[rename]bool
	changes []Change
	// breaks and loosens count the changes by which the target refuses what
	// active accepts, and accepts what active refuses.
	breaks, loosens int
	unsure          bool
}

// effect is what a change does to the documents that fit.
type effect struct{ breaks, loosens bool }

var (
	breaks    = effect{breaks: true}
	loosens   = effect{loosens: true}
	exchanges = effect{breaks: true, loosens: true}
)

func newDiffer(a, t *schema.Table, enforced bool) *differ {
	return &differ{table: t.Name, enforced: enforced, moves: sync.OnceValue(func() map[rename]bool { return indexMoves(a, t) }), pair: &tablePair{active: orAny(a.Document), target: orAny(t.Document)}}
}

// run compares the whole documents.
func (d *differ) run() {
	a, t := d.pair.active, d.pair.target
	if same(a, t) {
		return
	}
	root := &spot{}
	d.compare(root, a, t)
	if d.unsure || inhabited(a) && inhabited(t) {
		return
	}
	// A part that accepts nothing makes more of the changes than they are.
	up, down, err := mutual(root, a, t)
	if err == nil && !d.says(mark{}, up, down) {
		d.back(mark{})
		if !(up && down) {
			d.typeChange(root, a, t, up, down)
		}
	}
}

// mark is a point to go back to.
type mark struct{ changes, breaks, loosens int }

func (d *differ) mark() mark { return mark{len(d.changes), d.breaks, d.loosens} }

func (d *differ) back(m mark) {
	d.changes, d.breaks, d.loosens = d.changes[:m.changes], m.breaks, m.loosens
}

// says reports whether the changes since m amount to what is known of the
// whole: that t accepts a (up), and a t (down).
func (d *differ) says(m mark, up, down bool) bool {
	return (d.breaks == m.breaks) == up && (d.loosens == m.loosens) == down
}

// mutual reports whether t accepts what a does (up), and the other way round.
func mutual(at *spot, a, t *schema.Validator) (up, down bool, err error) {
	includes := schema.Includes
	if at.up == nil {
		includes = schema.IncludesDocuments
	}
	if up, err = includes(t, a); err == nil {
		down, err = includes(a, t)
	}
	return up, down, err
}

// compare lists what differs between a and t at one place.
func (d *differ) compare(at *spot, a, t *schema.Validator) {
	switch {
	case same(a, t):
	case a.Kind == schema.Object && t.Kind == schema.Object:
		d.objects(at, a, t)
	case a.Kind == schema.Array && t.Kind == schema.Array:
		d.compare(at.inside(a, elementPart), a.Element, t.Element)
	case a.Kind == schema.Record && t.Kind == schema.Record:
		d.compare(at.inside(a, keyPart), a.Key, t.Key)
		d.compare(at.inside(a, valuePart), a.Element, t.Element)
	case a.Kind == schema.ID && t.Kind == schema.ID:
		d.idChange(at, a.Table, t.Table, t)
	default:
		up, down, err := mutual(at, a, t)
		switch {
		case err != nil:
			d.undecided(at, a, t, err)
		case up && down:
		case a.Kind == schema.Union || t.Kind == schema.Union:
			d.unions(at, a, t, up, down)
		default:
			d.typeChange(at, a, t, up, down)
		}
	}
}

func (d *differ) undecided(at *spot, a, t *schema.Validator, err error) {
	d.unsure = true
	d.add(at, Change{
		Kind: TypeChanged, Class: UnknownKind, Before: code(a), After: code(t),
		Message: d.name(at) + " changes in a way that could not be decided",
		Why:     err.Error(),
		Push:    "count the documents that do not fit before you push",
	}, effect{}, at, as(t))
}

// idChange is an id of table from that becomes one of table to; put is the
// validator that stands there then.
func (d *differ) idChange(at *spot, from, to string, put *schema.Validator) {
	d.add(at, Change{
		Kind: IDTargetChanged, Class: Breaking, Before: `v.id("` + from + `")`, After: `v.id("` + to + `")`,
		Message: fmt.Sprintf("%s points to %s instead of %s", d.name(at), to, from),
		Why:     "every id names its table: stored ids of " + from + " do not fit",
		Push:    "Convex refuses it while a document holds such an id: " + at.refusal(fmt.Sprintf("Found ID … from table `%s`, which does not match the table name in validator `v.id(\"%s\")`.", from, to)),
	}, exchanges, at, as(put))
}

func (d *differ) objects(at *spot, a, t *schema.Validator) {
	names := d.fieldRenames(at, a, t)
	for i, f := range a.Fields {
		tf := t.Field(f.Name)
		if tf == nil {
			d.fieldRemoved(at, a, i, names.to[f.Name])
			continue
		}
		if f.Optional == tf.Optional && same(f.Type, tf.Type) {
			continue
		}
		here := at.inField(a, i)
		if f.Optional != tf.Optional {
			d.optionality(here, f, *tf, names.from[f.Name])
		}
		d.compare(here, f.Type, tf.Type)
	}
	for _, f := range t.Fields {
		if a.Field(f.Name) == nil {
			d.fieldAdded(at, a, f, names.from[f.Name])
		}
	}
}

func (d *differ) fieldRemoved(at *spot, a *schema.Validator, i int, renamed offer) {
	f, here := a.Fields[i], at.inField(a, i)
	e := breaks
	if !f.Optional {
		e = exchanges
	}
	c := Change{
		Kind: FieldRemoved, Class: Destructive, Before: f.Line(), Rename: renamed.sure(),
		Message: d.name(here) + " is gone",
		Why:     "documents that still hold the field do not fit; what is stored in it will be lost",
		Push:    "Convex refuses it while a document holds the field: " + at.refusal(fmt.Sprintf("Object contains extra field `%s` that is not in the validator.", f.Name)),
	}
	if renamed.any() {
		c.Message += renamed.text("to")
		c.Why = fmt.Sprintf("documents that still hold the field do not fit; what is stored in it is lost unless a migration copies it to %s first", renamed.choice())
	}
	d.add(here, c, e, at, substitute{object: a, field: i})
}

func (d *differ) fieldAdded(at *spot, a *schema.Validator, f schema.Field, renamed offer) {
	here := &spot{path: at.path + "." + f.Name, name: at.name + "." + f.Name, member: at.member}
	c := Change{Kind: FieldAdded, Class: Safe, After: f.Line(), Rename: renamed.sure(),
		Message: d.name(here) + " is new and optional",
		Why:     "documents without it still fit",
		Push:    "Convex accepts it"}
	e := loosens
	var put substitute
	if !f.Optional {
		c.Kind, c.Class, e = RequiredFieldAdded, Breaking, exchanges
		c.Message = d.name(here) + " is new and required"
		c.Why = "documents that were stored without it do not fit"
		c.Push = missingField(at, f.Name)
		put = substitute{object: a, field: len(a.Fields), with: &f}
	}
	c.Message += renamed.text("from")
	d.add(here, c, e, at, put)
}

func (d *differ) optionality(here *spot, f, tf schema.Field, renamed offer) {
	if !f.Optional {
		d.add(here, Change{Kind: RequiredToOptional, Class: Safe, Before: f.Line(), After: tf.Line(),
			Message: d.name(here) + " becomes optional",
			Why:     "documents that hold it still fit; code must expect it to be absent",
			Push:    "Convex accepts it",
		}, loosens, nil, substitute{})
		return
	}
	d.add(here, Change{Kind: OptionalToRequired, Class: Breaking, Before: f.Line(), After: tf.Line(), Rename: renamed.sure(),
		Message: d.name(here) + " becomes required" + renamed.text("from"),
		Why:     "documents that lack it do not fit",
		Push:    missingField(here, f.Name),
	}, breaks, here.up, substitute{object: here.in, field: here.field, with: &schema.Field{Name: f.Name, Type: f.Type}})
}

func missingField(at *spot, name string) string {
	return "Convex refuses it while a document lacks the field: " + at.refusal(fmt.Sprintf("Object is missing the required field `%s`.", name))
}

// typeChange is the change of one whole validator to another.
func (d *differ) typeChange(at *spot, a, t *schema.Validator, up, down bool) {
	c := Change{Before: code(a), After: code(t)}
	move := fmt.Sprintf(" from %s to %s", phrase(a), phrase(t))
	if up {
		c.Kind, c.Class = TypeWidened, Safe
		c.Message = d.name(at) + " widens" + move
		c.Why = "everything that fitted still fits; code must expect the new values"
		c.Push = "Convex accepts it"
		if at.up == nil && t.Kind == schema.Any {
			c.Message = "table " + d.table + " takes any document from now on"
			c.Why = "everything that fitted still fits; Convex checks the table no longer, so code must expect any shape"
		}
		d.add(at, c, loosens, nil, substitute{})
		return
	}
	e := exchanges
	c.Kind, c.Message = TypeChanged, d.name(at)+" changes"+move
	if down {
		e = breaks
		c.Kind, c.Message = TypeNarrowed, d.name(at)+" narrows"+move
	}
	c.Class = Breaking
	c.Why = "documents that hold another value there do not fit"
	c.Push = "Convex refuses it while such a document is stored: " + at.refusal(refusalText(t))
	if at.up == nil && a.Kind == schema.Any {
		c.Message = "table " + d.table + " gets a validator, " + phrase(t)
		c.Why = "the table took any document so far: some may not fit"
	}
	d.add(at, c, e, at, as(t))
}

func refusalText(t *schema.Validator) string {
	if t.Kind == schema.Literal {
		return fmt.Sprintf("`…` does not match literal validator `%s`.", show(t))
	}
	return "Value does not match validator."
}

// refusal is what Convex says of a document that does not fit there. Of a
// union with several members it says only that none fits.
func (s *spot) refusal(text string) string {
	if s.vague {
		return "Value does not match validator."
	}
	return text
}

// name is a place as a sentence begins with it.
func (d *differ) name(at *spot) string { return d.table + at.name }

// add files a change. put, at the spot from, is the one change for which a
// witness can be looked for; it is none when nothing can stop fitting.
func (d *differ) add(at *spot, c Change, e effect, from *spot, put substitute) {
	if e.breaks {
		d.breaks++
	}
	if e.loosens {
		d.loosens++
	}
	c.Table, c.Member = d.table, at.member
	if at.path != "" {
		c.Path = d.table + at.path
	}
	switch {
	case !d.enforced && c.Class != Safe:
		c.Class = Safe
		c.Message += ", unchecked: schemaValidation is off"
		c.Push = "Convex accepts it: schemaValidation is off, nothing is checked"
	case !put.none():
		c.proof = &proof{table: d.pair, at: from, put: put}
	}
	d.changes = append(d.changes, c)
}

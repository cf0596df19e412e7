package plan

import (
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// advise says of every row that holds changes how to carry it out, in the
// rows' order.
func advise(in Input, p Plan) []Advice {
	a := &adviser{in: in, widened: widenedDeclared(in), taken: map[string]bool{}}
	for _, d := range in.Definitions {
		a.taken[shortName(d.Name)] = true
	}
	out := []Advice{}
	for _, r := range p.Rows {
		if len(r.Changes) > 0 {
			out = append(out, a.advise(r))
		}
	}
	a.addSetUp(out)
	return out
}

// adviser advises on the rows of one plan.
type adviser struct {
	in      Input
	widened *schema.Schema  // accepts what any environment has and the target
	taken   map[string]bool // names of migrations that are in use
}

func (a *adviser) advise(r Row) Advice {
	s := a.situation(r)
	out := Advice{
		Title: r.Title, Table: r.Table, Path: r.Path, Class: r.Class, Changes: r.Changes,
		Why: s.main.Why, Push: s.main.Push, Migrations: r.Migrations,
	}
	for _, c := range r.Changes {
		out.Kinds = append(out.Kinds, c.Kind)
		if w := c.Witness(); out.Witness == "" && w != nil {
			out.Witness = string(value.Append(nil, w))
		}
	}
	if s.wide != nil {
		out.Widened = s.deployed().TypeScript()
	}
	t := s.tactic()
	out.Strategy, out.Because, out.Deploys = t.strategy, t.because, t.deploys
	if len(r.Migrations) == 0 {
		out.Scaffold = a.scaffold(s)
	}
	out.Snippets = a.snippets(s)
	return out
}

// situation is one row with all that its advice depends on.
type situation struct {
	row    Row
	main   Change        // the change that decides
	wide   *schema.Table // of the widened schema; nil for the whole schema
	target *schema.Table // nil for a table that is removed
	// from is what documents may be once the table is widened; to is the same
	// with this row's change made, and no other.
	from, to *schema.Validator
	move     *move // where a removed object goes; nil when nowhere
}

func (a *adviser) situation(r Row) *situation {
	s := &situation{row: r, main: deciding(r.Changes), wide: a.widened.Table(r.Table), target: a.in.Target.Table(r.Table)}
	if s.wide != nil && s.target != nil {
		s.from = orAny(s.wide.Document)
		s.to = narrowAt(s.from, orAny(s.target.Document), strings.TrimPrefix(r.Path, r.Table))
	}
	s.move = a.moveOf(s)
	return s
}

// place is the row's place as a sentence names it.
func (s *situation) place() string {
	if s.row.Path != "" {
		return s.row.Path
	}
	if s.row.Table != "" {
		return s.row.Table
	}
	return "schemaValidation"
}

// deployed is the table to deploy first: one whose documents were never
// checked takes any until they fit.
func (s *situation) deployed() *schema.Table {
	if s.main.Kind == TableAdded {
		return &schema.Table{Name: s.wide.Name, Document: anything, Indexes: s.wide.Indexes}
	}
	return s.wide
}

// unwidened reports whether widening the table's validator changes nothing for
// this row: what its documents are was never declared.
func (s *situation) unwidened() bool {
	return s.main.Kind == TableAdded || s.main.Kind == ValidationOn
}

// deciding is the change that decides how a row is carried out: of those at
// one place, the one that asks for most.
func deciding(changes []Change) Change {
	order := []string{
		ValidationOn, TableRemoved, TableAdded, FieldRemoved, IDTargetChanged, TypeChanged, LiteralsChanged, TypeNarrowed,
		UnionShrunk, LiteralsShrunk, RequiredFieldAdded, OptionalToRequired,
	}
	rank := func(c Change) int {
		if i := slices.Index(order, c.Kind); i >= 0 {
			return i
		}
		return len(order)
	}
	return slices.MinFunc(changes, func(a, b Change) int { return rank(a) - rank(b) })
}

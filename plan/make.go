package plan

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"strait/model/schema"
)

// FreshFor is how long a census that gave no certificate counts as fresh when
// nothing is known to have been written since.
const FreshFor = time.Hour

// Make makes the plan: what changes where, and where each environment stands.
// It looks at nothing but its input.
func Make(in Input) Plan {
	p := Plan{Envs: make([]EnvPlan, len(in.Envs))}
	stands := make([]*stand, len(in.Envs))
	for i, ev := range in.Envs {
		stands[i] = newStand(in, ev)
		p.Envs[i] = stands[i].envPlan()
	}
	p.Rows = rows(in, p.Envs)
	for i := range p.Rows {
		r := &p.Rows[i]
		r.Cells = make([]Cell, len(in.Envs))
		for j, s := range stands {
			r.Cells[j] = s.cell(*r, p.Envs[j].Changes)
		}
	}
	return p
}

// Comparison is what two schemas say of each other, whatever is stored. It
// depends on nothing else, so a caller that plans often keeps it.
type Comparison struct {
	Changes []Change
	Widened *schema.Schema

	active, target *schema.Schema
	hash           func() string // of target, for a census; nil without one
	tables         map[string]verdict
	extra          []string      // tables that only active declares
	notes          []schema.Note // indexes that the widened schema cannot keep
}

// verdict is what the two schemas say of one table of the target.
type verdict struct {
	widened  bool // active accepts what target accepts
	enforced bool // target accepts what active accepts, and Convex checks active
	err      error
}

// Compare compares an active schema (nil: none was ever pushed) with the
// target.
func Compare(active, target *schema.Schema) *Comparison {
	c := &Comparison{active: active, target: target, tables: map[string]verdict{}}
	if target == nil {
		return c
	}
	c.hash = sync.OnceValue(target.Hash)
	d := compareTables(active, target)
	c.Changes, c.tables = d.changes, d.verdicts
	c.Widened = target
	for _, t := range target.Tables {
		if _, judged := c.tables[t.Name]; !judged {
			c.tables[t.Name] = judge(active, target, t.Name)
		}
	}
	if active != nil {
		c.Widened, c.notes = schema.WidenAll(active, target)
		for _, t := range active.Tables {
			if target.Table(t.Name) == nil {
				c.extra = append(c.extra, t.Name)
			}
		}
	}
	return c
}

// WidenedFor is Widened, taking any document in those tables that the active
// schema does not declare and that hold some; stored counts documents by table.
func (c *Comparison) WidenedFor(stored map[string]int64) *schema.Schema {
	return uncheckedAsAny(c.Widened, c.active, stored)
}

// Enforced reports whether the active schema lets no document into a table
// that the target would refuse, so that nothing needs to be read.
func (c *Comparison) Enforced(table string) bool { return c.tables[table].enforced }

// stand is where one environment stands: the questions of the formulas,
// answered once.
type stand struct {
	Evidence
	*Comparison
	defs    []Definition
	known   bool // the active schema is known, if only as none
	changes []Change
}

// compared is the input with a comparison in every environment whose schema is
// known, so that several questions about it compare two schemas once.
func (in Input) compared() Input {
	in.Envs = slices.Clone(in.Envs)
	made := map[*schema.Schema]*Comparison{}
	for i := range in.Envs {
		ev := &in.Envs[i]
		if ev.Compared == nil {
			ev.Compared = made[ev.Active]
		}
		if s := newStand(in, *ev); s.known {
			ev.Compared, made[ev.Active] = s.Comparison, s.Comparison
		}
	}
	return in
}

func newStand(in Input, ev Evidence) *stand {
	s := &stand{Evidence: ev, Comparison: ev.Compared, defs: in.Definitions}
	s.known = ev.Active != nil || ev.ActiveKnown
	if !s.known {
		s.Comparison = &Comparison{target: in.Target}
		return s
	}
	if s.Comparison == nil || s.Comparison.active != ev.Active || s.Comparison.target != in.Target {
		s.Comparison = Compare(ev.Active, in.Target)
	}
	s.changes = s.withDocuments(s.Changes)
	return s
}

// judge answers the formulas for one table (design.md section 4).
func judge(active, target *schema.Schema, table string) verdict {
	a, t := checked(active, table), checked(target, table)
	if same(a, t) {
		return verdict{widened: true, enforced: true}
	}
	widened, err1 := schema.IncludesDocuments(a, t)
	enforced, err2 := schema.IncludesDocuments(t, a)
	v := verdict{widened: err1 == nil && widened, enforced: err2 == nil && enforced}
	if err1 != nil {
		v.err = err1
	} else {
		v.err = err2
	}
	return v
}

// checked is what Convex checks of a table under a schema: nil is nothing.
func checked(s *schema.Schema, table string) *schema.Validator {
	t := s.Table(table)
	if t == nil || !s.Validation {
		return nil
	}
	return t.Document
}

// withDocuments is changes with what the documents tell: a new table that
// already holds some was never checked.
func (s *stand) withDocuments(changes []Change) []Change {
	out := changes
	for i, c := range changes {
		if n := s.Tables[c.Table]; c.Kind == TableAdded && n > 0 && s.target.Validation && !s.tables[c.Table].enforced {
			if &out[0] == &changes[0] {
				out = slices.Clone(changes)
			}
			out[i].Class = Breaking
			out[i].Why = fmt.Sprintf("the table already holds %s that no schema ever checked", documents(n))
		}
	}
	return out
}

func (s *stand) envPlan() EnvPlan {
	e := EnvPlan{Env: s.Env, Changes: s.changes, Class: worst(s.changes), Progress: map[string]Step{}}
	for _, d := range s.defs {
		e.Progress[d.Name] = s.progress(d)
	}
	tables := s.targetTables()
	e.Widen = s.widen(tables)
	e.Migrate = s.migrate(tables, "", s.names(), e.Widen)
	e.Narrow = s.narrow(tables, s.extra, e.Migrate)
	if !s.known {
		e.Class = UnknownKind
	} else {
		e.Widened = s.WidenedFor(s.Tables)
	}
	return e
}

// cell is the same for one row: the row's table, its path, its definitions.
func (s *stand) cell(r Row, changes []Change) Cell {
	if len(r.Changes) == 0 {
		return s.orphanCell(r)
	}
	tables := []string{r.Table}
	if r.Table == "" {
		tables = s.targetTables()
	}
	c := Cell{Widen: s.widen(tables)}
	pending := false
	for i := range changes { // of which there may be a thousand, for a thousand rows
		x := &changes[i]
		if x.Table == r.Table && related(x.Path, r.Path) && x.NeedsMigration() {
			pending = true
			break
		}
	}
	if s.known && s.Reachable && !pending && !s.unchecked(tables) {
		done := Step{State: Done, Evidence: "the active schema already enforces this", At: s.Now}
		return Cell{Widen: done, Migrate: done, Narrow: done}
	}
	c.Migrate = s.migrate(tables, r.Path, r.Migrations, c.Widen)
	c.Narrow = s.narrow(tables, nil, c.Migrate)
	return c
}

// orphanCell is the cell of a definition without a visible change: there is no
// schema to prove it by, so the driver's word is all there is.
func (s *stand) orphanCell(r Row) Cell {
	none := Step{State: Done, At: s.Now, Evidence: "no change of schema"}
	if r.Component != "" {
		none.Evidence = "the tables of component " + r.Component + " are its own"
	}
	if st, bad := s.notKnown(); bad {
		return Cell{Widen: st, Migrate: st, Narrow: st}
	}
	c := Cell{Widen: none, Narrow: none}
	for _, name := range r.Migrations {
		c.Migrate = s.progress(s.definition(name))
	}
	return c
}

func (s *stand) definition(name string) Definition {
	for _, d := range s.defs {
		if d.Name == name {
			return d
		}
	}
	return Definition{Name: name}
}

// names are the root's migrations, which work on the target's tables.
func (s *stand) names() []string {
	var out []string
	for _, d := range s.defs {
		if !d.Runner && d.Component == "" {
			out = append(out, d.Name)
		}
	}
	return out
}

func (s *stand) targetTables() []string {
	if s.target == nil {
		return nil
	}
	out := make([]string, 0, len(s.target.Tables))
	for _, t := range s.target.Tables {
		out = append(out, t.Name)
	}
	return out
}

// related reports whether one path lies in the other; "" is the whole table.
func related(a, b string) bool {
	in := func(outer, inner string) bool {
		if outer == "" || outer == inner {
			return true
		}
		rest, ok := strings.CutPrefix(inner, outer)
		return ok && (rest[0] == '.' || rest[0] == '[' || rest[0] == '{')
	}
	return in(a, b) || in(b, a)
}

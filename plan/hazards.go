package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strait/model/source"
)

// Rule is one kind of hazard, as help and documents list it. A rule fires only
// on what the evidence and the code say for certain: a false alarm costs more
// trust than a miss.
type Rule struct {
	Code     string   `json:"code"` // never changes its meaning
	Name     string   `json:"name"`
	Severity Severity `json:"severity"` // the worst that it gives
	Why      string   `json:"why"`
	Safe     string   `json:"safe"`

	find func(*scene) []Hazard
}

// Rules lists every rule, by code.
func Rules() []Rule {
	out := slices.Concat(schemaRules, bodyRules, codeRules, runRules, waiverRules)
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.Code, b.Code) })
	return out
}

// hazards are the findings of every rule, worst first, waived ones last.
func hazards(in Input, p Plan) []Hazard {
	s := newScene(in, p)
	out := []Hazard{}
	for _, r := range Rules() {
		if r.find == nil {
			continue
		}
		for _, h := range r.find(s) {
			if h.What != "" {
				out = append(out, r.complete(h))
			}
		}
	}
	out = waive(s, out)
	slices.SortStableFunc(out, worstFirst)
	return out
}

// complete fills in what a finding leaves to its rule.
func (r Rule) complete(h Hazard) Hazard {
	h.Code, h.Rule = r.Code, r.Name
	h.Severity = Severity(cmp.Or(string(h.Severity), string(r.Severity)))
	h.Why, h.Safe = cmp.Or(h.Why, r.Why), cmp.Or(h.Safe, r.Safe)
	return h
}

func worstFirst(a, b Hazard) int {
	return cmp.Or(cmpBool(a.Waived != "", b.Waived != ""), cmp.Compare(a.Severity.rank(), b.Severity.rank()),
		cmp.Compare(a.Code, b.Code), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Migration, b.Migration), cmp.Compare(a.Env, b.Env), compareSites(a.Site, b.Site), cmp.Compare(a.What, b.What))
}

func compareSites(a, b *source.Site) int {
	if a == nil || b == nil {
		return cmpBool(a != nil, b != nil)
	}
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
}

func (v Severity) rank() int { return slices.Index([]Severity{Danger, Warning, Notice}, v) }

// scene is what every rule looks at.
type scene struct {
	in     Input
	plan   Plan
	stands []*stand
	code   *source.Facts // never nil
	defs   []work        // in the project's order, without runners
}

// work is one definition with what its code does and where it is still needed.
type work struct {
	Definition
	label   string      // its name for a sentence
	body    source.Body // zero when its code was not read
	table   string      // "" unknown
	pending concern     // environments that it is not done with
}

func newScene(in Input, p Plan) *scene {
	s := &scene{in: in, plan: p, code: in.Code}
	if s.code == nil {
		s.code = &source.Facts{}
	}
	for _, ev := range in.Envs {
		s.stands = append(s.stands, newStand(in, ev))
	}
	for _, d := range in.Definitions {
		if d.Runner || d.Component != "" {
			continue
		}
		w := work{Definition: d, label: s.label(d.Name), table: d.Table, pending: s.pendingOf(d.Name)}
		if b := s.code.Migrations[d.Name]; b != nil {
			w.body = *b
			w.table = cmp.Or(d.Table, b.Table)
		}
		s.defs = append(s.defs, w)
	}
	return s
}

// label is the short name of a migration, or the whole one where another has
// the same short name.
func (s *scene) label(name string) string {
	short := shortName(name)
	for _, d := range s.in.Definitions {
		if d.Name != name && shortName(d.Name) == short {
			return name
		}
	}
	return short
}

// pendingOf are the environments in which a row of the migration is not done;
// all of them when the plan has no row of it.
func (s *scene) pendingOf(name string) concern {
	var out concern
	found := false
	open := make([]bool, len(s.stands))
	for _, r := range s.plan.Rows {
		if !slices.Contains(r.Migrations, name) {
			continue
		}
		found = true
		for i := range open {
			open[i] = open[i] || i >= len(r.Cells) || r.Cells[i].Migrate.State != Done
		}
	}
	for i, st := range s.stands {
		if open[i] || !found {
			out = append(out, st)
		}
	}
	return out
}

// wanted are the definitions that are not done everywhere. Without any
// environment nobody knows, so all are.
func (s *scene) wanted() []work {
	return slices.DeleteFunc(slices.Clone(s.defs), func(w work) bool { return len(s.stands) > 0 && len(w.pending) == 0 })
}

// known are the environments of which something can be said.
func (s *scene) known() concern {
	return s.where(func(*stand) bool { return true })
}

// where are the known environments that is holds for.
func (s *scene) where(is func(*stand) bool) concern {
	var out concern
	for _, st := range s.stands {
		if _, bad := st.notKnown(); !bad && is(st) {
			out = append(out, st)
		}
	}
	return out
}

// changing are the known environments in which a change that is passes.
func (s *scene) changing(is func(Change) bool) concern {
	return s.where(func(st *stand) bool { return slices.ContainsFunc(st.changes, is) })
}

// mayMisfit reports whether documents of a table may not fit the target: there are
// some, or it is not known, and no fresh count says that all fit.
func (s *stand) mayMisfit(table string) bool {
	open := s.open([]string{table})
	if len(open) == 0 {
		return false
	}
	why, n := s.counted(open, "")
	return why != "" || n > 0
}

// perDocument reports whether the migration is a function of one document,
// called for each of a batch.
func (w work) perDocument() bool { return w.Driver == "component" || w.Driver == "helpers" }

// site is where the migration's code is; nil unknown.
func (w work) site() *source.Site {
	switch {
	case w.body.File != "":
		return &w.body.Site
	case w.File != "":
		return &source.Site{File: w.File, Line: w.Line}
	}
	return nil
}

// hazard is a finding about a migration, for all its pending environments.
func (w work) hazard(what string) Hazard {
	return Hazard{Table: w.table, Migration: w.Name, Env: w.pending.env(), Site: w.site(), What: what}
}

// own reports whether a write changes a document of the migration's own table.
func (w work) own(x source.Write) bool {
	return x.Returned || x.Table != "" && x.Table == w.table && (x.Op == source.Patch || x.Op == source.Replace)
}

// concern are the environments that a case concerns, in promotion order.
type concern []*stand

// env is the name of the only one; "" when there are several.
func (c concern) env() string {
	if len(c) == 1 {
		return c[0].Env
	}
	return ""
}

func (c concern) protected() bool {
	return slices.ContainsFunc(c, func(s *stand) bool { return s.Protected })
}

// severity is worse where a protected environment is concerned.
func (c concern) severity(otherwise, protected Severity) Severity {
	if c.protected() {
		return protected
	}
	return otherwise
}

func (c concern) names() string {
	var out []string
	for _, s := range c {
		out = append(out, s.Env)
	}
	return conjoin(out)
}

// holding names the environments with their documents of a table: prod (2,000
// documents).
func (c concern) holding(table string) string {
	var out []string
	for _, s := range c {
		if n, ok := s.Tables[table]; ok {
			out = append(out, fmt.Sprintf("%s (%s)", s.Env, documents(n)))
		} else {
			out = append(out, s.Env)
		}
	}
	return conjoin(out)
}

// most is the largest number of documents of a table, and whether it is known
// in all of them.
func (c concern) most(table string) (n int64, env string, sure bool) {
	sure = len(c) > 0
	for _, s := range c {
		m, ok := s.Tables[table]
		if !ok && s.Tables == nil {
			sure = false
		}
		if m > n || env == "" {
			n, env = m, s.Env
		}
	}
	return n, env, sure
}

// conjoin is a list as a sentence has it: a, b and c.
func conjoin(list []string) string {
	switch n := len(list); n {
	case 0:
		return ""
	case 1:
		return list[0]
	default:
		return strings.Join(list[:n-1], ", ") + " and " + list[n-1]
	}
}

// few is conjoin of at most three.
func few(list []string) string {
	if n := len(list); n > 4 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", n-3)
	}
	return conjoin(list)
}

package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"strait/model/schema"
)

// GateMerge is the fleet gate: whether the target may go into the branch that
// every environment is deployed from. It may when each of them would take it:
// what is not known there, or not proven, is no yes. It asks for a widened
// schema only in tables where the target refuses what the active schema
// accepts; elsewhere the target itself is the widening. An environment that was
// made up for a newcomer says nothing of a deployment, so it is not looked at;
// one that has not told all that is watched counts as one that does not answer.
func GateMerge(in Input) Merge {
	m := Merge{Missing: []Lack{}}
	add := func(env string, rs ...Refusal) {
		for _, r := range rs {
			m.Missing = append(m.Missing, Lack{env, r})
		}
	}
	if in.Target == nil {
		add("", noTarget)
	} else if ps := in.Target.Problems(); len(ps) > 0 {
		add("", Refusal{"target-invalid", "Convex refuses the target schema itself: " + firstLine(ps[0].Message), "mend the target schema"})
	}
	envs := slices.DeleteFunc(slices.Clone(in.Envs), func(ev Evidence) bool { return ev.MadeUp })
	if len(envs) == 0 {
		add("", Refusal{"no-environments", "no environment was looked at", "list the environments in strait.toml"})
	}
	for _, ev := range envs {
		add(ev.Env, lacks(in, ev)...)
	}
	m.Allowed = len(m.Missing) == 0
	return m
}

// lacks is what keeps the target from one environment.
func lacks(in Input, ev Evidence) []Refusal {
	if ev.Reachable && ev.Partial {
		ev.Reachable, ev.Problem = false, "it has not told all that it was asked"
	}
	switch {
	case !ev.Reachable:
		why, hint, told := strings.Cut(cmp.Or(ev.Problem, ev.Env+" is not connected"), "\nhint: ")
		if !told {
			hint = "mend its entry or its key in strait.toml, or wait until it answers"
		}
		return []Refusal{{"unreachable", why, hint}}
	case in.Target == nil:
		return nil // said once
	case ev.Active == nil && !ev.ActiveKnown:
		return []Refusal{{"schema-unknown", "it is not known which schema " + ev.Env + " has deployed", "wait until it answers, or look at what strait status says of it"}}
	}
	s := newStand(in, ev)
	out := s.unwidened()
	out = append(out, s.unproven(s.targetTables())...)
	return append(out, s.busy()...)
}

// unwidened refuses tables where documents of neither shape are sure to be
// accepted until the target is there.
func (s *stand) unwidened() (out []Refusal) {
	var missing []string
	for _, t := range s.targetTables() {
		switch v := s.tables[t]; {
		case v.enforced || v.widened:
		case v.err != nil:
			out = append(out, Refusal{"undecided", fmt.Sprintf("table %s: %v", t, v.err), "make its type simpler"})
		default:
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		out = append(out, Refusal{"not-widened", "the active schema refuses documents of the new shape in " + strings.Join(missing, ", "), s.way(ActWiden)})
	}
	return out
}

// unproven wants a certificate that holds, or a full fresh census of zero, but
// for tables that the active schema vouches for or that are empty.
func (s *stand) unproven(tables []string) []Refusal {
	open := s.open(tables)
	if len(open) == 0 {
		return nil
	}
	switch why, n := s.counted(open, ""); {
	case why != "" && s.oldWriters() != "":
		return []Refusal{{"old-shape-writer", s.oldWriters(), s.writersHint()}}
	case why != "" && s.Census == nil && s.Certificate == nil:
		return []Refusal{{"census-missing", "it is not known how many documents misfit in " + strings.Join(open, ", "), s.way(ActCensus)}}
	case why != "":
		return []Refusal{{"census-stale", why, s.way(ActCensus)}}
	case n > 0:
		return []Refusal{{"offenders", fmt.Sprintf("%s %s the target in %s, counted %s", documents(n), notFit(n), strings.Join(s.misfit(open), ", "), ago(s.Now, s.Census.At)),
			"migrate them; then " + s.way(ActCensus)}}
	}
	return nil
}

// misfit are the tables of these with offenders.
func (s *stand) misfit(tables []string) []string {
	return slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return s.Census.Tables[t] == 0 })
}

// busy refuses while a migration runs, or may.
func (s *stand) busy() (out []Refusal) {
	for _, name := range slices.Sorted(maps.Keys(s.Progress)) {
		if s.Progress[name].State == "inProgress" && !slices.ContainsFunc(s.defs, func(d Definition) bool { return d.Name == name }) {
			out = append(out, Refusal{"running", fmt.Sprintf("%s is running in %s, and the project no longer defines it", name, s.Env), "cancel it first, or wait until it ends"})
		}
	}
	for _, d := range s.defs {
		name := d.Name
		switch p, told := s.Progress[name]; {
		case d.Runner:
		case !told:
			out = append(out, Refusal{"status-unknown", fmt.Sprintf("it is not known whether %s is running in %s", name, s.Env), "wait until its status is read"})
		case p.State == "inProgress":
			out = append(out, Refusal{"running", name + " is running in " + s.Env, "cancel it first, or wait until it ends"})
		}
	}
	return out
}

// way says how a schema or a census gets there: by Strait into an embedded
// environment, which lives no longer than the program, and by the project's own
// command into a real one.
func (s *stand) way(act Action) string {
	switch {
	case act == ActCensus && s.Embedded:
		return "take a census: v on the screen, or strait gate --count"
	case act == ActCensus:
		return "take a census: strait gate --count --env " + arg(s.Env)
	case s.Embedded && act == ActWiden:
		return "deploy the widened schema there first: widen " + s.Env + ` on Strait's screen, or schema = "widened" in strait.toml`
	case s.Embedded:
		return "deploy the target there: narrow " + s.Env + ` on Strait's screen, or schema = "target" in strait.toml`
	case s.Deploys && act == ActWiden:
		return "put the widened schema (strait plan --widened) into the project's schema file and deploy it: strait widen --env " + arg(s.Env)
	case s.Deploys:
		return "deploy the target: strait narrow --env " + arg(s.Env)
	case act == ActWiden:
		return "put the widened schema (strait plan --widened) into the project's schema file and run npx convex deploy"
	}
	return "run npx convex deploy with the target schema"
}

// widenedEverywhere accepts what any environment has deployed, as far as that
// is known, and what the target accepts; nil when nothing of it is known.
func widenedEverywhere(in Input) *schema.Schema {
	if in.Target == nil {
		return nil
	}
	if !slices.ContainsFunc(in.Envs, func(ev Evidence) bool { return ev.Active != nil || ev.ActiveKnown }) {
		return nil
	}
	w := widenedDeclared(in)
	for _, ev := range in.Envs {
		if ev.Active != nil || ev.ActiveKnown {
			w = uncheckedAsAny(w, ev.Active, ev.Tables)
		}
	}
	return w
}

// widenedDeclared accepts what any known schema of an environment accepts, and
// what the target accepts, whatever is stored.
func widenedDeclared(in Input) *schema.Schema {
	var all []*schema.Schema
	for _, ev := range in.Envs {
		all = append(all, ev.Active)
	}
	w, _ := schema.WidenAll(append(all, in.Target)...)
	return w
}

// uncheckedAsAny is a widened schema that also takes what is stored in tables
// that the active schema does not declare: nobody ever checked those documents.
func uncheckedAsAny(w, active *schema.Schema, stored map[string]int64) *schema.Schema {
	if w == nil || !w.Validation {
		return w
	}
	out := w
	for i, t := range w.Tables {
		if t.Document == nil || stored[t.Name] == 0 || active.Table(t.Name) != nil {
			continue
		}
		if out == w {
			c := *w
			c.Tables = slices.Clone(w.Tables)
			out = &c
		}
		loose := *t
		loose.Document = nil
		out.Tables[i] = &loose
	}
	return out
}

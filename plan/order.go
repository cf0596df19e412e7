package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// order is the whole fleet's plan: environment by environment widen, migrate
// and count, then the target everywhere. One branch holds one schema, so no
// environment gets the target before all of them have counted zero.
func order(in Input, p Plan) []Stage {
	if in.Target == nil || len(in.Envs) == 0 {
		return nil
	}
	o := &ordering{in: in, plan: p, at: map[[2]string]int{}}
	for i, ev := range in.Envs {
		o.stands = append(o.stands, newStand(in, ev))
		e := p.Envs[i]
		o.whole = o.whole || e.Migrate.State != Done || !ev.Reachable
	}
	o.choose()
	o.whole = o.whole || len(o.needed) > 0
	o.seq = sequenceOf(in, append(slices.Clone(o.needed), o.besides...))
	for i := range in.Envs {
		if o.whole {
			o.add(i, DeployWidened, o.widen)
		}
		if o.whole || len(o.seq.groups) > 0 {
			o.add(i, Migrate, o.migrate)
		}
		if o.whole {
			o.add(i, CountAll, o.count)
		}
	}
	for i := range in.Envs {
		o.add(i, DeployTarget, o.target)
	}
	o.link()
	return o.stages
}

// ordering is an order in the making.
type ordering struct {
	in      Input
	plan    Plan
	stands  []*stand
	whole   bool     // documents may have to change, so all four doings are needed
	needed  []string // migrations of changes
	besides []string // migrations of no visible change that are not done everywhere
	seq     sequence
	stages  []Stage
	at      map[[2]string]int // number by environment and doing
}

// choose finds the migrations that the order is about.
func (o *ordering) choose() {
	for _, r := range o.plan.Rows {
		if r.Component != "" {
			continue // its tables are none of the target's
		}
		for _, name := range r.Migrations {
			switch {
			case slices.Contains(o.needed, name) || slices.Contains(o.besides, name):
			case len(r.Changes) > 0:
				o.needed = append(o.needed, name)
			case slices.ContainsFunc(o.stands, func(s *stand) bool { return !s.ended(name) }):
				o.besides = append(o.besides, name)
			}
		}
	}
}

// ended reports whether its driver says that a migration is done.
func (s *stand) ended(name string) bool {
	p := s.Progress[name]
	return p.Done || p.State == "success"
}

func (o *ordering) add(i int, d Doing, make func(int) Stage) {
	st := make(i)
	st.Number, st.Env, st.Doing = len(o.stages)+1, o.in.Envs[i].Env, d
	o.stages = append(o.stages, st)
	o.at[[2]string{st.Env, string(d)}] = st.Number
}

// link says what each stage waits for, and blocks those that still do.
func (o *ordering) link() {
	for k := range o.stages {
		st := &o.stages[k]
		i := slices.IndexFunc(o.in.Envs, func(ev Evidence) bool { return ev.Env == st.Env })
		before := ""
		if i > 0 {
			before = o.in.Envs[i-1].Env
		}
		need := func(env string, d Doing) {
			if n := o.at[[2]string{env, string(d)}]; n > 0 && n != st.Number {
				st.After = append(st.After, n)
			}
		}
		switch st.Doing {
		case DeployWidened:
			need(before, DeployWidened)
		case Migrate:
			need(st.Env, DeployWidened)
			need(before, CountAll)
		case CountAll:
			need(st.Env, Migrate)
		case DeployTarget:
			for _, ev := range o.in.Envs {
				need(ev.Env, CountAll)
			}
			need(before, DeployTarget)
		}
		slices.Sort(st.After)
	}
	for k := range o.stages {
		st := &o.stages[k]
		var wait []string
		for _, n := range st.After {
			if before := o.stages[n-1].State; before != Done && before != ByHand {
				wait = append(wait, fmt.Sprint(n))
			}
		}
		if len(wait) > 0 && st.State == Todo {
			st.State = Blocked
			st.Why = join("waits for "+strings.Join(wait, ", "), st.Why)
		}
	}
}

// join puts sentences after each other, without the empty ones.
func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// of is a stage as a step of the checklist has it.
func (st Step) of(title string) Stage {
	return Stage{Title: title, State: st.State, Why: cmp.Or(st.Why, st.Evidence)}
}

func (o *ordering) widen(i int) Stage {
	s, step := o.stands[i], o.plan.Envs[i].Widen
	st := step.of("deploy the widened schema to " + s.Env)
	if step.State == Done && o.plan.Envs[i].Migrate.State != Done {
		if l := s.lacking(o.pending(s)); len(l) > 0 {
			st.State, st.Why = Todo, strings.Join(l, "; ")
		}
	}
	switch {
	case st.State == Done || st.State == ByHand:
	case step.State == Unknown:
		st.Next = o.look(s)
	case s.Embedded:
		st.Next = onScreen("widen " + s.Env)
	default:
		st.Next = s.deployCommand(ActWiden)
		if step.State == Done && len(s.undeclared()) == 0 { // Strait would find nothing to widen
			st.Next = "npx convex deploy"
		}
		st.Why = join(st.Why, "deploy the widened schema and the code that writes both shapes: strait plan --widened writes it")
	}
	return st
}

// pending are the migrations that still have to run there, in their order.
func (o *ordering) pending(s *stand) (out []string) {
	open := s.open(s.targetTables())
	for _, g := range o.seq.groups {
		for _, name := range g {
			d := s.definition(name)
			idle := slices.Contains(o.needed, name) && d.Table != "" && !slices.Contains(open, d.Table)
			if !s.ended(name) && !idle {
				out = append(out, name)
			}
		}
	}
	return out
}

func (o *ordering) migrate(i int) Stage {
	s, step := o.stands[i], o.plan.Envs[i].Migrate
	st := step.of("migrate " + s.Env)
	st.Groups = o.seq.groups
	switch step.State {
	case Unknown:
		st.Next = o.look(s)
		return st
	case ByHand:
		st.Why = step.Evidence
		return st
	}
	st = o.running(s, st)
	st.Why = join(append([]string{st.Why}, o.seq.doubts...)...)
	return st
}

// running is the migrate stage of an environment that is known.
func (o *ordering) running(s *stand, st Stage) Stage {
	done := st.State == Done
	pending := o.pending(s)
	if f, ok := s.inFlight(slices.Concat(o.seq.groups...)); ok {
		st.State, st.Why, st.Next = Running, f.Evidence, "strait status --env "+arg(s.Env)
		return st
	}
	if done {
		pending = slices.DeleteFunc(pending, func(n string) bool { return slices.Contains(o.needed, n) })
	} else if f, ok := s.failed(o.needed); ok {
		st.State, st.Why = Failed, join(f.Why, f.Evidence, "mend the migration or the document first: it goes on where it stopped")
		st.Next = s.runCommand(strings.TrimPrefix(f.Next, string(ActRun)+" "))
		return st
	}
	switch {
	case len(pending) > 0:
		return o.next(s, st, pending, done)
	case done:
		return st
	}
	return o.exhausted(s, st)
}

// next is the stage while some migrations are to run.
func (o *ordering) next(s *stand, st Stage, pending []string, done bool) Stage {
	name := pending[0]
	st.State = Todo
	st.Why = fmt.Sprintf("%d of %d to run", len(pending), len(slices.Concat(o.seq.groups...)))
	if done {
		st.Why = join("no document waits for "+strings.Join(pending, ", "), st.Why)
	}
	st.Next = s.runCommand(name)
	if p := s.Progress[name]; !p.Deployed {
		st.Why = join(st.Why, name+" is not deployed there")
		if st.Next = "npx convex deploy"; s.Embedded {
			st.Next = o.look(s)
		}
	}
	return st
}

// exhausted is the stage when every migration ended and no proof is there.
func (o *ordering) exhausted(s *stand, st Stage) Stage {
	open := s.open(s.targetTables())
	why, n := s.counted(open, "")
	var names []string
	for _, name := range o.needed {
		if d := s.definition(name); d.Table == "" || slices.Contains(open, d.Table) {
			names = append(names, name)
		}
	}
	uncovered := o.uncovered(open)
	switch {
	case why != "" && len(uncovered) > 0:
		st.State, st.Next = Todo, "strait plan --markdown"
		st.Why = "no definition migrates " + strings.Join(uncovered, ", ") + ": the plan has drafts; a count tells whether a document needs them"
	case why != "" && len(names) > 0:
		st.State, st.Why = Done, "every migration ended with success: that is progress, the count is the proof"
	case why != "":
		st.State, st.Why = Done, "nothing to run: whether "+strings.Join(open, ", ")+" needs a migration, the count tells"
	case len(names) > 0:
		st.State = Todo
		st.Why = fmt.Sprintf("every migration ended, yet %s misfit in %s", documents(n), strings.Join(s.misfit(open), ", "))
		if st.Next = s.runCommand(names[len(names)-1]); !s.Embedded {
			st.Next += " --reset"
		}
	default:
		st.State = Blocked
		st.Why = fmt.Sprintf("%s misfit in %s and no definition migrates them: the plan has drafts", documents(n), strings.Join(s.misfit(open), ", "))
		st.Next = "strait plan --markdown"
	}
	return st
}

// uncovered are the changes in these tables that no definition migrates.
func (o *ordering) uncovered(tables []string) (out []string) {
	for _, r := range o.plan.Rows {
		if len(r.Changes) == 0 || len(r.Migrations) > 0 || !slices.Contains(tables, r.Table) {
			continue
		}
		where := cmp.Or(r.Path, r.Table)
		if len(out) == 4 {
			return append(out, "…")
		}
		out = append(out, where)
	}
	return out
}

func (o *ordering) count(i int) Stage {
	s, step := o.stands[i], o.plan.Envs[i].Migrate
	st := Stage{Title: "count every document of " + s.Env, State: Todo}
	switch step.State {
	case Done:
		st.State, st.Why = Done, step.Evidence
	case Unknown:
		st.State, st.Why, st.Next = Unknown, step.Why, o.look(s)
	default:
		st.Why = s.censusText(s.counted(s.open(s.targetTables()), ""))
		if st.Next = "strait census --env " + arg(s.Env); s.Embedded {
			st.Next = onScreen("take a census of " + s.Env)
		}
	}
	return st
}

func (o *ordering) target(i int) Stage {
	s, step := o.stands[i], o.plan.Envs[i].Narrow
	st := Stage{Title: "deploy the target to " + s.Env, State: step.State, Why: step.Evidence}
	switch {
	case step.State == Done || step.State == ByHand:
	case step.State == Unknown:
		st.Why, st.Next = step.Why, o.look(s)
	default:
		st.State = Todo
		st.Why = "one branch holds one schema: the target merges once every environment has counted zero"
		if !o.whole {
			st.Why = step.Evidence
		}
		if st.Next = s.deployCommand(ActNarrow); s.Embedded {
			st.Next = onScreen("narrow " + s.Env)
		}
	}
	return st
}

// look is the command that says why nothing is known.
func (o *ordering) look(s *stand) string {
	if o.in.Target == nil {
		return "strait inspect"
	}
	return "strait status --env " + arg(s.Env)
}

// deployCommand is the command that deploys a schema there: Strait's own where
// strait.toml says how.
func (s *stand) deployCommand(act Action) string {
	if !s.Deploys {
		return "npx convex deploy"
	}
	cmd := "strait " + string(act) + " --env " + arg(s.Env)
	if s.Protected {
		cmd += " --confirm " + arg(s.Env)
	}
	return cmd
}

// runCommand is the command that runs a migration there, or tries it first
// where the gate asks for that.
func (s *stand) runCommand(name string) string {
	if s.Embedded {
		return onScreen("run " + name + " in " + s.Env)
	}
	cmd := "strait run " + arg(name) + " --env " + arg(s.Env)
	if s.Protected {
		at, tried := s.DryRuns[name]
		if d := s.definition(name); !d.NoDryRun && (!tried || at.Before(s.LastPush)) {
			if cmd += " --dry-run"; d.OwnDryRun { // only its author keeps it from writing
				cmd += " --confirm " + arg(s.Env)
			}
			return cmd
		}
		cmd += " --confirm " + arg(s.Env)
	}
	return cmd
}

// onScreen is a command of the screen: an embedded environment lives as long
// as the program that shows it.
func onScreen(what string) string { return "on Strait's screen: " + what }

var bareWord = regexp.MustCompile(`^[\w./:@=+-]+$`)

// arg is a word of a command line.
func arg(s string) string {
	if bareWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

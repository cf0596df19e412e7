package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/source"
)

// Ask is everything the gate looks at before an action may go out.
type Ask struct {
	Action      Action
	Migration   string // of dry-run, run, cancel
	Typed       string // the environment's name as a person typed it
	Override    string // reason for acting before the environment ahead is clean, or without a backup
	Reset       bool   // run: from the first document, every member of a series
	Env         Evidence
	Before      []Evidence // the environments ahead of it in promotion order
	Target      *schema.Schema
	Definitions []Definition
	Code        *source.Facts // nil: the code was not read
	Proofs      []Proof       // the newest; nil nobody searched
}

// Gate is the policy, whoever asks: the reasons why the action may not go out,
// and what a person should know although it may. The first refusal is the one
// to show when there is room for one.
func Gate(a Ask) (refusals, warnings []Refusal) {
	g := &gate{Ask: a}
	if a.Action == ActReveal { // nothing is asked of the deployment
		if !a.Env.Protected {
			g.refuse("not-protected", "values of "+a.Env.Env+" are never masked: it is not protected", "")
		}
		return g.refusals, nil
	}
	if !a.Env.Reachable {
		g.refuse("unreachable", cmp.Or(a.Env.Problem, a.Env.Env+" is not connected"), "wait until it is connected, or mend its entry in strait.toml")
		return g.refusals, nil
	}
	g.s = newStand(Input{Target: a.Target, Definitions: a.Definitions}, a.Env)
	switch a.Action {
	case ActCensus, ActRehearse:
		g.needTarget()
	case ActBackup: // it only reads
	case ActDryRun:
		g.dryRun()
	case ActRun:
		g.run()
	case ActCancel:
		if p := a.Env.Progress[a.Migration]; p.State != "inProgress" {
			g.refuse("not-running", fmt.Sprintf("%s is not running in %s", a.Migration, a.Env.Env), "")
		}
	case ActCancelAll:
		if !slices.ContainsFunc(slices.Collect(maps.Values(a.Env.Progress)), func(p Progress) bool { return p.State == "inProgress" }) {
			g.refuse("not-running", "no migration is running in "+a.Env.Env, "")
		}
	case ActWiden:
		g.widen()
	case ActNarrow:
		g.narrow()
	default:
		g.refuse("unknown-action", fmt.Sprintf("there is no action %q", a.Action), "")
	}
	return g.refusals, g.warnings
}

var noTarget = Refusal{"no-target", "the target schema could not be loaded", "strait inspect says what is wrong with the project"}

type gate struct {
	Ask
	s                  *stand
	refusals, warnings []Refusal
}

func (g *gate) refuse(code, why, hint string) {
	g.refusals = append(g.refusals, Refusal{Code: code, Why: why, Hint: hint})
}

func (g *gate) warn(code, why, hint string) {
	g.warnings = append(g.warnings, Refusal{Code: code, Why: why, Hint: hint})
}

// firmly refuses in a protected environment and warns elsewhere.
func (g *gate) firmly(code, why, hint string) {
	if g.Env.Protected {
		g.refuse(code, why, hint)
	} else {
		g.warn(code, why, hint)
	}
}

func (g *gate) needTarget() bool {
	if g.Target == nil {
		g.refusals = append(g.refusals, noTarget)
	}
	return g.Target != nil
}

// callable checks that the migration exists, is deployed and stands still.
func (g *gate) callable() bool {
	i := slices.IndexFunc(g.Definitions, func(d Definition) bool { return d.Name == g.Migration })
	if i < 0 {
		g.refuse("unknown-migration", fmt.Sprintf("the project has no migration %q", g.Migration), "strait inspect lists them")
		return false
	}
	p := g.Env.Progress[g.Migration]
	if !p.Deployed {
		g.refuse("not-deployed", fmt.Sprintf("%s is not deployed in %s", g.Migration, g.Env.Env), "deploy the code that holds it, with the widened schema")
	}
	if p.State == "inProgress" {
		g.refuse("running", fmt.Sprintf("%s is already running in %s", g.Migration, g.Env.Env), "cancel it first, or wait until it ends")
	}
	return p.Deployed
}

// write checks the right to write: a protected environment is armed, or its
// name was typed for this very action.
func (g *gate) write() {
	switch {
	case g.Typed != "" && g.Typed != g.Env.Env:
		g.refuse("typed-wrong", fmt.Sprintf("%q is not the name of the environment", g.Typed), "type "+g.Env.Env)
	case g.Env.Protected && !g.Env.Armed && g.Typed == "":
		g.refuse("protected", g.Env.Env+" is protected and read-only", "type its name, "+g.Env.Env+", to write to it")
	}
}

// dryRun lets out what is rolled back anyway. A dry run of the author's own
// making is a call like any other, so it needs the right to write.
func (g *gate) dryRun() {
	if g.callable() && g.s.definition(g.Migration).OwnDryRun {
		g.write()
		g.warn("own-dry-run", g.Migration+" tells a dry run by an argument of its own: nothing but its code keeps it from writing", "rehearse it in an embedded environment first")
	}
}

func (g *gate) run() {
	if !g.callable() {
		g.write()
		return
	}
	g.write()
	if g.s.definition(g.Migration).Component != "" {
		g.doubt()
		g.tried()
		g.backedUp(g.unmade(g.runs()))
		g.ahead()
		return
	}
	tables := g.tablesOf(g.Migration)
	if w := g.s.widen(tables); w.State != Done && g.Target != nil {
		g.refuse("not-widened", fmt.Sprintf("%s: %s (%s)", g.Env.Env, w.Why, w.Evidence), g.s.way(ActWiden))
	} else if g.Target != nil {
		if l := g.s.lacking(g.runs()); len(l) > 0 {
			g.refuse("not-widened", g.Env.Env+": "+strings.Join(l, "; "), g.s.way(ActWiden))
		}
	}
	g.doubt()
	g.tried()
	g.backedUp(g.unmade(g.runs()))
	g.refuted()
	g.promotion(tables)
	for _, d := range g.Definitions {
		if d.Name != g.Migration && d.Table != "" && d.Component == "" && slices.Contains(tables, d.Table) && g.Env.Progress[d.Name].State == "inProgress" {
			g.warn("table-busy", fmt.Sprintf("%s is running on table %s as well", d.Name, d.Table), "both will be retried whenever they touch the same documents")
		}
	}
}

// doubt lets nothing run twice unasked: a call that may have run is repeated
// from the beginning, or for a reason.
func (g *gate) doubt() {
	why := g.Env.Progress[g.Migration].Doubt
	switch {
	case why == "":
	case g.Reset || g.Override != "":
		g.warn("outcome-unknown", why, "it runs again all the same")
	default:
		g.refuse("outcome-unknown", why, "look at its documents; then begin again (--reset), or go on with a reason (--override)")
	}
}

// tried wants a dry run since the last push; of each member of a series that is
// not done.
func (g *gate) tried() {
	for _, name := range g.runs() {
		if g.s.definition(name).NoDryRun {
			g.warn("no-dry-run", name+" has no dry run: what it does shows only once it is written", "rehearse it in an embedded environment first")
			continue
		}
		if at, ok := g.Env.DryRuns[name]; !ok || at.Before(g.Env.LastPush) {
			g.firmly("dry-run-missing", fmt.Sprintf("no dry run of %s in %s since the last push", name, g.Env.Env), "make a dry run first")
		}
	}
}

// runs are the migrations that will run: of a series, the members that are not
// done, and all of them when it begins again.
func (g *gate) runs() []string {
	d := g.s.definition(g.Migration)
	if !d.Runner || len(d.Series) == 0 {
		return []string{g.Migration}
	}
	return slices.DeleteFunc(slices.Clone(d.Series), func(n string) bool { return !g.Reset && g.Env.Progress[n].Done })
}

// refuted tells of a document that a migration is known not to bring to the
// target.
func (g *gate) refuted() {
	for _, name := range g.runs() {
		for _, p := range g.Proofs {
			if c := p.Counter; p.Verdict == Refuted && c != nil && c.Migration == name {
				g.warn("refuted", fmt.Sprintf("%s fails on a document that prove found: %s (%s)", name, p.Title, c.Kind), "look at its counterexample, mend the migration and prove it again")
			}
		}
	}
}

// promotion wants the environment ahead clean in these tables.
func (g *gate) promotion(tables []string) {
	if len(g.Before) == 0 || g.Target == nil {
		return
	}
	ev := g.Before[len(g.Before)-1]
	s := newStand(Input{Target: g.Target, Definitions: g.Definitions}, ev)
	st := s.migrate(tables, "", s.names(), s.widen(tables))
	if st.State == Done {
		return
	}
	why := fmt.Sprintf("%s comes first and is not clean: migrate is %s", ev.Env, st.State.Word())
	if st.Why != "" {
		why += " (" + st.Why + ")"
	}
	g.inOrder(why, "finish "+ev.Env+" and count it, or override with a reason")
}

// ahead wants a component's migrations done in the environment ahead, as far as
// their driver tells: no schema that Strait plans with says what its tables
// should hold.
func (g *gate) ahead() {
	if len(g.Before) == 0 {
		return
	}
	ev := g.Before[len(g.Before)-1]
	for _, name := range g.runs() {
		if p := ev.Progress[name]; !p.Done && p.State != "success" {
			g.inOrder(fmt.Sprintf("%s comes first, and %s is not done there", ev.Env, name), "run it in "+ev.Env+", or override with a reason")
		}
	}
}

// inOrder refuses, or warns, what is out of the promotion order, unless
// somebody has a reason for it.
func (g *gate) inOrder(why, hint string) {
	if g.Override != "" {
		g.warn("order", why, "overridden: "+g.Override)
		return
	}
	g.firmly("order", why, hint)
}

// tablesOf are the tables of a migration, or of a series' members; all tables
// that change when that is not known.
func (g *gate) tablesOf(name string) []string {
	var out []string
	d := g.s.definition(name)
	names := d.Series
	if !d.Runner {
		names = []string{name}
	}
	for _, n := range names {
		if t := g.s.definition(n).Table; t != "" && g.Target.Table(t) != nil && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	if len(out) > 0 || d.Table != "" {
		return out
	}
	for _, c := range g.s.changes {
		if c.NeedsMigration() && c.Table != "" && !slices.Contains(out, c.Table) {
			out = append(out, c.Table)
		}
	}
	return out
}

func (g *gate) widen() {
	if !g.needTarget() || !g.deployable() {
		return
	}
	g.write()
	if w := g.s.widen(g.s.targetTables()); w.State == Done && len(g.s.undeclared()) == 0 {
		g.refuse("nothing-to-do", "the active schema already accepts the new shape", "")
	}
	g.refusals = append(g.refusals, g.s.busy()...)
}

func (g *gate) narrow() {
	if !g.needTarget() || !g.deployable() {
		return
	}
	g.write()
	tables := g.s.targetTables()
	w := g.s.widen(tables)
	if m := (Step{State: Done}); g.s.narrow(tables, g.s.extra, m).State == Done {
		g.refuse("nothing-to-do", "the target is already deployed", "")
		return
	}
	if w.State != Done && w.State != Todo { // somebody's word is no knowledge
		g.refuse("unknown", w.Why, w.Next)
	}
	g.refusals = append(g.refusals, g.s.busy()...)
	g.refusals = append(g.refusals, g.s.unproven(tables)...)
	if text := g.s.unseen(tables); text != "" {
		g.warn("changes-unseen", text, "to see them before, "+g.s.way(ActCensus))
	}
	g.backedUp(g.dropped())
	g.promotion(tables)
}

// deployable wants a way to deploy: Strait's own into an embedded environment,
// the project's command into a real one.
func (g *gate) deployable() bool {
	ok := g.Env.Embedded || g.Env.Deploys
	if !ok {
		g.refuse("no-deploy-command", "strait.toml does not say how the project is deployed to "+g.Env.Env,
			g.s.way(g.Action)+`; or let Strait run it: deploy = "npx convex deploy" below [[env]] of `+g.Env.Env)
	}
	return ok
}

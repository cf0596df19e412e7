package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

type askKind int

const (
	askNothing askKind = iota
	askAction          // an action waits for its answer
	askQuit
	askHow     // no question: says how to do it outside
	askCursor  // where a run begins is being typed
	askFile    // the file of an export is being typed
	askReplace // the export's file is there already
	askExport  // the export that a rehearsal works on is being typed
	askTune    // a change of a supervised run waits for the environment's name
)

// quietTime is how long the keyboard must rest before a question that nobody
// asked for takes a key.
const quietTime = 400 * time.Millisecond

// ask is an open question. It is a value: a copied Root shares no answer.
type ask struct {
	kind  askKind
	cmd   fleet.Command
	tune  fleet.Tuning
	how   bool // in the background or supervised is to be chosen
	size  bool // the batch size can be chosen
	title string
	facts [][2]string
	notes []string
	yes   string // what y does, or what typing the word does
	word  string // must be typed; "" asks y/n
	typed string
	shell string
	prod  bool
	quiet time.Time // keys before it are ignored

	cost *fleet.CensusCost // of a census; nil until the deployment has told

	refused, warned []plan.Refusal // what the policy says, once it has been asked
	form            form           // what can be chosen, of a question that has more than two answers

	reasoning bool // a reason for acting out of order is being typed
	reason    string
}

// byReason reports whether a reason takes a refusal away.
func byReason(r plan.Refusal) bool {
	return r.Code == "order" || r.Code == "outcome-unknown" || r.Code == "backup-missing"
}

// overridable reports whether a reason is all that the policy wants.
func (a ask) overridable() bool {
	for _, r := range a.refused {
		if !byReason(r) {
			return false
		}
	}
	return len(a.refused) > 0
}

// askFor opens the question before an action; nothing goes out without one.
func askFor(act plan.Action) func(Root) (Root, tea.Cmd) {
	return func(m Root) (Root, tea.Cmd) {
		f := m.focus()
		if (act == plan.ActWiden || act == plan.ActNarrow) && !f.env.Embedded && f.env.Command == "" {
			m.ask = m.howTo(act, f)
			return m.check()
		}
		cmd := fleet.Command{Action: act, Env: f.env.Name, By: "screen"}
		switch act {
		case plan.ActDryRun, plan.ActRun, plan.ActCancel:
			cmd.Migration = f.mig
		}
		if act == plan.ActRun && choosesHow(f.def) {
			cmd.Supervised = m.supervise
		}
		return m.openAsk(cmd)
	}
}

// openAsk opens the question before a command.
func (m Root) openAsk(cmd fleet.Command) (Root, tea.Cmd) {
	m.ask = m.question(cmd, nil)
	return m.check()
}

// focusOf is what a command is about, wherever the cursor is.
func (m Root) focusOf(cmd fleet.Command) (f focus, ok bool) {
	i := envIndex(m.snap, cmd.Env)
	if i < 0 {
		return f, false
	}
	f.env, f.mig, f.def = &m.snap.Envs[i], cmd.Migration, m.definition(cmd.Migration)
	f.run, f.dry = f.env.Runs[f.mig], f.env.DryRun[f.mig]
	return f, true
}

// reask changes what the open question would send.
func (m Root) reask(change func(*fleet.Command)) (Root, tea.Cmd) {
	if _, ok := m.focusOf(m.ask.cmd); !ok {
		return m, nil
	}
	was := m.ask
	change(&was.cmd)
	m.ask = m.question(was.cmd, nil)
	m.ask.typed, m.ask.refused, m.ask.warned = was.typed, was.refused, was.warned
	return m.check()
}

// checked takes what the policy says to the open question. Where Strait only
// says how, that it does not deploy there is no news.
func (m Root) checked(msg checked) Root {
	if msg.req != m.req || m.ask.kind != askAction && m.ask.kind != askHow {
		return m
	}
	m.ask.warned, m.ask.refused = msg.warnings, nil
	for _, r := range msg.refusals {
		if m.ask.kind == askHow && (r.Code == "no-deploy-command" || r.Code == "protected" || r.Code == "nothing-to-do") {
			continue
		}
		m.ask.refused = append(m.ask.refused, r)
	}
	return m
}

// check asks the engine what its policy says to the open question.
func (m Root) check() (Root, tea.Cmd) {
	m.req++
	cmd, req, e := m.ask.cmd, m.req, m.d.engine
	cmd.Typed = m.ask.word // what will be typed: asks for the other reasons
	return m, tea.Batch(m.price(), func() tea.Msg {
		refusals, warnings := e.Check(cmd)
		return checked{req, refusals, warnings}
	})
}

// question is the question before a command; cost is what a census would read,
// once the deployment has told.
func (m Root) question(cmd fleet.Command, cost *fleet.CensusCost) ask {
	f, ok := m.focusOf(cmd)
	if !ok {
		return ask{}
	}
	e := f.env
	a := ask{kind: askAction, prod: e.Protected, cmd: cmd, cost: cost}
	add := func(k, v string) {
		if v != "" {
			a.facts = append(a.facts, [2]string{k, v})
		}
	}
	add("target", targetOf(e))
	switch cmd.Action {
	case plan.ActDryRun:
		a.title, a.yes = "Dry run "+short(f.mig)+" in "+e.Name+"?", "dry run"
		add("reads", "one batch"+tableOf(f))
		add("writes", "nothing: the batch is rolled back")
	case plan.ActRun:
		m.askRun(&a, f, add)
	case plan.ActCancel:
		a.title, a.yes = "Cancel "+short(f.mig)+" in "+e.Name+"?", "cancel it"
		add("after", "the batch under way is committed; a later run goes on from there")
	case plan.ActCensus:
		if a.cmd.Census == nil {
			a.cmd.Census = &fleet.CensusOptions{}
		}
		m.askCensus(&a, f, add)
	case plan.ActReveal:
		a.title, a.yes = "Show the values of "+e.Name+"'s documents?", "show them"
		add("shows", "what samples of documents hold, to everybody who sees this screen")
		add("until", "they are masked again after a few minutes, or with u")
		add("journal", "that they were shown, and to whom; no value")
	case plan.ActCancelAll:
		a.title, a.yes = "Cancel every migration that runs in "+e.Name+"?", "cancel all"
		add("runs", m.runsIn(e))
		add("after", "the batches under way are committed; later runs go on from there")
		if e.Protected {
			a.word = e.Name
		}
	case plan.ActBackup:
		m.askBackup(&a, e, add)
	case plan.ActWiden:
		a.title, a.yes = "Deploy the widened schema to "+e.Name+"?", "deploy"
		add("changes", deployChanges(e))
		add("accepts", "old and new documents")
		add("runs", e.Command)
		if e.Protected {
			a.word = e.Name
		}
	case plan.ActNarrow:
		a.title, a.yes = "Deploy the target schema to "+e.Name+"?", "narrow"
		add("changes", deployChanges(e))
		add("refuses", "documents of the old shape, from then on")
		add("census", censusLine(m.now, e))
		add("runs", e.Command)
		a.word = e.Name
	}
	a.shell = m.shell(a.cmd)
	return a
}

func deployChanges(e *fleet.EnvSnapshot) string {
	if e.Command == "" {
		return "the schema only: no document is written"
	}
	return "code and schema, those of the work tree: no document is written"
}

// targetOf names where an action goes.
func targetOf(e *fleet.EnvSnapshot) string {
	s := e.Name
	if e.Deployment != "" && e.Deployment != e.Name {
		s += "  " + e.Deployment
	}
	switch {
	case e.Embedded:
		s += "  (embedded rehearsal)"
	case e.Protected:
		s += "  (protected)"
	}
	return s
}

func tableOf(f focus) string {
	if f.def == nil || f.def.Table == "" {
		return ""
	}
	return " of " + tableName(f.def)
}

// estimate says how many documents a run may write.
func (m Root) estimate(f focus) string {
	if f.def != nil && len(f.def.Series) > 0 {
		return m.estimateSeries(f)
	}
	if f.def == nil || f.def.Table == "" {
		return "not known: the migration names no table"
	}
	n, ok := stored(f.env, f.def)
	if !ok {
		return "not known: the size of " + tableName(f.def) + " is not counted yet"
	}
	if f.run.State == "failed" || f.run.State == "canceled" {
		n = max(0, n-f.run.Processed)
	}
	s := "up to " + documents(n) + " of " + tableName(f.def)
	if f.def.CustomRange {
		s += ", in its own range"
	}
	if f.def.BatchSize > 0 {
		s += fmt.Sprintf(", %s a batch", count(int64(f.def.BatchSize)))
	}
	return s
}

// estimateSeries adds up the tables of a series' members.
func (m Root) estimateSeries(f focus) string {
	var sum int64
	for i := range m.snap.Project.Migrations {
		d := &m.snap.Project.Migrations[i]
		if !slices.Contains(f.def.Series, d.Name) || f.env.Runs[d.Name].State == "success" {
			continue
		}
		n, ok := stored(f.env, d)
		if !ok {
			return "not known: not every member's table is counted yet"
		}
		sum += n
	}
	return "up to " + documents(sum) + " in all; members that succeeded are passed over"
}

func dryRunAge(now time.Time, f focus) string {
	switch d := f.dry; {
	case d == nil || d.At.IsZero():
		return "none yet"
	case d.Err != nil:
		return "failed " + age(now, d.At) + ": " + d.Err.Summary
	default:
		return fmt.Sprintf("%s, %s read, no error", age(now, d.At), documents(d.Processed))
	}
}

func censusLine(now time.Time, e *fleet.EnvSnapshot) string {
	c := e.Census
	switch {
	case c == nil:
		return "none yet"
	case oldWrites(e, "") > 0:
		return documents(oldWrites(e, "")) + " of the old shape written since"
	case c.Offenders == 0 && c.Full && !c.Stale:
		return "all " + documents(c.Read) + " fit, " + age(now, c.At)
	case c.Stale:
		return fmt.Sprintf("%s did not fit, %s; documents were written since", documents(c.Offenders), age(now, c.At))
	}
	return fmt.Sprintf("%s %s, %s", documents(c.Offenders), notFit(c.Offenders), age(now, c.At))
}

func (m Root) askQuit(signal bool) Root {
	a := ask{kind: askQuit, title: "Quit Strait?", yes: "quit"}
	for _, r := range m.busy.runs {
		fate := "goes on without Strait"
		switch {
		case r.embedded:
			fate = "stops: an embedded environment ends with Strait"
		case r.stops && r.still:
			fate = "stands where it is: nothing goes on without Strait"
		case r.stops:
			fate = "stops after its batch: Strait drives it"
		}
		a.facts = append(a.facts, [2]string{r.env, short(r.mig) + " " + fate})
	}
	for _, w := range m.busy.works {
		a.facts = append(a.facts, [2]string{w.of, w.what + " " + w.fate})
	}
	if signal {
		a.quiet = m.now.Add(quietTime)
	}
	m.ask = a
	return m
}

// pressAsk gives a key to the open question. Enter and space say yes to nothing.
func (m Root) pressAsk(key, typed string) (Root, tea.Cmd) {
	a := m.ask
	out := m.wayOut()
	if m.now.Before(a.quiet) {
		m.ask.quiet = m.now.Add(quietTime)
		return m, nil
	}
	switch {
	case key == "esc":
		m.ask = ask{}
		return m, nil
	case key == "ctrl+c":
		if a.kind == askQuit {
			return m, tea.Quit
		}
		m.ask = ask{}
		return m, nil
	case a.kind == askCursor:
		return m.pressCursor(key, typed)
	case a.kind == askFile, a.kind == askReplace:
		return m.pressFile(key, typed)
	case a.kind == askExport:
		return m.pressExport(key, typed)
	case a.cmd.Census != nil:
		if m, cmd, taken := m.pressCensus(key); taken {
			return m, cmd
		}
	}
	switch {
	case key == "f" && a.cmd.Action == plan.ActRehearse:
		return m.typeExport(), nil
	case len(a.form.choices) > 0 && slices.Contains(formKeys, key):
		return m.formed(a.form.turned(key))
	case a.how && key == "tab" && !a.reasoning:
		m.supervise = !a.cmd.Supervised
		return m.reask(func(c *fleet.Command) { c.Supervised = !c.Supervised })
	case a.size && (key == "up" || key == "down") && !a.reasoning:
		f, _ := m.focusOf(a.cmd)
		n := climb(batchLadder, cmp.Or(a.cmd.BatchSize, nextBatch(f.run, f.def)), key == "up")
		return m.reask(func(c *fleet.Command) { c.BatchSize = n })
	case a.kind == askHow:
		if key == "y" {
			m.ask = ask{}
			return m.copyLine(a.shell)
		}
		if key == "n" || key == "q" || key == "enter" {
			m.ask = ask{}
		}
		return m, nil
	case a.reasoning && key == "enter":
		if strings.TrimSpace(a.reason) == "" {
			return m.tell(toastWarn, "say why, then enter: the journal keeps it; esc goes back")
		}
		m.ask.reasoning, m.ask.refused = false, nil
		m.ask.cmd.Override = strings.TrimSpace(a.reason)
		m.ask.shell = m.shell(m.ask.cmd)
		return m.check()
	case a.reasoning:
		m.ask.reason = edit(a.reason, key, typed)
		return m, nil
	case a.overridable() && key == "o":
		m.ask.reasoning = true
		return m, nil
	case out.key != "" && key == out.key:
		return m.takeWayOut(out)
	case len(a.refused) > 0: // a letter closes nothing: what is typed on would be taken for keys
		if key == "o" && slices.ContainsFunc(a.refused, byReason) {
			return m.tell(toastWarn, "a reason overrides the order and a missing backup only: clear what else is missing first")
		}
		return m, nil
	case a.word == "":
		switch key {
		case "y", "Y":
			return m.yes()
		case "n", "N", "q":
			m.ask = ask{}
		}
		return m, nil
	}
	if key == "enter" {
		if a.typed == a.word {
			return m.yes()
		}
		return m.tell(toastWarn, "type "+a.word+" in full, then enter; esc goes back")
	}
	m.ask.typed = edit(a.typed, key, typed)
	return m, nil
}

// yes carries out what was asked.
func (m Root) yes() (Root, tea.Cmd) {
	a := m.ask
	m.ask = ask{}
	switch a.kind {
	case askQuit:
		return m, tea.Quit
	case askTune:
		a.tune.Typed = a.typed
		return m, m.sendTuning(a.cmd, a.tune, "")
	}
	cmd := a.cmd
	cmd.Typed = a.typed
	said := ""
	switch cmd.Action {
	case plan.ActCensus:
		return m.startCensus(cmd)
	case plan.ActReveal:
		said = "asking for the values of " + cmd.Env
	case plan.ActDryRun:
		m = m.openRun(dryRunView)
		said = "dry run of " + short(cmd.Migration) + " in " + cmd.Env + " is on its way"
	case plan.ActRun:
		m = m.openRun(progressView)
		said = "starting " + short(cmd.Migration) + " in " + cmd.Env
		if cmd.Supervised {
			said += " under supervision"
		}
	case plan.ActCancel:
		said = "cancelling after this batch"
	case plan.ActCancelAll:
		said = "cancelling everything that runs in " + cmd.Env
	case plan.ActProve:
		m, said = m.startProof(cmd)
	case plan.ActRehearse:
		m, said = m.startRehearsal(cmd)
	case plan.ActBackup:
		m = m.watchBackup(cmd)
		said = "asking " + cmd.Env + " for an export"
	case plan.ActWiden:
		said = "deploying the widened schema to " + cmd.Env
		m = m.watchDeploy(cmd)
	case plan.ActNarrow:
		said = "deploying the target schema to " + cmd.Env
		m = m.watchDeploy(cmd)
	}
	m, hush := m.tell(toastInfo, said)
	return m, tea.Batch(hush, m.send(cmd))
}

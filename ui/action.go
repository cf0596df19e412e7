package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// danger says what an action may do, and so how it is asked for.
type danger int

const (
	looks  danger = iota // moves or shows: no question
	reads                // reads from the environment: no question
	asks                 // y/n, default no
	writes               // y/n; in a protected environment its name is typed
	closes               // its name is typed everywhere
)

// action is one thing a person can do. Dispatch, the key line, the help and
// the palette read this table and nothing else.
type action struct {
	id     string
	keys   []string
	label  string // on the key line
	what   string // in the help and the palette
	group  string
	danger danger
	pages  []pageKind // where it works; nil everywhere
	foot   int        // place on the key line, lower stays longer; 0 never
	shy    bool       // not on the key line while it is blocked
	// blocked is why the action cannot go out now, and the way out; "" when it can.
	blocked func(Root) string
	do      func(Root) (Root, tea.Cmd)
}

var (
	onFleet  = []pageKind{fleetPage, detailPage}
	onWork   = []pageKind{fleetPage, detailPage, runPage}
	onEnv    = []pageKind{fleetPage, detailPage, runPage, envPage}
	onPlan   = []pageKind{planPage}
	onReport = []pageKind{provePage, rehearsalPage}
	forEnv   = []pageKind{fleetPage, detailPage, runPage, envPage, rehearsalPage, offendersPage}

	onOffenders = []pageKind{offendersPage}
	onCensus    = []pageKind{fleetPage, detailPage, runPage, envPage, offendersPage}
)

func actionTable() []action {
	return []action{
		{id: "open", keys: []string{"enter"}, label: "open", what: "open what the cursor is on", group: "move", pages: onFleet, foot: 2, blocked: noRow, do: Root.open},
		{id: "back", keys: []string{"esc"}, label: "back", what: "go up one level", group: "move", pages: []pageKind{detailPage, runPage, planPage, messagesPage, envPage, provePage, rehearsalPage, journalPage, offendersPage}, foot: 1, do: Root.goBack},
		{id: "open-line", keys: []string{"enter"}, label: "open", what: "let what is known of the line fill the page", group: "move", pages: onReport, foot: 2, shy: true, blocked: noLine, do: func(m Root) (Root, tea.Cmd) { return m.openLine(), nil }},
		{id: "up", keys: []string{"up", "k"}, what: "move up", group: "move", do: func(m Root) (Root, tea.Cmd) { return m.move(-1), nil }},
		{id: "down", keys: []string{"down", "j"}, what: "move down", group: "move", do: func(m Root) (Root, tea.Cmd) { return m.move(1), nil }},
		{id: "page-up", keys: []string{"pgup", "ctrl+b"}, what: "move one page up", group: "move", do: func(m Root) (Root, tea.Cmd) { return m.move(-m.leap()), nil }},
		{id: "page-down", keys: []string{"pgdown", "ctrl+f"}, what: "move one page down", group: "move", do: func(m Root) (Root, tea.Cmd) { return m.move(m.leap()), nil }},
		{id: "first", keys: []string{"home", "g"}, what: "move to the first", group: "move", do: func(m Root) (Root, tea.Cmd) { return m.move(-1 << 30), nil }},
		{id: "last", keys: []string{"end", "G"}, what: "move to the last", group: "move", do: func(m Root) (Root, tea.Cmd) { return m.move(1 << 30), nil }},
		{id: "left", keys: []string{"left", "h"}, what: "environment, or view of the run, to the left", group: "move", pages: onEnv, do: func(m Root) (Root, tea.Cmd) { return m.side(-1), nil }},
		{id: "right", keys: []string{"right", "l"}, what: "environment, or view of the run, to the right", group: "move", pages: onEnv, do: func(m Root) (Root, tea.Cmd) { return m.side(1), nil }},
		{id: "section-left", keys: []string{"left", "h"}, what: "section of the plan to the left", group: "move", pages: onPlan, do: func(m Root) (Root, tea.Cmd) { return m.turnTo(-1) }},
		{id: "section-right", keys: []string{"right", "l", "tab"}, label: "section", what: "section of the plan to the right", group: "move", pages: onPlan, foot: 3, do: func(m Root) (Root, tea.Cmd) { return m.turnTo(1) }},
		{id: "next-change", keys: []string{"]"}, label: "next change", what: "the plan of the next change", group: "move", pages: onPlan, foot: 4, do: func(m Root) (Root, tea.Cmd) { return m.nextChange(1) }},
		{id: "previous-change", keys: []string{"["}, what: "the plan of the change before", group: "move", pages: onPlan, do: func(m Root) (Root, tea.Cmd) { return m.nextChange(-1) }},
		{id: "open-document", keys: []string{"enter"}, label: "document", what: "the document that stopped the run, with the place marked", group: "move", pages: []pageKind{runPage}, blocked: noFailing, do: Root.openFailing},
		{id: "open-sample", keys: []string{"enter"}, label: "open", what: "go into the document; again: unfold it, or fold it", group: "move", pages: onOffenders, foot: 2, shy: true, blocked: noSample, do: Root.enterOffender},
		{id: "sample-left", keys: []string{"left", "h"}, what: "the sample before, or back to the list", group: "move", pages: onOffenders, do: func(m Root) (Root, tea.Cmd) { return m.sideOffender(-1), nil }},
		{id: "sample-right", keys: []string{"right", "l"}, what: "into the document, then its next sample", group: "move", pages: onOffenders, do: func(m Root) (Root, tea.Cmd) { return m.sideOffender(1), nil }},
		{id: "next-sample", keys: []string{"n"}, label: "next sample", what: "the next document of the group", group: "move", pages: onOffenders, foot: 3, shy: true, blocked: noSample, do: func(m Root) (Root, tea.Cmd) { return m.nextSample(1), nil }},
		{id: "previous-sample", keys: []string{"N"}, what: "the document of the group before", group: "move", pages: onOffenders, blocked: noSample, do: func(m Root) (Root, tea.Cmd) { return m.nextSample(-1), nil }},
		{id: "to-change", keys: []string{"f"}, label: "its change", what: "the change that the offenders are of, and its migrations, on the grid", group: "move", pages: onOffenders, foot: 7, shy: true, blocked: noChange, do: Root.toChange},
		{id: "environment", keys: []string{"tab"}, label: "next env", what: "switch to the next environment", group: "move", pages: forEnv, foot: 9, do: func(m Root) (Root, tea.Cmd) { return m.turn(1), nil }},
		{id: "environment-back", keys: []string{"shift+tab"}, what: "switch to the environment before", group: "move", pages: forEnv, do: func(m Root) (Root, tea.Cmd) { return m.turn(-1), nil }},
		{id: "next-migration", keys: []string{"]"}, what: "pick the row's next migration", group: "move", pages: onWork, do: func(m Root) (Root, tea.Cmd) { return m.pick(1), nil }},
		{id: "previous-migration", keys: []string{"["}, what: "pick the row's migration before", group: "move", pages: onWork, do: func(m Root) (Root, tea.Cmd) { return m.pick(-1), nil }},

		{id: "dry-run", keys: []string{"d"}, label: "dry run", what: "dry run: roll one batch back and show what would change", group: "act", danger: asks, pages: onWork, foot: 3, blocked: blockedDryRun, do: askFor(plan.ActDryRun)},
		{id: "run", keys: []string{"r"}, label: "run", what: "run the migration here, or resume it: in the background or supervised", group: "act", danger: writes, pages: onWork, foot: 4, blocked: blockedRun, do: askFor(plan.ActRun)},
		{id: "step", keys: []string{"s"}, label: "step", what: "run one batch under supervision, then pause", group: "act", danger: writes, pages: onWork, foot: 10, blocked: blockedStep, do: Root.step},
		{id: "pause", keys: []string{"p"}, label: "pause", what: "pause the supervised run between two batches, or let it go on", group: "act", danger: looks, pages: onWork, foot: 11, blocked: blockedTune, do: Root.pause},
		{id: "bigger-batch", keys: []string{"+", "="}, what: "make the next batch of the supervised run bigger", group: "act", danger: looks, pages: onWork, blocked: blockedTune, do: resize(true)},
		{id: "smaller-batch", keys: []string{"-"}, what: "make the next batch of the supervised run smaller", group: "act", danger: looks, pages: onWork, blocked: blockedTune, do: resize(false)},
		{id: "slower", keys: []string{">"}, what: "let the supervised run rest longer between batches", group: "act", danger: looks, pages: onWork, blocked: blockedTune, do: slowDown(true)},
		{id: "faster", keys: []string{"<"}, what: "let the supervised run rest shorter between batches", group: "act", danger: looks, pages: onWork, blocked: blockedTune, do: slowDown(false)},
		{id: "run-from-start", what: "run the migration from its first document again", group: "act", danger: writes, pages: onWork, blocked: blockedRun, do: Root.runFromStart},
		{id: "run-from-cursor", what: "run the migration from a cursor", group: "act", danger: writes, pages: onWork, blocked: blockedRun, do: Root.runFromCursor},
		{id: "cancel", keys: []string{"c"}, label: "cancel", what: "cancel the running migration after its batch", group: "act", danger: asks, pages: onWork, foot: 5, blocked: blockedCancel, do: askFor(plan.ActCancel)},
		{id: "cancel-all", keys: []string{"C"}, label: "cancel all", what: "cancel every running migration of the environment after its batch", group: "act", danger: writes, pages: onEnv, foot: 14, blocked: blockedCancelAll, do: askFor(plan.ActCancelAll)},
		{id: "stop-census", keys: []string{"c"}, label: "stop", what: "stop the census; v goes on from there", group: "act", danger: reads, pages: onOffenders, foot: 12, shy: true, blocked: noCensusRun, do: Root.stopCensus},
		{id: "reveal", keys: []string{"u"}, label: "unmask", what: "show the values of a protected environment for a while, or mask them again", group: "act", danger: asks, pages: []pageKind{offendersPage, provePage, rehearsalPage}, foot: 8, shy: true, blocked: noReveal, do: Root.unmask},
		{id: "export", keys: []string{"e"}, label: "export", what: "write the samples of the census to a file, as JSON Lines", group: "act", danger: looks, pages: onOffenders, foot: 8, shy: true, blocked: noExport, do: Root.export},
		{id: "census", keys: []string{"v"}, label: "census", what: "count the documents that do not fit the target", group: "act", danger: reads, pages: onCensus, foot: 6, blocked: blockedCensus, do: Root.census},
		{id: "prove", keys: []string{"V"}, label: "prove", what: "the proof: does any document not come out right? found before anything runs", group: "act", danger: looks, pages: except(provePage), foot: 12, blocked: blockedProve, do: Root.openProof},
		{id: "search", keys: []string{"V"}, label: "search", what: "search for a document that the migrations do not bring to the target", group: "act", danger: asks, pages: []pageKind{provePage}, foot: 3, blocked: blockedProve, do: Root.askProve},
		{id: "rehearsal", keys: []string{"R"}, label: "rehearse", what: "the rehearsal: the whole passage on a copy in memory", group: "act", danger: looks, pages: except(rehearsalPage), foot: 12, blocked: noEnv, do: Root.openRehearsal},
		{id: "rehearse", keys: []string{"R"}, label: "rehearse", what: "rehearse the whole passage on a copy in memory", group: "act", danger: asks, pages: []pageKind{rehearsalPage}, foot: 3, blocked: blockedRehearse, do: Root.askRehearse},
		{id: "run-rehearsed", keys: []string{"r"}, label: "run", what: "run the migration with the batch size that the rehearsal recommends", group: "act", danger: writes, pages: []pageKind{rehearsalPage}, foot: 4, shy: true, blocked: blockedRunRehearsed, do: Root.runRehearsed},
		{id: "stop", keys: []string{"c"}, label: "stop", what: "stop the search, or the rehearsal", group: "act", danger: looks, pages: onReport, foot: 5, shy: true, blocked: blockedStop, do: Root.stop},
		{id: "backup", keys: []string{"b"}, label: "backup", what: "take a backup: an export, downloaded and verified", group: "act", danger: asks, pages: forEnv, foot: 13, blocked: blockedBackup, do: askFor(plan.ActBackup)},
		{id: "stop-backup", keys: []string{"c"}, label: "stop backup", what: "stop the backup", group: "act", danger: looks, pages: []pageKind{envPage}, foot: 2, shy: true, blocked: blockedStop, do: Root.stop},
		{id: "widen", keys: []string{"w"}, label: "widen", what: "deploy the widened schema here", group: "act", danger: writes, pages: onEnv, foot: 7, blocked: blockedDeploy, do: askFor(plan.ActWiden)},
		{id: "narrow", keys: []string{"n"}, label: "narrow", what: "deploy the target schema here", group: "act", danger: closes, pages: onEnv, foot: 8, blocked: blockedDeploy, do: askFor(plan.ActNarrow)},
		{id: "disarm", what: "make the protected environment read-only again, and pause what is supervised there", group: "act", danger: looks, pages: onEnv, blocked: blockedDisarm, do: Root.disarm},
		{id: "retry", keys: []string{"ctrl+r"}, label: "open again", what: "try again to reach the environment", group: "act", danger: reads, pages: onEnv, blocked: blockedRetry, do: Root.retry},

		{id: "help", keys: []string{"?"}, label: "help", what: "show all keys; type to filter", group: "look", foot: 1, do: func(m Root) (Root, tea.Cmd) { return m.openMenu(helpMenu), nil }},
		{id: "palette", keys: []string{":", "ctrl+p"}, label: "palette", what: "do or go to anything by name", group: "look", foot: 12, do: func(m Root) (Root, tea.Cmd) { return m.openMenu(paletteMenu), nil }},
		{id: "filter", keys: []string{"/"}, label: "filter", what: "show only the rows that hold some words", group: "look", pages: []pageKind{fleetPage, detailPage, journalPage, offendersPage}, foot: 10, do: Root.startFilter},
		{id: "plan", keys: []string{"P"}, label: "plan", what: "the plan: what to do, in which order, and what can go wrong", group: "look", foot: 8, blocked: noPlan, do: Root.openPlan},
		{id: "copy-plan", keys: []string{"y"}, label: "copy", what: "copy the section's code, or its Markdown", group: "look", pages: onPlan, foot: 5, do: Root.copyPlan},
		{id: "environment-page", keys: []string{"i"}, label: "environment", what: "the environment: deployment, key, connection, sizes, and what is being deployed", group: "look", foot: 10, blocked: noEnv, do: Root.openEnv},
		{id: "journal", keys: []string{"J"}, label: "journal", what: "the journal: every action in this project, and what became of it", group: "look", foot: 12, do: Root.openJournal},
		{id: "offenders", keys: []string{"o"}, label: "offenders", what: "the documents that do not fit the target: groups, samples, and what stopped a run", group: "look", foot: 9, blocked: noEnv, do: Root.openOffenders},
		{id: "messages", keys: []string{"m"}, label: "messages", what: "everything that was said", group: "look", foot: 11, do: Root.openMessages},
		{id: "copy", keys: []string{"y"}, label: "copy command", what: "copy the shell command that runs this", group: "look", pages: onWork, foot: 13, blocked: noMigration, do: Root.copyCommand},
		{id: "copy-report", keys: []string{"y"}, label: "copy command", what: "copy the shell command that does the same", group: "look", pages: onReport, foot: 13, do: Root.copyReport},
		{id: "suspend", keys: []string{"ctrl+z"}, what: "go to the background of the shell; fg comes back", group: "look", do: func(m Root) (Root, tea.Cmd) { return m, tea.Suspend }},
		{id: "quit", keys: []string{"q", "ctrl+c"}, label: "quit", what: "quit; asks only when something runs", group: "look", foot: 2, do: func(m Root) (Root, tea.Cmd) { return m.leave(false) }},
	}
}

// except are all pages but one.
func except(not pageKind) (out []pageKind) {
	for p := fleetPage; p <= messagesPage; p++ {
		if p != not {
			out = append(out, p)
		}
	}
	return out
}

// on reports whether the action works on a page.
func (a *action) on(p pageKind) bool {
	return a.pages == nil || slices.Contains(a.pages, p)
}

// stopped is why the action cannot go out now; "" when it can.
func (a *action) stopped(m Root) string {
	if a.blocked == nil {
		return ""
	}
	return a.blocked(m)
}

// trigger does an action, or says why it cannot.
func (m Root) trigger(a *action) (Root, tea.Cmd) {
	if why := a.stopped(m); why != "" {
		return m.tell(toastWarn, why)
	}
	return a.do(m)
}

func noRow(m Root) string {
	switch {
	case m.snap.Loading:
		return "the project is still being loaded"
	case m.at() < 0 && m.entry.text != "":
		return "no row holds these words; esc clears the filter"
	case m.at() < 0:
		return "nothing has to be migrated here"
	}
	return ""
}

func noMigration(m Root) string {
	if why := noRow(m); why != "" {
		return why
	}
	if m.focus().mig == "" {
		return "no migration covers this change yet: write one with migrations.define and it shows up here"
	}
	return ""
}

// notReady is why the environment cannot be asked for anything.
func notReady(m Root) string {
	e := m.focus().env
	switch {
	case e == nil && m.snap.Loading:
		return "the project is still being loaded"
	case e == nil:
		return noEnv(m)
	case e.State == fleet.Opening:
		return e.Name + " is still opening" + after(": ", e.Opening)
	case e.State == fleet.Lost:
		return "the connection to " + e.Name + " is lost" + after(": ", e.Err) + "; Strait keeps trying"
	case e.State == fleet.Broken:
		return e.Name + " cannot be reached; ctrl+r tries again" + after(": ", firstLine(e.Err))
	}
	return ""
}

func after(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + s
}

func blockedDryRun(m Root) string {
	return firstOf(m, notReady, noMigration, keyWrites, func(m Root) string {
		f := m.focus()
		switch {
		case active(f.run.State):
			return short(f.mig) + " is running in " + f.env.Name + "; c cancels it"
		case f.dry != nil && f.dry.Running:
			return "a dry run of " + short(f.mig) + " is on its way"
		}
		return ""
	})
}

func blockedRun(m Root) string {
	return firstOf(m, notReady, noMigration, keyWrites, func(m Root) string {
		f := m.focus()
		if active(f.run.State) {
			return short(f.mig) + " is already running in " + f.env.Name + "; c cancels it"
		}
		if f.cell != nil && f.cell.Widen.State != plan.Done && f.cell.Widen.State != plan.Unknown && f.cell.Widen.State != plan.ByHand {
			return "widen " + f.env.Name + " first (w): its schema refuses what the migration writes"
		}
		return ""
	})
}

func blockedRetry(m Root) string {
	if e := m.focus().env; e == nil || e.State != fleet.Broken && e.State != fleet.Lost {
		return "there is nothing to try again: the environment answers or is being opened"
	}
	return ""
}

func (m Root) retry() (Root, tea.Cmd) {
	e, env := m.d.engine, m.env
	m, hush := m.tell(toastInfo, "opening "+env+" again")
	return m, tea.Batch(hush, func() tea.Msg { return did{fleet.Command{Env: env}, e.Retry(env)} })
}

// stopCensus stops a census at once: it only reads (a cancel without a
// migration).
func (m Root) stopCensus() (Root, tea.Cmd) {
	m, hush := m.tell(toastInfo, "the census of "+m.env+" stops")
	return m, tea.Batch(hush, m.send(fleet.Command{Action: plan.ActCancel, Env: m.env, By: "screen"}))
}

func noCensusRun(m Root) string {
	if e := m.focus().env; e == nil || e.CensusRun == nil {
		return "no census is under way"
	}
	return ""
}

func blockedCancel(m Root) string {
	return firstOf(m, notReady, noMigration, keyWrites, func(m Root) string {
		f := m.focus()
		switch {
		case f.run.State == "canceling":
			return "cancelling after this batch; esc leaves this page, the cancelling goes on"
		case !active(f.run.State):
			return short(f.mig) + " is not running in " + f.env.Name
		}
		return ""
	})
}

// blockedCancelAll lets out also where nothing is seen to run: a component may
// run what this working tree does not define.
func blockedCancelAll(m Root) string { return firstOf(m, notReady, keyWrites) }

func blockedCensus(m Root) string {
	return firstOf(m, notReady, func(m Root) string {
		if e := m.focus().env; e.CensusRun != nil {
			return "a census of " + e.Name + " is on its way"
		}
		return ""
	})
}

func blockedDeploy(m Root) string {
	return firstOf(m, notReady, keyDeploys, func(m Root) string {
		f := m.focus()
		if deploying(f.env) {
			return "a deploy to " + m.env + " is under way; i shows it"
		}
		if f.envPlan == nil {
			return "the plan of " + m.env + " is not known yet"
		}
		for _, a := range m.busy.runs {
			if a.env == m.env {
				return short(a.mig) + " is running in " + m.env + "; c cancels it"
			}
		}
		return ""
	})
}

func firstOf(m Root, checks ...func(Root) string) string {
	for _, c := range checks {
		if why := c(m); why != "" {
			return why
		}
	}
	return ""
}

// send hands a command to the engine. The command carries its environment:
// what the cursor does meanwhile changes nothing.
func (m Root) send(cmd fleet.Command) tea.Cmd {
	ctx, e := m.d.ctx, m.d.engine
	return func() tea.Msg { return did{cmd, e.Do(ctx, cmd)} }
}

// shell is the command line that does the same without the screen.
func (m Root) shell(cmd fleet.Command) string {
	var w []string
	add := func(words ...string) {
		for _, x := range words {
			w = append(w, shellWord(x))
		}
	}
	add(m.d.verb)
	switch cmd.Action {
	case plan.ActRun:
		add("run", cmd.Migration, "--env", cmd.Env)
	case plan.ActDryRun:
		add("run", cmd.Migration, "--env", cmd.Env, "--dry-run")
	case plan.ActCensus:
		add("census", "--env", cmd.Env)
		if o := cmd.Census; o != nil {
			add(censusFlags(o)...)
		}
	case plan.ActReveal:
		return "" // what is shown here is shown here only
	case plan.ActCancel:
		add("cancel", cmd.Migration, "--env", cmd.Env)
	case plan.ActCancelAll:
		add("cancel", "--all", "--env", cmd.Env)
	case plan.ActWiden, plan.ActNarrow, plan.ActBackup:
		add(string(cmd.Action), "--env", cmd.Env)
	case plan.ActProve:
		add(proveWords(cmd.Prove)...)
	case plan.ActRehearse:
		add(rehearseWords(cmd.Env, cmd.Rehearse)...)
	}
	if cmd.Supervised {
		add("--supervised")
	}
	if cmd.Steps > 0 {
		add("--steps", strconv.Itoa(cmd.Steps))
	}
	if cmd.BatchSize > 0 {
		add("--batch-size", strconv.Itoa(cmd.BatchSize))
	}
	if cmd.Throttle > 0 {
		add("--throttle", cmd.Throttle.String())
	}
	if cmd.Cursor != nil {
		add("--cursor", *cmd.Cursor)
	}
	if cmd.Reset {
		add("--reset")
	}
	if cmd.Override != "" {
		add("--override", cmd.Override)
	}
	if e := envIndex(m.snap, cmd.Env); e >= 0 && m.snap.Envs[e].Protected && confirmed(cmd.Action) {
		add("--confirm", cmd.Env)
	}
	if m.d.dir != "" {
		add("--project", m.d.dir)
	}
	return strings.Join(w, " ")
}

// confirmed reports whether the command line wants a protected environment's
// name once more.
func confirmed(act plan.Action) bool {
	return act == plan.ActRun || act == plan.ActCancelAll || act == plan.ActWiden || act == plan.ActNarrow
}

// copyCommand puts the command of what is shown on the clipboard.
func (m Root) copyCommand() (Root, tea.Cmd) {
	cmd := fleet.Command{Action: plan.ActRun, Env: m.env, Migration: m.focus().mig}
	if m.page == runPage {
		switch m.view {
		case dryRunView:
			cmd.Action = plan.ActDryRun
		}
	}
	return m.copyLine(m.shell(cmd))
}

// copyLine puts a command line on the clipboard, and says so.
func (m Root) copyLine(text string) (Root, tea.Cmd) {
	m, hush := m.tell(toastInfo, "copied: "+text)
	return m, tea.Batch(hush, tea.SetClipboard(text))
}

// leave quits, and asks before when something runs. A signal's question waits
// until the keyboard is quiet.
func (m Root) leave(signal bool) (Root, tea.Cmd) {
	if len(m.busy.runs)+len(m.busy.works) == 0 {
		return m, tea.Quit
	}
	if m.ask.kind == askQuit {
		return m, tea.Quit
	}
	return m.askQuit(signal), nil
}

// farewell says, when the screen is gone, what becomes of what runs, and how
// to come back to it.
func (m Root) farewell() string {
	var b strings.Builder
	for _, a := range m.busy.runs {
		if a.embedded {
			fmt.Fprintf(&b, "%s stopped in %s: an embedded environment ends with Strait\n", clean(a.mig), clean(a.env))
			continue
		}
		if a.stops {
			fmt.Fprintf(&b, "%s stops in %s after its batch, since Strait drove it; a run there goes on from that place\n", clean(a.mig), clean(a.env))
			continue
		}
		fmt.Fprintf(&b, "%s goes on in %s\n", clean(a.mig), clean(a.env))
	}
	for _, w := range m.busy.works {
		fmt.Fprintf(&b, "%s %s\n", clean(strings.TrimPrefix(w.of+": "+w.what, ": ")), w.fate)
	}
	if b.Len() > 0 {
		words := []string{m.d.verb}
		if m.d.dir != "" {
			words = append(words, "--project", shellWord(m.d.dir))
		}
		fmt.Fprintf(&b, "watch again with: %s\n", strings.Join(words, " "))
	}
	return b.String()
}

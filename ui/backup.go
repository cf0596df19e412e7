package ui

import (
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

func blockedBackup(m Root) string {
	return firstOf(m, notReady, func(m Root) string {
		if e := m.focus().env; e.BackupRun != nil {
			return "a backup of " + e.Name + " is being taken; i shows it, c there stops it"
		}
		return ""
	})
}

// askBackup fills the question before a backup.
func (m Root) askBackup(a *ask, e *fleet.EnvSnapshot, add func(k, v string)) {
	a.title, a.yes = "Take a backup of "+e.Name+"?", "back up"
	add("does", "asks the deployment for an export, waits for it, downloads it and reads every document of it")
	size := documents(e.Documents) + " now"
	if b := e.Backup; b != nil {
		size += fmt.Sprintf("; the last one has %s in %s, %s", documents(b.Documents), bytesWord(b.Bytes), age(m.now, b.At))
	} else if e.Documents == 0 {
		size = ""
	}
	add("size", size)
	add("file", "below .strait/backups, readable by you only: it holds all the data")
	if !e.Embedded {
		add("writes", "nothing: the deployment keeps the export for some days, as one made in its dashboard")
	}
}

// drawBackupRun is the backup that is being taken.
func (m Root) drawBackupRun(p *pen, f focus) {
	l, run := m.l, f.env.BackupRun
	if run == nil {
		return
	}
	m.section(p, "BACKUP", "")
	p.to(2).put(l.run, m.spinner()+" "+run.Stage).put(l.dim, after("  ", run.Detail)).put(l.dim, "  "+clock(m.now.Sub(run.Started)))
	p.put(l.text, "   ").put(l.key, "c").put(l.dim, " stops").end()
	switch {
	case run.Read > 0:
		p.to(4).put(l.text, documents(run.Read)).put(l.dim, " read and verified").end()
	case run.Size > 0:
		m.bar(p, l.run, min(run.Bytes, run.Size), run.Size, percent(run.Bytes, run.Size))
	case run.Bytes > 0:
		p.to(4).put(l.text, bytesWord(run.Bytes)).put(l.dim, " downloaded").end()
	}
	p.blank()
}

// drawBackup is the newest backup of an environment. One in memory needs none.
func (m Root) drawBackup(p *pen, f focus) {
	l, e := m.l, f.env
	b := e.Backup
	if b == nil && (e.Embedded || e.BackupRun != nil) {
		return
	}
	m.section(p, "BACKUP", "")
	if b == nil {
		p.to(2).put(l.dim, l.g.todo+" none yet   ").put(l.key, "b").put(l.dim, " takes one").end()
		p.blank()
		return
	}
	m.fact(p, "verified", l.ok, l.g.done+" "+documents(b.Documents)+", "+bytesWord(b.Bytes), b.At)
	m.fact(p, "file", l.text, b.File, time.Time{})
	if !b.Of.IsZero() {
		m.fact(p, "data of", l.text, b.Of.Local().Format("2 Jan 15:04:05"), b.Of)
	}
	p.blank()
}

// watchBackup opens the page that shows a backup.
func (m Root) watchBackup(cmd fleet.Command) Root {
	m.env = cmd.Env
	if m.page == envPage {
		return m
	}
	return m.visit(envPage)
}

// underway is what c stops on this page: the action, and where; a search is no
// environment's.
func (m Root) underway() (act plan.Action, env string) {
	e := m.focus().env
	switch {
	case m.page == provePage && m.snap.ProofRun != nil:
		return plan.ActProve, ""
	case m.page == rehearsalPage && e != nil && e.Rehearsing != nil:
		return plan.ActRehearse, e.Name
	case m.page == envPage && e != nil && e.BackupRun != nil:
		return plan.ActBackup, e.Name
	}
	return "", ""
}

func blockedStop(m Root) string {
	if act, _ := m.underway(); act == "" {
		return "there is nothing under way that could be stopped here"
	}
	return ""
}

// stop ends what is under way on this page. It asks nothing: nothing is lost
// but what could be begun again.
func (m Root) stop() (Root, tea.Cmd) {
	act, env := m.underway()
	m, hush := m.tell(toastInfo, "stopping the "+map[plan.Action]string{plan.ActProve: "search", plan.ActRehearse: "rehearsal", plan.ActBackup: "backup"}[act])
	return m, tea.Batch(hush, m.send(fleet.Command{Action: plan.ActCancel, Env: env, By: "screen"}))
}

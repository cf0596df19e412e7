package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// copyFile is an export that a rehearsal can work on.
type copyFile struct {
	path string // relative to the project's root where it lies below it
	size int64
	at   time.Time
}

// copiesFound are the exports that lie below .strait/backups, newest first.
type copiesFound struct {
	env   string
	files []copyFile
	err   error
}

// rehearseLadder is the documents a table that can be chosen.
var rehearseLadder = []int{100, 500, 2000, 10000, 50000}

const (
	chooseCopy  = "copy"
	chooseCount = "size"
)

// openRehearsal opens the Rehearsal page.
func (m Root) openRehearsal() (Root, tea.Cmd) {
	m.rehearsal.whole = false
	return m.visit(rehearsalPage), nil
}

func blockedRehearse(m Root) string {
	if e := m.focus().env; e != nil && e.Rehearsing != nil {
		return "a rehearsal of " + e.Name + " is under way; c stops it"
	}
	return notReady(m)
}

// askRehearse looks for exports first, and asks once they are known.
func (m Root) askRehearse() (Root, tea.Cmd) {
	root, env := m.snap.Project.Root, m.env
	return m, func() tea.Msg {
		files, err := exportsIn(root)
		return copiesFound{env, files, err}
	}
}

// exportsIn lists the exports of .strait/backups, newest first.
func exportsIn(root string) ([]copyFile, error) {
	dir := filepath.Join(".strait", "backups")
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for exports: %w", err)
	}
	var out []copyFile
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), ".zip") {
			out = append(out, copyFile{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
		}
	}
	slices.SortStableFunc(out, func(a, b copyFile) int { return b.at.Compare(a.at) })
	return out, nil
}

func (m Root) copiesFound(msg copiesFound) (Root, tea.Cmd) {
	if m.ask.kind != askNothing || m.menu.kind != noMenu || msg.env != m.env {
		return m, nil // the person moved on
	}
	if msg.err != nil {
		return m.tell(toastBad, msg.err.Error())
	}
	m.copies = msg.files
	return m.askCopy(msg.env)
}

// askCopy asks which copy to rehearse on, the first of the exports chosen.
func (m Root) askCopy(env string) (Root, tea.Cmd) {
	m.ask = m.rehearseQuestion(env, form{})
	if m.ask.kind == askNothing {
		return m, nil
	}
	return m.check()
}

// rehearseQuestion asks which copy to take. was is the form as it stands; the
// zero one begins with the newest export.
func (m Root) rehearseQuestion(env string, was form) ask {
	i := envIndex(m.snap, env)
	if i < 0 {
		return ask{}
	}
	e, files := &m.snap.Envs[i], m.copies
	from := choice{label: chooseCopy, at: max(0, was.pick(chooseCopy))}
	for _, x := range files {
		from.options = append(from.options, option{x.path, fmt.Sprintf("an export of %s, %s; every document of it is held in memory", bytesWord(x.size), age(m.now, x.at))})
	}
	from.options = append(from.options,
		option{"a sample", "documents of each table, read from " + e.Name + "; it is read, nothing is written"},
		option{"made-up documents", "of the shape that is deployed in " + e.Name})
	cmd := fleet.Command{Action: plan.ActRehearse, Env: env, By: "screen", Rehearse: &fleet.RehearseOptions{}}
	f := form{choices: []choice{from}, line: was.line}
	if from.at < len(files) {
		cmd.Rehearse.Export = files[from.at].path
		if !filepath.IsAbs(files[from.at].path) {
			cmd.Rehearse.Export = filepath.Join(m.snap.Project.Root, files[from.at].path)
		}
	} else {
		size := choice{label: chooseCount, at: 1}
		if at := was.pick(chooseCount); at >= 0 {
			size.at = at
		}
		for _, n := range rehearseLadder {
			size.options = append(size.options, option{count(int64(n)) + " documents a table", ""})
		}
		f.choices = append(f.choices, size)
		n := rehearseLadder[min(size.at, len(rehearseLadder)-1)]
		if from.at == len(files) {
			cmd.Rehearse.Sample = n
		} else {
			cmd.Rehearse.Generate = n
		}
	}
	f.line = min(f.line, len(f.choices)-1)
	a := ask{kind: askAction, title: "Rehearse the passage of " + env + "?", yes: "rehearse", form: f, cmd: cmd,
		facts: [][2]string{{"does", "deploys the widened schema to a copy in memory, runs every migration that is still to run in " + env + ", counts, and deploys the target"}},
		notes: []string{"Nothing leaves this machine, and nothing is written to " + env + "."}}
	if e.Protected {
		a.prod = true
	}
	a.shell = m.shell(cmd)
	return a
}

// typeExport asks for an export that lies elsewhere.
func (m Root) typeExport() Root {
	m.ask = ask{kind: askExport, prod: m.ask.prod, cmd: m.ask.cmd, title: "Rehearse with which export?",
		notes: []string{"The path of a ZIP that npx convex export, strait backup or the dashboard has written. It is read, and stays as it is."}}
	return m
}

// pressExport takes a key for the path of an export.
func (m Root) pressExport(key, typed string) (Root, tea.Cmd) {
	m, cmd, path := m.pressLine(key, typed, "type or paste the path of an export")
	if path == "" {
		return m, cmd
	}
	env := m.ask.cmd.Env
	return m, func() tea.Msg {
		file, err := exportAt(path)
		return exportTyped{env, file, err}
	}
}

// exportTyped is the export that was asked for by its path.
type exportTyped struct {
	env  string
	file copyFile
	err  error
}

// exportAt is the export at a path; ~ is the home.
func exportAt(path string) (copyFile, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return copyFile{}, fmt.Errorf("find the home: %w", err)
		}
		path = filepath.Join(home, rest)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return copyFile{}, fmt.Errorf("find %s: %w", path, err)
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return copyFile{}, fmt.Errorf("there is no file %s", path)
	case err != nil:
		return copyFile{}, err
	case !info.Mode().IsRegular():
		return copyFile{}, fmt.Errorf("%s is no file: an export is a ZIP", path)
	}
	return copyFile{path, info.Size(), info.ModTime()}, nil
}

// exportTyped goes back to the question, the export chosen.
func (m Root) exportTyped(msg exportTyped) (Root, tea.Cmd) {
	switch {
	case m.ask.kind != askExport || m.ask.cmd.Env != msg.env:
		return m, nil // the person moved on
	case msg.err != nil:
		return m.tell(toastBad, msg.err.Error())
	}
	m.copies = append([]copyFile{msg.file}, slices.DeleteFunc(slices.Clone(m.copies), func(x copyFile) bool { return x.path == msg.file.path })...)
	return m.askCopy(msg.env)
}

// startRehearsal shows the rehearsal that is sent.
func (m Root) startRehearsal(cmd fleet.Command) (Root, string) {
	m.env, m.rehearsed = cmd.Env, maps.Clone(m.rehearsed)
	if m.rehearsed == nil {
		m.rehearsed = map[string]*fleet.RehearseOptions{}
	}
	m.rehearsed[cmd.Env] = cmd.Rehearse
	m = m.visit(rehearsalPage)
	m.rehearsal.whole = false
	return m, "rehearsing the passage of " + cmd.Env + " on a copy in memory"
}

// runRehearsed asks before a run of the migration that the cursor is on, with
// the batch size that the rehearsal recommends.
func (m Root) runRehearsed() (Root, tea.Cmd) {
	x := m.rehearsedRun()
	if x == nil {
		return m, nil
	}
	cmd := fleet.Command{Action: plan.ActRun, Env: m.env, Migration: x.Name, BatchSize: x.Recommended, By: "screen"}
	d := m.definition(x.Name)
	if x.Recommended == batchOf(d) {
		cmd.BatchSize = 0 // its own, nothing to change
	}
	cmd.Supervised = m.supervise && choosesHow(d)
	return m.openAsk(cmd)
}

func blockedRunRehearsed(m Root) string {
	return firstOf(m, notReady, keyWrites, func(m Root) string {
		x := m.rehearsedRun()
		switch {
		case x == nil:
			return "choose a migration of the rehearsal first"
		case m.definition(x.Name) == nil:
			return short(x.Name) + " is no longer defined in the project"
		case active(m.focus().env.Runs[x.Name].State):
			return short(x.Name) + " is already running in " + m.env
		}
		return ""
	})
}

package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"strait/convex/census"
	"strait/convex/fleet"
	"strait/plan"
)

// exported is how writing offenders to a file ended.
type exported struct {
	file  string
	lines int
	err   error
	cmd   fleet.Command
}

// export asks for the file that the samples of a census go to.
func (m Root) export() (Root, tea.Cmd) {
	e := m.focus().env
	a := ask{kind: askFile, title: "Write the offenders of " + e.Name + " to which file?", prod: e.Protected,
		typed: "offenders-" + fileWord(e.Name) + "-" + m.now.Format("20060102-1504") + ".jsonl",
		cmd:   fleet.Command{Action: plan.ActCensus, Env: e.Name}}
	a.facts = [][2]string{{"writes", plural(int64(samplesOf(e.Census)), "sample") + " as JSON Lines, one document each, readable by you only"}, {"values", "as they are"}}
	if m.veiled(e) {
		a.facts[1][1] = "masked, as they are shown: u shows them first"
	}
	m.ask = a
	return m, nil
}

func noExport(m Root) string {
	return firstOf(m, noEnv, func(m Root) string {
		if e := m.focus().env; samplesOf(e.Census) == 0 {
			return "there is no sample to write: " + noSample(m)
		}
		return ""
	})
}

// samplesOf counts the samples of a census.
func samplesOf(c *plan.Census) (n int) {
	if c == nil {
		return 0
	}
	for i := range c.Groups {
		n += len(c.Groups[i].Samples)
	}
	return n
}

// fileWord is a name as a part of a file's.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, clean(s))
}

// pressFile takes a key for the file's name, and for the question whether one
// that is there may be replaced.
func (m Root) pressFile(key, typed string) (Root, tea.Cmd) {
	a := m.ask
	if a.kind == askReplace {
		switch key {
		case "y", "Y":
			m.ask = ask{}
			return m, m.writeOffenders(a, true)
		case "n", "N":
			m.ask.kind, m.ask.notes = askFile, nil
		}
		return m, nil
	}
	m, cmd, file := m.pressLine(key, typed, "type the name of a file")
	if file == "" {
		return m, cmd
	}
	m.ask = ask{}
	return m, m.writeOffenders(a, false)
}

// writeOffenders writes the census that the question was about.
func (m Root) writeOffenders(a ask, replace bool) tea.Cmd {
	i := envIndex(m.snap, a.cmd.Env)
	if i < 0 || m.snap.Envs[i].Census == nil {
		return nil
	}
	c, file := m.snap.Envs[i].Census, strings.TrimSpace(a.typed)
	return func() tea.Msg {
		path, err := saveOffenders(file, c, replace)
		return exported{path, samplesOf(c), err, a.cmd}
	}
}

// exported says where the offenders are, or asks before a file is replaced.
func (m Root) exported(msg exported) (Root, tea.Cmd) {
	switch {
	case errors.Is(msg.err, fs.ErrExist):
		if m.ask.kind == askNothing {
			m.ask = ask{kind: askReplace, typed: msg.file, cmd: msg.cmd, title: "Replace " + filepath.Base(msg.file) + "?", notes: []string{msg.file + " is there already."}}
		}
		return m, nil
	case msg.err != nil:
		return m.tell(toastBad, msg.err.Error())
	}
	return m.tell(toastInfo, plural(int64(msg.lines), "offender")+" written to "+msg.file)
}

// saveOffenders writes the samples of a census to a file that its owner alone
// may read. One that is there is replaced as a whole, or fs.ErrExist returned.
func saveOffenders(file string, c *plan.Census, replace bool) (path string, err error) {
	path, err = filepath.Abs(file)
	if err == nil {
		err = writeOffenders(path, c, replace)
	}
	if err != nil {
		err = fmt.Errorf("write offenders: %w", err)
	}
	return path, err
}

func writeOffenders(path string, c *plan.Census, replace bool) error {
	var out *os.File
	var err error
	if replace {
		out, err = os.CreateTemp(filepath.Dir(path), ".offenders-*")
	} else {
		out, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return err
	}
	err = errors.Join(census.WriteOffenders(out, c), out.Close())
	if err == nil && replace {
		err = os.Rename(out.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}

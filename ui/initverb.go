package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"strait/convex/project"
)

// initReport is the JSON of strait init, version 1.
type initReport struct {
	Version int      `json:"version"`
	Path    string   `json:"path"`
	Text    string   `json:"text"`
	Missing []string `json:"missing"` // variables that are named and not set
	Notes   []string `json:"notes"`   // what was found and left out
	Ignored bool     `json:"ignored"` // git ignores .strait
}

func (c *cli) initVerb() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a strait.toml from what is found around the project",
		Long: `Init writes a strait.toml with the environments that it finds: by the Convex CLI's
variables and env files, by other env files such as .env.production, and among the
deployments on this machine. It writes names of variables, never a key, and never
over a file that is there, unless --force is given.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return c.initialize(force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "write over a strait.toml that is there")
	return cmd
}

func (c *cli) initialize(force bool) error {
	p, err := project.Propose(project.Options{Dir: c.project})
	if err != nil {
		return err
	}
	if err := writeNew(p.Path, p.Text, force); err != nil {
		return err
	}
	if c.json {
		return c.block(initReport{1, p.Path, p.Text, list(p.Missing), list(p.Notes), p.Ignored})
	}
	c.say("wrote %s:", p.Path)
	fmt.Fprintln(c.out)
	c.say("%s", p.Text)
	for _, n := range p.Notes {
		c.say("note: %s", n)
	}
	for _, v := range p.Missing {
		c.say("next: put a deploy key into %s (dashboard: Settings, Deploy Keys)", v)
	}
	if !p.Ignored {
		c.say("next: add .strait/ to .gitignore: the journal of this machine is kept there")
	}
	c.say("next: strait doctor")
	return nil
}

// writeNew writes a file that must not be there yet, unless over is given; a
// file is written whole or not at all.
func writeNew(path, text string, over bool) error {
	if _, err := os.Lstat(path); !over && !errors.Is(err, fs.ErrNotExist) {
		return hint(fmt.Errorf("%s is there already", path), "strait init --force writes over it; strait doctor checks it")
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".strait-*.toml")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil && over {
		err = os.Rename(file.Name(), path)
	} else if err == nil {
		err = os.Link(file.Name(), path) // fails when somebody was quicker
		if err != nil && !errors.Is(err, fs.ErrExist) {
			err = os.Rename(file.Name(), path) // a file system without links
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"strait/convex/jsrun"
	"strait/convex/project"
)

// whereIsIt finds the project and its journal; "" without one.
func (c *cli) whereIsIt() (root, journal string) {
	loc, err := project.Find(project.Options{Dir: c.project})
	if err != nil {
		return "", ""
	}
	return loc.Root, filepath.Join(loc.Root, ".strait", "journal.jsonl")
}

// load loads the project, and fails when there is none.
func (c *cli) load(ctx context.Context) (*project.Project, error) {
	return project.Load(ctx, project.Options{Dir: c.project})
}

// loadEnv loads the project, and finds one of its environments by name.
func (c *cli) loadEnv(ctx context.Context, name string) (*project.Project, project.Env, error) {
	p, err := c.load(ctx)
	if err != nil {
		return nil, project.Env{}, err
	}
	e, err := resolveEnv(p, name)
	return p, e, err
}

// loadOnly loads the project, and checks the name of the one environment to
// look at; without a name that is all of them, nil.
func (c *cli) loadOnly(ctx context.Context, name string) (*project.Project, []string, error) {
	if name == "" {
		p, err := c.load(ctx)
		return p, nil, err
	}
	p, e, err := c.loadEnv(ctx, name)
	return p, []string{e.Name}, err
}

// inspection is the JSON of strait inspect.
type inspection struct {
	Project      string              `json:"project"`
	Root         string              `json:"root"`
	SchemaFile   string              `json:"schemaFile,omitempty"`
	Packages     map[string]string   `json:"packages"`
	Environments []string            `json:"environments"`
	Schema       json.RawMessage     `json:"schema"` // as schema.export() gives it; null without one
	Migrations   []project.Migration `json:"migrations"`
	Problems     []jsrun.Problem     `json:"problems"`
}

func (c *cli) inspectVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect",
		Short: "Write what was loaded: schema, migrations, problems",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := interruptible()
			defer stop()
			p, err := c.load(ctx)
			if err != nil {
				return err
			}
			if c.json {
				err = c.block(inspectionOf(p))
			} else {
				c.tellInspection(p)
			}
			return errors.Join(err, brokenBy(p))
		},
	}
}

// brokenBy is an error when the project's schema could not be had.
func brokenBy(p *project.Project) error {
	for _, pr := range p.Problems {
		if !pr.Warning && p.Schema == nil {
			return &coded{errSaid, exitError}
		}
	}
	return nil
}

func inspectionOf(p *project.Project) inspection {
	out := inspection{Project: p.Name, Root: p.Root, SchemaFile: p.SchemaFile, Packages: p.Packages, Environments: []string{},
		Schema: json.RawMessage("null"), Migrations: []project.Migration{}, Problems: []jsrun.Problem{}}
	if len(p.SchemaJSON) > 0 {
		out.Schema = p.SchemaJSON
	}
	for _, e := range p.Config.Envs {
		out.Environments = append(out.Environments, e.Name)
	}
	for _, m := range p.Migrations {
		if m.Series == nil {
			m.Series = []string{}
		}
		out.Migrations = append(out.Migrations, m)
	}
	out.Problems = append(out.Problems, p.Problems...)
	return out
}

func (c *cli) tellInspection(p *project.Project) {
	c.say("%s  %s", p.Name, p.Root)
	if p.Schema != nil {
		indexes := 0
		for _, t := range p.Schema.Tables {
			indexes += len(t.Indexes)
		}
		c.say("schema  %s: %s, %s", p.SchemaFile, plural(int64(len(p.Schema.Tables)), "table"), plural(int64(indexes), "index", "indexes"))
	} else {
		c.say("schema  none")
	}
	var envs []string
	for _, e := range p.Config.Envs {
		envs = append(envs, e.Name)
	}
	if len(envs) > 0 {
		c.say("environments  %s", strings.Join(envs, ", "))
	}
	if len(p.Migrations) > 0 {
		fmt.Fprintln(c.out)
		rows := [][]string{{"MIGRATION", "TABLE", "DRIVER", "BATCH", "SERIES", "WHERE"}}
		for _, m := range p.Migrations {
			series := ""
			if len(m.Series) > 0 {
				series = fmt.Sprintf("runs %d", len(m.Series))
			}
			batch := ""
			if m.BatchSize > 0 {
				batch = count(int64(m.BatchSize))
			}
			rows = append(rows, []string{m.Name, tableName(&m), string(m.Driver), batch, series, fmt.Sprintf("%s:%d", m.File, m.Line)})
		}
		c.table(rows, 3)
	}
	for _, pr := range p.Problems {
		word := "problem"
		if pr.Warning {
			word = "warning"
		}
		fmt.Fprintln(c.out)
		c.say("%s  %s", word, pr.Error())
		if pr.Hint != "" {
			c.say("hint: %s", pr.Hint)
		}
	}
}

package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/plan"
)

// screen shows the project at dir; shown is the --project of the commands that
// the screen offers, "" when the working folder finds it.
func (c *cli) screen(dir, shown string) error {
	if err := needsTerminal(); err != nil {
		return err
	}
	if _, err := project.Find(project.Options{Dir: dir}); err != nil {
		return hint(err, "strait demo shows a demo project")
	}
	if shown != "" {
		if abs, err := filepath.Abs(shown); err == nil {
			shown = abs
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	start := make(chan struct{})
	f := fleet.Open(ctx, fleet.Options{Load: func(ctx context.Context) (*project.Project, error) {
		select {
		case <-start:
			return project.Load(ctx, project.Options{Dir: dir})
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	err := runScreen(deps{
		ctx: ctx, engine: f, begin: sync.OnceFunc(func() { close(start) }), now: time.Now, verb: "strait", dir: shown,
		ascii: c.ascii || needsASCII(), dark: startDark(os.Environ()),
	})
	return errors.Join(err, f.Close())
}

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
	p, err := project.Load(ctx, project.Options{Dir: c.project})
	if err != nil {
		return nil, err
	}
	return p, nil
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
		c.say("schema  %s: %s, %d indexes", p.SchemaFile, plural(int64(len(p.Schema.Tables)), "table"), indexes)
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
			rows = append(rows, []string{m.Name, m.Table, string(m.Driver), batch, series, fmt.Sprintf("%s:%d", m.File, m.Line)})
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

// settled opens the fleet, waits until every environment is known or broken,
// and gives the snapshot of that moment.
func (c *cli) settled(ctx context.Context) (*fleet.Snapshot, error) {
	f := fleet.Open(ctx, fleet.Options{Dir: c.project})
	defer f.Close()
	if err := f.Settled(ctx); err != nil {
		return nil, err
	}
	s := f.Now()
	if s.Err != "" {
		return nil, errors.New(s.Err)
	}
	return s, nil
}

// planReport is the JSON of strait plan, version 1.
type planReport struct {
	Version int    `json:"version"`
	Project string `json:"project"`
	Target  string `json:"target"`
	plan.Plan
}

func (c *cli) planVerb() *cobra.Command {
	var env string
	var widened bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Write what must be widened, migrated and narrowed, in every environment",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := interruptible()
			defer stop()
			s, err := c.settled(ctx)
			if err != nil {
				return err
			}
			if env != "" || widened {
				if err := keepEnv(s, env); err != nil {
					return err
				}
			}
			switch {
			case widened:
				w := s.Plan.Envs[0].Widened
				if w == nil {
					return fmt.Errorf("the widened schema of %s is not known: %s", env, s.Envs[0].Err)
				}
				_, err = fmt.Fprint(c.out, w.TypeScript())
				return err
			case c.json:
				return c.block(planReport{1, s.Project.Name, s.Project.Target, s.Plan})
			}
			c.tellPlan(s)
			return nil
		},
	}
	cmd.Flags().StringVar(&env, "env", "", "only this environment")
	cmd.Flags().BoolVar(&widened, "widened", false, "write the widened schema of --env as TypeScript")
	c.completeEnv(cmd, "env")
	return cmd
}

// keepEnv leaves one environment in the snapshot.
func keepEnv(s *fleet.Snapshot, name string) error {
	i := envIndex(s, name)
	if i < 0 {
		return unknownEnv(name, envNames(s))
	}
	s.Envs, s.Plan.Envs = s.Envs[i:i+1], s.Plan.Envs[i:i+1]
	for r := range s.Plan.Rows {
		s.Plan.Rows[r].Cells = s.Plan.Rows[r].Cells[i : i+1]
	}
	return nil
}

func envNames(s *fleet.Snapshot) []string {
	var out []string
	for _, e := range s.Envs {
		out = append(out, e.Name)
	}
	return out
}

// unknownEnv lists what there is.
func unknownEnv(name string, known []string) error {
	cause := fmt.Errorf("there is no environment %q", name)
	if name == "" {
		cause = errors.New("no environment was named")
	}
	if len(known) == 0 {
		return usage(hint(cause, "strait.toml lists environments; this project has none"))
	}
	return usage(hint(cause, "--env takes one of "+strings.Join(known, ", ")))
}

func stateWord(s plan.Step) string {
	if s.State == plan.Todo {
		return "to do"
	}
	return string(s.State)
}

func (c *cli) tellPlan(s *fleet.Snapshot) {
	c.say("%s, target %s", s.Project.Name, s.Project.Target)
	fmt.Fprintln(c.out)
	rows := [][]string{{"CHANGE OR MIGRATION", "MIGRATION"}}
	for _, e := range s.Envs {
		rows[0] = append(rows[0], strings.ToUpper(e.Name))
	}
	for _, r := range s.Plan.Rows {
		var names []string
		for _, n := range r.Migrations {
			names = append(names, short(n))
		}
		line := []string{r.Title, strings.Join(names, ", ")}
		for _, cell := range r.Cells {
			line = append(line, cellText(cell))
		}
		rows = append(rows, line)
	}
	if len(rows) == 1 {
		c.say("nothing to migrate: every environment fits the target")
	} else {
		c.table(rows)
	}
	for i, e := range s.Plan.Envs {
		fmt.Fprintln(c.out)
		head := e.Env
		if i < len(s.Envs) && s.Envs[i].Err != "" {
			head += ": " + s.Envs[i].Err
		}
		c.say("%s", head)
		steps := [][]string{}
		for j, st := range []plan.Step{e.Widen, e.Migrate, e.Narrow} {
			text := st.Why
			if text == "" {
				text = st.Evidence
			}
			steps = append(steps, []string{"  " + stepNames[j], stateWord(st), text})
		}
		c.table(steps)
		for _, ch := range e.Changes {
			c.say("  %s  %s", ch.Class, ch.Message)
		}
	}
}

// cellText is a cell in words: the first step that is not done.
func cellText(c plan.Cell) string {
	for i, s := range []plan.Step{c.Widen, c.Migrate, c.Narrow} {
		if s.State != plan.Done && s.State != plan.ByHand {
			return stepNames[i] + " " + stateWord(s)
		}
	}
	return "done"
}

// statusReport is the JSON of strait status, version 1.
type statusReport struct {
	Version      int         `json:"version"`
	Project      string      `json:"project"`
	Environments []envStatus `json:"environments"`
}

type envStatus struct {
	Name       string               `json:"name"`
	Deployment string               `json:"deployment"`
	URL        string               `json:"url,omitempty"`
	Embedded   bool                 `json:"embedded"`
	Protected  bool                 `json:"protected"`
	State      string               `json:"state"`
	Error      string               `json:"error,omitempty"`
	Documents  int64                `json:"documents"`
	Tables     map[string]int64     `json:"tables"`
	Checklist  map[string]plan.Step `json:"checklist"`
	Migrations []migrationStatus    `json:"migrations"`
}

type migrationStatus struct {
	Name      string     `json:"name"`
	State     string     `json:"state"` // never, inProgress, success, failed, canceled, unknown
	Processed int64      `json:"processed"`
	Total     int64      `json:"total,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Ended     *time.Time `json:"ended,omitempty"`
	Error     string     `json:"error,omitempty"`
	Document  string     `json:"document,omitempty"`
}

func (c *cli) statusVerb() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Write how far every migration is, in every environment",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := interruptible()
			defer stop()
			s, err := c.settled(ctx)
			if err != nil {
				return err
			}
			if env != "" {
				if err := keepEnv(s, env); err != nil {
					return err
				}
			}
			report := statusOf(s)
			if c.json {
				return c.block(report)
			}
			c.tellStatus(s, report)
			return nil
		},
	}
	cmd.Flags().StringVar(&env, "env", "", "only this environment")
	c.completeEnv(cmd, "env")
	return cmd
}

func statusOf(s *fleet.Snapshot) statusReport {
	out := statusReport{Version: 1, Project: s.Project.Name, Environments: []envStatus{}}
	for i, e := range s.Envs {
		es := envStatus{Name: e.Name, Deployment: e.Deployment, URL: e.URL, Embedded: e.Embedded, Protected: e.Protected, State: string(e.State),
			Error: e.Err, Documents: e.Documents, Tables: e.Tables, Migrations: []migrationStatus{}}
		if i < len(s.Plan.Envs) {
			p := s.Plan.Envs[i]
			es.Checklist = map[string]plan.Step{"widen": p.Widen, "migrate": p.Migrate, "narrow": p.Narrow}
		}
		for _, m := range s.Project.Migrations {
			if m.Runner && len(m.Series) == 0 {
				continue // runs any migration, is none
			}
			es.Migrations = append(es.Migrations, statusOfRun(m.Name, e.Runs[m.Name]))
		}
		out.Environments = append(out.Environments, es)
	}
	return out
}

func statusOfRun(name string, r fleet.Run) migrationStatus {
	ms := migrationStatus{Name: name, State: r.State, Processed: r.Processed, Total: max(0, r.Total)}
	if ms.State == "" {
		ms.State = "never"
	}
	if !r.Started.IsZero() {
		ms.Started = &r.Started
	}
	if !r.Ended.IsZero() {
		ms.Ended = &r.Ended
	}
	if r.Failure != nil {
		ms.Error, ms.Document = r.Failure.Summary, r.Failure.Document
	}
	return ms
}

func (c *cli) tellStatus(s *fleet.Snapshot, report statusReport) {
	for i, e := range report.Environments {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		kind := e.Deployment
		if e.Embedded {
			kind = strings.TrimSpace(kind + " (embedded)")
		}
		if e.Protected {
			kind += ", protected"
		}
		if e.State != string(fleet.Ready) {
			c.say("%s  %s  %s: %s", e.Name, kind, e.State, e.Error)
			continue
		}
		c.say("%s  %s  %s", e.Name, kind, documents(e.Documents))
		rows := [][]string{}
		for _, m := range e.Migrations {
			word := m.State
			switch word {
			case "never":
				word = "never run"
			case "inProgress":
				word = "running"
			}
			n := ""
			if m.State != "never" {
				n = count(m.Processed)
			}
			when := ""
			if m.Ended != nil {
				when = "ended " + age(s.At, *m.Ended)
			}
			rows = append(rows, []string{"  " + m.Name, word, n, when, m.Error})
		}
		c.table(rows, 2)
	}
}

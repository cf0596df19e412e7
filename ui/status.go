package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

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
		for j := range s.Project.Migrations {
			m := &s.Project.Migrations[j]
			if m.Runner && len(m.Series) == 0 {
				continue // runs any migration, is none
			}
			es.Migrations = append(es.Migrations, statusOfRun(m, e.Runs[m.Name]))
		}
		out.Environments = append(out.Environments, es)
	}
	return out
}

func statusOfRun(d *project.Migration, r fleet.Run) migrationStatus {
	ms := migrationStatus{Name: d.Name, State: r.State, Processed: r.Processed, Total: max(0, r.Total)}
	switch {
	case ms.State == "" && byHand(d):
		ms.State = "unknown"
	case ms.State == "":
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
			case "unknown":
				if m.Processed == 0 {
					word = "no record"
				}
			}
			n := ""
			if m.State != "never" && word != "no record" {
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

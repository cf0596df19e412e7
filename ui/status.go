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
	Backend    string               `json:"backend,omitempty"` // version
	Key        *keyStatus           `json:"key,omitempty"`
	Connection connectionStatus     `json:"connection"`
	Components []componentStatus    `json:"components,omitempty"`
	LastPush   *time.Time           `json:"lastPush,omitempty"`
	Told       map[string]time.Time `json:"told,omitempty"` // when each kind of fact was last told
	Checking   *validationStatus    `json:"checking,omitempty"`
}

// keyStatus is what the key of an environment may do.
type keyStatus struct {
	ReadOnly   bool     `json:"readOnly"`
	Operations []string `json:"operations,omitempty"` // none: all
}

type connectionStatus struct {
	Heard   *time.Time `json:"heard,omitempty"`
	Retries int        `json:"retries"` // attempts in a row that failed
	RetryAt *time.Time `json:"retryAt,omitempty"`
}

type componentStatus struct {
	Path       string `json:"path"`
	Migrations string `json:"migrations,omitempty"` // version of @convex-dev/migrations, where it is that
}

// validationStatus is a schema that is being checked against the documents.
type validationStatus struct {
	Component string `json:"component,omitempty"`
	Checked   int64  `json:"checked"`
	Total     int64  `json:"total,omitempty"`
	Error     string `json:"error,omitempty"`
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
	Component string     `json:"component,omitempty"` // that keeps its state
	BatchSize int        `json:"batchSize,omitempty"`
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
		es.tell(&e)
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

// tell adds what the environment tells of itself.
func (es *envStatus) tell(e *fleet.EnvSnapshot) {
	x := e.Facts
	es.Backend, es.LastPush = x.Version, moment(x.LastPush)
	es.Connection = connectionStatus{Heard: moment(e.Heard), Retries: x.Retries, RetryAt: moment(x.RetryAt)}
	if a := x.Access; a != nil {
		es.Key = &keyStatus{a.ReadOnly, a.Ops}
	}
	for _, path := range componentsOf(x) {
		es.Components = append(es.Components, componentStatus{path, migrationsIn(x, path)})
	}
	for name, at := range map[string]time.Time{"schema": x.Ages.Schema, "tables": x.Ages.Tables, "statuses": x.Ages.Statuses, "functions": x.Ages.Functions, "push": x.Ages.Push, "logs": x.Ages.Logs} {
		if !at.IsZero() {
			if es.Told == nil {
				es.Told = map[string]time.Time{}
			}
			es.Told[name] = at
		}
	}
	if v := e.Validation; v != nil {
		es.Checking = &validationStatus{v.Component, v.Checked, max(0, v.Total), v.Err}
	}
}

func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func statusOfRun(d *project.Migration, r fleet.Run) migrationStatus {
	ms := migrationStatus{Name: d.Name, State: r.State, Processed: r.Processed, Total: max(0, r.Total)}
	switch {
	case ms.State == "" && byHand(d):
		ms.State = "unknown"
	case ms.State == "":
		ms.State = "never"
	}
	ms.Started, ms.Ended = moment(r.Started), moment(r.Ended)
	ms.Component, ms.BatchSize = r.Component, r.BatchSize
	if r.Failure != nil {
		ms.Error, ms.Document = r.Failure.Summary, r.Failure.Document
	}
	return ms
}

// words are the state for a person, and what more there is to say. The
// component tells "unknown" with progress of what no worker of its own runs
// (convex-wire.md 13.1): it stopped part way, unless somebody drives it.
func (m migrationStatus) words() (word, note string) {
	switch {
	case m.State == "never":
		return "never run", ""
	case m.State == "inProgress":
		return "running", ""
	case m.State == "unknown" && m.Processed == 0:
		return "no record", ""
	case m.State == "unknown":
		return "stopped part way", "run goes on from there, unless another terminal drives it"
	}
	return m.State, ""
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
		if k := e.Key; k != nil && k.ReadOnly {
			kind += ", read-only key"
		}
		if e.State != string(fleet.Ready) {
			heard := ""
			if h := e.Connection.Heard; h != nil {
				heard = "; heard " + age(s.At, *h)
			}
			c.say("%s  %s  %s: %s%s", e.Name, kind, e.State, e.Error, heard)
			continue
		}
		c.say("%s  %s  %s", e.Name, kind, documents(e.Documents))
		if line := connectionLine(s.At, &e); line != "" {
			c.say("  %s", line)
		}
		rows := [][]string{}
		for _, m := range e.Migrations {
			word, note := m.words()
			n := ""
			if m.State != "never" && word != "no record" {
				n = count(m.Processed)
			}
			when := note
			if m.Ended != nil {
				when = "ended " + age(s.At, *m.Ended)
			}
			where := m.Component
			if where == "migrations" { // the usual one is no news
				where = ""
			}
			rows = append(rows, []string{"  " + m.Name, word, n, when, where, m.Error})
		}
		c.table(rows, 2)
	}
}

// connectionLine says when an environment was heard, what it runs on, and what
// is being checked there.
func connectionLine(now time.Time, e *envStatus) string {
	var out []string
	if h := e.Connection.Heard; h != nil && !e.Embedded {
		out = append(out, "heard "+age(now, *h))
	}
	if e.Backend != "" {
		out = append(out, "backend "+e.Backend)
	}
	for _, x := range e.Components {
		if x.Migrations != "" {
			out = append(out, x.Path+" "+x.Migrations)
		}
	}
	if e.LastPush != nil {
		out = append(out, "pushed "+age(now, *e.LastPush))
	}
	if v := e.Checking; v != nil {
		out = append(out, fmt.Sprintf("a schema is being checked, %s documents so far", count(v.Checked)))
	}
	return strings.Join(out, ", ")
}

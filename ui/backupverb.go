package ui

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

func (c *cli) backupVerb() *cobra.Command {
	var env, to string
	cmd := &cobra.Command{
		Use:   "backup --env ENV [--to FILE]",
		Short: "Download an export of an environment and verify it",
		Long: `Backup asks the deployment for an export, waits for it, downloads it, and reads
every document of it. Only what was verified gets its name; it is readable by you
only, and noted in the journal with its size and its SHA-256. Stored files are not
part of it. With --json every line is one JSON object; the last one is
  {"event":"end","environment","status":"success|failed|canceled","backup"?,"error"?}`,
		Example: "  strait backup --env prod\n  strait backup --env prod --to /mnt/vault/prod.zip",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return c.backup(env, to) },
	}
	cmd.Flags().StringVar(&env, "env", "", "environment to back up")
	cmd.Flags().StringVar(&to, "to", "", "file to write (default: one of its own below .strait/backups)")
	c.completeEnv(cmd, "env")
	return cmd
}

func (c *cli) backup(env, to string) error {
	ctx, stop := interruptible()
	defer stop()
	p, e, err := c.loadEnv(ctx, env)
	if err != nil {
		return err
	}
	if to != "" {
		if to, err = filepath.Abs(to); err != nil {
			return err
		}
	}
	f := fleet.Open(ctx, fleet.Options{Project: p, Envs: []string{e.Name}})
	defer f.Close()
	cmd := fleet.Command{Action: plan.ActBackup, Env: e.Name, BackupTo: to, By: "cli"}
	t := &backupTeller{jsonLines: jsonLines{cli: c}, env: e.Name}
	out, err := f.Run(ctx, cmd, t.tell)
	if err != nil {
		return c.notRun(ctx, cmd, fateOf(e, project.Migration{}, cmd.Action), err)
	}
	for _, m := range f.Now().Messages {
		if m.Level == "warn" && m.Env == e.Name {
			fmt.Fprintln(c.err, "warning: "+clean(m.Text))
		}
	}
	return t.end(out)
}

// backupTeller writes how far a backup is: each stage as it begins, and now and
// then how far that is.
type backupTeller struct {
	jsonLines
	env   string
	stage string
	last  time.Time
}

type backupLine struct {
	Event       string       `json:"event"` // progress, end
	Environment string       `json:"environment"`
	Stage       string       `json:"stage,omitempty"`
	Detail      string       `json:"detail,omitempty"`
	Bytes       int64        `json:"bytes,omitempty"` // downloaded
	Size        int64        `json:"size,omitempty"`  // of the export; absent: not told
	Read        int64        `json:"read,omitempty"`  // documents verified
	Status      string       `json:"status,omitempty"`
	Backup      *plan.Backup `json:"backup,omitempty"`
	Error       string       `json:"error,omitempty"`
}

func (t *backupTeller) tell(ev fleet.Event) {
	run := ev.Backup
	if ev.Kind != "progress" || run.Stage == t.stage && time.Since(t.last) < tellEvery {
		return
	}
	t.stage, t.last = run.Stage, time.Now()
	if t.json {
		t.write(backupLine{Event: "progress", Environment: t.env, Stage: run.Stage, Detail: clean(run.Detail), Bytes: run.Bytes, Size: run.Size, Read: run.Read})
		return
	}
	switch {
	case run.Stage == "verifying" && run.Read == 0:
		t.say("  %s", run.Stage)
	case run.Read > 0:
		t.say("  %s, %s", run.Stage, documents(run.Read))
	case run.Bytes > 0 && run.Size > 0:
		t.say("  %s, %s of %s", run.Stage, bytesWord(run.Bytes), bytesWord(run.Size))
	case run.Bytes > 0:
		t.say("  %s, %s", run.Stage, bytesWord(run.Bytes))
	default:
		t.say("  %s%s", run.Stage, after(": ", run.Detail))
	}
}

func (t *backupTeller) end(out fleet.Outcome) error {
	b := out.Backup
	if t.json {
		l := backupLine{Event: "end", Environment: t.env, Status: out.Status, Backup: b}
		if out.Failure != nil {
			l.Error = clean(out.Failure.Text)
		}
		t.write(l)
	}
	switch {
	case out.Failure != nil && t.json:
		return &coded{errSaid, exitFailed}
	case out.Failure != nil:
		return &coded{errors.New(out.Failure.Text), exitFailed}
	case b == nil:
		return &coded{errors.New("the backup was stopped; nothing of it is kept"), exitCanceled}
	case t.json:
		return t.failed
	}
	t.say("%s of %s verified in %s", documents(b.Documents), t.env, b.File)
	t.say("%s, data of %s, sha256 %s", bytesWord(b.Bytes), b.Of.UTC().Format("2006-01-02 15:04:05 UTC"), b.SHA256)
	return t.failed
}

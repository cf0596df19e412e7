package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/plan"
)

// deploy deploys the widened or the target schema: in place into an embedded
// deployment, by the project's own command into a real one. It is over when the
// watcher has seen the schema, so that whoever waits for it finds the new plan.
func (a *action) deploy() (err error) {
	run := &DeployRun{Action: a.c.Action, Command: a.e.cfg.Deploy, Started: a.f.now()}
	if a.embed != nil {
		run.Command = ""
	}
	a.f.change(func() { a.e.deploy, a.e.deployLines = run, 0 })
	defer func() {
		record := func() {}
		a.f.change(func() {
			a.e.deploying, a.e.stopDeploy = false, nil
			run.Ended = a.f.now()
			if err != nil {
				run.Err = err.Error()
			}
			record = a.e.pushSeen()
		})
		record()
	}()
	if a.embed == nil {
		return a.byCommand(run)
	}
	err = a.embed.PushSchema(a.ctx, a.schema)
	var push *local.PushError
	if errors.As(err, &push) {
		// The whole document stands in Convex's text; its first line names
		// the reason.
		return fmt.Errorf("the schema is refused by Convex: %s", firstLine(push.Message))
	}
	if err != nil {
		return err
	}
	a.deployed()
	hash := a.schema.Hash()
	return a.f.wait(a.ctx, func() bool { return a.e.hash == hash || a.e.client != a.client })
}

func (a *action) deployed() {
	what := "the widened schema"
	if a.c.Action == plan.ActNarrow {
		what = "the target schema"
	}
	a.f.change(func() { a.f.say("info", a.c.Env, what+" is deployed") })
}

// refuse is a refusal that a look at the work tree gave, after the gate.
func (a *action) refuse(code, why, hint string) error {
	return &Refused{Env: a.c.Env, Action: a.c.Action, Reasons: []plan.Refusal{{Code: code, Why: why, Hint: hint}}}
}

// byCommand runs the project's own command once it is sure what it would push,
// and where to, and waits until the deployment has the schema.
func (a *action) byCommand(run *DeployRun) error {
	if err := a.e.cfg.CheckCommand(); err != nil {
		why, hint, _ := strings.Cut(err.Error(), "\nhint: ")
		return a.refuse("deploy-elsewhere", why, hint)
	}
	pushed, err := a.pushed()
	if err != nil {
		return err
	}
	// The key that was proved there: asked for once more, a key command may
	// answer with one of another deployment.
	key, keys := "", []string(nil)
	a.f.change(func() {
		if a.e.client == a.client {
			key, a.e.stopDeploy = a.e.key, a.cancel
		}
		for _, x := range a.f.project.Config.Envs {
			keys = append(keys, x.KeyEnv)
		}
	})
	if key == "" {
		return fmt.Errorf("%s was not run: the connection with %s was opened anew meanwhile; ask once more", run.Command, a.c.Env)
	}
	vars, err := a.e.cfg.CommandEnv(os.Environ(), a.client.URL(), key, keys...)
	if err != nil {
		return err
	}
	if err := a.runCommand(run, vars, key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, a.f.patience(seenWithin))
	defer cancel()
	seen := false
	err = a.f.wait(ctx, func() bool {
		seen = a.e.client == a.client && a.e.activeKnown && sameSchema(a.e.active, pushed)
		return seen || a.e.client != a.client && a.e.client != nil
	})
	switch {
	case seen:
		a.deployed()
		return nil
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	case err == nil || a.e.f.ctx.Err() == nil:
		return fmt.Errorf("%s ended well, but the active schema of %s is not the work tree's: did it deploy to another deployment?\nhint: its output says where it went; strait doctor --env %s says what %s is", run.Command, a.c.Env, a.c.Env, a.c.Env)
	}
	return err
}

// seenWithin is how long a deployment may take to tell of a schema that was
// pushed.
const seenWithin = 30 * time.Second

// sameSchema reports whether two schemas have the same tables and each accepts
// what the other accepts.
func sameSchema(a, b *schema.Schema) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Hash() == b.Hash() {
		return true
	}
	same := len(a.Tables) == len(b.Tables) && a.Validation == b.Validation
	for _, t := range a.Tables {
		same = same && b.Table(t.Name) != nil
	}
	return same && accepts(a, b) && accepts(b, a)
}

// accepts reports whether wide accepts what narrow accepts in the tables that
// both declare; what cannot be decided counts as no.
func accepts(wide, narrow *schema.Schema) bool {
	if wide == nil || !wide.Validation || narrow == nil {
		return true
	}
	for _, t := range wide.Tables {
		old := narrow.Table(t.Name)
		if old == nil || t.Document == nil {
			continue
		}
		if old.Document == nil {
			return false
		}
		if ok, _, err := schema.AcceptsDocuments(t.Document, old.Document); !ok || err != nil {
			return false
		}
	}
	return true
}

// pushed is the schema that the work tree would push, when that is what the
// step needs: widen one that accepts what the active schema and the target
// accept, narrow the target itself.
func (a *action) pushed() (*schema.Schema, error) {
	root := a.f.Project().Root
	target, err := project.LoadSchema(a.ctx, root, "target")
	if err != nil {
		return nil, fmt.Errorf("read the target schema: %w", err)
	}
	pushed, err := project.LoadPushed(a.ctx, root)
	if err != nil {
		return nil, fmt.Errorf("read the schema that would be deployed: %w", err)
	}
	a.f.mu.Lock()
	loaded, active, file := a.f.project.Schema, a.e.active, a.f.project.SchemaFile
	a.f.mu.Unlock()
	if target == nil || loaded == nil || target.Hash() != loaded.Hash() {
		return nil, a.refuse("target-changed", "the target schema changed since Strait read it", "start Strait again, so that plan and evidence are of the new one")
	}
	if a.c.Action == plan.ActNarrow {
		if !sameSchema(pushed, target) {
			return nil, a.refuse("not-the-target", "the project's schema file is not the target: the command would deploy something else", "bring the target into the project's schema file first; strait diff shows what differs")
		}
		return pushed, nil
	}
	write := "write the widened schema there first: strait plan --widened --env " + a.c.Env + " shows it"
	switch {
	case pushed == nil:
		return nil, a.refuse("no-schema", "the project has no schema file to deploy", write)
	case active != nil && active.Validation && !accepts(pushed, active):
		return nil, a.refuse("not-the-widened", "the project's schema ("+file+") refuses documents that "+a.c.Env+" accepts now", write)
	case !accepts(pushed, target):
		return nil, a.refuse("not-the-widened", "the project's schema refuses documents of the target's shape", write)
	}
	return pushed, nil
}

// runCommand runs the deploy command in the project's folder. Its process group
// ends with the action, so nothing of it outlives Strait.
func (a *action) runCommand(run *DeployRun, vars []string, key string) error {
	shell, flag := commandShell()
	cmd := exec.CommandContext(a.ctx, shell, flag, run.Command)
	cmd.Dir, cmd.Env = a.f.Project().Root, vars
	ownGroup(cmd)
	cmd.WaitDelay = 5 * time.Second
	out := &lines{secrets: secretsOf(key), protect: a.e.cfg.Protected, emit: func(text string) {
		a.f.change(func() {
			run.Output = keepLast(append(run.Output, LogEntry{At: a.f.now(), Level: "INFO", Text: text}), 500)
			a.e.deployLines++
		})
	}}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well, and something that it left behind did not
	}
	endGroup(cmd)
	out.flush()
	switch {
	case a.ctx.Err() != nil:
		return fmt.Errorf("%s was stopped before it ended: what it had deployed by then stays", run.Command)
	case err != nil:
		text := ""
		if last := out.last(3); last != "" {
			text = ": " + last
		}
		return &commandError{fmt.Errorf("%s: %w", run.Command, err), text}
	}
	return nil
}

// commandError is a command that failed; what it printed is for people, not
// for the journal.
type commandError struct {
	error
	printed string
}

func (e *commandError) Error() string { return e.error.Error() + e.printed }
func (e *commandError) Unwrap() error { return e.error }

// ended is why the action failed; nil when it did not, or not yet.
func (a *action) ended() error {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	return a.err
}

// deployNews are the lines that a deploy's command wrote since the last call.
// f.mu is held.
func (w *watcher) deployNews(base Event) []Event {
	var out []Event
	run := w.a.e.deploy
	if run == nil {
		return nil
	}
	for _, l := range lastOf(run.Output, w.a.e.deployLines-w.lines) {
		ev := base
		ev.Kind, ev.At, ev.Log = "log", l.At, l
		out = append(out, ev)
	}
	w.lines = w.a.e.deployLines
	return out
}

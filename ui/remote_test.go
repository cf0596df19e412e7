package ui

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/project"
	"strait/plan"
)

// served serves a lab in a process of its own and gives a project whose
// environment far is that, by URL and key, and the key.
func served(t *testing.T, users int) (dir, key string) {
	t.Helper()
	cmd := exec.Command(binary(t), "serve", "--env", "lab", "--project", lab(t, users))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var first struct{ URL, AdminKey string }
	if sc := bufio.NewScanner(out); !sc.Scan() || json.Unmarshal(sc.Bytes(), &first) != nil {
		t.Fatalf("serve wrote %q", sc.Text())
	}
	dir = lab(t, 0)
	config := fmt.Sprintf("target = \"convex/schema.ts\"\n[[env]]\nname = \"far\"\nurl = %q\nkey_env = \"STRAIT_FAR_KEY\"\n", first.URL)
	if err := os.WriteFile(filepath.Join(dir, "strait.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte("STRAIT_FAR_KEY="+first.AdminKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, first.AdminKey
}

// running starts a run in far, in a process of its own.
func running(t *testing.T, dir string, flags ...string) (*exec.Cmd, *bufio.Scanner, *bytes.Buffer) {
	t.Helper()
	cmd := exec.Command(binary(t), append([]string{"run", "dropAvatarUrl", "--env", "far", "--json", "--project", dir}, flags...)...)
	errs := &bytes.Buffer{}
	cmd.Stderr = errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), errs
}

// One process runs a migration in a deployment, another one stops it; the key
// is in nothing that they write.
func TestARunIsStoppedFromElsewhere(t *testing.T) {
	t.Parallel()
	dir, key := served(t, 5000)
	cmd, sc, errs := running(t, dir, "--batch-size", "2")
	var all bytes.Buffer
	for sc.Scan() && !strings.Contains(sc.Text(), `"batch"`) {
	}
	stdout, stderr, code := strait(t, dir, "run", "dropAvatarUrl", "--env", "far")
	if code != exitRefused || !strings.Contains(stderr, "is already running in far") {
		t.Errorf("a second run: exit %d: %s%s", code, stdout, stderr)
	}
	all.WriteString(stdout + stderr)
	stdout, stderr, code = strait(t, dir, "cancel", "dropAvatarUrl", "--env", "far")
	if code != 0 || !strings.Contains(stdout, "canceled: migrations:dropAvatarUrl in far stands after ") {
		t.Errorf("cancel: exit %d: %s%s", code, stdout, stderr)
	}
	all.WriteString(stdout + stderr)
	last := ""
	for sc.Scan() {
		last = sc.Text()
	}
	exit, _ := cmd.Wait().(*exec.ExitError)
	if exit == nil || exit.ExitCode() != exitCanceled || !strings.Contains(last, `"status":"canceled"`) {
		t.Errorf("the run ended with %v: %s\n%s", exit, last, errs.String())
	}
	stdout, stderr, _ = strait(t, dir, "status", "--json")
	all.WriteString(stdout + stderr + errs.String() + last)
	journal, err := os.ReadFile(filepath.Join(dir, ".strait", "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all.Write(journal)
	if strings.Contains(all.String(), key) {
		t.Error("the key was written")
	}
}

// What an interrupt leaves behind is told as it is.
func TestFateOf(t *testing.T) {
	far := project.Env{Name: "far", URL: "https://x", KeyEnv: "K"}
	here := project.Env{Name: "here", Generate: map[string]int{"*": 1}}
	component, paged := project.Migration{Name: "m:a", Driver: project.ComponentDriver}, project.Migration{Name: "m:b", Driver: project.PagedDriver}
	for _, c := range []struct {
		e    project.Env
		m    project.Migration
		a    plan.Action
		want string
	}{
		{far, component, plan.ActRun, "strait cancel m:a --env far"},
		{far, paged, plan.ActRun, "stopped after its batch"},
		{far, component, plan.ActDryRun, "nothing was written"},
		{here, component, plan.ActRun, "nothing is left of it"},
	} {
		if got := fateOf(c.e, c.m, c.a); !strings.Contains(got, c.want) {
			t.Errorf("%s %s in %s: %q", c.a, c.m.Name, c.e.Name, got)
		}
	}
}

// A supervised run stops after so many batches, or after the batch in flight
// when it is interrupted, and goes on there.
func TestASupervisedRunStopsWhereItIsTold(t *testing.T) {
	t.Parallel()
	dir, _ := served(t, 5000)
	stdout, stderr, code := strait(t, dir, "run", "dropAvatarUrl", "--env", "far", "--supervised", "--steps", "2", "--batch-size", "10", "--json")
	if code != 0 || strings.Count(stdout, `"event":"batch"`) != 2 || !strings.Contains(stdout, `"status":"stopped","processed":20`) {
		t.Fatalf("--steps 2: exit %d: %s%s", code, stdout, stderr)
	}
	cmd, sc, errs := running(t, dir, "--supervised", "--batch-size", "10", "--throttle", "100ms")
	last := ""
	for n := 0; sc.Scan(); {
		if last = sc.Text(); strings.Contains(last, `"event":"batch"`) {
			if n++; n == 2 {
				if err := cmd.Process.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	exit, _ := cmd.Wait().(*exec.ExitError)
	var end struct {
		Status    string
		Processed int64
	}
	if err := json.Unmarshal([]byte(last), &end); err != nil && !strings.Contains(last, `"event":"error"`) {
		t.Fatalf("the last line is %q: %v", last, err)
	}
	if exit == nil || exit.ExitCode() != exitInterrupted || !strings.Contains(errs.String(), "stopped after the batch in flight") || !strings.Contains(errs.String(), "goes on there") {
		t.Fatalf("ended with %v: %s", exit, errs.String())
	}
	var report statusReport
	stdout, stderr, _ = strait(t, dir, "status", "--json")
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	for _, m := range report.Environments[0].Migrations {
		if m.Name == "migrations:dropAvatarUrl" && (m.Processed < 40 || m.Processed%10 != 0 || m.Processed > 200 || m.State == "inProgress" || m.Component == "") {
			t.Fatalf("after the interrupt: %+v", m)
		}
	}
}

func TestMisusedFlagsOfRun(t *testing.T) {
	for _, f := range []runFlags{
		{steps: 2}, {throttle: 1}, {batch: -1}, {steps: -1, supervised: true}, {throttle: -1, supervised: true},
		{fromCursor: true, reset: true}, {dryRun: true, supervised: true}, {dryRun: true, fromCursor: true},
	} {
		if f.misused() == nil {
			t.Errorf("%+v is taken", f)
		}
	}
	if err := (runFlags{supervised: true, steps: 3, throttle: 1, batch: 5, fromCursor: true}).misused(); err != nil {
		t.Error(err)
	}
}

// Cancel --all stops what another process started, and says when nothing runs.
func TestCancelAllFromTheCommandLine(t *testing.T) {
	t.Parallel()
	dir, _ := served(t, 5000)
	if stdout, stderr, code := strait(t, dir, "cancel", "--all", "--env", "far"); code != exitRefused || !strings.Contains(stderr, "no migration is running in far") {
		t.Errorf("while nothing runs: exit %d: %s%s", code, stdout, stderr)
	}
	cmd, sc, _ := running(t, dir, "--batch-size", "2")
	for sc.Scan() && !strings.Contains(sc.Text(), `"batch"`) {
	}
	stdout, stderr, code := strait(t, dir, "cancel", "--all", "--env", "far")
	if code != 0 || !strings.Contains(stdout, "nothing runs in far any more") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	last := ""
	for sc.Scan() {
		last = sc.Text()
	}
	if exit, _ := cmd.Wait().(*exec.ExitError); exit == nil || exit.ExitCode() != exitCanceled || !strings.Contains(last, `"status":"canceled"`) {
		t.Errorf("the run ended with %v: %s", exit, last)
	}
}

package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"strait/convex/project"
	"strait/plan"
)

// TestFakeDeploy is no test: it is the deploy command of the others. It tells
// the server of $FAKE_DEPLOY which variables it got and does what that answers.
func TestFakeDeploy(t *testing.T) {
	at := os.Getenv("FAKE_DEPLOY")
	if at == "" {
		return
	}
	res, err := http.Post(at, "text/plain", strings.NewReader(strings.Join(os.Environ(), "\n")))
	if err != nil {
		fmt.Println(err)
		os.Exit(9)
	}
	text, err := io.ReadAll(res.Body)
	os.Stdout.Write(text)
	if err != nil || res.StatusCode != http.StatusOK {
		os.Exit(7)
	}
	os.Exit(0)
}

// deployer is a cloud whose project has a deploy command that does `do`.
type deployer struct {
	*cloud
	vars []string // that the command got
	do   func(w http.ResponseWriter)
}

func newDeployer(t *testing.T, env string) *deployer {
	d := &deployer{cloud: newCloudOf(t, env)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		d.vars = strings.Split(string(text), "\n")
		d.do(w)
	}))
	t.Cleanup(s.Close)
	d.do = func(w http.ResponseWriter) {
		pushed, err := project.LoadPushed(t.Context(), d.root)
		if err == nil {
			err = d.d.PushSchema(t.Context(), pushed)
		}
		if err != nil {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, "\x1b[31m✖ %v\x1b[0m\n", err)
			return
		}
		fmt.Fprintf(w, "\x1b[2Kdeployed with %s\nprod:a-b-1|other\n", d.d.AdminKey())
	}
	d.file("strait.toml", d.read("strait.toml")+fmt.Sprintf("deploy = \"FAKE_DEPLOY=%s %s -test.run '^TestFakeDeploy$'\"\n", s.URL, os.Args[0]))
	return d
}

// file puts a file into the project.
func (d *deployer) file(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.root, name), []byte(text), 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployer) got(name string) (string, bool) {
	for _, kv := range d.vars {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v, true
		}
	}
	return "", false
}

func (d *deployer) read(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join(d.root, name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func refusal(t *testing.T, err error) plan.Refusal {
	t.Helper()
	var refused *Refused
	if !errors.As(err, &refused) || len(refused.Reasons) == 0 {
		t.Fatalf("want a refusal, got %v", err)
	}
	return refused.Reasons[0]
}

// The project's own command takes a real environment through the whole passage:
// it gets the key by the CLI's variables, its output is shown without secrets,
// it runs only where the work tree holds what the step needs, and a step is
// over when the deployment has the schema.
func TestPassageByCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: a whole passage with every migration of the demo takes a minute under the race detector")
	}
	d := newDeployer(t, "prod")
	d.file(".env.local", "CONVEX_DEPLOYMENT=dev:elsewhere-cat-9\nCONVEX_DEPLOY_KEY=dev:elsewhere-cat-9|x\n")
	t.Setenv("CONVEX_DEPLOYMENT_TOKEN", "dev:elsewhere-cat-9|x")
	f := d.open()
	ready(t, f, "cloud")

	// The work tree holds the target: that is no widened schema.
	widen, narrow := Command{Action: plan.ActWiden, Env: "cloud"}, Command{Action: plan.ActNarrow, Env: "cloud"}
	_, err := f.Run(within(t), widen, nil)
	if r := refusal(t, err); r.Code != "not-the-widened" || !strings.Contains(r.Hint, "strait plan --widened --env cloud") {
		t.Errorf("%+v", r)
	}
	if d.vars != nil {
		t.Fatal("the command ran all the same")
	}
	target := d.read("convex/schema.ts")
	d.file("convex/target.ts", target)
	d.file("strait.toml", strings.Replace(d.read("strait.toml"), "convex/schema.ts", "convex/target.ts", 1))
	d.file("convex/schema.ts", f.Now().Plan.Envs[0].Widened.TypeScript())
	f = d.open()
	ready(t, f, "cloud")

	var out bytes.Buffer
	o, err := f.Run(within(t), widen, func(ev Event) {
		if ev.Kind == "log" {
			out.WriteString(ev.Log.Text + "\n")
		}
	})
	if err != nil || o.Status != "success" {
		t.Fatalf("%+v %v", o, err)
	}
	if got := out.String(); got != "deployed with …\nprod:a-b-1|…\n" {
		t.Errorf("output %q", got)
	}
	d.handed()
	s := f.Now().Envs[0]
	if s.Deploy == nil || s.Deploy.Ended.IsZero() || s.Deploy.Err != "" || len(s.Deploy.Output) != 2 || s.Command == "" {
		t.Errorf("%+v", s.Deploy)
	}
	if w := f.Now().Plan.Envs[0].Widen; w.State != plan.Done {
		t.Errorf("widen is %+v", w)
	}

	for _, m := range f.Project().Migrations {
		if !m.Runner {
			if o, err := f.Run(within(t), Command{Action: plan.ActRun, Env: "cloud", Migration: m.Name}, nil); err != nil || o.Status != "success" {
				t.Errorf("%s: %+v %v", m.Name, o, err)
			}
		}
	}
	if _, err := f.Run(within(t), narrow, nil); refusal(t, err).Code != "census-missing" {
		t.Fatalf("%v", err)
	}
	if o, err := f.Run(within(t), Command{Action: plan.ActCensus, Env: "cloud"}, nil); err != nil || o.Census == nil || o.Census.Offenders != 0 {
		t.Fatalf("%+v %v", o, err)
	}
	_, err = f.Run(within(t), narrow, nil)
	if r := refusal(t, err); r.Code != "not-the-target" {
		t.Errorf("%+v", r)
	}
	d.file("convex/schema.ts", target)
	if o, err := f.Run(within(t), narrow, nil); err != nil || o.Status != "success" {
		t.Fatalf("%+v %v", o, err)
	}
	if n := f.Now().Plan.Envs[0].Narrow; n.State != plan.Done {
		t.Errorf("narrow is %+v", n)
	}
	journal := d.read(".strait/journal.jsonl")
	if strings.Contains(journal, d.d.AdminKey()) || strings.Contains(journal, "deployed with") {
		t.Errorf("the journal holds what the command printed:\n%s", journal)
	}
}

// handed checks which variables the command got.
func (d *deployer) handed() {
	d.t.Helper()
	if url, _ := d.got("CONVEX_SELF_HOSTED_URL"); url != "http://"+d.addr {
		d.t.Errorf("deployed to %q", url)
	}
	if key, _ := d.got("CONVEX_SELF_HOSTED_ADMIN_KEY"); key != d.d.AdminKey() {
		d.t.Error("not with its key")
	}
	for name, want := range map[string]bool{"CONVEX_DEPLOYMENT": true, "CONVEX_DEPLOY_KEY": true, "CONVEX_DEPLOYMENT_TOKEN": false, "STRAIT_TEST_KEY": false} {
		if v, set := d.got(name); v != "" || set != want {
			d.t.Errorf("%s is %q, set %v", name, v, set)
		}
	}
}

// What the gate cannot know: the command fails, deploys elsewhere, or the
// target is another one by now.
func TestDeployCommandGoesWrong(t *testing.T) {
	slow(t)
	d := newDeployer(t, "staging")
	f := d.open()
	ready(t, f, "cloud")
	a := &action{f: f, e: f.envs[0], c: Command{Action: plan.ActNarrow, Env: "cloud"}, client: f.envs[0].client, schema: f.project.Schema}
	a.ctx, a.cancel = context.WithCancel(t.Context())
	defer a.cancel()
	if err := a.deploy(); err == nil || !strings.Contains(err.Error(), "exit status 7: ✖ ") || strings.Contains(recorded(err), "✖") {
		t.Errorf("%v", err)
	}
	f.opt.patience = 1
	d.do = func(w http.ResponseWriter) { w.Write([]byte("deployed somewhere")) }
	if err := a.deploy(); err == nil || !strings.Contains(err.Error(), "did it deploy to another deployment?") {
		t.Errorf("%v", err)
	}
	f.envs[0].cfg.Deploy += " --prod"
	if r := refusal(t, a.deploy()); r.Code != "deploy-elsewhere" {
		t.Errorf("%+v", r)
	}
	f.envs[0].cfg.Deploy = strings.TrimSuffix(f.envs[0].cfg.Deploy, " --prod")
	d.file("convex/schema.ts", "import { defineSchema } from \"convex/server\";\nexport default defineSchema({});\n")
	if r := refusal(t, a.deploy()); r.Code != "target-changed" {
		t.Errorf("%+v", r)
	}
	if s := f.Now().Envs[0].Deploy; s == nil || s.Err == "" || s.Ended.IsZero() {
		t.Errorf("%+v", s)
	}
}

// A command that is canceled ends with all it has started.
func TestDeployEndsWithItsGroup(t *testing.T) {
	d := newDeployer(t, "staging")
	f := d.open()
	ready(t, f, "cloud")
	path := filepath.Join(t.TempDir(), "pid")
	e := f.envs[0]
	e.cfg.Deploy = "sleep 1000 & echo $! > " + path + ".tmp; mv " + path + ".tmp " + path + "; echo begun; wait"
	a := &action{f: f, e: e, c: Command{Action: plan.ActNarrow, Env: "cloud"}, client: e.client, schema: f.project.Schema}
	a.ctx, a.cancel = context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- a.deploy() }()
	if err := f.wait(within(t), func() bool { return e.deploy != nil && len(e.deploy.Output) > 0 }); err != nil {
		t.Fatal(err)
	}
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "cloud"}); err != nil {
		t.Fatal(err)
	}
	if err := <-over; err == nil || !strings.Contains(err.Error(), "was stopped before it ended") {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	// Init reaps it in its own time.
	for ctx := within(t); syscall.Kill(pid, 0) == nil && !zombie(pid); {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("what the command started still runs")
		}
	}
}

// zombie reports whether a process has ended and waits to be reaped.
func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(text), ") Z ")
}

func TestWithoutCommand(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	refusals, _ := f.Check(Command{Action: plan.ActWiden, Env: "cloud"})
	i := slices.IndexFunc(refusals, func(r plan.Refusal) bool { return r.Code == "no-deploy-command" })
	if i < 0 || !strings.Contains(refusals[i].Hint, "npx convex deploy") || !strings.Contains(refusals[i].Hint, `deploy = "npx convex deploy"`) {
		t.Errorf("%+v", refusals)
	}
}

func TestCleanLine(t *testing.T) {
	for text, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m \x1b]8;;https://x\x07link\x1b]8;;\x07": "red link",
		"\x1b[?25l\x1b(Bx\x1bM":   "x",
		"a\tb\u202ec\x00":         "a bc",
		"key prod:a|SECRET ok":    "key prod:a|… ok",
		"key n|SECRETSECRET ok":   "key … ok",
		"tail SECRETSECRET":       "tail …",
		"\x1b]0;title never ends": "",
	} {
		if got := cleanLine(text, secretsOf("n|SECRETSECRET")); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzCleanLine(f *testing.F) {
	f.Add("\x1b[31mx\x1b]0;t\x07\r\ny")
	f.Fuzz(func(t *testing.T, text string) {
		var said []string
		l := &lines{secrets: secretsOf("n|SECRETSECRET"), emit: func(s string) { said = append(said, s) }}
		l.Write([]byte(text))
		l.flush()
		for _, s := range said {
			if s == "" || strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, "SECRETSECRET") || len([]rune(s)) > maxLine {
				t.Errorf("%q of %q", s, text)
			}
		}
	})
}

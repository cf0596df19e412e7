package fleet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/plan"
)

// The unmodified CLI, run as strait.toml says, deploys to the environment that
// it is given, although the project's own .env.local names another one; and a
// push that Convex refuses is told in its words.
func TestDeployByOfficialCLI(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: two pushes by the official CLI take 20 s under the race detector")
	}
	npm := npmtest.Dir(t)
	d := newDeployer(t, "prod")
	if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(d.root, "node_modules")); err != nil {
		t.Fatal(err)
	}
	d.file(".env.local", "CONVEX_DEPLOYMENT=dev:elsewhere-cat-9 # team: t, project: p\nCONVEX_DEPLOY_KEY=dev:elsewhere-cat-9|x\n")
	config, _, _ := strings.Cut(d.read("strait.toml"), "deploy = ")
	config += "deploy = \"npx convex deploy --typecheck disable\"\n"
	d.file("strait.toml", config)

	// Who deploys the target over documents of the old shape is told which one.
	f := d.open()
	ready(t, f, "cloud")
	e := f.envs[0]
	a := &action{f: f, e: e, c: Command{Action: plan.ActNarrow, Env: "cloud"}, client: e.client, schema: f.project.Schema}
	a.ctx, a.cancel = f.ctx, func() {}
	if err := a.deploy(); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("the target over old documents: %v", err)
	}
	if out := deployOutput(f); !strings.Contains(out, "Schema validation failed") || !strings.Contains(out, "does not match") {
		t.Errorf("it says\n%s", out)
	}

	target := d.read("convex/schema.ts")
	d.file("convex/target.ts", target)
	d.file("strait.toml", strings.Replace(config, "convex/schema.ts", "convex/target.ts", 1))
	d.file("convex/schema.ts", f.Now().Plan.Envs[0].Widened.TypeScript())
	f = d.open()
	ready(t, f, "cloud")
	before := f.envs[0].pushedAt
	out, err := f.Run(within(t), Command{Action: plan.ActWiden, Env: "cloud"}, nil)
	if err != nil || out.Status != "success" {
		t.Fatalf("%+v %v\n%s", out, err, deployOutput(f))
	}
	if text := deployOutput(f); !strings.Contains(text, "http://"+d.addr) || strings.Contains(text, d.d.AdminKey()) || strings.Contains(text, "\x1b") {
		t.Errorf("it says\n%s", text)
	}
	if err := f.wait(within(t), func() bool { return f.envs[0].pushedAt != before }); err != nil {
		t.Errorf("the push is not seen: %v", err)
	}
	if w := f.Now().Plan.Envs[0].Widen; w.State != plan.Done {
		t.Errorf("widen is %+v", w)
	}
}

// deployOutput is what the newest deploy's command wrote.
func deployOutput(f *Fleet) string {
	var b strings.Builder
	if run := f.Now().Envs[0].Deploy; run != nil {
		for _, l := range run.Output {
			b.WriteString(l.Text + "\n")
		}
	}
	return b.String()
}

package project

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPropose(t *testing.T) {
	const key = "SECRETSECRET"
	for name, c := range map[string]struct {
		files   map[string]string
		env     lookupEnv
		want    string // names of the environments
		missing string
		notes   int
	}{
		"nothing":     {want: "local"},
		"logged in":   {files: map[string]string{".env.local": "CONVEX_DEPLOYMENT=dev:calm-cat-9 # team: t, project: p"}, want: "dev", missing: "STRAIT_DEV_KEY"},
		"deploy key":  {files: map[string]string{".env.local": "CONVEX_DEPLOY_KEY=prod:calm-cat-9|" + key}, want: "prod"},
		"process":     {env: variables(varDeployKey, "dev:calm-cat-9|"+key), want: "dev"},
		"self-hosted": {files: map[string]string{".env": "CONVEX_SELF_HOSTED_URL=https://db.example.com\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|" + key}, want: "self-hosted"},
		"unencrypted": {files: map[string]string{".env": "CONVEX_SELF_HOSTED_URL=http://db.example.com\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|" + key}, want: "local", notes: 1},
		"on disk":     {files: map[string]string{".convex/local/default/config.json": disk(3999, "local-t-p|"+key, "local-t-p")}, want: "local"},
		"several files": {files: map[string]string{
			".env.local": "CONVEX_DEPLOYMENT=dev:calm-cat-9", ".env.production": "CONVEX_DEPLOY_KEY=prod:live-cat-9|" + key, ".env.staging": "CONVEX_DEPLOY_KEY=prod:stage-cat-9|" + key,
			".env.example": "CONVEX_DEPLOY_KEY=prod:never-cat-9|x", ".env.test": "A=1", ".env.preview": "CONVEX_DEPLOYMENT=preview:new-cat-9",
		}, want: "dev preview staging production", missing: "STRAIT_DEV_KEY CONVEX_DEPLOY_KEY"},
		"conflict": {files: map[string]string{".env": "CONVEX_SELF_HOSTED_URL=https://x\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|" + key + "\nCONVEX_DEPLOYMENT=dev:calm-cat-9"}, want: "local", notes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			t.Setenv("HOME", t.TempDir())
			write(t, root, map[string]string{"package.json": `{"dependencies":{"convex":"1"}}`, "convex/schema.ts": "import { defineSchema } from \"convex/server\";\nexport default defineSchema({});\n", "pnpm-lock.yaml": ""})
			write(t, root, c.files)
			lookup := c.env
			if lookup == nil {
				lookup = variables()
			}
			p, err := Propose(Options{Dir: root, Lookup: lookup})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(p.Text+strings.Join(p.Notes, " "), key) || p.Exists {
				t.Errorf("%+v", p)
			}
			if err := os.WriteFile(p.Path, []byte(p.Text), 0o644); err != nil {
				t.Fatal(err)
			}
			loaded, err := Load(t.Context(), Options{Dir: root, Lookup: lookup})
			if err != nil {
				t.Fatalf("%v\n%s", err, p.Text)
			}
			if got := names(loaded.Config.Envs); got != c.want || strings.Join(p.Missing, " ") != c.missing || len(p.Notes) != c.notes {
				t.Errorf("environments %s, missing %v, notes %v\n%s", got, p.Missing, p.Notes, p.Text)
			}
			for _, e := range loaded.Config.Envs {
				if _, err := e.ResolveKey(t.Context()); !e.Embedded() && (err == nil) == slices.Contains(p.Missing, e.KeyEnv) && e.EnvFile == "" {
					t.Errorf("%s: %v", e.Name, err)
				}
			}
			if strings.Contains(p.Text, "prod:live-cat-9") || !strings.Contains(p.Text, "pnpm convex deploy") && c.want != "local" {
				t.Error(p.Text)
			}
			if again, err := Propose(Options{Dir: root, Lookup: lookup}); err != nil || !again.Exists || again.Text != p.Text {
				t.Errorf("the second time %+v, %v", again, err)
			}
		})
	}
}

func TestProposeTellsOfGit(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"convex/schema.ts": "export default {};", "convex.json": "{}"})
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on the PATH: whether it ignores the journal is not tested")
	}
	run(t, root, "init", "-q")
	if p, err := Propose(Options{Dir: root, Lookup: variables()}); err != nil || p.Ignored {
		t.Errorf("%+v, %v", p, err)
	}
	write(t, root, map[string]string{".gitignore": ".strait/\n"})
	if p, err := Propose(Options{Dir: root, Lookup: variables()}); err != nil || !p.Ignored || p.Path != filepath.Join(root, configName) {
		t.Errorf("%+v, %v", p, err)
	}
}

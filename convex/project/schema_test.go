package project

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.c")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func TestLoadSchema(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on the PATH: schemas of git revisions are not tested")
	}
	ctx := context.Background()
	repo, temporary := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temporary)
	root := filepath.Join(repo, "packages", "backend")
	tableOf := func(names ...string) string {
		text := "import { defineSchema, defineTable } from 'convex/server';\nimport { fields } from '../../../shared/fields';\nimport { extra } from 'installed';\nexport default defineSchema({ "
		for _, n := range names {
			text += n + ": defineTable({ ...fields, ...extra }), "
		}
		return text + "});\n"
	}
	run(t, repo, "init", "-q", "-b", "main")
	write(t, repo, map[string]string{
		".gitignore":                          "node_modules\n",
		"package.json":                        `{"name":"top"}`,
		"shared/fields.ts":                    "import { v } from 'convex/values';\nexport const fields = { old: v.string() };\n",
		"packages/backend/package.json":       `{"name":"backend"}`,
		"packages/backend/convex/hello.ts":    tinyModule,
		"node_modules/installed/package.json": `{"name":"installed","main":"index.js"}`,
		"node_modules/installed/index.js":     "export const extra = {};\n",
	})
	run(t, repo, "add", ".")
	run(t, repo, "commit", "-q", "-m", "no schema")
	run(t, repo, "tag", "bare")
	write(t, repo, map[string]string{"packages/backend/convex/schema.ts": tableOf("users")})
	run(t, repo, "add", ".")
	run(t, repo, "commit", "-q", "-m", "first")
	run(t, repo, "tag", "v1")
	write(t, repo, map[string]string{
		"packages/backend/convex/schema.ts": tableOf("users", "teams"), // not committed
		"shared/fields.ts":                  "import { v } from 'convex/values';\nexport const fields = { fresh: v.string() };\n",
		"packages/backend/convex/next.ts":   tableOf("users", "teams", "orders"),
		"packages/backend/broken.ts":        "import { x } from 'nowhere';\nexport default x;\n",
	})
	for spec, want := range map[string]string{
		"target": "users,teams", "convex/schema.ts": "users,teams", "convex/next.ts": "users,teams,orders", "git:v1": "users", "git:HEAD~1": "nil", "git:main": "users",
	} {
		s, err := LoadSchema(ctx, root, spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		got := "nil"
		if s != nil {
			var names []string
			for _, table := range s.Tables {
				names = append(names, table.Name)
			}
			got = strings.Join(names, ",")
			field := "fresh"
			if strings.HasPrefix(spec, gitPrefix) {
				field = "old" // what the schema imports is of that revision too
			}
			if s.Tables[0].Document.Field(field) == nil {
				t.Errorf("%s: no field %s in %s", spec, field, s.JSON())
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", spec, got, want)
		}
	}
	for spec, want := range map[string]string{
		"git:nope":  `has no revision "nope"`,
		"git:":      "that is no revision",
		"git:--all": "that is no revision",
		"gone.ts":   `schema "gone.ts": no such file`,
		"broken.ts": `broken.ts:1: package "nowhere" is not installed`,
		"widened":   "cannot be loaded",
	} {
		if _, err := LoadSchema(ctx, root, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", spec, err, want)
		}
	}
	status := exec.Command("git", "status", "--porcelain")
	status.Dir = repo
	before, err := status.Output()
	if err != nil || !strings.Contains(string(before), "next.ts") || strings.Contains(string(before), "worktree") {
		t.Errorf("the work tree was touched: %s %v", before, err)
	}
	if left, _ := filepath.Glob(filepath.Join(temporary, "strait-*")); len(left) > 0 {
		t.Errorf("temporary folders are left: %v", left)
	}
	outside := t.TempDir()
	write(t, outside, map[string]string{"convex/schema.ts": tinySchema})
	if _, err := LoadSchema(ctx, outside, "git:main"); err == nil || !strings.Contains(err.Error(), "no git repository") {
		t.Errorf("outside of git: %v", err)
	}
}

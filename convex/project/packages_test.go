package project

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// monorepo is a repository with two commits (v1, v2), between which only a
// workspace package that the schema imports changes.
func monorepo(t *testing.T, files map[string]string, changed map[string]string) (repo, root string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on the PATH: schemas of git revisions are not tested")
	}
	repo = t.TempDir()
	run(t, repo, "init", "-q", "-b", "main")
	write(t, repo, map[string]string{
		".gitignore":                      "node_modules\ndist\n.generated\n",
		"package.json":                    `{"name":"top","workspaces":["packages/*"]}`,
		"packages/backend/package.json":   `{"name":"@my/backend"}`,
		"packages/shared/package.json":    `{"name":"@my/shared","main":"./index.ts"}`,
		"node_modules/zed/package.json":   `{"name":"zed","main":"index.js"}`,
		"node_modules/zed/index.js":       "export const fields = {};\n",
		"node_modules/@my/other/index.js": "export {};\n",
	})
	write(t, repo, files)
	for name, target := range map[string]string{"shared": "packages/shared", "backend": "packages/backend"} {
		if err := os.Symlink(filepath.Join("..", "..", target), filepath.Join(repo, "node_modules", "@my", name)); err != nil {
			t.Skipf("this file system has no symbolic links: %v", err)
		}
	}
	run(t, repo, "add", ".")
	run(t, repo, "commit", "-q", "-m", "first")
	run(t, repo, "tag", "v1")
	write(t, repo, changed)
	run(t, repo, "commit", "-q", "-a", "--allow-empty", "-m", "second")
	run(t, repo, "tag", "v2")
	return repo, filepath.Join(repo, "packages", "backend")
}

const importsShared = `import { defineSchema, defineTable } from 'convex/server';
import { v } from 'convex/values';
import { fields } from 'zed';
import { roles } from '@my/shared';
export default defineSchema({ users: defineTable({ ...fields, role: v.union(...roles.map((r) => v.literal(r))) }) });
`

func members(t *testing.T, root, spec string) int {
	t.Helper()
	s, err := LoadSchema(context.Background(), root, spec)
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	return len(s.Tables[0].Document.Field("role").Type.Members)
}

func TestRevisionOfWorkspacePackage(t *testing.T) {
	_, root := monorepo(t,
		map[string]string{
			"packages/backend/convex/schema.ts": importsShared,
			"packages/shared/index.ts":          "export const roles = ['admin', 'member', 'guest'];\n",
		},
		map[string]string{"packages/shared/index.ts": "export const roles = ['admin', 'member'];\n"})
	for spec, want := range map[string]int{"git:v1": 3, "git:v2": 2, "target": 2} {
		if got := members(t, root, spec); got != want {
			t.Errorf("%s: %d members, want %d: the package is not of that revision", spec, got, want)
		}
	}
}

func TestRevisionOfBuiltPackage(t *testing.T) {
	repo, root := monorepo(t,
		map[string]string{
			"packages/backend/convex/schema.ts": importsShared,
			"packages/shared/package.json":      `{"name":"@my/shared","main":"./dist/index.js"}`,
			"packages/shared/src/index.ts":      "export const roles = ['admin', 'member', 'guest'];\n",
			"packages/shared/dist/index.js":     "export const roles = ['admin', 'member', 'guest'];\n",
		},
		nil)
	if got := members(t, root, "git:v1"); got != 3 {
		t.Errorf("unchanged since: %d members of the built package, want 3", got)
	}
	write(t, repo, map[string]string{"packages/shared/src/index.ts": "export const roles = ['admin', 'member'];\n"})
	_, err := LoadSchema(context.Background(), root, "git:v1")
	if err == nil || !strings.Contains(err.Error(), "hint: @my/shared is built from packages/shared") {
		t.Errorf("changed since: got %v, want to be told that the build is of other sources", err)
	}
}

func TestRevisionOfNeverBuiltPackage(t *testing.T) {
	repo, root := monorepo(t,
		map[string]string{
			"packages/backend/convex/schema.ts": importsShared,
			"packages/shared/package.json":      `{"name":"@my/shared","main":"./dist/index.js","scripts":{"build":"tsc"}}`,
			"packages/shared/src/index.ts":      "export const roles = ['admin'];\n",
		},
		nil)
	fails := func(want string) {
		t.Helper()
		_, err := LoadSchema(context.Background(), root, "git:v1")
		if err == nil || !strings.Contains(err.Error(), `package "@my/shared" is not built: ../shared has no dist/index.js`) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %q", err, want)
		}
	}
	fails("hint: build it: (cd ../shared && npm run build)")
	write(t, repo, map[string]string{"packages/shared/src/index.ts": "export const roles = ['member'];\n"})
	fails("hint: @my/shared is built from packages/shared, whose sources are others now: check v1 out into a folder of its own")
}

func TestRevisionWithGeneratedConfig(t *testing.T) {
	_, root := monorepo(t,
		map[string]string{
			"packages/backend/convex/schema.ts":         strings.Replace(importsShared, "@my/shared", "$lib/roles", 1),
			"packages/backend/src/lib/roles.ts":         "export const roles = ['admin', 'member'];\n",
			"packages/backend/tsconfig.json":            "{ // the aliases are generated\n \"extends\": \"./.generated/tsconfig.json\" }",
			"packages/backend/.generated/tsconfig.json": `{"compilerOptions":{"paths":{"$lib/*":["../src/lib/*"]}}}`,
		},
		nil)
	if got := members(t, root, "git:v1"); got != 2 {
		t.Errorf("%d members through the alias, want 2", got)
	}
}

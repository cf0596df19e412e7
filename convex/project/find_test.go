package project

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

const (
	tinySchema = "import { defineSchema } from 'convex/server';\nexport default defineSchema({});\n"
	tinyModule = "import { query } from './_generated/server';\nexport const f = query(() => 1);\n"
	dependency = `{"name":"x","dependencies":{"convex":"^1.40.0"}}`
)

func TestFind(t *testing.T) {
	for name, c := range map[string]struct {
		files           map[string]string
		from            string
		options         Options
		root, functions string
		fail            []string
	}{
		"plain, from below": {files: map[string]string{"package.json": dependency, "convex/schema.ts": tinySchema, "src/app/x.ts": ""},
			from: "src/app", root: ".", functions: "convex"},
		"inside the functions folder": {files: map[string]string{"package.json": dependency, "convex/schema.ts": tinySchema, "convex/a/b.ts": tinyModule},
			from: "convex/a", root: ".", functions: "convex"},
		"javascript, no schema": {files: map[string]string{"package.json": dependency, "convex/users.js": tinyModule}, root: ".", functions: "convex"},
		"src/convex, from src": {files: map[string]string{"package.json": dependency, "src/convex/schema.ts": tinySchema},
			from: "src", root: ".", functions: "src/convex"},
		"convex.json": {files: map[string]string{"convex.json": "{\n // where\n \"functions\": \"server/db/\",\n}", "server/db/x.ts": tinyModule},
			from: "server/db", root: ".", functions: "server/db"},
		"convex.json is no JSON": {files: map[string]string{"convex.json": `{"functions": "convex/"`, "convex/x.ts": tinyModule},
			fail: []string{"convex.json cannot be read", "unexpected end", "functions"}},
		"convex.json names no text": {files: map[string]string{"convex.json": `{"functions": 3}`, "convex/x.ts": tinyModule},
			fail: []string{"convex.json cannot be read", "functions has a number where a text belongs"}},
		"convex.json names what is not there": {files: map[string]string{"convex.json": `{"functions":"nope"}`},
			fail: []string{"nope", "convex.json names", "no such folder"}},
		"a client library called convex": {files: map[string]string{"package.json": dependency, "src/lib/convex/client.ts": "export {}", "convex/provider.tsx": "import { ConvexProvider } from 'convex/react'"},
			fail: []string{"no Convex project at or above", "package.json names convex", "npx convex dev", "--project DIR"}},
		"monorepo, one project, from the top": {files: map[string]string{"package.json": `{"workspaces":["packages/*"]}`, "packages/backend/package.json": dependency,
			"packages/backend/convex/schema.ts": tinySchema, "packages/web/package.json": dependency}, root: "packages/backend", functions: "packages/backend/convex"},
		"monorepo, one project, from its sister": {files: map[string]string{"package.json": `{"workspaces":["packages/*"]}`, "packages/backend/package.json": dependency,
			"packages/backend/convex/schema.ts": tinySchema, "packages/web/package.json": dependency}, from: "packages/web", root: "packages/backend", functions: "packages/backend/convex"},
		"monorepo, several": {files: map[string]string{"pnpm-workspace.yaml": "", "apps/a/convex/schema.ts": tinySchema, "services/b/src/convex/schema.ts": tinySchema},
			fail: []string{"holds 2 Convex projects", "\n  apps/a\n", "\n  services/b\n", "--project apps/a"}},
		"monorepo, inside one of several": {files: map[string]string{"pnpm-workspace.yaml": "", "apps/a/convex/schema.ts": tinySchema, "apps/b/convex/schema.ts": tinySchema},
			from: "apps/b/convex", root: "apps/b", functions: "apps/b/convex"},
		"strait.toml at the top of a monorepo": {files: map[string]string{"strait.toml": "", "packages/backend/package.json": dependency, "packages/backend/convex/schema.ts": tinySchema},
			from: "packages/backend", root: ".", functions: "packages/backend/convex"},
		"strait.toml names the folder": {files: map[string]string{"strait.toml": "functions = 'b/convex'", "a/convex/schema.ts": tinySchema, "b/convex/schema.ts": tinySchema},
			root: ".", functions: "b/convex"},
		"strait.toml of another project": {files: map[string]string{"strait.toml": "functions = 'b/convex'", "a/convex/schema.ts": tinySchema, "b/convex/schema.ts": tinySchema},
			from: "a", root: "a", functions: "a/convex"},
		"a package that is the functions folder": {files: map[string]string{"package.json": `{"workspaces":["packages/*"]}`, "packages/convex/package.json": dependency,
			"packages/convex/convex.json": `{"functions":"."}`, "packages/convex/schema.ts": tinySchema}, from: "packages", root: "packages/convex", functions: "packages/convex"},
		"named directly": {files: map[string]string{"package.json": dependency, "backend/functions/x.ts": tinyModule}, options: Options{Functions: "backend/functions"},
			root: ".", functions: "backend/functions"},
		"named but missing": {files: map[string]string{"package.json": dependency}, options: Options{Functions: "nope"}, fail: []string{"nope: no such folder"}},
		"packages that were installed do not count": {files: map[string]string{"package.json": "{}", "node_modules/x/convex/schema.ts": tinySchema},
			fail: []string{"no Convex project at or above"}},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			c.files[".git/HEAD"] = "" // nothing above counts
			write(t, root, c.files)
			o := c.options
			o.Dir = filepath.Join(root, c.from)
			loc, err := Find(o)
			if c.fail != nil {
				if err == nil {
					t.Fatalf("found %+v", loc)
				}
				for _, part := range c.fail {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("error lacks %q:\n%v", part, err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := (Location{filepath.Join(root, c.root), filepath.Join(root, c.functions)}); loc != want {
				t.Errorf("got %+v, want %+v", loc, want)
			}
		})
	}
}

func TestFindNowhere(t *testing.T) {
	_, err := Find(Options{Dir: filepath.Join(t.TempDir(), "gone")})
	if err == nil || !strings.Contains(err.Error(), "no such folder") {
		t.Errorf("got %v", err)
	}
	var none *NotFound
	root := t.TempDir()
	write(t, root, map[string]string{".git/HEAD": ""}) // nothing above counts
	if _, err = Find(Options{Dir: root}); !errors.As(err, &none) || len(none.Looked) == 0 {
		t.Errorf("got %v", err)
	}
}

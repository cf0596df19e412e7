package jsrun

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A package of the repository itself is in no registry: nothing to install
// helps, but building or linking it does.
func TestHintsForPackagesOfTheRepository(t *testing.T) {
	const exports = `{"name":"@my/shared","scripts":{"build":"tsc"},"exports":{".":{"types":"./dist/index.d.ts","default":"./dist/index.js"},"./lib/*":"./dist/lib/*.js"}}`
	const linked, apart = true, false
	for name, c := range map[string]struct {
		top, lock, shared, spec string
		linked                  bool
		message, hint           string
	}{
		"never built": {`{"workspaces":["packages/*"]}`, "package-lock.json", exports, "@my/shared", linked,
			`package "@my/shared" is not built: ../shared has no dist/index.js`, "(cd ../shared && npm run build)"},
		"never built, by its main": {`{}`, "pnpm-lock.yaml", `{"name":"@my/shared","main":"lib","scripts":{"build":"x"}}`, "@my/shared", linked,
			`package "@my/shared" is not built: ../shared has no lib`, "(cd ../shared && pnpm run build)"},
		"never built, a path in it": {`{}`, "bun.lock", exports, "@my/shared/lib/a", linked,
			`package "@my/shared" is not built: ../shared has no dist/lib/a.js`, "(cd ../shared && bun run build)"},
		"without a script": {`{}`, "", `{"name":"@my/shared","main":"./dist/index.js"}`, "@my/shared", linked,
			`package "@my/shared" is not built: ../shared has no dist/index.js`, "build ../shared"},
		"no such path": {`{}`, "", exports, "@my/shared/other", linked,
			`package "@my/shared" offers no "other"`, `"exports" in ../shared/package.json`},
		"a source that is gone": {`{}`, "", `{"name":"@my/shared","exports":"./src/index.ts"}`, "@my/shared", linked,
			`package "@my/shared" has no src/index.ts`, `"exports" in ../shared/package.json`},
		"not linked": {`{"workspaces":["packages/*"]}`, "yarn.lock", exports, "@my/shared", apart,
			`package "@my/shared" is not installed`, "it is ../shared in this repository: (cd ../.. && yarn install)"},
		"not linked, listed otherwise": {`{"workspaces":{"packages":["!packages/x","./packages/**"]}}`, "", exports, "@my/shared", apart,
			`package "@my/shared" is not installed`, "(cd ../.. && npm install)"},
		"no workspace": {`{"workspaces":["apps/*"]}`, "", exports, "@my/shared", apart,
			`package "@my/shared" is not installed`, "npm i @my/shared"},
		"odd workspaces": {`{"workspaces":7}`, "", exports, "@my/shared", apart,
			`package "@my/shared" is not installed`, "npm i @my/shared"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				".git/HEAD": "", "package.json": c.top, "packages/shared/package.json": c.shared,
				"packages/backend/convex/schema.ts": "import { a } from '" + c.spec + "';\nexport default a;\n",
			}
			if c.lock != "" {
				files[c.lock] = ""
			}
			top := project(t, files)
			if c.linked {
				linkTo(t, filepath.Join(top, "packages/shared"), filepath.Join(top, "node_modules/@my/shared"))
			}
			wantHint(t, filepath.Join(top, "packages/backend"), c.spec, c.message, c.hint)
		})
	}
	top := project(t, map[string]string{
		"pnpm-workspace.yaml": "catalog:\n  - nothing\npackages:\n  # ours\n  - 'packages/*' # all\n\nonlyBuiltDependencies:\n  - esbuild\n", "pnpm-lock.yaml": "",
		"packages/shared/package.json": exports, "packages/backend/convex/schema.ts": "import { a } from '@my/shared';\nexport default a;\n",
	})
	wantHint(t, filepath.Join(top, "packages/backend"), "@my/shared", "not installed", "(cd ../.. && pnpm install)")
}

func linkTo(t *testing.T, target, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, at); err != nil {
		t.Skipf("this file system has no symbolic links: %v", err)
	}
}

func wantHint(t *testing.T, root, spec, message, hint string) {
	t.Helper()
	_, problems, err := Bundle(context.Background(), Options{Root: root, Dir: filepath.Join(root, "convex"), Modules: []string{"schema.ts"}})
	if err != nil {
		t.Fatal(err)
	}
	p := wantProblem(t, problems, func(p Problem) bool { return p.Import == spec })
	if !strings.Contains(p.Message, message) || !strings.Contains(p.Hint, hint) {
		t.Errorf("got %q, hint %q\nwant %q, hint %q", p.Message, p.Hint, message, hint)
	}
}

// Generated code that is in the repository may be older than what imports it.
func TestHintForStaleGeneratedCode(t *testing.T) {
	root := project(t, map[string]string{
		"convex/_generated/api.js": "export const api = {};\n",
		"convex/a.ts":              "import { components } from './_generated/api';\nexport const x = components;\n",
		"convex/b.ts":              "import { y } from './c';\nexport const x = y;\n",
		"convex/c.ts":              "export const z = 1;\n",
	})
	_, problems := bundled(t, root)
	stale := wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/a.ts" })
	if !strings.Contains(stale.Hint, "npx convex codegen") || !strings.Contains(stale.Message, `"components"`) {
		t.Errorf("got %+v", stale)
	}
	if own := wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/b.ts" }); strings.Contains(own.Hint, "codegen") {
		t.Errorf("of code that nothing generates: %+v", own)
	}
}

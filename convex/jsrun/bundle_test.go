package jsrun

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func analyzed(t testing.TB, p *Program) *Analysis {
	t.Helper()
	a, err := p.Analyze(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestBrokenModuleHidesNoOther(t *testing.T) {
	p, problems := bundled(t, project(t, map[string]string{
		"convex/good.ts":  `export const x = 1;`,
		"convex/bad.ts":   "export const a = 1;\n\nexport const b = {;\n",
		"convex/worse.ts": `export const c: = 3;`,
		"convex/needs.ts": `import { a } from "./bad"; export const y = a;`,
		"convex/names.ts": "import { nope } from './good';\nexport const z = nope + 1;\n",
	}))
	bad := wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/bad.ts" })
	if bad.Line != 3 || bad.Column != 19 || !strings.Contains(bad.Message, `found ";"`) {
		t.Errorf("got %+v", bad)
	}
	wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/worse.ts" && p.Line == 1 })
	names := wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/names.ts" })
	if names.Line != 1 || !strings.Contains(names.Message, `No matching export in "convex/good.ts" for import "nope"`) {
		t.Errorf("got %+v", names)
	}
	a := analyzed(t, p)
	if a.Exports["good"]["x"] != "number" {
		t.Errorf("good.ts did not load: %v", a.Exports)
	}
	needs := wantProblem(t, a.Problems, func(p Problem) bool { return p.File == "convex/needs.ts" })
	if !strings.Contains(needs.Message, "convex/bad.ts:3") {
		t.Errorf("got %+v", needs)
	}
	if len(a.Problems) != 1 {
		t.Errorf("what the bundle reported is reported again: %+v", a.Problems)
	}
}

func TestMissingPackageIsReportedNotStubbed(t *testing.T) {
	for lock, command := range map[string]string{
		"package-lock.json": "npm i zod", "pnpm-lock.yaml": "pnpm add zod", "yarn.lock": "yarn add zod", "bun.lock": "bun add zod", "README.md": "npm i zod",
	} {
		root := project(t, map[string]string{
			lock:               "",
			".git/HEAD":        "",
			"convex/schema.ts": "import { v } from './lib/validators';\n\nimport { z } from 'zod';\nexport default { export: () => JSON.stringify({ z: z.x, v }) };\n",
			"convex/lib/validators.ts": "import type { T } from 'only-types';\n// a comment\nimport { deep } from '@scope/pkg/deep/path';\n" +
				"export const v = deep as T;\n",
			"convex/other.ts": "export const fine = 1;\n",
			"convex/late.ts":  "export const try1 = () => { try { return require('optional'); } catch { return 1; } };\n",
		})
		p, problems := bundled(t, root)
		zod := wantProblem(t, problems, func(p Problem) bool { return p.Import == "zod" })
		if zod.File != "convex/schema.ts" || zod.Line != 3 || zod.Hint != command || zod.Message != `package "zod" is not installed` {
			t.Errorf("%s: got %+v", lock, zod)
		}
		scoped := wantProblem(t, problems, func(p Problem) bool { return p.Import == "@scope/pkg/deep/path" })
		if scoped.Line != 3 || !strings.HasSuffix(scoped.Hint, " @scope/pkg") {
			t.Errorf("got %+v", scoped)
		}
		if slices.ContainsFunc(problems, func(p Problem) bool { return p.Import == "only-types" || p.Import == "optional" }) {
			t.Errorf("imports that need nothing are reported: %+v", problems)
		}
		a := analyzed(t, p)
		if a.Schema != nil {
			t.Errorf("a schema without its package evaluated to %s", a.Schema)
		}
		if a.Exports["other"]["fine"] != "number" || a.Exports["late"]["try1"] != "function" {
			t.Errorf("other modules did not load: %v", a.Exports)
		}
		wantProblem(t, a.Problems, func(p Problem) bool {
			return p.File == "convex/schema.ts" && p.Import == "@scope/pkg/deep/path" && strings.Contains(p.Message, "convex/lib/validators.ts:3")
		})
	}
}

func TestMissingThings(t *testing.T) {
	_, problems := bundled(t, project(t, map[string]string{
		"package.json":   `{"name":"x"}`,
		"convex/a.ts":    `import fs from "node:fs"; export const x = fs;`,
		"convex/b.ts":    `import { q } from "crypto"; export const x = q;`,
		"convex/c.ts":    `import { q } from "./nowhere"; export const x = q;`,
		"convex/d.ts":    `import { q } from "@/lib/thing"; export const x = q;`,
		"convex/e.ts":    `import { q } from "has/missing"; export const x = q;`,
		"convex/file.ts": `import { q } from "/abs/nowhere"; export const x = q;`,

		"node_modules/has/package.json": `{"name":"has","version":"1.0.0","exports":{".":"./index.js"}}`,
		"node_modules/has/index.js":     `export const q = 1;`,
	}))
	for spec, want := range map[string]string{
		"node:fs": "part of Node", "crypto": "part of Node", "./nowhere": "cannot find", "@/lib/thing": "cannot resolve",
		"has/missing": "is installed but offers no such path", "/abs/nowhere": "cannot find",
	} {
		p := wantProblem(t, problems, func(p Problem) bool { return p.Import == spec })
		if !strings.Contains(p.Message, want) || p.Line != 1 || p.Hint == "" {
			t.Errorf("%s: got %+v", spec, p)
		}
	}
}

func TestModuleThatIsNotThere(t *testing.T) {
	root := project(t, map[string]string{"convex/a.ts": "export const x = 1;"})
	p, problems, err := Bundle(context.Background(), Options{Root: root, Dir: filepath.Join(root, "convex"), Modules: []string{"a.ts", "gone.ts"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/gone.ts" }); got.Message != "the file does not exist" {
		t.Errorf("got %+v", got)
	}
	if a := analyzed(t, p); a.Exports["a"]["x"] != "number" {
		t.Errorf("a.ts did not load: %v", a.Exports)
	}
}

func TestResolution(t *testing.T) {
	root := project(t, map[string]string{
		"package.json":  `{"name":"root","type":"module","imports":{"#inner/*":"./src/inner/*.ts"},"workspaces":["packages/*"]}`,
		"tsconfig.json": "{\n // a comment\n \"compilerOptions\": { \"baseUrl\": \".\", \"paths\": { \"@/*\": [\"./src/*\"], }, \"jsx\": \"preserve\" } }",

		"src/shared.ts":            `export const shared = "alias";`,
		"src/inner/a.ts":           `export const inner = "imports";`,
		"packages/w/package.json":  `{"name":"@w/shared","type":"module","exports":{".":{"convex":"./src/convex.ts","default":"./dist/gone.js"},"./sub":"./src/sub.ts"}}`,
		"packages/w/src/convex.ts": `export const w = "workspace"; export * from "./sub.js";`,
		"packages/w/src/sub.ts":    `export const sub = "sub";`,
		"convex/data.json":         `{"json": "data"}`,
		"convex/jsx.tsx":           "/** @jsxRuntime classic @jsx h */\nconst h = (t: string, p: any, ...c: any[]) => t + c.join(''); export const el = <b>jsx</b>;\n",
		"convex/typed.ts":          `export const typed = "js means ts";`,
		"convex/m.ts": `
import "server-only";
import { AsyncLocalStorage } from "node:async_hooks";
import { shared } from "@/shared";
import { inner } from "#inner/a";
import { w, sub } from "@w/shared";
import { sub as again } from "@w/shared/sub";
import { typed } from "./typed.js";
import data from "./data.json";
import { el } from "./jsx";
import type { Never } from "not-installed-types";
export const all = [shared, inner, w, sub, again, typed, data.json, el, typeof AsyncLocalStorage].join();
export default { export: () => JSON.stringify(all) };
`,
	})
	if err := os.MkdirAll(filepath.Join(root, "node_modules/@w"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../packages/w", filepath.Join(root, "node_modules/@w/shared")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	// The same text as a schema, whose export() analysis shows.
	text, err := os.ReadFile(filepath.Join(root, "convex/m.ts"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "convex/schema.ts"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	p, problems := bundled(t, root)
	if len(problems) > 0 {
		t.Fatalf("problems: %+v", problems)
	}
	want := `"alias,imports,workspace,sub,sub,js means ts,data,bjsx,function"`
	if a := analyzed(t, p); string(a.Schema) != want {
		t.Errorf("got %s, want %s; problems %+v", a.Schema, want, a.Problems)
	}
}

func TestMonorepo(t *testing.T) {
	root := project(t, map[string]string{
		"package.json":                            `{"workspaces":["apps/*"]}`,
		"bun.lock":                                "",
		"node_modules/hoisted/package.json":       `{"name":"hoisted","main":"index.js"}`,
		"node_modules/hoisted/index.js":           `exports.hoisted = "cjs";`,
		"apps/web/package.json":                   `{"name":"web"}`,
		"apps/web/node_modules/near/package.json": `{"name":"near","type":"module","exports":"./i.js"}`,
		"apps/web/node_modules/near/i.js":         `export { hoisted } from "hoisted";`,
		"apps/web/src/convex/schema.ts":           "import { hoisted } from 'near';\nimport 'absent';\nexport default { export: () => hoisted };",
	})
	app := filepath.Join(root, "apps/web")
	_, problems, err := Bundle(context.Background(), Options{Root: app, Dir: filepath.Join(app, "src/convex"), Modules: []string{"schema.ts"}})
	if err != nil {
		t.Fatal(err)
	}
	absent := wantProblem(t, problems, func(p Problem) bool { return p.Import == "absent" })
	if absent.File != "src/convex/schema.ts" || absent.Line != 2 || absent.Hint != "bun add absent" {
		t.Errorf("got %+v", absent)
	}
	if err := os.WriteFile(filepath.Join(app, "src/convex/schema.ts"), []byte("import { hoisted } from 'near';\nexport default { export: () => hoisted };"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, problems, err := Bundle(context.Background(), Options{Root: app, Dir: filepath.Join(app, "src/convex"), Modules: []string{"schema.ts"}})
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if a := analyzed(t, p); string(a.Schema) != "cjs" {
		t.Errorf("got %s, %+v", a.Schema, a.Problems)
	}
}

func TestTopLevelAwaitAndDynamicImport(t *testing.T) {
	p, problems := bundled(t, project(t, map[string]string{
		"convex/tla.ts":   "export const x = 1;\nexport const y = await Promise.resolve(1);\n",
		"convex/uses.ts":  "import { x } from './tla';\nexport const z = x;\n",
		"convex/dyn.ts":   "export const x = 1;\nexport const late = async () => (await import(\"./other\")).o;\n",
		"convex/other.ts": "export const o = 1;\n",
	}))
	tla := wantProblem(t, problems, func(p Problem) bool { return p.File == "convex/tla.ts" })
	if tla.Line != 2 || !strings.Contains(tla.Message, "top-level await is not supported") || tla.Warning {
		t.Errorf("got %+v", tla)
	}
	dyn := wantProblem(t, problems, func(p Problem) bool { return p.Import == "./other" })
	if dyn.File != "convex/dyn.ts" || dyn.Line != 2 || !dyn.Warning {
		t.Errorf("got %+v", dyn)
	}
	if a := analyzed(t, p); a.Exports["dyn"]["late"] != "function" || a.Exports["other"]["o"] != "number" {
		t.Errorf("got %v", a.Exports)
	}
}

func TestListModules(t *testing.T) {
	root := project(t, map[string]string{
		"convex/schema.ts": "export default 1", "convex/a.ts": "export const a = 1", "convex/dir/b.tsx": "import 'x'", "convex/c.js": "1", "convex/d.mjs": "1",
		"convex/_generated/api.ts": "export const api = 1", "convex/types.d.ts": "export type X = 1", "convex/a.test.ts": "export {}",
		"convex/auth.config.ts": "export {}", "convex/convex.config.ts": "export {}", "convex/.hidden.ts": "export {}", "convex/#a.ts": "export {}",
		"convex/node.ts": "// first\n/* x */ 'use node';\nexport const a = 1", "convex/notnode.ts": "export const a = 'use node';",
		"convex/strict.ts": "'use strict';\n\"use node\"\nexport const a = 1", "convex/empty.ts": "const x = 1;", "convex/readme.md": "export",
		"convex/with space.ts": "export {}", "convex/part/convex.config.ts": "export {}", "convex/part/x.ts": "export {}",
		"convex/node_modules/p/i.js": "1", "convex/migrations.ts": "export {}", "convex/migrations/x.ts": "export {}",
	})
	odd := project(t, map[string]string{"convex/schema.ts": "throw new Error('x'); export default 1", "convex/y.ts": "1"})
	if got, err := ListModules(filepath.Join(odd, "convex")); err != nil || !slices.Equal(got, []string{"schema.ts"}) {
		t.Errorf("a schema without an export at a line's beginning: %q %v", got, err)
	}
	dir := filepath.Join(root, "convex")
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	got, err := ListModules(dir)
	want := []string{"a.ts", "c.js", "d.mjs", "dir/b.tsx", "migrations.ts", "migrations/x.ts", "notnode.ts", "schema.ts"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	if _, err := ListModules(filepath.Join(root, "nowhere")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

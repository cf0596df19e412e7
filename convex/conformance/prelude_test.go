// Package conformance holds the tests that run the same project on the
// built-in prelude and on the unmodified npm packages, and compare what comes
// out. They need node and npm.
package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"strait/convex/internal/npmtest"
)

// TestPreludeBehavesAsThePackages runs the scripts of
// testdata/npm/conformance in Node, on the packages and on the prelude.
func TestPreludeBehavesAsThePackages(t *testing.T) {
	npm := npmtest.Dir(t)
	for _, script := range []string{"surface", "syscalls", "migrations"} {
		t.Run(script, func(t *testing.T) {
			file := filepath.Join(npm, "conformance", script+".ts")
			want := strings.Split(runScript(t, file, packages(npm)), "\n")
			got := strings.Split(runScript(t, file, prelude(t)), "\n")
			if len(want) < 300 {
				t.Fatalf("the script printed %d lines only: it no longer covers what it should", len(want))
			}
			compareLines(t, want, got)
		})
	}
}

func compareLines(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%d lines from the packages, %d from the prelude", len(want), len(got))
	}
	differ := 0
	for i := range min(len(want), len(got)) {
		if want[i] == got[i] {
			continue
		}
		if differ++; differ <= 5 {
			t.Errorf("line %d differs\npackages: %s\nprelude:  %s", i+1, want[i], got[i])
		}
	}
	if differ > 5 {
		t.Errorf("%d lines differ", differ)
	}
}

// Aliases say where a script's imports lead.
func packages(npm string) map[string]string {
	component := filepath.Join(npm, "node_modules/@convex-dev/migrations/dist/component")
	return map[string]string{
		"component/lib":    filepath.Join(component, "lib.js"),
		"component/schema": filepath.Join(component, "schema.js"),
	}
}

func prelude(t *testing.T) map[string]string {
	t.Helper()
	dir, err := filepath.Abs("../jsrun/prelude")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"convex/server":                        filepath.Join(dir, "convex/server.ts"),
		"convex/values":                        filepath.Join(dir, "convex/values.ts"),
		"@convex-dev/migrations":               filepath.Join(dir, "migrations/client.ts"),
		"@convex-dev/migrations/convex.config": filepath.Join(dir, "migrations/convex.config.ts"),
		"component/lib":                        filepath.Join(dir, "migrations/component/lib.ts"),
		"component/schema":                     filepath.Join(dir, "migrations/component/schema.ts"),
	}
}

// runScript bundles a script with some aliases and runs it.
func runScript(t *testing.T, file string, aliases map[string]string) string {
	t.Helper()
	resolve := api.Plugin{Name: "aliases", Setup: func(build api.PluginBuild) {
		build.OnResolve(api.OnResolveOptions{Filter: `^(convex|@convex-dev|component)/`}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: aliases[a.Path]}, nil // "": the packages, as usual
		})
	}}
	out := filepath.Join(t.TempDir(), "script.mjs")
	result := api.Build(api.BuildOptions{
		EntryPoints: []string{file}, Outfile: out, Bundle: true, Write: true, Platform: api.PlatformNode,
		Format: api.FormatESModule, Target: api.ES2023, KeepNames: true, Plugins: []api.Plugin{resolve},
	})
	for _, e := range result.Errors {
		t.Fatalf("bundle %s: %s", filepath.Base(file), e.Text)
	}
	node := exec.Command("node", out)
	var said strings.Builder
	node.Stderr = &said
	text, err := node.Output()
	if err != nil {
		t.Fatalf("node %s: %v\n%s", filepath.Base(file), err, said.String())
	}
	return string(text)
}

// TestTypeScriptIsSound type-checks the prelude, and the demo against the
// types of the packages.
func TestTypeScriptIsSound(t *testing.T) {
	npm := npmtest.Dir(t)
	root := demo(t, npm)
	if err := os.CopyFS(filepath.Join(root, "convex/_generated"), os.DirFS(filepath.Join(npm, "types"))); err != nil {
		t.Fatal(err)
	}
	checkTypes(t, npm, root, `"include": ["convex", "schemas"], "compilerOptions": {"skipLibCheck": true,`)
	p := prelude(t)
	dir := filepath.Dir(filepath.Dir(p["convex/server"]))
	paths := ""
	for _, name := range []string{"convex/server", "convex/values", "@convex-dev/migrations"} {
		paths += `"` + name + `": ["` + p[name] + `"],`
	}
	checkTypes(t, npm, t.TempDir(), `"include": ["`+dir+`"], "compilerOptions": {"skipLibCheck": true, "noUncheckedIndexedAccess": true, "paths": {`+strings.TrimSuffix(paths, ",")+`},`)
}

// checkTypes runs tsc on a tsconfig.json that begins with config.
func checkTypes(t *testing.T, npm, dir, config string) {
	t.Helper()
	text := "{" + config + ` "strict": true, "noEmit": true, "target": "ES2023", "lib": ["ES2023", "DOM", "DOM.Iterable"], "module": "ESNext", "moduleResolution": "Bundler", "types": []}}`
	if err := os.WriteFile(filepath.Join(dir, "tsconfig.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tsc := exec.Command("node", filepath.Join(npm, "node_modules/typescript/bin/tsc"), "-p", dir)
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("tsc: %v\n%s", err, out)
	}
}

// demo copies the demo project and installs the packages in the copy.
func demo(t *testing.T, npm string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "demo")
	if err := os.CopyFS(root, os.DirFS("../../testdata/demo")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(npm, "node_modules"), filepath.Join(root, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return root
}

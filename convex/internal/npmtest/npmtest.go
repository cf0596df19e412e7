// Package npmtest gives tests the unmodified npm packages that testdata/npm
// pins. Nothing but tests imports it.
package npmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Dir returns testdata/npm, absolute, with its node_modules installed: by
// npm ci when they are missing or of another lock file. The test is skipped
// where node or npm is missing, and fails there when STRAIT_NPM=require.
func Dir(t testing.TB) string {
	t.Helper()
	dir, missing, err := install()
	switch {
	case err != nil:
		t.Fatal(err)
	case missing != "" && os.Getenv("STRAIT_NPM") == "require":
		t.Fatal(missing)
	case missing != "":
		t.Skip(missing)
	}
	return dir
}

// Project copies a project to a temporary folder and gives it the packages,
// as an installation of its own would. It returns the copy's root.
func Project(t testing.TB, from string) string {
	t.Helper()
	modules := filepath.Join(Dir(t), "node_modules")
	root := filepath.Join(t.TempDir(), filepath.Base(from))
	if err := os.CopyFS(root, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(root, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return root
}

// install does its work once; later calls answer the same.
func install() (dir, missing string, err error) {
	once.Do(func() { found.dir, found.missing, found.err = find() })
	return found.dir, found.missing, found.err
}

var (
	once  sync.Once
	found struct {
		dir, missing string
		err          error
	}
)

func find() (dir, missing string, err error) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Sprintf("%s is not installed: this test needs Node 20 or newer, with npm", tool), nil
		}
	}
	_, file, _, _ := runtime.Caller(0)
	dir = filepath.Join(filepath.Dir(file), "..", "..", "..", "testdata", "npm")
	if dir, err = filepath.Abs(dir); err != nil {
		return "", "", err
	}
	if installed(dir) {
		return dir, "", nil
	}
	return dir, "", npmCI(dir)
}

// installed reports whether node_modules holds what the lock file says.
func installed(dir string) bool {
	want, err1 := versions(filepath.Join(dir, "package-lock.json"))
	have, err2 := versions(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err1 != nil || err2 != nil {
		return false
	}
	for name, p := range want {
		if name != "" && !p.Optional && !p.Peer && have[name].Version != p.Version {
			return false
		}
	}
	return true
}

type pinned struct {
	Version  string `json:"version"`
	Optional bool   `json:"optional"`
	Peer     bool   `json:"peer"`
}

func versions(lock string) (map[string]pinned, error) {
	text, err := os.ReadFile(lock)
	if err != nil {
		return nil, err
	}
	var file struct {
		Packages map[string]pinned `json:"packages"`
	}
	return file.Packages, json.Unmarshal(text, &file)
}

// npmCI installs beside the real place and moves it there, for several test
// binaries may do so at once.
func npmCI(dir string) (err error) {
	aside, err := os.MkdirTemp(dir, "node_modules.")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(aside, name), text, 0o644); err != nil {
			return err
		}
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts")
	npm.Dir = aside
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	modules := filepath.Join(dir, "node_modules")
	if !installed(dir) {
		if err := os.RemoveAll(modules); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(aside, "node_modules"), modules); err != nil && !(errors.Is(err, fs.ErrExist) && installed(dir)) {
			return fmt.Errorf("put the packages into place: %w", err)
		}
	}
	return nil
}

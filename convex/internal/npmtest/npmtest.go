// Package npmtest gives tests the unmodified npm packages of testdata/npm,
// installed once by npm ci from the committed lock file. Only tests import it.
package npmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
)

// Dir returns the absolute path of testdata/npm with its node_modules
// installed. Where node or npm is missing the test is skipped, saying so; with
// STRAIT_NPM=require, as in CI, it fails instead.
func Dir(t testing.TB) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "this test runs the unmodified npm packages and %s is not on the PATH: install Node 20 or newer", tool)
		}
	}
	dir, err := install()
	if err != nil {
		missing(t, "this test runs the unmodified npm packages: %v", err)
	}
	return dir
}

func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("STRAIT_NPM") == "require" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

var install = sync.OnceValues(func() (string, error) {
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		return "", fmt.Errorf("find testdata/npm: no caller information in this build")
	}
	dir := filepath.Join(filepath.Dir(here), "..", "..", "..", "testdata", "npm")
	// Test binaries of several packages run at once: one installs, the rest wait.
	lock, err := os.OpenFile(filepath.Join(dir, ".install-lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("open the lock of testdata/npm: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock testdata/npm: %w", err)
	}
	want, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", fmt.Errorf("read testdata/npm: %w", err)
	}
	// npm writes this file last.
	have, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err == nil && !have.ModTime().Before(want.ModTime()) {
		return dir, nil
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci in testdata/npm: %w\n%s", err, out)
	}
	return dir, nil
})

package ui_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The program holds the demo project, whole, and nothing that Strait left there
// when somebody opened it.
func TestTheDemoIsEmbeddedWithoutWhatStraitLeaves(t *testing.T) {
	dir := t.TempDir()
	demo := filepath.Join(dir, "testdata", "demo")
	if err := os.CopyFS(demo, os.DirFS("../testdata/demo")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(demo, ".strait")); err != nil {
		t.Fatal(err)
	}
	var want []string
	err := filepath.WalkDir(demo, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			want = append(want, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil || len(want) == 0 {
		t.Fatalf("%v %v", want, err)
	}
	text, err := os.ReadFile("../main.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": "module strait\n", "main.go": string(text),
		"testdata/demo/.strait/journal.jsonl": "{}\n", "testdata/demo/.strait/backups/prod.zip": "PK",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	list := exec.Command("go", "list", "-e", "-f", "{{join .EmbedFiles \"\\n\"}}", ".")
	list.Dir = dir
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("embedded %v, want %v", got, want)
	}
}

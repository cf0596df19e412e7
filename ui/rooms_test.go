package ui_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestRoomsKeepTheirFloors holds the arrows of design.md section 2:
// main -> ui -> convex/fleet -> {plan, convex/*} -> model.
func TestRoomsKeepTheirFloors(t *testing.T) {
	root := ".."
	seen := 0
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if file != root && (name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		room := path.Dir(filepath.ToSlash(rel))
		test := strings.HasSuffix(file, "_test.go")
		for _, imp := range parsed.Imports {
			if why := forbidden(room, strings.Trim(imp.Path.Value, `"`), test); why != "" {
				t.Errorf("%s imports %s: %s", rel, imp.Path.Value, why)
			}
		}
		seen++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Fatalf("looked at %d Go files only: the walk no longer covers the repository", seen)
	}
}

// floors says which of our own rooms each room may import.
var floors = []struct {
	room string
	may  []string
}{
	{"model/value", nil},
	{"model/schema", []string{"model"}},
	{"model/source", []string{"model/schema"}},
	{"plan", []string{"model"}},
	{"convex/jsrun", []string{"model"}},
	{"convex/wire", []string{"model"}},
	{"convex/snapshot", []string{"model"}},
	{"convex/local", []string{"model", "convex/jsrun", "convex/snapshot"}},
	{"convex/scan", []string{"model"}},
	{"convex/project", []string{"model", "convex/jsrun", "convex/scan"}},
	{"convex/census", []string{"model", "plan", "convex/wire", "convex/snapshot"}},
	{"convex/prove", []string{"model", "plan", "convex/jsrun", "convex/project", "convex/local"}},
	{"convex/internal/npmtest", nil},                                   // tests only
	{"convex/internal/awkward", nil},                                   // tests only
	{"convex/internal/archived", []string{"model", "convex/snapshot"}}, // tests only
	{"convex/fleet", []string{"model", "plan", "convex"}},
	{"ui", []string{"model", "plan", "convex"}},
	{".", []string{"ui"}},
}

func forbidden(room, imported string, test bool) string {
	in := func(prefix string) bool { return room == prefix || strings.HasPrefix(room, prefix+"/") }
	if !in("ui") && strings.HasPrefix(imported, "charm.land/") {
		return "only ui draws"
	}
	if !test && imported == "testing" && room != "convex/internal/npmtest" {
		return "product code never imports testing"
	}
	if !test && strings.HasPrefix(imported, "modernc.org/quickjs") && !in("convex/jsrun") {
		return "the engine hides behind convex/jsrun"
	}
	own, ok := strings.CutPrefix(imported, "strait/")
	if !ok {
		return ""
	}
	for _, f := range floors {
		if room != f.room && !strings.HasPrefix(room, f.room+"/") {
			continue
		}
		if own == f.room || strings.HasPrefix(own, f.room+"/") {
			return ""
		}
		may := f.may
		if test && strings.HasPrefix(room, "convex/") {
			may = append([]string{"convex"}, may...) // whole-path tests
		}
		for _, m := range may {
			if own == m || strings.HasPrefix(own, m+"/") {
				return ""
			}
		}
		return "against the floors of design.md section 2"
	}
	if test {
		return "" // a folder of tests only
	}
	return "this folder is no room of design.md section 2"
}

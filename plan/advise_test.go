package plan

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// kinds are all kinds of change, read from the source of diff.go so that a new
// one cannot be forgotten.
func kinds(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "diff.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			for _, v := range spec.(*ast.ValueSpec).Values {
				if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					kind, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					out = append(out, kind)
				}
			}
		}
	}
	if len(out) < 22 {
		t.Fatalf("only %d kinds were found in diff.go", len(out))
	}
	return out
}

func TestEveryKindHasItsTactic(t *testing.T) {
	for _, kind := range kinds(t) {
		if tactics[kind] == nil {
			t.Errorf("kind %s has no tactic of its own", kind)
			continue
		}
		s := &situation{row: Row{Table: "users", Path: "users.role"}, main: Change{Kind: kind, Table: "users", Path: "users.role"}}
		got := s.tactic()
		if got.strategy == "" || got.because == "" || len(got.deploys) == 0 {
			t.Errorf("%s: %+v says too little", kind, got)
		}
		for _, d := range got.deploys {
			if d.Title == "" || d.Does == "" || d.RollBack == "" || strings.Contains(d.Does+d.RollBack, "%!") {
				t.Errorf("%s: %+v says too little", kind, d)
			}
		}
	}
}

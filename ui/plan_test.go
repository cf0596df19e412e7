package ui

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// The plan's JSON keeps its shape: README lists it, and other programs read it.
func TestPlanJSONKeepsItsShape(t *testing.T) {
	report := planReport{Version: 1, Plan: plan.Plan{
		Rows: []plan.Row{{Migrations: []string{}, Path: "p", Table: "t", Class: plan.Safe, Cells: []plan.Cell{{}}}},
		Envs: []plan.EnvPlan{{Changes: []plan.Change{}, Progress: map[string]plan.Step{}}},
	}, Review: sceneReview()}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	keys := func(v any) string { return strings.Join(slices.Sorted(maps.Keys(v.(map[string]any))), " ") }
	first := func(name string) any { return got[name].([]any)[0] }
	for _, c := range []struct{ what, got, want string }{
		{"the plan", keys(got), "changes envs hazards merge order project rows target version"},
		{"a row", keys(first("rows")), "cells class migrations path table title"},
		{"a cell", keys(first("rows").(map[string]any)["cells"].([]any)[0]), "migrate narrow widen"},
		{"an environment", keys(first("envs")), "changes class env migrate migrations narrow widen"},
		{"a change", keys(got["changes"].([]any)[1]), "because class deploys kinds migrations path push scaffold strategy table title why widened witness"},
		{"a scaffold", keys(got["changes"].([]any)[1].(map[string]any)["scaffold"]), "code file title todo"},
		{"a hazard", keys(first("hazards")), "code migration rule safe severity site table what why"},
		{"a stage", keys(got["order"].([]any)[1]), "after doing env groups next number state title why"},
		{"the merge", keys(got["merge"]), "allowed missing"},
		{"a lack", keys(got["merge"].(map[string]any)["missing"].([]any)[0]), "code env hint why"},
	} {
		if c.got != c.want {
			t.Errorf("%s has the parts %s, documented are %s", c.what, c.got, c.want)
		}
	}
}

// A reader of the JSON can go over every list without asking whether it is there.
func TestPlanJSONHasNoNull(t *testing.T) {
	for _, d := range []planDoc{
		{},
		{plan: plan.Plan{Rows: []plan.Row{{}}, Envs: []plan.EnvPlan{{}}}, review: plan.Review{Changes: []plan.Advice{{}}, Hazards: []plan.Hazard{{}}, Order: []plan.Stage{{}}}},
	} {
		text, err := json.Marshal(newPlanReport(&d))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "null") {
			t.Errorf("a list is null: %s", text)
		}
	}
}

func TestPlanVerb(t *testing.T) {
	dir := verbsProject(t)
	out, errs, code := strait(t, dir, "plan", "--markdown")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{"# Migration plan of lantern", "may not be merged yet", "| users.avatarUrl is removed |", "## Hazards", "## Order", "### teams.plan becomes required", "```ts\ndefineTable({"} {
		if !strings.Contains(out, want) {
			t.Errorf("the Markdown lacks %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "<details>"); n == 0 || n != strings.Count(out, "</details>") {
		t.Errorf("%d details open, %d close", n, strings.Count(out, "</details>"))
	}
	_, errs, code = strait(t, dir, "plan", "--markdown", "--widened")
	if code != 2 {
		t.Errorf("both at once: exit %d: %s", code, errs)
	}
	_, errs, code = strait(t, dir, "plan", "--env", "nowhere")
	if code != 2 || !strings.Contains(errs, "lab, vault") {
		t.Errorf("an unknown environment: exit %d: %s", code, errs)
	}
}

// The plan and the gate give one answer where the only environment is one that
// nobody listed.
func TestPlanOfNoEnvironmentAgreesWithGate(t *testing.T) {
	dir := gateProject(t, "")
	for _, args := range [][]string{{"plan"}, {"plan", "--markdown"}} {
		out, errs, _ := strait(t, dir, args...)
		if strings.Contains(out, "may be merged") || !strings.Contains(out, "may not be merged yet") {
			t.Errorf("%v tells the target may be merged, the gate refuses it: %s%s", args, out, errs)
		}
	}
}

// Nothing is called clean of a project whose target does not load.
func TestPlanOfNoTargetClaimsNothing(t *testing.T) {
	out, errs, _ := strait(t, brokenProject(t), "plan", "--markdown")
	for _, lie := range []string{"No hazard was found", "Nothing has to be done", "Nothing to migrate", "Nothing has to be migrated", "target  may"} {
		if strings.Contains(out, lie) {
			t.Errorf("the Markdown says %q: %s%s", lie, out, errs)
		}
	}
}

// The Markdown's grid says what the text's says of a run that stopped.
func TestMarkdownGridKnowsRuns(t *testing.T) {
	row := plan.Row{Title: "users.a is removed", Migrations: []string{"m:a"}, Cells: []plan.Cell{{
		Widen: plan.Step{State: plan.Done}, Migrate: plan.Step{State: plan.Todo, Next: "run m:a"}, Narrow: plan.Step{State: plan.Blocked}}}}
	d := planDoc{plan: plan.Plan{Rows: []plan.Row{row}, Envs: []plan.EnvPlan{{Env: "dev"}}}, runs: []map[string]fleet.Run{{"m:a": {State: "canceled", Processed: 8}}}}
	if got := d.markdown(); !strings.Contains(got, "| ○ resume |") {
		t.Errorf("the grid lacks resume:\n%s", got)
	}
}

// What plan --widened writes is a schema file that loads as the widened schema.
func TestWidenedSchemaLoadsAsItself(t *testing.T) {
	dir := lab(t, 10)
	config := "target = \"convex/schema.ts\"\n[[env]]\nname = \"old\"\ngenerate = { users = 5 }\nschema = \"schemas/before.ts\"\n[[env]]\nname = \"new\"\ngenerate = { teams = 1 }\nschema = \"target\"\n"
	if err := os.WriteFile(filepath.Join(dir, "strait.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := strait(t, dir, "plan", "--widened")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	file := filepath.Join(dir, "convex", "widened.ts")
	if err := os.WriteFile(file, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func(spec string) string {
		s, err := project.LoadSchema(context.Background(), dir, spec)
		if err != nil {
			t.Fatal(err)
		}
		return s.TypeScript()
	}
	if got := load("convex/widened.ts"); got != out {
		t.Errorf("written\n%s\nand loaded\n%s", out, got)
	}
	for _, spec := range []string{"schemas/before.ts", "target"} {
		out, errs, code := strait(t, dir, "diff", spec, "convex/widened.ts", "--json")
		if spec == "target" {
			out, errs, code = strait(t, dir, "diff", "convex/schema.ts", "convex/widened.ts", "--json")
		}
		if code != 0 || !strings.Contains(out, `"class": "safe"`) && !strings.Contains(out, `"class":"safe"`) && !strings.Contains(out, "index") {
			t.Errorf("%s -> widened must be safe: exit %d %s\n%s", spec, code, errs, out)
		}
		if strings.Contains(out, "breaking") || strings.Contains(out, "destructive") {
			t.Errorf("%s -> widened breaks:\n%s", spec, out)
		}
	}
}

func TestHazardsVerb(t *testing.T) {
	dir := t.TempDir()
	out, _, code := strait(t, dir, "hazards")
	if n := strings.Count(out, "\n"); code != 0 || n != len(plan.Rules()) || !strings.Contains(out, "SW101  danger") {
		t.Errorf("exit %d, %d lines:\n%s", code, n, out)
	}
	out, _, code = strait(t, dir, "hazards", "sw202")
	if code != 0 || !strings.HasPrefix(out, "SW202 not-idempotent (danger at worst)") || !strings.Contains(out, "safe way: ") {
		t.Errorf("exit %d: %s", code, out)
	}
	if _, errs, code := strait(t, dir, "hazards", "SW999"); code != 2 || !strings.Contains(errs, "strait hazards lists them") {
		t.Errorf("exit %d: %s", code, errs)
	}
	var rules []plan.Rule
	if out, _, _ := strait(t, dir, "hazards", "--json"); json.Unmarshal([]byte(out), &rules) != nil || len(rules) != len(plan.Rules()) || rules[0].Why == "" {
		t.Errorf("JSON: %s", out)
	}
}

package ui

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"strait/model/schema"
	"strait/model/source"
	"strait/plan"
)

// sceneReview is a review of the scenes' plan, as long as real ones are.
func sceneReview() plan.Review {
	text := &schema.Validator{Kind: schema.String}
	return plan.Review{
		Changes: []plan.Advice{{
			Title: "orders.price changes type", Table: "orders", Path: "orders.price", Class: plan.Breaking, Why: "numbers that are stored do not fit",
			Push: "Convex refuses it: Value does not match validator.", Strategy: plan.DualRead, Because: "old code writes numbers until it is gone",
			Migrations: []string{"migrations:priceToString"},
		}, {
			Title: "users.plan becomes required", Table: "users", Path: "users.plan", Kinds: []string{plan.OptionalToRequired}, Class: plan.Breaking,
			Why:      "documents that lack it do not fit",
			Push:     "Convex refuses it while a document lacks the field: Object is missing the required field `plan`.",
			Strategy: plan.DualWrite, Because: "code that always writes it costs nothing, and no reader has to guess",
			Widened: "defineTable({\n  name: v.string(),\n  plan: v.optional(v.union(v.literal(\"free\"), v.literal(\"pro\"))),\n})",
			Deploys: []plan.Deploy{
				{Title: "Deploy the widened schema", Does: "with code that writes `plan` into every new document", RollBack: "deploy the former code: documents with the field still fit"},
				{Title: "Migrate", Does: "run `setDefaultPlan`", RollBack: "nothing to undo: the widened schema takes both"},
			},
			Scaffold: &plan.Snippet{Title: "A draft of the migration", File: "convex/migrations.ts", Todo: []string{"the plan of users that never chose one"},
				Code: "export const backfillPlan = migrations.define({\n  table: \"users\",\n  batchSize: 100,\n  migrateOne: async (ctx, user) => {\n    if (user.plan !== undefined) return;\n    return { plan: \"free\" as const }; // TODO\n  },\n});\n"},
			Witness: `{"name":"Ada"}`,
		}},
		Hazards: []plan.Hazard{
			{Code: "SW201", Rule: "not-idempotent", Severity: plan.Danger, Table: "orders", Migration: "migrations:priceToString", Site: &source.Site{File: "convex/migrations.ts", Line: 66},
				What: "priceToString multiplies orders.price and does not look whether it did", Why: "a second run multiplies again", Safe: "return early for documents that already fit"},
			{Code: "SW102", Rule: "field-deleted", Severity: plan.Warning, Table: "users", Path: "users.profile", Env: "prod", What: "users.profile is removed in one step", Why: "what is stored there is lost", Safe: "make it optional first",
				Waived: "nobody ever read it"},
		},
		Order: []plan.Stage{
			{Number: 1, Env: "dev", Doing: plan.DeployWidened, Title: "deploy the widened schema", State: plan.Done},
			{Number: 2, Env: "staging", Doing: plan.Migrate, Title: "migrate", State: plan.Failed, Why: "priceToString failed", After: []int{1},
				Groups: [][]string{{"migrations:setDefaultPlan", "migrations:removeOrphans"}, {"migrations:splitProfile"}}, Next: "strait run migrations:runAll --env staging"},
			{Number: 3, Env: "prod", Doing: plan.DeployTarget, Title: "deploy the target", State: plan.Blocked, Why: "every environment must be clean first", After: []int{1, 2}, Next: "npx convex deploy"},
		},
		Merge: plan.Merge{Missing: []plan.Lack{
			{Env: "staging", Refusal: plan.Refusal{Code: "offenders", Why: "staging: 19,204 documents do not fit the target", Hint: "migrate them, then take a census"}},
			{Env: "prod", Refusal: plan.Refusal{Code: "census-missing", Why: "it is not known how many documents misfit in users", Hint: "strait census --env prod"}},
		}},
		Widened: &schema.Schema{Validation: true, Tables: []*schema.Table{{Name: "users", Document: &schema.Validator{Kind: schema.Object, Fields: []schema.Field{{Name: "name", Type: text}, {Name: "plan", Type: text, Optional: true}}}}}},
	}
}

func TestPlanPage(t *testing.T) {
	m, e := screen(t, scene("idle"), 100, 30)
	m = press(onRow(m, "users.plan"), "P")
	if got := plainScreen(m); !strings.Contains(got, "may not be merged yet: 2 things are missing") || !strings.Contains(got, "strait census --env prod") {
		t.Fatalf("the overview:\n%s", got)
	}
	m = press(m, "]")
	if got := plainScreen(m); !strings.Contains(got, "orders.price changes type") {
		t.Errorf("after ] from users.plan, the last change, the first should show:\n%s", got)
	}
	m = press(m, "[", "G")
	if got := plainScreen(m); !strings.Contains(got, "backfillPlan") {
		t.Errorf("the end of users.plan should show the draft:\n%s", got)
	}
	if m.roll == 0 {
		t.Error("the page did not roll")
	}
	var copied string
	_, cmd := m.Update(keyMsg("y"))
	for _, msg := range all(cmd) {
		if s := fmt.Sprint(msg); strings.Contains(s, "export const") {
			copied = s
		}
	}
	if !strings.HasPrefix(copied, "export const backfillPlan") {
		t.Errorf("copied %q", copied)
	}
	m = press(m, "right", "right", "right")
	if got := plainScreen(m); !strings.Contains(got, "defineTable") {
		t.Errorf("the widened schema:\n%s", got)
	}
	if m = press(m, "esc"); m.page != fleetPage {
		t.Errorf("esc left on page %d", m.page)
	}
	e.err = errors.New("read convex/orders.ts: permission denied")
	m.book = book{}
	if got := plainScreen(press(m, "P")); !strings.Contains(got, "permission denied") {
		t.Errorf("an error must show:\n%s", got)
	}
}

// The plan follows what happens, but no more often than it rests.
func TestPlanPageFreshens(t *testing.T) {
	m, e := screen(t, scene("idle"), 100, 30)
	m = press(m, "P")
	next := *m.snap
	next.Seq++
	e.review.Merge = plan.Merge{Allowed: true}
	m, _ = m.Update(snapped{&next})
	m, cmd := m.Update(ticked{m.gen})
	m = settle(m, cmd)
	if m.book.doc.review.Merge.Allowed {
		t.Error("reviewed again at once")
	}
	m.book.at = m.book.at.Add(-restReview)
	m, cmd = m.Update(ticked{m.gen})
	m = settle(m, cmd)
	if got := plainScreen(m); !strings.Contains(got, "may be merged") {
		t.Errorf("not reviewed again:\n%s", got)
	}
	m, cmd = m.Update(tea.WindowSizeMsg{Width: 60, Height: 30})
	m = settle(m, cmd)
	for i, line := range strings.Split(plainScreen(m), "\n") {
		if n := ansi.StringWidth(line); n != 60 {
			t.Errorf("line %d is %d wide: %q", i, n, line)
		}
	}
}

// all runs a command and gives the messages of its batch.
func all(cmd tea.Cmd) (out []tea.Msg) {
	if cmd == nil {
		return nil
	}
	if batch, ok := cmd().(tea.BatchMsg); ok {
		for _, c := range batch {
			out = append(out, all(c)...)
		}
		return out
	}
	return append(out, cmd())
}

var codeParts = regexp.MustCompile("(?s)```.*?```|`[^`]*`")

// What a project calls its tables and fields stays what it is.
func TestMarkdownKeepsForeignTextForeign(t *testing.T) {
	for _, s := range []string{"# no head", "*no* _stress_", "a | b", "<script>", "`", "``x``", "[link](http://x)", "```", "1. no list", "\x1b[31mred", "a\nb", "![](x)", "&lt;", "~~no~~", "`id`", "` `", "it's `a", "|"} {
		d := planDoc{project: s, target: s, plan: plan.Plan{Rows: []plan.Row{{Title: s, Migrations: []string{s}}}}, review: plan.Review{
			Changes: []plan.Advice{{Title: s, Why: s, Witness: s, Widened: s, Scaffold: &plan.Snippet{Title: s, File: s, Code: s, Todo: []string{s}}}},
			Hazards: []plan.Hazard{{Code: "SW101", Rule: s, Severity: plan.Danger, What: s, Why: s, Safe: s}},
			Order:   []plan.Stage{{Number: 1, Env: s, Title: s, Next: s, Groups: [][]string{{s}}}},
		}}
		lines, err := rendered(d.section(hazardSection, rowKey{}), 80, true, false)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(lines, "\n")
		for _, r := range got {
			if r == '\x1b' || r == '\n' || r >= ' ' {
				continue
			}
			t.Errorf("%q: control %q reached the screen", s, r)
		}
		if want := strings.Join(strings.Fields(clean(s)), " "); !strings.Contains(strings.Join(strings.Fields(ansi.Strip(got)), " "), strings.Trim(want, "`")) {
			t.Errorf("%q shows as\n%s", s, ansi.Strip(got))
		}
		if text := codeParts.ReplaceAllString(d.markdown(), ""); strings.Contains(text, "<script") {
			t.Errorf("%q went through as HTML:\n%s", s, text)
		}
	}
}

func TestRenderingFits(t *testing.T) {
	d := planDoc{project: "harbor", target: "convex/schema.ts", plan: scene("idle").Plan, review: sceneReview(), verb: "strait"}
	for _, w := range []int{20, 40, 80, 200} {
		for s := range planSections {
			lines, err := rendered(d.section(s, rowKey{"users", "users.plan", "users.plan becomes required"}), w, true, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range lines {
				if n := ansi.StringWidth(line); n > w {
					t.Errorf("section %d at %d: %d cells: %q", s, w, n, line)
				}
			}
		}
	}
}

func BenchmarkPlanPage(b *testing.B) {
	d := planDoc{project: "harbor", target: "convex/schema.ts", plan: scene("idle").Plan, review: sceneReview(), verb: "strait"}
	for b.Loop() {
		if _, err := rendered(d.section(changeSection, rowKey{"users", "users.plan", "users.plan becomes required"}), 120, true, false); err != nil {
			b.Fatal(err)
		}
	}
}

package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strait/convex/fleet"
	"strait/plan"
)

// planDoc is a reviewed plan as people read it: the screen's Plan page, and
// the Markdown that strait plan writes for a pull request.
type planDoc struct {
	project, target string
	plan            plan.Plan
	review          plan.Review
	verb            string                 // how Strait is called: "strait", or "go run ."
	runs            []map[string]fleet.Run // of the plan's environments, where they are known
	signs           *glyphs                // nil: those of Unicode
}

// markdown is the whole document.
func (d *planDoc) markdown() string {
	var w mdWriter
	w.head(1, "Migration plan of "+mdText(d.project))
	d.verdict(&w)
	d.overview(&w)
	w.head(2, "Hazards")
	d.hazards(&w)
	w.head(2, "Order")
	d.order(&w)
	if len(d.review.Changes) > 0 {
		w.head(2, "Changes")
	}
	told := d.recurring(&w)
	for i := range d.review.Changes {
		w.head(3, mdText(d.review.Changes[i].Title))
		d.change(&w, &d.review.Changes[i], true, told)
	}
	d.tables(&w)
	return w.String()
}

// stepText is what is said of the steps of one title.
type stepText struct{ title, text string }

// recurring tells once what would be said of many changes' steps.
func (d *planDoc) recurring(w *mdWriter) map[stepText]bool {
	times := map[stepText]int{}
	told := map[stepText]bool{}
	for _, a := range d.review.Changes {
		for _, s := range a.Deploys {
			times[stepText{s.Title, s.Does}]++
			times[stepText{s.Title, s.RollBack}]++
		}
	}
	for _, a := range d.review.Changes {
		for _, s := range a.Deploys {
			does, back := stepText{s.Title, s.Does}, stepText{s.Title, s.RollBack}
			if times[does] < 3 && times[back] < 3 || told[does] || told[back] {
				continue
			}
			if len(told) == 0 {
				w.para("Said once, for steps of these names that say nothing else:")
			}
			line := "**" + mdText(s.Title) + "**"
			if told[does] = times[does] > 2; told[does] {
				line += mdAfter(": ", s.Does)
			}
			if told[back] = times[back] > 2; told[back] {
				line += " *Roll back:*" + mdAfter(" ", s.RollBack)
			}
			w.item("%s", line)
		}
	}
	if len(told) > 0 {
		w.gap()
	}
	return told
}

// tables are the widened tables, each once however many of its fields change.
func (d *planDoc) tables(w *mdWriter) {
	seen := map[string]bool{}
	for _, a := range d.review.Changes {
		if a.Widened == "" || seen[a.Table] {
			continue
		}
		if len(seen) == 0 {
			w.head(2, "Widened tables")
			w.para("To deploy first; %s writes the whole schema.", mdCode(d.verb+" plan --widened"))
		}
		seen[a.Table] = true
		d.code(w, a.Table, "ts", a.Widened, true)
	}
}

// verdict is whether the target may be merged.
func (d *planDoc) verdict(w *mdWriter) {
	if d.review.Merge.Allowed {
		w.para("**The target%s may be merged:** every environment is clean.", d.named())
	} else {
		w.para("**The target%s may not be merged yet:** %s.", d.named(), missing(len(d.review.Merge.Missing)))
	}
}

// overview is what is missing, the grid and every environment's checklist.
func (d *planDoc) overview(w *mdWriter) {
	if len(d.review.Merge.Missing) > 0 {
		w.para("**What is missing**")
		for _, l := range d.review.Merge.Missing {
			text := mdText(l.Why)
			if l.Env != "" {
				text = "**" + mdText(l.Env) + "**: " + strings.TrimPrefix(text, mdText(l.Env)+": ")
			}
			w.item("%s%s", text, mdAfter(" → ", l.Hint))
		}
		w.gap()
	}
	d.grid(w)
	d.checklists(w)
}

// named is the target's name after a word; a target that nobody found has none.
func (d *planDoc) named() string {
	if d.target == "" {
		return ""
	}
	return " " + mdCode(d.target)
}

// unread reports whether an environment or the target is not known, so that
// an empty list means nothing.
func (d *planDoc) unread() bool {
	return slices.ContainsFunc(d.plan.Envs, func(e plan.EnvPlan) bool { return e.Narrow.State == plan.Unknown })
}

// nothing says what a plan without a row means.
func (d *planDoc) nothing() string {
	if d.unread() {
		return "No change is known: something could not be read"
	}
	return "Nothing to migrate: every environment fits the target"
}

func (d *planDoc) runsOf(env int) map[string]fleet.Run {
	if env < len(d.runs) {
		return d.runs[env]
	}
	return nil
}

// runsIn are the runs of a snapshot's environments.
func runsIn(s *fleet.Snapshot) (out []map[string]fleet.Run) {
	for _, e := range s.Envs {
		out = append(out, e.Runs)
	}
	return out
}

func missing(n int) string {
	if n == 1 {
		return "one thing is missing"
	}
	return fmt.Sprintf("%d things are missing", n)
}

func mdAfter(sep, s string) string {
	if s == "" {
		return ""
	}
	return sep + mdText(s)
}

func (d *planDoc) grid(w *mdWriter) {
	if len(d.plan.Rows) == 0 {
		w.para("%s.", d.nothing())
		return
	}
	head := []string{"change or migration", "migration"}
	for _, e := range d.plan.Envs {
		head = append(head, mdText(e.Env))
	}
	rows := [][]string{head}
	for i := range d.plan.Rows {
		r := &d.plan.Rows[i]
		var names []string
		for _, n := range r.Migrations {
			names = append(names, mdCode(short(n)))
		}
		line := []string{mdText(r.Title), strings.Join(names, " ")}
		for j := range r.Cells {
			st := stand(r, &r.Cells[j], d.runsOf(j))
			line = append(line, mdText(d.sign(st.state)+" "+st.text()))
		}
		rows = append(rows, line)
	}
	w.table(rows)
}

func (d *planDoc) checklists(w *mdWriter) {
	rows := [][]string{{"environment", "widen", "migrate", "narrow"}}
	for _, e := range d.plan.Envs {
		line := []string{mdText(e.Env)}
		for _, st := range []plan.Step{e.Widen, e.Migrate, e.Narrow} {
			line = append(line, mdText(d.sign(st.State))+" **"+st.State.Word()+"**"+mdAfter(" ", cmp.Or(st.Why, st.Evidence)))
		}
		rows = append(rows, line)
	}
	if len(rows) > 1 {
		w.table(rows)
	}
}

// sign sets a state apart before its word is read.
func (d *planDoc) sign(s plan.State) string {
	if d.signs == nil {
		return unicodeGlyphs.state(s)
	}
	return d.signs.state(s)
}

// ended reports whether a migration is done in an environment.
func (d *planDoc) ended(env, migration string) bool {
	i := slices.IndexFunc(d.plan.Envs, func(e plan.EnvPlan) bool { return e.Env == env })
	return i >= 0 && d.plan.Envs[i].Progress[migration].State == plan.Done
}

// hazards lists what can go wrong, worst first.
func (d *planDoc) hazards(w *mdWriter) {
	if len(d.review.Hazards) == 0 {
		if d.unread() {
			w.para("Hazards are not known: the plan was not made of all that it needs.")
		} else {
			w.para("No hazard was found.")
		}
		return
	}
	for _, g := range hazardGroups(d.review.Hazards) {
		w.para("**%s**", hazardName(g[0]))
		for _, h := range g {
			w.item("%s", mdCase(h))
		}
		w.gap()
		if g[0].Waived != "" {
			w.para("*Waived:* %s", mdText(g[0].Waived))
		} else {
			w.para("*Why:* %s", mdText(g[0].Why))
			w.para("*Safe way:* %s", mdText(g[0].Safe))
		}
	}
}

// hazardGroups puts neighbours of one rule that say the same of different
// cases together.
func hazardGroups(all []plan.Hazard) (out [][]plan.Hazard) {
	for _, h := range all {
		if n := len(out); n > 0 {
			if g := out[n-1][0]; g.Code == h.Code && g.Severity == h.Severity && g.Why == h.Why && g.Safe == h.Safe && g.Waived == h.Waived {
				out[n-1] = append(out[n-1], h)
				continue
			}
		}
		out = append(out, []plan.Hazard{h})
	}
	return out
}

func hazardName(h plan.Hazard) string {
	return fmt.Sprintf("%s %s %s", h.Code, strings.ToUpper(string(h.Severity)), mdText(h.Rule))
}

// mdCase is one case of a hazard, with its place in the code.
func mdCase(h plan.Hazard) string {
	text := mdText(h.What)
	if h.Site != nil {
		text += " at " + mdCode(fmt.Sprintf("%s:%d", h.Site.File, h.Site.Line))
	}
	return text
}

// order is the whole fleet's plan, stage by stage.
func (d *planDoc) order(w *mdWriter) {
	if len(d.review.Order) == 0 {
		if d.unread() {
			w.para("The order is not known: the plan was not made of all that it needs.")
		} else {
			w.para("Nothing has to be done.")
		}
		return
	}
	for _, s := range d.review.Order {
		box := " "
		if s.State == plan.Done {
			box = "x"
		}
		line := fmt.Sprintf("- [%s] **%d. %s**: %s", box, s.Number, mdText(s.Title), s.State.Word())
		if s.State != plan.Done {
			line += mdAfter(", ", s.Why)
		}
		w.WriteString(line + "\n")
		if s.State != plan.Done {
			d.stage(w, s)
		}
	}
	w.gap()
}

func (d *planDoc) stage(w *mdWriter, s plan.Stage) {
	for i, g := range s.Groups {
		names := make([]string, len(g))
		for j, n := range g {
			if names[j] = mdCode(n); d.ended(s.Env, n) {
				names[j] += " (done)"
			}
		}
		word := "then "
		if i == 0 {
			word = ""
		}
		if len(g) > 1 {
			word += "together "
		}
		w.WriteString("  - " + word + strings.Join(names, ", ") + "\n")
	}
	if s.Next != "" {
		next := mdText(s.Next)
		if strings.HasPrefix(s.Next, "strait ") || strings.HasPrefix(s.Next, "npx ") {
			next = mdCode(s.Next)
		}
		w.WriteString("  - next: " + next + "\n")
	}
}

// change is how to carry out one change. fold hides the code behind
// headings that open, as GitHub shows them, and leaves the widened table to
// tables. What was told of its steps already is left out.
func (d *planDoc) change(w *mdWriter, a *plan.Advice, fold bool, told map[stepText]bool) {
	w.para("**%s**: %s", mdText(string(a.Class)), mdText(a.Why))
	if a.Push != "" {
		w.para("At a push: %s", mdText(a.Push))
	}
	if len(a.Migrations) > 0 {
		names := make([]string, len(a.Migrations))
		for i, n := range a.Migrations {
			names[i] = mdCode(n)
		}
		w.para("Covered by %s.", strings.Join(names, ", "))
	} else if a.Scaffold != nil {
		w.para("**No migration covers it.** A draft is below.")
	}
	if a.Strategy != "" && a.Strategy != plan.NoDual {
		w.para("**%s**: %s", mdText(string(a.Strategy)), mdText(a.Because))
	} else if a.Because != "" {
		w.para("%s", mdText(a.Because))
	}
	for i, s := range a.Deploys {
		does := s.Does
		if told[stepText{s.Title, s.Does}] {
			does = ""
		}
		fmt.Fprintf(w, "%d. **%s**%s\n", i+1, mdText(s.Title), mdAfter(": ", does))
		if s.RollBack != "" && !told[stepText{s.Title, s.RollBack}] {
			fmt.Fprintf(w, "   - roll back: %s\n", mdText(s.RollBack))
		}
	}
	if len(a.Deploys) > 0 {
		w.gap()
	}
	if a.Witness != "" {
		d.code(w, "A document that fits today and not the target", "json", a.Witness, fold)
	}
	if a.Widened != "" && !fold {
		d.code(w, "The widened table, to deploy first", "ts", a.Widened, fold)
	}
	if a.Scaffold != nil {
		d.snippet(w, *a.Scaffold, fold)
	}
	for _, s := range a.Snippets {
		d.snippet(w, s, fold)
	}
}

func (d *planDoc) snippet(w *mdWriter, s plan.Snippet, fold bool) {
	title := s.Title
	if s.File != "" {
		title += ", in `" + s.File + "`"
	}
	d.code(w, title, "ts", s.Code, fold)
	for _, t := range s.Todo {
		w.item("to choose: %s", mdText(t))
	}
	if len(s.Todo) > 0 {
		w.gap()
	}
}

func (d *planDoc) code(w *mdWriter, title, language, code string, fold bool) {
	if fold {
		w.para("<details><summary>%s</summary>", htmlText(strings.ReplaceAll(title, "`", "")))
		w.block(language, code)
		w.para("</details>")
		return
	}
	w.para("**%s**", mdText(title))
	w.block(language, code)
}

var htmlSigns = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

func htmlText(s string) string { return htmlSigns.Replace(clean(s)) }

// widened is the schema to deploy everywhere first.
func (d *planDoc) widened(w *mdWriter) {
	if d.review.Widened == nil {
		w.para("The widened schema is not known: no environment's schema is, or the target did not load.")
		return
	}
	w.para("Deploy this to every environment first: it accepts what any of them holds now and what the target accepts. %s writes it.",
		mdCode(d.verb+" plan --widened"))
	w.block("ts", d.review.Widened.TypeScript())
}

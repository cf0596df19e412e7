package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// proveLadder is the documents a row that can be chosen.
var proveLadder = []int{500, 2000, 10000, 50000}

const (
	chooseRows      = "rows"
	chooseDocuments = "documents"
	chooseSeed      = "seed"
	chooseFrom      = "of"
)

// askProve asks what to search. Another search offers the next seed where the
// last one found nothing, and the same one where it is to be seen whether a
// mended migration holds.
func (m Root) askProve() (Root, tea.Cmd) {
	if why := blockedProve(m); why != "" {
		return m.tell(toastWarn, why)
	}
	last, refuted := uint64(0), false
	for _, x := range m.snap.Proofs {
		last, refuted = max(last, x.Seed), refuted || x.Verdict == plan.Refuted
	}
	rows := choice{label: chooseRows, options: []option{{"all", "every change that documents must be migrated for"}}}
	if row := m.proofRow(); row != "" {
		rows.options = append(rows.options, option{row, "this one only"})
	}
	docs := choice{label: chooseDocuments, at: 1}
	for _, n := range proveLadder {
		docs.options = append(docs.options, option{count(int64(n)) + " a row", ""})
	}
	if i := slices.Index(proveLadder, m.proved.Documents); i >= 0 {
		docs.at = i
	}
	seed := choice{label: chooseSeed}
	for i := range uint64(9) {
		seed.options = append(seed.options, option{strconv.FormatUint(max(1, last)+i, 10), "the same seed makes up the same documents"})
	}
	if last > 0 && !refuted {
		seed.at = 1
	}
	from := choice{label: chooseFrom}
	for i := range m.snap.Envs {
		if e := &m.snap.Envs[i]; e.State == fleet.Ready {
			if e.Name == m.env {
				from.at = len(from.options)
			}
			from.options = append(from.options, option{e.Name, "made-up documents of the schema that is deployed there, and a sample of the real ones: it is read, nothing is written"})
		}
	}
	from.options = append(from.options, option{"no environment", "made-up documents only"})
	if m.proved.Documents > 0 && m.proved.Env == "" {
		from.at = len(from.options) - 1
	}
	f := form{choices: []choice{rows, docs, seed, from}}
	m.ask = ask{kind: askAction, title: "Search for a counterexample?", yes: "search", form: f, cmd: m.proveCommand(f),
		notes: []string{"Your migrations run on this machine only; nothing is written to a deployment."}}
	m.ask.shell = m.shell(m.ask.cmd)
	return m, nil
}

// proofRow is the row that a search can be narrowed to.
func (m Root) proofRow() string {
	if r := m.proofReport(); r.at >= 0 && r.at < len(m.snap.Proofs) {
		return m.snap.Proofs[r.at].Title
	}
	if f := m.focus(); f.row != nil && len(f.row.Changes) > 0 {
		return f.row.Title
	}
	return ""
}

// proveCommand is what a form asks for.
func (m Root) proveCommand(f form) fleet.Command {
	o := &fleet.ProveOptions{Documents: proveLadder[min(max(0, f.pick(chooseDocuments)), len(proveLadder)-1)]}
	for i := range f.choices {
		c := &f.choices[i]
		switch {
		case c.label == chooseRows && c.at > 0:
			o.Rows = []string{c.chosen().text}
		case c.label == chooseSeed:
			o.Seed, _ = strconv.ParseUint(c.chosen().text, 10, 64)
		case c.label == chooseFrom && c.at < len(c.options)-1:
			o.Env = c.chosen().text
		}
	}
	return fleet.Command{Action: plan.ActProve, Env: o.Env, Prove: o, By: "screen"}
}

// startProof shows the search that is sent.
func (m Root) startProof(cmd fleet.Command) (Root, string) {
	m.proved = *cmd.Prove
	m = m.visit(provePage)
	m.proof.whole = false
	what := "every row"
	if len(cmd.Prove.Rows) > 0 {
		what = cmd.Prove.Rows[0]
	}
	return m, fmt.Sprintf("searching %s, %s a row, seed %d", what, documents(int64(cmd.Prove.Documents)), cmp.Or(cmd.Prove.Seed, 1))
}

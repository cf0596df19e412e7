package ui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// diffReport is the JSON of strait diff.
type diffReport struct {
	Class   string       `json:"class"` // none safe index breaking destructive: that of the worst change
	Changes []diffChange `json:"changes"`
}

type diffChange struct {
	Table   string `json:"table"`            // "" the schema itself
	Path    string `json:"path"`             // as plan.Change.Path
	Member  string `json:"member,omitempty"` // as plan.Change.Member
	Kind    string `json:"kind"`
	Class   string `json:"class"`
	Message string `json:"message"`
	// Push is what Convex does while documents are stored that do not fit: it
	// refuses the push or takes it.
	Push string `json:"push"`
	// Before and After are TypeScript; neither is there of what is not there.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	Rename string `json:"rename,omitempty"` // as plan.Change.Rename
	// Witness is a document that fits the old schema and not the new one, in
	// Convex's JSON encoding (convex-wire.md 8.1).
	Witness json.RawMessage `json:"witness,omitempty"`
}

// What diffChange.Push says.
const (
	pushRefused = "refused"
	pushTaken   = "taken"
)

// classNone is the class of a comparison without a change.
const classNone = "none"

// diffClass is the class as this verb spells it. A comparison has no
// environment and so no passage to plan: what the plan calls by the three
// steps that it asks for (widen-migrate-narrow) is breaking here, the word that
// a CI script and a reviewer look for. What could not be decided may break.
func diffClass(c plan.Class) string {
	switch c {
	case plan.Breaking, plan.UnknownKind:
		return "breaking"
	}
	return string(c)
}

func (c *cli) diffVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Compare two schemas: what is safe, what breaks stored documents, what loses data",
		Long: `Compare two schemas, each of which is one of
  convex/schema.ts     a file with the schema as default export, or its exported JSON
  packages/backend     a project's folder
  git:main             the project's schema at a revision
  git:v1:convex/old.ts a file or folder of a revision
Paths count from --project, else from the working folder. The code is run and
what it evaluates to is compared, so that moved or reformatted code is no change.
No environment is asked and nothing is written. The packages that a revision
imports are those installed in the work tree.

The classes, mildest first: none, safe, index (built or dropped), breaking
(Convex refuses the push while a stored document does not fit: widen, migrate,
narrow), destructive (data, or access to it, is lost).

The JSON is {"class", "changes": [{"table", "path", "member"?, "kind", "class",
"message", "push", "before"?, "after"?, "rename"?, "witness"?}]}. push is refused
where Convex refuses the push while documents do not fit, else taken: a table
that is gone is taken. before and after are whole, as TypeScript: the validator of
a field or table, or the call that declares an index. rename is the name that it
likely had before or has now, witness a document that fits the old schema only,
member the member of a union that the path leads through. More keys may come.

The exit code is 0 whatever the class, 1 when a side cannot be had, 2 for a
wrong call. In CI read the JSON:
  strait diff git:origin/main . --json | jq -e '.class | IN("none", "safe", "index")'
  strait diff git:origin/main . --json | jq -e 'all(.changes[]; .push == "taken")'`,
		Example: `  strait diff git:main .
  strait diff git:v1.2 git:v1.3 --json
  strait diff schemas/before.ts convex/schema.ts`,
		Args: twoSides,
		RunE: func(_ *cobra.Command, args []string) error {
			ctx, stop := interruptible()
			defer stop()
			return c.diff(ctx, args[0], args[1])
		},
	}
}

func twoSides(cmd *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usage(hint(fmt.Errorf("%s takes an old and a new schema, got %s", cmd.CommandPath(), plural(int64(len(args)), "argument")),
			cmd.CommandPath()+" git:main . compares the work tree with main"))
	}
	for i, a := range args {
		if strings.TrimSpace(a) == "" {
			return usage(hint(fmt.Errorf("the %s side is empty", sideNames[i]), "name a file, a folder or git:REF"))
		}
	}
	return nil
}

var sideNames = [2]string{"old", "new"}

func (c *cli) diff(ctx context.Context, old, fresh string) error {
	var sides [2]*schema.Schema
	for i, spec := range [2]string{old, fresh} {
		s, err := project.LoadSide(ctx, c.project, spec)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return sideError(sideNames[i], spec, err)
		}
		sides[i] = s
	}
	c.warnOfRules(sides[1])
	changes := plan.Diff(sides[0], sides[1])
	if c.json {
		return c.block(diffReportOf(changes))
	}
	c.tellDiff(changes)
	return nil
}

// warnOfRules says on stderr for what Convex would refuse the new schema,
// whatever is stored, such as an index on a field that is gone.
func (c *cli) warnOfRules(s *schema.Schema) {
	const most = 5
	broken := s.Problems()
	for i, p := range broken {
		if i == most {
			fmt.Fprintf(c.err, "strait: and %s more\n", count(int64(len(broken)-most)))
			return
		}
		c.complain(fmt.Errorf("the new side: Convex refuses to deploy it: %w", p))
	}
}

// sideError names the side, and keeps the hints that the error ends with.
func sideError(side, spec string, err error) error {
	text, hints, _ := strings.Cut(err.Error(), "\nhint: ")
	cause := errors.New(text)
	if !strings.Contains(text, spec) {
		cause = fmt.Errorf("%s: %s", spec, text)
	}
	cause = fmt.Errorf("the %s side: %w", side, cause)
	if hints == "" {
		return cause
	}
	return hint(cause, strings.Split(hints, "\nhint: ")...)
}

func diffReportOf(changes []plan.Change) diffReport {
	out := diffReport{Class: worstOf(changes), Changes: []diffChange{}}
	for _, ch := range changes {
		d := diffChange{Table: ch.Table, Path: ch.Path, Member: ch.Member, Kind: ch.Kind, Class: diffClass(ch.Class), Message: ch.Message,
			Push: pushTaken, Before: ch.Before, After: ch.After, Rename: ch.Rename}
		if ch.NeedsMigration() {
			d.Push = pushRefused
		}
		if w := ch.Witness(); w != nil {
			d.Witness = value.Append(nil, w)
		}
		out.Changes = append(out.Changes, d)
	}
	return out
}

// diffClasses are the classes, mildest first.
var diffClasses = []string{classNone, string(plan.Safe), string(plan.IndexOnly), "breaking", string(plan.Destructive)}

func worstOf(changes []plan.Change) string {
	worst := 0
	for _, ch := range changes {
		worst = max(worst, slices.Index(diffClasses, diffClass(ch.Class)))
	}
	return diffClasses[worst]
}

// tellDiff writes the changes for people, table by table.
func (c *cli) tellDiff(changes []plan.Change) {
	rows := [][]string{}
	table := ""
	for i, ch := range changes {
		if i == 0 || ch.Table != table {
			if i > 0 {
				rows = append(rows, nil)
			}
			table = ch.Table
			rows = append(rows, []string{cmp.Or(table, "schema")})
		}
		class := diffClass(ch.Class)
		rows = append(rows, []string{"", class, ch.Message})
		if class == "breaking" || class == string(plan.Destructive) {
			rows = append(rows, []string{"", "", ch.Why})
		}
		if w := ch.Witness(); w != nil {
			rows = append(rows, []string{"", "", "for example " + example(ch, w)})
		}
	}
	c.tellRows(rows)
	if len(changes) > 0 {
		fmt.Fprintln(c.out)
	}
	c.say("%s", diffSummary(changes))
}

// example writes a witness: whole when it is short, and otherwise only the field
// that the change is in.
func example(ch plan.Change, w value.Value) string {
	text, whole := written(w)
	doc, isObject := w.(value.Object)
	if !isObject || whole {
		return text
	}
	_, path, _ := strings.Cut(ch.Path, ".")
	name, _, _ := strings.Cut(path, ".")
	name = strings.TrimRight(name, "[]{}")
	v, there := doc.Get(name)
	if !there {
		return text
	}
	text, _ = written(v)
	return "{ " + fieldName(name) + ": " + text + ", … }"
}

// written is a value in one line of TypeScript, and whether all of it is there.
func written(v value.Value) (text string, whole bool) {
	const most = 240
	text = textOf(inline(newLook(true, false), v, most))
	if n := []rune(text); len(n) > most {
		return string(n[:most-1]) + "…", false
	}
	return text, !strings.HasSuffix(text, "…") // of wide letters fewer fit
}

// tellRows aligns the second column of rows, the first being a heading's.
func (c *cli) tellRows(rows [][]string) {
	widest := 0
	for _, r := range rows {
		if len(r) > 1 {
			widest = max(widest, width(r[1]))
		}
	}
	for _, r := range rows {
		switch len(r) {
		case 0:
			fmt.Fprintln(c.out)
		case 1:
			c.say("%s", r[0])
		default:
			c.say("  %s%s  %s", r[1], strings.Repeat(" ", widest-width(r[1])), r[2])
		}
	}
}

// diffSummary is the last line: the class, and what it counts.
func diffSummary(changes []plan.Change) string {
	if len(changes) == 0 {
		return classNone + ": both accept the same documents and have the same indexes"
	}
	counts := map[string]int{}
	for _, ch := range changes {
		counts[diffClass(ch.Class)]++
	}
	var parts []string
	for _, class := range slices.Backward(diffClasses) {
		if n := counts[class]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, class))
		}
	}
	return fmt.Sprintf("%s: %s (%s)", worstOf(changes), plural(int64(len(changes)), "change"), strings.Join(parts, ", "))
}

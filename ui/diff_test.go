package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// diffCase is one file of testdata/diff: two revisions of the tables of a
// schema, and what is to be said of them, written by hand. It is never
// recorded from what the program prints.
type diffCase struct {
	old, fresh *schema.Schema
	want, push string
}

var diffSection = regexp.MustCompile(`(?m)^-- (old|new|want|push)( \(unchecked\))? --\n`)

func readDiffCase(t *testing.T, file string) diffCase {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c diffCase
	marks := diffSection.FindAllStringSubmatchIndex(string(text), -1)
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		body := string(text[m[1]:end])
		switch name := string(text[m[2]:m[3]]); name {
		case "old":
			c.old = evaluated(t, body, m[4] < 0)
		case "new":
			c.fresh = evaluated(t, body, m[4] < 0)
		case "want":
			c.want = body
		case "push":
			c.push = body
		}
	}
	if c.old == nil || c.fresh == nil || c.want == "" {
		t.Fatalf("%s needs the sections old, new and want", file)
	}
	return c
}

// evaluated is the schema of some tables, written as in schema.ts.
func evaluated(t *testing.T, tables string, checked bool) *schema.Schema {
	t.Helper()
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"tables.ts": schemaFile(tables, checked)})
	s, err := project.LoadSide(t.Context(), dir, "tables.ts")
	if err != nil {
		t.Fatal(err)
	}
	if broken := s.Problems(); len(broken) > 0 {
		t.Fatalf("Convex would refuse these tables: %v\n%s", broken, tables)
	}
	return s
}

func schemaFile(tables string, checked bool) string {
	return fmt.Sprintf("import { defineSchema, defineTable } from 'convex/server';\nimport { v } from 'convex/values';\nexport default defineSchema({\n%s}, { schemaValidation: %v });\n", tables, checked)
}

func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// anyID stands for an id in a witness, which nobody writes by hand.
var anyID = regexp.MustCompile(`"?\b[0-9a-z]{32}\b"?`)

func TestDiffSaysWhatWasWrittenByHand(t *testing.T) {
	files, err := filepath.Glob("testdata/diff/*.txt")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			c := readDiffCase(t, file)
			changes := plan.Diff(c.old, c.fresh)
			var out bytes.Buffer
			(&cli{out: &out}).tellDiff(changes)
			got := anyID.ReplaceAllStringFunc(out.String(), func(id string) string {
				return strings.Replace(id, strings.Trim(id, `"`), "ID", 1)
			})
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			var push strings.Builder
			for _, ch := range changes {
				seen[ch.Kind] = true
				where := "schema"
				if ch.Table != "" {
					where = max(ch.Path, ch.Table)
				}
				fmt.Fprintf(&push, "%s: %s\n", where, ch.Push)
				checkChange(t, c, ch)
			}
			if c.push != "" && push.String() != c.push {
				t.Errorf("at push: got\n%s\nwant\n%s", push.String(), c.push)
			}
		})
	}
	for _, kind := range []string{
		plan.TableAdded, plan.TableRemoved, plan.FieldAdded, plan.RequiredFieldAdded, plan.FieldRemoved, plan.OptionalToRequired, plan.RequiredToOptional,
		plan.TypeWidened, plan.TypeNarrowed, plan.TypeChanged, plan.UnionGrown, plan.UnionShrunk, plan.LiteralsGrown, plan.LiteralsShrunk, plan.LiteralsChanged,
		plan.IDTargetChanged, plan.IndexAdded, plan.IndexRemoved, plan.IndexChanged, plan.IndexStaged, plan.IndexUnstaged, plan.ValidationOn, plan.ValidationOff,
	} {
		if !seen[kind] && !t.Failed() {
			t.Errorf("no case shows %s", kind)
		}
	}
}

// checkChange holds a change to what its class promises.
func checkChange(t *testing.T, c diffCase, ch plan.Change) {
	t.Helper()
	if ch.Message == "" || ch.Why == "" || ch.Push == "" {
		t.Errorf("%s %s says too little: %+v", ch.Path, ch.Kind, ch)
	}
	w := ch.Witness()
	if (ch.NeedsMigration() && ch.Table != "") != (w != nil) {
		t.Errorf("%s %s is %s and its witness is %v", ch.Path, ch.Kind, ch.Class, w)
	}
	if w == nil || ch.Table == "" {
		return
	}
	old, fresh := c.old.Table(ch.Table).Document, c.fresh.Table(ch.Table).Document
	// Without the tables of its ids, any id fits.
	if len(old.Check(w, nil)) > 0 {
		t.Errorf("%s %s: the old schema refuses the witness %v", ch.Path, ch.Kind, w)
	}
	if len(fresh.Check(w, nil)) == 0 && ch.Kind != plan.IDTargetChanged {
		t.Errorf("%s %s: the new schema takes the witness %v", ch.Path, ch.Kind, w)
	}
}

// diffIn runs the verb in a folder.
func diffIn(t *testing.T, dir string, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	c := &cli{out: &out, err: &out}
	root := c.root()
	root.SetArgs(append([]string{"diff", "--project", dir}, args...))
	err = root.ExecuteContext(t.Context())
	return out.String(), err
}

// diffProject is a git repository with a project below its top. Its revisions
// are v1 (users: name), v2 (moved to lib.ts, formatted otherwise) and a work
// tree that adds a field; old.ts is a schema of another name.
func diffProject(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not on the PATH: revisions are not compared")
	}
	top := t.TempDir()
	dir := filepath.Join(top, "packages", "backend")
	git := func(args ...string) {
		cmd := exec.Command("git", args...)
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.c", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.c")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	writeFiles(t, dir, map[string]string{
		"package.json":         `{"name":"backend","dependencies":{"convex":"*"}}`,
		"convex/schema.ts":     schemaFile("users: defineTable({ name: v.string() }),\n", true),
		"convex/old.ts":        schemaFile("users: defineTable({ age: v.number() }),\n", true),
		"fixtures/a/schema.ts": schemaFile("users: defineTable({ name: v.string() }),\n", true),
		"fixtures/b/schema.ts": schemaFile("users: defineTable({ name: v.string(), city: v.string() }),\n", true),
		"convex/ents.ts":       "import { defineEnt } from 'convex-ents';\nexport default defineEnt({});\n",
	})
	git("init", "-q", "-b", "main")
	git("add", ".")
	git("commit", "-q", "-m", "first")
	git("tag", "v1")
	writeFiles(t, dir, map[string]string{
		"lib.ts":           "import { defineTable } from 'convex/server';\nimport { v } from 'convex/values';\nexport const users = defineTable(v.object({\n  name: v.string(), // moved here\n}));\n",
		"convex/schema.ts": "import { defineSchema } from 'convex/server';\nimport { users } from '../lib';\nexport default defineSchema({ users });\n",
	})
	git("add", ".")
	git("commit", "-q", "-m", "second")
	git("tag", "v2")
	writeFiles(t, dir, map[string]string{"convex/schema.ts": schemaFile("users: defineTable({ name: v.string(), city: v.string() }),\n", true)})
	return dir
}

func TestDiffTakesFilesFoldersAndRevisions(t *testing.T) {
	dir := diffProject(t)
	exported := filepath.Join(t.TempDir(), "exported.json")
	writeFiles(t, filepath.Dir(exported), map[string]string{
		"exported.json": `{"tables":[{"tableName":"users","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"object","value":{"name":{"fieldType":{"type":"string"},"optional":false}}}}],"schemaValidation":true}`,
		"alone.ts":      schemaFile("users: defineTable({ name: v.string() }),\n", true),
	})
	for _, c := range []struct{ old, fresh, want string }{
		{"git:v1", "git:v2", "none"}, // code moved, nothing changed
		{"git:v1", ".", "breaking users.city required-field-added"},
		{"git:HEAD", "convex/schema.ts", "breaking users.city required-field-added"},
		{"git:v1:convex/old.ts", "convex/old.ts", "none"},
		{"git:v1:packages/backend/convex/old.ts", "git:v2:convex/schema.ts", "destructive users.age field-removed users.name required-field-added"},
		{"git:v1:packages/backend", "git:v2", "none"},
		{"git:v2:.", "git:v1:convex", "none"},
		{exported, "git:v1", "none"},
		{filepath.Join(filepath.Dir(exported), "alone.ts"), "git:main", "none"}, // outside of any project
		{".", "git:v1", "destructive users.city field-removed"},
		{"fixtures/a", "fixtures/b", "breaking users.city required-field-added"}, // and not the project around
		{"git:v1:fixtures/a", "convex", "breaking users.city required-field-added"},
	} {
		text, err := diffIn(t, dir, c.old, c.fresh, "--json")
		if err != nil {
			t.Errorf("%s %s: %v", c.old, c.fresh, err)
			continue
		}
		var report struct {
			Class   string
			Changes []struct {
				Table, Path, Kind, Class, Message string
				Witness                           map[string]any
			}
		}
		d := json.NewDecoder(strings.NewReader(text))
		if err := d.Decode(&report); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		got := []string{report.Class}
		for _, ch := range report.Changes {
			got = append(got, ch.Path, ch.Kind)
			if ch.Table != "users" || ch.Message == "" || ch.Witness == nil {
				t.Errorf("%s %s: %+v", c.old, c.fresh, ch)
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s %s: got %s, want %s", c.old, c.fresh, s, c.want)
		}
	}
}

// The JSON is read by other programs: its keys and their order are a promise.
func TestDiffJSON(t *testing.T) {
	dir := diffProject(t)
	got, err := diffIn(t, dir, "git:v1", ".", "--json")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "class": "breaking",
  "changes": [
    {
      "table": "users",
      "path": "users.city",
      "kind": "required-field-added",
      "class": "breaking",
      "message": "users.city is new and required",
      "push": "refused",
      "after": "v.string()",
      "witness": {
        "name": "text"
      }
    }
  ]
}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, err := diffIn(t, dir, "git:v1", "git:v2", "--json"); err != nil || got != "{\n  \"class\": \"none\",\n  \"changes\": []\n}\n" {
		t.Errorf("without a change: %v\n%s", err, got)
	}
}

// What a program cannot take from the message: both types whole, whether Convex
// refuses the push, the member of a union, the likely renaming.
func TestDiffJSONSaysMoreThanTheMessage(t *testing.T) {
	long := "v.union(" + strings.Repeat(`v.literal("some long name of a thing"), `, 30) + "v.int64())"
	old := evaluated(t, `
		gone: defineTable({ a: v.number() }),
		t: defineTable({ old: v.id("t"), n: v.number(), long: v.string(),
			s: v.union(v.object({ kind: v.literal("a"), x: v.optional(v.number()) }), v.object({ kind: v.literal("b") })) }).index("by_n", ["n"]),
	`, true)
	fresh := evaluated(t, `t: defineTable({ fresh: v.id("t"), n: v.optional(v.number()), long: `+long+`,
			s: v.union(v.object({ kind: v.literal("a"), x: v.number() }), v.object({ kind: v.literal("b") })) }).searchIndex("by_n", { searchField: "long", staged: true }),
	`, true)
	got := map[string]diffChange{}
	for _, ch := range diffReportOf(plan.Diff(old, fresh)).Changes {
		got[ch.Kind] = diffChange{Path: ch.Path, Push: ch.Push, Before: ch.Before, After: ch.After, Rename: ch.Rename, Member: ch.Member}
	}
	want := map[string]diffChange{
		plan.TableRemoved:       {Push: "taken", Before: "v.object({ a: v.number() })"},
		plan.FieldRemoved:       {Path: "t.old", Push: "refused", Before: `v.id("t")`, Rename: "fresh"},
		plan.RequiredFieldAdded: {Path: "t.fresh", Push: "refused", After: `v.id("t")`, Rename: "old"},
		plan.RequiredToOptional: {Path: "t.n", Push: "taken", Before: "v.number()", After: "v.optional(v.number())"},
		plan.TypeChanged:        {Path: "t.long", Push: "refused", Before: "v.string()", After: long},
		plan.OptionalToRequired: {Path: "t.s.x", Member: `kind="a"`, Push: "refused", Before: "v.optional(v.number())", After: "v.number()"},
		plan.IndexChanged:       {Path: "t.by_n", Push: "taken", Before: `.index("by_n", ["n"])`, After: `.searchIndex("by_n", { searchField: "long", staged: true })`},
	}
	for kind, w := range want {
		if fmt.Sprint(got[kind]) != fmt.Sprint(w) {
			t.Errorf("%s: got %+v\nwant %+v", kind, got[kind], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
}

// Every class has the word that the JSON promises, also one that nobody could
// decide.
func TestDiffClasses(t *testing.T) {
	for class, want := range map[plan.Class]string{
		plan.Safe: "safe", plan.IndexOnly: "index", plan.Breaking: "breaking", plan.Destructive: "destructive", plan.UnknownKind: "breaking",
	} {
		if got := worstOf([]plan.Change{{Class: class}}); got != want || !slices.Contains(diffClasses, got) {
			t.Errorf("%s: got %s, want %s", class, got, want)
		}
	}
	if got := worstOf(nil); got != "none" {
		t.Errorf("got %s without a change", got)
	}
}

func TestDiffWarnsOfWhatConvexRefuses(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{
		"old.ts": schemaFile("users: defineTable({ name: v.string(), age: v.number() }).index('by_age', ['age']),\n", true),
		"new.ts": schemaFile("users: defineTable({ name: v.string() }).index('by_age', ['age']),\n", true),
	})
	var out, errs bytes.Buffer
	c := &cli{out: &out, err: &errs, project: dir}
	if err := c.diff(t.Context(), "old.ts", "new.ts"); err != nil {
		t.Fatal(err)
	}
	if want := `the index "by_age" is invalid because it references the field age that does not exist`; !strings.Contains(errs.String(), want) {
		t.Errorf("got %q", errs.String())
	}
	if !strings.Contains(out.String(), "users.age is gone") {
		t.Errorf("got %s", out.String())
	}
	errs.Reset()
	if err := c.diff(t.Context(), "new.ts", "old.ts"); err != nil || errs.Len() > 0 {
		t.Errorf("of the old side: %v, %q", err, errs.String())
	}
}

func TestDiffNamesTheSideThatFails(t *testing.T) {
	dir := diffProject(t)
	writeFiles(t, dir, map[string]string{
		"broken.ts":  "import { defineSchema } from 'convex/server';\n\nexport default defineSchema({ a: nothing });\n",
		"missing.ts": "import { defineSchema } from 'convex/server';\nimport { x } from 'convex-helpers/server';\nexport default defineSchema({ a: x });\n",
		"plain.ts":   "export const a = 1;\n",
		"some.json":  "{}",
	})
	for _, c := range []struct {
		old, fresh string
		want       []string
	}{
		{"fixtures", ".", []string{"the old side", "there is no project in that folder", "hint: it lies in the project " + dir}},
		{"git:v1:fixtures", ".", []string{"the old side", "there is no project in fixtures in that revision", "hint: "}},
		{"nowhere.ts", ".", []string{"the old side", `"nowhere.ts"`, "no such file or folder", "hint: paths are relative to " + dir}},
		{".", "nowhere.ts", []string{"the new side"}},
		{"broken.ts", ".", []string{"the old side", "broken.ts:3", "nothing"}},
		{".", "missing.ts", []string{"the new side", "missing.ts:2", `"convex-helpers" is not installed`, "hint: ", "convex-helpers"}},
		{".", "plain.ts", []string{"the new side", "plain.ts"}},
		{"some.json", ".", []string{"the old side", "some.json", "tables", "hint: a .json file must hold what schema.export() gives"}},
		{"git:v1:convex/ents.ts", ".", []string{"the old side", "git:v1:convex/ents.ts", "convex/ents.ts:1", `"convex-ents" is not installed`, "hint: npm i convex-ents"}},
		{"git:v9", ".", []string{"the old side", "git:v9", "no revision", "hint: "}},
		{"git:v1:nowhere.ts", ".", []string{"the old side", "git:v1:nowhere.ts", "no nowhere.ts in that revision", "hint: "}},
		{"git:v1:../../../../etc/passwd", ".", []string{"the old side", "in that revision"}},
		{"git:", ".", []string{"the old side", "that is no revision", "hint: "}},
	} {
		_, err := diffIn(t, dir, c.old, c.fresh)
		if err == nil || exitCode(err) != exitError {
			t.Errorf("%s %s: %v", c.old, c.fresh, err)
			continue
		}
		var told bytes.Buffer
		(&cli{err: &told}).complain(err)
		for _, w := range c.want {
			if !strings.Contains(told.String(), w) {
				t.Errorf("%s %s: %q does not say %q", c.old, c.fresh, told.String(), w)
			}
		}
	}
	for _, args := range [][]string{{}, {"."}, {".", ".", "."}, {"", "."}, {".", ".", "--nope"}} {
		if _, err := diffIn(t, dir, args...); exitCode(err) != exitUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestDiffShowsOfALongWitnessWhatMatters(t *testing.T) {
	doc := value.NewObject(value.Field{Name: "a", Value: strings.Repeat("x", 300)}, value.Field{Name: "zip", Value: value.Array{1.5}})
	cut := `{ a: "` + strings.Repeat("x", 233) + "…"
	for path, want := range map[string]string{
		"users.zip": "{ zip: [1.5], … }", "users.zip[]": "{ zip: [1.5], … }", "users.zip.keys()": "{ zip: [1.5], … }", "users.zip{}.x": "{ zip: [1.5], … }",
		"users.gone": cut, "users": cut, "": cut, "users.a": `{ a: "` + strings.Repeat("x", 238) + "…, … }",
	} {
		if got := example(plan.Change{Path: path}, doc); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	if got := example(plan.Change{Path: "users.zip"}, doc.Without("a")); got != "{ zip: [1.5] }" {
		t.Errorf("of a short one: got %s", got)
	}
}

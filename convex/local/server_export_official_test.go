package local_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/snapshot"
	"strait/model/value"
)

// contents are all documents of a deployment, by component and table.
func contents(t testing.TB, d *local.Deployment) map[snapshot.Table][]string {
	t.Helper()
	v := d.View()
	out := map[snapshot.Table][]string{}
	for _, component := range v.Components() {
		for _, info := range v.Tables(component) {
			at := snapshot.Table{Component: component, Name: info.Name, Number: info.Number}
			out[at] = []string{}
			for doc := range v.Scan(component, info.Name, "", false) {
				out[at] = append(out[at], doc.JSON)
			}
		}
	}
	return out
}

// archived are all documents of an export, in the form of contents.
func archived(t testing.TB, path string) map[snapshot.Table][]string {
	t.Helper()
	a, err := snapshot.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	out := map[snapshot.Table][]string{}
	for _, table := range a.Tables() {
		out[table] = []string{}
		for doc, err := range a.Documents(table) {
			if err != nil {
				t.Fatal(err)
			}
			out[table] = append(out[table], string(value.Append(nil, doc)))
		}
	}
	return out
}

// same compares contents without the order of documents.
func same(t testing.TB, what string, got, want map[snapshot.Table][]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: tables %v, want %v", what, tableNames(got), tableNames(want))
	}
	for at, docs := range want {
		have := map[string]bool{}
		for _, doc := range got[at] {
			have[doc] = true
		}
		for _, doc := range docs {
			if !have[doc] {
				t.Errorf("%s: table %+v lacks %s", what, at, doc)
				break
			}
		}
		if len(got[at]) != len(docs) {
			t.Errorf("%s: table %+v has %d documents, want %d", what, at, len(got[at]), len(docs))
		}
	}
}

func tableNames(m map[snapshot.Table][]string) (out []snapshot.Table) {
	for at := range m {
		out = append(out, at)
	}
	return out
}

// odd are files of a project whose table odd takes anything, like odd values.
var odd = map[string]string{"convex/schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  notes: defineTable({ text: v.string(), done: v.optional(v.boolean()) }).index("by_text", ["text"]),
  other: defineTable({ n: v.number() }),
  links: defineTable({ note: v.id("notes") }),
  odd: defineTable(v.any()),
});`}

// stocked is a deployment with documents of every kind, of a component too.
func stocked(t testing.TB) *local.Deployment {
	t.Helper()
	d := deploy(t, odd)
	var notes, links, odds []value.Object
	for i := range 30 {
		notes = append(notes, object("text", fmt.Sprint(i)))
	}
	ids, err := d.Insert(t.Context(), "", "notes", notes)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids[:7] {
		links = append(links, object("note", id))
	}
	for _, v := range []value.Value{int64(5), 5.0, math.NaN(), math.Inf(-1), math.Copysign(0, -1), value.Bytes{1, 2}, "é🚢", nil, value.Array{int64(math.MaxInt64), object("x", true)}} {
		odds = append(odds, object("v", v))
	}
	for table, docs := range map[string][]value.Object{"links": links, "odd": odds} {
		if _, err := d.Insert(t.Context(), "", table, docs); err != nil {
			t.Fatal(err)
		}
	}
	w := admin(d, "POST", "/api/function", `{"path":"migrations:run","args":{"fn":"migrations:finish"}}`)
	if !strings.Contains(w.Body.String(), "Migration started") {
		t.Fatalf("migration: %s", w.Body)
	}
	settle(t, d)
	return d
}

// settle waits until the migration has gone through all notes.
func settle(t testing.TB, d *local.Deployment) {
	t.Helper()
	for {
		view := d.View()
		for doc := range view.Scan("migrations", "migrations", "", false) {
			if strings.Contains(doc.JSON, `"isDone":true`) {
				return
			}
		}
		if _, err := d.Wait(t.Context(), view.Timestamp()); err != nil {
			t.Fatal(err)
		}
	}
}

// convex export writes a file that opens with our reader and equals the
// database; convex import of it makes another deployment equal, ids, creation
// times, table numbers and components included.
func TestOfficialExportImport(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	from := stocked(t)
	url, dir := served(t, from), t.TempDir()
	want := contents(t, from)
	if docs := want[snapshot.Table{Component: "migrations", Name: "migrations", Number: 10001}]; len(docs) != 1 {
		t.Fatalf("the component has the documents %v", docs)
	}
	_, stderr, code := cli(t, npm, url, from.AdminKey(), "export", "--path", dir, "--include-file-storage")
	files, err := filepath.Glob(filepath.Join(dir, "snapshot_fixture_*.zip")) // named by the route's Content-Disposition
	if err != nil || len(files) != 1 {
		t.Fatalf("export into a folder: %v %v, exit %d\n%s", files, err, code, stderr)
	}
	file := files[0]
	if code != 0 || !strings.Contains(stderr, "Created snapshot export at timestamp ") || !strings.Contains(stderr, "Downloaded snapshot export to "+file) {
		t.Fatalf("export: exit %d\n%s", code, stderr)
	}
	same(t, "the ZIP", archived(t, file), want)

	to := deploy(t, odd)
	if _, err := to.Insert(t.Context(), "", "notes", []value.Object{object("text", "goes")}); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Insert(t.Context(), "", "unknown", []value.Object{object("x", 1.0)}); err != nil {
		t.Fatal(err)
	}
	toURL := served(t, to)
	_, stderr, code = cli(t, npm, toURL, to.AdminKey(), "import", file, "--replace-all", "-y")
	if code != 0 || !strings.Contains(stderr, "Added 47 documents") || !strings.Contains(stderr, "notes   | 30     | 1 of 1 |") || !strings.Contains(stderr, "Component migrations") {
		t.Fatalf("import --replace-all: exit %d\n%s", code, stderr)
	}
	same(t, "after --replace-all", contents(t, to), want)

	_, stderr, code = cli(t, npm, toURL, to.AdminKey(), "import", file)
	if code == 0 || !strings.Contains(stderr, "Table links already exists. Please choose a new table name or use replace/append modes.") {
		t.Errorf("import into tables with documents: exit %d\n%s", code, stderr)
	}
	ask(to, "POST", "/api/mutation", `{"path":"notes:add","args":{"text":"more"}}`)
	if _, err := to.Insert(t.Context(), "", "kept", []value.Object{object("x", 1.0)}); err != nil {
		t.Fatal(err)
	}
	_, stderr, code = cli(t, npm, toURL, to.AdminKey(), "import", file, "--replace", "-y")
	if code != 0 || !strings.Contains(stderr, "Added 47 documents") {
		t.Fatalf("import --replace: exit %d\n%s", code, stderr)
	}
	got := contents(t, to)
	for at := range got {
		if at.Name == "kept" && len(got[at]) == 1 {
			delete(got, at)
		}
	}
	same(t, "after --replace", got, want)
	w := ask(to, "POST", "/api/query", `{"path":"notes:count","args":{}}`)
	if got := w.Body.String(); got != `{"status":"success","value":30}` {
		t.Errorf("a query after the import: %s", got)
	}
}

// convex import of one table from JSON lines, a JSON array and CSV.
func TestOfficialTableImport(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	url, dir := served(t, d), t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, step := range []struct {
		file, text string
		args       []string
		want       string // texts of notes, or what the CLI says
	}{
		{"a.jsonl", `{"text":"one"}` + "\n" + `{"text":"two","done":true}` + "\n", nil, "one two"},
		{"b.json", `[{"text":"three"}]`, []string{"--append"}, "one two three"},
		{"d.csv", "text,done\nfive,\nsix,\n", []string{"--replace", "-y"}, "five six"},
		{"f.json", `[{"text":"seven"},{"text":8}]`, []string{"--replace", "-y"}, "Value does not match validator.\nPath: .text\nValue: 8.0\nValidator: v.string()"},
		{"g.json", `{"text":"seven"}`, []string{"--replace", "-y"}, "Not a JSON array"},
		{"h.jsonl", `{"text":"seven"`, []string{"--append"}, "Row 1 wasn't valid JSON"},
	} {
		before := contents(t, d)
		_, stderr, code := cli(t, npm, url, d.AdminKey(), append([]string{"import", write(step.file, step.text), "--table", "notes"}, step.args...)...)
		var texts []string
		for doc := range d.View().Scan("", "notes", "", false) {
			v, _ := value.Decode([]byte(doc.JSON))
			texts = append(texts, value.Lookup(v, "text").(string))
		}
		if code == 0 && strings.Join(texts, " ") != step.want || code != 0 && !strings.Contains(stderr, step.want) {
			t.Errorf("%s %v: exit %d, notes %v, want %q\n%s", step.file, step.args, code, texts, step.want, stderr)
		}
		if code != 0 {
			same(t, "after the refusal of "+step.file, contents(t, d), before)
		}
	}
}

// An import that breaks the schema is refused as a whole: tables that would
// have fitted stay as they were, too.
func TestOfficialImportRefused(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	file := filepath.Join(t.TempDir(), "bad.zip")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := snapshot.NewWriter(f)
	if err == nil {
		err = w.Tables("", []snapshot.Table{{Name: "notes", Number: 10001}, {Name: "other", Number: 10002}})
	}
	for table, doc := range map[string]value.Object{"notes": object("text", "fits"), "other": object("n", "no number")} {
		if err == nil {
			err = w.Begin("", table)
		}
		if err == nil {
			err = w.Write(doc)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	d := stocked(t)
	url, before := served(t, d), contents(t, d)
	_, stderr, code := cli(t, npm, url, d.AdminKey(), "import", file, "--replace-all", "-y")
	if code == 0 || !strings.Contains(stderr, "Failed to insert or update a document in table \"other\" because it does not match the schema") {
		t.Errorf("exit %d\n%s", code, stderr)
	}
	same(t, "after a refused import", contents(t, d), before)
}

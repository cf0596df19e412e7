package snapshot

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strait/model/value"
)

// pack makes a ZIP of some files.
func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// archive writes a ZIP of some files.
func archive(t testing.TB, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.zip")
	if err := os.WriteFile(path, pack(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchive(t *testing.T) {
	a, err := Open(archive(t, map[string]string{
		"README.md":                                          "hello",
		"_tables/documents.jsonl":                            `{"name":"users","id":10001}` + "\n" + `{"name":"old","id":10002.0}` + "\n",
		"users/documents.jsonl":                              `{"_id":"a","n":1,"f":1.0,"b":{"$bytes":"AQI="}}` + "\n\n" + `{"_id":"b","n":{"$float":"AAAAAAAA8H8="}}`,
		"users/generated_schema.jsonl":                       `"uniform"` + "\n",
		"old/documents.jsonl":                                `{"_id":"c","list":[1,{"x":2}]}` + "\n",
		"old/generated_schema.jsonl":                         `"{\"_id\": \"id\", \"list\": array<normalfloat64>}"` + "\n",
		"_storage/documents.jsonl":                           "",
		"_components/parent/_components/m/t/documents.jsonl": `{"_id":"d"}` + "\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := []Table{{"", "old", 10002}, {"", "users", 10001}, {"parent/m", "t", 0}}
	if got := a.Tables(); len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("tables %+v", got)
	}
	if len(a.Skipped) != 1 {
		t.Errorf("skipped %v", a.Skipped)
	}
	var got []string
	for _, table := range a.Tables() {
		for doc, err := range a.Documents(table) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(value.Append(nil, doc)))
		}
	}
	text := strings.Join(got, "\n")
	for _, part := range []string{`"list":[1,{"x":2}]`, `"n":{"$integer":"AQAAAAAAAAA="}`, `"f":1`, `"b":{"$bytes":"AQI="}`, `"n":{"$float":"AAAAAAAA8H8="}`, `"_id":"d"`} {
		if !strings.Contains(text, part) {
			t.Errorf("%s is missing from\n%s", part, text)
		}
	}
}

func TestBadArchives(t *testing.T) {
	text := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(text, []byte("no zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{text, "npx convex export"},
		{filepath.Join(t.TempDir(), "none.zip"), "no such file"},
		{archive(t, map[string]string{"a.txt": "x"}), "is it an export"},
		{archive(t, map[string]string{"_tables/documents.jsonl": "{"}), "_tables/documents.jsonl:1"},
		{archive(t, map[string]string{"_tables/documents.jsonl": `{"name":"t","id":-1}`}), "no table number"},
		{archive(t, map[string]string{"_tables/documents.jsonl": `{"name":"t","id":10001.5}`}), "no table number"},
		{archive(t, map[string]string{"t/documents.jsonl": "", "x/t/documents.jsonl": ""}), "twice"},
		{archive(t, map[string]string{"no table/documents.jsonl": ""}), "\"no table\" is no name"},
		{archive(t, map[string]string{"_components/../t/documents.jsonl": ""}), "\"..\" is no name"},
		{archive(t, map[string]string{"t/documents.jsonl": "", "t/generated_schema.jsonl": `"array<int64"`}), "t/generated_schema.jsonl:1: the shape of the documents cannot be read from character 12 on"},
		{archive(t, map[string]string{"t/documents.jsonl": "", "t/generated_schema.jsonl": `{"a":1}`}), "t/generated_schema.jsonl:1: want a string"},
		{archive(t, map[string]string{"t/documents.jsonl": "", "t/generated_schema.jsonl": `"` + strings.Repeat("array<", 300) + `"`}), "nested too deeply"},
		{archive(t, map[string]string{"_tables/documents.jsonl": `{"name":"t","id":1}` + "\n" + `{"name":"t","id":2}`}), "_tables/documents.jsonl:2: table \"t\" comes twice"},
		{archive(t, map[string]string{"_tables/documents.jsonl": `{"name":"_storage","id":1}`}), "\"_storage\" is no name of a user table"},
	} {
		if _, err := Open(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	a, err := Open(archive(t, map[string]string{"t/documents.jsonl": "{}\n{\"a\":\"topsecret\"\n"}))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	n := 0
	for _, err := range a.Documents(a.Tables()[0]) {
		if n++; n == 2 && (err == nil || !strings.Contains(err.Error(), "t/documents.jsonl:2") || strings.Contains(err.Error(), "topsecret")) {
			t.Errorf("got %v", err)
		}
	}
	if n != 2 {
		t.Errorf("%d documents", n)
	}
}

// An export that was unpacked and packed again with its folder around it, and
// one without its table of numbers: they are told by an id.
func TestRepackedArchive(t *testing.T) {
	id := value.ID{Table: 10007, Internal: [16]byte{1}}.String()
	a, err := Open(archive(t, map[string]string{
		"snapshot_1/users/documents.jsonl":                    `{"_id":"` + id + `"}` + "\n",
		"snapshot_1/empty/documents.jsonl":                    "",
		"snapshot_1/_components/m/migrations/documents.jsonl": "",
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	want := []Table{{"", "empty", 0}, {"", "users", 10007}, {"m", "migrations", 0}}
	if got := a.Tables(); !slices.Equal(got, want) {
		t.Errorf("tables %+v, want %+v", got, want)
	}
}

// What is damaged or too long is told by file and line.
func TestDamagedArchive(t *testing.T) {
	path := archive(t, map[string]string{"t/documents.jsonl": strings.Repeat(`{"_id":"a"}`+"\n", 20000)})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/4] ^= 0xff // within the packed documents
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	long := archive(t, map[string]string{"t/documents.jsonl": "{}\n" + strings.Repeat(" ", maxLine+1)})
	for path, want := range map[string]string{path: "t/documents.jsonl:", long: "t/documents.jsonl:2: the line is longer than 16 MiB"} {
		a, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		var last error
		for _, last = range a.Documents(a.Tables()[0]) {
		}
		if last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("got %v, want %q", last, want)
		}
	}
}

func FuzzDocuments(f *testing.F) {
	f.Add("t/documents.jsonl", `{"_id":"a","n":1}`, `"uniform"`)
	f.Add("_components/a/t/documents.jsonl", `[]`, `"x"`)
	f.Add("a/t/documents.jsonl", `{"_id":"a","n":"1"}`, `"{\"_id\": string, \"n\": unknown}"`+"\n"+`{"a":{"n":"int64"}}`)
	f.Add("_tables/documents.jsonl", `{"name":"t","id":10001}`, ``)
	f.Fuzz(func(t *testing.T, name, text, marker string) {
		if strings.HasSuffix(name, "/") || len(name) > 1000 {
			return // packs no file
		}
		b := pack(t, map[string]string{name: text, strings.Replace(name, "documents", "generated_schema", 1): marker})
		readAll(t, b)
	})
}

// FuzzArchive feeds the reader bytes that may be no ZIP at all.
func FuzzArchive(f *testing.F) {
	f.Add(pack(f, map[string]string{"_tables/documents.jsonl": `{"name":"t","id":10001}`, "t/documents.jsonl": "{}\n", "t/generated_schema.jsonl": `"uniform"`}))
	f.Fuzz(readAll)
}

func readAll(t *testing.T, b []byte) {
	a, err := New(bytes.NewReader(b), int64(len(b)), "fuzz.zip")
	if err != nil {
		return
	}
	for _, table := range a.Tables() {
		if err := checkNames(table.Component, table.Name); err != nil {
			t.Fatal(err)
		}
		for doc, err := range a.Documents(table) {
			if (doc == nil) == (err == nil) && err != nil {
				t.Fatalf("both %v and %v", doc, err)
			}
		}
	}
}

package local_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/value"
)

// stream asks a route of the streaming export as a stranger's tool does.
func stream(t testing.TB, d *local.Deployment, method, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://embedded"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Convex "+d.AdminKey())
	resp, err := d.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return resp.StatusCode, out
}

// Whoever lists a snapshot and then follows the changes has, at any moment,
// what the tables have; and every revision between is told in its order.
func TestFollowingTheChangesKeepsACopy(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	tables := []string{"notes", "other"}
	rapid.Check(t, func(rt *rapid.T) {
		copied := map[string]value.Object{}
		cursor, err := c.LatestTimestamp(rt.Context())
		if err != nil {
			rt.Fatal(err)
		}
		for _, table := range tables {
			for _, doc := range stored(d, table) {
				copied[id(doc)] = doc
			}
		}
		for range rapid.IntRange(0, 40).Draw(rt, "writes") {
			write(rt, d, c, tables)
		}
		last := cursor
		for {
			page, err := c.Deltas(rt.Context(), cursor, "", tables)
			if err != nil {
				rt.Fatal(err)
			}
			for _, x := range page.Changes {
				if x.TS < last || x.TS > page.Cursor {
					rt.Fatalf("a change of %d after %d on a page until %d", x.TS, last, page.Cursor)
				}
				last = x.TS
				copied[x.ID] = x.Document
				if x.Deleted {
					delete(copied, x.ID)
				}
			}
			if cursor = page.Cursor; !page.More {
				break
			}
		}
		n := 0
		for _, table := range tables {
			for _, doc := range stored(d, table) {
				n++
				if !value.Equal(copied[id(doc)], doc) {
					rt.Fatalf("%s is %s, the copy has %s", id(doc), value.Display(doc), value.Display(copied[id(doc)]))
				}
			}
		}
		if n != len(copied) {
			rt.Fatalf("%d documents, %d in the copy", n, len(copied))
		}
	})
}

// stored are the documents of a table.
func stored(d *local.Deployment, table string) (out []value.Object) {
	for doc := range d.View().Scan("", table, "", false) {
		v, _ := value.Decode([]byte(doc.JSON)) // its own
		o, _ := v.(value.Object)
		out = append(out, o)
	}
	return out
}

func id(doc value.Object) string {
	v, _ := doc.Get("_id")
	s, _ := v.(string)
	return s
}

// write writes something as the dashboard does.
func write(rt *rapid.T, d *local.Deployment, c *wire.Client, tables []string) {
	table := rapid.SampledFrom(tables).Draw(rt, "table")
	fields := []any{"text", rapid.StringN(0, 5, -1).Draw(rt, "text")}
	if table == "other" {
		fields = []any{"n", float64(rapid.Int16().Draw(rt, "n"))}
	}
	var ids []string
	for _, doc := range stored(d, table) {
		ids = append(ids, id(doc))
	}
	var call wire.Call
	switch kind := rapid.IntRange(0, 2).Draw(rt, "kind"); {
	case kind == 0 || len(ids) == 0:
		var docs value.Array
		for range rapid.SampledFrom([]int{1, 3, 150}).Draw(rt, "documents") {
			docs = append(docs, object(fields...))
		}
		call = wire.Call{Path: "_system/frontend/addDocument", Args: object("table", table, "documents", docs)}
	case kind == 1:
		call = wire.Call{Path: "_system/frontend/patchDocumentsFields", Args: object("table", table, "fields", object(fields...), "ids", value.Array{rapid.SampledFrom(ids).Draw(rt, "id")})}
	default:
		var gone value.Array
		for _, x := range ids[:rapid.IntRange(1, len(ids)).Draw(rt, "gone")] {
			gone = append(gone, object("id", x, "tableName", table))
		}
		call = wire.Call{Path: "_system/frontend/deleteDocuments", Args: object("toDelete", gone)}
	}
	if _, err := c.Mutate(rt.Context(), call); err != nil {
		rt.Fatal(err)
	}
}

// list_snapshot gives every document once, in pages, of the moment it began.
func TestListSnapshot(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	addNotes(t, d, 2500)
	if _, err := d.Insert(t.Context(), "", "other", []value.Object{object("n", 1.0)}); err != nil {
		t.Fatal(err)
	}
	seen, pages := map[string]int{}, 0
	body := map[string]any{"selection": map[string]any{"_other": "excluded", "": map[string]any{"_other": "included", "notes": map[string]any{"_other": "excluded", "text": "included"}}}, "format": "export_json"}
	for more := true; more; pages++ {
		text, _ := json.Marshal(body)
		status, page := stream(t, d, "POST", "/api/list_snapshot", string(text))
		if status != 200 {
			t.Fatal(status, page)
		}
		for _, v := range page["values"].([]any) {
			row := v.(map[string]any)
			seen[row["_table"].(string)+" "+row["_id"].(string)]++
			keys := slices.Sorted(maps.Keys(row))
			want := []string{"_component", "_id", "_table", "_ts", "text"}
			if row["_table"] == "other" {
				want = []string{"_component", "_creationTime", "_id", "_table", "_ts", "n"}
				if row["n"] != json.Number("1.0") {
					t.Errorf("in export_json the number is %v", row["n"])
				}
			}
			if !slices.Equal(keys, want) {
				t.Fatalf("a row with %v", keys)
			}
		}
		if pages == 0 { // what comes meanwhile is not of the snapshot
			addNotes(t, d, 1)
		}
		body["cursor"], body["snapshot"], more = page["cursor"], page["snapshot"], page["hasMore"].(bool)
	}
	if len(seen) != 2501 || pages != 4 {
		t.Errorf("%d documents in %d pages", len(seen), pages)
	}
	for row, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", row, n)
		}
	}
}

// The changes are of the selected tables only, and say what a stranger's tool
// reads of them.
func TestDocumentDeltas(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	addNotes(t, d, 2)
	if _, err := d.Insert(t.Context(), "", "other", []value.Object{object("n", 1.0)}); err != nil {
		t.Fatal(err)
	}
	status, page := stream(t, d, "GET", "/api/document_deltas?cursor=0&tableName=other", "")
	if status != 200 || len(page["values"].([]any)) != 1 || page["hasMore"] != false {
		t.Fatal(status, page)
	}
	row := page["values"].([]any)[0].(map[string]any)
	if row["_table"] != "other" || row["_component"] != "" || row["_deleted"] != false || row["n"] != json.Number("1") {
		t.Error(row)
	}
	if ts, err := strconv.ParseInt(row["_ts"].(json.Number).String(), 10, 64); err != nil || ts <= 0 {
		t.Error(row["_ts"])
	}
	if _, page := stream(t, d, "GET", "/api/document_deltas?cursor=0&component=migrations", ""); len(page["values"].([]any)) != 0 {
		t.Errorf("of a component that wrote nothing: %v", page)
	}
	for path, want := range map[string]string{
		"/api/document_deltas":                                       "DocumentDeltasCursorRequired",
		"/api/document_deltas?cursor=x":                              "InvalidTimestamp",
		"/api/document_deltas?cursor=-1":                             "InvalidTimestamp",
		"/api/document_deltas?cursor=0&format=xml":                   "BadFormat",
		"/api/list_snapshot?cursor=5":                                "InvalidListSnapshotCursor",
		"/api/list_snapshot?snapshot=1":                              "SnapshotTooOld",
		"/api/list_snapshot?snapshot=9000000000000000000":            "SnapshotTooNew",
		"/api/list_snapshot?cursor=%7B%22tablet%22%3A%22notes%22%7D": "",
	} {
		status, page := stream(t, d, "GET", path, "")
		if code, _ := page["code"].(string); code != want || (status == 200) != (want == "") {
			t.Errorf("%s: %d %v", path, status, page)
		}
	}
	for _, selection := range []string{`5`, `{}`, `{"_other":"some"}`, `{"_other":"included","":5}`, `{"_other":"excluded","":{"_other":"excluded","notes":"included"}}`} {
		if status, page := stream(t, d, "POST", "/api/document_deltas", `{"cursor":0,"selection":`+selection+`}`); status != 400 {
			t.Errorf("selection %s: %d %v", selection, status, page)
		}
	}
	// A key that may not read data may not read changes.
	d.AddKey(local.Key{Key: "fixture|logsonly", Ops: []string{"ViewLogs"}})
	blind := wire.New(wire.Options{URL: "http://embedded", AdminKey: "fixture|logsonly", HTTP: d.HTTPClient()})
	defer blind.Close()
	if _, err := blind.LatestTimestamp(t.Context()); !errors.Is(err, wire.ErrNoDeltas) {
		t.Errorf("without ViewData: %v", err)
	}
	if _, err := c.Deltas(t.Context(), 0, "", []string{"notes"}); err != nil {
		t.Error(err)
	}
}

// The history is bounded: a cursor of before it is told so, as a real
// deployment does, and one of now goes on.
func TestDeltasOfTooLongAgo(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	addNotes(t, d, 1)
	begin, err := c.LatestTimestamp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 900_000)
	for i := range 24 {
		if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", fmt.Sprint(large, i))}); err != nil {
			t.Fatal(err)
		}
	}
	if page, err := c.Deltas(t.Context(), begin, "", []string{"notes"}); !errors.Is(err, wire.ErrDeltasGone) {
		t.Errorf("%d changes, %v", len(page.Changes), err)
	}
	loaded, err := c.LatestTimestamp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	addNotes(t, d, 3)
	if page, err := c.Deltas(t.Context(), loaded, "", []string{"notes"}); err != nil || len(page.Changes) != 3 {
		t.Errorf("%d changes, %v", len(page.Changes), err)
	}
	// Of a load of many at once only its moment is kept.
	addNotes(t, d, 2000)
	if _, err := c.Deltas(t.Context(), loaded, "", []string{"notes"}); !errors.Is(err, wire.ErrDeltasGone) {
		t.Errorf("a load is taken for nothing: %v", err)
	}
}

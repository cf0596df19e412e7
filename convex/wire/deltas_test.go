package wire

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"strait/model/value"
)

// aNote is an id that parses.
var aNote = value.ID{Table: 10001, Internal: [16]byte{1}}.String()

func recordedDeltas() string {
	return `{"values":[
	{"_component":"","_table":"notes","_ts":1700000000123456789,"_deleted":false,"_id":"` + aNote + `","_creationTime":1700000000123.25,"n":{"$integer":"BQAAAAAAAAA="},"f":1.0,"_future":7},
	{"_component":"","_table":"other","_ts":1700000000123456790,"_deleted":false,"_id":"` + aNote + `","_creationTime":1},
	{"_component":"waitlist","_table":"notes","_ts":1700000000123456790,"_deleted":false,"_id":"` + aNote + `","_creationTime":1},
	{"_component":"","_table":"notes","_ts":1700000000123456791,"_deleted":true,"_id":"` + aNote + `"}
	],"cursor":1700000000123456800,"hasMore":true}`
}

func TestDeltas(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		var body map[string]any
		if err := json.Unmarshal(text, &body); err != nil {
			t.Error(err)
		}
		switch r.URL.Path {
		case "/api/list_snapshot":
			io.WriteString(w, `{"values":[],"snapshot":1700000000123456000,"cursor":null,"hasMore":false}`)
		case "/api/document_deltas":
			const want = `{"cursor":1700000000123456000,"format":"convex_encoded_json","selection":{"":{"_other":"excluded","notes":{"_other":"included"}},"_other":"excluded"}}`
			if string(text) != want {
				t.Errorf("asked %s", text)
			}
			io.WriteString(w, recordedDeltas())
		default:
			t.Error(r.URL)
		}
	})
	at, err := c.LatestTimestamp(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.Deltas(t.Context(), at, "", []string{"notes"})
	if err != nil {
		t.Fatal(err)
	}
	if page.Cursor != 1700000000123456800 || !page.More || len(page.Changes) != 2 {
		t.Fatalf("%+v", page)
	}
	first, second := page.Changes[0], page.Changes[1]
	if first.TS != 1700000000123456789 || first.Deleted || first.ID != aNote || string(value.Append(nil, first.Document)) !=
		`{"_creationTime":1700000000123.25,"_id":"`+aNote+`","f":1,"n":{"$integer":"BQAAAAAAAAA="}}` {
		t.Errorf("the first: %+v", first)
	}
	if !second.Deleted || second.Document != nil || second.TS != 1700000000123456791 {
		t.Errorf("the second: %+v", second)
	}
}

// Who may not have the stream is told so, and apart from a passing failure.
func TestNoDeltas(t *testing.T) {
	for _, x := range []struct {
		status int
		body   string
		want   error
	}{
		{403, `{"code":"StreamingExportNotEnabled","message":"Streaming export is not available on your current subscription."}`, ErrNoDeltas},
		{403, `{"code":"OperationNotPermitted","message":"You do not have permission"}`, ErrNoDeltas},
		{404, `no such page`, ErrNoDeltas},
		{400, `{"code":"NotSupported","message":"no"}`, ErrNoDeltas},
		{400, `{"code":"InvalidWindowToReadDocuments","message":"Trying to synchronize from timestamp 5"}`, ErrDeltasGone},
		{500, `{"code":"InternalServerError","message":"Your request couldn't be completed."}`, nil},
	} {
		c := serve(t, answerWith(x.status, "application/json", x.body))
		_, err := c.Deltas(t.Context(), 5, "", []string{"notes"})
		if err == nil || errors.Is(err, ErrNoDeltas) != (x.want == ErrNoDeltas) || errors.Is(err, ErrDeltasGone) != (x.want == ErrDeltasGone) {
			t.Errorf("%d %s: %v", x.status, x.body, err)
		}
		if _, err := c.LatestTimestamp(t.Context()); err == nil || errors.Is(err, ErrNoDeltas) != (x.want == ErrNoDeltas) {
			t.Errorf("the newest timestamp, %d %s: %v", x.status, x.body, err)
		}
	}
}

func TestOddDeltas(t *testing.T) {
	for name, answer := range map[string]string{
		"empty":             ``,
		"null":              `null`,
		"without a cursor":  `{"values":[],"hasMore":false}`,
		"without values":    `{"cursor":9,"hasMore":false}`,
		"going back":        `{"values":[],"cursor":1,"hasMore":true}`,
		"standing still":    `{"values":[],"cursor":5,"hasMore":true}`,
		"a float cursor":    `{"values":[],"cursor":9.5,"hasMore":false}`,
		"a change of text":  `{"values":["x"],"cursor":9,"hasMore":false}`,
		"no id":             `{"values":[{"_table":"notes","_ts":7}],"cursor":9,"hasMore":false}`,
		"an unknown value":  `{"values":[{"_table":"notes","_ts":7,"_id":"` + aNote + `","x":{"$decimal":"5"}}],"cursor":9,"hasMore":false}`,
		"a page of the web": "<html>",
	} {
		c := serve(t, answerWith(200, "application/json", answer))
		if page, err := c.Deltas(t.Context(), 5, "", []string{"notes"}); err == nil {
			t.Errorf("%s: %+v", name, page)
		}
		if at, err := c.LatestTimestamp(t.Context()); err == nil {
			t.Errorf("%s: %d", name, at)
		}
	}
}

// FuzzDeltas reads what may come as a page of changes: a page that is taken
// goes on from its cursor, and every change of it names a document.
func FuzzDeltas(f *testing.F) {
	f.Add([]byte(recordedDeltas()), int64(5))
	f.Add([]byte(`{"values":[],"cursor":9223372036854775807,"hasMore":true}`), int64(9223372036854775806))
	f.Add([]byte(`{"values":[{"_id":"`+strings.Repeat("0", 32)+`","_table":"a","_ts":-1,"a":{"a":{"$bytes":"AA=="}}}],"cursor":6,"hasMore":false}`), int64(5))
	f.Fuzz(func(t *testing.T, text []byte, cursor int64) {
		page, err := readDeltas(text, cursor)
		if err != nil {
			return
		}
		if page.Cursor < cursor || page.More && page.Cursor == cursor {
			t.Fatalf("from %d to %d, more %v", cursor, page.Cursor, page.More)
		}
		for _, x := range page.Changes {
			if _, err := value.ParseID(x.ID); err != nil || x.Table == "" || x.Deleted != (x.Document == nil) {
				t.Fatalf("%+v", x)
			}
			for _, field := range x.Document {
				if strings.HasPrefix(field.Name, "_") && field.Name != "_id" && field.Name != "_creationTime" {
					t.Fatalf("field %s is the stream's own", field.Name)
				}
			}
		}
	})
}

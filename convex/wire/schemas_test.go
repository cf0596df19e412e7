package wire

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"strait/model/schema"
)

const recordedIndexes = `[
	{"table":"notes","name":"by_text","fields":["text","_creationTime"],"backfill":{"state":"done"},"staged":false},
	{"table":"notes","name":"by_author","fields":["author"],"backfill":{"state":"in_progress"},"staged":true},
	{"table":"notes","name":"find","fields":{"searchField":"text","filterFields":["author"]},"backfill":{"state":"done"}},
	{"table":"notes","name":"near","fields":{"dimensions":3,"vectorField":"at","filterFields":[]},"backfill":{"state":"done"}}
]`

var wantIndexes = []DeployedIndex{
	{"notes", schema.Index{Kind: schema.DatabaseIndex, Name: "by_text", Fields: []string{"text"}}, true},
	{"notes", schema.Index{Kind: schema.DatabaseIndex, Name: "by_author", Fields: []string{"author"}, Staged: true}, false},
	{"notes", schema.Index{Kind: schema.SearchIndex, Name: "find", SearchField: "text", FilterFields: []string{"author"}}, true},
	{"notes", schema.Index{Kind: schema.VectorIndex, Name: "near", Dimensions: 3, VectorField: "at", FilterFields: []string{}}, true},
}

func TestIndexes(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/get_indexes" || r.URL.Query().Get("component_id") != "abc" {
			t.Error(r.URL)
		}
		io.WriteString(w, `{"indexes":`+recordedIndexes+`}`)
	})
	got, err := c.Indexes(t.Context(), "abc")
	if err != nil || !reflect.DeepEqual(got, wantIndexes) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPrepareSchema(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		var body struct {
			AdminKey string
			Bundle   struct{ Path, Source string }
			DryRun   *bool
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		want := "const schema = \"{\\\"tables\\\":[]}\";\nexport default { export: () => schema };\n"
		if r.URL.Path != "/api/prepare_schema" || body.AdminKey != testKey || body.Bundle.Path != "schema.js" || body.Bundle.Source != want || body.DryRun == nil || !*body.DryRun {
			t.Errorf("%s %+v", r.URL, body)
		}
		if calls > 1 {
			w.WriteHeader(503)
			return
		}
		io.WriteString(w, `{"added":`+recordedIndexes+`,"dropped":[],"enabled":[],"disabled":[],"schemaId":"s1"}`)
	})
	p, err := c.PrepareSchema(t.Context(), []byte(`{"tables":[]}`), true)
	if err != nil || p.SchemaID != "s1" || !reflect.DeepEqual(p.Added, wantIndexes) || len(p.Dropped)+len(p.Enabled)+len(p.Disabled) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := c.PrepareSchema(t.Context(), []byte(`{"tables":[]}`), true); err == nil || calls != 2 {
		t.Errorf("%d calls: %v", calls, err)
	}
}

func TestSchemaState(t *testing.T) {
	tests := map[string]struct {
		answer string
		want   SchemaState
	}{
		"pending":     {`{"indexes":[],"schemaState":{"state":"pending"}}`, SchemaState{State: SchemaPending, Indexes: []DeployedIndex{}}},
		"failed":      {`{"indexes":[],"schemaState":{"state":"failed","error":"Document …","tableName":"t"}}`, SchemaState{SchemaFailed, "Document …", "t", []DeployedIndex{}}},
		"failed, all": {`{"indexes":[],"schemaState":{"state":"failed","error":"x","tableName":null}}`, SchemaState{SchemaFailed, "x", "", []DeployedIndex{}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.EscapedPath() != "/api/schema_state/a%2Fb" {
					t.Error(r.URL.EscapedPath())
				}
				io.WriteString(w, test.answer)
			})
			got, err := c.SchemaState(t.Context(), "a/b")
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	c := serve(t, answerWith(404, "application/json", `{"code":"SchemaNotFound","message":"Schema with id x not found"}`))
	var he *HTTPError
	if _, err := c.SchemaState(t.Context(), "x"); !errors.As(err, &he) || he.Code != "SchemaNotFound" {
		t.Error(err)
	}
	c = serve(t, answerWith(200, "application/json", `{"schemaState":{"state":"odd"}}`))
	if _, err := c.SchemaState(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "not Convex's answer") {
		t.Error(err)
	}
}

func FuzzSchemaAnswers(f *testing.F) {
	f.Add([]byte(`{"added":` + recordedIndexes + `,"schemaId":"s"}`))
	f.Add([]byte(`{"indexes":` + recordedIndexes + `,"schemaState":{"state":"failed","error":"x","tableName":null}}`))
	f.Add([]byte(`{"indexes":[{"fields":null},{"fields":5}],"schemaState":{"state":"pending"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := readPrepared(text); err == nil && p.SchemaID == "" {
			t.Fatal("a schema without an id")
		}
		if s, err := readSchemaState(text); err == nil && s.State == "" {
			t.Fatal("a schema without a state")
		}
	})
}

package wire

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"strait/model/schema"
)

// DeployedIndex is one index of a deployment.
type DeployedIndex struct {
	Table string
	schema.Index
	Ready bool // all documents are in it
}

// Prepared is what a deployment made of a schema that was submitted.
type Prepared struct {
	SchemaID                          string // for SchemaState
	Added, Dropped, Enabled, Disabled []DeployedIndex
}

// The states of a submitted schema (convex-wire.md 10.4).
const (
	SchemaPending     = "pending"     // documents are being checked
	SchemaValidated   = "validated"   // every document fits
	SchemaActive      = "active"      // in force
	SchemaFailed      = "failed"      // some document does not fit
	SchemaOverwritten = "overwritten" // another one was submitted
)

// SchemaState is how far a submitted schema is.
type SchemaState struct {
	State   string // one of the constants above
	Error   string // Convex's text when it failed (9.2); it may quote a document
	Table   string // of the document that does not fit; "" unknown
	Indexes []DeployedIndex
}

// PrepareSchema submits a schema of the root, given as JSON (7.1), and has the
// stored documents checked against it, POST /api/prepare_schema; SchemaState
// says what came of it. It takes the place of another schema that is pending or
// validated. With dryRun it builds no index. Needs the op Deploy. It is sent
// once.
func (c *Client) PrepareSchema(ctx context.Context, schemaJSON []byte, dryRun bool) (Prepared, error) {
	const path = "/api/prepare_schema"
	ctx, cancel := context.WithTimeout(ctx, c.patience.function)
	defer cancel()
	r, err := c.send(ctx, http.MethodPost, path, c.prepareBody(schemaJSON, dryRun))
	if err != nil {
		return Prepared{}, err
	}
	p, err := readPrepared(r.body)
	if err != nil || r.html() {
		return Prepared{}, c.notConvex("POST "+path, r)
	}
	return p, nil
}

// prepareBody is the body of 10.3. The module is all that is asked of one: a
// default export with export().
func (c *Client) prepareBody(schemaJSON []byte, dryRun bool) []byte {
	source := []byte("const schema = ")
	source = appendJSON(source, string(schemaJSON)) // JSON's strings are JavaScript's
	source = append(source, ";\nexport default { export: () => schema };\n"...)
	b := []byte(`{"adminKey":`)
	b = appendJSON(b, c.key)
	b = append(b, `,"bundle":{"path":"schema.js","source":`...)
	b = appendJSON(b, string(source))
	if dryRun {
		return append(b, `},"dryRun":true}`...)
	}
	return append(b, `},"dryRun":false}`...)
}

func readPrepared(text []byte) (Prepared, error) {
	var body struct {
		Added, Dropped, Enabled, Disabled []indexJSON
		SchemaID                          string `json:"schemaId"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return Prepared{}, err
	}
	if body.SchemaID == "" {
		return Prepared{}, errors.New("no schemaId")
	}
	return Prepared{body.SchemaID, readIndexes(body.Added), readIndexes(body.Dropped), readIndexes(body.Enabled), readIndexes(body.Disabled)}, nil
}

// SchemaState is the state of a schema that PrepareSchema submitted, GET
// /api/schema_state/ID. The deployment forgets failed and overwritten ones
// after an hour or so: the error is then an *HTTPError with the code
// SchemaNotFound.
func (c *Client) SchemaState(ctx context.Context, id string) (SchemaState, error) {
	path := "/api/schema_state/" + url.PathEscape(id)
	r, err := c.ask(ctx, c.patience.probe, http.MethodGet, path, nil)
	if err != nil {
		return SchemaState{}, err
	}
	s, err := readSchemaState(r.body)
	if err != nil || r.html() {
		return SchemaState{}, c.notConvex("GET "+path, r)
	}
	return s, nil
}

func readSchemaState(text []byte) (SchemaState, error) {
	var body struct {
		Indexes     []indexJSON
		SchemaState struct{ State, Error, TableName string }
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return SchemaState{}, err
	}
	s := body.SchemaState
	switch s.State {
	case SchemaPending, SchemaValidated, SchemaActive, SchemaFailed, SchemaOverwritten:
		return SchemaState{s.State, s.Error, s.TableName, readIndexes(body.Indexes)}, nil
	}
	return SchemaState{}, errors.New("no schema state that is known")
}

// Indexes are the declared indexes of a component's tables, staged ones and
// those still being built included, GET /api/get_indexes (2.6).
func (c *Client) Indexes(ctx context.Context, componentID string) ([]DeployedIndex, error) {
	path := withParam("/api/get_indexes", "component_id", componentID)
	r, err := c.ask(ctx, c.patience.probe, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	var body struct{ Indexes *[]indexJSON }
	if err := json.Unmarshal(r.body, &body); err != nil || body.Indexes == nil || r.html() {
		return nil, c.notConvex("GET "+path, r)
	}
	return readIndexes(*body.Indexes), nil
}

// indexJSON is an index as these routes tell it (2.6).
type indexJSON struct {
	Table, Name string
	Fields      indexFields
	Backfill    struct{ State string }
	Staged      bool
}

// indexFields are the fields of a database index, or what a search or a vector
// index says in their place.
type indexFields schema.Index

func (x *indexFields) UnmarshalJSON(text []byte) error {
	var names []string
	if json.Unmarshal(text, &names) == nil {
		if n := len(names); n > 0 && names[n-1] == "_creationTime" { // every index ends with it; schemas leave it out
			names = names[:n-1]
		}
		*x = indexFields{Kind: schema.DatabaseIndex, Fields: names}
		return nil
	}
	var o struct {
		SearchField, VectorField string
		Dimensions               int
		FilterFields             []string
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	*x = indexFields{Kind: schema.SearchIndex, SearchField: o.SearchField, FilterFields: o.FilterFields}
	if o.VectorField != "" {
		*x = indexFields{Kind: schema.VectorIndex, VectorField: o.VectorField, Dimensions: o.Dimensions, FilterFields: o.FilterFields}
	}
	return nil
}

func readIndexes(list []indexJSON) []DeployedIndex {
	out := make([]DeployedIndex, len(list))
	for i, x := range list {
		ix := schema.Index(x.Fields)
		ix.Name, ix.Staged = x.Name, x.Staged
		out[i] = DeployedIndex{x.Table, ix, x.Backfill.State == "done"}
	}
	return out
}

package local

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

// The routes about indexes and about schemas that are submitted without code
// (convex-wire.md 2.6, 10.3).

// indexRow is an index as these routes tell it.
type indexRow struct {
	Table    string        `json:"table"`
	Name     string        `json:"name"`
	Fields   any           `json:"fields"`
	Backfill indexBackfill `json:"backfill"`
	Staged   bool          `json:"staged"`
}

type indexBackfill struct {
	State string `json:"state"`
}

// rowsOf tells indexes. All are complete: the embedded deployment builds them
// within the push that puts them in force.
func rowsOf(indexes []indexConfig) []indexRow {
	rows := []indexRow{}
	for _, c := range indexes {
		r := indexRow{Staged: c.Staged, Backfill: indexBackfill{"done"}}
		r.Table, r.Name, _ = strings.Cut(c.Name, ".")
		switch {
		case c.SearchField != nil:
			r.Fields = map[string]any{"searchField": *c.SearchField, "filterFields": *c.FilterFields}
		case c.VectorField != nil:
			r.Fields = map[string]any{"vectorField": *c.VectorField, "dimensions": *c.Dimensions, "filterFields": *c.FilterFields}
		default:
			r.Fields = slices.Concat(*c.Fields, []string{"_creationTime"})
		}
		rows = append(rows, r)
	}
	return rows
}

// declaredIndexes are the indexes of a component by table.
func (v *View) declaredIndexes(component string) []indexConfig {
	var out []indexConfig
	for _, t := range v.Tables(component) {
		for _, x := range v.Indexes(component, t.Name) {
			out = append(out, configOf(t.Name, x.Index))
		}
	}
	return out
}

func (d *Deployment) getIndexes(r *http.Request) (map[string][]indexRow, error) {
	if _, err := d.requireOp(r, "ViewData"); err != nil {
		return nil, err
	}
	id := r.URL.Query().Get("component_id")
	component, err := d.componentOf(&id)
	if err != nil {
		return nil, err
	}
	return map[string][]indexRow{"indexes": rowsOf(d.View().declaredIndexes(component))}, nil
}

// preparedAnswer is the answer of prepare_schema.
type preparedAnswer struct {
	Added    []indexRow `json:"added"`
	Dropped  []indexRow `json:"dropped"`
	Enabled  []indexRow `json:"enabled"`
	Disabled []indexRow `json:"disabled"`
	SchemaID string     `json:"schemaId"`
}

// prepareSchema submits a schema of the root and has the documents checked
// in the background.
func (d *Deployment) prepareSchema(r *http.Request) (*preparedAnswer, error) {
	var body struct {
		AdminKey string     `json:"adminKey"`
		Bundle   moduleBody `json:"bundle"`
		DryRun   *bool      `json:"dryRun"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if _, err := d.opByBody(r, body.AdminKey, "Deploy"); err != nil {
		return nil, err
	}
	if body.Bundle.Path != "schema.js" {
		return nil, badRequest("NoImportModuleInSchema", "Hit an error while evaluating your schema:\nCan't import %s while evaluating schema", body.Bundle.Path)
	}
	s, err := d.evaluateSchemaModule(r.Context(), body.Bundle)
	if err != nil {
		return nil, err
	}
	diff := diffIndexes(schemaIn(d.latest.Load(), "").active, s)
	subs := d.submit(map[string]*schema.Schema{"": s}, true)
	if body.DryRun != nil && !*body.DryRun {
		d.mu.Lock()
		subs[""].indexes = diff.Added
		d.mu.Unlock()
	}
	if err := d.validateLater(subs); err != nil {
		return nil, err
	}
	return &preparedAnswer{rowsOf(diff.Added), rowsOf(diff.Removed), rowsOf(diff.Enabled), rowsOf(diff.Disabled), subs[""].id}, nil
}

// evaluateSchemaModule evaluates a module whose default export is a schema, and
// refuses one that breaks a rule.
func (d *Deployment) evaluateSchemaModule(ctx context.Context, m moduleBody) (*schema.Schema, error) {
	ctx, leave, err := d.enterEvaluating(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	refuse := func(code, text string) error {
		return badRequest(cmp.Or(code, "InvalidSchema"), "Hit an error while evaluating your schema:\n%s", text)
	}
	found, err := jsrun.EvaluateDefinitions(ctx, []jsrun.PushedDefinition{{
		Schema: &jsrun.PushedModule{Path: m.Path, Source: m.Source, SourceMap: m.SourceMap, Environment: jsrun.Isolate},
	}}, nil)
	var thrown *jsrun.SchemaError
	var bad *jsrun.PushedError
	switch {
	case errors.As(err, &thrown):
		return nil, refuse("", thrown.Message)
	case errors.As(err, &bad):
		return nil, refuse("", bad.Message)
	case err != nil:
		return nil, err
	}
	s, err := schema.Parse(found[0].Schema)
	if err != nil {
		return nil, refuse("", err.Error())
	}
	if problems := s.Problems(); len(problems) > 0 {
		return nil, refuse(problems[0].Code, problems[0].Message)
	}
	return s, nil
}

// stateAnswer is the answer of schema_state.
type stateAnswer struct {
	Indexes     []indexRow `json:"indexes"`
	SchemaState stateJSON  `json:"schemaState"`
}

// stateJSON is the state of a schema; the latter two only of a failed one.
type stateJSON struct {
	State     schemaState
	Error     string
	TableName string
}

// MarshalJSON writes the keys that the state has; a failure's table may be
// null.
func (s stateJSON) MarshalJSON() ([]byte, error) {
	o := value.Object{{Name: "state", Value: string(s.State)}}
	if s.State == schemaFailed {
		var table value.Value
		if s.TableName != "" {
			table = s.TableName
		}
		o = o.With("error", s.Error).With("tableName", table)
	}
	return value.Append(nil, o), nil
}

// rootSchemaState is the state of a schema that was submitted for the root.
func (d *Deployment) rootSchemaState(r *http.Request) (*stateAnswer, error) {
	if _, err := d.requireOp(r, "Deploy"); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if parsed, err := value.ParseID(id); err != nil || parsed.Table != schemasTable {
		return nil, badRequest("InvalidSchemaId", "Invalid schema id: %s", id)
	}
	indexes := d.View().declaredIndexes("")
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.submission(id)
	if p == nil || p.component != "" {
		return nil, &httpError{http.StatusNotFound, "SchemaNotFound", "Schema with id " + id + " not found"}
	}
	a := &stateAnswer{SchemaState: stateJSON{State: p.state}}
	if p.failed != nil {
		a.SchemaState.Error, a.SchemaState.TableName = p.failed.Message, p.failed.Table
	}
	for _, x := range p.indexes {
		if !slices.ContainsFunc(indexes, func(have indexConfig) bool { return have.Name == x.Name }) {
			indexes = append(indexes, x)
		}
	}
	a.Indexes = rowsOf(indexes)
	return a, nil
}

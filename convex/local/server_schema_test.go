package local_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// withNotes is the fixture's schema with other documents and indexes of notes.
func withNotes(t testing.TB, document string, indexes ...schema.Index) *schema.Schema {
	t.Helper()
	v, err := schema.ParseValidator([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	return &schema.Schema{Validation: true, Tables: []*schema.Table{
		{Name: "notes", Document: v, Indexes: indexes},
		{Name: "other", Document: &schema.Validator{Kind: schema.Object, Fields: []schema.Field{{Name: "n", Type: &schema.Validator{Kind: schema.Number}}}}},
	}}
}

const (
	strictNotes = `{"type":"object","value":{"text":{"fieldType":{"type":"string"},"optional":false},"done":{"fieldType":{"type":"boolean"},"optional":false}}}`
	looseNotes  = `{"type":"object","value":{"text":{"fieldType":{"type":"any"},"optional":false},"done":{"fieldType":{"type":"any"},"optional":true}}}`
)

// settled waits for the state of a schema after pending.
func settled(t testing.TB, d *local.Deployment, c *wire.Client, id string) wire.SchemaState {
	t.Helper()
	for {
		at := d.View().Timestamp()
		s, err := c.SchemaState(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if s.State != wire.SchemaPending {
			return s
		}
		if _, err := d.Wait(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPrepareSchema(t *testing.T) {
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	prepare := func(s *schema.Schema, dry bool) wire.Prepared {
		t.Helper()
		p, err := c.PrepareSchema(t.Context(), s.JSON(), dry)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	state := func(id string) wire.SchemaState {
		t.Helper()
		s, err := c.SchemaState(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ids, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "a", "done", true), object("text", "b")})
	if err != nil {
		t.Fatal(err)
	}

	// A document that does not fit, named in Convex's words.
	byText := schema.Index{Kind: schema.DatabaseIndex, Name: "by_text", Fields: []string{"text"}}
	strict := withNotes(t, strictNotes, byText)
	failed := settled(t, d, c, prepare(strict, true).SchemaID)
	want := fmt.Sprintf("Document with ID %q in table \"notes\" does not match the schema: Object is missing the required field `done`.", ids[1])
	if failed.State != wire.SchemaFailed || failed.Table != "notes" || !strings.HasPrefix(failed.Error, want) {
		t.Errorf("%+v, want %s", failed, want)
	}

	// Once it fits: validated, and a write of the old shape makes it fail.
	if _, err := d.Update(t.Context(), "", func(w *local.Writer) error { return w.Patch(ids[1], object("done", false)) }); err != nil {
		t.Fatal(err)
	}
	first := prepare(strict, true)
	if s := settled(t, d, c, first.SchemaID); s.State != wire.SchemaValidated || s.Error != "" {
		t.Errorf("%+v", s)
	}
	if again := prepare(strict, true); again.SchemaID != first.SchemaID {
		t.Errorf("the same schema again is %s, was %s", again.SchemaID, first.SchemaID)
	}
	if _, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "c")}); err != nil {
		t.Fatal(err)
	}
	if s := state(first.SchemaID); s.State != wire.SchemaFailed || !strings.HasPrefix(s.Error, `New document in table "notes" does not match the schema: `) {
		t.Errorf("%+v", s)
	}

	// Another submission takes its place; nothing is in force before a push.
	loose := withNotes(t, looseNotes, byText)
	second := prepare(loose, true)
	settled(t, d, c, second.SchemaID)
	third := prepare(withNotes(t, looseNotes), true)
	if s := state(second.SchemaID); s.State != wire.SchemaOverwritten {
		t.Errorf("%+v", s)
	}
	if s := settled(t, d, c, third.SchemaID); s.State != wire.SchemaValidated {
		t.Errorf("%+v", s)
	}
	if err := d.PushSchema(t.Context(), loose); err != nil {
		t.Fatal(err)
	}
	if s := state(third.SchemaID); s.State != wire.SchemaOverwritten {
		t.Errorf("%+v", s)
	}
	if s := state(prepare(loose, true).SchemaID); s.State != wire.SchemaActive {
		t.Errorf("the schema in force: %+v", s)
	}
}

func TestPreparedIndexes(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	byDone := schema.Index{Kind: schema.DatabaseIndex, Name: "by_done", Fields: []string{"done", "text"}}
	find := schema.Index{Kind: schema.SearchIndex, Name: "find", SearchField: "text", FilterFields: []string{"done"}}
	byText := schema.Index{Kind: schema.DatabaseIndex, Name: "by_text", Fields: []string{"text"}}
	have := wire.DeployedIndex{Table: "notes", Index: byText, Ready: true}
	want := []wire.DeployedIndex{{Table: "notes", Index: byDone, Ready: true}, {Table: "notes", Index: find, Ready: true}}

	got, err := c.Indexes(t.Context(), "")
	if err != nil || !reflect.DeepEqual(got, []wire.DeployedIndex{have}) {
		t.Errorf("%+v, %v", got, err)
	}
	s := withNotes(t, looseNotes, byDone, find)
	for _, dry := range []bool{true, false} {
		p, err := c.PrepareSchema(t.Context(), s.JSON(), dry)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(p.Added, want) || !reflect.DeepEqual(p.Dropped, []wire.DeployedIndex{have}) || len(p.Enabled)+len(p.Disabled) > 0 {
			t.Errorf("dry %v: %+v", dry, p)
		}
		state, err := c.SchemaState(t.Context(), p.SchemaID)
		if err != nil {
			t.Fatal(err)
		}
		all := []wire.DeployedIndex{have}
		if !dry {
			all = append(all, want...)
		}
		if !reflect.DeepEqual(state.Indexes, all) {
			t.Errorf("dry %v: indexes %+v, want %+v", dry, state.Indexes, all)
		}
	}
	if inside, err := c.Indexes(t.Context(), componentIDs(t, c)["migrations"]); err != nil || len(inside) == 0 || inside[0].Table != "migrations" {
		t.Errorf("in the component: %+v, %v", inside, err)
	}
}

func TestSchemaRoutesRefuse(t *testing.T) {
	slowUnderRace(t)
	t.Parallel()
	d := deploy(t, nil)
	c := dial(t, d)
	admin := []string{"Authorization", "Convex " + d.AdminKey()}
	wrong := []string{"Authorization", "Convex fixture|wrong"}
	source := func(text string) string {
		b, _ := json.Marshal(map[string]any{"adminKey": d.AdminKey(), "bundle": map[string]string{"path": "schema.js", "source": text}})
		return string(b)
	}
	exports := func(schema string) string {
		return source("export default { export: () => " + fmt.Sprintf("%q", schema) + " };")
	}
	tests := map[string]struct {
		method, path, body string
		header             []string
		status             int
		want               string
	}{
		"prepare without a key": {"POST", "/api/prepare_schema", `{"bundle":{"path":"schema.js","source":""}}`, nil, 403, "BadDeployKey"},
		"prepare, wrong key":    {"POST", "/api/prepare_schema", `{"adminKey":"fixture|wrong"}`, nil, 401, "BadAdminKey"},
		"state without a key":   {"GET", "/api/schema_state/x", "", nil, 403, "BadDeployKey"},
		"state, wrong key":      {"GET", "/api/schema_state/x", "", wrong, 401, "BadAdminKey"},
		"indexes without a key": {"GET", "/api/get_indexes", "", nil, 403, "BadDeployKey"},
		"indexes, wrong key":    {"GET", "/api/get_indexes", "", wrong, 401, "BadAdminKey"},
		"cancel without a key":  {"POST", "/api/cancel_job", `{}`, nil, 403, "BadDeployKey"},
		"cancel, wrong key":     {"POST", "/api/cancel_job", `{}`, wrong, 401, "BadAdminKey"},
		"cancel all, no key":    {"POST", "/api/cancel_all_jobs", `{}`, nil, 403, "BadDeployKey"},
		"cancel all, wrong key": {"POST", "/api/cancel_all_jobs", `{}`, wrong, 401, "BadAdminKey"},
		"cancel nothing":        {"POST", "/api/cancel_job", `{"id":"x"}`, admin, 400, "InvalidId"},
		"cancel by odd path":    {"POST", "/api/cancel_all_jobs", `{"udfPath":"a b"}`, admin, 400, "InvaildUdfPath"},
		"cancel in odd place":   {"POST", "/api/cancel_all_jobs", `{"componentId":"x"}`, admin, 400, "ComponentNotFound"},
		"indexes in odd place":  {"GET", "/api/get_indexes?component_id=x", "", admin, 400, "ComponentNotFound"},
		"odd id":                {"GET", "/api/schema_state/x", "", admin, 400, "InvalidSchemaId"},
		"no id of a schema":     {"GET", "/api/schema_state/" + componentIDs(t, c)["migrations"], "", admin, 400, "InvalidSchemaId"},
		"forgotten schema":      {"GET", "/api/schema_state/" + value.ID{Table: 521}.String(), "", admin, 404, "SchemaNotFound"},
		"no export":             {"POST", "/api/prepare_schema", source("export default 5;"), nil, 400, "Hit an error while evaluating your schema:"},
		"throws":                {"POST", "/api/prepare_schema", source("throw new Error('boom');"), nil, 400, "Uncaught Error: boom"},
		"syntax":                {"POST", "/api/prepare_schema", source("export default {"), nil, 400, "Hit an error while evaluating your schema:"},
		"no JSON":               {"POST", "/api/prepare_schema", exports("{"), nil, 400, "Hit an error while evaluating your schema:"},
		"a broken rule":         {"POST", "/api/prepare_schema", exports(`{"tables":[{"tableName":"_x","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"any"}}],"schemaValidation":true}`), nil, 400, "Hit an error while evaluating your schema:"},
		"another module":        {"POST", "/api/prepare_schema", `{"adminKey":"` + d.AdminKey() + `","bundle":{"path":"x.js","source":""}}`, nil, 400, "Can't import x.js while evaluating schema"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := ask(d, test.method, test.path, test.body, test.header...)
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.want) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, test.status, test.want)
			}
		})
	}
	if d.SchemaState("").InProgress != nil {
		t.Error("a refused schema was submitted")
	}
	var he *wire.HTTPError
	if _, err := c.SchemaState(t.Context(), value.ID{Table: 521}.String()); !errors.As(err, &he) || he.Code != "SchemaNotFound" {
		t.Errorf("%v", err)
	}
}

// The routes that cancel scheduled functions reach those that a component has
// scheduled, all or by function.
func TestCancelRoutes(t *testing.T) {
	t.Parallel()
	d := deploy(t, map[string]string{"convex/later.ts": `
import { mutation, internalMutation } from "./_generated/server";
import { internal } from "./_generated/api";
export const one = internalMutation({ args: {}, handler: async () => {} });
export const two = internalMutation({ args: {}, handler: async () => {} });
export const plan = mutation({ args: {}, handler: async (ctx) => {
  const ids = [];
  for (let i = 1; i <= 3; i++) {
    ids.push(await ctx.scheduler.runAfter(i * 3600_000, internal.later.one, {}));
    ids.push(await ctx.scheduler.runAfter(i * 3600_000, internal.later.two, {}));
  }
  return ids;
} });`})
	admin := []string{"Authorization", "Convex " + d.AdminKey()}
	post := func(path, body string) {
		t.Helper()
		if w := ask(d, "POST", path, body, admin...); w.Code != 200 || w.Body.Len() > 0 {
			t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
		}
	}
	left := func() string {
		var out []string
		for _, j := range d.View().Jobs("") {
			out = append(out, strings.TrimPrefix(j.Path, "later:"))
		}
		return strings.Join(out, " ")
	}
	w := ask(d, "POST", "/api/mutation", `{"path":"later:plan","args":{}}`)
	var planned struct{ Value []string }
	if err := json.Unmarshal(w.Body.Bytes(), &planned); err != nil || len(planned.Value) != 6 {
		t.Fatalf("%v %s", err, w.Body)
	}
	post("/api/cancel_job", `{"id":"`+planned.Value[0]+`"}`)
	post("/api/cancel_job", `{"id":"`+planned.Value[0]+`"}`)
	if got := left(); got != "two one two one two" {
		t.Errorf("after one: %s", got)
	}
	due := d.View().Jobs("")[3].At
	post("/api/cancel_all_jobs", fmt.Sprintf(`{"udfPath":"later.js:one","componentPath":"","startNextTs":%d}`, due.UnixNano()))
	if got := left(); got != "two one two two" {
		t.Errorf("after one function, from a time: %s", got)
	}
	post("/api/cancel_all_jobs", `{"udfPath":"later:two","componentPath":"elsewhere"}`)
	post("/api/cancel_all_jobs", fmt.Sprintf(`{"endNextTs":%d}`, d.View().Jobs("")[1].At.UnixNano()))
	if got := left(); got != "one two two" {
		t.Errorf("after all before a time: %s", got)
	}
	post("/api/cancel_all_jobs", `{}`)
	if got := left(); got != "" {
		t.Errorf("after all: %s", got)
	}
}

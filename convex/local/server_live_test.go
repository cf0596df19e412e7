package local_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"strait/convex/wire"
	"strait/model/value"
)

// The whole path, as the screen uses it: our client, in memory, our server,
// our core.
func TestLiveThroughOurClient(t *testing.T) {
	d := deploy(t, nil)
	c := dial(t, d)
	counts := make(chan wire.Update, 1000)
	c.Subscribe(wire.Call{Path: "notes:count"}, func(u wire.Update) { counts <- u })
	if u := next(t, counts); u.Err != nil || u.Value != 0.0 {
		t.Fatalf("first: %+v", u)
	}
	sizes := make(chan int64, 1000)
	c.SubscribeTableSize("", "notes", func(n int64, err error) {
		if err != nil {
			t.Error(err)
		}
		sizes <- n
	})
	for i := range 20 {
		r, err := c.Mutate(t.Context(), wire.Call{Path: "notes:add", Args: object("text", fmt.Sprint(i))})
		if err != nil {
			t.Fatal(err)
		}
		if id, _ := r.Value.(string); len(id) < 31 || len(r.LogLines) != 1 || r.LogLines[0] != fmt.Sprintf("[LOG] 'adding' '%d'", i) {
			t.Fatalf("result: %+v", r)
		}
	}
	until(t, counts, func(u wire.Update) bool { return u.Value == 20.0 })
	until(t, sizes, func(n int64) bool { return n == 20 })
	_, err := c.Mutate(t.Context(), wire.Call{Path: "notes:refuse"})
	var fe *wire.FunctionError
	if !errors.As(err, &fe) || !value.Equal(fe.Data, object("code", 7.0)) {
		t.Errorf("refuse: %v", err)
	}
	if !strings.HasPrefix(fe.Message, "[Request ID: ") || !strings.Contains(fe.Message, "] Server Error\nUncaught ConvexError: ") {
		t.Errorf("refuse: %q", fe.Message)
	}
}

func TestMigrationThroughOurClient(t *testing.T) {
	d := deploy(t, nil)
	c := dial(t, d)
	var docs []value.Object
	for i := range 95 {
		docs = append(docs, object("text", fmt.Sprint(i)))
	}
	if _, err := d.Insert(t.Context(), "", "notes", docs); err != nil {
		t.Fatal(err)
	}
	names := []string{"migrations:finish"}
	statuses := make(chan wire.MigrationStatus, 1000)
	c.SubscribeMigrations("migrations", names, func(s []wire.MigrationStatus, err error) {
		if err != nil || len(s) != 1 {
			t.Errorf("statuses: %v, %v", s, err)
			return
		}
		statuses <- s[0]
	})
	if s := next(t, statuses); s.State != "unknown" || s.Processed != 0 || !s.LatestStart.IsZero() {
		t.Fatalf("before: %+v", s)
	}
	if _, err := c.Function(t.Context(), wire.Call{Path: "migrations:run", Args: object("fn", names[0])}); err != nil {
		t.Fatal(err)
	}
	end := until(t, statuses, func(s wire.MigrationStatus) bool { return s.State != "inProgress" && s.State != "unknown" })
	if end.State != "success" || end.Processed != 95 || !end.IsDone || end.LatestEnd.IsZero() {
		t.Errorf("end: %+v", end)
	}
	list, err := c.MigrationStatuses(t.Context(), "migrations", []string{"migrations:never", "migrations:finish"})
	if err != nil || len(list) != 2 || list[0].State != "unknown" || list[1].State != "success" {
		t.Errorf("by name: %+v, %v", list, err)
	}
	if _, err := c.MigrationStatuses(t.Context(), "nowhere", nil); err == nil {
		t.Error("a component that is not there answered")
	}
}

func TestSystemFunctionsThroughOurClient(t *testing.T) {
	d := deploy(t, nil)
	c := dial(t, d)
	ctx := t.Context()
	ids, err := d.Insert(ctx, "", "notes", []value.Object{object("text", "a"), object("text", "b"), object("text", "c")})
	if err != nil {
		t.Fatal(err)
	}
	if access, err := c.CheckAdminKey(ctx); err != nil || access.ReadOnly || !access.Allows("Deploy") {
		t.Errorf("access: %+v, %v", access, err)
	}
	if name, err := c.InstanceName(ctx); err != nil || name != "fixture" {
		t.Errorf("name: %q, %v", name, err)
	}
	components, err := c.Components(ctx)
	if err != nil || len(components) != 2 || components[0].Path != "" || components[1].Path != "migrations" || components[1].State != "active" {
		t.Fatalf("components: %+v, %v", components, err)
	}
	inside := components[1].ID
	schemas, err := c.Schemas(ctx, "")
	if err != nil || schemas.Active.Table("notes") == nil || schemas.InProgress != nil {
		t.Errorf("schemas: %+v, %v", schemas, err)
	}
	if schemas, err = c.Schemas(ctx, inside); err != nil || schemas.Active.Table("migrations") == nil {
		t.Errorf("component's schemas: %+v, %v", schemas, err)
	}
	if tables, err := c.Tables(ctx, ""); err != nil || strings.Join(tables, " ") != "notes other" {
		t.Errorf("tables: %v, %v", tables, err)
	}
	if tables, err := c.Tables(ctx, "migrations"); err != nil || strings.Join(tables, " ") != "migrations" {
		t.Errorf("component's tables: %v, %v", tables, err)
	}
	if n, err := c.TableSize(ctx, "", "notes"); err != nil || n != 3 {
		t.Errorf("size: %d, %v", n, err)
	}
	var seen []string
	for cursor := ""; ; {
		page, err := c.TableData(ctx, "", "notes", "desc", cursor, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range page.Documents {
			text, _ := doc.Get("text")
			seen = append(seen, text.(string))
		}
		if cursor = page.Cursor; page.IsDone {
			break
		}
	}
	if strings.Join(seen, "") != "cba" {
		t.Errorf("pages: %v", seen)
	}
	mapping, err := c.TableMapping(ctx, "")
	id, _ := value.ParseID(ids[0])
	if err != nil || mapping[id.Table] != "notes" {
		t.Errorf("mapping: %v, %v", mapping, err)
	}
	docs, err := c.Documents(ctx, "", []string{ids[2], ids[0]})
	if err != nil || len(docs) != 2 {
		t.Fatalf("documents: %v, %v", docs, err)
	}
	if text, _ := docs[0].Get("text"); text != "c" {
		t.Errorf("documents: %v", docs)
	}
	spec, err := c.APISpec(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]wire.FunctionSpec{}
	for _, f := range spec {
		found[f.Path] = f
	}
	if f := found["notes:add"]; f.Type != "Mutation" || !f.Public || f.Args.Field("text") == nil {
		t.Errorf("notes:add: %+v", f)
	}
	if f := found["notes:secret"]; f.Type != "Query" || f.Public {
		t.Errorf("notes:secret: %+v", f)
	}
	if spec, err = c.APISpec(ctx, inside); err != nil || len(spec) == 0 || spec[0].Path[:4] != "lib:" {
		t.Errorf("component's functions: %+v, %v", spec, err)
	}
	if _, err := c.Query(ctx, wire.Call{Path: "_system/frontend/noSuch"}); !strings.Contains(err.Error(), "Could not find public function for '_system/frontend/noSuch'") {
		t.Errorf("missing: %v", err)
	}
	if _, err := c.Function(ctx, wire.Call{Path: "_system/cli/tables"}); err == nil || !strings.Contains(err.Error(), "Could not find function") {
		t.Errorf("system function over /api/function: %v", err)
	}
}

// Operators repair data with the dashboard's mutations, under the schema.
func TestRepair(t *testing.T) {
	d := deploy(t, nil)
	c := dial(t, d)
	ids, err := d.Insert(t.Context(), "", "notes", []value.Object{object("text", "a"), object("text", "b")})
	if err != nil {
		t.Fatal(err)
	}
	patch := func(fields value.Object) error {
		_, err := c.Mutate(t.Context(), wire.Call{Path: "_system/frontend/patchDocumentsFields", Args: object("table", "notes", "ids", value.Array{ids[0]}, "fields", fields)})
		return err
	}
	if err := patch(object("done", true)); err != nil {
		t.Fatal(err)
	}
	var fe *wire.FunctionError
	if err := patch(object("text", 5.0)); !errors.As(err, &fe) || !fe.HasData || !strings.Contains(err.Error(), "does not match the schema") {
		t.Errorf("against the schema: %v", err)
	}
	if _, err := c.Mutate(t.Context(), wire.Call{Path: "_system/frontend/deleteDocuments", Args: object("toDelete", value.Array{object("id", ids[1], "tableName", "notes")})}); err != nil {
		t.Fatal(err)
	}
	docs, err := c.Documents(t.Context(), "", ids)
	if err != nil || len(docs) != 1 {
		t.Fatalf("documents: %v, %v", docs, err)
	}
	if done, _ := docs[0].Get("done"); done != true {
		t.Errorf("patched: %v", docs[0])
	}
}

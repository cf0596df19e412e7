package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

const (
	stringType = `{"type":"string"}`
	numberType = `{"type":"number"}`
)

// oneTable is a schema of a table "t" with fields as name: type.
func oneTable(t testing.TB, indexes string, fields ...string) *schema.Schema {
	var parts []string
	for i := 0; i < len(fields); i += 2 {
		name, optional := strings.CutSuffix(fields[i], "?")
		parts = append(parts, fmt.Sprintf(`%q:{"fieldType":%s,"optional":%v}`, name, fields[i+1], optional))
	}
	return parseSchema(t, fmt.Sprintf(`{"schemaValidation":true,"tables":[{"tableName":"t","indexes":[%s],"documentType":{"type":"object","value":{%s}}}]}`,
		indexes, strings.Join(parts, ",")))
}

func object1(name string, v value.Value) value.Object {
	return value.Object{{Name: name, Value: v}}
}

func TestPushRefusesDocumentsThatDoNotFit(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	if err := d.PushSchema(ctx, oneTable(t, "", "a", stringType)); err != nil {
		t.Fatal(err)
	}
	ids, err := d.Insert(ctx, "", "t", []value.Object{object1("a", "x"), object1("a", "y")})
	if err != nil {
		t.Fatal(err)
	}
	before := d.SchemaState("").Active
	err = d.PushSchema(ctx, oneTable(t, "", "a", numberType))
	var refused *PushError
	if !errors.As(err, &refused) {
		t.Fatalf("push: %v", err)
	}
	want := fmt.Sprintf("Document with ID %q in table \"t\" does not match the schema: Value does not match validator.\nPath: .a\nValue: \"x\"\nValidator: v.float64()", ids[0])
	if strings.TrimSpace(refused.Message) != want || refused.Document != ids[0] || refused.Table != "t" {
		t.Errorf("got %+v\nwant %s", refused, want)
	}
	if st := d.SchemaState(""); st.Active != before || st.InProgress != nil {
		t.Errorf("state after a refused push: %+v", st)
	}
	// Without validation nothing is checked, at push or on write.
	loose := oneTable(t, "", "a", numberType)
	loose.Validation = false
	if err := d.PushSchema(ctx, loose); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Update(ctx, "", func(w *Writer) error { _, err := w.Insert("t", object1("b", true)); return err }); err != nil {
		t.Fatal(err)
	}
	// Tables outside of the schema stay.
	if err := d.PushSchema(ctx, parseSchema(t, `{"schemaValidation":true,"tables":[]}`)); err != nil {
		t.Fatal(err)
	}
	if n := len(scanAll(d, "", "t")); n != 3 {
		t.Errorf("%d documents are left", n)
	}
}

func TestWritesWhileASchemaIsPending(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	if err := d.PushSchema(ctx, oneTable(t, "", "a", `{"type":"any"}`)); err != nil {
		t.Fatal(err)
	}
	subs := d.submit(map[string]*schema.Schema{"": oneTable(t, "", "a", numberType)}, false)
	if st := d.SchemaState(""); st.InProgress == nil {
		t.Fatal("the schema is not pending")
	}
	write := func(v value.Value) error {
		_, err := d.Update(ctx, "", func(w *Writer) error { _, err := w.Insert("t", object1("a", v)); return err })
		return err
	}
	if err := write(1.0); err != nil {
		t.Fatal(err)
	}
	if st := d.SchemaState(""); st.InProgress == nil {
		t.Error("a write that fits failed the schema")
	}
	if err := write("old shape"); err != nil {
		t.Fatalf("the active schema allows it: %v", err)
	}
	if st := d.SchemaState(""); st.InProgress != nil {
		t.Error("a write that does not fit left the schema pending")
	}
	_, err := d.activate(&release{targets: map[string]*schema.Schema{"": subs[""].target}, subs: subs})
	if err == nil || !strings.HasPrefix(err.Error(), "New document in table \"t\" does not match the schema: Value does not match validator.") {
		t.Errorf("activate: %v", err)
	}
	d.withdraw(subs)
	if len(scanAll(d, "", "t")) != 2 {
		t.Error("the write is gone")
	}
}

// TestPushProgress watches the validation of many documents.
func TestPushProgress(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	docs := make([]value.Object, 1000)
	for i := range docs {
		docs[i] = object1("a", float64(i))
	}
	if _, err := d.Insert(ctx, "", "t", docs); err != nil {
		t.Fatal(err)
	}
	seen := make(chan []int64)
	watch, stop := context.WithCancel(ctx)
	since := d.View().Timestamp()
	go func() {
		var steps []int64
		for ts := since; ; {
			st := d.SchemaState("")
			if st.InProgress != nil && (len(steps) == 0 || steps[len(steps)-1] != st.Validated) {
				steps = append(steps, st.Validated)
			}
			var err error
			if ts, err = d.Wait(watch, ts); err != nil {
				seen <- steps
				return
			}
		}
	}()
	if err := d.PushSchema(ctx, oneTable(t, "", "a", numberType)); err != nil {
		t.Fatal(err)
	}
	if !d.Changed(ReadSchema(""), since) {
		t.Error("the push did not touch the schema's read set")
	}
	stop()
	for _, n := range <-seen {
		if n > 1000 {
			t.Errorf("%d of 1000 documents were checked", n)
		}
	}
	// What the active schema implies is not checked again.
	if n := len(d.latest.Load().space("").toCheck(oneTable(t, "", "a", `{"type":"any"}`))); n != 0 {
		t.Errorf("%d tables to check for a wider schema", n)
	}
}

func TestIndexesAreBuiltStagedAndDropped(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	docs := make([]value.Object, 50)
	for i := range docs {
		docs[i] = object1("a", float64(i%7))
	}
	if _, err := d.Insert(ctx, "", "t", docs); err != nil {
		t.Fatal(err)
	}
	index := `{"indexDescriptor":"by_a","fields":["a"]}`
	with := oneTable(t, index, "a", numberType)
	if err := d.PushSchema(ctx, with); err != nil {
		t.Fatal(err)
	}
	tree := d.latest.Load().space("").table("t").index("by_a").tree
	if tree.Len() != 50 {
		t.Fatalf("the index has %d entries", tree.Len())
	}
	if got := d.View().Indexes("", "t"); len(got) != 1 || got[0].Name != "by_a" {
		t.Errorf("indexes %+v", got)
	}
	staged := oneTable(t, index, "a", numberType)
	staged.Tables[0].Indexes[0].Staged = true
	if err := d.PushSchema(ctx, staged); err != nil {
		t.Fatal(err)
	}
	tx := d.begin(d.latest.Load())
	q := []byte(`{"source":{"type":"IndexRange","indexName":"t.by_a","range":[],"order":null},"operators":[]}`)
	if _, err := tx.parsePlan("", q, "q"); err == nil || !strings.Contains(err.Error(), "is currently staged") {
		t.Errorf("a staged index answers: %v", err)
	}
	if err := d.PushSchema(ctx, oneTable(t, "", "a", numberType)); err != nil {
		t.Fatal(err)
	}
	if got := d.View().Indexes("", "t"); len(got) != 0 {
		t.Errorf("the index is left: %+v", got)
	}
}

// TestPushRefusesWhatConvexRefuses: the rules themselves are tested where they
// stand, in model/schema.
func TestPushRefusesWhatConvexRefuses(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	before := d.View().Timestamp()
	for _, c := range []struct{ tables, table, want string }{
		{
			`{"tableName":"t","indexes":[{"indexDescriptor":"by_id","fields":["a"]}],"documentType":{"type":"any"}}`, "t",
			`In table "t" cannot name an index "by_id" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`,
		},
		{ // of several, the one that Convex would name
			`{"tableName":"z","indexes":[{"indexDescriptor":"x","fields":["gone"]}],"documentType":{"type":"object","value":{}}},` +
				`{"tableName":"a","indexes":[],"documentType":{"type":"string"}}`, "a",
			"The document validator in a schema must be an object, a union of objects, or `v.any()`. Found v.string(). To learn more, see the schema documentation at https://docs.convex.dev/database/schemas.",
		},
	} {
		s := parseSchema(t, `{"schemaValidation":true,"tables":[`+c.tables+`]}`)
		err := d.PushSchema(ctx, s)
		var refused *PushError
		if !errors.As(err, &refused) || refused.Table != c.table || refused.Message != "Hit an error while evaluating your schema:\n"+c.want {
			t.Errorf("%s: %+v", c.tables, err)
		}
	}
	if d.View().Timestamp() != before {
		t.Error("a refused schema left something behind")
	}
}

func TestPushWithAnotherSchema(t *testing.T) {
	app := loadApp(t, false, coreFiles)
	d := deploy(t, nil, Options{})
	if _, err := d.Insert(context.Background(), "", "authors", []value.Object{object1("pen_name", "George Eliot")}); err != nil {
		t.Fatal(err)
	}
	if err := d.Push(context.Background(), Push{App: app}); err == nil {
		t.Fatal("the document fits no author")
	}
	if d.App() != nil || len(d.View().Components()) != 1 {
		t.Error("a refused push left code or components")
	}
	wide := &schema.Schema{Validation: true}
	if err := d.Push(context.Background(), Push{App: app, Schema: wide}); err != nil {
		t.Fatal(err)
	}
	if d.App() != app || d.SchemaState("").Active != wide || d.SchemaState("box").Active.Table("items") == nil {
		t.Error("the push is not active")
	}
	must(t, d, "core:readAll", `{}`)
	// Code may go away: its data stays, its functions do not.
	if err := d.Push(context.Background(), Push{App: &jsrun.App{Components: app.Components[:1]}, Schema: wide}); err != nil {
		t.Fatal(err)
	}
	if e := fails(t, d, "box!lib:list", `{}`); e.Message != "Component path 'box' not found" {
		t.Error(e.Message)
	}
}

func TestInsertKeepsIdsAndRefusesStrangers(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	if err := d.DefineTable("", "users", 10017); err != nil {
		t.Fatal(err)
	}
	given := value.ID{Table: 10017, Internal: [16]byte{1, 2, 3}}.String()
	doc := decode(t, `{"_creationTime":1700000000000.25,"_id":"`+given+`","name":"Ann"}`)
	ids, err := d.Insert(ctx, "", "users", []value.Object{doc})
	if err != nil || ids[0] != given {
		t.Fatalf("%v %v", ids, err)
	}
	if got, _ := d.View().Get("", given); got.JSON != text(doc) {
		t.Errorf("stored %s", got.JSON)
	}
	other := value.ID{Table: 10018, Internal: [16]byte{9}}.String()
	for _, c := range []struct{ table, doc, want string }{
		{"users", `{"_id":"` + given + `"}`, "is taken"},
		{"users", `{"_id":"` + other + `"}`, "belongs to table number 10018, the table has 10017"},
		{"users", `{"_id":"nonsense"}`, "its _id"},
		{"teams", `{"_id":"` + given + `"}`, "its number 10017 belongs to table \"users\""},
		{"users", `{"_other":1}`, "starts with an underscore"},
		{"_scheduled_functions", `{}`, "System tables"},
	} {
		if _, err := d.Insert(ctx, "", c.table, []value.Object{decode(t, c.doc)}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s: %v", c.table, c.doc, err)
		}
	}
	if n, _ := d.View().TableNumber("", "users"); n != 10017 || len(d.View().Tables("")) != 1 {
		t.Errorf("tables %+v", d.View().Tables(""))
	}
	if err := d.DeleteTable("", "users"); err != nil || len(d.View().Tables("")) != 0 {
		t.Errorf("delete: %v", err)
	}
	if err := d.PushSchema(ctx, oneTable(t, "", "a", numberType)); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteTable("", "t"); err == nil || err.Error() != `Failed to delete table "t" because it appears in the schema` {
		t.Errorf("delete: %v", err)
	}
}

func TestGenerateIsDeterminedAndFits(t *testing.T) {
	app := loadApp(t, false, coreFiles)
	shape := app.Component("").Schema
	fill := func(dangling float64) *Deployment {
		d := deploy(t, nil, Options{Seed: 5})
		if err := d.Generate(context.Background(), GenerateOptions{
			Schema: shape, Counts: map[string]int{"books": 300, "authors": 20}, Seed: 7, Dangling: dangling,
		}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	a, b := fill(0), fill(0)
	first, second := scanAll(a, "", "books"), scanAll(b, "", "books")
	if len(first) != 300 || !value.Equal(value.Array{first[0], first[299]}, value.Array{second[0], second[299]}) {
		t.Error("the same seed gave different documents")
	}
	if err := a.Push(context.Background(), Push{App: app}); err != nil {
		t.Errorf("generated documents do not fit their schema: %v", err)
	}
	dangling := func(d *Deployment) (n int) {
		for _, doc := range scanAll(d, "", "books") {
			if author, ok := field(doc, "author").(string); ok {
				if _, ok := d.View().Get("", author); !ok {
					n++
				}
			}
		}
		return n
	}
	if n := dangling(a); n != 0 {
		t.Errorf("%d references dangle", n)
	}
	if n := dangling(fill(0.3)); n == 0 {
		t.Error("no reference dangles")
	}
	last := 0.0
	for _, doc := range first {
		created := field(doc, "_creationTime").(float64)
		if created <= last || created > generatedUntil {
			t.Fatalf("creation times do not ascend: %v after %v", created, last)
		}
		last = created
	}
	d := deploy(t, nil, Options{})
	if err := d.Generate(context.Background(), GenerateOptions{Schema: shape, Counts: map[string]int{"cars": 1}}); err == nil {
		t.Error("a table that is not in the schema was filled")
	}
}

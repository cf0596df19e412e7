package census_test

import (
	"fmt"
	"testing"

	"strait/convex/census"
	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

func dial(t testing.TB, d *local.Deployment) *wire.Client {
	t.Helper()
	c := wire.New(wire.Options{URL: "http://embedded", AdminKey: d.AdminKey(), HTTP: d.HTTPClient()})
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDeploymentSmoke(t *testing.T) {
	d := local.New(local.Options{Seed: 1})
	t.Cleanup(func() { d.Close() })
	if err := d.DefineTable("", "notes", 0); err != nil {
		t.Fatal(err)
	}
	var docs []value.Object
	for i := range 100 {
		doc := value.NewObject(value.Field{Name: "text", Value: fmt.Sprint(i)})
		if i%10 == 0 {
			doc = doc.With("text", float64(i))
		}
		docs = append(docs, doc)
	}
	if _, err := d.Insert(t.Context(), "", "notes", docs); err != nil {
		t.Fatal(err)
	}
	target, err := schema.Parse([]byte(`{"tables":[{"tableName":"notes","indexes":[],"searchIndexes":[],"vectorIndexes":[],"documentType":{"type":"object","value":{"text":{"fieldType":{"type":"string"},"optional":false}}}}],"schemaValidation":true}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := census.Deployment(t.Context(), dial(t, d), census.Options{Target: target})
	if err != nil {
		t.Fatal(err)
	}
	if c.Offenders != 10 || !c.Full || c.Read != 100 || len(c.Groups) != 1 || c.Groups[0].Path != "notes.text" || c.Groups[0].Reason != schema.ReasonType || c.Counts["notes"].Proved == plan.ByShapes {
		t.Errorf("%+v", c)
	}
}

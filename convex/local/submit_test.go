package local

import (
	"context"
	"testing"

	"strait/model/schema"
	"strait/model/value"
)

// Components are validated independently (convex-wire.md 10.4): one that fails
// leaves no other waiting, and a schema that is submitted again while it is
// being validated is validated once.
func TestSubmittedSchemasAreValidatedEach(t *testing.T) {
	d := deploy(t, nil, Options{})
	ctx := context.Background()
	if err := d.push(ctx, &release{targets: map[string]*schema.Schema{"": oneTable(t, "", "a", stringType), "inner": oneTable(t, "", "a", stringType)}}); err != nil {
		t.Fatal(err)
	}
	for _, component := range []string{"", "inner"} {
		if _, err := d.Insert(ctx, component, "t", []value.Object{object1("a", "x")}); err != nil {
			t.Fatal(err)
		}
	}
	targets := map[string]*schema.Schema{"": oneTable(t, "", "a", numberType), "inner": oneTable(t, "", "a", stringType, "b?", numberType)}
	var subs map[string]*submission
	for range 3 {
		subs = d.submit(targets, true)
		if err := d.validateLater(subs); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]schemaState{"": schemaFailed, "inner": schemaValidated} {
		for at := d.latest.Load().ts; d.stateOf(subs[path]) == schemaPending; {
			var err error
			if at, err = d.Wait(ctx, at); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.stateOf(subs[path]); got != want {
			t.Errorf("component %q is %s, want %s", path, got, want)
		}
	}
	if n := subs["inner"].validated.Load(); n > subs["inner"].total {
		t.Errorf("%d documents validated of %d", n, subs["inner"].total)
	}
}

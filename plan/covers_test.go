package plan

import (
	"slices"
	"testing"

	"strait/model/source"
)

func TestAttachByCode(t *testing.T) {
	row := func(table, path, kind string) Row {
		return Row{Table: table, Path: path, Changes: []Change{{Table: table, Path: path, Kind: kind, Class: Breaking}}}
	}
	role := row("users", "users.role", RequiredFieldAdded)
	admin := row("users", "users.admin", FieldRemoved)
	zip := row("users", "users.profile.zip", FieldRemoved)
	whole := row("", "", ValidationOn)
	set := func(op source.Op, fields ...source.Field) source.Write { return source.Write{Op: op, Fields: fields} }
	named := func(name string) source.Field { return source.Field{Name: name} }
	gone := func(name string) source.Field { return source.Field{Name: name, Unset: true} }
	in := func(table string, w source.Write) source.Write { w.Table = table; return w }
	for _, c := range []struct {
		title string
		body  source.Body
		row   Row
		want  bool
	}{
		{"sets the field", source.Body{Writes: []source.Write{set(source.Patch, named("role"))}}, role, true},
		{"sets another field", source.Body{Writes: []source.Write{set(source.Patch, named("name"))}}, role, false},
		{"unsets the field", source.Body{Writes: []source.Write{set(source.Patch, gone("admin"))}}, admin, true},
		{"sets the field that should go", source.Body{Writes: []source.Write{set(source.Patch, named("admin"))}}, admin, false},
		{"writes the object around it", source.Body{Writes: []source.Write{set(source.Patch, named("profile"))}}, zip, true},
		{"a patch of unknown fields", source.Body{Writes: []source.Write{{Op: source.Patch, Open: true}}}, role, true},
		{"replaces with the field", source.Body{Writes: []source.Write{set(source.Replace, named("role"))}}, role, true},
		{"replaces without the field", source.Body{Writes: []source.Write{set(source.Replace, named("name"))}}, role, false},
		{"replaces without the field that should go", source.Body{Writes: []source.Write{set(source.Replace, named("name"))}}, admin, true},
		{"deletes", source.Body{Writes: []source.Write{{Op: source.Delete}}}, role, true},
		{"inserts", source.Body{Writes: []source.Write{set(source.Insert, named("role"))}}, role, false},
		{"writes another table", source.Body{Writes: []source.Write{in("orders", set(source.Patch, named("role")))}}, role, false},
		{"from another table", source.Body{Table: "orders", Writes: []source.Write{in("users", set(source.Patch, named("role")))}}, role, true},
		{"calls what was not read", source.Body{Open: true}, role, true},
		{"of another table, calls what was not read", source.Body{Table: "orders", Open: true}, role, false},
		{"only reads", source.Body{}, role, false},
		{"the whole schema", source.Body{}, whole, true},
	} {
		rows := []Row{c.row}
		d := Definition{Name: "m:x", Table: "users", Source: "role admin profile name"}
		if c.body.Table != "" {
			d.Table = c.body.Table
		}
		code := &source.Facts{Migrations: map[string]*source.Body{"m:x": &c.body}}
		if got := attach(rows, d, nil, code); got != c.want || got != slices.Contains(rows[0].Migrations, "m:x") {
			t.Errorf("%s: covers is %t, want %t", c.title, got, c.want)
		}
	}
}

func TestAttachByText(t *testing.T) {
	row := Row{Table: "users", Path: "users.role", Changes: []Change{{Kind: RequiredFieldAdded, Class: Breaking}}}
	for _, c := range []struct {
		d    Definition
		want bool
	}{
		{Definition{Name: "m:x", Table: "users"}, true}, // nothing more is known
		{Definition{Name: "m:x", Table: "users", Source: "({role: 1})"}, true},
		{Definition{Name: "m:x", Table: "users", Source: "({roles: 1, $role: 2, role2: 3, рrole: 4})"}, false},
		{Definition{Name: "m:x", Table: "orders", Source: "({role: 1})"}, false},
		{Definition{Name: "m:x", Source: "db.query('users') role"}, true},
		{Definition{Name: "m:x", Source: "db.query('orders') role"}, false},
		{Definition{Name: "m:x"}, false},
	} {
		for _, code := range []*source.Facts{nil, {}, {Migrations: map[string]*source.Body{"m:other": {}}}} {
			if got := attach([]Row{row}, c.d, nil, code); got != c.want {
				t.Errorf("%+v: %t, want %t", c.d, got, c.want)
			}
		}
	}
}

func TestTopField(t *testing.T) {
	for path, want := range map[string]string{
		"users": "", "": "", "users.a": "a", "users.a.b": "a", "users.a[]": "a", "users.a{}.b": "a", "users.a.keys()": "a", "usersx.a": "",
	} {
		if got := topField("users", path); got != want {
			t.Errorf("top field of %q is %q, want %q", path, got, want)
		}
	}
}

// A function that calls a migration batch after batch covers only what it
// writes itself; one that calls what is no migration may write anything.
func TestAttachOfADriver(t *testing.T) {
	code := &source.Facts{Migrations: map[string]*source.Body{"m:runPaidAt": {Open: true}}}
	batch := Definition{Name: "m:paidAtBatch", Table: "orders"}
	for text, want := range map[string]bool{
		"await ctx.runMutation(internal.m.paidAtBatch, { cursor })": false,
		"await ctx.runMutation(internal.m.setPlan, { id })":         true,
	} {
		d := Definition{Name: "m:runPaidAt", Source: text}
		row := Row{Table: "refunds", Path: "refunds.amount", Changes: []Change{{Kind: FieldRemoved, Class: Destructive}}}
		if got := attach([]Row{row}, d, []Definition{batch, d}, code); got != want {
			t.Errorf("%s: covers is %t", text, got)
		}
	}
}

package project

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestStatement(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"to the semicolon":        {"export const a = f({ b: 1 });\nexport const c = 2;", "export const a = f({ b: 1 });"},
		"without semicolons":      {"export const a = f({ b: 1 })\n\nexport const c = 2", "export const a = f({ b: 1 })"},
		"a chain goes on":         {"const s = t({})\n  .index('a', ['b'])\n\nconst u = 1", "const s = t({})\n  .index('a', ['b'])"},
		"brackets in strings":     {"x = f(\")\", ';', `}`);\ny", "x = f(\")\", ';', `}`);"},
		"brackets in comments":    {"x = f( // )\n /* ; */ 1);\ny", "x = f( // )\n /* ; */ 1);"},
		"a quote in an expresion": {"x = f(/it's/g);\ny = 'a'", "x = f(/it's/g);"},
		"never closed":            {"x = f(1", "x = f(1"},
		"closed from outside":     {"x = 1 }", "x = 1 "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := statement(c.text); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzStatement(f *testing.F) {
	f.Add("export const a = f({ b: `${1}` }) // c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if got := statement(text); !strings.HasPrefix(text, got) {
			t.Errorf("statement(%q) is %q, no beginning of it", text, got)
		}
	})
}

func TestQueriedTable(t *testing.T) {
	for source, want := range map[string]string{
		`ctx.db.query("users").collect()`:                                                       "users",
		`const a = ctx.db.query("users").collect(); ctx.db.query('users').first()`:              "users",
		`ctx.db.query("users").first(); ctx.db.query("teams").first()`:                          "",
		`ctx.db.query("users").first(); ctx.db.query("teams").withIndex("a").paginate(opts)`:    "teams",
		"ctx.db.query(`users`).paginate(opts); ctx.db.query('logs').first()":                    "users",
		`paginator(ctx.db, schema).query("orders").paginate({}); ctx.db.query("users").first()`: "orders",
		`ctx.db.query(table).paginate(opts)`:                                                    "",
	} {
		if got := queriedTable(source); got != want {
			t.Errorf("queriedTable(%s) is %q, want %q", source, got, want)
		}
	}
}

func TestLooksLikeMigration(t *testing.T) {
	for name, want := range map[string]bool{
		"users:migrateNames": true, "users:backfill_names": true, "users:namesMigration": true, "migrations:setPlan": true,
		"migrations/001_x:apply": true, "lib/skillBackfill:run": true, "documents/migrate_team_fields:go": true, "migrations_v2:x": true,
		"users:migrator": false, "migratory/birds:create": false, "users:setPlan": false, "migrations:getStatus": false, "immigration:apply": false,
		"migrations:recordMigration": false, "logs:createMigrationLog": false, "logs:cancelBackfill": false, "users:emigrate": false,
	} {
		module, export, _ := strings.Cut(name, ":")
		if got, _ := looksLikeMigration(module, export); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzWithoutComments(f *testing.F) {
	f.Add(`{"a": "//", /* b */ "c": [1,], // d
}`)
	f.Fuzz(func(t *testing.T, text string) {
		out := withoutComments([]byte(text))
		if json.Valid([]byte(text)) && !json.Valid(out) {
			t.Errorf("valid JSON became %q", out)
		}
	})
}

package local_test

import (
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
)

// convex run --inline-query of the official CLI, which wraps statements, an
// expression or takes a whole module, at the root and in a component. What the
// route itself refuses is in TestTestQueryFails and TestTestQueryRefused.
func TestOfficialInlineQuery(t *testing.T) {
	t.Parallel()
	npm := npmtest.Dir(t)
	d := deploy(t, nil)
	addNotes(t, d, 3)
	if r := admin(d, "POST", "/api/function", `{"path":"migrations:run","args":{"fn":"migrations:finish"}}`); !strings.Contains(r.Body.String(), "success") {
		t.Fatal(r.Body)
	}
	url := served(t, d)
	const names = `export default query({ handler: async (ctx) => { return (await ctx.db.query("notes").order("desc").collect()).map((n) => n.text); } });`
	steps := []struct {
		query  string
		args   []string
		stdout string
		stderr string
		code   int
	}{
		{`const n = await ctx.db.query("notes").first(); console.log("first", n.text); return { text: n.text, big: 5n };`, nil, `"text": "n0"`, "[LOG] 'first' 'n0'", 0},
		{names, nil, "[\n  \"n2\",\n  \"n1\",\n  \"n0\"\n]\n", "", 0},
		{`(await ctx.db.query("migrations").collect()).map((m) => m.name)`, []string{"--component", "migrations"}, `"migrations:finish"`, "", 0},
		{`await ctx.db.insert("notes", { text: "x" })`, nil, "", "Uncaught TypeError", 1},
		{`1 +`, nil, "", "Could not analyze the given module", 1},
	}
	for _, s := range steps {
		t.Run(s.query, func(t *testing.T) {
			stdout, stderr, code := cli(t, npm, url, d.AdminKey(), append([]string{"run", "--inline-query", s.query}, s.args...)...)
			if code != s.code || !strings.Contains(stdout, s.stdout) || !strings.Contains(stderr, s.stderr) {
				t.Errorf("exit %d\nstdout: %s\nstderr: %s\nwant exit %d, %q and %q", code, stdout, stderr, s.code, s.stdout, s.stderr)
			}
		})
	}
}

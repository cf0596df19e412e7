package plan

import "testing"

// A draft goes where functions are pushed from.
func TestScaffoldsGoIntoTheFunctionsFolder(t *testing.T) {
	for folder, want := range map[string]string{"": "convex/migrations.ts", "src/convex": "src/convex/migrations.ts", ".": "migrations.ts"} {
		in := onProd(users(req("name", str())), users(req("name", str()), req("role", str())))
		in.Functions = folder
		if got := advised(t, in)[0].Scaffold.File; got != want {
			t.Errorf("functions in %q: the draft goes to %s, want %s", folder, got, want)
		}
	}
}

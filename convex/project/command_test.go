package project

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A command that chooses its deployment is refused, however deep in the scripts
// of package.json it does so.
func TestADeployCommandThatChooses(t *testing.T) {
	dir := t.TempDir()
	scripts := `{"scripts":{"deploy":"pnpm run -s inner","inner":"npm run build && npx convex deploy --prod","build":"npm run deploy:never",
		"ship":"npx convex deploy","preship":"yarn release","release":"CONVEX_DEPLOYMENT=prod:other npx convex deploy","loop":"npm run loop"}}`
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(scripts), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ command, names string }{
		{"npx convex deploy", ""},
		{"npx convex deploy --cmd 'npm run build'", ""},
		{"npm run loop && npx convex deploy", ""},
		{"npx convex deploy --url https://x.convex.cloud", "--url"},
		{"npm run deploy", "--prod"},
		{"npm --silent run inner", "--prod"},
		{"sh -c 'npm run inner'", "--prod"},
		{"yarn ship", "CONVEX_DEPLOYMENT"},
	} {
		err := Env{Name: "prod", Deploy: x.command, root: dir}.CheckCommand()
		if x.names == "" && err != nil || x.names != "" && (err == nil || !strings.Contains(err.Error(), x.names)) {
			t.Errorf("%s: %v, want it to name %q", x.command, err, x.names)
		}
	}
}

// The command gets the key of its own environment and no other.
func TestADeployCommandGetsOneKey(t *testing.T) {
	e := Env{Name: "staging", KeyEnv: "STAGING_KEY", root: t.TempDir()}
	base := []string{"PATH=/bin", "STAGING_KEY=a", "PROD_KEY=b", "CONVEX_DEPLOYMENT=prod:other", "CONVEX_DEPLOY_KEY=c"}
	got, err := e.CommandEnv(base, "https://x.convex.cloud", "dev:x|secret", "STAGING_KEY", "PROD_KEY", "")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"PATH=/bin", "CONVEX_DEPLOY_KEY=dev:x|secret"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

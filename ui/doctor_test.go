package ui

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// strait init finds the deployment of the CLI's variables, strait doctor looks
// at it, and strait widen says how it would be deployed; no key is in what they
// write.
func TestInitAndDoctor(t *testing.T) {
	t.Parallel()
	dir, key := served(t, 50)
	url := struct{ text, rest string }{}
	config, err := os.ReadFile(filepath.Join(dir, "strait.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, url.rest, _ = strings.Cut(string(config), "url = \"")
	url.text, _, _ = strings.Cut(url.rest, "\"")
	local := "CONVEX_SELF_HOSTED_URL=" + url.text + "\nCONVEX_SELF_HOSTED_ADMIN_KEY='" + key + "'\n"
	if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte(local), 0o600); err != nil {
		t.Fatal(err)
	}
	all := ""
	do := func(args ...string) (string, string, int) {
		out, errs, code := strait(t, dir, args...)
		all += out + errs
		return out, errs, code
	}
	if _, errs, code := do("init"); code != exitError || !strings.Contains(errs, "is there already") || !strings.Contains(errs, "--force") {
		t.Errorf("init over a file: %d %s", code, errs)
	}
	out, _, code := do("init", "--force")
	if code != exitDone || !strings.Contains(out, "name = \"self-hosted\"\n# found by CONVEX_SELF_HOSTED_URL in .env.local\nurl = \""+url.text+"\"") || !strings.Contains(out, "next: strait doctor") {
		t.Errorf("init: %d\n%s", code, out)
	}
	out, _, code = do("doctor")
	if code != exitDone || !strings.Contains(out, "it may watch, census") || !strings.Contains(out, "all is well in 1 environment") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
	out, _, code = do("doctor", "--json", "--env", "self-hosted")
	var report struct {
		Well         bool
		Environments []struct {
			Findings []struct{ Check, State string }
		}
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone || !report.Well || len(report.Environments) != 1 || len(report.Environments[0].Findings) < 10 {
		t.Errorf("doctor --json: %d %v\n%s", code, err, out)
	}
	if _, errs, code := do("narrow", "--env", "self-hosted"); code != exitRefused || !strings.Contains(errs, `deploy = "npx convex deploy" below [[env]] of self-hosted`) {
		t.Errorf("narrow: %d %s", code, errs)
	}
	if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte(strings.Replace(local, key, key+"x", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, code = do("doctor")
	if code != exitError || !strings.Contains(out, "problem  access") || !strings.Contains(out, "hint: make a deploy key") {
		t.Errorf("doctor with a wrong key: %d\n%s", code, out)
	}
	if _, secret, _ := strings.Cut(key, "|"); strings.Contains(all+out, secret) {
		t.Error("the key is in what they wrote")
	}
}

// strait widen and strait narrow deploy to an embedded environment in place,
// and tell the gate's refusals with their exit code.
func TestDeployVerbs(t *testing.T) {
	t.Parallel()
	dir := lab(t, 50)
	if _, errs, code := strait(t, dir, "widen", "--env", "lab"); code != exitRefused || !strings.Contains(errs, "already accepts") {
		t.Errorf("widen: %d %s", code, errs)
	}
	if _, errs, code := strait(t, dir, "narrow", "--env", "lab", "--confirm", "prod"); code != exitRefused || !strings.Contains(errs, "--confirm lab") {
		t.Errorf("narrow --confirm prod: %d %s", code, errs)
	}
	config := filepath.Join(dir, "strait.toml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), `schema = "widened"`, `schema = "schemas/before.ts"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := strait(t, dir, "widen", "--env", "lab", "--json")
	if code != exitDone || !strings.Contains(out, `{"event":"end","action":"widen","environment":"lab","status":"success"}`) {
		t.Errorf("widen: %d\n%s\n%s", code, out, errs)
	}
}

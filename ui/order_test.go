package ui

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"strait/plan"
)

// reached is a deployment in another process.
type reached struct{ URL, AdminKey string }

// post calls one of its functions.
func (r reached) post(t *testing.T, route, body string) {
	t.Helper()
	req, err := http.NewRequest("POST", r.URL+route, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Convex "+r.AdminKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), `"status":"success"`) {
		t.Fatalf("%s: %s %v", route, text, err)
	}
}

// twoServed serves a staging, in which every migration has run, and a prod, in
// which none has, each in a process of its own, and gives a project that reaches
// them by URL and key; prod is protected.
func twoServed(t *testing.T) (dir string, reach map[string]reached) {
	t.Helper()
	at := lab(t, 0)
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(at, "strait.toml", `target = "convex/schema.ts"
[[env]]
name = "staging"
generate = { teams = 6, users = 40, orders = 20 }
documents = "schemas/before.ts"
ran = ["*"]
schema = "widened"
[[env]]
name = "prod"
generate = { teams = 9, users = 60, orders = 30 }
documents = "schemas/before.ts"
schema = "widened"
`)
	config, keys := "target = \"convex/schema.ts\"\n", ""
	reach = map[string]reached{}
	for _, env := range []string{"staging", "prod"} {
		cmd := exec.Command(binary(t), "serve", "--env", env, "--project", at)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		var s reached
		if sc := bufio.NewScanner(out); !sc.Scan() || json.Unmarshal(sc.Bytes(), &s) != nil {
			t.Fatalf("serve wrote %q", sc.Text())
		}
		reach[env] = s
		variable := "STRAIT_" + strings.ToUpper(env) + "_KEY"
		config += fmt.Sprintf("[[env]]\nname = %q\nurl = %q\nkey_env = %q\nprotected = %t\n", env, s.URL, variable, env == "prod")
		keys += variable + "=" + s.AdminKey + "\n"
	}
	dir = lab(t, 0)
	write(dir, "strait.toml", config)
	write(dir, ".env.local", keys)
	return dir, reach
}

// What lets a migration into prod is the certificate of staging, which another
// process has left in the journal; nobody says --override.
func TestPromotionOfDeploymentsElsewhere(t *testing.T) {
	t.Parallel()
	dir, reach := twoServed(t)
	run := []string{"run", "setTeamPlan", "--env", "prod", "--confirm", "prod", "--json"}
	refused := func(when, code string, args ...string) {
		t.Helper()
		stdout, stderr, exit := strait(t, dir, args...)
		if exit != exitRefused || !strings.Contains(stdout, `"code":"`+code+`"`) {
			t.Errorf("%s: exit %d, want %s refused: %s%s", when, exit, code, stdout, stderr)
		}
	}
	if stdout, stderr, exit := strait(t, dir, "run", "setTeamPlan", "--env", "prod", "--dry-run"); exit != 0 {
		t.Fatalf("dry run: exit %d: %s%s", exit, stdout, stderr)
	}
	refused("staging is not counted", "order", run...)

	stdout, stderr, exit := strait(t, dir, "census", "--env", "staging", "--json")
	var counted struct{ Certificate *plan.Certificate }
	if err := json.Unmarshal([]byte(stdout), &counted); exit != 0 || err != nil || counted.Certificate == nil {
		t.Fatalf("census: exit %d, %v: %s%s", exit, err, stdout, stderr)
	}
	if of, _, _ := strait(t, dir, "--version"); !strings.HasPrefix(of, counted.Certificate.Tool+",") {
		t.Errorf("the certificate is of %q, this is %s", counted.Certificate.Tool, of)
	}
	refused("its name is not typed", "protected", "run", "setTeamPlan", "--env", "prod", "--json")

	if stdout, stderr, exit := strait(t, dir, run...); exit != 0 || !strings.Contains(stdout, `"status":"success"`) {
		t.Fatalf("with the certificate: exit %d: %s%s", exit, stdout, stderr)
	}
	journal, err := os.ReadFile(filepath.Join(dir, ".strait", "journal.jsonl"))
	if err != nil || strings.Contains(string(journal), `"override"`) || !strings.Contains(string(journal), `"phase":"certified"`) {
		t.Errorf("journal %s %v", journal, err)
	}

	// A document of the old shape comes to staging: the certificate is over.
	reach["staging"].post(t, "/api/mutation", `{"path":"_system/frontend/addDocument","format":"convex_encoded_json","args":[{"table":"teams","documents":[{"name":"late","seats":3,"city":"Ghent","slug":"late"}]}]}`)
	refused("an old document came to staging", "order", append(run, "--reset")...)
	if journal, err := os.ReadFile(filepath.Join(dir, ".strait", "journal.jsonl")); err != nil || !strings.Contains(string(journal), `"phase":"revoked"`) {
		t.Errorf("journal %s %v", journal, err)
	}
}

package ui

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// builtIn is the folder of the built binary; TestMain removes it.
var builtIn string

// built is the path of the binary, built once for all tests that need it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "strait-test-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "strait")
	cmd := exec.Command("go", "build", "-o", path, "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func binary(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the built binary is not tested")
	}
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// lab is a copy of the demo project with one environment of some users.
func lab(t *testing.T, users int) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../testdata/demo")); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("target = \"convex/schema.ts\"\n[[env]]\nname = \"lab\"\ngenerate = { teams = 10, users = %d }\ndocuments = \"schemas/before.ts\"\nschema = \"widened\"\n", users)
	if err := os.WriteFile(filepath.Join(dir, "strait.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// strait runs the built binary and gives its output and exit code.
func strait(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	} else if ok {
		code = exit.ExitCode()
	}
	if strings.Contains(out.String()+errs.String(), "\x1b") {
		t.Errorf("escapes in the output of %v, which is no terminal:\n%q%q", args, out.String(), errs.String())
	}
	if strings.Contains(errs.String(), "strconv") || strings.Contains(errs.String(), "context canceled") {
		t.Errorf("Go's own words reached a person:\n%s", errs.String())
	}
	if strings.Contains(errs.String(), "goroutine ") {
		t.Errorf("a stack trace reached a person:\n%s", errs.String())
	}
	return out.String(), errs.String(), code
}

// verbsProject has a free environment, with the document that one migration
// fails on, and a protected one.
func verbsProject(t *testing.T) string {
	t.Helper()
	dir := lab(t, 120)
	config := `target = "convex/schema.ts"
[[env]]
name = "lab"
generate = { teams = 4, users = 120, orders = 60 }
documents = "schemas/before.ts"
overlay = "fixtures/staging.jsonl"
schema = "widened"
[[env]]
name = "vault"
generate = { teams = 4, users = 20 }
documents = "schemas/before.ts"
schema = "widened"
protected = true
`
	if err := os.WriteFile(filepath.Join(dir, "strait.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// brokenProject has nothing that loads.
func brokenProject(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "convex"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"package.json": "{}", "convex/schema.ts": "import x from './nope';\nexport default x;\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// verbCase is one command line, its exit code, and parts of what it writes.
type verbCase struct {
	name   string
	dir    string
	args   string
	code   int
	stdout []string
	stderr []string
}

func (c verbCase) check(t *testing.T) {
	stdout, stderr, code := strait(t, c.dir, strings.Fields(c.args)...)
	if code != c.code {
		t.Errorf("exit code %d, want %d", code, c.code)
	}
	for _, want := range c.stdout {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q on stdout", want)
		}
	}
	for _, want := range c.stderr {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q on stderr", want)
		}
	}
	if c.code != 0 && c.code != exitFailed && stdout != "" && len(c.stdout) == 0 {
		t.Errorf("an error wrote to stdout")
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", stdout, stderr)
	}
}

func TestVerbs(t *testing.T) {
	t.Parallel()
	dir := verbsProject(t)
	empty, broken := t.TempDir(), brokenProject(t)
	cases := []verbCase{
		{"help", dir, "--help", 0, []string{"Exit codes", "130", "census", "demo", "inspect", "plan", "run", "serve", "status"}, nil},
		{"help of run", dir, "run --help", 0, []string{"--dry-run", "--batch-size", "--reset", "--confirm"}, nil},
		{"version", dir, "--version", 0, []string{"strait ", "go1."}, nil},
		{"info", dir, "info", 0, []string{"crash logs", "journal"}, nil},
		{"unknown verb", dir, "frobnicate", 2, nil, []string{`there is no verb "frobnicate"`, "hint: strait --help"}},
		{"unknown flag", dir, "run x --frob", 2, nil, []string{"unknown flag: --frob", "hint: strait run --help"}},
		{"no name", dir, "run --env lab", 2, nil, []string{"strait run needs the name of a migration"}},
		{"too much", dir, "inspect x", 2, nil, []string{"takes no argument"}},
		{"no project", empty, "inspect", 1, nil, []string{"strait: ", "hint: "}},
		{"no terminal", dir, "", 2, nil, []string{"needs a terminal", "hint: strait status"}},
		{"no terminal for the demo", empty, "demo", 2, nil, []string{"needs a terminal"}},
		{"from a folder below", filepath.Join(dir, "convex", "migrations"), "inspect", 0, []string{"migrations:setTeamPlan", "convex/migrations.ts:"}, nil},
		{"inspect --project", empty, "inspect --project " + dir, 0, []string{"lab, vault", "runs 5"}, nil},
		{"no environment", dir, "run setTeamPlan", 2, nil, []string{"no environment was named", "lab, vault"}},
		{"unknown environment", dir, "run setTeamPlan --env prod", 2, nil, []string{`no environment "prod"`, "lab, vault"}},
		{"unknown migration", dir, "run teamplan --env lab", 2, nil, []string{`no migration "teamplan"`, "did you mean migrations:setTeamPlan"}},
		{"batch size", dir, "run setTeamPlan --env lab --batch-size -3", 2, nil, []string{"--batch-size -3"}},
		{"batch size in letters", dir, "run setTeamPlan --env lab --batch-size x", 2, nil, []string{`"x" for "--batch-size"`}},
		{"cancel of what does not run", dir, "cancel setTeamPlan --env vault", 3, nil, []string{"is not running in vault"}},
		{"refused for want of a dry run", dir, "run setTeamPlan --env vault --confirm vault", 3, nil, []string{"strait run migrations:setTeamPlan --env vault --dry-run", "--override"}},
		{"plan of what does not load", broken, "plan", 1, nil, []string{"convex/schema.ts:1: cannot find", "hint: check the path", "there is nothing to plan"}},
		{"run of what did not load", broken, "run x --env local", 2, nil, []string{"strait inspect"}},
		{"dry run", dir, "run setTeamPlan --env lab --dry-run", 0, []string{"+ plan: ", "nothing was written"}, nil},
		{"run", dir, "run setTeamPlan --env lab --batch-size 2", 0, []string{"4 of 4  100 %", "success: 4 documents"}, []string{"note: lab is an embedded rehearsal"}},
		{"failing run", dir, "run addCustomerName --env lab", 4, []string{"failed: ", "error: ", "at convex/migrations/orders.ts:", "document orders "}, nil},
		{"protected", dir, "run setTeamPlan --env vault", 3, nil, []string{"vault is protected and read-only", "hint: with the name on the command line: --confirm vault"}},
		{"wrong name", dir, "run setTeamPlan --env vault --confirm lab", 3, nil, []string{"--confirm lab does not name the environment"}},
		{"status", dir, "status", 0, []string{"lab  ", "never run", "protected"}, nil},
		{"plan", dir, "plan", 0, []string{"teams.plan becomes required", "LAB", "VAULT", "  migrate"}, nil},
		{"widened", dir, "plan --widened --env vault", 0, []string{"defineSchema(", "v.optional("}, nil},
		{"census of a sample", dir, "census --env lab --sample 2", 1, []string{"sampled: ", "with 95 %"}, nil},
		{"census with a budget", dir, "census --env lab --budget-documents 100", 1, []string{"read so far in lab do not fit"}, []string{"the census did not read all"}},
		{"census of one table", dir, "census --env lab --table preferences", 0, []string{"fit the target"}, nil},
		{"census of nonsense", dir, "census --env lab --budget-bytes lots", 2, nil, []string{"no size such as 500MB"}},
		{"census", dir, "census --env lab", 1, []string{"lab: reads 185 documents: ", "preferences (its deployed schema", "do not fit the target", "teams.plan"}, nil},
		{"prove", dir, "prove --row orders.customerName --documents 500", 1, []string{"refuted", "the migration throws", "customerId: ", "TypeError", "in addCustomerName at convex/migrations/orders.ts:28", "again: strait prove --row", "with seed 1"}, []string{"1 of 1"}},
		{"prove what holds", dir, "prove --row teams --documents 200 --from schemas/before.ts", 0, []string{"held", "teams.plan becomes required", "1 held"}, nil},
		{"prove with real documents", dir, "prove --row users.avatarUrl --documents 200 --env lab", 0, []string{"of them real", "1 held"}, nil},
		{"prove an unknown row", dir, "prove --row moon", 1, nil, []string{"moon"}},
		{"prove two shapes", dir, "prove --env lab --from x.ts", 2, nil, []string{"--env and --from"}},
		// Of the stages on stderr the newest is told: a quick one may never be.
		{"rehearse", dir, "rehearse --env lab --sample 50", 1, []string{"50 documents a table", "addCustomerName", "narrow  would be refused"}, nil},
		{"rehearse for a pull request", dir, "rehearse --env lab --generate 30 --markdown", 0, []string{"# Rehearsal of lab", "| ✓ | `setTeamPlan`", "narrow would be accepted"}, nil},
		{"rehearse two copies", dir, "rehearse --env lab --sample 5 --generate 5", 2, nil, []string{"give one"}},
		{"rehearse nothing", dir, "rehearse", 2, nil, []string{"nothing to rehearse on", "hint: --env"}},
		{"journal", dir, "journal", 0, []string{"prove", "rehearse", "with seed 1", "cli"}, nil},
		{"journal of nobody", dir, "journal --env moon", 2, nil, []string{`no environment "moon"`}},
		{"journal of none", empty, "journal", 1, nil, []string{"strait: "}},
		{"port", dir, "serve --env lab --port 99999", 2, nil, []string{"--port 99999"}},
		{"serve unknown", dir, "serve --env moon", 2, nil, []string{`no environment "moon"`}},
	}
	for _, c := range cases {
		t.Run(c.name, c.check)
	}
}

func TestVerbsInJSON(t *testing.T) {
	t.Parallel()
	dir := verbsProject(t)
	object := func(t *testing.T, text string) map[string]any {
		t.Helper()
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return v
	}
	lines := func(t *testing.T, text string) (out []map[string]any) {
		for line := range strings.Lines(text) {
			out = append(out, object(t, line))
		}
		return out
	}
	t.Run("inspect", func(t *testing.T) {
		out, _, code := strait(t, dir, "inspect", "--json")
		v := object(t, out)
		migrations, _ := v["migrations"].([]any)
		schema, _ := v["schema"].(map[string]any)
		if code != 0 || len(migrations) != 11 || len(schema["tables"].([]any)) != 7 {
			t.Fatalf("exit %d, %d migrations in\n%s", code, len(migrations), out)
		}
		first := migrations[1].(map[string]any)
		if _, ok := v["problems"].([]any); !ok || first["name"] != "migrations:run" && first["name"] == "" || first["line"] == nil || first["file"] == nil || first["driver"] == nil {
			t.Fatalf("problems or a migration's place is missing:\n%s", out)
		}
	})
	t.Run("run", func(t *testing.T) {
		out, _, code := strait(t, dir, "run", "migrations:dropAvatarUrl", "--env", "lab", "--json")
		all := lines(t, out)
		last := all[len(all)-1]
		if code != 0 || len(all) < 3 || last["event"] != "end" || last["status"] != "success" || last["processed"] != 120.0 || last["migration"] != "migrations:dropAvatarUrl" || last["environment"] != "lab" {
			t.Fatalf("exit %d, last line %v", code, last)
		}
		var sum float64 // batches that end close together are seen as one
		for _, l := range all {
			if l["event"] == "batch" {
				sum += l["documents"].(float64)
			}
		}
		if sum != 120 {
			t.Fatalf("the batches add up to %v:\n%s", sum, out)
		}
	})
	t.Run("failure", func(t *testing.T) {
		out, _, code := strait(t, dir, "run", "addCustomerName", "--env", "lab", "--json")
		all := lines(t, out)
		last := all[len(all)-1]
		if code != exitFailed || last["status"] != "failed" || last["document"] == "" || last["document"] == nil || !strings.Contains(fmt.Sprint(last["error"]), "TypeError") {
			t.Fatalf("exit %d, last line %v", code, last)
		}
	})
	t.Run("refused", func(t *testing.T) {
		out, _, code := strait(t, dir, "run", "setTeamPlan", "--env", "vault", "--json")
		all := lines(t, out)
		if code != exitRefused || len(all) != 1 || all[0]["event"] != "refused" {
			t.Fatalf("exit %d:\n%s", code, out)
		}
	})
	t.Run("error", func(t *testing.T) {
		out, errs, code := strait(t, dir, "run", "setTeamPlan", "--env", "moon", "--json")
		all := lines(t, out)
		if code != exitUsage || len(all) != 1 || all[0]["event"] != "error" || all[0]["exit"] != 2.0 || !strings.Contains(fmt.Sprint(all[0]["error"]), "moon") || errs == "" {
			t.Fatalf("exit %d:\n%s%s", code, out, errs)
		}
	})
	t.Run("dry run", func(t *testing.T) {
		out, _, code := strait(t, dir, "run", "setTeamPlan", "--env", "lab", "--dry-run", "--json")
		all := lines(t, out)
		last := all[len(all)-1]
		examples, _ := last["examples"].([]any)
		if code != 0 || last["status"] != "success" || len(examples) == 0 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
	})
	t.Run("status", func(t *testing.T) {
		out, _, _ := strait(t, dir, "status", "--json")
		if v := object(t, out); v["version"] != 1.0 || len(v["environments"].([]any)) != 2 {
			t.Fatalf("%s", out)
		}
	})
	t.Run("plan", func(t *testing.T) {
		out, _, _ := strait(t, dir, "plan", "--json", "--env", "lab")
		if v := object(t, out); v["version"] != 1.0 || len(v["envs"].([]any)) != 1 || len(v["rows"].([]any)) == 0 {
			t.Fatalf("%s", out)
		}
	})
	t.Run("prove", func(t *testing.T) {
		out, _, code := strait(t, dir, "prove", "--row", "orders.customerName", "--documents", "500", "--json")
		v := object(t, out)
		proofs, _ := v["proofs"].([]any)
		if code != exitError || v["version"] != 1.0 || v["held"] != false || len(proofs) != 1 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		first := proofs[0].(map[string]any)
		counter, _ := first["counterexample"].(map[string]any)
		if before, _ := first["before"].(map[string]any); first["verdict"] != "refuted" || counter["kind"] != "throws" || before["customerId"] == nil || first["repeat"] == "" {
			t.Fatalf("%s", out)
		}
	})
	t.Run("rehearse", func(t *testing.T) {
		out, _, code := strait(t, dir, "rehearse", "--env", "vault", "--generate", "40", "--json")
		v := object(t, out)
		runs, _ := v["migrations"].([]any)
		if code != 0 || v["accepted"] != true || len(runs) < 8 {
			t.Fatalf("exit %d:\n%s", code, out)
		}
		if run := runs[0].(map[string]any); run["documents"] == nil || len(run["headroom"].([]any)) == 0 || run["recommended"] == nil {
			t.Fatalf("%v", run)
		}
		out, _, code = strait(t, dir, "journal", "--env", "vault", "--json")
		all := lines(t, out)
		if last := all[len(all)-1]; code != 0 || last["action"] != "rehearse" || last["outcome"] != "ok" || last["by"] != "cli" {
			t.Fatalf("exit %d:\n%s", code, out)
		}
	})
	t.Run("census", func(t *testing.T) {
		out, _, _ := strait(t, dir, "census", "--env", "lab", "--json")
		if v := object(t, out); v["full"] != true || v["offenders"].(float64) < 100 {
			t.Fatalf("%s", out)
		}
	})
}

// An answer that could not be written is no success.
func TestOutputIsFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here")
	}
	defer full.Close()
	for _, args := range [][]string{{"inspect"}, {"inspect", "--json"}, {"--version"}} {
		cmd := exec.Command(binary(t), append(args, "--project", lab(t, 0))...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errs
		if err := cmd.Run(); err == nil || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%v: %v, %s", args, err, errs.String())
		}
	}
}

func TestInterruptARun(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary(t), "run", "dropAvatarUrl", "--env", "lab", "--batch-size", "10", "--project", lab(t, 20000))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	for sc.Scan() && !strings.Contains(sc.Text(), "+10") {
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	for sc.Scan() {
	}
	exit, _ := cmd.Wait().(*exec.ExitError)
	if exit == nil || exit.ExitCode() != exitInterrupted || !strings.Contains(errs.String(), "interrupted") {
		t.Fatalf("ended with %v: %s", exit, errs.String())
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(binary(t), "serve", "--env", "lab", "--project", lab(t, 20))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	sc := bufio.NewScanner(out)
	if !sc.Scan() {
		t.Fatalf("nothing was written: %s", errs.String())
	}
	var first struct{ URL, AdminKey, Deployment string }
	if err := json.Unmarshal(sc.Bytes(), &first); err != nil {
		t.Fatalf("%v in %s", err, sc.Text())
	}
	req, err := http.NewRequest("POST", first.URL+"/api/query", strings.NewReader(`{"path":"_system/cli/tables","format":"convex_encoded_json","args":[{"paginationOpts":{"cursor":null,"numItems":10}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Convex "+first.AdminKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Status string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%v %+v", err, answer)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the interrupt ended it with %v: %s", err, errs.String())
	}
	if !strings.Contains(errs.String(), "embedded deployment of lab, for rehearsal") {
		t.Errorf("nothing says what is served: %s", errs.String())
	}
}

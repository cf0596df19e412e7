package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/convex/internal/npmtest"
)

// officialCase is a project folder and an environment, and officialAnswer what
// the CLI's own code selects there.
type officialCase struct {
	Dir  string            `json:"dir"`
	Home string            `json:"home"`
	Env  map[string]string `json:"env"`
}

type officialAnswer struct {
	Kind    string `json:"kind"` // deployKey, selfHosted, named, local, anonymous, preview, projectDeployKey, refused, chooseProject
	URL     string `json:"url"`
	Key     string `json:"key"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Port    int    `json:"port"`
	Message string `json:"message"`
}

// official asks the unmodified CLI of testdata/npm.
func official(t *testing.T, dotenv []string, cases []officialCase) (parsed []map[string]string, answers []officialAnswer) {
	t.Helper()
	input, err := json.Marshal(map[string]any{"dotenv": dotenv, "cases": append([]officialCase{}, cases...),
		"bundle": filepath.Join(npmtest.Dir(t), "node_modules", "convex", "dist", "cli.bundle.cjs")})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "testdata/official.cjs")
	cmd.Stdin = bytes.NewReader(input)
	var why bytes.Buffer
	cmd.Stderr = &why
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("the CLI's code: %v\n%s", err, why.String())
	}
	var out struct {
		Dotenv []map[string]string `json:"dotenv"`
		Cases  []officialAnswer    `json:"cases"`
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out.Dotenv, out.Cases
}

// What Strait reads in an env file is what the CLI reads in it, whatever is in
// the file.
func TestDotenvAsOfficial(t *testing.T) {
	pieces := []string{"A", "B.c", "D-e", "=", ":", ": ", " = ", "'", "\"", "`", "\\", "\\n", "\\\"", "\\'", "\n", "\r\n", "\r", "#", " # x", "export ", "exporter",
		" ", "\t", "value", "dev:happy-otter-123", "a|b==", "$A", "${A}", "é", "\ufeff", "\u00a0", "\v", "{\"json\": true}", "", "1", "=="}
	gen := rapid.Custom(func(t *rapid.T) string {
		var b strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "lines") {
			if rapid.Bool().Draw(t, "plain") {
				fmt.Fprintf(&b, "%s%s=", rapid.SampledFrom([]string{"", "export ", " "}).Draw(t, "lead"), rapid.SampledFrom([]string{"A", "B", "CONVEX_URL"}).Draw(t, "name"))
			}
			b.WriteString(strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, "pieces"), ""))
			b.WriteString(rapid.SampledFrom([]string{"\n", "", "\r\n"}).Draw(t, "end"))
		}
		return b.String()
	})
	texts := []string{
		"A=1 # c", "A='x # y' # c", "A=\"x\\ny\"", "A='x\\ny'", "A=\"one\ntwo\" # c\nB=3", "export A=1", "A: 1", "A:1", "A", "=1", "A=", "A= \nB=2", "# A=1", "A=a#b",
		"A='it\\'s'", "A='unclosed\nB=2", "A=\"a\"b\"", "A=`x'y\"z`", "A=1\nA=2", "A=$B", "A=x=y", "A=\n'b'", "A\n=1", "A=\"x\\", "A='", "A = b c ", "\ufeffA=1",
		"CONVEX_DEPLOYMENT=dev:happy-otter-123 # team: t, project: p",
	}
	for seed := range 3000 {
		texts = append(texts, gen.Example(seed))
	}
	parsed, _ := official(t, texts, nil)
	for i, text := range texts {
		if got := parseDotenv(text); !maps.Equal(got, parsed[i]) {
			t.Errorf("%q:\n got %q\nwant %q", text, got, parsed[i])
		}
	}
}

func FuzzDotenv(f *testing.F) {
	f.Add("A=1\nexport B='x\ny' # c")
	f.Fuzz(func(t *testing.T, text string) {
		for name := range parseDotenv(text) {
			if name == "" || strings.ContainsAny(name, "= \n#'\"") {
				t.Errorf("%q is no name", name)
			}
		}
	})
}

// selection is one project folder, its env files, the process's environment
// and the deployments on the machine.
type selection struct {
	files, env, home map[string]string
}

const diskFile = `{"ports":{"cloud":%d,"site":4000},"backendVersion":"x","adminKey":%q,"deploymentName":%q}`

func disk(port int, key, name string) string { return fmt.Sprintf(diskFile, port, key, name) }

// selections are what the official CLI and Strait are asked alike.
func selections() map[string]selection {
	inProject, inHome, anonymous := ".convex/local/default/config.json", ".convex/convex-backend-state/local-t-p/config.json", ".convex/anonymous-convex-backend-state/anonymous-chess/config.json"
	e := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	file := func(name, text string) selection { return selection{files: e(name, text)} }
	return map[string]selection{
		"nothing":                       {},
		"deploy key":                    file(".env.local", "CONVEX_DEPLOY_KEY='prod:calm-cat-9|s'"),
		"dev key":                       file(".env", "CONVEX_DEPLOY_KEY=dev:calm-cat-9|s"),
		"preview deployment's key":      file(".env", "CONVEX_DEPLOY_KEY=preview:calm-cat-9|s"),
		"custom key":                    file(".env", "CONVEX_DEPLOY_KEY=custom:calm-cat-9|s"),
		"bare key":                      file(".env", "CONVEX_DEPLOY_KEY=calm-cat-9|s"),
		"preview deploy key":            file(".env", "CONVEX_DEPLOY_KEY=preview:t:p|s"),
		"project key":                   file(".env", "CONVEX_DEPLOY_KEY=project:t:p|s"),
		"key without secret":            file(".env", "CONVEX_DEPLOY_KEY=prod:calm-cat-9"),
		"token":                         file(".env", "CONVEX_DEPLOYMENT_TOKEN=prod:token-cat-9|s"),
		"key before token":              file(".env", "CONVEX_DEPLOYMENT_TOKEN=prod:token-cat-9|s\nCONVEX_DEPLOY_KEY=prod:calm-cat-9|s"),
		"token in the process":          {files: e(".env.local", "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s"), env: e("CONVEX_DEPLOYMENT_TOKEN", "dev:token-cat-9|s")},
		"ignored key":                   file(".env", "CONVEX_DEPLOY_KEY=<ignore_deploy_key>\nCONVEX_DEPLOYMENT_TOKEN=prod:token-cat-9|s\nCONVEX_DEPLOYMENT=dev:calm-cat-9"),
		"missing key":                   file(".env", "CONVEX_DEPLOY_KEY='<missing_deploy_key:ask Ann>'\nCONVEX_DEPLOYMENT=dev:calm-cat-9"),
		"process before .env.local":     {files: e(".env.local", "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s"), env: e("CONVEX_DEPLOY_KEY", "dev:other-cat-9|s")},
		".env.local before .env":        {files: e(".env.local", "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s", ".env", "CONVEX_DEPLOY_KEY=dev:other-cat-9|s")},
		"set to nothing in the process": {files: e(".env.local", "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s\nCONVEX_DEPLOYMENT=dev:other-cat-9"), env: e("CONVEX_DEPLOY_KEY", "")},
		"set to nothing in .env.local":  {files: e(".env.local", "CONVEX_DEPLOY_KEY=\nCONVEX_DEPLOYMENT=dev:other-cat-9", ".env", "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s")},
		"key before deployment":         file(".env.local", "CONVEX_DEPLOYMENT=dev:other-cat-9\nCONVEX_DEPLOY_KEY=prod:calm-cat-9|s"),
		"key before self-hosted":        file(".env", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|k\nCONVEX_DEPLOY_KEY=prod:calm-cat-9|s"),
		"self-hosted":                   file(".env", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|k"),
		"self-hosted over two files":    {files: e(".env", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210", ".env.local", "CONVEX_SELF_HOSTED_ADMIN_KEY='n|k'")},
		"self-hosted and deployment":    file(".env", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|k\nCONVEX_DEPLOYMENT=dev:calm-cat-9"),
		"half self-hosted, deployment":  file(".env", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210\nCONVEX_DEPLOYMENT=dev:calm-cat-9"),
		"half self-hosted":              file(".env", "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:3210"),
		"dev deployment":                file(".env.local", "CONVEX_DEPLOYMENT=dev:calm-cat-9 # team: t, project: p"),
		"prod deployment":               file(".env.local", "CONVEX_DEPLOYMENT=prod:calm-cat-9"),
		"preview deployment":            file(".env.local", "CONVEX_DEPLOYMENT=preview:calm-cat-9"),
		"deployment without type":       file(".env.local", "CONVEX_DEPLOYMENT=calm-cat-9"),
		"local in the project":          {files: e(".env.local", "CONVEX_DEPLOYMENT=local:local-t-p", inProject, disk(3999, "local-t-p|K", "local-t-p"))},
		"local in the home folder":      {files: e(".env.local", "CONVEX_DEPLOYMENT=local:local-t-p"), home: e(inHome, disk(3998, "local-t-p|H", ""))},
		"local, another in the project": {files: e(".env.local", "CONVEX_DEPLOYMENT=local:local-t-p", inProject, disk(3999, "anonymous-chess|K", "anonymous-chess")), home: e(inHome, disk(3998, "local-t-p|H", "local-t-p"))},
		"local of no name":              {files: e(".env.local", "CONVEX_DEPLOYMENT=local:local-t-p", inProject, disk(3999, "local-t-p|K", "")), home: e(inHome, disk(3998, "local-t-p|H", "local-t-p"))},
		"local that is nowhere":         file(".env.local", "CONVEX_DEPLOYMENT=local:local-t-p"),
		"anonymous in the project":      {files: e(".env.local", "CONVEX_DEPLOYMENT=anonymous:anonymous-chess", inProject, disk(3999, "anonymous-chess|K", "anonymous-chess"))},
		"anonymous in the home folder":  {files: e(".env.local", "CONVEX_DEPLOYMENT=anonymous:anonymous-chess"), home: e(anonymous, disk(3997, "anonymous-chess|A", ""))},
		"anonymous not allowed":         {files: e(".env.local", "CONVEX_DEPLOYMENT=anonymous:anonymous-chess\nCONVEX_ALLOW_ANONYMOUS=false"), home: e(anonymous, disk(3997, "anonymous-chess|A", ""))},
	}
}

// Strait selects the deployment, the address and the key that the CLI's own
// code selects, and refuses where that refuses.
func TestSelectionAsOfficial(t *testing.T) {
	all := selections()
	var names []string
	var cases []officialCase
	for _, name := range sortedKeys(all) {
		s, dir, home := all[name], t.TempDir(), t.TempDir()
		write(t, dir, s.files)
		write(t, home, s.home)
		env := s.env
		if env == nil {
			env = map[string]string{}
		}
		names, cases = append(names, name), append(cases, officialCase{dir, home, env})
	}
	_, want := official(t, []string{}, cases)
	for i, c := range cases {
		t.Run(names[i], func(t *testing.T) {
			t.Setenv("HOME", c.Home)
			if s := all[names[i]]; s.home != nil { // where the CLI looks for them unless it is told of another host
				if _, err := os.Stat(filepath.Join(c.Home, ".convex")); err != nil {
					t.Fatal(err)
				}
			}
			asOfficial(t, c, want[i])
		})
	}
}

func asOfficial(t *testing.T, c officialCase, want officialAnswer) {
	lookup := func(name string) (string, bool) { v, ok := c.Env[name]; return v, ok }
	s := readSettings(lookup, c.Dir)
	e, problem := s.selected()
	refused := problem != nil && !problem.Warning
	var key string
	var keyErr error
	if e != nil {
		e.lookup, e.root, e.dir = lookup, c.Dir, c.Dir
		key, keyErr = e.ResolveKey(t.Context())
	}
	switch want.Kind {
	case "refused":
		if !refused && keyErr == nil {
			t.Errorf("the CLI refuses (%s); Strait selects %+v", want.Message, e)
		}
		if m, ok := strings.CutPrefix(want.Message, "ask "); ok && (problem == nil || !strings.Contains(problem.Message, m)) {
			t.Errorf("the message %q is not in %+v", want.Message, problem)
		}
		return
	case "preview", "projectDeployKey":
		if e == nil || keyErr == nil || !strings.Contains(keyErr.Error(), "deploy key of this one deployment") && !strings.Contains(keyErr.Error(), "deploy key of the one preview deployment") {
			t.Errorf("%+v, %v", e, keyErr)
		}
		return
	case "chooseProject":
		if e != nil || refused {
			t.Errorf("the CLI selects nothing; Strait %+v, %+v", e, problem)
		}
		return
	}
	if want.Kind != "named" && want.Port == 0 && want.URL == "" {
		if e != nil || problem == nil || !strings.Contains(problem.Message, "there is none") {
			t.Errorf("the CLI finds no config; Strait %+v, %+v", e, problem)
		}
		return
	}
	if e == nil || refused {
		t.Fatalf("the CLI selects %+v; Strait nothing: %+v", want, problem)
	}
	if e.Deployment != want.Name || want.Type != "" && e.Type != want.Type && !(e.Type == "" && want.Type == "prod") {
		t.Errorf("Strait selects %s:%s, the CLI %s:%s", e.Type, e.Deployment, want.Type, want.Name)
	}
	switch want.Kind {
	case "named": // the CLI asks with its login token, Strait for a key
		if keyErr == nil {
			t.Errorf("Strait has a key, the CLI none: %+v", e)
		}
	case "deployKey":
		if e.URL != "" || key != want.Key || keyErr != nil {
			t.Errorf("%+v, %v; the CLI asked for the address and took %+v", e, keyErr, want)
		}
	case "selfHosted":
		if e.URL != want.URL || key != want.Key || keyErr != nil {
			t.Errorf("%+v, %v; want %+v", e, keyErr, want)
		}
	default:
		if e.URL != fmt.Sprintf("http://127.0.0.1:%d", want.Port) || key != want.Key {
			t.Errorf("%+v; want port %d", e, want.Port)
		}
	}
}

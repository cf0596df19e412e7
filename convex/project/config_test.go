package project

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestReadConfig(t *testing.T) {
	text := `
target = "convex/next.ts"
functions = "backend/convex"

[[env]]
name = "dev"
snapshot = "fixtures/dev.zip"
ran = ["migrations:a", "migrations:b@3"]

[[env]]
name = "staging"
seed = 7
schema = "git:main"
documents = "old.ts"
[env.generate]
users = 20_000
"*" = 10

[[env]]
name = "prod"
url = "https://happy-otter-123.convex.cloud"
key_env = "STRAIT_PROD_KEY" # not the key
protected = true
`
	c, at, err := parseConfig("strait.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if c.Target != "convex/next.ts" || c.Functions != "backend/convex" || len(c.Envs) != 3 || !c.FromFile {
		t.Fatalf("%+v", c)
	}
	staging, prod := c.Envs[1], c.Envs[2]
	if staging.Generate["users"] != 20000 || staging.Generate["*"] != 10 || staging.Schema != "git:main" || staging.Seed != 7 {
		t.Errorf("%+v", staging)
	}
	if prod.KeyEnv != "STRAIT_PROD_KEY" || !prod.Protected || c.Envs[0].Ran[1] != "migrations:b@3" {
		t.Errorf("%+v", c.Envs)
	}
	if got := at.at["env[1].generate.users"]; got != [2]int{16, 1} {
		t.Errorf("generate.users stands at %v", got)
	}
	inline, _, err := parseConfig("strait.toml", []byte(`env = [ { name = "a", generate = { "*" = 5 } }, { name = "b", snapshot = "b.zip" } ]`))
	if err != nil || len(inline.Envs) != 2 || inline.Envs[0].Generate["*"] != 5 {
		t.Errorf("inline environments: %+v, %v", inline, err)
	}
}

func TestConfigDeployment(t *testing.T) {
	for text, want := range map[string]Env{
		"deployment = \"prod:happy-otter-123\"\nkey_env = \"K\"\ndeploy = \"npx convex deploy\"": {Deployment: "happy-otter-123", Type: "prod", KeyEnv: "K", Deploy: "npx convex deploy"},
		"deployment = \"happy-otter-123\"\nkey_command = \"pass x\"":                             {Deployment: "happy-otter-123", KeyCommand: "pass x"},
		"deployment = \"x\"\nurl = \"https://db.example.com\"\nkey_env = \"K\"":                  {Deployment: "x", URL: "https://db.example.com", KeyEnv: "K"},
		"deployment = \"anonymous:anonymous-chess\"":                                             {Deployment: "anonymous-chess", Type: "anonymous"},
	} {
		c, _, err := parseConfig("/p/strait.toml", []byte("[[env]]\nname = \"a\"\n"+text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		want.Name = "a"
		if got := c.Envs[0]; !reflect.DeepEqual(got, want) || got.Embedded() {
			t.Errorf("%s:\n got %+v\nwant %+v", text, got, want)
		}
	}
}

func TestConfigMistakes(t *testing.T) {
	env := "[[env]]\nname = \"a\"\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key": {"targt = \"x\"", "strait.toml:1:1: unknown key targt\nhint: did you mean target?"},
		"unknown key in env": {env + "generate = {}\nprotect = true",
			"strait.toml:4:1: unknown key protect\nhint: did you mean protected?"},
		"key far from any": {env + "generate = {}\ncolour = 1",
			"strait.toml:4:1: unknown key colour\nhint: an environment may have component, deploy, deployment, documents, env_file, generate, key_command, key_env, name, overlay, protected, ran, schema, seed, snapshot, url"},
		"wrong type": {env + "generate = {}\nprotected = \"yes\"",
			"strait.toml:4:1: protected must be a true or false\nhint: write protected = true"},
		"wrong count": {env + "generate = { users = \"many\" }",
			"strait.toml:3:14: users must be a number\nhint: write users = 100"},
		"wrong list": {env + "generate = {}\nran = [\"a\", 1]",
			"strait.toml:4:1: ran must be a list of texts\nhint: write ran = [\"…\"]"},
		"duplicate name": {env + "generate = {}\n" + env + "generate = {}",
			"strait.toml:5:1: a second environment called \"a\"\nhint: every environment needs a name of its own"},
		"no name": {"[[env]]\ngenerate = {}", "strait.toml:1:3: this environment has no name\nhint: add name = \"dev\""},
		"bad name": {"[[env]]\nname = \"a b\"\ngenerate = {}",
			"strait.toml:2:1: \"a b\" is no name for an environment\nhint: use up to 40 letters, digits, dots, dashes and underscores: people type it to confirm"},
		"url and generate": {env + "url = \"https://x.convex.cloud\"\nkey_env = \"K\"\ngenerate = { users = 1 }",
			"strait.toml:5:1: url and generate both say where the documents of \"a\" are\nhint: keep one of them; two environments may stand for the two"},
		"no source": {env, "strait.toml:1:3: environment \"a\" does not say where its documents are\nhint: add one of url = \"https://…\", deployment = \"happy-otter-123\", snapshot = \"export.zip\", generate = { \"*\" = 100 }"},
		"a key": {env + "url = \"https://x.convex.cloud\"\nkey = \"prod:x|SECRET\"",
			"strait.toml:4:1: a key must not stand in this file\nhint: put it into an environment variable and write key_env = \"STRAIT_PROD_KEY\", or key_command = \"a command that prints it\""},
		"a key at the top": {"deploy_key = \"prod:x|SECRET\"",
			"strait.toml:1:1: a key must not stand in this file\nhint: put it into an environment variable and write key_env = \"STRAIT_PROD_KEY\", or key_command = \"a command that prints it\""},
		"a key for a name": {env + "url = \"https://x.convex.cloud\"\nkey_env = \"prod:x|SECRET\"",
			"strait.toml:4:1: key_env is the name of an environment variable, not the key itself\nhint: write key_env = \"STRAIT_A_KEY\"; if a key stood here, revoke it in the dashboard"},
		"a key in the url": {env + "url = \"https://x.convex.cloud/?adminKey=SECRET\"\nkey_env = \"K\"",
			"strait.toml:3:1: url holds more than an address\nhint: a key is never in this file: say key_env, and keep the address alone"},
		"no key": {env + "url = \"https://x.convex.cloud\"",
			"strait.toml:3:1: environment \"a\" has no key\nhint: add key_env = \"STRAIT_A_KEY\" and put the deploy key into that variable"},
		"plain http": {env + "url = \"http://x.convex.cloud\"\nkey_env = \"K\"",
			"strait.toml:3:1: url would send the key unencrypted\nhint: use https; http is for this machine only"},
		"site url": {env + "url = \"https://x.convex.site\"\nkey_env = \"K\"",
			"strait.toml:3:1: url is the address of HTTP actions\nhint: use the one that ends in .convex.cloud"},
		"schema of a deployment": {env + "url = \"https://x.convex.cloud\"\nkey_env = \"K\"\nschema = \"target\"",
			"strait.toml:5:1: schema is for embedded environments; \"a\" is a real deployment\nhint: a real deployment tells its own schema and documents: take the line away"},
		"single brackets": {"[env]\nname = \"a\"\ngenerate = {}",
			"strait.toml:1:2: environments are a list\nhint: write [[env]] with two brackets"},
		"below the wrong header": {env + "generate = {}\ntarget = \"x\"",
			"strait.toml:4:1: target belongs to the whole file\nhint: put it above the first [[env]]"},
		"above any header": {"name = \"a\"", "strait.toml:1:1: name belongs to an environment\nhint: put it below a line [[env]]"},
		"not a migration": {env + "generate = {}\nran = [\"a b\"]",
			"strait.toml:4:1: \"a b\" is no migration's name\nhint: write \"migrations:setPlan\", or \"migrations:setPlan@3\" to stop after three batches"},
		"waiver without code": {"[[waive]]\nreason = \"x\"", "strait.toml:1:3: this waiver has no code\nhint: add code = \"SW101\": strait plan shows the code of each hazard"},
		"waiver of no code":   {"[[waive]]\ncode = \"S1\"\nreason = \"x\"", "strait.toml:2:1: \"S1\" is no code of a hazard\nhint: write it as strait plan shows it, like \"SW101\""},
		"waiver without reason": {"[[waive]]\ncode = \"SW101\"",
			"strait.toml:1:3: this waiver has no reason\nhint: add reason = \"why the team accepts it\": it is shown with the hazard"},
		"waiver until a text": {"[[waive]]\ncode = \"SW101\"\nreason = \"x\"\nuntil = \"2027-01-31\"",
			"strait.toml:4:1: until must be a date\nhint: write until = 2027-01-31"},
		"waiver of an unknown environment": {env + "generate = {}\n[[waive]]\ncode = \"SW101\"\nreason = \"x\"\nenv = \"b\"",
			"strait.toml:7:1: no environment is called \"b\"\nhint: name one of the [[env]], or take the line away to waive it in all"},
		"waiver's unknown key":    {"[[waive]]\ntabel = \"x\"", "strait.toml:2:1: unknown key tabel\nhint: did you mean table?"},
		"waiver with one bracket": {"[waive]\ncode = \"SW101\"", "strait.toml:1:2: waivers are a list\nhint: write [[waive]] with two brackets"},
		"deployment without a key": {env + "deployment = \"happy-otter-123\"",
			"strait.toml:3:1: environment \"a\" has no key\nhint: add key_env = \"STRAIT_A_KEY\" and put the deploy key into that variable"},
		"a key for a deployment": {env + "deployment = \"prod:happy-otter-123|SECRET\"\nkey_env = \"K\"",
			"strait.toml:3:1: deployment is a name, not a key\nhint: write deployment = \"happy-otter-123\" and key_env = \"STRAIT_A_KEY\"; if a key stood here, revoke it in the dashboard"},
		"deployment of no type": {env + "deployment = \"production:happy-otter-123\"\nkey_env = \"K\"",
			"strait.toml:3:1: \"production\" is no type of deployment\nhint: write the name alone, or one of dev:, prod:, preview:, custom:, local:, anonymous: before it"},
		"deployment of no name": {env + "deployment = \"https://x\"\nkey_env = \"K\"",
			"strait.toml:3:1: \"https\" is no type of deployment\nhint: write the name alone, or one of dev:, prod:, preview:, custom:, local:, anonymous: before it"},
		"deployment and snapshot": {env + "deployment = \"x\"\nkey_env = \"K\"\nsnapshot = \"x.zip\"",
			"strait.toml:5:1: deployment and snapshot both say where the documents of \"a\" are\nhint: keep one of them; two environments may stand for the two"},
		"deploy of an embedded one": {env + "generate = {}\ndeploy = \"npx convex deploy\"",
			"strait.toml:4:1: deploy is for real deployments\nhint: Strait deploys to an embedded environment itself: take the line away"},
		"empty deploy": {env + "deployment = \"x\"\nkey_env = \"K\"\ndeploy = \" \"",
			"strait.toml:5:1: deploy is empty\nhint: write the project's own command, such as deploy = \"npx convex deploy\", or take the line away"},
		"several": {"targt = 1\n" + env, "strait.toml:1:1: unknown key targt\nhint: did you mean target?"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := parseConfig("/p/strait.toml", []byte(c.text))
			if err == nil {
				t.Fatalf("accepted:\n%s", c.text)
			}
			if err.Error() != c.want {
				t.Errorf("got\n%s\nwant\n%s", err, c.want)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Error("the error shows a key")
			}
		})
	}
}

func TestConfigSyntax(t *testing.T) {
	for _, text := range []string{"[[env]]\nname = \"a\nkey = \"SECRET\"", "a = ", "[[env]\n", "x = 1\nx = 2", "[a]\n[a]", "\xff", "env = 3"} {
		_, _, err := parseConfig("strait.toml", []byte(text))
		if err == nil {
			t.Errorf("accepted %q", text)
			continue
		}
		if !strings.HasPrefix(err.Error(), "strait.toml:") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add("[[env]]\nname = \"a\"\ngenerate = { users = 1 }\n")
	f.Add("env = [{name='a', url='x', key.x = 1}]\n[a.b]\nc=1")
	f.Fuzz(func(t *testing.T, text string) {
		c, _, err := parseConfig("strait.toml", []byte(text))
		if err == nil {
			for _, e := range c.Envs {
				if e.Name == "" {
					t.Errorf("an environment without a name got through: %q", text)
				}
			}
		}
	})
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResolveKey(t *testing.T) {
	root := t.TempDir()
	ctx := context.Background()
	write(t, root, map[string]string{".env.local": "export FROM_FILE=\"a|b\" # c\n"})
	for name, c := range map[string]struct {
		env        Env
		want, fail string
	}{
		"variable":       {env: Env{Name: "e", KeyEnv: "STRAIT_TEST_KEY"}, want: "x|y"},
		"file":           {env: Env{Name: "e", KeyEnv: "FROM_FILE"}, want: "a|b"},
		"unset":          {env: Env{Name: "e", KeyEnv: "STRAIT_TEST_NONE"}, fail: "the variable STRAIT_TEST_NONE is not set"},
		"command":        {env: Env{Name: "e", KeyCommand: "echo ' k|v '"}, want: "k|v"},
		"failing":        {env: Env{Name: "e", KeyCommand: "echo k|sed s/k/SECRET/; echo locked >&2; exit 3"}, fail: "exit status 3: locked"},
		"silent":         {env: Env{Name: "e", KeyCommand: "true"}, fail: "printed nothing"},
		"talking":        {env: Env{Name: "e", KeyCommand: "echo SECRET; echo SECRET"}, fail: "printed several lines"},
		"nothing at all": {env: Env{Name: "e", Deployment: "d"}, fail: "has no key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("STRAIT_TEST_KEY", "x|y")
			c.env.root = root
			key, err := c.env.ResolveKey(ctx)
			if c.fail == "" && (err != nil || key != c.want) {
				t.Errorf("%q %v", key, err)
			}
			if c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "SECRET")) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWaivers(t *testing.T) {
	c, _, err := parseConfig("/p/strait.toml", []byte("[[env]]\nname = \"dev\"\ngenerate = {}\n[[waive]]\ncode = \"SW104\"\nreason = \"moved\"\ntable = \"orders\"\nuntil = 2027-01-31\n[[waive]]\ncode = \"SW301\"\nreason = \"dead code\"\nfile = \"convex/a.ts\""))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Waive) != 2 || c.Waive[0].Table != "orders" || c.Waive[0].Until.Format("2006-01-02") != "2027-01-31" || !c.Waive[1].Until.IsZero() || c.Waive[1].File != "convex/a.ts" {
		t.Errorf("waivers %+v", c.Waive)
	}
}

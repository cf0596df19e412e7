package project

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// variables is a process's environment that holds nothing else.
func variables(kv ...string) lookupEnv {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func found(t *testing.T, files map[string]string, lookup lookupEnv) []Env {
	t.Helper()
	root := t.TempDir()
	t.Setenv("HOME", t.TempDir())
	write(t, root, files)
	envs, _ := findEnvs(root, root, lookup)
	return envs
}

func names(envs []Env) string {
	var out []string
	for _, e := range envs {
		out = append(out, e.Name)
	}
	return strings.Join(out, " ")
}

func TestFindEnvs(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		envs := found(t, nil, variables())
		if len(envs) != 1 || envs[0].Name != "local" || envs[0].Generate["*"] != 100 || !envs[0].Embedded() {
			t.Fatalf("%+v", envs)
		}
	})
	t.Run("logged in", func(t *testing.T) {
		envs := found(t, map[string]string{".env.local": "CONVEX_DEPLOYMENT=dev:happy-otter-123 # team: t, project: p\nVITE_CONVEX_URL=\"https://happy-otter-123.convex.cloud\"\n"}, variables())
		if names(envs) != "local dev" || envs[1].Deployment != "happy-otter-123" || envs[1].URL != "https://happy-otter-123.convex.cloud" || envs[1].Protected {
			t.Fatalf("%+v", envs)
		}
		if _, err := envs[1].ResolveKey(t.Context()); err == nil || !strings.Contains(err.Error(), "CONVEX_DEPLOY_KEY") || strings.Contains(err.Error(), "logged in") {
			t.Errorf("missing key: %v", err)
		}
	})
	t.Run("the CLI's login", func(t *testing.T) {
		home := t.TempDir()
		write(t, home, map[string]string{".convex/config.json": `{"accessToken":"SECRET"}`})
		t.Setenv("HOME", home)
		e := Env{Name: "dev", Deployment: "happy-otter-123", lookup: variables()}
		if _, err := e.ResolveKey(t.Context()); err == nil || !strings.Contains(err.Error(), "logged in") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%v", err)
		}
	})
	t.Run("address of another deployment", func(t *testing.T) {
		envs := found(t, map[string]string{".env": "CONVEX_DEPLOY_KEY='prod:calm-cat-9|SECRET'\nCONVEX_URL=https://other.convex.cloud\n"}, variables())
		if len(envs) != 1 || envs[0].Name != "prod" || !envs[0].Protected || envs[0].URL != "" || envs[0].Found != "CONVEX_DEPLOY_KEY in .env" {
			t.Fatalf("%+v", envs)
		}
	})
	t.Run("a local deployment beside the selected one", func(t *testing.T) {
		envs := found(t, map[string]string{".convex/local/default/config.json": disk(3999, "local-t-p|K", "local-t-p"), ".env.local": "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s"}, variables())
		if names(envs) != "local prod" || envs[0].URL != "http://127.0.0.1:3999" {
			t.Fatalf("%+v", envs)
		}
	})
	t.Run("the local deployment selected", func(t *testing.T) {
		envs := found(t, map[string]string{".convex/local/default/config.json": disk(3999, "local-t-p|K", "local-t-p"), ".env.local": "CONVEX_DEPLOYMENT=local:local-t-p"}, variables())
		if names(envs) != "local" || !strings.Contains(envs[0].Found, "selected by CONVEX_DEPLOYMENT in .env.local") {
			t.Fatalf("%+v", envs)
		}
	})
	t.Run("where the CLI runs", func(t *testing.T) {
		root := t.TempDir()
		write(t, root, map[string]string{"packages/backend/package.json": "{}", "packages/backend/.env.local": "CONVEX_DEPLOY_KEY=dev:calm-cat-9|s", ".env": "STRAIT_KEY=prod:calm-cat-9|s"})
		envs, _ := resolveEnvs(nil, root, root+"/packages/backend/convex", variables())
		if names(envs) != "dev" || envs[0].Found != "CONVEX_DEPLOY_KEY in .env.local" {
			t.Errorf("%+v", envs)
		}
		envs, _ = resolveEnvs([]Env{{Name: "a", URL: "https://x", KeyEnv: "STRAIT_KEY"}}, root, root+"/packages/backend/convex", variables())
		if key, err := envs[0].ResolveKey(t.Context()); err != nil || key != "prod:calm-cat-9|s" {
			t.Errorf("%q %v", key, err)
		}
	})
}

// An environment whose address is still to be asked for is no embedded one.
func TestEmbedded(t *testing.T) {
	envs := found(t, nil, variables("CONVEX_DEPLOY_KEY", "dev:calm-cat-9|s"))
	if len(envs) != 1 || envs[0].URL != "" || envs[0].Embedded() {
		t.Errorf("got %+v", envs)
	}
	if e := (&Env{Name: "local", Generate: map[string]int{"*": 1}}); !e.Embedded() {
		t.Error("generated documents are embedded")
	}
}

func TestEnvFile(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		".env.production": "CONVEX_DEPLOY_KEY=prod:calm-cat-9|s\nMINE='prod:calm-cat-9|m'", ".env.hosted": "CONVEX_SELF_HOSTED_URL=https://db.example.com/\nCONVEX_SELF_HOSTED_ADMIN_KEY=n|k",
		".env.none": "A=1", ".env.local": "CONVEX_DEPLOY_KEY=dev:other-cat-9|s",
	})
	config := "[[env]]\nname = \"prod\"\nenv_file = \".env.production\"\n[[env]]\nname = \"hosted\"\nenv_file = \".env.hosted\"\n[[env]]\nname = \"mine\"\nurl = \"https://x.example.com\"\nenv_file = \".env.production\"\nkey_env = \"MINE\"\n" +
		"[[env]]\nname = \"none\"\nenv_file = \".env.none\"\n[[env]]\nname = \"gone\"\nenv_file = \".env.gone\"\n"
	c, _, err := parseConfig(root+"/strait.toml", []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	envs, problems := resolveEnvs(c.Envs, root, root, variables("CONVEX_DEPLOY_KEY", "dev:process-cat-9|s"))
	for i, want := range []struct{ url, deployment, key string }{{"", "calm-cat-9", "prod:calm-cat-9|s"}, {"https://db.example.com", "", "n|k"}, {"https://x.example.com", "", "prod:calm-cat-9|m"}} {
		key, err := envs[i].ResolveKey(t.Context())
		if err != nil || key != want.key || envs[i].URL != want.url || envs[i].Deployment != want.deployment || envs[i].Embedded() {
			t.Errorf("%+v, %v, %q", envs[i], err, key)
		}
	}
	if len(problems) != 2 || !strings.Contains(problems[0].Message, "names no deployment") || !strings.Contains(problems[1].Message, "no such file") {
		t.Errorf("%v", problems)
	}
}

func TestParseKey(t *testing.T) {
	for text, want := range map[string]Key{
		"prod:happy-otter-123|SECRET": {"prod", "happy-otter-123"}, "dev:a|SECRET": {"dev", "a"}, "preview:a|SECRET": {"preview", "a"},
		"custom:a|SECRET": {"custom", "a"}, "local-t-p|SECRET": {"", "local-t-p"}, "SECRET": {}, "prod:a|b|SECRET": {"prod", "a"},
	} {
		if k, err := ParseKey(text); err != nil || k != want {
			t.Errorf("%s: %+v, %v", text, k, err)
		}
	}
	for text, want := range map[string]string{
		"": "empty", "<missing_deploy_key:x>": "placeholder", "prod:a|SEC RET": "spaces", "prod:a|SECRETé": "characters", "prod:happy-otter-123": "cuts a key at the |",
		"project:t:p|SECRET": "project key", "preview:t:p|SECRET": "creates preview deployments of t/p",
	} {
		if _, err := ParseKey(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("prod:a|b")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		_, secret, _ := strings.Cut(text, "|")
		if err == nil && len(secret) > 8 && strings.Contains(k.Describe(), secret) && !strings.Contains(strings.TrimSuffix(text, secret), secret) {
			t.Errorf("%q shows its secret: %s", text, k.Describe())
		}
	})
}

// A key that is of something else than the environment says is refused before
// anything is sent.
func TestCheckKey(t *testing.T) {
	for name, c := range map[string]struct {
		env        Env
		key        Key
		warn, fail string
	}{
		"right":             {env: Env{Name: "prod", Deployment: "a", Type: "prod", Protected: true}, key: Key{"prod", "a"}},
		"another":           {env: Env{Name: "prod", Deployment: "a"}, key: Key{"prod", "b"}, fail: "is of deployment b, but the environment is a"},
		"another's address": {env: Env{Name: "prod", URL: "https://calm-cat-9.eu-west-1.convex.cloud"}, key: Key{"prod", "sad-cat-9"}, fail: "is of deployment sad-cat-9, but the environment is calm-cat-9"},
		"own domain":        {env: Env{Name: "prod", URL: "https://db.example.com", Protected: true}, key: Key{"prod", "sad-cat-9"}},
		"self-hosted":       {env: Env{Name: "prod", URL: "https://calm-cat-9.convex.cloud"}, key: Key{"", "convex-self-hosted"}},
		"another type":      {env: Env{Name: "prod", Deployment: "a", Type: "prod"}, key: Key{"dev", "a"}, fail: "is of a dev deployment"},
		"bare":              {env: Env{Name: "prod", Deployment: "a", Type: "prod", Protected: true}, key: Key{"", "a"}},
		"prod key in dev":   {env: Env{Name: "my-dev", Protected: true}, key: Key{"prod", "a"}, warn: "called my-dev, but its key is of a production deployment"},
		"dev key in prod":   {env: Env{Name: "prod"}, key: Key{"dev", "a"}, warn: "called prod, but its key is of a dev deployment"},
		"not protected":     {env: Env{Name: "live"}, key: Key{"prod", "a"}, warn: "not protected"},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, err := c.env.Check(c.key)
			if got := strings.Join(warnings, "; "); (c.warn == "") != (got == "") || !strings.Contains(got, c.warn) {
				t.Errorf("warnings %q", got)
			}
			if (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// named serves a deployment's name; keys counts requests that carry a key.
func named(t *testing.T, name string) (address string, keys *atomic.Int64) {
	keys = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			keys.Add(1)
		}
		w.Write([]byte(name))
	}))
	t.Cleanup(s.Close)
	return s.URL, keys
}

func TestLocalDeploymentMustAnswer(t *testing.T) {
	address, keys := named(t, "local-t-p")
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	page, _ := named(t, "<html>")
	pagePort, _ := strconv.Atoi(strings.TrimPrefix(page, "http://127.0.0.1:"))
	for name, c := range map[string]struct {
		port       int
		deployment string
		fail       string
	}{
		"running":  {port, "local-t-p", ""},
		"another":  {port, "local-t-q", "the deployment local-t-q on this machine is stopped: local-t-p answers at"},
		"stopped":  {1, "local-t-p", "is stopped: nothing listens at http://127.0.0.1:1\nhint: npx convex dev starts it"},
		"web page": {pagePort, "local-t-p", "no Convex deployment"},
	} {
		t.Run(name, func(t *testing.T) {
			envs := found(t, map[string]string{".convex/local/default/config.json": disk(c.port, c.deployment+"|KEY", c.deployment)}, variables())
			key, err := envs[0].ResolveKey(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got, err := envs[0].ResolveURL(t.Context(), key)
			if c.fail == "" && (err != nil || got != address) {
				t.Errorf("%q %v", got, err)
			}
			if c.fail != "" && (err == nil || !strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "KEY")) {
				t.Errorf("got %v", err)
			}
		})
	}
	if keys.Load() != 0 {
		t.Error("the key was sent before the deployment told its name")
	}
}

func TestAddressMustBeTheDeployments(t *testing.T) {
	address, keys := named(t, "calm-cat-9")
	if got, err := (Env{Name: "e", URL: address, Deployment: "calm-cat-9"}).ResolveURL(t.Context(), "k"); err != nil || got != address {
		t.Errorf("%q %v", got, err)
	}
	if _, err := (Env{Name: "e", URL: address, Deployment: "sad-cat-9"}).ResolveURL(t.Context(), "k"); err == nil || !strings.Contains(err.Error(), "is deployment calm-cat-9, not sad-cat-9") {
		t.Errorf("%v", err)
	}
	if keys.Load() != 0 {
		t.Error("the key was sent")
	}
}

// The provision host is asked as the CLI asks it, and what it answers is told
// without the key.
func TestURLForKey(t *testing.T) {
	const key = "prod:calm-cat-9|SECRET"
	var asked atomic.Int64
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			var q struct{ DeployKey string }
			if err := json.NewDecoder(r.Body).Decode(&q); err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/deployment/url_for_key" ||
				q.DeployKey != key || r.Header.Get("Authorization") != "Bearer "+key {
				t.Errorf("asked %s %s %v", r.Method, r.URL, err)
			}
			if status/100 == 3 {
				w.Header().Set("Location", "https://elsewhere.example")
			}
			w.WriteHeader(status)
			w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
		asked  int64
	}{
		"address":   {200, `"https://calm-cat-9.eu.convex.cloud/"`, "https://calm-cat-9.eu.convex.cloud", 1},
		"deleted":   {401, `{"code":"BadDeployKey","message":"bad key prod:calm-cat-9|SECRET\u001b[31m"}`, "does not accept the key: bad key …", 1},
		"unknown":   {404, `{"code":"DeploymentNotFound","message":"no SECRET"}`, "knows no deployment of this key: no …", 1},
		"down":      {503, `busy`, "answered 503 Service Unavailable", urlAttempts},
		"redirect":  {302, ``, "answered 302", 1},
		"page":      {200, `<html>SECRET`, "gave no address", 1},
		"odd":       {200, `"ftp://x"`, "gave no address", 1},
		"unguarded": {200, `"http://calm-cat-9.convex.cloud"`, "gave no address", 1},
	} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			s := httptest.NewServer(answer(c.status, c.body))
			defer s.Close()
			got, err := Env{Name: "e", lookup: variables(varProvision, s.URL+"/")}.ResolveURL(t.Context(), key)
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) || strings.Contains(got, "SECRET") || strings.Contains(got, "\x1b") || asked.Load() != c.asked {
				t.Errorf("got %s after %d questions", got, asked.Load())
			}
		})
	}
	for host, want := range map[string]string{"http://api.example.com": "unencrypted", "nonsense": "not an http"} {
		if _, err := (Env{Name: "e", lookup: variables(varProvision, host)}).ResolveURL(t.Context(), key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// What cannot be asked is told in the words of a person's network, not with the
// address of the resolver.
func TestUnaskedNamesNoResolver(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://api.convex.dev/x", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for want, err := range map[string]error{
		"no such host api.convex.dev: is this machine online?":                      dial(&net.DNSError{Err: "no such host", Name: "api.convex.dev", Server: "10.0.0.53:53", IsNotFound: true}),
		"the name api.convex.dev cannot be resolved: is this machine online?":       dial(&net.DNSError{Err: "server misbehaving", Name: "api.convex.dev", Server: "10.0.0.53:53", IsTemporary: true}),
		"api.convex.dev cannot be asked: dial tcp: " + syscall.ECONNREFUSED.Error(): dial(syscall.ECONNREFUSED),
	} {
		if got := unasked("api.convex.dev", err).Error(); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	}
}

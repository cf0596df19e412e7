package project

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"strait/convex/jsrun"
)

// This file finds the environments that the Convex CLI would find
// (convex-wire.md 1.3 and 1.5), for projects without a strait.toml.

// envFiles are read in this order; the process's environment comes last.
var envFiles = []string{".env.local", ".env"}

// setting is a variable's value and where it stands.
type setting struct {
	value string
	where string // ".env.local", "the environment"
	file  string // absolute; "" the process
}

// settings are the variables that the Convex CLI would see.
type settings struct {
	root   string
	getenv func(string) string
	files  []map[string]string // as envFiles
}

func readSettings(root string, getenv func(string) string) *settings {
	if getenv == nil {
		getenv = os.Getenv
	}
	s := &settings{root: root, getenv: getenv}
	for _, name := range envFiles {
		text, _ := os.ReadFile(filepath.Join(root, name)) // a file that is not there has no variables
		s.files = append(s.files, parseDotenv(string(text)))
	}
	return s
}

// get returns the first setting of a variable, as the CLI orders them.
func (s *settings) get(name string) (setting, bool) {
	for i, vars := range s.files {
		if v := vars[name]; v != "" {
			return setting{v, envFiles[i], filepath.Join(s.root, envFiles[i])}, true
		}
	}
	if v := s.getenv(name); v != "" {
		return setting{v, "the environment", ""}, true
	}
	return setting{}, false
}

// parseDotenv reads the KEY=VALUE lines of an env file, with export, quotes
// and comments.
func parseDotenv(text string) map[string]string {
	vars := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export ")
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if !ok || !variableName.MatchString(name) {
			continue
		}
		value = strings.TrimSpace(value)
		if value != "" && strings.ContainsRune("\"'`", rune(value[0])) {
			if end := strings.IndexByte(value[1:], value[0]); end >= 0 {
				vars[name] = value[1 : end+1]
				continue
			}
		}
		if i := strings.IndexByte(value, '#'); i == 0 {
			value = ""
		} else if i := strings.Index(value, " #"); i >= 0 {
			value = strings.TrimSpace(value[:i])
		}
		vars[name] = value
	}
	return vars
}

// findEnvs lists the environments that the CLI's variables and files name.
// Without any that has a key, an embedded one comes first, so that a newcomer
// sees something.
func findEnvs(root string, getenv func(string) string) ([]Env, []jsrun.Problem) {
	s := readSettings(root, getenv)
	var envs []Env
	var problems []jsrun.Problem
	if e, ok := s.localFolder(); ok {
		envs = append(envs, e)
	}
	e, problem, ok := s.selected(len(envs) > 0)
	if ok {
		envs = append(envs, e)
	}
	if problem != nil {
		problems = append(problems, *problem)
	}
	keyed := false
	for i := range envs {
		envs[i].root = root
		keyed = keyed || envs[i].KeyEnv != "" || envs[i].keyFile != ""
	}
	if keyed {
		return envs, problems
	}
	local := Env{Name: "local", Generate: map[string]int{"*": newcomerDocuments}, Seed: 1, root: root,
		Found: "nothing: there is no strait.toml, so its documents are generated"}
	return append([]Env{local}, envs...), problems
}

// newcomerDocuments is how many documents a table gets when nothing is said.
const newcomerDocuments = 100

// selected is what the CLI would select: a deploy key, a self-hosted pair, or
// CONVEX_DEPLOYMENT.
func (s *settings) selected(haveLocal bool) (Env, *jsrun.Problem, bool) {
	deployment, hasDeployment := s.get("CONVEX_DEPLOYMENT")
	deployment.value, _, _ = strings.Cut(deployment.value, " #")
	deployment.value = strings.TrimSpace(deployment.value)
	for _, name := range []string{"CONVEX_DEPLOY_KEY", "CONVEX_DEPLOYMENT_TOKEN"} {
		if key, ok := s.get(name); ok && !strings.HasPrefix(key.value, "<") {
			return s.deployKey(name, key), nil, true
		}
	}
	if u, ok := s.get("CONVEX_SELF_HOSTED_URL"); ok {
		e := Env{Name: "self-hosted", URL: u.value, KeyEnv: "CONVEX_SELF_HOSTED_ADMIN_KEY", Found: "CONVEX_SELF_HOSTED_URL in " + u.where}
		if parsed, err := url.Parse(u.value); err != nil || !isLoopback(parsed.Hostname()) {
			e.Protected = true
		}
		var problem *jsrun.Problem
		if hasDeployment {
			problem = &jsrun.Problem{File: fileOr(deployment.file, u.file), Warning: true,
				Message: "CONVEX_SELF_HOSTED_URL and CONVEX_DEPLOYMENT are both set", Hint: "the Convex CLI refuses that: keep one of them"}
		}
		return e, problem, true
	}
	if !hasDeployment || deployment.value == "" {
		return Env{}, nil, false
	}
	kind, name, ok := strings.Cut(deployment.value, ":")
	if !ok {
		kind, name = "dev", deployment.value
	}
	if kind == "local" || kind == "anonymous" {
		if haveLocal { // the folder in the project is this deployment
			return Env{}, nil, false
		}
		e, ok := legacyLocal(kind, name)
		return e, nil, ok
	}
	return Env{Name: kind, Deployment: name, URL: s.urlOf(name), Protected: kind != "dev", Found: "CONVEX_DEPLOYMENT in " + deployment.where}, nil, true
}

func fileOr(path, other string) string {
	if path == "" {
		path = other
	}
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}

// deployKey makes an environment of a deploy key without keeping the key:
// only its public half, the type and name in front of the "|".
func (s *settings) deployKey(variable string, key setting) Env {
	kind, name := "prod", "" // a key without a type is an old production key
	if public, _, ok := strings.Cut(key.value, "|"); ok {
		name = public
		if k, rest, ok := strings.Cut(public, ":"); ok {
			kind, name = k, rest
		}
	}
	e := Env{Name: kind, Deployment: name, URL: s.urlOf(name), KeyEnv: variable, Protected: kind != "dev",
		Found: variable + " in " + key.where, keyFile: key.file}
	if !envName.MatchString(e.Name) {
		e.Name = "deployment"
	}
	if strings.Contains(name, ":") || kind == "project" { // preview:TEAM:PROJECT and project keys name no deployment
		e.Deployment, e.URL = "", ""
	}
	return e
}

// urlOf finds the address that the project's own variables give for a
// deployment. It is not made up from the name: domains and regions differ.
func (s *settings) urlOf(deployment string) string {
	if deployment == "" {
		return ""
	}
	names := map[string]bool{}
	for _, vars := range s.files {
		for name := range vars {
			names[name] = true
		}
	}
	names["CONVEX_URL"] = true
	for _, name := range sortedKeys(names) {
		if !strings.HasSuffix(name, "CONVEX_URL") && name != "CONVEX_CLOUD_URL" {
			continue
		}
		v, _ := s.get(name)
		if u, err := url.Parse(v.value); err == nil && u.Scheme == "https" && strings.HasPrefix(u.Hostname(), deployment+".") {
			return strings.TrimSuffix(v.value, "/")
		}
	}
	return ""
}

// localConfig is the CLI's config.json of a deployment on this machine,
// without its keys.
type localConfig struct {
	Ports struct {
		Cloud int `json:"cloud"`
	} `json:"ports"`
	DeploymentName string `json:"deploymentName"`
}

// localFolder finds PROJECT/.convex/local/default/config.json.
func (s *settings) localFolder() (Env, bool) {
	return localEnv(filepath.Join(s.root, ".convex", "local", "default", "config.json"), ".convex/local/default/config.json", "local")
}

// legacyLocal finds a local or anonymous deployment in the home folder.
func legacyLocal(kind, name string) (Env, bool) {
	home, err := os.UserHomeDir()
	if err != nil || strings.ContainsAny(name, `/\`) || name == ".." {
		return Env{}, false
	}
	folder := "convex-backend-state"
	if kind == "anonymous" {
		folder = "anonymous-convex-backend-state"
	}
	path := filepath.Join(home, ".convex", folder, name, "config.json")
	return localEnv(path, path, name)
}

func localEnv(path, shown, name string) (Env, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Env{}, false
	}
	var c localConfig
	if json.Unmarshal(text, &c) != nil || c.Ports.Cloud == 0 {
		return Env{}, false
	}
	if c.DeploymentName != "" {
		name = c.DeploymentName
	}
	return Env{Name: "local", Deployment: name, URL: fmt.Sprintf("http://127.0.0.1:%d", c.Ports.Cloud), Found: shown, keyFile: path}, true
}

// expandGenerate replaces "*" by the tables that are not named.
func expandGenerate(counts map[string]int, tables []string) map[string]int {
	rest, ok := counts["*"]
	if !ok {
		return counts
	}
	out := map[string]int{}
	for _, t := range tables {
		out[t] = rest
	}
	for t, n := range counts {
		if t != "*" {
			out[t] = n
		}
	}
	return out
}

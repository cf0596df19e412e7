package project

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"strait/convex/jsrun"
)

// This file finds the deployment that the Convex CLI would select
// (convex-wire.md 1.3), for projects without a strait.toml and for env_file.
// The order is that of the CLI's own code: what the process has set stays, even
// where it is set to nothing; .env.local comes next, then .env.

// envFiles are read in this order, after the process's environment.
var envFiles = []string{".env.local", ".env"}

// lookupEnv is os.LookupEnv, or a test's environment.
type lookupEnv func(name string) (string, bool)

// setting is a variable's value and where it stands.
type setting struct {
	value string
	where string // ".env.local", "the environment"
	file  string // absolute; "" the process
}

// settings are the variables that the Convex CLI would see.
type settings struct {
	dir    string // where the CLI would run
	lookup lookupEnv
	files  []envFile
	only   bool // the files alone, as with the CLI's --env-file
}

type envFile struct {
	path, shown string
	vars        map[string]string
}

// readSettings reads the env files of each folder, nearest first.
func readSettings(lookup lookupEnv, dirs ...string) *settings {
	s := &settings{dir: dirs[0], lookup: lookup}
	for i, dir := range dirs {
		for _, name := range envFiles {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				continue // a file that is not there has no variables
			}
			shown := name
			if i > 0 {
				shown = path
			}
			s.files = append(s.files, envFile{path, shown, parseDotenv(string(text))})
		}
	}
	return s
}

// get returns the setting that counts. A variable that is set to nothing hides
// the ones behind it.
func (s *settings) get(name string) (setting, bool) {
	if !s.only {
		if v, ok := s.lookup(name); ok {
			return setting{v, "the environment", ""}, v != ""
		}
	}
	for _, f := range s.files {
		if v, ok := f.vars[name]; ok {
			return setting{v, f.shown, f.path}, v != ""
		}
	}
	return setting{}, false
}

// resolveEnvs completes the environments of a strait.toml by what lies around
// it; without any it finds those of the Convex CLI.
func resolveEnvs(envs []Env, root, functions string, lookup lookupEnv) ([]Env, []jsrun.Problem) {
	if lookup == nil {
		lookup = os.LookupEnv
	}
	dir := cliFolderOf(root, functions)
	if len(envs) == 0 {
		return findEnvs(root, dir, lookup)
	}
	var problems []jsrun.Problem
	for i := range envs {
		e := &envs[i]
		e.root, e.dir, e.lookup = root, dir, lookup
		if e.Embedded() {
			continue
		}
		e.Found = configName
		if err := e.complete(); err != nil {
			why, hint, _ := strings.Cut(err.Error(), "\nhint: ")
			problems = append(problems, jsrun.Problem{File: configName, Message: why, Hint: hint})
		}
	}
	return envs, problems
}

// complete finds what strait.toml only points to: an env file, or a deployment
// on this machine.
func (e *Env) complete() error {
	if e.EnvFile != "" {
		return e.fromFile()
	}
	if e.onDisk() && e.URL == "" {
		if path, c, ok := findDisk(e.dir, e.lookup, e.Deployment); ok {
			e.place(path, c)
		}
	}
	return nil
}

// cliFolderOf is where the Convex CLI would run: the nearest folder at or above
// the functions that has a package.json or a convex.json, not above the root.
func cliFolderOf(root, functions string) string {
	for d := functions; strings.HasPrefix(d, root) && len(d) >= len(root); d = filepath.Dir(d) {
		if isFile(filepath.Join(d, "package.json")) || isFile(filepath.Join(d, "convex.json")) {
			return d
		}
		if filepath.Dir(d) == d {
			break
		}
	}
	return root
}

// findEnvs lists the environments that the CLI's variables and files name.
// Without any that has a key, an embedded one comes first, so that a newcomer
// sees something.
func findEnvs(root, dir string, lookup lookupEnv) ([]Env, []jsrun.Problem) {
	s := readSettings(lookup, dir)
	var envs []Env
	path := projectDisk(dir)
	if c, ok := readDiskConfig(path); ok {
		e := Env{Name: "local", Found: ".convex/local/default/config.json"}
		e.place(path, c)
		envs = append(envs, e)
	}
	e, problem := s.selected()
	switch {
	case e == nil:
	case e.keyFile == path && len(envs) > 0: // the deployment in the project's folder is selected
		envs[0].Found += ", selected by " + e.Found
	default:
		if len(envs) > 0 && e.Name == envs[0].Name {
			e.Name += "-2"
		}
		envs = append(envs, *e)
	}
	keyed := false
	for i := range envs {
		envs[i].root, envs[i].dir, envs[i].lookup = root, dir, lookup
		keyed = keyed || envs[i].KeyEnv != "" || envs[i].keyFile != ""
	}
	var problems []jsrun.Problem
	if problem != nil {
		problems = append(problems, *problem)
	}
	if keyed {
		return envs, problems
	}
	local := Env{Name: "local", Generate: map[string]int{"*": newcomerDocuments}, Seed: 1, root: root, dir: dir, lookup: lookup,
		Found: "nothing: there is no strait.toml, so its documents are generated"}
	return append([]Env{local}, envs...), problems
}

// newcomerDocuments is how many documents a table gets when nothing is said.
const newcomerDocuments = 100

// The CLI's variables.
const (
	varDeployKey  = "CONVEX_DEPLOY_KEY"
	varToken      = "CONVEX_DEPLOYMENT_TOKEN"
	varDeployment = "CONVEX_DEPLOYMENT"
	varHostedURL  = "CONVEX_SELF_HOSTED_URL"
	varHostedKey  = "CONVEX_SELF_HOSTED_ADMIN_KEY"
	varProvision  = "CONVEX_PROVISION_HOST"
)

// missingKey is the deploy key's placeholder that carries a message.
var missingKey = regexp.MustCompile(`^<missing_deploy_key:(.+)>$`)

// selected is what the CLI would select: a deploy key's deployment, the
// self-hosted pair's, or CONVEX_DEPLOYMENT's; nil when it would select none,
// with a problem where it would refuse to choose.
func (s *settings) selected() (*Env, *jsrun.Problem) {
	variable := varDeployKey
	key, ok := s.get(varDeployKey)
	if !ok {
		variable = varToken
		key, ok = s.get(varToken)
	}
	if m := missingKey.FindStringSubmatch(key.value); ok && m != nil {
		return nil, conflict(key, variable+" says that a deploy key is missing: "+m[1], "set it to a deploy key (dashboard: Settings, Deploy Keys)")
	}
	if ok && key.value != "<ignore_deploy_key>" {
		return s.deployKey(variable, key), nil
	}
	deployment, named := s.get(varDeployment)
	address, hasURL := s.get(varHostedURL)
	_, hasKey := s.get(varHostedKey)
	switch {
	case hasURL && hasKey && named:
		return nil, conflict(deployment, "CONVEX_DEPLOYMENT stands beside CONVEX_SELF_HOSTED_URL and CONVEX_SELF_HOSTED_ADMIN_KEY", "the Convex CLI refuses that: keep the one or the other two")
	case hasURL && hasKey:
		e := &Env{Name: "self-hosted", URL: strings.TrimSuffix(address.value, "/"), KeyEnv: varHostedKey, Found: varHostedURL + " in " + address.where, varFile: s.onlyFile()}
		if u, err := url.Parse(address.value); err != nil || !isLoopback(u.Hostname()) {
			e.Protected = true
		}
		return e, nil
	case named && (hasURL || hasKey):
		return nil, conflict(deployment, "CONVEX_DEPLOYMENT stands beside one of CONVEX_SELF_HOSTED_URL and CONVEX_SELF_HOSTED_ADMIN_KEY", "the Convex CLI refuses that: keep the one or the other two")
	case named:
		return s.deployment(deployment)
	case hasURL != hasKey:
		missing := varHostedKey
		if hasKey {
			missing = varHostedURL
		}
		p := conflict(address, "of CONVEX_SELF_HOSTED_URL and CONVEX_SELF_HOSTED_ADMIN_KEY only one is set, so there is no self-hosted deployment", "set "+missing+" as well")
		p.Warning = true
		return nil, p
	}
	return nil, nil
}

// conflict is a problem of a variable; its value is not told.
func conflict(at setting, message, hint string) *jsrun.Problem {
	p := &jsrun.Problem{Message: message, Hint: hint}
	if at.file != "" {
		p.File = filepath.Base(at.file)
	}
	return p
}

// deployment makes an environment of CONVEX_DEPLOYMENT.
func (s *settings) deployment(at setting) (*Env, *jsrun.Problem) {
	value, _, _ := strings.Cut(at.value, " #")
	parts := strings.Split(strings.TrimSpace(value), ":")
	kind, name := parts[0], parts[len(parts)-1]
	found := varDeployment + " in " + at.where
	if len(parts) == 1 || kind != "prod" && kind != "preview" && kind != "local" && kind != "custom" {
		kind = "dev"
	}
	if strings.HasPrefix(name, "anonymous-") {
		kind = "anonymous"
		if v, _ := s.get("CONVEX_ALLOW_ANONYMOUS"); v.value == "false" {
			return nil, nil
		}
	}
	if !deploymentName.MatchString(name) {
		return nil, conflict(at, varDeployment+" names no deployment", `it looks like "dev:happy-otter-123"; npx convex dev writes it`)
	}
	if kind != "local" && kind != "anonymous" {
		return &Env{Name: kind, Deployment: name, Type: kind, URL: s.urlOf(name), Protected: kind != "dev", Found: found}, nil
	}
	path, c, ok := findDisk(s.dir, s.lookup, name)
	if !ok {
		return nil, &jsrun.Problem{Warning: true, Message: fmt.Sprintf("%s names %s, a deployment on this machine, and there is none", varDeployment, name),
			Hint: "npx convex dev makes and starts it"}
	}
	e := &Env{Name: "local", Deployment: name, Found: found}
	e.place(path, c)
	return e, nil
}

// deployKey makes an environment of a deploy key without keeping the key:
// only its public half, the type and name in front of the "|".
func (s *settings) deployKey(variable string, at setting) *Env {
	e := &Env{Name: "deployment", KeyEnv: variable, Protected: true, Found: variable + " in " + at.where, varFile: s.onlyFile()}
	k, err := ParseKey(strings.TrimSpace(at.value))
	if err != nil {
		return e // ResolveKey says what is wrong with it
	}
	kind := k.Type
	if kind == "" {
		kind = "prod" // as the CLI takes it
	}
	if envName.MatchString(kind) {
		e.Name = kind
	}
	e.Deployment, e.Type, e.URL = k.Deployment, k.Type, s.urlOf(k.Deployment)
	e.Protected = kind != "dev"
	return e
}

// onlyFile is the one file that the variables come from; "" when the process's
// environment and more files count.
func (s *settings) onlyFile() string {
	if s.only && len(s.files) == 1 {
		return s.files[0].path
	}
	return ""
}

// urlOf finds the address that the project's own variables give for a
// deployment. It is not made up from the name: domains and regions differ.
func (s *settings) urlOf(deployment string) string {
	if deployment == "" {
		return ""
	}
	names := map[string]bool{"CONVEX_URL": true}
	for _, f := range s.files {
		for name := range f.vars {
			names[name] = true
		}
	}
	for _, name := range sortedKeys(names) {
		if !strings.HasSuffix(name, "CONVEX_URL") && name != "CONVEX_CLOUD_URL" {
			continue
		}
		v, _ := s.get(name)
		if u, err := url.Parse(v.value); err == nil && u.Scheme == "https" && u.User == nil && strings.HasPrefix(u.Hostname(), deployment+".") && strings.HasSuffix(u.Hostname(), ".convex.cloud") {
			return strings.TrimSuffix(v.value, "/")
		}
	}
	return ""
}

// fromFile fills in an environment whose env_file says where its deployment
// is: what the CLI would select with --env-file.
func (e *Env) fromFile() error {
	path := e.EnvFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.root, filepath.FromSlash(path))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("env_file of environment %s: %w", e.Name, err)
	}
	e.varFile = path
	if e.KeyEnv != "" && (e.URL != "" || e.Deployment != "") {
		return nil
	}
	s := &settings{dir: e.dir, lookup: e.lookup, only: true, files: []envFile{{path, e.EnvFile, parseDotenv(string(text))}}}
	found, problem := s.selected()
	if problem != nil {
		return fmt.Errorf("env_file of environment %s, %s: %s\nhint: %s", e.Name, e.EnvFile, problem.Message, problem.Hint)
	}
	if found == nil {
		return fmt.Errorf("env_file of environment %s, %s: it names no deployment\nhint: set CONVEX_DEPLOY_KEY in it, or CONVEX_SELF_HOSTED_URL and CONVEX_SELF_HOSTED_ADMIN_KEY", e.Name, e.EnvFile)
	}
	if e.URL == "" && e.Deployment == "" {
		e.URL, e.Deployment, e.Type, e.keyFile = found.URL, found.Deployment, found.Type, found.keyFile
	}
	e.Found, e.varFile = found.Found, path
	if e.KeyEnv == "" && e.KeyCommand == "" {
		e.KeyEnv = found.KeyEnv
	}
	return nil
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

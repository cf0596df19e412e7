package project

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// This file hands a deployment to the project's own deploy command. The
// official CLI takes it from its variables; what the process has set wins over
// .env.local and .env, also where it is set to nothing (convex-wire.md 1.3).

// selecting are the variables by which the CLI selects a deployment.
var selecting = []string{varDeployKey, varToken, varHostedURL, varHostedKey, varDeployment}

// choosers are the CLI's options that select a deployment whatever the
// variables say.
var choosers = regexp.MustCompile(`(?:^|\s)(--(?:env-file|url|admin-key|deployment|deployment-name|prod|preview-name|preview-create))(?:[\s=]|$)`)

// assigner finds a CLI variable that a command sets itself.
var assigner = regexp.MustCompile(`\b(` + strings.Join(selecting, "|") + `)=`)

// script finds the scripts of package.json that a command runs.
var script = regexp.MustCompile(`(?:^|[\s;&|("'])(?:npm|pnpm|yarn|bun)(?:\s+-\S+)*\s+(?:run(?:-script)?\s+)?(?:-\S+\s+)*([A-Za-z0-9:_][A-Za-z0-9:_-]*)`)

// CheckCommand refuses a deploy command that chooses its deployment itself,
// because then it is not sure to deploy where it was asked to.
func (e Env) CheckCommand() error {
	text := e.withScripts(e.Deploy, map[string]bool{})
	if m := choosers.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("the deploy command of environment %s chooses a deployment itself: %s\nhint: take %s out of it: Strait hands the command the deployment and its key by the variables that the Convex CLI reads", e.Name, m[1], m[1])
	}
	if m := assigner.FindStringSubmatch(text); m != nil {
		return fmt.Errorf("the deploy command of environment %s sets %s itself\nhint: take that out of it: Strait hands the command the deployment and its key by the variables that the Convex CLI reads", e.Name, m[1])
	}
	return nil
}

// withScripts is a command and every script that it runs, those before and
// after it as well, each once.
func (e Env) withScripts(command string, seen map[string]bool) string {
	text := command
	for _, m := range script.FindAllStringSubmatch(command, -1) {
		for _, name := range []string{"pre" + m[1], m[1], "post" + m[1]} {
			if !seen[name] {
				seen[name] = true
				text += "\n" + e.withScripts(e.script(name), seen)
			}
		}
	}
	return text
}

// script is the text of a script of package.json; "" when there is none.
func (e Env) script(name string) string {
	var m struct {
		Scripts map[string]string `json:"scripts"`
	}
	for _, dir := range []string{e.root, e.dir} {
		text, err := os.ReadFile(filepath.Join(dir, "package.json"))
		if err == nil && json.Unmarshal(text, &m) == nil && m.Scripts[name] != "" {
			return m.Scripts[name]
		}
	}
	return ""
}

// CommandEnv is the environment of the deploy command: base, a list of
// NAME=value, with nothing in it that selects a deployment but this one. A
// cloud key goes in CONVEX_DEPLOY_KEY; a bare one, as self-hosted and local
// deployments have, with the address in CONVEX_SELF_HOSTED_URL. What the project's
// env files would add to that is set to nothing, and withheld names variables
// that are no business of the command: those that hold other environments' keys.
func (e Env) CommandEnv(base []string, address, key string, withheld ...string) ([]string, error) {
	k, err := ParseKey(key)
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", e.Name, err)
	}
	give := map[string]string{varHostedURL: address, varHostedKey: key}
	if k.Type != "" {
		give = map[string]string{varDeployKey: key}
	}
	out := slices.DeleteFunc(slices.Clone(base), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return slices.Contains(selecting, name) || slices.Contains(withheld, name) || name == e.KeyEnv
	})
	files := readSettings(func(string) (string, bool) { return "", false }, e.folders()...)
	for _, name := range selecting {
		if value, ok := give[name]; ok {
			out = append(out, name+"="+value)
		} else if slices.ContainsFunc(files.files, func(f envFile) bool { _, set := f.vars[name]; return set }) {
			out = append(out, name+"=")
		}
	}
	return out, nil
}

// folders are where the env files of the project lie, nearest to the functions
// first.
func (e Env) folders() []string {
	out := []string{e.dir}
	if e.dir == "" {
		out = []string{e.root}
	}
	if e.root != out[0] {
		out = append(out, e.root)
	}
	return out
}

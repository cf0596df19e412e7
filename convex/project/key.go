package project

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ResolveKey fetches the environment's admin or deploy key: from the variable
// KeyEnv (the process, then the env files of the project), from KeyCommand, or
// from the file where the Convex CLI keeps it. A key that belongs to another
// deployment than the environment is refused here, before anything is sent. The
// error says what to set. The key must not be printed, logged or stored.
func (e Env) ResolveKey(ctx context.Context) (string, error) {
	key, err := e.rawKey(ctx)
	if err != nil {
		return "", err
	}
	k, err := ParseKey(key)
	if err != nil {
		return "", fmt.Errorf("environment %s: %w", e.Name, err)
	}
	if _, err := e.Check(k); err != nil {
		return "", err
	}
	return key, nil
}

func (e Env) rawKey(ctx context.Context) (string, error) {
	switch {
	case e.KeyCommand != "":
		return e.keyFromCommand(ctx)
	case e.KeyEnv != "":
		return e.keyFromVariable()
	case e.keyFile != "":
		return e.keyFromConfig()
	case e.onDisk():
		return "", fmt.Errorf("environment %s: there is no deployment %s on this machine\nhint: npx convex dev makes and starts it", e.Name, e.Deployment)
	}
	what := "environment " + e.Name
	if e.Deployment != "" {
		what += " (deployment " + e.Deployment + ")"
	}
	why := ""
	if loggedIn(e.getenv()) {
		why = ": the Convex CLI is logged in with an account, whose token Strait does not use"
	}
	return "", fmt.Errorf("%s has no key%s\nhint: make a deploy key in the dashboard (Settings, Deploy Keys) and set CONVEX_DEPLOY_KEY in .env.local, or name the environment in %s with key_env", what, why, configName)
}

// getenv looks variables up as the project was loaded with.
func (e Env) getenv() lookupEnv {
	if e.lookup == nil {
		return os.LookupEnv
	}
	return e.lookup
}

// settings are the variables among which key_env is looked up: those of the
// project's root, and of the folder where the CLI runs; of env_file alone when
// there is one.
func (e Env) settings() (*settings, error) {
	if e.varFile != "" {
		text, err := os.ReadFile(e.varFile)
		if err != nil {
			return nil, fmt.Errorf("environment %s: %w", e.Name, err)
		}
		return &settings{lookup: e.getenv(), only: true, files: []envFile{{e.varFile, filepath.Base(e.varFile), parseDotenv(string(text))}}}, nil
	}
	if e.root == "" && e.dir == "" {
		return &settings{lookup: e.getenv()}, nil
	}
	return readSettings(e.getenv(), e.folders()...), nil
}

func (e Env) keyFromVariable() (string, error) {
	s, err := e.settings()
	if err != nil {
		return "", err
	}
	v, ok := s.get(e.KeyEnv)
	key := strings.TrimSpace(v.value)
	switch {
	case ok && key != "":
		return key, nil
	case v.where != "":
		return "", fmt.Errorf("environment %s has no key: the variable %s is set to nothing in %s, which hides any other\nhint: unset it there, or set it to a deploy key of this deployment (dashboard: Settings, Deploy Keys)", e.Name, e.KeyEnv, v.where)
	case s.only:
		return "", fmt.Errorf("environment %s has no key: %s does not set %s\nhint: add it there: a deploy key of this deployment (dashboard: Settings, Deploy Keys)", e.Name, s.files[0].shown, e.KeyEnv)
	}
	return "", fmt.Errorf("environment %s has no key: the variable %s is not set\nhint: export %s=… with a deploy key of this deployment (dashboard: Settings, Deploy Keys), or put it into .env.local", e.Name, e.KeyEnv, e.KeyEnv)
}

// keyFromCommand runs key_command in the project's root. Its standard error
// goes into the error; its output, which is the key, never does.
func (e Env) keyFromCommand(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	cmd := exec.CommandContext(ctx, shell, flag, e.KeyCommand)
	cmd.Dir = e.root
	cmd.WaitDelay = time.Second
	var out, why bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &why
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("key_command of environment %s did not end within 30 s\nhint: run it by hand; it must print the key without asking", e.Name)
		}
		return "", fmt.Errorf("key_command of environment %s failed: %w%s\nhint: run it by hand in %s; it must print the key alone", e.Name, err, firstLine(why.String()), cmd.Dir)
	}
	key := strings.TrimSpace(out.String())
	if key == "" {
		return "", fmt.Errorf("key_command of environment %s printed nothing\nhint: run it by hand; it must print the key alone", e.Name)
	}
	if strings.ContainsAny(key, "\r\n") {
		return "", fmt.Errorf("key_command of environment %s printed several lines\nhint: it must print the key alone", e.Name)
	}
	return key, nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		return ""
	}
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return ": " + line
}

// keyFromConfig reads the adminKey of a deployment on this machine.
func (e Env) keyFromConfig() (string, error) {
	text, err := os.ReadFile(e.keyFile)
	if err != nil {
		return "", fmt.Errorf("key of the local deployment %s: %w\nhint: npx convex dev starts it and writes that file", e.Deployment, err)
	}
	var c struct {
		AdminKey string `json:"adminKey"`
	}
	if err := json.Unmarshal(text, &c); err != nil || c.AdminKey == "" {
		return "", fmt.Errorf("key of the local deployment %s: %s has no adminKey\nhint: npx convex dev writes it", e.Deployment, e.keyFile)
	}
	return c.AdminKey, nil
}

package project

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// ResolveKey fetches the environment's admin or deploy key: from the variable
// KeyEnv (the process, then the project's .env.local and .env), from
// KeyCommand, or from the file where the Convex CLI keeps it. The error says
// what to set. The key must not be printed, logged or stored.
func (e Env) ResolveKey(ctx context.Context) (string, error) {
	switch {
	case e.KeyCommand != "":
		return e.keyFromCommand(ctx)
	case e.KeyEnv != "":
		return e.keyFromVariable()
	case e.keyFile != "":
		return e.keyFromConfig()
	}
	what := "environment " + e.Name
	if e.Deployment != "" {
		what += " (deployment " + e.Deployment + ")"
	}
	return "", fmt.Errorf("%s has no key: the Convex CLI is logged in with an account, which Strait does not use\nhint: make a deploy key in the dashboard (Settings, Deploy Keys) and set CONVEX_DEPLOY_KEY in .env.local, or name the environment in %s with key_env", what, configName)
}

func (e Env) keyFromVariable() (string, error) {
	if e.keyFile == "" {
		if key := strings.TrimSpace(os.Getenv(e.KeyEnv)); key != "" {
			return key, nil
		}
	}
	if e.root != "" {
		for _, name := range envFiles {
			text, err := os.ReadFile(filepath.Join(e.root, name))
			if err != nil {
				continue
			}
			if key := parseDotenv(string(text))[e.KeyEnv]; key != "" {
				return key, nil
			}
		}
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

// ResolveURL is URL, or where Convex says that the deploy key's deployment
// lives (convex-wire.md 1.4); a cloud deployment's address must not be made
// up from its name.
func (e Env) ResolveURL(ctx context.Context, key string) (string, error) {
	if e.URL != "" {
		return e.URL, nil
	}
	host := os.Getenv("CONVEX_PROVISION_HOST")
	if host == "" {
		host = "https://api.convex.dev"
	}
	address, err := askURL(ctx, host, key)
	if err != nil {
		return "", fmt.Errorf("address of environment %s: %w\nhint: write its url into %s", e.Name, err, configName)
	}
	return address, nil
}

func askURL(ctx context.Context, host, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]string{"deployKey": key})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(host, "/")+"/api/deployment/url_for_key", bytes.NewReader(body))
	if err != nil {
		return "", errors.New("the provision host is not an address")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answered %s", req.URL.Host, res.Status)
	}
	var address string
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&address); err != nil || !strings.HasPrefix(address, "http") {
		return "", fmt.Errorf("%s gave no address", req.URL.Host)
	}
	return address, nil
}

package project

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"strait/model/value"
)

// ConfigError is one mistake in strait.toml. It never holds a value that
// might be a key.
type ConfigError struct {
	File         string // as given to readConfig
	Line, Column int    // 1-based
	Message      string
	Hint         string
}

func (e *ConfigError) Error() string {
	text := fmt.Sprintf("%s:%d:%d: %s", filepath.Base(e.File), e.Line, e.Column, e.Message)
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return text
}

// readConfig reads the strait.toml at path. The error joins a *ConfigError
// for every mistake, in the order of the file.
func readConfig(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read %s: %w", path, err)
	}
	c, _, err := parseConfig(path, text)
	if err != nil {
		return Config{}, err
	}
	return c, nil
}

// peekFunctions reads the functions folder that a strait.toml names, whatever
// else is in it; "" when it names none.
func peekFunctions(text []byte) string {
	var c struct {
		Functions string `toml:"functions"`
	}
	if toml.Unmarshal(text, &c) != nil {
		return ""
	}
	return c.Functions
}

// parseConfig decodes and checks; places tells where each key stands.
func parseConfig(path string, text []byte) (Config, *places, error) {
	at, mistakes := placesOf(path, text)
	if len(mistakes) > 0 {
		return Config{}, at, joinMistakes(mistakes)
	}
	c := Config{Path: path, FromFile: true}
	dec := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Config{}, at, decodeMistake(path, err)
	}
	mistakes = checkConfig(&c, at)
	if len(mistakes) > 0 {
		return Config{}, at, joinMistakes(mistakes)
	}
	return c, at, nil
}

func joinMistakes(mistakes []*ConfigError) error {
	sort.SliceStable(mistakes, func(i, j int) bool {
		a, b := mistakes[i], mistakes[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = m
	}
	return errors.Join(errs...)
}

// decodeMistake takes the place and the reason out of a decoder's error, not
// its excerpt of the file, which might hold a key.
func decodeMistake(path string, err error) error {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) && len(missing.Errors) > 0 {
		row, column := missing.Errors[0].Position()
		return &ConfigError{File: path, Line: row, Column: column,
			Message: fmt.Sprintf("unknown key %s", strings.Join(missing.Errors[0].Key(), "."))}
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		row, column := wrong.Position()
		return &ConfigError{File: path, Line: row, Column: column, Message: strings.TrimPrefix(wrong.Error(), "toml: ")}
	}
	return &ConfigError{File: path, Line: 1, Column: 1, Message: "not readable as TOML"}
}

var (
	envName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	tableName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	hazardCode   = regexp.MustCompile(`^SW[0-9]{3}$`)
	// A name is opaque to everybody but the deployment, so only what cannot be
	// one is refused.
	deploymentName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	deploymentTypes = map[string]bool{"dev": true, "prod": true, "preview": true, "custom": true, "local": true, "anonymous": true}
	ranEntry        = regexp.MustCompile(`^[^\s@]+(@[1-9][0-9]*)?$`)
)

// checker collects the mistakes of one file.
type checker struct {
	at       *places
	mistakes []*ConfigError
}

func (k *checker) add(path, message, hint string) {
	k.mistakes = append(k.mistakes, k.at.mistake(path, message, hint))
}

// checkConfig finds what types alone do not: names, and keys that exclude or
// need each other.
func checkConfig(c *Config, at *places) []*ConfigError {
	k := &checker{at: at}
	seen := map[string]bool{}
	for i := range c.Envs {
		e, path := &c.Envs[i], fmt.Sprintf("env[%d]", i)
		switch {
		case e.Name == "" && !at.has(path+".name"):
			k.add(path, "this environment has no name", `add name = "dev"`)
		case !envName.MatchString(e.Name):
			k.add(path+".name", fmt.Sprintf("%q is no name for an environment", e.Name),
				"use up to 40 letters, digits, dots, dashes and underscores: people type it to confirm")
		case seen[strings.ToLower(e.Name)]:
			k.add(path+".name", fmt.Sprintf("a second environment called %q", e.Name), "every environment needs a name of its own")
		}
		seen[strings.ToLower(e.Name)] = true
		k.source(e, path)
		if k.at.has(path+".url") || k.at.has(path+".deployment") {
			k.remote(e, path)
		} else {
			k.embedded(e, path)
		}
	}
	k.census(&c.Census)
	for i := range c.Waive {
		k.waiver(&c.Waive[i], fmt.Sprintf("waive[%d]", i), seen)
	}
	return k.mistakes
}

// census checks [census].
func (k *checker) census(c *Census) {
	if c.Rate < 0 {
		k.add("census.rate", "rate is below 0", "write documents a second, or take the line away")
	}
	if c.BudgetDocuments < 0 {
		k.add("census.budget_documents", "budget_documents is below 0", "write a number of documents, or take the line away")
	}
	if least := int64(value.MaxDocumentSize); k.at.has("census.budget_bytes") && c.BudgetBytes < least {
		k.add("census.budget_bytes", fmt.Sprintf("budget_bytes is below %d, the size of one document", least), "write a number of bytes, or take the line away")
	}
	if d, err := time.ParseDuration(c.Fresh); k.at.has("census.fresh") && (err != nil || d <= 0) {
		k.add("census.fresh", fmt.Sprintf("%q is no time for which a certificate holds", c.Fresh), `write it as "24h" or "90m"`)
	}
}

// waiver checks what a waiver needs: a code, and why the hazard is accepted.
// Which codes there are, the plan knows; it tells of a waiver that nothing uses.
func (k *checker) waiver(w *Waiver, path string, envs map[string]bool) {
	switch {
	case w.Code == "" && !k.at.has(path+".code"):
		k.add(path, "this waiver has no code", `add code = "SW101": strait plan shows the code of each hazard`)
	case !hazardCode.MatchString(w.Code):
		k.add(path+".code", fmt.Sprintf("%q is no code of a hazard", w.Code), `write it as strait plan shows it, like "SW101"`)
	}
	if strings.TrimSpace(w.Reason) == "" {
		at := path
		if k.at.has(path + ".reason") {
			at = path + ".reason"
		}
		k.add(at, "this waiver has no reason", `add reason = "why the team accepts it": it is shown with the hazard`)
	}
	if w.Env != "" && len(envs) > 0 && !envs[strings.ToLower(w.Env)] {
		k.add(path+".env", fmt.Sprintf("no environment is called %q", w.Env), "name one of the [[env]], or take the line away to waive it in all")
	}
}

// source checks that exactly one key says where the documents are.
func (k *checker) source(e *Env, path string) {
	var given []string
	real := false
	for _, key := range []string{"url", "deployment", "env_file", "snapshot", "generate"} {
		if !k.at.has(path + "." + key) {
			continue
		}
		isReal := key != "snapshot" && key != "generate"
		if !isReal || !real { // together they tell of one deployment
			given = append(given, key)
		}
		real = real || isReal
	}
	switch len(given) {
	case 0:
		k.add(path, fmt.Sprintf("environment %q does not say where its documents are", e.Name),
			`add one of url = "https://…", deployment = "happy-otter-123", snapshot = "export.zip", generate = { "*" = 100 }`)
	case 1:
		if given[0] != "generate" && e.URL == "" && e.Deployment == "" && e.EnvFile == "" && e.Snapshot == "" {
			k.add(path+"."+given[0], given[0]+" is empty", "write a value or take the key away")
		}
	default:
		sort.Slice(given, func(i, j int) bool {
			return k.at.before(path+"."+given[i], path+"."+given[j])
		})
		k.add(path+"."+given[1], fmt.Sprintf("%s and %s both say where the documents of %q are", given[0], given[1], e.Name),
			"keep one of them; two environments may stand for the two")
	}
}

// remote checks an environment that is a real deployment.
func (k *checker) remote(e *Env, path string) {
	if k.at.has(path+".url") && e.URL != "" {
		k.address(e, path)
	}
	if k.at.has(path+".deployment") && e.Deployment != "" {
		k.deployment(e, path)
	}
	k.key(e, path)
	if k.at.has(path+".deploy") && strings.TrimSpace(e.Deploy) == "" {
		k.add(path+".deploy", "deploy is empty", `write the project's own command, such as deploy = "npx convex deploy", or take the line away`)
	}
	for _, key := range []string{"seed", "documents", "schema", "ran", "overlay"} {
		if k.at.has(path + "." + key) {
			k.add(path+"."+key, fmt.Sprintf("%s is for embedded environments; %q is a real deployment", key, e.Name),
				"a real deployment tells its own schema and documents: take the line away")
		}
	}
}

func (k *checker) address(e *Env, path string) {
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		k.add(path+".url", "url is not an http or https address", `write it like "https://happy-otter-123.convex.cloud"`)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		k.add(path+".url", "url holds more than an address", "a key is never in this file: say key_env, and keep the address alone")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		k.add(path+".url", "url would send the key unencrypted", "use https; http is for this machine only")
	case strings.HasSuffix(u.Hostname(), ".convex.site"):
		k.add(path+".url", "url is the address of HTTP actions", "use the one that ends in .convex.cloud")
	}
}

// deployment reads "prod:happy-otter-123" into its parts.
func (k *checker) deployment(e *Env, path string) {
	kind, name, typed := strings.Cut(e.Deployment, ":")
	if !typed {
		kind, name = "", e.Deployment
	}
	switch {
	case strings.Contains(e.Deployment, "|"):
		k.add(path+".deployment", "deployment is a name, not a key",
			fmt.Sprintf(`write deployment = "happy-otter-123" and key_env = "STRAIT_%s_KEY"; if a key stood here, revoke it in the dashboard`, variableOf(e.Name)))
	case typed && !deploymentTypes[kind]:
		k.add(path+".deployment", fmt.Sprintf("%q is no type of deployment", kind), `write the name alone, or one of dev:, prod:, preview:, custom:, local:, anonymous: before it`)
	case !deploymentName.MatchString(name):
		k.add(path+".deployment", "deployment is not the name of one", `write it as the dashboard shows it, like "happy-otter-123"`)
	default:
		e.Type, e.Deployment = kind, name
	}
}

// key checks that one thing says where the key is; that of a deployment on
// this machine lies beside it.
func (k *checker) key(e *Env, path string) {
	envSet, commandSet := k.at.has(path+".key_env"), k.at.has(path+".key_command")
	switch {
	case envSet && commandSet:
		k.add(path+".key_command", "key_env and key_command both say where the key is", "keep one of them")
	case !envSet && !commandSet && !e.onDisk() && e.EnvFile == "":
		at := path + ".url"
		if !k.at.has(at) {
			at = path + ".deployment"
		}
		k.add(at, fmt.Sprintf("environment %q has no key", e.Name),
			fmt.Sprintf(`add key_env = "STRAIT_%s_KEY" and put the deploy key into that variable`, variableOf(e.Name)))
	}
	if envSet && !variableName.MatchString(e.KeyEnv) {
		k.add(path+".key_env", "key_env is the name of an environment variable, not the key itself",
			fmt.Sprintf(`write key_env = "STRAIT_%s_KEY"; if a key stood here, revoke it in the dashboard`, variableOf(e.Name)))
	}
	if commandSet && strings.TrimSpace(e.KeyCommand) == "" {
		k.add(path+".key_command", "key_command is empty", "write the command that prints the key, or take the line away")
	}
}

// embedded checks an environment that Strait fills and serves itself.
func (k *checker) embedded(e *Env, path string) {
	for _, key := range []string{"key_env", "key_command"} {
		if k.at.has(path + "." + key) {
			k.add(path+"."+key, fmt.Sprintf("%s is for real deployments", key), "an embedded environment makes its own key: take the line away")
		}
	}
	if k.at.has(path + ".deploy") {
		k.add(path+".deploy", "deploy is for real deployments", "Strait deploys to an embedded environment itself: take the line away")
	}
	for _, table := range sortedKeys(e.Generate) {
		at := path + ".generate." + table
		if table != "*" && !tableName.MatchString(table) {
			k.add(at, fmt.Sprintf("%q is no name of a table", table), `name tables as the schema does; "*" stands for all others`)
		}
		if n := e.Generate[table]; n < 0 || n > 10_000_000 {
			k.add(at, fmt.Sprintf("%d documents cannot be generated", n), "give a number from 0 to 10,000,000")
		}
	}
	if k.at.has(path+".documents") && !k.at.has(path+".generate") && !k.at.has(path+".snapshot") {
		k.add(path+".documents", "documents needs generate or snapshot", "it names the schema that their documents follow")
	}
	for i, entry := range e.Ran {
		if !ranEntry.MatchString(entry) {
			k.add(fmt.Sprintf("%s.ran[%d]", path, i), fmt.Sprintf("%q is no migration's name", entry),
				`write "migrations:setPlan", or "migrations:setPlan@3" to stop after three batches`)
		}
	}
}

// variableOf turns an environment's name into a part of a variable's.
func variableOf(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, name)
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.") || strings.HasSuffix(host, ".localhost")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

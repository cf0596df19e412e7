package project

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Proposal is a strait.toml that fits what lies around a project. It holds
// names of variables, never what is in them.
type Proposal struct {
	Path    string   // absolute, of the strait.toml
	Text    string   // reads as a Config
	Exists  bool     // there is one already
	Missing []string // variables that it names and that are not set
	Notes   []string // what was found and could not be used, and why
	Ignored bool     // git ignores .strait, where the journal is kept; true without git
}

// Propose makes a strait.toml of the Convex CLI's variables and files, of
// other env files, and of the deployments on this machine.
func Propose(o Options) (Proposal, error) {
	loc, err := Find(o)
	if err != nil {
		return Proposal{}, err
	}
	p := &proposer{root: loc.Root, dir: cliFolderOf(loc.Root, loc.Functions), lookup: o.Lookup}
	if p.lookup == nil {
		p.lookup = os.LookupEnv
	}
	out := Proposal{Path: filepath.Join(loc.Root, configName), Ignored: ignored(loc.Root)}
	out.Exists = exists(out.Path)
	p.gather()
	out.Text = p.text()
	out.Notes = p.notes
	c, _, err := parseConfig(out.Path, []byte(out.Text))
	if err != nil {
		return Proposal{}, fmt.Errorf("make a %s: internal error: %w", configName, err)
	}
	envs, _ := resolveEnvs(c.Envs, loc.Root, loc.Functions, p.lookup)
	for _, e := range envs {
		s, err := e.settings()
		if err != nil || e.KeyEnv == "" {
			continue
		}
		if _, set := s.get(e.KeyEnv); !set && !slices.Contains(out.Missing, e.KeyEnv) {
			out.Missing = append(out.Missing, e.KeyEnv)
		}
	}
	return out, nil
}

// ignored reports whether git ignores the folder of the journal.
func ignored(root string) bool {
	err := exec.Command("git", "-C", root, "check-ignore", "-q", ".strait/journal.jsonl").Run()
	var exit *exec.ExitError
	return !(errors.As(err, &exit) && exit.ExitCode() == 1)
}

// proposer collects environments, each with the lines that say it.
type proposer struct {
	root, dir string
	lookup    lookupEnv
	envs      []proposed
	notes     []string
}

type proposed struct {
	name  string
	rank  int
	lines []string
	real  bool
}

// ranks are where environments of these names stand in promotion order.
var ranks = []string{"local", "dev", "development", "test", "preview", "custom", "deployment", "self-hosted", "qa", "staging", "stage", "prod", "production", "live"}

func rankOf(name string) int {
	if i := slices.Index(ranks, name); i >= 0 {
		return i
	}
	return slices.Index(ranks, "staging")
}

func (p *proposer) gather() {
	found, problems := findEnvs(p.root, p.dir, p.lookup)
	for _, pr := range problems {
		p.notes = append(p.notes, pr.Message+": "+pr.Hint)
	}
	for _, e := range found {
		if !e.Embedded() {
			p.found(e)
		}
	}
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		name, ok := strings.CutPrefix(entry.Name(), ".env.")
		if ok && !entry.IsDir() && name != "local" && !slices.Contains([]string{"example", "sample", "template", "dist", "defaults"}, name) {
			p.file(entry.Name(), strings.TrimSuffix(name, ".local"))
		}
	}
}

// found takes an environment that the CLI itself would select.
func (p *proposer) found(e Env) {
	lines := []string{"# found by " + e.Found}
	switch {
	case e.onDisk() && e.keyFile != "":
		lines = append(lines, "deployment = "+strconv.Quote(e.Type+":"+e.Deployment))
	case e.KeyEnv != "":
		lines = append(lines, where(e)...)
		lines = append(lines, "key_env = "+strconv.Quote(e.KeyEnv))
	default:
		variable := "STRAIT_" + variableOf(e.Name) + "_KEY"
		lines = append(lines, where(e)...)
		lines = append(lines, "# put a deploy key of it into this variable (dashboard: Settings, Deploy Keys)", "key_env = "+strconv.Quote(variable))
	}
	p.add(e.Name, e.Protected, lines)
}

// where says which deployment it is.
func where(e Env) []string {
	if e.Deployment == "" {
		return []string{"url = " + strconv.Quote(e.URL)}
	}
	name := e.Deployment
	if deploymentTypes[e.Type] {
		name = e.Type + ":" + name
	}
	return []string{"deployment = " + strconv.Quote(name)}
}

// file takes an env file that selects a deployment by itself, as --env-file
// takes it.
func (p *proposer) file(name, env string) {
	e := Env{Name: env, EnvFile: name, root: p.dir, dir: p.dir, lookup: p.lookup}
	if err := e.fromFile(); err != nil {
		if why, _, _ := strings.Cut(err.Error(), "\nhint: "); !strings.Contains(why, "names no deployment") {
			p.notes = append(p.notes, why)
		}
		return
	}
	path, err := filepath.Rel(p.root, filepath.Join(p.dir, name))
	if err != nil {
		path = filepath.Join(p.dir, name)
	}
	lines := []string{"# what npx convex --env-file " + name + " selects", "env_file = " + strconv.Quote(filepath.ToSlash(path))}
	if e.KeyEnv == "" && !e.onDisk() {
		lines = append(lines, "# put a deploy key of "+e.Deployment+" into that file (dashboard: Settings, Deploy Keys)", `key_env = "CONVEX_DEPLOY_KEY"`)
		lines = append(lines, where(e)...)
	}
	p.add(env, e.Protected || e.Type == "prod" || rankOf(env) >= rankOf("prod"), lines)
}

// add takes one environment, under a name that no other has; what our own
// reader refuses becomes a note.
func (p *proposer) add(name string, protected bool, lines []string) {
	if !envName.MatchString(name) {
		name = "deployment"
	}
	base := name
	for i := 2; slices.ContainsFunc(p.envs, func(e proposed) bool { return strings.EqualFold(e.name, name) }); i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	if protected {
		lines = append(lines, "protected = true    # read-only until its name is typed")
	}
	e := proposed{name: name, rank: rankOf(base), lines: lines, real: true}
	if _, _, err := parseConfig(configName, []byte(e.text(""))); err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		_, why, _ = strings.Cut(why, ": ")
		p.notes = append(p.notes, name+" is left out: "+why)
		return
	}
	p.envs = append(p.envs, e)
}

func (e proposed) text(deploy string) string {
	lines := append([]string{"[[env]]", "name = " + strconv.Quote(e.name)}, e.lines...)
	if e.real && deploy != "" {
		lines = append(lines, `# deploy = "`+deploy+`"    # lets strait widen and strait narrow deploy the work tree there`)
	}
	return strings.Join(lines, "\n") + "\n"
}

// runners are how each package manager runs the CLI, by its lock file.
var runners = [][2]string{{"pnpm-lock.yaml", "pnpm convex deploy"}, {"yarn.lock", "yarn convex deploy"}, {"bun.lock", "bunx convex deploy"}, {"bun.lockb", "bunx convex deploy"}}

func (p *proposer) deployCommand() string {
	command := "npx convex deploy"
	for _, r := range runners {
		if exists(filepath.Join(p.dir, r[0])) || exists(filepath.Join(p.root, r[0])) {
			command = r[1]
			break
		}
	}
	if rel, err := filepath.Rel(p.root, p.dir); err == nil && rel != "." {
		command = "cd " + filepath.ToSlash(rel) + " && " + command
	}
	return command
}

func (p *proposer) text() string {
	slices.SortStableFunc(p.envs, func(a, b proposed) int { return a.rank - b.rank })
	var b strings.Builder
	b.WriteString("# The environments of this project, in promotion order: a change goes from the\n# first to the last. Keys are never in this file: key_env names the variable that\n# holds one, key_command the command that prints it.\n")
	if len(p.envs) == 0 {
		p.envs = []proposed{{name: "local", lines: []string{"# a rehearsal in Strait's memory, with generated documents", `generate = { "*" = 100 }`}}}
	}
	for _, e := range p.envs {
		b.WriteString("\n" + e.text(p.deployCommand()))
	}
	if !slices.ContainsFunc(p.envs, func(e proposed) bool { return e.rank >= rankOf("prod") }) {
		b.WriteString("\n# [[env]]\n# name = \"prod\"\n# deployment = \"prod:happy-otter-123\"    # as the dashboard shows it\n# key_env = \"STRAIT_PROD_KEY\"            # a deploy key of it\n# protected = true\n")
	}
	return b.String()
}

package project

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"strait/convex/jsrun"
)

// A component's own functions may define migrations, of its own tables. They
// are called COMPONENT:MODULE:EXPORT, "billing:work:pay": neither a component's
// path nor a module's holds a colon, so no name of the root is like it.

// Function is a migration's path in the component that defines it: "work:pay"
// of "billing:work:pay".
func (m *Migration) Function() string {
	if m.Owner == "" {
		return m.Name
	}
	return strings.TrimPrefix(m.Name, m.Owner+":")
}

// Called reports whether name is a short way to say the migration's: its export
// alone, and of one in a component also "work:pay" and "billing/work:pay". Only
// Name itself is sure to mean one.
func (m *Migration) Called(name string) bool {
	_, export, _ := strings.Cut(m.Function(), ":")
	return name == export || name == m.Name || m.Owner != "" && (name == m.Function() || name == m.Owner+"/"+m.Function())
}

// inside are the migrations that a component's own functions define. What is
// written by hand is looked for in components of the project only: in a
// package, a name says too little.
func (l *loader) inside(c *jsrun.Component, a *jsrun.Analysis, dir string) []Migration {
	var out []Migration
	version := installedVersion(dir, migrationsPackage)
	if version == "unknown" {
		version = ""
	}
	for _, m := range findMigrations(a, l.src) {
		byHand := m.Driver == PagedDriver || m.Driver == OneshotDriver
		if byHand && !l.ofProject(dir) {
			continue
		}
		if m.Component != "" {
			m.Component = c.Path + "/" + m.Component
		}
		if m.Driver == ComponentDriver {
			m.Package = version
		}
		m.Owner, m.Name = c.Path, c.Path+":"+m.Name
		m.Series, m.InSeries = prefixed(c.Path, m.Series), prefixed(c.Path, m.InSeries)
		out = append(out, m)
	}
	return out
}

func prefixed(owner string, names []string) []string {
	out := slices.Clone(names)
	for i := range out {
		out[i] = owner + ":" + out[i]
	}
	return out
}

// ofProject reports whether a folder is the project's own, not a package's.
func (l *loader) ofProject(dir string) bool {
	return filepath.IsAbs(dir) && !strings.Contains(filepath.ToSlash(dir), "/node_modules/")
}

// migrationsPackage is the package whose cursors work inside components from
// pagedInside on (convex-wire.md 13.5).
const (
	migrationsPackage = "@convex-dev/migrations"
	pagedInside       = "0.3.5"
)

// PagesInside reports whether a version of @convex-dev/migrations can read page
// by page inside a component, 0.3.5 or newer: one before asks for the built-in
// pagination, which Convex has in the app alone. "" is the one that Strait has
// built in, or unknown.
func PagesInside(version string) bool { return !before(version, pagedInside) }

// before reports whether version a is older than b; one that cannot be read is
// not.
func before(a, b string) bool {
	x, y := versionParts(a), versionParts(b)
	return x != nil && slices.Compare(x, y) < 0
}

// versionParts are the three numbers of a version; nil when it has others.
func versionParts(v string) (out []int) {
	v, _, _ = strings.Cut(v, "-")
	for part := range strings.SplitSeq(v, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

// checkInside says which migrations of components cannot run as things stand.
func (l *loader) checkInside(keepers []string) {
	told := map[string]bool{}
	for _, m := range l.p.Migrations {
		if m.Owner == "" || m.Driver != ComponentDriver || told[m.Owner] {
			continue
		}
		p := jsrun.Problem{File: m.File, Line: m.Line, Warning: true}
		switch {
		case m.Component != "" && !slices.Contains(keepers, m.Component):
			p.Message = fmt.Sprintf("component %s defines migrations for %s, which is no migrations component: they cannot run", m.Owner, m.Component)
			p.Hint = `in its convex.config, import migrations from "@convex-dev/migrations/convex.config.js" and say component.use(migrations)`
		case m.Component == "" && len(keepers) == 0:
			p.Message = fmt.Sprintf("component %s defines migrations, but no migrations component is in use: they cannot run", m.Owner)
			p.Hint = `in its convex.config, import migrations from "@convex-dev/migrations/convex.config.js" and say component.use(migrations)`
		case m.Component == "":
			p.Message = fmt.Sprintf("component %s is handed the migrations component that keeps its state: Strait looks for it in %s", m.Owner, keepers[0])
		case !PagesInside(m.Package):
			p.Message = fmt.Sprintf("component %s defines migrations with %s %s, whose cursors do not work inside a component", m.Owner, migrationsPackage, m.Package)
			p.Hint = "install " + pagedInside + " or newer, and deploy it"
		default:
			continue
		}
		told[m.Owner] = true
		l.problem(p)
	}
}

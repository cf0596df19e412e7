package fleet

import (
	"slices"
	"strings"

	"strait/convex/wire"
	"strait/model/schema"
)

// A run is known by its migration's name where the project defines it, in the
// component that its Migrations instance was given. What other components keep
// is known by component and name, "billing/migrations/migrations:backfill",
// since the same name may stand in several (convex-wire.md 13.1).

// componentOf is the path of the component that keeps the state of a migration
// that the project defines. f.mu is held.
func (e *env) componentOf(name string) string {
	if m, ok := e.f.migration(name); ok && m.Component != "" && (m.Owner != "" || !e.facts.componentsKnown || e.facts.has(m.Component)) {
		return m.Component
	}
	return e.component
}

// keyOf is what the run of a migration of a component is known by. f.mu is
// held.
func (e *env) keyOf(component, name string) string {
	here := component == e.componentOf(name)
	if _, ofRoot := e.f.migration(name); here && ofRoot {
		return name
	}
	for _, key := range e.f.inside[name] {
		if e.componentOf(key) == component {
			return key
		}
	}
	if here {
		return name
	}
	return component + "/" + name
}

// home is the component that keeps a run, and its name there. f.mu is held.
func (e *env) home(key string) (component, name string) {
	if t := e.runs[key]; t != nil && t.name != "" {
		return t.run.Component, t.name
	}
	_, name = e.function(key)
	return e.componentOf(key), name
}

// homeOf is home for whoever does not hold f.mu.
func (e *env) homeOf(key string) (component, name string) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	return e.home(key)
}

// installed is a migrations component that the environment has.
type installed struct {
	path    string
	id      string
	migrate *schema.Validator // arguments of its lib:migrate; nil cannot be read
	cursors bool              // its cursors are those of 0.3.5 and newer
}

// version is what the component's functions tell of its version
// (convex-wire.md 13.5).
func (c installed) version() string {
	switch m := c.migrate; {
	case m == nil || m.Kind != schema.Object:
		return ""
	case c.cursors:
		return "0.3.5 or newer"
	case m.Field("reset") != nil:
		return "0.3.3 or newer"
	case m.Field("oneBatchOnly") != nil:
		return "0.3.1-0.3.2"
	}
	return "0.3.0 or older"
}

// migrateArgs are those that every lib:migrate takes (13.1).
var migrateArgs = []string{"name", "fnHandle", "dryRun"}

// migrationsComponent recognises the migrations component by its functions,
// whatever it is called.
func migrationsComponent(c wire.ComponentInfo, functions []wire.FunctionSpec) (installed, bool) {
	var migrate, status *wire.FunctionSpec
	for i, f := range functions {
		switch f.Path {
		case "lib:migrate":
			migrate = &functions[i]
		case "lib:getStatus":
			status = &functions[i]
		}
	}
	if migrate == nil || status == nil || migrate.Type != "Mutation" || status.Type != "Query" {
		return installed{}, false
	}
	if args := migrate.Args; args != nil && args.Kind == schema.Object {
		for _, name := range migrateArgs {
			if args.Field(name) == nil {
				return installed{}, false
			}
		}
	}
	return installed{path: c.Path, id: c.ID, migrate: migrate.Args}, true
}

// gotComponents takes the components that the environment has, and those of
// them that keep migrations. f.mu is held.
func (e *env) gotComponents(all []wire.ComponentInfo, found []installed) {
	paths := []string{}
	for _, c := range all {
		if c.Path != "" && c.State != "unmounted" {
			paths = append(paths, c.Path)
		}
	}
	slices.Sort(paths)
	slices.SortFunc(found, func(a, b installed) int { return strings.Compare(a.path, b.path) })
	for i := range found {
		for _, old := range e.facts.installed {
			found[i].cursors = found[i].cursors || old.path == found[i].path && old.cursors
		}
	}
	e.facts.components, e.facts.installed, e.facts.componentsKnown = paths, found, true
	if e.facts.has(e.component) {
		return
	}
	// The app gave it another name than the working tree does.
	var own []string
	for _, c := range found {
		if !strings.Contains(c.path, "/") {
			own = append(own, c.path)
		}
	}
	if len(own) == 1 {
		e.component = own[0]
	}
}

// gotFrom takes the statuses that a component tells.
func (e *env) gotFrom(client *wire.Client, component string, statuses []wire.MigrationStatus, err error) {
	keyed := make([]wire.MigrationStatus, len(statuses))
	e.f.mu.Lock()
	for i, s := range statuses {
		keyed[i] = s
		keyed[i].Name = e.keyOf(component, s.Name)
		for j, next := range s.Next {
			if j == 0 {
				keyed[i].Next = slices.Clone(s.Next)
			}
			keyed[i].Next[j] = e.keyOf(component, next)
		}
		t := e.tracker(keyed[i].Name)
		t.name, t.run.Component = s.Name, component
		if strings.HasPrefix(s.Cursor, "[") {
			e.facts.newCursors(component)
		}
	}
	e.f.mu.Unlock()
	e.gotStatuses(client, keyed, err)
}

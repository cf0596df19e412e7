package fleet

import "strait/convex/wire"

// A run is known by its migration's name where the project defines it, in the
// component that its Migrations instance was given. What other components keep
// is known by component and name, "billing/migrations/migrations:backfill",
// since the same name may stand in several (convex-wire.md 13.1).

// componentOf is the path of the component that keeps the state of a migration
// that the project defines. f.mu is held.
func (e *env) componentOf(name string) string {
	if m, ok := e.f.migration(name); ok && m.Component != "" {
		return m.Component
	}
	return e.component
}

// keyOf is what the run of a migration of a component is known by. f.mu is
// held.
func (e *env) keyOf(component, name string) string {
	if component == e.componentOf(name) {
		return name
	}
	return component + "/" + name
}

// home is the component that keeps a run, and its name there. f.mu is held.
func (e *env) home(key string) (component, name string) {
	if t := e.runs[key]; t != nil && t.name != "" {
		return t.run.Component, t.name
	}
	return e.componentOf(key), key
}

// homeOf is home for whoever does not hold f.mu.
func (e *env) homeOf(key string) (component, name string) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	return e.home(key)
}

// home is the component that keeps a migration of the action's environment,
// and its name there.
func (a *action) home(key string) (component, name string) { return a.e.homeOf(key) }

// gotFrom takes the statuses that a component tells.
func (e *env) gotFrom(client *wire.Client, component string, statuses []wire.MigrationStatus, err error) {
	keyed := make([]wire.MigrationStatus, len(statuses))
	e.f.mu.Lock()
	for i, s := range statuses {
		keyed[i] = s
		keyed[i].Name = e.keyOf(component, s.Name)
		t := e.tracker(keyed[i].Name)
		t.name, t.run.Component = s.Name, component
	}
	e.f.mu.Unlock()
	e.gotStatuses(client, keyed, err)
}

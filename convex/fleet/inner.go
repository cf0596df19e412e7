package fleet

import (
	"context"
	"fmt"
	"strings"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// A component's own functions may define migrations, of its own tables
// (project.Migration.Owner). They are called by their path in the component,
// which an admin may do for internal functions too, and the migrations component
// that keeps their state knows them by that path alone (convex-wire.md 13.4).
// What is known of the root says nothing of them: neither its tables, nor its
// functions, nor a census.

// inner is what is known of the components that define migrations.
type inner struct {
	known     bool
	functions map[string]*schema.Validator // deployed, as "billing:work:pay" -> arguments, nil unknown
	unread    map[string]bool              // components whose functions cannot be read
	sizes     map[string]int64             // documents by "billing:bills"
}

// owners are the components that define migrations. f.mu is held.
func (f *Fleet) owners() map[string]bool {
	if f.project == nil {
		return nil
	}
	var out map[string]bool
	for _, m := range f.project.Migrations {
		if m.Owner != "" {
			if out == nil {
				out = map[string]bool{}
			}
			out[m.Owner] = true
		}
	}
	return out
}

// innerKnown reports whether all that is needed of components that define
// migrations was told. f.mu is held.
func (e *env) innerKnown() bool {
	e.f.migration("") // f.inside is of this project
	return e.inner.known || len(e.f.inside) == 0
}

// gotInner takes the functions of the components that define migrations, nil
// where they could not be read; rows nil: the components cannot be listed. f.mu
// is held.
func (e *env) gotInner(rows []wire.ComponentInfo, specs [][]wire.FunctionSpec) {
	x := inner{known: true, functions: map[string]*schema.Validator{}, unread: map[string]bool{}, sizes: e.inner.sizes}
	if rows == nil {
		x.unread = e.f.owners()
	}
	for i, c := range rows {
		if c.State == "unmounted" {
			continue
		}
		if specs[i] == nil {
			x.unread[c.Path] = true
			continue
		}
		for _, f := range specs[i] {
			x.functions[c.Path+":"+f.Path] = f.Args
		}
	}
	e.inner = x
}

// deployed reports whether a migration's function is there, as far as is
// known: where functions cannot be read, the call itself tells. f.mu is held.
func (e *env) deployed(name string) bool {
	m, ok := e.f.migration(name)
	if !ok || m.Owner == "" {
		return e.functions[name]
	}
	_, there := e.inner.functions[name]
	return there || e.inner.unread[m.Owner]
}

// arguments are those of a deployed migration; nil unknown. f.mu is held.
func (e *env) arguments(name string) *schema.Validator {
	if m, ok := e.f.migration(name); ok && m.Owner != "" {
		if args := e.inner.functions[name]; args != nil && args.Kind == schema.Object {
			return args
		}
		return nil
	}
	return e.argsOf[name]
}

// stored is how many documents a migration's table holds. f.mu is held.
func (e *env) stored(m project.Migration) (n int64, known bool) {
	switch {
	case m.Table == "":
	case m.Owner == "":
		n, known = e.tables[m.Table]
		known = known && e.tablesKnown
	default:
		n, known = e.inner.sizes[tableKey(m)]
	}
	return n, known
}

// tableKey names a migration's table: "bills" of the root, "billing:bills" of a
// component.
func tableKey(m project.Migration) string {
	if m.Owner == "" {
		return m.Table
	}
	return m.Owner + ":" + m.Table
}

// innerTables are the tables of components that migrations work on, as tableKey
// names them. f.mu is held.
func (e *env) innerTables() map[string]bool {
	out := map[string]bool{}
	for _, m := range e.f.project.Migrations {
		if m.Owner != "" && m.Table != "" && !e.inner.unread[m.Owner] {
			out[tableKey(m)] = true
		}
	}
	return out
}

// gotInnerSize takes the number of documents of a component's table.
func (e *env) gotInnerSize(key string, n int64, err error) {
	e.change(func() {
		if err != nil {
			delete(e.inner.sizes, key) // its migrations have no total
			return
		}
		old := e.inner.sizes[key]
		if e.inner.sizes == nil {
			e.inner.sizes = map[string]int64{}
		}
		e.inner.sizes[key] = n
		e.peak(key, max(old, n))
	})
}

// peak notes how many documents a table holds while migrations of it run. f.mu
// is held.
func (e *env) peak(key string, n int64) {
	for name, t := range e.runs {
		if m, ok := e.f.migration(name); ok && t.run.active() && tableKey(m) == key {
			t.peak = max(t.peak, n)
		}
	}
}

// inRoot reports whether a run writes documents of the root. f.mu is held.
func (e *env) inRoot(key string) bool {
	if m, ok := e.f.migration(key); ok {
		return m.Owner == ""
	}
	t := e.runs[key]
	return t == nil || !strings.Contains(t.run.Component, "/")
}

// wroteBy notes that a run changed documents. f.mu is held.
func (e *env) wroteBy(key string) {
	if e.inRoot(key) {
		e.wrote("")
	}
}

// functionOf is where a migration's own function is, and its path there. f.mu
// is not held.
func (e *env) functionOf(key string) (component, path string) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	return e.function(key)
}

// function is functionOf for whoever holds f.mu. What the project does not
// define is taken for the parent's of the component that keeps it.
func (e *env) function(key string) (component, path string) {
	if m, ok := e.f.migration(key); ok {
		return m.Owner, m.Function()
	}
	if t := e.runs[key]; t != nil && t.name != "" {
		if i := strings.LastIndexByte(t.run.Component, '/'); i > 0 {
			return t.run.Component[:i], t.name
		}
		return "", t.name
	}
	return "", key
}

// called is a call of a migration's own function.
func (a *action) called() wire.Call {
	return wire.Call{Component: a.migration.Owner, Path: a.migration.Function()}
}

// ownerID is the id of a component that defines migrations; "" of the root.
func ownerID(ctx context.Context, client *wire.Client, owner string) (string, error) {
	if owner == "" {
		return "", nil
	}
	id, found, err := componentID(ctx, client, owner)
	switch {
	case err != nil:
		return "", fmt.Errorf("look up component %q: %w", owner, err)
	case !found:
		return "", fmt.Errorf("component %q: %w: deploy the code that uses it", owner, wire.ErrMissing)
	}
	return id, nil
}

// tooOldInside refuses a migration of a component whose package cannot page
// there (convex-wire.md 13.5). f.mu is held.
func (e *env) tooOldInside(m project.Migration) (why string) {
	if m.Owner == "" || m.Driver != project.ComponentDriver || m.Runner && len(m.Series) == 0 {
		return ""
	}
	keeper := e.componentOf(m.Name)
	for _, c := range e.facts.installed {
		if c.path != keeper {
			continue
		}
		if c.cursors {
			return "" // it does page there
		}
		if v := c.version(); v == "0.3.0 or older" || v == "0.3.1-0.3.2" {
			return fmt.Sprintf("the @convex-dev/migrations deployed in component %s of %s is %s, whose cursors do not work inside a component", c.path, e.cfg.Name, v)
		}
	}
	if !project.PagesInside(m.Package) {
		return fmt.Sprintf("component %s uses @convex-dev/migrations %s, whose cursors do not work inside a component", m.Owner, m.Package)
	}
	return ""
}

// documents reads documents of the component that defines the migration.
func (a *action) documents(ctx context.Context, ids []string) ([]value.Object, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	id, err := ownerID(ctx, a.client, a.migration.Owner)
	if err != nil {
		return nil, err
	}
	return a.client.Documents(ctx, id, ids)
}

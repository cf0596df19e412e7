package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// This file looks at what is deployed there.

// live proves that the WebSocket works, which some proxies do not let through.
func (x *examination) live(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, liveWithin)
	defer cancel()
	stop := x.client.OnState(func(s wire.ConnectionState) {
		if s.Retries > liveAttempts || s.Final {
			cancel() // it will not come by waiting longer
		}
	})
	defer stop()
	began := time.Now()
	if _, err := x.client.Once(ctx, wire.Call{Path: "_system/cli/modules:apiSpec"}); err != nil {
		var f *wire.FunctionError
		if !errors.As(err, &f) { // a function that fails has come through
			x.failed("live", Trouble, fmt.Errorf("no live connection: %w", err), "live queries need a WebSocket: does a proxy or a firewall stop it?")
			return
		}
	}
	x.fine("live", "the WebSocket works, first answer in %s", max(time.Since(began).Round(time.Millisecond), time.Millisecond))
}

func (x *examination) schema(ctx context.Context) {
	s, err := x.client.Schemas(ctx, "")
	switch {
	case err != nil:
		x.failed("schema", Trouble, err, "")
		return
	case s.Active == nil:
		x.add("schema", Doubt, "none is active: nothing was pushed yet, so everything is accepted", "npx convex deploy pushes the project")
	case !s.Active.Validation:
		x.add("schema", Doubt, fmt.Sprintf("%s, and schemaValidation is off: no document is checked", tablesOf(s.Active)), "")
	default:
		fit := "differs from the target"
		if sameSchema(s.Active, x.p.Schema) {
			fit = "is the target"
		}
		x.fine("schema", "active, %s, %s", tablesOf(s.Active), fit)
	}
	if s.InProgress != nil {
		x.add("schema", Doubt, "another one is being validated: a push is under way, or was given up", "")
	}
}

func tablesOf(s *schema.Schema) string {
	if len(s.Tables) == 1 {
		return "1 table"
	}
	return fmt.Sprintf("%d tables", len(s.Tables))
}

// components lists them, with the versions of those that run migrations.
func (x *examination) components(ctx context.Context) {
	all, err := x.client.Components(ctx)
	if err != nil {
		x.failed("components", Doubt, err, "")
		return
	}
	var names []string
	migrations := map[string]string{}
	for _, c := range all {
		if c.Path == "" {
			continue
		}
		names = append(names, c.Path)
		spec, err := x.client.APISpec(ctx, c.ID)
		if found, ok := migrationsComponent(c, spec); err == nil && ok && c.State != "unmounted" {
			migrations[c.Path] = cmp.Or(found.version(), "unknown")
		}
	}
	slices.Sort(names)
	if len(names) > 0 {
		x.fine("components", "%s", strings.Join(names, ", "))
	} else {
		x.fine("components", "none")
	}
	for _, path := range x.wanted() {
		version, ok := migrations[path]
		switch {
		case !ok:
			x.add("migrations", Trouble, "the project's migrations run by the component "+path+", which is not deployed there", "add it to convex.config.ts and deploy, or name another with component in strait.toml")
		case version == "0.3.0 or older":
			x.add("migrations", Doubt, fmt.Sprintf("component %s, version %s: no supervised runs and no reset", path, version), "a newer @convex-dev/migrations has both")
		default:
			x.fine("migrations", "component %s, version %s", path, version)
		}
	}
}

// wanted are the components that the project's migrations run by.
func (x *examination) wanted() []string {
	var out []string
	for _, m := range x.p.Migrations {
		if m.Driver != project.ComponentDriver || m.Runner {
			continue
		}
		path := cmp.Or(m.Component, x.e.Component, "migrations")
		if !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

// functions compares what is deployed with the project's migrations.
func (x *examination) functions(ctx context.Context) {
	spec, err := x.client.APISpec(ctx, "")
	if err != nil {
		x.failed("functions", Doubt, err, "")
		return
	}
	specs := map[string][]wire.FunctionSpec{"": spec}
	var missing []string
	for _, m := range x.p.Migrations {
		functions, read := specs[m.Owner]
		if !read {
			if functions, err = x.functionsOf(ctx, m.Owner); err != nil {
				x.failed("functions", Doubt, fmt.Errorf("component %s: %w", m.Owner, err), "")
				return
			}
			specs[m.Owner] = functions
		}
		if !slices.ContainsFunc(functions, func(f wire.FunctionSpec) bool { return f.Path == m.Function() }) {
			missing = append(missing, m.Name)
		}
	}
	deployed := 0
	for _, functions := range specs {
		deployed += len(functions)
	}
	if len(missing) == 0 {
		x.fine("functions", "%d deployed, with all %d migrations of the project", deployed, len(x.p.Migrations))
		return
	}
	shown := missing
	if len(shown) > 5 {
		shown = append(slices.Clone(shown[:5]), fmt.Sprintf("and %d more", len(missing)-5))
	}
	x.add("functions", Doubt, fmt.Sprintf("%d deployed; of the project's migrations these are not: %s", deployed, strings.Join(shown, ", ")), "deploy the code that holds them")
}

// functionsOf are the functions of the component at a path; none where there is
// no such component.
func (x *examination) functionsOf(ctx context.Context, path string) ([]wire.FunctionSpec, error) {
	id, found, err := componentID(ctx, x.client, path)
	if err != nil || !found {
		return nil, err
	}
	return x.client.APISpec(ctx, id)
}

// pushes tells when code was pushed last, and whether the deployment runs.
func (x *examination) pushes(ctx context.Context) {
	r, err := x.client.Query(ctx, wire.Call{Path: "_system/frontend/deploymentEvents:lastPushEvent"})
	o, _ := r.Value.(value.Object)
	at, told := get(o, "_creationTime").(float64)
	switch {
	case err != nil: // an older backend, or a key that may not see it
		x.fine("push", "it does not tell when code was pushed last")
	case !told:
		x.fine("push", "none on record")
	default:
		x.fine("push", "last %s", time.UnixMilli(int64(at)).UTC().Format("2006-01-02 15:04 MST"))
	}
	r, err = x.client.Query(ctx, wire.Call{Path: "_system/frontend/deploymentState:deploymentState"})
	o, _ = r.Value.(value.Object)
	if state, ok := textOf(o, "state"); err == nil && ok && state != "running" {
		x.add("running", Trouble, "the deployment is "+wire.CleanText(state)+": no function runs there", "start it on the dashboard")
	}
}

// logs proves that the function log may be followed.
func (x *examination) logs(ctx context.Context) {
	if !x.access.Allows("ViewLogs") {
		return // said with what the key may do
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, logsWithin)
	defer cancel()
	_, err := x.client.Logs(ctx, 0)
	switch {
	case err == nil, ctx.Err() != nil && outer.Err() == nil:
		x.fine("logs", "the function log can be followed")
	default:
		x.failed("logs", Doubt, err, "without it, usage of batches and console lines are not shown")
	}
}

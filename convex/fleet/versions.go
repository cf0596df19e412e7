package fleet

import (
	"context"
	"fmt"
	"time"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// canStep refuses a component that keeps the migration and cannot run one batch
// at a time, as far as the arguments of its lib:migrate tell (convex-wire.md
// 13.5). What cannot be read is not known, and then the component itself refuses.
func (a *action) canStep() error {
	component, _ := a.e.homeOf(a.members()[0])
	ctx, cancel := context.WithTimeout(a.ctx, 30*time.Second)
	defer cancel()
	id, found, err := componentID(ctx, a.client, component)
	switch {
	case err != nil:
		return nil
	case !found:
		return fmt.Errorf("%s has no component %q: is @convex-dev/migrations deployed there, under that name?", a.c.Env, component)
	}
	functions, err := a.client.APISpec(ctx, id)
	if err != nil {
		return nil
	}
	for _, f := range functions {
		if f.Path != "lib:migrate" {
			continue
		}
		if without(f.Args, "oneBatchOnly") {
			return a.tooOld("run one batch at a time", "0.3.1", "start it without supervision")
		}
		return nil
	}
	return fmt.Errorf("the component %q of %s has no function lib:migrate: it is not @convex-dev/migrations", component, a.c.Env)
}

// lacks reports whether the component that keeps a migration is known not to
// take an argument. f.mu is held.
func (e *env) lacks(name, arg string) bool {
	path, _ := e.home(name)
	for _, c := range e.facts.installed {
		if c.path == path {
			return without(c.migrate, arg)
		}
	}
	return false
}

// without reports whether arguments are known not to hold one.
func without(args *schema.Validator, name string) bool {
	return args != nil && args.Kind == schema.Object && args.Field(name) == nil
}

// componentID is the id of the component at a path.
func componentID(ctx context.Context, client *wire.Client, path string) (id string, found bool, err error) {
	all, err := client.Components(ctx)
	if err != nil {
		return "", false, err
	}
	for _, c := range all {
		if c.Path == path && (c.State == "" || c.State == "active") {
			return c.ID, true, nil
		}
	}
	return "", false, nil
}

// tooOld refuses what the deployed component cannot.
func (a *action) tooOld(what, since, instead string) error {
	return fmt.Errorf("the @convex-dev/migrations deployed in %s is older than %s and cannot %s: nothing was sent; %s, or deploy a newer one", a.c.Env, since, what, instead)
}

// startCall is the call that starts the migration in its environment's version
// of the component (13.4, 13.5): the migration itself from 0.3.4 on, before
// that a general runner of the project, and where there is none the component's
// own lib:migrate with the handle of the migration.
func (a *action) startCall() (wire.Call, error) {
	a.f.mu.Lock()
	direct := a.migration.Runner || !a.e.indirect(a.c.Migration)
	runner := a.e.generalRunner(a.migration.Owner)
	reset := a.e.takes(a.c.Migration, "reset")
	a.f.mu.Unlock()
	call, args := a.called(), value.Object{}
	if a.c.BatchSize > 0 {
		args = args.With("batchSize", float64(a.c.BatchSize))
	}
	switch {
	case direct && a.c.Reset && !reset:
		return wire.Call{}, a.tooOld("reset a series", "0.3.3", "reset its members one by one")
	case direct && a.c.Reset:
		call.Args = args.With("reset", true)
		return call, nil
	case direct:
		call.Args = a.beginning(args)
		return call, nil
	case runner != "":
		return wire.Call{Component: call.Component, Path: runner, Args: a.beginning(args).With("fn", call.Path)}, nil
	}
	handle, err := a.handle(a.ctx, a.c.Migration)
	if err != nil {
		return wire.Call{}, fmt.Errorf("the @convex-dev/migrations deployed in %s is older than 0.3.4: it starts migrations through a runner, and the project has no general one (`export const run = migrations.runner()`), or by a handle: %w", a.c.Env, err)
	}
	component, name := a.e.homeOf(a.c.Migration)
	args = a.beginning(args).With("name", name).With("fnHandle", handle).With("dryRun", false)
	return wire.Call{Component: component, Path: "lib:migrate", Args: args}, nil
}

// indirect reports whether the deployed migration cannot be called to start
// itself: its arguments are those of an older component. f.mu is held.
func (e *env) indirect(name string) bool {
	return e.arguments(name) != nil && !(e.takes(name, "oneBatchOnly") && e.takes(name, "reset"))
}

// takes reports whether a deployed function takes an argument, as far as that
// is known. f.mu is held.
func (e *env) takes(name, arg string) bool {
	v := e.arguments(name)
	return v == nil || v.Field(arg) != nil
}

// generalRunner is a deployed runner of any migration of a component, as its
// path there. f.mu is held.
func (e *env) generalRunner(owner string) string {
	for _, m := range e.f.project.Migrations {
		if m.Owner == owner && m.Runner && len(m.Series) == 0 && e.deployed(m.Name) {
			return m.Function()
		}
	}
	return ""
}

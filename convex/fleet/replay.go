package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"strait/convex/local"
	"strait/convex/project"
	"strait/model/value"
)

// replay runs the migrations that `ran` names, in order, before the
// environment opens. One that fails stays failed, as it would in a real
// deployment: it is part of what the environment shows.
func (b *builder) replay(ctx context.Context, d *local.Deployment) error {
	steps, err := b.steps()
	if err != nil {
		return err
	}
	for i, s := range steps {
		b.at(fmt.Sprintf("running %s (%d of %d)", s.migration.Name, i+1, len(steps)))
		switch {
		case s.migration.Driver == project.ComponentDriver && s.batches > 0:
			err = b.someBatches(ctx, d, s)
		case s.migration.Driver == project.ComponentDriver || s.migration.Runner:
			err = b.wholeRun(ctx, d, s.migration)
		default:
			err = b.driven(ctx, d, s)
		}
		if err != nil {
			return fmt.Errorf("ran %s: %w", s.migration.Name, err)
		}
	}
	return nil
}

// call runs a function of the deployment as its owner.
func (b *builder) call(ctx context.Context, d *local.Deployment, component, path string, args value.Object) (value.Value, error) {
	res := d.Run(ctx, local.Request{Component: component, Path: path, Args: string(value.Append(nil, args)), Admin: true, Caller: "HttpApi"})
	if res.Err != nil {
		return nil, errors.New(firstLine(res.Err.Message))
	}
	return value.Decode(json.RawMessage(res.Value))
}

// keeper is the component that keeps a migration's state.
func (b *builder) keeper(m project.Migration) string {
	if m.Owner != "" && m.Component != "" {
		return m.Component
	}
	return cmp.Or(b.cfg.Component, "migrations")
}

// someBatches runs exactly so many batches and leaves the migration canceled.
// A start runs one batch and schedules the next; with the scheduler at rest
// the cancel always comes first, so every round is one batch.
func (b *builder) someBatches(ctx context.Context, d *local.Deployment, s step) error {
	d.Hold(true)
	defer d.Hold(false)
	m := s.migration
	for range s.batches {
		if _, err := b.call(ctx, d, m.Owner, m.Function(), nil); err != nil {
			return err
		}
		if _, err := b.call(ctx, d, b.keeper(m), "lib:cancel", value.NewObject(value.Field{Name: "name", Value: m.Function()})); err != nil {
			return err
		}
	}
	return nil
}

// wholeRun starts a migration or a series and waits until it stands still.
func (b *builder) wholeRun(ctx context.Context, d *local.Deployment, m project.Migration) error {
	if _, err := b.call(ctx, d, m.Owner, m.Function(), nil); err != nil {
		return err
	}
	for {
		view := d.View()
		if len(view.Jobs(b.keeper(m))) == 0 {
			return nil
		}
		if _, err := d.Wait(ctx, view.Timestamp()); err != nil {
			return err
		}
	}
}

// driven runs a hand-written migration page by page.
func (b *builder) driven(ctx context.Context, d *local.Deployment, s step) error {
	l := newLoop(s.migration, b.argsOf(s.migration), 0)
	for n := 0; !l.done && (s.batches == 0 || n < s.batches); n++ {
		v, err := b.call(ctx, d, s.migration.Owner, s.migration.Function(), l.args())
		if err != nil {
			return nil // it stays unfinished, as it would there
		}
		if err := l.take(v); err != nil {
			return err
		}
	}
	return nil
}

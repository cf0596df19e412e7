package fleet

import (
	"context"
	"encoding/json"
	"fmt"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// drive finds out how the migration is driven there, and makes the same on the
// copy one batch at a time.
func (c *course) drive(ctx context.Context) (batcher, error) {
	app := c.r.p.App.Component(c.m.Owner)
	if app == nil {
		return nil, fmt.Errorf("the work tree has no component %q", c.m.Owner)
	}
	fn, ok := app.Function(c.m.Function())
	if !ok {
		return nil, fmt.Errorf("the work tree's code has no function %s", c.m.Function())
	}
	switch c.m.Driver {
	case project.ComponentDriver:
		keeper := c.r.keeper(c.m.Component, c.m.Owner)
		component := c.r.p.App.Component(keeper)
		if component == nil {
			return nil, fmt.Errorf("the work tree has no component %q, which would run it", keeper)
		}
		lib, ok := component.Function("lib:migrate")
		if !ok {
			return nil, fmt.Errorf("the component %q has no function lib:migrate: it is not @convex-dev/migrations", keeper)
		}
		if without(lib.Args, "oneBatchOnly") {
			c.run.Notes = append(c.run.Notes, "its @convex-dev/migrations is older than 0.3.1: the batches were made without the component's own bookkeeping, a document or two each")
			return &bareBatches{c: c, spec: fn.Args}, nil
		}
		handle, err := c.handle(ctx)
		if err != nil {
			return nil, err
		}
		return &componentBatches{c: c, keeper: keeper, handle: handle}, nil
	case project.HelpersDriver:
		args := value.NewObject(value.Field{Name: "fn", Value: c.m.Function()}, value.Field{Name: "cursor", Value: nil})
		return &scheduledBatches{c: c, args: args, size: "batchSize"}, nil
	}
	if fn.Type == "action" {
		c.run.Notes = append(c.run.Notes, "it is an action: no limit of a transaction holds for it as a whole, and what its mutations use is not counted here")
	}
	var spec *schema.Validator
	if fn.Args != nil && fn.Args.Kind == schema.Object {
		spec = fn.Args
	}
	l := newLoop(c.m, spec, 0)
	if c.m.Continues {
		return &scheduledBatches{c: c, args: l.args(), size: c.m.SizeArg}, nil
	}
	return &pagedBatches{c: c, loop: l}, nil
}

// handle is the handle by which the component calls the migration.
func (c *course) handle(ctx context.Context) (string, error) {
	id, err := ownerID(ctx, c.r.client, c.m.Owner)
	if err != nil {
		return "", err
	}
	return c.r.client.FunctionHandle(ctx, id, c.m.Function())
}

// componentBatches are those of @convex-dev/migrations: each is the very
// transaction that runs there, but that it schedules no next one.
type componentBatches struct {
	c              *course
	keeper, handle string
	last           wire.MigrationStatus
	begun          bool
}

func (x *componentBatches) sized() bool         { return true }
func (x *componentBatches) end(context.Context) {}

// ahead reads the component's cursor, which in a range by creation time holds
// that time and the id of the last document.
func (x *componentBatches) ahead() string {
	if x.c.m.CustomRange {
		return ""
	}
	var key []any
	if x.begun && (json.Unmarshal([]byte(x.last.Cursor), &key) != nil || len(key) != 2) {
		return ""
	}
	for doc, err := range documentsOf(x.c.r.d.View(), x.c.m.Owner, x.c.m.Table) {
		if err != nil {
			return ""
		}
		id, _ := textOf(doc, "_id")
		created, _ := get(doc, "_creationTime").(float64)
		if !x.begun {
			return id
		}
		time, _ := key[0].(float64)
		last, _ := key[1].(string)
		if created > time || created == time && id > last {
			return id
		}
	}
	return ""
}

func (x *componentBatches) next(ctx context.Context, size int) batch {
	args := value.NewObject(
		value.Field{Name: "name", Value: x.c.m.Function()}, value.Field{Name: "fnHandle", Value: x.handle},
		value.Field{Name: "dryRun", Value: false}, value.Field{Name: "oneBatchOnly", Value: true})
	if size > 0 {
		args = args.With("batchSize", float64(size))
	}
	if !x.begun {
		args = args.With("cursor", nil)
	}
	v, b := x.c.call(ctx, x.keeper, "lib:migrate", args)
	if b.failed != "" {
		return b
	}
	status, err := wire.ReadMigrationStatus(v)
	switch {
	case err != nil:
		b.failed = err.Error()
	case status.State == "failed":
		b.failed = status.Error
		if b.failed == "" {
			b.failed = "the batch failed and left no text"
		}
	case x.begun && !status.IsDone && status.Cursor == x.last.Cursor:
		b.failed = errStuck.Error()
	default:
		b.documents, b.done = status.Processed-x.last.Processed, status.IsDone
		if !b.done {
			b.load[len(b.load)-1]++ // there it schedules the next one
			b.next = true
		}
		x.last, x.begun = status, true
	}
	return b
}

// bareBatches call the migration as an older component does.
type bareBatches struct {
	c      *course
	spec   *schema.Validator
	cursor value.Value
}

func (x *bareBatches) sized() bool         { return true }
func (x *bareBatches) ahead() string       { return "" }
func (x *bareBatches) end(context.Context) {}

func (x *bareBatches) next(ctx context.Context, size int) batch {
	args := value.NewObject(value.Field{Name: "cursor", Value: x.cursor}, value.Field{Name: "dryRun", Value: false})
	if size > 0 {
		args = args.With("batchSize", float64(size))
	}
	if !without(x.spec, "oneBatchOnly") {
		args = args.With("oneBatchOnly", true)
	}
	v, b := x.c.call(ctx, x.c.m.Owner, x.c.m.Function(), args)
	if b.failed != "" {
		return b
	}
	o, _ := v.(value.Object)
	next, named := o.Get("continueCursor")
	b.done, _ = get(o, "isDone").(bool)
	b.documents = max(0, number(get(o, "processed")))
	switch {
	case !named:
		b.failed = "its answer names no further cursor"
	case !b.done && value.Equal(next, x.cursor):
		b.failed = errStuck.Error()
	default:
		x.cursor = next
	}
	return b
}

// pagedBatches are the pages of a hand-written migration, or its only call.
type pagedBatches struct {
	c    *course
	loop *loop
}

func (x *pagedBatches) sized() bool {
	return x.loop.m.Driver == project.PagedDriver && (x.loop.m.SizeArg != "" || x.loop.m.CursorArg == "paginationOpts")
}

func (x *pagedBatches) ahead() string { return "" }

func (x *pagedBatches) end(context.Context) {
	if x.loop.note != "" {
		x.c.run.Notes = append(x.c.run.Notes, x.loop.note)
	}
}

func (x *pagedBatches) next(ctx context.Context, size int) batch {
	x.loop.size = size
	v, b := x.c.call(ctx, x.c.m.Owner, x.c.m.Function(), x.loop.args())
	if b.failed != "" {
		return b
	}
	if err := x.loop.take(v); err != nil {
		b.failed = err.Error()
		return b
	}
	b.documents, b.done = max(0, handled(v)), x.loop.done
	return b
}

// scheduledBatches are those of a migration that schedules its own next batch:
// the job that it scheduled is taken out of the queue and made here.
type scheduledBatches struct {
	c         *course
	args      value.Object // of the next one
	size      string       // name of the argument; "" it takes none
	processed int64        // as its row told last
	reset     bool
}

func (x *scheduledBatches) sized() bool   { return x.size != "" }
func (x *scheduledBatches) ahead() string { return "" }

func (x *scheduledBatches) next(ctx context.Context, size int) batch {
	args := x.args
	if size > 0 && x.size != "" {
		args = args.With(x.size, float64(size))
	} else if x.size != "" && x.reset {
		args = args.Without(x.size)
	}
	v, b := x.c.call(ctx, x.c.m.Owner, x.c.m.Function(), args)
	if b.failed != "" {
		return b
	}
	x.reset = size > 0
	n := max(0, handled(v))
	if state, ok := v.(value.Object); ok && x.c.m.Driver == project.HelpersDriver {
		n = max(0, number(get(state, "processed")))
		if _, kept := textOf(state, "_id"); kept { // it counts from the beginning
			n, x.processed = max(0, n-x.processed), n
		}
	}
	b.documents = n
	jobs, err := x.take(ctx)
	switch {
	case err != nil:
		b.failed = err.Error()
	case len(jobs) == 0:
		b.done = true
	case value.Equal(jobs[0], args) && n == 0:
		b.failed = errStuck.Error()
	default:
		x.args, b.next = jobs[0], true
	}
	return b
}

// take cancels the jobs of the migration that wait, and gives their arguments.
func (x *scheduledBatches) take(ctx context.Context) ([]value.Object, error) {
	var out []value.Object
	for _, j := range x.c.r.d.View().Jobs(x.c.m.Owner) {
		if j.Path != x.c.m.Function() {
			continue
		}
		v, err := value.Decode(json.RawMessage(j.Args))
		if err != nil {
			return nil, err
		}
		list, _ := v.(value.Array)
		args := value.Object{}
		if len(list) > 0 {
			args, _ = list[0].(value.Object)
		}
		if err := x.c.r.d.CancelJob(x.c.m.Owner, j.ID); err != nil {
			return nil, err
		}
		out = append(out, args)
	}
	return out, ctx.Err()
}

func (x *scheduledBatches) end(ctx context.Context) { _, _ = x.take(ctx) } // what is left is dropped with the copy

// limitsOf are Convex's, in the order of plan.LimitNames.
func limitsOf(l local.Limits) plan.Load {
	return plan.Load{int64(l.DocumentsRead), int64(l.BytesRead), int64(l.IndexRanges), int64(l.DocumentsWritten), int64(l.BytesWritten), int64(l.FunctionsScheduled)}
}

package fleet

import (
	"errors"
	"fmt"

	"strait/convex/local"
	"strait/plan"
)

// deploy pushes a schema to an embedded deployment.
func (a *action) deploy() error {
	defer a.f.change(func() { a.e.deploying = false })
	if a.embed == nil {
		return errors.New("only an embedded deployment takes a schema from Strait")
	}
	err := a.embed.PushSchema(a.ctx, a.schema)
	var push *local.PushError
	if errors.As(err, &push) {
		// The whole document stands in Convex's text; its first line names
		// the reason.
		return fmt.Errorf("the schema is refused by Convex: %s", firstLine(push.Message))
	}
	if err != nil {
		return err
	}
	what := "the widened schema"
	if a.c.Action == plan.ActNarrow {
		what = "the target schema"
	}
	a.f.change(func() { a.f.say("info", a.c.Env, what+" is deployed") })
	// The action is over when the watcher has seen it, so that whoever waits
	// for it finds the new plan.
	hash := a.schema.Hash()
	return a.f.wait(a.ctx, func() bool { return a.e.hash == hash || a.e.client != a.client })
}

package ui

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"strait/convex/fleet"
	"strait/convex/project"
)

// screen shows the project at dir; shown is the --project of the commands that
// the screen offers, "" when the working folder finds it.
func (c *cli) screen(dir, shown string) error {
	if err := needsTerminal(); err != nil {
		return err
	}
	if _, err := project.Find(project.Options{Dir: dir}); err != nil {
		return hint(err, "strait demo shows a demo project")
	}
	if shown != "" {
		if abs, err := filepath.Abs(shown); err == nil {
			shown = abs
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	start := make(chan struct{})
	f := fleet.Open(ctx, fleet.Options{Load: func(ctx context.Context) (*project.Project, error) {
		select {
		case <-start:
			return project.Load(ctx, project.Options{Dir: dir})
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}})
	err := runScreen(deps{
		ctx: ctx, engine: f, begin: sync.OnceFunc(func() { close(start) }), now: time.Now, verb: "strait", dir: shown,
		ascii: c.ascii || needsASCII(), dark: startDark(os.Environ()),
	})
	return errors.Join(err, f.Close())
}

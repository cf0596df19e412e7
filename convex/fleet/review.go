package fleet

import (
	"context"
	"errors"
	"path/filepath"

	"strait/convex/project"
	"strait/plan"
)

// Review reviews the plan as it stands now. The first time it reads the
// project's functions, which takes a while in a large project, and a page of
// documents of every table that is migrated, to know how large they are.
func (f *Fleet) Review(ctx context.Context) (plan.Plan, plan.Review, error) {
	f.mu.Lock()
	p := f.project
	if p == nil {
		f.mu.Unlock()
		return plan.Plan{}, plan.Review{}, errors.New("review the plan: the project is not loaded")
	}
	f.mu.Unlock()
	code, err := p.Code(ctx)
	if err != nil {
		return plan.Plan{}, plan.Review{}, err
	}
	f.sampleSizes(ctx)
	f.mu.Lock()
	in := f.input()
	f.mu.Unlock()
	in.Code, in.Waivers = code, waivers(p.Config)
	if rel, err := filepath.Rel(p.Root, p.FunctionsDir); err == nil {
		in.Functions = filepath.ToSlash(rel)
	}
	made := plan.Make(in)
	return made, plan.NewReview(in, made), nil
}

func waivers(c project.Config) []plan.Waiver {
	out := make([]plan.Waiver, 0, len(c.Waive))
	for _, w := range c.Waive {
		out = append(out, plan.Waiver{
			Code: w.Code, Table: w.Table, Path: w.Path, Migration: w.Migration, Env: w.Env, File: w.File, Reason: w.Reason, Until: w.Until,
		})
	}
	return out
}

package fleet

import (
	"slices"

	"strait/plan"
)

// Merge is the fleet gate as of now: whether the target may be merged, looking
// at these environments, or at all of them; looked are those that were looked
// at.
func (f *Fleet) Merge(envs ...string) (m plan.Merge, looked []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.project == nil {
		return plan.GateMerge(plan.Input{}), nil
	}
	in := f.input()
	in.Envs = slices.DeleteFunc(in.Envs, func(ev plan.Evidence) bool { return len(envs) > 0 && !slices.Contains(envs, ev.Env) })
	for _, ev := range in.Envs {
		if !ev.MadeUp {
			looked = append(looked, ev.Env)
		}
	}
	return plan.GateMerge(in), looked
}

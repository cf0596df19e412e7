package fleet

import (
	"slices"

	"strait/plan"
)

// Merge is the fleet gate as of now: whether the target may be merged, looking
// at these environments, or at all of them; looked are those that there are.
// One that nobody listed and that was made up for a newcomer says nothing of a
// deployment, so it is not looked at. One that has not told all that is watched
// counts as one that does not answer.
func (f *Fleet) Merge(envs ...string) (m plan.Merge, looked []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.project == nil {
		return plan.GateMerge(plan.Input{}), nil
	}
	in := plan.Input{Target: f.project.Schema, Definitions: f.defs}
	for _, e := range f.envs {
		madeUp := e.cfg.Embedded() && e.cfg.Found != ""
		if madeUp || len(envs) > 0 && !slices.Contains(envs, e.cfg.Name) {
			continue
		}
		ev := e.evidence()
		if ev.Reachable && !e.known() {
			ev.Reachable, ev.Problem = false, "it has not told all that it was asked"
		}
		in.Envs = append(in.Envs, ev)
		looked = append(looked, e.cfg.Name)
	}
	return plan.GateMerge(in), looked
}

package ui

import (
	"slices"
	"strings"
)

// lookAt tells the engine which environments are on the screen, when that has
// changed: what is hidden need not be read.
func (m Root) lookAt() Root {
	if m.w == 0 || len(m.snap.Envs) == 0 {
		return m
	}
	envs := m.inSight()
	if key := strings.Join(envs, "\x00"); key != m.shown {
		m.shown = key
		m.d.engine.Show(envs...)
	}
	return m
}

// inSight are the environments whose figures are on the screen: on the fleet
// page those with a column or a line, elsewhere the one that is selected.
func (m Root) inSight() []string {
	var all []string
	if m.page == fleetPage {
		g, listed := m.gridPlan(m.gridWidth()), m.listsEnvironments()
		for i := range m.snap.Envs {
			if i >= g.first && i < g.last || listed {
				all = append(all, m.snap.Envs[i].Name)
			}
		}
	}
	if m.env != "" && !slices.Contains(all, m.env) {
		all = append(all, m.env)
	}
	return all
}

func (m Root) gridWidth() int {
	w, _, _, _ := m.panes(m.w, m.bodyHeight())
	return w
}

// listsEnvironments reports whether the fleet page has room for its list of
// all environments, with their sizes.
func (m Root) listsEnvironments() bool {
	_, h, _, _ := m.panes(m.w, m.bodyHeight())
	return h-gridHead-min(len(m.rows), m.gridRows()) >= len(m.snap.Envs)+3
}

package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// veiled reports whether the values of an environment's documents are masked.
func (m Root) veiled(e *fleet.EnvSnapshot) bool {
	return e.Protected && !e.Revealed.After(m.now)
}

// revealWord says whether values are shown, and for how long.
func (m Root) revealWord(e *fleet.EnvSnapshot) (string, ink) {
	switch {
	case !e.Protected:
		return "", m.l.dim
	case m.veiled(e):
		return "masked, u shows values", m.l.dim
	}
	return "values shown for " + clock(e.Revealed.Sub(m.now)) + ", u masks", m.l.warn
}

// unmask asks before the values of a protected environment are shown; to mask
// them again is not asked about.
func (m Root) unmask() (Root, tea.Cmd) {
	if m.veiled(m.focus().env) {
		return askFor(plan.ActReveal)(m)
	}
	return m, m.send(fleet.Command{Action: plan.ActReveal, Env: m.env, By: "screen"})
}

func noReveal(m Root) string {
	return firstOf(m, noEnv, func(m Root) string {
		if e := m.focus().env; !e.Protected {
			return e.Name + " is not protected: its values are shown as they are"
		}
		return ""
	})
}

// masked is text in place of a value that is not shown.
type masked string

// withMasks is a masked document whose masks are not mistaken for strings.
func withMasks(v value.Value) value.Value {
	switch v := v.(type) {
	case value.Object:
		out := make(value.Object, len(v))
		for i, f := range v {
			out[i] = value.Field{Name: f.Name, Value: f.Value}
			if f.Name != "_id" {
				out[i].Value = withMasks(f.Value)
			}
		}
		return out
	case value.Array:
		out := make(value.Array, len(v))
		for i, e := range v {
			out[i] = withMasks(e)
		}
		return out
	case string:
		if strings.HasPrefix(v, "<") && strings.HasSuffix(v, ">") {
			return masked(v)
		}
	}
	return v
}

package ui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// veiled reports whether the values of an environment's documents are masked.
func (m Root) veiled(e *fleet.EnvSnapshot) bool {
	return e.Protected && (!e.Revealed.After(m.now) || e.Revealed.Equal(m.off.hidden))
}

// revealWord says whether values are shown, for how long, and by which key.
func (m Root) revealWord(e *fleet.EnvSnapshot) (string, ink) {
	switch {
	case !e.Protected:
		return "", m.l.dim
	case m.veiled(e):
		return "masked, u shows values", m.l.dim
	}
	return "values shown, " + clock(e.Revealed.Sub(m.now)) + " left", m.l.warn
}

// unmask asks before the values of a protected environment are shown, and hides
// them at once.
func (m Root) unmask() (Root, tea.Cmd) {
	e := m.focus().env
	switch {
	case m.veiled(e) && e.Revealed.After(m.now): // hidden before its time: it was asked
		m.off.hidden = time.Time{}
		return m.tell(toastInfo, "values of "+e.Name+" are shown again")
	case m.veiled(e):
		return askFor(plan.ActReveal)(m)
	}
	m.off.hidden = e.Revealed
	return m.tell(toastInfo, "values of "+e.Name+" are masked again")
}

func noReveal(m Root) string {
	return firstOf(m, notReady, func(m Root) string {
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

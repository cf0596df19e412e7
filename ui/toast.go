package ui

import (
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
)

const (
	toastInfo = "info"
	toastWarn = "warn"
	toastBad  = "error"

	toastTime = 4 * time.Second
)

// toast is the line above the keys. What is good or neutral goes by itself;
// an error stays until a key.
type toast struct {
	id    int
	level string
	text  string
}

// tell shows a line of the screen's own and keeps it among the messages.
func (m Root) tell(level, text string) (Root, tea.Cmd) {
	notes := append(m.notes[:len(m.notes):len(m.notes)], fleet.Message{At: m.now, Level: level, Text: text})
	m.notes = notes[max(0, len(notes)-100):]
	return m.raise(level, text)
}

// show shows a message of the fleet, which keeps it itself.
func (m Root) show(msg fleet.Message) (Root, tea.Cmd) {
	text := msg.Text
	if msg.Env != "" && !strings.Contains(text, msg.Env) {
		text = msg.Env + ": " + text
	}
	return m.raise(msg.Level, text)
}

func (m Root) raise(level, text string) (Root, tea.Cmd) {
	id := m.toast.id + 1
	m.toast = toast{id, level, text}
	if level == toastBad {
		return m, nil
	}
	return m, m.later(toastTime, faded{id})
}

// did takes the engine's answer to an action.
func (m Root) did(msg did) (Root, tea.Cmd) {
	if msg.err == nil {
		return m, nil
	}
	m.now = m.d.now()
	var refused *fleet.Refused
	if errors.As(msg.err, &refused) && len(refused.Reasons) > 0 {
		r := refused.Reasons[0]
		text := "refused in " + msg.cmd.Env + ": " + r.Why
		if r.Hint != "" {
			text += "; " + r.Hint
		}
		return m.tell(toastBad, text)
	}
	return m.tell(toastBad, msg.err.Error())
}

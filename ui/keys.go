package ui

import (
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
)

// press gives a key to the top of what is open: the question, the menu, the
// filter, then the table of actions.
func (m Root) press(msg tea.KeyPressMsg) (Root, tea.Cmd) {
	key := msg.String()
	m.touched = true
	if m.toast.level == toastBad || m.toast.level == toastWarn {
		m.toast = toast{id: m.toast.id}
	}
	switch {
	case m.ask.kind != askNothing:
		return m.pressAsk(key, msg.Text)
	case m.menu.kind != noMenu:
		return m.pressMenu(key, msg.Text)
	case m.sieve().on:
		return m.pressFilter(key, msg.Text)
	}
	if key == "esc" && m.page == fleetPage {
		m.entry.text = ""
		return m.sift(), nil
	}
	for i := range m.acts {
		a := &m.acts[i]
		if slices.Contains(a.keys, key) && a.on(m.page) {
			return m.trigger(a)
		}
	}
	return m, nil
}

// paste goes into a filter; it never answers a question.
func (m Root) paste(text string) (Root, tea.Cmd) {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = clean(line)
	switch {
	case m.ask.kind == askCursor, m.ask.kind == askFile, m.ask.kind == askExport:
		m.ask.typed = bounded(m.ask.typed + line)
	case m.ask.kind != askNothing:
		return m.tell(toastWarn, "a paste answers no question: use the keys")
	case m.menu.kind != noMenu:
		m.menu = m.menu.typed(m.menu.query+line, m)
	case m.sieve().on:
		return m.sieved(entry{true, bounded(m.sieve().text + line)}), nil
	}
	return m, nil
}

// typedMax bounds typed and pasted text; cursors are the longest that is meant.
const typedMax = 2000

// bounded keeps typed text to a sane length.
func bounded(s string) string {
	for len(s) > typedMax {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// edit applies a key to a line of text.
func edit(text, key, typed string) string {
	switch key {
	case "backspace", "ctrl+h":
		_, n := utf8.DecodeLastRuneInString(text)
		return text[:len(text)-n]
	case "ctrl+u":
		return ""
	case "ctrl+w":
		text = strings.TrimRight(text, " ")
		return text[:strings.LastIndex(text, " ")+1]
	}
	return bounded(text + clean(typed))
}

// words are what a filter looks for, in small letters.
func (e entry) words() []string { return strings.Fields(strings.ToLower(e.text)) }

// holds reports whether a text has every one of some words.
func holds(text string, words []string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
}

func (m Root) startFilter() (Root, tea.Cmd) {
	return m.sieved(entry{true, m.sieve().text}), nil
}

func (m Root) pressFilter(key, typed string) (Root, tea.Cmd) {
	e := m.sieve()
	switch key {
	case "esc", "ctrl+c":
		e = entry{}
	case "enter":
		e.on = false
	case "up":
		return m.move(-1), nil
	case "down":
		return m.move(1), nil
	default:
		e.text = edit(e.text, key, typed)
	}
	return m.sieved(e), nil
}

// sieve is the filter of the page that is shown.
func (m Root) sieve() entry {
	if m.page == journalPage {
		return m.record.entry
	}
	if m.page == offendersPage {
		return m.off.find
	}
	return m.entry
}

// sieved gives the page that is shown another filter.
func (m Root) sieved(e entry) Root {
	if m.page == journalPage {
		m.record.entry, m.roll = e, 0
		return m
	}
	if m.page == offendersPage {
		m.off.find, m.off.inside, m.off.sample, m.roll = e, false, 0, 0
		return m
	}
	m.entry = e
	return m.sift()
}

// move moves the cursor, or rolls the page, by n lines.
func (m Root) move(n int) Root {
	switch {
	case m.page == runPage && m.view == logView:
		return m.moveLog(n)
	case m.page == provePage || m.page == rehearsalPage:
		return m.moveReport(n)
	case m.page == offendersPage:
		return m.moveOffender(n)
	case m.page != fleetPage:
		m.roll = min(max(0, m.roll+n), m.rollEnd())
		return m
	}
	at := m.at()
	if at < 0 {
		return m
	}
	at = min(max(0, at+n), len(m.rows)-1)
	m.cur, m.mig = rowID(&m.snap.Plan.Rows[m.rows[at]]), ""
	return m.reveal()
}

// leap is the length of a page of rows or lines.
func (m Root) leap() int {
	if m.page != fleetPage {
		return max(1, m.bodyHeight()-6)
	}
	return max(1, m.gridRows())
}

// reveal rolls the grid so that the cursor's row is shown.
func (m Root) reveal() Root {
	n, at := m.gridRows(), m.at()
	if at >= 0 {
		m.top = max(min(m.top, at), at-n+1)
	}
	m.top = max(0, min(m.top, len(m.rows)-n))
	return m
}

// side moves between environments on the grid, between views on the run page.
func (m Root) side(n int) Root {
	if m.page == runPage {
		m.view = runView(min(max(0, int(m.view)+n), int(runViews)-1))
		m.roll, m.mark = 0, logMark{}
		return m
	}
	at := min(max(0, envIndex(m.snap, m.env)+n), len(m.snap.Envs)-1)
	if at >= 0 {
		m.env, m.roll, m.mig = m.snap.Envs[at].Name, 0, ""
	}
	return m
}

// turn switches the environment, round and round.
func (m Root) turn(n int) Root {
	if k := len(m.snap.Envs); k > 0 {
		at := (envIndex(m.snap, m.env) + n + k) % k
		keep := m.mig
		if m.page == runPage {
			keep = m.focus().mig
		}
		m.env, m.roll, m.mig = m.snap.Envs[at].Name, 0, keep
	}
	return m
}

// pick picks another of the row's migrations.
func (m Root) pick(n int) Root {
	f := m.focus()
	if f.row == nil {
		return m
	}
	if names := m.choices(f.row); len(names) > 0 {
		at := (slices.Index(names, f.mig) + n + len(names)) % len(names)
		m.mig, m.roll = names[at], 0
	}
	return m
}

// open goes one level down: grid, detail when it has no room beside, run.
func (m Root) open() (Root, tea.Cmd) {
	if m.page == fleetPage && m.shape() == onePane {
		m.page, m.roll = detailPage, 0
		return m, nil
	}
	if f := m.focus(); f.mig == "" && f.env != nil {
		return m.openOffenders()
	}
	return m.openRun(m.bestView()), nil
}

// bestView is the view of the run page that has the most to say.
func (m Root) bestView() runView {
	f := m.focus()
	if f.run.State == "" && f.dry != nil {
		return dryRunView
	}
	return progressView
}

func (m Root) openRun(v runView) Root {
	if m.page != runPage || m.view != v {
		m.roll, m.mark = 0, logMark{}
	}
	if f := m.focus(); f.mig != "" {
		m.mig = f.mig // stays on this migration whatever its state becomes
	}
	m.page, m.view = runPage, v
	return m
}

func (m Root) goBack() (Root, tea.Cmd) {
	switch {
	case (m.page == provePage || m.page == rehearsalPage) && m.stands().whole:
		at := m.stands()
		at.whole = false
		m = m.standAt(at)
	case m.page == offendersPage && m.off.inside:
		m.off.inside, m.roll = false, 0
		return m, nil
	case m.page == offendersPage && m.off.find.text != "":
		m.off.find = entry{}
		return m, nil
	case aside(m.page):
		m.page, m.trail = m.cameFrom()
	case m.page == runPage && m.shape() == onePane:
		m.page = detailPage
	default:
		m.page = fleetPage
	}
	m.roll = 0
	return m.reveal(), nil
}

func (m Root) openMessages() (Root, tea.Cmd) {
	if m.page == messagesPage {
		return m.goBack()
	}
	return m.visit(messagesPage), nil
}

// aside reports whether a page is none of the way from the grid to a run: it is
// opened from anywhere, and esc leads back.
func aside(p pageKind) bool {
	switch p {
	case planPage, envPage, provePage, rehearsalPage, journalPage, offendersPage, messagesPage:
		return true
	}
	return false
}

// visit opens a page that esc leaves for the one it was opened from. A page
// that is on the way already is gone back to.
func (m Root) visit(p pageKind) Root {
	switch i := slices.Index(m.trail, p); {
	case m.page == p:
	case i >= 0 && aside(m.page):
		m.trail = slices.Clone(m.trail[:i])
	case aside(m.page):
		m.trail = append(slices.Clone(m.trail), m.page)
	default:
		m.trail = []pageKind{m.page}
	}
	m.page, m.roll = p, 0
	return m
}

// cameFrom is the page that the one shown was opened from, and the way to it.
func (m Root) cameFrom() (pageKind, []pageKind) {
	last := len(m.trail) - 1
	if last < 0 {
		return fleetPage, nil
	}
	return m.trail[last], m.trail[:last]
}

// latest are the n newest things that happened, newest first: what the fleet
// says, and of the screen's own words only the errors.
func (m Root) latest(n int) []fleet.Message {
	var out []fleet.Message
	for _, msg := range m.said() {
		if len(out) >= n {
			break
		}
		fresh := !slices.ContainsFunc(out, func(x fleet.Message) bool { return x.Env == msg.Env && x.Text == msg.Text })
		if fresh && (msg.ID != 0 || msg.Level == toastBad) {
			out = append(out, msg)
		}
	}
	return out
}

// said is everything that was said, newest first.
func (m Root) said() []fleet.Message {
	all := append(slices.Clone(m.snap.Messages), m.notes...)
	slices.SortStableFunc(all, func(a, b fleet.Message) int { return b.At.Compare(a.At) })
	return all
}

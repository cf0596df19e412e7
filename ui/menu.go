package ui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

type menuKind int

const (
	noMenu menuKind = iota
	helpMenu
	paletteMenu
)

// menu is a list that shrinks as one types: the help and the palette.
type menu struct {
	kind  menuKind
	query string
	at    int
	items []menuItem // those that the query leaves
}

// menuItem is one line: an action, an environment or a row to go to.
type menuItem struct {
	group string
	keys  string
	text  string
	also  string // what finds it, though it is not shown
	why   string // it is blocked
	act   int    // of Root.acts; -1 none
	env   string
	row   rowKey
	part  string // path of the component whose tables are to be counted
}

func (m Root) openMenu(kind menuKind) Root {
	m.menu = menu{kind: kind}.typed("", m)
	return m
}

// typed gives the menu a new query.
func (n menu) typed(query string, m Root) menu {
	n.query, n.at = bounded(query), 0
	words := entry{text: n.query}.words()
	n.items = nil
	for _, it := range m.menuItems(n.kind) {
		if holds(it.text+" "+it.keys+" "+it.also+" "+it.group, words) {
			n.items = append(n.items, it)
		}
	}
	return n
}

var groupNames = map[string]string{"move": "MOVE", "act": "ACT ON THE SELECTION", "look": "LOOK"}

// menuItems are all items of a menu: in the help every action, in the palette
// what can be chosen here and now.
func (m Root) menuItems(kind menuKind) []menuItem {
	var out []menuItem
	groups := []string{"act", "look", "move"}
	for _, g := range groups {
		for i := range m.acts {
			a := &m.acts[i]
			if a.group != g || kind == paletteMenu && (!a.on(m.page) || a.group == "move" && a.foot == 0 || a.id == "palette") {
				continue
			}
			out = append(out, menuItem{group: groupNames[g], keys: strings.Join(a.keys, " "), text: a.what, also: a.id + " " + a.label, why: a.stopped(m), act: i})
		}
	}
	if kind == helpMenu {
		return out
	}
	for i := range m.snap.Envs {
		out = append(out, menuItem{group: "ENVIRONMENTS", text: m.snap.Envs[i].Name, act: -1, env: m.snap.Envs[i].Name})
	}
	for _, path := range m.snap.Project.Components {
		out = append(out, menuItem{group: "COMPONENTS", text: "count what does not fit in the component " + path, also: "census", act: -1, part: path, why: blockedCensus(m)})
	}
	for i := range m.snap.Plan.Rows {
		r := &m.snap.Plan.Rows[i]
		text := r.Title
		for _, n := range r.Migrations {
			text += "  " + short(n)
		}
		out = append(out, menuItem{group: "CHANGES AND MIGRATIONS", text: text, act: -1, row: rowID(r)})
	}
	return out
}

func (m Root) pressMenu(key, typed string) (Root, tea.Cmd) {
	n := m.menu
	last := max(0, len(n.items)-1)
	switch key {
	case "esc", "ctrl+c":
		m.menu = menu{}
		return m, nil
	case "up", "ctrl+p":
		n.at = max(0, n.at-1)
	case "down", "ctrl+n":
		n.at = min(last, n.at+1)
	case "pgup":
		n.at = max(0, n.at-10)
	case "pgdown":
		n.at = min(last, n.at+10)
	case "home":
		n.at = 0
	case "end":
		n.at = last
	case "enter":
		return m.choose()
	default:
		if q := edit(n.query, key, typed); q != n.query {
			n = n.typed(q, m)
		}
	}
	m.menu = n
	return m, nil
}

// choose does what the cursor of the menu is on.
func (m Root) choose() (Root, tea.Cmd) {
	n := m.menu
	m.menu = menu{}
	if n.at >= len(n.items) {
		return m, nil
	}
	switch it := n.items[n.at]; {
	case it.act >= 0:
		if a := &m.acts[it.act]; a.on(m.page) {
			return m.trigger(a)
		}
		return m.tell(toastWarn, "that key works on another page")
	case it.part != "":
		if it.why != "" {
			return m.tell(toastWarn, it.why)
		}
		return m.countComponent(it.part)
	case it.env != "":
		m.env, m.roll = it.env, 0
	case it.row != (rowKey{}):
		m.entry, m.page, m.mig, m.cur = entry{}, fleetPage, "", it.row
		m = m.sift()
	}
	return m, nil
}

// menuView draws the open menu as lines of its box.
func (m Root) menuView() []string {
	l, n := m.l, m.menu
	w := min(m.w-8, 76)
	h := min(m.h-6, 26)
	p := newPen(l, w, h)
	p.put(l.key, "/ ").put(l.strong, n.query).put(l.cursor, l.g.caret).put(l.faint, promptFor(n)).end()
	p.blank()
	room := p.left() - 2
	type line struct {
		head string
		item int
	}
	var lines []line
	group, atLine := "", 0
	for i, it := range n.items {
		if it.group != group {
			if group != "" {
				lines = append(lines, line{item: -1})
			}
			group = it.group
			lines = append(lines, line{head: group, item: -1})
		}
		if i == n.at {
			atLine = len(lines)
		}
		lines = append(lines, line{item: i})
	}
	top := max(0, min(atLine-room/2, len(lines)-room))
	keyW := 0
	for _, it := range n.items {
		keyW = max(keyW, width(it.keys))
	}
	keyW = min(keyW, 14)
	for i := top; i < len(lines) && i < top+room; i++ {
		ln := lines[i]
		if ln.item < 0 {
			p.put(l.head, ln.head).end()
			continue
		}
		it := n.items[ln.item]
		k, t := l.key, l.text
		if it.why != "" {
			k, t = l.keyOff, l.faint
		}
		if p.sel = ln.item == n.at; p.sel {
			p.put(l.cursor, l.g.cursor+" ")
		} else {
			p.to(2)
		}
		if it.keys != "" || n.kind == helpMenu {
			p.col(k, it.keys, keyW+2)
		}
		p.put(t, it.text).end()
	}
	if len(n.items) == 0 {
		p.put(l.dim, "nothing holds these words").end()
	}
	for p.left() > 1 {
		p.blank()
	}
	switch it := n.at; {
	case it < len(n.items) && n.items[it].why != "":
		p.put(l.warn, n.items[it].why).end()
	case n.kind == helpMenu:
		p.put(l.faint, "arrows move "+l.g.dot+" enter does it "+l.g.dot+" esc closes").end()
	default:
		p.put(l.faint, "enter does it or goes there "+l.g.dot+" esc closes").end()
	}
	title := "Help"
	if n.kind == paletteMenu {
		title = "Do or go to"
	}
	return boxed(l, title, l.frame, p.fill(), w)
}

func promptFor(n menu) string {
	if n.query != "" {
		return ""
	}
	return " type to filter"
}

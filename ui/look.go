package ui

import (
	"image/color"
	"os"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"strait/plan"
)

// ink is one look of text: its SGR sequence, and the same on the cursor's row.
type ink struct{ sgr, sel string }

// look is the theme and the glyphs, built once for a background and never
// changed. Every state has a glyph and a word, so that colour only helps.
type look struct {
	text, strong, dim, faint, rule ink
	accent, head, key, keyOff      ink
	ok, run, warn, bad             ink
	add, del, name, str, num       ink
	badge, badgeProd, badgeWarn    ink
	tab, cursor                    ink
	frame, veil                    ink

	g glyphs
}

// glyphs is one set of signs, each one cell wide.
type glyphs struct {
	done, todo, running, blocked, failed, unknown, byHand string
	paused, others                                        string
	cursor, rule, bar, barHalf, barEmpty, ellipsis        string
	less, more                                            string // what left and right change
	dot, caret                                            string
	boxH, boxV, boxTL, boxTR, boxBL, boxBR                string
	spark                                                 []string
	spin                                                  []string
}

var unicodeGlyphs = glyphs{
	done: "✓", todo: "○", running: "●", blocked: "▲", failed: "✗", unknown: "?", byHand: "✎", paused: "‖", others: "◎",
	cursor: "▸", rule: "─", bar: "━", barHalf: "╸", barEmpty: "─", ellipsis: "…",
	dot: "·", caret: "▏", less: "‹", more: "›",
	boxH: "─", boxV: "│", boxTL: "╭", boxTR: "╮", boxBL: "╰", boxBR: "╯",
	spark: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	spin:  []string{"◐", "◓", "◑", "◒"},
}

var asciiGlyphs = glyphs{
	done: "+", todo: ".", running: ">", blocked: "!", failed: "x", unknown: "?", byHand: "h", paused: "=", others: "o",
	cursor: ">", rule: "-", bar: "#", barHalf: "#", barEmpty: ".", ellipsis: "~",
	dot: "-", caret: "_", less: "<", more: ">",
	boxH: "-", boxV: "|", boxTL: "+", boxTR: "+", boxBL: "+", boxBR: "+",
	spark: []string{"_", ".", ":", "-", "=", "+", "*", "#"},
	spin:  []string{"|", "/", "-", "\\"},
}

// newLook builds the look for a dark or light background.
func newLook(dark, ascii bool) *look {
	pick := lipgloss.LightDark(dark)
	c := func(light, dark string) color.Color { return pick(lipgloss.Color(light), lipgloss.Color(dark)) }
	row := c("#e4ecf7", "#2b3040")
	mk := func(s ansi.Style) ink {
		return ink{sgr: s.String(), sel: s.BackgroundColor(row).String()}
	}
	st := func() ansi.Style { return make(ansi.Style, 0, 8) }
	fg := func(light, dark string) ansi.Style { return st().ForegroundColor(c(light, dark)) }
	l := &look{
		text:   ink{"", st().BackgroundColor(row).String()},
		strong: mk(st().Bold()),
		dim:    mk(fg("#636c76", "#8b949e")),
		faint:  mk(fg("#9aa3ad", "#656d78")),
		rule:   mk(fg("#d0d7de", "#3d444d")),
		accent: mk(fg("#0969da", "#79b8ff")),
		head:   mk(fg("#57606a", "#9aa4b2").Bold()),
		key:    mk(fg("#0969da", "#79b8ff").Bold()),
		keyOff: mk(fg("#9aa3ad", "#656d78")),
		ok:     mk(fg("#1a7f37", "#6cc480")),
		run:    mk(fg("#0a7a90", "#56c8d8").Bold()),
		warn:   mk(fg("#9a6700", "#e3b341")),
		bad:    mk(fg("#cf222e", "#ff7b72").Bold()),
		add:    mk(fg("#1a7f37", "#6cc480")),
		del:    mk(fg("#cf222e", "#ff8f87")),
		name:   mk(fg("#0550ae", "#a5c8f2")),
		str:    mk(fg("#0a3069", "#b9d7a6")),
		num:    mk(fg("#953800", "#f0b67a")),
		badge:  mk(fg("#0969da", "#79b8ff").Bold().Reverse(true)),
		tab:    mk(st().Bold().Underline(true)),
		cursor: mk(fg("#0969da", "#79b8ff").Bold()),
		frame:  mk(fg("#8c959f", "#6e7a8a")),
		veil:   mk(fg("#b6bec7", "#4a515c")),
	}
	l.badgeWarn = mk(fg("#9a6700", "#e3b341").Bold().Reverse(true))
	l.badgeProd = mk(fg("#cf222e", "#ff7b72").Bold().Reverse(true))
	l.g = unicodeGlyphs
	if ascii {
		l.g = asciiGlyphs
	}
	return l
}

// startDark guesses the background until the terminal has answered.
func startDark(env []string) bool {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "COLORFGBG="); ok {
			bg := v[strings.LastIndex(v, ";")+1:]
			return bg != "7" && bg != "15"
		}
	}
	return true
}

// needsASCII reports whether the terminal can be trusted with nothing else.
func needsASCII() bool {
	if t := os.Getenv("TERM"); t == "dumb" || t == "" {
		return true
	}
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(os.Getenv(k)); v != "" {
			return v == "c" || v == "posix"
		}
	}
	return false
}

// state is the glyph of a step's state.
func (g *glyphs) state(s plan.State) string {
	switch s {
	case plan.Done:
		return g.done
	case plan.Todo:
		return g.todo
	case plan.Running:
		return g.running
	case plan.Blocked:
		return g.blocked
	case plan.Failed:
		return g.failed
	case plan.ByHand:
		return g.byHand
	case plan.Unknown:
		return g.unknown
	}
	return " "
}

// state is the glyph, the word and the ink of a step's state.
func (l *look) state(s plan.State) (glyph, word string, k ink) {
	k = l.dim
	switch s {
	case plan.Done, plan.ByHand:
		k = l.ok
	case plan.Todo:
		k = l.text
	case plan.Running:
		k = l.run
	case plan.Blocked:
		k = l.warn
	case plan.Failed:
		k = l.bad
	}
	return l.g.state(s), s.Word(), k
}

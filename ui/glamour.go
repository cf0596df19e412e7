package ui

import (
	"fmt"
	"strings"

	"charm.land/glamour/v2"
	gansi "charm.land/glamour/v2/ansi"
	"github.com/charmbracelet/x/ansi"
)

// rendered is Markdown as lines of at most w cells. It takes tens of
// milliseconds, so it belongs in a command, not in Update or View.
func rendered(markdown string, w int, dark, ascii bool) ([]string, error) {
	w = max(20, w)
	r, err := glamour.NewTermRenderer(glamour.WithStyles(bookStyle(dark, ascii)), glamour.WithWordWrap(w), glamour.WithChromaFormatter("terminal16m"))
	if err != nil {
		return nil, fmt.Errorf("render a page: %w", err)
	}
	text, err := r.Render(markdown)
	if err != nil {
		return nil, fmt.Errorf("render a page: %w", err)
	}
	var out []string
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		if ansi.StringWidth(line) <= w {
			out = append(out, line)
			continue
		}
		out = append(out, strings.Split(ansi.Hardwrap(line, w, true), "\n")...)
	}
	return squeezed(out), nil
}

// squeezed leaves one empty line where there are several.
func squeezed(lines []string) []string {
	out := lines[:0]
	empty := true
	for _, line := range lines {
		blank := strings.TrimSpace(ansi.Strip(line)) == ""
		if blank && empty {
			continue
		}
		if blank {
			line = ""
		}
		out, empty = append(out, line), blank
	}
	return out
}

// bookStyle is the screen's look for Markdown.
func bookStyle(dark, ascii bool) gansi.StyleConfig {
	pick := func(light, onDark string) *string {
		if dark {
			return &onDark
		}
		return &light
	}
	yes := func() *bool { b := true; return &b }
	word := func(s string) *string { return &s }
	margin := func(n uint) *uint { return &n }
	accent, dim, ok := pick("#0969da", "#79b8ff"), pick("#636c76", "#8b949e"), pick("#1a7f37", "#6cc480")
	str, num, name := pick("#0a3069", "#b9d7a6"), pick("#953800", "#f0b67a"), pick("#0550ae", "#a5c8f2")
	head := gansi.StyleBlock{StylePrimitive: gansi.StylePrimitive{Color: accent, Bold: yes(), BlockSuffix: "\n"}}
	paint := func(c *string) gansi.StylePrimitive { return gansi.StylePrimitive{Color: c} }
	s := gansi.StyleConfig{
		Document:    gansi.StyleBlock{Margin: margin(1)},
		List:        gansi.StyleList{LevelIndent: 2},
		Heading:     head,
		Strong:      gansi.StylePrimitive{Bold: yes()},
		Emph:        gansi.StylePrimitive{Italic: yes()},
		Item:        gansi.StylePrimitive{BlockPrefix: "• "},
		Enumeration: gansi.StylePrimitive{BlockPrefix: ". "},
		Task:        gansi.StyleTask{Ticked: "✓ ", Unticked: "○ "},
		Link:        gansi.StylePrimitive{Color: accent, Underline: yes()},
		LinkText:    gansi.StylePrimitive{Color: accent},
		Code:        gansi.StyleBlock{StylePrimitive: paint(name)},
		Table:       gansi.StyleTable{CenterSeparator: word("┼"), ColumnSeparator: word("│"), RowSeparator: word("─")},
		CodeBlock: gansi.StyleCodeBlock{
			StyleBlock: gansi.StyleBlock{Margin: margin(2)},
			Chroma: &gansi.Chroma{
				Comment: paint(dim), Keyword: paint(accent), KeywordReserved: paint(accent), KeywordType: paint(name),
				Name: gansi.StylePrimitive{}, NameFunction: paint(name), NameTag: paint(name), LiteralString: paint(str), LiteralNumber: paint(num),
				KeywordNamespace: paint(accent), NameBuiltin: paint(name), NameAttribute: paint(ok),
			},
		},
	}
	if ascii {
		s.Item.BlockPrefix = "- "
		s.Task.Ticked, s.Task.Unticked = "[x] ", "[ ] "
		s.Table = gansi.StyleTable{CenterSeparator: word("+"), ColumnSeparator: word("|"), RowSeparator: word("-")}
	}
	return s
}

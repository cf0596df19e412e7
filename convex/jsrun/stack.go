package jsrun

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// rawFrame is one frame of the engine's stack text. The engine labels every
// script "<eval>"; the bundle is told from the runtime by its line, since it
// is compiled below bundleLine empty lines.
type rawFrame struct {
	function     string
	line, column int
}

// bundleLine is how many empty lines stand above the bundle when it is
// compiled. The runtime is far shorter.
const bundleLine = 4000

// parseStack reads the engine's stack text, innermost frame first:
//
//	at handler (<eval>:4012:7)
//	at push (native)
//	at <anonymous> (<eval>:4044)
//
// Frames without a position in a script are left out.
func parseStack(text string) []rawFrame {
	var out []rawFrame
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "at ")
		if !ok {
			continue
		}
		open := strings.LastIndex(rest, " (")
		function, where := "", rest
		if open >= 0 && strings.HasSuffix(rest, ")") {
			function, where = rest[:open], rest[open+2:len(rest)-1]
		}
		where, ok = strings.CutPrefix(where, "<eval>:")
		if !ok {
			continue
		}
		l, c, _ := strings.Cut(where, ":")
		f := rawFrame{function: function}
		f.line, _ = strconv.Atoi(l)
		f.column, _ = strconv.Atoi(c)
		if f.line > 0 && f.column >= 0 {
			out = append(out, f)
		}
	}
	return out
}

// frames maps a stack text to sources. Frames of the runtime and of the
// bundler's own glue are left out.
func (p *Program) frames(stack string) []Frame {
	var out []Frame
	for _, f := range parseStack(stack) {
		pos, ok := p.locate(f.line, f.column)
		if !ok {
			continue
		}
		name := f.function
		if name == "<anonymous>" {
			name = ""
		}
		out = append(out, Frame{Function: name, File: pos.source, Line: pos.line, Column: pos.column})
	}
	return out
}

// locate maps a position of the running program, as the engine counts, to a
// source. ok is false for the runtime and for generated glue.
func (p *Program) locate(line, column int) (pos position, ok bool) {
	if line <= bundleLine {
		return pos, false
	}
	m, err := p.sources()
	if err != nil {
		return pos, false
	}
	pos, ok = m.find(line-bundleLine, max(column, 1))
	if !ok || isEntry(pos.source) || strings.HasPrefix(pos.source, namespaceWrap+":") ||
		strings.HasPrefix(pos.source, namespaceBroken+":") {
		return pos, false
	}
	return pos, true
}

var scriptPosition = regexp.MustCompile(`<eval>:(\d+)(?::(\d+))?`)

// mapText puts source positions into a text that a program made of its own
// stacks: a log line, a message.
func (p *Program) mapText(text string) string {
	if !strings.Contains(text, "<eval>:") {
		return text
	}
	return scriptPosition.ReplaceAllStringFunc(text, func(at string) string {
		parts := scriptPosition.FindStringSubmatch(at)
		line, _ := strconv.Atoi(parts[1])
		column, _ := strconv.Atoi(parts[2])
		if pos, ok := p.locate(line, column); ok {
			return fmt.Sprintf("%s:%d:%d", pos.source, pos.line, pos.column)
		}
		return "native"
	})
}

package project

import (
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	"strait/convex/jsrun"
)

// One missing package can make hundreds of modules fail. People need its name
// once, with the modules of their own that do not load because of it.

var (
	whileLoading    = regexp.MustCompile(` \(while loading ([^()]+)\)$`)
	cannotLoad      = regexp.MustCompile(`^cannot load: (.+) \(([^()]+:[0-9]+)\)$`)
	missingPackage  = regexp.MustCompile(`^package "[^"]+" is not installed`)
	componentPrefix = regexp.MustCompile(`^component [^ ]+: `)
	notEvaluated    = regexp.MustCompile(`^not evaluated: it imports (.+), which fails$`)
)

// tidy sorts the problems, errors first, and condenses those that have one
// cause.
func (l *loader) tidy() {
	all := condense(l.p.Problems)
	sort.SliceStable(all, func(i, j int) bool {
		a, b := all[i], all[j]
		if a.Warning != b.Warning {
			return b.Warning
		}
		if a.File != b.File {
			return a.File < b.File
		}
		return a.Line < b.Line
	})
	l.p.Problems = all
}

// cause is one thing that is wrong, with everything that was said about it.
type cause struct {
	problem jsrun.Problem // the best of those that tell the place
	echo    jsrun.Problem // of those that only suffer from it, for want of a better one
	suffers []string      // modules that do not load because of it, sorted
	warning bool          // all that was said is a warning
}

// condense puts problems of one cause together: an error thrown while many
// modules loaded, and a missing package that many files import.
func condense(all []jsrun.Problem) []jsrun.Problem {
	var order []string
	causes := map[string]*cause{}
	for _, p := range all {
		key, suffers := causeOf(p)
		c := causes[key]
		if c == nil {
			c = &cause{warning: true}
			causes[key], order = c, append(order, key)
		}
		c.warning = c.warning && p.Warning
		switch {
		case suffers != "":
			if !slices.Contains(c.suffers, suffers) {
				c.suffers = append(c.suffers, suffers)
			}
			if c.echo.Message == "" {
				c.echo = p
			}
		case c.problem.Message == "" || better(p, c.problem):
			c.problem = p
		}
	}
	var out []jsrun.Problem
	for _, key := range order {
		out = append(out, causes[key].told())
	}
	return out
}

// causeOf is what a problem is about and, when it is told of a module that
// suffers from what is wrong elsewhere, that module.
func causeOf(p jsrun.Problem) (key, suffers string) {
	message, place := componentPrefix.ReplaceAllString(p.Message, ""), fmt.Sprintf("%s:%d", p.File, p.Line)
	if found := whileLoading.FindStringSubmatch(message); found != nil {
		message, suffers = whileLoading.ReplaceAllString(message, ""), found[1]
	} else if found := cannotLoad.FindStringSubmatch(message); found != nil {
		message, place, suffers = found[1], found[2], p.File
	} else if found := notEvaluated.FindStringSubmatch(message); found != nil {
		return "not evaluated: " + found[1], p.File
	}
	if missing := missingPackage.FindString(message); missing != "" {
		return missing, suffers
	}
	return place + " " + message, suffers
}

// better reports whether a tells more than b: of a file of the project
// rather than of an installed one, of an error rather than a warning.
func better(a, b jsrun.Problem) bool {
	if installed(a.File) != installed(b.File) {
		return !installed(a.File)
	}
	return !a.Warning && b.Warning
}

// told is the one problem that stands for a cause.
func (c *cause) told() jsrun.Problem {
	p := c.problem
	if p.Message == "" {
		p = c.echo
		p.Message = whileLoading.ReplaceAllString(p.Message, "")
		if notEvaluated.MatchString(p.Message) && len(c.suffers) > 1 {
			p.Message = "not evaluated, like " + list(c.suffers[1:]) + ": they import " + p.Import + ", which fails"
		}
		if len(c.suffers) == 1 || notEvaluated.MatchString(c.echo.Message) {
			p.Warning = c.warning
			return p
		}
	}
	p.Warning = c.warning
	own := slices.DeleteFunc(slices.Clone(c.suffers), func(file string) bool { return installed(file) || file == p.File })
	if len(own) == 0 {
		return p
	}
	sort.Strings(own)
	p.Message += " (so " + list(own) + " cannot load)"
	return p
}

// installed reports whether a file is of an installed package.
func installed(file string) bool { return strings.Contains("/"+file, "/node_modules/") }

// list names up to three things.
func list(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

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
	whileLoading   = regexp.MustCompile(` \(while loading ([^()]+)\)$`)
	missingPackage = regexp.MustCompile(`^(?:component [^ ]+: )?(?:cannot load: )?(package "[^"]+" is not installed)`)
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

// condense puts problems of one cause together: an error thrown while many
// modules loaded, and a missing package that many installed files import.
func condense(all []jsrun.Problem) []jsrun.Problem {
	var out []jsrun.Problem
	index := map[string]int{} // cause -> index in out
	more := map[int][]string{}
	for _, p := range all {
		cause, from := causeOf(p)
		if cause == "" {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
			continue
		}
		i, seen := index[cause]
		if !seen {
			index[cause] = len(out)
			p.Message = whileLoading.ReplaceAllString(p.Message, "")
			out = append(out, p)
			i = len(out) - 1
		}
		if !p.Warning {
			out[i].Warning = false
		}
		if from != "" && !slices.Contains(more[i], from) {
			more[i] = append(more[i], from)
		}
	}
	for i, from := range more {
		if i < len(out) {
			out[i].Message += " (so " + list(from) + " cannot load)"
		}
	}
	return withoutEchoes(out)
}

// causeOf is what a problem is about, when others may be about the same, and
// the module that suffers from it.
func causeOf(p jsrun.Problem) (cause, from string) {
	if at := whileLoading.FindStringSubmatch(p.Message); at != nil {
		return fmt.Sprintf("%s:%d %s", p.File, p.Line, whileLoading.ReplaceAllString(p.Message, "")), at[1]
	}
	if p.Line > 0 && !missingPackage.MatchString(p.Message) {
		return fmt.Sprintf("%s:%d %s", p.File, p.Line, p.Message), ""
	}
	if found := missingPackage.FindStringSubmatch(p.Message); found != nil && installed(p.File) {
		return found[1], ""
	}
	return "", ""
}

// installed reports whether a file is of an installed package.
func installed(file string) bool { return strings.Contains("/"+file, "/node_modules/") }

// withoutEchoes drops the imports of a missing package by installed files
// where a file of the project is told of the same package.
func withoutEchoes(all []jsrun.Problem) []jsrun.Problem {
	told := map[string]bool{}
	for _, p := range all {
		if found := missingPackage.FindStringSubmatch(p.Message); found != nil && !installed(p.File) && !p.Warning {
			told[found[1]] = true
		}
	}
	return slices.DeleteFunc(all, func(p jsrun.Problem) bool {
		found := missingPackage.FindStringSubmatch(p.Message)
		return found != nil && installed(p.File) && told[found[1]]
	})
}

// list names up to three things.
func list(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}

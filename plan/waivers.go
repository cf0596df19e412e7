package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

var waiverRules = []Rule{
	{Code: "SW901", Name: "waiver-expired", Severity: Notice,
		Why:  "A waiver ends by itself, so that an accepted risk is looked at again. What it covered is told again.",
		Safe: "Remove the hazard, or give the waiver a new date and a reason that still holds."},
	{Code: "SW902", Name: "waiver-unused", Severity: Notice,
		Why:  "A waiver that covers nothing would hide the next hazard of its kind without anybody having looked at it.",
		Safe: "Delete it from strait.toml, or correct its scope."},
}

// waive marks what the team accepts, and tells of waivers that have ended or
// cover nothing.
func waive(s *scene, found []Hazard) []Hazard {
	now := s.now()
	var told []Hazard
	for _, w := range s.in.Waivers {
		if w.ended(now) {
			told = append(told, waiverRules[0].complete(Hazard{
				What: fmt.Sprintf("the waiver of %s ended on %s: %s", w.scope(), w.Until.Format(time.DateOnly), w.Reason)}))
			continue
		}
		used := false
		for i := range found {
			if !w.covers(found[i]) {
				continue
			}
			used = true
			if found[i].Waived == "" {
				found[i].Waived = cmp.Or(w.Reason, "no reason given")
			}
		}
		switch {
		case used:
		case !slices.ContainsFunc(Rules(), func(r Rule) bool { return strings.EqualFold(r.Code, w.Code) }):
			told = append(told, waiverRules[1].complete(Hazard{What: fmt.Sprintf("a waiver names %q, which is no rule", w.Code)}))
		case s.complete():
			told = append(told, waiverRules[1].complete(Hazard{What: "the waiver of " + w.scope() + " covers nothing"}))
		}
	}
	return append(found, told...)
}

// now is the newest evidence's time; zero without any, when nothing ends.
func (s *scene) now() time.Time {
	var now time.Time
	for _, ev := range s.in.Envs {
		if ev.Now.After(now) {
			now = ev.Now
		}
	}
	return now
}

// complete reports whether everything was looked at, so that what was not found
// is not there.
func (s *scene) complete() bool {
	return s.in.Target != nil && s.in.Code != nil && len(s.code.Unread) == 0 && len(s.known()) == len(s.stands)
}

// ended reports whether a waiver's time is over. A date without a time of day
// is the last day that counts.
func (w Waiver) ended(now time.Time) bool {
	if w.Until.IsZero() {
		return false
	}
	end := w.Until
	if h, m, sec := end.Clock(); h+m+sec == 0 {
		end = end.AddDate(0, 0, 1)
	}
	return !now.Before(end)
}

// covers reports whether a hazard is in the waiver's scope. A path covers what
// lies in it.
func (w Waiver) covers(h Hazard) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	return strings.EqualFold(w.Code, h.Code) && is(w.Table, h.Table) && is(w.Migration, h.Migration) && is(w.Env, h.Env) &&
		(w.Path == "" || w.Path == h.Path || h.Path != "" && len(h.Path) > len(w.Path) && related(w.Path, h.Path)) &&
		(w.File == "" || h.Site != nil && w.File == h.Site.File)
}

// scope is what the waiver says that it covers.
func (w Waiver) scope() string {
	out := w.Code
	for _, part := range []struct{ name, value string }{
		{"table", w.Table}, {"path", w.Path}, {"migration", w.Migration}, {"environment", w.Env}, {"file", w.File},
	} {
		if part.value != "" {
			out += fmt.Sprintf(", %s %s", part.name, part.value)
		}
	}
	return out
}

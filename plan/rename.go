package plan

import (
	"cmp"
	"slices"
	"strings"

	"strait/model/schema"
)

// Convex knows no renaming: a field or a table of another name is another one.
// What looks like a renaming is offered, and nothing is ever built on it.

// renames are likely renamings, by the old name and by the new one.
type renames struct{ to, from map[string]string }

// candidate is a possible renaming; more points are more likely.
type candidate struct {
	old, fresh string
	points     int
}

// settle takes the likeliest candidates of at least so many points, each name
// once.
func settle(cs []candidate, atLeast int) renames {
	slices.SortStableFunc(cs, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.points, a.points), cmp.Compare(a.old, b.old), cmp.Compare(a.fresh, b.fresh))
	})
	r := renames{map[string]string{}, map[string]string{}}
	for _, c := range cs {
		if c.points < atLeast || r.to[c.old] != "" || r.from[c.fresh] != "" {
			continue
		}
		r.to[c.old], r.from[c.fresh] = c.fresh, c.old
	}
	return r
}

// likelyField is how many points make the renaming of a field likely: a type
// of its own; or a plain type, and a similar name or nothing else to choose.
const likelyField = 50

// fieldRenames pairs the fields that an object lost with those that it won.
func fieldRenames(a, t *schema.Validator) renames {
	gone, came := fieldsNotIn(a, t), fieldsNotIn(t, a)
	if len(gone) == 0 || len(came) == 0 || len(gone)*len(came) > 400 {
		return renames{}
	}
	var cs []candidate
	for _, i := range gone {
		for _, j := range came {
			f, g := a.Fields[i], t.Fields[j]
			points := typePoints(f.Type, g.Type)
			if points == 0 {
				continue
			}
			points += likeness(f.Name, g.Name)
			if i == j {
				points += 10
			}
			if len(gone) == 1 && len(came) == 1 {
				points += 10
			}
			cs = append(cs, candidate{f.Name, g.Name, points})
		}
	}
	return settle(cs, likelyField)
}

// fieldsNotIn are the places of a's fields that b does not have.
func fieldsNotIn(a, b *schema.Validator) []int {
	var out []int
	for i, f := range a.Fields {
		if b.Field(f.Name) == nil {
			out = append(out, i)
		}
	}
	return out
}

// typePoints says how much two types speak for a renaming; 0 against it.
func typePoints(a, t *schema.Validator) int {
	telling := a.Kind == schema.ID || nests(a.Kind) && !plain(a) || a.Kind == schema.Union && len(a.Members) > 2
	switch {
	case same(a, t) && telling:
		return 45
	case same(a, t):
		return 30
	case plain(a) && plain(t):
		if accepts(t, a) {
			return 15 // widened on the way, as a string to an optional one
		}
	case accepts(t, a):
		return 20
	}
	return 0
}

// plain reports whether a type is one that many fields have.
func plain(v *schema.Validator) bool {
	switch v.Kind {
	case schema.Object, schema.Union:
		return false
	case schema.Array:
		return plain(v.Element)
	case schema.Record:
		return plain(v.Key) && plain(v.Element)
	}
	return true
}

// likeness is how alike two names are, from 0 to 40: by the words in them, or
// by the letters.
func likeness(a, b string) int {
	wa, wb := words(a), words(b)
	shared := 0
	for _, w := range wa {
		if slices.ContainsFunc(wb, func(x string) bool { return x == w || x == w+"s" || w == x+"s" }) {
			shared++
		}
	}
	byWords := 40 * 2 * shared / max(len(wa)+len(wb), 1)
	la, lb := strings.ToLower(a), strings.ToLower(b)
	byLetters := 40 * (max(len(la), len(lb)) - distance(la, lb)) / max(len(la), len(lb), 1)
	if byLetters < 24 { // short names share letters by chance
		byLetters = 0
	}
	if len(la) > 2 && len(lb) > 2 && (strings.HasPrefix(la, lb) || strings.HasPrefix(lb, la)) {
		byLetters = max(byLetters, 24)
	}
	return max(byWords, byLetters)
}

// words cuts an identifier: avatarUrl, avatar_url and avatarURL are avatar, url.
func words(name string) []string {
	var out []string
	start := 0
	upper := func(i int) bool { return name[i] >= 'A' && name[i] <= 'Z' }
	for i := range len(name) + 1 {
		switch {
		case i == len(name) || name[i] == '_':
			if i > start {
				out = append(out, strings.ToLower(name[start:i]))
			}
			start = i + 1
		case i > start && upper(i) && (!upper(i-1) || i+1 < len(name) && !upper(i+1) && name[i+1] != '_'):
			out = append(out, strings.ToLower(name[start:i]))
			start = i
		}
	}
	return out
}

// distance is how many letters must be changed, added or taken to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// likelyTable is how many points, of 100 for the same fields and 40 for the
// name, make the renaming of a table likely.
const likelyTable = 60

// tableRenames pairs the tables that are gone with new ones by their fields.
func tableRenames(active, target *schema.Schema) renames {
	if active == nil {
		return renames{}
	}
	var cs []candidate
	came := tablesNotIn(target, active)
	for _, a := range tablesNotIn(active, target) {
		for _, t := range came {
			if shared := overlap(a.Document, t.Document); shared > 0 {
				cs = append(cs, candidate{a.Name, t.Name, shared + likeness(a.Name, t.Name)})
			} else if untyped(a) && untyped(t) {
				cs = append(cs, candidate{a.Name, t.Name, 2 * likeness(a.Name, t.Name)})
			}
		}
	}
	return settle(cs, likelyTable)
}

func tablesNotIn(a, b *schema.Schema) []*schema.Table {
	var out []*schema.Table
	for _, t := range a.Tables {
		if b.Table(t.Name) == nil {
			out = append(out, t)
		}
	}
	return out
}

func untyped(t *schema.Table) bool { return orAny(t.Document).Kind == schema.Any }

// overlap is how much of two documents is the same: 100 for all fields, of the
// same names and types; a field of another type counts half. One field alone
// says little.
func overlap(a, t *schema.Validator) int {
	fa, ft := topFields(orAny(a)), topFields(orAny(t))
	points := 0
	for _, f := range fa {
		i := slices.IndexFunc(ft, func(g schema.Field) bool { return g.Name == f.Name })
		switch {
		case i < 0:
		case same(f.Type, ft[i].Type):
			points += 2
		default:
			points++
		}
	}
	all := max(len(fa), len(ft))
	switch {
	case points == 0:
		return 0
	case all == 1:
		return 40 * points / 2
	}
	return 100 * points / (2 * all)
}

// topFields are the fields of an object, or of the objects of a union, each
// name once.
func topFields(v *schema.Validator) []schema.Field {
	var out []schema.Field
	for _, o := range ofKind(members(v), schema.Object) {
		for _, f := range o.Fields {
			if !slices.ContainsFunc(out, func(g schema.Field) bool { return g.Name == f.Name }) {
				out = append(out, f)
			}
		}
	}
	return out
}

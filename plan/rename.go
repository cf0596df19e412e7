package plan

import (
	"cmp"
	"slices"
	"strings"

	"strait/model/schema"
)

// Convex knows no renaming: a field or a table of another name is another one.
// What looks like a renaming is offered, and nothing is ever built on it.

// rename is one possible renaming.
type rename struct{ old, fresh string }

// candidate is a possible renaming; more points are more likely.
type candidate struct {
	rename
	points int
}

// renames are likely renamings, by the old name and by the new one.
type renames struct{ to, from map[string]offer }

// offer is what a name has likely become, or has been.
type offer struct {
	names  []string // several when nothing tells which
	rivals []string // of the same side: as likely to have become it, or been it
}

func (o offer) any() bool { return len(o.names) > 0 }

// sure is the name when only one is likely, else "".
func (o offer) sure() string {
	if len(o.names) != 1 || len(o.rivals) > 0 {
		return ""
	}
	return o.names[0]
}

func (o offer) choice() string { return strings.Join(o.names, " or ") }

// text ends a sentence; direction is to or from.
func (o offer) text(direction string) string {
	if !o.any() {
		return ""
	}
	s := ", perhaps renamed " + direction + " " + o.choice()
	if len(o.rivals) > 0 {
		s += ", unless " + strings.Join(o.rivals, " or ") + " is"
	}
	return s
}

// surely are the renamings that nothing else is as likely as.
func (r renames) surely() map[string]string {
	out := map[string]string{}
	for old, o := range r.to {
		if fresh := o.sure(); fresh != "" {
			out[old] = fresh
		}
	}
	return out
}

// asGood is how many points fewer make a candidate no less likely: the place in
// the list of fields alone decides nothing.
const asGood = 10

// mostOffered is how many names are offered for one. Among more, none is
// likely.
const mostOffered = 3

// settle takes the likeliest candidates of at least so many points, each name
// once, and those beside them that are as likely.
func settle(cs []candidate, atLeast int) renames {
	cs = slices.DeleteFunc(cs, func(c candidate) bool { return c.points < atLeast })
	slices.SortStableFunc(cs, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.points, a.points), cmp.Compare(a.old, b.old), cmp.Compare(a.fresh, b.fresh))
	})
	r := renames{map[string]offer{}, map[string]offer{}}
	for len(cs) > 0 {
		r.offer(tied(cs))
		cs = slices.DeleteFunc(cs, func(c candidate) bool {
			_, went := r.to[c.old]
			_, came := r.from[c.fresh]
			return went || came
		})
	}
	return r
}

// tied is the first candidate, the likeliest, with those that are as likely for
// one of its two names and are themselves the best for the other.
func tied(cs []candidate) []candidate {
	first := cs[0]
	out := []candidate{first}
	for _, c := range cs[1:] {
		if c.old != first.old && c.fresh != first.fresh || c.points < first.points-asGood {
			continue
		}
		best := !slices.ContainsFunc(cs, func(x candidate) bool {
			return x.points > c.points && (c.old == first.old && x.fresh == c.fresh || c.fresh == first.fresh && x.old == c.old)
		})
		if best {
			out = append(out, c)
		}
	}
	return out
}

// offer takes candidates that are as likely as each other. Of too many none is
// offered, and their names are offered to nothing else.
func (r renames) offer(cs []candidate) {
	to, from := map[string][]string{}, map[string][]string{}
	for _, c := range cs {
		to[c.old] = append(to[c.old], c.fresh)
		from[c.fresh] = append(from[c.fresh], c.old)
	}
	side := func(names, back map[string][]string, offers map[string]offer) {
		for name, others := range names {
			var o offer
			if len(cs) <= mostOffered {
				o.names = others
				for _, other := range others {
					o.rivals = append(o.rivals, slices.DeleteFunc(slices.Clone(back[other]), func(s string) bool { return s == name })...)
				}
			}
			offers[name] = o
		}
	}
	side(to, from, r.to)
	side(from, to, r.from)
}

// likelyField is how many points make the renaming of a field likely: a type
// of its own; or a plain type, and a similar name or nothing else to choose.
const likelyField = 50

// byIndex is what it adds to a likely renaming that an index follows it: enough
// to choose between two, whatever their places.
const byIndex = 30

// fieldRenames pairs the fields that an object lost with those that it won. Of
// a widened object both are optional still: there the names or a type of its
// own must tell, since nothing else sets a renamed field apart from two others.
func (d *differ) fieldRenames(at *spot, a, t *schema.Validator) renames {
	gone, came, grown := fieldsNotIn(a, t), fieldsNotIn(t, a), fieldsGrown(a, t)
	if n := len(gone) * (len(came) + len(grown)); n == 0 || n > 400 {
		return renames{}
	}
	var cs []candidate
	for _, i := range gone {
		for _, j := range came {
			f, g := a.Fields[i], t.Fields[j]
			points := typePoints(pointing(f.Type, d.tables), g.Type)
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
			r := rename{f.Name, g.Name}
			inIndex := rename{strings.TrimPrefix(at.path+"."+f.Name, "."), strings.TrimPrefix(at.path+"."+g.Name, ".")}
			if points >= likelyField && d.moves()[inIndex] {
				points += byIndex
			}
			cs = append(cs, candidate{r, points})
		}
		for _, j := range grown {
			f, g := a.Fields[i], t.Fields[j]
			if points := typePoints(pointing(f.Type, d.tables), g.Type); f.Optional && points > 0 {
				cs = append(cs, candidate{rename{f.Name, g.Name}, points + likeness(f.Name, g.Name)})
			}
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

// fieldsGrown are the places of t's fields that are required there and optional
// in a, as a field that a widening brought.
func fieldsGrown(a, t *schema.Validator) []int {
	var out []int
	for i, g := range t.Fields {
		if f := a.Field(g.Name); f != nil && f.Optional && !g.Optional && same(f.Type, g.Type) {
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

// likelyByIDs is for a place where ids of a table that is gone give way to ids
// of a new one, which tells better than fields do.
const likelyByIDs = 60

// tableRenames pairs the tables that are gone with new ones: by the ids that
// change their target from the one to the other, by their fields and names.
func tableRenames(active, target *schema.Schema) renames {
	if active == nil {
		return renames{}
	}
	gone, came := tablesNotIn(active, target), tablesNotIn(target, active)
	if len(gone) == 0 || len(came) == 0 {
		return renames{}
	}
	var cs []candidate
	redirected := redirections(active, target)
	for _, a := range gone {
		for _, t := range came {
			points := 0
			if shared := overlap(a.Document, t.Document); shared > 0 {
				points = shared + likeness(a.Name, t.Name)
			} else if untyped(a) && untyped(t) {
				points = 2 * likeness(a.Name, t.Name)
			}
			r := rename{a.Name, t.Name}
			if n := redirected[r]; n > 0 {
				points += likelyByIDs + 10*min(n-1, 6)
			}
			cs = append(cs, candidate{r, points})
		}
	}
	return settle(cs, likelyTable)
}

// redirections counts, for pairs of tables, the places where ids of the one
// gave way to ids of the other.
func redirections(active, target *schema.Schema) map[rename]int {
	before, after := idPlaces(active), idPlaces(target)
	out := map[rename]int{}
	for path, olds := range before {
		for _, old := range olds {
			for _, fresh := range after[path] {
				if !slices.Contains(olds, fresh) && !slices.Contains(after[path], old) {
					out[rename{old, fresh}]++
				}
			}
		}
	}
	return out
}

// idPlaces are the tables whose ids a schema holds, by path.
func idPlaces(s *schema.Schema) map[string][]string {
	out := map[string][]string{}
	for _, t := range s.Tables {
		eachID(t.Document, t.Name, func(path, table string) {
			if !slices.Contains(out[path], table) {
				out[path] = append(out[path], table)
			}
		})
	}
	return out
}

// pointing is v as it is once the tables have their new names.
func pointing(v *schema.Validator, tables map[string]string) *schema.Validator {
	if len(tables) == 0 {
		return v
	}
	switch v.Kind {
	case schema.ID:
		if fresh, ok := tables[v.Table]; ok {
			return &schema.Validator{Kind: schema.ID, Table: fresh}
		}
	case schema.Array:
		return &schema.Validator{Kind: schema.Array, Element: pointing(v.Element, tables)}
	case schema.Record:
		return &schema.Validator{Kind: schema.Record, Key: pointing(v.Key, tables), Element: pointing(v.Element, tables)}
	case schema.Object:
		o := &schema.Validator{Kind: schema.Object, Fields: slices.Clone(v.Fields)}
		for i := range o.Fields {
			o.Fields[i].Type = pointing(o.Fields[i].Type, tables)
		}
		return o
	case schema.Union:
		u := &schema.Validator{Kind: schema.Union}
		for _, m := range v.Members {
			u.Members = append(u.Members, pointing(m, tables))
		}
		return u
	}
	return v
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

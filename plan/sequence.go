package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/source"
)

// sequence is the order that migrations must keep, and what of them can run
// together.
type sequence struct {
	groups [][]string // one after the other; those in a group together
	needs  []need     // all that were kept
	doubts []string   // needs that contradict others, each as a line
}

// need is one reason why a migration comes after another.
type need struct {
	before, after string
	why           string
}

// sequenceOf puts the migrations of these names into groups. A project's own
// series come first, then what one leaves for the other to read; what
// contradicts that is told and dropped, so that there is always an order.
func sequenceOf(in Input, names []string) sequence {
	var s sequence
	var touches []touch
	for _, d := range in.Definitions {
		twice := slices.ContainsFunc(touches, func(t touch) bool { return t.name == d.Name })
		if slices.Contains(names, d.Name) && !d.Runner && !twice {
			touches = append(touches, touchOf(in, d))
		}
	}
	for _, n := range append(seriesNeeds(in, names), dataNeeds(touches)...) {
		switch {
		case slices.ContainsFunc(s.needs, func(x need) bool { return x.before == n.before && x.after == n.after }):
		case s.reaches(n.after, n.before):
			s.doubts = append(s.doubts, fmt.Sprintf("%s should come before %s, for %s, yet other needs say the opposite", shortName(n.before), shortName(n.after), n.why))
		default:
			s.needs = append(s.needs, n)
		}
	}
	s.group(touches)
	return s
}

// seriesNeeds are the steps of the project's own series.
func seriesNeeds(in Input, names []string) (out []need) {
	for _, d := range in.Definitions {
		last := ""
		for _, m := range d.Series {
			if !d.Runner || !slices.Contains(names, m) {
				continue
			}
			if last != "" && last != m {
				out = append(out, need{last, m, shortName(d.Name) + " runs them so"})
			}
			last = m
		}
	}
	return out
}

// dataNeeds are the needs of each pair, in the order of the definitions.
func dataNeeds(touches []touch) (out []need) {
	for i := range touches {
		for j := range touches {
			if i == j {
				continue
			}
			if why := touches[i].first(&touches[j]); why != "" {
				out = append(out, need{touches[i].name, touches[j].name, why})
			}
		}
	}
	return out
}

// reaches reports whether to comes after from by the needs so far.
func (s *sequence) reaches(from, to string) bool {
	seen := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; {
		at := todo[0]
		todo = todo[1:]
		if at == to {
			return true
		}
		for _, n := range s.needs {
			if n.before == at && !seen[n.after] {
				seen[n.after] = true
				todo = append(todo, n.after)
			}
		}
	}
	return false
}

// group puts every migration into the first group after all that come before
// it, where it disturbs nobody. The needs have no cycle.
func (s *sequence) group(touches []touch) {
	at := map[string]int{}
	var members [][]*touch
	for before := -1; len(at) > before; {
		before = len(at)
		for i := range touches {
			t := &touches[i]
			if _, placed := at[t.name]; placed {
				continue
			}
			first, ready := 0, true
			for _, n := range s.needs {
				if n.after != t.name {
					continue
				}
				g, placed := at[n.before]
				first, ready = max(first, g+1), ready && placed
			}
			if !ready {
				continue
			}
			for first < len(members) && slices.ContainsFunc(members[first], t.disturbs) {
				first++
			}
			if first >= len(members) {
				first = len(members)
				members = append(members, nil)
			}
			members[first] = append(members[first], t)
			at[t.name] = first
		}
	}
	for _, g := range members {
		var names []string
		for _, t := range g {
			names = append(names, t.name)
		}
		s.groups = append(s.groups, names)
	}
}

// touch is what a migration does to which tables and fields.
type touch struct {
	name, table string
	text        string // of the function
	alone       bool   // it may touch anything
	reads       map[string]bool
	writes      map[string]bool
	sets        map[[2]string]bool // table, field
	unsets      map[[2]string]bool
	inserts     map[string]bool
	deletes     map[string]bool
	from        map[string]bool // fields that it takes out of its own documents
}

// touchOf reads what a migration does from its body, or from its text when the
// code was not read.
func touchOf(in Input, d Definition) touch {
	t := touch{name: d.Name, table: d.Table, text: d.Source, reads: map[string]bool{}, writes: map[string]bool{}, sets: map[[2]string]bool{},
		unsets: map[[2]string]bool{}, inserts: map[string]bool{}, deletes: map[string]bool{}, from: readFields(d.Source)}
	var body *source.Body
	if in.Code != nil {
		body = in.Code.Migrations[d.Name]
	}
	if t.table == "" && body != nil {
		t.table = body.Table
	}
	switch {
	case body != nil:
		t.ofBody(in, body)
	case d.Source != "":
		t.ofText(in, d)
	default:
		t.alone = true
	}
	if t.table != "" {
		t.reads[t.table], t.writes[t.table] = true, true
	}
	t.alone = t.alone || len(t.writes) == 0
	return t
}

func (t *touch) ofBody(in Input, b *source.Body) {
	t.alone = b.Open
	for _, r := range b.Reads {
		for _, table := range t.meant(in, r.Table) {
			t.reads[table] = true
		}
	}
	for _, w := range b.Writes {
		tables := []string{t.table}
		if !w.Returned {
			tables = t.meant(in, w.Table)
		}
		for _, table := range tables {
			t.write(w, table)
		}
		for _, f := range w.Fields {
			for _, from := range f.From {
				t.from[from] = true
			}
		}
	}
}

func (t *touch) write(w source.Write, table string) {
	t.writes[table] = true
	switch w.Op {
	case source.Insert:
		t.inserts[table] = true
	case source.Delete:
		t.deletes[table] = true
	}
	for _, f := range w.Fields {
		if f.Unset {
			t.unsets[[2]string{table, f.Name}] = true
		} else if w.Op != source.Insert {
			t.sets[[2]string{table, f.Name}] = true
		}
	}
}

// meant are the tables that a call may mean whose table the text does not
// tell: a document's own, or one that its ids lead to.
func (t *touch) meant(in Input, table string) []string {
	if table != "" {
		return []string{table}
	}
	out := []string{}
	if t.table != "" {
		out = append(out, t.table)
	}
	schemas := []*schema.Schema{in.Target}
	for _, ev := range in.Envs {
		schemas = append(schemas, ev.Active)
	}
	for _, s := range schemas {
		if d := s.Table(t.table); d != nil {
			eachID(d.Document, t.table, func(_, table string) { out = append(out, table) })
		}
	}
	return out
}

var (
	insertedTable = regexp.MustCompile("\\.\\s*insert\\s*\\(\\s*[\"'`](\\w+)[\"'`]")
	deletesSome   = regexp.MustCompile(`\.\s*delete\s*\(`)
	getsSome      = regexp.MustCompile(`\.\s*get\s*\(`)
)

// ofText is the same as far as the text alone tells.
func (t *touch) ofText(in Input, d Definition) {
	tables, _ := d.uses()
	for _, table := range tables {
		t.reads[table] = true
		if t.table == "" {
			t.writes[table] = true // a function by hand, which pages through one of them
		}
	}
	if getsSome.MatchString(d.Source) {
		for _, table := range t.meant(in, "") {
			t.reads[table] = true
		}
	}
	for _, m := range insertedTable.FindAllStringSubmatch(d.Source, -1) {
		t.inserts[m[1]], t.writes[m[1]] = true, true
	}
	if deletesSome.MatchString(d.Source) && t.table != "" {
		t.deletes[t.table] = true
	}
	unset := map[string]bool{}
	for _, m := range unsetField.FindAllStringSubmatch(d.Source, -1) {
		unset[m[1]] = true
	}
	written := writtenFields(d.Source)
	for _, f := range declaredFields(in, t.table) {
		switch at := [2]string{t.table, f}; {
		case unset[f]:
			t.unsets[at] = true
		case written[f]:
			t.sets[at] = true
		}
	}
}

var (
	unsetField = regexp.MustCompile(`\b(\w+)\s*:\s*undefined\b`)
	takenField = regexp.MustCompile("\\.\\s*(\\w+)|\\[\\s*[\"'`](\\w+)[\"'`]")
	// takenApart is a pattern that takes fields out of a document: of a
	// declaration or of a parameter.
	takenApart = regexp.MustCompile(`\{([^{}]*)\}\s*(?:=[^=>]|\)\s*(?::[^=]*)?=>)`)
	identifier = regexp.MustCompile(`\w+`)
	fieldPlace = regexp.MustCompile(`[{,]\s*(\w+)`)
)

// readFields are the names that a text takes out of some object.
func readFields(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range takenField.FindAllStringSubmatch(text, -1) {
		out[m[1]+m[2]] = true
	}
	for _, m := range takenApart.FindAllStringSubmatch(text, -1) {
		for _, name := range identifier.FindAllString(m[1], -1) {
			out[name] = true
		}
	}
	return out
}

// writtenFields are the names that a text puts into some object.
func writtenFields(text string) map[string]bool {
	text = takenApart.ReplaceAllString(text, " ")
	out := map[string]bool{}
	for _, m := range fieldPlace.FindAllStringSubmatchIndex(text, -1) {
		if after := strings.TrimSpace(text[m[3]:]); after != "" && strings.ContainsRune(":,}", rune(after[0])) {
			out[text[m[2]:m[3]]] = true
		}
	}
	return out
}

// declaredFields are the fields that a table has in any schema, at the top level.
func declaredFields(in Input, table string) (out []string) {
	add := func(s *schema.Schema) {
		if t := s.Table(table); t != nil && t.Document != nil {
			for _, v := range append([]*schema.Validator{t.Document}, t.Document.Members...) {
				for _, f := range v.Fields {
					if !slices.Contains(out, f.Name) {
						out = append(out, f.Name)
					}
				}
			}
		}
	}
	add(in.Target)
	for _, ev := range in.Envs {
		add(ev.Active)
	}
	return out
}

// readsField reports whether the migration may read a field: one of its own
// documents that the text takes out of them, or any that it names of a table
// that it reads besides.
func (t *touch) readsField(at [2]string) bool {
	table, field := at[0], at[1]
	if !t.reads[table] {
		return false
	}
	if table != t.table {
		return holdsWord(t.text, field)
	}
	return t.from[field]
}

// first says why this migration comes before the other; "" when it need not.
func (t *touch) first(u *touch) string {
	for _, at := range sortedPlaces(t.sets) {
		if !u.sets[at] && u.readsField(at) {
			return fmt.Sprintf("%s reads %s.%s, which %s writes", shortName(u.name), at[0], at[1], shortName(t.name))
		}
	}
	for _, at := range sortedPlaces(u.unsets) {
		if !t.unsets[at] && (t.readsField(at) || t.sets[at]) {
			return fmt.Sprintf("%s reads %s.%s, which %s removes", shortName(t.name), at[0], at[1], shortName(u.name))
		}
	}
	for table := range t.inserts {
		if !u.inserts[table] && u.reads[table] {
			return fmt.Sprintf("%s reads %s, where %s adds documents", shortName(u.name), table, shortName(t.name))
		}
	}
	for table := range u.deletes {
		if !t.deletes[table] && t.reads[table] && (table != t.table || len(t.inserts) > 0) {
			return fmt.Sprintf("%s reads documents of %s that %s deletes", shortName(t.name), table, shortName(u.name))
		}
	}
	return ""
}

func sortedPlaces(m map[[2]string]bool) [][2]string {
	var out [][2]string
	for at := range m {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0]+"."+a[1], b[0]+"."+b[1]) })
	return out
}

// disturbs reports whether the two should not run at the same time: one writes
// a table that the other reads or writes.
func (t *touch) disturbs(u *touch) bool {
	if t.alone || u.alone {
		return true
	}
	for table := range t.writes {
		if u.reads[table] || u.writes[table] {
			return true
		}
	}
	for table := range u.writes {
		if t.reads[table] {
			return true
		}
	}
	return false
}

// RunOrder is the order in which the migrations of these names would be run one
// after the other: the project's own series, then what one leaves for another
// to read, then the order of the definitions. Those that components define come
// last; doubts are the needs that contradict it.
func RunOrder(in Input, names []string) (order, doubts []string) {
	root, inner := []string{}, []string{}
	for _, d := range in.Definitions {
		switch {
		case !slices.Contains(names, d.Name) || d.Runner:
		case d.Component == "":
			root = append(root, d.Name)
		default:
			inner = append(inner, d.Name)
		}
	}
	for _, part := range [][]string{root, inner} {
		s := sequenceOf(in, part)
		for _, group := range s.groups {
			order = append(order, group...)
		}
		doubts = append(doubts, s.doubts...)
	}
	return order, doubts
}
